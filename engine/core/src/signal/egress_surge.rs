//! `egress_surge`: far more bytes out in an hour than this identity ever takes.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 63,
    name: "egress_surge",
    family: Family::Scope,
    on: &[Kind::Identity],
    weight_db: 34,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::API,
    params: &[
        Param { name: "megabytes", default: 100, least: 1, most: 100000000, doc: "bytes out in 1 h, in millions" },
        Param { name: "times", default: 5, least: 1, most: 1000, doc: "times the usual at which it begins to speak" },
        Param { name: "full_times", default: 20, least: 2, most: 10000, doc: "times the usual at full strength" },
        Param { name: "days", default: 2, least: 1, most: 365, doc: "days that must be known" },
    ],
    attack: &["T1567"],
    nhi: &[],
    doc: Doc {
        sees: "Far more bytes out in an hour than this identity ever takes.",
        why: "Data leaves before the ransom note arrives.",
        silent: "Below the floor, until days are known, and for exports that run every day.",
        source: "MITRE ATT&CK T1567",
    },
    speak,
};

const MEGABYTES: usize = 0;
const TIMES: usize = 1;
const FULL_TIMES: usize = 2;
const DAYS: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (reach, p) = (look.row.reach, &settings.params);
    let (bytes, usual) = (reach.bytes_1h, reach.usual_bytes_1h);
    if bytes < p[MEGABYTES] as u64 * 1_000_000 || bytes < usual.saturating_mul(p[TIMES] as u64) || i64::from(reach.usual_days) < p[DAYS] {
        return None;
    }
    let times = (bytes / (usual / 100).max(1)).min(i64::MAX as u64) as i64;
    Some(Said {
        strength_permille: graded(times, p[TIMES] * 100, p[FULL_TIMES] * 100),
        observed: format!("{} MB out in 1 h", bytes / 1_000_000),
        expected: format!("about {} MB", usual / 1_000_000),
        detail: format!("{} MB went out within an hour, usually about {} MB", bytes / 1_000_000, usual / 1_000_000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Reach;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_bytes_far_above_the_usual() {
        let said = |megabytes: u64, usual: u64, usual_days| {
            example(&SIGNAL, |_, row| {
                row.reach = Reach { bytes_1h: megabytes * 1_000_000, usual_bytes_1h: usual * 1_000_000, usual_days, ..Reach::default() };
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(900, 10, 9), Some(1_000));
        assert_eq!(said(100, 20, 9), Some(500));
        assert_eq!(said(900, 800, 9), None, "a nightly export");
        assert_eq!(said(90, 1, 9), None);
        assert_eq!(said(900, 10, 0), None);
    }
}
