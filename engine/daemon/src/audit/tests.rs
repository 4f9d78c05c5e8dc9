//! Every way to tamper is found and placed, in the log and in an export of it.

use super::collect::{Collector, Record, keys_of};
use super::file::{About, Export, collect};
use super::head::{HEAD_RECORD, Head};
use super::*;
use crate::jws::{Alg, Signer};
use portcullis_core::containment::ContainmentDecision;
use portcullis_core::record::{Control, IncidentClosed};
use portcullis_core::time::Time;
use portcullis_core::verdict::Verdict;
use portcullis_schemas::encode_journal_record;
use proptest::prelude::*;
use serde_json::json;

const PREFIX: &str = "p";

fn decision(n: i64) -> Output {
    let decision: ContainmentDecision = serde_json::from_value(json!({
        "id": format!("d-{n}"), "proposal": format!("p-{n}"), "end": "duplicate", "why": "again", "by": "gate", "time": n, "tenant": "acme",
        "subject": { "kind": "identity", "id": "ana" }, "action": "step_up", "policy": { "version": "1", "digest": "ab" }
    }))
    .unwrap();
    Output::Decision(Box::new(decision))
}

fn verdict(offset: i64) -> Output {
    let verdict: Verdict = serde_json::from_value(json!({
        "id": format!("v-{offset}"), "time": 0, "appended_at": 0, "tenant": "acme", "subject": { "kind": "identity", "id": "ana" },
        "score": 75.0, "evidence_db": 10.0, "prior_db": -25.0, "probability": "uncalibrated", "level": "high", "previous_level": "low",
        "learning": false, "actor": { "automation": 0.0 }, "reasons": [], "folded": 1, "mode": "enforce",
        "policy": { "version": "", "digest": "" }, "log": { "topic": "p.events", "partition": 0, "offset": offset }, "engine": ""
    }))
    .unwrap();
    Output::Verdict(Box::new(verdict))
}

fn closed(n: i64) -> Output {
    Output::ToGate(Control::IncidentClosed(IncidentClosed { tenant: "acme".into(), incident: format!("i-{n}"), at: Time(n) }))
}

/// Records of the topics, as the service would write them.
#[derive(Default)]
struct Topics {
    records: Vec<Record>,
    ends: BTreeMap<(Decider, i32), (String, i64)>,
}

impl Topics {
    fn append(&mut self, topic: &str, partition: i32, kind: Option<&str>, at: Option<String>, value: Vec<u8>) {
        let topic = format!("{PREFIX}.{topic}");
        let offset = self.records.iter().filter(|r| r.topic == topic && r.partition == partition).count() as i64;
        let kind = kind.map(str::to_owned);
        self.records.push(Record { topic, partition, offset, appended_at: Time(offset), key: b"k".to_vec(), kind, at, value });
    }

    fn batch(&mut self, decider: Decider, partition: i32, outputs: &[Output]) {
        let (previous, from) = self.ends.get(&(decider, partition)).cloned().unwrap_or_default();
        let mut hasher = blake3::Hasher::new();
        for (n, output) in outputs.iter().enumerate() {
            let bytes = unsigned(output.clone());
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
            let at = Nth { partition, from, n: n as u32 }.to_string();
            let mut value = Vec::new();
            match output {
                Output::Verdict(_) => {
                    encode_output(output, Encoding::Json, &mut value);
                    self.append("verdicts", partition, Some("verdict"), None, value);
                }
                Output::ToGate(_) => self.append("proposals", 0, None, Some(at), bytes),
                _ => {
                    encode_output(output, Encoding::Json, &mut value);
                    self.append("verdicts", 1, Some("containment-decision"), Some(at), value);
                }
            }
        }
        let record = JournalRecord {
            partition,
            from,
            to: from + 10,
            outputs: outputs.len() as u32,
            outputs_digest: hasher.finalize().to_hex().to_string(),
            previous,
            ..JournalRecord::default()
        };
        let mut bytes = Vec::new();
        encode_journal_record(&record, &mut bytes);
        self.ends.insert((decider, partition), (digest(&bytes), from + 10));
        self.append(if decider == Decider::Score { "journal" } else { "gate-journal" }, partition, None, None, bytes);
    }

    /// The gate signs where a journal is.
    fn head(&mut self, signer: &Signer, decider: Decider) {
        let digest = self.ends[&(decider, 0)].0.clone();
        let journal = if decider == Decider::Score { "journal" } else { "gate-journal" };
        let head = Head { journal: format!("{PREFIX}.{journal}"), partition: 0, digest, at: Time(1) };
        self.append("verdicts", 0, Some(HEAD_RECORD), None, signer.sign_head(&head).into_bytes());
    }

