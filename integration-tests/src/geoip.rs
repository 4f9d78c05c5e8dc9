//! Places for addresses that no real database knows: blocks of RFC 5737, written as two small databases in MaxMind's format (DB 2.0).

use std::path::Path;

/// A network of 256 addresses.
pub struct Block {
    /// `203.0.113`
    pub network: [u8; 3],
    pub country: &'static str,
    pub lat: f64,
    pub lon: f64,
    pub asn: u32,
}

const BITS: usize = 24;
/// Of a record of the tree, which is one of a node's two.
const RECORD_BYTES: usize = 3;
const SEPARATOR: [u8; 16] = [0; 16];

/// Writes a City and an ASN database.
///
/// # Panics
/// If the files cannot be written.
pub fn write(blocks: &[Block], city: &Path, asn: &Path) {
    let place = |b: &Block| {
        let location = vec![("accuracy_radius", Field::U16(20)), ("latitude", Field::Double(b.lat)), ("longitude", Field::Double(b.lon))];
        Field::Map(vec![("country", Field::Map(vec![("iso_code", Field::Text(b.country))])), ("location", Field::Map(location))])
    };
    let system = |b: &Block| Field::Map(vec![("autonomous_system_number", Field::U32(b.asn))]);
    for (path, kind, field) in [(city, "Lab-City", &place as &dyn Fn(&Block) -> Field), (asn, "Lab-ASN", &system)] {
        std::fs::write(path, database(kind, blocks, field)).expect("writing a database of places");
    }
}

enum Field {
    Text(&'static str),
    Double(f64),
    U16(u16),
    U32(u32),
    U64(u64),
    Map(Vec<(&'static str, Field)>),
    List(Vec<Field>),
}

impl Field {
    /// A type and a size in one byte, or in two for the later types, and what they are of.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Field::Text(text) => {
                out.push(2 << 5 | text.len() as u8); // none here is as long as 29
                out.extend(text.as_bytes());
            }
            Field::Double(number) => {
                out.push(3 << 5 | 8);
                out.extend(number.to_be_bytes());
            }
            Field::U16(number) => {
                out.push(5 << 5 | 2);
                out.extend(number.to_be_bytes());
            }
            Field::U32(number) => {
                out.push(6 << 5 | 4);
                out.extend(number.to_be_bytes());
            }
            Field::U64(number) => {
                out.extend([8, 9 - 7]);
                out.extend(number.to_be_bytes());
            }
            Field::Map(entries) => {
                out.push(7 << 5 | entries.len() as u8);
                for (key, value) in entries {
                    Field::Text(key).write(out);
                    value.write(out);
                }
            }
            Field::List(list) => {
                out.extend([list.len() as u8, 11 - 7]);
                list.iter().for_each(|field| field.write(out));
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Record {
    Nothing,
    Node(usize),
    /// Where in the data.
    Data(usize),
}

fn database(kind: &'static str, blocks: &[Block], field: &dyn Fn(&Block) -> Field) -> Vec<u8> {
    let (mut tree, mut data) = (vec![[Record::Nothing; 2]], Vec::new());
    for block in blocks {
        let [a, b, c] = block.network.map(usize::from);
        let address = a << 16 | b << 8 | c;
        let mut node = 0;
        for bit in (0..BITS).rev() {
            let side = address >> bit & 1;
            node = match tree[node][side] {
                _ if bit == 0 => {
                    tree[node][side] = Record::Data(data.len());
                    break;
                }
                Record::Node(next) => next,
                _ => {
                    tree.push([Record::Nothing; 2]);
                    tree[node][side] = Record::Node(tree.len() - 1);
                    tree.len() - 1
                }
            };
        }
        field(block).write(&mut data);
    }
    let mut out = Vec::new();
    for record in tree.as_flattened() {
        let value = match record {
            Record::Nothing => tree.len(),
            Record::Node(node) => *node,
            Record::Data(at) => tree.len() + SEPARATOR.len() + at,
        };
        out.extend(&value.to_be_bytes()[size_of::<usize>() - RECORD_BYTES..]);
    }
    out.extend(SEPARATOR);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    Field::Map(vec![
        ("binary_format_major_version", Field::U16(2)),
        ("binary_format_minor_version", Field::U16(0)),
        ("build_epoch", Field::U64(0)),
        ("database_type", Field::Text(kind)),
        ("description", Field::Map(vec![("en", Field::Text("addresses of RFC 5737"))])),
        ("ip_version", Field::U16(4)),
        ("languages", Field::List(vec![Field::Text("en")])),
        ("node_count", Field::U32(tree.len() as u32)),
        ("record_size", Field::U16(8 * RECORD_BYTES as u16)),
    ])
    .write(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_connectors::enrich::{Enricher, GeoSettings};
    use portcullis_core::event::{Event, EventType, Source};
    use portcullis_core::time::Time;

    #[test]
    fn the_enrichment_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (city, asn) = (folder.path().join("city.mmdb"), folder.path().join("asn.mmdb"));
        let block = |network, country, asn| Block { network, country, lat: 47.5, lon: -8.5, asn };
        write(&[block([192, 0, 2], "CH", 64500), block([203, 0, 113], "SG", 64501)], &city, &asn);
        let mut enricher = Enricher::open(&GeoSettings { city: Some(city), asn: Some(asn), ..GeoSettings::default() }).unwrap();
        let mut found = |ip: &'static str| {
            let mut event = Event::new(EventType::AuthLogin, Time(1_760_000_000_000));
            event.source = Some(Source { ip: Some(ip.into()), ..Source::default() });
            enricher.enrich(&mut event);
            let source = event.source.unwrap();
            (source.country.map(|c| c.as_str().to_owned()), source.asn, source.lat)
        };
        assert_eq!(found("192.0.2.255"), (Some("CH".to_owned()), Some(64500), Some(47.5)));
        assert_eq!(found("203.0.113.0"), (Some("SG".to_owned()), Some(64501), Some(47.5)));
        assert_eq!(found("203.0.114.0"), (None, None, None));
    }
}
