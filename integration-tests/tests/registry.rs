//! A schema registry that people use (Apicurio, by Confluent's API), and Confluent's own client on the other side: what it writes is read, what
//! is written it reads, and while the registry is away nothing is lost, nothing is a dead letter, and whatever needs none goes on.

use portcullis_connectors::kafka::{Sink, SinkSettings};
use portcullis_connectors::registry::{Client as OurClient, Fault, SchemaId, Settings};
use portcullis_integration_tests::attack::push_fatigue;
use portcullis_integration_tests::http::curl;
use portcullis_integration_tests::kafka::{create_topic, shared, unique};
use portcullis_integration_tests::python::{REGISTRY, python};
use portcullis_integration_tests::registry::Registry;
use portcullis_integration_tests::security::Security;
use portcullis_integration_tests::service::Service;
use portcullis_schemas::avro::{HEADER_BYTES, Record};
use portcullis_schemas::{encode_event, json};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/registry/records.py");

/// An installation whose inputs are in Avro; further topics beside `<prefix>-raw`.
struct Installed {
    service: Service,
    environment: Vec<(String, String)>,
}

impl Installed {
    /// `inputs`: what is said of each beside its topic, `<prefix>-NAME`.
    fn new(name: &str, registry: &Registry, inputs: &[(&str, &str)], more: &[(&str, &str)]) -> Installed {
        let service = Service::install(&shared(), &unique(name), 1, "format: native");
        let mut listed = Vec::new();
        for (input, said) in inputs {
            let topic = topic(&service, input);
            if *input != "raw" {
                create_topic(service.settings(), &topic, 1);
            }
            listed.push(format!("{{ topic: {topic}, {said} }}"));
        }
        let mut environment = vec![
            ("PORTCULLIS_INGEST__INPUTS".to_owned(), format!("[ {} ]", listed.join(", "))),
            ("PORTCULLIS_SCHEMA_REGISTRY__URL".to_owned(), registry.url()),
        ];
        environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Installed { service, environment }
    }

    fn cli(&self, args: &[&str]) -> String {
        let config = self.service.shown("portcullis.yaml");
        self.service.cli_in(&[args, &["--config", &config]].concat(), &self.environment)
    }

    fn start(&mut self) {
        self.service.start_with(&[], &self.environment);
    }

    fn topic(&self, input: &str) -> String {
        topic(&self.service, input)
    }

    /// Puts values on an input, each after a frame, in its own transaction.
    fn feed(&self, input: &str, id: u32, data: &[Vec<u8>]) {
        let values: Vec<Vec<u8>> = data.iter().map(|datum| [&[0], &id.to_be_bytes()[..], datum].concat()).collect();
        self.feed_raw(input, &values);
    }

    fn feed_raw(&self, input: &str, values: &[Vec<u8>]) {
        let mut sink = Sink::open(self.service.settings(), SinkSettings::new(unique("feed"))).unwrap();
        sink.begin().unwrap();
        for value in values {
            sink.send(&self.topic(input), None, None, Some(value), &[], None).unwrap();
        }
        sink.commit_outputs().unwrap();
    }

    /// Waits until an event of somebody stands in the log.
    fn wait_for_event_of(&self, who: &str) {
        wait(&format!("an event of {who}"), &self.service, || self.has_event_of(who));
    }

    fn has_event_of(&self, who: &str) -> bool {
        self.events().iter().any(|event| event["identity"]["id"] == who)
    }

    /// Those of identities, as `log export` has them.
    fn events(&self) -> Vec<Value> {
        let file = self.service.shown("events.ndjson");
        self.cli(&["log", "export", "--only", "events", "--out", &file]);
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["key"].as_str().is_some_and(|key| key.starts_with("identity")))
            .map(|mut line| line["value"].take())
            .collect()
    }

    fn dead_letters(&self) -> usize {
        self.service.records(&self.service.names.dead_letter).len()
    }
}

fn topic(service: &Service, input: &str) -> String {
    format!("{}-{input}", service.names.events.trim_end_matches(".events"))
}

