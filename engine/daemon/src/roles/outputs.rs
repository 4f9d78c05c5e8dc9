//! How outputs stand in the verdicts topic: as JSON, as Avro in single-object encoding, or in the wire format of a schema registry.
//!
//! In the registry's format a value does not say by itself which version of our schema wrote it, so the header `schema` says its fingerprint: our own
//! readers (the audit, the desk) never need a registry, and whoever has no client of one reads the records by it too.

use super::cloudevents::{Headers, content_type};
use crate::worker::Outbox;
use portcullis_connectors::kafka::RecordRef;
use portcullis_connectors::registry::SchemaId;
use portcullis_connectors::registry::frame::{self, HEADER};
use portcullis_core::record::Output;
use portcullis_schemas::avro::{HEADER_BYTES, Record};
use portcullis_schemas::{Encoding, encode_output, output_type};
use std::borrow::Cow;
use std::sync::Arc;

/// What stands in the verdicts topic.
pub const RECORDS: [Record; 6] = [
    Record::Verdict,
    Record::ContainmentRequest,
    Record::ContainmentDecision,
    Record::ContainmentAnswer,
    Record::SecurityEvent,
    Record::LifecycleFinding,
];

/// Which of them an output is.
fn record_of(output: &Output) -> Option<Record> {
    match output {
        Output::Verdict(_) => Some(Record::Verdict),
        Output::Request(_) => Some(Record::ContainmentRequest),
        Output::Decision(_) => Some(Record::ContainmentDecision),
        Output::Answer(_) => Some(Record::ContainmentAnswer),
        Output::Fact(_) => Some(Record::SecurityEvent),
        Output::Finding(_) => Some(Record::LifecycleFinding),
        Output::Proposal(_) | Output::ToGate(_) => None,
    }
}

/// The header that says the fingerprint of a framed record's schema, sixteen hexadecimal digits (CRC-64-AVRO).
pub const SCHEMA: &str = "schema";

/// Under which subject a registry has a record's schema: by topic and record (`TopicRecordNameStrategy`), since one topic carries several.
pub fn subject(topic: &str, record: Record) -> String {
    format!("{topic}-{}", record.full_name())
}

/// How they are written.
#[derive(Clone)]
pub struct Outputs {
    pub encoding: Encoding,
    headers: Headers,
    frames: Option<Arc<Frames>>,
}

/// What a registry calls our schemas.
pub struct Frames {
    /// Ids stand in a header, else before the value.
    pub in_header: bool,
    pub ids: Vec<(Record, SchemaId)>,
}

impl From<Encoding> for Outputs {
    fn from(encoding: Encoding) -> Outputs {
        Outputs { encoding, headers: Headers::default(), frames: None }
    }
}

impl From<Frames> for Outputs {
    fn from(frames: Frames) -> Outputs {
        Outputs { encoding: Encoding::Avro, headers: Headers::default(), frames: Some(Arc::new(frames)) }
    }
}

impl Outputs {
    /// The same with these headers.
    pub fn with(self, headers: Headers) -> Outputs {
        Outputs { headers, ..self }
    }

    /// Adds an output with the headers that say what it is.
    pub fn push(&self, topic: &Arc<str>, partition: Option<i32>, key: &[u8], output: &Output, outbox: &mut Outbox) {
        let mut framed = None;
        outbox.push(topic, partition, key, |out| {
            let start = out.len();
            encode_output(output, self.encoding, out);
            framed = self.frames.as_ref().and_then(|frames| frames.frame(record_of(output)?, start, out));
        });
        self.headers.add(outbox, output_type(output), output, None, content_type(self.encoding));
        if let Some((record, id)) = framed {
            outbox.header(SCHEMA, format!("{:016x}", record.fingerprint()).as_bytes());
            if let Some(id) = id {
                outbox.header(HEADER, &id);
            }
        }
    }
}

