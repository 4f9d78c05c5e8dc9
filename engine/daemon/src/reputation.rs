//! Where sources, devices and cards stand: what SCORE decides of them comes back to the identities as the level that INGEST stamps.
//!
//! On Kafka it goes over the compacted topic `reputation`, so an event is stamped with what was published when it was read. The stamp lies in
//! the log record: whoever decides from the log, now or in a replay, sees what INGEST saw.

use portcullis_core::event::{Event, Stamp};
use portcullis_core::subject::{Kind, SubjectRef, source_id};
use portcullis_core::time::{HOUR_MS, Time};
use portcullis_core::verdict::{Level, Verdict};
// Its hash function is several times faster on short keys than that of std, and seeded at random as well.
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// Those beyond it are not remembered.
const STANDING_MAX: usize = 1_000_000;
/// A standing is believed this long past `valid_until`, for evidence that came since and was not worth a verdict. What is older was never
/// taken back, because the state that would have done so was lost.
const STALE_AFTER_MS: i64 = HOUR_MS;

/// What a record of the topic holds, its key being the subject's. There is none of who stands at `low`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Standing {
    pub level: Level,
    /// When decay alone takes it to `low`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
}

/// What a verdict changes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Change {
    Stands(Standing),
    BackToLow,
}

impl Change {
    /// `None`: the verdict is of an identity, or it was and is low.
    pub fn of(verdict: &Verdict) -> Option<Change> {
        if !matches!(Kind::from_name(&verdict.subject.kind)?, Kind::Source | Kind::Device | Kind::Card) {
            return None;
        }
        match (verdict.level, verdict.previous_level) {
            (Level::Low, Level::Low) => None,
            (Level::Low, _) => Some(Change::BackToLow),
            (level, _) => Some(Change::Stands(Standing { level, valid_until: verdict.valid_until })),
        }
    }
}

/// Everybody who stands above `low`, by subject key.
#[derive(Default, Debug)]
pub struct Reputation {
    standing: HashMap<Vec<u8>, Standing>,
}

impl Reputation {
    pub fn learn(&mut self, key: &[u8], change: Change) {
        match change {
            Change::Stands(standing) if self.standing.len() < STANDING_MAX || self.standing.contains_key(key) => {
                self.standing.insert(key.to_vec(), standing);
            }
            Change::Stands(_) => {}
            Change::BackToLow => {
                self.standing.remove(key);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }

    pub fn holds(&self, key: &[u8]) -> bool {
        self.standing.contains_key(key)
    }

    /// Stamps the highest level at which the event's source, device or card stands.
    pub fn stamp(&self, event: &mut Event<'_>) {
        let mut highest = None;
        subjects(event, &mut |subject| {
            let standing = self.standing.get(subject.key().as_slice());
            let known = standing.filter(|s| s.valid_until.is_none_or(|until| event.time.since(until) <= STALE_AFTER_MS));
            highest = highest.max(known.map(|s| s.level));
        });
        if highest.is_some() {
            event.stamp.get_or_insert_with(Stamp::default).reputation = highest;
        }
    }
}

/// The source, the device and the card of an event, whether or not it teaches them anything.
pub fn subjects(event: &Event<'_>, each: &mut dyn FnMut(SubjectRef<'_>)) {
    if event.kind.is_control() {
        return;
    }
    let source = event.ip().and_then(source_id);
    let named = [(Kind::Source, source.as_deref()), (Kind::Device, event.device_id()), (Kind::Card, event.card())];
    for (kind, id) in named {
        if let Some(id) = id {
            each(SubjectRef { kind, tenant: &event.tenant, id });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &'static str) -> Event<'static> {
        serde_json::from_str(json).unwrap()
    }

    fn stands(level: Level, valid_until: i64) -> Change {
        Change::Stands(Standing { level, valid_until: Some(Time(valid_until)) })
    }

    fn key(kind: Kind, id: &str) -> Vec<u8> {
        SubjectRef { kind, tenant: "default", id }.key()
    }

    #[test]
    fn an_event_is_stamped_with_the_worst_of_its_source_device_and_card() {
        let mut reputation = Reputation::default();
        let checkout = r#"{"time":1000,"type":"checkout.attempt","identity":{"id":"u"},"source":{"ip":"2001:db8::7","device_id":"d"},"checkout":{"card":"c"}}"#;
        let stamped = |reputation: &Reputation, json| {
            let mut event = event(json);
            reputation.stamp(&mut event);
            event.stamp.and_then(|s| s.reputation)
        };
        assert_eq!(stamped(&reputation, checkout), None);
        reputation.learn(&key(Kind::Source, "2001:db8::/64"), stands(Level::Medium, 5_000));
        reputation.learn(&key(Kind::Card, "c"), stands(Level::High, 5_000));
        assert_eq!(stamped(&reputation, checkout), Some(Level::High));
        let call = r#"{"time":1000,"type":"api.request","outcome":"success","identity":{"id":"u"},"source":{"ip":"2001:db8::99"}}"#;
        assert_eq!(stamped(&reputation, call), Some(Level::Medium), "also where the source is taught nothing");
        let elsewhere = r#"{"time":1000,"tenant":"other","type":"api.request","identity":{"id":"u"},"source":{"ip":"2001:db8::99"}}"#;
        assert_eq!(stamped(&reputation, elsewhere), None, "tenants are told nothing of each other");
        reputation.learn(&key(Kind::Card, "c"), Change::BackToLow);
        assert_eq!(stamped(&reputation, checkout), Some(Level::Medium));
        let much_later = r#"{"time":9000000,"type":"api.request","identity":{"id":"u"},"source":{"ip":"2001:db8::99"}}"#;
        assert_eq!(stamped(&reputation, much_later), None, "it was never taken back");
    }
}
