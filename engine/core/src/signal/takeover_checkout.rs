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
    weight_db: 23,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::of(&[EventType::CheckoutAttempt, EventType::AccountUpdate]),
    params: &[
        Param { name: "within_hours", default: 24, least: 1, most: 720, doc: "between the change and the checkout" },
        Param {
            name: "login_percent",
            default: 50,
            least: 0,
            most: 100,
            doc: "strength when nothing was recovered or changed but the log-in was new in place and device: a second phone on a journey",
        },
        Param {
            name: "redirected_percent",
            default: 60,
            least: 0,
            most: 100,
            doc: "strength of another payee, address, email or phone instead of a checkout",
        },
    ],
    attack: &["T1657"],
    nhi: &[],
    doc: Doc {
        sees: "A checkout with a new card or payee soon after a recovery, a credential change, or a log-in that was new in place and device; after such a log-in also another payee, address, email or phone.",
        why: "Accounts are taken over to be emptied.",
        silent: "For owners who buy as they always did: same card, same payee.",
        source: "MITRE ATT&CK T1657; FFIEC, Authentication and Access to Financial Institution Services and Systems (2021)",
    },
    speak,
};

const WITHIN_HOURS: usize = 0;
const LOGIN_PERCENT: usize = 1;
const REDIRECTED_PERCENT: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let row = look.row;
    if look.event.kind == EventType::AccountUpdate {
        return redirected(look, settings);
    }
    if look.event.kind != EventType::CheckoutAttempt || !(row.new_card || row.new_payee) {
        return None;
    }
    let within_ms = settings.params[WITHIN_HOURS] * HOUR_MS;
    let changes = [
        (row.since_recovery_ms, "an account recovery", 1_000),
        (row.since_risky_login_ms, "a log-in from a new place and device", settings.params[LOGIN_PERCENT] as i32 * 10),
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

/// Who gets the money, the goods or the mail is changed after a log-in that was new in place and device.
fn redirected(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let what = look.event.change.as_ref().and_then(|c| c.target.as_deref())?;
    let since_ms = look.row.since_risky_login_ms.filter(|ms| (0..=settings.params[WITHIN_HOURS] * HOUR_MS).contains(ms))?;
    if look.row.acted_upon || !look.event.accepted() || !matches!(what, "payee" | "address" | "email" | "phone") {
        return None;
    }
    Some(Said {
        strength_permille: settings.params[REDIRECTED_PERCENT] as i32 * 10,
        observed: format!("{what} changed {} min after a log-in from a new place and device", since_ms / MINUTE_MS),
        expected: "changes from a place or device that it has used before".to_owned(),
        detail: format!("{what} changed {} min after a log-in from a new place and device", since_ms / MINUTE_MS),
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

    #[test]
    fn speaks_of_mail_that_goes_elsewhere() {
        let said = |what: &'static str, risky_ms| {
            example(&SIGNAL, |event, row| {
                (event.kind, event.outcome) = (EventType::AccountUpdate, crate::event::Outcome::Success);
                event.change = Some(Box::new(crate::event::Change { target: Some(what.into()), ..Default::default() }));
                row.since_risky_login_ms = risky_ms;
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said("email", Some(60_000)), Some(600));
        assert_eq!(said("factor", Some(60_000)), None, "that is factor_downgrade's");
        assert_eq!(said("email", None), None, "from where it always is");
    }
}
