//! What a crash leaves: a writer is killed at random instants, and another runs out of disk. Its own `main`, because both are children of this program.
//!
//! Each value counts how often it was touched and says at which position, so a value that is older or newer than the position found, a value
//! that compaction dropped before its time, and a timer that was lost or came back all show.

mod common;

use common::{Note, RETENTION_MS, identity};
use portcullis_state::{Meta, Partition, Shared, StateFault, StateOptions};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Outcome = Result<(), Box<dyn Error>>;

const KILLS: u64 = 40;
const KEYS: u64 = 4_000;
const KEYS_PER_BATCH: u64 = 8;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "write-until-killed", dir] => write_until_killed(Path::new(dir)),
        [_, "fill-the-disk", dir] => fill_the_disk(Path::new(dir)),
        // What cargo and its front ends ask of any test program.
        [_, .., "--list"] | [_, "--list", ..] => {
            println!("crash: test");
            Ok(())
        }
        _ => {
            a_kill_leaves_the_state_after_some_flush()?;
            a_full_disk_stops_with_a_fault_and_loses_nothing_on_disk()
        }
    }
}

/// Memtables of 64 KiB and flushes every few milliseconds: many files are being written at whatever instant the kill comes.
fn hasty() -> Shared {
    Shared::new(StateOptions {
        hot_bytes: 256 << 10,
        block_cache_bytes: 1 << 20,
        write_buffer_bytes: 128 << 10,
        flush_every: Duration::from_millis(1),
        persist_every: Duration::from_millis(7),
        timers_near_max: 16,
        ..StateOptions::default()
    })
}

