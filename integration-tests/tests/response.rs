//! Response end to end on a real Kafka: what waits is listed, answered, sent, reported and audited, with the gate killed in between.

use portcullis_integration_tests::kafka::{shared, unique};
use portcullis_integration_tests::responder::Responder;
use portcullis_integration_tests::service::Service;
use serde_json::Value;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(120);

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Pushes denied until one is approved, of this very minute.
fn push_fatigue(who: &str) -> Vec<String> {
    let line = |i: i64, outcome: &str| {
        let time = now_ms() - 20_000 + i * 1_000;
        format!(
            r#"{{"id":"{who}-{i}","time":{time},"type":"auth.mfa",{outcome},"tenant":"acme","identity":{{"id":"{who}","class":"workforce"}},"session":{{"id":"s-{who}"}},"source":{{"ip":"192.0.2.9"}}}}"#
        )
    };
    let denied = r#""outcome":"failure","auth":{"method":"push","failure":"mfa_denied"}"#;
    let mut lines: Vec<String> = (0..6).map(|i| line(i, denied)).collect();
    lines.push(line(6, r#""outcome":"success","auth":{"method":"push"}"#));
    lines
}

struct Desk {
    service: Service,
    config: String,
}

impl Desk {
    /// Ending a session needs a person; anna and ben are approvers.
    fn open(name: &str) -> Desk {
        let service = Service::install(&shared(), &unique(name), 1, "format: native, tenant: from_record, trust: control");
        let people: Vec<String> = ["anna", "ben"]
            .iter()
            .map(|name| service.cli(&["contain", "keygen", "--name", name, "--out", &service.shown(&format!("{name}.key"))]))
            .collect();
        let policy = std::fs::read_to_string(service.path("policy.yaml")).unwrap();
        let policy = policy
            .replace("approvers: []", &format!("approvers:\n  {}  {}", people[0], people[1]))
            .replace("required_for: []", "required_for: [terminate_session]");
        std::fs::write(service.path("policy.yaml"), policy).unwrap();
        let config = std::fs::read_to_string(service.path("portcullis.yaml")).unwrap();
        let config = config.replace("gate: { signing_key_file:", "gate: { sign_ends_every: 1s, signing_key_file:");
        std::fs::write(service.path("portcullis.yaml"), config).unwrap();
        let config = service.shown("portcullis.yaml");
        Desk { service, config }
    }

    fn feed(&self, lines: &[String]) {
        self.service.feed(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    }

    /// A command of `contain` that needs no person.
    fn contain(&self, args: &[&str]) -> String {
        self.service.cli(&[&["contain"], args, &["--config", &self.config]].concat())
    }

    /// What a person says: whether it was accepted, and what was said.
    fn says(&self, who: &str, args: &[&str]) -> (bool, String) {
        let key = self.service.shown(&format!("{who}.key"));
        self.service
            .try_cli_in(&[&["contain"], args, &["--config", &self.config, "--key", &key, "--reason", "seen on the phone"]].concat(), &[])
    }

    /// Published records of a type.
    fn published(&self, kind: &str) -> Vec<Value> {
        let records = self.service.records(&self.service.names.verdicts);
        records.iter().filter(|(k, _)| k == kind).map(|(_, value)| serde_json::from_slice(value).unwrap()).collect()
    }

    fn wait<T>(&self, what: &str, mut found: impl FnMut(&Desk) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{what} did not come; waiting: {}; decisions: {:#?}; {}",
                self.contain(&["list"]),
                self.published("containment-decision"),
                self.service.log()
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// What waits, as `list --json` says it.
    fn waiting(&self) -> Vec<Value> {
        self.contain(&["list", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn audit(&self, args: &[&str]) -> (bool, String) {
        let jwks = self.service.shown("jwks.json");
        std::fs::write(&jwks, self.service.cli(&["gate", "jwks", "--key", &self.service.shown("gate.key")])).unwrap();
        self.service.try_cli_in(&[&["audit", "verify", "--jwks", &jwks], args].concat(), &[])
    }
}

fn id_of(value: &Value) -> String {
    value["proposal"].as_str().unwrap().to_owned()
}

#[test]
fn what_waits_is_answered_sent_reported_and_audited() {
    let mut desk = Desk::open("response");
    desk.service.start();
    desk.feed(&push_fatigue("tired"));
    desk.feed(&push_fatigue("weary"));
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
    desk.feed(&push_fatigue("dozy"));
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
    desk.wait("a signed end", |desk| desk.service.records(&desk.service.names.verdicts).into_iter().find(|(kind, _)| kind == "audit-head"));
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
