//! `rotation_overdue`: a credential that the inventory wants rotated, and that was not.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::{DAY_MS, Span};
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 32,
    name: "rotation_overdue",
    family: Family::Lifecycle,
    on: &[Kind::Identity],
    weight_db: 3,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param { name: "tolerance_percent", default: 10, least: 0, most: 1000, doc: "share of the period by which it may be late" },
        Param { name: "full_periods", default: 3, least: 2, most: 100, doc: "age in periods at full strength" },
    ],
    attack: &[],
    nhi: &["NHI7"],
    doc: Doc {
        sees: "A credential that the inventory wants rotated, and that was not.",
        why: "The longer a secret is the same, the more places it has been copied to.",
        silent: "Where the inventory names no period or the log no issue time.",
        source: "OWASP NHI7:2025; NIST SP 800-57 Part 1, 5.3",
    },
    speak,
};

const TOLERANCE_PERCENT: usize = 0;
const FULL_PERIODS: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (every_ms, age_ms, p) = (look.row.rotate_every_ms?, look.row.credential_age_ms?, &settings.params);
    if age_ms <= every_ms.saturating_mul(100 + p[TOLERANCE_PERCENT]) / 100 {
        return None;
    }
    Some(Said {
        strength_permille: graded(age_ms, every_ms, every_ms.saturating_mul(p[FULL_PERIODS])),
        observed: format!("{} days old", age_ms / DAY_MS),
        expected: format!("rotated every {}", Span(every_ms)),
        detail: format!(
            "{} is {} days old, to be rotated every {}",
            look.event.credential_id().unwrap_or("a credential"),
            age_ms / DAY_MS,
            Span(every_ms)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_when_a_rotation_was_missed() {
        let said = |age: i64, every: Option<i64>| {
            example(&SIGNAL, |_, row| {
                (row.credential_age_ms, row.rotate_every_ms) = (Some(age * DAY_MS), every.map(|d| d * DAY_MS));
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(90, Some(30)), Some(1_000));
        assert_eq!(said(32, Some(30)), None, "two days late");
        assert_eq!(said(900, None), None);
    }
}
