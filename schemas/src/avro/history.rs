//! Old bytes, new reader: Avro's schema resolution, from the schema that wrote a record to the one in force.
//!
//! The record is read by `apache-avro` with the writer's schema, resolved to ours, written anew, and then read like any other. That is
//! slow (tens of microseconds) and meant to be: a log of an older version is replayed once.

use super::schema::{RELEASED, Record, Released};
use crate::RECORD_BYTES_MAX;
use crate::error::DecodeError;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use std::sync::LazyLock;

struct Resolver {
    fingerprint: u64,
    reader: GenericDatumReader<'static>,
    writer: GenericDatumWriter<'static>,
}

static SCHEMAS: LazyLock<Vec<(&'static Released, Schema, Schema)>> = LazyLock::new(|| {
    RELEASED.iter().filter(|r| r.fingerprint != r.record.fingerprint()).map(|r| (r, parse(r.schema), parse(r.record.schema()))).collect()
});

static RESOLVERS: LazyLock<Vec<Resolver>> = LazyLock::new(|| {
    bound_allocations();
    SCHEMAS
        .iter()
        .map(|(released, old, new)| Resolver {
            fingerprint: released.fingerprint,
            reader: GenericDatumReader::builder(old).reader_schema(new).build().expect("compiled in and tested"),
            writer: GenericDatumWriter::builder(new).build().expect("compiled in and tested"),
        })
        .collect()
});

/// A schema of ours.
pub(super) fn parse(text: &str) -> Schema {
    Schema::parse_str(text).expect("the schemas are compiled in, and a test parses each")
}

/// Lengths in the bytes are claims; `apache-avro` reserves up to this much on the strength of one. Values are larger than their bytes.
fn bound_allocations() {
    apache_avro::util::max_allocation_bytes(64 * RECORD_BYTES_MAX);
}

/// The body as the schema in force would have written it.
pub(crate) fn resolve(written: &Released, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let explain = |what: String| DecodeError::Resolution { record: written.record.name(), version: written.version, what };
    let resolver = RESOLVERS
        .iter()
        .find(|r| r.fingerprint == written.fingerprint)
        .ok_or(DecodeError::UnknownSchema { fingerprint: written.fingerprint })?;
    let mut rest = body;
    let value = resolver.reader.read_value(&mut rest).map_err(|e| explain(e.to_string()))?;
    if !rest.is_empty() {
        return Err(explain(format!("{} bytes are left over after the record", rest.len())));
    }
    resolver.writer.write_value_to_vec(value).map_err(|e| explain(e.to_string()))
}

static EVENT: LazyLock<Schema> = LazyLock::new(|| parse(Record::Event.schema()));

/// An event's schema that we did not release, though it goes by our name.
pub(super) struct Kin {
    reader: GenericDatumReader<'static>,
    writer: GenericDatumWriter<'static>,
}

impl Kin {
    pub fn of(schema: Schema) -> Result<Kin, String> {
        bound_allocations();
        // The reader borrows it, and what was written with it may come as long as the process lives.
        let schema: &'static Schema = Box::leak(Box::new(schema));
        let explain = |e: apache_avro::Error| format!("cannot be resolved to our event: {e}");
        Ok(Kin {
            reader: GenericDatumReader::builder(schema).reader_schema(&EVENT).build().map_err(explain)?,
            writer: GenericDatumWriter::builder(&EVENT).build().map_err(explain)?,
        })
    }

    /// The body as the schema in force would have written it.
    pub fn resolve(&self, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let explain = |what: String| DecodeError::Unresolved { record: Record::Event.name(), what };
        let mut rest = body;
        let value = self.reader.read_value(&mut rest).map_err(|e| explain(e.to_string()))?;
        if !rest.is_empty() {
            return Err(explain(format!("{} bytes are left over after the record", rest.len())));
        }
        self.writer.write_value_to_vec(value).map_err(|e| explain(e.to_string()))
    }
}
