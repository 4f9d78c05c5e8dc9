//! What an operator does to a Kafka: moves a group's committed offsets, deletes topics and what is old in them.

use portcullis_connectors::kafka::Settings;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const KAFKA_MAX: Duration = Duration::from_secs(10);
/// Static members leave a group only when their sessions expire.
const EMPTY_MAX: Duration = Duration::from_secs(30);

fn member(settings: &Settings, group: &str) -> Result<BaseConsumer, KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create()
}

fn admin(settings: &Settings) -> Result<AdminClient<DefaultClientContext>, KafkaError> {
    ClientConfig::new().set("bootstrap.servers", &settings.bootstrap_servers).create()
}

/// By partition.
///
/// # Errors
/// No coordinator.
pub fn committed(settings: &Settings, group: &str, topic: &str, partitions: usize) -> Result<Vec<Option<i64>>, KafkaError> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition(topic, partition as i32);
    }
    let list = member(settings, group)?.committed_offsets(list, KAFKA_MAX)?;
    Ok((0..partitions)
        .map(|partition| list.find_partition(topic, partition as i32).and_then(|e| e.offset().to_raw()).filter(|offset| *offset >= 0))
        .collect())
}

/// `kafka-consumer-groups --reset-offsets`: waits until the group has no member any more.
///
/// # Errors
/// What Kafka says.
pub fn reset(settings: &Settings, group: &str, topic: &str, offsets: &[(i32, i64)]) -> Result<(), KafkaError> {
    let began = Instant::now();
    loop {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        match member(settings, group)?.commit(&list, CommitMode::Sync) {
            Err(_) if began.elapsed() < EMPTY_MAX => std::thread::sleep(Duration::from_millis(500)),
            done => return done,
        }
    }
}

/// `kafka-consumer-groups --delete`: waits until the group has no member any more.
///
/// # Errors
/// What Kafka says.
pub fn delete(settings: &Settings, group: &str) -> Result<(), KafkaError> {
    let began = Instant::now();
    loop {
        let answers = pollster::block_on(admin(settings)?.delete_groups(&[group], &options()))?;
        match answers.into_iter().next() {
            Some(Err((_, Code::NonEmptyGroup | Code::CoordinatorLoadInProgress | Code::NotCoordinator))) if began.elapsed() < EMPTY_MAX => {
                std::thread::sleep(Duration::from_millis(500));
            }
            Some(Err((_, code))) => return Err(KafkaError::AdminOp(code)),
            _ => return Ok(()),
        }
    }
}

/// `kafka-topics --delete`; those that are not there are no failure. Returns when the broker does not name them any more.
///
/// # Errors
/// What Kafka says.
pub fn delete_topics(settings: &Settings, topics: &[&str]) -> Result<(), KafkaError> {
    let admin = admin(settings)?;
    for answer in pollster::block_on(admin.delete_topics(topics, &options()))? {
        match answer {
            Ok(_) | Err((_, Code::UnknownTopicOrPartition | Code::UnknownTopic)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code)),
        }
    }
    let began = Instant::now();
    while began.elapsed() < KAFKA_MAX {
        let metadata = admin.inner().fetch_metadata(None, KAFKA_MAX)?;
        if !metadata.topics().iter().any(|topic| topics.contains(&topic.name())) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(KafkaError::AdminOp(Code::OperationTimedOut))
}

/// `kafka-delete-records`: removes what is before these offsets, as retention does.
///
/// # Errors
/// What Kafka says.
pub fn delete_records(settings: &Settings, topic: &str, before: &[(i32, Offset)]) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in before {
        list.add_partition_offset(topic, *partition, *offset)?;
    }
    let deleted = pollster::block_on(admin(settings)?.delete_records(&list, &options()))?;
    deleted.elements_for_topic(topic).iter().try_for_each(|element| element.error())
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(KAFKA_MAX)).operation_timeout(Some(KAFKA_MAX))
}
