//! What can go wrong with Kafka, said to whoever can mend it, and what the commit loop does about it.

use super::TopicPartition;
use super::access::{Access, Operation, Resource};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::fmt;
use std::time::Duration;

/// A failure of a Kafka operation. Rebalances, partition errors and the end of a partition are no failures but values.
#[derive(Debug, thiserror::Error)]
pub enum KafkaFault {
    #[error(
        "kafka.properties.{property} is set by Portcullis itself, because exactly-once depends on it; remove it from the configuration"
    )]
    ProtectedProperty { property: String },
    #[error("Kafka setting {property}: {reason}")]
    Property { property: String, reason: String },
    #[error(
        "no Kafka broker at {bootstrap_servers} answered within {waited_ms} ms ({reason}); check kafka.bootstrap_servers, that the broker runs, \
         that its advertised.listeners can be reached from here, and TLS or SASL under kafka.properties"
    )]
    Unreachable { bootstrap_servers: String, waited_ms: u128, reason: String },
    #[error(
        "Kafka at {bootstrap_servers} has no topic {}; `portcullis topics apply` creates ours, whoever owns an input creates it",
        topics.join(", ")
    )]
    MissingTopics { bootstrap_servers: String, topics: Vec<String> },
    /// `access`: what was denied, as far as it can be told.
    #[error("{access} is denied ({what}: {reason}); `portcullis topics plan --acls` prints the command that grants it")]
    NotAuthorized { access: String, what: String, reason: String },
    #[error("{what} failed: {reason}")]
    Operation { what: String, code: Code, reason: String, recovery: Recovery },
    #[error(
        "fenced: another running instance has our {what} ({reason}); this one must end. If no other is meant to run, two processes share \
         one name: give each its own --instance"
    )]
    Fenced { what: String, reason: String },
    #[error(
        "a record of {bytes} bytes for {topic} is larger than allowed; raise max.message.bytes of the topic and message.max.bytes in kafka.properties"
    )]
    RecordTooLarge { topic: String, bytes: usize },
    #[error(
        "no token to come to Kafka with: {reason}; check sasl.oauthbearer.* under kafka.properties, and that the issuer can be reached from here"
    )]
    NoToken { reason: String },
    #[error("{at}: {reason}")]
    Partition { at: TopicPartition, reason: String },
    #[error("misuse: {0}")]
    Misuse(&'static str),
}

/// What the owner of a producer does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The same call again, on the same producer.
    Retry,
    /// Abort, a new producer with the same `transactional.id`, and the batch again.
    Rotate,
    /// Another instance has our identity: the process ends.
    Fenced,
}

/// Which recovery an error of the transactional producer calls for. Fatal is routine: everything that is not retriable and not a fence
/// rotates, also what librdkafka calls neither retriable, abortable nor fatal.
pub(super) fn recovery_of(code: Code, retriable: bool, requires_abort: bool, fatal: bool) -> Recovery {
    match code {
        Code::Fenced | Code::ProducerFenced | Code::FencedInstanceId => Recovery::Fenced,
        _ if fatal || requires_abort => Recovery::Rotate,
        _ if retriable => Recovery::Retry,
        _ => Recovery::Rotate,
    }
}

impl KafkaFault {
    pub(super) fn of(what: impl Into<String>, error: &KafkaError) -> Self {
        let what = what.into();
        let (code, retriable, requires_abort, fatal, reason) = match error {
            KafkaError::Transaction(e) => (e.code(), e.is_retriable(), e.txn_requires_abort(), e.is_fatal(), e.string()),
            KafkaError::ClientConfig(_, reason, property, _) => {
                return Self::Property { property: property.clone(), reason: reason.clone() };
            }
            KafkaError::ClientCreation(reason) => return Self::Property { property: what, reason: reason.clone() },
            other => {
                let code = other.rdkafka_error_code().unwrap_or(Code::Fail);
                (code, retriable_code(code), false, false, other.to_string())
            }
        };
        Self::of_code(what, code, reason, recovery_of(code, retriable, requires_abort, fatal))
    }

    pub(super) fn of_code(what: String, code: Code, reason: String, recovery: Recovery) -> Self {
        match code {
            _ if recovery == Recovery::Fenced => Self::Fenced { what, reason },
            Code::TopicAuthorizationFailed => Self::NotAuthorized { access: "access to a topic".into(), what, reason },
            Code::GroupAuthorizationFailed => Self::NotAuthorized { access: "Read on the group".into(), what, reason },
            Code::ClusterAuthorizationFailed => Self::NotAuthorized { access: "access to the cluster".into(), what, reason },
            Code::TransactionalIdAuthorizationFailed => {
                Self::NotAuthorized { access: "Write on the transactional id".into(), what, reason }
            }
            _ => Self::Operation { what, code, reason, recovery },
        }
    }

