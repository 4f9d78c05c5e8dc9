//! Kafka: where records come from ([`Source`], [`Reader`]) and where they go ([`Sink`]), exactly once.
//!
//! One OS thread per worker owns one [`Source`] and one [`Sink`]:
//!
//! ```text
//! receive -> begin -> send ... -> commit(offsets, source) -> receive -> ...
//! ```
//!
//! **The contract that keeps it exactly once.** Rebalances are served inside [`Source::receive`] and nowhere else, and `receive` is called
//! only while no transaction is open. So a partition is never taken away in the middle of a transaction: by the time the caller learns of
//! a revocation, everything it did for that partition is committed or aborted, and the group is told only when the caller says so
//! ([`Source::release`]). A partition that was assigned delivers nothing before the caller has named its first offset ([`Source::start`]).
//!
//! What we know about librdkafka 2.12 and had to respect is said where it matters, mostly in [`sink`] and [`source`].

pub mod access;
mod authorized;
mod batch;
mod caller;
mod connect;
mod context;
mod fault;
mod fetcher;
mod grant;
pub mod orphans;
mod partitioner;
mod reader;
mod settings;
pub mod sink;
pub mod source;
mod tokens;
pub mod topics;
mod transactional;

pub use authorized::denied;
pub use batch::{Batch, Headers, PartitionRecords, RecordRef, Timestamp};
pub use connect::{Cluster, cluster_id, connect_check};
pub use context::Notice;
pub use fault::{CommitFault, KafkaFault, PartitionFault, PartitionFaultKind, Recovery};
pub use orphans::Orphans;
pub use partitioner::partition_of;
pub use reader::{ReadRange, Reader};
pub use settings::Settings;
pub use sink::{Committed, Sink, SinkSettings};
pub use source::{OffsetReset, Received, Source, SourceSettings, Start};

use std::fmt;
use std::sync::Arc;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}
