//! Committed values as they will be stored, from their commit to the next flush.
//!
//! Each value that a batch changes is encoded once: for the digest of the state change. The same bytes are what the flush writes, and
//! what an abort goes back to: so a batch may work on the value itself, moved out of the hot table, and nothing is ever copied for the case
//! that it might fail.

use crate::index::{CACHE_LINE_BYTES, prefetch};
use std::ops::Range;

/// What follows comes by itself: the processor sees that it is read in order.
const PREFETCH_LINES_MAX: usize = 4;

/// Where a value stands. None: not encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    from: u32,
    to: u32,
}

impl Span {
    pub const NONE: Span = Span { from: 0, to: 0 };

    pub fn is_none(self) -> bool {
        self == Span::NONE
    }

    fn range(self) -> Range<usize> {
        self.from as usize..self.to as usize
    }
}

/// One after another in one block of memory, kept from flush to flush.
#[derive(Default)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    /// Up to here it is of committed batches.
    committed: usize,
}

impl Encoded {
    /// A byte that belongs to nobody comes first, so that no value's span looks like none.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        if self.bytes.is_empty() {
            self.bytes.push(0);
        }
        let from = self.bytes.len();
        write(&mut self.bytes);
        match (u32::try_from(from), u32::try_from(self.bytes.len())) {
            (Ok(from), Ok(to)) => Span { from, to },
            // Four gigabytes between two flushes: whoever asks encodes again.
            _ => Span::NONE,
        }
    }

    pub fn get(&self, span: Span) -> &[u8] {
        &self.bytes[span.range()]
    }

    /// Starts to load a value.
    pub fn prefetch(&self, span: Span) {
        for line in self.get(span).chunks(CACHE_LINE_BYTES).take(PREFETCH_LINES_MAX) {
            prefetch(line.as_ptr());
        }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn commit(&mut self) {
        self.committed = self.bytes.len();
    }

    pub fn abort(&mut self) {
        self.bytes.truncate(self.committed);
    }

    /// All spans are void afterwards.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.committed = 0;
    }
}
