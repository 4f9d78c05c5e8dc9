//! A privileged session as a PAM logs it, begun without a checkout.

use crate::lab::Lab;
use portcullis_core::time::DAY_MS;
use portcullis_integration_tests::attack::now_ms;
use portcullis_integration_tests::keycloak::text;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const HOME: &str = "192.0.2.30";
const ELSEWHERE: &str = "203.0.113.30";

fn event(kind: &str, time: i64, session: &str, ip: &str) -> Value {
    let ticket = Some(format!("CHG-{session}")).filter(|_| ip == HOME);
    json!({
        "id": format!("{kind}-{session}"), "time": time, "type": kind, "outcome": "success", "tenant": "acme",
        "identity": { "id": "ben", "class": "admin" }, "provider": { "product": "pam", "instance": "https://pam.example" },
        "privileged": { "account": "root@db-1", "target": "db-1", "session": session, "ticket": ticket }, "source": { "ip": ip }
    })
}

pub fn without_checkout(lab: &mut Lab) {
    println!("A privileged session is begun without a checkout");
    let past = (5..41).rev().flat_map(|days| {
        let time = now_ms() - days * DAY_MS;
        [("privileged.checkout", 0), ("privileged.session_start", 60_000), ("privileged.session_end", 3_600_000)]
            .map(|(kind, after)| event(kind, time + after, &format!("ps-{days}"), HOME))
    });
    lab.feed(&past.collect::<Vec<_>>());
    lab.executor.pam = BTreeSet::from(["ps-stolen".to_owned(), "ps-of-another".to_owned()]);
    lab.feed(&[
        event("privileged.session_start", now_ms() - 3_000, "ps-stolen", ELSEWHERE),
        event("privileged.command", now_ms() - 1_000, "ps-stolen", ELSEWHERE),
    ]);
    lab.verdict("ben", "ben", "critical");

    let request = lab.carried_out("ben", "terminate_privileged_session");
    assert_eq!(lab.executor.pam, BTreeSet::from(["ps-of-another".to_owned()]), "that one, and no other");
    let fact = lab.fact(&request);
    println!("  it is ended, the session of another goes on; {} is published", text(&fact, "event"));
}
