//! Reading a partition's journal: its end, what follows a state, and stretches of bounded length.

use anyhow::Context;
use portcullis_connectors::kafka::{Reader, RecordRef, Start, TopicPartition};
use portcullis_core::id::digest;
use portcullis_core::record::{JournalKind, JournalRecord};
use portcullis_schemas::{DecodeError, decode_journal_record, encode_journal_record};
use std::ops::ControlFlow;

/// Offsets that the first look at the end reads; transactions' markers stand between the records.
const TAIL: i64 = 64;

/// A journal record and where it stands.
#[derive(Clone, Debug)]
pub struct Entry {
    pub offset: i64,
    pub record: JournalRecord,
    pub digest: String,
}

impl Entry {
    fn of(record: RecordRef<'_>) -> Result<Entry, DecodeError> {
        let bytes = record.value.unwrap_or_default();
        Ok(Entry { offset: record.offset, record: decode_journal_record(bytes)?, digest: digest(bytes) })
    }

    /// The committed offset moved with it.
    pub fn moves_end(&self) -> bool {
        matches!(self.record.kind, JournalKind::Batch | JournalKind::AcceptedGap | JournalKind::AcceptedOffsets)
    }
}

/// The bytes of a journal record as they are written, and the chain's next link.
pub fn journal_bytes(record: &JournalRecord) -> (Vec<u8>, String) {
    let mut bytes = Vec::new();
    encode_journal_record(record, &mut bytes);
    let digest = digest(&bytes);
    (bytes, digest)
}

/// Reads on from `from` until `take` breaks.
fn read(reader: &mut Reader, journal: &TopicPartition, from: i64, mut take: impl FnMut(Entry) -> ControlFlow<()>) -> anyhow::Result<()> {
    let mut broken = None;
    reader.read(journal, Start::At(from), None, |record| match Entry::of(record) {
        Ok(entry) => take(entry),
        Err(error) => {
            broken = Some((record.offset, error));
            ControlFlow::Break(())
        }
    })?;
    match broken {
        Some((offset, error)) => Err(error).with_context(|| format!("{journal} offset {offset}: not a journal record")),
        None => Ok(()),
    }
}

/// The last record, and the last that moved the committed offset.
pub fn tail(reader: &mut Reader, journal: &TopicPartition) -> anyhow::Result<Option<(Entry, Entry)>> {
    let (low, high) = reader.watermarks(journal)?;
    if low >= high {
        return Ok(None);
    }
    let mut span = TAIL;
    loop {
        let from = low.max(high - span);
        let (mut last, mut mover) = (None, None);
        read(reader, journal, from, |entry| {
            if entry.moves_end() {
                mover = Some(entry.clone());
            }
            last = Some(entry);
            ControlFlow::Continue(())
        })?;
        match (last, mover) {
            (Some(last), Some(mover)) => return Ok(Some((last, mover))),
            _ if from == low => return Ok(None),
            _ => span = span.saturating_mul(16),
        }
    }
}

/// The records that follow a state, a bounded number at a time.
pub struct Stretch {
    pub entries: Vec<Entry>,
    /// Where the next stretch begins.
    pub next: i64,
}

/// Up to `most` records from offset `from` on, without those whose batches are before `position` and that do not follow `link`.
pub fn stretch(
    reader: &mut Reader,
    journal: &TopicPartition,
    from: i64,
    (position, link): (i64, &str),
    most: usize,
) -> anyhow::Result<Stretch> {
    let (low, high) = reader.watermarks(journal)?;
    let mut stretch = Stretch { entries: Vec::new(), next: from.max(low) };
    if stretch.next >= high {
        return Ok(stretch);
    }
    read(reader, journal, stretch.next, |entry| {
        stretch.next = entry.offset + 1;
        if !stretch.entries.is_empty() || entry.record.to > position || entry.record.previous == link {
            stretch.entries.push(entry);
        }
        if stretch.entries.len() >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(stretch)
}
