//! Several inputs in one order of time: an external merge sort with bounded memory.
//!
//! Records are sorted by (event time, the order in which they were pushed): inputs are pushed one after the other in the order of
//! the arguments, so ties go by argument and then by line, and the sort is stable. What does not fit in memory is written to
//! temporary files as sorted runs, which are merged at the end; when there are [`RUNS_MAX`] of them they are first merged into one,
//! so that neither files nor buffers grow without bound. The files have no name (`O_TMPFILE`, or unlinked at once): however the
//! process ends, the system takes them back.
//!
//! A record whose time cannot be read, because it is broken or does not decode, takes the time of the record before it in its input
//! and so keeps its place right behind it; before any record with a time, it comes first of all. Of a record that holds several
//! events the first one's time counts.

use super::{Batch, FileFault, FileReader, Options, Position, Raw};
use crate::formats::{self, Format};
use portcullis_core::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::PathBuf;

/// How much memory sorting may take by default, bytes.
pub const MEMORY_BYTES: usize = 256 << 20;
/// Temporary files open at a time.
pub const RUNS_MAX: usize = 64;
/// Buffer of each temporary file, bytes.
const RUN_BUFFER_BYTES: usize = 256 << 10;

/// Before everything that has a time.
const NO_TIME: i64 = i64::MIN;

/// Collects records, then gives them back in order.
pub struct Sorter {
    memory_bytes: usize,
    folder: PathBuf,
    bytes: Vec<u8>,
    keys: Vec<Key>,
    runs: Vec<File>,
    pushed: u64,
    /// Time of the record before, in the same input.
    last: (u32, i64),
}

/// A record in memory: its order, and where its bytes are.
#[derive(Clone, Copy)]
struct Key {
    time: i64,
    seq: u64,
    at: usize,
    head: Head,
}

/// What stands before a record's bytes in a run.
#[derive(Clone, Copy, Default)]
struct Head {
    input: u32,
    position: Position,
    fault_len: u32,
    len: u32,
}

/// A record in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SortedRecord<'s> {
    /// Which input it is from, counted from 0 in the order of the arguments.
    pub input: u32,
    pub raw: Raw<'s>,
}

impl Sorter {
    /// `memory_bytes`: how much may be held before a run is written to `folder`.
    pub fn new(memory_bytes: usize, folder: impl Into<PathBuf>) -> Sorter {
        Sorter { memory_bytes, folder: folder.into(), bytes: Vec::new(), keys: Vec::new(), runs: Vec::new(), pushed: 0, last: (0, NO_TIME) }
    }

    /// Adds the next record of `input`. Inputs come one after the other, in the order of the arguments.
    pub fn push(&mut self, time: Option<Time>, input: u32, raw: Raw<'_>) -> Result<(), FileFault> {
        let before = if self.last.0 == input { self.last.1 } else { NO_TIME };
        let time = time.map_or(before, |t| t.0);
        self.last = (input, time);
        let fault = raw.fault.unwrap_or("");
        let needed = raw.bytes.len() + fault.len();
        if !self.keys.is_empty() && self.held() + needed + size_of::<Key>() > self.memory_bytes {
            self.spill().map_err(|source| self.fault(source))?;
        }
        let head = Head { input, position: raw.position, fault_len: fault.len() as u32, len: raw.bytes.len() as u32 };
        self.keys.push(Key { time, seq: self.pushed, at: self.bytes.len(), head });
        self.bytes.extend_from_slice(fault.as_bytes());
        self.bytes.extend_from_slice(raw.bytes);
        self.pushed += 1;
        Ok(())
    }

    fn held(&self) -> usize {
        self.bytes.len() + self.keys.len() * size_of::<Key>()
    }

    fn fault(&self, source: io::Error) -> FileFault {
        FileFault::Spill { folder: self.folder.display().to_string(), source }
    }

