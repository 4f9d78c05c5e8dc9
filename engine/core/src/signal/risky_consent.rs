//! `risky_consent`: a consent to a new client with wide scopes, and then its use from a hosting network, a proxy or tor.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::Network;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::{DAY_MS, HOUR_MS};
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 48,
    name: "risky_consent",
    family: Family::Privilege,
    on: &[Kind::Identity],
    weight_db: 34,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::API,
    params: &[Param { name: "within_days", default: 7, least: 1, most: 365, doc: "between the consent and the use" }],
    attack: &["T1528"],
    nhi: &[],
    doc: Doc {
        sees: "A consent to a new client with wide scopes, and then its use from a hosting network, a proxy or tor.",
        why: "A consent outlives every password, and its token is used from the attacker's own servers.",
        silent: "For narrow scopes, and for clients that are used from where the person is.",
        source: "MITRE ATT&CK T1528; Microsoft, Detect and remediate illicit consent grants",
    },
    speak,
};

const WITHIN_DAYS: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let consent = look.row.privilege.consent?;
    let network = look.event.network().filter(|n| matches!(n, Network::Hosting | Network::Proxy | Network::Tor | Network::Vpn))?;
    if !(0..=settings.params[WITHIN_DAYS] * DAY_MS).contains(&consent.ms) || !look.event.accepted() {
        return None;
    }
    Some(Said {
        strength_permille: 1_000,
        observed: format!("used from a {network} network {} h after the consent", consent.ms / HOUR_MS),
        expected: "a client that is used from where its user is".to_owned(),
        detail: "a client with wide scopes, newly consented to, is used from elsewhere".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Consent;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_a_fresh_consent_used_elsewhere() {
        let said = |hours: i64, network| {
            example(&SIGNAL, |event, row| {
                event.kind = crate::event::EventType::ApiRequest;
                event.source = Some(crate::event::Source { network: Some(network), ..Default::default() });
                row.privilege.consent = Some(Consent { ms: hours * HOUR_MS });
            })
        };
        assert!(said(2, Network::Hosting).is_some());
        assert_eq!(said(2, Network::Residential), None);
        assert_eq!(said(24 * 8, Network::Hosting), None);
    }
}
