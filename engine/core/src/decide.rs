//! The third pass: evidence is added, decays, and becomes levels, verdicts and proposals. Timers end levels and incidents.

use crate::containment::Action;
use crate::event::{Class, Event, EventType};
use crate::evidence::{self, Sum};
use crate::exception;
use crate::falls::{Answers, Border, falls_below};
use crate::feedback::{Feedback, Held, Labelled};
use crate::id::id;
use crate::keyring::Keyring;
use crate::lifecycle::Lifecycle;
use crate::observe::{self, Observation};
use crate::policy::{Emit, Policy};
use crate::profile::{Context, Emitted, Incident, PLANTED_MAX, Profile, Risk};
use crate::propose;
use crate::record::{Control, IncidentClosed, Output, Position};
use crate::subject::{Kind, SubjectRef};
use crate::target::About;
use crate::time::{MINUTE_MS, Time};
use crate::verdict::{Actor, Centibans, IncidentRef, Level, LogRef, Name, Probability, Verdict};

/// A rise by this much is worth another verdict.
const RISE: Centibans = Centibans(30);
/// So is this long with more events, while above `low`.
const REMIND_MS: i64 = 30 * MINUTE_MS;
/// A timer that found nothing to do looks again no sooner than this.
const AGAIN_MIN_MS: i64 = MINUTE_MS;

/// The version of the engine that verdicts name.
pub const ENGINE: &str = concat!("portcullis ", env!("CARGO_PKG_VERSION"));

/// Raised whenever any output byte can change; `tests/golden.rs` fails otherwise.
pub const DECISION_VERSION: u32 = 8;

/// Where a decision is made: the policy in force, the log and the place in it.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    pub policy: &'a Policy,
    /// Name of the keyed log.
    pub topic: &'a str,
    pub position: Position,
    /// Running maximum of `position.appended_at` in the partition.
    pub log_time: Time,
}

