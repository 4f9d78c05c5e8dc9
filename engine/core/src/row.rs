//! The feature row: what one event of one subject looks like against what was known of the subject before it.
//!
//! Observed facts only: no field derives from evidence, level or the time of processing, so the passes over a batch cannot disagree.

use crate::containment::Action;
use crate::event::{Class, Network, Posture};
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
    /// Failures from this event's source, with pauses under 3 h, before this event.
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
    /// The event names no workload, although the identity has or declares some.
    pub workload_unnamed: bool,

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

    /// Somebody else did this to the subject; it did nothing itself.
    pub acted_upon: bool,
    /// Most of the tenant's identities fail in this event's way just now, from where they always are.
    pub outage: bool,
    /// Since the account was created, where that is known.
    pub age_ms: Option<i64>,
    /// Since the presented long-lived credential was created, where the log said so.
    pub credential_new_ms: Option<i64>,
    /// How often the inventory wants the credential rotated.
    pub rotate_every_ms: Option<i64>,
    /// The inventory calls the identity privileged.
    pub privileged: bool,
    /// Neither this hour of the day nor the ones beside it have any history: log of the likelihood ratio of that, centibans; else 0.
    pub strange_hour_cb: i32,
    /// Share of its usual activity in this hour, millionths; only where the policy has rules, which alone ask for it.
    pub hour_share_ppm: Option<u32>,
    pub rhythm: Rhythm,

    /// Days on which a network that hides somebody was used before; `None`: this event's does not.
    pub hidden_network_days: Option<u8>,
    pub posture: Option<Posture>,
    /// The device's posture before.
    pub posture_before: Option<Posture>,
    /// The method was never accepted before; it is weaker than the identity's own.
    pub new_method: bool,
    pub weaker_method: bool,
    /// Since a factor was removed, or a weaker one than usual was used.
    pub since_weakened_ms: Option<i64>,
    /// Since support reset a factor or the password.
    pub since_assisted_ms: Option<i64>,

    /// Failures from this source in 15 min, where it let nobody in for a day.
    pub fruitless_15m: u32,
    /// Since this source was first seen.
    pub source_known_ms: i64,
    /// Names that nobody has, tried from this source in 15 min; in the whole tenant in 1 h.
    pub unknown_15m: u32,
    pub usual_unknown_15m: u32,
    pub unknown_1h: u32,
    /// Identities that were tried in the last hour by the same program from unfamiliar places.
    pub program: Crowd,
    /// Identities of the same integration that were active in the last hour, and those of them whose place or scope changed.
    pub vendor: Vendor,

    pub fact: Facts,
    pub token: TokenUse,
    pub envelope: Option<Envelope>,
    pub reach: Reach,
    pub privilege: PrivilegeUse,
    pub agent: AgentUse,
    pub shop: Shop,
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
            workload_unnamed: false,
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
            acted_upon: false,
            outage: false,
            age_ms: None,
            credential_new_ms: None,
            rotate_every_ms: None,
            privileged: false,
            strange_hour_cb: 0,
            hour_share_ppm: None,
            rhythm: Rhythm::default(),
            hidden_network_days: None,
            posture: None,
            posture_before: None,
            new_method: false,
            weaker_method: false,
            since_weakened_ms: None,
            since_assisted_ms: None,
            fruitless_15m: 0,
            source_known_ms: 0,
            unknown_15m: 0,
            usual_unknown_15m: 0,
            unknown_1h: 0,
            program: Crowd::default(),
            vendor: Vendor::default(),
            fact: Facts::default(),
            token: TokenUse::default(),
            envelope: None,
            reach: Reach::default(),
            privilege: PrivilegeUse::default(),
            agent: AgentUse::default(),
            shop: Shop::default(),
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

/// How regularly events come, within a run without a pause of half an hour.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Rhythm {
    pub run: u32,
    pub run_ms: i64,
    pub mean_ms: u32,
    /// Mean deviation of the pauses between events, thousandths of their mean: near 0 for a program, near 1,000 for a person.
    pub irregular_permille: u32,
    /// It has long been regular.
    pub was_regular: bool,
}

impl Rhythm {
    /// How much of the actor is a program, thousandths: by regularity over enough events, or by a depth that no person has.
    pub fn automation_permille(&self) -> u32 {
        const RUN_MIN: u32 = 20;
        const DEEP_MS: i64 = 16 * crate::time::HOUR_MS;
        if self.run < RUN_MIN {
            return 0;
        }
        let regular = 1_000u32.saturating_sub(self.irregular_permille * 2) * self.run.min(60) / 60;
        let deep = if self.run_ms >= DEEP_MS && self.run >= 500 { 800 } else { 0 };
        regular.max(deep)
    }
}

/// Identities of one integration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Vendor {
    pub active: u32,
    pub shifted: u32,
    /// This event is one of the shifts.
    pub shifts: bool,
}

