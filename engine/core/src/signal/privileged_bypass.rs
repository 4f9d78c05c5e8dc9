//! `privileged_bypass`: a privileged account or session used without a checkout, where checkouts are the rule.

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
    weight_db: 28,
    for_class: &[],
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
        sees: "A privileged account used although nobody has checked it out, or a privileged session begun without a checkout, where checkouts are the rule.",
        why: "Whoever has the password itself has no need of the vault.",
        silent: "For accounts that are not checked out as a rule, and within hours of a checkout.",
        source: "CIS Controls v8, 5.4; NIST SP 1800-18 (privileged account management)",
    },
    speak,
};

const CHECKOUTS: usize = 0;
const WITHIN_HOURS: usize = 1;

/// Share of somebody's privileged sessions that came with a checkout, from which on checkouts are the rule.
const RULE_PERCENT: u64 = 80;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (privilege, p) = (look.row.privilege, &settings.params);
    let since_ms = privilege.since_checkout_ms?;
    if i64::from(privilege.checkouts) < p[CHECKOUTS] || since_ms <= p[WITHIN_HOURS] * HOUR_MS || !look.event.accepted() {
        return None;
    }
    // Who checks accounts out may do other things without. Their rule is as many checkouts as sessions, of which both are counted.
    let sessions = privilege.sessions_before.saturating_sub(privilege.checkouts);
    let is_session = look.event.kind == EventType::PrivilegedSessionStart;
    if privilege.checks_out && (!is_session || u64::from(privilege.checkouts) * 100 < u64::from(sessions) * RULE_PERCENT) {
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
    use crate::row::PrivilegeUse;
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

    #[test]
    fn speaks_of_a_session_without_the_checkout_that_is_the_rule() {
        let said = |kind, checkouts, sessions_before| {
            example(&SIGNAL, |event, row| {
                (event.kind, event.outcome) = (kind, crate::event::Outcome::Success);
                let since_checkout_ms = Some(40 * HOUR_MS);
                row.privilege = PrivilegeUse { checks_out: true, checkouts, sessions_before, since_checkout_ms, ..PrivilegeUse::default() };
            })
        };
        assert!(said(EventType::PrivilegedSessionStart, 5, 10).is_some());
        assert_eq!(said(EventType::PrivilegedSessionStart, 5, 40), None, "mostly without");
        assert_eq!(said(EventType::ApiRequest, 5, 10), None, "who checks accounts out does other things, too");
    }
}
