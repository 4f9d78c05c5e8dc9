//! Everything that is in force, written as a policy that reads back the same (`portcullis policy show --effective`).

use super::{Approvals, Dependents, Emit, Match, Policy, Protected, SignalSettings, Step};
use crate::event::{Class, Expected};
use crate::exception::Whom;
use crate::lifecycle::FindingKind;
use crate::signal::{self, Signal};
use crate::subject::Kind;
use crate::time::{Span, Time};
use crate::verdict::{Centibans, Family, Mode};
use std::fmt::{Display, Write};

/// The policy as YAML, built-in numbers included; the parameters of the signals carry their meaning and bounds.
/// `parse` reads it back to an equal policy, the digest apart, which is of the text.
pub fn effective(policy: &Policy) -> String {
    write(policy, None)
}

/// The same, with the days that each exception has left at this time.
pub fn effective_at(policy: &Policy, at: Time) -> String {
    write(policy, Some(at))
}

fn write(policy: &Policy, at: Option<Time>) -> String {
    let mut out = Writer { text: String::new() };
    out.line(0, format_args!("# digest: {}", if policy.digest.is_empty() { "none, built in" } else { &policy.digest }));
    out.line(0, format_args!("version: {}", quoted(&policy.version)));
    out.line(0, format_args!("mode: {}", policy.mode));
    out.line(0, format_args!("shadow: {{ all: {}, actions: {} }}", policy.shadow.all, names(&policy.shadow.actions)));
    let emit = match policy.emit {
        Emit::Changes => "changes",
        Emit::Floor => "floor",
        Emit::All => "all",
    };
    out.line(0, format_args!("emit: {emit}"));
    out.line(0, format_args!("probability: {}", if policy.is_calibrated { "calibrated" } else { "uncalibrated" }));
    out.line(0, format_args!("act_within: {}", Span(policy.act_within_ms)));
    write_numbers(&mut out, policy);
    write_names(&mut out, policy);
    out.line(0, "signals:");
    for (signal, settings) in signal::ALL.iter().zip(&policy.signals) {
        write_signal(&mut out, signal, settings.mode, &settings.by_class);
    }
    write_rules(&mut out, policy);
    write_playbooks(&mut out, policy);
    write_exceptions(&mut out, policy, at);
    write_budgets(&mut out, policy);
    write_people(&mut out, policy);
    let release = policy.release;
    let (below, after, renewals) = (db(release.below), Span(release.after_ms), release.renewals);
    out.line(0, format_args!("release: {{ below_db: {below}, after: {after}, renewals: {renewals} }}"));
    let f = policy.feedback;
    let (lower, raise, most) = (db(f.false_positive), db(f.true_positive), db(f.at_most));
    let (lasts, reach) = (Span(f.lasts_ms), Span(f.reach_ms));
    out.line(
        0,
        format_args!(
            "feedback: {{ false_positive_db: {lower}, true_positive_db: {raise}, at_most_db: {most}, lasts: {lasts}, reach: {reach} }}"
        ),
    );
    out.text
}

struct Writer {
    text: String,
}

impl Writer {
    fn line(&mut self, indent: usize, line: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{line}", "");
    }
}

/// A double-quoted scalar; JSON's escapes are YAML's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

fn names<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    list(items.into_iter().map(|i| i.to_string()))
}

/// Decibans as they are read: `-35`, `6.5`.
fn db(weight: Centibans) -> String {
    format!("{}", weight.db())
}

fn write_numbers(out: &mut Writer, policy: &Policy) {
    out.line(0, "prior_db:");
    for class in Class::ALL {
        out.line(2, format_args!("{class}: {}", db(policy.priors.class[*class as usize])));
    }
    for kind in [Kind::Source, Kind::Device, Kind::Card] {
        out.line(2, format_args!("{}: {}", kind.name(), db(policy.priors.of(kind, Class::Customer))));
    }
    let levels = policy.levels;
    out.line(
        0,
        format_args!("levels_db: {{ medium: {}, high: {}, critical: {} }}", db(levels.medium), db(levels.high), db(levels.critical)),
    );
    out.line(0, "half_life:");
    for family in Family::ALL {
        out.line(2, format_args!("{family}: {}", Span(policy.half_life_ms[*family as usize])));
    }
    out.line(0, "learning:");
    for class in Class::ALL {
        let learning = policy.learning[*class as usize];
        out.line(2, format_args!("{class}: {{ events: {}, days: {} }}", learning.events, learning.days));
    }
}

