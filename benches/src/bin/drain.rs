//! What SCORE costs with the whole default policy, exactly once, from a pre-loaded topic on a real Kafka, beside the bare echo of the same
//! topic in the same run.
//!
//! ```text
//! make bench-drain                        # both emissions, broker on core 0, this on core 1
//! taskset -c 1 target/release/drain 127.0.0.1:PORT [--events 3000000] [--emit changes|floor|all] [--runs 5] [--simulated] [--memory MB]
//! ```
//! Makes the events log once as INGEST makes it (decoded, enriched, a record per subject; not measured), then lets one worker of SCORE drain
//! it `--runs` times: RocksDB, journal and transactions as in the service. After each run the echo reads the same records and passes on as
//! many as SCORE wrote verdicts, of their mean size. Both count in events (not records) per second of this process's CPU time, librdkafka's
//! and RocksDB's threads included.
//!
//! The traffic is the peer comparison's over a million identities. With `--emit changes`, the default policy as it is, so many of
//! the events come from a strange place ([`STRANGE`]) that about 2 % draw a verdict; `--emit all` writes one for every record. `--simulated` takes
//! the traffic of `portcullis simulate` instead: fewer identities, each with a life of weeks behind it, so its profiles are what profiles come
//! to weigh.

use portcullis::active_policy::policy_record;
use portcullis::ingest::{Ingest, Ingested};
use portcullis::partition::identity_of;
use portcullis::roles::score::Score;
use portcullis::roles::{Place, Topics};
use portcullis::status::Status;
use portcullis_benches::drain::{self, Drained, PARTITIONS};
use portcullis_benches::measure::{median, resident_mb};
use portcullis_benches::traffic::{Population, Traffic};
use portcullis_connectors::enrich::Enricher;
use portcullis_connectors::formats::{Format, Input};
use portcullis_connectors::kafka::{KafkaFault, Settings, Sink};
use portcullis_core::event::{Event, Origin};
use portcullis_core::fanout::subjects;
use portcullis_core::policy::parse::{DEFAULT_TEXT, parse};
use portcullis_core::profile::Profile;
use portcullis_core::record::Control;
use portcullis_core::subject::SubjectRef;
use portcullis_core::time::Time;
use portcullis_schemas::{Encoding, encode_control, encode_event};
use portcullis_simulate::Simulation;
use portcullis_state::{Partition, Shared, StateOptions, Value};
use std::path::Path;

/// Share of the events that come from a strange place, such that the default policy writes a verdict for about 2 % of all events.
const STRANGE: f64 = 0.005;

struct Args {
    bootstrap: String,
    events: u64,
    emit: String,
    runs: usize,
    simulated: bool,
    strange: f64,
    memory_mb: usize,
}

const USAGE: &str = "drain BOOTSTRAP [--events N] [--emit changes|floor|all] [--runs N] [--simulated] [--strange SHARE] [--memory MB]";

fn args() -> anyhow::Result<Args> {
    let mut given = std::env::args().skip(1);
    let bootstrap = given.next().ok_or_else(|| anyhow::anyhow!(USAGE))?;
    let mut args =
        Args { bootstrap, events: 3_000_000, emit: "changes".into(), runs: 5, simulated: false, strange: STRANGE, memory_mb: 4096 };
    while let Some(flag) = given.next() {
        let mut value = || given.next().ok_or_else(|| anyhow::anyhow!("{flag} needs a value; {USAGE}"));
        match flag.as_str() {
            "--simulated" => args.simulated = true,
            "--events" => args.events = value()?.parse()?,
            "--emit" => args.emit = value()?,
            "--runs" => args.runs = value()?.parse()?,
            "--strange" => args.strange = value()?.parse()?,
            "--memory" => args.memory_mb = value()?.parse()?,
            other => anyhow::bail!("{other}? {USAGE}"),
        }
    }
    Ok(args)
}

fn main() -> anyhow::Result<()> {
    let args = args()?;
    let settings = Settings::new(args.bootstrap.clone());
    let prefix = format!("drain-{}", std::process::id());
    let source = Topics::new(&prefix);
    drain::installation(&settings, &prefix)?;
    let loaded = load(&settings, &source, &args)?;
    println!(
        "loaded {} events as {} records of {} B ({:.2} an event)",
        loaded.events,
        loaded.records,
        loaded.bytes / loaded.records,
        loaded.records as f64 / loaded.events as f64
    );
    let records = loaded.records + PARTITIONS as u64; // and the policy
    let (mut ours, mut echoes) = (Vec::new(), Vec::new());
    for run in 0..args.runs {
        let into = format!("{prefix}-{run}");
        drain::installation(&settings, &into)?;
        let topics = Topics { events: source.events.clone(), ..Topics::new(&into) };
        let dir = tempfile::tempdir()?;
        let shared = Shared::new(StateOptions::with_memory(args.memory_mb << 20));
        let place = Place::new(dir.path().to_owned(), shared.clone(), PARTITIONS, Status::default().worker("score", 0));
        let score = Score::new(&settings, place, topics.clone(), Encoding::Json);
        let drained = drain::role(&settings, &[&source.events], &into, records, &topics.verdicts, score)?;
        println!("run {run}: SCORE {}", drained.line(loaded.events));
        if run == 0 {
            weigh(dir.path(), &shared, &source.events)?;
        }
        let group = format!("{into}-echo");
        let echo_to = format!("{group}-out");
        drain::topic(&settings, &echo_to)?;
        let echo = drain::echo(&settings, &source.events, &group, records, drained.outputs, drained.output_size(), &echo_to)?;
        println!("run {run}: ECHO  {}", echo.line(loaded.events));
        ours.push(drained);
        echoes.push(echo);
    }
    let rate = |drained: &Drained| loaded.events as f64 / drained.cpu_s / 1e3;
    let (resident, peak) = resident_mb();
    println!(
        "RESULT drain emit {}: median of {}: {:.0} k events per CPU second, {:.1} % of the echo's {:.0} k; {:.2} % emitted; {resident} MiB resident, {peak} at most",
        args.emit,
        args.runs,
        median(ours.iter().map(rate)),
        100.0 * median(ours.iter().zip(&echoes).map(|(ours, echo)| echo.cpu_s / ours.cpu_s)),
        median(echoes.iter().map(rate)),
        100.0 * ours[0].outputs as f64 / loaded.events as f64,
    );
    Ok(())
}

