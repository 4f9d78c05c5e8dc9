//! On what, and who reset it.

use super::Case;
use crate::support::people::*;

fn posture(posture: &str) -> String {
    format!(r#""source":{{"ip":"192.0.2.10","asn":64500,"country":"CH","device_id":"d-home","posture":"{posture}"}}"#)
}

pub const CASES: &[Case] = &[
    Case {
        signal: "new_device",
        says: "identity ana low>low -25.4: new_device +9.6",
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
        signal: "risky_posture",
        says: "identity root low>high +2.0: risky_posture +32.0",
        asks: &["terminate_session session s-1", "revoke_token account root", "open_case identity root"],
        speaks: |log| {
            at_home(log, "root", "admin");
            log.json("0", &act("auth.login", "success", "root", "admin", &[&posture("compliant"), BY_PASSKEY]));
            log.json("5:00", &act("privileged.session_start", "success", "root", "admin", &[&posture("risky"), &session("s-1")]));
        },
        but: "the device is mended first",
        silent: |log| {
            at_home(log, "root", "admin");
            log.json("0", &act("auth.login", "success", "root", "admin", &[&posture("compliant"), BY_PASSKEY]));
            log.json("5:00", &act("privileged.command", "success", "root", "admin", &[&posture("compliant"), &session("s-1")]));
        },
    },
    Case {
        signal: "assisted_reset",
        says: "identity ana low>medium -0.5: assisted_reset +24.0, new_place +5.7, new_device +4.8",
        asks: &["step_up account ana by reauthenticate"],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &act("auth.recovery", "success", "sue", "support", &[r#""request":{"target":"ana"}"#]));
            log.json("10:00", &login("success", &[STRANGER, BY_PASSWORD]));
        },
        but: "she uses the device that she always used",
        silent: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &act("auth.recovery", "success", "sue", "support", &[r#""request":{"target":"ana"}"#]));
            log.json("10:00", &login("success", &[HOME, BY_PASSWORD]));
        },
    },
];
