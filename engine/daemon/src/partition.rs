//! One partition of SCORE and one of GATE: the state, the policy in force and the place in the log, moved batch by batch.
//!
//! `apply` works on the overlay and returns what is to be published; `commit` is called once that is done, `abort` if it could not be.

use crate::active_policy::ActivePolicy;
use crate::shelf::Overlay;
use crate::telemetry;
use portcullis_connectors::failpoint::{self, Point};
use portcullis_core::batch::{self, Counts, PartitionState, Room};
use portcullis_core::event::Event;
use portcullis_core::gate::{self, GATE_STATE_VERSION, GateState};
use portcullis_core::profile::{Profile, STATE_VERSION};
use portcullis_core::record::{Control, GateRecord, JournalKind, Output, PolicyRecord, Position};
use portcullis_core::time::Time;
use portcullis_state::{Beside, Meta, Partition, PartitionIdentity, Shared, StateFault, Value};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Version of a partition's directory: of the values and of [`Extra`]. Raised with every change of either; an older directory is read as
/// far back as [`OLDEST_READ`], and stands as this version from its next flush on.
///
/// 1: the first. 2: `Extra::owed`. 3: the memory of the whole catalogue of signals; what is older is rebuilt from the log, for it lacks
/// what the new signals would have remembered. 4: what labels teach (`Risk::feedback`). 5: GATE keeps a value for each thing that waits or
/// is open; what is older is rebuilt from its log, SCORE's is read. 6: `Profile::keyring`, what proposals say of it, and graces that are waited for. 7: when a
/// key was made, and `Profile::lifecycle`.
pub const STORED_VERSION: u32 = 7;
pub const OLDEST_READ: u32 = 3;
pub const OLDEST_READ_BY_GATE: u32 = 5;
const _: () = assert!(
    STATE_VERSION == 5 && GATE_STATE_VERSION == 5,
    "the values changed: raise STORED_VERSION too, keep a fixture of the old bytes, then mend this line"
);

/// The partition of a log whose state a directory or a checkpoint is.
pub fn identity_of(log: &str, partition: i32, partitions: i32) -> PartitionIdentity {
    let oldest_state_version = if log.ends_with(".proposals") { OLDEST_READ_BY_GATE } else { OLDEST_READ };
    PartitionIdentity { log: log.to_owned(), partition, partitions, state_version: STORED_VERSION, oldest_state_version }
}

/// What is kept beside the values, in the same write.
#[derive(Deserialize, Default)]
struct Extra {
    policy: Option<KeptPolicy>,
    state: PartitionState,
    journal: JournalEnd,
    owed: Vec<Unverified>,
}

/// A policy that was adopted: who signed it was looked at then.
#[derive(Serialize, Deserialize)]
struct KeptPolicy {
    version: String,
    digest: String,
    text: String,
    author: String,
    applied_at: Time,
}

impl From<KeptPolicy> for PolicyRecord {
    fn from(kept: KeptPolicy) -> PolicyRecord {
        let KeptPolicy { version, digest, text, author, applied_at } = kept;
        PolicyRecord { version, digest, text, author, applied_at, signatures: Vec::new() }
    }
}

impl From<&PolicyRecord> for KeptPolicy {
    fn from(record: &PolicyRecord) -> KeptPolicy {
        let PolicyRecord { version, digest, text, author, applied_at, .. } = record.clone();
        KeptPolicy { version, digest, text, author, applied_at }
    }
}

impl Extra {
    fn decode(bytes: &[u8]) -> Result<Extra, postcard::Error> {
        postcard::from_bytes(bytes)
    }
}

/// A range that was replayed and not verified: the journal is to say so before the next batch.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Unverified {
    pub kind: JournalKind,
    pub from: i64,
    /// One past the last offset.
    pub to: i64,
    /// Why, in a sentence.
    pub note: String,
}

/// The same as of a commit: what the next flush writes, and what an abort goes back to.
struct Committed {
    active: ActivePolicy,
    state: PartitionState,
    journal: JournalEnd,
    owed: Vec<Unverified>,
}

impl Beside for Committed {
    fn encode(&self, out: &mut Vec<u8>) {
        // In the order of `Extra`. Writing into memory cannot fail, and no type here refuses to be written.
        if let Ok(written) =
            postcard::to_extend(&(self.active.record().map(KeptPolicy::from), &self.state, &self.journal, &self.owed), std::mem::take(out))
        {
            *out = written;
        }
    }
}

/// The end of the journal as of the committed state.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct JournalEnd {
    /// Digest of the last journal record, hex; empty before the first.
    pub digest: String,
    /// The next journal record of this partition stands at or after this offset.
    pub at_least: i64,
}

/// Records that go through the three passes together, however many a batch has: what the first pass learns of them should still be in the
/// processor's cache in the third.
const JUDGED_AT_ONCE: usize = 128;

