//! Tests that concern the crate as a whole.

mod bad_input;
mod conformance;
mod evolution;
mod foreign;
mod hostile;
mod round_trip;

use crate::avro::Record;
use portcullis_core::event::Event;
use std::path::PathBuf;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn schema(record: Record) -> apache_avro::Schema {
    apache_avro::Schema::parse_str(record.schema()).unwrap()
}

fn encoded(event: &Event<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::encode_event(event, &mut bytes);
    bytes
}
