//! `portcullis validate` and `portcullis config`: the service's configuration.

use super::Failure;
use crate::config::{self, Config};
use crate::say::{say, say_on};
use std::path::PathBuf;

/// Which configuration: what every command that has one takes.
#[derive(clap::Args)]
pub struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Leave PORTCULLIS_... environment variables out.
    #[arg(long)]
    no_environment: bool,
}

impl Args {
    /// Reads it, with the environment over it.
    pub fn load(&self) -> Result<Config, Failure> {
        load(&self.config, self.no_environment)
    }
}

#[derive(clap::Subcommand)]
pub enum ConfigCommand {
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Print what is in force, defaults included, secrets left out.
    Show(Args),
}

/// Reads the configuration, with the environment over it.
pub fn load(path: &std::path::Path, no_environment: bool) -> Result<Config, Failure> {
    let environment = if no_environment { Vec::new() } else { config::of_process() };
    config::load(path, &environment).map_err(|faults| Failure::Configuration(faults.iter().map(ToString::to_string).collect()))
}

pub fn run(args: Args) -> Result<(), Failure> {
    let config = args.load()?;
    if let Some(policy) = &config.policy.file {
        super::policy::read_to_apply(policy)?;
    }
    say!("{} is valid", args.config.display());
    Ok(())
}

pub fn config(command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Schema => say!("{}", serde_json::to_string_pretty(&config::schema())?),
        ConfigCommand::Show(args) => say_on!("{}", args.load()?.effective()),
    }
    Ok(())
}