/// A number that depends on its arguments only (splitmix64, Steele et al. 2014).
fn mix(a: u64, b: u64) -> u64 {
    let mut z =
        a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b.wrapping_mul(0xd1b5_4a32_d192_ed03)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn key(number: u64) -> Vec<u8> {
    format!("identity\x1fretail-ch\x1f{number}").into_bytes()
}

/// What the batch that ends at `position` does to a key, given what is there. Log time is the position.
fn touched(before: Option<&Note>, position: i64, number: u64) -> Note {
    let count = before.map_or(0, |note| u64::from_le_bytes(note.text[..8].try_into().expect("a count stands first")));
    let mut text = (count + 1).to_le_bytes().to_vec();
    text.resize(8 + (mix(number, position as u64) % 300) as usize, number as u8);
    Note { seen_ms: position, text }
}

fn batch_keys(position: i64) -> impl Iterator<Item = u64> {
    (0..KEYS_PER_BATCH).map(move |j| mix(position as u64, j) % KEYS)
}

/// One in ten keys gets a timer, one in twenty loses it.
fn timer_of(position: i64, number: u64) -> Option<Option<i64>> {
    match mix(number, position as u64 + 1) % 20 {
        0 | 1 => Some(Some(position + (mix(number, 7) % 600) as i64)),
        2 => Some(None),
        _ => None,
    }
}

fn apply(partition: &mut Partition<Note>, position: i64) -> Result<(), StateFault> {
    while let Some((_, slot)) = partition.next_due_timer(position)? {
        let note = touched(partition.value(slot), position, 0);
        partition.set(slot, note);
    }
    for number in batch_keys(position) {
        let slot = partition.slot(&key(number), position)?;
        let note = touched(partition.value(slot), position, number);
        partition.set(slot, note);
        if let Some(due_ms) = timer_of(position, number) {
            partition.set_timer(slot, due_ms);
        }
    }
    Ok(())
}

#[derive(Default)]
struct Model {
    position: i64,
    values: BTreeMap<Vec<u8>, Note>,
    timers: BTreeMap<Vec<u8>, i64>,
}

impl Model {
    fn touch(&mut self, key: Vec<u8>, number: u64) {
        let before = self.values.get(&key).filter(|note| self.position - note.seen_ms <= RETENTION_MS);
        let note = touched(before, self.position, number);
        self.values.insert(key, note);
    }

    fn advance(&mut self, position: i64) {
        while self.position < position {
            self.position += 1;
            while let Some((_, key)) =
                self.timers.iter().map(|(key, due)| (*due, key.clone())).min().filter(|(due, _)| *due <= self.position)
            {
                self.timers.remove(&key);
                self.touch(key, 0);
            }
            for number in batch_keys(self.position) {
                self.touch(key(number), number);
                match timer_of(self.position, number) {
                    Some(Some(due_ms)) => _ = self.timers.insert(key(number), due_ms),
                    Some(None) => _ = self.timers.remove(&key(number)),
                    None => {}
                }
            }
        }
    }

    /// Every value and timer in `dir` is what it was at the position found there, which is returned.
    fn check(&mut self, dir: &Path) -> Result<i64, Box<dyn Error>> {
        let mut partition = Partition::<Note>::open(dir, &hasty(), &identity())?;
        let meta = partition.meta().cloned().unwrap_or_default();
        assert!(meta.position >= self.position, "at {}, after an earlier crash left {}", meta.position, self.position);
        assert_eq!(meta.extra, meta.position.to_le_bytes()[..if meta.position == 0 { 0 } else { 8 }]);
        self.advance(meta.position);
        let mut found = BTreeMap::new();
        partition.for_each(|key, value, timer_ms| {
            found.insert(key.to_vec(), (value, timer_ms));
        })?;
        let mut expected: BTreeMap<Vec<u8>, (Option<Note>, Option<i64>)> = BTreeMap::new();
        for (key, note) in self.values.iter().filter(|(_, note)| self.position - note.seen_ms <= RETENTION_MS) {
            expected.entry(key.clone()).or_default().0 = Some(note.clone());
        }
        for (key, due_ms) in &self.timers {
            expected.entry(key.clone()).or_default().1 = Some(*due_ms);
        }
        for (key, want) in &expected {
            assert_eq!(found.get(key), Some(want), "at {} for {}", meta.position, key.escape_ascii());
        }
        assert_eq!(found.len(), expected.len(), "at {}", meta.position);
        Ok(meta.position)
    }
}

/// The child: says each position before it commits it, and which is safe on disk.
fn write_until_killed(dir: &Path) -> Outcome {
    let mut out = std::io::stdout();
    let mut partition = Partition::<Note>::open(dir, &hasty(), &identity())?;
    let mut position = partition.meta().map_or(0, |meta| meta.position);
    loop {
        position += 1;
        apply(&mut partition, position)?;
        if position % 13 == 0 {
            // The transaction failed: the same records are read again.
            partition.abort();
            apply(&mut partition, position)?;
        }
        out.write_all(format!("published {position}\n").as_bytes())?;
        partition.commit(Meta { position, log_time_ms: position, extra: position.to_le_bytes().to_vec() });
        partition.flush_if_due(Instant::now())?;
        out.write_all(format!("safe {}\n", partition.stats().persisted_position.unwrap_or(0)).as_bytes())?;
    }
}

fn a_kill_leaves_the_state_after_some_flush() -> Outcome {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("state");
    let mut model = Model::default();
    let (mut lagged, mut exact) = (0, 0);
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe()?).arg("write-until-killed").arg(&dir).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
        let reader = std::thread::spawn(move || {
            let (mut published, mut safe) = (0, 0);
            // The last line may be cut by the kill.
            for line in lines.map_while(Result::ok) {
                match line.split_once(' ') {
                    Some(("published", n)) => published = n.parse().map_or(published, |n: i64| n.max(published)),
                    Some(("safe", n)) => safe = n.parse().map_or(safe, |n: i64| n.max(safe)),
                    _ => {}
                }
            }
            (published, safe)
        });
        // Every fourth dies while it opens.
        let wait_us = if round % 4 == 0 { mix(round, 1) % 12_000 } else { 15_000 + mix(round, 2) % 250_000 };
        std::thread::sleep(Duration::from_micros(wait_us));
        child.kill()?;
        let status = child.wait()?;
        assert_eq!(status.code(), None, "the writer ended by itself: {status}");
        let (published, safe) = reader.join().map_err(|_| "the reader of the writer's lines failed")?;
        let published = published.max(model.position);
        let found = model.check(&dir)?;
        assert!(found <= published, "the state leads: it stands at {found}, published was {published}");
        assert!(found >= safe, "{safe} was said to be on disk, {found} was found");
        if found < published {
            lagged += 1;
        } else {
            exact += 1;
        }
    }
    assert!(model.position > 1_000, "the writers got no further than {}", model.position);
    println!(
        "crash: {KILLS} kills, state at {} in the end; behind what was published after {lagged}, level with it after {exact}",
        model.position
    );
    Ok(())
}

