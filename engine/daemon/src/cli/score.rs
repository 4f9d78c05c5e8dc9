//! `portcullis score`: files in, files out.

use super::Failure;
use crate::embedded::Embedded;
use crate::files::{Feed, Order, OutputFiles};
use crate::ingest::{Ingest, Ingested};
use crate::jws::Signer;
use crate::keyed_log;
use crate::progress::Progress;
use crate::summary::Summary;
use anyhow::Context;
use portcullis_connectors::enrich::{Enricher, GeoSettings};
use portcullis_connectors::file::FileReader;
use portcullis_connectors::formats::custom::Mapping;
use portcullis_connectors::formats::{Format, Input};
use portcullis_core::event::{Event, EventType, Origin};
use portcullis_core::policy::{Policy, parse};
use portcullis_core::record::Output;
use portcullis_core::text::Text;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(clap::Args, Clone)]
pub struct Args {
    /// Log files: NDJSON, JSON arrays or pretty-printed JSON, plain, .gz or .zst; `-` reads standard input.
    #[arg(required = true, value_name = "EVENTS")]
    pub events: Vec<String>,
    /// How they are written: auto (recognised record by record), or one of the formats in docs/formats.md.
    #[arg(long, default_value = "auto", value_parser = format_by_name)]
    pub format: Format,
    /// Of the format custom: a YAML file that says which field stands where. Such files are taken as they are, one after the other.
    #[arg(long, value_name = "FILE", required_if_eq("format", "custom"))]
    pub mapping: Option<PathBuf>,
    /// The policy that decides; without it the default policy (`portcullis policy show`).
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Inventory records to know before the first event: a file of `inventory.identity` events.
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<String>,
    /// Folder for verdicts.ndjson, containment.ndjson, decisions.ndjson, findings.ndjson, dead-letter.ndjson and summary.json; without it verdicts go to standard output.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// When a verdict is written: at changes, at every event from medium on, or at every event. Overrides the policy.
    #[arg(long, value_enum)]
    pub emit: Option<EmitArg>,
    /// Merge the files by event time, or take them as they are, one after the other. Standard input is always taken as it is.
    #[arg(long, value_enum, default_value_t = Order::Time)]
    pub order: Order,
    /// The files are a keyed log as `portcullis log export` writes it: scored again exactly as the service scored it, under the policies in the log.
    #[arg(long, conflicts_with_all = ["policy", "emit", "inventory"])]
    pub keyed_log: bool,
    /// What the files may carry: everything, or behaviour only (no inventory, outcomes, labels or other tenants).
    #[arg(long, value_enum, default_value_t = Allow::Everything)]
    pub allow: Allow,
    /// MaxMind City database, for country and place where the log has none.
    #[arg(long, value_name = "MMDB")]
    pub geoip_city: Option<PathBuf>,
    /// MaxMind ASN database.
    #[arg(long, value_name = "MMDB")]
    pub geoip_asn: Option<PathBuf>,
    /// Sign containment requests with this key (`portcullis gate keygen`).
    #[arg(long, value_name = "PEM")]
    pub signing_key: Option<PathBuf>,
    /// Issuer named in signed requests.
    #[arg(long, default_value = "https://portcullis.example")]
    pub issuer: String,
    /// Audience named in signed requests.
    #[arg(long, default_value = "https://soar.example")]
    pub audience: String,
    /// Memory for profiles and caches, MiB; what does not fit goes to a temporary store on disk.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(16..=1_048_576))]
    pub memory: u64,
    /// Events judged at a time. Changes the speed, never an output.
    #[arg(long, default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub batch: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum EmitArg {
    Changes,
    Floor,
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Allow {
    Everything,
    Behaviour,
}

pub fn format_by_name(name: &str) -> Result<Format, String> {
    Format::from_name(name).ok_or_else(|| format!("known formats are {}", Format::NAMES.join(", ")))
}

pub fn run(args: Args) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    check_inputs(&args)?;
    let mut files = OutputFiles::create(args.out.as_deref())?;
    let progress = Progress::start("scored", &args.events);
    let summary = score(&args, &stop, &progress, &mut files, &mut |_| ())?;
    progress.finish();
    files.finish(&summary)?;
    summary.log();
    if summary.interrupted {
        return Err(Failure::Interrupted);
    }
    if summary.read > 0 && summary.dead_letters == summary.read {
        return Err(Failure::Data(format!("none of the {} records could be used: is the format right?", summary.read)));
    }
    Ok(())
}

