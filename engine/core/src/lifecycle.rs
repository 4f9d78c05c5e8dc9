//! Lifecycle findings: how an identity and its keys are kept, whatever they do. They stand beside the risk level, because a key that is never
//! used makes no event: a timer looks, at most once a UTC day, and what it finds is said together.
//!
//! Sources: OWASP Non-Human Identities Top 10 (2025), NHI1 Improper Offboarding and NHI7 Long-Lived Secrets; CIS Controls v8.1, 5.3 (dormant
//! accounts).

use crate::containment::{Action, Params, Proposal, Target};
use crate::decide::{ENGINE, Ground};
use crate::event::{Class, Event, EventType, IdentityStatus};
use crate::hash::{Of, hash_parts};
use crate::id::id;
use crate::keyring::{self, Keyring};
use crate::named_enum;
use crate::profile::{Context, Risk};
use crate::propose::finding_playbook;
use crate::record::Output;
use crate::subject::SubjectRef;
use crate::time::{DAY_MS, Time};
use crate::verdict::{IncidentRef, Level, Name, PolicyRef};
use serde::{Deserialize, Serialize};

/// Not used for longer: nobody may need it any more.
const UNUSED_MS: i64 = 90 * DAY_MS;
/// What stands is said again after this long.
const AGAIN_MS: i64 = 30 * DAY_MS;
/// Findings of one identity that are remembered as told. It has at most six keys.
const TOLD_MAX: usize = 16;

named_enum! {
    /// What can be wrong with how an identity is kept.
    pub enum FindingKind {
        /// A key is older than the inventory allows (`max_token_age`).
        TooOld = "too_old",
        /// A key was not rotated when it was due (`rotate_every`).
        RotationOverdue = "rotation_overdue",
        /// A key, or a machine of the inventory, was not used for 90 days.
        Unused = "unused",
        /// A machine of the inventory has no owner.
        NoOwner = "no_owner",
        /// The owner, or somebody who delegated to it, is offboarded.
        Orphaned = "orphaned",
    }
}

impl FindingKind {
    /// OWASP Non-Human Identities Top 10, 2025.
    pub const fn nhi(self) -> &'static str {
        match self {
            FindingKind::TooOld | FindingKind::RotationOverdue => "NHI7",
            FindingKind::Unused | FindingKind::NoOwner | FindingKind::Orphaned => "NHI1",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    pub kind: FindingKind,
    /// The key, or the identity itself.
    pub target: Name,
    /// Since when, by the subject's clock.
    pub since: Time,
    /// One sentence a person can act on.
    pub detail: String,
}

/// What was found of one identity on one day.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LifecycleFinding {
    /// Deterministic: subject and day.
    pub id: String,
    /// Log time.
    pub time: Time,
    pub tenant: String,
    pub subject: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criticality: Option<u8>,
    pub found: Vec<Found>,
    pub policy: PolicyRef,
    pub engine: String,
}

/// What an identity's findings follow from, beside its keyring.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Lifecycle {
    declared: Option<Declared>,
    /// Last accepted activity of its own, hours since 1970; 0: none was seen.
    last: u32,
    /// Hash of what was told, and the log time.
    told: Vec<(u64, Time)>,
    /// When to look, log time.
    pub due: Option<Time>,
}

/// What the inventory says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Declared {
    max_token_age_ms: Option<i64>,
    rotate_every_ms: Option<i64>,
    is_owned: bool,
    is_orphaned: bool,
    is_offboarded: bool,
    /// When it was heard first, the subject's clock.
    at: Time,
}

impl Lifecycle {
    /// Learns from an event about this identity. `clock` is the subject's.
    pub fn learn(
        lifecycle: &mut Option<Box<Lifecycle>>,
        keyring: Option<&Keyring>,
        event: &Event<'_>,
        acted_upon: bool,
        clock: Time,
        log_time: Time,
    ) {
        if let (EventType::InventoryIdentity, Some(inventory)) = (event.kind, &event.inventory) {
            let known = lifecycle.get_or_insert_default();
            known.declared = Some(Declared {
                max_token_age_ms: inventory.max_token_age.map(|s| s.0),
                rotate_every_ms: inventory.rotate_every.map(|s| s.0),
                is_owned: inventory.owner.is_some(),
                is_orphaned: event.stamp.as_ref().is_some_and(|stamp| stamp.principal_gone),
                is_offboarded: inventory.status == Some(IdentityStatus::Offboarded),
                at: known.declared.as_ref().map_or(clock, |before| before.at),
            });
            known.due = Some(next_day(log_time));
            return;
        }
        if acted_upon || event.kind.is_control() || !event.accepted() {
            return;
        }
        let hour = keyring::hour(clock);
        match lifecycle {
            Some(known) => known.last = known.last.max(hour),
            None if keyring.is_some_and(|ring| ring.keys().next().is_some()) => {
                *lifecycle = Some(Box::new(Lifecycle { last: hour, due: Some(next_day(log_time)), ..Lifecycle::default() }));
            }
            None => {}
        }
    }

