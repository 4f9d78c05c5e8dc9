//! The commit loop: one OS thread owns one consumer, one transactional producer and its partitions. Every role runs it.
//!
//! ```text
//! receive -> decode -> load -> observe -> rules -> decide -> publish -> commit -> remember
//! └ source ┘ └──────────────── role.apply ───────────────┘  └──── sink ────┘ └ role.commit ┘
//! ```
//!
//! Why in this order: nothing is remembered that has not been published, and what is published commits together with the offsets of what
//! it was made of. So a crash at any point leaves either the whole batch or nothing of it, and the state, a cache, only ever lags. It is one
//! thread and no queue because the transaction is the only thing worth waiting for; a second worker computes meanwhile.

use crate::telemetry;
use crate::trace::Context;
use anyhow::Context as _;
use portcullis_connectors::failpoint::{self, Point};
use portcullis_connectors::kafka::{
    Batch, CommitFault, KafkaFault, Orphans, PartitionFault, Recovery, Settings, Sink, SinkSettings, Source, SourceSettings, TopicPartition,
};
use portcullis_state::StateFault;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What differs between the roles.
pub trait Role {
    /// `ingest`, `score`, `gate`, `answers`, `publish` or `transmit`.
    const NAME: &'static str;
    /// It keeps the records of a batch until it is done with them, and commits their offsets itself then ([`Outbox::commit`]).
    const COMMITS_LATER: bool = false;
    /// Of a batch at the most, however many the pace allows.
    const RECORDS_MAX: usize = usize::MAX;

    /// Partitions are ours from now on: start them, or begin to bring their state to where the group has committed; `turn` starts them then.
    ///
    /// # Errors
    /// When a partition cannot be started; the error says what to do.
    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()>;

    /// Partitions are others' from now on. `lost`: they have been for a while.
    ///
    /// # Errors
    /// When the state cannot be written to disk.
    fn release(&mut self, partitions: &[TopicPartition], lost: bool) -> anyhow::Result<()>;

    /// Between two batches: what was begun aside may be done, and what is due now and then is looked after.
    ///
    /// # Errors
    /// When Kafka cannot be asked or the state cannot be written.
    fn turn(&mut self, source: &mut Source) -> anyhow::Result<()> {
        let _ = source;
        Ok(())
    }

    /// Partitions of the batch that cannot be decided on yet, whatever the others are. Nothing of them is delivered until the role starts
    /// them again, in `turn`, at the first offset that they have here.
    fn hold(&mut self, batch: &Batch) -> Vec<TopicPartition> {
        let _ = batch;
        Vec::new()
    }

    /// Decides on a batch; what is to be written goes to the outbox.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()>;

    /// The batch is published: remember it.
    ///
    /// # Errors
    /// When the state cannot be written to disk.
    fn commit(&mut self) -> anyhow::Result<()>;

    /// The batch is not published: forget it.
    fn abort(&mut self);

    /// No record came for a while: what is due although none did.
    ///
    /// # Errors
    /// When Kafka cannot be asked.
    fn idle(&mut self, source: &Source, outbox: &mut Outbox) -> anyhow::Result<()>;
}

/// How the loop takes its batches.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A transaction closes when a poll returns nothing more, at the latest after this long,
    pub at_most: Duration,
    /// or this many records.
    pub records_max: usize,
}

/// Waiting for the first record of a batch; timers are looked at this often.
const IDLE_WAIT: Duration = Duration::from_millis(200);
/// After an abort, before the batch is tried again.
const BACKOFF: Duration = Duration::from_millis(500);
const COMMITTED_MAX: Duration = Duration::from_secs(10);
/// How long a consumer may take to close.
const LEAVE_MAX: Duration = Duration::from_secs(10);
/// How often the group is asked whether it has partitions that nobody owns, and for how long.
const ORPHANS_LOOK: Duration = Duration::from_secs(10);
const ORPHANS_MAX: Duration = Duration::from_secs(1);

/// Records to be written in one transaction, in order. Kept between batches for its capacity.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    records: Vec<OutRecord>,
    /// Names and values of all records' headers.
    headers: Vec<(Range<usize>, Range<usize>)>,
    /// The headers of the trace that what is added now is part of.
    carried: Vec<(Range<usize>, Range<usize>)>,
    /// To be committed beside those of the batch.
    offsets: Vec<(TopicPartition, i64)>,
}

