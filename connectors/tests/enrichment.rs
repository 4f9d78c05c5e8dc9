//! Against MaxMind's own test databases, good and broken.

use portcullis_connectors::enrich::{EnrichFault, Enricher, GeoSettings};
use portcullis_core::event::{Event, EventType, Network, Source};
use portcullis_core::text::Text;
use portcullis_core::time::Time;
use std::path::PathBuf;

fn data() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/geoip");
    if !path.is_dir() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn all(data: &std::path::Path) -> GeoSettings {
    GeoSettings {
        city: Some(data.join("GeoIP2-City-Test.mmdb")),
        asn: Some(data.join("GeoLite2-ASN-Test.mmdb")),
        anonymous: Some(data.join("GeoIP2-Anonymous-IP-Test.mmdb")),
        connection: Some(data.join("GeoIP2-Connection-Type-Test.mmdb")),
    }
}

fn enriched<'a>(enricher: &mut Enricher, source: Source<'a>) -> Source<'a> {
    let mut event = Event::new(EventType::AuthLogin, Time(1_760_000_000_000));
    event.source = Some(source);
    enricher.enrich(&mut event);
    event.source.unwrap()
}

fn at(ip: &str) -> Source<'_> {
    Source { ip: Some(Text::borrowed(ip)), ..Source::default() }
}

#[test]
fn places_and_networks_are_what_the_sources_say() {
    let Some(data) = data() else { return };
    let mut enricher = Enricher::open(&all(&data)).unwrap();
    // GeoIP2-City-Test.source.json: 2001:218::/32 is JP, 35.68536, 139.75309, radius 100.
    let japan = enriched(&mut enricher, at("2001:218::1"));
    assert_eq!((japan.country.as_deref(), japan.lat, japan.lon, japan.radius_km), (Some("JP"), Some(35.68536), Some(139.75309), Some(100)));
    assert_eq!(enriched(&mut enricher, at("1.128.0.1")).asn, Some(1221));
    for (ip, network) in [
        ("1.124.213.1", Network::Tor),
        ("1.2.0.1", Network::Vpn),
        ("186.30.236.1", Network::Proxy),
        ("71.160.223.1", Network::Hosting),
        ("6.1.0.4", Network::Proxy),
    ] {
        assert_eq!(enriched(&mut enricher, at(ip)).network, Some(network), "{ip}");
        assert_eq!(enriched(&mut enricher, at(&format!("::ffff:{ip}"))).network, Some(network), "mapped {ip}");
    }
    assert_eq!(enriched(&mut enricher, at("192.0.2.1")), at("192.0.2.1"));
}

#[test]
fn what_the_record_says_stays() {
    let Some(data) = data() else { return };
    let mut enricher = Enricher::open(&all(&data)).unwrap();
    let said = Source { country: Some(Text::borrowed("CH")), asn: Some(7), network: Some(Network::Corporate), ..at("2001:218::1") };
    // Coordinates in Japan would contradict a record that says Switzerland.
    assert_eq!(enriched(&mut enricher, said.clone()), said);
    let half = Source { country: Some(Text::borrowed("JP")), lat: Some(1.0), lon: Some(2.0), ..at("2001:218::1") };
    assert_eq!(enriched(&mut enricher, half).lat, Some(1.0));
    assert_eq!(enriched(&mut enricher, at("not an address")), at("not an address"));
}

#[test]
fn every_address_of_the_city_source_is_found() {
    let Some(data) = data() else { return };
    let mut enricher = Enricher::open(&GeoSettings { city: Some(data.join("GeoIP2-City-Test.mmdb")), ..GeoSettings::default() }).unwrap();
    let source: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_slice(&std::fs::read(data.join("GeoIP2-City-Test.source.json")).unwrap()).unwrap();
    let mut found = 0;
    for (network, record) in source.iter().flatten() {
        let address = network.split('/').next().unwrap();
        let Some(code) = record.get("country").and_then(|c| c.get("iso_code")).and_then(|c| c.as_str()) else { continue };
        let place = enriched(&mut enricher, at(address));
        // Some networks of the source lie within others; what is found is then the narrower one's.
        if place.country.as_deref() == Some(code) {
            found += 1;
        }
        let number = |key: &str| record.get("location").and_then(|l| l.get(key)).and_then(|v| v.as_f64());
        if let (Some(lat), Some(lon), true) = (number("latitude"), number("longitude"), place.country.as_deref() == Some(code)) {
            assert_eq!((place.lat, place.lon), (Some(lat), Some(lon)), "{network}");
        }
    }
    assert!(found > 100, "{found} of {}", source.len());
}

#[test]
fn broken_databases_are_an_error_at_open() {
    let Some(data) = data() else { return };
    for name in [
        "GeoIP2-City-Test-Broken-Double-Format",
        "GeoIP2-City-Test-Invalid-Node-Count",
        "MaxMind-DB-test-broken-pointers-24",
        "MaxMind-DB-test-broken-search-tree-24",
    ] {
        let path = data.join(format!("{name}.mmdb"));
        let settings = GeoSettings { city: Some(path), ..GeoSettings::default() };
        let error = Enricher::open(&settings).err().unwrap_or_else(|| panic!("{name} opened")).to_string();
        println!("{error}");
        assert!(error.contains(name) && error.starts_with("geoip.city"), "{error}");
    }
}

#[test]
fn a_wrong_or_missing_or_damaged_database_is_named() {
    let Some(data) = data() else { return };
    let swapped = GeoSettings { city: Some(data.join("GeoLite2-ASN-Test.mmdb")), ..GeoSettings::default() };
    assert!(matches!(Enricher::open(&swapped), Err(EnrichFault::WrongKind { setting: "city", .. })));
    let missing = GeoSettings { asn: Some("/nowhere.mmdb".into()), ..GeoSettings::default() };
    assert!(Enricher::open(&missing).err().unwrap().to_string().contains("/nowhere.mmdb"));
    // Every byte flipped in turn, and every length: an error or answers, never a panic.
    let good = std::fs::read(data.join("GeoIP2-Connection-Type-Test.mmdb")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.mmdb");
    for i in (0..good.len()).step_by(17) {
        let mut bytes = good.clone();
        bytes[i] ^= 0x5a;
        if i % 3 == 0 {
            bytes.truncate(i);
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(mut enricher) = Enricher::open(&GeoSettings { connection: Some(path.clone()), ..GeoSettings::default() }) {
            for ip in ["1.0.0.1", "80.214.0.1", "201.243.200.1", "2003::1"] {
                enriched(&mut enricher, at(ip));
            }
        }
    }
}
