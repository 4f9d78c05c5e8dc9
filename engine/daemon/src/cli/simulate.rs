//! `portcullis simulate`: labelled traffic of a simulated organisation.

use super::Failure;
use crate::say::say;
use portcullis_simulate::{SCENARIOS, Settings, Simulation};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The same seed and settings give the same bytes on every machine.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// About how many events to write; from 20,000 on every scenario occurs.
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// Only these scenarios; repeat for several (`--list` names them).
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// Write clean logs: nothing late, nothing twice.
    #[arg(long)]
    clean: bool,
    /// Folder for events.ndjson and labels.ndjson.
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,
    /// List the scenarios.
    #[arg(long)]
    list: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    if args.list {
        for scenario in SCENARIOS {
            say!("{:<28} {:<10} {}", scenario.name, format!("{:?}", scenario.kind).to_lowercase(), scenario.doc);
        }
        return Ok(());
    }
    let Some(out) = &args.out else { return Err(Failure::Usage("--out DIR says where to write".to_owned())) };
    let settings = Settings {
        seed: args.seed,
        events: args.events,
        scenarios: (!args.scenarios.is_empty()).then_some(args.scenarios),
        messy: !args.clean,
        ..Settings::default()
    };
    let simulation = Simulation::new(settings).map_err(|e| Failure::Usage(e.to_string()))?;
    let written = simulation.write_to(out, |_| ())?;
    say!("{} lines in {}, {} labels in {}", written.lines, written.events.display(), written.label_count, written.labels.display());
    Ok(())
}
