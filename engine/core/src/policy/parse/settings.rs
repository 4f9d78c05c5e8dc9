//! Networks, lists, priors, levels, memories, budgets: the parts of a policy that are plain numbers and names.

use super::{ID_BYTES_MAX, NAME_BYTES_MAX, action, class};
use crate::event::Class;
use crate::policy::network::Cidr;
use crate::policy::yaml::{At, Map};
use crate::policy::{Budget, Networks, Policy, Protected};
use crate::time::{DAY_MS, MINUTE_MS, SECOND_MS, Span};
use crate::verdict::Family;

pub(super) fn read(map: &Map<'_>, policy: &mut Policy) {
    if let Some(networks) = map.get("networks").and_then(|at| at.map()) {
        for (name, blocks) in each_network(&mut policy.networks) {
            if let Some(at) = networks.get(name) {
                *blocks = cidrs(&at);
            }
        }
    }
    if let Some(lists) = map.get("lists").and_then(|at| at.map()) {
        for (name, at) in lists.entries() {
            let members = at.list().unwrap_or_default();
            let members = members.iter().filter_map(|at| at.short_text(ID_BYTES_MAX)).map(str::to_owned).collect();
            if name.len() > NAME_BYTES_MAX {
                at.fault(format!("a name has {NAME_BYTES_MAX} bytes at most"));
                continue;
            }
            policy.lists.insert(name.to_owned(), members);
        }
    }
    read_priors_and_levels(map, policy);
    if let Some(half_lives) = map.get("half_life").and_then(|at| at.map()) {
        for family in Family::ALL {
            if let Some(span) = half_lives.get(family.name()).and_then(|at| span(&at, MINUTE_MS, 365 * DAY_MS)) {
                policy.half_life_ms[*family as usize] = span;
            }
        }
    }
    if let Some(classes) = map.get("learning").and_then(|at| at.map()) {
        for class in Class::ALL {
            let Some(learning) = classes.get(class.name()).and_then(|at| at.map()) else { continue };
            let slot = &mut policy.learning[*class as usize];
            if let Some(events) = learning.get("events").and_then(|at| at.count(0..=1_000_000)) {
                slot.events = events;
            }
            if let Some(days) = learning.get("days").and_then(|at| at.count(0..=365)) {
                slot.days = days;
            }
        }
    }
    read_protected(map, policy);
    read_budgets(map, policy);
    read_feedback(map, policy);
    if let Some(ms) = map.get("act_within").and_then(|at| span(&at, SECOND_MS, 30 * DAY_MS)) {
        policy.act_within_ms = ms;
    }
}

/// A duration within bounds, milliseconds.
pub(super) fn span(at: &At<'_>, least_ms: i64, most_ms: i64) -> Option<i64> {
    at.span(Span(least_ms)..=Span(most_ms)).map(|s| s.0)
}

fn each_network(networks: &mut Networks) -> [(&'static str, &mut Vec<Cidr>); 4] {
    [("own", &mut networks.own), ("partner", &mut networks.partner), ("scanner", &mut networks.scanner), ("gateway", &mut networks.gateway)]
}

fn cidr(at: &At<'_>) -> Option<Cidr> {
    block(at, "a block of addresses such as 192.0.2.0/24")
}

/// A block that does not hold every address; `wanted` says what may stand there.
pub(super) fn block(at: &At<'_>, wanted: &str) -> Option<Cidr> {
    let cidr = at.parsed(wanted, Cidr::parse)?;
    if cidr.to_string().ends_with("/0") {
        at.fault_with(format!("{cidr} holds every address"), "name the blocks that are meant");
        return None;
    }
    Some(cidr)
}

fn cidrs(at: &At<'_>) -> Vec<Cidr> {
    at.list().unwrap_or_default().iter().filter_map(cidr).collect()
}

fn read_priors_and_levels(map: &Map<'_>, policy: &mut Policy) {
    let levels = map.get("levels_db");
    if let Some(levels) = levels.as_ref().and_then(|at| at.map()) {
        let borders = &mut policy.levels;
        for (name, border) in [("medium", &mut borders.medium), ("high", &mut borders.high), ("critical", &mut borders.critical)] {
            if let Some(db) = levels.get(name).and_then(|at| at.decibans(-60..=100)) {
                *border = db;
            }
        }
        if !(borders.medium < borders.high && borders.high < borders.critical) {
            let (medium, high, critical) = (borders.medium, borders.high, borders.critical);
            levels.at().fault(format!("levels must rise: medium {medium}, high {high}, critical {critical} dB"));
        }
    }
    let medium = policy.levels.medium;
    if let Some(priors) = map.get("prior_db").and_then(|at| at.map()) {
        let below = |at: At<'_>| {
            let db = at.decibans(-100..=0)?;
            if db >= medium {
                at.fault(format!("must be below the level medium ({medium} dB), or every event reaches it"));
            }
            Some(db)
        };
        for class in Class::ALL {
            if let Some(db) = priors.get(class.name()).and_then(below) {
                policy.priors.class[*class as usize] = db;
            }
        }
        let of_kinds = &mut policy.priors;
        for (name, slot) in [("source", &mut of_kinds.source), ("device", &mut of_kinds.device), ("card", &mut of_kinds.card)] {
            if let Some(db) = priors.get(name).and_then(below) {
                *slot = db;
            }
        }
    }
    if let Some(release) = map.get("release").and_then(|at| at.map()) {
        let at = release.get("below_db");
        if let Some(db) = at.as_ref().and_then(|at| at.decibans(-100..=100)) {
            policy.release.below = db;
        }
        if let Some(ms) = release.get("after").and_then(|at| span(&at, SECOND_MS, 30 * DAY_MS)) {
            policy.release.after_ms = ms;
        }
        if let Some(renewals) = release.get("renewals").and_then(|at| at.count(0..=100)) {
            policy.release.renewals = renewals;
        }
        check_release(policy, at.as_ref().unwrap_or(release.at()));
    } else if let Some(at) = levels {
        check_release(policy, &at);
    }
}

