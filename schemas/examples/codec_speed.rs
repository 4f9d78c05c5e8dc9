//! What one event costs to read and to write, nanoseconds: `cargo run --release -p portcullis-schemas --example codec_speed`.

use portcullis_core::event::Event;
use portcullis_core::record::EventRecord;
use portcullis_schemas as schemas;
use std::hint::black_box;
use std::time::Instant;

const LOGIN: &str = r#"{"id":"e-000000123456","time":1795000000280,"type":"auth.login","outcome":"success","tenant":"retail-ch","identity":{"id":"u-0001234567","class":"customer"},"session":{"id":"s-9f8e7d6c5b4a"},"source":{"ip":"198.51.100.23","asn":64500,"country":"CH","lat":47.3769,"lon":8.5417,"network":"residential","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0","device_id":"d-77aa66bb55cc"},"auth":{"method":"push","acr":"urn:aal2"}}"#;
const API: &str = r#"{"id":"e-000000123457","time":1795000000290,"type":"api.request","outcome":"success","tenant":"retail-ch","identity":{"id":"svc-settlement","class":"service"},"credential":{"id":"key-4711","kind":"api_key","issued_at":1790000000000},"source":{"ip":"10.1.2.3","workload":"spiffe://prod.example/ns/pay/sa/settlement","workload_proof":"mtls"},"request":{"method":"POST","route":"/v1/settlements/{id}","status":200,"bytes":5120,"object":"st-991","scope":"settlements:write"}}"#;

/// Median of eleven runs, nanoseconds a call.
fn measure(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 100_000;
    let mut runs: Vec<f64> = (0..11)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| call());
            start.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[5]
}

fn main() {
    for (name, json) in [("auth.login", LOGIN), ("api.request", API)] {
        let event: Event = schemas::json::decode_event(json.as_bytes()).expect("a valid event");
        let mut avro = Vec::new();
        schemas::encode_event(&event, &mut avro);
        println!("{name}: JSON {} bytes, Avro {} bytes", json.len(), avro.len());
        let mut out = Vec::with_capacity(1_024);
        let report = |what: &str, ns: f64| println!("  {what:<42}{ns:>8.0} ns");
        report("Avro decode to Event", measure(|| drop(black_box(schemas::decode_event(black_box(&avro))))));
        report(
            "Avro decode to EventRecord (boxed)",
            measure(|| drop(black_box::<Result<EventRecord, _>>(schemas::decode_event_record(black_box(&avro))))),
        );
        report(
            "Avro encode",
            measure(|| {
                out.clear();
                schemas::encode_event(black_box(&event), &mut out);
                black_box(&out);
            }),
        );
        report(
            "JSON, bare serde_json into Event",
            measure(|| drop(black_box(serde_json::from_slice::<Event>(black_box(json.as_bytes()))))),
        );
        report("JSON decode and validate", measure(|| drop(black_box(schemas::json::decode_event(black_box(json.as_bytes()))))));
        report("validate alone", measure(|| drop(black_box(schemas::validate(black_box(&event))))));
        report(
            "JSON encode",
            measure(|| {
                out.clear();
                schemas::json::encode_event(black_box(&event), &mut out);
                black_box(&out);
            }),
        );
    }
}
