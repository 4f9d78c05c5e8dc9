//! `offboarded_use`: accepted activity by an identity that is offboarded, disabled or deleted.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::row::Gone;
use crate::subject::Kind;
use crate::time::MINUTE_MS;
use crate::verdict::{Family, Level};

pub const SIGNAL: Signal = Signal {
    number: 29,
    name: "offboarded_use",
    family: Family::Lifecycle,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: Some(Level::High),
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[Param {
        name: "grace_minutes",
        default: 5,
        least: 0,
        most: 10080,
        doc: "until an account that was disabled is so everywhere",
    }],
    attack: &[],
    nhi: &["NHI1"],
    doc: Doc {
        sees: "Accepted activity by an identity that is offboarded, disabled or deleted.",
        why: "Somebody uses what nobody owns any more.",
        silent: "While the disabling spreads, and once the account is enabled again.",
        source: "OWASP NHI1:2025; CIS Controls v8, 6.2",
    },
    speak,
};

const GRACE_MINUTES: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (gone, ms) = look.row.fact.gone?;
    // The inventory does not say since when; it is believed.
    if gone != Gone::Offboarded && ms <= settings.params[GRACE_MINUTES] * MINUTE_MS {
        return None;
    }
    let what = match gone {
        Gone::Offboarded => "offboarded",
        Gone::Disabled => "disabled",
        Gone::Deleted => "deleted",
    };
    Some(Said {
        strength_permille: 1_000,
        observed: format!("accepted, although the identity is {what}"),
        expected: "refused".to_owned(),
        detail: format!("activity by an identity that is {what}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_whoever_should_be_gone() {
        let said = |gone, minutes: i64| example(&SIGNAL, |_, row| row.fact.gone = Some((gone, minutes * MINUTE_MS)));
        assert!(said(Gone::Offboarded, 0).is_some() && said(Gone::Deleted, 6).is_some());
        assert_eq!(said(Gone::Disabled, 4), None);
        assert_eq!(example(&SIGNAL, |_, _| {}), None);
    }
}
