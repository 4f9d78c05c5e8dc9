//! `portcullis policy test`: cases, events in and verdicts, reasons and requests out, so that a policy is changed with its meaning in view.

use super::Failure;
use crate::embedded::Embedded;
use crate::say::say;
use anyhow::{Context, bail};
use portcullis_connectors::formats::{self, Format, Input, Item};
use portcullis_core::containment::DecisionEnd;
use portcullis_core::event::Event;
use portcullis_core::policy::Policy;
use portcullis_core::record::Output;
use portcullis_core::time::{Span, Time};
use portcullis_core::verdict::Level;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const MEMORY_BYTES: usize = 64 << 20;
/// Repeats of one event.
const TIMES_MAX: u32 = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    events: Vec<Step>,
    expect: Vec<Expected>,
}

/// A native event, or one several times.
#[derive(Deserialize)]
#[serde(untagged)]
enum Step {
    Repeated(Repeated),
    Once(Value),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeated {
    event: Value,
    times: u32,
    every: Span,
}

/// What is to come of it for one subject. What is not named is not looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[serde(default = "identity")]
    kind: String,
    subject: String,
    /// The highest level that it reached.
    level: Option<Level>,
    /// These spoke, among others.
    #[serde(default)]
    signals: Vec<String>,
    /// These did not.
    #[serde(default)]
    silent: Vec<String>,
    /// What became of these actions first: `sent`, `would_send`, `held_approval`, ...; `none`: they were not proposed.
    #[serde(default)]
    actions: BTreeMap<String, String>,
}

fn identity() -> String {
    "identity".to_owned()
}

/// What came of a case for one subject.
#[derive(Default)]
struct Came {
    level: Option<Level>,
    signals: BTreeSet<String>,
    actions: BTreeMap<String, DecisionEnd>,
}

/// Runs the cases of the files; says what each gave that was not expected.
pub fn run(policy: &Policy, text: &str, files: &[PathBuf]) -> Result<(), Failure> {
    let (mut cases, mut failed) = (0, 0);
    for file in files {
        let read = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let list: Vec<Case> = serde_json::from_str(&read).map_err(|e| Failure::Configuration(vec![format!("{}: {e}", file.display())]))?;
        for case in &list {
            cases += 1;
            let faults = judge(policy, text, case).with_context(|| format!("{}: case {:?}", file.display(), case.name))?;
            if faults.is_empty() {
                say!("ok      {}", case.name);
                continue;
            }
            failed += 1;
            say!("FAILED  {}", case.name);
            faults.iter().for_each(|fault| say!("        {fault}"));
        }
    }
    say!("{cases} cases, {failed} failed, under policy {}", policy.version);
    if failed > 0 { Err(Failure::Data("the policy does not do what its cases say".to_owned())) } else { Ok(()) }
}

fn judge(policy: &Policy, text: &str, case: &Case) -> anyhow::Result<Vec<String>> {
    let lines = lines(case)?;
    let input = Input { trust_control: true, tenant_from_record: true, ..Input::operator("case") };
    let mut events: Vec<Event<'_>> = Vec::with_capacity(lines.len());
    let mut fault = None;
    for line in &lines {
        formats::decode(Format::Native, line.as_bytes(), &input, &mut |_, item| match item {
            Item::Event(event) => events.push(event),
            Item::Ignored { .. } => fault = Some(format!("an event is not about an identity: {line}")),
            Item::Fault(f) => fault = Some(format!("{f:?}: {line}")),
        });
    }
    if let Some(fault) = fault {
        bail!(fault);
    }
    events.sort_by_key(|e| e.time);
    let dir = tempfile::tempdir()?;
    let mut embedded = Embedded::begin(dir.path(), MEMORY_BYTES, policy, text.to_owned(), None)?;
    let mut outputs = Vec::new();
    embedded.judge(&mut events, &mut outputs)?;
    let mut came: BTreeMap<(String, String), Came> = BTreeMap::new();
    for output in &outputs {
        match output {
            Output::Verdict(v) => {
                let of = came.entry((v.subject.kind.clone(), v.subject.id.clone())).or_default();
                of.level = of.level.max(Some(v.level));
                of.signals.extend(v.reasons.iter().map(|r| r.signal.clone()));
            }
            Output::Decision(d) => {
                let of = came.entry((d.subject.kind.clone(), d.subject.id.clone())).or_default();
                of.actions.entry(d.action.name().to_owned()).or_insert(d.end);
            }
            _ => {}
        }
    }
    Ok(case.expect.iter().flat_map(|e| missed(e, came.get(&(e.kind.clone(), e.subject.clone())))).collect())
}

/// The events of a case as lines of the native format.
fn lines(case: &Case) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for step in &case.events {
        match step {
            Step::Once(event) => lines.push(event.to_string()),
            Step::Repeated(Repeated { event, times, .. }) if *times > TIMES_MAX => bail!("{times} times {event}: at most {TIMES_MAX}"),
            Step::Repeated(Repeated { event, times, every }) => {
                let time = &event["time"];
                let first =
                    time.as_i64().map(Time).or_else(|| Time::parse(time.as_str()?)).context("an event that is repeated needs a time")?;
                for n in 0..i64::from(*times) {
                    let mut event = event.clone();
                    event["time"] = Value::from(first.plus(n * every.0).0);
                    if let Some(id) = event["id"].as_str() {
                        event["id"] = Value::from(format!("{id}-{n}"));
                    }
                    lines.push(event.to_string());
                }
            }
        }
    }
    Ok(lines)
}

fn missed(expected: &Expected, came: Option<&Came>) -> Vec<String> {
    let nothing = Came::default();
    let came = came.unwrap_or(&nothing);
    let of = format!("{} {}", expected.kind, expected.subject);
    let mut faults = Vec::new();
    let level = came.level.unwrap_or(Level::Low);
    if expected.level.is_some_and(|l| l != level) {
        faults.push(format!("{of}: reached {level}, expected {}", expected.level.unwrap_or(Level::Low)));
    }
    let spoke = || came.signals.iter().cloned().collect::<Vec<_>>().join(", ");
    for signal in expected.signals.iter().filter(|s| !came.signals.contains(*s)) {
        faults.push(format!("{of}: {signal} did not speak; spoke: {}", spoke()));
    }
    for signal in expected.silent.iter().filter(|s| came.signals.contains(*s)) {
        faults.push(format!("{of}: {signal} spoke"));
    }
    for (action, end) in &expected.actions {
        let found = came.actions.get(action).map_or("none", |end| end.name());
        if found != end {
            faults.push(format!("{of}: {action} is {found}, expected {end}"));
        }
    }
    faults
}
