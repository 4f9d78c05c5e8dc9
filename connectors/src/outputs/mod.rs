//! What we found, in the words of others: pure functions of our own records, so that the same record gives the same bytes.
//!
//! | | for whom |
//! |---|---|
//! | [`ocsf`] | SIEMs and data lakes: findings and remediations of the Open Cybersecurity Schema Framework |
//! | [`set`] | identity providers and other receivers of the Shared Signals Framework: Security Event Tokens with the events of CAEP and RISC |
//! | [`cloudevents`] | whoever routes by headers: CloudEvents in Kafka's binary mode |

pub mod cloudevents;
pub mod ocsf;
pub mod set;
