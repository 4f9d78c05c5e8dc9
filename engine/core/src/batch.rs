//! The three passes over a batch: observe, rules, decide. A batch of one equals a batch of N, errors included.
//!
//! Why three: rules are evaluated on columns, hundreds of rows at once. The passes cannot disagree because each reads only what it owns:
//! *observe* moves the memories and the tenants' samples, *rules* reads the rows, *decide* moves the risk and the timers.

use crate::decide::{self, Ground};
use crate::event::{Event, Label};
use crate::feedback::Labelled;
use crate::observe::{Observation, observe};
use crate::policy::Policy;
use crate::profile::Profile;
use crate::record::{Control, Output, Position, Sample};
use crate::rule::{self, RuleCounts};
use crate::sample::TenantSample;
use crate::shelf::Shelf;
use crate::speaker::Speaker;
use crate::subject::{Kind, SubjectRef};
use crate::time::{MINUTE_MS, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One record of a batch. The key is the subject's.
#[derive(Clone, Debug)]
pub struct Entry<'a, 'e> {
    pub position: Position,
    pub key: &'a [u8],
    /// `None` for a tick: time passes.
    pub event: Option<&'a Event<'e>>,
    /// The first of the records that one event became: counts are of events.
    pub is_first: bool,
}

/// What a partition knows beside its profiles. Saved with them.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct PartitionState {
    /// Running maximum of the append stamps.
    pub log_time: Time,
    /// By tenant.
    pub samples: BTreeMap<String, TenantSample>,
    /// Log minute in which each tenant's sample was last published.
    published: BTreeMap<String, i64>,
}

/// What became of the events of a batch.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Events that were judged.
    pub judged: u64,
    /// Events dropped as repeats.
    pub repeats: u64,
    /// Events that were judged of identities of which too little is known for novelty to say anything.
    pub learning: u64,
    /// Findings by signal, before labels weigh them; what speaks for a subject is not counted.
    pub signals: BTreeMap<&'static str, u64>,
    /// Labels by signal whose weight they moved; `NO_SIGNAL` for those whose verdict is not remembered.
    pub labels: BTreeMap<(&'static str, Label), u64>,
    /// By the rule's id.
    pub rules: BTreeMap<String, RuleCounts>,
}

/// In place of a signal's name: a label that moved nothing.
pub const NO_SIGNAL: &str = "none";

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Counts) {
        self.judged += more.judged;
        self.repeats += more.repeats;
        self.learning += more.learning;
        for (signal, n) in more.signals {
            *self.signals.entry(signal).or_default() += n;
        }
        for (key, n) in more.labels {
            *self.labels.entry(key).or_default() += n;
        }
        for (id, more) in more.rules {
            *self.rules.entry(id).or_default() += more;
        }
    }
}

impl Counts {
    fn count_spoken(&mut self, policy: &Policy, seen: &Observation) {
        for spoke in seen.spoke.iter().filter(|_| !seen.repeat) {
            if let Some(Speaker::Signal(signal)) = policy.speaker(spoke.evidence.signal) {
                *self.signals.entry(signal.name).or_default() += 1;
            }
        }
    }

    fn count_label(&mut self, labelled: &Labelled) {
        let moved = if labelled.signals.is_empty() { &[NO_SIGNAL][..] } else { &labelled.signals };
        for signal in moved {
            *self.labels.entry((signal, labelled.label)).or_default() += 1;
        }
    }
}

/// Room for what the first pass sees, kept between batches: it says nothing of them.
#[derive(Default)]
pub struct Room(Vec<Observation>);

/// The tenants that a partition keeps samples of; beyond it they share one.
const TENANTS_MAX: usize = 1_024;

