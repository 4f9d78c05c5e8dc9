//! The workload of the peer comparison (Kafka Streams, Flink) on our source, state, journal and commit loop, beside the bare echo.
//!
//! ```text
//! make bench-peers                        # the whole table, beside the peers where ../shared/peers is there
//! taskset -c 1 target/release/peers 127.0.0.1:PORT [--events 5000000] [--wide] [--all] [--runs 5] [--topic NAME] [--memory MB]
//! ```
//! Loads the topic (8 partitions, lz4; not measured) unless `--topic` names one that the comparison's own loader has filled, then drains it
//! `--runs` times, each time with an empty state and an empty output topic, exactly once: verdicts, a journal record with digests per
//! partition, and the offsets in one transaction; state in RocksDB. After each the echo reads the same records and passes on as many as
//! there were verdicts, of their mean size. Verdicts are read back (`read_committed`) and summed up: with the default traffic of 1,000,
//! 200,000 or 5,000,000 events the digest must be the comparison's. `--wide`: 5,000,000 identities, equally likely. `--all`: a verdict for
//! every event.

use portcullis::roles::Topics;
use portcullis_benches::drain::{self, Drained};
use portcullis_benches::measure::{median, resident_mb};
use portcullis_benches::peer::{fnv, role::PeerRole};
use portcullis_benches::traffic::{Population, Traffic};
use portcullis_connectors::kafka::Settings;
use portcullis_state::{Shared, StateOptions};
use std::sync::Arc;

/// Events, wide, every verdict, digest: from the comparison's page and its `run.sh reference`, seed 1.
const CHECKS: [(u64, bool, bool, u64); 6] = [
    (1_000, false, false, 0xd19e_2e1a_31ae_c1e1),
    (200_000, false, false, 0x131f_3e41_3cec_7a5b),
    (200_000, false, true, 0x31d4_4383_1ae8_8076),
    (5_000_000, false, false, 0xf5e8_1322_0e91_2624),
    (5_000_000, false, true, 0xd37d_b5e5_a545_8474),
    (5_000_000, true, false, 0x0e76_58b9_ef83_0a06),
];

struct Args {
    bootstrap: String,
    events: u64,
    wide: bool,
    all: bool,
    runs: usize,
    topic: Option<String>,
    memory_mb: usize,
}

const USAGE: &str = "peers BOOTSTRAP [--events N] [--wide] [--all] [--runs N] [--topic NAME] [--memory MB]";

fn args() -> anyhow::Result<Args> {
    let mut given = std::env::args().skip(1);
    let bootstrap = given.next().ok_or_else(|| anyhow::anyhow!(USAGE))?;
    let mut args = Args { bootstrap, events: 5_000_000, wide: false, all: false, runs: 5, topic: None, memory_mb: 3072 };
    while let Some(flag) = given.next() {
        let mut value = || given.next().ok_or_else(|| anyhow::anyhow!("{flag} needs a value; {USAGE}"));
        match flag.as_str() {
            "--wide" => args.wide = true,
            "--all" => args.all = true,
            "--events" => args.events = value()?.parse()?,
            "--runs" => args.runs = value()?.parse()?,
            "--topic" => args.topic = Some(value()?),
            "--memory" => args.memory_mb = value()?.parse()?,
            other => anyhow::bail!("{other}? {USAGE}"),
        }
    }
    Ok(args)
}

