//! The model card: what the sums are for, where their numbers come from, and how far they can be believed. `docs/model.md` is this page.
//!
//! For whoever has to validate a model in a bank (SR 11-7, EU AI Act annex IV); the form is that of Mitchell et al., "Model Cards for Model
//! Reporting", 2019.

use crate::count::Counts;
use crate::measure::{Alarms, BIN_DB, Bin, Measured};
use portcullis_core::event::Class;
use portcullis_core::policy::Policy;
use portcullis_core::subject::Kind;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Appends a line. Writing to a string cannot fail.
macro_rules! line {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($arg:tt)*) => {{
        let _ = writeln!($out, $($arg)*);
    }};
}

const PURPOSE: &str = "\
## Purpose

Portcullis says, event by event, how much speaks for the abuse of an identity, a source, a device or a card, and proposes containment. It is
meant for log-ins, API calls, checkouts and administration of people and machines, to be read by people and by what acts on their behalf, with
every reason shown.

**Not meant for**: judging people (performance, honesty, credit, employment), identifying who somebody is, predicting what somebody will do,
pricing, or as the only ground of a decision with legal effect. It knows events, not intentions: an insider within his habits is not seen.
Country, network and hour are features of an event against the identity's own habits and those of its tenant; no nationality, age, sex or
other trait of a person is read.

## The model

`evidence = prior + sum over families (strongest + second/2 + third/4 + ...) - protective`, in decibans (dB): +10 dB is ten times likelier.
Each signal is a rule with named thresholds ([signals.md](signals.md)); nothing is trained, and nothing learns by itself but each subject's own
habits (windows and distinct values, [architecture.md](architecture.md)) and, within bounds, labels ([policy.md](policy.md)). The same log under the same policy
gives the same bytes, so every verdict can be worked out again by hand: `portcullis explain`.

## What a prior means

The log-odds that a subject of its class is being abused at a moment, before anything was seen. It is a judgement about base rates, not a measure
of worth or trust: rarely attacked and easily noticed (a test account) is low, sought after (break glass) is high. Worth belongs into
playbooks. They are set so that evidence of one decisive or two independent strong signals reaches high; published base rates by class do not exist.
";

const SOURCES: &str = "\
## Where the weights come from

| source | what comes from it |
|---|---|
| data | the ratio of each signal, counted over simulated worlds of the tuning seeds; [policy.md](policy.md) has the table and its command |
| judgement | the priors; the upper bound of 36 dB; weights above or below the ratio where signals presuppose each other, where the simulator knows no innocent cause, and where people expect a level of a trigger: each exception is named in [policy.md](policy.md) |
| source | the idea and the thresholds of each signal: paper, RFC, rule or report, named with it in [signals.md](signals.md) |
| nobody yet | real labelled traffic. `portcullis policy calibrate --labels` proposes weights from it; until that was done the numbers below are about simulated worlds |
";

const FAILURES: &str = "\
## Known failures

- **Simulated worlds.** Weights and figures come from one simulator. Real traffic has causes that it does not know; expect worse.
- **Independence.** Families add as if independent. Signals of two families with one cause (a new laptop in a new country) are counted twice; the damping
  within a family is a rule of thumb. So evidence far from 0 dB is too sure of itself, as the reliability above shows.
- **New subjects.** Novelty is silent while a subject is learned (`learning`); a takeover in the first days is found by other signals or not at all.
- **Slow and within habits.** What stays under every threshold and near its owner's habits: patient insiders, one guess a day from many sources, a thief on
  the owner's own device. `docs/quality.md` lists each scenario with the share that was missed.
- **Shared sources.** Behind one address of a carrier many share a source's evidence; actions on sources are limited in time for that reason.
- **Missing fields.** Without device, network or country the signals that need them are silent, and nothing says so.
- **Labels.** Whoever labels a real attack a false alarm makes the engine milder for that identity, at most by `feedback.at_most_db`, until the label expires.
";

const DRIFT: &str = "\
## How drift is watched

- `portcullis_labels_total{signal,label}`: a signal whose share of `false_positive` rises has drifted. `portcullis_verdicts_total{level}` and
  `portcullis_proposals_total{action}` against their own last weeks: a step without a release or an attack is drift of the traffic.
- `portcullis policy calibrate --labels FILE --in DIR` over each month's verdicts and labels: a signal whose ratio has moved by more than 6 dB from what
  is in force is to be looked at by a person. It prints, and never applies.
- Replay: `portcullis score --keyed-log` over an exported log under the old and the new policy, before the new one is applied.
- After each change of signals or weights: `make bench-quality`, `make model`, and this page, which a test compares with the figures it is made of.
";

