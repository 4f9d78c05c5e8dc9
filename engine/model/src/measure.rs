//! Measuring how far the sums can be believed: how often what scored so high was an attack, what 3 dB more or less would change, and who is
//! alarmed for nothing where.
//!
//! It reads verdicts on every event (`emit: all`), of traffic that nobody tuned on.

use crate::truth::{Kind, Truth};
use crate::{is_identity, subject_day};
use portcullis_core::event::{AuthFailure, Event, EventType};
use portcullis_core::policy::Policy;
use portcullis_core::verdict::{Level, Name, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Width of the bins of evidence, dB.
pub const BIN_DB: i32 = 5;
/// All evidence is moved by these, dB.
pub const SHIFTS_DB: [i32; 3] = [-3, 0, 3];

/// The figures of the model card. Those of several worlds add up.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// What to type to get them again.
    #[serde(default)]
    pub command: String,
    /// Version of the policy that was measured.
    #[serde(default)]
    pub policy: String,
    pub worlds: u64,
    pub identity_days: u64,
    /// By class of identity.
    pub reliability: BTreeMap<String, BTreeMap<i32, Bin>>,
    /// Attacks by difficulty, look-alikes, and ordinary days of people and machines.
    pub of: BTreeMap<String, u64>,
    /// Those of them that reach high where all evidence is moved, by decibans.
    pub at_high: BTreeMap<i32, BTreeMap<String, u64>>,
    pub countries: BTreeMap<String, Alarms>,
    pub channels: BTreeMap<String, Alarms>,
}

/// Those whose strongest evidence lay in a bin, which is named by its lower end.
#[derive(Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// Identities while they were attacked.
    pub attacks: u64,
    /// Identities on a day on which nothing was wrong.
    pub days: u64,
}

/// Incidents at high on identities with whom nothing was wrong.
#[derive(Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarms {
    pub identity_days: u64,
    pub false_at_high: u64,
}

impl Measured {
    pub fn add(&mut self, other: &Measured) {
        self.worlds += other.worlds;
        self.identity_days += other.identity_days;
        for (class, bins) in &other.reliability {
            let ours = self.reliability.entry(class.clone()).or_default();
            for (bin, theirs) in bins {
                let bin = ours.entry(*bin).or_default();
                bin.attacks += theirs.attacks;
                bin.days += theirs.days;
            }
        }
        add_counts(&mut self.of, &other.of);
        for (shift, theirs) in &other.at_high {
            add_counts(self.at_high.entry(*shift).or_default(), theirs);
        }
        for (ours, theirs) in [(&mut self.countries, &other.countries), (&mut self.channels, &other.channels)] {
            for (name, alarms) in theirs {
                let sum = ours.entry(name.clone()).or_default();
                sum.identity_days += alarms.identity_days;
                sum.false_at_high += alarms.false_at_high;
            }
        }
    }
}

fn add_counts(ours: &mut BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>) {
    for (name, n) in theirs {
        *ours.entry(name.clone()).or_default() += n;
    }
}

/// The strongest that was held against somebody.
#[derive(Clone, Default)]
struct Strongest {
    db: Option<f64>,
    /// The highest level that a fact lifted to.
    fact: Option<Level>,
    class: Option<&'static str>,
    is_machine: bool,
}

impl Strongest {
    fn take(&mut self, verdict: &Verdict) {
        self.db = Some(self.db.map_or(verdict.evidence_db, |db| db.max(verdict.evidence_db)));
        if verdict.floor.is_some() {
            self.fact = self.fact.max(Some(verdict.level));
        }
        if let Some(class) = verdict.class {
            (self.class, self.is_machine) = (Some(class.name()), class.is_machine());
        }
    }

    fn is_high(&self, policy: &Policy, shift_db: i32) -> bool {
        self.fact >= Some(Level::High) || self.db.is_some_and(|db| db + f64::from(shift_db) >= policy.levels.high.db())
    }
}

/// Takes events and verdicts as they come.
pub struct Measuring<'p> {
    policy: &'p Policy,
    /// By label: all that belongs to it, and what was held against its own subject alone.
    labels: Vec<(Strongest, Strongest)>,
    ordinary: HashMap<u64, Strongest>,
    incidents: HashSet<String>,
    active: HashSet<u64>,
    countries: Places,
    channels: Places,
}

/// False alarms by a name of the event, and who was active under that name on which day.
#[derive(Default)]
struct Places {
    active: BTreeMap<String, HashSet<u64>>,
    false_at_high: BTreeMap<String, u64>,
}

impl Places {
    fn active(&mut self, name: &str, day: u64) {
        match self.active.get_mut(name) {
            Some(days) => drop(days.insert(day)),
            None => drop(self.active.insert(name.to_owned(), HashSet::from([day]))),
        }
    }

