//! What the work keeps of an identity: flat and small for most, panes on the heap for the few that are busy.
//!
//! A count over panes is a function of when the counted events happened: an event counts while its pane is among the last sixty, and panes
//! are whole numbers of seconds. So up to [`RECENT`] events of the last hour are kept as their age in seconds, which answers all five windows
//! exactly; an identity with more has five rings of panes instead.

use super::event::{Event, Outcome, Type};
use super::verdict::Judged;
use portcullis_state::Value;

/// Panes that count.
const PANES: usize = 60;
/// Events of the last hour, or addresses or devices, of an identity that is not busy.
const RECENT: usize = 12;
const ADDRESSES: usize = 4;
const DEVICES: usize = 2;
/// The same of a busy one.
const ADDRESSES_MAX: usize = 16;
const DEVICES_MAX: usize = 8;
const COUNTRIES_MAX: usize = 8;

const HOUR_MS: i64 = 3_600_000;
const TAU_MS: f64 = 300_000.0;
/// Bit of a recent event that failed, beside its age.
const FAILED: u16 = 0x8000;

/// An address, and how many milliseconds before the profile's `last` it was seen.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
struct Seen {
    address: u32,
    before_ms: u32,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Place {
    latitude: f64,
    longitude: f64,
    time: i64,
}

/// See the [module](self).
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Profile {
    total: u64,
    /// Greatest time seen.
    last: i64,
    /// Events a second, fading.
    rate: f64,
    place: Option<Place>,
    countries: [u16; COUNTRIES_MAX],
    devices: [u64; DEVICES],
    addresses: [Seen; ADDRESSES],
    recent: [u16; RECENT],
    level: u8,
    countries_len: u8,
    devices_len: u8,
    addresses_len: u8,
    recent_len: u8,
    busy: Option<Box<Busy>>,
}

/// What takes the place of the short lists once one of them is full.
#[derive(Clone, PartialEq, Debug)]
struct Busy {
    devices: [u64; DEVICES_MAX],
    addresses: [Seen; ADDRESSES_MAX],
    windows: [Panes; 5],
}

/// Widths of the windows' panes in seconds: events of 1 min, 5 min, 1 h; failures of 10 min, 1 h.
const WIDTHS_S: [i64; 5] = [1, 5, 60, 10, 60];
const FAILURES_FROM: usize = 3;

/// A ring of the last sixty panes and their sum.
#[derive(Clone, PartialEq, Debug)]
struct Panes {
    sum: u32,
    /// Of pane number `n` at `n % 60`.
    counts: [u32; PANES],
}

impl Default for Panes {
    fn default() -> Panes {
        Panes { sum: 0, counts: [0; PANES] }
    }
}

impl Panes {
    /// Moves on to another pane.
    #[inline]
    fn advance(&mut self, from: i64, to: i64) {
        if to == from {
            return;
        }
        if to - from >= PANES as i64 {
            *self = Panes::default();
            return;
        }
        for pane in from + 1..=to {
            self.sum -= std::mem::take(&mut self.counts[pane as usize % PANES]);
        }
    }

    #[inline]
    fn add(&mut self, now: i64, pane: i64) {
        if now - pane < PANES as i64 {
            self.counts[pane as usize % PANES] += 1;
            self.sum += 1;
        }
    }
}

/// The pane of a second in each of the five windows.
#[inline]
fn panes_of(second: i64) -> [i64; 5] {
    // Constants, so that none of it is a division.
    [second / WIDTHS_S[0], second / WIDTHS_S[1], second / WIDTHS_S[2], second / WIDTHS_S[3], second / WIDTHS_S[4]]
}

/// The oldest age in seconds that still counts.
#[inline(always)]
fn oldest(width_s: i64, now_s: i64) -> u16 {
    (width_s * (PANES as i64 - 1) + now_s % width_s) as u16
}

impl Profile {
    /// Takes an event in and judges it.
    pub fn judge(&mut self, event: &Event<'_>) -> Judged {
        let known = self.total > 0;
        let t = event.time;
        let now = if known { t.max(self.last) } else { t };
        let moved_ms = if known { now - self.last } else { 0 };
        let (failed, succeeded) = (event.outcome == Outcome::Failure, event.outcome == Outcome::Success);

        let before = if known { self.rate * (-(moved_ms as f64) / TAU_MS).exp() } else { 0.0 };
        let dormant = known && t - self.last >= 1_800_000 && self.total >= 20;
        self.rate = before + 1000.0 / TAU_MS;
        self.total += 1;
        let last = std::mem::replace(&mut self.last, now);

        let [c1m, c5m, c1h, f10m, f1h] = self.count(if known { last } else { now }, t, failed);
        let addresses = self.see_address(moved_ms, now - t, event.address);
        let fast = succeeded && self.travel(event);
        let new_device = event.device.is_some_and(|device| self.see_device(device, succeeded));
        let new_country = event.country.is_some_and(|country| self.see_country(country, succeeded));
        let age = event.issued_at.map_or(0, |issued| t - issued);
        let guessed = f10m >= 5 && f10m * 5 >= c5m;

        let rules = [
            c1m >= 30 && f64::from(c1m) > 4.0 * 60.0 * before,
            c5m >= 60 && c5m * 2 > c1h,
            guessed,
            f1h >= 15 && f1h * 4 >= c1h,
            addresses >= 5,
            addresses >= 12,
            fast,
            new_device,
            new_country,
            age > 43_200_000,
            age > 604_800_000,
            dormant,
            succeeded && event.kind == Type::Login && guessed,
            event.kind == Type::Checkout && (new_device || new_country),
        ];
        let spoke = rules.iter().enumerate().fold(0, |bits, (bit, spoke)| bits | u16::from(*spoke) << bit);
        let judged = Judged::of(spoke, self.level);
        self.level = judged.level;
        judged
    }

