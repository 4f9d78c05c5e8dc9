//! Fixed logs whose every output byte is pinned to the decision version: a replay by the same version must equal the original. One of
//! them is a long story of several people; the others are the scenarios in which each signal speaks.

mod support;

use portcullis_core::decide::DECISION_VERSION;
use portcullis_core::id::digest;
use portcullis_core::policy::{Emit, Policy};
use portcullis_core::record::Output;
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use support::people::*;
use support::{Log, Run, at, cases, start};

/// The decision version, then the digest of what it writes about the log below.
const PINNED: &str = include_str!("golden/outputs.txt");

/// Ten days of three people and a job, then what happens to each of them.
fn log() -> Log {
    let mut log = Log::default();
    log.json_at(
        start().plus(-11 * DAY_MS),
        r#""type":"inventory.identity","identity":{"id":"sync"},"inventory":{"class":"service","owner":"shop","shared_by":["till"],"expected":{"workloads":["spiffe://corp/ns/shop/sa/sync"]}}"#,
    );
    at_home(&mut log, "ana", "customer");
    at_home(&mut log, "wim", "workforce");
    at_home(&mut log, "root", "admin");
    hourly_job(&mut log, "sync", 3);
    // ana: guessed, taken over, emptied.
    for i in 0..9 {
        log.json_at(at("0").plus(i * 20 * SECOND_MS), &login("failure", &[STRANGER, BAD_PASSWORD]));
    }
    log.json("5:00", &login("success", &[STRANGER, BY_PASSWORD, &session("s-2")]));
    log.json("6:00", &act("account.update", "success", "ana", "customer", &[STRANGER, r#""change":{"target":"ana","value":"mail"}"#]));
    for order in 0..8 {
        let result = if order < 6 { "declined" } else { "approved" };
        let buy = checkout(&format!("o-{order}"), &format!("c-{}", order / 2), 900, result);
        log.json_at(
            at("7:00").plus(order * 10 * SECOND_MS),
            &act("checkout.attempt", "unknown", "ana", "customer", &[STRANGER, &session("s-2"), &buy]),
        );
    }
    // A list of stolen passwords from one address, some of them of nobody.
    for i in 0..40 {
        let failure = if i % 3 == 0 { "unknown_identity" } else { "bad_password" };
        let auth = format!(r#""auth":{{"method":"password","failure":"{failure}"}}"#);
        log.json_at(at("20:00").plus(i * 5 * SECOND_MS), &act("auth.login", "failure", &format!("u-{i}"), "customer", &[NOWHERE, &auth]));
    }
    // wim: pushes until he gives in, then a passkey on his own device.
    for i in 0..7 {
        log.json_at(at("40:00").plus(i * 30 * SECOND_MS), &act("auth.mfa", "failure", "wim", "workforce", &[HOME, PUSH_DENIED]));
    }
    log.json("45:00", &act("auth.mfa", "success", "wim", "workforce", &[STRANGER, BY_PUSH, &session("s-7")]));
    log.json("46:00", &act("auth.mfa", "success", "wim", "workforce", &[HOME, BY_PASSKEY, &session("s-8")]));
    // root: a stolen session, seen late; and in Lagos at once.
    log.json("50:00", &act("api.request", "success", "root", "admin", &[HOME, &session("s-9")]));
    log.json("52:00", &act("api.request", "success", "root", "admin", &[STRANGER, &session("s-9")]));
    log.json("51:00", &act("api.request", "success", "root", "admin", &[STRANGER, &session("s-9")]));
    log.json("1:10:00", &act("auth.login", "success", "root", "admin", &[LAGOS, BY_PASSWORD, &session("s-10")]));
    // sync: an old key from another cloud, in a hurry, on a new route.
    for i in 0..200 {
        log.json_at(at("1:20:00").plus(i * 250), &call_of("sync", "/v1/customers/export", OTHER_CLOUD, "key-0", 400));
    }
    log.tick(at("12:00:00"));
    log.json_at(start().plus(120 * DAY_MS), &login("success", &[HOME, BY_PASSWORD]));
    log.tick(start().plus(121 * DAY_MS + HOUR_MS + MINUTE_MS));
    log
}

/// The story, then the scenario of each signal.
fn runs(emit: Emit) -> Vec<Run> {
    let scenarios = cases::all().map(|case| {
        let mut log = Log::default();
        (case.speaks)(&mut log);
        log
    });
    let policy = Policy { emit, ..Policy::default_policy() };
    std::iter::once(log()).chain(scenarios).map(|log| Run::over(&policy, &log, &[64])).collect()
}

/// The outputs as they leave: one JSON a line.
fn lines(emit: Emit) -> (Vec<u8>, usize) {
    let outputs: Vec<Output> = runs(emit).into_iter().flat_map(|run| run.outputs).collect();
    let mut bytes = Vec::new();
    for output in &outputs {
        match output {
            Output::Verdict(v) => serde_json::to_writer(&mut bytes, v).unwrap(),
            Output::Finding(f) => serde_json::to_writer(&mut bytes, f).unwrap(),
            Output::Proposal(p) => serde_json::to_writer(&mut bytes, p).unwrap(),
            Output::ToGate(c) => serde_json::to_writer(&mut bytes, c).unwrap(),
            Output::Request(_) | Output::Decision(_) | Output::Answer(_) | Output::Fact(_) => unreachable!("the gate's"),
        }
        bytes.push(b'\n');
    }
    (bytes, outputs.len())
}

#[test]
fn no_output_byte_changes_without_a_new_decision_version() {
    let (changes, n) = lines(Emit::Changes);
    let (all, _) = lines(Emit::All);
    // The policy's text is part of every verdict; the engine's own version too, but a release need not change a decision.
    let without_engine = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(portcullis_core::decide::ENGINE, "portcullis");
    let policy = Policy::default_policy().digest;
    let neutral = |bytes: &[u8]| without_engine(bytes).replace(&policy, "policy");
    let found = format!("{DECISION_VERSION} {}\n", digest((neutral(&changes) + &neutral(&all)).as_bytes()));
    assert!(n > 40, "the log makes too little happen: {n} outputs");
    let (pinned_version, _) = PINNED.split_once(' ').unwrap();
    assert!(
        found == PINNED,
        "The outputs for the golden log have changed.\n\
         If that was not meant, something has changed decisions by accident: find it.\n\
         If it was meant, {}, and write this line into engine/core/tests/golden/outputs.txt:\n{found}",
        if pinned_version == DECISION_VERSION.to_string() {
            "raise DECISION_VERSION in engine/core/src/decide.rs (old journals are then not compared with new decisions), run this again"
        } else {
            "DECISION_VERSION has been raised already"
        }
    );
}

#[test]
fn the_golden_logs_reach_every_signal() {
    let spoke: std::collections::BTreeSet<String> =
        runs(Emit::All).iter().flat_map(|run| run.verdicts()).flat_map(|v| v.reasons.iter().map(|r| r.signal.clone())).collect();
    let silent: Vec<&str> = portcullis_core::signal::ALL.iter().map(|s| s.name).filter(|n| !spoke.contains(*n)).collect();
    assert_eq!(silent, [""; 0]);
}
