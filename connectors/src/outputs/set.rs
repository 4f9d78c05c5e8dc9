//! Security Event Tokens (RFC 8417) with the events of CAEP and RISC: what they claim. The signature is the daemon's.
//!
//! | record | event | subject (RFC 9493) |
//! |---|---|---|
//! | verdict with another level than the one before, of an identity or a device | CAEP `risk-level-change` | the identity: `iss_sub` where its issuer is configured, `opaque` else; the device: `opaque` |
//! | security event: an outcome was confirmed | the event that it names: CAEP `session-revoked`, `credential-change`, RISC `account-disabled`, `account-enabled` | the target's, as the request had it; of a session the user and the session |
//! | a receiver asked for it | SSF `verification` | the stream |
//!
//! CAEP knows three levels: `critical` is `HIGH` there, and `risk_reason` says so. A source and a card have no word in CAEP, and none here. In
//! shadow nothing is said: whoever hears it may act on it.
//!
//! Source: OpenID CAEP 1.0, RISC 1.0 and Shared Signals Framework 1.0.

use portcullis_core::containment::SecurityEvent;
use portcullis_core::id::id;
use portcullis_core::subject::Kind;
use portcullis_core::time::{SECOND_MS, Time};
use portcullis_core::verdict::{Level, Mode, Verdict};
use serde_json::{Value, json};

/// The header `typ` of a SET's signature.
pub const TYPE: &str = "secevent+jwt";
pub const MEDIA_TYPE: &str = "application/secevent+jwt";

pub const RISK_LEVEL_CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change";
pub const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

/// The claims of a SET beside `iss` and `aud`.
#[derive(Clone, PartialEq, Debug)]
pub struct Set {
    pub jti: String,
    /// Log time, seconds.
    iat: i64,
    /// The incident.
    txn: Option<String>,
    sub_id: Value,
    /// The event's URI.
    pub event: String,
    body: Value,
}

impl Set {
    /// What a verdict says to others, if it changes the level of somebody whom CAEP has a word for. `issuer`: who names the identities so.
    pub fn of_verdict(verdict: &Verdict, issuer: Option<&str>) -> Option<Set> {
        let id = &verdict.subject.id;
        let opaque = || json!({ "format": "opaque", "id": id });
        let (principal, sub_id) = match (Kind::from_name(&verdict.subject.kind)?, issuer) {
            (Kind::Identity, Some(issuer)) => ("USER", json!({ "format": "iss_sub", "iss": issuer, "sub": id })),
            (Kind::Identity, None) => ("USER", opaque()),
            (Kind::Device, _) => ("DEVICE", opaque()),
            (Kind::Source | Kind::Card | Kind::Tenant, _) => return None,
        };
        if verdict.level == verdict.previous_level || verdict.mode == Mode::Shadow {
            return None;
        }
        let because = verdict.reasons.first().filter(|_| verdict.level > Level::Low).map_or("the evidence has faded", |r| &r.detail);
        let reason = format!("{}: {because}", verdict.level);
        Some(Set {
            jti: verdict.id.clone(),
            iat: seconds(verdict.appended_at),
            txn: verdict.incident.as_ref().map(|incident| incident.id.clone()),
            sub_id,
            event: RISK_LEVEL_CHANGE.to_owned(),
            body: json!({
                "event_timestamp": seconds(verdict.time),
                "initiating_entity": "policy",
                "reason_admin": { "en": reason },
                "principal": principal,
                "current_level": caep(verdict.level),
                "previous_level": caep(verdict.previous_level),
                "risk_reason": reason,
            }),
        })
    }

    /// What an outcome has confirmed.
    pub fn of_fact(fact: &SecurityEvent) -> Set {
        let seconds = seconds(fact.time);
        let user: Value = fact
            .target
            .sub_id
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_else(|| json!({ "format": "opaque", "id": fact.subject.id }));
        let sub_id = match fact.target.kind.as_str() {
            "session" => json!({ "format": "complex", "user": user, "session": { "format": "opaque", "id": fact.target.id } }),
            _ => user,
        };
        let mut body = json!({ "event_timestamp": seconds, "initiating_entity": "policy", "reason_admin": { "en": fact.detail } });
        if let Some(change) = &fact.change_type {
            body["change_type"] = json!(change);
            body["credential_type"] = json!(fact.target.kind);
        }
        if let Some(reason) = &fact.reason {
            body["reason"] = json!(reason);
        }
        Set { jti: fact.id.clone(), iat: seconds, txn: Some(fact.incident.clone()), sub_id, event: fact.event.clone(), body }
    }

