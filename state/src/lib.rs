//! What is remembered of each subject: one RocksDB per partition, a hot table in front of it, an overlay per batch.
//!
//! ```text
//! slot(key) ─► hot table (live values, bounded)  ─miss─► RocksDB of the partition
//!    │               ▲                                        ▲
//!    ▼               │ commit                                 │ flush: sorted, about once a second, with the position
//! overlay (working) ─┘ abort drops it                         │ in the same write
//!                    └────────────────────────────────────────┘
//! ```
//!
//! State is a cache of the log. **It may lag what has been published, it never leads it, and it is never torn.** How that is kept:
//!
//! - Nothing reaches the hot table before [`Partition::commit`], and RocksDB only ever gets what is in the hot table.
//! - A flush is one `WriteBatch`: values, timers and the [`Meta`] (position in the log, log time, the caller's own bytes).
//! - Everything is in **one column family** with a prefix byte per kind of row ([`layout`](crate::layout)). RocksDB puts a batch wholly into one
//!   memtable and installs memtables in the order in which they were filled, so what a crash leaves is exactly the state after some
//!   flush: the position found is the position that every value was written at. That holds **without a write-ahead log**, which is off:
//!   it would write every byte twice to save the replay of what the memtable held, and the replay has to exist anyway. Several column
//!   families would need `atomic_flush` for the same.
//! - What a crash can cost is bounded: a memtable is written out when it is full, and at the latest every [`StateOptions::persist_every`].
//!
//! `tests/crash.rs` kills a writer at random instants and checks every value against the position found.

pub mod checkpoint;
mod encoded;
mod fault;
mod hot;
mod identity;
mod index;
mod key;
mod key_order;
pub mod layout;
mod meta;
mod overlay;
mod partition;
mod shared;
mod store;
mod timers;
mod value;
mod values;

pub use fault::StateFault;
pub use identity::PartitionIdentity;
pub use meta::{Beside, Meta};
pub use overlay::{Change, Slot};
pub use partition::{Partition, Stats};
pub use shared::{Shared, StateOptions};
pub use store::destroy;
pub use value::Value;

/// Longest key accepted, in bytes. Subjects are far below it; it keeps a mistake from becoming a memory problem.
pub const KEY_BYTES_MAX: usize = 64 * 1024;
