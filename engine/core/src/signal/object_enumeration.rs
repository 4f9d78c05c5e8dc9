//! `object_enumeration`: far more different objects, or far more refusals, than this actor ever has: somebody counts through the ids.

use super::far_above;
use super::graded;
use super::{Applies, Doc, ForClass, Look, Param, Said, Signal, Types};
use crate::event::Class;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 39,
    name: "object_enumeration",
    family: Family::Scope,
    on: &[Kind::Identity, Kind::Source],
    weight_db: 36,
    // Agents look for things, and test identities look at everything.
    for_class: &[ForClass { class: Class::Agent, weight_db: 10 }, ForClass { class: Class::Test, weight_db: 5 }],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::API,
    params: &[
        Param {
            name: "objects",
            default: 40,
            least: 2,
            most: 100000,
            doc: "different objects in 10 min; three times as many for full strength",
        },
        Param { name: "refused", default: 20, least: 2, most: 100000, doc: "answers 401, 403 or 404 in 5 min" },
        Param { name: "refused_percent", default: 50, least: 1, most: 100, doc: "share of the events in 5 min that such answers must be" },
        Param { name: "times", default: 4, least: 1, most: 1000, doc: "times the usual at which it begins to speak" },
        Param { name: "full_times", default: 16, least: 2, most: 10000, doc: "times the usual at full strength" },
    ],
    attack: &["T1087"],
    nhi: &[],
    doc: Doc {
        sees: "Far more different objects, or far more refusals, than this actor ever has: somebody counts through the ids.",
        why: "An API that checks who asks but not for whose object gives everything away, one id after another.",
        silent: "For jobs that read as much every day, weak for agents and test identities; below the floors, for refusals of the same few objects (a broken page), and for objects while the identity is being learned.",
        source: "OWASP API1:2023 (Broken Object Level Authorization)",
    },
    speak,
};

const OBJECTS: usize = 0;
const REFUSED: usize = 1;
const REFUSED_PERCENT: usize = 2;
const TIMES: usize = 3;
const FULL_TIMES: usize = 4;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let reach = row.reach;
    let known = row.kind != Kind::Identity || !row.learning;
    let times = |count: u32, usual: u32| {
        let times = i64::from(count) * 100 / i64::from(usual.max(count / p[FULL_TIMES].max(1) as u32).max(1));
        graded(times, p[TIMES] * 100, p[FULL_TIMES] * 100)
    };
    let (count, usual, what, strength_permille) = if known && far_above(reach.objects_10m, reach.usual_objects_10m, p[OBJECTS], p[TIMES]) {
        // Who looks around for the first time reads many times the usual, too: it takes a number that nobody reads by hand.
        let strength = times(reach.objects_10m, reach.usual_objects_10m).min(graded(reach.objects_10m.into(), p[OBJECTS], 3 * p[OBJECTS]));
        (reach.objects_10m, reach.usual_objects_10m, "different objects in 10 min", strength)
    } else if far_above(reach.refused_5m, reach.usual_refused_5m, p[REFUSED], p[TIMES])
        && i64::from(reach.refused_5m) * 100 >= i64::from(row.events[1]) * p[REFUSED_PERCENT]
        // A broken page asks for the same few things again and again.
        && (reach.objects_10m == 0 || reach.objects_10m >= reach.refused_5m / 2)
    {
        (reach.refused_5m, reach.usual_refused_5m, "refusals in 5 min", times(reach.refused_5m, reach.usual_refused_5m))
    } else {
        return None;
    };
    Some(Said {
        strength_permille,
        observed: format!("{count} {what}"),
        expected: format!("about {usual}"),
        detail: format!("{count} {what}, usually about {usual}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Reach;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_counting_through() {
        let said = |objects_10m, usual_objects_10m, refused_5m, events, learning| {
            example(&SIGNAL, |_, row| {
                row.reach = Reach { objects_10m, usual_objects_10m, refused_5m, ..Reach::default() };
                (row.events[1], row.learning) = (events, learning);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(200, 3, 0, 200, false), Some(1_000));
        assert_eq!(said(40, 10, 0, 40, false), Some(500));
        assert_eq!(said(40, 1, 0, 40, false), Some(500), "one who looks around");
        assert_eq!(said(0, 0, 60, 80, true), Some(1_000), "mostly refused, on the first day too");
        assert_eq!(said(900, 800, 0, 900, false), None, "it always reads so many");
        assert_eq!(said(200, 3, 0, 200, true), None);
        assert_eq!(said(0, 0, 60, 900, false), None, "a few refusals of many");
        assert_eq!(said(5, 3, 60, 80, false), None, "a broken page");
    }
}
