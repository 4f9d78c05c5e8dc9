//! One receiver's stream, between the worker that reads the log and whoever delivers: the worker itself, or the receiver's polls.

use super::queue::{Queue, Set};
use crate::telemetry::{self, SetEnd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// A SET that a receiver will not have.
#[derive(Clone, PartialEq, Debug)]
pub struct Refusal {
    pub set: Set,
    /// In the words of RFC 8935, 2.4.
    pub err: String,
    pub description: String,
}

/// What is held for a receiver.
#[derive(Default)]
pub struct Held {
    pub queue: Queue,
    /// Not recorded yet.
    pub refused: Vec<Refusal>,
}

/// See the [module](self).
pub struct Stream {
    /// The receiver's.
    pub name: Arc<str>,
    held: Mutex<Held>,
    arrived: Notify,
}

impl Stream {
    pub fn new(name: &str) -> Stream {
        Stream { name: name.into(), held: Mutex::default(), arrived: Notify::new() }
    }

    /// A worker begins, where another one may have ended: what the log holds is read again.
    pub(super) fn begin(&self) {
        let mut held = self.held();
        held.queue.forget_log();
        held.refused.clear();
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There may be more.
    pub(super) fn tell(&self) {
        self.arrived.notify_waiters();
    }

    /// Until there may be more than there was when this was called.
    pub fn arrival(&self) -> Notified<'_> {
        self.arrived.notified()
    }

    /// The first SETs that the receiver does not have, and whether there are more.
    pub fn first(&self, most: usize) -> (Vec<Set>, bool) {
        self.held().queue.first(most)
    }

    /// The receiver has it. One that is not known here is forgotten: it was acknowledged before.
    pub fn acknowledge(&self, jti: &str) {
        if self.held().queue.done(jti).is_some() {
            telemetry::set(&self.name, SetEnd::Delivered);
        }
    }

    /// The receiver will not have it.
    pub fn refuse(&self, jti: &str, err: &str, description: &str) {
        let mut held = self.held();
        if let Some(set) = held.queue.done(jti) {
            held.refused.push(Refusal { set, err: err.to_owned(), description: description.to_owned() });
        }
    }

    /// Sends what stands in no log; false: too many wait.
    pub fn verify(&self, jti: String, jws: String) -> bool {
        let is_taken = self.held().queue.take_own(Set { jti: jti.into(), jws: jws.into(), key: self.name.as_bytes().into() });
        self.tell();
        is_taken
    }
}
