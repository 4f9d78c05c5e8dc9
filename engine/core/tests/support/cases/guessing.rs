//! Guesses at passwords and at names.

use super::Case;
use crate::support::people::*;
use crate::support::{Log, at};
use portcullis_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

fn failures(log: &mut Log, times: i64, every_ms: i64, source: &str) {
    for i in 0..times {
        log.json_at(at("0").plus(i * every_ms), &login("failure", &[source, BAD_PASSWORD]));
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

/// Log-ins with names that nobody has, from one address, every ten seconds.
fn unknown_names(log: &mut Log, names: i64) {
    for i in 0..names {
        let auth = r#""auth":{"method":"password","failure":"unknown_identity"}"#;
        log.json_at(at("0").plus(i * 10 * SECOND_MS), &act("auth.login", "failure", &format!("x-{i}"), "customer", &[NOWHERE, auth]));
    }
}

/// One name that nobody has, tried every half a minute.
fn hammered(log: &mut Log) {
    for i in 1..=10 {
        let auth = r#""auth":{"method":"password","failure":"unknown_identity"}"#;
        log.json_at(at("0").plus(i * 30 * SECOND_MS), &act("auth.login", "failure", "hadoop", "customer", &[NOWHERE, auth]));
    }
}

pub const CASES: &[Case] = &[
    Case {
        signal: "failed_login_spike",
        says: "identity ana low>low -25.0: failed_login_spike +10.0",
        asks: &["challenge source 203.0.113.9"],
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
        says: "identity ana low>critical +20.6: guessed_password +36.0, new_device +10.8, new_place +6.0, failed_login_spike +2.8",
        asks: &["challenge source 203.0.113.9", "terminate_session session s-evil", "revoke_token account ana", "open_case identity ana"],
        speaks: |log| {
            at_home(log, "ana", "customer");
            failures(log, 8, 20 * SECOND_MS, STRANGER);
            log.json("5:00", &login("success", &[STRANGER, BY_PASSWORD, &session("s-evil")]));
        },
        but: "they fail, from a café where others log in, and she logs in at home",
        silent: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &act("auth.login", "success", "bob", "customer", &[STRANGER, BY_PASSWORD]));
            failures(log, 8, 20 * SECOND_MS, STRANGER);
            log.json("5:00", &login("success", &[HOME, BY_PASSWORD, &session("s-1")]));
        },
    },
    Case {
        signal: "credential_stuffing",
        says: "source 203.0.113.9 critical>critical +29.5: password_spray +36.0, credential_stuffing +17.0, fruitless_source +6.5",
        asks: &["challenge source 203.0.113.9", "throttle source 203.0.113.9", "block_source network 203.0.113.9"],
        speaks: |log| crowd(log, 30, 10 * SECOND_MS, 0),
        but: "an office behind one address, one in ten mistypes",
        silent: |log| crowd(log, 30, 10 * SECOND_MS, 10),
    },
    Case {
        signal: "password_spray",
        says: "source 203.0.113.9 low>high +6.0: password_spray +36.0",
        asks: &["challenge source 203.0.113.9", "throttle source 203.0.113.9"],
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
        signal: "identity_enumeration",
        says: "source 203.0.113.9 critical>critical +33.8: password_spray +36.0, credential_stuffing +17.0, identity_enumeration +7.6, fruitless_source +3.2",
        asks: &["challenge source 203.0.113.9", "throttle source 203.0.113.9", "block_source network 203.0.113.9"],
        speaks: |log| unknown_names(log, 40),
        but: "an office mistypes a few names",
        silent: |log| {
            log.json("0", &act("auth.login", "success", "bob", "customer", &[NOWHERE, BY_PASSWORD]));
            unknown_names(log, 8);
        },
    },
    Case {
        signal: "fruitless_source",
        says: "source 203.0.113.9 medium>medium -6.6: fruitless_source +23.4",
        asks: &["challenge source 203.0.113.9"],
        speaks: |log| hammered(log),
        but: "somebody was let in from there this morning",
        silent: |log| {
            log.json("0", &act("auth.login", "success", "bob", "customer", &[NOWHERE, BY_PASSWORD]));
            hammered(log);
        },
    },
];
