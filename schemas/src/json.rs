//! The native format: one JSON object an event (`docs/contracts.md`), from whoever may write to an input.
//!
//! Three ways, each taken only where the one before gave up: [`quick`] for the ordinary event, serde for every other, and serde with the path of
//! what is wrong for a record that is refused.

mod quick;

use crate::RECORD_BYTES_MAX;
use crate::output::write_json;
use crate::shape;
use crate::validate::{Fault, admit};
use portcullis_core::event::Event;

/// Deepest nesting of objects and arrays that is read, also within fields that are not ours.
pub const DEPTH_MAX: usize = 100;

/// Reads one event. Text without escapes borrows from `bytes`.
///
/// What the record says in `origin` and `stamp` is dropped: only INGEST may write there. Free text is cut, see [`admit`].
///
/// # Errors
/// More than [`RECORD_BYTES_MAX`] bytes, invalid UTF-8, nesting deeper than [`DEPTH_MAX`], no JSON object, a wrong type, a missing field, an
/// unknown value of an enumeration, and everything that [`crate::validate::validate`] refuses.
pub fn decode_event(bytes: &[u8]) -> Result<Event<'_>, Fault> {
    let mut event = parse(bytes)?;
    event.origin = None;
    event.stamp = None;
    admit(&mut event)?;
    Ok(event)
}

/// Reads one event as [`encode_event`] wrote it, `origin` and `stamp` included: the values of `log export`.
///
/// # Errors
/// As [`decode_event`], except that the event is not validated again.
pub fn decode_logged_event(bytes: &[u8]) -> Result<Event<'_>, Fault> {
    parse(bytes)
}

/// Appends one event as a JSON object without line breaks.
pub fn encode_event(event: &Event<'_>, out: &mut Vec<u8>) {
    write_json(event, out);
}

fn parse(bytes: &[u8]) -> Result<Event<'_>, Fault> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(Fault::new("", format!("the record has {} bytes, at most {RECORD_BYTES_MAX} are read", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| Fault::new("", format!("invalid UTF-8 at byte {}", e.valid_up_to())))?;
    if let Some(event) = quick::read(text) {
        return Ok(event);
    }
    // serde_json skips unknown fields without looking at their depth, and the next reader of the record may not.
    if openings(bytes) > DEPTH_MAX && depth(bytes) > DEPTH_MAX {
        return Err(Fault::new("", format!("objects and arrays are nested more than {DEPTH_MAX} deep")));
    }
    match serde_json::from_str::<Event<'_>>(text) {
        Ok(event) if memchr::memchr(b'[', bytes).is_none() => Ok(event),
        // Where there is an array, one may stand for an object: serde would read its items as the object's fields, by position.
        Ok(event) => shape::check(text).map(|()| event),
        Err(_) => Err(explain(text)),
    }
}

/// Parses again for the path of what was wrong.
#[cold]
fn explain(text: &str) -> Fault {
    if let Some(fault) = shape::check(text).err().filter(|fault| fault.what.contains(shape::EXPECTED)) {
        return fault;
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, Event<'_>>(&mut deserializer) {
        Err(error) => shape::locate(&error),
        Ok(_) => match deserializer.end() {
            Err(error) => Fault::new("", error.to_string()),
            Ok(()) => Fault::new("", "could not be read"),
        },
    }
}

/// `{` and `[`, also those within strings: at least as many as the depth.
fn openings(bytes: &[u8]) -> usize {
    // The two differ in one bit. Counting in bytes keeps the loop in vector registers.
    bytes.chunks(255).map(|chunk| usize::from(chunk.iter().map(|b| u8::from(b | 0x20 == b'{')).sum::<u8>())).sum()
}

/// Greatest nesting outside strings.
#[cold]
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in bytes {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
