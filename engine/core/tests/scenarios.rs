//! Before, event, after: for every signal a short log in which it speaks and its look-alike in which it stays silent.

mod support;

use portcullis_core::policy::{Emit, Policy};
use portcullis_core::signal;
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use support::people::*;
use support::{Log, Run, at, proposal_line, verdict_line};

/// One signal: a log in which it speaks, what is then said and asked, and a log that looks like it.
struct Case {
    signal: &'static str,
    /// What the last verdict on a subject with this signal says.
    says: &'static str,
    /// Everything that was proposed, in order.
    asks: &'static [&'static str],
    speaks: fn(&mut Log),
    /// What is different here. Nothing is then proposed either.
    but: &'static str,
    silent: fn(&mut Log),
}

fn failures(log: &mut Log, times: i64, every_ms: i64, source: &str) {
    for i in 0..times {
        log.json_at(at("0").plus(i * every_ms), &login("failure", &[source, BAD_PASSWORD]));
    }
}

fn denied_pushes(log: &mut Log, times: i64) {
    for i in 0..times {
        log.json_at(at("0").plus(i * 30 * SECOND_MS), &act("auth.mfa", "failure", "wim", "workforce", &[PUSH_DENIED]));
    }
}

/// `tries` log-ins by as many identities from one address; every `wins`-th succeeds.
fn crowd(log: &mut Log, tries: i64, every_ms: i64, wins: i64) {
    for i in 0..tries {
        let won = wins > 0 && i % wins != 0;
        let auth = if won { BY_PASSWORD } else { BAD_PASSWORD };
        let outcome = if won { "success" } else { "failure" };
        log.json_at(at("0").plus(i * every_ms), &act("auth.login", outcome, &format!("u-{i}"), "customer", &[NOWHERE, auth]));
    }
}

fn cards(log: &mut Log, times: i64, amount: i64, result: &str) {
    for i in 0..times {
        let buy = act("checkout.attempt", "unknown", "ana", "customer", &[HOME, &checkout(&format!("o-{i}"), "c-1", amount, result)]);
        log.json_at(at("0").plus(i * 20 * SECOND_MS), &buy);
    }
}

