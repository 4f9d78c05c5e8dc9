//! Checkpoints of a partition's state in an object store (S3, GCS, Azure, a folder), for whoever takes the partition over.
//!
//! ```text
//! <url>/<log>/<partition>/files/<blake3>-<attempt>          a file of the state directory
//! <url>/<log>/<partition>/manifests/<sequence>.json         which files make a checkpoint; written last
//! ```
//!
//! Any checkpoint is valid whoever wrote it and however late: a state never leads what was published, and a restore replays from it. What two
//! owners of a partition (one a zombie) could break is only this: **a file that a manifest refers to may never be collected.** Why it is not:
//!
//! - An object is uploaded by exactly one attempt to save (its name ends with the attempt's random number), and used again only from the
//!   newest checkpoint as of that attempt's beginning, its *parent*.
//! - A manifest's sequence number is one more than the greatest as of the attempt's beginning, and is put *if absent*. So an attempt fails if anyone
//!   has saved meanwhile, however long the process was stopped; it fails, too, if it took longer than half the grace period.
//! - The collector first lists files, then manifests. A manifest goes once `keep` newer ones are older than the grace period (so it
//!   cannot be the parent of an attempt that still may succeed), but never the one with the greatest number. A file goes if no manifest refers
//!   to it and it is older than the grace period (so its attempt has ended). An unreadable manifest keeps every file.
//! - "Older" is by the store's own stamps alone, the newest in the listing being now: the hosts' clocks play no part.
//!
//! A process runs the collector after a checkpoint of its own. `tests/checkpoints.rs` lets many savers and collectors race.
//!
//! Everything here blocks its caller; inside it is asynchronous, on a runtime of its own. The worker that decides does not call it: it makes a
//! directory of hard links ([`Partition::checkpoint`](crate::Partition::checkpoint)) and hands that over.

mod fault;
mod garbage;
mod manifest;
mod open;
mod restore;
mod save;

pub use fault::CheckpointFault;
pub use garbage::Collected;
pub use manifest::{File, JournalStand, Manifest};
pub use restore::{PassedOver, Restored, Verified};
pub use save::Saved;

use crate::identity::PartitionIdentity;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Manifests read at a time.
const READS: usize = 8;

/// How checkpoints are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// Checkpoints of a partition that are kept, besides those younger than `grace`.
    pub keep: usize,
    /// Nothing younger is ever collected; a save may take half of it.
    pub grace: Duration,
}

impl Default for Keeping {
    fn default() -> Keeping {
        Keeping { keep: 3, grace: Duration::from_secs(30 * 60) }
    }
}

/// What the caller knows of the state that it saves.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub position: i64,
    pub log_time_ms: i64,
    pub journal: JournalStand,
    pub engine: String,
}

/// A checkpoint that is there.
#[derive(Clone, Debug)]
pub struct Stored {
    pub sequence: u64,
    /// When it was written, the store's clock, epoch ms.
    pub written_ms: i64,
    /// Or why it cannot be read.
    pub manifest: Result<Arc<Manifest>, String>,
}

impl Stored {
    /// Newest first; what cannot be read is the oldest.
    fn rank(&self) -> (i64, u64) {
        (self.manifest.as_ref().map_or(i64::MIN, |m| m.position), self.sequence)
    }
}

/// The store of checkpoints; one a process.
pub struct Checkpoints {
    store: Arc<dyn ObjectStore>,
    root: Key,
    url: String,
    keeping: Keeping,
    runtime: Runtime,
    /// Manifests are never changed, so each is read once.
    read: Mutex<BTreeMap<Key, Arc<Manifest>>>,
    /// Objects whose bytes were found to be others: not used again.
    distrusted: Mutex<BTreeSet<String>>,
}

impl Checkpoints {
    /// Checkpoints in `store`, below `root`; [`open`](Checkpoints::open) takes a URL.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn with_store(store: Arc<dyn ObjectStore>, root: Key, url: &str, keeping: Keeping) -> std::io::Result<Checkpoints> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("checkpoints").enable_all().build()?;
        Ok(Checkpoints {
            store,
            root,
            url: url.to_owned(),
            keeping: Keeping { keep: keeping.keep.max(1), ..keeping },
            runtime,
            read: Mutex::default(),
            distrusted: Mutex::default(),
        })
    }

    /// Where they are.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The checkpoints of a partition, newest first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub fn list(&self, identity: &PartitionIdentity) -> Result<Vec<Stored>, CheckpointFault> {
        self.runtime.block_on(self.stored(identity))
    }

    fn folder(&self, identity: &PartitionIdentity, kind: &'static str) -> Key {
        self.root.clone().join(identity.log.as_str()).join(identity.partition.to_string()).join(kind)
    }

    fn file_key(&self, identity: &PartitionIdentity, object: &str) -> Key {
        self.folder(identity, "files").join(object)
    }

    fn manifest_key(&self, identity: &PartitionIdentity, sequence: u64) -> Key {
        self.folder(identity, "manifests").join(format!("{sequence:020}.json"))
    }

    fn fault(&self, doing: &'static str) -> impl Fn(object_store::Error) -> CheckpointFault {
        move |source| CheckpointFault::Store { url: self.url.clone(), doing, source: Box::new(source) }
    }

    async fn objects(&self, folder: &Key) -> Result<Vec<ObjectMeta>, CheckpointFault> {
        self.store.list(Some(folder)).try_collect().await.map_err(self.fault("listing"))
    }

    async fn stored(&self, identity: &PartitionIdentity) -> Result<Vec<Stored>, CheckpointFault> {
        let objects = self.objects(&self.folder(identity, "manifests")).await?;
        let reading = stream::iter(objects).map(|object| async move { (self.manifest(&object.location).await, object) });
        let read: Vec<_> = reading.buffered(READS).collect().await;
        let mut all = Vec::new();
        for (manifest, object) in read {
            let name = object.location.filename().and_then(|name| name.strip_suffix(".json"));
            let Some(sequence) = name.and_then(|name| name.parse().ok()) else { continue };
            let manifest = match manifest {
                Ok(manifest) => manifest,
                // Collected since the listing.
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(self.fault("reading a manifest")(error)),
            };
            all.push(Stored { sequence, written_ms: object.last_modified.timestamp_millis(), manifest });
        }
        all.sort_by_key(|stored| std::cmp::Reverse(stored.rank()));
        Ok(all)
    }

    async fn manifest(&self, key: &Key) -> Result<Result<Arc<Manifest>, String>, object_store::Error> {
        if let Some(manifest) = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(Ok(Arc::clone(manifest)));
        }
        let bytes = self.store.get(key).await?.bytes().await?;
        Ok(Manifest::decode(&bytes).map(|manifest| {
            let manifest = Arc::new(manifest);
            self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), Arc::clone(&manifest));
            manifest
        }))
    }
}

/// `log[partition]`, for messages.
fn name(identity: &PartitionIdentity) -> String {
    format!("{}[{}]", identity.log, identity.partition)
}