    /// As a reader takes them: the journals first.
    fn in_order(&self) -> impl Iterator<Item = &Record> {
        let (journals, others): (Vec<&Record>, Vec<&Record>) = self.records.iter().partition(|r| r.topic.ends_with("journal"));
        journals.into_iter().chain(others)
    }

    fn findings(&self, keys: &[portcullis_core::signature::Signatory]) -> Findings {
        let mut collector = Collector::new(PREFIX, Encoding::Json, keys);
        self.in_order().for_each(|r| collector.take(r.clone()));
        verify(collector.evidence)
    }

    fn place(&self, topic: &str, nth: usize) -> usize {
        let topic = format!("{PREFIX}.{topic}");
        self.records.iter().enumerate().filter(|(_, r)| r.topic == topic).nth(nth).unwrap().0
    }
}

fn signer() -> (tempfile::TempDir, Signer) {
    let dir = tempfile::tempdir().unwrap();
    let signer = Signer::generate(&dir.path().join("key"), Alg::EdDsa).unwrap();
    (dir, signer)
}

fn topics(signer: &Signer) -> Topics {
    let mut topics = Topics::default();
    topics.batch(Decider::Score, 0, &[verdict(3), closed(1), verdict(3), verdict(7)]);
    topics.batch(Decider::Score, 0, &[]);
    topics.batch(Decider::Score, 0, &[verdict(25), closed(2)]);
    topics.batch(Decider::Gate, 0, &[decision(1), decision(2)]);
    topics.batch(Decider::Gate, 0, &[decision(3)]);
    topics.batch(Decider::Gate, 1, &[decision(4)]);
    topics.head(signer, Decider::Gate);
    topics.head(signer, Decider::Score);
    topics
}

#[test]
fn what_was_decided_is_what_was_published() {
    let (_dir, signer) = signer();
    let keys = keys_of(&signer.jwks().to_string()).unwrap();
    let findings = topics(&signer).findings(&keys);
    assert_eq!((findings.faults, findings.batches, findings.outputs, findings.heads), (Vec::new(), 6, 10, 2));
}

#[test]
fn every_tampering_is_found_and_placed() {
    let (_dir, signer) = signer();
    let keys = keys_of(&signer.jwks().to_string()).unwrap();
    let whole = topics(&signer);
    let verdicts = |nth| whole.place("verdicts", nth);
    let journal = |nth| whole.place("gate-journal", nth);
    type Tamper<'a> = Box<dyn Fn(&mut Vec<Record>) + 'a>;
    let change = |at: usize, from: &'static str, to: &'static str| -> Tamper<'_> {
        Box::new(move |r| {
            let text = String::from_utf8(r[at].value.clone()).unwrap();
            assert!(text.contains(from));
            r[at].value = text.replace(from, to).into_bytes();
        })
    };
    for (tamper, place, what) in [
        (change(verdicts(0), "\"high\"", "\"medium\""), "p.journal[0] offset 0", "not those that were decided"),
        (change(verdicts(4), "again", "never"), "p.gate-journal[0] offset 0", "not those that were decided"),
        (Box::new(|r: &mut Vec<Record>| drop(r.remove(verdicts(1)))), "p.journal[0] offset 0", "4 outputs, 3 are there"),
        (Box::new(|r| drop(r.remove(verdicts(5)))), "p.gate-journal[0] offset 0", "2 outputs, 1 are there"),
        (Box::new(|r| r.swap(verdicts(0), verdicts(2))), "", ""), // another offset each: put right by the offset, nothing is lost
        (
            Box::new(|r| {
                let (a, b) = (verdicts(4), verdicts(5));
                let at = r[a].at.clone();
                r[a].at = r[b].at.clone();
                r[b].at = at;
            }),
            "p.gate-journal[0] offset 0",
            "two were exchanged",
        ),
        (
            Box::new(|r| {
                let mut more = r[verdicts(4)].clone();
                more.at = Some("0/0/9".to_owned());
                more.offset = 99;
                r.push(more);
            }),
            "p.verdicts[1] offset 99",
            "it was inserted",
        ),
        (
            Box::new(|r| {
                let mut more = r[verdicts(4)].clone();
                more.at = Some("0/500/0".to_owned());
                more.offset = 99;
                r.push(more);
            }),
            "p.verdicts[1] offset 99",
            "no journal record knows",
        ),
        (Box::new(|r| r[verdicts(4)].at = None), "p.verdicts[1] offset 0", "does not say which output"),
        (Box::new(|r| drop(r.remove(whole.place("gate-journal", 0)))), "p.verdicts[1] offset 0", "no journal record knows"),
        (Box::new(|r| drop(r.remove(whole.place("journal", 1)))), "p.journal[0] offset 2", "does not follow p.journal[0] offset 0"),
        (Box::new(|r| r[journal(0)].value[12] ^= 1), "p.gate-journal[0] offset 1", "does not follow"),
        (
            Box::new(|r| {
                // The end of the gate's log, its outputs and its journal, and nothing else.
                let last = journal(1);
                r.remove(last);
                r.remove(verdicts(6));
            }),
            "p.verdicts[0] offset",
            "were cut off",
        ),
        (Box::new(|r| r[verdicts(8)].value[30] ^= 1), "p.verdicts[0] offset", ""),
    ] {
        let mut tampered = Topics { records: whole.records.clone(), ..Topics::default() };
        tamper(&mut tampered.records);
        let found = tampered.findings(&keys).faults;
        if what.is_empty() && place.is_empty() {
            assert!(found.is_empty(), "{found:?}");
            continue;
        }
        assert!(found.iter().any(|f| f.place.starts_with(place) && f.what.contains(what)), "{place}: {what} is not in\n{found:#?}");
    }
}

