//! `shared_instrument`: three or more identities on one card or device within 24 h.

use super::far_above;
use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::EventType;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 55,
    name: "shared_instrument",
    family: Family::Checkout,
    on: &[Kind::Card, Kind::Device],
    weight_db: 30,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::of(&[EventType::CheckoutAttempt, EventType::CheckoutRefund]),
    params: &[
        Param { name: "identities", default: 3, least: 2, most: 1000, doc: "different identities in 24 h" },
        Param { name: "full", default: 8, least: 3, most: 10000, doc: "identities at full strength" },
        Param { name: "times_usual", default: 2, least: 1, most: 100, doc: "how many times the usual it takes" },
    ],
    attack: &["T1657"],
    nhi: &[],
    doc: Doc {
        sees: "Three or more identities on one card or device within 24 h.",
        why: "One thief has many accounts, and one card or phone to use them with.",
        silent: "For a family's card and a kiosk, once their usual is known.",
        source: "Merchant Risk Council, linked accounts",
    },
    speak,
};

const IDENTITIES: usize = 0;
const FULL: usize = 1;
const TIMES_USUAL: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (shop, p) = (look.row.shop, &settings.params);
    if !far_above(shop.identities_24h, shop.usual_identities_24h, p[IDENTITIES], p[TIMES_USUAL]) {
        return None;
    }
    Some(Said {
        strength_permille: graded(shop.identities_24h.into(), p[IDENTITIES], p[FULL]),
        observed: format!("{} identities in 24 h", shop.identities_24h),
        expected: format!("about {}", shop.usual_identities_24h),
        detail: format!("{} identities used it within a day, usually about {}", shop.identities_24h, shop.usual_identities_24h),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Shop;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_many_hands() {
        let said = |identities_24h, usual_identities_24h| {
            example(&SIGNAL, |_, row| row.shop = Shop { identities_24h, usual_identities_24h, ..Shop::default() })
                .map(|s| s.strength_permille)
        };
        assert_eq!(said(3, 1), Some(500));
        assert_eq!(said(9, 1), Some(1_000));
        assert_eq!(said(4, 3), None, "a family's card");
        assert_eq!(said(2, 0), None);
    }
}
