//! Everything about one proposal or request, out of the topics: what was asked, why, on what evidence, by which policy, who agreed, and
//! what became of it.
//!
//! Read in this order: the gate's log, which is short, for the proposal, the outcomes and the policies; the subject's and the tenant's
//! partition of the outputs; the part of the events log in which the verdict's events stand.

use super::Desk;
use crate::keyed_log::event_record_json;
use crate::roles::outputs::value_of;
use crate::roles::score::subject_key;
use portcullis_connectors::kafka::{TopicPartition, partition_of};
use portcullis_core::containment::{ContainmentAnswer, ContainmentDecision, ContainmentRequest, Proposal, SecurityEvent};
use portcullis_core::event::EventType;
use portcullis_core::gate::request_id;
use portcullis_core::gate::state::tenant_key;
use portcullis_core::record::{Control, EventRecord, GateRecord, PolicyRecord};
use portcullis_core::time::{DAY_MS, Time};
use portcullis_core::verdict::{Name, Verdict};
use portcullis_schemas::{
    decode_answer, decode_decision, decode_event_record, decode_fact, decode_gate_record, decode_request, decode_verdict,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Signals look back so far at most; events of an incident are looked for from so long before it was opened.
const LOOK_BACK_MS: i64 = DAY_MS;

/// How much of it is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// What concerns the containment itself: no verdict, no events, no text of the policy.
    Containment,
    Everything,
}

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Case {
    /// `p-...`
    pub proposal_id: String,
    /// `r-...`; it may not have been sent.
    pub request_id: String,
    /// None: it followed from another one (a renewal, a second attempt, a release, a case), or is older than what was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Proposal>,
    /// In order.
    pub decisions: Vec<ContainmentDecision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<ContainmentRequest>,
    /// What people answered, and what was refused.
    pub answers: Vec<ContainmentAnswer>,
    /// What was reported of it, as events.
    pub outcomes: Vec<Value>,
    pub facts: Vec<SecurityEvent>,
    /// Requests that take it back.
    pub releases: Vec<ContainmentRequest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Those that the verdict names, as INGEST wrote them.
    pub events: Vec<Value>,
    /// The policy that it was decided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRecord>,
}

/// Where its records stand.
struct Home {
    tenant: String,
    subject: Name,
}

impl Desk {
    /// Everything about a proposal or a request, by its id; `None` where nothing has that id.
    ///
    /// # Errors
    /// When the topics cannot be read.
    pub fn case(&mut self, id: &str, since: Time, depth: Depth) -> anyhow::Result<Option<Case>> {
        let (mut case, policies) = self.gate_log(id, if depth == Depth::Everything { Time(0) } else { since })?;
        let home = match &case.proposal {
            Some(p) => Home { tenant: p.tenant.clone(), subject: p.subject.clone() },
            None => match self.published(id, since)? {
                Some((home, proposal, request)) => {
                    (case.proposal_id, case.request_id) = (proposal, request);
                    home
                }
                None => return Ok(None),
            },
        };
        self.outputs(&mut case, &home, since)?;
        if depth == Depth::Containment {
            return Ok(Some(case));
        }
        let verdict = case.proposal.as_ref().map(|p| &p.verdict_id).or(case.request.as_ref().map(|r| &r.verdict_id));
        if let Some(verdict) = verdict.cloned() {
            case.verdict = self.verdict(&verdict, &home, since)?;
        }
        self.events(&mut case, &home)?;
        case.policy = case.decisions.last().and_then(|d| policies.get(&d.policy.digest).cloned());
        Ok(Some(case))
    }

