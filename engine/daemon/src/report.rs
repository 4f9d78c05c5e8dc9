//! The report of a run as one HTML page: what was found, why, what was asked for, and how that compares with the truth where it is known.
//!
//! A pure function of its input. The page needs nothing from outside and runs no script (its own content security policy forbids both), reads
//! on a phone and in the dark. Names come from logs, so every text is escaped, and characters that hide or reorder text are made visible.

use portcullis_core::containment::{Action, DecisionEnd, Target};
use portcullis_core::event::Class;
use portcullis_core::time::Time;
use portcullis_core::verdict::{Level, Mode, Name, Reason, Verdict};
use std::fmt::Write;

/// What a report tells.
#[derive(Clone, Debug, Default)]
pub struct ReportInput {
    pub title: String,
    /// One sentence: how many events, which seed, which policy.
    pub generated_from: String,
    /// The subjects of incidents, the most serious first. At most [`SUBJECTS_MAX`] are shown.
    pub subjects: Vec<SubjectReport>,
    /// Against the labels; empty where there are none.
    pub outcomes: Vec<LabelOutcome>,
}

/// One subject: its verdicts and what followed from them.
#[derive(Clone, Debug)]
pub struct SubjectReport {
    pub tenant: String,
    pub subject: Name,
    pub class: Option<Class>,
    /// The scenario that took place, if labels say so.
    pub scenario: Option<String>,
    /// In the order of time.
    pub verdicts: Vec<Verdict>,
    /// In the order of time.
    pub decisions: Vec<DecisionLine>,
}

/// A containment and what became of it.
#[derive(Clone, Debug)]
pub struct DecisionLine {
    pub time: Time,
    pub action: Action,
    pub target: Target,
    pub mode: Mode,
    pub end: DecisionEnd,
    /// One sentence a person can act on.
    pub why: String,
}

/// A label and what was made of it.
#[derive(Clone, Debug)]
pub struct LabelOutcome {
    pub scenario: String,
    /// Something harmless that resembles an attack; it should stay below `high`.
    pub look_alike: bool,
    pub difficulty: String,
    pub subject: Name,
    /// The highest level that was reached.
    pub level: Level,
    /// From the event that sufficed to the first verdict at or above `high`; `None` where there was no such verdict.
    pub events: Option<u64>,
    pub seconds: Option<f64>,
}

/// Subjects shown in full.
pub const SUBJECTS_MAX: usize = 60;
/// Verdicts drawn and listed for one subject; the first ones, and the highest always.
pub const VERDICTS_MAX: usize = 300;

const STYLE: &str = include_str!("report/style.css");

/// The page.
pub fn html(input: &ReportInput) -> String {
    let mut page = String::with_capacity(64 * 1024);
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p class=\"soft\">{from}</p>\n",
        title = Escaped(&input.title),
        from = Escaped(&input.generated_from)
    );
    tiles(&mut page, input);
    outcomes(&mut page, input);
    let _ = writeln!(page, "<h2>What was found</h2>");
    if input.subjects.is_empty() {
        page.push_str("<p>Nobody rose above low.</p>\n");
    }
    for (number, subject) in input.subjects.iter().take(SUBJECTS_MAX).enumerate() {
        section(&mut page, number, subject);
    }
    if input.subjects.len() > SUBJECTS_MAX {
        let _ = writeln!(page, "<p class=\"soft\">{} more subjects are in verdicts.ndjson.</p>", input.subjects.len() - SUBJECTS_MAX);
    }
    page.push_str(
        "<p class=\"soft\"><small>How to read it: evidence is counted in decibans (dB); ten make it ten times likelier. It starts from a prior \
         for the class and every reason adds its part; the score is 50 + 2.5 per dB, between 0 and 100. All times are UTC.</small></p>\n</main>\n</body>\n</html>\n",
    );
    page
}

