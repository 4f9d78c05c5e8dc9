//! Collecting what no checkpoint needs any more. Why it can never take what one needs: see the [module above](super).

use super::{CheckpointFault, Checkpoints, Stored};
use crate::identity::PartitionIdentity;
use object_store::ObjectStoreExt;
use object_store::path::Path as Key;
use std::collections::BTreeSet;
use std::sync::PoisonError;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub manifests: usize,
    pub files: usize,
    pub bytes: u64,
}

impl Checkpoints {
    /// Removes manifests beyond those to keep, and files that no manifest refers to.
    ///
    /// # Errors
    /// When the store refuses; what is left is collected another time.
    pub fn collect(&self, identity: &PartitionIdentity) -> Result<Collected, CheckpointFault> {
        self.runtime.block_on(async {
            let mut collected = Collected::default();
            // In this order: a manifest that comes after this listing refers to files that are in it and young, or are its parent's.
            let files = self.objects(&self.folder(identity, "files")).await?;
            let stored = self.stored(identity).await?;
            let now_ms = stored.iter().map(|s| s.written_ms).chain(files.iter().map(|f| f.last_modified.timestamp_millis())).max();
            let old_ms = now_ms.unwrap_or(i64::MIN).saturating_sub(self.keeping.grace.as_millis() as i64);

            let outlived = outlived(&stored, self.keeping.keep, old_ms);
            for sequence in &outlived {
                let key = self.manifest_key(identity, *sequence);
                self.remove(&key).await?;
                self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                collected.manifests += 1;
            }
            let mut needed: BTreeSet<Key> = BTreeSet::new();
            for stored in stored.iter().filter(|s| !outlived.contains(&s.sequence)) {
                // Nobody knows what it refers to.
                let Ok(manifest) = &stored.manifest else { return Ok(collected) };
                needed.extend(manifest.files.iter().map(|f| self.file_key(identity, &f.object)));
            }
            for file in files {
                if file.last_modified.timestamp_millis() <= old_ms && !needed.contains(&file.location) {
                    self.remove(&file.location).await?;
                    collected.files += 1;
                    collected.bytes += file.size;
                }
            }
            Ok(collected)
        })
    }

    async fn remove(&self, key: &Key) -> Result<(), CheckpointFault> {
        match self.store.delete(key).await {
            // Another collector was here.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.fault("removing what is not needed any more")(error)),
        }
    }
}

/// The numbers of the manifests that may go; `stored` is newest first.
fn outlived(stored: &[Stored], keep: usize, old_ms: i64) -> BTreeSet<u64> {
    let greatest = stored.iter().map(|s| s.sequence).max();
    let mut old_and_newer = 0;
    let mut gone = BTreeSet::new();
    for one in stored {
        if old_and_newer >= keep && Some(one.sequence) != greatest {
            gone.insert(one.sequence);
        }
        // What cannot be read is no reason to remove another.
        old_and_newer += usize::from(one.written_ms <= old_ms && one.manifest.is_ok());
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::super::{About, Manifest};
    use super::*;
    use std::sync::Arc;

    fn stored(sequence: u64, position: i64, written_ms: i64) -> Stored {
        let identity = PartitionIdentity { log: "l".into(), partition: 0, partitions: 1, state_version: 1, oldest_state_version: 1 };
        let about = About { position, ..About::default() };
        Stored { sequence, written_ms, manifest: Ok(Arc::new(Manifest::new(&identity, &about, None, "a"))) }
    }

    #[test]
    fn a_manifest_goes_once_enough_newer_ones_are_old() {
        let all: Vec<Stored> = (0..6).rev().map(|n| stored(n, n as i64 * 10, n as i64)).collect();
        let gone = |keep, old_ms| outlived(&all, keep, old_ms).into_iter().collect::<Vec<_>>();
        assert_eq!(gone(2, 5), [0, 1, 2, 3]);
        assert_eq!(gone(2, 3), [0, 1], "3 and 2 are old, 5 and 4 are not yet");
        assert_eq!(gone(2, 0), [] as [u64; 0]);
    }

    #[test]
    fn the_greatest_number_stays_so_that_it_is_never_given_twice() {
        // A zombie saved an older state last.
        let all = [stored(3, 30, 3), stored(2, 20, 2), stored(4, 10, 4)];
        assert_eq!(outlived(&all, 1, 10).into_iter().collect::<Vec<_>>(), [2]);
    }
}
