//! Three detectors that somebody could write in an afternoon, measured on the same events, so that the gain is visible.

use crate::finding::Finding;
use portcullis_core::event::{AuthFailure, Event, EventType};
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use portcullis_core::verdict::{Level, Name};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// What all of them can do.
pub trait Naive {
    fn see(&mut self, event: &Event<'_>, findings: &mut Vec<Finding>);
}

/// Says nothing, ever. Every figure of false alarms is perfect.
pub struct Silent;

impl Naive for Silent {
    fn see(&mut self, _: &Event<'_>, _: &mut Vec<Finding>) {}
}

/// Alarms on one subject within an hour are one incident.
#[derive(Default)]
struct Alarms {
    last: HashMap<(String, String), (Time, u64)>,
}

impl Alarms {
    fn raise(&mut self, event: &Event<'_>, subject: Name, strength: f64, rule: &str, findings: &mut Vec<Finding>) {
        let key = (event.tenant.as_str().to_owned(), subject.id.clone());
        let (last, count) = self.last.entry(key).or_insert((Time(i64::MIN / 2), 0));
        if event.time.since(*last) > HOUR_MS {
            *count += 1;
        }
        *last = event.time;
        findings.push(Finding {
            tenant: event.tenant.as_str().to_owned(),
            incident: format!("{} {} {count}", event.tenant.as_str(), subject.id),
            subject,
            class: event.identity.as_ref().and_then(|i| i.class),
            at: event.time,
            event_id: Some(event.id.as_str().to_owned()),
            level: Level::High,
            strength,
            learning: false,
            signals: vec![rule.to_owned()],
            leading: Some(rule.to_owned()),
        });
    }
}

/// Counts within a sliding window; distinct values where they are given.
#[derive(Default)]
struct Window {
    seen: HashMap<(String, String), VecDeque<(Time, String)>>,
}

impl Window {
    fn count(&mut self, event: &Event<'_>, subject: &str, value: &str, width_ms: i64) -> usize {
        let seen = self.seen.entry((event.tenant.as_str().to_owned(), subject.to_owned())).or_default();
        seen.push_back((event.time, value.to_owned()));
        while seen.front().is_some_and(|(at, _)| event.time.since(*at) > width_ms) {
            seen.pop_front();
        }
        if value.is_empty() { seen.len() } else { seen.iter().map(|(_, v)| v).collect::<BTreeSet<_>>().len() }
    }
}

/// The rules that every SIEM ships: a fixed number of something within a fixed time.
#[derive(Default)]
pub struct Thresholds {
    failures: Window,
    names: Window,
    requests: Window,
    declines: Window,
    pushes: Window,
    secrets: Window,
    countries: Window,
    alarms: Alarms,
}

impl Naive for Thresholds {
    fn see(&mut self, event: &Event<'_>, findings: &mut Vec<Finding>) {
        let identity = event.identity_id().filter(|_| event.failure() != Some(AuthFailure::UnknownIdentity));
        let source = event.ip();
        let country = event.source.as_ref().and_then(|s| s.country.as_deref());
        let mut rules: Vec<(&str, &str, &str, usize, usize)> = Vec::new();
        if let Some(id) = identity {
            match event.kind {
                EventType::AuthLogin if event.failed() => {
                    rules.push(("identity", id, "failed_logins", self.failures.count(event, id, "", 10 * MINUTE_MS), 5));
                }
                EventType::AuthMfa if event.failed() => {
                    rules.push(("identity", id, "pushes", self.pushes.count(event, id, "", 10 * MINUTE_MS), 5))
                }
                EventType::ApiRequest => rules.push(("identity", id, "requests", self.requests.count(event, id, "", MINUTE_MS), 100)),
                EventType::CheckoutAttempt if event.failed() => {
                    rules.push(("identity", id, "declines", self.declines.count(event, id, "", 10 * MINUTE_MS), 5));
                }
                EventType::SecretRead => rules.push(("identity", id, "secrets", self.secrets.count(event, id, "", HOUR_MS), 10)),
                _ => {}
            }
            if let (EventType::AuthLogin, true, Some(country)) = (event.kind, event.succeeded(), country) {
                rules.push(("identity", id, "two_countries", self.countries.count(event, id, country, HOUR_MS), 2));
            }
        }
        if let (EventType::AuthLogin, true, Some(ip), Some(id)) = (event.kind, event.failed(), source, event.identity_id()) {
            rules.push(("source", ip, "names_tried", self.names.count(event, ip, id, 15 * MINUTE_MS), 10));
        }
        for (kind, id, rule, count, most) in rules {
            if count >= most {
                let subject = Name { kind: kind.to_owned(), id: id.to_owned() };
                self.alarms.raise(event, subject, count as f64 / most as f64, rule, findings);
            }
        }
    }
}

/// What a first behavioural rule looks like: a person from a country and on a device that were never seen together with the name.
#[derive(Default)]
pub struct NewPlaceAndDevice {
    places: HashSet<(String, String, String)>,
    devices: HashSet<(String, String, String)>,
    since: HashMap<(String, String), Time>,
    alarms: Alarms,
}

impl Naive for NewPlaceAndDevice {
    fn see(&mut self, event: &Event<'_>, findings: &mut Vec<Finding>) {
        let (Some(identity), Some(source), true) = (&event.identity, &event.source, event.succeeded()) else { return };
        let named = |value: &str| (event.tenant.as_str().to_owned(), identity.id.as_str().to_owned(), value.to_owned());
        let country = source.country.as_deref().unwrap_or("");
        let device = source.device_id.as_deref().or(source.user_agent.as_deref()).unwrap_or("");
        let (new_place, new_device) = (self.places.insert(named(country)), self.devices.insert(named(device)));
        let key = (event.tenant.as_str().to_owned(), identity.id.as_str().to_owned());
        let since = *self.since.entry(key).or_insert(event.time);
        if new_place && new_device && event.time.since(since) > DAY_MS {
            let subject = Name { kind: "identity".to_owned(), id: identity.id.as_str().to_owned() };
            self.alarms.raise(event, subject, 1.0, "new_place_and_device", findings);
        }
    }
}
