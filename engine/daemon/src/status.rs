//! What the workers of this process are at, for whoever asks from another thread: readiness, liveness, lag.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A worker that was given no partition for so long is a spare one, and ready.
const SPARE_AFTER: Duration = Duration::from_secs(20);

/// All workers of a process; cheap to clone.
#[derive(Clone, Default)]
pub struct Status {
    workers: Arc<Mutex<Vec<Arc<WorkerStatus>>>>,
}

/// One worker. Its loop writes here, a few times a second at most.
pub struct WorkerStatus {
    pub role: &'static str,
    pub number: u32,
    began: Instant,
    turned_ms: AtomicU64,
    was_assigned: AtomicBool,
    partitions: Mutex<BTreeMap<String, PartitionStatus>>,
}

/// One partition that the group has assigned.
#[derive(Clone, PartialEq, Debug)]
pub struct PartitionStatus {
    pub phase: Phase,
    /// Next record to decide on.
    pub position: i64,
    /// One past the log's last record, as far as the consumer has heard.
    pub end: Option<i64>,
}

impl PartitionStatus {
    /// Records that wait.
    pub fn lag(&self) -> Option<i64> {
        self.end.map(|end| (end - self.position).max(0))
    }
}

#[derive(Clone, PartialEq, Debug)]
pub enum Phase {
    /// Its state is restored or replayed; the others go on meanwhile.
    Recovering,
    Live,
    /// A person has to look: the fault by name.
    Stopped(String),
}

impl Status {
    /// The status of a worker, empty again after a restart of the worker.
    pub fn worker(&self, role: &'static str, number: u32) -> Arc<WorkerStatus> {
        let worker = Arc::new(WorkerStatus {
            role,
            number,
            began: Instant::now(),
            turned_ms: AtomicU64::new(0),
            was_assigned: AtomicBool::new(false),
            partitions: Mutex::default(),
        });
        let mut workers = lock(&self.workers);
        workers.retain(|known| (known.role, known.number) != (role, number));
        workers.push(Arc::clone(&worker));
        worker
    }

    pub fn workers(&self) -> Vec<Arc<WorkerStatus>> {
        lock(&self.workers).clone()
    }

    /// There are workers, and all that is assigned to them is live.
    pub fn is_ready(&self) -> bool {
        let workers = lock(&self.workers);
        !workers.is_empty() && workers.iter().all(|worker| worker.is_ready())
    }
}

impl WorkerStatus {
    /// The loop has turned.
    pub fn turned(&self) {
        self.turned_ms.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Since the loop last turned. It turns several times a second, save while a transaction waits for the broker.
    pub fn since_turn(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.turned_ms.load(Ordering::Relaxed)))
    }

    pub fn set(&self, partition: &str, phase: Phase, position: i64) {
        self.was_assigned.store(true, Ordering::Relaxed);
        let mut partitions = lock(&self.partitions);
        let end = partitions.get(partition).and_then(|known| known.end);
        partitions.insert(partition.to_owned(), PartitionStatus { phase, position, end });
    }

    /// How far a partition is, if it is still assigned.
    pub fn advance(&self, partition: &str, position: i64, end: Option<i64>) {
        if let Some(known) = lock(&self.partitions).get_mut(partition) {
            known.position = position;
            known.end = end.or(known.end);
        }
    }

    pub fn remove(&self, partition: &str) {
        lock(&self.partitions).remove(partition);
    }

    pub fn partitions(&self) -> BTreeMap<String, PartitionStatus> {
        lock(&self.partitions).clone()
    }

    /// All that is assigned is live; before the group has assigned anything it is not, for a while.
    pub fn is_ready(&self) -> bool {
        (self.was_assigned.load(Ordering::Relaxed) || self.began.elapsed() >= SPARE_AFTER)
            && lock(&self.partitions).values().all(|p| p.phase == Phase::Live)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_everything_assigned_is_live() {
        let status = Status::default();
        assert!(!status.is_ready(), "no worker yet");
        let worker = status.worker("score", 0);
        assert!(!status.is_ready(), "nothing assigned yet");
        worker.set("events[0]", Phase::Live, 5);
        worker.set("events[1]", Phase::Recovering, 0);
        assert!(!status.is_ready());
        worker.set("events[1]", Phase::Live, 7);
        assert!(status.is_ready());
        worker.advance("events[1]", 8, Some(10));
        assert_eq!(worker.partitions()["events[1]"].lag(), Some(2));
        worker.set("events[1]", Phase::Stopped("diverged".to_owned()), 8);
        assert!(!status.is_ready());
        worker.remove("events[1]");
        worker.advance("events[1]", 9, None);
        assert!(status.is_ready(), "given away and not back through a late report");
        status.worker("score", 0);
        assert!(!status.is_ready(), "a worker made anew begins anew");
    }
}
