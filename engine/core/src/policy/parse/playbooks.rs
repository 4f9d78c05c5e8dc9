//! Ladders of actions: whom they are for, what they ask, and whether every subject has one that makes sense for it.

use super::settings::span;
use super::{KINDS, NAME_BYTES_MAX, action, class, kind, list_name, when};
use crate::containment::Action;
use crate::event::Class;
use crate::lifecycle::FindingKind;
use crate::policy::yaml::{At, Map};
use crate::policy::{Dependents, Match, Playbook, Policy, Step};
use crate::subject::Kind;
use crate::time::{DAY_MS, MINUTE_MS, SECOND_MS};
use crate::verdict::Mode;
use std::collections::{BTreeMap, BTreeSet};

const DEPENDENTS: [(&str, Dependents); 3] = [("some", Dependents::Some), ("none", Dependents::None), ("unknown", Dependents::Unknown)];
const METHODS: [&str; 3] = ["reauthenticate", "mfa", "device_binding"];

pub(super) fn read(map: &Map<'_>, policy: &mut Policy) {
    let Some(at) = map.need("playbooks") else { return };
    if at.is_word("none") {
        return;
    }
    let Some(items) = at.list() else { return };
    let mut covered = BTreeSet::new();
    let mut ids: BTreeMap<String, u32> = BTreeMap::new();
    // One that cannot be read would make others look missing.
    let mut all_read = true;
    for item in items {
        let Some((playbook, whom)) = read_playbook(&item, policy) else {
            all_read = false;
            continue;
        };
        if let Some(line) = ids.insert(playbook.id.clone(), item.line()) {
            item.fault(format!("a second playbook {:?}, the first is on line {line}", playbook.id));
        }
        if whom.is_subset(&covered) && playbook.matches.finding.is_none() {
            item.fault_with(format!("playbook {:?} is never reached: those before it take all that it matches", playbook.id), "move it up");
        }
        if is_unconditional(&playbook.matches) {
            covered.extend(whom);
        }
        policy.playbooks.push(playbook);
    }
    if all_read {
        let missing: Vec<&str> = Who::all().filter(|w| !covered.contains(w)).map(Who::name).collect();
        if !missing.is_empty() {
            let help = "add playbooks without other conditions for them, or name them in one that is there";
            at.fault_with(format!("not every subject has a playbook, missing are {}", missing.join(", ")), help);
        }
    }
}

/// Whom a playbook can be for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Who {
    Identity(Class),
    Other(Kind),
}

impl Who {
    fn all() -> impl Iterator<Item = Who> {
        let others = KINDS.into_iter().filter(|k| *k != Kind::Identity).map(Who::Other);
        Class::ALL.iter().map(|c| Who::Identity(*c)).chain(others)
    }

    fn kind(self) -> Kind {
        match self {
            Who::Identity(_) => Kind::Identity,
            Who::Other(kind) => kind,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Who::Identity(class) => class.name(),
            Who::Other(kind) => kind.name(),
        }
    }
}

fn read_playbook(item: &At<'_>, policy: &Policy) -> Option<(Playbook, BTreeSet<Who>)> {
    let map = item.map()?;
    let id = map.need("id").and_then(|at| at.short_text(NAME_BYTES_MAX));
    let mode = match map.get("mode") {
        Some(at) => at.word(Mode::NAMES, Mode::from_name),
        None => Some(Mode::Enforce),
    };
    let matches = map.need("match").and_then(|at| read_match(&at, policy));
    let whom: BTreeSet<Who> = matches.as_ref().map(whom).unwrap_or_default();
    let lines = ["medium", "high", "critical"].map(|level| map.get(level));
    let finding = map.get("finding");
    let is_for_findings = matches.as_ref().is_some_and(|m| m.finding.is_some());
    if matches.is_none() {
        // Nothing can be said of its lines.
    } else if is_for_findings {
        for at in lines.iter().flatten() {
            at.fault_with("has a level, and findings have none", "write `finding: [notify_owner]`, and levels in a playbook of their own");
        }
        if finding.is_none() && lines.iter().all(Option::is_none) {
            item.fault_with("has no line `finding`", "write `finding: [notify_owner]`, or `finding: []` if nothing is to be done");
        }
    } else if let Some(at) = &finding {
        at.fault_with("is for findings, and the playbook is for verdicts", "write `match: { finding: any }` in a playbook of its own");
    } else if lines.iter().all(Option::is_none) {
        item.fault_with("has no line for any level", "write `medium: []` if nothing is to be done");
    }
    let finding = finding.map(|at| read_steps(&at, matches.as_ref(), &whom)).unwrap_or_default();
    for step in finding.iter().filter(|step| is_for_findings && !step.action.is_notice()) {
        item.fault_with(format!("{} follows from no finding: a finding is no risk", step.action), "they are notify_owner and open_case");
    }
    let [medium, high, critical] = lines.map(|line| line.map(|at| read_steps(&at, matches.as_ref(), &whom)));
    let medium = medium.unwrap_or_default();
    let high = high.unwrap_or_else(|| medium.clone());
    let critical = critical.unwrap_or_else(|| high.clone());
    let playbook = Playbook { id: id?.to_owned(), mode: mode?, matches: matches?, medium, high, critical, finding };
    Some((playbook, whom))
}

