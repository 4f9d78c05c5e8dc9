//! Incidents as lines of text, as they open or get worse: who, what happened, why in decibans, what was asked for. 100 columns.

use crate::say::steers;
use portcullis_core::containment::{ContainmentDecision, ContainmentRequest, DecisionEnd};
use portcullis_core::record::Output;
use portcullis_core::verdict::{Level, Verdict};
use std::collections::HashMap;
use std::fmt::Write;

/// Width of every line, columns.
pub const COLUMNS: usize = 100;
/// Reasons shown; the rest is told as one sum.
const REASONS_MAX: usize = 5;
/// Incidents remembered; beyond it an incident may be shown again at a level that it had.
const INCIDENTS_MAX: usize = 100_000;

/// Whether text may carry colours (ANSI X3.64).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    Plain,
    Ansi,
}

impl Colour {
    /// Colours on a terminal, unless `NO_COLOR` (no-color.org) asks for none.
    pub fn of_stdout() -> Colour {
        let wanted = std::io::IsTerminal::is_terminal(&std::io::stdout()) && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        if wanted { Colour::Ansi } else { Colour::Plain }
    }

    /// `text`, in the colour of a level.
    pub fn level(self, level: Level, text: &str) -> String {
        let code = match level {
            Level::Low => "32",
            Level::Medium => "33",
            Level::High => "1;31",
            Level::Critical => "1;37;41",
        };
        self.code(code, text)
    }

    /// `text`, standing back.
    pub fn soft(self, text: &str) -> String {
        self.code("2", text)
    }

    /// `text`, standing out.
    pub fn strong(self, text: &str) -> String {
        self.code("1", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        match self {
            Colour::Plain => text.to_owned(),
            Colour::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// What has been shown already.
pub struct Live {
    colour: Colour,
    shown: HashMap<String, Level>,
}

impl Live {
    pub fn new(colour: Colour) -> Live {
        Live { colour, shown: HashMap::new() }
    }

    /// The outputs of a batch: a text for each incident that opened or got worse in it.
    pub fn batch(&mut self, outputs: &[Output]) -> Vec<String> {
        let mut texts = Vec::new();
        for output in outputs {
            let Output::Verdict(verdict) = output else { continue };
            if let Some(incident) = &verdict.incident
                && verdict.event_id.is_some()
                && self.shown.get(&incident.id).is_none_or(|level| verdict.level > *level)
                && verdict.level > Level::Low
            {
                if self.shown.len() >= INCIDENTS_MAX {
                    self.shown.clear();
                }
                self.shown.insert(incident.id.clone(), verdict.level);
                texts.push(text(verdict, outputs, self.colour));
            }
        }
        texts
    }
}

fn text(v: &Verdict, outputs: &[Output], colour: Colour) -> String {
    let mut text = String::new();
    let time = v.time.to_string().get(..16).unwrap_or_default().replace('T', " ");
    let what = v.class.map_or(v.subject.kind.clone(), |class| class.to_string());
    let level = colour.level(v.level, &format!(" {:<8} ", v.level.name()));
    let who = fit(&v.subject.id, 34);
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        text,
        "{time} {level} {}{}  {:<26} score {:>3.0}",
        colour.strong(&who),
        " ".repeat(34 - who.chars().count()),
        fit(&format!("{what} of {}", v.tenant), 26),
        v.score
    );
    for reason in v.reasons.iter().take(REASONS_MAX) {
        for (n, part) in wrap(&reason.detail, COLUMNS - 36).iter().take(2).enumerate() {
            let _ = match n {
                0 => writeln!(text, "    {:>+6.1} dB  {:<20} {part}", reason.db, fit(&words(&reason.signal), 20)),
                _ => writeln!(text, "{:36}{part}", ""),
            };
        }
    }
    if v.reasons.len() > REASONS_MAX {
        let rest: f64 = v.reasons[REASONS_MAX..].iter().map(|r| r.db).sum();
        let _ = writeln!(text, "    {rest:>+6.1} dB  {} more reasons", v.reasons.len() - REASONS_MAX);
    }
    let floor = v.floor.as_ref().map_or(String::new(), |floor| format!("; {} is a fact that lifts it to {}", words(floor), v.level));
    let sum = format!("    {:>+6.1} dB  in sum, with the {:+.1} dB it began from{floor}", v.evidence_db, v.prior_db);
    let _ = writeln!(text, "{}", colour.soft(&fit(&sum, COLUMNS)));
    let asked = asked(v, outputs);
    for (n, part) in wrap(&asked.join(", "), COLUMNS - 15).iter().enumerate() {
        let _ = writeln!(text, "    {:<11}{part}", if n == 0 { "asked for:" } else { "" });
    }
    text
}

/// What the gate made of a verdict in the same batch.
fn asked(v: &Verdict, outputs: &[Output]) -> Vec<String> {
    let target = |r: &ContainmentRequest| format!("{} on {} {}", words(r.action.name()), r.target.kind, r.target.id);
    let mut asked = Vec::new();
    for output in outputs {
        match output {
            Output::Request(request) if request.verdict_id == v.id => asked.push(target(request)),
            Output::Decision(decision) => match decision.as_ref() {
                ContainmentDecision { end: DecisionEnd::WouldSend, would_send: Some(request), .. } if request.verdict_id == v.id => {
                    asked.push(format!("{} (shadow, not sent)", target(request)));
                }
                d if d.request.is_none()
                    && d.would_send.is_none()
                    && d.subject == v.subject
                    && d.tenant == v.tenant
                    && d.time == v.appended_at =>
                {
                    asked.push(format!("{}: {}", words(d.action.name()), words(d.end.name())));
                }
                _ => {}
            },
            _ => {}
        }
    }
    asked
}

/// Lines of at most `columns` characters, broken between words; a longer word is cut. Nothing for nothing.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| fit(line, columns)).collect()
}

/// `guessed_password` as people write it.
pub fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// At most `columns` characters, on one line. Names come from logs: what would steer a terminal is shown as a replacement character.
pub fn fit(text: &str, columns: usize) -> String {
    let mut chars = text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c });
    let mut fitted: String = chars.by_ref().take(columns).collect();
    if chars.next().is_some() {
        fitted.pop();
        fitted.push('…');
    }
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verdict(id: &str, level: &str) -> Verdict {
        let reason = |n: u32| {
            let detail = "many words about what was seen, ".repeat(6);
            json!({ "signal": format!("signal_{n}"), "family": "place", "db": 5.0, "observed": "", "expected": "", "detail": detail, "events": [] })
        };
        serde_json::from_value(json!({
            "id": id, "time": 0, "appended_at": 0, "tenant": "bank", "subject": { "kind": "identity", "id": "ann\u{1b}[31m".repeat(20) }, "class": "admin",
            "incident": { "id": "i-1", "opened_at": 0 }, "event_id": "e-1", "score": 75.0, "evidence_db": 10.0, "prior_db": -25.0,
            "probability": "uncalibrated", "level": level, "previous_level": "low", "learning": false, "actor": { "automation": 0.0 },
            "reasons": (1..=7).map(reason).collect::<Vec<_>>(), "floor": "push_fatigue_won", "folded": 1, "mode": "enforce",
            "policy": { "version": "", "digest": "" }, "log": { "topic": "", "partition": 0, "offset": 0 }, "engine": ""
        }))
        .unwrap()
    }

