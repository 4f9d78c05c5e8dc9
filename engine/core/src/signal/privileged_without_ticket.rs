//! `privileged_without_ticket`: a privileged session or checkout without a ticket where tickets are the rule, or at an hour at which this identity never works.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::EventType;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 45,
    name: "privileged_without_ticket",
    family: Family::Privilege,
    on: &[Kind::Identity],
    weight_db: 25,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::of(&[EventType::PrivilegedCheckout, EventType::PrivilegedSessionStart]),
    params: &[
        Param { name: "sessions", default: 3, least: 1, most: 1000, doc: "earlier sessions from which its own rule is known" },
        Param { name: "ticketed_percent", default: 80, least: 1, most: 100, doc: "share of them with a ticket that makes it the rule" },
        Param { name: "tenant_percent", default: 70, least: 0, most: 100, doc: "strength when tickets are only the rule of others" },
        Param {
            name: "hour_percent",
            default: 50,
            least: 0,
            most: 100,
            doc: "strength of a session with a ticket at an hour without history",
        },
    ],
    attack: &["T1078"],
    nhi: &[],
    doc: Doc {
        sees: "A privileged session or checkout without a ticket where tickets are the rule, or at an hour at which this identity never works.",
        why: "Change management knows of every honest session.",
        silent: "Where tickets are not in use.",
        source: "ITIL change enablement; PCI DSS 4.0, 7.2.5",
    },
    speak,
};

const SESSIONS: usize = 0;
const TICKETED_PERCENT: usize = 1;
const TENANT_PERCENT: usize = 2;
const HOUR_PERCENT: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let privilege = row.privilege;
    let ticket = privilege.ticket?;
    let sessions = i64::from(privilege.sessions_before);
    let own_rule = sessions >= p[SESSIONS] && i64::from(privilege.ticketed_before) * 100 >= sessions * p[TICKETED_PERCENT];
    let unruled = sessions < p[SESSIONS];
    let (percent, what) = match ticket {
        false if own_rule => (100, "without a ticket"),
        false if unruled && privilege.tickets_usual => (p[TENANT_PERCENT], "without a ticket"),
        _ if row.strange_hour_cb > 0 => (p[HOUR_PERCENT], "at an hour without history"),
        _ => return None,
    };
    Some(Said {
        strength_permille: percent as i32 * 10,
        observed: format!("{} {what}", look.event.kind),
        expected: format!("{} of {sessions} earlier ones had a ticket", privilege.ticketed_before),
        detail: format!("a privileged session {what}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::PrivilegeUse;
    use crate::signal::example::example;

    #[test]
    fn speaks_where_tickets_are_the_rule() {
        let said = |ticket, sessions_before, ticketed_before, tickets_usual, strange_hour| {
            example(&SIGNAL, |_, row| {
                row.strange_hour_cb = if strange_hour { 80 } else { 0 };
                row.privilege =
                    PrivilegeUse { ticket: Some(ticket), sessions_before, ticketed_before, tickets_usual, ..PrivilegeUse::default() };
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(false, 10, 10, false, false), Some(1_000));
        assert_eq!(said(false, 0, 0, true, false), Some(700));
        assert_eq!(said(true, 10, 10, true, true), Some(500));
        assert_eq!(said(true, 10, 10, true, false), None);
        assert_eq!(said(false, 10, 1, false, false), None, "nobody uses tickets");
    }
}
