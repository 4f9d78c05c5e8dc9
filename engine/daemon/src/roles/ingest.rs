//! INGEST on Kafka: raw records in; keyed events, inventory and dead letters out, in one transaction with the source offsets.

use super::Topics;
use super::dead_letter::{Complaints, ERRORS, Retried, dead_letter};
use super::positions::{Gap, KAFKA_MAX, Positions};
use super::registered::Registered;
use super::tables::{Changed, Tables, Which};
use crate::ingest::{Ingest, Ingested};
use crate::reputation::Change;
use crate::status::WorkerStatus;
use crate::telemetry::{Became, Counted, Tally};
use crate::trace::{self, Spans, Word};
use crate::worker::{NeedsOperator, Outbox, Role};
use anyhow::bail;
use portcullis_connectors::formats::{Fault, Format, Input};
use portcullis_connectors::kafka::{Batch, Reader, RecordRef, Settings, Source, Start, TopicPartition};
use portcullis_connectors::registry::{SchemaId, Schemas};
use portcullis_core::event::{Event, EventType, Origin};
use portcullis_core::fanout::subjects;
use portcullis_core::gate::state::tenant_key;
use portcullis_core::record::EventRecord;
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::text::Text;
use portcullis_schemas::{decode_event, decode_event_record, encode_event};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// An input topic: how its records are read and how far they are believed.
#[derive(Clone, Debug)]
pub struct InputTopic {
    pub format: Format,
    pub input: Input,
    /// Its values are Avro, and name their schemas by what a registry knows them by.
    pub is_registered: bool,
}

/// What a worker needs.
pub struct IngestSettings {
    pub kafka: Settings,
    pub topics: Topics,
    pub cluster: String,
    /// In the order in which the source subscribes to them; the retry topic comes after them.
    pub inputs: Vec<InputTopic>,
    /// Where an input is registered.
    pub schemas: Option<Schemas>,
}

/// One worker of INGEST. It keeps no state of its own: what it stamps on events is a copy of compacted topics.
pub struct IngestRole {
    settings: IngestSettings,
    registered: Option<Registered>,
    ingest: Ingest,
    tables: Tables,
    positions: Positions,
    /// Where they are after the batch that is being published.
    applied: Vec<(TopicPartition, i64)>,
    complaints: Complaints,
    tally: Tally,
    spans: Spans,
}

impl IngestRole {
    /// Reads the tables as they stand.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn new(settings: IngestSettings, ingest: Ingest, status: Arc<WorkerStatus>) -> anyhow::Result<IngestRole> {
        let (mut ingest, mut settings) = (ingest, settings);
        let registered = settings.schemas.take().map(Registered::new);
        let tables = Tables::read(&settings.kafka, &settings.topics, |change| learn(&mut ingest, &change))?;
        Ok(IngestRole {
            tables,
            settings,
            registered,
            ingest,
            positions: Positions::new(status),
            applied: Vec::new(),
            complaints: Complaints::default(),
            tally: Tally::default(),
            spans: Spans::new(Self::NAME, trace::Handle::default()),
        })
    }

    /// Has spans made of what it does.
    #[must_use]
    pub fn traced(mut self, handle: trace::Handle) -> IngestRole {
        self.spans = Spans::new(Self::NAME, handle);
        self
    }

    /// Takes over what has come to the tables.
    fn follow_tables(&mut self) {
        for change in self.tables.changes() {
            learn(&mut self.ingest, &change);
        }
    }
}

fn learn(ingest: &mut Ingest, change: &Changed) {
    let key = &change.key;
    match (change.table, &change.value) {
        (Which::Inventory, Some(value)) => match decode_event(value) {
            Ok(event) => ingest.inventory.learn(&event),
            Err(error) => cannot_be_read(change, &error),
        },
        (Which::Inventory, None) => {
            if let Some(SubjectRef { kind: Kind::Identity, tenant, id }) = SubjectRef::from_key(key) {
                ingest.inventory.forget(tenant, id);
            }
        }
        (Which::Reputation, Some(value)) => match serde_json::from_slice(value) {
            Ok(standing) => ingest.reputation.learn(key, Change::Stands(standing)),
            Err(error) => cannot_be_read(change, &error),
        },
        (Which::Reputation, None) => ingest.reputation.learn(key, Change::BackToLow),
    }
}

fn cannot_be_read(change: &Changed, error: &dyn std::fmt::Display) {
    tracing::error!(table = ?change.table, key = %change.key.escape_ascii(), %error, "a record of a table cannot be read and is passed over; who wrote it?");
}

