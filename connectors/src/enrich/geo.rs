//! Where an address is and what sort of network it belongs to, from MaxMind databases (GeoLite2 or GeoIP2, MaxMind DB format 2.0).
//!
//! | field | from |
//! |---|---|
//! | `country` | City `country.iso_code`, else `registered_country.iso_code` |
//! | `lat`, `lon`, `radius_km` | City `location.{latitude,longitude,accuracy_radius}`; all three or none |
//! | `asn` | ASN `autonomous_system_number` |
//! | `network` | the first that says something: Anonymous-IP `is_tor_exit_node` tor, `is_anonymous_vpn` vpn, `is_public_proxy` or `is_residential_proxy` proxy, `is_hosting_provider` hosting, `is_anonymous` alone proxy; Connection-Type `Cellular` mobile, `Corporate` corporate, `Cable/DSL`, `Dialup`, `Satellite` residential; the autonomous systems of the large clouds, below, hosting |
//!
//! A database is verified whole when it is opened, so that a damaged one stops the start and not, months later, a lookup. Lookups are
//! cached by address in a fixed number of slots.

use maxminddb::{Reader, geoip2};
use portcullis_core::event::{Network, Source};
use portcullis_core::text::Text;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Which databases to use; each may be absent.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeoSettings {
    pub city: Option<PathBuf>,
    pub asn: Option<PathBuf>,
    pub anonymous: Option<PathBuf>,
    pub connection: Option<PathBuf>,
}

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnrichFault {
    #[error("geoip.{setting}: {path}: {source}: download the database again")]
    Unusable { setting: &'static str, path: String, source: maxminddb::MaxMindDbError },
    #[error("geoip.{setting}: {path} is a {found} database, a {expected} database is needed here")]
    WrongKind { setting: &'static str, path: String, found: String, expected: &'static str },
    #[error("geoip.{setting}: {path}: reading it failed within the MaxMind library; the file is damaged: download it again")]
    Damaged { setting: &'static str, path: String },
}

type Database = Reader<Vec<u8>>;

/// Databases and what was looked up lately.
pub struct Geo {
    city: Option<Database>,
    asn: Option<Database>,
    anonymous: Option<Database>,
    connection: Option<Database>,
    slots: Vec<Option<(IpAddr, Facts)>>,
}

/// What is known of an address.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Facts {
    /// ISO 3166-1 alpha-2.
    country: Option<&'static str>,
    /// Degrees north and east, and kilometres.
    place: Option<(f64, f64, Option<u32>)>,
    asn: Option<u32>,
    network: Option<Network>,
}

/// Slots of the cache; a power of two.
const SLOTS: usize = 16_384;

/// Autonomous systems from which only machines in data centres call: the large clouds and hosters.
#[rustfmt::skip]
const HOSTING_ASNS: &[u32] = &[
    8075 /* Microsoft Azure */, 8560 /* IONOS */, 12876 /* Scaleway */, 14061 /* DigitalOcean */, 14618 /* Amazon AES */, 16276 /* OVH */, 16509 /* Amazon */, 20473 /* Vultr */,
    24940 /* Hetzner */, 31898 /* Oracle Cloud */, 36351 /* IBM Cloud */, 37963 /* Alibaba China */, 45102 /* Alibaba */, 45090 /* Tencent */, 51167 /* Contabo */, 60781 /* LeaseWeb */,
    63949 /* Linode */, 132203 /* Tencent */, 213230 /* Hetzner Cloud */, 396982 /* Google Cloud */,
];

impl Geo {
    /// `None` when no database is named.
    pub fn open(settings: &GeoSettings) -> Result<Option<Geo>, EnrichFault> {
        let geo = Geo {
            city: database("city", settings.city.as_deref(), "City")?,
            asn: database("asn", settings.asn.as_deref(), "ASN")?,
            anonymous: database("anonymous", settings.anonymous.as_deref(), "Anonymous-IP")?,
            connection: database("connection", settings.connection.as_deref(), "Connection-Type")?,
            slots: vec![None; SLOTS],
        };
        let any = geo.city.is_some() || geo.asn.is_some() || geo.anonymous.is_some() || geo.connection.is_some();
        Ok(any.then_some(geo))
    }

    /// Fills what the record does not say. The place goes together: a country of the record's with coordinates of ours could
    /// contradict each other.
    pub fn fill(&mut self, source: &mut Source<'_>) {
        let Some(address) = source.ip.as_ref().and_then(|ip| ip.parse::<IpAddr>().ok()) else { return };
        let facts = self.look_up(address.to_canonical());
        let agrees = source.country.is_none() || source.country.as_deref() == facts.country;
        if source.country.is_none() {
            source.country = facts.country.map(Text::borrowed);
        }
        if let (None, None, Some((lat, lon, radius)), true) = (source.lat, source.lon, facts.place, agrees) {
            (source.lat, source.lon) = (Some(lat), Some(lon));
            source.radius_km = source.radius_km.or(radius);
        }
        source.asn = source.asn.or(facts.asn);
        source.network = source.network.or_else(|| facts.network.or_else(|| hosting(source.asn)));
    }

    fn look_up(&mut self, address: IpAddr) -> Facts {
        let slot = slot_of(address);
        if let Some((known, facts)) = &self.slots[slot]
            && *known == address
        {
            return *facts;
        }
        let facts = self.read(address);
        self.slots[slot] = Some((address, facts));
        facts
    }

    fn read(&self, address: IpAddr) -> Facts {
        let mut facts = Facts::default();
        if let Some(city) = found::<geoip2::City>(self.city.as_ref(), address) {
            let code = city.country.iso_code.or(city.registered_country.iso_code);
            facts.country = code.and_then(crate::formats::country::alpha2);
            if let (Some(lat), Some(lon)) = (city.location.latitude, city.location.longitude)
                && (-90.0..=90.0).contains(&lat)
                && (-180.0..=180.0).contains(&lon)
            {
                facts.place = Some((lat, lon, city.location.accuracy_radius.map(u32::from)));
            }
        }
        facts.asn = found::<geoip2::Asn>(self.asn.as_ref(), address).and_then(|asn| asn.autonomous_system_number);
        let anonymous = found::<geoip2::AnonymousIp>(self.anonymous.as_ref(), address).and_then(|a| anonymous_network(&a));
        let connection =
            || found::<geoip2::ConnectionType>(self.connection.as_ref(), address).and_then(|c| connection_network(c.connection_type?));
        facts.network = anonymous.or_else(connection);
        facts
    }
}

fn anonymous_network(found: &geoip2::AnonymousIp) -> Option<Network> {
    let is = |flag: Option<bool>| flag == Some(true);
    match () {
        () if is(found.is_tor_exit_node) => Some(Network::Tor),
        () if is(found.is_anonymous_vpn) => Some(Network::Vpn),
        () if is(found.is_public_proxy) || is(found.is_residential_proxy) => Some(Network::Proxy),
        () if is(found.is_hosting_provider) => Some(Network::Hosting),
        () if is(found.is_anonymous) => Some(Network::Proxy),
        () => None,
    }
}

fn connection_network(kind: &str) -> Option<Network> {
    match kind {
        "Cellular" => Some(Network::Mobile),
        "Corporate" => Some(Network::Corporate),
        "Cable/DSL" | "Dialup" | "Satellite" => Some(Network::Residential),
        _ => None,
    }
}

fn hosting(asn: Option<u32>) -> Option<Network> {
    asn.filter(|asn| HOSTING_ASNS.contains(asn)).map(|_| Network::Hosting)
}

/// A record, or nothing: not there, damaged, or an IPv6 address in an IPv4 database.
fn found<'r, T: serde::Deserialize<'r>>(database: Option<&'r Database>, address: IpAddr) -> Option<T> {
    database?.lookup(address).ok()?.decode().ok()?
}

fn database(setting: &'static str, path: Option<&Path>, expected: &'static str) -> Result<Option<Database>, EnrichFault> {
    let Some(path) = path else { return Ok(None) };
    let shown = path.display().to_string();
    // The file is foreign input to a library: should it panic after all, that is a fault of the file and not of the process.
    let opened = std::panic::catch_unwind(|| {
        let reader = Reader::open_readfile(path)?;
        reader.verify()?;
        Ok::<Database, maxminddb::MaxMindDbError>(reader)
    });
    let reader = match opened {
        Ok(Ok(reader)) => reader,
        Ok(Err(source)) => return Err(EnrichFault::Unusable { setting, path: shown, source }),
        Err(_) => return Err(EnrichFault::Damaged { setting, path: shown }),
    };
    let found = reader.metadata().database_type.clone();
    // Enterprise holds what City holds.
    let fits = found.contains(expected) || (expected == "City" && found.contains("Enterprise"));
    if !fits {
        return Err(EnrichFault::WrongKind { setting, path: shown, found, expected });
    }
    Ok(Some(reader))
}

fn slot_of(address: IpAddr) -> usize {
    let hash = match address {
        IpAddr::V4(v4) => xxhash_rust::xxh3::xxh3_64(&v4.octets()),
        IpAddr::V6(v6) => xxhash_rust::xxh3::xxh3_64(&v6.octets()),
    };
    hash as usize % SLOTS
}