    fn sort(&mut self) {
        // The sequence number makes every key different, so an unstable sort is stable.
        if !self.keys.is_sorted_by_key(|k| (k.time, k.seq)) {
            self.keys.sort_unstable_by_key(|k| (k.time, k.seq));
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let mut out = BufWriter::with_capacity(RUN_BUFFER_BYTES, tempfile::tempfile_in(&self.folder)?);
        for key in &self.keys {
            let len = key.head.fault_len as usize + key.head.len as usize;
            write_record(&mut out, key.time, key.seq, &key.head, &self.bytes[key.at..key.at + len])?;
        }
        self.runs.push(rewound(out)?);
        self.keys.clear();
        self.bytes.clear();
        if self.runs.len() >= RUNS_MAX {
            let mut merge = Merge::new(std::mem::take(&mut self.runs))?;
            let mut out = BufWriter::with_capacity(RUN_BUFFER_BYTES, tempfile::tempfile_in(&self.folder)?);
            while let Some(run) = merge.advance()? {
                write_record(&mut out, run.time, run.seq, &run.head, &run.bytes)?;
            }
            self.runs.push(rewound(out)?);
        }
        Ok(())
    }

    /// All records have been pushed.
    pub fn finish(mut self) -> Result<Sorted, FileFault> {
        let folder = self.folder.display().to_string();
        if self.runs.is_empty() {
            self.sort();
            return Ok(Sorted { from: From::Memory { bytes: self.bytes, keys: self.keys, at: 0 }, folder });
        }
        self.spill().map_err(|source| self.fault(source))?;
        let merge = Merge::new(std::mem::take(&mut self.runs)).map_err(|source| self.fault(source))?;
        Ok(Sorted { from: From::Runs(merge), folder })
    }
}

/// Records in order.
pub struct Sorted {
    from: From,
    folder: String,
}

enum From {
    Memory { bytes: Vec<u8>, keys: Vec<Key>, at: usize },
    Runs(Merge),
}

impl Sorted {
    /// The next record; borrowed until the one after it is asked for.
    // Lends from itself, which `Iterator` cannot.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<SortedRecord<'_>>, FileFault> {
        match &mut self.from {
            From::Memory { bytes, keys, at } => {
                let Some(key) = keys.get(*at) else { return Ok(None) };
                *at += 1;
                let len = key.head.fault_len as usize + key.head.len as usize;
                Ok(Some(record(&key.head, &bytes[key.at..key.at + len])))
            }
            From::Runs(merge) => {
                let next = merge.advance().map_err(|source| FileFault::Spill { folder: self.folder.clone(), source })?;
                Ok(next.map(|run| record(&run.head, &run.bytes)))
            }
        }
    }
}

fn record<'s>(head: &Head, bytes: &'s [u8]) -> SortedRecord<'s> {
    let (fault, bytes) = bytes.split_at(head.fault_len as usize);
    let fault = (!fault.is_empty()).then(|| std::str::from_utf8(fault).unwrap_or("unreadable"));
    SortedRecord { input: head.input, raw: Raw { bytes, position: head.position, fault } }
}

/// A temporary file that is being read, and the record that stands next in it.
struct Run {
    file: BufReader<File>,
    time: i64,
    seq: u64,
    head: Head,
    bytes: Vec<u8>,
}

struct Merge {
    runs: Vec<Run>,
    /// (time, seq, run): the smallest first.
    heap: BinaryHeap<Reverse<(i64, u64, usize)>>,
    /// The run whose record was lent out.
    lent: Option<usize>,
}

impl Merge {
    fn new(files: Vec<File>) -> io::Result<Merge> {
        let mut merge = Merge { runs: Vec::with_capacity(files.len()), heap: BinaryHeap::new(), lent: None };
        for file in files {
            let file = BufReader::with_capacity(RUN_BUFFER_BYTES, file);
            merge.runs.push(Run { file, time: 0, seq: 0, head: Head::default(), bytes: Vec::new() });
            merge.refill(merge.runs.len() - 1)?;
        }
        Ok(merge)
    }

    fn refill(&mut self, index: usize) -> io::Result<()> {
        let run = &mut self.runs[index];
        if run.read_next()? {
            self.heap.push(Reverse((run.time, run.seq, index)));
        }
        Ok(())
    }

    fn advance(&mut self) -> io::Result<Option<&Run>> {
        if let Some(index) = self.lent.take() {
            self.refill(index)?;
        }
        let Some(Reverse((_, _, index))) = self.heap.pop() else { return Ok(None) };
        self.lent = Some(index);
        Ok(Some(&self.runs[index]))
    }
}

/// time, seq, input, offset, line, index, length of the fault, length of the record; then fault and record.
const HEAD_BYTES: usize = 8 + 8 + 4 + 8 + 8 + 4 + 4 + 4;

fn write_record(out: &mut impl Write, time: i64, seq: u64, head: &Head, bytes: &[u8]) -> io::Result<()> {
    let mut buf = Vec::with_capacity(HEAD_BYTES);
    buf.extend_from_slice(&time.to_le_bytes());
    buf.extend_from_slice(&seq.to_le_bytes());
    buf.extend_from_slice(&head.input.to_le_bytes());
    buf.extend_from_slice(&head.position.offset.to_le_bytes());
    buf.extend_from_slice(&head.position.line.to_le_bytes());
    buf.extend_from_slice(&head.position.index.to_le_bytes());
    buf.extend_from_slice(&head.fault_len.to_le_bytes());
    buf.extend_from_slice(&head.len.to_le_bytes());
    out.write_all(&buf)?;
    out.write_all(bytes)
}

