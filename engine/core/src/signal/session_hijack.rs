//! `session_hijack`: one session that changes two of device, TLS fingerprint and network while it is in use.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
#[cfg(test)]
use crate::row::Moved;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 10,
    name: "session_hijack",
    family: Family::Token,
    on: &[Kind::Identity],
    weight_db: 34,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[Param { name: "changes", default: 2, least: 1, most: 3, doc: "changes at which it speaks" }],
    attack: &["T1539", "T1550.004"],
    nhi: &[],
    doc: Doc {
        sees: "One session that changes two of device, TLS fingerprint and network while it is in use.",
        why: "A stolen cookie works without a password and without a second factor.",
        silent: "For one change alone: people change networks and browsers update; between Wi-Fi and mobile within a country it counts half.",
        source: "MITRE ATT&CK T1539, T1550.004; JA4 compared without transport and ALPN",
    },
    speak,
};

const CHANGES: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let moved = look.row.session_moved?;
    let changes = i64::from(moved.changes());
    if changes < settings.params[CHANGES] {
        return None;
    }
    let named: Vec<&str> = [(moved.device, "device"), (moved.ja4, "TLS fingerprint"), (moved.asn, "network")]
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, n)| *n)
        .collect();
    let strength = if changes >= 3 { 1_000 } else { 850 };
    Some(Said {
        strength_permille: if moved.roaming { strength / 2 } else { strength },
        observed: format!("{} changed within session {}", named.join(", "), look.event.session_id().unwrap_or("?")),
        expected: "one device on one network, or one change at a time".to_owned(),
        detail: format!("the session's {} changed while it was in use", named.join(" and ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_two_changes() {
        let said = |device, ja4, asn, roaming| example(&SIGNAL, |_, row| row.session_moved = Some(Moved { device, ja4, asn, roaming }));
        assert_eq!(said(true, true, true, false).unwrap().strength_permille, 1_000);
        assert_eq!(said(true, false, true, false).unwrap().strength_permille, 850);
        assert_eq!(said(true, false, true, true).unwrap().strength_permille, 425);
        assert_eq!(said(false, false, true, true), None);
    }
}
