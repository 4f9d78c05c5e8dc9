//! SQL rules: an analyst's predicates over feature rows, planned once a policy and evaluated with DataFusion over a batch's rows.
//!
//! The only crate that knows SQL and DataFusion. [`parse`] reads a policy with its rules; the plan travels in the policy, and the core asks
//! it through its own trait. What a predicate may say is the list in [`compile`]: nothing in it looks at a clock, a locale, a time zone, a
//! random number, another row or another table, so the same row gives the same answer everywhere.

pub mod column;
mod compile;
mod finite;
mod input;
mod plan;
mod refused;
mod words;

use portcullis_core::policy::Policy;
use portcullis_core::policy::parse;
use portcullis_core::policy::yaml::Fault;
use portcullis_core::time::Time;

pub use plan::SqlPlanner;

/// Reads a policy and plans its rules. `name` is the file's name, for the faults.
///
/// # Errors
/// Every fault of the text, in the order of its lines; those of a rule name it, and the place in its predicate.
pub fn parse(name: &str, text: &str) -> Result<Policy, Vec<Fault>> {
    parse::parse_with(name, text, &SqlPlanner)
}

/// Reads a policy that is to be put in force at this time, with the warnings that are due then.
///
/// # Errors
/// As [`parse`], and what would last too long from then on.
pub fn parse_to_apply(name: &str, text: &str, at: Time) -> Result<(Policy, Vec<Fault>), Vec<Fault>> {
    parse::parse_to_apply(name, text, &SqlPlanner, at)
}
