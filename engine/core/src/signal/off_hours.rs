//! `off_hours`: accepted activity at an hour of the day near which this person has no history, workdays and weekends apart.

use super::{Applies, Doc, Look, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 36,
    name: "off_hours",
    family: Family::Cadence,
    on: &[Kind::Identity],
    weight_db: 5,
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[],
    attack: &[],
    nhi: &[],
    doc: Doc {
        sees: "Accepted activity at an hour of the day near which this person has no history, workdays and weekends apart.",
        why: "Attackers work in their own time zone.",
        silent: "Until three weeks are known; the hours beside a known one count as known, so the Sunday when clocks change is none.",
        source: "The identity's own history by the hour",
    },
    speak,
};

fn speak(look: &Look<'_>, _: &SignalSettings) -> Option<Said> {
    let row = look.row;
    if !row.strange_hour || row.learning || !look.event.accepted() {
        return None;
    }
    let hour = row.now.hour_of_week();
    Some(Said {
        strength_permille: 1_000,
        observed: format!("active at {:02}:00 UTC{}", hour % 24, if hour >= 120 { " at the weekend" } else { "" }),
        expected: "an hour at which it has been active".to_owned(),
        detail: "activity at an hour without history".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_hours_without_history() {
        let said = |strange_hour, learning, outcome| {
            example(&SIGNAL, |event, row| {
                event.outcome = outcome;
                (row.strange_hour, row.learning) = (strange_hour, learning);
            })
        };
        use crate::event::Outcome::{Failure, Success};
        assert!(said(true, false, Success).is_some());
        assert_eq!(said(false, false, Success), None);
        assert_eq!(said(true, true, Success), None);
        assert_eq!(said(true, false, Failure), None, "anybody can fail at night");
    }
}
