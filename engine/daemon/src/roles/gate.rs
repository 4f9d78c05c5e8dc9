//! GATE: proposals in; signed requests and decisions out; a journal record per partition and transaction.

use super::Topics;
use super::log_role::{AT, Borrowed, Decides, Partitions, Place};
use super::outputs::Outputs;
use super::score::subject_key;
use super::standing::Standing;
use crate::audit::ends::Ends;
use crate::audit::head::Heads;
use crate::jws::Signer;
use crate::partition::GatePartition;
use crate::telemetry::{Counted, Tally};
use crate::trace::{self, Asked, Carried, Spans, Trail, Word};
use crate::worker::{Outbox, Role};
use portcullis_connectors::kafka::{Batch, Settings, Source, TopicPartition};
use portcullis_core::batch::Counts;
use portcullis_core::containment::ContainmentDecision;
use portcullis_core::gate::state::tenant_key;
use portcullis_core::gate::{GateState, request_id};
use portcullis_core::record::{Control, GateRecord, Output, Position, Tick};
use portcullis_core::time::Time;
use portcullis_schemas::{Encoding, decode_gate_record, encode_output};
use std::collections::HashMap;
use std::time::Duration;

/// The worker of GATE.
pub struct Gate {
    topics: Topics,
    outputs: Outputs,
    signer: Signer,
    partitions: Partitions<GateState>,
    tally: Tally,
    heads: Heads,
    heads_of_score: Heads,
    ends_of_score: Ends,
    standing: Standing,
    spans: Spans,
    asked: Asked,
}

impl Gate {
    /// # Errors
    /// When nothing can be made that reads SCORE's journal.
    pub fn new(
        kafka: &Settings,
        place: Place,
        topics: Topics,
        outputs: impl Into<Outputs>,
        signer: Signer,
        heads_every: Duration,
    ) -> anyhow::Result<Gate> {
        let partitions = Partitions::new(kafka, place, &topics.proposals, &topics.gate_journal);
        Ok(Gate {
            outputs: outputs.into(),
            signer,
            partitions,
            tally: Tally::default(),
            heads: Heads::new(heads_every),
            heads_of_score: Heads::new(heads_every),
            ends_of_score: Ends::watch(kafka, &topics.journal, heads_every)?,
            standing: Standing::default(),
            spans: Spans::new(Self::NAME, trace::Handle::default()),
            asked: Asked::default(),
            topics,
        })
    }

    /// Has spans made of what it does.
    #[must_use]
    pub fn traced(mut self, handle: trace::Handle) -> Gate {
        self.spans = Spans::new(Self::NAME, handle);
        self
    }

    /// Signs where the journals end: its own, and SCORE's where it owns the first partition, so that one gate does.
    fn say_ends(&mut self, outbox: &mut Outbox) {
        let Gate { topics, signer, partitions, heads, heads_of_score, ends_of_score, .. } = self;
        heads.say(partitions.ends(), &topics.gate_journal, &topics.verdicts, signer, outbox);
        if partitions.ends().any(|(number, _)| number == 0) {
            heads_of_score.say(ends_of_score.latest(), &topics.journal, &topics.verdicts, signer, outbox);
        }
    }
}

impl Role for Gate {
    const NAME: &'static str = "gate";

    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        self.partitions.assign(source, partitions)
    }

    fn release(&mut self, partitions: &[TopicPartition], _lost: bool) -> anyhow::Result<()> {
        self.partitions.release(partitions)
    }

    fn turn(&mut self, source: &mut Source) -> anyhow::Result<()> {
        self.partitions.turn(source)?;
        self.standing.follow(&mut self.partitions)
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.say_ends(outbox);
        let Gate { topics, outputs, signer, partitions, tally, standing, spans, asked, .. } = self;
        let causes = causes(batch, spans, asked);
        let is_traced = !causes.is_empty() || !asked.is_empty();
        partitions.apply(batch, outbox, |nth, mut output, outbox| {
            let request = if is_traced { request_of(&output) } else { None };
            let carried = request.as_ref().and_then(|request| causes.get(request));
            let context = carried.map(|c| c.context).or_else(|| request.as_ref().and_then(|request| asked.of(request)));
            outbox.carry(context);
            signer.sign_all(std::slice::from_mut(&mut output));
            match &output {
                Output::Decision(decision) => {
                    tally.add(Counted::Decision(decision.action, decision.end), 1);
                    spans.say(carried, Word::Action(decision.action));
                    spans.say(carried, Word::Decision(decision.end));
                }
                Output::Answer(answer) => tally.add(Counted::Answer(answer.end), 1),
                Output::Fact(_)
                | Output::Request(_)
                | Output::Verdict(_)
                | Output::Finding(_)
                | Output::Proposal(_)
                | Output::ToGate(_) => {}
            }
            write(topics, outputs, &output, outbox);
            outbox.header(AT, nth.to_string().as_bytes());
            if let Output::Decision(decision) = &output {
                keep_waiting(topics, outputs.encoding, decision, &output, outbox);
            }
            outbox.carry(None);
        })?;
        standing.applied(partitions, batch.partitions().map(|records| records.at().partition));
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        self.tally.commit();
        self.spans.commit();
        self.partitions.commit()?;
        self.standing.commit(&mut self.partitions);
        Ok(())
    }

    fn abort(&mut self) {
        self.tally.abort();
        self.standing.abort();
        self.spans.abort();
        self.partitions.abort();
    }

    fn idle(&mut self, source: &Source, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.say_ends(outbox);
        self.partitions.idle(source, outbox)
    }
}

