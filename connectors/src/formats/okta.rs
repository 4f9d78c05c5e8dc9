//! `okta`: Okta System Log API v1 (`LogEvent`), as the API, event hooks and log streaming write it.
//!
//! | System Log | event |
//! |---|---|
//! | `uuid`, `published` | `id`, `time` |
//! | `eventType` | `type` by [`kind`]; `stamp.native_type` |
//! | `outcome.result` | `outcome`: SUCCESS, ALLOW success; FAILURE, DENY failure; CHALLENGE challenge |
//! | `outcome.reason` | `auth.failure` by [`failure`] |
//! | `actor.id`, `actor.alternateId` | `identity.id`, `identity.native_id`; an unknown user has only the name that was typed |
//! | `actor.type` | `identity.class`: `service` for `SystemPrincipal`, `PublicClientApp` and other applications |
//! | the input's provider | `provider.instance` and `identity.issuer` (the log does not name its organisation); `provider.product` is `okta` |
//! | `authenticationContext.externalSessionId`, `rootSessionId` | `session.id`, `session.parent` where it differs |
//! | `authenticationContext.credentialType`, `debugContext.debugData.factor` | `auth.method` |
//! | `client.ipAddress`, `client.userAgent.rawUserAgent`, `client.geographicalContext` | `source.{ip,user_agent,country,lat,lon}` |
//! | `securityContext.{asNumber,isProxy}` | `source.asn`, `source.network` `proxy` |
//! | `device.id`, else `debugData.dtHash`, else `debugData.deviceFingerprint` | `source.device_id` |
//! | `target[]` of type `User` or `AppUser` | `change.target`; in API requests and recoveries `request.target`; `identity.on_behalf_of` where a token is for somebody else |
//! | other `target[]` | `change.role` (groups, roles), `request.object`, `credential.audience` (applications in sign-ons), `credential.id` (tokens, factors) |
//!
//! `identity.id` is `actor.id` (`00u...`), which survives a change of log-in name. Classes of people are left open: the same log
//! holds a company's workforce or a shop's customers, which the inventory knows.
//! Events by other actors than people that are not security relevant (`system.*`: rate limits, imports, agents, deliveries) are
//! ignored and counted by type. Administrators' work that is neither account, credential nor privilege is an `api.request`.
//! `user.risk.*` and `user.account.report_suspicious_activity_by_enduser` say what somebody thinks of an identity: `risk.external` where
//! the input is trusted with that, else ignored. `security.threat.detected` is ignored: its actor is an address.
//!
//! Source: Okta "System Log API" and "Event types" reference.

use super::fields::{self, Unless};
use super::json::Json;
use super::{Input, Item, kind_of};
use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Change, Class, Credential, CredentialKind, Event, EventType, ExternalRisk, Identity, Network, Outcome,
    Provider, Request, Session, Source, Stamp,
};
use portcullis_core::text::Text;
use portcullis_core::time::Time;

