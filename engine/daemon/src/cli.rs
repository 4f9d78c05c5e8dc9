//! The command line: one file a command, one visible list.

mod audit;
mod calibrate;
mod checkpoint;
mod contain;
mod dead_letter;
mod demo;
mod explain;
mod format;
mod gate;
mod log;
mod policy;
mod policy_diff;
mod policy_test;
mod run;
mod schemas;
mod score;
mod set;
mod simulate;
mod topics;
mod validate;

use crate::say::say_on;
use clap::{Parser, Subcommand};
use portcullis_core::time::Span;
use std::fmt;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Streaming identity risk: reads what identities do, says event by event who is being abused and why, and asks for containment.
#[derive(Parser)]
#[command(name = "portcullis", version, propagate_version = true, max_term_width = 120)]
pub struct Cli {
    /// How logs are written to standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Simulate an organisation, watch its attacks being found, and read a report: nothing else to install.
    Demo(demo::Args),
    /// Score log files: verdicts, reasons and containment requests, no service needed.
    Score(score::Args),
    /// Write labelled traffic of a simulated organisation.
    Simulate(simulate::Args),
    /// Run the service on Kafka: ingest, score, gate, publish, or all in one process.
    Run(run::Args),
    /// Show or create the topics.
    #[command(subcommand)]
    Topics(topics::TopicsCommand),
    /// Show or register the schemas of what is written, in a schema registry.
    #[command(subcommand)]
    Schemas(schemas::SchemasCommand),
    /// Show, verify or fetch checkpoints of the state.
    #[command(subcommand)]
    Checkpoint(checkpoint::CheckpointCommand),
    /// Export the keyed logs.
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Check a configuration: every fault at once, exit status 78 if there is one.
    Validate(validate::Args),
    /// Print the configuration's JSON Schema, or what is in force.
    #[command(subcommand)]
    Config(validate::ConfigCommand),
    /// Check a policy, or print what is in force.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Explain a verdict, a request or an identity from an output folder: every reason with its decibans.
    Explain(explain::Args),
    /// Whether what was published is what was decided.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// What waits for a person, and what a person wants: approve, reject, extend, release, pause, resume.
    #[command(subcommand)]
    Contain(contain::ContainCommand),
    /// What could not be read, and reading it again.
    #[command(subcommand)]
    DeadLetter(dead_letter::DeadLetterCommand),
    /// Try how a log file is read.
    #[command(subcommand)]
    Format(format::FormatCommand),
    /// Make the key that signs containment requests, or print its public half.
    #[command(subcommand)]
    Gate(gate::GateCommand),
    /// Make the token of a receiver of Security Event Tokens.
    #[command(subcommand)]
    Set(set::SetCommand),
    /// Print what `/metrics` shows, as a page.
    Metrics,
}

/// A duration on the command line.
fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| "a duration such as 7d, 12h or 30m is wanted".to_owned())
}

/// Why a command ended, and with which exit status (sysexits.h).
#[derive(Debug)]
pub enum Failure {
    /// 1: it could not be done.
    Failed(anyhow::Error),
    /// 64: it was asked for wrongly.
    Usage(String),
    /// 65: nothing of the input could be used; what was written says why.
    Data(String),
    /// 78: a configuration or policy with these faults.
    Configuration(Vec<String>),
    /// 130: interrupted; what was written is whole.
    Interrupted,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Failed(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Failed(error) => write!(f, "{error:#}"),
            Failure::Usage(what) | Failure::Data(what) => f.write_str(what),
            Failure::Configuration(faults) => f.write_str(&faults.join("\n")),
            Failure::Interrupted => f.write_str("interrupted; what was written is whole"),
        }
    }
}

fn metrics() -> Result<(), Failure> {
    say_on!("{}", crate::metrics_page::metrics_page());
    Ok(())
}

/// Runs a command.
pub fn main(cli: Cli) -> ExitCode {
    // The demo tells its story on the same screen.
    let default_filter = if matches!(cli.command, Command::Demo(_)) { "warn" } else { "info" };
    start_logs(cli.log_format, default_filter);
    let done = match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Score(args) => score::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Run(args) => run::run(args),
        Command::Topics(command) => topics::run(command),
        Command::Schemas(command) => schemas::run(command),
        Command::Checkpoint(command) => checkpoint::run(command),
        Command::Log(command) => log::run(command),
        Command::Validate(args) => validate::run(args),
        Command::Config(command) => validate::config(command),
        Command::Policy(command) => policy::run(command),
        Command::Explain(args) => explain::run(args),
        Command::Audit(command) => audit::run(command),
        Command::Contain(command) => contain::run(command),
        Command::DeadLetter(command) => dead_letter::run(command),
        Command::Format(command) => format::run(command),
        Command::Gate(command) => gate::run(command),
        Command::Set(command) => set::run(command),
        Command::Metrics => metrics(),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    if let Failure::Failed(error) = &failure
        && error.chain().any(|e| e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
    {
        return ExitCode::SUCCESS; // whoever read us has seen enough
    }
    eprintln!("portcullis: {failure}");
    ExitCode::from(match failure {
        Failure::Failed(_) => 1,
        Failure::Usage(_) => 64,
        Failure::Data(_) => 65,
        Failure::Configuration(_) => 78,
        Failure::Interrupted => 130,
    })
}

fn start_logs(format: LogFormat, default_filter: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PORTCULLIS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default_filter));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}
