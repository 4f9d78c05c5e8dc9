//! `ecs`: events in the Elastic Common Schema, nested or with dotted names, as Beats, the Elastic agent and Logstash pipelines write them.
//!
//! | `event.category`, `event.type`, `event.action` | type |
//! |---|---|
//! | `authentication`; with `end` or a log-out in its action; with a factor in its action | `auth.login`; `auth.logout`; `auth.mfa` |
//! | `session`, `start` and `end` | `auth.login`, `auth.logout` |
//! | `iam` and `group`, or a role, privilege or policy in its action | `privilege.grant`; with `deletion`, or a removal in its action, `privilege.revoke` |
//! | `iam` with a password, key or credential in its action | `credential.rotate`; with `creation`, `deletion`: `credential.create`, `credential.revoke` |
//! | `iam` and `creation`, `deletion`, `change`; a lock, disabling or enabling in its action | `account.create`, `.delete`, `.update`; `.disable`, `.enable` |
//! | `web`, `api`, `configuration` | `api.request` |
//! | any other | ignored as `ecs:CATEGORY` |
//!
//! | ECS | event |
//! |---|---|
//! | `event.id`, `@timestamp` | `id`, `time` |
//! | `event.outcome`; `event.reason`, `error.message`, `message` of what failed | `outcome`; `auth.failure` |
//! | `user.id`, else `user.email`, `user.name` | `identity.id`; `native_id` is the name |
//! | `user.effective`; `user.target` | `identity.on_behalf_of`; `change.target`, `request.target` |
//! | `user.domain`, `cloud.account.id` | `identity.issuer` |
//! | `event.module`, else `event.provider`, `service.type`; `cloud.account.id`, `service.name` | `provider.{product,instance}` |
//! | `source`, else `client`: `ip`, `geo.{country_iso_code,location}`, `as.number`; `user_agent.original`, `device.id`, `tls.client.ja4` | `source` |
//! | `session.id`, else `http.cookies` is not read | `session.id` |
//! | `http.request.method`, `url.path` as a template, `http.response.{status_code,body.bytes}` | `request` |
//! | `group.name`, `user.target.roles`, `user.changes.roles` | `change.role` |
//!
//! A vendor's record that ECS keeps beside its own fields is not read; send the vendor's log itself for all it has. Records of Winlogbeat
//! are `windows_security`.
//!
//! Examples: written from the documented fields (Elastic Common Schema 9.4, "Using the categorization fields").

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item, kind_of};
use portcullis_core::event::{Auth, Change, EventType, Outcome, Provider, Request, Session, Source};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let time = Some(json.dotted("@timestamp"))
        .filter(|time| !time.is_null())
        .ok_or_else(|| Fault::new("@timestamp", "missing: not an event in ECS"))?;
    let time = time.time().or_else(|| time.millis()).ok_or_else(|| Fault::new("@timestamp", "not a time that this format writes"))?;
    let action = json.dotted("event.action").text();
    let categories = json.dotted("event.category");
    let Some(kind) = kind(json, action.as_deref().unwrap_or("")) else {
        let category = categories.text().or_else(|| categories.list().first().and_then(Json::text));
        return Ok(Item::ignored(kind_of("ecs", category.as_ref())));
    };
    let named = |who: &str| ["id", "email", "name"].iter().find_map(|key| json.dotted(&format!("{who}.{key}")).name());
    let Some(id) = named("user") else { return Ok(Item::ignored(format!("{} of nobody", kind_of("ecs", action.as_ref())))) };
    let mut event = fields::event(kind, time, action.clone().unwrap_or_else(|| Text::borrowed(kind.name())));
    event.id = json.dotted("event.id").name().unwrap_or_default();
    let status = fields::status(json.dotted("http.response.status_code"));
    event.outcome = match json.dotted("event.outcome").str() {
        "success" => Outcome::Success,
        "failure" => Outcome::Failure,
        _ => fields::http_outcome(status),
    };
    let account = json.dotted("cloud.account.id").name();
    let mut identity = fields::identity(id, json.dotted("user.name").text(), json.dotted("user.domain").text().or_else(|| account.clone()));
    identity.on_behalf_of = named("user.effective").filter(|other| *other != identity.id);
    let product = ["event.module", "event.provider", "service.type"].iter().find_map(|path| json.dotted(path).text()).map(fields::lower);
    event.provider =
        Some(Provider { product, instance: account.or_else(|| json.dotted("service.name").text()) }).filter(|p| *p != Provider::default());
    event.session = Session { id: json.dotted("session.id").name(), parent: None }.unless_empty();
    event.source = source(json).unless_empty();
    if kind.is_auth() {
        let failure = (event.outcome == Outcome::Failure).then(|| {
            let said =
                ["event.reason", "error.message", "message"].iter().map(|path| json.dotted(path).str()).find(|text| !text.is_empty());
            fields::failure_said(said.unwrap_or(""))
        });
        event.auth = Auth { failure, ..Auth::default() }.unless_empty();
    }
    let target = named("user.target").filter(|target| *target != identity.id);
    let (mut change, mut request) = (Change::default(), Request::default());
    use EventType::*;
    match kind {
        ApiRequest => {
            request = Request {
                method: json.dotted("http.request.method").text(),
                route: json.dotted("url.path").text().map(|path| Text::from(fields::route_template(&path))).or(action),
                status,
                bytes: fields::bytes(json.dotted("http.response.body.bytes")).or_else(|| fields::bytes(json.dotted("http.response.bytes"))),
                target,
                ..Request::default()
            }
        }
        AccountUpdate => request.target = target,
        PrivilegeGrant | PrivilegeRevoke => {
            let roles = ["user.target.roles", "user.changes.roles"].iter().map(|path| json.dotted(path));
            change.role = ["group.name", "group.id"]
                .iter()
                .find_map(|path| json.dotted(path).name())
                .or_else(|| roles.into_iter().find_map(|roles| roles.text().or_else(|| fields::joined(roles))));
            change.target = target;
        }
        _ if !kind.is_auth() => change.target = target,
        _ => {}
    }
    event.change = change.boxed_unless_empty();
    event.request = request.unless_empty();
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

