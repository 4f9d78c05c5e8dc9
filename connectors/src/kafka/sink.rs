//! A transactional producer for one worker thread: outputs and input offsets become visible together, or not at all.
//!
//! What shaped it (librdkafka 2.12, rdkafka 0.39):
//!
//! - It has no KIP-890: a repeated `EndTxn` may hit the *next* transaction. So requests are repeated only after `retry.backoff.ms` = 1 s,
//!   and after a commit slower than 0.8 of that, an abort, or any error the producer is **rotated**: a new instance with the same
//!   `transactional.id`, whose `init_transactions` ends whatever the old one left open.
//! - `flush` and `commit_transaction` of rdkafka wait in steps of 100 ms, because rdkafka's `poll` sleeps out its time-out. Here only
//!   failed deliveries are reported, so librdkafka's own `rd_kafka_flush` returns the moment the last acknowledgement is in, and it cuts
//!   `linger.ms` short.
//! - `send_offsets_to_transaction` waits for its answer without an end, and the loss of the group's coordinator can lose the answer. So it
//!   is called on a thread beside ours, and a producer that does not answer is left behind with it.
//! - An abort waits for delivery reports that only we can serve: the queues are purged and drained first.

use super::access::{Access, Operation, Resource};
use super::caller::Caller;
use super::fault::{CommitFault, KafkaFault, RETRY_BACKOFF, Recovery};
use super::source::Source;
use super::transactional::Transactional;
use super::{Settings, TopicPartition};
use crate::failpoint::{self, Point};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{Producer, PurgeConfig};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How often a full queue or an unfinished delivery is looked at.
const STEP: Duration = Duration::from_micros(300);
/// How often it is looked whether the first acknowledgements are in.
const STEP_OF_FLUSH: Duration = Duration::from_millis(1);
const COMMIT_MAX: Duration = Duration::from_secs(30);
/// How long after its time-out a call that should have returned is waited for.
const UNANSWERED_GRACE: Duration = Duration::from_secs(2);
const ABORT_MAX: Duration = Duration::from_secs(5);

/// The largest record that [`Sink::send`] takes, key, value and headers: `message.max.bytes`.
pub const RECORD_BYTES_MAX: usize = 2_000_000;

const LOST: KafkaFault = KafkaFault::Misuse("the producer was lost and not replaced: begin does it");

/// Who a sink is to the brokers.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// Unique among the live sinks, the same after a restart: a new one ends the old one's open transaction.
    pub transactional_id: String,
    /// The broker aborts what stays open longer; it delays `read_committed` readers until then.
    pub transaction_timeout: Duration,
}

impl SinkSettings {
    pub fn new(transactional_id: impl Into<String>) -> Self {
        Self { transactional_id: transactional_id.into(), transaction_timeout: Duration::from_secs(5) }
    }
}

/// A committed transaction.
#[derive(Clone, Copy, Debug)]
pub struct Committed {
    /// Waiting for the outputs' acknowledgements.
    pub settling: Duration,
    /// Handing over the offsets and ending the transaction.
    pub committing: Duration,
    /// The commit was slow: the next `begin` starts with a new producer.
    pub rotates: bool,
}

/// See the [module](self).
pub struct Sink {
    settings: Settings,
    sink: SinkSettings,
    /// `None` after a rotation that failed; the next `begin` tries again.
    producer: Option<Transactional>,
    rotate: bool,
    in_transaction: bool,
    begun: Instant,
    /// Records of the open transaction.
    sent: usize,
    rotations: u64,
    caller: Caller,
}

impl Sink {
    /// Creates the producer and ends what a predecessor of the same `transactional_id` left open.
    ///
    /// # Errors
    /// A refused property; no broker within 30 s (use [`super::connect_check`] before, which says more, sooner).
    pub fn open(settings: &Settings, sink: SinkSettings) -> Result<Self, KafkaFault> {
        let producer = Transactional::open(settings, &sink)?;
        Ok(Self {
            settings: settings.clone(),
            sink,
            producer: Some(producer),
            rotate: false,
            in_transaction: false,
            begun: Instant::now(),
            sent: 0,
            rotations: 0,
            caller: Caller::new(),
        })
    }

    /// How many times the producer was replaced.
    pub fn rotations(&self) -> u64 {
        self.rotations
    }

    /// Serves what waits between transactions, above all a token that is to be renewed; costs nothing where nothing waits.
    pub fn serve(&self) {
        if let Some(producer) = &self.producer {
            producer.base.poll(Duration::ZERO);
        }
    }

