//! Rules: an analyst's own signals, each a predicate over the feature row of one event. A hit is evidence as a signal's is.
//!
//! The core knows what a rule weighs and what becomes of a hit. It knows no SQL: whoever reads a policy hands in a [`Planner`], and the
//! [`Plan`] that it makes answers for the rows of a batch. Rules are asked what the subject does itself, once a row, and see observed facts
//! only; so a batch of one gives what a batch of any size gives, errors included.

use crate::event::Event;
use crate::evidence::IN_SHADOW;
use crate::heard::{self, Heard};
use crate::memory::Memory;
use crate::observe::{self, Observation, Spoke};
use crate::policy::Policy;
use crate::profile::Profile;
use crate::row::Row;
use crate::signal::Said;
use crate::speaker::Speaker;
use crate::subject::Kind;
use crate::verdict::{Centibans, Family, Level, Mode};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// The most rules of one policy.
pub const RULES_MAX: usize = 200;

/// What a policy says of one rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// What profiles store of it, see [`number_of`].
    pub number: u32,
    /// Stands in verdicts where a signal's name does.
    pub id: String,
    /// The predicate, as it was written.
    pub when: String,
    /// The kind of subject whose rows it is asked about.
    pub on: Kind,
    pub mode: Mode,
    pub weight: Centibans,
    pub at_least: Option<Level>,
    pub family: Family,
    pub attack: Vec<String>,
    pub nhi: Vec<String>,
    /// One sentence, `{column}` for a value; empty for the plan's own words.
    pub detail: String,
    /// Anybody can cause a hit without a credential, so it never contains the identity by itself. The planner says so.
    pub unauthenticated: bool,
}

/// The number of a rule in stored evidence. Signals have the numbers below.
pub fn number_of(id: &str) -> u32 {
    const OF_A_RULE: u32 = 1 << 31;
    let [a, b, c, d, ..] = *blake3::hash(id.as_bytes()).as_bytes();
    OF_A_RULE | u32::from_le_bytes([a, b, c, d])
}

/// The rules of a policy and what answers for them. Equal where the rules are: a plan follows from them.
#[derive(Clone, Default, Debug)]
pub struct Rules {
    list: Vec<Rule>,
    plan: Option<Arc<dyn Plan>>,
}

impl PartialEq for Rules {
    fn eq(&self, other: &Rules) -> bool {
        self.list == other.list
    }
}

impl Rules {
    /// Plans the rules of a policy.
    ///
    /// # Errors
    /// What is wrong with each rule that cannot be planned.
    pub(crate) fn plan(mut list: Vec<Rule>, policy: &Policy, planner: &dyn Planner) -> Result<Rules, Vec<Misread>> {
        let plan = if list.is_empty() { None } else { Some(planner.plan(policy, &mut list)?) };
        Ok(Rules { list, plan })
    }

    pub fn list(&self) -> &[Rule] {
        &self.list
    }

    /// What answers for them; none where there are none.
    pub fn planned(&self) -> Option<&Arc<dyn Plan>> {
        self.plan.as_ref()
    }

    pub(crate) fn by_number(&self, number: u32) -> Option<&Rule> {
        self.list.iter().find(|r| r.number == number)
    }
}

/// Turns predicates into what can be asked.
pub trait Planner {
    /// Plans rules, once a policy, and says of each whether a hit can be caused without a credential. The policy has its lists and networks.
    ///
    /// # Errors
    /// What is wrong with each rule that cannot be planned.
    fn plan(&self, policy: &Policy, rules: &mut [Rule]) -> Result<Arc<dyn Plan>, Vec<Misread>>;
}

/// What is wrong with a rule, for the person who wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misread {
    /// Its place in the list.
    pub rule: usize,
    pub part: Part,
    pub what: String,
    /// What to do about it.
    pub help: String,
}

/// The part of a rule that is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    When,
    Detail,
}

/// For programs that read policies and evaluate no rules: a rule that would not be asked is a fault.
pub struct NoRules;

impl Planner for NoRules {
    fn plan(&self, _policy: &Policy, rules: &mut [Rule]) -> Result<Arc<dyn Plan>, Vec<Misread>> {
        let refused = |rule| Misread {
            rule,
            part: Part::When,
            what: "this program evaluates no rules".to_owned(),
            help: "use a policy without `rules` here".to_owned(),
        };
        Err((0..rules.len()).map(refused).collect())
    }
}

