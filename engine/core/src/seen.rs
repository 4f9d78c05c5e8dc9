//! Habits: the values (devices, countries, routes, ...) that a subject is known for, bounded, with the least used evicted first.
//!
//! An attacker who floods the list with new values only ever evicts values as new as his own: a value that was used on several days
//! outranks any that was used on fewer.

use crate::time::{DAY_MS, Time};
use serde::{Deserialize, Serialize};

/// One known value.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Known {
    pub hash: u64,
    pub first: Time,
    pub last: Time,
    /// Different days on which it was used.
    pub days: u16,
    pub times: u32,
}

impl Known {
    /// What must be beaten to evict it.
    fn rank(&self) -> (u16, u32, Time, u64) {
        (self.days, self.times, self.last, self.hash)
    }
}

/// A bounded list of known values.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Seen {
    known: Vec<Known>,
    /// Different values ever learned, evicted ones included; says how often this subject brings something new.
    pub ever: u32,
}

impl Seen {
    pub fn get(&self, hash: u64) -> Option<&Known> {
        self.known.iter().find(|k| k.hash == hash)
    }

    pub fn contains(&self, hash: u64) -> bool {
        self.get(hash).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.known.iter()
    }

    /// Learns that the value was used at `t`; true if it was not known.
    pub fn learn(&mut self, most: usize, hash: u64, t: Time) -> bool {
        if let Some(known) = self.known.iter_mut().find(|k| k.hash == hash) {
            known.times = known.times.saturating_add(1);
            if t > known.last {
                if t.day() != known.last.day() {
                    known.days = known.days.saturating_add(1);
                }
                known.last = t;
            } else if t < known.first {
                known.first = t;
            }
            return false;
        }
        if self.known.len() >= most
            && let Some(least) = (0..self.known.len()).min_by_key(|i| self.known[*i].rank())
        {
            self.known.swap_remove(least);
        }
        if self.known.len() == self.known.capacity() {
            // By half, from one on: most subjects have one or two values of a kind, and there are millions of subjects.
            self.known.reserve_exact(1 + self.known.len() / 2);
        }
        self.known.push(Known { hash, first: t, last: t, days: 1, times: 1 });
        self.ever = self.ever.saturating_add(1);
        true
    }

    /// Known, and first used at least `days` days before `now`.
    pub fn known_for_days(&self, hash: u64, now: Time, days: i64) -> bool {
        self.get(hash).is_some_and(|k| now.since(k.first) >= days * DAY_MS)
    }

    pub fn blocks(&self, each: &mut dyn FnMut(*const u8, usize)) {
        each(self.known.as_ptr().cast(), size_of_val(&*self.known));
    }

    pub fn heap_bytes(&self) -> usize {
        self.known.capacity() * size_of::<Known>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_flood_does_not_evict_what_was_used_on_two_days() {
        let mut seen = Seen::default();
        for day in 0..2 {
            for value in 1..=3 {
                seen.learn(4, value, Time(day * DAY_MS + value as i64));
            }
        }
        for value in 100..10_000 {
            assert!(seen.learn(4, value, Time(2 * DAY_MS + value as i64)));
        }
        assert_eq!(seen.len(), 4);
        assert!((1..=3).all(|value| seen.contains(value)));
        assert!(seen.known_for_days(1, Time(8 * DAY_MS), 7) && !seen.known_for_days(9_999, Time(8 * DAY_MS), 7));
    }

    proptest! {
        #[test]
        fn never_exceeds_its_cap(values in prop::collection::vec((any::<u64>(), any::<i32>()), 0..200)) {
            let mut seen = Seen::default();
            for (value, t) in values {
                seen.learn(7, value, Time(i64::from(t)));
                prop_assert!(seen.len() <= 7 && seen.contains(value));
            }
        }
    }
}
