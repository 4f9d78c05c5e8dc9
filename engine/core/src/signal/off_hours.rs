//! `off_hours`: accepted activity at an hour of the day near which this person has no history, workdays and weekends apart.

use super::share_of_weight;
use super::{Applies, Doc, Look, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 36,
    name: "off_hours",
    family: Family::Cadence,
    on: &[Kind::Identity],
    weight_db: 6,
    for_class: &[],
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
        silent: "Until a week and eight active hours are known, and weak for those who keep no hours; the hours beside a known one count as known, so the Sunday when clocks change is none.",
        source: "The identity's own history by the hour",
    },
    speak,
};

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let row = look.row;
    if row.strange_hour_cb <= 0 || row.learning || !look.event.accepted() {
        return None;
    }
    let hour = row.now.hour_of_week();
    Some(Said {
        strength_permille: share_of_weight(row.strange_hour_cb, settings),
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
        let said = |strange_hour_cb, learning, outcome| {
            example(&SIGNAL, |event, row| {
                event.outcome = outcome;
                (row.strange_hour_cb, row.learning) = (strange_hour_cb, learning);
            })
        };
        use crate::event::Outcome::{Failure, Success};
        assert_eq!(said(10_000, false, Success).map(|s| s.strength_permille), Some(1_000));
        assert_eq!(said(SIGNAL.weight_db * 5, false, Success).map(|s| s.strength_permille), Some(500), "hours are not that steady");
        assert_eq!(said(0, false, Success), None);
        assert_eq!(said(100, true, Success), None);
        assert_eq!(said(100, false, Failure), None, "anybody can fail at night");
    }
}
