//! `github_audit`: the audit log of GitHub organisations and enterprises, and of GitHub Enterprise Server, as streaming, the REST API and
//! exports write it.
//!
//! | audit log | event |
//! |---|---|
//! | `_document_id`, else `request_id` of a server's log | `id` |
//! | `@timestamp` or `created_at` (ms, or RFC 3339) | `time` |
//! | `action` | `type` by [`meaning`]; `stamp.native_type`, `request.route` |
//! | `action` that ends in `fail`, `failed`, `failure`; `operation_type` `authentication` | `outcome` |
//! | `actor_id`, else `actor`; bots (`actor_is_bot`, `...[bot]`) and deploy keys | `identity.id`; class `service` |
//! | `actor`, `external_identity_nameid` | `identity.native_id` |
//! | `business`, else `org` | `identity.issuer`, `provider.instance` |
//! | `actor_session`; `hashed_token`, `token_id`, `programmatic_access_type`, `oauth_application_id` | `session.id`; `credential.{id,kind,client_id}` |
//! | `actor_ip`, `user_agent`, `actor_location.country_code` | `source` |
//! | `user_id`, else `user`, where it is not the actor | `change.target`, `request.target` |
//! | `team`, `permission`, `new_role`, `role`, `repo` in this order | `change.role` of `privilege.*` |
//! | `token_scopes`, `scopes` | `change.scope` of consents and tokens; `request.scope` |
//! | `repo`, `org` | `request.object` |
//!
//! Not read: what a setting was before and after. Ignored and counted: what names no actor, and GitHub's own findings
//! (`secret_scanning_alert.*`, `repository_vulnerability_alert.*`, `code_scanning.*`), which are about code.
//!
//! Source: GitHub "Audit log events for your enterprise". Read on public records in `tests/real_data.rs`; the examples here are written
//! from the documented fields.

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item, kind_of};
use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Change, Class, Credential, CredentialKind, EventType, Request, Session, Source,
};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let Some(action) = json.get("action").text() else { return Err(Fault::new("action", "missing: not a record of GitHub's audit log")) };
    let time = fields::time(json, &["@timestamp", "created_at"], |time| time.millis().or_else(|| time.time()))?;
    let (area, verb) = action.split_once('.').unwrap_or(("", action.as_str()));
    let Some(meaning) = meaning(area, verb) else { return Ok(Item::ignored(kind_of("github_audit", Some(&action)))) };
    let (actor_id, actor) = (number(json.get("actor_id")), json.get("actor").text());
    let Some(id) = actor_id.or_else(|| actor.clone()) else {
        return Ok(Item::ignored(format!("{} of nobody", kind_of("github_audit", Some(&action)))));
    };
    let mut event = fields::event(meaning.kind, time, action.clone());
    event.id = fields::first(json, &["_document_id", "request_id"]).unwrap_or_default();
    let failed = verb.split('_').next_back().is_some_and(|end| matches!(end, "fail" | "failed" | "failure")) || verb.starts_with("failed_");
    event.outcome = fields::outcome(!failed);
    let instance = fields::first(json, &["business", "org"]);
    let is_program = json.get("actor_is_bot").bool() == Some(true)
        || actor.as_deref().is_some_and(|a| a.ends_with("[bot]") || a.starts_with("deploy_key"));
    let mut identity = fields::identity(id, actor.or_else(|| json.get("external_identity_nameid").text()), instance.clone());
    identity.class = is_program.then_some(Class::Service);
    event.provider = fields::provider("github", instance);
    event.session = Session { id: number(json.get("actor_session")), parent: None }.unless_empty();
    event.credential = credential(json, &meaning).unless_empty();
    event.source = Source {
        ip: fields::ip(json.get("actor_ip")),
        country: fields::country(json.at("actor_location.country_code")),
        user_agent: json.get("user_agent").text(),
        ..Source::default()
    }
    .unless_empty();
    if meaning.kind.is_auth() {
        let method = match verb {
            "sso_response" => Some(AuthMethod::Saml),
            v if v.starts_with("two_factor_") => Some(AuthMethod::Totp),
            "login" | "failed_login" => Some(AuthMethod::Password),
            _ => None,
        };
        let why = if meaning.kind == EventType::AuthMfa { AuthFailure::Other } else { AuthFailure::BadPassword };
        event.auth = Auth { method, failure: failed.then_some(why), ..Auth::default() }.unless_empty();
    }
    let user = number(json.get("user_id")).or_else(|| json.get("user").text());
    let target = user.filter(|user| *user != identity.id && Some(user) != identity.native_id.as_ref());
    let scope = fields::first(json, &["token_scopes", "scopes"]);
    let object = fields::first(json, &["repo", "repository", "team", "org", "business"]);
    let mut change = Change::default();
    let mut request = Request { route: Some(action), object, ..Request::default() };
    use EventType::*;
    match meaning.kind {
        PrivilegeGrant | PrivilegeRevoke => {
            change.role =
                fields::first(json, &["team", "permission", "new_role", "role", "new_repo_permission", "repo", "org", "business"]);
            change.target = target;
        }
        AccountUpdate => {
            change.target = meaning.of.map(Text::borrowed);
            change.role = meaning.removed.then_some(Text::borrowed("removed"));
            request.target = target;
        }
        AccountCreate | AccountDelete | AccountDisable | AccountEnable => change.target = target,
        CredentialCreate | CredentialRevoke | CredentialRotate | ConsentGrant => {
            change.scope = scope;
            change.target = target;
        }
        _ => (request.scope, request.target) = (scope, target),
    }
    event.change = change.boxed_unless_empty();
    event.request = Some(request);
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

