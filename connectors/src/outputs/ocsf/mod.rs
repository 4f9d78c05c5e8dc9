//! OCSF 1.8.0 (Open Cybersecurity Schema Framework): findings, and what was done about them.
//!
//! | record | class | activity |
//! |---|---|---|
//! | verdict that opens an incident | 2004 Detection Finding | 1 Create |
//! | verdict back at `low` | 2004 | 3 Close |
//! | any other verdict of an incident | 2004 | 2 Update |
//! | lifecycle finding: each thing that it names | 2008 IAM Analysis Finding | 1 Create |
//! | `open_case` request | 2005 Incident Finding | 1 Create |
//! | any other request | 7001 Remediation Activity, status 99 `Requested` | by the action: [`remediation`] |
//! | containment decision, but for `sent`, of which the request tells | 7001, status 99 or 2 | by the action |
//! | security event: an outcome was confirmed | 7001, status 1 Success | by the event |
//! | verdict at `low`, and at `low` before; containment answer; audit head | none | |
//!
//! `finding_info.uid` of a 2004 is the incident, so all verdicts of an incident are one finding. That of a 2008 is of the key or identity and what is
//! wrong with it: what stands is created again after 30 days, under the same one, and what was mended is not.
//! `metadata.uid` is unique: the id of the record, behind it a number where one record makes several events. `metadata.correlation_uid` is the incident,
//! `command_uid` the request, or the proposal where none was sent.
//!
//! | level | `severity_id` | `risk_level_id` |
//! |---|---|---|
//! | `low` | 1 Informational | 1 Low |
//! | `medium` | 3 Medium | 2 Medium |
//! | `high` | 4 High | 3 High |
//! | `critical` | 5 Critical | 4 Critical |
//!
//! `risk_level_id` is of a 2004 alone; 2005 and 7001 have the level in `unmapped`. A 2008 is no risk and has no level: its severity is 2 Low,
//! 3 Medium or 4 High by what the inventory says the identity is worth.
//!
//! What OCSF has no attribute for stands in `unmapped`. Each enumeration is written with its caption.

mod detection;
mod iam;
mod incident;
pub mod remediation;

use portcullis_core::decide::ENGINE;
use portcullis_core::event::Class as IdentityClass;
use portcullis_core::record::Output;
use portcullis_core::time::Time;
use portcullis_core::verdict::{Level, Mode, Name, Reason};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

pub const VERSION: &str = "1.8.0";

/// The classes that we write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    DetectionFinding,
    IncidentFinding,
    IamAnalysisFinding,
    RemediationActivity,
}

impl Class {
    pub const fn uid(self) -> u32 {
        match self {
            Class::DetectionFinding => 2004,
            Class::IncidentFinding => 2005,
            Class::IamAnalysisFinding => 2008,
            Class::RemediationActivity => 7001,
        }
    }

    /// The header `type` of its records.
    pub const fn word(self) -> &'static str {
        match self {
            Class::DetectionFinding => "detection-finding",
            Class::IncidentFinding => "incident-finding",
            Class::IamAnalysisFinding => "iam-analysis-finding",
            Class::RemediationActivity => "remediation-activity",
        }
    }

    const fn caption(self) -> &'static str {
        match self {
            Class::DetectionFinding => "Detection Finding",
            Class::IncidentFinding => "Incident Finding",
            Class::IamAnalysisFinding => "IAM Analysis Finding",
            Class::RemediationActivity => "Remediation Activity",
        }
    }

    const fn category(self) -> Caption {
        match self {
            Class::RemediationActivity => (7, "Remediation"),
            Class::DetectionFinding | Class::IncidentFinding | Class::IamAnalysisFinding => (2, "Findings"),
        }
    }
}

/// An event of OCSF.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    pub class: Class,
    /// `metadata.uid`.
    pub uid: String,
    pub value: Value,
}

/// What a record of ours is in OCSF; nothing, for some.
pub fn events(output: &Output) -> Vec<Event> {
    match output {
        Output::Verdict(verdict) => detection::of(verdict).into_iter().collect(),
        Output::Finding(finding) => iam::of(finding),
        Output::Request(request) => vec![incident::of(request).unwrap_or_else(|| remediation::of_request(request))],
        Output::Decision(decision) => remediation::of_decision(decision).into_iter().collect(),
        Output::Fact(fact) => vec![remediation::of_fact(fact)],
        Output::Answer(_) | Output::Proposal(_) | Output::ToGate(_) => Vec::new(),
    }
}

/// A value of an enumeration and its caption.
type Caption = (u32, &'static str);

const OTHER: u32 = 99;

/// What every event has.
struct Base<'a> {
    class: Class,
    activity: Caption,
    time: Time,
    severity: Caption,
    message: String,
    uid: String,
    tenant: &'a str,
    incident: Option<&'a str>,
    mode: Option<Mode>,
}

impl Base<'_> {
    fn attributes(self) -> Map<String, Value> {
        let (class, activity) = (self.class, self.activity);
        let mut metadata = json!({
            "version": VERSION,
            "product": { "name": "Portcullis", "vendor_name": "Portcullis", "version": ENGINE },
            "uid": self.uid,
            "tenant_uid": self.tenant,
            "logged_time": self.time.0,
        });
        if let Some(incident) = self.incident {
            metadata["correlation_uid"] = json!(incident);
        }
        if let Some(mode) = self.mode {
            metadata["labels"] = json!([mode]);
        }
        let mut event = Map::new();
        let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
        put("metadata", metadata);
        put("class_uid", json!(class.uid()));
        put("class_name", json!(class.caption()));
        put("category_uid", json!(class.category().0));
        put("category_name", json!(class.category().1));
        put("type_uid", json!(class.uid() * 100 + activity.0));
        // A caption of our own for 99 is the sibling's alone.
        put("type_name", json!(format!("{}: {}", class.caption(), if activity.0 == OTHER { "Other" } else { activity.1 })));
        put("activity_id", json!(activity.0));
        put("activity_name", json!(activity.1));
        put("time", json!(self.time.0));
        put("message", json!(self.message));
        caption(&mut event, "severity", self.severity);
        event
    }
}

