//! Checkouts of an identity, a source, a device or a card: attempts, declines, refunds, amounts, distinct cards and identities.

use crate::distinct::Distinct;
use crate::event::{CheckoutResult, Event, EventType};
use crate::hash::{Of, hash};
use crate::row::Row;
use crate::subject::Kind;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use crate::usual::DailyMost;
use crate::variety::Variety;
use crate::window::{Series, Shape};
use serde::{Deserialize, Serialize};

const ATTEMPTS: Shape = Shape { exact_max: 24, spans_ms: &[10 * MINUTE_MS, HOUR_MS, DAY_MS] };
const DECLINES: Shape = Shape { exact_max: 16, spans_ms: &[10 * MINUTE_MS] };
const REFUNDS: Shape = Shape { exact_max: 8, spans_ms: &[DAY_MS] };
const CARDS_MAX: usize = 16;
/// Amounts that the usual one is taken from, and the fewest that say anything.
const AMOUNTS_MAX: usize = 16;
const AMOUNTS_MIN: usize = 6;
const ORDERS_MAX: usize = 16;
const IDENTITIES_MAX: usize = 32;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct CheckoutMemory {
    pub now: Time,
    /// Valued by amount.
    attempts: Series,
    declines: Series,
    cards: Distinct,
    usual_hour: DailyMost,
    usual_day: DailyMost,
    usual_day_sum: DailyMost,
    /// The latest accepted amounts, as eighths of an octave: robust statistics need no more.
    amounts: Vec<u8>,
    refunds: Option<Box<Refunds>>,
    shared: Option<Box<Shared>>,
}

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
struct Refunds {
    series: Series,
    usual: DailyMost,
    usual_sum: DailyMost,
}

/// Who uses a device or a card.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
struct Shared {
    identities: Variety,
    usual: DailyMost,
    signups: Variety,
    usual_signups: DailyMost,
}

impl CheckoutMemory {
    /// Learns from a checkout and fills the row; of other events only sign-ups say something of a device.
    pub fn observe(&mut self, kind: Kind, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
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
            if kind != Kind::Source {
                self.velocity(now, row);
            }
            if let (Some(amount), true) = (checkout.amount.filter(|a| *a > 0), matches!(kind, Kind::Identity | Kind::Card)) {
                self.amount(amount, declined, row);
            }
        }
        if event.kind == EventType::CheckoutRefund {
            self.refund(event, now, t, row);
        }
        if let (Kind::Device | Kind::Card, Some(identity)) = (kind, event.identity_id()) {
            self.shared(event, hash(Of::Identity, identity.as_bytes()), now, t, row);
        }
    }

    fn velocity(&mut self, now: Time, row: &mut Row) {
        let shop = &mut row.shop;
        shop.count_1h = self.attempts.count(&ATTEMPTS, now.0, 1);
        let day = self.attempts.tally(&ATTEMPTS, now.0, 2);
        (shop.count_24h, shop.sum_24h) = (day.count, day.sum);
        shop.usual_count_1h = self.usual_hour.observe(now, shop.count_1h.into()) as u32;
        shop.usual_count_24h = self.usual_day.observe(now, shop.count_24h.into()) as u32;
        shop.usual_sum_24h = self.usual_day_sum.observe(now, shop.sum_24h.max(0) as u64) as i64;
        shop.days = self.usual_day.days();
    }

    /// Robust z of the log amount: distance to the median in units of 1.4826 times the median absolute deviation (Hampel 1974).
    fn amount(&mut self, amount: i64, declined: bool, row: &mut Row) {
        let here = octave_eighths(amount);
        if self.amounts.len() >= AMOUNTS_MIN {
            let middle = median(self.amounts.clone());
            // At least a quarter of an octave: who always pays the same may once pay a little more.
            let spread = median(self.amounts.iter().map(|a| a.abs_diff(middle)).collect()).max(2);
            row.shop.amount_z_tenths = Some((i32::from(here) - i32::from(middle)) * 10_000 / (i32::from(spread) * 1_483));
        }
        if !declined {
            if self.amounts.len() >= AMOUNTS_MAX {
                self.amounts.remove(0);
            }
            self.amounts.push(here);
        }
    }

    fn refund(&mut self, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        let amount = event.checkout.as_ref().and_then(|c| c.amount).unwrap_or(0);
        let refunds = self.refunds.get_or_insert_default();
        refunds.series.add(&REFUNDS, now.0, t.0, amount);
        let day = refunds.series.tally(&REFUNDS, now.0, 0);
        (row.shop.refunds_24h, row.shop.refunds_sum_24h) = (day.count, day.sum);
        row.shop.usual_refunds_24h = refunds.usual.observe(now, day.count.into()) as u32;
        row.shop.usual_refunds_sum_24h = refunds.usual_sum.observe(now, day.sum.max(0) as u64) as i64;
    }

    fn shared(&mut self, event: &Event<'_>, identity: u64, now: Time, t: Time, row: &mut Row) {
        let shared = self.shared.get_or_insert_default();
        if event.kind == EventType::AccountCreate {
            shared.signups.see(IDENTITIES_MAX, HOUR_MS, now, t, identity);
            row.shop.signups_1h = shared.signups.count(now, HOUR_MS);
            row.shop.usual_signups_1h = shared.usual_signups.observe(now, row.shop.signups_1h.into()) as u32;
        } else {
            shared.identities.see(IDENTITIES_MAX, DAY_MS, now, t, identity);
            row.shop.identities_24h = shared.identities.count(now, DAY_MS);
            row.shop.usual_identities_24h = shared.usual.observe(now, row.shop.identities_24h.into()) as u32;
        }
    }

    pub fn heap_bytes(&self) -> usize {
        self.attempts.heap_bytes()
            + self.declines.heap_bytes()
            + self.cards.heap_bytes()
            + self.amounts.capacity()
            + self.refunds.as_ref().map_or(0, |r| size_of::<Refunds>() + r.series.heap_bytes())
            + self.shared.as_ref().map_or(0, |s| size_of::<Shared>() + s.identities.heap_bytes() + s.signups.heap_bytes())
    }

    /// Entries of all lists, for the test of their caps.
    pub fn entries(&self) -> usize {
        self.amounts.len() + self.shared.as_ref().map_or(0, |s| s.identities.len() + s.signups.len())
    }

    pub const ENTRIES_MAX: usize = AMOUNTS_MAX + 2 * IDENTITIES_MAX;
}

