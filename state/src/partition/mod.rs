//! One partition's state: batches over the hot table, flushes into RocksDB.

mod flush;
mod load;

use crate::encoded::{Encoded, Span};
use crate::fault::StateFault;
use crate::hot::HotTable;
use crate::identity::PartitionIdentity;
use crate::key_order::{Sortable, sort_by_key};
use crate::layout::{self, NEVER};
use crate::meta::{Beside, Meta};
use crate::overlay::{Change, Overlay, Slot, Working};
use crate::shared::{Share, Shared};
use crate::store::Store;
use crate::timers::Timers;
use crate::value::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// How many slots ahead a commit asks for the entries it will write.
const COMMIT_AHEAD: usize = 8;
/// The same of changes that are read in the order of their keys.
const CHANGES_AHEAD: usize = 16;

/// The state of one partition, owned by one thread. A batch begins with the first [`slot`](Partition::slot) or
/// [`load`](Partition::load) and ends with [`commit`](Partition::commit) or [`abort`](Partition::abort).
pub struct Partition<V: Value> {
    hot: HotTable<V>,
    overlay: Overlay<V>,
    encoded: Encoded,
    timers: Timers,
    store: Store,
    share: Share,
    meta: Option<Meta>,
    /// What the caller has to say beside the last commit, until a flush asks for it.
    beside: Option<Arc<dyn Beside>>,
    /// Something was committed since the last flush, if only the position.
    behind: bool,
    last_flush: Option<Instant>,
    last_persist: Option<Instant>,
    /// Kept between uses for its capacity.
    order: Vec<Sortable>,
    hits: u64,
    misses: u64,
    /// The store was empty when it was opened and nothing has left the hot table since: what is not hot is nowhere.
    complete: bool,
    /// A batch of a temporary state was aborted: what it changed cannot be taken back.
    spoiled: bool,
}

/// Counters and sizes for telemetry; counters run from the opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub hits: u64,
    pub misses: u64,
    pub evicted: u64,
    pub hot_entries: usize,
    /// Estimated weight of the hot table, and what of it RocksDB does not have yet.
    pub hot_bytes: usize,
    pub dirty_bytes: usize,
    /// Bytes that the hot table's own structures hold, without what values own on the heap.
    pub table_bytes: usize,
    pub timers_near: usize,
    /// Position up to which a crash loses nothing.
    pub persisted_position: Option<i64>,
}

impl<V: Value> Partition<V> {
    /// Opens the state in `dir`, or makes an empty one. [`meta`](Partition::meta) then says where to read on.
    pub fn open(dir: &Path, shared: &Shared, identity: &PartitionIdentity) -> Result<Partition<V>, StateFault> {
        let (store, meta) = Store::open::<V>(dir, shared, identity)?;
        let complete = meta.is_none() && store.rows(&[layout::VALUES]).next().is_none();
        let share = shared.enter();
        let mut partition = Partition {
            hot: HotTable::new(),
            overlay: Overlay::new(),
            encoded: Encoded::default(),
            timers: Timers::new(share.options().timers_near_max),
            store,
            share,
            meta,
            beside: None,
            behind: false,
            last_flush: None,
            last_persist: None,
            order: Vec::new(),
            hits: 0,
            misses: 0,
            complete,
            spoiled: false,
        };
        partition.extend_timers()?;
        Ok(partition)
    }

    /// Where the committed state stands; none before the first commit ever.
    pub fn meta(&self) -> Option<&Meta> {
        self.meta.as_ref()
    }

    /// State version of what was found at the opening: that of the identity, or an older one that its caller reads.
    pub fn found_version(&self) -> u32 {
        self.store.found_version
    }

    // ---- within a batch

    /// The slot of `key` in the running batch, the same for the same key; loads the value if need be.
    ///
    /// `log_time_ms` is the record's: a value that has [expired](Value::expired) by then is absent from here on. Asked at every call, not once
    /// a batch, so that a batch of one equals a batch of many.
    #[inline]
    pub fn slot(&mut self, key: &[u8], log_time_ms: i64) -> Result<Slot, StateFault> {
        self.check_unspoiled()?;
        let hash = self.hot.hash(key);
        let place = match self.hot.find(hash, key) {
            Some(place) => {
                self.hits += 1;
                place
            }
            None => self.load_one(key, hash)?,
        };
        let slot = self.touch(place);
        self.expire(slot, log_time_ms);
        Ok(slot)
    }

