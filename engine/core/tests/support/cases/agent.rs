//! AI agents.

use super::Case;
use crate::support::people::*;
use crate::support::{Log, at};
use portcullis_core::time::{DAY_MS, HOUR_MS, SECOND_MS};

/// The agent acts for somebody, with a tool.
fn agent(principal: &str, tool: &str, outcome: &str) -> String {
    let identity = format!(r#""identity":{{"id":"bot","class":"agent","on_behalf_of":"{principal}"}}"#);
    format!(
        r#""type":"api.request","outcome":"{outcome}",{identity},{IN_CLUSTER},"agent":{{"tool":"{tool}"}},"request":{{"route":"/v1/search"}}"#
    )
}

/// Ten days of six searches each.
fn agent_days(log: &mut Log) {
    for day in 0..10 {
        for i in 0..6 {
            log.json_at(at("0").plus((day - 10) * DAY_MS + i * HOUR_MS), &agent("ana", "search", "success"));
        }
    }
}

pub const CASES: &[Case] = &[
    Case {
        signal: "tool_drift",
        says: "identity bot low>low -10.8: tool_drift +19.2",
        asks: &[],
        speaks: |log| {
            agent_days(log);
            log.json("0", &agent("ana", "shell", "success"));
        },
        but: "it searches, as ever",
        silent: |log| {
            agent_days(log);
            log.json("0", &agent("ana", "search", "success"));
        },
    },
    Case {
        signal: "delegation_mismatch",
        says: "identity bot low>high +4.0: delegation_mismatch +34.0",
        asks: &["revoke_token account bot", "throttle identity bot"],
        speaks: |log| {
            log.json("0", &inventory("bot", r#""class":"agent","delegated_by":[{"principal":"ana"}]"#));
            log.json("1:00", &agent("eve", "search", "success"));
        },
        but: "she did delegate",
        silent: |log| {
            log.json("0", &inventory("bot", r#""class":"agent","delegated_by":[{"principal":"ana"}]"#));
            log.json("1:00", &agent("ana", "search", "success"));
        },
    },
    Case {
        signal: "agent_runaway",
        says: "identity bot high>high +3.0: agent_runaway +33.0",
        asks: &["notify_owner identity bot", "revoke_token account bot", "throttle identity bot"],
        speaks: |log| (0..120).for_each(|i| log.json_at(at("0").plus(i * SECOND_MS), &agent("ana", "search", "failure"))),
        but: "what it does again and again succeeds",
        silent: |log| (0..120).for_each(|i| log.json_at(at("0").plus(i * SECOND_MS), &agent("ana", "search", "success"))),
    },
];
