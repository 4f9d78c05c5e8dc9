//! What was promised, contained or reported.

use super::Case;
use crate::support::people::*;

fn external_risk(who: &str, level: &str) -> String {
    format!(r#""type":"risk.external","identity":{{"id":"{who}"}},"risk":{{"provider":"edr","name":"malware","level":"{level}"}}"#)
}

pub const CASES: &[Case] = &[
    Case {
        signal: "containment_breach",
        says: "identity wim low>high +3.0: containment_breach +36.0",
        asks: &["terminate_session account wim", "step_up account wim by reauthenticate"],
        speaks: |log| {
            at_home(log, "wim", "workforce");
            log.json("0", &outcome("wim", "disable_account", "account", "wim", "done"));
            log.json("10:00", &act("auth.login", "success", "wim", "workforce", &[HOME, BY_PASSWORD]));
        },
        but: "it was reverted",
        silent: |log| {
            at_home(log, "wim", "workforce");
            log.json("0", &outcome("wim", "disable_account", "account", "wim", "done"));
            log.json("5:00", &outcome("wim", "disable_account", "account", "wim", "reverted"));
            log.json("10:00", &act("auth.login", "success", "wim", "workforce", &[HOME, BY_PASSWORD]));
        },
    },
    Case {
        signal: "envelope_breach",
        says: "identity sync low>medium -1.0: envelope_breach +34.0",
        asks: &["notify_owner identity sync"],
        speaks: |log| {
            log.json("0", &inventory("sync", r#""class":"service","expected":{"countries":["CH"]}"#));
            log.json("1:00", &call_of("sync", "/v1/orders", r#""source":{"ip":"198.51.100.7","country":"NG"}"#, "key-1", 0));
        },
        but: "it stays inside",
        silent: |log| {
            log.json("0", &inventory("sync", r#""class":"service","expected":{"countries":["CH"]}"#));
            log.json("1:00", &call_of("sync", "/v1/orders", r#""source":{"ip":"192.0.2.50","country":"CH"}"#, "key-1", 0));
        },
    },
    Case {
        signal: "break_glass_used",
        says: "identity glass low>high +4.0: break_glass_used +24.0",
        asks: &["open_case identity glass"],
        speaks: |log| log.json("0", &act("auth.login", "success", "glass", "break_glass", &[HOME, BY_PASSWORD])),
        but: "a drill has been announced",
        silent: |log| {
            log.json("0", &inventory("glass", r#""class":"break_glass","labels":["drill"]"#));
            log.json("1:00", &act("auth.login", "success", "glass", "break_glass", &[HOME, BY_PASSWORD]));
        },
    },
    Case {
        signal: "external_risk",
        says: "identity ana low>low -15.0: external_risk +20.0",
        asks: &[],
        speaks: |log| log.json("0", &external_risk("ana", "critical")),
        but: "they think little of it",
        silent: |log| log.json("0", &external_risk("ana", "low")),
    },
];
