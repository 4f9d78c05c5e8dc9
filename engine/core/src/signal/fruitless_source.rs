//! `fruitless_source`: failure after failure within 15 min from a source that let nobody in for a day.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::DAY_MS;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 67,
    name: "fruitless_source",
    family: Family::Guessing,
    on: &[Kind::Source],
    weight_db: 26,
    for_class: &[],
    at_least: None,
    unauthenticated: true,
    applies: Applies::All,
    when: Types::AUTH,
    params: &[
        Param { name: "failures", default: 5, least: 2, most: 100000, doc: "failures in 15 min" },
        Param { name: "full", default: 15, least: 3, most: 1000000, doc: "failures at full strength" },
        Param {
            name: "known_days",
            default: 7,
            least: 0,
            most: 365,
            doc: "days after which a source is somebody's, and speaks only at full strength",
        },
        Param { name: "least_percent", default: 80, least: 1, most: 100, doc: "strength at the first of them" },
    ],
    attack: &["T1110.001"],
    nhi: &[],
    doc: Doc {
        sees: "Failure after failure within 15 min from a source that let nobody in for a day, at however few names, known or not.",
        why: "Guesses at one name make no crowd, and at a name that nobody has they make no profile: only the source shows them. Worth a challenge, as any log-in page asks for one after the fifth wrong password; alone it is no more than that.",
        silent: "Where anybody succeeded within a day, as at home, in an office and behind a carrier's NAT; up to full strength where the source has been known for a week, as when a browser at home tries an old password again and again; for failures of machines, which hammer on with an expired password; while most log-ins fail.",
        source: "OWASP Authentication Cheat Sheet, login throttling; CrowdSec hub, ssh-bf and ssh-slow-bf",
    },
    speak,
};

const FAILURES: usize = 0;
const FULL: usize = 1;
const KNOWN_DAYS: usize = 2;
const LEAST_PERCENT: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (failures, p) = (i64::from(look.row.fruitless_15m), &settings.params);
    let is_known = look.row.source_known_ms >= p[KNOWN_DAYS] * DAY_MS;
    if !look.event.failed() || look.row.outage || failures < if is_known { p[FULL] } else { p[FAILURES] } {
        return None;
    }
    let least = p[LEAST_PERCENT] * 10;
    let share = (failures - p[FAILURES]).min(p[FULL] - p[FAILURES]) * 1_000 / (p[FULL] - p[FAILURES]).max(1);
    Some(Said {
        strength_permille: (least + share.max(0) * (1_000 - least) / 1_000) as i32,
        observed: format!("{failures} failures in 15 min, and nobody let in"),
        expected: format!("fewer than {}", p[FAILURES]),
        detail: format!("{failures} log-ins failed within 15 min from a source that let nobody in for a day"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_from_the_fifth_failure_on() {
        let said = |failures, known_days, outage| {
            example(&SIGNAL, |event, row| {
                event.outcome = crate::event::Outcome::Failure;
                (row.fruitless_15m, row.source_known_ms, row.outage) = (failures, known_days * DAY_MS, outage);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(4, 0, false), None);
        assert_eq!(said(5, 0, false), Some(800));
        assert_eq!(said(10, 0, false), Some(900));
        assert_eq!(said(100, 0, false), Some(1_000));
        assert_eq!(said(10, 30, false), None, "somebody's home");
        assert_eq!(said(15, 30, false), Some(1_000));
        assert_eq!(said(100, 0, true), None, "everybody fails");
    }
}
