//! `break_glass_used`: any use of a break-glass identity outside an announced drill.

use super::{Applies, Doc, Look, Said, Signal, Types};
use crate::event::Class;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::{Family, Level};

pub const SIGNAL: Signal = Signal {
    number: 31,
    name: "break_glass_used",
    family: Family::Integrity,
    on: &[Kind::Identity],
    weight_db: 24,
    for_class: &[],
    at_least: Some(Level::Medium),
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[],
    attack: &["T1078"],
    nhi: &[],
    doc: Doc {
        sees: "Any use of a break-glass identity outside an announced drill.",
        why: "It opens everything, and nobody needs it on an ordinary day.",
        silent: "During a drill that the inventory announces, by the label `drill` or by its hours.",
        source: "Microsoft, Manage emergency access accounts; CIS Controls v8, 5",
    },
    speak,
};

fn speak(look: &Look<'_>, _: &SignalSettings) -> Option<Said> {
    let row = look.row;
    if row.class != Class::BreakGlass || row.fact.drill || row.acted_upon || !look.event.accepted() {
        return None;
    }
    Some(Said {
        strength_permille: 1_000,
        observed: format!("{} by a break-glass identity", look.event.kind),
        expected: "no use but in a drill that was announced".to_owned(),
        detail: "a break-glass identity is in use".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_any_use_but_a_drill() {
        let said = |class, drill| {
            example(&SIGNAL, |event, row| {
                event.outcome = crate::event::Outcome::Success;
                (row.class, row.fact.drill) = (class, drill);
            })
        };
        assert!(said(Class::BreakGlass, false).is_some());
        assert_eq!(said(Class::BreakGlass, true), None);
        assert_eq!(said(Class::Admin, false), None);
    }
}