/// An event's content as both the System Log itself and OCSF's rendering of it give it.
#[derive(Debug, Default)]
pub(super) struct LogEvent<'a> {
    pub id: Option<Text<'a>>,
    pub time: Option<Time>,
    pub event_type: Text<'a>,
    pub result: Option<Text<'a>>,
    pub reason: Option<Text<'a>>,
    pub actor: Option<Text<'a>>,
    pub actor_login: Option<Text<'a>>,
    pub actor_type: Option<Text<'a>>,
    pub session: Option<Text<'a>>,
    pub root_session: Option<Text<'a>>,
    pub credential_type: Option<Text<'a>>,
    pub factor: Option<Text<'a>>,
    pub risk_level: Option<Text<'a>>,
    pub source: Source<'a>,
    /// `(type, id)` in the order written.
    pub targets: Vec<(Text<'a>, Text<'a>)>,
}

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>, input: &'a Input) -> Item<'a> {
    let Some(event_type) = json.get("eventType").text() else { return Item::fault("eventType", "missing: not an Okta System Log event") };
    let published = json.get("published");
    if published.is_null() {
        return Item::fault("published", "missing");
    }
    let (client, debug) = (json.get("client"), json.at("debugContext.debugData"));
    let (place, security, context) = (client.get("geographicalContext"), json.get("securityContext"), json.get("authenticationContext"));
    let source = Source {
        ip: fields::ip(client.get("ipAddress"))
            .or_else(|| json.at("request.ipChain").list().first().and_then(|hop| fields::ip(hop.get("ip")))),
        asn: fields::asn(security.get("asNumber")),
        country: fields::country(place.get("country")),
        lat: fields::latitude(place.at("geolocation.lat")),
        lon: fields::longitude(place.at("geolocation.lon")),
        network: (security.get("isProxy").bool() == Some(true)).then_some(Network::Proxy),
        user_agent: client.at("userAgent.rawUserAgent").text(),
        device_id: json.at("device.id").text().or_else(|| device_of(debug)),
        ..Source::default()
    };
    LogEvent {
        id: json.get("uuid").text(),
        time: published.time(),
        event_type,
        result: json.at("outcome.result").text(),
        reason: json.at("outcome.reason").text(),
        actor: json.at("actor.id").text(),
        actor_login: json.at("actor.alternateId").text(),
        actor_type: json.at("actor.type").text(),
        session: context.get("externalSessionId").text(),
        root_session: context.get("rootSessionId").text(),
        credential_type: context.get("credentialType").text(),
        factor: debug.get("factor").text(),
        risk_level: level(debug.get("risk")),
        source,
        targets: json
            .get("target")
            .list()
            .iter()
            .filter_map(|t| Some((t.get("type").text()?, t.get("id").text().or_else(|| t.get("alternateId").text())?)))
            .collect(),
    }
    .into_item(input, None)
}

/// The browser, by the hash of Okta's device token cookie.
pub(super) fn device_of<'a>(debug: &Json<'a>) -> Option<Text<'a>> {
    debug.get("dtHash").text().or_else(|| debug.get("deviceFingerprint").text())
}

/// `LOW` of `{level=LOW}` or `{reasons=..., level=HIGH}`.
pub(super) fn level<'a>(risk: &Json<'a>) -> Option<Text<'a>> {
    let text = risk.text()?;
    let start = text.find("level=")? + "level=".len();
    let word: String = text[start..].chars().take_while(char::is_ascii_alphabetic).collect();
    (!word.is_empty()).then(|| Text::from(word.to_ascii_lowercase()))
}

/// Our type for an event type, or why there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    Is(EventType),
    /// Not in the table: an administrator's or application's call.
    Other,
    /// What Okta thinks, not what somebody did.
    Opinion,
    Ignored,
}

