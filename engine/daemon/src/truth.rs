//! Verdicts against labels: what took place, whether it was seen, and after how much of it.

use portcullis_core::time::{HOUR_MS, Time};
use portcullis_core::verdict::{Level, Name, Verdict};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

/// A verdict this long after the last event of a label still counts for it.
const GRACE_MS: i64 = HOUR_MS;

/// Whether something was an attack or only resembles one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Attack,
    LookAlike,
}

/// One line of `labels.ndjson`, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Label {
    pub scenario: String,
    pub kind: Kind,
    pub difficulty: String,
    pub subject: Name,
    pub tenant: String,
    pub from: Time,
    pub to: Time,
    /// After this event a perfect detector could know; attacks only.
    #[serde(default)]
    pub sufficient_event_id: Option<String>,
    pub event_ids: Vec<String>,
}

/// A label and what was made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The highest level that was reached while it went on.
    pub level: Level,
    /// The first verdict at `high` or above, counted from the event that sufficed.
    pub reached: Option<Reached>,
}

/// How late a verdict came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    /// Events of the label after the one that sufficed, up to the verdict; 0 if it came with that event or before.
    pub events: u64,
    /// Between the two, seconds of event time; negative if the verdict came first.
    pub seconds: f64,
}

/// When the events of labels took place.
#[derive(Default)]
pub struct EventTimes {
    times: HashMap<String, Time>,
}

impl EventTimes {
    /// Waits for the events that these labels name.
    pub fn wanted(labels: &[Label]) -> EventTimes {
        let ids = labels.iter().flat_map(|l| l.event_ids.iter().chain(&l.sufficient_event_id));
        EventTimes { times: ids.map(|id| (id.clone(), Time::default())).collect() }
    }

    /// Takes a line of the events file in; a line that is no event is passed over.
    pub fn line(&mut self, line: &[u8]) {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow)]
            id: Cow<'a, str>,
            time: Time,
        }
        if let Ok(head) = serde_json::from_slice::<Head<'_>>(line)
            && let Some(time) = self.times.get_mut(head.id.as_ref())
        {
            *time = head.time;
        }
    }

    fn of(&self, id: &str) -> Option<Time> {
        self.times.get(id).copied().filter(|t| *t != Time::default())
    }
}

/// What was made of a label by the verdicts on its subject, which stand in the order of time.
pub fn outcome(label: &Label, verdicts: &[Verdict], times: &EventTimes) -> Outcome {
    let meant: Vec<&Verdict> = verdicts
        .iter()
        .filter(|v| v.subject == label.subject && v.tenant == label.tenant && v.event_id.is_some())
        .filter(|v| label.from <= v.time && v.time.since(label.to) <= GRACE_MS)
        .collect();
    let level = meant.iter().map(|v| v.level).max().unwrap_or(Level::Low);
    let reached = meant.iter().find(|v| v.level >= Level::High).map(|v| reached(label, v, times));
    Outcome { level, reached }
}

fn reached(label: &Label, verdict: &Verdict, times: &EventTimes) -> Reached {
    let enough = label.sufficient_event_id.as_deref().or(label.event_ids.first().map(String::as_str)).unwrap_or_default();
    let begin = times.of(enough).unwrap_or(label.from);
    let place = |id: &str| label.event_ids.iter().position(|e| e == id);
    let events = match (place(enough), verdict.event_id.as_deref().and_then(place)) {
        (Some(from), Some(to)) => to.saturating_sub(from),
        // Judged at an event between those of the label.
        _ => label.event_ids.iter().filter_map(|id| times.of(id)).filter(|t| begin < *t && *t <= verdict.time).count(),
    };
    Reached { events: events as u64, seconds: verdict.time.since(begin) as f64 / 1_000.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn label() -> Label {
        serde_json::from_value(json!({
            "scenario": "guessed_password", "kind": "attack", "difficulty": "easy", "subject": { "kind": "identity", "id": "ann" },
            "identities": ["ann"], "tenant": "bank", "from": 1_000, "to": 9_000, "sufficient_event_id": "e-3", "event_ids": ["e-1", "e-3", "e-5", "e-9"],
            "expect": { "signals": [], "level_at_least": "high" }
        }))
        .unwrap()
    }

    fn times() -> EventTimes {
        let mut times = EventTimes::wanted(&[label()]);
        for n in 1..10 {
            times.line(format!(r#"{{"type":"auth.login","id":"e-{n}","time":{},"identity":{{"id":"ann"}}}}"#, n * 1_000).as_bytes());
        }
        times.line(b"{\"id\":");
        assert_eq!(times.times.len(), 4, "only what was asked for is kept");
        times
    }

    fn verdict(subject: &str, event: &str, at_ms: i64, level: &str) -> Verdict {
        serde_json::from_value(json!({
            "id": "v", "time": at_ms, "appended_at": at_ms, "tenant": "bank", "subject": { "kind": "identity", "id": subject }, "event_id": event,
            "score": 0.0, "evidence_db": 0.0, "prior_db": 0.0, "probability": "uncalibrated", "level": level, "previous_level": "low", "learning": false,
            "actor": { "automation": 0.0 }, "reasons": [], "folded": 1, "mode": "enforce", "policy": { "version": "", "digest": "" },
            "log": { "topic": "", "partition": 0, "offset": 0 }, "engine": ""
        }))
        .unwrap()
    }

    #[test]
    fn delay_is_counted_from_the_event_that_sufficed() {
        let verdicts = [verdict("ann", "e-3", 3_000, "medium"), verdict("ann", "e-9", 9_000, "critical")];
        let found = outcome(&label(), &verdicts, &times());
        assert_eq!(found, Outcome { level: Level::Critical, reached: Some(Reached { events: 2, seconds: 6.0 }) });
    }

    #[test]
    fn a_verdict_at_an_event_between_those_of_the_label_counts_those_before_it() {
        let found = outcome(&label(), &[verdict("ann", "e-6", 6_000, "high")], &times());
        assert_eq!(found.reached, Some(Reached { events: 1, seconds: 3.0 }));
    }

    #[test]
    fn an_early_verdict_waited_for_nothing() {
        let found = outcome(&label(), &[verdict("ann", "e-1", 1_000, "high")], &times());
        assert_eq!(found.reached, Some(Reached { events: 0, seconds: -2.0 }));
    }

    #[test]
    fn medium_is_seen_and_missed() {
        let found = outcome(&label(), &[verdict("ann", "e-3", 3_000, "medium")], &times());
        assert_eq!(found, Outcome { level: Level::Medium, reached: None });
    }

    #[test]
    fn others_other_tenants_other_days_and_decay_do_not_count() {
        let mut elsewhere = verdict("ann", "e-3", 3_000, "high");
        elsewhere.tenant = "shop".to_owned();
        let mut faded = verdict("ann", "e-3", 3_000, "high");
        faded.event_id = None;
        let late = verdict("ann", "e-99", 9_001 + GRACE_MS, "high");
        let early = verdict("ann", "e-0", 999, "high");
        let verdicts = [early, elsewhere, faded, verdict("bob", "e-3", 3_000, "high"), late];
        assert_eq!(outcome(&label(), &verdicts, &times()), Outcome { level: Level::Low, reached: None });
    }
}
