//! The verdict over a run: each hop against the log that it really read.

use super::decided::{self, Gap, Line, Published};
use super::findings::Findings;
use super::group::committed;
use super::ingested;
use super::log::{Log, read_all};
use anyhow::Context;
use portcullis::audit::head::HEAD_RECORD;
use portcullis::jws::Signer;
use portcullis::roles::{Topics, gate, score};
use portcullis_connectors::formats::Input;
use portcullis_connectors::kafka::topics::Names;
use portcullis_connectors::kafka::{Settings, cluster_id};
use portcullis_core::gate::GateState;
use portcullis_core::profile::Profile;
use portcullis_core::record::{Control, GateRecord};
use portcullis_schemas::{Encoding, decode_gate_record};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What retention has removed of a journal, and where that made an operator accept a gap.
pub struct Aged {
    /// The topic.
    pub journal: String,
    pub records: Log,
    /// By partition.
    pub gaps: BTreeMap<i32, Gap>,
}

/// Where the evidence is.
pub struct Case<'c> {
    pub settings: &'c Settings,
    pub prefix: &'c str,
    pub input: &'c Input,
    /// Raw topics of the same name that were there before.
    pub buried: &'c [Log],
    pub aged: &'c [Aged],
    pub score_group: &'c str,
    /// State directories of all pods.
    pub states: &'c [PathBuf],
    /// The same of checkpoints.
    pub checkpoints: &'c [PathBuf],
    pub signing_key: &'c Path,
    /// INGEST was part of it.
    pub ingest: bool,
}

/// What was compared.
#[derive(Default, Debug)]
pub struct Tally {
    pub ingested: ingested::Tally,
    pub score: decided::Tally,
    pub gate: decided::Tally,
    pub verdicts: usize,
    pub proposals: usize,
    pub requests: usize,
    pub decisions: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { ingested, score, gate, verdicts, proposals, requests, decisions } = self;
        write!(
            f,
            "{} raw, {} events, {} dead letters, {verdicts} verdicts, {proposals} proposals, {requests} requests, {decisions} decisions, \
             {}+{} batches, {}+{} profiles, {}+{} states{}",
            ingested.raw,
            ingested.events,
            ingested.dead_letters,
            score.batches,
            gate.batches,
            score.values,
            gate.values,
            score.states,
            gate.states,
            match score.checkpoints + gate.checkpoints {
                0 => String::new(),
                count => format!(", {count} checkpoints"),
            }
        )
    }
}

const KAFKA_MAX: Duration = Duration::from_secs(10);

/// Puts what retention removed of a journal before what is left of it. The gaps that were accepted.
fn unearth(aged: &[Aged], journal: &str, log: &mut Log) -> BTreeMap<i32, Gap> {
    let Some(aged) = aged.iter().find(|aged| aged.journal == journal) else { return BTreeMap::new() };
    for (left, removed) in log.iter_mut().zip(&aged.records) {
        left.splice(0..0, removed.iter().cloned());
    }
    aged.gaps.clone()
}

/// # Errors
/// When the evidence cannot be had; what it says is in the findings.
pub fn judge(case: &Case<'_>) -> anyhow::Result<(Tally, Findings)> {
    let (names, topics) = (Names::new(case.prefix), Topics::new(case.prefix));
    let (mut findings, mut tally) = (Findings::default(), Tally::default());
    let [events, proposals, verdicts, mut journal, mut gate_journal] =
        read_all(case.settings, [&names.events, &names.proposals, &names.verdicts, &names.journal, &names.gate_journal])?;
    let [risk, reputation] = read_all(case.settings, [&names.risk, &names.reputation])?;
    let gaps = unearth(case.aged, &names.journal, &mut journal);
    let gate_gaps = unearth(case.aged, &names.gate_journal, &mut gate_journal);
    if case.ingest {
        let cluster = cluster_id(case.settings, KAFKA_MAX)?;
        let [raw, dead_letters, inventory] = read_all(case.settings, [&case.input.name, &names.dead_letter, &names.inventory])?;
        let raws: Vec<&Log> = case.buried.iter().chain([&raw]).collect();
        let hop = ingested::Hop {
            cluster: &cluster,
            input: case.input,
            raw: &raws,
            events: &events,
            dead_letters: &dead_letters,
            inventory: &inventory,
            proposals: &proposals,
        };
        tally.ingested = ingested::judge(&hop, &mut findings)?;
    }
    let written = [(&names.verdicts, &verdicts), (&names.risk, &risk), (&names.reputation, &reputation), (&names.proposals, &proposals)];
    let counts: BTreeMap<&str, i32> = written.map(|(name, log)| (name.as_str(), log.len() as i32)).into();
    let partitions_of = |topic: &str| counts.get(topic).copied().unwrap_or(1);

    let hop = decided::Hop {
        role: "score",
        topic: &names.events,
        log: &events,
        journal: &journal,
        gaps: &gaps,
        committed: &committed(case.settings, case.score_group, &names.events, events.len())?,
        states: case.states,
        checkpoints: case.checkpoints,
    };
    let write = |number: i32, outputs: &mut Vec<_>, outbox: &mut _| {
        outputs.iter().for_each(|output| score::write(&topics, &Encoding::Json.into(), number, output, outbox));
    };
    let (scored, counted) = decided::judge::<Profile>(&hop, &partitions_of, write, &mut findings).context("scoring the events again")?;
    tally.score = counted;
    let hop = decided::Hop {
        role: "gate",
        topic: &names.proposals,
        log: &proposals,
        journal: &gate_journal,
        gaps: &gate_gaps,
        committed: &committed(case.settings, &format!("{}-gate", case.prefix), &names.proposals, proposals.len())?,
        states: case.states,
        checkpoints: case.checkpoints,
    };
    let signer = Signer::open(case.signing_key, "portcullis", "portcullis-executor")?;
    let write = |_: i32, outputs: &mut Vec<_>, outbox: &mut _| {
        signer.sign_all(outputs);
        outputs.iter().for_each(|output| gate::write(&topics, &Encoding::Json.into(), output, outbox));
    };
    let (gated, counted) =
        decided::judge::<GateState>(&hop, &partitions_of, write, &mut findings).context("deciding on the proposals again")?;
    tally.gate = counted;

    compare_verdicts(&names, &verdicts, &scored, &gated, &mut tally, &mut findings);
    compare_latest("levels", &names.risk, &risk, &scored, &mut findings);
    compare_latest("reputation", &names.reputation, &reputation, &scored, &mut findings);
    compare_proposals(&names, &proposals, &scored, &mut tally, &mut findings);
    Ok((tally, findings))
}

