//! The records of the keyed logs: what SCORE and GATE read, in a total order per partition.

use crate::containment::{ContainmentAnswer, ContainmentDecision, ContainmentRequest, Proposal, SecurityEvent};
use crate::event::Event;
use crate::lifecycle::LifecycleFinding;
use crate::time::Time;
use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};

/// Where a record stands in its log. `appended_at` is the broker's stamp (`LogAppendTime`), or the event time in the embedded mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    pub partition: i32,
    pub offset: i64,
    pub appended_at: Time,
}

/// Records of a log that are not about one subject.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "control", rename_all = "snake_case")]
pub enum Control {
    /// A policy, in force from this offset on.
    Policy(PolicyRecord),
    /// Time passed without a record.
    Tick(Tick),
    /// An incident ended; GATE forgets what it held for it.
    IncidentClosed(IncidentClosed),
    /// How many identities of a tenant are active in a partition.
    Sample(Sample),
    /// What a person wants of the gate.
    Answer(Answer),
}

/// A policy as `policy apply` writes it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PolicyRecord {
    pub version: String,
    /// BLAKE3 of `text`, hex.
    pub digest: String,
    /// The YAML.
    pub text: String,
    pub author: String,
    pub applied_at: Time,
    /// Compact JWS of `signature::SignedPolicy`, by approvers of the policy that was in force before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Tick {
    pub due: Time,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IncidentClosed {
    pub tenant: String,
    pub incident: String,
    pub at: Time,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sample {
    pub tenant: String,
    pub partition: i32,
    /// Identities active within the last 24 h of log time.
    pub active: u32,
    pub at: Time,
}

/// What a person answers to what waits, or asks for. Only what is signed counts, for anybody may be able to write a record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Leads the record to where the tenant is decided on; what is signed must name the same.
    pub tenant: String,
    /// Compact JWS of `gate::Claims`.
    pub jws: String,
}

/// A record of the events log.
#[derive(Clone, PartialEq, Debug)]
pub enum EventRecord<'a> {
    Event(Box<Event<'a>>),
    Control(Control),
}

/// A record of the proposals log.
#[derive(Clone, PartialEq, Debug)]
pub enum GateRecord<'a> {
    Proposal(Box<Proposal>),
    /// An outcome or a label, copied by INGEST.
    Event(Box<Event<'a>>),
    Control(Control),
}

/// What the core wants written. Nothing leaves before the commit.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    Verdict(Box<Verdict>),
    Finding(Box<LifecycleFinding>),
    Proposal(Box<Proposal>),
    /// To the proposals log, keyed by tenant.
    ToGate(Control),
    Request(Box<ContainmentRequest>),
    Decision(Box<ContainmentDecision>),
    Answer(Box<ContainmentAnswer>),
    Fact(Box<SecurityEvent>),
}

crate::named_enum! {
    /// What a journal record stands for. All but `batch` name a range whose replay could not be verified, so that the audit chain says it.
    pub enum JournalKind {
        /// A batch was decided on and published.
        Batch = "batch",
        /// Another decision version had decided on the range: replayed by this one, unverified.
        VersionBoundary = "version_boundary",
        /// The replay of the range gave other digests, and an operator accepted that.
        AcceptedDivergence = "accepted_divergence",
        /// Records of the range, or their journal, were gone, and an operator accepted that.
        AcceptedGap = "accepted_gap",
        /// The group's offsets were missing or moved, and an operator accepted the journal's end, the range's, instead.
        AcceptedOffsets = "accepted_offsets",
    }
}

#[allow(clippy::derivable_impls)]
impl Default for JournalKind {
    fn default() -> Self {
        JournalKind::Batch
    }
}

/// One per partition and transaction: pins what was read and what was written.
///
/// It is the recovery authority, the proof that a replay equals the original, and a link of the audit chain.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct JournalRecord {
    pub partition: i32,
    /// First offset of the batch.
    pub from: i64,
    /// One past the last offset of the batch: what is committed.
    pub to: i64,
    /// Log time after the batch.
    pub log_time: Time,
    /// Policy in force, hex digest.
    pub policy: String,
    /// Raised whenever any output byte can change.
    pub decision_version: u32,
    pub outputs: u32,
    /// BLAKE3 over the unsigned bytes of the outputs, in order, hex.
    pub outputs_digest: String,
    /// BLAKE3 over the changed profiles, in key order, hex.
    pub state_digest: String,
    /// BLAKE3 of the journal record before this one, hex; empty for the first.
    pub previous: String,
    #[serde(default)]
    pub kind: JournalKind,
    /// Why it is not a batch, in a sentence; empty for a batch.
    #[serde(default)]
    pub note: String,
}
