//! What people answer, from the topic that they may write to into the gate's log, which they may not: whoever can write there has requests signed.
//! Nothing but answers goes on, each under its tenant's key, once, in one transaction with the offsets. Whether it counts, the gate decides.
//!
//! It runs where INGEST runs and where GATE runs: a pause that is wanted while GATE is down has its place in the log, before what is proposed next.

use super::Topics;
use super::positions::{Gap, KAFKA_MAX, Positions};
use crate::status::WorkerStatus;
use crate::worker::{Outbox, Role};
use portcullis_connectors::kafka::{Batch, Source, TopicPartition};
use portcullis_core::gate::state::tenant_key;
use portcullis_core::record::{Control, GateRecord};
use portcullis_schemas::decode_gate_record;
use std::sync::Arc;

/// Five hundred ids and their signature have a tenth of it. Something larger would fail the transaction, or the gate's answer, again and again.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// The worker that hands answers on.
pub struct Answers {
    topics: Topics,
    positions: Positions,
    /// Where they are after the batch that is being published.
    applied: Vec<(TopicPartition, i64)>,
}

impl Answers {
    pub fn new(topics: Topics, status: Arc<WorkerStatus>) -> Answers {
        Answers { topics, positions: Positions::new(status), applied: Vec::new() }
    }
}

impl Role for Answers {
    const NAME: &'static str = "answers";

    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        let committed = source.committed(partitions, KAFKA_MAX)?;
        // An answer counts for minutes: one that retention took is none any more.
        self.positions.start(source, committed, Gap::GoesOn)?;
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition], _lost: bool) -> anyhow::Result<()> {
        self.positions.release(partitions);
        Ok(())
    }

    fn turn(&mut self, source: &mut Source) -> anyhow::Result<()> {
        self.positions.turn(source);
        Ok(())
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        self.applied = batch.next_offsets();
        for records in batch.partitions() {
            for record in records.records() {
                let value = record.value.unwrap_or_default();
                if value.len() > ANSWER_BYTES_MAX {
                    tracing::error!(partition = %records.at(), offset = record.offset, bytes = value.len(), "an answer is too large and is passed over; who wrote it?");
                    continue;
                }
                match decode_gate_record(value) {
                    Ok(GateRecord::Control(Control::Answer(answer))) => {
                        outbox.push(&self.topics.proposals, None, &tenant_key(&answer.tenant), |out| out.extend_from_slice(value));
                    }
                    Ok(_) => {
                        tracing::error!(partition = %records.at(), offset = record.offset, "a record that is no answer is passed over; who wrote it?");
                    }
                    Err(error) => {
                        tracing::error!(partition = %records.at(), offset = record.offset, %error, "an answer cannot be read and is passed over; who wrote it?");
                    }
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        self.positions.committed(self.applied.drain(..));
        Ok(())
    }

    fn abort(&mut self) {
        self.applied.clear();
    }

    fn idle(&mut self, _source: &Source, _outbox: &mut Outbox) -> anyhow::Result<()> {
        Ok(())
    }
}