    fn finish(self) -> BTreeMap<String, Alarms> {
        let alarms = |(name, days): (String, HashSet<u64>)| {
            let false_at_high = self.false_at_high.get(&name).copied().unwrap_or(0);
            (name, Alarms { identity_days: days.len() as u64, false_at_high })
        };
        self.active.into_iter().map(alarms).collect()
    }
}

impl<'p> Measuring<'p> {
    pub fn new(policy: &'p Policy, truth: &Truth) -> Measuring<'p> {
        Measuring {
            policy,
            labels: vec![Default::default(); truth.labels.len()],
            ordinary: HashMap::new(),
            incidents: HashSet::new(),
            active: HashSet::new(),
            countries: Places::default(),
            channels: Places::default(),
        }
    }

    /// Who is active, where and by what channel.
    pub fn event(&mut self, event: &Event<'_>) {
        let Some(id) = event.identity_id().filter(|_| !event.kind.is_control()) else { return };
        // Somebody whom the identity provider does not know is nobody.
        if event.failure() == Some(AuthFailure::UnknownIdentity) {
            return;
        }
        let day = subject_day(&event.tenant, &Name { kind: "identity".to_owned(), id: id.to_owned() }, event.time);
        self.active.insert(day);
        self.countries.active(country(event), day);
        self.channels.active(channel(event.kind), day);
    }

    pub fn verdict(&mut self, truth: &Truth, verdict: &Verdict, event: &Event<'_>) {
        let Some(id) = verdict.event_id.as_deref() else { return };
        for (label, own) in truth.of(&verdict.tenant, &verdict.subject, Some(id), verdict.time) {
            self.labels[label].0.take(verdict);
            if own && is_identity(&verdict.subject) {
                self.labels[label].1.take(verdict);
            }
        }
        if !is_identity(&verdict.subject) || event.kind.is_control() {
            return;
        }
        let is_touched = truth.is_touched(&verdict.tenant, &verdict.subject, Some(id), verdict.time);
        if !is_touched {
            self.ordinary.entry(subject_day(&verdict.tenant, &verdict.subject, verdict.time)).or_default().take(verdict);
        }
        // An incident is counted, or excused, when it first reaches high.
        if verdict.level >= Level::High
            && let Some(incident) = &verdict.incident
            && self.incidents.insert(incident.id.clone())
            && !is_touched
        {
            *self.countries.false_at_high.entry(country(event).to_owned()).or_default() += 1;
            *self.channels.false_at_high.entry(channel(event.kind).to_owned()).or_default() += 1;
        }
    }

    pub fn finish(self, truth: &Truth) -> Measured {
        let mut measured = Measured { worlds: 1, identity_days: self.active.len() as u64, ..Measured::default() };
        measured.at_high = SHIFTS_DB.map(|shift| (shift, BTreeMap::new())).into();
        let mut group = |name: &str, strongest: &Strongest| {
            *measured.of.entry(name.to_owned()).or_default() += 1;
            for (shift, at_high) in &mut measured.at_high {
                *at_high.entry(name.to_owned()).or_default() += u64::from(strongest.is_high(self.policy, *shift));
            }
        };
        for (label, (all, _)) in truth.labels.iter().zip(&self.labels) {
            match label.kind {
                Kind::Attack => group(&format!("{} attacks", label.difficulty()), all),
                Kind::LookAlike => group("look-alikes", all),
            }
        }
        for strongest in self.ordinary.values() {
            group(if strongest.is_machine { "days of machines" } else { "days of people" }, strongest);
        }
        let attacks = truth.labels.iter().zip(&self.labels).filter(|(l, _)| l.kind == Kind::Attack).map(|(_, (_, own))| (own, true));
        for (strongest, is_attack) in attacks.chain(self.ordinary.values().map(|s| (s, false))) {
            let (Some(db), Some(class)) = (strongest.db, strongest.class) else { continue };
            let bin = (db / f64::from(BIN_DB)).floor() as i32 * BIN_DB;
            let bin = measured.reliability.entry(class.to_owned()).or_default().entry(bin).or_default();
            *if is_attack { &mut bin.attacks } else { &mut bin.days } += 1;
        }
        measured.countries = self.countries.finish();
        measured.channels = self.channels.finish();
        measured
    }
}

fn country<'e>(event: &'e Event<'_>) -> &'e str {
    event.source.as_ref().and_then(|s| s.country.as_deref()).unwrap_or("unknown")
}

/// What people call a channel, by the type of the event.
fn channel(kind: EventType) -> &'static str {
    match kind.name().split('.').next() {
        Some("auth") => "sign-in",
        Some("api") => "API",
        Some("checkout") => "checkout",
        Some("account" | "credential") => "accounts and credentials",
        _ => "privileges and secrets",
    }
}
