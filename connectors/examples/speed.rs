//! What reading costs: `cargo run --release -p portcullis-connectors --example speed`.

use portcullis_connectors::enrich::{Enricher, GeoSettings};
use portcullis_connectors::file::{Batch, FileReader, sort};
use portcullis_connectors::formats::{Format, Input, Item, decode};
use std::hint::black_box;
use std::io::Write;

const CHROME: &str =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Safari/537.36";

fn native(i: u64) -> String {
    format!(
        r#"{{"id":"e-{i}","time":{},"type":"auth.login","outcome":"success","identity":{{"id":"u-{}","class":"customer"}},"session":{{"id":"s-{i}"}},"source":{{"ip":"198.51.{}.{}","user_agent":"{CHROME}","device_id":"d-{}"}},"auth":{{"method":"password"}}}}"#,
        1_760_000_000_000 + (i * 7919) % 86_400_000,
        i % 5000,
        i % 256,
        i / 256 % 256,
        i % 7000
    )
}

fn per_record(name: &str, count: u64, mut work: impl FnMut(u64)) {
    for i in 0..count / 10 {
        work(i);
    }
    let start = cpu_ns();
    for i in 0..count {
        work(i);
    }
    println!("{name}: {:.0} ns", (cpu_ns() - start) / count as f64);
}

/// Time that this thread has been on a processor, which other people's load does not lengthen (Linux; 0 elsewhere).
fn cpu_ns() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let input = Input::operator("speed");
    let records: Vec<String> = (0..1000).map(native).collect();
    let trail = r#"{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROA:s","arn":"arn:aws:sts::1:assumed-role/Admin/s","accountId":"1","accessKeyId":"ASIA","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::1:role/Admin","accountId":"1","userName":"Admin"},"attributes":{"creationDate":"2026-05-01T10:00:00Z","mfaAuthenticated":"false"}}},"eventTime":"2026-05-01T10:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.1","userAgent":"aws-cli/2.15","requestParameters":{"instancesSet":{},"filterSet":{}},"responseElements":null,"requestID":"r","eventID":"e","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"1","eventCategory":"Management"}"#;
    println!("native record {} bytes, CloudTrail record {} bytes", records[0].len(), trail.len());
    per_record("the native codec alone", 1_000_000, |i| {
        drop(black_box(portcullis_schemas::json::decode_event(records[i as usize % 1000].as_bytes())))
    });
    for (name, format) in [("decode native", Format::Native), ("decode native as auto", Format::Auto)] {
        per_record(name, 1_000_000, |i| {
            decode(format, records[i as usize % 1000].as_bytes(), &input, &mut |_, item| drop(black_box(item)))
        });
    }
    for (name, format) in [("decode CloudTrail", Format::CloudTrail), ("decode CloudTrail as auto", Format::Auto)] {
        per_record(name, 200_000, |_| decode(format, trail.as_bytes(), &input, &mut |_, item| drop(black_box(item))));
    }

    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/geoip");
    let settings = GeoSettings {
        city: Some(data.join("GeoIP2-City-Test.mmdb")),
        asn: Some(data.join("GeoLite2-ASN-Test.mmdb")),
        ..GeoSettings::default()
    };
    let mut enricher = if data.is_dir() { Enricher::open(&settings)? } else { Enricher::without_geo() };
    let mut agents = portcullis_connectors::enrich::agent::Agents::default();
    per_record("user agent, cached", 1_000_000, |_| {
        black_box(agents.look_up(black_box(CHROME)));
    });
    per_record("user agent, new", 20_000, |i| {
        black_box(agents.look_up(&format!("{CHROME} {i}")));
    });
    per_record("decode native and enrich", 1_000_000, |i| {
        decode(Format::Native, records[i as usize % 1000].as_bytes(), &input, &mut |_, item| {
            if let Item::Event(mut event) = item {
                enricher.enrich(&mut event);
                black_box(event);
            }
        })
    });

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.ndjson");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&path)?);
    let count = 1_000_000;
    for i in 0..count {
        writeln!(out, "{}", native(i))?;
    }
    out.flush()?;
    let bytes = std::fs::metadata(&path)?.len();
    let name = path.to_str().unwrap_or_default().to_owned();
    let pretty = folder.path().join("pretty.json");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&pretty)?);
    for record in (0..200_000).map(native) {
        serde_json::to_writer_pretty(&mut out, &serde_json::from_str::<serde_json::Value>(&record)?)?;
        writeln!(out)?;
    }
    out.flush()?;
    let pretty_bytes = std::fs::metadata(&pretty)?.len();
    for (what, name, bytes) in
        [("lines", name.as_str(), bytes), ("pretty-printed values", pretty.to_str().unwrap_or_default(), pretty_bytes)]
    {
        for _ in 0..2 {
            let start = cpu_ns();
            let (mut reader, mut batch, mut records) = (FileReader::open(name)?, Batch::default(), 0);
            while reader.next_batch(&mut batch)? {
                records += batch.len();
            }
            println!("reader, {what}: {records} records, {:.0} MB/s", bytes as f64 * 1e3 / (cpu_ns() - start));
        }
    }
    for memory in [sort::MEMORY_BYTES * 4, 64 << 20] {
        let start = cpu_ns();
        let mut sorted = sort::merge(std::slice::from_ref(&name), Format::Native, memory, Default::default())?;
        let mut records = 0u64;
        while sorted.next()?.is_some() {
            records += 1;
        }
        println!("sort by time within {} MiB: {:.0} ns a record", memory >> 20, (cpu_ns() - start) / records as f64);
    }
    Ok(())
}