/// Before anything is written over: every input can be read, and none of them lies where the outputs go.
fn check_inputs(args: &Args) -> Result<(), Failure> {
    let out = args.out.as_ref().and_then(|dir| dir.canonicalize().ok());
    for name in args.events.iter().chain(&args.inventory).filter(|name| *name != "-") {
        // A pipe is not touched: what is read of it here would be missing later.
        if std::fs::metadata(name).map_or(true, |m| m.is_dir() || m.is_file()) {
            FileReader::open(name)?;
        }
        let folder = Path::new(name).canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
        if out.is_some() && folder == out {
            return Err(Failure::Usage(format!(
                "{name} lies in the output folder, whose files are written anew: choose another folder with --out"
            )));
        }
    }
    Ok(())
}

/// The flag that Ctrl-C or a termination sets; the batch under way is finished first.
pub fn stop_on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second one ends the process at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop)).context("listening for Ctrl-C")?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("listening for Ctrl-C")?;
    }
    Ok(stop)
}

/// Reads the policy that decides, with its text.
pub fn policy_of(args: &Args) -> Result<(Policy, String), Failure> {
    let (name, text) = match &args.policy {
        Some(path) => {
            (path.display().to_string(), std::fs::read_to_string(path).with_context(|| format!("reading the policy {}", path.display()))?)
        }
        None => ("default.yaml".to_owned(), parse::DEFAULT_TEXT.to_owned()),
    };
    let text = match args.emit {
        // Travels in the text, so that the policy in the log is the one that decides.
        Some(emit) => with_emit(&text, emit),
        None => text,
    };
    let policy =
        portcullis_rules::parse(&name, &text).map_err(|faults| Failure::Configuration(faults.iter().map(ToString::to_string).collect()))?;
    Ok((policy, text))
}

fn mapping_of(args: &Args) -> Result<Option<Arc<Mapping>>, Failure> {
    let Some(path) = &args.mapping else { return Ok(None) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading the mapping {name}"))?;
    let mapping =
        Mapping::parse(&name, &text).map_err(|faults| Failure::Configuration(faults.iter().map(ToString::to_string).collect()))?;
    Ok(Some(Arc::new(mapping)))
}

fn with_emit(text: &str, emit: EmitArg) -> String {
    let word = match emit {
        EmitArg::Changes => "changes",
        EmitArg::Floor => "floor",
        EmitArg::All => "all",
    };
    let kept: Vec<&str> = text.lines().filter(|l| !l.starts_with("emit:")).collect();
    format!("{}\nemit: {word}\n", kept.join("\n"))
}

/// Scores everything and returns the summary. `watch` sees the outputs of each batch after they were written (not those of a keyed log).
pub fn score(
    args: &Args,
    stop: &AtomicBool,
    progress: &Progress,
    files: &mut OutputFiles,
    watch: &mut dyn FnMut(&[Output]),
) -> Result<Summary, Failure> {
    let (policy, text) = policy_of(args)?;
    let signer = match &args.signing_key {
        Some(path) => Some(Signer::open(path, &args.issuer, &args.audience)?),
        None => None,
    };
    let store = tempfile::Builder::new()
        .prefix("portcullis-state-")
        .tempdir()
        .context("making a temporary folder for the state (TMPDIR names another place)")?;
    let memory_bytes = (args.memory as usize) << 20;
    if args.keyed_log {
        let log = keyed_log::Settings { files: &args.events, dir: store.path(), memory_bytes, batch: args.batch as usize, signer };
        return keyed_log::score(log, stop, progress, files).map_err(Failure::Failed);
    }
    let geo = GeoSettings { city: args.geoip_city.clone(), asn: args.geoip_asn.clone(), ..GeoSettings::default() };
    let mut ingest = Ingest::new(Enricher::open(&geo)?);
    let mut engine = Embedded::begin(store.path(), memory_bytes, &policy, text, signer)?;
    let mut summary = Summary::default();
    let mapping = mapping_of(args)?;
    let mut run = Run { args, mapping, engine: &mut engine, ingest: &mut ingest, files, summary: &mut summary, progress, watch };
    if let Some(inventory) = &args.inventory {
        run.all_of(
            Feed::open(std::slice::from_ref(inventory), Order::AsIs, Format::Native, memory_bytes)?,
            std::slice::from_ref(inventory),
            Format::Native,
            Holds::Inventory,
            stop,
        )?;
    }
    // What the time of a record is, only its mapping tells.
    let order = if args.format == Format::Custom { Order::AsIs } else { args.order };
    run.all_of(Feed::open(&args.events, order, args.format, memory_bytes)?, &args.events, args.format, Holds::Events, stop)?;
    Ok(summary)
}

struct Run<'r> {
    args: &'r Args,
    mapping: Option<Arc<Mapping>>,
    engine: &'r mut Embedded,
    ingest: &'r mut Ingest,
    files: &'r mut OutputFiles,
    summary: &'r mut Summary,
    progress: &'r Progress,
    watch: &'r mut dyn FnMut(&[Output]),
}

