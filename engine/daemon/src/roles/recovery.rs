//! Start-up of a partition: from where its state stands to where the group has committed, by replay with the outputs muted.
//!
//! [`matrix`] decides, this does. The journal says in which batches the records were decided on and what came of each. A replay must give the
//! same digests; one that does not stops the partition, loudly: the state, the binary or the log is not what it was.

pub mod journal;
pub mod matrix;

use crate::partition::{JournalEnd, Unverified};
use crate::worker::NeedsOperator;
use anyhow::{Context, bail};
use journal::Entry;
use matrix::{Accept, Facts, Journal, Next, Plan};
use portcullis_connectors::kafka::{Reader, Settings, Start, TopicPartition};
use portcullis_core::decide::DECISION_VERSION;
use portcullis_core::record::{JournalKind, JournalRecord, Position};
use portcullis_core::time::Time;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Journal records held in memory at a time.
const STRETCH: usize = 4_096;
/// Records of a batch where no journal says where batches ended.
const UNVERIFIED_BATCH: usize = 10_000;
/// A broker answers a commit before its markers are in every partition, so the journal may end early for a moment.
const MARKERS_MAX: Duration = Duration::from_secs(15);
const MARKERS_LOOK: Duration = Duration::from_millis(250);
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

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
    /// The journal is to say this of the replay.
    fn owe(&mut self, owed: Unverified);
    /// What it is still to say.
    fn owed(&self) -> &[Unverified];
    /// Stands at `position` from now on, whatever was before it.
    fn skip_to(&mut self, position: i64);
}

/// What became of a start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recovered {
    /// Read the log from here.
    Live(Start),
    /// The state does not fit and is to be thrown away.
    Rebuild,
}

/// The recovery was called off: the partition is another's now.
#[derive(Debug, thiserror::Error)]
#[error("called off")]
pub struct CalledOff;

/// The start of one partition.
pub struct Recovery<'a> {
    pub reader: Reader,
    pub log: &'a TopicPartition,
    pub journal: &'a TopicPartition,
    pub committed: Option<i64>,
    pub accept: Accept,
    /// Set when the partition is to be given away.
    pub called_off: &'a AtomicBool,
    /// Is told the position now and then.
    pub progress: &'a dyn Fn(i64),
}

