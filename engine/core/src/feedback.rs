//! What people say of verdicts (`feedback.label`): of that one subject, the signals involved weigh less or more, within bounds and for a time.
//!
//! A label is one more observation of how a signal behaves with this subject, so it moves the weight by a step and not to silence: never
//! below half of what the policy gives, and never a floor (`at_least`), for a fact stays one whatever is thought of it. It acts at once on
//! what is held, and on what comes until it expires. Everything here moves in the decide pass; who has no label and was never above `low`
//! pays for an empty pointer.

use crate::event::{self, Class, Label};
use crate::evidence::{Evidence, Sum};
use crate::hash::{Of, hash};
use crate::policy::{FeedbackPolicy, Policy};
use crate::signal::{self, ALL};
use crate::subject::Kind;
use crate::time::{DAY_MS, Time};
use crate::verdict::{Centibans, Reason, Verdict};
use serde::{Deserialize, Serialize};

/// Verdicts that a label can still name; the oldest goes first.
pub const JUDGED_MAX: usize = 32;
/// Signals remembered of one verdict, the strongest.
pub const INVOLVED_MAX: usize = 8;
/// Spans in which signals held the subject above `low`; the one that ended first goes first.
pub const SPANS_MAX: usize = 24;
/// A signal that is silent for longer begins another span.
const SPAN_GAP_MS: i64 = DAY_MS;
/// Signals whose weight labels have changed at once; what expires first goes first.
pub const LEARNED_MAX: usize = 16;

/// What was said of a subject above `low`, and what people made of it.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Feedback {
    /// What was said. Oldest first.
    judged: Vec<Judged>,
    /// What was so, whether or not it was said: what is emitted cannot change what a label of a time does.
    spans: Vec<Span>,
    /// In the order of the signals' numbers.
    learned: Vec<Learned>,
}

/// A verdict, as far as a label needs it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Judged {
    verdict: [u8; 8],
    /// Evidence clock.
    at: Time,
    /// Numbers of the signals that spoke against the subject, strongest first.
    involved: Vec<u16>,
}

/// A signal held the subject above `low` from then to then, evidence clock.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Span {
    signal: u16,
    from: Time,
    to: Time,
}

/// What labels add to the weight of a signal at full strength.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Learned {
    signal: u16,
    by: Centibans,
    /// Log time.
    until: Time,
}

/// What came of a label: the signals that it moved, by name. None: the verdict that it means is not remembered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Labelled {
    pub label: Label,
    pub signals: Vec<&'static str>,
}

/// The subject's own side of a decision: what a label may move.
pub struct Held<'r> {
    pub evidence: &'r mut [Evidence],
    pub kind: Kind,
    pub class: Class,
}

impl Feedback {
    /// Remembers a verdict above `low`, for the labels that may come.
    pub fn judged(slot: &mut Option<Box<Feedback>>, verdict: &Verdict, held: &[Evidence], sum: &Sum, now: Time) {
        let this = slot.get_or_insert_default();
        if this.judged.len() >= JUDGED_MAX {
            this.judged.remove(0);
        }
        let mut involved = Vec::with_capacity(INVOLVED_MAX.min(sum.applied.len()));
        for signal in against(held, sum) {
            if !involved.contains(&signal) && involved.len() < INVOLVED_MAX {
                involved.push(signal);
            }
        }
        this.judged.push(Judged { verdict: key_of(&verdict.id), at: now, involved });
    }

    /// Remembers what holds the subject above `low` at an event.
    pub fn spoke(slot: &mut Option<Box<Feedback>>, held: &[Evidence], sum: &Sum, now: Time) {
        let this = slot.get_or_insert_default();
        for signal in against(held, sum) {
            if let Some(span) = this.spans.iter_mut().find(|s| s.signal == signal && now.since(s.to) <= SPAN_GAP_MS) {
                span.to = span.to.max(now);
                continue;
            }
            if this.spans.len() >= SPANS_MAX
                && let Some(first) = (0..this.spans.len()).min_by_key(|i| (this.spans[*i].to, this.spans[*i].signal))
            {
                this.spans.remove(first);
            }
            this.spans.push(Span { signal, from: now, to: now });
        }
    }

