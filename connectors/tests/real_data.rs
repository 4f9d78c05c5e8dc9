//! Real logs: every record is an event, ignored, or a fault whose reason was read and agreed with; the counts are pinned, so that a
//! change of the mapping shows.

use portcullis_connectors::file::{Batch, FileReader};
use portcullis_connectors::formats::{Format, Input, Item, decode};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn data(folder: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(folder);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// What became of the records: events by type, ignored by kind, faults by reason.
#[derive(Default)]
struct Counts {
    events: BTreeMap<String, usize>,
    ignored: BTreeMap<String, usize>,
    faults: BTreeMap<String, usize>,
}

impl Counts {
    fn add(&mut self, format: Format, raw: &[u8], input: &Input) {
        decode(format, raw, input, &mut |_, item| {
            let (map, key) = match item {
                Item::Event(event) => {
                    assert!(event.identity_id().is_some_and(|id| !id.is_empty()));
                    let again = serde_json::to_string(&event).unwrap();
                    assert_eq!(serde_json::from_str::<portcullis_core::event::Event>(&again).unwrap(), event);
                    (&mut self.events, event.kind.to_string())
                }
                Item::Ignored { kind } => (&mut self.ignored, kind.into_owned()),
                Item::Fault(fault) => (&mut self.faults, fault.to_string()),
            };
            *map.entry(key).or_default() += 1;
        });
    }

    fn totals(&self) -> (usize, usize, usize) {
        (self.events.values().sum(), self.ignored.values().sum(), self.faults.values().sum())
    }

    fn print(&self, name: &str) {
        let (events, ignored, faults) = self.totals();
        println!("{name}: {events} events {:?}, {ignored} ignored {:?}, {faults} faults", self.events, self.ignored);
        for (fault, count) in &self.faults {
            println!("    {count} x {fault}");
        }
    }
}

fn of_file(path: &Path) -> Counts {
    let name = path.to_str().unwrap();
    let (input, mut counts, mut batch) = (Input::operator(name), Counts::default(), Batch::default());
    let mut reader = FileReader::open(name).unwrap();
    while reader.next_batch(&mut batch).unwrap() {
        for raw in batch.records() {
            match raw.fault {
                Some(fault) => *counts.faults.entry(format!("line {}: {fault}", raw.position.line)).or_default() += 1,
                None => counts.add(Format::Auto, raw.bytes, &input),
            }
        }
    }
    counts
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    files
}

#[test]
fn detonations_are_events_all() {
    let Some(folder) = data("cloudtrail-detonations") else { return };
    let mut sum = (0, 0, 0);
    for path in files(&folder) {
        let counts = of_file(&path);
        counts.print(path.file_name().unwrap().to_str().unwrap());
        let (events, ignored, faults) = counts.totals();
        sum = (sum.0 + events, sum.1 + ignored, sum.2 + faults);
    }
    assert_eq!(sum, (310, 0, 0));
}

#[test]
fn ocsf_examples_are_events_or_say_why_not() {
    let Some(folder) = data("ocsf") else { return };
    let mut sum = (0, 0, 0);
    for path in files(&folder) {
        let counts = of_file(&path);
        let name = path.file_name().unwrap().to_str().unwrap();
        counts.print(name);
        let (events, ignored, faults) = counts.totals();
        assert_eq!(events + ignored + faults, 1, "{name}");
        sum = (sum.0 + events, sum.1 + ignored, sum.2 + faults);
    }
    println!("{sum:?}");
    // Faults: two OCSF files with a trailing comma.
    assert_eq!(sum, (36, 0, 2));
}

#[test]
fn panther_cases() {
    let Some(path) = data("panther/cases.ndjson") else { return };
    let mut by_source: BTreeMap<String, Counts> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let log = case["log"].to_string();
        let name = case["source"].as_str().unwrap().to_owned();
        by_source.entry(name.clone()).or_default().add(Format::Auto, log.as_bytes(), &Input::operator(&name));
    }
    for (name, counts) in &by_source {
        counts.print(name);
    }
    // CloudTrail faults: 14 without a usable time ("...", "redacted"), 2 without `eventSource`, 7 calls that name nobody (an empty
    // `userIdentity`): the cases were shortened to what their rule looks at. Ignored: 2 service events without a principal.
    assert_eq!(by_source["aws_cloudtrail_rules"].totals(), (405, 2, 23));
    // Okta faults: 4 without `published`, for the same reason. Ignored: rate limits, permitted policy evaluations,
    // threats by address.
    assert_eq!(by_source["okta_rules"].totals(), (41, 17, 4));
    assert_eq!(by_source["azure_signin_rules"].totals(), (46, 0, 0));
    // OneLogin faults: no case has a time, for the same reason.
    assert_eq!(by_source["onelogin_rules"].totals(), (0, 3, 23));
}

