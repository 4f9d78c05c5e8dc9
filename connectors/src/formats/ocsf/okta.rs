//! OCSF's rendering of the Okta System Log: read back into what the log itself says, then through Okta's tables. What OCSF has no
//! field for stands under `unmapped` in its old place.

use super::super::fields::{self};
use super::super::json::Json;
use super::super::okta::{LogEvent, device_of, level};
use super::{Input, Item, source, user_id};
use portcullis_core::event::{EventType, Network};
use portcullis_core::text::Text;
use portcullis_core::time::Time;

pub fn decode<'a>(json: &Json<'a>, time: Time, input: &'a Input, kind: EventType) -> Item<'a> {
    let (actor, unmapped) = (json.at("actor.user"), json.get("unmapped"));
    let debug = unmapped.at("debugContext.debugData");
    let Some(event_type) = json.at("metadata.event_code").text().or_else(|| json.at("api.operation").text()) else {
        return Item::fault("metadata.event_code", "missing: Okta's eventType");
    };
    let mut source = source(json);
    source.device_id = source.device_id.or_else(|| device_of(debug));
    source.network = (unmapped.at("securityContext.isProxy").bool() == Some(true)).then_some(Network::Proxy);
    source.ip = source.ip.or_else(|| unmapped.at("request.ipChain").list().first().and_then(|hop| fields::ip(hop.get("ip"))));
    LogEvent {
        id: json.at("metadata.uid").text(),
        time: Some(time),
        event_type,
        result: unmapped.at("outcome.result").text().or_else(|| json.get("status").text()),
        reason: unmapped.at("outcome.reason").text().or_else(|| json.get("status_detail").text()),
        actor: actor.get("uid").text(),
        actor_login: actor.get("email_addr").text(),
        actor_type: actor.get("type").text(),
        session: json.at("actor.session.uid").text(),
        root_session: unmapped.at("authenticationContext.rootSessionId").text(),
        credential_type: unmapped.at("authenticationContext.credentialType").text(),
        factor: debug.get("factor").text(),
        risk_level: level(debug.get("risk")),
        source,
        targets: targets(json, unmapped, actor),
    }
    .into_item(input, Some(kind))
}

fn targets<'a>(json: &Json<'a>, unmapped: &Json<'a>, actor: &Json<'a>) -> Vec<(Text<'a>, Text<'a>)> {
    let listed = unmapped.get("target").list();
    if !listed.is_empty() {
        return listed.iter().filter_map(|t| Some((t.get("type").text()?, t.get("id").text()?))).collect();
    }
    let mut targets = Vec::new();
    let things = [("UserGroup", "group.uid"), ("PolicyEntity", "entity.policy.uid"), ("Entity", "entity.uid"), ("Policy", "policy.uid")];
    targets.extend(things.iter().filter_map(|(kind, path)| Some((Text::borrowed(kind), json.at(path).text()?))));
    // OCSF repeats the actor as `user` where the log has no target.
    if let Some(user) = user_id(json.get("user")).filter(|u| Some(u) != user_id(actor).as_ref()) {
        targets.push((Text::borrowed("User"), user));
    }
    targets
}
