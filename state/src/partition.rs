//! One partition's state: batches over the hot table, flushes into RocksDB.

use crate::KEY_BYTES_MAX;
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
use rocksdb::WriteBatch;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Keys whose memory is asked for ahead of their use: enough to cover a cache miss, few enough to stay in the first cache.
const PREFETCH_KEYS: usize = 32;
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

    /// Slots for many keys at once, appended to `slots` in the keys' order: what is not hot comes in one read of RocksDB, and what is
    /// comes into the processor's cache while other keys are worked on. Best with the keys of 64 to 1,000 records.
    ///
    /// Expiry is left to [`expire`](Partition::expire), to be called per record. On an error nothing was appended.
    pub fn load<'k>(&mut self, keys: impl IntoIterator<Item = &'k [u8]>, slots: &mut Vec<Slot>) -> Result<(), StateFault> {
        self.check_unspoiled()?;
        let before = slots.len();
        let mut keys = keys.into_iter();
        let mut missing: Vec<(&[u8], u32, usize)> = Vec::new();
        let mut group: [(&[u8], u32); PREFETCH_KEYS] = [(&[], 0); PREFETCH_KEYS];
        loop {
            let mut len = 0;
            for (place, key) in group.iter_mut().zip(&mut keys) {
                let hash = self.hot.hash(key);
                self.hot.prefetch_bucket(hash);
                *place = (key, hash);
                len += 1;
            }
            for (_, hash) in &group[..len] {
                self.hot.prefetch_entry(*hash);
            }
            let first = slots.len();
            for &(key, hash) in &group[..len] {
                match self.hot.find(hash, key) {
                    Some(place) => {
                        self.hits += 1;
                        self.hot.prefetch_value(place, 0);
                        slots.push(self.touch(place));
                    }
                    None => {
                        missing.push((key, hash, slots.len()));
                        slots.push(Slot(u32::MAX));
                    }
                }
            }
            for slot in &slots[first..] {
                if let Some(state) = self.overlay.slots.get(slot.0 as usize) {
                    self.hot.prefetch_value(state.place, 1);
                }
            }
            if len < PREFETCH_KEYS {
                break;
            }
        }
        self.load_missing(missing, slots).inspect_err(|_| slots.truncate(before))
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

    /// Flushes when a flush is due: about once a second, or when much has changed. To be called after each commit and when idle.
    /// `now` only decides when; it changes no outcome. Returns whether it flushed.
    pub fn flush_if_due(&mut self, now: Instant) -> Result<bool, StateFault> {
        let (options, since) = (self.share.options(), |then: Option<Instant>| then.map(|then| now.saturating_duration_since(then)));
        let (flush_every, persist_every) = (options.flush_every, options.persist_every);
        let due = since(self.last_flush).is_some_and(|waited| waited >= flush_every)
            || self.hot.dirty_bytes.max(2 * self.encoded.len()) >= self.share.dirty_bytes_max();
        let persist_due = since(self.last_persist).is_some_and(|waited| waited >= persist_every);
        self.last_flush.get_or_insert(now);
        self.last_persist.get_or_insert(now);
        if !due {
            return Ok(false);
        }
        let flushed = self.behind;
        self.flush()?;
        self.last_flush = Some(now);
        self.store.poll_persisted()?;
        if persist_due {
            self.store.start_persist()?;
            self.last_persist = Some(now);
        }
        Ok(flushed)
    }

    /// Hands everything committed to RocksDB in one sorted write. A running batch is not part of it.
    pub fn flush(&mut self) -> Result<(), StateFault> {
        let (true, Some(meta)) = (self.behind, &mut self.meta) else { return Ok(()) };
        if let Some(beside) = self.beside.take() {
            meta.extra.clear();
            beside.encode(&mut meta.extra);
        }
        self.order.clear();
        self.order.extend(self.hot.dirty.iter().map(|place| Sortable::new(*place)));
        sort_by_key(&mut self.order, &|place| self.hot.entry(place).key.bytes(), &|place| self.hot.prefetch_key(place));

        let mut batch = WriteBatch::with_capacity_bytes(self.hot.dirty_bytes + self.hot.dirty_bytes / 4);
        let (mut row_key, mut row) = (Vec::new(), Vec::new());
        for (at, sortable) in self.order.iter().enumerate() {
            if let Some(ahead) = self.order.get(at + CHANGES_AHEAD) {
                self.hot.prefetch_place(ahead.item);
                self.encoded.prefetch(self.hot.entry(self.order[at + CHANGES_AHEAD / 2].item).encoded);
            }
            let entry = self.hot.entry(sortable.item);
            row_key.clear();
            layout::value_key(entry.key.bytes(), &mut row_key);
            let written = match entry.encoded.is_none() {
                true => layout::encode_row(entry.value.as_ref(), entry.due_ms, &mut row),
                false => layout::encoded_row(self.encoded.get(entry.encoded), entry.due_ms, &mut row),
            };
            if written {
                batch.put(&row_key, &row);
            } else {
                batch.delete(&row_key);
            }
        }
        for sortable in &self.order {
            let entry = self.hot.entry(sortable.item);
            if entry.timer_moved() {
                if entry.stored_due_ms != NEVER {
                    layout::timer_key(entry.stored_due_ms, entry.key.bytes(), &mut row_key);
                    batch.delete(&row_key);
                }
                if let Some(due_ms) = entry.timer_ms() {
                    layout::timer_key(due_ms, entry.key.bytes(), &mut row_key);
                    batch.put(&row_key, []);
                }
            }
        }
        self.store.write(batch, meta)?;
        self.hot.mark_clean();
        self.encoded.clear();
        for state in &mut self.overlay.slots {
            state.encoded = Span::NONE;
        }
        self.behind = false;
        Ok(())
    }

    /// Flushes, and waits until it is on disk: after this a crash loses nothing that was committed.
    pub fn persist(&mut self) -> Result<(), StateFault> {
        self.flush()?;
        self.store.persist()
    }

    /// Flushes, and has it put on disk in the background.
    pub fn start_persist(&mut self) -> Result<(), StateFault> {
        self.flush()?;
        self.store.start_persist()
    }

    /// What [`start_persist`](Partition::start_persist) began is under way still.
    pub fn is_persisting(&mut self) -> Result<bool, StateFault> {
        self.store.poll_persisted()?;
        Ok(self.store.is_persisting())
    }

    /// Persists and closes: a planned restart replays nothing. A running batch is dropped.
    pub fn close(mut self) -> Result<(), StateFault> {
        self.abort();
        self.persist()
    }

    /// A copy of the committed state in `target`, a directory that must not exist yet; files are hard links where the file system is the same.
    pub fn checkpoint(&mut self, target: &Path) -> Result<(), StateFault> {
        self.flush()?;
        self.store.checkpoint(target)
    }

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

    // ---- loading

    #[inline]
    fn touch(&mut self, place: u32) -> Slot {
        let entry = self.hot.entry(place);
        if entry.batch == self.overlay.batch {
            return Slot(entry.slot);
        }
        let slot = self.overlay.add(place, entry.due_ms);
        self.hot.touch(place, self.overlay.batch, slot);
        Slot(slot)
    }

    fn load_one(&mut self, key: &[u8], hash: u32) -> Result<u32, StateFault> {
        self.check_key(key)?;
        self.misses += 1;
        if self.complete {
            return Ok(self.hot.insert_clean(hash, key, None, NEVER));
        }
        let mut row_key = Vec::with_capacity(1 + key.len());
        layout::value_key(key, &mut row_key);
        let (value, due_ms) = match self.store.get(&row_key)? {
            Some(row) => layout::decode_row(&row).map_err(|what| self.unreadable(key, what))?,
            None => (None, NEVER),
        };
        Ok(self.hot.insert_clean(hash, key, value, due_ms))
    }

    /// Reads everything before it changes anything, so that an error leaves no key looking absent that is not.
    fn load_missing(&mut self, mut missing: Vec<(&[u8], u32, usize)>, slots: &mut [Slot]) -> Result<(), StateFault> {
        if missing.is_empty() {
            return Ok(());
        }
        if self.complete {
            return self.insert_missing(&missing, slots);
        }
        missing.sort_unstable_by_key(|(key, ..)| *key);
        let mut row_keys = Vec::new();
        let mut ends = Vec::with_capacity(missing.len());
        for run in missing.chunk_by(|a, b| a.0 == b.0) {
            self.check_key(run[0].0)?;
            layout::value_key(run[0].0, &mut row_keys);
            ends.push(row_keys.len());
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let rows = self.store.get_sorted(starts.zip(&ends).map(|(start, end)| &row_keys[start..*end]))?;
        let mut values: Vec<(Option<V>, i64)> = Vec::with_capacity(rows.len());
        for (run, row) in missing.chunk_by(|a, b| a.0 == b.0).zip(rows) {
            let row = row.map_err(|e| StateFault::of(&self.store.dir, "reading the state", e))?;
            values.push(match row {
                Some(row) => layout::decode_row(&row).map_err(|what| self.unreadable(run[0].0, what))?,
                None => (None, NEVER),
            });
        }
        self.misses += values.len() as u64;
        for (run, (value, due_ms)) in missing.chunk_by(|a, b| a.0 == b.0).zip(values) {
            let (key, hash, _) = run[0];
            let place = self.hot.insert_clean(hash, key, value, due_ms);
            let slot = self.touch(place);
            for (_, _, at) in run {
                slots[*at] = slot;
            }
        }
        Ok(())
    }

    /// New entries without a value: there is none in RocksDB that is not in the hot table.
    fn insert_missing(&mut self, missing: &[(&[u8], u32, usize)], slots: &mut [Slot]) -> Result<(), StateFault> {
        for (key, ..) in missing {
            self.check_key(key)?;
        }
        for (key, hash, at) in missing {
            let place = match self.hot.find(*hash, key) {
                Some(place) => place,
                None => {
                    self.misses += 1;
                    self.hot.insert_clean(*hash, key, None, NEVER)
                }
            };
            slots[*at] = self.touch(place);
        }
        Ok(())
    }

    #[inline]
    fn check_unspoiled(&self) -> Result<(), StateFault> {
        if self.spoiled { Err(StateFault::Spoiled { dir: self.store.dir.clone() }) } else { Ok(()) }
    }

    fn check_key(&self, key: &[u8]) -> Result<(), StateFault> {
        if key.len() > KEY_BYTES_MAX {
            return Err(StateFault::KeyTooLong { dir: self.store.dir.clone(), bytes: key.len(), max: KEY_BYTES_MAX });
        }
        Ok(())
    }

    fn unreadable(&self, key: &[u8], what: String) -> StateFault {
        StateFault::Corrupt { dir: self.store.dir.clone(), what: format!("the value at key {} cannot be read: {what}", key.escape_ascii()) }
    }

    /// Brings the next timers from RocksDB into memory.
    fn extend_timers(&mut self) -> Result<(), StateFault> {
        let Some((due_ms, key)) = self.timers.horizon().cloned() else { return Ok(()) };
        // Far timers that were committed but not flushed are in neither place otherwise.
        self.flush()?;
        let mut from = Vec::new();
        layout::timer_key(due_ms, &key, &mut from);
        let (mut loaded, mut horizon) = (Vec::new(), None);
        for row in self.store.rows(&from) {
            let (row_key, _) = row?;
            let Some((due_ms, key)) = layout::read_timer_key(&row_key) else { break };
            if loaded.len() == self.timers.near_max() {
                horizon = Some((due_ms, key.into()));
                break;
            }
            loaded.push((due_ms, Box::<[u8]>::from(key)));
        }
        self.timers.set_horizon(horizon);
        for (due_ms, key) in loaded {
            // The running batch may have moved or cleared it.
            let moved = self.hot.find(self.hot.hash(&key), &key).is_some_and(|place| {
                let entry = self.hot.entry(place);
                entry.batch == self.overlay.batch && self.overlay.slots[entry.slot as usize].due_ms != due_ms
            });
            if !moved {
                self.timers.insert(due_ms, &key);
            }
        }
        for state in &self.overlay.slots {
            self.timers.insert(state.due_ms, self.hot.entry(state.place).key.bytes());
        }
        Ok(())
    }
}
