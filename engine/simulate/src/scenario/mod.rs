//! What is not ordinary: attacks, and things that only look like them. One visible list; one small function each.

mod checkout;
mod guessing;
mod lookalike;
mod machine;
mod scene;
mod takeover;

pub use scene::{Act, Mark, Scene};

use crate::clock::{DAY, HOUR};
use crate::identity::{Class, Factor, Frame, Rhythm};
use crate::life::Actor;

/// Abuse, or something harmless that resembles it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Attack,
    LookAlike,
}

/// How much an attacker gives away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Difficulty {
    Easy,
    Medium,
    Hard,
}

impl Difficulty {
    pub const ALL: [Difficulty; 3] = [Difficulty::Easy, Difficulty::Medium, Difficulty::Hard];
}

/// When in the week a scenario takes place, by the local time of whom it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    Any,
    Night,
    WorkHours,
    MondayMorning,
}

/// Whom a scenario is about.
#[derive(Clone, Copy)]
pub struct Cast {
    pub class: Class,
    /// Nobody with a life of their own: an identity made for the scenario, with whatever history it tells itself.
    pub extra: bool,
    pub suits: fn(&Actor) -> bool,
}

/// A scenario.
pub struct Scenario {
    pub name: &'static str,
    pub kind: Kind,
    /// What happens, in a sentence.
    pub doc: &'static str,
    pub cast: Cast,
    pub when: When,
    /// Where what happens does not go together with the ordinary life, that is suspended from this long before the beginning until this long after it, milliseconds.
    pub absence: Option<(i64, i64)>,
    /// The signals that should speak: of an attack those that find it, of a look-alike those that are tempted.
    pub signals: &'static [&'static str],
    pub play: fn(&mut Scene<'_>),
}

fn anyone(_: &Actor) -> bool {
    true
}

fn person(actor: &Actor, suits: fn(&crate::identity::Person) -> bool) -> bool {
    matches!(actor, Actor::Person(p) if p.trip.is_none() && p.joins.is_none() && suits(p))
}

fn stays(actor: &Actor) -> bool {
    person(actor, |_| true)
}

fn password_only(actor: &Actor) -> bool {
    person(actor, |p| p.factor == Factor::Password)
}

fn push(actor: &Actor) -> bool {
    person(actor, |p| p.factor == Factor::Push)
}

fn guessable(actor: &Actor) -> bool {
    person(actor, |p| p.factor != Factor::Passkey)
}

fn static_key(actor: &Actor) -> bool {
    matches!(actor, Actor::Machine(m) if !m.oauth)
}

fn cron(actor: &Actor) -> bool {
    matches!(actor, Actor::Machine(m) if m.rhythm == Rhythm::Cron)
}

const fn one(class: Class, suits: fn(&Actor) -> bool) -> Cast {
    Cast { class, extra: false, suits }
}

const fn extra(class: Class) -> Cast {
    Cast { class, extra: true, suits: anyone }
}

const fn attack(
    name: &'static str,
    doc: &'static str,
    cast: Cast,
    when: When,
    signals: &'static [&'static str],
    play: fn(&mut Scene<'_>),
) -> Scenario {
    Scenario { name, kind: Kind::Attack, doc, cast, when, absence: None, signals, play }
}

const fn look_alike(
    name: &'static str,
    doc: &'static str,
    cast: Cast,
    when: When,
    signals: &'static [&'static str],
    play: fn(&mut Scene<'_>),
) -> Scenario {
    Scenario { name, kind: Kind::LookAlike, doc, cast, when, absence: None, signals, play }
}

/// An absence until the end.
const FOR_GOOD: i64 = 1_000 * DAY;