fn write_names(out: &mut Writer, policy: &Policy) {
    let n = &policy.networks;
    out.line(0, "networks:");
    for (name, blocks) in [("own", &n.own), ("partner", &n.partner), ("scanner", &n.scanner), ("gateway", &n.gateway)] {
        out.line(2, format_args!("{name}: {}", list(blocks.iter().map(|b| quoted(&b.to_string())))));
    }
    out.line(0, "lists:");
    for (name, members) in &policy.lists {
        out.line(2, format_args!("{}: {}", quoted(name), list(members.iter().map(|m| quoted(m)))));
    }
    out.line(0, "protected:");
    for protected in &policy.protected {
        match protected {
            Protected::Identity(id) => out.line(2, format_args!("- {{ identity: {} }}", quoted(id))),
            Protected::Class(class) => out.line(2, format_args!("- {{ class: {class} }}")),
            Protected::Network(block) => out.line(2, format_args!("- {{ networks: [{}] }}", quoted(&block.to_string()))),
        }
    }
}

fn write_signal(out: &mut Writer, signal: &Signal, mode: Mode, by_class: &[SignalSettings]) {
    // What a policy can say is one line for all and others for the classes that the signal speaks of: the others have the line for all.
    let speaks_of = |class: Class| signal.applies_to(Kind::Identity, class);
    let all = Class::ALL.iter().copied().find(|c| !speaks_of(*c)).unwrap_or(Class::Customer);
    let Some(all) = by_class.get(all as usize) else { return };
    out.line(2, format_args!("{}: # {}", signal.name, signal.family));
    out.line(4, format_args!("mode: {mode}"));
    write_settings(out, 4, signal, all);
    let mut differing = Class::ALL.iter().filter(|c| by_class[**c as usize] != *all).peekable();
    if differing.peek().is_some() {
        out.line(4, "by_class:");
    }
    for class in differing {
        out.line(6, format_args!("{class}:"));
        write_settings(out, 8, signal, &by_class[*class as usize]);
    }
}

fn write_settings(out: &mut Writer, indent: usize, signal: &Signal, settings: &SignalSettings) {
    out.line(indent, format_args!("weight: {} # dB", db(settings.weight)));
    out.line(indent, format_args!("at_least: {}", settings.at_least.map_or("none", |l| l.name())));
    for (param, value) in signal.params.iter().zip(settings.params) {
        let doc = param.doc.replace(['\n', '\r'], " ");
        out.line(indent, format_args!("{}: {value} # {doc} ({} to {})", param.name, param.least, param.most));
    }
}

fn write_rules(out: &mut Writer, policy: &Policy) {
    if policy.rules.list().is_empty() {
        return;
    }
    out.line(0, "rules:");
    for rule in policy.rules.list() {
        out.line(2, format_args!("- id: {}", quoted(&rule.id)));
        out.line(4, format_args!("when: {}", quoted(&rule.when)));
        let caused = if rule.unauthenticated { " # anybody can cause a hit: alone it asks for no more than a step-up" } else { "" };
        out.line(4, format_args!("on: {}{caused}", rule.on.name()));
        out.line(4, format_args!("mode: {}", rule.mode));
        out.line(4, format_args!("weight: {} # dB", db(rule.weight)));
        out.line(4, format_args!("at_least: {}", rule.at_least.map_or("none", |l| l.name())));
        out.line(4, format_args!("family: {}", rule.family));
        for (key, identifiers) in [("attack", &rule.attack), ("nhi", &rule.nhi)] {
            if !identifiers.is_empty() {
                out.line(4, format_args!("{key}: {}", list(identifiers.iter().map(|i| quoted(i)))));
            }
        }
        if !rule.detail.is_empty() {
            out.line(4, format_args!("detail: {}", quoted(&rule.detail)));
        }
    }
}

