//! `set`: Security Event Tokens (RFC 8417) with the events of CAEP and RISC, as their JSON claims or as a compact JWS.
//!
//! | event | type |
//! |---|---|
//! | CAEP `session-revoked`, RISC `sessions-revoked` | `containment.outcome`: `terminate_session` done; begun by the user: `auth.logout` |
//! | `session-established`; `session-presented` | `auth.login`; `api.request` |
//! | `credential-change` of a password or PIN; of a certificate | `credential.rotate` (revoked, deleted: `credential.revoke`); `credential.{create,rotate,revoke}` |
//! | `credential-change` of anything else | `account.update` of the `factor`, its type in `change.value`, removed where revoked or deleted |
//! | `assurance-level-change`, increased | `auth.mfa`, `auth.acr` the level |
//! | `device-compliance-change` | `device.posture` |
//! | `risk-level-change` | `risk.external`: `name` the reason, `level` the current one |
//! | RISC `account-disabled`, `account-enabled` | `containment.outcome`: `disable_account` done, reverted |
//! | `account-purged`; `account-credential-change-required` | `account.delete`; `risk.external` |
//! | `credential-compromise` | `credential.exposed`, `credential.kind` |
//! | `identifier-changed`, `recovery-information-changed`; `recovery-activated` | `account.update` of the `email` or `phone`, of the `recovery`; `auth.recovery` |
//! | any other (`token-claims-change`, a lowered assurance, opt-in and -out, verification, stream updates) | ignored as `set:EVENT` |
//!
//! | SET | event |
//! |---|---|
//! | `jti` | `id` |
//! | `event_timestamp` (s), else `toe`, `iat` | `time` |
//! | `iss` | `provider.instance`, `risk.provider`, `containment.by` |
//! | `sub_id`, else the event's `subject`, else `sub` | `identity` by [`Subject`]: the user of a complex subject; `iss_sub`, `email`, `phone_number`, `opaque`, `account`, `uri`, `did`, the first of `aliases`; `session.id`, `source.device_id` of a complex one |
//! | `acr`, `amr`, `ips[0]`, `fp_ua`, `ext_id` | `auth.{acr,amr}`, `source.ip`; `session.id`; `fp_ua` is not read (a hash of a user agent) |
//! | `reason_admin`, `risk_reason`, `reason` | `containment.detail`, `risk.name` |
//!
//! Most of these are control records: the input has to be marked `trust: control`. **The signature of a JWS is not checked here**: take
//! SETs from a receiver that has checked it, or let nobody else write to the topic. A subject that is a token, an assertion, a group or a
//! device alone names no identity and is ignored and counted.
//!
//! Source: OpenID CAEP 1.0, RISC 1.0 and Shared Signals Framework 1.0; RFC 9493. Their own examples are read in `tests/real_data.rs`.

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item, of_tree, tree};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis_core::event::{
    Auth, Change, ContainmentOutcome, Credential, CredentialKind, Event, EventType, ExternalRisk, Named, Outcome, OutcomeStatus, Posture,
    Provider, Request, Session, Source,
};
use portcullis_core::text::Text;

/// Whether a text looks like a compact JWS: `eyJ...` is `{"`.
pub(super) fn is_jws(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3
}

/// Reads a compact JWS.
pub(super) fn decode_jws<'a>(text: &str, input: &'a super::Input) -> Result<Item<'a>, Fault> {
    let payload = text.split('.').nth(1).unwrap_or("");
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .map_err(|error| Fault::new("", format!("the payload of the JWS is no base64url: {error}")))?;
    let claims = tree(&bytes)?.into_static();
    Ok(of_tree(super::Format::Set, &claims, input))
}

