//! A log of the gate in memory, what comes of it, and people who sign.
#![allow(dead_code)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use portcullis_core::containment::{
    Action, ContainmentAnswer, ContainmentDecision, ContainmentRequest, DecisionEnd, Params, Proposal, SecurityEvent, Target,
};
use portcullis_core::event::{Class, Event};
use portcullis_core::gate::state::{Open, Waiting};
use portcullis_core::gate::{ANSWER_TYPE, Claims, Entry, GateState, Verb, apply, tenant_of};
use portcullis_core::policy::Policy;
use portcullis_core::record::{Answer, Control, GateRecord, Output, Position, Sample, Tick};
use portcullis_core::shelf::{MemoryShelf, Shelf};
use portcullis_core::signature::{PublicKey, Signatory};
use portcullis_core::time::Time;
use portcullis_core::verdict::{IncidentRef, Level, Mode, Name};

pub const START: Time = Time(1_772_409_600_000);

/// A proposal about identity `who`, proposed at `at` because of an event of that moment.
pub fn proposal(action: Action, who: &str, at: Time) -> Proposal {
    Proposal {
        id: format!("p-{action}-{who}-{}", at.0),
        bundle: "b-1".to_owned(),
        incident: IncidentRef { id: format!("i-{who}"), opened_at: START },
        campaign: None,
        verdict_id: "v-1".to_owned(),
        time: at,
        event_time: at,
        tenant: "acme".to_owned(),
        subject: Name { kind: "identity".to_owned(), id: who.to_owned() },
        class: Some(Class::Customer),
        criticality: None,
        owner: None,
        labels: Vec::new(),
        action,
        params: Params::default(),
        target: Target { kind: "account".to_owned(), id: who.to_owned(), ..Target::default() },
        playbook: "customer".to_owned(),
        level: Level::High,
        leading_signal: "guessed_password".to_owned(),
        reason: "because".to_owned(),
        evidence: Vec::new(),
        dependents: None,
        planted: Vec::new(),
        approval_required: false,
        mode: Mode::Enforce,
        revert_after: None,
        step: 1,
        source_ip: Some("203.0.113.9".to_owned()),
        siblings: Vec::new(),
        seen_from: Vec::new(),
        depends_on: None,
    }
}

pub fn asked(proposal: Proposal) -> (Time, GateRecord<'static>) {
    (proposal.time, GateRecord::Proposal(Box::new(proposal)))
}

pub fn tick(at: Time) -> (Time, GateRecord<'static>) {
    (at, GateRecord::Control(Control::Tick(Tick { due: at })))
}

pub fn sample(partition: i32, active: u32, at: Time) -> (Time, GateRecord<'static>) {
    (at, GateRecord::Control(Control::Sample(Sample { tenant: "acme".to_owned(), partition, active, at })))
}

#[derive(Clone)]
pub struct Gate {
    pub outputs: Vec<Output>,
    log_time: Time,
    pub shelf: MemoryShelf<GateState>,
}

impl Gate {
    /// One that has seen nothing.
    pub fn new() -> Gate {
        Gate { outputs: Vec::new(), log_time: Time(0), shelf: MemoryShelf::default() }
    }

