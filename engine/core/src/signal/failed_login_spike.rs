//! `failed_login_spike`: far more failed log-ins in 10 min or 1 h than this identity ever has, from places it never succeeded from.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 1,
    name: "failed_login_spike",
    family: Family::Guessing,
    on: &[Kind::Identity],
    weight_db: 10,
    for_class: &[],
    at_least: None,
    unauthenticated: true,
    applies: Applies::All,
    when: Types::AUTH,
    params: &[
        Param { name: "failures", default: 5, least: 2, most: 1000, doc: "failures in the window at which it begins to speak" },
        Param { name: "full", default: 20, least: 3, most: 100000, doc: "failures at which it speaks at full strength" },
        Param { name: "times_usual", default: 3, least: 1, most: 100, doc: "how many times the identity's usual hour it takes" },
    ],
    attack: &["T1110.001"],
    nhi: &[],
    doc: Doc {
        sees: "Far more failed log-ins in 10 min or 1 h than this identity ever has, from places it never succeeded from.",
        why: "Somebody is guessing the password.",
        silent: "For failures from a source or device with earlier successes (a mistyped password at home), for expired passwords, policy refusals and codes that the log calls benign.",
        source: "NIST SP 800-63B-4, 3.2.2 (rate limiting); MITRE ATT&CK T1110.001",
    },
    speak,
};

const FAILURES: usize = 0;
const FULL: usize = 1;
const TIMES_USUAL: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let worst = i64::from(row.failed_10m.max(row.failed_1h));
    if !look.event.failed() || row.outage || worst < p[FAILURES] || worst < p[TIMES_USUAL] * i64::from(row.usual_failed_1h) {
        return None;
    }
    Some(Said {
        strength_permille: graded(worst, p[FAILURES], p[FULL]),
        observed: format!("{} failures in 10 min, {} in 1 h", row.failed_10m, row.failed_1h),
        expected: format!("at most {} in an hour", row.usual_failed_1h),
        detail: format!("{worst} failed log-ins from places where it never succeeded"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_many_failures_and_not_of_usual_ones() {
        let said = |failed, usual| {
            example(&SIGNAL, |event, row| {
                event.outcome = crate::event::Outcome::Failure;
                (row.failed_1h, row.usual_failed_1h) = (failed, usual);
            })
        };
        assert_eq!(said(4, 0), None);
        assert_eq!(said(5, 0).unwrap().strength_permille, 500);
        assert_eq!(said(20, 0).unwrap().strength_permille, 1_000);
        assert_eq!(said(10, 5), None, "a robot that always fails");
    }
}
