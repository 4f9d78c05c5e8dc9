//! `gcp_audit`: Cloud Audit Logs of Google Cloud (`LogEntry` with an `AuditLog`), as sinks to Pub/Sub and storage write them.
//!
//! | audit log | event |
//! |---|---|
//! | `insertId`, `timestamp` | `id`, `time` |
//! | `protoPayload.methodName` | `type` by [`kind`]; `stamp.native_type` and `request.route` are `service:method` |
//! | `protoPayload.status.code` (gRPC), a permission that was not granted | `outcome`, `request.status` |
//! | `authenticationInfo.principalEmail`, else `principalSubject` | `identity.id`; class `service` of `...gserviceaccount.com` |
//! | `resource.labels.project_id` | `provider.instance`, `identity.issuer` |
//! | `authenticationInfo.serviceAccountKeyName` | `credential.id`, an `api_key`; what was made or revoked in `credential.*` |
//! | `authenticationInfo.serviceAccountDelegationInfo[0]`: who took the service account's place | `credential.parent` |
//! | `requestMetadata.{callerIp,callerSuppliedUserAgent}` | `source`; `private` and `gce-internal-ip` are no addresses |
//! | `serviceData.policyDelta.bindingDeltas[0]` | `change.{role,target}` of `SetIamPolicy`: a grant where anything was added |
//! | `resourceName`; its secret without its version | `request.object`; `change.secret` |
//! | the service account in `request` or `resourceName` | `change.target`; `request.target` of tokens |
//!
//! Not read: request and response bodies. Ignored and counted: what Google Cloud does of its own accord and what anybody may do (no
//! principal), and the end of a long operation (`operation.last`), whose beginning was an event already.
//!
//! Examples: written from the documented fields (Cloud Audit Logs `AuditLog`, `LogEntry`; IAM, IAM Credentials and Secret Manager audit
//! logging).

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item, kind_of};
use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Change, Class, Credential, CredentialKind, EventType, Outcome, Request, Source,
};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let payload = json.get("protoPayload");
    let Some(method) = payload.get("methodName").text() else {
        return Err(Fault::new("protoPayload.methodName", "missing: not a Cloud Audit Log"));
    };
    let time = fields::time(json, &["timestamp"], Json::time)?;
    let service = payload.get("serviceName").text().unwrap_or_default();
    let native_type = Text::from(format!("{service}:{method}"));
    let operation = json.get("operation");
    if operation.get("last").bool() == Some(true) && operation.get("first").bool() != Some(true) {
        return Ok(Item::ignored(format!("{} ended", kind_of("gcp_audit", Some(&native_type)))));
    }
    let authentication = payload.get("authenticationInfo");
    let Some(id) = fields::first(authentication, &["principalEmail", "principalSubject"]) else {
        return Ok(Item::ignored(format!("{} of nobody", kind_of("gcp_audit", Some(&native_type)))));
    };
    let deltas = payload.at("serviceData.policyDelta.bindingDeltas").list();
    let kind = kind(&service, &method, deltas);
    let project = json.at("resource.labels.project_id").text();
    let mut event = fields::event(kind, time, native_type.clone());
    event.id = json.get("insertId").text().unwrap_or_default();
    let status = status(payload);
    event.outcome = if status.is_some() { Outcome::Failure } else { Outcome::Success };
    let mut identity = fields::identity(id, None, project.clone());
    identity.class = identity.id.ends_with("gserviceaccount.com").then_some(Class::Service);
    event.provider = fields::provider("gcp", project);
    let presented = authentication.get("serviceAccountKeyName").text().map(|key| fields::last_part(&key, '/'));
    let delegated = authentication.get("serviceAccountDelegationInfo").list().first();
    let delegated = delegated.and_then(|by| fields::first(by, &["firstPartyPrincipal.principalEmail", "principalSubject"]));
    let resource = payload.get("resourceName").text();
    let object = fields::first(payload, &["response.name", "request.name"])
        .filter(|_| credential_kind(&method).is_some())
        .or_else(|| resource.clone());
    event.credential = match kind {
        EventType::CredentialCreate | EventType::CredentialRevoke => Credential {
            id: object.as_ref().map(|key| fields::last_part(key, '/')),
            kind: credential_kind(&method),
            parent: presented,
            ..Credential::default()
        },
        _ => Credential {
            kind: presented.is_some().then_some(CredentialKind::ApiKey),
            id: presented,
            parent: delegated,
            ..Credential::default()
        },
    }
    .unless_empty();
    event.source = Source {
        ip: fields::ip(payload.at("requestMetadata.callerIp")),
        user_agent: payload.at("requestMetadata.callerSuppliedUserAgent").text(),
        ..Source::default()
    }
    .unless_empty();
    let mut change = Change::default();
    let mut request = Request { route: Some(native_type), status, object: resource.clone(), ..Request::default() };
    let account = || account(payload);
    use EventType::*;
    match kind {
        PrivilegeGrant | PrivilegeRevoke => {
            let wanted = if kind == PrivilegeGrant { "ADD" } else { "REMOVE" };
            if let Some(delta) = deltas.iter().find(|delta| delta.get("action").str() == wanted) {
                change.role = delta.get("role").text();
                // `user:alice@example.com`, `serviceAccount:ci@p.iam.gserviceaccount.com`
                change.target = delta.get("member").text().map(|member| fields::last_part(&member, ':'));
            }
        }
        SecretRead => change.secret = resource.map(unversioned),
        AuthToken | AccountUpdate => request.target = account(),
        AccountCreate | AccountDelete | AccountDisable | AccountEnable | CredentialCreate | CredentialRevoke => change.target = account(),
        _ => {}
    }
    if kind.is_auth() {
        let failure = status.map(|code| if code == 403 { AuthFailure::Policy } else { AuthFailure::Other });
        let method = if kind == AuthLogin { None } else { Some(AuthMethod::Oauth) };
        event.auth = Auth { method, failure, ..Auth::default() }.unless_empty();
    }
    change.target = change.target.filter(|target| *target != identity.id);
    event.change = change.boxed_unless_empty();
    event.request = Some(request);
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

