//! An identity: its rhythm, places, devices, sessions, credentials, scopes and checkouts.
//!
//! Habits learn from what was accepted, never from an attempt: a guesser's addresses do not become the owner's.
//! What most identities never need (facts, tokens, reach, privileges, an agent's tools, checkouts) is made on first use.

use super::agent::{AgentMemory, Delegated};
use super::cadence::Cadence;
use super::checkout::{CheckoutMemory, Orders};
use super::envelope::Envelope;
use super::fact::{Facts, HiddenNetworks, Methods, is_long_lived};
use super::place::travel;
use super::privilege::{self, Privilege};
use super::reach::{self, Reach};
use super::session::{Sessions, agent_hash, device_hash, ja4_hash};
use super::token::{Tokens, is_own};
use crate::distinct::Distinct;
use crate::event::{
    AuthFailure, AuthMethod, Class, CredentialKind, Event, EventType, IdentityStatus, Inventory, Network, Outcome, Posture, WorkloadProof,
};
use crate::hash::{Of, hash, hash_parts};
use crate::policy::Learning;
use crate::row::{Bound, Gone, Place, Row};
use crate::sample::{Counted, TenantSample};
use crate::seen::Seen;
use crate::subject::{Kind, source_id};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use crate::usual::DailyMost;
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
const CLIENTS_MAX: usize = 4;
const DELEGATIONS_MAX: usize = 32;

/// Tries with longer pauses between them do not belong together. Who guesses slowly stays below what locks accounts, and that is a few
/// tries an hour.
const GUESS_PAUSE_MS: i64 = 3 * HOUR_MS;

/// Events of a key of an integration from which on its moving says something.
const VENDOR_EVENTS_MIN: u32 = 8;

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
    /// Latest accepted activity of its own.
    active_at: Time,
    failures: Series,
    /// Greatest number of failures within an hour on earlier days.
    usual_failed: DailyMost,
    failing_sources: Distinct,
    pushes: Series,
    push_fatigue_at: Option<Time>,
    place: Option<Place>,
    countries: Seen,
    networks: Seen,
    sources: Seen,
    devices: Seen,
    agents: Seen,
    methods: Methods,
    posture: Option<Posture>,
    sessions: Sessions,
    tokens: Tokens,
    workloads: Seen,
    routes: Seen,
    scopes: Seen,
    /// Applications that the person let in.
    clients: Seen,
    cards: Seen,
    payees: Seen,
    recovery_at: Option<Time>,
    credential_changed_at: Option<Time>,
    risky_login_at: Option<Time>,
    counted: Counted,
    checkout: Option<Box<CheckoutMemory>>,
    orders: Option<Box<Orders>>,
    hidden_networks: Option<Box<HiddenNetworks>>,
    facts: Option<Box<Facts>>,
    reach: Option<Box<Reach>>,
    privilege: Option<Box<Privilege>>,
    agent: Option<Box<AgentMemory>>,
}

/// The facts of the inventory that features need.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Declared {
    pub class: Option<Class>,
    pub status: Option<IdentityStatus>,
    pub max_token_age_ms: Option<i64>,
    rotate_every_ms: Option<i64>,
    created_at: Option<Time>,
    privileged: bool,
    /// A drill has been announced.
    drill: bool,
    envelope: Option<Box<Envelope>>,
    pub delegations: Vec<Delegated>,
}

impl Declared {
    fn from_inventory(inventory: &Inventory<'_>) -> Declared {
        Declared {
            class: inventory.class,
            status: inventory.status,
            max_token_age_ms: inventory.max_token_age.map(|s| s.0),
            rotate_every_ms: inventory.rotate_every.map(|s| s.0),
            created_at: inventory.created_at,
            privileged: inventory.privileged == Some(true),
            drill: inventory.labels.iter().any(|l| l.as_str() == "drill"),
            envelope: inventory.expected.as_ref().and_then(Envelope::from_inventory).map(Box::new),
            delegations: inventory.delegated_by.iter().take(DELEGATIONS_MAX).map(Delegated::from_inventory).collect(),
        }
    }
}