/// Whether a list, or a single text, holds a word.
fn holds(json: &Json, word: &str) -> bool {
    json.str() == word || json.list().iter().any(|item| item.str() == word)
}

/// The table of categories.
fn kind(json: &Json, action: &str) -> Option<EventType> {
    use EventType::*;
    let (category, kind) = (json.dotted("event.category"), json.dotted("event.type"));
    let action = action.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| action.contains(word));
    let is = |word: &str| holds(kind, word);
    let leaves = || is("end") || says(&["logout", "log-out", "logoff", "logged-out", "signout", "sign-out"]);
    Some(if holds(category, "authentication") {
        match () {
            () if leaves() => AuthLogout,
            () if says(&["mfa", "2fa", "factor", "otp"]) => AuthMfa,
            () => AuthLogin,
        }
    } else if holds(category, "session") {
        if leaves() { AuthLogout } else { AuthLogin }
    } else if holds(category, "iam") {
        let removes = is("deletion") || says(&["remove", "revoke", "delete", "detach", "unassign"]);
        if is("group") || says(&["role", "privilege", "permission", "policy", "member"]) {
            if removes { PrivilegeRevoke } else { PrivilegeGrant }
        } else if says(&["password", "credential", "key", "secret", "token"]) {
            match () {
                () if removes => CredentialRevoke,
                () if is("creation") => CredentialCreate,
                () => CredentialRotate,
            }
        } else if says(&["enable", "unlock", "activate"]) && !says(&["deactivate"]) {
            AccountEnable
        } else if says(&["disable", "lock", "suspend", "deactivate"]) {
            AccountDisable
        } else if is("creation") {
            AccountCreate
        } else if is("deletion") {
            AccountDelete
        } else {
            AccountUpdate
        }
    } else if ["web", "api", "configuration"].iter().any(|word| holds(category, word)) {
        ApiRequest
    } else {
        return None;
    })
}

