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
    weight_db: 28,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::PRIVILEGED,
    params: &[
        Param { name: "targets", default: 5, least: 2, most: 100000, doc: "different privileged targets in 1 h" },
        Param { name: "times", default: 3, least: 1, most: 1000, doc: "times the usual at which it begins to speak" },
        Param { name: "full", default: 8, least: 3, most: 1000000, doc: "targets at full strength" },
        Param { name: "ticket_percent", default: 40, least: 0, most: 100, doc: "strength under a ticket: systems are patched so" },
    ],
    attack: &["T1021"],
    nhi: &[],
    doc: Doc {
        sees: "Far more different privileged targets in an hour than this identity ever opens.",
        why: "Lateral movement goes through whatever the privilege opens.",
        silent: "For those who patch as many every week; weak under a ticket.",
        source: "MITRE ATT&CK T1021",
    },
    speak,
};

const TARGETS: usize = 0;
const TIMES: usize = 1;
const FULL: usize = 2;
const TICKET_PERCENT: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row.privilege, &settings.params);
    if !far_above(row.targets_1h, row.usual_targets_1h, p[TARGETS], p[TIMES]) {
        return None;
    }
    let ticket = look.event.privileged.as_ref().is_some_and(|p| p.ticket.is_some());
    let percent = if ticket { p[TICKET_PERCENT] } else { 100 };
    Some(Said {
        strength_permille: graded(row.targets_1h.into(), p[TARGETS], p[FULL]) * percent as i32 / 100,
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
        let said = |targets_1h, usual_targets_1h, ticket: Option<&'static str>| {
            example(&SIGNAL, |event, row| {
                row.privilege = PrivilegeUse { targets_1h, usual_targets_1h, ..PrivilegeUse::default() };
                event.privileged = Some(Box::new(crate::event::Privileged { ticket: ticket.map(Into::into), ..Default::default() }));
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(8, 2, None), Some(1_000));
        assert_eq!(said(5, 1, None), Some(500));
        assert_eq!(said(8, 2, Some("CHG-7")), Some(400), "patch day");
        assert_eq!(said(60, 50, None), None, "every week");
    }
}