    /// Looks, and says what is new or was not said for long. `clock` is the subject's at the ground's log time.
    pub fn look(
        &mut self,
        ground: &Ground<'_>,
        subject: SubjectRef<'_>,
        risk: &Risk,
        keyring: Option<&Keyring>,
        clock: Time,
        out: &mut Vec<Output>,
    ) {
        let found = self.find(subject, risk.class, keyring, clock);
        let hashes: Vec<u64> = found.iter().map(hash_of).collect();
        self.told.retain(|(hash, _)| hashes.contains(hash));
        let mut news = Vec::new();
        for (one, hash) in found.into_iter().zip(&hashes) {
            let told = self.told.iter().find(|(known, _)| known == hash).map(|(_, at)| *at);
            let is_new = match told {
                Some(at) => ground.log_time.since(at) >= AGAIN_MS,
                None => self.told.len() < TOLD_MAX,
            };
            if is_new {
                self.told.retain(|(known, _)| known != hash);
                self.told.push((*hash, ground.log_time));
                news.push(one);
            }
        }
        if !news.is_empty() {
            say(ground, subject, risk, news, out);
        }
        let again = self.told.iter().map(|(_, at)| at.plus(AGAIN_MS));
        let due = self.next(keyring, clock).map(|at| ground.log_time.plus(at.since(clock))).into_iter().chain(again).min();
        self.due = due.map(|at| next_day(at.max(ground.log_time)));
    }

    fn is_offboarded(&self) -> bool {
        self.declared.as_ref().is_some_and(|d| d.is_offboarded)
    }

    /// Everything that is wrong.
    fn find(&self, subject: SubjectRef<'_>, class: Option<Class>, keyring: Option<&Keyring>, clock: Time) -> Vec<Found> {
        let mut found = Vec::new();
        // What it still does is risk, and no matter of how it is kept.
        if self.is_offboarded() {
            return found;
        }
        let mut add = |kind, target: (&str, &str), since: Time, detail: String| {
            found.push(Found { kind, target: Name { kind: target.0.to_owned(), id: target.1.to_owned() }, since, detail });
        };
        let own = (subject.kind.name(), subject.id);
        let days = |ms: i64| ms / DAY_MS;
        for key in keyring.into_iter().flat_map(Keyring::keys) {
            let (age_ms, idle_ms, target) = (clock.since(key.made), clock.since(key.last), ("credential", key.id));
            let overdue = |limit: Option<i64>| limit.filter(|limit| age_ms > *limit);
            if let Some(limit) = overdue(self.max_token_age_ms()) {
                let detail = format!("{} is {} days old, the inventory allows {}", key.id, days(age_ms), days(limit));
                add(FindingKind::TooOld, target, key.made.plus(limit), detail);
            } else if let Some(limit) = overdue(self.rotate_every_ms()) {
                let detail = format!("{} was to be rotated every {} days and is {} old", key.id, days(limit), days(age_ms));
                add(FindingKind::RotationOverdue, target, key.made.plus(limit), detail);
            }
            if idle_ms > UNUSED_MS {
                let detail = format!("{} was not used for {} days: does anybody need it?", key.id, days(idle_ms));
                add(FindingKind::Unused, target, key.last, detail);
            }
        }
        let Some(declared) = self.declared.as_ref().filter(|_| class.is_some_and(Class::is_machine)) else { return found };
        let last = self.last_seen(declared);
        if keyring.is_none_or(|ring| ring.keys().next().is_none()) && clock.since(last) > UNUSED_MS {
            let detail = format!("{} was not seen for {} days: does anybody need it?", subject.id, days(clock.since(last)));
            add(FindingKind::Unused, own, last, detail);
        }
        if !declared.is_owned {
            let detail = format!("the inventory names no owner of {}", subject.id);
            add(FindingKind::NoOwner, own, declared.at, detail);
        }
        if declared.is_orphaned {
            let detail = format!("the owner of {}, or somebody who delegated to it, is offboarded", subject.id);
            add(FindingKind::Orphaned, own, declared.at, detail);
        }
        found
    }

    /// When something may be found that is not yet, by the subject's clock.
    fn next(&self, keyring: Option<&Keyring>, clock: Time) -> Option<Time> {
        if self.is_offboarded() {
            return None;
        }
        let of_keys = keyring.into_iter().flat_map(Keyring::keys).flat_map(|key| {
            let limits = [self.max_token_age_ms(), self.rotate_every_ms()].into_iter().flatten();
            limits.map(move |limit| key.made.plus(limit)).chain([key.last.plus(UNUSED_MS)])
        });
        let own = self.declared.as_ref().map(|declared| self.last_seen(declared).plus(UNUSED_MS));
        of_keys.chain(own).filter(|at| *at >= clock).min()
    }

