//! The policy as typed values: parsed once, wrong ones cannot be expressed. `parse` reads the YAML, `docs/policy.md` describes it.

pub mod effective;
pub mod network;
pub mod parse;
pub mod yaml;

use crate::containment::Action;
use crate::event::{Class, EventType};
use crate::exception::Exception;
use crate::lifecycle::FindingKind;
use crate::rule::Rules;
use crate::signal::{self, PARAMS_MAX};
use crate::signature::Signatory;
use crate::subject::Kind;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::verdict::{Centibans, Family, Level, Mode, PolicyRef};
use network::Cidr;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that decides, apart from the log.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    pub version: String,
    /// BLAKE3 of the text, hex.
    pub digest: String,
    pub mode: Mode,
    pub shadow: Shadow,
    pub networks: Networks,
    pub lists: BTreeMap<String, BTreeSet<String>>,
    pub priors: Priors,
    pub levels: Borders,
    pub emit: Emit,
    /// By `Family as usize`, milliseconds.
    pub half_life_ms: [i64; Family::ALL.len()],
    /// By `Class as usize`.
    pub learning: [Learning; Class::ALL.len()],
    /// By the signal's place in `signal::ALL`.
    pub signals: Vec<SignalPolicy>,
    pub rules: Rules,
    /// The first match is the one.
    pub playbooks: Vec<Playbook>,
    pub exceptions: Vec<Exception>,
    pub protected: Vec<Protected>,
    pub budgets: Vec<Budget>,
    pub approvals: Approvals,
    /// Whose answers count.
    pub approvers: Vec<Signatory>,
    /// Whose signed outcomes count, whatever input they come by.
    pub responders: Vec<Signatory>,
    /// `None`: there is none.
    pub breaker: Option<Breaker>,
    pub outcomes: Outcomes,
    /// Older events (a backfill) make verdicts and cases, never actions. Milliseconds between event time and log time.
    pub act_within_ms: i64,
    pub release: Release,
    pub feedback: FeedbackPolicy,
    /// Whoever wrote the policy has held its sums against real labels: verdicts give a probability.
    pub is_calibrated: bool,
}

impl Policy {
    pub fn reference(&self) -> PolicyRef {
        PolicyRef { version: self.version.clone(), digest: self.digest.clone() }
    }

    /// The level that a weight of evidence reaches.
    pub fn level_of(&self, evidence: Centibans) -> Level {
        if evidence >= self.levels.critical {
            Level::Critical
        } else if evidence >= self.levels.high {
            Level::High
        } else if evidence >= self.levels.medium {
            Level::Medium
        } else {
            Level::Low
        }
    }

    /// The least evidence that reaches a level; `None` for `low`.
    pub fn border_of(&self, level: Level) -> Option<Centibans> {
        match level {
            Level::Low => None,
            Level::Medium => Some(self.levels.medium),
            Level::High => Some(self.levels.high),
            Level::Critical => Some(self.levels.critical),
        }
    }

    /// What a request of this action under this playbook may be: really sent, or only said.
    pub fn mode_of(&self, action: Action, playbook: Mode) -> Mode {
        let shadow = self.mode == Mode::Shadow || playbook == Mode::Shadow || self.shadow.all || self.shadow.actions.contains(&action);
        if shadow { Mode::Shadow } else { Mode::Enforce }
    }
}

/// What only says what it would have asked.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Shadow {
    pub all: bool,
    pub actions: BTreeSet<Action>,
}

/// Networks that are not strangers.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Networks {
    pub own: Vec<Cidr>,
    pub partner: Vec<Cidr>,
    pub scanner: Vec<Cidr>,
    pub gateway: Vec<Cidr>,
}

/// Prior log-odds of abuse.
#[derive(Clone, PartialEq, Debug)]
pub struct Priors {
    /// By `Class as usize`.
    pub class: [Centibans; Class::ALL.len()],
    pub source: Centibans,
    pub device: Centibans,
    pub card: Centibans,
}

impl Priors {
    pub fn of(&self, kind: Kind, class: Class) -> Centibans {
        match kind {
            Kind::Identity | Kind::Tenant => self.class[class as usize],
            Kind::Source => self.source,
            Kind::Device => self.device,
            Kind::Card => self.card,
        }
    }
}

/// Least evidence of each level.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Borders {
    pub medium: Centibans,
    pub high: Centibans,
    pub critical: Centibans,
}

/// When a verdict is written.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Emit {
    /// The level changed, the evidence rose by 3 dB while at or above medium, or a reminder is due.
    Changes,
    /// Every event at or above medium.
    Floor,
    /// Every event.
    All,
}

/// How much must be seen before novelty says anything.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Learning {
    pub events: u32,
    pub days: u32,
}

/// What the policy says of one signal.
#[derive(Clone, PartialEq, Debug)]
pub struct SignalPolicy {
    pub mode: Mode,
    /// By `Class as usize`; subjects without a class use `Class::Customer`.
    pub by_class: [SignalSettings; Class::ALL.len()],
}

