//! `fresh_identity`: an identity or a long-lived credential younger than a day with a surge, a privileged act, several secrets or a spike of failures.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::HOUR_MS;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 33,
    name: "fresh_identity",
    family: Family::Lifecycle,
    on: &[Kind::Identity],
    weight_db: 24,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param { name: "hours", default: 24, least: 1, most: 720, doc: "age up to which an identity or a long-lived credential is fresh" },
        Param { name: "events_1m", default: 120, least: 1, most: 1000000, doc: "events in a minute that are a surge" },
        Param { name: "events_1h", default: 2000, least: 1, most: 10000000, doc: "events in an hour that are" },
        Param { name: "failures", default: 10, least: 1, most: 100000, doc: "failed log-ins in an hour" },
        Param { name: "secrets", default: 3, least: 1, most: 100000, doc: "different secrets read in an hour" },
    ],
    attack: &["T1136", "T1098.001"],
    nhi: &[],
    doc: Doc {
        sees: "An identity or a long-lived credential younger than a day with a surge, a privileged act, several secrets or a spike of failures.",
        why: "Accounts that attackers create are used at once.",
        silent: "For fresh identities that do little, for a new key in a job that is always as busy, and where the log does not say how old something is.",
        source: "MITRE ATT&CK T1136, T1098.001",
    },
    speak,
};

const HOURS: usize = 0;
const EVENTS_1M: usize = 1;
const EVENTS_1H: usize = 2;
const FAILURES: usize = 3;
const SECRETS: usize = 4;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let fresh = |ms: Option<i64>| ms.is_some_and(|ms| ms <= p[HOURS] * HOUR_MS);
    let what = match (fresh(row.age_ms), fresh(row.credential_new_ms)) {
        (true, _) => "identity",
        (false, true) => "credential",
        (false, false) => return None,
    };
    // A busy job is as busy with its new key.
    let above =
        |i: usize, floor: i64| i64::from(row.events[i]) >= floor && row.usual_events.is_none_or(|usual| row.events[i] / 4 >= usual[i]);
    let surge = above(0, p[EVENTS_1M]) || above(2, p[EVENTS_1H]);
    let does = if row.privilege.act {
        "a privileged act".to_owned()
    } else if surge {
        format!("{} events in a minute, {} in an hour", row.events[0], row.events[2])
    } else if i64::from(row.privilege.secrets_1h) >= p[SECRETS] && what == "identity" {
        format!("{} secrets in an hour", row.privilege.secrets_1h)
    } else if i64::from(row.failed_1h) >= p[FAILURES] {
        format!("{} failed log-ins in an hour", row.failed_1h)
    } else {
        return None;
    };
    Some(Said {
        strength_permille: 1_000,
        observed: format!("{does}, {what} younger than {} h", p[HOURS]),
        expected: "a quiet first day".to_owned(),
        detail: format!("{does} by a fresh {what}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_a_first_day_that_is_not_quiet() {
        let said = |age: Option<i64>, act, events| {
            example(&SIGNAL, |_, row| {
                (row.age_ms, row.privilege.act, row.events[0]) = (age.map(|h| h * HOUR_MS), act, events);
            })
        };
        assert!(said(Some(1), true, 1).is_some() && said(Some(1), false, 500).is_some());
        assert_eq!(said(Some(1), false, 5), None);
        assert_eq!(said(Some(48), true, 500), None);
        assert_eq!(said(None, true, 500), None);
    }
}
