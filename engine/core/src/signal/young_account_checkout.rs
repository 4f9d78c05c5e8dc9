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
    weight_db: 8,
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::CHECKOUT,
    params: &[
        Param { name: "minutes", default: 60, least: 1, most: 10080, doc: "age up to which an account is young" },
        Param { name: "quick_minutes", default: 10, least: 1, most: 10080, doc: "age for full strength" },
        Param {
            name: "amount",
            default: 20000,
            least: 1,
            most: 100000000000,
            doc: "amount from which it speaks at full strength, minor units",
        },
    ],
    attack: &["T1657"],
    nhi: &[],
    doc: Doc {
        sees: "A checkout minutes after sign-up.",
        why: "Stolen cards are used with accounts that are made for it.",
        silent: "Where the log has no sign-up; weak for small amounts, for many people sign up in order to buy.",
        source: "Merchant Risk Council, new account fraud",
    },
    speak,
};

const MINUTES: usize = 0;
const QUICK_MINUTES: usize = 1;
const AMOUNT: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (age_ms, p) = (look.row.age_ms?, &settings.params);
    if age_ms > p[MINUTES] * MINUTE_MS {
        return None;
    }
    let amount = look.event.checkout.as_ref().and_then(|c| c.amount).unwrap_or(0);
    let full = age_ms <= p[QUICK_MINUTES] * MINUTE_MS && amount >= p[AMOUNT];
    Some(Said {
        strength_permille: if full { 1_000 } else { 500 },
        observed: format!("{amount} minor units {} min after sign-up", age_ms / MINUTE_MS),
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
        let said = |minutes: Option<i64>, amount| {
            example(&SIGNAL, |event, row| {
                event.checkout = Some(Box::new(crate::event::Checkout { amount: Some(amount), ..Default::default() }));
                row.age_ms = minutes.map(|m| m * MINUTE_MS);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(Some(2), 90_000), Some(1_000));
        assert_eq!(said(Some(2), 900), Some(500));
        assert_eq!(said(Some(120), 90_000), None);
        assert_eq!(said(None, 90_000), None);
    }
}
