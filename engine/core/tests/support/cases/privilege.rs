//! Privileged acts and secrets.

use super::Case;
use crate::support::people::*;
use crate::support::{Log, at};
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

const VAULT_TO_HIMSELF: &str = r#""change":{"role":"roles/secretmanager.secretAccessor","target":"wim"}"#;

fn secret(who: &str, secret: &str) -> String {
    act("secret.read", "success", who, "workforce", &[HOME, &format!(r#""change":{{"secret":"{secret}"}}"#)])
}

fn consent(log: &mut Log, scopes: &str) {
    let change = format!(r#""credential":{{"client_id":"c-evil"}},"change":{{"scope":"{scopes}"}}"#);
    log.json("0", &act("consent.grant", "success", "ana", "customer", &[HOME, &change]));
    let hosting = r#""credential":{"client_id":"c-evil"},"source":{"ip":"203.0.113.9","network":"hosting"}"#;
    log.json("10:00", &act("api.request", "success", "ana", "customer", &[hosting]));
}

fn privileged(kind: &str, who: &str, privileged: &str) -> String {
    act(kind, "success", who, "admin", &[HOME, &format!(r#""privileged":{{{privileged}}}"#)])
}

/// Ten days with a privileged session each, with a ticket.
fn privileged_days(log: &mut Log, who: &str) {
    for day in 0..10 {
        let time = at("0").plus((day - 10) * DAY_MS);
        let session = format!(r#""target":"db-1","ticket":"CHG-{day}","session":"p-{day}""#);
        log.json_at(time, &privileged("privileged.session_start", who, &session));
    }
}

/// Ten days on which the account was checked out, and then used.
fn checkout_days(log: &mut Log) {
    for day in 0..10 {
        let time = at("0").plus((day - 10) * DAY_MS);
        let ticket = format!(r#""account":"dba","ticket":"CHG-{day}""#);
        log.json_at(time, &privileged("privileged.checkout", "root", &ticket));
        log.json_at(time.plus(HOUR_MS), &act("auth.login", "success", "dba", "admin", &[HOME, BY_PASSWORD]));
    }
}

fn targets(log: &mut Log, targets: i64) {
    for i in 0..targets {
        let command = format!(r#""target":"db-{i}","session":"p-9""#);
        log.json_at(at("0").plus(i * MINUTE_MS), &privileged("privileged.command", "root", &command));
    }
}

pub const CASES: &[Case] = &[
    Case {
        signal: "privilege_chain",
        says: "identity wim medium>critical +13.5: privilege_chain +34.0, unusual_grant +12.5",
        asks: &[
            "step_up account wim by reauthenticate",
            "terminate_session account wim",
            "revoke_token account wim",
            "disable_account account wim",
            "open_case identity wim",
        ],
        speaks: |log| {
            at_home(log, "wim", "workforce");
            log.json("0", &act("privilege.grant", "success", "wim", "workforce", &[VAULT_TO_HIMSELF]));
            log.json("10:00", &secret("wim", "db-password"));
        },
        but: "he was granted it last week",
        silent: |log| {
            log.json_at(at("0").plus(-11 * DAY_MS), &act("privilege.grant", "success", "wim", "workforce", &[VAULT_TO_HIMSELF]));
            at_home(log, "wim", "workforce");
            log.json("10:00", &secret("wim", "db-password"));
        },
    },
    Case {
        signal: "unusual_grant",
        says: "identity wim low>medium -8.0: unusual_grant +25.0",
        asks: &["step_up session s-1 by reauthenticate"],
        speaks: |log| {
            at_home(log, "wim", "workforce");
            log.json("0", &upon("privilege.grant", "wim", "eve", r#""session":{"id":"s-1"}"#));
        },
        but: "it is what he does since his first day",
        silent: |log| {
            log.json_at(at("0").plus(-11 * DAY_MS), &upon("privilege.grant", "wim", "bob", r#""session":{"id":"s-0"}"#));
            at_home(log, "wim", "workforce");
            log.json("0", &upon("privilege.grant", "wim", "eve", r#""session":{"id":"s-1"}"#));
        },
    },
    Case {
        signal: "mass_secret_read",
        says: "identity wim high>high +3.0: mass_secret_read +36.0",
        asks: &["step_up account wim by reauthenticate", "terminate_session account wim", "step_up account wim by reauthenticate"],
        speaks: |log| {
            at_home(log, "wim", "workforce");
            (0..40).for_each(|i| log.json_at(at("0").plus(i * 30 * SECOND_MS), &secret("wim", &format!("secret-{i}"))));
        },
        but: "it is four of them",
        silent: |log| {
            at_home(log, "wim", "workforce");
            (0..5).for_each(|i| log.json_at(at("0").plus(i * 30 * SECOND_MS), &secret("wim", &format!("secret-{i}"))));
        },
    },
    Case {
        signal: "risky_consent",
        says: "identity ana low>high +9.8: risky_consent +34.0, risky_network +10.8",
        asks: &["step_up account ana by reauthenticate"],
        speaks: |log| {
            at_home(log, "ana", "customer");
            consent(log, "mail.read offline_access");
        },
        but: "the scopes are narrow",
        silent: |log| {
            at_home(log, "ana", "customer");
            consent(log, "openid");
        },
    },
    Case {
        signal: "privileged_without_ticket",
        says: "identity root low>medium -5.0: privileged_without_ticket +25.0",
        asks: &["step_up account root by mfa"],
        speaks: |log| {
            privileged_days(log, "root");
            log.json("0", &privileged("privileged.session_start", "root", r#""target":"db-1","session":"p-9""#));
        },
        but: "it has one, as ever",
        silent: |log| {
            privileged_days(log, "root");
            log.json("0", &privileged("privileged.session_start", "root", r#""target":"db-1","ticket":"CHG-9","session":"p-9""#));
        },
    },
    Case {
        signal: "privileged_bypass",
        says: "identity dba low>medium -2.0: privileged_bypass +28.0",
        asks: &["step_up account dba by mfa"],
        speaks: |log| {
            checkout_days(log);
            log.json("1:00:00", &act("auth.login", "success", "dba", "admin", &[HOME, BY_PASSWORD]));
        },
        but: "it was checked out",
        silent: |log| {
            checkout_days(log);
            log.json("0", &privileged("privileged.checkout", "root", r#""account":"dba","ticket":"CHG-9""#));
            log.json("1:00:00", &act("auth.login", "success", "dba", "admin", &[HOME, BY_PASSWORD]));
        },
    },
    Case {
        signal: "privileged_fanout",
        says: "identity root medium>medium -2.0: privileged_fanout +28.0",
        asks: &["step_up account root by mfa"],
        speaks: |log| {
            privileged_days(log, "root");
            targets(log, 40);
        },
        but: "it is five of them",
        silent: |log| {
            privileged_days(log, "root");
            targets(log, 4);
        },
    },
];
