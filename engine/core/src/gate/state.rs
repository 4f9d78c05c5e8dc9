//! What the gate remembers: one value a tenant, one for each incident, question that waits for a person and request that is open, and one
//! for each subject that has either. Each is small, so that ten thousand questions cost a batch no more than those it touches.

use super::breaker::Breaker;
use crate::containment::{Action, Approver, DecisionEnd, Proposal};
use crate::event::Class;
use crate::subject::{Kind, SEPARATOR, SubjectRef};
use crate::time::{DAY_MS, Time};
use crate::verdict::Mode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Stands before every value. Raised with every change of their layout; one that is not read any more is rebuilt from the log.
/// 5: what proposals say of siblings and places, and what waits for the end of a rotation's grace.
pub const GATE_STATE_VERSION: u32 = 5;

/// The oldest version that is read: what is newer is absent in it, which CBOR and the defaults of the fields cope with.
const OLDEST_GATE_STATE_VERSION: u32 = 4;

/// Samples older than this are not summed.
const SAMPLE_MAX_AGE_MS: i64 = DAY_MS;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub enum GateState {
    /// Nothing is known: the store need not keep it.
    #[default]
    Nothing,
    Tenant(Box<TenantState>),
    Incident(Box<IncidentState>),
    Waiting(Box<Waiting>),
    Open(Box<Open>),
    Subject(Box<Touched>),
}

/// What holds for a tenant as a whole.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct TenantState {
    pub name: String,
    /// By action and class: log times of what was sent, within the budget's window; enforced and shadow apart.
    pub spent: BTreeMap<(Action, Option<Class>, Mode), Vec<Time>>,
    /// By partition of the events log: identities active there, and when that was counted.
    pub samples: BTreeMap<i32, (u32, Time)>,
    pub breaker: Breaker,
    /// Answers that were believed, by the hash of their id, with the time after which they would be too old anyway.
    pub answered: BTreeMap<u64, Time>,
    /// Whoever acts has reported an outcome at least once.
    pub reported: bool,
    /// It was said that nobody ever reports one.
    pub told_silent: bool,
}

impl TenantState {
    /// Identities that are active, over all partitions.
    pub fn active(&self, now: Time) -> u32 {
        self.samples.values().filter(|(_, at)| now.since(*at) <= SAMPLE_MAX_AGE_MS).fold(0, |sum, (n, _)| sum.saturating_add(*n))
    }
}

/// An incident that SCORE has not closed.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct IncidentState {
    /// Hash of action, target and step of what was decided.
    pub decided: Vec<u64>,
}

/// A proposal that waits: for a person, for the breaker to close, or for a rotation's grace to end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// `held_approval`, `held_budget`, `held_breaker` or `held_grace`.
    pub end: DecisionEnd,
    /// Then it ends; behind the breaker and after a grace, it is looked at again. Log time.
    pub until: Time,
    /// How many people must agree.
    pub needs: u8,
    pub agreed: Vec<Approver>,
    pub proposal: Box<Proposal>,
}

/// A request that was sent and is not forgotten.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Open {
    pub request: String,
    pub proposal: Box<Proposal>,
    /// An outcome is due. `None`: it has come, or nobody waits for it any more.
    pub deadline: Option<Time>,
    /// Whoever acts has said that it is done.
    pub is_done: bool,
    /// A person was told that no outcome came, and that it was not done: once each.
    pub told_missing: bool,
    pub told_failed: bool,
    /// It is to be taken back.
    pub revert_at: Option<Time>,
    /// How often it was sent again because the incident was still open.
    pub renewals: u32,
    /// How often it was sent again because it had failed.
    pub attempts: u32,
    pub forget_at: Time,
}

impl Open {
    /// When something is to happen to it next.
    pub fn due(&self) -> Time {
        [self.deadline, self.revert_at].into_iter().flatten().fold(self.forget_at, Time::min)
    }
}

/// What is open of, and waits for, one subject. Oldest first.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Touched {
    pub open: Vec<String>,
    pub waiting: Vec<String>,
}

/// The key of a tenant's value, and of its records in the gate's log: that of its subject.
pub fn tenant_key(tenant: &str) -> Vec<u8> {
    SubjectRef { kind: Kind::Tenant, tenant, id: tenant }.key()
}

fn key(kind: &str, tenant: &str, rest: &[&str]) -> Vec<u8> {
    let mut key = [kind.as_bytes(), tenant.as_bytes()].join(&SEPARATOR);
    for part in rest {
        key.push(SEPARATOR);
        key.extend_from_slice(part.as_bytes());
    }
    key
}

pub fn incident_key(tenant: &str, incident: &str) -> Vec<u8> {
    key("incident", tenant, &[incident])
}

pub fn waiting_key(tenant: &str, proposal: &str) -> Vec<u8> {
    key("waiting", tenant, &[proposal])
}

pub fn open_key(tenant: &str, request: &str) -> Vec<u8> {
    key("open", tenant, &[request])
}

pub fn subject_key(tenant: &str, kind: &str, id: &str) -> Vec<u8> {
    key("subject", tenant, &[kind, id])
}

impl GateState {
    /// The bytes that the store keeps: the version, then CBOR (RFC 8949), which copes with the optional fields of proposals.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(GATE_STATE_VERSION as u8);
        // Writing into memory cannot fail, and no type here refuses to be written.
        let _infallible = ciborium::into_writer(self, out);
    }

    /// Reads the store's bytes back.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<GateState, String> {
        match bytes.split_first() {
            Some((version, rest)) if (OLDEST_GATE_STATE_VERSION..=GATE_STATE_VERSION).contains(&u32::from(*version)) => {
                ciborium::from_reader(rest).map_err(|e| format!("gate state of {} bytes: {e}", bytes.len()))
            }
            Some((version, _)) => {
                Err(format!("gate state of version {version}, this engine reads {OLDEST_GATE_STATE_VERSION} to {GATE_STATE_VERSION}"))
            }
            None => Err("empty gate state".to_owned()),
        }
    }

    /// Estimate of the memory it takes, bytes.
    pub fn weight_bytes(&self) -> usize {
        const PROPOSAL: usize = 2_500;
        size_of::<GateState>()
            + match self {
                GateState::Nothing => 0,
                GateState::Tenant(t) => {
                    500 + t.spent.values().map(|s| 8 * s.len()).sum::<usize>() + 24 * t.answered.len() + t.breaker.weight_bytes()
                }
                GateState::Incident(i) => 24 + 8 * i.decided.len(),
                GateState::Waiting(_) | GateState::Open(_) => PROPOSAL,
                GateState::Subject(s) => 48 + 64 * (s.open.len() + s.waiting.len()),
            }
    }
}
