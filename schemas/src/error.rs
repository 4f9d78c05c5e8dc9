//! Why bytes could not be read.

use crate::avro::Flaw;

/// Bytes of ours that could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    #[error(
        "not a record of Portcullis: {length} bytes that do not begin with C3 01 and a schema fingerprint; was something else written to this topic?"
    )]
    NotSingleObject { length: usize },
    #[error(
        "written with a schema of fingerprint {fingerprint:016x}, which this version does not know; it was written by a newer version, which must read it"
    )]
    UnknownSchema { fingerprint: u64 },
    #[error("a {found} record stands where only {expected} may; is this the right topic?")]
    WrongRecord { found: &'static str, expected: &'static str },
    #[error("{record} record, byte {at}: {flaw}")]
    Malformed { record: &'static str, at: usize, flaw: Flaw },
    #[error("{record} record of schema version {version}: {what}")]
    Resolution { record: &'static str, version: u32, what: String },
    #[error("{record} record of a schema that is not ours but goes by its name: {what}")]
    Unresolved { record: &'static str, what: String },
    #[error("{record} as JSON: {what}")]
    Json { record: &'static str, what: String },
}
