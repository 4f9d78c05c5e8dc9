//! `off_workload`: a machine identity used from a workload or network that it neither declares nor has ever used.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::WorkloadProof;
use crate::policy::SignalSettings;
#[cfg(test)]
use crate::row::Novelty;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 14,
    name: "off_workload",
    family: Family::Scope,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::Machines,
    when: Types::ACTS,
    params: &[
        Param { name: "one_percent", default: 85, least: 1, most: 100, doc: "strength when only the workload or only the network is new" },
        Param {
            name: "beside_percent",
            default: 30,
            least: 0,
            most: 100,
            doc: "strength of a new workload that proves its name in a network that is its own: a second deployment",
        },
    ],
    attack: &["T1078.004"],
    nhi: &["NHI2", "NHI9"],
    doc: Doc {
        sees: "A machine identity used from a workload or network that it neither declares nor has ever used.",
        why: "A service account's key belongs to one workload; anywhere else it is stolen or borrowed.",
        silent: "For people, and while a machine is being learned unless its workloads are declared; a named workload counts for little when nothing proves the name.",
        source: "OWASP NHI2:2025, NHI9:2025; MITRE ATT&CK T1078.004",
    },
    speak,
};

const ONE_PERCENT: usize = 0;
const BESIDE_PERCENT: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let row = look.row;
    let network = row.new_network.is_some() && !row.learning;
    let workload = row.new_workload && (!row.learning || row.workloads_declared);
    let source = look.event.source.as_ref()?;
    let proven = source.workload_proof.is_some_and(|p| p != WorkloadProof::None);
    let percent = match (workload, network) {
        (true, true) => 100,
        // Its key without its workload: elsewhere that is as bad as another one, where it always is only a gap in the log.
        (false, true) if row.workload_unnamed => 100,
        (false, false) if row.workload_unnamed && row.new_country.is_some() && !row.learning => 100,
        (false, true) if row.known_workload && proven => return None,
        (true, false) if proven && row.network_known_days.is_some_and(|d| d >= 1) => settings.params[BESIDE_PERCENT],
        (false, true) | (true, false) => settings.params[ONE_PERCENT],
        (false, false) => return None,
    };
    let from = match (source.workload.as_deref(), source.asn) {
        (Some(workload), Some(asn)) => format!("{workload} in AS{asn}"),
        (Some(workload), None) => workload.to_owned(),
        (None, Some(asn)) => format!("AS{asn}"),
        (None, None) => "an unknown place".to_owned(),
    };
    Some(Said {
        strength_permille: (percent * 10) as i32,
        observed: format!("used from {from}"),
        expected: "the workloads and networks that it declares or has used".to_owned(),
        detail: format!("used from {from}, where it never ran"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_strange_workloads_and_networks() {
        let said = |workload, network, proof, learning| {
            example(&SIGNAL, |event, row| {
                row.class = crate::event::Class::Service;
                event.source = Some(crate::event::Source { asn: Some(7), workload_proof: proof, ..Default::default() });
                row.new_workload = workload;
                row.known_workload = !workload;
                row.new_network = Some(Novelty { likelihood_cb: 100, share_ppm: 1 }).filter(|_| network);
                row.learning = learning;
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(true, true, None, false), Some(1_000));
        assert_eq!(said(true, false, None, false), Some(850));
        assert_eq!(said(false, true, None, false), Some(850), "a bare claim of a known workload");
        assert_eq!(said(false, true, Some(WorkloadProof::Mtls), false), None, "the workload moved, and proves who it is");
        assert_eq!(said(true, true, None, true), None);
    }

    #[test]
    fn speaks_of_a_key_without_its_workload_elsewhere_and_hardly_of_a_second_deployment() {
        let said = |unnamed: bool, network: bool, country: bool, new_workload: bool| {
            example(&SIGNAL, |event, row| {
                row.class = crate::event::Class::Service;
                let proof = Some(WorkloadProof::Mtls).filter(|_| !unnamed);
                event.source = Some(crate::event::Source { asn: Some(7), workload_proof: proof, ..Default::default() });
                (row.workload_unnamed, row.new_workload, row.learning) = (unnamed, new_workload, false);
                let novelty = Some(Novelty { likelihood_cb: 100, share_ppm: 1 });
                (row.new_network, row.new_country) = (novelty.filter(|_| network), novelty.filter(|_| country));
                row.network_known_days = Some(9).filter(|_| !network);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(true, true, false, false), Some(1_000));
        assert_eq!(said(true, false, true, false), Some(1_000), "another region of the same cloud");
        assert_eq!(said(true, false, false, false), None, "a gap in the log");
        assert_eq!(said(false, false, false, true), Some(300), "blue and green");
    }
}
