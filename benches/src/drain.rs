//! Draining a pre-loaded topic, exactly once, and counting what it costs: a role of ours, or the bare echo.
//!
//! Both run on one thread in this process, pinned by whoever starts it. CPU time counts from the assignment to the last commit, all threads.

use crate::measure::Clock;
use portcullis::worker::{self, Outbox, Pace, Role};
use portcullis_connectors::kafka::topics::{self, Owner, Topic};
use portcullis_connectors::kafka::{
    Batch, KafkaFault, Reader, Settings, Sink, SinkSettings, Source, SourceSettings, Start, TopicPartition,
};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub const PARTITIONS: i32 = 8;
/// The service's unless configured otherwise: a poll that returns nothing more ends a transaction, a backlog fills it.
pub const PACE: Pace = Pace { at_most: Duration::from_millis(20), records_max: 50_000 };
/// Until a new topic has its leaders.
const READY_MAX: Duration = Duration::from_secs(30);
/// Records of a transaction that loads a topic.
const LOADED_AT_ONCE: u64 = 100_000;

/// One drain of a topic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drained {
    pub records: u64,
    pub wall_s: f64,
    pub cpu_s: f64,
    /// Putting the state on disk afterwards, which a service does once, when it ends.
    pub close_cpu_s: f64,
    pub transactions: u64,
    /// Records written to the topic that was asked about, and bytes of their values.
    pub outputs: u64,
    pub output_bytes: u64,
}

impl Drained {
    /// Mean size of an output.
    pub fn output_size(&self) -> usize {
        (self.output_bytes / self.outputs.max(1)) as usize
    }

    /// `events`: what the records came from.
    pub fn line(&self, events: u64) -> String {
        let per_cpu_s = |count: u64| count as f64 / self.cpu_s / 1e3;
        format!(
            "{:.0} k events per CPU second ({:.0} k a second), {:.0} k records per CPU second; {} outputs of {} B ({:.2} % of the events), {} transactions",
            per_cpu_s(events),
            events as f64 / self.wall_s / 1e3,
            per_cpu_s(self.records),
            self.outputs,
            self.output_size(),
            100.0 * self.outputs as f64 / events as f64,
            self.transactions
        )
    }
}

/// A transaction may take as long as a machine that does other things as well needs for it.
fn patient(id: impl Into<String>) -> SinkSettings {
    SinkSettings { transaction_timeout: Duration::from_secs(120), ..SinkSettings::new(id) }
}

/// Fills a topic in transactions of [`LOADED_AT_ONCE`]. `next` appends an event's records to the sink; false ends it.
///
/// # Errors
/// Of Kafka.
pub fn load(settings: &Settings, name: &str, mut next: impl FnMut(&mut Sink) -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let mut sink = Sink::open(settings, patient(format!("{name}-load")))?;
    loop {
        sink.begin()?;
        for _ in 0..LOADED_AT_ONCE {
            if !next(&mut sink)? {
                sink.commit_outputs()?;
                return Ok(());
            }
        }
        sink.commit_outputs()?;
    }
}

/// A topic without settings of its own; one that is there is taken as it is.
///
/// # Errors
/// Of the broker.
pub fn topic(settings: &Settings, name: &str) -> anyhow::Result<()> {
    let topic = Topic {
        name: name.to_owned(),
        owner: Owner::Portcullis,
        purpose: "a bench",
        partitions: PARTITIONS,
        replication: 1,
        settings: Vec::new(),
        readers: &[],
        writers: &[],
    };
    make(settings, &[topic])
}

/// The topics of an installation.
///
/// # Errors
/// Of the broker.
pub fn installation(settings: &Settings, prefix: &str) -> anyhow::Result<()> {
    make(settings, &topics::plan(prefix, PARTITIONS, 1, &[]))
}