/// An incident must not end while its level stands. (Where a prior is above `release.below_db`, `decide` lets it end above the prior.)
fn check_release(policy: &Policy, at: &At<'_>) {
    let below = policy.release.below;
    if below > policy.levels.medium {
        at.fault(format!("an incident would end at {below} dB, above the level medium ({} dB)", policy.levels.medium));
    }
}

fn read_feedback(map: &Map<'_>, policy: &mut Policy) {
    let Some(feedback) = map.get("feedback").and_then(|at| at.map()) else { return };
    let rules = &mut policy.feedback;
    if let Some(db) = feedback.get("false_positive_db").and_then(|at| at.decibans(-20..=0)) {
        rules.false_positive = db;
    }
    if let Some(db) = feedback.get("true_positive_db").and_then(|at| at.decibans(0..=20)) {
        rules.true_positive = db;
    }
    if let Some(db) = feedback.get("at_most_db").and_then(|at| at.decibans(0..=30)) {
        rules.at_most = db;
    }
    if let Some(ms) = feedback.get("lasts").and_then(|at| span(&at, DAY_MS, 365 * DAY_MS)) {
        rules.lasts_ms = ms;
    }
    if let Some(ms) = feedback.get("reach").and_then(|at| span(&at, DAY_MS, 365 * DAY_MS)) {
        rules.reach_ms = ms;
    }
}

fn read_protected(map: &Map<'_>, policy: &mut Policy) {
    let Some(items) = map.get("protected").and_then(|at| at.list()) else { return };
    for item in items {
        let Some(entry) = item.map() else { continue };
        let (identity, of_class, networks) = (entry.get("identity"), entry.get("class"), entry.get("networks"));
        if [&identity, &of_class, &networks].iter().filter(|o| o.is_some()).count() != 1 {
            item.fault_with("names not exactly one of identity, class and networks", "one line for each");
        }
        if let Some(id) = identity.and_then(|at| at.short_text(ID_BYTES_MAX)) {
            policy.protected.push(Protected::Identity(id.to_owned()));
        }
        if let Some(class) = of_class.as_ref().and_then(class) {
            policy.protected.push(Protected::Class(class));
        }
        for at in networks.and_then(|at| at.list()).unwrap_or_default() {
            let named = each_network(&mut policy.networks).into_iter().find(|(name, _)| at.is_word(name)).map(|(_, blocks)| blocks.clone());
            let blocks = match named {
                Some(blocks) => blocks,
                None => block(&at, "own, partner, scanner, gateway or a block such as 192.0.2.0/24").into_iter().collect(),
            };
            policy.protected.extend(blocks.into_iter().map(Protected::Network));
        }
    }
}

/// Those of the policy, a named class before `any`, then the built-in one of every action that has none for `any`: the first match counts.
fn read_budgets(map: &Map<'_>, policy: &mut Policy) {
    let Some(items) = map.get("budgets").and_then(|at| at.list()) else { return };
    let mut budgets: Vec<Budget> = Vec::new();
    for item in items {
        let Some(entry) = item.map() else { continue };
        let action = entry.need("action").and_then(|at| action(&at));
        let of_class = entry.get("class").filter(|at| !at.is_word("any"));
        let of_class_named = of_class.is_some();
        let of_class = of_class.as_ref().and_then(|at| at.word(&[&["any"], Class::NAMES].concat(), Class::from_name));
        let per_ms = entry.need("per").and_then(|at| span(&at, SECOND_MS, 30 * DAY_MS));
        let at_most = entry.need("at_most").and_then(|at| at.count(0..=1_000_000));
        let share_of_active_ppm = entry.get("share_of_active").and_then(|at| share_ppm(&at));
        let (Some(action), Some(per_ms), Some(at_most)) = (action, per_ms, at_most) else { continue };
        if of_class_named && of_class.is_none() {
            continue;
        }
        if action.is_notice() || action == crate::containment::Action::Release {
            item.fault(format!("{action} has no budget, it is never held back"));
        }
        if budgets.iter().any(|b| b.action == action && b.class == of_class) {
            let whom = of_class.map_or("any class", Class::name);
            item.fault(format!("a second budget for {action} of {whom}"));
        }
        budgets.push(Budget { action, class: of_class, per_ms, at_most, share_of_active_ppm });
    }
    budgets.sort_by_key(|b| b.class.is_none());
    let built_in: Vec<Budget> = policy.budgets.drain(..).collect();
    for budget in built_in {
        if !budgets.iter().any(|b| b.action == budget.action && b.class.is_none()) {
            budgets.push(budget);
        }
    }
    policy.budgets = budgets;
}

/// A share above 0 and at most 1, in millionths.
pub(super) fn share_ppm(at: &At<'_>) -> Option<u32> {
    let share = at.number(0.0..=1.0)?;
    let ppm = (share * 1e6).round();
    if ppm < 1.0 || (share * 1e6 - ppm).abs() > 1e-6 {
        at.fault("a share is a multiple of 0.000001 above 0");
        return None;
    }
    Some(ppm as u32)
}
