//! The world that everybody lives in: cities, networks and their addresses, offices, clouds.
//!
//! No simulated address belongs to anybody: IPv4 is from 240.0.0.0/4 (reserved), IPv6 from 2001:db8::/32 (RFC 3849), autonomous systems
//! from the private range 64512-65534 (RFC 6996). Places are real, so that distances are.

use crate::clock::{Saving, Zone};
use crate::random::{Random, mix};

/// A city, with the zone that its people live by.
pub struct City {
    /// For readers and tests.
    #[cfg_attr(not(test), expect(dead_code))]
    pub name: &'static str,
    pub country: &'static str,
    /// Hundredths of a degree: integers, so that every platform prints the same digits.
    pub lat: i32,
    pub lon: i32,
    pub zone: Zone,
    /// How many of the population live here, relative.
    pub weight: u32,
}

const fn city(name: &'static str, country: &'static str, lat: i32, lon: i32, minutes: i16, saving: Saving, weight: u32) -> City {
    City { name, country, lat, lon, zone: Zone { minutes, saving }, weight }
}

/// Where people live. The first three have the offices.
pub const CITIES: &[City] = &[
    city("Zurich", "CH", 4737, 854, 60, Saving::Europe, 90),
    city("London", "GB", 5151, -13, 0, Saving::Europe, 80),
    city("New York", "US", 4071, -7401, -300, Saving::America, 70),
    city("Bern", "CH", 4695, 745, 60, Saving::Europe, 40),
    city("Geneva", "CH", 4620, 614, 60, Saving::Europe, 40),
    city("Basel", "CH", 4756, 759, 60, Saving::Europe, 30),
    city("Munich", "DE", 4814, 1158, 60, Saving::Europe, 45),
    city("Berlin", "DE", 5252, 1341, 60, Saving::Europe, 50),
    city("Hamburg", "DE", 5355, 999, 60, Saving::Europe, 35),
    city("Vienna", "AT", 4821, 1637, 60, Saving::Europe, 35),
    city("Paris", "FR", 4886, 235, 60, Saving::Europe, 50),
    city("Lyon", "FR", 4576, 484, 60, Saving::Europe, 25),
    city("Milan", "IT", 4546, 919, 60, Saving::Europe, 40),
    city("Rome", "IT", 4190, 1250, 60, Saving::Europe, 30),
    city("Madrid", "ES", 4042, -370, 60, Saving::Europe, 30),
    city("Amsterdam", "NL", 5237, 490, 60, Saving::Europe, 30),
    city("Stockholm", "SE", 5933, 1807, 60, Saving::Europe, 20),
    city("Warsaw", "PL", 5223, 2101, 60, Saving::Europe, 25),
    city("Manchester", "GB", 5348, -224, 0, Saving::Europe, 25),
    city("Dublin", "IE", 5335, -626, 0, Saving::Europe, 15),
    city("Chicago", "US", 4188, -8763, -360, Saving::America, 30),
    city("San Francisco", "US", 3777, -12242, -480, Saving::America, 30),
    city("Toronto", "CA", 4365, -7938, -300, Saving::America, 15),
    city("Sao Paulo", "BR", -2355, -4663, -180, Saving::Never, 12),
    city("Johannesburg", "ZA", -2620, 2805, 120, Saving::Never, 8),
    city("Dubai", "AE", 2520, 5527, 240, Saving::Never, 8),
    city("Mumbai", "IN", 1908, 7288, 330, Saving::Never, 15),
    city("Singapore", "SG", 135, 10382, 480, Saving::Never, 12),
    city("Tokyo", "JP", 3568, 13969, 540, Saving::Never, 12),
];

/// Where attackers' exits and rare journeys are, beyond the cities above.
pub const FAR_CITIES: &[City] = &[
    city("Moscow", "RU", 5576, 3762, 180, Saving::Never, 0),
    city("Lagos", "NG", 652, 338, 60, Saving::Never, 0),
    city("Hanoi", "VN", 2103, 10585, 420, Saving::Never, 0),
    city("Bucharest", "RO", 4443, 2610, 120, Saving::Europe, 0),
    city("Jakarta", "ID", -621, 10685, 420, Saving::Never, 0),
];

/// Cloud regions: name, country, place.
pub const REGIONS: &[City] = &[
    city("eu-central-1", "DE", 5011, 868, 60, Saving::Europe, 40),
    city("eu-west-1", "IE", 5335, -626, 0, Saving::Europe, 30),
    city("us-east-1", "US", 3904, -7749, -300, Saving::America, 30),
    city("ap-southeast-1", "SG", 129, 10385, 480, Saving::Never, 10),
];

pub const TENANTS: &[&str] = &["retail", "bank", "software"];

/// What sort of network, as the contract names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Residential,
    Mobile,
    Corporate,
    Hosting,
    Vpn,
    Proxy,
    Relay,
    Tor,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Residential => "residential",
            Kind::Mobile => "mobile",
            Kind::Corporate => "corporate",
            Kind::Hosting => "hosting",
            Kind::Vpn => "vpn",
            Kind::Proxy => "proxy",
            Kind::Relay => "relay",
            Kind::Tor => "tor",
        }
    }
}

