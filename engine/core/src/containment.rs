//! Containment: what SCORE proposes, what GATE requests, and what became of each proposal.

use crate::event::Class;
use crate::named_enum;
use crate::time::{Span, Time};
use crate::verdict::{IncidentRef, Level, Mode, Name, PolicyRef, Reason};
use serde::{Deserialize, Serialize};

named_enum! {
    /// What can be asked of whoever can act.
    pub enum Action {
        StepUp = "step_up", Challenge = "challenge", TerminateSession = "terminate_session", RevokeToken = "revoke_token",
        RotateSecret = "rotate_secret", ResetPassword = "reset_password", RemoveFactor = "remove_factor", RevokeConsent = "revoke_consent",
        RevokeGrant = "revoke_grant", DisableAccount = "disable_account", IsolateWorkload = "isolate_workload",
        TerminatePrivilegedSession = "terminate_privileged_session", CheckInCredential = "check_in_credential", Throttle = "throttle",
        BlockSource = "block_source", HoldOrder = "hold_order", HoldCard = "hold_card", Offboard = "offboard", OpenCase = "open_case",
        NotifyOwner = "notify_owner", Release = "release",
    }
}

impl Action {
    /// Breaks something for somebody until a person mends it.
    pub const fn is_disruptive(self) -> bool {
        matches!(self, Action::DisableAccount | Action::RotateSecret | Action::RevokeToken | Action::Offboard)
    }

    /// Lasts, and can be taken back by a `release`. A session that was ended stays ended, and a step-up is over once it is passed.
    pub const fn is_reversible(self) -> bool {
        use Action::*;
        matches!(self, DisableAccount | IsolateWorkload | Throttle | BlockSource | HoldOrder | HoldCard)
    }

    /// Tells a person and touches nothing.
    pub const fn is_notice(self) -> bool {
        matches!(self, Action::OpenCase | Action::NotifyOwner)
    }
}

/// What an action is done to, by the name that the system which must act knows it by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Target {
    /// `account`, `session`, `token`, `credential`, `network`, `device`, `order`, `card`, `route`, `workload`, ...
    pub kind: String,
    pub id: String,
    /// The system that can act: `keycloak https://idp.example/realms/lab`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native_id: Option<String>,
    /// Subject identifier of RFC 9493, as JSON text: `{"format":"iss_sub",...}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_id: Option<String>,
}

/// Where a credential was used from lately.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SeenFrom {
    /// `workload`, or `source`: an address without a name.
    pub kind: String,
    pub id: String,
    /// To the hour, both.
    pub first: Time,
    pub last: Time,
}

/// Parameters of an action; which are set depends on the action.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Params {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Methods under suspicion, never to be used for the step-up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What SCORE asks GATE for. The order of the fields is the order of the Avro schema.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Proposal {
    /// Deterministic: subject, action, target, incident, step.
    pub id: String,
    pub bundle: String,
    pub incident: IncidentRef,
    pub campaign: Option<String>,
    pub verdict_id: String,
    /// Log time at which it was proposed.
    pub time: Time,
    /// Time of the event that led to it; `act_within` counts from here.
    pub event_time: Time,
    pub tenant: String,
    pub subject: Name,
    pub class: Option<Class>,
    pub criticality: Option<u8>,
    pub owner: Option<String>,
    pub labels: Vec<String>,
    pub action: Action,
    pub params: Params,
    pub target: Target,
    pub playbook: String,
    pub level: Level,
    pub leading_signal: String,
    pub reason: String,
    pub evidence: Vec<Reason>,
    /// Who breaks if this is done. `None`: unknown.
    pub dependents: Option<Vec<String>>,
    pub planted: Vec<Name>,
    pub approval_required: bool,
    pub mode: Mode,
    /// Undo after this long.
    pub revert_after: Option<Span>,
    /// Counts the proposals of this action on this target within the incident, from 1.
    pub step: u32,
    /// The address that the activity came from, for protected networks.
    pub source_ip: Option<String>,
    /// What belongs to the target, and an incident on it reaches too.
    #[serde(default)]
    pub siblings: Vec<Target>,
    /// Of a machine's credential: where it was used from lately.
    #[serde(default)]
    pub seen_from: Vec<SeenFrom>,
    /// The request that was done first: the rotation, of the revocation of the old secret.
    #[serde(default)]
    pub depends_on: Option<String>,
}

named_enum! {
    /// Whether a person had to agree.
    pub enum ApprovalState { Automatic = "automatic", Required = "required", Granted = "granted" }
}

/// One person's agreement.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Approver {
    pub by: String,
    pub at: Time,
    pub reason: String,
}

/// Whether and by whom a request was approved.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Approval {
    pub state: ApprovalState,
    pub by: Vec<Approver>,
}

