//! `portcullis topics`: which topics the service needs, and making them.

use super::Failure;
use super::run::{kafka_of, plan_of};
use super::validate::Args;
use crate::say::say;
use portcullis_connectors::kafka::topics::{self, Owner};

#[derive(clap::Subcommand)]
pub enum TopicsCommand {
    /// Show the topics with their settings, why each is set, and the commands that create them. Needs no broker.
    Plan(Args),
    /// Create what is missing; refuse what is wrong, with the command that mends it.
    Apply(Args),
}

pub fn run(command: TopicsCommand) -> Result<(), Failure> {
    match command {
        TopicsCommand::Plan(args) => {
            let config = args.load()?;
            for topic in plan_of(&config) {
                say!("{}: {}", topic.name, topic.purpose);
                if topic.owner == Owner::Others {
                    say!("  made by whoever fills it; only read here\n");
                    continue;
                }
                say!("  {} partitions, {} replicas", topic.partitions, topic.replication);
                for setting in &topic.settings {
                    say!("  {}={}: {}", setting.name, setting.value, setting.why);
                }
                say!("  {}\n", topics::create_command(&topic, &config.kafka.bootstrap_servers));
            }
            say!("On every broker, so that a crash delays readers by a second and not by ten: {}", topics::BROKER_ADVICE);
        }
        TopicsCommand::Apply(args) => {
            let config = args.load()?;
            let applied = topics::apply(&kafka_of(&config), &plan_of(&config))?;
            match applied.created.is_empty() {
                true => say!("every topic of ours is there"),
                false => say!("created {}", applied.created.join(", ")),
            }
            for difference in applied.remaining {
                say!("{difference}");
            }
        }
    }
    Ok(())
}