/// Decides on one observed event of one subject. `Some` where the event is a label: what it came to.
pub fn decide(
    ground: &Ground<'_>,
    subject: SubjectRef<'_>,
    profile: &mut Profile,
    event: &Event<'_>,
    seen: &mut Observation,
    out: &mut Vec<Output>,
) -> Option<Labelled> {
    profile.begin_decide(subject.kind, ground.log_time);
    if seen.repeat {
        return None;
    }
    let risk = &mut profile.risk;
    take_facts(risk, subject.kind, event, seen);
    risk.advance(seen.row.now, ground.log_time);
    if subject.kind == Kind::Identity {
        Keyring::learn(&mut profile.keyring, event, seen.row.class, seen.row.acted_upon, seen.row.now);
        let ring = profile.keyring.as_deref();
        Lifecycle::learn(&mut profile.lifecycle, ring, event, seen.row.acted_upon, risk.clock, ground.log_time);
    }
    let keyring = profile.keyring.as_deref();
    if !(ground.policy.exceptions.is_empty() || seen.spoke.is_empty()) {
        exception::except(ground, subject, risk, event, seen);
    }
    let labelled = follow_labels(ground, subject.kind, risk, event);
    let speaks_against = seen.spoke.iter().any(|s| s.evidence.weight > Centibans::ZERO);
    if !risk.evidence.is_empty() {
        evidence::forget(&mut risk.evidence, ground.policy, risk.clock);
    }
    // The common event: nothing is held against the subject and nothing speaks. What protects is not kept for later, whatever is emitted.
    let nothing = risk.evidence.is_empty() && !speaks_against && risk.incident.is_none();
    if nothing && ground.policy.emit != Emit::All {
        return labelled;
    }
    let policy = ground.policy;
    if !nothing {
        observe::speak_for(policy, event, seen);
    }
    for spoke in seen.spoke.drain(..).filter(|_| !nothing) {
        let mut piece = spoke.evidence;
        piece.at = risk.clock;
        let Some(speaker) = policy.speaker(piece.signal) else { continue };
        if let Some(feedback) = &risk.feedback {
            piece.weight = feedback.weigh(policy, piece.signal, seen.row.class, piece.weight);
        }
        let half_life_ms = policy.half_life_ms[speaker.family() as usize];
        piece.floor = spoke.at_least.map(|level| (level, risk.clock.plus(half_life_ms)));
        evidence::add(&mut risk.evidence, policy, risk.clock, piece);
    }
    risk.folded = risk.folded.saturating_add(1);
    let prior = policy.priors.of(subject.kind, seen.row.class);
    let sum = evidence::sum(&risk.evidence, policy, prior, risk.clock);
    let level = evidence::level(&sum, policy);
    if level > Level::Low && risk.incident.is_none() {
        risk.incident = Some(Box::new(Incident {
            id: id("i", &[&subject.key(), &ground.position.partition.to_le_bytes(), &ground.position.offset.to_le_bytes()]),
            opened_at: ground.log_time,
            below_since: None,
            steps: Vec::new(),
            planted: Vec::new(),
            ends: Answers::default(),
        }));
    }
    if level > Level::Low {
        Feedback::spoke(&mut risk.feedback, &risk.evidence, &sum, risk.clock);
    }
    if !seen.row.acted_upon {
        remember_planted(risk, event);
    }
    // What is asked never depends on what is emitted: a second session of the same thief is worth a verdict too.
    if is_due(policy.emit, risk, &sum, level, ground.log_time)
        || propose::anything_new(policy, &About { subject, risk, keyring, sum: &sum, event }, level)
    {
        let mut verdict = verdict(ground, subject, risk, &sum, prior, level, Some(event), std::mem::take(&mut seen.errors));
        let against = verdict.reasons.partition_point(|r| r.db > 0.0);
        verdict.reasons.splice(against..against, seen.aside.drain(..));
        verdict.actor.automation = f64::from(seen.row.rhythm.automation_permille()) / 1_000.0;
        if level > Level::Low {
            Feedback::judged(&mut risk.feedback, &verdict, &risk.evidence, &sum, risk.clock);
            propose::propose(ground, subject, risk, keyring, &sum, &verdict, event, out);
        }
        // A proposal names its verdict, so the verdict stands before it.
        out.insert(out.len() - proposals_at_end(out, &verdict.id), Output::Verdict(Box::new(verdict)));
        remember_emitted(risk, &sum, level, ground.log_time);
    }
    settle(ground, risk, prior, &sum);
    labelled
}

fn proposals_at_end(out: &[Output], verdict_id: &str) -> usize {
    out.iter().rev().take_while(|o| matches!(o, Output::Proposal(p) if p.verdict_id == verdict_id)).count()
}

/// Decides on a subject whose timer is due. `ground.log_time` is the due time.
pub fn fire(ground: &Ground<'_>, subject: SubjectRef<'_>, profile: &mut Profile, out: &mut Vec<Output>) {
    let risk = &mut profile.risk;
    if let Some(lifecycle) = profile.lifecycle.as_mut().filter(|l| l.due.is_some_and(|due| due <= ground.log_time)) {
        let clock = risk.clock_at(ground.log_time);
        lifecycle.look(ground, subject, risk, profile.keyring.as_deref(), clock, out);
    }
    if risk.due.take_if(|due| *due <= ground.log_time).is_none() {
        return;
    }
    let clock = risk.clock_at(ground.log_time);
    risk.advance(clock, ground.log_time);
    let policy = ground.policy;
    forget_labels(ground, subject.kind, risk);
    let prior = policy.priors.of(subject.kind, risk.class.unwrap_or(Class::Customer));
    let sum = evidence::sum(&risk.evidence, policy, prior, risk.clock);
    // Between events a level only falls: what rises because protective evidence decays waits for the next event.
    let level = evidence::level(&sum, policy).min(risk.level);
    if level < risk.level {
        let verdict = verdict(ground, subject, risk, &sum, prior, level, None, Vec::new());
        if level > Level::Low {
            Feedback::judged(&mut risk.feedback, &verdict, &risk.evidence, &sum, risk.clock);
        }
        out.push(Output::Verdict(Box::new(verdict)));
        remember_emitted(risk, &sum, level, ground.log_time);
    }
    if let Some(incident) = &mut risk.incident {
        if sum.total < release_border(policy, prior) && level == Level::Low {
            let since = *incident.below_since.get_or_insert(risk.clock);
            if risk.clock.since(since) >= policy.release.after_ms {
                let closed = IncidentClosed { tenant: subject.tenant.to_owned(), incident: incident.id.clone(), at: ground.log_time };
                out.push(Output::ToGate(Control::IncidentClosed(closed)));
                risk.incident = None;
                risk.emitted = None;
                risk.folded = 0;
            }
        } else {
            incident.below_since = None;
        }
    }
    settle(ground, risk, prior, &sum);
}

