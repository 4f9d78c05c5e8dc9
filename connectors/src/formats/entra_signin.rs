//! `entra_signin`: sign-in logs of Microsoft Entra ID, as diagnostic settings write them (`category` ends in `SignInLogs`) or as the
//! Graph API gives them (`signIn`).
//!
//! | sign-in | event |
//! |---|---|
//! | `properties.id` | `id` |
//! | `createdDateTime`, else the envelope's `time` | `time` |
//! | `category` | `type`: SignInLogs and ADFSSignInLogs `auth.login`; NonInteractiveUserSignInLogs, ServicePrincipalSignInLogs, MicrosoftServicePrincipalSignInLogs, ManagedIdentitySignInLogs `auth.token`; without one: `isInteractive`, `servicePrincipalId` |
//! | `status.errorCode` (`resultType`) | `outcome` and `auth.failure` by [`result`]; a second factor that failed (500121) is `auth.mfa` |
//! | `userId`, else `userPrincipalName`; `servicePrincipalId` of applications | `identity.id`, class `service` of applications; `native_id` is the name |
//! | `tenantId`, `/tenants/{id}` | `identity.issuer`, `provider.instance` |
//! | `sessionId` | `session.id` |
//! | `uniqueTokenIdentifier`, `appId`, `resourceDisplayName` | `credential.{id,client_id,audience}`; of `auth.token` it is an `access_token` |
//! | `authenticationProtocol`, `clientAppUsed`, the last of `authenticationDetails[]`, `clientCredentialType` | `auth.method` |
//! | `authenticationRequirement` | `auth.amr` `mfa` |
//! | `ipAddress`, `autonomousSystemNumber`, `location`, `userAgent` | `source.{ip,asn,country,lat,lon,user_agent}` |
//! | `deviceDetail.{deviceId,isCompliant,isManaged}` | `source.device_id`; `posture` `compliant`, `risky` where a managed device is not |
//!
//! Not read: `riskLevelDuringSignIn` and the like (what Entra thinks; its own risk events are the place for it), `conditionalAccessStatus`
//! and the policies applied (the error code tells what they decided), `networkLocationDetails`.
//!
//! Source: Microsoft Graph `signIn` resource, "Sign-in log schema in Azure Monitor", "Microsoft Entra authentication and authorization
//! error codes". Read on public records in `tests/real_data.rs`; the examples here are written from the documented fields.

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item, azure};
use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Class, Credential, CredentialKind, EventType, Outcome, Posture, Session, Source,
};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let sign_in = azure::properties(json);
    let time =
        fields::time(sign_in, &["createdDateTime"], Json::time).or_else(|fault| match fields::time(json, &["time"], Json::time) {
            Ok(time) => Ok(time),
            Err(_) => Err(fault),
        })?;
    let category = json.get("category").str();
    let of_user = azure::object_id(sign_in.get("userId")).or_else(|| sign_in.get("userPrincipalName").text().map(fields::lower));
    let of_application = azure::object_id(sign_in.get("servicePrincipalId")).or_else(|| azure::object_id(sign_in.get("appId")));
    let is_application = match category {
        "" => of_user.is_none(),
        name => name.contains("ServicePrincipal") || name.starts_with("ManagedIdentity"),
    };
    let (who, name) = if is_application {
        (of_application, sign_in.get("servicePrincipalName").text())
    } else {
        (of_user, sign_in.get("userPrincipalName").text().map(fields::lower))
    };
    let Some(id) = who else { return Err(Fault::new("properties.userId", "missing: the sign-in names nobody")) };
    let code = sign_in.at("status.errorCode").int().or_else(|| json.get("resultType").int());
    let (outcome, failure) = code.map_or((Outcome::Unknown, None), result);
    let interactive = match category {
        "" => !is_application && sign_in.get("isInteractive").bool() != Some(false),
        name => matches!(name, "SignInLogs" | "ADFSSignInLogs"),
    };
    let (kind, failure) = match (code, interactive) {
        (Some(FACTOR_FAILED), _) => (EventType::AuthMfa, Some(factor_failure(sign_in))),
        (_, true) => (EventType::AuthLogin, failure),
        (_, false) => (EventType::AuthToken, failure),
    };
    let native_type = sign_in.get("signInEventTypes").list().first().and_then(Json::text);
    let native_type = json.get("category").text().or(native_type).unwrap_or(Text::borrowed("signIn"));
    let mut event = fields::event(kind, time, native_type);
    event.id = sign_in.get("id").text().unwrap_or_default();
    event.outcome = outcome;
    let mut identity = fields::identity(id, name, azure::tenant(json));
    identity.class = is_application.then_some(Class::Service);
    event.identity = Some(identity);
    event.provider = fields::provider("entra", azure::tenant(json));
    event.session = Session { id: azure::object_id(sign_in.get("sessionId")), parent: None }.unless_empty();
    event.credential = Credential {
        id: sign_in.get("uniqueTokenIdentifier").text(),
        kind: (kind == EventType::AuthToken).then_some(CredentialKind::AccessToken),
        client_id: azure::object_id(sign_in.get("appId")),
        audience: fields::first(sign_in, &["resourceDisplayName", "resourceId"]),
        ..Credential::default()
    }
    .unless_empty();
    event.auth = Auth { method: method(sign_in, kind, is_application), failure, amr: amr(sign_in), ..Auth::default() }.unless_empty();
    event.source = source(json, sign_in).unless_empty();
    Ok(Item::Event(event))
}

