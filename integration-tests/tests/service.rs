//! The service end to end on a real Kafka: INGEST, SCORE and GATE in one process, killed in the middle.

use portcullis_connectors::formats::{self, Format, Input, Item};
use portcullis_core::fanout::subjects;
use portcullis_core::record::EventRecord;
use portcullis_core::verdict::Level;
use portcullis_integration_tests::kafka::{shared, unique};
use portcullis_integration_tests::service::{Service, binary};
use portcullis_schemas::{decode_event_record, decode_journal_record};
use portcullis_simulate::{Settings as Simulate, Simulation};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(180);

/// Lines of simulated traffic, some broken ones among them.
fn traffic(events: u64) -> Vec<Vec<u8>> {
    let settings = Simulate { seed: 7, events, weeks: 2, malformed: true, ..Simulate::default() };
    Simulation::new(settings).unwrap().collect()
}

/// An attack of this very minute, which the gate does not find too old: pushes denied until one is approved.
fn push_fatigue(now_ms: i64) -> Vec<Vec<u8>> {
    let line = |i: i64, outcome: &str| {
        let time = now_ms - 60_000 + i * 1_000;
        format!(
            r#"{{"id":"fatigue-{i}","time":{time},"type":"auth.mfa",{outcome},"identity":{{"id":"tired","class":"workforce"}},"session":{{"id":"s-1"}},"source":{{"ip":"192.0.2.9"}}}}"#
        )
        .into_bytes()
    };
    let denied = r#""outcome":"failure","auth":{"method":"push","failure":"mfa_denied"}"#;
    let mut lines: Vec<Vec<u8>> = (0..6).map(|i| line(i, denied)).collect();
    lines.push(line(6, r#""outcome":"success","auth":{"method":"push"}"#));
    lines
}

/// How many records of the events log, and how many dead letters, the decoders give for the input.
fn expected(lines: &[Vec<u8>]) -> (usize, usize) {
    let input = Input { trust_control: true, tenant_from_record: true, ..Input::operator("raw") };
    let (mut records, mut dead) = (0, 0);
    for line in lines {
        formats::decode(Format::Native, line, &input, &mut |_, item| match item {
            Item::Event(event) => subjects(&event, &mut |_, _| records += 1),
            Item::Fault(_) => dead += 1,
            Item::Ignored { .. } => {}
        });
    }
    (records, dead)
}

/// The events in the log, each as (source coordinates, subject key): to be there once.
fn events_of(service: &Service) -> Vec<String> {
    let records = service.records(&service.names.events);
    let mut events = Vec::new();
    for (_, value) in &records {
        if let EventRecord::Event(event) = decode_event_record(value).unwrap() {
            events.push(format!("{:?}", event.origin.unwrap()));
        }
    }
    events
}

fn wait_for_events(service: &Service, wanted: usize) {
    let began = Instant::now();
    loop {
        let now = events_of(service).len();
        assert!(now <= wanted, "{now} events, the input gives {wanted}");
        if now == wanted {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{now} of {wanted} events after {:?}; {}", began.elapsed(), service.log());
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// One past the last record that each partition decided on, by its journal.
fn decided(service: &Service, journal: &str) -> BTreeMap<i32, i64> {
    let mut to = BTreeMap::new();
    for (_, value) in service.records(journal) {
        let record = decode_journal_record(&value).unwrap();
        let end = to.entry(record.partition).or_insert(0);
        *end = record.to.max(*end);
    }
    to
}

/// Exports the logs, as far as they were decided on, and scores them again: verdicts, decisions and requests, sorted.
fn scored_again(service: &Service) -> Vec<String> {
    let (config, whole, cut) = (service.shown("portcullis.yaml"), service.shown("log.ndjson"), service.shown("cut.ndjson"));
    service.cli(&["log", "export", "--config", &config, "--out", &whole]);
    let (events, proposals) = (decided(service, &service.names.journal), decided(service, &service.names.gate_journal));
    let mut out = std::fs::File::create(&cut).unwrap();
    for line in BufReader::new(std::fs::File::open(&whole).unwrap()).lines() {
        let line = line.unwrap();
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        let ends = if record["topic"].as_str().unwrap().ends_with(".events") { &events } else { &proposals };
        let partition = record["partition"].as_i64().unwrap() as i32;
        if record["offset"].as_i64().unwrap() < ends.get(&partition).copied().unwrap_or(0) {
            writeln!(out, "{line}").unwrap();
        }
    }
    let (dir, key) = (service.shown("again"), service.shown("gate.key"));
    service.cli(&[
        "score",
        "--keyed-log",
        &cut,
        "--out",
        &dir,
        "--signing-key",
        &key,
        "--issuer",
        "portcullis",
        "--audience",
        "portcullis-executor",
    ]);
    let mut lines = Vec::new();
    for file in ["verdicts", "decisions", "containment"] {
        for line in std::fs::read_to_string(service.path(&format!("again/{file}.ndjson"))).unwrap().lines() {
            // In shadow the request stands in the decision and is not on the request stream.
            if file != "containment" || !line.contains("\"mode\":\"shadow\"") {
                lines.push(line.to_owned());
            }
        }
    }
    lines.sort();
    lines
}

#[test]
fn killed_in_the_middle_nothing_is_lost_and_nothing_doubled() {
    let settings = shared();
    let mut service = Service::install(&settings, &unique("service"), 4, "format: native, tenant: from_record, trust: control");
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let mut lines = traffic(40_000);
    lines.extend(push_fatigue(now_ms));
    let (records, dead) = expected(&lines);
    assert!(records > 40_000 && dead > 0);

    service.start();
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let (first, second) = lines.split_at(lines.len() / 2);
    service.feed(first);
    // Somewhere in the middle of the first half's transactions.
    let began = Instant::now();
    while service.records(&service.names.journal).is_empty() {
        assert!(began.elapsed() < PATIENCE, "nothing was ever decided; {}", service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    service.kill();
    service.start();
    service.feed(second);
    wait_for_events(&service, records);
    service.wait_for(&service.names.dead_letter, dead, PATIENCE);
    service.settle(&service.names.verdicts, Duration::from_secs(3));
    service.kill();

    let events = events_of(&service);
    assert_eq!(events.len(), records);
    let of_lines: BTreeSet<&String> = events.iter().collect();
    assert!(of_lines.len() > 39_000, "{} source records", of_lines.len());

    let mut published: Vec<String> =
        service.records(&service.names.verdicts).into_iter().map(|(_, value)| String::from_utf8(value).unwrap()).collect();
    published.sort();
    assert!(published.len() > 20, "{} outputs", published.len());
    assert!(published.iter().any(|l| l.contains("\"jws\"")), "no signed request among {} outputs", published.len());
    let again = scored_again(&service);
    let (only_published, only_again): (Vec<_>, Vec<_>) = (difference(&published, &again), difference(&again, &published));
    assert!(only_published.is_empty() && only_again.is_empty(), "only published: {only_published:#?}\nonly scored again: {only_again:#?}");
    assert!(published.windows(2).all(|w| w[0] != w[1]), "an output was published twice");
}

fn difference(a: &[String], b: &[String]) -> Vec<String> {
    let b: BTreeSet<&String> = b.iter().collect();
    a.iter().filter(|line| !b.contains(line)).take(3).map(|line| line.chars().take(400).collect()).collect()
}

/// Passwords tried from one address, and then log-ins from it by people who were not among them.
#[test]
fn what_is_held_against_a_source_is_stamped_on_the_events_of_others() {
    let settings = shared();
    let mut service = Service::install(&settings, &unique("reputation"), 4, "format: native, tenant: retail");
    service.start();
    let now_ms = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let source = r#""source":{"ip":"203.0.113.7","network":"tor"}"#;
    let guesses: Vec<String> = (0..40)
        .map(|i| {
            let time = now_ms() - 60_000 + i * 1_000;
            format!(
                r#"{{"id":"guess-{i}","time":{time},"type":"auth.login","outcome":"failure","identity":{{"id":"u-{i}"}},"auth":{{"method":"password","failure":"bad_password"}},{source}}}"#
            )
        })
        .collect();
    service.feed(&guesses.iter().map(String::as_bytes).collect::<Vec<_>>());

    // INGEST looks every two seconds at what SCORE has said: one of these comes after it has.
    let began = Instant::now();
    let stamped = || {
        service.records(&service.names.events).into_iter().find_map(|(_, value)| match decode_event_record(&value).unwrap() {
            EventRecord::Event(event) => {
                let level = event.stamp.as_ref()?.reputation?;
                Some((event.identity_id()?.to_owned(), level))
            }
            EventRecord::Control(_) => None,
        })
    };
    let mut number = 0;
    let (victim, level) = loop {
        if let Some(found) = stamped() {
            break found;
        }
        assert!(began.elapsed() < PATIENCE, "no event was ever stamped; {}", service.log());
        let time = now_ms();
        number += 1;
        let login = format!(
            r#"{{"id":"login-{number}","time":{time},"type":"auth.login","outcome":"success","identity":{{"id":"victim-{number}","class":"workforce"}},"session":{{"id":"s-{number}"}},{source}}}"#
        );
        service.feed(&[login.as_bytes()]);
        std::thread::sleep(Duration::from_millis(500));
    };
    assert!(victim.starts_with("victim-") && level >= Level::High, "{victim} {level}");
    let standing = service.records(&service.names.reputation);
    assert!(
        standing.iter().any(|(_, value)| String::from_utf8_lossy(value).contains("\"level\":\"critical\"")),
        "{} records",
        standing.len()
    );

    service.settle(&service.names.verdicts, Duration::from_secs(3));
    service.kill();
    let mut published: Vec<String> =
        service.records(&service.names.verdicts).into_iter().map(|(_, value)| String::from_utf8(value).unwrap()).collect();
    let blamed = |line: &&String| line.contains(&format!("\"id\":\"{victim}\"")) && line.contains("\"signal\":\"bad_source\"");
    assert!(published.iter().any(|line| blamed(&line)), "no verdict on {victim} names its source among {}", published.len());
    // The stamp lies in the log, so whoever scores the log again says the same.
    published.sort();
    let again = scored_again(&service);
    let (only_published, only_again): (Vec<_>, Vec<_>) = (difference(&published, &again), difference(&again, &published));
    assert!(only_published.is_empty() && only_again.is_empty(), "only published: {only_published:#?}\nonly scored again: {only_again:#?}");
}

#[test]
fn an_input_may_say_only_what_it_is_trusted_with() {
    let settings = shared();
    let mut service = Service::install(&settings, &unique("trust"), 1, "format: native, tenant: retail");
    service.start();
    let allowed = br#"{"id":"1","time":"2026-11-22T10:00:00Z","type":"auth.login","outcome":"success","identity":{"id":"u-1"}}"#;
    let control =
        br#"{"id":"2","time":"2026-11-22T10:00:01Z","type":"inventory.identity","identity":{"id":"u-1"},"inventory":{"class":"admin"}}"#;
    let outcome = br#"{"id":"3","time":"2026-11-22T10:00:02Z","type":"containment.outcome","containment":{"request_id":"r-1","status":"done","subject":{"kind":"identity","id":"u-1"}}}"#;
    let other_tenant = br#"{"id":"4","time":"2026-11-22T10:00:03Z","tenant":"bank","type":"auth.login","identity":{"id":"u-1"}}"#;
    service.feed(&[allowed, control, outcome, other_tenant]);
    service.wait_for(&service.names.dead_letter, 3, PATIENCE);
    wait_for_events(&service, 1);
    let letters = service.records(&service.names.dead_letter);
    assert!(
        [&control[..], outcome, other_tenant].iter().all(|raw| letters.iter().any(|(_, value)| value == raw)),
        "dead letters keep the raw bytes"
    );

    // The input is trusted after all: what it said is read once more, once.
    service.stop();
    let config = std::fs::read_to_string(service.path("portcullis.yaml")).unwrap();
    std::fs::write(service.path("portcullis.yaml"), config.replace("tenant: retail", "tenant: from_record, trust: control")).unwrap();
    service.start();
    let config = service.shown("portcullis.yaml");
    let listed = service.cli(&["dead-letter", "list", "--config", &config]);
    assert!(listed.contains("3 dead letters") && listed.contains("not_allowed_here"), "{listed}");
    let replay = |service: &Service| service.cli(&["dead-letter", "replay", "--config", &config, "--reason", "not_allowed_here"]);
    assert!(replay(&service).contains("3 dead letters are read once more, 0 were before"));
    wait_for_events(&service, 4);
    assert!(replay(&service).contains("0 dead letters are read once more, 3 were before"));
    service.settle(&service.names.events, Duration::from_secs(3));
    assert_eq!((events_of(&service).len(), service.records(&service.names.dead_letter).len()), (4, 3));
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let settings = shared();
    let run = |text: String| {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("c.yaml");
        let key = dir.path().join("gate.key");
        let text = format!("{text}gate: {{ signing_key_file: {:?} }}\n", key.display().to_string());
        std::fs::write(&config, text).unwrap();
        let keygen = std::process::Command::new(binary()).args(["gate", "keygen", "--out"]).arg(&key).output().unwrap();
        assert!(keygen.status.success());
        let done = std::process::Command::new(binary()).args(["run", "--config"]).arg(&config).output().unwrap();
        assert!(!done.status.success());
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    let nobody = run("kafka: { bootstrap_servers: \"127.0.0.1:9\" }\ningest: { inputs: [ { topic: raw } ] }\n".to_owned());
    assert!(nobody.contains("127.0.0.1:9") && nobody.contains("check kafka.bootstrap_servers"), "{nobody}");
    let prefix = unique("missing");
    let missing = run(format!(
        "kafka: {{ bootstrap_servers: {:?} }}\ntopics: {{ prefix: {prefix}, replication: 1 }}\ningest: {{ inputs: [ {{ topic: {prefix}-raw }} ] }}\n",
        settings.bootstrap_servers
    ));
    assert!(missing.contains(&format!("{prefix}.events")) && missing.contains("portcullis topics apply"), "{missing}");
}
