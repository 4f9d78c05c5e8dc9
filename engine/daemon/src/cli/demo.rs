//! `portcullis demo`: simulate, score on the embedded store and watch, then compare with what took place.

use super::{Failure, score};
use crate::files::{Order, OutputFiles};
use crate::live::{COLUMNS, Colour, Live, fit, words};
use crate::progress::Progress;
use crate::report::{self, DecisionLine, LabelOutcome, ReportInput, SubjectReport};
use crate::say::{say, say_on};
use crate::summary::Summary;
use crate::truth::{self, EventTimes, Kind, Label, Outcome};
use anyhow::Context;
use portcullis_connectors::formats::Format;
use portcullis_core::containment::{ContainmentDecision, ContainmentRequest, Target};
use portcullis_core::record::Output;
use portcullis_core::verdict::{Level, Mode, Name, Verdict};
use portcullis_simulate::{Settings, Simulation};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(clap::Args)]
pub struct Args {
    /// The same seed and number of events give the same story.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// About how many events to simulate; from 20,000 on every scenario occurs.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=20_000_000))]
    events: u64,
    /// Folder for the events, the labels, what `score` writes, and report.html.
    #[arg(long, value_name = "DIR", default_value = "./out/demo")]
    out: PathBuf,
    /// Do not wait a moment at each incident. It waits on a terminal only.
    #[arg(long)]
    no_pause: bool,
}

/// Verdicts that the report and the table are made of; more are in verdicts.ndjson alone.
const VERDICTS_MAX: usize = 200_000;
/// Long enough to be seen to happen.
const PAUSE: Duration = Duration::from_millis(300);
/// All pauses together stay under half a minute.
const PAUSES_MAX: usize = 80;

pub fn run(args: Args) -> Result<(), Failure> {
    let stop = score::stop_on_signal()?;
    let colour = Colour::of_stdout();
    say!("{}", colour.strong(&format!("An organisation of people, services and agents, seed {}:", args.seed)));
    let settings = Settings { seed: args.seed, events: args.events, ..Settings::default() };
    let simulation = Simulation::new(settings).map_err(|e| Failure::Usage(e.to_string()))?;
    let written = simulation.write_to(&args.out, |_| ())?;
    say!("{} events over four weeks in {}\n", written.lines, written.events.display());

    let mut story = Story::default();
    let summary = watch(&args, &written.events, &stop, colour, &mut story)?;
    if summary.interrupted {
        return Err(Failure::Interrupted);
    }
    let labels = read_labels(&written.labels)?;
    let times = times_of(&labels, &written.events)?;
    let outcomes: Vec<Outcome> = labels.iter().map(|label| truth::outcome(label, &story.verdicts, &times)).collect();
    say_on!("{}", table(&labels, &outcomes, colour));

    let page = args.out.join("report.html");
    let from = format!(
        "{} simulated events, seed {}, judged by the default policy of Portcullis {}.",
        summary.read,
        args.seed,
        env!("CARGO_PKG_VERSION")
    );
    let interesting = worth_explaining(&labels, &outcomes, &story.verdicts);
    let input = story.report(from, &labels, &outcomes);
    std::fs::write(&page, report::html(&input)).with_context(|| format!("writing {}", page.display()))?;
    let pace = match pauses(&args) {
        true => "pauses included".to_owned(),
        false => format!("{:.0} a second, judged on one thread", summary.events_per_second),
    };
    say!("{} events in {:.1} s ({pace}); {} verdicts, {} requests", summary.read, summary.seconds, summary.verdicts, summary.requests);
    say!("\nThe report, one file that needs nothing else:   {}", page.display());
    if let Some(name) = interesting {
        // As it was called, so that the line can be copied even where it is not installed.
        let program = std::env::args().next().unwrap_or_else(|| "portcullis".to_owned());
        say!("Why, in sums that you can add by hand:          {program} explain {} --in {}", name.id, args.out.display());
    }
    Ok(())
}

/// Whether it waits a moment at each incident.
fn pauses(args: &Args) -> bool {
    !args.no_pause && std::io::stdout().is_terminal()
}

/// Scores the file and shows incidents as they open or get worse.
fn watch(args: &Args, events: &Path, stop: &AtomicBool, colour: Colour, story: &mut Story) -> Result<Summary, Failure> {
    let names = vec![events.display().to_string()];
    let scored = score::Args {
        events: names.clone(),
        format: Format::Native,
        mapping: None,
        policy: None,
        inventory: None,
        out: Some(args.out.clone()),
        emit: None,
        order: Order::AsIs,
        keyed_log: false,
        allow: score::Allow::Everything,
        geoip_city: None,
        geoip_asn: None,
        signing_key: None,
        issuer: String::new(),
        audience: String::new(),
        memory: 256,
        batch: 4_096,
    };
    let mut files = OutputFiles::create(scored.out.as_deref())?;
    let progress = Progress::start("scored", &names);
    let mut live = Live::new(colour);
    let mut pauses = if pauses(args) { PAUSES_MAX } else { 0 };
    let summary = score::score(&scored, stop, &progress, &mut files, &mut |outputs| {
        for text in live.batch(outputs) {
            progress.line(&text);
            if pauses > 0 && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(PAUSE);
                pauses -= 1;
            }
        }
        story.take(outputs);
    })?;
    progress.finish();
    files.finish(&summary)?;
    Ok(summary)
}

