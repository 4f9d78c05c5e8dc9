//! Whose state a directory holds. Recorded once, when the directory is made, and compared at every opening.

use crate::fault::StateFault;
use std::path::Path;

/// The partition of a log that a state belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionIdentity {
    /// Name of the log, in practice the Kafka topic.
    pub log: String,
    /// Number of the partition, from 0.
    pub partition: i32,
    /// Partitions of the log, fixed for its life: with another number the same keys live elsewhere.
    pub partitions: i32,
    /// Version of the stored form of the values and of [`Meta::extra`](crate::Meta), raised by the caller with every change of either.
    pub state_version: u32,
    /// The oldest version that the caller still reads. What is found between the two is taken over, and stands as `state_version` from the
    /// next flush on, so that an older release refuses it.
    pub oldest_state_version: u32,
}

/// Version of the rows of this crate ([`layout`](crate::layout)), as `state_version` is the caller's.
const LAYOUT_VERSION: u32 = 1;

impl PartitionIdentity {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.log.len());
        out.extend_from_slice(&LAYOUT_VERSION.to_le_bytes());
        out.extend_from_slice(&self.state_version.to_le_bytes());
        out.extend_from_slice(&self.partition.to_le_bytes());
        out.extend_from_slice(&self.partitions.to_le_bytes());
        out.extend_from_slice(self.log.as_bytes());
        out
    }

    /// Whether `recorded`, the row found in `dir`, is this identity; the state version that it names.
    pub(crate) fn check(&self, recorded: &[u8], dir: &Path) -> Result<u32, StateFault> {
        let (Some((head, log)), dir) = (recorded.split_at_checked(16), dir.to_path_buf()) else {
            return Err(StateFault::Corrupt { dir: dir.into(), what: "the identity row is shorter than 16 bytes".into() });
        };
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let log = String::from_utf8_lossy(log);
        // Whose it is comes before which version it is: advice about versions is of no use in the wrong directory.
        let (partition, partitions) = (word(8) as i32, word(12) as i32);
        let mismatch = |field, found: String, wanted: String| Err(StateFault::OtherPartition { dir: dir.clone(), field, found, wanted });
        if log != self.log {
            return mismatch("log", log.into_owned(), self.log.clone());
        }
        if partition != self.partition {
            return mismatch("partition", partition.to_string(), self.partition.to_string());
        }
        if partitions != self.partitions {
            return mismatch("number of partitions", partitions.to_string(), self.partitions.to_string());
        }
        let versions =
            [("layout", word(0), LAYOUT_VERSION, LAYOUT_VERSION), ("state", word(4), self.oldest_state_version, self.state_version)];
        for (what, found, oldest, wanted) in versions {
            if found > wanted {
                return Err(StateFault::NewerState { dir, what, found, wanted });
            }
            if found < oldest {
                return Err(StateFault::OlderState { dir, what, found, wanted });
            }
        }
        Ok(word(4))
    }
}
