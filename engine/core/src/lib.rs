//! The pure core of Portcullis: `(profile, record) -> (profile', outcome)`.
//!
//! No clock, no I/O, no randomness, no hash order, no platform floats beyond `+ - * / sqrt` (the rest is `libm`): the same log and the
//! same policy give the same bytes on every machine. `tests/purity.rs` enforces it.

pub mod containment;
pub mod event;
pub mod named;
pub mod record;
pub mod subject;
pub mod text;
pub mod time;
pub mod verdict;
