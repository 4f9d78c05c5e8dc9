//! Sorting many references by key without chasing the keys at every comparison.
//!
//! Keys of subjects share long prefixes (kind, tenant), so comparing them whole costs two cache misses a comparison. Here sixteen bytes at
//! a time are copied beside the reference, after the prefix that all of a run share; equal runs go one level deeper (a string radix
//! sort with cached characters, after Bentley and Sedgewick's multikey quicksort, 1997).

/// A reference to be sorted and the sixteen bytes of its key under comparison.
#[derive(Clone, Copy)]
pub(crate) struct Sortable {
    window: u128,
    pub item: u32,
}

impl Sortable {
    pub fn new(item: u32) -> Sortable {
        Sortable { window: 0, item }
    }
}

const WINDOW_BYTES: usize = 16;
/// Below it, whole comparisons cost less than another level.
const SMALL_RUN: usize = 12;
/// So many keys ahead are asked for while one is read: they lie all over the memory.
const AHEAD: usize = 16;

/// Sorts `items` by `key_of`, byte by byte. Keys are distinct, or their order among equals does not matter. `ask_for` brings a key into the
/// processor's cache.
pub(crate) fn sort_by_key<'a>(items: &mut [Sortable], key_of: &impl Fn(u32) -> &'a [u8], ask_for: &impl Fn(u32)) {
    sort_from(items, key_of, ask_for, 0);
}

/// Visits all, with those that follow on their way into the cache.
pub(crate) fn each(items: &mut [Sortable], ask_for: &impl Fn(u32), mut visit: impl FnMut(&mut Sortable)) {
    for at in 0..items.len() {
        if let Some(ahead) = items.get(at + AHEAD) {
            ask_for(ahead.item);
        }
        visit(&mut items[at]);
    }
}

fn sort_from<'a>(items: &mut [Sortable], key_of: &impl Fn(u32) -> &'a [u8], ask_for: &impl Fn(u32), depth: usize) {
    if items.len() <= SMALL_RUN {
        items.sort_unstable_by(|a, b| key_of(a.item).cmp(key_of(b.item)));
        return;
    }
    // How far beyond `depth` all keys agree with the first, and whether one ends within the window.
    let first = &key_of(items[0].item)[depth..];
    let mut shared = first.len();
    each(items, ask_for, |sortable| {
        let key = &key_of(sortable.item)[depth..];
        shared = key.iter().zip(&first[..shared]).take_while(|(a, b)| a == b).count();
    });
    let depth = depth + shared;
    let mut shortest = usize::MAX;
    each(items, ask_for, |sortable| {
        let rest = &key_of(sortable.item)[depth..];
        shortest = shortest.min(rest.len());
        let mut window = [0; WINDOW_BYTES];
        let taken = rest.len().min(WINDOW_BYTES);
        window[..taken].copy_from_slice(&rest[..taken]);
        sortable.window = u128::from_be_bytes(window);
    });
    items.sort_unstable_by_key(|sortable| sortable.window);
    for run in items.chunk_by_mut(|a, b| a.window == b.window) {
        if run.len() == 1 {
            continue;
        }
        if shortest < WINDOW_BYTES && run.iter().any(|sortable| key_of(sortable.item).len() < depth + WINDOW_BYTES) {
            // A key that ends here looks like one that goes on with zeros: only whole keys tell them apart.
            run.sort_unstable_by(|a, b| key_of(a.item).cmp(key_of(b.item)));
        } else {
            sort_from(run, key_of, ask_for, depth + WINDOW_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_slices_do(mut keys in proptest::collection::vec(
            (0usize..4, proptest::collection::vec(0u8..3, 0..40)).prop_map(|(shared, tail)| [&b"identity\x1ftenant-of-some-length\x1f"[..shared * 9], &tail].concat()),
            0..200,
        )) {
            let mut items: Vec<Sortable> = (0..keys.len() as u32).map(Sortable::new).collect();
            sort_by_key(&mut items, &|i| &keys[i as usize], &|_| {});
            let sorted: Vec<Vec<u8>> = items.iter().map(|s| keys[s.item as usize].clone()).collect();
            keys.sort();
            prop_assert_eq!(sorted, keys);
        }
    }
}
