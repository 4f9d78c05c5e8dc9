//! The traffic of the peer comparison, event for event what its Java generator makes of the same seed: 70 % API calls, 25 % log-ins, 5 %
//! checkouts of identities of which few are busy (Zipf), 0.6 % of them guesses at a password in runs of 150, 0.6 % from a strange place.
//!
//! Each event is one JSON object in our native format, 445 bytes on average.

use std::io::Write;

/// First millisecond of the traffic; an event every two.
pub const BASE_MS: i64 = 1_760_000_000_000;
/// Identities that are attacked are among the so many most active.
const KNOWN: i32 = 50_000;
/// Guesses of one attack; the last of every third succeeds.
const ATTACK_EVENTS: i32 = 150;

const CODE: [&str; 12] = ["DE", "FR", "GB", "US", "CA", "BR", "JP", "IN", "AU", "ZA", "PL", "ES"];
const LAT: [f64; 12] = [52.5, 48.9, 51.5, 40.7, 43.7, -23.6, 35.7, 19.1, -33.9, -26.2, 52.2, 40.4];
const LON: [f64; 12] = [13.4, 2.3, -0.1, -74.0, -79.4, -46.6, 139.7, 72.9, 151.2, 28.0, 21.0, -3.7];
const AGENT: [&str; 8] = [
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Mozilla/5.0 (Macintosh)",
    "Mozilla/5.0 (Windows NT 10.0)",
    "Mozilla/5.0 (iPhone; iOS 18)",
    "okhttp/4.12.0",
    "python-requests/2.32",
    "curl/8.9.1",
    "Mozilla/5.0 (Android 15)",
];
const ROUTE: [&str; 6] = ["/v1/accounts/{id}", "/v1/orders", "/v1/orders/{id}", "/v1/items", "/v1/items/{id}", "/v1/profile"];
const METHOD: [&str; 3] = ["GET", "POST", "PUT"];

/// Who acts and how much of it is hostile.
#[derive(Clone, Copy, Debug)]
pub struct Population {
    pub identities: i32,
    /// Exponent of Zipf's law; 0: all equally active.
    pub skew: f64,
    /// Share of the events that are guesses at a password.
    pub attacked: f64,
    /// Share of the events that come from a strange place and device.
    pub strange: f64,
}

impl Population {
    /// The comparison's default: a million identities, some hundred of them half of the traffic.
    pub const DEFAULT: Population = Population { identities: 1_000_000, skew: 1.05, attacked: 0.006, strange: 0.006 };
    /// Its opposite: five million, equally likely, so that hardly a profile is met twice.
    pub const WIDE: Population = Population { identities: 5_000_000, skew: 0.0, attacked: 0.006, strange: 0.006 };
}

/// See the [module](self).
pub struct Traffic {
    population: Population,
    cumulative: Vec<f64>,
    /// Where to start in `cumulative`.
    guide: Vec<usize>,
    state: (u64, u64),
    number: i64,
    victim: i32,
    attack_left: i32,
    attack_number: i32,
}

impl Traffic {
    pub fn new(seed: i64, population: Population) -> Traffic {
        let mut cumulative = Vec::with_capacity(population.identities as usize);
        let mut sum = 0.0;
        for k in 0..population.identities {
            sum += libm::pow(f64::from(k + 1), -population.skew);
            cumulative.push(sum);
        }
        for share in &mut cumulative {
            *share /= sum;
        }
        let mut guide = vec![0; 1 << 16];
        let (mut k, steps) = (0, guide.len() as f64);
        for (g, start) in guide.iter_mut().enumerate() {
            while k < cumulative.len() - 1 && cumulative[k] < g as f64 / steps {
                k += 1;
            }
            *start = k;
        }
        let state = (mix(seed as u64), mix(seed.wrapping_add(1) as u64));
        Traffic { population, cumulative, guide, state, number: 0, victim: 0, attack_left: 0, attack_number: 0 }
    }