fn exported(dir: &std::path::Path, signer: &Signer) -> std::path::PathBuf {
    let path = dir.join("audit.ndjson");
    let about = About {
        audit: 1,
        prefix: PREFIX.to_owned(),
        encoding: "json".to_owned(),
        engine: "test".to_owned(),
        since: Time(0),
        exported_at: Time(1),
        jwks: signer.jwks(),
    };
    let mut export = Export::create(&path, &about).unwrap();
    topics(signer).in_order().for_each(|r| export.record(r).unwrap());
    export.seal(|seal| Some(signer.sign_seal(seal))).unwrap();
    path
}

#[test]
fn an_export_says_the_same_offline() {
    let (dir, signer) = signer();
    let path = exported(dir.path(), &signer);
    let keys = keys_of(&signer.jwks().to_string()).unwrap();
    let (about, evidence) = collect(&path, &keys).unwrap();
    let findings = verify(evidence);
    assert_eq!((findings.faults, findings.batches, findings.outputs, findings.heads), (Vec::new(), 6, 10, 2));
    assert_eq!(about.jwks, signer.jwks());
}

#[test]
fn lines_that_were_removed_moved_doubled_or_cut_off_are_placed() {
    let (dir, signer) = signer();
    let path = exported(dir.path(), &signer);
    let keys = keys_of(&signer.jwks().to_string()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let faults = |lines: &[&str]| {
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        collect(&path, &keys).unwrap().1.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let mut removed = lines.clone();
    removed.remove(4);
    assert!(faults(&removed).starts_with("line 5: was changed, or does not follow"), "{}", faults(&removed));
    let mut moved = lines.clone();
    moved.swap(4, 5);
    assert!(faults(&moved).starts_with("line 5: was changed, or does not follow"));
    let mut doubled = lines.clone();
    doubled.insert(4, lines[4]);
    assert!(faults(&doubled).starts_with("line 6: was changed, or does not follow"));
    assert!(faults(&lines[..lines.len() - 1]).contains("its end was cut off"));
    let other = Signer::generate(&dir.path().join("other"), Alg::Rs256).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let said = collect(&exported(elsewhere.path(), &other), &keys).unwrap().1.faults;
    assert!(said.iter().any(|f| f.what.contains("names no key")), "a whole file of somebody else's: {said:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_byte_changed_in_an_export_is_found_and_placed(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (dir, signer) = signer();
        let path = exported(dir.path(), &signer);
        let keys = keys_of(&signer.jwks().to_string()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len() - 1);
        prop_assume!(bytes[at] != to);
        let line = 1 + bytes[..at].iter().filter(|b| **b == b'\n').count();
        bytes[at] = to;
        std::fs::write(&path, &bytes).unwrap();
        // The first line may be no export's any more, which is an error of its own.
        if let Ok((_, evidence)) = collect(&path, &keys) {
            let first = evidence.faults.first().map(|f| f.place.clone()).unwrap_or_default();
            let near = [line, line + 1].map(|n| format!("line {n}"));
            prop_assert!(near.contains(&first), "byte {at} of line {line}: {:?}", evidence.faults);
        }
    }
}
