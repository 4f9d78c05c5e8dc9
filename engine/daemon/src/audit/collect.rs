//! What an audit looks at, out of the records of the topics, whether they come from Kafka or from an export.

use super::head::{HEAD_RECORD, HEAD_TYPE, Head};
use super::{Decider, Evidence, Fault, Linked, Published, SignedEnd, unsigned};
use crate::roles::outputs::value_of;
use crate::roles::{AT, Nth, Topics};
use portcullis_connectors::kafka::{KafkaFault, ReadRange, Reader, RecordRef, Start, TopicPartition};
use portcullis_core::containment::{ContainmentRequest, SecurityEvent};
use portcullis_core::record::{Control, GateRecord, Output};
use portcullis_core::signature::{self, PublicKey, Signatory};
use portcullis_core::time::Time;
use portcullis_schemas::{
    Encoding, decode_answer, decode_decision, decode_fact, decode_finding, decode_gate_record, decode_request, decode_verdict,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A record as it stands in a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub appended_at: Time,
    pub key: Vec<u8>,
    /// The header `type`.
    pub kind: Option<String>,
    /// The header `at`.
    pub at: Option<String>,
    pub value: Vec<u8>,
}

impl Record {
    pub fn place(&self) -> String {
        format!("{}[{}] offset {}", self.topic, self.partition, self.offset)
    }
}

/// Reads what an audit looks at, of records since then: journals, proposals, outputs, and what came to the journals meanwhile. With `events`,
/// the events too.
///
/// # Errors
/// When a topic cannot be read, or `each` says so.
pub fn read(
    reader: &mut Reader,
    topics: &Topics,
    since: Time,
    events: bool,
    mut each: impl FnMut(Record) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let journals = [&topics.journal, &topics.gate_journal];
    let mut ends: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    for topic in journals.into_iter().chain([&topics.proposals, &topics.verdicts]).chain(events.then_some(&topics.events)) {
        for partition in 0..reader.partitions(topic)? {
            let at = TopicPartition::new(Arc::clone(topic), partition);
            let range = reading(&at, &mut each, |on_record| reader.read_partition_since(&at, since.0, on_record))?;
            ends.insert(at, range.to);
        }
    }
    for (at, end) in ends.into_iter().filter(|(at, _)| journals.contains(&&at.topic)) {
        reading(&at, &mut each, |on_record| reader.read(&at, Start::At(end), None, on_record))?;
    }
    Ok(())
}

