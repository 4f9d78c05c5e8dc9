//! `new_place`: a country or network in which this identity was never accepted before, by likelihood ratio.

use super::novelty_said;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
#[cfg(test)]
use crate::row::Novelty;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 8,
    name: "new_place",
    family: Family::Place,
    on: &[Kind::Identity],
    weight_db: 12,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[Param {
        name: "network_percent",
        default: 50,
        least: 0,
        most: 100,
        doc: "weight of a new network in a known country, against a new country",
    }],
    attack: &["T1078"],
    nhi: &[],
    doc: Doc {
        sees: "A country or network in which this identity was never accepted before, by likelihood ratio.",
        why: "Stolen credentials are seldom used from where their owner lives.",
        silent: "While the identity is being learned; weak for owners who often appear somewhere new and for places where many of the tenant's identities are.",
        source: "Likelihood ratio with add-one-half smoothing (Good 1950)",
    },
    speak,
};

const NETWORK_PERCENT: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    if look.row.learning {
        return None;
    }
    let source = look.event.source.as_ref()?;
    let (novelty, percent, what, value) = match (look.row.new_country, look.row.new_network) {
        (Some(novelty), _) => (novelty, 100, "country", source.country.as_deref().unwrap_or("?").to_owned()),
        (None, Some(novelty)) => (novelty, settings.params[NETWORK_PERCENT], "network", format!("AS{}", source.asn.unwrap_or(0))),
        (None, None) => return None,
    };
    novelty_said(novelty, settings, percent, what, &value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn a_new_country_weighs_more_than_a_new_network() {
        let said = |country, network, learning| {
            example(&SIGNAL, |event, row| {
                event.source = Some(crate::event::Source { country: Some("NG".into()), asn: Some(7), ..Default::default() });
                let novelty = Some(Novelty { likelihood_cb: 400, share_ppm: 100 });
                row.new_country = novelty.filter(|_| country);
                row.new_network = novelty.filter(|_| network);
                row.learning = learning;
            })
        };
        assert_eq!(said(true, true, false).unwrap().strength_permille, 1_000);
        assert_eq!(said(false, true, false).unwrap().strength_permille, 500);
        assert_eq!(said(false, false, false), None);
        assert_eq!(said(true, true, true), None, "still learning");
    }
}
