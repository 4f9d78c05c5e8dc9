//! `vault_audit`: the audit device of HashiCorp Vault and OpenBao, as its file, socket and syslog devices write it.
//!
//! | audit | event |
//! |---|---|
//! | `request.id` | `id` |
//! | `time` | `time` |
//! | `request.{operation,path,mount_type}` | `type` by [`kind`]; `stamp.native_type` and `request.route` are the operation and the path as a template |
//! | `error`, `response.data.error` | `outcome` failure, `request.status` 403 of "permission denied" |
//! | `auth` (of a log-in `response.auth`) `entity_id`, else `display_name` | `identity.id`; `native_id` is the `display_name`; a log-in that failed has only the name in its path |
//! | the mount's type of a log-in | `auth.method`; `identity.class` `service` of approle, kubernetes, aws, azure, gcp, cert |
//! | `auth.accessor`, `token_issue_time`; `response.auth.accessor` of what was made | `credential.{id,issued_at}` |
//! | `request.{remote_address,headers.user-agent}` | `source` |
//! | `request.path` | `request.object`, `change.secret`, `change.role` of policies |
//! | `request.namespace.path` | `provider.instance` |
//!
//! Only `type` `response` is an event: it tells all that the `request` before it does, which is ignored and counted, as are requests that
//! name nobody (health checks, seals, and log-ins that failed without a name in their path). Values are hashed by Vault itself; the
//! hashes of accessors are the same each time and serve as ids.
//!
//! Examples: written from the documented fields (Vault "Audit devices", entry schema).

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item, kind_of};
use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Change, Class, Credential, CredentialKind, EventType, Outcome, Request, Source,
};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let request = json.get("request");
    let (Some(operation), Some(path)) = (request.get("operation").text(), request.get("path").text()) else {
        return Err(Fault::new("request.path", "missing, or `request.operation`: not an entry of Vault's audit log"));
    };
    if json.get("type").str() != "response" {
        return Ok(Item::ignored(kind_of("vault_audit", json.get("type").text().as_ref())));
    }
    let time = fields::time(json, &["time"], Json::time)?;
    let native_type = Text::from(format!("{operation} {}", fields::route_template(&path)));
    let mount = request.get("mount_type").text().unwrap_or_default();
    let kind = kind(&operation, &path, &mount);
    let is_login = kind == EventType::AuthLogin;
    let issued = json.at("response.auth");
    let auth = if is_login && issued.is_object() { issued } else { json.get("auth") };
    let name = auth.get("display_name").text();
    let typed = || is_login.then(|| fields::last_part(&path, '/')).filter(|last| !matches!(last.as_str(), "login" | "callback"));
    let Some(id) = auth.get("entity_id").text().or_else(|| name.clone()).or_else(typed) else {
        return Ok(Item::ignored(format!("{} of nobody", kind_of("vault_audit", Some(&operation)))));
    };
    let error = fields::first(json, &["error", "response.data.error"]);
    let mut event = fields::event(kind, time, native_type.clone());
    event.id = request.get("id").text().unwrap_or_default();
    event.outcome = fields::outcome(error.is_none());
    let namespace = request.at("namespace.path").text();
    let mut identity = fields::identity(id, name, namespace.clone());
    identity.class = (is_login && matches!(&*mount, "approle" | "kubernetes" | "aws" | "azure" | "gcp" | "cert")).then_some(Class::Service);
    event.identity = Some(identity);
    event.provider = fields::provider("vault", namespace);
    event.credential = credential(json, auth, kind, &mount).unless_empty();
    event.source =
        Source { ip: fields::ip(request.get("remote_address")), user_agent: user_agent(request), ..Source::default() }.unless_empty();
    if is_login {
        let failure = error.as_deref().map(|said| match fields::failure_said(said) {
            // "permission denied", "invalid role or secret ID": Vault says no more.
            AuthFailure::MfaDenied | AuthFailure::Other => AuthFailure::BadPassword,
            known => known,
        });
        event.auth = Auth { method: method(&mount), failure, ..Auth::default() }.unless_empty();
    }
    use EventType::*;
    event.change = match kind {
        SecretRead => Change { secret: Some(path.clone()), ..Change::default() },
        PrivilegeGrant | PrivilegeRevoke => Change { role: Some(fields::last_part(&path, '/')), ..Change::default() },
        AccountUpdate => Change { target: Some(Text::borrowed("account")), value: Some(path.clone()), ..Change::default() },
        AccountDelete => Change { target: Some(fields::last_part(&path, '/')), ..Change::default() },
        _ => Change::default(),
    }
    .boxed_unless_empty();
    let status = error.as_deref().map(|said| if said.contains("permission denied") { 403 } else { 400 });
    event.request = Some(Request { route: Some(native_type), status, object: Some(path), ..Request::default() });
    if event.outcome == Outcome::Failure && kind == SecretRead {
        // Nothing was read: it is an attempt at the route.
        event.kind = ApiRequest;
    }
    Ok(Item::Event(event))
}

