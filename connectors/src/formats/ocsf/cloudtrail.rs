//! OCSF's rendering of CloudTrail: read back into what CloudTrail's own record says, then through CloudTrail's tables.
//!
//! | CloudTrail | OCSF 1.1 and later | 1.0-rc.2 |
//! |---|---|---|
//! | `userIdentity.arn`, `principalId` | `actor.user.uid`, `uid_alt` | `uuid`, `uid` |
//! | `userIdentity.accountId` | `actor.user.account.uid` | `account_uid` |
//! | `sessionIssuer.arn`, `creationDate` | `actor.session.issuer`, `created_time(_dt)` | the same |
//! | `requestParameters`, `responseElements` | `api.request.data`, `api.response.data` as JSON text | absent, but `user.name` |
//! | `additionalEventData.MFAUsed` | `is_mfa` | `mfa` |

use super::super::cloudtrail::{Trail, caller::Caller, short_service};
use super::super::fields::{aws_source, ip};
use super::super::json::Json;
use super::{Item, time_at};
use portcullis_core::event::Source;
use portcullis_core::text::Text;
use portcullis_core::time::Time;
use std::borrow::Cow;

pub fn decode<'a>(json: &Json<'a>, time: Time) -> Item<'a> {
    let (user, session, unmapped) = (json.at("actor.user"), json.at("actor.session"), json.get("unmapped"));
    let endpoint = json.get("src_endpoint");
    let mut source = Source::default();
    aws_source(&mut source, if ip(endpoint.get("ip")).is_some() { endpoint.get("ip") } else { endpoint.get("domain") });
    let Some(operation) = json.at("api.operation").text() else { return Item::fault("api.operation", "missing: CloudTrail's eventName") };
    // A key with a dot in it, not a path.
    let flat = |name: &str| unmapped.get(name);
    let mut params = json.at("api.request.data").nested();
    if params.is_null()
        && let Some(name) = json.at("user.name").text()
    {
        params = Json::Object(vec![(Cow::Borrowed("userName"), Json::Text(Cow::Owned(name.as_str().to_owned())))]);
    }
    let response = json.at("api.response.data").nested();
    let caller = caller(user, session, json);
    let account = ["recipientAccountId"]
        .iter()
        .find_map(|key| unmapped.get(key).name())
        .or_else(|| json.at("cloud.account.uid").name())
        .or_else(|| caller.account.clone());
    Trail {
        id: json.at("metadata.uid").text(),
        time: Some(time),
        service: short_service(json.at("api.service.name").text().unwrap_or_default()),
        event_type: json.at("metadata.event_code").text().or_else(|| unmapped.get("eventType").text()),
        account,
        region: json.at("cloud.region").text(),
        error: json.at("api.response.error").text(),
        error_message: json.at("api.response.error_message").text(),
        result: flat(&format!("serviceEventDetails.{operation}"))
            .text()
            .or_else(|| response.get(&operation).text())
            .or_else(|| json.get("status").text()),
        user_agent: json.at("http_request.user_agent").text(),
        resource: json.get("resources").list().iter().find_map(|r| r.get("uid").text()),
        mfa_used: json.get("is_mfa").bool().or_else(|| json.get("mfa").bool()),
        credential_type: flat("additionalEventData.CredentialType").text(),
        saml: flat("additionalEventData.SamlProviderArn").text().is_some(),
        bytes_out: None,
        operation,
        params,
        response,
        caller,
    }
    .into_item(source)
}

fn caller<'a>(user: &Json<'a>, session: &Json<'a>, json: &Json<'a>) -> Caller<'a> {
    let names = [user.get("uid"), user.get("uuid"), user.get("uid_alt")];
    let is_arn = |text: &Text| text.starts_with("arn:");
    let kind = user.get("type").text();
    let in_center = kind.as_deref() == Some("IdentityCenterUser");
    Caller {
        arn: names.iter().filter_map(|n| n.text()).find(is_arn),
        principal: names.iter().filter_map(|n| n.text()).find(|n| !is_arn(n)).filter(|_| !in_center),
        center_user: user.get("uid_alt").text().or_else(|| user.get("uid").text()).filter(|_| in_center),
        store: json.at("actor.idp.uid").text(),
        account: user.at("account.uid").name().or_else(|| user.get("account_uid").name()),
        key: user.get("credential_uid").text(),
        user_name: user.get("name").text(),
        invoked_by: json.at("actor.invoked_by").text(),
        issuer: session.get("issuer").text(),
        session_created: time_at(session, "created_time"),
        kind,
        ..Caller::default()
    }
}