    fn last_seen(&self, declared: &Declared) -> Time {
        keyring::time(self.last).max(declared.at)
    }

    fn max_token_age_ms(&self) -> Option<i64> {
        self.declared.as_ref().and_then(|d| d.max_token_age_ms)
    }

    fn rotate_every_ms(&self) -> Option<i64> {
        self.declared.as_ref().and_then(|d| d.rotate_every_ms)
    }

    /// Estimate of the memory it takes, bytes.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Lifecycle>() + self.told.capacity() * size_of::<(u64, Time)>()
    }
}

fn hash_of(found: &Found) -> u64 {
    hash_parts(Of::Target, &[found.kind.name().as_bytes(), found.target.kind.as_bytes(), found.target.id.as_bytes()])
}

/// The beginning of the UTC day after this one.
fn next_day(t: Time) -> Time {
    Time((t.0.div_euclid(DAY_MS) + 1) * DAY_MS)
}

/// The finding, and what the playbook for it asks for.
fn say(ground: &Ground<'_>, subject: SubjectRef<'_>, risk: &Risk, found: Vec<Found>, out: &mut Vec<Output>) {
    let context = risk.context.as_deref();
    let day = ground.log_time.0.div_euclid(DAY_MS);
    let finding = LifecycleFinding {
        id: id("f", &[&subject.key(), &day.to_le_bytes()]),
        time: ground.log_time,
        tenant: subject.tenant.to_owned(),
        subject: Name::of(subject.kind, subject.id),
        class: risk.class,
        owner: context.and_then(|c| c.owner.clone()),
        criticality: context.and_then(|c| c.criticality),
        found,
        policy: ground.policy.reference(),
        engine: ENGINE.to_owned(),
    };
    let proposals = proposals(ground, subject, risk, context, &finding);
    out.push(Output::Finding(Box::new(finding)));
    out.extend(proposals.into_iter().map(|proposal| Output::Proposal(Box::new(proposal))));
}

fn proposals(
    ground: &Ground<'_>,
    subject: SubjectRef<'_>,
    risk: &Risk,
    context: Option<&Context>,
    finding: &LifecycleFinding,
) -> Vec<Proposal> {
    let kinds: Vec<FindingKind> = finding.found.iter().map(|f| f.kind).collect();
    let Some(playbook) = finding_playbook(ground.policy, subject, risk, &kinds) else { return Vec::new() };
    let is_wanted = |found: &&Found| playbook.matches.finding.as_ref().is_some_and(|kinds| kinds.contains(&found.kind));
    let told: Vec<&Found> = finding.found.iter().filter(is_wanted).collect();
    let text = told.iter().map(|f| f.detail.as_str()).collect::<Vec<_>>().join("; ");
    let propose = |action: Action| Proposal {
        id: id("p", &[finding.id.as_bytes(), action.name().as_bytes()]),
        bundle: id("b", &[finding.id.as_bytes()]),
        incident: IncidentRef { id: finding.id.clone(), opened_at: ground.log_time },
        // An owner of three hundred gets one notice a day, and not three hundred.
        campaign: Some(format!(
            "lifecycle of {} on day {}",
            finding.owner.as_deref().unwrap_or("nobody"),
            ground.log_time.0.div_euclid(DAY_MS)
        )),
        verdict_id: finding.id.clone(),
        time: ground.log_time,
        event_time: ground.log_time,
        tenant: finding.tenant.clone(),
        subject: finding.subject.clone(),
        class: finding.class,
        criticality: finding.criticality,
        owner: finding.owner.clone(),
        labels: context.map(|c| c.labels.clone()).unwrap_or_default(),
        action,
        params: Params { text: Some(text.clone()), ..Params::default() },
        target: Target { kind: finding.subject.kind.clone(), id: finding.subject.id.clone(), ..Target::default() },
        playbook: playbook.id.clone(),
        level: Level::Low,
        leading_signal: told.first().map(|f| f.kind.name().to_owned()).unwrap_or_default(),
        reason: text.clone(),
        evidence: Vec::new(),
        dependents: context.and_then(|c| c.dependents.clone()),
        planted: Vec::new(),
        approval_required: false,
        mode: ground.policy.mode_of(action, playbook.mode),
        revert_after: None,
        step: 1,
        source_ip: None,
        siblings: Vec::new(),
        seen_from: Vec::new(),
        depends_on: None,
    };
    playbook.finding.iter().map(|step| propose(step.action)).collect()
}
