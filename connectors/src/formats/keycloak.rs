//! `keycloak`: user events and admin events of Keycloak, in each form in which they leave it.
//!
//! | form | how it is told |
//! |---|---|
//! | user event as JSON: the admin REST API (`/admin/realms/{realm}/events`), listeners that ship it to Kafka or over HTTP | `type`, `realmId`, `details` |
//! | admin event as JSON (`/admin-events`) | `operationType`, `resourceType`, `authDetails` |
//! | the same of `ext-event-http` (keycloak-events): `type` is `access.LOGIN` or `admin.USER-CREATE`, who acts stands in `authDetails` | |
//! | the `jboss-logging` listener with JSON log output: `message` is `type="LOGIN", realmId="...", ...` | `loggerName` `org.keycloak.events` |
//! | the same as a line of text, `2026-05-01 10:00:00,123 WARN  [org.keycloak.events] (...) type=LOGIN, ...`, also unquoted as until 23; no zone means UTC | |
//!
//! | Keycloak | event |
//! |---|---|
//! | `id` (`uid`), `time` (ms) or the log's time | `id`, `time` |
//! | `type` | `type` by [`user_meaning`]; `operationType`, `resourceType` and `resourcePath` by [`admin_meaning`]; `stamp.native_type` |
//! | `_ERROR`, `error` | `outcome` failure, `auth.failure` by [`failure`]; else success |
//! | `userId`, else `details.username`; of a client's own log-in that names no user, `clientId` | `identity.id`; `native_id` is `details.username` |
//! | `details.impersonator` | `identity.id` of IMPERSONATE, `on_behalf_of` the user |
//! | `realmName`, `realmId` | `identity.issuer`, `provider.instance`: `/realms/{name}` under the input's provider, where that names no realm itself |
//! | `sessionId`, else `details.code_id` of what succeeded (older listeners do not write the former) | `session.id` |
//! | `clientId` | `credential.client_id` |
//! | `details.refresh_token_id` of REFRESH_TOKEN, elsewhere `details.token_id` | `credential.id` |
//! | `details.refresh_token_id` elsewhere | `credential.parent`: what came with the token that was issued |
//! | `details.client_auth_method` of CLIENT_LOGIN | `credential.kind`; `credential.id` is `clientId` then, for a client has one secret, which no event names |
//! | `details.{grant_type,credential_type,identity_provider,x509_cert_serial_number}` | `auth.method` |
//! | `details.scope` | `change.scope` of consents, `request.scope` |
//! | `ipAddress`; `details.user_agent` (custom listeners) | `source` |
//! | `resourcePath` | the user, role, group or client in `change.target`, `request.target`, `change.role`; else `request.object` |
//! | `representation` | the names of granted roles and groups, `enabled: false` |
//!
//! In events of the token endpoint (CODE_TO_TOKEN, REFRESH_TOKEN) of a confidential client the address is the client's own. An
//! introspection is the client's request, not the user's.
//! Ignored and counted: what happens before anybody is named (LOGIN_ERROR of an expired code), e-mails that were sent, flows that were
//! restarted, client registration nodes, and other loggers.
//!
//! Examples: written from Keycloak's documented fields (Server Administration Guide, "Auditing"; `org.keycloak.events.{EventType,Errors,Details}`,
//! `admin.{OperationType,ResourceType}`, `JBossLoggingEventListenerProvider`); lines of a real server are read in `tests/crowdsec.rs`.

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Input, Item, kind_of};
use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Change, Class, Credential, CredentialKind, Event, EventType, Outcome, Request, Session, Source,
};
use portcullis_core::text::Text;
use std::borrow::Cow;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>, input: &'a Input) -> Result<Item<'a>, Fault> {
    if !json.get("loggerName").is_null() {
        return of_log(json.get("loggerName").str(), json.get("message").str(), json.get("timestamp"), input);
    }
    of_event(json, input)
}

fn of_event<'a>(json: &Json<'a>, input: &'a Input) -> Result<Item<'a>, Fault> {
    if json.get("operationType").is_null() { user_event(json, input) } else { admin_event(json, input) }
}

/// Whether a line of text is one of the listener's.
pub(super) fn is_line(line: &str) -> bool {
    line.contains(", realmId=") && start_of_fields(line).is_some()
}

/// Reads one line of text.
pub(super) fn decode_line<'a>(line: &'a str, input: &'a Input) -> Result<Item<'a>, Fault> {
    let logger = line.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(logger, _)| logger);
    // `2026-05-01 10:00:00,123`
    let time = Json::Text(Cow::Owned(line.chars().take(23).map(|c| if c == ',' { '.' } else { c }).collect()));
    match start_of_fields(line) {
        Some(start) => of_log(logger, &line[start..], &time, input),
        None => Ok(Item::ignored(kind_of("keycloak", Some(&Text::borrowed(logger))))),
    }
}

