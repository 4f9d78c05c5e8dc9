//! The signals: one file each, registered in one visible list.
//!
//! A signal reads the feature row of one event and what its subject's memory held, and says nothing or speaks: how strongly, what it
//! observed and what it expected. It holds no state and no clock. Its weight and thresholds are policy; the numbers here are defaults.

mod agent_runaway;
mod amount_outlier;
mod assisted_reset;
mod bad_source;
mod break_glass_used;
mod cadence_surge;
mod card_testing;
mod checkout_velocity;
mod containment_breach;
mod credential_stuffing;
mod delegation_mismatch;
mod device_code_login;
mod dormant_return;
mod egress_surge;
pub(crate) mod envelope_breach;
#[cfg(test)]
mod example;
mod expected_job;
mod expired_use;
mod exposed_credential;
mod external_risk;
mod factor_downgrade;
mod failed_login_spike;
mod familiar;
mod fresh_identity;
mod fruitless_source;
mod guessed_password;
mod human_use_of_machine;
mod identity_enumeration;
mod impossible_travel;
mod machine_rhythm;
mod mass_secret_read;
mod new_device;
mod new_place;
mod new_scope;
mod object_enumeration;
mod off_hours;
mod off_workload;
mod offboarded_use;
mod password_spray;
mod privilege_chain;
mod privileged_bypass;
mod privileged_fanout;
mod privileged_without_ticket;
mod push_fatigue;
mod push_fatigue_won;
mod refund_abuse;
mod revoked_use;
mod rhythm_break;
mod risky_consent;
mod risky_network;
mod risky_posture;
mod rotation_overdue;
mod scraping;
mod session_hijack;
mod shared_credential;
mod shared_instrument;
mod signup_burst;
mod stale_credential;
mod step_up_passed;
mod strong_factor;
mod support_fanout;
mod takeover_checkout;
mod token_replay;
mod tool_drift;
mod unissued_token;
mod unusual_grant;
mod vendor_wave;
mod young_account_checkout;

use crate::event::{AuthMethod, Class, Event, EventType};
use crate::policy::{SignalPolicy, SignalSettings};
use crate::row::{Bound, Novelty, Row};
use crate::subject::Kind;
use crate::verdict::{Centibans, Family, Level, Mode};

/// Every signal, in the order of the catalogue. The place in this list is only used within a run; profiles store `number`.
pub const ALL: &[Signal] = &[
    failed_login_spike::SIGNAL,
    guessed_password::SIGNAL,
    credential_stuffing::SIGNAL,
    password_spray::SIGNAL,
    identity_enumeration::SIGNAL,
    fruitless_source::SIGNAL,
    push_fatigue::SIGNAL,
    push_fatigue_won::SIGNAL,
    factor_downgrade::SIGNAL,
    device_code_login::SIGNAL,
    impossible_travel::SIGNAL,
    new_place::SIGNAL,
    risky_network::SIGNAL,
    bad_source::SIGNAL,
    new_device::SIGNAL,
    risky_posture::SIGNAL,
    assisted_reset::SIGNAL,
    session_hijack::SIGNAL,
    token_replay::SIGNAL,
    expired_use::SIGNAL,
    revoked_use::SIGNAL,
    exposed_credential::SIGNAL,
    unissued_token::SIGNAL,
    stale_credential::SIGNAL,
    rotation_overdue::SIGNAL,
    offboarded_use::SIGNAL,
    dormant_return::SIGNAL,
    fresh_identity::SIGNAL,
    cadence_surge::SIGNAL,
    machine_rhythm::SIGNAL,
    rhythm_break::SIGNAL,
    off_hours::SIGNAL,
    off_workload::SIGNAL,
    human_use_of_machine::SIGNAL,
    shared_credential::SIGNAL,
    new_scope::SIGNAL,
    object_enumeration::SIGNAL,
    scraping::SIGNAL,
    support_fanout::SIGNAL,
    egress_surge::SIGNAL,
    vendor_wave::SIGNAL,
    privilege_chain::SIGNAL,
    unusual_grant::SIGNAL,
    mass_secret_read::SIGNAL,
    risky_consent::SIGNAL,
    privileged_without_ticket::SIGNAL,
    privileged_bypass::SIGNAL,
    privileged_fanout::SIGNAL,
    tool_drift::SIGNAL,
    delegation_mismatch::SIGNAL,
    agent_runaway::SIGNAL,
    card_testing::SIGNAL,
    checkout_velocity::SIGNAL,
    amount_outlier::SIGNAL,
    takeover_checkout::SIGNAL,
    young_account_checkout::SIGNAL,
    shared_instrument::SIGNAL,
    refund_abuse::SIGNAL,
    signup_burst::SIGNAL,
    containment_breach::SIGNAL,
    envelope_breach::SIGNAL,
    break_glass_used::SIGNAL,
    external_risk::SIGNAL,
    strong_factor::SIGNAL,
    familiar::SIGNAL,
    expected_job::SIGNAL,
    step_up_passed::SIGNAL,
];

