//! `google_workspace`: activities of the Admin SDK Reports API (`admin#reports#activity`), and lists of them.
//!
//! | activity | event |
//! |---|---|
//! | `id.uniqueQualifier` | `id` |
//! | `id.time` | `time` |
//! | `id.applicationName` and the `name` of its event | `type` by [`meaning`]; `stamp.native_type` is `application:name` |
//! | `actor.email`, else `profileId`, `key` | `identity.id`, by which other activities name it too; `native_id` is the `profileId`; class `service` of keys and applications |
//! | `id.customerId` | `identity.issuer`, `provider.instance` |
//! | `ipAddress` | `source.ip` |
//! | `login_type`, `login_challenge_method` | `auth.method` |
//! | `login_failure_type` | `auth.failure` |
//! | `USER_EMAIL`, `affected_email_address` | `change.target`; `request.target` of updates and recoveries |
//! | `ROLE_NAME`, `GROUP_EMAIL`, `API_CLIENT_NAME`; `scope`, `API_SCOPES` | `change.role`; `change.scope` |
//! | `client_id`, `app_name`, `application_name` | `credential.client_id`; `audience` of SAML sign-ons |
//! | `doc_id`, `method_name`, `num_response_bytes` | `request.{object,route,bytes}` |
//!
//! An activity with several events is one event of ours: the first that is more than an `api.request`, else the first.
//! What Google thinks (`suspicious_login`, `gov_attack_warning`, `risky_sensitive_action_...`) is `risk.external` where the input is
//! trusted with that, else ignored.
//!
//! Examples: written from the documented fields (Admin SDK Reports API, "Login", "Admin", "OAuth Token" and "SAML" activity events).

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Input, Item, kind_of};
use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Change, Class, Credential, CredentialKind, EventType, ExternalRisk, Request, Source,
};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>, input: &'a Input) -> Result<Item<'a>, Fault> {
    let Some(application) = json.at("id.applicationName").text() else {
        return Err(Fault::new("id.applicationName", "missing: not an activity of Google Workspace"));
    };
    let time = fields::time(json, &["id.time"], Json::time)?;
    let events = json.get("events").list();
    let name = |event: &Json| event.get("name").str().to_owned();
    let telling =
        events.iter().find(|event| !matches!(meaning(&application, &name(event)).kind, Kind::Is(EventType::ApiRequest) | Kind::Ignored));
    let Some(said) = telling.or(events.first()) else {
        return Ok(Item::ignored(format!("{} without events", kind_of("google_workspace", Some(&application)))));
    };
    let name = said.get("name").text().unwrap_or_default();
    let native_type = Text::from(format!("{application}:{name}"));
    let meaning = meaning(&application, &name);
    let kind = match meaning.kind {
        Kind::Is(kind) => kind,
        Kind::Opinion if input.trust_control => EventType::RiskExternal,
        Kind::Opinion | Kind::Ignored => return Ok(Item::ignored(kind_of("google_workspace", Some(&native_type)))),
    };
    let actor = json.get("actor");
    let affected = parameter(said, &["affected_email_address"]).map(fields::lower);
    // What Google does to an account, it logs with the account as what was affected.
    let email = affected.clone().filter(|_| application.as_str() == "login").or_else(|| actor.get("email").text().map(fields::lower));
    let Some(id) = email.or_else(|| fields::first(actor, &["profileId", "key", "applicationInfo.oauthClientId"])) else {
        return Ok(Item::ignored(format!("{} of nobody", kind_of("google_workspace", Some(&native_type)))));
    };
    let customer = json.at("id.customerId").text();
    let mut event = fields::event(kind, time, native_type);
    event.id = json.at("id.uniqueQualifier").name().unwrap_or_default();
    let failure = failure(&name, said, kind);
    event.outcome = fields::outcome(failure.is_none());
    if kind == EventType::AuthMfa && parameter(said, &["login_challenge_status"]).is_some_and(|status| status.contains("incorrect")) {
        event.outcome = fields::outcome(false);
    }
    let mut identity = fields::identity(id, actor.get("profileId").text(), customer.clone());
    identity.class =
        (matches!(actor.get("callerType").str(), "KEY" | "APPLICATION") && actor.get("email").is_null()).then_some(Class::Service);
    event.provider = fields::provider("google_workspace", customer);
    event.source = Source { ip: fields::ip(json.get("ipAddress")), ..Source::default() }.unless_empty();
    let client = parameter(said, &["client_id"]).or_else(|| parameter(said, &["app_name"]));
    event.credential = Credential {
        kind: meaning.credential,
        client_id: client,
        audience: parameter(said, &["application_name"]).filter(|_| application.as_str() == "saml"),
        ..Credential::default()
    }
    .unless_empty();
    if kind.is_auth() || kind == EventType::AccountDisable {
        event.auth = Auth { method: method(&application, said).filter(|_| kind.is_auth()), failure, ..Auth::default() }.unless_empty();
    }
    if kind == EventType::RiskExternal {
        event.risk = Some(Box::new(ExternalRisk { provider: Some(Text::borrowed("google")), name: Some(name.clone()), level: None }));
    }
    let target = parameter(said, &["USER_EMAIL"]).map(fields::lower).filter(|user| *user != identity.id);
    let mut change = Change::default();
    let mut request = Request::default();
    use EventType::*;
    match kind {
        ApiRequest => {
            request = Request {
                route: parameter(said, &["method_name"]).or_else(|| event.stamp.as_ref().and_then(|stamp| stamp.native_type.clone())),
                object: parameter(said, &["doc_id", "GROUP_EMAIL", "SETTING_NAME", "resource_id"]),
                bytes: parameter(said, &["num_response_bytes"]).and_then(|n| n.parse().ok()),
                target,
                ..Request::default()
            }
        }
        AccountUpdate => {
            (change.target, change.value) = (meaning.of.map(Text::borrowed), meaning.value.map(Text::borrowed));
            change.role = meaning.removed.then_some(Text::borrowed("removed"));
            request.target = target;
        }
        AuthRecovery | AuthLogout | AuthLogin | AuthMfa | AuthToken => request.target = target,
        ConsentGrant => change.scope = parameter(said, &["scope"]),
        PrivilegeGrant | PrivilegeRevoke => {
            change.role = meaning.of.map(Text::borrowed).or_else(|| parameter(said, &["ROLE_NAME", "GROUP_EMAIL", "API_CLIENT_NAME"]));
            change.scope = parameter(said, &["API_SCOPES"]);
            change.target = target.or_else(|| parameter(said, &["API_CLIENT_NAME"]));
        }
        _ => change.target = target,
    }
    event.change = change.boxed_unless_empty();
    event.request = request.unless_empty();
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

/// The value of the first of these parameters that is there: text, a number, or the values of a list joined.
fn parameter<'a>(event: &Json<'a>, names: &[&str]) -> Option<Text<'a>> {
    let parameters = event.get("parameters").list();
    names.iter().find_map(|name| {
        let found = parameters.iter().find(|p| p.get("name").str() == *name)?;
        fields::first(found, &["value", "intValue"]).or_else(|| fields::joined(found.get("multiValue")))
    })
}