fn tiles(page: &mut String, input: &ReportInput) {
    let attacks: Vec<&LabelOutcome> = input.outcomes.iter().filter(|o| !o.look_alike).collect();
    let harmless: Vec<&LabelOutcome> = input.outcomes.iter().filter(|o| o.look_alike).collect();
    let worst = |level| input.subjects.iter().filter(|s| peak(s).is_some_and(|v| v.level == level)).count().to_string();
    let mut entries: Vec<(String, &str)> = Vec::new();
    if !input.outcomes.is_empty() {
        let caught = attacks.iter().filter(|o| o.level >= Level::High).count();
        entries.push((format!("{caught} of {}", attacks.len()), "attacks caught at high or above"));
        let calm = harmless.iter().filter(|o| o.level < Level::High).count();
        entries.push((format!("{calm} of {}", harmless.len()), "look-alikes left in peace"));
        if let Some(median) = median(attacks.iter().filter_map(|o| o.events)) {
            entries.push((median.to_string(), "events to the verdict (median)"));
        }
    }
    entries.push((worst(Level::Critical), "subjects at critical"));
    entries.push((worst(Level::High), "subjects at high"));
    let requests =
        input.subjects.iter().flat_map(|s| &s.decisions).filter(|d| matches!(d.end, DecisionEnd::Sent | DecisionEnd::WouldSend)).count();
    entries.push((requests.to_string(), "containments requested"));
    page.push_str("<ul class=\"tiles\">");
    for (number, text) in entries {
        let _ = write!(page, "<li><b>{number}</b>{text}</li>");
    }
    page.push_str("</ul>\n");
}

/// The labels, what was missed first.
fn outcomes(page: &mut String, input: &ReportInput) {
    if input.outcomes.is_empty() {
        return;
    }
    page.push_str("<h2>Against the truth</h2>\n<div class=\"framed\"><table><thead><tr><th>What took place</th><th>Subject</th><th>Judged</th><th>Result</th><th class=\"n\">Events</th><th class=\"n\">Time</th></tr></thead><tbody>\n");
    let mut sorted: Vec<&LabelOutcome> = input.outcomes.iter().collect();
    sorted.sort_by_key(|o| (o.look_alike, is_right(o), o.scenario.clone()));
    for o in sorted {
        let result = match (o.look_alike, is_right(o)) {
            (false, true) => "caught",
            (false, false) => "<b class=\"critical\">missed</b>",
            (true, true) => "left in peace",
            (true, false) => "<b class=\"critical\">false alarm</b>",
        };
        let kind = if o.look_alike { "look-alike".to_owned() } else { format!("attack, {}", Escaped(&o.difficulty)) };
        let _ = writeln!(
            page,
            "<tr><td><span class=\"told\">{}</span> <small>{kind}</small></td><td>{}</td><td class=\"i\">{}</td><td class=\"i\">{result}</td><td class=\"n i\" data-label=\"Events\">{}</td><td class=\"n i\" data-label=\"Time\">{}</td></tr>",
            Escaped(&words(&o.scenario)),
            subject_link(input, &o.subject),
            pill(o.level),
            o.events.map_or(String::new(), |n| n.to_string()),
            o.seconds.map_or(String::new(), duration)
        );
    }
    page.push_str("</tbody></table></div>\n");
}

fn is_right(o: &LabelOutcome) -> bool {
    (o.level >= Level::High) != o.look_alike
}

fn subject_link(input: &ReportInput, name: &Name) -> String {
    let text = format!("<code>{}</code> <small>{}</small>", Escaped(&name.id), Escaped(&name.kind));
    match input.subjects.iter().take(SUBJECTS_MAX).position(|s| s.subject == *name) {
        Some(number) => format!("<a href=\"#s{number}\">{text}</a>"),
        None => text,
    }
}

/// The highest verdict, the first of equals.
fn peak(subject: &SubjectReport) -> Option<&Verdict> {
    subject.verdicts.iter().reduce(|best, v| if (v.level, v.score) > (best.level, best.score) { v } else { best })
}

fn section(page: &mut String, number: usize, s: &SubjectReport) {
    let class = s.class.map_or(String::new(), |c| format!(", {c}"));
    let _ = writeln!(page, "<section class=\"subject\" id=\"s{number}\"><header><h3>{}</h3>", Escaped(&s.subject.id));
    let peak = peak(s);
    if let Some(verdict) = peak {
        let _ = write!(page, "{} <span class=\"soft\">score {:.0}</span>", pill(verdict.level), verdict.score);
    }
    let _ = writeln!(page, "</header>\n<p class=\"soft\"><small>{}{class} of {}", Escaped(&s.subject.kind), Escaped(&s.tenant));
    if let Some(incident) = peak.and_then(|v| v.incident.as_ref()) {
        let _ = write!(page, " · incident <code>{}</code>", Escaped(&incident.id));
    }
    if let Some(scenario) = &s.scenario {
        let _ = write!(page, " · in truth: {}", Escaped(&words(scenario)));
    }
    page.push_str("</small></p>\n");
    let Some(verdict) = peak else {
        page.push_str("</section>\n");
        return;
    };
    chart(page, s);
    let _ = writeln!(page, "<h3>Why, at {}</h3>", time(verdict.time));
    reasons(page, verdict);
    decisions(page, s);
    timeline(page, s);
    page.push_str("</section>\n");
}

