//! Events as an attacker would choose them, one a line, through SCORE and the gate: no panic, no profile grows without bound, and where the
//! batches are cut changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::batch::{Entry, PartitionState, Room, apply};
use portcullis_core::event::Event;
use portcullis_core::fanout::subjects_owned;
use portcullis_core::gate::{self, GateState};
use portcullis_core::policy::{Emit, Policy};
use portcullis_core::profile::Profile;
use portcullis_core::record::{GateRecord, Output, Position};
use portcullis_core::shelf::MemoryShelf;
use portcullis_core::time::Time;
use std::sync::LazyLock;

/// What the tests of the core hold a profile to (`engine/core/tests/bounds.rs`), with its evidence and an incident.
const PROFILE_BYTES_MAX: usize = 128 * 1024;
const EVENTS_MAX: usize = 64;

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy { emit: Emit::All, ..Policy::default_policy() });

struct Stamped<'e> {
    key: Vec<u8>,
    event: &'e Event<'e>,
    at: Time,
}

fn score(log: &[Stamped<'_>], size: usize) -> (Vec<Output>, MemoryShelf<Profile>) {
    let (mut outputs, mut shelf, mut state, mut room) = (Vec::new(), MemoryShelf::default(), PartitionState::default(), Room::default());
    for (nth, some) in log.chunks(size).enumerate() {
        let entries: Vec<Entry<'_, '_>> = some
            .iter()
            .enumerate()
            .map(|(i, record)| Entry {
                position: Position { partition: 0, offset: (nth * size + i) as i64, appended_at: record.at },
                key: &record.key,
                event: Some(record.event),
                is_first: true,
            })
            .collect();
        let Ok(_) = apply(&POLICY, "events", &mut state, &mut shelf, &entries, &mut room, &mut outputs);
    }
    (outputs, shelf)
}

fuzz_target!(|data: &[u8]| {
    let mut events: Vec<Event<'_>> = Vec::new();
    for line in data.split(|b| *b == b'\n').take(EVENTS_MAX) {
        // As INGEST admits them: validated, and without what is ours to say.
        if let Ok(mut event) = portcullis_schemas::json::decode_event(line) {
            event.origin = None;
            event.stamp = None;
            if portcullis_schemas::validate(&event).is_ok() {
                events.push(event);
            }
        }
    }
    let mut log = Vec::new();
    let mut now = Time(0);
    for event in &events {
        now = now.max(event.time);
        log.extend(subjects_owned(event).into_iter().map(|subject| Stamped { key: subject.key(), event, at: now }));
    }
    let (outputs, shelf) = score(&log, usize::MAX);
    assert_eq!(score(&log, 1).0, outputs, "a batch of one equals a batch of all");
    for (_, profile) in shelf.iter() {
        let mut bytes = Vec::new();
        profile.encode(&mut bytes);
        assert!(bytes.len() <= PROFILE_BYTES_MAX, "{} bytes", bytes.len());
    }
    let mut records: Vec<GateRecord<'_>> = Vec::new();
    for output in outputs {
        match output {
            Output::Proposal(proposal) => records.push(GateRecord::Proposal(proposal)),
            Output::ToGate(control) => records.push(GateRecord::Control(control)),
            _ => {}
        }
    }
    records.extend(events.iter().map(|event| GateRecord::Event(Box::new(event.clone()))));
    let (mut log_time, mut shelf, mut out) = (Time(0), MemoryShelf::<GateState>::default(), Vec::new());
    let entries: Vec<gate::Entry<'_, '_>> = records
        .iter()
        .enumerate()
        .map(|(i, record)| gate::Entry {
            position: Position { partition: 0, offset: i as i64, appended_at: now },
            tenant: gate::tenant_of(record),
            record,
        })
        .collect();
    let Ok(()) = gate::apply(&POLICY, &mut log_time, &mut shelf, &entries, &mut out);
    let decided = out.iter().filter(|o| matches!(o, Output::Decision(_))).count();
    assert!(decided >= records.iter().filter(|r| matches!(r, GateRecord::Proposal(_))).count(), "nothing is silently dropped");
});
