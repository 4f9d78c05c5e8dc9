//! The rows of a partition's RocksDB: one column family, a prefix byte per kind of row.
//!
//! | key | value |
//! |---|---|
//! | `0x00 'i'` | identity of the partition |
//! | `0x00 'm'` | position, log time, the caller's bytes ([`Meta`](crate::Meta)) |
//! | `0x01 key` | tag, timer if the tag says so (8 bytes, big-endian), the encoded value |
//! | `0x02 due key` | nothing; `due` in 8 bytes that sort by time. The timers of `0x01` once more, in due order |
//!
//! The timer stands with its value, so whoever loads a subject knows the row of the second index that has to go.

use crate::value::Value;

pub(crate) const IDENTITY: &[u8] = b"\0i";
pub(crate) const META: &[u8] = b"\0m";
pub(crate) const VALUES: u8 = 1;
pub(crate) const TIMERS: u8 = 2;

const HAS_VALUE: u8 = 1;
const HAS_TIMER: u8 = 2;

/// "No timer", which is also later than every timer.
pub(crate) const NEVER: i64 = i64::MAX;

/// Appends the row key of `key`'s value.
pub(crate) fn value_key(key: &[u8], out: &mut Vec<u8>) {
    out.push(VALUES);
    out.extend_from_slice(key);
}

/// Writes the row key of a timer.
pub(crate) fn timer_key(due_ms: i64, key: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.push(TIMERS);
    // With the sign bit flipped, byte order is time order.
    out.extend_from_slice(&((due_ms as u64) ^ (1 << 63)).to_be_bytes());
    out.extend_from_slice(key);
}

/// Due time and key of a timer's row key.
pub(crate) fn read_timer_key(row_key: &[u8]) -> Option<(i64, &[u8])> {
    let (due, key) = row_key.strip_prefix(&[TIMERS])?.split_first_chunk::<8>()?;
    Some(((u64::from_be_bytes(*due) ^ (1 << 63)) as i64, key))
}

/// Writes the row of a value and its timer. False when there is neither, so that the row should not exist.
pub(crate) fn encode_row<V: Value>(value: Option<&V>, due_ms: i64, out: &mut Vec<u8>) -> bool {
    begin_row(value.is_some(), due_ms, out);
    if let Some(value) = value {
        value.encode(out);
    }
    value.is_some() || due_ms != NEVER
}

/// The same for a value that has been encoded.
pub(crate) fn encoded_row(encoded: &[u8], due_ms: i64, out: &mut Vec<u8>) -> bool {
    begin_row(true, due_ms, out);
    out.extend_from_slice(encoded);
    true
}

fn begin_row(has_value: bool, due_ms: i64, out: &mut Vec<u8>) {
    out.clear();
    let has_timer = due_ms != NEVER;
    out.push(if has_value { HAS_VALUE } else { 0 } | if has_timer { HAS_TIMER } else { 0 });
    if has_timer {
        out.extend_from_slice(&due_ms.to_be_bytes());
    }
}

/// Reads a row: the value, if it has one, and the timer or [`NEVER`].
pub(crate) fn decode_row<V: Value>(row: &[u8]) -> Result<(Option<V>, i64), String> {
    let (&tag, mut rest) = row.split_first().ok_or("the row is empty")?;
    if tag == 0 || tag & !(HAS_VALUE | HAS_TIMER) != 0 {
        return Err(format!("unknown row tag {tag}"));
    }
    let mut due_ms = NEVER;
    if tag & HAS_TIMER != 0 {
        let (due, after) = rest.split_first_chunk::<8>().ok_or("the row ends within its timer")?;
        (due_ms, rest) = (i64::from_be_bytes(*due), after);
    }
    let value = if tag & HAS_VALUE != 0 { Some(V::decode(rest)?) } else { None };
    Ok((value, due_ms))
}

/// Whether compaction may drop the row: an expired value without a timer. With one, the row has to stay for the timer.
pub(crate) fn droppable<V: Value>(row_key: &[u8], row: &[u8], log_time_ms: i64) -> bool {
    row_key.first() == Some(&VALUES) && row.first() == Some(&HAS_VALUE) && V::expired_encoded(&row[1..], log_time_ms)
}
