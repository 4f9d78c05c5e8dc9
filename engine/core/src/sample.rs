//! The tenant's sample: how common a value is among the identities of one partition, and how many of them are active.
//!
//! What many do at once is a tide, and stands beside it: how many fail to log in and with which error (an outage, or a wave of guessing),
//! which programs are seen failing at identity after identity, which integrations move together.
//!
//! Keys are hashed, so a partition is a fair sample of its tenant. Identities are counted, each once for a value, so that one busy
//! service account does not become the norm.

use crate::event::AuthFailure;
use crate::row::{Crowd, Novelty, Vendor};
use crate::seen::Seen;
use crate::time::{HOUR_MS, MINUTE_MS, Time};
use crate::variety::Variety;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values counted at once; the rarest go first.
const VALUES_MAX: usize = 8_192;

/// Identities needed before frequencies mean anything.
const IDENTITIES_MIN: u32 = 50;

/// Share assumed of a value while too few identities are known.
const SHARE_BUILT_IN_PPM: u32 = 20_000;

/// Programs, and integrations, that tides are counted of at once.
const TIDES_MAX: usize = 512;
const PANE_MS: i64 = 10 * MINUTE_MS;
const UNKNOWN_MAX: usize = 256;

/// As many identities must fail in one way, and this share of those that try from where they always are, to call it an outage.
const OUTAGE_MIN: u32 = 20;
const OUTAGE_SHARE_PERCENT: u32 = 50;

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
    /// In panes of 10 min: identities that tried to log in from a familiar place, and those that failed, by failure.
    trying: Tide,
    failing: Vec<(AuthFailure, Tide)>,
    /// In panes of 1 h: identities that were tried by a program from an unfamiliar place, and those that failed.
    programs: BTreeMap<u64, [Tide; 2]>,
    /// In panes of 1 h: identities of an integration that were active, and those whose place or scope changed.
    vendors: BTreeMap<u64, [Tide; 2]>,
    /// Where integrations have been used from: the day it was first seen.
    vendor_places: BTreeMap<u64, i32>,
    /// Names that nobody has, in the last hour.
    unknown: Variety,
}

/// How many identities did something in the present pane and the one before it.
#[derive(Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize)]
struct Tide {
    pane: i64,
    counts: [u32; 2],
}

impl Tide {
    fn add(&mut self, pane: i64) {
        match pane - self.pane {
            0 => {}
            1 => (self.counts, self.pane) = ([0, self.counts[0]], pane),
            _ if pane > self.pane => (self.counts, self.pane) = ([0, 0], pane),
            _ => return, // late
        }
        self.counts[0] = self.counts[0].saturating_add(1);
    }

    fn count(&self, pane: i64) -> u32 {
        match pane - self.pane {
            0 => self.counts[0].saturating_add(self.counts[1]),
            1 => self.counts[0],
            _ => 0,
        }
    }
}

/// The panes in which an identity was last counted: each counts once.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Counted {
    tried: i32,
    failed: i32,
    program: i32,
    program_failed: i32,
    vendor: i32,
    vendor_shifted: i32,
}

/// True once for each pane.
fn first_in(counted: &mut i32, pane: i64) -> bool {
    std::mem::replace(counted, pane as i32) != pane as i32
}

