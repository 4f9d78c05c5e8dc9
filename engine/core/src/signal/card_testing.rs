//! `card_testing`: many declined checkouts, or many cards, within 10 min, for small amounts.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::EventType;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 16,
    name: "card_testing",
    family: Family::Checkout,
    on: &[Kind::Identity, Kind::Source, Kind::Device, Kind::Card],
    weight_db: 34,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::CHECKOUT,
    params: &[
        Param { name: "declines", default: 5, least: 2, most: 1000, doc: "declines in 10 min" },
        Param { name: "cards", default: 3, least: 2, most: 16, doc: "different cards in 10 min" },
        Param {
            name: "small_amount",
            default: 2000,
            least: 1,
            most: 100000000,
            doc: "mean amount up to which it speaks at full strength, minor units",
        },
        Param { name: "large_percent", default: 40, least: 0, most: 100, doc: "strength for larger amounts" },
    ],
    attack: &["T1657"],
    nhi: &[],
    doc: Doc {
        sees: "Many declined checkouts, or many cards, within 10 min, for small amounts.",
        why: "Stolen cards are tried out with small purchases before they are used or sold.",
        silent: "For large purchases: a shopper who tries a second card for one big order is no tester.",
        source: "Visa, Anti-Enumeration and Account Testing Best Practices (2023)",
    },
    speak,
};

const DECLINES: usize = 0;
const CARDS: usize = 1;
const SMALL_AMOUNT: usize = 2;
const LARGE_PERCENT: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    if look.event.kind != EventType::CheckoutAttempt {
        return None;
    }
    let (declines, cards) = (i64::from(row.declines_10m), i64::from(row.cards_10m));
    // One card cannot be several: there only the declines speak.
    let many_cards = row.kind != Kind::Card && cards >= p[CARDS] && declines >= 1;
    if declines < p[DECLINES] && !many_cards {
        return None;
    }
    let reached = graded(declines, p[DECLINES], 2 * p[DECLINES]).max(if many_cards { graded(cards, p[CARDS], 2 * p[CARDS]) } else { 0 });
    let percent = if row.mean_amount_10m <= p[SMALL_AMOUNT] { 100 } else { p[LARGE_PERCENT] };
    Some(Said {
        strength_permille: reached * percent as i32 / 100,
        observed: format!(
            "{} checkouts, {declines} declined, {cards} cards in 10 min, {} each on average",
            row.checkouts_10m, row.mean_amount_10m
        ),
        expected: format!("fewer than {} declines and {} cards", p[DECLINES], p[CARDS]),
        detail: format!("{declines} declined checkouts and {cards} cards within 10 min"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_many_small_declines() {
        let said = |declines, cards, amount| {
            example(&SIGNAL, |event, row| {
                event.kind = EventType::CheckoutAttempt;
                (row.declines_10m, row.cards_10m, row.mean_amount_10m) = (declines, cards, amount);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(10, 1, 100), Some(1_000));
        assert_eq!(said(2, 6, 100), Some(1_000));
        assert_eq!(said(5, 1, 100), Some(500));
        assert_eq!(said(5, 1, 90_000), Some(200));
        assert_eq!(said(4, 2, 100), None);
        assert_eq!(said(0, 3, 100), None, "a family's cards, all approved");
    }
}
