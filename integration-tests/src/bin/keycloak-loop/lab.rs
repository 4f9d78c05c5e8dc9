//! The lab: Keycloak, OpenBao and Portcullis, a log shipper between them, somebody who approves and somebody who acts.

use crate::executor::Executor;
use portcullis_connectors::kafka::{Sink, SinkSettings};
use portcullis_core::time::{DAY_MS, Time};
use portcullis_integration_tests::attack::now_ms;
use portcullis_integration_tests::geoip::{self, Block};
use portcullis_integration_tests::kafka::{create_topic, shared, unique};
use portcullis_integration_tests::keycloak::Keycloak;
use portcullis_integration_tests::openbao::OpenBao;
use portcullis_integration_tests::responder::Responder;
use portcullis_integration_tests::service::Service;
use serde_json::Value;
use std::rc::Rc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(90);
/// Zurich and Singapore; there is no place for other addresses.
const PLACES: [Block; 2] = [
    Block { network: [192, 0, 2], country: "CH", lat: 47.37, lon: 8.54, asn: 64500 },
    Block { network: [203, 0, 113], country: "SG", lat: 1.35, lon: 103.8, asn: 64501 },
];
/// What names one day's session and tokens in a line of Keycloak's.
const OF_THE_DAY: [&str; 5] = ["sessionId", "code_id", "token_id", "refresh_token_id", "updated_refresh_token_id"];

pub struct Lab {
    pub keycloak: Rc<Keycloak>,
    pub bao: Rc<OpenBao>,
    pub executor: Executor,
    responder: Responder,
    service: Service,
    config: String,
    /// Keycloak's log.
    keycloak_topic: String,
    /// Lines of it that were shipped.
    shipped: usize,
}

impl Lab {
    pub fn open() -> Lab {
        let (keycloak, bao) = (Rc::new(Keycloak::start()), Rc::new(OpenBao::start()));
        println!("Keycloak at {}, OpenBao beside it", keycloak.base);
        let settings = shared();
        let mut service = Service::install(&settings, &unique("keycloak"), 1, "format: native, tenant: from_record, trust: control");
        let prefix = service.names.events.trim_end_matches(".events").to_owned();
        let keycloak_topic = format!("{prefix}-keycloak");
        create_topic(&settings, &keycloak_topic, 1);

        let (city, asn) = (service.shown("city.mmdb"), service.shown("asn.mmdb"));
        geoip::write(&PLACES, city.as_ref(), asn.as_ref());
        let input = format!("{{ topic: {keycloak_topic}, format: keycloak, tenant: acme, provider: {:?} }}", keycloak.base);
        let ingest = format!("ingest: {{ geoip: {{ city: {city:?}, asn: {asn:?} }}, inputs: [ {input}, ");
        edit(&service, "portcullis.yaml", "ingest: { inputs: [ ", &ingest);
        let anna = service.cli(&["contain", "keygen", "--name", "anna", "--out", &service.shown("anna.key")]);
        edit(&service, "policy.yaml", "approvers: []", &format!("approvers:\n  {anna}"));
        // What the default policy only says on the first day, this organisation has switched on.
        edit(&service, "policy.yaml", "[disable_account, rotate_secret, ", "[disable_account, ");
        let config = service.shown("portcullis.yaml");
        service.cli(&["topics", "apply", "--config", &config]);
        service.start();

        let jwks = service.cli(&["gate", "jwks", "--key", &service.shown("gate.key")]);
        std::fs::write(service.path("jwks.json"), &jwks).unwrap();
        let reports = format!("{prefix}-raw");
        let responder = Responder::new(&settings, &service.names.verdicts, &reports, &jwks, "portcullis", "portcullis-executor").unwrap();
        let executor = Executor::new(&keycloak, &bao);
        Lab { keycloak, bao, executor, responder, service, config, keycloak_topic, shipped: 0 }
    }

    /// Native events: of the inventory and the PAM.
    pub fn feed(&self, events: &[Value]) {
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        self.service.feed(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    }

    /// Ships what Keycloak has logged since the last time.
    pub fn ship(&mut self) {
        let lines = self.keycloak.event_lines();
        self.send(&lines[self.shipped..]);
        self.shipped = lines.len();
    }

    fn send(&self, lines: &[String]) {
        let mut sink = Sink::open(&shared(), SinkSettings::new(unique("shipper"))).unwrap();
        sink.begin().unwrap();
        for line in lines {
            sink.send(&self.keycloak_topic, None, None, Some(line.as_bytes()), &[], None).unwrap();
        }
        sink.commit_outputs().unwrap();
    }

    /// Backfills the log with the past two weeks of somebody: what Keycloak has just logged of them, so many times a day.
    pub fn backfill(&self, account: &str, times_a_day: i64) {
        let of_theirs = format!("userId=\"{account}\"");
        let lines: Vec<Value> = self
            .keycloak
            .event_lines()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &Value| message(line).contains(&of_theirs))
            .collect();
        assert!(!lines.is_empty(), "Keycloak has logged nothing of {account}: {:#?}", self.keycloak.event_lines());
        let times = 14 * times_a_day;
        let past: Vec<String> = (0..times)
            .flat_map(|n| {
                let at = now_ms() - (times - n) * DAY_MS / times_a_day;
                lines.iter().zip(0..).map(move |(line, i)| dated(line, Time(at + i * 1_000), n))
            })
            .collect();
        self.send(&past);
        println!("  {} lines of the past two weeks, such as {}", past.len(), message(&lines[0]));
    }