    /// The five counts with this event; `last` is the greatest time before it.
    fn count(&mut self, last: i64, t: i64, failed: bool) -> [u32; 5] {
        let (last_s, now_s, at_s) = (last / 1000, self.last / 1000, t / 1000);
        if self.busy.is_none() {
            let moved_s = (now_s - last_s).min(i64::from(u16::MAX >> 1)) as u16;
            let kept_s = oldest(60, now_s);
            let mut kept = 0;
            for i in 0..usize::from(self.recent_len) {
                let recent = self.recent[i];
                let age = (recent & !FAILED).saturating_add(moved_s);
                if age <= kept_s {
                    self.recent[kept] = age | (recent & FAILED);
                    kept += 1;
                }
            }
            let age = now_s - at_s;
            if age > i64::from(kept_s) || kept < RECENT {
                if age <= i64::from(kept_s) {
                    self.recent[kept] = age as u16 | if failed { FAILED } else { 0 };
                    kept += 1;
                }
                self.recent_len = kept as u8;
                let limits = [
                    oldest(WIDTHS_S[0], now_s),
                    oldest(WIDTHS_S[1], now_s),
                    oldest(WIDTHS_S[2], now_s),
                    oldest(WIDTHS_S[3], now_s),
                    oldest(WIDTHS_S[4], now_s),
                ];
                let mut counts = [0; 5];
                for recent in &self.recent[..kept] {
                    let (age, failed) = (recent & !FAILED, recent & FAILED != 0);
                    for (window, count) in counts.iter_mut().enumerate() {
                        *count += u32::from(age <= limits[window] && (window < FAILURES_FROM || failed));
                    }
                }
                return counts;
            }
            self.recent_len = kept as u8;
            self.grow(now_s);
            return self.count_panes(now_s, now_s, at_s, failed);
        }
        self.count_panes(last_s, now_s, at_s, failed)
    }

    fn count_panes(&mut self, last_s: i64, now_s: i64, at_s: i64, failed: bool) -> [u32; 5] {
        let Some(busy) = &mut self.busy else { return [0; 5] };
        let (now, at) = (panes_of(now_s), panes_of(at_s));
        if last_s != now_s {
            let last = panes_of(last_s);
            for (i, window) in busy.windows.iter_mut().enumerate() {
                window.advance(last[i], now[i]);
            }
        }
        let counted = if failed { 5 } else { FAILURES_FROM };
        for (i, window) in busy.windows[..counted].iter_mut().enumerate() {
            window.add(now[i], at[i]);
        }
        [0, 1, 2, 3, 4].map(|i| busy.windows[i].sum)
    }

    /// From short lists, as of `now_s`, to long ones.
    #[cold]
    fn grow(&mut self, now_s: i64) {
        let mut busy = Box::new(Busy {
            devices: [0; DEVICES_MAX],
            addresses: [Seen::default(); ADDRESSES_MAX],
            windows: [const { Panes { sum: 0, counts: [0; PANES] } }; 5],
        });
        busy.devices[..DEVICES].copy_from_slice(&self.devices);
        busy.addresses[..ADDRESSES].copy_from_slice(&self.addresses);
        let now = panes_of(now_s);
        for recent in &self.recent[..usize::from(self.recent_len)] {
            let at = panes_of(now_s - i64::from(recent & !FAILED));
            for (i, window) in busy.windows.iter_mut().enumerate() {
                if i < FAILURES_FROM || recent & FAILED != 0 {
                    window.add(now[i], at[i]);
                }
            }
        }
        (self.devices, self.addresses, self.recent, self.recent_len) = Default::default();
        self.busy = Some(busy);
    }