/// Prior and reasons, as a sum that a person can add.
fn reasons(page: &mut String, v: &Verdict) {
    page.push_str(
        "<table><thead><tr><th>Reason</th><th class=\"n\">dB</th><th></th><th>Observed</th><th>Expected</th></tr></thead><tbody>\n",
    );
    let class = v.class.map_or("subject".to_owned(), |c| c.to_string());
    let _ = writeln!(
        page,
        "<tr><td>Prior <small>before anything is known of this {class}</small></td><td class=\"n i db\">{:+.1}</td><td class=\"i\">{}</td><td></td><td></td></tr>",
        v.prior_db,
        bar(v.prior_db, "prior")
    );
    for reason in &v.reasons {
        let _ = writeln!(
            page,
            "<tr><td><span class=\"told\">{}</span>{} <span class=\"ids\">{}</span></td><td class=\"n i db\">{:+.1}</td><td class=\"i\">{}</td><td data-label=\"Observed\">{}</td><td data-label=\"Expected\">{}</td></tr>",
            Escaped(&words(&reason.signal)),
            if reason.detail.is_empty() { String::new() } else { format!("<br>{}", Escaped(&reason.detail)) },
            identifiers(reason),
            reason.db,
            bar(reason.db, if reason.db < 0.0 { "minus" } else { "" }),
            Escaped(&reason.observed),
            Escaped(&reason.expected)
        );
    }
    let _ = write!(
        page,
        "<tr class=\"sum\"><td>Evidence</td><td class=\"n i db\">{:+.1}</td><td></td><td colspan=\"2\">score {:.0}, {}",
        v.evidence_db, v.score, v.level
    );
    if let Some(floor) = &v.floor {
        let _ = write!(page, " <small>(lifted by {}, a fact)</small>", Escaped(&words(floor)));
    }
    page.push_str("</td></tr>\n</tbody></table>\n");
    for error in &v.errors {
        let _ = writeln!(page, "<p class=\"high\"><small>Not evaluated: {}</small></p>", Escaped(error));
    }
}

fn identifiers(reason: &Reason) -> String {
    let ids: Vec<&str> = reason.attack.iter().chain(&reason.nhi).map(String::as_str).collect();
    Escaped(&ids.join(" ")).to_string()
}

/// One dB is 0.14 rem.
fn bar(db: f64, class: &str) -> String {
    format!("<span class=\"bar {class}\" style=\"width:{:.2}rem\"></span>", (db.abs() * 0.14).min(6.0))
}

fn decisions(page: &mut String, s: &SubjectReport) {
    if s.decisions.is_empty() {
        return;
    }
    page.push_str("<h3>What was requested</h3>\n<table><thead><tr><th>When</th><th>Action</th><th>On</th><th>What became of it</th></tr></thead><tbody>\n");
    for d in s.decisions.iter().take(VERDICTS_MAX) {
        let shadow = if d.mode == Mode::Shadow && d.end != DecisionEnd::WouldSend { " <small>(shadow)</small>" } else { "" };
        let _ = writeln!(
            page,
            "<tr><td class=\"t i\">{}</td><td class=\"told i\">{}</td><td class=\"i\">{} <code>{}</code></td><td>{}{shadow}<br><small>{}</small></td></tr>",
            time(d.time),
            words(d.action.name()),
            Escaped(&d.target.kind),
            Escaped(&d.target.id),
            words(d.end.name()),
            Escaped(&d.why)
        );
    }
    page.push_str("</tbody></table>\n");
}

fn timeline(page: &mut String, s: &SubjectReport) {
    if s.verdicts.len() < 2 {
        return;
    }
    let _ = writeln!(
        page,
        "<details><summary>All {} verdicts</summary>\n<table><thead><tr><th>When</th><th>Level</th><th class=\"n\">Score</th><th>Strongest reason</th></tr></thead><tbody>",
        s.verdicts.len()
    );
    for v in s.verdicts.iter().take(VERDICTS_MAX) {
        let why = match (&v.event_id, v.reasons.first()) {
            (None, _) => "the evidence has faded".to_owned(),
            (_, Some(reason)) => format!("{} <small>{:+.1} dB</small>", Escaped(&words(&reason.signal)), reason.db),
            (_, None) => String::new(),
        };
        let _ = writeln!(
            page,
            "<tr><td class=\"t\">{}</td><td class=\"i\">{}</td><td class=\"n i\" data-label=\"Score\">{:.0}</td><td>{why}</td></tr>",
            time(v.time),
            pill(v.level),
            v.score
        );
    }
    page.push_str("</tbody></table>");
    if s.verdicts.len() > VERDICTS_MAX {
        let _ = write!(page, "<p class=\"soft\">and {} more</p>", s.verdicts.len() - VERDICTS_MAX);
    }
    page.push_str("</details>\n");
}