/// The numbers of one signal for one class.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SignalSettings {
    /// At full strength.
    pub weight: Centibans,
    /// A fact, not a likelihood: alone it reaches this level.
    pub at_least: Option<Level>,
    /// In the order of the signal's own list of parameters.
    pub params: [i64; PARAMS_MAX],
}

/// A ladder of actions for those it matches.
#[derive(Clone, PartialEq, Debug)]
pub struct Playbook {
    pub id: String,
    pub mode: Mode,
    pub matches: Match,
    /// By level: medium, high, critical. A level without a line of its own takes the line below it.
    pub medium: Vec<Step>,
    pub high: Vec<Step>,
    pub critical: Vec<Step>,
    /// For lifecycle findings: who is told.
    pub finding: Vec<Step>,
}

impl Playbook {
    pub fn steps(&self, level: Level) -> &[Step] {
        match level {
            Level::Low => &[],
            Level::Medium => &self.medium,
            Level::High => &self.high,
            Level::Critical => &self.critical,
        }
    }
}

/// Whom a playbook is for: every condition that is named must hold.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Match {
    pub class: BTreeSet<Class>,
    pub subject: BTreeSet<Kind>,
    pub list: Option<String>,
    pub label: Option<String>,
    pub role: Option<String>,
    pub privileged: Option<bool>,
    pub criticality_at_least: Option<u8>,
    pub dependents: BTreeSet<Dependents>,
    /// For lifecycle findings of these kinds instead of verdicts.
    pub finding: Option<BTreeSet<FindingKind>>,
}

/// What is known of who depends on an identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dependents {
    Some,
    None,
    Unknown,
}

/// One action of a ladder.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    pub action: Action,
    /// For `step_up`: `reauthenticate`, `mfa`, `device_binding`.
    pub method: Option<String>,
    pub approval_required: bool,
    pub revert_after_ms: Option<i64>,
    /// For `rotate_secret`: how long the old secret stays valid.
    pub grace_ms: Option<i64>,
    /// Only for events of these types; empty: any.
    pub on_types: BTreeSet<EventType>,
}

/// Never contained automatically, always a case.
#[derive(Clone, PartialEq, Debug)]
pub enum Protected {
    Identity(String),
    Class(Class),
    Network(Cidr),
}

/// How many requests of an action may go out by themselves.
#[derive(Clone, PartialEq, Debug)]
pub struct Budget {
    pub action: Action,
    /// `None`: any class, each with a budget of its own.
    pub class: Option<Class>,
    pub per_ms: i64,
    pub at_most: u32,
    /// Share of the tenant's active identities, millionths; the smaller bound counts, never below 1.
    pub share_of_active_ppm: Option<u32>,
}

/// Who has to agree to what.
#[derive(Clone, PartialEq, Debug)]
pub struct Approvals {
    pub required_for: BTreeSet<Action>,
    pub expire_after_ms: i64,
    /// What goes beyond a budget needs two.
    pub two_people_above_budget: bool,
}

/// Too much of the same at once: everything but `keep` waits.
#[derive(Clone, PartialEq, Debug)]
pub struct Breaker {
    pub window_ms: i64,
    /// It takes so many subjects with a proposal within the window: this share of the tenant's active identities, millionths.
    pub share_of_active_ppm: u32,
    /// But never fewer than these.
    pub at_least: u32,
    /// And this share of them for the same leading signal, millionths.
    pub same_leading_signal_ppm: u32,
    pub keep: BTreeSet<Action>,
    pub lasts_ms: i64,
}

/// What is expected of whoever acts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Outcomes {
    /// An outcome is due within this.
    pub deadline_ms: i64,
    /// Where none came, or it was not done, a person is told.
    pub open_case: bool,
}

/// When an incident ends.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Release {
    pub below: Centibans,
    pub after_ms: i64,
    /// How often a timed action is renewed while its incident is open.
    pub renewals: u32,
}

/// How far labels may move the weights of one subject, and for how long.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FeedbackPolicy {
    /// Added to the weight of each signal involved in a false alarm; at most 0.
    pub false_positive: Centibans,
    /// The same where an alarm was right, or money was lost; at least 0.
    pub true_positive: Centibans,
    /// All labels together move a weight no further than this, up or down.
    pub at_most: Centibans,
    /// From the latest label on.
    pub lasts_ms: i64,
    /// A label finds verdicts that are no older.
    pub reach_ms: i64,
}

