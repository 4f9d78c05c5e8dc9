//! What is true once whoever acts has done it: facts as CAEP and RISC name them, for those who read no requests of ours.
//!
//! A request is a wish; these say what has come about, so they follow a confirmed outcome only. What those standards have no word for has none
//! here: cases, throttles, blocks and holds; and a step-up, whose word wants a level of assurance that we do not know.

use super::state::Open;
use crate::containment::{Action, SecurityEvent};
use crate::id::id;
use crate::time::Time;

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

/// The fact that follows when a request is done.
pub fn fact(open: &Open, now: Time) -> Option<SecurityEvent> {
    let p = &open.proposal;
    let (of, word, change_type, reason) = match p.action {
        Action::TerminateSession | Action::TerminatePrivilegedSession => (CAEP, "session-revoked", None, None),
        Action::RevokeToken => (CAEP, "credential-change", Some("revoke"), None),
        Action::RotateSecret | Action::ResetPassword => (CAEP, "credential-change", Some("update"), None),
        Action::RemoveFactor => (CAEP, "credential-change", Some("delete"), None),
        Action::DisableAccount => (RISC, "account-disabled", None, Some("hijacking")),
        Action::Release if p.params.kind.as_deref() == Some(Action::DisableAccount.name()) => (RISC, "account-enabled", None, None),
        _ => return None,
    };
    Some(SecurityEvent {
        id: id("f", &[open.request.as_bytes()]),
        time: now,
        tenant: p.tenant.clone(),
        subject: p.subject.clone(),
        target: p.target.clone(),
        event: format!("{of}{word}"),
        change_type: change_type.map(str::to_owned),
        reason: reason.map(str::to_owned),
        detail: p.reason.clone(),
        incident: p.incident.id.clone(),
        request: open.request.clone(),
        jws: None,
    })
}
