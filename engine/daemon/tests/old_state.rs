//! Directories that older releases wrote are read as far back as `OLDEST_READ`, and refused by name beyond it: takeover then throws them
//! away and rebuilds them from the log.
//!
//! `fixtures/state-1` was written by the engine at commit cf5f1d1, state version 1: SCORE's and GATE's partition after some simulated
//! traffic. `state-3` was written at commit 8066dda out of `docs/examples/native.ndjson`,
//! `state-4` at commit e5f4170, `state-5` at commit 4d422f1, `state-6` at commit 6b53b7b. Whoever raises the version and goes on reading the last one adds its directory here.

use portcullis::partition::{GatePartition, OLDEST_READ, STORED_VERSION, ScorePartition, identity_of};
use portcullis_core::gate::GateState;
use portcullis_core::profile::Profile;
use portcullis_core::record::JournalKind;
use portcullis_state::{Partition, PartitionIdentity, Shared, StateFault, StateOptions};
use std::path::{Path, PathBuf};
use std::time::Instant;

const EVENTS: &str = "portcullis.events";
const PROPOSALS: &str = "portcullis.proposals";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What versions 3 to 6 wrote is what this one reads: no profile is lost, and what it lacks is empty.
#[test]
fn directories_of_the_last_versions_are_taken_over() {
    for name in ["state-3", "state-4", "state-5", "state-6"] {
        is_taken_over(name);
    }
}

fn is_taken_over(name: &str) {
    let dir = copy(name);
    let path = dir.path().join("score-0");
    let mut score = ScorePartition::open(&path, &shared(), EVENTS, 0, 1).expect("opens");
    let (mut profiles, mut incidents, mut keyrings) = (0, 0, 0);
    let mut count = |_: &[u8], profile: Option<Profile>, _| {
        let Some(profile) = profile else { return };
        assert!(profile.risk.feedback.is_none() || name != "state-3");
        assert!(profile.keyring.is_none() || name == "state-6", "it is learnt from now on");
        keyrings += u32::from(profile.keyring.is_some_and(|ring| ring.keys().all(|key| key.made <= key.last)));
        profiles += 1;
        incidents += u32::from(profile.risk.incident.is_some());
    };
    score.for_each(&mut count).expect("every profile is read");
    assert!(profiles >= 3 && incidents >= 1, "{profiles} profiles, {incidents} incidents");
    assert_eq!(keyrings > 0, name == "state-6", "{keyrings} keyrings");
    score.close().expect("closes");
    let path = dir.path().join("gate-0");
    if ["state-3", "state-4"].contains(&name) {
        let gate = Partition::<GateState>::open(&path, &shared(), &identity_of(PROPOSALS, 0, 1)).err();
        assert!(matches!(gate, Some(StateFault::OlderState { .. })), "GATE's is rebuilt from its log: {gate:?}");
        return;
    }
    let mut gate = GatePartition::open(&path, &shared(), PROPOSALS, 0, 1).expect("opens");
    let mut values = std::collections::BTreeMap::new();
    let mut count = |_: &[u8], state: Option<GateState>, _| {
        let kind = match state {
            Some(GateState::Tenant(_)) => "tenant",
            Some(GateState::Incident(_)) => "incident",
            Some(GateState::Waiting(_) | GateState::Open(_)) => "proposal",
            _ => "other",
        };
        *values.entry(kind).or_insert(0) += 1;
    };
    gate.for_each(&mut count).expect("every value is read");
    assert!(["tenant", "incident", "proposal"].iter().all(|kind| values.contains_key(kind)), "{values:?}");
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

#[test]
fn every_older_version_that_is_read_has_a_fixture() {
    let older = std::ops::Range { start: OLDEST_READ, end: STORED_VERSION }; // empty while only the present one is read
    for version in older {
        assert!(fixture(&format!("state-{version}")).exists(), "keep a directory of version {version}");
    }
}

#[test]
fn a_directory_of_a_version_that_is_no_longer_read_is_refused_by_name() {
    let dir = copy("state-1");
    let score = Partition::<Profile>::open(&dir.path().join("score-0"), &shared(), &identity_of(EVENTS, 0, 1)).err();
    let gate = Partition::<GateState>::open(&dir.path().join("gate-0"), &shared(), &identity_of(PROPOSALS, 0, 1)).err();
    for fault in [score.expect("SCORE's is refused"), gate.expect("GATE's is refused")] {
        assert!(matches!(fault, StateFault::OlderState { found: 1, .. }), "{fault}");
        assert!(fault.to_string().contains("rebuild it from the log"), "{fault}");
    }
}

#[test]
fn what_is_owed_is_kept_and_an_older_release_refuses_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("score-0");
    let mut score = ScorePartition::open(&path, &shared(), EVENTS, 0, 1).expect("opens");
    let owed = portcullis::partition::Unverified { kind: JournalKind::VersionBoundary, from: 3, to: 5, note: "a test".to_owned() };
    score.owe(owed.clone());
    score.commit(Instant::now()).expect("commits");
    score.close().expect("closes");
    let score = ScorePartition::open(&path, &shared(), EVENTS, 0, 1).expect("opens again");
    assert_eq!(score.owed(), [owed]);
    drop(score);

    let older = PartitionIdentity { state_version: 1, oldest_state_version: 1, ..identity_of(EVENTS, 0, 1) };
    let fault = Partition::<Profile>::open(&path, &shared(), &older).err().expect("the older release refuses it");
    assert!(matches!(fault, StateFault::NewerState { wanted: 1, .. }), "{fault}");
    assert!(fault.to_string().contains("start that release again"), "{fault}");
}
