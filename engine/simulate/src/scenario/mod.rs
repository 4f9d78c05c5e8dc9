//! What is not ordinary: attacks, and things that only look like them. One visible list; one small function each.
//!
//! The event that suffices (`Mark::Enough`) is where somebody who knew everybody's habits and believed nothing twice would stop and say
//! "this is abuse": not where it begins, and not where a given detector happens to speak. It is set here, before any detector is tuned.

mod agent;
mod checkout;
mod factor;
mod guessing;
mod insider;
mod lookalike;
mod machine;
mod privilege;
mod scene;
mod takeover;
mod token;

pub use scene::{Act, Mark, Scene};

use crate::clock::DAY;
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
    /// In the night in which Europe puts its clocks forward, if there is one; any night otherwise.
    ClocksChange,
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

fn second_factor(actor: &Actor) -> bool {
    person(actor, |p| p.factor.second().is_some())
}

fn with_phone(actor: &Actor) -> bool {
    person(actor, |p| p.is_phone(0))
}

fn oauth(actor: &Actor) -> bool {
    matches!(actor, Actor::Machine(m) if m.oauth)
}

fn vendor_key(actor: &Actor) -> bool {
    matches!(actor, Actor::Machine(m) if m.vendor.is_some())
}

fn partner_key(actor: &Actor) -> bool {
    matches!(actor, Actor::Machine(m) if m.vendor.is_none())
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

/// What the scenarios of each kind have in common.
const ATTACK: Scenario = Scenario {
    name: "",
    kind: Kind::Attack,
    doc: "",
    cast: Cast { class: Class::Customer, extra: false, suits: anyone },
    when: When::Any,
    absence: None,
    signals: &[],
    play: |_| (),
};
const LOOK_ALIKE: Scenario = Scenario { kind: Kind::LookAlike, ..ATTACK };

/// An absence until the end.
const FOR_GOOD: i64 = 1_000 * DAY;

/// Every scenario.
pub static SCENARIOS: &[Scenario] = &[
    // Attacks.
    guessing::GUESSED_PASSWORD,
    guessing::SLOW_GUESSING,
    guessing::CREDENTIAL_STUFFING,
    guessing::STUFFING_HIT,
    guessing::DISTRIBUTED_STUFFING,
    guessing::PASSWORD_SPRAY,
    guessing::IDENTITY_ENUMERATION,
    factor::PUSH_FATIGUE,
    factor::FACTOR_DOWNGRADE,
    factor::DEVICE_CODE_PHISHING,
    factor::HELPDESK_RESET,
    takeover::IMPOSSIBLE_TRAVEL,
    takeover::SESSION_HIJACK,
    takeover::DORMANT_RETURN,
    takeover::ANONYMOUS_TAKEOVER,
    takeover::INFECTED_ADMIN,
    takeover::OFFBOARDED_RETURN,
    takeover::CONTAINMENT_BREACH,
    token::TOKEN_REPLAY,
    token::EXPIRED_TOKEN,
    token::REVOKED_KEY,
    token::FORGED_TOKEN,
    token::EXPOSED_KEY,
    token::KEY_RESOLD,
    machine::SERVICE_KEY_ELSEWHERE,
    machine::LEAKED_KEY_SURGE,
    machine::STALE_KEY_MISUSE,
    machine::CRON_OFF_SCHEDULE,
    machine::CONSOLE_WITH_SERVICE_KEY,
    machine::JOB_OUTSIDE_ENVELOPE,
    machine::ROGUE_SERVICE_ACCOUNT,
    machine::SECRET_HARVEST,
    machine::VENDOR_COMPROMISE,
    agent::AGENT_DRIFT,
    agent::AGENT_WRONG_PRINCIPAL,
    agent::AGENT_RUNAWAY,
    insider::SUPPORT_SNOOPING,
    insider::OBJECT_ENUMERATION,
    insider::SCRAPING,
    insider::EXFILTRATION,
    privilege::ADMIN_TAKEOVER,
    privilege::CONSENT_PHISHING,
    privilege::PRIVILEGED_SPRAWL,
    privilege::PAM_BYPASS,
    privilege::BREAK_GLASS_USE,
    checkout::TAKEOVER_CHECKOUT,
    checkout::CARD_TESTING,
    checkout::CARDING_RING,
    checkout::GIFT_CARD_SPREE,
    checkout::FAKE_ACCOUNTS,
    checkout::YOUNG_ACCOUNT_FRAUD,
    checkout::SHARED_CARD_RING,
    checkout::REFUND_FRAUD,
    // Look-alikes.
    lookalike::people::NEW_PHONE,
    lookalike::people::MONDAY_MORNING,
    lookalike::people::HOLIDAY_RETURN,
    lookalike::people::FIRST_DAY_AT_WORK,
    lookalike::people::SHARED_KIOSK,
    lookalike::people::PASSWORD_MANAGER,
    lookalike::people::MISSED_PUSHES,
    lookalike::people::LOST_FACTOR,
    lookalike::people::NEW_TOOL_SIGN_IN,
    lookalike::people::USEFUL_CONSENT,
    lookalike::people::DESKTOP_ROBOT,
    lookalike::people::REHIRED,
    lookalike::people::OUTDATED_LAPTOP,
    lookalike::people::LATE_SHIFT,
    lookalike::people::DEVICE_CODE_HABIT,
    lookalike::people::MENDED_LAPTOP,
    lookalike::people::MONTH_LONG_SESSION,
    lookalike::network::OFFICE_NAT,
    lookalike::network::CARRIER_NAT,
    lookalike::network::VPN_SWITCH,
    lookalike::network::PRIVATE_RELAY,
    lookalike::network::GEOIP_GLITCH,
    lookalike::network::PROXY_EXIT_CHANGE,
    lookalike::network::WIFI_TO_MOBILE,
    lookalike::network::REAL_FLIGHT,
    lookalike::machine::CRON_EXPIRED_PASSWORD,
    lookalike::machine::KEY_ROTATION_OVERLAP,
    lookalike::machine::ROTATED_AFTER_EXPOSURE,
    lookalike::machine::BLUE_GREEN_DEPLOY,
    lookalike::machine::MONTHLY_JOB,
    lookalike::machine::QUARTERLY_JOB,
    lookalike::machine::QUARTERLY_BACKUP,
    lookalike::machine::PARTNER_FAILOVER,
    lookalike::machine::PLANNED_VENDOR_MOVE,
    lookalike::machine::CLOCKS_CHANGE,
    lookalike::machine::LOAD_TEST,
    lookalike::machine::BUSY_AGENT,
    lookalike::machine::NEW_DELEGATION,
    lookalike::machine::NEW_SERVICE,
    lookalike::machine::CLOCK_SKEW,
    lookalike::machine::HEADLESS_BROWSER,
    lookalike::machine::OLD_BUT_AGREED_KEY,
    lookalike::machine::ROBOT_WITH_BROWSER,
    lookalike::money::FLASH_SALE,
    lookalike::money::FAMILY_CARD,
    lookalike::money::NEW_KITCHEN,
    lookalike::money::RECALL_REFUNDS,
    lookalike::money::FIRST_ORDER,
    lookalike::money::SCHOOL_SIGN_UPS,
    lookalike::money::CATERER,
    lookalike::money::LARGE_AND_SMALL,
    lookalike::money::NEXT_DAY_ORDER,
    lookalike::money::SHOP_KIOSK,
    lookalike::operations::SIEM_BACKFILL,
    lookalike::operations::IDP_OUTAGE,
    lookalike::operations::ANNOUNCED_DRILL,
    lookalike::operations::SUPPORT_SURGE,
    lookalike::operations::PATCH_DAY,
    lookalike::operations::PLANNED_GRANTS,
    lookalike::operations::BROKEN_RELEASE,
    lookalike::operations::ACCOUNT_AGGREGATOR,
    lookalike::operations::CONTAINMENT_UNDONE,
    lookalike::operations::LATE_TOKEN_LOG,
    lookalike::operations::MISROUTED_NAMES,
    lookalike::operations::BUSY_SUPPORT_DESK,
    lookalike::operations::WEEKLY_PATCHING,
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
