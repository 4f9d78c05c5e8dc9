//! Values come into the hot table: one, or all that a batch will need in one read of RocksDB; and the timers that are next.

use super::Partition;
use crate::KEY_BYTES_MAX;
use crate::fault::StateFault;
use crate::layout::{self, NEVER};
use crate::overlay::Slot;
use crate::value::Value;

/// Keys whose memory is asked for ahead of their use: enough to cover a cache miss, few enough to stay in the first cache.
const PREFETCH_KEYS: usize = 32;

impl<V: Value> Partition<V> {
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

    #[inline]
    pub(super) fn touch(&mut self, place: u32) -> Slot {
        let entry = self.hot.entry(place);
        if entry.batch == self.overlay.batch {
            return Slot(entry.slot);
        }
        let slot = self.overlay.add(place, entry.due_ms);
        self.hot.touch(place, self.overlay.batch, slot);
        Slot(slot)
    }

    pub(super) fn load_one(&mut self, key: &[u8], hash: u32) -> Result<u32, StateFault> {
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
    pub(super) fn check_unspoiled(&self) -> Result<(), StateFault> {
        if self.spoiled { Err(StateFault::Spoiled { dir: self.store.dir.clone() }) } else { Ok(()) }
    }

    fn check_key(&self, key: &[u8]) -> Result<(), StateFault> {
        if key.len() > KEY_BYTES_MAX {
            return Err(StateFault::KeyTooLong { dir: self.store.dir.clone(), bytes: key.len(), max: KEY_BYTES_MAX });
        }
        Ok(())
    }

    pub(super) fn unreadable(&self, key: &[u8], what: String) -> StateFault {
        StateFault::Corrupt { dir: self.store.dir.clone(), what: format!("the value at key {} cannot be read: {what}", key.escape_ascii()) }
    }

    /// Brings the next timers from RocksDB into memory.
    pub(super) fn extend_timers(&mut self) -> Result<(), StateFault> {
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
