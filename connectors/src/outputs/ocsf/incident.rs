//! 2005 Incident Finding: a case that a person is asked to open.

use super::{Base, Class, Event, analytic, attacks, caption, observable, severity};
use portcullis_core::containment::{Action, ContainmentRequest};
use serde_json::{Value, json};

pub(super) fn of(request: &ContainmentRequest) -> Option<Event> {
    if request.action != Action::OpenCase {
        return None;
    }
    let base = Base {
        class: Class::IncidentFinding,
        activity: (1, "Create"),
        time: request.time,
        severity: severity(request.level),
        message: request.reason.clone(),
        uid: request.id.clone(),
        tenant: &request.tenant,
        incident: Some(&request.incident.id),
        mode: Some(request.mode),
    };
    let mut event = base.attributes();
    // Of the profile `incident`: somebody has to have it.
    event["metadata"]["profiles"] = json!(["incident"]);
    match &request.owner {
        Some(owner) => event.insert("assignee".to_owned(), json!({ "uid": owner, "name": owner, "type_id": 1, "type": "User" })),
        None => event.insert("assignee_group".to_owned(), json!({ "name": format!("on call for {}", request.tenant) })),
    };
    caption(&mut event, "status", (1, "New"));
    let subject = &request.subject;
    let mut info = json!({
        "uid": request.incident.id,
        "title": format!("Risk of {} {}", subject.kind, subject.id),
        "desc": request.params.text.as_ref().unwrap_or(&request.reason),
        "created_time": request.incident.opened_at.0,
    });
    if let Some(first) = request.evidence.first() {
        info["analytic"] = analytic(first);
    }
    let attacks = attacks(&request.evidence);
    if !attacks.is_empty() {
        info["attacks"] = Value::Array(attacks);
    }
    let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
    put("finding_info_list", json!([info]));
    put("desc", json!(request.reason));
    put("observables", json!([observable(&subject.kind, &subject.id, "unmapped.subject.id")]));
    let unmapped = json!({
        "subject": subject,
        "level": request.level,
        "bundle": request.bundle,
        "campaign": request.campaign,
        "playbook": request.playbook,
        "verdict": request.verdict_id,
        "policy": request.policy,
    });
    put("unmapped", unmapped);
    Some(Event { class: Class::IncidentFinding, uid: request.id.clone(), value: Value::Object(event) })
}
