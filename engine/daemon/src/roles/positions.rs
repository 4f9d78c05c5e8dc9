//! Where a worker without a state of its own stands: the group's committed offsets are all that it remembers.

use crate::status::{Advance, Phase, WorkerStatus};
use crate::worker::NeedsOperator;
use anyhow::bail;
use portcullis_connectors::kafka::{Source, Start, TopicPartition};
use portcullis_core::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const KAFKA_MAX: Duration = Duration::from_secs(10);
/// How often positions are reported.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// The partitions that were started, and how far each is.
pub struct Positions {
    status: Arc<WorkerStatus>,
    /// Next record of each, as of the last commit.
    next: BTreeMap<TopicPartition, i64>,
    /// When the last record of each was appended that was looked at.
    reached: BTreeMap<TopicPartition, Time>,
    reported: Instant,
}

/// What is done where records were deleted before they were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gap {
    /// A person decides.
    Stops,
    /// It is said, and the rest is read: waiting would lose more.
    GoesOn,
}

impl Positions {
    pub fn new(status: Arc<WorkerStatus>) -> Positions {
        Positions { status, next: BTreeMap::new(), reached: BTreeMap::new(), reported: Instant::now() }
    }

    /// Starts partitions where the group has committed; those without an offset at their beginning. Returns where each begins.
    ///
    /// # Errors
    /// An offset that is not in the log any more; what to do.
    pub fn start(
        &mut self,
        source: &mut Source,
        committed: Vec<(TopicPartition, Option<i64>)>,
        gap: Gap,
    ) -> anyhow::Result<Vec<(TopicPartition, i64)>> {
        let mut begins = Vec::new();
        for (at, committed) in committed {
            let (low, high) = source.watermarks(&at, KAFKA_MAX)?;
            let start = match committed {
                None => {
                    tracing::info!(partition = %at, "no offset is committed: read from its beginning, as one that is new or was made anew");
                    Start::Beginning
                }
                Some(offset) if offset > high => bail!(NeedsOperator(format!(
                    "{at}: the committed offset {offset} is beyond the end of the topic, {high}: the topic was made anew or lost records. \
                     Set the group's offset to what is to be read (`kafka-consumer-groups --reset-offsets --to-earliest` reads it all)"
                ))),
                Some(offset) if offset < low && gap == Gap::GoesOn => {
                    tracing::error!(partition = %at, lost = low - offset, "records were deleted before they were read: they are lost; raise the topic's retention.ms");
                    Start::Beginning
                }
                Some(offset) if offset < low => bail!(NeedsOperator(format!(
                    "{at}: the committed offset {offset} is before the first record, {low}: {} records were deleted before they were read. \
                     Set the group's offset to {low} to go on without them, and raise the topic's retention",
                    low - offset
                ))),
                Some(offset) => Start::At(offset),
            };
            source.start(&at, start)?;
            let from = committed.unwrap_or(low).max(low);
            self.status.set(&at.to_string(), Phase::Live, from);
            self.next.insert(at.clone(), from);
            begins.push((at, from));
        }
        Ok(begins)
    }

    pub fn release(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            self.status.remove(&at.to_string());
            self.next.remove(at);
            self.reached.remove(at);
        }
    }

    /// The loop has turned.
    pub fn turn(&mut self, source: &Source) {
        self.status.turned();
        if self.reported.elapsed() < REPORT_EVERY {
            return;
        }
        self.reported = Instant::now();
        for (at, position) in &self.next {
            let (end, reached) = (source.heard_end(at, *position), self.reached.get(at).copied());
            self.status.advance(&at.to_string(), Advance { position: *position, end, reached, state_bytes: None });
        }
    }

    /// A record that was appended then is looked at.
    pub fn reached(&mut self, at: &TopicPartition, appended_ms: i64) {
        self.reached.insert(at.clone(), Time(appended_ms));
    }

    /// These offsets are committed.
    pub fn committed(&mut self, offsets: impl IntoIterator<Item = (TopicPartition, i64)>) {
        for (at, offset) in offsets {
            if let Some(next) = self.next.get_mut(&at) {
                *next = offset;
            }
        }
    }
}