/// What is known against what was used: facts, not likelihoods.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Facts {
    /// Accepted although the identity is gone, and since when it is; 0 where the time is not known.
    pub gone: Option<(Gone, i64)>,
    pub revoked: Option<Revoked>,
    /// Since the credential ended.
    pub expired_ms: Option<i64>,
    /// Since the credential was found exposed.
    pub exposed_ms: Option<i64>,
    pub contained: Option<Contained>,
    /// A step-up that was asked for was passed in this session.
    pub step_up_passed: bool,
    /// An announced drill.
    pub drill: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Gone {
    Offboarded,
    Disabled,
    Deleted,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Revoked {
    pub ms: i64,
    /// Replaced by another one.
    pub rotated: bool,
}

/// A containment that should have stopped this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contained {
    pub action: Action,
    pub ms: i64,
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct TokenUse {
    /// The credential is in use in two places at once.
    pub overlap: Option<Overlap>,
    /// Days on which it was used from several of the identity's own places at once.
    pub shared_days: u16,
    /// A session that nobody issued, after this many days in which every one was.
    pub unissued_after_days: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overlap {
    pub ms: i64,
    /// Both places belong to the identity.
    pub own: bool,
    /// This event's does.
    pub here_own: bool,
}

/// A bound of the declared envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Bound {
    Network,
    Asn,
    Country,
    Workload,
    Route,
    Hours,
    Rate,
}

impl Bound {
    pub const ALL: [(Bound, &str); 7] = [
        (Bound::Network, "network"),
        (Bound::Asn, "AS number"),
        (Bound::Country, "country"),
        (Bound::Workload, "workload"),
        (Bound::Route, "route"),
        (Bound::Hours, "hours"),
        (Bound::Rate, "rate"),
    ];

    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Which bounds of the declared envelope the event keeps, and which it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    pub kept: u8,
    pub left: u8,
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Reach {
    pub objects_10m: u32,
    pub usual_objects_10m: u32,
    /// Answers 401, 403 and 404.
    pub refused_5m: u32,
    pub usual_refused_5m: u32,
    pub bytes_1h: u64,
    pub usual_bytes_1h: u64,
    /// Days that `usual_bytes_1h` is made of.
    pub usual_days: u16,
    /// Different customers opened, for support.
    pub customers_1h: u32,
    pub usual_customers_1h: u32,
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PrivilegeUse {
    /// A privileged act, how many there were before, and whether none was of this kind.
    pub act: bool,
    pub acts_before: u32,
    pub new_kind: bool,
    /// Acted upon by somebody who never did before, and whether anybody did.
    pub strange_admin: bool,
    pub had_admin: bool,
    pub secrets_1h: u32,
    pub usual_secrets_1h: u32,
    pub targets_1h: u32,
    pub usual_targets_1h: u32,
    /// The latest grant before this reading of a secret.
    pub grant: Option<Grant>,
    /// A privileged session or checkout, with a ticket or without; how many there were before, and of them with one.
    pub ticket: Option<bool>,
    pub sessions_before: u32,
    pub ticketed_before: u32,
    /// Tickets are the rule for most of the tenant's privileged identities.
    pub tickets_usual: bool,
    /// Checkouts of this account ever, or by this person, and since the latest.
    pub checkouts: u32,
    /// It is a person who checks out accounts, rather than an account that is checked out.
    pub checks_out: bool,
    pub since_checkout_ms: Option<i64>,
    /// The client was given wide scopes.
    pub consent: Option<Consent>,
    /// Identities whose factor or password this one reset in 24 h.
    pub assisted_24h: u32,
    pub usual_assisted_24h: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    pub ms: i64,
    /// By the identity to itself, or by somebody new to it.
    pub own: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Consent {
    pub ms: i64,
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct AgentUse {
    pub tool_new: bool,
    /// The delegation names tools, and not this one; it names this one.
    pub tool_outside: bool,
    pub tool_delegated: bool,
    pub delegation: Option<Delegation>,
    /// The same act in a row, how often it failed, and for how long.
    pub repeats: u32,
    pub failed: u32,
    pub repeating_ms: i64,
}

/// How the principal that an agent acts for stands to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delegation {
    Fits,
    /// The inventory lists who delegated, and not this one.
    NotGiven,
    Ended,
    /// Nothing is declared, and it never acted for this one.
    New,
    /// The principal is offboarded or contained.
    Gone,
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Shop {
    pub count_1h: u32,
    pub usual_count_1h: u32,
    pub count_24h: u32,
    pub usual_count_24h: u32,
    pub sum_24h: i64,
    pub usual_sum_24h: i64,
    /// Finished days that the usual counts are made of.
    pub days: u16,
    /// Robust z of the log amount, tenths.
    pub amount_z_tenths: Option<i32>,
    pub refunds_24h: u32,
    pub usual_refunds_24h: u32,
    pub refunds_sum_24h: i64,
    pub usual_refunds_sum_24h: i64,
    /// The refund is of an order that was never bought.
    pub refund_unmatched: bool,
    /// Identities on one card or device, and new accounts from one source or device.
    pub identities_24h: u32,
    pub usual_identities_24h: u32,
    pub signups_1h: u32,
    pub usual_signups_1h: u32,
}
