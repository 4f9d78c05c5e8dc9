//! How many different things were seen within a window, and how often each: exact while few, then a fair sample.
//!
//! Distinct sampling (Gibbons, "Distinct Sampling for Highly-Accurate Answers to Distinct Values Queries", VLDB 2001; Wegman's adaptive
//! sampling): when the list is full, only values whose hash ends in one more zero bit are kept, and every count is multiplied
//! accordingly. So the share of values with few tries, or that failed, can still be asked for, and no flood of values can bias it.

use serde::{Deserialize, Serialize};

/// What is remembered of one value.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub hash: u64,
    /// Milliseconds of the latest sighting.
    pub last: i64,
    /// Milliseconds of the latest success.
    pub won_at: i64,
    /// Within the present run of sightings; a pause longer than the span starts anew.
    pub tries: u16,
    pub failures: u16,
}

/// A bounded set of values with their latest sightings.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Distinct {
    /// Only hashes ending in this many zero bits are kept; each stands for `2^level` values.
    level: u8,
    entries: Vec<Entry>,
}

impl Distinct {
    /// Sees a value at `t`. `span_ms` is the longest window that will be asked for; `most` bounds the list.
    #[allow(clippy::too_many_arguments)]
    pub fn see(&mut self, most: usize, span_ms: i64, now: i64, t: i64, hash: u64, failed: bool, succeeded: bool) {
        if t <= now.saturating_sub(span_ms) {
            return;
        }
        if let Some(entry) = self.entries.iter_mut().find(|e| e.hash == hash) {
            if t.saturating_sub(entry.last) >= span_ms {
                (entry.tries, entry.failures) = (0, 0);
            }
            entry.last = entry.last.max(t);
            entry.tries = entry.tries.saturating_add(1);
            entry.failures = entry.failures.saturating_add(u16::from(failed));
            if succeeded {
                entry.won_at = entry.won_at.max(t);
            }
            return;
        }
        if hash.trailing_zeros() < u32::from(self.level) {
            return;
        }
        if self.entries.len() >= most {
            self.entries.retain(|e| e.last > now.saturating_sub(span_ms));
            if self.entries.is_empty() {
                self.level = 0;
            }
        }
        while self.entries.len() >= most {
            self.level += 1;
            let level = u32::from(self.level);
            self.entries.retain(|e| e.hash.trailing_zeros() >= level);
        }
        if hash.trailing_zeros() >= u32::from(self.level) {
            let won_at = if succeeded { t } else { i64::MIN };
            self.entries.push(Entry { hash, last: t, won_at, tries: 1, failures: u16::from(failed) });
        }
    }

    /// Values last seen in `(now - span, now]` for which `what` holds; exact while the list was never full.
    pub fn count(&self, now: i64, span_ms: i64, mut what: impl FnMut(&Entry) -> bool) -> u32 {
        let from = now.saturating_sub(span_ms);
        let seen = self.entries.iter().filter(|e| e.last > from && what(e)).count() as u32;
        seen.saturating_mul(1 << self.level.min(31))
    }

    /// Several counts in one pass over the list: how many of the values last seen in `(now - span, now]` each of `what` holds for.
    pub fn counts<const N: usize>(&self, now: i64, span_ms: i64, what: impl Fn(&Entry) -> [bool; N]) -> [u32; N] {
        let from = now.saturating_sub(span_ms);
        let mut counts = [0u32; N];
        for entry in self.entries.iter().filter(|e| e.last > from) {
            for (count, holds) in counts.iter_mut().zip(what(entry)) {
                *count += u32::from(holds);
            }
        }
        counts.map(|count| count.saturating_mul(1 << self.level.min(31)))
    }

    /// Failures at the values last seen in `(now - span, now]`, within their present run.
    pub fn failures(&self, now: i64, span_ms: i64) -> u32 {
        let from = now.saturating_sub(span_ms);
        let seen = self.entries.iter().filter(|e| e.last > from).map(|e| u32::from(e.failures)).sum::<u32>();
        seen.saturating_mul(1 << self.level.min(31))
    }

    /// No count is scaled: the list was never full.
    pub fn is_exact(&self) -> bool {
        self.level == 0
    }

    pub fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Of, hash};
    use proptest::prelude::*;

    const SPAN: i64 = 60_000;

    proptest! {
        #[test]
        fn exact_while_few(sightings in prop::collection::vec((0i64..30_000, 0u64..20, any::<bool>()), 1..100)) {
            let (mut distinct, mut latest, mut now) = (Distinct::default(), std::collections::BTreeMap::new(), 0);
            for (advance, value, failed) in sightings {
                now += advance;
                distinct.see(32, SPAN, now, now, hash(Of::Card, &value.to_le_bytes()), failed, !failed);
                latest.insert(value, now);
                let expected = latest.values().filter(|t| **t > now - SPAN).count() as u32;
                prop_assert_eq!(distinct.count(now, SPAN, |_| true), expected);
                let failing = distinct.count(now, SPAN, |e| e.failures > 0);
                prop_assert_eq!(distinct.counts(now, SPAN, |e| [true, e.failures > 0]), [expected, failing]);
                prop_assert!(distinct.is_exact());
            }
        }
    }

    #[test]
    fn a_flood_is_counted_within_a_third_and_the_list_stays_small() {
        let mut distinct = Distinct::default();
        for value in 0..20_000u64 {
            distinct.see(64, SPAN, 1_000, 1_000, hash(Of::Identity, &value.to_le_bytes()), value % 4 != 0, false);
        }
        assert!(distinct.entries.len() <= 64);
        let (all, failed) = (distinct.count(1_000, SPAN, |_| true), distinct.count(1_000, SPAN, |e| e.failures > 0));
        assert!((13_000..27_000).contains(&all), "{all}");
        assert!((failed as f64 / all as f64 - 0.75).abs() < 0.2, "{failed} of {all}");
        // When all is over, counting begins anew and is exact again.
        for value in 0..64u64 {
            distinct.see(64, SPAN, 1_000_000, 1_000_000, hash(Of::Identity, &value.to_le_bytes()) & !0xffff_ffff, true, false);
        }
    }
}