    fn addresses(&mut self) -> &mut [Seen] {
        match &mut self.busy {
            Some(busy) => &mut busy.addresses,
            None => &mut self.addresses,
        }
    }

    /// Distinct addresses of the last hour, with this one. `moved_ms`: how far `last` has moved; `late_ms`: how far the event is behind it.
    fn see_address(&mut self, moved_ms: i64, late_ms: i64, address: Option<u32>) -> usize {
        let held = usize::from(self.addresses_len);
        let (mut kept, mut at) = (0, None);
        let list = self.addresses();
        for i in 0..held {
            let before_ms = i64::from(list[i].before_ms) + moved_ms;
            if before_ms >= HOUR_MS {
                continue;
            }
            list[kept] = Seen { before_ms: before_ms as u32, ..list[i] };
            if Some(list[kept].address) == address {
                at = Some(kept);
            }
            kept += 1;
        }
        if let Some(address) = address
            && late_ms < HOUR_MS
        {
            let seen = Seen { address, before_ms: late_ms as u32 };
            match at {
                Some(at) => list[at].before_ms = list[at].before_ms.min(seen.before_ms),
                None => {
                    if kept == ADDRESSES && self.busy.is_none() {
                        self.grow(self.last / 1000);
                    }
                    let list = self.addresses();
                    if kept == ADDRESSES_MAX {
                        // The first of those seen least recently.
                        let oldest = (0..kept).rev().max_by_key(|i| list[*i].before_ms).unwrap_or(0);
                        list.copy_within(oldest + 1..kept, oldest);
                        kept -= 1;
                    }
                    list[kept] = seen;
                    kept += 1;
                }
            }
        }
        self.addresses_len = kept as u8;
        kept
    }

    /// Whether the identity came here faster than an aeroplane. The place becomes this one.
    fn travel(&mut self, event: &Event<'_>) -> bool {
        let (Some(latitude), Some(longitude)) = (event.latitude, event.longitude) else { return false };
        let here = Place { latitude, longitude, time: event.time };
        let Some(there) = self.place else {
            self.place = Some(here);
            return false;
        };
        if here.time >= there.time {
            self.place = Some(here);
        }
        if (here.latitude, here.longitude) == (there.latitude, there.longitude) {
            return false;
        }
        let km = haversine_km(there, here);
        let hours = (here.time - there.time).abs().max(1_000) as f64 / HOUR_MS as f64;
        km > 100.0 && km / hours > 900.0
    }

    /// Whether the device is a new one of an identity that has others.
    fn see_device(&mut self, device: u64, succeeded: bool) -> bool {
        let held = usize::from(self.devices_len);
        let list = match &mut self.busy {
            Some(busy) => &mut busy.devices[..],
            None => &mut self.devices[..],
        };
        if list[..held].contains(&device) {
            return false;
        }
        if succeeded || held == 0 {
            if held == DEVICES && self.busy.is_none() {
                self.grow(self.last / 1000);
            }
            let list = match &mut self.busy {
                Some(busy) => &mut busy.devices[..],
                None => &mut self.devices[..],
            };
            self.devices_len = append(list, held, device) as u8;
        }
        held > 0
    }

