//! How often and how regularly.

use super::Case;
use crate::support::people::*;
use crate::support::{Log, at};
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// A machine that has polled every ten minutes, `times` times.
fn poller(log: &mut Log, times: i64) {
    for i in 0..times {
        log.json_at(at("0").plus((i - times) * 10 * MINUTE_MS), &call_of("poll", "/v1/orders", IN_CLUSTER, "key-1", 0));
    }
}

/// Four weeks of log-ins from eight to five on workdays.
fn office_hours(log: &mut Log) {
    for day in (-28..0i64).filter(|d| (d + 28) % 7 < 5) {
        for hour in -2..7 {
            let time = at("0").plus(day * DAY_MS + hour * HOUR_MS);
            log.json_at(time, &act("auth.login", "success", "wim", "workforce", &[HOME, BY_PASSWORD]));
        }
    }
}

pub const CASES: &[Case] = &[
    Case {
        signal: "cadence_surge",
        says: "identity sync critical>critical +21.0: cadence_surge +32.0, fresh_identity +24.0",
        asks: &[
            "notify_owner identity sync",
            "throttle identity sync",
            "revoke_token credential key-1",
            "rotate_secret credential key-1",
            "open_case identity sync",
        ],
        speaks: |log| {
            hourly_job(log, "sync", 10);
            for i in 0..170 {
                log.json_at(at("0").plus(i * 300), &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
            }
        },
        but: "it does so every hour",
        silent: |log| {
            hourly_job(log, "sync", 170);
            for i in 0..170 {
                log.json_at(at("0").plus(i * 300), &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
            }
        },
    },
    Case {
        signal: "machine_rhythm",
        says: "identity ana low>low -27.0: machine_rhythm +14.0, familiar -6.0",
        asks: &[],
        speaks: |log| {
            at_home(log, "ana", "customer");
            calls(log, 100, |_| 10 * SECOND_MS, |_| String::new());
        },
        but: "she pauses as people do",
        silent: |log| {
            at_home(log, "ana", "customer");
            calls(log, 60, |i| [3, 45, 9, 70, 20, 120][i as usize % 6] * SECOND_MS, |_| String::new());
        },
    },
    Case {
        signal: "rhythm_break",
        says: "identity poll low>low -22.0: rhythm_break +13.0",
        asks: &[],
        speaks: |log| {
            poller(log, 1_200);
            for i in 0..30 {
                let pause = [2, 700, 5, 1_300, 20][i as usize % 5] * SECOND_MS;
                let before = log.now();
                log.json_at(before.plus(pause), &call_of("poll", "/v1/orders", IN_CLUSTER, "key-1", 0));
            }
        },
        but: "it goes on as ever",
        silent: |log| {
            poller(log, 1_200);
            for _ in 0..30 {
                let before = log.now();
                log.json_at(before.plus(10 * MINUTE_MS), &call_of("poll", "/v1/orders", IN_CLUSTER, "key-1", 0));
            }
        },
    },
    Case {
        signal: "off_hours",
        says: "identity wim low>low -33.0: off_hours +6.0, familiar -6.0",
        asks: &[],
        speaks: |log| {
            office_hours(log);
            log.json("17:00:00", &act("auth.login", "success", "wim", "workforce", &[HOME, BY_PASSWORD]));
        },
        but: "it is an hour later than usual",
        silent: |log| {
            office_hours(log);
            log.json("7:30:00", &act("auth.login", "success", "wim", "workforce", &[HOME, BY_PASSWORD]));
        },
    },
];
