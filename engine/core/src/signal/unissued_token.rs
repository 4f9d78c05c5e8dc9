//! `unissued_token`: a session that no log-in or token event issued, after a week in which every session was.

use super::{Applies, Doc, Look, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 59,
    name: "unissued_token",
    family: Family::Token,
    on: &[Kind::Identity],
    weight_db: 12,
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[],
    attack: &["T1606.002"],
    nhi: &[],
    doc: Doc {
        sees: "A session that no log-in or token event issued, after a week in which every session was.",
        why: "Forged tokens and cookies come from nowhere.",
        silent: "Until the log of log-ins has been complete for a week; a gap in it speaks once.",
        source: "MITRE ATT&CK T1606.002 (Golden SAML)",
    },
    speak,
};

fn speak(look: &Look<'_>, _: &SignalSettings) -> Option<Said> {
    let days = look.row.token.unissued_after_days?;
    let session = look.event.session_id().unwrap_or("?");
    Some(Said {
        strength_permille: 1_000,
        observed: format!("session {session} without a log-in"),
        expected: format!("a log-in, as for every session of the last {days} days"),
        detail: format!("session {session} was issued by nobody that we know of"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_sessions_from_nowhere() {
        let said = |days| example(&SIGNAL, |_, row| row.token.unissued_after_days = days);
        assert!(said(Some(9)).is_some());
        assert_eq!(said(None), None);
    }
}
