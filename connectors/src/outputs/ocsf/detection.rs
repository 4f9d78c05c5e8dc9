//! 2004 Detection Finding: a verdict. All verdicts of an incident are one finding.

use super::{
    Base, Caption, Class, Event, analytic, attacks, caption, evidence, observable, owasp, put_some, related_events, risk_level, severity,
};
use portcullis_core::verdict::{Level, Probability, Reason, Verdict};
use serde_json::{Map, Value, json};

pub(super) fn of(verdict: &Verdict) -> Option<Event> {
    let incident = verdict.incident.as_ref();
    if verdict.level == Level::Low && verdict.previous_level == Level::Low {
        return None; // nothing was found, or it is closed already
    }
    let (activity, status): (Caption, Caption) = match (verdict.previous_level, verdict.level) {
        (_, Level::Low) => ((3, "Close"), (4, "Resolved")),
        // It may have been back at low before within the same incident.
        (Level::Low, _) if incident.is_none_or(|i| i.opened_at == verdict.appended_at) => ((1, "Create"), (1, "New")),
        _ => ((2, "Update"), (2, "In Progress")),
    };
    let subject = &verdict.subject;
    let base = Base {
        class: Class::DetectionFinding,
        activity,
        time: verdict.appended_at,
        severity: severity(verdict.level),
        message: message(verdict),
        uid: verdict.id.clone(),
        tenant: &verdict.tenant,
        incident: incident.map(|i| i.id.as_str()),
        mode: Some(verdict.mode),
    };
    let mut event = base.attributes();
    caption(&mut event, "status", status);
    caption(&mut event, "risk_level", risk_level(verdict.level));
    let (evidence, at) = evidence(subject, verdict.class, (verdict.level, verdict.score));
    let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
    put("is_alert", json!(verdict.level >= Level::High && verdict.level > verdict.previous_level));
    put("risk_score", json!(verdict.score.round() as i64));
    put("count", json!(verdict.folded.max(1)));
    put("finding_info", finding_info(verdict));
    put("evidences", json!([evidence]));
    put("observables", json!([observable(&subject.kind, &subject.id, &at)]));
    put("unmapped", unmapped(verdict));
    if let Probability::Calibrated(p) = verdict.probability {
        put("confidence_score", json!((p * 100.0).round() as i64));
    }
    if let Some(about) = event.get_mut("metadata").and_then(Value::as_object_mut) {
        put_some(about, "original_event_uid", verdict.event_id.as_deref());
        put_some(about, "event_code", verdict.event_type.map(|kind| kind.name()));
    }
    Some(Event { class: Class::DetectionFinding, uid: verdict.id.clone(), value: Value::Object(event) })
}

/// One sentence for a list of findings.
fn message(verdict: &Verdict) -> String {
    let (subject, level, before) = (&verdict.subject, verdict.level, verdict.previous_level);
    let what = match verdict.reasons.first() {
        Some(reason) if level > Level::Low => reason.detail.as_str(),
        _ => "the evidence has faded",
    };
    match level == before {
        true => format!("{} {}: {level} risk: {what}", subject.kind, subject.id),
        false => format!("{} {}: {level} risk, {before} before: {what}", subject.kind, subject.id),
    }
}

fn finding_info(verdict: &Verdict) -> Value {
    let subject = &verdict.subject;
    let opened_at = verdict.incident.as_ref().map_or(verdict.appended_at, |i| i.opened_at);
    let mut info = Map::new();
    let mut put = |name: &str, value: Value| info.insert(name.to_owned(), value);
    put("uid", json!(verdict.incident.as_ref().map_or(&verdict.id, |i| &i.id)));
    put("title", json!(format!("Risk of {} {}", subject.kind, subject.id)));
    put("created_time", json!(opened_at.0));
    put("modified_time", json!(verdict.appended_at.0));
    put("last_seen_time", json!(verdict.time.0));
    let reasons: Vec<&Reason> = verdict.reasons.iter().collect();
    if let [first, others @ ..] = reasons.as_slice() {
        put("desc", json!(reasons.iter().map(|reason| reason.detail.as_str()).collect::<Vec<_>>().join("; ")));
        put("analytic", analytic(first));
        if !others.is_empty() {
            put("related_analytics", Value::from_iter(others.iter().map(|reason| analytic(reason))));
        }
    }
    for (name, list) in [("attacks", attacks(&verdict.reasons)), ("related_events", related_events(&reasons))] {
        if !list.is_empty() {
            put(name, Value::Array(list));
        }
    }
    put_some(&mut info, "tags", owasp(&reasons));
    Value::Object(info)
}

/// What OCSF has no attribute for.
fn unmapped(verdict: &Verdict) -> Value {
    let weights: Map<String, Value> = verdict.reasons.iter().map(|reason| (reason.signal.clone(), json!(reason.db))).collect();
    let mut unmapped = Map::new();
    let mut put = |name: &str, value: Value| unmapped.insert(name.to_owned(), value);
    put("level", json!(verdict.level));
    put("previous_level", json!(verdict.previous_level));
    put("evidence_db", json!(verdict.evidence_db));
    put("prior_db", json!(verdict.prior_db));
    put("reasons_db", Value::Object(weights));
    put("learning", json!(verdict.learning));
    put("mode", json!(verdict.mode));
    put("policy", json!(verdict.policy));
    put("log", json!(verdict.log));
    put_some(&mut unmapped, "class", verdict.class.map(|class| class.name()));
    put_some(&mut unmapped, "floor", verdict.floor.as_deref());
    put_some(&mut unmapped, "valid_until", verdict.valid_until.map(|time| time.0));
    if !verdict.errors.is_empty() {
        unmapped.insert("errors".to_owned(), json!(verdict.errors));
    }
    Value::Object(unmapped)
}
