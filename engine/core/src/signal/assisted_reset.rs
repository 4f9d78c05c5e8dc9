//! `assisted_reset`: support resets a factor or a password, and then an unfamiliar device is used; or one support identity resets far more than it ever does.

use super::far_above;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::Class;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 60,
    name: "assisted_reset",
    family: Family::Device,
    on: &[Kind::Identity],
    weight_db: 24,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[
        Param { name: "within_hours", default: 24, least: 1, most: 720, doc: "between the reset and the activity" },
        Param {
            name: "home_percent",
            default: 40,
            least: 0,
            most: 100,
            doc: "strength for a new device in a known network: a new phone at home",
        },
        Param { name: "resets", default: 4, least: 2, most: 10000, doc: "resets by one support identity in 24 h" },
        Param { name: "times", default: 3, least: 1, most: 1000, doc: "times its usual at which they speak" },
    ],
    attack: &["T1656", "T1556"],
    nhi: &[],
    doc: Doc {
        sees: "Support resets a factor or a password, and then an unfamiliar device is used; or one support identity resets far more than it ever does.",
        why: "The help desk is asked, by telephone, for what the attacker lacks.",
        silent: "Where the device is known; weak for a new phone at home.",
        source: "MITRE ATT&CK T1656; CISA AA23-320A (Scattered Spider)",
    },
    speak,
};

const WITHIN_HOURS: usize = 0;
const HOME_PERCENT: usize = 1;
const RESETS: usize = 2;
const TIMES: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let privilege = row.privilege;
    if row.class == Class::Support && far_above(privilege.assisted_24h, privilege.usual_assisted_24h, p[RESETS], p[TIMES]) {
        return Some(Said {
            strength_permille: 1_000,
            observed: format!("{} identities reset in 24 h", privilege.assisted_24h),
            expected: format!("about {}", privilege.usual_assisted_24h),
            detail: format!("reset factors or passwords of {} identities within a day", privilege.assisted_24h),
        });
    }
    let since_ms = row.since_assisted_ms?;
    if !(0..=p[WITHIN_HOURS] * HOUR_MS).contains(&since_ms) || row.new_device.is_none() || row.learning {
        return None;
    }
    let away = row.new_country.is_some() || row.new_network.is_some();
    Some(Said {
        strength_permille: if away { 1_000 } else { p[HOME_PERCENT] as i32 * 10 },
        observed: format!("an unfamiliar device {} min after support reset a factor or the password", since_ms / MINUTE_MS),
        expected: "its own device".to_owned(),
        detail: "support reset a factor or the password, then an unfamiliar device was used".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Novelty, PrivilegeUse};
    use crate::signal::example::example;

    #[test]
    fn speaks_of_the_help_desks_victims_and_of_its_haste() {
        let said = |since_ms, device: bool, away: bool| {
            example(&SIGNAL, |_, row| {
                let novelty = Some(Novelty { likelihood_cb: 200, share_ppm: 100 });
                (row.since_assisted_ms, row.learning) = (since_ms, false);
                (row.new_device, row.new_network) = (novelty.filter(|_| device), novelty.filter(|_| away));
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(Some(HOUR_MS), true, true), Some(1_000));
        assert_eq!(said(Some(HOUR_MS), true, false), Some(400), "a new phone");
        assert_eq!(said(Some(HOUR_MS), false, true), None);
        assert_eq!(said(Some(25 * HOUR_MS), true, true), None);
        let resets = |class, assisted_24h| {
            example(&SIGNAL, |_, row| {
                row.class = class;
                row.privilege = PrivilegeUse { assisted_24h, usual_assisted_24h: 2, ..PrivilegeUse::default() };
            })
        };
        assert!(resets(Class::Support, 9).is_some());
        assert_eq!(resets(Class::Support, 5), None);
    }
}
