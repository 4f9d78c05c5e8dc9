//! `portcullis schemas`: the schemas of what is written, in a schema registry.

use super::Failure;
use super::validate;
use crate::registration::Registration;
use crate::say::say;
use portcullis_connectors::registry::{Fault, Registered, SchemaId};

#[derive(clap::Subcommand)]
pub enum SchemasCommand {
    /// Show the subjects of what is written, and under which ids the registry has our schemas. Registers nothing.
    List(validate::Args),
    /// Register the schemas of what is written. What is there already keeps its id.
    Register(validate::Args),
}

pub fn run(command: SchemasCommand) -> Result<(), Failure> {
    let (args, registers) = match &command {
        SchemasCommand::List(args) => (args, false),
        SchemasCommand::Register(args) => (args, true),
    };
    let config = args.load()?;
    let fault = |what: String| Failure::Configuration(vec![format!("{}: {what}", args.config.display())]);
    let registration = Registration::of(&config).map_err(fault)?;
    let mut refused = Vec::new();
    for (record, subject) in registration.subjects() {
        match if registers { registration.register(record) } else { registration.find(record) } {
            Ok(registered) => say!("{subject}: {}", shown(registered)),
            Err(Fault::Unknown { .. }) if !registers => say!("{subject}: not registered"),
            // The next would not be answered either.
            Err(fault) if fault.passes() => return Err(anyhow::Error::new(fault).into()),
            Err(fault) => refused.push(format!("{subject}: {fault}")),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::Configuration(refused)) }
}

fn shown(registered: Registered) -> String {
    let guid = registered.guid.map(|guid| format!(", {}", SchemaId::Guid(guid))).unwrap_or_default();
    format!("id {}{guid}", registered.id)
}
