//! Proposals as SCORE writes them into the gate's log, by somebody who is not SCORE.

use crate::attack::now_ms;
use portcullis_core::containment::{Action, Params, Proposal, Target};
use portcullis_core::event::Class;
use portcullis_core::record::Output;
use portcullis_core::time::Time;
use portcullis_core::verdict::{IncidentRef, Level, Mode, Name};
use portcullis_schemas::{Encoding, encode_output};

/// That a session of the customer `u-N` of `acme` should end, if a person agrees.
pub fn proposal(n: usize) -> Proposal {
    let (now, who) = (Time(now_ms()), format!("u-{n}"));
    Proposal {
        id: format!("p-{n}"),
        bundle: format!("b-{n}"),
        incident: IncidentRef { id: format!("i-{n}"), opened_at: now },
        campaign: None,
        verdict_id: format!("v-{n}"),
        time: now,
        event_time: now,
        tenant: "acme".to_owned(),
        subject: Name { kind: "identity".to_owned(), id: who.clone() },
        class: Some(Class::Customer),
        criticality: None,
        owner: None,
        labels: Vec::new(),
        action: Action::TerminateSession,
        params: Params::default(),
        target: Target { kind: "session".to_owned(), id: format!("s-{n}"), ..Target::default() },
        playbook: "customer".to_owned(),
        level: Level::High,
        leading_signal: "session_hijack".to_owned(),
        reason: format!("{who} is used by somebody else"),
        evidence: Vec::new(),
        dependents: None,
        planted: Vec::new(),
        approval_required: true,
        mode: Mode::Enforce,
        revert_after: None,
        step: 1,
        source_ip: None,
        siblings: Vec::new(),
        seen_from: Vec::new(),
        depends_on: None,
    }
}

/// As it stands in the log.
pub fn encoded(proposal: Proposal) -> Vec<u8> {
    let mut value = Vec::new();
    encode_output(&Output::Proposal(Box::new(proposal)), Encoding::Avro, &mut value);
    value
}
