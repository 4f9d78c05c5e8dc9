//! What the state costs: `cargo run --release -p portcullis-state --example measure [VALUES] [FOLDER]` (1,000,000 values of 300 bytes by default).
//!
//! Input is deterministic. Figures are CPU time of the calling thread (so that waiting for a busy machine does not count, nor does what RocksDB
//! does in the background), and the best of several runs of their kind, since other work only adds.

use portcullis_state::{Meta, Partition, PartitionIdentity, Shared, Slot, StateOptions, Value};
use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const VALUE_BYTES: usize = 300;

/// As flat as a profile aims to be.
#[derive(Clone)]
struct Flat([u8; VALUE_BYTES]);

impl Value for Flat {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn decode(bytes: &[u8]) -> Result<Flat, String> {
        Ok(Flat(bytes.try_into().map_err(|_| "not 300 bytes")?))
    }
    fn weight_bytes(&self) -> usize {
        VALUE_BYTES
    }
    fn expired(&self, log_time_ms: i64) -> bool {
        log_time_ms < i64::from(self.0[0])
    }
}

/// CPU time that this thread has used, to the kernel's tick (proc(5): the first number is nanoseconds).
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux keeps it");
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number"))
}

/// Half of it does not compress, as a profile's hashes and sketches do not.
fn value_of(key: &[u8]) -> Flat {
    let seed = key.iter().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let (mut numbers, mut value) = (Numbers(seed), Flat([1; VALUE_BYTES]));
    for word in value.0[8..VALUE_BYTES / 2].chunks_exact_mut(8) {
        word.copy_from_slice(&numbers.next().to_le_bytes());
    }
    value
}

/// Deterministic numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Keys as the log has them, one after another in one block of memory, as a decoded batch holds them.
struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn new(numbers: impl Iterator<Item = u64>) -> Keys {
        let mut keys = Keys { bytes: Vec::new(), ends: vec![0] };
        for number in numbers {
            use std::io::Write;
            let _ = write!(keys.bytes, "identity\x1fretail-ch\x1fuser-{number:09}");
            keys.ends.push(keys.bytes.len());
        }
        keys
    }

    fn len(&self) -> usize {
        self.ends.len() - 1
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.windows(2).map(|range| &self.bytes[range[0]..range[1]])
    }
}

struct Bench {
    partition: Partition<Flat>,
    position: i64,
    slots: Vec<Slot>,
}

impl Bench {
    fn open(dir: &Path, shared: &Shared) -> Result<Bench, Box<dyn Error>> {
        let identity = PartitionIdentity { log: "measure".into(), partition: 0, partitions: 1, state_version: 1, oldest_state_version: 1 };
        Ok(Bench { partition: Partition::open(dir, shared, &identity)?, position: 0, slots: Vec::new() })
    }

    fn commit(&mut self) {
        self.position += 1;
        self.partition.commit(Meta { position: self.position, log_time_ms: 1_000, extra: Vec::new() });
    }

    /// Changes every key's value one record at a time, in batches; the time in slot and change, and that in commit.
    fn touch(&mut self, keys: &Keys, batch: usize, prefetch: bool) -> Result<(Duration, Duration), Box<dyn Error>> {
        let (mut touching, mut committing) = (Duration::ZERO, Duration::ZERO);
        let mut keys = keys.iter();
        loop {
            let from = cpu();
            let mut touched = 0;
            if prefetch {
                // As a worker does: the keys of the next 64 records, then the records one by one.
                while touched < batch {
                    self.slots.clear();
                    self.partition.load(keys.by_ref().take(64), &mut self.slots)?;
                    for number in 0..self.slots.len() {
                        let slot = self.slots[number];
                        self.partition.expire(slot, 1_000);
                        self.partition.value_or_insert_with(slot, || Flat([1; VALUE_BYTES])).0[1] ^= 1;
                    }
                    touched += self.slots.len();
                    if self.slots.len() < 64 {
                        break;
                    }
                }
            } else {
                for key in keys.by_ref().take(batch) {
                    let slot = self.partition.slot(key, 1_000)?;
                    self.partition.value_or_insert_with(slot, || Flat([1; VALUE_BYTES])).0[1] ^= 1;
                    touched += 1;
                }
            }
            touching += cpu() - from;
            if touched == 0 {
                return Ok((touching, committing));
            }
            let from = cpu();
            self.commit();
            committing += cpu() - from;
        }
    }
}

fn rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

fn ns(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count.max(1) as f64
}