/// The records of a batch that carry a trace, by the request that they are about.
fn causes<'b>(batch: &'b Batch, spans: &mut Spans, asked: &mut Asked) -> HashMap<String, Carried<'b>> {
    let mut causes = HashMap::new();
    Trail::of(batch, spans, |record, carried| {
        let request = match record.value.map(decode_gate_record) {
            Some(Ok(GateRecord::Proposal(proposal))) => {
                let request = request_id(&proposal.id);
                asked.keep(&request, carried.context);
                request
            }
            Some(Ok(GateRecord::Event(event))) => match event.containment.and_then(|outcome| outcome.request_id) {
                Some(request) => request.as_str().to_owned(),
                None => return,
            },
            _ => return,
        };
        causes.insert(request, carried);
    });
    causes
}

/// The request that an output is about.
fn request_of(output: &Output) -> Option<String> {
    match output {
        Output::Request(request) => Some(request.id.clone()),
        Output::Decision(decision) => Some(request_id(&decision.proposal)),
        Output::Fact(fact) => Some(fact.request.clone()),
        // Of what waited, or of a request.
        Output::Answer(answer) => answer.of.as_ref().map(|of| if of.starts_with("p-") { request_id(of) } else { of.clone() }),
        Output::Verdict(_) | Output::Finding(_) | Output::Proposal(_) | Output::ToGate(_) => None,
    }
}

/// Puts an output where it belongs.
pub fn write(topics: &Topics, outputs: &Outputs, output: &Output, outbox: &mut Outbox) {
    let key = match output {
        Output::Request(r) => subject_key(&r.subject.kind, &r.tenant, &r.subject.id),
        Output::Decision(d) => subject_key(&d.subject.kind, &d.tenant, &d.subject.id),
        Output::Fact(f) => subject_key(&f.subject.kind, &f.tenant, &f.subject.id),
        Output::Answer(a) => tenant_key(&a.tenant),
        Output::Verdict(_) | Output::Finding(_) | Output::Proposal(_) | Output::ToGate(_) => return, // SCORE's
    };
    outputs.push(&topics.verdicts, None, &key, output, outbox);
}

/// The table of what waits: the decision by which a proposal is held, until another one ends that.
fn keep_waiting(topics: &Topics, encoding: Encoding, decision: &ContainmentDecision, output: &Output, outbox: &mut Outbox) {
    let key = decision.proposal.as_bytes();
    if decision.held_until.is_some() {
        outbox.push(&topics.waiting, None, key, |out| encode_output(output, encoding, out));
    } else if decision.may_have_waited() {
        outbox.push_tombstone(&topics.waiting, key);
    }
}

impl Decides for GatePartition {
    const ROLE: &'static str = "gate";

    fn decide(&mut self, records: &[Borrowed<'_>], each: &mut dyn FnMut(Output)) -> anyhow::Result<Counts> {
        let values: Vec<GateRecord<'_>> = records
            .iter()
            .map(|r| {
                decode_gate_record(r.value).unwrap_or_else(|error| {
                    tracing::error!(partition = r.position.partition, offset = r.position.offset, %error, "a record of the proposals log cannot be read and is passed over; who wrote it?");
                    GateRecord::Control(Control::Tick(Tick { due: Time(0) }))
                })
            })
            .collect();
        let gate_records: Vec<(Position, &GateRecord<'_>)> = records.iter().zip(&values).map(|(r, value)| (r.position, value)).collect();
        let mut outputs = Vec::new();
        self.apply(&gate_records, &mut outputs)?;
        outputs.drain(..).for_each(each);
        Ok(Counts::default())
    }
}
