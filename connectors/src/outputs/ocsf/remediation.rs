//! 7001 Remediation Activity: what was asked for, what became of a proposal, and what was confirmed.
//!
//! | action | activity | D3FEND |
//! |---|---|---|
//! | `step_up`, `challenge` | 4 Harden | - |
//! | `terminate_session`, `terminate_privileged_session` | 2 Evict | D3-ST |
//! | `revoke_token`, `remove_factor` | 2 Evict | D3-CR |
//! | `revoke_consent`, `revoke_grant`, `check_in_credential` | 2 Evict | - |
//! | `rotate_secret`, `reset_password` | 4 Harden | D3-CRO |
//! | `disable_account`, `offboard` | 1 Isolate | D3-AL |
//! | `isolate_workload` | 1 Isolate | D3-NI |
//! | `throttle` | 1 Isolate | D3-ANET |
//! | `block_source`, `hold_order`, `hold_card` | 1 Isolate | - |
//! | `release` | 3 Restore | of a `disable_account` D3-ULA, D3-RUAA |
//! | `open_case` (decided, not sent) | 5 Detect | - |
//! | `notify_owner` | 99 `Notify` | - |
//!
//! | what became of it | status |
//! |---|---|
//! | a request | 99 `Requested` |
//! | confirmed | 1 Success |
//! | `would_send` | 99 `Would Send` |
//! | `held_approval`, `held_budget`, `held_breaker`, `held_grace` | 99 `Held` |
//! | `duplicate` | 99 `Duplicate` |
//! | `refused_protected`, `refused_too_old`, `rejected`, `expired` | 2 Failure |
//!
//! `status_code` is our word for it, `status_detail` the sentence. A request that failed is seen by what follows it: a request once more, or a case.

use super::{Base, Caption, Class, Event, OTHER, caption, observable, put_some, severity};
use portcullis_core::containment::{Action, ContainmentDecision, ContainmentRequest, DecisionEnd, SecurityEvent, Target};
use portcullis_core::verdict::{Level, Mode, Name};
use serde_json::{Map, Value, json};

type Technique = (&'static str, &'static str);

const SESSION_TERMINATION: Technique = ("D3-ST", "Session Termination");
const CREDENTIAL_REVOCATION: Technique = ("D3-CR", "Credential Revocation");
const CREDENTIAL_ROTATION: Technique = ("D3-CRO", "Credential Rotation");
const ACCOUNT_LOCKING: Technique = ("D3-AL", "Account Locking");
const NETWORK_ISOLATION: Technique = ("D3-NI", "Network Isolation");
const EVENT_THRESHOLDING: Technique = ("D3-ANET", "Authentication Event Thresholding");
const UNLOCK_ACCOUNT: Technique = ("D3-ULA", "Unlock Account");
const RESTORE_ACCESS: Technique = ("D3-RUAA", "Restore User Account Access");

const ISOLATE: Caption = (1, "Isolate");
const EVICT: Caption = (2, "Evict");
const RESTORE: Caption = (3, "Restore");
const HARDEN: Caption = (4, "Harden");
const DETECT: Caption = (5, "Detect");

const SUCCESS: Caption = (1, "Success");
const FAILURE: Caption = (2, "Failure");