const CASES: &[Case] = &[
    Case {
        signal: "failed_login_spike",
        says: "identity ana low>low -27.0: failed_login_spike +8.0",
        asks: &[],
        speaks: |log| {
            at_home(log, "ana", "customer");
            failures(log, 20, 20 * SECOND_MS, NOWHERE);
        },
        but: "she mistypes it at home",
        silent: |log| {
            at_home(log, "ana", "customer");
            failures(log, 20, 20 * SECOND_MS, HOME);
        },
    },
    Case {
        signal: "guessed_password",
        says: "identity ana low>medium -1.0: guessed_password +22.0, new_place +5.0, new_device +4.8, failed_login_spike +2.2",
        asks: &["step_up session s-evil by reauthenticate"],
        speaks: |log| {
            at_home(log, "ana", "customer");
            failures(log, 8, 20 * SECOND_MS, STRANGER);
            log.json("5:00", &login("success", &[STRANGER, BY_PASSWORD, &session("s-evil")]));
        },
        but: "they fail and she logs in at home",
        silent: |log| {
            at_home(log, "ana", "customer");
            failures(log, 8, 20 * SECOND_MS, STRANGER);
            log.json("5:00", &login("success", &[HOME, BY_PASSWORD, &session("s-1")]));
        },
    },
    Case {
        signal: "credential_stuffing",
        says: "source 203.0.113.9 high>high +5.0: credential_stuffing +25.0, password_spray +10.0",
        asks: &["challenge source 203.0.113.9", "throttle source 203.0.113.9"],
        speaks: |log| crowd(log, 30, 10 * SECOND_MS, 0),
        but: "an office behind one address, one in ten mistypes",
        silent: |log| crowd(log, 30, 10 * SECOND_MS, 10),
    },
    Case {
        signal: "password_spray",
        says: "source 203.0.113.9 low>low -15.0: password_spray +15.0",
        asks: &[],
        speaks: |log| crowd(log, 20, HOUR_MS, 0),
        but: "each of them succeeds a minute later",
        silent: |log| {
            for i in 0..20 {
                let at = at("0").plus(i * HOUR_MS);
                let who = format!("u-{i}");
                log.json_at(at, &act("auth.login", "failure", &who, "customer", &[NOWHERE, BAD_PASSWORD]));
                log.json_at(at.plus(MINUTE_MS), &act("auth.login", "success", &who, "customer", &[NOWHERE, BY_PASSWORD]));
            }
        },
    },
    Case {
        signal: "push_fatigue",
        says: "identity wim low>low -21.0: push_fatigue +12.0",
        asks: &[],
        speaks: |log| denied_pushes(log, 10),
        but: "four are denied",
        silent: |log| denied_pushes(log, 4),
    },
    Case {
        signal: "push_fatigue_won",
        says: "identity wim low>high floor push_fatigue_won -4.4: push_fatigue_won +25.0, push_fatigue +3.6",
        asks: &["terminate_session session s-7", "step_up session s-7 by reauthenticate not push"],
        speaks: |log| {
            denied_pushes(log, 6);
            log.json("4:00", &act("auth.mfa", "success", "wim", "workforce", &[BY_PUSH, &session("s-7")]));
        },
        but: "he approves one an hour later, at work",
        silent: |log| {
            denied_pushes(log, 6);
            log.json("1:00:00", &act("auth.mfa", "success", "wim", "workforce", &[BY_PUSH, &session("s-7")]));
        },
    },
    Case {
        signal: "impossible_travel",
        says: "identity ana low>medium -5.0: impossible_travel +25.0, new_place +5.0",
        asks: &["step_up session s-2 by reauthenticate"],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[HOME, BY_PASSWORD]));
            log.json("30:00", &login("success", &[LAGOS, BY_PASSWORD, &session("s-2")]));
        },
        but: "she took the plane",
        silent: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[HOME, BY_PASSWORD]));
            log.json("9:00:00", &login("success", &[LAGOS, BY_PASSWORD, &session("s-2")]));
        },
    },
    Case {
        signal: "new_place",
        says: "identity ana low>low -25.0: new_place +10.0",
        asks: &[],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("9:00:00", &login("success", &[LAGOS, BY_PASSWORD]));
        },
        but: "it is only her second log-in ever",
        silent: |log| {
            log.json("0", &login("success", &[HOME, BY_PASSWORD]));
            log.json("9:00:00", &login("success", &[LAGOS, BY_PASSWORD]));
        },
    },
    Case {
        signal: "new_device",
        says: "identity ana low>low -30.2: new_device +4.8",
        asks: &[],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[r#""source":{"device_id":"d-new","user_agent":"curl/8.1"}"#, BY_PASSWORD]));
        },
        but: "the device is the one she always uses",
        silent: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[r#""source":{"device_id":"d-home","user_agent":"curl/8.1"}"#, BY_PASSWORD]));
        },
    },
    Case {
        signal: "session_hijack",
        says: "identity ana low>low -17.0: session_hijack +18.0",
        asks: &[],
        speaks: |log| {
            log.json("0", &act("api.request", "success", "ana", "customer", &[HOME, &session("s-1")]));
            log.json("5:00", &act("api.request", "success", "ana", "customer", &[STRANGER, &session("s-1")]));
        },
        but: "the phone leaves the house: only the network changes",
        silent: |log| {
            log.json("0", &act("api.request", "success", "ana", "customer", &[HOME, &session("s-1")]));
            let mobile = HOME
                .replace("64500", "64501")
                .replace("192.0.2.10", "198.51.100.99")
                .replace("\"country\"", "\"network\":\"mobile\",\"country\"");
            log.json("5:00", &act("api.request", "success", "ana", "customer", &[&mobile, &session("s-1")]));
        },
    },
    Case {
        signal: "stale_credential",
        says: "identity sync low>low -31.0: stale_credential +4.0",
        asks: &[],
        speaks: |log| log.json("0", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 400)),
        but: "the key is two months old",
        silent: |log| log.json("0", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 60)),
    },
    Case {
        signal: "dormant_return",
        says: "identity ana low>low -32.0: dormant_return +9.0, familiar -6.0",
        asks: &[],
        speaks: |log| {
            log.json("0", &login("success", &[HOME, BY_PASSWORD]));
            log.json("2400:00:00", &login("success", &[HOME, BY_PASSWORD]));
        },
        but: "somebody else failed to get in after the silence",
        silent: |log| {
            log.json("0", &login("success", &[HOME, BY_PASSWORD]));
            log.json("2400:00:00", &login("failure", &[HOME, BAD_PASSWORD]));
        },
    },
    Case {
        signal: "cadence_surge",
        says: "identity sync medium>medium -10.0: cadence_surge +25.0",
        asks: &["notify_owner identity sync"],
        speaks: |log| {
            hourly_job(log, "sync", 10);
            for i in 0..170 {
                log.json_at(at("0").plus(i * 300), &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
            }
        },
        but: "it does so every hour",
        silent: |log| {
            hourly_job(log, "sync", 170);
            for i in 0..170 {
                log.json_at(at("0").plus(i * 300), &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
            }
        },
    },
    Case {
        signal: "off_workload",
        says: "identity sync low>medium -10.0: off_workload +25.0",
        asks: &["notify_owner identity sync"],
        speaks: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", &call_of("sync", "/v1/orders", OTHER_CLOUD, "key-1", 0));
        },
        but: "the cluster has moved, and proves its name",
        silent: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", &call_of("sync", "/v1/orders", &IN_CLUSTER.replace("64500", "64501"), "key-1", 0));
        },
    },
    Case {
        signal: "new_scope",
        says: "identity sync low>low -25.0: new_scope +10.0",
        asks: &[],
        speaks: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", &call_of("sync", "/v1/customers/export", IN_CLUSTER, "key-1", 0));
        },
        but: "it was there before, once",
        silent: |log| {
            log.json_at(at("0").plus(-250 * HOUR_MS), &call_of("sync", "/v1/customers/export", IN_CLUSTER, "key-1", 0));
            hourly_job(log, "sync", 2);
            log.json("0", &call_of("sync", "/v1/customers/export", IN_CLUSTER, "key-1", 0));
        },
    },
    Case {
        signal: "card_testing",
        says: "card c-1 medium>medium -5.0: card_testing +25.0",
        asks: &["challenge source 192.0.2.10", "challenge device d-home", "step_up account ana by reauthenticate"],
        speaks: |log| cards(log, 10, 150, "declined"),
        but: "the shop takes the card each time",
        silent: |log| cards(log, 10, 150, "approved"),
    },
    Case {
        signal: "takeover_checkout",
        says: "identity ana low>low -20.0: takeover_checkout +15.0",
        asks: &[],
        speaks: |log| {
            log.json("0", &act("auth.recovery", "success", "ana", "customer", &[]));
            log.json("10:00", &act("checkout.attempt", "success", "ana", "customer", &[&checkout("o-1", "c-new", 90_000, "approved")]));
        },
        but: "she pays with the card she always uses",
        silent: |log| {
            log.json_at(
                at("0").plus(-DAY_MS),
                &act("checkout.attempt", "success", "ana", "customer", &[&checkout("o-0", "c-old", 5_000, "approved")]),
            );
            log.json("0", &act("auth.recovery", "success", "ana", "customer", &[]));
            log.json("10:00", &act("checkout.attempt", "success", "ana", "customer", &[&checkout("o-1", "c-old", 90_000, "approved")]));
        },
    },
    Case {
        signal: "strong_factor",
        says: "identity ana medium>low -20.0: impossible_travel +25.0, new_place +5.0, strong_factor -15.0",
        asks: &["step_up session s-2 by reauthenticate"],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[HOME, BY_PASSWORD]));
            log.json("30:00", &login("success", &[LAGOS, BY_PASSWORD, &session("s-2")]));
            log.json("31:00", &act("auth.mfa", "success", "ana", "customer", &[LAGOS, BY_PASSKEY, &session("s-2")]));
        },
        but: "it was a push",
        silent: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[HOME, BY_PASSWORD, &session("s-1")]));
            log.json("1:00", &act("auth.mfa", "success", "ana", "customer", &[HOME, BY_PUSH, &session("s-1")]));
        },
    },
    Case {
        signal: "familiar",
        says: "identity ana low>low -26.0: takeover_checkout +15.0, familiar -6.0",
        asks: &[],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &act("auth.recovery", "success", "ana", "customer", &[HOME]));
            log.json(
                "10:00",
                &act(
                    "checkout.attempt",
                    "success",
                    "ana",
                    "customer",
                    &[HOME, &session("s-1"), &checkout("o-1", "c-new", 90_000, "approved")],
                ),
            );
        },
        but: "the device is new",
        silent: |log| {
            at_home(log, "ana", "customer");
            let new = HOME.replace("d-home", "d-new");
            log.json("0", &act("auth.recovery", "success", "ana", "customer", &[&new]));
            log.json(
                "10:00",
                &act(
                    "checkout.attempt",
                    "success",
                    "ana",
                    "customer",
                    &[&new, &session("s-1"), &checkout("o-1", "c-new", 90_000, "approved")],
                ),
            );
        },
    },
];

