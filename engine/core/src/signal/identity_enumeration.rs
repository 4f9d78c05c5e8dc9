//! `identity_enumeration`: many names that nobody has, tried from one source within 15 min, far more than its people usually mistype.

use super::far_above;
use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 20,
    name: "identity_enumeration",
    family: Family::Guessing,
    on: &[Kind::Source],
    weight_db: 34,
    for_class: &[],
    at_least: None,
    unauthenticated: true,
    applies: Applies::All,
    when: Types::AUTH,
    params: &[
        Param { name: "names", default: 10, least: 2, most: 100000, doc: "names that nobody has, tried in 15 min" },
        Param { name: "full", default: 40, least: 3, most: 1000000, doc: "names at full strength" },
        Param { name: "times_usual", default: 4, least: 1, most: 100, doc: "how many times the source's usual it takes" },
    ],
    attack: &["T1589"],
    nhi: &[],
    doc: Doc {
        sees: "Many names that nobody has, tried from one source within 15 min, far more than its people usually mistype.",
        why: "Whoever has a list of guessed names first finds out which of them exist.",
        silent: "For an office that mistypes as much every day.",
        source: "MITRE ATT&CK T1589; OWASP Web Security Testing Guide, account enumeration",
    },
    speak,
};

const NAMES: usize = 0;
const FULL: usize = 1;
const TIMES_USUAL: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    if !far_above(row.unknown_15m, row.usual_unknown_15m, p[NAMES], p[TIMES_USUAL]) {
        return None;
    }
    Some(Said {
        strength_permille: graded(row.unknown_15m.into(), p[NAMES], p[FULL]),
        observed: format!("{} names that nobody has in 15 min", row.unknown_15m),
        expected: format!("fewer than {}, and about {}", p[NAMES], row.usual_unknown_15m),
        detail: format!("{} names that nobody has were tried within 15 min", row.unknown_15m),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_names_that_nobody_has() {
        let said = |unknown, usual| example(&SIGNAL, |_, row| (row.unknown_15m, row.usual_unknown_15m) = (unknown, usual));
        assert_eq!(said(10, 0).unwrap().strength_permille, 500);
        assert_eq!(said(60, 1).unwrap().strength_permille, 1_000);
        assert_eq!(said(9, 0), None);
        assert_eq!(said(12, 8), None, "an office that mistypes as much every day");
    }
}
