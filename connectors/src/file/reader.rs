//! Reads a file in batches: one large buffer, many records in it, nothing copied per record. Only the beginning of a record that
//! goes on in the next buffer is copied, once.

use super::FileFault;
use super::source::{self, Source};
use super::split::{Splitter, Step};
use crate::formats::RECORD_BYTES_MAX;
use memchr::memchr_iter;
use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

/// Where a record stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position {
    /// Byte offset of the record in the (decompressed) stream.
    pub offset: u64,
    /// Line on which it begins, from 1.
    pub line: u64,
    /// Its place in its list, from 0; 0 outside lists.
    pub index: u32,
}

/// Sizes. The defaults are meant for everything but tests.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of one batch; at least a longest record fits whatever is said here.
    pub batch_bytes: usize,
    pub record_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { batch_bytes: 2 << 20, record_bytes_max: RECORD_BYTES_MAX }
    }
}

/// Bytes of a record that is too long or broken which are kept in its report.
const HEAD_BYTES: usize = 256;

/// Records in one buffer. Made once, filled again and again.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    range: Range<usize>,
    position: Position,
    fault: Option<Cow<'static, str>>,
}

/// One raw record of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raw<'b> {
    /// The record; of one with a fault its beginning.
    pub bytes: &'b [u8],
    pub position: Position,
    /// Why it cannot be a record: to be a dead letter without being decoded.
    pub fault: Option<&'b str>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Its records, in the order of the file.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Raw<'_>> {
        (0..self.len()).map(|number| self.record(number))
    }

    /// The record of that number, from 0. Panics where there is none, as an index does.
    #[inline]
    pub fn record(&self, number: usize) -> Raw<'_> {
        let entry = &self.entries[number];
        Raw { bytes: &self.bytes[entry.range.clone()], position: entry.position, fault: entry.fault.as_deref() }
    }
}

/// Reads raw records from a file, a pipe or anything that can be read.
pub struct FileReader {
    name: String,
    source: Source,
    options: Options,
    splitter: Splitter,
    /// Beginning of the record that goes on in what is read next.
    carry: Vec<u8>,
    /// Stream offset of `carry`.
    offset: u64,
    /// Line of the first byte of `carry`.
    line: u64,
    records: u64,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Reading,
    /// Nothing more comes; with the reason where the stream broke off.
    Ended(Option<String>),
    Done,
}

impl FileReader {
    /// Opens a file by name; `-` is standard input.
    pub fn open(name: &str) -> Result<FileReader, FileFault> {
        Self::open_with(name, Options::default())
    }

    pub fn open_with(name: &str, options: Options) -> Result<FileReader, FileFault> {
        Ok(Self::over(name, source::open(name)?, options))
    }

    /// Reads from `bytes`, which may be compressed; `name` is for messages.
    pub fn from_bytes(name: &str, bytes: impl Read + Send + 'static, options: Options) -> Result<FileReader, FileFault> {
        Ok(Self::over(name, source::unpack(name, bytes, true)?, options))
    }

    fn over(name: &str, source: Source, options: Options) -> FileReader {
        FileReader {
            name: name.to_owned(),
            source,
            options,
            splitter: Splitter::default(),
            carry: Vec::new(),
            offset: 0,
            line: 1,
            records: 0,
            state: State::Reading,
        }
    }

    /// The file's name as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fills `batch` with the next records, at least one; `false` at the end of the file.
    ///
    /// A stream that breaks off (a cut gzip file) ends with a faulty record that says where; an error is returned only where the
    /// system cannot read.
    pub fn next_batch(&mut self, batch: &mut Batch) -> Result<bool, FileFault> {
        batch.entries.clear();
        while batch.is_empty() {
            if self.state == State::Done {
                return Ok(false);
            }
            let filled = self.fill(&mut batch.bytes)?;
            self.cut(batch, filled);
        }
        self.records += batch.len() as u64;
        Ok(true)
    }

