//! `bad_source`: the reputation that INGEST stamped: the source, device or card of this event stood above low.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;
use crate::verdict::Level;

pub const SIGNAL: Signal = Signal {
    number: 23,
    name: "bad_source",
    family: Family::Place,
    on: &[Kind::Identity],
    weight_db: 20,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param {
            name: "medium_percent",
            default: 40,
            least: 0,
            most: 100,
            doc: "strength for a source, device or card that stood at medium",
        },
        Param { name: "high_percent", default: 80, least: 0, most: 100, doc: "at high" },
    ],
    attack: &[],
    nhi: &[],
    doc: Doc {
        sees: "The reputation that INGEST stamped: the source, device or card of this event stood above low.",
        why: "Who was attacked from an address an hour ago is seldom alone.",
        silent: "For failures, which anybody can cause, and where nothing was stamped.",
        source: "The levels of this engine's own sources, devices and cards",
    },
    speak,
};

const MEDIUM_PERCENT: usize = 0;
const HIGH_PERCENT: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let level = look.event.stamp.as_ref()?.reputation?;
    let percent = match level {
        Level::Low => return None,
        Level::Medium => settings.params[MEDIUM_PERCENT],
        Level::High => settings.params[HIGH_PERCENT],
        Level::Critical => 100,
    };
    if !look.event.accepted() || look.row.acted_upon {
        return None;
    }
    Some(Said {
        strength_permille: percent as i32 * 10,
        observed: format!("its source, device or card stands at {level}"),
        expected: "low".to_owned(),
        detail: format!("accepted from a source, device or card that stands at {level}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_what_was_stamped() {
        let said = |reputation, outcome| {
            example(&SIGNAL, |event, _| {
                event.outcome = outcome;
                event.stamp = Some(crate::event::Stamp { reputation, ..Default::default() });
            })
            .map(|s| s.strength_permille)
        };
        use crate::event::Outcome::{Failure, Success};
        assert_eq!(said(Some(Level::Critical), Success), Some(1_000));
        assert_eq!(said(Some(Level::Medium), Success), Some(400));
        assert_eq!(said(Some(Level::Low), Success), None);
        assert_eq!(said(Some(Level::High), Failure), None);
        assert_eq!(said(None, Success), None);
    }
}
