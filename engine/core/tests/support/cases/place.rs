//! Where somebody is.

use super::Case;
use crate::support::people::*;

pub const CASES: &[Case] = &[
    Case {
        signal: "impossible_travel",
        says: "identity ana low>medium -1.3: impossible_travel +28.0, new_place +5.7",
        asks: &["step_up session s-2 by reauthenticate"],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[HOME, BY_PASSWORD]));
            log.json("30:00", &login("success", &[LAGOS, BY_PASSWORD, &session("s-2")]));
        },
        but: "she took the plane",
        silent: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[HOME, BY_PASSWORD]));
            log.json("9:00:00", &login("success", &[LAGOS, BY_PASSWORD, &session("s-2")]));
        },
    },
    Case {
        signal: "new_place",
        says: "identity ana low>low -23.6: new_place +11.4",
        asks: &[],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("9:00:00", &login("success", &[LAGOS, BY_PASSWORD]));
        },
        but: "it is only her second log-in ever",
        silent: |log| {
            log.json("0", &login("success", &[HOME, BY_PASSWORD]));
            log.json("9:00:00", &login("success", &[LAGOS, BY_PASSWORD]));
        },
    },
    Case {
        signal: "risky_network",
        says: "identity ana low>low -17.0: risky_network +18.0",
        asks: &[],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[r#""source":{"ip":"198.51.100.66","network":"tor","device_id":"d-home"}"#, BY_PASSWORD]));
        },
        but: "it is a mobile network",
        silent: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[r#""source":{"ip":"198.51.100.66","network":"mobile","device_id":"d-home"}"#, BY_PASSWORD]));
        },
    },
    Case {
        signal: "bad_source",
        says: "identity ana low>low -21.0: bad_source +20.0, familiar -6.0",
        asks: &[],
        speaks: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("success", &[HOME, BY_PASSWORD, r#""stamp":{"reputation":"critical"}"#]));
        },
        but: "it was not let in",
        silent: |log| {
            at_home(log, "ana", "customer");
            log.json("0", &login("failure", &[HOME, BAD_PASSWORD, r#""stamp":{"reputation":"critical"}"#]));
        },
    },
];
