//! What waits: for a person until nobody has answered in time, or behind the breaker until it closes.

use super::state::{GateState, TenantState, Touched, Waiting, subject_key, waiting_key};
use super::{Desk, budget};
use crate::containment::{Approver, DecisionEnd, Proposal};
use crate::record::Output;
use crate::shelf::Shelf;
use crate::time::{MINUTE_MS, Span, Time};
use crate::verdict::Mode;

/// Behind the breaker it is looked this often whether it has been closed before its time.
const LOOK_AGAIN_MS: i64 = 5 * MINUTE_MS;
/// Questions and requests remembered of one subject; the oldest goes first.
const TOUCHED_MAX: usize = 64;

impl<S: Shelf<Value = GateState>> Desk<'_, S> {
    /// Keeps a proposal that cannot go out now. In shadow it ends here: nobody need answer for what would not be sent.
    pub(super) fn hold(&mut self, proposal: &Proposal, end: DecisionEnd, why: String, until: Time) -> Result<(), S::Fault> {
        let two = end == DecisionEnd::HeldBudget && self.policy.approvals.two_people_above_budget;
        self.hold_for(proposal, end, why, until, if two { 2 } else { 1 })
    }

    /// The same with the number of people who must agree.
    pub(super) fn hold_for(&mut self, proposal: &Proposal, end: DecisionEnd, why: String, until: Time, needs: u8) -> Result<(), S::Fault> {
        // A rotation that was sent was real, whatever the mode of what follows it.
        if proposal.mode == Mode::Shadow && end != DecisionEnd::HeldGrace {
            self.end(proposal, end, why);
            return Ok(());
        }
        let waiting = Waiting { end, until, needs, agreed: Vec::new(), proposal: Box::new(proposal.clone()) };
        self.say_waiting(&waiting, why);
        self.keep_waiting(waiting)?;
        self.touch(proposal, |touched| &mut touched.waiting, &proposal.id)
    }

    /// Says that it waits, until when, and how many people must agree yet.
    fn say_waiting(&mut self, waiting: &Waiting, why: String) {
        self.end(&waiting.proposal, waiting.end, why);
        if let Some(Output::Decision(decision)) = self.out.last_mut() {
            let agree = usize::from(waiting.needs).saturating_sub(waiting.agreed.len()) as u8;
            let asks = !matches!(waiting.end, DecisionEnd::HeldBreaker | DecisionEnd::HeldGrace);
            (decision.held_until, decision.needs) = (Some(waiting.until), if asks { agree } else { 0 });
        }
    }

    pub(super) fn keep_waiting(&mut self, waiting: Waiting) -> Result<(), S::Fault> {
        let slot = self.shelf.slot(&waiting_key(&waiting.proposal.tenant, &waiting.proposal.id))?;
        let due = if waiting.end == DecisionEnd::HeldBreaker { waiting.until.min(self.now.plus(LOOK_AGAIN_MS)) } else { waiting.until };
        self.lay(slot, GateState::Waiting(Box::new(waiting)), Some(due));
        Ok(())
    }

    /// The time of something that waits has come.
    pub(super) fn waited(&mut self, tenant: &mut TenantState, waiting: Waiting) -> Result<(), S::Fault> {
        match waiting.end {
            DecisionEnd::HeldBreaker => return self.judge_again(tenant, waiting),
            DecisionEnd::HeldGrace => return self.grace_over(tenant, waiting),
            _ => {}
        }
        self.untouch(&waiting.proposal, |touched| &mut touched.waiting, &waiting.proposal.id)?;
        let why = format!("nobody decided on it within {}", Span(self.policy.approvals.expire_after_ms));
        self.end(&waiting.proposal, DecisionEnd::Expired, why);
        self.old_secret_stands(&waiting.proposal, "nobody agreed to its revocation")?;
        self.release_unanswered(&waiting.proposal)
    }

    /// The breaker may have closed: what it held is judged anew, not flushed.
    fn judge_again(&mut self, tenant: &mut TenantState, mut waiting: Waiting) -> Result<(), S::Fault> {
        if let Some((_, until)) = tenant.breaker.holds(self.policy, waiting.proposal.action, self.now) {
            waiting.until = until;
            return self.keep_waiting(waiting);
        }
        let proposal = waiting.proposal;
        self.untouch(&proposal, |touched| &mut touched.waiting, &proposal.id)?;
        // An old secret has to end, whatever became of the incident.
        if proposal.depends_on.is_none() && !self.is_incident_open(&proposal)? {
            self.end(&proposal, DecisionEnd::Expired, "its incident ended while the breaker held it".to_owned());
            return Ok(());
        }
        if self.now.since(proposal.event_time) > self.policy.act_within_ms {
            let why = format!("the breaker held it for longer than {}: a person decides", Span(self.policy.act_within_ms));
            let until = self.now.plus(self.policy.approvals.expire_after_ms);
            return self.hold(&proposal, DecisionEnd::HeldApproval, why, until);
        }
        self.weigh(tenant, &proposal)
    }

    /// A person agrees. What came of it, or why it was refused.
    pub(super) fn approve(&mut self, tenant: &mut TenantState, id: &str, person: Approver) -> Result<Result<String, String>, S::Fault> {
        let mut waiting = match self.lift_waiting(tenant, id)? {
            Ok(waiting) => waiting,
            Err(why) => return Ok(Err(why)),
        };
        if waiting.agreed.iter().any(|a| a.by == person.by) {
            let why = format!("{} has agreed already, another person must", person.by);
            self.keep_waiting(waiting)?;
            return Ok(Err(why));
        }
        waiting.agreed.push(person);
        if waiting.agreed.len() < usize::from(waiting.needs) {
            let said = format!("{} of {} people have agreed", waiting.agreed.len(), waiting.needs);
            self.say_waiting(&waiting, said.clone());
            self.keep_waiting(waiting)?;
            return Ok(Ok(said));
        }
        let Waiting { proposal, agreed, .. } = waiting;
        self.untouch(&proposal, |touched| &mut touched.waiting, &proposal.id)?;
        // The policy may have changed since it was held.
        if let Some(why) = super::protected::protected(self.policy, &proposal) {
            self.end(&proposal, DecisionEnd::RefusedProtected, why.clone());
            return Ok(Err(why));
        }
        let names: Vec<&str> = agreed.iter().map(|a| a.by.as_str()).collect();
        let why = format!("approved by {}", names.join(" and "));
        budget::spend(self.policy, tenant, &proposal, self.now);
        let request = self.send(&proposal, agreed, why)?;
        self.released(&proposal)?;
        Ok(Ok(format!("request {request} is sent")))
    }

    /// A person says no.
    pub(super) fn reject(
        &mut self,
        tenant: &mut TenantState,
        id: &str,
        by: &str,
        reason: &str,
    ) -> Result<Result<String, String>, S::Fault> {
        let waiting = match self.lift_waiting(tenant, id)? {
            Ok(waiting) => waiting,
            Err(why) => return Ok(Err(why)),
        };
        self.untouch(&waiting.proposal, |touched| &mut touched.waiting, id)?;
        self.end(&waiting.proposal, DecisionEnd::Rejected, format!("{by}: {reason}"));
        self.release_unanswered(&waiting.proposal)?;
        Ok(Ok("it is rejected".to_owned()))
    }

    /// A person wants more time.
    pub(super) fn extend(&mut self, tenant: &mut TenantState, id: &str, by_ms: i64) -> Result<Result<String, String>, S::Fault> {
        let mut waiting = match self.lift_waiting(tenant, id)? {
            Ok(waiting) => waiting,
            Err(why) => return Ok(Err(why)),
        };
        waiting.until = self.now.plus(by_ms).max(waiting.until);
        let said = format!("it waits until {}", waiting.until);
        self.say_waiting(&waiting, said.clone());
        self.keep_waiting(waiting)?;
        Ok(Ok(said))
    }

    /// Something that waits for a person, out of its slot.
    fn lift_waiting(&mut self, tenant: &mut TenantState, id: &str) -> Result<Result<Waiting, String>, S::Fault> {
        let name = tenant.name.clone();
        Ok(match self.lift(&waiting_key(&name, id))?.1 {
            GateState::Waiting(waiting) => Ok(*waiting),
            _ => Err(format!("{id} does not wait: it was answered, has expired, or never did")),
        })
    }

    /// Remembers an id with its subject.
    pub(super) fn touch(&mut self, proposal: &Proposal, list: fn(&mut Touched) -> &mut Vec<String>, id: &str) -> Result<(), S::Fault> {
        let key = subject_key(&proposal.tenant, &proposal.subject.kind, &proposal.subject.id);
        let slot = self.shelf.slot(&key)?;
        let mut touched = match std::mem::take(self.shelf.value(slot)) {
            GateState::Subject(touched) => touched,
            _ => Box::default(),
        };
        let ids = list(&mut touched);
        if ids.len() >= TOUCHED_MAX {
            ids.remove(0);
        }
        ids.push(id.to_owned());
        self.lay(slot, GateState::Subject(touched), None);
        Ok(())
    }

    pub(super) fn untouch(&mut self, proposal: &Proposal, list: fn(&mut Touched) -> &mut Vec<String>, id: &str) -> Result<(), S::Fault> {
        let key = subject_key(&proposal.tenant, &proposal.subject.kind, &proposal.subject.id);
        let (slot, state) = self.lift(&key)?;
        let GateState::Subject(mut touched) = state else { return Ok(()) };
        list(&mut touched).retain(|known| known != id);
        if touched.open.is_empty() && touched.waiting.is_empty() {
            return Ok(());
        }
        self.lay(slot, GateState::Subject(touched), None);
        Ok(())
    }
}
