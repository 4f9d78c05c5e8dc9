//! What was sent and is not over: outcomes that are due, failures that are tried once more, timed actions that are taken back.

use super::fact::fact;
use super::state::{GateState, Open, TenantState, open_key, subject_key};
use super::{Desk, request_id};
use crate::containment::{Action, Approver, ContainmentRequest, DecisionEnd, Params, Proposal, Target};
use crate::event::{Class, Event, Label, OutcomeStatus};
use crate::id::id;
use crate::record::Output;
use crate::shelf::Shelf;
use crate::time::{DAY_MS, Span};

/// What can be taken back is remembered for this long, for whoever wants to.
const FORGOTTEN_MS: i64 = 30 * DAY_MS;
/// That something which cannot be taken back was done after all is heard for this long after its deadline.
const LATE_MS: i64 = 7 * DAY_MS;
/// A release that nobody agreed to is asked for again after this long.
const ASK_AGAIN_MS: i64 = DAY_MS;
/// Of a request whose release was asked for and nobody agreed to.
const RENEWALS_OVER: u32 = u32::MAX;
/// How often a request that failed is tried again before a person is told.
const ATTEMPTS_MAX: u32 = 1;

impl<S: Shelf<Value = GateState>> Desk<'_, S> {
    /// Remembers a request that was sent.
    pub(super) fn open(&mut self, proposal: &Proposal, request: &ContainmentRequest) -> Result<(), S::Fault> {
        self.keep_open(Open {
            request: request.id.clone(),
            proposal: Box::new(proposal.clone()),
            deadline: Some(self.now.plus(self.policy.outcomes.deadline_ms)),
            is_done: false,
            told_missing: false,
            told_failed: false,
            revert_at: request.revert_after,
            renewals: 0,
            attempts: 0,
            forget_at: self.now.plus(FORGOTTEN_MS),
        })?;
        self.touch(proposal, |touched| &mut touched.open, &request.id)
    }

    fn keep_open(&mut self, open: Open) -> Result<(), S::Fault> {
        let slot = self.shelf.slot(&open_key(&open.proposal.tenant, &open.request))?;
        let due = open.due();
        self.lay(slot, GateState::Open(Box::new(open)), Some(due));
        Ok(())
    }

    fn lift_open(&mut self, tenant: &str, request: &str) -> Result<Option<Open>, S::Fault> {
        Ok(match self.lift(&open_key(tenant, request))?.1 {
            GateState::Open(open) => Some(*open),
            _ => None,
        })
    }

    fn close(&mut self, open: &Open) -> Result<(), S::Fault> {
        self.untouch(&open.proposal, |touched| &mut touched.open, &open.request)
    }

    /// Whether anything can still be done, or heard, about it.
    fn keep_or_close(&mut self, mut open: Open) -> Result<(), S::Fault> {
        if open.deadline.is_some() || open.revert_at.is_some() || open.proposal.action.is_reversible() {
            return self.keep_open(open);
        }
        self.close(&open)?;
        open.forget_at = open.forget_at.min(self.now.plus(LATE_MS));
        if open.is_done || open.forget_at <= self.now { Ok(()) } else { self.keep_open(open) }
    }

    /// The time of something that is open has come.
    pub(super) fn open_due(&mut self, tenant: &mut TenantState, mut open: Open) -> Result<(), S::Fault> {
        if open.deadline.take_if(|at| *at <= self.now).is_some() {
            self.no_outcome(tenant, &mut open)?;
        }
        if open.revert_at.take_if(|at| *at <= self.now).is_some() {
            return self.revert(open);
        }
        if open.forget_at <= self.now {
            return self.close(&open);
        }
        self.keep_or_close(open)
    }

    fn no_outcome(&mut self, tenant: &mut TenantState, open: &mut Open) -> Result<(), S::Fault> {
        if !self.policy.outcomes.open_case || std::mem::replace(&mut open.told_missing, true) {
            return Ok(());
        }
        let within = Span(self.policy.outcomes.deadline_ms);
        let asked = asked(open);
        if tenant.reported {
            return self.case(&open.proposal, "no-outcome", format!("{asked} has no outcome after {within}: was it done?"));
        }
        // Who never reports anything is told so once, and not by a case a request.
        if std::mem::replace(&mut tenant.told_silent, true) {
            return Ok(());
        }
        let text = format!("{asked} has no outcome after {within}, and none was ever reported: executors report `containment.outcome`");
        self.case(&open.proposal, "nobody-reports", text)
    }

    /// Whoever acts says what became of a request.
    pub(super) fn outcome(&mut self, tenant: &mut TenantState, event: &Event<'_>) -> Result<(), S::Fault> {
        use OutcomeStatus::*;
        if !self.is_believed(tenant, event) {
            return Ok(());
        }
        let Some((outcome, request)) = event.containment.as_deref().and_then(|o| Some((o, o.request_id.as_deref()?))) else {
            return Ok(());
        };
        let Some(mut open) = self.lift_open(&event.tenant, request)? else { return Ok(()) };
        // What somebody did by hand does not say that they read requests.
        tenant.reported = true;
        match outcome.status {
            Accepted => open.deadline = Some(self.now.plus(self.policy.outcomes.deadline_ms)),
            Done | AlreadyDone => {
                open.deadline = None;
                if !std::mem::replace(&mut open.is_done, true) {
                    self.out.extend(fact(&open, self.now).map(|fact| Output::Fact(Box::new(fact))));
                    self.rotated(&open)?;
                }
            }
            Reverted => return self.close(&open),
            Partial | Failed | Rejected | NotFound | Unsupported => {
                let said = outcome.detail.as_deref().unwrap_or("without a word why");
                return self.failed(tenant, open, outcome.status, said);
            }
        }
        self.keep_or_close(open)
    }

    /// Tried once more where that can help, unless a person was told already that nothing was heard of it; else a person is told.
    fn failed(&mut self, tenant: &mut TenantState, mut open: Open, status: OutcomeStatus, said: &str) -> Result<(), S::Fault> {
        let is_in_time = open.deadline.take().is_some();
        let can_help = is_in_time && matches!(status, OutcomeStatus::Partial | OutcomeStatus::Failed);
        if can_help && open.attempts < ATTEMPTS_MAX {
            open.attempts += 1;
            let again = Proposal {
                id: id("p", &[open.request.as_bytes(), b"again"]),
                approval_required: false, // who agreed to the first agreed to this
                ..(*open.proposal).clone()
            };
            self.weigh(tenant, &again)?;
            if let Some(mut second) = self.lift_open(&again.tenant, &request_id(&again.id))? {
                second.attempts = open.attempts;
                self.keep_open(second)?;
            }
        } else if !std::mem::replace(&mut open.told_failed, true) {
            self.case(&open.proposal, "not-done", format!("{} is {status}: {said}", asked(&open)))?;
        }
        // What is done in part can still be taken back.
        if status == OutcomeStatus::Partial { self.keep_or_close(open) } else { self.close(&open) }
    }

    /// A timed action has run out: it is taken back, or renewed while its incident is open.
    fn revert(&mut self, open: Open) -> Result<(), S::Fault> {
        let renewals = self.policy.release.renewals;
        let is_open = self.is_incident_open(&open.proposal)?;
        if is_open && open.renewals < renewals {
            let count = open.renewals + 1;
            let again = Proposal { id: id("p", &[open.request.as_bytes(), b"renewal"]), ..(*open.proposal).clone() };
            let why = format!("its incident is still open, renewal {count} of {renewals}");
            self.close(&open)?;
            let request = self.send(&again, Vec::new(), why)?;
            if let Some(mut renewed) = self.lift_open(&again.tenant, &request)? {
                renewed.renewals = count;
                self.keep_open(renewed)?;
            }
            return Ok(());
        }
        // Once: after that it is the release that is asked for, every day.
        if is_open && open.renewals != RENEWALS_OVER {
            let text = format!("{} ends after {renewals} renewals, and its incident is still open", asked(&open));
            self.case(&open.proposal, "renewals-over", text)?;
        }
        let needs = u8::from(needs_a_person(&open.proposal));
        self.ask_release(open, "its time is over".to_owned(), needs)
    }

    /// Sends a release at once, or asks as many people as it needs.
    fn ask_release(&mut self, open: Open, why: String, needs: u8) -> Result<(), S::Fault> {
        let release = release(&open, self.now);
        if needs == 0 {
            self.close(&open)?;
            return self.send(&release, Vec::new(), why).map(drop);
        }
        self.keep_open(open)?; // until somebody agrees
        let until = self.now.plus(self.policy.approvals.expire_after_ms);
        self.hold_for(&release, DecisionEnd::HeldApproval, format!("{why}; a person must agree to release this class"), until, needs)
    }

    /// A release was sent because people agreed: what it undoes is over.
    pub(super) fn released(&mut self, proposal: &Proposal) -> Result<(), S::Fault> {
        if proposal.action == Action::Release
            && let Some(open) = self.lift_open(&proposal.tenant, &proposal.target.id)?
        {
            self.close(&open)?;
        }
        Ok(())
    }

    /// Nobody agreed to a release: what it would undo stands, and is asked about again.
    pub(super) fn release_unanswered(&mut self, proposal: &Proposal) -> Result<(), S::Fault> {
        if proposal.action != Action::Release {
            return Ok(());
        }
        let Some(mut open) = self.lift_open(&proposal.tenant, &proposal.target.id)? else { return Ok(()) };
        open.revert_at = Some(self.now.plus(ASK_AGAIN_MS));
        open.renewals = RENEWALS_OVER;
        open.forget_at = open.forget_at.max(self.now.plus(FORGOTTEN_MS));
        let text = format!("{} stands, for nobody agreed to its release; it is asked again in {}", asked(&open), Span(ASK_AGAIN_MS));
        self.case(&open.proposal, &format!("release-unanswered-{}", self.now.0), text)?;
        self.keep_open(open)
    }

    /// A person takes a request back.
    pub(super) fn release(
        &mut self,
        tenant: &mut TenantState,
        request: &str,
        person: Approver,
    ) -> Result<Result<String, String>, S::Fault> {
        let name = tenant.name.clone();
        let Some(open) = self.lift_open(&name, request)? else {
            return Ok(Err(format!("{request} is not open: it was released, cannot be taken back, or was never sent")));
        };
        if !open.proposal.action.is_reversible() {
            let why = format!("{} cannot be taken back", open.proposal.action);
            self.keep_open(open)?;
            return Ok(Err(why));
        }
        self.close(&open)?;
        let why = format!("released by {}", person.by);
        let sent = self.send(&release(&open, self.now), vec![person], why)?;
        Ok(Ok(format!("request {sent} is sent")))
    }

    /// An analyst says that it was a false alarm: what waits for the subject ends, and what can be taken back is.
    pub(super) fn label(&mut self, tenant: &mut TenantState, event: &Event<'_>) -> Result<(), S::Fault> {
        let Some(label) = event.feedback.as_deref().filter(|f| f.label == Label::FalsePositive) else { return Ok(()) };
        let (kind, subject) = match (&label.subject, event.identity_id()) {
            (Some(named), _) => (named.kind.as_str(), named.id.as_str()),
            (None, Some(identity)) => ("identity", identity),
            (None, None) => return Ok(()),
        };
        let (slot, state) = self.lift(&subject_key(&event.tenant, kind, subject))?;
        let GateState::Subject(touched) = state else { return Ok(()) };
        self.lay(slot, GateState::Subject(touched.clone()), None);
        let by = label.by.as_deref().unwrap_or("an analyst");
        for id in &touched.waiting {
            drop(self.reject(tenant, id, by, "a false alarm")?);
        }
        for request in &touched.open {
            let Some(open) = self.lift_open(&event.tenant, request)? else { continue };
            if !open.proposal.action.is_reversible() {
                self.keep_open(open)?;
                continue;
            }
            let needs = if needs_a_person(&open.proposal) { 2 } else { 0 };
            self.ask_release(open, format!("{by} calls it a false alarm"), needs)?;
        }
        Ok(())
    }
}