/// The table of event types.
pub(super) fn kind(event_type: &str, result: Option<&str>) -> Meaning {
    use EventType::*;
    use Meaning::*;
    match event_type {
        "user.session.start"
        | "user.authentication.auth_via_IDP"
        | "user.authentication.auth_via_inbound_SAML"
        | "user.authentication.auth_via_inbound_delauth"
        | "user.authentication.auth_via_AD_agent"
        | "user.authentication.auth_via_LDAP_agent"
        | "user.authentication.auth_via_radius"
        | "user.authentication.auth_via_iwa"
        | "user.authentication.authenticate"
        | "user.authentication.auth_unconfigured_identifier"
        | "user.authentication.auth_via_social"
        | "user.authentication.auth_via_richclient"
        | "user.session.access_admin_app" => Is(AuthLogin),
        "user.authentication.auth_via_mfa"
        | "user.authentication.verify"
        | "user.mfa.attempt_bypass"
        | "user.mfa.okta_verify.deny_push"
        | "user.mfa.okta_verify.deny_push_upgrade_needed"
        | "system.push.send_factor_verify_push" => Is(AuthMfa),
        "user.session.end"
        | "user.session.clear"
        | "user.session.expire"
        | "user.authentication.slo"
        | "user.authentication.universal_logout" => Is(AuthLogout),
        "user.account.reset_password"
        | "user.account.unlock_by_admin_recovery"
        | "user.credential.forgot_password"
        | "user.account.unlock_token" => Is(AuthRecovery),
        "user.authentication.sso" | "user.session.impersonation.initiate" => Is(AuthToken),
        t if t.starts_with("app.oauth2.") && (t.contains(".token.") || t.contains("authorize")) => match () {
            () if t.ends_with(".revoke") || t.contains(".revoke.") => Is(CredentialRevoke),
            () => Is(AuthToken),
        },
        "app.oauth2.as.consent.grant" | "app.oauth2.consent.grant" | "user.authentication.consent" => Is(ConsentGrant),
        "app.token.reuse" => Is(AuthToken),
        "user.lifecycle.create" | "user.lifecycle.activate" | "user.lifecycle.jit" => Is(AccountCreate),
        "user.lifecycle.reactivate" | "user.lifecycle.unsuspend" | "user.account.unlock" | "user.account.unlock_by_admin" => {
            Is(AccountEnable)
        }
        "user.lifecycle.deactivate" | "user.lifecycle.suspend" | "user.account.lock" | "user.account.lock.limit" => Is(AccountDisable),
        "user.lifecycle.delete.completed" | "user.lifecycle.delete.initiated" | "user.lifecycle.delete" => Is(AccountDelete),
        "user.account.update_profile"
        | "user.account.update_primary_email"
        | "user.account.update_secondary_email"
        | "user.account.update_phone" => Is(AccountUpdate),
        "user.account.update_password" | "user.account.expire_password" => Is(CredentialRotate),
        "user.mfa.factor.activate"
        | "user.mfa.factor.unsuspend"
        | "user.credential.enroll"
        | "system.api_token.create"
        | "app.oauth2.credentials.lifecycle.create"
        | "app.oauth2.credentials.lifecycle.activate"
        | "device.enrollment.create" => Is(CredentialCreate),
        "user.mfa.factor.update" => Is(CredentialRotate),
        "user.mfa.factor.deactivate"
        | "user.mfa.factor.reset_all"
        | "user.mfa.factor.suspend"
        | "system.api_token.revoke"
        | "app.oauth2.credentials.lifecycle.deactivate"
        | "app.oauth2.credentials.lifecycle.delete"
        | "user.credential.unenroll" => Is(CredentialRevoke),
        "user.account.privilege.grant"
        | "group.privilege.grant"
        | "group.user_membership.add"
        | "application.user_membership.add"
        | "app.oauth2.client.privilege.grant"
        | "iam.resourceset.bindings.add"
        | "group.application_assignment.add"
        | "user.session.impersonation.grant" => Is(PrivilegeGrant),
        "user.account.privilege.revoke"
        | "group.privilege.revoke"
        | "group.user_membership.remove"
        | "application.user_membership.remove"
        | "app.oauth2.client.privilege.revoke"
        | "iam.resourceset.bindings.delete"
        | "group.application_assignment.remove"
        | "user.session.impersonation.revoke" => Is(PrivilegeRevoke),
        "application.user_membership.show_password" => Is(SecretRead),
        // Permission alone says nothing beyond the log-in that follows; a denial may be the only trace of one.
        "policy.evaluate_sign_on" => match result {
            Some("DENY") => Is(AuthLogin),
            _ => Ignored,
        },
        "user.account.report_suspicious_activity_by_enduser" => Opinion,
        t if t.starts_with("user.risk.") || t.starts_with("security.breached_credential.") => Opinion,
        "application.integration.rate_limit_exceeded" => Ignored,
        t if t.starts_with("system.idp.") || t.starts_with("system.mfa.") || t.starts_with("system.sms.factor") => Other,
        t if t.starts_with("system.") || t.starts_with("security.") || t.contains("rate_limit") => Ignored,
        _ => Other,
    }
}

