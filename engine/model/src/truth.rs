//! What took place, and to which of it a finding belongs.
//!
//! Labels are lines of `labels.ndjson` (`portcullis simulate`), or `feedback.label` records: what an analyst said of a verdict.

use portcullis_core::time::{DAY_MS, HOUR_MS, Time};
use portcullis_core::verdict::Name;
use serde::Deserialize;
use std::collections::HashMap;

/// A finding this long after the last event of a label still counts for it.
const GRACE_MS: i64 = HOUR_MS;
/// Whoever was touched may be looked at askance this long; after it an alarm is a false one.
const AFTERMATH_MS: i64 = DAY_MS;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Attack,
    LookAlike,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Expect {
    /// Of an attack: those that find it. Of a look-alike: those that are tempted.
    pub signals: Vec<String>,
}

/// One line of `labels.ndjson`, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Label {
    pub scenario: String,
    pub kind: Kind,
    #[serde(default)]
    pub difficulty: String,
    pub subject: Name,
    /// Everybody touched.
    #[serde(default)]
    pub identities: Vec<String>,
    pub tenant: String,
    pub from: Time,
    pub to: Time,
    #[serde(default)]
    pub sufficient_event_id: Option<String>,
    #[serde(default)]
    pub event_ids: Vec<String>,
    #[serde(default)]
    pub expect: Expect,
}

impl Label {
    /// Difficulties are those of attacks; other generators may not have any.
    pub fn difficulty(&self) -> &str {
        if self.difficulty.is_empty() { "any" } else { &self.difficulty }
    }

    fn is_subject(&self, tenant: &str, subject: &Name) -> bool {
        self.subject == *subject && self.tenant == tenant
    }
}

impl Label {
    /// What an analyst said of somebody, between two times or at these events: an attack, or what only resembled one.
    pub fn of_feedback(tenant: &str, subject: Name, is_attack: bool, from: Time, to: Time, event_ids: Vec<String>) -> Label {
        Label {
            scenario: "feedback".to_owned(),
            kind: if is_attack { Kind::Attack } else { Kind::LookAlike },
            difficulty: String::new(),
            subject,
            identities: Vec::new(),
            tenant: tenant.to_owned(),
            from,
            to,
            sufficient_event_id: None,
            event_ids,
            expect: Expect::default(),
        }
    }
}

/// Labels by what leads to them.
pub struct Truth {
    pub labels: Vec<Label>,
    /// Event: its label and its place among the label's events.
    by_event: HashMap<String, (usize, usize)>,
    /// Tenant and id of a subject or touched identity: its labels.
    by_id: HashMap<(String, String), Vec<usize>>,
    /// When each event of each label took place, once it was seen.
    times: Vec<Vec<Option<Time>>>,
}

impl Truth {
    pub fn new(labels: Vec<Label>) -> Truth {
        let mut by_event = HashMap::new();
        let mut by_id: HashMap<(String, String), Vec<usize>> = HashMap::new();
        for (n, label) in labels.iter().enumerate() {
            let places = label.event_ids.iter().enumerate();
            by_event.extend(places.map(|(place, id)| (id.clone(), (n, place))));
            for id in label.identities.iter().chain([&label.subject.id]) {
                let list = by_id.entry((label.tenant.clone(), id.clone())).or_default();
                if list.last() != Some(&n) {
                    list.push(n);
                }
            }
        }
        let times = labels.iter().map(|l| vec![None; l.event_ids.len()]).collect();
        Truth { labels, by_event, by_id, times }
    }

    /// Notes when an event took place.
    pub fn saw(&mut self, event_id: &str, at: Time) {
        if let Some((label, place)) = self.by_event.get(event_id) {
            self.times[*label][*place] = Some(at);
        }
    }

    /// The labels that a finding at this event and time belongs to, and whether it is about the label's own subject.
    pub fn of(&self, tenant: &str, subject: &Name, event_id: Option<&str>, at: Time) -> Vec<(usize, bool)> {
        let event_id = event_id.unwrap_or("");
        let mut found: Vec<(usize, bool)> = self
            .named(tenant, subject)
            .filter(|n| self.labels[*n].is_subject(tenant, subject))
            .filter(|n| self.labels[*n].from <= at && at.since(self.labels[*n].to) <= GRACE_MS)
            .map(|n| (n, true))
            .collect();
        if let Some((n, _)) = self.by_event.get(event_id)
            && found.iter().all(|(other, _)| other != n)
        {
            found.push((*n, false));
        }
        found
    }

