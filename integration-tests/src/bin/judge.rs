//! Runs seeds of the judge, some side by side, each lane on a Kafka of its own, and writes a line for each: what was drawn, the verdict, what was compared.
//!
//! ```text
//! target/release/judge --seeds 200 [--from 1] [--lanes 2] [--log out/judge.log]      or: make torture SEEDS=200
//! ```
//!
//! Seeds that the log holds already are not run again: a run that was interrupted goes on where it was. Ends with 1 if one failed.

use portcullis_integration_tests::judge::{Report, Schedule, World, run_seed};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

struct Args {
    from: u64,
    seeds: u64,
    lanes: u64,
    log: PathBuf,
    list: bool,
}

fn args() -> Result<Args, String> {
    let mut args = Args { from: 1, seeds: 12, lanes: 1, log: "judge.log".into(), list: false };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        if name == "--list" {
            args.list = true;
            continue;
        }
        let value = given.next().ok_or_else(|| format!("{name} wants a value"))?;
        let number = || value.parse().map_err(|_| format!("{name} {value}: not a number"));
        match name.as_str() {
            "--from" => args.from = number()?,
            "--seeds" => args.seeds = number()?,
            "--lanes" => args.lanes = number()?,
            "--log" => args.log = value.into(),
            _ => return Err(format!("{name} is unknown: judge [--from N] [--seeds N] [--lanes N] [--log FILE] [--list]")),
        }
    }
    Ok(args)
}

/// Seeds that have a line in the log.
fn done(log: &PathBuf) -> BTreeSet<u64> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix("seed ")?.split(' ').next()?.parse().ok()).collect()
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("judge: {error}");
            ExitCode::from(64)
        }
    }
}

fn run() -> Result<bool, String> {
    let args = args()?;
    let seeds = args.from..args.from + args.seeds;
    if args.list {
        seeds.for_each(|seed| println!("seed {seed} {}", Schedule::draw(seed)));
        return Ok(true);
    }
    let done = done(&args.log);
    let shown = args.log.display();
    let log = OpenOptions::new().create(true).append(true).open(&args.log).map_err(|e| format!("{shown}: {e}"))?;
    let left = Mutex::new(seeds.filter(|seed| !done.contains(seed)));
    let next = || left.lock().ok()?.next();
    let results = Mutex::new(Results { log, survived: 0, failed: Vec::new() });
    std::thread::scope(|scope| {
        for _ in 0..args.lanes.max(1) {
            scope.spawn(|| {
                let mut world = World::default();
                while let Some(seed) = next() {
                    let report = run_seed(seed, &mut world);
                    if let Ok(mut results) = results.lock() {
                        results.take(&report);
                    }
                }
            });
        }
    });
    let results = results.into_inner().map_err(|_| "a lane panicked")?;
    println!("{} survived, {} failed {:?}, {} done before; {shown}", results.survived, results.failed.len(), results.failed, done.len());
    Ok(results.failed.is_empty())
}

struct Results {
    log: File,
    survived: usize,
    failed: Vec<u64>,
}

impl Results {
    fn take(&mut self, report: &Report) {
        let mut told = report.to_string();
        match &report.outcome {
            Ok(_) => self.survived += 1,
            Err(error) => {
                self.failed.push(report.seed);
                told.push_str(&format!("\n    {error:#}"));
                if let Some(dir) = &report.kept {
                    told.push_str(&format!("\n    logs and states: {}", dir.display()));
                }
            }
        }
        println!("{told}");
        if let Err(error) = writeln!(self.log, "{told}") {
            eprintln!("judge: writing the log: {error}");
        }
    }
}
