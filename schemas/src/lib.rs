//! Bytes to the nouns of the core and back.
//!
//! # What stands where
//!
//! | where | encoding | here |
//! |---|---|---|
//! | native input | one JSON object an event | [`json::decode_event`] |
//! | events log | Avro: `event`, `control` | [`decode_event_record`], [`encode_event`] |
//! | proposals log | Avro: `proposal`, `event`, `control` | [`decode_gate_record`], [`encode_gate_record`] |
//! | journal | Avro: `journal` | [`decode_journal_record`], [`encode_journal_record`] |
//! | verdicts topic and files | JSON or Avro: `verdict`, `containment_request`, `containment_decision`, `containment_answer`, `security_event`, `lifecycle_finding` | [`encode_output`] |
//!
//! Whatever format an event came in, it passes [`admit`] before it is written to the events log; what is read from that log is trusted to
//! have done so, but never to be well-formed: a decoder returns an error for any bytes, and reserves memory only for what is there.
//!
//! # The wire format
//!
//! Avro records stand in **single-object encoding** (Avro specification 1.11): the bytes `C3 01`, the CRC-64-AVRO fingerprint of the
//! writer's schema in parsing canonical form (8 bytes, little-endian), and the body. The fingerprint says both which record it is and
//! which version of its schema wrote it; no registry is needed to read our own logs. [`avro::RELEASED`] lists every fingerprint there is.
//!
//! - Optional fields are `["null", T]` with default null; lists default to empty. Times are `timestamp-millis`, durations are `long`
//!   milliseconds, both also where JSON writes text.
//! - Enumerations of the contract are Avro enums. A symbol cannot hold a dot, so an event type's dot is an underscore: `auth_login` is
//!   `auth.login`; the *first* underscore is the dot (`privileged_session_start` is `privileged.session_start`).
//! - `probability` null is `"uncalibrated"` in JSON, `dependents` null is `"unknown"`.
//! - The same noun gives the same bytes on every machine: fields in the order of the schema, lists in one block, no maps.
//!
//! # Reading it with another Avro library
//!
//! Register the files of `schemas/avro/` ([`avro::Record::schema`]) with the library's message decoder: in Java a `BinaryMessageDecoder`
//! with a `SchemaStore.Cache` that holds the schemas of `schemas/avro/history/` too, for older messages; in Python cut ten bytes off and
//! hand the rest to `fastavro.schemaless_reader` with the schema of that fingerprint. On the verdicts topic the Kafka header `type`
//! ([`output_type`]) tells the same as the fingerprint. Fingerprints are those of the Java and Python libraries; `apache-avro` for Rust,
//! up to 0.22, computes others where a logical type occurs (it leaves `{"type":"long"}` in the canonical form), so with it compare the
//! header yourself and use its datum reader.
//!
//! Where a schema registry says what wrote a datum, [`avro::Writer`] reads it: ours, changed copies of ours, and anybody's as JSON.
//!
//! # How schemas may change
//!
//! **Old bytes, new reader** must always work, because the log is the truth and is replayed. So, of a released schema:
//!
//! 1. Fields are only added, at the end of their record, with a default. None is removed, renamed, moved or retyped; defaults stay.
//! 2. Symbols are only added, at the end of their enum; an enum that is given a default keeps it.
//! 3. Branches are only added, at the end of a union of records. `["null", T]` never changes.
//! 4. Types keep their names. The namespace's `v1` changes with the meaning of what exists, which is a new topic, not an evolution.
//! 5. The predecessor is kept in `schemas/avro/history/` and listed in [`avro::RELEASED`], with a fixture that another library wrote.
//!
//! Documentation may change at any time: it is no part of the canonical form. The tests in `tests/evolution.rs` fail when a schema is
//! changed against 1 to 4, or without 5, and say what to do. What an older schema wrote goes through Avro's schema resolution
//! (slower, some tens of microseconds) and gives the noun as if it had been written today, new fields at their defaults.
//!
//! **New bytes, old reader**: an older Portcullis refuses a fingerprint that it does not know, by name
//! ([`DecodeError::UnknownSchema`]), rather than guess: upgrade readers before writers. Other consumers who resolve with the writer's
//! schema are served by rules 1 and 3 alone; a new symbol reaches them as the enum's default where it has one (`outcome`, `posture`,
//! `failure`, `agent_class`, `workload_proof`) and is an error elsewhere, so they, too, take the new schema first.

pub mod avro;
mod error;
pub mod json;
mod log;
mod output;
mod shape;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod validate;

pub use error::DecodeError;
pub use log::*;
pub use output::{
    Encoding, decode_answer, decode_decision, decode_fact, decode_finding, decode_proposal, decode_request, decode_verdict, encode_output,
    output_type,
};
pub use validate::{Fault, admit, validate};

/// Longest record that is read, bytes. Longer ones are dead letters; the reader of an input stops at this length, too.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