/// Score over time. The line is a stretched SVG; what must not be stretched (dots, words) is HTML over it, so that it reads at any width.
fn chart(page: &mut String, s: &SubjectReport) {
    let (Some(first), Some(last)) = (s.verdicts.first(), s.verdicts.last()) else { return };
    // A twentieth of the span on either side, and never less than a minute in all.
    let span = last.time.since(first.time).max(60_000) as f64;
    let begin = first.time.0 as f64 - span * 0.05;
    let x = |at: Time| ((at.0 as f64 - begin) / (span * 1.1) * 100.0).clamp(0.0, 100.0);
    let shown: Vec<&Verdict> = s.verdicts.iter().take(VERDICTS_MAX).collect();
    let _ = write!(
        page,
        "<div class=\"chart\" role=\"img\" aria-label=\"Score over time: from {:.0} to {:.0}\">\
         <div class=\"band critical\"><i class=\"critical\">critical</i><u>100</u></div><div class=\"band high\"><i class=\"high\">high</i><u>75</u></div>\
         <div class=\"band medium\"><i class=\"medium\">medium</i><u>50</u></div><div class=\"band low\"><i class=\"low\">low</i><u>25</u></div>\
         <svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
        first.score, last.score
    );
    let marks: Vec<&DecisionLine> = s
        .decisions
        .iter()
        .filter(|d| (0.0..=100.0).contains(&((d.time.0 as f64 - begin) / (span * 1.1) * 100.0)))
        .take(VERDICTS_MAX)
        .collect();
    for mark in &marks {
        let _ = write!(page, "<line x1=\"{0:.2}\" x2=\"{0:.2}\" y1=\"0\" y2=\"100\"/>", x(mark.time));
    }
    page.push_str("<polyline points=\"");
    for (n, v) in shown.iter().enumerate() {
        // A step: what decay does in between is told by the verdicts it leads to.
        if n > 0 {
            let _ = write!(page, "{:.2},{:.1} ", x(v.time), 100.0 - shown[n - 1].score);
        }
        let _ = write!(page, "{:.2},{:.1} ", x(v.time), 100.0 - v.score);
    }
    let _ = write!(page, "100,{:.1}\"/></svg>", 100.0 - shown.last().map_or(0.0, |v| v.score));
    for v in &shown {
        let _ = write!(
            page,
            "<span class=\"dot\" style=\"left:{:.2}%;top:{:.1}%\" title=\"{} {} {:.0}\"></span>",
            x(v.time),
            100.0 - v.score,
            time(v.time),
            v.level,
            v.score
        );
    }
    for mark in marks {
        let _ = write!(
            page,
            "<span class=\"mark\" style=\"left:{:.2}%\" title=\"{} {}\">▼</span>",
            x(mark.time),
            time(mark.time),
            words(mark.action.name())
        );
    }
    let tick = |share: f64| Time((begin + span * 1.1 * share) as i64);
    for (class, at) in [("first", tick(0.0)), ("middle", tick(0.5)), ("last", tick(1.0))] {
        // Seconds matter only where everything happens within the hour.
        let text = time(at);
        let text = if span < 3_600_000.0 { &text[5..] } else { &text[5..16] };
        let _ = write!(page, "<span class=\"tick {class}\">{text}</span>");
    }
    page.push_str("</div>\n");
}

fn pill(level: Level) -> String {
    format!("<span class=\"pill {level}\">{level}</span>")
}

/// `2026-03-14 01:22:31`.
fn time(at: Time) -> String {
    let text = at.to_string();
    match text.get(..19) {
        Some(to_seconds) if text.contains('T') => to_seconds.replace('T', " "),
        _ => format!("{text:>19}"),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s <= -1.0 => format!("{} earlier", duration(-s)),
        s if s < 90.0 => format!("{:.0} s", s.max(0.0)),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}

/// `guessed_password` as people write it.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Text made safe for an element or a quoted attribute. Control characters and those that reorder or hide text (Unicode TR 36) are shown as a replacement character.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => f.write_char('\u{fffd}')?,
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