fn write_playbooks(out: &mut Writer, policy: &Policy) {
    if policy.playbooks.is_empty() {
        out.line(0, "playbooks: none");
        return;
    }
    out.line(0, "playbooks:");
    for playbook in &policy.playbooks {
        out.line(2, format_args!("- id: {}", quoted(&playbook.id)));
        out.line(4, format_args!("mode: {}", playbook.mode));
        out.line(4, format_args!("match: {}", matches(&playbook.matches)));
        let lines = match &playbook.matches.finding {
            Some(_) => vec![("finding", &playbook.finding)],
            None => vec![("medium", &playbook.medium), ("high", &playbook.high), ("critical", &playbook.critical)],
        };
        for (level, steps) in lines {
            if steps.is_empty() {
                out.line(4, format_args!("{level}: []"));
                continue;
            }
            out.line(4, format_args!("{level}:"));
            for s in steps {
                out.line(6, format_args!("- {}", step(s)));
            }
        }
    }
}

fn matches(m: &Match) -> String {
    if *m == Match::default() {
        return "any".to_owned();
    }
    let mut parts = Vec::new();
    if !m.class.is_empty() {
        parts.push(format!("class: {}", names(&m.class)));
    }
    if !m.subject.is_empty() {
        parts.push(format!("subject: {}", names(m.subject.iter().map(|k| k.name()))));
    }
    for (key, value) in [("list", &m.list), ("label", &m.label), ("role", &m.role)] {
        parts.extend(value.as_ref().map(|v| format!("{key}: {}", quoted(v))));
    }
    parts.extend(m.privileged.map(|p| format!("privileged: {p}")));
    parts.extend(m.criticality_at_least.map(|c| format!("criticality_at_least: {c}")));
    if !m.dependents.is_empty() {
        let name = |d: &Dependents| match d {
            Dependents::Some => "some",
            Dependents::None => "none",
            Dependents::Unknown => "unknown",
        };
        parts.push(format!("dependents: {}", names(m.dependents.iter().map(name))));
    }
    if let Some(kinds) = &m.finding {
        let all = kinds.len() == FindingKind::ALL.len();
        parts.push(format!("finding: {}", if all { "any".to_owned() } else { names(kinds) }));
    }
    format!("{{ {} }}", parts.join(", "))
}

fn step(s: &Step) -> String {
    let mut parts = vec![format!("action: {}", s.action)];
    parts.extend(s.method.as_ref().map(|m| format!("method: {m}")));
    if s.approval_required {
        parts.push("approval: required".to_owned());
    }
    parts.extend(s.revert_after_ms.map(|ms| format!("revert_after: {}", Span(ms))));
    parts.extend(s.grace_ms.map(|ms| format!("grace: {}", Span(ms))));
    if !s.on_types.is_empty() {
        let types: Vec<String> = s.on_types.iter().map(|t| format!("'{t}'")).collect();
        parts.push(format!("when: \"type IN ({})\"", types.join(", ")));
    }
    if parts.len() == 1 { s.action.to_string() } else { format!("{{ {} }}", parts.join(", ")) }
}

fn write_exceptions(out: &mut Writer, policy: &Policy, at: Option<Time>) {
    if policy.exceptions.is_empty() {
        return;
    }
    out.line(0, "exceptions:");
    for exception in &policy.exceptions {
        let left = match at.map(|at| exception.days_left(at)) {
            None => String::new(),
            Some(days) if days < 0 => " # expired: it silences nothing".to_owned(),
            Some(0) => " # its last day".to_owned(),
            Some(1) => " # 1 day left".to_owned(),
            Some(days) => format!(" # {days} days left"),
        };
        out.line(2, format_args!("- id: {}", quoted(&exception.id)));
        out.line(4, format_args!("owner: {}", quoted(&exception.owner)));
        out.line(4, format_args!("reason: {}", quoted(&exception.reason)));
        out.line(4, format_args!("expires: {}{left}", exception.last_day()));
        out.line(4, format_args!("subject: {}", whom(&exception.subject)));
        out.line(4, format_args!("signals: {}", list(exception.signals.iter().map(|s| quoted(s)))));
        out.line(4, format_args!("within: {}", within(exception.within.declared())));
    }
}

