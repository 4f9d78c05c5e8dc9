//! An identity: its rhythm, places, devices, sessions, credentials, scopes and checkouts.
//!
//! Habits learn from what was accepted, never from an attempt: a guesser's addresses do not become the owner's.

use super::cadence::Cadence;
use super::checkout::CheckoutMemory;
use super::place::travel;
use super::session::{Sessions, agent_hash, device_hash};
use crate::distinct::Distinct;
use crate::event::{AuthFailure, AuthMethod, Class, Event, EventType, IdentityStatus, Inventory, Outcome};
use crate::hash::{Of, hash, hash_parts};
use crate::policy::Learning;
use crate::row::{Place, Row};
use crate::sample::TenantSample;
use crate::seen::Seen;
use crate::subject::source_id;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use crate::window::{Series, Shape};
use serde::{Deserialize, Serialize};

const FAILURES: Shape = Shape { exact_max: 24, spans_ms: &[10 * MINUTE_MS, HOUR_MS] };
const PUSHES: Shape = Shape { exact_max: 12, spans_ms: &[10 * MINUTE_MS] };
const FAILING_SOURCES_MAX: usize = 12;
const COUNTRIES_MAX: usize = 8;
const NETWORKS_MAX: usize = 12;
const SOURCES_MAX: usize = 16;
const DEVICES_MAX: usize = 12;
const AGENTS_MAX: usize = 8;
const WORKLOADS_MAX: usize = 8;
const ROUTES_MAX: usize = 32;
const SCOPES_MAX: usize = 16;
const CARDS_MAX: usize = 8;
const PAYEES_MAX: usize = 8;
/// Declared values of one kind that are kept.
const DECLARED_MAX: usize = 32;

/// Denied or unanswered pushes within 10 min that make a fatigue attack.
pub const PUSH_FATIGUE_MIN: u32 = 5;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct IdentityMemory {
    /// Subject time.
    pub now: Time,
    pub first: Time,
    pub events: u32,
    /// Known by the inventory, or said by the first event that named one.
    pub class: Option<Class>,
    /// What the inventory declares; it outranks what events say.
    pub declared: Option<Box<Declared>>,
    cadence: Cadence,
    failures: Series,
    /// Greatest number of failures within an hour on earlier days, fading by day; sixteenths.
    usual_failed: u32,
    failed_today: (i32, u32),
    failing_sources: Distinct,
    pushes: Series,
    push_fatigue_at: Option<Time>,
    place: Option<Place>,
    countries: Seen,
    networks: Seen,
    sources: Seen,
    devices: Seen,
    agents: Seen,
    sessions: Sessions,
    workloads: Seen,
    routes: Seen,
    scopes: Seen,
    cards: Seen,
    payees: Seen,
    checkout: CheckoutMemory,
    recovery_at: Option<Time>,
    credential_changed_at: Option<Time>,
    risky_login_at: Option<Time>,
}

/// The facts of the inventory that features need.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Declared {
    pub class: Option<Class>,
    pub status: Option<IdentityStatus>,
    pub max_token_age_ms: Option<i64>,
    workloads: Vec<u64>,
    networks: Vec<u64>,
    countries: Vec<u64>,
}

impl Declared {
    fn from_inventory(inventory: &Inventory<'_>) -> Declared {
        let expected = inventory.expected.as_ref();
        let hashes = |of: Of, list: Option<&Vec<crate::text::Text<'_>>>| -> Vec<u64> {
            list.into_iter().flatten().take(DECLARED_MAX).map(|v| hash(of, v.as_bytes())).collect()
        };
        Declared {
            class: inventory.class,
            status: inventory.status,
            max_token_age_ms: inventory.max_token_age.map(|s| s.0),
            workloads: hashes(Of::Workload, expected.map(|e| &e.workloads)),
            networks: expected.into_iter().flat_map(|e| &e.asns).take(DECLARED_MAX).map(|asn| asn_hash(*asn)).collect(),
            countries: hashes(Of::Country, expected.map(|e| &e.countries)),
        }
    }
}

