//! `signup_burst`: five or more new accounts from one source or device within an hour.

use super::far_above;
use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::EventType;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 57,
    name: "signup_burst",
    family: Family::Signup,
    on: &[Kind::Source, Kind::Device],
    weight_db: 34,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::of(&[EventType::AccountCreate]),
    params: &[
        Param { name: "accounts", default: 5, least: 2, most: 100000, doc: "new accounts in 1 h" },
        Param { name: "full", default: 8, least: 3, most: 1000000, doc: "accounts at full strength" },
        Param {
            name: "source_percent",
            default: 45,
            least: 0,
            most: 100,
            doc: "strength from one address, against one device: a school has one line and many devices",
        },
        Param { name: "times_usual", default: 3, least: 1, most: 100, doc: "how many times the usual it takes" },
    ],
    attack: &["T1136"],
    nhi: &[],
    doc: Doc {
        sees: "Five or more new accounts from one source or device within an hour.",
        why: "Accounts are made in bulk to abuse what new customers get.",
        silent: "For a shop's own kiosk or a campus network, once their usual is known.",
        source: "OWASP Automated Threats, OAT-019 (Account Creation)",
    },
    speak,
};

const ACCOUNTS: usize = 0;
const FULL: usize = 1;
const SOURCE_PERCENT: usize = 2;
const TIMES_USUAL: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (shop, p) = (look.row.shop, &settings.params);
    if !far_above(shop.signups_1h, shop.usual_signups_1h, p[ACCOUNTS], p[TIMES_USUAL]) {
        return None;
    }
    let percent = if look.row.kind == Kind::Source { p[SOURCE_PERCENT] } else { 100 };
    Some(Said {
        strength_permille: graded(shop.signups_1h.into(), p[ACCOUNTS], p[FULL]) * percent as i32 / 100,
        observed: format!("{} new accounts in 1 h", shop.signups_1h),
        expected: format!("about {}", shop.usual_signups_1h),
        detail: format!("{} accounts were created here within an hour", shop.signups_1h),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Shop;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_accounts_in_bulk() {
        let said = |signups_1h, usual_signups_1h| {
            example(&SIGNAL, |_, row| row.shop = Shop { signups_1h, usual_signups_1h, ..Shop::default() }).map(|s| s.strength_permille)
        };
        assert_eq!(said(5, 0), Some(500));
        assert_eq!(said(30, 2), Some(1_000));
        assert_eq!(said(30, 25), None, "a kiosk");
        let from_a_school = example(&SIGNAL, |_, row| {
            row.kind = Kind::Source;
            row.shop = Shop { signups_1h: 30, ..Shop::default() };
        });
        assert_eq!(from_a_school.map(|s| s.strength_permille), Some(450));
    }
}
