//! What is usual of a windowed count: the most of it on the days before, fading.
//!
//! A finished day's greatest count is taken over at once when it is above what was usual, and an eighth is forgotten with each day that
//! stayed below. So an owner's busy day is known the day after, and a burst is always measured against the days before its own.

use crate::time::Time;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct DailyMost {
    day: i32,
    most: u64,
    /// Sixteenths.
    usual: u64,
    /// Days finished.
    days: u16,
}

impl DailyMost {
    /// Takes in a count at `now`; what was usual on the days before.
    pub fn observe(&mut self, now: Time, count: u64) -> u64 {
        if now.day() != self.day {
            if self.day != 0 {
                self.days = self.days.saturating_add(1);
            }
            self.usual = (self.usual - self.usual / 8).max(self.most.saturating_mul(16));
            (self.day, self.most) = (now.day(), 0);
        }
        self.most = self.most.max(count);
        self.usual()
    }

    pub fn usual(&self) -> u64 {
        self.usual.div_ceil(16)
    }

    /// Days that were counted to the end.
    pub fn days(&self) -> u16 {
        self.days
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY_MS;

    #[test]
    fn a_burst_is_measured_against_the_days_before() {
        let (mut usual, day) = (DailyMost::default(), |d: i64| Time(20_000 * DAY_MS + d * DAY_MS));
        assert_eq!(usual.observe(day(0), 5), 0);
        assert_eq!(usual.observe(day(1), 900), 5, "the burst itself is not yet usual");
        assert_eq!(usual.observe(day(2), 5), 900);
        assert!((3..40).all(|d| usual.observe(day(d), 5) >= 5) && usual.usual() < 20 && usual.days() == 39, "{usual:?}");
    }
}
