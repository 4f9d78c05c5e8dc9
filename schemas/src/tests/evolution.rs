//! The evolution rule, enforced: whoever changes a schema without keeping its predecessor, or in a way that old bytes cannot follow, meets
//! a failing test that says what to do.

use super::{folder, schema};
use crate::avro::{self, RELEASED, Record, Released};
use crate::*;
use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// CRC-64-AVRO of the parsing canonical form, in which a type with attributes that are stripped is its bare name.
///
/// (`apache-avro` 0.22 leaves `{"type":"long"}` of a logical type where the Java and Python libraries have `"long"`: so they go first.)
fn fingerprint(schema: &str) -> u64 {
    let schema = without_logical_types(&serde_json::from_str(schema).unwrap());
    let bytes = Schema::parse(&schema).unwrap().fingerprint::<Rabin>().bytes;
    u64::from_le_bytes(bytes.try_into().unwrap())
}

fn without_logical_types(schema: &Json) -> Json {
    match schema {
        Json::Object(object) if object.contains_key("logicalType") => object["type"].clone(),
        Json::Object(object) => object.iter().map(|(key, value)| (key.clone(), without_logical_types(value))).collect(),
        Json::Array(items) => items.iter().map(without_logical_types).collect(),
        other => other.clone(),
    }
}

fn versions(record: Record) -> Vec<&'static Released> {
    RELEASED.iter().filter(|r| r.record == record).collect()
}

/// A schema without its documentation.
fn bare(schema: &Json) -> Json {
    match schema {
        Json::Object(object) => object.iter().filter(|(key, _)| *key != "doc").map(|(key, value)| (key.clone(), bare(value))).collect(),
        Json::Array(items) => items.iter().map(bare).collect(),
        other => other.clone(),
    }
}

fn parsed(schema: &str) -> Json {
    bare(&serde_json::from_str(schema).unwrap())
}

#[test]
fn the_schema_in_force_is_the_newest_that_history_keeps() {
    for record in Record::ALL {
        let newest = *versions(record).last().unwrap();
        let name = record.name();
        assert_eq!(
            parsed(record.schema()),
            parsed(newest.schema),
            "schemas/avro/{name}.avsc differs from its last release. Copy the new text to schemas/avro/history/{name}-{}.avsc, append it to \
             RELEASED, pin its fingerprint, and add a fixture; history itself is never edited",
            newest.version + 1
        );
        assert_eq!(record.fingerprint(), newest.fingerprint, "{name}: fingerprint() is not that of the newest release");
    }
}

#[test]
fn fingerprints_are_pinned() {
    for released in RELEASED {
        let (name, version) = (released.record.name(), released.version);
        assert_eq!(released.fingerprint, fingerprint(released.schema), "history/{name}-{version}.avsc was edited after its release");
    }
}

#[test]
fn history_is_complete_and_every_release_has_a_fixture() {
    let listed: Vec<String> = RELEASED.iter().map(|r| format!("{}-{}", r.record.name(), r.version)).collect();
    for (path, extension) in [("avro/history", "avsc"), ("fixtures", "avro"), ("fixtures", "json")] {
        let mut kept: Vec<String> = std::fs::read_dir(folder(path))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == extension))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        kept.sort();
        let mut listed = listed.clone();
        listed.sort();
        assert_eq!(kept, listed, "{path}/*.{extension} and RELEASED");
    }
}

#[test]
fn each_release_follows_the_rule() {
    for record in Record::ALL {
        for pair in versions(record).windows(2) {
            let (old, new) = (pair[0], pair[1]);
            assert!(old.version < new.version);
            follows(&parsed(old.schema), &parsed(new.schema)).unwrap_or_else(|e| panic!("{} {}: {e}", record.name(), new.version));
            let can_read = SchemaCompatibility::can_read(&Schema::parse_str(old.schema).unwrap(), &schema(record));
            assert_eq!(can_read.unwrap(), Compatibility::Full, "{} {}", record.name(), old.version);
        }
    }
}

/// Bytes that another library (fastavro 1.12) wrote with each schema when it was released.
#[test]
fn the_bytes_of_every_release_are_read() {
    for released in RELEASED {
        let name = format!("{}-{}", released.record.name(), released.version);
        let bytes = std::fs::read(folder("fixtures").join(format!("{name}.avro"))).unwrap();
        let json = std::fs::read(folder("fixtures").join(format!("{name}.json"))).unwrap();
        match released.record {
            Record::Event => {
                assert_eq!(decode_event(&bytes).unwrap(), json::decode_logged_event(&json).unwrap(), "{name}");
                assert!(decode_event_record(&bytes).is_ok() && decode_gate_record(&bytes).is_ok(), "{name}");
            }
            Record::Control => {
                let control: portcullis_core::record::Control = serde_json::from_slice(&json).unwrap();
                assert_eq!(decode_event_record(&bytes).unwrap(), portcullis_core::record::EventRecord::Control(control), "{name}");
            }
            Record::Verdict => assert_eq!(decode_verdict(&bytes, Encoding::Avro), decode_verdict(&json, Encoding::Json), "{name}"),
            Record::ContainmentRequest => {
                assert_eq!(decode_request(&bytes, Encoding::Avro), decode_request(&json, Encoding::Json), "{name}")
            }
            Record::ContainmentDecision => {
                assert_eq!(decode_decision(&bytes, Encoding::Avro), decode_decision(&json, Encoding::Json), "{name}")
            }
            Record::SecurityEvent => assert_eq!(decode_fact(&bytes, Encoding::Avro), decode_fact(&json, Encoding::Json), "{name}"),
            Record::LifecycleFinding => assert_eq!(decode_finding(&bytes, Encoding::Avro), decode_finding(&json, Encoding::Json), "{name}"),
            Record::ContainmentAnswer => {
                assert_eq!(decode_answer(&bytes, Encoding::Avro), decode_answer(&json, Encoding::Json), "{name}")
            }
            Record::Proposal => assert_eq!(decode_proposal(&bytes, Encoding::Avro), decode_proposal(&json, Encoding::Json), "{name}"),
            Record::Journal => assert_eq!(decode_journal_record(&bytes).unwrap(), serde_json::from_slice(&json).unwrap(), "{name}"),
        }
        let cut = &bytes[..bytes.len() - 1];
        assert!(avro::split_header(cut).is_ok());
        assert!(decode_event(cut).is_err() && decode_verdict(cut, Encoding::Avro).is_err() && decode_journal_record(cut).is_err());
    }
}

