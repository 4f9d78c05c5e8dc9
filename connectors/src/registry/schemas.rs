//! The schemas of records that are read: in memory, else on the shelf, else asked for on a thread of its own.
//!
//! Whoever reads records never waits here. [`Schemas::ask`] says whether it is known yet what to do with the records of a schema; where it is not, they
//! are left until it is. **A registry that does not answer decides nothing**: it is asked again, at last every ten seconds, for as long as it takes. One
//! that answers that it does not know an id is asked again for ten seconds, in case it is a replica that lags behind; only then is that
//! the [`Answer`], and a minute later the next record of that schema has it asked again.

use super::client::{Client, Fault};
use super::frame::SchemaId;
use super::shelf::Shelf;
use portcullis_schemas::avro::Writer;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two questions to a registry that does not answer, the first and the longest.
const AGAIN_FIRST: Duration = Duration::from_millis(500);
const AGAIN_LAST: Duration = Duration::from_secs(10);
/// How long a registry that does not know an id is asked again for it, and how often.
const UNKNOWN_GRACE: Duration = Duration::from_secs(10);
const UNKNOWN_AGAIN: Duration = Duration::from_secs(1);
/// So many ids are waited for in the time for which an answer is believed; of those that come after them the first answer counts, so that
/// whoever writes to an input cannot hold it up by naming schemas that there are not.
const GRACES_MAX: usize = 5;
/// How long it is believed then.
const UNKNOWN_KEPT: Duration = Duration::from_secs(60);
/// Answers of that kind that are remembered: ids can be invented.
const UNKNOWN_MAX: usize = 10_000;

/// What to do with the records of a schema.
#[derive(Clone, Debug)]
pub enum Answer {
    Known(Arc<Writer>),
    /// They cannot be read: why.
    Unreadable(String),
}

/// See the [module](self).
pub struct Schemas {
    known: HashMap<SchemaId, Answer>,
    /// Until when an [`Answer::Unreadable`] is believed.
    unreadable: HashMap<SchemaId, Instant>,
    shelf: Arc<Shelf>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Since when each is asked for.
    wanted: BTreeMap<SchemaId, Instant>,
    answers: Vec<(SchemaId, Answer)>,
    trouble: Option<String>,
    /// That the disk refuses, once.
    unkept: Option<String>,
    is_over: bool,
}

impl Schemas {
    /// Starts the thread. Nobody is asked before a record comes.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(client: Client, shelf: Shelf) -> io::Result<Schemas> {
        let (shelf, shared) = (Arc::new(shelf), Arc::new(Shared::default()));
        let asking = Asking { client, shelf: Arc::clone(&shelf), shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("schemas".to_owned()).spawn(move || asking.run())?;
        Ok(Schemas { known: HashMap::new(), unreadable: HashMap::new(), shelf, shared, thread: Some(thread) })
    }

    /// Forgets answers that are believed no longer. Between this and the next time every answer stands.
    pub fn refresh(&mut self) {
        let (now, too_many) = (Instant::now(), self.unreadable.len() > UNKNOWN_MAX);
        for (id, _) in self.unreadable.extract_if(|_, until| too_many || *until <= now) {
            self.known.remove(&id);
        }
    }

    /// Whether there is an answer about a schema; if not, it is asked for from now on.
    pub fn ask(&mut self, id: SchemaId) -> bool {
        if self.known.contains_key(&id) {
            return true;
        }
        if let Some(stored) = self.shelf.schema(id)
            && let Ok(writer) = stored.writer()
        {
            self.known.insert(id, Answer::Known(Arc::new(writer)));
            return true;
        }
        self.shared.lock().wanted.entry(id).or_insert_with(Instant::now);
        self.shared.changed.notify_all();
        self.take_answers();
        self.known.contains_key(&id)
    }

    /// Takes over what was answered meanwhile.
    pub fn take_answers(&mut self) {
        let answers = std::mem::take(&mut self.shared.lock().answers);
        for (id, answer) in answers {
            if matches!(answer, Answer::Unreadable(_)) {
                self.unreadable.insert(id, Instant::now() + UNKNOWN_KEPT);
            }
            self.known.insert(id, answer);
        }
    }

    /// The answer about a schema, where there is one.
    #[inline]
    pub fn get(&self, id: SchemaId) -> Option<&Answer> {
        self.known.get(&id)
    }

    /// Why what was learnt may be asked for again after a restart.
    pub fn take_unkept(&self) -> Option<String> {
        self.shared.lock().unkept.take()
    }

    /// Why what is asked for has not been answered.
    pub fn trouble(&self) -> Option<String> {
        self.shared.lock().trouble.clone()
    }
}

impl Drop for Schemas {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_all();
        // It ends with the question that it is at, at the latest ten seconds from now, and nobody needs to wait for that.
        drop(self.thread.take());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The thread.
struct Asking {
    client: Client,
    shelf: Arc<Shelf>,
    shared: Arc<Shared>,
}

impl Asking {
    fn run(self) {
        let mut again = AGAIN_FIRST;
        let mut graces: Vec<Instant> = Vec::new();
        loop {
            graces.retain(|ended| ended.elapsed() < UNKNOWN_KEPT);
            let Some(wanted) = self.wanted() else { return };
            let mut pause = Duration::ZERO;
            for (id, since) in wanted {
                match self.client.schema(id).map(|stored| (stored.writer(), stored)) {
                    Ok((writer, stored)) => {
                        if let Err(error) = self.shelf.keep(id, &stored) {
                            self.shared.lock().unkept = Some(format!("schema {id} cannot be kept on disk: {error}"));
                        }
                        self.answer(
                            id,
                            match writer {
                                Ok(writer) => Answer::Known(Arc::new(writer)),
                                Err(what) => Answer::Unreadable(format!("schema {id} of {}: {what}", self.client.url())),
                            },
                        );
                        again = AGAIN_FIRST;
                    }
                    Err(fault @ Fault::Unknown { .. }) if since.elapsed() < UNKNOWN_GRACE && graces.len() < GRACES_MAX => {
                        self.shared.lock().trouble = Some(format!("{fault}, and is asked again"));
                        pause = pause.max(UNKNOWN_AGAIN);
                    }
                    Err(fault) if fault.passes() => {
                        self.shared.lock().trouble = Some(fault.to_string());
                        pause = again;
                        again = (again * 2).min(AGAIN_LAST);
                        break;
                    }
                    Err(fault) => {
                        if since.elapsed() >= UNKNOWN_GRACE {
                            graces.push(Instant::now());
                        }
                        self.answer(id, Answer::Unreadable(fault.to_string()));
                    }
                }
            }
            self.pause(pause);
        }
    }

    /// What is asked for, once something is; `None` at the end.
    fn wanted(&self) -> Option<Vec<(SchemaId, Instant)>> {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_while(state, |state| !state.is_over && state.wanted.is_empty());
        let state = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        (!state.is_over).then(|| state.wanted.iter().map(|(id, since)| (*id, *since)).collect())
    }

    fn answer(&self, id: SchemaId, answer: Answer) {
        let mut state = self.shared.lock();
        state.wanted.remove(&id);
        state.answers.push((id, answer));
        if state.wanted.is_empty() {
            state.trouble = None;
        }
    }

    fn pause(&self, pause: Duration) {
        let state = self.shared.lock();
        drop(self.shared.changed.wait_timeout_while(state, pause, |state| !state.is_over));
    }
}