/// Where `type=LOGIN, realmId=...` begins.
fn start_of_fields(line: &str) -> Option<usize> {
    ["type=", "operationType="].iter().filter_map(|key| line.find(key)).min()
}

/// An event as the listener logs it.
fn of_log<'a>(logger: &str, message: &str, time: &Json<'_>, input: &'a Input) -> Result<Item<'a>, Fault> {
    let Some(start) = start_of_fields(message).filter(|_| is_line(message)) else {
        return Ok(Item::ignored(kind_of("keycloak", Some(&Text::borrowed(logger)))));
    };
    let mut fields = listed(&message[start..]);
    let Some(time) = time.time() else { return Err(Fault::new("timestamp", "not a time that this format writes")) };
    fields.push((Cow::Borrowed("time"), Json::Int(time.0)));
    of_event(&Json::Object(fields), input)
}

/// `key=value, key="a value", key='a value'`. Of equal keys the first counts, and what clients choose comes last: a user name that
/// holds `, ipAddress=` forges no address.
fn listed(text: &str) -> Vec<(Cow<'static, str>, Json<'static>)> {
    let (mut fields, mut rest) = (Vec::new(), text);
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => quoted(&after[1..], quote),
            _ => {
                let (value, next) = after.split_once(", ").unwrap_or((after, ""));
                (value.to_owned(), next)
            }
        };
        fields.push((Cow::Owned(key.trim_start_matches([',', ' ']).to_owned()), Json::Text(Cow::Owned(value))));
        rest = next;
    }
    fields
}

/// The text up to its closing quote, `\"` being none, and what follows.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            c if c == quote && !escaped => return (value, &text[at + 1..]),
            '\\' if !escaped => escaped = true,
            c => {
                value.push(c);
                escaped = false;
            }
        }
    }
    (value, "")
}

/// A field of `details`, which the log writes beside the others.
fn detail<'j, 'a>(json: &'j Json<'a>, name: &str) -> &'j Json<'a> {
    let within = json.get("details").get(name);
    if within.is_null() { json.get(name) } else { within }
}

/// Who acts, from where: beside the type, or in `authDetails`.
fn by<'j, 'a>(json: &'j Json<'a>, name: &str) -> &'j Json<'a> {
    let within = json.get("authDetails").get(name);
    if within.is_null() { json.get(name) } else { within }
}