/// The table of methods. Services write them as `google.iam.admin.v1.CreateServiceAccount`, `storage.setIamPermissions`, `SetIamPolicy`.
fn kind(service: &str, method: &str, deltas: &[Json]) -> EventType {
    use EventType::*;
    let name = method.rsplit(['.', '/']).next().unwrap_or(method);
    match (service, name) {
        (_, "SetIamPolicy" | "setIamPolicy" | "setIamPermissions") => {
            let adds = deltas.is_empty() || deltas.iter().any(|delta| delta.get("action").str() == "ADD");
            if adds { PrivilegeGrant } else { PrivilegeRevoke }
        }
        ("iam.googleapis.com", "CreateServiceAccount") => AccountCreate,
        ("iam.googleapis.com", "DeleteServiceAccount") => AccountDelete,
        ("iam.googleapis.com", "DisableServiceAccount") => AccountDisable,
        ("iam.googleapis.com", "EnableServiceAccount" | "UndeleteServiceAccount") => AccountEnable,
        ("iam.googleapis.com", "PatchServiceAccount" | "UpdateServiceAccount") => AccountUpdate,
        ("iam.googleapis.com", "CreateServiceAccountKey" | "UploadServiceAccountKey" | "EnableServiceAccountKey") => CredentialCreate,
        ("iam.googleapis.com", "DeleteServiceAccountKey" | "DisableServiceAccountKey") => CredentialRevoke,
        ("iamcredentials.googleapis.com", "GenerateAccessToken" | "GenerateIdToken" | "SignJwt" | "SignBlob") => AuthToken,
        ("sts.googleapis.com", "ExchangeToken") => AuthToken,
        ("secretmanager.googleapis.com", "AccessSecretVersion") | ("apikeys.googleapis.com", "GetKeyString") => SecretRead,
        ("apikeys.googleapis.com", "CreateKey" | "UndeleteKey") | ("storage.googleapis.com", "CreateHmacKey") => CredentialCreate,
        ("apikeys.googleapis.com", "DeleteKey") | ("storage.googleapis.com", "DeleteHmacKey") => CredentialRevoke,
        ("login.googleapis.com", "loginSuccess" | "loginFailure") => AuthLogin,
        ("login.googleapis.com", "logout") => AuthLogout,
        _ => ApiRequest,
    }
}

fn credential_kind(method: &str) -> Option<CredentialKind> {
    method.ends_with("Key").then_some(CredentialKind::ApiKey)
}

/// A gRPC code as the HTTP status that it stands for. `None`: it went well.
fn status(payload: &Json) -> Option<u16> {
    let denied = payload.get("authorizationInfo").list().iter().any(|info| info.get("granted").bool() == Some(false));
    match payload.at("status.code").int().unwrap_or(0) {
        0 if payload.get("methodName").str().ends_with("loginFailure") => Some(401),
        0 if denied => Some(403),
        0 => None,
        3 | 9 | 11 => Some(400),
        5 => Some(404),
        6 | 10 => Some(409),
        7 => Some(403),
        8 => Some(429),
        16 => Some(401),
        14 => Some(503),
        4 => Some(504),
        12 => Some(501),
        _ => Some(500),
    }
}

/// The service account that was acted on.
fn account<'a>(payload: &Json<'a>) -> Option<Text<'a>> {
    let written = fields::first(payload, &["response.email", "request.account.email"]);
    written.or_else(|| {
        let resource = fields::first(payload, &["request.name", "resourceName"])?;
        let start = resource.find("serviceAccounts/")? + "serviceAccounts/".len();
        let rest = fields::part(&resource, start..)?;
        let end = rest.find('/').unwrap_or(rest.len());
        fields::part(&rest, ..end)
    })
}

