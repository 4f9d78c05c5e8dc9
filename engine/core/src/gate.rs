//! The gate: turns proposals into requests within bounds, and says of each proposal what became of it.
//!
//! Order of the checks: protected, too old, duplicate, breaker, budget, approval, shadow. A pure function over its own log, like SCORE:
//! what people answer and what executors report are records of it.

mod answer;
mod breaker;
mod budget;
mod fact;
mod open;
mod protected;
mod reported;
mod rotation;
pub mod state;
mod waiting;

pub use answer::{ANSWER_TYPE, Claims, Verb};
pub use reported::OUTCOME;
pub use state::{GATE_STATE_VERSION, GateState};

use crate::containment::{
    Action, Approval, ApprovalState, Approver, ContainmentDecision, ContainmentRequest, DecisionEnd, Params, Proposal, Target,
};
use crate::event::EventType;
use crate::hash::{Of, hash_parts};
use crate::id::id;
use crate::policy::Policy;
use crate::record::{Control, GateRecord, Output, Position};
use crate::shelf::Shelf;
use crate::subject::Kind;
use crate::time::{DAY_MS, MINUTE_MS, Span, Time};
use crate::verdict::{Level, Mode, Name};
use state::{IncidentState, TenantState, incident_key, tenant_key};

/// Steps of one incident remembered against duplicates.
const DECIDED_MAX: usize = 128;
/// An incident of which nothing more is heard is forgotten.
const INCIDENT_FORGOTTEN_MS: i64 = 90 * DAY_MS;
/// How long a request may be carried out.
const NOT_AFTER_MS: i64 = 15 * MINUTE_MS;
/// The same for cases and notices, which are never too late.
const NOTICE_NOT_AFTER_MS: i64 = DAY_MS;

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
            Desk { policy, now: due, shelf: &mut *shelf, out: &mut *out }.timer(slot)?;
        }
        let Some(tenant) = entry.tenant else { continue };
        Desk { policy, now: *log_time, shelf: &mut *shelf, out: &mut *out }.record(tenant, entry.record)?;
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
        GateRecord::Control(Control::Answer(answer)) => Some(&answer.tenant),
        GateRecord::Control(Control::Policy(_) | Control::Tick(_)) => None,
    }
}

/// Where one record is decided on, at its log time.
struct Desk<'d, S> {
    policy: &'d Policy,
    now: Time,
    shelf: &'d mut S,
    out: &'d mut Vec<Output>,
}

