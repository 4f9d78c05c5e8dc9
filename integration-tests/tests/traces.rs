//! Traces end to end on a real Kafka: what a shipper began reaches whoever acts, with spans of ours where a collector is configured.

use portcullis_connectors::kafka::{Reader, Start, TopicPartition};
use portcullis_integration_tests::attack::push_fatigue;
use portcullis_integration_tests::collector::{Collector, Span};
use portcullis_integration_tests::desk::Desk;
use portcullis_integration_tests::service::Headers;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const STATE: &str = "congo=t61rcWkgMzE";
/// Of a trace that nobody keeps.
const NOT_SAMPLED: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00";
const INPUT: &str = "format: native, tenant: from_record, trust: control";

struct Record {
    headers: BTreeMap<String, String>,
    value: Vec<u8>,
}

impl Record {
    fn parent(&self) -> &str {
        self.headers.get("traceparent").map_or("", String::as_str)
    }

    fn is(&self, kind: &str) -> bool {
        self.headers.get("type").is_some_and(|k| k == kind)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.value).unwrap()
    }
}

fn records(desk: &Desk, topic: &str) -> Vec<Record> {
    let mut reader = Reader::open(desk.service.settings()).unwrap();
    let mut all = Vec::new();
    for partition in 0..reader.partitions(topic).unwrap() {
        let mut each = |record: portcullis_connectors::kafka::RecordRef<'_>| {
            let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            let headers = record.headers().map(|(name, value)| (name.to_owned(), text(value))).collect();
            all.push(Record { headers, value: record.value.unwrap_or_default().to_vec() });
            ControlFlow::Continue(())
        };
        reader.read(&TopicPartition::new(topic, partition), Start::Beginning, None, &mut each).unwrap();
    }
    all
}

fn published(desk: &Desk, kind: &str, found: impl Fn(&Value) -> bool) -> Option<Record> {
    records(desk, &desk.service.names.verdicts).into_iter().find(|r| r.is(kind) && found(&r.json()))
}

