//! Records out of librdkafka, many at a time.
//!
//! Every started partition's fetch queue is forwarded into **one** queue of ours, which a single thread reads with
//! `rd_kafka_consume_batch_queue`. One queue and not one per partition, because it can be waited on (no spinning, a record wakes the
//! worker at once) and because `queued.max.messages.kbytes` then bounds the worker's memory, not each partition's. The forward is set
//! before the partition is assigned: librdkafka respects it when the fetcher starts, so no record gets into the group's queue.

use super::access::{Access, Operation, Resource};
use super::batch::{Batch, Taken};
use super::context::ConsumerEvents;
use super::fault::{KafkaFault, PartitionFault, Recovery};
use super::{Start, TopicPartition};
use rdkafka::bindings as rd;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages per call into librdkafka.
const CHUNK: usize = 2000;
/// Events of the group's queue served in one go; what is left waits for the next round.
const GROUP_EVENTS_MAX: usize = 1000;
/// How long a seek may take to be acknowledged by librdkafka's own thread, the start of a fetcher included.
const SEEK_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether a partition has a leader.
const LEADER_LOOK: Duration = Duration::from_millis(200);

/// Defaults that an operator may change.
pub(super) const FETCH_TUNING: &[(&str, &str)] = &[
    ("fetch.queue.backoff.ms", "5"), // the default, 1000, throttles a fast consumer
    ("queued.max.messages.kbytes", "131072"),
    ("fetch.min.bytes", "1"),     // latency first: behind, a fetch is full anyway
    ("fetch.wait.max.ms", "250"), // what an idle fetch costs, four times a second; with a byte to give, the broker answers at once
    ("max.partition.fetch.bytes", "4194304"),
    ("fetch.error.backoff.ms", "100"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
];

pub(super) struct Fetcher {
    // Queues are destroyed before their client: keep this order.
    records: Queue,
    group: Queue,
    pub consumer: Arc<BaseConsumer<ConsumerEvents>>,
    pub topics: Arc<[Arc<str>]>,
    chunk: Vec<*mut rd::rd_kafka_message_t>,
}

// SAFETY: the raw pointers in `chunk` are only used within `take`; queues may be used from any thread, one at a time.
unsafe impl Send for Fetcher {}

/// What came beside the records.
#[derive(Default)]
pub(super) struct Aside {
    pub faults: Vec<PartitionFault>,
    /// Partitions whose end was reached, with the offset there (only with `enable.partition.eof`).
    pub ends: Vec<(TopicPartition, i64)>,
}

impl Aside {
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty() && self.ends.is_empty()
    }
}

impl Fetcher {
    pub fn new(consumer: BaseConsumer<ConsumerEvents>, topics: Arc<[Arc<str>]>) -> Result<Self, KafkaFault> {
        let native = consumer.client().native_ptr();
        // SAFETY: the client outlives both queues (field order), and both calls return owned handles.
        let (records, group) = unsafe { (Queue::own(rd::rd_kafka_queue_new(native)), Queue::own(rd::rd_kafka_queue_get_consumer(native))) };
        let (Some(records), Some(group)) = (records, group) else {
            return Err(KafkaFault::Misuse("a consumer without a group has no queue"));
        };
        Ok(Self { records, group, consumer: Arc::new(consumer), topics, chunk: vec![ptr::null_mut(); CHUNK] })
    }

    /// The first offset in the log and the one after the last that is committed. A topic that is new, or moves, has no leader for a moment:
    /// it is asked again until `timeout`.
    pub fn watermarks(&self, at: &TopicPartition, timeout: Duration) -> Result<(i64, i64), KafkaFault> {
        let began = Instant::now();
        loop {
            let fault = match self.consumer.fetch_watermarks(&at.topic, at.partition, timeout) {
                Ok(found) => return Ok(found),
                Err(error) => KafkaFault::of(format!("reading the first and last offset of {at}"), &error).denying(Access::new(
                    Operation::Describe,
                    Resource::Topic,
                    &*at.topic,
                )),
            };
            if fault.recovery() != Some(Recovery::Retry) || began.elapsed() >= timeout {
                return Err(fault);
            }
            std::thread::sleep(LEADER_LOOK);
        }
    }

    /// Takes what is there, at most `max` records and one chunk; waits at most `wait` for the first. Returns how many messages came.
    pub fn take(&mut self, batch: &mut Batch, max: usize, wait: Duration, aside: &mut Aside) -> usize {
        batch.fill_from(&self.consumer, &self.topics);
        // With a time-out librdkafka waits until the chunk is full: so one, if we are to wait.
        let (wait_ms, max) = if wait.is_zero() { (0, max.min(CHUNK)) } else { (wait.as_millis().clamp(1, 60_000) as i32, 1) };
        // SAFETY: `chunk` has room for `max`; this is the only reader of the queue (`&mut self`).
        let count = unsafe { rd::rd_kafka_consume_batch_queue(self.records.0.as_ptr(), wait_ms, self.chunk.as_mut_ptr(), max) };
        let count = usize::try_from(count).unwrap_or(0);
        for message in &self.chunk[..count] {
            let Some(message) = NonNull::new(*message) else { continue };
            // SAFETY: just handed to us, from the consumer named above.
            match unsafe { batch.take(message) } {
                Taken::Record | Taken::Nothing => {}
                Taken::End(at, offset) => aside.ends.push((at, offset)),
                Taken::Fault(fault) => aside.faults.push(fault),
            }
        }
        count
    }