#[test]
fn a_release_keeps_bytes_that_follow_an_older_record() {
    let mut bytes = std::fs::read(folder("fixtures/event-0.avro")).unwrap();
    bytes.push(0);
    assert!(matches!(decode_event(&bytes), Err(DecodeError::Resolution { record: "event", version: 0, .. })));
}

/// Whether `new` may follow `old`: the rule of the crate's documentation. Names of types are resolved, for they may be defined elsewhere.
fn follows(old: &Json, new: &Json) -> Result<(), String> {
    let mut types = (BTreeMap::new(), BTreeMap::new());
    define(old, &mut types.0);
    define(new, &mut types.1);
    let mut names: Vec<&String> = types.0.keys().collect();
    names.sort();
    if old["name"] != new["name"] || old["namespace"] != new["namespace"] {
        return Err("the record was renamed".to_owned());
    }
    for name in names {
        let (old, new) = (&types.0[name], types.1.get(name).ok_or(format!("type {name} is gone"))?);
        one_type(old, new).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}

/// Named types by name.
fn define(schema: &Json, types: &mut BTreeMap<String, Json>) {
    match schema {
        Json::Object(object) => {
            if let Some(name) = object.get("name").filter(|_| object.contains_key("fields") || object.contains_key("symbols")) {
                types.insert(name.as_str().unwrap().to_owned(), schema.clone());
            }
            object.values().for_each(|value| define(value, types));
        }
        Json::Array(items) => items.iter().for_each(|item| define(item, types)),
        _ => {}
    }
}

/// A use of a type, with named types by their names only.
fn usage(schema: &Json) -> Json {
    match schema {
        Json::Object(object) if object.contains_key("fields") || object.contains_key("symbols") => object["name"].clone(),
        Json::Object(object) => object.iter().map(|(key, value)| (key.clone(), usage(value))).collect(),
        Json::Array(items) => items.iter().map(usage).collect(),
        other => other.clone(),
    }
}

fn one_type(old: &Json, new: &Json) -> Result<(), String> {
    let list = |schema: &Json, key: &str| schema[key].as_array().cloned().unwrap_or_default();
    if old["type"] != new["type"] || old["default"] != new["default"] {
        return Err("its kind or its default changed".to_owned());
    }
    if !list(new, "symbols").starts_with(&list(old, "symbols")) {
        return Err("symbols are only added, at the end".to_owned());
    }
    let (before, after) = (list(old, "fields"), list(new, "fields"));
    if after.len() < before.len() {
        return Err("a field is gone".to_owned());
    }
    for (old, new) in before.iter().zip(&after) {
        let (old_type, new_type) = (usage(&old["type"]), usage(&new["type"]));
        // A union of records, such as that of `Control`, may gain branches at its end.
        let grew = matches!((&old_type, &new_type), (Json::Array(a), Json::Array(b)) if b.starts_with(a) && a[0] != "null");
        if old["name"] != new["name"] || (old_type != new_type && !grew) || old.get("default") != new.get("default") {
            return Err(format!("field {} was renamed, moved, retyped, or its default changed", old["name"]));
        }
    }
    match after[before.len()..].iter().find(|field| field.get("default").is_none()) {
        Some(field) => Err(format!("field {} is new and has no default", field["name"])),
        None => Ok(()),
    }
}

/// The judge itself is judged: each forbidden change is refused, each permitted one passes.
#[test]
fn the_rule_forbids_what_it_says() {
    let field = |name: &str, schema: Json| json!({ "name": name, "type": schema });
    let colour = json!({ "type": "enum", "name": "Colour", "symbols": ["red", "green"] });
    let record = |fields: Json| json!({ "type": "record", "name": "R", "namespace": "n", "fields": fields });
    let old = record(json!([field("a", json!("string")), field("b", json!(["null", colour])), field("c", json!("Colour"))]));
    let change = |from: &str, to: &str| -> Json { serde_json::from_str(&old.to_string().replace(from, to)).unwrap() };
    let with = |field: Json| {
        let mut new = old.clone();
        new["fields"].as_array_mut().unwrap().push(field);
        new
    };

    follows(&old, &old).unwrap();
    follows(&old, &with(json!({ "name": "d", "type": "long", "default": 0 }))).unwrap();
    follows(&old, &change("\"green\"", "\"green\",\"blue\"")).unwrap();

    let mut moved = old.clone();
    moved["fields"].as_array_mut().unwrap().swap(0, 2);
    let mut fewer = old.clone();
    fewer["fields"].as_array_mut().unwrap().pop();
    let forbidden = [
        with(json!({ "name": "d", "type": "long" })),
        change("\"green\"", "\"blue\""),
        change("\"red\",", ""),
        change("\"red\",", "\"blue\",\"red\","),
        change("\"a\"", "\"z\""),
        change("\"string\"", "\"bytes\""),
        change("\"null\",", ""),
        change("\"R\"", "\"S\""),
        moved,
        fewer,
    ];
    for new in forbidden {
        assert!(follows(&old, &new).is_err(), "{new}");
    }
}
