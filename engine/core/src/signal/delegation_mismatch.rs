//! `delegation_mismatch`: an agent acts for a principal that did not delegate to it, whose delegation has ended, or that is gone or contained itself.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::row::Delegation;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 50,
    name: "delegation_mismatch",
    family: Family::Agent,
    on: &[Kind::Identity],
    weight_db: 34,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::Machines,
    when: Types::ACTS,
    params: &[
        Param { name: "ended_percent", default: 90, least: 0, most: 100, doc: "strength when the delegation has ended" },
        Param {
            name: "new_percent",
            default: 60,
            least: 0,
            most: 100,
            doc: "strength for a principal that is merely new, where nothing is declared",
        },
    ],
    attack: &[],
    nhi: &["ASI03"],
    doc: Doc {
        sees: "An agent acts for a principal that did not delegate to it, whose delegation has ended, or that is gone or contained itself.",
        why: "An agent that can be talked into acting for anybody is everybody's administrator.",
        silent: "For principals that delegated, and for new ones while the agent is being learned.",
        source: "OWASP Agentic Security, ASI03; RFC 8693, 4.1",
    },
    speak,
};

const ENDED_PERCENT: usize = 0;
const NEW_PERCENT: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let p = &settings.params;
    let (percent, what) = match look.row.agent.delegation? {
        Delegation::Gone => (100, "is gone or contained"),
        Delegation::NotGiven => (100, "did not delegate to it"),
        Delegation::Ended => (p[ENDED_PERCENT], "no longer delegates to it"),
        Delegation::New if !look.row.learning => (p[NEW_PERCENT], "it never acted for"),
        Delegation::New | Delegation::Fits => return None,
    };
    let principal = look.event.identity.as_ref().and_then(|i| i.on_behalf_of.as_deref()).unwrap_or("?");
    Some(Said {
        strength_permille: percent as i32 * 10,
        observed: format!("acts for {principal}, which {what}"),
        expected: "a principal that delegated to it".to_owned(),
        detail: format!("the agent acted for {principal}, which {what}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_principals_that_did_not_delegate() {
        let said = |delegation, learning| {
            example(&SIGNAL, |_, row| (row.agent.delegation, row.learning) = (Some(delegation), learning)).map(|s| s.strength_permille)
        };
        assert_eq!(said(Delegation::NotGiven, true), Some(1_000));
        assert_eq!(said(Delegation::Ended, false), Some(900));
        assert_eq!(said(Delegation::New, false), Some(600));
        assert_eq!(said(Delegation::New, true), None);
        assert_eq!(said(Delegation::Fits, false), None);
    }
}