/// The child, on a disk of a few MiB of its own.
fn fill_the_disk(disk: &Path) -> Outcome {
    let (dir, ballast) = (disk.join("state"), disk.join("ballast"));
    // As large as all that fits beside it: once it is gone, the largest compaction has room.
    std::fs::write(&ballast, vec![1; 8 << 20])?;
    let mut partition = Partition::<Note>::open(&dir, &hasty(), &identity())?;
    let write = |partition: &mut Partition<Note>, position: i64| {
        let slot = partition.slot(&position.to_be_bytes(), position)?;
        let text = (0..512).flat_map(|j| mix(position as u64, j).to_le_bytes()).collect();
        partition.value_or_insert_with(slot, || Note { seen_ms: i64::MAX, text });
        partition.commit(Meta { position, log_time_ms: position, extra: Vec::new() });
        if position % 10 == 0 { partition.persist() } else { Ok(()) }
    };
    let mut safe = 0;
    let fault = loop {
        let position = partition.meta().map_or(0, |meta| meta.position) + 1;
        match write(&mut partition, position) {
            Ok(()) if position > 100_000 => return Err("the disk never filled".into()),
            Ok(()) => safe = position / 10 * 10,
            Err(fault) => break fault,
        }
    };
    let said = fault.to_string();
    // Which of the two depends on whether a compaction or our own write met the end of the disk first.
    assert!(matches!(fault, StateFault::Full { .. } | StateFault::Background { .. }), "{fault:?}");
    assert!(said.contains(dir.to_str().ok_or("path")?) && said.contains("free space"), "{said}");
    drop(partition);

    std::fs::remove_file(&ballast)?;
    let mut partition = Partition::<Note>::open(&dir, &hasty(), &identity())?;
    let found = partition.meta().map_or(0, |meta| meta.position);
    assert!(found >= safe, "{safe} was on disk, {found} was found");
    let mut count = 0;
    partition.for_each(|_, value, _| count += i64::from(value.is_some()))?;
    assert_eq!(count, found, "a value for each position up to the one found");
    write(&mut partition, found + 1)?;
    partition.close()?;
    println!("crash: disk full after {found} values of 4 KiB: {said}");
    Ok(())
}

fn a_full_disk_stops_with_a_fault_and_loses_nothing_on_disk() -> Outcome {
    let disk = tempfile::tempdir()?;
    // A name space of our own, where mounting a small disk needs no rights and concerns nobody else.
    let script = r#"mount -t tmpfs -o size=16m tmpfs "$1" || exit 77; exec "$2" fill-the-disk "$1""#;
    let child = Command::new("unshare").args(["-rm", "sh", "-c", script, "sh"]).arg(disk.path()).arg(std::env::current_exe()?).output();
    match child {
        Ok(child) if child.status.success() => print!("{}", String::from_utf8_lossy(&child.stdout)),
        Ok(child) if child.status.code() != Some(77) && !child.stderr.starts_with(b"unshare:") => {
            return Err(format!("disk full: {}\n{}", child.status, String::from_utf8_lossy(&child.stderr)).into());
        }
        refused => println!("crash: full disk SKIPPED, this system lets us mount no small disk: {refused:?}"),
    }
    Ok(())
}
