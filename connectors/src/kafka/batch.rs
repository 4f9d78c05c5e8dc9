//! A batch of records as librdkafka received them: not copied, freed when the batch is cleared or dropped.

use super::context::ConsumerEvents;
use super::fault::{PartitionFault, PartitionFaultKind};
use super::{TopicPartition, fetcher};
use rdkafka::bindings as rd;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// Records by partition, each partition's in log order. Reuse one batch: its buffers keep their size.
#[derive(Default)]
pub struct Batch {
    /// Sorted by topic index and partition; empty ones stay, for the next batch.
    slots: Vec<Slot>,
    last: usize,
    records: usize,
    /// Topic handles seen in this batch, with the index of their name in `topics`.
    handles: Vec<(*mut rd::rd_kafka_topic_t, usize)>,
    topics: Arc<[Arc<str>]>,
    /// The messages point into the consumer's buffers.
    consumer: Option<Arc<BaseConsumer<ConsumerEvents>>>,
}

// SAFETY: the messages are owned by the batch alone, and librdkafka lets any one thread read and destroy a message.
unsafe impl Send for Batch {}

struct Slot {
    topic: usize,
    at: TopicPartition,
    messages: Vec<NonNull<rd::rd_kafka_message_t>>,
}

/// What one message of a fetch queue turned out to be.
pub(super) enum Taken {
    Record,
    End(TopicPartition, i64),
    Fault(PartitionFault),
    Nothing,
}

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records
    }

    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Frees the records.
    pub fn clear(&mut self) {
        for slot in &mut self.slots {
            for message in slot.messages.drain(..) {
                // SAFETY: each message is in exactly one slot, once.
                unsafe { rd::rd_kafka_message_destroy(message.as_ptr()) };
            }
        }
        self.records = 0;
        self.handles.clear();
        self.consumer = None;
    }

    /// The partitions that have records in this batch, ordered by topic (as subscribed) and number.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionRecords<'_>> {
        self.slots.iter().filter(|slot| !slot.messages.is_empty()).map(|slot| PartitionRecords { slot })
    }

    /// All records, partition by partition, each in log order.
    pub fn iter(&self) -> impl Iterator<Item = RecordRef<'_>> {
        self.partitions().flat_map(|partition| partition.records())
    }

    /// Where each partition of the batch goes on after it: what a commit of the whole batch commits.
    pub fn next_offsets(&self) -> Vec<(TopicPartition, i64)> {
        self.partitions().map(|partition| (partition.at().clone(), partition.next_offset())).collect()
    }

    /// Where each partition of the batch began: what to seek back to when the batch was aborted.
    pub fn first_offsets(&self) -> Vec<(TopicPartition, i64)> {
        self.partitions().map(|partition| (partition.at().clone(), partition.first_offset())).collect()
    }

    pub(super) fn fill_from(&mut self, consumer: &Arc<BaseConsumer<ConsumerEvents>>, topics: &Arc<[Arc<str>]>) {
        if !Arc::ptr_eq(&self.topics, topics) {
            debug_assert!(self.is_empty(), "a batch is cleared before another source fills it");
            self.slots.clear();
            self.last = 0;
            self.topics = Arc::clone(topics);
        }
        if self.is_empty() {
            self.consumer = Some(Arc::clone(consumer));
        }
    }

    /// Takes ownership of a message.
    ///
    /// # Safety
    /// `message` came from librdkafka's consume functions on the consumer given to `fill_from`, and nobody else destroys it.
    pub(super) unsafe fn take(&mut self, message: NonNull<rd::rd_kafka_message_t>) -> Taken {
        // SAFETY: as promised by the caller; the message lives until it is destroyed below or in `clear`.
        let m = unsafe { message.as_ref() };
        let code = Code::from(m.err);
        let Some(topic) = self.topic_index(m.rkt) else {
            let fault = (code != Code::NoError).then(|| unsafe { error_text(message) });
            // SAFETY: ours, and not kept.
            unsafe { rd::rd_kafka_message_destroy(message.as_ptr()) };
            return match fault {
                Some(reason) => {
                    Taken::Fault(PartitionFault { at: TopicPartition::new("", -1), kind: PartitionFaultKind::of(code), reason })
                }
                None => Taken::Nothing,
            };
        };
        if code == Code::NoError {
            let slot = self.slot(topic, m.partition);
            self.slots[slot].messages.push(message);
            self.records += 1;
            return Taken::Record;
        }
        let at = TopicPartition::new(Arc::clone(&self.topics[topic]), m.partition);
        let taken = if code == Code::PartitionEOF {
            Taken::End(at, m.offset)
        } else {
            Taken::Fault(PartitionFault { at, kind: PartitionFaultKind::of(code), reason: unsafe { error_text(message) } })
        };
        // SAFETY: ours, and not kept.
        unsafe { rd::rd_kafka_message_destroy(message.as_ptr()) };
        taken
    }

    /// Drops the records of the batch at and after `end`.
    pub(super) fn truncate(&mut self, end: i64) {
        for slot in &mut self.slots {
            // SAFETY: messages in a slot are alive.
            let keep = slot.messages.partition_point(|message| unsafe { message.as_ref() }.offset < end);
            for message in slot.messages.drain(keep..) {
                self.records -= 1;
                // SAFETY: taken out of its only slot.
                unsafe { rd::rd_kafka_message_destroy(message.as_ptr()) };
            }
        }
    }

    /// Drops the records of a partition, as if they had not come.
    pub fn remove(&mut self, at: &TopicPartition) {
        for slot in self.slots.iter_mut().filter(|slot| slot.at == *at) {
            for message in slot.messages.drain(..) {
                self.records -= 1;
                // SAFETY: taken out of its only slot.
                unsafe { rd::rd_kafka_message_destroy(message.as_ptr()) };
            }
        }
    }

    fn topic_index(&mut self, handle: *mut rd::rd_kafka_topic_t) -> Option<usize> {
        if handle.is_null() {
            return None;
        }
        if let Some(&(_, index)) = self.handles.iter().find(|(known, _)| *known == handle) {
            return Some(index);
        }
        // SAFETY: the handle is kept alive by the message that carries it.
        let name = unsafe { fetcher::topic_name(handle) };
        let index = self.topics.iter().position(|topic| **topic == *name)?;
        self.handles.push((handle, index));
        Some(index)
    }

    /// Fetches arrive a partition at a time, so the last slot is nearly always the right one.
    fn slot(&mut self, topic: usize, partition: i32) -> usize {
        if self.slots.get(self.last).is_some_and(|slot| slot.topic == topic && slot.at.partition == partition) {
            return self.last;
        }
        self.last = match self.slots.binary_search_by_key(&(topic, partition), |slot| (slot.topic, slot.at.partition)) {
            Ok(found) => found,
            Err(place) => {
                let at = TopicPartition::new(Arc::clone(&self.topics[topic]), partition);
                self.slots.insert(place, Slot { topic, at, messages: Vec::new() });
                place
            }
        };
        self.last
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
    }
}

