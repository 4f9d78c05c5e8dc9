//! HTTP requests to a server on the loopback, by curl.

use serde_json::Value;
use std::process::Command;

/// What is sent.
pub enum Body<'a> {
    None,
    Json(&'a Value),
    Form(&'a [(&'a str, &'a str)]),
}

/// Status and body; a body that is no JSON is null.
///
/// # Panics
/// Where there is no curl, or no answer.
pub fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &Body<'_>) -> (u16, Value) {
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let mut args = vec!["-X", method, "-w", "\n%{http_code}", url];
    for header in &headers {
        args.extend(["-H", header]);
    }
    let (json, fields);
    match body {
        Body::None => {}
        Body::Json(value) => {
            json = value.to_string();
            args.extend(["-H", "Content-Type: application/json", "-d", &json]);
        }
        Body::Form(form) => {
            fields = form.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
            args.extend(fields.iter().flat_map(|field| ["--data-urlencode", field]));
        }
    }
    let text = curl(&args);
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    (status.trim().parse().unwrap_or(0), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// What curl prints.
///
/// # Panics
/// Where there is no curl, or no answer.
pub fn curl(args: &[&str]) -> String {
    let done = Command::new("curl").args(["-s", "-S", "--max-time", "30"]).args(args).output();
    let done = done.expect("curl (on Debian `apt-get install curl`)");
    assert!(done.status.success(), "curl {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// Whether a server answers this address with success.
pub fn is_up(url: &str) -> bool {
    Command::new("curl").args(["-s", "-f", "--max-time", "5", "-o", "/dev/null", url]).status().is_ok_and(|status| status.success())
}
