//! Taking a partition over, on a thread of its own: its directory or the newest checkpoint, whichever is further, then the replay.
//!
//! A directory is a cache: one that is damaged, or of a release too old, is thrown away, loudly, and rebuilt. What needs a person is a
//! [`NeedsOperator`], and stops this partition alone.

use super::log_role::{Decides, Place};
use super::owned::{Owned, remove_dir};
use super::recovery::{CalledOff, Recovered, Recovery};
use crate::partition::{LogPartition, identity_of};
use crate::worker::{NeedsOperator, is_final};
use anyhow::Context;
use portcullis_connectors::kafka::{Settings, Start, TopicPartition};
use portcullis_state::checkpoint::{CheckpointFault, Checkpoints};
use portcullis_state::{StateFault, Value};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Partitions of a process that are taken over at a time: the live ones need the processor too.
const AT_ONCE: usize = 4;
/// The directory may be another worker's for a moment, or that of a process that ends just now.
const LOCKED_MAX: Duration = Duration::from_secs(30);
/// A store of checkpoints that does not answer is asked again, and then done without.
const ASKED_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// After a failure that passes: no broker, no leader.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// States thrown away in one takeover: a damaged directory, then checkpoints of another history, newest first.
const REBUILDS_MAX: u32 = 8;

/// What is taken over.
pub struct Job {
    pub settings: Settings,
    pub place: Place,
    pub dir: PathBuf,
    pub log: TopicPartition,
    pub journal: TopicPartition,
    pub committed: Option<i64>,
}

/// The partition, and where to read on.
type Taken<V> = anyhow::Result<(Owned<V>, Start)>;

/// A takeover under way. Dropped, it is called off and waited for, so that nobody has the directory open.
pub struct Takeover<V: Value> {
    thread: Option<JoinHandle<Taken<V>>>,
    called_off: Arc<AtomicBool>,
    position: Arc<AtomicI64>,
}

impl<V: Value + Default> Takeover<V>
where
    LogPartition<V>: Decides,
{
    /// # Errors
    /// When no thread can be had.
    pub fn start(job: Job) -> anyhow::Result<Takeover<V>> {
        let (called_off, position): (Arc<AtomicBool>, Arc<AtomicI64>) = Default::default();
        let (off, at) = (Arc::clone(&called_off), Arc::clone(&position));
        let name = format!("takeover-{}-{}", LogPartition::<V>::ROLE, job.log.partition);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let _turn = job.place.turnstile.clone().pass(&off)?;
            loop {
                match take_over(&job, &off, &|position| at.store(position, Ordering::Relaxed)) {
                    Err(error) if !is_final(&error) && !off.load(Ordering::Relaxed) => {
                        tracing::warn!(log = %job.log, "taken over anew after: {error:#}");
                        std::thread::sleep(AGAIN_AFTER);
                    }
                    done => return done,
                }
            }
        });
        Ok(Takeover { thread: Some(thread.context("starting a thread")?), called_off, position })
    }
}

impl<V: Value> Takeover<V> {
    pub fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// How far it is.
    pub fn position(&self) -> i64 {
        self.position.load(Ordering::Relaxed)
    }

    pub fn call_off(&self) {
        self.called_off.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// [`NeedsOperator`], or what a new start may mend.
    pub fn join(mut self) -> Taken<V> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(done)) => done,
            Some(Err(_)) | None => anyhow::bail!("the takeover panicked; this is a fault of Portcullis, please report it with the log"),
        }
    }
}

impl<V: Value> Drop for Takeover<V> {
    fn drop(&mut self) {
        self.call_off();
        if let Some(thread) = self.thread.take() {
            let _whatever_became_of_it = thread.join();
        }
    }
}

/// Lets [`AT_ONCE`] through at a time.
#[derive(Clone, Default)]
pub struct Turnstile(Arc<(Mutex<usize>, Condvar)>);

/// Through; gives the place back when dropped.
pub struct Turn(Turnstile);

impl Turnstile {
    fn pass(self, called_off: &AtomicBool) -> Result<Turn, CalledOff> {
        let (inside, changed) = &*self.0;
        let mut count = inside.lock().unwrap_or_else(PoisonError::into_inner);
        while *count >= AT_ONCE {
            if called_off.load(Ordering::Relaxed) {
                return Err(CalledOff);
            }
            count = changed.wait_timeout(count, PAUSE).unwrap_or_else(PoisonError::into_inner).0;
        }
        *count += 1;
        drop(count);
        Ok(Turn(self))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (inside, changed) = &*self.0.0;
        *inside.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        changed.notify_one();
    }
}