    /// A log in batches of the given size.
    pub fn over(policy: &Policy, log: &[(Time, GateRecord<'static>)], size: usize) -> Gate {
        let mut gate = Gate::new();
        log.chunks(size).for_each(|records| gate.go_on(policy, records));
        gate
    }

    /// One more batch.
    pub fn go_on(&mut self, policy: &Policy, records: &[(Time, GateRecord<'static>)]) {
        let entries: Vec<Entry> = records
            .iter()
            .enumerate()
            .map(|(i, (at, record))| Entry {
                position: Position { partition: 0, offset: i as i64, appended_at: *at },
                tenant: tenant_of(record),
                record,
            })
            .collect();
        let Ok(()) = apply(policy, &mut self.log_time, &mut self.shelf, &entries, &mut self.outputs);
    }

    /// The process is gone, and another goes on from the bytes that its store has.
    pub fn restart(&mut self) {
        let mut shelf = MemoryShelf::default();
        for (key, state, due) in self.shelf.kept().filter(|(_, state, _)| **state != GateState::Nothing) {
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            let Ok(slot) = shelf.slot(key);
            *shelf.value(slot) = GateState::decode(&bytes).unwrap();
            shelf.set_timer(slot, due);
        }
        self.shelf = shelf;
    }

    pub fn decisions(&self) -> impl Iterator<Item = &ContainmentDecision> {
        self.outputs.iter().filter_map(|o| if let Output::Decision(d) = o { Some(&**d) } else { None })
    }

    pub fn requests(&self) -> impl Iterator<Item = &ContainmentRequest> {
        self.outputs.iter().filter_map(|o| if let Output::Request(r) = o { Some(&**r) } else { None })
    }

    pub fn ends(&self) -> Vec<DecisionEnd> {
        self.decisions().map(|d| d.end).collect()
    }

    pub fn answers(&self) -> impl Iterator<Item = &ContainmentAnswer> {
        self.outputs.iter().filter_map(|o| if let Output::Answer(a) = o { Some(&**a) } else { None })
    }

    pub fn facts(&self) -> impl Iterator<Item = &SecurityEvent> {
        self.outputs.iter().filter_map(|o| if let Output::Fact(f) = o { Some(&**f) } else { None })
    }

    pub fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.shelf.iter().filter_map(|(_, s)| if let GateState::Waiting(w) = s { Some(&**w) } else { None })
    }

    pub fn open(&self) -> impl Iterator<Item = &Open> {
        self.shelf.iter().filter_map(|(_, s)| if let GateState::Open(o) = s { Some(&**o) } else { None })
    }

    /// Outputs and what is remembered, with the time at which it is looked at again.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{:?}", self.outputs).into_bytes();
        for (key, state, due) in self.shelf.kept().filter(|(_, state, _)| **state != GateState::Nothing) {
            bytes.extend_from_slice(key);
            state.encode(&mut bytes);
            bytes.extend_from_slice(&due.unwrap_or_default().0.to_le_bytes());
        }
        bytes
    }
}

/// Somebody with a key of their own.
pub struct Person {
    pub name: &'static str,
    key: SigningKey,
}

impl Person {
    pub fn new(name: &'static str, seed: u8) -> Person {
        Person { name, key: SigningKey::from_bytes(&[seed; 32]) }
    }

    pub fn signatory(&self) -> Signatory {
        Signatory { name: self.name.to_owned(), kid: format!("{}-1", self.name), key: PublicKey::Ed25519(self.key.verifying_key()) }
    }

    /// What they sign at that time.
    pub fn says(&self, verb: Verb, of: &[&str], at: Time) -> Claims {
        let of = of.iter().map(|id| (*id).to_owned()).collect();
        let jti = format!("{}-{verb}-{}", self.name, at.0);
        Claims { jti, iat: at.0 / 1_000, tenant: "acme".to_owned(), verb, of, reason: "looked at it".to_owned(), lasts: None }
    }

    pub fn jws(&self, claims: &Claims) -> String {
        self.signs(ANSWER_TYPE, claims)
    }

    /// A compact JWS of any type.
    pub fn signs(&self, typ: &str, payload: &impl serde::Serialize) -> String {
        let header = format!(r#"{{"alg":"EdDSA","typ":"{typ}","kid":"{}-1"}}"#, self.name);
        let payload = serde_json::to_vec(payload).unwrap();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).to_bytes()))
    }

    pub fn record(&self, claims: &Claims, at: Time) -> (Time, GateRecord<'static>) {
        let answer = Answer { tenant: claims.tenant.clone(), jws: self.jws(claims) };
        (at, GateRecord::Control(Control::Answer(answer)))
    }

    pub fn does(&self, verb: Verb, of: &[&str], at: Time) -> (Time, GateRecord<'static>) {
        self.record(&self.says(verb, of, at), at)
    }
}

/// What an executor reports of a request.
pub fn reported(request: &str, status: &str, at: Time) -> (Time, GateRecord<'static>) {
    event(&format!(
        r#"{{"time":{},"type":"containment.outcome","tenant":"acme","containment":{{"request_id":"{request}","status":"{status}","detail":"because"}}}}"#,
        at.0
    ))
}

/// An event of tenant acme, read at its own time.
pub fn event(json: &str) -> (Time, GateRecord<'static>) {
    let event: Event<'static> = serde_json::from_str(json.to_owned().leak()).unwrap();
    (event.time, GateRecord::Event(Box::new(event)))
}
