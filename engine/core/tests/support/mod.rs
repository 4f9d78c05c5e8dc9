//! A log in memory and what the core makes of it.
#![allow(dead_code)]

pub mod cases;
pub mod people;
pub mod random;

use portcullis_core::batch::{Counts, Entry, PartitionState, Room, apply};
use portcullis_core::containment::Proposal;
use portcullis_core::event::Event;
use portcullis_core::fanout::subjects_owned;
use portcullis_core::policy::Policy;
use portcullis_core::profile::Profile;
use portcullis_core::record::{Control, Output, Position};
use portcullis_core::shelf::MemoryShelf;
use portcullis_core::time::Time;
use portcullis_core::verdict::Verdict;

/// Where the clock of `Log::json` begins: a Monday at 10:00 UTC.
pub fn start() -> Time {
    Time::parse("2026-03-02T10:00:00Z").unwrap()
}

/// `5:00` is five minutes after the start, `26:00:00` is the next day at noon.
pub fn at(text: &str) -> Time {
    let seconds: i64 = text.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap());
    start().plus(seconds * 1_000)
}

/// The inverse of `at`.
pub fn clock(time: Time) -> String {
    let s = time.since(start()) / 1_000;
    format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
}

/// One partition's log: key, event (none: a tick), append stamp.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub records: Vec<(Vec<u8>, Option<Event<'static>>, Time)>,
    now: Time,
}

impl Log {
    /// Appends an event for each of its subjects, stamped with the running maximum of event time.
    pub fn push(&mut self, event: Event<'static>) {
        self.now = self.now.max(event.time);
        self.push_stamped(event, self.now);
    }

    /// The same with a stamp of its own, for a log whose events come late or all at once.
    pub fn push_stamped(&mut self, mut event: Event<'static>, appended_at: Time) {
        if event.id.is_empty() {
            event.id = format!("e-{}", self.records.len()).into();
        }
        for subject in subjects_owned(&event) {
            self.records.push((subject.key(), Some(event.clone()), appended_at));
        }
    }

    /// Time passes without an event.
    pub fn tick(&mut self, time: Time) {
        self.now = self.now.max(time);
        self.records.push((Vec::new(), None, self.now));
    }

    /// The latest event's time.
    pub fn now(&self) -> Time {
        self.now
    }

    pub fn json(&mut self, when: &str, fields: &str) {
        self.json_at(at(when), fields);
    }

    pub fn json_at(&mut self, time: Time, fields: &str) {
        self.push(event(time, fields));
    }
}

/// An event from the fields of its JSON, without the braces and the time.
pub fn event(time: Time, fields: &str) -> Event<'static> {
    let text: &'static str = Box::leak(format!("{{\"time\":{},{fields}}}", time.0).into_boxed_str());
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The core over a log, in batches of the given sizes (repeated).
pub struct Run {
    pub outputs: Vec<Output>,
    pub shelf: MemoryShelf<Profile>,
    pub state: PartitionState,
    pub counts: Counts,
}

impl Run {
    pub fn over(policy: &Policy, log: &Log, sizes: &[usize]) -> Run {
        let (mut outputs, mut shelf, mut state) = (Vec::new(), MemoryShelf::default(), PartitionState::default());
        let mut counts = Counts::default();
        let (mut from, mut sizes) = (0, sizes.iter().cycle());
        while from < log.records.len() {
            let to = (from + sizes.next().unwrap()).min(log.records.len());
            let entries: Vec<Entry> = (from..to)
                .map(|i| {
                    let (key, event, appended_at) = &log.records[i];
                    Entry {
                        position: Position { partition: 0, offset: i as i64, appended_at: *appended_at },
                        key,
                        event: event.as_ref(),
                        is_first: true,
                    }
                })
                .collect();
            let Ok(batch) = apply(policy, "events", &mut state, &mut shelf, &entries, &mut Room::default(), &mut outputs);
            counts += batch;
            from = to;
        }
        Run { outputs, shelf, state, counts }
    }

    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.outputs.iter().filter_map(|o| if let Output::Verdict(v) = o { Some(&**v) } else { None })
    }

    pub fn proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.outputs.iter().filter_map(|o| if let Output::Proposal(p) = o { Some(&**p) } else { None })
    }

    /// Everything that was said and asked, a line each: when (log time), of whom, from which level to which, the evidence and its reasons.
    pub fn told(&self) -> Vec<String> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::Verdict(v) => Some(format!("{} {}", clock(v.appended_at), verdict_line(v))),
                Output::Proposal(p) => Some(format!("    {}", proposal_line(p))),
                Output::ToGate(Control::IncidentClosed(c)) => Some(format!("{} incident closed", clock(c.at))),
                _ => None,
            })
            .collect()
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

pub fn verdict_line(v: &Verdict) -> String {
    let reasons: Vec<String> = v.reasons.iter().map(|r| format!("{} {:+.1}", r.signal, r.db)).collect();
    let floor = v.floor.as_ref().map_or(String::new(), |f| format!(" floor {f}"));
    let decay = if v.event_id.is_none() { " by decay" } else { "" };
    format!(
        "{} {} {}>{}{floor}{decay} {:+.1}: {}",
        v.subject.kind,
        v.subject.id,
        v.previous_level,
        v.level,
        v.evidence_db,
        reasons.join(", ")
    )
}

pub fn proposal_line(p: &Proposal) -> String {
    let method = p.params.method.as_ref().map_or(String::new(), |m| format!(" by {m}"));
    let not = if p.params.not.is_empty() { String::new() } else { format!(" not {}", p.params.not.join(" ")) };
    format!("{} {} {}{method}{not}", p.action, p.target.kind, p.target.id)
}
