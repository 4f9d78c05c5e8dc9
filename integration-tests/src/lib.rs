//! The harness of the integration tests: real servers, fetched and started on loopback, and stopped whatever happens to the test.

pub mod attack;
pub mod collector;
pub mod desk;
pub mod geoip;
pub mod http;
pub mod issuer;
pub mod judge;
pub mod kafka;
pub mod keycloak;
pub mod openbao;
pub mod proposal;
pub mod proxy;
pub mod python;
pub mod registry;
pub mod responder;
pub mod s3;
pub mod security;
pub mod service;