/// Reads one set of claims.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let Json::Object(events) = json.get("events") else { return Err(Fault::new("events", "missing: not a Security Event Token")) };
    let Some((uri, said)) = events.first() else { return Err(Fault::new("events", "is empty")) };
    // `session-revoked` of `https://schemas.openid.net/secevent/caep/event-type/session-revoked`
    let name = uri.rsplit('/').next().unwrap_or(uri);
    let native_type = Text::from(name.to_owned());
    let subject = Subject::of(json, said);
    let Some((kind, status)) = meaning(name, said) else { return Ok(Item::ignored(super::kind_of("set", Some(&native_type)))) };
    let Some(mut identity) = subject.identity() else {
        return Ok(Item::ignored(format!("{} of no identity", super::kind_of("set", Some(&native_type)))));
    };
    let time = if said.get("event_timestamp").is_null() {
        fields::time(json, if json.get("toe").is_null() { &["iat"] } else { &["toe"] }, Json::seconds)?
    } else {
        fields::time(said, &["event_timestamp"], Json::seconds)?
    };
    let issuer = json.get("iss").text();
    identity.issuer = identity.issuer.or_else(|| issuer.clone());
    let mut event = fields::event(kind, time, native_type);
    event.id = json.get("jti").text().unwrap_or_default();
    event.outcome = Outcome::Success;
    event.provider = Some(Provider { product: None, instance: issuer.clone() }).filter(|p| *p != Provider::default());
    let session = subject.part("session").or_else(|| said.get("ext_id").text());
    event.source = Source {
        ip: said.get("ips").list().first().and_then(fields::ip),
        device_id: subject.part("device"),
        posture: posture(said).filter(|_| kind == EventType::DevicePosture),
        ..Source::default()
    }
    .unless_empty();
    use EventType::*;
    match kind {
        ContainmentOutcome => event.containment = Some(Box::new(containment(name, said, status, issuer, session.clone()))),
        RiskExternal => {
            event.risk = Some(Box::new(ExternalRisk {
                provider: issuer,
                name: reason(said).or_else(|| Some(Text::from(name.to_owned()))),
                level: said.get("current_level").text().map(fields::lower),
            }));
        }
        _ => describe(&mut event, name, said),
    }
    event.session = Session { id: session, parent: None }.unless_empty();
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

/// The table of events, and what became of the containment that one tells of.
fn meaning(name: &str, said: &Json) -> Option<(EventType, OutcomeStatus)> {
    use EventType::*;
    let ends = matches!(said.get("change_type").str(), "revoke" | "delete");
    let kind = match name {
        "session-revoked" | "sessions-revoked" if said.get("initiating_entity").str() == "user" => AuthLogout,
        "session-revoked" | "sessions-revoked" | "account-disabled" => ContainmentOutcome,
        "account-enabled" => return Some((ContainmentOutcome, OutcomeStatus::Reverted)),
        "session-established" => AuthLogin,
        "session-presented" => ApiRequest,
        "credential-change" => match (credential_kind(said.get("credential_type").str()), said.get("change_type").str()) {
            (Some(_), _) if ends => CredentialRevoke,
            (Some(CredentialKind::Certificate), "create") => CredentialCreate,
            (Some(_), _) => CredentialRotate,
            (None, _) => AccountUpdate,
        },
        "assurance-level-change" if said.get("change_direction").str() == "increase" => AuthMfa,
        "device-compliance-change" => DevicePosture,
        "risk-level-change" | "account-credential-change-required" => RiskExternal,
        "account-purged" => AccountDelete,
        "credential-compromise" => CredentialExposed,
        "identifier-changed" | "recovery-information-changed" => AccountUpdate,
        "recovery-activated" => AuthRecovery,
        _ => return None,
    };
    Some((kind, OutcomeStatus::Done))
}

/// Kinds that are no second factors.
fn credential_kind(name: &str) -> Option<CredentialKind> {
    match name {
        "password" | "pin" => Some(CredentialKind::Password),
        "x509" => Some(CredentialKind::Certificate),
        _ => None,
    }
}

fn describe<'a>(event: &mut Event<'a>, name: &str, said: &Json<'a>) {
    let kind = said.get("credential_type").text();
    match name {
        "credential-change" => {
            let is_factor = event.kind == EventType::AccountUpdate;
            event.credential = Credential { kind: credential_kind(kind.as_deref().unwrap_or("")), ..Credential::default() }.unless_empty();
            if is_factor {
                let ends = matches!(said.get("change_type").str(), "revoke" | "delete");
                let role = ends.then_some(Text::borrowed("removed"));
                event.change =
                    Change { target: Some(Text::borrowed("factor")), value: kind, role, ..Change::default() }.boxed_unless_empty();
            }
        }
        "credential-compromise" => {
            event.credential = Credential { kind: credential_kind(kind.as_deref().unwrap_or("")), ..Credential::default() }.unless_empty()
        }
        "session-established" | "assurance-level-change" => {
            event.auth = Auth {
                acr: fields::first(said, &["acr", "current_level"]),
                amr: said.get("amr").list().iter().filter_map(Json::text).collect(),
                ..Auth::default()
            }
            .unless_empty();
        }
        "session-presented" => event.request = Some(Request { route: Some(Text::borrowed("session-presented")), ..Request::default() }),
        "identifier-changed" => {
            let value = said.get("new-value").text();
            let target = if value.as_deref().is_some_and(|value| value.contains('@')) { "email" } else { "phone" };
            event.change = Change { target: Some(Text::borrowed(target)), value, ..Change::default() }.boxed_unless_empty();
        }
        "recovery-information-changed" => {
            event.change = Change { target: Some(Text::borrowed("recovery")), ..Change::default() }.boxed_unless_empty()
        }
        _ => {}
    }
}

