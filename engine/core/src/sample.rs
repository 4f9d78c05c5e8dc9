//! The tenant's sample: how common a value is among the identities of one partition, and how many of them are active.
//!
//! Keys are hashed, so a partition is a fair sample of its tenant. Identities are counted, each once for a value, so that one busy
//! service account does not become the norm.

use crate::row::Novelty;
use crate::seen::Seen;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values counted at once; the rarest go first.
const VALUES_MAX: usize = 8_192;

/// Identities needed before frequencies mean anything.
const IDENTITIES_MIN: u32 = 50;

/// Share assumed of a value while too few identities are known.
const SHARE_BUILT_IN_PPM: u32 = 20_000;

/// What abuse is thought to spread over at most: one in fifty identities' values.
const SHARE_UNDER_ABUSE_MIN_PPM: u32 = 20_000;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct TenantSample {
    /// Identities ever seen.
    pub identities: u32,
    /// How many of them have the value.
    values: BTreeMap<u64, u32>,
    /// UTC day being counted, and identities active in it and in the day before.
    day: i32,
    active: [u32; 2],
}

impl TenantSample {
    pub fn identity_appeared(&mut self) {
        self.identities = self.identities.saturating_add(1);
    }

    /// An identity was active at `now`; `before` is its previous subject time.
    pub fn identity_active(&mut self, first: bool, before: Time, now: Time) {
        let day = now.day();
        if day > self.day {
            let before = if day == self.day + 1 { self.active[0] } else { 0 };
            (self.active, self.day) = ([0, before], day);
        }
        if day == self.day && (first || before.day() < day) {
            self.active[0] = self.active[0].saturating_add(1);
        }
    }

    /// Identities active in the busier of the current and the previous day.
    pub fn active(&self) -> u32 {
        self.active[0].max(self.active[1])
    }

    /// An identity learned a value that it did not have.
    pub fn learned(&mut self, value: u64) {
        if let Some(count) = self.values.get_mut(&value) {
            *count = count.saturating_add(1);
            return;
        }
        if self.values.len() >= VALUES_MAX {
            // Half of the values at least are rarer than the median; one pass drops them all.
            let mut counts: Vec<u32> = self.values.values().copied().collect();
            counts.sort_unstable();
            let median = counts[counts.len() / 2];
            self.values.retain(|_, count| *count > median);
        }
        self.values.insert(value, 1);
    }

    /// Share of the tenant's identities that have the value, smoothed (add one half), millionths.
    pub fn share_ppm(&self, value: u64) -> u32 {
        if self.identities < IDENTITIES_MIN {
            return SHARE_BUILT_IN_PPM;
        }
        let count = u64::from(self.values.get(&value).copied().unwrap_or(0));
        (((count * 2 + 1) * 500_000) / (u64::from(self.identities) + 1)).clamp(1, 1_000_000) as u32
    }

    /// How much likelier a value that the identity never had is under abuse than under its owner:
    /// `P(value | abuse) / (P(something new | this owner) * P(value | everybody))`.
    pub fn novelty(&self, own: &Seen, events: u32, value: u64) -> Novelty {
        let share_ppm = self.share_ppm(value);
        let under_abuse = f64::from(share_ppm.max(SHARE_UNDER_ABUSE_MIN_PPM));
        Novelty { likelihood_cb: likelihood_cb(under_abuse / (own_rate(own, events) * f64::from(share_ppm))), share_ppm }
    }

    /// The same for values that no two identities share, such as device ids.
    pub fn novelty_of_own(&self, own: &Seen, events: u32) -> Novelty {
        Novelty { likelihood_cb: likelihood_cb(1.0 / own_rate(own, events)), share_ppm: 0 }
    }
}

/// How often something new comes from this owner: `(values + 1/2) / (events + 1)`.
fn own_rate(own: &Seen, events: u32) -> f64 {
    ((f64::from(own.ever) + 0.5) / (f64::from(events) + 1.0)).min(1.0)
}

fn likelihood_cb(ratio: f64) -> i32 {
    (libm::log10(ratio.max(1.0)) * 100.0) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_values_weigh_more_and_restless_owners_less() {
        let mut sample = TenantSample::default();
        let mut own = Seen::default();
        own.learn(8, 1, Time(0));
        assert_eq!(sample.share_ppm(7), SHARE_BUILT_IN_PPM);
        for _ in 0..1_000 {
            sample.identity_appeared();
            sample.learned(7);
        }
        let (common, rare) = (sample.novelty(&own, 100, 7), sample.novelty(&own, 100, 8));
        assert!(rare.likelihood_cb > common.likelihood_cb && rare.share_ppm < common.share_ppm, "{rare:?} {common:?}");
        for value in 2..40 {
            own.learn(8, value, Time(0));
        }
        assert!(sample.novelty(&own, 100, 8).likelihood_cb < rare.likelihood_cb);
    }

    #[test]
    fn identities_are_active_once_a_day() {
        let day = |d: i64| Time(d * crate::time::DAY_MS + 5);
        let mut sample = TenantSample::default();
        sample.identity_active(true, Time(0), day(10));
        sample.identity_active(false, day(10), day(10).plus(1));
        sample.identity_active(true, Time(0), day(10));
        assert_eq!(sample.active(), 2);
        sample.identity_active(false, day(10), day(11));
        assert_eq!(sample.active(), 2);
        sample.identity_active(false, day(11), day(13));
        assert_eq!(sample.active(), 1);
    }
}
