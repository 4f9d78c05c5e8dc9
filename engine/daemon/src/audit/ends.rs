//! Where SCORE's journals end. The gate has the key and SCORE has none, so the gate reads the ends, on a thread beside its loop, and signs them.

use portcullis_connectors::kafka::{KafkaFault, Reader, Settings, Start, TopicPartition};
use portcullis_core::id::digest;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// The last record is looked for among so many offsets: of transactions, each second one is a marker.
const LAST_AMONG: i64 = 100;

/// The ends of a journal's partitions as they were read last. Read until dropped.
pub struct Ends {
    heard: Receiver<Vec<(i32, String)>>,
    latest: Vec<(i32, String)>,
    _until: Sender<()>,
}

impl Ends {
    /// Reads them every so often.
    ///
    /// # Errors
    /// When no reader can be made of the settings, or no thread started.
    pub fn watch(kafka: &Settings, journal: &Arc<str>, every: Duration) -> anyhow::Result<Ends> {
        let mut reader = Reader::open(kafka)?;
        let journal = Arc::clone(journal);
        let (tell, heard) = mpsc::channel();
        let (until, stopped) = mpsc::channel::<()>();
        std::thread::Builder::new().name("journal-ends".to_owned()).spawn(move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                match ends(&mut reader, &journal) {
                    // Nobody listens any more: this ends with the next look.
                    Ok(ends) => drop(tell.send(ends)),
                    Err(error) => tracing::warn!(%journal, "its ends are not read this time, and signed later: {error}"),
                }
            }
        })?;
        Ok(Ends { heard, latest: Vec::new(), _until: until })
    }

    /// Partition and digest of its last record.
    pub fn latest(&mut self) -> impl Iterator<Item = (i32, &str)> {
        if let Some(ends) = self.heard.try_iter().last() {
            self.latest = ends;
        }
        self.latest.iter().map(|(partition, digest)| (*partition, digest.as_str()))
    }
}

fn ends(reader: &mut Reader, journal: &Arc<str>) -> Result<Vec<(i32, String)>, KafkaFault> {
    let mut ends = Vec::new();
    for partition in 0..reader.partitions(journal)? {
        let at = TopicPartition::new(Arc::clone(journal), partition);
        let (low, high) = reader.watermarks(&at)?;
        let mut end = None;
        reader.read(&at, Start::At(low.max(high - LAST_AMONG)), None, |record| {
            end = Some(digest(record.value.unwrap_or_default()));
            ControlFlow::Continue(())
        })?;
        ends.extend(end.map(|digest| (partition, digest)));
    }
    Ok(ends)
}
