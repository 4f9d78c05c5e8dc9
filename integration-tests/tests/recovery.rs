//! Recovery on a real Kafka: whatever the disk, an operator or the store of checkpoints did, the service goes on by itself or says what to do.

use portcullis_connectors::kafka::{Reader, Settings, Start, TopicPartition};
use portcullis_core::record::{JournalKind, JournalRecord};
use portcullis_integration_tests::kafka::{shared, unique};
use portcullis_integration_tests::s3::S3;
use portcullis_integration_tests::service::Service;
use portcullis_schemas::decode_journal_record;
use portcullis_simulate::{Settings as Simulate, Simulation};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

/// A service over one partition that has decided on some traffic.
struct Started {
    service: Service,
    lines: Vec<Vec<u8>>,
    fed: usize,
    environment: Vec<(String, String)>,
}

impl Started {
    fn new(settings: &Settings, name: &str, environment: Vec<(String, String)>) -> Started {
        let service = Service::install(settings, &unique(name), 1, "format: native, tenant: from_record, trust: control");
        let simulate = Simulate { seed: 11, events: 12_000, weeks: 2, ..Simulate::default() };
        let lines = Simulation::new(simulate).expect("a simulation").collect();
        let mut started = Started { service, lines, fed: 0, environment };
        started.service.start_with(&[], &started.environment);
        started.feed();
        started
    }

    /// Feeds the next quarter, and waits until it is decided on.
    fn feed(&mut self) {
        let to = (self.fed + self.lines.len() / 4).min(self.lines.len());
        let lines: Vec<&[u8]> = self.lines[self.fed..to].iter().map(Vec::as_slice).collect();
        self.fed = to;
        let before = self.end_of_events();
        self.service.feed(&lines);
        self.wait_for("everything fed to be decided on", |this| {
            this.service.settle(&this.service.names.events, Duration::from_millis(900));
            let end = this.end_of_events();
            end > before && this.journal().iter().map(|j| j.to).max() == Some(end)
        });
    }

    /// One past the last record of the events log.
    fn end_of_events(&self) -> i64 {
        let mut end = 0;
        let mut reader = Reader::open(self.service.settings()).expect("a reader");
        reader
            .read(&TopicPartition::new(self.service.names.events.as_str(), 0), Start::Beginning, None, |record| {
                end = record.offset + 1;
                ControlFlow::Continue(())
            })
            .expect("reading");
        end
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(&Started) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < PATIENCE, "waited for {what}; {}", self.service.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn wait_for_log(&self, text: &str) {
        self.wait_for(text, |this| this.service.log().contains(text));
    }

    fn wait_for_checkpoint_of_everything(&self) {
        let end = self.end_of_events();
        self.wait_for("a checkpoint of everything", |s| {
            s.service.log().lines().any(|line| line.contains(" checkpoint ") && line.contains(&format!("position={end} ")))
        });
    }

    fn restart(&mut self, args: &[&str]) {
        self.service.start_with(args, &self.environment);
    }

    fn journal(&self) -> Vec<JournalRecord> {
        let records = self.service.records(&self.service.names.journal);
        records.iter().map(|(_, value)| decode_journal_record(value).expect("a journal record")).collect()
    }

    /// `score-0` of the state.
    fn state(&self) -> PathBuf {
        self.service.path("state/score-0")
    }

    fn tables(dir: &std::path::Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).expect("the state").map(|e| e.expect("an entry").path());
        entries.filter(|p| p.extension().is_some_and(|e| e == "sst")).collect()
    }

    /// The chain is whole, batches join without gap or overlap, and no output was published twice.
    fn check(&self) {
        let records = self.service.records(&self.service.names.journal);
        let (mut previous, mut to) = (String::new(), 0);
        for (_, bytes) in &records {
            let record = decode_journal_record(bytes).expect("a journal record");
            assert_eq!(record.previous, previous, "the chain is broken at {record:?}");
            if record.kind == JournalKind::Batch {
                assert!(record.from >= to, "decided twice: {record:?} after {to}");
                to = record.to;
            }
            previous = portcullis_core::id::digest(bytes);
        }
        let outputs: Vec<Vec<u8>> = self.service.records(&self.service.names.verdicts).into_iter().map(|(_, value)| value).collect();
        let distinct: BTreeSet<&Vec<u8>> = outputs.iter().collect();
        assert_eq!(distinct.len(), outputs.len(), "an output was published twice");
    }
}

#[test]
fn a_planned_restart_replays_nothing_and_a_killed_one_replays_verified() {
    let mut started = Started::new(&shared(), "planned", Vec::new());
    started.service.stop();
    started.restart(&[]);
    started.feed();
    assert!(!started.service.log().contains("state replayed"), "{}", started.service.log());

    started.service.kill();
    started.restart(&[]);
    started.feed();
    let log = started.service.log();
    assert!(log.contains("state replayed") && log.contains("verified=true"), "{log}");
    started.check();
}

