//! What a detector says, in the form in which all of them are measured.

use portcullis_core::containment::Action;
use portcullis_core::event::Class;
use portcullis_core::time::Time;
use portcullis_core::verdict::{Level, Name};

/// A detector holds this against somebody at this moment.
pub struct Finding {
    pub tenant: String,
    pub subject: Name,
    pub class: Option<Class>,
    pub at: Time,
    /// Absent when time alone changed it.
    pub event_id: Option<String>,
    pub level: Level,
    /// Strength, to rank by: decibans of evidence, or whatever else grows with it.
    pub strength: f64,
    /// Findings of one incident are one alarm.
    pub incident: String,
    pub learning: bool,
    /// What spoke at this event, the strongest first.
    pub signals: Vec<String>,
    /// The strongest reason, whenever it spoke.
    pub leading: Option<String>,
}

/// Something that was asked of whoever can act, or would have been.
pub struct Containment {
    pub tenant: String,
    pub subject: Name,
    pub class: Option<Class>,
    pub at: Time,
    pub action: Action,
    pub sent: bool,
}
