//! What others wrote, by their schemas: read to the JSON that it means, whatever the bytes.

use super::folder;
use crate::avro::{HEADER_BYTES, RELEASED, Record, Writer};
use crate::testing::nouns;
use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use portcullis_core::event::Event;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// One field of every type there is.
const EVERY_TYPE: &str = r#"{ "type": "record", "name": "Log", "namespace": "com.vendor", "fields": [
  { "name": "nothing", "type": "null" },
  { "name": "yes", "type": "boolean" },
  { "name": "few", "type": "int" },
  { "name": "many", "type": ["null", "long"] },
  { "name": "half", "type": "float" },
  { "name": "tenth", "type": "double" },
  { "name": "raw", "type": "bytes" },
  { "name": "text", "type": "string" },
  { "name": "four", "type": { "type": "fixed", "name": "Four", "size": 4 } },
  { "name": "at", "type": { "type": "long", "logicalType": "timestamp-millis" } },
  { "name": "at_micros", "type": ["null", { "type": "long", "logicalType": "timestamp-micros" }] },
  { "name": "at_nanos", "type": { "type": "long", "logicalType": "timestamp-nanos" } },
  { "name": "day", "type": { "type": "int", "logicalType": "date" } },
  { "name": "of_day", "type": { "type": "int", "logicalType": "time-millis" } },
  { "name": "amount", "type": { "type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2 } },
  { "name": "id", "type": { "type": "string", "logicalType": "uuid" } },
  { "name": "result", "type": { "type": "enum", "name": "Result", "symbols": ["OK", "DENIED"] } },
  { "name": "again", "type": "Result" },
  { "name": "factors", "type": { "type": "array", "items": "string" } },
  { "name": "labels", "type": { "type": "map", "values": ["string", "long"] } },
  { "name": "client", "type": ["null", { "type": "record", "name": "Client", "fields": [
    { "name": "ip", "type": "string" }, { "name": "behind", "type": ["null", "Client"] } ] }] },
  { "name": "empty", "type": { "type": "record", "name": "Empty", "fields": [] } }
] }"#;

/// A list of any length, within itself.
const CHAIN: &str = r#"{ "type": "record", "name": "Chain", "fields": [ { "name": "next", "type": ["null", "Chain"] } ] }"#;

fn read(schema: &str, datum: &[u8]) -> Result<Json, String> {
    let writer = Writer::of(schema, &[])?;
    let mut out = Vec::new();
    writer.json(datum, &mut out).map_err(|fault| fault.to_string())?;
    Ok(serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out))))
}

