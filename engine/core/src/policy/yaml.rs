//! YAML for the people who edit it: every fault of a document at once, each with its line, its path and what to do.
//!
//! [`Document::parse`] turns a text into a tree in which every node knows where it stands; [`Document::read`] hands out a cursor ([`At`])
//! whose typed getters note what is wrong and go on. A key that nobody asked for is a fault, so a misspelt one never passes for a default.
//! Policies and the service's configuration are both read by it.

mod cursor;
mod fault;
mod tree;

pub use cursor::{At, Map, show_bytes};
pub use fault::{FAULTS_MAX, Fault};
pub use tree::Document;

/// The longest text that is read, bytes.
pub const TEXT_MAX: usize = 1 << 20;
/// The deepest nesting.
pub const DEPTH_MAX: usize = 32;
/// What all aliases of a document together may repeat, bytes; a node counts as [`NODE_BYTES`] and its text.
pub const ALIASED_BYTES_MAX: usize = 1 << 20;
/// What a node counts for among the aliased bytes.
pub const NODE_BYTES: usize = 64;

#[cfg(test)]
mod tests;
