//! PUBLISH: verdicts in; the same in the words of others out ([`outputs`](portcullis_connectors::outputs)), in one transaction with the
//! offsets. It keeps no state and reads no clock: what it writes follows from the record alone, so the same verdicts give the same bytes.

use super::Topics;
use super::cloudevents::{Headers, JSON};
use super::outputs::value_of;
use super::positions::{Gap, KAFKA_MAX, Positions};
use crate::jws::Signer;
use crate::status::WorkerStatus;
use crate::telemetry::{Counted, Tally};
use crate::trace::{self, Spans};
use crate::worker::{Outbox, Role};
use portcullis_connectors::kafka::{Batch, RecordRef, Source, TopicPartition};
use portcullis_connectors::outputs::ocsf;
use portcullis_connectors::outputs::set::{self, Set};
use portcullis_core::record::Output;
use portcullis_schemas::{DecodeError, Encoding, decode_decision, decode_fact, decode_finding, decode_request, decode_verdict};
use std::sync::Arc;

/// What a worker needs.
pub struct PublishSettings {
    pub topics: Topics,
    /// Of the verdicts.
    pub encoding: Encoding,
    pub headers: Headers,
    pub ocsf: bool,
    pub set: Option<SetSettings>,
}

/// How SETs are made.
pub struct SetSettings {
    /// The gate's key, for the audience of SETs.
    pub signer: Signer,
    /// The gate signs its facts for this audience.
    pub gate_audience: String,
    /// Who names identities so, for their subject identifiers.
    pub subject_issuer: Option<String>,
}

/// The worker of PUBLISH.
pub struct Publish {
    settings: PublishSettings,
    positions: Positions,
    /// Where they are after the batch that is being published.
    applied: Vec<(TopicPartition, i64)>,
    tally: Tally,
    spans: Spans,
}

impl Publish {
    pub fn new(settings: PublishSettings, status: Arc<WorkerStatus>) -> Publish {
        let spans = Spans::new(Self::NAME, trace::Handle::default());
        Publish { settings, positions: Positions::new(status), applied: Vec::new(), tally: Tally::default(), spans }
    }

    /// Has spans made of what it does.
    #[must_use]
    pub fn traced(mut self, handle: trace::Handle) -> Publish {
        self.spans = Spans::new(Self::NAME, handle);
        self
    }
}

impl Role for Publish {
    const NAME: &'static str = "publish";

    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        let committed = source.committed(partitions, KAFKA_MAX)?;
        self.positions.start(source, committed, Gap::Stops)?;
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition], _lost: bool) -> anyhow::Result<()> {
        self.positions.release(partitions);
        Ok(())
    }

    fn turn(&mut self, source: &mut Source) -> anyhow::Result<()> {
        self.positions.turn(source);
        Ok(())
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.applied = batch.next_offsets();
        for records in batch.partitions() {
            if let Some(ms) = records.records().last().and_then(|last| last.timestamp.ms()) {
                self.positions.reached(records.at(), ms);
            }
            for record in records.records() {
                outbox.carry(self.spans.take_up(&records.at().topic, record).map(|carried| carried.context));
                match read(record, self.settings.encoding) {
                    Ok(Some(output)) => self.settings.write(&output, record.key.unwrap_or_default(), outbox, &mut self.tally),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(partition = %records.at(), offset = record.offset, %error, "a record of the verdicts cannot be read and is passed over; was output.encoding changed, or who wrote it?");
                        self.tally.add(Counted::Published("none", "unreadable"), 1);
                    }
                }
            }
        }
        outbox.carry(None);
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        self.tally.commit();
        self.spans.commit();
        self.positions.committed(self.applied.drain(..));
        Ok(())
    }

    fn abort(&mut self) {
        self.tally.abort();
        self.spans.abort();
        self.applied.clear();
    }

    fn idle(&mut self, _source: &Source, _outbox: &mut Outbox) -> anyhow::Result<()> {
        Ok(())
    }
}

/// A record of the verdicts topic, if it is one that others hear of.
fn read(record: RecordRef<'_>, encoding: Encoding) -> Result<Option<Output>, DecodeError> {
    let value = value_of(&record).unwrap_or_default();
    let value = &value;
    Ok(match record.header("type") {
        Some(b"verdict") => Some(Output::Verdict(Box::new(decode_verdict(value, encoding)?))),
        Some(b"lifecycle-finding") => Some(Output::Finding(Box::new(decode_finding(value, encoding)?))),
        Some(b"containment-request") => Some(Output::Request(Box::new(decode_request(value, encoding)?))),
        Some(b"containment-decision") => Some(Output::Decision(Box::new(decode_decision(value, encoding)?))),
        Some(b"security-event") => Some(Output::Fact(Box::new(decode_fact(value, encoding)?))),
        _ => None,
    })
}

impl PublishSettings {
    /// Writes what a record is to others, under the record's own key.
    fn write(&self, output: &Output, key: &[u8], outbox: &mut Outbox, tally: &mut Tally) {
        if self.ocsf {
            for event in ocsf::events(output) {
                outbox.push(&self.topics.ocsf, None, key, |out| out.extend_from_slice(event.value.to_string().as_bytes()));
                self.headers.add(outbox, event.class.word(), output, Some(&event.uid), JSON);
                tally.add(Counted::Published("ocsf", event.class.word()), 1);
            }
        }
        if let Some((jti, jws)) = self.set.as_ref().and_then(|set| set.of(output)) {
            outbox.push(&self.topics.set, None, key, |out| out.extend_from_slice(jws.as_bytes()));
            self.headers.add(outbox, "set", output, Some(&jti), set::MEDIA_TYPE);
            outbox.header("jti", jti.as_bytes());
            tally.add(Counted::Published("set", "set"), 1);
        }
    }
}

impl SetSettings {
    /// The id and the JWS of the SET that a record is to others. What the gate signed for the same audience is passed on as it is; for another one it
    /// is signed again, if it was this key that signed it: nobody gets a signature by writing a record.
    fn of(&self, output: &Output) -> Option<(String, String)> {
        match output {
            Output::Verdict(verdict) => {
                let set = Set::of_verdict(verdict, self.subject_issuer.as_deref())?;
                let jws = self.signer.sign_set(&set);
                Some((set.jti, jws))
            }
            Output::Fact(fact) => {
                let signed = fact.jws.clone()?;
                let is_for_others = self.signer.audience() != self.gate_audience && self.signer.has_signed(&signed);
                Some((fact.id.clone(), if is_for_others { self.signer.sign_set(&Set::of_fact(fact)) } else { signed }))
            }
            Output::Finding(_) | Output::Request(_) | Output::Decision(_) | Output::Answer(_) | Output::Proposal(_) | Output::ToGate(_) => {
                None
            }
        }
    }
}