fn asn_hash(asn: u32) -> u64 {
    hash(Of::Asn, &asn.to_le_bytes())
}

/// Failures that could be guesses of a password. An expired password is a broken job, a refused policy a rule at work.
fn could_be_guess(event: &Event<'_>) -> bool {
    event.kind.is_auth()
        && event.failed()
        && matches!(
            event.failure(),
            None | Some(AuthFailure::BadPassword | AuthFailure::Locked | AuthFailure::Other | AuthFailure::UnknownIdentity)
        )
}

/// A push that was denied or not answered.
fn push_denied(event: &Event<'_>) -> bool {
    let by_push = event.method() == Some(AuthMethod::Push);
    by_push && event.outcome != Outcome::Success && matches!(event.failure(), Some(AuthFailure::MfaDenied | AuthFailure::MfaTimeout))
}

impl IdentityMemory {
    pub fn class(&self) -> Class {
        self.declared.as_ref().and_then(|d| d.class).or(self.class).unwrap_or(Class::Customer)
    }

    /// Takes over what the inventory says.
    pub fn declare(&mut self, inventory: &Inventory<'_>) {
        self.declared = Some(Box::new(Declared::from_inventory(inventory)));
    }

    /// Too little is known for a novelty to mean anything.
    fn is_learning(&self, learning: &[Learning], now: Time) -> bool {
        let Learning { events, days } = learning[self.class() as usize];
        self.events < events || now.since(self.first) < i64::from(days) * DAY_MS
    }

    pub fn observe(&mut self, learning: &[Learning], sample: &mut TenantSample, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        if self.events == 0 {
            self.first = t;
            sample.identity_appeared();
        }
        sample.identity_active(self.events == 0, self.now, now);
        if self.class.is_none() {
            self.class = event.identity.as_ref().and_then(|i| i.class);
        }
        row.class = self.class();
        row.learning = self.is_learning(learning, now);
        let accepted = event.succeeded() || (event.outcome == Outcome::Unknown && !event.kind.is_auth());

        (row.events, row.usual_events) = self.cadence.observe(now, t);
        row.idle_ms = (self.events > 0 && accepted && now > self.now).then(|| now.since(self.now));
        self.observe_source(event, now, t, accepted, row);
        self.observe_failures(event, now, t, row);
        self.observe_pushes(event, now, t, row);
        if accepted {
            row.session_moved = self.sessions.observe(event, now);
            self.observe_places(event, sample, t, row);
            self.observe_devices(event, sample, t, row);
            self.observe_scopes(event, sample, t, row);
        }
        self.observe_credential(event, t, accepted, row);
        self.observe_checkout(event, now, t, accepted, row);

        self.events = self.events.saturating_add(1);
        self.now = now;
    }

    fn observe_source(&mut self, event: &Event<'_>, now: Time, t: Time, accepted: bool, row: &mut Row) {
        let Some(source) = event.ip().and_then(source_id).map(|id| hash(Of::Source, id.as_bytes())) else { return };
        let known_device = || event.device_id().is_some_and(|d| self.devices.contains(hash(Of::Device, d.as_bytes())));
        row.source_familiar = self.sources.contains(source) || known_device();
        let mut before = 0;
        self.failing_sources.count(now.0, 30 * MINUTE_MS, |e| {
            if e.hash == source {
                before = e.failures;
            }
            false
        });
        row.failed_from_source = u32::from(before);
        if could_be_guess(event) {
            self.failing_sources.see(FAILING_SOURCES_MAX, 30 * MINUTE_MS, now.0, t.0, source, true, false);
        }
        if accepted {
            self.sources.learn(SOURCES_MAX, source, t);
        }
    }

