//! `portcullis set`: what receivers of SETs need of the command line.

use super::Failure;
use crate::http::people::Token;
use crate::say::say;
use serde_json::Value;

#[derive(clap::Subcommand)]
pub enum SetCommand {
    /// Make the token that a receiver polls and asks for a verification with; prints it, and the line for `output.set.receivers`.
    Token {
        /// The receiver's name.
        #[arg(long)]
        name: String,
    },
}

pub fn run(command: SetCommand) -> Result<(), Failure> {
    let SetCommand::Token { name } = command;
    let token = Token::generate()?;
    say!("token, shown this once: {}", token.reveal());
    say!("under output.set.receivers in the configuration:");
    say!("- {{ name: {}, token_digest: {} }}", Value::from(name), Value::from(token.digest()));
    Ok(())
}
