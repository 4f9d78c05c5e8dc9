//! What SCORE and GATE share: partitions with a state, a journal and timers.

use super::recovery::{Copied, Replayed, journal_bytes, recover};
use crate::partition::{JournalEnd, LogPartition};
use crate::worker::Outbox;
use anyhow::Context;
use portcullis_connectors::kafka::{Batch, RecordRef, Settings, Source, Start, TopicPartition};
use portcullis_core::decide::DECISION_VERSION;
use portcullis_core::record::{Control, JournalRecord, Output, Position, Tick};
use portcullis_core::time::Time;
use portcullis_schemas::{Encoding, encode_control, encode_output};
use portcullis_state::{Shared, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const KAFKA_MAX: Duration = Duration::from_secs(10);
/// A tick that has not come back after this long is sent again.
const TICK_AGAIN: Duration = Duration::from_secs(10);
/// How often the place of the journal's end is looked up, so that a restart reads little of it.
const JOURNAL_LOOK: Duration = Duration::from_secs(60);

/// What a role makes of the records of its log.
pub trait Decides {
    /// Names the directories of its partitions.
    const ROLE: &'static str;
    /// Decodes records and decides on them, in order.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn decide(&mut self, records: &[Borrowed<'_>], outputs: &mut Vec<Output>) -> anyhow::Result<()>;
}

/// A record of the log as it lies in its batch.
pub struct Borrowed<'b> {
    pub position: Position,
    pub key: &'b [u8],
    pub value: &'b [u8],
}

impl<'b> Borrowed<'b> {
    fn of(partition: i32, record: RecordRef<'b>) -> Borrowed<'b> {
        let appended_at = Time(record.timestamp.ms().unwrap_or(0));
        Borrowed {
            position: Position { partition, offset: record.offset, appended_at },
            key: record.key.unwrap_or_default(),
            value: record.value.unwrap_or_default(),
        }
    }
}

/// A live partition and the journal record of the batch that is being published.
struct Live<V: Value> {
    partition: LogPartition<V>,
    open: Option<JournalEnd>,
    /// The tick that was sent last: what it was for, and when.
    ticked: Option<(Time, Instant)>,
}

impl<V: Value + Default> Live<V>
where
    LogPartition<V>: Decides,
{
    /// Decides on a batch: its outputs, and its journal record.
    fn decide(&mut self, records: &[Borrowed<'_>]) -> anyhow::Result<(Vec<Output>, JournalRecord)> {
        let mut outputs = Vec::new();
        self.partition.decide(records, &mut outputs)?;
        let journal = JournalRecord {
            partition: records.first().map_or(0, |r| r.position.partition),
            from: records.first().map_or(0, |r| r.position.offset),
            to: records.last().map_or(0, |r| r.position.offset + 1),
            log_time: self.partition.log_time(),
            policy: self.partition.policy().policy().digest.clone(),
            decision_version: DECISION_VERSION,
            outputs: outputs.len() as u32,
            outputs_digest: outputs_digest(&outputs),
            state_digest: self.partition.changes_digest(),
            previous: self.partition.journal().digest.clone(),
        };
        Ok((outputs, journal))
    }

    /// The next journal record stands at or after this offset.
    fn set_journal_at_least(&mut self, offset: i64) {
        let end = self.partition.journal();
        let end = JournalEnd { digest: end.digest.clone(), at_least: end.at_least.max(offset) };
        self.partition.set_journal(end);
    }
}

impl<V: Value + Default> Replayed for Live<V>
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
        self.decide(&borrowed).map(|(_, journal)| journal)
    }

    fn remember(&mut self, journal: JournalEnd) -> anyhow::Result<()> {
        self.partition.set_journal(journal);
        Ok(self.partition.commit(Instant::now())?)
    }
}

/// BLAKE3 over the unsigned bytes of the outputs, in order, hex.
fn outputs_digest(outputs: &[Output]) -> String {
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), Vec::new());
    for output in outputs {
        bytes.clear();
        encode_output(output, Encoding::Avro, &mut bytes);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    hasher.finalize().to_hex().to_string()
}

/// Where partitions are kept.
pub struct Place {
    pub state: PathBuf,
    pub shared: Shared,
    /// Partitions of the log, fixed for life.
    pub partitions: i32,
}

/// The partitions that a worker owns.
pub struct Partitions<V: Value> {
    settings: Settings,
    place: Place,
    log: Arc<str>,
    journal: Arc<str>,
    owned: BTreeMap<i32, Live<V>>,
    looked: Instant,
}