    fn observe_failures(&mut self, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        if could_be_guess(event) && !row.source_familiar {
            self.failures.add(&FAILURES, now.0, t.0, 1);
        }
        row.failed_10m = self.failures.count(&FAILURES, now.0, 0);
        row.failed_1h = self.failures.count(&FAILURES, now.0, 1);
        let (day, most) = &mut self.failed_today;
        if now.day() != *day {
            self.usual_failed = (self.usual_failed - self.usual_failed / 8).max(most.saturating_mul(16));
            (*day, *most) = (now.day(), 0);
        }
        *most = (*most).max(row.failed_1h);
        row.usual_failed_1h = self.usual_failed.div_ceil(16);
    }

    fn observe_pushes(&mut self, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        row.since_push_fatigue_ms = self.push_fatigue_at.map(|at| now.since(at));
        if push_denied(event) {
            self.pushes.add(&PUSHES, now.0, t.0, 1);
        }
        row.push_denied_10m = self.pushes.count(&PUSHES, now.0, 0);
        if row.push_denied_10m >= PUSH_FATIGUE_MIN {
            self.push_fatigue_at = Some(now);
        }
    }

    fn observe_places(&mut self, event: &Event<'_>, sample: &mut TenantSample, t: Time, row: &mut Row) {
        let Some(source) = &event.source else { return };
        if let Some(country) = source.country.as_deref() {
            let value = hash(Of::Country, country.as_bytes());
            if !self.countries.is_empty() && !self.countries.contains(value) {
                row.new_country = Some(sample.novelty(&self.countries, self.events, value));
            }
            if self.countries.learn(COUNTRIES_MAX, value, t) {
                sample.learned(value);
            }
        }
        if let Some(asn) = source.asn {
            let value = asn_hash(asn);
            row.network_known_days = self.networks.get(value).map(|k| t.since(k.first) / DAY_MS);
            let declared = self.declared.as_ref().is_some_and(|d| d.networks.contains(&value));
            if !self.networks.is_empty() && !self.networks.contains(value) && !declared {
                row.new_network = Some(sample.novelty(&self.networks, self.events, value));
            }
            if self.networks.learn(NETWORKS_MAX, value, t) {
                sample.learned(value);
            }
        }
        if let (Some(lat), Some(lon)) = (source.lat, source.lon) {
            let mut country = [0; 2];
            if let Some(code) = source.country.as_deref().filter(|c| c.len() == 2) {
                country.copy_from_slice(code.as_bytes());
            }
            let here = Place { lat, lon, radius_km: source.radius_km.unwrap_or(0), at: t, country, network: source.network };
            row.travel = self.place.map(|there| travel(there, here));
            if self.place.is_none_or(|there| t >= there.at) {
                self.place = Some(here);
            }
        }
    }

    fn observe_devices(&mut self, event: &Event<'_>, sample: &mut TenantSample, t: Time, row: &mut Row) {
        if let Some(agent) = agent_hash(event) {
            if !self.agents.is_empty() && !self.agents.contains(agent) {
                row.new_agent = Some(sample.novelty(&self.agents, self.events, agent));
            }
            if self.agents.learn(AGENTS_MAX, agent, t) {
                sample.learned(agent);
            }
        }
        if let Some(device) = device_hash(event) {
            row.device_known_days = self.devices.get(device).map(|k| t.since(k.first) / DAY_MS);
            if !self.devices.is_empty() && row.device_known_days.is_none() {
                row.new_device = Some(sample.novelty_of_own(&self.devices, self.events));
            }
            self.devices.learn(DEVICES_MAX, device, t);
        }
        if event.kind == EventType::AuthLogin
            && (row.new_country.is_some() || row.new_network.is_some())
            && row.new_device.is_some()
            && !row.learning
        {
            self.risky_login_at = Some(t);
        }
    }

