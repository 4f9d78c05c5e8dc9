//! A keyed log in a file: what `portcullis log export` writes and `portcullis score --keyed-log` scores again, exactly as it was scored.
//!
//! One line a record, in partition order: `{topic, partition, offset, appended_at, key, value}`, value as JSON.

use crate::files::{Feed, Order, OutputFiles};
use crate::jws::Signer;
use crate::partition::{GatePartition, ScorePartition, ScoreRecord, ScoreValue};
use crate::progress::Progress;
use crate::summary::Summary;
use anyhow::{Context, bail};
use portcullis_connectors::formats::Format;
use portcullis_core::event::Event;
use portcullis_core::record::{Control, EventRecord, GateRecord, Output, Position};
use portcullis_core::time::Time;
use portcullis_schemas::json::{decode_logged_event, encode_event};
use portcullis_state::{Shared, StateOptions};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// One exported record.
#[derive(Serialize, Deserialize)]
pub struct Line<'a> {
    #[serde(borrow)]
    pub topic: Cow<'a, str>,
    pub partition: i32,
    pub offset: i64,
    pub appended_at: Time,
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    #[serde(borrow)]
    pub value: &'a RawValue,
}

/// The value of a record of the events log as JSON.
pub fn event_record_json(record: &EventRecord<'_>) -> serde_json::Result<String> {
    match record {
        EventRecord::Event(event) => event_json(event),
        EventRecord::Control(control) => serde_json::to_string(control),
    }
}

/// The value of a record of the proposals log as JSON.
pub fn gate_record_json(record: &GateRecord<'_>) -> serde_json::Result<String> {
    match record {
        GateRecord::Proposal(proposal) => serde_json::to_string(proposal),
        GateRecord::Event(event) => event_json(event),
        GateRecord::Control(control) => serde_json::to_string(control),
    }
}

fn event_json(event: &Event<'_>) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    encode_event(event, &mut bytes);
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Which record a value is: controls and events say so, a proposal is what remains.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    control: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type")]
    event: Option<Cow<'a, str>>,
}

fn read_event_record(value: &str) -> anyhow::Result<EventRecord<'_>> {
    if serde_json::from_str::<Kind<'_>>(value)?.control.is_some() {
        return Ok(EventRecord::Control(serde_json::from_str(value)?));
    }
    Ok(EventRecord::Event(Box::new(decode_logged_event(value.as_bytes())?)))
}

fn read_gate_record(value: &str) -> anyhow::Result<GateRecord<'_>> {
    let kind = serde_json::from_str::<Kind<'_>>(value)?;
    if kind.control.is_some() {
        return Ok(GateRecord::Control(serde_json::from_str(value)?));
    }
    if kind.event.is_some() {
        return Ok(GateRecord::Event(Box::new(decode_logged_event(value.as_bytes())?)));
    }
    Ok(GateRecord::Proposal(Box::new(serde_json::from_str(value)?)))
}

/// What `score --keyed-log` needs.
pub struct Settings<'a> {
    pub files: &'a [String],
    /// An empty folder for the state.
    pub dir: &'a Path,
    pub memory_bytes: usize,
    pub batch: usize,
    pub signer: Option<Signer>,
}

/// Scores a keyed log: SCORE over its events, GATE over its proposals (or over those that come of the events, where none were exported).
///
/// # Errors
/// When a file cannot be read, or a line is no record of a keyed log.
pub fn score(settings: Settings<'_>, stop: &AtomicBool, progress: &Progress, files: &mut OutputFiles) -> anyhow::Result<Summary> {
    let mut run = Run {
        shared: Shared::new(StateOptions::temporary(settings.memory_bytes)),
        settings,
        score: BTreeMap::new(),
        gate: BTreeMap::new(),
        derived: Vec::new(),
        summary: Summary::default(),
        files,
    };
    let mut feed = Feed::open(run.settings.files, Order::AsIs, Format::Native, 0)?;
    while let Some(batch) = feed.next_batch(run.settings.batch)? {
        if stop.load(Ordering::Relaxed) {
            run.summary.interrupted = true;
            return Ok(run.summary);
        }
        let mut lines = Vec::with_capacity(batch.len());
        for (file, raw) in batch.records() {
            let place = || format!("{} line {}", run.settings.files[file as usize], raw.position.line);
            if let Some(fault) = raw.fault {
                bail!("{}: {fault}", place());
            }
            let line: Line<'_> = serde_json::from_slice(raw.bytes)
                .with_context(|| format!("{}: no record of a keyed log (portcullis log export)", place()))?;
            lines.push(line);
        }
        run.lines(&lines)?;
        progress.advance(lines.len() as u64, batch.bytes(), &run.summary);
    }
    run.decide_derived()?;
    Ok(run.summary)
}

struct Run<'r> {
    settings: Settings<'r>,
    shared: Shared,
    score: BTreeMap<(String, i32), ScorePartition>,
    gate: BTreeMap<(String, i32), GatePartition>,
    /// What SCORE proposed, for when the export holds no proposals log.
    derived: Vec<GateRecord<'static>>,
    summary: Summary,
    files: &'r mut OutputFiles,
}

