//! The gate: turns proposals into requests within bounds, and says of each proposal what became of it.
//!
//! Order of the checks: protected, too old, duplicate, budget, approval, shadow. A pure function over its own log, like SCORE.

use crate::containment::{Action, Approval, ApprovalState, ContainmentDecision, ContainmentRequest, DecisionEnd, Proposal};
use crate::event::Class;
use crate::hash::{Of, hash_parts};
use crate::id::id;
use crate::policy::{Budget, Policy, Protected};
use crate::profile::{OLDEST_STATE_VERSION, STATE_VERSION};
use crate::record::{Control, GateRecord, Output, Position};
use crate::shelf::Shelf;
use crate::subject::{Kind, SubjectRef};
use crate::time::{DAY_MS, MINUTE_MS, Time};
use crate::verdict::Mode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Requests of one incident remembered against duplicates.
const OPEN_MAX: usize = 128;
/// Incidents remembered per tenant; the one opened longest ago goes first.
const INCIDENTS_MAX: usize = 65_536;
/// How long a request may be carried out.
const NOT_AFTER_MS: i64 = 15 * MINUTE_MS;
/// The same for cases and notices, which are never too late.
const NOTICE_NOT_AFTER_MS: i64 = DAY_MS;
/// Samples older than this are not summed.
const SAMPLE_MAX_AGE_MS: i64 = DAY_MS;

/// What the gate remembers of one tenant.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct GateState {
    pub log_time: Time,
    /// By action and class: log times of what was sent, within the budget's window; enforced and shadow apart.
    spent: BTreeMap<(Action, Option<Class>, Mode), Vec<Time>>,
    /// By incident.
    incidents: BTreeMap<String, IncidentHeld>,
    /// By partition of the events log.
    samples: BTreeMap<i32, (u32, Time)>,
    /// Waiting for a person: proposals by id with the log time at which they expire.
    held: BTreeMap<String, Held>,
}

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
struct IncidentHeld {
    opened_at: Time,
    /// Hash of action, target and step of what was decided.
    decided: Vec<u64>,
}

/// A proposal that waits for a person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Held {
    pub expires_at: Time,
    pub proposal: Box<Proposal>,
}

impl GateState {
    /// The bytes that the store keeps: the state version, then CBOR (RFC 8949), which copes with the optional fields of proposals.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(STATE_VERSION as u8);
        // Writing into memory cannot fail, and no type here refuses to be written.
        let _infallible = ciborium::into_writer(self, out);
    }

    /// Reads the store's bytes back.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<GateState, String> {
        match bytes.split_first() {
            Some((version, rest)) if (OLDEST_STATE_VERSION..=STATE_VERSION).contains(&u32::from(*version)) => {
                ciborium::from_reader(rest).map_err(|e| format!("gate state of {} bytes: {e}", bytes.len()))
            }
            Some((version, _)) => {
                Err(format!("gate state of version {version}, this engine reads {OLDEST_STATE_VERSION} to {STATE_VERSION}"))
            }
            None => Err("empty gate state".to_owned()),
        }
    }

    /// Estimate of the memory it takes, bytes.
    pub fn weight_bytes(&self) -> usize {
        size_of::<GateState>()
            + self.incidents.len() * 200
            + self.held.len() * 2_000
            + self.spent.values().map(|s| 8 * s.len()).sum::<usize>()
    }

    /// When something held expires next, log time.
    pub fn due(&self) -> Option<Time> {
        self.held.values().map(|h| h.expires_at).min()
    }

    /// What waits for a person, by proposal id.
    pub fn held(&self) -> impl Iterator<Item = (&str, &Held)> {
        self.held.iter().map(|(id, held)| (id.as_str(), held))
    }

    fn active(&self) -> u32 {
        self.samples.values().filter(|(_, at)| self.log_time.since(*at) <= SAMPLE_MAX_AGE_MS).fold(0, |sum, (n, _)| sum.saturating_add(*n))
    }
}

/// One record of the gate's log, about one tenant.
#[derive(Clone, Debug)]
pub struct Entry<'a, 'e> {
    pub position: Position,
    /// `None` for records about no tenant (ticks): time passes.
    pub tenant: Option<&'a str>,
    pub record: &'a GateRecord<'e>,
}

