//! For every signal a short log in which it speaks and its look-alike in which it stays silent, by family.
#![allow(dead_code)]

mod agent;
mod cadence;
mod checkout;
mod device;
mod guessing;
mod integrity;
mod lifecycle;
mod mfa;
mod place;
mod privilege;
mod protective;
mod scope;
mod signup;
mod token;

use super::Log;

/// One signal: a log in which it speaks, what is then said and asked, and a log that looks like it.
pub struct Case {
    pub signal: &'static str,
    /// What the last verdict on a subject with this signal says.
    pub says: &'static str,
    /// Everything that was proposed, in order.
    pub asks: &'static [&'static str],
    pub speaks: fn(&mut Log),
    /// What is different here. Nothing is then proposed either.
    pub but: &'static str,
    pub silent: fn(&mut Log),
}

pub fn all() -> impl Iterator<Item = &'static Case> {
    [
        guessing::CASES,
        mfa::CASES,
        place::CASES,
        device::CASES,
        token::CASES,
        lifecycle::CASES,
        cadence::CASES,
        scope::CASES,
        privilege::CASES,
        agent::CASES,
        checkout::CASES,
        signup::CASES,
        integrity::CASES,
        protective::CASES,
    ]
    .into_iter()
    .flatten()
}