    /// Serves the group's queue: rebalances (until one came), errors, logs.
    pub fn serve_group(&mut self) -> Result<(), KafkaFault> {
        let mut misrouted: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        for _ in 0..GROUP_EVENTS_MAX {
            // SAFETY: the queue is alive.
            if unsafe { rd::rd_kafka_queue_length(self.group.0.as_ptr()) } == 0 || self.consumer.context().has_rebalance() {
                break;
            }
            // `poll` with a time-out would spin through its last millisecond (rdkafka 0.39).
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let at = TopicPartition::new(message.topic(), message.partition());
                    misrouted.entry(at).and_modify(|first| *first = message.offset().min(*first)).or_insert(message.offset());
                }
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    let reason = self.consumer.context().notices.latest().unwrap_or_else(|| code.to_string());
                    let recovery = super::fault::recovery_of(code, false, false, true);
                    let what = if code == Code::FencedInstanceId { "group.instance.id" } else { "consuming" };
                    return Err(KafkaFault::of_code(what.into(), code, reason, recovery));
                }
                // What is not fatal has been noted by the context.
                Some(Err(_)) | None => {}
            }
        }
        // A record that got into the group's queue all the same is not lost: back to it, and it comes by the right queue.
        if !misrouted.is_empty() {
            self.seek(&misrouted.into_iter().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Starts fetching a partition at an offset; nothing of it has been fetched before. One that runs, or that
    /// an error has stopped, starts anew.
    pub fn start(&mut self, at: &TopicPartition, from: Start) -> Result<(), KafkaFault> {
        let what = || format!("starting {at} at {from}");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&at.topic, at.partition, from.offset()).map_err(|e| KafkaFault::of(what(), &e))?;
        // A seek would do for one that runs, but not for one that an error has stopped.
        self.stop(at)?;
        self.forward(at)?;
        self.consumer.incremental_assign(&list).map_err(|e| KafkaFault::of(what(), &e))
    }

    /// Ends fetching a partition that runs; what was fetched of it and not taken is dropped.
    pub fn stop(&mut self, at: &TopicPartition) -> Result<(), KafkaFault> {
        let explain = |e: &KafkaError| KafkaFault::of(format!("stopping {at}"), e);
        let running = self.consumer.assignment().map_err(|e| explain(&e))?;
        if running.find_partition(&at.topic, at.partition).is_some() {
            let mut stop = TopicPartitionList::new();
            stop.add_partition(&at.topic, at.partition);
            self.consumer.incremental_unassign(&stop).map_err(|e| explain(&e))?;
            self.await_stop(at);
        }
        Ok(())
    }

    /// Reads on from these offsets; what was fetched of those partitions and not taken is dropped.
    pub fn seek(&mut self, to: &[(TopicPartition, i64)]) -> Result<(), KafkaFault> {
        let began = Instant::now();
        let mut left = to.to_vec();
        loop {
            let mut list = TopicPartitionList::new();
            for (at, offset) in &left {
                list.add_partition_offset(&at.topic, at.partition, Offset::Offset(*offset))
                    .map_err(|e| KafkaFault::of(format!("seeking {at}"), &e))?;
            }
            let answer = self.consumer.seek_partitions(list, SEEK_MAX).map_err(|e| KafkaFault::of("seeking", &e))?;
            let failed: Vec<_> =
                answer.elements().iter().filter_map(|e| Some((e.topic().to_owned(), e.partition(), e.error().err()?))).collect();
            left.retain(|(at, _)| failed.iter().any(|(topic, partition, _)| *topic == *at.topic && *partition == at.partition));
            let Some((topic, partition, error)) = failed.into_iter().next() else { return Ok(()) };
            // The fetcher is started by another thread; until then a seek is an "erroneous state".
            if error.rdkafka_error_code() != Some(Code::State) || began.elapsed() > SEEK_MAX {
                return Err(KafkaFault::of(format!("seeking {topic}[{partition}]"), &error));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until an unassigned partition's fetcher has stopped: it clears the forward as its last act, and one set before that would be
    /// lost, and the records of the next fetcher with it. A seek is answered after the stop (same thread, in order), by a refusal.
    pub fn await_stop(&self, at: &TopicPartition) {
        let _ = self.consumer.seek(&at.topic, at.partition, Offset::Beginning, SEEK_MAX);
    }

    /// Lets the partition's records come by our queue, whenever its fetcher starts.
    pub fn forward(&self, at: &TopicPartition) -> Result<(), KafkaFault> {
        let topic = CString::new(&*at.topic).map_err(|_| KafkaFault::Misuse("a topic name has no NUL"))?;
        // SAFETY: the client and our queue are alive; the partition's handle is owned and dropped, the forward stays.
        unsafe {
            let queue = Queue::own(rd::rd_kafka_queue_get_partition(self.consumer.client().native_ptr(), topic.as_ptr(), at.partition))
                .ok_or_else(|| KafkaFault::Partition { at: at.clone(), reason: "no such partition".into() })?;
            rd::rd_kafka_queue_forward(queue.0.as_ptr(), self.records.0.as_ptr());
        }
        Ok(())
    }
}

/// An owned handle of a librdkafka queue.
pub(super) struct Queue(pub(super) NonNull<rd::rd_kafka_queue_t>);

impl Queue {
    pub(super) unsafe fn own(queue: *mut rd::rd_kafka_queue_t) -> Option<Self> {
        NonNull::new(queue).map(Self)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: owned, once.
        unsafe { rd::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

/// # Safety
/// The handle is alive for 'a.
pub(super) unsafe fn topic_name<'a>(handle: *mut rd::rd_kafka_topic_t) -> Cow<'a, str> {
    // SAFETY: by the caller; the name lives as long as the handle.
    unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(handle)).to_string_lossy() }
}