/// `projects/p/secrets/db` of `projects/p/secrets/db/versions/3`: every version is the same secret.
fn unversioned(resource: Text<'_>) -> Text<'_> {
    match resource.find("/versions/") {
        Some(at) => fields::part(&resource, ..at).unwrap_or_default(),
        None => resource,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{Event, EventType};

    fn record(service: &str, method: &str, rest: &str) -> String {
        format!(
            r#"{{"insertId":"e","timestamp":"2026-05-01T10:00:00.353Z","logName":"projects/p/logs/cloudaudit.googleapis.com%2Factivity","resource":{{"type":"x","labels":{{"project_id":"p"}}}},
            "protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"{service}","methodName":"{method}",
            "authenticationInfo":{{"principalEmail":"alice@example.com"}},"requestMetadata":{{"callerIp":"192.0.2.7","callerSuppliedUserAgent":"gcloud"}}{rest}}}}}"#
        )
    }

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("gcp", None))
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::GcpAudit, raw, &Input::behaviour("gcp", None), check);
    }

    #[test]
    fn a_role_is_given() {
        let delta = r#","resourceName":"projects/p","serviceData":{"policyDelta":{"bindingDeltas":[{"action":"ADD","role":"roles/owner","member":"user:bob@example.com"}]}}"#;
        assert_eq!(
            read(&record("cloudresourcemanager.googleapis.com", "SetIamPolicy", delta)),
            concat!(
                r#"{"id":"e","time":"2026-05-01T10:00:00.353Z","type":"privilege.grant","outcome":"success","tenant":"default","#,
                r#""identity":{"id":"alice@example.com","issuer":"p"},"provider":{"product":"gcp","instance":"p"},"#,
                r#""source":{"ip":"192.0.2.7","user_agent":"gcloud"},"request":{"route":"cloudresourcemanager.googleapis.com:SetIamPolicy","object":"projects/p"},"#,
                r#""change":{"role":"roles/owner","target":"bob@example.com"},"stamp":{"native_type":"cloudresourcemanager.googleapis.com:SetIamPolicy"}}"#
            )
        );
        event(&record("x", "SetIamPolicy", &delta.replace("ADD", "REMOVE")), |event| assert_eq!(event.kind, EventType::PrivilegeRevoke));
    }

    #[test]
    fn methods() {
        let key = r#","resourceName":"projects/-/serviceAccounts/ci@p.iam.gserviceaccount.com","request":{"name":"projects/-/serviceAccounts/ci@p.iam.gserviceaccount.com"},"response":{"name":"projects/p/serviceAccounts/ci@p.iam.gserviceaccount.com/keys/k-1"}"#;
        for (service, method, rest, expected) in [
            ("iam.googleapis.com", "google.iam.admin.v1.CreateServiceAccountKey", key, r#""credential":{"id":"k-1","kind":"api_key"}"#),
            (
                "iam.googleapis.com",
                "google.iam.admin.v1.CreateServiceAccountKey",
                key,
                r#""change":{"target":"ci@p.iam.gserviceaccount.com"}"#,
            ),
            ("iamcredentials.googleapis.com", "GenerateAccessToken", key, r#""target":"ci@p.iam.gserviceaccount.com"}"#),
            (
                "secretmanager.googleapis.com",
                "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion",
                r#","resourceName":"projects/p/secrets/db/versions/3""#,
                r#""change":{"secret":"projects/p/secrets/db"}"#,
            ),
            ("compute.googleapis.com", "v1.compute.instances.insert", r#","status":{"code":7,"message":"denied"}"#, r#""status":403"#),
        ] {
            let event = read(&record(service, method, rest));
            assert!(event.contains(expected), "{method}: {event}");
        }
    }

    #[test]
    fn service_accounts_and_nobody() {
        let by = r#""authenticationInfo":{"principalEmail":"ci@p.iam.gserviceaccount.com","serviceAccountKeyName":"//iam.googleapis.com/projects/p/serviceAccounts/ci@p.iam.gserviceaccount.com/keys/k-1"}"#;
        let raw = record("storage.googleapis.com", "storage.objects.get", "")
            .replace(r#""authenticationInfo":{"principalEmail":"alice@example.com"}"#, by);
        assert!(read(&raw).contains(r#""identity":{"id":"ci@p.iam.gserviceaccount.com","class":"service","issuer":"p"},"provider":{"product":"gcp","instance":"p"},"credential":{"id":"k-1","kind":"api_key"}"#), "{}", read(&raw));
        let inside = raw.replace("192.0.2.7", "gce-internal-ip");
        event(&inside, |event| assert_eq!(event.ip(), None));
        let nobody = record("compute.googleapis.com", "x", "").replace(r#"{"principalEmail":"alice@example.com"}"#, "{}");
        assert_eq!(read(&nobody), "gcp_audit:compute.googleapis.com:x of nobody");
        let end = record("compute.googleapis.com", "x", "").replacen('{', r#"{"operation":{"id":"o","last":true},"#, 1);
        assert_eq!(read(&end), "gcp_audit:compute.googleapis.com:x ended");
        assert_eq!(read(&record("a", "b", "").replace("\"timestamp\"", "\"receiveTimestamp\"")), "timestamp: missing");
    }
}
