//! Birth, age and end of identities and credentials.

use super::Case;
use crate::support::people::*;

pub const CASES: &[Case] = &[
    Case {
        signal: "stale_credential",
        says: "identity sync low>low -31.0: stale_credential +4.0",
        asks: &[],
        speaks: |log| log.json("0", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 400)),
        but: "the key is two months old",
        silent: |log| log.json("0", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 60)),
    },
    Case {
        signal: "rotation_overdue",
        says: "identity sync low>low -31.0: rotation_overdue +3.0, stale_credential +1.0",
        asks: &[],
        speaks: |log| {
            log.json("0", &inventory("sync", r#""class":"service","rotate_every":"30d""#));
            log.json("1:00", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 90));
        },
        but: "it was rotated three weeks ago",
        silent: |log| {
            log.json("0", &inventory("sync", r#""class":"service","rotate_every":"30d""#));
            log.json("1:00", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 20));
        },
    },
    Case {
        signal: "offboarded_use",
        says: "identity wim low>high floor offboarded_use -3.0: offboarded_use +36.0, familiar -6.0",
        asks: &["terminate_session account wim", "step_up account wim by reauthenticate"],
        speaks: |log| {
            at_home(log, "wim", "workforce");
            log.json("0", &inventory("wim", r#""class":"workforce","status":"offboarded""#));
            log.json("1:00:00", &act("auth.login", "success", "wim", "workforce", &[HOME, BY_PASSWORD]));
        },
        but: "he has been hired again",
        silent: |log| {
            at_home(log, "wim", "workforce");
            log.json("0", &inventory("wim", r#""class":"workforce","status":"offboarded""#));
            log.json("30:00", &inventory("wim", r#""class":"workforce","status":"active""#));
            log.json("1:00:00", &act("auth.login", "success", "wim", "workforce", &[HOME, BY_PASSWORD]));
        },
    },
    Case {
        signal: "dormant_return",
        says: "identity ana low>low -29.0: dormant_return +12.0, familiar -6.0",
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
        signal: "fresh_identity",
        says: "identity new-1 low>medium -9.0: fresh_identity +24.0",
        asks: &["step_up session s-1 by reauthenticate"],
        speaks: |log| {
            log.json("0", &act("account.create", "success", "new-1", "workforce", &[]));
            log.json("10:00", &upon("privilege.grant", "new-1", "mole", r#""session":{"id":"s-1"}"#));
        },
        but: "it is two days later",
        silent: |log| {
            log.json("0", &act("account.create", "success", "new-1", "workforce", &[]));
            log.json("50:00:00", &upon("privilege.grant", "new-1", "mole", r#""session":{"id":"s-1"}"#));
        },
    },
];