    /// xoroshiro128+
    fn next(&mut self) -> u64 {
        let (a, mut c) = self.state;
        let drawn = a.wrapping_add(c);
        c ^= a;
        self.state = (a.rotate_left(24) ^ c ^ (c << 16), c.rotate_left(37));
        drawn
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    fn below(&mut self, limit: i32) -> i32 {
        (((self.next() >> 33) * limit as u64) >> 31) as i32
    }

    fn zipf(&mut self) -> i32 {
        let drawn = self.unit();
        let slot = (drawn * self.guide.len() as f64) as usize;
        let (mut low, mut high) = (self.guide[slot], self.guide.get(slot + 1).copied().unwrap_or(self.cumulative.len() - 1));
        while low < high {
            let middle = (low + high) / 2;
            if self.cumulative[middle] < drawn { low = middle + 1 } else { high = middle }
        }
        low as i32
    }

    fn pick(&mut self) -> u8 {
        match self.below(100) {
            ..70 => 0,
            70..95 => 1,
            _ => 2,
        }
    }

    /// Appends the next event to `out` and the identity's id to `key`.
    pub fn event(&mut self, key: &mut Vec<u8>, out: &mut Vec<u8>) {
        let t = BASE_MS + self.number * 2 + i64::from(self.below(500));
        let kind = self.unit();
        let (mut anomaly, mut attack, mut takeover) = (false, false, false);
        let rank = if kind < self.population.attacked {
            attack = true;
            if self.attack_left == 0 {
                self.attack_left = ATTACK_EVENTS;
                self.victim = self.below(KNOWN);
                self.attack_number += 1;
            }
            self.attack_left -= 1;
            takeover = self.attack_left == 0 && self.attack_number % 3 == 0;
            self.victim
        } else if kind < self.population.attacked + self.population.strange {
            anomaly = true;
            self.below(KNOWN)
        } else {
            self.zipf()
        };
        let id = (i64::from(rank) * 7919 + 13) % i64::from(self.population.identities);
        let h = mix(id as u64);
        let what = if attack { 1 } else { self.pick() };
        let failed = if attack { !takeover } else { what == 1 && self.below(100) < 12 };
        let home = ((h & 0xffff) % 12) as usize;
        let (country, lat, lon, ip, device);
        if attack || anomaly {
            let away = if attack { self.victim % 11 } else { self.below(11) };
            country = (home + 1 + away as usize) % 12;
            (lat, lon) = (LAT[country], LON[country]);
            let victim = self.victim as u64;
            ip = if attack { mix(victim.wrapping_mul(31).wrapping_add(self.below(20) as u64)) } else { self.next() };
            device = if attack { mix(victim.wrapping_mul(17).wrapping_add(5)) } else { self.next() };
        } else {
            country = home;
            lat = LAT[home] + ((((h >> 16) & 0xff) % 200) as i64 - 100) as f64 / 200.0;
            lon = LON[home] + ((((h >> 24) & 0xff) % 200) as i64 - 100) as f64 / 200.0;
            let (addresses, devices) = (1 + (((h >> 32) & 0xff) % 3) as i32, 1 + (((h >> 40) & 0xff) % 2) as i32);
            ip = mix(h.wrapping_add(self.below(addresses) as u64));
            device = mix(h.wrapping_mul(3).wrapping_add(self.below(devices) as u64));
        }
        let length = 900_000i64 << (((h >> 48) & 0xff) % 5);
        let shift = ((h >> 8) & 0xff_ffff) as i64;
        let session = (t + shift) / length;
        let issued = if (h >> 52).is_multiple_of(200) { BASE_MS - 30 * 86_400_000 } else { session * length - shift };
        let session_hash = mix(h.wrapping_add(session as u64)) >> 1;

        let kind = ["api.request", "auth.login", "checkout.attempt"][usize::from(what)];
        let outcome = if failed { "failure" } else { "success" };
        // Writing into memory cannot fail, here and below.
        let _ = write!(key, "u-{id}");
        let _ = write!(
            out,
            r#"{{"id":"e-{:06}","time":{t},"type":"{kind}","outcome":"{outcome}","tenant":"acme","identity":{{"id":"u-{id}","class":"customer"}},"credential":{{"id":"k-{}","kind":"session","issued_at":{issued}}},"session":{{"id":"s-{}"}},"source":{{"ip":"{}.{}.{}.{}","asn":{},"country":"{}","lat":"#,
            self.number,
            session_hash % 100_000,
            session_hash % 1_000_000,
            11 + ((ip >> 24) & 0x7f),
            (ip >> 16) & 0xff,
            (ip >> 8) & 0xff,
            ip & 0xff,
            64_500 + ((ip >> 40) & 0xff),
            CODE[country],
        );
        three_decimals(lat, out);
        out.extend_from_slice(b",\"lon\":");
        three_decimals(lon, out);
        let _ = write!(out, r#","device_id":"d-{}","user_agent":"{}"}}"#, (device >> 1) % 10_000_000, AGENT[((device >> 60) & 7) as usize]);
        if what == 0 {
            let route = self.below(ROUTE.len() as i32) as usize;
            let bytes = 100 + self.below(4000);
            let _ =
                write!(out, r#","request":{{"method":"{}","route":"{}","status":200,"bytes":{bytes}}}"#, METHOD[route % 3], ROUTE[route]);
        }
        out.push(b'}');
        self.number += 1;
    }
}

fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// As Java's `Math.round` rounds: half up.
fn three_decimals(x: f64, out: &mut Vec<u8>) {
    let m = (x * 1000.0 + 0.5).floor() as i64;
    let sign = if m < 0 { "-" } else { "" };
    let _ = write!(out, "{sign}{}.{:03}", m.abs() / 1000, m.abs() % 1000);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first line that the comparison's generator writes for seed 1.
    #[test]
    fn the_second_event_is_the_one_that_its_page_shows() {
        let mut traffic = Traffic::new(1, Population::DEFAULT);
        let (mut key, mut line) = (Vec::new(), Vec::new());
        traffic.event(&mut key, &mut line);
        key.clear();
        line.clear();
        traffic.event(&mut key, &mut line);
        assert_eq!(key, b"u-13");
        assert_eq!(
            String::from_utf8(line).unwrap(),
            r#"{"id":"e-000001","time":1760000000280,"type":"auth.login","outcome":"success","tenant":"acme","identity":{"id":"u-13","class":"customer"},"credential":{"id":"k-57839","kind":"session","issued_at":1759998502646},"session":{"id":"s-557839"},"source":{"ip":"128.18.250.84","asn":64697,"country":"US","lat":41.065,"lon":-74.260,"device_id":"d-6759536","user_agent":"curl/8.9.1"}}"#
        );
    }
}
