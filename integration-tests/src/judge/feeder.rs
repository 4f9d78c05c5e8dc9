//! Feeds the input topic piece by piece, past the weather, through broker losses. What a lost answer makes it feed twice is in the topic
//! twice, and the judge goes by the topic.

use super::workload::Raw;
use crate::kafka::unique;
use portcullis_connectors::kafka::{KafkaFault, Settings, Sink, SinkSettings};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A broker is away for no longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// How far it is, and who may stop it.
#[derive(Default)]
pub struct Feeding {
    fed: AtomicUsize,
    hurry: AtomicBool,
    over: AtomicBool,
    between: Mutex<()>,
}

impl Feeding {
    /// Pieces fed so far.
    pub fn fed(&self) -> usize {
        self.fed.load(Ordering::Relaxed)
    }

    /// No more waiting between pieces.
    pub fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    /// The rest is not fed.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Nothing is fed while this is held.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        self.between.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Feeds all pieces, so far apart.
    ///
    /// # Errors
    /// What Kafka says for too long.
    pub fn run(&self, settings: &Settings, topic: &str, pieces: &[Vec<Raw>], gap: Duration) -> Result<(), KafkaFault> {
        for piece in pieces {
            if self.over.load(Ordering::Relaxed) {
                return Ok(());
            }
            let feeding = self.hold();
            let began = Instant::now();
            while let Err(fault) = feed(settings, topic, piece) {
                if began.elapsed() > PATIENCE {
                    return Err(fault);
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            drop(feeding);
            self.fed.fetch_add(1, Ordering::Relaxed);
            if !self.hurry.load(Ordering::Relaxed) {
                std::thread::sleep(gap);
            }
        }
        Ok(())
    }
}

/// One piece, in a transaction.
fn feed(settings: &Settings, topic: &str, piece: &[Raw]) -> Result<(), KafkaFault> {
    let mut sink = Sink::open(settings, SinkSettings::new(unique("feed")))?;
    sink.begin()?;
    for line in piece {
        sink.send(topic, None, None, line.as_deref(), &[], None)?;
    }
    sink.commit_outputs().map(drop).map_err(|_| KafkaFault::Misuse("a piece was not committed"))
}