#[test]
fn onelogin_cases_with_a_time() {
    let Some(path) = data("panther/cases.ndjson") else { return };
    let mut counts = Counts::default();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let mut case: serde_json::Value = serde_json::from_str(line).unwrap();
        if case["source"] == "onelogin_rules" {
            case["log"]["created_at"] = "2026-05-01T10:00:00Z".into();
            counts.add(Format::Onelogin, case["log"].to_string().as_bytes(), &Input::operator("onelogin"));
        }
    }
    counts.print("onelogin");
    // Ignored: 211, a change of a password that OneLogin's list does not explain; 16, of which the meaning is not published.
    assert_eq!(counts.totals(), (23, 3, 0));
}

#[test]
fn keycloak_lines_of_a_server() {
    let Some(folder) = data("crowdsec") else { return };
    for (name, events) in [("keycloak-logs", 7), ("keycloak-bf", 10)] {
        let text = std::fs::read_to_string(folder.join(name).join("keycloak-logs.log")).unwrap();
        let mut counts = Counts::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            counts.add(Format::Auto, line.as_bytes(), &Input::operator(name));
        }
        counts.print(name);
        assert_eq!(counts.totals(), (events, 0, 0), "{name}");
    }
}

#[test]
fn envoy_lines_name_nobody() {
    let Some(folder) = data("crowdsec") else { return };
    let text = std::fs::read_to_string(folder.join("envoy-http-crawl-non_statics/envoy-http-crawl-non_statics.log")).unwrap();
    let mut counts = Counts::default();
    for line in text.lines() {
        // The container runtime's own head is cut off, as a shipper does.
        let (_, record) = line.split_once(" F ").unwrap();
        counts.add(Format::Auto, record.as_bytes(), &Input::operator("envoy"));
    }
    counts.print("envoy");
    assert!(counts.ignored.keys().eq(["envoy_json:anonymous"]) && counts.totals().2 == 0, "{:?}", counts.totals());
}

/// The specifications' own examples: whole tokens; the others are parts of one (subjects, headers, reasons).
#[test]
fn shared_signals_examples() {
    let Some(folder) = data("ssf-examples") else { return };
    let (mut counts, mut parts) = (Counts::default(), 0);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(token) if token["events"].is_object() => counts.add(Format::Auto, text.as_bytes(), &Input::operator("set")),
            _ => parts += 1,
        }
    }
    counts.print("ssf-examples");
    // Ignored: changed claims, verification, a stream's update, a device alone, a level of assurance that does not say whether it rose.
    assert_eq!((counts.totals(), parts), ((11, 11, 0), 17));
}

/// Stripe publishes its objects; each is read in an event around it.
#[test]
fn stripe_objects() {
    let Some(path) = data("stripe/resources.json") else { return };
    let objects: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut counts = Counts::default();
    counts.add(Format::Auto, objects["event"].to_string().as_bytes(), &Input::operator("stripe"));
    for (name, object) in [
        ("charge.succeeded", "charge"),
        ("charge.refunded", "charge"),
        ("customer.created", "customer"),
        ("payment_method.attached", "payment_method"),
        ("payment_intent.succeeded", "payment_intent"),
        ("review.opened", "review"),
        ("charge.dispute.created", "dispute"),
        ("radar.early_fraud_warning.created", "radar.early_fraud_warning"),
        ("refund.created", "refund"),
    ] {
        let event = serde_json::json!({"object": "event", "id": "evt", "created": 1_777_629_600, "type": name, "data": {"object": objects[object]}});
        counts.add(Format::Auto, event.to_string().as_bytes(), &Input::operator("stripe"));
    }
    counts.print("stripe");
    assert_eq!(counts.totals(), (4, 6, 0));
}
