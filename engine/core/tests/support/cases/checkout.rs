//! Checkouts and refunds.

use super::Case;
use crate::support::people::*;
use crate::support::{Log, at};
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

fn cards(log: &mut Log, times: i64, amount: i64, result: &str) {
    for i in 0..times {
        let buy = act("checkout.attempt", "unknown", "ana", "customer", &[HOME, &checkout(&format!("o-{i}"), "c-1", amount, result)]);
        log.json_at(at("0").plus(i * 20 * SECOND_MS), &buy);
    }
}

fn purchase(order: &str, amount: i64) -> String {
    act("checkout.attempt", "success", "ana", "customer", &[HOME, &checkout(order, "c-1", amount, "approved")])
}

/// A purchase on each of twenty days.
fn daily_purchase(log: &mut Log) {
    for day in 0..20 {
        log.json_at(at("0").plus((day - 20) * DAY_MS), &purchase(&format!("o-{day}"), 2_000 + day % 5 * 300));
    }
}

fn purchases(log: &mut Log, times: i64, amount: i64) {
    (0..times).for_each(|i| log.json_at(at("0").plus(i * 4 * MINUTE_MS), &purchase(&format!("p-{i}"), amount)));
}

fn refunds(log: &mut Log, times: i64) {
    for i in 0..times {
        let refund = format!(r#""checkout":{{"order":"o-{}","card":"c-1","amount":2000}}"#, 19 - i);
        log.json_at(at("0").plus(i * HOUR_MS), &act("checkout.refund", "success", "ana", "customer", &[HOME, &refund]));
    }
}

fn one_card(log: &mut Log, identities: i64) {
    for i in 0..identities {
        let buy = checkout(&format!("o-{i}"), "c-1", 9_000, "approved");
        log.json_at(at("0").plus(i * 20 * MINUTE_MS), &act("checkout.attempt", "success", &format!("u-{i}"), "customer", &[&buy]));
    }
}

pub const CASES: &[Case] = &[
    Case {
        signal: "card_testing",
        says: "card c-1 high>critical +12.5: card_testing +34.0, checkout_velocity +8.5",
        asks: &[
            "challenge device d-home",
            "step_up account ana by reauthenticate",
            "challenge source 192.0.2.10",
            "throttle device d-home",
            "hold_card card c-1",
            "open_case card c-1",
            "step_up account ana by reauthenticate",
            "hold_order order o-8",
            "throttle source 192.0.2.10",
            "hold_order order o-9",
            "block_source network 192.0.2.10",
            "hold_card card c-1",
        ],
        speaks: |log| cards(log, 10, 150, "declined"),
        but: "the shop takes the card each time",
        silent: |log| cards(log, 10, 150, "approved"),
    },
    Case {
        signal: "checkout_velocity",
        says: "card c-1 low>low -13.0: checkout_velocity +17.0",
        asks: &[],
        speaks: |log| {
            daily_purchase(log);
            purchases(log, 12, 2_500);
        },
        but: "she buys twice",
        silent: |log| {
            daily_purchase(log);
            purchases(log, 2, 2_500);
        },
    },
    Case {
        signal: "amount_outlier",
        says: "card c-1 low>medium -9.0: checkout_velocity +17.0, amount_outlier +4.0",
        asks: &[],
        speaks: |log| {
            daily_purchase(log);
            purchases(log, 1, 400_000);
        },
        but: "it is a little more than usual",
        silent: |log| {
            daily_purchase(log);
            purchases(log, 1, 3_500);
        },
    },
    Case {
        signal: "takeover_checkout",
        says: "identity ana low>low -12.0: takeover_checkout +23.0",
        asks: &[],
        speaks: |log| {
            log.json("0", &act("auth.recovery", "success", "ana", "customer", &[]));
            log.json("10:00", &act("checkout.attempt", "success", "ana", "customer", &[&checkout("o-1", "c-new", 90_000, "approved")]));
        },
        but: "she pays with the card she always uses",
        silent: |log| {
            log.json_at(
                at("0").plus(-DAY_MS),
                &act("checkout.attempt", "success", "ana", "customer", &[&checkout("o-0", "c-old", 5_000, "approved")]),
            );
            log.json("0", &act("auth.recovery", "success", "ana", "customer", &[]));
            log.json("10:00", &act("checkout.attempt", "success", "ana", "customer", &[&checkout("o-1", "c-old", 90_000, "approved")]));
        },
    },
    Case {
        signal: "young_account_checkout",
        says: "identity new-1 low>low -20.6: young_account_checkout +14.4",
        asks: &[],
        speaks: |log| {
            log.json("0", &act("account.create", "success", "new-1", "customer", &[HOME]));
            log.json("3:00", &act("checkout.attempt", "success", "new-1", "customer", &[&checkout("o-1", "c-1", 90_000, "approved")]));
        },
        but: "it is three days later",
        silent: |log| {
            log.json("0", &act("account.create", "success", "new-1", "customer", &[HOME]));
            log.json("72:00:00", &act("checkout.attempt", "success", "new-1", "customer", &[&checkout("o-1", "c-1", 90_000, "approved")]));
        },
    },
    Case {
        signal: "shared_instrument",
        says: "card c-1 low>medium -6.0: shared_instrument +24.0",
        asks: &[],
        speaks: |log| one_card(log, 6),
        but: "it is a couple",
        silent: |log| one_card(log, 2),
    },
    Case {
        signal: "refund_abuse",
        says: "card c-1 low>medium -9.0: refund_abuse +21.0",
        asks: &[],
        speaks: |log| {
            daily_purchase(log);
            refunds(log, 6);
        },
        but: "she sends one thing back",
        silent: |log| {
            daily_purchase(log);
            refunds(log, 1);
        },
    },
];
