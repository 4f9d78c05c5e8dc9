//! What INGEST costs, exactly once, from a pre-loaded raw topic on a real Kafka: events in, all their records out.
//!
//! ```text
//! make bench-ingest                       # JSON and Avro, broker on core 0, this on core 1
//! taskset -c 1 target/release/ingest 127.0.0.1:PORT [--events 2000000] [--avro | --registry] [--runs 5] [--simulated]
//! ```
//! Loads the raw topic (8 partitions, lz4; not measured) with the traffic of the peer comparison, 445 B of native JSON an event, or the same
//! events in Avro (`--avro`), or in Avro by a schema registry that is down but whose answer is on disk (`--registry`); `--simulated` takes the traffic of `portcullis simulate`. Then one worker of INGEST drains it `--runs`
//! times: decode, check, enrich (user agents; no GeoIP database), fan out, one transaction for records and source offsets. Counted in raw events per
//! second of this process's CPU time, librdkafka's threads included.

use portcullis::ingest::Ingest;
use portcullis::roles::Topics;
use portcullis::roles::ingest::{IngestRole, IngestSettings, InputTopic};
use portcullis::status::Status;
use portcullis_benches::drain;
use portcullis_benches::measure::median;
use portcullis_benches::traffic::{Population, Traffic};
use portcullis_connectors::enrich::Enricher;
use portcullis_connectors::formats::{Format, Input};
use portcullis_connectors::kafka::Settings;
use portcullis_connectors::registry::{self, Client, SchemaId, Schemas, Shelf, Stored};
use portcullis_schemas::avro::{HEADER_BYTES, Record};
use portcullis_schemas::{encode_event, json};
use portcullis_simulate::Simulation;
use std::path::Path;

const USAGE: &str = "ingest BOOTSTRAP [--events N] [--avro | --registry] [--runs N] [--simulated]";
/// Of our event's schema, in a registry where nobody listens.
const ID: SchemaId = SchemaId::Id(1);
const REGISTRY: &str = "http://127.0.0.1:9";

/// How the events stand in the raw topic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Json,
    Avro,
    Registered,
}

fn main() -> anyhow::Result<()> {
    let mut given = std::env::args().skip(1);
    let bootstrap = given.next().ok_or_else(|| anyhow::anyhow!(USAGE))?;
    let (mut events, mut runs, mut encoding, mut simulated) = (2_000_000u64, 5usize, Encoding::Json, false);
    while let Some(flag) = given.next() {
        let mut value = || given.next().ok_or_else(|| anyhow::anyhow!("{flag} needs a value; {USAGE}"));
        match flag.as_str() {
            "--avro" => encoding = Encoding::Avro,
            "--registry" => encoding = Encoding::Registered,
            "--simulated" => simulated = true,
            "--events" => events = value()?.parse()?,
            "--runs" => runs = value()?.parse()?,
            other => anyhow::bail!("{other}? {USAGE}"),
        }
    }
    let settings = Settings::new(bootstrap);
    let raw = format!("ingest-{}-raw", std::process::id());
    drain::topic(&settings, &raw)?;
    let (events, bytes) = load(&settings, &raw, events, encoding, simulated)?;
    println!("loaded {events} events of {} B", bytes / events);

    let folder = tempfile::tempdir()?;
    let mut rates = Vec::new();
    for run in 0..runs {
        let prefix = format!("ingest-{}-{run}", std::process::id());
        drain::installation(&settings, &prefix)?;
        let topics = Topics::new(&prefix);
        let input = InputTopic { format: Format::Native, input: Input::operator(&raw), is_registered: encoding == Encoding::Registered };
        let written = topics.events.clone();
        let wanted = IngestSettings {
            kafka: settings.clone(),
            topics,
            cluster: "bench".to_owned(),
            inputs: vec![input],
            schemas: schemas(encoding, folder.path())?,
        };
        let role = IngestRole::new(wanted, Ingest::new(Enricher::without_geo()), Status::default().worker("ingest", 0))?;
        let drained = drain::role(&settings, &[&raw], &prefix, events, &written, role)?;
        println!("run {run}: INGEST {}", drained.line(events));
        rates.push(events as f64 / drained.cpu_s / 1e3);
    }
    println!(
        "RESULT ingest {}{}: median of {runs}: {:.0} k events per CPU second",
        match encoding {
            Encoding::Json => "json",
            Encoding::Avro => "avro",
            Encoding::Registered => "avro by a registry",
        },
        if simulated { ", simulated" } else { "" },
        median(rates)
    );
    Ok(())
}

/// What is known of the schema.
fn schemas(encoding: Encoding, directory: &Path) -> anyhow::Result<Option<Schemas>> {
    if encoding != Encoding::Registered {
        return Ok(None);
    }
    let about = registry::Settings { url: REGISTRY.to_owned(), basic: None, authorities: None };
    let shelf = Shelf::open(directory, REGISTRY)?;
    let schema = Record::Event.schema().to_owned();
    shelf.keep(ID, &Stored { registry: REGISTRY.to_owned(), id: ID.to_string(), schema, references: Vec::new() })?;
    Ok(Some(Schemas::start(Client::new(about).map_err(anyhow::Error::msg)?, shelf)?))
}

/// How many events were loaded, and their bytes.
fn load(settings: &Settings, topic: &str, wanted: u64, encoding: Encoding, simulated: bool) -> anyhow::Result<(u64, u64)> {
    let mut simulation = match simulated {
        true => Some(Simulation::new(portcullis_simulate::Settings { events: wanted, ..portcullis_simulate::Settings::default() })?),
        false => None,
    };
    let mut traffic = Traffic::new(1, Population::DEFAULT);
    let (mut line, mut key, mut coded, mut events, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0, 0);
    drain::load(settings, topic, |sink| {
        line.clear();
        key.clear();
        coded.clear();
        match &mut simulation {
            Some(simulation) => {
                if simulation.next_line(&mut line).is_none() {
                    return Ok(false);
                }
                key.extend_from_slice(&u64::to_le_bytes(events));
            }
            None if events == wanted => return Ok(false),
            None => traffic.event(&mut key, &mut line),
        }
        let mut value = line.trim_ascii_end();
        if encoding != Encoding::Json {
            let event = json::decode_event(value).map_err(|fault| anyhow::anyhow!("{fault}"))?;
            encode_event(&event, &mut coded);
            if encoding == Encoding::Registered {
                let mut frame = Vec::new();
                ID.write(&mut frame);
                drop(coded.splice(..HEADER_BYTES, frame));
            }
            value = &coded;
        }
        (events, bytes) = (events + 1, bytes + value.len() as u64);
        sink.send(topic, None, Some(&key), Some(value), &[], None)?;
        Ok(true)
    })?;
    Ok((events, bytes))
}
