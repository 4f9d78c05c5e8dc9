//! Too much of the same at once is more likely our mistake, an outage or a release than an attack on everybody: then everything but the
//! harmless waits, one notice says so, and what waits is judged again when it is over. A person can pull the same switch.

use crate::containment::{Action, Proposal};
use crate::hash::{Of, hash_parts};
use crate::policy::Policy;
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Subjects remembered within the window; as many at once trip it whatever the share.
const RECENT_MAX: usize = 4_096;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Breaker {
    /// Subjects for which something was proposed within the window, by hash: when last, and the signal that led.
    recent: BTreeMap<u64, (Time, u64)>,
    open: Option<Held>,
    paused: Option<Held>,
}

/// Everything is held, until then.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Held {
    until: Time,
    why: String,
}

impl Breaker {
    pub fn weight_bytes(&self) -> usize {
        40 * self.recent.len()
    }

    /// Counts a proposal. `Some`: with it the breaker opens, and why.
    pub fn count(&mut self, policy: &Policy, proposal: &Proposal, active: u32, now: Time) -> Option<String> {
        let rule = policy.breaker.as_ref().filter(|_| !proposal.action.is_notice())?;
        let subject = [proposal.subject.kind.as_bytes(), proposal.subject.id.as_bytes()];
        let signal = hash_parts(Of::Target, &[proposal.leading_signal.as_bytes()]);
        self.recent.insert(hash_parts(Of::Target, &subject), (now, signal));
        self.recent.retain(|_, (at, _)| now.since(*at) < rule.window_ms);
        let subjects = self.recent.len() as u64;
        let least = (u64::from(active) * u64::from(rule.share_of_active_ppm) / 1_000_000).max(u64::from(rule.at_least));
        if self.open.is_some() || (subjects < least && subjects < RECENT_MAX as u64) {
            return None;
        }
        let mut by_signal: BTreeMap<u64, u64> = BTreeMap::new();
        self.recent.values().for_each(|(_, signal)| *by_signal.entry(*signal).or_default() += 1);
        let same = by_signal.get(&signal).copied().unwrap_or(0);
        if same * 1_000_000 < subjects * u64::from(rule.same_leading_signal_ppm) {
            return None;
        }
        let why = format!(
            "{subjects} subjects within {}, {same} of them for {}: more likely an outage, a release or a mistake of ours than so many attacks",
            Span(rule.window_ms),
            proposal.leading_signal
        );
        self.open = Some(Held { until: now.plus(rule.lasts_ms), why: why.clone() });
        self.recent.clear();
        Some(why)
    }

    /// Why this action waits now, and until when.
    pub fn holds(&mut self, policy: &Policy, action: Action, now: Time) -> Option<(String, Time)> {
        for held in [&mut self.open, &mut self.paused] {
            held.take_if(|h| h.until <= now);
        }
        // What a person has stopped is stopped; what tripped by itself keeps what the policy calls harmless.
        let kept = policy.breaker.as_ref().is_some_and(|b| b.keep.contains(&action));
        let held = self.paused.as_ref().or(self.open.as_ref().filter(|_| !kept))?;
        (!action.is_notice()).then(|| (held.why.clone(), held.until))
    }

    /// By itself.
    pub fn is_tripped(&self, now: Time) -> bool {
        self.open.as_ref().is_some_and(|held| held.until > now)
    }

    /// By a person.
    pub fn is_paused(&self, now: Time) -> bool {
        self.paused.as_ref().is_some_and(|held| held.until > now)
    }

    pub fn pause(&mut self, until: Time, by: &str, reason: &str) {
        self.paused = Some(Held { until, why: format!("{by} has paused everything until {until}: {reason}") });
    }

    /// Ends a pause and closes the breaker. False: there was nothing to end.
    pub fn resume(&mut self) -> bool {
        self.open.take().is_some() | self.paused.take().is_some()
    }
}
