//! The figures as Markdown, each bar with its figure beside it.

use crate::coverage::{Alone, TRIGGERS, alone};
use crate::figures::{Alarms, Caught, Figures, share};
use portcullis_core::policy::Policy;
use portcullis_core::verdict::Level;
use portcullis_model::truth::Kind;
use std::collections::{BTreeMap, BTreeSet};

const WORDS: &str = "\
Seeds 1 to 99 are for tuning, 1001 to 1099 for testing. What the words mean:

- *Caught*: a verdict on the label's own subject, or on one of its events, while it went on or within an hour. A verdict that came before the
  event that suffices counts as 0 events and negative seconds.
- *False*: an incident or an action on somebody who is in no label at that time, nor was on the day before; learning included.
- *Base rate*: 0.1 % of the identities are attacked a day, and as many look-alikes take place.
- *Disruptive*: disable_account, rotate_secret, revoke_token, offboard; sent, or would have been.
";

const DIFFICULTIES: [&str; 3] = ["easy", "medium", "hard"];

/// The whole page. `figures` are those of the engine first, then of the naive detectors.
pub fn markdown(policy: &Policy, command: &str, figures: &[Figures]) -> String {
    let mut out = String::new();
    let Some(engine) = figures.first() else { return out };
    line!(out, "# Quality\n\nPrinted by `{command}`. Do not edit: run it again.\n");
    let Figures { worlds, events, dead_letters, .. } = engine;
    let (days, version) = (engine.identity_days(), &policy.version);
    line!(out, "{worlds} worlds, {events} events, {dead_letters} dead letters, {days} identity-days; policy `{version}`.\n\n{WORDS}");
    bars(&mut out, policy, engine);
    comparison(&mut out, figures);
    attacks(&mut out, engine);
    look_alikes(&mut out, engine);
    classes(&mut out, engine);
    containments(&mut out, engine);
    out
}

fn percent(part: u64, all: u64) -> String {
    if all == 0 { "-".to_owned() } else { format!("{:.0}", part as f64 * 100.0 / all as f64) }
}

fn per_mille(count: u64, days: u64) -> String {
    if days == 0 { "-".to_owned() } else { format!("{:.3}", count as f64 * 1_000.0 / days as f64) }
}

/// Two digits; a dash where there is nothing to divide.
fn two(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.2}") }
}

fn pass(good: bool) -> &'static str {
    if good { "pass" } else { "**fail**" }
}

/// The value below which `percent` of them lie, of those in between the lower.
fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn bars(out: &mut String, policy: &Policy, engine: &Figures) {
    line!(out, "## Bars\n\n| figure | bar | measured | |\n|---|---|---|---|");
    for (difficulty, bar) in DIFFICULTIES.iter().zip([97, 90, 60]) {
        let Caught { of, at, own_subject, .. } = engine.caught(Kind::Attack, Some(difficulty));
        let figure = format!("{} % of {of} (on the label's own subject {} %)", percent(at[1], of), percent(own_subject, of));
        line!(out, "| {difficulty} attacks caught at high or above | >= {bar} % | {figure} | {} |", pass(at[1] * 100 >= of * bar));
    }
    let events = sorted(engine.caught(Kind::Attack, None).delays.iter().map(|(n, _)| *n as f64));
    let median = quantile(&events, 50);
    let shown = median.map_or("-".to_owned(), |m| format!("{m:.0}"));
    line!(out, "| median events from the one that suffices to the verdict | <= 3 | {shown} | {} |", pass(median.is_some_and(|m| m <= 3.0)));
    for (trigger, class) in TRIGGERS {
        let Alone { shown, level } = alone(policy, trigger, class);
        line!(out, "| `{trigger}` alone, at full strength, on {class} | medium | {shown} | {} |", pass(level >= Level::Medium));
    }
    for (who, machines, bar) in [("people", false, 0.3), ("machines and agents", true, 0.5)] {
        let (days, incidents) = engine.false_alarms(machines);
        let good = incidents as f64 * 1_000.0 <= bar * days as f64;
        line!(
            out,
            "| false alarms at high per 1,000 {who} a day | <= {bar} | {} ({incidents}) | {} |",
            per_mille(incidents, days),
            pass(good)
        );
    }
    let (disrupted, days) = (engine.false_disruptions(), engine.identity_days());
    let good = disrupted as f64 * 1_000.0 <= 0.02 * days as f64;
    line!(
        out,
        "| false disruptive containments per 1,000 identities a day | <= 0.02 | {} ({disrupted}) | {} |",
        per_mille(disrupted, days),
        pass(good)
    );
    let Caught { of, at, disruptive, .. } = engine.caught(Kind::LookAlike, None);
    line!(out, "| look-alikes that reach high | <= 5 % | {} % of {of} | {} |", percent(at[1], of), pass(at[1] * 100 <= of * 5));
    line!(out, "| look-alikes that reach a disruptive action | 0 | {disruptive} | {} |", pass(disruptive == 0));
    let (alone, with) = engine.precision_at_base_rate();
    line!(
        out,
        "| precision of incidents at high, base rate | >= 0.75, aim 0.9 | {} ({} with look-alikes) | {} |\n",
        two(alone),
        two(with),
        pass(with >= 0.75)
    );
}