fn take_over<V: Value + Default>(job: &Job, called_off: &AtomicBool, progress: &dyn Fn(i64)) -> Taken<V>
where
    LogPartition<V>: Decides,
{
    remove_dir(&job.dir.with_extension("checkpoint")).context("removing an unfinished checkpoint")?;
    let mut recovery = Recovery::open(&job.settings, &job.log, &job.journal, job.committed, job.place.accept, called_off, progress)?;
    // Nothing ahead of the committed offset can be of this history.
    let mut at_most = match job.committed {
        Some(committed) => committed,
        None => recovery.journal_end()?.unwrap_or(0),
    };
    for _ in 0..REBUILDS_MAX {
        let mut owned = Owned::new(open(job, at_most, called_off)?, &job.dir);
        let position = owned.partition.position();
        let why = match recovery.recover(&mut owned) {
            Ok(Recovered::Live(start)) => return Ok((owned, start)),
            Ok(Recovered::Rebuild) => {
                at_most = position - 1;
                "it does not fit, and a rebuild was accepted".to_owned()
            }
            Err(error) if error.chain().any(|e| matches!(e.downcast_ref(), Some(StateFault::Corrupt { .. }))) => format!("{error:#}"),
            Err(error) => return Err(error),
        };
        drop(owned);
        throw_away(job, &why)?;
    }
    Err(NeedsOperator(format!(
        "{}: {REBUILDS_MAX} states were thrown away one after the other: the checkpoints at {} are of another log, or the disk is failing. Look at the log above",
        job.log,
        job.place.checkpointer.as_ref().map_or("none", |c| c.checkpoints.url())
    ))
    .into())
}

/// The partition's directory, or the newest checkpoint up to `at_most` where that is further.
fn open<V: Value + Default>(job: &Job, at_most: i64, called_off: &AtomicBool) -> anyhow::Result<LogPartition<V>>
where
    LogPartition<V>: Decides,
{
    let local: LogPartition<V> = open_local(job, called_off)?;
    let Some(checkpointer) = &job.place.checkpointer else { return Ok(local) };
    let here = local.position();
    if here >= at_most {
        return Ok(local);
    }
    // The directory's place is needed, and its position known.
    drop(local);
    restore(job, &checkpointer.checkpoints, here, at_most, called_off)?;
    open_local(job, called_off)
}

/// Opens the directory; one that cannot be used is thrown away, and begun anew.
fn open_local<V: Value + Default>(job: &Job, called_off: &AtomicBool) -> anyhow::Result<LogPartition<V>>
where
    LogPartition<V>: Decides,
{
    let began = Instant::now();
    loop {
        let opened = LogPartition::open(&job.dir, &job.place.shared, &job.log.topic, job.log.partition, job.place.partitions);
        match opened {
            Ok(partition) => return Ok(partition),
            Err(StateFault::Locked { .. }) if began.elapsed() < LOCKED_MAX => {
                if called_off.load(Ordering::Relaxed) {
                    return Err(CalledOff.into());
                }
                std::thread::sleep(PAUSE);
            }
            Err(fault @ (StateFault::Corrupt { .. } | StateFault::OlderState { .. })) => throw_away(job, &fault.to_string())?,
            Err(fault @ StateFault::NewerState { .. }) if job.place.accept.accept_rebuild => throw_away(job, &fault.to_string())?,
            Err(fault @ (StateFault::NewerState { .. } | StateFault::OtherPartition { .. } | StateFault::NotAState { .. })) => {
                return Err(NeedsOperator(format!("{}: {fault}", job.log)).into());
            }
            Err(fault) => return Err(fault.into()),
        }
    }
}

fn throw_away(job: &Job, why: &str) -> anyhow::Result<()> {
    tracing::error!(log = %job.log, dir = %job.dir.display(), "the state is thrown away, and rebuilt from a checkpoint or the log: {why}");
    Ok(portcullis_state::destroy(&job.dir)?)
}

/// Puts the newest whole checkpoint after `here` in the directory's place. Without one, and without an answer, the directory stays.
fn restore(job: &Job, checkpoints: &Checkpoints, here: i64, at_most: i64, called_off: &AtomicBool) -> anyhow::Result<()> {
    let identity = identity_of(&job.log.topic, job.log.partition, job.place.partitions);
    let aside = job.dir.with_extension("restored");
    remove_dir(&aside).context("removing an unfinished restore")?;
    let began = Instant::now();
    for asked in 1..=ASKED_MAX {
        match checkpoints.restore(&identity, here + 1..at_most + 1, &aside, called_off) {
            Ok(restored) => {
                for passed in &restored.passed_over {
                    tracing::warn!(log = %job.log, sequence = passed.sequence, "checkpoint passed over: {}", passed.why);
                }
                let Some((sequence, manifest)) = restored.from else { return Ok(()) };
                portcullis_state::destroy(&job.dir)?;
                std::fs::rename(&aside, &job.dir).with_context(|| format!("putting {} in place", aside.display()))?;
                let (position, bytes) = (manifest.position, manifest.bytes());
                tracing::info!(log = %job.log, sequence, position, bytes, took_ms = began.elapsed().as_millis(), "restored from a checkpoint");
                return Ok(());
            }
            Err(CheckpointFault::CalledOff) => return Err(CalledOff.into()),
            Err(fault @ CheckpointFault::Store { .. }) if asked == ASKED_MAX => {
                tracing::error!(log = %job.log, "{fault}; the state is rebuilt without checkpoints, which takes longer");
            }
            Err(fault @ CheckpointFault::Store { .. }) => {
                tracing::warn!(log = %job.log, "{fault}; asked again");
                std::thread::sleep(PAUSE * 10);
            }
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(())
}
