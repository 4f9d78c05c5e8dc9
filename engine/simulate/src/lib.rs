//! Seeded, labelled traffic: weeks in the life of customers, staff, administrators, service accounts, partners, AI agents and tests, in the
//! native event format and in the order in which a log pipeline would ship it, with attacks and with what only resembles them.
//!
//! ```
//! use portcullis_simulate::{Settings, Simulation};
//!
//! let mut simulation = Simulation::new(Settings { seed: 7, events: 20_000, ..Settings::default() })?;
//! let mut line = Vec::new();
//! while let Some(_shipment) = simulation.next_line(&mut line) {
//!     // `line` holds one JSON object and a line feed.
//!     line.clear();
//! }
//! assert!(simulation.labels().iter().any(|label| label.scenario == "push_fatigue"));
//! # Ok::<(), portcullis_simulate::SettingsError>(())
//! ```
//!
//! The same settings give the same bytes on every machine: integers, `libm` and a generator of its own (`random`), no hash order, no clock.
//! It shares no code with the engine, so that it cannot share its mistakes: what it writes is the contract as it understands it.
//!
//! How it is made: a `plan` decides who lives and what happens to whom; each `life` knows only when its next visit is; the `stream` lets things
//! happen in the order of time; `messy` ships them. Scenarios are told in `scenario/*`, one small function each, listed in `SCENARIOS`: attacks on
//! people and machines, at log-in and at checkout, each at three difficulties, and what only looks like them.

mod census;
mod clock;
mod identity;
mod inventory;
mod json;
mod label;
mod life;
mod messy;
mod plan;
mod random;
mod scenario;
mod settings;
mod stream;
mod world;
mod write;

pub use clock::DEFAULT_START_MS;
pub use label::{Expect, Label, Subject};
pub use scenario::{Difficulty, Kind, SCENARIOS, Scenario};
pub use settings::{Settings, SettingsError};
pub use stream::{Shipment, Simulation};
pub use write::{WriteError, Written};
