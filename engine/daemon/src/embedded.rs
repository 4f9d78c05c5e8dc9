//! The three roles over in-process logs: files in, outputs out. The merged input is the log, and log time is the running maximum of event
//! time. The partitions, the core and the gate are those of the service; only Kafka is missing.

use crate::active_policy::policy_record;
use crate::jws::Signer;
use crate::keyed_log::written_at;
use crate::partition::{GatePartition, ScorePartition, ScoreRecord, ScoreValue};
use crate::reputation::{self, Change, Reputation};
use hashbrown::HashSet;
use portcullis_core::batch::Counts;
use portcullis_core::event::{Event, EventType};
use portcullis_core::fanout::subjects;
use portcullis_core::policy::Policy;
use portcullis_core::record::{Control, GateRecord, Output, Position};
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::time::Time;
use portcullis_core::verdict::Verdict;
use portcullis_state::{Shared, StateFault, StateOptions};
use std::path::Path;
use std::time::Instant;

/// Name of the in-process events log; verdicts name it.
pub const EVENTS_LOG: &str = "portcullis.events";
const GATE_LOG: &str = "portcullis.proposals";

/// One partition of each log.
pub struct Embedded {
    score: ScorePartition,
    gate: GatePartition,
    signer: Option<Signer>,
    reputation: Reputation,
    log_time: Time,
    offset: i64,
    gate_offset: i64,
}

impl Embedded {
    /// Begins with an empty state under `dir` and the given policy in force.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn begin(
        dir: &Path,
        memory_bytes: usize,
        policy: &Policy,
        policy_text: String,
        signer: Option<Signer>,
    ) -> Result<Embedded, StateFault> {
        let shared = Shared::new(StateOptions::temporary(memory_bytes));
        let mut this = Embedded {
            score: ScorePartition::open(&dir.join("score-0"), &shared, EVENTS_LOG, 0, 1)?,
            gate: GatePartition::open(&dir.join("gate-0"), &shared, GATE_LOG, 0, 1)?,
            signer,
            reputation: Reputation::default(),
            log_time: Time(0),
            offset: 0,
            gate_offset: 0,
        };
        let record = Control::Policy(policy_record(policy, policy_text, "command line", Time(0)));
        let key = b"policy";
        let position = this.next_position();
        this.score.apply(&[ScoreRecord { position, key, value: ScoreValue::Control(&record), is_first: true }], &mut Vec::new())?;
        this.score.commit(Instant::now())?;
        this.decide(vec![GateRecord::Control(record)], &mut Vec::new())?;
        Ok(this)
    }

    fn next_position(&mut self) -> Position {
        self.offset += 1;
        Position { partition: 0, offset: self.offset - 1, appended_at: self.log_time }
    }

    /// Judges a batch of events, in order; `out` gets everything that is to be written. Returns the counts and the events of no subject.
    ///
    /// Each event is stamped with the reputation that everything before it has made. So the batch is judged in pieces: a new one begins where
    /// the reputation of an event's source, device or card may have changed within the piece.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn judge<'e>(&mut self, events: &mut [Event<'e>], out: &mut Vec<Output>) -> Result<(Counts, u64), StateFault> {
        let (mut counts, mut nobody) = (Counts::default(), 0);
        let (mut begun, mut proposals) = (0, Vec::new());
        // Sources, devices and cards that the piece teaches something.
        let (mut taught, mut key) = (HashSet::new(), Vec::new());
        for i in 0..events.len() {
            let mut may_stand = false;
            reputation::subjects(&events[i], &mut |subject| {
                key.clear();
                subject.write_key(&mut key);
                may_stand |= self.reputation.holds(&key) || taught.contains(&key);
            });
            if may_stand {
                self.judge_piece(&events[begun..i], &mut counts, &mut nobody, &mut proposals, out)?;
                begun = i;
                taught.clear();
                self.reputation.stamp(&mut events[i]);
            }
            let event = &events[i];
            subjects(event, &mut |kind, id| {
                if kind != Kind::Identity {
                    taught.insert(SubjectRef { kind, tenant: &event.tenant, id }.key());
                }
            });
        }
        self.judge_piece(&events[begun..], &mut counts, &mut nobody, &mut proposals, out)?;
        self.score.commit(Instant::now())?;
        self.decide(proposals, out)?;
        Ok((counts, nobody))
    }

    fn judge_piece<'e>(
        &mut self,
        events: &[Event<'e>],
        counts: &mut Counts,
        nobody: &mut u64,
        proposals: &mut Vec<GateRecord<'e>>,
        out: &mut Vec<Output>,
    ) -> Result<(), StateFault> {
        let (mut keys, mut places) = (Vec::with_capacity(events.len() * 32), Vec::with_capacity(events.len() * 2));
        for (i, event) in events.iter().enumerate() {
            self.log_time = self.log_time.max(event.time);
            let before = places.len();
            subjects(event, &mut |kind, id| {
                let from = keys.len();
                SubjectRef { kind, tenant: &event.tenant, id }.write_key(&mut keys);
                places.push((i, from..keys.len(), self.log_time));
            });
            *nobody += u64::from(places.len() == before);
        }
        // What people and executors say goes to the gate, too.
        let to_gate = |event: &&Event<'e>| matches!(event.kind, EventType::ContainmentOutcome | EventType::FeedbackLabel);
        proposals.extend(events.iter().filter(to_gate).map(|event| GateRecord::Event(Box::new(event.clone()))));
        let mut records = Vec::with_capacity(places.len());
        let mut last = usize::MAX;
        for (i, key, appended_at) in places {
            let position = Position { partition: 0, offset: self.offset, appended_at };
            self.offset += 1;
            records.push(ScoreRecord { position, key: &keys[key], value: ScoreValue::Event(&events[i]), is_first: i != last });
            last = i;
        }
        let mut outputs = Vec::new();
        *counts += self.score.apply(&records, &mut outputs)?;
        for output in outputs {
            match output {
                Output::Proposal(proposal) => proposals.push(GateRecord::Proposal(proposal)),
                Output::ToGate(control) => proposals.push(GateRecord::Control(control)),
                Output::Verdict(verdict) => {
                    self.remember_standing(&verdict);
                    out.push(Output::Verdict(verdict));
                }
                other => out.push(other),
            }
        }
        Ok(())
    }

    fn remember_standing(&mut self, verdict: &Verdict) {
        if let (Some(change), Some(kind)) = (Change::of(verdict), Kind::from_name(&verdict.subject.kind)) {
            let key = SubjectRef { kind, tenant: &verdict.tenant, id: &verdict.subject.id }.key();
            self.reputation.learn(&key, change);
        }
    }

    fn decide(&mut self, records: Vec<GateRecord<'_>>, out: &mut Vec<Output>) -> Result<(), StateFault> {
        let mut entries = Vec::with_capacity(records.len());
        for record in &records {
            let appended_at = written_at(record);
            entries.push((Position { partition: 0, offset: self.gate_offset, appended_at }, record));
            self.gate_offset += 1;
        }
        let before = out.len();
        self.gate.apply(&entries, out)?;
        self.gate.commit(Instant::now())?;
        if let Some(signer) = &self.signer {
            signer.sign_all(&mut out[before..]);
        }
        Ok(())
    }
}
