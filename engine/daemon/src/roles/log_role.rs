//! What SCORE and GATE share: partitions with a state, a journal and timers.
//!
//! A partition that the group assigns is taken over on a thread of its own ([`super::takeover`]) and joins the loop when it is live; the
//! others go on meanwhile.

use super::owned::Owned;
use super::recovery::matrix::Accept;
use super::takeover::{Job, Takeover, Turnstile};
use crate::checkpointer::Checkpointer;
use crate::partition::{LogPartition, identity_of};
use crate::status::{Advance, Phase, WorkerStatus};
use crate::worker::{NeedsOperator, Outbox};
use anyhow::Context;
use portcullis_connectors::kafka::{Batch, RecordRef, Settings, Source, Start, TopicPartition};
use portcullis_core::batch::Counts;
use portcullis_core::decide::DECISION_VERSION;
use portcullis_core::record::{Control, JournalRecord, Output, Position, Tick};
use portcullis_core::time::Time;
use portcullis_schemas::{Encoding, encode_control, encode_output};
use portcullis_state::{Shared, StateFault, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const KAFKA_MAX: Duration = Duration::from_secs(10);
/// A tick that has not come back after this long is sent again.
const TICK_AGAIN: Duration = Duration::from_secs(10);
/// How often the place of the journal's end is looked up, so that a restart reads little of it.
const JOURNAL_LOOK: Duration = Duration::from_secs(60);
/// How often positions are reported, flushes and checkpoints looked after.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// A partition that waits for a person says so this often.
const STOPPED_SAID: Duration = Duration::from_secs(60);

/// The header that says which output of which batch a record is, so that the audit can hold it against the journal.
pub const AT: &str = "at";

/// An output's place in what a journal record pins. `3/1200/7`: of partition 3, of the batch from offset 1200, the eighth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Nth {
    pub partition: i32,
    pub from: i64,
    pub n: u32,
}

impl fmt::Display for Nth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.partition, self.from, self.n)
    }
}

impl Nth {
    /// Reads the header back.
    pub fn parse(text: &[u8]) -> Option<Nth> {
        let mut parts = std::str::from_utf8(text).ok()?.split('/');
        let nth = Nth { partition: parts.next()?.parse().ok()?, from: parts.next()?.parse().ok()?, n: parts.next()?.parse().ok()? };
        parts.next().is_none().then_some(nth)
    }
}

/// What a role makes of the records of its log.
pub trait Decides {
    /// Names the directories of its partitions.
    const ROLE: &'static str;
    /// Decodes records and decides on them, in order; `each` gets the outputs as they come. Of GATE nothing but its outputs is counted.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn decide(&mut self, records: &[Borrowed<'_>], each: &mut dyn FnMut(Output)) -> anyhow::Result<Counts>;
}

/// A record of the log as it lies in its batch.
pub struct Borrowed<'b> {
    pub position: Position,
    pub key: &'b [u8],
    pub value: &'b [u8],
}