impl IngestRole {
    /// A group without any offset begins at the beginning, and nothing may have been ingested before: INGEST has no journal that would
    /// tell, but the events log does. (An input that is added later finds the offsets of the others.)
    fn check_beginning(&self, source: &Source) -> anyhow::Result<()> {
        let mut reader = Reader::open(&self.settings.kafka)?;
        let mut inputs = Vec::new();
        for topic in source.topics().iter() {
            inputs.extend((0..reader.partitions(topic)?).map(|partition| TopicPartition::new(Arc::clone(topic), partition)));
        }
        let is_new = || -> anyhow::Result<bool> { Ok(source.committed(&inputs, KAFKA_MAX)?.iter().all(|(_, offset)| offset.is_none())) };
        // Asked again: another worker may have committed its first batch just now.
        if is_new()? && self.has_ingested(&mut reader)? && is_new()? {
            bail!(NeedsOperator(format!(
                "offsets-missing: the group has no committed offset for any input, but {} holds their events: the group's offsets were deleted (with an input topic they are, too), have expired, or the group was renamed. \
                 Restore them with `kafka-consumer-groups --reset-offsets --to-offset N` (N = one past the `origin` of the last event of each input partition); \
                 of an input topic that was made anew, `--to-earliest`; or choose a new topics.prefix to begin anew",
                self.settings.topics.events
            )));
        }
        Ok(())
    }

    /// Whether the events log holds an event: a policy may stand in it before the first.
    fn has_ingested(&self, reader: &mut Reader) -> anyhow::Result<bool> {
        let topic = Arc::clone(&self.settings.topics.events);
        let mut found = false;
        for partition in 0..reader.partitions(&topic)? {
            reader.read(&TopicPartition::new(Arc::clone(&topic), partition), Start::Beginning, None, |record| {
                found = matches!(record.value.map(decode_event_record), Some(Ok(EventRecord::Event(_))));
                if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if found {
                break;
            }
        }
        Ok(found)
    }
}

impl Role for IngestRole {
    const NAME: &'static str = "ingest";

    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        let committed = source.committed(partitions, KAFKA_MAX)?;
        if committed.iter().any(|(_, offset)| offset.is_none()) {
            self.check_beginning(source)?;
        }
        self.positions.start(source, committed, Gap::Stops)?;
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition], _lost: bool) -> anyhow::Result<()> {
        self.positions.release(partitions);
        if let Some(registered) = &mut self.registered {
            partitions.iter().for_each(|at| registered.release(at));
        }
        Ok(())
    }

    fn turn(&mut self, source: &mut Source) -> anyhow::Result<()> {
        for (at, offset) in self.registered.as_mut().map(Registered::due).unwrap_or_default() {
            tracing::info!(partition = %at, offset, "goes on: the schema registry has answered");
            source.start(&at, Start::At(offset))?;
        }
        self.positions.turn(source);
        Ok(())
    }

