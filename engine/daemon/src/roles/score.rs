//! SCORE: events in; verdicts, current levels and proposals out; a journal record per partition and transaction.

use super::Topics;
use super::log_role::{Owned, Partitions};
use super::recovery::{Copied, Replayed, journal_bytes};
use crate::partition::{JournalEnd, ScorePartition, ScoreRecord, ScoreValue};
use crate::worker::{Outbox, Role};
use portcullis_connectors::kafka::{Batch, RecordRef, Settings, Source, TopicPartition};
use portcullis_core::decide::DECISION_VERSION;
use portcullis_core::record::{Control, EventRecord, JournalRecord, Output, Position};
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::time::Time;
use portcullis_core::verdict::{Level, Verdict};
use portcullis_schemas::{Encoding, decode_event_record, encode_output, output_type};
use portcullis_state::Shared;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a worker needs.
pub struct ScoreSettings {
    pub kafka: Settings,
    pub topics: Topics,
    pub state: PathBuf,
    pub shared: Shared,
    /// Of the events topic, fixed for life.
    pub partitions: i32,
    pub encoding: Encoding,
}

/// One worker of SCORE.
pub struct Score {
    settings: ScoreSettings,
    partitions: Partitions<Live>,
}

/// A live partition and the journal record of the batch that is being published.
struct Live {
    score: ScorePartition,
    open: Option<JournalEnd>,
}

impl Score {
    pub fn new(settings: ScoreSettings) -> Score {
        let partitions = Partitions::new(&settings.kafka, &settings.topics.events, &settings.topics.journal);
        Score { settings, partitions }
    }
}

impl Role for Score {
    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        let Score { settings, partitions: mine } = self;
        mine.assign(source, partitions, |number| {
            let dir = partition_dir(&settings.state, "score", number);
            let score = ScorePartition::open(&dir, &settings.shared, &settings.topics.events, number, settings.partitions)?;
            Ok(Live { score, open: None })
        })
    }

    fn release(&mut self, partitions: &[TopicPartition], _lost: bool) -> anyhow::Result<()> {
        self.partitions.release(partitions)
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        for records in batch.partitions() {
            let number = records.at().partition;
            let copied: Vec<Borrowed<'_>> = records.records().map(|r| Borrowed::of(number, r)).collect();
            let live = self.partitions.get(number)?;
            let (outputs, journal) = live.decide(&copied)?;
            for output in &outputs {
                write(&self.settings, number, output, outbox);
            }
            let (bytes, digest) = journal_bytes(&journal);
            live.open = Some(JournalEnd { digest, at_least: live.score.journal().at_least + 1 });
            outbox.push(&self.settings.topics.journal, Some(number), &number.to_be_bytes(), |out| out.extend_from_slice(&bytes));
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
            live.score.abort();
        }
    }

    fn idle(&mut self, source: &Source, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.partitions.look_at_journal(source)?;
        self.partitions.tick(outbox);
        Ok(())
    }
}

/// Where a partition's state is.
pub fn partition_dir(state: &Path, role: &str, number: i32) -> PathBuf {
    state.join(format!("{role}-{number}"))
}

/// A record of the log as it lies in its batch.
pub struct Borrowed<'b> {
    pub position: Position,
    pub key: &'b [u8],
    pub value: &'b [u8],
}

impl<'b> Borrowed<'b> {
    pub fn of(partition: i32, record: RecordRef<'b>) -> Borrowed<'b> {
        let appended_at = Time(record.timestamp.ms().unwrap_or(0));
        Borrowed {
            position: Position { partition, offset: record.offset, appended_at },
            key: record.key.unwrap_or_default(),
            value: record.value.unwrap_or_default(),
        }
    }
}

impl Live {
    /// Decides on a batch: its outputs, and its journal record.
    fn decide(&mut self, records: &[Borrowed<'_>]) -> anyhow::Result<(Vec<Output>, JournalRecord)> {
        // What is not one of our records passes time and is told loudly: nobody but INGEST, `policy apply` and SCORE writes to this log.
        let unreadable = EventRecord::Control(Control::Tick(portcullis_core::record::Tick { due: Time(0) }));
        let values: Vec<EventRecord<'_>> = records
            .iter()
            .map(|r| {
                decode_event_record(r.value).unwrap_or_else(|error| {
                    tracing::error!(partition = r.position.partition, offset = r.position.offset, %error, "a record of the events log cannot be read and is passed over; who wrote it?");
                    unreadable.clone()
                })
            })
            .collect();
        let score_records: Vec<ScoreRecord<'_, '_>> = records
            .iter()
            .zip(&values)
            .map(|(r, value)| ScoreRecord {
                position: r.position,
                key: r.key,
                value: match value {
                    EventRecord::Event(event) => ScoreValue::Event(event),
                    EventRecord::Control(control) => ScoreValue::Control(control),
                },
                is_first: true,
            })
            .collect();
        let mut outputs = Vec::new();
        self.score.apply(&score_records, &mut outputs)?;
        let journal = JournalRecord {
            partition: records.first().map_or(0, |r| r.position.partition),
            from: records.first().map_or(0, |r| r.position.offset),
            to: records.last().map_or(0, |r| r.position.offset + 1),
            log_time: self.score.log_time(),
            policy: self.score.policy().policy().digest.clone(),
            decision_version: DECISION_VERSION,
            outputs: outputs.len() as u32,
            outputs_digest: outputs_digest(&outputs),
            state_digest: self.score.changes_digest(),
            previous: self.score.journal().digest.clone(),
        };
        Ok((outputs, journal))
    }
}

/// BLAKE3 over the unsigned bytes of the outputs, in order, hex.
pub fn outputs_digest(outputs: &[Output]) -> String {
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), Vec::new());
    for output in outputs {
        bytes.clear();
        encode_output(output, Encoding::Avro, &mut bytes);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    hasher.finalize().to_hex().to_string()
}

impl Replayed for Live {
    fn position(&self) -> i64 {
        self.score.position()
    }