/// Applies a batch of the gate's log, in order. `log_time` is the partition's running maximum and is moved.
///
/// # Errors
/// What the shelf says; the batch is then to be aborted.
pub fn apply<S: Shelf<Value = GateState>>(
    policy: &Policy,
    log_time: &mut Time,
    shelf: &mut S,
    entries: &[Entry<'_, '_>],
    out: &mut Vec<Output>,
) -> Result<(), S::Fault> {
    for entry in entries {
        *log_time = (*log_time).max(entry.position.appended_at);
        while let Some((due, _, slot)) = shelf.take_timer(*log_time)? {
            let state = shelf.value(slot);
            state.log_time = state.log_time.max(due);
            expire(policy, state, out);
            let again = state.due();
            shelf.set_timer(slot, again);
        }
        let Some(tenant) = entry.tenant else { continue };
        let slot = shelf.slot(&SubjectRef { kind: Kind::Tenant, tenant, id: tenant }.key())?;
        let state = shelf.value(slot);
        let before = state.due();
        state.log_time = state.log_time.max(*log_time);
        match entry.record {
            GateRecord::Proposal(proposal) => decide(policy, state, proposal, out),
            GateRecord::Control(Control::IncidentClosed(closed)) => drop(state.incidents.remove(&closed.incident)),
            GateRecord::Control(Control::Sample(sample)) => drop(state.samples.insert(sample.partition, (sample.active, sample.at))),
            // A policy is adopted by the caller; a tick only moves the time; outcomes and labels teach nothing yet.
            GateRecord::Control(Control::Policy(_) | Control::Tick(_)) | GateRecord::Event(_) => {}
        }
        let due = state.due();
        if due != before {
            shelf.set_timer(slot, due);
        }
    }
    Ok(())
}

/// The tenant that a record of the gate's log is about.
pub fn tenant_of<'r>(record: &'r GateRecord<'_>) -> Option<&'r str> {
    match record {
        GateRecord::Proposal(proposal) => Some(&proposal.tenant),
        GateRecord::Event(event) => Some(&event.tenant),
        GateRecord::Control(Control::IncidentClosed(closed)) => Some(&closed.tenant),
        GateRecord::Control(Control::Sample(sample)) => Some(&sample.tenant),
        GateRecord::Control(Control::Policy(_) | Control::Tick(_)) => None,
    }
}

/// What nobody approved in time has ended.
fn expire(policy: &Policy, state: &mut GateState, out: &mut Vec<Output>) {
    let now = state.log_time;
    let expired: Vec<String> = state.held.iter().filter(|(_, h)| h.expires_at <= now).map(|(id, _)| id.clone()).collect();
    for id in expired {
        if let Some(held) = state.held.remove(&id) {
            let why = format!("nobody decided on it within {}", crate::time::Span(policy.approvals.expire_after_ms));
            out.push(end(policy, &held.proposal, DecisionEnd::Expired, why, held.expires_at, None));
        }
    }
}

/// Decides on a proposal: exactly one decision comes of it now.
fn decide(policy: &Policy, state: &mut GateState, proposal: &Proposal, out: &mut Vec<Output>) {
    use DecisionEnd::*;
    let now = state.log_time;
    let mut refuse = |e, why: String| out.push(end(policy, proposal, e, why, now, None));
    if let Some(why) = protected(policy, proposal) {
        return refuse(RefusedProtected, why);
    }
    let age_ms = now.since(proposal.event_time);
    if !proposal.action.is_notice() && age_ms > policy.act_within_ms {
        let (age, most) = (age_ms / 1_000, crate::time::Span(policy.act_within_ms));
        return refuse(RefusedTooOld, format!("the event is {age} s old, the policy acts within {most}"));
    }
    if !first_of_incident(state, proposal) {
        return refuse(Duplicate, "the same action on the same target was decided for this step of the incident".to_owned());
    }
    if let Some(why) = over_budget(policy, state, proposal) {
        hold(policy, state, proposal);
        return out.push(end(policy, proposal, HeldBudget, why, now, None));
    }
    if proposal.approval_required && proposal.mode == Mode::Enforce {
        hold(policy, state, proposal);
        return out.push(end(
            policy,
            proposal,
            HeldApproval,
            format!("playbook {} requires a person to agree", proposal.playbook),
            now,
            None,
        ));
    }
    spend(policy, state, proposal);
    let request = request(policy, proposal, now);
    match proposal.mode {
        Mode::Shadow => out.push(end(policy, proposal, WouldSend, "this action is in shadow".to_owned(), now, Some(request))),
        Mode::Enforce => {
            let decision =
                end(policy, proposal, Sent, format!("playbook {} at {}", proposal.playbook, proposal.level), now, Some(request.clone()));
            out.push(Output::Request(Box::new(request)));
            out.push(decision);
        }
    }
}

/// Why nothing is ever done to it automatically; cases and notices are.
fn protected(policy: &Policy, proposal: &Proposal) -> Option<String> {
    if proposal.action.is_notice() {
        return None;
    }
    policy.protected.iter().find_map(|p| match p {
        Protected::Identity(identity) => {
            (proposal.subject.kind == "identity" && proposal.subject.id == *identity).then(|| format!("identity {identity} is protected"))
        }
        Protected::Class(class) => (proposal.class == Some(*class)).then(|| format!("class {class} is protected")),
        Protected::Network(cidr) => {
            let network =
                if proposal.subject.kind == "source" { Some(proposal.subject.id.as_str()) } else { None }.or(match proposal.action {
                    Action::BlockSource => Some(proposal.target.id.as_str()),
                    _ => None,
                })?;
            let address = network.split('/').next()?.parse().ok()?;
            cidr.contains(address).then(|| format!("network {cidr} is protected"))
        }
    })
}