enum Kind {
    Is(EventType),
    /// What Google thinks, not what somebody did.
    Opinion,
    Ignored,
}

/// What an event is to us, and what it changes.
struct Meaning {
    kind: Kind,
    of: Option<&'static str>,
    value: Option<&'static str>,
    removed: bool,
    credential: Option<CredentialKind>,
}

/// The table of applications and events.
fn meaning(application: &str, name: &str) -> Meaning {
    use EventType::*;
    let some = |kind| Meaning { kind, of: None, value: None, removed: false, credential: None };
    let is = |kind| some(Kind::Is(kind));
    let updates = |of, value| Meaning { of: Some(of), value, ..is(AccountUpdate) };
    match (application, name) {
        ("login", "login_success" | "login_failure") => is(AuthLogin),
        ("login", "login_challenge" | "login_verification") => is(AuthMfa),
        ("login", "logout") => is(AuthLogout),
        (
            "login",
            "account_disabled_password_leak"
            | "account_disabled_hijacked"
            | "account_disabled_generic"
            | "account_disabled_spamming"
            | "account_disabled_spamming_through_relay",
        ) => is(AccountDisable),
        ("login" | "user_accounts", "password_edit") => Meaning { credential: Some(CredentialKind::Password), ..is(CredentialRotate) },
        ("login" | "user_accounts", "recovery_email_edit") => updates("email", None),
        ("login" | "user_accounts", "recovery_phone_edit") => updates("phone", None),
        ("login" | "user_accounts", "recovery_secret_qa_edit") => updates("recovery_question", None),
        ("login" | "user_accounts", "2sv_enroll") => updates("factor", None),
        ("login" | "user_accounts", "passkey_enrolled" | "titanium_enroll") => updates("factor", Some("webauthn")),
        ("login" | "user_accounts", "2sv_disable") => Meaning { removed: true, ..updates("factor", None) },
        ("login" | "user_accounts", "passkey_removed" | "titanium_unenroll") => {
            Meaning { removed: true, ..updates("factor", Some("webauthn")) }
        }
        ("login" | "user_accounts", "email_forwarding_out_of_domain") => updates("forwarding", None),
        ("login", n)
            if n.starts_with("suspicious_")
                || n.starts_with("risky_")
                || n.starts_with("user_signed_out_due_to_suspicious")
                || n == "gov_attack_warning" =>
        {
            some(Kind::Opinion)
        }
        ("saml", "login_success" | "login_failure") => is(AuthToken),
        ("token", "authorize") => is(ConsentGrant),
        ("token", "revoke") => Meaning { credential: Some(CredentialKind::RefreshToken), ..is(CredentialRevoke) },
        ("token", "activity") => is(ApiRequest),
        ("token", _) | ("login", _) => some(Kind::Ignored),
        ("admin", "CREATE_USER") => is(AccountCreate),
        ("admin", "DELETE_USER") => is(AccountDelete),
        ("admin", "SUSPEND_USER" | "ARCHIVE_USER") => is(AccountDisable),
        ("admin", "UNSUSPEND_USER" | "UNARCHIVE_USER" | "UNDELETE_USER" | "UNBLOCK_USER_SESSION") => is(AccountEnable),
        ("admin", "CHANGE_PASSWORD" | "CHANGE_PASSWORD_ON_NEXT_LOGIN" | "GENERATE_2SV_SCRATCH_CODES") => is(AuthRecovery),
        ("admin", "RESET_SIGNIN_COOKIES" | "LOGOUT_USER" | "SIGN_OUT_USER") => is(AuthLogout),
        (
            "admin",
            "TURN_OFF_2_STEP_VERIFICATION" | "REVOKE_SECURITY_KEY" | "UNENROLL_USER_FROM_TITANIUM" | "UNENROLL_USER_FROM_STRONG_AUTH",
        ) => Meaning { removed: true, ..updates("factor", None) },
        ("admin", "RENAME_USER" | "ADD_RECOVERY_EMAIL" | "CHANGE_RECOVERY_EMAIL") => updates("email", None),
        ("admin", "ADD_RECOVERY_PHONE" | "CHANGE_RECOVERY_PHONE") => updates("phone", None),
        ("admin", "GRANT_ADMIN_PRIVILEGE" | "GRANT_DELEGATED_ADMIN_PRIVILEGES") => Meaning { of: Some("admin"), ..is(PrivilegeGrant) },
        ("admin", "REVOKE_ADMIN_PRIVILEGE") => Meaning { of: Some("admin"), ..is(PrivilegeRevoke) },
        ("admin", "ASSIGN_ROLE" | "ADD_GROUP_MEMBER" | "AUTHORIZE_API_CLIENT_ACCESS") => is(PrivilegeGrant),
        ("admin", "UNASSIGN_ROLE" | "REMOVE_GROUP_MEMBER" | "REMOVE_API_CLIENT_ACCESS") => is(PrivilegeRevoke),
        ("admin", "REVOKE_ASP" | "REVOKE_3LO_TOKEN" | "REVOKE_3LO_DEVICE_TOKENS") => is(CredentialRevoke),
        _ => is(ApiRequest),
    }
}

