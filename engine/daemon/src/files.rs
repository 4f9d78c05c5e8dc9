//! Files of the embedded mode: what is read, in which order, and what is written.

use crate::line_file::LineFile;
use crate::summary::Summary;
use anyhow::Context;
use portcullis_connectors::file::{self, FileFault, FileReader, Position, Raw, sort};
use portcullis_connectors::formats::Format;
use portcullis_core::containment::DecisionEnd;
use portcullis_core::record::Output;
use portcullis_schemas::{Encoding, encode_output};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// In which order files are scored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Order {
    /// Merged by event time.
    Time,
    /// One after the other, as they are.
    AsIs,
}

const SUMMARY: &str = "summary.json";
/// Bytes of a dead letter that are kept.
const DEAD_LETTER_BYTES_MAX: usize = 64 << 10;
/// Bytes of records in one batch at most.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// So many records of one read are a batch as they stand; fewer are put together with what follows.
const READ_RECORDS_MIN: usize = 512;

/// Raw records of several files, in the order asked for.
pub struct Feed {
    from: From,
    batch: RawBatch,
}

#[allow(clippy::large_enum_variant)] // there is one of it
enum From {
    AsIs { names: Vec<String>, next: usize, open: Option<FileReader>, read: file::Batch, at: usize },
    Sorted(sort::Sorted),
}