fn main() -> anyhow::Result<()> {
    let args = args()?;
    let settings = Settings::new(args.bootstrap.clone());
    let prefix = format!("peers-{}", std::process::id());
    let log: Arc<str> = match &args.topic {
        Some(topic) => topic.as_str().into(),
        None => load(&settings, &format!("{prefix}-in"), &args)?,
    };
    let name = format!("{}{}", if args.wide { "wide" } else { "default" }, if args.all { ", a verdict for every event" } else { "" });
    let (mut ours, mut echoes) = (Vec::new(), Vec::new());
    for run in 0..args.runs {
        let topics = Topics::new(&format!("{prefix}-{run}"));
        for topic in [&topics.verdicts, &topics.journal] {
            drain::topic(&settings, topic)?;
        }
        let drained = drain_ours(&settings, &log, &topics, &args)?;
        println!("run {run}: PORTCULLIS {name}: {}", drained.line(args.events));
        check(&settings, &topics, &args, drained.outputs)?;
        let (group, size) = (format!("{prefix}-{run}-echo"), drained.output_size());
        let echo_to = format!("{group}-out");
        drain::topic(&settings, &echo_to)?;
        let echo = drain::echo(&settings, &log, &group, args.events, drained.outputs, size, &echo_to)?;
        println!("run {run}: ECHO       {name}: {}", echo.line(args.events));
        ours.push(drained);
        echoes.push(echo);
    }
    let rate = |drained: &Drained| args.events as f64 / drained.cpu_s;
    let closed = |drained: &Drained| args.events as f64 / (drained.cpu_s + drained.close_cpu_s);
    let (resident, peak) = resident_mb();
    println!(
        "RESULT peers {name}: median of {}: {:.0} k events per CPU second ({:.0} k with the state's last write), {:.0} % of the echo's {:.0} k; {resident} MiB resident, {peak} at most",
        args.runs,
        median(ours.iter().map(rate)) / 1e3,
        median(ours.iter().map(closed)) / 1e3,
        100.0 * median(ours.iter().zip(&echoes).map(|(ours, echo)| echo.cpu_s / ours.cpu_s)),
        median(echoes.iter().map(rate)) / 1e3,
    );
    Ok(())
}

fn load(settings: &Settings, topic: &str, args: &Args) -> anyhow::Result<Arc<str>> {
    drain::topic(settings, topic)?;
    let mut traffic = Traffic::new(1, if args.wide { Population::WIDE } else { Population::DEFAULT });
    let (mut key, mut line, mut left) = (Vec::new(), Vec::new(), args.events);
    drain::load(settings, topic, |sink| {
        if left == 0 {
            return Ok(false);
        }
        left -= 1;
        key.clear();
        line.clear();
        traffic.event(&mut key, &mut line);
        sink.send(topic, None, Some(&key), Some(&line), &[], None)?;
        Ok(true)
    })?;
    println!("loaded {} events", args.events);
    Ok(topic.into())
}

fn drain_ours(settings: &Settings, log: &Arc<str>, topics: &Topics, args: &Args) -> anyhow::Result<Drained> {
    let dir = tempfile::tempdir()?;
    let shared = Shared::new(StateOptions::with_memory(args.memory_mb << 20));
    let role = PeerRole::new(dir.path().to_owned(), shared, log, topics.clone(), args.all);
    drain::role(settings, &[log], &topics.events, args.events, &topics.verdicts, role)
}

/// The verdicts as a consumer sees them: as many as were written, and the digest of the comparison.
fn check(settings: &Settings, topics: &Topics, args: &Args, outputs: u64) -> anyhow::Result<()> {
    let (mut count, mut digest) = (0, 0u64);
    drain::each_value(settings, &topics.verdicts, |verdict| {
        count += 1;
        digest = digest.wrapping_add(fnv(verdict));
    })?;
    anyhow::ensure!(count == outputs, "{outputs} verdicts were written, {count} can be read");
    let expected = CHECKS
        .iter()
        .find(|(events, wide, all, _)| (*events, *wide, *all) == (args.events, args.wide, args.all))
        .map(|(.., digest)| *digest);
    match expected {
        Some(expected) if expected == digest => println!("       digest {digest:016x}: the comparison's"),
        Some(expected) => {
            println!("       digest {digest:016x} DIFFERS from {expected:016x}: compare {} with the peers' verdicts", topics.verdicts)
        }
        None => println!("       digest {digest:016x} of {}", topics.verdicts),
    }
    Ok(())
}