#[test]
fn a_lost_or_damaged_directory_is_rebuilt_by_itself() {
    let mut started = Started::new(&shared(), "damaged", Vec::new());
    started.service.kill();
    std::fs::remove_dir_all(started.service.path("state")).expect("deleted");
    started.restart(&[]);
    started.feed();
    assert!(started.service.log().contains("state replayed"), "{}", started.service.log());

    // Tables damaged in the middle, where opening does not look.
    started.service.stop();
    let tables = Started::tables(&started.state());
    assert!(!tables.is_empty());
    for table in &tables {
        let mut bytes = std::fs::read(table).expect("reads");
        let middle = bytes.len() / 2;
        bytes[20..middle].iter_mut().for_each(|b| *b ^= 0x5a);
        std::fs::write(table, bytes).expect("writes");
    }
    started.restart(&[]);
    started.feed();
    assert!(started.service.log().contains("thrown away"), "{}", started.service.log());

    // A table missing, which opening sees.
    started.service.stop();
    std::fs::remove_file(&Started::tables(&started.state())[0]).expect("removed");
    started.restart(&[]);
    started.feed();
    let log = started.service.log();
    assert!(log.contains("thrown away") && log.contains("verified=true"), "{log}");
    started.check();
}

/// Checkpoints at `url`, often.
fn checkpoints(url: &str) -> Vec<(String, String)> {
    let set = |name: &str, value: &str| (format!("PORTCULLIS_STATE__CHECKPOINTS__{name}"), value.to_owned());
    vec![set("URL", url), set("EVERY", "2s")]
}

#[test]
fn another_host_starts_from_a_checkpoint_on_s3() {
    let s3 = S3::start();
    let mut environment = s3.environment();
    environment.extend(checkpoints(&s3.url("state")));
    let mut started = Started::new(&shared(), "checkpoint", environment);
    started.feed();
    started.wait_for_checkpoint_of_everything();
    started.service.kill();
    std::fs::remove_dir_all(started.service.path("state")).expect("another host has none");
    started.restart(&[]);
    started.feed();
    let log = started.service.log();
    assert!(log.contains("restored from a checkpoint"), "{log}");
    started.check();
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut started = Started::new(&shared(), "passed-over", checkpoints(&format!("file://{}", folder.path().display())));
    started.wait_for_checkpoint_of_everything();
    started.feed();
    started.wait_for_checkpoint_of_everything();
    started.service.kill();

    let config = started.service.shown("portcullis.yaml");
    let verify = |started: &Started| started.service.try_cli_in(&["checkpoint", "verify", "--config", &config], &started.environment);
    let (ok, said) = verify(&started);
    assert!(ok && said.contains(", 0 damaged"), "{said}");
    let place = folder.path().join(&started.service.names.events).join("0");
    let newest = std::fs::read_dir(place.join("manifests")).expect("manifests").map(|e| e.expect("one").path()).max().expect("one");
    let text = std::fs::read_to_string(newest).expect("reads");
    let manifest: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("json");
    let files = manifest["files"].as_array().expect("files");
    // Of the newest alone: the manifest of RocksDB changes with every flush.
    let own = files.iter().find(|f| f["name"].as_str().is_some_and(|n| n.starts_with("MANIFEST"))).expect("one");
    let own = place.join("files").join(own["object"].as_str().expect("a name"));
    let mut bytes = std::fs::read(&own).expect("reads");
    bytes[9] ^= 1;
    std::fs::write(own, bytes).expect("writes");
    let (ok, said) = verify(&started);
    assert!(!ok && said.contains(", 1 damaged"), "{said}");

    std::fs::remove_dir_all(started.service.path("state")).expect("another host has none");
    started.restart(&[]);
    started.feed();
    let log = started.service.log();
    assert!(log.contains("checkpoint passed over") && log.contains("restored from a checkpoint"), "{log}");
    started.check();
}

#[test]
fn offsets_that_were_deleted_or_moved_are_named_and_accepted_once() {
    let mut started = Started::new(&shared(), "offsets", Vec::new());
    started.service.stop();
    let end = started.journal().last().expect("a batch").to;
    let group = |name: &str| vec![("PORTCULLIS_SCORE__GROUP".to_owned(), name.to_owned())];

    // A renamed group has no offsets, as one whose offsets were deleted.
    started.environment = group(&unique("renamed"));
    started.restart(&[]);
    started.wait_for_log("offsets-missing");
    assert!(started.service.log().contains("--accept-offsets"), "{}", started.service.log());
    started.service.stop();
    started.restart(&["--accept-offsets"]);
    started.feed();
    started.service.stop();
    let said: Vec<JournalRecord> = started.journal().into_iter().filter(|j| j.kind == JournalKind::AcceptedOffsets).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].to, end);
    started.restart(&[]);
    started.feed();
    started.service.stop();

    let moved = unique("moved");
    commit(started.service.settings(), &moved, &started.service.names.events, 5);
    started.environment = group(&moved);
    started.restart(&[]);
    started.wait_for_log("offsets-moved");
    started.service.stop();
    started.restart(&["--accept-offsets"]);
    started.feed();
    started.check();
}

/// As an operator's tool does.
fn commit(settings: &Settings, group: &str, topic: &str, offset: i64) {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &settings.bootstrap_servers).set("group.id", group).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).expect("an offset");
    consumer.commit(&list, CommitMode::Sync).expect("committed");
}