    fn decision(verdict: &str) -> ContainmentDecision {
        let request = json!({
            "id": "r-1", "bundle": "b", "incident": { "id": "i-1", "opened_at": 0 }, "verdict_id": verdict, "time": 0, "tenant": "bank",
            "subject": { "kind": "identity", "id": "ann" }, "action": "disable_account", "params": {}, "target": { "kind": "account", "id": "ann" },
            "playbook": "admin", "level": "high", "reason": "", "evidence": [], "dependents": "unknown", "planted": [],
            "approval": { "state": "automatic", "by": [] }, "reversible": true, "not_after": 0, "mode": "shadow", "policy": { "version": "", "digest": "" }
        });
        serde_json::from_value(json!({
            "id": "d", "proposal": "p", "end": "would_send", "why": "", "by": "gate", "time": 0, "tenant": "bank", "subject": { "kind": "identity", "id": "ann" },
            "action": "disable_account", "would_send": request, "policy": { "version": "", "digest": "" }
        }))
        .unwrap()
    }

    #[test]
    fn an_incident_is_shown_when_it_opens_and_when_it_gets_worse_only() {
        let mut live = Live::new(Colour::Plain);
        let mut shown = |level| live.batch(&[Output::Verdict(Box::new(verdict("v-1", level)))]).len();
        assert_eq!([shown("medium"), shown("medium"), shown("critical"), shown("high")], [1, 0, 1, 0]);
    }

    #[test]
    fn lines_keep_to_the_width_and_nothing_steers_the_terminal() {
        let texts = Live::new(Colour::Plain).batch(&[Output::Verdict(Box::new(verdict("v-1", "critical")))]);
        assert!(texts[0].lines().count() >= 8);
        for line in texts[0].lines() {
            assert!(line.chars().count() <= COLUMNS, "{} columns: {line}", line.chars().count());
            assert!(!line.contains('\u{1b}'), "{line:?}");
        }
    }

    #[test]
    fn long_words_are_cut_and_short_ones_kept_together() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible", 7), ["incomp…"]);
        assert_eq!(wrap("", 7), Vec::<String>::new());
    }

    #[test]
    fn what_the_gate_made_of_it_stands_beside_it() {
        let outputs = [Output::Verdict(Box::new(verdict("v-1", "high"))), Output::Decision(Box::new(decision("v-1")))];
        let texts = Live::new(Colour::Plain).batch(&outputs);
        assert!(texts[0].contains("asked for: disable account on account ann (shadow, not sent)"), "{}", texts[0]);
        let others = [Output::Verdict(Box::new(verdict("v-1", "high"))), Output::Decision(Box::new(decision("v-2")))];
        assert!(!Live::new(Colour::Plain).batch(&others)[0].contains("asked for"));
    }

    #[test]
    fn colours_come_only_where_asked_for() {
        assert_eq!(Colour::Plain.level(Level::High, "high"), "high");
        assert_eq!(Colour::Ansi.level(Level::Medium, "medium"), "\x1b[33mmedium\x1b[0m");
    }
}