#[derive(Default)]
struct Loaded {
    events: u64,
    records: u64,
    bytes: u64,
}

/// The policy to every partition, then the events as INGEST writes them.
fn load(settings: &Settings, topics: &Topics, args: &Args) -> anyhow::Result<Loaded> {
    let text = DEFAULT_TEXT.replace("\nemit: changes\n", &format!("\nemit: {}\n", args.emit));
    let policy = parse("the default policy", &text).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    let mut control = Vec::new();
    encode_control(&Control::Policy(policy_record(&policy, text, "bench", Time(0))), &mut control);

    let mut lines = Lines::new(args)?;
    let input = Input::operator("bench");
    let mut ingest = Ingest::new(Enricher::without_geo());
    let (mut loaded, mut line, mut buffers, mut applied) = (Loaded::default(), Vec::new(), (Vec::new(), Vec::new()), false);
    drain::load(settings, &topics.events, |sink| {
        if !std::mem::replace(&mut applied, true) {
            for partition in 0..PARTITIONS {
                sink.send(&topics.events, Some(partition), Some(b"policy"), Some(&control), &[], None)?;
            }
        }
        line.clear();
        if !lines.next(&mut line) {
            return Ok(false);
        }
        let origin = Origin { cluster: "bench".into(), topic: "bench".into(), offset: loaded.events as i64, ..Origin::default() };
        let mut failed = None;
        ingest.record(Format::Native, &line, &input, origin, &mut |item| {
            if let Ingested::Event(event) = item {
                failed = failed.take().or(send(sink, topics, &event, &mut buffers, &mut loaded).err());
            }
        });
        failed.map_or(Ok(true), |fault: KafkaFault| Err(fault.into()))
    })?;
    Ok(loaded)
}

fn send(
    sink: &mut Sink,
    topics: &Topics,
    event: &Event<'_>,
    (key, value): &mut (Vec<u8>, Vec<u8>),
    loaded: &mut Loaded,
) -> Result<(), KafkaFault> {
    value.clear();
    encode_event(event, value);
    loaded.events += 1;
    let mut sent = Ok(());
    subjects(event, &mut |kind, id| {
        key.clear();
        SubjectRef { kind, tenant: &event.tenant, id }.write_key(key);
        loaded.records += 1;
        loaded.bytes += value.len() as u64;
        if sent.is_ok() {
            sent = sink.send(&topics.events, None, Some(key), Some(value), &[], None);
        }
    });
    sent
}

/// Where the raw events come from.
enum Lines {
    Traffic { traffic: Box<Traffic>, left: u64, key: Vec<u8> },
    Simulated(Box<Simulation>),
}

impl Lines {
    fn new(args: &Args) -> anyhow::Result<Lines> {
        if args.simulated {
            let settings = portcullis_simulate::Settings { events: args.events, ..portcullis_simulate::Settings::default() };
            return Ok(Lines::Simulated(Box::new(Simulation::new(settings)?)));
        }
        let population = Population { strange: args.strange, ..Population::DEFAULT };
        Ok(Lines::Traffic { traffic: Box::new(Traffic::new(1, population)), left: args.events, key: Vec::new() })
    }

    fn next(&mut self, line: &mut Vec<u8>) -> bool {
        match self {
            Lines::Simulated(simulation) => simulation.next_line(line).is_some(),
            Lines::Traffic { left: 0, .. } => false,
            Lines::Traffic { traffic, left, key } => {
                *left -= 1;
                key.clear();
                traffic.event(key, line);
                true
            }
        }
    }
}

/// What the profiles weigh as they are stored.
fn weigh(dir: &Path, shared: &Shared, log: &str) -> anyhow::Result<()> {
    let (mut sizes, mut bytes): (Vec<u32>, Vec<u8>) = Default::default();
    for partition in 0..PARTITIONS {
        let identity = identity_of(log, partition, PARTITIONS);
        let mut state = Partition::<Profile>::open(&dir.join(format!("score-{partition}")), shared, &identity)?;
        state.for_each(|key, value, _| {
            if let (true, Some(value)) = (key.starts_with(b"identity\x1f"), value) {
                bytes.clear();
                Value::encode(&value, &mut bytes);
                sizes.push(bytes.len() as u32);
            }
        })?;
    }
    sizes.sort_unstable();
    let at = |share: f64| sizes[((sizes.len() - 1) as f64 * share) as usize];
    let mean = sizes.iter().map(|size| u64::from(*size)).sum::<u64>() / sizes.len().max(1) as u64;
    let files = std::fs::read_dir(dir)?.flatten().filter_map(|dir| std::fs::read_dir(dir.path()).ok()).flatten();
    let disk: u64 = files.flatten().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
    println!(
        "       {} identities: {mean} B a profile (median {}, 90 % within {}, 99 % within {}); {} MiB on disk with the other subjects",
        sizes.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        disk >> 20
    );
    Ok(())
}
