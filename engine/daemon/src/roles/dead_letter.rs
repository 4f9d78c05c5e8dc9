//! What cannot be decoded is kept, and said: a record for each in the dead-letter topic, a line a minute in the log.

use super::Topics;
use crate::worker::Outbox;
use portcullis_connectors::formats::Fault;
use portcullis_connectors::kafka::RecordRef;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often an input is complained about.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Key and value untouched; the headers say what was wrong and where it came from.
pub fn dead_letter(topics: &Topics, input: &str, record: RecordRef<'_>, index: u32, fault: &Fault, outbox: &mut Outbox) {
    outbox.push_raw(&topics.dead_letter, record.key, record.value);
    for (name, value) in record.headers() {
        outbox.header(name, value.unwrap_or_default());
    }
    for (name, value) in [
        ("exception", fault.path.as_str()),
        ("message", &fault.what),
        ("stage", "decode"),
        ("topic", input),
        ("partition", &record.partition.to_string()),
        ("offset", &record.offset.to_string()),
        ("index", &index.to_string()),
        ("attempt", "1"),
    ] {
        outbox.header(&format!("__portcullis.errors.{name}"), value.as_bytes());
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
