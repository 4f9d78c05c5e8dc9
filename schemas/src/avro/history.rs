//! Old bytes, new reader: Avro's schema resolution, from the schema that wrote a record to the one in force.
//!
//! The record is read by `apache-avro` with the writer's schema, resolved to ours, written anew, and then read like any other. That is
//! slow (tens of microseconds) and meant to be: a log of an older version is replayed once.

use super::schema::{RELEASED, Released};
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
    let parse = |text| Schema::parse_str(text).expect("the schemas are compiled in, and a test parses each");
    RELEASED.iter().filter(|r| r.fingerprint != r.record.fingerprint()).map(|r| (r, parse(r.schema), parse(r.record.schema()))).collect()
});

static RESOLVERS: LazyLock<Vec<Resolver>> = LazyLock::new(|| {
    // Lengths in the bytes are claims; `apache-avro` reserves up to this much on the strength of one. Values are larger than their bytes.
    apache_avro::util::max_allocation_bytes(64 * RECORD_BYTES_MAX);
    SCHEMAS
        .iter()
        .map(|(released, old, new)| Resolver {
            fingerprint: released.fingerprint,
            reader: GenericDatumReader::builder(old).reader_schema(new).build().expect("compiled in and tested"),
            writer: GenericDatumWriter::builder(new).build().expect("compiled in and tested"),
        })
        .collect()
});

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
