//! `envelope_breach`: an identity with a declared envelope (`inventory.expected`, an exception of the policy) leaves it: network, AS number, country,
//! workload, route, hours or rate.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::row::Bound;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 58,
    name: "envelope_breach",
    family: Family::Integrity,
    on: &[Kind::Identity],
    weight_db: 34,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[Param {
        name: "soft_percent",
        default: 70,
        least: 0,
        most: 100,
        doc: "strength when only one of hours, route and rate is left",
    }],
    attack: &[],
    nhi: &[],
    doc: Doc {
        sees: "An identity with a declared envelope leaves it: network, AS number, country, workload, route, hours or rate. The inventory declares one (`inventory.expected`), and so does an exception of the policy, which is left by what a signal that it names speaks of.",
        why: "What was promised in exchange for an exception is the easiest thing to check.",
        silent: "For bounds that are not declared, or of which the event says nothing; and for the workload and AS number that the inventory declares of a machine, of which off_workload speaks.",
        source: "NIST SP 800-53 Rev. 5, AC-2(12)",
    },
    speak,
};

const SOFT_PERCENT: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    // Where a machine runs is off_workload's.
    let elsewhere = if look.row.class.is_machine() { Bound::Workload.bit() | Bound::Asn.bit() } else { 0 };
    let left = look.row.envelope?.left & !elsewhere;
    if left == 0 {
        return None;
    }
    Some(said(left, settings, None))
}

/// What is said of these bounds that were left: of the inventory, or of the exception of this id.
pub(crate) fn said(left: u8, settings: &SignalSettings, exception: Option<&str>) -> Said {
    let hard = Bound::Network.bit() | Bound::Asn.bit() | Bound::Country.bit() | Bound::Workload.bit();
    let named: Vec<&str> = Bound::ALL.iter().filter(|(bound, _)| left & bound.bit() != 0).map(|(_, name)| *name).collect();
    let of = |bounds: String| match exception {
        None => format!("its declared {bounds}"),
        Some(id) => format!("the {bounds} of the exception {id}"),
    };
    Said {
        strength_permille: if left & hard != 0 || left.count_ones() > 1 { 1_000 } else { settings.params[SOFT_PERCENT] as i32 * 10 },
        observed: format!("outside {}", of(named.join(", "))),
        expected: exception.map_or_else(|| "inside what the inventory declares".to_owned(), |id| format!("inside the exception {id}")),
        detail: format!("it left {}", of(named.join(" and "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Envelope;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_bounds_that_are_left() {
        let said = |envelope| example(&SIGNAL, |_, row| row.envelope = envelope).map(|s| s.strength_permille);
        assert_eq!(said(Some(Envelope { kept: 0, left: Bound::Country.bit() })), Some(1_000));
        assert_eq!(said(Some(Envelope { kept: 1, left: Bound::Hours.bit() })), Some(700));
        assert_eq!(said(Some(Envelope { kept: 1, left: Bound::Hours.bit() | Bound::Route.bit() })), Some(1_000), "two at once are no slip");
        assert_eq!(said(Some(Envelope { kept: 7, left: 0 })), None);
        assert_eq!(said(None), None);
    }
}
