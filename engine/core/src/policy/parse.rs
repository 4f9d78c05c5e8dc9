//! From YAML to [`Policy`], with every fault at once.
//!
//! What a text does not name falls back on [`Policy::built_in`], with two exceptions that are meant to be seen: `version` and `playbooks`
//! are required. A key that is described in `docs/policy.md` but not built yet is a fault, so that nobody believes it to be in force.

mod exceptions;
mod people;
mod playbooks;
mod rules;
mod settings;
mod signals;
mod when;

use super::yaml::{At, Document, Fault, Map};
use super::{Emit, Policy, Shadow};
use crate::containment::Action;
use crate::event::Class;
use crate::named_enum;
use crate::rule::{NoRules, Planner};
use crate::subject::Kind;
use crate::time::Time;
use crate::verdict::Mode;

/// The policy that holds until its operator writes one: `engine/policy/default.yaml`.
pub const DEFAULT_TEXT: &str = include_str!("../../../policy/default.yaml");

/// The longest name of a list, playbook, label, role or version, bytes.
const NAME_BYTES_MAX: usize = 128;
/// The longest id of an identity, bytes.
const ID_BYTES_MAX: usize = 512;

/// Kinds of subject that verdicts are about; a tenant has notices only.
const KINDS: [Kind; 4] = [Kind::Identity, Kind::Source, Kind::Device, Kind::Card];

/// Reads a policy without rules. `name` is the file's name, for the faults.
///
/// # Errors
/// Every fault of the text, in the order of its lines. Rules are one: they would not be asked.
pub fn parse(name: &str, text: &str) -> Result<Policy, Vec<Fault>> {
    parse_with(name, text, &NoRules)
}

/// Reads a policy, and plans its rules.
///
/// # Errors
/// Every fault of the text, in the order of its lines.
pub fn parse_with(name: &str, text: &str, planner: &dyn Planner) -> Result<Policy, Vec<Fault>> {
    read(name, text, planner, None).map(|(policy, _)| policy)
}

/// Reads a policy that is to be put in force at this time, with the warnings that are due then. What is in force already is read by
/// [`parse_with`]: a replay asks no clock.
///
/// # Errors
/// Every fault of the text, in the order of its lines, and what would last too long from then on.
pub fn parse_to_apply(name: &str, text: &str, planner: &dyn Planner, at: Time) -> Result<(Policy, Vec<Fault>), Vec<Fault>> {
    read(name, text, planner, Some(at))
}

fn read(name: &str, text: &str, planner: &dyn Planner, applied_at: Option<Time>) -> Result<(Policy, Vec<Fault>), Vec<Fault>> {
    Document::parse(name, text).read_warned(|at| {
        let map = at.map()?;
        let mut policy = Policy::built_in();
        // Who has written a policy has said what is enforced; the built-in one, which nobody has written, says nothing is.
        policy.shadow = Shadow { all: false, actions: Action::ALL.iter().copied().filter(|a| a.is_disruptive()).collect() };
        policy.digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        if let Some(version) = map.need("version").and_then(|at| at.short_text(NAME_BYTES_MAX)) {
            policy.version = version.to_owned();
        }
        read_switches(&map, &mut policy);
        settings::read(&map, &mut policy);
        people::read(&map, &mut policy);
        signals::read(&map, &mut policy);
        rules::read(&map, &mut policy, planner);
        playbooks::read(&map, &mut policy);
        exceptions::read(&map, &mut policy, applied_at);
        Some(policy)
    })
}

impl Policy {
    /// The policy of [`DEFAULT_TEXT`].
    pub fn default_policy() -> Policy {
        match parse("default.yaml", DEFAULT_TEXT) {
            Ok(policy) => policy,
            Err(faults) => unreachable!("the default policy is compiled in and tested: {faults:?}"),
        }
    }
}

named_enum! {
    pub enum EmitName { Changes = "changes", Floor = "floor", All = "all" }
}

/// What verdicts say of the probability.
const PROBABILITY_NAMES: [&str; 2] = ["uncalibrated", "calibrated"];

fn read_switches(map: &Map<'_>, policy: &mut Policy) {
    if let Some(mode) = map.get("mode").and_then(|at| at.word(Mode::NAMES, Mode::from_name)) {
        policy.mode = mode;
    }
    if let Some(emit) = map.get("emit").and_then(|at| at.word(EmitName::NAMES, EmitName::from_name)) {
        policy.emit = match emit {
            EmitName::Changes => Emit::Changes,
            EmitName::Floor => Emit::Floor,
            EmitName::All => Emit::All,
        };
    }
    if let Some(is) = map.get("probability").and_then(|at| at.word(&PROBABILITY_NAMES, people::of(PROBABILITY_NAMES))) {
        policy.is_calibrated = is;
    }
    if let Some(at) = map.get("shadow") {
        if at.is_word("all") {
            policy.shadow = Shadow { all: true, ..Shadow::default() };
        } else if at.is_map() {
            let Some(shadow) = at.map() else { return };
            policy.shadow = Shadow {
                all: shadow.get("all").and_then(|at| at.bool()).unwrap_or(false),
                actions: shadow.get("actions").map(|at| actions(&at)).unwrap_or_default().into_iter().collect(),
            };
        } else {
            at.fault_with("is neither `all` nor a map", "write `shadow: all` or `shadow: { actions: [disable_account] }`");
        }
    }
}

fn action(at: &At<'_>) -> Option<Action> {
    at.word(Action::NAMES, Action::from_name)
}

fn actions(at: &At<'_>) -> Vec<Action> {
    at.list().unwrap_or_default().iter().filter_map(action).collect()
}

fn class(at: &At<'_>) -> Option<Class> {
    at.word(Class::NAMES, Class::from_name)
}

fn kind(at: &At<'_>) -> Option<Kind> {
    at.word(&KINDS.map(Kind::name), |name| Kind::from_name(name).filter(|k| KINDS.contains(k)))
}

/// The name of a list; a fault where the policy has none of that name.
fn list_name(at: &At<'_>, policy: &Policy) -> Option<String> {
    let name = at.short_text(NAME_BYTES_MAX)?;
    if policy.lists.is_empty() {
        at.fault_with(format!("there is no list {name:?}"), "add it under `lists`");
    } else if !policy.lists.contains_key(name) {
        at.unknown_word(name, &policy.lists.keys().map(String::as_str).collect::<Vec<_>>());
    }
    Some(name.to_owned())
}

#[cfg(test)]
mod tests;