/// What rules are asked about: one event of one subject, its feature row, and the signals that spoke against the subject, now and lately.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub event: &'a Event<'a>,
    pub row: &'a Row,
    pub spoke: &'a [Spoke],
    pub heard: &'a [Heard],
}

impl Asked<'_> {
    /// Whether the signal of this number spoke of this event.
    pub fn has_spoken(&self, number: u16) -> bool {
        self.spoke.iter().any(|s| s.evidence.signal == u32::from(number))
    }

    /// Whether it spoke within this time, of this event or of one before it.
    pub fn has_spoken_within(&self, number: u16, window_ms: i64) -> bool {
        self.heard.iter().any(|h| h.signal == number && self.row.now.since(h.at) < window_ms)
    }
}

/// What a rule said of one row: nothing at all where its predicate is false or NULL.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// Place in what was asked about.
    pub row: usize,
    /// Place in the policy's rules.
    pub rule: usize,
    /// The predicate holds, or why it could not be evaluated.
    pub said: Result<Said, String>,
}

/// Planned rules.
pub trait Plan: Send + Sync + Debug {
    /// Asks every rule about every row of its kind of subject. What is said of one row must not depend on the others, nor on how many there
    /// are; of one row the rules answer in their order. A rule that fails keeps no other from answering.
    fn answer(&self, asked: &[Asked<'_>]) -> Vec<Answer>;

    /// Numbers of the signals that rules ask about by a time, at most [`crate::heard::HEARD_MAX`].
    fn listens_to(&self) -> &[u16];
}

/// How often a rule hit and failed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct RuleCounts {
    pub hits: u64,
    pub errors: u64,
}

/// The part of the first pass that is for rules alone: what they read and no signal does.
pub(crate) fn prepare(policy: &Policy, profile: &mut Profile, seen: &mut Observation) {
    let row = &mut seen.row;
    if let Memory::Identity(memory) = &profile.memory
        && !row.acted_upon
    {
        row.hour_share_ppm = memory.hour_share_ppm(row.now);
    }
    let listens_to = policy.rules.plan.as_ref().map_or(&[][..], |plan| plan.listens_to());
    if !listens_to.is_empty() {
        let spoke = seen.spoke.iter().filter_map(|s| u16::try_from(s.evidence.signal).ok()).filter(|n| listens_to.contains(n));
        heard::hear(&mut profile.heard, spoke, row.now);
        seen.heard.extend_from_slice(&profile.heard);
    }
}

impl std::ops::AddAssign for RuleCounts {
    fn add_assign(&mut self, more: RuleCounts) {
        self.hits += more.hits;
        self.errors += more.errors;
    }
}

/// The second pass: asks the policy's rules about the events of a batch and puts what they say beside what the signals said.
pub(crate) fn ask(policy: &Policy, seen: &mut [(&Event<'_>, &mut Observation)]) -> BTreeMap<String, RuleCounts> {
    let mut counts = BTreeMap::<String, RuleCounts>::new();
    let Some(plan) = &policy.rules.plan else { return counts };
    let (mut asked, mut places) = (Vec::with_capacity(seen.len()), Vec::with_capacity(seen.len()));
    for (place, (event, observation)) in seen.iter().enumerate() {
        // What others say about the subject or do to it is not what it does.
        if !(observation.repeat || observation.row.acted_upon || event.kind.is_control()) {
            asked.push(Asked { event, row: &observation.row, spoke: &observation.spoke, heard: &observation.heard });
            places.push(place);
        }
    }
    for answer in plan.answer(&asked) {
        let rule = &policy.rules.list[answer.rule];
        let (event, observation) = &mut seen[places[answer.row]];
        let count = counts.entry(rule.id.clone()).or_default();
        match answer.said {
            Ok(said) => {
                count.hits += 1;
                hit(rule, event, observation, said);
            }
            Err(why) => {
                count.errors += 1;
                observation.errors.push(format!("rule {}: {}", rule.id, observe::cut(why)));
            }
        }
    }
    counts
}

fn hit(rule: &Rule, event: &Event<'_>, observation: &mut Observation, said: Said) {
    let evidence = observe::evidence(rule.number, 0, event, &observation.row, rule.weight, said);
    match rule.mode {
        Mode::Enforce => observation.spoke.push(Spoke { evidence, at_least: rule.at_least }),
        Mode::Shadow => observation.aside.push(evidence.aside(Speaker::Rule(rule), IN_SHADOW)),
    }
}
