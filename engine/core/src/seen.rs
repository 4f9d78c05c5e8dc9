//! Habits: the values (devices, countries, routes, ...) that a subject is known for, bounded, with the least used evicted first.
//!
//! An attacker who floods the list with new values only ever evicts values as new as his own: a value that was used on several days
//! outranks any that was used on fewer.

use crate::time::{DAY_MS, HOUR_MS, Time};
use serde::{Deserialize, Serialize};

/// One known value. Its times are kept to the hour.
#[derive(Clone, PartialEq, Debug)]
pub struct Known {
    pub hash: u64,
    first_hour: u32,
    last_hour: u32,
    /// Different days on which it was used.
    pub days: u16,
    pub times: u32,
}

impl Known {
    /// What must be beaten to evict it.
    fn rank(&self) -> (u16, u32, u32, u64) {
        (self.days, self.times, self.last_hour, self.hash)
    }

    /// Whole days between its first use and `t`.
    pub fn age_days(&self, t: Time) -> i64 {
        t.since(Time(i64::from(self.first_hour) * HOUR_MS)) / DAY_MS
    }
}

/// Hours since 1970.
fn hour(t: Time) -> u32 {
    t.0.div_euclid(HOUR_MS).clamp(0, u32::MAX.into()) as u32
}

fn day(hour: u32) -> u32 {
    hour / (DAY_MS / HOUR_MS) as u32
}

/// A bounded list of known values.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Seen {
    #[serde(with = "packed")]
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
        let hour = hour(t);
        if let Some(known) = self.known.iter_mut().find(|k| k.hash == hash) {
            known.times = known.times.saturating_add(1);
            if hour > known.last_hour {
                if day(hour) != day(known.last_hour) {
                    known.days = known.days.saturating_add(1);
                }
                known.last_hour = hour;
            } else if hour < known.first_hour {
                known.first_hour = hour;
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
        self.known.push(Known { hash, first_hour: hour, last_hour: hour, days: 1, times: 1 });
        self.ever = self.ever.saturating_add(1);
        true
    }

    /// Whole days for which the value has been known at `t`; `None`: it is not.
    pub fn known_days(&self, hash: u64, t: Time) -> Option<i64> {
        self.get(hash).map(|k| k.age_days(t))
    }

    pub fn blocks(&self, each: &mut dyn FnMut(*const u8, usize)) {
        each(self.known.as_ptr().cast(), size_of_val(&*self.known));
    }

    pub fn heap_bytes(&self) -> usize {
        self.known.capacity() * size_of::<Known>()
    }
}

/// Fifteen bytes a value: most of a profile is habits.
mod packed {
    use super::Known;
    use serde::{Deserialize, Deserializer, Serializer};

    type Packed = ([u8; 8], u32, u32, u16, u32);

    pub fn serialize<S: Serializer>(list: &[Known], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(
            list.iter()
                .map(|k| -> Packed { (k.hash.to_le_bytes(), k.first_hour, k.last_hour.wrapping_sub(k.first_hour), k.days, k.times) }),
        )
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Known>, D::Error> {
        let list = Vec::<Packed>::deserialize(d)?;
        Ok(list
            .into_iter()
            .map(|(hash, first_hour, more, days, times)| Known {
                hash: u64::from_le_bytes(hash),
                first_hour,
                last_hour: first_hour.wrapping_add(more),
                days,
                times,
            })
            .collect())
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
        assert_eq!((seen.known_days(1, Time(8 * DAY_MS)), seen.known_days(9_999, Time(8 * DAY_MS))), (Some(8), Some(6)));
    }

    proptest! {
        #[test]
        fn never_exceeds_its_cap_and_reads_back(values in prop::collection::vec((any::<u64>(), any::<i64>()), 0..200)) {
            let mut seen = Seen::default();
            for (value, t) in values {
                seen.learn(7, value, Time(t));
                prop_assert!(seen.len() <= 7 && seen.contains(value));
            }
            let bytes = postcard::to_stdvec(&seen).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Seen>(&bytes).unwrap(), seen);
        }
    }
}