/// Our type for a type of Keycloak's, and what it changes.
enum Meaning {
    Is(EventType),
    /// `account.update` of something that belongs to the account.
    Updates(&'static str),
    Removes(&'static str),
    /// A client asked; the user is only what it asked about.
    ClientAsks,
    Ignored,
}

/// The table of user events; `_ERROR` is cut off.
fn user_meaning(name: &str, json: &Json) -> Meaning {
    use EventType::*;
    use Meaning::*;
    let password = || detail(json, "credential_type").str() == "password";
    match name {
        "LOGIN" | "IDENTITY_PROVIDER_LOGIN" | "IDENTITY_PROVIDER_FIRST_LOGIN" | "OAUTH2_DEVICE_VERIFY_USER_CODE" => Is(AuthLogin),
        "CODE_TO_TOKEN"
        | "REFRESH_TOKEN"
        | "TOKEN_EXCHANGE"
        | "CLIENT_LOGIN"
        | "OAUTH2_DEVICE_CODE_TO_TOKEN"
        | "AUTHREQID_TO_TOKEN"
        | "PERMISSION_TOKEN"
        | "OAUTH2_EXTENSION_GRANT"
        | "JWT_BEARER"
        | "IDENTITY_PROVIDER_RETRIEVE_TOKEN"
        | "IMPERSONATE" => Is(AuthToken),
        "LOGOUT" => Is(AuthLogout),
        "RESET_PASSWORD" | "SEND_RESET_PASSWORD" => Is(AuthRecovery),
        "REGISTER" | "CLIENT_REGISTER" => Is(AccountCreate),
        "DELETE_ACCOUNT" | "CLIENT_DELETE" => Is(AccountDelete),
        "USER_DISABLED_BY_PERMANENT_LOCKOUT" | "USER_DISABLED_BY_TEMPORARY_LOCKOUT" => Is(AccountDisable),
        "UPDATE_PROFILE" | "CLIENT_UPDATE" => Is(AccountUpdate),
        "UPDATE_EMAIL" => Updates("email"),
        "UPDATE_PASSWORD" => Is(CredentialRotate),
        "UPDATE_CREDENTIAL" if password() => Is(CredentialRotate),
        "UPDATE_TOTP" | "UPDATE_CREDENTIAL" => Updates("factor"),
        "REMOVE_CREDENTIAL" if password() => Is(CredentialRevoke),
        "REMOVE_TOTP" | "REMOVE_CREDENTIAL" => Removes("factor"),
        "FEDERATED_IDENTITY_LINK" | "IDENTITY_PROVIDER_LINK_ACCOUNT" | "CLIENT_INITIATED_ACCOUNT_LINKING" => Updates("federated_identity"),
        "REMOVE_FEDERATED_IDENTITY" | "FEDERATED_IDENTITY_OVERRIDE_LINK" => Removes("federated_identity"),
        "GRANT_CONSENT" | "UPDATE_CONSENT" => Is(ConsentGrant),
        "REVOKE_GRANT" => Is(CredentialRevoke),
        "INTROSPECT_TOKEN" | "VALIDATE_ACCESS_TOKEN" | "USER_INFO_REQUEST" => ClientAsks,
        _ => Ignored,
    }
}

/// `error`, as `org.keycloak.events.Errors` spells it.
fn failure(error: &str) -> AuthFailure {
    match error {
        "user_not_found" | "client_not_found" | "username_missing" => AuthFailure::UnknownIdentity,
        "invalid_user_credentials" | "invalid_client_credentials" | "password_missing" | "password_rejected" => AuthFailure::BadPassword,
        "user_temporarily_disabled" => AuthFailure::Locked,
        "user_disabled" | "client_disabled" | "realm_disabled" | "not_allowed" | "ssl_required" | "access_denied" | "illegal_origin" => {
            AuthFailure::Policy
        }
        "expired_code" | "session_expired" | "user_session_not_found" | "invalid_code" | "cookie_not_found" => AuthFailure::Expired,
        // The person changed their mind, or had logged in as somebody else.
        "rejected_by_user" | "consent_denied" | "different_user_authenticated" | "resolve_required_actions" => AuthFailure::Benign,
        _ => AuthFailure::Other,
    }
}

fn method(name: &str, json: &Json, failed: Option<AuthFailure>) -> Option<AuthMethod> {
    let by_credential = match detail(json, "credential_type").str() {
        "password" => Some(AuthMethod::Password),
        "otp" | "totp" | "hotp" => Some(AuthMethod::Totp),
        kind if kind.starts_with("webauthn") || kind == "passkey" => Some(AuthMethod::Webauthn),
        "kerberos" => Some(AuthMethod::Kerberos),
        _ => None,
    };
    let by_grant = || match detail(json, "grant_type").str() {
        "password" => Some(AuthMethod::Legacy),
        "client_credentials" => Some(AuthMethod::ClientCredentials),
        "urn:ietf:params:oauth:grant-type:device_code" => Some(AuthMethod::DeviceCode),
        "" => None,
        _ => Some(AuthMethod::Oauth),
    };
    by_credential.or_else(by_grant).or_else(|| match name {
        "CLIENT_LOGIN" => Some(AuthMethod::ClientCredentials),
        n if n.starts_with("OAUTH2_DEVICE") => Some(AuthMethod::DeviceCode),
        n if n.starts_with("IDENTITY_PROVIDER") => Some(AuthMethod::Federated),
        "LOGIN" if !detail(json, "identity_provider").is_null() => Some(AuthMethod::Federated),
        "LOGIN" if !detail(json, "x509_cert_serial_number").is_null() => Some(AuthMethod::Mtls),
        "LOGIN" if matches!(failed, Some(AuthFailure::BadPassword | AuthFailure::UnknownIdentity)) => Some(AuthMethod::Password),
        "LOGIN" => None,
        _ => Some(AuthMethod::Oauth),
    })
}

/// What a client proves itself by: the ids of Keycloak's client authenticators.
fn secret_of_client(authenticator: &str) -> Option<CredentialKind> {
    match authenticator {
        "client-secret" | "client-secret-jwt" => Some(CredentialKind::ClientSecret),
        "client-jwt" | "client-x509" => Some(CredentialKind::Certificate),
        "federated-jwt" => Some(CredentialKind::WorkloadIdentity),
        _ => None,
    }
}

/// The realm's address, as far as the input and the record name it.
fn realm<'a>(json: &Json<'a>, input: &'a Input) -> Option<Text<'a>> {
    let name = by(json, "realmName").text();
    match (input.provider_instance.as_deref(), name) {
        (Some(server), Some(name)) if !server.contains("/realms/") => {
            Some(Text::from(format!("{}/realms/{name}", server.trim_end_matches('/'))))
        }
        (Some(realm), _) => Some(Text::borrowed(realm)),
        (None, name) => name.or_else(|| by(json, "realmId").text()),
    }
}

/// What user and admin events have in common.
fn begun<'a>(json: &Json<'a>, input: &'a Input, kind: EventType, native_type: Text<'a>) -> Result<Event<'a>, Fault> {
    let time = fields::time(json, &["time"], |time| time.millis().or_else(|| time.time()))?;
    let mut event = fields::event(kind, time, native_type);
    event.id = fields::first(json, &["id", "uid"]).unwrap_or_default();
    event.provider = fields::provider("keycloak", realm(json, input));
    event.source =
        Source { ip: fields::ip(by(json, "ipAddress")), user_agent: detail(json, "user_agent").text(), ..Source::default() }.unless_empty();
    Ok(event)
}

