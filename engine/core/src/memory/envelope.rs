//! A declared envelope: from where, for what, when and how fast somebody is expected to be active. The inventory declares one of an identity
//! (`expected`), an exception of the policy another (`within`).

use crate::event::{Event, Expected, Network};
use crate::hash::{Of, hash};
use crate::policy::network::Cidr;
use crate::row::{Bound, Envelope as Checked};
use crate::time::{HOUR_MS, Time};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

/// Declared values of one kind that are kept.
pub(crate) const DECLARED_MAX: usize = 32;

/// Hours in a week.
const WEEK_HOURS: i64 = 168;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// Bits of `Network as usize`.
    network_kinds: u8,
    blocks: Vec<Cidr>,
    asns: Vec<u32>,
    countries: Vec<u64>,
    workloads: Vec<u64>,
    routes: Vec<u64>,
    hours: Option<Hours>,
    rate_max_per_minute: Option<u32>,
}

impl Envelope {
    /// `None`: nothing is declared that bounds anything.
    pub fn from_inventory(expected: &Expected<'_>) -> Option<Envelope> {
        let hashes = |of: Of, list: &[crate::text::Text<'_>]| list.iter().take(DECLARED_MAX).map(|v| hash(of, v.as_bytes())).collect();
        let networks = expected.networks.iter().take(DECLARED_MAX);
        let envelope = Envelope {
            network_kinds: networks.clone().filter_map(|n| Network::from_name(n)).fold(0, |bits, n| bits | 1 << n as u8),
            blocks: networks.filter_map(|n| Cidr::parse(n)).collect(),
            asns: expected.asns.iter().take(DECLARED_MAX).copied().collect(),
            countries: hashes(Of::Country, &expected.countries),
            workloads: hashes(Of::Workload, &expected.workloads),
            routes: hashes(Of::Route, &expected.routes),
            hours: expected.hours.as_deref().and_then(Hours::parse),
            rate_max_per_minute: expected.max_rate_per_minute,
        };
        (envelope != Envelope::default()).then_some(envelope)
    }

    pub fn names_workloads(&self) -> bool {
        !self.workloads.is_empty()
    }

    pub fn has_workload(&self, workload: u64) -> bool {
        self.workloads.contains(&workload)
    }

    pub fn has_asn(&self, asn: u32) -> bool {
        self.asns.contains(&asn)
    }

    /// Bits of the bounds that are declared.
    pub fn bounds(&self) -> u8 {
        let declared = |bound: Bound, is: bool| if is { bound.bit() } else { 0 };
        declared(Bound::Network, self.network_kinds != 0 || !self.blocks.is_empty())
            | declared(Bound::Asn, !self.asns.is_empty())
            | declared(Bound::Country, !self.countries.is_empty())
            | declared(Bound::Workload, !self.workloads.is_empty())
            | declared(Bound::Route, !self.routes.is_empty())
            | declared(Bound::Hours, self.hours.is_some())
            | declared(Bound::Rate, self.rate_max_per_minute.is_some())
    }

    /// Which bounds the event keeps and which it leaves. A bound that the event says nothing about is neither.
    pub fn check(&mut self, event: &Event<'_>, now: Time, rate: u32) -> Checked {
        let hours = self.hours.as_mut().map(|h| h.contains(now));
        self.check_with(event, hours, Some(rate))
    }

    /// The same of an envelope that is shared, and keeps no week between events; the rate where one is known.
    pub fn check_anew(&self, event: &Event<'_>, now: Time, rate: Option<u32>) -> Checked {
        self.check_with(event, self.hours.as_ref().map(|h| h.contains_anew(now)), rate)
    }

    fn check_with(&self, event: &Event<'_>, hours: Option<bool>, rate: Option<u32>) -> Checked {
        let mut checked = Checked::default();
        let mut bound = |bound: Bound, keeps: Option<bool>| match keeps {
            Some(true) => checked.kept |= bound.bit(),
            Some(false) => checked.left |= bound.bit(),
            None => {}
        };
        let source = event.source.as_ref();
        let hashed =
            |of: Of, value: Option<&str>, list: &[u64]| value.filter(|_| !list.is_empty()).map(|v| list.contains(&hash(of, v.as_bytes())));
        if self.network_kinds != 0 || !self.blocks.is_empty() {
            let by_kind = event.network().filter(|_| self.network_kinds != 0).map(|n| self.network_kinds & 1 << n as u8 != 0);
            let address = event.ip().and_then(|ip| ip.parse().ok()).filter(|_| !self.blocks.is_empty());
            let by_block = address.map(|a| self.blocks.iter().any(|b| b.contains(a)));
            bound(Bound::Network, by_kind.into_iter().chain(by_block).reduce(|a, b| a || b));
        }
        if !self.asns.is_empty() {
            bound(Bound::Asn, source.and_then(|s| s.asn).map(|asn| self.asns.contains(&asn)));
        }
        bound(Bound::Country, hashed(Of::Country, source.and_then(|s| s.country.as_deref()), &self.countries));
        bound(Bound::Workload, hashed(Of::Workload, source.and_then(|s| s.workload.as_deref()), &self.workloads));
        bound(Bound::Route, hashed(Of::Route, event.request.as_ref().and_then(|r| r.route.as_deref()), &self.routes));
        bound(Bound::Hours, hours);
        bound(Bound::Rate, self.rate_max_per_minute.and_then(|most| Some(rate? <= most)));
        checked
    }

    pub fn heap_bytes(&self) -> usize {
        size_of::<Envelope>()
            + self.blocks.capacity() * size_of::<Cidr>()
            + self.asns.capacity() * 4
            + (self.countries.capacity() + self.workloads.capacity() + self.routes.capacity()) * 8
    }
}

/// Whether a text declares hours.
pub(crate) fn are_hours(text: &str) -> bool {
    !text.trim().is_empty() && Hours::parse(text).is_some()
}

/// Declared hours, and which hours of the present week in UTC they are: daylight saving shifts them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Hours {
    /// Bits of the days, Monday first.
    days: u8,
    /// Minutes of the day, local time; `to` before `from` runs over midnight.
    from: u16,
    to: u16,
    /// Bits of single hours, where a list was declared.
    list: u32,
    /// IANA; empty: UTC.
    zone: String,
    week: i64,
    bits: [u64; 3],
}

