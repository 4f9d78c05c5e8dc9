//! `entra_audit`: audit logs of Microsoft Entra ID, as diagnostic settings write them (`category` `AuditLogs`) or as the Graph API gives
//! them (`directoryAudit`).
//!
//! | audit | event |
//! |---|---|
//! | `properties.id` | `id` |
//! | `activityDateTime`, else the envelope's `time` | `time` |
//! | `activityDisplayName` | `type` by [`meaning`]; `stamp.native_type` |
//! | `result` | `outcome` |
//! | `initiatedBy.user.{id,userPrincipalName}`; `initiatedBy.app.{servicePrincipalId,appId,displayName}` | `identity`, class `service` of applications |
//! | `tenantId`, `/tenants/{id}` | `identity.issuer`, `provider.instance` |
//! | `initiatedBy.user.ipAddress`, `callerIpAddress`, `additionalDetails` `ipaddr`; `User-Agent` there | `source.{ip,user_agent}` |
//! | `targetResources[]` of type User, else ServicePrincipal, Application, Group | `change.target`; `request.target` of updates and recoveries |
//! | the resource of type Role, modified properties `Role.DisplayName`, `Group.DisplayName`, `AppRole.Value`, `DelegatedPermissionGrant.Scope` | `change.role`, `change.scope` |
//! | the first of `targetResources[]` | `request.object` of `api.request` |
//!
//! Not read: the old and new values of other properties (whole policies as text); what PIM was asked for is an `api.request`, only what it
//! completed is a grant. Ignored and counted: what the directory does of its own accord (`initiatedBy` names nobody).
//!
//! Source: Microsoft Graph `directoryAudit` resource, "Microsoft Entra audit activity reference". Read on public records in
//! `tests/real_data.rs`; the examples here are written from the documented fields.

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item, azure, kind_of};
use portcullis_core::event::{Change, Class, Credential, CredentialKind, EventType, Identity, Outcome, Request, Source};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let audit = azure::properties(json);
    let name = audit.get("activityDisplayName").text().or_else(|| json.get("operationName").text());
    let Some(name) = name else { return Err(Fault::new("properties.activityDisplayName", "missing: not an audit record of Entra ID")) };
    let time = fields::time(audit, &["activityDateTime"], Json::time)
        .or_else(|fault| fields::time(json, &["time"], Json::time).map_err(|_| fault))?;
    let Some(mut identity) = who(audit) else { return Ok(Item::ignored(format!("{} of nobody", kind_of("entra_audit", Some(&name))))) };
    let meaning = meaning(&name);
    let mut event = fields::event(meaning.kind, time, name.clone());
    event.id = audit.get("id").text().unwrap_or_default();
    event.outcome = match fields::first(audit, &["result"]).or_else(|| json.get("result").text()) {
        Some(result) if result.eq_ignore_ascii_case("success") => Outcome::Success,
        Some(result) if result.eq_ignore_ascii_case("failure") => Outcome::Failure,
        _ => Outcome::Unknown,
    };
    identity.issuer = azure::tenant(json);
    let more = audit.get("additionalDetails");
    event.provider = fields::provider("entra", azure::tenant(json));
    event.source = Source {
        ip: [audit.at("initiatedBy.user.ipAddress"), json.get("callerIpAddress")]
            .into_iter()
            .chain(azure::detail(more, "ipaddr"))
            .find_map(fields::ip),
        user_agent: azure::detail(more, "User-Agent").and_then(Json::text),
        ..Source::default()
    }
    .unless_empty();
    let target = target(audit).filter(|id| *id != identity.id);
    let mut change = Change { scope: modified(audit, "DelegatedPermissionGrant.Scope"), ..Change::default() };
    let mut request = Request::default();
    use EventType::*;
    match meaning.kind {
        ApiRequest => request = Request { route: Some(name), object: of_types(audit, &[]), target, ..Request::default() },
        AccountUpdate | AuthRecovery | AuthLogout => request.target = target,
        ConsentGrant => {}
        _ => change.target = target,
    }
    if matches!(meaning.kind, PrivilegeGrant | PrivilegeRevoke) {
        change.role = meaning.of.map(Text::borrowed).or_else(|| role(audit));
    }
    if meaning.kind == AccountUpdate && meaning.of == Some("factor") {
        change.target = meaning.of.map(Text::borrowed);
        change.role = meaning.removed.then_some(Text::borrowed("removed"));
    }
    event.credential = Credential {
        kind: meaning.credential,
        client_id: of_types(audit, &["ServicePrincipal"]).filter(|_| meaning.kind == ConsentGrant),
        ..Credential::default()
    }
    .unless_empty();
    event.change = change.boxed_unless_empty();
    event.request = request.unless_empty();
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

