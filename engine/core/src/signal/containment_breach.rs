//! `containment_breach`: accepted activity after a containment that was carried out and should have stopped it.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::containment::Action;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::MINUTE_MS;
use crate::verdict::{Family, Level};

pub const SIGNAL: Signal = Signal {
    number: 30,
    name: "containment_breach",
    family: Family::Integrity,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: Some(Level::High),
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param { name: "grace_minutes", default: 2, least: 0, most: 1440, doc: "until a containment is everywhere" },
        Param {
            name: "rotation_minutes",
            default: 60,
            least: 0,
            most: 43200,
            doc: "for which a rotated secret may go on: the grace of the rotation",
        },
    ],
    attack: &["T1078"],
    nhi: &[],
    doc: Doc {
        sees: "Accepted activity after a containment that was carried out and should have stopped it.",
        why: "Either the containment failed, or the attacker came back.",
        silent: "For other sessions and credentials than those that were contained, in the grace of a rotation, for a rotated secret that the log names after its client, old and new alike, and once the containment is reverted or released.",
        source: "The containment outcomes that are reported back",
    },
    speak,
};

const GRACE_MINUTES: usize = 0;
const ROTATION_MINUTES: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let contained = look.row.fact.contained?;
    let spreading = settings.params[GRACE_MINUTES];
    let minutes = if contained.action == Action::RotateSecret { spreading.max(settings.params[ROTATION_MINUTES]) } else { spreading };
    if contained.ms <= minutes * MINUTE_MS {
        return None;
    }
    Some(Said {
        strength_permille: 1_000,
        observed: format!("accepted {} min after {} was done", contained.ms / MINUTE_MS, contained.action),
        expected: "refused".to_owned(),
        detail: format!("activity although {} was reported done", contained.action),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Contained;
    use crate::signal::example::example;

    #[test]
    fn speaks_once_the_containment_should_hold() {
        let said =
            |action, minutes: i64| example(&SIGNAL, |_, row| row.fact.contained = Some(Contained { action, ms: minutes * MINUTE_MS }));
        assert!(said(Action::DisableAccount, 3).is_some());
        assert_eq!(said(Action::DisableAccount, 1), None);
        assert_eq!(said(Action::RotateSecret, 59), None, "dependents take the new secret meanwhile");
        assert!(said(Action::RotateSecret, 61).is_some());
    }
}
