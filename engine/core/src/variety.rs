//! How many different values were seen within a window, in a few bytes each: exact while few, then a fair sample.
//!
//! The sampling is `distinct`'s (Gibbons 2001), for where only the number is asked for and nothing about each value. No flood of values
//! can push the count down: a full list is thinned evenly, by the values' own hashes, and each that is left stands for more.

use crate::time::Time;
use crate::window::deltas;
use serde::{Deserialize, Serialize};

/// A bounded set of values with the time of their latest sighting.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Variety {
    /// Only values whose hash ends in this many zero bits are kept; each stands for `2^level` values.
    level: u8,
    /// Latest sighting in milliseconds, ascending, and 32 bits of the value's hash.
    #[serde(with = "deltas")]
    entries: Vec<(i64, i64)>,
}

impl Variety {
    /// Sees a value at `t`. `span_ms` is the window that will be asked for; `most` bounds the list.
    pub fn see(&mut self, most: usize, span_ms: i64, now: Time, t: Time, hash: u64) {
        let oldest = now.0.saturating_sub(span_ms);
        if t.0 <= oldest {
            return;
        }
        let value = i64::from(hash as u32);
        if let Some(at) = self.entries.iter().rposition(|(_, v)| *v == value) {
            if self.entries[at].0 < t.0 {
                self.entries.remove(at);
                self.insert(t.0, value);
            }
            return;
        }
        if zeros(value) < u32::from(self.level) {
            return;
        }
        if self.entries.len() >= most {
            self.entries.retain(|(at, _)| *at > oldest);
            if self.entries.is_empty() {
                self.level = 0;
            }
        }
        while self.entries.len() >= most {
            self.level += 1;
            let level = u32::from(self.level);
            self.entries.retain(|(_, v)| zeros(*v) >= level);
        }
        if zeros(value) >= u32::from(self.level) {
            self.insert(t.0, value);
        }
    }

    fn insert(&mut self, t: i64, value: i64) {
        let at = self.entries.partition_point(|(other, _)| *other <= t);
        self.entries.insert(at, (t, value));
    }

    /// Values last seen in `(now - span, now]`; exact while the list was never full.
    pub fn count(&self, now: Time, span_ms: i64) -> u32 {
        let from = now.0.saturating_sub(span_ms);
        let kept = self.entries.len() - self.entries.partition_point(|(t, _)| *t <= from);
        (kept as u32).saturating_mul(1 << self.level.min(31))
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(i64, i64)>()
    }
}

fn zeros(value: i64) -> u32 {
    (value as u32).trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Of, hash};
    use proptest::prelude::*;

    const SPAN: i64 = 60_000;

    proptest! {
        /// Against a map that forgets nothing, late sightings included.
        #[test]
        fn exact_while_few(sightings in prop::collection::vec((0i64..30_000, 0i64..90_000, 0u64..20), 1..100)) {
            let (mut variety, mut latest, mut now) = (Variety::default(), std::collections::BTreeMap::new(), 0);
            for (advance, late, value) in sightings {
                now += advance;
                let t = if late % 4 == 0 { now - late } else { now };
                variety.see(32, SPAN, Time(now), Time(t), hash(Of::Object, &value.to_le_bytes()));
                let last = latest.entry(value).or_insert(t);
                *last = t.max(*last);
                prop_assert_eq!(variety.count(Time(now), SPAN), latest.values().filter(|t| **t > now - SPAN).count() as u32);
                let bytes = postcard::to_stdvec(&variety).unwrap();
                prop_assert_eq!(&postcard::from_bytes::<Variety>(&bytes).unwrap(), &variety);
            }
        }
    }

    #[test]
    fn a_flood_is_counted_and_the_list_stays_small() {
        let mut variety = Variety::default();
        for value in 0..20_000u64 {
            variety.see(64, SPAN, Time(1_000), Time(1_000), hash(Of::Object, &value.to_le_bytes()));
        }
        assert!(variety.len() <= 64);
        let count = variety.count(Time(1_000), SPAN);
        assert!((13_000..27_000).contains(&count), "{count}");
    }
}
