//! `portcullis log export`: the keyed logs as a file that `portcullis score --keyed-log` scores again.

use super::Failure;
use super::score::stop_on_signal;
use crate::keyed_log::{Line, event_record_json, gate_record_json};
use crate::line_file::LineFile;
use crate::roles::Topics;
use crate::say::say;
use anyhow::Context;
use portcullis_connectors::kafka::{Reader, RecordRef, Start, TopicPartition, connect_check};
use portcullis_core::time::Time;
use portcullis_schemas::{decode_event_record, decode_gate_record};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long to wait for a broker.
const CONNECT_MAX: Duration = Duration::from_secs(10);

#[derive(clap::Subcommand)]
pub enum LogCommand {
    /// Write the events and proposals logs, partition by partition, up to their ends as of now.
    Export(Args),
}

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    given: super::validate::Args,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only this log.
    #[arg(long, value_enum)]
    only: Option<Which>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    Events,
    Proposals,
}

pub fn run(command: LogCommand) -> Result<(), Failure> {
    let LogCommand::Export(args) = command;
    let config = args.given.load()?;
    let stop = stop_on_signal()?;
    let topics = Topics::new(&config.topics.prefix);
    let kafka = config.kafka.settings();
    // Before the file is made: what it held stays, if there is nothing to put in its place.
    connect_check(&kafka, &[&topics.events, &topics.proposals], CONNECT_MAX)?;
    let mut reader = Reader::open(&kafka)?;
    let mut file = LineFile::create(&args.out).with_context(|| format!("making {}", args.out.display()))?;
    let mut records = 0;
    for (which, topic) in [(Which::Events, &topics.events), (Which::Proposals, &topics.proposals)] {
        if args.only.is_some_and(|only| only != which) {
            continue;
        }
        for partition in 0..reader.partitions(topic)? {
            let at = TopicPartition::new(Arc::clone(topic), partition);
            let mut failed = None;
            reader.read(&at, Start::Beginning, None, |record| {
                if stop.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
                match line(which, topic, record).and_then(|line| Ok(file.line(|out| out.extend_from_slice(&line))?)) {
                    Ok(()) => records += 1,
                    Err(error) => {
                        failed = Some(error.context(format!("{at} offset {}", record.offset)));
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            })?;
            if let Some(error) = failed {
                return Err(Failure::Failed(error));
            }
            if stop.load(Ordering::Relaxed) {
                file.flush()?;
                return Err(Failure::Interrupted);
            }
        }
    }
    file.flush().with_context(|| format!("writing {}", args.out.display()))?;
    say!("{records} records in {}", args.out.display());
    Ok(())
}

fn line(which: Which, topic: &str, record: RecordRef<'_>) -> anyhow::Result<Vec<u8>> {
    let bytes = record.value.unwrap_or_default();
    let value = match which {
        Which::Events => event_record_json(&decode_event_record(bytes)?)?,
        Which::Proposals => gate_record_json(&decode_gate_record(bytes)?)?,
    };
    let value = RawValue::from_string(value)?;
    let line = Line {
        topic: Cow::Borrowed(topic),
        partition: record.partition,
        offset: record.offset,
        appended_at: Time(record.timestamp.ms().unwrap_or(0)),
        key: Cow::Borrowed(std::str::from_utf8(record.key.unwrap_or_default())?),
        value: &value,
    };
    Ok(serde_json::to_vec(&line)?)
}
