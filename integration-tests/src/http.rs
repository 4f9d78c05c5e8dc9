//! One HTTP request to a server on the loopback, by curl.

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
    let mut command = Command::new("curl");
    command.args(["-s", "-S", "--max-time", "30", "-X", method, "-w", "\n%{http_code}", url]);
    for (name, value) in headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    match body {
        Body::None => {}
        Body::Json(json) => {
            command.args(["-H", "Content-Type: application/json", "-d", &json.to_string()]);
        }
        Body::Form(fields) => {
            for (name, value) in *fields {
                command.args(["--data-urlencode", &format!("{name}={value}")]);
            }
        }
    }
    let done = command.output().expect("curl (on Debian `apt-get install curl`)");
    assert!(done.status.success(), "{method} {url}: {}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8_lossy(&done.stdout);
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    (status.trim().parse().unwrap_or(0), serde_json::from_str(body).unwrap_or(Value::Null))
}
