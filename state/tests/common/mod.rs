//! A value for tests: small, with a time of last use, and as heavy as asked for.

use portcullis_state::{PartitionIdentity, Shared, StateOptions, Value};

/// Idle for longer than this, a [`Note`] is absent.
#[allow(dead_code)]
pub const RETENTION_MS: i64 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Log time of the last use; `i64::MAX` keeps it for ever.
    pub seen_ms: i64,
    pub text: Vec<u8>,
}

impl Value for Note {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seen_ms.to_le_bytes());
        out.extend_from_slice(&self.text);
    }

    fn decode(bytes: &[u8]) -> Result<Note, String> {
        let (seen, text) = bytes.split_first_chunk::<8>().ok_or("shorter than its time of last use")?;
        Ok(Note { seen_ms: i64::from_le_bytes(*seen), text: text.to_vec() })
    }

    fn weight_bytes(&self) -> usize {
        size_of::<Note>() + self.text.len()
    }

    fn expired(&self, log_time_ms: i64) -> bool {
        log_time_ms.saturating_sub(self.seen_ms) > RETENTION_MS
    }
}

#[allow(dead_code)]
pub fn identity() -> PartitionIdentity {
    PartitionIdentity { log: "portcullis.events".into(), partition: 3, partitions: 12, state_version: 7, oldest_state_version: 7 }
}

/// Budgets so small that eviction, automatic writes of files and moves of the timers' horizon happen all the time.
#[allow(dead_code)]
pub fn tiny() -> Shared {
    Shared::new(tiny_of(StateOptions::default()))
}

/// The same for a temporary state.
#[allow(dead_code)]
pub fn tiny_temporary() -> Shared {
    Shared::new(tiny_of(StateOptions::temporary(512 << 20)))
}

fn tiny_of(options: StateOptions) -> StateOptions {
    StateOptions { hot_bytes: 4 << 10, block_cache_bytes: 1 << 20, write_buffer_bytes: 128 << 10, timers_near_max: 2, ..options }
}
