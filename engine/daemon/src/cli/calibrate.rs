//! `portcullis policy calibrate`: what weights labelled verdicts speak for, beside those in force, as lines of a policy. Nothing is applied.

use super::{Failure, policy};
use crate::say::say_on;
use anyhow::{Context, bail};
use portcullis_core::event::{Event, EventType, Label as Said};
use portcullis_core::policy::Policy;
use portcullis_core::verdict::{Name, Verdict};
use portcullis_model::count::{Counting, Counts};
use portcullis_model::truth::{Label, Truth};
use portcullis_model::weigh::{diff, propose, table};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// What is true: `labels.ndjson` of `portcullis simulate`, or a file of `feedback.label` events. Repeat it with `--in` for several folders.
    #[arg(long, value_name = "FILE", required_unless_present = "counts")]
    labels: Vec<PathBuf>,
    /// The folder that `portcullis score --emit all --out` wrote about the labelled events.
    #[arg(long = "in", value_name = "DIR", required_unless_present = "counts")]
    dirs: Vec<PathBuf>,
    /// Counts that were kept, instead of or beside labelled folders.
    #[arg(long, value_name = "FILE")]
    counts: Vec<PathBuf>,
    /// The policy whose weights are looked at, the one under which the folders were scored; without it the default policy.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// No weight is proposed that is further from what is in force, dB.
    #[arg(long, value_name = "DB", default_value_t = 6.0)]
    step_db: f64,
    /// Keep what was counted, to be added to later.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let policy = match &args.policy {
        Some(file) => policy::read(file)?.0,
        None => Policy::default_policy(),
    };
    if args.labels.len() != args.dirs.len() {
        let (labels, dirs) = (args.labels.len(), args.dirs.len());
        return Err(Failure::Usage(format!("{labels} times --labels and {dirs} times --in: each folder needs the labels of its events")));
    }
    if !(0.0..=60.0).contains(&args.step_db) {
        return Err(Failure::Usage(format!("--step-db {} is out of bounds: between 0 and 60", args.step_db)));
    }
    let mut counts = Counts::default();
    for file in &args.counts {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let kept: Counts = serde_json::from_str(&text).with_context(|| format!("{} holds no counts", file.display()))?;
        counts.add(&kept);
    }
    let mut unclear = 0;
    for (labels, dir) in args.labels.iter().zip(&args.dirs) {
        let (counted, left_out) = count(&policy, labels, dir)?;
        counts.add(&counted);
        unclear += left_out;
    }
    if let Some(file) = &args.keep {
        let text = serde_json::to_string_pretty(&counts).context("writing counts")?;
        std::fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    say_on!("{}", report(&policy, &counts, args.step_db, unclear));
    Ok(())
}

/// The table, then the change as YAML.
pub fn report(policy: &Policy, counts: &Counts, step_db: f64, unclear: u64) -> String {
    let proposals = propose(policy, counts, step_db);
    let mut text = table(&proposals);
    let Counts { attacks, look_alikes, identity_days, .. } = counts;
    let left_out = match unclear {
        0 => String::new(),
        n => format!(" {n} labels name no time, and no verdict that is there: they are left out."),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{attacks} attacks, {look_alikes} look-alikes or false alarms, {identity_days} identity-days.{left_out} Nothing was applied. What would change, no weight by more than {step_db} dB:\n\n```yaml\n# Into a copy of policy {}, under a greater version; then `portcullis policy check` and `make bench-quality QUALITY=\"--policy FILE\"`.\n{}```\n",
        policy.version,
        diff(&proposals)
    );
    text
}

/// What one folder's verdicts say of its labels, and how many of the labels cannot be placed.
fn count(policy: &Policy, labels: &Path, dir: &Path) -> anyhow::Result<(Counts, u64)> {
    check_emission(dir)?;
    let (mut known, feedback) = read_labels(labels)?;
    let (placed, unclear) = place(feedback, dir)?;
    known.extend(placed);
    let truth = Truth::new(known);
    let mut counting = Counting::new(policy, &truth);
    each_verdict(dir, |verdict| counting.see(&truth, &verdict))?;
    Ok((counting.finish(&truth), unclear))
}

/// What spoke below the level that is emitted would be missing, and every ratio too high.
fn check_emission(dir: &Path) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Summary {
        scored: u64,
        verdicts: u64,
    }
    let path = dir.join("summary.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("opening {} (the folder of `score --out`)", path.display()))?;
    let summary: Summary = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    if summary.verdicts < summary.scored {
        bail!(
            "{} holds {} verdicts on {} events: score them again with `--emit all`, or what spoke quietly is not counted",
            dir.display(),
            summary.verdicts,
            summary.scored
        );
    }
    Ok(())
}

fn each_verdict(dir: &Path, mut each: impl FnMut(Verdict)) -> anyhow::Result<()> {
    let path = dir.join("verdicts.ndjson");
    each_line(&path, |line| {
        each(serde_json::from_str(line)?);
        Ok(())
    })
}