/// The records of a batch: some of what was read at once, where they stand, or copied together.
#[derive(Clone)]
pub enum Records<'f> {
    Read { input: u32, read: &'f file::Batch, range: Range<usize> },
    Together(&'f RawBatch),
}

impl<'f> Records<'f> {
    pub fn len(&self) -> usize {
        match self {
            Records::Read { range, .. } => range.len(),
            Records::Together(batch) => batch.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each record with the number of its file.
    pub fn records(&self) -> impl Iterator<Item = (u32, Raw<'f>)> {
        let records = self.clone();
        (0..self.len()).map(move |number| match &records {
            Records::Read { input, read, range } => (*input, read.record(range.start + number)),
            Records::Together(batch) => batch.record(number),
        })
    }

    /// Bytes of all records.
    pub fn bytes(&self) -> u64 {
        self.records().map(|(_, raw)| raw.bytes.len() as u64).sum()
    }
}

/// Records copied together, so that a batch is long enough however little the files give at a time.
#[derive(Default)]
pub struct RawBatch {
    bytes: Vec<u8>,
    entries: Vec<RawEntry>,
}

struct RawEntry {
    input: u32,
    range: Range<usize>,
    position: Position,
    fault: Option<String>,
}

impl RawBatch {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn record(&self, number: usize) -> (u32, Raw<'_>) {
        let entry = &self.entries[number];
        (entry.input, Raw { bytes: &self.bytes[entry.range.clone()], position: entry.position, fault: entry.fault.as_deref() })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    fn push(&mut self, input: u32, raw: Raw<'_>) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(raw.bytes);
        self.entries.push(RawEntry { input, range: from..self.bytes.len(), position: raw.position, fault: raw.fault.map(str::to_owned) });
    }

    fn is_full(&self, records_max: usize) -> bool {
        self.entries.len() >= records_max || self.bytes.len() >= BATCH_BYTES_MAX
    }
}

impl Feed {
    /// Opens the files. Sorting reads them all first, with bounded memory. Standard input is never sorted.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(names: &[String], order: Order, format: Format, memory_bytes: usize) -> Result<Feed, FileFault> {
        let from = if order == Order::Time && names.iter().all(|n| n != "-") {
            From::Sorted(sort::merge(names, format, memory_bytes / 2, file::Options::default())?)
        } else {
            From::AsIs { names: names.to_vec(), next: 0, open: None, read: file::Batch::default(), at: 0 }
        };
        Ok(Feed { from, batch: RawBatch::default() })
    }

    /// The next records, at most `records_max`; `None` at the end.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn next_batch(&mut self, records_max: usize) -> Result<Option<Records<'_>>, FileFault> {
        self.batch.clear();
        match &mut self.from {
            From::Sorted(sorted) => {
                while !self.batch.is_full(records_max) {
                    let Some(record) = sorted.next()? else { break };
                    self.batch.push(record.input, record.raw);
                }
            }
            From::AsIs { names, next, open, read, at } => {
                while !self.batch.is_full(records_max) {
                    if *at < read.len() {
                        let (input, left) = (*next as u32 - 1, read.len() - *at);
                        if self.batch.is_empty() && left >= records_max.min(READ_RECORDS_MIN) {
                            let range = *at..*at + left.min(records_max);
                            *at = range.end;
                            return Ok(Some(Records::Read { input, read, range }));
                        }
                        while *at < read.len() && !self.batch.is_full(records_max) {
                            self.batch.push(input, read.record(*at));
                            *at += 1;
                        }
                        continue;
                    }
                    if let Some(reader) = open {
                        *at = 0;
                        if !reader.next_batch(read)? {
                            *open = None;
                            *read = file::Batch::default();
                        }
                        continue;
                    }
                    let Some(name) = names.get(*next) else { break };
                    *open = Some(FileReader::open(name)?);
                    *next += 1;
                }
            }
        }
        Ok((!self.batch.is_empty()).then_some(Records::Together(&self.batch)))
    }
}

/// The files under `--out`, or standard output for verdicts alone.
pub struct OutputFiles {
    to: To,
    scratch: Vec<u8>,
}

#[allow(clippy::large_enum_variant)] // there is one of it
enum To {
    Stdout(io::BufWriter<io::Stdout>),
    Folder { dir: PathBuf, verdicts: LineFile, containment: LineFile, decisions: LineFile, findings: LineFile, dead_letters: LineFile },
}

/// A record that could not be used, with everything needed to mend and replay it.
#[derive(Serialize)]
struct DeadLetter<'a> {
    file: &'a str,
    line: u64,
    offset: u64,
    /// The place in a list, or of the event within its record.
    index: u32,
    field: &'a str,
    reason: &'a str,
    /// The record, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Cow<'a, str>>,
    /// The record in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_base64: Option<String>,
    /// Its length where not all of it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_from_bytes: Option<usize>,
}

impl OutputFiles {
    /// Makes the folder and its files, empty.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn create(dir: Option<&Path>) -> anyhow::Result<OutputFiles> {
        let to = match dir {
            None => To::Stdout(io::BufWriter::with_capacity(64 << 10, io::stdout())),
            Some(dir) => {
                std::fs::create_dir_all(dir).with_context(|| format!("making the output folder {}", dir.display()))?;
                // That of an earlier run would stand beside the files of one that failed.
                let summary = dir.join(SUMMARY);
                if let Err(error) = std::fs::remove_file(&summary)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    return Err(error).with_context(|| format!("removing {}", summary.display()));
                }
                let file = |name: &str| LineFile::create(&dir.join(name)).with_context(|| format!("making {}", dir.join(name).display()));
                To::Folder {
                    dir: dir.to_owned(),
                    verdicts: file("verdicts.ndjson")?,
                    containment: file("containment.ndjson")?,
                    decisions: file("decisions.ndjson")?,
                    findings: file("findings.ndjson")?,
                    dead_letters: file("dead-letter.ndjson")?,
                }
            }
        };
        Ok(OutputFiles { to, scratch: Vec::new() })
    }

    /// Writes an output to the file it belongs in.
    ///
    /// # Errors
    /// When it cannot be written; the files end with whole lines.
    pub fn output(&mut self, output: &Output) -> anyhow::Result<()> {
        match (&mut self.to, output) {
            (To::Stdout(stdout), Output::Verdict(_)) => {
                self.scratch.clear();
                encode_output(output, Encoding::Json, &mut self.scratch);
                self.scratch.push(b'\n');
                stdout.write_all(&self.scratch)?;
                Ok(())
            }
            (To::Stdout(_), _) => Ok(()),
            (To::Folder { verdicts, .. }, Output::Verdict(_)) => line(verdicts, output),
            (To::Folder { containment, .. }, Output::Request(_)) => line(containment, output),
            (To::Folder { containment, decisions, .. }, Output::Decision(decision)) => {
                if let (DecisionEnd::WouldSend, Some(request)) = (decision.end, &decision.would_send) {
                    line(containment, &Output::Request(request.clone()))?;
                }
                line(decisions, output)
            }
            (To::Folder { findings, .. }, Output::Finding(_)) => line(findings, output),
            (To::Folder { decisions, .. }, Output::Answer(_) | Output::Fact(_)) => line(decisions, output),
            (To::Folder { .. }, Output::Proposal(_) | Output::ToGate(_)) => Ok(()), // between the roles
        }
    }

    /// Writes a record that could not be used.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn dead_letter(&mut self, file: &str, raw: Raw<'_>, index: u32, field: &str, reason: &str) -> anyhow::Result<()> {
        let To::Folder { dead_letters, .. } = &mut self.to else {
            tracing::warn!(file, line = raw.position.line, index, field, "dead letter: {reason}");
            return Ok(());
        };
        let kept = &raw.bytes[..raw.bytes.len().min(DEAD_LETTER_BYTES_MAX)];
        let text = std::str::from_utf8(kept).ok();
        let letter = DeadLetter {
            file,
            line: raw.position.line,
            offset: raw.position.offset,
            index: raw.position.index.max(index),
            field,
            reason,
            raw: text.map(Cow::Borrowed),
            raw_base64: if text.is_none() { Some(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, kept)) } else { None },
            cut_from_bytes: (kept.len() < raw.bytes.len()).then_some(raw.bytes.len()),
        };
        let json = serde_json::to_vec(&letter)?;
        dead_letters.line(|b| b.extend_from_slice(&json)).with_context(|| format!("writing {}", dead_letters.path().display()))
    }

    /// Writes out what is held, and the summary.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self, summary: &Summary) -> anyhow::Result<()> {
        match &mut self.to {
            To::Stdout(stdout) => stdout.flush()?,
            To::Folder { dir, verdicts, containment, decisions, findings, dead_letters } => {
                for file in [verdicts, containment, decisions, findings, dead_letters] {
                    file.flush().with_context(|| format!("writing {}", file.path().display()))?;
                }
                let path = dir.join(SUMMARY);
                std::fs::write(&path, serde_json::to_vec_pretty(summary)?).with_context(|| format!("writing {}", path.display()))?;
            }
        }
        Ok(())
    }
}

fn line(file: &mut LineFile, output: &Output) -> anyhow::Result<()> {
    file.line(|buffer| encode_output(output, Encoding::Json, buffer)).with_context(|| format!("writing {}", file.path().display()))
}
