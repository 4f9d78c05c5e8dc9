//! Proposals: which actions of the playbook follow from a verdict, and on which targets.

use crate::containment::{Action, Params, Proposal, Target};
use crate::decide::{Ground, allowed_unauthenticated};
use crate::event::{Class, Event};
use crate::evidence::Sum;
use crate::hash::{Of, hash_parts};
use crate::id::id;
use crate::policy::{Dependents, Match, Playbook, Policy, Step};
use crate::profile::{Risk, STEPS_MAX, StepTaken};
use crate::record::Output;
use crate::subject::{Kind, SubjectRef};
use crate::time::Span;
use crate::verdict::{Family, IncidentRef, Level, Name, Verdict};

/// Targets that one step may name at once.
const TARGETS_MAX: usize = 8;

/// Proposes what the playbook of the verdict's level asks for and has not been proposed in this incident at this level.
pub fn propose(
    ground: &Ground<'_>,
    subject: SubjectRef<'_>,
    risk: &mut Risk,
    sum: &Sum,
    verdict: &Verdict,
    event: &Event<'_>,
    out: &mut Vec<Output>,
) {
    let Some(mut incident) = risk.incident.take() else { return };
    if let Some(playbook) = playbook_of(ground.policy, subject, risk) {
        for step in steps(playbook, verdict.level, subject, sum, event) {
            for target in targets(step.action, subject, risk, sum, event) {
                let Some(count) = next_step(&mut incident.steps, step.action, &target, verdict.level) else { continue };
                let reference = IncidentRef { id: incident.id.clone(), opened_at: incident.opened_at };
                let mut proposal = proposal(ground, subject, risk, verdict, event, playbook, step, target, reference, count);
                proposal.planted = incident.planted.clone();
                proposal.params = params(ground.policy, step, subject, sum, risk, event);
                out.push(Output::Proposal(Box::new(proposal)));
            }
        }
    }
    risk.incident = Some(incident);
}

/// Whether `propose` would propose something at this level.
pub fn anything_new(policy: &Policy, subject: SubjectRef<'_>, risk: &Risk, sum: &Sum, level: Level, event: &Event<'_>) -> bool {
    let (Some(incident), true) = (&risk.incident, level > Level::Low) else { return false };
    let Some(playbook) = playbook_of(policy, subject, risk) else { return false };
    steps(playbook, level, subject, sum, event).any(|step| {
        targets(step.action, subject, risk, sum, event).iter().any(|target| {
            let hash = target_hash(target);
            let taken = incident.steps.iter().find(|s| s.action == step.action && s.target == hash);
            taken.map_or(incident.steps.len() < STEPS_MAX, |taken| is_next(taken, level))
        })
    })
}

/// The steps of a ladder that this event allows.
fn steps<'p>(
    playbook: &'p Playbook,
    level: Level,
    subject: SubjectRef<'_>,
    sum: &Sum,
    event: &Event<'_>,
) -> impl Iterator<Item = &'p Step> {
    playbook.steps(level).iter().filter(move |step| {
        (step.on_types.is_empty() || step.on_types.contains(&event.kind))
            && (!sum.only_unauthenticated || allowed_unauthenticated(subject.kind, step.action))
    })
}