/// What an action is to OCSF and to D3FEND. `undone`: the action that a `release` takes back.
fn of_action(action: Action, undone: Option<&str>) -> (Caption, &'static [Technique]) {
    use Action::*;
    match action {
        StepUp | Challenge => (HARDEN, &[]),
        TerminateSession | TerminatePrivilegedSession => (EVICT, &[SESSION_TERMINATION]),
        RevokeToken | RemoveFactor => (EVICT, &[CREDENTIAL_REVOCATION]),
        RevokeConsent | RevokeGrant | CheckInCredential => (EVICT, &[]),
        RotateSecret | ResetPassword => (HARDEN, &[CREDENTIAL_ROTATION]),
        DisableAccount | Offboard => (ISOLATE, &[ACCOUNT_LOCKING]),
        IsolateWorkload => (ISOLATE, &[NETWORK_ISOLATION]),
        Throttle => (ISOLATE, &[EVENT_THRESHOLDING]),
        BlockSource | HoldOrder | HoldCard => (ISOLATE, &[]),
        Release if undone == Some(DisableAccount.name()) => (RESTORE, &[UNLOCK_ACCOUNT, RESTORE_ACCESS]),
        Release => (RESTORE, &[]),
        OpenCase => (DETECT, &[]),
        NotifyOwner => ((OTHER, "Notify"), &[]),
    }
}

/// What a fact is: it names no action, but the event and the change.
fn of_event(fact: &SecurityEvent) -> (Caption, &'static [Technique]) {
    let word = fact.event.rsplit('/').next().unwrap_or_default();
    match (word, fact.change_type.as_deref()) {
        ("session-revoked", _) => of_action(Action::TerminateSession, None),
        ("credential-change", Some("update")) => of_action(Action::RotateSecret, None),
        ("credential-change", _) => of_action(Action::RevokeToken, None),
        ("account-disabled", _) => of_action(Action::DisableAccount, None),
        ("account-enabled", _) => of_action(Action::Release, Some(Action::DisableAccount.name())),
        _ => ((OTHER, "Other"), &[]),
    }
}

fn of_end(end: DecisionEnd) -> Caption {
    use DecisionEnd::*;
    match end {
        Sent => (OTHER, "Requested"),
        WouldSend => (OTHER, "Would Send"),
        HeldApproval | HeldBudget | HeldBreaker | HeldGrace => (OTHER, "Held"),
        Duplicate => (OTHER, "Duplicate"),
        RefusedProtected | RefusedTooOld | Rejected | Expired => FAILURE,
    }
}

/// What the three have in common.
struct Activity<'a> {
    base: Base<'a>,
    command: &'a str,
    techniques: &'static [Technique],
    status: Caption,
    code: &'a str,
    detail: &'a str,
    /// Why, for whoever acts.
    reason: &'a str,
    subject: &'a Name,
    target: Option<&'a Target>,
    unmapped: Map<String, Value>,
}

impl Activity<'_> {
    fn event(self) -> Event {
        let uid = self.base.uid.clone();
        let mut event = self.base.attributes();
        caption(&mut event, "status", self.status);
        let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
        put("command_uid", json!(self.command));
        put("status_code", json!(self.code));
        put("status_detail", json!(self.detail));
        if !self.reason.is_empty() {
            put("remediation", json!({ "desc": self.reason }));
        }
        if !self.techniques.is_empty() {
            let technique = |(uid, name): &Technique| json!({ "d3f_technique": { "uid": uid, "name": name } });
            put("countermeasures", self.techniques.iter().map(technique).collect());
        }
        let mut observables = vec![observable(&self.subject.kind, &self.subject.id, "unmapped.subject.id")];
        if let Some(target) = self.target.filter(|t| !t.id.is_empty() && (&t.kind, &t.id) != (&self.subject.kind, &self.subject.id)) {
            observables.push(observable(&target.kind, &target.id, "unmapped.target.id"));
        }
        put("observables", Value::Array(observables));
        let mut unmapped = self.unmapped;
        unmapped.insert("subject".to_owned(), json!(self.subject));
        put_some(&mut unmapped, "target", self.target.map(|target| json!(target)));
        put("unmapped", Value::Object(unmapped));
        Event { class: Class::RemediationActivity, uid, value: Value::Object(event) }
    }
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) fn of_request(request: &ContainmentRequest) -> Event {
    let (activity, techniques) = of_action(request.action, request.params.kind.as_deref());
    let what = format!("{} of {} {}", request.action, request.subject.kind, request.subject.id);
    let base = Base {
        class: Class::RemediationActivity,
        activity,
        time: request.time,
        severity: severity(request.level),
        message: format!("{what}: {}", request.reason),
        uid: request.id.clone(),
        tenant: &request.tenant,
        incident: Some(&request.incident.id),
        mode: Some(request.mode),
    };
    let unmapped = object([
        ("action", json!(request.action)),
        ("level", json!(request.level)),
        ("params", json!(request.params)),
        ("playbook", json!(request.playbook)),
        ("approval", json!(request.approval)),
        ("reversible", json!(request.reversible)),
        ("not_after", json!(request.not_after.0)),
        ("revert_after", json!(request.revert_after.map(|time| time.0))),
        ("releases", json!(request.releases)),
        ("depends_on", json!(request.depends_on)),
        ("bundle", json!(request.bundle)),
        ("campaign", json!(request.campaign)),
        ("verdict", json!(request.verdict_id)),
        ("policy", json!(request.policy)),
    ]);
    let activity = Activity {
        base,
        command: &request.id,
        techniques,
        status: of_end(DecisionEnd::Sent),
        code: DecisionEnd::Sent.name(),
        detail: "asked of whoever can act",
        reason: &request.reason,
        subject: &request.subject,
        target: Some(&request.target),
        unmapped,
    };
    activity.event()
}

