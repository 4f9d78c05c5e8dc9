//! Reading a partition from here to there, without a group: journals, replays, compacted tables, `log export`.

use super::access::READERS;
use super::batch::{Batch, RecordRef};
use super::context::ConsumerEvents;
use super::fault::{KafkaFault, PartitionFaultKind};
use super::fetcher::{Aside, FETCH_TUNING, Fetcher};
use super::{Settings, Start, TopicPartition};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A read that gets nowhere for that long gives up.
const STALLED_MAX: Duration = Duration::from_secs(30);
const METADATA_MAX: Duration = Duration::from_secs(10);
const WAIT: Duration = Duration::from_millis(50);

/// What was read: `from..to`, of which `records` were there (compaction, aborted transactions and their markers leave gaps).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRange {
    pub from: i64,
    /// Where a next read goes on.
    pub to: i64,
    pub records: u64,
}

/// Reads one partition after the other, `read_committed`.
pub struct Reader {
    fetcher: Fetcher,
    bootstrap_servers: String,
}

impl Reader {
    /// # Errors
    /// A property that librdkafka refuses or that is ours.
    pub fn open(settings: &Settings) -> Result<Self, KafkaFault> {
        let fixed = [
            ("group.id", READERS),
            ("group.protocol", "classic"),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "error"),
        ];
        let consumer = settings.client(FETCH_TUNING, &fixed, ConsumerEvents::new, BaseConsumer::client)?;
        Ok(Self { fetcher: Fetcher::new(consumer, Arc::from([]))?, bootstrap_servers: settings.bootstrap_servers.clone() })
    }

    /// Between two reads nobody polls, and whatever waited, above all a token that is to be renewed, is served here.
    fn wake(&self) {
        drop(self.fetcher.consumer.poll(Duration::ZERO));
    }

    /// How many partitions the topic has.
    ///
    /// # Errors
    /// [`KafkaFault::MissingTopics`]; no broker within 10 s.
    pub fn partitions(&self, topic: &str) -> Result<i32, KafkaFault> {
        self.wake();
        super::connect::partitions_of(&*self.fetcher.consumer, &self.bootstrap_servers, topic, METADATA_MAX)
    }

    /// The first offset in the log and the one after the last committed one (the last stable offset). A broker answers a commit before
    /// its markers are in every partition, so what was committed a moment ago may not be counted yet; once `init_transactions` of the same
    /// `transactional.id` ([`super::Sink::open`]) has returned, it is.
    ///
    /// # Errors
    /// No leader within 10 s.
    pub fn watermarks(&self, at: &TopicPartition) -> Result<(i64, i64), KafkaFault> {
        self.wake();
        self.fetcher.watermarks(at, METADATA_MAX)
    }

    /// The offset of the first record that is no older than `ms` (Unix milliseconds), or the log's end where none is.
    ///
    /// # Errors
    /// No leader within 10 s.
    fn offset_at(&self, at: &TopicPartition, ms: i64) -> Result<i64, KafkaFault> {
        self.wake();
        let fault = |e: &rdkafka::error::KafkaError| KafkaFault::of(format!("looking for the first record of {at} since {ms}"), e);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&at.topic, at.partition, Offset::Offset(ms)).map_err(|e| fault(&e))?;
        let found = self.fetcher.consumer.offsets_for_times(list, METADATA_MAX).map_err(|e| fault(&e))?;
        match found.find_partition(&at.topic, at.partition).map(|p| p.offset()) {
            Some(Offset::Offset(offset)) => Ok(offset),
            _ => self.watermarks(at).map(|(_, high)| high),
        }
    }

    /// Gives every committed record of a topic that is no older than `ms` (Unix milliseconds), one partition after the other, until it breaks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_since(
        &mut self,
        topic: &Arc<str>,
        ms: i64,
        mut on_record: impl FnMut(RecordRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), KafkaFault> {
        let mut flow = ControlFlow::Continue(());
        for partition in 0..self.partitions(topic)? {
            self.read_partition_since(&TopicPartition::new(Arc::clone(topic), partition), ms, |record| {
                flow = on_record(record);
                flow
            })?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The same of one partition.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_partition_since(
        &mut self,
        at: &TopicPartition,
        ms: i64,
        on_record: impl FnMut(RecordRef<'_>) -> ControlFlow<()>,
    ) -> Result<ReadRange, KafkaFault> {
        let from = self.offset_at(at, ms)?;
        self.read(at, Start::At(from), None, on_record)
    }

    /// Gives every committed record of `from..to` to `on_record`, in log order, until it breaks. `to` is at most the end of the log as it
    /// is when the read starts, and that end where it is `None`.
    ///
    /// # Errors
    /// [`KafkaFault::Partition`] where `from` is before the log's first record (retention was too short) or after its end;
    /// [`KafkaFault::Unreachable`] after 30 s without progress.
    pub fn read(
        &mut self,
        at: &TopicPartition,
        from: Start,
        to: Option<i64>,
        mut on_record: impl FnMut(RecordRef<'_>) -> ControlFlow<()>,
    ) -> Result<ReadRange, KafkaFault> {
        let (low, high) = self.watermarks(at)?;
        let from = match from {
            Start::At(offset) => offset,
            Start::Beginning => low,
            Start::Committed => return Err(KafkaFault::Misuse("a reader has no committed offset")),
        };
        if from < low || from > high {
            let reason = format!("offset {from} is not in the log, which has {low} to {high}; {}", advice(from < low));
            return Err(KafkaFault::Partition { at: at.clone(), reason });
        }
        let to = to.map_or(high, |to| to.min(high));
        let mut range = ReadRange { from, to: from.max(to), records: 0 };
        if from >= to {
            return Ok(range);
        }
        self.fetcher.topics = Arc::from([Arc::clone(&at.topic)]);
        self.fetcher.forward(at)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&at.topic, at.partition, Start::At(from).offset())
            .map_err(|e| KafkaFault::of(format!("reading {at}"), &e))?;
        self.fetcher.consumer.assign(&list).map_err(|e| KafkaFault::of(format!("reading {at}"), &e))?;
        let done = self.read_assigned(at, to, &mut range, &mut on_record);
        let unassigned = self.fetcher.consumer.unassign().map_err(|e| KafkaFault::of(format!("leaving {at}"), &e));
        self.fetcher.await_stop(at);
        done.and(unassigned).map(|()| range)
    }

    fn read_assigned(
        &mut self,
        at: &TopicPartition,
        to: i64,
        range: &mut ReadRange,
        on_record: &mut impl FnMut(RecordRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), KafkaFault> {
        let mut batch = Batch::new();
        let mut next = range.from;
        let mut progress = Instant::now();
        while next < to {
            batch.clear();
            let mut aside = Aside::default();
            let mut came = self.fetcher.take(&mut batch, usize::MAX, Duration::ZERO, &mut aside);
            if came == 0 {
                self.fetcher.serve_group()?;
                came = self.fetcher.take(&mut batch, 1, WAIT, &mut aside);
            }
            // Messages of a partition that was read before carry another topic or number and are not taken for ours.
            for records in batch.partitions().filter(|records| records.at() == at) {
                next = next.max(records.next_offset());
            }
            batch.truncate(to);
            for record in batch.partitions().filter(|records| records.at() == at).flat_map(|records| records.records()) {
                range.records += 1;
                if on_record(record).is_break() {
                    range.to = record.offset + 1;
                    return Ok(());
                }
            }
            if let Some(fault) = aside.faults.into_iter().find(|fault| fault.at == *at) {
                if let Some(denied) = fault.denied() {
                    return Err(denied);
                }
                let hint = if fault.kind == PartitionFaultKind::OffsetOutOfRange { advice(true) } else { "" };
                return Err(KafkaFault::Partition { at: at.clone(), reason: format!("{} {hint}", fault.reason) });
            }
            // The end of the log is past the last record where markers or gaps are.
            for (_, end) in aside.ends.iter().filter(|(ended, _)| ended == at) {
                next = next.max(*end);
            }
            if came > 0 {
                progress = Instant::now();
            } else if progress.elapsed() > STALLED_MAX {
                return Err(KafkaFault::Unreachable {
                    bootstrap_servers: self.bootstrap_servers.clone(),
                    waited_ms: STALLED_MAX.as_millis(),
                    reason: self.fetcher.consumer.context().notices.latest().unwrap_or_else(|| format!("{at} stands at {next} of {to}")),
                });
            }
        }
        Ok(())
    }
}

fn advice(before_the_log: bool) -> &'static str {
    if before_the_log {
        "retention removed what is asked for: restore a newer checkpoint or raise retention.ms"
    } else {
        "the topic was made anew or its tail was lost: compare the cluster's id with the recorded one"
    }
}