/// Hands over what `read` gives of a partition, until either fails.
fn reading(
    at: &TopicPartition,
    each: &mut impl FnMut(Record) -> anyhow::Result<()>,
    read: impl FnOnce(&mut dyn FnMut(RecordRef<'_>) -> ControlFlow<()>) -> Result<ReadRange, KafkaFault>,
) -> anyhow::Result<ReadRange> {
    let mut failed = None;
    let range = read(&mut |record| {
        let header = |name| record.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let done = each(Record {
            topic: at.topic.to_string(),
            partition: record.partition,
            offset: record.offset,
            appended_at: Time(record.timestamp.ms().unwrap_or(0)),
            key: record.key.unwrap_or_default().to_vec(),
            kind: header("type"),
            at: header(AT),
            value: value_of(&record).unwrap_or_default().into_owned(),
        });
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(range), Err)
}

/// Sorts records into what is held against what.
pub struct Collector<'k> {
    pub evidence: Evidence,
    /// An output was taken: what comes of the journals from now on was read later.
    past_journals: bool,
    names: (String, String, String, String),
    encoding: Encoding,
    /// Keys that requests and heads must be signed with; none: signatures are not looked at.
    keys: &'k [Signatory],
}

impl<'k> Collector<'k> {
    pub fn new(prefix: &str, encoding: Encoding, keys: &'k [Signatory]) -> Collector<'k> {
        let t = Topics::new(prefix);
        let names = (t.journal.to_string(), t.gate_journal.to_string(), t.proposals.to_string(), t.verdicts.to_string());
        Collector { evidence: Evidence::default(), past_journals: false, names, encoding, keys }
    }

    pub fn take(&mut self, record: Record) {
        let place = record.place();
        if let Err(what) = self.sort(record) {
            self.evidence.faults.push(Fault { place, what });
        }
    }

    fn sort(&mut self, record: Record) -> Result<(), String> {
        let (journal, gate_journal, proposals, verdicts) = &self.names;
        if record.topic == *journal || record.topic == *gate_journal {
            let decider = if record.topic == *journal { Decider::Score } else { Decider::Gate };
            let linked = Linked { place: record.place(), bytes: record.value, is_late: self.past_journals };
            self.evidence.journals.entry((decider, record.partition)).or_default().push(linked);
            return Ok(());
        }
        self.past_journals = true;
        if record.topic == *proposals {
            // What others write there is not SCORE's: answers are signed, outcomes are events, policies stand in the journal by digest.
            return match decode_gate_record(&record.value).map_err(|e| e.to_string())? {
                GateRecord::Proposal(proposal) => self.place(Decider::Score, &record, Output::Proposal(proposal)),
                GateRecord::Control(control @ (Control::IncidentClosed(_) | Control::Sample(_))) => {
                    self.place(Decider::Score, &record, Output::ToGate(control))
                }
                GateRecord::Control(_) | GateRecord::Event(_) => Ok(()),
            };
        }
        if record.topic != *verdicts {
            return Ok(());
        }
        let (value, encoding) = (&record.value, self.encoding);
        let unreadable = |e: portcullis_schemas::DecodeError| format!("cannot be read: {e}");
        match record.kind.as_deref() {
            Some("verdict") => {
                let verdict = decode_verdict(value, encoding).map_err(unreadable)?;
                let offset = verdict.log.offset;
                let published = Published { place: record.place(), bytes: unsigned(Output::Verdict(Box::new(verdict))) };
                self.evidence.verdicts.entry((record.partition, offset)).or_default().push(published);
                Ok(())
            }
            Some("containment-request") => {
                let request = decode_request(value, encoding).map_err(unreadable)?;
                self.check_signature(&request)?;
                self.place(Decider::Gate, &record, Output::Request(Box::new(request)))
            }
            Some("containment-decision") => {
                let decision = decode_decision(value, encoding).map_err(unreadable)?;
                self.place(Decider::Gate, &record, Output::Decision(Box::new(decision)))
            }
            Some("containment-answer") => {
                let answer = decode_answer(value, encoding).map_err(unreadable)?;
                self.place(Decider::Gate, &record, Output::Answer(Box::new(answer)))
            }
            Some("security-event") => {
                let fact = decode_fact(value, encoding).map_err(unreadable)?;
                self.check_set(&fact)?;
                self.place(Decider::Gate, &record, Output::Fact(Box::new(fact)))
            }
            Some("lifecycle-finding") => {
                let finding = decode_finding(value, encoding).map_err(unreadable)?;
                self.place(Decider::Score, &record, Output::Finding(Box::new(finding)))
            }
            Some(HEAD_RECORD) => self.head(&record),
            other => Err(format!("is of no type that we write: {}", other.unwrap_or("none"))),
        }
    }

    fn place(&mut self, decider: Decider, record: &Record, output: Output) -> Result<(), String> {
        let at = record.at.as_deref().and_then(|at| Nth::parse(at.as_bytes())).ok_or("does not say which output of which batch it is")?;
        let published = Published { place: record.place(), bytes: unsigned(output) };
        match self.evidence.placed.entry((decider, at.partition, at.from)).or_default().insert(at.n, published) {
            Some(other) => Err(format!("says that it is output {at}, and so does {}: one of them was inserted", other.place)),
            None => Ok(()),
        }
    }

    /// The request is what its signature says.
    fn check_signature(&self, request: &ContainmentRequest) -> Result<(), String> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let jws = request.jws.as_deref().ok_or("is a request without a signature")?;
        let (_, payload) = signature::verify(jws, "secevent+jwt", self.keys)?;
        let signed: ContainmentRequest = serde_json::from_slice(&payload).map_err(|e| format!("what was signed is no request: {e}"))?;
        if signed != (ContainmentRequest { jws: None, ..request.clone() }) {
            return Err("is not what was signed: a field beside the signature was changed".to_owned());
        }
        Ok(())
    }

    /// The SET is of this fact.
    fn check_set(&self, fact: &SecurityEvent) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Claims {
            jti: String,
            events: BTreeMap<String, serde_json::Value>,
        }
        if self.keys.is_empty() {
            return Ok(());
        }
        let jws = fact.jws.as_deref().ok_or("is a fact without its SET")?;
        let (_, payload) = signature::verify(jws, "secevent+jwt", self.keys)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|e| format!("what was signed is no SET: {e}"))?;
        if claims.jti != fact.id || !claims.events.contains_key(&fact.event) {
            return Err("is not what was signed: a field beside the signature was changed".to_owned());
        }
        Ok(())
    }

    fn head(&mut self, record: &Record) -> Result<(), String> {
        let jws = std::str::from_utf8(&record.value).map_err(|_| "is no text")?;
        let payload = if self.keys.is_empty() { claimed(jws)? } else { signature::verify(jws, HEAD_TYPE, self.keys)?.1 };
        let head: Head = serde_json::from_slice(&payload).map_err(|e| format!("is no signed end of a journal: {e}"))?;
        let (journal, gate_journal, ..) = &self.names;
        let decider = match &head.journal {
            name if name == journal => Decider::Score,
            name if name == gate_journal => Decider::Gate,
            _ => return Ok(()),
        };
        self.evidence.heads.push(SignedEnd { place: record.place(), decider, partition: head.partition, digest: head.digest });
        Ok(())
    }
}

/// The payload of a JWS, whoever signed it.
fn claimed(jws: &str) -> Result<Vec<u8>, String> {
    use base64::Engine;
    let payload = jws.split('.').nth(1).ok_or("is no compact JWS")?;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).map_err(|_| "is no compact JWS".to_owned())
}

/// The keys of a JWK set (RFC 7517), as `gate jwks` prints it.
///
/// # Errors
/// What is wrong with the text.
pub fn keys_of(jwks: &str) -> Result<Vec<Signatory>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Jwk>,
    }
    #[derive(Deserialize)]
    struct Jwk {
        kid: String,
        #[serde(flatten)]
        key: Key,
    }
    #[derive(Deserialize)]
    #[serde(tag = "kty")]
    enum Key {
        #[serde(rename = "OKP")]
        Ed25519 { x: String },
        #[serde(rename = "RSA")]
        Rsa { n: String, e: String },
    }
    let set: Set = serde_json::from_str(jwks).map_err(|e| format!("no JWK set of Ed25519 and RSA keys: {e}"))?;
    let keys = set.keys.iter().map(|jwk| {
        let key = match &jwk.key {
            Key::Ed25519 { x } => PublicKey::ed25519(x),
            Key::Rsa { n, e } => PublicKey::rsa(n, e),
        };
        let key = key.ok_or(format!("key {}: is no Ed25519 key, and no RSA key of 2048 bits or more", jwk.kid))?;
        Ok(Signatory { name: "the gate".to_owned(), kid: jwk.kid.clone(), key })
    });
    keys.collect()
}
