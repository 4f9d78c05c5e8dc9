//! A schema of anybody's and a datum by it, as a registry and a producer give them: refused, or an event, or JSON. Split at the first zero byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_schemas::avro::Writer;
use std::sync::LazyLock;

const SCHEMA: &str = r#"{"type":"record","name":"Log","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
{"name":"who","type":["null","string"]},{"name":"tags","type":{"type":"map","values":{"type":"array","items":["int","double","bytes"]}}},
{"name":"next","type":["null","Log"]},{"name":"sum","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["a","b"]}},{"name":"id","type":{"type":"fixed","name":"Id","size":4}}]}"#;

static KNOWN: LazyLock<Writer> = LazyLock::new(|| Writer::of(SCHEMA, &[]).unwrap_or_else(|e| panic!("{e}")));

fn read(writer: &Writer, datum: &[u8]) {
    let _ = writer.event(datum);
    let mut json = Vec::new();
    if writer.json(datum, &mut json).is_ok() {
        std::str::from_utf8(&json).unwrap_or_else(|e| panic!("{e}"));
    }
}

fuzz_target!(|data: &[u8]| {
    read(&KNOWN, data);
    let at = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    let (text, datum) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    if let Ok(text) = std::str::from_utf8(text)
        && let Ok(writer) = Writer::of(text, &[])
    {
        read(&writer, datum);
    }
});