    /// That the way to a receiver is open: what it asked to hear, at which time.
    pub fn verification(stream: &str, state: Option<&str>, now: Time) -> Set {
        let body = state.map_or_else(|| json!({}), |state| json!({ "state": state }));
        Set {
            jti: id("sv", &[stream.as_bytes(), state.unwrap_or_default().as_bytes(), &now.0.to_le_bytes()]),
            iat: seconds(now),
            txn: None,
            sub_id: json!({ "format": "opaque", "id": stream }),
            event: VERIFICATION.to_owned(),
            body,
        }
    }

    /// The payload of the JWS.
    pub fn claims(&self, issuer: &str, audience: &str) -> Value {
        let mut claims = json!({
            "iss": issuer, "aud": audience, "jti": self.jti, "iat": self.iat, "sub_id": self.sub_id, "events": { &self.event: self.body },
        });
        if let Some(txn) = &self.txn {
            claims["txn"] = json!(txn);
        }
        claims
    }
}

fn seconds(time: Time) -> i64 {
    time.0.div_euclid(SECOND_MS)
}

fn caep(level: Level) -> &'static str {
    match level {
        Level::Low => "LOW",
        Level::Medium => "MEDIUM",
        Level::High | Level::Critical => "HIGH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::verdict::{IncidentRef, Name};

    fn verdict(kind: &str, previous_level: Level, level: Level) -> Verdict {
        let text = include_str!("../../../schemas/fixtures/verdict-1.json");
        let incident = Some(IncidentRef { id: "i-1".to_owned(), opened_at: Time(5_000) });
        let subject = Name { kind: kind.to_owned(), id: "anna".to_owned() };
        Verdict {
            subject,
            level,
            previous_level,
            incident,
            appended_at: Time(7_900),
            mode: Mode::Enforce,
            ..serde_json::from_str(text).unwrap()
        }
    }

    #[test]
    fn a_change_of_level_is_said_in_the_words_of_caep() {
        let verdict = verdict("identity", Level::Low, Level::Critical);
        let claims = Set::of_verdict(&verdict, None).unwrap().claims("https://us", "https://idp");
        assert_eq!((&claims["iss"], &claims["aud"], &claims["jti"]), (&json!("https://us"), &json!("https://idp"), &json!(verdict.id)));
        assert_eq!((&claims["iat"], &claims["txn"]), (&json!(7), &json!("i-1")), "log time");
        let event = &claims["events"][RISK_LEVEL_CHANGE];
        assert_eq!(
            (&event["principal"], &event["current_level"], &event["previous_level"]),
            (&json!("USER"), &json!("HIGH"), &json!("LOW"))
        );
        assert!(event["risk_reason"].as_str().unwrap().starts_with("critical: "));
        assert_eq!(claims["sub_id"], json!({ "format": "opaque", "id": "anna" }));
        let named = Set::of_verdict(&verdict, Some("https://idp/realms/lab")).unwrap().claims("", "");
        assert_eq!(named["sub_id"], json!({ "format": "iss_sub", "iss": "https://idp/realms/lab", "sub": "anna" }));
    }

    #[test]
    fn nothing_is_said_without_a_change_or_a_word_for_it_or_in_shadow() {
        let said = |verdict: &Verdict| Set::of_verdict(verdict, None).is_some();
        assert!(said(&verdict("device", Level::High, Level::Low)));
        assert!(!said(&verdict("identity", Level::High, Level::High)));
        assert!(!said(&verdict("source", Level::Low, Level::High)) && !said(&verdict("card", Level::Low, Level::High)));
        assert!(!said(&Verdict { mode: Mode::Shadow, ..verdict("identity", Level::Low, Level::High) }));
    }
}
