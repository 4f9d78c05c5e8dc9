//! Cadence: how many events, how many are usual at this hour, and how regularly they come.

use crate::row::{self, Row};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use crate::window::{Series, Shape};
use serde::{Deserialize, Serialize};

/// Windows of the cadence features.
pub const EVENTS: Shape = Shape { exact_max: 48, spans_ms: &[MINUTE_MS, 5 * MINUTE_MS, HOUR_MS] };

/// Finished hours before a rhythm is believed.
const HOURS_KNOWN_MIN: u32 = 12;

/// Hours of a day, workdays and weekends apart.
const HOURS_MAX: usize = 48;

/// Finished hours, and days since the first event, before an hour without history says anything.
const HOURS_HABIT_MIN: u32 = 8;
const DAYS_HABIT_MIN: i64 = 7;

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
    rhythm: Rhythm,
}

/// A pause that ends a run of events.
const PAUSE_MS: i64 = 30 * MINUTE_MS;
/// Mean deviation of the pauses, thousandths of their mean, up to which they are a program's. People's are near 1,000.
const REGULAR_PERMILLE: u32 = 200;

/// How regular the pauses between events are, within runs without a long pause.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
struct Rhythm {
    /// Exponentially weighted over about eight events.
    mean_ms: u32,
    deviation_ms: u32,
    /// Events of the present run, and when it began.
    run: u32,
    run_since: Time,
    /// Events ever that came regularly, and that did not; both halved together, so that they stay small.
    regular: u16,
    irregular: u16,
}

impl Rhythm {
    fn observe(&mut self, gap_ms: i64, t: Time, row: &mut row::Rhythm) {
        if gap_ms > PAUSE_MS || self.run == 0 {
            (self.run, self.run_since, self.mean_ms, self.deviation_ms) = (1, t, 0, 0);
            return;
        }
        if gap_ms < 0 {
            return; // late: it says nothing of the rhythm
        }
        let gap = gap_ms as u32;
        if self.run == 1 {
            (self.mean_ms, self.deviation_ms) = (gap, gap / 2);
        }
        self.run = self.run.saturating_add(1);
        let off = gap.abs_diff(self.mean_ms);
        self.deviation_ms = self.deviation_ms - self.deviation_ms / 8 + off / 8;
        self.mean_ms = self.mean_ms - self.mean_ms / 8 + gap / 8;
        let permille = (u64::from(self.deviation_ms) * 1_000 / u64::from(self.mean_ms.max(1))).min(2_000) as u32;
        *row = row::Rhythm {
            run: self.run,
            run_ms: t.since(self.run_since),
            mean_ms: self.mean_ms,
            irregular_permille: permille,
            was_regular: u32::from(self.regular) >= 300 && self.regular / 8 >= self.irregular,
        };
        if self.run >= 16 {
            let count = if permille <= REGULAR_PERMILLE { &mut self.regular } else { &mut self.irregular };
            *count += 1;
            if *count >= 4_096 {
                (self.regular, self.irregular) = (self.regular / 2, self.irregular / 2);
            }
        }
    }
}

/// Which of the 48 hours a time belongs to, in UTC.
fn hour_kind(hour: i64) -> u8 {
    let of_week = Time(hour * HOUR_MS).hour_of_week();
    of_week % 24 + if of_week >= 120 { 24 } else { 0 }
}

impl Cadence {
    /// Counts an event at `t`, valued by the bytes it let out. Fills the counts of 1 min, 5 min, 1 h with it, what was usual before it, and
    /// how regular it is. `before` is the latest event's time, `first` the first one's; both mean nothing for the first event.
    pub fn observe(&mut self, before: Time, first: Time, now: Time, t: Time, bytes: i64, row: &mut Row) {
        let hour = now.0.div_euclid(HOUR_MS);
        if hour != self.hour {
            self.finish_hour();
            self.hour = hour;
        }
        self.events.add(&EVENTS, now.0, t.0, bytes);
        let counts = [0, 1, 2].map(|i| self.events.count(&EVENTS, now.0, i));
        self.current[0] = self.current[0].max(counts[0]);
        self.current[1] = self.current[1].max(counts[1]);
        self.current[2] = self.current[2].saturating_add(1);
        (row.events, row.usual_events) = (counts, self.usual(hour));
        if self.hours >= HOURS_HABIT_MIN && now.since(first) >= DAYS_HABIT_MIN * DAY_MS {
            row.strange_hour_cb = if self.is_strange(hour) { self.strangeness_cb() } else { 0 };
        }
        self.rhythm.observe(t.since(before), t, &mut row.rhythm);
    }

