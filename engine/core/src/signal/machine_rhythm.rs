//! `machine_rhythm`: the regularity or the depth of a program in a person's account, or from a source.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 34,
    name: "machine_rhythm",
    family: Family::Cadence,
    on: &[Kind::Identity, Kind::Source],
    weight_db: 14,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[
        Param {
            name: "automation_permille",
            default: 800,
            least: 1,
            most: 1000,
            doc: "how much of the actor must be a program, thousandths",
        },
        Param { name: "events", default: 40, least: 20, most: 100000, doc: "events of the run without a long pause" },
    ],
    attack: &["T1119"],
    nhi: &[],
    doc: Doc {
        sees: "The regularity or the depth of a program in a person's account, or from a source.",
        why: "People pause at random; programs do not.",
        silent: "For machines, for which it is normal, for accounts that a program has long used (an aggregator, a desktop robot), and while an identity is being learned.",
        source: "Gianvecchio, Wang, Detecting Covert Timing Channels: An Entropy-Based Approach (2007), in its simplest form",
    },
    speak,
};

const AUTOMATION_PERMILLE: usize = 0;
const EVENTS: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let (rhythm, automation) = (row.rhythm, row.rhythm.automation_permille());
    if i64::from(automation) < p[AUTOMATION_PERMILLE] || i64::from(rhythm.run) < p[EVENTS] || rhythm.was_regular {
        return None;
    }
    if row.kind == Kind::Identity && row.learning {
        return None;
    }
    Some(Said {
        strength_permille: graded(automation.into(), p[AUTOMATION_PERMILLE], 1_000),
        observed: format!("{} events, every {} ms, regular to {} ‰", rhythm.run, rhythm.mean_ms, rhythm.irregular_permille),
        expected: "pauses as people make them".to_owned(),
        detail: format!("{} events in a row with the rhythm of a program", rhythm.run),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Rhythm;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_programs_where_people_are() {
        let said = |run, irregular_permille, was_regular| {
            example(&SIGNAL, |_, row| {
                row.learning = false;
                row.rhythm = Rhythm { run, run_ms: 60_000, mean_ms: 1_000, irregular_permille, was_regular };
            })
        };
        assert_eq!(said(200, 0, false).unwrap().strength_permille, 1_000);
        assert_eq!(said(200, 700, false), None, "a person");
        assert_eq!(said(200, 0, true), None, "an aggregator");
        assert_eq!(said(30, 0, false), None);
    }
}
