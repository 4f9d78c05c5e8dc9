//! A topic as a `read_committed` consumer sees it, whole and in memory: what the judge goes by.

use portcullis_connectors::kafka::{KafkaFault, Reader, Settings, Start, TopicPartition};
use portcullis_core::record::Position;
use portcullis_core::time::Time;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

#[derive(Clone)]
pub struct Record {
    pub offset: i64,
    pub appended_at: Time,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    pub fn position(&self, partition: i32) -> Position {
        Position { partition, offset: self.offset, appended_at: self.appended_at }
    }

    pub fn key(&self) -> &[u8] {
        self.key.as_deref().unwrap_or_default()
    }

    pub fn value(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_slice());
        std::str::from_utf8(value.unwrap_or_default()).unwrap_or_default()
    }
}

/// By partition, each in log order.
pub type Log = Vec<Vec<Record>>;

/// Several topics side by side: most of a read is waiting for the broker.
///
/// # Errors
/// What Kafka says.
pub fn read_all<const N: usize>(settings: &Settings, topics: [&str; N]) -> Result<[Log; N], KafkaFault> {
    let mut logs: [Log; N] = std::array::from_fn(|_| Log::new());
    std::thread::scope(|scope| {
        let threads = topics.map(|topic| scope.spawn(move || read(settings, topic)));
        for (log, thread) in logs.iter_mut().zip(threads) {
            *log = thread.join().unwrap_or(Err(KafkaFault::Misuse("a reader panicked")))?;
        }
        Ok(())
    })?;
    Ok(logs)
}

/// How long a partition may take until its last transactions are decided: their markers come after the commit, later still through a broker
/// that has just come back.
const STABLE_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Waits until what a `read_committed` consumer sees reaches the partition's end. If it never does, what it sees is judged.
fn until_stable(settings: &Settings, reader: &Reader, at: &TopicPartition) -> Result<(), KafkaFault> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.bootstrap_servers).set("isolation.level", "read_uncommitted").set("group.id", "judge");
    let looked: BaseConsumer =
        config.create().map_err(|_| KafkaFault::Misuse("no consumer can be made that sees what is not committed"))?;
    let (began, mut equal) = (Instant::now(), 0);
    while equal < 2 && began.elapsed() < STABLE_MAX {
        let end = looked.fetch_watermarks(&at.topic, at.partition, ANSWER_MAX).map_or(-1, |(_, high)| high);
        equal = if reader.watermarks(at)?.1 == end { equal + 1 } else { 0 };
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Reads all that is committed.
///
/// # Errors
/// What Kafka says.
pub fn read(settings: &Settings, topic: &str) -> Result<Log, KafkaFault> {
    let mut reader = Reader::open(settings)?;
    (0..reader.partitions(topic)?)
        .map(|partition| {
            let mut records = Vec::new();
            until_stable(settings, &reader, &TopicPartition::new(topic, partition))?;
            reader.read(&TopicPartition::new(topic, partition), Start::Beginning, None, |record| {
                records.push(Record {
                    offset: record.offset,
                    appended_at: Time(record.timestamp.ms().unwrap_or(0)),
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record.headers().map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_vec())).collect(),
                });
                ControlFlow::Continue(())
            })?;
            Ok(records)
        })
        .collect()
}