fn containment<'a>(
    name: &str,
    said: &Json<'a>,
    status: OutcomeStatus,
    by: Option<Text<'a>>,
    session: Option<Text<'a>>,
) -> ContainmentOutcome<'a> {
    let action = if name.starts_with("session") { "terminate_session" } else { "disable_account" };
    ContainmentOutcome {
        request_id: None,
        jws: None,
        subject: None,
        status,
        by,
        detail: reason(said),
        action: Some(Text::borrowed(action)),
        target: session.filter(|_| action == "terminate_session").map(|id| Named { kind: Text::borrowed("session"), id }),
    }
}

/// Why, in the first language that it is said in.
fn reason<'a>(said: &Json<'a>) -> Option<Text<'a>> {
    let translated = match said.get("reason_admin") {
        Json::Object(languages) => languages.first().and_then(|(_, text)| text.text()),
        text => text.text(),
    };
    said.get("risk_reason").text().or(translated).or_else(|| said.get("reason").text())
}

fn posture(said: &Json) -> Option<Posture> {
    match said.get("current_status").str() {
        "compliant" => Some(Posture::Compliant),
        "not-compliant" => Some(Posture::Risky),
        _ => None,
    }
}

/// Whom a SET is about (RFC 9493).
struct Subject<'j, 'a> {
    claims: &'j Json<'a>,
    named: &'j Json<'a>,
}

impl<'j, 'a> Subject<'j, 'a> {
    fn of(claims: &'j Json<'a>, said: &'j Json<'a>) -> Subject<'j, 'a> {
        let named = [claims.get("sub_id"), said.get("subject")].into_iter().find(|subject| subject.is_object());
        Subject { claims, named: named.unwrap_or(claims.get("sub_id")) }
    }

    fn identity(&self) -> Option<portcullis_core::event::Identity<'a>> {
        if !self.named.is_object() {
            return Some(fields::identity(self.claims.get("sub").text()?, None, None));
        }
        let user = self.named.get("user");
        let user = if user.is_object() { user } else { self.named };
        let (id, issuer) = simple(user)?;
        Some(fields::identity(id, None, issuer))
    }

    /// A part of a complex subject: `session`, `device`.
    fn part(&self, name: &str) -> Option<Text<'a>> {
        simple(self.named.get(name)).map(|(id, _)| id)
    }
}