fn user_event<'a>(json: &Json<'a>, input: &'a Input) -> Result<Item<'a>, Fault> {
    let Some(written) = json.get("type").text() else { return Err(Fault::new("type", "missing: not an event of Keycloak")) };
    let name = written.trim_start_matches("access.");
    let failed = name.ends_with("_ERROR") || json.get("error").text().is_some();
    let name = name.trim_end_matches("_ERROR");
    let meaning = user_meaning(name, json);
    let kind = match meaning {
        Meaning::Is(kind) => kind,
        Meaning::Updates(_) | Meaning::Removes(_) => EventType::AccountUpdate,
        Meaning::ClientAsks => EventType::ApiRequest,
        Meaning::Ignored => return Ok(Item::ignored(kind_of("keycloak", Some(&written)))),
    };
    let (user, username) = (by(json, "userId").text(), detail(json, "username").text());
    let client = by(json, "clientId").text();
    let own = matches!(meaning, Meaning::ClientAsks) || name.starts_with("CLIENT_");
    let who = match meaning {
        Meaning::ClientAsks => client.clone(),
        _ => user.clone().or_else(|| username.clone()).or_else(|| client.clone().filter(|_| own)),
    };
    let impersonator = detail(json, "impersonator").text().filter(|_| name == "IMPERSONATE");
    let Some(id) = impersonator.clone().or(who) else {
        return Ok(Item::ignored(format!("{} of nobody", kind_of("keycloak", Some(&written)))));
    };
    let mut event = begun(json, input, kind, written.clone())?;
    event.outcome = fields::outcome(!failed);
    let mut identity =
        fields::identity(id, username.filter(|_| impersonator.is_none() && !matches!(meaning, Meaning::ClientAsks)), realm(json, input));
    identity.class = own.then_some(Class::Service);
    if impersonator.is_some() {
        identity.on_behalf_of = user.clone();
    }
    event.identity = Some(identity);
    let session = by(json, "sessionId").text().or_else(|| detail(json, "code_id").text().filter(|_| !failed));
    event.session = Session { id: session, parent: None }.unless_empty();
    let own_secret = Some(detail(json, "client_auth_method").str()).filter(|_| name == "CLIENT_LOGIN").and_then(secret_of_client);
    let refresh_token = detail(json, "refresh_token_id").text();
    // What was presented for new tokens; elsewhere what was issued, and the refresh token that came with it.
    let (id, parent) = match name {
        "REFRESH_TOKEN" => (refresh_token, None),
        _ if own_secret.is_some() => (client.clone(), None),
        _ => (detail(json, "token_id").text(), refresh_token),
    };
    event.credential = Credential {
        id,
        parent,
        kind: match name {
            "REFRESH_TOKEN" => Some(CredentialKind::RefreshToken),
            _ if own_secret.is_some() => own_secret,
            "UPDATE_PASSWORD" | "UPDATE_CREDENTIAL" | "REMOVE_CREDENTIAL" if kind != EventType::AccountUpdate => {
                Some(CredentialKind::Password)
            }
            _ if detail(json, "token_id").text().is_some() => Some(CredentialKind::AccessToken),
            _ => None,
        },
        client_id: detail(json, "revoked_client").text().or(client),
        audience: detail(json, "audience").text(),
        ..Credential::default()
    }
    .unless_empty();
    if kind.is_auth() || kind == EventType::AccountDisable {
        let why = match kind {
            // The log-ins failed that led to the lock; the lock itself happened.
            EventType::AccountDisable => Some(AuthFailure::Locked),
            _ => failed.then(|| failure(json.get("error").str())),
        };
        let method = if kind.is_auth() { method(name, json, why) } else { None };
        event.auth = Auth { method, failure: why, ..Auth::default() }.unless_empty();
    }
    if kind == EventType::AccountDisable {
        event.outcome = Outcome::Success;
    }
    let scope = detail(json, "scope").text();
    event.change = match meaning {
        Meaning::Updates(what) | Meaning::Removes(what) => Change {
            target: Some(Text::borrowed(what)),
            value: changed_value(name, json),
            role: matches!(meaning, Meaning::Removes(_)).then_some(Text::borrowed("removed")),
            ..Change::default()
        },
        _ if kind == EventType::ConsentGrant => Change { scope: scope.clone(), ..Change::default() },
        _ => Change::default(),
    }
    .boxed_unless_empty();
    event.request = match meaning {
        Meaning::ClientAsks => Request { route: Some(written), target: user, ..Request::default() },
        Meaning::Is(EventType::AuthToken) => Request { scope, ..Request::default() },
        _ => Request::default(),
    }
    .unless_empty();
    Ok(Item::Event(event))
}

