//! `guessed_password`: a log-in that succeeds from an unfamiliar source after several failures from the same source.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 2,
    name: "guessed_password",
    family: Family::Guessing,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::AUTH,
    params: &[Param {
        name: "failures",
        default: 5,
        least: 2,
        most: 1000,
        doc: "failures from the source, with pauses under 3 h, before the success",
    }],
    attack: &["T1110"],
    nhi: &[],
    doc: Doc {
        sees: "A log-in that succeeds from an unfamiliar source after several failures from the same source.",
        why: "The guess was right: from here on the attacker has the account.",
        silent: "When the source or the device has succeeded before: people mistype their own password.",
        source: "MITRE ATT&CK T1110; Sigma correlation 2.1 (temporal_ordered)",
    },
    speak,
};

const FAILURES: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let failures = i64::from(row.failed_from_source);
    if !look.event.succeeded() || !look.event.kind.is_auth() || row.source_familiar || failures < p[FAILURES] {
        return None;
    }
    Some(Said {
        strength_permille: 1_000,
        observed: format!("success after {failures} failures from {}", look.event.ip().unwrap_or("one source")),
        expected: "a success from a familiar source or device".to_owned(),
        detail: format!("{failures} failed log-ins from an unfamiliar source, then a success from it"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_the_right_guess_only() {
        let said = |failures, familiar| {
            example(&SIGNAL, |event, row| {
                event.outcome = crate::event::Outcome::Success;
                (row.failed_from_source, row.source_familiar) = (failures, familiar);
            })
        };
        assert_eq!(said(5, false).unwrap().strength_permille, 1_000);
        assert_eq!(said(4, false), None);
        assert_eq!(said(50, true), None, "the owner, at last");
    }
}
