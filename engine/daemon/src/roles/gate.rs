//! GATE: proposals in; signed requests and decisions out; a journal record per partition and transaction.

use super::Topics;
use super::log_role::{Owned, Partitions};
use super::recovery::{Copied, Replayed, journal_bytes};
use super::score::{Borrowed, outputs_digest, partition_dir, subject_key};
use crate::jws::Signer;
use crate::partition::{GatePartition, JournalEnd};
use crate::worker::{Outbox, Role};
use portcullis_connectors::kafka::{Batch, Settings, Source, TopicPartition};
use portcullis_core::decide::DECISION_VERSION;
use portcullis_core::record::{Control, GateRecord, JournalRecord, Output, Position, Tick};
use portcullis_core::time::Time;
use portcullis_schemas::{Encoding, decode_gate_record, encode_output, output_type};
use portcullis_state::Shared;
use std::path::PathBuf;
use std::time::Instant;

/// What the worker needs.
pub struct GateSettings {
    pub kafka: Settings,
    pub topics: Topics,
    pub state: PathBuf,
    pub shared: Shared,
    /// Of the proposals topic, fixed for life.
    pub partitions: i32,
    pub encoding: Encoding,
    pub signer: Signer,
}

/// The worker of GATE.
pub struct Gate {
    settings: GateSettings,
    partitions: Partitions<Live>,
}

struct Live {
    gate: GatePartition,
    open: Option<JournalEnd>,
}

impl Gate {
    pub fn new(settings: GateSettings) -> Gate {
        let partitions = Partitions::new(&settings.kafka, &settings.topics.proposals, &settings.topics.gate_journal);
        Gate { settings, partitions }
    }
}

impl Role for Gate {
    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        let Gate { settings, partitions: mine } = self;
        mine.assign(source, partitions, |number| {
            let dir = partition_dir(&settings.state, "gate", number);
            let gate = GatePartition::open(&dir, &settings.shared, &settings.topics.proposals, number, settings.partitions)?;
            Ok(Live { gate, open: None })
        })
    }

    fn release(&mut self, partitions: &[TopicPartition], _lost: bool) -> anyhow::Result<()> {
        self.partitions.release(partitions)
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        for records in batch.partitions() {
            let number = records.at().partition;
            let borrowed: Vec<Borrowed<'_>> = records.records().map(|r| Borrowed::of(number, r)).collect();
            let live = self.partitions.get(number)?;
            let (mut outputs, journal) = live.decide(&borrowed)?;
            self.settings.signer.sign_all(&mut outputs);
            for output in &outputs {
                let (subject, tenant) = match output {
                    Output::Request(request) => (&request.subject, &request.tenant),
                    Output::Decision(decision) => (&decision.subject, &decision.tenant),
                    Output::Verdict(_) | Output::Proposal(_) | Output::ToGate(_) => continue, // SCORE's
                };
                let key = subject_key(&subject.kind, tenant, &subject.id);
                outbox.push(&self.settings.topics.verdicts, None, &key, |out| encode_output(output, self.settings.encoding, out));
                outbox.header("type", output_type(output).as_bytes());
            }
            let (bytes, digest) = journal_bytes(&journal);
            live.open = Some(JournalEnd { digest, at_least: live.gate.journal().at_least + 1 });
            outbox.push(&self.settings.topics.gate_journal, Some(number), &number.to_be_bytes(), |out| out.extend_from_slice(&bytes));
        }
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        for live in self.partitions.iter_mut() {
            if let Some(end) = live.open.take() {
                live.remember(end)?;
            }
        }
        Ok(())
    }

    fn abort(&mut self) {
        for live in self.partitions.iter_mut() {
            live.open = None;
            live.gate.abort();
        }
    }

    fn idle(&mut self, source: &Source, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.partitions.look_at_journal(source)?;
        self.partitions.tick(outbox);
        Ok(())
    }
}

impl Live {
    fn decide(&mut self, records: &[Borrowed<'_>]) -> anyhow::Result<(Vec<Output>, JournalRecord)> {
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
        self.gate.apply(&gate_records, &mut outputs)?;
        let journal = JournalRecord {
            partition: records.first().map_or(0, |r| r.position.partition),
            from: records.first().map_or(0, |r| r.position.offset),
            to: records.last().map_or(0, |r| r.position.offset + 1),
            log_time: self.gate.log_time(),
            policy: self.gate.policy().policy().digest.clone(),
            decision_version: DECISION_VERSION,
            outputs: outputs.len() as u32,
            outputs_digest: outputs_digest(&outputs),
            state_digest: self.gate.changes_digest(),
            previous: self.gate.journal().digest.clone(),
        };
        Ok((outputs, journal))
    }
}

impl Replayed for Live {
    fn position(&self) -> i64 {
        self.gate.position()
    }

    fn journal(&self) -> &JournalEnd {
        self.gate.journal()
    }

    fn replay(&mut self, records: &[Copied]) -> anyhow::Result<JournalRecord> {
        let borrowed: Vec<Borrowed<'_>> = records.iter().map(|r| Borrowed { position: r.position, key: &r.key, value: &r.value }).collect();
        self.decide(&borrowed).map(|(_, journal)| journal)
    }

    fn remember(&mut self, journal: JournalEnd) -> anyhow::Result<()> {
        self.gate.set_journal(journal);
        Ok(self.gate.commit(Instant::now())?)
    }
}

impl Owned for Live {
    fn due(&self) -> Option<Time> {
        self.gate.due()
    }

    fn set_journal_at_least(&mut self, offset: i64) {
        let end = self.gate.journal();
        let end = JournalEnd { digest: end.digest.clone(), at_least: end.at_least.max(offset) };
        self.gate.set_journal(end);
    }

    fn close(mut self) -> anyhow::Result<()> {
        self.gate.abort();
        Ok(self.gate.close()?)
    }
}
