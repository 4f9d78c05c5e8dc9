//! A source network: who was tried from it, and how that went.

use super::cadence::Cadence;
use super::checkout::CheckoutMemory;
use crate::distinct::Distinct;
use crate::event::Event;
use crate::hash::{Of, hash};
use crate::row::{Crowd, Row};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use serde::{Deserialize, Serialize};

/// Identities kept one by one; beyond it the list is a fair sample.
const IDENTITIES_MAX: usize = 64;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct SourceMemory {
    pub now: Time,
    pub first: Time,
    pub events: u32,
    cadence: Cadence,
    /// Identities that were tried within 15 min, and within 24 h.
    quick: Distinct,
    slow: Distinct,
    checkout: CheckoutMemory,
}

impl SourceMemory {
    pub fn observe(&mut self, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        if self.events == 0 {
            self.first = t;
        }
        self.events = self.events.saturating_add(1);
        self.now = now;
        (row.events, row.usual_events) = self.cadence.observe(now, t);
        if let (true, Some(identity)) = (event.kind.is_auth(), event.identity_id()) {
            let identity = hash(Of::Identity, identity.as_bytes());
            let (failed, succeeded) = (event.failed(), event.succeeded());
            self.quick.see(IDENTITIES_MAX, 15 * MINUTE_MS, now.0, t.0, identity, failed, succeeded);
            self.slow.see(IDENTITIES_MAX, DAY_MS, now.0, t.0, identity, failed, succeeded);
            let crowd = |[all, few_tries, failing]: [u32; 3]| Crowd { all, few_tries, failing };
            row.identities_15m = crowd(
                self.quick.counts(now.0, 15 * MINUTE_MS, |e| [true, e.tries <= 2, e.failures > 0 && e.won_at <= now.0 - 15 * MINUTE_MS]),
            );
            row.identities_24h = crowd(
                self.slow.counts(now.0, DAY_MS, |e| [true, e.tries <= 4, e.failures > 0 && e.won_at < e.last.saturating_sub(HOUR_MS)]),
            );
        }
        self.checkout.observe(event, now, t, row);
    }

    pub fn heap_bytes(&self) -> usize {
        self.cadence.heap_bytes() + self.quick.heap_bytes() + self.slow.heap_bytes() + self.checkout.heap_bytes()
    }
}
