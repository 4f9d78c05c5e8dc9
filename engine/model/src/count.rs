//! Counting: in how many attacks, look-alikes and ordinary days each signal spoke, and how strongly.
//!
//! It reads verdicts on every event (`emit: all`): with fewer, what spoke below the level that is emitted would be missing. An ordinary day is a
//! subject on a day on which it is in no label, nor was on the day before.

use crate::truth::{Kind, Truth};
use crate::{is_identity, subject_day};
use portcullis_core::policy::Policy;
use portcullis_core::signal::{self, ALL};
use portcullis_core::verdict::{Reason, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// From this share of the weight on, a finding counts as strong.
const STRONG_FROM: f64 = 0.75;

/// What was counted. Counts of several worlds add up.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// What to type to get them again.
    #[serde(default)]
    pub command: String,
    pub attacks: u64,
    pub look_alikes: u64,
    /// Pairs of an identity and a day on which it was active. Out of verdicts alone: or acted upon, which they do not tell apart.
    pub identity_days: u64,
    /// By name; signals that never spoke are not in it.
    pub signals: BTreeMap<String, Spoken>,
}

/// In how many of each kind a signal spoke: weakly at most, and strongly.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spoken {
    pub attacks: [u64; 2],
    pub look_alikes: [u64; 2],
    pub days: [u64; 2],
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        self.attacks += other.attacks;
        self.look_alikes += other.look_alikes;
        self.identity_days += other.identity_days;
        for (name, theirs) in &other.signals {
            let ours = self.signals.entry(name.clone()).or_default();
            for i in 0..2 {
                ours.attacks[i] += theirs.attacks[i];
                ours.look_alikes[i] += theirs.look_alikes[i];
                ours.days[i] += theirs.days[i];
            }
        }
    }
}

/// Counts verdicts as they come.
pub struct Counting<'p> {
    policy: &'p Policy,
    /// By label and place in `ALL`: spoke, strongly or not.
    labels: Vec<HashMap<usize, bool>>,
    /// The same by place and ordinary day.
    ordinary: HashMap<(usize, u64), bool>,
    active: HashSet<u64>,
}

impl<'p> Counting<'p> {
    pub fn new(policy: &'p Policy, truth: &Truth) -> Counting<'p> {
        Counting { policy, labels: vec![HashMap::new(); truth.labels.len()], ordinary: HashMap::new(), active: HashSet::new() }
    }

    pub fn see(&mut self, truth: &Truth, verdict: &Verdict) {
        let Some(event) = verdict.event_id.as_deref() else { return };
        let day = subject_day(&verdict.tenant, &verdict.subject, verdict.time);
        if is_identity(&verdict.subject) && !verdict.event_type.is_some_and(|t| t.is_control()) {
            self.active.insert(day);
        }
        let spoke: Vec<(usize, bool)> = strengths(self.policy, verdict)
            .filter(|(reason, ..)| reason.events.last().is_some_and(|e| e == event))
            .map(|(_, place, share)| (place, share >= STRONG_FROM))
            .collect();
        if spoke.is_empty() {
            return;
        }
        for (label, _) in truth.of(&verdict.tenant, &verdict.subject, Some(event), verdict.time) {
            for (place, strong) in &spoke {
                *self.labels[label].entry(*place).or_default() |= strong;
            }
        }
        if !truth.is_touched(&verdict.tenant, &verdict.subject, Some(event), verdict.time) {
            for (place, strong) in spoke {
                *self.ordinary.entry((place, day)).or_default() |= strong;
            }
        }
    }

    pub fn finish(self, truth: &Truth) -> Counts {
        let mut counts = Counts { identity_days: self.active.len() as u64, ..Counts::default() };
        for (label, spoke) in truth.labels.iter().zip(self.labels) {
            let is_attack = label.kind == Kind::Attack;
            *if is_attack { &mut counts.attacks } else { &mut counts.look_alikes } += 1;
            for (place, strong) in spoke {
                let spoken = counts.signals.entry(ALL[place].name.to_owned()).or_default();
                let by_strength = if is_attack { &mut spoken.attacks } else { &mut spoken.look_alikes };
                by_strength[usize::from(strong)] += 1;
            }
        }
        for ((place, _), strong) in self.ordinary {
            counts.signals.entry(ALL[place].name.to_owned()).or_default().days[usize::from(strong)] += 1;
        }
        counts
    }
}

/// Each reason with its signal's place and the share of its weight at which it speaks, the damping of its family taken out again.
fn strengths<'v>(policy: &'v Policy, verdict: &'v Verdict) -> impl Iterator<Item = (&'v Reason, usize, f64)> {
    let class = verdict.class.map_or(0, |c| c as usize);
    verdict.reasons.iter().enumerate().filter_map(move |(n, reason)| {
        let place = signal::by_name(&reason.signal)?;
        let weight = policy.signals[place].by_class[class].weight.db();
        let rank = verdict.reasons[..n].iter().filter(|r| r.family == reason.family && r.db > 0.0).count();
        let share = if weight > 0.0 { reason.db * f64::powi(2.0, rank.min(30) as i32) / weight } else { 1.0 };
        Some((reason, place, share))
    })
}
