//! Who speaks: a signal of the catalogue or a rule of the policy, found by the number that stored evidence has.

use crate::policy::Policy;
use crate::rule::Rule;
use crate::signal::{self, ALL, Signal};
use crate::verdict::Family;

/// A signal or a rule.
#[derive(Clone, Copy)]
pub enum Speaker<'p> {
    Signal(&'static Signal),
    Rule(&'p Rule),
}

impl Policy {
    /// Whose number it is. `None`: a signal that this engine no longer has, or a rule that this policy does not have.
    pub fn speaker(&self, number: u32) -> Option<Speaker<'_>> {
        let signal = u16::try_from(number).ok().and_then(signal::by_number).map(|place| Speaker::Signal(&ALL[place]));
        signal.or_else(|| self.rules.by_number(number).map(Speaker::Rule))
    }
}

impl<'p> Speaker<'p> {
    pub fn name(self) -> &'p str {
        match self {
            Speaker::Signal(signal) => signal.name,
            Speaker::Rule(rule) => &rule.id,
        }
    }

    pub fn family(self) -> Family {
        match self {
            Speaker::Signal(signal) => signal.family,
            Speaker::Rule(rule) => rule.family,
        }
    }

    /// Anybody can cause it without a credential.
    pub fn unauthenticated(self) -> bool {
        match self {
            Speaker::Signal(signal) => signal.unauthenticated,
            Speaker::Rule(rule) => rule.unauthenticated,
        }
    }

    /// MITRE ATT&CK techniques.
    pub fn attack(self) -> Vec<String> {
        match self {
            Speaker::Signal(signal) => owned(signal.attack),
            Speaker::Rule(rule) => rule.attack.clone(),
        }
    }

    /// OWASP NHI and ASI entries.
    pub fn nhi(self) -> Vec<String> {
        match self {
            Speaker::Signal(signal) => owned(signal.nhi),
            Speaker::Rule(rule) => rule.nhi.clone(),
        }
    }
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|w| (*w).to_owned()).collect()
}
