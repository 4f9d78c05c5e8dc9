//! `auto`: recognises the format record by record, by the names of its top-level fields, or by how a line of text begins.
//!
//! | format | has |
//! |---|---|
//! | ocsf | `class_uid` |
//! | cloudtrail | `eventName` and `eventSource` or `userIdentity` (any case: Athena writes `eventsource`), or `Records` |
//! | okta | `eventType` and one of `published`, `legacyEventType`, `displayMessage`, `actor` |
//! | cloudevents | `specversion` |
//! | set | `events` and `jti`, or `iss` and `iat`; as text: a compact JWS |
//! | keycloak | `realmId` or `authDetails`, `loggerName` `org.keycloak...`; as text: `type=` or `operationType=`, and `realmId=` |
//! | entra_signin | `category` that ends in `SignInLogs`; `userPrincipalName` or `servicePrincipalId`, and `appId` |
//! | entra_audit | `properties.activityDisplayName`, `activityDisplayName` |
//! | azure_activity | `operationName` and `resourceId` |
//! | gcp_audit | `protoPayload` |
//! | google_workspace | `kind` `admin#reports#activity`, or `id.applicationName` |
//! | k8s_audit | `auditID` |
//! | vault_audit | `type` `request` or `response`, and `request.operation` |
//! | windows_security | `winlog`; `EventID` and `Channel` or `SourceName` |
//! | onelogin | `event_type_id` |
//! | stripe | `object` `event` |
//! | github_audit | `action` and one of `actor`, `actor_id`, and `@timestamp`, `created_at` or `_document_id` |
//! | kong | `started_at` and `latencies` |
//! | aws_apigw | `requestId` and one of `httpMethod`, `routeKey`, `resourcePath` |
//! | envoy_json | `start_time` and `response_code` |
//! | ecs | `@timestamp` and `ecs`, `ecs.version` or `event` |
//! | native | `type`, or Avro single-object encoding |
//! | cef, syslog | as text: `CEF:`; a priority, or the time of RFC 3164 |
//!
//! They are asked in this order. A record that begins with a field of ours is tried as native first, so that our own format costs nothing
//! extra. What is none of these is a fault that names the fields it has: we cannot say that a record which we do not understand is not
//! about identities. `custom` is never guessed: only its input knows its mapping.

use super::json::Json;
use super::{Fault, Format, Input, Item, cef, is_json, keycloak, of_tree, one, set, syslog, tree};

type IsTree = fn(&Json<'_>) -> bool;
type IsText = fn(&str) -> bool;

/// How a JSON object of each format is known.
const TREES: &[(Format, IsTree)] = &[
    (Format::Ocsf, |json| has(json, "class_uid")),
    (Format::CloudTrail, |json| has(json, "eventName") && has_any(json, &["eventSource", "userIdentity"])),
    (Format::Okta, |json| has(json, "eventType") && has_any(json, &["published", "legacyEventType", "displayMessage", "actor"])),
    (Format::CloudEvents, |json| has(json, "specversion")),
    (Format::Set, |json| json.get("events").is_object() && (has(json, "jti") || (has(json, "iss") && has(json, "iat")))),
    (Format::Keycloak, |json| has_any(json, &["realmId", "authDetails"]) || json.get("loggerName").str().starts_with("org.keycloak")),
    (Format::EntraSignin, |json| {
        json.get("category").str().ends_with("SignInLogs")
            || (has(json, "appId") && has_any(json, &["userPrincipalName", "servicePrincipalId"]))
    }),
    (Format::EntraAudit, |json| {
        has(json, "activityDisplayName") || has(json.get("properties"), "activityDisplayName") || json.get("category").str() == "AuditLogs"
    }),
    (Format::AzureActivity, |json| has(json, "operationName") && has(json, "resourceId")),
    (Format::GcpAudit, |json| has(json, "protoPayload")),
    (Format::GoogleWorkspace, |json| json.get("kind").str() == "admin#reports#activity" || has(json.get("id"), "applicationName")),
    (Format::K8sAudit, |json| has(json, "auditID")),
    (Format::VaultAudit, |json| matches!(json.get("type").str(), "request" | "response") && has(json.get("request"), "operation")),
    (Format::WindowsSecurity, |json| has(json, "winlog") || (has(json, "EventID") && has_any(json, &["Channel", "SourceName"]))),
    (Format::Onelogin, |json| has(json, "event_type_id")),
    (Format::Stripe, |json| json.get("object").str() == "event"),
    (Format::GithubAudit, |json| {
        has(json, "action") && has_any(json, &["actor", "actor_id"]) && has_any(json, &["@timestamp", "created_at", "_document_id"])
    }),
    (Format::Kong, |json| has(json, "started_at") && has(json, "latencies")),
    (Format::AwsApigw, |json| has(json, "requestId") && has_any(json, &["httpMethod", "routeKey", "resourcePath"])),
    (Format::EnvoyJson, |json| has(json, "start_time") && has(json, "response_code")),
    (Format::Ecs, |json| has(json, "@timestamp") && has_any(json, &["ecs", "ecs.version", "event"])),
    (Format::Native, |json| has(json, "type")),
];

/// How a line of text of each format is known.
const TEXTS: &[(Format, IsText)] =
    &[(Format::Cef, cef::is_line), (Format::Set, set::is_jws), (Format::Syslog, syslog::is_line), (Format::Keycloak, keycloak::is_line)];

/// Reads one record in whatever format it is.
pub(super) fn decode<'a>(raw: &'a [u8], input: &'a Input) -> Item<'a> {
    in_order(raw, input, true)
}

/// Reads what is in a shell, which may be no shell itself.
pub(super) fn within_shell<'a>(raw: &'a [u8], input: &'a Input) -> Item<'a> {
    in_order(raw, input, false)
}

fn in_order<'a>(raw: &'a [u8], input: &'a Input, shells: bool) -> Item<'a> {
    if begins_like_native(raw)
        && let item @ Item::Event(_) = one(Format::Native, raw, input)
    {
        return item;
    }
    if !is_json(raw)
        && let Some(format) = recognise_text(raw)
    {
        return one(format, raw, input);
    }
    let json = match tree(raw) {
        Ok(json) => json,
        Err(fault) => return Item::Fault(fault),
    };
    match recognise(&json) {
        // These take the bytes themselves.
        Some(format @ Format::Native) => one(format, raw, input),
        Some(format @ Format::CloudEvents) if shells => one(format, raw, input),
        Some(format) => of_tree(format, &json, input),
        None => Item::Fault(unknown(&json)),
    }
}

/// Reads one JSON object in whatever format it is.
pub(super) fn of_any<'a>(json: &Json<'a>, input: &'a Input) -> Item<'a> {
    match recognise(json) {
        Some(format) => of_tree(format, json, input),
        None => Item::Fault(unknown(json)),
    }
}

/// Our own writers begin with `id`, `time` or `type`; vendors hardly ever do.
fn begins_like_native(raw: &[u8]) -> bool {
    let Some(rest) = raw.trim_ascii_start().strip_prefix(b"{") else { return raw.starts_with(&super::native::AVRO) };
    let rest = rest.trim_ascii_start();
    [b"\"id\"".as_slice(), b"\"time\"", b"\"type\"", b"\"tenant\"", b"\"outcome\"", b"\"identity\""].iter().any(|key| rest.starts_with(key))
}

/// The format of a JSON object.
fn recognise(json: &Json<'_>) -> Option<Format> {
    TREES.iter().find(|(_, is)| is(json)).map(|(format, _)| *format)
}

/// The format of a line of text.
pub(super) fn recognise_text(raw: &[u8]) -> Option<Format> {
    let text = std::str::from_utf8(raw).ok()?.trim_start();
    TEXTS.iter().find(|(_, is)| is(text)).map(|(format, _)| *format)
}

fn has(json: &Json<'_>, key: &str) -> bool {
    matches!(json, Json::Object(fields) if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(key)))
}