impl Hours {
    /// `Mon-Fri 01:00-04:00 Europe/Zurich`, every part but the hours optional, or a list of hours in UTC: `1, 2, 3`.
    fn parse(text: &str) -> Option<Hours> {
        let mut hours = Hours { days: 0x7f, from: 0, to: 24 * 60, list: 0, zone: String::new(), week: i64::MIN, bits: [0; 3] };
        if text.split(',').all(|h| h.trim().parse::<u8>().is_ok_and(|h| h < 24)) {
            hours.list = text.split(',').filter_map(|h| h.trim().parse::<u32>().ok()).fold(0, |bits, h| bits | 1 << h);
            return Some(hours);
        }
        for part in text.split_whitespace() {
            if let Some(days) = days(part) {
                hours.days = days;
            } else if let Some((from, to)) = part.split_once('-').and_then(|(a, b)| Some((minute_of_day(a)?, minute_of_day(b)?))) {
                (hours.from, hours.to) = (from, to);
            } else if part != "UTC" {
                TimeZoneDatabase::bundled().get(part).ok()?;
                hours.zone = part.to_owned();
            }
        }
        Some(hours)
    }

    /// Whole hours: one that is begun counts.
    fn contains(&mut self, now: Time) -> bool {
        let week = (now.0.div_euclid(HOUR_MS) + 72).div_euclid(WEEK_HOURS);
        if week != self.week {
            self.week = week;
            self.bits = self.bits_of(week);
        }
        let hour = usize::from(now.hour_of_week());
        self.bits[hour / 64] & 1 << (hour % 64) != 0
    }

    /// The same without the bits of the week.
    fn contains_anew(&self, now: Time) -> bool {
        self.has_hour(&self.time_zone(), Time(now.0.div_euclid(HOUR_MS) * HOUR_MS))
    }

    fn bits_of(&self, week: i64) -> [u64; 3] {
        let zone = self.time_zone();
        let mut bits = [0u64; 3];
        for hour in 0..WEEK_HOURS {
            if self.has_hour(&zone, Time((week * WEEK_HOURS - 72 + hour) * HOUR_MS)) {
                bits[hour as usize / 64] |= 1 << (hour % 64);
            }
        }
        bits
    }