fn read_match(at: &At<'_>, policy: &Policy) -> Option<Match> {
    if at.is_word("any") {
        return Some(Match::default());
    }
    let map = at.map()?;
    let mut m = Match::default();
    let mut clean = true;
    let mut set = |ok: bool| clean &= ok;
    if let Some(at) = map.get("class") {
        for at in at.list_or_one() {
            set(class(&at).map(|c| m.class.insert(c)).is_some());
        }
    }
    if let Some(at) = map.get("subject") {
        for at in at.list_or_one() {
            set(kind(&at).map(|k| m.subject.insert(k)).is_some());
        }
    }
    if let Some(at) = map.get("dependents") {
        for at in at.list_or_one() {
            let names = DEPENDENTS.map(|(name, _)| name);
            let value = at.word(&names, |word| DEPENDENTS.iter().find(|(name, _)| *name == word).map(|(_, d)| *d));
            set(value.map(|d| m.dependents.insert(d)).is_some());
        }
    }
    if let Some(at) = map.get("list") {
        m.list = list_name(&at, policy);
        set(m.list.is_some());
    }
    for (key, slot) in [("label", &mut m.label), ("role", &mut m.role)] {
        if let Some(at) = map.get(key) {
            *slot = at.short_text(NAME_BYTES_MAX).map(str::to_owned);
            set(slot.is_some());
        }
    }
    if let Some(at) = map.get("privileged") {
        m.privileged = at.bool();
        set(m.privileged.is_some());
    }
    if let Some(at) = map.get("criticality_at_least") {
        m.criticality_at_least = at.integer(0..=3).map(|i| i as u8);
        set(m.criticality_at_least.is_some());
    }
    if let Some(at) = map.get("finding") {
        let mut kinds = BTreeSet::new();
        if at.is_word("any") {
            kinds.extend(FindingKind::ALL);
        } else {
            for at in at.list_or_one() {
                set(at.word(FindingKind::NAMES, FindingKind::from_name).map(|kind| kinds.insert(kind)).is_some());
            }
        }
        m.finding = Some(kinds);
    }
    if !clean {
        return None;
    }
    if m == Match::default() {
        at.fault_with("names no condition", "write `match: any` if everything is meant");
        return None;
    }
    if whom(&m).is_empty() {
        at.fault_with("matches nothing: the other conditions are about identities", "take `subject` out");
        return None;
    }
    Some(m)
}

/// Conditions that only an identity can meet.
fn is_about_identities(m: &Match) -> bool {
    let Match { class, label, role, privileged, criticality_at_least, dependents, finding, list: _, subject: _ } = m;
    finding.is_some()
        || !class.is_empty()
        || label.is_some()
        || role.is_some()
        || privileged.is_some()
        || criticality_at_least.is_some()
        || !dependents.is_empty()
}

fn whom(m: &Match) -> BTreeSet<Who> {
    Who::all()
        .filter(|who| match who {
            Who::Identity(class) => {
                (m.subject.is_empty() || m.subject.contains(&Kind::Identity)) && (m.class.is_empty() || m.class.contains(class))
            }
            Who::Other(kind) => !is_about_identities(m) && (m.subject.is_empty() || m.subject.contains(kind)),
        })
        .collect()
}

/// Takes every one of those it is for.
fn is_unconditional(m: &Match) -> bool {
    let Match { class: _, subject: _, list, label, role, privileged, criticality_at_least, dependents, finding } = m;
    let any_dependents = dependents.is_empty() || dependents.len() == DEPENDENTS.len();
    list.is_none()
        && label.is_none()
        && role.is_none()
        && privileged.is_none()
        && matches!(criticality_at_least, None | Some(0))
        && any_dependents
        && finding.is_none()
}

