//! `shared_credential`: one credential used from several workloads or networks at once, day after day.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 38,
    name: "shared_credential",
    family: Family::Scope,
    on: &[Kind::Identity],
    weight_db: 12,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::Machines,
    when: Types::ACTS,
    params: &[
        Param { name: "days", default: 3, least: 2, most: 365, doc: "days on which several places used it at once" },
        Param { name: "full_days", default: 10, least: 3, most: 3650, doc: "days at full strength" },
    ],
    attack: &[],
    nhi: &["NHI8", "NHI9"],
    doc: Doc {
        sees: "One credential used from several workloads or networks at once, day after day.",
        why: "What several share nobody can rotate, and its misuse looks like use.",
        silent: "For a deploy, a fail-over or the overlap of a rotation, which end within a day.",
        source: "OWASP NHI9:2025, NHI8:2025",
    },
    speak,
};

const DAYS: usize = 0;
const FULL_DAYS: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (token, p) = (look.row.token, &settings.params);
    let days = i64::from(token.shared_days);
    if !token.overlap.is_some_and(|o| o.own) || days < p[DAYS] {
        return None;
    }
    Some(Said {
        strength_permille: graded(days, p[DAYS], p[FULL_DAYS]),
        observed: format!("used from several places at once on {days} days"),
        expected: "one workload for each credential".to_owned(),
        detail: format!("{} is shared by several workloads", look.event.credential_id().unwrap_or("a credential")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Overlap, TokenUse};
    use crate::signal::example::example;

    #[test]
    fn speaks_of_steady_sharing() {
        let said = |shared_days, own| {
            example(&SIGNAL, |_, row| {
                row.token = TokenUse { overlap: Some(Overlap { ms: 1_000, own, here_own: true }), shared_days, ..TokenUse::default() };
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(3, true), Some(500));
        assert_eq!(said(20, true), Some(1_000));
        assert_eq!(said(2, true), None, "a deploy");
        assert_eq!(said(20, false), None, "a copy, not a habit");
    }
}
