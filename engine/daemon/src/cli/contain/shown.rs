//! Lists of what waits, for a terminal: usable with five thousand of them.

use crate::contain::group::Group;
use crate::live::fit;
use portcullis_core::containment::{ContainmentDecision, DecisionEnd};
use portcullis_core::time::{MINUTE_MS, Span, Time};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A line for each: which, until when, how many people, what on whom, why.
pub fn table(list: &[ContainmentDecision], now: Time) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail, here and below.
    let _ =
        writeln!(text, "{:<34} {:>7} {:<8} {:<9} {:<20} {:<28} {:<22} WHY", "ID", "LEFT", "LEVEL", "CLASS", "ACTION", "TARGET", "CAUSE");
    for d in list {
        let target = d.target.as_ref().map_or(String::new(), |t| format!("{} {}", t.kind, t.id));
        let _ = writeln!(
            text,
            "{:<34} {:>7} {:<8} {:<9} {:<20} {:<28} {:<22} {}",
            fit(d.request.as_deref().unwrap_or(&d.proposal), 34),
            left(d.held_until, now),
            d.level.map_or("-", |l| l.name()),
            d.class.map_or("-", |c| c.name()),
            d.action.name(),
            fit(&target, 28),
            fit(&d.cause, 22),
            fit(&why(d), 90)
        );
    }
    let people: u64 = list.iter().map(|d| u64::from(d.needs)).sum();
    let _ = writeln!(text, "{} in all, {people} agreements wanted", list.len());
    text
}

fn why(d: &ContainmentDecision) -> String {
    match d.end {
        DecisionEnd::HeldBudget | DecisionEnd::HeldBreaker | DecisionEnd::HeldApproval | DecisionEnd::HeldGrace => {
            format!("{}: {}", d.end, d.why)
        }
        _ => d.why.clone(),
    }
}

fn left(until: Option<Time>, now: Time) -> String {
    match until {
        Some(until) => Span((until.since(now) / MINUTE_MS).max(0) * MINUTE_MS).to_string(),
        None => "-".to_owned(),
    }
}

/// A line for each group.
pub fn groups(groups: &[Group], now: Time) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{:>6} {:<40} {:>7} {:<9} ACTIONS, CLASSES, TENANTS", "COUNT", "GROUP", "LEFT", "LEVEL");
    for group in groups {
        let named = |names: &BTreeSet<String>| names.iter().take(4).cloned().collect::<Vec<_>>().join(",");
        let whom = [&group.actions, &group.classes, &group.tenants].map(named).join("  ");
        let worst = group.level.map_or("-", |l| l.name());
        let soonest = left(group.soonest, now);
        let _ = writeln!(text, "{:>6} {:<40} {soonest:>7} {worst:<9} {}", group.count, fit(&group.name, 40), fit(&whom, 100));
    }
    let all: usize = groups.iter().map(|group| group.count).sum();
    let _ = writeln!(text, "{all} in all");
    text
}
