//! Traces across Kafka: the context that a record brings in its headers is passed on with everything that it leads to, so that a trace which
//! began in a gateway or a log shipper reaches whoever acts. Where a collector is configured, each role adds a span of its own.
//!
//! Contexts come from records and go to records; no call stack knows them, for a batch holds records of many traces. Headers are no part of what
//! is decided, digested or replayed.

mod asked;
mod context;
mod exporter;
mod otlp;
mod spans;

pub use asked::Asked;
pub use context::Context;
pub use exporter::{Exporter, Handle, endpoint_of};
pub use spans::{Carried, Spans, Trail, Word};
