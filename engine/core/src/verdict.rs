//! The risk verdict: how likely it is that a subject is being abused, and every reason for saying so.

use crate::event::{Class, EventType};
use crate::named_enum;
use crate::subject::Kind;
use crate::time::Time;
use serde::{Deserialize, Serialize};

named_enum! {
    /// How serious. `low` is everything below the policy's border of `medium`.
    pub enum Level { Low = "low", Medium = "medium", High = "high", Critical = "critical" }
}

named_enum! {
    /// `shadow` says what would have been done.
    pub enum Mode { Enforce = "enforce", Shadow = "shadow" }
}

named_enum! {
    /// Signals of one family are not independent: the strongest counts whole, the next half, then a quarter.
    pub enum Family {
        Guessing = "guessing", Mfa = "mfa", Place = "place", Device = "device", Token = "token", Lifecycle = "lifecycle",
        Cadence = "cadence", Scope = "scope", Privilege = "privilege", Agent = "agent", Checkout = "checkout", Signup = "signup",
        Integrity = "integrity", Protective = "protective",
    }
}

/// A weight of evidence in centibans: hundredths of a ban, tenths of a deciban. 100 cb = 1 ban = odds of ten to one.
///
/// I. J. Good, "Probability and the Weighing of Evidence", 1950. Integers, so that sums never depend on their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Centibans(pub i32);

impl Centibans {
    pub const ZERO: Centibans = Centibans(0);

    pub const fn from_db(db: i32) -> Centibans {
        Centibans(db * 10)
    }

    /// Decibans, as people read them.
    pub fn db(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// `clamp(50 + 2.5 dB, 0, 100)`.
    pub fn score(self) -> f64 {
        (50.0 + f64::from(self.0) * 0.25).clamp(0.0, 100.0)
    }

    /// Posterior probability of abuse, if prior and weights are calibrated: `1 / (1 + 10^(-dB/10))`.
    pub fn probability(self) -> f64 {
        1.0 / (1.0 + libm::pow(10.0, -f64::from(self.0) / 100.0))
    }
}

impl std::fmt::Display for Centibans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:+.1}", self.db())
    }
}

/// A thing named by its kind and id, owned.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Name {
    pub kind: String,
    pub id: String,
}

impl Name {
    pub fn of(kind: Kind, id: &str) -> Name {
        Name { kind: kind.name().to_owned(), id: id.to_owned() }
    }
}

/// One incident: one subject, from the first level above `low` until its evidence has stayed below `release.below_db`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IncidentRef {
    pub id: String,
    pub opened_at: Time,
}

/// One reason of a verdict.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reason {
    pub signal: String,
    pub family: Family,
    /// What it adds now, decayed and damped, decibans. The reasons and the prior add up to the evidence.
    pub db: f64,
    pub observed: String,
    pub expected: String,
    /// One sentence.
    pub detail: String,
    /// MITRE ATT&CK techniques.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attack: Vec<String>,
    /// OWASP NHI and ASI entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nhi: Vec<String>,
    /// The events that spoke, the latest last.
    pub events: Vec<String>,
}

/// The policy that decided.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PolicyRef {
    pub version: String,
    /// BLAKE3 of the policy's text, hex.
    pub digest: String,
}

/// The record that was judged.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LogRef {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// How much of an actor is a program.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Actor {
    /// 0 = a person, 1 = a program.
    pub automation: f64,
}

/// A risk verdict on one subject.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// Deterministic: the same record under the same policy gives the same id.
    pub id: String,
    /// Subject time: the time of the event that was judged, or of the decay that was noticed.
    pub time: Time,
    /// Log time of the record that was judged.
    pub appended_at: Time,
    /// When decay alone takes the level to `low`; absent while it is `low`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
    pub tenant: String,
    pub subject: Name,
    /// Of identities; absent for sources, devices and cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentRef>,
    /// Absent when the level fell by decay alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// 0-100; 25, 50 and 75 are the default borders of the levels.
    pub score: f64,
    /// Prior and reasons summed, decibans.
    pub evidence_db: f64,
    pub prior_db: f64,
    pub probability: Probability,
    pub level: Level,
    pub previous_level: Level,
    /// Novelty signals are silent: too little is known of the subject.
    pub learning: bool,
    pub actor: Actor,
    /// Strongest first.
    pub reasons: Vec<Reason>,
    /// The signal whose `at_least` set the level, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// Signals and rules that could not be evaluated, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// Events since the last verdict that this one stands for, itself included.
    pub folded: u32,
    pub mode: Mode,
    pub policy: PolicyRef,
    pub log: LogRef,
    pub engine: String,
}

/// A number only once it has been calibrated against labels.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Probability {
    Uncalibrated,
    Calibrated(f64),
}

const UNCALIBRATED: &str = "uncalibrated";

impl Serialize for Probability {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Probability::Uncalibrated => s.serialize_str(UNCALIBRATED),
            Probability::Calibrated(p) => s.serialize_f64(*p),
        }
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Text(String),
        }
        match Either::deserialize(d)? {
            Either::Number(p) => Ok(Probability::Calibrated(p)),
            Either::Text(t) if t == UNCALIBRATED => Ok(Probability::Uncalibrated),
            Either::Text(t) => Err(serde::de::Error::custom(format_args!("probability is a number or \"{UNCALIBRATED}\", not {t:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deciban_moves_the_score_the_same_everywhere() {
        assert_eq!(Centibans::from_db(-10).score(), 25.0);
        assert_eq!(Centibans::from_db(0).score(), 50.0);
        assert_eq!(Centibans::from_db(10).score(), 75.0);
        assert_eq!(Centibans::from_db(99).score(), 100.0);
        assert_eq!(Centibans::from_db(0).probability(), 0.5);
        assert!((Centibans::from_db(10).probability() - 10.0 / 11.0).abs() < 1e-12);
        assert_eq!(Centibans(37).to_string(), "+3.7");
    }
}