/// `outcome.reason`, and in whose case.
fn failure(reason: &str, kind: EventType, actor_known: bool) -> AuthFailure {
    let upper = reason.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|p| upper.contains(p));
    if has(&["PHISHING"]) {
        // "FastPass declined phishing attempt": the authenticator refused, not the person.
        AuthFailure::Policy
    } else if has(&["LOCKED"]) {
        AuthFailure::Locked
    } else if has(&["EXPIRED"]) {
        AuthFailure::Expired
    } else if has(&["REJECT", "DECLINED", "DENIED BY USER"]) {
        AuthFailure::MfaDenied
    } else if has(&["TIMED OUT", "TIMEOUT", "TIME OUT"]) {
        AuthFailure::MfaTimeout
    } else if has(&["POLICY", "NETWORK_ZONE", "BLACKLIST", "BLOCKED", "ACCESS DENIED", "NOT_ASSIGNED", "NOT ASSIGNED", "RISK"]) {
        AuthFailure::Policy
    } else if kind == EventType::AuthMfa {
        // A wrong code is neither a refusal nor a guess at a password.
        AuthFailure::Other
    } else if has(&["INVALID_CREDENTIALS", "VERIFICATION_ERROR", "INVALID_PASSWORD", "BAD_PASSWORD"]) || reason.is_empty() {
        match (actor_known, reason.is_empty()) {
            (false, _) => AuthFailure::UnknownIdentity,
            (true, false) => AuthFailure::BadPassword,
            (true, true) => AuthFailure::Other,
        }
    } else if has(&["USER_NOT_FOUND", "UNKNOWN_USER", "UNKNOWN USER", "DOES NOT EXIST"]) {
        AuthFailure::UnknownIdentity
    } else {
        AuthFailure::Other
    }
}

fn method(credential_type: Option<&str>, factor: Option<&str>, event_type: &str) -> Option<AuthMethod> {
    let by_factor = factor.and_then(|f| match f {
        f if f.contains("PUSH") => Some(AuthMethod::Push),
        f if f.contains("SMS") || f.contains("CALL") => Some(AuthMethod::Sms),
        f if f.contains("WEBAUTHN") || f.contains("U2F") || f.contains("SIGNED_NONCE") => Some(AuthMethod::Webauthn),
        f if f.contains("TOTP") || f.contains("SOFT_TOKEN") || f.contains("GOOGLE_AUTH") || f.contains("TOKEN") || f.contains("OTP") => {
            Some(AuthMethod::Totp)
        }
        f if f.contains("PASSWORD") => Some(AuthMethod::Password),
        _ => None,
    });
    by_factor.or_else(|| match credential_type.unwrap_or("") {
        "PASSWORD" => Some(AuthMethod::Password),
        "OTP" => Some(AuthMethod::Totp),
        "SMS" => Some(AuthMethod::Sms),
        "ASSERTION" => Some(AuthMethod::Saml),
        "IWA" => Some(AuthMethod::Kerberos),
        "CERTIFICATE" => Some(AuthMethod::Mtls),
        "JWT" => Some(AuthMethod::Oauth),
        _ => match event_type {
            "user.authentication.auth_via_IDP" | "user.authentication.auth_via_social" => Some(AuthMethod::Federated),
            "user.authentication.auth_via_inbound_SAML" => Some(AuthMethod::Saml),
            "user.authentication.auth_via_iwa" => Some(AuthMethod::Kerberos),
            "user.authentication.auth_via_radius" => Some(AuthMethod::Legacy),
            t if t.starts_with("app.oauth2.") => Some(AuthMethod::Oauth),
            _ => None,
        },
    })
}

