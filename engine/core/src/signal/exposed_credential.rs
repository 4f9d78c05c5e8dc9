//! `exposed_credential`: a credential that was found in a leak or a repository, and is then used.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::{DAY_MS, MINUTE_MS};
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 28,
    name: "exposed_credential",
    family: Family::Token,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param { name: "days", default: 90, least: 1, most: 10000, doc: "after the exposure for which its use is told" },
        Param {
            name: "owner_percent",
            default: 40,
            least: 0,
            most: 100,
            doc: "strength from a workload, network and device of its own: the owner, who has not rotated it yet",
        },
    ],
    attack: &["T1552"],
    nhi: &["NHI2"],
    doc: Doc {
        sees: "A credential that was found in a leak or a repository, and is then used.",
        why: "Keys in repositories are tried within minutes of being pushed.",
        silent: "For other credentials of the same identity; weak from where it is always used, for whoever found it is elsewhere.",
        source: "OWASP NHI2:2025; GitGuardian, The State of Secrets Sprawl",
    },
    speak,
};

const DAYS: usize = 0;
const OWNER_PERCENT: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let ms = look.row.fact.exposed_ms?;
    if ms > settings.params[DAYS] * DAY_MS {
        return None;
    }
    let row = look.row;
    let moved = row.new_country.is_some() || row.new_network.is_some();
    let elsewhere = moved || row.new_workload || row.new_device.is_some();
    Some(Said {
        strength_permille: if elsewhere { 1_000 } else { settings.params[OWNER_PERCENT] as i32 * 10 },
        observed: format!("used {} min after it was found exposed", ms / MINUTE_MS),
        expected: "rotated and no longer used".to_owned(),
        detail: format!("{} is known to others and is in use", look.event.credential_id().unwrap_or("a credential")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_while_the_exposure_is_recent() {
        let said = |days: i64| example(&SIGNAL, |_, row| row.fact.exposed_ms = Some(days * DAY_MS));
        assert!(said(1).is_some());
        assert_eq!(said(91), None);
        assert_eq!(example(&SIGNAL, |_, _| {}), None);
    }
}
