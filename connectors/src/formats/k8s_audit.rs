//! `k8s_audit`: the audit log of the Kubernetes API server (`audit.k8s.io/v1`), as its file and its webhook (`EventList`) write it.
//!
//! | audit | event |
//! |---|---|
//! | `auditID` | `id` |
//! | `requestReceivedTimestamp` | `time` |
//! | `verb` and `objectRef` | `type` by [`kind`]; `stamp.native_type` and `request.route` are `verb resource/subresource`, of other requests `verb` and the path as a template |
//! | `responseStatus.code` | `outcome`, `request.status` |
//! | `user.username` | `identity.id`, class `service` of `system:...` |
//! | `impersonatedUser.username` | `identity.on_behalf_of` |
//! | `user.extra["authentication.kubernetes.io/credential-id"]` | `credential.id` (`JTI=...` a token, `X509SHA256=...` a certificate) |
//! | `sourceIPs[0]`, `userAgent` | `source` |
//! | `objectRef.{namespace,name}` | `request.object`; `change.secret` of secrets; `change.target` of service accounts |
//! | `requestObject.{roleRef.name,subjects[0]}` of bindings, the name of a role | `change.role`, `change.target` |
//!
//! Only the stages `ResponseComplete` and `Panic` are events; the others tell of the same request and are ignored and counted, as is
//! what `system:anonymous` asks and what names no user. A shell in a pod (`create pods/exec`) is an `api.request` of that route.
//! Not read: other request and response bodies, annotations.
//!
//! Examples: written from the documented fields (Kubernetes "Auditing", `audit.k8s.io/v1` `Event`).

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item, kind_of};
use portcullis_core::event::{Change, Class, Credential, CredentialKind, EventType, Request, Source};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let Some(verb) = json.get("verb").text() else { return Err(Fault::new("verb", "missing: not an audit event of Kubernetes")) };
    let stage = json.get("stage").text();
    if !matches!(stage.as_deref(), None | Some("ResponseComplete" | "Panic")) {
        return Ok(Item::ignored(kind_of("k8s_audit", stage.as_ref())));
    }
    let time = fields::time(json, &["requestReceivedTimestamp", "stageTimestamp"], Json::time)?;
    let object = json.get("objectRef");
    let resource = object.get("resource").text().map(|resource| match object.get("subresource").text() {
        Some(sub) => Text::from(format!("{resource}/{sub}")),
        None => resource,
    });
    let path = || Text::from(fields::route_template(json.get("requestURI").str()));
    let native_type = Text::from(format!("{verb} {}", resource.clone().unwrap_or_else(path)));
    let user = json.get("user");
    let Some(id) = user.get("username").text().filter(|name| name.as_str() != "system:anonymous") else {
        return Ok(Item::ignored(format!("{} of nobody", kind_of("k8s_audit", Some(&verb)))));
    };
    let kind = kind(&verb, resource.as_deref().unwrap_or(""));
    let mut event = fields::event(kind, time, native_type.clone());
    event.id = json.get("auditID").text().unwrap_or_default();
    let status = fields::status(json.at("responseStatus.code"));
    event.outcome = fields::http_outcome(status);
    let mut identity = fields::identity(id, None, None);
    identity.class = identity.id.starts_with("system:").then_some(Class::Service);
    identity.on_behalf_of = json.at("impersonatedUser.username").text().filter(|other| *other != identity.id);
    event.provider = fields::provider("kubernetes", None);
    let presented = user.get("extra").get("authentication.kubernetes.io/credential-id").list().first().and_then(Json::text);
    let presented_kind =
        presented.as_deref().map(|id| if id.starts_with("X509") { CredentialKind::Certificate } else { CredentialKind::AccessToken });
    event.credential = match kind {
        EventType::CredentialCreate => {
            let made = if resource.as_deref() == Some("serviceaccounts/token") {
                CredentialKind::AccessToken
            } else {
                CredentialKind::Certificate
            };
            Credential { kind: Some(made), parent: presented, ..Credential::default() }
        }
        _ => Credential { id: presented, kind: presented_kind, ..Credential::default() },
    }
    .unless_empty();
    event.source = Source {
        ip: json.get("sourceIPs").list().first().and_then(fields::ip),
        user_agent: json.get("userAgent").text(),
        ..Source::default()
    }
    .unless_empty();
    let (namespace, name) = (object.get("namespace").text(), object.get("name").text());
    let named = match (namespace.clone(), name.clone()) {
        (Some(namespace), Some(name)) => Some(Text::from(format!("{namespace}/{name}"))),
        (namespace, name) => name.or(namespace),
    };
    let account = || match (&namespace, &name) {
        (Some(namespace), Some(name)) => Some(Text::from(format!("system:serviceaccount:{namespace}:{name}"))),
        _ => None,
    };
    let body = json.get("requestObject");
    use EventType::*;
    event.change = match kind {
        SecretRead => Change { secret: named.clone(), ..Change::default() },
        AccountCreate | AccountDelete => Change { target: account(), ..Change::default() },
        CredentialCreate => Change { target: account().or(body.at("spec.username").text()), ..Change::default() },
        PrivilegeGrant | PrivilegeRevoke => Change {
            role: body.at("roleRef.name").text().or_else(|| named.clone()),
            target: body.get("subjects").list().first().and_then(subject),
            ..Change::default()
        },
        _ => Change::default(),
    }
    .boxed_unless_empty();
    event.request = Some(Request { route: Some(native_type), status, object: named, ..Request::default() });
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