/// The page, Markdown.
pub fn page(policy: &Policy, counted: &Counts, measured: &Measured) -> String {
    let mut out = String::from("<!-- Made by `portcullis policy model-card`; a test fails when it is stale. -->\n# Model card\n\n");
    let probability = if policy.is_calibrated {
        "a number: whoever wrote the policy says that its sums were held against real labels"
    } else {
        "`\"uncalibrated\"`: the sums have not been held against real labels"
    };
    line!(out, "Policy `{}`. `probability` in verdicts is {probability}.\n", policy.version);
    out.push_str(PURPOSE);
    priors(&mut out, policy);
    line!(out, "{SOURCES}");
    line!(
        out,
        "Counted over {} attacks, {} look-alikes and {} identity-days by `{}`; measured below over {} other worlds, {} identity-days, policy `{}`, by `{}`.\n",
        counted.attacks,
        counted.look_alikes,
        counted.identity_days,
        counted.command,
        measured.worlds,
        measured.identity_days,
        measured.policy,
        measured.command
    );
    reliability(&mut out, policy, measured);
    sensitivity(&mut out, measured);
    line!(
        out,
        "## False alarms by country and channel\n\nIncidents at high on identities with whom nothing was wrong, per 1,000 identities active there a day, with the 95 % interval of a count so small.\n"
    );
    alarms(&mut out, "country", &measured.countries);
    alarms(&mut out, "channel", &measured.channels);
    line!(out, "{FAILURES}");
    out.push_str(DRIFT);
    out
}

fn priors(out: &mut String, policy: &Policy) {
    line!(out, "\n| subject | prior, dB | about one in |\n|---|---|---|");
    let classes = Class::ALL.iter().map(|c| (c.name(), policy.priors.class[*c as usize]));
    let kinds = [Kind::Source, Kind::Device, Kind::Card].map(|k| (k.name(), policy.priors.of(k, Class::Customer)));
    for (name, prior) in classes.chain(kinds) {
        line!(out, "| {name} | {} | {:.0} |", prior.db(), 1.0 + f64::powf(10.0, -prior.db() / 10.0));
    }
    line!(out);
}

/// Bins from here on are one: each by itself holds too few.
const TOP_DB: i32 = 20;
/// With fewer attacks, or fewer ordinary days, a class says nothing.
const CASES_MIN: u64 = 10;

/// A bin with what it says at the base rate of its class's prior.
struct Point {
    from_db: i32,
    bin: Bin,
    /// Of the middle of the bin.
    predicted: f64,
    observed: f64,
    /// Share of all who are in it.
    weight: f64,
}

/// The class's bins, attacks and ordinary days weighed so that attacks are as frequent as the prior says.
fn points(prior_db: f64, all_bins: &BTreeMap<i32, Bin>) -> Vec<Point> {
    let mut bins: BTreeMap<i32, Bin> = BTreeMap::new();
    for (from_db, bin) in all_bins {
        let sum = bins.entry((*from_db).min(TOP_DB)).or_default();
        sum.attacks += bin.attacks;
        sum.days += bin.days;
    }
    let sum = |of: fn(&Bin) -> u64| bins.values().map(|b| of(b) as f64).sum::<f64>();
    let (attacks, days) = (sum(|b| b.attacks), sum(|b| b.days));
    let prior = probability(prior_db);
    let point = |(from_db, bin): (&i32, &Bin)| {
        // One half added to each count, as for the weights.
        let attacked = prior * (bin.attacks as f64 + 0.5) / (attacks + 1.0);
        let ordinary = (1.0 - prior) * (bin.days as f64 + 0.5) / (days + 1.0);
        Point {
            from_db: *from_db,
            bin: *bin,
            predicted: probability(f64::from(*from_db) + f64::from(BIN_DB) / 2.0),
            observed: attacked / (attacked + ordinary),
            weight: attacked + ordinary,
        }
    };
    bins.iter().map(point).collect()
}

/// Mean distance of what was predicted and observed, over those for whom `which` holds.
fn calibration_error(points: &[Point], which: impl Fn(&Point) -> bool) -> f64 {
    let chosen = || points.iter().filter(|p| which(p));
    let all: f64 = chosen().map(|p| p.weight).sum();
    chosen().map(|p| p.weight * (p.predicted - p.observed).abs()).sum::<f64>() / all
}

fn probability(db: f64) -> f64 {
    1.0 / (1.0 + f64::powf(10.0, -db / 10.0))
}

