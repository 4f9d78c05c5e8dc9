//! `unusual_grant`: the first privileged act of an identity that never did one, or a credential added to a machine identity by somebody new to it.

use super::{Applies, Doc, ForClass, Look, Param, Said, Signal, Types};
use crate::event::{Class, EventType};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 43,
    name: "unusual_grant",
    family: Family::Privilege,
    on: &[Kind::Identity],
    weight_db: 25,
    // Privileged acts are what administrators are there for.
    for_class: &[ForClass { class: Class::Admin, weight_db: 20 }],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::of(&[
        EventType::AccountCreate,
        EventType::AccountDisable,
        EventType::AccountEnable,
        EventType::AccountDelete,
        EventType::CredentialCreate,
        EventType::CredentialRotate,
        EventType::CredentialRevoke,
        EventType::PrivilegeGrant,
        EventType::PrivilegeRevoke,
        EventType::PrivilegedSessionStart,
    ]),
    params: &[
        Param {
            name: "new_kind_percent",
            default: 40,
            least: 0,
            most: 100,
            doc: "strength of the first act of its kind by somebody with others",
        },
        Param { name: "acts", default: 5, least: 1, most: 100000, doc: "earlier acts from which a new kind says something" },
        Param {
            name: "unknown_admin_percent",
            default: 50,
            least: 0,
            most: 100,
            doc: "strength when nobody had administered the machine before",
        },
    ],
    attack: &["T1098.001"],
    nhi: &[],
    doc: Doc {
        sees: "The first privileged act of an identity that never did one, or a credential added to a machine identity by somebody new to it.",
        why: "Attackers add a key of their own, to be there when the stolen one is gone.",
        silent: "While the identity is being learned, so that nobody's first days at work are told; less of administrators.",
        source: "MITRE ATT&CK T1098.001; CIS Controls v8, 5.4",
    },
    speak,
};

const NEW_KIND_PERCENT: usize = 0;
const ACTS: usize = 1;
const UNKNOWN_ADMIN_PERCENT: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let privilege = row.privilege;
    let (percent, what) = if row.acted_upon {
        let added = look.event.kind == EventType::CredentialCreate && row.class.is_machine() && privilege.strange_admin;
        if !added {
            return None;
        }
        (if privilege.had_admin { 100 } else { p[UNKNOWN_ADMIN_PERCENT] }, "a credential was added by somebody new to it")
    } else {
        if !privilege.act || row.learning || !look.event.accepted() {
            return None;
        }
        match privilege.acts_before {
            0 => (100, "its first privileged act ever"),
            before if privilege.new_kind && i64::from(before) >= p[ACTS] => (p[NEW_KIND_PERCENT], "its first privileged act of this kind"),
            _ => return None,
        }
    };
    Some(Said {
        strength_permille: percent as i32 * 10,
        observed: format!("{}: {what}", look.event.kind),
        expected: "privileged acts by those who do them".to_owned(),
        detail: format!("{what} ({})", look.event.kind),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::PrivilegeUse;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_first_acts_and_strange_administrators() {
        let said = |acts_before, new_kind, learning| {
            example(&SIGNAL, |event, row| {
                event.kind = EventType::PrivilegeGrant;
                (row.learning, row.privilege) = (learning, PrivilegeUse { act: true, acts_before, new_kind, ..PrivilegeUse::default() });
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(0, true, false), Some(1_000));
        assert_eq!(said(9, true, false), Some(400));
        assert_eq!(said(9, false, false), None);
        assert_eq!(said(0, true, true), None, "the first days at work");
        let added = |class, strange_admin| {
            example(&SIGNAL, |event, row| {
                event.kind = EventType::CredentialCreate;
                (row.acted_upon, row.class) = (true, class);
                row.privilege = PrivilegeUse { strange_admin, had_admin: true, ..PrivilegeUse::default() };
            })
        };
        use crate::event::Class::{Customer, Service};
        assert!(added(Service, true).is_some());
        assert_eq!(added(Service, false), None);
        assert_eq!(added(Customer, true), None);
    }
}
