//! What SCORE costs, exactly once, from a pre-loaded topic on a real Kafka, beside the bare echo of the same topic in the same run.
//!
//! ```text
//! target/release/kafka-broker &                         # or any broker; prints its address
//! taskset -c 1 target/release/drain 127.0.0.1:PORT [EVENTS=1000000] [SEED=1]
//! ```
//! Simulates, decodes and fans out EVENTS once (not measured), then lets one worker of SCORE drain the events log: RocksDB, journal and
//! transactions as in the service. The echo afterwards reads the same records and passes on as many, of the same mean size, as SCORE wrote.
//! Both are counted in events (not records) per second of this process's CPU time, librdkafka's threads included.

use portcullis::roles::score::Score;
use portcullis::roles::{Place, Topics};
use portcullis::status::Status;
use portcullis::worker::{self, Outbox, Pace, Role};
use portcullis_connectors::formats::{self, Format, Input, Item};
use portcullis_connectors::kafka::{Batch, Settings, Sink, SinkSettings, Source, SourceSettings, Start, TopicPartition, topics};
use portcullis_core::fanout::subjects;
use portcullis_core::subject::SubjectRef;
use portcullis_schemas::{Encoding, encode_event};
use portcullis_simulate::Simulation;
use portcullis_state::{Shared, StateOptions};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 8;
/// As the service does when it is behind.
const PACE: Pace = Pace { at_most: Duration::from_millis(500), records_max: 50_000 };

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let Some(bootstrap) = args.get(1) else { return Err("drain BOOTSTRAP [EVENTS] [SEED]".into()) };
    let number = |i: usize, default: u64| args.get(i).map_or(Ok(default), |a| a.parse());
    let (events, seed) = (number(2, 1_000_000)?, number(3, 1)?);
    let settings = Settings::new(bootstrap.clone());
    let prefix = format!("drain-{}", std::process::id());
    topics::apply(&settings, &topics::plan(&prefix, PARTITIONS, 1, &[])).map_err(|e| e.to_string())?;
    let names = Topics::new(&prefix);
    let loaded = load(&settings, &names, events, seed)?;
    println!(
        "loaded {} events as {} records ({:.2} a record each)",
        loaded.events,
        loaded.records,
        loaded.records as f64 / loaded.events as f64
    );

    let score = drain_score(&settings, &names, loaded.records)?;
    println!("SCORE {}", score.line(&loaded));
    let share = score.outputs as f64 / loaded.records as f64;
    let echo = drain_echo(&settings, &names, loaded.records, share, score.output_bytes / score.outputs.max(1) as usize)?;
    println!("ECHO  {}", echo.line(&loaded));
    println!("SCORE is {:.0} % of the echo in events per CPU second", 100.0 * echo.cpu_s / score.cpu_s);
    Ok(())
}

struct Loaded {
    events: u64,
    records: u64,
}

/// One drain of the topic.
struct Drained {
    wall_s: f64,
    cpu_s: f64,
    transactions: u64,
    outputs: u64,
    output_bytes: usize,
}

impl Drained {
    fn line(&self, loaded: &Loaded) -> String {
        format!(
            "{:.0} events/s, {:.0} events per CPU second, {:.0} records per CPU second; {} outputs of {} B in {} transactions",
            loaded.events as f64 / self.wall_s,
            loaded.events as f64 / self.cpu_s,
            loaded.records as f64 / self.cpu_s,
            self.outputs,
            self.output_bytes / self.outputs.max(1) as usize,
            self.transactions
        )
    }
}

fn load(settings: &Settings, names: &Topics, events: u64, seed: u64) -> Result<Loaded, Box<dyn Error>> {
    let mut simulation = Simulation::new(portcullis_simulate::Settings { seed, events, ..portcullis_simulate::Settings::default() })?;
    let mut sink = Sink::open(settings, SinkSettings::new(format!("{}-load", names.events)))?;
    let input = Input::operator("drain");
    let (mut line, mut key, mut value, mut loaded, mut failed) =
        (Vec::new(), Vec::new(), Vec::new(), Loaded { events: 0, records: 0 }, None);
    let mut open = false;
    while simulation.next_line(&mut line).is_some() {
        if !open {
            sink.begin()?;
            open = true;
        }
        formats::decode(Format::Native, &line, &input, &mut |_, item| {
            let Item::Event(event) = item else { return };
            loaded.events += 1;
            value.clear();
            encode_event(&event, &mut value);
            subjects(&event, &mut |kind, id| {
                key.clear();
                SubjectRef { kind, tenant: &event.tenant, id }.write_key(&mut key);
                loaded.records += 1;
                failed = sink.send(&names.events, None, Some(&key), Some(&value), &[], None).err();
            });
        });
        if let Some(error) = failed.take() {
            return Err(error.into());
        }
        line.clear();
        if loaded.events.is_multiple_of(50_000) {
            sink.commit_outputs()?;
            open = false;
        }
    }
    if open {
        sink.commit_outputs()?;
    }
    Ok(loaded)
}

