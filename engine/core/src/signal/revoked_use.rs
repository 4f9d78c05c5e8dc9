//! `revoked_use`: a credential that was accepted after it had been revoked or rotated away.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::verdict::{Family, Level};

pub const SIGNAL: Signal = Signal {
    number: 27,
    name: "revoked_use",
    family: Family::Token,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: Some(Level::High),
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param { name: "grace_minutes", default: 5, least: 0, most: 1440, doc: "until a revocation is everywhere" },
        Param { name: "overlap_hours", default: 72, least: 0, most: 8760, doc: "for which a rotated credential may go on" },
    ],
    attack: &[],
    nhi: &["NHI1"],
    doc: Doc {
        sees: "A credential that was accepted after it had been revoked or rotated away.",
        why: "It was taken out of use for a reason, and somebody still has it.",
        silent: "While the revocation spreads, and during the overlap of a rotation.",
        source: "RFC 7009; OWASP NHI1:2025",
    },
    speak,
};

const GRACE_MINUTES: usize = 0;
const OVERLAP_HOURS: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (revoked, p) = (look.row.fact.revoked?, &settings.params);
    let (grace_ms, what) =
        if revoked.rotated { (p[OVERLAP_HOURS] * HOUR_MS, "rotated away") } else { (p[GRACE_MINUTES] * MINUTE_MS, "revoked") };
    if revoked.ms <= grace_ms {
        return None;
    }
    Some(Said {
        strength_permille: 1_000,
        observed: format!("accepted {} min after it was {what}", revoked.ms / MINUTE_MS),
        expected: "refused".to_owned(),
        detail: format!("{} was accepted although it was {what}", look.event.credential_id().unwrap_or("a credential")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Revoked;
    use crate::signal::example::example;

    #[test]
    fn a_rotation_may_overlap_and_a_revocation_not() {
        let said = |minutes: i64, rotated| example(&SIGNAL, |_, row| row.fact.revoked = Some(Revoked { ms: minutes * MINUTE_MS, rotated }));
        assert!(said(10, false).is_some() && said(73 * 60, true).is_some());
        assert_eq!(said(10, true), None, "the old key lives on for three days");
        assert_eq!(said(4, false), None);
    }
}
