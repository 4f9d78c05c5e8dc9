//! `traces`: the collector that spans are handed to. Without it traces are passed on and nothing is added to them.

use super::Secret;
use super::read::{PATH_BYTES_MAX, secret_file};
use crate::trace::endpoint_of;
use portcullis_core::policy::yaml::{At, Map};
use reqwest::header::{HeaderName, HeaderValue};
use std::collections::BTreeMap;
use url::Url;

#[derive(Clone, PartialEq, Debug)]
pub struct Traces {
    /// Where spans are posted to.
    pub endpoint: Url,
    /// Sent with each request, those of `headers_file` already read from their files.
    pub headers: BTreeMap<String, Secret>,
}

pub(super) fn read(map: &Map<'_>) -> Option<Traces> {
    let section = map.get("traces")?.map()?;
    let endpoint = section.need("endpoint").and_then(|at| {
        let text = at.short_text(PATH_BYTES_MAX)?;
        endpoint_of(text)
            .map_err(|why| at.fault_with(format!("{text:?} {why}"), "write http://HOST:4318, and what is secret in headers_file"))
            .ok()
    });
    let mut headers = BTreeMap::new();
    if let Some(given) = section.get("headers").and_then(|at| at.map()) {
        for (name, at) in given.entries() {
            if let Some(value) = at.scalar().and_then(|value| header(name, &at, Secret::new(value))) {
                headers.insert(name.to_owned(), value);
            }
        }
    }
    if let Some(files) = section.get("headers_file").and_then(|at| at.map()) {
        for (name, at) in files.entries() {
            let value = at.short_text(PATH_BYTES_MAX).and_then(|file| secret_file(&at, file));
            let Some(value) = value.and_then(|value| header(name, &at, value)) else { continue };
            if headers.insert(name.to_owned(), value).is_some() {
                at.fault_with("is in traces.headers too", "remove one of them");
            }
        }
    }
    Some(Traces { endpoint: endpoint?, headers })
}

/// `None`, with a fault noted, for what HTTP does not allow.
fn header(name: &str, at: &At<'_>, value: Secret) -> Option<Secret> {
    if name.parse::<HeaderName>().is_err() || HeaderValue::from_str(value.reveal()).is_err() {
        at.fault("is not a header of HTTP: its name or its value has characters that are not allowed there");
        return None;
    }
    Some(value)
}