fn who<'a>(audit: &Json<'a>) -> Option<Identity<'a>> {
    let (user, application) = (audit.at("initiatedBy.user"), audit.at("initiatedBy.app"));
    let name = user.get("userPrincipalName").text().map(fields::lower);
    if let Some(id) = azure::object_id(user.get("id")).or_else(|| name.clone()) {
        return Some(fields::identity(id, name, None));
    }
    let name = application.get("displayName").text();
    let id = ["servicePrincipalId", "appId"].iter().find_map(|key| azure::object_id(application.get(key))).or_else(|| name.clone())?;
    Some(Identity { class: Some(Class::Service), ..fields::identity(id, name, None) })
}

/// Our type for an activity, and what it is about.
struct Meaning {
    kind: EventType,
    /// The role where the activity itself names it; `factor`.
    of: Option<&'static str>,
    removed: bool,
    credential: Option<CredentialKind>,
}

/// The table of activities. Microsoft writes them with and without spaces at the end, and with a dash or a hyphen.
fn meaning(name: &str) -> Meaning {
    use EventType::*;
    let name = name.trim().to_ascii_lowercase();
    let is = |kind| Meaning { kind, of: None, removed: false, credential: None };
    let with = |kind, credential| Meaning { credential: Some(credential), ..is(kind) };
    match name.as_str() {
        "add user"
        | "invite external user"
        | "invite internal user"
        | "add service principal"
        | "add application"
        | "bulk create users - finished (bulk)" => is(AccountCreate),
        "invite internal user to b2b collaboration" => is(AccountUpdate),
        "delete user" | "hard delete user" | "remove service principal" | "delete application" | "hard delete application" => {
            is(AccountDelete)
        }
        "disable account" => is(AccountDisable),
        "enable account" | "restore user" | "unlock user account (self-service)" => is(AccountEnable),
        "update user" | "update service principal" | "update application" => is(AccountUpdate),
        "reset user password" | "reset password (by admin)" | "reset password (self-service)" | "self-service password reset" => {
            is(AuthRecovery)
        }
        "change user password" | "change password (self-service)" => with(CredentialRotate, CredentialKind::Password),
        "user registered security info"
        | "admin registered security info"
        | "user updated security info"
        | "user changed default security info"
        | "admin updated security info" => Meaning { of: Some("factor"), ..is(AccountUpdate) },
        "user deleted security info" | "admin deleted security info" | "disable strong authentication" => {
            Meaning { of: Some("factor"), removed: true, ..is(AccountUpdate) }
        }
        "consent to application" => is(ConsentGrant),
        "add service principal credentials" | "add application credentials" => with(CredentialCreate, CredentialKind::ClientSecret),
        "remove service principal credentials" | "remove application credentials" => with(CredentialRevoke, CredentialKind::ClientSecret),
        "update stsrefreshtokenvalidfrom timestamp" | "revoke user refresh tokens" | "revoke sign in sessions" => is(AuthLogout),
        "user has elevated their access to user access administrator for their azure resources" => {
            Meaning { of: Some("User Access Administrator"), ..is(PrivilegeGrant) }
        }
        "revoke consent" | "remove delegated permission grant" | "remove oauth2permissiongrant" => is(PrivilegeRevoke),
        "add delegated permission grant" | "add oauth2permissiongrant" => is(PrivilegeGrant),
        "delete role assignment" => is(PrivilegeRevoke),
        n if n.contains("certificates and secrets management") => with(CredentialCreate, CredentialKind::ClientSecret),
        n if n.contains("in pim requested") || n.contains("request approved") => is(ApiRequest),
        n if ["add member to ", "add eligible member to ", "add owner to ", "add app role assignment", "add scoped member to "]
            .iter()
            .any(|start| n.starts_with(start)) =>
        {
            is(PrivilegeGrant)
        }
        n if [
            "remove member from ",
            "remove eligible member from ",
            "remove owner from ",
            "remove app role assignment",
            "remove scoped member from ",
        ]
        .iter()
        .any(|start| n.starts_with(start)) =>
        {
            is(PrivilegeRevoke)
        }
        _ => is(ApiRequest),
    }
}

/// The identity that was acted on: a user before an application before a group.
fn target<'a>(audit: &Json<'a>) -> Option<Text<'a>> {
    ["User", "ServicePrincipal", "Application", "Group"].iter().find_map(|kind| of_types(audit, &[kind]))
}

/// The id of the first resource of one of these types; of any where none is asked for.
fn of_types<'a>(audit: &Json<'a>, kinds: &[&str]) -> Option<Text<'a>> {
    let resources = audit.get("targetResources").list();
    let of = |resource: &&Json| kinds.is_empty() || kinds.contains(&resource.get("type").str());
    resources
        .iter()
        .filter(of)
        .find_map(|r| azure::object_id(r.get("id")).or_else(|| fields::first(r, &["userPrincipalName", "displayName"])))
}

fn role<'a>(audit: &Json<'a>) -> Option<Text<'a>> {
    let named =
        audit.get("targetResources").list().iter().find(|r| r.get("type").str() == "Role").and_then(|r| r.get("displayName").text());
    let of_more = || ["RoleName", "Role"].iter().find_map(|key| azure::detail(audit.get("additionalDetails"), key)?.text());
    let of_changes = || ["Role.DisplayName", "Group.DisplayName", "AppRole.Value"].iter().find_map(|key| modified(audit, key));
    named.or_else(of_changes).or_else(of_more).or_else(|| of_types(audit, &["Group"]))
}