/// Vault writes a header as a list of values.
fn user_agent<'a>(request: &Json<'a>) -> Option<Text<'a>> {
    let header = request.get("headers").get("user-agent");
    header.text().or_else(|| header.list().first().and_then(Json::text))
}

/// The table of paths.
fn kind(operation: &str, path: &str, mount: &str) -> EventType {
    use EventType::*;
    let writes = matches!(operation, "create" | "update" | "patch");
    let starts = |start: &str| path.starts_with(start);
    let keeps = matches!(mount, "kv" | "generic" | "cubbyhole") && !path.contains("/metadata");
    let logs_in = path.ends_with("/login") || path.contains("/login/");
    if starts("auth/") && ((writes && logs_in) || path.ends_with("/oidc/callback")) {
        AuthLogin
    } else if writes && starts("auth/token/create") {
        CredentialCreate
    } else if writes && starts("auth/token/renew") {
        AuthToken
    } else if writes && (starts("auth/token/revoke") || starts("sys/leases/revoke") || starts("sys/revoke")) {
        CredentialRevoke
    } else if writes && starts("auth/") && path.ends_with("/secret-id") {
        CredentialCreate
    } else if starts("sys/policy") || starts("sys/policies/") {
        match operation {
            "delete" => PrivilegeRevoke,
            _ if writes => PrivilegeGrant,
            _ => ApiRequest,
        }
    } else if starts("auth/") && (path.contains("/users/") || path.contains("/role/")) {
        match operation {
            "delete" => AccountDelete,
            _ if writes => AccountUpdate,
            _ => ApiRequest,
        }
    } else if mount == "pki" && writes && (path.contains("/issue/") || path.contains("/sign")) {
        CredentialCreate
    } else if operation == "read" && (keeps || path.contains("/creds/") || path.contains("/static-creds/")) {
        SecretRead
    } else {
        ApiRequest
    }
}

fn credential<'a>(json: &Json<'a>, auth: &Json<'a>, kind: EventType, mount: &str) -> Credential<'a> {
    let presented = auth.get("accessor").text();
    match kind {
        EventType::CredentialCreate => Credential {
            id: fields::first(json, &["response.auth.accessor", "response.data.secret_id_accessor", "response.data.serial_number"]),
            kind: Some(match mount {
                "pki" => CredentialKind::Certificate,
                "approle" => CredentialKind::ClientSecret,
                _ => CredentialKind::AccessToken,
            }),
            parent: presented,
            ..Credential::default()
        },
        EventType::CredentialRevoke => Credential {
            id: fields::first(json, &["request.data.accessor", "request.data.token", "request.data.lease_id"]),
            ..Credential::default()
        },
        _ => Credential {
            kind: presented.is_some().then_some(CredentialKind::AccessToken),
            id: presented,
            issued_at: auth.get("token_issue_time").time(),
            ..Credential::default()
        },
    }
}

