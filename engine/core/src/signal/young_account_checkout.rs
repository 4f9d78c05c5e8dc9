//! `young_account_checkout`: a checkout minutes after sign-up.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::MINUTE_MS;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 54,
    name: "young_account_checkout",
    family: Family::Checkout,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::CHECKOUT,
    params: &[
        Param { name: "minutes", default: 60, least: 1, most: 10080, doc: "age up to which an account is young" },
        Param { name: "quick_minutes", default: 10, least: 1, most: 10080, doc: "age that is haste" },
        Param { name: "amount", default: 20000, least: 1, most: 100000000000, doc: "amount that makes haste remarkable, minor units" },
        Param { name: "declines", default: 1, least: 1, most: 100, doc: "declined checkouts, with another card each, for full strength" },
        Param {
            name: "alone_percent",
            default: 40,
            least: 0,
            most: 100,
            doc: "strength of haste and a large amount without declined cards; half of it for one of the two",
        },
    ],
    attack: &["T1657"],
    nhi: &[],
    doc: Doc {
        sees: "A checkout minutes after sign-up, and more so when other cards were declined right before.",
        why: "Stolen cards are used with accounts that are made for it.",
        silent: "Where the log has no sign-up; weak without declined cards, and more so for small amounts, for many people sign up in order to buy.",
        source: "Merchant Risk Council, new account fraud",
    },
    speak,
};

const MINUTES: usize = 0;
const QUICK_MINUTES: usize = 1;
const AMOUNT: usize = 2;
const DECLINES: usize = 3;
const ALONE_PERCENT: usize = 4;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let age_ms = row.age_ms?;
    if age_ms > p[MINUTES] * MINUTE_MS {
        return None;
    }
    let amount = look.event.checkout.as_ref().and_then(|c| c.amount).unwrap_or(0);
    let tried = i64::from(row.declines_10m) >= p[DECLINES] && row.cards_10m >= 2;
    let percent = match (tried, age_ms <= p[QUICK_MINUTES] * MINUTE_MS && amount >= p[AMOUNT]) {
        (true, _) => 100,
        (false, true) => p[ALONE_PERCENT],
        (false, false) => p[ALONE_PERCENT] / 2,
    };
    let cards = if tried { format!(", the {}th card, {} declined", row.cards_10m, row.declines_10m) } else { String::new() };
    Some(Said {
        strength_permille: percent as i32 * 10,
        observed: format!("{amount} minor units {} min after sign-up{cards}", age_ms / MINUTE_MS),
        expected: format!("an account older than {} min", p[MINUTES]),
        detail: format!("checkout {} min after sign-up", age_ms / MINUTE_MS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_haste() {
        let said = |minutes: Option<i64>, amount, cards_10m, declines_10m| {
            example(&SIGNAL, |event, row| {
                event.checkout = Some(Box::new(crate::event::Checkout { amount: Some(amount), ..Default::default() }));
                row.age_ms = minutes.map(|m| m * MINUTE_MS);
                (row.cards_10m, row.declines_10m) = (cards_10m, declines_10m);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(Some(2), 90_000, 3, 2), Some(1_000));
        assert_eq!(said(Some(2), 90_000, 1, 0), Some(400));
        assert_eq!(said(Some(2), 900, 1, 0), Some(200));
        assert_eq!(said(Some(2), 900, 1, 2), Some(200), "the same card, mistyped");
        assert_eq!(said(Some(120), 90_000, 3, 2), None);
        assert_eq!(said(None, 90_000, 3, 2), None);
    }
}