/// Nothing for what was sent: its request says it.
pub(super) fn of_decision(decision: &ContainmentDecision) -> Option<Event> {
    if decision.end == DecisionEnd::Sent {
        return None;
    }
    let would = decision.would_send.as_deref();
    let (activity, techniques) = of_action(decision.action, would.and_then(|request| request.params.kind.as_deref()));
    let what = format!("{} of {} {}", decision.action, decision.subject.kind, decision.subject.id);
    let base = Base {
        class: Class::RemediationActivity,
        activity,
        time: decision.time,
        severity: severity(decision.level.unwrap_or(Level::Low)),
        message: format!("{what}: {}: {}", decision.end, decision.why),
        uid: decision.id.clone(),
        tenant: &decision.tenant,
        incident: would.map(|request| request.incident.id.as_str()),
        mode: (decision.end == DecisionEnd::WouldSend).then_some(Mode::Shadow),
    };
    let unmapped = object([
        ("action", json!(decision.action)),
        ("level", json!(decision.level)),
        ("proposal", json!(decision.proposal)),
        ("by", json!(decision.by)),
        ("cause", json!(decision.cause)),
        ("held_until", json!(decision.held_until.map(|time| time.0))),
        ("policy", json!(decision.policy)),
    ]);
    let activity = Activity {
        base,
        command: decision.request.as_ref().unwrap_or(&decision.proposal),
        techniques,
        status: of_end(decision.end),
        code: decision.end.name(),
        detail: &decision.why,
        reason: &decision.reason,
        subject: &decision.subject,
        target: decision.target.as_ref(),
        unmapped,
    };
    Some(activity.event())
}

pub(super) fn of_fact(fact: &SecurityEvent) -> Event {
    let (activity, techniques) = of_event(fact);
    let word = fact.event.rsplit('/').next().unwrap_or_default();
    let base = Base {
        class: Class::RemediationActivity,
        activity,
        time: fact.time,
        // It is over.
        severity: severity(Level::Low),
        message: format!("{word} of {} {}: confirmed", fact.subject.kind, fact.subject.id),
        uid: fact.id.clone(),
        tenant: &fact.tenant,
        incident: Some(&fact.incident),
        mode: None,
    };
    let activity = Activity {
        base,
        command: &fact.request,
        techniques,
        status: SUCCESS,
        code: "done",
        detail: "an outcome has confirmed it",
        reason: &fact.detail,
        subject: &fact.subject,
        target: Some(&fact.target),
        unmapped: object([("event", json!(fact.event)), ("change_type", json!(fact.change_type))]),
    };
    activity.event()
}
