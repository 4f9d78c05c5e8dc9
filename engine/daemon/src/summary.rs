//! Counts of a run: read = scored + ignored + duplicates + dead letters.

use portcullis_core::batch::Counts;
use portcullis_core::event::Event;
use portcullis_core::record::Output;
use portcullis_core::verdict::Level;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

/// Types of ignored records that are told apart; the rest are counted as one.
const KINDS_MAX: usize = 1_000;

/// What a run read and wrote. Times are of this run and are the only fields that differ between two runs over the same input.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub read: u64,
    pub scored: u64,
    pub duplicates: u64,
    /// Events of identities that are still being learned: whatever is new of them says nothing yet.
    pub learning: u64,
    pub dead_letters: u64,
    /// Well-formed records that are not about what an identity did, by type.
    pub ignored: u64,
    pub ignored_by_type: BTreeMap<String, u64>,
    pub events_by_type: BTreeMap<&'static str, u64>,
    /// Events whose `source.ip` is no address: judged all the same, but they teach nothing about a source.
    pub source_ip_unusable: u64,
    pub verdicts: u64,
    pub verdicts_by_level: BTreeMap<&'static str, u64>,
    /// Verdicts that name the signal among their reasons.
    pub verdicts_by_signal: BTreeMap<String, u64>,
    /// Labels by signal whose weight they moved for a subject; `none`: the verdict that was meant is not remembered.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels_by_signal: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Rows that a rule of the policy hit, in shadow too; empty without rules.
    pub rule_hits: BTreeMap<String, u64>,
    /// Rows on which a rule could not be evaluated; verdicts say why.
    pub rule_errors: BTreeMap<String, u64>,
    pub requests: u64,
    pub requests_by_action: BTreeMap<&'static str, u64>,
    pub decisions_by_end: BTreeMap<&'static str, u64>,
    pub findings_by_kind: BTreeMap<&'static str, u64>,
    pub interrupted: bool,
    pub seconds: f64,
    pub events_per_second: f64,
    #[serde(skip)]
    started: Instant,
}

impl Default for Summary {
    fn default() -> Summary {
        Summary {
            read: 0,
            scored: 0,
            duplicates: 0,
            learning: 0,
            dead_letters: 0,
            ignored: 0,
            ignored_by_type: BTreeMap::new(),
            events_by_type: BTreeMap::new(),
            source_ip_unusable: 0,
            verdicts: 0,
            verdicts_by_level: BTreeMap::new(),
            verdicts_by_signal: BTreeMap::new(),
            labels_by_signal: BTreeMap::new(),
            rule_hits: BTreeMap::new(),
            rule_errors: BTreeMap::new(),
            requests: 0,
            requests_by_action: BTreeMap::new(),
            decisions_by_end: BTreeMap::new(),
            findings_by_kind: BTreeMap::new(),
            interrupted: false,
            seconds: 0.0,
            events_per_second: 0.0,
            started: Instant::now(),
        }
    }
}

impl Summary {
    /// An event was decoded.
    pub fn event(&mut self, event: &Event<'_>) {
        self.read += 1;
        *self.events_by_type.entry(event.kind.name()).or_default() += 1;
        self.source_ip_unusable += u64::from(event.ip().is_some_and(|ip| ip.parse::<IpAddr>().is_err()));
    }

    pub fn dead_letter(&mut self) {
        self.read += 1;
        self.dead_letters += 1;
    }

    pub fn ignored(&mut self, kind: &str) {
        self.read += 1;
        self.ignore(kind, 1);
    }

    fn ignore(&mut self, kind: &str, n: u64) {
        self.ignored += n;
        let known = self.ignored_by_type.len() < KINDS_MAX || self.ignored_by_type.contains_key(kind);
        *self.ignored_by_type.entry(if known { kind } else { "others" }.to_owned()).or_default() += n;
    }

    /// Events of a batch were judged; `nobody` had no subject that a profile could be kept of.
    pub fn judged(&mut self, counts: Counts, nobody: u64) {
        self.scored += counts.judged;
        self.duplicates += counts.repeats;
        self.learning += counts.learning;
        for ((signal, label), n) in counts.labels {
            *self.labels_by_signal.entry(signal).or_default().entry(label.name()).or_default() += n;
        }
        for (rule, counts) in counts.rules {
            for (by_rule, n) in [(&mut self.rule_hits, counts.hits), (&mut self.rule_errors, counts.errors)] {
                if n > 0 {
                    *by_rule.entry(rule.clone()).or_default() += n;
                }
            }
        }
        if nobody > 0 {
            self.ignore("no subject", nobody);
        }
        self.seconds = self.started.elapsed().as_secs_f64();
        self.events_per_second = (self.read as f64 / self.seconds.max(1e-9)).round();
    }

    pub fn output(&mut self, output: &Output) {
        match output {
            Output::Verdict(verdict) => {
                self.verdicts += 1;
                *self.verdicts_by_level.entry(verdict.level.name()).or_default() += 1;
                for reason in &verdict.reasons {
                    match self.verdicts_by_signal.get_mut(&reason.signal) {
                        Some(count) => *count += 1,
                        None => drop(self.verdicts_by_signal.insert(reason.signal.clone(), 1)),
                    }
                }
            }
            Output::Request(request) => {
                self.requests += 1;
                *self.requests_by_action.entry(request.action.name()).or_default() += 1;
            }
            Output::Decision(decision) => *self.decisions_by_end.entry(decision.end.name()).or_default() += 1,
            Output::Finding(finding) => {
                for found in &finding.found {
                    *self.findings_by_kind.entry(found.kind.name()).or_default() += 1;
                }
            }
            Output::Answer(_) | Output::Fact(_) | Output::Proposal(_) | Output::ToGate(_) => {}
        }
    }

    /// Says on the log what came of a run, and loudly if nothing did.
    pub fn log(&self) {
        let Summary { read, scored, ignored, duplicates, dead_letters, verdicts, requests, .. } = *self;
        tracing::info!(read, scored, ignored, duplicates, dead_letters, verdicts, requests, "done");
        if self.source_ip_unusable > 0 {
            tracing::warn!(
                "source.ip is no address in {} events: they were judged, but teach nothing about a source",
                self.source_ip_unusable
            );
        }
        for (rule, rows) in &self.rule_errors {
            tracing::warn!(
                rule,
                rows,
                "the rule could not be evaluated on these rows, and said nothing of them: `--emit all` shows why, under errors"
            );
        }
        if scored > 0 && verdicts == 0 {
            tracing::info!(
                "no verdict: nothing rose above low. {} of {scored} events were of identities that are still being learned, of which novelty says nothing yet; `--emit all` writes a verdict for every event",
                self.learning
            );
        }
        if read > 0 && scored == 0 {
            tracing::warn!(
                "nothing was scored: dead-letter.ndjson says what was wrong with each record, ignored_by_type in summary.json what was passed over"
            );
        }
    }

    pub fn at_level(&self, level: Level) -> u64 {
        self.verdicts_by_level.get(level.name()).copied().unwrap_or(0)
    }
}
