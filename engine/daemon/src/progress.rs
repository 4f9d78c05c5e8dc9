//! A progress bar on a terminal: events, events a second, verdicts by level, time left. Nothing elsewhere.

use crate::say::say;
use crate::summary::Summary;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use portcullis_core::verdict::Level;
use std::cell::Cell;
use std::io::IsTerminal;

/// Shown on standard error, if that is a terminal.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    events: Cell<u64>,
}

impl Progress {
    /// `files` say how much there is to do, as far as that is known.
    pub fn start(what: &'static str, files: &[String]) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress { bar: None, what, events: Cell::new(0) };
        }
        // The length of what is compressed, or piped in, is not known.
        let known = |name: &String| !name.ends_with(".gz") && !name.ends_with(".zst");
        let bytes: Option<u64> =
            files.iter().map(|name| std::fs::metadata(name).ok().filter(|m| m.is_file() && known(name)).map(|m| m.len())).sum();
        let (bar, template) = match bytes {
            Some(bytes) => (ProgressBar::new(bytes), "{bar:30} {percent:>3} % {msg}, {eta} left"),
            None => (ProgressBar::no_length(), "{spinner} {msg}, {elapsed}"),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress { bar: Some(bar), what, events: Cell::new(0) }
    }

    pub fn advance(&self, events: u64, bytes: u64, summary: &Summary) {
        self.events.set(self.events.get() + events);
        let Some(bar) = &self.bar else { return };
        bar.inc(bytes);
        let [medium, high, critical] = [Level::Medium, Level::High, Level::Critical].map(|l| HumanCount(summary.at_level(l)));
        let (events, rate) = (HumanCount(self.events.get()), HumanCount(summary.events_per_second as u64));
        bar.set_message(format!("{events} {}, {rate}/s; verdicts: {medium} medium, {high} high, {critical} critical", self.what));
    }

    /// Writes a line above the bar.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say!("{text}")),
            None => say!("{text}"),
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