/// One address on one network at one place: what enrichment would know of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spot {
    pub kind: Kind,
    pub asn: u32,
    pub country: &'static str,
    /// Hundredths of a degree.
    pub lat: i32,
    pub lon: i32,
    pub radius_km: u32,
    /// A /16 of 240.0.0.0/4, or a /48 of 2001:db8::/32.
    net: u16,
    /// Within the /16; or within the /48 where `v6`.
    host: u32,
    v6: bool,
}

impl Spot {
    pub fn write_ip(&self, out: &mut Vec<u8>) {
        use std::io::Write;
        // Writing to a Vec cannot fail.
        let _ = if self.v6 {
            write!(out, "2001:db8:{:x}:{:x}::{:x}", self.net, self.host & 0xffff, 1 + (self.host >> 16))
        } else {
            let ip = 0xf000_0000 | (u32::from(self.net) << 16) | (self.host & 0xffff);
            write!(out, "{}.{}.{}.{}", ip >> 24, (ip >> 16) & 0xff, (ip >> 8) & 0xff, ip & 0xff)
        };
    }

    pub fn ip(&self) -> String {
        let mut out = Vec::new();
        self.write_ip(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The same address, announced by another network.
    pub fn owned_by(self, asn: u32) -> Spot {
        Spot { asn, ..self }
    }

    /// The same address, believed to be in that city.
    pub fn believed_in(self, city: usize) -> Spot {
        let City { country, lat, lon, .. } = CITIES[city];
        Spot { country, lat, lon, ..self }
    }

    /// The same network, another address of it.
    pub fn neighbour(self, host: u32) -> Spot {
        Spot { host: 1 + host % 65_000, ..self }
    }
}

/// A number per country, for autonomous systems that span it.
fn country_number(country: &str) -> u32 {
    CITIES.iter().chain(FAR_CITIES).chain(REGIONS).position(|c| c.country == country).unwrap_or(0) as u32
}

fn spot(place: &City, kind: Kind, asn: u32, net: u16, host: u64, radius_km: u32) -> Spot {
    // A provider's GeoIP place is near the city's centre, the same for all its addresses there.
    let shift = mix(u64::from(net));
    Spot {
        kind,
        asn,
        country: place.country,
        lat: place.lat + (shift % 11) as i32 - 5,
        lon: place.lon + (shift / 11 % 11) as i32 - 5,
        radius_km,
        net,
        host: 1 + (host % 65_000) as u32,
        v6: false,
    }
}

/// A household's line. `subscriber` decides the address; about a third have IPv6.
pub fn home(city: usize, provider: u64, subscriber: u64) -> Spot {
    let place = &CITIES[city];
    let provider = (provider % 3) as u32;
    let mut spot = spot(
        place,
        Kind::Residential,
        64_512 + country_number(place.country) * 8 + provider,
        (city * 16) as u16 + provider as u16,
        subscriber,
        15,
    );
    if subscriber.is_multiple_of(3) {
        (spot.v6, spot.host) = (true, (subscriber % 60_000) as u32 + 1);
    }
    spot
}

/// A carrier's address, shared by many (carrier-grade NAT: 48 addresses a city and carrier).
pub fn mobile(city: usize, carrier: u64, lease: u64) -> Spot {
    let place = &CITIES[city];
    let carrier = (carrier % 2) as u32;
    spot(place, Kind::Mobile, 64_516 + country_number(place.country) * 8 + carrier, (city * 16 + 4) as u16 + carrier as u16, lease % 48, 60)
}

/// A hotel, a cafe, a train: somebody else's line in that city.
pub fn guest(city: usize, lease: u64) -> Spot {
    let place = &CITIES[city];
    spot(place, Kind::Residential, 64_514 + country_number(place.country) * 8, (city * 16 + 8) as u16, lease % 900, 20)
}

/// Everybody in an office leaves it by one or two addresses.
pub fn office(tenant: usize, office: usize, line: u64) -> Spot {
    let place = &CITIES[office];
    spot(place, Kind::Corporate, 65_000 + tenant as u32, (1_000 + tenant * 4 + office) as u16, line % 2, 5)
}

/// The company's own VPN leaves at its first office.
pub fn company_vpn(tenant: usize, line: u64) -> Spot {
    spot(&CITIES[tenant % 3], Kind::Vpn, 65_000 + tenant as u32, (1_020 + tenant) as u16, line % 8, 5)
}

/// A commercial VPN's exit.
pub fn public_vpn(city: usize, exit: u64) -> Spot {
    spot(&CITIES[city], Kind::Vpn, 65_010, (1_040 + city) as u16, exit % 20, 10)
}

/// A privacy relay of a phone's maker: many people leave by few addresses, placed somewhere in their country.
pub fn relay(city: usize, exit: u64) -> Spot {
    let country = CITIES[city].country;
    let capital = CITIES.iter().position(|c| c.country == country).unwrap_or(city);
    spot(&CITIES[capital], Kind::Relay, 65_011, (1_820 + capital) as u16, exit % 400, 300)
}

/// The company's outgoing web proxy, run by a provider with exits in a few cities.
pub fn web_proxy(tenant: usize, exit: usize) -> Spot {
    let exit = exit % 3;
    spot(&CITIES[exit], Kind::Proxy, 65_013, (1_860 + tenant * 3 + exit) as u16, exit as u64, 50)
}

/// An exit of the Tor network.
pub fn tor(place: usize, exit: u64) -> Spot {
    let index = place % CITIES.len();
    spot(&CITIES[index], Kind::Tor, 65_012, (1_880 + index) as u16, exit % 60, 50)
}

/// A workload's address in the company's own cloud account.
pub fn cloud(region: usize, host: u64) -> Spot {
    let region = region % REGIONS.len();
    spot(&REGIONS[region], Kind::Hosting, 65_020 + region as u32 / 3, (1_100 + region) as u16, host, 20)
}

/// A business partner's own data centre.
pub fn partner(number: u64) -> Spot {
    let place = &CITIES[(number % 20) as usize];
    spot(place, Kind::Corporate, 65_060 + (number % 400) as u32, 1_400 + (number % 400) as u16, 7 + number / 400, 10)
}

/// A rented server that is nobody's usual place: an attacker's, most often.
pub fn rented(place: usize, host: u64) -> Spot {
    let all = CITIES.len() + FAR_CITIES.len();
    let index = place % all;
    let city = CITIES.get(index).unwrap_or_else(|| &FAR_CITIES[index - CITIES.len()]);
    spot(city, Kind::Hosting, 65_040 + (index % 12) as u32, (1_200 + index) as u16, host, 20)
}

/// A household's line abroad, for attackers who rent residential proxies.
pub fn residential_abroad(place: usize, host: u64) -> Spot {
    let index = place % FAR_CITIES.len();
    let city = &FAR_CITIES[index];
    spot(city, Kind::Residential, 64_512 + country_number(city.country) * 8, (1_300 + index) as u16, host, 25)
}

/// Great-circle distance in kilometres (haversine, R. W. Sinnott 1984; radius 6,371 km) between points in hundredths of a degree.
pub fn distance_km(a: (i32, i32), b: (i32, i32)) -> f64 {
    let radians = |hundredths: i32| f64::from(hundredths) / 100.0 * (std::f64::consts::PI / 180.0);
    let (dlat, dlon) = (radians(b.0 - a.0), radians(b.1 - a.1));
    let (sin_lat, sin_lon) = (libm::sin(dlat / 2.0), libm::sin(dlon / 2.0));
    let h = sin_lat * sin_lat + libm::cos(radians(a.0)) * libm::cos(radians(b.0)) * sin_lon * sin_lon;
    2.0 * 6_371.0 * libm::asin(h.min(1.0).sqrt())
}

/// A city to live in, by weight.
pub fn draw_city(random: &mut Random) -> usize {
    const TOTAL: u64 = {
        let (mut sum, mut i) = (0, 0);
        while i < CITIES.len() {
            sum += CITIES[i].weight as u64;
            i += 1;
        }
        sum
    };
    let mut at = random.below(TOTAL);
    CITIES
        .iter()
        .position(|c| match at.checked_sub(u64::from(c.weight)) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_an_atlas() {
        let at = |name: &str| CITIES.iter().find(|c| c.name == name).map(|c| (c.lat, c.lon)).unwrap();
        let km = distance_km(at("Zurich"), at("New York"));
        assert!((6_300.0..6_350.0).contains(&km), "{km}");
        assert_eq!(distance_km(at("Zurich"), at("Zurich")), 0.0);
    }

    #[test]
    fn networks_do_not_overlap_and_addresses_belong_to_nobody() {
        let mut nets = std::collections::BTreeMap::new();
        for city in 0..CITIES.len() {
            for n in 0..3 {
                for spot in [home(city, n, 1), mobile(city, n, 1), guest(city, n), public_vpn(city, n), relay(city, n), tor(city, n)] {
                    let owner = (spot.kind as u8, spot.asn, spot.country);
                    assert_eq!(*nets.entry(spot.net).or_insert(owner), owner, "{spot:?}");
                }
            }
        }
        for (tenant, exit) in (0..3).flat_map(|t| (0..3).map(move |e| (t, e))) {
            let spot = web_proxy(tenant, exit);
            assert!(nets.insert(spot.net, (spot.kind as u8, spot.asn, spot.country)).is_none());
        }
        for place in 0..34 {
            let spot = rented(place, 70_000);
            assert!(nets.insert(spot.net, (spot.kind as u8, spot.asn, spot.country)).is_none());
            let ip: std::net::Ipv4Addr = spot.ip().parse().unwrap();
            assert!(ip.octets()[0] >= 240);
        }
        let v6: std::net::Ipv6Addr = home(0, 0, 3).ip().parse().unwrap();
        assert_eq!(v6.segments()[..2], [0x2001, 0xdb8]);
    }
}
