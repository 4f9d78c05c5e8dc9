//! Proposals: which actions of the playbook follow from a verdict, and which were asked for before.

use crate::containment::{Action, Params, Proposal, Target};
use crate::decide::{Ground, allowed_unauthenticated};
use crate::event::{AuthMethod, Class, Event};
use crate::evidence::Sum;
use crate::hash::{Of, hash_parts};
use crate::id::id;
use crate::keyring::Keyring;
use crate::lifecycle::FindingKind;
use crate::policy::{Dependents, Match, Playbook, Policy, Step};
use crate::profile::{Risk, STEPS_MAX, StepTaken};
use crate::record::Output;
use crate::subject::{Kind, SubjectRef};
use crate::target::About;
use crate::time::{HOUR_MS, Span};
use crate::verdict::{Family, IncidentRef, Level, Name, Verdict};

/// How long the old secret lives on where others may depend on it and the playbook says nothing.
const GRACE_MS: i64 = HOUR_MS;

/// Proposes what the playbook of the verdict's level asks for and has not been proposed in this incident at this level.
#[allow(clippy::too_many_arguments)]
pub fn propose(
    ground: &Ground<'_>,
    subject: SubjectRef<'_>,
    risk: &mut Risk,
    keyring: Option<&Keyring>,
    sum: &Sum,
    verdict: &Verdict,
    event: &Event<'_>,
    out: &mut Vec<Output>,
) {
    let Some(mut incident) = risk.incident.take() else { return };
    let about = About { subject, risk, keyring, sum, event };
    if let Some(playbook) = playbook_of(ground.policy, subject, risk) {
        for step in steps(playbook, verdict.level, &about) {
            for target in about.targets(step.action) {
                let Some(count) = next_step(&mut incident.steps, step.action, &target, verdict.level) else { continue };
                let reference = IncidentRef { id: incident.id.clone(), opened_at: incident.opened_at };
                let mut proposal = proposal(ground, &about, verdict, playbook, step, target, reference, count);
                proposal.planted = incident.planted.clone();
                proposal.params = params(ground.policy, step, &about);
                out.push(Output::Proposal(Box::new(proposal)));
            }
        }
    }
    risk.incident = Some(incident);
}

/// Whether `propose` would propose something at this level.
pub fn anything_new(policy: &Policy, about: &About<'_>, level: Level) -> bool {
    let (Some(incident), true) = (&about.risk.incident, level > Level::Low) else { return false };
    let Some(playbook) = playbook_of(policy, about.subject, about.risk) else { return false };
    steps(playbook, level, about).any(|step| {
        about.targets(step.action).iter().any(|target| {
            let hash = target_hash(target);
            let taken = incident.steps.iter().find(|s| s.action == step.action && s.target == hash);
            taken.map_or(incident.steps.len() < STEPS_MAX, |taken| is_next(taken, level))
        })
    })
}

/// The steps of a ladder that this event allows.
fn steps<'p>(playbook: &'p Playbook, level: Level, about: &About<'_>) -> impl Iterator<Item = &'p Step> {
    let (kind, type_, anybody) = (about.subject.kind, about.event.kind, about.sum.only_unauthenticated);
    playbook.steps(level).iter().filter(move |step| {
        (step.on_types.is_empty() || step.on_types.contains(&type_)) && (!anybody || allowed_unauthenticated(kind, step.action))
    })
}

/// The first playbook that matches.
fn playbook_of<'p>(policy: &'p Policy, subject: SubjectRef<'_>, risk: &Risk) -> Option<&'p Playbook> {
    policy.playbooks.iter().find(|p| p.matches.finding.is_none() && matches(&p.matches, policy, subject, risk))
}

/// The first playbook for lifecycle findings that matches the subject and one of the kinds.
pub fn finding_playbook<'p>(policy: &'p Policy, subject: SubjectRef<'_>, risk: &Risk, kinds: &[FindingKind]) -> Option<&'p Playbook> {
    let is_meant = |p: &&Playbook| p.matches.finding.as_ref().is_some_and(|meant| kinds.iter().any(|kind| meant.contains(kind)));
    policy.playbooks.iter().filter(is_meant).find(|p| matches(&p.matches, policy, subject, risk))
}

fn matches(m: &Match, policy: &Policy, subject: SubjectRef<'_>, risk: &Risk) -> bool {
    let class = risk.class.unwrap_or(Class::Customer);
    let context = risk.context.as_deref();
    let is_identity = subject.kind == Kind::Identity;
    let has = |list: fn(&crate::profile::Context) -> &Vec<String>, name: &String| context.is_some_and(|c| list(c).contains(name));
    (m.class.is_empty() || (is_identity && m.class.contains(&class)))
        && (m.subject.is_empty() || m.subject.contains(&subject.kind))
        && m.list.as_ref().is_none_or(|l| policy.lists.get(l).is_some_and(|members| members.contains(subject.id)))
        && m.label.as_ref().is_none_or(|l| has(|c| &c.labels, l))
        && m.role.as_ref().is_none_or(|r| has(|c| &c.roles, r))
        && m.privileged.is_none_or(|p| context.is_some_and(|c| c.privileged) == p)
        && m.criticality_at_least.is_none_or(|n| context.and_then(|c| c.criticality).is_some_and(|c| c >= n))
        && (m.dependents.is_empty() || (is_identity && m.dependents.contains(&dependents(risk))))
}

