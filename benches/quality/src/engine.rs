//! The engine under measurement: SCORE and GATE over memory, one event at a time.

use crate::finding::{Containment, Finding};
use anyhow::Context;
use portcullis_core::batch::{self, Entry, PartitionState, Room};
use portcullis_core::containment::DecisionEnd;
use portcullis_core::event::{Class, Event};
use portcullis_core::fanout::subjects;
use portcullis_core::gate::{self, GateState};
use portcullis_core::policy::parse::{DEFAULT_TEXT, parse};
use portcullis_core::policy::{Emit, Policy};
use portcullis_core::profile::Profile;
use portcullis_core::record::{GateRecord, Output, Position};
use portcullis_core::shelf::MemoryShelf;
use portcullis_core::subject::SubjectRef;
use portcullis_core::time::Time;
use portcullis_core::verdict::Verdict;
use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;

/// The policy to measure; verdicts on every event, so that weak evidence is seen, too. That changes no level and no proposal.
pub fn policy(file: Option<&Path>) -> anyhow::Result<Policy> {
    let (name, text) = match file {
        Some(file) => (file.display().to_string(), std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?),
        None => ("default.yaml".to_owned(), DEFAULT_TEXT.to_owned()),
    };
    let mut policy = parse(&name, &text).map_err(|faults| {
        let list: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", list.join("\n"))
    })?;
    policy.emit = Emit::All;
    Ok(policy)
}

/// One partition of each log.
pub struct Engine<'p> {
    policy: &'p Policy,
    state: PartitionState,
    room: Room,
    profiles: MemoryShelf<Profile>,
    gate_time: Time,
    gate: MemoryShelf<GateState>,
    log_time: Time,
    offset: i64,
    /// Class of who a proposal is about, by proposal.
    proposed: HashMap<String, Option<Class>>,
}

impl<'p> Engine<'p> {
    pub fn new(policy: &'p Policy) -> Engine<'p> {
        Engine {
            policy,
            state: PartitionState::default(),
            room: Room::default(),
            profiles: MemoryShelf::default(),
            gate_time: Time(0),
            gate: MemoryShelf::default(),
            log_time: Time(0),
            offset: 0,
            proposed: HashMap::new(),
        }
    }

    /// `study` sees each verdict before it becomes a finding.
    pub fn see(
        &mut self,
        event: &Event<'_>,
        study: &mut dyn FnMut(&Verdict),
        findings: &mut Vec<Finding>,
        containments: &mut Vec<Containment>,
    ) {
        self.log_time = self.log_time.max(event.time);
        let mut keys = Vec::with_capacity(4);
        subjects(event, &mut |kind, id| keys.push(SubjectRef { kind, tenant: &event.tenant, id }.key()));
        let entries: Vec<Entry<'_, '_>> = keys
            .iter()
            .enumerate()
            .map(|(n, key)| {
                let position = Position { partition: 0, offset: self.offset + n as i64, appended_at: self.log_time };
                Entry { position, key, event: Some(event), is_first: n == 0 }
            })
            .collect();
        self.offset += entries.len() as i64;
        let mut out = Vec::new();
        let Ok(_counts) = batch::apply(self.policy, "events", &mut self.state, &mut self.profiles, &entries, &mut self.room, &mut out);
        let mut records = Vec::new();
        for output in out {
            match output {
                Output::Verdict(verdict) => {
                    study(&verdict);
                    findings.push(finding(*verdict));
                }
                Output::Proposal(proposal) => {
                    self.proposed.insert(proposal.id.clone(), proposal.class);
                    records.push(GateRecord::Proposal(proposal));
                }
                Output::ToGate(control) => records.push(GateRecord::Control(control)),
                Output::Finding(_) | Output::Request(_) | Output::Decision(_) | Output::Answer(_) | Output::Fact(_) => {}
            }
        }
        self.decide(&records, containments);
    }

    fn decide(&mut self, records: &[GateRecord<'_>], containments: &mut Vec<Containment>) {
        let position = Position { partition: 0, offset: self.offset, appended_at: self.log_time };
        let entries: Vec<gate::Entry<'_, '_>> =
            records.iter().map(|record| gate::Entry { position, tenant: gate::tenant_of(record), record }).collect();
        let mut out = Vec::new();
        let done: Result<(), Infallible> = gate::apply(self.policy, &mut self.gate_time, &mut self.gate, &entries, &mut out);
        let Ok(()) = done;
        for output in out {
            let Output::Decision(decision) = output else { continue };
            if !matches!(decision.end, DecisionEnd::Sent | DecisionEnd::WouldSend) {
                continue;
            }
            // Nobody reports an outcome here: what the gate asks for on its own for want of one (once more, longer, a case) is no mistake.
            let Some(class) = self.proposed.remove(&decision.proposal) else { continue };
            containments.push(Containment {
                class,
                tenant: decision.tenant,
                subject: decision.subject,
                at: decision.time,
                action: decision.action,
                sent: decision.end == DecisionEnd::Sent,
            });
        }
    }
}

fn finding(verdict: Verdict) -> Finding {
    let against = || verdict.reasons.iter().filter(|r| r.db > 0.0);
    let spoke_now = |r: &&portcullis_core::verdict::Reason| verdict.event_id.is_some() && r.events.last() == verdict.event_id.as_ref();
    Finding {
        signals: verdict.reasons.iter().filter(spoke_now).map(|r| r.signal.clone()).collect(),
        leading: against().next().map(|r| r.signal.clone()),
        tenant: verdict.tenant,
        subject: verdict.subject,
        class: verdict.class,
        at: verdict.time,
        event_id: verdict.event_id,
        level: verdict.level,
        strength: verdict.evidence_db,
        incident: verdict.incident.map(|i| i.id).unwrap_or_default(),
        learning: verdict.learning,
    }
}