#[test]
fn every_type_is_json_as_people_write_it() {
    let client = |ip: &str, behind| {
        let fields = vec![("ip".to_owned(), Value::String(ip.to_owned())), ("behind".to_owned(), behind)];
        Value::Union(1, Box::new(Value::Record(fields)))
    };
    let value = Value::Record(
        [
            ("nothing", Value::Null),
            ("yes", Value::Boolean(true)),
            ("few", Value::Int(-7)),
            ("many", Value::Union(1, Box::new(Value::Long(i64::MAX)))),
            ("half", Value::Float(0.5)),
            ("tenth", Value::Double(f64::NAN)),
            ("raw", Value::Bytes(vec![0, 255])),
            ("text", Value::String("say \"é\"\n".to_owned())),
            ("four", Value::Fixed(4, vec![1, 2, 3, 4])),
            ("at", Value::TimestampMillis(1_760_000_000_123)),
            ("at_micros", Value::Union(1, Box::new(Value::TimestampMicros(1_760_000_000_123_999)))),
            ("at_nanos", Value::TimestampNanos(-1)),
            ("day", Value::Date(20_370)),
            ("of_day", Value::TimeMillis(1)),
            ("amount", Value::Decimal(vec![0xff, 0x38].into())),
            ("id", Value::Uuid("89791762-2336-4186-9674-299b90a802e2".parse().unwrap())),
            ("result", Value::Enum(1, "DENIED".to_owned())),
            ("again", Value::Enum(0, "OK".to_owned())),
            ("factors", Value::Array(vec![Value::String("pwd".to_owned()), Value::String("otp".to_owned())])),
            ("labels", Value::Map([("n".to_owned(), Value::Union(1, Box::new(Value::Long(3))))].into())),
            ("client", client("192.0.2.1", client("192.0.2.2", Value::Union(0, Box::new(Value::Null))))),
            ("empty", Value::Record(Vec::new())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
    );
    let schema = Schema::parse_str(EVERY_TYPE).unwrap();
    let datum = GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap();
    let expected = json!({
        "nothing": null, "yes": true, "few": -7, "many": i64::MAX, "half": 0.5, "tenth": null, "raw": "AP8=", "text": "say \"é\"\n",
        "four": "AQIDBA==", "at": "2025-10-09T08:53:20.123Z", "at_micros": "2025-10-09T08:53:20.123Z", "at_nanos": "1969-12-31T23:59:59.999Z",
        "day": "2025-10-09", "of_day": 1, "amount": -2.0, "id": "89791762-2336-4186-9674-299b90a802e2", "result": "DENIED", "again": "OK",
        "factors": ["pwd", "otp"], "labels": { "n": 3 },
        "client": { "ip": "192.0.2.1", "behind": { "ip": "192.0.2.2", "behind": null } }, "empty": {}
    });
    assert_eq!(read(EVERY_TYPE, &datum), Ok(expected));
    for end in 0..datum.len() {
        assert!(read(EVERY_TYPE, &datum[..end]).is_err(), "cut after {end} of {} bytes", datum.len());
    }
    let longer = [&datum[..], &[0]].concat();
    assert_eq!(
        read(EVERY_TYPE, &longer),
        Err(format!("com.vendor.Log in Avro, byte {}: bytes are left over after the record", datum.len()))
    );
}

#[test]
fn decimals_are_written_in_full() {
    let schema = |scale| {
        format!(r#"{{ "type": "array", "items": {{ "type": "bytes", "logicalType": "decimal", "precision": 20, "scale": {scale} }} }}"#)
    };
    let text = |scale: u32, unscaled: &[u8]| {
        let mut datum = vec![2, unscaled.len() as u8 * 2];
        datum.extend_from_slice(unscaled);
        datum.push(0);
        let mut out = Vec::new();
        Writer::of(&schema(scale), &[]).unwrap().json(&datum, &mut out).map(|()| String::from_utf8(out).unwrap())
    };
    assert_eq!(text(2, &[1, 0]).unwrap(), "[2.56]");
    assert_eq!(text(4, &[0xff]).unwrap(), "[-0.0001]");
    assert_eq!(text(0, &[0x7f; 8]).unwrap(), "[9187201950435737471]");
    assert_eq!(text(2, &[]).unwrap(), "[0.00]");
    assert!(text(2, &[1; 17]).is_err(), "more digits than any database has");
}

#[test]
fn a_text_alone_is_the_record() {
    for schema in [r#""string""#, r#""bytes""#] {
        let mut out = Vec::new();
        Writer::of(schema, &[]).unwrap().json(b"\x04{}", &mut out).unwrap();
        assert_eq!(out, b"{}");
    }
}

#[test]
fn a_schema_may_name_others() {
    let client = r#"{ "type": "record", "name": "com.vendor.Client", "fields": [ { "name": "ip", "type": "string" } ] }"#;
    let login = r#"{ "type": "record", "name": "com.vendor.Login", "fields": [ { "name": "client", "type": "com.vendor.Client" } ] }"#;
    let mut out = Vec::new();
    Writer::of(login, &[client.to_owned()]).unwrap().json(b"\x02x", &mut out).unwrap();
    assert_eq!(out, br#"{"client":{"ip":"x"}}"#);
    assert!(Writer::of(login, &[]).is_err());
    assert!(Writer::of("{", &[]).is_err());
}

#[test]
fn nesting_and_length_have_limits() {
    let chain = |links: usize| [vec![2; links], vec![0]].concat();
    assert!(read(CHAIN, &chain(20)).is_ok());
    let told = read(CHAIN, &chain(100_000)).unwrap_err();
    assert!(told.contains("deeper than any"), "{told}");
    // A million items that take no byte each.
    let nulls: Vec<Json> = (0..100).map(|n| json!({ "name": format!("a_field_that_takes_no_byte_{n}"), "type": "null" })).collect();
    let schema = json!({ "type": "array", "items": { "type": "record", "name": "Nulls", "fields": nulls } }).to_string();
    let mut datum = vec![0x80, 0x89, 0x7a];
    datum.resize(1_000_100, 0);
    let told = read(&schema, &datum).unwrap_err();
    assert!(told.contains("longer than any record"), "{told}");
}

#[test]
fn our_event_is_known_by_its_schema_whichever_release() {
    for released in RELEASED.iter().filter(|r| r.record == Record::Event) {
        let name = format!("fixtures/event-{}.avro", released.version);
        let bytes = std::fs::read(folder(&name)).unwrap();
        // As registries give it back: on one line, other white space.
        let schema: Json = serde_json::from_str(released.schema).unwrap();
        let writer = Writer::of(&schema.to_string(), &[]).unwrap();
        assert_eq!(format!("{writer:?}"), format!("our event, version {}", released.version));
        assert_eq!(writer.event(&bytes[HEADER_BYTES..]).unwrap(), crate::decode_event(&bytes).unwrap(), "{name}");
    }
}

/// A team keeps a copy of our schema of its own: without what it does not use, with what it needs.
#[test]
fn a_changed_event_of_ours_is_resolved() {
    let changed = r#"{ "type": "record", "name": "Event", "namespace": "io.portcullis.v1", "fields": [
      { "name": "cost_centre", "type": "string" },
      { "name": "time", "type": { "type": "long", "logicalType": "timestamp-millis" } },
      { "name": "type", "type": { "type": "enum", "name": "EventType", "symbols": ["auth_login", "auth_mfa"] } },
      { "name": "id", "type": "string" } ] }"#;
    let writer = Writer::of(changed, &[]).unwrap();
    assert!(writer.is_ours());
    let datum = [b"\x02z".as_slice(), &[0x80, 0x80, 0xe6, 0x82, 0xb9, 0x66], b"\x02", b"\x06e-1"].concat();
    let event = writer.event(&datum).unwrap();
    assert_eq!((event.id.as_str(), event.kind.name(), event.time.0), ("e-1", "auth.mfa", 1_760_000_000_000));
    for end in 0..datum.len() {
        assert!(writer.event(&datum[..end]).is_err(), "cut after {end}");
    }
    let other =
        r#"{ "type": "record", "name": "Event", "namespace": "io.portcullis.v1", "fields": [ { "name": "time", "type": "string" } ] }"#;
    assert!(
        Writer::of(other, &[]).is_err_and(|what| what.contains("resolved")) || Writer::of(other, &[]).unwrap().event(b"\x02x").is_err()
    );
}

#[test]
fn a_record_is_registered_by_the_name_that_its_schema_has() {
    for record in Record::ALL {
        let schema: Json = serde_json::from_str(record.schema()).unwrap();
        assert_eq!(record.full_name(), format!("{}.{}", schema["namespace"].as_str().unwrap(), schema["name"].as_str().unwrap()));
    }
}

proptest! {
    #[test]
    fn any_bytes(datum in proptest::collection::vec(any::<u8>(), 0..400)) {
        for schema in [EVERY_TYPE, CHAIN, Record::Verdict.schema(), Record::Control.schema()] {
            if let Ok(json) = read(schema, &datum) {
                prop_assert!(json.is_object());
            }
        }
        for released in RELEASED.iter().filter(|r| r.record == Record::Event) {
            let _ = Writer::of(released.schema, &[]).unwrap().event(&datum);
        }
    }

    #[test]
    fn flipped_bits(event in nouns::<Event>(), flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..4)) {
        let mut datum = super::encoded(&event).split_off(HEADER_BYTES);
        let writer = Writer::of(Record::Event.schema(), &[]).unwrap();
        prop_assert_eq!(writer.event(&datum).unwrap(), event);
        for (at, bit) in &flips {
            let at = at.index(datum.len());
            datum[at] ^= 1 << bit;
        }
        let _ = writer.event(&datum);
    }
}
