//! A generator of one's own, so that a seed draws the same on every machine and in every release of anything: SplitMix64 (Steele, Lea, Flood, 2014).

use std::ops::Range;

pub struct Random(u64);

impl Random {
    /// `about` keeps the draws for different purposes apart, so that one more draw here changes nothing there.
    pub fn new(seed: u64, about: &str) -> Random {
        let about = about.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Random(seed ^ about)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start).max(1)
    }

    /// True once in `n`.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.within(0..n) == 0
    }

    pub fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.within(0..from.len() as u64) as usize]
    }
}
