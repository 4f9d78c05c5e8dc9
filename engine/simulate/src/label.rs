//! What is true: one line for each attack and each look-alike that took place.

use crate::clock::time_text;
use crate::json;
use crate::scenario::{Difficulty, Instance, Kind, Mark, SCENARIOS, Scene};
use crate::world::TENANTS;
use serde::Serialize;

/// Whom a label is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Subject {
    /// `identity` or `source`.
    pub kind: &'static str,
    pub id: String,
}

/// What a good detector says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Expect {
    /// Of an attack: those that find it. Of a look-alike: those that are tempted.
    pub signals: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level_at_least: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level_below: Option<&'static str>,
}

/// An attack or a look-alike that took place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Label {
    pub scenario: &'static str,
    pub kind: Kind,
    pub difficulty: Difficulty,
    pub subject: Subject,
    /// Everybody touched, in the order of first touch, at most 500.
    pub identities: Vec<String>,
    pub tenant: &'static str,
    /// First and last of its events, RFC 3339.
    pub from: String,
    pub to: String,
    /// After this event a perfect detector could know. Attacks only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sufficient_event_id: Option<String>,
    pub event_ids: Vec<String>,
    pub expect: Expect,
}

/// A label while its scenario is under way.
pub(crate) struct Draft {
    scenario: usize,
    difficulty: Difficulty,
    subject: (&'static str, String),
    tenant: usize,
    identities: Vec<String>,
    parts: Vec<(u64, i64)>,
    enough: Option<u64>,
}

impl Draft {
    pub fn of(instance: &Instance, scene: &mut Scene<'_>) -> Draft {
        Draft {
            scenario: instance.scenario,
            difficulty: instance.difficulty,
            subject: std::mem::take(&mut scene.subject),
            tenant: scene.tenant,
            identities: std::mem::take(&mut scene.identities),
            parts: Vec::new(),
            enough: None,
        }
    }

    pub fn saw(&mut self, id: u64, at: i64, mark: Mark) {
        if mark != Mark::Background {
            self.parts.push((id, at));
        }
        if mark == Mark::Enough {
            self.enough = Some(id);
        }
    }

    pub fn finish(self) -> Label {
        let scenario = &SCENARIOS[self.scenario];
        let text = |id: u64| {
            let mut out = Vec::new();
            json::event_id(&mut out, id);
            String::from_utf8_lossy(&out).into_owned()
        };
        let time = |part: Option<&(u64, i64)>| part.map_or(String::new(), |(_, at)| time_text(*at));
        let attack = scenario.kind == Kind::Attack;
        Label {
            scenario: scenario.name,
            kind: scenario.kind,
            difficulty: self.difficulty,
            subject: Subject { kind: self.subject.0, id: self.subject.1 },
            identities: self.identities,
            tenant: TENANTS[self.tenant],
            from: time(self.parts.first()),
            to: time(self.parts.last()),
            sufficient_event_id: if attack { self.enough.map(text) } else { None },
            event_ids: self.parts.iter().map(|(id, _)| text(*id)).collect(),
            expect: Expect {
                signals: scenario.signals.to_vec(),
                level_at_least: attack.then_some("high"),
                level_below: (!attack).then_some("high"),
            },
        }
    }
}