    /// Makes the slot's value absent if it has [expired](Value::expired) at `log_time_ms`.
    #[inline]
    pub fn expire(&mut self, slot: Slot, log_time_ms: i64) {
        if self.value(slot).is_some_and(|value| value.expired(log_time_ms)) {
            self.overlay.slots[slot.0 as usize].working = Working::Absent;
        }
    }

    /// The key that a slot stands for.
    #[inline]
    pub fn key(&self, slot: Slot) -> &[u8] {
        self.hot.entry(self.overlay.slots[slot.0 as usize].place).key.bytes()
    }

    /// The value as the batch sees it. Panics, as all that take a slot, if the slot is of an earlier batch.
    #[inline]
    pub fn value(&self, slot: Slot) -> Option<&V> {
        let state = &self.overlay.slots[slot.0 as usize];
        match state.working {
            Working::Copy(copy) => self.overlay.copy(copy),
            Working::Committed => self.hot.entry(state.place).value.as_ref(),
            Working::Absent => None,
        }
    }

    /// The value to change, if there is one. It counts as changed from then on.
    #[inline]
    pub fn value_mut(&mut self, slot: Slot) -> Option<&mut V> {
        let state = &mut self.overlay.slots[slot.0 as usize];
        match state.working {
            Working::Copy(copy) => {
                (state.changed, state.encoded) = (true, Span::NONE);
                self.overlay.copy_mut(copy)
            }
            Working::Committed => {
                let value = self.take_committed(slot)?;
                Some(self.overlay.set(slot.0, value))
            }
            Working::Absent => None,
        }
    }

    /// The committed value itself, to be worked on. It comes back with the commit, and after an abort from its encoded form.
    #[inline]
    fn take_committed(&mut self, slot: Slot) -> Option<V> {
        let state = &mut self.overlay.slots[slot.0 as usize];
        let value = self.hot.entry_mut(state.place).value.take();
        state.taken |= value.is_some();
        value
    }

    /// The value to change, made by `make` where there is none.
    #[inline]
    pub fn value_or_insert_with(&mut self, slot: Slot, make: impl FnOnce() -> V) -> &mut V {
        if let Working::Copy(copy) = self.overlay.slots[slot.0 as usize].working
            && self.overlay.copy(copy).is_some()
        {
            let state = &mut self.overlay.slots[slot.0 as usize];
            (state.changed, state.encoded) = (true, Span::NONE);
            return self.overlay.copy_mut(copy).expect("looked at just now");
        }
        let value = match self.overlay.slots[slot.0 as usize].working {
            Working::Committed => self.take_committed(slot),
            Working::Copy(_) | Working::Absent => None,
        };
        self.overlay.set(slot.0, value.unwrap_or_else(make))
    }

    /// Gives the slot a value, whatever was there.
    #[inline]
    pub fn set(&mut self, slot: Slot, value: V) {
        self.overlay.set(slot.0, value);
    }

    /// Deletes the value; its timer stays.
    pub fn remove(&mut self, slot: Slot) {
        if self.value(slot).is_some() {
            let state = &mut self.overlay.slots[slot.0 as usize];
            (state.working, state.changed, state.encoded) = (Working::Absent, true, Span::NONE);
        }
    }

    /// Sets, moves or clears the one timer that a key can have. Epoch ms of log time.
    pub fn set_timer(&mut self, slot: Slot, due_ms: Option<i64>) {
        let due_ms = due_ms.map_or(NEVER, |due| due.min(NEVER - 1));
        let state = &mut self.overlay.slots[slot.0 as usize];
        if state.due_ms != due_ms {
            self.timers.replace(self.hot.entry(state.place).key.bytes(), state.due_ms, due_ms);
            (state.due_ms, state.changed) = (due_ms, true);
        }
    }

