//! `portcullis checkpoint`: what a takeover would find in the object store, whether it is whole, and fetching it by hand.

use super::Failure;
use super::run::plan_of;
use super::score::stop_on_signal;
use crate::checkpointer::checkpoints_of;
use crate::config::Config;
use crate::partition::identity_of;
use crate::roles::Topics;
use crate::say::say;
use anyhow::Context;
use portcullis_core::time::Time;
use portcullis_state::PartitionIdentity;
use portcullis_state::checkpoint::{Checkpoints, Stored};
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub enum CheckpointCommand {
    /// Show the checkpoints of each partition, newest first.
    List(Args),
    /// Read every byte of them and compare it with its digest; exit status 1 if one is damaged.
    Verify(Args),
    /// Fetch the newest whole checkpoint of one partition into a new folder. A takeover does this by itself.
    Restore(RestoreArgs),
}

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    given: super::validate::Args,
    /// Whose state.
    #[arg(long, value_enum, default_value_t = Owner::Score)]
    role: Owner,
    /// Only this partition.
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
}

#[derive(clap::Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    args: Args,
    /// A folder that is not there yet. Put it in the place of `<state.directory>/<role>-<partition>` while the service is stopped.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The newest one up to this position of the log.
    #[arg(long, value_name = "OFFSET")]
    at_most: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Owner {
    Score,
    Gate,
}

pub fn run(command: CheckpointCommand) -> Result<(), Failure> {
    match command {
        CheckpointCommand::List(args) => list(&args),
        CheckpointCommand::Verify(args) => verify(&args),
        CheckpointCommand::Restore(args) => restore(&args),
    }
}

/// The store, and the partitions that are meant.
fn open(args: &Args) -> Result<(Config, Checkpoints, Vec<PartitionIdentity>), Failure> {
    let config = args.given.load()?;
    let Some(checkpoints) = &config.state.checkpoints else {
        let missing = format!(
            "{}: state.checkpoints: is missing: write `checkpoints: {{ url: \"s3://bucket/prefix\" }}`",
            args.given.config.display()
        );
        return Err(Failure::Configuration(vec![missing]));
    };
    let store = checkpoints_of(checkpoints)?;
    let topics = Topics::new(&config.topics.prefix);
    let log = if args.role == Owner::Score { &topics.events } else { &topics.proposals };
    let partitions = plan_of(&config).iter().find(|topic| *topic.name == **log).map_or(0, |topic| topic.partitions);
    let wanted: Vec<i32> = match args.partition {
        Some(partition) if !(0..partitions).contains(&partition) => {
            return Err(Failure::Usage(format!("--partition {partition}: {log} has 0 to {}", partitions - 1)));
        }
        Some(partition) => vec![partition],
        None => (0..partitions).collect(),
    };
    let identities = wanted.into_iter().map(|partition| identity_of(log, partition, partitions)).collect();
    Ok((config, store, identities))
}

fn line(identity: &PartitionIdentity, stored: &Stored) -> String {
    let (of, sequence, written) = (format!("{}[{}]", identity.log, identity.partition), stored.sequence, Time(stored.written_ms));
    match &stored.manifest {
        Ok(m) => format!(
            "{of}  {sequence:>6}  {written}  position {}  {} files, {} bytes  state version {}, {}{}",
            m.position,
            m.files.len(),
            m.bytes(),
            m.state_version,
            m.engine,
            m.parent.map(|parent| format!(", after {parent}")).unwrap_or_default()
        ),
        Err(why) => format!("{of}  {sequence:>6}  {written}  {why}"),
    }
}

fn list(args: &Args) -> Result<(), Failure> {
    let (_, store, identities) = open(args)?;
    for identity in &identities {
        let all = store.list(identity)?;
        if all.is_empty() {
            say!("{}[{}]  none", identity.log, identity.partition);
        }
        all.iter().for_each(|stored| say!("{}", line(identity, stored)));
    }
    Ok(())
}

fn verify(args: &Args) -> Result<(), Failure> {
    let (_, store, identities) = open(args)?;
    let stop = stop_on_signal()?;
    let (mut whole, mut damaged) = (0, 0);
    for identity in &identities {
        for verified in store.verify(identity, &stop)? {
            let line = line(identity, &verified.stored);
            match verified.damage {
                None => {
                    whole += 1;
                    say!("whole    {line}");
                }
                Some(damage) => {
                    damaged += 1;
                    say!("damaged  {line}: {damage}");
                }
            }
        }
    }
    say!("{whole} whole, {damaged} damaged");
    match damaged {
        0 => Ok(()),
        _ => Err(Failure::Failed(anyhow::anyhow!(
            "{damaged} checkpoints are damaged: a takeover passes them over; the next ones do not use their files again once a takeover has seen them"
        ))),
    }
}

fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    if args.args.partition.is_none() {
        return Err(Failure::Usage("--partition N says which partition to restore".to_owned()));
    }
    if args.into.exists() {
        return Err(Failure::Usage(format!("{} is there already: name a folder that is not", args.into.display())));
    }
    let (config, store, identities) = open(&args.args)?;
    let stop = stop_on_signal()?;
    let identity = identities.first().context("no partition")?;
    let restored = store.restore(identity, 0..args.at_most.map_or(i64::MAX, |most| most.saturating_add(1)), &args.into, &stop)?;
    for passed in &restored.passed_over {
        say!("passed over {}: {}", passed.sequence, passed.why);
    }
    let Some((sequence, manifest)) = restored.from else {
        return Err(Failure::Failed(anyhow::anyhow!(
            "{} holds no whole checkpoint of {}[{}]",
            store.url(),
            identity.log,
            identity.partition
        )));
    };
    let role = if args.args.role == Owner::Score { "score" } else { "gate" };
    let place = config.state.directory.join(format!("{role}-{}", identity.partition));
    say!(
        "checkpoint {sequence} at position {} is in {}; to use it, stop the service and put it in the place of {}",
        manifest.position,
        args.into.display(),
        place.display()
    );
    Ok(())
}