fn read_steps(at: &At<'_>, matches: Option<&Match>, whom: &BTreeSet<Who>) -> Vec<Step> {
    if at.is_null() {
        at.fault_with("is empty", "write [] for nothing, or leave the line out to take the one below it");
        return Vec::new();
    }
    let mut steps: Vec<Step> = Vec::new();
    for item in at.list().unwrap_or_default() {
        let Some(step) = read_step(&item) else { continue };
        check_action(&item, step.action, matches, whom);
        if steps.iter().any(|s| s.action == step.action && (s.on_types == step.on_types || s.on_types.is_empty())) {
            item.fault(format!("{} is in this line twice", step.action));
        }
        steps.push(step);
    }
    steps
}

fn read_step(item: &At<'_>) -> Option<Step> {
    let plain =
        |action| Step { action, method: None, approval_required: false, revert_after_ms: None, grace_ms: None, on_types: BTreeSet::new() };
    if !item.is_map() {
        return action(item).map(plain);
    }
    let map = item.map()?;
    let named = map.need("action").and_then(|at| action(&at));
    let mut step = plain(named.unwrap_or(Action::StepUp));
    // Without an action nothing can be said of what does not go with it.
    let belongs = |at: &At<'_>, ok: bool, why: &str| {
        if let Some(action) = named.filter(|_| !ok) {
            at.fault(format!("{action} {why}"));
        }
    };
    if let Some(at) = map.get("method") {
        belongs(&at, step.action == Action::StepUp, "has no method, step_up has");
        step.method = at.word(&METHODS, |word| METHODS.contains(&word).then(|| word.to_owned()));
    }
    if let Some(at) = map.get("approval") {
        belongs(&at, !step.action.is_notice(), "only tells a person and needs no approval");
        step.approval_required = at.word(&["required", "automatic"], |word| match word {
            "required" => Some(true),
            "automatic" => Some(false),
            _ => None,
        }) == Some(true);
    }
    if let Some(at) = map.get("revert_after") {
        belongs(&at, step.action.is_reversible(), "cannot be taken back");
        step.revert_after_ms = span(&at, MINUTE_MS, 90 * DAY_MS);
    }
    if let Some(at) = map.get("grace") {
        belongs(&at, step.action == Action::RotateSecret, "has no grace, rotate_secret has");
        step.grace_ms = span(&at, SECOND_MS, 30 * DAY_MS);
    }
    if let Some(at) = map.get("when") {
        step.on_types = when::read(&at).unwrap_or_default();
    }
    named?;
    Some(step)
}

/// Kinds of subject that an action can be done to. A device is contained where it comes from.
fn kinds_of(action: Action) -> &'static [Kind] {
    use Action::*;
    match action {
        OpenCase | NotifyOwner => &KINDS,
        StepUp
        | TerminateSession
        | RevokeToken
        | RotateSecret
        | ResetPassword
        | RemoveFactor
        | RevokeConsent
        | RevokeGrant
        | DisableAccount
        | IsolateWorkload
        | TerminatePrivilegedSession
        | CheckInCredential
        | Offboard => &[Kind::Identity],
        Challenge | Throttle => &[Kind::Identity, Kind::Source, Kind::Device],
        BlockSource => &[Kind::Source, Kind::Device],
        HoldOrder => &[Kind::Identity, Kind::Device, Kind::Card],
        HoldCard => &[Kind::Card],
        Release => &[],
    }
}

fn check_action(at: &At<'_>, action: Action, matches: Option<&Match>, whom: &BTreeSet<Who>) {
    if action == Action::Release {
        at.fault_with("release is not a step", "it follows by itself, see `revert_after`");
        return;
    }
    let kinds: BTreeSet<Kind> = whom.iter().map(|w| w.kind()).collect();
    // A list holds ids of any kind; only what is named as the subject is known.
    let named = matches.is_some_and(|m| m.list.is_none() || !m.subject.is_empty() || is_about_identities(m));
    if named && let Some(kind) = kinds.iter().find(|k| !kinds_of(action).contains(k)) {
        let allowed = kinds_of(action).iter().map(|k| k.name()).collect::<Vec<_>>().join(", ");
        at.fault_with(format!("{action} makes no sense for the subject {}", kind.name()), format!("it is for {allowed}"));
    }
    let Some(m) = matches else { return };
    let for_people = matches!(action, Action::StepUp | Action::ResetPassword | Action::RemoveFactor);
    if for_people && let Some(class) = m.class.iter().find(|c| c.is_machine()) {
        at.fault(format!("{action} makes no sense for the class {class}: a machine cannot answer it"));
    }
    if action == Action::IsolateWorkload
        && let Some(class) = m.class.iter().find(|c| !c.is_machine())
    {
        at.fault(format!("{action} makes no sense for the class {class}: it is no workload"));
    }
}