    /// Begins a transaction, with a new producer if the last one's end calls for it.
    ///
    /// # Errors
    /// [`KafkaFault::Fenced`] is final; after any other, call it again later.
    pub fn begin(&mut self) -> Result<(), KafkaFault> {
        if self.in_transaction {
            return Err(KafkaFault::Misuse("a transaction is open already"));
        }
        if self.rotate || self.producer.is_none() {
            self.rotate()?;
        }
        let begun = self.transactional()?.base.begin_transaction();
        begun.map_err(|error| {
            self.rotate = true;
            self.fault("begin_transaction", &error)
        })?;
        self.in_transaction = true;
        self.begun = Instant::now();
        self.sent = 0;
        Ok(())
    }

    /// Adds a record to the open transaction. `partition`: `None` is murmur2 of the key, as Java's producers do it. A `value` of `None` is
    /// a tombstone. `timestamp_ms` counts only where the topic keeps producers' stamps. Key, value and headers are copied.
    ///
    /// # Errors
    /// [`KafkaFault::RecordTooLarge`] leaves the transaction usable. After any other the transaction must be aborted.
    pub fn send(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
        timestamp_ms: Option<i64>,
    ) -> Result<(), KafkaFault> {
        if !self.in_transaction {
            return Err(KafkaFault::Misuse("a record is sent within a transaction: begin comes first"));
        }
        let deadline = self.sink.transaction_timeout;
        let producer = self.transactional()?;
        let handle = producer.topic(topic)?;
        let began = Instant::now();
        loop {
            let code = producer.produce(handle, partition, key, value, headers, timestamp_ms);
            match code {
                Code::NoError => {
                    self.sent += 1;
                    return Ok(());
                }
                // Wait for room; what is acknowledged leaves the queue by itself.
                Code::QueueFull if began.elapsed() < deadline => {
                    producer.base.poll(Duration::ZERO);
                    std::thread::sleep(STEP);
                }
                Code::MessageSizeTooLarge => {
                    let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
                    return Err(KafkaFault::RecordTooLarge { topic: topic.to_owned(), bytes });
                }
                code => return Err(self.fault(&format!("sending to {topic}"), &KafkaError::MessageProduction(code))),
            }
        }
    }