/// The most parameters that one signal has.
pub const PARAMS_MAX: usize = 6;

/// One signal of the catalogue.
pub struct Signal {
    /// Never reused, never changed: profiles store it.
    pub number: u16,
    pub name: &'static str,
    pub family: Family,
    pub on: &'static [Kind],
    /// Default weight at full strength, decibans; negative for protective evidence.
    pub weight_db: i32,
    /// The classes for which it weighs something else.
    pub for_class: &'static [ForClass],
    pub at_least: Option<Level>,
    /// Anybody can cause it without a credential, so it never contains the identity by itself.
    pub unauthenticated: bool,
    /// For which classes it means anything.
    pub applies: Applies,
    /// Which events can make it speak; of the others it is not asked.
    pub when: Types,
    pub params: &'static [Param],
    pub attack: &'static [&'static str],
    /// OWASP NHI and ASI entries.
    pub nhi: &'static [&'static str],
    /// What it sees, why it matters and when it keeps silent; one paragraph each, for the catalogue page.
    pub doc: Doc,
    pub speak: fn(&Look<'_>, &SignalSettings) -> Option<Said>,
}

/// What a signal weighs for one class, where that differs.
pub struct ForClass {
    pub class: Class,
    pub weight_db: i32,
}

/// What a user is told about a signal.
pub struct Doc {
    pub sees: &'static str,
    pub why: &'static str,
    pub silent: &'static str,
    /// Paper, RFC, rule or report it comes from.
    pub source: &'static str,
}

/// A machine is not a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applies {
    All,
    People,
    Machines,
}

/// A set of event types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Types(u32);

impl Types {
    pub const AUTH: Types =
        Types::of(&[EventType::AuthLogin, EventType::AuthMfa, EventType::AuthToken, EventType::AuthLogout, EventType::AuthRecovery]);
    pub const API: Types = Types::of(&[EventType::ApiRequest]);
    pub const CHECKOUT: Types = Types::of(&[EventType::CheckoutAttempt]);
    pub const PRIVILEGED: Types =
        Types::of(&[EventType::PrivilegedCheckout, EventType::PrivilegedSessionStart, EventType::PrivilegedCommand]);
    /// Everything that an identity does, but for ending a session.
    pub const ACTS: Types = {
        let (mut bits, mut i) = (0, 0);
        while i < EventType::ALL.len() {
            let kind = EventType::ALL[i];
            if !kind.is_control() && !matches!(kind, EventType::AuthLogout) {
                bits |= 1 << kind as u32;
            }
            i += 1;
        }
        Types(bits)
    };

    pub const fn of(list: &[EventType]) -> Types {
        let (mut bits, mut i) = (0, 0);
        while i < list.len() {
            bits |= 1 << list[i] as u32;
            i += 1;
        }
        Types(bits)
    }

    pub const fn has(self, kind: EventType) -> bool {
        self.0 & 1 << kind as u32 != 0
    }
}

/// One threshold of a signal, with its unit in its name.
pub struct Param {
    pub name: &'static str,
    pub default: i64,
    pub least: i64,
    pub most: i64,
    pub doc: &'static str,
}

/// What a signal looks at: one event of one subject, after its features were taken.
pub struct Look<'a> {
    pub event: &'a Event<'a>,
    pub row: &'a Row,
}

/// A signal that spoke.
#[derive(Clone, PartialEq, Debug)]
pub struct Said {
    /// Share of the weight, thousandths.
    pub strength_permille: i32,
    /// The same words for the same facts; at most `WORDS_MAX` bytes are kept.
    pub observed: String,
    pub expected: String,
    pub detail: String,
}