    /// Share of the usual activity that falls into this hour of the day, workdays and weekends apart, millionths; `None` while little is known.
    pub fn hour_share_ppm(&self, now: Time) -> Option<u32> {
        let kind = hour_kind(now.0.div_euclid(HOUR_MS));
        let of =
            |wanted: Option<u8>| self.usual.iter().filter(|(k, _)| wanted.is_none_or(|w| w == *k)).map(|(_, n)| u64::from(*n)).sum::<u64>();
        let all = of(None);
        (self.hours >= HOURS_KNOWN_MIN && all > 0).then(|| (of(Some(kind)) * 1_000_000 / all) as u32)
    }

    /// Bytes let out in the last hour.
    pub fn bytes_1h(&self, now: Time) -> u64 {
        self.events.tally(&EVENTS, now.0, 2).sum.max(0) as u64
    }

    /// Neither this hour of the day nor the ones beside it have any history, on workdays or weekends as the day is one.
    fn is_strange(&self, hour: i64) -> bool {
        let kind = hour_kind(hour);
        let (days, of_day) = (kind / 24 * 24, kind % 24);
        let beside = [(of_day + 23) % 24, of_day, (of_day + 1) % 24];
        beside.iter().all(|h| self.usual.binary_search_by_key(&(days + h), |(k, _)| *k).is_err())
    }

    /// How much likelier an hour without history is of a stranger, who keeps no hours, than of an owner who has brought so many new ones in
    /// so many active hours: `1 / ((kinds + 1/2) / (hours + 1))`, centibans.
    fn strangeness_cb(&self) -> i32 {
        let rate = (self.usual.len() as f64 + 0.5) / (f64::from(self.hours) + 1.0);
        (libm::log10((1.0 / rate).max(1.0)) * 100.0) as i32
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
    use crate::event::Class;
    use crate::subject::Kind;

    #[test]
    fn what_is_usual_is_learned_by_the_hour() {
        let mut cadence = Cadence::default();
        let start = Time::parse("2026-03-02T00:00:00Z").unwrap();
        let mut usual = None;
        for hour in 0..14 * 24 {
            // Ten events within a minute at 02:00 on every day, one at every other hour.
            for i in 0..if hour % 24 == 2 { 10 } else { 1 } {
                let t = start.plus(hour * HOUR_MS + i);
                let mut row = Row::new(Kind::Identity, Class::Service, t);
                cadence.observe(t.plus(-1), start, t, t, 0, &mut row);
                usual = row.usual_events;
            }
            assert_eq!(usual.is_none(), hour < i64::from(HOURS_KNOWN_MIN));
        }
        let [minute, five, hour] = usual.unwrap();
        assert!((7..=10).contains(&minute) && five == minute && hour == minute, "{usual:?}");
    }

    /// The irregularity after as many events as there are pauses.
    fn irregular(gaps_ms: impl Iterator<Item = i64>) -> row::Rhythm {
        let (mut cadence, mut row, mut t) = (Cadence::default(), Row::new(Kind::Identity, Class::Customer, Time(0)), Time(1_000));
        for gap in gaps_ms {
            cadence.observe(t, Time(0), t.plus(gap), t.plus(gap), 0, &mut row);
            t = t.plus(gap);
        }
        row.rhythm
    }

    #[test]
    fn a_program_is_regular_and_a_person_is_not() {
        let program = irregular((0..200).map(|i| 2_000 + i % 5 * 20));
        assert!(program.irregular_permille < 50 && program.run == 200, "{program:?}");
        let person = irregular((0..200).map(|i| [400, 9_000, 1_500, 40_000, 700, 3_000][i as usize % 6]));
        assert!(person.irregular_permille > 500, "{person:?}");
        assert!(irregular((0..400).map(|_| 2_000).chain((0..30).map(|i| [400, 9_000, 1_500, 40_000][i % 4]))).was_regular);
    }

    #[test]
    fn an_hour_is_strange_when_nothing_was_ever_near_it() {
        let (mut cadence, start) = (Cadence::default(), Time::parse("2026-03-02T00:00:00Z").unwrap());
        let mut strange = |day: i64, hour: i64| {
            let t = start.plus(day * DAY_MS + hour * HOUR_MS);
            let mut row = Row::new(Kind::Identity, Class::Workforce, t);
            cadence.observe(t, start, t, t, 0, &mut row);
            row.strange_hour_cb > 0
        };
        for day in (0..28).filter(|d| d % 7 < 5) {
            for hour in 8..17 {
                assert!(!strange(day, hour));
            }
        }
        assert_eq!([strange(28, 3), strange(28, 7), strange(28, 12), strange(33, 12)], [true, false, false, true]);
    }
}
