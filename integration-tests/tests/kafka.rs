//! Source, sink, reader and topics against a real broker. No test asserts on speed.

use portcullis_connectors::kafka::sink::RECORD_BYTES_MAX;
use portcullis_connectors::kafka::topics::{self, What};
use portcullis_connectors::kafka::{
    Batch, CommitFault, KafkaFault, OffsetReset, PartitionFaultKind, Reader, Received, Settings, Sink, SinkSettings, Source,
    SourceSettings, Start, Timestamp, TopicPartition, connect_check, partition_of,
};
use portcullis_integration_tests::kafka::{create_topic, shared, unique};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LINGER: Duration = Duration::from_millis(20);
const IDLE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(60);
const METADATA: Duration = Duration::from_secs(10);

/// Writes `count` records `0..count` under keys of their own.
fn load(settings: &Settings, topic: &str, count: usize) {
    let mut sink = Sink::open(settings, SinkSettings::new(unique("load"))).unwrap();
    sink.begin().unwrap();
    for i in 0..count {
        let text = i.to_string();
        sink.send(topic, None, Some(text.as_bytes()), Some(text.as_bytes()), &[], None).unwrap();
    }
    sink.commit_outputs().unwrap();
}

/// Every committed record of a topic, by partition, as text.
fn read_all(settings: &Settings, topic: &str) -> BTreeMap<i32, Vec<String>> {
    let mut reader = Reader::open(settings).unwrap();
    let mut all = BTreeMap::new();
    for partition in 0..reader.partitions(topic).unwrap() {
        let mut values = Vec::new();
        reader
            .read(&TopicPartition::new(topic, partition), Start::Beginning, None, |record| {
                values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
                ControlFlow::Continue(())
            })
            .unwrap();
        all.insert(partition, values);
    }
    all
}

/// The values of a topic, sorted: each must be there once.
fn values(settings: &Settings, topic: &str) -> Vec<usize> {
    let mut values: Vec<usize> = read_all(settings, topic).into_values().flatten().map(|value| value.parse().unwrap()).collect();
    values.sort_unstable();
    values
}

/// The broker answers a commit before its markers are in every partition: readers see the records a moment later.
fn assert_values(settings: &Settings, topic: &str, expected: Vec<usize>) {
    let deadline = Instant::now() + METADATA;
    while values(settings, topic) != expected && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(values(settings, topic), expected);
}

fn source(settings: &Settings, group: &str, instance: &str, topic: &str) -> Source {
    Source::open(settings, &SourceSettings::new(group, instance, &[topic])).unwrap()
}

/// Answers a rebalance as a stateless worker does: start where the group's offset is, else at the beginning.
fn follow(source: &mut Source, received: &Received) {
    assert_eq!(received.faults, []);
    for (at, offset) in source.committed(&received.assigned, METADATA).unwrap() {
        source.start(&at, offset.map_or(Start::Beginning, Start::At)).unwrap();
    }
    if !received.revoked.is_empty() {
        source.release().unwrap();
    }
}

/// Receives until records come.
fn receive(source: &mut Source, batch: &mut Batch) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let received = source.receive(batch, 1000, LINGER, IDLE).unwrap();
        follow(source, &received);
        if !batch.is_empty() {
            assert!(received.assigned.is_empty() && received.revoked.is_empty(), "a rebalance and records never come together");
            return;
        }
    }
    panic!("no records within {PATIENCE:?}");
}

/// Waits until the source owns and has started exactly `count` partitions.
fn await_partitions(source: &mut Source, count: usize) {
    let mut batch = Batch::new();
    let deadline = Instant::now() + PATIENCE;
    while source.started().unwrap().len() != count {
        assert!(Instant::now() < deadline, "{:?} instead of {count} partitions", source.started());
        let received = source.receive(&mut batch, 1, LINGER, IDLE).unwrap();
        follow(source, &received);
    }
}