/// False if this step was decided before.
fn first_of_incident(state: &mut GateState, proposal: &Proposal) -> bool {
    if state.incidents.len() >= INCIDENTS_MAX && !state.incidents.contains_key(&proposal.incident.id) {
        let oldest = state.incidents.iter().min_by_key(|(id, i)| (i.opened_at, (*id).clone())).map(|(id, _)| id.clone());
        if let Some(oldest) = oldest {
            state.incidents.remove(&oldest);
        }
    }
    let incident = state.incidents.entry(proposal.incident.id.clone()).or_default();
    incident.opened_at = proposal.incident.opened_at;
    let parts: [&[u8]; 4] =
        [proposal.action.name().as_bytes(), proposal.target.kind.as_bytes(), proposal.target.id.as_bytes(), &proposal.step.to_le_bytes()];
    let hash = hash_parts(Of::Target, &parts);
    if incident.decided.contains(&hash) {
        return false;
    }
    if incident.decided.len() >= OPEN_MAX {
        incident.decided.remove(0);
    }
    incident.decided.push(hash);
    true
}

/// The budget that binds a proposal: the one named for its class, else the one for any class.
fn budget<'p>(policy: &'p Policy, proposal: &Proposal) -> Option<&'p Budget> {
    let of = |class: Option<Class>| policy.budgets.iter().find(|b| b.action == proposal.action && b.class == class);
    proposal.class.and_then(|class| of(Some(class))).or_else(|| of(None))
}

/// Each class spends its own budget, shadow apart from what is really sent.
fn purse(proposal: &Proposal) -> (Action, Option<Class>, Mode) {
    (proposal.action, proposal.class, proposal.mode)
}

fn over_budget(policy: &Policy, state: &GateState, proposal: &Proposal) -> Option<String> {
    if proposal.action.is_notice() {
        return None;
    }
    let budget = budget(policy, proposal)?;
    let share = budget
        .share_of_active_ppm
        .map(|ppm| (u64::from(ppm) * u64::from(state.active()) / 1_000_000).max(1).min(u64::from(u32::MAX)) as u32);
    let at_most = share.map_or(budget.at_most, |s| s.min(budget.at_most));
    let spent = state.spent.get(&purse(proposal)).map_or(&[][..], Vec::as_slice);
    let within = spent.iter().filter(|at| state.log_time.since(**at) < budget.per_ms).count();
    let class = proposal.class.map_or("subjects without a class", Class::name);
    (within >= at_most as usize).then(|| {
        format!("{within} of {} for {class} within {}, the budget is {at_most}", proposal.action, crate::time::Span(budget.per_ms))
    })
}

fn spend(policy: &Policy, state: &mut GateState, proposal: &Proposal) {
    let Some(budget) = budget(policy, proposal).filter(|_| !proposal.action.is_notice()) else { return };
    let now = state.log_time;
    let spent = state.spent.entry(purse(proposal)).or_default();
    spent.retain(|at| now.since(*at) < budget.per_ms);
    spent.push(now);
}

fn hold(policy: &Policy, state: &mut GateState, proposal: &Proposal) {
    let expires_at = state.log_time.plus(policy.approvals.expire_after_ms);
    state.held.insert(proposal.id.clone(), Held { expires_at, proposal: Box::new(proposal.clone()) });
}

fn request(policy: &Policy, p: &Proposal, now: Time) -> ContainmentRequest {
    let lasts_ms = if p.action.is_notice() { NOTICE_NOT_AFTER_MS } else { NOT_AFTER_MS };
    ContainmentRequest {
        id: id("r", &[p.id.as_bytes()]),
        bundle: p.bundle.clone(),
        incident: p.incident.clone(),
        campaign: p.campaign.clone(),
        verdict_id: p.verdict_id.clone(),
        time: now,
        tenant: p.tenant.clone(),
        subject: p.subject.clone(),
        class: p.class,
        criticality: p.criticality,
        owner: p.owner.clone(),
        action: p.action,
        params: p.params.clone(),
        target: p.target.clone(),
        playbook: p.playbook.clone(),
        level: p.level,
        reason: p.reason.clone(),
        evidence: p.evidence.clone(),
        dependents: p.dependents.clone(),
        planted: p.planted.clone(),
        approval: Approval { state: ApprovalState::Automatic, by: Vec::new() },
        reversible: p.action.is_reversible(),
        depends_on: None,
        releases: None,
        not_after: now.plus(lasts_ms),
        revert_after: p.revert_after.map(|s| now.plus(s.0)),
        mode: p.mode,
        policy: policy.reference(),
        jws: None,
    }
}

fn end(policy: &Policy, p: &Proposal, end: DecisionEnd, why: String, now: Time, request: Option<ContainmentRequest>) -> Output {
    Output::Decision(Box::new(ContainmentDecision {
        id: id("d", &[p.id.as_bytes(), end.name().as_bytes()]),
        proposal: p.id.clone(),
        end,
        why,
        by: "gate".to_owned(),
        time: now,
        tenant: p.tenant.clone(),
        subject: p.subject.clone(),
        action: p.action,
        request: request.as_ref().filter(|_| end == DecisionEnd::Sent).map(|r| r.id.clone()),
        would_send: request.filter(|_| end == DecisionEnd::WouldSend).map(Box::new),
        policy: policy.reference(),
    }))
}
