//! Outcomes that whoever acted has signed: believed for the key, which the policy names under `responders`, and not for the way they came by.
//!
//! One that is not signed came by an input that is trusted with it: INGEST lets no other through. A signed one is believed for what was
//! signed, while it is fresh; whether it was heard before is for whoever keeps a memory.

use crate::event::{ContainmentOutcome, Event, Named};
use crate::policy::Policy;
use crate::signature::{self, Signatory};
use crate::text::Text;
use crate::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};
use serde::{Deserialize, Serialize};

/// The type in the header of the JWS.
pub const OUTCOME_TYPE: &str = "portcullis-outcome+jwt";

/// Signed earlier than this, it may be a replay. Longer than for what people say, who wait for an answer: a report may stand in a queue.
pub const FRESH_MS: i64 = HOUR_MS;
/// How far the clock of whoever signed may be ahead.
const AHEAD_MS: i64 = 5 * MINUTE_MS;

/// The payload of the JWS. The event beside it must say the same.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Claims<'a> {
    /// The event's id.
    #[serde(borrow)]
    pub jti: Text<'a>,
    /// The event's time, Unix seconds.
    pub iat: i64,
    #[serde(borrow)]
    pub tenant: Text<'a>,
    #[serde(borrow)]
    pub containment: ContainmentOutcome<'a>,
}

/// Who signed an outcome; `None` where nobody did and its input is believed.
///
/// # Errors
/// Why it is not believed, in a sentence.
pub fn signed_by<'p>(policy: &'p Policy, event: &Event<'_>, log_time: Time) -> Result<Option<&'p Signatory>, String> {
    let Some((beside, jws)) = event.containment.as_deref().and_then(|outcome| Some((outcome, outcome.jws.as_deref()?))) else {
        return Ok(None);
    };
    if policy.responders.is_empty() {
        return Err("the policy in force names no responders".to_owned());
    }
    let (signatory, payload) = signature::verify(jws, OUTCOME_TYPE, &policy.responders)?;
    let refuse = |why: String| Err(format!("{}: {why}", signatory.name));
    let claims: Claims<'_> = match serde_json::from_slice(&payload) {
        Ok(claims) => claims,
        Err(error) => return refuse(format!("what was signed cannot be read: {error}")),
    };
    if claims.jti.is_empty() || claims.containment.subject.is_none() {
        return refuse("a jti and a containment.subject must be signed".to_owned());
    }
    if claims.jti != event.id || claims.iat != event.time.0.div_euclid(SECOND_MS) || claims.tenant != event.tenant {
        return refuse("the event has another id, time or tenant than what was signed".to_owned());
    }
    if !says_the_same(&claims.containment, beside) {
        return refuse("the event says something else than what was signed".to_owned());
    }
    if !(-AHEAD_MS..=FRESH_MS).contains(&log_time.since(event.time)) {
        return refuse(format!(
            "it was signed at {}, and it is {log_time} now: at most {} may pass, sign it anew",
            event.time,
            Span(FRESH_MS)
        ));
    }
    Ok(Some(signatory))
}

/// Free text may have been cut on its way.
fn says_the_same(signed: &ContainmentOutcome<'_>, beside: &ContainmentOutcome<'_>) -> bool {
    let cut = |signed: &Option<Text<'_>>, beside: &Option<Text<'_>>| match (signed, beside) {
        (Some(signed), Some(beside)) => signed.starts_with(beside.as_str()),
        (signed, beside) => signed.is_none() && beside.is_none(),
    };
    fn names<'o>(o: &'o ContainmentOutcome<'_>) -> [Option<&'o Named<'o>>; 2] {
        [o.subject.as_ref(), o.target.as_ref()]
    }
    (signed.status, &signed.request_id, &signed.action) == (beside.status, &beside.request_id, &beside.action)
        && names(signed) == names(beside)
        && cut(&signed.by, &beside.by)
        && cut(&signed.detail, &beside.detail)
}
