//! `portcullis dead-letter`: what could not be read, and reading it again once the reason is mended.

use super::run::CONNECT_MAX;
use super::{Failure, span};
use crate::live::fit;
use crate::roles::dead_letter::ERRORS;
use crate::roles::{Topics, wall_clock};
use crate::say::{harmless, say};
use anyhow::Context;
use portcullis_connectors::kafka::access::{User, transactional_id};
use portcullis_connectors::kafka::{Reader, RecordRef, Sink, SinkSettings, connect_check};
use portcullis_core::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Which dead letter a record of the retry topic is.
const REPLAY_OF: &str = "replay-of";
/// Dead letters that `list` shows one by one.
const LISTED_MAX: usize = 50;

#[derive(clap::Subcommand)]
pub enum DeadLetterCommand {
    /// Count dead letters by input and reason, and list the latest.
    List(Args),
    /// Print one as it came, with what was wrong with it.
    Show {
        #[command(flatten)]
        args: Args,
        /// PARTITION/OFFSET, as `list` shows it.
        #[arg(value_name = "AT", value_parser = at)]
        at: At,
    },
    /// Have INGEST read them once more, once each: by the input that they came by, under its present configuration.
    Replay {
        #[command(flatten)]
        args: Args,
        /// Only these; without any, all that the filters take.
        #[arg(value_name = "AT", value_parser = at)]
        only: Vec<At>,
    },
}

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    given: super::validate::Args,
    /// How far back.
    #[arg(long, value_name = "SPAN", default_value = "30d", value_parser = span)]
    since: Span,
    /// Only of this input.
    #[arg(long, value_name = "TOPIC")]
    input: Option<String>,
    /// Only those whose reason holds this text.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// A place in the dead-letter topic.
type At = (i32, i64);

fn at(text: &str) -> Result<At, String> {
    let parsed = text.split_once('/').and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)));
    parsed.ok_or_else(|| format!("{text:?}: PARTITION/OFFSET is wanted, such as 3/120"))
}

struct Letter {
    at: At,
    time: Time,
    input: String,
    reason: String,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Letter {
    fn of(record: RecordRef<'_>) -> Letter {
        let header = |name: &str| String::from_utf8_lossy(record.header(&format!("{ERRORS}{name}")).unwrap_or_default()).into_owned();
        let (path, what) = (header("exception"), header("message"));
        Letter {
            at: (record.partition, record.offset),
            time: Time(record.timestamp.ms().unwrap_or(0)),
            input: header("topic"),
            reason: if path.is_empty() { what } else { format!("{path}: {what}") },
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers().map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_vec())).collect(),
        }
    }
}

/// Dead letters, and how to write.
struct Desk {
    topics: Topics,
    reader: Reader,
    kafka: portcullis_connectors::kafka::Settings,
    prefix: String,
    since: Time,
}

impl Desk {
    fn open(args: &Args) -> Result<Desk, Failure> {
        let config = args.given.load()?;
        let topics = Topics::new(&config.topics.prefix);
        let kafka = config.kafka.settings();
        connect_check(&kafka, &[&topics.dead_letter, &topics.retry], CONNECT_MAX)?;
        let reader = Reader::open(&kafka)?;
        Ok(Desk { since: wall_clock().plus(-args.since.0), prefix: config.topics.prefix, topics, reader, kafka })
    }