fn read_labels(path: &Path) -> anyhow::Result<Vec<Label>> {
    let mut labels = Vec::new();
    for (i, line) in BufReader::new(File::open(path).with_context(|| format!("opening {}", path.display()))?).lines().enumerate() {
        let line = line.with_context(|| format!("reading {}", path.display()))?;
        labels.push(serde_json::from_str(&line).with_context(|| format!("{} line {}", path.display(), i + 1))?);
    }
    Ok(labels)
}

fn times_of(labels: &[Label], events: &Path) -> anyhow::Result<EventTimes> {
    let mut times = EventTimes::wanted(labels);
    let mut file = BufReader::with_capacity(1 << 20, File::open(events).with_context(|| format!("opening {}", events.display()))?);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line).with_context(|| format!("reading {}", events.display()))? > 0 {
        times.line(&line);
        line.clear();
    }
    Ok(times)
}

/// What a run said, as the table and the report need it.
#[derive(Default)]
struct Story {
    verdicts: Vec<Verdict>,
    requests: HashMap<String, ContainmentRequest>,
    decisions: Vec<ContainmentDecision>,
}

impl Story {
    fn take(&mut self, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::Verdict(verdict) if self.verdicts.len() < VERDICTS_MAX => self.verdicts.push(verdict.as_ref().clone()),
                Output::Request(request) if self.requests.len() < VERDICTS_MAX => {
                    drop(self.requests.insert(request.id.clone(), request.as_ref().clone()))
                }
                Output::Decision(decision) if self.decisions.len() < VERDICTS_MAX => self.decisions.push(decision.as_ref().clone()),
                _ => {}
            }
        }
    }

    fn report(self, generated_from: String, labels: &[Label], outcomes: &[Outcome]) -> ReportInput {
        let decisions =
            self.decisions.iter().map(|d| (d, self.line(d))).fold(BTreeMap::<_, Vec<DecisionLine>>::new(), |mut all, (d, line)| {
                all.entry((d.tenant.clone(), d.subject.clone())).or_default().push(line);
                all
            });
        let mut verdicts: BTreeMap<(String, Name), Vec<Verdict>> = BTreeMap::new();
        for verdict in self.verdicts {
            verdicts.entry((verdict.tenant.clone(), verdict.subject.clone())).or_default().push(verdict);
        }
        let peak = |s: &SubjectReport| s.verdicts.iter().map(|v| (v.level, (v.evidence_db * 10.0) as i64)).max();
        let mut subjects: Vec<SubjectReport> = verdicts
            .into_iter()
            .filter(|(_, verdicts)| verdicts.iter().any(|v| v.level > Level::Low))
            .map(|(key, verdicts)| SubjectReport {
                class: verdicts.iter().rev().find_map(|v| v.class),
                scenario: labels.iter().find(|l| l.tenant == key.0 && l.subject == key.1).map(|l| l.scenario.clone()),
                decisions: decisions.get(&key).cloned().unwrap_or_default(),
                verdicts,
                tenant: key.0,
                subject: key.1,
            })
            .collect();
        subjects.sort_by_key(|s| std::cmp::Reverse(peak(s)));
        let outcomes = labels.iter().zip(outcomes).map(|(label, outcome)| LabelOutcome {
            scenario: label.scenario.clone(),
            look_alike: label.kind == Kind::LookAlike,
            difficulty: label.difficulty.clone(),
            subject: label.subject.clone(),
            level: outcome.level,
            events: outcome.reached.map(|r| r.events),
            seconds: outcome.reached.map(|r| r.seconds),
        });
        ReportInput { title: "Portcullis: what was found".to_owned(), generated_from, subjects, outcomes: outcomes.collect() }
    }

    /// A decision with the target of its request; of one that became no request the subject is all that is known.
    fn line(&self, d: &ContainmentDecision) -> DecisionLine {
        let request = d.would_send.as_deref().or_else(|| self.requests.get(d.request.as_ref()?));
        let target = request
            .map_or_else(|| Target { kind: d.subject.kind.clone(), id: d.subject.id.clone(), ..Target::default() }, |r| r.target.clone());
        DecisionLine {
            time: d.time,
            action: d.action,
            target,
            mode: request.map_or(Mode::Enforce, |r| r.mode),
            end: d.end,
            why: d.why.clone(),
        }
    }
}