/// Every scenario.
pub static SCENARIOS: &[Scenario] = &[
    attack(
        "guessed_password",
        "Many wrong passwords from a rented server, then the right one.",
        one(Class::Customer, password_only),
        When::Any,
        &["guessed_password", "failed_login_spike"],
        guessing::guessed_password,
    ),
    attack(
        "credential_stuffing",
        "A leaked list of names and passwords, tried once each from one address.",
        one(Class::Customer, stays),
        When::Any,
        &["credential_stuffing"],
        guessing::credential_stuffing,
    ),
    attack(
        "password_spray",
        "One common password, tried slowly on many accounts from one address.",
        one(Class::Workforce, stays),
        When::Any,
        &["password_spray"],
        guessing::password_spray,
    ),
    attack(
        "push_fatigue",
        "The password is known; push after push at night until one is approved.",
        one(Class::Workforce, push),
        When::Night,
        &["push_fatigue_won", "push_fatigue", "new_device"],
        guessing::push_fatigue,
    ),
    attack(
        "impossible_travel",
        "A stolen password used far away while its owner is at home.",
        one(Class::Workforce, guessable),
        When::Any,
        &["impossible_travel", "new_place", "new_device"],
        takeover::impossible_travel,
    ),
    attack(
        "session_hijack",
        "A stolen cookie used from another network and device while its owner is on line.",
        one(Class::Customer, stays),
        When::Any,
        &["session_hijack"],
        takeover::session_hijack,
    ),
    attack(
        "dormant_return",
        "An account that nobody has used for months wakes up abroad on a new device.",
        extra(Class::Customer),
        When::Any,
        &["dormant_return", "new_place", "new_device"],
        takeover::dormant_return,
    ),
    attack(
        "takeover_checkout",
        "Recovery by a stolen mailbox, a new device in a new place, a new card, an expensive order.",
        one(Class::Customer, stays),
        When::Any,
        &["takeover_checkout", "new_device", "new_place"],
        checkout::takeover_checkout,
    ),
    attack(
        "card_testing",
        "Stolen cards tried with small amounts on one account.",
        one(Class::Customer, stays),
        When::Any,
        &["card_testing"],
        checkout::card_testing,
    ),
    attack(
        "admin_takeover",
        "An administrator's account from a new place and device grants itself a role and reads secrets.",
        one(Class::Admin, guessable),
        When::Night,
        &["new_place", "new_device", "privilege_chain", "mass_secret_read", "unusual_grant"],
        takeover::admin_takeover,
    ),
    attack(
        "service_key_elsewhere",
        "A service's key used from a rented server, outside its workload.",
        one(Class::Service, static_key),
        When::Any,
        &["off_workload", "new_scope"],
        machine::service_key_elsewhere,
    ),
    attack(
        "leaked_key_surge",
        "A leaked partner key reads as fast as it can, through the partner's own network.",
        one(Class::Partner, static_key),
        When::Any,
        &["cadence_surge"],
        machine::leaked_key_surge,
    ),
    attack(
        "stale_key_misuse",
        "A key that should have been rotated years ago, used from somewhere else.",
        extra(Class::Service),
        When::Any,
        &["stale_credential", "off_workload", "new_scope"],
        machine::stale_key_misuse,
    ),
    attack(
        "agent_drift",
        "An AI agent, told so by what it read, uses tools that it was never given.",
        one(Class::Agent, anyone),
        When::WorkHours,
        &["tool_drift", "new_scope"],
        machine::agent_drift,
    ),
    look_alike(
        "office_nat",
        "Colleagues (up to forty) behind one address, many mistyping, all getting in.",
        one(Class::Workforce, stays),
        When::WorkHours,
        &["password_spray", "credential_stuffing"],
        lookalike::office_nat,
    ),
    look_alike(
        "vpn_switch",
        "A VPN is switched on: the same device, session and person, another country.",
        one(Class::Workforce, stays),
        When::WorkHours,
        &["impossible_travel", "session_hijack", "new_place"],
        lookalike::vpn_switch,
    ),
    Scenario {
        absence: Some((2 * HOUR, 6 * DAY)),
        ..look_alike(
            "real_flight",
            "A flight across an ocean, with the usual devices.",
            one(Class::Workforce, stays),
            When::WorkHours,
            &["impossible_travel", "new_place"],
            lookalike::real_flight,
        )
    },
    look_alike(
        "new_phone",
        "A new phone, at home, with the usual second factor.",
        one(Class::Customer, stays),
        When::Any,
        &["new_device"],
        lookalike::new_phone,
    ),
    look_alike(
        "monday_morning",
        "A password forgotten over the weekend: several failures from the usual desk, then recovery.",
        one(Class::Workforce, guessable),
        When::MondayMorning,
        &["failed_login_spike", "guessed_password"],
        lookalike::monday_morning,
    ),
    Scenario {
        absence: Some((0, 12 * HOUR)),
        ..look_alike(
            "cron_expired_password",
            "A job whose secret has expired fails every few minutes all day.",
            one(Class::Service, cron),
            When::Any,
            &["failed_login_spike", "cadence_surge"],
            lookalike::cron_expired_password,
        )
    },
    look_alike(
        "flash_sale",
        "A sale opens: everybody reloads, and many buy several times within minutes.",
        one(Class::Customer, stays),
        When::WorkHours,
        &["cadence_surge", "checkout_velocity"],
        lookalike::flash_sale,
    ),
    look_alike(
        "holiday_return",
        "Six weeks away, then home again on the usual device, buying with the usual card.",
        extra(Class::Customer),
        When::Any,
        &["dormant_return", "takeover_checkout"],
        lookalike::holiday_return,
    ),
    Scenario {
        absence: Some((0, FOR_GOOD)),
        ..look_alike(
            "key_rotation_overlap",
            "A key is rotated; for two days instances use the old and the new one.",
            one(Class::Service, static_key),
            When::WorkHours,
            &["token_replay", "revoked_use"],
            lookalike::key_rotation_overlap,
        )
    },
];

/// All that a scenario needs to be told again, byte for byte.
#[derive(Clone, Debug)]
pub struct Instance {
    pub scenario: usize,
    pub difficulty: Difficulty,
    pub who: crate::identity::Who,
    pub at: i64,
    /// Number among all instances.
    pub number: u32,
    /// First act.
    pub begins: i64,
}

impl Instance {
    /// Days that must be left when it begins.
    pub fn room_days(scenario: &Scenario) -> i64 {
        match scenario.absence {
            Some((_, after)) if after < FOR_GOOD => after / DAY + 1,
            _ => 3,
        }
    }

    /// The stretch in which whom it is about does nothing else.
    pub fn pause(&self) -> Option<(i64, i64)> {
        SCENARIOS[self.scenario].absence.map(|(before, after)| (self.at - before, self.at + after))
    }

    /// Tells it: acts in the order of time.
    pub fn play<'f>(&self, frame: &'f Frame, census: &'f crate::census::Census) -> Scene<'f> {
        let mut scene = Scene::new(frame, census, self);
        (SCENARIOS[self.scenario].play)(&mut scene);
        scene.acts.sort_by_key(|act| act.at);
        scene
    }
}
