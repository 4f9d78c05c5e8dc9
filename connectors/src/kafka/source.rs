//! A consumer for one worker thread: batches of records, and rebalances as values.
//!
//! The contract is in the [module above](super): `receive` is called only while no transaction is open, and it alone serves rebalances.
//! A call brings either a rebalance or records, never both:
//!
//! - **assigned**: look up where each partition's state stands and [`start`](Source::start) it there. The group is not held up by that;
//!   live partitions go on while another is restored.
//! - **revoked**: persist what is due, then [`release`](Source::release). Only then does the group learn that the partitions are free.
//!   `lost` says that it was too late for that (the session expired): others own them already, nothing may be written for them.
//!
//! The classic group protocol with cooperative-sticky assignment and static membership: a restart within the session time-out moves nothing.

use super::access::{Access, Operation, Resource};
use super::batch::Batch;
use super::context::{ConsumerEvents, Notice, Rebalance, unassign};
use super::fault::{KafkaFault, PartitionFault};
use super::fetcher::{Aside, FETCH_TUNING, Fetcher};
use super::orphans::Orphans;
use super::{Settings, TopicPartition};
use rdkafka::bindings as rd;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the group's queue is looked at while no record comes.
const GROUP_INTERVAL: Duration = Duration::from_millis(50);

/// Markers of transactions that may stand at the end of a log without a record after them.
const MARKERS_MAX: i64 = 2;

/// What to do where there is no committed offset, or one that is not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// Our own logs: a [`PartitionFault`], never a silent skip.
    Error,
    /// Raw inputs: from the beginning.
    Earliest,
}

/// How a source joins its group.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    pub group: String,
    /// `group.instance.id`: unique among the live members, the same after a restart. `None` joins dynamically.
    pub instance: Option<String>,
    pub topics: Vec<String>,
    pub offset_reset: OffsetReset,
    /// After that long without a heartbeat the member counts as dead.
    pub session_timeout: Duration,
}

impl SourceSettings {
    /// Of a member of ours.
    pub const SESSION: Duration = Duration::from_secs(10);

    /// A member of `group` that reads our own logs: static, errors instead of skips, a session of 10 s.
    pub fn new(group: impl Into<String>, instance: impl Into<String>, topics: &[&str]) -> Self {
        Self {
            group: group.into(),
            instance: Some(instance.into()),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            offset_reset: OffsetReset::Error,
            session_timeout: Self::SESSION,
        }
    }
}

/// Where to start reading a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    At(i64),
    Beginning,
    /// Where the group's committed offset points, else as [`OffsetReset`] says.
    Committed,
}

impl Start {
    pub(super) fn offset(self) -> Offset {
        match self {
            Self::At(offset) => Offset::Offset(offset),
            Self::Beginning => Offset::Beginning,
            Self::Committed => Offset::Stored,
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(offset) => write!(f, "offset {offset}"),
            Self::Beginning => f.write_str("the beginning"),
            Self::Committed => f.write_str("the committed offset"),
        }
    }
}

/// What a call of [`Source::receive`] brought beside the records in the batch.
#[derive(Debug, Default)]
pub struct Received {
    /// To be started.
    pub assigned: Vec<TopicPartition>,
    /// To be released.
    pub revoked: Vec<TopicPartition>,
    /// The revoked partitions have been others' for a while: drop what is not committed, write nothing.
    pub lost: bool,
    /// Errors of single partitions, which deliver nothing more until they are started again.
    pub faults: Vec<PartitionFault>,
    pub notices: Vec<Notice>,
}

/// See the [module](self).
pub struct Source {
    settings: Settings,
    source: SourceSettings,
    fetcher: Fetcher,
    /// Assigned by the group, started or not, until released.
    assigned: BTreeSet<TopicPartition>,
    /// Revoked by the group and not released yet.
    unreleased: Option<Vec<TopicPartition>>,
    /// The last call of `receive` brought no record.
    is_drained: bool,
    /// A look for partitions that nobody owns, under way beside us.
    pub(super) looking: Option<JoinHandle<Orphans>>,
}

impl Source {
    /// Joins the group. Does not wait for a broker: [`super::connect_check`] does.
    ///
    /// # Errors
    /// A property that librdkafka refuses or that is ours.
    pub fn open(settings: &Settings, source: &SourceSettings) -> Result<Self, KafkaFault> {
        let topics = source.topics.iter().map(|topic| Arc::from(topic.as_str())).collect();
        Ok(Self {
            fetcher: Fetcher::new(Self::join(settings, source)?, topics)?,
            settings: settings.clone(),
            source: source.clone(),
            assigned: BTreeSet::new(),
            unreleased: None,
            is_drained: false,
            looking: None,
        })
    }

