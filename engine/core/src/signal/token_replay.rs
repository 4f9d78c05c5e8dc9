//! `token_replay`: one token or key used from two networks or workloads within 10 min of each other, at least one of which is not its own.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 25,
    name: "token_replay",
    family: Family::Token,
    on: &[Kind::Identity],
    weight_db: 36,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param {
            name: "owner_percent",
            default: 80,
            least: 0,
            most: 100,
            doc: "strength when it is the owner's own place that speaks second",
        },
        Param { name: "person_percent", default: 100, least: 0, most: 100, doc: "strength for people" },
    ],
    attack: &["T1528", "T1550.001"],
    nhi: &["NHI2"],
    doc: Doc {
        sees: "One token or key used from two networks or workloads within 10 min of each other, at least one of which is not its own.",
        why: "A copied token works wherever it is taken; its owner goes on using it.",
        silent: "While the identity is being learned, for places that both belong to it, and for people who merely change networks within their country.",
        source: "MITRE ATT&CK T1528, T1550.001; OWASP NHI2:2025",
    },
    speak,
};

const OWNER_PERCENT: usize = 0;
const PERSON_PERCENT: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let overlap = row.token.overlap.filter(|o| !o.own)?;
    if row.learning && !row.workloads_declared {
        return None;
    }
    let machine = row.class.is_machine();
    if !machine && row.new_country.is_none() && row.hidden_network_days.is_none_or(|days| days > 1) {
        return None;
    }
    let percent = if overlap.here_own { p[OWNER_PERCENT] } else { 100 } * if machine { 100 } else { p[PERSON_PERCENT] } / 100;
    Some(Said {
        strength_permille: percent as i32 * 10,
        observed: format!("used from two places {} s apart", overlap.ms / 1_000),
        expected: "one place at a time, or places that it has long used".to_owned(),
        detail: format!("{} was used from two places within 10 min", look.event.credential_id().unwrap_or("a credential")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Overlap;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_a_copy_and_not_of_two_own_places() {
        let said = |class, own, here_own, learning| {
            example(&SIGNAL, |_, row| {
                (row.class, row.learning) = (class, learning);
                row.token.overlap = Some(Overlap { ms: 60_000, own, here_own });
            })
            .map(|s| s.strength_permille)
        };
        use crate::event::Class::{Customer, Service};
        assert_eq!(said(Service, false, false, false), Some(1_000));
        assert_eq!(said(Service, false, true, false), Some(800));
        assert_eq!(said(Service, true, true, false), None, "blue and green");
        assert_eq!(said(Service, false, false, true), None);
        assert_eq!(said(Customer, false, false, false), None, "from Wi-Fi to mobile");
    }
}
