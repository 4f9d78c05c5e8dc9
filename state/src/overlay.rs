//! The overlay: the values that one batch works on. Commit moves them into the hot table, abort forgets them.

use crate::encoded::Span;
use crate::layout::NEVER;

/// A subject within the running batch. Void after the batch's commit or abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(pub(crate) u32);

/// What a batch did to one key, for the digest of the state change.
#[derive(Debug, PartialEq, Eq)]
pub struct Change<'a> {
    pub key: &'a [u8],
    /// The value as it is stored. Empty where there is none: removed, expired, or only a timer is left.
    pub encoded: &'a [u8],
    /// When the key's timer is due, epoch ms of log time.
    pub timer_ms: Option<i64>,
}

/// A value as the batch sees it.
#[derive(Clone, Copy)]
pub(crate) enum Working {
    /// As committed, in the hot table. Read without a copy.
    Committed,
    Absent,
    /// Number among the copies.
    Copy(u32),
}

pub(crate) struct SlotState {
    pub place: u32,
    pub changed: bool,
    /// The committed value was moved out of the hot table to be worked on: an abort has to bring it back.
    pub taken: bool,
    pub due_ms: i64,
    pub working: Working,
    /// Where the working value stands among the [encoded](crate::encoded::Encoded) ones, if it has not changed since.
    pub encoded: Span,
}

pub(crate) struct Overlay<V> {
    /// Number of the running batch, from 1: tells a fresh slot from that of an earlier batch.
    pub batch: u64,
    /// Kept between batches for their capacity; apart from the copies, so that what is only read costs little.
    pub slots: Vec<SlotState>,
    /// Each is taken at most once, at commit.
    copies: Vec<Option<V>>,
}

impl<V> Overlay<V> {
    pub fn new() -> Overlay<V> {
        Overlay { batch: 1, slots: Vec::new(), copies: Vec::new() }
    }

    #[inline]
    pub fn add(&mut self, place: u32, due_ms: i64) -> u32 {
        let working = Working::Committed;
        self.slots.push(SlotState { place, changed: false, taken: false, due_ms, working, encoded: Span::NONE });
        self.slots.len() as u32 - 1
    }

    /// Gives slot number `slot` a value of its own, which counts as a change.
    #[inline]
    pub fn set(&mut self, slot: u32, value: V) -> &mut V {
        let state = &mut self.slots[slot as usize];
        (state.changed, state.encoded) = (true, Span::NONE);
        let copy = match state.working {
            Working::Copy(copy) => {
                self.copies[copy as usize] = None;
                copy
            }
            Working::Committed | Working::Absent => {
                self.copies.push(None);
                self.copies.len() as u32 - 1
            }
        };
        state.working = Working::Copy(copy);
        self.copies[copy as usize].insert(value)
    }

    #[inline]
    pub fn copy(&self, copy: u32) -> Option<&V> {
        self.copies[copy as usize].as_ref()
    }

    #[inline]
    pub fn copy_mut(&mut self, copy: u32) -> Option<&mut V> {
        self.copies[copy as usize].as_mut()
    }

    #[inline]
    pub fn take_copy(&mut self, copy: u32) -> Option<V> {
        self.copies[copy as usize].take()
    }

    pub fn end(&mut self) {
        self.slots.clear();
        self.copies.clear();
        self.batch += 1;
    }
}

impl SlotState {
    pub fn timer_ms(&self) -> Option<i64> {
        (self.due_ms != NEVER).then_some(self.due_ms)
    }
}
