//! From a key's hash to the places where that key may be: open addressing, linear probing, eight bytes a bucket.
//!
//! Our own, and not `hashbrown`, for one reason: a batch knows its keys ahead, and bringing the bucket and then the entry into the
//! cache while other keys are worked on is most of the speed of a table that does not fit the cache. The index only proposes:
//! the caller compares the whole key, so two keys with one hash stay two subjects.

const EMPTY: u32 = u32::MAX;
const BUCKETS_MIN: usize = 64;

#[derive(Clone, Copy)]
struct Bucket {
    hash: u32,
    place: u32,
}

const FREE: Bucket = Bucket { hash: 0, place: EMPTY };

pub(crate) struct Index {
    buckets: Vec<Bucket>,
    len: usize,
}

impl Index {
    pub fn new() -> Index {
        Index { buckets: vec![FREE; BUCKETS_MIN], len: 0 }
    }

    fn mask(&self) -> usize {
        self.buckets.len() - 1
    }

    pub fn bytes(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    /// Starts to load the bucket that a search for `hash` begins with.
    #[inline]
    pub fn prefetch(&self, hash: u32) {
        prefetch(&self.buckets[hash as usize & self.mask()]);
    }

    /// The first place whose stored hash is `hash` and for which `is_it` says yes.
    #[inline]
    pub fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.mask();
        let mut at = hash as usize & mask;
        loop {
            let bucket = self.buckets[at];
            if bucket.place == EMPTY {
                return None;
            }
            if bucket.hash == hash && is_it(bucket.place) {
                return Some(bucket.place);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a place; the caller has made sure that its key is not there yet.
    pub fn insert(&mut self, hash: u32, place: u32) {
        if (self.len + 1) * 4 > self.buckets.len() * 3 {
            let doubled = vec![FREE; self.buckets.len() * 2];
            for bucket in std::mem::replace(&mut self.buckets, doubled) {
                if bucket.place != EMPTY {
                    self.put(bucket);
                }
            }
        }
        self.len += 1;
        self.put(Bucket { hash, place });
    }

    fn put(&mut self, bucket: Bucket) {
        let mask = self.mask();
        let mut at = bucket.hash as usize & mask;
        while self.buckets[at].place != EMPTY {
            at = (at + 1) & mask;
        }
        self.buckets[at] = bucket;
    }

    /// Removes a place, if it is there, and moves up what had to step aside for it.
    pub fn remove(&mut self, hash: u32, place: u32) {
        let mask = self.mask();
        let mut hole = hash as usize & mask;
        while self.buckets[hole].place != place {
            if self.buckets[hole].place == EMPTY {
                return;
            }
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let bucket = self.buckets[at];
            if bucket.place == EMPTY {
                break;
            }
            // It may move into the hole only if its search begins at or before the hole.
            let home = bucket.hash as usize & mask;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.buckets[hole] = bucket;
                hole = at;
            }
        }
        self.buckets[hole] = FREE;
        self.len -= 1;
    }
}

pub(crate) const CACHE_LINE_BYTES: usize = 64;

/// Asks the processor to load the cache line at `target`. A hint: it cannot fault and changes nothing else.
#[inline]
pub(crate) fn prefetch<T>(target: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching is allowed for any address, valid or not.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(target.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = target;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Few distinct hashes: runs are long, wrap around and hold equal hashes of different keys.
        #[test]
        fn agrees_with_a_map_whatever_the_collisions(steps in proptest::collection::vec((0u32..200, any::<bool>()), 0..600)) {
            let hash_of = |place: u32| [0u32, 1, 62, 63, 64, 127, u32::MAX][place as usize % 7];
            let (mut index, mut model) = (Index::new(), BTreeMap::new());
            for (place, add) in steps {
                if add && model.insert(place, ()).is_none() {
                    index.insert(hash_of(place), place);
                } else if !add {
                    model.remove(&place);
                    index.remove(hash_of(place), place);
                }
            }
            prop_assert_eq!(index.len, model.len());
            for place in 0..200 {
                prop_assert_eq!(index.find(hash_of(place), |p| p == place).is_some(), model.contains_key(&place), "place {}", place);
            }
        }
    }
}
