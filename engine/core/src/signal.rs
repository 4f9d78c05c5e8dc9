//! The signals: one file each, registered in one visible list.
//!
//! A signal reads the feature row of one event and what its subject's memory held, and says nothing or speaks: how strongly, what it
//! observed and what it expected. It holds no state and no clock. Its weight and thresholds are policy; the numbers here are defaults.

mod cadence_surge;
mod card_testing;
mod credential_stuffing;
mod dormant_return;
#[cfg(test)]
mod example;
mod failed_login_spike;
mod familiar;
mod guessed_password;
mod impossible_travel;
mod new_device;
mod new_place;
mod new_scope;
mod off_workload;
mod password_spray;
mod push_fatigue;
mod push_fatigue_won;
mod session_hijack;
mod stale_credential;
mod strong_factor;
mod takeover_checkout;

use crate::event::{Class, Event};
use crate::policy::{SignalPolicy, SignalSettings};
use crate::row::{Novelty, Row};
use crate::subject::Kind;
use crate::verdict::{Centibans, Family, Level, Mode};

/// Every signal, in the order of the catalogue. The place in this list is only used within a run; profiles store `number`.
pub const ALL: &[Signal] = &[
    failed_login_spike::SIGNAL,
    guessed_password::SIGNAL,
    credential_stuffing::SIGNAL,
    password_spray::SIGNAL,
    push_fatigue::SIGNAL,
    push_fatigue_won::SIGNAL,
    impossible_travel::SIGNAL,
    new_place::SIGNAL,
    new_device::SIGNAL,
    session_hijack::SIGNAL,
    stale_credential::SIGNAL,
    dormant_return::SIGNAL,
    cadence_surge::SIGNAL,
    off_workload::SIGNAL,
    new_scope::SIGNAL,
    card_testing::SIGNAL,
    takeover_checkout::SIGNAL,
    strong_factor::SIGNAL,
    familiar::SIGNAL,
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
    pub at_least: Option<Level>,
    /// Anybody can cause it without a credential, so it never contains the identity by itself.
    pub unauthenticated: bool,
    /// For which classes it means anything.
    pub applies: Applies,
    pub params: &'static [Param],
    pub attack: &'static [&'static str],
    /// OWASP NHI and ASI entries.
    pub nhi: &'static [&'static str],
    /// What it sees, why it matters and when it keeps silent; one paragraph each, for the catalogue page.
    pub doc: Doc,
    pub speak: fn(&Look<'_>, &SignalSettings) -> Option<Said>,
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
        SignalPolicy { mode: Mode::Enforce, by_class: [settings; Class::ALL.len()] }
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

/// What a novelty signal says: as strong as its likelihood ratio, up to the weight; `percent` of that for the weaker kinds.
fn novelty_said(novelty: Novelty, settings: &SignalSettings, percent: i64, what: &str, value: &str) -> Option<Said> {
    let weight = i64::from(settings.weight.0.max(1));
    let strength_permille = ((i64::from(novelty.likelihood_cb) * 1_000 / weight).min(1_000) * percent / 100) as i32;
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
    fn strength_grows_from_half_to_full() {
        assert_eq!(graded(5, 5, 15), 500);
        assert_eq!(graded(10, 5, 15), 750);
        assert_eq!(graded(99, 5, 15), 1_000);
        assert_eq!(graded(3, 5, 5), 1_000);
    }
}