    /// Takes a label in. `now` is subject time, `log_time` that of the label's record.
    pub fn label(
        slot: &mut Option<Box<Feedback>>,
        policy: &Policy,
        label: &event::Feedback<'_>,
        held: &mut Held<'_>,
        now: Time,
        log_time: Time,
    ) -> Labelled {
        let this = slot.get_or_insert_default();
        let rules = &policy.feedback;
        this.judged.retain(|j| now.since(j.at) <= rules.reach_ms);
        this.spans.retain(|s| now.since(s.to) <= rules.reach_ms);
        let mut moved = Vec::new();
        for signal in this.involved(label, held) {
            let Some(place) = signal::by_number(signal).filter(|i| ALL[*i].weight_db > 0) else { continue };
            this.learn(policy, place, rules.step_of(label.label), log_time, held);
            moved.push(ALL[place].name);
        }
        drop_empty(slot);
        Labelled { label: label.label, signals: moved }
    }

    /// Lets go of what has expired.
    pub fn expire(slot: &mut Option<Box<Feedback>>, policy: &Policy, held: &mut Held<'_>, log_time: Time) {
        let Some(this) = slot else { return };
        if this.learned.iter().all(|l| l.until > log_time) {
            return;
        }
        for gone in this.learned.extract_if(.., |l| l.until <= log_time) {
            reweigh(policy, gone.signal, gone.by, Centibans::ZERO, held);
        }
        drop_empty(slot);
    }

    /// What labels make of the evidence of a signal with this number. Labels move no rule of the policy: its author does.
    pub fn weigh(&self, policy: &Policy, number: u32, class: Class, weight: Centibans) -> Centibans {
        let Some(place) = u16::try_from(number).ok().and_then(signal::by_number) else { return weight };
        let by = self.by(ALL[place].number);
        let full = policy.signals[place].by_class[class as usize].weight;
        scaled(weight, full, weighed(full, by))
    }

    /// Says in each reason what labels have done to it. They are part of its decibans already.
    pub fn say(&self, policy: &Policy, class: Class, reasons: &mut [Reason]) {
        if self.learned.is_empty() {
            return;
        }
        for reason in reasons {
            let Some(place) = signal::by_name(&reason.signal) else { continue };
            let Some(learned) = self.learned.iter().find(|l| l.signal == ALL[place].number) else { continue };
            let full = policy.signals[place].by_class[class as usize].weight;
            let with = weighed(full, learned.by);
            let applied = Centibans((reason.db * 10.0).round() as i32);
            let share = Centibans(applied.0 - scaled(applied, with, full).0).db();
            // The day is near enough, and shorter.
            let until: String = learned.until.to_string().chars().take(10).collect();
            let words = if share < 0.0 {
                format!("labels take {:.1} dB off it until {until}", -share)
            } else {
                format!("labels add {share:.1} dB to it until {until}")
            };
            reason.detail = if reason.detail.is_empty() { words } else { format!("{}; {words}", reason.detail) };
        }
    }

    /// The signals that a label means: those that it names; those of the verdict that it names; those of the time that it names.
    fn involved(&self, label: &event::Feedback<'_>, held: &Held<'_>) -> Vec<u16> {
        let mut list: Vec<u16> = Vec::new();
        if !label.signals.is_empty() {
            let named = label.signals.iter().filter_map(|name| signal::by_name(name)).map(|i| &ALL[i]);
            list.extend(named.filter(|s| s.applies_to(held.kind, held.class)).map(|s| s.number));
        } else if let Some(judged) = label.verdict_id.as_ref().and_then(|id| self.judged.iter().find(|j| j.verdict == key_of(id))) {
            list.extend(&judged.involved);
        } else if label.verdict_id.is_none() || label.from.is_some() || label.to.is_some() {
            // A label without verdict and time means all that is remembered, a chargeback for one.
            let meant = |s: &&Span| label.from.is_none_or(|from| from <= s.to) && label.to.is_none_or(|to| s.from <= to);
            list.extend(self.spans.iter().filter(meant).map(|s| s.signal));
        }
        // Each once, however often it is named; in the order of the numbers, so that the words of a label cannot matter.
        list.sort_unstable();
        list.dedup();
        list.truncate(LEARNED_MAX);
        list
    }

