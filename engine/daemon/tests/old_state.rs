//! Directories that older releases wrote are read, and refused by those releases from then on.
//!
//! `fixtures/state-1` was written by the engine at commit cf5f1d1, state version 1: SCORE's and GATE's partition after some simulated
//! traffic, and what it read back from them. Whoever raises the version adds the last one's directory here.

use portcullis::partition::{GatePartition, OLDEST_READ, STORED_VERSION, ScorePartition, identity_of};
use portcullis_core::gate::GateState;
use portcullis_core::profile::Profile;
use portcullis_core::record::JournalKind;
use portcullis_state::{Partition, PartitionIdentity, Shared, StateFault, StateOptions, Value};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

const EVENTS: &str = "portcullis.events";
const PROPOSALS: &str = "portcullis.proposals";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A copy: RocksDB writes as soon as it opens.
fn copy(name: &str) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    for part in ["score-0", "gate-0"] {
        std::fs::create_dir(to.path().join(part)).expect("a folder");
        for file in std::fs::read_dir(fixture(name).join(part)).expect("the fixture") {
            let file = file.expect("a file").path();
            std::fs::copy(&file, to.path().join(part).join(file.file_name().expect("a name"))).expect("copied");
        }
    }
    to
}

fn shared() -> Shared {
    Shared::new(StateOptions::with_memory(64 << 20))
}

/// Every value as JSON, as the older engine wrote it down.
fn read<V: Value + serde::Serialize>(dir: &Path, log: &str, named: &str, out: &mut Vec<serde_json::Value>) {
    let mut partition = Partition::<V>::open(dir, &shared(), &identity_of(log, 0, 1)).expect("opens");
    partition
        .for_each(|key, value, timer| {
            out.push(json!({ "log": named, "key": String::from_utf8_lossy(key), "timer": timer, "value": value }));
        })
        .expect("reads");
}

#[test]
fn every_older_version_that_is_read_has_a_fixture() {
    for version in OLDEST_READ..STORED_VERSION {
        assert!(fixture(&format!("state-{version}")).exists(), "keep a directory of version {version}");
    }
}

#[test]
fn a_directory_of_version_1_is_taken_over() {
    let dir = copy("state-1");
    let expected = std::fs::read_to_string(fixture("state-1").join("expected.ndjson")).expect("the fixture");
    let expected: Vec<serde_json::Value> = expected.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert!(expected.len() > 50 && expected.iter().any(|v| v["log"] == "gate"));

    let (score_dir, gate_dir) = (dir.path().join("score-0"), dir.path().join("gate-0"));
    let mut score = ScorePartition::open(&score_dir, &shared(), EVENTS, 0, 1).expect("SCORE's opens");
    let gate = GatePartition::open(&gate_dir, &shared(), PROPOSALS, 0, 1).expect("GATE's opens");
    assert!(score.position() > 900 && gate.position() > 0);
    assert_eq!((score.journal().digest.as_str(), score.journal().at_least), ("abcd", 77));
    assert!(score.policy().record().is_some_and(|r| r.author == "fixture") && score.owed().is_empty());

    // What version 2 adds is kept, and makes it one of version 2.
    let owed = portcullis::partition::Unverified { kind: JournalKind::VersionBoundary, from: 3, to: 5, note: "a test".to_owned() };
    score.owe(owed.clone());
    score.commit(Instant::now()).expect("commits");
    score.close().expect("closes");
    gate.close().expect("closes");
    let score = ScorePartition::open(&score_dir, &shared(), EVENTS, 0, 1).expect("opens again");
    assert_eq!(score.owed(), [owed]);
    drop(score);

    let mut found = Vec::new();
    read::<Profile>(&score_dir, EVENTS, "score", &mut found);
    read::<GateState>(&gate_dir, PROPOSALS, "gate", &mut found);
    assert_eq!(found, expected);

    let of_version_1 = PartitionIdentity { state_version: 1, oldest_state_version: 1, ..identity_of(EVENTS, 0, 1) };
    let fault = Partition::<Profile>::open(&score_dir, &shared(), &of_version_1).err().expect("the older release refuses it");
    assert!(matches!(fault, StateFault::NewerState { found: 2, wanted: 1, .. }), "{fault}");
    assert!(fault.to_string().contains("start that release again"), "{fault}");
}
