//! Cadence: how many events, and how many are usual at this hour.

use crate::time::{HOUR_MS, MINUTE_MS, Time};
use crate::window::{Series, Shape};
use serde::{Deserialize, Serialize};

/// Windows of the cadence features.
pub const EVENTS: Shape = Shape { exact_max: 48, spans_ms: &[MINUTE_MS, 5 * MINUTE_MS, HOUR_MS] };

/// Finished hours before a rhythm is believed.
const HOURS_KNOWN_MIN: u32 = 12;

/// Hours of a day, workdays and weekends apart.
const HOURS_MAX: usize = 48;

/// Event counts and what they usually are.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cadence {
    events: Series,
    /// The hour being counted, hours since 1970.
    hour: i64,
    /// Events in it, and its busiest minute and five minutes.
    current: [u32; 3],
    /// Finished hours with at least one event.
    hours: u32,
    /// By hour of the day (24.. = weekend), ascending: exponentially weighted mean count, sixteenths.
    usual: Vec<(u8, u32)>,
    /// Maxima of the busiest minute, five minutes, hour, fading by a 256th with each active hour; 256ths.
    busiest: [u32; 3],
}

/// Which of the 48 hours a time belongs to, in UTC.
fn hour_kind(hour: i64) -> u8 {
    let of_week = Time(hour * HOUR_MS).hour_of_week();
    of_week % 24 + if of_week >= 120 { 24 } else { 0 }
}

impl Cadence {
    /// Counts an event at `t`. Returns the counts of 1 min, 5 min, 1 h with it, and what was usual before it.
    pub fn observe(&mut self, now: Time, t: Time) -> ([u32; 3], Option<[u32; 3]>) {
        let hour = now.0.div_euclid(HOUR_MS);
        if hour != self.hour {
            self.finish_hour();
            self.hour = hour;
        }
        self.events.add(&EVENTS, now.0, t.0, 1);
        let counts = [0, 1, 2].map(|i| self.events.count(&EVENTS, now.0, i));
        self.current[0] = self.current[0].max(counts[0]);
        self.current[1] = self.current[1].max(counts[1]);
        self.current[2] = self.current[2].saturating_add(1);
        (counts, self.usual(hour))
    }

    fn finish_hour(&mut self) {
        if self.current[2] == 0 {
            return;
        }
        let count = self.current[2].saturating_mul(16); // sixteenths
        let kind = hour_kind(self.hour);
        match self.usual.binary_search_by_key(&kind, |(k, _)| *k) {
            Ok(at) => {
                let mean = &mut self.usual[at].1;
                *mean = (u64::from(*mean) * 3 / 4 + u64::from(count) / 4) as u32;
            }
            Err(at) if self.usual.len() < HOURS_MAX => self.usual.insert(at, (kind, count)),
            Err(_) => {}
        }
        for (busiest, now) in self.busiest.iter_mut().zip(self.current) {
            *busiest = (*busiest - *busiest / 256).max(now.saturating_mul(256));
        }
        self.hours = self.hours.saturating_add(1);
        self.current = [0; 3];
    }

    /// The greatest of: this hour's mean, the busiest windows of the past. `None` while too little is known.
    fn usual(&self, hour: i64) -> Option<[u32; 3]> {
        if self.hours < HOURS_KNOWN_MIN {
            return None;
        }
        let kind = hour_kind(hour);
        let mean = self.usual.binary_search_by_key(&kind, |(k, _)| *k).map_or(0, |at| self.usual[at].1);
        let [minute, five, hour] = self.busiest;
        Some([minute.div_ceil(256), five.div_ceil(256), mean.div_ceil(16).max(hour.div_ceil(256))])
    }

    pub fn blocks(&self, each: &mut dyn FnMut(*const u8, usize)) {
        self.events.blocks(each);
        each(self.usual.as_ptr().cast(), size_of_val(&*self.usual));
    }

    pub fn heap_bytes(&self) -> usize {
        self.events.heap_bytes() + self.usual.capacity() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_learned_by_the_hour() {
        let mut cadence = Cadence::default();
        let start = Time::parse("2026-03-02T00:00:00Z").unwrap();
        let mut usual = None;
        for hour in 0..14 * 24 {
            // Ten events within a minute at 02:00 on every day, one at every other hour.
            for i in 0..if hour % 24 == 2 { 10 } else { 1 } {
                usual = cadence.observe(start.plus(hour * HOUR_MS + i), start.plus(hour * HOUR_MS + i)).1;
            }
            assert_eq!(usual.is_none(), hour < i64::from(HOURS_KNOWN_MIN));
        }
        let [minute, five, hour] = usual.unwrap();
        assert!((7..=10).contains(&minute) && five == minute && hour == minute, "{usual:?}");
    }
}