fn whom(whom: &Whom) -> String {
    let Whom { identity, class, kind, list: of_list, label } = whom;
    let mut parts = Vec::new();
    if !identity.is_empty() {
        parts.push(format!("identity: {}", list(identity.iter().map(|id| quoted(id)))));
    }
    if !class.is_empty() {
        parts.push(format!("class: {}", names(class)));
    }
    if !kind.is_empty() {
        parts.push(format!("kind: {}", names(kind.iter().map(|k| k.name()))));
    }
    parts.extend(of_list.as_ref().map(|l| format!("list: {}", quoted(l))));
    parts.extend(label.as_ref().map(|l| format!("label: {}", quoted(l))));
    format!("{{ {} }}", parts.join(", "))
}

fn within(declared: &Expected<'_>) -> String {
    let Expected { networks, asns, countries, workloads, routes, hours, max_rate_per_minute } = declared;
    let mut parts = Vec::new();
    for (key, values) in [("networks", networks), ("countries", countries), ("workloads", workloads), ("routes", routes)] {
        if !values.is_empty() {
            parts.push(format!("{key}: {}", list(values.iter().map(|v| quoted(v)))));
        }
    }
    if !asns.is_empty() {
        parts.push(format!("asns: {}", names(asns)));
    }
    parts.extend(hours.as_ref().map(|h| format!("hours: {}", quoted(h))));
    parts.extend(max_rate_per_minute.map(|n| format!("max_rate_per_minute: {n}")));
    format!("{{ {} }}", parts.join(", "))
}

fn write_people(out: &mut Writer, policy: &Policy) {
    let Approvals { required_for, expire_after_ms, two_people_above_budget } = &policy.approvals;
    let expire = Span(*expire_after_ms);
    out.line(
        0,
        format_args!(
            "approvals: {{ required_for: {}, expire_after: {expire}, two_people_above_budget: {two_people_above_budget} }}",
            names(required_for)
        ),
    );
    for (name, list) in [("approvers", &policy.approvers), ("responders", &policy.responders)] {
        out.line(0, format_args!("{name}:{}", if list.is_empty() { " []" } else { "" }));
        for s in list {
            let jwk: Vec<String> = s.key.jwk().iter().map(|(member, value)| format!("{member}: {}", quoted(value))).collect();
            out.line(2, format_args!("- {{ name: {}, kid: {}, jwk: {{ {} }} }}", quoted(&s.name), quoted(&s.kid), jwk.join(", ")));
        }
    }
    match &policy.breaker {
        None => out.line(0, "breaker: none"),
        Some(b) => {
            out.line(0, "breaker:");
            out.line(2, format_args!("window: {}", Span(b.window_ms)));
            out.line(2, format_args!("share_of_active: {}", f64::from(b.share_of_active_ppm) / 1e6));
            out.line(2, format_args!("at_least: {} # subjects", b.at_least));
            out.line(2, format_args!("same_leading_signal: {}", f64::from(b.same_leading_signal_ppm) / 1e6));
            out.line(2, format_args!("keep: {}", names(&b.keep)));
            out.line(2, format_args!("for: {}", Span(b.lasts_ms)));
        }
    }
    let then = if policy.outcomes.open_case { "open_case" } else { "nothing" };
    out.line(0, format_args!("outcomes: {{ deadline: {}, then: {then} }}", Span(policy.outcomes.deadline_ms)));
}

fn write_budgets(out: &mut Writer, policy: &Policy) {
    out.line(0, "budgets:");
    for b in &policy.budgets {
        let class = b.class.map_or("any", Class::name);
        let share = match b.share_of_active_ppm {
            Some(ppm) => format!(", share_of_active: {}", f64::from(ppm) / 1e6),
            None => String::new(),
        };
        let (action, per, at_most) = (b.action, Span(b.per_ms), b.at_most);
        out.line(2, format_args!("- {{ action: {action}, class: {class}, per: {per}, at_most: {at_most}{share} }}"));
    }
}
