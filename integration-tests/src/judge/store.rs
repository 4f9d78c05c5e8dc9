//! The store of checkpoints of a run, a folder: what is in it, and what accidents make of it.

use super::random::Random;
use super::schedule::Newest;
use anyhow::Context;
use portcullis::partition::identity_of;
use portcullis_state::PartitionIdentity;
use portcullis_state::checkpoint::{CheckpointFault, Checkpoints, Keeping, Manifest};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A checkpoint that can be read.
pub type Numbered = (u64, Arc<Manifest>);

/// What a restore must come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expected {
    /// Number of the newest checkpoint that is whole; none: the log is all there is.
    pub taken: Option<u64>,
    /// Number of the one that is not.
    pub passed_over: Option<u64>,
}

pub struct Store {
    folder: PathBuf,
}

impl Store {
    pub fn new(folder: PathBuf) -> Store {
        Store { folder }
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    fn place(&self, log: &str, partition: i32) -> PathBuf {
        self.folder.join(log).join(partition.to_string())
    }

    fn manifest(&self, log: &str, partition: i32, sequence: u64) -> PathBuf {
        self.place(log, partition).join("manifests").join(format!("{sequence:020}.json"))
    }

    /// Checkpoints of a partition, readable or not.
    pub fn count(&self, log: &str, partition: i32) -> usize {
        let manifests = std::fs::read_dir(self.place(log, partition).join("manifests")).into_iter().flatten();
        manifests.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|e| e == "json"))).count()
    }

    fn open(&self) -> Result<Checkpoints, CheckpointFault> {
        // The engine makes the folder with its first checkpoint only.
        let _exists = std::fs::create_dir_all(&self.folder);
        Checkpoints::open(&self.url(), &[], Keeping::default())
    }

    /// The checkpoints of a partition that can be read, newest first.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn list(&self, log: &str, partition: i32) -> anyhow::Result<Vec<Numbered>> {
        let stored = self.open()?.list(&identity_of(log, partition, 1))?;
        Ok(stored.into_iter().filter_map(|stored| Some((stored.sequence, stored.manifest.ok()?))).collect())
    }

    /// Does this to the newest checkpoint of a partition; none is left as it is.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn harm(&self, log: &str, partition: i32, newest: Newest, random: &mut Random) -> anyhow::Result<Expected> {
        let all = self.list(log, partition)?;
        let Some((sequence, manifest)) = all.first() else { return Ok(Expected { taken: None, passed_over: None }) };
        let file = random.pick(&manifest.files);
        let (of_manifest, of_file) =
            (self.manifest(log, partition, *sequence), self.place(log, partition).join("files").join(&file.object));
        match newest {
            Newest::Whole => {}
            Newest::FileMissing => std::fs::remove_file(&of_file).with_context(|| of_file.display().to_string())?,
            Newest::FileAltered => alter(&of_file, random)?,
            Newest::ManifestAltered => alter(&of_manifest, random)?,
            Newest::ManifestCut => {
                let text = std::fs::read(&of_manifest)?;
                std::fs::write(&of_manifest, &text[..random.within(0..text.len() as u64) as usize])?;
            }
        }
        let is_whole = |(number, other): &&Numbered| match newest {
            Newest::Whole => true,
            // Older ones may need the same file.
            Newest::FileMissing | Newest::FileAltered => other.files.iter().all(|other| other.object != file.object),
            Newest::ManifestAltered | Newest::ManifestCut => number != sequence,
        };
        let taken = all.iter().find(is_whole).map(|(number, _)| *number);
        Ok(Expected { taken, passed_over: Some(*sequence).filter(|_| newest != Newest::Whole) })
    }

    /// Forgets all checkpoints of a partition but the oldest, as if none had been made since. That one.
    ///
    /// # Errors
    /// A manifest that cannot be removed.
    pub fn forget_newer(&self, log: &str, partition: i32) -> anyhow::Result<Option<Arc<Manifest>>> {
        let mut all = self.list(log, partition)?;
        let oldest = all.pop();
        for (sequence, _) in all {
            std::fs::remove_file(self.manifest(log, partition, sequence))?;
        }
        Ok(oldest.map(|(_, manifest)| manifest))
    }

    /// Brings the newest checkpoints of a partition, as far as they are whole, into `<dir>/<number>/<name>`. Those folders `<dir>/<number>`.
    ///
    /// # Errors
    /// What the disk says.
    pub fn fetch(&self, identity: &PartitionIdentity, newest: usize, dir: &Path, name: &str) -> anyhow::Result<Vec<PathBuf>> {
        let store = self.open()?;
        let mut fetched = Vec::new();
        for (sequence, manifest) in self.list(&identity.log, identity.partition)?.into_iter().take(newest) {
            let into = dir.join(sequence.to_string());
            std::fs::create_dir_all(&into)?;
            let at = manifest.position;
            if store.restore(identity, at..at + 1, &into.join(name), &AtomicBool::new(false))?.from.is_some() {
                fetched.push(into);
            }
        }
        Ok(fetched)
    }
}

/// Turns one bit over.
fn alter(path: &Path, random: &mut Random) -> anyhow::Result<()> {
    let mut bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let place = random.within(0..bytes.len() as u64) as usize;
    // An empty file has no bit.
    match bytes.get_mut(place) {
        Some(byte) => *byte ^= 1 << random.within(0..8),
        None => bytes.push(0),
    }
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}
