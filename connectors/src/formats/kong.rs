//! `kong`: what Kong Gateway's log plugins write (http-log, file-log, tcp-log, kafka-log, ...).
//!
//! | log | event |
//! |---|---|
//! | `request.id` | `id` |
//! | `started_at` (ms) | `time` |
//! | `consumer.custom_id`, else `username`, else `id` | `identity.id`; `native_id` is the `username` |
//! | `authenticated_entity.id` | `credential.id`: the key, certificate or client with which the consumer came |
//! | `request.method`, `route.paths[0]`, else `request.uri` as a template | `request.{method,route}` |
//! | `response.{status,size}` | `outcome`, `request.{status,bytes}` |
//! | `client_ip`, `request.headers.user-agent` | `source` |
//! | `service.name`; `workspace_name` | `credential.audience`; `provider.instance` |
//!
//! Ignored and counted as `kong:anonymous`: requests without a consumer. Not read: other headers (whoever asks can write them),
//! latencies, tries.
//!
//! Examples: written from the documented fields (Kong "HTTP Log", log format).

use super::access::Access;
use super::fields;
use super::json::Json;
use super::{Fault, Item};
use portcullis_core::event::{Credential, Source};

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let time = fields::time(json, &["started_at"], Json::millis)?;
    let (request, consumer) = (json.get("request"), json.get("consumer"));
    Ok(Access {
        id: request.get("id").text(),
        time,
        product: "kong",
        instance: json.get("workspace_name").text(),
        who: fields::first(consumer, &["custom_id", "username", "id"]),
        name: consumer.get("username").text(),
        credential: Credential {
            id: json.at("authenticated_entity.id").text(),
            audience: json.at("service.name").text(),
            ..Credential::default()
        },
        source: Source {
            ip: fields::ip(json.get("client_ip")),
            user_agent: request.get("headers").get("user-agent").text(),
            ..Source::default()
        },
        method: request.get("method").text(),
        route: json.at("route.paths").list().first().and_then(Json::text).filter(|path| !path.starts_with('~') && path.len() > 1),
        path: request.get("uri").text(),
        status: fields::status(json.at("response.status")),
        bytes: fields::bytes(json.at("response.size")),
        ..Access::default()
    }
    .into_item("kong"))
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("kong", None))
    }

    #[test]
    fn requests_of_a_consumer_and_of_anybody() {
        let record = |consumer: &str, route: &str| {
            format!(
                r#"{{"request":{{"id":"r","method":"POST","uri":"/v1/orders/17?x=1","url":"http://gw/v1/orders/17","size":99,"headers":{{"host":"gw","user-agent":"curl/8","x-consumer-id":"forged"}}}},
                "response":{{"status":201,"size":412,"headers":{{}}}},"route":{{"id":"rt","paths":[{route}]}},"service":{{"name":"orders"}},{consumer}
                "latencies":{{"request":12,"kong":1,"proxy":11}},"client_ip":"192.0.2.7","started_at":1777629600353,"workspace_name":"default"}}"#
            )
        };
        let consumer = r#""consumer":{"id":"c-1","username":"cart","custom_id":"svc-cart"},"authenticated_entity":{"id":"k-1"},"#;
        assert_eq!(
            read(&record(consumer, "\"/v1/orders\"")),
            concat!(
                r#"{"id":"r","time":"2026-05-01T10:00:00.353Z","type":"api.request","outcome":"success","tenant":"default","#,
                r#""identity":{"id":"svc-cart","native_id":"cart"},"provider":{"product":"kong","instance":"default"},"#,
                r#""credential":{"id":"k-1","audience":"orders"},"source":{"ip":"192.0.2.7","user_agent":"curl/8"},"#,
                r#""request":{"method":"POST","route":"/v1/orders","status":201,"bytes":412},"stamp":{"native_type":"kong:request"}}"#
            )
        );
        assert!(read(&record(consumer, "\"~/v1/orders/(?<id>\\\\d+)\"")).contains(r#""route":"/v1/orders/{id}""#));
        assert_eq!(read(&record("", "\"/v1/orders\"")), "kong:anonymous");
    }
}