/// The factor's method, the new address, the provider that was linked.
fn changed_value<'a>(name: &str, json: &Json<'a>) -> Option<Text<'a>> {
    match name {
        "UPDATE_TOTP" | "REMOVE_TOTP" => Some(Text::borrowed("totp")),
        "UPDATE_EMAIL" => detail(json, "updated_email").text(),
        _ => ["credential_type", "identity_provider"].iter().find_map(|key| detail(json, key).text()),
    }
}

/// What an administrator did to whom.
struct Act<'a> {
    kind: EventType,
    /// The user, group or client that was acted on.
    target: Option<Text<'a>>,
    change: Change<'a>,
    credential: Credential<'a>,
}

fn admin_event<'a>(json: &Json<'a>, input: &'a Input) -> Result<Item<'a>, Fault> {
    let (operation, resource) = (json.get("operationType").text().unwrap_or_default(), json.get("resourceType").text().unwrap_or_default());
    let native_type = Text::from(format!("{operation} {resource}"));
    let Some(id) = by(json, "userId").text() else {
        return Err(Fault::new("authDetails.userId", "missing: the event names nobody who acted"));
    };
    let path = json.get("resourcePath").text().unwrap_or_default();
    let act = admin_meaning(&operation, &resource, &path, json);
    let mut event = begun(json, input, act.kind, native_type.clone())?;
    event.outcome = fields::outcome(json.get("error").text().is_none());
    let mut identity = fields::identity(id, by(json, "username").text(), realm(json, input));
    event.session = Session { id: by(json, "sessionId").text(), parent: None }.unless_empty();
    let mut credential = act.credential;
    credential.client_id = by(json, "clientId").text();
    event.credential = credential.unless_empty();
    let mut change = act.change;
    use EventType::*;
    match act.kind {
        ApiRequest => {
            event.request = Some(Request {
                route: Some(native_type),
                object: Some(path).filter(|p| !p.is_empty()),
                target: act.target,
                ..Request::default()
            })
        }
        AccountUpdate | AuthRecovery | AuthLogout => event.request = Request { target: act.target, ..Request::default() }.unless_empty(),
        // The administrator takes the user's place.
        AuthToken => identity.on_behalf_of = act.target,
        _ => change.target = act.target,
    }
    event.change = change.boxed_unless_empty();
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

/// The id that follows `collection` in a path: `users/{id}/role-mappings/realm`.
fn id_in<'a>(path: &Json<'a>, collection: &str) -> Option<Text<'a>> {
    let path = path.text()?;
    let mut at = 0;
    let mut found = false;
    for segment in path.split('/') {
        if found {
            return fields::part(&path, at..at + segment.len()).filter(|id| !id.is_empty());
        }
        found = segment == collection;
        at += segment.len() + 1;
    }
    None
}

