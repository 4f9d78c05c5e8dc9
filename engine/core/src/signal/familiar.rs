//! `familiar`: accepted activity from a device and a network that have both been known for a week or more.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 19,
    name: "familiar",
    family: Family::Protective,
    on: &[Kind::Identity],
    weight_db: -6,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[Param { name: "days", default: 7, least: 1, most: 365, doc: "days that device and network must have been known" }],
    attack: &[],
    nhi: &[],
    doc: Doc {
        sees: "Accepted activity from a device and a network that have both been known for a week or more.",
        why: "Most of what an owner does looks like what the owner always did.",
        silent: "Against evidence of another session, device, credential or workload; and it says nothing of a device's posture, nor against what was promised, contained or reported by others.",
        source: "Likelihood ratio against the owner's own history",
    },
    speak,
};

const DAYS: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let days = look.row.device_known_days?.min(look.row.network_known_days?);
    if !look.event.succeeded() || days < settings.params[DAYS] {
        return None;
    }
    Some(Said {
        strength_permille: 1_000,
        observed: format!("device and network known for {days} days"),
        expected: format!("known for {} days", settings.params[DAYS]),
        detail: "from a device and a network that it has long used".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_when_both_are_known() {
        let said = |device, network| {
            example(&SIGNAL, |event, row| {
                event.outcome = crate::event::Outcome::Success;
                (row.device_known_days, row.network_known_days) = (device, network);
            })
        };
        assert!(said(Some(7), Some(30)).is_some());
        assert_eq!(said(Some(6), Some(30)), None);
        assert_eq!(said(None, Some(30)), None);
    }
}
