//! Where the values of a batch are: the store's overlay, or a map in memory. SCORE keeps profiles on it, GATE what it holds per tenant.

use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// Values and timers by key. Slots are given by the shelf and live for one batch.
pub trait Shelf {
    type Value;
    type Slot: Copy;
    /// What can go wrong with the store; nothing in memory.
    type Fault;
    /// These keys will be asked for next, in this order: what is slow about that can be begun for all of them at once.
    ///
    /// # Errors
    /// When a value cannot be loaded.
    fn expect<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>) -> Result<(), Self::Fault> {
        let _ = keys;
        Ok(())
    }
    /// The slot of a key, the same for the same key.
    ///
    /// # Errors
    /// When the value cannot be loaded.
    fn slot(&mut self, key: &[u8]) -> Result<Self::Slot, Self::Fault>;
    /// The value in a slot, empty where nothing is known yet.
    fn value(&mut self, slot: Self::Slot) -> &mut Self::Value;
    /// The earliest timer due at or before `until`, ties by key, with its due time, key and slot. It is taken away.
    ///
    /// # Errors
    /// When the value cannot be loaded.
    #[allow(clippy::type_complexity)]
    fn take_timer(&mut self, until: Time) -> Result<Option<(Time, Vec<u8>, Self::Slot)>, Self::Fault>;
    /// At most one timer a key; `None` takes it away.
    fn set_timer(&mut self, slot: Self::Slot, due: Option<Time>);
    /// Takes away the value, and its timer.
    fn forget(&mut self, slot: Self::Slot);
}

/// Values in memory: for tests, the reference model and the micro-benches.
#[derive(Clone, Default, Debug)]
pub struct MemoryShelf<V> {
    index: BTreeMap<Vec<u8>, u32>,
    keys: Vec<Vec<u8>>,
    values: Vec<V>,
    timers: BTreeSet<(Time, Vec<u8>)>,
    due: BTreeMap<u32, Time>,
}

impl<V> MemoryShelf<V> {
    /// Every value with its key, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &V)> {
        self.index.iter().map(|(key, slot)| (key.as_slice(), &self.values[*slot as usize]))
    }

    /// The same with when its timer is due.
    pub fn kept(&self) -> impl Iterator<Item = (&[u8], &V, Option<Time>)> {
        self.index.iter().map(|(key, slot)| (key.as_slice(), &self.values[*slot as usize], self.due.get(slot).copied()))
    }
}

impl<V: Default> Shelf for MemoryShelf<V> {
    type Value = V;
    type Slot = u32;
    type Fault = std::convert::Infallible;

    fn slot(&mut self, key: &[u8]) -> Result<u32, Self::Fault> {
        if let Some(slot) = self.index.get(key) {
            return Ok(*slot);
        }
        let slot = self.values.len() as u32;
        self.values.push(V::default());
        self.keys.push(key.to_vec());
        self.index.insert(key.to_vec(), slot);
        Ok(slot)
    }

    fn value(&mut self, slot: u32) -> &mut V {
        &mut self.values[slot as usize]
    }

    fn take_timer(&mut self, until: Time) -> Result<Option<(Time, Vec<u8>, u32)>, Self::Fault> {
        if self.timers.first().is_none_or(|(due, _)| *due > until) {
            return Ok(None);
        }
        let Some((due, key)) = self.timers.pop_first() else { return Ok(None) };
        let slot = self.slot(&key)?;
        self.due.remove(&slot);
        Ok(Some((due, key, slot)))
    }

    fn set_timer(&mut self, slot: u32, due: Option<Time>) {
        let key = &self.keys[slot as usize];
        if let Some(old) = self.due.remove(&slot) {
            self.timers.remove(&(old, key.clone()));
        }
        if let Some(due) = due {
            self.timers.insert((due, key.clone()));
            self.due.insert(slot, due);
        }
    }

    fn forget(&mut self, slot: u32) {
        self.set_timer(slot, None);
        self.values[slot as usize] = V::default();
    }
}
