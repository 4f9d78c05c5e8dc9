//! Files in: NDJSON, JSON lists, pretty-printed objects one after the other, CloudTrail's `{"Records": [...]}`; plain, gzip or
//! zstd (told by their first bytes, not by their names); `-` is standard input.
//!
//! [`FileReader`] yields raw records in large batches, each record a slice of the batch with its [`Position`]. Memory is bounded
//! whatever the input is: a record longer than the limit is skipped to its end and reported by its position and first bytes.
//! What is broken costs itself alone; see [`split`] for how the reader finds its way back.
//!
//! [`sort`] merges several inputs by event time.

pub mod sort;
pub mod split;

mod reader;
mod source;

pub use reader::{Batch, FileReader, Options, Position, Raw};

use std::io;

/// A file that cannot be read at all. (What cannot be read *in* a file is a [`Raw`] with a fault.)
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    #[error("{name}: no such file")]
    Missing { name: String },
    #[error("{name} is a folder: name its files, for instance {name}/*.json")]
    Folder { name: String },
    #[error("{name}: cannot be opened: {source}")]
    Open { name: String, source: io::Error },
    #[error("{name}: reading failed at byte {offset}: {source}")]
    Read { name: String, offset: u64, source: io::Error },
    #[error("sorting by time: the temporary folder {folder}: {source} (TMPDIR names another one)")]
    Spill { folder: String, source: io::Error },
}
