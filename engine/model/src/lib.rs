//! What labelled verdicts say of the policy's numbers: what each signal is worth ([`count`], [`weigh`]), and how far the sums can be believed
//! ([`measure`], [`card`]). Nothing here decides: it reads what was decided and proposes, or tells.

pub mod card;
pub mod count;
pub mod measure;
pub mod truth;
pub mod weigh;

use portcullis_core::subject::Kind;
use portcullis_core::time::{DAY_MS, Time};
use portcullis_core::verdict::Name;

/// A subject on a day, as a number: kept in millions, so not as text.
pub(crate) fn subject_day(tenant: &str, subject: &Name, at: Time) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (tenant, &subject.kind, &subject.id, at.0.div_euclid(DAY_MS)).hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn is_identity(subject: &Name) -> bool {
    subject.kind == Kind::Identity.name()
}
