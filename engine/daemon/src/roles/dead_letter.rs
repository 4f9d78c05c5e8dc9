//! What cannot be decoded is kept, and said: a record for each in the dead-letter topic, a line a minute in the log.

use super::Topics;
use crate::worker::Outbox;
use portcullis_connectors::formats::Fault;
use portcullis_connectors::kafka::RecordRef;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often an input is complained about.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Begins the name of every header that says what was wrong with a record and where it came from.
pub const ERRORS: &str = "__portcullis.errors.";

/// Key and value untouched; the headers say what was wrong and where it came from. `first`: of one that was replayed, the place where it was
/// first read. What any other record says of that itself is not believed.
pub fn dead_letter(
    topics: &Topics,
    input: &str,
    record: RecordRef<'_>,
    first: Option<&Retried>,
    index: u32,
    fault: &Fault,
    outbox: &mut Outbox,
) {
    outbox.push_raw(&topics.dead_letter, record.key, record.value);
    for (name, value) in record.headers().filter(|(name, _)| !name.starts_with(ERRORS)) {
        outbox.header(name, value.unwrap_or_default());
    }
    let (partition, offset) = first.map_or((record.partition, record.offset), |r| (r.partition, r.offset));
    let attempt = first.map_or(1, |r| r.attempt);
    for (name, value) in [
        ("exception", fault.path.as_str()),
        ("message", &fault.what),
        ("stage", "decode"),
        ("topic", input),
        ("partition", &partition.to_string()),
        ("offset", &offset.to_string()),
        ("index", &index.to_string()),
        ("attempt", &attempt.to_string()),
    ] {
        outbox.header(&format!("{ERRORS}{name}"), value.as_bytes());
    }
}

/// A dead letter that is read again: which input it came by, and which of the events in it was meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retried {
    pub input: String,
    pub partition: i32,
    pub offset: i64,
    pub index: u32,
    pub attempt: u32,
}

impl Retried {
    /// What the headers of a record of the retry topic say; `None` for any other record.
    pub fn of(record: RecordRef<'_>) -> Option<Retried> {
        let header = |name: &str| record.header(&format!("{ERRORS}{name}")).and_then(|value| std::str::from_utf8(value).ok());
        Some(Retried {
            input: header("topic")?.to_owned(),
            partition: header("partition")?.parse().ok()?,
            offset: header("offset")?.parse().ok()?,
            index: header("index")?.parse().ok()?,
            attempt: header("attempt")?.parse().ok()?,
        })
    }
}

/// Dead letters since it was last said that there are some, by input. A batch that is done again is counted again.
#[derive(Default)]
pub struct Complaints {
    waiting: BTreeMap<String, (u64, String)>,
    said: Option<Instant>,
}

impl Complaints {
    pub fn add(&mut self, input: &str, fault: &Fault) {
        if !self.waiting.contains_key(input) {
            self.waiting.insert(input.to_owned(), (0, fault.to_string()));
        }
        if let Some((count, _)) = self.waiting.get_mut(input) {
            *count += 1;
        }
    }

    /// The first at once, then once a minute.
    pub fn say_if_due(&mut self, topic: &str, now: Instant) {
        if self.waiting.is_empty() || self.said.is_some_and(|said| now.saturating_duration_since(said) < COMPLAIN_EVERY) {
            return;
        }
        self.said = Some(now);
        for (input, (count, first)) in std::mem::take(&mut self.waiting) {
            tracing::warn!(
                input,
                count,
                first,
                "dead letters: the headers `__portcullis.errors.*` of their records in {topic} say what is wrong with each"
            );
        }
    }
}
