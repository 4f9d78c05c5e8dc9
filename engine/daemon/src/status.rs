//! What the workers of this process are at, for whoever asks from another thread: readiness, liveness, lag.

use portcullis_core::time::Time;
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
    /// When the last record that was dealt with was appended.
    pub reached: Option<Time>,
    /// On disk.
    pub state_bytes: u64,
}

/// How far a partition is.
#[derive(Clone, Copy, Default)]
pub struct Advance {
    pub position: i64,
    /// `None`: as before, as are the others.
    pub end: Option<i64>,
    pub reached: Option<Time>,
    pub state_bytes: Option<u64>,
}

impl PartitionStatus {
    /// Records that wait.
    pub fn lag(&self) -> Option<i64> {
        self.end.map(|end| (end - self.position).max(0))
    }

    /// How long ago the last record that was dealt with was appended, where more wait.
    pub fn behind(&self, now: Time) -> Duration {
        let ms = self.reached.filter(|_| self.lag() > Some(0)).map_or(0, |reached| now.since(reached));
        Duration::from_millis(ms.max(0) as u64)
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
        let known = partitions.get(partition);
        let (end, reached, state_bytes) = known.map_or((None, None, 0), |known| (known.end, known.reached, known.state_bytes));
        partitions.insert(partition.to_owned(), PartitionStatus { phase, position, end, reached, state_bytes });
    }

    /// How far a partition is, if it is still assigned.
    pub fn advance(&self, partition: &str, to: Advance) {
        if let Some(known) = lock(&self.partitions).get_mut(partition) {
            known.position = to.position;
            known.end = to.end.or(known.end);
            known.reached = to.reached.or(known.reached);
            known.state_bytes = to.state_bytes.unwrap_or(known.state_bytes);
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
        worker.advance("events[1]", Advance { position: 8, end: Some(10), reached: Some(Time(5_000)), ..Advance::default() });
        let told = worker.partitions()["events[1]"].clone();
        assert_eq!((told.lag(), told.behind(Time(7_500))), (Some(2), Duration::from_millis(2_500)));
        worker.advance("events[1]", Advance { position: 10, ..Advance::default() });
        assert_eq!(worker.partitions()["events[1]"].behind(Time(7_500)), Duration::ZERO, "nothing waits");
        worker.set("events[1]", Phase::Stopped("diverged".to_owned()), 8);
        assert!(!status.is_ready());
        worker.remove("events[1]");
        worker.advance("events[1]", Advance { position: 9, ..Advance::default() });
        assert!(status.is_ready(), "given away and not back through a late report");
        status.worker("score", 0);
        assert!(!status.is_ready(), "a worker made anew begins anew");
    }
}