/// The numbers that hold where a policy says nothing. `engine/policy/default.yaml` is written against them.
impl Policy {
    pub fn built_in() -> Policy {
        let db = Centibans::from_db;
        let mut class = [db(-35); Class::ALL.len()];
        for (c, prior) in [
            (Class::Customer, -35),
            (Class::Workforce, -33),
            (Class::Admin, -30),
            (Class::Support, -30),
            (Class::Service, -35),
            (Class::Agent, -30),
            (Class::Partner, -30),
            (Class::Test, -45),
            (Class::BreakGlass, -20),
        ] {
            class[c as usize] = db(prior);
        }
        let mut half_life_ms = [HOUR_MS; Family::ALL.len()];
        for (family, ms) in [
            (Family::Guessing, 30 * MINUTE_MS),
            (Family::Mfa, 2 * HOUR_MS),
            (Family::Place, 12 * HOUR_MS),
            (Family::Device, 12 * HOUR_MS),
            (Family::Token, 6 * HOUR_MS),
            (Family::Lifecycle, 24 * HOUR_MS),
            (Family::Cadence, 30 * MINUTE_MS),
            (Family::Scope, 6 * HOUR_MS),
            (Family::Privilege, 12 * HOUR_MS),
            (Family::Agent, HOUR_MS),
            (Family::Checkout, 2 * HOUR_MS),
            (Family::Signup, 6 * HOUR_MS),
            (Family::Integrity, 24 * HOUR_MS),
            (Family::Protective, 8 * HOUR_MS),
        ] {
            half_life_ms[family as usize] = ms;
        }
        let mut learning = [Learning { events: 10, days: 3 }; Class::ALL.len()];
        learning[Class::Admin as usize] = Learning { events: 30, days: 7 };
        learning[Class::Service as usize] = Learning { events: 30, days: 7 };
        learning[Class::Partner as usize] = Learning { events: 30, days: 7 };
        learning[Class::Agent as usize] = Learning { events: 30, days: 3 };
        Policy {
            version: "built-in".to_owned(),
            digest: String::new(),
            mode: Mode::Shadow,
            shadow: Shadow { all: true, actions: BTreeSet::new() },
            networks: Networks::default(),
            lists: BTreeMap::new(),
            priors: Priors { class, source: db(-30), device: db(-30), card: db(-30) },
            levels: Borders { medium: db(-10), high: db(0), critical: db(10) },
            emit: Emit::Changes,
            half_life_ms,
            learning,
            signals: signal::ALL.iter().map(|s| s.default_policy()).collect(),
            rules: Rules::default(),
            playbooks: Vec::new(),
            exceptions: Vec::new(),
            protected: Vec::new(),
            budgets: built_in_budgets(),
            approvals: Approvals { required_for: BTreeSet::new(), expire_after_ms: HOUR_MS, two_people_above_budget: true },
            approvers: Vec::new(),
            responders: Vec::new(),
            breaker: Some(Breaker {
                window_ms: 5 * MINUTE_MS,
                share_of_active_ppm: 20_000,
                at_least: 50,
                same_leading_signal_ppm: 600_000,
                keep: BTreeSet::from([Action::StepUp, Action::OpenCase, Action::NotifyOwner]),
                lasts_ms: 30 * MINUTE_MS,
            }),
            outcomes: Outcomes { deadline_ms: 10 * MINUTE_MS, open_case: true },
            act_within_ms: 15 * MINUTE_MS,
            release: Release { below: db(-20), after_ms: 30 * MINUTE_MS, renewals: 3 },
            feedback: FeedbackPolicy {
                false_positive: db(-6),
                true_positive: db(3),
                at_most: db(12),
                lasts_ms: 90 * DAY_MS,
                reach_ms: 120 * DAY_MS,
            },
            is_calibrated: false,
        }
    }
}

/// Every action that a policy names no budget for has one all the same.
fn built_in_budgets() -> Vec<Budget> {
    let at_most = |action, per_ms, at_most| Budget { action, class: None, per_ms, at_most, share_of_active_ppm: None };
    use Action::*;
    vec![
        at_most(DisableAccount, 10 * MINUTE_MS, 10),
        at_most(RotateSecret, HOUR_MS, 10),
        at_most(RevokeToken, 10 * MINUTE_MS, 50),
        at_most(Offboard, DAY_MS, 5),
        at_most(TerminateSession, 10 * MINUTE_MS, 200),
        at_most(TerminatePrivilegedSession, 10 * MINUTE_MS, 50),
        at_most(CheckInCredential, 10 * MINUTE_MS, 50),
        at_most(StepUp, 10 * MINUTE_MS, 1_000),
        at_most(Challenge, 10 * MINUTE_MS, 1_000),
        at_most(ResetPassword, 10 * MINUTE_MS, 50),
        at_most(RemoveFactor, 10 * MINUTE_MS, 20),
        at_most(RevokeConsent, 10 * MINUTE_MS, 50),
        at_most(RevokeGrant, 10 * MINUTE_MS, 50),
        at_most(IsolateWorkload, HOUR_MS, 5),
        at_most(Throttle, 10 * MINUTE_MS, 200),
        at_most(BlockSource, 10 * MINUTE_MS, 100),
        at_most(HoldOrder, 10 * MINUTE_MS, 200),
        at_most(HoldCard, 10 * MINUTE_MS, 100),
    ]
}