    /// The proposal, what was reported of its request, and all policies, by digest.
    fn gate_log(&mut self, id: &str, since: Time) -> anyhow::Result<(Case, BTreeMap<String, PolicyRecord>)> {
        let mut case = Case { request_id: id.to_owned(), ..Case::default() };
        let mut policies = BTreeMap::new();
        let topic = Arc::clone(&self.topics.proposals);
        self.reader.read_since(&topic, since.0, |record| {
            match record.value.map(decode_gate_record) {
                Some(Ok(GateRecord::Proposal(p))) => {
                    let request = request_id(&p.id);
                    if p.id == id || request == id {
                        (case.proposal_id, case.request_id, case.proposal) = (p.id.clone(), request, Some(*p));
                    }
                }
                Some(Ok(GateRecord::Event(event))) if event.kind == EventType::ContainmentOutcome => {
                    let of = event.containment.as_deref().and_then(|outcome| outcome.request_id.as_deref());
                    if of == Some(case.request_id.as_str()) {
                        let json = event_record_json(&EventRecord::Event(event)).ok();
                        case.outcomes.extend(json.and_then(|json| serde_json::from_str(&json).ok()));
                    }
                }
                Some(Ok(GateRecord::Control(Control::Policy(policy)))) => drop(policies.insert(policy.digest.clone(), policy)),
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok((case, policies))
    }

    /// Of what followed from something else: where it is, and the ids of its proposal and request, from the decision on it.
    fn published(&mut self, id: &str, since: Time) -> anyhow::Result<Option<(Home, String, String)>> {
        let (encoding, topic) = (self.encoding, Arc::clone(&self.topics.verdicts));
        let mut found = None;
        self.reader.read_since(&topic, since.0, |record| {
            if record.header("type") != Some(b"containment-decision") {
                return ControlFlow::Continue(());
            }
            match value_of(&record).map(|value| decode_decision(&value, encoding)) {
                Some(Ok(d)) if d.proposal == id || d.request.as_deref() == Some(id) => {
                    let request = request_id(&d.proposal);
                    found = Some((Home { tenant: d.tenant, subject: d.subject }, d.proposal, request));
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        })?;
        Ok(found)
    }

    /// What was published of it: with its subject's key, answers with the tenant's.
    fn outputs(&mut self, case: &mut Case, home: &Home, since: Time) -> anyhow::Result<()> {
        let (encoding, topic) = (self.encoding, Arc::clone(&self.topics.verdicts));
        let partitions = self.reader.partitions(&topic)?;
        let keys = [subject_key(&home.subject.kind, &home.tenant, &home.subject.id), tenant_key(&home.tenant)];
        let ours: BTreeSet<i32> = keys.iter().map(|key| partition_of(key, partitions)).collect();
        for partition in ours {
            self.reader.read_partition_since(&TopicPartition::new(Arc::clone(&topic), partition), since.0, |record| {
                if !record.key.is_some_and(|key| keys.iter().any(|ours| ours == key)) {
                    return ControlFlow::Continue(());
                }
                let (Some(kind), Some(value)) = (record.header("type"), value_of(&record)) else { return ControlFlow::Continue(()) };
                let is_its = |id: &str| id == case.proposal_id || id == case.request_id;
                match kind {
                    b"containment-request" => match decode_request(&value, encoding) {
                        Ok(request) if request.id == case.request_id => case.request = Some(request),
                        Ok(request) if request.releases.as_deref() == Some(&case.request_id) => case.releases.push(request),
                        _ => {}
                    },
                    b"containment-decision" => {
                        case.decisions.extend(decode_decision(&value, encoding).ok().filter(|d| d.proposal == case.proposal_id));
                    }
                    b"containment-answer" => {
                        case.answers.extend(decode_answer(&value, encoding).ok().filter(|a| a.of.as_deref().is_some_and(is_its)));
                    }
                    b"security-event" => case.facts.extend(decode_fact(&value, encoding).ok().filter(|f| f.request == case.request_id)),
                    _ => {}
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }

    fn verdict(&mut self, id: &str, home: &Home, since: Time) -> anyhow::Result<Option<Verdict>> {
        let (encoding, topic) = (self.encoding, Arc::clone(&self.topics.verdicts));
        let key = subject_key(&home.subject.kind, &home.tenant, &home.subject.id);
        let at = TopicPartition::new(Arc::clone(&topic), partition_of(&key, self.reader.partitions(&topic)?));
        let mut found = None;
        self.reader.read_partition_since(&at, since.0, |record| {
            if record.header("type") == Some(b"verdict") && record.key == Some(&key) {
                found = value_of(&record).and_then(|value| decode_verdict(&value, encoding).ok()).filter(|v| v.id == id);
            }
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(found)
    }

    /// The events that its verdict names: they stand before it, in its own partition.
    fn events(&mut self, case: &mut Case, home: &Home) -> anyhow::Result<()> {
        let Some(verdict) = &case.verdict else { return Ok(()) };
        let mut wanted: BTreeSet<&str> = verdict.reasons.iter().flat_map(|reason| &reason.events).map(String::as_str).collect();
        wanted.extend(verdict.event_id.as_deref());
        let opened_at = verdict.incident.as_ref().map_or(verdict.appended_at, |incident| incident.opened_at);
        let at = TopicPartition::new(Arc::clone(&self.topics.events), verdict.log.partition);
        let key = subject_key(&home.subject.kind, &home.tenant, &home.subject.id);
        let last = verdict.log.offset;
        let mut events = Vec::new();
        self.reader.read_partition_since(&at, opened_at.plus(-LOOK_BACK_MS).0, |record| {
            if record.offset > last || wanted.is_empty() {
                return ControlFlow::Break(());
            }
            if record.key == Some(&key)
                && let Some(Ok(EventRecord::Event(event))) = record.value.map(decode_event_record)
                && wanted.remove(event.id.as_str())
            {
                let json = event_record_json(&EventRecord::Event(event)).ok();
                events.extend(json.and_then(|json| serde_json::from_str(&json).ok()));
            }
            ControlFlow::Continue(())
        })?;
        case.events = events;
        Ok(())
    }
}
