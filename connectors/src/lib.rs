//! Where bytes come from and go to: files and Kafka, the vendor formats they hold, the schemas they were written with, and what is found out
//! about their sources.

pub mod enrich;
pub mod failpoint;
pub mod file;
pub mod formats;
mod http;
pub mod kafka;
pub mod outputs;
pub mod registry;
