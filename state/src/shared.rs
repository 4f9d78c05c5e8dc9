//! What all partitions of a process share: one block cache, one budget for write buffers, one for hot values.

use rocksdb::{Cache, WriteBufferManager};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Sizes in bytes, for all partitions of the process together unless said otherwise.
#[derive(Clone, Debug)]
pub struct StateOptions {
    /// Live values in memory, divided evenly among the open partitions (keys are hashed, so partitions are alike).
    pub hot_bytes: usize,
    /// Blocks, indexes and filters of RocksDB's files. Write buffers are charged to it as well.
    pub block_cache_bytes: usize,
    /// What RocksDB holds in memory before it writes a file. Bounds what a crash makes replay.
    pub write_buffer_bytes: usize,
    /// How often a partition's changes are handed to RocksDB.
    pub flush_every: Duration,
    /// Changed values of one partition that make a flush due before its time.
    pub dirty_bytes_max: usize,
    /// How often RocksDB is told to put on disk what it was handed, at the latest.
    pub persist_every: Duration,
    /// Timers of one partition held in memory; the later ones wait on disk.
    pub timers_near_max: usize,
    /// The state is thrown away with its process. A batch then changes values where they stand, with no copy to go back to: an abort ends the
    /// use of the partition.
    pub temporary: bool,
}

impl StateOptions {
    /// A sensible division of `memory_bytes`, the configuration's `state.cache`.
    pub fn with_memory(memory_bytes: usize) -> StateOptions {
        let write_buffer_bytes = (memory_bytes / 8).clamp(4 << 20, 512 << 20);
        StateOptions {
            hot_bytes: memory_bytes / 8 * 5,
            block_cache_bytes: memory_bytes / 4 + write_buffer_bytes,
            write_buffer_bytes,
            flush_every: Duration::from_secs(1),
            dirty_bytes_max: 32 << 20,
            persist_every: Duration::from_secs(60),
            timers_near_max: 64 * 1024,
            temporary: false,
        }
    }

    /// The same for a state that nobody will open again: RocksDB gets only what memory cannot hold.
    pub fn temporary(memory_bytes: usize) -> StateOptions {
        StateOptions { flush_every: Duration::MAX, dirty_bytes_max: usize::MAX, temporary: true, ..StateOptions::with_memory(memory_bytes) }
    }
}

impl Default for StateOptions {
    fn default() -> StateOptions {
        StateOptions::with_memory(512 << 20)
    }
}

/// One per process; cheap to clone.
#[derive(Clone)]
pub struct Shared {
    pub(crate) options: Arc<StateOptions>,
    pub(crate) block_cache: Cache,
    pub(crate) write_buffers: WriteBufferManager,
    open_partitions: Arc<AtomicUsize>,
}

impl Shared {
    pub fn new(options: StateOptions) -> Shared {
        let block_cache = Cache::new_lru_cache(options.block_cache_bytes);
        // Without stalls: a partition that cannot write a file yet must not hold up the thread that decides.
        let write_buffers = WriteBufferManager::new_write_buffer_manager_with_cache(options.write_buffer_bytes, false, block_cache.clone());
        Shared { options: Arc::new(options), block_cache, write_buffers, open_partitions: Arc::default() }
    }

    /// Whether the state is thrown away with its process.
    pub fn is_temporary(&self) -> bool {
        self.options.temporary
    }

    /// Bytes in RocksDB's block cache (write buffers included) and in its write buffers alone, for telemetry.
    pub fn rocksdb_bytes(&self) -> (usize, usize) {
        (self.block_cache.get_usage(), self.write_buffers.get_usage())
    }

    pub(crate) fn enter(&self) -> Share {
        self.open_partitions.fetch_add(1, Ordering::Relaxed);
        Share(self.clone())
    }
}

/// An open partition's part of the budgets; given back when dropped.
pub(crate) struct Share(Shared);

impl Share {
    pub fn options(&self) -> &StateOptions {
        &self.0.options
    }

    pub fn hot_bytes(&self) -> usize {
        self.0.options.hot_bytes / self.0.open_partitions.load(Ordering::Relaxed).max(1)
    }

    /// Half of the hot part at most: dirty values cannot be evicted, so they must not fill it.
    pub fn dirty_bytes_max(&self) -> usize {
        self.0.options.dirty_bytes_max.min(self.hot_bytes() / 2).max(1)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.open_partitions.fetch_sub(1, Ordering::Relaxed);
    }
}
