//! Table files of a state are damaged while its pod is stopped.

use super::Run;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A partition's directory with damaged tables.
pub(super) struct Damaged {
    dir: PathBuf,
    /// When it was opened last before that.
    opened: SystemTime,
}

impl Run<'_> {
    /// Turns bits over in the middle of every table file.
    pub(super) fn state_damaged(&mut self, pod: usize) -> anyhow::Result<()> {
        self.fleet.stop(&[pod])?;
        let mut files = 0;
        let state = &self.fleet.pods[pod].state;
        // A pod that was given no partition yet has none.
        let partitions = state.exists().then(|| std::fs::read_dir(state)).transpose()?;
        for partition in partitions.into_iter().flatten() {
            let dir = partition?.path();
            let before = files;
            for file in std::fs::read_dir(&dir)? {
                let path = file?.path();
                if path.extension().is_some_and(|extension| extension == "sst") {
                    let mut bytes = std::fs::read(&path)?;
                    let middle = bytes.len() / 2;
                    bytes[middle..].iter_mut().take(64).for_each(|byte| *byte = !*byte);
                    std::fs::write(&path, bytes)?;
                    files += 1;
                }
            }
            if files > before {
                self.damaged.push(Damaged { opened: opened(&dir)?, dir });
            }
        }
        self.tell(format!("{files} files damaged"));
        self.fleet.start(pod, None)
    }

    /// A directory that its pod was never given again still is as it was damaged. Whoever takes it over throws it away, and nobody did: there
    /// is nothing to judge. One that was opened since is judged as any other.
    pub(super) fn throw_away_damaged(&mut self) -> anyhow::Result<()> {
        let mut left = 0;
        for Damaged { dir, opened: then } in std::mem::take(&mut self.damaged) {
            if dir.exists() && opened(&dir)? == then {
                std::fs::remove_dir_all(&dir)?;
                left += 1;
            }
        }
        if left > 0 {
            self.tell(format!("{left} damaged directories that nobody took up again"));
        }
        Ok(())
    }
}

/// RocksDB begins a file `LOG` at each opening; the creation of a file is not kept everywhere, its last line is.
fn opened(dir: &Path) -> std::io::Result<SystemTime> {
    std::fs::metadata(dir.join("LOG"))?.modified()
}