    fn see_country(&mut self, country: u16, succeeded: bool) -> bool {
        let held = usize::from(self.countries_len);
        if self.countries[..held].contains(&country) {
            return false;
        }
        if succeeded || held == 0 {
            self.countries_len = append(&mut self.countries, held, country) as u8;
        }
        held > 0
    }
}

/// Appends to a list; of a full one the first goes. How many there are then.
fn append<T: Copy>(list: &mut [T], held: usize, value: T) -> usize {
    if held == list.len() {
        list.copy_within(1.., 0);
        list[held - 1] = value;
        return held;
    }
    list[held] = value;
    held + 1
}

fn haversine_km(a: Place, b: Place) -> f64 {
    let r = std::f64::consts::PI / 180.0;
    let x = ((b.latitude - a.latitude) * r / 2.0).sin();
    let y = ((b.longitude - a.longitude) * r / 2.0).sin();
    let h = x * x + (a.latitude * r).cos() * (b.latitude * r).cos() * y * y;
    2.0 * 6371.0 * h.sqrt().min(1.0).asin()
}

/// Bits of the first byte beside the level's two.
const HAS_PLACE: u8 = 4;
const IS_BUSY: u8 = 8;

impl Value for Profile {
    fn encode(&self, out: &mut Vec<u8>) {
        let flags = self.level | if self.place.is_some() { HAS_PLACE } else { 0 } | if self.busy.is_some() { IS_BUSY } else { 0 };
        out.push(flags);
        out.extend_from_slice(&self.last.to_le_bytes());
        out.extend_from_slice(&self.rate.to_le_bytes());
        if let Some(place) = &self.place {
            out.extend_from_slice(&place.latitude.to_le_bytes());
            out.extend_from_slice(&place.longitude.to_le_bytes());
            out.extend_from_slice(&place.time.to_le_bytes());
        }
        varint(self.total, out);
        out.extend_from_slice(&[self.addresses_len, self.devices_len, self.countries_len]);
        let (addresses, devices) = match &self.busy {
            Some(busy) => (&busy.addresses[..], &busy.devices[..]),
            None => (&self.addresses[..], &self.devices[..]),
        };
        for seen in &addresses[..usize::from(self.addresses_len)] {
            out.extend_from_slice(&seen.address.to_le_bytes());
            varint(u64::from(seen.before_ms), out);
        }
        for device in &devices[..usize::from(self.devices_len)] {
            out.extend_from_slice(&device.to_le_bytes());
        }
        for country in &self.countries[..usize::from(self.countries_len)] {
            out.extend_from_slice(&country.to_le_bytes());
        }
        let Some(busy) = &self.busy else {
            out.push(self.recent_len);
            for recent in &self.recent[..usize::from(self.recent_len)] {
                out.extend_from_slice(&recent.to_le_bytes());
            }
            return;
        };
        for window in &busy.windows {
            let mask = window.counts.iter().enumerate().fold(0u64, |mask, (i, count)| mask | u64::from(*count > 0) << i);
            out.extend_from_slice(&mask.to_le_bytes());
            for count in window.counts.iter().filter(|count| **count > 0) {
                varint(u64::from(*count), out);
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Profile, String> {
        decode(&mut Bytes(bytes)).ok_or_else(|| format!("a peer profile of {} bytes is cut short", bytes.len()))
    }

    fn weight_bytes(&self) -> usize {
        size_of::<Profile>() + self.busy.as_ref().map_or(0, |_| size_of::<Busy>() + 16)
    }
}

fn decode(bytes: &mut Bytes<'_>) -> Option<Profile> {
    let flags = bytes.u8()?;
    let mut profile = Profile {
        level: flags & 3,
        last: i64::from_le_bytes(bytes.take()?),
        rate: f64::from_le_bytes(bytes.take()?),
        ..Profile::default()
    };
    if flags & HAS_PLACE != 0 {
        let [latitude, longitude] = [f64::from_le_bytes(bytes.take()?), f64::from_le_bytes(bytes.take()?)];
        profile.place = Some(Place { latitude, longitude, time: i64::from_le_bytes(bytes.take()?) });
    }
    profile.total = bytes.varint()?;
    [profile.addresses_len, profile.devices_len, profile.countries_len] = bytes.take()?;
    if flags & IS_BUSY != 0 {
        profile.grow(0);
    }
    let held = usize::from(profile.addresses_len);
    for seen in profile.addresses().get_mut(..held)? {
        *seen = Seen { address: u32::from_le_bytes(bytes.take()?), before_ms: bytes.varint()? as u32 };
    }
    let devices = match &mut profile.busy {
        Some(busy) => &mut busy.devices[..],
        None => &mut profile.devices[..],
    };
    for device in devices.get_mut(..usize::from(profile.devices_len))? {
        *device = u64::from_le_bytes(bytes.take()?);
    }
    for country in profile.countries.get_mut(..usize::from(profile.countries_len))? {
        *country = u16::from_le_bytes(bytes.take()?);
    }
    match &mut profile.busy {
        None => {
            profile.recent_len = bytes.u8()?;
            for recent in profile.recent.get_mut(..usize::from(profile.recent_len))? {
                *recent = u16::from_le_bytes(bytes.take()?);
            }
        }
        Some(busy) => {
            for window in &mut busy.windows {
                let mut mask = u64::from_le_bytes(bytes.take()?);
                while mask != 0 {
                    let count = bytes.varint()? as u32;
                    *window.counts.get_mut(mask.trailing_zeros() as usize)? = count;
                    window.sum += count;
                    mask &= mask - 1;
                }
            }
        }
    }
    Some(profile)
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }
}
