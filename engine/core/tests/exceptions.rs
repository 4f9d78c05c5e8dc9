//! Exceptions: silent inside their envelope, louder outside it, for whom and for as long as they say.

mod support;

use portcullis_core::policy::parse::parse;
use portcullis_core::policy::{Emit, Policy};
use portcullis_core::signal;
use portcullis_core::time::{DAY_MS, SECOND_MS};
use portcullis_core::verdict::{Level, Mode, Verdict};
use support::people::*;
use support::{Log, Run, at, event, start};

/// The default policy with these exceptions, every event told.
fn policy(exceptions: &str) -> Policy {
    let lists = "lists: { watched: [sync], scanners: [203.0.113.9] }\n";
    let text = portcullis_core::policy::parse::DEFAULT_TEXT.replace("\nemit: changes\n", "\nemit: all\n");
    parse("p.yaml", &format!("{text}{lists}exceptions:\n{exceptions}")).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn exception(id: &str, subject: &str, signals: &str, within: &str) -> String {
    format!(
        "  - {{ id: {id}, owner: pay, reason: PAY-1182, expires: 2026-05-31, subject: {subject}, signals: {signals}, within: {within} }}\n"
    )
}

/// The migration of a job: another route is no surprise while it is called from the job's own network.
fn migration(subject: &str, within: &str) -> Policy {
    policy(&exception("migration", subject, "[new_scope]", within))
}

const LABELLED: &str = "{ label: eod-batch }";
const OWN_NETWORK: &str = "{ networks: [192.0.2.0/24], routes: [/v1/settlements/*] }";
const ABROAD: &str = r#""source":{"ip":"203.0.113.9","asn":64500,"workload":"spiffe://corp/ns/shop/sa/sync","workload_proof":"mtls"}"#;
const NOBODY_KNOWS_WHERE: &str = r#""source":{"asn":64500,"workload":"spiffe://corp/ns/shop/sa/sync","workload_proof":"mtls"}"#;

/// Ten days of the job, then one call to a route that it never called.
fn job_calls(route: &str, source: &str) -> Log {
    let mut log = Log::default();
    hourly_job(&mut log, "sync", 2);
    log.json("30:00", &inventory("sync", r#""class":"service","labels":["eod-batch"]"#));
    log.json("31:00", &call_of("sync", route, source, "key-1", 0));
    log
}

/// The identity's last verdict.
fn verdict(policy: &Policy, log: &Log) -> Verdict {
    Run::over(policy, log, &[usize::MAX / 2]).verdicts().filter(|v| v.subject.kind == "identity").last().expect("a verdict").clone()
}

/// What it says: each signal with its decibans, and the words of what is no ordinary reason.
fn said(policy: &Policy, log: &Log) -> Vec<String> {
    let told = |r: &portcullis_core::verdict::Reason| {
        let exceptional = r.db == 0.0 || r.signal == "envelope_breach";
        if exceptional { format!("{} {:+.1} {}", r.signal, r.db, r.detail) } else { format!("{} {:+.1}", r.signal, r.db) }
    };
    verdict(policy, log).reasons.iter().map(told).collect()
}

const ROUTE: &str = "/v1/settlements/{id}";

#[test]
fn inside_the_envelope_a_named_signal_is_shown_and_adds_nothing() {
    let log = job_calls(ROUTE, IN_CLUSTER);
    let without = said(&policy(" []"), &log);
    assert!(without.iter().any(|r| r.starts_with("new_scope +")), "{without:?}");
    let policy = migration(LABELLED, OWN_NETWORK);
    let told = said(&policy, &log);
    assert_eq!(told, ["new_scope +0.0 excepted by migration: first accepted activity with route /v1/settlements/{id}"]);
    let verdict = verdict(&policy, &log);
    assert_eq!((verdict.level, verdict.evidence_db), (Level::Low, verdict.prior_db));
    let changes = Policy { emit: Emit::Changes, ..policy };
    assert_eq!(
        Run::over(&changes, &log, &[1]).outputs.iter().filter(|o| matches!(o, portcullis_core::record::Output::Verdict(_))).count(),
        0
    );
}

#[test]
fn outside_it_the_signal_speaks_and_the_breach_beside_it() {
    let policy = migration(LABELLED, OWN_NETWORK);
    let told = said(&policy, &job_calls(ROUTE, ABROAD));
    assert!(told.contains(&"envelope_breach +34.0 it left the network of the exception migration".to_owned()), "{told:?}");
    assert!(told.iter().any(|r| r.starts_with("new_scope +") && !r.starts_with("new_scope +0.0")), "{told:?}");
    // Another route alone may be a slip; both are none.
    let told = said(&policy, &job_calls("/v1/customers", IN_CLUSTER));
    assert!(told.contains(&"envelope_breach +23.8 it left the route of the exception migration".to_owned()), "{told:?}");
    let told = said(&policy, &job_calls("/v1/customers", ABROAD));
    assert!(told.contains(&"envelope_breach +34.0 it left the network and route of the exception migration".to_owned()), "{told:?}");
}

#[test]
fn what_does_not_say_where_it_stands_is_neither_inside_nor_outside() {
    let log = job_calls(ROUTE, NOBODY_KNOWS_WHERE);
    assert_eq!(said(&migration(LABELLED, OWN_NETWORK), &log), said(&policy(" []"), &log));
    // A claimed workload is no place; a proven one is.
    let by_workload = migration(LABELLED, "{ workloads: ['spiffe://corp/ns/shop/sa/sync'] }");
    let claimed = IN_CLUSTER.replace("mtls", "none");
    assert!(said(&by_workload, &job_calls(ROUTE, IN_CLUSTER))[0].starts_with("new_scope +0.0 excepted"));
    let told = said(&by_workload, &job_calls(ROUTE, &claimed));
    assert!(told.iter().all(|r| !r.contains("except")), "{told:?}");
}

#[test]
fn each_bound_keeps_and_breaks() {
    let log = job_calls(ROUTE, &IN_CLUSTER.replace("\"asn\"", "\"country\":\"CH\",\"network\":\"corporate\",\"asn\""));
    // The call is on a Monday at 10:31 UTC, 11:31 in Zurich.
    for (within, breaks) in [
        ("{ networks: [corporate] }", "{ networks: [residential] }"),
        ("{ asns: [64500] }", "{ asns: [64501] }"),
        ("{ countries: [CH] }", "{ countries: [DE, AT] }"),
        ("{ workloads: ['spiffe://corp/ns/shop/sa/sync'] }", "{ workloads: [w] }"),
        ("{ routes: ['/v1/*/{id}'] }", "{ routes: [/v1/settlements] }"),
        ("{ hours: 'Mon 11:00-12:00 Europe/Zurich' }", "{ hours: 'Mon 09:00-10:00' }"),
        ("{ hours: [10] }", "{ hours: [11] }"),
        ("{ max_rate_per_minute: 1 }", ""),
    ] {
        assert!(said(&migration(LABELLED, within), &log)[0].starts_with("new_scope +0.0 excepted"), "{within}");
        if !breaks.is_empty() {
            let told = said(&migration(LABELLED, breaks), &log);
            assert!(told[0].starts_with("envelope_breach +"), "{breaks}: {told:?}");
        }
    }
    let mut hurried = Log::default();
    hourly_job(&mut hurried, "sync", 2);
    hurried.json("30:00", &inventory("sync", r#""class":"service","labels":["eod-batch"]"#));
    for i in 0..3 {
        hurried.json_at(at("31:00").plus(i * SECOND_MS), &call_of("sync", &format!("/v1/settlements/{i}"), IN_CLUSTER, "key-1", 0));
    }
    assert!(said(&migration(LABELLED, "{ max_rate_per_minute: 3 }"), &hurried)[0].starts_with("new_scope +0.0 excepted"));
    let told = said(&migration(LABELLED, "{ max_rate_per_minute: 2 }"), &hurried);
    assert!(told.contains(&"envelope_breach +23.8 it left the rate of the exception migration".to_owned()), "{told:?}");
}

#[test]
fn an_exception_is_for_whom_it_names() {
    let log = job_calls(ROUTE, IN_CLUSTER);
    let excepted = |subject: &str| said(&migration(subject, OWN_NETWORK), &log)[0].contains("excepted by migration");
    for subject in [
        LABELLED,
        "{ identity: sync }",
        "{ identity: [x, sync], class: [service, agent] }",
        "{ list: watched, kind: identity }",
        "{ class: service, label: eod-batch }",
        "{ kind: [identity, source] }",
    ] {
        assert!(excepted(subject), "{subject}");
    }
    for subject in ["{ label: other }", "{ identity: other }", "{ class: agent }", "{ list: scanners }", "{ identity: sync, label: other }"]
    {
        assert!(!excepted(subject), "{subject}");
    }
    let other_signals = policy(&exception("migration", LABELLED, "[cadence, off_hours]", OWN_NETWORK));
    assert_eq!(said(&other_signals, &log), said(&policy(" []"), &log));
    let by_family = policy(&exception("migration", LABELLED, "scope", OWN_NETWORK));
    assert!(said(&by_family, &log)[0].contains("excepted by migration"));
}

#[test]
fn it_ends_with_its_last_day_by_log_time_whatever_an_event_says() {
    let policy = migration(LABELLED, OWN_NETWORK);
    let excepted = |appended_at| {
        let mut log = job_calls("/v1/orders", IN_CLUSTER);
        log.push_stamped(event(at("32:00"), &call_of("sync", ROUTE, IN_CLUSTER, "key-1", 0)), appended_at);
        said(&policy, &log).iter().any(|r| r.contains("excepted by migration"))
    };
    let last_day = start().plus(90 * DAY_MS); // 2026-05-31 at 10:00 UTC
    assert!(excepted(last_day));
    assert!(!excepted(last_day.plus(DAY_MS)), "the event is as old as ever, the log is not");
}

#[test]
fn the_envelope_of_one_exception_is_enough_and_outside_all_is_one_breach() {
    let two = exception("one", LABELLED, "[new_scope]", "{ networks: [203.0.113.0/24] }")
        + &exception("two", "{ identity: sync }", "[scope]", "{ networks: [192.0.2.0/24] }");
    let policy = policy(&two);
    assert!(said(&policy, &job_calls(ROUTE, IN_CLUSTER))[0].starts_with("new_scope +0.0 excepted by two"));
    assert!(said(&policy, &job_calls(ROUTE, ABROAD)).iter().any(|r| r.starts_with("new_scope +0.0 excepted by one")));
    let elsewhere = ABROAD.replace("203.0.113.9", "198.51.100.7");
    let breaches: Vec<_> = said(&policy, &job_calls(ROUTE, &elsewhere)).into_iter().filter(|r| r.contains("breach")).collect();
    assert_eq!(breaches, ["envelope_breach +34.0 it left the network of the exception one"]);
}

#[test]
fn nobody_breaches_in_the_name_of_another() {
    // Whoever fails from elsewhere with ana's name.
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    for i in 0..25 {
        log.json_at(at("0").plus(i * 20 * SECOND_MS), &login("failure", &[NOWHERE, BAD_PASSWORD]));
    }
    let load_test =
        |network: &str| policy(&exception("load", "{ class: customer }", "[failed_login_spike]", &format!("{{ networks: [{network}] }}")));
    assert!(said(&load_test("203.0.113.0/24"), &log)[0].starts_with("failed_login_spike +0.0 excepted by load"));
    let told = said(&load_test("192.0.2.0/24"), &log);
    assert_eq!(told, said(&policy(" []"), &log));
    assert!(told[0].starts_with("failed_login_spike +"), "{told:?}");
}

#[test]
fn a_source_is_excepted_and_breaches_nothing() {
    let stuffing = |address: &str| {
        let mut log = Log::default();
        for i in 0..40 {
            let source = NOWHERE.replace("203.0.113.9", address);
            log.json_at(
                at("0").plus(i * 5 * SECOND_MS),
                &act("auth.login", "failure", &format!("u-{i}"), "customer", &[&source, BAD_PASSWORD]),
            );
        }
        log
    };
    let policy = policy(&exception("pen-test", "{ kind: source }", "[guessing]", "{ networks: [203.0.113.0/28] }"));
    let of_source = |log: &Log| {
        let run = Run::over(&policy, log, &[64]);
        let last = run.verdicts().filter(|v| v.subject.kind == "source").last().unwrap().clone();
        (
            last.level,
            last.reasons.iter().any(|r| r.detail.starts_with("excepted by pen-test")),
            last.reasons.iter().any(|r| r.signal == "envelope_breach"),
        )
    };
    assert_eq!(of_source(&stuffing("203.0.113.9")), (Level::Low, true, false));
    let (level, excepted, breached) = of_source(&stuffing("198.51.100.7"));
    assert!(level > Level::Low && !excepted && !breached);
}

#[test]
fn a_breach_in_shadow_is_shown() {
    let mut policy = migration(LABELLED, OWN_NETWORK);
    policy.signals[signal::by_name("envelope_breach").unwrap()].mode = Mode::Shadow;
    let told = said(&policy, &job_calls(ROUTE, ABROAD));
    assert!(told.contains(&"envelope_breach +0.0 in shadow: it left the network of the exception migration".to_owned()), "{told:?}");
}

#[test]
fn the_inventory_and_an_exception_bound_together() {
    // The inventory promises another network; for the migration it may be left, into this one and no other.
    let log = |source: &str| {
        let mut log = Log::default();
        hourly_job(&mut log, "sync", 2);
        log.json("30:00", &inventory("sync", r#""class":"service","labels":["eod-batch"],"expected":{"networks":["10.0.0.0/8"]}"#));
        log.json("31:00", &call_of("sync", "/v1/orders", source, "key-1", 0));
        log
    };
    let policy = policy(&exception("move", LABELLED, "[envelope_breach]", "{ networks: [192.0.2.0/24] }"));
    assert!(said(&policy, &log(IN_CLUSTER))[0].starts_with("envelope_breach +0.0 excepted by move: it left its declared network"));
    let told = said(&policy, &log(ABROAD));
    assert_eq!(told.iter().filter(|r| r.starts_with("envelope_breach +34.0")).count(), 1, "{told:?}");
}
