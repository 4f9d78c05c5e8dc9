//! Uploads checkpoints on a thread of its own: the worker makes a directory of hard links, hands it over and goes on.

use crate::{config, telemetry};
use portcullis_state::PartitionIdentity;
use portcullis_state::checkpoint::{About, CheckpointFault, Checkpoints, Keeping};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often what is not needed any more is looked for, a partition.
const COLLECT_EVERY: Duration = Duration::from_secs(600);

/// A directory to be uploaded, and removed then.
pub struct Job {
    pub identity: PartitionIdentity,
    pub about: About,
    pub dir: PathBuf,
    /// Cleared when it is done.
    pub busy: Arc<AtomicBool>,
}

/// One a process; ends, and gives up what it is at, when dropped.
pub struct Checkpointer {
    pub checkpoints: Arc<Checkpoints>,
    pub every: Duration,
    jobs: Mutex<Option<Sender<Job>>>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The store that a configuration names.
///
/// # Errors
/// A URL or an option that is none.
pub fn checkpoints_of(config: &config::Checkpoints) -> Result<Checkpoints, CheckpointFault> {
    let options: Vec<(String, String)> = config.options.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
    Checkpoints::open(&config.url, &options, Keeping { keep: config.keep as usize, ..Keeping::default() })
}

impl Checkpointer {
    /// # Errors
    /// When no thread can be had.
    pub fn start(checkpoints: Checkpoints, every: Duration) -> std::io::Result<Checkpointer> {
        let (jobs, queue) = channel();
        let (checkpoints, ending) = (Arc::new(checkpoints), Arc::new(AtomicBool::new(false)));
        let (store, until) = (Arc::clone(&checkpoints), Arc::clone(&ending));
        let thread = std::thread::Builder::new().name("checkpointer".to_owned()).spawn(move || work(&store, &queue, &until))?;
        Ok(Checkpointer { checkpoints, every, jobs: Mutex::new(Some(jobs)), ending, thread: Some(thread) })
    }

    pub fn hand_over(&self, job: Job) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        job.busy.store(true, Ordering::Release);
        if let Some(jobs) = &*jobs {
            // The thread ends after the sender only.
            let _sent = jobs.send(job);
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn work(checkpoints: &Checkpoints, queue: &Receiver<Job>, ending: &AtomicBool) {
    let mut collected: BTreeMap<(String, i32), Instant> = BTreeMap::new();
    for job in queue {
        let of = format!("{}[{}]", job.identity.log, job.identity.partition);
        if !ending.load(Ordering::Relaxed) {
            let began = Instant::now();
            match checkpoints.save(&job.identity, &job.about, &job.dir, ending) {
                Ok(saved) => {
                    let (sequence, position, bytes, uploaded_bytes) = (saved.sequence, saved.position, saved.bytes, saved.uploaded_bytes);
                    telemetry::checkpoint(&job.identity.log, job.identity.partition, true);
                    tracing::info!(of, sequence, position, bytes, uploaded_bytes, took_ms = began.elapsed().as_millis(), "checkpoint");
                    let due = collected.entry((job.identity.log.clone(), job.identity.partition)).or_insert(began);
                    if due.elapsed() >= COLLECT_EVERY {
                        *due = Instant::now();
                        collect(checkpoints, &job.identity, &of);
                    }
                }
                Err(CheckpointFault::CalledOff) => {}
                Err(fault) => {
                    telemetry::checkpoint(&job.identity.log, job.identity.partition, false);
                    tracing::warn!(of, "no checkpoint: {fault}");
                }
            }
        }
        if let Err(error) = std::fs::remove_dir_all(&job.dir) {
            tracing::warn!(dir = %job.dir.display(), %error, "a checkpoint's directory could not be removed");
        }
        job.busy.store(false, Ordering::Release);
    }
}

fn collect(checkpoints: &Checkpoints, identity: &PartitionIdentity, of: &str) {
    match checkpoints.collect(identity) {
        Ok(collected) => {
            tracing::info!(of, manifests = collected.manifests, files = collected.files, bytes = collected.bytes, "old checkpoints removed")
        }
        Err(fault) => tracing::warn!(of, "old checkpoints not removed: {fault}"),
    }
}
