//! Response end to end on a real Kafka: what waits is listed, answered, sent, reported and audited, with the gate killed in between.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_integration_tests::attack::push_fatigue;
use portcullis_integration_tests::desk::Desk;
use portcullis_integration_tests::kafka::shared;
use portcullis_integration_tests::responder::Responder;
use serde_json::Value;
use std::time::Duration;

fn id_of(value: &Value) -> String {
    value["proposal"].as_str().unwrap().to_owned()
}

/// What the gate signed.
fn head_of(jws: &[u8]) -> Value {
    let payload = std::str::from_utf8(jws).unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn what_waits_is_answered_sent_reported_and_audited() {
    let mut desk = Desk::open("response", "format: native, tenant: from_record, trust: control");
    desk.change("policy.yaml", |policy| policy.replace("required_for: []", "required_for: [terminate_session]"));
    desk.service.start();
    desk.feed(&push_fatigue("tired", Some("acme")));
    desk.feed(&push_fatigue("weary", Some("acme")));
    let waiting = desk.wait("two questions", |desk| Some(desk.waiting()).filter(|w| w.len() >= 2));
    assert_eq!(waiting.len(), 2, "{waiting:#?}");
    let of = |who: &str| id_of(waiting.iter().find(|w| w["subject"]["id"] == who).unwrap());
    let (tired, weary) = (of("tired"), of("weary"));
    assert!(desk.contain(&["list", "--group", "cause"]).contains("2 in all"));
    assert!(desk.contain(&["list", "--subject", "tired"]).contains(&tired[..20]));
    assert!(desk.contain(&["show", &tired]).contains("evidence"), "{}", desk.contain(&["show", &tired]));

    // Killed before the answer is read: it stands in the log, and is obeyed after the restart.
    desk.service.kill();
    desk.service.start();
    let (is_fine, said) = desk.says("anna", &["approve", &tired]);
    assert!(is_fine && said.contains("1 accepted, 0 refused"), "{said}");
    let request =
        desk.wait("the request", |desk| desk.published("containment-request").into_iter().find(|r| r["action"] == "terminate_session"));
    assert_eq!(request["approval"]["by"][0]["by"], "anna");
    assert_eq!(request["approval"]["by"][0]["reason"], "seen on the phone");
    let (is_fine, said) = desk.says("ben", &["reject", "--subject", "weary"]);
    assert!(is_fine && said.contains("it is rejected"), "{said}");
    assert!(desk.waiting().is_empty());
    let (is_fine, said) = desk.says("ben", &["approve", &weary]);
    assert!(!is_fine && said.contains("does not wait"), "{said}");

    // A stranger's key.
    desk.service.cli(&["contain", "keygen", "--name", "eve", "--out", &desk.service.shown("eve.key")]);
    let (is_fine, said) = desk.says("eve", &["pause", "--tenant", "acme"]);
    assert!(!is_fine && said.contains("names no key"), "{said}");
    let (is_fine, said) = desk.says("anna", &["pause", "--lasts", "1h"]);
    assert!(is_fine && said.contains("nothing is sent until"), "{said}");
    desk.feed(&push_fatigue("dozy", Some("acme")));
    desk.wait("what the pause holds", |desk| desk.waiting().into_iter().find(|w| w["end"] == "held_breaker"));
    let (is_fine, said) = desk.says("ben", &["resume", "--tenant", "acme"]);
    assert!(is_fine, "{said}");

    // A responder that shares no code with the gate verifies, acts and reports, each once; then the fact is published as a SET.
    let raw = format!("{}-raw", desk.service.names.events.trim_end_matches(".events"));
    let responder =
        |jwks: &str| Responder::new(&shared(), &desk.service.names.verdicts, &raw, jwks, "portcullis", "portcullis-executor").unwrap();
    let mut done = Vec::new();
    let mut act = |request: &Value| {
        done.push((request["action"].as_str().unwrap().to_owned(), request["target"]["id"].as_str().unwrap().to_owned()));
        ("done", "it is done".to_owned())
    };
    let mut ours = responder(&desk.service.cli(&["gate", "jwks", "--key", &desk.service.shown("gate.key")]));
    assert!(ours.turn(&mut act).unwrap() >= 1);
    let again = ours.turn(&mut act).unwrap();
    assert!(again <= 1 && ours.refused.is_empty(), "{again} {:?}", ours.refused); // what the end of the pause let go may have come meanwhile
    assert!(done.contains(&("terminate_session".to_owned(), "s-tired".to_owned())), "{done:?}");
    let mut strange = responder(&desk.service.cli(&["gate", "keygen", "--out", &desk.service.shown("other.key")]));
    assert_eq!(strange.turn(&mut |_: &Value| panic!("it believes a key that the gate does not name")).unwrap(), 0);
    assert!(!strange.refused.is_empty());
    let fact = desk.wait("the fact", |desk| desk.published("security-event").into_iter().find(|f| f["target"]["id"] == "s-tired"));
    assert_eq!(fact["event"], "https://schemas.openid.net/secevent/caep/event-type/session-revoked");
    assert_eq!(fact["request"], request["id"]);

    // Everything stands in the audit, and a change to an export is found.
    // And while the engine runs: what it publishes meanwhile is no fault.
    for journal in [desk.service.names.journal.clone(), desk.service.names.gate_journal.clone()] {
        desk.wait("a signed end", |desk| {
            let records = desk.service.records(&desk.service.names.verdicts);
            records.into_iter().find(|(kind, jws)| kind == "audit-head" && head_of(jws)["journal"] == journal.as_str())
        });
    }
    let (is_fine, said) = desk.audit(&["--config", &desk.config]);
    assert!(is_fine && said.contains(": 0 faults"), "{said}");
    desk.service.settle(&desk.service.names.verdicts, Duration::from_secs(3));
    desk.service.stop();
    let (is_fine, said) = desk.audit(&["--config", &desk.config]);
    assert!(is_fine && said.contains("signatures verified: 0 faults"), "{said}");
    let file = desk.service.shown("audit.ndjson");
    desk.service.cli(&["audit", "export", "--config", &desk.config, "--out", &file]);
    let (is_fine, said) = desk.audit(&["--file", &file]);
    assert!(is_fine && said.contains(": 0 faults"), "{said}");
    let text = std::fs::read_to_string(&file).unwrap();
    let at = text.lines().position(|line| line.contains("\"approve\"")).unwrap();
    std::fs::write(&file, text.replacen("seen on the phone", "seen on the plane", 1)).unwrap();
    let (is_fine, said) = desk.audit(&["--file", &file]);
    assert!(!is_fine && said.contains("was changed, or does not follow"), "{at}: {said}");
}
