//! Checkpoints as a folder: what is saved comes back byte for byte, damage is seen, and no collector takes what a checkpoint needs.

mod common;

use common::{Note, identity, tiny};
use portcullis_state::checkpoint::{About, CheckpointFault, Checkpoints, JournalStand, Keeping};
use portcullis_state::{Meta, Partition, PartitionIdentity};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

static GOING: AtomicBool = AtomicBool::new(false);

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self, keeping: Keeping) -> Checkpoints {
        Checkpoints::open(&format!("file://{}", self.path("store").display()), &[], keeping).expect("a store")
    }

    /// A stored file that holds the values.
    fn table(&self) -> PathBuf {
        let files = self.path("store/portcullis.events/3/files");
        let mut all: Vec<PathBuf> = std::fs::read_dir(files).expect("files").map(|f| f.expect("a file").path()).collect();
        all.sort_by_key(|path| std::fs::metadata(path).expect("a file").len());
        all.pop().expect("at least one file")
    }
}

/// A partition with `values` values, standing at `position`.
fn grow(partition: &mut Partition<Note>, values: std::ops::Range<u64>, position: i64) {
    for n in values {
        let slot = partition.slot(format!("key-{n}").as_bytes(), 0).expect("a slot");
        partition.set(slot, Note { seen_ms: i64::MAX, text: format!("value {n} {}", blake(n)).into_bytes() });
    }
    partition.commit(Meta { position, log_time_ms: 0, extra: Vec::new() });
}

fn blake(n: u64) -> String {
    blake3::hash(&n.to_le_bytes()).to_hex().to_string()
}

fn about(position: i64) -> About {
    let journal = JournalStand { digest: "ab".into(), at_least: position + 7 };
    About { position, log_time_ms: 1, journal, engine: "test".into() }
}

fn contents(dir: &Path) -> (Vec<(Vec<u8>, Note)>, i64) {
    let mut partition: Partition<Note> = Partition::open(dir, &tiny(), &identity()).expect("opens");
    let mut all = Vec::new();
    partition.for_each(|key, value, _| all.extend(value.map(|value| (key.to_vec(), value)))).expect("reads");
    (all, partition.meta().map_or(0, |meta| meta.position))
}