fn failure(name: &str, said: &Json, kind: EventType) -> Option<AuthFailure> {
    if kind == EventType::AccountDisable {
        return None;
    }
    if name != "login_failure" {
        return None;
    }
    let why = parameter(said, &["login_failure_type", "failure_type"]).unwrap_or_default();
    Some(match &*why {
        "login_failure_invalid_password" => AuthFailure::BadPassword,
        "login_failure_account_disabled"
        | "login_failure_access_code_disallowed"
        | "failure_app_not_enabled_for_user"
        | "failure_app_not_configured_for_user" => AuthFailure::Policy,
        "login_failure_unknown_user" => AuthFailure::UnknownIdentity,
        _ => AuthFailure::Other,
    })
}

fn method(application: &str, said: &Json) -> Option<AuthMethod> {
    let by_challenge = parameter(said, &["login_challenge_method"]).and_then(|method| match fields::last_part(&method, ',').as_str() {
        "google_prompt" => Some(AuthMethod::Push),
        "idv_preregistered_phone" | "idv_any_phone" | "knowledge_preregistered_phone" | "internal_two_factor_sms" => Some(AuthMethod::Sms),
        "google_authenticator" | "offline_otp" | "backup_code" | "security_key_otp" => Some(AuthMethod::Totp),
        "security_key" | "passkey" => Some(AuthMethod::Webauthn),
        "password" => Some(AuthMethod::Password),
        _ => None,
    });
    by_challenge
        .or_else(|| match parameter(said, &["login_type"])?.as_str() {
            "google_password" | "reauth" => Some(AuthMethod::Password),
            "saml" => Some(AuthMethod::Saml),
            "exchange" => Some(AuthMethod::Oauth),
            _ => None,
        })
        .or_else(|| (application == "saml").then_some(AuthMethod::Saml))
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{AuthFailure, Event, EventType};

    fn record(application: &str, events: &str) -> String {
        format!(
            r#"{{"kind":"admin#reports#activity","id":{{"time":"2026-05-01T10:00:00.353Z","uniqueQualifier":"-17","applicationName":"{application}","customerId":"C03az79cb"}},
            "actor":{{"callerType":"USER","email":"Alice@example.com","profileId":"1001"}},"ipAddress":"192.0.2.7","events":[{events}]}}"#
        )
    }

    fn said(name: &str, parameters: &[(&str, &str)]) -> String {
        let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!(r#"{{"name":"{name}","value":"{value}"}}"#)).collect();
        format!(r#"{{"type":"t","name":"{name}","parameters":[{}]}}"#, parameters.join(","))
    }

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("google", None))
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::GoogleWorkspace, raw, &Input::behaviour("google", None), check);
    }

    #[test]
    fn a_log_in() {
        let raw = record(
            "login",
            &said("login_failure", &[("login_type", "google_password"), ("login_failure_type", "login_failure_invalid_password")]),
        );
        assert_eq!(
            read(&raw),
            concat!(
                r#"{"id":"-17","time":"2026-05-01T10:00:00.353Z","type":"auth.login","outcome":"failure","tenant":"default","#,
                r#""identity":{"id":"alice@example.com","issuer":"C03az79cb","native_id":"1001"},"provider":{"product":"google_workspace","instance":"C03az79cb"},"#,
                r#""source":{"ip":"192.0.2.7"},"auth":{"method":"password","failure":"bad_password"},"stamp":{"native_type":"login:login_failure"}}"#
            )
        );
    }

    #[test]
    fn events_of_each_application() {
        for (application, event, expected) in [
            ("login", said("2sv_disable", &[]), r#""change":{"role":"removed","target":"factor"}"#),
            ("login", said("passkey_enrolled", &[]), r#""change":{"target":"factor","value":"webauthn"}"#),
            (
                "token",
                r#"{"name":"authorize","parameters":[{"name":"client_id","value":"c-1"},{"name":"scope","multiValue":["mail","drive"]}]}"#
                    .to_owned(),
                r#""change":{"scope":"mail,drive"}"#,
            ),
            (
                "admin",
                said("ASSIGN_ROLE", &[("ROLE_NAME", "_SEED_ADMIN_ROLE"), ("USER_EMAIL", "Bob@example.com")]),
                r#""change":{"role":"_SEED_ADMIN_ROLE","target":"bob@example.com"}"#,
            ),
            ("admin", said("CHANGE_PASSWORD", &[("USER_EMAIL", "bob@example.com")]), r#""request":{"target":"bob@example.com"}"#),
            (
                "admin",
                said("AUTHORIZE_API_CLIENT_ACCESS", &[("API_CLIENT_NAME", "c-9"), ("API_SCOPES", "drive")]),
                r#""change":{"role":"c-9","scope":"drive","target":"c-9"}"#,
            ),
            ("saml", said("login_success", &[("application_name", "Wiki")]), r#""credential":{"audience":"Wiki"}"#),
            ("drive", said("download", &[("doc_id", "d-1")]), r#""request":{"route":"drive:download","object":"d-1"}"#),
        ] {
            let got = read(&record(application, &event));
            assert!(got.contains(expected), "{event}: {got}");
        }
    }

    #[test]
    fn the_most_telling_of_several_counts() {
        let raw = record(
            "admin",
            &format!("{},{}", said("CHANGE_APPLICATION_SETTING", &[]), said("CREATE_USER", &[("USER_EMAIL", "bob@example.com")])),
        );
        event(&raw, |event| assert_eq!((event.kind, event.acts_upon()), (EventType::AccountCreate, Some("bob@example.com"))));
    }

    #[test]
    fn opinions_lists_and_what_is_missing() {
        let warned = record("login", &said("suspicious_login", &[("affected_email_address", "bob@example.com")]));
        assert_eq!(read(&warned), "google_workspace:login:suspicious_login");
        testing::event(Format::GoogleWorkspace, &warned, &Input::operator("f"), |event| {
            assert_eq!((event.kind, event.identity_id()), (EventType::RiskExternal, Some("bob@example.com")));
        });
        let failed = record("login", &said("login_failure", &[]));
        let list = format!(r#"{{"kind":"admin#reports#activities","etag":"x","items":[{failed},{failed}]}}"#);
        assert_eq!(read(&list).lines().count(), 2);
        event(&failed, |event| assert_eq!(event.failure(), Some(AuthFailure::Other)));
        assert_eq!(read(&record("login", "")), "google_workspace:login without events");
        assert!(testing::read(Format::GoogleWorkspace, "{}", &Input::operator("f")).starts_with("id.applicationName: missing"));
    }
}