/// The table of verbs and resources.
fn kind(verb: &str, resource: &str) -> EventType {
    use EventType::*;
    let changes = matches!(verb, "create" | "update" | "patch");
    let deletes = matches!(verb, "delete" | "deletecollection");
    match resource {
        "secrets" if matches!(verb, "get" | "list" | "watch") => SecretRead,
        "serviceaccounts/token" if verb == "create" => CredentialCreate,
        "certificatesigningrequests/approval" if changes => CredentialCreate,
        "serviceaccounts" if verb == "create" => AccountCreate,
        "serviceaccounts" if deletes => AccountDelete,
        "roles" | "clusterroles" | "rolebindings" | "clusterrolebindings" if changes => PrivilegeGrant,
        "roles" | "clusterroles" | "rolebindings" | "clusterrolebindings" if deletes => PrivilegeRevoke,
        _ => ApiRequest,
    }
}

/// A subject of a binding, by the name with which it asks.
fn subject<'a>(subject: &Json<'a>) -> Option<Text<'a>> {
    let name = subject.get("name").text()?;
    match (subject.get("kind").str(), subject.get("namespace").text()) {
        ("ServiceAccount", Some(namespace)) => Some(Text::from(format!("system:serviceaccount:{namespace}:{name}"))),
        _ => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{Event, EventType};

    fn record(verb: &str, object: &str, rest: &str) -> String {
        format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a-1","stage":"ResponseComplete","requestURI":"/api/v1/x","verb":"{verb}",
            "user":{{"username":"system:serviceaccount:ci:builder","groups":["system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["JTI=j-1"]}}}},
            "sourceIPs":["192.0.2.7"],"userAgent":"kubectl/v1.31","objectRef":{{{object}}},"responseStatus":{{"code":200}},
            "requestReceivedTimestamp":"2026-05-01T10:00:00.353000Z","stageTimestamp":"2026-05-01T10:00:00.360000Z"{rest}}}"#
        )
    }

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("k8s", None))
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::K8sAudit, raw, &Input::behaviour("k8s", None), check);
    }

    #[test]
    fn a_secret_is_read() {
        assert_eq!(
            read(&record("get", r#""resource":"secrets","namespace":"shop","name":"db""#, "")),
            concat!(
                r#"{"id":"a-1","time":"2026-05-01T10:00:00.353Z","type":"secret.read","outcome":"success","tenant":"default","#,
                r#""identity":{"id":"system:serviceaccount:ci:builder","class":"service"},"provider":{"product":"kubernetes"},"#,
                r#""credential":{"id":"JTI=j-1","kind":"access_token"},"source":{"ip":"192.0.2.7","user_agent":"kubectl/v1.31"},"#,
                r#""request":{"route":"get secrets","status":200,"object":"shop/db"},"change":{"secret":"shop/db"},"stamp":{"native_type":"get secrets"}}"#
            )
        );
    }

    #[test]
    fn verbs_and_resources() {
        for (verb, object, rest, expected) in [
            (
                "create",
                r#""resource":"clusterrolebindings","name":"b""#,
                r#","requestObject":{"roleRef":{"name":"cluster-admin"},"subjects":[{"kind":"ServiceAccount","name":"x","namespace":"ci"}]}"#,
                r#""change":{"role":"cluster-admin","target":"system:serviceaccount:ci:x"}"#,
            ),
            ("delete", r#""resource":"rolebindings","namespace":"ci","name":"b""#, "", r#""type":"privilege.revoke""#),
            (
                "create",
                r#""resource":"serviceaccounts","subresource":"token","namespace":"ci","name":"x""#,
                "",
                r#""credential":{"kind":"access_token","parent":"JTI=j-1"}"#,
            ),
            (
                "create",
                r#""resource":"pods","subresource":"exec","namespace":"ci","name":"p""#,
                "",
                r#""request":{"route":"create pods/exec","status":200,"object":"ci/p"}"#,
            ),
            ("get", "", "", r#""route":"get /api/v1/x""#),
        ] {
            let event = read(&record(verb, object, rest));
            assert!(event.contains(expected), "{verb} {object}: {event}");
        }
    }

    #[test]
    fn who_asks_for_whom_and_which_stages_count() {
        event(&record("list", r#""resource":"pods""#, r#","impersonatedUser":{"username":"alice"}"#), |event| {
            assert_eq!((event.kind, event.identity.unwrap().on_behalf_of.as_deref()), (EventType::ApiRequest, Some("alice")));
        });
        event(&record("get", r#""resource":"pods""#, "").replace("\"code\":200", "\"code\":403"), |event| assert!(event.failed()));
        let received = record("get", r#""resource":"pods""#, "").replace("ResponseComplete", "RequestReceived");
        assert_eq!(read(&received), "k8s_audit:RequestReceived");
        let anybody = record("get", r#""resource":"pods""#, "").replace("system:serviceaccount:ci:builder", "system:anonymous");
        assert_eq!(read(&anybody), "k8s_audit:get of nobody");
        let one = record("get", r#""resource":"pods""#, "");
        let list = format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{one},{one}]}}"#);
        assert_eq!(read(&list), format!("{}\n{}", read(&one), read(&one)));
    }
}