unsafe fn error_text(message: NonNull<rd::rd_kafka_message_t>) -> String {
    // SAFETY: for an error message librdkafka returns a static or message-owned string.
    unsafe {
        let text = rd::rd_kafka_message_errstr(message.as_ptr());
        if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    }
}

/// The records of one partition in a batch, at least one.
#[derive(Clone, Copy)]
pub struct PartitionRecords<'a> {
    slot: &'a Slot,
}

impl<'a> PartitionRecords<'a> {
    pub fn at(&self) -> &'a TopicPartition {
        &self.slot.at
    }

    /// Index of the topic in the list that was subscribed to.
    pub fn topic_index(&self) -> usize {
        self.slot.topic
    }

    pub fn len(&self) -> usize {
        self.slot.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slot.messages.is_empty()
    }

    pub fn first_offset(&self) -> i64 {
        self.get(0).offset
    }

    /// One more than the last record's offset.
    pub fn next_offset(&self) -> i64 {
        self.get(self.len() - 1).offset + 1
    }

    /// # Panics
    /// If `index` is not below `len()`.
    pub fn get(&self, index: usize) -> RecordRef<'a> {
        // SAFETY: the batch, borrowed for 'a, owns the message.
        unsafe { RecordRef::new(self.slot, self.slot.messages[index]) }
    }

    pub fn records(&self) -> impl ExactSizeIterator<Item = RecordRef<'a>> + use<'a> {
        let slot = self.slot;
        // SAFETY: as above.
        slot.messages.iter().map(move |&message| unsafe { RecordRef::new(slot, message) })
    }
}

