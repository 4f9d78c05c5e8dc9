//! Rotation in two steps, where others may depend on a secret: a new one is made and the old one lives on for the grace; when the rotation is
//! confirmed and the grace is over, the old one is revoked, by a request of its own that passes the same checks as any other.
//!
//! Until then it waits like a question, so that people can see it, have it sent at once, put it off or call it off. A rotation that is not
//! confirmed revokes nothing: what was to take the old secret's place may not be there.

use super::Desk;
use super::state::{GateState, Open, TenantState, Waiting};
use crate::containment::{Action, DecisionEnd, Params, Proposal};
use crate::id::id;
use crate::policy::Playbook;
use crate::shelf::Shelf;
use crate::verdict::Mode;

impl<S: Shelf<Value = GateState>> Desk<'_, S> {
    /// A request was done. If it was a rotation with a grace, the revocation of the old secret waits for the end of that.
    pub(super) fn rotated(&mut self, open: &Open) -> Result<(), S::Fault> {
        let p = &open.proposal;
        let Some(grace) = p.params.grace.filter(|_| p.action == Action::RotateSecret) else { return Ok(()) };
        let revocation = self.revocation(open);
        let why = format!("request {} is done; the old secret lives on for {grace}, then it is revoked", open.request);
        let until = self.now.plus(grace.0);
        self.hold_for(&revocation, DecisionEnd::HeldGrace, why, until, 1)
    }

    /// Of the old secret. Where a person had to agree to the rotation, one is asked whether the time has come.
    fn revocation(&self, open: &Open) -> Proposal {
        let p = &open.proposal;
        let playbook = self.policy.playbooks.iter().find(|b| b.id == p.playbook);
        let wants_a_person = |b: &Playbook| {
            b.steps(p.level).iter().any(|s| s.approval_required && matches!(s.action, Action::RotateSecret | Action::RevokeToken))
        };
        Proposal {
            id: id("p", &[open.request.as_bytes(), b"old secret"]),
            action: Action::RevokeToken,
            params: Params { kind: Some("old_secret".to_owned()), ..Params::default() },
            reason: format!("the secret was rotated and its old value must end: {}", p.reason),
            siblings: Vec::new(),
            approval_required: playbook.is_none_or(wants_a_person) || self.policy.approvals.required_for.contains(&Action::RevokeToken),
            mode: self.policy.mode_of(Action::RevokeToken, playbook.map_or(Mode::Enforce, |b| b.mode)),
            revert_after: None,
            depends_on: Some(open.request.clone()),
            ..(**p).clone()
        }
    }

    /// The grace is over.
    pub(super) fn grace_over(&mut self, tenant: &mut TenantState, waiting: Waiting) -> Result<(), S::Fault> {
        // What led to it is that the time has come: it is not too old.
        let proposal = Proposal { event_time: self.now, ..*waiting.proposal };
        self.untouch(&proposal, |touched| &mut touched.waiting, &proposal.id)?;
        if let Some(why) = super::protected::protected(self.policy, &proposal) {
            self.end(&proposal, DecisionEnd::RefusedProtected, why);
            return self.old_secret_stands(&proposal, "it is protected");
        }
        self.weigh(tenant, &proposal)?;
        if proposal.mode == Mode::Shadow { self.old_secret_stands(&proposal, "revoke_token is in shadow") } else { Ok(()) }
    }

    /// Nobody revokes the old secret: a person is told.
    pub(super) fn old_secret_stands(&mut self, proposal: &Proposal, why: &str) -> Result<(), S::Fault> {
        let (Some(rotation), target) = (&proposal.depends_on, &proposal.target) else { return Ok(()) };
        let text = format!("the old secret of {} {} was rotated by request {rotation} and still works: {why}", target.kind, target.id);
        self.case(proposal, "old-secret-stands", text)
    }
}