impl Run<'_> {
    /// Lines of several partitions, each run of one partition as a batch.
    fn lines(&mut self, lines: &[Line<'_>]) -> anyhow::Result<()> {
        for run in lines.chunk_by(|a, b| a.topic == b.topic && a.partition == b.partition) {
            match &*run[0].topic {
                topic if topic.ends_with(".events") => self.events(run)?,
                topic if topic.ends_with(".proposals") => self.proposals(run)?,
                topic => bail!("topic {topic} in a keyed log: only <prefix>.events and <prefix>.proposals can be scored"),
            }
        }
        Ok(())
    }

    fn events(&mut self, run: &[Line<'_>]) -> anyhow::Result<()> {
        let (topic, number) = (run[0].topic.as_ref(), run[0].partition);
        let mut values = Vec::with_capacity(run.len());
        for line in run {
            let value =
                read_event_record(line.value.get()).with_context(|| format!("{topic} partition {number} offset {}", line.offset))?;
            if let EventRecord::Event(event) = &value {
                self.summary.event(event);
            }
            values.push(value);
        }
        let records: Vec<ScoreRecord<'_, '_>> = run
            .iter()
            .zip(&values)
            .map(|(line, value)| ScoreRecord {
                position: position(line),
                key: line.key.as_bytes(),
                value: match value {
                    EventRecord::Event(event) => ScoreValue::Event(event),
                    EventRecord::Control(control) => ScoreValue::Control(control),
                },
                is_first: true,
            })
            .collect();
        let key = (topic.to_owned(), number);
        if !self.score.contains_key(&key) {
            let dir = self.settings.dir.join(format!("score-{number}"));
            self.score.insert(key.clone(), ScorePartition::open(&dir, &self.shared, topic, number, i32::MAX)?);
        }
        let Some(partition) = self.score.get_mut(&key) else { return Ok(()) };
        let mut outputs = Vec::new();
        let counts = partition.apply(&records, &mut outputs)?;
        partition.commit(Instant::now())?;
        self.summary.judged(counts, 0);
        for output in outputs {
            match output {
                Output::Proposal(proposal) => self.derived.push(GateRecord::Proposal(proposal)),
                Output::ToGate(control) => self.derived.push(GateRecord::Control(control)),
                other => self.write(other)?,
            }
        }
        Ok(())
    }

    fn proposals(&mut self, run: &[Line<'_>]) -> anyhow::Result<()> {
        let (topic, number) = (run[0].topic.as_ref(), run[0].partition);
        let mut values = Vec::with_capacity(run.len());
        for line in run {
            values.push(read_gate_record(line.value.get()).with_context(|| format!("{topic} partition {number} offset {}", line.offset))?);
        }
        let records: Vec<_> = run.iter().zip(&values).map(|(line, value)| (position(line), value)).collect();
        self.decide(topic, number, &records)
    }

    fn decide(&mut self, topic: &str, number: i32, records: &[(Position, &GateRecord<'_>)]) -> anyhow::Result<()> {
        let key = (topic.to_owned(), number);
        if !self.gate.contains_key(&key) {
            let dir = self.settings.dir.join(format!("gate-{number}"));
            self.gate.insert(key.clone(), GatePartition::open(&dir, &self.shared, topic, number, i32::MAX)?);
        }
        let Some(partition) = self.gate.get_mut(&key) else { return Ok(()) };
        let mut outputs = Vec::new();
        partition.apply(records, &mut outputs)?;
        partition.commit(Instant::now())?;
        if let Some(signer) = &self.settings.signer {
            signer.sign_all(&mut outputs);
        }
        outputs.into_iter().try_for_each(|output| self.write(output))
    }

    /// Without a proposals log, GATE decides on what SCORE proposed, in order of log time.
    fn decide_derived(&mut self) -> anyhow::Result<()> {
        if !self.gate.is_empty() {
            return Ok(());
        }
        let mut derived = std::mem::take(&mut self.derived);
        derived.sort_by_key(written_at);
        let records: Vec<_> =
            derived.iter().enumerate().map(|(i, r)| (Position { partition: 0, offset: i as i64, appended_at: written_at(r) }, r)).collect();
        self.decide("portcullis.proposals", 0, &records)
    }

    fn write(&mut self, output: Output) -> anyhow::Result<()> {
        self.summary.output(&output);
        self.files.output(&output)
    }
}

fn position(line: &Line<'_>) -> Position {
    Position { partition: line.partition, offset: line.offset, appended_at: line.appended_at }
}

/// The log time at which SCORE wrote a record of the proposals log.
pub fn written_at(record: &GateRecord<'_>) -> Time {
    match record {
        GateRecord::Proposal(proposal) => proposal.time,
        GateRecord::Event(event) => event.time,
        GateRecord::Control(Control::IncidentClosed(closed)) => closed.at,
        GateRecord::Control(Control::Sample(sample)) => sample.at,
        GateRecord::Control(Control::Policy(policy)) => policy.applied_at,
        GateRecord::Control(Control::Tick(tick)) => tick.due,
        // People answer on Kafka only, where the broker stamps the time.
        GateRecord::Control(Control::Answer(_)) => Time(0),
    }
}
