//! Saving: what is not there yet is uploaded, then the manifest is put where none may be.

use super::manifest::{File, Manifest};
use super::{About, CheckpointFault, Checkpoints, Keeping, name};
use crate::identity::PartitionIdentity;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Files uploaded at a time.
const UPLOADS: usize = 4;
/// Larger files are uploaded in parts, so that memory stays bounded: at most `UPLOADS` times (`PARTS` + 1) parts.
const PART_BYTES: usize = 8 << 20;
const PARTS: usize = 2;

/// A checkpoint that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    pub sequence: u64,
    pub position: i64,
    pub files: usize,
    pub bytes: u64,
    /// Of them not there before.
    pub uploaded_files: usize,
    pub uploaded_bytes: u64,
}

/// A file as its parent has it.
type Known = BTreeMap<(String, u64), String>;

impl Checkpoints {
    /// Saves the state in `dir`, which nobody changes meanwhile: what [`Partition::checkpoint`](crate::Partition::checkpoint) made.
    ///
    /// # Errors
    /// [`CheckpointFault::Raced`] and [`CheckpointFault::TooSlow`]: try the next one; what the store or the disk says.
    pub fn save(&self, identity: &PartitionIdentity, about: &About, dir: &Path, called_off: &AtomicBool) -> Result<Saved, CheckpointFault> {
        self.runtime.block_on(self.save_files(identity, about, dir, called_off))
    }

    async fn save_files(
        &self,
        identity: &PartitionIdentity,
        about: &About,
        dir: &Path,
        called_off: &AtomicBool,
    ) -> Result<Saved, CheckpointFault> {
        let began = Instant::now();
        let stored = self.stored(identity).await?;
        let sequence = stored.iter().map(|s| s.sequence).max().map_or(1, |last| last + 1);
        let parent = stored.first().and_then(|s| Some((s.sequence, s.manifest.as_ref().ok()?)));
        let known = match parent {
            Some((_, manifest)) => self.reusable(identity, manifest).await?,
            None => Known::new(),
        };
        let attempt = format!("{:016x}", random());
        let mut names: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(CheckpointFault::local(dir, "reading the checkpoint"))? {
            let entry = entry.map_err(CheckpointFault::local(dir, "reading the checkpoint"))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        let files: Vec<(File, bool)> = stream::iter(names)
            .map(|name| self.save_file(identity, dir, name, &attempt, &known, called_off))
            .buffered(UPLOADS)
            .try_collect()
            .await?;
        let uploaded = || files.iter().filter(|(_, is_new)| *is_new);
        let mut saved = Saved {
            sequence,
            position: about.position,
            files: files.len(),
            bytes: 0,
            uploaded_files: uploaded().count(),
            uploaded_bytes: uploaded().map(|(file, _)| file.bytes).sum(),
        };
        let mut manifest = Manifest::new(identity, about, parent.map(|(sequence, _)| sequence), &attempt);
        manifest.files = files.into_iter().map(|(file, _)| file).collect();
        saved.bytes = manifest.bytes();
        self.put_manifest(identity, &manifest, sequence, began).await?;
        Ok(saved)
    }

    async fn put_manifest(
        &self,
        identity: &PartitionIdentity,
        manifest: &Manifest,
        sequence: u64,
        began: Instant,
    ) -> Result<(), CheckpointFault> {
        let Keeping { grace, .. } = self.keeping;
        if began.elapsed() > grace / 2 {
            let (took_s, most_s) = (began.elapsed().as_secs(), (grace / 2).as_secs());
            return Err(CheckpointFault::TooSlow { of: name(identity), took_s, most_s });
        }
        let key = self.manifest_key(identity, sequence);
        let bytes = manifest.encode();
        match self.store.put_opts(&key, PutPayload::from(bytes.clone()), PutMode::Create.into()).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                // An answer that was lost makes the client put again, and find its own.
                let there = match self.store.get(&key).await {
                    Ok(there) => there.bytes().await.ok(),
                    // Whoever won has been collected since.
                    Err(object_store::Error::NotFound { .. }) => None,
                    Err(error) => return Err(self.fault("reading a manifest")(error)),
                };
                match there {
                    Some(there) if there == bytes => Ok(()),
                    _ => Err(CheckpointFault::Raced { of: name(identity), sequence }),
                }
            }
            Err(error) => Err(self.fault("writing a manifest")(error)),
        }
    }

    /// The parent's files that are still there, as large as they should be and not known to be damaged.
    async fn reusable(&self, identity: &PartitionIdentity, parent: &Manifest) -> Result<Known, CheckpointFault> {
        let there: BTreeMap<Key, u64> =
            self.objects(&self.folder(identity, "files")).await?.into_iter().map(|object| (object.location, object.size)).collect();
        let distrusted = self.distrusted.lock().unwrap_or_else(PoisonError::into_inner);
        let files = parent.files.iter().filter(|f| there.get(&self.file_key(identity, &f.object)) == Some(&f.bytes));
        let files = files.filter(|f| !distrusted.contains(&f.object));
        Ok(files.map(|f| ((f.blake3.clone(), f.bytes), f.object.clone())).collect())
    }

    /// Uploads a file that is not known; whether it did.
    async fn save_file(
        &self,
        identity: &PartitionIdentity,
        dir: &Path,
        name: String,
        attempt: &str,
        known: &Known,
        called_off: &AtomicBool,
    ) -> Result<(File, bool), CheckpointFault> {
        let path = dir.join(&name);
        let reading = || CheckpointFault::local(&path, "reading the checkpoint");
        let mut hasher = blake3::Hasher::new();
        let bytes = std::fs::File::open(&path).and_then(|mut file| std::io::copy(&mut file, &mut hasher)).map_err(reading())?;
        let blake3 = hasher.finalize().to_hex().to_string();
        if let Some(object) = known.get(&(blake3.clone(), bytes)) {
            return Ok((File { name, object: object.clone(), bytes, blake3 }, false));
        }
        if called_off.load(Ordering::Relaxed) {
            return Err(CheckpointFault::CalledOff);
        }
        let object = format!("{blake3}-{attempt}");
        let key = self.file_key(identity, &object);
        let uploading = self.fault("uploading a file");
        if bytes <= PART_BYTES as u64 {
            let payload = std::fs::read(&path).map_err(reading())?;
            self.store.put(&key, PutPayload::from(payload)).await.map_err(uploading)?;
        } else {
            let mut file = std::fs::File::open(&path).map_err(reading())?;
            let upload = self.store.put_multipart_opts(&key, Default::default()).await.map_err(&uploading)?;
            let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            loop {
                let mut part = Vec::with_capacity(PART_BYTES);
                file.by_ref().take(PART_BYTES as u64).read_to_end(&mut part).map_err(reading())?;
                if part.is_empty() {
                    break;
                }
                writer.wait_for_capacity(PARTS).await.map_err(&uploading)?;
                writer.put(part.into());
            }
            writer.finish().await.map_err(uploading)?;
        }
        Ok((File { name, object, bytes, blake3 }, true))
    }
}

/// Different in every attempt of every process.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    RandomState::new().hash_one((std::process::id(), now))
}