/// A record of the events log, with what it holds borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ScoreRecord<'a, 'e> {
    pub position: Position,
    pub key: &'a [u8],
    pub value: ScoreValue<'a, 'e>,
    /// The first of the records that one event became.
    pub is_first: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum ScoreValue<'a, 'e> {
    Event(&'a Event<'e>),
    Control(&'a Control),
}

/// A partition of a log: a store that moves in batches, with the policy in force and the log's time.
pub struct LogPartition<V: Value> {
    log: String,
    store: Partition<V>,
    active: ActivePolicy,
    state: PartitionState,
    journal: JournalEnd,
    owed: Vec<Unverified>,
    /// As of the last commit, for `abort`; none of a temporary state, which has no way back and is never read again.
    committed: Option<Arc<Committed>>,
    position: i64,
    /// One past the last record of the batch that was applied and not committed.
    reached: i64,
    room: Room,
}

impl<V: Value + Default> LogPartition<V> {
    /// Opens the state of a partition, or begins one.
    ///
    /// # Errors
    /// When the directory cannot be used or holds another partition's state.
    pub fn open(dir: &Path, shared: &Shared, log: &str, partition: i32, partitions: i32) -> Result<LogPartition<V>, StateFault> {
        let store = Partition::open(dir, shared, &identity_of(log, partition, partitions))?;
        let (position, extra) = match store.meta() {
            Some(meta) => {
                let extra = Extra::decode(&meta.extra)
                    .map_err(|e| StateFault::Corrupt { dir: dir.into(), what: format!("the row beside the position: {e}") })?;
                (meta.position, extra)
            }
            None => (0, Extra::default()),
        };
        let active = match extra.policy {
            Some(kept) => ActivePolicy::from_record(kept.into()).map_err(|faults| StateFault::Corrupt {
                dir: dir.into(),
                what: format!("the policy kept in state cannot be read: {}", faults.first().map(ToString::to_string).unwrap_or_default()),
            })?,
            None => ActivePolicy::built_in(),
        };
        telemetry::policy(log, None, active.policy());
        let committed = (!shared.is_temporary()).then(|| {
            Arc::new(Committed {
                active: active.clone(),
                state: extra.state.clone(),
                journal: extra.journal.clone(),
                owed: extra.owed.clone(),
            })
        });
        Ok(LogPartition {
            log: log.to_owned(),
            store,
            active,
            state: extra.state,
            journal: extra.journal,
            owed: extra.owed,
            committed,
            position,
            reached: position,
            room: Room::default(),
        })
    }

    /// The batch was published: the state follows. Writes to disk about once a second.
    ///
    /// # Errors
    /// When writing to disk fails; what was published stays published, and a restart replays it.
    pub fn commit(&mut self, now: Instant) -> Result<(), StateFault> {
        self.position = self.reached;
        let meta = Meta { position: self.position, log_time_ms: self.state.log_time.0, extra: Vec::new() };
        match &mut self.committed {
            Some(committed) => {
                *committed = Arc::new(Committed {
                    active: self.active.clone(),
                    state: self.state.clone(),
                    journal: self.journal.clone(),
                    owed: self.owed.clone(),
                });
                self.store.commit_beside(meta, committed.clone());
            }
            None => self.store.commit(meta),
        }
        failpoint::pass(Point::BeforeStateFlush);
        if self.store.flush_if_due(now)? {
            failpoint::pass(Point::AfterStateFlush);
        }
        Ok(())
    }

    /// The batch could not be published: the state is as before it.
    pub fn abort(&mut self) {
        self.store.abort();
        if let Some(committed) = &self.committed {
            (self.active, self.state) = (committed.active.clone(), committed.state.clone());
        }
        self.reached = self.position;
    }

    /// BLAKE3 over what the batch changed, in key order, hex.
    pub fn changes_digest(&mut self) -> String {
        let mut hasher = blake3::Hasher::new();
        for change in self.store.changed() {
            for part in [change.key, change.encoded, &change.timer_ms.unwrap_or(0).to_le_bytes()] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// What the batch changed, in key order: key and encoded value, empty where it is gone.
    pub fn for_each_change(&mut self, mut visit: impl FnMut(&[u8], &[u8])) {
        self.store.changed().for_each(|change| visit(change.key, change.encoded));
    }

    /// The next record to read.
    pub fn position(&self) -> i64 {
        self.position
    }

    pub fn log_time(&self) -> Time {
        self.state.log_time
    }

    pub fn policy(&self) -> &ActivePolicy {
        &self.active
    }

    pub fn journal(&self) -> &JournalEnd {
        &self.journal
    }

    pub fn set_journal(&mut self, journal: JournalEnd) {
        self.journal = journal;
    }

    /// What the journal is still to say of the replay.
    pub fn owed(&self) -> &[Unverified] {
        &self.owed
    }

    /// The journal is to say this, too: one record a kind.
    pub fn owe(&mut self, owed: Unverified) {
        match self.owed.iter_mut().find(|known| known.kind == owed.kind) {
            Some(known) => (known.from, known.to) = (known.from.min(owed.from), known.to.max(owed.to)),
            None => self.owed.push(owed),
        }
    }

    /// The journal has said it.
    pub fn paid(&mut self) {
        self.owed.clear();
    }

    /// Takes a position without deciding on what is before it, which is gone. `commit` then.
    pub fn skip_to(&mut self, position: i64) {
        self.reached = self.reached.max(position);
    }

    /// Writes to disk what is due, without a commit: to be called when idle.
    ///
    /// # Errors
    /// When writing to disk fails.
    pub fn flush_if_due(&mut self, now: Instant) -> Result<(), StateFault> {
        self.store.flush_if_due(now).map(drop)
    }

    /// Has everything committed put on disk in the background.
    ///
    /// # Errors
    /// When writing to disk fails.
    pub fn start_persist(&mut self) -> Result<(), StateFault> {
        self.store.start_persist()
    }

    /// That is under way still.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub fn is_persisting(&mut self) -> Result<bool, StateFault> {
        self.store.is_persisting()
    }

    /// Of its files on disk.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub fn disk_bytes(&self) -> Result<u64, StateFault> {
        self.store.disk_bytes()
    }

    /// A copy of the committed state in `target`, which must not exist yet, by hard links where the file system is the same.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn checkpoint(&mut self, target: &Path) -> Result<(), StateFault> {
        self.store.checkpoint(target)
    }

    /// What is kept beside the values, as of the last batch.
    pub fn state(&self) -> &PartitionState {
        &self.state
    }

    /// Visits what is committed, in key order: key, value, timer. For inspection; reads everything.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn for_each(&mut self, visit: impl FnMut(&[u8], Option<V>, Option<i64>)) -> Result<(), StateFault> {
        self.store.for_each(visit)
    }

    /// When something is to happen although no record comes, log time.
    pub fn due(&self) -> Option<Time> {
        self.store.next_timer_ms().map(Time)
    }

    /// Puts everything committed on disk.
    ///
    /// # Errors
    /// When writing to disk fails.
    pub fn close(self) -> Result<(), StateFault> {
        self.store.close()
    }
}

