//! `scraping`: wide, fast, regular reading in a person's account or from a source without one.

use super::far_above;
use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 40,
    name: "scraping",
    family: Family::Scope,
    on: &[Kind::Identity, Kind::Source],
    weight_db: 30,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::API,
    params: &[
        Param { name: "objects", default: 60, least: 2, most: 100000, doc: "different objects in 10 min" },
        Param {
            name: "automation_permille",
            default: 600,
            least: 1,
            most: 1000,
            doc: "how much of the actor must be a program, thousandths",
        },
        Param { name: "times_usual", default: 3, least: 1, most: 100, doc: "how many times the usual it takes" },
    ],
    attack: &["T1119"],
    nhi: &[],
    doc: Doc {
        sees: "Wide, fast, regular reading in a person's account or from a source without one.",
        why: "Catalogues, prices and profiles are copied by programs that look like visitors.",
        silent: "For machines, and for an aggregator that always reads so.",
        source: "OWASP Automated Threats, OAT-011 (Scraping)",
    },
    speak,
};

const OBJECTS: usize = 0;
const AUTOMATION_PERMILLE: usize = 1;
const TIMES_USUAL: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let (reach, automation) = (row.reach, row.rhythm.automation_permille());
    if !far_above(reach.objects_10m, reach.usual_objects_10m, p[OBJECTS], p[TIMES_USUAL])
        || i64::from(automation) < p[AUTOMATION_PERMILLE]
        || !look.event.accepted()
    {
        return None;
    }
    Some(Said {
        strength_permille: graded(reach.objects_10m.into(), p[OBJECTS], 4 * p[OBJECTS]),
        observed: format!("{} different objects in 10 min, {automation} ‰ like a program", reach.objects_10m),
        expected: format!("about {}, as people read", reach.usual_objects_10m),
        detail: format!("{} different objects were read within 10 min by a program", reach.objects_10m),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Reach, Rhythm};
    use crate::signal::example::example;

    #[test]
    fn speaks_of_wide_and_regular_reading() {
        let said = |objects_10m, usual_objects_10m, irregular_permille| {
            example(&SIGNAL, |event, row| {
                event.outcome = crate::event::Outcome::Success;
                row.reach = Reach { objects_10m, usual_objects_10m, ..Reach::default() };
                row.rhythm = Rhythm { run: 300, run_ms: 60_000, mean_ms: 500, irregular_permille, was_regular: false };
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(300, 5, 20), Some(1_000));
        assert_eq!(said(300, 5, 800), None, "a person who is in a hurry");
        assert_eq!(said(300, 280, 20), None, "an aggregator");
        assert_eq!(said(30, 0, 20), None);
    }
}
