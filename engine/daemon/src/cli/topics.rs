//! `portcullis topics`: which topics the service needs, who needs which access to them, and making them.

use super::Failure;
use super::run::plan_of;
use super::validate;
use crate::config::Config;
use crate::say::say;
use portcullis_connectors::kafka::access::{Operation, User, commands, grants};
use portcullis_connectors::kafka::topics::{self, Owner};

#[derive(clap::Subcommand)]
pub enum TopicsCommand {
    /// Show the topics with their settings, why each is set, and the commands that create them. Needs no broker.
    Plan {
        #[command(flatten)]
        args: validate::Args,
        /// Instead, the least access that each role and each command needs, and the commands that grant it.
        #[arg(long)]
        acls: bool,
        /// The principal of a role or command, where it is not User:NAME: score=User:CN=score,O=Example
        #[arg(long, value_name = "NAME=PRINCIPAL", value_parser = principal, requires = "acls")]
        principal: Vec<(User, String)>,
    },
    /// Create what is missing; refuse what is wrong, with the command that mends it.
    Apply(validate::Args),
}

fn principal(text: &str) -> Result<(User, String), String> {
    let (name, principal) = text.split_once('=').ok_or("NAME=PRINCIPAL is wanted, such as score=User:CN=score")?;
    let user = User::EVERY.into_iter().find(|user| user.name() == name);
    let user = user.ok_or_else(|| format!("{name:?} is none of {}", User::EVERY.map(User::name).join(", ")))?;
    if !principal.contains(':') {
        return Err(format!("{principal:?} is no principal: they look like User:{name}"));
    }
    Ok((user, principal.to_owned()))
}

pub fn run(command: TopicsCommand) -> Result<(), Failure> {
    match command {
        TopicsCommand::Plan { args, acls: true, principal } => acls(&args.load()?, &principal),
        TopicsCommand::Plan { args, .. } => plan(&args.load()?),
        TopicsCommand::Apply(args) => {
            let config = args.load()?;
            let applied = topics::apply(&config.kafka.settings(), &plan_of(&config))?;
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

fn plan(config: &Config) {
    for topic in plan_of(config) {
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

fn acls(config: &Config, principals: &[(User, String)]) {
    let topics = plan_of(config);
    for user in User::EVERY {
        let given = principals.iter().find(|(of, _)| *of == user).map(|(_, principal)| principal.clone());
        let principal = given.unwrap_or_else(|| format!("User:{}", user.name()));
        say!("# {}: {}, as {principal}", user.name(), user.command());
        let grants = grants(user, &topics, &config.topics.prefix, &config.score.group);
        for grant in &grants {
            let operations: Vec<String> = grant.operations.iter().map(Operation::to_string).collect();
            let name = format!("{}{}", grant.name, if grant.is_prefix { "*" } else { "" });
            say!("#   {:<16}  {name:<36}  {}", grant.resource.to_string(), operations.join(" "));
        }
        for command in commands(&grants, &principal, &config.kafka.bootstrap_servers) {
            say!("{command}");
        }
        say!("");
    }
    say!("# `all` is for one process with all roles, instead of theirs. With --command-config FILE as an administrator. Whoever fills an");
    say!("# input needs Write on it; whoever acts on what is found, Read on {}.verdicts and on a group of its own.", config.topics.prefix);
}