/// Passes the batch on to `output`.
fn pass_on(sink: &mut Sink, batch: &Batch, output: &str) {
    for record in batch.iter() {
        sink.send(output, None, record.key, record.value, &[], None).unwrap();
    }
}

/// Consumes `input` to its end in transactions and passes everything on.
fn drain(source: &mut Source, sink: &mut Sink, output: &str, done: usize) {
    let mut batch = Batch::new();
    let mut passed = 0;
    while passed < done {
        receive(source, &mut batch);
        sink.begin().unwrap();
        pass_on(sink, &batch, output);
        sink.commit(&batch.next_offsets(), source).unwrap();
        passed += batch.len();
    }
    assert_eq!(passed, done);
}

#[test]
fn records_keep_key_value_headers_stamp_and_order() {
    let settings = shared();
    let topic = unique("fields");
    let plan = [topics::Topic { name: topic.clone(), ..topics::plan("p", 3, 1, &[]).remove(0) }];
    topics::apply(&settings, &plan).unwrap();
    let mut sink = Sink::open(&settings, SinkSettings::new(unique("sink"))).unwrap();
    sink.begin().unwrap();
    let headers: &[(&str, &[u8])] = &[("type", b"verdict"), ("empty", b""), ("type", b"again")];
    sink.send(&topic, None, Some(b"key"), Some(b"value"), headers, Some(5)).unwrap();
    sink.send(&topic, None, Some(b"key"), None, &[], None).unwrap();
    sink.send(&topic, Some(2), None, Some(b""), &[], None).unwrap();
    sink.commit_outputs().unwrap();

    let group = unique("group");
    let mut source = source(&settings, &group, "one", &topic);
    let (mut batch, mut seen) = (Batch::new(), Vec::new());
    while seen.len() < 3 {
        receive(&mut source, &mut batch);
        assert_eq!(batch.len(), batch.iter().count());
        for record in batch.iter() {
            assert!(matches!(record.timestamp, Timestamp::LogAppend(ms) if ms > 1_600_000_000_000), "{:?}", record.timestamp);
            let headers: Vec<_> = record.headers().map(|(name, value)| (name.to_owned(), value.unwrap().to_vec())).collect();
            assert_eq!(record.topic, 0);
            seen.push((record.partition, record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec), headers));
        }
    }
    let own = partition_of(b"key", 3);
    let of_key: Vec<_> = seen.iter().filter(|(_, key, ..)| key.is_some()).collect();
    assert_eq!(of_key.iter().map(|(partition, ..)| *partition).collect::<Vec<_>>(), [own, own], "murmur2 as Java's producers");
    assert_eq!(of_key[0].2.as_deref(), Some(&b"value"[..]));
    assert_eq!(
        of_key[0].3,
        [("type".to_owned(), b"verdict".to_vec()), ("empty".to_owned(), vec![]), ("type".to_owned(), b"again".to_vec())]
    );
    assert_eq!(of_key[1].2, None, "a tombstone");
    assert!(seen.contains(&(2, None, Some(vec![]), vec![])), "an empty value is no tombstone");
}

