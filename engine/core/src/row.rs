//! The feature row: what one event of one subject looks like against what was known of the subject before it.
//!
//! Observed facts only: no field derives from evidence, level or the time of processing, so the passes over a batch cannot disagree.

use crate::event::{Class, Network};
use crate::subject::Kind;
use crate::time::Time;

/// One row. Fields that mean nothing for a subject's kind keep their default.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    pub kind: Kind,
    pub class: Class,
    /// Too little is known of the subject: novelty says nothing.
    pub learning: bool,
    /// Subject time: the greatest event time seen, this event included.
    pub now: Time,

    /// Events in 1 min, 5 min, 1 h, this one included.
    pub events: [u32; 3],
    /// What is usual at this hour for the same windows; `None` while no rhythm is known.
    pub usual_events: Option<[u32; 3]>,

    /// Failures that could be guesses, from unfamiliar sources, in 10 min and 1 h.
    pub failed_10m: u32,
    pub failed_1h: u32,
    /// Most such failures within an hour on the days before.
    pub usual_failed_1h: u32,
    /// Failures from this event's source, with pauses under 30 min, before this event.
    pub failed_from_source: u32,
    /// The source or the device has succeeded here before.
    pub source_familiar: bool,

    /// Denied or unanswered pushes in 10 min.
    pub push_denied_10m: u32,
    /// Since pushes were last denied in numbers, before this event.
    pub since_push_fatigue_ms: Option<i64>,

    pub travel: Option<Travel>,
    pub new_country: Option<Novelty>,
    pub new_network: Option<Novelty>,
    pub new_device: Option<Novelty>,
    pub new_agent: Option<Novelty>,
    pub new_route: Option<Novelty>,
    pub new_scope: Option<Novelty>,
    /// A named workload that the identity neither declares nor has used.
    pub new_workload: bool,
    /// The identity declares its workloads, so that a new one says something from the first day.
    pub workloads_declared: bool,
    /// Known by a declaration or by use; false where the event names none.
    pub known_workload: bool,

    pub session_moved: Option<Moved>,

    /// Age of the presented credential.
    pub credential_age_ms: Option<i64>,
    /// The inventory's maximum for it.
    pub credential_age_max_ms: Option<i64>,

    /// Since the event before this one, when this one is the first after it.
    pub idle_ms: Option<i64>,

    /// Checkouts and declines in 10 min.
    pub checkouts_10m: u32,
    pub declines_10m: u32,
    pub cards_10m: u32,
    /// Largest of those checkouts' mean, minor units.
    pub mean_amount_10m: i64,
    pub since_recovery_ms: Option<i64>,
    pub since_credential_change_ms: Option<i64>,
    pub since_risky_login_ms: Option<i64>,
    pub new_card: bool,
    pub new_payee: bool,

    /// Identities tried from this source: all, with at most two tries, failing; in 15 min.
    pub identities_15m: Crowd,
    /// The same in 24 h, where failing means without a success within the hour.
    pub identities_24h: Crowd,

    /// The device has been known for this many days; `None` where it is not known.
    pub device_known_days: Option<i64>,
    pub network_known_days: Option<i64>,
}

impl Row {
    pub fn new(kind: Kind, class: Class, now: Time) -> Row {
        Row {
            kind,
            class,
            learning: true,
            now,
            events: [0; 3],
            usual_events: None,
            failed_10m: 0,
            failed_1h: 0,
            usual_failed_1h: 0,
            failed_from_source: 0,
            source_familiar: false,
            push_denied_10m: 0,
            since_push_fatigue_ms: None,
            travel: None,
            new_country: None,
            new_network: None,
            new_device: None,
            new_agent: None,
            new_route: None,
            new_scope: None,
            new_workload: false,
            workloads_declared: false,
            known_workload: false,
            session_moved: None,
            credential_age_ms: None,
            credential_age_max_ms: None,
            idle_ms: None,
            checkouts_10m: 0,
            declines_10m: 0,
            cards_10m: 0,
            mean_amount_10m: 0,
            since_recovery_ms: None,
            since_credential_change_ms: None,
            since_risky_login_ms: None,
            new_card: false,
            new_payee: false,
            identities_15m: Crowd::default(),
            identities_24h: Crowd::default(),
            device_known_days: None,
            network_known_days: None,
        }
    }
}

/// Two successes and the way between them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Travel {
    /// Great-circle distance less both error radii, kilometres.
    pub distance_km: f64,
    /// At least one second.
    pub hours: f64,
    pub from: Place,
    pub to: Place,
}

impl Travel {
    pub fn speed_kmh(&self) -> f64 {
        self.distance_km / self.hours
    }
}

/// Where a success came from.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Place {
    pub lat: f64,
    pub lon: f64,
    pub radius_km: u32,
    pub at: Time,
    /// ISO 3166-1 alpha-2, zero bytes where unknown.
    pub country: [u8; 2],
    pub network: Option<Network>,
}

/// A value that the subject was never seen with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Novelty {
    /// Log of the likelihood ratio of the value under abuse and under the owner, centibans, at least 0.
    pub likelihood_cb: i32,
    /// Share of the tenant's identities that have the value, millionths.
    pub share_ppm: u32,
}

/// What changed within one session while it was in use.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Moved {
    pub device: bool,
    pub ja4: bool,
    pub asn: bool,
    /// The change of network is between Wi-Fi and mobile within one country.
    pub roaming: bool,
}

impl Moved {
    pub fn changes(&self) -> u32 {
        u32::from(self.device) + u32::from(self.ja4) + u32::from(self.asn)
    }
}

/// Identities seen from a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Crowd {
    pub all: u32,
    pub few_tries: u32,
    pub failing: u32,
}
