//! What can go wrong with a state directory, said to whoever can mend it.

use std::path::{Path, PathBuf};

/// Losing a state directory costs a replay, never a verdict; so "delete it" is sound advice wherever it is given.
#[derive(Debug, thiserror::Error)]
pub enum StateFault {
    #[error("{dir}: this state directory is in use by another process, or is already open in this one: stop the other one, or give each its own directory", dir = .dir.display())]
    Locked { dir: PathBuf },

    #[error("{dir}: this is the state of another partition: its {field} is {found}, wanted {wanted}. Give this partition its own directory; if the log was made anew, delete this one, it is rebuilt from a checkpoint or the log", dir = .dir.display())]
    OtherPartition { dir: PathBuf, field: &'static str, found: String, wanted: String },

    #[error("{dir}: {what} version {found} was written by a newer release, this one reads {wanted}: start that release again, or delete the directory to rebuild it from the log", dir = .dir.display())]
    NewerState { dir: PathBuf, what: &'static str, found: u32, wanted: u32 },

    #[error("{dir}: {what} version {found} was written by an older release, this one reads {wanted}: migrate it, or delete the directory to rebuild it from the log", dir = .dir.display())]
    OlderState { dir: PathBuf, what: &'static str, found: u32, wanted: u32 },

    #[error("{dir}: the directory holds something else than a state ({found}): choose an empty or a new directory", dir = .dir.display())]
    NotAState { dir: PathBuf, found: String },

    #[error("{dir}: the state is damaged: {what}. Delete the directory: it is rebuilt from a checkpoint or the log. If it happens again, check the disk", dir = .dir.display())]
    Corrupt { dir: PathBuf, what: String },

    #[error("{dir}: no space left while {doing}: free space or move the directory, then start again; what was published is safe, the rest is replayed ({source})", dir = .dir.display())]
    Full { dir: PathBuf, doing: &'static str, source: rocksdb::Error },

    #[error("{dir}: RocksDB failed {errors} times to write files in the background, most often because the disk is full or failing (the file LOG there says which): free space or mend the disk, then open the state again; what was published is safe, the rest is replayed", dir = .dir.display())]
    Background { dir: PathBuf, errors: u64 },

    #[error("{dir}: {doing} failed: {source}. Check the disk, its permissions and the limit on open files", dir = .dir.display())]
    Io { dir: PathBuf, doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },

    #[error("{dir}: a batch of this state was given up, and what it had changed cannot be taken back: begin again with an empty directory", dir = .dir.display())]
    Spoiled { dir: PathBuf },

    #[error("{dir}: a key of {bytes} bytes, at most {max} are allowed: shorten the identifier where the record is read", dir = .dir.display())]
    KeyTooLong { dir: PathBuf, bytes: usize, max: usize },
}

impl StateFault {
    /// Sorts an error of RocksDB into what a person can do about it. RocksDB tells some only by their text.
    pub(crate) fn of(dir: &Path, doing: &'static str, source: rocksdb::Error) -> StateFault {
        let (dir, text) = (dir.to_path_buf(), source.as_ref());
        if text.contains("While lock file") || text.contains("lock hold by current process") {
            StateFault::Locked { dir }
        } else if text.contains("No space left")
            || text.contains("File too large")
            || text.contains("NoSpace")
            || text.contains("quota exceeded")
        {
            StateFault::Full { dir, doing, source }
        } else if source.kind() == rocksdb::ErrorKind::Corruption || lacks_a_file(text) {
            StateFault::Corrupt { dir, what: format!("{doing}: {}", source.into_string()) }
        } else {
            StateFault::Io { dir, doing, source: Box::new(source) }
        }
    }
}

/// A file of its own is gone: a deletion was cut short, or the disk lost it.
fn lacks_a_file(text: &str) -> bool {
    text.contains("No such file") && (text.contains(".sst") || text.contains("MANIFEST"))
}
