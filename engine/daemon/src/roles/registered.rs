//! Inputs in Avro by a schema registry: which partitions wait for a schema, and how a record becomes events once it is known.
//!
//! A partition whose batch names a schema that is not known yet is held as a whole, from the first of its records on: it stays ours, nothing of it is
//! committed or passed over, the other partitions go on, and the loop turns as ever. When the registry has answered it goes on where it was.

use crate::ingest::{Ingest, Ingested};
use crate::telemetry;
use anyhow::Context;
use portcullis_connectors::formats::{Fault, Format, Input};
use portcullis_connectors::kafka::{RecordRef, TopicPartition};
use portcullis_connectors::registry::frame::{self, HEADER};
use portcullis_connectors::registry::{Answer, Framed, SchemaId, Schemas};
use portcullis_core::event::Origin;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often it is said what is waited for.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// The schemas of one worker's inputs, and what waits for them.
pub struct Registered {
    schemas: Schemas,
    held: BTreeMap<TopicPartition, Held>,
    said: Option<Instant>,
    /// The datum of another's record; kept for its capacity.
    json: Vec<u8>,
}

struct Held {
    /// Where it goes on.
    offset: i64,
    waits_for: BTreeSet<SchemaId>,
}

impl Registered {
    pub fn new(schemas: Schemas) -> Registered {
        telemetry::waiting_for_schemas(0);
        Registered { schemas, held: BTreeMap::new(), said: None, json: Vec::new() }
    }

    /// Before a batch is looked at: what is believed no longer is asked for again.
    pub fn refresh(&mut self) {
        self.schemas.refresh();
    }

    /// Whether a partition of a batch has to be held; `records`: those of its records that are in Avro by a registry.
    pub fn must_hold<'r>(&mut self, at: &TopicPartition, first_offset: i64, records: impl Iterator<Item = RecordRef<'r>>) -> bool {
        let (mut waits_for, mut last) = (BTreeSet::new(), None);
        for record in records {
            let Ok(Framed { schema, .. }) = framed(record) else { continue };
            // Most batches are of one schema.
            if last.replace(schema) != Some(schema) && !self.schemas.ask(schema) {
                waits_for.insert(schema);
            }
        }
        if waits_for.is_empty() {
            return false;
        }
        tracing::info!(partition = %at, offset = first_offset, schemas = names(&waits_for), "held until the schema registry has answered");
        self.held.insert(at.clone(), Held { offset: first_offset, waits_for });
        telemetry::waiting_for_schemas(self.held.len());
        true
    }

    /// Partitions that can go on, and where.
    pub fn due(&mut self) -> Vec<(TopicPartition, i64)> {
        if self.held.is_empty() {
            return Vec::new();
        }
        let Registered { schemas, held, .. } = self;
        schemas.take_answers();
        let due: Vec<_> = held.extract_if(.., |_, held| held.waits_for.iter().all(|id| schemas.get(*id).is_some())).collect();
        if let Some(unkept) = schemas.take_unkept() {
            tracing::warn!("{unkept}: it is asked for again after a restart");
        }
        self.say_if_due();
        if !due.is_empty() {
            telemetry::waiting_for_schemas(self.held.len());
        }
        due.into_iter().map(|(at, held)| (at, held.offset)).collect()
    }

    /// A partition is others' from now on.
    pub fn release(&mut self, at: &TopicPartition) {
        if self.held.remove(at).is_some() {
            telemetry::waiting_for_schemas(self.held.len());
        }
    }

    fn say_if_due(&mut self) {
        let Some(why) = self.schemas.trouble().filter(|_| !self.held.is_empty()) else { return };
        if self.said.is_some_and(|said| said.elapsed() < SAY_EVERY) {
            return;
        }
        self.said = Some(Instant::now());
        let schemas: BTreeSet<SchemaId> = self.held.values().flat_map(|held| held.waits_for.iter().copied()).collect();
        tracing::warn!(
            partitions = self.held.len(),
            schemas = names(&schemas),
            "INGEST waits for the schema registry, which is asked again and again; nothing is lost, and what needs none goes on: {why}"
        );
    }

    /// Reads a record. What it is written with is known, or its partition would have been held.
    ///
    /// # Errors
    /// When it is not.
    pub fn record(
        &mut self,
        ingest: &mut Ingest,
        (format, input): (Format, &Input),
        record: RecordRef<'_>,
        origin: Origin<'_>,
        each: &mut dyn FnMut(Option<SchemaId>, Ingested<'_>),
    ) -> anyhow::Result<()> {
        let fault = |fault: Fault| Ingested::DeadLetter { index: 0, fault };
        let Framed { schema, datum } = match framed(record) {
            Ok(framed) => framed,
            Err(error) => {
                each(None, fault(error));
                return Ok(());
            }
        };
        let mut each = |item: Ingested<'_>| each(Some(schema), item);
        match self.schemas.get(schema).with_context(|| format!("the schema {schema} was to be waited for"))? {
            Answer::Unreadable(why) => each(fault(Fault::new("", why.as_str()))),
            Answer::Known(writer) if writer.is_ours() => match writer.event(datum) {
                Ok(event) => ingest.event(event, input, origin, &mut each),
                Err(error) => each(fault(error)),
            },
            Answer::Known(writer) => {
                self.json.clear();
                match writer.json(datum, &mut self.json) {
                    Ok(()) => ingest.record(format, &self.json, input, origin, &mut each),
                    Err(error) => each(fault(error)),
                }
            }
        }
        Ok(())
    }
}

fn framed(record: RecordRef<'_>) -> Result<Framed<'_>, Fault> {
    // Of several the last counts, as for those who made the format.
    let header = record.headers().filter(|(name, _)| *name == HEADER).last().and_then(|(_, value)| value);
    frame::split(record.value.unwrap_or_default(), header)
}

fn names(schemas: &BTreeSet<SchemaId>) -> String {
    const NAMED_MAX: usize = 20;
    let mut names: Vec<String> = schemas.iter().take(NAMED_MAX).map(SchemaId::to_string).collect();
    if schemas.len() > NAMED_MAX {
        names.push(format!("and {} more", schemas.len() - NAMED_MAX));
    }
    names.join(", ")
}