/// The first playbook that matches.
fn playbook_of<'p>(policy: &'p Policy, subject: SubjectRef<'_>, risk: &Risk) -> Option<&'p Playbook> {
    policy.playbooks.iter().find(|p| matches(&p.matches, policy, subject, risk))
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

fn dependents(risk: &Risk) -> Dependents {
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

/// What the action is done to: the sessions and credentials of the evidence that speaks, not only the account.
fn targets(action: Action, subject: SubjectRef<'_>, risk: &Risk, sum: &Sum, event: &Event<'_>) -> Vec<Target> {
    use Action::*;
    let provider =
        event.provider.as_ref().map(|p| [p.product.as_deref(), p.instance.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" "));
    let named = |kind: &str, id: &str| Target {
        kind: kind.to_owned(),
        id: id.to_owned(),
        provider: provider.clone(),
        native_id: None,
        sub_id: None,
    };
    let account = || {
        let identity = event.identity.as_ref().filter(|i| subject.kind == Kind::Identity && i.id.as_str() == subject.id);
        let native_id = identity.and_then(|i| i.native_id.as_deref()).map(str::to_owned);
        let sub = native_id.as_deref().unwrap_or(subject.id);
        let sub_id = identity
            .and_then(|i| i.issuer.as_deref())
            .map(|iss| serde_json::json!({"format": "iss_sub", "iss": iss, "sub": sub}).to_string());
        Target { native_id, sub_id, ..named("account", subject.id) }
    };
    // What somebody did to an identity was done in a session and from a place of their own.
    let acted_upon = subject.kind == Kind::Identity && event.identity_id() != Some(subject.id);
    let of_evidence = |kind: &str, field: fn(&crate::evidence::Evidence) -> Option<&String>| {
        let mut list: Vec<Target> = Vec::new();
        for (i, cb) in &sum.applied {
            if let Some(id) = field(&risk.evidence[*i]).filter(|_| *cb > 0)
                && list.len() < TARGETS_MAX
                && list.iter().all(|t| t.id != *id)
            {
                list.push(named(kind, id));
            }
        }
        list
    };
    let or_account = |list: Vec<Target>| if list.is_empty() { vec![account()] } else { list };
    let one = |kind: &str, id: Option<&str>| id.map(|id| named(kind, id)).into_iter().collect::<Vec<_>>();
    match action {
        StepUp => match event.session_id().filter(|_| !acted_upon) {
            Some(session) => vec![named("session", session)],
            None => vec![account()],
        },
        TerminateSession => or_account(of_evidence("session", |e| e.session.as_ref())),
        RevokeToken | RotateSecret => or_account(of_evidence("credential", |e| e.credential.as_ref())),
        TerminatePrivilegedSession | CheckInCredential => {
            one("privileged_session", event.privileged.as_ref().and_then(|p| p.session.as_deref()))
        }
        DisableAccount | ResetPassword | RemoveFactor | RevokeConsent | RevokeGrant | Offboard => vec![account()],
        IsolateWorkload | BlockSource if acted_upon => Vec::new(),
        IsolateWorkload => one("workload", event.source.as_ref().and_then(|s| s.workload.as_deref())),
        BlockSource if subject.kind == Kind::Source => vec![named("network", subject.id)],
        BlockSource => one("network", event.ip()),
        HoldOrder => one("order", event.checkout.as_ref().and_then(|c| c.order.as_deref())),
        HoldCard => one("card", event.card()),
        Challenge | Throttle | OpenCase | NotifyOwner => vec![named(subject.kind.name(), subject.id)],
        Release => Vec::new(), // only the gate releases
    }
}

fn params(policy: &Policy, step: &Step, subject: SubjectRef<'_>, sum: &Sum, risk: &Risk, event: &Event<'_>) -> Params {
    let mut params = Params::default();
    match step.action {
        Action::StepUp => {
            params.method = Some(step.method.clone().unwrap_or_else(|| "reauthenticate".to_owned()));
            // Never by a method that is under suspicion.
            let is_mfa = |number| policy.speaker(number).is_some_and(|s| s.family() == Family::Mfa);
            let mfa = sum.applied.iter().any(|(i, cb)| *cb > 0 && is_mfa(risk.evidence[*i].signal));
            if mfa {
                params.not = vec!["push".to_owned()];
            }
        }
        Action::RotateSecret => params.grace = step.grace_ms.map(Span),
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
    subject: SubjectRef<'_>,
    risk: &Risk,
    verdict: &Verdict,
    event: &Event<'_>,
    playbook: &Playbook,
    step: &Step,
    target: Target,
    incident: IncidentRef,
    count: u32,
) -> Proposal {
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
    }
}