fn source<'a>(json: &Json<'a>, sign_in: &Json<'a>) -> Source<'a> {
    let (place, device) = (sign_in.get("location"), sign_in.get("deviceDetail"));
    Source {
        ip: fields::ip(sign_in.get("ipAddress")).or_else(|| fields::ip(json.get("callerIpAddress"))),
        asn: fields::asn(sign_in.get("autonomousSystemNumber")),
        country: fields::country(place.get("countryOrRegion")).or_else(|| fields::country(json.get("location"))),
        lat: fields::latitude(place.at("geoCoordinates.latitude")),
        lon: fields::longitude(place.at("geoCoordinates.longitude")),
        user_agent: sign_in.get("userAgent").text(),
        device_id: azure::object_id(device.get("deviceId")),
        posture: match (device.get("isCompliant").bool(), device.get("isManaged").bool()) {
            (Some(true), _) => Some(Posture::Compliant),
            (Some(false), Some(true)) => Some(Posture::Risky),
            _ => None,
        },
        ..Source::default()
    }
}

/// "Authentication failed during strong authentication request": the first factor was right.
const FACTOR_FAILED: i64 = 500_121;

/// The table of error codes (AADSTS).
fn result(code: i64) -> (Outcome, Option<AuthFailure>) {
    let failure = match code {
        0 => return (Outcome::Success, None),
        // More is asked for: a second factor, its registration, a device, an external check, "stay signed in?".
        50_072 | 50_074 | 50_076 | 50_079 | 50_097 | 50_125 | 50_127 | 50_129 | 50_140 | 50_158 | 50_203 | 65_001 => {
            return (Outcome::Challenge, None);
        }
        // Wrong password, client secret or assertion.
        50_126 | 50_056 | 7_000_215 | 700_027 | 7_000_212 => AuthFailure::BadPassword,
        50_034 | 51_004 | 50_020 | 700_016 | 90_072 | 50_059 => AuthFailure::UnknownIdentity,
        50_053 => AuthFailure::Locked,
        // Passwords, secrets, tokens and sessions that have run out or were revoked.
        50_055 | 50_078 | 50_132 | 50_133 | 50_144 | 50_173 | 70_008 | 70_043 | 70_044 | 700_082 | 700_084 | 7_000_222 => {
            AuthFailure::Expired
        }
        // Conditional access, assignment, disabled accounts and applications, tenant restrictions.
        50_057 | 50_105 | 50_131 | 53_000..=53_011 | 530_002..=530_099 | 500_021 | 500_011 | 7_000_112 | 90_094 | 90_095 => {
            AuthFailure::Policy
        }
        // Nobody did anything wrong: no session yet, an account is to be chosen, the person gave up or declined a consent.
        16_000..=16_003 | 50_058 | 50_089 | 50_142 | 50_196 | 50_199 | 65_004 | 81_010 => AuthFailure::Benign,
        _ => AuthFailure::Other,
    };
    (Outcome::Failure, Some(failure))
}

/// Why the second factor failed, in the words of its step.
fn factor_failure(sign_in: &Json) -> AuthFailure {
    let steps = sign_in.get("authenticationDetails").list();
    let said = steps.iter().rev().map(|step| step.get("authenticationStepResultDetail").str()).find(|text| !text.is_empty());
    let said = said.unwrap_or_else(|| sign_in.at("status.additionalDetails").str()).to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    if has(&["no response", "not respond", "timed out", "timeout", "expired"]) {
        AuthFailure::MfaTimeout
    } else if has(&["declined", "denied", "fraud"]) {
        AuthFailure::MfaDenied
    } else {
        AuthFailure::Other
    }
}