    fn read(&mut self, topic: &Arc<str>, mut each: impl FnMut(RecordRef<'_>)) -> anyhow::Result<()> {
        self.reader.read_since(topic, self.since.0, |record| {
            each(record);
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    fn letters(&mut self, args: &Args) -> anyhow::Result<Vec<Letter>> {
        let topic = Arc::clone(&self.topics.dead_letter);
        let mut letters = Vec::new();
        self.read(&topic, |record| {
            let letter = Letter::of(record);
            if args.input.as_ref().is_none_or(|i| letter.input == *i) && args.reason.as_ref().is_none_or(|r| letter.reason.contains(r)) {
                letters.push(letter);
            }
        })?;
        Ok(letters)
    }

    /// Those that were replayed before.
    fn replayed(&mut self) -> anyhow::Result<BTreeSet<At>> {
        let topic = Arc::clone(&self.topics.retry);
        let mut replayed = BTreeSet::new();
        self.read(&topic, |record| {
            let of = record.header(&format!("{ERRORS}{REPLAY_OF}")).and_then(|value| at(std::str::from_utf8(value).ok()?).ok());
            replayed.extend(of);
        })?;
        Ok(replayed)
    }
}

pub fn run(command: DeadLetterCommand) -> Result<(), Failure> {
    match command {
        DeadLetterCommand::List(args) => {
            let letters = Desk::open(&args)?.letters(&args)?;
            let mut by: BTreeMap<(&str, &str), usize> = BTreeMap::new();
            letters.iter().for_each(|l| *by.entry((&l.input, &l.reason)).or_default() += 1);
            let mut by: Vec<_> = by.into_iter().collect();
            by.sort_by_key(|(names, count)| (usize::MAX - count, *names));
            for ((input, reason), count) in by {
                say!("{count:>8}  {:<30}  {}", fit(input, 30), fit(reason, 120));
            }
            let mut latest: Vec<&Letter> = letters.iter().collect();
            latest.sort_by_key(|l| (l.time, l.at));
            for letter in latest.iter().rev().take(LISTED_MAX) {
                say!("{}/{}  {}  {}  {}", letter.at.0, letter.at.1, letter.time, fit(&letter.input, 30), fit(&letter.reason, 120));
            }
            say!("{} dead letters in the last {}", letters.len(), args.since);
            Ok(())
        }
        DeadLetterCommand::Show { args, at } => {
            let letters = Desk::open(&args)?.letters(&args)?;
            let letter = letters.iter().find(|l| l.at == at);
            let letter = letter.ok_or_else(|| Failure::Usage(format!("no dead letter at {}/{} in the last {}", at.0, at.1, args.since)))?;
            for (name, value) in &letter.headers {
                say!("{}: {}", harmless(name), harmless(&String::from_utf8_lossy(value)));
            }
            say!("{}", harmless(&String::from_utf8_lossy(letter.value.as_deref().unwrap_or_default())));
            Ok(())
        }
        DeadLetterCommand::Replay { args, only } => replay(&args, &only),
    }
}

fn replay(args: &Args, only: &[At]) -> Result<(), Failure> {
    if only.is_empty() && args.input.is_none() && args.reason.is_none() {
        return Err(Failure::Usage("name dead letters, or a group by --input or --reason".to_owned()));
    }
    let mut desk = Desk::open(args)?;
    let done = desk.replayed()?;
    let mut letters = desk.letters(args)?;
    letters.retain(|l| only.is_empty() || only.contains(&l.at));
    let wanted = letters.len();
    letters.retain(|l| !done.contains(&l.at));
    let mut sink = Sink::open(&desk.kafka, SinkSettings::new(transactional_id(&desk.prefix, User::DeadLetter, "")))?;
    sink.begin()?;
    for letter in &letters {
        let (replay_of, attempt) = (format!("{}/{}", letter.at.0, letter.at.1), attempt_after(letter));
        let mut headers: Vec<(String, Vec<u8>)> = letter.headers.clone();
        headers.retain(|(name, _)| *name != format!("{ERRORS}attempt") && *name != format!("{ERRORS}{REPLAY_OF}"));
        headers.push((format!("{ERRORS}attempt"), attempt.into_bytes()));
        headers.push((format!("{ERRORS}{REPLAY_OF}"), replay_of.into_bytes()));
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        sink.send(&desk.topics.retry, None, letter.key.as_deref(), letter.value.as_deref(), &headers, None)?;
    }
    sink.commit_outputs().context("nothing was replayed")?;
    say!("{} dead letters are read once more, {} were before", letters.len(), wanted - letters.len());
    Ok(())
}

fn attempt_after(letter: &Letter) -> String {
    let attempt = letter.headers.iter().find(|(name, _)| *name == format!("{ERRORS}attempt"));
    let attempt: u32 = attempt.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(1);
    (attempt + 1).to_string()
}