/// The stamp of a record, epoch milliseconds, and who set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamp {
    /// The broker, at append (`message.timestamp.type=LogAppendTime`).
    LogAppend(i64),
    /// Whoever produced the record; may be anything.
    Create(i64),
    /// Records of message format v0, written before Kafka 0.10.
    None,
}

impl Timestamp {
    pub fn ms(self) -> Option<i64> {
        match self {
            Self::LogAppend(ms) | Self::Create(ms) => Some(ms),
            Self::None => None,
        }
    }
}

/// A record, borrowed from its batch.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    /// Index of the topic in the list that was subscribed to.
    pub topic: usize,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    message: NonNull<rd::rd_kafka_message_t>,
}

impl<'a> RecordRef<'a> {
    /// # Safety
    /// `message` is alive for 'a and no error.
    unsafe fn new(slot: &'a Slot, message: NonNull<rd::rd_kafka_message_t>) -> Self {
        // SAFETY: by the caller; key and payload lie in the message's buffer.
        unsafe {
            let m = message.as_ref();
            let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            let ms = rd::rd_kafka_message_timestamp(message.as_ptr(), &raw mut kind);
            let timestamp = match kind {
                rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => Timestamp::LogAppend(ms),
                rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => Timestamp::Create(ms),
                rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => Timestamp::None,
            };
            Self {
                topic: slot.topic,
                partition: m.partition,
                offset: m.offset,
                timestamp,
                key: bytes(m.key.cast(), m.key_len),
                value: bytes(m.payload.cast(), m.len),
                message,
            }
        }
    }

    /// The headers in order; a name may repeat.
    pub fn headers(&self) -> Headers<'a> {
        let mut list = ptr::null_mut();
        // SAFETY: the message is alive for 'a. librdkafka parses the headers on the first call and keeps them in the message; a batch is
        // not Sync, so no other thread does so at the same time.
        let code = unsafe { rd::rd_kafka_message_headers(self.message.as_ptr(), &raw mut list) };
        let list = if Code::from(code) == Code::NoError { list } else { ptr::null_mut() };
        Headers { list, index: 0, batch: PhantomData }
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().find(|(header, _)| *header == name).and_then(|(_, value)| value)
    }
}

/// # Safety
/// `start` is null or points to `length` bytes that live for 'a.
unsafe fn bytes<'a>(start: *const u8, length: usize) -> Option<&'a [u8]> {
    // SAFETY: by the caller.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start, length) })
}

/// The headers of a record.
pub struct Headers<'a> {
    list: *mut rd::rd_kafka_headers_t,
    index: usize,
    batch: PhantomData<&'a Batch>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.list.is_null() {
            return None;
        }
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list belongs to the message, which lives for 'a.
        unsafe {
            let code = rd::rd_kafka_header_get_all(self.list, self.index, &raw mut name, &raw mut value, &raw mut size);
            if Code::from(code) != Code::NoError {
                return None;
            }
            self.index += 1;
            // Kafka says that names are UTF-8; one that is not matches none of ours.
            let name = CStr::from_ptr(name).to_str().unwrap_or("\u{fffd}");
            Some((name, bytes(value.cast(), size)))
        }
    }
}
