//! `takeover_checkout`: a checkout with a new card or payee soon after a recovery, a credential change, or a log-in that was new in place and device.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::EventType;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 17,
    name: "takeover_checkout",
    family: Family::Checkout,
    on: &[Kind::Identity],
    weight_db: 15,
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::CHECKOUT,
    params: &[Param { name: "within_hours", default: 24, least: 1, most: 720, doc: "between the change and the checkout" }],
    attack: &["T1657"],
    nhi: &[],
    doc: Doc {
        sees: "A checkout with a new card or payee soon after a recovery, a credential change, or a log-in that was new in place and device.",
        why: "Accounts are taken over to be emptied.",
        silent: "For owners who buy as they always did: same card, same payee.",
        source: "MITRE ATT&CK T1657; FFIEC, Authentication and Access to Financial Institution Services and Systems (2021)",
    },
    speak,
};

const WITHIN_HOURS: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let row = look.row;
    if look.event.kind != EventType::CheckoutAttempt || !(row.new_card || row.new_payee) {
        return None;
    }
    let within_ms = settings.params[WITHIN_HOURS] * HOUR_MS;
    let changes = [
        (row.since_risky_login_ms, "a log-in from a new place and device", 1_000),
        (row.since_recovery_ms, "an account recovery", 1_000),
        (row.since_credential_change_ms, "a credential change", 700),
    ];
    let (since_ms, what, strength_permille) =
        changes.into_iter().find_map(|(since, what, s)| since.filter(|ms| (0..=within_ms).contains(ms)).map(|ms| (ms, what, s)))?;
    let with = if row.new_card { "card" } else { "payee" };
    Some(Said {
        strength_permille,
        observed: format!("a new {with} {} min after {what}", since_ms / MINUTE_MS),
        expected: "a card and payee that it has used before".to_owned(),
        detail: format!("checkout with a new {with} {} min after {what}", since_ms / MINUTE_MS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_a_new_card_after_a_change() {
        let said = |new_card, recovery_ms, risky_ms| {
            example(&SIGNAL, |event, row| {
                event.kind = EventType::CheckoutAttempt;
                (row.new_card, row.since_recovery_ms, row.since_risky_login_ms) = (new_card, recovery_ms, risky_ms);
            })
        };
        assert!(said(true, Some(60_000), None).is_some());
        assert!(said(true, None, Some(60_000)).is_some());
        assert_eq!(said(false, Some(60_000), Some(60_000)), None, "the usual card");
        assert_eq!(said(true, Some(25 * HOUR_MS), None), None);
        assert_eq!(said(true, None, None), None);
    }
}