struct OutRecord {
    topic: Arc<str>,
    partition: Option<i32>,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

/// A record of the outbox.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'o> {
    pub topic: &'o str,
    /// `None`: murmur2 of the key.
    pub partition: Option<i32>,
    pub key: Option<&'o [u8]>,
    /// `None`: a tombstone.
    pub value: Option<&'o [u8]>,
    headers: &'o [(Range<usize>, Range<usize>)],
    bytes: &'o [u8],
}

impl<'o> Outgoing<'o> {
    /// Names and values, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'o str, &'o [u8])> + use<'o> {
        let (headers, bytes) = (self.headers, self.bytes);
        headers.iter().map(|(name, value)| (str::from_utf8(&bytes[name.clone()]).unwrap_or_default(), &bytes[value.clone()]))
    }
}

impl Outbox {
    /// Adds a record. `partition`: `None` is murmur2 of the key.
    pub fn push(&mut self, topic: &Arc<str>, partition: Option<i32>, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let key = self.bytes(|b| b.extend_from_slice(key));
        let value = self.bytes(write);
        self.add(topic, partition, Some(key), Some(value));
        if let (false, Some(last)) = (self.carried.is_empty(), self.records.last_mut()) {
            self.headers.extend_from_slice(&self.carried);
            last.headers.end = self.headers.len();
        }
    }

    /// A tombstone: the key has no value any more.
    pub fn push_tombstone(&mut self, topic: &Arc<str>, key: &[u8]) {
        let key = self.bytes(|b| b.extend_from_slice(key));
        self.add(topic, None, Some(key), None);
    }

    /// A record as it came, key and value untouched.
    pub fn push_raw(&mut self, topic: &Arc<str>, key: Option<&[u8]>, value: Option<&[u8]>) {
        let key = key.map(|k| self.bytes(|b| b.extend_from_slice(k)));
        let value = value.map(|v| self.bytes(|b| b.extend_from_slice(v)));
        self.add(topic, None, key, value);
    }

    fn add(&mut self, topic: &Arc<str>, partition: Option<i32>, key: Option<Range<usize>>, value: Option<Range<usize>>) {
        let headers = self.headers.len()..self.headers.len();
        self.records.push(OutRecord { topic: Arc::clone(topic), partition, key, value, headers });
    }

    /// Adds a header to the last record.
    pub fn header(&mut self, name: &str, value: &[u8]) {
        let name = self.bytes(|b| b.extend_from_slice(name.as_bytes()));
        let value = self.bytes(|b| b.extend_from_slice(value));
        if let Some(last) = self.records.last_mut() {
            self.headers.push((name, value));
            last.headers.end = self.headers.len();
        }
    }

    /// From now on what is pushed is part of this trace, until the next call. What goes on as it came has headers of its own.
    pub fn carry(&mut self, context: Option<Context<'_>>) {
        self.carried.clear();
        let Some(context) = context else { return };
        context.headers(&mut |name, value| {
            let name = self.bytes(|b| b.extend_from_slice(name.as_bytes()));
            let value = self.bytes(|b| b.extend_from_slice(value));
            self.carried.push((name, value));
        });
    }

    /// Commits an offset in the same transaction, though no record of the partition is in the batch, or it is not committed with it.
    pub fn commit(&mut self, at: TopicPartition, offset: i64) {
        self.offsets.push((at, offset));
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.offsets.is_empty()
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// What goes to one topic: records, and bytes of their values.
    pub fn count_of(&self, topic: &str) -> (usize, usize) {
        let ours = self.records.iter().filter(|r| *r.topic == *topic);
        ours.fold((0, 0), |(records, bytes), r| (records + 1, bytes + r.value.as_ref().map_or(0, Range::len)))
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.offsets.clear();
        self.records.clear();
        self.headers.clear();
        self.carried.clear();
    }

    fn bytes(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let from = self.bytes.len();
        write(&mut self.bytes);
        from..self.bytes.len()
    }

    /// What is to be written, in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Outgoing<'_>> {
        self.records.iter().map(|record| {
            let slice = |range: &Option<Range<usize>>| range.clone().map(|r| &self.bytes[r]);
            let (key, value) = (slice(&record.key), slice(&record.value));
            let headers = &self.headers[record.headers.clone()];
            Outgoing { topic: &record.topic, partition: record.partition, key, value, headers, bytes: &self.bytes }
        })
    }

