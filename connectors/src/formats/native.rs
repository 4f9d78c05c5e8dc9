//! `native`: our own event, one JSON object as the contract says, or the same in Avro single-object encoding, told apart by its first two
//! bytes, which no JSON begins with. The codecs and their validation live in `portcullis-schemas`.
//!
//! Strings borrow from the record; nothing is allocated for a common event but what its boxed sections need.

use super::Item;
use portcullis_core::event::Event;
use portcullis_core::time::Time;
use serde::Deserialize;

/// What every record in Avro single-object encoding begins with.
pub(super) const AVRO: [u8; 2] = [0xc3, 0x01];

/// Reads one record. What it says in `origin` and `stamp` is dropped: INGEST stamps those.
pub fn decode(raw: &[u8]) -> Item<'_> {
    if raw.starts_with(&AVRO) {
        return decode_avro(raw);
    }
    match portcullis_schemas::json::decode_event(raw) {
        Ok(event) => Item::Event(event),
        Err(_) if raw.iter().all(u8::is_ascii_whitespace) => Item::fault("", "empty record"),
        Err(fault) => Item::Fault(fault),
    }
}

fn decode_avro(raw: &[u8]) -> Item<'_> {
    match portcullis_schemas::decode_event(raw) {
        Ok(event) => admitted(event),
        Err(error) => Item::fault("", error.to_string()),
    }
}

/// An event in Avro: what only INGEST may say is dropped.
pub(super) fn admitted(mut event: Event<'_>) -> Item<'_> {
    (event.origin, event.stamp) = (None, None);
    match portcullis_schemas::admit(&mut event) {
        Ok(()) => Item::Event(event),
        Err(fault) => Item::Fault(fault),
    }
}

/// The time alone, without reading the rest into an event; for sorting.
pub(super) fn time_of(raw: &[u8]) -> Option<Time> {
    #[derive(Deserialize)]
    struct OnlyTime<'a> {
        time: Time,
        #[serde(rename = "type", borrow)]
        _kind: portcullis_core::text::Text<'a>,
    }
    serde_json::from_slice::<OnlyTime>(raw).ok().map(|t| t.time).filter(|t| t.is_plausible())
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::event::Stamp;

    const LOGIN: &[u8] = br#"{"id":"e-1","time":1760000000000,"type":"auth.login","outcome":"success","identity":{"id":"u"}}"#;

    #[test]
    fn the_same_event_in_json_and_in_avro() {
        let Item::Event(event) = decode(LOGIN) else { panic!("an event") };
        let (mut avro, mut stamped) = (Vec::new(), event.clone());
        stamped.stamp = Some(Stamp { inventoried: true, ..Stamp::default() });
        portcullis_schemas::encode_event(&stamped, &mut avro);
        assert_eq!(decode(&avro), Item::Event(event), "and what only INGEST may say is dropped");
    }

    #[test]
    fn avro_that_is_cut_short_or_unknown_is_a_fault() {
        let Item::Event(event) = decode(LOGIN) else { panic!("an event") };
        let mut avro = Vec::new();
        portcullis_schemas::encode_event(&event, &mut avro);
        for end in 2..avro.len() {
            assert!(matches!(decode(&avro[..end]), Item::Fault(_)), "{end}");
        }
        avro[3] ^= 1;
        assert!(matches!(decode(&avro), Item::Fault(_)));
    }
}
