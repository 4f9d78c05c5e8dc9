//! `refund_abuse`: refunds by count or sum far above the usual, or of an order that was never bought here.

use super::far_above;
use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::EventType;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 56,
    name: "refund_abuse",
    family: Family::Checkout,
    on: &[Kind::Identity, Kind::Card],
    weight_db: 28,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::of(&[EventType::CheckoutRefund]),
    params: &[
        Param { name: "count", default: 3, least: 1, most: 10000, doc: "refunds in 24 h" },
        Param { name: "times", default: 3, least: 1, most: 1000, doc: "times the usual at which it begins to speak" },
        Param { name: "sum", default: 50000, least: 1, most: 1000000000000, doc: "sum in 24 h that speaks too, minor units" },
        Param { name: "unmatched_percent", default: 30, least: 0, most: 100, doc: "strength of a refund of what was never bought" },
    ],
    attack: &["T1657"],
    nhi: &[],
    doc: Doc {
        sees: "Refunds by count or sum far above the usual, or of an order that was never bought here.",
        why: "Refunds turn access into money, for outsiders and insiders alike.",
        silent: "For those who often send back, and where purchases before our memory cannot be matched.",
        source: "Merchant Risk Council, refund and policy abuse",
    },
    speak,
};

const COUNT: usize = 0;
const TIMES: usize = 1;
const SUM: usize = 2;
const UNMATCHED_PERCENT: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (shop, p) = (look.row.shop, &settings.params);
    let many = far_above(shop.refunds_24h, shop.usual_refunds_24h, p[COUNT], p[TIMES]);
    let much = shop.refunds_sum_24h >= p[SUM] && shop.refunds_sum_24h >= p[TIMES].saturating_mul(shop.usual_refunds_sum_24h);
    let strength = match (many, much, shop.refund_unmatched) {
        (true, _, true) => 1_000,
        (true, _, _) => graded(shop.refunds_24h.into(), p[COUNT], 3 * p[COUNT]),
        (false, true, _) => graded(shop.refunds_sum_24h, p[SUM], 4 * p[SUM]),
        (false, false, true) => p[UNMATCHED_PERCENT] as i32 * 10,
        (false, false, false) => return None,
    };
    let unmatched = if shop.refund_unmatched { ", this one of what was never bought" } else { "" };
    Some(Said {
        strength_permille: strength,
        observed: format!("{} refunds of {} minor units in 24 h{unmatched}", shop.refunds_24h, shop.refunds_sum_24h),
        expected: format!("about {} of {}", shop.usual_refunds_24h, shop.usual_refunds_sum_24h),
        detail: format!("{} refunds within a day{unmatched}", shop.refunds_24h),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Shop;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_many_large_and_unmatched_refunds() {
        let said = |refunds_24h, refunds_sum_24h, refund_unmatched| {
            example(&SIGNAL, |_, row| {
                row.shop = Shop { refunds_24h, refunds_sum_24h, refund_unmatched, usual_refunds_24h: 1, ..Shop::default() };
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(9, 900, false), Some(1_000));
        assert_eq!(said(1, 200_000, false), Some(1_000));
        assert_eq!(said(1, 900, true), Some(300));
        assert_eq!(said(3, 900, true), Some(1_000));
        assert_eq!(said(1, 900, false), None);
    }
}