fn policy(emit: Emit) -> Policy {
    Policy { emit, ..Policy::default_policy() }
}

fn run(emit: Emit, tell: fn(&mut Log)) -> Run {
    let mut log = Log::default();
    tell(&mut log);
    Run::over(&policy(emit), &log, &[usize::MAX / 2])
}

#[test]
fn every_signal_speaks_and_its_look_alike_does_not() {
    let mut wrong = String::new();
    for case in CASES {
        let run_speaks = run(Emit::All, case.speaks);
        let says = run_speaks
            .verdicts()
            .filter(|v| v.reasons.iter().any(|r| r.signal == case.signal))
            .last()
            .map_or("nothing".into(), verdict_line);
        let asks: Vec<String> = run(Emit::Changes, case.speaks).proposals().map(proposal_line).collect();
        if says != case.says || asks != case.asks {
            wrong += &format!("{}\n        says: {says:?},\n        asks: &{asks:?},\n", case.signal);
        }
        let silent = run(Emit::All, case.silent);
        if let Some(said) = silent.verdicts().find(|v| v.reasons.iter().any(|r| r.signal == case.signal)) {
            wrong += &format!("{} speaks although {}: {}\n", case.signal, case.but, verdict_line(said));
        }
        assert!(silent.verdicts().count() > 0, "{}: the look-alike reaches nobody", case.signal);
        for said in silent.proposals() {
            wrong += &format!("{}: although {}, {} is asked\n", case.signal, case.but, proposal_line(said));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn no_signal_lacks_its_case() {
    let with: Vec<&str> = CASES.iter().map(|c| c.signal).collect();
    let all: Vec<&str> = signal::ALL.iter().map(|s| s.name).collect();
    assert_eq!(with, all);
}
