//! `ocsf`: Open Cybersecurity Schema Framework, versions 1.0-rc.2 to 1.8.
//!
//! | class | activity | type |
//! |---|---|---|
//! | 3001 Account Change | 1 create, 6 delete, 2 enable and 12 unlock, 5 disable and 9 lock, others | `account.create`, `.delete`, `.enable`, `.disable`, `.update` |
//! | | 3 password change, 4 password reset; 10 and 11 MFA factor on and off; 7 and 8 attach and detach policy | `credential.rotate`; `credential.create`, `.revoke`; `privilege.grant`, `.revoke` |
//! | 3002 Authentication | 2 logoff; 3, 4, 5 tickets; others | `auth.logout`; `auth.token`; `auth.login` |
//! | 3003 Authorize Session | all | `privilege.grant` |
//! | 3004 Entity Management | all | `api.request` |
//! | 3005 User Access Management | 1, 2 | `privilege.grant`, `privilege.revoke` (until 1.0-rc.2 this number was API Activity) |
//! | 3006 Group Management | 1, 3, 7; 2, 4, 8; others | `privilege.grant`; `privilege.revoke`; `api.request` |
//! | 6003 API Activity, 4002 HTTP Activity | all | `api.request` |
//! | any other | | ignored as `ocsf:CLASS` |
//!
//! Where the record is OCSF's rendering of a log that we know (`metadata.product`: CloudTrail, Okta System Log), its own operation
//! decides by that format's table, so that one thing is one type whichever way it came: see `cloudtrail.rs` and `okta.rs` here.
//!
//! | OCSF | event |
//! |---|---|
//! | `metadata.uid`, `metadata.event_code` | `id`, `stamp.native_type` (`class/activity` where there is no code) |
//! | `time` (ms) or `time_dt`; some producers write seconds: then `time_dt` counts, else the seconds | `time` |
//! | `status_id`, `status`, `status_detail` | `outcome`, `auth.failure` |
//! | `actor.user` (3002: `user` first) `uid`, else `email_addr`, `name` | `identity.id`; `native_id` is the e-mail address or name |
//! | `user.type_id` 2 admin; 3 system, 4 service | `identity.class` `admin`; `service` |
//! | `user.account.uid`, `actor.idp.uid`, `user.domain` | `identity.issuer` |
//! | `metadata.product`, `cloud.account.uid`, `metadata.tenant_uid` | `provider` |
//! | `session.uid`; `user.credential_uid`, `session.created_time`, `expiration_time` | `session`; `credential` |
//! | `src_endpoint`, `device.uid`, `http_request.user_agent`, `ja4_fingerprint_list` | `source` |
//! | `auth_protocol_id`, `auth_factors[].factor_type_id`, `is_mfa` | `auth` |
//! | `api.operation`, `http_request.url.path` as a template, `http_response.code`, `resources[].uid` | `request` |
//! | `user`, `group`, `privileges`, `entity`, `policy` | `change.target`, `change.role` |
//!
//! Source: the OCSF schema, classes and objects of each version.

mod cloudtrail;
mod okta;

use super::fields::{self, Unless};
use super::json::Json;
use super::{Input, Item};
use portcullis_core::event::{
    Auth, AuthMethod, Change, Class, Credential, Event, EventType, Identity, Outcome, Provider, Request, Session, Source, Stamp,
};
use portcullis_core::text::Text;
use portcullis_core::time::Time;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>, input: &'a Input) -> Item<'a> {
    let Some(class) = json.get("class_uid").int() else { return Item::fault("class_uid", "missing: not an OCSF event") };
    let Some(kind) = kind(json, class) else { return Item::ignored(format!("ocsf:{class}")) };
    let Some(time) = time(json) else { return Item::fault("time", "missing, or no plausible time in milliseconds (nor is `time_dt`)") };
    match json.at("metadata.product.name").str() {
        "CloudTrail" => cloudtrail::decode(json, time),
        name if name.starts_with("Okta") => okta::decode(json, time, input, kind),
        _ => generic(json, class, kind, time),
    }
}