fn wait(what: &str, service: &Service, mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < PATIENCE, "no {what} after {PATIENCE:?}; {}", service.log());
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Confluent's client.
struct Client {
    python: PathBuf,
    bootstrap: String,
    registry: String,
}

impl Client {
    fn new(service: &Service, registry: &Registry) -> Client {
        let python = python(&REGISTRY).unwrap_or_else(|why| panic!("{why}"));
        Client { python, bootstrap: service.settings().bootstrap_servers.clone(), registry: registry.url() }
    }

    fn write(&self, records: &[Value]) {
        let command = Command::new(&self.python).args([CLIENT, "write", &self.bootstrap, &self.registry]).stdin(Stdio::piped()).spawn();
        let mut child = command.unwrap();
        let mut input = child.stdin.take().unwrap();
        records.iter().for_each(|record| writeln!(input, "{record}").unwrap());
        drop(input);
        assert!(child.wait().unwrap().success(), "the client could not write");
    }

    fn read(&self, topic: &str) -> Vec<Value> {
        let done = Command::new(&self.python).args([CLIENT, "read", &self.bootstrap, &self.registry, topic]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A line of native JSON as Avro's libraries take it.
fn avro_value(line: &str) -> Value {
    let mut event: Value = serde_json::from_str(line).unwrap();
    event["type"] = Value::from(event["type"].as_str().unwrap().replacen('.', "_", 1));
    event
}

/// A line of native JSON as the datum of our schema.
fn datum(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_event(&json::decode_event(line.as_bytes()).unwrap(), &mut bytes);
    bytes.split_off(HEADER_BYTES)
}

/// Our schema with another documentation: another schema to a registry, the same to a reader.
fn reworded(doc: &str) -> String {
    let mut schema: Value = serde_json::from_str(Record::Event.schema()).unwrap();
    schema["doc"] = Value::from(doc);
    schema.to_string()
}

/// As a connector of some vendor writes its log.
fn vendor_schema() -> Value {
    json!({ "type": "record", "name": "LoginRecord", "namespace": "com.vendor.iam", "fields": [
        { "name": "uid", "type": "string" },
        { "name": "ts", "type": { "type": "long", "logicalType": "timestamp-micros" } },
        { "name": "event", "type": { "type": "enum", "name": "Kind", "symbols": ["LOGIN", "HEARTBEAT"] } },
        { "name": "ok", "type": "boolean" },
        { "name": "who", "type": { "type": "record", "name": "Who", "fields": [ { "name": "login", "type": ["null", "string"] } ] } },
        { "name": "peer", "type": ["null", "string"], "default": null }
    ] })
}

const MAPPING: &str = "id: uid\ntime: ts\ntype: { at: event, when: { LOGIN: auth.login }, otherwise: ignore }\n\
    outcome: { at: ok, when: { 'true': success, 'false': failure } }\nidentity.id: who.login\nsource.ip: peer\n";

#[test]
fn what_confluents_client_writes_is_read_and_what_is_written_it_reads() {
    let registry = Registry::start();
    let folder = tempfile::tempdir().unwrap();
    let mapping = folder.path().join("vendor.yaml");
    std::fs::write(&mapping, MAPPING).unwrap();
    let custom = format!("format: custom, mapping: {:?}, encoding: avro", mapping.display().to_string());
    let inputs = [("raw", "format: native, encoding: avro, tenant: retail"), ("vendor", custom.as_str())];
    let mut installed = Installed::new("registered", &registry, &inputs, &[("PORTCULLIS_OUTPUT__ENCODING", "avro")]);
    let client = Client::new(&installed.service, &registry);

    // Nothing is registered unless it is told to be.
    let config = installed.service.shown("portcullis.yaml");
    let (is_fine, said) = installed.service.try_cli_in(&["run", "--config", &config, "--instance", "test"], &installed.environment);
    assert!(!is_fine && said.contains(&format!("portcullis schemas register --config {config}")), "{said}");
    assert!(installed.cli(&["schemas", "list"]).lines().all(|line| line.ends_with("not registered")));
    assert_eq!(registry.subjects(), Vec::<String>::new());
    installed.cli(&["schemas", "register"]);
    let listed = installed.cli(&["schemas", "list"]);
    assert_eq!(listed, installed.cli(&["schemas", "register"]), "what is there keeps its id");
    assert_eq!(registry.subjects().len(), 6, "{listed}");
    installed.start();

    let event_schema: Value = serde_json::from_str(Record::Event.schema()).unwrap();
    let raw = installed.topic("raw");
    let attack = |who: &str, in_header: bool| -> Vec<Value> {
        let record = |line: &String| json!({ "topic": raw, "schema": event_schema, "value": avro_value(line), "in_header": in_header });
        push_fatigue(who, None).iter().map(record).collect()
    };
    client.write(&attack("tired", false));
    client.write(&attack("weary", true));
    // A team's own copy of our schema, with what it needs.
    let mut changed = event_schema.clone();
    changed["fields"].as_array_mut().unwrap().insert(0, json!({ "name": "cost_centre", "type": "string" }));
    let mut value = avro_value(&push_fatigue("drowsy", None)[0]);
    value["cost_centre"] = Value::from("4711");
    client.write(&[json!({ "topic": raw, "schema": changed, "value": value })]);
    let login = |uid: &str, kind: &str, ok: bool| json!({ "uid": uid, "ts": 1_790_000_000_123_456_i64, "event": kind, "ok": ok, "who": { "login": "ana" }, "peer": "192.0.2.7" });
    let vendor = |value: Value| json!({ "topic": installed.topic("vendor"), "schema": vendor_schema(), "value": value });
    client.write(&[vendor(login("l-1", "LOGIN", true)), vendor(login("l-2", "HEARTBEAT", true)), vendor(login("l-3", "LOGIN", false))]);

    ["drowsy", "ana"].iter().for_each(|who| installed.wait_for_event_of(who));
    wait("the second log-in of ana", &installed.service, || installed.events().iter().any(|event| event["id"] == "l-3"));
    let events = installed.events();
    let of = |id: &str| events.iter().find(|event| event["id"] == id).unwrap_or_else(|| panic!("no {id}"));
    let first = of("l-1");
    assert_eq!(
        (&first["type"], &first["outcome"], &first["time"], &first["source"]["ip"]),
        (&json!("auth.login"), &json!("success"), &json!("2026-09-21T14:13:20.123Z"), &json!("192.0.2.7"))
    );
    assert_eq!((&of("l-3")["outcome"], &of("tired-0")["tenant"]), (&json!("failure"), &json!("retail")));
    assert!(events.iter().all(|event| event["id"] != "l-2"), "a heartbeat is nobody's");

    // Its deserializer finds the id and asks the registry; it has never seen a schema of ours.
    let verdicts = installed.service.names.verdicts.clone();
    let mut read = Vec::new();
    wait("verdicts on both", &installed.service, || {
        read = client.read(&verdicts);
        let is_on = |who: &str| read.iter().any(|r| r["headers"]["type"] == "verdict" && r["value"]["subject"]["id"] == who);
        is_on("tired") && is_on("weary") && read.iter().any(|r| r["headers"]["type"] == "containment-decision")
    });
    let reasons =
        |r: &Value| r["value"]["reasons"].as_array().is_some_and(|all| all.iter().any(|reason| reason["signal"] == "push_fatigue"));
    assert!(read.iter().any(reasons), "{read:#?}");

    // Our own readers need no registry.
    drop(registry);
    assert!(installed.cli(&["audit", "verify"]).contains(": 0 faults"));
    let file = installed.service.shown("audit.ndjson");
    installed.cli(&["audit", "export", "--out", &file]);
    assert!(installed.service.cli(&["audit", "verify", "--file", &file]).contains(": 0 faults"));
    let request = read.iter().find(|r| r["headers"]["type"] == "containment-decision").unwrap()["value"]["proposal"].as_str().unwrap();
    assert!(installed.cli(&["explain", request]).contains("push_fatigue"));
    assert_eq!(installed.dead_letters(), 0);
    installed.service.stop();
}

/// With ids in a header, the value is the datum alone.
#[test]
fn ids_may_stand_in_a_header() {
    let registry = Registry::start();
    let more = [
        ("PORTCULLIS_OUTPUT__ENCODING", "avro"),
        ("PORTCULLIS_OUTPUT__FRAMING", "header"),
        ("PORTCULLIS_SCHEMA_REGISTRY__REGISTER", "true"),
    ];
    let mut installed = Installed::new("headed", &registry, &[("raw", "format: native, tenant: retail")], &more);
    let client = Client::new(&installed.service, &registry);
    installed.start();
    let lines = push_fatigue("tired", None);
    installed.service.feed(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    let verdicts = installed.service.names.verdicts.clone();
    wait("a verdict by its header", &installed.service, || {
        let read = client.read(&verdicts);
        read.iter()
            .any(|r| r["value"]["subject"]["id"] == "tired" && r["headers"]["__value_schema_id"].as_str().is_some_and(|id| id.len() == 5))
    });
    assert!(installed.cli(&["audit", "verify"]).contains(": 0 faults"));
    installed.service.stop();
}

#[test]
fn while_the_registry_is_away_nothing_is_lost_and_the_rest_goes_on() {
    let mut registry = Registry::start();
    let avro = "format: native, encoding: avro, tenant: retail";
    let inputs = [("raw", avro), ("late", avro), ("plain", "format: native, tenant: retail")];
    let mut installed = Installed::new("away", &registry, &inputs, &[("PORTCULLIS_OUTPUT__ENCODING", "avro")]);
    installed.cli(&["schemas", "register"]);
    let known = registry.register("away-known", Record::Event.schema(), &json!([]));
    let late = registry.register("away-late", &reworded("A team's own words."), &json!([]));
    assert_ne!(known, late);
    let one = |who: &str| vec![datum(&push_fatigue(who, None)[0])];

    installed.start();
    installed.feed("raw", known, &one("early"));
    installed.wait_for_event_of("early");

    // One schema is known, the other not yet.
    registry.stop();
    installed.feed("late", late, &one("delayed"));
    installed.feed("raw", known, &one("known"));
    installed.feed_raw("plain", &[push_fatigue("plain", None)[0].clone().into_bytes()]);
    ["known", "plain"].iter().for_each(|who| installed.wait_for_event_of(who));
    wait("a word about it", &installed.service, || installed.service.log().contains("INGEST waits for the schema registry"));
    assert!(!installed.has_event_of("delayed"));

    // The process starts, reads what it knows the schema of, decides and writes while the registry is down.
    installed.service.kill();
    installed.start();
    let attack: Vec<Vec<u8>> = push_fatigue("attacked", None).iter().map(|line| datum(line)).collect();
    installed.feed("raw", known, &attack);
    installed.wait_for_event_of("attacked");
    wait("a verdict", &installed.service, || {
        installed.service.records(&installed.service.names.verdicts).iter().any(|(kind, value)| kind == "verdict" && value[0] == 0)
    });
    // Longer than a session, so that one who is taken for dead would show.
    std::thread::sleep(Duration::from_secs(12));
    installed.feed("raw", known, &one("later"));
    installed.wait_for_event_of("later");
    assert!(!installed.has_event_of("delayed"));
    assert_eq!(installed.dead_letters(), 0, "a registry that does not answer decides nothing");
    assert!(!installed.service.log().contains("revoked"), "it stays a member of the group: {}", installed.service.log());

    registry.restart();
    installed.wait_for_event_of("delayed");
    assert_eq!(installed.dead_letters(), 0);
    let delayed = installed.events().iter().filter(|event| event["identity"]["id"] == "delayed").count();
    assert_eq!(delayed, 1);
    installed.service.stop();
}

#[test]
fn a_schema_that_there_is_not_is_a_dead_letter_to_be_read_once_more() {
    let registry = Registry::start();
    let inputs = [("raw", "format: native, encoding: avro, tenant: retail")];
    let mut installed = Installed::new("unknown", &registry, &inputs, &[]);
    let known = registry.register("unknown-known", Record::Event.schema(), &json!([]));
    let next = known + 1;
    let line = &push_fatigue("patient", None)[0];
    installed.start();
    installed.feed("raw", next, &[datum(line)]);
    let cut = &datum(line)[..20];
    installed.feed("raw", known, &[cut.to_vec()]);
    installed.feed_raw("raw", &[line.clone().into_bytes()]);
    installed.service.wait_for(&installed.service.names.dead_letter.clone(), 3, PATIENCE);
    let listed = installed.cli(&["dead-letter", "list"]);
    for reason in [&*format!("does not know schema {next}"), "event record, byte", "not in the registry's wire format"] {
        assert!(listed.contains(reason), "{reason}: {listed}");
    }
    let shown = installed.cli(&["dead-letter", "show", "0/0"]);
    assert!(shown.contains(&format!("__portcullis.errors.schema_id: {next}")), "{shown}");

    // Its producer registers it at last.
    assert_eq!(registry.register("unknown-next", &reworded("At last."), &json!([])), next);
    installed.service.stop();
    installed.start();
    installed.cli(&["dead-letter", "replay", "--reason", "does not know schema"]);
    installed.wait_for_event_of("patient");
    assert_eq!(installed.dead_letters(), 3);
    installed.service.stop();
}

/// What a schema names stands in the registry under subjects of its own.
#[test]
fn a_schema_may_name_others_and_a_registry_may_be_asked_by_curl() {
    let registry = Registry::start();
    let folder = tempfile::tempdir().unwrap();
    let mapping = folder.path().join("vendor.yaml");
    std::fs::write(&mapping, MAPPING).unwrap();
    let custom = format!("format: custom, mapping: {:?}, encoding: avro", mapping.display().to_string());
    let mut installed = Installed::new("references", &registry, &[("raw", &custom)], &[]);
    let mut schema = vendor_schema();
    let who = schema["fields"][4]["type"].take();
    schema["fields"][4]["type"] = json!("com.vendor.iam.Who");
    let mut who = who;
    who["namespace"] = json!("com.vendor.iam");
    registry.register("who", &who.to_string(), &json!([]));
    let id = registry.register("login", &schema.to_string(), &json!([{ "name": "com.vendor.iam.Who", "subject": "who", "version": 1 }]));
    assert!(curl(&[&format!("{}/schemas/ids/{id}", registry.url())]).contains("references"));
    // uid "l", ts, LOGIN, ok, login "bo", no peer.
    let datum = [b"\x02l".as_slice(), &[0xf0, 0x81, 0xbe, 0xa2, 0xdb, 0xff, 0xad, 0x06], &[0, 1, 2], b"\x04bo", &[0]].concat();
    installed.start();
    installed.feed("raw", id, &[datum]);
    installed.wait_for_event_of("bo");
    assert!(Path::new(&installed.service.shown("state/schemas")).is_dir());
    installed.service.stop();
}

/// It is asked over TLS, and believed only with a certificate of the authority that the configuration names.
#[test]
fn a_registry_behind_tls_is_believed_by_its_authority() {
    let security = Security::new(&[]);
    let registry = Registry::start_closed(&security);
    let authority = |name: &str| Some(std::fs::read(security.path(name)).unwrap());
    let client = |authorities| OurClient::new(Settings { url: registry.url(), basic: None, authorities }).unwrap();
    let ours = client(authority("ca.pem"));
    let registered = ours.register("closed", Record::Event.schema()).unwrap();
    assert_eq!(ours.find("closed", Record::Event.schema()).unwrap(), registered);
    let stored = ours.schema(SchemaId::Id(registered.id)).unwrap();
    assert!(stored.writer().unwrap().is_ours(), "what it gives back is known as ours");
    for authorities in [None, authority("strange-ca.pem")] {
        let fault = client(authorities).find("closed", Record::Event.schema()).unwrap_err();
        assert!(fault.passes() && fault.to_string().contains("certificate"), "{fault}");
        assert!(matches!(fault, Fault::Unavailable { .. }), "it decides nothing");
    }
}
