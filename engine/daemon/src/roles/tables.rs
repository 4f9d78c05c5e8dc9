//! The compacted topics of which INGEST keeps copies: who identities are, and where sources, devices and cards stand.
//!
//! They are read on a thread beside the worker: to reach the end of a partition can take a quarter of a second, and there are many.

use super::Topics;
use portcullis_connectors::kafka::{Reader, Settings, Start, TopicPartition};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often what came to a table is read.
const INVENTORY_LOOK: Duration = Duration::from_secs(5);
const REPUTATION_LOOK: Duration = Duration::from_secs(2);
/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    Inventory,
    Reputation,
}

/// A record of a table.
#[derive(Debug)]
pub struct Changed {
    pub table: Which,
    pub key: Vec<u8>,
    /// None: a tombstone.
    pub value: Option<Vec<u8>>,
}

/// What has come to the tables since they were read as a whole.
pub struct Tables {
    changes: mpsc::Receiver<Changed>,
    stop: Arc<AtomicBool>,
}

impl Tables {
    /// Reads the tables as they stand, and follows them from there.
    ///
    /// # Errors
    /// When one cannot be read, or no thread can be started.
    pub fn read(settings: &Settings, topics: &Topics, mut each: impl FnMut(Changed)) -> anyhow::Result<Tables> {
        let mut reader = Reader::open(settings)?;
        let mut tables = [
            Table::new(Which::Inventory, &topics.inventory, INVENTORY_LOOK),
            Table::new(Which::Reputation, &topics.reputation, REPUTATION_LOOK),
        ];
        for table in &mut tables {
            table.read(&mut reader, &mut each)?;
        }
        let (tell, changes) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::Builder::new().name("ingest-tables".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for table in tables.iter_mut().filter(|table| table.looked.elapsed() >= table.every) {
                    // Nobody listens any more: the worker is gone, and this ends.
                    let done = table.read(&mut reader, &mut |change| drop(tell.send(change)));
                    if let Err(error) = done {
                        tracing::warn!(table = ?table.which, "not read this time: {error:#}");
                    }
                }
                std::thread::sleep(LOOK);
            }
        })?;
        Ok(Tables { changes, stop })
    }

    pub fn changes(&self) -> impl Iterator<Item = Changed> + '_ {
        self.changes.try_iter()
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Table {
    which: Which,
    topic: Arc<str>,
    every: Duration,
    looked: Instant,
    /// How far it was read, by partition.
    read: BTreeMap<i32, i64>,
}

impl Table {
    fn new(which: Which, topic: &Arc<str>, every: Duration) -> Table {
        Table { which, topic: Arc::clone(topic), every, looked: Instant::now(), read: BTreeMap::new() }
    }

    /// A read that fails in the middle is done again from where it began: to learn something twice changes nothing.
    fn read(&mut self, reader: &mut Reader, each: &mut dyn FnMut(Changed)) -> anyhow::Result<()> {
        self.looked = Instant::now();
        for partition in 0..reader.partitions(&self.topic)? {
            let at = TopicPartition::new(Arc::clone(&self.topic), partition);
            let from = self.read.get(&partition).map_or(Start::Beginning, |offset| Start::At(*offset));
            let range = reader.read(&at, from, None, |record| {
                let key = record.key.unwrap_or_default().to_vec();
                each(Changed { table: self.which, key, value: record.value.map(<[u8]>::to_vec) });
                ControlFlow::Continue(())
            })?;
            self.read.insert(partition, range.to);
        }
        Ok(())
    }
}
