//! What the tables say. That it is valid OCSF, the schema's own validator says: `integration-tests/tests/outputs.rs`.

use super::remediation::{of_decision, of_fact, of_request};
use super::*;
use portcullis_core::containment::{Action, ContainmentDecision, ContainmentRequest, DecisionEnd, SecurityEvent};
use portcullis_core::lifecycle::{FindingKind, Found, LifecycleFinding};
use portcullis_core::verdict::{IncidentRef, Verdict};
use std::path::Path;

fn fixture<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/fixtures").join(name);
    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn verdict(previous: Level, level: Level) -> Verdict {
    let mut verdict: Verdict = fixture("verdict-1.json");
    (verdict.previous_level, verdict.level) = (previous, level);
    verdict.incident = Some(IncidentRef { id: "i-1".to_owned(), opened_at: verdict.appended_at });
    verdict
}

fn found(verdict: Verdict) -> Vec<Event> {
    events(&Output::Verdict(Box::new(verdict)))
}

fn activity(events: &[Event]) -> (u64, &str, u64) {
    let value = &events[0].value;
    (value["activity_id"].as_u64().unwrap(), value["status"].as_str().unwrap(), value["type_uid"].as_u64().unwrap())
}

#[test]
fn an_incident_is_one_finding_from_create_to_close() {
    let opened = found(verdict(Level::Low, Level::High));
    assert_eq!(activity(&opened), (1, "New", 200_401));
    let again = |mut v: Verdict| {
        v.appended_at = v.appended_at.plus(1_000);
        found(v)
    };
    assert_eq!(activity(&again(verdict(Level::High, Level::Critical))), (2, "In Progress", 200_402));
    assert_eq!(activity(&again(verdict(Level::Low, Level::Medium))), (2, "In Progress", 200_402), "it had been back at low");
    let closed = again(verdict(Level::Medium, Level::Low));
    assert_eq!(activity(&closed), (3, "Resolved", 200_403));
    assert!([&opened, &closed].iter().all(|events| events[0].value["finding_info"]["uid"] == "i-1"));
    assert_eq!(found(verdict(Level::Low, Level::Low)), [], "it is closed already");
}

#[test]
fn levels_have_their_captions() {
    for (level, severity, risk) in [
        (Level::Medium, (3, "Medium"), (2, "Medium")),
        (Level::High, (4, "High"), (3, "High")),
        (Level::Critical, (5, "Critical"), (4, "Critical")),
    ] {
        let value = &found(verdict(Level::Low, level))[0].value;
        assert_eq!((&value["severity_id"], &value["severity"]), (&json!(severity.0), &json!(severity.1)));
        assert_eq!((&value["risk_level_id"], &value["risk_level"]), (&json!(risk.0), &json!(risk.1)));
    }
}

#[test]
fn each_thing_that_is_wrong_with_an_identity_is_a_finding() {
    let mut finding: LifecycleFinding = fixture("lifecycle_finding-1.json");
    let key = finding.found[0].clone();
    let own = Name { kind: "identity".to_owned(), id: "svc-pay".to_owned() };
    finding.found.push(Found { kind: FindingKind::NoOwner, target: own, ..key.clone() });
    let of = |finding: &LifecycleFinding| events(&Output::Finding(Box::new(finding.clone())));
    let both = of(&finding);
    assert_eq!(both.iter().map(|e| e.uid.as_str()).collect::<Vec<_>>(), ["f-1:0", "f-1:1"]);
    assert!(
        both.iter().all(|e| e.class == Class::IamAnalysisFinding && e.value["severity"] == "Medium" && e.value.get("risk_level").is_none())
    );
    assert_eq!(both[0].value["identity_activity_metrics"]["programmatic_credentials"][0]["uid"], "key-1");
    let uid = |event: &Event| event.value["finding_info"]["uid"].clone();
    assert_ne!(uid(&both[0]), uid(&both[1]));
    (finding.id, finding.time, finding.found) = ("f-2".to_owned(), finding.time.plus(1), vec![key]);
    assert_eq!(uid(&of(&finding)[0]), uid(&both[0]), "said again, it is the same");
}

#[test]
fn every_action_has_an_activity_and_a_case_is_an_incident() {
    let request: ContainmentRequest = fixture("containment_request-1.json");
    for action in Action::ALL {
        let events = events(&Output::Request(Box::new(ContainmentRequest { action: *action, ..request.clone() })));
        let [event] = events.as_slice() else { panic!("{action}: {events:?}") };
        let expected = if *action == Action::OpenCase { Class::IncidentFinding } else { Class::RemediationActivity };
        assert_eq!((event.class, &event.uid), (expected, &request.id), "{action}");
    }
    let ask = |action, kind: &str| {
        let mut asked = ContainmentRequest { action, ..request.clone() };
        asked.params.kind = Some(kind.to_owned());
        of_request(&asked).value
    };
    let rotation = ask(Action::RotateSecret, "");
    assert_eq!(
        (&rotation["activity_name"], &rotation["command_uid"], &rotation["status"]),
        (&json!("Harden"), &json!(request.id), &json!("Requested"))
    );
    assert_eq!(rotation["countermeasures"], json!([{ "d3f_technique": { "uid": "D3-CRO", "name": "Credential Rotation" } }]));
    assert_eq!(ask(Action::Release, "disable_account")["countermeasures"].as_array().map(Vec::len), Some(2));
    assert_eq!(ask(Action::Release, "throttle").get("countermeasures"), None);
}

#[test]
fn what_became_of_a_proposal_is_told_once() {
    let decision: ContainmentDecision = fixture("containment_decision-1.json");
    let status =
        |end| of_decision(&ContainmentDecision { end, ..decision.clone() }).map(|e| e.value["status"].as_str().unwrap().to_owned());
    assert_eq!(status(DecisionEnd::Sent), None, "its request tells");
    assert_eq!(status(DecisionEnd::WouldSend).as_deref(), Some("Would Send"));
    assert_eq!(status(DecisionEnd::HeldApproval).as_deref(), Some("Held"));
    assert_eq!(status(DecisionEnd::Expired).as_deref(), Some("Failure"));
}

#[test]
fn a_fact_is_a_success_of_the_request() {
    let fact: SecurityEvent = fixture("security_event-1.json");
    for (event, change, activity) in [
        ("session-revoked", None, "Evict"),
        ("credential-change", Some("revoke"), "Evict"),
        ("credential-change", Some("update"), "Harden"),
        ("account-disabled", None, "Isolate"),
        ("account-enabled", None, "Restore"),
    ] {
        let fact = SecurityEvent { event: format!("https://x/{event}"), change_type: change.map(str::to_owned), ..fact.clone() };
        let value = of_fact(&fact).value;
        assert_eq!(
            (&value["activity_name"], &value["status"], &value["command_uid"]),
            (&json!(activity), &json!("Success"), &json!(fact.request))
        );
    }
}
