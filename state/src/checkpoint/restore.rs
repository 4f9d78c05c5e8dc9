//! Restoring: the newest checkpoint that is whole, every byte compared with its digest; an older one where it is not.

use super::manifest::{File, Manifest};
use super::{CheckpointFault, Checkpoints, Stored, name};
use crate::identity::PartitionIdentity;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

/// Files fetched at a time.
const FETCHES: usize = 4;

/// What a restore came to.
#[derive(Debug, Default)]
pub struct Restored {
    /// The checkpoint that the directory now holds; none: there was none that would do, and no directory was made.
    pub from: Option<(u64, Arc<Manifest>)>,
    /// Newer ones that would not do.
    pub passed_over: Vec<PassedOver>,
}

/// A checkpoint that would not do, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    pub sequence: u64,
    pub why: String,
}

/// A checkpoint that was looked at, byte by byte.
#[derive(Clone, Debug)]
pub struct Verified {
    pub stored: Stored,
    /// What is wrong with it.
    pub damage: Option<String>,
}

impl Checkpoints {
    /// Brings the newest whole checkpoint at a position within `wanted` into `dir`, which must not exist.
    ///
    /// # Errors
    /// [`CheckpointFault::CalledOff`]; a store that cannot be asked at all; what the disk says. A damaged checkpoint is none: it is passed over.
    pub fn restore(
        &self,
        identity: &PartitionIdentity,
        wanted: Range<i64>,
        dir: &Path,
        called_off: &AtomicBool,
    ) -> Result<Restored, CheckpointFault> {
        self.runtime.block_on(async {
            let mut restored = Restored::default();
            let mut whole = Vec::new();
            for Stored { sequence, manifest, .. } in self.stored(identity).await? {
                match manifest {
                    Ok(manifest) if wanted.contains(&manifest.position) => whole.push((sequence, manifest)),
                    Ok(_) => {}
                    Err(why) => restored.passed_over.push(PassedOver { sequence, why }),
                }
            }
            for (sequence, manifest) in whole {
                if let Some(why) = manifest.mismatch(identity) {
                    restored.passed_over.push(PassedOver { sequence, why });
                    continue;
                }
                match self.fetch(identity, sequence, &manifest, dir, called_off).await {
                    Ok(()) => {
                        restored.from = Some((sequence, manifest));
                        break;
                    }
                    Err(CheckpointFault::Damaged { what: why, .. }) => restored.passed_over.push(PassedOver { sequence, why }),
                    Err(fault) => return Err(fault),
                }
            }
            Ok(restored)
        })
    }

    /// Reads every byte of every checkpoint of a partition.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub fn verify(&self, identity: &PartitionIdentity, called_off: &AtomicBool) -> Result<Vec<Verified>, CheckpointFault> {
        self.runtime.block_on(async {
            let mut all = Vec::new();
            for stored in self.stored(identity).await? {
                let damage = match &stored.manifest {
                    Err(why) => Some(why.clone()),
                    Ok(manifest) => match self.fetch_files(identity, stored.sequence, manifest, None, called_off).await {
                        Ok(()) => None,
                        Err(CheckpointFault::Damaged { what, .. }) => Some(what),
                        Err(fault) => return Err(fault),
                    },
                };
                all.push(Verified { stored, damage });
            }
            Ok(all)
        })
    }

    /// Whole or not at all: into a directory beside it first.
    async fn fetch(
        &self,
        identity: &PartitionIdentity,
        sequence: u64,
        manifest: &Manifest,
        dir: &Path,
        called_off: &AtomicBool,
    ) -> Result<(), CheckpointFault> {
        let partial = beside(dir, "restoring");
        let local = |doing| CheckpointFault::local(&partial, doing);
        remove(&partial).map_err(local("removing an unfinished restore"))?;
        std::fs::create_dir_all(&partial).map_err(local("making a directory"))?;
        let fetched = self.fetch_files(identity, sequence, manifest, Some(&partial), called_off).await;
        if fetched.is_err() {
            remove(&partial).map_err(local("removing an unfinished restore"))?;
            return fetched;
        }
        std::fs::rename(&partial, dir).map_err(CheckpointFault::local(dir, "putting the restored state in place"))
    }

    async fn fetch_files(
        &self,
        identity: &PartitionIdentity,
        sequence: u64,
        manifest: &Manifest,
        into: Option<&Path>,
        called_off: &AtomicBool,
    ) -> Result<(), CheckpointFault> {
        stream::iter(&manifest.files)
            .map(|file| self.fetch_file(identity, sequence, file, into, called_off))
            .buffer_unordered(FETCHES)
            .try_collect()
            .await
    }

    async fn fetch_file(
        &self,
        identity: &PartitionIdentity,
        sequence: u64,
        file: &File,
        into: Option<&Path>,
        called_off: &AtomicBool,
    ) -> Result<(), CheckpointFault> {
        let damaged = |what: String| CheckpointFault::Damaged { of: name(identity), sequence, what };
        let path = into.map(|dir| dir.join(&file.name));
        let writing = || CheckpointFault::local(path.as_deref().unwrap_or(Path::new("")), "writing the restored state");
        let mut out = path.as_ref().map(std::fs::File::create).transpose().map_err(writing())?;
        let mut parts = match self.store.get(&self.file_key(identity, &file.object)).await {
            Ok(got) => got.into_stream(),
            Err(object_store::Error::NotFound { .. }) => return Err(damaged(format!("{} ({}) is not there", file.name, file.object))),
            Err(error) => return Err(self.fault("fetching a file")(error)),
        };
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
        while let Some(part) = parts.try_next().await.map_err(self.fault("fetching a file"))? {
            if called_off.load(Ordering::Relaxed) {
                return Err(CheckpointFault::CalledOff);
            }
            hasher.update(&part);
            bytes += part.len() as u64;
            if let Some(out) = &mut out {
                out.write_all(&part).map_err(writing())?;
            }
        }
        if let Some(out) = out {
            out.sync_all().map_err(writing())?;
        }
        if (bytes, hasher.finalize().to_hex().as_str()) != (file.bytes, &file.blake3) {
            self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).insert(file.object.clone());
            return Err(damaged(format!("{} ({}) was changed: its digest is another", file.name, file.object)));
        }
        Ok(())
    }
}

/// `dir` with an ending, in the same folder.
fn beside(dir: &Path, ending: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    dir.with_file_name(name)
}

fn remove(dir: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(dir).or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}