    /// The first verdict on an identity at this level; says what led to it.
    pub fn verdict(&self, who: &str, subject: &str, level: &str) -> Value {
        let verdict = self.published("verdict", |v| v["subject"]["id"] == subject && v["level"] == level);
        println!("  {who} is {level}, {} dB:", verdict["evidence_db"]);
        for reason in verdict["reasons"].as_array().unwrap() {
            println!(
                "    {:>6} dB {}: {}",
                reason["db"].to_string(),
                reason["signal"].as_str().unwrap(),
                reason["detail"].as_str().unwrap()
            );
        }
        verdict
    }

    /// The fact that is published once the outcome of a request has come back.
    pub fn fact(&self, request: &Value) -> Value {
        self.published("security-event", |fact| fact["request"] == request["id"])
    }

    fn published(&self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        wait(&format!("a {kind}"), || {
            let records = self.service.records(&self.service.names.verdicts);
            let all = records.iter().filter(|(k, _)| k == kind).map(|(_, value)| serde_json::from_slice(value).unwrap());
            all.into_iter().find(|value| is_it(value)).ok_or_else(|| self.seen())
        })
    }

    /// What is concluded so far, for whoever looks why nothing came.
    fn seen(&self) -> String {
        let records = self.service.records(&self.service.names.verdicts);
        let verdicts = records.iter().filter(|(kind, _)| kind == "verdict").map(|(_, value)| String::from_utf8_lossy(value));
        let dead = self.service.records(&self.service.names.dead_letter).len();
        format!("{dead} dead letters, verdicts {:#?}, log {}", verdicts.collect::<Vec<_>>(), self.service.log())
    }

    /// Lets the responder work until it has done this to this subject.
    pub fn carried_out(&mut self, subject: &str, action: &str) -> Value {
        wait(&format!("{action} of {subject}"), || {
            self.responder.turn(&mut self.executor).unwrap();
            let done = |(request, status): &&(Value, &str)| {
                request["subject"]["id"] == subject && request["action"] == action && *status == "done"
            };
            let request = self.executor.acted.iter().find(done).map(|(request, _)| request.clone());
            request.ok_or_else(|| format!("refused {:?}, asked for {:#?}", self.responder.refused, self.executor.acted))
        })
    }

    /// Anna approves what waits, once it does.
    pub fn approve(&self, subject: &str, action: &str, reason: &str) {
        let which = ["--config", &self.config, "--action", action, "--subject", subject];
        let contain = |args: &[&str]| self.service.cli(&[&["contain"], args, &which].concat());
        wait("the question", || Some(contain(&["list", "--json"])).filter(|list| !list.is_empty()).ok_or_else(String::new));
        print!("  {}", contain(&["approve", "--key", &self.service.shown("anna.key"), "--reason", reason]));
    }

    /// Holds everything that was published against the journals.
    pub fn audit(&self) {
        self.service.settle(&self.service.names.verdicts, Duration::from_secs(3));
        print!("{}", self.service.cli(&["audit", "verify", "--config", &self.config, "--jwks", &self.service.shown("jwks.json")]));
    }
}

fn edit(service: &Service, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(service.path(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    std::fs::write(service.path(file), text.replacen(from, to, 1)).unwrap();
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap()
}

/// The line as it stood in the log on another day.
fn dated(line: &Value, at: Time, n: i64) -> String {
    let field = |field: &str| match field.split_once('=') {
        Some((key, id)) if OF_THE_DAY.contains(&key) => format!("{key}=\"{}-{n}\"", id.trim_matches('"')),
        _ => field.to_owned(),
    };
    let mut dated = line.clone();
    dated["timestamp"] = at.to_string().into();
    dated["message"] = message(line).split(", ").map(field).collect::<Vec<_>>().join(", ").into();
    dated.to_string()
}

fn wait<T>(what: &str, mut found: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match found() {
            Ok(found) => return found,
            Err(seen) => assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}; {seen}"),
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
