//! `credential_stuffing`: one source trying many identities, once or twice each, nearly all failing, within 15 min.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
#[cfg(test)]
use crate::row::Crowd;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 3,
    name: "credential_stuffing",
    family: Family::Guessing,
    on: &[Kind::Source, Kind::Identity],
    weight_db: 34,
    for_class: &[],
    at_least: None,
    unauthenticated: true,
    applies: Applies::All,
    when: Types::AUTH,
    params: &[
        Param { name: "identities", default: 15, least: 3, most: 100000, doc: "different identities in 15 min" },
        Param { name: "few_tries_percent", default: 80, least: 1, most: 100, doc: "share of them with at most two tries" },
        Param {
            name: "program_percent",
            default: 60,
            least: 0,
            most: 100,
            doc: "strength against an identity that such a program got into",
        },
        Param { name: "failing_percent", default: 80, least: 1, most: 100, doc: "share of them that fail and do not succeed" },
    ],
    attack: &["T1110.004"],
    nhi: &[],
    doc: Doc {
        sees: "One source trying many identities, once or twice each, nearly all failing, within 15 min; or a log-in, from an unfamiliar place, by a program (TLS fingerprint, user agent) that fails at identity after identity of the tenant, from however many sources.",
        why: "Lists of stolen passwords are tried in bulk; the few that fit are sold or used.",
        silent: "When most identities come through (a company's NAT), few are tried, or the log-in itself is down.",
        source: "MITRE ATT&CK T1110.004; OWASP Credential Stuffing Prevention Cheat Sheet",
    },
    speak,
};

const IDENTITIES: usize = 0;
const FEW_TRIES_PERCENT: usize = 1;
const PROGRAM_PERCENT: usize = 2;
const FAILING_PERCENT: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let p = &settings.params;
    let of_identity = look.row.kind == Kind::Identity;
    if look.row.outage || (of_identity && !look.event.succeeded()) {
        return None;
    }
    let crowd = if of_identity { look.row.program } else { look.row.identities_15m };
    let all = i64::from(crowd.all);
    if all < p[IDENTITIES]
        || i64::from(crowd.few_tries) * 100 < all * p[FEW_TRIES_PERCENT]
        || i64::from(crowd.failing) * 100 < all * p[FAILING_PERCENT]
    {
        return None;
    }
    if of_identity {
        return Some(Said {
            strength_permille: graded(all, p[IDENTITIES], 2 * p[IDENTITIES]) * p[PROGRAM_PERCENT] as i32 / 100,
            observed: format!("the same program failed at {} of {all} identities in 1 h, from places that are not theirs", crowd.failing),
            expected: format!("fewer than {} identities, most of them succeeding", p[IDENTITIES]),
            detail: format!("got in with a program that failed at {} of {all} identities within the hour", crowd.failing),
        });
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
        let said = |all, few_tries, failing| {
            example(&SIGNAL, |_, row| {
                row.kind = Kind::Source;
                row.identities_15m = Crowd { all, few_tries, failing };
            })
        };
        assert_eq!(said(15, 14, 14).unwrap().strength_permille, 500);
        assert_eq!(said(40, 40, 39).unwrap().strength_permille, 1_000);
        assert_eq!(said(14, 14, 14), None);
        assert_eq!(said(400, 380, 20), None, "an office behind one address");
        assert_eq!(said(20, 2, 20), None, "many tries each");
    }

    #[test]
    fn speaks_of_whoever_a_distributed_list_fits() {
        let said = |outcome, failing| {
            example(&SIGNAL, |event, row| {
                event.outcome = outcome;
                row.program = Crowd { all: 40, few_tries: 40, failing };
            })
            .map(|s| s.strength_permille)
        };
        use crate::event::Outcome::{Failure, Success};
        assert_eq!(said(Success, 38), Some(600));
        assert_eq!(said(Failure, 38), None, "anybody can fail");
        assert_eq!(said(Success, 10), None, "a browser that everybody has");
    }
}
