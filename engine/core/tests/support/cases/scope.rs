//! What is used, from which workload, and how much of it.

use super::Case;
use crate::support::people::*;
use crate::support::{Log, at};
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

fn object(i: i64) -> String {
    format!(r#""request":{{"method":"GET","route":"/v1/orders/{{id}}","object":"o-{i}"}}"#)
}

fn customers_opened(log: &mut Log, customers: i64) {
    for i in 0..customers {
        let request = format!(r#""request":{{"route":"/v1/customers/{{id}}","target":"u-{i}"}}"#);
        log.json_at(at("0").plus(i * MINUTE_MS), &act("api.request", "success", "sue", "support", &[HOME, &request]));
    }
}

/// Ten days on which three customers were opened.
fn support_days(log: &mut Log) {
    at_home(log, "sue", "support");
    for day in 0..10 {
        for i in 0..3 {
            let request = format!(r#""request":{{"route":"/v1/customers/{{id}}","target":"u-{i}"}}"#);
            let time = at("0").plus((day - 10) * DAY_MS + 9 * HOUR_MS + i * MINUTE_MS);
            log.json_at(time, &act("api.request", "success", "sue", "support", &[HOME, &request]));
        }
    }
}

fn export(megabytes: u64) -> String {
    let request = format!(r#""request":{{"route":"/v1/export","bytes":{}}}"#, megabytes * 1_000_000);
    act("api.request", "success", "dump", "service", &[IN_CLUSTER, &request])
}

fn daily_export(log: &mut Log) {
    (1..10).rev().for_each(|day| log.json_at(at("0").plus(-day * DAY_MS), &export(10)));
}

const INTEGRATION: &str = r#""credential":{"client_id":"drift"}"#;
const STANDBY: &str = r#""source":{"ip":"203.0.113.77","asn":64999,"country":"CH"}"#;

/// Ten days of eight customers of one integration; `standby`: one of them was once served from the standby site.
fn integration(log: &mut Log, standby: bool) {
    for day in 0..10 {
        for i in 0..16 {
            let source = if standby && (day, i) == (0, 0) { STANDBY } else { HOME };
            let time = at("0").plus((day - 10) * DAY_MS + i * MINUTE_MS);
            log.json_at(time, &act("api.request", "success", &format!("t-{}", i % 8), "customer", &[source, INTEGRATION]));
        }
    }
}

fn vendor_moves(log: &mut Log) {
    for i in 0..8 {
        let time = at("0").plus(i * MINUTE_MS);
        log.json_at(time, &act("api.request", "success", &format!("t-{i}"), "customer", &[STANDBY, INTEGRATION]));
    }
}

pub const CASES: &[Case] = &[
    Case {
        signal: "off_workload",
        says: "identity sync low>high +1.0: off_workload +36.0",
        asks: &["throttle identity sync", "open_case identity sync"],
        speaks: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", &call_of("sync", "/v1/orders", OTHER_CLOUD, "key-1", 0));
        },
        but: "the cluster has moved, and proves its name",
        silent: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", &call_of("sync", "/v1/orders", &IN_CLUSTER.replace("64500", "64501"), "key-1", 0));
        },
    },
    Case {
        signal: "human_use_of_machine",
        says: "identity sync low>medium -5.0: human_use_of_machine +30.0",
        asks: &["notify_owner identity sync"],
        speaks: |log| {
            hourly_job(log, "sync", 2);
            let home = r#""source":{"ip":"203.0.113.80","network":"residential"},"stamp":{"agent_class":"browser"}"#;
            log.json("0", &call_of("sync", "/v1/orders", home, "key-1", 0));
        },
        but: "it is its own program in its own network",
        silent: |log| {
            hourly_job(log, "sync", 2);
            let own = format!(r#"{IN_CLUSTER},"stamp":{{"agent_class":"library"}}"#);
            log.json("0", &call_of("sync", "/v1/orders", &own, "key-1", 0));
        },
    },
    Case {
        signal: "shared_credential",
        says: "identity sync low>low -23.0: shared_credential +12.0",
        asks: &[],
        speaks: |log| {
            for hour in 0..240 {
                let time = at("0").plus((hour - 240) * HOUR_MS);
                log.json_at(time, &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
                log.json_at(time.plus(MINUTE_MS), &call_of("sync", "/v1/orders", GREEN, "key-1", 0));
            }
        },
        but: "blue and green for an hour",
        silent: |log| {
            green_before(log);
            for minute in 0..60 {
                let place = if minute % 2 == 0 { IN_CLUSTER } else { GREEN };
                log.json_at(at("0").plus(minute * MINUTE_MS), &call_of("sync", "/v1/orders", place, "key-1", 0));
            }
        },
    },
    Case {
        signal: "new_scope",
        says: "identity sync low>low -27.0: new_scope +8.0",
        asks: &[],
        speaks: |log| {
            hourly_job(log, "sync", 2);
            log.json("0", &call_of("sync", "/v1/customers/export", IN_CLUSTER, "key-1", 0));
        },
        but: "it was there before, once",
        silent: |log| {
            log.json_at(at("0").plus(-250 * HOUR_MS), &call_of("sync", "/v1/customers/export", IN_CLUSTER, "key-1", 0));
            hourly_job(log, "sync", 2);
            log.json("0", &call_of("sync", "/v1/customers/export", IN_CLUSTER, "key-1", 0));
        },
    },
    Case {
        signal: "object_enumeration",
        says: "identity ana critical>critical +18.8: object_enumeration +30.6, machine_rhythm +13.9, scraping +9.0, cadence_surge +6.3, familiar -6.0",
        asks: &[
            "step_up account ana by reauthenticate",
            "step_up account ana by reauthenticate",
            "terminate_session account ana",
            "revoke_token account ana",
            "open_case identity ana",
        ],
        speaks: |log| {
            at_home(log, "ana", "customer");
            calls(log, 100, |_| 5 * SECOND_MS, object);
        },
        but: "it is her own five orders again and again",
        silent: |log| {
            at_home(log, "ana", "customer");
            calls(log, 60, |i| [3, 45, 9, 70, 20, 120][i as usize % 6] * SECOND_MS, |i| object(i % 5));
        },
    },
    Case {
        signal: "scraping",
        says: "identity ana critical>critical +29.5: object_enumeration +36.0, cadence_surge +16.0, scraping +11.6, machine_rhythm +6.9, familiar -6.0",
        asks: &[
            "step_up account ana by reauthenticate",
            "step_up account ana by reauthenticate",
            "terminate_session account ana",
            "revoke_token account ana",
            "open_case identity ana",
        ],
        speaks: |log| {
            at_home(log, "ana", "customer");
            calls(log, 140, |_| 4 * SECOND_MS, object);
        },
        but: "she looks at twenty things, as people do",
        silent: |log| {
            at_home(log, "ana", "customer");
            calls(log, 20, |i| [3, 45, 9, 70, 20, 120][i as usize % 6] * SECOND_MS, object);
        },
    },
    Case {
        signal: "support_fanout",
        says: "identity sue high>high +2.0: support_fanout +32.0",
        asks: &["terminate_session account sue", "step_up account sue by reauthenticate"],
        speaks: |log| {
            support_days(log);
            customers_opened(log, 40);
        },
        but: "it is as many as every day",
        silent: |log| {
            support_days(log);
            customers_opened(log, 5);
        },
    },
    Case {
        signal: "egress_surge",
        says: "identity dump low>medium -1.0: egress_surge +34.0",
        asks: &["notify_owner identity dump"],
        speaks: |log| {
            daily_export(log);
            log.json("0", &export(900));
        },
        but: "the export is as large as every day",
        silent: |log| {
            daily_export(log);
            log.json("0", &export(12));
        },
    },
    Case {
        signal: "vendor_wave",
        says: "identity t-7 low>medium -5.3: vendor_wave +24.0, new_place +5.7",
        asks: &[
            "step_up account t-2 by reauthenticate",
            "step_up account t-3 by reauthenticate",
            "step_up account t-4 by reauthenticate",
            "step_up account t-5 by reauthenticate",
            "step_up account t-6 by reauthenticate",
            "step_up account t-7 by reauthenticate",
        ],
        speaks: |log| {
            integration(log, false);
            vendor_moves(log);
        },
        but: "they fail over to the standby site",
        silent: |log| {
            integration(log, true);
            vendor_moves(log);
        },
    },
];
