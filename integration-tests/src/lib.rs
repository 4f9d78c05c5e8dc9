//! The harness of the integration tests: real servers, fetched and started on loopback, and stopped whatever happens to the test.

pub mod judge;
pub mod kafka;
pub mod proxy;
pub mod responder;
pub mod s3;
pub mod security;
pub mod service;
