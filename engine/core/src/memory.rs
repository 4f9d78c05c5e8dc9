//! What is remembered of a subject: facts that were observed, never conclusions. `observe` moves it by one event and takes the features.

pub mod agent;
pub mod cadence;
pub mod checkout;
pub mod envelope;
pub mod fact;
pub mod identity;
pub mod place;
pub mod privilege;
pub mod reach;
pub mod session;
pub mod source;
pub mod token;

use crate::time::Time;
use identity::IdentityMemory;
use serde::{Deserialize, Serialize};
use source::SourceMemory;

/// By kind of subject. Devices and cards keep what their checkouts taught.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub enum Memory {
    #[default]
    Nothing,
    Identity(Box<IdentityMemory>),
    Source(Box<SourceMemory>),
    Device(Box<checkout::CheckoutMemory>),
    Card(Box<checkout::CheckoutMemory>),
}

impl Memory {
    /// Subject time: the greatest event time seen. `None` before the first event.
    pub fn now(&self) -> Option<Time> {
        match self {
            Memory::Nothing => None,
            Memory::Identity(m) => Some(m.now),
            Memory::Source(m) => Some(m.now),
            Memory::Device(m) | Memory::Card(m) => Some(m.now),
        }
    }

    /// The blocks of memory that it takes, for a store that wants them in the processor's cache: of `depth` 0 its own, of 1 those of its lists.
    pub fn blocks(&self, depth: u8, each: &mut dyn FnMut(*const u8, usize)) {
        match (self, depth) {
            (Memory::Identity(m), 0) => each(std::ptr::from_ref(&**m).cast(), size_of::<IdentityMemory>()),
            (Memory::Identity(m), _) => m.blocks(each),
            (Memory::Source(m), 0) => each(std::ptr::from_ref(&**m).cast(), size_of::<SourceMemory>()),
            _ => {}
        }
    }

    /// Estimate of the memory it takes, bytes.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Memory::Nothing => 0,
            Memory::Identity(m) => size_of::<IdentityMemory>() + m.heap_bytes(),
            Memory::Source(m) => size_of::<SourceMemory>() + m.heap_bytes(),
            Memory::Device(m) | Memory::Card(m) => size_of::<checkout::CheckoutMemory>() + m.heap_bytes(),
        }
    }
}
