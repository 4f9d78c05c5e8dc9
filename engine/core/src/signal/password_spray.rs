//! `password_spray`: one source failing at many identities over a day, a few tries each, hardly ever succeeding.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
#[cfg(test)]
use crate::row::Crowd;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 4,
    name: "password_spray",
    family: Family::Guessing,
    on: &[Kind::Source],
    weight_db: 36,
    for_class: &[],
    at_least: None,
    unauthenticated: true,
    applies: Applies::All,
    when: Types::AUTH,
    params: &[
        Param { name: "identities", default: 10, least: 3, most: 100000, doc: "different failing identities in 24 h" },
        Param {
            name: "failing_percent",
            default: 80,
            least: 1,
            most: 100,
            doc: "share of the identities seen there that fail and do not succeed within the hour",
        },
        Param { name: "few_tries_percent", default: 80, least: 1, most: 100, doc: "share of them with at most four tries" },
    ],
    attack: &["T1110.003"],
    nhi: &[],
    doc: Doc {
        sees: "One source failing at many identities over a day, a few tries each, hardly ever succeeding.",
        why: "A few common passwords against everybody stay below every lock-out.",
        silent: "When those who fail there also succeed within the hour: an office behind one address is not a spray.",
        source: "MITRE ATT&CK T1110.003",
    },
    speak,
};

const IDENTITIES: usize = 0;
const FAILING_PERCENT: usize = 1;
const FEW_TRIES_PERCENT: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (crowd, p) = (look.row.identities_24h, &settings.params);
    let (all, failing) = (i64::from(crowd.all), i64::from(crowd.failing));
    if look.row.outage
        || failing < p[IDENTITIES]
        || failing * 100 < all * p[FAILING_PERCENT]
        || i64::from(crowd.few_tries) * 100 < all * p[FEW_TRIES_PERCENT]
    {
        return None;
    }
    Some(Said {
        strength_permille: graded(failing, p[IDENTITIES], p[IDENTITIES] * 3 / 2),
        observed: format!("{failing} of {all} identities failing in 24 h"),
        expected: format!("fewer than {} failing, most of them succeeding within the hour", p[IDENTITIES]),
        detail: format!("{failing} identities failed here within a day, a few tries each, without a success"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_low_and_slow_and_not_of_offices() {
        let said = |all, few_tries, failing| example(&SIGNAL, |_, row| row.identities_24h = Crowd { all, few_tries, failing });
        assert_eq!(said(10, 10, 10).unwrap().strength_permille, 500);
        assert_eq!(said(60, 55, 58).unwrap().strength_permille, 1_000);
        assert_eq!(said(300, 290, 40), None, "an office: most succeed");
        assert_eq!(said(9, 9, 9), None);
    }
}
