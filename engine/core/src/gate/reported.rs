//! Which outcomes the gate believes: those of inputs that are trusted with them, and those that a responder of the policy has signed, each
//! once. What is refused is said, as it is of answers of people.

use super::Desk;
use super::state::{GateState, TenantState};
use crate::containment::{AnswerEnd, ContainmentAnswer};
use crate::event::Event;
use crate::hash::{Of, hash_parts};
use crate::id::id;
use crate::outcome::{FRESH_MS, signed_by};
use crate::record::Output;
use crate::shelf::Shelf;
use crate::time::SECOND_MS;

/// What stands for a verb in the record of a refusal.
pub const OUTCOME: &str = "outcome";
/// Ids of strangers are shown so far, characters.
const SHOWN_MAX: usize = 100;

impl<S: Shelf<Value = GateState>> Desk<'_, S> {
    /// False, and said, if it is not believed.
    pub(super) fn is_believed(&mut self, tenant: &mut TenantState, event: &Event<'_>) -> bool {
        let (by, why) = match signed_by(self.policy, event, self.now) {
            Ok(None) => return true,
            Ok(Some(signatory)) => {
                tenant.answered.retain(|_, until| *until > self.now);
                let until = event.time.plus(FRESH_MS + SECOND_MS);
                if tenant.answered.insert(hash_parts(Of::Fact, &[OUTCOME.as_bytes(), event.id.as_bytes()]), until).is_none() {
                    return true;
                }
                (Some(signatory.name.clone()), format!("outcome {} was reported before: this is a replay", event.id.as_str()))
            }
            Err(why) => (None, why),
        };
        let request = event.containment.as_deref().and_then(|outcome| outcome.request_id.as_deref());
        self.out.push(Output::Answer(Box::new(ContainmentAnswer {
            id: id("a", &[tenant.name.as_bytes(), OUTCOME.as_bytes(), event.id.as_bytes(), &self.now.0.to_le_bytes()]),
            answer: by.as_ref().map(|_| event.id.as_str().to_owned()).unwrap_or_default(),
            time: self.now,
            tenant: tenant.name.clone(),
            verb: Some(OUTCOME.to_owned()),
            of: request.map(|id| id.chars().take(SHOWN_MAX).collect()),
            by,
            reason: None,
            end: AnswerEnd::Refused,
            why,
            policy: self.policy.reference(),
        })));
        false
    }
}
