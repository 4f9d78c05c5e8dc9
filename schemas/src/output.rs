//! What leaves the engine: verdicts, lifecycle findings, containment requests, decisions and what became of answers, as JSON or Avro. The same noun gives the same bytes, always.

use crate::avro::{self, Record};
use crate::error::DecodeError;
use portcullis_core::containment::{ContainmentAnswer, ContainmentDecision, ContainmentRequest, Proposal, SecurityEvent};
use portcullis_core::lifecycle::LifecycleFinding;
use portcullis_core::record::Output;
use portcullis_core::verdict::Verdict;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How outputs are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Encoding {
    /// One object without line breaks, fields in the order of the contract.
    #[default]
    Json,
    /// Single-object encoding.
    Avro,
}

/// The value of the header `type`, by which consumers tell outputs of one topic apart.
pub const fn output_type(output: &Output) -> &'static str {
    match output {
        Output::Verdict(_) => "verdict",
        Output::Request(_) => "containment-request",
        Output::Decision(_) => "containment-decision",
        Output::Answer(_) => "containment-answer",
        Output::Fact(_) => "security-event",
        Output::Finding(_) => "lifecycle-finding",
        Output::Proposal(_) => "proposal",
        Output::ToGate(_) => "control",
    }
}

/// Appends an output.
///
/// Records for the proposals log ([`Output::Proposal`], [`Output::ToGate`]) are read back only as Avro there; `Json` is for files.
pub fn encode_output(output: &Output, encoding: Encoding, out: &mut Vec<u8>) {
    match (output, encoding) {
        (Output::Verdict(verdict), Encoding::Avro) => avro::encode(Record::Verdict, verdict, out),
        (Output::Request(request), Encoding::Avro) => avro::encode(Record::ContainmentRequest, request, out),
        (Output::Decision(decision), Encoding::Avro) => avro::encode(Record::ContainmentDecision, decision, out),
        (Output::Fact(fact), Encoding::Avro) => avro::encode(Record::SecurityEvent, fact, out),
        (Output::Finding(finding), Encoding::Avro) => avro::encode(Record::LifecycleFinding, finding, out),
        (Output::Answer(answer), Encoding::Avro) => avro::encode(Record::ContainmentAnswer, answer, out),
        (Output::Proposal(proposal), Encoding::Avro) => avro::encode(Record::Proposal, proposal, out),
        (Output::ToGate(control), Encoding::Avro) => avro::encode(Record::Control, control, out),
        (Output::Verdict(verdict), Encoding::Json) => write_json(verdict, out),
        (Output::Request(request), Encoding::Json) => write_json(request, out),
        (Output::Decision(decision), Encoding::Json) => write_json(decision, out),
        (Output::Fact(fact), Encoding::Json) => write_json(fact, out),
        (Output::Finding(finding), Encoding::Json) => write_json(finding, out),
        (Output::Answer(answer), Encoding::Json) => write_json(answer, out),
        (Output::Proposal(proposal), Encoding::Json) => write_json(proposal, out),
        (Output::ToGate(control), Encoding::Json) => write_json(control, out),
    }
}

pub(crate) fn write_json<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a Vec takes every byte, and the nouns have string keys only");
}

fn read<'a, T: DeserializeOwned + avro::Wire<'a>>(record: Record, bytes: &'a [u8], encoding: Encoding) -> Result<T, DecodeError> {
    // What was written before the configuration was changed is read as well: no JSON begins as Avro does.
    let is_avro = if encoding == Encoding::Avro { !bytes.starts_with(b"{") } else { bytes.starts_with(&record.header()[..2]) };
    match is_avro {
        true => avro::decode(record, bytes),
        false => serde_json::from_slice(bytes).map_err(|e| DecodeError::Json { record: record.name(), what: e.to_string() }),
    }
}

/// Reads a verdict.
///
/// # Errors
/// For anything but one whole verdict in that encoding.
pub fn decode_verdict(bytes: &[u8], encoding: Encoding) -> Result<Verdict, DecodeError> {
    read(Record::Verdict, bytes, encoding)
}

/// Reads a containment request. Its signature is not verified here.
///
/// # Errors
/// For anything but one whole request in that encoding.
pub fn decode_request(bytes: &[u8], encoding: Encoding) -> Result<ContainmentRequest, DecodeError> {
    read(Record::ContainmentRequest, bytes, encoding)
}

/// Reads a containment decision.
///
/// # Errors
/// For anything but one whole decision in that encoding.
pub fn decode_decision(bytes: &[u8], encoding: Encoding) -> Result<ContainmentDecision, DecodeError> {
    read(Record::ContainmentDecision, bytes, encoding)
}

/// Reads what became of an answer.
///
/// # Errors
/// For anything but one whole record in that encoding.
pub fn decode_answer(bytes: &[u8], encoding: Encoding) -> Result<ContainmentAnswer, DecodeError> {
    read(Record::ContainmentAnswer, bytes, encoding)
}

/// Reads a security event. Its signature is not verified here.
///
/// # Errors
/// For anything but one whole record in that encoding.
pub fn decode_fact(bytes: &[u8], encoding: Encoding) -> Result<SecurityEvent, DecodeError> {
    read(Record::SecurityEvent, bytes, encoding)
}

/// Reads a lifecycle finding.
///
/// # Errors
/// For anything but one whole record in that encoding.
pub fn decode_finding(bytes: &[u8], encoding: Encoding) -> Result<LifecycleFinding, DecodeError> {
    read(Record::LifecycleFinding, bytes, encoding)
}

/// Reads a proposal.
///
/// # Errors
/// For anything but one whole proposal in that encoding.
pub fn decode_proposal(bytes: &[u8], encoding: Encoding) -> Result<Proposal, DecodeError> {
    read(Record::Proposal, bytes, encoding)
}
