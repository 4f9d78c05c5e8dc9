//! Checkpoints over a real S3 API: the conditional put in a race, restore with fallback, collection.

use portcullis_integration_tests::s3::S3;
use portcullis_state::PartitionIdentity;
use portcullis_state::checkpoint::{About, CheckpointFault, Checkpoints, Keeping};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

static GOING: AtomicBool = AtomicBool::new(false);

fn identity() -> PartitionIdentity {
    PartitionIdentity { log: "portcullis.events".into(), partition: 0, partitions: 1, state_version: 2, oldest_state_version: 1 }
}

fn about(position: i64) -> About {
    About { position, ..About::default() }
}

/// A directory as a state's: small files, and one so large that it is uploaded in parts.
fn directory(at: &Path, own: &[u8]) {
    std::fs::create_dir(at).expect("a folder");
    std::fs::write(at.join("CURRENT"), own).expect("a file");
    for n in 0..5_u8 {
        std::fs::write(at.join(format!("00000{n}.sst")), vec![n; 40_000]).expect("a file");
    }
    let large: Vec<u8> = (0..20_000_000_u32).map(|n| (n >> 8) as u8).collect();
    std::fs::write(at.join("000009.sst"), large).expect("a file");
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).expect("a folder").map(|e| e.expect("a file").path());
    let mut all: Vec<(String, Vec<u8>)> =
        entries.map(|p| (p.file_name().expect("a name").to_string_lossy().into_owned(), std::fs::read(&p).expect("reads"))).collect();
    all.sort();
    all
}

#[test]
fn checkpoints_on_s3() {
    let (s3, folder) = (S3::start(), tempfile::tempdir().expect("a folder"));
    let path = |name: &str| folder.path().join(name);
    let open_with = |keeping| Checkpoints::open(&s3.url("a/prefix"), &s3.options(), keeping).expect("a store");
    let open = || open_with(Keeping::default());
    directory(&path("one"), b"one");
    let store = open();
    let first = store.save(&identity(), &about(10), &path("one"), &GOING).expect("saved");
    assert_eq!((first.sequence, first.files, first.uploaded_files), (1, 7, 7));

    std::fs::write(path("one").join("CURRENT"), b"two").expect("a file");
    let second = store.save(&identity(), &about(20), &path("one"), &GOING).expect("saved");
    assert_eq!((second.sequence, second.uploaded_files, second.uploaded_bytes), (2, 1, 3), "only what is new");
    let restored = open().restore(&identity(), 0..100, &path("restored"), &GOING).expect("restored");
    assert_eq!(restored.from.map(|(sequence, _)| sequence), Some(2));
    assert_eq!(files(&path("restored")), files(&path("one")));
    assert!(open().verify(&identity(), &GOING).expect("verified").iter().all(|v| v.damage.is_none()));

    // Eight at once, again and again: each number is won by one.
    let mut won = Vec::new();
    for round in 0..5 {
        let results: Vec<Option<u64>> = std::thread::scope(|scope| {
            let savers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| match open().save(&identity(), &about(30), &path("one"), &GOING) {
                        Ok(saved) => Some(saved.sequence),
                        Err(CheckpointFault::Raced { .. }) => None,
                        Err(fault) => panic!("{fault}"),
                    })
                })
                .collect();
            savers.into_iter().map(|saver| saver.join().expect("a saver")).collect()
        });
        let winners: Vec<u64> = results.into_iter().flatten().collect();
        assert!(!winners.is_empty(), "round {round}: nobody won");
        won.extend(winners);
    }
    let count = won.len();
    won.sort_unstable();
    won.dedup();
    assert_eq!(won.len(), count, "two won the same number");

    // What is old and not needed goes, what is needed stays.
    std::thread::sleep(Duration::from_secs(3));
    store.save(&identity(), &about(40), &path("one"), &GOING).expect("saved");
    // Nobody saves meanwhile, so the grace period need not cover that.
    let collector = open_with(Keeping { keep: 1, grace: Duration::from_secs(2) });
    let collected = collector.collect(&identity()).expect("collected");
    assert!(collected.manifests >= 2 && collected.files >= 1, "{collected:?}");
    assert!(open().verify(&identity(), &GOING).expect("verified").iter().all(|v| v.damage.is_none()));
    let restored = open().restore(&identity(), 0..100, &path("again"), &GOING).expect("restored");
    assert_eq!(restored.from.map(|(_, manifest)| manifest.position), Some(40));
    assert_eq!(files(&path("again")), files(&path("one")));
}

#[test]
fn a_store_that_does_not_answer_or_refuses_is_named() {
    let options = |endpoint: &str| {
        let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            option("aws_endpoint", endpoint),
            option("aws_allow_http", "true"),
            option("aws_region", "us-east-1"),
            option("aws_access_key_id", "a"),
            option("aws_secret_access_key", "b"),
            option("connect_timeout", "1s"),
        ]
    };
    let refused = Checkpoints::open("s3://bucket/prefix", &options("http://127.0.0.1:9"), Keeping::default()).expect("a store");
    let fault = refused.list(&identity()).expect_err("nobody is there").to_string();
    assert!(fault.contains("s3://bucket/prefix") && fault.contains("Check the address, the credentials"), "{fault}");
}
