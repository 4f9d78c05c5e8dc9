//! New accounts.

use super::Case;
use crate::support::people::*;
use crate::support::{Log, at};
use portcullis_core::time::MINUTE_MS;

fn sign_ups(log: &mut Log, accounts: i64) {
    for i in 0..accounts {
        log.json_at(at("0").plus(i * MINUTE_MS), &act("account.create", "success", &format!("new-{i}"), "customer", &[NOWHERE]));
    }
}

pub const CASES: &[Case] = &[Case {
    signal: "signup_burst",
    says: "source 203.0.113.9 low>low -14.7: signup_burst +15.3",
    asks: &[],
    speaks: |log| sign_ups(log, 20),
    but: "it is a family",
    silent: |log| sign_ups(log, 3),
}];
