//! Lists of what waits, for a terminal: usable with five thousand of them.

use crate::live::fit;
use portcullis_core::containment::{ContainmentDecision, DecisionEnd, Proposal};
use portcullis_core::time::{MINUTE_MS, Span, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What the things of a line have in common.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Group {
    Cause,
    Action,
    Class,
    Tenant,
}

impl Group {
    fn of(self, d: &ContainmentDecision) -> String {
        match self {
            Group::Cause => d.cause.clone(),
            Group::Action => d.action.to_string(),
            Group::Class => d.class.map_or("-", |c| c.name()).to_owned(),
            Group::Tenant => d.tenant.clone(),
        }
    }
}

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
            left(d, now),
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

fn left(d: &ContainmentDecision, now: Time) -> String {
    match d.held_until {
        Some(until) => Span((until.since(now) / MINUTE_MS).max(0) * MINUTE_MS).to_string(),
        None => "-".to_owned(),
    }
}

/// A line for each group, the largest first.
pub fn groups(list: &[ContainmentDecision], group: Group, now: Time) -> String {
    let mut by: BTreeMap<String, Vec<&ContainmentDecision>> = BTreeMap::new();
    list.iter().for_each(|d| by.entry(group.of(d)).or_default().push(d));
    let mut lines: Vec<_> = by.into_iter().collect();
    lines.sort_by(|a, b| (b.1.len(), &a.0).cmp(&(a.1.len(), &b.0)));
    let mut text = String::new();
    let _ = writeln!(text, "{:>6} {:<40} {:>7} {:<9} ACTIONS, CLASSES, TENANTS", "COUNT", "GROUP", "LEFT", "LEVEL");
    for (name, of) in lines {
        let set = |f: &dyn Fn(&ContainmentDecision) -> String| of.iter().map(|d| f(d)).collect::<BTreeSet<_>>();
        let named = |set: BTreeSet<String>| set.into_iter().take(4).collect::<Vec<_>>().join(",");
        let soonest = of.iter().min_by_key(|d| d.held_until).map_or("-".to_owned(), |d| left(d, now));
        let worst = of.iter().filter_map(|d| d.level).max().map_or("-", |l| l.name());
        let whom = [
            named(set(&|d| d.action.to_string())),
            named(set(&|d| d.class.map_or("-", |c| c.name()).to_owned())),
            named(set(&|d| d.tenant.clone())),
        ]
        .join("  ");
        let _ = writeln!(text, "{:>6} {:<40} {soonest:>7} {worst:<9} {}", of.len(), fit(&name, 40), fit(&whom, 100));
    }
    let _ = writeln!(text, "{} in all", list.len());
    text
}

/// Everything about one of them.
pub fn one(decisions: &[ContainmentDecision], proposal: Option<&Proposal>) -> String {
    let mut text = String::new();
    let Some(last) = decisions.last() else { return text };
    let target = last.target.as_ref();
    let _ = writeln!(
        text,
        "{}  {} on {}",
        last.proposal,
        last.action,
        target.map_or(String::new(), |t| fit(&format!("{} {}", t.kind, t.id), 100))
    );
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<12}{}", fit(&value, 400));
        }
    };
    line("subject", format!("{} {} of {}", last.subject.kind, last.subject.id, last.tenant));
    line("class", last.class.map_or(String::new(), |c| c.to_string()));
    line("level", last.level.map_or(String::new(), |l| l.to_string()));
    line("cause", last.cause.clone());
    line("reason", last.reason.clone());
    if let Some(t) = target {
        line("provider", t.provider.clone().unwrap_or_default());
        line("native id", t.native_id.clone().unwrap_or_default());
    }
    if let Some(p) = proposal {
        line("playbook", p.playbook.clone());
        line("incident", format!("{} since {}", p.incident.id, p.incident.opened_at));
        line("verdict", p.verdict_id.clone());
        line("owner", p.owner.clone().unwrap_or_default());
        line("breaks", p.dependents.as_ref().map_or("unknown who depends on it".to_owned(), |d| d.join(", ")));
        line(
            "used from",
            p.seen_from.iter().map(|s| format!("{} {} ({} to {})", s.kind, s.id, s.first, s.last)).collect::<Vec<_>>().join(", "),
        );
        line("siblings", p.siblings.iter().map(|t| format!("{} {}", t.kind, t.id)).collect::<Vec<_>>().join(", "));
        line("grace", p.params.grace.map_or(String::new(), |grace| format!("{grace}, then the old secret is revoked")));
        line("planted", p.planted.iter().map(|n| format!("{} {}", n.kind, n.id)).collect::<Vec<_>>().join(", "));
        for reason in &p.evidence {
            line("evidence", format!("{:+.1} dB {}: {}", reason.db, reason.signal, reason.detail));
        }
    }
    for d in decisions {
        let until = d.held_until.map_or(String::new(), |until| format!(", until {until}, {} to agree", d.needs));
        line("decided", format!("{} {}: {}{until}", d.time, d.end, d.why));
    }
    text
}
