//! What a person is told when a state directory cannot be used, and the edges of what it takes.

mod common;

use common::{Note, RETENTION_MS, identity, tiny};
use portcullis_state::{KEY_BYTES_MAX, Meta, Partition, PartitionIdentity, StateFault, Value, destroy};
use std::path::{Path, PathBuf};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("state");
    (folder, dir)
}

fn open(dir: &Path) -> Result<Partition<Note>, StateFault> {
    Partition::open(dir, &tiny(), &identity())
}

fn opened_as(dir: &Path, identity: &PartitionIdentity) -> String {
    match Partition::<Note>::open(dir, &tiny(), identity) {
        Ok(_) => panic!("opened as {identity:?}"),
        Err(fault) => fault.to_string(),
    }
}

fn put(partition: &mut Partition<Note>, key: &[u8], seen_ms: i64, text: &[u8]) {
    let slot = partition.slot(key, 0).expect("a slot");
    partition.set(slot, Note { seen_ms, text: text.to_vec() });
}

fn at(position: i64, log_time_ms: i64) -> Meta {
    Meta { position, log_time_ms, extra: Vec::new() }
}

#[test]
fn a_directory_is_opened_once() {
    let (_folder, dir) = folder();
    let first = open(&dir).expect("opens");
    let fault = open(&dir).err().expect("the second is refused");
    assert!(matches!(fault, StateFault::Locked { .. }), "{fault:?}");
    assert!(matches!(destroy(&dir), Err(StateFault::Locked { .. })), "an open state is not deleted");
    drop(first);
    open(&dir).expect("opens again once the first is gone");
}

#[test]
fn another_partitions_state_is_refused_and_named() {
    let (_folder, dir) = folder();
    open(&dir).expect("opens").close().expect("closes");
    let same = identity();
    assert!(
        opened_as(&dir, &PartitionIdentity { log: "other.events".into(), ..same.clone() })
            .contains("its log is portcullis.events, wanted other.events")
    );
    assert!(opened_as(&dir, &PartitionIdentity { partition: 4, ..same.clone() }).contains("its partition is 3, wanted 4"));
    assert!(opened_as(&dir, &PartitionIdentity { partitions: 24, ..same.clone() }).contains("its number of partitions is 12, wanted 24"));
    assert!(
        opened_as(&dir, &PartitionIdentity { state_version: 6, oldest_state_version: 6, ..same.clone() })
            .contains("written by a newer release")
    );
    let older = Partition::<Note>::open(&dir, &tiny(), &PartitionIdentity { state_version: 8, oldest_state_version: 8, ..same }).err();
    assert!(
        matches!(older, Some(StateFault::OlderState { found: 7, wanted: 8, .. })),
        "the caller can tell it from the rest, to migrate or replay"
    );
    open(&dir).expect("a refusal changed nothing");
}

#[test]
fn a_deletion_that_was_cut_short_leaves_all_or_nothing_or_what_can_be_thrown_away() {
    let (_whole, whole) = folder();
    let mut partition = open(&whole).expect("opens");
    for n in 1..=2 {
        put(&mut partition, format!("key-{n}").as_bytes(), n, b"kept");
        partition.commit(at(n, n));
        partition.persist().expect("persists");
    }
    partition.close().expect("closes");
    let files = std::fs::read_dir(&whole).expect("a folder").map(|file| file.expect("a file").file_name());
    // Without what it does not read.
    let files: Vec<_> = files.filter(|f| !f.to_string_lossy().starts_with("LO")).collect();
    let named = |prefix: &str| files.iter().position(|f| f.to_string_lossy().starts_with(prefix)).expect("RocksDB writes it");
    let mut damaged = 0;
    for gone in 0..1u32 << files.len() {
        let (_folder, dir) = folder();
        std::fs::create_dir(&dir).expect("a folder");
        for (n, file) in files.iter().enumerate().filter(|(n, _)| gone & 1 << n == 0) {
            std::fs::copy(whole.join(file), dir.join(file)).unwrap_or_else(|e| panic!("file {n}: {e}"));
        }
        match open(&dir) {
            Ok(partition) => {
                let position = partition.meta().map(|meta| meta.position);
                assert!(matches!(position, None | Some(2)), "{position:?} without {gone:b} of {files:?}");
                assert!(position.is_none() || gone & 1 << named("CURRENT") == 0);
            }
            Err(StateFault::Corrupt { .. }) => damaged += 1,
            Err(fault) => panic!("a person would be asked: {fault}"),
        }
        destroy(&dir).expect("is thrown away");
        assert_eq!(open(&dir).expect("begins anew").meta().map(|meta| meta.position), None);
    }
    assert!(damaged > 0);
}