impl<'a> Recovery<'a> {
    /// # Errors
    /// A property that librdkafka refuses.
    pub fn open(
        settings: &Settings,
        log: &'a TopicPartition,
        journal: &'a TopicPartition,
        committed: Option<i64>,
        accept: Accept,
        called_off: &'a AtomicBool,
        progress: &'a dyn Fn(i64),
    ) -> anyhow::Result<Recovery<'a>> {
        Ok(Recovery { reader: Reader::open(settings)?, log, journal, committed, accept, called_off, progress })
    }

    /// Brings a partition to the committed offset.
    ///
    /// # Errors
    /// [`NeedsOperator`] with the fault by name; [`CalledOff`]; what Kafka or the store says.
    pub fn recover<P: Replayed>(&mut self, partition: &mut P) -> anyhow::Result<Recovered> {
        let (facts, last) = self.facts(partition)?;
        let plan = matrix::decide(&facts, self.accept).map_err(|fault| NeedsOperator(format!("{}: {fault}", self.log)))?;
        tracing::debug!(log = %self.log, ?facts, ?plan, "start");
        match plan {
            Plan::Rebuild => Ok(Recovered::Rebuild),
            Plan::Beginning => Ok(Recovered::Live(Start::Beginning)),
            Plan::Live { at, owed } => {
                if let Some(owed) = owed {
                    tracing::warn!(log = %self.log, note = owed.note, "goes on as accepted; the journal will say so");
                    partition.skip_to(owed.to);
                    partition.owe(owed);
                    partition.remember(chain_end(partition, last))?;
                }
                Ok(Recovered::Live(Start::At(at)))
            }
            Plan::Replay { from, to, is_verified, owed } => {
                let began = Instant::now();
                if let Some(owed) = owed {
                    tracing::warn!(log = %self.log, note = owed.note, "goes on as accepted; the journal will say so");
                    partition.owe(owed);
                }
                if is_verified {
                    self.replay(partition, from, to)?;
                } else {
                    let end = chain_end(partition, last);
                    self.replay_unverified(partition, from, to, end)?;
                }
                tracing::info!(log = %self.log, from, to, verified = is_verified, took_ms = began.elapsed().as_millis(), "state replayed");
                Ok(Recovered::Live(Start::At(to)))
            }
        }
    }

    /// The journal's end: what no state may be ahead of, if the group's offsets say nothing.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn journal_end(&mut self) -> anyhow::Result<Option<i64>> {
        Ok(journal::tail(&mut self.reader, self.journal)?.map(|(_, mover)| mover.record.to))
    }

    /// What is there, and the journal's last record.
    fn facts<P: Replayed>(&mut self, partition: &P) -> anyhow::Result<(Facts, Option<Entry>)> {
        let (position, end) = (partition.position(), partition.journal().clone());
        let began = Instant::now();
        let tail = loop {
            let tail = journal::tail(&mut self.reader, self.journal)?;
            let ends_at = tail.as_ref().map_or(0, |(_, mover)| mover.record.to);
            if self.committed.is_none_or(|committed| committed <= ends_at) || began.elapsed() > MARKERS_MAX {
                break tail;
            }
            self.check_called_off()?;
            std::thread::sleep(MARKERS_LOOK);
        };
        let next = match &tail {
            Some((_, mover)) if mover.record.to > position => self.next(position, &end)?,
            _ => None,
        };
        let (first, last) = self.reader.watermarks(self.log)?;
        let is_replaced = match &tail {
            Some((_, mover)) if mover.record.kind == JournalKind::Batch => self.is_younger(&mover.record, first..last)?,
            _ => false,
        };
        let journal = Journal {
            was_written: self.reader.watermarks(self.journal)?.1 > 0,
            end: tail.as_ref().map(|(_, mover)| mover.record.to),
            decision_version: tail.as_ref().map_or(0, |(last, _)| last.record.decision_version),
            next,
        };
        let is_in_gap = partition.owed().iter().any(|owed| owed.kind == JournalKind::AcceptedGap && position < owed.to);
        let committed = self.committed;
        let facts =
            Facts { state: position, is_in_gap, log: first..last, is_replaced, journal, committed, decision_version: DECISION_VERSION };
        Ok((facts, tail.map(|(last, _)| last)))
    }

    /// Whether the log's last record of this batch is younger than the batch: log time is the running maximum of the broker's stamps, so
    /// none that the batch held can be.
    fn is_younger(&mut self, batch: &JournalRecord, log: Range<i64>) -> anyhow::Result<bool> {
        let last = batch.to - 1;
        let mut is_younger = false;
        if log.contains(&last) {
            self.reader.read(self.log, Start::At(last), Some(batch.to), |record| {
                is_younger |= record.offset == last && record.timestamp.ms().is_some_and(|stamp| Time(stamp) > batch.log_time);
                ControlFlow::Continue(())
            })?;
        }
        Ok(is_younger)
    }

    /// The batch that follows the state; records between that are no batches are part of the chain.
    fn next(&mut self, position: i64, end: &JournalEnd) -> anyhow::Result<Option<Next>> {
        let (mut link, mut from, mut skipped) = (end.digest.clone(), end.at_least, None);
        loop {
            let stretch = journal::stretch(&mut self.reader, self.journal, from, (position, &link), 16)?;
            let Some(first) = stretch.entries.first() else { return Ok(skipped) };
            let is_chained = first.record.previous == link;
            if first.record.kind == JournalKind::Batch || !is_chained {
                return Ok(Some(Next { from: first.record.from, is_chained }));
            }
            skipped = Some(Next { from: first.record.to, is_chained });
            (link, from) = (first.digest.clone(), first.offset + 1);
        }
    }

    fn check_called_off(&self) -> Result<(), CalledOff> {
        if self.called_off.load(Ordering::Relaxed) { Err(CalledOff) } else { Ok(()) }
    }

    /// Decides again on the journal's batches, comparing digests.
    fn replay<P: Replayed>(&mut self, partition: &mut P, from: i64, to: i64) -> anyhow::Result<()> {
        let mut read_from = partition.journal().at_least;
        let mut checks = Checks { log: self.log.clone(), accept: self.accept, diverged: false };
        let mut from = from;
        while partition.position() < to {
            let end = partition.journal().clone();
            let stretch = journal::stretch(&mut self.reader, self.journal, read_from, (partition.position(), &end.digest), STRETCH)?;
            read_from = stretch.next;
            if stretch.entries.is_empty() {
                bail!("{}: the journal ended before {to}", self.log);
            }
            let reached = stretch.entries.iter().filter(|e| e.moves_end()).map(|e| e.record.to).max().unwrap_or(from);
            self.replay_stretch(partition, &stretch.entries, from, reached, &mut checks)?;
            from = reached;
        }
        Ok(())
    }

    fn replay_stretch<P: Replayed>(
        &mut self,
        partition: &mut P,
        entries: &[Entry],
        from: i64,
        to: i64,
        checks: &mut Checks,
    ) -> anyhow::Result<()> {
        let mut left = entries.iter().peekable();
        let mut records: Vec<Copied> = Vec::new();
        self.read_log(from, to, |tell, record| {
            match record {
                Some(record) => {
                    while let Some(entry) = left.next_if(|e| !e.moves_end() || record.position.offset >= e.record.to) {
                        checks.finish(partition, entry, &mut records)?;
                        tell(partition.position());
                    }
                    // No batch is as long as a gap may be.
                    if records.len() >= UNVERIFIED_BATCH && left.peek().is_some_and(|e| e.record.kind != JournalKind::Batch) {
                        decide_unverified(partition, &mut records)?;
                        partition.remember(partition.journal().clone())?;
                    }
                    records.push(record);
                }
                None => {
                    for entry in left.by_ref() {
                        checks.finish(partition, entry, &mut records)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Decides again on `from..to` without anything to compare with. `end` is the chain's.
    fn replay_unverified<P: Replayed>(&mut self, partition: &mut P, from: i64, to: i64, end: JournalEnd) -> anyhow::Result<()> {
        let mut records: Vec<Copied> = Vec::new();
        self.read_log(from, to, |tell, record| {
            if records.len() == UNVERIFIED_BATCH || (record.is_none() && !records.is_empty()) {
                partition.replay(&records)?;
                partition.remember(partition.journal().clone())?;
                tell(partition.position());
                records.clear();
            }
            records.extend(record);
            Ok(())
        })?;
        partition.skip_to(to);
        partition.remember(end)
    }

    /// Gives the records of `from..to` to `each`, and `None` at the end; with them what notes the progress.
    fn read_log(
        &mut self,
        from: i64,
        to: i64,
        mut each: impl FnMut(&mut dyn FnMut(i64), Option<Copied>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (log, called_off, progress) = (self.log, self.called_off, self.progress);
        let mut told = Instant::now();
        let mut tell = |position: i64| {
            progress(position);
            if told.elapsed() >= PROGRESS_EVERY {
                tracing::info!(%log, position, to, "replaying");
                told = Instant::now();
            }
        };
        let mut failed = None;
        if from < to {
            self.reader.read(log, Start::At(from), Some(to), |record| {
                let copied = Copied {
                    position: Position {
                        partition: log.partition,
                        offset: record.offset,
                        appended_at: Time(record.timestamp.ms().unwrap_or(0)),
                    },
                    key: record.key.unwrap_or_default().to_vec(),
                    value: record.value.unwrap_or_default().to_vec(),
                };
                let step = if called_off.load(Ordering::Relaxed) { Err(CalledOff.into()) } else { each(&mut tell, Some(copied)) };
                match step {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
        }
        match failed {
            Some(error) => Err(error),
            None => each(&mut tell, None).with_context(|| format!("replaying {log}")),
        }
    }
}

/// Where the chain goes on: after the journal's last record or, where none is left, after the one that the state knew, wherever the next
/// one will stand. So a state from before the gap finds its way through it, too.
fn chain_end<P: Replayed>(partition: &P, last: Option<Entry>) -> JournalEnd {
    match last {
        Some(last) => JournalEnd { at_least: last.offset + 1, digest: last.digest },
        None => JournalEnd { at_least: 0, digest: partition.journal().digest.clone() },
    }
}

/// Decides on records that no journal record vouches for.
fn decide_unverified<P: Replayed>(partition: &mut P, records: &mut Vec<Copied>) -> anyhow::Result<()> {
    partition.replay(records)?;
    records.clear();
    Ok(())
}

/// A replay equals the original, or stops.
struct Checks {
    log: TopicPartition,
    accept: Accept,
    /// A divergence or a broken chain was accepted: what follows it is not compared.
    diverged: bool,
}

impl Checks {
    /// The records of a journal record are complete: decides on them, compares, remembers.
    fn finish<P: Replayed>(&mut self, partition: &mut P, entry: &Entry, records: &mut Vec<Copied>) -> anyhow::Result<()> {
        let then = &entry.record;
        let end = partition.journal().clone();
        if then.previous != end.digest {
            self.broken_chain(partition, entry)?;
        }
        let link = JournalEnd { digest: entry.digest.clone(), at_least: entry.offset + 1 };
        if then.kind == JournalKind::Batch {
            let now = partition.replay(records)?;
            self.compare(partition, entry, &now)?;
            records.clear();
        } else if !records.is_empty() {
            // A state from before a gap, where all of the journal was gone: whoever accepted the gap had them decided on, too.
            decide_unverified(partition, records)?;
        }
        if entry.moves_end() {
            partition.skip_to(then.to);
        }
        partition.remember(link)
    }

    fn broken_chain<P: Replayed>(&mut self, partition: &mut P, entry: &Entry) -> anyhow::Result<()> {
        let (log, then, offset) = (&self.log, &entry.record, entry.offset);
        if !self.accept.accept_divergence {
            bail!(NeedsOperator(format!(
                "{log}: chain-broken: the journal's record at offset {offset} does not follow the one before it: a record is missing, was changed or was \
                 inserted. Find out by whom (`portcullis log export` shows the journal). Start once with --accept-rebuild if the state is what is wrong; \
                 with --accept-divergence to go on behind the break, which the journal will then name"
            )));
        }
        tracing::error!(%log, offset, "the chain is broken, and that is accepted; the journal will say so");
        self.diverged = true;
        partition.owe(Unverified {
            kind: JournalKind::AcceptedDivergence,
            from: then.from,
            to: then.to,
            note: format!("the chain was broken at journal offset {offset}"),
        });
        Ok(())
    }

    fn compare<P: Replayed>(&mut self, partition: &mut P, entry: &Entry, now: &JournalRecord) -> anyhow::Result<()> {
        let (log, then) = (&self.log, &entry.record);
        if then.decision_version != DECISION_VERSION {
            let note = format!("decided by decision version {}, replayed by {DECISION_VERSION}", then.decision_version);
            partition.owe(Unverified { kind: JournalKind::VersionBoundary, from: then.from, to: then.to, note });
            return Ok(());
        }
        let differences: Vec<String> = [
            (then.from != now.from || then.to != now.to)
                .then(|| format!("offsets {}..{} instead of {}..{}", now.from, now.to, then.from, then.to)),
            (then.outputs != now.outputs).then(|| format!("{} outputs instead of {}", now.outputs, then.outputs)),
            (then.outputs_digest != now.outputs_digest).then(|| "other outputs".to_owned()),
            (then.state_digest != now.state_digest).then(|| "another change of state".to_owned()),
            (then.policy != now.policy).then(|| "another policy".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if differences.is_empty() || self.diverged {
            return Ok(());
        }
        let what = differences.join(", ");
        if self.accept.accept_divergence {
            tracing::error!(%log, from = then.from, to = then.to, what, "diverged, and accepted; the journal will say so");
            self.diverged = true;
            partition.owe(Unverified {
                kind: JournalKind::AcceptedDivergence,
                from: then.from,
                to: then.to,
                note: format!("the replay gave {what}"),
            });
            return Ok(());
        }
        bail!(NeedsOperator(format!(
            "{log}: diverged: replaying offsets {} to {} (journal offset {}) gave {what}: the state, the engine or the log differs from what decided then. \
             Delete the state of this partition to have it rebuilt from a checkpoint or the log; if that diverges too, the engine or the log was changed: \
             start once with --accept-divergence to go on with what this engine makes of it",
            then.from, then.to, entry.offset
        )))
    }
}

#[cfg(test)]
mod tests;
