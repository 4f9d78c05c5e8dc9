//! `push_fatigue`: many push prompts denied or left unanswered within 10 min.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::AuthMethod;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 5,
    name: "push_fatigue",
    family: Family::Mfa,
    on: &[Kind::Identity],
    weight_db: 25,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::AUTH,
    params: &[
        Param { name: "denied", default: 5, least: 2, most: 1000, doc: "denied or unanswered pushes in 10 min" },
        Param { name: "full", default: 10, least: 2, most: 1000, doc: "at full strength" },
    ],
    attack: &["T1621"],
    nhi: &[],
    doc: Doc {
        sees: "Many push prompts denied or left unanswered within 10 min.",
        why: "Whoever has the password hopes that the owner taps yes to be left alone.",
        silent: "For single denials, which people do by mistake.",
        source: "MITRE ATT&CK T1621; CISA, Implementing Phishing-Resistant MFA (2022)",
    },
    speak,
};

const DENIED: usize = 0;
const FULL: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (denied, p) = (i64::from(look.row.push_denied_10m), &settings.params);
    if look.event.succeeded() || look.event.method() != Some(AuthMethod::Push) || denied < p[DENIED] || look.row.outage {
        return None;
    }
    Some(Said {
        strength_permille: graded(denied, p[DENIED], p[FULL]),
        observed: format!("{denied} pushes denied or unanswered in 10 min"),
        expected: format!("fewer than {}", p[DENIED]),
        detail: format!("{denied} push prompts were denied or left unanswered within 10 min"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_many_prompts() {
        let said = |denied| {
            example(&SIGNAL, |event, row| {
                event.auth = Some(crate::event::Auth { method: Some(AuthMethod::Push), ..Default::default() });
                row.push_denied_10m = denied;
            })
        };
        assert_eq!(said(4), None);
        assert_eq!(said(5).unwrap().strength_permille, 500);
        assert_eq!(said(10).unwrap().strength_permille, 1_000);
    }
}
