//! `cadence_surge`: far more events in 1 min, 5 min or 1 h than this subject has had at this hour, or at its busiest.

use super::graded;
use super::{Applies, Doc, ForClass, Look, Param, Said, Signal, Types};
use crate::event::Class;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 13,
    name: "cadence_surge",
    family: Family::Cadence,
    on: &[Kind::Identity, Kind::Source],
    weight_db: 32,
    // What a customer does depends on what is on sale: haste alone is worth a question, and with a full basket still no proof. Agents work in
    // bursts, and test identities are there for load.
    for_class: &[
        ForClass { class: Class::Customer, weight_db: 25 },
        ForClass { class: Class::Agent, weight_db: 10 },
        ForClass { class: Class::Test, weight_db: 5 },
    ],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param { name: "floor_1m", default: 30, least: 1, most: 1000000, doc: "events in a minute below which it says nothing" },
        Param { name: "floor_5m", default: 60, least: 1, most: 1000000, doc: "in five minutes" },
        Param { name: "floor_1h", default: 120, least: 1, most: 1000000, doc: "in an hour" },
        Param { name: "times", default: 4, least: 2, most: 1000, doc: "times the usual at which it begins to speak" },
        Param { name: "full_times", default: 8, least: 3, most: 10000, doc: "times the usual at full strength" },
    ],
    attack: &["T1078", "T1119"],
    nhi: &["NHI2"],
    doc: Doc {
        sees: "Far more events in 1 min, 5 min or 1 h than this subject has had at this hour, or at its busiest.",
        why: "A leaked key is used in a hurry; a robot in a person's account does not rest.",
        silent: "Until enough hours are known, below the floor (which is the measure, too, of those who do little), for jobs at the hours at which they always ran, and for failures from where it always is: a job with an expired password hammers on, and so does everybody while the log-in is down; weaker for customers, who hurry when something is on sale; weak for agents, which work in bursts, and for test identities, which are there for load.",
        source: "Rates against the subject's own baseline; MITRE ATT&CK T1119",
    },
    speak,
};

const FLOOR_1M: usize = 0;
const FLOOR_5M: usize = 1;
const FLOOR_1H: usize = 2;
const TIMES: usize = 3;
const FULL_TIMES: usize = 4;

const WINDOWS: [&str; 3] = ["1 min", "5 min", "1 h"];

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let usual = row.usual_events?;
    if row.learning && row.kind == Kind::Identity {
        return None;
    }
    // A job that hammers on, or everybody when the log-in is down: broken, not stolen.
    if look.event.failed() && (row.outage || row.source_familiar) {
        return None;
    }
    // The window that exceeds its usual count the most, in hundredths of it. Of those who do little the floor is the measure: any burst is many
    // times next to nothing.
    let floors = [p[FLOOR_1M], p[FLOOR_5M], p[FLOOR_1H]];
    let excess = |i: usize| i64::from(row.events[i]) * 100 / i64::from(usual[i]).max(floors[i] / p[TIMES]).max(1);
    let i = (0..3).filter(|i| i64::from(row.events[*i]) >= floors[*i]).max_by_key(|i| (excess(*i), std::cmp::Reverse(*i)))?;
    if excess(i) < p[TIMES] * 100 {
        return None;
    }
    Some(Said {
        strength_permille: graded(excess(i), p[TIMES] * 100, p[FULL_TIMES] * 100),
        observed: format!("{} events in {}", row.events[i], WINDOWS[i]),
        expected: format!("at most about {} at this hour", usual[i]),
        detail: format!("{} events within {}, {} times what is usual", row.events[i], WINDOWS[i], excess(i) / 100),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_far_above_the_baseline_and_the_floor() {
        let said = |events, usual| {
            example(&SIGNAL, |_, row| {
                (row.events, row.usual_events, row.learning) = (events, usual, false);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said([80, 80, 80], Some([5, 20, 60])), Some(1_000));
        assert_eq!(said([40, 40, 40], Some([10, 20, 60])), Some(500));
        assert_eq!(said([20, 90, 95], Some([2, 4, 9])), Some(750), "however little is usual, the floor is the measure");
        assert_eq!(said([29, 29, 29], Some([1, 1, 1])), None, "below the floor");
        assert_eq!(said([900, 4_000, 9_000], Some([800, 3_900, 9_100])), None, "the nightly job");
        assert_eq!(said([900, 4_000, 9_000], None), None, "nothing is known yet");
    }
}
