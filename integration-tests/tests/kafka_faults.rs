//! The commit loop through the loss of its broker: every output once, whatever the answer to a commit was.

use portcullis_connectors::kafka::{
    Batch, CommitFault, KafkaFault, Reader, Settings, Sink, SinkSettings, Source, SourceSettings, Start, TopicPartition,
};
use portcullis_integration_tests::kafka::{Broker, create_topic};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 3;
const COUNT: usize = 30_000;
/// Small, so that the faults fall into the middle of many transactions.
const RECORDS_PER_TRANSACTION: usize = 20;
const PATIENCE: Duration = Duration::from_secs(120);

fn load(settings: &Settings, topic: &str, numbers: std::ops::Range<usize>) {
    let mut sink = Sink::open(settings, SinkSettings::new("load")).unwrap();
    sink.begin().unwrap();
    for i in numbers {
        let text = i.to_string();
        sink.send(topic, None, Some(text.as_bytes()), Some(text.as_bytes()), &[], None).unwrap();
    }
    sink.commit_outputs().unwrap();
}

/// What became of the transactions.
#[derive(Debug, Default)]
struct Tally {
    committed: usize,
    not_committed: usize,
    unknown: usize,
    rotations: u64,
}

/// The commit loop as a worker runs it, without state: in doubt, the group's committed offset decides where to go on.
fn work(settings: &Settings, done: &AtomicBool, passed: &AtomicUsize) -> Tally {
    let mut source = Source::open(settings, &SourceSettings::new("workers", "one", &["in"])).unwrap();
    let mut sink = Sink::open(settings, SinkSettings::new("worker-one")).unwrap();
    let mut batch = Batch::new();
    let mut tally = Tally::default();
    while !done.load(Ordering::Relaxed) {
        let received = source.receive(&mut batch, RECORDS_PER_TRANSACTION, Duration::from_millis(20), Duration::from_millis(200)).unwrap();
        assert_eq!(received.faults, []);
        resume(&mut source, &received.assigned);
        source.release().unwrap();
        if batch.is_empty() {
            continue;
        }
        let outcome = transact(&mut sink, &source, &batch);
        match outcome {
            Ok(()) => {
                tally.committed += 1;
                passed.fetch_add(batch.len(), Ordering::Relaxed);
                continue;
            }
            Err(CommitFault::Fenced(fault)) => panic!("{fault}"),
            Err(CommitFault::Unknown { .. }) => tally.unknown += 1,
            Err(_) => tally.not_committed += 1,
        }
        until(|| sink.abort());
        let partitions: Vec<TopicPartition> = batch.partitions().map(|records| records.at().clone()).collect();
        let started = source.started().unwrap();
        resume(&mut source, &partitions.into_iter().filter(|at| started.contains(at)).collect::<Vec<_>>());
    }
    tally.rotations = sink.rotations();
    tally
}

fn transact(sink: &mut Sink, source: &Source, batch: &Batch) -> Result<(), CommitFault> {
    until(|| sink.begin());
    for record in batch.iter() {
        sink.send("out", None, record.key, record.value, &[], None).map_err(|reason| CommitFault::NotCommitted { reason })?;
    }
    sink.commit(&batch.next_offsets(), source).map(drop)
}

fn resume(source: &mut Source, partitions: &[TopicPartition]) {
    if partitions.is_empty() {
        return;
    }
    let mut committed = Vec::new();
    until(|| {
        committed = source.committed(partitions, Duration::from_secs(5))?;
        Ok(())
    });
    for (at, offset) in committed {
        source.start(&at, offset.map_or(Start::Beginning, Start::At)).unwrap();
    }
}

/// Again until the broker is back; a fence never ends by itself.
fn until(mut action: impl FnMut() -> Result<(), KafkaFault>) {
    let began = Instant::now();
    while let Err(fault) = action() {
        assert!(!matches!(fault, KafkaFault::Fenced { .. }) && began.elapsed() < PATIENCE, "{fault}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs the loop while `faults` happens to the broker and records keep coming; judges the output.
fn disturbed(faults: impl FnOnce(&mut Broker)) -> Tally {
    let mut broker = Broker::start().unwrap_or_else(|error| panic!("{error}"));
    let settings = broker.settings();
    create_topic(&settings, "in", PARTITIONS);
    create_topic(&settings, "out", PARTITIONS);
    load(&settings, "in", 0..COUNT);
    let (done, passed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let await_passed = |count: usize| {
        let deadline = Instant::now() + PATIENCE;
        while passed.load(Ordering::Relaxed) < count && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let tally = std::thread::scope(|scope| {
        let worker = scope.spawn(|| work(&settings, &done, &passed));
        await_passed(COUNT / 20);
        faults(&mut broker);
        await_passed(COUNT);
        // Transactions whose answer was lost are not in the sum: the output tells when all is there.
        let deadline = Instant::now() + PATIENCE;
        while outputs(&settings).values().sum::<usize>() < COUNT && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
        }
        done.store(true, Ordering::Relaxed);
        worker.join().unwrap()
    });
    let outputs = outputs(&settings);
    let (lost, doubled) = (COUNT - outputs.len(), outputs.values().filter(|times| **times > 1).count());
    assert_eq!((lost, doubled), (0, 0), "{tally:?}");
    println!("{tally:?}");
    tally
}

/// How often each value is in the output, as a `read_committed` consumer sees it.
fn outputs(settings: &Settings) -> BTreeMap<usize, usize> {
    let mut reader = Reader::open(settings).unwrap();
    let mut times = BTreeMap::new();
    for partition in 0..PARTITIONS {
        reader
            .read(&TopicPartition::new("out", partition), Start::Beginning, None, |record| {
                let value = std::str::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
                *times.entry(value).or_insert(0) += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    times
}

#[test]
fn a_broker_killed_and_restarted_costs_and_doubles_no_output() {
    let tally = disturbed(|broker| {
        for _ in 0..2 {
            broker.kill();
            std::thread::sleep(Duration::from_millis(500));
            broker.restart().unwrap();
            std::thread::sleep(Duration::from_secs(2));
        }
    });
    assert!(tally.committed > 0, "{tally:?}");
}

#[test]
fn a_broker_that_freezes_costs_and_doubles_no_output_and_a_slow_commit_replaces_the_producer() {
    let tally = disturbed(|broker| {
        for seconds in [2, 7] {
            broker.freeze();
            std::thread::sleep(Duration::from_secs(seconds));
            broker.thaw();
            std::thread::sleep(Duration::from_secs(2));
        }
    });
    assert!(tally.rotations > 0, "{tally:?}");
}
