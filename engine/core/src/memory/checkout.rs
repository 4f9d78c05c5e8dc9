//! Checkouts of an identity, a source, a device or a card: attempts, declines, distinct cards and identities.

use crate::distinct::Distinct;
use crate::event::{CheckoutResult, Event, EventType};
use crate::hash::{Of, hash};
use crate::row::Row;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use crate::window::{Series, Shape};
use serde::{Deserialize, Serialize};

const ATTEMPTS: Shape = Shape { exact_max: 24, spans_ms: &[10 * MINUTE_MS, HOUR_MS, DAY_MS] };
const DECLINES: Shape = Shape { exact_max: 16, spans_ms: &[10 * MINUTE_MS] };
const CARDS_MAX: usize = 16;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct CheckoutMemory {
    pub now: Time,
    /// Valued by amount.
    attempts: Series,
    declines: Series,
    cards: Distinct,
}

impl CheckoutMemory {
    /// Learns from a checkout and fills the row; of other events only the windows are read.
    pub fn observe(&mut self, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        self.now = now;
        if let (EventType::CheckoutAttempt, Some(checkout)) = (event.kind, event.checkout.as_deref()) {
            let declined = checkout.result == Some(CheckoutResult::Declined) || (checkout.result.is_none() && event.failed());
            self.attempts.add(&ATTEMPTS, now.0, t.0, checkout.amount.unwrap_or(0));
            if declined {
                self.declines.add(&DECLINES, now.0, t.0, 1);
            }
            if let Some(card) = &checkout.card {
                self.cards.see(CARDS_MAX, 10 * MINUTE_MS, now.0, t.0, hash(Of::Card, card.as_bytes()), declined, !declined);
            }
            let attempts = self.attempts.tally(&ATTEMPTS, now.0, 0);
            row.checkouts_10m = attempts.count;
            row.mean_amount_10m = attempts.sum / i64::from(attempts.count.max(1));
            row.declines_10m = self.declines.count(&DECLINES, now.0, 0);
            row.cards_10m = self.cards.count(now.0, 10 * MINUTE_MS, |_| true);
        }
    }

    pub fn heap_bytes(&self) -> usize {
        self.attempts.heap_bytes() + self.declines.heap_bytes() + self.cards.heap_bytes()
    }
}