/// SCORE's verdicts stand in the partition of their events, in order; the gate's outputs where their keys belong.
fn compare_verdicts(names: &Names, found: &Log, scored: &Published, gated: &Published, tally: &mut Tally, findings: &mut Findings) {
    for (number, records) in found.iter().enumerate() {
        let place = (names.verdicts.clone(), number as i32);
        let shown = format!("{}[{number}]", names.verdicts);
        let (of_score, of_gate): (Vec<Line>, Vec<Line>) =
            records.iter().map(Line::of).filter(|line| line.kind != HEAD_RECORD).partition(|line| line.kind == "verdict");
        tally.verdicts += of_score.len();
        tally.requests += of_gate.iter().filter(|line| line.kind == "containment-request").count();
        tally.decisions += of_gate.iter().filter(|line| line.kind == "containment-decision").count();
        let wanted = scored.get(number).and_then(|sent| sent.get(&place)).map_or(&[][..], Vec::as_slice);
        decided::same_sequence("verdicts", &shown, wanted, &of_score, findings);
        decided::same_merged("requests and decisions", &shown, &sources(gated, &place), &of_gate, findings);
    }
}

/// What SCORE keeps the latest of by key: of each subject the same, in order.
fn compare_latest(kind: &'static str, topic: &str, found: &Log, scored: &Published, findings: &mut Findings) {
    for (number, records) in found.iter().enumerate() {
        let place = (topic.to_owned(), number as i32);
        let lines: Vec<Line> = records.iter().map(Line::of).collect();
        let by_key = |lines: &mut dyn Iterator<Item = Line>| {
            let mut keys: BTreeMap<Vec<u8>, Vec<Line>> = BTreeMap::new();
            lines.for_each(|line| keys.entry(line.key.clone()).or_default().push(line));
            keys
        };
        let (wanted, found) = (by_key(&mut sources(scored, &place).into_iter().flatten()), by_key(&mut lines.into_iter()));
        for key in wanted.keys().chain(found.keys().filter(|key| !wanted.contains_key(*key))) {
            let of = |keys: &BTreeMap<Vec<u8>, Vec<Line>>| keys.get(key).cloned().unwrap_or_default();
            decided::same_sequence(kind, &format!("{topic}[{number}]"), &of(&wanted), &of(&found), findings);
        }
    }
}

/// What SCORE wrote to the gate's log, among what INGEST, `policy apply` and the gate itself wrote there.
fn compare_proposals(names: &Names, found: &Log, scored: &Published, tally: &mut Tally, findings: &mut Findings) {
    for (number, records) in found.iter().enumerate() {
        let place = (names.proposals.clone(), number as i32);
        let of_score: Vec<Line> = records
            .iter()
            .filter(|record| {
                matches!(
                    decode_gate_record(record.value()),
                    Ok(GateRecord::Proposal(_) | GateRecord::Control(Control::IncidentClosed(_) | Control::Sample(_)))
                )
            })
            .map(Line::of)
            .collect();
        tally.proposals += of_score.len();
        decided::same_merged("proposals", &format!("{}[{number}]", names.proposals), &sources(scored, &place), &of_score, findings);
    }
}

/// What each partition of the log gave to a place.
fn sources(published: &Published, place: &(String, i32)) -> Vec<Vec<Line>> {
    published.iter().filter_map(|sent| sent.get(place).cloned()).collect()
}