/// The longest text that a profile keeps of a reason, bytes.
pub const WORDS_MAX: usize = 160;

impl Signal {
    /// The policy that the catalogue's numbers are.
    pub fn default_policy(&self) -> SignalPolicy {
        let mut params = [0; PARAMS_MAX];
        for (slot, param) in params.iter_mut().zip(self.params) {
            *slot = param.default;
        }
        let settings = SignalSettings { weight: Centibans::from_db(self.weight_db), at_least: self.at_least, params };
        let mut by_class = [settings; Class::ALL.len()];
        for other in self.for_class {
            by_class[other.class as usize].weight = Centibans::from_db(other.weight_db);
        }
        SignalPolicy { mode: Mode::Enforce, by_class }
    }

    const fn is_of(&self, group: usize) -> bool {
        let mut i = 0;
        while i < self.on.len() {
            let is_of = match self.on[i] {
                Kind::Identity => match self.applies {
                    Applies::All => group <= 1,
                    Applies::People => group == 0,
                    Applies::Machines => group == 1,
                },
                Kind::Source => group == 2,
                Kind::Device => group == 3,
                Kind::Card => group == 4,
                Kind::Tenant => false,
            };
            if is_of {
                return true;
            }
            i += 1;
        }
        false
    }

    pub fn applies_to(&self, kind: Kind, class: Class) -> bool {
        self.on.contains(&kind)
            && (kind != Kind::Identity
                || match self.applies {
                    Applies::All => true,
                    Applies::People => !class.is_machine(),
                    Applies::Machines => class.is_machine(),
                })
    }
}

/// Whom a signal may be asked about: identities by whether they are machines, then the other kinds.
const GROUPS: usize = 5;

/// The signals that an event of a type can make speak about a subject, by their place in `ALL`.
struct Asked {
    len: usize,
    list: [u8; ALL.len()],
}

type Table = [[Asked; EventType::ALL.len()]; GROUPS];

static AGAINST: Table = table(false);
static PROTECTIVE: Table = table(true);

const fn table(protective: bool) -> Table {
    let mut table = [const { [const { Asked { len: 0, list: [0; ALL.len()] } }; EventType::ALL.len()] }; GROUPS];
    let mut group = 0;
    while group < GROUPS {
        let mut kind = 0;
        while kind < EventType::ALL.len() {
            let mut i = 0;
            while i < ALL.len() {
                let signal = &ALL[i];
                let is_protective = matches!(signal.family, Family::Protective);
                if is_protective == protective && signal.when.has(EventType::ALL[kind]) && signal.is_of(group) {
                    let asked = &mut table[group][kind];
                    asked.list[asked.len] = i as u8;
                    asked.len += 1;
                }
                i += 1;
            }
            kind += 1;
        }
        group += 1;
    }
    table
}

/// Places in `ALL` of the signals to ask: those that speak against the subject, or those that protect it.
pub fn asked(protective: bool, kind: Kind, class: Class, event: EventType) -> &'static [u8] {
    let group = match kind {
        Kind::Identity => usize::from(class.is_machine()),
        Kind::Source => 2,
        Kind::Device => 3,
        Kind::Card => 4,
        Kind::Tenant => return &[],
    };
    let asked = &if protective { &PROTECTIVE } else { &AGAINST }[group][event as usize];
    &asked.list[..asked.len]
}

/// The place in `ALL` of a signal's number, as profiles store it. `None`: a signal that this engine no longer has.
pub fn by_number(number: u16) -> Option<usize> {
    ALL.iter().position(|s| s.number == number)
}

/// The place in `ALL` of a signal's name.
pub fn by_name(name: &str) -> Option<usize> {
    ALL.iter().position(|s| s.name == name)
}

/// Thousandths of the way from `half` (500) to `full` (1000), for thresholds that a stronger finding exceeds.
pub fn graded(value: i64, half: i64, full: i64) -> i32 {
    if full <= half {
        return 1_000;
    }
    let share = (value - half).clamp(0, full - half) * 500 / (full - half);
    500 + share as i32
}

