//! What the engine says of decoded events under the default policy, with a verdict for each: one partition in memory, and nothing else.
#![allow(dead_code)]

use portcullis_connectors::enrich::Enricher;
use portcullis_connectors::formats::{Format, Input, Item, decode};
use portcullis_core::batch::{Entry, PartitionState, Room, apply};
use portcullis_core::event::Event;
use portcullis_core::fanout::subjects_owned;
use portcullis_core::policy::{Emit, Policy};
use portcullis_core::profile::Profile;
use portcullis_core::record::{Output, Position};
use portcullis_core::shelf::MemoryShelf;
use portcullis_core::verdict::Verdict;
use std::path::PathBuf;

/// A folder of the public material to test against. `None`: it is not there, and the test says so.
pub fn data(folder: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(folder);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// Events of raw records, in order, stamped as INGEST would. What is no event is left out.
pub fn events<'a>(format: Format, records: impl Iterator<Item = &'a [u8]>, input: &'a Input) -> Vec<Event<'a>> {
    let (mut enricher, mut events) = (Enricher::without_geo(), Vec::new());
    for raw in records {
        decode(format, raw, input, &mut |_, item| {
            if let Item::Event(mut event) = item {
                enricher.enrich(&mut event);
                if event.id.is_empty() {
                    event.id = format!("e-{}", events.len()).into();
                }
                events.push(event);
            }
        });
    }
    events
}

/// A verdict for each of them and each of their subjects.
pub fn verdicts(events: &[Event<'_>]) -> Vec<Verdict> {
    let policy = Policy { emit: Emit::All, ..Policy::default_policy() };
    let mut keys = Vec::new();
    let mut log_time = events.first().map_or(Default::default(), |e| e.time);
    for (i, event) in events.iter().enumerate() {
        log_time = log_time.max(event.time);
        keys.extend(subjects_owned(event).iter().map(|subject| (i, subject.key(), log_time)));
    }
    let entries: Vec<Entry<'_, '_>> = keys
        .iter()
        .enumerate()
        .map(|(offset, (i, key, appended_at))| Entry {
            position: Position { partition: 0, offset: offset as i64, appended_at: *appended_at },
            key,
            event: Some(&events[*i]),
            is_first: true,
        })
        .collect();
    let (mut state, mut shelf, mut out) = (PartitionState::default(), MemoryShelf::<Profile>::default(), Vec::new());
    let Ok(_counts) = apply(&policy, "events", &mut state, &mut shelf, &entries, &mut Room::default(), &mut out);
    out.into_iter().filter_map(|output| if let Output::Verdict(verdict) = output { Some(*verdict) } else { None }).collect()
}
