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
    // Faults: five raw GitHub logs, which is no format of ours, and two OCSF files with a trailing comma.
    assert_eq!(sum, (31, 0, 7));
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
    // No formats of ours yet: a record that we do not understand is never taken for one that is none of our business.
    assert_eq!(by_source["azure_signin_rules"].totals(), (0, 0, 46));
    assert_eq!(by_source["onelogin_rules"].totals(), (0, 0, 26));
}
