//! `privileged_bypass`: a privileged account used although nobody has checked it out, where checkouts are its rule.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::EventType;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::HOUR_MS;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 46,
    name: "privileged_bypass",
    family: Family::Privilege,
    on: &[Kind::Identity],
    weight_db: 15,
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::of(&[EventType::AuthLogin, EventType::AuthToken, EventType::PrivilegedSessionStart, EventType::ApiRequest]),
    params: &[
        Param { name: "checkouts", default: 3, least: 1, most: 1000, doc: "earlier checkouts that make them the rule" },
        Param { name: "within_hours", default: 12, least: 1, most: 720, doc: "after a checkout within which use is covered" },
    ],
    attack: &["T1078"],
    nhi: &[],
    doc: Doc {
        sees: "A privileged account used although nobody has checked it out, where checkouts are its rule.",
        why: "Whoever has the password itself has no need of the vault.",
        silent: "For accounts that are not checked out as a rule, and within hours of a checkout.",
        source: "CIS Controls v8, 5.4; NIST SP 1800-18 (privileged account management)",
    },
    speak,
};

const CHECKOUTS: usize = 0;
const WITHIN_HOURS: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (privilege, p) = (look.row.privilege, &settings.params);
    let since_ms = privilege.since_checkout_ms?;
    if i64::from(privilege.checkouts) < p[CHECKOUTS] || since_ms <= p[WITHIN_HOURS] * HOUR_MS || !look.event.accepted() {
        return None;
    }
    Some(Said {
        strength_permille: 1_000,
        observed: format!("used {} h after the latest checkout", since_ms / HOUR_MS),
        expected: format!("a checkout within {} h", p[WITHIN_HOURS]),
        detail: format!("a privileged account was used without a checkout, of which there were {}", privilege.checkouts),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_use_without_a_checkout() {
        let said = |checkouts, hours: i64| {
            example(&SIGNAL, |event, row| {
                event.outcome = crate::event::Outcome::Success;
                (row.privilege.checkouts, row.privilege.since_checkout_ms) = (checkouts, Some(hours * HOUR_MS));
            })
        };
        assert!(said(5, 40).is_some());
        assert_eq!(said(5, 2), None);
        assert_eq!(said(1, 40), None, "checkouts are not the rule");
    }
}
