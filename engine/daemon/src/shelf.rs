//! The store's overlay as the core's shelf.

use portcullis_core::shelf::Shelf;
use portcullis_core::time::Time;
use portcullis_state::{Partition, Slot, StateFault, Value};

/// A batch on a partition of the store.
pub struct Overlay<'a, V: Value>(pub &'a mut Partition<V>);

impl<V: Value + Default> Shelf for Overlay<'_, V> {
    type Value = V;
    type Slot = Slot;
    type Fault = StateFault;

    fn expect<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>) -> Result<(), StateFault> {
        self.0.load(keys, &mut Vec::new())
    }

    fn slot(&mut self, key: &[u8]) -> Result<Slot, StateFault> {
        // Expiry is the passes' own affair: at the beginning of time nothing has expired.
        self.0.slot(key, i64::MIN)
    }

    fn value(&mut self, slot: Slot) -> &mut V {
        self.0.value_or_insert_with(slot, V::default)
    }

    fn take_timer(&mut self, until: Time) -> Result<Option<(Time, Vec<u8>, Slot)>, StateFault> {
        let next = self.0.next_due_timer(until.0)?;
        Ok(next.map(|(due_ms, slot)| (Time(due_ms), self.0.key(slot).to_vec(), slot)))
    }

    fn set_timer(&mut self, slot: Slot, due: Option<Time>) {
        self.0.set_timer(slot, due.map(|t| t.0));
    }

    fn forget(&mut self, slot: Slot) {
        self.0.set_timer(slot, None);
        self.0.remove(slot);
    }
}
