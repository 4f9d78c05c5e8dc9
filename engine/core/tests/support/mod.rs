//! A log in memory and what the core makes of it.
#![allow(dead_code)]

use portcullis_core::batch::{Entry, PartitionState, apply};
use portcullis_core::event::Event;
use portcullis_core::fanout::subjects_owned;
use portcullis_core::policy::Policy;
use portcullis_core::profile::Profile;
use portcullis_core::record::{Output, Position};
use portcullis_core::shelf::MemoryShelf;
use portcullis_core::time::Time;
use portcullis_core::verdict::Verdict;

/// One partition's log: key, event, append stamp.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub records: Vec<(Vec<u8>, Event<'static>, Time)>,
    now: Time,
}

impl Log {
    /// Appends an event for each of its subjects, stamped with the running maximum of event time.
    pub fn push(&mut self, mut event: Event<'static>) {
        if event.id.is_empty() {
            event.id = format!("e-{}", self.records.len()).into();
        }
        self.now = self.now.max(event.time);
        for subject in subjects_owned(&event) {
            self.records.push((subject.key(), event.clone(), self.now));
        }
    }

    /// JSON with `time` in minutes and seconds from a Monday at 10:00.
    pub fn json(&mut self, at: &str, fields: &str) {
        let seconds: i64 = at.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap());
        let time = Time::parse("2026-03-02T10:00:00Z").unwrap().plus(seconds * 1_000);
        self.json_at(time, fields);
    }

    pub fn json_at(&mut self, time: Time, fields: &str) {
        let text: &'static str = Box::leak(format!("{{\"time\":{},{fields}}}", time.0).into_boxed_str());
        self.push(serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}")));
    }
}

/// The core over a log, in batches of the given sizes (repeated).
pub struct Run {
    pub outputs: Vec<Output>,
    pub shelf: MemoryShelf<Profile>,
    pub state: PartitionState,
}

impl Run {
    pub fn over(policy: &Policy, log: &Log, sizes: &[usize]) -> Run {
        let (mut outputs, mut shelf, mut state) = (Vec::new(), MemoryShelf::default(), PartitionState::default());
        let (mut from, mut sizes) = (0, sizes.iter().cycle());
        while from < log.records.len() {
            let to = (from + sizes.next().unwrap()).min(log.records.len());
            let entries: Vec<Entry> = (from..to)
                .map(|i| {
                    let (key, event, appended_at) = &log.records[i];
                    Entry { position: Position { partition: 0, offset: i as i64, appended_at: *appended_at }, key, event: Some(event), is_first: true }
                })
                .collect();
            let Ok(_) = apply(policy, "events", &mut state, &mut shelf, &entries, &mut outputs);
            from = to;
        }
        Run { outputs, shelf, state }
    }

    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.outputs.iter().filter_map(|o| if let Output::Verdict(v) = o { Some(&**v) } else { None })
    }

    /// Outputs, profiles and partition state as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{:?}", self.outputs).into_bytes();
        for (key, profile) in self.shelf.iter() {
            bytes.extend_from_slice(key);
            profile.encode(&mut bytes);
        }
        bytes.extend(postcard::to_stdvec(&self.state).unwrap());
        bytes
    }
}
