//! Counts and sums over sliding windows `(now - span, now]` in subject time.
//!
//! Exact while the series holds at most `exact_max` entries of the longest span; what is pushed out goes into panes of a sixtieth of
//! each span. A count may then be too high by what lies in one pane, and is never too low. A late event goes where it belongs.

use serde::{Deserialize, Serialize};

/// Panes in a span.
const PANES: i64 = 60;

/// What windows a series is asked for. A constant beside each use.
#[derive(Debug)]
pub struct Shape {
    /// Entries kept one by one.
    pub exact_max: usize,
    /// Lengths of the windows, milliseconds, ascending.
    pub spans_ms: &'static [i64],
}

impl Shape {
    const fn longest_ms(&self) -> i64 {
        self.spans_ms[self.spans_ms.len() - 1]
    }
}

/// Times at which something happened, each with a number (an amount; 1 or 0 where only counts are asked for).
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Series {
    /// Ascending by time.
    #[serde(with = "deltas")]
    recent: Vec<(i64, i64)>,
    /// Ascending by span, then pane.
    panes: Vec<Pane>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Pane {
    span: u8,
    /// `floor(time / width)`.
    index: i64,
    count: u32,
    sum: i64,
}

/// How often, and how much in sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    pub count: u32,
    pub sum: i64,
}

impl Series {
    /// Something happened at `t`; `now` is subject time with this event in it, so `t <= now`.
    pub fn add(&mut self, shape: &Shape, now: i64, t: i64, value: i64) {
        let oldest = now.saturating_sub(shape.longest_ms());
        if self.recent.first().is_some_and(|(first, _)| *first <= oldest) {
            let keep_from = self.recent.partition_point(|(t, _)| *t <= oldest);
            self.recent.drain(..keep_from);
        }
        if t <= oldest {
            return;
        }
        let at = self.recent.partition_point(|(other, _)| *other <= t);
        if self.recent.len() == self.recent.capacity() {
            // By half, from two on: most series stay short, and there are millions of them.
            self.recent.reserve_exact(2 + self.recent.len() / 2);
        }
        self.recent.insert(at, (t, value));
        if self.recent.len() > shape.exact_max {
            let (t, value) = self.recent.remove(0);
            self.spill(shape, now, t, value);
        }
    }

    fn spill(&mut self, shape: &Shape, now: i64, t: i64, value: i64) {
        let mut swept = false;
        for (span_index, span) in shape.spans_ms.iter().enumerate() {
            if t <= now - span {
                continue;
            }
            let (span, index) = (span_index as u8, t.div_euclid(span / PANES));
            let mut found = self.panes.binary_search_by_key(&(span, index), |p| (p.span, p.index));
            if found.is_err() && !swept {
                // Before the list grows, what no window reaches any more goes.
                self.panes.retain(|pane| {
                    let span = shape.spans_ms[pane.span as usize];
                    (pane.index + 1) * (span / PANES) > now - span
                });
                swept = true;
                found = self.panes.binary_search_by_key(&(span, index), |p| (p.span, p.index));
            }
            match found {
                Ok(at) => {
                    self.panes[at].count = self.panes[at].count.saturating_add(1);
                    self.panes[at].sum = self.panes[at].sum.saturating_add(value);
                }
                Err(at) => self.panes.insert(at, Pane { span, index, count: 1, sum: value }),
            }
        }
    }

    /// What lies in `(now - span, now]`. `span_index` points into the shape's spans.
    pub fn tally(&self, shape: &Shape, now: i64, span_index: usize) -> Tally {
        let span = shape.spans_ms[span_index];
        let from = now.saturating_sub(span);
        let width = span / PANES;
        let mut tally = Tally::default();
        for (_, value) in self.recent[self.recent.partition_point(|(t, _)| *t <= from)..].iter().take_while(|(t, _)| *t <= now) {
            tally.count += 1;
            tally.sum = tally.sum.saturating_add(*value);
        }
        for pane in self.panes_after(span_index, width, from) {
            tally.count = tally.count.saturating_add(pane.count);
            tally.sum = tally.sum.saturating_add(pane.sum);
        }
        tally
    }

    /// What lies in `(from, to]`, for windows that end before now: labels that arrive late, the same hour of yesterday.
    ///
    /// `from` may be as old as the longest span; what is older has been forgotten. Exact while the entries are kept one by one; beyond it
    /// the panes of the longest span count at either end, so it is too high by what lies in two of them at most, and never too low.
    pub fn between(&self, shape: &Shape, from: i64, to: i64) -> Tally {
        let mut tally = Tally::default();
        if from >= to {
            return tally;
        }
        let first = self.recent.partition_point(|(t, _)| *t <= from);
        let after = self.recent.partition_point(|(t, _)| *t <= to);
        for (_, value) in &self.recent[first..after] {
            tally.count += 1;
            tally.sum = tally.sum.saturating_add(*value);
        }
        let longest = shape.spans_ms.len() - 1;
        let width = shape.longest_ms() / PANES;
        for pane in self.panes.iter().filter(|p| p.span as usize == longest && p.index * width <= to && (p.index + 1) * width > from) {
            tally.count = tally.count.saturating_add(pane.count);
            tally.sum = tally.sum.saturating_add(pane.sum);
        }
        tally
    }