pub fn dependents(risk: &Risk) -> Dependents {
    match risk.context.as_ref().and_then(|c| c.dependents.as_ref()) {
        None => Dependents::Unknown,
        Some(list) if list.is_empty() => Dependents::None,
        Some(_) => Dependents::Some,
    }
}

/// Which time this action is proposed on this target; `None`: it was proposed at this level already, or never need be again.
fn next_step(steps: &mut Vec<StepTaken>, action: Action, target: &Target, level: Level) -> Option<u32> {
    let hash = target_hash(target);
    if let Some(step) = steps.iter_mut().find(|s| s.action == action && s.target == hash) {
        if !is_next(step, level) {
            return None;
        }
        step.level = level;
        step.count = step.count.saturating_add(1);
        return Some(step.count);
    }
    if steps.len() >= STEPS_MAX {
        return None;
    }
    steps.push(StepTaken { action, target: hash, level, count: 1 });
    Some(1)
}

/// A step is taken again when the level has risen; a notice never is.
fn is_next(step: &StepTaken, level: Level) -> bool {
    level > step.level && !step.action.is_notice()
}

fn target_hash(target: &Target) -> u64 {
    hash_parts(Of::Target, &[target.kind.as_bytes(), target.id.as_bytes()])
}

fn params(policy: &Policy, step: &Step, about: &About<'_>) -> Params {
    let About { subject, risk, sum, event, .. } = *about;
    let mut params = Params::default();
    match step.action {
        Action::StepUp => {
            params.method = Some(step.method.clone().unwrap_or_else(|| "reauthenticate".to_owned()));
            // Never by a method that is under suspicion.
            let is_mfa = |number| policy.speaker(number).is_some_and(|s| s.family() == Family::Mfa);
            let mfa = sum.applied.iter().any(|(i, cb)| *cb > 0 && is_mfa(risk.evidence[*i].signal));
            if mfa {
                params.not = vec!["push".to_owned()];
                let used = event.auth.as_ref().and_then(|auth| auth.method);
                params.not.extend(used.filter(|m| matches!(m, AuthMethod::Totp | AuthMethod::Sms)).map(|m| m.name().to_owned()));
            }
        }
        // Whoever depends on it must be able to take the new one; the gate revokes the old one after that.
        Action::RotateSecret => params.grace = step.grace_ms.or(about.may_be_shared().then_some(GRACE_MS)).map(Span),
        Action::BlockSource => {
            params.cidr = Some(match (subject.kind, subject.id.contains('/')) {
                (Kind::Source, true) => subject.id.to_owned(),
                (Kind::Source, false) => format!("{}/32", subject.id),
                _ => format!("{}/{}", event.ip().unwrap_or(""), if event.ip().is_some_and(|ip| ip.contains(':')) { 128 } else { 32 }),
            });
        }
        Action::HoldOrder => params.order = event.checkout.as_ref().and_then(|c| c.order.as_deref()).map(str::to_owned),
        _ => {}
    }
    params
}

#[allow(clippy::too_many_arguments)]
fn proposal(
    ground: &Ground<'_>,
    about: &About<'_>,
    verdict: &Verdict,
    playbook: &Playbook,
    step: &Step,
    target: Target,
    incident: IncidentRef,
    count: u32,
) -> Proposal {
    let About { subject, risk, event, .. } = *about;
    let context = risk.context.as_deref();
    let leading = verdict.reasons.first();
    let parts: [&[u8]; 6] = [
        &subject.key(),
        step.action.name().as_bytes(),
        target.kind.as_bytes(),
        target.id.as_bytes(),
        incident.id.as_bytes(),
        &count.to_le_bytes(),
    ];
    Proposal {
        id: id("p", &parts),
        bundle: id("b", &[verdict.id.as_bytes()]),
        // Guesses at many identities from one source are one case.
        campaign: leading.filter(|r| r.family == Family::Guessing).and_then(|r| Some(format!("{} from {}", r.signal, event.ip()?))),
        incident,
        verdict_id: verdict.id.clone(),
        time: ground.log_time,
        event_time: event.time,
        tenant: subject.tenant.to_owned(),
        subject: Name::of(subject.kind, subject.id),
        class: verdict.class,
        criticality: context.and_then(|c| c.criticality),
        owner: context.and_then(|c| c.owner.clone()),
        labels: context.map(|c| c.labels.clone()).unwrap_or_default(),
        action: step.action,
        params: Params::default(),
        siblings: about.siblings(step.action, &target),
        seen_from: about.seen_from(step.action, &target),
        target,
        playbook: playbook.id.clone(),
        level: verdict.level,
        leading_signal: leading.map(|r| r.signal.clone()).unwrap_or_default(),
        reason: leading.map_or_else(
            || format!("{} is {}", subject.id, verdict.level),
            |r| format!("{} is {}: {}", subject.id, verdict.level, r.detail),
        ),
        evidence: verdict.reasons.iter().take(5).cloned().collect(),
        dependents: context.and_then(|c| c.dependents.clone()),
        planted: Vec::new(),
        approval_required: step.approval_required || ground.policy.approvals.required_for.contains(&step.action),
        mode: ground.policy.mode_of(step.action, playbook.mode),
        revert_after: step.revert_after_ms.map(Span),
        step: count,
        source_ip: event.ip().map(str::to_owned),
        depends_on: None,
    }
}
