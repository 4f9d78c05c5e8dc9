//! `privileged_fanout`: far more different privileged targets in an hour than this identity ever opens.

use super::far_above;
use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 47,
    name: "privileged_fanout",
    family: Family::Privilege,
    on: &[Kind::Identity],
    weight_db: 12,
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::PRIVILEGED,
    params: &[
        Param { name: "targets", default: 10, least: 2, most: 100000, doc: "different privileged targets in 1 h" },
        Param { name: "times", default: 3, least: 1, most: 1000, doc: "times the usual at which it begins to speak" },
        Param { name: "full", default: 40, least: 3, most: 1000000, doc: "targets at full strength" },
    ],
    attack: &["T1021"],
    nhi: &[],
    doc: Doc {
        sees: "Far more different privileged targets in an hour than this identity ever opens.",
        why: "Lateral movement goes through whatever the privilege opens.",
        silent: "For those who patch as many every week.",
        source: "MITRE ATT&CK T1021",
    },
    speak,
};

const TARGETS: usize = 0;
const TIMES: usize = 1;
const FULL: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row.privilege, &settings.params);
    if !far_above(row.targets_1h, row.usual_targets_1h, p[TARGETS], p[TIMES]) {
        return None;
    }
    Some(Said {
        strength_permille: graded(row.targets_1h.into(), p[TARGETS], p[FULL]),
        observed: format!("{} privileged targets in 1 h", row.targets_1h),
        expected: format!("about {}", row.usual_targets_1h),
        detail: format!("{} different privileged targets within an hour, usually about {}", row.targets_1h, row.usual_targets_1h),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::PrivilegeUse;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_many_targets() {
        let said = |targets_1h, usual_targets_1h| {
            example(&SIGNAL, |_, row| row.privilege = PrivilegeUse { targets_1h, usual_targets_1h, ..PrivilegeUse::default() })
                .map(|s| s.strength_permille)
        };
        assert_eq!(said(40, 2), Some(1_000));
        assert_eq!(said(10, 1), Some(500));
        assert_eq!(said(60, 50), None, "patch day");
    }
}