fn has_any(json: &Json<'_>, keys: &[&str]) -> bool {
    keys.iter().any(|key| has(json, key))
}

const KEYS_NAMED_MAX: usize = 8;

/// Names the first few fields, for somebody to see what it is.
#[cold]
fn unknown(json: &Json<'_>) -> Fault {
    let names: Vec<String> = match json {
        Json::Object(fields) => {
            fields.iter().take(KEYS_NAMED_MAX).map(|(key, _)| key.chars().take(40).flat_map(char::escape_debug).collect()).collect()
        }
        _ => Vec::new(),
    };
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let known: Vec<&str> = TREES.iter().map(|(format, _)| format.name()).collect();
    Fault::new("", format!("no known format ({}); its fields: {names}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_known_by_its_fields() {
        for (format, raw) in [
            (Format::Native, r#"{"type":"auth.login","time":1}"#),
            (Format::Okta, r#"{"actor":{},"eventType":"user.session.start","outcome":{}}"#),
            (Format::CloudTrail, r#"{"eventVersion":"1.08","eventName":"A","eventSource":"b","eventType":"AwsApiCall"}"#),
            (Format::CloudTrail, r#"{"eventname":"A","eventsource":"b"}"#),
            (Format::Ocsf, r#"{"actor":{},"class_uid":3002,"time":1}"#),
            (Format::Keycloak, r#"{"time":1,"type":"LOGIN","realmId":"lab"}"#),
            (Format::Keycloak, r#"{"timestamp":"","loggerName":"org.keycloak.events","message":""}"#),
            (Format::CloudEvents, r#"{"specversion":"1.0","type":"x","data":{}}"#),
            (Format::EntraSignin, r#"{"category":"NonInteractiveUserSignInLogs","properties":{}}"#),
            (
                Format::EntraAudit,
                r#"{"category":"Policy","operationName":"x","resourceId":"/tenants/t","properties":{"activityDisplayName":"x"}}"#,
            ),
            (Format::AzureActivity, r#"{"operationName":"SecretGet","resourceId":"/x"}"#),
            (Format::EnvoyJson, r#"{"start_time":"","response_code":200}"#),
            (Format::WindowsSecurity, r#"{"@timestamp":"","ecs":{"version":"8"},"event":{"code":"4624"},"winlog":{"event_id":4624}}"#),
        ] {
            assert_eq!(recognise(&tree(raw.as_bytes()).unwrap()), Some(format), "{raw}");
        }
        let input = Input::operator("f");
        let Item::Fault(fault) = decode(br#"{"action":"git.push","actor":"x"}"#, &input) else { panic!("recognised") };
        assert!(fault.what.contains("its fields: action, actor"), "{fault}");
        for raw in [b"17".as_slice(), b"a line of text"] {
            assert!(matches!(decode(raw, &input), Item::Fault(_)));
        }
    }

    #[test]
    fn each_text_is_known_by_how_it_begins() {
        for (format, raw) in [
            (Format::Keycloak, "2026-05-01 10:00:00,000 WARN  [org.keycloak.events] (x) type=LOGIN, realmId=lab"),
            (Format::Cef, "CEF:0|a|b|1|s|n|1|"),
            (Format::Syslog, "<34>1 - - - - - - x"),
            (Format::Syslog, "Sep 15 16:13:46 host app: x"),
            (Format::Set, "eyJh.eyJi.c"),
        ] {
            assert_eq!(recognise_text(raw.as_bytes()), Some(format), "{raw}");
        }
    }
}