fn kind(json: &Json, class: i64) -> Option<EventType> {
    use EventType::*;
    let activity = json.get("activity_id").int().unwrap_or(0);
    Some(match class {
        3001 => match activity {
            1 => AccountCreate,
            2 | 12 => AccountEnable,
            3 | 4 => CredentialRotate,
            5 | 9 => AccountDisable,
            6 => AccountDelete,
            7 => PrivilegeGrant,
            8 => PrivilegeRevoke,
            10 => CredentialCreate,
            11 => CredentialRevoke,
            _ => AccountUpdate,
        },
        3002 => match activity {
            2 => AuthLogout,
            3..=5 => AuthToken,
            _ => AuthLogin,
        },
        3003 => PrivilegeGrant,
        3004 => ApiRequest,
        3005 if json.get("class_name").str() == "API Activity" => ApiRequest,
        3005 if activity == 2 => PrivilegeRevoke,
        3005 => PrivilegeGrant,
        3006 => match activity {
            1 | 3 | 7 => PrivilegeGrant,
            2 | 4 | 8 => PrivilegeRevoke,
            _ => ApiRequest,
        },
        6003 | 4002 => ApiRequest,
        _ => return None,
    })
}

/// `time` in milliseconds; `time_dt` where that is implausible; seconds in place of milliseconds last.
fn time(json: &Json) -> Option<Time> {
    let written = json.get("time").int().map(Time);
    let seconds = || written.and_then(|t| t.0.checked_mul(1000)).map(Time);
    written.filter(|t| t.is_plausible()).or_else(|| json.get("time_dt").time()).or_else(seconds).filter(|t| t.is_plausible())
}

/// A time of a session: `name` in milliseconds, or `name_dt`.
fn time_at(json: &Json, name: &str) -> Option<Time> {
    let written = json.get(name).int().map(Time).filter(|t| t.is_plausible());
    written.or_else(|| json.get(&format!("{name}_dt")).time())
}

fn source<'a>(json: &Json<'a>) -> Source<'a> {
    let (endpoint, device) = (json.get("src_endpoint"), json.get("device"));
    let place = if endpoint.get("location").is_object() { endpoint.get("location") } else { device.get("location") };
    let coordinates = place.get("coordinates").list(); // 1.0: [longitude, latitude]
    Source {
        ip: fields::ip(endpoint.get("ip")).or_else(|| fields::ip(device.get("ip"))),
        asn: fields::asn(endpoint.at("autonomous_system.number")),
        country: fields::country(place.get("country")),
        lat: fields::latitude(place.get("lat")).or_else(|| coordinates.get(1).and_then(fields::latitude)),
        lon: fields::longitude(place.get("long")).or_else(|| coordinates.first().and_then(fields::longitude)),
        user_agent: json.at("http_request.user_agent").text(),
        device_id: device.get("uid").text(),
        ja4: json.get("ja4_fingerprint_list").list().iter().find(|f| f.get("type_id").int() == Some(1)).and_then(|f| f.get("value").text()),
        ..Source::default()
    }
}

fn outcome(json: &Json) -> Outcome {
    match (json.get("status_id").int(), json.get("status").str()) {
        (Some(1), _) => Outcome::Success,
        (Some(2), _) => Outcome::Failure,
        (_, status) if status.eq_ignore_ascii_case("success") => Outcome::Success,
        (_, status) if status.eq_ignore_ascii_case("failure") => Outcome::Failure,
        _ => Outcome::Unknown,
    }
}

fn user_id<'a>(user: &Json<'a>) -> Option<Text<'a>> {
    ["uid", "email_addr", "name", "uid_alt"].iter().find_map(|key| user.get(key).name())
}

fn identity<'a>(json: &Json<'a>, user: &Json<'a>) -> Option<Identity<'a>> {
    let id = user_id(user)?;
    let native = ["email_addr", "name"].iter().find_map(|key| user.get(key).text());
    Some(Identity {
        class: match user.get("type_id").int() {
            Some(2) => Some(Class::Admin),
            Some(3 | 4) => Some(Class::Service),
            _ => None,
        },
        issuer: user.at("account.uid").name().or_else(|| json.at("actor.idp.uid").text()).or_else(|| user.get("domain").text()),
        native_id: native.filter(|n| *n != id),
        on_behalf_of: None,
        id,
    })
}