fn source<'a>(json: &Json<'a>) -> Source<'a> {
    let of = |field: &str| {
        let source = json.dotted(&format!("source.{field}"));
        if source.is_null() { json.dotted(&format!("client.{field}")) } else { source }
    };
    Source {
        ip: fields::ip(of("ip")),
        asn: fields::asn(of("as.number")),
        country: fields::country(of("geo.country_iso_code")),
        lat: fields::latitude(of("geo.location.lat")),
        lon: fields::longitude(of("geo.location.lon")),
        user_agent: json.dotted("user_agent.original").text(),
        device_id: json.dotted("device.id").text(),
        ja4: json.dotted("tls.client.ja4").text(),
        ..Source::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("ecs", None))
    }

    #[test]
    fn a_log_in_nested_and_flat() {
        let nested = r#"{"@timestamp":"2026-05-01T10:00:00.353Z","ecs":{"version":"9.4.0"},"event":{"id":"e","category":["authentication"],"type":["start"],"action":"ssh_login","outcome":"failure","module":"system","reason":"Invalid user"},
            "user":{"id":"1001","name":"alice","domain":"corp"},"source":{"ip":"192.0.2.7","geo":{"country_iso_code":"CH","location":{"lat":47.4,"lon":8.5}},"as":{"number":64500}},"user_agent":{"original":"OpenSSH"}}"#;
        let expected = concat!(
            r#"{"id":"e","time":"2026-05-01T10:00:00.353Z","type":"auth.login","outcome":"failure","tenant":"default","#,
            r#""identity":{"id":"1001","issuer":"corp","native_id":"alice"},"provider":{"product":"system"},"#,
            r#""source":{"ip":"192.0.2.7","asn":64500,"country":"CH","lat":47.4,"lon":8.5,"user_agent":"OpenSSH"},"#,
            r#""auth":{"failure":"unknown_identity"},"stamp":{"native_type":"ssh_login"}}"#
        );
        assert_eq!(read(nested), expected);
        let flat = r#"{"@timestamp":"2026-05-01T10:00:00.353Z","ecs.version":"9.4.0","event.id":"e","event.category":"authentication","event.type":"start","event.action":"ssh_login","event.outcome":"failure","event.module":"system","event.reason":"Invalid user",
            "user.id":"1001","user.name":"alice","user.domain":"corp","source.ip":"192.0.2.7","source.geo.country_iso_code":"CH","source.geo.location.lat":47.4,"source.geo.location.lon":8.5,"source.as.number":64500,"user_agent.original":"OpenSSH"}"#;
        assert_eq!(read(flat), expected);
    }

    #[test]
    fn categories() {
        let record = |category: &str, kind: &str, action: &str| {
            format!(
                r#"{{"@timestamp":"2026-05-01T10:00:00Z","ecs":{{"version":"9.4.0"}},"event":{{"category":["{category}"],"type":[{kind}],"action":"{action}","outcome":"success"}},
                "user":{{"name":"admin","target":{{"name":"bob","roles":["ops"]}}}},"http":{{"request":{{"method":"GET"}},"response":{{"status_code":200}}}},"url":{{"path":"/u/17"}}}}"#
            )
        };
        for (category, kind, action, expected) in [
            ("authentication", "\"end\"", "x", r#""type":"auth.logout""#),
            ("authentication", "\"start\"", "mfa-challenge", r#""type":"auth.mfa""#),
            ("iam", "\"user\",\"creation\"", "added-user-account", r#""change":{"target":"bob"}"#),
            ("iam", "\"user\",\"change\"", "unlocked-user-account", r#""type":"account.enable""#),
            ("iam", "\"user\",\"change\"", "reset-password", r#""type":"credential.rotate""#),
            ("iam", "\"group\",\"change\"", "added-member-to-group", r#""change":{"role":"ops","target":"bob"}"#),
            ("iam", "\"group\",\"change\"", "removed-member-from-group", r#""type":"privilege.revoke""#),
            ("web", "\"access\"", "x", r#""request":{"method":"GET","route":"/u/{id}","status":200,"target":"bob"}"#),
            ("process", "\"start\"", "exec", "ecs:process"),
        ] {
            let event = read(&record(category, kind, action));
            assert!(event.contains(expected), "{category} {kind} {action}: {event}");
        }
        assert_eq!(
            read(r#"{"@timestamp":"2026-05-01T10:00:00Z","ecs":{"version":"1"},"event":{"category":"web","action":"a"}}"#),
            "ecs:a of nobody"
        );
    }
}