/// Lets go of labels that have expired, and takes one in where the event is one.
fn follow_labels(ground: &Ground<'_>, kind: Kind, risk: &mut Risk, event: &Event<'_>) -> Option<Labelled> {
    forget_labels(ground, kind, risk);
    let (EventType::FeedbackLabel, Some(label)) = (event.kind, &event.feedback) else { return None };
    let mut held = Held { evidence: &mut risk.evidence, kind, class: risk.class.unwrap_or(Class::Customer) };
    Some(Feedback::label(&mut risk.feedback, ground.policy, label, &mut held, risk.clock, ground.log_time))
}

fn forget_labels(ground: &Ground<'_>, kind: Kind, risk: &mut Risk) {
    if risk.feedback.is_some() {
        let mut held = Held { evidence: &mut risk.evidence, kind, class: risk.class.unwrap_or(Class::Customer) };
        Feedback::expire(&mut risk.feedback, ground.policy, &mut held, ground.log_time);
    }
}

/// What the event says of the subject that decisions need.
fn take_facts(risk: &mut Risk, kind: Kind, event: &Event<'_>, seen: &Observation) {
    if kind == Kind::Identity {
        risk.class = Some(seen.row.class);
        if !seen.row.acted_upon {
            risk.learning = seen.row.learning;
        }
    }
    if let (EventType::InventoryIdentity, Some(inventory)) = (event.kind, &event.inventory) {
        risk.context = Some(Box::new(Context::from_inventory(inventory)));
    }
}

/// What the subject creates while it is above `low`, or the attacker comes back with it.
fn remember_planted(risk: &mut Risk, event: &Event<'_>) {
    let Some(incident) = &mut risk.incident else { return };
    let kind = match event.kind {
        EventType::CredentialCreate => "credential",
        EventType::PrivilegeGrant => "grant",
        EventType::ConsentGrant => "consent",
        EventType::AccountCreate => "account",
        EventType::AccountUpdate => "change",
        _ => return,
    };
    let change = event.change.as_deref();
    let named = [event.credential_id(), change.and_then(|c| c.target.as_deref()), change.and_then(|c| c.value.as_deref())];
    if let Some(id) = named.into_iter().flatten().next()
        && incident.planted.len() < PLANTED_MAX
    {
        let planted = Name { kind: kind.to_owned(), id: id.to_owned() };
        if !incident.planted.contains(&planted) {
            incident.planted.push(planted);
        }
    }
}

/// Whether this event is worth a verdict.
fn is_due(emit: Emit, risk: &Risk, sum: &Sum, level: Level, log_time: Time) -> bool {
    match emit {
        Emit::All => true,
        Emit::Floor => level >= Level::Medium || level != risk.level,
        Emit::Changes => {
            let (rose, reminded) = match risk.emitted {
                Some(last) => (sum.total.0 - last.evidence.0 >= RISE.0, log_time.since(last.at) >= REMIND_MS),
                None => (true, true),
            };
            level != risk.level || (level >= Level::Medium && (rose || reminded))
        }
    }
}

/// Below this an incident may end: what the policy says, or 5 dB above a prior that is no lower than that.
fn release_border(policy: &Policy, prior: Centibans) -> Centibans {
    policy.release.below.max(Centibans(prior.0 + 50)).min(policy.levels.medium)
}