/// An id; GitHub writes 0 where there is none.
fn number<'a>(json: &Json<'a>) -> Option<Text<'a>> {
    json.name().filter(|id| id.as_str() != "0")
}

/// What an action is to us, and what it concerns.
struct Meaning {
    kind: EventType,
    of: Option<&'static str>,
    removed: bool,
    credential: Option<CredentialKind>,
}

/// The table of actions. `None`: not about what an identity did.
fn meaning(area: &str, verb: &str) -> Option<Meaning> {
    use EventType::*;
    let is = |kind| Meaning { kind, of: None, removed: false, credential: None };
    let ends = |endings: &[&str]| endings.iter().any(|end| verb == *end || verb.ends_with(&format!("_{end}")));
    let made_or_gone = |credential| {
        let kind = match verb {
            v if ["destroy", "delete", "revoke", "remove", "expire", "deauthorized", "credential_revoked", "access_revoked"]
                .contains(&v) =>
            {
                CredentialRevoke
            }
            v if ["create", "grant", "access_granted", "credential_regenerated", "add"].contains(&v) => CredentialCreate,
            "regenerate" | "update" => CredentialRotate,
            _ => return is(ApiRequest),
        };
        Meaning { credential: Some(credential), ..is(kind) }
    };
    Some(match (area, verb) {
        (
            "secret_scanning_alert"
            | "repository_vulnerability_alert"
            | "repository_vulnerability_alerts"
            | "code_scanning"
            | "dependabot_alerts",
            _,
        ) => return None,
        ("user", "login" | "failed_login") | (_, "sso_response") => is(AuthLogin),
        ("user", "two_factor_challenge_success" | "two_factor_challenge_failure") => is(AuthMfa),
        ("user", "logout") => is(AuthLogout),
        ("user", "forgot_password" | "reset_password" | "two_factor_recover" | "two_factor_recovery_codes_viewed") => is(AuthRecovery),
        ("user", "change_password") => Meaning { credential: Some(CredentialKind::Password), ..is(CredentialRotate) },
        ("user", "create") => is(AccountCreate),
        ("user", "delete") => is(AccountDelete),
        ("user", "suspend") => is(AccountDisable),
        ("user", "unsuspend") => is(AccountEnable),
        ("user", "promote") => is(PrivilegeGrant),
        ("user", "demote") => is(PrivilegeRevoke),
        ("two_factor_authentication", "enabled" | "add_factor") | ("passkey", "register") | ("security_key", "register") => {
            Meaning { of: Some("factor"), ..is(AccountUpdate) }
        }
        ("two_factor_authentication", "disabled" | "remove_factor") | ("passkey" | "security_key", "remove") => {
            Meaning { of: Some("factor"), removed: true, ..is(AccountUpdate) }
        }
        ("user_email" | "email", _) => Meaning { of: Some("email"), ..is(AccountUpdate) },
        ("oauth_authorization", "create") | ("integration_installation", "create") | ("org", "oauth_app_access_approved") => {
            is(ConsentGrant)
        }
        ("personal_access_token" | "oauth_access" | "oauth_authorization" | "org_credential_authorization", _) => {
            made_or_gone(CredentialKind::AccessToken)
        }
        ("public_key" | "deploy_key" | "gpg_key" | "ssh_certificate_authority", _) => made_or_gone(CredentialKind::Certificate),
        ("oauth_application" | "integration", "generate_client_secret" | "client_secret_create") => {
            Meaning { credential: Some(CredentialKind::ClientSecret), ..is(CredentialCreate) }
        }
        ("repo" | "team" | "org" | "business" | "enterprise" | "enterprise_team", _)
            if ends(&[
                "add_member",
                "add_admin",
                "add_owner",
                "add_collaborator",
                "add_outside_collaborator",
                "add_repository",
                "add_billing_manager",
                "add_security_manager",
                "add_user",
            ]) =>
        {
            is(PrivilegeGrant)
        }
        ("repo" | "team" | "org" | "business", "update_member" | "update_repository_permission" | "promote_maintainer") => {
            is(PrivilegeGrant)
        }
        ("repo" | "team" | "org" | "business" | "enterprise" | "enterprise_team", _)
            if ends(&[
                "remove_member",
                "remove_admin",
                "remove_owner",
                "remove_collaborator",
                "remove_outside_collaborator",
                "remove_repository",
                "remove_billing_manager",
                "remove_security_manager",
                "remove_user",
                "demote_maintainer",
            ]) =>
        {
            is(PrivilegeRevoke)
        }
        ("organization_role", "assign") => is(PrivilegeGrant),
        ("organization_role", "revoke") => is(PrivilegeRevoke),
        _ => is(ApiRequest),
    })
}

