//! `portcullis`: see `portcullis --help`, or the README.

use clap::Parser;
use portcullis::cli::{self, Cli};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => cli::main(cli),
        Err(error) => {
            let is_help = !error.use_stderr();
            // A pipe that closed while help was written is nobody's problem.
            let _written = error.print();
            if is_help { ExitCode::SUCCESS } else { ExitCode::from(64) }
        }
    }
}
