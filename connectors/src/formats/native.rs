//! `native`: our own event, one JSON object as the contract says. The codec and its validation live in `portcullis-schemas`.
//!
//! Strings borrow from the record; nothing is allocated for a common event but what its boxed sections need.

use super::{Fault, Item, syntax_fault};
use portcullis_core::event::Event;
use portcullis_core::time::Time;
use serde::Deserialize;

/// Reads one record.
pub fn decode(raw: &[u8]) -> Item<'_> {
    match decode_event(raw) {
        Ok(mut event) => {
            // What an input says here is dropped: INGEST stamps it.
            event.origin = None;
            event.stamp = None;
            Item::Event(event)
        }
        Err(fault) => Item::Fault(fault),
    }
}

/// The thin seam to the codec in `portcullis-schemas`.
fn decode_event(raw: &[u8]) -> Result<Event<'_>, Fault> {
    let event: Event = serde_json::from_slice(raw).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Fault::new("", error.to_string()),
        _ => syntax_fault(raw, &error),
    })?;
    validate(&event)?;
    Ok(event)
}

/// What every event must fulfil, whatever format it came in.
pub(super) fn validate(event: &Event) -> Result<(), Fault> {
    if !event.time.is_plausible() {
        return Err(Fault::new(
            "time",
            format!("{} is outside 2000..2100: seconds in place of milliseconds, or a clock that was never set", event.time),
        ));
    }
    if event.identity_id().is_some_and(str::is_empty) {
        return Err(Fault::new("identity.id", "is empty"));
    }
    Ok(())
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