impl<'b> Borrowed<'b> {
    pub(super) fn of(partition: i32, record: RecordRef<'b>) -> Borrowed<'b> {
        let appended_at = Time(record.timestamp.ms().unwrap_or(0));
        Borrowed {
            position: Position { partition, offset: record.offset, appended_at },
            key: record.key.unwrap_or_default(),
            value: record.value.unwrap_or_default(),
        }
    }
}

/// Decides on a batch: its outputs go to `each` one by one, so that a batch of many keeps none of them; what comes back is what
/// was counted, and its journal record. Whoever replays a log calls this, too.
///
/// # Errors
/// When the state cannot be read.
pub fn decide<V: Value + Default>(
    partition: &mut LogPartition<V>,
    records: &[Borrowed<'_>],
    mut each: impl FnMut(Output),
) -> anyhow::Result<(Counts, JournalRecord)>
where
    LogPartition<V>: Decides,
{
    let mut digest = OutputsDigest::default();
    let counts = partition.decide(records, &mut |output| {
        digest.add(&output);
        each(output);
    })?;
    let journal = JournalRecord {
        partition: records.first().map_or(0, |r| r.position.partition),
        from: records.first().map_or(0, |r| r.position.offset),
        to: records.last().map_or(0, |r| r.position.offset + 1),
        log_time: partition.log_time(),
        policy: partition.policy().policy().digest.clone(),
        decision_version: DECISION_VERSION,
        outputs: digest.outputs,
        outputs_digest: digest.hasher.finalize().to_hex().to_string(),
        state_digest: partition.changes_digest(),
        previous: partition.journal().digest.clone(),
        ..JournalRecord::default()
    };
    Ok((counts, journal))
}

/// BLAKE3 over the unsigned bytes of the outputs, in order.
#[derive(Default)]
struct OutputsDigest {
    outputs: u32,
    hasher: blake3::Hasher,
    bytes: Vec<u8>,
}

impl OutputsDigest {
    fn add(&mut self, output: &Output) {
        self.outputs += 1;
        self.bytes.clear();
        encode_output(output, Encoding::Avro, &mut self.bytes);
        self.hasher.update(&(self.bytes.len() as u64).to_le_bytes());
        self.hasher.update(&self.bytes);
    }
}

/// Where partitions are kept, and how they are taken over.
#[derive(Clone)]
pub struct Place {
    pub state: PathBuf,
    pub shared: Shared,
    /// Partitions of the log, fixed for life.
    pub partitions: i32,
    /// None: a lost directory is rebuilt from the log alone.
    pub checkpointer: Option<Arc<Checkpointer>>,
    pub accept: Accept,
    pub status: Arc<WorkerStatus>,
    /// One a process.
    pub turnstile: Turnstile,
}

impl Place {
    /// Without checkpoints, and accepting nothing.
    pub fn new(state: PathBuf, shared: Shared, partitions: i32, status: Arc<WorkerStatus>) -> Place {
        let (checkpointer, accept, turnstile) = (None, Accept::default(), Turnstile::default());
        Place { state, shared, partitions, checkpointer, accept, status, turnstile }
    }
}

/// The partitions that a worker owns.
pub struct Partitions<V: Value> {
    settings: Settings,
    place: Place,
    log: Arc<str>,
    journal: Arc<str>,
    owned: BTreeMap<i32, Owned<V>>,
    /// Assigned, and not live yet.
    coming: BTreeMap<i32, Takeover<V>>,
    /// Assigned, and waiting for a person.
    stopped: BTreeMap<i32, String>,
    looked: Instant,
    kept: Instant,
    said: Instant,
}

impl<V: Value + Default> Partitions<V>
where
    LogPartition<V>: Decides,
{
    pub fn new(settings: &Settings, place: Place, log: &Arc<str>, journal: &Arc<str>) -> Partitions<V> {
        let now = Instant::now();
        Partitions {
            settings: settings.clone(),
            place,
            log: Arc::clone(log),
            journal: Arc::clone(journal),
            owned: BTreeMap::new(),
            coming: BTreeMap::new(),
            stopped: BTreeMap::new(),
            looked: now,
            kept: now,
            said: now,
        }
    }

    fn dir(&self, partition: i32) -> PathBuf {
        self.place.state.join(format!("{}-{partition}", LogPartition::<V>::ROLE))
    }

    /// Begins to take partitions over; [`turn`](Partitions::turn) makes them live.
    pub fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        for (at, committed) in source.committed(partitions, KAFKA_MAX)? {
            self.place.status.set(&at.to_string(), Phase::Recovering, committed.unwrap_or(0));
            let number = at.partition;
            let job = Job {
                settings: self.settings.clone(),
                place: self.place.clone(),
                dir: self.dir(number),
                journal: TopicPartition::new(Arc::clone(&self.journal), number),
                log: at,
                committed,
            };
            self.coming.insert(number, Takeover::start(job)?);
        }
        Ok(())
    }

    /// Gives partitions away; what is committed is on disk first.
    pub fn release(&mut self, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        let coming: Vec<Takeover<V>> = partitions.iter().filter_map(|at| self.coming.remove(&at.partition)).collect();
        // All are told before one is waited for.
        coming.iter().for_each(Takeover::call_off);
        drop(coming);
        for at in partitions {
            self.place.status.remove(&at.to_string());
            self.stopped.remove(&at.partition);
            if let Some(mut owned) = self.owned.remove(&at.partition) {
                owned.abort();
                owned.partition.close().with_context(|| format!("closing the state of {at}"))?;
            }
        }
        Ok(())
    }

    /// Decides on a batch: `write` puts an output of a partition into the outbox, the journal record follows them.
    pub fn apply(&mut self, batch: &Batch, outbox: &mut Outbox, mut write: impl FnMut(Nth, Output, &mut Outbox)) -> anyhow::Result<Counts> {
        let mut counts = Counts::default();
        for records in batch.partitions() {
            let number = records.at().partition;
            let borrowed: Vec<Borrowed<'_>> = records.records().map(|r| Borrowed::of(number, r)).collect();
            let owned =
                self.owned.get_mut(&number).with_context(|| format!("{}[{number}]: a record of a partition that is not ours", self.log))?;
            let applied = owned.apply(&self.journal, &borrowed, outbox, &mut write);
            counts += self.give_up_damaged(number, applied)?;
        }
        Ok(counts)
    }

    /// The ends of the journals as of the last commit, by partition.
    pub fn ends(&self) -> impl Iterator<Item = (i32, &str)> {
        self.owned.iter().map(|(number, owned)| (*number, owned.partition.journal().digest.as_str()))
    }

    /// The partitions that are live.
    pub fn numbers(&self) -> impl Iterator<Item = i32> {
        self.owned.keys().copied()
    }

    /// One that is live.
    pub fn partition(&mut self, number: i32) -> Option<&mut LogPartition<V>> {
        self.owned.get_mut(&number).map(|owned| &mut owned.partition)
    }

    /// The batch is published: remember it.
    pub fn commit(&mut self) -> anyhow::Result<()> {
        let numbers: Vec<i32> = self.owned.keys().copied().collect();
        for number in numbers {
            if let Some(owned) = self.owned.get_mut(&number) {
                let done = owned.commit();
                self.give_up_damaged(number, done)?;
            }
        }
        Ok(())
    }

    /// A damaged directory is thrown away at once. The worker begins anew, and finds none.
    fn give_up_damaged<T>(&mut self, number: i32, done: anyhow::Result<T>) -> anyhow::Result<T> {
        let error = match done {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if error.chain().any(|e| matches!(e.downcast_ref(), Some(StateFault::Corrupt { .. }))) {
            drop(self.owned.remove(&number));
            tracing::error!(log = %self.log, partition = number, "{error:#}: the directory is thrown away, and rebuilt from a checkpoint or the log");
            portcullis_state::destroy(&self.dir(number))?;
        }
        Err(error)
    }

    /// The batch is not published: forget it.
    pub fn abort(&mut self) {
        self.owned.values_mut().for_each(Owned::abort);
    }

    /// Between two batches: partitions that were taken over become live; flushes and checkpoints that are due are made.
    pub fn turn(&mut self, source: &mut Source) -> anyhow::Result<()> {
        self.place.status.turned();
        let done: Vec<i32> = self.coming.iter().filter(|(_, takeover)| takeover.is_done()).map(|(number, _)| *number).collect();
        for number in done {
            if let Some(takeover) = self.coming.remove(&number) {
                self.welcome(source, number, takeover)?;
            }
        }
        if self.kept.elapsed() >= HOUSEKEEPING {
            self.kept = Instant::now();
            self.keep_house(source)?;
        }
        Ok(())
    }

    fn welcome(&mut self, source: &mut Source, number: i32, takeover: Takeover<V>) -> anyhow::Result<()> {
        let at = TopicPartition::new(Arc::clone(&self.log), number);
        match takeover.join() {
            Ok((mut owned, start)) => {
                let journal = TopicPartition::new(Arc::clone(&self.journal), number);
                owned.set_journal_at_least(source.watermarks(&journal, KAFKA_MAX)?.1);
                if let Some(checkpointer) = &self.place.checkpointer {
                    owned.stagger(number, checkpointer.every);
                }
                source.start(&at, start)?;
                let offset = if let Start::At(offset) = start { offset } else { 0 };
                tracing::info!(partition = %at, offset, "live");
                self.place.status.set(&at.to_string(), Phase::Live, offset);
                self.owned.insert(number, owned);
                Ok(())
            }
            Err(error) if error.is::<NeedsOperator>() => {
                let fault = format!("{error:#}");
                tracing::error!(partition = %at, "stopped, and waits for a person: {fault}");
                self.place.status.set(&at.to_string(), Phase::Stopped(fault.clone()), 0);
                self.stopped.insert(number, fault);
                Ok(())
            }
            Err(error) => Err(error.context(format!("taking over {at}"))),
        }
    }

    fn keep_house(&mut self, source: &Source) -> anyhow::Result<()> {
        let numbers: Vec<i32> = self.owned.keys().copied().collect();
        for number in numbers {
            let Some(owned) = self.owned.get_mut(&number) else { continue };
            let at = TopicPartition::new(Arc::clone(&self.log), number);
            let position = owned.partition.position();
            let advance = Advance {
                position,
                end: source.heard_end(&at, position),
                reached: Some(owned.partition.log_time()).filter(|time| time.0 > 0),
                state_bytes: owned.partition.disk_bytes().ok(),
            };
            self.place.status.advance(&at.to_string(), advance);
            let mut done = owned.partition.flush_if_due(Instant::now()).map_err(anyhow::Error::from);
            if let (Ok(()), Some(checkpointer)) = (&done, &self.place.checkpointer) {
                done = owned.checkpoint_if_due(checkpointer, || identity_of(&self.log, number, self.place.partitions));
            }
            self.give_up_damaged(number, done)?;
        }
        for (number, takeover) in &self.coming {
            let advance = Advance { position: takeover.position(), ..Advance::default() };
            self.place.status.advance(&format!("{}[{number}]", self.log), advance);
        }
        if self.said.elapsed() >= STOPPED_SAID {
            self.said = Instant::now();
            for (number, fault) in &self.stopped {
                tracing::error!(partition = format!("{}[{number}]", self.log), "stopped, and waits for a person: {fault}");
            }
        }
        Ok(())
    }

    /// No record came for a while.
    pub fn idle(&mut self, source: &Source, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.look_at_journal(source)?;
        for (number, owned) in &mut self.owned {
            if owned.pay_alone(&self.journal, *number, outbox) {
                // The group's offset may be none, or another than the journal's end that was accepted.
                outbox.commit(TopicPartition::new(Arc::clone(&self.log), *number), owned.partition.position());
            }
        }
        self.tick(outbox);
        Ok(())
    }

    /// Appends a tick to the log of each partition whose timer is due by our clock, once.
    fn tick(&mut self, outbox: &mut Outbox) {
        let now = wall_clock();
        for (number, owned) in &mut self.owned {
            let Some(due) = owned.partition.due().filter(|due| *due <= now) else { continue };
            if owned.ticked.is_some_and(|(what, when)| what == due && when.elapsed() < TICK_AGAIN) {
                continue;
            }
            owned.ticked = Some((due, Instant::now()));
            outbox.push(&self.log, Some(*number), b"tick", |out| encode_control(&Control::Tick(Tick { due }), out));
        }
    }

    /// Looks up where the journal ends, now and then.
    fn look_at_journal(&mut self, source: &Source) -> anyhow::Result<()> {
        if self.looked.elapsed() < JOURNAL_LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        for (number, owned) in &mut self.owned {
            let at = TopicPartition::new(Arc::clone(&self.journal), *number);
            owned.set_journal_at_least(source.watermarks(&at, KAFKA_MAX)?.1);
        }
        Ok(())
    }
}

/// The owner's clock: only ever used to decide when to append a tick, never by a decision.
pub fn wall_clock() -> Time {
    Time(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64))
}
