//! How long it takes from producing an event to reading its verdict as a `read_committed` consumer: the probe beside a running service.
//!
//! ```text
//! make bench-latency                      # starts broker and service, SCORE alone and all roles, at two rates
//! taskset -c 0 target/release/latency 127.0.0.1:PORT PREFIX score|all [--rate 5000] [--warm 60] [--measure 60]
//! ```
//! `score` writes events to `PREFIX.events` as INGEST would (one record each: API calls by a known identity), `all` native JSON to
//! `PREFIX-raw`. The service must run with `emit: all`. An event's time runs from the moment at which it was due, whether or not the probe was
//! late, to the moment at which its identity's verdict was returned by the consumer; the first seconds do not count.

use portcullis_benches::traffic::{Population, Traffic};
use portcullis_connectors::kafka::{Batch, Settings, Source, SourceSettings, Start};
use portcullis_core::event::EventType;
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_schemas::{encode_event, json};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const USAGE: &str = "latency BOOTSTRAP PREFIX score|all [--rate N] [--warm S] [--measure S]";
/// Without a verdict for this long the rest is missing.
const PATIENCE: Duration = Duration::from_secs(15);
const CONTROL_MAX: Duration = Duration::from_secs(60);

struct Probe {
    settings: Settings,
    prefix: String,
    /// All three roles, or SCORE alone.
    all: bool,
    rate: u64,
    warm_s: u64,
    measure_s: u64,
}

/// Keys and values to be produced, the number of the event in its id.
type Records = Vec<(Vec<u8>, Vec<u8>)>;

fn main() -> anyhow::Result<()> {
    let probe = args()?;
    let records = probe.records()?;
    let (ready, start) = (AtomicBool::new(false), std::sync::OnceLock::new());
    let (latencies, late) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| probe.read(records.len(), &ready, &start));
        while !ready.load(Ordering::Acquire) && !reader.is_finished() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let late = probe.produce(&records, &start);
        (reader.join().expect("the reader does not panic"), late)
    });
    let (latencies, late) = (latencies?, late?);
    let mut measured: Vec<f64> = latencies[(probe.rate * probe.warm_s) as usize..].iter().flatten().copied().collect();
    measured.sort_by(f64::total_cmp);
    anyhow::ensure!(!measured.is_empty(), "no verdict came: does the service run with `emit: all`?");
    let at = |share: f64| measured[((measured.len() as f64 * share).ceil() as usize).clamp(1, measured.len()) - 1];
    println!(
        "RESULT latency {} rate={} measured={} missing={} p50_ms={:.1} p90_ms={:.1} p99_ms={:.1} p999_ms={:.1} max_ms={:.1} producer_late_max_ms={:.1}",
        if probe.all { "all roles" } else { "score" },
        probe.rate,
        measured.len(),
        probe.rate * probe.measure_s - measured.len() as u64,
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0),
        late.as_secs_f64() * 1e3
    );
    Ok(())
}

fn args() -> anyhow::Result<Probe> {
    let mut given = std::env::args().skip(1);
    let (Some(bootstrap), Some(prefix), Some(roles)) = (given.next(), given.next(), given.next()) else { anyhow::bail!(USAGE) };
    let all = match roles.as_str() {
        "score" => false,
        "all" => true,
        other => anyhow::bail!("{other}? {USAGE}"),
    };
    let mut probe = Probe { settings: Settings::new(bootstrap), prefix, all, rate: 5_000, warm_s: 60, measure_s: 60 };
    while let Some(flag) = given.next() {
        let value = given.next().ok_or_else(|| anyhow::anyhow!("{flag} needs a value; {USAGE}"))?.parse()?;
        match flag.as_str() {
            "--rate" => probe.rate = value,
            "--warm" => probe.warm_s = value,
            "--measure" => probe.measure_s = value,
            other => anyhow::bail!("{other}? {USAGE}"),
        }
    }
    Ok(probe)
}

