//! Second factors.

use super::Case;
use crate::support::people::*;
use crate::support::{Log, at};
use portcullis_core::time::SECOND_MS;

const FACTOR_REMOVED: &str = r#""change":{"target":"factor","value":"webauthn","role":"removed"}"#;

fn denied_pushes(log: &mut Log, times: i64) {
    for i in 0..times {
        log.json_at(at("0").plus(i * 30 * SECOND_MS), &act("auth.mfa", "failure", "wim", "workforce", &[PUSH_DENIED]));
    }
}

pub const CASES: &[Case] = &[
    Case {
        signal: "push_fatigue",
        says: "identity wim low>medium -8.0: push_fatigue +25.0",
        asks: &["step_up account wim by reauthenticate not push"],
        speaks: |log| denied_pushes(log, 10),
        but: "four are denied",
        silent: |log| denied_pushes(log, 4),
    },
    Case {
        signal: "push_fatigue_won",
        says: "identity wim low>critical +10.5: push_fatigue_won +36.0, push_fatigue +7.5",
        asks: &["terminate_session session s-7", "revoke_token account wim", "disable_account account wim", "open_case identity wim"],
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
        signal: "factor_downgrade",
        says: "identity ana low>high +4.5: factor_downgrade +24.0, new_device +9.8, new_place +5.7",
        asks: &["step_up account ana by reauthenticate not push"],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &act("account.update", "success", "ana", "customer", &[HOME, FACTOR_REMOVED]));
            log.json("10:00", &login("success", &[STRANGER, BY_PASSWORD]));
        },
        but: "she then logs in where she always does",
        silent: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &act("account.update", "success", "ana", "customer", &[HOME, FACTOR_REMOVED]));
            log.json("10:00", &login("success", &[HOME, BY_PASSWORD]));
        },
    },
    Case {
        signal: "device_code_login",
        says: "identity wim low>high +2.3: device_code_login +20.0, new_device +9.6, new_place +5.7",
        asks: &["terminate_session account wim", "step_up account wim by reauthenticate not push"],
        speaks: |log| {
            at_home(log, "wim", "workforce");
            log.json("0", &act("auth.login", "success", "wim", "workforce", &[STRANGER, r#""auth":{"method":"device_code"}"#]));
        },
        but: "his password does it",
        silent: |log| {
            at_home(log, "wim", "workforce");
            log.json("0", &act("auth.login", "success", "wim", "workforce", &[STRANGER, BY_PASSWORD]));
        },
    },
];
