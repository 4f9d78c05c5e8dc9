//! What an event costs SCORE from ten thousand identities to ten million, and what their profiles weigh in memory and on disk.
//!
//! ```text
//! make bench-scale
//! taskset -c 1 target/release/scale [--identities 10000,100000,1000000,10000000] [--memory MB] [--events 2000000]
//! ```
//! Without Kafka: eight partitions of SCORE with their RocksDB, batches of 50,000 records, exactly as a worker drives them: decode, three
//! passes, digests of outputs and state, commit, flush about once a second. All identities are equally likely, which is the worst case. Two
//! events an identity (not measured), then `--events` that are: CPU time of the whole process without the generator's. The hot table is given memory
//! enough for all; with less, what does not fit is read from RocksDB.

use portcullis::partition::{ScorePartition, ScoreRecord, ScoreValue};
use portcullis_benches::measure::{cpu_s, resident_mb, thread_cpu_s};
use portcullis_benches::traffic::{Population, Traffic};
use portcullis_connectors::kafka::partition_of;
use portcullis_core::event::EventType;
use portcullis_core::record::{EventRecord, Output, Position};
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::time::Time;
use portcullis_schemas::{Encoding, decode_event_record, encode_event, encode_output, json};
use portcullis_state::{Shared, StateOptions};
use std::time::Instant;

const PARTITIONS: i32 = 8;
const BATCH: usize = 50_000;
const HISTORY: u64 = 2;
const LOG: &str = "bench.events";
const USAGE: &str = "scale [--identities N,N,...] [--memory MB] [--events N]";

fn main() -> anyhow::Result<()> {
    let mut given = std::env::args().skip(1);
    let (mut sizes, mut memory_mb, mut events) = (vec![10_000, 100_000, 1_000_000, 10_000_000], 16_384usize, 2_000_000u64);
    while let Some(flag) = given.next() {
        let value = given.next().ok_or_else(|| anyhow::anyhow!("{flag} needs a value; {USAGE}"))?;
        match flag.as_str() {
            "--identities" => sizes = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--memory" => memory_mb = value.parse()?,
            "--events" => events = value.parse()?,
            other => anyhow::bail!("{other}? {USAGE}"),
        }
    }
    let mut first = None;
    for identities in sizes {
        let ns = measure(identities, memory_mb, events)?;
        let first = *first.get_or_insert(ns);
        println!("RESULT scale {identities} identities: {ns:.0} ns an event, {:.2} times the first", ns / first);
    }
    Ok(())
}

/// Nanoseconds of CPU time an event.
fn measure(identities: i32, memory_mb: usize, events: u64) -> anyhow::Result<f64> {
    let before_mb = resident_mb().0;
    let dir = tempfile::tempdir()?;
    let shared = Shared::new(StateOptions::with_memory(memory_mb << 20));
    let mut partitions = (0..PARTITIONS)
        .map(|number| Ok(Worker::new(ScorePartition::open(&dir.path().join(number.to_string()), &shared, LOG, number, PARTITIONS)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut traffic = Traffic::new(1, Population { identities, skew: 0.0, ..Population::DEFAULT });
    let history = HISTORY * identities as u64;
    let (mut made, mut making_s, mut began) = (0, 0.0, None);
    while made < history + events {
        let making = thread_cpu_s();
        for _ in 0..BATCH {
            take(&mut traffic, &mut partitions)?;
        }
        made += BATCH as u64;
        making_s += thread_cpu_s() - making;
        for partition in &mut partitions {
            partition.run()?;
        }
        if made >= history && began.is_none() {
            (began, making_s, made) = (Some(cpu_s()), 0.0, history);
        }
    }
    let ns = (cpu_s() - began.unwrap_or_default() - making_s) * 1e9 / (made - history) as f64;
    let resident = resident_mb().0;
    for partition in partitions {
        partition.state.close()?;
    }
    let mut disk = 0;
    for number in 0..PARTITIONS {
        disk += std::fs::read_dir(dir.path().join(number.to_string()))?
            .flatten()
            .filter_map(|f| f.metadata().ok())
            .map(|m| m.len())
            .sum::<u64>();
    }
    println!(
        "{identities} identities: {resident} MiB resident ({} before), {} B an identity; {} MiB on disk, {} B an identity",
        before_mb,
        (resident.saturating_sub(before_mb) << 20) / identities as u64,
        disk >> 20,
        disk / identities as u64
    );
    Ok(ns)
}

/// The next event as a record of its partition's log: an API call by a known identity concerns the identity alone.
fn take(traffic: &mut Traffic, partitions: &mut [Worker]) -> anyhow::Result<()> {
    let (mut key, mut line) = (Vec::new(), Vec::new());
    traffic.event(&mut key, &mut line);
    let mut event = json::decode_event(&line).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    (event.kind, event.checkout) = (EventType::ApiRequest, None);
    key.clear();
    SubjectRef { kind: Kind::Identity, tenant: &event.tenant, id: event.identity_id().unwrap_or_default() }.write_key(&mut key);
    let partition = &mut partitions[partition_of(&key, PARTITIONS) as usize];
    let from = partition.bytes.len();
    partition.bytes.extend_from_slice(&key);
    let middle = partition.bytes.len();
    encode_event(&event, &mut partition.bytes);
    partition.records.push((from, middle, partition.bytes.len(), event.time));
    Ok(())
}

/// A partition and the batch that waits for it.
struct Worker {
    state: ScorePartition,
    bytes: Vec<u8>,
    /// Begin of the key, begin and end of the value, stamp.
    records: Vec<(usize, usize, usize, Time)>,
    offset: i64,
    outputs: Vec<Output>,
}

impl Worker {
    fn new(state: ScorePartition) -> Worker {
        Worker { state, bytes: Vec::new(), records: Vec::new(), offset: 0, outputs: Vec::new() }
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let values = self.records.iter().map(|(_, middle, end, _)| decode_event_record(&self.bytes[*middle..*end]));
        let values: Vec<EventRecord<'_>> = values.collect::<Result<_, _>>()?;
        let records: Vec<ScoreRecord<'_, '_>> = self
            .records
            .iter()
            .zip(&values)
            .zip(self.offset..)
            .map(|(((from, middle, _, stamp), value), offset)| ScoreRecord {
                position: Position { partition: 0, offset, appended_at: *stamp },
                key: &self.bytes[*from..*middle],
                value: match value {
                    EventRecord::Event(event) => ScoreValue::Event(event),
                    EventRecord::Control(control) => ScoreValue::Control(control),
                },
                is_first: true,
            })
            .collect();
        self.outputs.clear();
        self.state.apply(&records, &mut self.outputs)?;
        self.offset += records.len() as i64;
        let (mut hasher, mut written) = (blake3::Hasher::new(), Vec::new());
        for output in &self.outputs {
            written.clear();
            encode_output(output, Encoding::Avro, &mut written);
            hasher.update(&written);
        }
        std::hint::black_box((hasher.finalize(), self.state.changes_digest()));
        self.state.commit(Instant::now())?;
        drop(records);
        drop(values);
        self.bytes.clear();
        self.records.clear();
        Ok(())
    }
}
