//! `envoy_json`: access logs of Envoy in JSON, with the field names of Envoy's, Envoy Gateway's and Istio's defaults.
//!
//! The log format is the operator's. Envoy's defaults name nobody, so who asks has to be added, by operators that clients cannot forge:
//!
//! | field | operator | event |
//! |---|---|---|
//! | `sub` (`jwt_sub`), `iss`, `azp` (`client_id`), `jti`, `sid`, `scope` | `%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:payload:sub)%` | `identity.{id,issuer}`, `credential.{client_id,id}`, `session.id`, `request.scope` |
//! | `downstream_peer_uri_san` | `%DOWNSTREAM_PEER_URI_SAN%` | `source.workload`, `workload_proof` `mtls`; `identity.id` where there is no `sub`, class `service` |
//! | `ja4` | `%TLS_JA4_FINGERPRINT%` | `source.ja4` |
//! | `start_time` | | `time` |
//! | `request_id`, `x-request-id` | | `id` |
//! | `method`, `path`, `x-envoy-origin-path` | | `request.{method,route}`, the path as a template |
//! | `response_code`, `bytes_sent` | | `outcome`, `request.{status,bytes}` |
//! | `downstream_remote_address` (Envoy's own judgement of `x-forwarded-for`) | | `source.ip` |
//! | `user_agent`, `user-agent` | | `source.user_agent` |
//! | `authority`, `:authority` | | `provider.instance` |
//!
//! Ignored and counted as `envoy_json:anonymous`: requests that name nobody. Not read: `x-forwarded-for` (whoever asks can write it),
//! upstream fields, `response_flags`.
//!
//! Source: Envoy "Access logging", "Command operators". The record of an ingress controller before its JSON (`2026-... stdout F {`) is
//! the container runtime's and belongs cut off by the shipper. Public records, which name nobody, are read in `tests/real_data.rs`; the
//! examples here are written from the documented fields.

use super::access::{Access, claim};
use super::fields;
use super::json::Json;
use super::{Fault, Item};
use portcullis_core::event::{Class, Credential, CredentialKind, Source, WorkloadProof};

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let time = fields::time(json, &["start_time"], Json::time)?;
    let workload = claim(json, &["downstream_peer_uri_san"]);
    let subject = claim(json, &["sub", "jwt_sub"]);
    let token = claim(json, &["jti"]);
    Ok(Access {
        id: claim(json, &["request_id", "x-request-id"]),
        time,
        product: "envoy",
        instance: claim(json, &["authority", ":authority"]),
        class: (subject.is_none() && workload.is_some()).then_some(Class::Service),
        who: subject.or_else(|| workload.clone()),
        issuer: claim(json, &["iss"]),
        credential: Credential {
            kind: token.is_some().then_some(CredentialKind::AccessToken),
            id: token,
            client_id: claim(json, &["azp", "client_id"]),
            ..Credential::default()
        },
        session: claim(json, &["sid"]),
        source: Source {
            ip: fields::ip(json.get("downstream_remote_address")),
            user_agent: claim(json, &["user_agent", "user-agent"]),
            ja4: claim(json, &["ja4"]),
            workload_proof: workload.is_some().then_some(WorkloadProof::Mtls),
            workload,
            ..Source::default()
        },
        method: claim(json, &["method"]),
        path: claim(json, &["path", "x-envoy-origin-path"]),
        status: fields::status(json.get("response_code")),
        bytes: fields::bytes(json.get("bytes_sent")),
        scope: claim(json, &["scope"]),
        ..Access::default()
    }
    .into_item("envoy_json"))
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("envoy", None))
    }

    #[test]
    fn requests_of_a_person_a_workload_and_anybody() {
        let record = |who: &str| {
            format!(
                r#"{{"start_time":"2026-05-01T10:00:00.353Z","request_id":"r","method":"GET","path":"/v1/users/17?x=1","response_code":403,"bytes_sent":12,
                "downstream_remote_address":"192.0.2.7:40000","user-agent":"Mozilla/5.0",":authority":"api.example","ja4":"t13d1516h2"{who}}}"#
            )
        };
        assert_eq!(
            read(&record(r#","sub":"u-1","iss":"https://idp.example","jti":"j","azp":"shop","sid":"s-1""#)),
            concat!(
                r#"{"id":"r","time":"2026-05-01T10:00:00.353Z","type":"api.request","outcome":"failure","tenant":"default","#,
                r#""identity":{"id":"u-1","issuer":"https://idp.example"},"provider":{"product":"envoy","instance":"api.example"},"#,
                r#""credential":{"id":"j","kind":"access_token","client_id":"shop"},"session":{"id":"s-1"},"#,
                r#""source":{"ip":"192.0.2.7","user_agent":"Mozilla/5.0","ja4":"t13d1516h2"},"#,
                r#""request":{"method":"GET","route":"/v1/users/{id}","status":403,"bytes":12},"stamp":{"native_type":"envoy_json:request"}}"#
            )
        );
        let workload = read(&record(r#","downstream_peer_uri_san":"spiffe://corp/ns/shop/sa/cart""#));
        assert!(workload.contains(r#""identity":{"id":"spiffe://corp/ns/shop/sa/cart","class":"service"}"#), "{workload}");
        assert!(workload.contains(r#""workload":"spiffe://corp/ns/shop/sa/cart","workload_proof":"mtls""#), "{workload}");
        assert_eq!(read(&record("")), "envoy_json:anonymous");
        assert_eq!(read(&record("").replace("2026-05-01T10:00:00.353Z", "now")), "start_time: not a time that this format writes");
    }
}