/// A containment request, as an executor verifies and carries it out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ContainmentRequest {
    pub id: String,
    pub bundle: String,
    pub incident: IncidentRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    pub verdict_id: String,
    /// Log time of the gate's decision.
    pub time: Time,
    pub tenant: String,
    pub subject: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criticality: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    pub action: Action,
    pub params: Params,
    pub target: Target,
    pub playbook: String,
    pub level: Level,
    pub reason: String,
    pub evidence: Vec<Reason>,
    /// `None`: unknown, which is written as `"unknown"` in JSON.
    #[serde(with = "dependents")]
    pub dependents: Option<Vec<String>>,
    pub planted: Vec<Name>,
    pub approval: Approval,
    pub reversible: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releases: Option<String>,
    /// Do not execute later.
    pub not_after: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revert_after: Option<Time>,
    pub mode: Mode,
    pub policy: PolicyRef,
    /// Compact JWS whose payload is this request without this field; added by the shell at publish, absent in shadow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jws: Option<String>,
    /// What belongs to the target, and an incident on it reaches too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<Target>,
    /// Of a machine's credential: where it was used from in the last 30 days, the place known for longest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen_from: Vec<SeenFrom>,
}

mod dependents {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<Vec<String>>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(list) => list.serialize(s),
            None => s.serialize_str("unknown"),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<String>>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            List(Vec<String>),
            Word(String),
        }
        match Either::deserialize(d)? {
            Either::List(list) => Ok(Some(list)),
            Either::Word(w) if w == "unknown" => Ok(None),
            Either::Word(w) => Err(serde::de::Error::custom(format_args!("dependents is a list or \"unknown\", not {w:?}"))),
        }
    }
}

named_enum! {
    /// What became of a proposal.
    pub enum DecisionEnd {
        Sent = "sent", WouldSend = "would_send", HeldApproval = "held_approval", HeldBudget = "held_budget", HeldBreaker = "held_breaker",
        RefusedProtected = "refused_protected", RefusedTooOld = "refused_too_old", Duplicate = "duplicate", Expired = "expired",
        Rejected = "rejected", HeldGrace = "held_grace",
    }
}

/// The end of a proposal, with its reason: nothing is silently dropped.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ContainmentDecision {
    /// Deterministic: proposal and end.
    pub id: String,
    pub proposal: String,
    pub end: DecisionEnd,
    pub why: String,
    pub by: String,
    pub time: Time,
    pub tenant: String,
    pub subject: Name,
    pub action: Action,
    /// Id of the request that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// In shadow: the whole request that would have been sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_send: Option<Box<ContainmentRequest>>,
    pub policy: PolicyRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What led to it: the campaign that it is part of, or the signal that weighed most. Things with one cause can be answered together.
    #[serde(default)]
    pub cause: String,
    /// One sentence a person can act on.
    #[serde(default)]
    pub reason: String,
    /// While it is held: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Time>,
    /// While it is held: how many people must agree; 0 where none is waited for.
    #[serde(default)]
    pub needs: u8,
}

impl ContainmentDecision {
    /// False for what is decided at once, always: notices, and what is refused or said before anything could wait.
    pub fn may_have_waited(&self) -> bool {
        use DecisionEnd::*;
        let ends = matches!(self.end, Sent | HeldApproval | HeldBudget | HeldBreaker | HeldGrace | RefusedProtected | Expired | Rejected);
        // In shadow an old secret waits for the end of its grace, too.
        !self.action.is_notice() && (ends || (self.end == WouldSend && self.action == Action::RevokeToken))
    }
}

/// A fact as CAEP or RISC names it, once an outcome has confirmed it. Its JWS is the SET (RFC 8417).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SecurityEvent {
    /// Deterministic: the request. The `jti` of the SET.
    pub id: String,
    /// Log time at which it was confirmed.
    pub time: Time,
    pub tenant: String,
    pub subject: Name,
    /// What it happened to.
    pub target: Target,
    /// The event's URI.
    pub event: String,
    /// `revoke`, `update` or `delete`, of a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_type: Option<String>,
    /// `hijacking`, of an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it was asked for, in a sentence.
    pub detail: String,
    /// The `txn` of the SET.
    pub incident: String,
    pub request: String,
    /// The SET; added by the shell at publish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jws: Option<String>,
}

named_enum! {
    /// Whether a person's answer was followed.
    pub enum AnswerEnd { Accepted = "accepted", Refused = "refused" }
}

/// What became of a person's answer, of each thing that it named: nothing is silently obeyed, and nothing silently ignored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ContainmentAnswer {
    /// Deterministic: tenant, answer, what it is of, when.
    pub id: String,
    /// The answer's own id; empty where nothing of it was believed.
    pub answer: String,
    pub time: Time,
    pub tenant: String,
    /// `approve`, `reject`, `extend`, `release`, `pause`, `resume`; absent where nothing of it was believed, like what follows. `outcome`: not
    /// a person's answer, but an outcome that was refused.
    #[serde(rename = "do", default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// The proposal or request that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub end: AnswerEnd,
    pub why: String,
    pub policy: PolicyRef,
}
