//! The hot table: the live values of a partition, bounded by a memory budget.
//!
//! Entries stand in chunks that never move, so growing copies nothing. Eviction is second chance (the clock of Corbató, 1968) over clean entries
//! only: a changed value stays until RocksDB has it. What is evicted decides where a value is read from next time, never what it is.

use crate::encoded::Span;
use crate::index::{CACHE_LINE_BYTES, Index, prefetch};
use crate::key::Key;
use crate::layout::NEVER;
use crate::value::Value;
use std::hash::{BuildHasher, Hasher};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// An entry per key that was asked for, also where there is no value: that a subject is unknown is worth remembering, too.
pub(crate) struct Entry<V> {
    /// The batch that touched it last, and its slot there.
    pub batch: u64,
    pub slot: u32,
    hash: u32,
    pub key: Key,
    /// Committed timer, or [`NEVER`].
    pub due_ms: i64,
    /// The timer that RocksDB's second index holds.
    pub stored_due_ms: i64,
    weight_bytes: usize,
    live: bool,
    pub dirty: bool,
    referenced: bool,
    /// Committed value; moved out while a batch works on it.
    pub value: Option<V>,
    /// The same as it will be stored, while it is dirty.
    pub encoded: Span,
}

const CHUNK_ENTRIES: usize = 1024;
/// Of one block that a value owns, so much is asked for ahead.
const BLOCK_LINES_MAX: usize = 16;
/// Entries that one commit looks at for each one it added, so that eviction costs a little often rather than much at once.
const CLOCK_STEPS_PER_SLOT: usize = 16;
const CLOCK_STEPS_MIN: usize = 4096;

pub(crate) struct HotTable<V> {
    chunks: Vec<Vec<Entry<V>>>,
    free: Vec<u32>,
    index: Index,
    /// Drawn at start, so that nobody outside can choose keys that meet in one bucket. It shows in nothing but speed.
    seed: u64,
    hand: usize,
    pub live: usize,
    pub weight_bytes: usize,
    pub dirty: Vec<u32>,
    pub dirty_bytes: usize,
    pub evicted: u64,
}

impl<V: Value> HotTable<V> {
    pub fn new() -> HotTable<V> {
        HotTable {
            chunks: Vec::new(),
            free: Vec::new(),
            index: Index::new(),
            seed: std::hash::RandomState::new().build_hasher().finish(),
            hand: 0,
            live: 0,
            weight_bytes: 0,
            dirty: Vec::new(),
            dirty_bytes: 0,
            evicted: 0,
        }
    }

    /// What an entry costs besides its value: the entry, its key and its share of the index.
    fn overhead_bytes(key: &Key) -> usize {
        size_of::<Entry<V>>() - size_of::<V>() + 12 + key.heap_bytes()
    }

    #[inline]
    pub fn hash(&self, key: &[u8]) -> u32 {
        xxh3_64_with_seed(key, self.seed) as u32
    }

    #[inline]
    pub fn entry(&self, place: u32) -> &Entry<V> {
        &self.chunks[place as usize / CHUNK_ENTRIES][place as usize % CHUNK_ENTRIES]
    }

    #[inline]
    pub fn entry_mut(&mut self, place: u32) -> &mut Entry<V> {
        &mut self.chunks[place as usize / CHUNK_ENTRIES][place as usize % CHUNK_ENTRIES]
    }

    #[inline]
    pub fn prefetch_bucket(&self, hash: u32) {
        self.index.prefetch(hash);
    }

    /// Starts to load the entry that `hash` most likely means.
    #[inline]
    pub fn prefetch_entry(&self, hash: u32) {
        if let Some(place) = self.index.find(hash, |_| true) {
            self.prefetch_place(place);
        }
    }

    /// Starts to load an entry's key.
    #[inline]
    pub fn prefetch_key(&self, place: u32) {
        prefetch(&self.entry(place).key);
    }

    /// Starts to load an entry.
    #[inline]
    pub fn prefetch_place(&self, place: u32) {
        let entry = std::ptr::from_ref(self.entry(place)).cast::<u8>();
        for line in 0..size_of::<Entry<V>>().div_ceil(CACHE_LINE_BYTES).min(8) {
            prefetch(entry.wrapping_add(line * CACHE_LINE_BYTES));
        }
    }

    /// Starts to load what an entry's value owns; see [`Value::blocks`].
    #[inline]
    pub fn prefetch_value(&self, place: u32, depth: u8) {
        if let Some(value) = &self.entry(place).value {
            value.blocks(depth, &mut |start, bytes| {
                for line in 0..bytes.div_ceil(CACHE_LINE_BYTES).min(BLOCK_LINES_MAX) {
                    prefetch(start.wrapping_add(line * CACHE_LINE_BYTES));
                }
            });
        }
    }

