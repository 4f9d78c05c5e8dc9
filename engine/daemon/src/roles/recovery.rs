//! Start-up of a partition: from where its state stands to where the group has committed, by replay with the outputs muted.
//!
//! The journal says in which batches the records were decided and what came of each. A replay must give the same digests; one that does
//! not stops the partition, loudly: the state, the binary or the log is not what it was.

use crate::partition::JournalEnd;
use crate::worker::NeedsOperator;
use anyhow::{Context, bail};
use portcullis_connectors::kafka::{Reader, Settings, Start, TopicPartition};
use portcullis_core::decide::DECISION_VERSION;
use portcullis_core::id::digest;
use portcullis_core::record::{JournalRecord, Position};
use portcullis_core::time::Time;
use portcullis_schemas::{decode_journal_record, encode_journal_record};
use std::ops::ControlFlow;

/// A record of a log, copied out of its batch.
#[derive(Clone, Debug)]
pub struct Copied {
    pub position: Position,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// A partition that can be replayed.
pub trait Replayed {
    fn position(&self) -> i64;
    fn journal(&self) -> &JournalEnd;
    /// Decides on a batch and returns its journal record; outputs are dropped.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn replay(&mut self, records: &[Copied]) -> anyhow::Result<JournalRecord>;
    /// Remembers the batch.
    ///
    /// # Errors
    /// When the state cannot be written.
    fn remember(&mut self, journal: JournalEnd) -> anyhow::Result<()>;
}

/// A journal record and where it stands.
struct Entry {
    offset: i64,
    record: JournalRecord,
    digest: String,
}

/// Brings a partition to the committed offset; says where to start reading.
///
/// # Errors
/// A state, journal and committed offset that do not fit together, each by name with what to do.
pub fn recover<P: Replayed>(
    settings: &Settings,
    log: &TopicPartition,
    journal: &TopicPartition,
    committed: Option<i64>,
    partition: &mut P,
) -> anyhow::Result<Start> {
    let (position, end) = (partition.position(), partition.journal().clone());
    let mut reader = Reader::open(settings)?;
    let (low, high) = reader.watermarks(journal)?;
    let Some(committed) = committed else {
        if position != 0 || high != low {
            bail!(NeedsOperator(format!(
                "{log}: the group has no committed offset, but the state stands at {position} and {journal} holds records up to {high}: the group's offsets were deleted or the group was renamed. \
                 Restore them with `kafka-consumer-groups --reset-offsets --to-offset N` (N = `to` of the last journal record), or choose a new topics.prefix to begin anew"
            )));
        }
        return Ok(Start::Beginning);
    };
    if position > committed {
        bail!(NeedsOperator(format!(
            "{log}: the state stands at {position}, ahead of the committed offset {committed}: the group's offsets were moved back or the state is another group's. \
             Delete the state of this partition to have it rebuilt from the log"
        )));
    }
    if position == committed {
        return Ok(Start::At(committed));
    }
    let entries = journal_after(&mut reader, journal, end.at_least.max(low), position)?;
    let last = entries.last().map_or(position, |e| e.record.to);
    if last != committed {
        bail!(NeedsOperator(format!(
            "{log}: the journal ends at {last}, the committed offset is {committed}: they are written in one transaction, so one of them was moved. \
             Set the group's offset to {last}"
        )));
    }
    let batches = entries.len();
    replay(&mut reader, log, &entries, end, partition)?;
    tracing::info!(%log, from = position, to = committed, batches, "state replayed and verified against the journal");
    Ok(Start::At(committed))
}

/// The journal records from the one that follows the state on.
fn journal_after(reader: &mut Reader, journal: &TopicPartition, from: i64, position: i64) -> anyhow::Result<Vec<Entry>> {
    let (mut entries, mut broken) = (Vec::new(), None);
    reader.read(journal, Start::At(from), None, |record| {
        let bytes = record.value.unwrap_or_default();
        match decode_journal_record(bytes) {
            Ok(decoded) if decoded.to <= position => {}
            Ok(decoded) => entries.push(Entry { offset: record.offset, record: decoded, digest: digest(bytes) }),
            Err(error) => {
                broken = Some((record.offset, error));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    match broken {
        Some((offset, error)) => Err(anyhow::Error::from(error).context(format!("{journal} offset {offset}: not a journal record"))),
        None => Ok(entries),
    }
}

fn replay<P: Replayed>(
    reader: &mut Reader,
    log: &TopicPartition,
    entries: &[Entry],
    mut end: JournalEnd,
    partition: &mut P,
) -> anyhow::Result<()> {
    let (from, to) = (partition.position(), entries.last().map_or(0, |e| e.record.to));
    let mut left = entries.iter();
    let mut entry = left.next();
    let mut records: Vec<Copied> = Vec::new();
    let mut failed = None;
    let mut finish = |entry: &Entry, records: &mut Vec<Copied>| -> anyhow::Result<()> {
        verify(log, &end, entry, &partition.replay(records)?)?;
        end = JournalEnd { digest: entry.digest.clone(), at_least: entry.offset + 1 };
        partition.remember(end.clone())?;
        records.clear();
        Ok(())
    };
    reader.read(log, Start::At(from), Some(to), |record| {
        let step = || -> anyhow::Result<()> {
            while let Some(e) = entry
                && record.offset >= e.record.to
            {
                finish(e, &mut records)?;
                entry = left.next();
            }
            records.push(Copied {
                position: Position {
                    partition: log.partition,
                    offset: record.offset,
                    appended_at: Time(record.timestamp.ms().unwrap_or(0)),
                },
                key: record.key.unwrap_or_default().to_vec(),
                value: record.value.unwrap_or_default().to_vec(),
            });
            Ok(())
        };
        match { step }() {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    match entry {
        Some(e) => finish(e, &mut records).with_context(|| format!("replaying {log}")),
        None => Ok(()),
    }
}

/// A replay equals the original, or stops.
fn verify(log: &TopicPartition, end: &JournalEnd, entry: &Entry, now: &JournalRecord) -> anyhow::Result<()> {
    let then = &entry.record;
    if !end.digest.is_empty() && then.previous != end.digest {
        bail!(NeedsOperator(format!(
            "{log}: the journal's chain is broken at offset {}: a record is missing, was changed or was inserted",
            entry.offset
        )));
    }
    if then.decision_version != DECISION_VERSION {
        tracing::warn!(%log, journal_offset = entry.offset, then = then.decision_version, now = DECISION_VERSION, "replayed across decision versions: unverified");
        return Ok(());
    }
    let same = (then.from, then.to, then.outputs, &then.outputs_digest, &then.state_digest, &then.policy)
        == (now.from, now.to, now.outputs, &now.outputs_digest, &now.state_digest, &now.policy);
    if !same {
        bail!(NeedsOperator(format!(
            "{log}: replaying offsets {} to {} gave {} outputs ({}), the journal has {} ({}): the state, the engine or the log differs from what decided then. \
             Delete the state of this partition to have it rebuilt from the log",
            then.from, then.to, now.outputs, now.outputs_digest, then.outputs, then.outputs_digest
        )));
    }
    Ok(())
}

/// The journal record of a batch as it is written, and the chain's next link.
pub fn journal_bytes(record: &JournalRecord) -> (Vec<u8>, String) {
    let mut bytes = Vec::new();
    encode_journal_record(record, &mut bytes);
    let digest = digest(&bytes);
    (bytes, digest)
}