/// The last event, which leads to everything, and what is no event are of the trace; those before them of one that is not kept, the first has
/// a header that is none.
fn feed(desk: &Desk, who: &str) {
    let lines = push_fatigue(who, Some("acme"));
    let ours: [(&str, &[u8]); 2] = [("traceparent", PARENT.as_bytes()), ("tracestate", STATE.as_bytes())];
    let others: [(&str, &[u8]); 1] = [("traceparent", NOT_SAMPLED.as_bytes())];
    let mut records: Vec<(&[u8], Headers<'_>)> = lines.iter().map(|line| (line.as_bytes(), &others[..])).collect();
    records[0].1 = &[("traceparent", b"00-nonsense")];
    records.last_mut().unwrap().1 = &ours;
    records.push((b"{ no JSON", &ours));
    desk.service.feed_with_headers(&records);
}

fn append_to_configuration(desk: &Desk, line: &str) {
    desk.change("portcullis.yaml", |text| format!("{text}{line}\n"));
}

fn until<T>(what: &str, desk: &Desk, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{what} did not come; {}", desk.service.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn each_role_adds_its_span_and_the_request_is_of_the_trace() {
    let collector = Collector::start();
    let mut desk = Desk::open("traces", INPUT);
    std::fs::write(desk.service.path("token"), "Bearer swordfish\n").unwrap();
    let token = desk.service.shown("token");
    append_to_configuration(
        &desk,
        &format!("traces: {{ endpoint: {:?}, headers_file: {{ authorization: {token:?} }} }}", collector.endpoint()),
    );
    desk.service.start();
    feed(&desk, "tired");
    let request = desk.wait("the request", |desk| published(desk, "containment-request", |r| r["action"] == "terminate_session"));
    let spans = until("the spans", &desk, || {
        let spans = collector.spans();
        let has = |name: &str, n| spans.iter().filter(|s| s.name == name).count() >= n;
        (has("portcullis ingest", 2) && has("portcullis score", 1) && has("portcullis gate", 1)).then_some(spans)
    });

    // From the shipper through the roles to the request, each the child of the one before.
    let of = |id: &str| spans.iter().find(|s| s.id == id).unwrap_or_else(|| panic!("no span {id} in {spans:#?}"));
    let span_in = |record: &Record| record.parent().split('-').nth(2).unwrap().to_owned();
    let gate = of(&span_in(&request));
    let score = of(&gate.parent);
    let ingest = of(&score.parent);
    assert_eq!([&ingest.name, &score.name, &gate.name], ["portcullis ingest", "portcullis score", "portcullis gate"]);
    assert_eq!(ingest.parent, "00f067aa0ba902b7");
    assert!(spans.iter().all(|s| s.trace == TRACE), "of the trace that is kept alone: {spans:#?}");
    assert_eq!((ingest.state.as_str(), request.headers["tracestate"].as_str()), (STATE, STATE));
    let verdict = published(&desk, "verdict", |v| v["event_id"] == "tired-6" && v["subject"]["kind"] == "identity").unwrap();
    assert_eq!(span_in(&verdict), score.id);
    let decision = published(&desk, "containment-decision", |d| d["request"] == request.json()["id"]).unwrap();
    assert_eq!(span_in(&decision), gate.id);

    // What they say, and what they do not.
    for span in &spans {
        assert!(span.kind == 5 && span.began <= span.ended && span.resource["service.name"] == "portcullis", "{span:?}");
        let said = format!("{:?}", span.attributes);
        assert!(!["tired", "192.0.2.9", "acme"].iter().any(|who| said.contains(who)), "{said}");
    }
    let attribute = |span: &Span, name: &str| span.attributes.get(name).cloned().unwrap_or_default();
    assert_eq!(attribute(ingest, "messaging.destination.name"), desk.service.names.events.replace(".events", "-raw"));
    assert_eq!((attribute(ingest, "portcullis.became"), ingest.status), ("event".to_owned(), 0));
    assert_eq!(attribute(score, "portcullis.level"), verdict.json()["level"].as_str().unwrap());
    assert!(attribute(score, "portcullis.actions").contains("terminate_session"), "{score:?}");
    assert_eq!(
        (attribute(gate, "portcullis.actions"), attribute(gate, "portcullis.decisions")),
        ("terminate_session".into(), "sent".into())
    );
    let failed = spans.iter().find(|s| s.status == 2).expect("the dead letter's");
    assert_eq!((failed.name.as_str(), attribute(failed, "portcullis.became").as_str()), ("portcullis ingest", "dead_letter"));
    assert!(collector.heads().iter().all(|head| head.starts_with("POST /v1/traces ") && head.contains("Bearer swordfish")));

    // What others began is passed on as it came.
    let dead = records(&desk, &desk.service.names.dead_letter);
    assert_eq!(dead.iter().map(Record::parent).collect::<Vec<_>>(), [PARENT]);
    let events = records(&desk, &desk.service.names.events);
    assert_eq!(events.iter().filter(|r| r.parent() == NOT_SAMPLED).count() % 5, 0);
    assert!(events.iter().any(|r| r.parent() == NOT_SAMPLED) && !events.iter().any(|r| r.parent() == "00-nonsense"));
    desk.service.stop();
    let (is_fine, said) = desk.audit(&["--config", &desk.config]);
    assert!(is_fine, "{said}");
}

#[test]
fn without_a_collector_a_trace_goes_through_unchanged_and_over_an_approval() {
    let mut desk = Desk::open("untraced", INPUT);
    desk.change("policy.yaml", |policy| policy.replace("required_for: []", "required_for: [terminate_session]"));
    desk.service.start();
    feed(&desk, "weary");
    let waiting = desk.wait("a question", |desk| desk.waiting().into_iter().next());
    let (is_fine, said) = desk.says("anna", &["approve", waiting["proposal"].as_str().unwrap()]);
    assert!(is_fine, "{said}");
    let request = desk.wait("the request", |desk| published(desk, "containment-request", |r| r["action"] == "terminate_session"));
    assert_eq!((request.parent(), request.headers["tracestate"].as_str()), (PARENT, STATE));
    let answer = desk.wait("the answer", |desk| published(desk, "containment-answer", |_| true));
    assert_eq!(answer.parent(), PARENT);
    let verdict = published(&desk, "verdict", |v| v["event_id"] == "weary-6" && v["subject"]["kind"] == "identity").unwrap();
    assert_eq!(verdict.parent(), PARENT);
    let journal = records(&desk, &desk.service.names.journal);
    assert!(!journal.is_empty() && journal.iter().all(|r| r.headers.is_empty()));
}

#[test]
fn a_collector_that_is_away_holds_nothing_up() {
    let mut desk = Desk::open("astray", INPUT);
    // Port 9 of the loopback: nobody listens.
    append_to_configuration(&desk, "traces: { endpoint: \"http://127.0.0.1:9\" }");
    desk.service.start();
    feed(&desk, "dozy");
    let request = desk.wait("the request", |desk| published(desk, "containment-request", |r| r["action"] == "terminate_session"));
    assert!(request.parent().contains(TRACE) && request.parent() != PARENT, "{}", request.parent());
    until("a word about it", &desk, || desk.service.log().contains("the collector of traces does not take spans").then_some(()));
    desk.service.stop();
}