#[test]
fn what_is_saved_comes_back_and_only_what_is_new_is_uploaded() {
    let place = Place::new();
    let store = place.store(Keeping::default());
    let mut partition: Partition<Note> = Partition::open(&place.path("state"), &tiny(), &identity()).expect("opens");
    grow(&mut partition, 0..2_000, 10);
    partition.checkpoint(&place.path("one")).expect("a checkpoint");
    let first = store.save(&identity(), &about(10), &place.path("one"), &GOING).expect("saved");
    assert_eq!((first.sequence, first.position, first.uploaded_files), (1, 10, first.files));

    grow(&mut partition, 2_000..2_100, 20);
    partition.checkpoint(&place.path("two")).expect("a checkpoint");
    let second = store.save(&identity(), &about(20), &place.path("two"), &GOING).expect("saved");
    assert_eq!(second.sequence, 2);
    assert!(second.uploaded_bytes * 3 < second.bytes, "{second:?}");
    partition.close().expect("closes");

    let restored = store.restore(&identity(), 0..i64::MAX, &place.path("restored"), &GOING).expect("restored");
    let (sequence, manifest) = restored.from.expect("a checkpoint");
    assert_eq!((sequence, manifest.position, manifest.parent, restored.passed_over.len()), (2, 20, Some(1), 0));
    assert_eq!(manifest.journal, JournalStand { digest: "ab".into(), at_least: 27 });
    assert_eq!(contents(&place.path("restored")), contents(&place.path("state")));

    let older = store.restore(&identity(), 0..20, &place.path("older"), &GOING).expect("restored");
    assert_eq!(older.from.map(|(sequence, _)| sequence), Some(1), "nothing ahead of what is wanted");
    assert_eq!(contents(&place.path("older")).1, 10);
    let none = store.restore(&identity(), 21..100, &place.path("none"), &GOING).expect("asked");
    assert!(none.from.is_none() && !place.path("none").exists());
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_mended_by_the_next() {
    type Damage = fn(&Place);
    let alter: Damage = |place| {
        let table = place.table();
        let mut bytes = std::fs::read(&table).expect("reads");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&table, bytes).expect("writes");
    };
    let remove: Damage = |place| std::fs::remove_file(place.table()).expect("removed");
    let cut: Damage = |place| std::fs::write(place.table(), b"short").expect("writes");
    let manifest: Damage = |place| {
        let path = place.path("store/portcullis.events/3/manifests/00000000000000000002.json");
        let text = std::fs::read_to_string(&path).expect("reads").replace("\"position\":20", "\"position\":21");
        std::fs::write(path, text).expect("writes");
    };
    for (what, damage) in [("altered", alter), ("removed", remove), ("cut", cut), ("manifest", manifest)] {
        let place = Place::new();
        let mut partition: Partition<Note> = Partition::open(&place.path("state"), &tiny(), &identity()).expect("opens");
        let store = place.store(Keeping::default());
        grow(&mut partition, 0..10, 10);
        partition.checkpoint(&place.path("one")).expect("a checkpoint");
        store.save(&identity(), &about(10), &place.path("one"), &GOING).expect("saved");
        grow(&mut partition, 10..5_000, 20);
        partition.checkpoint(&place.path("two")).expect("a checkpoint");
        store.save(&identity(), &about(20), &place.path("two"), &GOING).expect("saved");
        damage(&place);

        // Another process, which has read nothing yet.
        let store = place.store(Keeping::default());
        let verified = store.verify(&identity(), &GOING).expect("verified");
        let damaged: Vec<u64> = verified.iter().filter(|v| v.damage.is_some()).map(|v| v.stored.sequence).collect();
        assert_eq!(damaged, [2], "{what}");
        let restored = store.restore(&identity(), 0..i64::MAX, &place.path("restored"), &GOING).expect("restored");
        assert_eq!(restored.from.map(|(sequence, _)| sequence), Some(1), "{what}");
        assert_eq!(restored.passed_over.len(), 1, "{what}");
        assert_eq!(contents(&place.path("restored")).1, 10, "{what}");

        store.save(&identity(), &about(20), &place.path("two"), &GOING).expect("saved");
        let again = store.restore(&identity(), 11..i64::MAX, &place.path("again"), &GOING).expect("restored");
        assert_eq!(again.from.map(|(sequence, _)| sequence), Some(3), "{what}: what is damaged is not used again");
        assert_eq!(contents(&place.path("again")), contents(&place.path("two")), "{what}");
    }
}

#[test]
fn a_checkpoint_of_a_newer_release_is_passed_over() {
    let place = Place::new();
    let store = place.store(Keeping::default());
    let newer = PartitionIdentity { state_version: 8, ..identity() };
    let mut partition: Partition<Note> = Partition::open(&place.path("state"), &tiny(), &newer).expect("opens");
    grow(&mut partition, 0..10, 10);
    partition.checkpoint(&place.path("one")).expect("a checkpoint");
    store.save(&newer, &about(10), &place.path("one"), &GOING).expect("saved");
    let restored = store.restore(&identity(), 0..i64::MAX, &place.path("restored"), &GOING).expect("asked");
    assert!(restored.from.is_none() && restored.passed_over[0].why.contains("state version 8"), "{restored:?}");
    let calling_off = AtomicBool::new(true);
    let off = store.restore(&newer, 0..i64::MAX, &place.path("restored"), &calling_off);
    assert!(matches!(off, Err(CheckpointFault::CalledOff)), "{off:?}");
    assert!(!place.path("restored").exists());
}

