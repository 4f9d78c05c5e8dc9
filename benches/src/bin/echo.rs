//! The bare echo: what one core can do on a Kafka at most, exactly once, through our own source and sink, when nothing is parsed or
//! remembered. Consume, pass on a share of the records, commit offsets and outputs in one transaction. `drain` is measured against it.
//!
//! ```text
//! cargo run --release -p portcullis-benches --bin echo -- load BOOTSTRAP EVENTS     # topics echo-in, echo-out: 8 partitions, 300 B JSON, lz4
//! taskset -c 1 target/release/echo drain BOOTSTRAP EVENTS SHARE [RECORDS_A_TRANSACTION] [OUTPUT_BYTES]
//! ```
//!
//! The broker and nothing else on core 0. Prints events a second of wall time and of CPU time (all threads of this process, librdkafka's
//! included). Medians of at least five runs.

use portcullis_connectors::kafka::topics::{self, Owner, Topic};
use portcullis_connectors::kafka::{Batch, Settings, Sink, SinkSettings, Source, SourceSettings, Start};
use std::error::Error;
use std::time::{Duration, Instant};

const INPUT: &str = "echo-in";
const OUTPUT: &str = "echo-out";
const PARTITIONS: i32 = 8;
const LOAD_PER_TRANSACTION: u64 = 100_000;
const USAGE: &str = "echo load BOOTSTRAP EVENTS | echo drain BOOTSTRAP EVENTS SHARE [RECORDS_A_TRANSACTION] [OUTPUT_BYTES]";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: f64| args.get(i).map_or(Ok(default), |arg| arg.parse::<f64>());
    match args.first().map(String::as_str) {
        Some("load") if args.len() == 3 => load(&Settings::new(&args[1]), number(2, 0.0)? as u64),
        Some("drain") if args.len() >= 4 => drain(
            &Settings::new(&args[1]),
            number(2, 0.0)? as u64,
            number(3, 0.0)?,
            number(4, 50_000.0)? as usize,
            number(5, 250.0)? as usize,
        ),
        _ => Err(USAGE.into()),
    }
}

fn load(settings: &Settings, events: u64) -> Result<(), Box<dyn Error>> {
    let plain = |name: &str| Topic {
        name: name.into(),
        owner: Owner::Portcullis,
        purpose: "the echo",
        partitions: PARTITIONS,
        replication: 1,
        settings: Vec::new(),
        readers: &[],
        writers: &[],
    };
    topics::apply(settings, &[plain(INPUT), plain(OUTPUT)])?;
    let mut sink = Sink::open(settings, SinkSettings::new("echo-load"))?;
    for first in (0..events).step_by(LOAD_PER_TRANSACTION as usize) {
        sink.begin()?;
        for i in first..events.min(first + LOAD_PER_TRANSACTION) {
            let id = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44; // about a million identities, equally likely
            let key = format!("u-{id}");
            let value = format!(
                r#"{{"id":"e-{i:09}","time":{},"type":"api.request","outcome":"success","tenant":"acme","identity":{{"id":"{key}","class":"customer"}},"credential":{{"id":"k-{id}","kind":"session","issued_at":1760000000000}},"source":{{"ip":"203.0.113.{}","asn":64501,"country":"DE","lat":52.5,"lon":13.4}},"request":{{"method":"GET","route":"/v1/a/{{id}}","status":200}}}}"#,
                1_760_000_000_000 + i,
                id % 250
            );
            sink.send(INPUT, None, Some(key.as_bytes()), Some(value.as_bytes()), &[], None)?;
        }
        sink.commit_outputs()?;
    }
    println!("loaded {events}");
    Ok(())
}

fn drain(settings: &Settings, events: u64, share: f64, per_transaction: usize, output_bytes: usize) -> Result<(), Box<dyn Error>> {
    let run = std::process::id();
    let member = SourceSettings { instance: None, ..SourceSettings::new(format!("echo-{run}"), "", &[INPUT]) };
    let mut source = Source::open(settings, &member)?;
    let mut sink = Sink::open(settings, SinkSettings::new(format!("echo-{run}")))?;
    let verdict = vec![b'x'; output_bytes];
    let mut batch = Batch::new();
    let (mut seen, mut sent, mut owed) = (0_u64, 0_u64, 0.0);
    let (mut transactions, mut settling, mut committing) = (0_u32, Duration::ZERO, Duration::ZERO);
    let mut start = (Instant::now(), cpu_s());
    while seen < events {
        let received = source.receive(&mut batch, per_transaction, Duration::from_millis(500), Duration::from_secs(1))?;
        for at in &received.assigned {
            source.start(at, Start::Beginning)?;
            start = (Instant::now(), cpu_s());
        }
        source.release()?;
        if let Some(fault) = received.faults.first() {
            return Err(format!("{fault:?}").into());
        }
        if batch.is_empty() {
            continue;
        }
        sink.begin()?;
        for record in batch.iter() {
            owed += share;
            if owed >= 1.0 {
                owed -= 1.0;
                sent += 1;
                sink.send(OUTPUT, None, record.key, Some(&verdict), &[], None)?;
            }
        }
        let committed = sink.commit(&batch.next_offsets(), &source)?;
        seen += batch.len() as u64;
        transactions += 1;
        settling += committed.settling;
        committing += committed.committing;
    }
    let (wall, cpu) = (start.0.elapsed().as_secs_f64(), cpu_s() - start.1);
    let each = |total: Duration| total.as_secs_f64() * 1e3 / f64::from(transactions);
    println!(
        "ECHO events={seen} sent={sent} share={share} output_bytes={output_bytes} ev_per_s={:.0} ev_per_cpu_s={:.0} transactions={transactions} \
         settle_ms={:.1} commit_ms={:.1} rotations={}",
        seen as f64 / wall,
        seen as f64 / cpu,
        each(settling),
        each(committing),
        sink.rotations()
    );
    Ok(())
}

/// CPU time of this process, all threads, seconds (Linux: clock ticks are hundredths).
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