/// SCORE as the service runs it, until it has decided on everything.
fn drain_score(settings: &Settings, names: &Topics, records: u64) -> Result<Drained, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let stop = AtomicBool::new(false);
    let shared = Shared::new(StateOptions::with_memory(2 << 30));
    let place = Place::new(dir.path().to_owned(), shared, PARTITIONS, Status::default().worker("score", 0));
    let score = Score::new(settings, place, names.clone(), Encoding::Json);
    let mut drained = Drained { wall_s: 0.0, cpu_s: 0.0, transactions: 0, outputs: 0, output_bytes: 0 };
    let counting = Counting { role: score, stop: &stop, left: records, batch: 0, drained: &mut drained, began: None };
    let source = SourceSettings { instance: None, ..SourceSettings::new(format!("{}-score", names.events), "", &[&names.events]) };
    worker::run(settings, &source, SinkSettings::new(format!("{}-score", names.events)), PACE, counting, &stop)
        .map_err(|e| format!("{e:#}"))?;
    Ok(drained)
}

/// A role that counts and stops at the end.
struct Counting<'c, R> {
    role: R,
    stop: &'c AtomicBool,
    left: u64,
    batch: u64,
    drained: &'c mut Drained,
    began: Option<(Instant, f64)>,
}

impl<R: Role> Role for Counting<'_, R> {
    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        self.role.assign(source, partitions)?;
        self.began = Some((Instant::now(), cpu_s()));
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition], lost: bool) -> anyhow::Result<()> {
        self.role.release(partitions, lost)
    }

    fn turn(&mut self, source: &mut Source) -> anyhow::Result<()> {
        self.role.turn(source)
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.batch = batch.len() as u64;
        self.role.apply(batch, outbox)?;
        self.drained.outputs += outbox.len() as u64;
        self.drained.output_bytes += outbox.value_bytes();
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        self.role.commit()?;
        self.drained.transactions += 1;
        self.left = self.left.saturating_sub(std::mem::take(&mut self.batch));
        if let (0, Some((wall, cpu))) = (self.left, self.began) {
            (self.drained.wall_s, self.drained.cpu_s) = (wall.elapsed().as_secs_f64(), cpu_s() - cpu);
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn abort(&mut self) {
        self.role.abort();
    }

    /// Nothing: timers of events from the past are not what is measured.
    fn idle(&mut self, _source: &Source, _outbox: &mut Outbox) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Consume, pass on a share, commit.
fn drain_echo(settings: &Settings, names: &Topics, records: u64, share: f64, output_bytes: usize) -> Result<Drained, Box<dyn Error>> {
    let member = SourceSettings { instance: None, ..SourceSettings::new(format!("{}-echo", names.events), "", &[&names.events]) };
    let mut source = Source::open(settings, &member)?;
    let mut sink = Sink::open(settings, SinkSettings::new(format!("{}-echo", names.events)))?;
    let (verdict, mut batch, mut seen, mut owed) = (vec![b'x'; output_bytes], Batch::new(), 0, 0.0);
    let mut drained = Drained { wall_s: 0.0, cpu_s: 0.0, transactions: 0, outputs: 0, output_bytes: 0 };
    let mut began = (Instant::now(), cpu_s());
    while seen < records {
        let received = source.receive(&mut batch, PACE.records_max, PACE.at_most, Duration::from_secs(1))?;
        for at in &received.assigned {
            source.start(at, Start::Beginning)?;
            began = (Instant::now(), cpu_s());
        }
        source.release()?;
        if batch.is_empty() {
            continue;
        }
        sink.begin()?;
        for record in batch.iter() {
            owed += share;
            while owed >= 1.0 {
                owed -= 1.0;
                drained.outputs += 1;
                drained.output_bytes += output_bytes;
                sink.send(&names.verdicts, None, record.key, Some(&verdict), &[], None)?;
            }
        }
        sink.commit(&batch.next_offsets(), &source)?;
        seen += batch.len() as u64;
        drained.transactions += 1;
    }
    (drained.wall_s, drained.cpu_s) = (began.0.elapsed().as_secs_f64(), cpu_s() - began.1);
    Ok(drained)
}

/// CPU time of this process, all threads.
fn cpu_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