fn method(mount: &str) -> Option<AuthMethod> {
    match mount {
        "userpass" | "ldap" | "okta" | "radius" => Some(AuthMethod::Password),
        "approle" => Some(AuthMethod::ClientCredentials),
        "jwt" | "oidc" | "github" | "kubernetes" | "aws" | "azure" | "gcp" => Some(AuthMethod::Federated),
        "saml" => Some(AuthMethod::Saml),
        "cert" => Some(AuthMethod::Mtls),
        "kerberos" => Some(AuthMethod::Kerberos),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{AuthFailure, AuthMethod, Class, Event, EventType};

    fn record(operation: &str, path: &str, mount: &str, rest: &str) -> String {
        format!(
            r#"{{"time":"2026-05-01T10:00:00.353Z","type":"response","auth":{{"accessor":"hmac-sha256:a","display_name":"oidc-alice","entity_id":"en-1","policies":["default"],"token_issue_time":"2026-05-01T08:00:00Z"}},
            "request":{{"id":"r-1","operation":"{operation}","path":"{path}","mount_type":"{mount}","remote_address":"192.0.2.7","namespace":{{"id":"root"}}}}{rest}}}"#
        )
    }

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("vault", None))
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::VaultAudit, raw, &Input::behaviour("vault", None), check);
    }

    #[test]
    fn a_secret_is_read() {
        assert_eq!(
            read(&record("read", "secret/data/db", "kv", "")),
            concat!(
                r#"{"id":"r-1","time":"2026-05-01T10:00:00.353Z","type":"secret.read","outcome":"success","tenant":"default","#,
                r#""identity":{"id":"en-1","native_id":"oidc-alice"},"provider":{"product":"vault"},"#,
                r#""credential":{"id":"hmac-sha256:a","kind":"access_token","issued_at":"2026-05-01T08:00:00.000Z"},"source":{"ip":"192.0.2.7"},"#,
                r#""request":{"route":"read secret/data/db","object":"secret/data/db"},"change":{"secret":"secret/data/db"},"stamp":{"native_type":"read secret/data/db"}}"#
            )
        );
        let denied = record("read", "secret/data/db", "kv", r#","error":"1 error occurred:\n\t* permission denied\n\n""#);
        event(&denied, |event| {
            assert_eq!((event.kind, event.failed(), event.request.unwrap().status), (EventType::ApiRequest, true, Some(403)))
        });
    }

    #[test]
    fn log_ins() {
        let raw = record(
            "update",
            "auth/approle/login",
            "approle",
            r#","response":{"auth":{"accessor":"hmac-sha256:b","display_name":"approle","entity_id":"en-2"}}"#,
        );
        event(&raw, |event| {
            assert_eq!(
                (event.kind, event.method(), event.credential_id()),
                (EventType::AuthLogin, Some(AuthMethod::ClientCredentials), Some("hmac-sha256:b"))
            );
            let identity = event.identity.unwrap();
            assert_eq!((identity.id.as_str(), identity.class), ("en-2", Some(Class::Service)));
        });
        let failed = r#"{"time":"2026-05-01T10:00:00Z","type":"response","auth":{},"request":{"id":"r","operation":"update","path":"auth/userpass/login/alice","mount_type":"userpass"},"error":"invalid username or password"}"#;
        event(failed, |event| assert_eq!((event.identity_id(), event.failure()), (Some("alice"), Some(AuthFailure::BadPassword))));
        assert_eq!(read(&failed.replace("userpass/login/alice", "approle/login")), "vault_audit:update of nobody");
    }

    #[test]
    fn paths() {
        for (operation, path, mount, expected) in [
            ("update", "auth/token/create", "token", EventType::CredentialCreate),
            ("update", "auth/token/revoke-accessor", "token", EventType::CredentialRevoke),
            ("update", "sys/policies/acl/admin", "system", EventType::PrivilegeGrant),
            ("read", "database/creds/app", "database", EventType::SecretRead),
            ("update", "pki/issue/web", "pki", EventType::CredentialCreate),
            ("update", "auth/approle/role/ci/secret-id", "approle", EventType::CredentialCreate),
            ("update", "auth/userpass/users/bob", "userpass", EventType::AccountUpdate),
            ("update", "transit/decrypt/k", "transit", EventType::ApiRequest),
            ("list", "secret/metadata/", "kv", EventType::ApiRequest),
        ] {
            event(&record(operation, path, mount, ""), |event| assert_eq!(event.kind, expected, "{path}"));
        }
        assert_eq!(read(&record("read", "secret/data/db", "kv", "").replace("\"response\"", "\"request\"")), "vault_audit:request");
    }
}
