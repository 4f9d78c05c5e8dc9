//! `portcullis gate`: the key that signs containment requests.

use super::Failure;
use crate::jws::{Alg, Signer};
use crate::say::say;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub enum GateCommand {
    /// Make a key; the file is readable by its owner alone.
    Keygen {
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// EdDSA (Ed25519), or RS256 (RSA, 3072 bits) for those who can verify nothing else.
        #[arg(long, value_name = "ALG", default_value_t = Alg::EdDsa)]
        alg: Alg,
    },
    /// Print public keys as a JWK set, for whoever verifies requests: while a key is changed, of the old one and the new one.
    Jwks {
        #[arg(long, value_name = "FILE", required = true)]
        key: Vec<PathBuf>,
    },
}

pub fn run(command: GateCommand) -> Result<(), Failure> {
    let keys: Vec<Value> = match &command {
        GateCommand::Keygen { out, alg } => vec![Signer::generate(out, *alg)?.jwk()],
        GateCommand::Jwks { key } => {
            key.iter().map(|key| Signer::open(key, "", "").map(|signer| signer.jwk())).collect::<Result<_, _>>()?
        }
    };
    say!("{:#}", json!({ "keys": keys }));
    Ok(())
}