/// A partition of the events log.
pub type ScorePartition = LogPartition<Profile>;

impl LogPartition<Profile> {
    /// Judges records, in order. A batch never spans two policies: it is cut where one comes.
    ///
    /// # Errors
    /// When the store cannot be read; `abort` then.
    pub fn apply(&mut self, records: &[ScoreRecord<'_, '_>], out: &mut Vec<Output>) -> Result<Counts, StateFault> {
        let mut counts = Counts::default();
        let mut entries: Vec<batch::Entry<'_, '_>> = Vec::with_capacity(records.len());
        for record in records {
            let event = match record.value {
                ScoreValue::Event(event) => Some(event),
                ScoreValue::Control(_) => None,
            };
            entries.push(batch::Entry { position: record.position, key: record.key, event, is_first: record.is_first });
            if let ScoreValue::Control(Control::Policy(policy)) = record.value {
                self.judge(&mut entries, &mut counts, out)?;
                self.active.adopt(policy, &self.log);
            }
            self.reached = record.position.offset + 1;
        }
        self.judge(&mut entries, &mut counts, out)?;
        Ok(counts)
    }

    fn judge(&mut self, entries: &mut Vec<batch::Entry<'_, '_>>, counts: &mut Counts, out: &mut Vec<Output>) -> Result<(), StateFault> {
        for some in entries.chunks(JUDGED_AT_ONCE) {
            let now =
                batch::apply(self.active.policy(), &self.log, &mut self.state, &mut Overlay(&mut self.store), some, &mut self.room, out)?;
            *counts += now;
        }
        entries.clear();
        Ok(())
    }
}

/// A partition of the proposals log.
pub type GatePartition = LogPartition<GateState>;

impl LogPartition<GateState> {
    /// Decides on records, in order.
    ///
    /// # Errors
    /// When the store cannot be read; `abort` then.
    pub fn apply(&mut self, records: &[(Position, &GateRecord<'_>)], out: &mut Vec<Output>) -> Result<(), StateFault> {
        let mut entries = Vec::with_capacity(records.len());
        for (position, record) in records {
            entries.push(gate::Entry { position: *position, tenant: gate::tenant_of(record), record });
            if let GateRecord::Control(Control::Policy(policy)) = record {
                self.settle(&mut entries, out)?;
                self.active.adopt(policy, &self.log);
            }
            self.reached = position.offset + 1;
        }
        self.settle(&mut entries, out)
    }

    fn settle(&mut self, entries: &mut Vec<gate::Entry<'_, '_>>, out: &mut Vec<Output>) -> Result<(), StateFault> {
        gate::apply(self.active.policy(), &mut self.state.log_time, &mut Overlay(&mut self.store), entries, out)?;
        entries.clear();
        Ok(())
    }
}
