//! What speaks for the subject.

use super::Case;
use crate::support::people::*;

pub const CASES: &[Case] = &[
    Case {
        signal: "strong_factor",
        says: "identity ana medium>low -16.3: impossible_travel +28.0, new_place +5.7, strong_factor -15.0",
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
        says: "identity ana low>low -18.0: takeover_checkout +23.0, familiar -6.0",
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
                "25:10:00",
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
    Case {
        signal: "expected_job",
        says: "identity sync low>low -35.0: stale_credential +4.0, expected_job -4.0",
        asks: &[],
        speaks: |log| {
            log.json(
                "0",
                &inventory("sync", &format!(r#""class":"service","expected":{{"workloads":["{SYNC}"],"max_rate_per_minute":60}}"#)),
            );
            log.json("1:00", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 400));
        },
        but: "it runs where nobody said",
        silent: |log| {
            log.json("0", &inventory("sync", r#""class":"service","expected":{"max_rate_per_minute":60}"#));
            log.json("1:00", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 400));
        },
    },
    Case {
        signal: "step_up_passed",
        says: "identity ana medium>low -13.3: impossible_travel +28.0, new_place +5.7, step_up_passed -12.0",
        asks: &["step_up session s-2 by reauthenticate", "step_up account ana by reauthenticate"],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[HOME, BY_PASSWORD]));
            log.json("30:00", &login("success", &[LAGOS, BY_PASSWORD, &session("s-2")]));
            log.json("31:00", &outcome("ana", "step_up", "session", "s-2", "accepted"));
            log.json("32:00", &act("auth.mfa", "success", "ana", "customer", &[LAGOS, r#""auth":{"method":"totp"}"#, &session("s-2")]));
        },
        but: "nobody asked",
        silent: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[HOME, BY_PASSWORD, &session("s-1")]));
            log.json("2:00", &act("auth.mfa", "success", "ana", "customer", &[HOME, r#""auth":{"method":"totp"}"#, &session("s-1")]));
        },
    },
];
