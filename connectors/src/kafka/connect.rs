//! Is Kafka there, and does it have our topics? Said within seconds, with what to do.

use super::Settings;
use super::access::{Access, Operation, Resource};
use super::context::ClientEvents;
use super::fault::KafkaFault;
use super::topics::Existing;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A Kafka that answered.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub id: String,
    /// `host:port`, as advertised.
    pub brokers: Vec<String>,
    /// The topics that were asked for, with their numbers of partitions.
    pub topics: BTreeMap<String, i32>,
}

/// Asks for the cluster's metadata and for these topics.
///
/// # Errors
/// [`KafkaFault::Unreachable`] after `timeout`, [`KafkaFault::MissingTopics`] with all that are missing, [`KafkaFault::NotAuthorized`].
pub fn connect_check(settings: &Settings, topics: &[&str], timeout: Duration) -> Result<Cluster, KafkaFault> {
    let began = Instant::now();
    let consumer = client(settings)?;
    let metadata = consumer.fetch_metadata(None, timeout).map_err(|e| unreachable(&consumer, settings, timeout, &e))?;
    let mut cluster = Cluster {
        id: String::new(),
        brokers: metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect(),
        topics: BTreeMap::new(),
    };
    let mut missing = Vec::new();
    for topic in topics {
        let left = timeout.saturating_sub(began.elapsed()).max(Duration::from_secs(1));
        match partitions_of(&consumer, &settings.bootstrap_servers, topic, left) {
            Ok(partitions) => drop(cluster.topics.insert((*topic).to_owned(), partitions)),
            Err(KafkaFault::MissingTopics { topics, .. }) => missing.extend(topics),
            Err(fault) => return Err(fault),
        }
    }
    if !missing.is_empty() {
        return Err(KafkaFault::MissingTopics { bootstrap_servers: settings.bootstrap_servers.clone(), topics: missing });
    }
    cluster.id = consumer.client().fetch_cluster_id(timeout).unwrap_or_default();
    Ok(cluster)
}

/// The id of the cluster.
///
/// # Errors
/// [`KafkaFault::Unreachable`] after `timeout`.
pub fn cluster_id(settings: &Settings, timeout: Duration) -> Result<String, KafkaFault> {
    connect_check(settings, &[], timeout).map(|cluster| cluster.id)
}

pub(super) fn client(settings: &Settings) -> Result<BaseConsumer<ClientEvents>, KafkaFault> {
    let (tuned, fixed) = ([("reconnect.backoff.max.ms", "1000")], [("allow.auto.create.topics", "false")]);
    settings.client(&tuned, &fixed, ClientEvents::new, BaseConsumer::client)
}

fn unreachable(consumer: &BaseConsumer<ClientEvents>, settings: &Settings, waited: Duration, error: &KafkaError) -> KafkaFault {
    // What librdkafka knows of the cause (refused, no such host, TLS) waits in its event queue.
    for _ in 0..32 {
        let _ = consumer.poll(Duration::ZERO);
    }
    let mut reasons: Vec<String> = Vec::new();
    for notice in consumer.context().notices.take() {
        if !reasons.contains(&notice.text) && notice.code != Some(Code::AllBrokersDown) {
            reasons.push(notice.text);
        }
    }
    reasons.truncate(3);
    KafkaFault::Unreachable {
        bootstrap_servers: settings.bootstrap_servers.clone(),
        waited_ms: waited.as_millis(),
        reason: if reasons.is_empty() { error.to_string() } else { reasons.join("; ") },
    }
}

/// Partitions and replication of those of the topics that exist.
pub(super) fn describe(settings: &Settings, topics: &[&str], timeout: Duration) -> Result<BTreeMap<String, Existing>, KafkaFault> {
    let consumer = client(settings)?;
    let all = consumer.fetch_metadata(None, timeout).map_err(|e| unreachable(&consumer, settings, timeout, &e))?;
    let mut found = BTreeMap::new();
    for topic in all.topics().iter().filter(|topic| topics.contains(&topic.name())) {
        let partitions = topic.partitions();
        let replication = partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
        let existing = Existing { partitions: partitions.len() as i32, replication: replication as i32, settings: BTreeMap::new() };
        found.insert(topic.name().to_owned(), existing);
    }
    Ok(found)
}

/// How many partitions a topic has.
pub(super) fn partitions_of<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    bootstrap_servers: &str,
    topic: &str,
    timeout: Duration,
) -> Result<i32, KafkaFault> {
    let missing = || KafkaFault::MissingTopics { bootstrap_servers: bootstrap_servers.to_owned(), topics: vec![topic.to_owned()] };
    let metadata = match consumer.fetch_metadata(Some(topic), timeout) {
        Ok(metadata) => metadata,
        Err(KafkaError::MetadataFetch(Code::UnknownTopic | Code::UnknownTopicOrPartition)) => return Err(missing()),
        Err(error) => return Err(KafkaFault::of(format!("asking for topic {topic}"), &error)),
    };
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Err(missing()) };
    match found.error().map(Code::from) {
        None | Some(Code::NoError | Code::LeaderNotAvailable) if !found.partitions().is_empty() => {
            i32::try_from(found.partitions().len()).map_err(|_| KafkaFault::Misuse("a topic has at most 2^31 partitions"))
        }
        Some(Code::TopicAuthorizationFailed) => {
            let fault = KafkaFault::of(format!("asking for topic {topic}"), &KafkaError::MetadataFetch(Code::TopicAuthorizationFailed));
            Err(fault.denying(Access::new(Operation::Describe, Resource::Topic, topic)))
        }
        Some(code @ (Code::InvalidTopic | Code::LeaderNotAvailable)) => {
            Err(KafkaFault::of(format!("asking for topic {topic}"), &KafkaError::MetadataFetch(code)))
        }
        _ => Err(missing()),
    }
}