fn remember_emitted(risk: &mut Risk, sum: &Sum, level: Level, log_time: Time) {
    risk.level = level;
    risk.folded = 0;
    risk.emitted = Some(Emitted { evidence: sum.total, at: log_time });
}

/// Sets the timer: when the level falls, when the incident may end.
fn settle(ground: &Ground<'_>, risk: &mut Risk, prior: Centibans, sum: &Sum) {
    let policy = ground.policy;
    let Some(incident) = &mut risk.incident else {
        risk.due = None;
        return;
    };
    let border = match risk.level {
        Level::Low => Some(Border::of_total(release_border(policy, prior))).filter(|_| sum.total >= release_border(policy, prior)),
        level => Border::of_level(policy, level),
    };
    let clock_due = match border {
        Some(border) => {
            incident.below_since = None;
            falls_below(&risk.evidence, policy, prior, (risk.clock, sum), border, &mut incident.ends)
        }
        None => Some(incident.below_since.get_or_insert(risk.clock).plus(policy.release.after_ms)),
    };
    let due = clock_due.map_or(Time(0), |clock| risk.log_time_of(clock));
    risk.due = Some(due.max(ground.log_time.plus(AGAIN_MIN_MS)));
}

#[allow(clippy::too_many_arguments)]
fn verdict(
    ground: &Ground<'_>,
    subject: SubjectRef<'_>,
    risk: &mut Risk,
    sum: &Sum,
    prior: Centibans,
    level: Level,
    event: Option<&Event<'_>>,
    errors: Vec<String>,
) -> Verdict {
    let (policy, position) = (ground.policy, ground.position);
    let mut reasons = evidence::reasons(&risk.evidence, policy, sum);
    if let Some(feedback) = &risk.feedback {
        feedback.say(policy, risk.class.unwrap_or(Class::Customer), &mut reasons);
    }
    let due = if event.is_some() { 0 } else { ground.log_time.0 };
    let valid_until = match (level, &mut risk.incident, Border::of_level(policy, Level::Medium)) {
        (Level::Low, ..) | (_, None, _) | (_, _, None) => None,
        (_, Some(incident), Some(border)) => falls_below(&risk.evidence, policy, prior, (risk.clock, sum), border, &mut incident.ends),
    };
    Verdict {
        id: id(
            "v",
            &[
                &subject.key(),
                ground.topic.as_bytes(),
                &position.partition.to_le_bytes(),
                &position.offset.to_le_bytes(),
                &due.to_le_bytes(),
            ],
        ),
        time: event.map_or(risk.clock, |e| e.time),
        appended_at: ground.log_time,
        valid_until,
        tenant: subject.tenant.to_owned(),
        subject: Name::of(subject.kind, subject.id),
        class: if subject.kind == Kind::Identity { risk.class } else { None },
        incident: risk.incident.as_ref().map(|i| IncidentRef { id: i.id.clone(), opened_at: i.opened_at }),
        event_id: event.map(|e| e.id.as_str().to_owned()),
        event_type: event.map(|e| e.kind),
        score: sum.total.score(),
        evidence_db: sum.total.db(),
        prior_db: prior.db(),
        probability: if policy.is_calibrated { Probability::Calibrated(sum.total.probability()) } else { Probability::Uncalibrated },
        level,
        previous_level: risk.level,
        learning: risk.learning && subject.kind == Kind::Identity,
        actor: Actor::default(),
        reasons,
        floor: sum
            .floor
            .filter(|(l, _)| *l == level && policy.level_of(sum.total) < level)
            .and_then(|(_, i)| policy.speaker(risk.evidence[i].signal).map(|s| s.name().to_owned())),
        errors,
        folded: risk.folded,
        mode: policy.mode,
        policy: policy.reference(),
        log: LogRef { topic: ground.topic.to_owned(), partition: position.partition, offset: position.offset },
        engine: ENGINE.to_owned(),
    }
}

/// True for what may follow from evidence that anybody can cause without a credential.
pub fn allowed_unauthenticated(kind: Kind, action: Action) -> bool {
    kind != Kind::Identity || action.is_notice() || matches!(action, Action::StepUp | Action::Challenge)
}
