//! The records of the keyed logs (`events`, `proposals`, `journal`): always Avro single-object encoding.

use crate::avro::{self, Record};
use crate::error::DecodeError;
use portcullis_core::containment::Proposal;
use portcullis_core::event::Event;
use portcullis_core::record::{Control, EventRecord, GateRecord, JournalRecord};

/// Appends an event as it stands in the events and the proposals log.
pub fn encode_event(event: &Event<'_>, out: &mut Vec<u8>) {
    avro::encode(Record::Event, event, out);
}

/// Appends a control record, as it stands in either log.
pub fn encode_control(control: &Control, out: &mut Vec<u8>) {
    avro::encode(Record::Control, control, out);
}

/// Appends a proposal as it stands in the proposals log.
pub fn encode_proposal(proposal: &Proposal, out: &mut Vec<u8>) {
    avro::encode(Record::Proposal, proposal, out);
}

/// Reads an event. Its text borrows from `bytes`.
///
/// # Errors
/// For anything but one whole event record, current or older.
pub fn decode_event(bytes: &[u8]) -> Result<Event<'_>, DecodeError> {
    avro::decode(Record::Event, bytes)
}

/// Appends a record of the events log.
pub fn encode_event_record(record: &EventRecord<'_>, out: &mut Vec<u8>) {
    match record {
        EventRecord::Event(event) => encode_event(event, out),
        EventRecord::Control(control) => encode_control(control, out),
    }
}

/// Reads a record of the events log. An event's text borrows from `bytes`.
///
/// # Errors
/// For anything but one whole event or control record, current or older.
pub fn decode_event_record(bytes: &[u8]) -> Result<EventRecord<'_>, DecodeError> {
    let (fingerprint, body) = avro::split_header(bytes)?;
    if fingerprint == Record::Event.fingerprint() {
        return avro::decode_body(Record::Event, body).map(EventRecord::Event);
    }
    let written = avro::identify(fingerprint)?;
    match written.record {
        Record::Event => avro::decode_older(written, body).map(EventRecord::Event),
        Record::Control => avro::decode(Record::Control, bytes).map(EventRecord::Control),
        other => Err(DecodeError::WrongRecord { found: other.name(), expected: "event or control" }),
    }
}

/// Appends a record of the proposals log.
pub fn encode_gate_record(record: &GateRecord<'_>, out: &mut Vec<u8>) {
    match record {
        GateRecord::Proposal(proposal) => encode_proposal(proposal, out),
        GateRecord::Event(event) => encode_event(event, out),
        GateRecord::Control(control) => encode_control(control, out),
    }
}

/// Reads a record of the proposals log. An event's text borrows from `bytes`.
///
/// # Errors
/// For anything but one whole proposal, event or control record, current or older.
pub fn decode_gate_record(bytes: &[u8]) -> Result<GateRecord<'_>, DecodeError> {
    let (fingerprint, _) = avro::split_header(bytes)?;
    match avro::identify(fingerprint)?.record {
        Record::Proposal => avro::decode(Record::Proposal, bytes).map(GateRecord::Proposal),
        Record::Event => avro::decode(Record::Event, bytes).map(GateRecord::Event),
        Record::Control => avro::decode(Record::Control, bytes).map(GateRecord::Control),
        other => Err(DecodeError::WrongRecord { found: other.name(), expected: "proposal, event or control" }),
    }
}

/// Appends a journal record.
pub fn encode_journal_record(record: &JournalRecord, out: &mut Vec<u8>) {
    avro::encode(Record::Journal, record, out);
}

/// Reads a journal record.
///
/// # Errors
/// For anything but one whole journal record, current or older.
pub fn decode_journal_record(bytes: &[u8]) -> Result<JournalRecord, DecodeError> {
    avro::decode(Record::Journal, bytes)
}