    fn learn(&mut self, policy: &Policy, place: usize, step: Centibans, log_time: Time, held: &mut Held<'_>) {
        let rules = &policy.feedback;
        let number = ALL[place].number;
        let before = self.by(number);
        let most = rules.at_most.0;
        let by = Centibans((before.0 + step.0).clamp(-most, most));
        self.learned.retain(|l| l.signal != number);
        if by != Centibans::ZERO {
            if self.learned.len() >= LEARNED_MAX
                && let Some(first) = (0..self.learned.len()).min_by_key(|i| (self.learned[*i].until, self.learned[*i].signal))
            {
                let gone = self.learned.remove(first);
                reweigh(policy, gone.signal, gone.by, Centibans::ZERO, held);
            }
            let place = self.learned.partition_point(|l| l.signal < number);
            self.learned.insert(place, Learned { signal: number, by, until: log_time.plus(rules.lasts_ms) });
        }
        reweigh(policy, number, before, by, held);
    }

    /// Entries of its lists, for the tests of their caps.
    pub fn entries(&self) -> usize {
        self.judged.len() + self.spans.len() + self.learned.len()
    }

    fn by(&self, signal: u16) -> Centibans {
        self.learned.iter().find(|l| l.signal == signal).map_or(Centibans::ZERO, |l| l.by)
    }
}

impl FeedbackPolicy {
    /// What a label adds to the weight of a signal.
    fn step_of(&self, label: Label) -> Centibans {
        match label {
            Label::FalsePositive => self.false_positive,
            Label::TruePositive | Label::Chargeback => self.true_positive,
        }
    }
}

/// Who has nothing to remember pays for an empty pointer again.
fn drop_empty(slot: &mut Option<Box<Feedback>>) {
    if slot.as_ref().is_some_and(|f| f.learned.is_empty() && f.judged.is_empty() && f.spans.is_empty()) {
        *slot = None;
    }
}

/// Signals that speak against the subject in a sum, strongest first.
fn against<'h>(held: &'h [Evidence], sum: &'h Sum) -> impl Iterator<Item = u16> + 'h {
    sum.applied.iter().filter(|(_, cb)| *cb > 0).filter_map(|(i, _)| u16::try_from(held[*i].signal).ok())
}

fn key_of(verdict_id: &str) -> [u8; 8] {
    hash(Of::Verdict, verdict_id.as_bytes()).to_le_bytes()
}

/// The weight at full strength after labels: never below half of what the policy gives.
fn weighed(full: Centibans, by: Centibans) -> Centibans {
    Centibans((full.0 + by.0).max(full.0 / 2))
}

/// `weight` as it is where `from` becomes `to`.
fn scaled(weight: Centibans, from: Centibans, to: Centibans) -> Centibans {
    if from == to || from.0 <= 0 {
        return weight;
    }
    Centibans((i64::from(weight.0) * i64::from(to.0) / i64::from(from.0)) as i32)
}

/// What is held of a signal follows what labels make of its weight.
fn reweigh(policy: &Policy, number: u16, before: Centibans, after: Centibans, held: &mut Held<'_>) {
    let Some(place) = signal::by_number(number) else { return };
    let full = policy.signals[place].by_class[held.class as usize].weight;
    let (from, to) = (weighed(full, before), weighed(full, after));
    for piece in held.evidence.iter_mut().filter(|e| e.signal == u32::from(number)) {
        piece.weight = scaled(piece.weight, from, to);
    }
}