impl<V: Value + Default> Partitions<V>
where
    LogPartition<V>: Decides,
{
    pub fn new(settings: &Settings, place: Place, log: &Arc<str>, journal: &Arc<str>) -> Partitions<V> {
        let (settings, log, journal) = (settings.clone(), Arc::clone(log), Arc::clone(journal));
        Partitions { settings, place, log, journal, owned: BTreeMap::new(), looked: Instant::now() }
    }

    /// Opens each partition's state, replays it to the committed offset and starts it.
    pub fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        let committed = source.committed(partitions, KAFKA_MAX)?;
        for (at, committed) in committed {
            let dir = self.place.state.join(format!("{}-{}", LogPartition::<V>::ROLE, at.partition));
            let partition = LogPartition::open(&dir, &self.place.shared, &self.log, at.partition, self.place.partitions)?;
            let mut live = Live { partition, open: None, ticked: None };
            let journal = TopicPartition::new(Arc::clone(&self.journal), at.partition);
            let start = recover(&self.settings, &at, &journal, committed, &mut live)?;
            live.set_journal_at_least(source.watermarks(&journal, KAFKA_MAX)?.1);
            let shown = match start {
                Start::At(offset) => offset,
                _ => 0,
            };
            source.start(&at, start)?;
            tracing::info!(partition = %at, offset = shown, "live");
            self.owned.insert(at.partition, live);
        }
        Ok(())
    }

    /// Gives partitions away; what is committed is on disk first.
    pub fn release(&mut self, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        for at in partitions {
            if let Some(mut live) = self.owned.remove(&at.partition) {
                live.partition.abort();
                live.partition.close().with_context(|| format!("closing the state of {at}"))?;
            }
        }
        Ok(())
    }

    /// Decides on a batch: `write` puts a partition's outputs into the outbox, the journal record follows them.
    pub fn apply(
        &mut self,
        batch: &Batch,
        outbox: &mut Outbox,
        mut write: impl FnMut(i32, Vec<Output>, &mut Outbox),
    ) -> anyhow::Result<()> {
        for records in batch.partitions() {
            let number = records.at().partition;
            let borrowed: Vec<Borrowed<'_>> = records.records().map(|r| Borrowed::of(number, r)).collect();
            let live =
                self.owned.get_mut(&number).with_context(|| format!("{}[{number}]: a record of a partition that is not ours", self.log))?;
            let (outputs, journal) = live.decide(&borrowed)?;
            write(number, outputs, outbox);
            let (bytes, digest) = journal_bytes(&journal);
            live.open = Some(JournalEnd { digest, at_least: live.partition.journal().at_least + 1 });
            outbox.push(&self.journal, Some(number), &number.to_be_bytes(), |out| out.extend_from_slice(&bytes));
        }
        Ok(())
    }

    /// The batch is published: remember it.
    pub fn commit(&mut self) -> anyhow::Result<()> {
        for live in self.owned.values_mut() {
            if let Some(end) = live.open.take() {
                live.remember(end)?;
            }
        }
        Ok(())
    }

    /// The batch is not published: forget it.
    pub fn abort(&mut self) {
        for live in self.owned.values_mut() {
            live.open = None;
            live.partition.abort();
        }
    }

    /// No record came for a while.
    pub fn idle(&mut self, source: &Source, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.look_at_journal(source)?;
        self.tick(outbox);
        Ok(())
    }

    /// Appends a tick to the log of each partition whose timer is due by our clock, once.
    fn tick(&mut self, outbox: &mut Outbox) {
        let now = wall_clock();
        for (number, live) in &mut self.owned {
            let Some(due) = live.partition.due().filter(|due| *due <= now) else { continue };
            if live.ticked.is_some_and(|(what, when)| what == due && when.elapsed() < TICK_AGAIN) {
                continue;
            }
            live.ticked = Some((due, Instant::now()));
            outbox.push(&self.log, Some(*number), b"tick", |out| encode_control(&Control::Tick(Tick { due }), out));
        }
    }

    /// Looks up where the journal ends, now and then.
    fn look_at_journal(&mut self, source: &Source) -> anyhow::Result<()> {
        if self.looked.elapsed() < JOURNAL_LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        for (number, live) in &mut self.owned {
            let at = TopicPartition::new(Arc::clone(&self.journal), *number);
            live.set_journal_at_least(source.watermarks(&at, KAFKA_MAX)?.1);
        }
        Ok(())
    }
}

/// The owner's clock: only ever used to decide when to append a tick, never by a decision.
pub fn wall_clock() -> Time {
    Time(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64))
}