/// Whoever can undo or approve much is not set free by a clock. A throttle or a hold is: it would stop the nightly batch until somebody woke.
fn needs_a_person(proposal: &Proposal) -> bool {
    let disables = matches!(proposal.action, Action::DisableAccount | Action::IsolateWorkload);
    disables && matches!(proposal.class, Some(Class::Admin | Class::Support | Class::Service))
}

/// `request r-1 (disable_account on account ann)`.
fn asked(open: &Open) -> String {
    let p = &open.proposal;
    format!("request {} ({} on {} {})", open.request, p.action, p.target.kind, p.target.id)
}

/// The proposal to undo a request. Its target is the request, under the names by which the acting system knows what it was done to.
fn release(open: &Open, now: crate::time::Time) -> Proposal {
    let p = &open.proposal;
    Proposal {
        id: id("p", &[open.request.as_bytes(), b"release", &now.0.to_le_bytes()]),
        action: Action::Release,
        params: Params { kind: Some(p.action.name().to_owned()), ..Params::default() },
        target: Target { kind: "request".to_owned(), id: open.request.clone(), ..p.target.clone() },
        reason: format!("undo {} on {} {}", p.action, p.target.kind, p.target.id),
        siblings: Vec::new(),
        approval_required: false,
        revert_after: None,
        ..(**p).clone()
    }
}