    fn journal(&self) -> &JournalEnd {
        self.score.journal()
    }

    fn replay(&mut self, records: &[Copied]) -> anyhow::Result<JournalRecord> {
        let borrowed: Vec<Borrowed<'_>> = records.iter().map(|r| Borrowed { position: r.position, key: &r.key, value: &r.value }).collect();
        self.decide(&borrowed).map(|(_, journal)| journal)
    }

    fn remember(&mut self, journal: JournalEnd) -> anyhow::Result<()> {
        self.score.set_journal(journal);
        Ok(self.score.commit(Instant::now())?)
    }
}

impl Owned for Live {
    fn due(&self) -> Option<Time> {
        self.score.due()
    }

    fn set_journal_at_least(&mut self, offset: i64) {
        let end = self.score.journal();
        let end = JournalEnd { digest: end.digest.clone(), at_least: end.at_least.max(offset) };
        self.score.set_journal(end);
    }

    fn close(mut self) -> anyhow::Result<()> {
        self.score.abort();
        Ok(self.score.close()?)
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

/// Verdicts go to the partition of their events, so that a dead worker's open transaction delays its own subjects alone.
fn write(settings: &ScoreSettings, partition: i32, output: &Output, outbox: &mut Outbox) {
    let topics = &settings.topics;
    match output {
        Output::Verdict(verdict) => {
            let key = subject_key(&verdict.subject.kind, &verdict.tenant, &verdict.subject.id);
            outbox.push(&topics.verdicts, Some(partition), &key, |out| encode_output(output, settings.encoding, out));
            outbox.header("type", output_type(output).as_bytes());
            write_level(topics, &key, verdict, outbox);
        }
        Output::Proposal(proposal) => {
            outbox.push(&topics.proposals, None, &tenant_key(&proposal.tenant), |out| encode_output(output, Encoding::Avro, out));
        }
        Output::ToGate(control) => {
            let tenant = match control {
                Control::IncidentClosed(closed) => &closed.tenant,
                Control::Sample(sample) => &sample.tenant,
                Control::Policy(_) | Control::Tick(_) => return,
            };
            outbox.push(&topics.proposals, None, &tenant_key(tenant), |out| encode_output(output, Encoding::Avro, out));
        }
        Output::Request(_) | Output::Decision(_) => {} // the gate's
    }
}

fn write_level(topics: &Topics, key: &[u8], verdict: &Verdict, outbox: &mut Outbox) {
    if verdict.level == Level::Low {
        return outbox.push_tombstone(&topics.risk, key);
    }
    let incident = verdict.incident.as_ref().map(|i| i.id.as_str());
    let level = CurrentLevel { level: verdict.level, score: verdict.score, incident, valid_until: verdict.valid_until };
    // Writing plain fields into memory cannot fail.
    let json = serde_json::to_vec(&level).unwrap_or_default();
    outbox.push(&topics.risk, None, key, |out| out.extend_from_slice(&json));
}

/// The key of a subject whose kind is a word.
pub fn subject_key(kind: &str, tenant: &str, id: &str) -> Vec<u8> {
    SubjectRef { kind: Kind::from_name(kind).unwrap_or(Kind::Tenant), tenant, id }.key()
}

/// The key of the proposals log.
pub fn tenant_key(tenant: &str) -> Vec<u8> {
    SubjectRef { kind: Kind::Tenant, tenant, id: tenant }.key()
}