fn hour(now: Time) -> i64 {
    now.0.div_euclid(HOUR_MS)
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

    /// An identity tried to log in from where it always is.
    pub fn tried(&mut self, counted: &mut Counted, failure: Option<AuthFailure>, now: Time) {
        let pane = now.0.div_euclid(PANE_MS);
        if first_in(&mut counted.tried, pane) {
            self.trying.add(pane);
        }
        if let Some(failure) = failure
            && first_in(&mut counted.failed, pane)
        {
            match self.failing.iter_mut().find(|(f, _)| *f == failure) {
                Some((_, tide)) => tide.add(pane),
                None => {
                    let mut tide = Tide::default();
                    tide.add(pane);
                    self.failing.push((failure, tide)); // at most one for each failure there is
                }
            }
        }
    }

    /// Most of those who try from where they always are fail in this way. Who guesses from elsewhere cannot make it look so.
    pub fn is_outage(&self, failure: AuthFailure, now: Time) -> bool {
        let pane = now.0.div_euclid(PANE_MS);
        let failing = self.failing.iter().find(|(f, _)| *f == failure).map_or(0, |(_, tide)| tide.count(pane));
        failing >= OUTAGE_MIN && failing * 100 >= self.trying.count(pane) * OUTAGE_SHARE_PERCENT
    }

    /// A program tried an identity from an unfamiliar place. Returns how many it tried in the hour, and how many of them failed.
    pub fn program_tried(&mut self, counted: &mut Counted, program: u64, failed: bool, now: Time) -> Crowd {
        let pane = hour(now);
        let (first, first_failed) = (first_in(&mut counted.program, pane), failed && first_in(&mut counted.program_failed, pane));
        let [all, failing] = tide_counts(&mut self.programs, program, pane, first, first_failed);
        Crowd { all, few_tries: all, failing }
    }

    /// An identity of an integration was active; `shifted`: from a new place or for something new.
    pub fn vendor_active(&mut self, counted: &mut Counted, client: u64, shifted: bool, now: Time) -> Vendor {
        let pane = hour(now);
        let (first, first_shifted) = (first_in(&mut counted.vendor, pane), shifted && first_in(&mut counted.vendor_shifted, pane));
        let [active, moved] = tide_counts(&mut self.vendors, client, pane, first, first_shifted);
        Vendor { active, shifted: moved, shifts: shifted }
    }

    /// An integration was used from a network; true if it was known there before yesterday, as a standby site is.
    pub fn vendor_at_home(&mut self, place: u64, now: Time) -> bool {
        match self.vendor_places.get(&place) {
            Some(first) => now.day() - first >= 2,
            None if self.vendor_places.len() < VALUES_MAX => {
                self.vendor_places.insert(place, now.day());
                false
            }
            None => false,
        }
    }

    /// Somebody tried a name that nobody has.
    pub fn unknown_tried(&mut self, identity: u64, now: Time) {
        self.unknown.see(UNKNOWN_MAX, HOUR_MS, now, now, identity);
    }

    /// Names that nobody has, tried within the hour.
    pub fn unknown_1h(&self, now: Time) -> u32 {
        self.unknown.count(now, HOUR_MS)
    }

    /// How many identities have the value.
    pub fn having(&self, value: u64) -> u32 {
        self.values.get(&value).copied().unwrap_or(0)
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

/// Counts an identity into the tides of a value and returns them. A value beyond the bound is not counted while others are recent.
fn tide_counts(tides: &mut BTreeMap<u64, [Tide; 2]>, value: u64, pane: i64, first: bool, second: bool) -> [u32; 2] {
    if !tides.contains_key(&value) {
        if tides.len() >= TIDES_MAX {
            tides.retain(|_, [all, _]| all.count(pane) > 0);
        }
        if tides.len() >= TIDES_MAX {
            return [0; 2];
        }
        tides.insert(value, [Tide::default(); 2]);
    }
    let Some([all, some]) = tides.get_mut(&value) else { return [0; 2] };
    if first {
        all.add(pane);
    }
    if second {
        some.add(pane);
    }
    [all.count(pane), some.count(pane)]
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

    #[test]
    fn an_outage_is_when_owners_fail_where_they_always_are() {
        let now = Time(1_772_409_600_000);
        let outage = |owners: u32, failing: u32| {
            let mut sample = TenantSample::default();
            for i in 0..owners {
                let mut counted = Counted::default();
                for _ in 0..5 {
                    sample.tried(&mut counted, (i < failing).then_some(AuthFailure::Other), now);
                }
            }
            (sample.is_outage(AuthFailure::Other, now.plus(10 * MINUTE_MS)), sample.is_outage(AuthFailure::Other, now.plus(HOUR_MS)))
        };
        assert_eq!(outage(40, 30), (true, false), "each counts once, and it ends");
        assert_eq!(outage(100, 30), (false, false));
        assert_eq!(outage(10, 10), (false, false), "too few to tell");
    }

    #[test]
    fn tides_are_bounded_and_count_identities() {
        let (mut sample, now) = (TenantSample::default(), Time(1_772_409_600_000));
        for value in 0..10_000 {
            sample.vendor_active(&mut Counted::default(), value, true, now);
        }
        assert_eq!(sample.vendors.len(), TIDES_MAX);
        let mut counted = Counted::default();
        sample.vendor_active(&mut counted, 1, true, now);
        assert_eq!(sample.vendor_active(&mut counted, 1, true, now), Vendor { active: 2, shifted: 2, shifts: true });
    }
}
