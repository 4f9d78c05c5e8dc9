//! A simulation as files.

use crate::stream::Simulation;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    pub events: PathBuf,
    pub labels: PathBuf,
    /// Lines in the events file, late, repeated and malformed ones included.
    pub lines: u64,
    pub label_count: usize,
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}", path = path.display())]
pub struct WriteError {
    pub path: PathBuf,
    pub source: std::io::Error,
}

impl Simulation {
    /// Writes `events.ndjson` (in the order of shipment) and `labels.ndjson` into a folder, which is made if it is not there. `progress` is told the number of lines now and then.
    pub fn write_to(mut self, dir: &Path, mut progress: impl FnMut(u64)) -> Result<Written, WriteError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WriteError { path, source }
        };
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
        let (events, labels) = (dir.join("events.ndjson"), dir.join("labels.ndjson"));
        let mut file = File::create(&events).map_err(failed(&events))?;
        let mut buffer = Vec::with_capacity(1 << 20);
        let mut lines = 0;
        while self.next_line(&mut buffer).is_some() {
            lines += 1;
            if buffer.len() > (1 << 20) - 4_096 {
                file.write_all(&buffer).map_err(failed(&events))?;
                buffer.clear();
                progress(lines);
            }
        }
        file.write_all(&buffer).and_then(|()| file.flush()).map_err(failed(&events))?;
        progress(lines);
        let all = self.labels();
        let mut file = BufWriter::new(File::create(&labels).map_err(failed(&labels))?);
        for label in &all {
            serde_json::to_writer(&mut file, label).map_err(|e| failed(&labels)(e.into()))?;
            file.write_all(b"\n").map_err(failed(&labels))?;
        }
        file.flush().map_err(failed(&labels))?;
        Ok(Written { events, labels, lines, label_count: all.len() })
    }
}