fn best<T: PartialOrd>(runs: impl IntoIterator<Item = T>) -> Option<T> {
    runs.into_iter().reduce(|a, b| if b < a { b } else { a })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let values: u64 = arguments.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let folder =
        arguments.next().map_or_else(|| std::env::temp_dir().join(format!("portcullis-measure-{}", std::process::id())), PathBuf::from);
    let hot_bytes = values as usize * 600;
    let options = StateOptions { hot_bytes, ..StateOptions::with_memory(512 << 20) };
    let shared = Shared::new(options.clone());
    println!("{values} values of {VALUE_BYTES} bytes, keys of {} bytes", Keys::new(0..1).bytes.len());

    let before_mib = rss_mib();
    let mut bench = Bench::open(&folder, &shared)?;
    let all = Keys::new(0..values);
    let keys_mib = rss_mib() - before_mib;
    let from = cpu();
    for key in all.iter() {
        let slot = bench.partition.slot(key, 1_000)?;
        bench.partition.value_or_insert_with(slot, || value_of(key));
        if slot_is_last_of_batch(&mut bench) {
            bench.commit();
            bench.partition.flush_if_due(Instant::now())?;
        }
    }
    bench.commit();
    bench.partition.persist()?;
    let stats = bench.partition.stats();
    println!("fill, in key order             {:>8.0} ns a value, flushes and files included", ns(cpu() - from, all.len()));
    println!(
        "memory                         {:>8.0} MiB resident for {} hot values ({:.0} bytes each; estimated {:.0}); RocksDB's caches hold {:.0} MiB of it",
        rss_mib() - before_mib - keys_mib,
        stats.hot_entries,
        (rss_mib() - before_mib - keys_mib) * 1_048_576.0 / stats.hot_entries as f64,
        stats.hot_bytes as f64 / stats.hot_entries as f64,
        shared.rocksdb_bytes().0 as f64 / 1_048_576.0,
    );

    let mut numbers = Numbers(1);
    let picks = Keys::new((0..200_000).map(|_| numbers.next() % values));
    for (name, batch, prefetch) in [
        ("hot hit, random, batch 1,000", 1_000, false),
        ("hot hit, random, batch 20,000", 20_000, false),
        ("hot hit, with load(), 1,000", 1_000, true),
        ("hot hit, with load(), 20,000", 20_000, true),
    ] {
        let mut runs = Vec::new();
        for _ in 0..5 {
            runs.push(bench.touch(&picks, batch, prefetch)?);
            bench.partition.flush()?;
        }
        let touching = best(runs.iter().map(|run| ns(run.0, picks.len()))).unwrap_or(0.0);
        let committing = best(runs.iter().map(|run| ns(run.1, picks.len()))).unwrap_or(0.0);
        println!("{name:<30} {touching:>8.0} ns a key to find, copy and change; {committing:.0} to commit");
    }
    let mut reads = Vec::new();
    for _ in 0..5 {
        let from = cpu();
        for (number, key) in picks.iter().enumerate() {
            let slot = bench.partition.slot(key, 1_000)?;
            black_box(bench.partition.value(slot));
            if number % 1_000 == 999 {
                bench.partition.abort();
            }
        }
        reads.push(ns(cpu() - from, picks.len()));
    }
    println!("hot hit, read only             {:>8.0} ns a key", best(reads).unwrap_or(0.0));

    for (name, count) in [("a batch of 1,000", 1_000), ("a batch of 20,000", 20_000)] {
        let mut runs = Vec::new();
        for run in 0..5 {
            let picks = Keys::new((0..count).map(|_| numbers.next() % values).skip(run));
            for key in picks.iter() {
                let slot = bench.partition.slot(key, 1_000)?;
                bench.partition.value_or_insert_with(slot, || Flat([1; VALUE_BYTES]));
            }
            let from = cpu();
            runs.push((bench.partition.changed().map(|change| usize::from(!change.encoded.is_empty())).sum::<usize>(), cpu() - from));
            bench.partition.abort();
        }
        println!("changed() in key order         {:>8.0} ns a key, {name}", best(runs.iter().map(|run| ns(run.1, run.0))).unwrap_or(0.0));
    }

    for (name, random) in [("flush, 50,000 keys in sequence", false), ("flush, 50,000 random keys", true)] {
        let mut runs = Vec::new();
        for run in 0..5 {
            let keys = Keys::new((0..50_000).map(|number| if random { numbers.next() % values } else { (run * 50_000 + number) % values }));
            bench.touch(&keys, 1_000, false)?;
            let from = cpu();
            bench.partition.flush()?;
            runs.push(ns(cpu() - from, keys.len()));
        }
        println!("{name:<30} {:>8.0} ns a key", best(runs).unwrap_or(0.0));
    }
    bench.partition.close()?;

    // The same files with a cold hot table of a twentieth: nearly every key comes from RocksDB.
    let shared = Shared::new(StateOptions { hot_bytes: hot_bytes / 20, ..options });
    for (name, batch_load) in [("miss, one get each", false), ("miss, load() of 1,000", true)] {
        let mut bench = Bench::open(&folder, &shared)?;
        bench.position = bench.partition.meta().map_or(0, |meta| meta.position);
        let mut runs = Vec::new();
        for _ in 0..3 {
            let keys = Keys::new((0..20_000).map(|_| numbers.next() % values));
            let missed = bench.partition.stats().misses;
            let from = cpu();
            let mut iterator = keys.iter();
            loop {
                bench.slots.clear();
                if batch_load {
                    bench.partition.load(iterator.by_ref().take(1_000), &mut bench.slots)?;
                } else {
                    for key in iterator.by_ref().take(1_000) {
                        bench.slots.push(bench.partition.slot(key, 1_000)?);
                    }
                }
                if bench.slots.is_empty() {
                    break;
                }
                bench.partition.abort();
            }
            runs.push(ns(cpu() - from, (bench.partition.stats().misses - missed) as usize));
        }
        println!("{name:<30} {:>8.0} ns a miss (files in the page cache)", best(runs).unwrap_or(0.0));
        let absent = Keys::new((0..20_000).map(|_| 500_000_000 + numbers.next() % 400_000_000));
        let from = cpu();
        for key in absent.iter() {
            bench.partition.slot(key, 1_000)?;
        }
        bench.partition.abort();
        println!("  of a key that never was      {:>8.0} ns", ns(cpu() - from, absent.len()));
        bench.partition.close()?;
    }
    portcullis_state::destroy(&folder)?;
    Ok(())
}

/// Every 10,000 values end a batch.
fn slot_is_last_of_batch(bench: &mut Bench) -> bool {
    let filled = bench.partition.stats().hot_entries;
    filled.is_multiple_of(10_000)
}
