//! A partition that this worker owns, from its takeover on: decided on, journalled, checkpointed.

use super::log_role::{Borrowed, Decides, Nth, decide};
use super::recovery::journal::journal_bytes;
use super::recovery::{Copied, Replayed};
use crate::checkpointer::{Checkpointer, Job};
use crate::partition::{JournalEnd, LogPartition, Unverified};
use crate::worker::Outbox;
use anyhow::Context;
use portcullis_core::batch::Counts;
use portcullis_core::decide::{DECISION_VERSION, ENGINE};
use portcullis_core::record::{JournalRecord, Output};
use portcullis_core::time::Time;
use portcullis_state::checkpoint::{About, JournalStand};
use portcullis_state::{PartitionIdentity, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The partitions of a worker do not all make their checkpoints at once.
const STAGGER: u32 = 8;

/// A partition and the end of the journal once the batch that is being published has been.
pub struct Owned<V: Value> {
    pub partition: LogPartition<V>,
    open: Option<Open>,
    /// The tick that was sent last: what it was for, and when.
    pub ticked: Option<(Time, Instant)>,
    checkpoint: Checkpointing,
}

struct Open {
    end: JournalEnd,
    /// What the journal owed is said with it.
    pays: bool,
}

/// Where the next checkpoint stands.
struct Checkpointing {
    dir: PathBuf,
    due_from: Instant,
    /// What RocksDB holds is being put on disk, so that the checkpoint itself is a matter of hard links.
    is_prepared: bool,
    /// Of the last one.
    position: i64,
    /// One is being uploaded.
    busy: Arc<AtomicBool>,
}

impl<V: Value + Default> Owned<V>
where
    LogPartition<V>: Decides,
{
    /// `dir` is the partition's.
    pub fn new(partition: LogPartition<V>, dir: &Path) -> Owned<V> {
        let checkpoint = Checkpointing {
            dir: dir.with_extension("checkpoint"),
            due_from: Instant::now(),
            is_prepared: false,
            position: partition.position(),
            busy: Arc::default(),
        };
        Owned { partition, open: None, ticked: None, checkpoint }
    }

    /// Decides on a batch. The journal's records of it go to the outbox, after what `write` puts there.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn apply(
        &mut self,
        journal: &Arc<str>,
        records: &[Borrowed<'_>],
        outbox: &mut Outbox,
        mut write: impl FnMut(Nth, Output, &mut Outbox),
    ) -> anyhow::Result<Counts> {
        let number = records.first().map_or(0, |r| r.position.partition);
        let (end, pays) = self.pay(journal, number, outbox);
        let mut nth = Nth { partition: number, from: records.first().map_or(0, |r| r.position.offset), n: 0 };
        let (counts, mut record) = decide(&mut self.partition, records, |output| {
            write(nth, output, outbox);
            nth.n += 1;
        })?;
        record.previous.clone_from(&end.digest);
        self.open = Some(Open { end: link(journal, number, &record, end, outbox), pays });
        Ok(counts)
    }

    /// Says in the journal what it owes, although no batch came. Whether it owed anything.
    pub fn pay_alone(&mut self, journal: &Arc<str>, number: i32, outbox: &mut Outbox) -> bool {
        let (end, pays) = self.pay(journal, number, outbox);
        if pays {
            self.open = Some(Open { end, pays });
        }
        pays
    }

    /// The end of the journal once it has said what it owes.
    fn pay(&self, journal: &Arc<str>, number: i32, outbox: &mut Outbox) -> (JournalEnd, bool) {
        let mut end = self.partition.journal().clone();
        for owed in self.partition.owed() {
            let record = JournalRecord {
                partition: number,
                from: owed.from,
                to: owed.to,
                log_time: self.partition.log_time(),
                policy: self.partition.policy().policy().digest.clone(),
                decision_version: DECISION_VERSION,
                previous: end.digest.clone(),
                kind: owed.kind,
                note: owed.note.clone(),
                ..JournalRecord::default()
            };
            end = link(journal, number, &record, end, outbox);
        }
        (end, !self.partition.owed().is_empty())
    }

    /// The batch is published.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub fn commit(&mut self) -> anyhow::Result<()> {
        let Some(Open { end, pays }) = self.open.take() else { return Ok(()) };
        if pays {
            self.partition.paid();
        }
        self.remember(end)
    }

    /// The batch is not published.
    pub fn abort(&mut self) {
        self.open = None;
        self.partition.abort();
    }

    /// The next journal record stands at or after this offset.
    pub fn set_journal_at_least(&mut self, offset: i64) {
        let end = self.partition.journal();
        let end = JournalEnd { digest: end.digest.clone(), at_least: end.at_least.max(offset) };
        self.partition.set_journal(end);
    }

    /// Makes a checkpoint if one is due. Between batches only.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub fn checkpoint_if_due(&mut self, checkpointer: &Checkpointer, identity: impl FnOnce() -> PartitionIdentity) -> anyhow::Result<()> {
        let this = &mut self.checkpoint;
        if this.due_from.elapsed() < checkpointer.every || this.busy.load(Ordering::Acquire) || this.position == self.partition.position() {
            return Ok(());
        }
        if !this.is_prepared {
            this.is_prepared = true;
            return Ok(self.partition.start_persist()?);
        }
        if self.partition.is_persisting()? {
            return Ok(());
        }
        (this.is_prepared, this.due_from, this.position) = (false, Instant::now(), self.partition.position());
        remove_dir(&this.dir).with_context(|| format!("removing {}", this.dir.display()))?;
        let began = Instant::now();
        self.partition.checkpoint(&this.dir)?;
        tracing::debug!(dir = %this.dir.display(), took_ms = began.elapsed().as_millis(), "checkpoint made locally");
        let end = self.partition.journal();
        let about = About {
            position: self.partition.position(),
            log_time_ms: self.partition.log_time().0,
            journal: JournalStand { digest: end.digest.clone(), at_least: end.at_least },
            engine: ENGINE.to_owned(),
        };
        checkpointer.hand_over(Job { identity: identity(), about, dir: this.dir.clone(), busy: Arc::clone(&this.busy) });
        Ok(())
    }

    /// The first checkpoint of partition `number` is due a part of `every` from now.
    pub fn stagger(&mut self, number: i32, every: Duration) {
        let wait = every / STAGGER * (1 + number.unsigned_abs() % STAGGER);
        let now = Instant::now();
        self.checkpoint.due_from = now.checked_sub(every.saturating_sub(wait)).unwrap_or(now);
    }
}