/// The new value of a modified property, or the old one where it was removed. Entra writes them as JSON within text: `"\"Global Administrator\""`.
fn modified<'a>(audit: &Json<'a>, name: &str) -> Option<Text<'a>> {
    let mut properties = audit.get("targetResources").list().iter().flat_map(|r| r.get("modifiedProperties").list());
    let property = properties.find(|p| p.get("displayName").str() == name)?;
    let value = |key: &str| property.get(key).text().map(unquoted).filter(|text| !text.trim().is_empty());
    value("newValue").or_else(|| value("oldValue"))
}

fn unquoted(text: Text<'_>) -> Text<'_> {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner.map(str::len) {
        Some(length) => fields::part(&text, 1..1 + length).unwrap_or_default(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{Class, Event, EventType};

    fn record(name: &str, by: &str, targets: &str) -> String {
        format!(
            r#"{{"time":"2026-05-01T10:02:00Z","category":"AuditLogs","tenantId":"t-1","callerIpAddress":"192.0.2.7","operationName":"{name}","properties":{{"id":"e",
            "activityDisplayName":"{name}","activityDateTime":"2026-05-01T10:00:00.3530000Z","result":"success","initiatedBy":{{{by}}},"targetResources":[{targets}]}}}}"#
        )
    }

    const ADMIN: &str = r#""user":{"id":"adm-1","userPrincipalName":"Admin@example.com","ipAddress":"192.0.2.8"}"#;
    const USER: &str = r#"{"id":"u-1","type":"User","userPrincipalName":"alice@example.com"}"#;

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("entra", None))
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::EntraAudit, raw, &Input::behaviour("entra", None), check);
    }

    #[test]
    fn a_role_is_given() {
        let role = r#"{"id":"u-1","type":"User","userPrincipalName":"alice@example.com","modifiedProperties":[{"displayName":"Role.DisplayName","oldValue":null,"newValue":"\"Global Administrator\""}]}"#;
        assert_eq!(
            read(&record("Add member to role", ADMIN, role)),
            concat!(
                r#"{"id":"e","time":"2026-05-01T10:00:00.353Z","type":"privilege.grant","outcome":"success","tenant":"default","#,
                r#""identity":{"id":"adm-1","issuer":"t-1","native_id":"admin@example.com"},"provider":{"product":"entra","instance":"t-1"},"#,
                r#""source":{"ip":"192.0.2.8"},"change":{"role":"Global Administrator","target":"u-1"},"stamp":{"native_type":"Add member to role"}}"#
            )
        );
    }

    #[test]
    fn activities() {
        for (name, targets, expected) in [
            ("Add user", USER, r#""type":"account.create""#),
            ("Disable account", USER, r#""change":{"target":"u-1"}"#),
            ("Reset user password", USER, r#""request":{"target":"u-1"}"#),
            ("User deleted security info", "", r#""change":{"role":"removed","target":"factor"}"#),
            ("Admin registered security info", USER, r#""request":{"target":"u-1"},"change":{"target":"factor"}"#),
            ("Add service principal credentials", r#"{"id":"sp-1","type":"ServicePrincipal"}"#, r#""credential":{"kind":"client_secret"}"#),
            (
                "Update application – Certificates and secrets management ",
                r#"{"id":"a-1","type":"Application"}"#,
                r#""type":"credential.create""#,
            ),
            ("Consent to application", r#"{"id":"sp-1","type":"ServicePrincipal"}"#, r#""credential":{"client_id":"sp-1"}"#),
            ("Add member to role in PIM requested (permanent)", USER, r#""type":"api.request""#),
            (
                "Add member to role in PIM completed (permanent)",
                r#"{"id":"r-1","type":"Role","displayName":"Application Administrator"},{"id":"u-1","type":"User"}"#,
                r#""change":{"role":"Application Administrator","target":"u-1"}"#,
            ),
            (
                "Update conditional access policy",
                r#"{"id":"p-1","type":"Policy"}"#,
                r#""request":{"route":"Update conditional access policy","object":"p-1"}"#,
            ),
        ] {
            let event = read(&record(name, ADMIN, targets));
            assert!(event.contains(expected), "{name}: {event}");
        }
    }

    #[test]
    fn applications_and_the_directory_itself() {
        event(&record("Add user", r#""app":{"servicePrincipalId":"sp-1","displayName":"HR sync"}"#, USER), |event| {
            let identity = event.identity.unwrap();
            assert_eq!((event.kind, identity.id.as_str(), identity.class), (EventType::AccountCreate, "sp-1", Some(Class::Service)));
        });
        assert_eq!(read(&record("Update user", "", USER)), "entra_audit:Update user of nobody");
        assert!(
            testing::read(Format::EntraAudit, "{}", &Input::behaviour("entra", None))
                .starts_with("properties.activityDisplayName: missing")
        );
    }
}