    #[inline]
    pub fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        self.index.find(hash, |place| self.entry(place).key.bytes() == key)
    }

    /// Marks the entry as used by slot `slot` of batch `batch`.
    #[inline]
    pub fn touch(&mut self, place: u32, batch: u64, slot: u32) {
        let entry = self.entry_mut(place);
        (entry.batch, entry.slot, entry.referenced) = (batch, slot, true);
    }

    /// Adds what RocksDB has for `key`, which must not be in the table.
    pub fn insert_clean(&mut self, hash: u32, key: &[u8], value: Option<V>, due_ms: i64) -> u32 {
        let key = Key::new(key);
        let weight_bytes = Self::overhead_bytes(&key) + value.as_ref().map_or(0, V::weight_bytes);
        let entry = Entry {
            batch: 0,
            slot: 0,
            hash,
            key,
            due_ms,
            stored_due_ms: due_ms,
            weight_bytes,
            live: true,
            dirty: false,
            referenced: false,
            value,
            encoded: Span::NONE,
        };
        let place = match self.free.pop() {
            Some(place) => {
                *self.entry_mut(place) = entry;
                place
            }
            None => self.push(entry),
        };
        self.index.insert(hash, place);
        self.live += 1;
        self.weight_bytes += weight_bytes;
        place
    }

    fn push(&mut self, entry: Entry<V>) -> u32 {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_ENTRIES) {
            self.chunks.push(Vec::with_capacity(CHUNK_ENTRIES));
        }
        let chunk = self.chunks.len() - 1;
        self.chunks[chunk].push(entry);
        (chunk * CHUNK_ENTRIES + self.chunks[chunk].len() - 1) as u32
    }

    /// Weighs the entry anew after its committed value or timer changed, and marks it as something that RocksDB does not have yet.
    pub fn mark_dirty(&mut self, place: u32) {
        let entry = self.entry_mut(place);
        let (before, was_dirty) = (entry.weight_bytes, entry.dirty);
        let after = Self::overhead_bytes(&entry.key) + entry.value.as_ref().map_or(0, V::weight_bytes);
        (entry.weight_bytes, entry.dirty) = (after, true);
        self.weight_bytes = self.weight_bytes + after - before;
        if was_dirty {
            self.dirty_bytes = (self.dirty_bytes + after).saturating_sub(before);
        } else {
            self.dirty.push(place);
            self.dirty_bytes += after;
        }
    }

    /// All that is dirty has been written.
    pub fn mark_clean(&mut self) {
        for place in std::mem::take(&mut self.dirty) {
            let entry = self.entry_mut(place);
            (entry.dirty, entry.encoded) = (false, Span::NONE);
            entry.stored_due_ms = entry.due_ms;
        }
        self.dirty_bytes = 0;
    }

    /// Evicts clean entries until the table weighs at most `budget_bytes`, or a number of steps that grows with `added` is used up.
    /// Places given out before are void afterwards.
    pub fn evict(&mut self, budget_bytes: usize, added: usize) {
        let places = self.places();
        let mut steps = (added * CLOCK_STEPS_PER_SLOT + CLOCK_STEPS_MIN).min(2 * places);
        while self.weight_bytes > budget_bytes && steps > 0 {
            steps -= 1;
            let place = self.hand;
            self.hand = if self.hand + 1 >= places { 0 } else { self.hand + 1 };
            let entry = self.entry_mut(place as u32);
            if !entry.live || entry.dirty {
                continue;
            }
            if entry.referenced {
                entry.referenced = false;
                continue;
            }
            self.remove(place as u32);
            self.evicted += 1;
        }
        if self.live < places / 4 && places > 4 * CHUNK_ENTRIES && self.dirty.is_empty() {
            self.shrink();
        }
    }

    fn places(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK_ENTRIES + last.len())
    }

    /// Forgets a clean entry: whoever asks for its key reads it from RocksDB again.
    pub fn remove(&mut self, place: u32) {
        let entry = self.entry_mut(place);
        let (hash, weight_bytes) = (entry.hash, entry.weight_bytes);
        (entry.live, entry.value, entry.key) = (false, None, Key::new(&[]));
        self.index.remove(hash, place);
        self.free.push(place);
        self.live -= 1;
        self.weight_bytes -= weight_bytes;
    }

    /// Gives memory back after the budget became smaller: entries move together, chunk by chunk.
    fn shrink(&mut self) {
        (self.free, self.index, self.hand) = (Vec::new(), Index::new(), 0);
        for chunk in std::mem::take(&mut self.chunks) {
            for entry in chunk {
                if entry.live {
                    let hash = entry.hash;
                    let place = self.push(entry);
                    self.index.insert(hash, place);
                }
            }
        }
    }

    /// Bytes of the table's own structures, live or not.
    pub fn allocated_bytes(&self) -> usize {
        self.chunks.len() * CHUNK_ENTRIES * size_of::<Entry<V>>() + self.index.bytes() + self.free.capacity() * 4
    }
}

impl<V> Entry<V> {
    /// Whether RocksDB's second index has a row of this entry's timer that has to go.
    pub fn timer_moved(&self) -> bool {
        self.due_ms != self.stored_due_ms
    }

    pub fn timer_ms(&self) -> Option<i64> {
        (self.due_ms != NEVER).then_some(self.due_ms)
    }
}