fn comparison(out: &mut String, figures: &[Figures]) {
    line!(out, "## Beside three naive detectors on the same events\n");
    line!(
        out,
        "| detector | easy | medium | hard | look-alikes at high | false per 1,000 people a day | machines | precision at the base rate | recall | area under precision-recall |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    for f in figures {
        let of = |d| {
            let c = f.caught(Kind::Attack, Some(d));
            percent(c.at[1], c.of)
        };
        let (all, look_alikes) = (f.caught(Kind::Attack, None), f.caught(Kind::LookAlike, None));
        let rate = |machines| {
            let (days, incidents) = f.false_alarms(machines);
            per_mille(incidents, days)
        };
        line!(
            out,
            "| {} | {} % | {} % | {} % | {} % | {} | {} | {} | {:.2} | {:.2} |",
            f.detector,
            of("easy"),
            of("medium"),
            of("hard"),
            percent(look_alikes.at[1], look_alikes.of),
            rate(false),
            rate(true),
            two(f.precision_at_base_rate().1),
            share(all.at[1] as f64, all.of as f64),
            f.average_precision()
        );
    }
    line!(out, "");
}

fn attacks(out: &mut String, engine: &Figures) {
    line!(
        out,
        "## Attacks\n\nPer cent caught at medium / high / critical or above; events and seconds from the event that suffices to the verdict at high, median and 90th percentile.\n"
    );
    line!(out, "| difficulty | of | caught | events | seconds |\n|---|---|---|---|---|");
    let difficulties: BTreeSet<&str> = engine.scenarios.keys().map(|(_, _, difficulty)| difficulty.as_str()).collect();
    for difficulty in difficulties {
        let caught = engine.caught(Kind::Attack, Some(difficulty));
        let (events, seconds) = delays([&caught]);
        line!(out, "| {difficulty} | {} | {} | {events} | {seconds} |", caught.of, levels(&caught));
    }
    line!(out, "\n| scenario | of each | easy | medium | hard | events | seconds |\n|---|---|---|---|---|---|---|");
    for (scenario, by_difficulty) in by_scenario(engine, Kind::Attack) {
        let [easy, medium, hard] = DIFFICULTIES.map(|d| by_difficulty.get(d).map_or("-".to_owned(), |c| levels(c)));
        let (events, seconds) = delays(by_difficulty.values().copied());
        let of = by_difficulty.values().map(|c| c.of).max().unwrap_or(0);
        line!(out, "| `{scenario}` | {of} | {easy} | {medium} | {hard} | {events} | {seconds} |");
    }
    line!(out, "");
}

/// Per cent at medium, high and critical.
fn levels(caught: &Caught) -> String {
    caught.at.map(|n| percent(n, caught.of)).join(" / ")
}

/// Median and 90th percentile of the events and of the seconds to the verdict.
fn delays<'c>(caught: impl IntoIterator<Item = &'c Caught>) -> (String, String) {
    let delays: Vec<(u64, f64)> = caught.into_iter().flat_map(|c| c.delays.iter().copied()).collect();
    let both = |values: Vec<f64>| match (quantile(&values, 50), quantile(&values, 90)) {
        // Plus nothing, so that no zero is negative.
        (Some(median), Some(most)) => format!("{:.0}, {:.0}", median.round() + 0.0, most.round() + 0.0),
        _ => "-".to_owned(),
    };
    (both(sorted(delays.iter().map(|(n, _)| *n as f64))), both(sorted(delays.iter().map(|(_, s)| *s))))
}

