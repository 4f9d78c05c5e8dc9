//! `portcullis format try`: what becomes of each record of a log file, field by field, and what of it is not used.

use super::Failure;
use super::score::format_by_name;
use crate::files::{Feed, Order};
use crate::say::{harmless, say};
use portcullis_connectors::formats::{self, Format, Input, Item};
use portcullis_core::event::Event;
use portcullis_schemas::json::encode_event;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(clap::Subcommand)]
pub enum FormatCommand {
    /// Read a log file as `score` would, and show what each record becomes.
    Try(Args),
}

#[derive(clap::Args)]
pub struct Args {
    /// NDJSON, JSON arrays or pretty-printed JSON, plain, .gz or .zst; `-` reads standard input.
    #[arg(value_name = "FILE")]
    file: String,
    /// How it is written; `auto` recognises it record by record.
    #[arg(long, default_value = "auto", value_parser = format_by_name)]
    format: Format,
    /// As an input without `trust: control` would: behaviour only.
    #[arg(long)]
    behaviour: bool,
    /// Stop after so many records.
    #[arg(long, default_value_t = 20)]
    records: usize,
}

pub fn run(command: FormatCommand) -> Result<(), Failure> {
    let FormatCommand::Try(args) = command;
    let input = if args.behaviour { Input::behaviour(&args.file, None) } else { Input::operator(&args.file) };
    let mut feed = Feed::open(std::slice::from_ref(&args.file), Order::AsIs, Format::Native, 0)?;
    let (mut seen, mut events, mut ignored, mut faults) = (0, 0, 0, 0);
    while seen < args.records
        && let Some(batch) = feed.next_batch(args.records)?
    {
        for (_, raw) in batch.records().take(args.records - seen) {
            seen += 1;
            say!("line {}", raw.position.line);
            if let Some(fault) = raw.fault {
                faults += 1;
                say!("  cannot be read: {fault}");
                continue;
            }
            let mut used = BTreeSet::new();
            formats::decode(args.format, raw.bytes, &input, &mut |index, item| match item {
                Item::Event(event) => {
                    events += 1;
                    say!("  event {index}");
                    for (path, value) in fields(&event) {
                        say!("    {path:<28} {}", harmless(&value));
                        used.insert(value);
                    }
                }
                Item::Ignored { kind, .. } => {
                    ignored += 1;
                    say!("  not about an identity, ignored and counted as {}", harmless(&kind));
                }
                Item::Fault(fault) => {
                    faults += 1;
                    say!("  a dead letter: {}: {}", harmless(&fault.path), harmless(&fault.what));
                }
            });
            let unused = unused(raw.bytes, &used);
            if !used.is_empty() && !unused.is_empty() {
                say!("  in no field of it: {}", harmless(&unused.join(", ")));
            }
        }
    }
    say!("{seen} records: {events} events, {ignored} ignored, {faults} dead letters");
    if seen > 0 && events == 0 { Err(Failure::Data("no record became an event".to_owned())) } else { Ok(()) }
}

/// The fields of an event that have a value.
fn fields(event: &Event<'_>) -> Vec<(String, String)> {
    let mut bytes = Vec::new();
    encode_event(event, &mut bytes);
    let mut leaves = Vec::new();
    walk("", &serde_json::from_slice(&bytes).unwrap_or_default(), &mut leaves);
    leaves
}

/// Paths of the record whose value stands in no field of what it became.
fn unused(raw: &[u8], used: &BTreeSet<String>) -> Vec<String> {
    let mut leaves = Vec::new();
    walk("", &serde_json::from_slice(raw).unwrap_or_default(), &mut leaves);
    leaves
        .into_iter()
        .filter(|(path, value)| !path.is_empty() && !value.is_empty() && !used.contains(value))
        .map(|(path, _)| path)
        .collect()
}

fn walk(path: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| walk(&under(name), value, leaves)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, value)| walk(&format!("{path}[{i}]"), value, leaves)),
        Value::Null => {}
        Value::String(text) => leaves.push((path.to_owned(), text.clone())),
        other => leaves.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_no_field_is_named_by_its_path() {
        let raw = br#"{"a":{"b":"x","c":["y",7]},"d":"","e":null}"#;
        assert_eq!(unused(raw, &BTreeSet::from(["y".to_owned()])), ["a.b", "a.c[1]"]);
        assert!(unused(b"no json", &BTreeSet::new()).is_empty());
    }
}