    /// Says which access it was that is denied, if it is that; other faults stay as they are.
    pub(super) fn denying(self, access: impl fmt::Display) -> Self {
        match self {
            Self::NotAuthorized { what, reason, .. } => Self::NotAuthorized { access: access.to_string(), what, reason },
            other => other,
        }
    }

    /// What the commit loop does: [`Recovery::Fenced`] ends the process; configuration and access cannot be retried either.
    pub fn recovery(&self) -> Option<Recovery> {
        match self {
            Self::Operation { recovery, .. } => Some(*recovery),
            Self::Unreachable { .. } | Self::NoToken { .. } => Some(Recovery::Retry),
            Self::Fenced { .. } => Some(Recovery::Fenced),
            _ => None,
        }
    }
}

fn retriable_code(code: Code) -> bool {
    matches!(
        code,
        Code::OperationTimedOut
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::RequestTimedOut
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotCoordinator
            | Code::WaitingForCoordinator
            | Code::TimedOutQueue
            | Code::InProgress
            | Code::UnstableOffsetCommit
    )
}

/// Why a transaction did not commit, as far as its owner must act differently.
#[derive(Debug, thiserror::Error)]
pub enum CommitFault {
    /// Nothing of it is visible. [`super::Sink::abort`], seek back, do the batch again.
    #[error("not committed: {reason}")]
    NotCommitted { reason: KafkaFault },
    /// The answer did not arrive. [`super::Sink::abort`] settles it one way or the other; then [`super::Source::committed`] tells which.
    #[error("whether the transaction committed is not known: {reason}")]
    Unknown { reason: KafkaFault },
    /// The group has given our partitions to others: nothing is visible. [`super::Sink::abort`], then `receive` brings the revocation.
    #[error("not committed: the group no longer counts this consumer as a member ({reason})")]
    AssignmentLost { reason: String },
    /// Another instance has our identity. Final.
    #[error(transparent)]
    Fenced(KafkaFault),
}

/// An error of one partition, as a value: the others go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFault {
    pub at: TopicPartition,
    pub kind: PartitionFaultKind,
    pub reason: String,
}

impl PartitionFault {
    /// The fault it is for its owner, if it is one of access: no other try will mend it.
    pub fn denied(&self) -> Option<KafkaFault> {
        (self.kind == PartitionFaultKind::NotAuthorized).then(|| KafkaFault::NotAuthorized {
            access: Access::new(Operation::Read, Resource::Topic, &*self.at.topic).to_string(),
            what: format!("reading {}", self.at),
            reason: self.reason.clone(),
        })
    }
}

/// What a partition's error means for its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionFaultKind {
    /// The start offset is not (any more, or not yet) in the log: retention was too short or the topic was made anew. Never skipped silently.
    OffsetOutOfRange,
    MissingTopic,
    NotAuthorized,
    Other,
}

impl PartitionFaultKind {
    pub(super) fn of(code: Code) -> Self {
        match code {
            Code::OffsetOutOfRange | Code::AutoOffsetReset | Code::NoOffset => Self::OffsetOutOfRange,
            Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => Self::MissingTopic,
            Code::TopicAuthorizationFailed => Self::NotAuthorized,
            _ => Self::Other,
        }
    }
}

/// How long a producer waits before it repeats a request: `retry.backoff.ms`.
pub(super) const RETRY_BACKOFF: Duration = Duration::from_millis(1000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_final_whatever_else_is_said_of_it() {
        for code in [Code::Fenced, Code::ProducerFenced, Code::FencedInstanceId] {
            assert_eq!(recovery_of(code, true, true, true), Recovery::Fenced);
        }
    }

    #[test]
    fn fatal_and_abortable_rotate_even_if_called_retriable() {
        assert_eq!(recovery_of(Code::OutOfOrderSequenceNumber, true, false, true), Recovery::Rotate);
        assert_eq!(recovery_of(Code::RequestTimedOut, true, true, false), Recovery::Rotate);
        assert_eq!(recovery_of(Code::InvalidProducerEpoch, false, true, false), Recovery::Rotate);
    }

    #[test]
    fn only_what_is_plainly_retriable_is_retried_in_place() {
        assert_eq!(recovery_of(Code::OperationTimedOut, true, false, false), Recovery::Retry);
        assert_eq!(recovery_of(Code::State, false, false, false), Recovery::Rotate, "neither retriable, abortable nor fatal");
    }

    #[test]
    fn configuration_and_access_have_no_recovery() {
        let denied = KafkaFault::of_code("topic t".into(), Code::TopicAuthorizationFailed, "no".into(), Recovery::Rotate);
        assert!(matches!(denied, KafkaFault::NotAuthorized { .. }));
        assert_eq!(denied.recovery(), None);
        let fenced = KafkaFault::of("transactional.id", &KafkaError::Global(Code::Fenced));
        assert_eq!(fenced.recovery(), Some(Recovery::Fenced));
    }
}
