//! `privilege_chain`: a grant to oneself, or on a secret store, and then a secret read with it within the hour.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::EventType;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::MINUTE_MS;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 42,
    name: "privilege_chain",
    family: Family::Privilege,
    on: &[Kind::Identity],
    weight_db: 34,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::of(&[EventType::SecretRead]),
    params: &[
        Param { name: "within_minutes", default: 60, least: 1, most: 10080, doc: "between the grant and the reading" },
        Param {
            name: "given_percent",
            default: 50,
            least: 0,
            most: 100,
            doc: "strength when somebody who administers it anyway gave the grant",
        },
    ],
    attack: &["T1098.003", "T1555.006"],
    nhi: &["NHI5"],
    doc: Doc {
        sees: "A grant to oneself, or on a secret store, and then a secret read with it within the hour.",
        why: "The shortest way from one stolen account to everything.",
        silent: "For readings long after the grant; weak when whoever usually administers the identity gave it.",
        source: "MITRE ATT&CK T1098.003, T1555.006; OWASP NHI5:2025",
    },
    speak,
};

const WITHIN_MINUTES: usize = 0;
const GIVEN_PERCENT: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (grant, p) = (look.row.privilege.grant?, &settings.params);
    if grant.ms > p[WITHIN_MINUTES] * MINUTE_MS {
        return None;
    }
    let secret = look.event.change.as_ref().and_then(|c| c.secret.as_deref()).unwrap_or("a secret");
    let by = if grant.own { "by itself or by somebody new to it" } else { "by its administrator" };
    Some(Said {
        strength_permille: if grant.own { 1_000 } else { p[GIVEN_PERCENT] as i32 * 10 },
        observed: format!("{secret} read {} min after a grant {by}", grant.ms / MINUTE_MS),
        expected: "grants long before their use".to_owned(),
        detail: format!("a grant {by}, then {secret} was read"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Grant;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_a_grant_that_is_used_at_once() {
        let said = |minutes: i64, own| {
            example(&SIGNAL, |_, row| row.privilege.grant = Some(Grant { ms: minutes * MINUTE_MS, own })).map(|s| s.strength_permille)
        };
        assert_eq!(said(10, true), Some(1_000));
        assert_eq!(said(10, false), Some(500));
        assert_eq!(said(61, true), None);
    }
}