fn method(sign_in: &Json, kind: EventType, is_application: bool) -> Option<AuthMethod> {
    let by_protocol = match sign_in.get("authenticationProtocol").str() {
        "deviceCode" => Some(AuthMethod::DeviceCode),
        "ropc" => Some(AuthMethod::Legacy),
        _ => None,
    };
    let by_client = || match sign_in.get("clientAppUsed").str() {
        "" | "Browser" | "Mobile Apps and Desktop clients" => None,
        // IMAP, POP, SMTP, Exchange ActiveSync, "Other clients": no second factor is possible.
        _ => Some(AuthMethod::Legacy),
    };
    let by_step =
        || sign_in.get("authenticationDetails").list().iter().rev().find_map(|step| of_step(step.get("authenticationMethod").str()));
    by_protocol.or_else(by_client).or_else(by_step).or(match kind {
        _ if is_application => Some(AuthMethod::ClientCredentials),
        EventType::AuthToken => Some(AuthMethod::Oauth),
        _ => None,
    })
}

fn of_step(name: &str) -> Option<AuthMethod> {
    let name = name.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if has(&["fido", "passkey", "windows hello"]) {
        Some(AuthMethod::Webauthn)
    } else if has(&["certificate"]) {
        Some(AuthMethod::Mtls)
    } else if has(&["app notification", "phone sign-in", "authenticator app (push"]) {
        Some(AuthMethod::Push)
    } else if has(&["text message", "phone call", "sms", "voice"]) {
        Some(AuthMethod::Sms)
    } else if has(&["verification code", "oath", "temporary access pass", "one-time passcode"]) {
        Some(AuthMethod::Totp)
    } else if has(&["federated"]) {
        Some(AuthMethod::Federated)
    } else if has(&["password"]) {
        Some(AuthMethod::Password)
    } else {
        // "Previously satisfied"
        None
    }
}

