//! What people answer: a signed record of the log. It is believed for what it says, once, while it is fresh, and by keys of the policy in
//! force; whatever becomes of it is said, of each thing that it names.

use super::Desk;
use super::state::{GateState, TenantState};
use crate::containment::{AnswerEnd, Approver, ContainmentAnswer};
use crate::hash::{Of, hash};
use crate::id::id;
use crate::named_enum;
use crate::record::{Answer, Output};
use crate::shelf::Shelf;
use crate::signature;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Span, Time};
use serde::{Deserialize, Serialize};

/// The type in the header of the JWS.
pub const ANSWER_TYPE: &str = "portcullis-answer+jwt";

/// Older than this it may be a replay of what was said about something else.
const FRESH_MS: i64 = 15 * MINUTE_MS;
/// How far the clock of whoever signed may be ahead.
const AHEAD_MS: i64 = 5 * MINUTE_MS;
/// Things that one answer may name.
pub const OF_MAX: usize = 1_000;
const REASON_BYTES_MAX: usize = 1_000;
/// How long a pause lasts where nothing is said, and the longest that it or an extension may.
const PAUSE_MS: i64 = 4 * HOUR_MS;
const LASTS_MAX_MS: i64 = 7 * DAY_MS;

named_enum! {
    /// What a person wants.
    pub enum Verb {
        /// What waits is sent.
        Approve = "approve",
        /// What waits is not sent.
        Reject = "reject",
        /// What waits may wait longer.
        Extend = "extend",
        /// What was done is undone.
        Release = "release",
        /// Nothing is sent any more.
        Pause = "pause",
        /// It is again.
        Resume = "resume",
    }
}

/// The payload of the JWS.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Unique; a second answer of this id is a replay.
    pub jti: String,
    /// When it was signed, Unix seconds.
    pub iat: i64,
    pub tenant: String,
    #[serde(rename = "do")]
    pub verb: Verb,
    /// Ids of proposals (`approve`, `reject`, `extend`) or requests (`release`).
    #[serde(default)]
    pub of: Vec<String>,
    pub reason: String,
    /// For `extend` and `pause`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
}

impl<S: Shelf<Value = GateState>> Desk<'_, S> {
    pub(super) fn answer(&mut self, tenant: &mut TenantState, answer: &Answer) -> Result<(), S::Fault> {
        let (person, claims) = match self.believe(tenant, answer) {
            Ok(believed) => believed,
            Err(why) => {
                self.answered(tenant, None, "", Err(why));
                return Ok(());
            }
        };
        // A pause is of everything, and names nothing.
        let everything = [String::new()];
        for of in if claims.of.is_empty() { &everything[..] } else { &claims.of } {
            let came_of_it = self.obey(tenant, &person, &claims, of)?;
            self.answered(tenant, Some((&person, &claims)), of, came_of_it);
        }
        Ok(())
    }

    /// Whose answer it is, and what it says.
    fn believe(&mut self, tenant: &mut TenantState, answer: &Answer) -> Result<(Approver, Claims), String> {
        if self.policy.approvers.is_empty() {
            return Err("the policy in force names no approvers".to_owned());
        }
        let (signatory, payload) = signature::verify(&answer.jws, ANSWER_TYPE, &self.policy.approvers)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|e| format!("what {} signed cannot be read: {e}", signatory.name))?;
        let refuse = |why: String| Err(format!("{} of {}: {why}", claims.verb, signatory.name));
        if claims.tenant != tenant.name {
            return refuse("it is about another tenant than its record".to_owned());
        }
        if claims.reason.trim().is_empty() || claims.reason.len() > REASON_BYTES_MAX {
            return refuse(format!("a reason of 1 to {REASON_BYTES_MAX} bytes is required"));
        }
        if claims.of.len() > OF_MAX {
            return refuse(format!("it names {} things, at most {OF_MAX} are allowed", claims.of.len()));
        }
        let names_something = !matches!(claims.verb, Verb::Pause | Verb::Resume);
        if claims.of.is_empty() == names_something {
            return refuse(if names_something { "it names nothing" } else { "it is about everything and names something" }.to_owned());
        }
        if claims.lasts.is_some_and(|s| s.0 <= 0 || s.0 > LASTS_MAX_MS) {
            return refuse(format!("it may last {} at most", Span(LASTS_MAX_MS)));
        }
        let signed_at = Time(claims.iat.saturating_mul(1_000));
        if !(-AHEAD_MS..=FRESH_MS).contains(&self.now.since(signed_at)) {
            return refuse(format!("it was signed at {signed_at}, and it is {} now: sign it anew", self.now));
        }
        tenant.answered.retain(|_, until| *until > self.now);
        let until = signed_at.plus(FRESH_MS + 1_000);
        if tenant.answered.insert(hash(Of::Fact, claims.jti.as_bytes()), until).is_some() {
            return refuse(format!("answer {} was given before: this is a replay", claims.jti));
        }
        Ok((Approver { by: signatory.name.clone(), at: self.now, reason: claims.reason.clone() }, claims))
    }

    fn obey(&mut self, tenant: &mut TenantState, person: &Approver, claims: &Claims, of: &str) -> Result<Result<String, String>, S::Fault> {
        let lasts_ms = claims.lasts.map(|s| s.0);
        match claims.verb {
            Verb::Approve => self.approve(tenant, of, person.clone()),
            Verb::Reject => self.reject(tenant, of, &person.by, &person.reason),
            Verb::Extend => self.extend(tenant, of, lasts_ms.unwrap_or(self.policy.approvals.expire_after_ms)),
            Verb::Release => self.release(tenant, of, person.clone()),
            Verb::Pause => {
                let until = self.now.plus(lasts_ms.unwrap_or(PAUSE_MS));
                tenant.breaker.pause(until, &person.by, &person.reason);
                Ok(Ok(format!("nothing is sent until {until}")))
            }
            Verb::Resume if tenant.breaker.resume() => Ok(Ok("what was held is judged again within five minutes".to_owned())),
            Verb::Resume => Ok(Err("nothing is paused".to_owned())),
        }
    }

    fn answered(&mut self, tenant: &TenantState, whose: Option<(&Approver, &Claims)>, of: &str, came_of_it: Result<String, String>) {
        let (end, why) = match came_of_it {
            Ok(why) => (AnswerEnd::Accepted, why),
            Err(why) => (AnswerEnd::Refused, why),
        };
        let jti = whose.map(|(_, claims)| claims.jti.clone()).unwrap_or_default();
        self.out.push(Output::Answer(Box::new(ContainmentAnswer {
            id: id("a", &[tenant.name.as_bytes(), jti.as_bytes(), of.as_bytes(), &self.now.0.to_le_bytes()]),
            answer: jti,
            time: self.now,
            tenant: tenant.name.clone(),
            verb: whose.map(|(_, claims)| claims.verb.name().to_owned()),
            of: (!of.is_empty()).then(|| of.to_owned()),
            by: whose.map(|(person, _)| person.by.clone()),
            reason: whose.map(|(person, _)| person.reason.clone()),
            end,
            why,
            policy: self.policy.reference(),
        })));
    }
}