    fn time_zone(&self) -> TimeZone {
        TimeZoneDatabase::bundled().get(&self.zone).unwrap_or(TimeZone::UTC)
    }

    /// The hour that begins at this time is among the declared ones.
    fn has_hour(&self, zone: &TimeZone, begins: Time) -> bool {
        let offset = Timestamp::from_millisecond(begins.0).map_or(0, |t| zone.to_offset(t).seconds());
        let local = begins.plus(i64::from(offset) * 1_000);
        self.declares(local.hour_of_week(), (local.0.div_euclid(60_000)).rem_euclid(60) as u16)
    }

    /// The local hour that begins at this minute of this hour of the week meets the declared hours.
    fn declares(&self, hour_of_week: u8, minute: u16) -> bool {
        let (day, hour) = (hour_of_week / 24, u16::from(hour_of_week % 24));
        if self.list != 0 {
            return self.list & 1 << hour != 0;
        }
        let (begins, ends) = (hour * 60 + minute, hour * 60 + minute + 60);
        let has = |day: u8| self.days & 1 << (day % 7) != 0;
        if self.from < self.to {
            return has(day) && begins < self.to && ends > self.from;
        }
        // Over midnight: the evening of a declared day and the morning after it.
        (has(day) && ends > self.from) || (has(day + 6) && begins < self.to)
    }
}

/// `Mon-Fri` or `Sat`, as bits.
fn days(text: &str) -> Option<u8> {
    let index = |name: &str| ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().position(|d| *d == name);
    let (first, last) = match text.split_once('-') {
        Some((a, b)) => (index(a)?, index(b)?),
        None => (index(text)?, index(text)?),
    };
    Some((0..7).filter(|d| (d + 7 - first) % 7 <= (last + 7 - first) % 7).fold(0, |bits, d| bits | 1 << d))
}

/// `04:30` as minutes; `24:00` is the end of the day.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_follow_their_zone_through_daylight_saving() {
        let mut hours = Hours::parse("Mon-Fri 01:00-04:00 Europe/Zurich").unwrap();
        let mut at = |text: &str| hours.contains(Time::parse(text).unwrap());
        // Friday in winter: UTC+1. Monday after the last Sunday of March: UTC+2.
        assert_eq!(["2026-03-27T00:30:00Z", "2026-03-27T02:59:00Z", "2026-03-27T03:10:00Z"].map(&mut at), [true, true, false]);
        assert_eq!(["2026-03-29T23:30:00Z", "2026-03-30T01:30:00Z", "2026-03-30T02:30:00Z"].map(&mut at), [true, true, false]);
        assert!(!at("2026-03-28T01:30:00Z"), "a Saturday");
    }

    #[test]
    fn hours_read_in_each_form() {
        let mut list = Hours::parse("1, 2,23").unwrap();
        assert!(list.contains(Time::parse("2026-03-28T23:30:00Z").unwrap()));
        let mut night = Hours::parse("Fri 22:00-02:00").unwrap();
        assert!(night.contains(Time::parse("2026-03-28T01:30:00Z").unwrap()), "the morning after");
        assert!(!night.contains(Time::parse("2026-03-27T01:30:00Z").unwrap()));
        assert_eq!(days("Sat-Mon"), Some(0b110_0001));
        assert_eq!(Hours::parse("whenever"), None);
        assert!(are_hours("3") && !are_hours("24") && !are_hours(" "));
    }

    #[test]
    fn hours_are_the_same_with_and_without_the_week() {
        for text in ["Mon-Fri 01:00-04:00 Europe/Zurich", "22:00-02:30 Asia/Kolkata", "0, 7,23", "Sun"] {
            let (mut kept, anew) = (Hours::parse(text).unwrap(), Hours::parse(text).unwrap());
            let begins = Time::parse("2026-03-20T00:20:00Z").unwrap();
            for hour in 0..21 * 24 {
                let now = begins.plus(hour * HOUR_MS);
                assert_eq!(kept.contains(now), anew.contains_anew(now), "{text} at {now}");
            }
        }
    }
}