fn by_scenario(engine: &Figures, kind: Kind) -> BTreeMap<&str, BTreeMap<&str, &Caught>> {
    let mut all: BTreeMap<&str, BTreeMap<&str, &Caught>> = BTreeMap::new();
    for ((k, scenario, difficulty), caught) in &engine.scenarios {
        if *k == kind {
            all.entry(scenario).or_default().insert(difficulty, caught);
        }
    }
    all
}

fn look_alikes(out: &mut String, engine: &Figures) {
    line!(out, "## Look-alikes\n\n| scenario | of | medium | high | critical | disruptive | spoke |\n|---|---|---|---|---|---|---|");
    for (scenario, by_difficulty) in by_scenario(engine, Kind::LookAlike) {
        let sum = |f: fn(&Caught) -> u64| by_difficulty.values().map(|c| f(c)).sum::<u64>();
        let mut spoke: Vec<(&str, u64)> =
            engine.spoke.iter().filter(|((_, s), _)| s == scenario).map(|((signal, _), n)| (signal.as_str(), *n)).collect();
        spoke.sort_by_key(|(signal, n)| (std::cmp::Reverse(*n), *signal));
        let spoke: Vec<String> = spoke.iter().take(5).map(|(signal, n)| format!("{signal} {n}")).collect();
        let at: [u64; 3] = [sum(|c| c.at[0]), sum(|c| c.at[1]), sum(|c| c.at[2])];
        line!(
            out,
            "| `{scenario}` | {} | {} | {} | {} | {} | {} |",
            sum(|c| c.of),
            at[0],
            at[1],
            at[2],
            sum(|c| c.disruptive),
            spoke.join(", ")
        );
    }
    line!(out, "");
}

fn classes(out: &mut String, engine: &Figures) {
    line!(
        out,
        "## False alarms by class\n\nIncidents per 1,000 identities of the class a day; for sources, devices and cards per 1,000 identities of all classes.\n"
    );
    line!(
        out,
        "| class | identity-days | medium | high | critical | high while learning | leading at high |\n|---|---|---|---|---|---|---|"
    );
    for (class, alarms) in &engine.classes {
        let days = if alarms.identity_days == 0 { engine.identity_days() } else { alarms.identity_days };
        let mut blamed: Vec<(&str, u64)> =
            engine.blamed.iter().filter(|((_, c), _)| c == class).map(|((signal, _), n)| (signal.as_str(), *n)).collect();
        blamed.sort_by_key(|(signal, n)| (std::cmp::Reverse(*n), *signal));
        let blamed: Vec<String> = blamed.iter().take(4).map(|(signal, n)| format!("{signal} {n}")).collect();
        let Alarms { identity_days, incidents, learning, .. } = alarms;
        let [medium, high, critical] = incidents.map(|n| per_mille(n, days));
        line!(out, "| {class} | {identity_days} | {medium} | {high} | {critical} | {learning} | {} |", blamed.join(", "));
    }
    line!(out, "");
}

fn containments(out: &mut String, engine: &Figures) {
    line!(
        out,
        "## False containments by action\n\nAgainst subjects with whom nothing was wrong, per 1,000 identities a day.\n\n| action | sent | would have been sent | by class |\n|---|---|---|---|"
    );
    let mut by_action: BTreeMap<_, (u64, u64, Vec<String>)> = BTreeMap::new();
    for (class, alarms) in &engine.classes {
        for (action, (sent, said)) in &alarms.contained {
            let sum = by_action.entry(*action).or_default();
            sum.0 += sent;
            sum.1 += said;
            sum.2.push(format!("{class} {}", sent + said));
        }
    }
    let days = engine.identity_days();
    for (action, (sent, said, by_class)) in by_action {
        let name = if action.is_disruptive() { format!("**{action}**") } else { action.to_string() };
        line!(out, "| {name} | {} | {} | {} |", per_mille(sent, days), per_mille(said, days), by_class.join(", "));
    }
    line!(out, "");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values = sorted([3.0, 1.0, 2.0, 9.0].into_iter());
        assert_eq!((quantile(&values, 50), quantile(&values, 90), quantile(&[], 50)), (Some(2.0), Some(3.0), None));
    }
}
