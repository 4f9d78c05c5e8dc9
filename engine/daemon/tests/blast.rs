//! The blast radius: over a million events, one identity in a hundred is attacked within two minutes, and what goes out by itself stays
//! within the budgets.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;

const WINDOW_MS: i64 = 600_000;

fn portcullis(dir: &Path, args: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_portcullis")).current_dir(dir).args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn lines(path: &Path) -> impl Iterator<Item = Value> {
    BufReader::new(std::fs::File::open(path).unwrap()).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

/// RFC 3339 or epoch milliseconds.
fn ms(time: &Value) -> i64 {
    time.as_i64().unwrap_or_else(|| portcullis_core::time::Time::parse(time.as_str().unwrap()).unwrap().0)
}

/// Pushes denied until one is approved, then the session at work.
fn attack(who: &str, class: &str, at: i64, n: usize) -> Vec<Value> {
    let event = |i: i64, more: Value| {
        let mut event = json!({
            "id": format!("blast-{n}-{i}"), "time": at + i * 500, "tenant": "acme", "identity": { "id": who, "class": class },
            "source": { "ip": format!("203.0.113.{}", n % 250), "network": "tor", "country": "RU", "device_id": format!("d-evil-{n}") }
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let denied = || json!({ "type": "auth.mfa", "outcome": "failure", "auth": { "method": "push", "failure": "mfa_denied" } });
    let mut events: Vec<Value> = (0..6).map(|i| event(i, denied())).collect();
    let session = json!({ "id": format!("s-blast-{n}") });
    events.push(event(6, json!({ "type": "auth.mfa", "outcome": "success", "auth": { "method": "push" }, "session": session })));
    events.push(event(7, json!({ "type": "auth.login", "outcome": "success", "auth": { "method": "push" }, "session": session })));
    events
}

#[test]
fn a_wave_over_one_identity_in_a_hundred_stays_within_the_budgets() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    portcullis(dir, &["simulate", "--seed", "11", "--events", "1000000", "--clean", "--scenario", "cron_off_schedule", "--out", "quiet"]);
    let (mut people, mut everybody, mut times) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for event in lines(&dir.join("quiet/events.ndjson")) {
        times.push(ms(&event["time"]));
        let Some(id) = event["identity"]["id"].as_str() else { continue };
        everybody.insert(id.to_owned());
        if let Some(class @ ("workforce" | "support")) = event["identity"]["class"].as_str() {
            people.insert((id.to_owned(), class.to_owned()));
        }
    }
    times.sort_unstable();
    let begin = times[times.len() * 3 / 4];
    let wanted = (everybody.len() / 100).max(120);
    let mut out = std::fs::File::create(dir.join("wave.ndjson")).unwrap();
    // Where there are too few of the back office, strangers with its class make up the number.
    let strangers = (0..).map(|i| (format!("stranger-{i}"), "workforce".to_owned()));
    for (n, (who, class)) in people.into_iter().chain(strangers).take(wanted).enumerate() {
        for event in attack(&who, &class, begin + (n as i64 * 120_000) / wanted as i64, n) {
            writeln!(out, "{event}").unwrap();
        }
    }
    // Nothing in shadow, and ending sessions of the back office has a budget of 40 in ten minutes.
    let policy = portcullis(dir, &["policy", "show"])
        .replace("shadow: { actions: [disable_account, rotate_secret, revoke_token, offboard] }", "shadow: { actions: [] }")
        .replace("class: customer, per: 10m, at_most: 200, share_of_active: 0.01", "class: any, per: 10m, at_most: 40")
        .replace("at_least: 50, same", "at_least: 100000, same");
    for (name, policy) in [("budgets", policy.clone()), ("breaker", policy.replace("at_least: 100000", "at_least: 50"))] {
        std::fs::write(dir.join("policy.yaml"), &policy).unwrap();
        portcullis(dir, &["score", "quiet/events.ndjson", "wave.ndjson", "--policy", "policy.yaml", "--out", name]);
        let mut sent: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for decision in lines(&dir.join(name).join("decisions.ndjson")).filter(|d| d.get("end").is_some() && d.get("proposal").is_some()) {
            let text = |key: &str| decision[key].as_str().unwrap_or("-").to_owned();
            *ends.entry(text("end")).or_default() += 1;
            if decision["end"] == "sent" && !decision["why"].as_str().unwrap().contains(", renewal ") {
                sent.entry((text("action"), text("class"))).or_default().push(ms(&decision["time"]));
            }
        }
        println!("{name}: {wanted} of {} identities attacked; decisions {ends:?}", everybody.len());
        let most = [("disable_account", 20), ("rotate_secret", 10), ("revoke_token", 50), ("terminate_session", 40)];
        for ((action, class), mut times) in sent {
            let Some((_, at_most)) = most.iter().find(|(name, _)| *name == action) else { continue };
            times.sort_unstable();
            let within =
                times.iter().map(|from| times.iter().filter(|t| (0..WINDOW_MS).contains(&(**t - from))).count()).max().unwrap_or(0);
            println!("  {action} of {class}: {within} at most in any ten minutes, the budget is {at_most}");
            assert!(within <= *at_most, "{within} of {action} of {class} within ten minutes");
        }
        let held = |end: &str| ends.get(end).copied().unwrap_or(0);
        assert!(if name == "budgets" { held("held_budget") } else { held("held_breaker") } >= wanted / 4, "the rest waits: {ends:?}");
    }
}