    fn hold(&mut self, batch: &Batch) -> Vec<TopicPartition> {
        let Some(registered) = &mut self.registered else { return Vec::new() };
        registered.refresh();
        let inputs = &self.settings.inputs;
        let is_registered = |of_topic: Option<&InputTopic>, record| match of_topic {
            Some(topic) => topic.is_registered,
            None => retried(inputs, record).is_ok_and(|(topic, _)| topic.is_registered),
        };
        let mut held = Vec::new();
        for records in batch.partitions() {
            let of_topic = inputs.get(records.topic_index());
            if of_topic.is_some_and(|topic| !topic.is_registered) {
                continue;
            }
            let in_avro = records.records().filter(|record| is_registered(of_topic, *record));
            if registered.must_hold(records.at(), records.first_offset(), in_avro) {
                held.push(records.at().clone());
            }
        }
        held
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.follow_tables();
        let IngestRole { settings, registered, ingest, complaints, tally, spans, positions, .. } = self;
        self.applied = batch.next_offsets();
        let mut scratch = Scratch::default();
        for records in batch.partitions() {
            let of_topic = settings.inputs.get(records.topic_index());
            let input_name: Arc<str> = Arc::clone(&records.at().topic);
            let (mut events, mut ignored, mut dead_letters) = (0, 0, 0);
            if let Some(ms) = records.records().last().and_then(|last| last.timestamp.ms()) {
                positions.reached(records.at(), ms);
            }
            for record in records.records() {
                let carried = spans.take_up(&input_name, record);
                let (topic, first) = match of_topic {
                    Some(topic) => (topic, None),
                    None => match retried(&settings.inputs, record) {
                        Ok((topic, first)) => (topic, Some(first)),
                        Err(fault) => {
                            dead_letters += 1;
                            complaints.add(&input_name, &fault);
                            dead_letter(&settings.topics, &input_name, record, None, 0, &fault, outbox);
                            spans.say(carried.as_ref(), Word::Became(Became::DeadLetter));
                            continue;
                        }
                    },
                };
                let only = first.as_ref().map(|first| first.index);
                outbox.carry(carried.map(|c| c.context));
                let before = (events, dead_letters);
                let origin = Origin {
                    cluster: Text::borrowed(&settings.cluster),
                    topic: Text::borrowed(&input_name),
                    partition: record.partition,
                    offset: record.offset,
                    index: 0,
                };
                let mut each = |schema: Option<SchemaId>, item: Ingested<'_>| match item {
                    // Of a record of several events only the one that was a dead letter: the others have been read.
                    Ingested::Event(event) if only.is_none_or(|index| event.origin.as_ref().is_none_or(|o| o.index == index)) => {
                        events += 1;
                        scratch.write(&settings.topics, &event, outbox);
                    }
                    Ingested::Event(_) => {}
                    Ingested::Ignored { .. } => ignored += 1,
                    Ingested::DeadLetter { index, .. } if only.is_some_and(|wanted| wanted != index) => {}
                    Ingested::DeadLetter { index, fault } => {
                        dead_letters += 1;
                        complaints.add(&topic.input.name, &fault);
                        dead_letter(&settings.topics, &topic.input.name, record, first.as_ref(), index, &fault, outbox);
                        if let Some(schema) = schema {
                            outbox.header(&format!("{ERRORS}schema_id"), schema.to_string().as_bytes());
                        }
                    }
                };
                match registered {
                    Some(registered) if topic.is_registered => {
                        registered.record(ingest, (topic.format, &topic.input), record, origin, &mut each)?;
                    }
                    _ => {
                        let raw = record.value.unwrap_or_default();
                        ingest.record(topic.format, raw, &topic.input, origin, &mut |item| each(None, item));
                    }
                }
                let became = match (events > before.0, dead_letters > before.1) {
                    (_, true) => Became::DeadLetter,
                    (true, false) => Became::Event,
                    (false, false) => Became::Ignored,
                };
                spans.say(carried.as_ref(), Word::Became(became));
            }
            for (became, n) in [(Became::Event, events), (Became::Ignored, ignored), (Became::DeadLetter, dead_letters)] {
                tally.add(Counted::Ingested(Arc::clone(&records.at().topic), became), n);
            }
            complaints.say_if_due(&settings.topics.dead_letter, Instant::now());
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
        self.follow_tables();
        Ok(())
    }
}

/// The input that a record of the retry topic came by, and where it was first read.
fn retried<'i>(inputs: &'i [InputTopic], record: RecordRef<'_>) -> Result<(&'i InputTopic, Retried), Fault> {
    let wrong = |what: String| Fault { path: "headers".to_owned(), what };
    let retried = Retried::of(record).ok_or_else(|| {
        wrong("a record of the retry topic that does not say where it came from: use `portcullis dead-letter replay`".to_owned())
    })?;
    let input = inputs.iter().find(|i| i.input.name == retried.input);
    let input = input.ok_or_else(|| wrong(format!("it came by the input {}, which is not configured", retried.input)))?;
    Ok((input, retried))
}

/// Buffers kept between events.
#[derive(Default)]
struct Scratch {
    value: Vec<u8>,
    key: Vec<u8>,
}

impl Scratch {
    /// One record per subject; inventory also to its own topic, outcomes and labels also to the gate's log.
    fn write(&mut self, topics: &Topics, event: &Event<'_>, outbox: &mut Outbox) {
        self.value.clear();
        encode_event(event, &mut self.value);
        let Scratch { value, key } = self;
        subjects(event, &mut |kind, id| {
            key.clear();
            SubjectRef { kind, tenant: &event.tenant, id }.write_key(key);
            outbox.push(&topics.events, None, key, |out| out.extend_from_slice(value));
            if (event.kind, kind) == (EventType::InventoryIdentity, Kind::Identity) {
                outbox.push(&topics.inventory, None, key, |out| out.extend_from_slice(value));
            }
        });
        if matches!(event.kind, EventType::ContainmentOutcome | EventType::FeedbackLabel) {
            outbox.push(&topics.proposals, None, &tenant_key(&event.tenant), |out| out.extend_from_slice(value));
        }
    }
}