    fn join(settings: &Settings, source: &SourceSettings) -> Result<BaseConsumer<ConsumerEvents>, KafkaFault> {
        let session_timeout_ms = source.session_timeout.as_millis().to_string();
        let heartbeat_ms = (source.session_timeout.as_millis() / 4).clamp(1, 1000).to_string();
        let mut fixed = vec![
            ("group.id", source.group.as_str()),
            ("group.protocol", "classic"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "false"),
            ("auto.offset.reset", if source.offset_reset == OffsetReset::Error { "error" } else { "earliest" }),
            ("session.timeout.ms", &session_timeout_ms),
        ];
        if let Some(instance) = &source.instance {
            fixed.push(("group.instance.id", instance));
        }
        let mut tuned = FETCH_TUNING.to_vec();
        tuned.push(("heartbeat.interval.ms", &heartbeat_ms));
        let consumer = settings.client(&tuned, &fixed, ConsumerEvents::new, BaseConsumer::client)?;
        let topics: Vec<&str> = source.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|e| KafkaFault::of(format!("subscribing to {}", topics.join(", ")), &e))?;
        Ok(consumer)
    }

    /// The topics subscribed to; [`super::RecordRef::topic`] is an index into it.
    pub fn topics(&self) -> &Arc<[Arc<str>]> {
        &self.fetcher.topics
    }

    /// Clears the batch and fills it with what is there: until a round brings nothing more, at the latest after `linger` or `records_max`
    /// records (nothing waits for a batch to fill). Waits up to `idle_wait` for the first record or rebalance,
    /// asleep.
    ///
    /// **No transaction may be open**: see the contract in the [module above](super).
    ///
    /// # Errors
    /// [`KafkaFault::Fenced`] if another instance has our `group.instance.id`: final. After any other error of the consumer make a new
    /// source; what was assigned is lost.
    /// [`KafkaFault::Misuse`] if a revocation has not been released.
    pub fn receive(
        &mut self,
        batch: &mut Batch,
        records_max: usize,
        linger: Duration,
        idle_wait: Duration,
    ) -> Result<Received, KafkaFault> {
        batch.clear();
        if self.unreleased.is_some() {
            return Err(KafkaFault::Misuse("receive was called before the revoked partitions were released"));
        }
        let began = Instant::now();
        let mut aside = Aside::default();
        let mut received = Received::default();
        loop {
            match self.fetcher.serve_group() {
                Err(KafkaFault::Fenced { reason, .. }) if self.group_metadata().is_err() => {
                    if self.rejoin(&reason, &mut received)? {
                        return Ok(received);
                    }
                }
                served => served?,
            }
            received.notices.extend(self.fetcher.consumer.context().notices.take());
            // librdkafka asks again for ever; whoever waits for partitions would never learn why none come.
            if let Some(denied) = received.notices.iter().find(|notice| notice.code == Some(Code::GroupAuthorizationFailed)) {
                return Err(self.group_fault("joining the group", &KafkaError::Global(Code::GroupAuthorizationFailed), &denied.text));
            }
            while let Some(rebalance) = self.fetcher.consumer.context().next_rebalance() {
                if self.rebalanced(rebalance, &mut received) {
                    return Ok(received);
                }
            }
            self.drain(batch, records_max, linger, &mut aside);
            let waited = began.elapsed();
            if batch.is_empty() && aside.is_empty() && received.notices.is_empty() && waited < idle_wait {
                let wait = (idle_wait - waited).min(GROUP_INTERVAL);
                if self.fetcher.take(batch, 1, wait, &mut aside) == 0 {
                    continue;
                }
                self.drain(batch, records_max, linger, &mut aside);
            }
            if batch.is_empty() && aside.is_empty() && received.notices.is_empty() && began.elapsed() < idle_wait {
                continue;
            }
            received.faults = aside.faults;
            self.is_drained = batch.is_empty();
            return Ok(received);
        }
    }

    fn drain(&mut self, batch: &mut Batch, records_max: usize, linger: Duration, aside: &mut Aside) {
        let began = Instant::now();
        while batch.len() < records_max {
            if self.fetcher.take(batch, records_max - batch.len(), Duration::ZERO, aside) == 0 || began.elapsed() >= linger {
                return;
            }
        }
    }

    /// Whether there is something to tell: an assignment of nothing new is none.
    fn rebalanced(&mut self, rebalance: Rebalance, received: &mut Received) -> bool {
        match rebalance {
            Rebalance::Assigned(partitions) => {
                self.assigned.extend(partitions.iter().cloned());
                received.assigned = partitions;
                !received.assigned.is_empty()
            }
            Rebalance::Revoked { partitions, lost } => {
                for at in &partitions {
                    self.assigned.remove(at);
                }
                received.revoked.clone_from(&partitions);
                received.lost = lost;
                self.unreleased = Some(partitions);
                true
            }
        }
    }

    /// A new consumer in place of one that librdkafka (2.12) has got fenced by itself: while the broker is away for longer than the session
    /// lasts, it gives up its member id, and sends its next heartbeat without one before the revocation has been released; the broker
    /// takes that for a stranger under our `group.instance.id`. (Had another instance really taken it, we would still have our member id.)
    /// Whether there is something to tell.
    fn rejoin(&mut self, reason: &str, received: &mut Received) -> Result<bool, KafkaFault> {
        let fetcher = Fetcher::new(Self::join(&self.settings, &self.source)?, Arc::clone(&self.fetcher.topics))?;
        self.fetcher.consumer.context().close();
        self.fetcher = fetcher;
        self.fetcher.consumer.context().notices.add(None, format!("the session expired while the broker was away; joined anew ({reason})"));
        received.revoked = std::mem::take(&mut self.assigned).into_iter().collect();
        received.lost = !received.revoked.is_empty();
        Ok(received.lost)
    }

    /// Starts an assigned partition: its first record is the one at `from`. One that runs, or that a fault has
    /// stopped, starts anew.
    /// If the group has taken the partition away meanwhile, nothing is started; the next `receive` brings the revocation.
    ///
    /// # Errors
    /// A partition that does not exist. That the offset is not in the log shows in [`Received::faults`].
    pub fn start(&mut self, at: &TopicPartition, from: Start) -> Result<(), KafkaFault> {
        if self.assignment_lost() {
            return Ok(());
        }
        self.fetcher.start(at, from)
    }

    /// Delivers nothing more of a partition until it is [started](Self::start) again. It stays ours as far as the group is concerned.
    ///
    /// # Errors
    /// Of the client.
    pub fn hold(&mut self, at: &TopicPartition) -> Result<(), KafkaFault> {
        if self.assignment_lost() {
            return Ok(());
        }
        self.fetcher.stop(at)
    }

    /// Gives the revoked partitions back to the group. Without a revocation, nothing.
    ///
    /// # Errors
    /// librdkafka's, if it does not know the group any more.
    pub fn release(&mut self) -> Result<(), KafkaFault> {
        match self.unreleased.take() {
            Some(partitions) => unassign(&self.fetcher.consumer, &partitions).map_err(|e| KafkaFault::of("giving partitions back", &e)),
            None => Ok(()),
        }
    }

    /// The partitions that were started and not released.
    ///
    /// # Errors
    /// Of the client.
    pub fn started(&self) -> Result<Vec<TopicPartition>, KafkaFault> {
        let list = self.fetcher.consumer.assignment().map_err(|e| KafkaFault::of("the assignment", &e))?;
        Ok(super::context::partitions_of(&list))
    }

    /// Reads on from these offsets, after an abort from where the batch began. What was fetched and not received is dropped. Of a partition
    /// that the group has taken away meanwhile nothing is read: its next owner starts where the group has committed.
    ///
    /// # Errors
    /// Of the client.
    pub fn rewind(&mut self, to: &[(TopicPartition, i64)]) -> Result<(), KafkaFault> {
        if self.assignment_lost() {
            return Ok(());
        }
        let started = self.started()?;
        let ours: Vec<_> = to.iter().filter(|(at, _)| started.contains(at)).cloned().collect();
        match ours.is_empty() {
            true => Ok(()),
            false => self.fetcher.seek(&ours),
        }
    }

    /// Stops delivery of these partitions until [`resume`](Self::resume); what was fetched is fetched again then.
    ///
    /// # Errors
    /// Of the client.
    pub fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), KafkaFault> {
        self.fetcher.consumer.pause(&list_of(partitions)).map_err(|e| KafkaFault::of("pausing", &e))
    }

    /// # Errors
    /// Of the client.
    pub fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), KafkaFault> {
        self.fetcher.consumer.resume(&list_of(partitions)).map_err(|e| KafkaFault::of("resuming", &e))
    }

    /// The group's committed offset of each partition, `None` where there is none. Waits for transactions that are being committed.
    ///
    /// # Errors
    /// No coordinator within `timeout`.
    pub fn committed(&self, partitions: &[TopicPartition], timeout: Duration) -> Result<Vec<(TopicPartition, Option<i64>)>, KafkaFault> {
        let list = self
            .fetcher
            .consumer
            .committed_offsets(list_of(partitions), timeout)
            .map_err(|e| self.group_fault("reading the committed offsets", &e, ""))?;
        list.elements()
            .iter()
            .map(|element| {
                let at = TopicPartition::new(element.topic(), element.partition());
                element.error().map_err(|e| KafkaFault::of(format!("reading the committed offset of {at}"), &e))?;
                Ok((at, element.offset().to_raw().filter(|offset| *offset >= 0)))
            })
            .collect()
    }

    /// The first offset in the log and the one after the last that a `read_committed` consumer can read (the last stable offset).
    ///
    /// # Errors
    /// No leader within `timeout`.
    pub fn watermarks(&self, at: &TopicPartition, timeout: Duration) -> Result<(i64, i64), KafkaFault> {
        self.fetcher.watermarks(at, timeout)
    }

    /// One past the last record of a started partition that a `read_committed` consumer can read, as of its last fetch, for one who has read
    /// up to `position`. Asks nobody. Where nothing more comes, what little is left are markers of transactions, and no records.
    pub fn heard_end(&self, at: &TopicPartition, position: i64) -> Option<i64> {
        let topic = CString::new(&*at.topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client lives as long as `self`, the topic's name is terminated, both offsets are ours.
        let answer = unsafe {
            let client = self.fetcher.consumer.client().native_ptr();
            rd::rd_kafka_get_watermark_offsets(client, topic.as_ptr(), at.partition, &mut low, &mut high)
        };
        let is_left = high - position > MARKERS_MAX || !self.is_drained;
        (answer == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(if is_left { high } else { position })
    }

    /// The id of the cluster, which source coordinates carry.
    ///
    /// # Errors
    /// No broker within `timeout`.
    pub fn cluster_id(&self, timeout: Duration) -> Result<String, KafkaFault> {
        self.fetcher
            .consumer
            .client()
            .fetch_cluster_id(timeout)
            .ok_or_else(|| KafkaFault::of("reading the cluster's id", &KafkaError::Global(Code::OperationTimedOut)))
    }

    fn group_fault(&self, what: &str, error: &KafkaError, text: &str) -> KafkaFault {
        let what = if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") };
        KafkaFault::of(what, error).denying(Access::new(Operation::Read, Resource::Group, &self.source.group))
    }

    pub(super) fn consumer(&self) -> &Arc<BaseConsumer<ConsumerEvents>> {
        &self.fetcher.consumer
    }

    pub(super) fn group(&self) -> &str {
        &self.source.group
    }

    pub(super) fn assignment_lost(&self) -> bool {
        self.fetcher.consumer.assignment_lost()
    }

    /// What a transaction needs to commit offsets in our name. librdkafka answers with the *current* generation, which is ours as long as
    /// rebalances are served by this thread only. A member that was expelled has none; the broker would take such a commit for one of an
    /// old client without group metadata and let it pass, so it is refused here.
    pub(super) fn group_metadata(&self) -> Result<ConsumerGroupMetadata, String> {
        let metadata = self.fetcher.consumer.group_metadata().ok_or("the consumer has no group")?;
        // SAFETY: an owned copy, destroyed below; the strings live as long as it.
        let (generation, member_known) = unsafe {
            let copy = rd::rd_kafka_consumer_group_metadata(self.fetcher.consumer.client().native_ptr());
            if copy.is_null() {
                return Err("the consumer has no group".into());
            }
            let member = rd::rd_kafka_consumer_group_metadata_member_id(copy);
            let known = !member.is_null() && !CStr::from_ptr(member).is_empty();
            let generation = rd::rd_kafka_consumer_group_metadata_generation_id(copy);
            rd::rd_kafka_consumer_group_metadata_destroy(copy);
            (generation, known)
        };
        if generation < 0 || !member_known {
            return Err(format!("generation {generation}, {} member id", if member_known { "a" } else { "no" }));
        }
        Ok(metadata)
    }
}

impl Drop for Source {
    /// Leaves what was revoked and closes; a static member stays one for its session time-out.
    fn drop(&mut self) {
        // It holds the consumer, which is to be closed when this returns.
        if let Some(look) = self.looking.take() {
            drop(look.join());
        }
        self.fetcher.consumer.context().close();
        // Nothing can be done about a failure here; the session time-out is there for it.
        let _ = self.release();
    }
}

fn list_of(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for at in partitions {
        list.add_partition(&at.topic, at.partition);
    }
    list
}