/// What was made or revoked, or else what the actor presented.
fn credential<'a>(json: &Json<'a>, meaning: &Meaning) -> Credential<'a> {
    let presented = match json.get("programmatic_access_type").str() {
        "" => None,
        kind if kind.contains("Public Key") || kind.contains("Deploy Key") => Some(CredentialKind::Certificate),
        _ => Some(CredentialKind::AccessToken),
    };
    Credential {
        id: fields::first(json, &["hashed_token"])
            .or_else(|| number(json.get("token_id")))
            .or_else(|| fields::first(json, &["fingerprint", "key_id"])),
        kind: meaning.credential.or(presented),
        client_id: number(json.get("oauth_application_id"))
            .or_else(|| fields::first(json, &["oauth_application_name", "integration", "application_name"])),
        ..Credential::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{AuthMethod, Class, Event, EventType};

    fn record(action: &str, rest: &str) -> String {
        format!(
            r#"{{"action":"{action}","@timestamp":1777629600353,"_document_id":"d","actor":"alice","actor_id":7,"actor_ip":"192.0.2.7","business":"acme","org":"acme-org",
            "user_agent":"git/2.45","actor_location":{{"country_code":"CH"}}{rest}}}"#
        )
    }

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("github", None))
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::GithubAudit, raw, &Input::behaviour("github", None), check);
    }

    #[test]
    fn a_push_with_a_token() {
        assert_eq!(
            read(&record(
                "git.push",
                r#","repo":"acme/dynamite","hashed_token":"h","programmatic_access_type":"Personal access token (classic)","token_scopes":"repo""#
            )),
            concat!(
                r#"{"id":"d","time":"2026-05-01T10:00:00.353Z","type":"api.request","outcome":"success","tenant":"default","#,
                r#""identity":{"id":"7","issuer":"acme","native_id":"alice"},"provider":{"product":"github","instance":"acme"},"#,
                r#""credential":{"id":"h","kind":"access_token"},"source":{"ip":"192.0.2.7","country":"CH","user_agent":"git/2.45"},"#,
                r#""request":{"route":"git.push","object":"acme/dynamite","scope":"repo"},"stamp":{"native_type":"git.push"}}"#
            )
        );
    }

    #[test]
    fn actions() {
        let user = r#","user":"bob","user_id":8"#;
        for (action, rest, expected) in [
            ("user.failed_login", "", r#""auth":{"method":"password","failure":"bad_password"}"#),
            ("org.add_member", user, r#""change":{"role":"acme-org","target":"8"}"#),
            ("team.add_member", r#","user":"bob","user_id":8,"team":"acme/ops""#, r#""change":{"role":"acme/ops","target":"8"}"#),
            ("org.remove_outside_collaborator", user, r#""type":"privilege.revoke""#),
            ("user.suspend", user, r#""type":"account.disable""#),
            ("two_factor_authentication.disabled", "", r#""change":{"role":"removed","target":"factor"}"#),
            ("personal_access_token.create", "", r#""type":"credential.create""#),
            ("oauth_access.destroy", "", r#""type":"credential.revoke""#),
            ("public_key.create", r#","fingerprint":"SHA256:x""#, r#""credential":{"id":"SHA256:x","kind":"certificate"}"#),
            ("oauth_authorization.create", r#","oauth_application_name":"CI","token_scopes":"repo""#, r#""type":"consent.grant""#),
            ("repo.access", r#","repo":"acme/x","visibility":"public""#, r#""type":"api.request""#),
        ] {
            let event = read(&record(action, rest));
            assert!(event.contains(expected), "{action}: {event}");
        }
    }

    #[test]
    fn sign_on_and_programs() {
        event(&record("business.sso_response", ""), |event| {
            assert_eq!((event.kind, event.method()), (EventType::AuthLogin, Some(AuthMethod::Saml)))
        });
        let bot = record("workflows.completed_workflow_run", "")
            .replace(r#""actor":"alice","actor_id":7"#, r#""actor":"dependabot[bot]","actor_id":0"#);
        event(&bot, |event| {
            let identity = event.identity.unwrap();
            assert_eq!((identity.id.as_str(), identity.class), ("dependabot[bot]", Some(Class::Service)));
        });
        assert_eq!(read(&record("secret_scanning_alert.create", "")), "github_audit:secret_scanning_alert.create");
        let nobody = record("org.update", "").replace(r#""actor":"alice","actor_id":7,"#, r#""actor":"","#);
        assert_eq!(read(&nobody), "github_audit:org.update of nobody");
    }
}
