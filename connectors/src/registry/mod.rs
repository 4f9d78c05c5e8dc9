//! A schema registry with Confluent's API: which schema a record was written with, and which ids our own schemas have.
//!
//! - [`frame`]: where a record says which schema it was written with.
//! - [`Client`]: asks the registry. It never registers anything unless [`Client::register`] is called.
//! - [`Shelf`]: what was learnt, on disk. A schema's id means the same for ever, so nobody is asked twice.
//! - [`Schemas`]: the schemas of records that are read, asked for on a thread of its own, so that whoever reads never waits for a registry.
//!
//! Nothing but the reading of raw inputs and the writing of framed outputs needs a registry: our own logs carry the fingerprints of their
//! schemas, so no replay depends on one.

mod client;
pub mod frame;
mod schemas;
mod shelf;

pub use client::{Client, Fault, Registered, Settings};
pub use frame::{Framed, SchemaId};
pub use schemas::{Answer, Schemas};
pub use shelf::{Shelf, Stored};

#[cfg(test)]
mod tests;