/// Makes topics and waits until the broker serves them.
fn make(settings: &Settings, wanted: &[Topic]) -> anyhow::Result<()> {
    topics::apply(settings, wanted).map_err(|e| anyhow::anyhow!("{e}"))?;
    let began = std::time::Instant::now();
    let reader = Reader::open(settings)?;
    for topic in wanted {
        for partition in 0..topic.partitions {
            while let Err(error) = reader.watermarks(&TopicPartition::new(topic.name.as_str(), partition)) {
                anyhow::ensure!(began.elapsed() < READY_MAX, "{error}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
    Ok(())
}

/// Runs a role from the beginning of `log` until it has taken `records` in; `asked` is the output topic that is counted.
///
/// # Errors
/// Of the worker.
pub fn role<R: Role>(settings: &Settings, log: &[&str], group: &str, records: u64, asked: &str, role: R) -> anyhow::Result<Drained> {
    let stop = AtomicBool::new(false);
    let mut drained = Drained::default();
    let counting = Counting { role, stop: &stop, left: records, batch: 0, asked, drained: &mut drained, began: None };
    let source = SourceSettings { instance: None, ..SourceSettings::new(group, "", log) };
    worker::run(settings, &source, patient(group), PACE, counting, &stop)?;
    drained.records = records;
    Ok(drained)
}

/// A role that counts, and stops at the end.
struct Counting<'c, R> {
    role: R,
    stop: &'c AtomicBool,
    left: u64,
    batch: u64,
    asked: &'c str,
    drained: &'c mut Drained,
    began: Option<Clock>,
}

impl<R: Role> Role for Counting<'_, R> {
    const NAME: &'static str = R::NAME;

    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        self.role.assign(source, partitions)?;
        self.began.get_or_insert_with(Clock::start);
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition], lost: bool) -> anyhow::Result<()> {
        let closing = Clock::start();
        self.role.release(partitions, lost)?;
        self.drained.close_cpu_s = closing.read().1;
        Ok(())
    }

    fn turn(&mut self, source: &mut Source) -> anyhow::Result<()> {
        self.role.turn(source)
    }

    fn hold(&mut self, batch: &Batch) -> Vec<TopicPartition> {
        self.role.hold(batch)
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.batch = batch.len() as u64;
        self.role.apply(batch, outbox)?;
        let (outputs, bytes) = outbox.count_of(self.asked);
        self.drained.outputs += outputs as u64;
        self.drained.output_bytes += bytes as u64;
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        self.role.commit()?;
        self.drained.transactions += 1;
        self.left = self.left.saturating_sub(std::mem::take(&mut self.batch));
        if let (0, Some(began)) = (self.left, self.began) {
            (self.drained.wall_s, self.drained.cpu_s) = began.read();
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

/// Consume, pass on `outputs` of the `records`, evenly, as records of `size` bytes, commit: what a core can do at most.
///
/// # Errors
/// Of Kafka.
pub fn echo(settings: &Settings, log: &str, group: &str, records: u64, outputs: u64, size: usize, to: &str) -> anyhow::Result<Drained> {
    let member = SourceSettings { instance: None, ..SourceSettings::new(group, "", &[log]) };
    let mut source = Source::open(settings, &member)?;
    let mut sink = Sink::open(settings, patient(group))?;
    let (verdict, mut batch, mut owed) = (vec![b'x'; size], Batch::new(), 0);
    let mut drained = Drained { records, ..Drained::default() };
    let (mut seen, mut began) = (0, Clock::start());
    while seen < records {
        let received = source.receive(&mut batch, PACE.records_max, PACE.at_most, Duration::from_secs(1))?;
        for at in &received.assigned {
            source.start(at, Start::Beginning)?;
            began = Clock::start();
        }
        source.release()?;
        if batch.is_empty() {
            continue;
        }
        sink.begin()?;
        for record in batch.iter() {
            owed += outputs;
            while owed >= records {
                owed -= records;
                drained.outputs += 1;
                drained.output_bytes += size as u64;
                sink.send(to, Some(record.partition), record.key, Some(&verdict), &[], None)?;
            }
        }
        sink.commit(&batch.next_offsets(), &source)?;
        seen += batch.len() as u64;
        drained.transactions += 1;
    }
    (drained.wall_s, drained.cpu_s) = began.read();
    Ok(drained)
}

/// Every value of a topic that a `read_committed` consumer sees.
///
/// # Errors
/// Of Kafka.
pub fn each_value(settings: &Settings, topic: &str, mut each: impl FnMut(&[u8])) -> Result<(), KafkaFault> {
    let mut reader = Reader::open(settings)?;
    for partition in 0..reader.partitions(topic)? {
        reader.read(&TopicPartition::new(topic, partition), Start::Beginning, None, |record| {
            each(record.value.unwrap_or_default());
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
}
