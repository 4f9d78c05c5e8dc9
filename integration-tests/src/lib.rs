//! The harness of the integration tests: real servers, fetched and started on loopback, and stopped whatever happens to the test.

pub mod kafka;
pub mod s3;
pub mod service;