    /// Whether somebody is, at that time, or was lately, part of what is labelled.
    pub fn is_touched(&self, tenant: &str, subject: &Name, event_id: Option<&str>, at: Time) -> bool {
        event_id.is_some_and(|id| self.by_event.contains_key(id))
            || self.named(tenant, subject).any(|n| {
                let label = &self.labels[n];
                label.from <= at && at.since(label.to) <= AFTERMATH_MS
            })
    }

    fn named(&self, tenant: &str, subject: &Name) -> impl Iterator<Item = usize> + '_ {
        self.by_id.get(&(tenant.to_owned(), subject.id.clone())).into_iter().flatten().copied()
    }

    /// Events of the label and seconds from the one that sufficed to a finding; 0 events where it came with that one or before.
    pub fn delay(&self, label: usize, event_id: Option<&str>, at: Time) -> (u64, f64) {
        let it = &self.labels[label];
        let place = |id: &str| self.by_event.get(id).filter(|(n, _)| *n == label).map(|(_, place)| *place);
        let enough = it.sufficient_event_id.as_deref().and_then(place);
        let began = enough.and_then(|place| self.times[label][place]).unwrap_or(it.from);
        let events = match (enough, event_id.and_then(place)) {
            (Some(from), Some(to)) => to.saturating_sub(from),
            // Found at an event between those of the label.
            _ => self.times[label].iter().flatten().filter(|t| began < **t && **t <= at).count(),
        };
        (events as u64, at.since(began) as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth() -> Truth {
        let label = r#"{"scenario":"s","kind":"attack","difficulty":"easy","tenant":"bank","subject":{"kind":"identity","id":"ann"},
            "identities":["ann","bob"],"from":1000,"to":9000,"sufficient_event_id":"e-3","event_ids":["e-1","e-3","e-5","e-9"]}"#;
        let mut truth = Truth::new(vec![serde_json::from_str(label).unwrap()]);
        for n in [1, 3, 5, 9] {
            truth.saw(&format!("e-{n}"), Time(n * 1_000));
        }
        truth
    }

    fn name(id: &str) -> Name {
        Name { kind: "identity".to_owned(), id: id.to_owned() }
    }

    #[test]
    fn a_finding_belongs_to_a_label_by_its_subject_in_time_or_by_its_event() {
        let truth = truth();
        assert_eq!(truth.of("bank", &name("ann"), Some("e-4"), Time(4_000)), [(0, true)]);
        assert_eq!(truth.of("bank", &name("eve"), Some("e-5"), Time(5_000)), [(0, false)]);
        assert_eq!(truth.of("bank", &name("bob"), Some("e-4"), Time(4_000)), []);
        assert_eq!(truth.of("shop", &name("ann"), Some("e-4"), Time(4_000)), []);
        assert_eq!(truth.of("bank", &name("ann"), Some("e-99"), Time(9_001 + GRACE_MS)), []);
    }

    #[test]
    fn whoever_was_touched_is_no_false_alarm_for_a_day() {
        let truth = truth();
        assert!(truth.is_touched("bank", &name("bob"), None, Time(9_000 + AFTERMATH_MS)));
        assert!(!truth.is_touched("bank", &name("bob"), None, Time(9_001 + AFTERMATH_MS)));
        assert!(!truth.is_touched("bank", &name("bob"), None, Time(999)));
        assert!(!truth.is_touched("bank", &name("eve"), Some("e-4"), Time(4_000)));
    }

    #[test]
    fn delay_counts_events_of_the_label_after_the_one_that_sufficed() {
        let truth = truth();
        assert_eq!(truth.delay(0, Some("e-9"), Time(9_000)), (2, 6.0));
        assert_eq!(truth.delay(0, Some("e-6"), Time(6_000)), (1, 3.0));
        assert_eq!(truth.delay(0, Some("e-1"), Time(1_000)), (0, -2.0));
    }
}