fn rewound(out: BufWriter<File>) -> io::Result<File> {
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

impl Run {
    /// Reads the next record; `false` at the end.
    fn read_next(&mut self) -> io::Result<bool> {
        let mut buf = [0; HEAD_BYTES];
        if self.file.read(&mut buf[..1])? == 0 {
            return Ok(false);
        }
        self.file.read_exact(&mut buf[1..])?;
        let mut rest = &buf[..];
        let u32_next = |rest: &mut &[u8]| take(rest).map(u32::from_le_bytes);
        self.time = i64::from_le_bytes(take(&mut rest)?);
        self.seq = u64::from_le_bytes(take(&mut rest)?);
        self.head.input = u32_next(&mut rest)?;
        self.head.position.offset = u64::from_le_bytes(take(&mut rest)?);
        self.head.position.line = u64::from_le_bytes(take(&mut rest)?);
        self.head.position.index = u32_next(&mut rest)?;
        self.head.fault_len = u32_next(&mut rest)?;
        self.head.len = u32_next(&mut rest)?;
        self.bytes.resize(self.head.fault_len as usize + self.head.len as usize, 0);
        self.file.read_exact(&mut self.bytes)?;
        Ok(true)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> io::Result<[u8; N]> {
    let (front, back) = rest.split_first_chunk::<N>().ok_or(io::ErrorKind::UnexpectedEof)?;
    *rest = back;
    Ok(*front)
}

/// Reads all `names` and gives their records in the order of time.
pub fn merge(names: &[String], format: Format, memory_bytes: usize, options: Options) -> Result<Sorted, FileFault> {
    let mut sorter = Sorter::new(memory_bytes, std::env::temp_dir());
    let mut batch = Batch::default();
    for (input, name) in names.iter().enumerate() {
        let mut reader = FileReader::open_with(name, options)?;
        while reader.next_batch(&mut batch)? {
            for raw in batch.records() {
                let time = if raw.fault.is_some() { None } else { formats::time_of(format, raw.bytes) };
                sorter.push(time, input as u32, raw)?;
            }
        }
    }
    sorter.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(bytes: &[u8]) -> Raw<'_> {
        Raw { bytes, position: Position::default(), fault: None }
    }

    fn drain(mut sorted: Sorted) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(record) = sorted.next().unwrap() {
            let fault = record.raw.fault.map(|f| format!("!{f}")).unwrap_or_default();
            out.push(format!("{}{}{fault}", record.input, String::from_utf8_lossy(record.raw.bytes)));
        }
        out
    }

    #[test]
    fn ties_go_by_argument_and_line_and_the_broken_keep_their_place() {
        for memory in [1, 1 << 20] {
            let mut sorter = Sorter::new(memory, std::env::temp_dir());
            for (input, time, text) in [
                (0, None, "broken first"),
                (0, Some(5), "a"),
                (0, None, "broken behind a"),
                (0, Some(5), "b"),
                (0, Some(9), "c"),
                (1, Some(5), "d"),
                (1, Some(1), "e"),
            ] {
                let mut record = raw(text.as_bytes());
                record.fault = time.is_none().then_some("bad");
                sorter.push(time.map(Time), input, record).unwrap();
            }
            assert_eq!(
                drain(sorter.finish().unwrap()),
                ["0broken first!bad", "1e", "0a", "0broken behind a!bad", "0b", "1d", "0c"],
                "memory {memory}"
            );
        }
    }

    #[test]
    fn more_runs_than_files_may_be_open() {
        let mut sorter = Sorter::new(1, std::env::temp_dir());
        let times: Vec<i64> = (0..300).map(|i| (i * 7919) % 1000).collect();
        for time in &times {
            sorter.push(Some(Time(*time)), 0, raw(time.to_string().as_bytes())).unwrap();
        }
        let mut expected = times.clone();
        expected.sort();
        assert_eq!(drain(sorter.finish().unwrap()), expected.iter().map(|t| format!("0{t}")).collect::<Vec<_>>());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let mut sorter = Sorter::new(1, "/nowhere/at/all");
        sorter.push(Some(Time(1)), 0, raw(b"a")).unwrap();
        let error = sorter.push(Some(Time(2)), 0, raw(b"b")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all") && error.contains("TMPDIR"), "{error}");
    }

    #[test]
    fn nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(1, folder.path());
        for i in 0..5 {
            sorter.push(Some(Time(i)), 0, raw(b"x")).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
