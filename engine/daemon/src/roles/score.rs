//! SCORE: events in; verdicts, lifecycle findings, current levels and proposals out; a journal record per partition and transaction.

use super::Topics;
use super::log_role::{AT, Borrowed, Decides, Partitions, Place};
use super::outputs::Outputs;
use crate::partition::{ScorePartition, ScoreRecord, ScoreValue};
use crate::reputation::Change;
use crate::telemetry::{Counted, Tally};
use crate::trace::{self, Carried, Spans, Trail, Word};
use crate::worker::{Outbox, Role};
use portcullis_connectors::kafka::{Batch, Settings, Source, TopicPartition};
use portcullis_core::batch::Counts;
use portcullis_core::gate::state::tenant_key;
use portcullis_core::profile::Profile;
use portcullis_core::record::{Control, EventRecord, Output, Tick};
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::time::Time;
use portcullis_core::verdict::{Level, Verdict};
use portcullis_schemas::{Encoding, decode_event_record, encode_output};
use serde::Serialize;

/// Records decoded together: an event takes more than a kilobyte, and is to be judged while it is still in the processor's cache.
const DECODED_AT_ONCE: usize = 128;

/// One worker of SCORE.
pub struct Score {
    topics: Topics,
    outputs: Outputs,
    partitions: Partitions<Profile>,
    tally: Tally,
    spans: Spans,
}

impl Score {
    pub fn new(kafka: &Settings, place: Place, topics: Topics, outputs: impl Into<Outputs>) -> Score {
        let partitions = Partitions::new(kafka, place, &topics.events, &topics.journal);
        let spans = Spans::new(Self::NAME, trace::Handle::default());
        Score { topics, outputs: outputs.into(), partitions, tally: Tally::default(), spans }
    }

    /// Has spans made of what it does.
    #[must_use]
    pub fn traced(mut self, handle: trace::Handle) -> Score {
        self.spans = Spans::new(Self::NAME, handle);
        self
    }
}

impl Role for Score {
    const NAME: &'static str = "score";

    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        self.partitions.assign(source, partitions)
    }

    fn release(&mut self, partitions: &[TopicPartition], _lost: bool) -> anyhow::Result<()> {
        self.partitions.release(partitions)
    }

    fn turn(&mut self, source: &mut Source) -> anyhow::Result<()> {
        self.partitions.turn(source)
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        let Score { topics, outputs, partitions, tally, spans } = self;
        let mut causes = Causes { trail: Trail::of(batch, spans, |_, _| {}), judged: None };
        let counts = partitions.apply(batch, outbox, |nth, output, outbox| {
            let carried = causes.of(&output);
            outbox.carry(carried.map(|c| c.context));
            match &output {
                Output::Verdict(verdict) => {
                    tally.add(Counted::Verdict(verdict.level, verdict.class), 1);
                    spans.say(carried.as_ref(), Word::Level(verdict.level));
                }
                Output::Finding(finding) => finding.found.iter().for_each(|found| tally.add(Counted::Finding(found.kind), 1)),
                Output::Proposal(proposal) => {
                    tally.add(Counted::Proposal(proposal.action), 1);
                    spans.say(carried.as_ref(), Word::Action(proposal.action));
                }
                Output::ToGate(_) | Output::Request(_) | Output::Decision(_) | Output::Answer(_) | Output::Fact(_) => {}
            }
            write(topics, outputs, nth.partition, &output, outbox);
            // A verdict names its place itself.
            if matches!(output, Output::Finding(_) | Output::Proposal(_) | Output::ToGate(_)) {
                outbox.header(AT, nth.to_string().as_bytes());
            }
            outbox.carry(None);
        })?;
        for (signal, n) in counts.signals {
            tally.add(Counted::Signal(signal), n);
        }
        for ((signal, label), n) in counts.labels {
            tally.add(Counted::Label(signal, label), n);
        }
        for (rule, counts) in counts.rules {
            tally.add(Counted::RuleHit(rule.clone()), counts.hits);
            tally.add(Counted::RuleError(rule), counts.errors);
        }
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        self.tally.commit();
        self.spans.commit();
        self.partitions.commit()
    }

    fn abort(&mut self) {
        self.tally.abort();
        self.spans.abort();
        self.partitions.abort();
    }

    fn idle(&mut self, source: &Source, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.partitions.idle(source, outbox)
    }
}

/// Which record of a batch an output came of.
struct Causes<'b> {
    trail: Trail<'b>,
    /// The verdict before, which its proposals follow.
    judged: Option<(String, Carried<'b>)>,
}

impl<'b> Causes<'b> {
    /// A timer's outputs came of no record: its verdicts name the one with which time passed, and no event.
    fn of(&mut self, output: &Output) -> Option<Carried<'b>> {
        match output {
            Output::Verdict(verdict) => {
                let carried = verdict.event_id.as_ref().and_then(|_| self.trail.at(verdict.log.partition, verdict.log.offset));
                self.judged = carried.map(|carried| (verdict.id.clone(), carried));
                carried
            }
            Output::Proposal(proposal) => self.judged.as_ref().filter(|(id, _)| *id == proposal.verdict_id).map(|(_, carried)| *carried),
            _ => None,
        }
    }
}

