//! The work as a role of the commit loop: verdicts, a journal record per partition and the offsets in one transaction, then the state.

use super::event::Event;
use super::profile::Profile;
use super::verdict;
use crate::drain::PARTITIONS;
use anyhow::Context;
use portcullis::roles::Topics;
use portcullis::worker::{Outbox, Role};
use portcullis_connectors::kafka::{Batch, PartitionRecords, Source, Start, TopicPartition};
use portcullis_core::record::JournalRecord;
use portcullis_core::time::Time;
use portcullis_schemas::encode_journal_record;
use portcullis_state::{Meta, Partition, PartitionIdentity, Shared, Slot};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Records parsed and loaded together: their slots and strings stay in the processor's cache.
const AT_ONCE: usize = 256;

/// See the [module](self).
pub struct PeerRole {
    dir: PathBuf,
    shared: Shared,
    log: Arc<str>,
    topics: Topics,
    /// A verdict for every event.
    every: bool,
    owned: BTreeMap<i32, Owned>,
    scratch: Vec<u8>,
    slots: Vec<Slot>,
}

struct Owned {
    state: Partition<Profile>,
    log_time: Time,
    /// Digest of the last journal record, committed and of the batch under way.
    journal: [String; 2],
    reached: i64,
    open: bool,
}

impl PeerRole {
    /// Keeps its state in `dir`, reads `log`; verdicts and journal go where `topics` says.
    pub fn new(dir: PathBuf, shared: Shared, log: &Arc<str>, topics: Topics, every: bool) -> PeerRole {
        PeerRole { dir, shared, log: Arc::clone(log), topics, every, owned: BTreeMap::new(), scratch: Vec::new(), slots: Vec::new() }
    }

    fn judge(&mut self, records: &PartitionRecords<'_>, outbox: &mut Outbox) -> anyhow::Result<()> {
        let PeerRole { owned, topics, every, scratch, slots, .. } = self;
        let at = records.at();
        let owned = owned.get_mut(&at.partition).with_context(|| format!("{at} is not ours"))?;
        let (mut outputs, mut count, mut log_time) = (blake3::Hasher::new(), 0, owned.log_time);
        let mut records_left = records.records();
        let (mut some, mut events) = (Vec::with_capacity(AT_ONCE), Vec::with_capacity(AT_ONCE));
        loop {
            some.clear();
            events.clear();
            slots.clear();
            some.extend(records_left.by_ref().take(AT_ONCE));
            if some.is_empty() {
                break;
            }
            for record in &some {
                log_time = log_time.max(Time(record.timestamp.ms().unwrap_or(0)));
                let event = Event::parse(record.value.unwrap_or_default());
                events.push(event.with_context(|| format!("{at} offset {}", record.offset))?);
            }
            owned.state.load(some.iter().map(|record| record.key.unwrap_or_default()), slots)?;
            for ((record, event), slot) in some.iter().zip(&events).zip(&*slots) {
                let judged = owned.state.value_or_insert_with(*slot, Profile::default).judge(event);
                if *every || judged.is_due() {
                    scratch.clear();
                    verdict::write(event, &judged, scratch);
                    outputs.update(&(scratch.len() as u64).to_le_bytes());
                    outputs.update(scratch);
                    count += 1;
                    outbox.push(&topics.verdicts, Some(at.partition), record.key.unwrap_or_default(), |out| {
                        out.extend_from_slice(scratch);
                    });
                }
            }
        }
        let journal = JournalRecord {
            partition: at.partition,
            from: records.first_offset(),
            to: records.next_offset(),
            log_time,
            outputs: count,
            outputs_digest: outputs.finalize().to_hex().to_string(),
            state_digest: changes_digest(&mut owned.state),
            previous: owned.journal[0].clone(),
            ..JournalRecord::default()
        };
        scratch.clear();
        encode_journal_record(&journal, scratch);
        owned.journal[1] = blake3::hash(scratch).to_hex().to_string();
        (owned.log_time, owned.reached, owned.open) = (log_time, records.next_offset(), true);
        outbox.push(&topics.journal, Some(at.partition), &at.partition.to_be_bytes(), |out| out.extend_from_slice(scratch));
        Ok(())
    }
}

/// As SCORE's: over what the batch changed, in key order.
fn changes_digest(state: &mut Partition<Profile>) -> String {
    let mut hasher = blake3::Hasher::new();
    for change in state.changed() {
        hasher.update(&(change.key.len() as u64).to_le_bytes());
        hasher.update(change.key);
        hasher.update(&(change.encoded.len() as u64).to_le_bytes());
        hasher.update(change.encoded);
    }
    hasher.finalize().to_hex().to_string()
}

impl Role for PeerRole {
    const NAME: &'static str = "score";

    fn assign(&mut self, source: &mut Source, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        for at in partitions {
            let dir = self.dir.join(format!("peer-{}", at.partition));
            let identity = PartitionIdentity {
                log: self.log.to_string(),
                partition: at.partition,
                partitions: PARTITIONS,
                state_version: 1,
                oldest_state_version: 1,
            };
            let state = Partition::open(&dir, &self.shared, &identity)?;
            anyhow::ensure!(state.meta().is_none(), "{}: a bench begins with an empty state", dir.display());
            source.start(at, Start::Beginning)?;
            let owned = Owned { state, log_time: Time(0), journal: Default::default(), reached: 0, open: false };
            self.owned.insert(at.partition, owned);
        }
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition], _lost: bool) -> anyhow::Result<()> {
        for at in partitions {
            if let Some(owned) = self.owned.remove(&at.partition) {
                owned.state.close()?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch, outbox: &mut Outbox) -> anyhow::Result<()> {
        for records in batch.partitions() {
            self.judge(&records, outbox)?;
        }
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        for owned in self.owned.values_mut().filter(|owned| owned.open) {
            owned.open = false;
            owned.journal.swap(0, 1);
            owned.state.commit(Meta {
                position: owned.reached,
                log_time_ms: owned.log_time.0,
                extra: owned.journal[0].as_bytes().to_vec(),
            });
            owned.state.flush_if_due(now)?;
        }
        Ok(())
    }

    fn abort(&mut self) {
        for owned in self.owned.values_mut() {
            owned.open = false;
            owned.state.abort();
        }
    }

    fn idle(&mut self, _source: &Source, _outbox: &mut Outbox) -> anyhow::Result<()> {
        Ok(())
    }
}