fn provider<'a>(json: &Json<'a>) -> Provider<'a> {
    let product = json.at("metadata.product");
    let name = product.get("vendor_name").text().or_else(|| product.get("name").text());
    Provider {
        product: name.map(|n| if n.bytes().any(|b| b.is_ascii_uppercase()) { Text::from(n.to_ascii_lowercase()) } else { n }),
        instance: json.at("cloud.account.uid").name().or_else(|| json.at("metadata.tenant_uid").name()),
    }
}

fn generic<'a>(json: &Json<'a>, class: i64, kind: EventType, time: Time) -> Item<'a> {
    let (actor, user) = (json.at("actor.user"), json.get("user"));
    // In an authentication the user is who was attempted; elsewhere the actor acts on the user.
    let principal = if class == 3002 && user_id(user).is_some() { user } else { actor };
    let Some(identity) = identity(json, principal).or_else(|| identity(json, user)) else {
        return Item::fault("actor.user.uid", "missing: the event names nobody who acted");
    };
    let mut event = Event::new(kind, time);
    event.id = json.at("metadata.uid").text().unwrap_or_default();
    event.outcome = outcome(json);
    event.provider = Some(provider(json)).filter(|p| *p != Provider::default());
    let session = if json.get("session").is_object() { json.get("session") } else { json.at("actor.session") };
    event.session = Session { id: session.get("uid").name(), parent: None }.unless_empty();
    event.credential = Credential {
        id: principal.get("credential_uid").text().or_else(|| session.get("credential_uid").text()),
        issued_at: time_at(session, "created_time"),
        expires_at: time_at(session, "expiration_time"),
        ..Credential::default()
    }
    .unless_empty();
    event.source = source(json).unless_empty();
    if kind.is_auth() {
        event.auth = auth(json, event.outcome).unless_empty();
    }
    if kind == EventType::ApiRequest {
        event.request = Some(request(json, class));
    } else {
        event.change = change(json, class, &identity).unless_empty().map(Box::new);
    }
    let code = json.at("metadata.event_code").text();
    let activity = json.get("activity_name").text().unwrap_or_else(|| Text::from(json.get("activity_id").int().unwrap_or(0).to_string()));
    event.stamp = Some(Stamp { native_type: Some(code.unwrap_or_else(|| Text::from(format!("{class}/{activity}")))), ..Stamp::default() });
    event.identity = Some(identity);
    Item::Event(event)
}

fn auth<'a>(json: &Json<'a>, outcome: Outcome) -> Auth<'a> {
    let factors = json.get("auth_factors").list();
    let by_factor = factors.iter().find_map(|f| match f.get("factor_type_id").int()? {
        1 | 3 => Some(AuthMethod::Sms),
        5 => Some(AuthMethod::Push),
        6 | 7 => Some(AuthMethod::Totp),
        9 | 10 => Some(AuthMethod::Webauthn),
        11 => Some(AuthMethod::Password),
        _ => None,
    });
    let by_protocol = match json.get("auth_protocol_id").int() {
        Some(1 | 3 | 7 | 8 | 10) => Some(AuthMethod::Legacy),
        Some(2) => Some(AuthMethod::Kerberos),
        Some(4) => Some(AuthMethod::Federated),
        Some(5) => Some(AuthMethod::Saml),
        Some(6) => Some(AuthMethod::Oauth),
        _ => None,
    };
    let mut auth = Auth { method: by_factor.or(by_protocol), ..Auth::default() };
    if json.get("is_mfa").bool() == Some(true) {
        auth.amr.push(Text::borrowed("mfa"));
    }
    if outcome == Outcome::Failure {
        auth.failure = Some(fields::failure_said(&format!("{} {}", json.get("status_detail").str(), json.get("status_code").str())));
    }
    auth
}

