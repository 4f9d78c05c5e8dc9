//! `strong_factor`: a passkey or security key accepted on a device that was known before.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::AuthMethod;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 18,
    name: "strong_factor",
    family: Family::Protective,
    on: &[Kind::Identity],
    weight_db: -15,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::AUTH,
    params: &[Param { name: "device_days", default: 1, least: 0, most: 365, doc: "days that the device must have been known" }],
    attack: &[],
    nhi: &[],
    doc: Doc {
        sees: "A passkey or security key accepted on a device that was known before.",
        why: "It cannot be phished or guessed, and needs the owner's device.",
        silent: "Against evidence of another session, device or credential: the owner at home says nothing about a thief elsewhere.",
        source: "NIST SP 800-63B-4 (phishing resistance); W3C Web Authentication Level 3",
    },
    speak,
};

const DEVICE_DAYS: usize = 0;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    if !look.event.succeeded() || look.event.method() != Some(AuthMethod::Webauthn) {
        return None;
    }
    let days = look.row.device_known_days.filter(|d| *d >= settings.params[DEVICE_DAYS])?;
    Some(Said {
        strength_permille: 1_000,
        observed: format!("webauthn on a device known for {days} days"),
        expected: "a phishing-resistant factor on a known device".to_owned(),
        detail: "a passkey was accepted on a known device".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_known_devices_only() {
        let said = |method, days| {
            example(&SIGNAL, |event, row| {
                event.outcome = crate::event::Outcome::Success;
                event.auth = Some(crate::event::Auth { method: Some(method), ..Default::default() });
                row.device_known_days = days;
            })
        };
        assert!(said(AuthMethod::Webauthn, Some(3)).is_some());
        assert_eq!(said(AuthMethod::Webauthn, Some(0)), None);
        assert_eq!(said(AuthMethod::Webauthn, None), None);
        assert_eq!(said(AuthMethod::Push, Some(99)), None);
    }
}