/// What files are there for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Events,
    /// `inventory.identity` records, nothing else.
    Inventory,
}

impl Run<'_> {
    /// receive -> decode -> judge -> write, batch by batch.
    fn all_of(&mut self, mut feed: Feed, names: &[String], format: Format, holds: Holds, stop: &AtomicBool) -> Result<(), Failure> {
        let inputs: Vec<Input> = names
            .iter()
            .map(|name| match self.args.allow {
                Allow::Everything => Input::operator(name),
                Allow::Behaviour => Input::behaviour(name, None),
            })
            .map(|input| Input { mapping: self.mapping.clone(), ..input })
            .collect();
        let mut outputs = Vec::new();
        let mut room: Vec<Event<'static>> = Vec::new();
        loop {
            if stop.load(Ordering::Relaxed) {
                self.summary.interrupted = true;
                return Ok(());
            }
            let Some(batch) = feed.next_batch(self.args.batch as usize)? else { return Ok(()) };
            let mut events: Vec<Event<'_>> = emptied(std::mem::take(&mut room));
            events.reserve(batch.len());
            for (input, raw) in batch.records() {
                let name = &inputs[input as usize];
                let origin = Origin {
                    cluster: Text::borrowed("file"),
                    topic: Text::borrowed(&name.name),
                    partition: 0,
                    offset: raw.position.offset as i64,
                    index: raw.position.index,
                };
                if let Some(fault) = raw.fault {
                    self.summary.dead_letter();
                    self.files.dead_letter(&name.name, raw, 0, "", fault)?;
                    continue;
                }
                let (summary, files, mut failed) = (&mut *self.summary, &mut *self.files, None);
                self.ingest.record(format, raw.bytes, name, origin, &mut |item| match item {
                    Ingested::Event(event) if holds == Holds::Inventory && event.kind != EventType::InventoryIdentity => {
                        let reason = format!("--inventory holds inventory.identity records, and this is {}", event.kind);
                        summary.dead_letter();
                        failed = files.dead_letter(&name.name, raw, 0, "type", &reason).err();
                    }
                    Ingested::Event(event) => {
                        summary.event(&event);
                        events.push(event);
                    }
                    Ingested::Ignored { kind } => summary.ignored(&kind),
                    Ingested::DeadLetter { index, fault } => {
                        summary.dead_letter();
                        failed = files.dead_letter(&name.name, raw, index, &fault.path, &fault.what).err();
                    }
                });
                if let Some(error) = failed {
                    return Err(error.into());
                }
            }
            outputs.clear();
            let (counts, nobody) = self.engine.judge(&mut events, &mut outputs)?;
            self.summary.judged(counts, nobody);
            for output in &outputs {
                self.summary.output(output);
                self.files.output(output)?;
            }
            (self.watch)(&outputs);
            self.progress.advance(events.len() as u64, batch.bytes(), self.summary);
            room = emptied(events);
        }
    }
}

/// The memory of events for others that live differently long: megabytes, which the system would have to clear for every batch anew.
/// (Collecting what comes out of a vector into one of the same layout reuses its memory.)
#[allow(clippy::unnecessary_filter_map)] // a filter gives back the type that it took, and the lifetime is what changes
fn emptied<'b>(mut events: Vec<Event<'_>>) -> Vec<Event<'b>> {
    events.clear();
    events.into_iter().filter_map(|_| None).collect()
}
