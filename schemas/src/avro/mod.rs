//! Avro single-object encoding of the nouns, by hand: events are read in place, without a schema at hand and without copying text.
//!
//! The derive-based and generic readers of `apache-avro` cost 2 to 9 microseconds an event, ten times the budget of the whole decode
//! stage. They still read what older schemas wrote ([`history`]), which is rare and where their schema resolution is the point.

mod foreign;
mod history;
mod input;
mod nouns;
mod schema;
mod wire;
mod writer;

pub use input::Flaw;
pub use schema::{HEADER_BYTES, RELEASED, Record, Released, split_header};

use crate::error::DecodeError;
use input::{Borrowing, Malformed, Owning, Read};
pub(crate) use wire::Wire;
pub use writer::Writer;

/// Appends header and body.
#[inline]
pub(crate) fn encode<'a, T: Wire<'a>>(record: Record, value: &T, out: &mut Vec<u8>) {
    out.extend_from_slice(&record.header());
    value.write(out);
}

/// Which record type, and which version of its schema, a fingerprint stands for.
pub(crate) fn identify(fingerprint: u64) -> Result<&'static Released, DecodeError> {
    RELEASED.iter().rev().find(|r| r.fingerprint == fingerprint).ok_or(DecodeError::UnknownSchema { fingerprint })
}

/// Reads header and body of one record type.
pub(crate) fn decode<'a, T: Wire<'a>>(record: Record, bytes: &'a [u8]) -> Result<T, DecodeError> {
    let (fingerprint, body) = split_header(bytes)?;
    if fingerprint == record.fingerprint() {
        return decode_body(record, body);
    }
    let written = identify(fingerprint)?;
    if written.record != record {
        return Err(DecodeError::WrongRecord { found: written.record.name(), expected: record.name() });
    }
    decode_older(written, body)
}

/// Reads a body of the schema in force.
#[inline(always)]
pub(crate) fn decode_body<'a, T: Wire<'a>>(record: Record, body: &'a [u8]) -> Result<T, DecodeError> {
    let mut input = Borrowing::new(body);
    finish(record, T::read(&mut input), input)
}

/// Reads a body of a schema that is no longer in force.
#[cold]
pub(crate) fn decode_older<'a, T: Wire<'a>>(written: &Released, body: &[u8]) -> Result<T, DecodeError> {
    decode_copied_body(written.record, &history::resolve(written, body)?)
}

/// Reads a body of the schema in force that does not outlive this.
fn decode_copied_body<'a, T: Wire<'a>>(record: Record, body: &[u8]) -> Result<T, DecodeError> {
    let mut input = Owning(Borrowing::new(body));
    let value = T::read(&mut input);
    finish(record, value, input.0)
}

#[inline(always)]
fn finish<T>(record: Record, value: Read<T>, input: Borrowing<'_>) -> Result<T, DecodeError> {
    match value {
        Ok(value) if input::Input::remaining(&input) == 0 => Ok(value),
        Ok(_) => Err(malformed(record, input.flaw(Flaw::Trailing))),
        Err(flaw) => Err(malformed(record, flaw)),
    }
}

#[cold]
fn malformed(record: Record, malformed: Malformed) -> DecodeError {
    DecodeError::Malformed { record: record.name(), at: HEADER_BYTES + malformed.at as usize, flaw: malformed.flaw }
}

/// [`decode`] of the schema in force, for nouns that outlive the bytes.
#[cfg(test)]
pub(crate) fn decode_copied<T: Wire<'static>>(record: Record, bytes: &[u8]) -> Result<T, DecodeError> {
    decode_copied_body(record, split_header(bytes)?.1)
}
