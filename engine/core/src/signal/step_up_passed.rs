//! `step_up_passed`: a step-up that was asked for, passed in this session within half an hour.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::{AuthMethod, EventType};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::MINUTE_MS;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 66,
    name: "step_up_passed",
    family: Family::Protective,
    on: &[Kind::Identity],
    weight_db: -12,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::of(&[EventType::AuthLogin, EventType::AuthMfa]),
    params: &[Param {
        name: "suspicion_minutes",
        default: 60,
        least: 1,
        most: 10080,
        doc: "after a wave of denied pushes in which a push proves nothing",
    }],
    attack: &[],
    nhi: &[],
    doc: Doc {
        sees: "A step-up that was asked for, passed in this session within half an hour.",
        why: "The owner could prove it; a thief of the password alone could not.",
        silent: "For a push right after a wave of denied ones; a method that can be phished says nothing against mfa, token and device evidence; and against evidence of another session, device or credential.",
        source: "NIST SP 800-63B-4, 2.3 (phishing resistance); the containment outcomes that are reported back",
    },
    speak,
};

const SUSPICION_MINUTES: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let row = look.row;
    let wave_ms = settings.params[SUSPICION_MINUTES] * MINUTE_MS;
    let suspect = look.event.method() == Some(AuthMethod::Push) && row.since_push_fatigue_ms.is_some_and(|ms| ms <= wave_ms);
    if !row.fact.step_up_passed || suspect {
        return None;
    }
    let method = look.event.method().map_or("a factor", AuthMethod::name);
    Some(Said {
        strength_permille: 1_000,
        observed: format!("passed by {method}"),
        expected: "a step-up that was asked for".to_owned(),
        detail: format!("the step-up that was asked for was passed by {method}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_a_proof_that_was_asked_for() {
        let said = |passed, method, wave| {
            example(&SIGNAL, |event, row| {
                event.auth = Some(crate::event::Auth { method: Some(method), ..Default::default() });
                (row.fact.step_up_passed, row.since_push_fatigue_ms) = (passed, wave);
            })
        };
        assert!(said(true, AuthMethod::Webauthn, None).is_some());
        assert!(said(true, AuthMethod::Totp, Some(MINUTE_MS)).is_some());
        assert_eq!(said(true, AuthMethod::Push, Some(MINUTE_MS)), None);
        assert_eq!(said(false, AuthMethod::Webauthn, None), None);
    }
}