#[test]
fn an_aborted_transaction_leaves_no_trace_and_its_input_is_read_again() {
    let settings = shared();
    let (input, output, group) = (unique("in"), unique("out"), unique("group"));
    create_topic(&settings, &input, 2);
    create_topic(&settings, &output, 2);
    load(&settings, &input, 100);
    let mut source = source(&settings, &group, "one", &input);
    let mut sink = Sink::open(&settings, SinkSettings::new(unique("sink"))).unwrap();
    let mut batch = Batch::new();
    receive(&mut source, &mut batch);
    sink.begin().unwrap();
    pass_on(&mut sink, &batch, &output);
    let back = batch.first_offsets();
    sink.abort().unwrap();
    assert_eq!(sink.rotations(), 1, "an abort replaces the producer");
    source.rewind(&back).unwrap();
    drain(&mut source, &mut sink, &output, 100);
    assert_values(&settings, &output, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_worker_lost_in_the_middle_of_a_transaction_leaves_each_output_once() {
    let settings = shared();
    let (input, output, group, id) = (unique("in"), unique("out"), unique("group"), unique("sink"));
    create_topic(&settings, &input, 2);
    create_topic(&settings, &output, 2);
    load(&settings, &input, 500);
    {
        let mut source = source(&settings, &group, "one", &input);
        let mut sink = Sink::open(&settings, SinkSettings::new(&id)).unwrap();
        let mut batch = Batch::new();
        let first = source.receive(&mut batch, 1, LINGER, PATIENCE).unwrap();
        follow(&mut source, &first);
        receive(&mut source, &mut batch);
        sink.begin().unwrap();
        pass_on(&mut sink, &batch, &output);
        sink.commit(&batch.next_offsets(), &source).unwrap();
        // A second batch, not committed: of the rest, or of the first again.
        source.rewind(&batch.first_offsets()).unwrap();
        receive(&mut source, &mut batch);
        sink.begin().unwrap();
        pass_on(&mut sink, &batch, &output);
    }
    let mut source = source(&settings, &group, "one", &input);
    let mut sink = Sink::open(&settings, SinkSettings::new(&id)).unwrap();
    let mut batch = Batch::new();
    let deadline = Instant::now() + PATIENCE;
    while values(&settings, &output).len() < 500 {
        assert!(Instant::now() < deadline);
        let received = source.receive(&mut batch, 100, LINGER, IDLE).unwrap();
        follow(&mut source, &received);
        if !batch.is_empty() {
            sink.begin().unwrap();
            pass_on(&mut sink, &batch, &output);
            sink.commit(&batch.next_offsets(), &source).unwrap();
        }
    }
    assert_values(&settings, &output, (0..500).collect::<Vec<_>>());
}

#[test]
fn partitions_deliver_nothing_before_they_are_started_and_start_where_told() {
    let settings = shared();
    let (input, group) = (unique("in"), unique("group"));
    create_topic(&settings, &input, 2);
    load(&settings, &input, 50);
    let mut source = source(&settings, &group, "one", &input);
    let mut batch = Batch::new();
    let deadline = Instant::now() + PATIENCE;
    let assigned = loop {
        assert!(Instant::now() < deadline);
        let received = source.receive(&mut batch, 1000, LINGER, IDLE).unwrap();
        if !received.assigned.is_empty() {
            break received.assigned;
        }
    };
    assert_eq!(assigned.len(), 2);
    for _ in 0..5 {
        let received = source.receive(&mut batch, 1000, LINGER, IDLE).unwrap();
        assert!(batch.is_empty() && received.faults.is_empty(), "{received:?}");
    }
    let at = TopicPartition::new(input.as_str(), 1);
    let (low, high) = source.watermarks(&at, METADATA).unwrap();
    assert_eq!(low, 0);
    source.start(&at, Start::At(7)).unwrap();
    receive(&mut source, &mut batch);
    let partitions: Vec<_> = batch.partitions().map(|records| (records.at().clone(), records.first_offset())).collect();
    assert_eq!(partitions, [(at.clone(), 7)], "the other one is not started");
    assert!(batch.iter().all(|record| record.offset < high));
    // Started again, it moves, and however often.
    for from in [3, 9, 0, 4, 4, 2, 8, 1, 5, 6] {
        source.start(&at, Start::At(from)).unwrap();
        receive(&mut source, &mut batch);
        assert_eq!(batch.first_offsets(), [(at.clone(), from)]);
    }
}

#[test]
fn an_offset_that_is_not_in_the_log_is_a_fault_of_that_partition_alone() {
    let settings = shared();
    let (input, group) = (unique("in"), unique("group"));
    create_topic(&settings, &input, 2);
    load(&settings, &input, 50);
    let mut source = source(&settings, &group, "one", &input);
    let (mut batch, mut faults, mut records) = (Batch::new(), Vec::new(), 0);
    let deadline = Instant::now() + PATIENCE;
    while faults.is_empty() || records == 0 {
        assert!(Instant::now() < deadline);
        let received = source.receive(&mut batch, 1000, LINGER, IDLE).unwrap();
        for at in &received.assigned {
            // Nothing is committed, and our own logs are never skipped silently: that is a fault, too.
            source.start(at, if at.partition == 0 { Start::At(1_000_000) } else { Start::Committed }).unwrap();
        }
        for fault in received.faults {
            assert_eq!(fault.kind, PartitionFaultKind::OffsetOutOfRange, "{fault:?}");
            if fault.at.partition == 1 {
                source.start(&fault.at, Start::Beginning).unwrap();
            } else {
                faults.push(fault);
            }
        }
        records += batch.len();
    }
    assert_eq!(faults[0].at, TopicPartition::new(input.as_str(), 0));
    assert!(batch.iter().all(|record| record.partition == 1));
}

#[test]
fn rebalances_lose_and_double_nothing() {
    const COUNT: usize = 6000;
    let settings = shared();
    let (input, output, group) = (unique("in"), unique("out"), unique("group"));
    create_topic(&settings, &input, 6);
    create_topic(&settings, &output, 3);
    let (done, passed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let owned: Mutex<BTreeMap<String, BTreeSet<TopicPartition>>> = Mutex::default();
    // A dynamic member, so that its end is told to the group at once.
    let worker = |name: &str, quit: &AtomicBool| {
        let member = SourceSettings { instance: None, ..SourceSettings::new(&group, name, &[&input]) };
        let mut source = Source::open(&settings, &member).unwrap();
        let mut sink = Sink::open(&settings, SinkSettings::new(format!("{group}-{name}"))).unwrap();
        let mut batch = Batch::new();
        let mut mine = BTreeSet::new();
        while !done.load(Ordering::Relaxed) && !quit.load(Ordering::Relaxed) {
            let received = source.receive(&mut batch, 50, LINGER, IDLE).unwrap();
            mine.extend(received.assigned.iter().cloned());
            for at in &received.revoked {
                assert!(mine.remove(at), "{at} was not ours");
            }
            owned.lock().unwrap().insert(name.to_owned(), mine.clone());
            assert!(!received.lost);
            follow(&mut source, &received);
            if batch.is_empty() {
                continue;
            }
            sink.begin().unwrap();
            pass_on(&mut sink, &batch, &output);
            match sink.commit(&batch.next_offsets(), &source) {
                Ok(_) => drop(passed.fetch_add(batch.len(), Ordering::Relaxed)),
                Err(CommitFault::Fenced(fault)) => panic!("{fault}"),
                Err(_) => {
                    sink.abort().unwrap();
                    source.rewind(&batch.first_offsets()).unwrap();
                }
            }
        }
        owned.lock().unwrap().remove(name);
    };
    let await_share = |share: &[(&str, usize)]| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now: Vec<_> = owned.lock().unwrap().iter().map(|(name, mine)| (name.clone(), mine.len())).collect();
            if now.iter().map(|(name, count)| (name.as_str(), *count)).eq(share.iter().copied()) {
                return;
            }
            assert!(Instant::now() < deadline, "{now:?} instead of {share:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let (never, quit) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| worker("a", &never));
        let b = scope.spawn(|| worker("b", &quit));
        await_share(&[("a", 3), ("b", 3)]);
        load(&settings, &input, COUNT / 3);
        quit.store(true, Ordering::Relaxed);
        b.join().unwrap();
        await_share(&[("a", 6)]);
        load(&settings, &input, COUNT / 3);
        scope.spawn(|| worker("c", &never));
        load(&settings, &input, COUNT / 3);
        await_share(&[("a", 3), ("c", 3)]);
        let deadline = Instant::now() + PATIENCE;
        while passed.load(Ordering::Relaxed) < COUNT && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_values(&settings, &output, (0..COUNT).map(|i| i / 3).collect::<Vec<_>>());
}

#[test]
fn a_restart_within_the_session_moves_nothing() {
    let settings = shared();
    let (input, group) = (unique("in"), unique("group"));
    create_topic(&settings, &input, 4);
    let mut stays = source(&settings, &group, "stays", &input);
    let mut restarts = source(&settings, &group, "restarts", &input);
    let deadline = Instant::now() + PATIENCE;
    let mut batch = Batch::new();
    while (stays.started().unwrap().len(), restarts.started().unwrap().len()) != (2, 2) {
        assert!(Instant::now() < deadline);
        for source in [&mut stays, &mut restarts] {
            let received = source.receive(&mut batch, 1, LINGER, Duration::from_millis(20)).unwrap();
            follow(source, &received);
        }
    }
    let before = restarts.started().unwrap();
    drop(restarts);
    let mut restarts = source(&settings, &group, "restarts", &input);
    let deadline = Instant::now() + PATIENCE;
    while restarts.started().unwrap().is_empty() {
        assert!(Instant::now() < deadline);
        let received = stays.receive(&mut batch, 1, LINGER, Duration::from_millis(20)).unwrap();
        assert!(received.assigned.is_empty() && received.revoked.is_empty(), "the other member notices nothing: {received:?}");
        let received = restarts.receive(&mut batch, 1, LINGER, Duration::from_millis(20)).unwrap();
        follow(&mut restarts, &received);
    }
    assert_eq!(restarts.started().unwrap(), before, "it gets back what it had");
}

#[test]
fn a_record_too_large_is_refused_alone_and_one_just_small_enough_passes() {
    let settings = shared();
    let prefix = unique("large");
    let plan = topics::plan(&prefix, 1, 1, &[]);
    topics::apply(&settings, &plan[..1]).unwrap();
    let topic = &plan[0].name;
    let mut sink = Sink::open(&settings, SinkSettings::new(unique("sink"))).unwrap();
    sink.begin().unwrap();
    let large = vec![b'1'; RECORD_BYTES_MAX + 1];
    let fault = sink.send(topic, None, Some(b"k"), Some(&large), &[], None).unwrap_err();
    assert!(matches!(&fault, KafkaFault::RecordTooLarge { bytes, .. } if *bytes > RECORD_BYTES_MAX), "{fault}");
    // Bytes that do not compress, or the broker's limit would not be met.
    let mut random = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    })
    .take(RECORD_BYTES_MAX - 200)
    .collect();
    sink.send(topic, None, Some(b"k"), Some(&noise), &[], None).unwrap();
    sink.commit_outputs().unwrap();
    let mut lengths = Vec::new();
    let at = TopicPartition::new(topic.as_str(), 0);
    let mut reader = Reader::open(&settings).unwrap();
    let deadline = Instant::now() + METADATA;
    while reader.watermarks(&at).unwrap().1 == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    reader
        .read(&at, Start::Beginning, None, |record| {
            lengths.push(record.value.map(<[u8]>::len));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(lengths, [Some(RECORD_BYTES_MAX - 200)]);
}

#[test]
fn a_second_instance_fences_the_first_for_good() {
    let settings = shared();
    let (output, id) = (unique("out"), unique("sink"));
    create_topic(&settings, &output, 1);
    let mut first = Sink::open(&settings, SinkSettings::new(&id)).unwrap();
    first.begin().unwrap();
    first.send(&output, None, Some(b"1"), Some(b"1"), &[], None).unwrap();
    let mut second = Sink::open(&settings, SinkSettings::new(&id)).unwrap();
    let fault = match first.commit_outputs().unwrap_err() {
        CommitFault::Fenced(fault) => fault,
        // The broker may say "epoch" for a record before it says "fenced" for the transaction.
        _ => first.abort().unwrap_err(),
    };
    assert!(matches!(&fault, KafkaFault::Fenced { what, .. } if what.contains(&id)), "{fault}");
    second.begin().unwrap();
    second.send(&output, None, Some(b"2"), Some(b"2"), &[], None).unwrap();
    second.commit_outputs().unwrap();
    assert_values(&settings, &output, vec![2]);
}

#[test]
fn a_transaction_that_the_broker_timed_out_is_not_committed_and_can_be_done_again() {
    let settings = shared();
    let (output, id) = (unique("out"), unique("sink"));
    create_topic(&settings, &output, 1);
    let sink = SinkSettings { transaction_timeout: Duration::from_secs(1), ..SinkSettings::new(&id) };
    let mut first = Sink::open(&settings, sink.clone()).unwrap();
    first.begin().unwrap();
    first.send(&output, None, Some(b"1"), Some(b"1"), &[], None).unwrap();
    std::thread::sleep(Duration::from_secs(4));
    let fault = first.commit_outputs().unwrap_err();
    println!("after the time-out: {fault}");
    assert!(!matches!(fault, CommitFault::Unknown { .. }), "{fault}");
    drop(first);
    let mut next = Sink::open(&settings, sink).unwrap();
    next.begin().unwrap();
    next.send(&output, None, Some(b"2"), Some(b"2"), &[], None).unwrap();
    next.commit_outputs().unwrap();
    assert_values(&settings, &output, vec![2]);
}

#[test]
fn a_member_that_was_expelled_cannot_commit() {
    let settings = shared();
    let (input, output, group) = (unique("in"), unique("out"), unique("group"));
    create_topic(&settings, &input, 1);
    create_topic(&settings, &output, 1);
    load(&settings, &input, 10);
    let mut first = source(&settings, &group, "same", &input);
    let mut batch = Batch::new();
    receive(&mut first, &mut batch);
    let mut sink = Sink::open(&settings, SinkSettings::new(unique("sink"))).unwrap();
    sink.begin().unwrap();
    pass_on(&mut sink, &batch, &output);
    // The same static member elsewhere: the group belongs to it from its first join.
    let mut second = source(&settings, &group, "same", &input);
    await_partitions(&mut second, 1);
    let fault = sink.commit(&batch.next_offsets(), &first).unwrap_err();
    println!("expelled: {fault}");
    assert!(matches!(fault, CommitFault::Fenced(_) | CommitFault::AssignmentLost { .. }), "{fault}");
    assert_values(&settings, &output, Vec::<usize>::new());
}

#[test]
fn a_reader_reads_a_range_across_gaps_and_transaction_markers() {
    let settings = shared();
    let topic = unique("log");
    create_topic(&settings, &topic, 1);
    let mut sink = Sink::open(&settings, SinkSettings::new(unique("sink"))).unwrap();
    for round in 0..7_usize {
        sink.begin().unwrap();
        for i in 0..10 {
            let text = (round * 10 + i).to_string();
            sink.send(&topic, None, Some(b"k"), Some(text.as_bytes()), &[], None).unwrap();
        }
        if round % 2 == 1 {
            sink.abort().unwrap();
        } else {
            sink.commit_outputs().unwrap();
        }
    }
    let expected: Vec<usize> = (0..70).filter(|i| i / 10 % 2 == 0).collect();
    assert_values(&settings, &topic, expected);

    let at = TopicPartition::new(topic.as_str(), 0);
    let mut reader = Reader::open(&settings).unwrap();
    let (low, high) = reader.watermarks(&at).unwrap();
    let mut offsets = Vec::new();
    let all = reader
        .read(&at, Start::Beginning, None, |record| {
            offsets.push(record.offset);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((all.from, all.to, all.records), (low, high, 40));
    let (from, to) = (offsets[5], offsets[25]);
    let mut part = Vec::new();
    let range = reader
        .read(&at, Start::At(from), Some(to), |record| {
            part.push(record.offset);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((part.as_slice(), range.records), (&offsets[5..25], 20));
    for _ in 0..10 {
        assert_eq!(reader.read(&at, Start::Beginning, None, |_| ControlFlow::Continue(())).unwrap(), all);
    }
    let stopped = reader.read(&at, Start::At(low), None, |_| ControlFlow::Break(())).unwrap();
    assert_eq!((stopped.to, stopped.records), (low + 1, 1));
    let beyond = reader.read(&at, Start::At(high + 1), None, |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(beyond.contains("is not in the log") && beyond.contains(&topic), "{beyond}");
}

#[test]
fn topics_are_planned_created_and_checked() {
    let settings = shared();
    let prefix = unique("plan");
    let plan = topics::plan(&prefix, 3, 1, &[format!("{prefix}-input")]);
    assert_eq!(topics::existing(&settings, &plan).unwrap(), BTreeMap::new());
    let applied = topics::apply(&settings, &plan).unwrap();
    assert_eq!(applied.created.len(), plan.len() - 1, "all but the input");
    assert!(matches!(applied.remaining.as_slice(), [missing] if missing.topic.ends_with("-input")), "{:?}", applied.remaining);
    let deadline = Instant::now() + PATIENCE;
    let differences = loop {
        let differences = topics::check(&plan, &topics::existing(&settings, &plan).unwrap(), "b:1");
        if differences.len() == 1 || Instant::now() > deadline {
            break differences;
        }
    };
    assert_eq!(differences.iter().map(|d| &d.what).collect::<Vec<_>>(), [&What::Missing { owner: topics::Owner::Others }]);
    assert_eq!(topics::apply(&settings, &plan).unwrap().created, Vec::<String>::new(), "a second time there is nothing to do");

    // Another plan under the same names is refused before anything is made.
    let larger = topics::plan(&prefix, 4, 1, &[]);
    let refusal = topics::apply(&settings, &larger).unwrap_err().to_string();
    assert!(refusal.contains(&format!("{prefix}.events: 3 partitions instead of 4")), "{refusal}");
}

#[test]
fn an_unreachable_broker_and_a_missing_topic_say_so() {
    let nobody = Settings::new("127.0.0.1:1");
    let fault = connect_check(&nobody, &[], Duration::from_secs(5)).unwrap_err();
    let text = fault.to_string();
    assert!(matches!(fault, KafkaFault::Unreachable { .. }) && text.contains("127.0.0.1:1") && text.contains("refused"), "{text}");

    let settings = shared();
    let (there, one, two) = (unique("there"), unique("missing"), unique("missing"));
    create_topic(&settings, &there, 2);
    let fault = connect_check(&settings, &[&there, &one, &two], Duration::from_secs(5)).unwrap_err();
    let text = fault.to_string();
    assert!(text.contains(&one) && text.contains(&two) && text.contains("portcullis topics apply") && !text.contains(&there), "{text}");
    let cluster = connect_check(&settings, &[&there], Duration::from_secs(5)).unwrap();
    assert_eq!(cluster.topics[&there], 2);
    assert!(!cluster.id.is_empty() && !cluster.brokers.is_empty());
    assert!(matches!(Reader::open(&settings).unwrap().partitions(&one), Err(KafkaFault::MissingTopics { .. })));
}

#[test]
fn wrong_properties_are_named() {
    let mut settings = shared();
    settings.properties.insert("no.such.property".into(), "1".into());
    let member = SourceSettings { offset_reset: OffsetReset::Earliest, ..SourceSettings::new("g", "i", &["t"]) };
    let fault = Source::open(&settings, &member).err().unwrap().to_string();
    assert!(fault.contains("no.such.property"), "{fault}");
    let mut settings = shared();
    settings.properties.insert("isolation.level".into(), "read_uncommitted".into());
    let fault = Sink::open(&settings, SinkSettings::new("x")).err().unwrap().to_string();
    assert!(fault.contains("kafka.properties.isolation.level"), "{fault}");
}
