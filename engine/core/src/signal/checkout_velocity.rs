//! `checkout_velocity`: count or sum of checkouts in 1 h or 24 h far above what this identity, card or device ever has.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 52,
    name: "checkout_velocity",
    family: Family::Checkout,
    on: &[Kind::Identity, Kind::Card, Kind::Device],
    weight_db: 17,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::CHECKOUT,
    params: &[
        Param { name: "count_1h", default: 5, least: 2, most: 100000, doc: "checkouts in 1 h" },
        Param { name: "count_24h", default: 10, least: 2, most: 100000, doc: "in 24 h" },
        Param { name: "sum_24h", default: 100000, least: 1, most: 1000000000000, doc: "sum in 24 h, minor units" },
        Param { name: "times", default: 3, least: 1, most: 1000, doc: "times the usual at which it begins to speak" },
        Param { name: "full_times", default: 9, least: 2, most: 10000, doc: "times the usual at full strength" },
        Param { name: "days", default: 3, least: 0, most: 365, doc: "days that must be known before the sum says anything" },
    ],
    attack: &["T1657"],
    nhi: &[],
    doc: Doc {
        sees: "Count or sum of checkouts in 1 h or 24 h far above what this identity, card or device ever has.",
        why: "An account or a card is emptied before it is blocked.",
        silent: "Below the floors, and for those who buy as much every day.",
        source: "Visa and Mastercard velocity checks; FFIEC (2021)",
    },
    speak,
};

const COUNT_1H: usize = 0;
const COUNT_24H: usize = 1;
const SUM_24H: usize = 2;
const TIMES: usize = 3;
const FULL_TIMES: usize = 4;
const DAYS: usize = 5;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (shop, p) = (look.row.shop, &settings.params);
    let windows = [
        (i64::from(shop.count_1h), i64::from(shop.usual_count_1h), p[COUNT_1H], "checkouts in 1 h", true),
        (i64::from(shop.count_24h), i64::from(shop.usual_count_24h), p[COUNT_24H], "checkouts in 24 h", true),
        (shop.sum_24h, shop.usual_sum_24h, p[SUM_24H], "minor units in 24 h", i64::from(shop.days) >= p[DAYS]),
    ];
    let excess = |value: i64, usual: i64| value.saturating_mul(100) / usual.max(1);
    let speaking = windows.into_iter().filter(|(value, usual, floor, _, known)| *known && value >= floor && *value >= p[TIMES] * usual);
    // Without history the floor is the measure.
    let (value, usual, floor, what, _) = speaking.max_by_key(|(value, usual, floor, ..)| excess(*value, (*usual).max(floor / p[TIMES])))?;
    Some(Said {
        strength_permille: graded(excess(value, usual.max(floor / p[TIMES])), p[TIMES] * 100, p[FULL_TIMES] * 100),
        observed: format!("{value} {what}"),
        expected: format!("about {usual}"),
        detail: format!("{value} {what}, usually about {usual}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Shop;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_counts_and_sums_far_above_the_usual() {
        let said = |count_1h, usual_count_1h, sum_24h, usual_sum_24h, days| {
            example(&SIGNAL, |_, row| {
                row.shop = Shop { count_1h, usual_count_1h, sum_24h, usual_sum_24h, days, ..Shop::default() };
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(30, 1, 0, 0, 9), Some(1_000));
        assert_eq!(said(6, 2, 0, 0, 9), Some(500));
        assert_eq!(said(1, 1, 900_000, 10_000, 9), Some(1_000));
        assert_eq!(said(1, 1, 900_000, 10_000, 1), None, "too little is known");
        assert_eq!(said(9, 8, 90_000, 80_000, 9), None);
    }
}