fn each_line(path: &Path, mut each: impl FnMut(&str) -> serde_json::Result<()>) -> anyhow::Result<()> {
    let file = std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    for (n, line) in BufReader::new(file).lines().enumerate() {
        let at = || format!("{} line {}", path.display(), n + 1);
        let line = line.with_context(at)?;
        if !line.trim().is_empty() {
            each(&line).with_context(at)?;
        }
    }
    Ok(())
}

/// What an analyst said, until it is known when that was.
struct Feedback {
    tenant: String,
    subject: Name,
    is_attack: bool,
    verdict_id: Option<String>,
    label: Label,
    is_placed: bool,
}

/// Lines of `simulate`, and `feedback.label` events; other events in the file are passed over.
fn read_labels(path: &Path) -> anyhow::Result<(Vec<Label>, Vec<Feedback>)> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(rename = "type", borrow, default)]
        kind: Option<std::borrow::Cow<'a, str>>,
    }
    let (mut known, mut said) = (Vec::new(), Vec::new());
    each_line(path, |line| {
        match serde_json::from_str::<Kind<'_>>(line)?.kind.as_deref() {
            None => known.push(serde_json::from_str(line)?),
            Some(kind) if kind == EventType::FeedbackLabel.name() => said.extend(feedback(&serde_json::from_str(line)?)),
            Some(_) => {}
        }
        Ok(())
    })?;
    Ok((known, said))
}

fn feedback(event: &Event<'_>) -> Option<Feedback> {
    let said = event.feedback.as_ref()?;
    let named = said.subject.as_ref().map(|s| Name { kind: s.kind.as_str().to_owned(), id: s.id.as_str().to_owned() });
    let subject = named.or_else(|| Some(Name { kind: "identity".to_owned(), id: event.identity_id()?.to_owned() }))?;
    let (tenant, is_attack) = (event.tenant.as_str().to_owned(), said.label != Said::FalsePositive);
    let (from, to) = (said.from.or(said.to).unwrap_or_default(), said.to.or(said.from).unwrap_or_default());
    Some(Feedback {
        label: Label::of_feedback(&tenant, subject.clone(), is_attack, from, to, Vec::new()),
        is_placed: said.from.is_some() || said.to.is_some(),
        verdict_id: said.verdict_id.as_ref().map(|id| id.as_str().to_owned()),
        tenant,
        subject,
        is_attack,
    })
}

/// Those that name a verdict took place at the events that spoke. The rest has a time of its own, or is left out.
fn place(feedback: Vec<Feedback>, dir: &Path) -> anyhow::Result<(Vec<Label>, u64)> {
    let mut wanted: HashMap<&str, Option<(portcullis_core::time::Time, Vec<String>)>> =
        feedback.iter().filter_map(|f| Some((f.verdict_id.as_deref()?, None))).collect();
    if !wanted.is_empty() {
        each_verdict(dir, |verdict| {
            if let Some(slot) = wanted.get_mut(verdict.id.as_str()) {
                *slot = Some((verdict.time, verdict.reasons.into_iter().flat_map(|r| r.events).collect()));
            }
        })?;
    }
    let (mut labels, mut unclear) = (Vec::new(), 0);
    for said in &feedback {
        match said.verdict_id.as_deref().and_then(|id| wanted.get_mut(id)?.take()) {
            Some((at, events)) => {
                labels.push(Label::of_feedback(&said.tenant, said.subject.clone(), said.is_attack, at, at, events));
            }
            None if said.is_placed => labels.push(said.label.clone()),
            None => unclear += 1,
        }
    }
    Ok((labels, unclear))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_page::counted;

    #[test]
    fn the_table_in_docs_is_of_these_counts_and_weights() {
        let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.md")).unwrap();
        let table = table(&propose(&Policy::default_policy(), &counted(), 6.0));
        assert!(
            kept.contains(&table),
            "docs/policy.md has another table of weights than `portcullis policy calibrate --counts engine/policy/counted.json`; put this in:\n{table}"
        );
    }

    #[test]
    fn labels_of_a_simulation_and_of_analysts_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("labels.ndjson");
        let simulated =
            r#"{"scenario":"s","kind":"attack","difficulty":"easy","tenant":"t","subject":{"kind":"identity","id":"ann"},"from":1,"to":2}"#;
        let said = r#"{"time":9,"type":"feedback.label","tenant":"t","feedback":{"subject":{"kind":"identity","id":"bob"},"label":"false_positive","verdict_id":"v-1"}}"#;
        let other = r#"{"time":9,"type":"auth.login","identity":{"id":"bob"}}"#;
        std::fs::write(&file, [simulated, said, other, ""].join("\n")).unwrap();
        let (known, feedback) = read_labels(&file).unwrap();
        assert_eq!((known.len(), feedback.len(), feedback[0].is_attack), (1, 1, false));
        std::fs::write(dir.path().join("verdicts.ndjson"), "").unwrap();
        assert_eq!(place(feedback, dir.path()).unwrap().1, 1, "its verdict is not there");
    }
}