    /// When the key's timer is due.
    pub fn timer(&self, slot: Slot) -> Option<i64> {
        self.overlay.slots[slot.0 as usize].timer_ms()
    }

    /// Takes the earliest timer that is due at `log_time_ms`: its due time and the slot of its key, whose timer is cleared (whoever wants another sets it).
    /// Equal due times come in key order. Call it until it returns none, before each record.
    #[inline]
    pub fn next_due_timer(&mut self, log_time_ms: i64) -> Result<Option<(i64, Slot)>, StateFault> {
        loop {
            if let Some((due_ms, key)) = self.timers.first() {
                if *due_ms > log_time_ms {
                    return Ok(None);
                }
                let (due_ms, key) = (*due_ms, key.clone());
                let slot = self.slot(&key, log_time_ms)?;
                if self.timer(slot) != Some(due_ms) {
                    return Err(StateFault::Corrupt {
                        dir: self.store.dir.clone(),
                        what: format!("a timer without its value at key {}", key.escape_ascii()),
                    });
                }
                self.set_timer(slot, None);
                return Ok(Some((due_ms, slot)));
            }
            match self.timers.horizon() {
                Some((due_ms, _)) if *due_ms <= log_time_ms => self.extend_timers()?,
                _ => return Ok(None),
            }
        }
    }

    /// When the next timer is due, or somewhat before it: for the owner that has to append a tick then. Cheap.
    pub fn next_timer_ms(&self) -> Option<i64> {
        self.timers.first().or(self.timers.horizon()).map(|(due_ms, _)| *due_ms)
    }