#[test]
fn two_savers_of_the_same_number_one_wins() {
    let place = Place::new();
    let mut partition: Partition<Note> = Partition::open(&place.path("state"), &tiny(), &identity()).expect("opens");
    grow(&mut partition, 0..10, 10);
    partition.checkpoint(&place.path("one")).expect("a checkpoint");
    for round in 0..20 {
        let sequences: Vec<Option<u64>> = std::thread::scope(|scope| {
            let savers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| match place.store(Keeping::default()).save(&identity(), &about(10), &place.path("one"), &GOING) {
                        Ok(saved) => Some(saved.sequence),
                        Err(CheckpointFault::Raced { .. }) => None,
                        Err(fault) => panic!("{fault}"),
                    })
                })
                .collect();
            savers.into_iter().map(|saver| saver.join().expect("a saver")).collect()
        });
        let mut won: Vec<u64> = sequences.into_iter().flatten().collect();
        won.sort_unstable();
        assert!(!won.is_empty(), "round {round}: nobody won");
        assert!(won.windows(2).all(|pair| pair[0] != pair[1]), "round {round}: two won one number: {won:?}");
    }
}

/// Savers and collectors at random, all sharing files, with a grace period of a moment: whatever a manifest refers to is there.
#[test]
fn no_collector_takes_what_a_checkpoint_needs() {
    let place = Place::new();
    let keeping = Keeping { keep: 2, grace: Duration::from_millis(120) };
    // Directories that share most of their files, as those of one partition and of the one restored from it do.
    let dirs: Vec<PathBuf> = (0..6)
        .map(|n| {
            let dir = place.path(&format!("dir-{n}"));
            std::fs::create_dir(&dir).expect("a folder");
            for shared in 0..8 {
                std::fs::write(dir.join(format!("{shared}.sst")), blake(shared + u64::from(n > 2) * (shared % 3))).expect("a file");
            }
            std::fs::write(dir.join("own.sst"), blake(1_000 + n)).expect("a file");
            dir
        })
        .collect();
    let (ended, saved, collected) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let position = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for owner in 0..3_usize {
            let (place, dirs, ended, saved, collected, position) = (&place, &dirs, &ended, &saved, &collected, &position);
            scope.spawn(move || {
                let store = place.store(keeping);
                let mut turn = owner;
                while !ended.load(Ordering::Relaxed) {
                    turn += 1;
                    // A zombie now and then saves an older position.
                    let at = position.fetch_add(1, Ordering::Relaxed) as i64 - if turn.is_multiple_of(7) { 20 } else { 0 };
                    match store.save(&identity(), &about(at), &dirs[(turn * 5 + owner) % dirs.len()], &GOING) {
                        Ok(_) => {
                            saved.fetch_add(1, Ordering::Relaxed);
                            let gone = store.collect(&identity()).expect("collected");
                            collected.fetch_add(gone.files, Ordering::Relaxed);
                        }
                        Err(CheckpointFault::Raced { .. } | CheckpointFault::TooSlow { .. }) => {}
                        Err(fault) => panic!("{fault}"),
                    }
                    std::thread::sleep(Duration::from_millis((turn as u64 * 7) % 40));
                }
            });
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(6) {
            for verified in place.store(keeping).verify(&identity(), &GOING).expect("verified") {
                let Some(damage) = verified.damage else { continue };
                // Unless the manifest itself went while it was looked at.
                let still = place.store(keeping).list(&identity()).expect("listed");
                assert!(
                    !still.iter().any(|s| s.sequence == verified.stored.sequence),
                    "checkpoint {} needs what was taken: {damage}",
                    verified.stored.sequence
                );
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    let left = place.store(keeping).list(&identity()).expect("listed").len();
    let (saved, collected) = (saved.into_inner(), collected.into_inner());
    assert!(saved > 20 && collected > 20 && left < saved, "nothing was tried: {saved} saved, {collected} collected, {left} left");
}
