//! What SCORE and GATE share: partitions with a state, a journal and timers.

use super::recovery::{Replayed, recover};
use crate::worker::Outbox;
use anyhow::Context;
use portcullis_connectors::kafka::{Settings, Source, Start, TopicPartition};
use portcullis_core::record::{Control, Tick};
use portcullis_core::time::Time;
use portcullis_schemas::encode_control;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const KAFKA_MAX: Duration = Duration::from_secs(10);
/// A tick that has not come back after this long is sent again.
const TICK_AGAIN: Duration = Duration::from_secs(10);
/// How often the place of the journal's end is looked up, so that a restart reads little of it.
const JOURNAL_LOOK: Duration = Duration::from_secs(60);

/// A partition of a role, with its own state.
pub trait Owned: Replayed {
    /// When something is to happen although no record comes, log time.
    fn due(&self) -> Option<Time>;
    /// The next journal record stands at or after this offset.
    fn set_journal_at_least(&mut self, offset: i64);
    /// Puts everything committed on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    fn close(self) -> anyhow::Result<()>;
}

/// The partitions that a worker owns.
pub struct Partitions<P> {
    settings: Settings,
    log: Arc<str>,
    journal: Arc<str>,
    owned: BTreeMap<i32, (P, Option<(Time, Instant)>)>,
    looked: Instant,
}

impl<P: Owned> Partitions<P> {
    pub fn new(settings: &Settings, log: &Arc<str>, journal: &Arc<str>) -> Partitions<P> {
        Partitions {
            settings: settings.clone(),
            log: Arc::clone(log),
            journal: Arc::clone(journal),
            owned: BTreeMap::new(),
            looked: Instant::now(),
        }
    }

    pub fn get(&mut self, partition: i32) -> anyhow::Result<&mut P> {
        self.owned
            .get_mut(&partition)
            .map(|(p, _)| p)
            .with_context(|| format!("{}[{partition}]: a record of a partition that is not ours", self.log))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut P> {
        self.owned.values_mut().map(|(p, _)| p)
    }

    /// Opens each partition's state with `open`, replays it to the committed offset and starts it.
    pub fn assign(
        &mut self,
        source: &mut Source,
        partitions: &[TopicPartition],
        open: impl Fn(i32) -> anyhow::Result<P>,
    ) -> anyhow::Result<()> {
        let committed = source.committed(partitions, KAFKA_MAX)?;
        for (at, committed) in committed {
            let mut partition = open(at.partition)?;
            let journal = TopicPartition::new(Arc::clone(&self.journal), at.partition);
            let start = recover(&self.settings, &at, &journal, committed, &mut partition)?;
            partition.set_journal_at_least(source.watermarks(&journal, KAFKA_MAX)?.1);
            let shown = match start {
                Start::At(offset) => offset,
                _ => 0,
            };
            source.start(&at, start)?;
            tracing::info!(partition = %at, offset = shown, "live");
            self.owned.insert(at.partition, (partition, None));
        }
        Ok(())
    }

    /// Gives partitions away; what is committed is on disk first.
    pub fn release(&mut self, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        for at in partitions {
            if let Some((partition, _)) = self.owned.remove(&at.partition) {
                partition.close().with_context(|| format!("closing the state of {at}"))?;
            }
        }
        Ok(())
    }

    /// Appends a tick to the log of each partition whose timer is due by our clock, once.
    pub fn tick(&mut self, outbox: &mut Outbox) {
        let now = wall_clock();
        for (number, (partition, sent)) in &mut self.owned {
            let Some(due) = partition.due().filter(|due| *due <= now) else { continue };
            if sent.is_some_and(|(what, when)| what == due && when.elapsed() < TICK_AGAIN) {
                continue;
            }
            *sent = Some((due, Instant::now()));
            outbox.push(&self.log, Some(*number), b"tick", |out| encode_control(&Control::Tick(Tick { due }), out));
        }
    }

    /// Looks up where the journal ends, now and then.
    pub fn look_at_journal(&mut self, source: &Source) -> anyhow::Result<()> {
        if self.looked.elapsed() < JOURNAL_LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        for (number, (partition, _)) in &mut self.owned {
            let at = TopicPartition::new(Arc::clone(&self.journal), *number);
            partition.set_journal_at_least(source.watermarks(&at, KAFKA_MAX)?.1);
        }
        Ok(())
    }
}

/// The owner's clock: only ever used to decide when to append a tick, never by a decision.
pub fn wall_clock() -> Time {
    Time(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64))
}