    /// What the batch changed so far, in key order, for the digest of the state change.
    pub fn changed(&mut self) -> impl Iterator<Item = Change<'_>> {
        // In the order in which they were touched, for so they lie.
        for number in 0..self.overlay.slots.len() {
            if self.overlay.slots[number].changed {
                self.encode(number as u32);
            }
        }
        let (slots, hot) = (&self.overlay.slots, &self.hot);
        let place_of = |slot: u32| slots[slot as usize].place;
        self.order.clear();
        self.order.extend((0..slots.len() as u32).filter(|slot| slots[*slot as usize].changed).map(Sortable::new));
        sort_by_key(&mut self.order, &|slot| hot.entry(place_of(slot)).key.bytes(), &|slot| hot.prefetch_key(place_of(slot)));
        let this = &*self;
        this.order.iter().enumerate().map(move |(at, sortable)| {
            if let Some(ahead) = this.order.get(at + CHANGES_AHEAD) {
                let state = &this.overlay.slots[ahead.item as usize];
                this.hot.prefetch_key(state.place);
                this.encoded.prefetch(state.encoded);
            }
            let slot = Slot(sortable.item);
            let encoded = this.encoded.get(this.overlay.slots[sortable.item as usize].encoded);
            Change { key: this.key(slot), encoded, timer_ms: this.timer(slot) }
        })
    }

    /// Encodes the working value of a changed slot, unless it has been.
    #[inline]
    fn encode(&mut self, number: u32) {
        let state = &self.overlay.slots[number as usize];
        if !state.encoded.is_none() {
            return;
        }
        let value = match state.working {
            Working::Copy(copy) => self.overlay.copy(copy),
            Working::Committed => self.hot.entry(state.place).value.as_ref(),
            Working::Absent => None,
        };
        if let Some(value) = value {
            let span = self.encoded.add(|out| value.encode(out));
            self.overlay.slots[number as usize].encoded = span;
        }
    }

    /// Takes what the batch changed into the state, which then stands at `meta`. Cannot fail: what it promises was already published.
    pub fn commit(&mut self, meta: Meta) {
        debug_assert!(self.meta.as_ref().is_none_or(|before| before.log_time_ms <= meta.log_time_ms), "log time is a running maximum");
        // A temporary state never goes back and is hardly ever flushed: what was encoded for a digest is not kept.
        let temporary = self.share.options().temporary;
        for number in 0..self.overlay.slots.len() {
            if let Some(ahead) = self.overlay.slots.get(number + COMMIT_AHEAD) {
                self.hot.prefetch_place(ahead.place);
            }
            if !self.overlay.slots[number].changed {
                continue;
            }
            if !temporary {
                self.encode(number as u32);
            }
            let state = &self.overlay.slots[number];
            let (place, due_ms, working) = (state.place, state.due_ms, state.working);
            let encoded = if temporary { Span::NONE } else { state.encoded };
            let entry = self.hot.entry_mut(place);
            match working {
                Working::Copy(copy) => entry.value = self.overlay.take_copy(copy),
                Working::Absent => entry.value = None,
                // Only the timer changed.
                Working::Committed => {}
            }
            (entry.due_ms, entry.encoded) = (due_ms, encoded);
            self.hot.mark_dirty(place);
        }
        match temporary {
            true => self.encoded.clear(),
            false => self.encoded.commit(),
        }
        (self.meta, self.beside) = (Some(meta), None);
        self.behind = true;
        self.end_batch();
    }

    /// [`commit`](Partition::commit) whose `meta.extra` is written by `beside` when a flush comes to need it, and not otherwise.
    pub fn commit_beside(&mut self, meta: Meta, beside: Arc<dyn Beside>) {
        self.commit(meta);
        self.beside = Some(beside);
    }

    /// Forgets what the batch changed. A temporary state cannot, and says so when it is used again.
    pub fn abort(&mut self) {
        self.spoiled |= self.share.options().temporary && self.overlay.slots.iter().any(|state| state.changed);
        for state in &self.overlay.slots {
            let entry = self.hot.entry_mut(state.place);
            if state.due_ms != entry.due_ms {
                self.timers.replace(entry.key.bytes(), state.due_ms, entry.due_ms);
            }
            if !state.taken || self.spoiled {
                continue;
            }
            match entry.dirty {
                // RocksDB has it.
                false => {
                    self.hot.remove(state.place);
                    self.complete = false;
                }
                true => match V::decode(self.encoded.get(entry.encoded)) {
                    Ok(value) => entry.value = Some(value),
                    // A value that cannot read itself back: nothing that stands here can be relied on.
                    Err(_) => self.spoiled = true,
                },
            }
        }
        self.encoded.abort();
        self.end_batch();
    }

    fn end_batch(&mut self) {
        let touched = self.overlay.slots.len();
        self.overlay.end();
        self.hot.evict(self.share.hot_bytes(), touched);
        self.complete &= self.hot.evicted == 0;
    }

    // ---- between batches

    /// Visits the committed state in key order: key, value (absent where expired at the committed log time), timer. For inspection and migration; reads everything.
    pub fn for_each(&mut self, mut visit: impl FnMut(&[u8], Option<V>, Option<i64>)) -> Result<(), StateFault> {
        self.flush()?;
        let log_time_ms = self.meta.as_ref().map_or(i64::MIN, |meta| meta.log_time_ms);
        for row in self.store.rows(&[layout::VALUES]) {
            let (row_key, row) = row?;
            let Some(key) = row_key.strip_prefix(&[layout::VALUES]) else { break };
            let (value, due_ms) = layout::decode_row::<V>(&row).map_err(|what| self.unreadable(key, what))?;
            let value = value.filter(|value| !value.expired(log_time_ms));
            let timer_ms = (due_ms != NEVER).then_some(due_ms);
            if value.is_some() || timer_ms.is_some() {
                visit(key, value, timer_ms);
            }
        }
        Ok(())
    }

    /// Rewrites the files now, dropping what has expired. RocksDB does it by itself in time.
    pub fn compact(&self) {
        self.store.compact();
    }

    /// Of its files on disk.
    ///
    /// # Errors
    /// When RocksDB cannot be asked.
    pub fn disk_bytes(&self) -> Result<u64, StateFault> {
        self.store.disk_bytes()
    }

    pub fn stats(&self) -> Stats {
        Stats {
            hits: self.hits,
            misses: self.misses,
            evicted: self.hot.evicted,
            hot_entries: self.hot.live,
            hot_bytes: self.hot.weight_bytes,
            dirty_bytes: self.hot.dirty_bytes,
            table_bytes: self.hot.allocated_bytes(),
            timers_near: self.timers.near_len(),
            persisted_position: self.store.persisted_position(),
        }
    }
}
