//! What one event costs to read and to write, nanoseconds: `cargo run --release -p portcullis-schemas --example codec_speed [WORDS OF THE LINE]`.

use portcullis_core::event::Event;
use portcullis_schemas as schemas;
use portcullis_schemas::avro::{HEADER_BYTES, Record, Writer};
use std::hint::black_box;
use std::time::Instant;

const LOGIN: &str = r#"{"id":"e-000000123456","time":1795000000280,"type":"auth.login","outcome":"success","tenant":"retail-ch","identity":{"id":"u-0001234567","class":"customer"},"session":{"id":"s-9f8e7d6c5b4a"},"source":{"ip":"198.51.100.23","asn":64500,"country":"CH","lat":47.3769,"lon":8.5417,"network":"residential","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0","device_id":"d-77aa66bb55cc"},"auth":{"method":"push","acr":"urn:aal2"}}"#;
const API: &str = r#"{"id":"e-000000123457","time":1795000000290,"type":"api.request","outcome":"success","tenant":"retail-ch","identity":{"id":"svc-settlement","class":"service"},"credential":{"id":"key-4711","kind":"api_key","issued_at":1790000000000},"source":{"ip":"10.1.2.3","workload":"spiffe://prod.example/ns/pay/sa/settlement","workload_proof":"mtls"},"request":{"method":"POST","route":"/v1/settlements/{id}","status":200,"bytes":5120,"object":"st-991","scope":"settlements:write"}}"#;

/// The least of 400 short runs, nanoseconds a call: what the call costs when nothing disturbs it.
fn measure(what: &str, mut call: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|words| !what.contains(&words)) {
        return;
    }
    const CALLS: u32 = 1_000;
    let ns = (0..400)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| call());
            start.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .fold(f64::INFINITY, f64::min);
    println!("  {what:<46}{ns:>8.0} ns");
}

fn main() {
    let older = include_bytes!("../fixtures/event-0.avro");
    println!("an event of an older schema: {} bytes", older.len());
    measure("Avro decode, resolved to the schema in force", || {
        black_box(&schemas::decode_event(black_box(older)));
    });
    for (name, json) in [("auth.login", LOGIN), ("api.request", API)] {
        let event: Event = schemas::json::decode_event(json.as_bytes()).expect("a valid event");
        let mut avro = Vec::new();
        schemas::encode_event(&event, &mut avro);
        println!("{name}: JSON {} bytes, Avro {} bytes", json.len(), avro.len());
        let mut out = Vec::with_capacity(1_024);
        let (avro, json) = (avro.as_slice(), json.as_bytes());
        // By reference: a value that passes through black_box is copied, which costs as much as reading it.
        measure("Avro decode to Event", || {
            black_box(&schemas::decode_event(black_box(avro)));
        });
        let (writer, datum) = (Writer::of(Record::Event.schema(), &[]).expect("our schema"), &avro[HEADER_BYTES..]);
        measure("Avro decode by a registry's schema", || {
            black_box(&writer.event(black_box(datum)));
        });
        // Its name makes the same datum somebody else's.
        let foreign = Record::Event.schema().replacen("\"Event\"", "\"Stranger\"", 1);
        let foreign = Writer::of(&foreign, &[]).expect("a schema");
        let mut json_of = Vec::with_capacity(4_096);
        measure("Avro of another schema to JSON", || {
            json_of.clear();
            drop(black_box(foreign.json(black_box(datum), &mut json_of)));
        });
        measure("Avro decode to EventRecord (boxed)", || {
            black_box(&schemas::decode_event_record(black_box(avro)));
        });
        measure("Avro encode", || {
            out.clear();
            schemas::encode_event(black_box(&event), &mut out);
            black_box(&out);
        });
        measure("JSON, bare serde_json into Event", || {
            black_box(&serde_json::from_slice::<Event>(black_box(json)));
        });
        measure("JSON decode and validate", || {
            black_box(&schemas::json::decode_event(black_box(json)));
        });
        measure("validate alone", || {
            black_box(&schemas::validate(black_box(&event)));
        });
        measure("JSON encode", || {
            out.clear();
            schemas::json::encode_event(black_box(&event), &mut out);
            black_box(&out);
        });
    }
}
