//! What can go wrong with checkpoints, said to whoever can mend it.

use std::path::{Path, PathBuf};

/// No checkpoint is ever needed for correctness: a failed one costs a longer replay.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointFault {
    #[error("{url:?}: {what}; write file:///a/folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix")]
    Url { url: String, what: String },

    #[error("options: {name:?} is not an option of this store; see the keys of object_store's {of}, for example {example}")]
    Option { name: String, of: &'static str, example: &'static str },

    #[error(
        "checkpoints at {url}: {doing} failed: {source}. Check the address, the credentials (AWS_ACCESS_KEY_ID and the like, or state.checkpoints.options_file) and that reading, writing, listing and deleting are allowed there"
    )]
    Store { url: String, doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },

    #[error("{path}: {doing} failed: {source}. Check the disk and its permissions", path = .path.display())]
    Local { path: PathBuf, doing: &'static str, source: std::io::Error },

    #[error(
        "checkpoint {sequence} of {of} was written by another process meanwhile: this one is given up, the next is based on that one. If it happens again and again, two processes own the partition: give each its own --instance"
    )]
    Raced { of: String, sequence: u64 },

    #[error(
        "the checkpoint of {of} took {took_s} s, more than {most_s} s: given up, because files that it relies on may have been collected; the connection to the store is too slow for it"
    )]
    TooSlow { of: String, took_s: u64, most_s: u64 },

    #[error("called off")]
    CalledOff,

    #[error("checkpoint {sequence} of {of}: {what}")]
    Damaged { of: String, sequence: u64, what: String },
}

impl CheckpointFault {
    pub(super) fn local<'a>(path: &'a Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> CheckpointFault + 'a {
        move |source| CheckpointFault::Local { path: path.into(), doing, source }
    }
}
