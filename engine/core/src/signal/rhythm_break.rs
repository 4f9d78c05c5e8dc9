//! `rhythm_break`: a machine that was regular stops being so, or runs at hours at which it never ran.

use super::share_of_weight;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 35,
    name: "rhythm_break",
    family: Family::Cadence,
    on: &[Kind::Identity],
    weight_db: 13,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::Machines,
    when: Types::ACTS,
    params: &[Param {
        name: "irregular_permille",
        default: 600,
        least: 100,
        most: 2000,
        doc: "mean deviation of the pauses, thousandths of their mean, that is no longer regular",
    }],
    attack: &[],
    nhi: &["NHI3"],
    doc: Doc {
        sees: "A machine that was regular stops being so, or runs at hours at which it never ran.",
        why: "A stolen key is used by hand, or whenever the thief is awake.",
        silent: "Until a week and eight active hours are known, and for machines that never had a rhythm or run at all hours.",
        source: "OWASP NHI3:2025",
    },
    speak,
};

const IRREGULAR_PERMILLE: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    if row.learning {
        return None;
    }
    let rhythm = row.rhythm;
    let broke = rhythm.was_regular && rhythm.run >= 16 && i64::from(rhythm.irregular_permille) >= p[IRREGULAR_PERMILLE];
    let (strength_permille, what) = match (broke, row.strange_hour_cb > 0) {
        (true, _) => (1_000, "no longer regular"),
        (false, true) => (share_of_weight(row.strange_hour_cb, settings), "at an hour at which it never ran"),
        (false, false) => return None,
    };
    Some(Said {
        strength_permille,
        observed: format!("{what} ({} events in this run, pauses off by {} ‰)", rhythm.run, rhythm.irregular_permille),
        expected: "the rhythm that it always had".to_owned(),
        detail: format!("the machine is {what}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Rhythm;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_a_lost_rhythm_and_a_strange_hour() {
        let said = |was_regular, irregular_permille, strange_hour_cb| {
            example(&SIGNAL, |_, row| {
                (row.learning, row.strange_hour_cb) = (false, strange_hour_cb);
                row.rhythm = Rhythm { run: 30, run_ms: 60_000, mean_ms: 1_000, irregular_permille, was_regular };
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(true, 900, 0), Some(1_000));
        assert_eq!(said(false, 900, SIGNAL.weight_db * 7), Some(700));
        assert_eq!(said(false, 900, 0), None, "it never had a rhythm");
        assert_eq!(said(true, 20, 0), None);
    }
}