/// Labels and what was made of them: attacks, then what only resembles them; what went wrong first.
fn table(labels: &[Label], outcomes: &[Outcome], colour: Colour) -> String {
    let mut rows: Vec<(&Label, &Outcome)> = labels.iter().zip(outcomes).collect();
    rows.sort_by_key(|(label, outcome)| {
        (label.kind == Kind::LookAlike, outcome.reached.is_some() != (label.kind == Kind::LookAlike), label.from)
    });
    let attacks = rows.iter().filter(|(l, _)| l.kind == Kind::Attack);
    let caught = attacks.clone().filter(|(_, o)| o.reached.is_some()).count();
    let harmless = rows.iter().filter(|(l, _)| l.kind == Kind::LookAlike);
    let calm = harmless.clone().filter(|(_, o)| o.reached.is_none()).count();
    let title = format!(
        "Against the truth: {caught} of {} attacks reached high, {calm} of {} look-alikes stayed below",
        attacks.count(),
        harmless.count()
    );
    let mut text = format!("{}\n", colour.strong(&fit(&title, COLUMNS)));
    let heads = format!("  {:<22} {:<10} {:<26} {:<9} after enough was known", "scenario", "difficulty", "subject", "level");
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(text, "{}", colour.soft(&heads));
    for (label, outcome) in rows {
        let difficulty = if label.kind == Kind::Attack { label.difficulty.as_str() } else { "look-alike" };
        let after = outcome.reached.map(|r| format!("{} events, {}", r.events, duration(r.seconds)));
        let result = match (label.kind, after) {
            (Kind::Attack, Some(after)) => after,
            (Kind::Attack, None) => colour.level(Level::High, "missed"),
            (Kind::LookAlike, Some(_)) => colour.level(Level::High, "false alarm"),
            (Kind::LookAlike, None) => "left in peace".to_owned(),
        };
        let level = colour.level(outcome.level, &format!("{:<9}", outcome.level.name()));
        let _ = writeln!(
            text,
            "  {:<22} {difficulty:<10} {:<26} {level} {result}",
            fit(&words(&label.scenario), 22),
            fit(&label.subject.id, 26)
        );
    }
    text.push('\n');
    text
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s <= -1.0 => format!("{} early", duration(-s)),
        s if s < 90.0 => format!("{:.0} s", s.max(0.0)),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

/// An identity that an attack was caught on, with as many reasons as can be had.
fn worth_explaining<'a>(labels: &'a [Label], outcomes: &[Outcome], verdicts: &[Verdict]) -> Option<&'a Name> {
    let reasons =
        |label: &Label| verdicts.iter().filter(|v| v.subject == label.subject && v.level >= Level::High).map(|v| v.reasons.len()).max();
    let caught = labels.iter().zip(outcomes).filter(|(l, o)| l.kind == Kind::Attack && l.subject.kind == "identity" && o.reached.is_some());
    caught.max_by_key(|(label, _)| reasons(label)).map(|(label, _)| &label.subject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::Reached;

    fn label(scenario: &str, kind: Kind) -> Label {
        let subject = Name { kind: "identity".into(), id: format!("somebody-in-{scenario}-with-a-rather-long-name") };
        let (from, to) = Default::default();
        Label {
            scenario: scenario.into(),
            kind,
            difficulty: "hard".into(),
            subject,
            tenant: "bank".into(),
            from,
            to,
            sufficient_event_id: None,
            event_ids: Vec::new(),
        }
    }

    #[test]
    fn the_table_fits_and_says_what_went_wrong() {
        let labels = [
            label("push_fatigue", Kind::Attack),
            label("session_hijack", Kind::Attack),
            label("new_phone", Kind::LookAlike),
            label("office_nat", Kind::LookAlike),
        ];
        let reached = Some(Reached { events: 12_345, seconds: -86_400.0 });
        let outcomes = [
            Outcome { level: Level::Critical, reached },
            Outcome { level: Level::Medium, reached: None },
            Outcome { level: Level::High, reached },
            Outcome { level: Level::Low, reached: None },
        ];
        let text = table(&labels, &outcomes, Colour::Plain);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        let at = |words: &[&str]| {
            text.lines().position(|line| words.iter().all(|w| line.contains(w))).unwrap_or_else(|| panic!("{words:?} is not in {text}"))
        };
        assert_eq!(at(&["1 of 2 attacks", "1 of 2 look-alikes"]), 0);
        let (missed, caught) =
            (at(&["session hijack", "medium", "missed"]), at(&["push fatigue", "critical", "12345 events, 24.0 h early"]));
        let (alarm, calm) = (at(&["new phone", "high", "false alarm"]), at(&["office nat", "low", "left in peace"]));
        assert!(missed < caught && caught < alarm && alarm < calm, "{text}");
    }
}
