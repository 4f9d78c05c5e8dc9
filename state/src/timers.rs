//! The timers that are due first, in due order, as the running batch sees them.
//!
//! All timers stand in RocksDB; memory holds those before a horizon. So a timer for each of ten million identities costs disk, not
//! memory, and asking what is due next costs nothing.

use crate::layout::NEVER;
use std::collections::BTreeSet;

type Timer = (i64, Box<[u8]>);

pub(crate) struct Timers {
    near: BTreeSet<Timer>,
    /// Every timer before it is in `near`, none from it on. None: all are.
    horizon: Option<Timer>,
    near_max: usize,
}

impl Timers {
    /// Knows nothing yet: everything is beyond the horizon.
    pub fn new(near_max: usize) -> Timers {
        Timers { near: BTreeSet::new(), horizon: Some((i64::MIN, Box::default())), near_max: near_max.max(1) }
    }

    pub fn near_max(&self) -> usize {
        self.near_max
    }

    pub fn near_len(&self) -> usize {
        self.near.len()
    }

    pub fn horizon(&self) -> Option<&Timer> {
        self.horizon.as_ref()
    }

    pub fn first(&self) -> Option<&Timer> {
        self.near.first()
    }

    /// Moves a key's timer; [`NEVER`] stands for none.
    pub fn replace(&mut self, key: &[u8], before_ms: i64, after_ms: i64) {
        if before_ms != NEVER {
            self.near.remove(&(before_ms, key.into()));
        }
        self.insert(after_ms, key);
    }

    pub fn insert(&mut self, due_ms: i64, key: &[u8]) {
        if due_ms == NEVER || self.horizon.as_ref().is_some_and(|(due, first)| (due_ms, key) >= (*due, first)) {
            return;
        }
        self.near.insert((due_ms, key.into()));
        if self.near.len() > 2 * self.near_max
            && let Some(first_far) = self.near.iter().nth(self.near_max).cloned()
        {
            // They are in RocksDB, or are among what the next flush writes there.
            self.near.split_off(&first_far);
            self.horizon = Some(first_far);
        }
    }

    /// Moves the horizon out; the caller inserts what is stored before it.
    pub fn set_horizon(&mut self, horizon: Option<Timer>) {
        self.horizon = horizon;
    }
}
