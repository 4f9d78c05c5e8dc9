//! `vendor_wave`: many identities of one integration (by its client id) move to a new place or scope within the hour.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 64,
    name: "vendor_wave",
    family: Family::Scope,
    on: &[Kind::Identity],
    weight_db: 24,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param { name: "identities", default: 3, least: 2, most: 100000, doc: "identities of the integration that moved within the hour" },
        Param { name: "share_percent", default: 30, least: 1, most: 100, doc: "share of its active identities that they must be" },
        Param { name: "full_percent", default: 70, least: 2, most: 100, doc: "share at full strength" },
    ],
    attack: &[],
    nhi: &["NHI3"],
    doc: Doc {
        sees: "Many identities of one integration (by its client id) move to a new place or scope within the hour.",
        why: "When a vendor is breached, all of its customers' tokens are used by the same stranger.",
        silent: "For networks from which the integration was used days before, such as a standby site.",
        source: "The Salesloft Drift incident (2025); OWASP NHI3:2025",
    },
    speak,
};

const IDENTITIES: usize = 0;
const SHARE_PERCENT: usize = 1;
const FULL_PERCENT: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (vendor, p) = (look.row.vendor, &settings.params);
    let (active, shifted) = (i64::from(vendor.active), i64::from(vendor.shifted));
    if !vendor.shifts || shifted < p[IDENTITIES] || shifted * 100 < active * p[SHARE_PERCENT] {
        return None;
    }
    let client = look.event.credential.as_ref().and_then(|c| c.client_id.as_deref()).unwrap_or("?");
    Some(Said {
        strength_permille: graded(shifted * 100 / active.max(1), p[SHARE_PERCENT], p[FULL_PERCENT]),
        observed: format!("{shifted} of {active} identities of {client} moved in 1 h"),
        expected: format!("fewer than {}", p[IDENTITIES]),
        detail: format!("{shifted} identities of the integration {client} moved to a new place or scope together"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Vendor;
    use crate::signal::example::example;

    #[test]
    fn speaks_when_an_integration_moves_as_one() {
        let said = |active, shifted, shifts| {
            example(&SIGNAL, |_, row| row.vendor = Vendor { active, shifted, shifts }).map(|s| s.strength_permille)
        };
        assert_eq!(said(10, 9, true), Some(1_000));
        assert_eq!(said(20, 6, true), Some(500));
        assert_eq!(said(10, 9, false), None, "this one stayed where it was");
        assert_eq!(said(100, 6, true), None);
        assert_eq!(said(2, 2, true), None);
    }
}
