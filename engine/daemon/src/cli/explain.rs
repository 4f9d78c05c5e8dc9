//! `portcullis explain`: why, in sums that a person can add: out of an output folder, or, of what the service asked for, out of its topics.

mod case;

pub use case::report;

use super::run::encoding_of;
use super::{Failure, span};
use crate::contain::Desk;
use crate::contain::case::Depth;
use crate::live::COLUMNS;
use crate::roles::wall_clock;
use crate::say::{harmless, say, say_on, steers};
use anyhow::{Context, bail};
use portcullis_core::containment::{ContainmentDecision, ContainmentRequest};
use portcullis_core::time::Span;
use portcullis_core::verdict::{Level, Name, Verdict};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// A verdict's id, a request's id, or the id of an identity, source, device or card. Of the service, a proposal or a request.
    what: String,
    /// The folder that `portcullis score --out` wrote.
    #[arg(long = "in", value_name = "DIR", required_unless_present = "config")]
    dir: Option<PathBuf>,
    /// The service's configuration: everything about one proposal or request, out of its topics.
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// Leave PORTCULLIS_... environment variables out.
    #[arg(long, requires = "config")]
    no_environment: bool,
    /// How far back to read what was published.
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = span, requires = "config")]
    since: Span,
    /// One JSON object.
    #[arg(long, requires = "config")]
    json: bool,
}

/// Verdicts listed in the history of a subject.
const HISTORY_MAX: usize = 20;

pub fn run(args: Args) -> Result<(), Failure> {
    let Some(config) = &args.config else {
        say_on!("{}", explain(&harmless(&args.what), args.dir.as_deref().unwrap_or(Path::new(".")))?);
        return Ok(());
    };
    let config = super::validate::load(config, args.no_environment)?;
    let mut desk = Desk::open(&config.kafka.settings(), &config.topics.prefix, encoding_of(&config))?;
    let Some(case) = desk.case(&args.what, wall_clock().plus(-args.since.0), Depth::Everything)? else {
        return Err(nothing_of(&args.what, args.since));
    };
    match args.json {
        true => say!("{}", serde_json::to_string_pretty(&case)?),
        false => say_on!("{}", report(&case)?),
    }
    Ok(())
}

/// There is no proposal and no request of that id.
pub fn nothing_of(id: &str, since: Span) -> Failure {
    Failure::Usage(format!("{}: no proposal and no request of that id in the last {since}; --since looks further back", harmless(id)))
}

/// The explanation of a verdict, a request or a subject.
pub fn explain(what: &str, dir: &Path) -> anyhow::Result<String> {
    let is_request = what.starts_with("r-");
    let requests: Vec<ContainmentRequest> =
        lines(
            &dir.join("containment.ndjson"),
            |r: &ContainmentRequest| {
                if is_request { r.id == what } else { r.subject.id == what || r.verdict_id == what }
            },
        )?;
    let wanted_verdict = if is_request { requests.first().map(|r| r.verdict_id.clone()) } else { None };
    let verdicts: Vec<Verdict> = lines(&dir.join("verdicts.ndjson"), |v: &Verdict| {
        v.id == what || v.subject.id == what || wanted_verdict.as_deref() == Some(&v.id)
    })?;
    if verdicts.is_empty() {
        bail!(
            "nothing about {what:?} in {}: it names neither a verdict, nor a request, nor a subject with a verdict (subjects that never left `low` have none; `score --emit all` writes one for every event)",
            dir.display()
        );
    }
    // One name may be an identity's of two tenants, or a device's as well.
    let mut subjects: Vec<(&str, &Name)> = verdicts.iter().map(|v| (v.tenant.as_str(), &v.subject)).collect();
    subjects.sort_unstable_by_key(|(tenant, subject)| (*tenant, &subject.kind, &subject.id));
    subjects.dedup();
    let mut text = String::new();
    for (number, (tenant, subject)) in subjects.iter().enumerate() {
        if number > 0 {
            writeln!(text, "\n{}\n", "-".repeat(COLUMNS))?;
        }
        let of_it: Vec<&Verdict> = verdicts.iter().filter(|v| v.tenant == *tenant && v.subject == **subject).collect();
        if of_it.len() > 1 {
            history(&mut text, &of_it)?;
        }
        if let Some(worst) = of_it.iter().reduce(|a, b| if (b.level, b.evidence_db) > (a.level, a.evidence_db) { b } else { a }) {
            one(&mut text, worst)?;
        }
        let asked: Vec<&ContainmentRequest> = requests.iter().filter(|r| r.tenant == *tenant && r.subject == **subject).collect();
        let is_its = |d: &ContainmentDecision| d.tenant == *tenant && d.subject == **subject;
        let decisions: Vec<ContainmentDecision> = lines(&dir.join("decisions.ndjson"), is_its)?;
        containment(&mut text, &asked, &decisions)?;
    }
    Ok(text)
}

/// Names come from logs: what would steer a terminal, or forge a line, is shown as a replacement character.
fn disarm(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(steers) => *text = harmless(text),
        Value::Array(items) => items.iter_mut().for_each(disarm),
        Value::Object(fields) => fields.values_mut().for_each(disarm),
        _ => {}
    }
}

