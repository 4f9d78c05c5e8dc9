//! Our bytes are Avro: `apache-avro`, given the schema alone, reads them to the values that the contract's JSON shows, and what it writes we
//! read. So the schema files, the codec and the nouns cannot drift apart.

use super::schema;
use crate::avro::{self, HEADER_BYTES, Record};
use crate::testing::{Draw, nouns};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use portcullis_core::containment::{ContainmentAnswer, ContainmentDecision, ContainmentRequest, Proposal, SecurityEvent};
use portcullis_core::event::{Event, EventType};
use portcullis_core::lifecycle::LifecycleFinding;
use portcullis_core::record::{Control, JournalRecord};
use portcullis_core::time::{Span, Time};
use portcullis_core::verdict::Verdict;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value as Json;

/// Whether an Avro value says what the contract's JSON says. A field that JSON leaves out has the value that the schema gives by default.
fn agrees(avro: &Value, json: Option<&Json>) -> Result<(), String> {
    let differ = || Err(format!("{avro:?} is not {json:?}"));
    let same = match (avro, json) {
        (Value::Union(_, inner), _) => return agrees(inner, json),
        (Value::Null, None | Some(Json::Null)) => true,
        // `null` of `probability` and of `dependents`.
        (Value::Null, Some(Json::String(text))) => text == "uncalibrated" || text == "unknown",
        (Value::Boolean(a), Some(Json::Bool(b))) => a == b,
        (Value::Boolean(a), None) => !a,
        (Value::Int(a), Some(Json::Number(b))) => b.as_i64() == Some(i64::from(*a)),
        (Value::Long(a), Some(Json::Number(b))) => b.as_i64() == Some(*a),
        (Value::Long(a), Some(Json::String(b))) => Span::parse(b) == Some(Span(*a)),
        (Value::TimestampMillis(a), Some(Json::String(b))) => Time::parse(b) == Some(Time(*a)),
        (Value::Double(a), Some(Json::Number(b))) => b.as_f64() == Some(*a),
        (Value::String(a), Some(Json::String(b))) => a == b,
        (Value::Enum(_, a), Some(Json::String(b))) => *a == b.replace('.', "_"),
        (Value::Enum(_, a), None) => a == "unknown",
        (Value::Array(a), None) => a.is_empty(),
        (Value::Array(a), Some(Json::Array(b))) => {
            if a.len() != b.len() {
                return differ();
            }
            return a.iter().zip(b).try_for_each(|(a, b)| agrees(a, Some(b)));
        }
        (Value::Record(fields), Some(Json::Object(object))) => {
            if let Some(unknown) = object.keys().find(|key| !fields.iter().any(|(name, _)| name == *key)) {
                return Err(format!("the schema lacks {unknown}"));
            }
            return fields.iter().try_for_each(|(name, value)| agrees(value, object.get(name)).map_err(|e| format!("{name}: {e}")));
        }
        _ => false,
    };
    if same { Ok(()) } else { differ() }
}

fn conforms<T>(record: Record, json_of: impl Fn(&T) -> Json)
where
    T: Draw + std::fmt::Debug + PartialEq + avro::Wire<'static>,
{
    let schema = schema(record);
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    TestRunner::new(Config::default())
        .run(&nouns::<T>(), |noun| {
            let mut bytes = Vec::new();
            avro::encode(record, &noun, &mut bytes);
            let mut rest = &bytes[HEADER_BYTES..];
            let value = reader.read_value(&mut rest).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert!(rest.is_empty());
            agrees(&value, Some(&json_of(&noun))).map_err(TestCaseError::fail)?;

            let mut theirs = record.header().to_vec();
            theirs.extend(writer.write_value_to_vec(value).map_err(|e| TestCaseError::fail(e.to_string()))?);
            let read: T = avro::decode_copied(record, &theirs).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(read, noun);
            Ok(())
        })
        .unwrap();
}

fn json_of<T: serde::Serialize>(noun: &T) -> Json {
    serde_json::to_value(noun).unwrap()
}

#[test]
fn events_conform() {
    conforms::<Event<'static>>(Record::Event, json_of);
}

/// The JSON of a control record names its kind in `control`, beside its fields; Avro names it by the branch.
#[test]
fn control_records_conform() {
    conforms::<Control>(Record::Control, |control| {
        let mut fields = json_of(control);
        fields.as_object_mut().unwrap().remove("control");
        serde_json::json!({ "control": fields })
    });
}

#[test]
fn proposals_conform() {
    conforms::<Proposal>(Record::Proposal, json_of);
}

#[test]
fn journal_records_conform() {
    conforms::<JournalRecord>(Record::Journal, json_of);
}

#[test]
fn verdicts_conform() {
    conforms::<Verdict>(Record::Verdict, json_of);
}

#[test]
fn requests_conform() {
    conforms::<ContainmentRequest>(Record::ContainmentRequest, json_of);
}

#[test]
fn decisions_conform() {
    conforms::<ContainmentDecision>(Record::ContainmentDecision, json_of);
}

#[test]
fn security_events_conform() {
    conforms::<SecurityEvent>(Record::SecurityEvent, json_of);
}

#[test]
fn findings_conform() {
    conforms::<LifecycleFinding>(Record::LifecycleFinding, json_of);
}

#[test]
fn answers_conform() {
    conforms::<ContainmentAnswer>(Record::ContainmentAnswer, json_of);
}

/// Avro's symbols cannot hold a dot.
#[test]
fn the_first_underscore_of_an_event_type_is_its_dot() {
    for kind in EventType::ALL {
        let symbol = kind.name().replace('.', "_");
        assert_eq!(symbol.replacen('_', ".", 1), kind.name());
    }
}

/// Arrays may come in several blocks, and blocks may say their size.
#[test]
fn arrays_of_other_writers_are_read() {
    let event: Event = serde_json::from_str(r#"{"time":0,"type":"auth.login","auth":{"amr":["pwd","mfa"]}}"#).unwrap();
    let bytes = super::encoded(&event);
    let one_block = b"\x04\x06pwd\x06mfa\x00";
    let at = bytes.windows(one_block.len()).position(|w| w == one_block).unwrap();
    for other in [&b"\x02\x06pwd\x02\x06mfa\x00"[..], b"\x03\x10\x06pwd\x06mfa\x00", b"\x01\x08\x06pwd\x02\x06mfa\x00"] {
        let mut theirs = bytes[..at].to_vec();
        theirs.extend_from_slice(other);
        theirs.extend_from_slice(&bytes[at + one_block.len()..]);
        assert_eq!(crate::decode_event(&theirs).unwrap(), event, "{other:?}");
    }
}