/// Orders that were approved, so that a refund can be matched: 32 bits of each, the latest ones.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Orders {
    latest: Vec<u32>,
    /// More than the list holds were bought: a refund that matches none of it says nothing.
    overflowed: bool,
}

impl Orders {
    pub fn bought(&mut self, order: &str) {
        let order = hash(Of::Order, order.as_bytes()) as u32;
        if self.latest.contains(&order) {
            return;
        }
        if self.latest.len() >= ORDERS_MAX {
            self.latest.remove(0);
            self.overflowed = true;
        }
        self.latest.push(order);
    }

    /// Whether it was bought here; `None` where that cannot be told.
    pub fn has(&self, order: &str) -> Option<bool> {
        let known = self.latest.contains(&(hash(Of::Order, order.as_bytes()) as u32));
        if known || !self.overflowed { Some(known) } else { None }
    }

    pub fn heap_bytes(&self) -> usize {
        self.latest.capacity() * 4
    }
}

/// `8 * log2(amount)`, rounded down, in integers.
fn octave_eighths(amount: i64) -> u8 {
    let octave = amount.max(1).ilog2();
    // The first eight places after the leading bit, as a straight line between octaves: off by less than an eighth.
    let fraction = ((amount as u64) << (63 - octave)) >> 60 & 7;
    (octave * 8) as u8 + fraction as u8
}

fn median(mut list: Vec<u8>) -> u8 {
    list.sort_unstable();
    list[list.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Checkout, Class};

    #[test]
    fn octaves_are_counted_in_eighths() {
        assert_eq!([1, 2, 3, 4, 6, 1_024].map(octave_eighths), [0, 8, 12, 16, 20, 80]);
    }

    #[test]
    fn an_amount_is_judged_by_the_owners_own() {
        let (mut memory, mut last) = (CheckoutMemory::default(), None);
        for (i, amount) in [2_000, 2_500, 3_000, 2_200, 2_700, 2_400, 2_600, 80_000].into_iter().enumerate() {
            let mut event = Event::new(EventType::CheckoutAttempt, Time(i as i64 * DAY_MS));
            event.checkout = Some(Box::new(Checkout { amount: Some(amount), ..Checkout::default() }));
            let mut row = Row::new(Kind::Identity, Class::Customer, event.time);
            memory.observe(Kind::Identity, &event, event.time, event.time, &mut row);
            last = row.shop.amount_z_tenths;
            assert!(i >= 7 || last.is_none_or(|z| z.abs() < 30), "{i}: {last:?}");
        }
        assert!(last > Some(80), "{last:?}");
    }

    #[test]
    fn a_refund_is_matched_while_the_orders_are_remembered() {
        let mut orders = Orders::default();
        orders.bought("o-1");
        assert_eq!((orders.has("o-1"), orders.has("o-2")), (Some(true), Some(false)));
        (0..40).for_each(|i| orders.bought(&format!("p-{i}")));
        assert_eq!((orders.has("p-39"), orders.has("o-1")), (Some(true), None));
    }
}