    /// Puts what was carried over and as much as fits behind it into `bytes`; returns how much that is.
    fn fill(&mut self, bytes: &mut Vec<u8>) -> Result<usize, FileFault> {
        let capacity = self.options.batch_bytes.max(self.options.record_bytes_max + self.options.record_bytes_max / 4 + 64);
        if bytes.len() != capacity {
            bytes.resize(capacity, 0);
        }
        let mut filled = self.carry.len();
        bytes[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        while self.state == State::Reading && filled < capacity {
            match self.source.bytes.read(&mut bytes[filled..]) {
                Ok(0) => self.state = State::Ended(None),
                Ok(n) => {
                    filled += n;
                    if self.source.eager {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What the decompressor says has no number of the system's; what was readable stays read.
                Err(error) if self.source.compression.is_some() && error.raw_os_error().is_none() => {
                    let format = self.source.compression.unwrap_or_default();
                    let at = self.offset + filled as u64;
                    self.state =
                        State::Ended(Some(format!("the {format} stream is cut or damaged after {at} bytes of its content: {error}")));
                }
                Err(source) => return Err(FileFault::Read { name: self.name.clone(), offset: self.offset + filled as u64, source }),
            }
        }
        Ok(filled)
    }

    /// Cuts the first `filled` bytes into records and carries the rest over.
    fn cut(&mut self, batch: &mut Batch, filled: usize) {
        let end = self.state != State::Reading;
        let buf = &batch.bytes[..filled];
        let (mut at, mut counted) = (0, 0);
        loop {
            let mut step = self.splitter.next(buf, &mut at, end);
            if step == Step::Need && filled - at > self.options.record_bytes_max {
                step = self.splitter.too_long(buf, &mut at, HEAD_BYTES);
            }
            let (range, index, fault) = match step {
                Step::Record(range, index) if range.len() > self.options.record_bytes_max => {
                    (range.start..range.start + HEAD_BYTES.min(range.len()), index, Some(Cow::Borrowed("longer than a record may be")))
                }
                Step::Record(range, index) => (range, index, None),
                Step::Broken(range, index, what) => {
                    (range.start..range.end.min(range.start + HEAD_BYTES), index, Some(Cow::Borrowed(what)))
                }
                Step::Skipped => continue,
                Step::Need if end => break,
                Step::Need | Step::End => break,
            };
            self.line += newlines(&buf[counted..range.start]);
            // A record found by its line has no newline in it.
            counted = if self.splitter.by_line() { range.end } else { range.start };
            let position = Position { offset: self.offset + range.start as u64, line: self.line, index };
            batch.entries.push(Entry { range, position, fault });
        }
        if end {
            self.finish(batch, filled, counted);
        } else {
            self.line += newlines(&buf[counted.min(at)..at]);
            self.carry.extend_from_slice(&buf[at..]);
            self.offset += at as u64;
        }
    }

    /// Reports a stream that broke off, or that held nothing.
    fn finish(&mut self, batch: &mut Batch, filled: usize, counted: usize) {
        let State::Ended(why) = std::mem::replace(&mut self.state, State::Done) else { return };
        let here = Position { offset: self.offset + filled as u64, line: self.line + newlines(&batch.bytes[counted..filled]), index: 0 };
        match why {
            Some(why) => match batch.entries.last_mut() {
                // The record that was cut with the stream is reported once, with the cause.
                Some(last) if last.range.end == filled && !batch.bytes[last.range.clone()].ends_with(b"}") => {
                    last.fault = Some(Cow::Owned(why))
                }
                _ => batch.entries.push(Entry { range: filled..filled, position: here, fault: Some(Cow::Owned(why)) }),
            },
            None if !self.splitter.saw_anything && self.records == 0 && batch.is_empty() => {
                let fault = Some(Cow::Borrowed("empty: the file holds no record"));
                batch.entries.push(Entry { range: filled..filled, position: Position { offset: 0, line: 1, index: 0 }, fault });
            }
            None => {}
        }
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}
