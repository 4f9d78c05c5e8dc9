//! 2008 IAM Analysis Finding: how an identity or a key of its is kept, whatever it does. Each thing that a lifecycle finding names is one.

use super::{Base, Caption, Class, Event, caption, user};
use portcullis_core::id::id;
use portcullis_core::lifecycle::{FindingKind, Found, LifecycleFinding};
use serde_json::{Value, json};

pub(super) fn of(finding: &LifecycleFinding) -> Vec<Event> {
    finding.found.iter().enumerate().map(|(n, found)| event(finding, n, found)).collect()
}

fn event(finding: &LifecycleFinding, n: usize, found: &Found) -> Event {
    let subject = &finding.subject;
    // The day's record may hold several.
    let uid = format!("{}:{n}", finding.id);
    let base = Base {
        class: Class::IamAnalysisFinding,
        activity: (1, "Create"),
        time: finding.time,
        severity: severity(finding.criticality),
        message: found.detail.clone(),
        uid: uid.clone(),
        tenant: &finding.tenant,
        incident: None,
        mode: None,
    };
    let mut event = base.attributes();
    caption(&mut event, "status", (1, "New"));
    let parts = [&finding.tenant, &subject.kind, &subject.id, &found.target.kind, &found.target.id].map(|part| part.as_bytes());
    let info = json!({
        // Of what is wrong and with what: said again later, it is the same.
        "uid": id("iam", &[parts.as_slice(), &[found.kind.name().as_bytes()]].concat()),
        "title": format!("{} {}: {}", found.target.kind, found.target.id, found.kind),
        "desc": found.detail,
        "types": [found.kind],
        "created_time": found.since.0,
        "modified_time": finding.time.0,
        "analytic": { "uid": found.kind, "name": found.kind, "category": "lifecycle", "type_id": 1, "type": "Rule" },
        "tags": [{ "name": "owasp", "values": [found.kind.nhi()] }],
    });
    let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
    put("finding_info", info);
    put("user", user(&subject.id, finding.class, None));
    put("identity_activity_metrics", metrics(found));
    put(
        "unmapped",
        json!({ "owner": finding.owner, "criticality": finding.criticality, "target": found.target, "policy": finding.policy }),
    );
    Event { class: Class::IamAnalysisFinding, uid, value: Value::Object(event) }
}

/// What is known of when it was there and was used.
fn metrics(found: &Found) -> Value {
    match (found.target.kind.as_str(), found.kind) {
        ("credential", FindingKind::Unused) => {
            json!({ "programmatic_credentials": [{ "uid": found.target.id, "last_used_time": found.since.0 }] })
        }
        ("credential", _) => json!({ "programmatic_credentials": [{ "uid": found.target.id }] }),
        (_, FindingKind::Unused) => json!({ "last_seen_time": found.since.0 }),
        _ => json!({ "first_seen_time": found.since.0 }),
    }
}

/// It is no risk, so it is what is at stake that tells.
const fn severity(criticality: Option<u8>) -> Caption {
    match criticality {
        None | Some(0 | 1) => (2, "Low"),
        Some(2) => (3, "Medium"),
        Some(_) => (4, "High"),
    }
}