/// An enumeration: `name_id`, and beside it its caption.
fn caption(to: &mut Map<String, Value>, name: &str, (id, caption): Caption) {
    to.insert(format!("{name}_id"), json!(id));
    to.insert(name.to_owned(), json!(caption));
}

fn put_some(to: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        to.insert(name.to_owned(), value.into());
    }
}

const fn severity(level: Level) -> Caption {
    match level {
        Level::Low => (1, "Informational"),
        Level::Medium => (3, "Medium"),
        Level::High => (4, "High"),
        Level::Critical => (5, "Critical"),
    }
}

const fn risk_level(level: Level) -> Caption {
    match level {
        Level::Low => (1, "Low"),
        Level::Medium => (2, "Medium"),
        Level::High => (3, "High"),
        Level::Critical => (4, "Critical"),
    }
}

fn user(id: &str, class: Option<IdentityClass>, owner_of_risk: Option<(Level, f64)>) -> Value {
    use IdentityClass::{Admin, Agent, BreakGlass, Customer, Partner, Service, Support, Test, Workforce};
    let kind = match class {
        None => (0, "Unknown"),
        Some(Customer | Workforce | Support | Partner | Test) => (1, "User"),
        Some(Admin | BreakGlass) => (2, "Admin"),
        Some(Service | Agent) => (4, "Service"),
    };
    let mut user = Map::new();
    user.insert("uid".to_owned(), json!(id));
    user.insert("name".to_owned(), json!(id));
    caption(&mut user, "type", kind);
    if let Some((level, score)) = owner_of_risk {
        caption(&mut user, "risk_level", risk_level(level));
        user.insert("risk_score".to_owned(), json!(score.round() as i64));
    }
    Value::Object(user)
}

/// What is known of a subject as evidence (a user, an endpoint, a device, or data), and where its id stands in it.
fn evidence(subject: &Name, class: Option<IdentityClass>, risk: (Level, f64)) -> (Value, String) {
    let id = &subject.id;
    let (value, at) = match subject.kind.as_str() {
        "identity" => (json!({ "user": user(id, class, Some(risk)) }), "user.uid"),
        "source" if id.parse::<IpAddr>().is_ok() => (json!({ "src_endpoint": { "ip": id } }), "src_endpoint.ip"),
        "source" => (json!({ "src_endpoint": { "name": id } }), "src_endpoint.name"),
        "device" => (json!({ "device": { "uid": id, "type_id": 0, "type": "Unknown" } }), "device.uid"),
        kind => (json!({ "data": { kind: id } }), "data"),
    };
    (value, format!("evidences[0].{at}"))
}

/// A thing by its kind, for whoever looks for it in all events. `at`: the attribute that holds it.
fn observable(kind: &str, id: &str, at: &str) -> Value {
    let kind: Caption = match kind {
        "identity" | "account" => (31, "User Object: uid"),
        "source" if id.parse::<IpAddr>().is_ok() => (2, "IP Address"),
        "source" | "network" => (12, "Subnet"),
        "device" => (47, "Device Object: uid"),
        "credential" | "token" => (19, "User Credential ID"),
        _ => (OTHER, "Other"),
    };
    json!({ "name": at, "type_id": kind.0, "type": kind.1, "value": id })
}

/// ATT&CK techniques of the reasons, each once, a sub-technique with its technique.
fn attacks(reasons: &[Reason]) -> Vec<Value> {
    let mut seen: Vec<&str> = Vec::new();
    for technique in reasons.iter().flat_map(|reason| &reason.attack) {
        if !seen.contains(&technique.as_str()) {
            seen.push(technique);
        }
    }
    let of = |uid: &&str| match uid.split_once('.') {
        Some((technique, _)) => json!({ "technique": { "uid": technique }, "sub_technique": { "uid": uid } }),
        None => json!({ "technique": { "uid": uid } }),
    };
    seen.iter().map(of).collect()
}

/// What found it: a signal of the catalogue judges behaviour, everything else is a rule of the policy.
fn analytic(reason: &Reason) -> Value {
    let kind: Caption = if portcullis_core::signal::by_name(&reason.signal).is_some() { (2, "Behavioral") } else { (1, "Rule") };
    json!({ "uid": reason.signal, "name": reason.signal, "category": reason.family, "type_id": kind.0, "type": kind.1 })
}

/// OWASP entries of the reasons, as a tag.
fn owasp(reasons: &[&Reason]) -> Option<Value> {
    let mut entries: Vec<&str> = reasons.iter().flat_map(|reason| &reason.nhi).map(String::as_str).collect();
    entries.sort_unstable();
    entries.dedup();
    (!entries.is_empty()).then(|| json!([{ "name": "owasp", "values": entries }]))
}

fn related_events(reasons: &[&Reason]) -> Vec<Value> {
    let mut ids: Vec<&str> = reasons.iter().flat_map(|reason| &reason.events).map(String::as_str).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(|uid| json!({ "uid": uid })).collect()
}

#[cfg(test)]
mod tests;