/// The name in an identifier, and who names it so. A token, an assertion, addresses or a catalogue's item name nobody.
fn simple<'a>(identifier: &Json<'a>) -> Option<(Text<'a>, Option<Text<'a>>)> {
    let format = identifier.get("format").text().or_else(|| identifier.get("subject_type").text())?;
    let name = |key: &str| identifier.get(key).text();
    match &*format {
        "iss_sub" | "iss-sub" => Some((name("sub")?, name("iss"))),
        "email" => Some((fields::lower(name("email")?), None)),
        "phone_number" | "phone" => Some((name("phone_number").or_else(|| name("phone"))?, None)),
        "opaque" => Some((name("id")?, None)),
        "account" | "uri" => Some((name("uri")?, None)),
        "did" => Some((name("url")?, None)),
        "aliases" => identifier.get("identifiers").list().iter().filter(|i| i.get("format").str() != "aliases").find_map(simple),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use super::*;

    const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
    const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

    fn claims(uri: &str, name: &str, said: &str) -> String {
        format!(
            r#"{{"iss":"https://idp.example/","jti":"j-1","iat":1777629600,"aud":"x","sub_id":{{"format":"complex","user":{{"format":"iss_sub","iss":"https://idp.example/lab","sub":"u-1"}},
            "session":{{"format":"opaque","id":"s-1"}}}},"events":{{"{uri}{name}":{{{said}}}}}}}"#
        )
    }

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::operator("set"))
    }

    #[test]
    fn a_session_was_revoked() {
        let raw = claims(
            CAEP,
            "session-revoked",
            r#""initiating_entity":"policy","reason_admin":{"en":"Landspeed"},"event_timestamp":1777629599"#,
        );
        assert_eq!(
            read(&raw),
            concat!(
                r#"{"id":"j-1","time":"2026-05-01T09:59:59.000Z","type":"containment.outcome","outcome":"success","tenant":"default","#,
                r#""identity":{"id":"u-1","issuer":"https://idp.example/lab"},"provider":{"instance":"https://idp.example/"},"session":{"id":"s-1"},"#,
                r#""containment":{"status":"done","by":"https://idp.example/","detail":"Landspeed","action":"terminate_session","target":{"kind":"session","id":"s-1"}},"#,
                r#""stamp":{"native_type":"session-revoked"}}"#
            )
        );
        assert!(testing::read(Format::Set, &raw, &Input::behaviour("set", None)).starts_with("type: not_allowed_here"));
        let jws = format!(
            "{}.{}.c2ln",
            BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"secevent+jwt"}"#),
            BASE64_URL_SAFE_NO_PAD.encode(&raw)
        );
        assert_eq!(read(&jws), read(&raw));
        assert!(testing::read(Format::Set, "eyJ.!.x", &Input::operator("f")).contains("no base64url"));
    }

    #[test]
    fn events_of_caep_and_risc() {
        for (uri, name, said, expected) in [
            (CAEP, "session-revoked", r#""initiating_entity":"user""#, r#""type":"auth.logout""#),
            (CAEP, "session-established", r#""acr":"AAL2","amr":["otp"]"#, r#""auth":{"acr":"AAL2","amr":["otp"]}"#),
            (CAEP, "credential-change", r#""credential_type":"password","change_type":"update""#, r#""type":"credential.rotate""#),
            (
                CAEP,
                "credential-change",
                r#""credential_type":"fido2-roaming","change_type":"revoke""#,
                r#""change":{"role":"removed","target":"factor","value":"fido2-roaming"}"#,
            ),
            (CAEP, "assurance-level-change", r#""current_level":"nist-aal2","change_direction":"increase""#, r#""type":"auth.mfa""#),
            (CAEP, "device-compliance-change", r#""current_status":"not-compliant""#, r#""source":{"posture":"risky"}"#),
            (
                CAEP,
                "risk-level-change",
                r#""principal":"USER","current_level":"HIGH","risk_reason":"LEAK""#,
                r#""risk":{"provider":"https://idp.example/","name":"LEAK","level":"high"}"#,
            ),
            (RISC, "account-disabled", r#""reason":"hijacking""#, r#""detail":"hijacking","action":"disable_account""#),
            (RISC, "account-enabled", "", r#""status":"reverted""#),
            (RISC, "credential-compromise", r#""credential_type":"password""#, r#""type":"credential.exposed""#),
            (CAEP, "token-claims-change", r#""claims":{"role":"x"}"#, "set:token-claims-change"),
        ] {
            let event = read(&claims(uri, name, said));
            assert!(event.contains(expected), "{name}: {event}");
        }
    }

    #[test]
    fn subjects() {
        for (subject, expected) in [
            (r#"{"format":"email","email":"Foo@example.com"}"#, Some("foo@example.com")),
            (
                r#"{"format":"aliases","identifiers":[{"format":"aliases","identifiers":[]},{"format":"phone_number","phone_number":"+1"}]}"#,
                Some("+1"),
            ),
            (r#"{"subject_type":"iss-sub","iss":"x","sub":"u"}"#, Some("u")),
            (r#"{"format":"jwt_id","iss":"x","jti":"y"}"#, None),
        ] {
            let raw = format!(r#"{{"jti":"j","iat":1777629600,"sub_id":{subject},"events":{{"{CAEP}session-presented":{{}}}}}}"#);
            let mut id = None;
            super::super::decode(Format::Set, raw.as_bytes(), &Input::operator("f"), &mut |_, item| {
                if let Item::Event(event) = item {
                    id = event.identity_id().map(str::to_owned);
                }
            });
            assert_eq!(id.as_deref(), expected, "{subject}");
        }
        assert_eq!(testing::read(Format::Set, r#"{"events":{"x/session-presented":{}},"sub":"u"}"#, &Input::operator("f")), "iat: missing");
    }
}