impl<'a> LogEvent<'a> {
    /// The event. `fallback`: the type where the table has none for this event type (OCSF knows a class).
    pub fn into_item(self, input: &'a Input, fallback: Option<EventType>) -> Item<'a> {
        let result = self.result.as_deref().map(str::to_ascii_uppercase);
        let kind = match kind(&self.event_type, result.as_deref()) {
            Meaning::Is(kind) => kind,
            Meaning::Other => fallback.unwrap_or(EventType::ApiRequest),
            Meaning::Opinion if input.trust_control => EventType::RiskExternal,
            Meaning::Opinion | Meaning::Ignored => return Item::ignored(kind_of("okta", Some(&self.event_type))),
        };
        let Some(time) = self.time else { return Item::fault("published", "not a time: RFC 3339 is expected") };
        let actor_known = self.actor.is_some();
        let Some(id) = self.actor.clone().or_else(|| self.actor_login.clone()) else {
            return Item::fault("actor.id", "missing: the event names nobody who acted");
        };
        let mut event = Event::new(kind, time);
        event.id = self.id.clone().unwrap_or_default();
        event.outcome = match result.as_deref() {
            // The log-in failed that led to the lock; the lock itself happened.
            _ if self.event_type.starts_with("user.account.lock") => Outcome::Success,
            Some("SUCCESS" | "ALLOW") => Outcome::Success,
            Some("FAILURE" | "DENY") => Outcome::Failure,
            Some("CHALLENGE") => Outcome::Challenge,
            _ => Outcome::Unknown,
        };
        event.identity = Some(Identity {
            id,
            class: self.actor_type.as_deref().and_then(class),
            issuer: input.provider_instance.as_deref().map(Text::borrowed),
            native_id: self.actor_login.clone(),
            on_behalf_of: None,
        });
        event.provider = Some(Provider { product: Some(Text::borrowed("okta")), instance: None });
        event.session =
            Session { parent: self.root_session.clone().filter(|root| Some(root) != self.session.as_ref()), id: self.session.clone() }
                .unless_empty();
        if kind.is_auth() || self.event_type.starts_with("user.account.lock") {
            let failed = event.outcome == Outcome::Failure || self.event_type.starts_with("user.account.lock");
            event.auth = Auth {
                method: method(self.credential_type.as_deref(), self.factor.as_deref(), &self.event_type),
                failure: failed.then(|| match &*self.event_type {
                    "policy.evaluate_sign_on" => AuthFailure::Policy,
                    "user.mfa.okta_verify.deny_push" => AuthFailure::MfaDenied,
                    _ => failure(self.reason.as_deref().unwrap_or(""), kind, actor_known),
                }),
                ..Auth::default()
            }
            .unless_empty();
        }
        self.name_targets(&mut event);
        if kind == EventType::RiskExternal {
            event.risk = Some(Box::new(ExternalRisk {
                provider: Some(Text::borrowed("okta")),
                name: Some(self.event_type.clone()),
                level: self.risk_level.clone(),
            }));
        }
        event.stamp = Some(Stamp { native_type: Some(self.event_type), ..Stamp::default() });
        event.source = self.source.unless_empty();
        Item::Event(event)
    }

    fn name_targets(&self, event: &mut Event<'a>) {
        let of = |kinds: &[&str]| self.targets.iter().find(|(kind, _)| kinds.contains(&kind.as_str())).map(|(_, id)| id.clone());
        let user = of(&["User", "AppUser"]);
        let other = || self.targets.iter().find(|(kind, _)| !matches!(kind.as_str(), "User" | "AppUser")).map(|(_, id)| id.clone());
        let application = || of(&["AppInstance", "PublicClientApp", "AppInstanceClient"]);
        use EventType::*;
        match event.kind {
            ApiRequest => {
                event.request = Some(Request { route: Some(self.event_type.clone()), object: other(), target: user, ..Request::default() })
            }
            AuthLogin | AuthMfa | AuthToken | AuthLogout | AuthRecovery => {
                event.credential = Credential { audience: application(), ..Credential::default() }.unless_empty();
                let others_account = of(&["User"]).filter(|u| Some(u.as_str()) != event.identity_id());
                if event.kind == AuthRecovery {
                    event.request = Request { target: others_account, ..Request::default() }.unless_empty();
                } else if let Some(identity) = &mut event.identity
                    && event.kind == AuthToken
                {
                    // An application that gets a token for a person, or support that takes a person's place.
                    identity.on_behalf_of = others_account;
                }
            }
            CredentialCreate | CredentialRotate | CredentialRevoke => {
                let (id, kind) = match () {
                    () if self.event_type.starts_with("system.api_token") => (other(), Some(CredentialKind::ApiKey)),
                    () if self.event_type.starts_with("app.oauth2") => (other(), Some(CredentialKind::ClientSecret)),
                    () if self.event_type.contains("password") => (None, Some(CredentialKind::Password)),
                    () => (other(), None),
                };
                event.credential = Credential { id, kind, ..Credential::default() }.unless_empty();
                event.change = Change { target: user, ..Change::default() }.unless_empty().map(Box::new);
            }
            SecretRead => {
                event.change =
                    Change { secret: application().or_else(other), target: user, ..Change::default() }.unless_empty().map(Box::new)
            }
            _ => event.change = Change { role: other(), target: user, ..Change::default() }.unless_empty().map(Box::new),
        }
    }
}

fn class(actor_type: &str) -> Option<Class> {
    match actor_type {
        "SystemPrincipal" | "PublicClientApp" | "PublicClientAppEntity" | "AppInstance" | "ServiceAccount" => Some(Class::Service),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{AuthFailure, AuthMethod, Event, EventType, Outcome};

    fn read(raw: &str, input: &Input) -> String {
        testing::read(Format::Auto, raw, input)
    }

    fn record(event_type: &str, result: &str, reason: &str, rest: &str) -> String {
        format!(
            r#"{{"actor":{{"id":"00u1","type":"User","alternateId":"a@example.com"}},"eventType":"{event_type}","published":"2026-05-01T10:00:00.353Z","uuid":"e",
            "outcome":{{"result":"{result}","reason":"{reason}"}}{rest}}}"#
        )
    }

