//! What librdkafka says besides records: errors of the client, rebalances, failed deliveries. Collected here, handed out as values.

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::VecDeque;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::TopicPartition;
use super::tokens::Tokens;

const NOTICES_MAX: usize = 32;
const DELIVERY_FAULTS_MAX: usize = 16;

/// Something the client had to say that stops nothing: a broker that went away, a coordinator that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub code: Option<RDKafkaErrorCode>,
    pub text: String,
}

/// The latest notices; older ones give way.
#[derive(Default)]
pub(super) struct Notices(Mutex<VecDeque<Notice>>);

impl Notices {
    pub fn add(&self, code: Option<RDKafkaErrorCode>, text: impl Into<String>) {
        let mut notices = lock(&self.0);
        if notices.len() == NOTICES_MAX {
            notices.pop_front();
        }
        notices.push_back(Notice { code, text: text.into() });
    }

    pub fn take(&self) -> Vec<Notice> {
        let mut notices = lock(&self.0);
        if notices.is_empty() { Vec::new() } else { notices.drain(..).collect() }
    }

    /// The newest text, for the message of an error that has no better reason.
    pub fn latest(&self) -> Option<String> {
        lock(&self.0).back().map(|notice| notice.text.clone())
    }
}

/// The token that librdkafka asks for, and in the notices what is wrong with the issuer.
fn token(tokens: Option<&Arc<Tokens>>, notices: &Notices) -> Result<OAuthToken, Box<dyn Error>> {
    let tokens = tokens.ok_or("these settings have no token")?;
    let token = tokens.answer()?;
    if let Some(trouble) = tokens.trouble() {
        notices.add(None, trouble);
    }
    Ok(token)
}

/// A context that is only listened to for errors: for metadata and administration.
#[derive(Default)]
pub(super) struct ClientEvents {
    pub notices: Notices,
    tokens: Option<Arc<Tokens>>,
}

impl ClientEvents {
    pub fn new(tokens: Option<Arc<Tokens>>) -> Self {
        Self { tokens, ..Self::default() }
    }
}

impl ClientContext for ClientEvents {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn error(&self, error: KafkaError, reason: &str) {
        self.notices.add(error.rdkafka_error_code(), reason);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        token(self.tokens.as_ref(), &self.notices)
    }
}

impl ConsumerContext for ClientEvents {}

/// A change of the assignment as the group decided it.
#[derive(Debug)]
pub(super) enum Rebalance {
    Assigned(Vec<TopicPartition>),
    Revoked { partitions: Vec<TopicPartition>, lost: bool },
}

#[derive(Default)]
pub(super) struct ConsumerEvents {
    pub notices: Notices,
    tokens: Option<Arc<Tokens>>,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// The source is being dropped: nobody is left to release what is revoked.
    closing: AtomicBool,
}

impl ConsumerEvents {
    pub fn new(tokens: Option<Arc<Tokens>>) -> Self {
        Self { tokens, ..Self::default() }
    }

    pub fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    pub fn has_rebalance(&self) -> bool {
        !lock(&self.rebalances).is_empty()
    }

    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for ConsumerEvents {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn error(&self, error: KafkaError, reason: &str) {
        self.notices.add(error.rdkafka_error_code(), reason);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        token(self.tokens.as_ref(), &self.notices)
    }
}

impl ConsumerContext for ConsumerEvents {
    /// Assigned: the group is answered at once, with nothing, so that it is not held up while a partition's state is looked up;
    /// [`super::Source::start`] adds the partition to the fetcher later, at its offset. Revoked: not answered here at all but by
    /// [`super::Source::release`]; meanwhile librdkafka keeps sending heartbeats and delivers nothing.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = partitions_of(list);
        let rebalance = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
                self.notices.add(None, format!("cannot accept an assignment: {error}"));
            }
            Rebalance::Assigned(partitions)
        } else {
            let lost = consumer.assignment_lost();
            if self.closing.load(Ordering::Acquire) {
                if let Err(error) = unassign(consumer, &partitions) {
                    self.notices.add(None, format!("cannot give partitions back: {error}"));
                }
                return;
            }
            Rebalance::Revoked { partitions, lost }
        };
        lock(&self.rebalances).push_back(rebalance);
    }
}

/// Tells librdkafka, and by it the group, that these partitions are given up. Those never started are not in its assignment;
/// a list without any is still the answer the group waits for.
pub(super) fn unassign(consumer: &BaseConsumer<ConsumerEvents>, partitions: &[TopicPartition]) -> Result<(), KafkaError> {
    let assigned = consumer.assignment()?;
    let mut list = TopicPartitionList::new();
    for at in partitions {
        if assigned.find_partition(&at.topic, at.partition).is_some() {
            list.add_partition_offset(&at.topic, at.partition, Offset::Invalid)?;
        }
    }
    consumer.incremental_unassign(&list)
}

pub(super) fn partitions_of(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements().iter().map(|element| TopicPartition::new(element.topic(), element.partition())).collect()
}

/// Deliveries that failed; successful ones are not reported (`delivery.report.only.error`).
#[derive(Default)]
pub(super) struct ProducerEvents {
    pub notices: Notices,
    tokens: Option<Arc<Tokens>>,
    failed: Mutex<Vec<(KafkaError, String)>>,
}

impl ProducerEvents {
    pub fn new(tokens: Option<Arc<Tokens>>) -> Self {
        Self { tokens, ..Self::default() }
    }

    /// The first failures since the last call, each with where the record was going.
    pub fn take_failed(&self) -> Vec<(KafkaError, String)> {
        std::mem::take(&mut *lock(&self.failed))
    }
}

impl ClientContext for ProducerEvents {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn error(&self, error: KafkaError, reason: &str) {
        self.notices.add(error.rdkafka_error_code(), reason);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        token(self.tokens.as_ref(), &self.notices)
    }
}

impl ProducerContext for ProducerEvents {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let mut failed = lock(&self.failed);
            if failed.len() < DELIVERY_FAULTS_MAX {
                failed.push((error.clone(), format!("{}[{}]", message.topic(), message.partition())));
            }
        }
    }
}

/// A panic elsewhere cannot leave these queues half written, so a poisoned lock is as good as any.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
