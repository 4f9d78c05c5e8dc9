//! Which subjects an event can teach something: one record of the events log for each.

use crate::event::{AuthFailure, Event, EventType};
use crate::subject::{Kind, Subject, source_id};

/// The subjects of an event, the identity first. Empty: nobody that a profile could be kept of.
///
/// A successful API call by a known identity concerns the identity alone; log-ins, failures, sign-ups and checkouts concern the source,
/// the device or the card too, and requests by nobody the source alone. An attempt on an unknown identity teaches the source and makes no
/// identity profile. What acts upon another identity concerns that one as well: not as what it did, but as what was done to it.
pub fn subjects(event: &Event<'_>, each: &mut dyn FnMut(Kind, &str)) {
    use EventType::*;
    if event.kind.is_control() {
        return control_subject(event, each);
    }
    if event.failure() != Some(AuthFailure::UnknownIdentity)
        && let Some(id) = event.identity_id().filter(|id| !id.is_empty())
    {
        each(Kind::Identity, id);
    }
    if let Some(other) = event.acts_upon() {
        each(Kind::Identity, other);
    }
    let concerns_source = event.kind.is_checkout()
        || event.kind == AccountCreate
        || matches!(event.kind, AuthLogin | AuthMfa | AuthRecovery)
        || event.failed()
        || event.identity.is_none();
    if concerns_source && let Some(id) = event.ip().and_then(source_id) {
        each(Kind::Source, &id);
    }
    if event.kind.is_checkout() || event.kind == AccountCreate {
        if let Some(device) = event.device_id() {
            each(Kind::Device, device);
        }
        if let Some(card) = event.card() {
            each(Kind::Card, card);
        }
    }
}

/// An inventory record, an outcome or a label concerns the subject that it names, or the identity.
fn control_subject(event: &Event<'_>, each: &mut dyn FnMut(Kind, &str)) {
    let named = event.containment.as_ref().and_then(|c| c.subject.as_ref()).or(event.feedback.as_ref().and_then(|f| f.subject.as_ref()));
    match named.and_then(|n| Some((Kind::from_name(&n.kind)?, n.id.as_str()))) {
        Some((kind, id)) => each(kind, id),
        None => {
            if let Some(id) = event.identity_id() {
                each(Kind::Identity, id);
            } else if let Some(device) = event.device_id() {
                each(Kind::Device, device);
            }
        }
    }
}

/// The same as owned subjects, for tests and tools.
pub fn subjects_owned(event: &Event<'_>) -> Vec<Subject> {
    let mut list = Vec::new();
    subjects(event, &mut |kind, id| list.push(Subject::new(kind, &event.tenant, id)));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Vec<String> {
        subjects_owned(&serde_json::from_str(json).unwrap()).iter().map(|s| format!("{}:{}", s.kind.name(), s.id)).collect()
    }

    #[test]
    fn each_event_goes_where_it_teaches() {
        assert_eq!(
            of(r#"{"time":0,"type":"api.request","outcome":"success","identity":{"id":"u"},"source":{"ip":"192.0.2.1"}}"#),
            ["identity:u"]
        );
        assert_eq!(
            of(r#"{"time":0,"type":"api.request","outcome":"failure","identity":{"id":"u"},"source":{"ip":"192.0.2.1"}}"#),
            ["identity:u", "source:192.0.2.1"]
        );
        assert_eq!(
            of(
                r#"{"time":0,"type":"auth.login","outcome":"failure","identity":{"id":"who"},"auth":{"failure":"unknown_identity"},"source":{"ip":"2001:db8::1"}}"#
            ),
            ["source:2001:db8::/64"]
        );
        assert_eq!(
            of(
                r#"{"time":0,"type":"checkout.attempt","identity":{"id":"u"},"source":{"ip":"192.0.2.1","device_id":"d"},"checkout":{"card":"c"}}"#
            ),
            ["identity:u", "source:192.0.2.1", "device:d", "card:c"]
        );
        assert_eq!(
            of(r#"{"time":0,"type":"credential.revoke","outcome":"success","identity":{"id":"root"},"change":{"target":"sync"}}"#),
            ["identity:root", "identity:sync"]
        );
        assert_eq!(of(r#"{"time":0,"type":"account.disable","identity":{"id":"u"},"change":{"target":"u"}}"#), ["identity:u"]);
        assert_eq!(of(r#"{"time":0,"type":"api.request","outcome":"success","source":{"ip":"192.0.2.1"}}"#), ["source:192.0.2.1"]);
        assert_eq!(
            of(r#"{"time":0,"type":"containment.outcome","containment":{"status":"done","subject":{"kind":"source","id":"192.0.2.1"}}}"#),
            ["source:192.0.2.1"]
        );
    }
}