#[test]
fn what_is_not_a_state_is_left_alone() {
    let (_folder, dir) = folder();
    std::fs::create_dir(&dir).expect("a folder");
    std::fs::write(dir.join("thesis.txt"), "years of work").expect("a file");
    for fault in [open(&dir).err(), destroy(&dir).err()] {
        assert!(fault.is_some_and(|fault| fault.to_string().contains("thesis.txt")));
    }
    assert!(dir.join("thesis.txt").exists());

    let (_folder, dir) = folder_with_a_file();
    let fault = open(&dir).err().expect("a file is no directory");
    assert!(matches!(fault, StateFault::Io { .. }) && fault.to_string().contains("state"), "{fault}");

    let (_folder, dir) = folder();
    let foreign = rocksdb::DB::open_default(&dir).expect("a RocksDB of somebody else");
    foreign.put("a", "b").expect("a row");
    drop(foreign);
    assert!(matches!(open(&dir).err(), Some(StateFault::NotAState { .. })));
}

fn folder_with_a_file() -> (tempfile::TempDir, PathBuf) {
    let (folder, dir) = folder();
    std::fs::write(&dir, "a file").expect("a file");
    (folder, dir)
}

#[test]
fn damage_is_a_fault_never_a_value() {
    let (_folder, dir) = folder();
    let mut partition = open(&dir).expect("opens");
    for number in 0..500u32 {
        put(&mut partition, &number.to_be_bytes(), i64::MAX, &number.to_le_bytes().repeat(50));
    }
    partition.commit(at(1, 0));
    partition.close().expect("closes");
    for file in std::fs::read_dir(&dir)
        .expect("readable")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "sst"))
    {
        let mut bytes = std::fs::read(&file).expect("a table");
        // Data blocks stand first; the footer stays whole, so the file still opens.
        for at in (0..bytes.len() / 2).step_by(97) {
            bytes[at] ^= 0x55;
        }
        std::fs::write(&file, bytes).expect("written back");
    }
    let fault = open(&dir).and_then(|mut partition| {
        for number in 0..500u32 {
            let slot = partition.slot(&number.to_be_bytes(), 0)?;
            assert!(partition.value(slot).is_some_and(|note| note.text == number.to_le_bytes().repeat(50)));
        }
        Ok(())
    });
    let fault = fault.expect_err("the damage is seen");
    assert!(matches!(fault, StateFault::Corrupt { .. }) && fault.to_string().contains("Delete the directory"), "{fault:?}");
}

/// Stored bytes that its `decode` refuses.
#[derive(Clone)]
struct Unreadable;

impl Value for Unreadable {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(9);
    }
    fn decode(_: &[u8]) -> Result<Unreadable, String> {
        Err("nine is not a version".into())
    }
    fn weight_bytes(&self) -> usize {
        8
    }
}

#[test]
fn an_unreadable_value_names_its_key_and_fails_a_load_whole() {
    let (_folder, dir) = folder();
    let mut partition = Partition::<Unreadable>::open(&dir, &tiny(), &identity()).expect("opens");
    let slot = partition.slot(b"card\x1fshop\x1f42", 0).expect("absent");
    partition.value_or_insert_with(slot, || Unreadable);
    partition.commit(at(1, 0));
    partition.close().expect("closes");

    let mut partition = Partition::<Unreadable>::open(&dir, &tiny(), &identity()).expect("opens");
    let mut slots = Vec::new();
    for _ in 0..2 {
        let fault = partition.load([&b"a"[..], b"card\x1fshop\x1f42", b"z"], &mut slots).expect_err("unreadable");
        assert!(fault.to_string().contains("card\\x1fshop\\x1f42 cannot be read: nine is not a version"), "{fault}");
        assert!(slots.is_empty());
    }
    partition.compact();
    assert!(partition.slot(b"card\x1fshop\x1f42", 0).is_err(), "compaction does not hide it");
}

#[test]
fn long_keys_and_large_values_pass_and_too_long_ones_are_refused() {
    let (_folder, dir) = folder();
    let mut partition = open(&dir).expect("opens");
    let (longest, large) = (vec![b'k'; KEY_BYTES_MAX], vec![0xab; 8 << 20]);
    put(&mut partition, &longest, i64::MAX, &large);
    put(&mut partition, b"", i64::MAX, b"the empty key is a key");
    partition.commit(at(1, 0));
    let too_long = vec![b'k'; KEY_BYTES_MAX + 1];
    assert!(matches!(partition.slot(&too_long, 0), Err(StateFault::KeyTooLong { .. })));
    assert!(matches!(partition.load([too_long.as_slice()], &mut Vec::new()), Err(StateFault::KeyTooLong { .. })));
    partition.close().expect("closes");

    let mut partition = open(&dir).expect("opens");
    let slot = partition.slot(&longest, 0).expect("there");
    assert!(partition.value(slot).is_some_and(|note| note.text == large));
    let slot = partition.slot(b"", 0).expect("there");
    assert!(partition.value(slot).is_some_and(|note| note.text == b"the empty key is a key"));
}

