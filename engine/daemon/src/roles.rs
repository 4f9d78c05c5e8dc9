//! The roles: what each makes of a batch.

pub mod answers;
pub mod cloudevents;
pub mod dead_letter;
pub mod gate;
pub mod ingest;
mod log_role;
pub mod outputs;
mod owned;
mod positions;
pub mod publish;
pub mod recovery;
mod registered;
pub mod score;
mod standing;
mod tables;
mod takeover;
pub mod transmit;

pub use log_role::{AT, Borrowed, Decides, Nth, Place, decide, wall_clock};
pub use takeover::Turnstile;

use portcullis_connectors::kafka::topics::Names;
use std::sync::Arc;

/// The names of our topics, cheap to hand around.
#[derive(Clone, Debug)]
pub struct Topics {
    pub events: Arc<str>,
    pub verdicts: Arc<str>,
    pub risk: Arc<str>,
    pub proposals: Arc<str>,
    pub waiting: Arc<str>,
    pub answers: Arc<str>,
    pub reputation: Arc<str>,
    pub inventory: Arc<str>,
    pub journal: Arc<str>,
    pub gate_journal: Arc<str>,
    pub dead_letter: Arc<str>,
    pub retry: Arc<str>,
    pub ocsf: Arc<str>,
    pub set: Arc<str>,
    pub set_refused: Arc<str>,
}

impl Topics {
    pub fn new(prefix: &str) -> Topics {
        let names = Names::new(prefix);
        Topics {
            events: names.events.into(),
            verdicts: names.verdicts.into(),
            risk: names.risk.into(),
            proposals: names.proposals.into(),
            waiting: names.waiting.into(),
            answers: names.answers.into(),
            reputation: names.reputation.into(),
            inventory: names.inventory.into(),
            journal: names.journal.into(),
            gate_journal: names.gate_journal.into(),
            dead_letter: names.dead_letter.into(),
            retry: names.retry.into(),
            ocsf: names.ocsf.into(),
            set: names.set.into(),
            set_refused: names.set_refused.into(),
        }
    }
}