    fn send(&self, sink: &mut Sink) -> Result<(), KafkaFault> {
        let mut headers: Vec<(&str, &[u8])> = Vec::new();
        for (number, record) in self.records().enumerate() {
            if number == self.len() / 2 {
                failpoint::pass(Point::MidOutputs);
            }
            headers.clear();
            headers.extend(record.headers());
            sink.send(record.topic, record.partition, record.key, record.value, &headers, None)?;
        }
        Ok(())
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Published {
    Yes,
    /// Nothing of it is visible: the same batch again.
    No,
    /// Nothing of it is visible, and the group may have given our partitions to others.
    Lost,
}

/// Runs a worker until `stop` is set. Everything committed is on disk when it returns.
///
/// # Errors
/// What a restart of the worker may mend, or not: `is_final` tells.
pub fn run<R: Role>(
    settings: &Settings,
    source: &SourceSettings,
    sink: SinkSettings,
    pace: Pace,
    mut role: R,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let mut sink = Sink::open(settings, sink)?;
    let mut source = Source::open(settings, source)?;
    let done = drive(&mut sink, &mut source, pace, &mut role, stop);
    // Before the consumer: whoever gets the partitions next, beside us, opens their directories.
    drop(role);
    leave(source);
    done
}

/// Closes the consumer on a thread of its own: librdkafka can wait for ever there for an answer of a part of itself that has ended already. One that does
/// not end is left behind; the next of the same name takes its place in the group.
fn leave(source: Source) {
    let (tell, left) = mpsc::channel();
    let closing = std::thread::Builder::new().name("leaving".to_owned()).spawn(move || {
        drop(source);
        let _whoever_waits = tell.send(());
    });
    if closing.is_ok() && left.recv_timeout(LEAVE_MAX).is_err() {
        tracing::warn!("the consumer does not close within {LEAVE_MAX:?}, and is left behind");
    }
}

/// The loop.
fn drive<R: Role>(sink: &mut Sink, source: &mut Source, pace: Pace, role: &mut R, stop: &AtomicBool) -> anyhow::Result<()> {
    let (mut batch, mut outbox) = (Batch::new(), Outbox::default());
    let mut orphans = OrphanWatch::default();
    while !stop.load(Ordering::Relaxed) {
        role.turn(source)?;
        sink.serve();
        if orphans.must_leave(source) {
            let mine = source.started()?;
            role.release(&mine, false)?;
            return Err(LeavesTheGroup.into());
        }
        let received = source.receive(&mut batch, pace.records_max.min(R::RECORDS_MAX), pace.at_most, IDLE_WAIT)?;
        for notice in &received.notices {
            tracing::warn!(?notice, "kafka");
        }
        if !received.revoked.is_empty() {
            tracing::info!(partitions = names(&received.revoked), lost = received.lost, "partitions revoked");
            role.release(&received.revoked, received.lost)?;
            source.release()?;
        }
        if !received.assigned.is_empty() {
            tracing::info!(partitions = names(&received.assigned), "partitions assigned");
            role.assign(source, &received.assigned)?;
        }
        if let Some(denied) = received.faults.iter().find_map(PartitionFault::denied) {
            return Err(denied.into());
        }
        if let Some(fault) = received.faults.first() {
            anyhow::bail!("{}: {} ({:?})", fault.at, fault.reason, fault.kind);
        }
        for at in role.hold(&batch) {
            source.hold(&at)?;
            batch.remove(&at);
        }
        outbox.clear();
        if batch.is_empty() {
            role.idle(source, &mut outbox)?;
            if outbox.is_empty() {
                continue;
            }
        } else {
            failpoint::pass(Point::AfterReceive);
            role.apply(&batch, &mut outbox)?;
            failpoint::pass(Point::AfterApply);
        }
        let mut next = if R::COMMITS_LATER { Vec::new() } else { batch.next_offsets() };
        next.append(&mut outbox.offsets);
        if next.is_empty() && outbox.is_empty() {
            continue;
        }
        let began = Instant::now();
        let published = publish(sink, source, &outbox, &next)?;
        telemetry::transaction(R::NAME, published, batch.len(), outbox.len(), began.elapsed());
        match published {
            Published::Yes => {
                failpoint::pass(Point::AfterCommit);
                role.commit()?;
                failpoint::pass(Point::AfterRemember);
            }
            // The partitions may still be ours: a generation that ended between asking for it and committing says nothing about them.
            Published::Lost => {
                role.abort();
                rewind::<R>(source, &batch)?;
            }
            Published::No => {
                role.abort();
                rewind::<R>(source, &batch)?;
                std::thread::sleep(BACKOFF);
            }
        }
    }
    let mine = source.started()?;
    role.release(&mine, false)
}

/// Back to where the batch began, unless the role has kept its records.
fn rewind<R: Role>(source: &mut Source, batch: &Batch) -> Result<(), KafkaFault> {
    if R::COMMITS_LATER { Ok(()) } else { source.rewind(&batch.first_offsets()) }
}

/// begin -> outputs -> offsets -> commit, and after a failure whatever it takes to know what became of it.
fn publish(sink: &mut Sink, source: &Source, outbox: &Outbox, next: &[(TopicPartition, i64)]) -> anyhow::Result<Published> {
    sink.begin()?;
    failpoint::pass(Point::AfterBegin);
    let sent = outbox.send(sink);
    if let Err(fault) = sent {
        tracing::warn!(%fault, "the transaction is aborted and done again");
        sink.abort()?;
        return match fault {
            KafkaFault::RecordTooLarge { .. } | KafkaFault::NotAuthorized { .. } | KafkaFault::Fenced { .. } => Err(fault.into()),
            _ => Ok(Published::No),
        };
    }
    match sink.commit(next, source) {
        Ok(_) => Ok(Published::Yes),
        Err(CommitFault::Fenced(fault)) => Err(fault.into()),
        Err(CommitFault::AssignmentLost { reason }) => {
            tracing::warn!(reason, "the group has moved on before the commit: nothing was written");
            sink.abort()?;
            Ok(Published::Lost)
        }
        Err(CommitFault::NotCommitted { reason: denied @ KafkaFault::NotAuthorized { .. } }) => {
            sink.abort()?;
            Err(denied.into())
        }
        Err(CommitFault::NotCommitted { reason }) => {
            tracing::warn!(%reason, "not committed: the batch is done again");
            sink.abort()?;
            Ok(Published::No)
        }
        Err(CommitFault::Unknown { reason }) => {
            tracing::warn!(%reason, "the commit was not answered: asking the group what became of it");
            sink.abort()?;
            let partitions: Vec<TopicPartition> = next.iter().map(|(at, _)| at.clone()).collect();
            let committed = source.committed(&partitions, COMMITTED_MAX).context("asking for the committed offsets")?;
            let all = next.iter().all(|(at, offset)| committed.iter().any(|(c, o)| c == at && *o == Some(*offset)));
            Ok(if all { Published::Yes } else { Published::No })
        }
    }
}

/// A restart of the worker cannot mend it: the process ends.
pub fn is_final(error: &anyhow::Error) -> bool {
    let kafka = |fault: &KafkaFault| !matches!(fault.recovery(), Some(Recovery::Retry | Recovery::Rotate));
    // A damaged directory was thrown away when it was found so.
    let state = |fault: &StateFault| !matches!(fault, StateFault::Corrupt { .. });
    error.chain().any(|e| {
        e.downcast_ref::<KafkaFault>().is_some_and(kafka) || e.is::<NeedsOperator>() || e.downcast_ref::<StateFault>().is_some_and(state)
    })
}

/// Partitions that nobody owns were seen for a while, and it is for this worker to leave the group for longer than its session, so that the
/// broker deals them out anew.
#[derive(Debug, thiserror::Error)]
#[error("partitions of the group belong to nobody: this worker leaves until its session has ended, so that they are dealt out anew")]
pub struct LeavesTheGroup;

/// Looks now and then whether the group has partitions that nobody owns.
struct OrphanWatch {
    looked: Instant,
    /// As of the last look.
    seen: Orphans,
}

impl Default for OrphanWatch {
    fn default() -> Self {
        OrphanWatch { looked: Instant::now(), seen: Orphans::default() }
    }
}

impl OrphanWatch {
    /// Whether the same partitions were nobody's at two looks, and this member is the one to leave.
    fn must_leave(&mut self, source: &mut Source) -> bool {
        if self.looked.elapsed() < ORPHANS_LOOK {
            return false;
        }
        let Some(now) = source.orphans(ORPHANS_MAX) else { return false };
        self.looked = Instant::now();
        let again = !now.partitions.is_empty() && now.partitions.is_subset(&self.seen.partitions);
        self.seen = now;
        again && self.seen.is_ours_to_leave
    }
}

/// An error that only a person can mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NeedsOperator(pub String);

fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