fn asn_hash(asn: u32) -> u64 {
    hash(Of::Asn, &asn.to_le_bytes())
}

/// Failures that could be guesses of a password. An expired password is a broken job, a refused policy a rule at work.
pub(super) fn could_be_guess(event: &Event<'_>) -> bool {
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
    /// See [`Cadence::hour_share_ppm`].
    pub fn hour_share_ppm(&self, now: Time) -> Option<u32> {
        self.cadence.hour_share_ppm(now)
    }

    pub fn class(&self) -> Class {
        self.declared.as_ref().and_then(|d| d.class).or(self.class).unwrap_or(Class::Customer)
    }

    /// Takes over what the inventory says.
    pub fn declare(&mut self, inventory: &Inventory<'_>) {
        self.declared = Some(Box::new(Declared::from_inventory(inventory)));
    }

    /// Takes in a control record other than the inventory's: what others know or have done.
    pub fn told(&mut self, event: &Event<'_>, t: Time) {
        match event.kind {
            EventType::CredentialExposed => {
                if let Some(id) = event.credential_id() {
                    self.facts.get_or_insert_default().exposed(id, t);
                }
            }
            EventType::ContainmentOutcome => self.facts.get_or_insert_default().outcome(event, &self.sessions, t),
            EventType::DevicePosture => self.posture = event.source.as_ref().and_then(|s| s.posture).or(self.posture),
            _ => {}
        }
    }

    /// Takes in what another identity did to this one.
    pub fn suffered(&mut self, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        self.now = now;
        row.class = self.class();
        row.learning = true; // it has done nothing that novelty could be about
        row.acted_upon = true;
        if !event.accepted() {
            return;
        }
        let facts = self.facts.get_or_insert_default();
        facts.done_to(event, t);
        if event.kind == EventType::AuthRecovery || changes_factor(event) {
            facts.assisted(t);
        }
        if removes_factor(event) {
            facts.weakened_at = Some(t);
        }
        self.changed(event, t);
        if privilege::concerns(event) {
            self.privilege.get_or_insert_default().suffered(event, t, row);
        }
    }

    /// A recovery or a new credential, by whomever.
    fn changed(&mut self, event: &Event<'_>, t: Time) {
        use EventType::*;
        match event.kind {
            AuthRecovery => self.recovery_at = Some(t),
            CredentialCreate | CredentialRotate => self.credential_changed_at = Some(t),
            _ => {}
        }
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
        let accepted = event.accepted();

        let bytes = event.request.as_ref().and_then(|r| r.bytes).unwrap_or(0);
        self.cadence.observe(self.now, self.first, now, t, bytes.min(i64::MAX as u64) as i64, row);
        row.idle_ms = (self.active_at != Time(0) && accepted && now > self.active_at).then(|| now.since(self.active_at));
        // An application that the person let in works from servers of its own: they are not the person's place, nor a stranger's.
        let by_application = self.is_by_application(event, row.class);
        self.observe_source(sample, event, now, t, accepted && !by_application, row);
        if event.kind.is_auth() {
            self.observe_log_in(sample, event, now, t, row);
        } else {
            row.failed_1h = self.failures.count(&FAILURES, now.0, 1);
        }
        if accepted {
            // Facts and tokens are asked before this event's own place becomes known.
            self.observe_facts(event, t, row);
            self.observe_token(event, t, row);
            self.sessions.observe(event, now, row);
            if !by_application {
                self.observe_places(event, sample, t, row);
                self.observe_devices(event, sample, t, row);
            }
            self.observe_scopes(event, sample, t, row);
            self.observe_vendor(event, sample, now, row);
            self.active_at = self.active_at.max(t);
        }
        self.observe_envelope(event, now, accepted, row);
        self.observe_credential(event, t, accepted, row);
        if event.kind.is_checkout() {
            self.observe_checkout(event, now, t, accepted, row);
        }
        if reach::concerns(event) {
            let bytes_1h = if bytes > 0 { self.cadence.bytes_1h(now) } else { 0 };
            self.reach.get_or_insert_default().observe(event, bytes_1h, now, t, row);
        }
        if accepted && privilege::concerns(event) {
            self.privilege.get_or_insert_default().observe(sample, event, now, t, row);
        }
        if row.class == Class::Agent {
            self.agent.get_or_insert_default().observe(event, self.declared.as_deref(), accepted, t, row);
        }

        self.events = self.events.saturating_add(1);
        self.now = now;
    }

    /// A request by a client that the person has consented to, with scopes that open little. One with wide scopes is as suspect as anybody.
    fn is_by_application(&self, event: &Event<'_>, class: Class) -> bool {
        event.kind == EventType::ApiRequest
            && !class.is_machine()
            && !self.clients.is_empty()
            && client_hash(event).is_some_and(|client| self.clients.contains(client))
    }

    fn observe_source(&mut self, sample: &mut TenantSample, event: &Event<'_>, now: Time, t: Time, accepted: bool, row: &mut Row) {
        let Some(source) = event.ip().and_then(source_id).map(|id| hash(Of::Source, id.as_bytes())) else { return };
        if event.kind.is_auth() || event.failed() {
            let known_device = || event.device_id().is_some_and(|d| self.devices.contains(hash(Of::Device, d.as_bytes())));
            row.source_familiar = self.sources.contains(source) || known_device();
            let mut before = 0;
            self.failing_sources.count(now.0, GUESS_PAUSE_MS, |e| {
                if e.hash == source {
                    before = e.failures;
                }
                false
            });
            row.failed_from_source = u32::from(before);
            row.outage = event.failure().is_some_and(|failure| sample.is_outage(failure, now));
            if could_be_guess(event) && !row.outage {
                self.failing_sources.see(FAILING_SOURCES_MAX, GUESS_PAUSE_MS, now.0, t.0, source, true, false);
            }
        }
        if accepted {
            self.sources.learn(SOURCES_MAX, source, t);
        }
    }

    fn observe_log_in(&mut self, sample: &mut TenantSample, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        self.observe_failures(event, now, t, row);
        self.observe_pushes(event, now, t, row);
        if event.ip().is_some() && matches!(event.kind, EventType::AuthLogin | EventType::AuthMfa | EventType::AuthToken) {
            let failure = event.failed().then(|| event.failure().unwrap_or(AuthFailure::Other));
            if row.source_familiar {
                sample.tried(&mut self.counted, failure, now);
            } else if let Some(program) = event.source.as_ref().and_then(|s| s.ja4.as_deref()).map(ja4_hash).or_else(|| agent_hash(event)) {
                row.program = sample.program_tried(&mut self.counted, program, event.failed(), now);
                row.unknown_1h = sample.unknown_1h(now);
            }
        }
        if let (true, Some(method)) = (event.succeeded(), event.method()) {
            (row.new_method, row.weaker_method) = self.methods.observe(method);
            if row.weaker_method {
                self.facts.get_or_insert_default().weakened_at = Some(t);
            }
        }
    }

    fn observe_failures(&mut self, event: &Event<'_>, now: Time, t: Time, row: &mut Row) {
        if could_be_guess(event) && !row.source_familiar && !row.outage {
            self.failures.add(&FAILURES, now.0, t.0, 1);
        }
        row.failed_10m = self.failures.count(&FAILURES, now.0, 0);
        row.failed_1h = self.failures.count(&FAILURES, now.0, 1);
        row.usual_failed_1h = self.usual_failed.observe(now, row.failed_1h.into()) as u32;
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

    /// What is known against what was used, and what the event changes itself.
    fn observe_facts(&mut self, event: &Event<'_>, t: Time, row: &mut Row) {
        use EventType::*;
        let declared = self.declared.as_deref();
        if let Some(facts) = &self.facts {
            facts.fill(event, t, row);
        }
        if let Some(privilege) = &self.privilege {
            privilege.fill(event, t, row);
        }
        if let Some(declared) = declared {
            row.age_ms = row.age_ms.or(declared.created_at.map(|at| t.since(at)).filter(|ms| *ms >= 0));
            row.rotate_every_ms = declared.rotate_every_ms;
            row.privileged = declared.privileged;
            row.fact.drill = declared.drill;
            if declared.status == Some(IdentityStatus::Offboarded) {
                row.fact.gone = row.fact.gone.or(Some((Gone::Offboarded, 0)));
            }
        }
        if let Some(expires) = event.credential.as_ref().and_then(|c| c.expires_at) {
            row.fact.expired_ms = Some(t.since(expires)).filter(|ms| *ms > 0);
        }
        if event.acts_upon().is_some() {
            return;
        }
        if removes_factor(event) {
            self.facts.get_or_insert_default().weakened_at = Some(t);
        }
        let upon_itself = matches!(
            event.kind,
            AccountCreate | AccountDisable | AccountEnable | AccountDelete | CredentialCreate | CredentialRotate | CredentialRevoke
        );
        if upon_itself {
            self.facts.get_or_insert_default().done_to(event, t);
        }
    }

    fn observe_token(&mut self, event: &Event<'_>, t: Time, row: &mut Row) {
        let Some(credential) = &event.credential else { return };
        let (Some(id), Some(source)) = (&credential.id, &event.source) else { return };
        if matches!(credential.kind, Some(CredentialKind::Password | CredentialKind::Passkey | CredentialKind::Session)) {
            return;
        }
        let envelope = self.declared.as_ref().and_then(|d| d.envelope.as_deref());
        let (place, own) = match (source.workload.as_deref(), source.asn) {
            (Some(workload), _) => {
                let value = hash(Of::Workload, workload.as_bytes());
                // A second deployment proves its name and stands where the first one always did.
                let beside = source.workload_proof.is_some_and(|p| p != WorkloadProof::None)
                    && source.asn.is_some_and(|asn| is_own(self.networks.known_days(asn_hash(asn), t)));
                (value, beside || envelope.is_some_and(|e| e.has_workload(value)) || is_own(self.workloads.known_days(value, t)))
            }
            (None, Some(asn)) => {
                let value = asn_hash(asn);
                (value, envelope.is_some_and(|e| e.has_asn(asn)) || is_own(self.networks.known_days(value, t)))
            }
            (None, None) => return,
        };
        self.tokens.observe(hash(Of::Credential, id.as_bytes()), place, own, row.class.is_machine(), t, row);
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
            row.network_known_days = self.networks.known_days(value, t);
            let declared = || self.declared.as_ref().and_then(|d| d.envelope.as_deref()).is_some_and(|e| e.has_asn(asn));
            if !self.networks.is_empty() && row.network_known_days.is_none() && !declared() {
                row.new_network = Some(sample.novelty(&self.networks, self.events, value));
            }
            if self.networks.learn(NETWORKS_MAX, value, t) {
                sample.learned(value);
            }
        }
        if let Some(network @ (Network::Tor | Network::Proxy | Network::Hosting)) = source.network {
            row.hidden_network_days = Some(self.hidden_networks.get_or_insert_default().observe(network, t));
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
        let agent = agent_hash(event);
        let agent_known_days = agent.and_then(|agent| self.agents.known_days(agent, t));
        if let Some(agent) = agent {
            if !self.agents.is_empty() && !self.agents.contains(agent) {
                row.new_agent = Some(sample.novelty(&self.agents, self.events, agent));
            }
            if self.agents.learn(AGENTS_MAX, agent, t) {
                sample.learned(agent);
            }
        }
        if let Some(device) = device_hash(event) {
            row.device_known_days = self.devices.known_days(device, t);
            if event.device_id().is_none() {
                // A log that lacks the id now and then: the program is known, so this is no new device.
                row.device_known_days = row.device_known_days.or(agent_known_days);
            }
            if !self.devices.is_empty() && row.device_known_days.is_none() {
                row.new_device = Some(sample.novelty_of_own(&self.devices, self.events));
            }
            self.devices.learn(DEVICES_MAX, device, t);
        }
        // A record about the device may have come since its last event.
        let stated = event.source.as_ref().and_then(|s| s.posture);
        (row.posture, row.posture_before) = (stated.or(self.posture), self.posture);
        self.posture = stated.or(self.posture);
        // The second factor, which may come first, is part of the log-in.
        if event.kind.is_auth() && (row.new_country.is_some() || row.new_network.is_some()) && row.new_device.is_some() && !row.learning {
            self.risky_login_at = Some(t);
        }
    }

    fn observe_scopes(&mut self, event: &Event<'_>, sample: &mut TenantSample, t: Time, row: &mut Row) {
        if let Some(workload) = event.source.as_ref().and_then(|s| s.workload.as_deref()) {
            let value = hash(Of::Workload, workload.as_bytes());
            let envelope = self.declared.as_ref().and_then(|d| d.envelope.as_deref());
            row.known_workload = envelope.is_some_and(|e| e.has_workload(value)) || self.workloads.contains(value);
            row.workloads_declared = envelope.is_some_and(|e| e.names_workloads());
            row.new_workload = !row.known_workload && (!self.workloads.is_empty() || row.workloads_declared);
            self.workloads.learn(WORKLOADS_MAX, value, t);
        } else if event.source.is_some() {
            let envelope = self.declared.as_ref().and_then(|d| d.envelope.as_deref());
            row.workload_unnamed = !self.workloads.is_empty() || envelope.is_some_and(|e| e.names_workloads());
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

    /// An integration's keys and customers: whether they move together.
    fn observe_vendor(&mut self, event: &Event<'_>, sample: &mut TenantSample, now: Time, row: &mut Row) {
        if let Some((client, false)) = privilege::consented(event) {
            self.clients.learn(CLIENTS_MAX, client, now);
        }
        let Some(client) = client_hash(event) else { return };
        let asn = event.source.as_ref().and_then(|s| s.asn);
        let at_home =
            asn.is_some_and(|asn| sample.vendor_at_home(hash_parts(Of::Client, &[&client.to_le_bytes(), &asn.to_le_bytes()]), now));
        let moved = (row.new_network.is_some() && !at_home) || row.new_scope.is_some();
        // What a key has not shown yet, its integration's other keys have.
        let known = !row.learning || self.events >= VENDOR_EVENTS_MIN;
        row.vendor = sample.vendor_active(&mut self.counted, client, moved && known, now);
    }

    fn observe_envelope(&mut self, event: &Event<'_>, now: Time, accepted: bool, row: &mut Row) {
        let Some(envelope) = self.declared.as_mut().and_then(|d| d.envelope.as_deref_mut()).filter(|_| accepted) else { return };
        let checked = envelope.check(event, now, row.events[0]);
        row.fact.drill |= checked.left == 0 && checked.kept & Bound::Hours.bit() != 0;
        row.envelope = Some(checked);
    }

    fn observe_credential(&mut self, event: &Event<'_>, t: Time, accepted: bool, row: &mut Row) {
        row.since_recovery_ms = self.recovery_at.map(|at| t.since(at));
        row.since_credential_change_ms = self.credential_changed_at.map(|at| t.since(at));
        row.since_risky_login_ms = self.risky_login_at.map(|at| t.since(at));
        if let Some(credential) = &event.credential
            && let Some(issued) = credential.issued_at
        {
            row.credential_age_ms = Some(t.since(issued));
            row.credential_age_max_ms = self.declared.as_ref().and_then(|d| d.max_token_age_ms);
            if is_long_lived(credential.kind) && t >= issued {
                row.credential_new_ms = row.credential_new_ms.or(Some(t.since(issued)));
            }
        }
        if accepted && event.acts_upon().is_none() {
            self.changed(event, t);
        }
    }

    fn observe_checkout(&mut self, event: &Event<'_>, now: Time, t: Time, accepted: bool, row: &mut Row) {
        let Some(checkout) = event.checkout.as_deref() else { return };
        self.checkout.get_or_insert_default().observe(Kind::Identity, event, now, t, row);
        if event.kind == EventType::CheckoutRefund {
            // Bought before we began to look, it cannot be matched.
            let long = now.since(self.first) >= ORDERS_KNOWN_MS;
            let bought = checkout.order.as_deref().and_then(|order| self.orders.get_or_insert_default().has(order));
            row.shop.refund_unmatched = long && bought == Some(false);
            return;
        }
        if let Some(order) = checkout.order.as_deref().filter(|_| accepted) {
            self.orders.get_or_insert_default().bought(order);
        }
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
        self.tokens.blocks(each);
        for seen in [&self.countries, &self.networks, &self.sources, &self.devices, &self.agents, &self.routes, &self.scopes] {
            seen.blocks(each);
        }
    }

    fn habits(&self) -> [&Seen; 11] {
        [
            &self.countries,
            &self.networks,
            &self.sources,
            &self.devices,
            &self.agents,
            &self.workloads,
            &self.routes,
            &self.scopes,
            &self.clients,
            &self.cards,
            &self.payees,
        ]
    }

    pub fn heap_bytes(&self) -> usize {
        self.cadence.heap_bytes()
            + self.failures.heap_bytes()
            + self.failing_sources.heap_bytes()
            + self.pushes.heap_bytes()
            + self.sessions.heap_bytes()
            + self.tokens.heap_bytes()
            + self.methods.heap_bytes()
            + self.habits().iter().map(|s| s.heap_bytes()).sum::<usize>()
            + self.checkout.as_ref().map_or(0, |c| size_of::<CheckoutMemory>() + c.heap_bytes())
            + self.orders.as_ref().map_or(0, |o| size_of::<Orders>() + o.heap_bytes())
            + self.hidden_networks.as_ref().map_or(0, |_| size_of::<HiddenNetworks>())
            + self.facts.as_ref().map_or(0, |f| f.heap_bytes())
            + self.reach.as_ref().map_or(0, |r| r.heap_bytes())
            + self.privilege.as_ref().map_or(0, |p| p.heap_bytes())
            + self.agent.as_ref().map_or(0, |a| a.heap_bytes())
            + self.declared.as_ref().map_or(0, |d| {
                size_of::<Declared>()
                    + d.envelope.as_ref().map_or(0, |e| e.heap_bytes())
                    + d.delegations.capacity() * size_of::<Delegated>()
            })
    }

    /// Entries of all bounded lists of habits, for the test of their caps.
    pub fn entries(&self) -> usize {
        self.habits().iter().map(|s| s.len()).sum::<usize>()
            + self.tokens.entries()
            + self.checkout.as_ref().map_or(0, |c| c.entries())
            + self.facts.as_ref().map_or(0, |f| f.entries())
            + self.reach.as_ref().map_or(0, |r| r.entries())
            + self.privilege.as_ref().map_or(0, |p| p.entries())
            + self.agent.as_ref().map_or(0, |a| a.entries())
    }

    pub const ENTRIES_MAX: usize = COUNTRIES_MAX
        + NETWORKS_MAX
        + SOURCES_MAX
        + DEVICES_MAX
        + AGENTS_MAX
        + WORKLOADS_MAX
        + ROUTES_MAX
        + SCOPES_MAX
        + CLIENTS_MAX
        + CARDS_MAX
        + PAYEES_MAX
        + Tokens::ENTRIES_MAX
        + CheckoutMemory::ENTRIES_MAX
        + Facts::ENTRIES_MAX
        + Reach::ENTRIES_MAX
        + Privilege::ENTRIES_MAX
        + AgentMemory::ENTRIES_MAX;
}

/// The integration or application that the credential was issued to.
fn client_hash(event: &Event<'_>) -> Option<u64> {
    event.credential.as_ref().and_then(|c| c.client_id.as_deref()).map(|client| hash(Of::Client, client.as_bytes()))
}

/// A factor was enrolled or removed (`change.target` is `factor`).
fn changes_factor(event: &Event<'_>) -> bool {
    event.kind == EventType::AccountUpdate && event.change.as_ref().and_then(|c| c.target.as_deref()) == Some("factor")
}

fn removes_factor(event: &Event<'_>) -> bool {
    changes_factor(event) && event.change.as_ref().and_then(|c| c.role.as_deref()) == Some("removed")
}

/// An identity must have been known for this long before a refund without its purchase says anything.
const ORDERS_KNOWN_MS: i64 = 14 * DAY_MS;
