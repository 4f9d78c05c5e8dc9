//! A source network: who was tried from it, and how that went.

use super::cadence::Cadence;
use super::checkout::CheckoutMemory;
use super::identity::could_be_guess;
use super::reach::{self, Reach};
use crate::distinct::Distinct;
use crate::event::{AuthFailure, Event, EventType};
use crate::hash::{Of, hash};
use crate::row::{Crowd, Row};
use crate::sample::TenantSample;
use crate::subject::Kind;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use crate::usual::DailyMost;
use crate::variety::Variety;
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
    reach: Option<Box<Reach>>,
    crowds: Option<Box<Crowds>>,
}

/// Names that nobody has, and accounts that are new: made on first use.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
struct Crowds {
    unknown: Variety,
    usual_unknown: DailyMost,
    signups: Variety,
    usual_signups: DailyMost,
}

const CROWDS_MAX: usize = 32;
const UNKNOWN_MS: i64 = 15 * MINUTE_MS;

impl SourceMemory {
    pub fn observe(&mut self, sample: &mut TenantSample, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        if self.events == 0 {
            self.first = t;
        }
        self.events = self.events.saturating_add(1);
        let bytes = event.request.as_ref().and_then(|r| r.bytes).unwrap_or(0);
        self.cadence.observe(self.now, self.first, now, t, bytes.min(i64::MAX as u64) as i64, row);
        self.now = now;
        row.outage = event.failure().is_some_and(|failure| sample.is_outage(failure, now));
        if reach::concerns(event) {
            self.reach.get_or_insert_default().observe(event, self.cadence.bytes_1h(now), now, t, row);
        }
        if event.kind == EventType::AccountCreate || event.failure() == Some(AuthFailure::UnknownIdentity) {
            self.observe_crowds(sample, event, now, t, row);
        }
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
            // A program that has lost its password hammers on, and guesses at nothing.
            let is_machine = event.identity.as_ref().and_then(|i| i.class).is_some_and(|class| class.is_machine());
            if could_be_guess(event) && !is_machine && self.slow.count(now.0, DAY_MS, |e| e.won_at > now.0.saturating_sub(DAY_MS)) == 0 {
                row.source_known_ms = now.since(self.first);
                row.fruitless_15m = self.quick.failures(now.0, 15 * MINUTE_MS);
            }
        }
        if event.kind.is_checkout() {
            self.checkout.observe(Kind::Source, event, now, t, row);
        }
    }

    fn observe_crowds(&mut self, sample: &mut TenantSample, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        let Some(identity) = event.identity_id().map(|id| hash(Of::Identity, id.as_bytes())) else { return };
        let crowds = self.crowds.get_or_insert_default();
        if event.kind == EventType::AccountCreate {
            crowds.signups.see(CROWDS_MAX, HOUR_MS, now, t, identity);
            row.shop.signups_1h = crowds.signups.count(now, HOUR_MS);
            row.shop.usual_signups_1h = crowds.usual_signups.observe(now, row.shop.signups_1h.into()) as u32;
        } else {
            sample.unknown_tried(identity, now);
            crowds.unknown.see(CROWDS_MAX, UNKNOWN_MS, now, t, identity);
            row.unknown_15m = crowds.unknown.count(now, UNKNOWN_MS);
            row.usual_unknown_15m = crowds.usual_unknown.observe(now, row.unknown_15m.into()) as u32;
        }
    }

    /// Entries of the lists of new and unknown names, for the test of their caps.
    pub fn entries(&self) -> usize {
        self.crowds.as_ref().map_or(0, |c| c.unknown.len() + c.signups.len()) + self.reach.as_ref().map_or(0, |r| r.entries())
    }

    pub const ENTRIES_MAX: usize = 2 * CROWDS_MAX + Reach::ENTRIES_MAX;

    pub fn heap_bytes(&self) -> usize {
        self.reach.as_ref().map_or(0, |r| r.heap_bytes())
            + self.crowds.as_ref().map_or(0, |c| size_of::<Crowds>() + c.unknown.heap_bytes() + c.signups.heap_bytes())
            + self.cadence.heap_bytes()
            + self.quick.heap_bytes()
            + self.slow.heap_bytes()
            + self.checkout.heap_bytes()
    }
}
