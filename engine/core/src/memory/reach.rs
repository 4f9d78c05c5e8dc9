//! How wide an identity or a source reaches: distinct objects, refusals, bytes out, customers opened. Made on first use.

use crate::event::{Class, Event, EventType};
use crate::hash::{Of, hash};
use crate::row::Row;
use crate::time::{HOUR_MS, MINUTE_MS, Time};
use crate::usual::DailyMost;
use crate::variety::Variety;
use crate::window::{Series, Shape};
use serde::{Deserialize, Serialize};

const OBJECTS_MAX: usize = 48;
const OBJECTS_MS: i64 = 10 * MINUTE_MS;
const CUSTOMERS_MAX: usize = 64;
const CUSTOMERS_MS: i64 = HOUR_MS;
const REFUSED: Shape = Shape { exact_max: 16, spans_ms: &[5 * MINUTE_MS] };

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reach {
    objects: Variety,
    usual_objects: DailyMost,
    refused: Series,
    usual_refused: DailyMost,
    usual_bytes: DailyMost,
    customers: Variety,
    usual_customers: DailyMost,
}

/// The event says something about how wide its actor reaches.
pub fn concerns(event: &Event<'_>) -> bool {
    event.kind == EventType::ApiRequest
        && event.request.as_ref().is_some_and(|r| r.object.is_some() || r.target.is_some() || r.bytes.is_some() || is_refusal(r.status))
}

fn is_refusal(status: Option<u16>) -> bool {
    matches!(status, Some(401 | 403 | 404))
}

impl Reach {
    pub fn observe(&mut self, event: &Event<'_>, bytes_1h: u64, now: Time, t: Time, row: &mut Row) {
        let Some(request) = event.request.as_ref() else { return };
        let reach = &mut row.reach;
        if let Some(object) = request.object.as_deref() {
            self.objects.see(OBJECTS_MAX, OBJECTS_MS, now, t, hash(Of::Object, object.as_bytes()));
            reach.objects_10m = self.objects.count(now, OBJECTS_MS);
            reach.usual_objects_10m = self.usual_objects.observe(now, reach.objects_10m.into()) as u32;
        }
        if is_refusal(request.status) {
            self.refused.add(&REFUSED, now.0, t.0, 1);
            reach.refused_5m = self.refused.count(&REFUSED, now.0, 0);
            reach.usual_refused_5m = self.usual_refused.observe(now, reach.refused_5m.into()) as u32;
        }
        if request.bytes.is_some() {
            reach.bytes_1h = bytes_1h;
            reach.usual_bytes_1h = self.usual_bytes.observe(now, bytes_1h);
            reach.usual_days = self.usual_bytes.days();
        }
        if row.class == Class::Support
            && let Some(customer) = request.target.as_deref().or(event.identity.as_ref().and_then(|i| i.on_behalf_of.as_deref()))
        {
            self.customers.see(CUSTOMERS_MAX, CUSTOMERS_MS, now, t, hash(Of::Identity, customer.as_bytes()));
            reach.customers_1h = self.customers.count(now, CUSTOMERS_MS);
            reach.usual_customers_1h = self.usual_customers.observe(now, reach.customers_1h.into()) as u32;
        }
    }

    pub fn heap_bytes(&self) -> usize {
        size_of::<Reach>() + self.objects.heap_bytes() + self.refused.heap_bytes() + self.customers.heap_bytes()
    }

    pub fn entries(&self) -> usize {
        self.objects.len() + self.customers.len()
    }

    pub const ENTRIES_MAX: usize = OBJECTS_MAX + CUSTOMERS_MAX;
}