    #[test]
    fn a_log_in() {
        let mut input = Input::behaviour("okta-log", Some("lab"));
        input.provider_instance = Some("https://example.okta.com".into());
        let raw = record(
            "user.session.start",
            "FAILURE",
            "INVALID_CREDENTIALS",
            r#","client":{"ipAddress":"192.0.2.7","userAgent":{"rawUserAgent":"Mozilla/5.0"},"geographicalContext":{"country":"Switzerland","geolocation":{"lat":47.4,"lon":8.5}}},
            "securityContext":{"asNumber":64500,"isProxy":true},"authenticationContext":{"externalSessionId":"s1","rootSessionId":"s0","credentialType":"PASSWORD"},"device":{"id":"guo1"}"#,
        );
        assert_eq!(
            read(&raw, &input),
            concat!(
                r#"{"id":"e","time":"2026-05-01T10:00:00.353Z","type":"auth.login","outcome":"failure","tenant":"lab","#,
                r#""identity":{"id":"00u1","issuer":"https://example.okta.com","native_id":"a@example.com"},"provider":{"product":"okta","instance":"https://example.okta.com"},"#,
                r#""session":{"id":"s1","parent":"s0"},"source":{"ip":"192.0.2.7","asn":64500,"country":"CH","lat":47.4,"lon":8.5,"network":"proxy","user_agent":"Mozilla/5.0","device_id":"guo1"},"#,
                r#""auth":{"method":"password","failure":"bad_password"},"stamp":{"native_type":"user.session.start"}}"#
            )
        );
    }

