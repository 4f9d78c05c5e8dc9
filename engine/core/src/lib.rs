//! The pure core of Portcullis: `(profile, record) -> (profile', outcome)`.
//!
//! No clock, no I/O, no randomness, no hash order, no platform floats beyond `+ - * / sqrt` (the rest is `libm`): the same log and the
//! same policy give the same bytes on every machine. `tests/purity.rs` enforces it.

pub mod batch;
pub mod containment;
pub mod decay;
pub mod decide;
pub mod distinct;
pub mod event;
pub mod evidence;
pub mod exception;
pub mod falls;
pub mod fanout;
pub mod feedback;
pub mod gate;
pub mod hash;
pub mod heard;
pub mod id;
pub mod keyring;
pub mod lifecycle;
pub mod memory;
pub mod named;
pub mod observe;
pub mod outcome;
pub mod policy;
pub mod profile;
pub mod propose;
pub mod record;
pub mod row;
pub mod rule;
pub mod sample;
pub mod seen;
pub mod shelf;
pub mod signal;
pub mod signature;
pub mod speaker;
pub mod subject;
pub mod target;
pub mod text;
pub mod time;
pub mod usual;
pub mod variety;
pub mod verdict;
pub mod window;