impl Decides for ScorePartition {
    const ROLE: &'static str = "score";

    fn decide(&mut self, records: &[Borrowed<'_>], each: &mut dyn FnMut(Output)) -> anyhow::Result<Counts> {
        let (mut outputs, mut counts) = (Vec::new(), Counts::default());
        // What is not one of our records passes time and is told loudly: nobody but INGEST, `policy apply` and SCORE writes to this log.
        let unreadable = EventRecord::Control(Control::Tick(Tick { due: Time(0) }));
        for some in records.chunks(DECODED_AT_ONCE) {
            let decoded = some.iter().map(|r| {
                decode_event_record(r.value).unwrap_or_else(|error| {
                    tracing::error!(partition = r.position.partition, offset = r.position.offset, %error, "a record of the events log cannot be read and is passed over; who wrote it?");
                    unreadable.clone()
                })
            });
            let values: Vec<EventRecord<'_>> = decoded.collect();
            let with_values = some.iter().zip(&values).map(|(r, value)| ScoreRecord {
                position: r.position,
                key: r.key,
                value: match value {
                    EventRecord::Event(event) => ScoreValue::Event(event),
                    EventRecord::Control(control) => ScoreValue::Control(control),
                },
                is_first: true,
            });
            counts += self.apply(&with_values.collect::<Vec<_>>(), &mut outputs)?;
            outputs.drain(..).for_each(&mut *each);
        }
        Ok(counts)
    }
}

/// The current level of a subject, for whoever joins on it.
#[derive(Serialize)]
struct CurrentLevel<'a> {
    level: Level,
    score: f64,
    incident: Option<&'a str>,
    valid_until: Option<Time>,
}

/// Puts an output where it belongs. Verdicts go to the partition of their events, so that a dead worker's open transaction delays its own
/// subjects alone.
pub fn write(topics: &Topics, outputs: &Outputs, partition: i32, output: &Output, outbox: &mut Outbox) {
    match output {
        Output::Verdict(verdict) => {
            let key = subject_key(&verdict.subject.kind, &verdict.tenant, &verdict.subject.id);
            outputs.push(&topics.verdicts, Some(partition), &key, output, outbox);
            write_level(topics, &key, verdict, outbox);
            write_standing(topics, &key, verdict, outbox);
        }
        Output::Finding(finding) => {
            let key = subject_key(&finding.subject.kind, &finding.tenant, &finding.subject.id);
            outputs.push(&topics.verdicts, Some(partition), &key, output, outbox);
        }
        Output::Proposal(proposal) => {
            outbox.push(&topics.proposals, None, &tenant_key(&proposal.tenant), |out| encode_output(output, Encoding::Avro, out));
        }
        Output::ToGate(control) => {
            let tenant = match control {
                Control::IncidentClosed(closed) => &closed.tenant,
                Control::Sample(sample) => &sample.tenant,
                Control::Policy(_) | Control::Tick(_) | Control::Answer(_) => return,
            };
            outbox.push(&topics.proposals, None, &tenant_key(tenant), |out| encode_output(output, Encoding::Avro, out));
        }
        Output::Request(_) | Output::Decision(_) | Output::Answer(_) | Output::Fact(_) => {} // the gate's
    }
}

fn write_level(topics: &Topics, key: &[u8], verdict: &Verdict, outbox: &mut Outbox) {
    if verdict.level == Level::Low {
        // Below low before as well: there is nothing to take back.
        if verdict.previous_level != Level::Low {
            outbox.push_tombstone(&topics.risk, key);
        }
        return;
    }
    let incident = verdict.incident.as_ref().map(|i| i.id.as_str());
    let level = CurrentLevel { level: verdict.level, score: verdict.score, incident, valid_until: verdict.valid_until };
    // Writing plain fields into memory cannot fail.
    let json = serde_json::to_vec(&level).unwrap_or_default();
    outbox.push(&topics.risk, None, key, |out| out.extend_from_slice(&json));
}

/// What INGEST stamps on the events of a source, a device or a card.
fn write_standing(topics: &Topics, key: &[u8], verdict: &Verdict, outbox: &mut Outbox) {
    match Change::of(verdict) {
        Some(Change::Stands(standing)) => {
            // Writing plain fields into memory cannot fail.
            let json = serde_json::to_vec(&standing).unwrap_or_default();
            outbox.push(&topics.reputation, None, key, |out| out.extend_from_slice(&json));
        }
        Some(Change::BackToLow) => outbox.push_tombstone(&topics.reputation, key),
        None => {}
    }
}

/// The key of a subject whose kind is a word.
pub fn subject_key(kind: &str, tenant: &str, id: &str) -> Vec<u8> {
    SubjectRef { kind: Kind::from_name(kind).unwrap_or(Kind::Tenant), tenant, id }.key()
}