/// The table of admin events.
fn admin_meaning<'a>(operation: &str, resource: &str, path: &str, json: &Json<'a>) -> Act<'a> {
    use EventType::*;
    let in_path = json.get("resourcePath");
    let (user, client) = (id_in(in_path, "users"), id_in(in_path, "clients"));
    let representation = || json.get("representation").nested();
    let mut act = Act { kind: ApiRequest, target: user.clone(), change: Change::default(), credential: Credential::default() };
    let ends = |end: &str| path.ends_with(end);
    (act.kind, act.target) = match (resource, operation) {
        ("USER", "CREATE") => (AccountCreate, user),
        ("USER", "DELETE") if path.contains("/credentials/") => {
            (act.change.target, act.change.role) = (Some(Text::borrowed("factor")), Some(Text::borrowed("removed")));
            (AccountUpdate, user)
        }
        ("USER", "DELETE") if ends("/consents") || path.contains("/consents/") => (CredentialRevoke, user),
        ("USER", "DELETE") if path.contains("/federated-identity/") => {
            (act.change.target, act.change.role) = (Some(Text::borrowed("federated_identity")), Some(Text::borrowed("removed")));
            (AccountUpdate, user)
        }
        ("USER", "DELETE") => (AccountDelete, user),
        ("USER", "UPDATE") if representation().get("enabled").bool() == Some(false) => (AccountDisable, user),
        ("USER", "UPDATE") => (AccountUpdate, user),
        ("USER", "ACTION") if ends("/reset-password") || ends("/execute-actions-email") || ends("/reset-password-email") => {
            (AuthRecovery, user)
        }
        ("USER", "ACTION") if ends("/disable-credential-types") => {
            (act.change.target, act.change.role) = (Some(Text::borrowed("factor")), Some(Text::borrowed("removed")));
            (AccountUpdate, user)
        }
        ("USER", "ACTION") if ends("/logout") => (AuthLogout, user),
        ("USER", "ACTION") if ends("/impersonation") => (AuthToken, user),
        ("USER_SESSION", "DELETE") => (AuthLogout, user),
        ("USER_LOGIN_FAILURE", "DELETE") => (AccountEnable, user),
        ("REALM_ROLE_MAPPING" | "CLIENT_ROLE_MAPPING" | "GROUP_MEMBERSHIP", "CREATE" | "DELETE") => {
            act.change.role = names(&representation()).or_else(|| id_in(in_path, "groups").filter(|_| resource == "GROUP_MEMBERSHIP"));
            (if operation == "CREATE" { PrivilegeGrant } else { PrivilegeRevoke }, user.or_else(|| id_in(in_path, "groups")))
        }
        ("CLIENT", "CREATE") => (AccountCreate, client),
        ("CLIENT", "DELETE") => (AccountDelete, client),
        ("CLIENT", "UPDATE") => (AccountUpdate, client),
        ("CLIENT", "ACTION") if ends("/client-secret") => {
            act.credential.kind = Some(CredentialKind::ClientSecret);
            (CredentialRotate, client)
        }
        _ => (ApiRequest, user.or(client)),
    };
    act
}