impl Frames {
    /// Puts the registry's frame in the place of the single-object header. Returns what it was written as, and what the header has to say.
    fn frame(&self, record: Record, start: usize, out: &mut Vec<u8>) -> Option<(Record, Option<Vec<u8>>)> {
        let (_, id) = self.ids.iter().find(|(known, _)| *known == record)?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        id.write(&mut bytes);
        let (before, header) = if self.in_header { (Vec::new(), Some(bytes)) } else { (bytes, None) };
        drop(out.splice(start..start + HEADER_BYTES, before));
        Some((record, header))
    }
}

/// The value of a record of the verdicts topic as it would stand there without a registry.
pub fn value_of<'r>(record: &RecordRef<'r>) -> Option<Cow<'r, [u8]>> {
    Some(unframed(record.value?, record.header(SCHEMA), record.header(HEADER)))
}

fn unframed<'r>(value: &'r [u8], schema: Option<&[u8]>, header: Option<&[u8]>) -> Cow<'r, [u8]> {
    let fingerprint = schema.and_then(|hex| u64::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
    match (fingerprint, frame::split(value, header)) {
        (Some(fingerprint), Ok(framed)) => {
            let mut whole = Vec::with_capacity(HEADER_BYTES + framed.datum.len());
            whole.extend_from_slice(&[0xc3, 0x01]);
            whole.extend_from_slice(&fingerprint.to_le_bytes());
            whole.extend_from_slice(framed.datum);
            Cow::Owned(whole)
        }
        _ => Cow::Borrowed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::verdict::Verdict;

    const VERDICT: &str = r#"{"id":"v-1","time":1760000000000,"appended_at":1760000000000,"tenant":"acme","subject":{"kind":"identity","id":"ana"},
        "score":80.0,"evidence_db":12.0,"prior_db":-20.0,"probability":"uncalibrated","level":"critical","previous_level":"low","learning":false,
        "actor":{"automation":0.0},"reasons":[],"folded":0,"errors":[],"mode":"enforce","policy":{"version":"1","digest":"d"},
        "log":{"cluster":"c","topic":"t","partition":0,"offset":1},"engine":"e"}"#;

    fn written(outputs: &Outputs) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
        let verdict: Verdict = serde_json::from_str(VERDICT).unwrap();
        let mut outbox = Outbox::default();
        outputs.push(&Arc::from("t"), None, b"key", &Output::Verdict(Box::new(verdict)), &mut outbox);
        let record = outbox.records().next().unwrap();
        let headers = record.headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
        (record.value.unwrap().to_vec(), headers)
    }

    fn header<'h>(headers: &'h [(String, Vec<u8>)], name: &str) -> Option<&'h [u8]> {
        headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_slice())
    }

    #[test]
    fn a_framed_record_is_read_as_if_there_were_no_registry() {
        let (plain, headers) = written(&Encoding::Avro.into());
        assert_eq!((headers.len(), header(&headers, "type")), (1, Some(&b"verdict"[..])));
        assert_eq!(unframed(&plain, None, None), plain);
        let guid = SchemaId::parse_guid("89791762-2336-4186-9674-299b90a802e2").unwrap();
        for (id, in_header) in [(SchemaId::Id(7), false), (SchemaId::Id(7), true), (guid, true)] {
            let (value, headers) = written(&Frames { in_header, ids: vec![(Record::Verdict, id)] }.into());
            assert!(value.ends_with(&plain[HEADER_BYTES..]));
            assert_eq!(value.len(), plain.len() - HEADER_BYTES + if in_header { 0 } else { 5 });
            assert_eq!(header(&headers, HEADER).is_some(), in_header);
            assert_eq!(unframed(&value, header(&headers, SCHEMA), header(&headers, HEADER)), plain);
        }
    }

    #[test]
    fn json_has_no_frame() {
        let (json, headers) = written(&Encoding::Json.into());
        assert_eq!((json[0], headers.len()), (b'{', 1));
        assert_eq!(unframed(&json, None, None), json);
    }

    #[test]
    fn a_subject_is_of_a_topic_and_a_record() {
        assert_eq!(subject("pc.verdicts", Record::ContainmentRequest), "pc.verdicts-io.portcullis.v1.ContainmentRequest");
    }
}
