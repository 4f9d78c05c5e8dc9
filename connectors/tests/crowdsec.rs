//! CrowdSec's hub: logs of brute force and what its scenarios raise of them (`scenario.assert`). Whichever source an identity-related
//! scenario blames must reach medium here, by evidence of guessing.
//!
//! Keycloak's lines are read by its format; of programs of which no format is built, the small readers below take from a line what a
//! log-in needs.

mod judged;

use judged::{data, events, verdicts};
use portcullis_connectors::formats::{Format, Input, Item, decode};
use portcullis_core::verdict::{Family, Level};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Time, address, name and failure of a log-in that failed; `None` for a line that tells of none.
type Failed = (String, String, String, &'static str);

/// The event of a line, if it is one.
type Reads = fn(&str) -> Option<Value>;

/// Folders with a scenario about identities, and how their lines are read.
const ABOUT_IDENTITIES: [(&str, Reads); 5] = [
    ("authentik-bf", |line| authentik(line).map(login)),
    ("gitlab-bf", |line| gitlab(line).map(login)),
    ("keycloak-bf", keycloak),
    ("ssh-bf", |line| sshd(line).map(login)),
    ("ssh-slow-bf", |line| sshd(line).map(login)),
];

/// Folders whose scenario is about no identity, and why.
const UNMAPPED: [(&str, &str); 2] = [
    ("envoy-http-crawl-non_statics", "an anonymous crawl: nobody logs in and no identity is touched"),
    ("http-bf-wordpress-bf", "an access log: it names nobody, and status 200 does not say whether the log-in failed"),
];

fn failed(line: &str) -> Option<Value> {
    let parsed: Value = serde_json::from_str(line).ok()?;
    parsed.is_object().then_some(parsed)
}

fn authentik(line: &str) -> Option<Failed> {
    let log = failed(line)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (name, failure) = match log["action"].as_str()? {
        "invalid_identifier" => (text(&log["identifier"])?, "unknown_identity"),
        "login_failed" => (text(&log["context"]["username"])?, "bad_password"),
        _ => return None,
    };
    Some((format!("{}Z", log["timestamp"].as_str()?), text(&log["client_ip"])?, name, failure))
}

fn gitlab(line: &str) -> Option<Failed> {
    let log = failed(line)?;
    // A form that was sent and is shown again: a log-in that went through answers 302 to the page behind it.
    let is_failure = match log["action"].as_str()? {
        "create" => log["status"] != 302,
        "failure" => true,
        _ => false,
    };
    let param = |key: &str| log["params"].as_array()?.iter().find(|p| p["key"] == key).map(|p| p["value"].clone());
    let user = param("user").unwrap_or_default();
    let name = user["login"].as_str().map(str::to_owned).or_else(|| param("username")?.as_str().map(str::to_owned));
    // The second step names nobody.
    let name = name.unwrap_or_else(|| "second step".to_owned());
    is_failure.then_some(())?;
    Some((log["time"].as_str()?.to_owned(), log["remote_ip"].as_str()?.to_owned(), name, "bad_password"))
}

fn keycloak(line: &str) -> Option<Value> {
    let (input, mut event) = (Input::operator("keycloak"), None);
    decode(Format::Keycloak, line.as_bytes(), &input, &mut |_, item| {
        if let Item::Event(read) = item {
            event = serde_json::to_value(&read).ok();
        }
    });
    event
}

fn sshd(line: &str) -> Option<Failed> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|m| line.starts_with(m))? + 1;
    let words: Vec<&str> = line.split_whitespace().collect();
    let said = line.split_once("Invalid user ")?.1;
    let (name, rest) = said.split_once(" from ")?;
    let time = format!("2026-{month:02}-{:0>2}T{}Z", words.get(1)?, words.get(2)?);
    Some((time, rest.split_whitespace().next()?.to_owned(), name.to_owned(), "unknown_identity"))
}

fn login((time, ip, name, failure): Failed) -> Value {
    let auth = json!({"method": "password", "failure": failure});
    json!({"time": time, "type": "auth.login", "outcome": "failure", "identity": {"id": name}, "source": {"ip": ip}, "auth": auth})
}

/// `(scenario, source)` of each result.
fn asserted(folder: &Path) -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(folder.join("scenario.assert")).unwrap();
    let result = |line: &str| line.split_once("results[")?.1.split_once(']').map(|(n, _)| n.to_owned());
    let quoted = |text: &str| text.split('"').nth(1).map(str::to_owned);
    let of = |wanted: &str| -> Vec<(String, String)> {
        let lines = text.lines().filter(|line| line.contains(wanted));
        lines.filter_map(|line| Some((result(line)?, quoted(line)?))).collect()
    };
    let (scenarios, sources) = (of(".GetScenario() == "), of(" in results["));
    let scenario_of = |n: &str| scenarios.iter().find(|(other, _)| other == n).map(|(_, name)| name.clone());
    sources.into_iter().map(|(n, source)| (scenario_of(&n).unwrap(), source)).collect()
}

fn log_of(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let log = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "log")).unwrap();
    std::fs::read_to_string(log).unwrap()
}

#[test]
fn each_identity_related_scenario_is_raised() {
    let Some(root) = data("crowdsec") else { return };
    let input = Input::operator("crowdsec");
    let mut missing = Vec::new();
    let mut raised = 0;
    for (folder, read) in ABOUT_IDENTITIES {
        let folder = root.join(folder);
        let lines: Vec<String> = log_of(&folder).lines().filter_map(read).map(|event| event.to_string()).collect();
        let events = events(Format::Native, lines.iter().map(String::as_bytes), &input);
        assert_eq!(events.len(), lines.len());
        let verdicts = verdicts(&events);
        let asserted = asserted(&folder);
        assert!(!asserted.is_empty(), "{}", folder.display());
        for (scenario, source) in asserted {
            let found = verdicts.iter().find(|v| {
                let guessing = v.reasons.first().is_some_and(|r| r.family == Family::Guessing);
                v.subject.kind == "source" && v.subject.id == source && v.level >= Level::Medium && guessing
            });
            match found {
                Some(verdict) => {
                    raised += 1;
                    println!("{scenario} of {source}: {} by {}", verdict.level, verdict.reasons[0].signal);
                }
                None => missing.push(format!("{scenario} of {source}")),
            }
        }
    }
    assert!(missing.is_empty(), "not raised: {missing:#?}");
    assert!(raised >= 14, "{raised}");
}

#[test]
fn every_scenario_is_mapped_or_said_why_not() {
    let Some(root) = data("crowdsec") else { return };
    let with_scenario =
        |path: &Path| std::fs::read_to_string(path.join("scenario.assert")).is_ok_and(|text| text.contains("GetScenario()"));
    let there: BTreeSet<String> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| with_scenario(path))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    for (folder, why) in UNMAPPED {
        println!("unmapped: {folder}: {why}");
    }
    let known = ABOUT_IDENTITIES.iter().map(|(folder, _)| *folder).chain(UNMAPPED.iter().map(|(folder, _)| *folder));
    assert_eq!(there, known.map(str::to_owned).collect());
}
