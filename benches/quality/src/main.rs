//! How good the verdicts are: attacks caught and how soon, false alarms, false containments, against the bars and against three naive detectors
//! on the same events. Prints Markdown.
//!
//! It needs neither Kafka nor RocksDB: the core and the gate run over memory, so that the question "did this change help?" takes a minute.

/// Appends a line. Writing to a string cannot fail.
macro_rules! line {
    ($out:expr, $($arg:tt)*) => {{
        use std::fmt::Write;
        let _ = writeln!($out, $($arg)*);
    }};
}

mod coverage;
mod engine;
mod figures;
mod finding;
mod ingest;
mod judge;
mod naive;
mod report;
mod traffic;

use anyhow::Context;
use clap::Parser;
use figures::Figures;
use judge::Judged;
use portcullis_core::policy::Policy;
use portcullis_model::count::Counts;
use portcullis_model::measure::Measured;
use portcullis_simulate::Settings;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use traffic::Traffic;

/// Seeds 1 to 99 are for tuning, 1001 to 1099 for testing: what is published comes from the latter, and nobody looks at them to tune.
#[derive(Parser)]
#[command(name = "quality", about = "Measures the verdicts against labelled traffic; prints Markdown")]
struct Args {
    /// Simulated worlds to measure, `1001-1004` or `1,2,7`. Tune on 1 to 99, report on 1001 to 1099.
    #[arg(long, default_value = "1001-1004")]
    seeds: String,
    /// Events of each world.
    #[arg(long, default_value_t = 300_000)]
    events_each: u64,
    /// How often each scenario takes place in each world, at easy, medium and hard in turn.
    #[arg(long, default_value_t = 3)]
    times: u32,
    /// Only these scenarios; repeat for several.
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// A policy instead of the default one.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Traffic of another generator instead of simulated worlds: events in the native format, in the order in which they arrive.
    #[arg(long, value_name = "FILE", requires = "labels")]
    events: Option<PathBuf>,
    /// Labels of that traffic, as `portcullis simulate` writes them.
    #[arg(long, value_name = "FILE", requires = "events")]
    labels: Option<PathBuf>,
    /// Only which signal speaks where: the page docs/coverage.md.
    #[arg(long)]
    coverage: bool,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Write in how many attacks and on how many ordinary days each signal spoke, for `portcullis policy calibrate --counts`.
    #[arg(long, value_name = "FILE")]
    counted: Option<PathBuf>,
    /// Write the figures of the model card, for `portcullis policy model-card`.
    #[arg(long, value_name = "FILE")]
    measured: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let policy = engine::policy(args.policy.as_deref())?;
    let worlds = if args.coverage { coverage_worlds() } else { worlds(&args)? };
    let figures = measure(&args, &policy, &worlds)?;
    if args.coverage {
        print!("{}", coverage::page(&policy, &figures[0]));
    } else {
        print!("{}", report::markdown(&policy, &command(&args), &figures));
    }
    Ok(())
}

/// Figures of all detectors over all worlds.
fn measure(args: &Args, policy: &Policy, worlds: &[Traffic]) -> anyhow::Result<Vec<Figures>> {
    let begun = std::time::Instant::now();
    let next = AtomicUsize::new(0);
    let worker = || -> anyhow::Result<Vec<(usize, Judged)>> {
        let mut done = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(world) = worlds.get(n) else { return Ok(done) };
            done.push((n, judge::judge(policy, world).with_context(|| world.to_string())?));
            eprintln!("{world}: done after {:.0} s", begun.elapsed().as_secs_f64());
        }
    };
    let mut measured = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads.clamp(1, worlds.len())).map(|_| scope.spawn(worker)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow::anyhow!("a measuring thread panicked"))??);
        }
        anyhow::Ok(all)
    })?;
    // In the order of the worlds, whichever thread was first.
    measured.sort_by_key(|(n, _)| *n);
    let mut figures = Figures::of_all_detectors();
    let (mut counts, mut card) = (Counts::default(), Measured::default());
    for (_, one) in measured {
        figures.iter_mut().zip(one.figures).for_each(|(all, one)| all.merge(one));
        counts.add(&one.counts);
        card.add(&one.measured);
    }
    if let Some(file) = &args.counted {
        counts.command = format!("{} QUALITY=\"--counted {}\"", command(args), file.display());
        write_json(file, &counts)?;
    }
    if let Some(file) = &args.measured {
        card.command = format!("{} QUALITY=\"--measured {}\"", command(args), file.display());
        card.policy.clone_from(&policy.version);
        write_json(file, &card)?;
    }
    Ok(figures)
}

fn write_json(file: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    std::fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))
}

fn worlds(args: &Args) -> anyhow::Result<Vec<Traffic>> {
    if let (Some(events), Some(labels)) = (&args.events, &args.labels) {
        return Ok(vec![Traffic::Files { events: events.clone(), labels: labels.clone() }]);
    }
    let scenarios = (!args.scenarios.is_empty()).then(|| args.scenarios.clone());
    let world = |seed| Settings { scenarios: scenarios.clone(), ..world(seed, args.events_each, args.times) };
    Ok(seeds(&args.seeds)?.into_iter().map(|seed| Traffic::Simulated(world(seed))).collect())
}

fn world(seed: u64, events: u64, times: u32) -> Settings {
    Settings { seed, events, times: Some(times), malformed: true, ..Settings::default() }
}

/// The worlds of `docs/coverage.md`: of those for tuning, for the page changes with every change of a signal.
fn coverage_worlds() -> Vec<Traffic> {
    [1, 2].map(|seed| Traffic::Simulated(world(seed, 300_000, 3))).into()
}

/// `1001-1004` or `1,2,7`.
fn seeds(text: &str) -> anyhow::Result<Vec<u64>> {
    let wrong = || format!("--seeds {text:?} is neither a range like 1001-1004 nor a list like 1,2,7");
    let mut list = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.trim().parse().with_context(wrong)?, last.trim().parse().with_context(wrong)?);
        anyhow::ensure!(first <= last && last - first < 1_000, wrong());
        list.extend(first..=last);
    }
    Ok(list)
}

/// What to type to get the same figures again.
fn command(args: &Args) -> String {
    match (&args.events, &args.labels) {
        (Some(events), Some(labels)) => format!("quality --events {} --labels {}", events.display(), labels.display()),
        _ => {
            let times = if args.times == 3 { String::new() } else { format!(" TIMES={}", args.times) };
            let chosen: String = args.scenarios.iter().map(|s| format!(" --scenario {s}")).collect();
            format!("make bench-quality QUALITY_SEEDS={} EVENTS_EACH={}{times}{chosen}", args.seeds, args.events_each)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_ranges_and_lists() {
        assert_eq!(seeds("1001-1003").unwrap(), [1001, 1002, 1003]);
        assert_eq!(seeds("1,7, 9-10").unwrap(), [1, 7, 9, 10]);
        assert!(seeds("7-1").is_err() && seeds("").is_err() && seeds("a").is_err());
    }
}
