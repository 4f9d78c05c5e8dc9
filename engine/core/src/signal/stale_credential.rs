//! `stale_credential`: a credential older than its kind should get, or than the inventory allows; grows with its age.

use super::graded;
use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::CredentialKind;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::{DAY_MS, HOUR_MS, Span};
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 11,
    name: "stale_credential",
    family: Family::Lifecycle,
    on: &[Kind::Identity],
    weight_db: 4,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::All,
    when: Types::ACTS,
    params: &[
        Param { name: "static_days", default: 90, least: 1, most: 10000, doc: "keys and client secrets" },
        Param { name: "certificate_days", default: 398, least: 1, most: 10000, doc: "certificates" },
        Param { name: "session_days", default: 30, least: 1, most: 10000, doc: "sessions and refresh tokens" },
        Param { name: "token_hours", default: 24, least: 1, most: 100000, doc: "access tokens" },
    ],
    attack: &[],
    nhi: &["NHI7"],
    doc: Doc {
        sees: "A credential older than its kind should get, or than the inventory allows; grows with its age.",
        why: "Long-lived secrets have leaked somewhere sooner or later.",
        silent: "For credentials whose issue time the log does not tell.",
        source: "OWASP NHI7:2025; NIST SP 800-63B-4",
    },
    speak,
};

const STATIC_DAYS: usize = 0;
const CERTIFICATE_DAYS: usize = 1;
const SESSION_DAYS: usize = 2;
const TOKEN_HOURS: usize = 3;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (age_ms, p) = (look.row.credential_age_ms?, &settings.params);
    let most_ms = look.row.credential_age_max_ms.or_else(|| {
        use CredentialKind::*;
        match look.event.credential.as_ref()?.kind? {
            ApiKey | ClientSecret => Some(p[STATIC_DAYS] * DAY_MS),
            Certificate | WorkloadIdentity => Some(p[CERTIFICATE_DAYS] * DAY_MS),
            Session | RefreshToken => Some(p[SESSION_DAYS] * DAY_MS),
            AccessToken => Some(p[TOKEN_HOURS] * HOUR_MS),
            Password | Passkey => None,
        }
    })?;
    if age_ms <= most_ms {
        return None;
    }
    Some(Said {
        strength_permille: graded(age_ms, most_ms, most_ms.saturating_mul(3)),
        observed: format!("{} days old", age_ms / DAY_MS),
        expected: format!("at most {}", Span(most_ms)),
        detail: format!("credential {} is {} days old", look.event.credential_id().unwrap_or("?"), age_ms / DAY_MS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn grows_with_age() {
        let said = |kind, days: i64, most_days: Option<i64>| {
            example(&SIGNAL, |event, row| {
                event.credential = Some(crate::event::Credential { kind: Some(kind), ..Default::default() });
                (row.credential_age_ms, row.credential_age_max_ms) = (Some(days * DAY_MS), most_days.map(|d| d * DAY_MS));
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(CredentialKind::ApiKey, 90, None), None);
        assert_eq!(said(CredentialKind::ApiKey, 180, None), Some(750));
        assert_eq!(said(CredentialKind::ApiKey, 400, None), Some(1_000));
        assert_eq!(said(CredentialKind::ApiKey, 400, Some(500)), None, "the inventory allows it");
        assert_eq!(said(CredentialKind::Password, 4_000, None), None);
    }
}