    pub fn count(&self, shape: &Shape, now: i64, span_index: usize) -> u32 {
        let span = shape.spans_ms[span_index];
        let from = now.saturating_sub(span);
        let exact = self.recent.partition_point(|(t, _)| *t <= now) - self.recent.partition_point(|(t, _)| *t <= from);
        self.panes_after(span_index, span / PANES, from).fold(exact as u32, |sum, pane| sum.saturating_add(pane.count))
    }

    /// The panes of a span that reach beyond `from`.
    fn panes_after(&self, span_index: usize, width: i64, from: i64) -> impl Iterator<Item = &Pane> {
        let span = span_index as u8;
        let first = self.panes.partition_point(|p| (p.span, (p.index + 1) * width) <= (span, from));
        self.panes[first..].iter().take_while(move |p| p.span == span)
    }

    pub fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.panes.is_empty()
    }

    /// The blocks of memory beyond the struct itself.
    pub fn blocks(&self, each: &mut dyn FnMut(*const u8, usize)) {
        each(self.recent.as_ptr().cast(), size_of_val(&*self.recent));
        each(self.panes.as_ptr().cast(), size_of_val(&*self.panes));
    }

    /// Memory beyond the struct itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        self.recent.capacity() * size_of::<(i64, i64)>() + self.panes.capacity() * size_of::<Pane>()
    }
}

/// Ascending times as differences: two or three bytes each instead of six.
pub(crate) mod deltas {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(list: &[(i64, i64)], s: S) -> Result<S::Ok, S::Error> {
        let mut before = 0;
        s.collect_seq(list.iter().map(|(t, value)| {
            let delta = t.wrapping_sub(before);
            before = *t;
            (delta, *value)
        }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<(i64, i64)>, D::Error> {
        let mut list = Vec::<(i64, i64)>::deserialize(d)?;
        let mut before = 0i64;
        for (t, _) in &mut list {
            *t = t.wrapping_add(before);
            before = *t;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};
    use proptest::prelude::*;

    const SHAPE: Shape = Shape { exact_max: 8, spans_ms: &[MINUTE_MS, HOUR_MS, DAY_MS] };

    #[test]
    fn windows_are_open_at_the_old_end() {
        let mut series = Series::default();
        series.add(&SHAPE, 0, 0, 5);
        assert_eq!(series.tally(&SHAPE, MINUTE_MS - 1, 0), Tally { count: 1, sum: 5 });
        assert_eq!(series.count(&SHAPE, MINUTE_MS, 0), 0);
        assert_eq!(series.count(&SHAPE, MINUTE_MS, 1), 1);
    }

    proptest! {
        /// Against a list that forgets nothing: exact while few, else too high by at most one pane's worth, and never too low.
        #[test]
        fn agrees_with_a_list_that_forgets_nothing(steps in prop::collection::vec((0i64..400_000, 0i64..2 * HOUR_MS, 0i64..1_000), 1..300)) {
            let (mut series, mut all, mut now) = (Series::default(), Vec::new(), 0);
            for (advance, late, value) in steps {
                now += advance;
                let t = if late % 5 == 0 { now - late } else { now };
                series.add(&SHAPE, now, t, value);
                all.push((t, value));
                let bytes = postcard::to_stdvec(&series).unwrap();
                prop_assert_eq!(&postcard::from_bytes::<Series>(&bytes).unwrap(), &series);
                for (i, span) in SHAPE.spans_ms.iter().enumerate() {
                    let inside = |from: i64| all.iter().filter(|(t, _)| *t > from && *t <= now).fold(Tally::default(), |a, (_, v)| Tally { count: a.count + 1, sum: a.sum + v });
                    let (got, exact, most) = (series.tally(&SHAPE, now, i), inside(now - span), inside(now - span - span / PANES));
                    prop_assert_eq!(series.count(&SHAPE, now, i), got.count);
                    if inside(now - DAY_MS).count as usize <= SHAPE.exact_max {
                        prop_assert_eq!(got, exact);
                    }
                    prop_assert!(got.count >= exact.count && got.count <= most.count, "{:?} {:?} {:?}", exact, got, most);
                    prop_assert!(got.sum >= exact.sum && got.sum <= most.sum);
                }
                // A window that ends an hour before now, and at any length.
                let (to, pane) = (now - HOUR_MS, DAY_MS / PANES);
                for span in [MINUTE_MS, HOUR_MS, DAY_MS - HOUR_MS] {
                    let inside = |from: i64, to: i64| all.iter().filter(|(t, _)| *t > from && *t <= to).fold(Tally::default(), |a, (_, v)| Tally { count: a.count + 1, sum: a.sum + v });
                    let (got, exact, most) = (series.between(&SHAPE, to - span, to), inside(to - span, to), inside(to - span - pane, to + pane));
                    if inside(now - DAY_MS, now).count as usize <= SHAPE.exact_max {
                        prop_assert_eq!(got, exact);
                    }
                    prop_assert!(got.count >= exact.count && got.count <= most.count, "{:?} {:?} {:?}", exact, got, most);
                    prop_assert!(got.sum >= exact.sum && got.sum <= most.sum);
                }
            }
            prop_assert!(series.panes.len() <= SHAPE.spans_ms.len() * (PANES as usize + 1));
        }
    }
}
