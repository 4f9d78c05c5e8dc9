//! `expected_job`: inside a declared envelope: this job, from here, at this hour, at this rate.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::row::Bound;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 65,
    name: "expected_job",
    family: Family::Protective,
    on: &[Kind::Identity],
    weight_db: -12,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::Machines,
    when: Types::ACTS,
    params: &[Param { name: "bounds", default: 2, least: 1, most: 7, doc: "declared bounds that must be kept, one of them a place" }],
    attack: &[],
    nhi: &[],
    doc: Doc {
        sees: "Inside a declared envelope: this job, from here, at this hour, at this rate.",
        why: "The nightly job that was announced is the likeliest explanation of what looks like it.",
        silent: "When any declared bound is left, and against evidence of another session, device, credential or workload.",
        source: "The inventory's own declaration",
    },
    speak,
};

const BOUNDS: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let envelope = look.row.envelope?;
    let place = Bound::Network.bit() | Bound::Asn.bit() | Bound::Workload.bit();
    let kept = envelope.kept.count_ones();
    if envelope.left != 0 || envelope.kept & place == 0 || i64::from(kept) < settings.params[BOUNDS] || !look.event.accepted() {
        return None;
    }
    let named: Vec<&str> = Bound::ALL.iter().filter(|(bound, _)| envelope.kept & bound.bit() != 0).map(|(_, name)| *name).collect();
    Some(Said {
        strength_permille: 1_000,
        observed: format!("inside its declared {}", named.join(", ")),
        expected: "what the inventory declares".to_owned(),
        detail: format!("it keeps to its declared {}", named.join(" and ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Envelope;
    use crate::signal::example::example;

    #[test]
    fn speaks_when_nothing_declared_is_left() {
        let said = |kept, left| {
            example(&SIGNAL, |event, row| {
                event.outcome = crate::event::Outcome::Success;
                row.envelope = Some(Envelope { kept, left });
            })
        };
        let (workload, hours, rate) = (Bound::Workload.bit(), Bound::Hours.bit(), Bound::Rate.bit());
        assert!(said(workload | hours, 0).is_some());
        assert_eq!(said(workload, 0), None);
        assert_eq!(said(hours | rate, 0), None, "from where, nobody said");
        assert_eq!(said(workload | hours, rate), None);
    }
}