    fn observe_scopes(&mut self, event: &Event<'_>, sample: &mut TenantSample, t: Time, row: &mut Row) {
        if let Some(workload) = event.source.as_ref().and_then(|s| s.workload.as_deref()) {
            let value = hash(Of::Workload, workload.as_bytes());
            let declared = self.declared.as_ref().is_some_and(|d| d.workloads.contains(&value));
            row.known_workload = declared || self.workloads.contains(value);
            row.workloads_declared = self.declared.as_ref().is_some_and(|d| !d.workloads.is_empty());
            row.new_workload = !row.known_workload && (!self.workloads.is_empty() || row.workloads_declared);
            self.workloads.learn(WORKLOADS_MAX, value, t);
        }
        if let Some(request) = &event.request {
            if let Some(route) = request.route.as_deref() {
                let value = hash_parts(Of::Route, &[request.method.as_deref().unwrap_or("").as_bytes(), route.as_bytes()]);
                if !self.routes.is_empty() && !self.routes.contains(value) {
                    row.new_route = Some(sample.novelty(&self.routes, self.events, value));
                }
                if self.routes.learn(ROUTES_MAX, value, t) {
                    sample.learned(value);
                }
            }
            if let Some(scope) = request.scope.as_deref() {
                let value = hash(Of::Scope, scope.as_bytes());
                if !self.scopes.is_empty() && !self.scopes.contains(value) {
                    row.new_scope = Some(sample.novelty(&self.scopes, self.events, value));
                }
                if self.scopes.learn(SCOPES_MAX, value, t) {
                    sample.learned(value);
                }
            }
        }
    }

    fn observe_credential(&mut self, event: &Event<'_>, t: Time, accepted: bool, row: &mut Row) {
        row.since_recovery_ms = self.recovery_at.map(|at| t.since(at));
        row.since_credential_change_ms = self.credential_changed_at.map(|at| t.since(at));
        row.since_risky_login_ms = self.risky_login_at.map(|at| t.since(at));
        if let Some(issued) = event.credential.as_ref().and_then(|c| c.issued_at) {
            row.credential_age_ms = Some(t.since(issued));
            row.credential_age_max_ms = self.declared.as_ref().and_then(|d| d.max_token_age_ms);
        }
        if accepted {
            use EventType::*;
            match event.kind {
                AuthRecovery => self.recovery_at = Some(t),
                CredentialCreate | CredentialRotate => self.credential_changed_at = Some(t),
                _ => {}
            }
        }
    }

    fn observe_checkout(&mut self, event: &Event<'_>, now: Time, t: Time, accepted: bool, row: &mut Row) {
        let Some(checkout) = event.checkout.as_deref() else { return };
        self.checkout.observe(event, now, t, row);
        if let Some(card) = checkout.card.as_deref() {
            let card = hash(Of::Card, card.as_bytes());
            row.new_card = !self.cards.contains(card);
            if accepted {
                self.cards.learn(CARDS_MAX, card, t);
            }
        }
        if let Some(payee) = checkout.payee.as_deref() {
            let payee = hash(Of::Payee, payee.as_bytes());
            row.new_payee = !self.payees.contains(payee);
            if accepted {
                self.payees.learn(PAYEES_MAX, payee, t);
            }
        }
    }

    /// The blocks of the lists that an ordinary event looks at.
    pub fn blocks(&self, each: &mut dyn FnMut(*const u8, usize)) {
        self.cadence.blocks(each);
        self.sessions.blocks(each);
        for seen in [&self.countries, &self.networks, &self.sources, &self.devices, &self.agents, &self.routes, &self.scopes] {
            seen.blocks(each);
        }
    }

    pub fn heap_bytes(&self) -> usize {
        let seen = [
            &self.countries,
            &self.networks,
            &self.sources,
            &self.devices,
            &self.agents,
            &self.workloads,
            &self.routes,
            &self.scopes,
            &self.cards,
            &self.payees,
        ];
        self.cadence.heap_bytes()
            + self.failures.heap_bytes()
            + self.failing_sources.heap_bytes()
            + self.pushes.heap_bytes()
            + self.sessions.heap_bytes()
            + self.checkout.heap_bytes()
            + seen.iter().map(|s| s.heap_bytes()).sum::<usize>()
    }
}
