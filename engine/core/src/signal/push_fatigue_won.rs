//! `push_fatigue_won`: an approved push soon after many were denied or left unanswered.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::AuthMethod;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::MINUTE_MS;
use crate::verdict::{Family, Level};

pub const SIGNAL: Signal = Signal {
    number: 6,
    name: "push_fatigue_won",
    family: Family::Mfa,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: Some(Level::High),
    unauthenticated: false,
    applies: Applies::People,
    when: Types::AUTH,
    params: &[Param {
        name: "within_minutes",
        default: 30,
        least: 1,
        most: 1440,
        doc: "between the wave of denied pushes and the approval",
    }],
    attack: &["T1621"],
    nhi: &[],
    doc: Doc {
        sees: "An approved push soon after many were denied or left unanswered.",
        why: "The owner gave in: the attacker is past the second factor.",
        silent: "Later than the window after the last wave of prompts.",
        source: "MITRE ATT&CK T1621",
    },
    speak,
};

const WITHIN_MINUTES: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let since_ms = look.row.since_push_fatigue_ms?;
    if !look.event.succeeded() || look.event.method() != Some(AuthMethod::Push) || since_ms > settings.params[WITHIN_MINUTES] * MINUTE_MS {
        return None;
    }
    Some(Said {
        strength_permille: 1_000,
        observed: format!("a push approved {} s after a wave of denied ones", since_ms / 1_000),
        expected: "pushes that the owner asked for".to_owned(),
        detail: "a push was approved shortly after many were denied or left unanswered".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_the_approval_only() {
        let said = |outcome, since_ms| {
            example(&SIGNAL, |event, row| {
                event.outcome = outcome;
                event.auth = Some(crate::event::Auth { method: Some(AuthMethod::Push), ..Default::default() });
                row.since_push_fatigue_ms = since_ms;
            })
        };
        use crate::event::Outcome::{Failure, Success};
        assert!(said(Success, Some(60_000)).is_some());
        assert_eq!(said(Failure, Some(60_000)), None);
        assert_eq!(said(Success, Some(31 * MINUTE_MS)), None);
        assert_eq!(said(Success, None), None);
    }
}
