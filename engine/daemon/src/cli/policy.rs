//! `portcullis policy`: what is decided.

use super::Failure;
use anyhow::Context;
use portcullis_core::policy::effective::effective;
use portcullis_core::policy::{Policy, parse};
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub enum PolicyCommand {
    /// Read a policy and name every fault, with its line and what to do.
    Check {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a policy; without a file the default one, ready to be edited.
    Show {
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Everything in force: every signal with its weight, thresholds and units, and all that has a default.
        #[arg(long)]
        effective: bool,
    },
}

/// Reads a policy file; its faults are a configuration failure.
pub fn read(path: &Path) -> Result<(Policy, String), Failure> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading the policy {}", path.display()))?;
    let policy = parse::parse(&path.display().to_string(), &text).map_err(|faults| Failure::Configuration(faults.iter().map(ToString::to_string).collect()))?;
    Ok((policy, text))
}

pub fn run(command: PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Check { file } => {
            let (policy, _) = read(&file)?;
            println!("{}: version {}, {} playbooks, no fault; digest {}", file.display(), policy.version, policy.playbooks.len(), policy.digest);
        }
        PolicyCommand::Show { file, effective: all } => {
            let (policy, text) = match &file {
                Some(file) => read(file)?,
                None => (Policy::default_policy(), parse::DEFAULT_TEXT.to_owned()),
            };
            print!("{}", if all { effective(&policy) } else { text });
        }
    }
    Ok(())
}
