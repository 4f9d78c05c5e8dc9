//! What a checkpoint consists of, written last: no manifest, no checkpoint.
//!
//! Two JSON values, a line each: the manifest, and the BLAKE3 of that line. So a manifest that was changed is known for it.

use crate::identity::PartitionIdentity;
use serde::{Deserialize, Serialize};

const FORMAT: u32 = 1;

/// One checkpoint of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub log: String,
    pub partition: i32,
    pub partitions: i32,
    pub state_version: u32,
    /// Offset of the next record that the state wants.
    pub position: i64,
    pub log_time_ms: i64,
    pub journal: JournalStand,
    /// Number of the checkpoint whose files were used again.
    pub parent: Option<u64>,
    /// Who wrote it.
    pub engine: String,
    /// Which attempt did: no two write the same manifest.
    pub attempt: String,
    pub files: Vec<File>,
}

/// The end of the journal as of the state.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct JournalStand {
    /// Of its last record, hex.
    pub digest: String,
    /// Where the next record stands at the earliest.
    pub at_least: i64,
}

/// One file of the state directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct File {
    /// In the directory.
    pub name: String,
    /// In the store: the digest, and the attempt that uploaded it.
    pub object: String,
    pub bytes: u64,
    /// Hex.
    pub blake3: String,
}

impl Manifest {
    /// Of a state of `identity` that stands at `position`; the files are added as they are stored.
    pub(super) fn new(identity: &PartitionIdentity, about: &super::About, parent: Option<u64>, attempt: &str) -> Manifest {
        Manifest {
            format: FORMAT,
            log: identity.log.clone(),
            partition: identity.partition,
            partitions: identity.partitions,
            state_version: identity.state_version,
            position: about.position,
            log_time_ms: about.log_time_ms,
            journal: about.journal.clone(),
            parent,
            engine: about.engine.clone(),
            attempt: attempt.to_owned(),
            files: Vec::new(),
        }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // Writing plain fields into memory cannot fail.
        let mut out = serde_json::to_vec(self).unwrap_or_default();
        let digest = blake3::hash(&out).to_hex();
        out.extend_from_slice(format!("\n\"{digest}\"\n").as_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Manifest, String> {
        let line_end = bytes.iter().position(|b| *b == b'\n').ok_or("the manifest has no digest")?;
        let (line, rest) = bytes.split_at(line_end);
        let digest = blake3::hash(line).to_hex();
        if rest.trim_ascii() != format!("\"{digest}\"").as_bytes() {
            return Err("the manifest was changed: its digest is another".to_owned());
        }
        let manifest: Manifest = serde_json::from_slice(line).map_err(|e| format!("the manifest cannot be read: {e}"))?;
        if manifest.format != FORMAT {
            return Err(format!("the manifest has format {}, this release reads {FORMAT}", manifest.format));
        }
        // The names become paths.
        match manifest.files.iter().find(|f| f.name.contains('/') || f.name.starts_with('.') || f.object.contains('/')) {
            Some(file) => Err(format!("{:?} cannot be the name of a file of a state", file.name)),
            None => Ok(manifest),
        }
    }

    /// What keeps it from being a state of `identity`.
    pub(super) fn mismatch(&self, identity: &PartitionIdentity) -> Option<String> {
        let versions = identity.oldest_state_version..=identity.state_version;
        if (self.log.as_str(), self.partition) != (&identity.log, identity.partition) {
            return Some(format!("is of {}[{}]", self.log, self.partition));
        }
        if self.partitions != identity.partitions {
            return Some(format!("is of a log of {} partitions, wanted {}", self.partitions, identity.partitions));
        }
        if !versions.contains(&self.state_version) {
            return Some(format!(
                "has state version {}, this release reads {} to {}",
                self.state_version,
                versions.start(),
                versions.end()
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_manifest_is_known_for_it() {
        let identity = PartitionIdentity { log: "l".into(), partition: 1, partitions: 2, state_version: 3, oldest_state_version: 2 };
        let mut manifest = Manifest::new(&identity, &super::super::About::default(), Some(4), "a");
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes).as_ref(), Ok(&manifest));
        let text = String::from_utf8(bytes.clone()).expect("text");
        assert!(Manifest::decode(text.replace("\"partition\":1", "\"partition\":2").as_bytes()).is_err());
        assert!(Manifest::decode(&bytes[..bytes.len() - 10]).is_err());
        assert!(Manifest::decode(b"").is_err());
        manifest.files.push(File { name: "../escape".into(), object: "a".into(), bytes: 0, blake3: String::new() });
        assert!(Manifest::decode(&manifest.encode()).is_err(), "a path is no name");
        assert!(manifest.mismatch(&PartitionIdentity { partition: 0, ..identity.clone() }).is_some());
        assert!(manifest.mismatch(&PartitionIdentity { state_version: 2, ..identity.clone() }).is_some(), "of a newer release");
        assert_eq!(manifest.mismatch(&PartitionIdentity { state_version: 4, ..identity }), None);
    }
}
