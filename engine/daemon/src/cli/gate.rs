//! `portcullis gate`: the key that signs containment requests.

use super::Failure;
use crate::jws::Signer;
use crate::say::say;
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub enum GateCommand {
    /// Make an Ed25519 key; the file is readable by its owner alone.
    Keygen {
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print the public key as a JWK set, for whoever verifies requests.
    Jwks {
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

pub fn run(command: GateCommand) -> Result<(), Failure> {
    let signer = match &command {
        GateCommand::Keygen { out } => Signer::generate(out)?,
        GateCommand::Jwks { key } => Signer::open(key, "", "")?,
    };
    say!("{:#}", signer.jwks());
    Ok(())
}
