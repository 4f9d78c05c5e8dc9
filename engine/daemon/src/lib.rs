//! The service and its command line: the shell around the pure core.

pub mod active_policy;
pub mod checkpointer;
pub mod cli;
pub mod config;
pub mod embedded;
pub mod files;
pub mod http;
pub mod ingest;
pub mod inventory;
pub mod jws;
pub mod keyed_log;
pub mod line_file;
pub mod live;
pub mod partition;
pub mod progress;
pub mod report;
pub mod reputation;
pub mod roles;
pub mod say;
pub mod shelf;
pub mod signals_page;
pub mod status;
pub mod summary;
pub mod telemetry;
pub mod truth;
pub mod worker;
