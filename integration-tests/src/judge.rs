//! The judge: runs a workload through real engine processes on a real Kafka under a schedule of faults that a seed draws, lets it settle, and
//! judges each hop against the log that it really read, as a `read_committed` consumer sees it.
//!
//! - INGEST: `events` and the dead letters hold exactly what the decoders give for the raw topic, each once ([`ingested`]).
//! - SCORE and GATE: outputs, levels and every profile equal the pure core's over this run's own log, byte for byte, in order; the
//!   journal is one unbroken chain and says what the core says ([`decided`]).
//! - One log twice, undisturbed and disturbed: the same outputs.
//!
//! Nothing is compared with what *should* have been fed: what is in the topic is what counts, so that a fault that hits the feeder, too,
//! does not matter. The engine is to be mended, never the judge bent.
//!
//! `make torture SEEDS=200` runs many; `SEED=17 SEEDS=1` one again.

mod decided;
mod feeder;
mod findings;
mod fleet;
mod group;
mod ingested;
mod log;
mod outputs;
mod random;
mod run;
mod schedule;
mod settle;
mod store;
mod verdict;
mod workload;
mod world;

pub use run::{Report, run_seed};
pub use schedule::Schedule;
pub use world::World;
