//! `dormant_return`: the first accepted activity after a long silence: more after 30, 90 and 365 days.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::DAY_MS;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 12,
    name: "dormant_return",
    family: Family::Lifecycle,
    on: &[Kind::Identity],
    weight_db: 16,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param { name: "days", default: 30, least: 1, most: 10000, doc: "silence at which it begins to speak" },
        Param { name: "long_days", default: 90, least: 1, most: 10000, doc: "three quarters of the weight" },
        Param { name: "full_days", default: 365, least: 1, most: 10000, doc: "the whole weight" },
    ],
    attack: &["T1078"],
    nhi: &[],
    doc: Doc {
        sees: "The first accepted activity after a long silence: more after 30, 90 and 365 days.",
        why: "Forgotten accounts are nobody's to miss; attackers look for them.",
        silent: "For identities seen for the first time.",
        source: "MITRE ATT&CK T1078; CIS Controls v8, 5.3 (disable dormant accounts)",
    },
    speak,
};

const DAYS: usize = 0;
const LONG_DAYS: usize = 1;
const FULL_DAYS: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (days, p) = (look.row.idle_ms? / DAY_MS, &settings.params);
    let strength_permille = match days {
        d if d >= p[FULL_DAYS] => 1_000,
        d if d >= p[LONG_DAYS] => 750,
        d if d >= p[DAYS] => 500,
        _ => return None,
    };
    Some(Said {
        strength_permille,
        observed: format!("silent for {days} days"),
        expected: format!("active within {} days", p[DAYS]),
        detail: format!("first activity after {days} days"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_by_length_of_silence() {
        let said = |days: i64| example(&SIGNAL, |_, row| row.idle_ms = Some(days * DAY_MS)).map(|s| s.strength_permille);
        assert_eq!([said(29), said(30), said(90), said(365)], [None, Some(500), Some(750), Some(1_000)]);
    }
}
