//! `risky_network`: a person accepted from tor, an anonymous proxy or a hosting network.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::Network;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 22,
    name: "risky_network",
    family: Family::Place,
    on: &[Kind::Identity],
    weight_db: 18,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[
        Param {
            name: "usual_days",
            default: 2,
            least: 1,
            most: 365,
            doc: "days of earlier use that make such a network the identity's own",
        },
        Param { name: "proxy_percent", default: 80, least: 0, most: 100, doc: "strength for an anonymous proxy, against tor" },
        Param { name: "hosting_percent", default: 60, least: 0, most: 100, doc: "strength for a hosting network, against tor" },
    ],
    attack: &["T1090"],
    nhi: &[],
    doc: Doc {
        sees: "A person accepted from tor, an anonymous proxy or a hosting network.",
        why: "Attackers hide behind networks in which few people live.",
        silent: "For identities that use such a network anyway, and for hosting and proxies while the identity is being learned.",
        source: "MITRE ATT&CK T1090.003; network kinds of the enrichment",
    },
    speak,
};

const USUAL_DAYS: usize = 0;
const PROXY_PERCENT: usize = 1;
const HOSTING_PERCENT: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let p = &settings.params;
    let days = look.row.hidden_network_days?;
    let network = look.event.network()?;
    let percent = match network {
        Network::Tor => 100,
        Network::Proxy if !look.row.learning => p[PROXY_PERCENT],
        Network::Hosting if !look.row.learning => p[HOSTING_PERCENT],
        _ => return None,
    };
    if i64::from(days) >= p[USUAL_DAYS] {
        return None;
    }
    Some(Said {
        strength_permille: percent as i32 * 10,
        observed: format!("accepted from a {network} network"),
        expected: "a network in which people are, or one that it uses".to_owned(),
        detail: format!("accepted from a {network} network, which it has used on {days} days"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_networks_that_hide() {
        let said = |network, days| {
            example(&SIGNAL, |event, row| {
                event.source = Some(crate::event::Source { network: Some(network), ..Default::default() });
                (row.hidden_network_days, row.learning) = (Some(days), false);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(Network::Tor, 0), Some(1_000));
        assert_eq!(said(Network::Hosting, 1), Some(600));
        assert_eq!(said(Network::Tor, 2), None, "its own");
        assert_eq!(said(Network::Mobile, 0), None);
    }
}
