//! Sessions, tokens and keys.

use super::Case;
use crate::support::people::*;
use crate::support::{Log, at};
use portcullis_core::time::{DAY_MS, MINUTE_MS};

/// Ten days of sessions, each begun by a log-in.
fn sessions_with_log_ins(log: &mut Log) {
    for day in 0..10 {
        let time = at("0").plus((day - 10) * DAY_MS);
        let own = session(&format!("s-{day}"));
        log.json_at(time, &login("success", &[HOME, BY_PASSWORD, &own]));
        log.json_at(time.plus(MINUTE_MS), &act("api.request", "success", "ana", "customer", &[HOME, &own]));
    }
}

pub const CASES: &[Case] = &[
    Case {
        signal: "session_hijack",
        says: "identity ana low>medium -1.0: session_hijack +34.0",
        asks: &["step_up session s-1 by reauthenticate"],
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
        signal: "token_replay",
        says: "identity sync low>critical +37.0: off_workload +36.0, token_replay +36.0",
        asks: &["throttle identity sync", "revoke_token credential key-1", "rotate_secret credential key-1", "open_case identity sync"],
        speaks: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
            log.json("2:00", &call_of("sync", "/v1/orders", OTHER_CLOUD, "key-1", 0));
        },
        but: "blue and green, both of them known for days",
        silent: |log| {
            green_before(log);
            log.json("0", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
            log.json("2:00", &call_of("sync", "/v1/orders", GREEN, "key-1", 0));
        },
    },
    Case {
        signal: "expired_use",
        says: "identity ana low>high +1.0: expired_use +36.0",
        asks: &["step_up account ana by reauthenticate"],
        speaks: |log| {
            let key = format!(r#""credential":{{"id":"tok-1","kind":"access_token","expires_at":{}}}"#, at("0").0);
            log.json("1:00:00", &act("api.request", "success", "ana", "customer", &[HOME, &key]));
        },
        but: "it ends in an hour",
        silent: |log| {
            let key = format!(r#""credential":{{"id":"tok-1","kind":"access_token","expires_at":{}}}"#, at("2:00:00").0);
            log.json("1:00:00", &act("api.request", "success", "ana", "customer", &[HOME, &key]));
        },
    },
    Case {
        signal: "revoked_use",
        says: "identity sync low>high +1.0: revoked_use +36.0",
        asks: &["throttle identity sync", "open_case identity sync"],
        speaks: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", &upon("credential.revoke", "root", "sync", r#""credential":{"id":"key-1"}"#));
            log.json("30:00", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
        },
        but: "it is another key",
        silent: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", &upon("credential.revoke", "root", "sync", r#""credential":{"id":"key-1"}"#));
            log.json("30:00", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-2", 0));
        },
    },
    Case {
        signal: "exposed_credential",
        says: "identity sync low>low -20.6: exposed_credential +14.4",
        asks: &[],
        speaks: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", r#""type":"credential.exposed","identity":{"id":"sync"},"credential":{"id":"key-1"}"#);
            log.json("5:00", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
        },
        but: "it is another key",
        silent: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", r#""type":"credential.exposed","identity":{"id":"sync"},"credential":{"id":"key-1"}"#);
            log.json("5:00", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-2", 0));
        },
    },
    Case {
        signal: "unissued_token",
        says: "identity ana low>low -34.6: unissued_token +6.4, familiar -6.0",
        asks: &[],
        speaks: |log| {
            sessions_with_log_ins(log);
            log.json("0", &act("api.request", "success", "ana", "customer", &[HOME, &session("s-forged")]));
        },
        but: "she has logged in",
        silent: |log| {
            sessions_with_log_ins(log);
            log.json("0", &login("success", &[HOME, BY_PASSWORD, &session("s-own")]));
            log.json("1:00", &act("api.request", "success", "ana", "customer", &[HOME, &session("s-own")]));
        },
    },
];