fn amr<'a>(sign_in: &Json<'a>) -> Vec<Text<'a>> {
    match sign_in.get("authenticationRequirement").str() {
        "multiFactorAuthentication" => vec![Text::borrowed("mfa")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{AuthFailure, AuthMethod, Class, Event, EventType, Outcome};

    fn record(category: &str, properties: &str) -> String {
        format!(
            r#"{{"time":"2026-05-01T10:02:00Z","resourceId":"/tenants/t-1/providers/Microsoft.aadiam","operationName":"Sign-in activity","category":"{category}",
            "callerIpAddress":"192.0.2.7","properties":{{"id":"e","createdDateTime":"2026-05-01T10:00:00.3530000Z",{properties}}}}}"#
        )
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::EntraSignin, raw, &Input::behaviour("entra", None), check);
    }

    #[test]
    fn a_sign_in() {
        let raw = record(
            "SignInLogs",
            r#""userId":"u-1","userPrincipalName":"Alice@example.com","appId":"a-1","resourceDisplayName":"Microsoft Graph","ipAddress":"192.0.2.7","autonomousSystemNumber":64500,
            "sessionId":"s-1","uniqueTokenIdentifier":"uti","isInteractive":true,"authenticationRequirement":"multiFactorAuthentication","clientAppUsed":"Browser","userAgent":"Mozilla/5.0",
            "status":{"errorCode":0},"location":{"countryOrRegion":"CH","geoCoordinates":{"latitude":47.4,"longitude":8.5}},
            "deviceDetail":{"deviceId":"d-1","isCompliant":true,"isManaged":true},
            "authenticationDetails":[{"authenticationMethod":"Password","succeeded":true},{"authenticationMethod":"Mobile app notification","succeeded":true}]"#,
        );
        assert_eq!(
            testing::read(Format::Auto, &raw, &Input::behaviour("entra", None)),
            concat!(
                r#"{"id":"e","time":"2026-05-01T10:00:00.353Z","type":"auth.login","outcome":"success","tenant":"default","#,
                r#""identity":{"id":"u-1","issuer":"t-1","native_id":"alice@example.com"},"provider":{"product":"entra","instance":"t-1"},"#,
                r#""credential":{"id":"uti","client_id":"a-1","audience":"Microsoft Graph"},"session":{"id":"s-1"},"#,
                r#""source":{"ip":"192.0.2.7","asn":64500,"country":"CH","lat":47.4,"lon":8.5,"user_agent":"Mozilla/5.0","device_id":"d-1","posture":"compliant"},"#,
                r#""auth":{"method":"push","amr":["mfa"]},"stamp":{"native_type":"SignInLogs"}}"#
            )
        );
        // The Graph API gives the same without the envelope.
        let bare = r#"{"id":"e","createdDateTime":"2026-05-01T10:00:00Z","userId":"u-1","userPrincipalName":"alice@example.com","appId":"a-1","isInteractive":false,"status":{"errorCode":0}}"#;
        event(bare, |event| assert_eq!((event.kind, event.identity_id()), (EventType::AuthToken, Some("u-1"))));
    }

    #[test]
    fn error_codes() {
        for (code, outcome, failure) in [
            (0, Outcome::Success, None),
            (50126, Outcome::Failure, Some(AuthFailure::BadPassword)),
            (50034, Outcome::Failure, Some(AuthFailure::UnknownIdentity)),
            (50053, Outcome::Failure, Some(AuthFailure::Locked)),
            (50074, Outcome::Challenge, None),
            (53003, Outcome::Failure, Some(AuthFailure::Policy)),
            (50173, Outcome::Failure, Some(AuthFailure::Expired)),
            (50058, Outcome::Failure, Some(AuthFailure::Benign)),
            (17, Outcome::Failure, Some(AuthFailure::Other)),
        ] {
            let raw = record("SignInLogs", &format!(r#""userId":"u-1","status":{{"errorCode":{code}}}"#));
            event(&raw, |event| assert_eq!((event.outcome, event.failure()), (outcome, failure), "{code}"));
        }
    }

    #[test]
    fn a_push_that_was_declined() {
        let raw = record(
            "SignInLogs",
            r#""userId":"u-1","status":{"errorCode":500121},"authenticationDetails":[{"authenticationMethod":"Password","succeeded":true},
            {"authenticationMethod":"Mobile app notification","succeeded":false,"authenticationStepResultDetail":"MFA denied; user declined the authentication"}]"#,
        );
        event(&raw, |event| {
            assert_eq!(
                (event.kind, event.method(), event.failure()),
                (EventType::AuthMfa, Some(AuthMethod::Push), Some(AuthFailure::MfaDenied))
            );
        });
    }

    #[test]
    fn how_it_was_done() {
        for (field, expected) in [
            (r#""authenticationProtocol":"deviceCode""#, Some(AuthMethod::DeviceCode)),
            (r#""authenticationProtocol":"ropc""#, Some(AuthMethod::Legacy)),
            (r#""clientAppUsed":"IMAP4""#, Some(AuthMethod::Legacy)),
            (r#""authenticationDetails":[{"authenticationMethod":"FIDO2 security key"}]"#, Some(AuthMethod::Webauthn)),
            (r#""authenticationDetails":[{"authenticationMethod":"Previously satisfied"}]"#, None),
        ] {
            let raw = record("SignInLogs", &format!(r#""userId":"u-1","status":{{"errorCode":0}},{field}"#));
            event(&raw, |event| assert_eq!(event.method(), expected, "{field}"));
        }
    }

    #[test]
    fn applications_and_nobody() {
        let raw = record(
            "ServicePrincipalSignInLogs",
            r#""servicePrincipalId":"sp-1","servicePrincipalName":"ci","userId":"","status":{"errorCode":7000215}"#,
        );
        event(&raw, |event| {
            assert_eq!(
                (event.kind, event.method(), event.failure()),
                (EventType::AuthToken, Some(AuthMethod::ClientCredentials), Some(AuthFailure::BadPassword))
            );
            let identity = event.identity.unwrap();
            assert_eq!((identity.id.as_str(), identity.class, identity.native_id.as_deref()), ("sp-1", Some(Class::Service), Some("ci")));
        });
        // An unknown user has only the name that was typed.
        let raw = record(
            "SignInLogs",
            r#""userId":"00000000-0000-0000-0000-000000000000","userPrincipalName":"typo@example.com","status":{"errorCode":50034}"#,
        );
        event(&raw, |event| assert_eq!(event.identity_id(), Some("typo@example.com")));
        let read = |raw: &str| testing::read(Format::EntraSignin, raw, &Input::behaviour("entra", None));
        assert!(read(&record("SignInLogs", r#""userId":"""#)).starts_with("properties.userId: missing"));
        assert_eq!(read(r#"{"category":"SignInLogs","properties":{"userId":"u"}}"#), "createdDateTime: missing");
    }
}
