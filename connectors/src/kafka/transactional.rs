//! librdkafka's transactional producer, set up and ready: topic handles, records into its queue, the wait for what is in flight.

use super::access::{Access, Operation, Resource};
use super::context::ProducerEvents;
use super::fault::{KafkaFault, RETRY_BACKOFF, Recovery};
use super::settings::Settings;
use super::sink::SinkSettings;
use rdkafka::bindings as rd;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::{BaseProducer, Producer};
use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often an answer that has not come is looked for.
const STEP: Duration = Duration::from_micros(300);
/// How long `init_transactions` may take: at least as long as the broker needs to end the transaction before.
const INIT_MAX: Duration = Duration::from_secs(30);

/// [`RECORD_BYTES_MAX`](super::sink::RECORD_BYTES_MAX), as librdkafka wants it.
const RECORD_BYTES_MAX_TEXT: &str = "2000000";

/// Defaults that an operator may change.
const TUNING: &[(&str, &str)] = &[
    ("compression.type", "lz4"),
    ("linger.ms", "5"), // cut short by the commit
    ("batch.size", "1000000"),
    ("queue.buffering.max.messages", "1000000"),
    ("queue.buffering.max.kbytes", "262144"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
];

/// `RD_KAFKA_PARTITION_UA`: let the partitioner decide.
const UNASSIGNED: i32 = -1;

/// A producer after `init_transactions`.
pub(super) struct Transactional {
    // Topic handles are destroyed before their client: keep this order.
    topics: Vec<(String, TopicHandle)>,
    pub base: Arc<BaseProducer<ProducerEvents>>,
}

impl Transactional {
    pub fn open(settings: &Settings, sink: &SinkSettings) -> Result<Self, KafkaFault> {
        let timeout_ms = sink.transaction_timeout.as_millis().to_string();
        let backoff_ms = RETRY_BACKOFF.as_millis().to_string();
        let fixed = [
            ("transactional.id", sink.transactional_id.as_str()),
            ("transaction.timeout.ms", &timeout_ms),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("retry.backoff.ms", &backoff_ms),
            ("retry.backoff.max.ms", &backoff_ms),
            ("message.max.bytes", RECORD_BYTES_MAX_TEXT),
            ("partitioner", "murmur2_random"),
            ("delivery.report.only.error", "true"),
        ];
        let base: BaseProducer<ProducerEvents> = settings.client(TUNING, &fixed, ProducerEvents::new, BaseProducer::client)?;
        let began = Instant::now();
        while let Err(error) = base.init_transactions(INIT_MAX) {
            base.poll(Duration::ZERO);
            let access = Access::new(Operation::Write, Resource::TransactionalId, &sink.transactional_id);
            let fault = KafkaFault::of("init_transactions", &error).denying(access);
            if fault.recovery() != Some(Recovery::Retry) {
                return Err(fault);
            }
            if began.elapsed() >= INIT_MAX {
                return Err(KafkaFault::Unreachable {
                    bootstrap_servers: settings.bootstrap_servers.clone(),
                    waited_ms: began.elapsed().as_millis(),
                    reason: base.client().context().notices.latest().unwrap_or_else(|| error.to_string()),
                });
            }
            std::thread::sleep(STEP);
        }
        Ok(Self { topics: Vec::new(), base: Arc::new(base) })
    }

    /// A handle saves librdkafka the look-up by name for every record.
    pub fn topic(&mut self, name: &str) -> Result<NonNull<rd::rd_kafka_topic_t>, KafkaFault> {
        if let Some((_, handle)) = self.topics.iter().find(|(known, _)| known == name) {
            return Ok(handle.0);
        }
        let c_name = CString::new(name).map_err(|_| KafkaFault::Misuse("a topic name has no NUL"))?;
        // SAFETY: the client is alive; a null configuration means the default one. The handle is owned.
        let handle = unsafe { rd::rd_kafka_topic_new(self.base.client().native_ptr(), c_name.as_ptr(), ptr::null_mut()) };
        let handle = NonNull::new(handle).ok_or(KafkaFault::Misuse("librdkafka refuses the topic's name"))?;
        self.topics.push((name.to_owned(), TopicHandle(handle)));
        Ok(handle)
    }

    pub fn produce(
        &self,
        topic: NonNull<rd::rd_kafka_topic_t>,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
        timestamp_ms: Option<i64>,
    ) -> Code {
        let partition = partition.unwrap_or(UNASSIGNED);
        let (key_start, key_length) = parts(key);
        let (value_start, value_length) = parts(value);
        // SAFETY: the handle belongs to this client; key and value are copied (MSG_F_COPY) before the call returns; the headers become
        // librdkafka's on success only.
        unsafe {
            let list = if headers.is_empty() { ptr::null_mut() } else { rd::rd_kafka_headers_new(headers.len()) };
            for (name, bytes) in headers {
                let name_length = isize::try_from(name.len()).unwrap_or(isize::MAX);
                let length = isize::try_from(bytes.len()).unwrap_or(isize::MAX);
                let code = rd::rd_kafka_header_add(list, name.as_ptr().cast(), name_length, bytes.as_ptr().cast(), length);
                if Code::from(code) != Code::NoError {
                    rd::rd_kafka_headers_destroy(list);
                    return Code::from(code);
                }
            }
            let code = Code::from(rd::rd_kafka_producev(
                self.base.client().native_ptr(),
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT,
                topic.as_ptr(),
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_PARTITION,
                partition,
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS,
                rd::RD_KAFKA_MSG_F_COPY,
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE,
                value_start,
                value_length,
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY,
                key_start,
                key_length,
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp_ms.unwrap_or(0),
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS,
                list,
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_END,
            ));
            if code != Code::NoError && !list.is_null() {
                rd::rd_kafka_headers_destroy(list);
            }
            code
        }
    }

    /// Whether every record is acknowledged or failed; waits at most that long, and ends `linger.ms` early.
    pub fn flush(&self, wait: Duration) -> bool {
        // SAFETY: the client is alive.
        let code = unsafe { rd::rd_kafka_flush(self.base.client().native_ptr(), wait.as_millis() as i32) };
        Code::from(code) == Code::NoError && self.base.in_flight_count() == 0
    }
}

/// An empty slice is not null: an empty key is a key, an empty value no tombstone.
fn parts(bytes: Option<&[u8]>) -> (*const std::ffi::c_void, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

struct TopicHandle(NonNull<rd::rd_kafka_topic_t>);

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for TopicHandle {}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: owned, once.
        unsafe { rd::rd_kafka_topic_destroy(self.0.as_ptr()) };
    }
}
