//! `mass_secret_read`: far more different secrets read in an hour than this identity ever reads.

use super::far_above;
use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::EventType;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 44,
    name: "mass_secret_read",
    family: Family::Privilege,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::of(&[EventType::SecretRead]),
    params: &[
        Param { name: "secrets", default: 10, least: 2, most: 100000, doc: "different secrets in 1 h" },
        Param { name: "times", default: 4, least: 1, most: 1000, doc: "times the usual at which it begins to speak" },
        Param { name: "full", default: 14, least: 3, most: 1000000, doc: "secrets at full strength" },
    ],
    attack: &["T1555.006", "T1552"],
    nhi: &[],
    doc: Doc {
        sees: "Far more different secrets read in an hour than this identity ever reads.",
        why: "Whoever gets into a vault empties it.",
        silent: "For deployments that read as many every day.",
        source: "MITRE ATT&CK T1555.006",
    },
    speak,
};

const SECRETS: usize = 0;
const TIMES: usize = 1;
const FULL: usize = 2;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row.privilege, &settings.params);
    if !far_above(row.secrets_1h, row.usual_secrets_1h, p[SECRETS], p[TIMES]) {
        return None;
    }
    Some(Said {
        strength_permille: graded(row.secrets_1h.into(), p[SECRETS], p[FULL]),
        observed: format!("{} secrets in 1 h", row.secrets_1h),
        expected: format!("about {}", row.usual_secrets_1h),
        detail: format!("{} different secrets were read within an hour, usually about {}", row.secrets_1h, row.usual_secrets_1h),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::PrivilegeUse;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_an_emptied_vault() {
        let said = |secrets_1h, usual_secrets_1h| {
            example(&SIGNAL, |_, row| row.privilege = PrivilegeUse { secrets_1h, usual_secrets_1h, ..PrivilegeUse::default() })
                .map(|s| s.strength_permille)
        };
        assert_eq!(said(40, 2), Some(1_000));
        assert_eq!(said(10, 0), Some(500));
        assert_eq!(said(60, 50), None, "a deployment");
        assert_eq!(said(9, 0), None);
    }
}