impl Probe {
    fn records(&self) -> anyhow::Result<Records> {
        let mut traffic = Traffic::new(2, Population::DEFAULT);
        (0..self.rate * (self.warm_s + self.measure_s))
            .map(|_| {
                let (mut key, mut line) = (Vec::new(), Vec::new());
                traffic.event(&mut key, &mut line);
                if self.all {
                    return Ok((key, line));
                }
                let mut event = json::decode_event(&line).map_err(|fault| anyhow::anyhow!("{fault}"))?;
                (event.kind, event.checkout) = (EventType::ApiRequest, None);
                let mut value = Vec::new();
                encode_event(&event, &mut value);
                let id = event.identity_id().unwrap_or_default();
                Ok((SubjectRef { kind: Kind::Identity, tenant: &event.tenant, id }.key(), value))
            })
            .collect()
    }

    /// Produces each record when it is due; how late the latest was.
    fn produce(&self, records: &Records, start: &std::sync::OnceLock<Instant>) -> anyhow::Result<Duration> {
        let mut config = ClientConfig::new();
        for (name, value) in [
            ("bootstrap.servers", self.settings.bootstrap_servers.as_str()),
            ("acks", "all"),
            ("compression.type", "lz4"),
            ("linger.ms", "1"),
            // As Java's producers do; librdkafka would send a request for each partition each millisecond, however far behind the broker is.
            ("max.in.flight.requests.per.connection", "5"),
            ("batch.size", "65536"),
            ("partitioner", "murmur2_random"),
            ("queue.buffering.max.messages", "1000000"),
        ] {
            config.set(name, value);
        }
        let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
        let topic = if self.all { format!("{}-raw", self.prefix) } else { format!("{}.events", self.prefix) };
        producer.client().fetch_metadata(Some(&topic), CONTROL_MAX)?;
        let step = Duration::from_secs_f64(1.0 / self.rate as f64);
        let start = *start.get_or_init(|| Instant::now() + Duration::from_millis(200));
        let mut late = Duration::ZERO;
        for (number, (key, value)) in (0u32..).zip(records) {
            let due = start + step * number;
            while let Some(wait) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(wait.min(Duration::from_micros(500)));
            }
            late = late.max(due.elapsed());
            producer.send(BaseRecord::to(&topic).key(key).payload(value)).map_err(|(error, _)| error)?;
        }
        producer.flush(CONTROL_MAX)?;
        Ok(late)
    }

    /// When each event's verdict was read, in milliseconds after it was due.
    fn read(&self, events: usize, ready: &AtomicBool, start: &std::sync::OnceLock<Instant>) -> anyhow::Result<Vec<Option<f64>>> {
        let verdicts = format!("{}.verdicts", self.prefix);
        let member = SourceSettings {
            instance: None,
            ..SourceSettings::new(format!("{}-latency-{}", self.prefix, std::process::id()), "", &[&verdicts])
        };
        let mut source = Source::open(&self.settings, &member)?;
        let mut batch = Batch::new();
        let (mut latencies, mut read, mut last) = (vec![None; events], 0, Instant::now());
        let step = 1.0 / self.rate as f64;
        while read < events {
            let received = source.receive(&mut batch, 10_000, Duration::ZERO, Duration::from_millis(100))?;
            let now = Instant::now();
            for at in &received.assigned {
                let end = source.watermarks(at, CONTROL_MAX)?.1;
                source.start(at, Start::At(end))?;
                ready.store(true, Ordering::Release);
            }
            source.release()?;
            for record in batch.iter() {
                let Some(number) = record.value.and_then(event_number).filter(|number| *number < events) else { continue };
                let start = *start.wait();
                let due = start + Duration::from_secs_f64(step * number as f64);
                latencies[number] = Some(now.saturating_duration_since(due).as_secs_f64() * 1e3);
                (read, last) = (read + 1, now);
            }
            let produced = start.get().is_some_and(|start| start.elapsed().as_secs_f64() > step * events as f64);
            if produced && last.elapsed() > PATIENCE {
                break;
            }
        }
        Ok(latencies)
    }
}

/// The number in the id of the event that a verdict on an identity is about.
fn event_number(verdict: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(verdict).ok()?;
    text.find(r#""subject":{"kind":"identity""#)?;
    let (_, rest) = text.split_once(r#""event_id":"e-"#)?;
    rest.split_once('"')?.0.parse().ok()
}