fn request<'a>(json: &Json<'a>, class: i64) -> Request<'a> {
    let http = json.get("http_request");
    let path = http.at("url.path").text().map(|p| Text::from(fields::route_template(&p)));
    let operation = json.at("api.operation").text().map(|operation| match json.at("api.service.name").text() {
        Some(service) => Text::from(format!("{}:{operation}", service.as_str())),
        None => operation,
    });
    let entity =
        || [json.at("entity.uid"), json.at("entity.name"), json.at("group.uid"), json.at("group.name")].into_iter().find_map(Json::name);
    Request {
        method: http.get("http_method").text(),
        route: if class == 4002 { path.or(operation) } else { operation.or_else(|| json.at("metadata.event_code").text()).or(path) },
        status: fields::status(json.at("http_response.code")).or_else(|| fields::status(json.at("api.response.code"))),
        bytes: fields::bytes(json.at("http_response.length")),
        object: json.get("resources").list().iter().find_map(|r| r.get("uid").name().or_else(|| r.get("name").text())).or_else(entity),
        ..Request::default()
    }
}

fn change<'a>(json: &Json<'a>, class: i64, identity: &Identity<'a>) -> Change<'a> {
    let user = user_id(json.get("user")).filter(|id| class != 3002 && *id != identity.id);
    let granted = json.get("privileges").list().first().and_then(Json::text);
    let group = json.at("group.uid").name().or_else(|| json.at("group.name").text());
    let policy = json.at("policy.uid").name().or_else(|| json.at("policy.name").text());
    Change { target: user, role: group.or(policy).or(granted), ..Change::default() }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("ocsf", None))
    }

    #[test]
    fn an_authentication() {
        let raw = r#"{"class_uid":3002,"activity_id":1,"time":1760000000000,"status_id":2,"status_detail":"Invalid credentials","metadata":{"uid":"e","version":"1.3.0","product":{"vendor_name":"Acme"}},
            "user":{"uid":"u-1","name":"alice","type_id":2},"src_endpoint":{"ip":"192.0.2.7","location":{"country":"Switzerland","lat":47.4,"long":8.5}},"auth_protocol_id":2,"is_mfa":true}"#;
        assert_eq!(
            read(raw),
            concat!(
                r#"{"id":"e","time":"2025-10-09T08:53:20.000Z","type":"auth.login","outcome":"failure","tenant":"default","identity":{"id":"u-1","class":"admin","native_id":"alice"},"#,
                r#""provider":{"product":"acme"},"source":{"ip":"192.0.2.7","country":"CH","lat":47.4,"lon":8.5},"#,
                r#""auth":{"method":"kerberos","failure":"bad_password","amr":["mfa"]},"stamp":{"native_type":"3002/1"}}"#
            )
        );
    }

    #[test]
    fn http_paths_become_templates() {
        let raw = r#"{"class_uid":4002,"activity_id":3,"time":1760000000000,"actor":{"user":{"uid":"svc"}},"http_request":{"http_method":"GET","url":{"path":"/v1/users/17"}},"http_response":{"code":404,"length":12}}"#;
        assert!(read(raw).contains(r#""request":{"method":"GET","route":"/v1/users/{id}","status":404,"bytes":12}"#), "{}", read(raw));
    }

    #[test]
    fn seconds_are_noticed_and_other_classes_counted() {
        let record = |time: &str| {
            format!(r#"{{"class_uid":6003,"activity_id":1,{time},"actor":{{"user":{{"uid":"svc"}}}},"api":{{"operation":"x"}}}}"#)
        };
        assert!(read(&record(r#""time":1723564700"#)).contains("2024-08-13T15:58:20.000Z"));
        assert!(read(&record(r#""time":1727692936,"time_dt":"2023-09-30T10:42:16.000Z""#)).contains("2023-09-30T10:42:16.000Z"));
        assert!(read(&record(r#""time":17"#)).starts_with("time: missing, or no plausible"));
        assert_eq!(read(r#"{"class_uid":2004,"time":1}"#), "ocsf:2004");
        assert!(read(r#"{"class_uid":6003,"time":1760000000000}"#).starts_with("actor.user.uid: missing"));
    }
}