/// The lines of a file that `keep` keeps.
fn lines<T: DeserializeOwned>(path: &Path, keep: impl Fn(&T) -> bool) -> anyhow::Result<Vec<T>> {
    let file = std::fs::File::open(path)
        .with_context(|| format!("opening {} (the folder that `portcullis score --out` wrote)", path.display()))?;
    let mut kept = Vec::new();
    for (i, line) in BufReader::new(file).lines().enumerate() {
        let line = line.with_context(|| format!("reading {}", path.display()))?;
        let read = || -> serde_json::Result<T> {
            let mut value: Value = serde_json::from_str(&line)?;
            disarm(&mut value);
            serde_json::from_value(value)
        };
        let item = read().with_context(|| format!("{} line {}", path.display(), i + 1))?;
        if keep(&item) {
            kept.push(item);
        }
    }
    Ok(kept)
}

fn history(text: &mut String, verdicts: &[&Verdict]) -> std::fmt::Result {
    let Verdict { subject, tenant, .. } = verdicts[0];
    writeln!(text, "{} verdicts on {} {} of tenant {tenant}:", verdicts.len(), subject.kind, subject.id)?;
    for verdict in verdicts.iter().take(HISTORY_MAX) {
        let leading = verdict.reasons.first().map_or("", |r| &r.signal);
        writeln!(
            text,
            "  {}  {:<8}  {:>6.1} dB  score {:>5.1}  {leading}",
            verdict.time, verdict.level, verdict.evidence_db, verdict.score
        )?;
    }
    if verdicts.len() > HISTORY_MAX {
        writeln!(text, "  ... and {} more", verdicts.len() - HISTORY_MAX)?;
    }
    writeln!(text, "\nThe highest of them:")
}

fn one(text: &mut String, v: &Verdict) -> std::fmt::Result {
    let class = v.class.map(|c| format!(" ({c})")).unwrap_or_default();
    writeln!(text, "Verdict {}", v.id)?;
    writeln!(text, "  {} {}{class} of tenant {} is {} since {}", v.subject.kind, v.subject.id, v.tenant, v.level, v.time)?;
    match (&v.event_id, v.event_type) {
        (Some(id), Some(kind)) => writeln!(text, "  judged at event {id} ({kind})")?,
        _ => writeln!(text, "  the level fell because the evidence grew old; no event")?,
    }
    writeln!(text, "\n  {:>8}  prior: how seldom one of its kind is abused", format!("{:+.1} dB", v.prior_db))?;
    for reason in &v.reasons {
        writeln!(text, "  {:>8}  {} ({}): {}", format!("{:+.1} dB", reason.db), reason.signal, reason.family, reason.detail)?;
        writeln!(text, "            observed: {}", reason.observed)?;
        writeln!(text, "            expected: {}", reason.expected)?;
        let identifiers: Vec<&str> = reason.attack.iter().chain(&reason.nhi).map(String::as_str).collect();
        let events = reason.events.join(", ");
        writeln!(
            text,
            "            events: {events}{}",
            if identifiers.is_empty() { String::new() } else { format!("; {}", identifiers.join(", ")) }
        )?;
    }
    writeln!(text, "  {:>8}  in sum: score {:.1} of 100", format!("{:+.1} dB", v.evidence_db), v.score)?;
    if let Some(floor) = &v.floor {
        writeln!(text, "            {floor} is a fact, not a likelihood: alone it lifts the level to {}", v.level)?;
    }
    writeln!(text, "            {}", borders(v))?;
    if let Some(until) = v.valid_until {
        writeln!(text, "            without more evidence it is low again at {until}")?;
    }
    for error in &v.errors {
        writeln!(text, "  could not be evaluated: {error}")?;
    }
    writeln!(
        text,
        "  policy {} ({}), record {}/{}/{}",
        v.policy.version,
        short(&v.policy.digest),
        v.log.topic,
        v.log.partition,
        v.log.offset
    )
}

/// What would have changed the level, by the default borders of the score.
fn borders(v: &Verdict) -> String {
    let next = [(Level::Medium, 25.0), (Level::High, 50.0), (Level::Critical, 75.0)].into_iter().find(|(level, _)| *level > v.level);
    let without =
        v.reasons.first().filter(|r| r.db > 0.0).map(|r| format!("without {} it would be {:.1} dB", r.signal, without_leading(v)));
    let more = next.map(|(level, score)| format!("{level} begins at {:+.1} dB by the default borders", (score - 50.0) / 2.5));
    [without, more].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The sum without its strongest reason. What is left of that reason's family moves up: the second would count whole and not half, the third
/// half and not a quarter, so each counts for twice what it does now.
fn without_leading(v: &Verdict) -> f64 {
    let Some((leading, others)) = v.reasons.split_first() else { return v.evidence_db };
    let family: f64 = others.iter().filter(|r| r.family == leading.family && r.db > 0.0).map(|r| r.db).sum();
    (v.evidence_db - leading.db + family).max(v.prior_db)
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn containment(text: &mut String, requests: &[&ContainmentRequest], decisions: &[ContainmentDecision]) -> std::fmt::Result {
    if requests.is_empty() && decisions.is_empty() {
        return writeln!(text, "\nNothing was requested.");
    }
    writeln!(text, "\nContainment:")?;
    for request in requests {
        let (target, playbook) = (&request.target, &request.playbook);
        let what = if request.mode == portcullis_core::verdict::Mode::Shadow { "would be requested" } else { "requested" };
        writeln!(
            text,
            "  {}  {} on {} {} {what} by playbook {playbook} at {}: {}, incident {}",
            request.time, request.action, target.kind, target.id, request.level, request.id, request.incident.id
        )?;
    }
    for decision in decisions.iter().filter(|d| d.request.is_none() && d.would_send.is_none()) {
        writeln!(text, "  {}  {}: {} ({})", decision.time, decision.action, decision.end, decision.why)?;
    }
    Ok(())
}
