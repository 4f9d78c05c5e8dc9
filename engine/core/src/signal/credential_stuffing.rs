//! `credential_stuffing`: one source trying many identities, once or twice each, nearly all failing, within 15 min.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal};
use crate::policy::SignalSettings;
#[cfg(test)]
use crate::row::Crowd;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 3,
    name: "credential_stuffing",
    family: Family::Guessing,
    on: &[Kind::Source],
    weight_db: 25,
    at_least: None,
    unauthenticated: true,
    applies: Applies::All,
    params: &[
        Param { name: "identities", default: 15, least: 3, most: 100000, doc: "different identities in 15 min" },
        Param { name: "few_tries_percent", default: 80, least: 1, most: 100, doc: "share of them with at most two tries" },
        Param { name: "failing_percent", default: 80, least: 1, most: 100, doc: "share of them that fail and do not succeed" },
    ],
    attack: &["T1110.004"],
    nhi: &[],
    doc: Doc {
        sees: "One source trying many identities, once or twice each, nearly all failing, within 15 min.",
        why: "Lists of stolen passwords are tried in bulk; the few that fit are sold or used.",
        silent: "When most identities come through (a company's NAT) or few are tried.",
        source: "MITRE ATT&CK T1110.004; OWASP Credential Stuffing Prevention Cheat Sheet",
    },
    speak,
};

const IDENTITIES: usize = 0;
const FEW_TRIES_PERCENT: usize = 1;
const FAILING_PERCENT: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (crowd, p) = (look.row.identities_15m, &settings.params);
    let all = i64::from(crowd.all);
    if all < p[IDENTITIES]
        || i64::from(crowd.few_tries) * 100 < all * p[FEW_TRIES_PERCENT]
        || i64::from(crowd.failing) * 100 < all * p[FAILING_PERCENT]
    {
        return None;
    }
    Some(Said {
        strength_permille: graded(all, p[IDENTITIES], 2 * p[IDENTITIES]),
        observed: format!("{all} identities in 15 min, {} of them failing", crowd.failing),
        expected: format!("fewer than {} identities, most of them succeeding", p[IDENTITIES]),
        detail: format!("{all} identities were tried, once or twice each, and {} failed", crowd.failing),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_lists_and_not_of_offices() {
        let said = |all, few_tries, failing| example(&SIGNAL, |_, row| row.identities_15m = Crowd { all, few_tries, failing });
        assert_eq!(said(15, 14, 14).unwrap().strength_permille, 500);
        assert_eq!(said(40, 40, 39).unwrap().strength_permille, 1_000);
        assert_eq!(said(14, 14, 14), None);
        assert_eq!(said(400, 380, 20), None, "an office behind one address");
        assert_eq!(said(20, 2, 20), None, "many tries each");
    }
}
