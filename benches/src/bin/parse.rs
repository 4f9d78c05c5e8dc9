//! The floor under `portcullis score`: reads a file and decodes every line with the decoder that `score` uses, nothing else. Prints events per
//! second of processor time.
//!
//! ```text
//! portcullis simulate --seed 1 --events 1000000 --out DIR
//! cargo build --release -p portcullis-benches -p portcullis && taskset -c 1 target/release/parse DIR/events.ndjson
//! ```

use portcullis_schemas::json::decode_event;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: parse EVENTS.ndjson");
        return ExitCode::from(64);
    };
    match parse(&path) {
        Ok((events, faults, bytes)) => {
            let seconds = processor_seconds();
            println!(
                "{events} events, {faults} faults, {bytes} bytes in {seconds:.2} s of processor time: {:.0} events/s",
                events as f64 / seconds
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// Events, lines that are none, bytes.
fn parse(path: &std::ffi::OsStr) -> std::io::Result<(u64, u64, u64)> {
    let mut reader = BufReader::with_capacity(2 << 20, File::open(path)?);
    let mut line = Vec::new();
    let (mut events, mut faults, mut bytes) = (0, 0, 0);
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line)? {
            0 => return Ok((events, faults, bytes)),
            length => bytes += length as u64,
        }
        match decode_event(line.trim_ascii_end()) {
            Ok(event) => {
                std::hint::black_box(&event);
                events += 1;
            }
            Err(_) => faults += 1,
        }
    }
}

/// User and system time of this process so far.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