    fn event_of(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::Okta, raw, &Input::operator("f"), check);
    }

    #[test]
    fn reasons_become_failures() {
        for (event_type, reason, expected) in [
            ("user.session.start", "LOCKED_OUT", AuthFailure::Locked),
            ("user.session.start", "VERIFICATION_ERROR", AuthFailure::BadPassword),
            ("user.session.start", "PASSWORD_EXPIRED", AuthFailure::Expired),
            ("user.authentication.auth_via_mfa", "User rejected Okta push verify", AuthFailure::MfaDenied),
            ("user.authentication.auth_via_mfa", "INVALID_CREDENTIALS", AuthFailure::Other),
            ("user.session.start", "NETWORK_ZONE_BLACKLIST", AuthFailure::Policy),
            ("user.authentication.auth_via_mfa", "FastPass declined phishing attempt", AuthFailure::Policy),
        ] {
            event_of(&record(event_type, "FAILURE", reason, ""), |event| assert_eq!(event.failure(), Some(expected), "{reason}"));
        }
    }

    #[test]
    fn nobody_by_that_name() {
        let raw = r#"{"actor":{"id":"unknown","type":"User","alternateId":"typo@example.com"},"eventType":"user.session.start","published":"2026-05-01T10:00:00Z",
            "outcome":{"result":"FAILURE","reason":"VERIFICATION_ERROR"}}"#;
        event_of(raw, |event| {
            assert_eq!((event.identity_id(), event.failure()), (Some("typo@example.com"), Some(AuthFailure::UnknownIdentity)));
        });
    }

    #[test]
    fn targets_are_what_was_changed() {
        let raw = record(
            "group.user_membership.add",
            "SUCCESS",
            "",
            r#","target":[{"id":"00g1","type":"UserGroup"},{"id":"00u2","type":"User"}]"#,
        );
        event_of(&raw, |event| {
            let change = event.change.unwrap();
            assert_eq!(
                (event.kind, change.role.as_deref(), change.target.as_deref()),
                (EventType::PrivilegeGrant, Some("00g1"), Some("00u2"))
            );
        });
        event_of(
            &record("user.authentication.auth_via_mfa", "SUCCESS", "", r#","debugContext":{"debugData":{"factor":"OKTA_VERIFY_PUSH"}}"#),
            |event| {
                assert_eq!((event.kind, event.outcome, event.method()), (EventType::AuthMfa, Outcome::Success, Some(AuthMethod::Push)));
            },
        );
    }

    #[test]
    fn who_acts_for_whom() {
        let target = r#","target":[{"id":"00u2","type":"User"}]"#;
        event_of(&record("user.session.impersonation.initiate", "SUCCESS", "", target), |event| {
            assert_eq!((event.kind, event.identity.unwrap().on_behalf_of.as_deref()), (EventType::AuthToken, Some("00u2")));
        });
        event_of(&record("user.account.reset_password", "SUCCESS", "", target), |event| {
            assert_eq!((event.kind, event.acts_upon()), (EventType::AuthRecovery, Some("00u2")));
        });
        event_of(&record("user.session.start", "SUCCESS", "", target), |event| assert_eq!(event.change, None));
    }

    #[test]
    fn opinions_need_trust_and_noise_is_counted() {
        let opinion = record("user.risk.change", "SUCCESS", "", r#","debugContext":{"debugData":{"risk":"{level=HIGH}"}}"#);
        assert_eq!(read(&opinion, &Input::behaviour("okta", None)), "okta:user.risk.change");
        assert!(read(&opinion, &Input::operator("f")).contains(r#""risk":{"provider":"okta","name":"user.risk.change","level":"high"}"#));
        assert_eq!(
            read(&record("system.org.rate_limit.warning", "SUCCESS", "", ""), &Input::operator("f")),
            "okta:system.org.rate_limit.warning"
        );
        assert_eq!(read(&record("policy.evaluate_sign_on", "ALLOW", "", ""), &Input::operator("f")), "okta:policy.evaluate_sign_on");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(read(r#"{"eventType":"user.session.start","actor":{}}"#, &Input::operator("f")), "published: missing");
        let nobody = r#"{"eventType":"user.session.start","actor":{},"published":"2026-05-01T10:00:00Z"}"#;
        assert!(read(nobody, &Input::operator("f")).starts_with("actor.id: missing"));
    }
}