/// Runs the three passes. `out` gets the outputs in order; those of timers that fired before a record stand before the record's own.
///
/// # Errors
/// What the shelf says; the batch is then to be aborted.
pub fn apply<S: Shelf<Value = Profile>>(
    policy: &Policy,
    topic: &str,
    state: &mut PartitionState,
    shelf: &mut S,
    entries: &[Entry<'_, '_>],
    Room(room): &mut Room,
    out: &mut Vec<Output>,
) -> Result<Counts, S::Fault> {
    let mut counts = Counts::default();
    shelf.expect(entries.iter().filter(|entry| entry.event.is_some()).map(|entry| entry.key))?;

    // observe
    if room.len() < entries.len() {
        room.resize_with(entries.len(), Observation::default);
    }
    let mut seen = Vec::with_capacity(entries.len());
    let mut log_time = state.log_time;
    for (entry, observation) in entries.iter().zip(room) {
        log_time = log_time.max(entry.position.appended_at);
        let (Some(event), Some(subject)) = (entry.event, SubjectRef::from_key(entry.key)) else {
            seen.push(None);
            continue;
        };
        let slot = shelf.slot(entry.key)?;
        let (sample, tenant) = sample_of(&mut state.samples, subject.tenant);
        let profile = shelf.value(slot);
        profile.begin_observe(log_time);
        observe(policy, sample, profile, subject, event, &entry.position, observation);
        if entry.is_first {
            counts.judged += u64::from(!observation.repeat);
            counts.repeats += u64::from(observation.repeat);
            counts.learning += u64::from(!observation.repeat && subject.kind == Kind::Identity && observation.row.learning);
        }
        let published = publish_sample(sample, &mut state.published, tenant, subject, log_time, entry.position.partition);
        seen.push(Some((slot, subject, event, observation, published)));
    }

    // rules
    if !policy.rules.list().is_empty() {
        let mut rows: Vec<_> = seen.iter_mut().flatten().map(|(_, _, event, observation, _)| (*event, &mut **observation)).collect();
        counts.rules = rule::ask(policy, &mut rows);
    }

    // decide
    let mut log_time = state.log_time;
    for (entry, seen) in entries.iter().zip(&mut seen) {
        log_time = log_time.max(entry.position.appended_at);
        fire_timers(policy, topic, shelf, log_time, entry.position, out)?;
        let Some((slot, subject, event, observation, sample)) = seen else { continue };
        let ground = Ground { policy, topic, position: entry.position, log_time };
        counts.count_spoken(policy, observation);
        let profile = shelf.value(*slot);
        let before = profile.due();
        if let Some(labelled) = decide::decide(&ground, *subject, profile, event, observation, out) {
            counts.count_label(&labelled);
        }
        let due = profile.due();
        if due != before {
            shelf.set_timer(*slot, due);
        }
        out.extend(sample.take().map(|s| Output::ToGate(Control::Sample(s))));
    }
    state.log_time = log_time;
    Ok(counts)
}

/// Fires every timer due at or before `log_time`, in due order, each at its own due time.
fn fire_timers<S: Shelf<Value = Profile>>(
    policy: &Policy,
    topic: &str,
    shelf: &mut S,
    log_time: Time,
    position: Position,
    out: &mut Vec<Output>,
) -> Result<(), S::Fault> {
    while let Some((due, key, slot)) = shelf.take_timer(log_time)? {
        let Some(subject) = SubjectRef::from_key(&key) else { continue };
        let profile = shelf.value(slot);
        decide::fire(&Ground { policy, topic, position, log_time: due }, subject, profile, out);
        let again = profile.due();
        shelf.set_timer(slot, again);
    }
    Ok(())
}

/// The sample of a tenant, and the name it is kept under.
fn sample_of<'s, 't>(samples: &'s mut BTreeMap<String, TenantSample>, tenant: &'t str) -> (&'s mut TenantSample, &'t str) {
    let name = if samples.contains_key(tenant) || samples.len() < TENANTS_MAX { tenant } else { "" };
    if !samples.contains_key(name) {
        samples.insert(name.to_owned(), TenantSample::default());
    }
    // Just inserted, or found above; the empty default is never reached.
    match samples.get_mut(name) {
        Some(sample) => (sample, name),
        None => unreachable!("the sample of {name:?} was inserted"),
    }
}

/// Once a minute of log time while a tenant is active, the gate hears how many of its identities are.
fn publish_sample(
    sample: &TenantSample,
    published: &mut BTreeMap<String, i64>,
    tenant: &str,
    subject: SubjectRef<'_>,
    log_time: Time,
    partition: i32,
) -> Option<Sample> {
    if subject.kind != Kind::Identity {
        return None;
    }
    let minute = log_time.0.div_euclid(MINUTE_MS);
    match published.get_mut(tenant) {
        Some(last) if *last == minute => return None,
        Some(last) => *last = minute,
        None => drop(published.insert(tenant.to_owned(), minute)),
    }
    Some(Sample { tenant: tenant.to_owned(), partition, active: sample.active(), at: log_time })
}
