//! `aws_apigw`: access logs of Amazon API Gateway in JSON (REST, HTTP and WebSocket APIs).
//!
//! The log format is the operator's; read are the names of the console's and the guide's examples, and what they lack for knowing who asks:
//!
//! | field | variable (`$context.`) | event |
//! |---|---|---|
//! | `requestId`, `extendedRequestId` | `requestId` | `id` |
//! | `requestTimeEpoch` (ms), `requestTime` (`01/May/2026:10:00:00 +0000`, or RFC 3339) | `requestTimeEpoch`, `requestTime` | `time` |
//! | `sub` (`claims.sub`), `principalId`, `userArn`, `cognitoIdentityId`, `user`, `caller`, `apiKeyId` in this order | `authorizer.claims.sub`, `authorizer.principalId`, `identity.*` | `identity.id`; class `service` of a bare API key |
//! | `apiKeyId`, `accessKey`, `clientId`, `scope` | `identity.apiKeyId`, `identity.accessKey`, `authorizer.claims.{client_id,scope}` | `credential.{id,client_id}`, `request.scope` |
//! | `httpMethod`, `resourcePath`, `routeKey` (`GET /pets/{id}`), `path` | the same | `request.{method,route}` |
//! | `status`, `responseLength` | the same | `outcome`, `request.{status,bytes}` |
//! | `ip`, `sourceIp`; `userAgent` | `identity.sourceIp`; `identity.userAgent` | `source` |
//! | `clientCertSubject` | `identity.clientCert.subjectDN` | `source.workload`, `workload_proof` `mtls` |
//! | `apiId`, `domainName`; `accountId` | the same | `provider.instance`; `identity.issuer` |
//!
//! Ignored and counted as `aws_apigw:anonymous`: requests that name nobody.
//!
//! Examples: written from the documented fields (API Gateway "Variables for access logging").

use super::access::{Access, claim};
use super::fields;
use super::json::Json;
use super::{Fault, Item};
use portcullis_core::event::{Class, Credential, CredentialKind, Source, WorkloadProof};
use portcullis_core::time::Time;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let time = fields::time(json, &["requestTimeEpoch", "requestTime"], |time| {
        time.millis().or_else(|| time.time()).or_else(|| common_log_time(time.str()))
    })?;
    let person = claim(json, &["sub", "claims.sub", "principalId", "userArn", "cognitoIdentityId", "user", "caller"]);
    let key = claim(json, &["apiKeyId"]);
    let access_key = claim(json, &["accessKey"]);
    let certificate = claim(json, &["clientCertSubject"]);
    let routed = claim(json, &["routeKey"]).filter(|route| !route.starts_with('$'));
    let template = routed.as_ref().and_then(|route| fields::part(route, route.find(' ')? + 1..));
    let method = claim(json, &["httpMethod"]).or_else(|| routed.as_ref().and_then(|route| fields::part(route, ..route.find(' ')?)));
    Ok(Access {
        id: claim(json, &["requestId", "extendedRequestId"]),
        time,
        product: "aws_apigw",
        instance: claim(json, &["apiId", "domainName"]),
        class: (person.is_none() && key.is_some()).then_some(Class::Service),
        who: person.or_else(|| key.clone()),
        issuer: claim(json, &["accountId"]),
        credential: Credential {
            kind: (key.is_some() || access_key.is_some()).then_some(CredentialKind::ApiKey),
            id: access_key.or(key),
            client_id: claim(json, &["clientId", "client_id"]),
            ..Credential::default()
        },
        source: Source {
            ip: fields::ip(json.get("ip")).or_else(|| fields::ip(json.get("sourceIp"))),
            user_agent: claim(json, &["userAgent"]),
            workload_proof: certificate.is_some().then_some(WorkloadProof::Mtls),
            workload: certificate,
            ..Source::default()
        },
        method,
        route: claim(json, &["resourcePath"]).or(template),
        path: claim(json, &["path"]),
        status: fields::status(json.get("status")),
        bytes: fields::bytes(json.get("responseLength")),
        scope: claim(json, &["scope"]),
        ..Access::default()
    }
    .into_item("aws_apigw"))
}

/// `01/May/2026:10:00:00 +0000`, the time of the Common Log Format.
fn common_log_time(text: &str) -> Option<Time> {
    let (stamp, zone) = text.split_once(' ')?;
    let mut parts = stamp.splitn(4, ['/', ':']);
    let (day, month, year, clock) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = 1 + fields::MONTHS.iter().position(|name| *name == month)?;
    let (hours, minutes) = zone.split_at_checked(3)?;
    Time::parse(&format!("{year}-{month:02}-{day}T{clock}{hours}:{minutes}"))
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use super::*;

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("apigw", None))
    }

    #[test]
    fn requests_of_a_person_a_key_and_anybody() {
        let record = |who: &str| {
            format!(
                r#"{{"requestId":"r","ip":"192.0.2.7","caller":"-","user":"-","requestTime":"01/May/2026:12:00:00 +0200","httpMethod":"GET","resourcePath":"/pets/{{id}}",
                "status":"404","protocol":"HTTP/1.1","responseLength":"12"{who}}}"#
            )
        };
        assert_eq!(
            read(&record(r#","sub":"u-1","clientId":"web","apiId":"a1""#)),
            concat!(
                r#"{"id":"r","time":"2026-05-01T10:00:00.000Z","type":"api.request","outcome":"failure","tenant":"default","#,
                r#""identity":{"id":"u-1"},"provider":{"product":"aws_apigw","instance":"a1"},"credential":{"client_id":"web"},"source":{"ip":"192.0.2.7"},"#,
                r#""request":{"method":"GET","route":"/pets/{id}","status":404,"bytes":12},"stamp":{"native_type":"aws_apigw:request"}}"#
            )
        );
        let key = read(&record(r#","apiKeyId":"k-1""#));
        assert!(
            key.contains(r#""identity":{"id":"k-1","class":"service"}"#) && key.contains(r#""credential":{"id":"k-1","kind":"api_key"}"#),
            "{key}"
        );
        assert_eq!(read(&record("")), "aws_apigw:anonymous");
        let http = r#"{"requestId":"r","sourceIp":"192.0.2.7","requestTimeEpoch":1777629600353,"routeKey":"GET /pets/{id}","status":200,"principalId":"p"}"#;
        assert!(read(http).contains(r#""request":{"method":"GET","route":"/pets/{id}","status":200}"#), "{}", read(http));
    }

    #[test]
    fn times_of_the_common_log_format() {
        assert_eq!(common_log_time("09/Apr/2026:12:34:56 +0000").map(|t| t.to_string()).as_deref(), Some("2026-04-09T12:34:56.000Z"));
        for none in ["", "09/Apr/2026:12:34:56", "09/April/2026:12:34:56 +0000", "a b", "09/Apr/2026:12:34:56 é"] {
            assert_eq!(common_log_time(none), None, "{none}");
        }
    }
}