#[test]
fn expired_is_absent_wherever_the_value_stands_and_compaction_changes_nothing() {
    let (_folder, dir) = folder();
    let mut partition = open(&dir).expect("opens");
    put(&mut partition, b"idle", 100, b"x");
    put(&mut partition, b"idle, with a timer", 100, b"x");
    let slot = partition.slot(b"idle, with a timer", 0).expect("a slot");
    partition.set_timer(slot, Some(5_000));
    partition.commit(at(1, 100));
    let last_ms = 100 + RETENTION_MS;
    for reopened in [false, true] {
        if reopened {
            partition.close().expect("closes");
            partition = open(&dir).expect("opens");
        }
        let slot = partition.slot(b"idle", last_ms).expect("a slot");
        assert!(partition.value(slot).is_some(), "not yet");
        // The next record of the same batch is later.
        assert_eq!(partition.slot(b"idle", last_ms + 1).expect("a slot"), slot);
        assert!(partition.value(slot).is_none() && partition.value_mut(slot).is_none());
        assert_eq!(partition.changed().count(), 0, "to have expired is no change");
        partition.abort();
    }
    // Compaction goes by what is on disk: a log time that a crash could take back drops nothing.
    put(&mut partition, b"other", i64::MAX, b"x");
    partition.commit(at(2, last_ms + 1));
    partition.flush().expect("flushes");
    partition.compact();
    let rows = |dir: &Path| {
        let db = rocksdb::DB::open_for_read_only(&rocksdb::Options::default(), dir, false).expect("readable beside the owner");
        db.iterator(rocksdb::IteratorMode::Start).flatten().filter(|(key, _)| key[0] == 1).count()
    };
    assert_eq!(rows(&dir), 3);
    partition.persist().expect("persists");
    partition.compact();
    assert_eq!(rows(&dir), 2, "the idle one went, the one with a timer stays");
    let (due_ms, slot) = partition.next_due_timer(5_000).expect("reads").expect("is due");
    assert_eq!((due_ms, partition.key(slot), partition.value(slot)), (5_000, &b"idle, with a timer"[..], None));
}

#[test]
fn a_checkpoint_is_a_state_of_its_own() {
    let (folder, dir) = folder();
    let mut partition = open(&dir).expect("opens");
    put(&mut partition, b"a", i64::MAX, b"then");
    partition.commit(at(41, 5));
    // What a running batch did is no part of it.
    put(&mut partition, b"a", i64::MAX, b"not yet");
    let copy = folder.path().join("checkpoint");
    partition.checkpoint(&copy).expect("a checkpoint");
    assert_eq!(partition.stats().persisted_position, Some(41));
    partition.commit(at(42, 5));
    partition.close().expect("closes");

    let mut restored = open(&copy).expect("opens");
    assert_eq!(restored.meta(), Some(&at(41, 5)));
    let slot = restored.slot(b"a", 5).expect("a slot");
    assert_eq!(restored.value(slot).map(|note| note.text.as_slice()), Some(&b"then"[..]));
    assert!(matches!(restored.checkpoint(&dir), Err(StateFault::Io { .. })), "over an existing directory: refused");
}

#[test]
fn the_hot_table_keeps_to_its_budget_and_shares_it() {
    let shared = portcullis_state::Shared::new(portcullis_state::StateOptions { hot_bytes: 4 << 20, ..tiny_options() });
    let (_one, one_dir) = folder();
    let (_two, two_dir) = folder();
    let mut one = Partition::<Note>::open(&one_dir, &shared, &identity()).expect("opens");
    let fill = |partition: &mut Partition<Note>, from: i64| {
        for batch in from..from + 200 {
            for number in 0..100i64 {
                put(partition, &(batch * 100 + number).to_be_bytes(), i64::MAX, &[1; 300]);
            }
            partition.commit(at(batch, 0));
            partition.flush_if_due(std::time::Instant::now()).expect("flushes");
        }
        partition.flush().expect("flushes");
        partition.commit(at(from + 200, 0));
    };
    fill(&mut one, 0);
    let alone = one.stats();
    assert!((3 << 20..=4 << 20).contains(&alone.hot_bytes) && alone.evicted > 5_000, "{alone:?}");
    let two = Partition::<Note>::open(&two_dir, &shared, &identity()).expect("opens");
    fill(&mut one, 1_000);
    let beside_another = one.stats();
    assert!((1 << 20..=2 << 20).contains(&beside_another.hot_bytes), "{beside_another:?}");
    drop(two);
    // Nothing was lost on the way.
    let mut count = 0;
    one.for_each(|_, value, _| count += usize::from(value.is_some())).expect("reads");
    assert_eq!(count, 40_000);
}

fn tiny_options() -> portcullis_state::StateOptions {
    portcullis_state::StateOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 1 << 20, ..Default::default() }
}