/// The names in a list of roles, or of one group.
fn names(representation: &Json<'static>) -> Option<Text<'static>> {
    let listed = representation.list().iter().map(|role| role.get("name").clone()).collect();
    fields::joined(&Json::List(listed)).or_else(|| representation.get("name").text())
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{AuthFailure, AuthMethod, Class, CredentialKind, Event, EventType};

    fn lab() -> Input {
        Input { provider_instance: Some("https://idp.example".into()), ..Input::behaviour("keycloak", None) }
    }

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &lab())
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::Keycloak, raw, &lab(), check);
    }

    fn user_event(name: &str, error: &str, details: &str) -> String {
        let error = if error.is_empty() { String::new() } else { format!(r#""error":"{error}","#) };
        format!(
            r#"{{"id":"e","time":1777629600353,"type":"{name}","realmId":"r-1","realmName":"lab","clientId":"shop","userId":"u-1","sessionId":"s-1","ipAddress":"192.0.2.7",{error}"details":{{{details}}}}}"#
        )
    }

    #[test]
    fn a_log_in() {
        assert_eq!(
            read(&user_event("LOGIN_ERROR", "invalid_user_credentials", r#""auth_method":"openid-connect","username":"alice""#)),
            concat!(
                r#"{"id":"e","time":"2026-05-01T10:00:00.353Z","type":"auth.login","outcome":"failure","tenant":"default","#,
                r#""identity":{"id":"u-1","issuer":"https://idp.example/realms/lab","native_id":"alice"},"#,
                r#""provider":{"product":"keycloak","instance":"https://idp.example/realms/lab"},"credential":{"client_id":"shop"},"#,
                r#""session":{"id":"s-1"},"source":{"ip":"192.0.2.7"},"auth":{"method":"password","failure":"bad_password"},"#,
                r#""stamp":{"native_type":"LOGIN_ERROR"}}"#
            )
        );
    }

    #[test]
    fn one_event_in_four_forms() {
        let event_json = user_event("LOGIN_ERROR", "user_not_found", r#""username":"typo""#)
            .replace(r#""userId":"u-1","sessionId":"s-1","#, "")
            .replace(r#""id":"e","#, "");
        let expected = read(&event_json);
        assert!(expected.contains(r#""identity":{"id":"typo""#) && expected.contains("unknown_identity"), "{expected}");
        let quoted = r#"type="LOGIN_ERROR", realmId="r-1", realmName="lab", clientId="shop", userId="null", ipAddress="192.0.2.7", error="user_not_found", username="typo""#;
        let log = format!(
            r#"{{"timestamp":"2026-05-01T10:00:00.353Z","sequence":17,"loggerName":"org.keycloak.events","level":"WARN","message":{}}}"#,
            serde_json::Value::from(quoted)
        );
        assert_eq!(read(&log), expected);
        for fields in [quoted.to_owned(), quoted.replace('"', "")] {
            assert_eq!(read(&format!("2026-05-01 10:00:00,353 WARN  [org.keycloak.events] (executor-thread-1) {fields}")), expected);
        }
        let http = r#"{"type":"access.LOGIN_ERROR","time":1777629600353,"realmId":"r-1","error":"user_not_found","details":{"username":"typo"},
            "authDetails":{"realmId":"r-1","realmName":"lab","clientId":"shop","ipAddress":"192.0.2.7"}}"#;
        assert_eq!(read(http), expected.replace("LOGIN_ERROR", "access.LOGIN_ERROR"));
    }

    #[test]
    fn a_name_that_holds_other_fields_forges_nothing() {
        let line = r#"2026-05-01 10:00:00,353 WARN  [org.keycloak.events] (t) type=LOGIN_ERROR, realmId=r-1, clientId=shop, userId=null, ipAddress=192.0.2.7, error=user_not_found, username=x, userId=u-1, ipAddress=198.51.100.1, type=LOGIN"#;
        event(line, |event| assert_eq!((event.identity_id(), event.ip(), event.failed()), (Some("x"), Some("192.0.2.7"), true)));
        let quoted = line.replace("username=x", r#"username="x\", userId=\"u-1""#);
        event(&quoted, |event| assert_eq!(event.identity_id(), Some(r#"x", userId="u-1"#)));
    }

    #[test]
    fn tokens_and_clients() {
        let details = r#""token_id":"at-2","refresh_token_id":"rt-1","updated_refresh_token_id":"rt-2","grant_type":"refresh_token","scope":"openid""#;
        event(&user_event("REFRESH_TOKEN", "", details), |event| {
            assert_eq!((event.kind, event.credential_id(), event.method()), (EventType::AuthToken, Some("rt-1"), Some(AuthMethod::Oauth)));
        });
        event(&user_event("CODE_TO_TOKEN", "", r#""token_id":"at-1","refresh_token_id":"rt-1","code_id":"s-1""#), |event| {
            let credential = event.credential.unwrap();
            assert_eq!((credential.id.as_deref(), credential.parent.as_deref()), (Some("at-1"), Some("rt-1")));
        });
        let details =
            r#""username":"service-account-shop","grant_type":"client_credentials","token_id":"at-3","client_auth_method":"client-secret""#;
        event(&user_event("CLIENT_LOGIN", "", details), |event| {
            assert_eq!((event.kind, event.method()), (EventType::AuthToken, Some(AuthMethod::ClientCredentials)));
            let credential = event.credential.as_ref().unwrap();
            assert_eq!(
                (credential.id.as_deref(), credential.kind),
                (Some("shop"), Some(CredentialKind::ClientSecret)),
                "what was presented"
            );
            assert_eq!(event.identity.unwrap().class, Some(Class::Service));
        });
        let guessed = user_event("CLIENT_LOGIN_ERROR", "invalid_client_credentials", "").replace(r#""userId":"u-1","#, "");
        event(&guessed, |event| assert_eq!((event.identity_id(), event.failure()), (Some("shop"), Some(AuthFailure::BadPassword))));
        event(&user_event("INTROSPECT_TOKEN", "", ""), |event| {
            assert_eq!((event.kind, event.identity_id()), (EventType::ApiRequest, Some("shop")));
            assert_eq!(event.request.unwrap().target.as_deref(), Some("u-1"));
        });
    }

    #[test]
    fn what_people_change() {
        event(&user_event("REMOVE_TOTP", "", ""), |event| {
            let change = event.change.unwrap();
            assert_eq!(
                (event.kind, change.target.as_deref(), change.value.as_deref(), change.role.as_deref()),
                (EventType::AccountUpdate, Some("factor"), Some("totp"), Some("removed"))
            );
        });
        event(&user_event("UPDATE_CREDENTIAL", "", r#""credential_type":"password""#), |event| {
            assert_eq!(event.kind, EventType::CredentialRotate)
        });
        event(&user_event("UPDATE_EMAIL", "", r#""previous_email":"a@example.com","updated_email":"b@example.com""#), |event| {
            assert_eq!(event.change.unwrap().value.as_deref(), Some("b@example.com"));
        });
        event(&user_event("GRANT_CONSENT", "", r#""scope":"openid mail""#), |event| {
            assert_eq!((event.kind, event.change.unwrap().scope.as_deref()), (EventType::ConsentGrant, Some("openid mail")));
        });
        event(&user_event("IMPERSONATE", "", r#""impersonator":"admin","impersonator_realm":"master","username":"alice""#), |event| {
            let identity = event.identity.unwrap();
            assert_eq!((identity.id.as_str(), identity.on_behalf_of.as_deref(), identity.native_id), ("admin", Some("u-1"), None));
        });
        event(&user_event("USER_DISABLED_BY_TEMPORARY_LOCKOUT", "", ""), |event| {
            assert_eq!((event.kind, event.succeeded(), event.failure()), (EventType::AccountDisable, true, Some(AuthFailure::Locked)));
        });
    }

    fn admin_event(operation: &str, resource: &str, path: &str, representation: &str) -> String {
        format!(
            r#"{{"id":"a","time":1777629600353,"realmId":"r-1","authDetails":{{"realmId":"master","clientId":"security-admin-console","userId":"adm-1","ipAddress":"192.0.2.8"}},
            "operationType":"{operation}","resourceType":"{resource}","resourcePath":"{path}","representation":{}}}"#,
            serde_json::Value::from(representation)
        )
    }

    #[test]
    fn what_administrators_do() {
        for (operation, resource, path, representation, expected) in [
            ("CREATE", "USER", "users/u-2", "{}", r#""type":"account.create""#),
            ("UPDATE", "USER", "users/u-2", r#"{"enabled":false}"#, r#""type":"account.disable""#),
            ("UPDATE", "USER", "users/u-2", r#"{"enabled":true}"#, r#""request":{"target":"u-2"}"#),
            ("DELETE", "USER", "users/u-2", "", r#""change":{"target":"u-2"}"#),
            ("ACTION", "USER", "users/u-2/reset-password", "", r#""type":"auth.recovery""#),
            ("ACTION", "USER", "users/u-2/impersonation", "", r#""on_behalf_of":"u-2""#),
            ("DELETE", "USER", "users/u-2/credentials/c-1", "", r#""change":{"role":"removed","target":"factor"}"#),
            (
                "CREATE",
                "REALM_ROLE_MAPPING",
                "users/u-2/role-mappings/realm",
                r#"[{"id":"1","name":"admin"},{"id":"2","name":"ops"}]"#,
                r#""change":{"role":"admin,ops","target":"u-2"}"#,
            ),
            (
                "DELETE",
                "CLIENT_ROLE_MAPPING",
                "groups/g-1/role-mappings/clients/c",
                r#"[{"name":"manage-users"}]"#,
                r#""change":{"role":"manage-users","target":"g-1"}"#,
            ),
            ("CREATE", "GROUP_MEMBERSHIP", "users/u-2/groups/g-1", "", r#""change":{"role":"g-1","target":"u-2"}"#),
            ("ACTION", "CLIENT", "clients/c-1/client-secret", "", r#""kind":"client_secret""#),
            ("DELETE", "USER_LOGIN_FAILURE", "attack-detection/brute-force/users/u-2", "", r#""type":"account.enable""#),
            (
                "UPDATE",
                "AUTH_FLOW",
                "authentication/flows/f-1",
                "{}",
                r#""request":{"route":"UPDATE AUTH_FLOW","object":"authentication/flows/f-1"}"#,
            ),
        ] {
            let event = read(&admin_event(operation, resource, path, representation));
            assert!(event.contains(expected) && event.contains(r#""identity":{"id":"adm-1""#), "{operation} {resource} {path}: {event}");
        }
        let log = r#"2026-05-01 10:00:00,353 DEBUG [org.keycloak.events] (t) operationType="DELETE", realmId="r-1", clientId="c", userId="adm-1", ipAddress="192.0.2.8", resourceType="USER", resourcePath="users/u-2""#;
        event(log, |event| assert_eq!((event.kind, event.acts_upon()), (EventType::AccountDelete, Some("u-2"))));
    }

    #[test]
    fn what_is_not_ours_is_counted_and_what_is_missing_named() {
        assert_eq!(read(&user_event("SEND_VERIFY_EMAIL", "", "")), "keycloak:SEND_VERIFY_EMAIL");
        let nobody = user_event("LOGIN_ERROR", "expired_code", "").replace(r#""userId":"u-1","#, "");
        assert_eq!(read(&nobody), "keycloak:LOGIN_ERROR of nobody");
        assert_eq!(
            read(r#"{"timestamp":"2026-05-01T10:00:00Z","loggerName":"org.keycloak.services","message":"KC-SERVICES0001"}"#),
            "keycloak:org.keycloak.services"
        );
        assert_eq!(read(r#"{"type":"LOGIN","realmId":"r","userId":"u"}"#), "time: missing");
        assert!(
            read(r#"{"operationType":"CREATE","resourceType":"USER","authDetails":{},"time":1}"#)
                .starts_with("authDetails.userId: missing")
        );
    }
}