fn reliability(out: &mut String, policy: &Policy, measured: &Measured) {
    line!(
        out,
        "## Reliability\n\nThe strongest evidence on each identity-day, and on each attacked identity while it went on, against how often that was an attack, at the\n\
         base rate that the class's prior claims. `p` of {BIN_DB} dB wide bins; predicted is `1 / (1 + 10^(-dB/10))` at the middle. The strongest of many moments lies\n\
         above what one moment claims, so predicted above observed is expected of quiet days.\n\
         Where no ordinary day lay so high, half a day is assumed, and what is observed is at least what stands there. Classes with fewer than\n\
         {CASES_MIN} attacks or ordinary days are left out.\n"
    );
    line!(out, "| class | attacked | ordinary days | calibration error | at medium and above |\n|---|---|---|---|---|");
    let is_enough = |bins: &&BTreeMap<i32, Bin>| {
        bins.values().map(|b| b.attacks).sum::<u64>() >= CASES_MIN && bins.values().map(|b| b.days).sum::<u64>() >= CASES_MIN
    };
    let classes: Vec<(&Class, Vec<Point>)> = Class::ALL
        .iter()
        .filter_map(|c| {
            let bins = measured.reliability.get(c.name()).filter(is_enough)?;
            Some((c, points(policy.priors.class[*c as usize].db(), bins)))
        })
        .collect();
    for (class, points) in &classes {
        let sum = |of: fn(&Bin) -> u64| points.iter().map(|p| of(&p.bin)).sum::<u64>();
        let medium = f64::from(policy.levels.medium.0) / 10.0;
        let (all, above) = (calibration_error(points, |_| true), calibration_error(points, |p| f64::from(p.from_db) >= medium));
        let above = if above.is_nan() { "-".to_owned() } else { format!("{above:.2}") };
        line!(out, "| {class} | {} | {} | {all:.4} | {above} |", sum(|b| b.attacks), sum(|b| b.days));
    }
    line!(out, "\n| class | evidence, dB | attacked | ordinary days | predicted | observed |\n|---|---|---|---|---|---|");
    for (class, points) in &classes {
        for p in points {
            let Point { from_db, bin, predicted, observed, .. } = p;
            let to = if *from_db >= TOP_DB { "and above".to_owned() } else { format!("to {}", from_db + BIN_DB) };
            let (predicted, observed) = (small(*predicted), small(*observed));
            let least = if bin.days == 0 { ">= " } else { "" };
            line!(out, "| {class} | {from_db} {to} | {} | {} | {predicted} | {least}{observed} |", bin.attacks, bin.days);
        }
    }
    line!(out);
}

/// Two digits that say something.
fn small(p: f64) -> String {
    if p >= 0.01 { format!("{p:.2}") } else { format!("{p:.0e}") }
}

fn sensitivity(out: &mut String, measured: &Measured) {
    line!(
        out,
        "## Sensitivity\n\nWho reaches high where all evidence is 3 dB less or more: what a weight that is wrong by a factor of two in every sum would do.\n"
    );
    let shifts: Vec<&i32> = measured.at_high.keys().collect();
    let heads: Vec<String> = shifts.iter().map(|s| if **s == 0 { "as it is".to_owned() } else { format!("{s:+} dB") }).collect();
    line!(out, "| | of | {} |\n|---|---|{}", heads.join(" | "), "---|".repeat(shifts.len()));
    for (name, of) in &measured.of {
        let cells: Vec<String> = measured
            .at_high
            .values()
            .map(|by_name| {
                let n = by_name.get(name).copied().unwrap_or(0);
                // Of days so few are false that a share says nothing.
                if name.starts_with("days") { n.to_string() } else { format!("{:.0} %", n as f64 * 100.0 / (*of).max(1) as f64) }
            })
            .collect();
        line!(out, "| {name} | {of} | {} |", cells.join(" | "));
    }
    line!(out);
}

fn alarms(out: &mut String, head: &str, by_name: &BTreeMap<String, Alarms>) {
    line!(out, "| {head} | identity-days | false at high | per 1,000 a day | 95 % |\n|---|---|---|---|---|");
    for (name, Alarms { identity_days, false_at_high }) in by_name {
        let rate = |n: f64| n * 1_000.0 / (*identity_days).max(1) as f64;
        let (low, high) = poisson_95(*false_at_high as f64);
        line!(
            out,
            "| {name} | {identity_days} | {false_at_high} | {:.3} | {:.3} to {:.3} |",
            rate(*false_at_high as f64),
            rate(low),
            rate(high)
        );
    }
    line!(out);
}

/// The interval of a Poisson count, by Wilson and Hilferty's approximation of the chi-squared distribution (1931).
fn poisson_95(n: f64) -> (f64, f64) {
    let bound = |n: f64, z: f64| n * f64::powi(1.0 - 1.0 / (9.0 * n) + z / (3.0 * n.sqrt()), 3);
    (if n == 0.0 { 0.0 } else { bound(n, -1.96) }, bound(n + 1.0, 1.96))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_calibrated_has_no_error() {
        // A bin at 0 dB whose likelihood ratio is exactly what leads there from -30 dB.
        let bins = BTreeMap::from([(-30, Bin { attacks: 100, days: 999_001 }), (-2, Bin { attacks: 99_900, days: 999 })]);
        let points = points(-30.0, &bins);
        assert!((points[1].observed - 0.5).abs() < 0.01, "{}", points[1].observed);
        assert!((points.iter().map(|p| p.weight).sum::<f64>() - 1.0).abs() < 1e-4);
        assert!(calibration_error(&points, |p| p.from_db >= -10) < 0.12);
        let sure = BTreeMap::from([(-30, Bin { attacks: 100, days: 1 }), (30, Bin { attacks: 1, days: 100 })]);
        assert!(calibration_error(&super::points(-30.0, &sure), |p| p.from_db > 0) > 0.99);
    }

    #[test]
    fn an_interval_holds_its_count() {
        let (low, high) = poisson_95(10.0);
        assert!((low - 4.8).abs() < 0.1 && (high - 18.4).abs() < 0.1, "{low} {high}");
        let (low, high) = poisson_95(0.0);
        assert!(low == 0.0 && (high - 3.7).abs() < 0.1, "{high}");
    }
}