/// Removes a directory, if it is there.
pub fn remove_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(dir).or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}

/// Writes a journal record; the end of the journal after it.
fn link(journal: &Arc<str>, number: i32, record: &JournalRecord, before: JournalEnd, outbox: &mut Outbox) -> JournalEnd {
    let (bytes, digest) = journal_bytes(record);
    outbox.push(journal, Some(number), &number.to_be_bytes(), |out| out.extend_from_slice(&bytes));
    JournalEnd { digest, at_least: before.at_least + 1 }
}

impl<V: Value + Default> Replayed for Owned<V>
where
    LogPartition<V>: Decides,
{
    fn position(&self) -> i64 {
        self.partition.position()
    }

    fn journal(&self) -> &JournalEnd {
        self.partition.journal()
    }

    fn replay(&mut self, records: &[Copied]) -> anyhow::Result<JournalRecord> {
        let borrowed: Vec<Borrowed<'_>> = records.iter().map(|r| Borrowed { position: r.position, key: &r.key, value: &r.value }).collect();
        decide(&mut self.partition, &borrowed, drop).map(|(_, journal)| journal)
    }

    fn remember(&mut self, journal: JournalEnd) -> anyhow::Result<()> {
        self.partition.set_journal(journal);
        Ok(self.partition.commit(Instant::now())?)
    }

    fn owe(&mut self, owed: Unverified) {
        self.partition.owe(owed);
    }

    fn owed(&self) -> &[Unverified] {
        self.partition.owed()
    }

    fn skip_to(&mut self, position: i64) {
        self.partition.skip_to(position);
    }
}
