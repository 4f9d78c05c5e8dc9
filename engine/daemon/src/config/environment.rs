//! The environment over the file: `PORTCULLIS_KAFKA__BOOTSTRAP_SERVERS` is `kafka.bootstrap_servers`.

use portcullis_core::policy::yaml::Document;

/// With which our variables begin.
pub const PREFIX: &str = "PORTCULLIS_";

/// What else the environment may say: the filter of the logs, and where a fault test lets the process die.
const NOT_CONFIGURATION: &[&str] = &["LOG", "FAILPOINT"];

/// Between the names of nested keys.
const NESTED: &str = "__";

/// Our variables of this process, in the order of their names.
pub fn of_process() -> Vec<(String, String)> {
    let ours = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let name = name.into_string().ok().filter(|n| n.starts_with(PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    };
    let mut variables: Vec<(String, String)> = std::env::vars_os().filter_map(ours).collect();
    variables.sort();
    variables
}

pub(super) fn lay_over(document: &mut Document, environment: &[(String, String)]) {
    for (name, value) in environment {
        let Some(keys) = name.strip_prefix(PREFIX) else { continue };
        if NOT_CONFIGURATION.contains(&keys) || is_service_link(keys, value) {
            continue;
        }
        match path(keys) {
            Some(path) => document.overlay(name, &path, value),
            None => {
                let help = "write PORTCULLIS_SECTION__KEY, as in PORTCULLIS_KAFKA__BOOTSTRAP_SERVERS, or unset it".to_owned();
                document.note(name, "names no key of the configuration".to_owned(), Some(help));
            }
        }
    }
}

/// Kubernetes sets these in every pod beside a Service that is called `portcullis` (or `portcullis-something`).
fn is_service_link(keys: &str, value: &str) -> bool {
    let ends = |end: &str| keys == end || keys.ends_with(&format!("_{end}"));
    let after = |word: &str| keys.strip_prefix(word).or_else(|| keys.split_once(&format!("_{word}")).map(|(_, rest)| rest));
    let is_address = value.starts_with("tcp://") || value.starts_with("udp://") || value.starts_with("sctp://");
    !keys.contains(NESTED)
        && (ends("SERVICE_HOST")
            || ends("SERVICE_PORT")
            || after("SERVICE_PORT_").is_some()
            || (ends("PORT") && is_address)
            || after("PORT_").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())))
}

/// `KAFKA__PROPERTIES__SASL_PASSWORD`: librdkafka's names have dots where a variable cannot.
fn path(keys: &str) -> Option<Vec<String>> {
    let mut path: Vec<String> = keys.split(NESTED).map(str::to_ascii_lowercase).collect();
    if path.len() < 2 || path.iter().any(String::is_empty) {
        return None;
    }
    if let [section, map, property] = path.as_mut_slice()
        && section == "kafka"
        && (map == "properties" || map == "properties_file")
    {
        *property = property.replace('_', ".");
    }
    Some(path)
}
