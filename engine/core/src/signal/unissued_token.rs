//! `unissued_token`: a session that no log-in or token event issued, after a week in which every session was.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 59,
    name: "unissued_token",
    family: Family::Token,
    on: &[Kind::Identity],
    weight_db: 16,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[Param {
        name: "home_percent",
        default: 40,
        least: 0,
        most: 100,
        doc: "strength from a known place and device: the log of log-ins may merely be late",
    }],
    attack: &["T1606.002"],
    nhi: &[],
    doc: Doc {
        sees: "A session that no log-in or token event issued, after a week in which every session was.",
        why: "Forged tokens and cookies come from nowhere.",
        silent: "Until the log of log-ins has been complete for a week; a gap in it speaks once, and weakly from a known place and device, where a late log is likelier than a forgery.",
        source: "MITRE ATT&CK T1606.002 (Golden SAML)",
    },
    speak,
};

const HOME_PERCENT: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let row = look.row;
    let days = look.row.token.unissued_after_days?;
    let elsewhere = row.new_country.is_some() || row.new_network.is_some() || row.new_device.is_some();
    let session = look.event.session_id().unwrap_or("?");
    Some(Said {
        strength_permille: if elsewhere { 1_000 } else { settings.params[HOME_PERCENT] as i32 * 10 },
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
        let said = |days, new_device| {
            example(&SIGNAL, |_, row| {
                row.token.unissued_after_days = days;
                row.new_device = Some(crate::row::Novelty { likelihood_cb: 100, share_ppm: 0 }).filter(|_| new_device);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(Some(9), true), Some(1_000));
        assert_eq!(said(Some(9), false), Some(400), "the log may be late");
        assert_eq!(said(None, true), None);
    }
}
