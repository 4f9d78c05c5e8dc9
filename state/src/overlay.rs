//! The overlay: copies of what one batch changes. Commit moves them into the hot table, abort forgets them.

use crate::layout::NEVER;

/// A subject within the running batch. Void after the batch's commit or abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(pub(crate) u32);

/// What a batch did to one key, for the digest of the state change.
#[derive(Debug, PartialEq, Eq)]
pub struct Change<'a, V> {
    pub key: &'a [u8],
    /// Absent: removed, expired, or only a timer is left.
    pub value: Option<&'a V>,
    /// When the key's timer is due, epoch ms of log time.
    pub timer_ms: Option<i64>,
}

/// A value as the batch sees it.
pub(crate) enum Working<V> {
    /// As committed, in the hot table. Read without a copy.
    Committed,
    Absent,
    Copy(V),
}

pub(crate) struct SlotState<V> {
    pub place: u32,
    pub changed: bool,
    pub due_ms: i64,
    pub working: Working<V>,
}

pub(crate) struct Overlay<V> {
    /// Number of the running batch, from 1: tells a fresh slot from that of an earlier batch.
    pub batch: u64,
    /// Kept between batches for its capacity.
    pub slots: Vec<SlotState<V>>,
}

impl<V> Overlay<V> {
    pub fn new() -> Overlay<V> {
        Overlay { batch: 1, slots: Vec::new() }
    }

    #[inline]
    pub fn add(&mut self, place: u32, due_ms: i64) -> u32 {
        self.slots.push(SlotState { place, changed: false, due_ms, working: Working::Committed });
        self.slots.len() as u32 - 1
    }

    pub fn end(&mut self) {
        self.slots.clear();
        self.batch += 1;
    }
}

impl<V> SlotState<V> {
    pub fn timer_ms(&self) -> Option<i64> {
        (self.due_ms != NEVER).then_some(self.due_ms)
    }
}
