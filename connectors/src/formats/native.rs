//! `native`: our own event, one JSON object as the contract says. The codec and its validation live in `portcullis-schemas`.
//!
//! Strings borrow from the record; nothing is allocated for a common event but what its boxed sections need.

use super::Item;
use portcullis_core::time::Time;
use serde::Deserialize;

/// Reads one record. What it says in `origin` and `stamp` is dropped: INGEST stamps those.
pub fn decode(raw: &[u8]) -> Item<'_> {
    match portcullis_schemas::json::decode_event(raw) {
        Ok(event) => Item::Event(event),
        Err(_) if raw.iter().all(u8::is_ascii_whitespace) => Item::fault("", "empty record"),
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
