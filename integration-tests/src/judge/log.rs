//! A topic as a `read_committed` consumer sees it, whole and in memory: what the judge goes by.

use portcullis_connectors::kafka::{KafkaFault, Reader, Settings, Start, TopicPartition};
use portcullis_core::record::Position;
use portcullis_core::time::Time;
use std::ops::ControlFlow;

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

/// Reads all that is committed.
///
/// # Errors
/// What Kafka says.
pub fn read(settings: &Settings, topic: &str) -> Result<Log, KafkaFault> {
    let mut reader = Reader::open(settings)?;
    (0..reader.partitions(topic)?)
        .map(|partition| {
            let mut records = Vec::new();
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