impl<S: Shelf<Value = GateState>> Desk<'_, S> {
    fn record(&mut self, name: &str, record: &GateRecord<'_>) -> Result<(), S::Fault> {
        let (slot, mut tenant) = self.tenant(name)?;
        match record {
            GateRecord::Proposal(proposal) => self.decide(&mut tenant, proposal)?,
            GateRecord::Control(Control::IncidentClosed(closed)) => self.forget(&incident_key(name, &closed.incident))?,
            GateRecord::Control(Control::Sample(sample)) => drop(tenant.samples.insert(sample.partition, (sample.active, sample.at))),
            GateRecord::Control(Control::Answer(answer)) => self.answer(&mut tenant, answer)?,
            GateRecord::Event(event) if event.kind == EventType::ContainmentOutcome => self.outcome(&mut tenant, event)?,
            GateRecord::Event(event) if event.kind == EventType::FeedbackLabel => self.label(&mut tenant, event)?,
            // A policy is adopted by the caller; a tick only moves the time.
            GateRecord::Control(Control::Policy(_) | Control::Tick(_)) | GateRecord::Event(_) => {}
        }
        self.lay(slot, GateState::Tenant(tenant), None);
        Ok(())
    }

    /// Something that was to happen at this time.
    fn timer(&mut self, slot: S::Slot) -> Result<(), S::Fault> {
        let state = std::mem::take(self.shelf.value(slot));
        self.shelf.forget(slot);
        let name = match &state {
            GateState::Waiting(waiting) => waiting.proposal.tenant.clone(),
            GateState::Open(open) => open.proposal.tenant.clone(),
            GateState::Nothing | GateState::Tenant(_) | GateState::Incident(_) | GateState::Subject(_) => return Ok(()), // forgotten
        };
        let (of_tenant, mut tenant) = self.tenant(&name)?;
        match state {
            GateState::Waiting(waiting) => self.waited(&mut tenant, *waiting)?,
            GateState::Open(open) => self.open_due(&mut tenant, *open)?,
            _ => {}
        }
        self.lay(of_tenant, GateState::Tenant(tenant), None);
        Ok(())
    }

    /// Decides on a proposal: exactly one decision comes of it now.
    fn decide(&mut self, tenant: &mut TenantState, proposal: &Proposal) -> Result<(), S::Fault> {
        if let Some(why) = protected::protected(self.policy, proposal) {
            self.end(proposal, DecisionEnd::RefusedProtected, why);
            return Ok(());
        }
        let age_ms = self.now.since(proposal.event_time);
        if !proposal.action.is_notice() && age_ms > self.policy.act_within_ms {
            let (age, most) = (age_ms / 1_000, Span(self.policy.act_within_ms));
            self.end(proposal, DecisionEnd::RefusedTooOld, format!("the event is {age} s old, the policy acts within {most}"));
            return Ok(());
        }
        if !self.is_first_of_incident(proposal)? {
            let why = "the same action on the same target was decided for this step of the incident".to_owned();
            self.end(proposal, DecisionEnd::Duplicate, why);
            return Ok(());
        }
        let active = tenant.active(self.now);
        if let Some(why) = tenant.breaker.count(self.policy, proposal, active, self.now) {
            self.fleet_notice(proposal, &why)?;
        }
        self.weigh(tenant, proposal)
    }

    /// The checks that can pass later: breaker, budget, approval, shadow.
    fn weigh(&mut self, tenant: &mut TenantState, proposal: &Proposal) -> Result<(), S::Fault> {
        let now = self.now;
        if let Some((why, until)) = tenant.breaker.holds(self.policy, proposal.action, now) {
            return self.hold(proposal, DecisionEnd::HeldBreaker, why, until);
        }
        let waits_until = now.plus(self.policy.approvals.expire_after_ms);
        if let Some(why) = budget::over_budget(self.policy, tenant, proposal, now) {
            return self.hold(proposal, DecisionEnd::HeldBudget, why, waits_until);
        }
        if proposal.approval_required && proposal.mode == Mode::Enforce {
            let why = format!("playbook {} requires a person to agree", proposal.playbook);
            return self.hold(proposal, DecisionEnd::HeldApproval, why, waits_until);
        }
        let why = match proposal.mode {
            Mode::Shadow => "this action is in shadow".to_owned(),
            Mode::Enforce => format!("playbook {} at {}", proposal.playbook, proposal.level),
        };
        budget::spend(self.policy, tenant, proposal, now);
        self.send(proposal, Vec::new(), why).map(drop)
    }

    /// Sends a request, or says that it would have been. `agreed`: the people who did, where any had to.
    fn send(&mut self, proposal: &Proposal, agreed: Vec<Approver>, why: String) -> Result<String, S::Fault> {
        let request = request(self.policy, proposal, agreed, self.now);
        let id = request.id.clone();
        match proposal.mode {
            Mode::Shadow => self.end_with(proposal, DecisionEnd::WouldSend, why, Some(request)),
            Mode::Enforce => {
                self.out.push(Output::Request(Box::new(request.clone())));
                if !proposal.action.is_notice() {
                    self.open(proposal, &request)?;
                }
                self.end_with(proposal, DecisionEnd::Sent, why, Some(request));
            }
        }
        Ok(id)
    }

    /// Opens a case about something that became of a proposal; `about` tells one case of a proposal from another.
    fn case(&mut self, proposal: &Proposal, about: &str, text: String) -> Result<(), S::Fault> {
        let case = Proposal {
            id: id("p", &[proposal.id.as_bytes(), about.as_bytes()]),
            action: Action::OpenCase,
            params: Params { text: Some(text.clone()), ..Params::default() },
            target: Target { kind: proposal.subject.kind.clone(), id: proposal.subject.id.clone(), ..Target::default() },
            reason: text,
            approval_required: false,
            mode: self.policy.mode_of(Action::OpenCase, Mode::Enforce),
            revert_after: None,
            ..proposal.clone()
        };
        self.send(&case, Vec::new(), about.replace('-', " ")).map(drop)
    }

    /// The breaker has opened: one notice about the whole tenant, instead of one for each that it holds.
    fn fleet_notice(&mut self, proposal: &Proposal, why: &str) -> Result<(), S::Fault> {
        let whole = Proposal {
            subject: Name { kind: Kind::Tenant.name().to_owned(), id: proposal.tenant.clone() },
            class: None,
            criticality: None,
            owner: None,
            labels: Vec::new(),
            evidence: Vec::new(),
            planted: Vec::new(),
            siblings: Vec::new(),
            seen_from: Vec::new(),
            level: Level::High,
            ..proposal.clone()
        };
        let for_now = self.policy.breaker.as_ref().map_or(0, |b| b.lasts_ms);
        let text = format!("{why}. Containment waits for {}; `portcullis contain resume` ends that at once", Span(for_now));
        self.case(&whole, "breaker-opened", text)
    }

    /// False if this step was decided before.
    fn is_first_of_incident(&mut self, proposal: &Proposal) -> Result<bool, S::Fault> {
        let slot = self.shelf.slot(&incident_key(&proposal.tenant, &proposal.incident.id))?;
        let mut incident = match std::mem::take(self.shelf.value(slot)) {
            GateState::Incident(incident) => incident,
            _ => Box::<IncidentState>::default(),
        };
        let parts: [&[u8]; 4] = [
            proposal.action.name().as_bytes(),
            proposal.target.kind.as_bytes(),
            proposal.target.id.as_bytes(),
            &proposal.step.to_le_bytes(),
        ];
        let hash = hash_parts(Of::Target, &parts);
        let is_first = !incident.decided.contains(&hash);
        if is_first {
            if incident.decided.len() >= DECIDED_MAX {
                incident.decided.remove(0);
            }
            incident.decided.push(hash);
        }
        self.lay(slot, GateState::Incident(incident), Some(self.now.plus(INCIDENT_FORGOTTEN_MS)));
        Ok(is_first)
    }

    fn is_incident_open(&mut self, proposal: &Proposal) -> Result<bool, S::Fault> {
        let slot = self.shelf.slot(&incident_key(&proposal.tenant, &proposal.incident.id))?;
        let is_open = matches!(self.shelf.value(slot), GateState::Incident(_));
        if !is_open {
            self.shelf.forget(slot);
        }
        Ok(is_open)
    }

    fn tenant(&mut self, name: &str) -> Result<(S::Slot, Box<TenantState>), S::Fault> {
        let slot = self.shelf.slot(&tenant_key(name))?;
        Ok(match std::mem::take(self.shelf.value(slot)) {
            GateState::Tenant(tenant) => (slot, tenant),
            _ => (slot, Box::new(TenantState { name: name.to_owned(), ..TenantState::default() })),
        })
    }

    /// Takes a value out of its slot, which is then empty.
    fn lift(&mut self, key: &[u8]) -> Result<(S::Slot, GateState), S::Fault> {
        let slot = self.shelf.slot(key)?;
        let state = std::mem::take(self.shelf.value(slot));
        self.shelf.forget(slot);
        Ok((slot, state))
    }

    fn lay(&mut self, slot: S::Slot, state: GateState, due: Option<Time>) {
        *self.shelf.value(slot) = state;
        self.shelf.set_timer(slot, due);
    }

    fn forget(&mut self, key: &[u8]) -> Result<(), S::Fault> {
        self.lift(key).map(drop)
    }

    fn end(&mut self, proposal: &Proposal, end: DecisionEnd, why: String) {
        self.end_with(proposal, end, why, None);
    }

    fn end_with(&mut self, p: &Proposal, end: DecisionEnd, why: String, request: Option<ContainmentRequest>) {
        self.out.push(Output::Decision(Box::new(ContainmentDecision {
            // A proposal can be held twice for the same reason, hours apart.
            id: id("d", &[p.id.as_bytes(), end.name().as_bytes(), &self.now.0.to_le_bytes()]),
            proposal: p.id.clone(),
            end,
            why,
            by: "gate".to_owned(),
            time: self.now,
            tenant: p.tenant.clone(),
            subject: p.subject.clone(),
            action: p.action,
            request: request.as_ref().filter(|_| end == DecisionEnd::Sent).map(|r| r.id.clone()),
            would_send: request.filter(|_| end == DecisionEnd::WouldSend).map(Box::new),
            policy: self.policy.reference(),
            class: p.class,
            level: Some(p.level),
            target: Some(p.target.clone()),
            cause: p.campaign.clone().unwrap_or_else(|| p.leading_signal.clone()),
            reason: p.reason.clone(),
            held_until: None,
            needs: 0,
        })));
    }
}

/// The id of the request that a proposal becomes, if it is sent.
pub fn request_id(proposal: &str) -> String {
    id("r", &[proposal.as_bytes()])
}

fn request(policy: &Policy, p: &Proposal, agreed: Vec<Approver>, now: Time) -> ContainmentRequest {
    let lasts_ms = if p.action.is_notice() { NOTICE_NOT_AFTER_MS } else { NOT_AFTER_MS };
    let state = if agreed.is_empty() { ApprovalState::Automatic } else { ApprovalState::Granted };
    ContainmentRequest {
        id: request_id(&p.id),
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
        approval: Approval { state, by: agreed },
        reversible: p.action.is_reversible(),
        depends_on: p.depends_on.clone(),
        releases: (p.action == Action::Release).then(|| p.target.id.clone()),
        not_after: now.plus(lasts_ms),
        revert_after: p.revert_after.map(|s| now.plus(s.0)),
        mode: p.mode,
        policy: policy.reference(),
        jws: None,
        siblings: p.siblings.clone(),
        seen_from: p.seen_from.clone(),
    }
}
