//! `new_device`: a device that was never accepted before, and more so a program family that is new as well, by likelihood ratio.

use super::novelty_said;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
#[cfg(test)]
use crate::row::Novelty;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 9,
    name: "new_device",
    family: Family::Device,
    on: &[Kind::Identity],
    weight_db: 15,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[Param {
        name: "device_percent",
        default: 85,
        least: 0,
        most: 100,
        doc: "weight of a new device whose kind of program is known, against one whose kind is new too",
    }],
    attack: &["T1078"],
    nhi: &[],
    doc: Doc {
        sees: "A device that was never accepted before, and more so a program family that is new as well, by likelihood ratio.",
        why: "A thief has the password, seldom the owner's phone.",
        silent: "While the identity is being learned, for machines, and for owners who change devices all the time.",
        source: "Likelihood ratio with add-one-half smoothing (Good 1950)",
    },
    speak,
};

const DEVICE_PERCENT: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    if look.row.learning {
        return None;
    }
    let novelty = look.row.new_device?;
    let (percent, what) = match look.row.new_agent {
        Some(_) => (100, "device and program"),
        None => (settings.params[DEVICE_PERCENT], "device"),
    };
    let stamp = look.event.stamp.as_ref();
    let value = look.event.device_id().or(stamp.and_then(|s| s.agent_family.as_deref())).unwrap_or("unnamed");
    novelty_said(novelty, settings, percent, what, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn a_new_program_makes_it_stronger() {
        let said = |agent, learning| {
            example(&SIGNAL, |_, row| {
                row.new_device = Some(Novelty { likelihood_cb: 200, share_ppm: 0 });
                row.new_agent = row.new_device.filter(|_| agent);
                row.learning = learning;
            })
        };
        assert_eq!(said(true, false).unwrap().strength_permille, 1_000);
        assert_eq!(said(false, false).unwrap().strength_permille, 850);
        assert_eq!(said(true, true), None);
    }
}