    /// Waits for the outputs, hands over the offsets (each partition's next one) in the name of the source's group, commits.
    ///
    /// # Errors
    /// See [`CommitFault`]: each says what comes next.
    pub fn commit(&mut self, offsets: &[(TopicPartition, i64)], source: &Source) -> Result<Committed, CommitFault> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (at, next) in offsets {
            list.add_partition_offset(&at.topic, at.partition, Offset::Offset(*next))
                .map_err(|e| CommitFault::NotCommitted { reason: KafkaFault::of(format!("the offset of {at}"), &e) })?;
        }
        self.end((!offsets.is_empty()).then_some(Handed { list, source }))
    }

    /// Commits a transaction that consumed nothing (a policy, a tick).
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_outputs(&mut self) -> Result<Committed, CommitFault> {
        self.end(None)
    }

    fn end(&mut self, offsets: Option<Handed<'_>>) -> Result<Committed, CommitFault> {
        if !self.in_transaction {
            return Err(CommitFault::NotCommitted { reason: KafkaFault::Misuse("no transaction is open") });
        }
        let began = Instant::now();
        // Until the commit has answered, the producer is one to be replaced.
        self.rotate = true;
        failpoint::pass(Point::BeforeFlush);
        // The offsets are handed over while the outputs settle, once the coordinator is known to have opened the transaction.
        let mut asked = None;
        let settled = self.settle(|sink| {
            if let (None, Some(offsets)) = (&asked, &offsets) {
                asked = Some(sink.ask(offsets));
            }
        });
        let settling = began.elapsed();
        if let Err(fault) = settled {
            if let Some(Ok(asked)) = asked {
                drop(self.answer(&asked)); // no other call before it has returned
            }
            return Err(fault);
        }
        failpoint::pass(Point::AfterFlush);
        if let Some(offsets) = &offsets {
            let asked = asked.unwrap_or_else(|| self.ask(offsets))?;
            self.hand_over(offsets, asked)?;
        }
        failpoint::pass(Point::AfterOffsets);
        let ending = Instant::now();
        failpoint::pass(Point::MidCommit);
        self.commit_transaction()?;
        self.in_transaction = false;
        self.rotate = ending.elapsed() > RETRY_BACKOFF.mul_f64(0.8);
        Ok(Committed { settling, committing: began.elapsed() - settling, rotates: self.rotate })
    }

    /// Waits until every record is acknowledged; a failed one fails the transaction. `acknowledged` is called once some are, again and again.
    fn settle(&self, mut acknowledged: impl FnMut(&Self)) -> Result<(), CommitFault> {
        let deadline = self.sink.transaction_timeout;
        let producer = self.producer.as_ref().ok_or(CommitFault::NotCommitted { reason: LOST })?;
        let began = Instant::now();
        while !producer.flush(STEP_OF_FLUSH) {
            producer.base.poll(Duration::ZERO);
            if (producer.base.in_flight_count() as usize) < self.sent {
                acknowledged(self);
            }
            if began.elapsed() > deadline {
                let text = producer.base.client().context().notices.latest();
                let reason = text.unwrap_or_else(|| format!("{} records unacknowledged", producer.base.in_flight_count()));
                return Err(CommitFault::NotCommitted {
                    reason: KafkaFault::of_code("waiting for acknowledgements".into(), Code::OperationTimedOut, reason, Recovery::Rotate),
                });
            }
        }
        producer.base.poll(Duration::ZERO);
        let failed = producer.base.client().context().take_failed();
        let Some((error, place)) = failed.first() else { return Ok(()) };
        let what = format!("delivery to {place} (and {} more)", failed.len() - 1);
        // Thrown away with a transaction that had failed already: why, librdkafka says when it is asked to commit it.
        let why = match error.rdkafka_error_code() {
            Some(Code::PurgeQueue | Code::PurgeInflight) => producer.base.commit_transaction(COMMIT_MAX).err(),
            _ => None,
        };
        Err(match self.commit_fault(&what, why.as_ref().unwrap_or(error)) {
            CommitFault::NotCommitted { reason } => CommitFault::NotCommitted { reason: reason.denying(write_on(&failed)) },
            fault => fault,
        })
    }

    /// Begins to hand over the offsets. The group's metadata are read here, on the thread that serves its rebalances.
    fn ask(&self, Handed { list, source }: &Handed<'_>) -> Result<Asked, CommitFault> {
        if source.assignment_lost() {
            return Err(CommitFault::AssignmentLost { reason: "the session expired".into() });
        }
        let metadata = source.group_metadata().map_err(|reason| CommitFault::AssignmentLost { reason })?;
        let base = Arc::clone(&self.producer.as_ref().ok_or(CommitFault::NotCommitted { reason: LOST })?.base);
        let (list, most) = (list.clone(), self.sink.transaction_timeout);
        Ok(self.caller.call(move || base.send_offsets_to_transaction(&list, &metadata, most)))
    }

    /// `None`: the call should have returned long ago.
    fn answer(&self, asked: &Asked) -> Option<Result<(), KafkaError>> {
        asked.recv_timeout(self.sink.transaction_timeout + UNANSWERED_GRACE).ok()
    }

    fn hand_over(&mut self, offsets: &Handed<'_>, mut asked: Asked) -> Result<(), CommitFault> {
        let began = Instant::now();
        loop {
            let Some(answer) = self.answer(&asked) else {
                // The call that hangs keeps the producer; the one that takes its place fences it.
                self.producer = None;
                self.caller = Caller::new();
                let reason = format!("librdkafka did not answer within {:?}", began.elapsed());
                return Err(CommitFault::NotCommitted {
                    reason: KafkaFault::of_code("send_offsets_to_transaction".into(), Code::OperationTimedOut, reason, Recovery::Rotate),
                });
            };
            let Err(error) = answer else { return Ok(()) };
            match error.rdkafka_error_code() {
                Some(Code::UnknownMemberId | Code::IllegalGeneration) => {
                    return Err(CommitFault::AssignmentLost { reason: error.to_string() });
                }
                _ => {
                    let access = Access::new(Operation::Read, Resource::Group, offsets.source.group());
                    let fault = self.fault("send_offsets_to_transaction", &error).denying(access);
                    match fault.recovery() {
                        Some(Recovery::Retry) if began.elapsed() < self.sink.transaction_timeout => std::thread::sleep(STEP),
                        Some(Recovery::Fenced) => return Err(CommitFault::Fenced(fault)),
                        _ => return Err(CommitFault::NotCommitted { reason: fault }),
                    }
                }
            }
            asked = self.ask(offsets)?;
        }
    }

    fn commit_transaction(&mut self) -> Result<(), CommitFault> {
        let began = Instant::now();
        loop {
            let producer = self.transactional().map_err(|reason| CommitFault::NotCommitted { reason })?;
            let Err(error) = producer.base.commit_transaction(COMMIT_MAX) else { return Ok(()) };
            let requires_abort = matches!(&error, KafkaError::Transaction(e) if e.txn_requires_abort());
            let fault = self.fault("commit_transaction", &error);
            match fault.recovery() {
                Some(Recovery::Fenced) => return Err(CommitFault::Fenced(fault)),
                // librdkafka resumes the same EndTxn when it is called again.
                Some(Recovery::Retry) if began.elapsed() < COMMIT_MAX => std::thread::sleep(STEP),
                // Only an error that leaves the transaction to be aborted, or was, says that it has not been committed.
                _ if requires_abort || self.was_ended_for_its_age(&error) => return Err(CommitFault::NotCommitted { reason: fault }),
                _ => return Err(CommitFault::Unknown { reason: fault }),
            }
        }
    }

    /// Ends the transaction without a trace and replaces the producer. Without an open transaction it only replaces it.
    /// When it returns `Ok`, nothing of the transaction is open any more, whatever its commit had answered.
    ///
    /// # Errors
    /// [`KafkaFault::Fenced`] is final; after any other, call it (or `begin`) again later.
    pub fn abort(&mut self) -> Result<(), KafkaFault> {
        self.rotate = true;
        if std::mem::take(&mut self.in_transaction)
            && let Some(producer) = &self.producer
        {
            producer.base.purge(PurgeConfig::default().queue().inflight());
            let began = Instant::now();
            while producer.base.in_flight_count() > 0 && began.elapsed() < ABORT_MAX {
                producer.base.poll(Duration::ZERO);
                std::thread::sleep(STEP);
            }
            // Asked for although the rotation would do it: the answer tells whether another instance has taken our place, which a new
            // producer would only fence in turn. All else, fatal errors too, the rotation mends.
            if let Err(error) = producer.base.abort_transaction(ABORT_MAX)
                && let fault @ KafkaFault::Fenced { .. } = self.fault("abort_transaction", &error)
            {
                return Err(fault);
            }
        }
        self.rotate()
    }

    fn rotate(&mut self) -> Result<(), KafkaFault> {
        self.producer = None;
        self.producer = Some(Transactional::open(&self.settings, &self.sink)?);
        self.rotate = false;
        self.rotations += 1;
        Ok(())
    }

    fn transactional(&mut self) -> Result<&mut Transactional, KafkaFault> {
        self.producer.as_mut().ok_or(LOST)
    }

    fn fault(&self, what: &str, error: &KafkaError) -> KafkaFault {
        let KafkaFault::Fenced { reason, .. } = KafkaFault::of(what, error) else { return KafkaFault::of(what, error) };
        if error.rdkafka_error_code() == Some(Code::FencedInstanceId) {
            return KafkaFault::Fenced { what: "group.instance.id".into(), reason: format!("{what}: {reason}") };
        }
        if self.was_ended_for_its_age(error) {
            let (open, most) = (self.begun.elapsed(), self.sink.transaction_timeout);
            let reason = format!("{reason}; the broker ended this transaction, open for {open:.1?}, for exceeding {most:?}");
            return KafkaFault::of_code(what.to_owned(), error.rdkafka_error_code().unwrap_or(Code::Fail), reason, Recovery::Rotate);
        }
        KafkaFault::Fenced { what: format!("transactional.id {}", self.sink.transactional_id), reason: format!("{what}: {reason}") }
    }

    /// The broker answers "fenced" to one whose transaction it ended itself, too, because it stayed open too long: a slow broker is no other
    /// instance, and a new producer mends it. (Were there another instance, it would have taken our `group.instance.id` as well.)
    fn was_ended_for_its_age(&self, error: &KafkaError) -> bool {
        matches!(KafkaFault::of("", error), KafkaFault::Fenced { .. })
            && error.rdkafka_error_code() != Some(Code::FencedInstanceId)
            && self.begun.elapsed() > self.sink.transaction_timeout
    }

    fn commit_fault(&self, what: &str, error: &KafkaError) -> CommitFault {
        match self.fault(what, error) {
            fault @ KafkaFault::Fenced { .. } => CommitFault::Fenced(fault),
            reason => CommitFault::NotCommitted { reason },
        }
    }
}

/// The access that one of these deliveries lacked.
fn write_on(failed: &[(KafkaError, String)]) -> String {
    let topics: BTreeSet<&str> = failed.iter().map(|(_, place)| place.split('[').next().unwrap_or(place)).collect();
    let topics: Vec<&str> = topics.into_iter().collect();
    let one_of = if topics.len() == 1 { "" } else { "one of " };
    Access::new(Operation::Write, Resource::Topic, format!("{one_of}{}", topics.join(", "))).to_string()
}

/// Offsets to be committed in the name of a source's group.
struct Handed<'s> {
    list: TopicPartitionList,
    source: &'s Source,
}

/// The answer to come of a call that hands over offsets.
type Asked = mpsc::Receiver<Result<(), KafkaError>>;