/// Bits of the families of evidence that protective evidence takes nothing away from.
///
/// A step-up that can be phished says nothing against evidence that somebody did just that. A familiar device says nothing of what runs
/// on it, and nothing against what was promised, contained or reported by others.
pub fn spares(signal: &Signal, event: &Event<'_>, row: &Row) -> u16 {
    const fn bits(families: &[Family]) -> u16 {
        let (mut bits, mut i) = (0, 0);
        while i < families.len() {
            bits |= 1 << families[i] as u16;
            i += 1;
        }
        bits
    }
    let resistant = matches!(event.method(), Some(AuthMethod::Webauthn | AuthMethod::Mtls));
    if signal.number == step_up_passed::SIGNAL.number && !resistant {
        bits(&[Family::Mfa, Family::Token, Family::Device])
    } else if signal.number == familiar::SIGNAL.number || signal.number == strong_factor::SIGNAL.number {
        bits(&[Family::Device, Family::Scope, Family::Privilege, Family::Agent, Family::Integrity])
    } else if signal.number == expected_job::SIGNAL.number {
        // A declared place explains no haste and no hour, and where nobody declared the routes, no reach.
        let keeps = |bounds: &[Bound]| row.envelope.is_some_and(|e| bounds.iter().any(|b| e.kept & b.bit() != 0));
        let hours = if keeps(&[Bound::Hours, Bound::Rate]) { 0 } else { bits(&[Family::Cadence]) };
        let routes = if keeps(&[Bound::Route]) { 0 } else { bits(&[Family::Scope]) };
        bits(&[Family::Privilege, Family::Agent, Family::Integrity]) | hours | routes
    } else {
        0
    }
}

/// The strength that makes a likelihood ratio count for what it is, up to the weight.
fn share_of_weight(likelihood_cb: i32, settings: &SignalSettings) -> i32 {
    (i64::from(likelihood_cb) * 1_000 / i64::from(settings.weight.0.max(1))).clamp(0, 1_000) as i32
}

/// `value` is at least `floor` and at least `times` times what is usual.
fn far_above(value: u32, usual: u32, floor: i64, times: i64) -> bool {
    i64::from(value) >= floor && i64::from(value) >= times * i64::from(usual)
}

/// What a novelty signal says: as strong as its likelihood ratio, up to the weight; `percent` of that for the weaker kinds.
fn novelty_said(novelty: Novelty, settings: &SignalSettings, percent: i64, what: &str, value: &str) -> Option<Said> {
    let strength_permille = (i64::from(share_of_weight(novelty.likelihood_cb, settings)) * percent / 100) as i32;
    // A share of a percent, or nothing where nobody else can have the value.
    let common = if novelty.share_ppm > 0 {
        format!("; {}.{:02} % of identities have it", novelty.share_ppm / 10_000, novelty.share_ppm / 100 % 100)
    } else {
        String::new()
    };
    (strength_permille >= 50).then(|| Said {
        strength_permille,
        observed: format!("{what} {value}"),
        expected: format!("a {what} it was accepted with before{common}"),
        detail: format!("first accepted activity with {what} {value}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_unique_and_parameters_fit() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(a.params.len() <= PARAMS_MAX, "{}", a.name);
            assert!(ALL[i + 1..].iter().all(|b| b.name != a.name && b.number != a.number), "{} is there twice", a.name);
            assert!(a.params.iter().all(|p| p.least <= p.default && p.default <= p.most), "{}", a.name);
            assert_eq!(a.family == Family::Protective, a.weight_db < 0, "{}", a.name);
            assert!([a.doc.sees, a.doc.why, a.doc.silent, a.doc.source].iter().all(|d| !d.is_empty()), "{}", a.name);
        }
    }

    #[test]
    fn the_tables_ask_whom_the_signals_name() {
        for (i, signal) in ALL.iter().enumerate() {
            for kind in Kind::ALL {
                for class in Class::ALL {
                    for event in EventType::ALL {
                        let asked = [false, true].map(|protective| asked(protective, kind, *class, *event).contains(&(i as u8)));
                        let expected = signal.applies_to(kind, *class) && signal.when.has(*event);
                        assert_eq!(asked.contains(&true), expected, "{} of {kind:?} {class} {event}", signal.name);
                        assert!(!asked[usize::from(signal.family != Family::Protective)], "{}", signal.name);
                    }
                }
            }
        }
    }

    #[test]
    fn strength_grows_from_half_to_full() {
        assert_eq!(graded(5, 5, 15), 500);
        assert_eq!(graded(10, 5, 15), 750);
        assert_eq!(graded(99, 5, 15), 1_000);
        assert_eq!(graded(3, 5, 5), 1_000);
    }
}
