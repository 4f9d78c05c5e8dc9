//! TRANSMIT: SETs in, one worker and one consumer group a receiver. What a receiver has is committed; what it refuses is kept, with its reason.
//!
//! A receiver that is pushed to (RFC 8935) gets one SET after the other, and the next once the last was answered. One that polls (RFC 8936) asks
//! over HTTP and acknowledges what it has. Either way the offset moves only past what was answered, so each SET arrives at least once, those
//! of a subject in their order; the `jti` tells a repeat.

mod push;
mod queue;
mod stream;

pub use push::Pusher;
pub use stream::{Refusal, Stream};

use super::Topics;
use super::positions::{Gap, KAFKA_MAX, Positions};
use crate::status::WorkerStatus;
use crate::telemetry;
use crate::worker::{Outbox, Role};
use portcullis_connectors::kafka::{Batch, RecordRef, Source, TopicPartition};
use portcullis_core::subject::SubjectRef;
use queue::Set;
use std::sync::Arc;

/// One worker of TRANSMIT.
pub struct Transmit {
    topics: Topics,
    stream: Arc<Stream>,
    /// Of whom the receiver hears; empty: of all.
    tenants: Vec<String>,
    /// None: it polls.
    pusher: Option<Pusher>,
    positions: Positions,
    /// What the transaction that is under way commits.
    committing: Vec<(TopicPartition, i64)>,
    /// How many refusals it records.
    recording: usize,
    is_paused: bool,
}

impl Transmit {
    pub fn new(topics: Topics, stream: Arc<Stream>, tenants: Vec<String>, pusher: Option<Pusher>, status: Arc<WorkerStatus>) -> Transmit {
        stream.begin();
        Transmit {
            topics,
            stream,
            tenants,
            pusher,
            positions: Positions::new(status),
            committing: Vec::new(),
            recording: 0,
            is_paused: false,
        }
    }

    /// Delivers what is there, and writes down how far the receiver is and what it refused.
    fn work(&mut self, outbox: &mut Outbox) {
        if let Some(pusher) = &mut self.pusher {
            pusher.push(&self.stream);
        }
        // Together: an offset past a refused SET is committed with the record of it.
        let held = self.stream.held();
        self.recording = held.refused.len();
        for refusal in &held.refused {
            outbox.push_raw(&self.topics.set_refused, Some(&refusal.set.key), Some(refusal.set.jws.as_bytes()));
            for (name, value) in [
                ("type", "set"),
                ("jti", &refusal.set.jti),
                ("receiver", &self.stream.name),
                ("err", &refusal.err),
                ("description", &refusal.description),
            ] {
                outbox.header(name, value.as_bytes());
            }
        }
        self.committing = held.queue.uncommitted();
        for (at, offset) in &self.committing {
            outbox.commit(at.clone(), *offset);
        }
        drop(held);
    }

    /// The SET in a record, if the receiver is to hear of it.
    fn read(&self, record: RecordRef<'_>) -> Option<Set> {
        let key = record.key.unwrap_or_default();
        let tenant = SubjectRef::from_key(key).map(|subject| subject.tenant).unwrap_or_default();
        if !self.tenants.is_empty() && !self.tenants.iter().any(|of| of == tenant) {
            return None;
        }
        let jti = record.header("jti").and_then(|jti| str::from_utf8(jti).ok())?;
        let jws = str::from_utf8(record.value?).ok()?;
        Some(Set { jti: jti.into(), jws: jws.into(), key: key.into() })
    }
}

impl Role for Transmit {
    const NAME: &'static str = "transmit";
    const COMMITS_LATER: bool = true;
    const RECORDS_MAX: usize = queue::SETS_MAX / 2;

    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        let committed = source.committed(partitions, KAFKA_MAX)?;
        for (at, from) in self.positions.start(source, committed, Gap::GoesOn)? {
            self.stream.held().queue.start(at, from);
        }
        self.is_paused = false;
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition], _lost: bool) -> anyhow::Result<()> {
        self.positions.release(partitions);
        let mut held = self.stream.held();
        partitions.iter().for_each(|at| held.queue.release(at));
        Ok(())
    }

    fn turn(&mut self, source: &mut Source) -> anyhow::Result<()> {
        self.positions.turn(source);
        let is_full = self.stream.held().queue.is_full(self.is_paused);
        if is_full != self.is_paused {
            let started = source.started()?;
            if is_full {
                source.pause(&started)?
            } else {
                source.resume(&started)?
            }
            self.is_paused = is_full;
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        for records in batch.partitions() {
            if let Some(ms) = records.records().last().and_then(|last| last.timestamp.ms()) {
                self.positions.reached(records.at(), ms);
            }
            for record in records.records() {
                let set = self.read(record);
                self.stream.held().queue.take(records.at(), record.offset, set);
            }
        }
        self.stream.tell();
        self.work(outbox);
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        let mut held = self.stream.held();
        for (at, offset) in &self.committing {
            held.queue.committed(at, *offset);
        }
        for refusal in held.refused.drain(..self.recording) {
            tracing::error!(receiver = %self.stream.name, jti = %refusal.set.jti, err = refusal.err, description = refusal.description, topic = %self.topics.set_refused, "a SET was refused; it is kept there, and the next ones are delivered");
            telemetry::set(&self.stream.name, telemetry::SetEnd::Refused);
        }
        drop(held);
        self.recording = 0;
        self.positions.committed(self.committing.drain(..));
        Ok(())
    }

    fn abort(&mut self) {
        // The receiver has what it has; it is written down by the next transaction.
        self.committing.clear();
        self.recording = 0;
    }

    fn idle(&mut self, _source: &Source, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.work(outbox);
        Ok(())
    }
}
