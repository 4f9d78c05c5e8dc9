//! Which signal speaks where: each in an attack that names it, and in the look-alikes that tempt it not, or without consequence.

use crate::figures::Figures;
use portcullis_core::event::Class;
use portcullis_core::policy::Policy;
use portcullis_core::signal::{self, ALL, Signal};
use portcullis_core::subject;
use portcullis_core::verdict::{Centibans, Family, Level};
use portcullis_model::truth::Kind;
use std::collections::BTreeMap;

const WORDS: &str = "\
*Speaks in*: the scenarios in which it speaks, and in how many of their instances; those that name it first, at most four. *Silent in*:
look-alikes that tempt it and in which it never speaks. *Speaks, and is outweighed in*: look-alikes in which it speaks, for what it sees is
there, and how many of those reach high. Protective signals are tempted by nothing.
";

/// The triggers that people name, each with a class that it is about.
pub const TRIGGERS: [(&str, Class); 6] = [
    ("impossible_travel", Class::Workforce),
    ("push_fatigue", Class::Workforce),
    ("cadence_surge", Class::Partner),
    ("risky_posture", Class::Admin),
    ("unusual_grant", Class::Admin),
    ("off_workload", Class::Service),
];

/// Evidence and level of a signal by itself at its whole weight.
pub struct Alone {
    pub shown: String,
    pub level: Level,
}

pub fn alone(policy: &Policy, name: &str, class: Class) -> Alone {
    let Some(n) = signal::by_name(name) else { return Alone { shown: "no such signal".to_owned(), level: Level::Low } };
    let settings = &policy.signals[n].by_class[class as usize];
    let prior = policy.priors.of(subject::Kind::Identity, class);
    let sum = Centibans(prior.0 + settings.weight.0);
    let level = policy.level_of(sum).max(settings.at_least.unwrap_or(Level::Low));
    Alone { shown: format!("{} ({} dB of {} and {})", level, sum.db(), prior.db(), settings.weight.db()), level }
}

/// The page, Markdown.
pub fn page(policy: &Policy, engine: &Figures) -> String {
    let mut out = String::from("# Coverage\n\nMade by `make coverage`; a test fails when it is stale.\n\n");
    let Figures { worlds, events, .. } = engine;
    line!(out, "{worlds} simulated worlds, {events} events; policy `{}`.\n\n{WORDS}", policy.version);
    line!(out, "| signal | speaks in | silent in | speaks, and is outweighed in |\n|---|---|---|---|");
    for signal in ALL {
        let Places { speaks, silent, outweighed } = places(engine, signal);
        let [speaks, silent, outweighed] = [speaks, silent, outweighed].map(|list| list.join(", "));
        line!(out, "| `{}` | {speaks} | {silent} | {outweighed} |", signal.name);
    }
    line!(
        out,
        "\n## Triggers that people name\n\nEach alone, at its full strength, on the classes that it is asked of. Agents work in bursts and test identities are there for load, so that\nsome of it says less of them.\n"
    );
    line!(out, "| trigger | at least medium | lower |\n|---|---|---|");
    for (trigger, _) in TRIGGERS {
        let (reach, lower): (Vec<_>, Vec<_>) =
            classes_of(trigger).map(|class| (class, alone(policy, trigger, class))).partition(|(_, a)| a.level >= Level::Medium);
        let list = |of: Vec<(Class, Alone)>| of.iter().map(|(class, a)| format!("{class} {}", a.shown)).collect::<Vec<_>>().join("; ");
        line!(out, "| `{trigger}` | {} | {} |", list(reach), list(lower));
    }
    out
}

fn classes_of(trigger: &str) -> impl Iterator<Item = Class> {
    let signal = signal::by_name(trigger).map(|n| &ALL[n]);
    Class::ALL.iter().copied().filter(move |class| signal.is_some_and(|s| s.applies_to(subject::Kind::Identity, *class)))
}

/// Scenarios of one signal, as cells.
struct Places {
    speaks: Vec<String>,
    silent: Vec<String>,
    outweighed: Vec<String>,
}

fn places(engine: &Figures, signal: &Signal) -> Places {
    let mut instances: BTreeMap<&str, (Kind, u64)> = BTreeMap::new();
    for ((kind, scenario, _), caught) in &engine.scenarios {
        instances.entry(scenario).or_insert((*kind, 0)).1 += caught.of;
    }
    let key = |scenario: &str| (signal.name.to_owned(), scenario.to_owned());
    let of = |counts: &BTreeMap<(String, String), u64>, scenario: &str| counts.get(&key(scenario)).copied().unwrap_or(0);
    let is_protective = signal.family == Family::Protective;
    let (mut speaks, mut silent, mut outweighed) = (Vec::new(), Vec::new(), Vec::new());
    for (scenario, (kind, all)) in &instances {
        let (spoke, is_named) = (of(&engine.spoke, scenario), of(&engine.expected, scenario) > 0);
        if spoke > 0 && (is_protective || *kind == Kind::Attack) {
            speaks.push((!is_named, format!("{scenario} {spoke}/{all}")));
        }
        if is_named && *kind == Kind::LookAlike {
            match spoke {
                0 => silent.push((*scenario).to_owned()),
                _ => outweighed.push(format!("{scenario} {spoke}/{all}, high {}", of(&engine.spoke_at_high, scenario))),
            }
        }
    }
    speaks.sort();
    Places { speaks: speaks.into_iter().take(4).map(|(_, cell)| cell).collect(), silent, outweighed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn every_signal_speaks_somewhere_and_its_look_alikes_are_left_in_peace() {
        let policy = crate::engine::policy(None).unwrap();
        let figures = crate::measure(&crate::Args::parse_from(["quality", "--coverage"]), &policy, &crate::coverage_worlds()).unwrap();
        for signal in ALL {
            let Places { speaks, silent, outweighed } = places(&figures[0], signal);
            assert!(!speaks.is_empty(), "{} speaks in no scenario", signal.name);
            let is_protective = signal.family == Family::Protective;
            assert!(is_protective || !silent.is_empty(), "{} is silent in none of its look-alikes: {outweighed:?}", signal.name);
        }
        let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/coverage.md")).unwrap();
        assert!(kept == page(&policy, &figures[0]), "docs/coverage.md is stale; write it again: make coverage");
    }

    #[test]
    fn each_trigger_that_people_name_reaches_medium_alone() {
        let policy = crate::engine::policy(None).unwrap();
        for (trigger, _) in TRIGGERS {
            // Agents work in bursts, and test identities are there for load.
            let meant = |class: &Class| *class != Class::Test && (trigger, *class) != ("cadence_surge", Class::Agent);
            for class in classes_of(trigger).filter(meant) {
                let Alone { shown, level } = alone(&policy, trigger, class);
                assert!(level >= Level::Medium, "{trigger} on {class}: {shown}");
            }
        }
        let Alone { shown, level } = alone(&policy, "push_fatigue_won", Class::Workforce);
        assert!(level >= Level::High, "{shown}");
        assert_eq!(alone(&policy, "no_such_signal", Class::Admin).level, Level::Low);
    }
}
