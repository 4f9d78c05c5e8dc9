//! Exceptions: for a while, and because somebody answers for it, named signals are silent about a subject that keeps within an envelope.
//!
//! An envelope, not a blindfold: inside it they are shown and add nothing, outside it they speak as ever and `envelope_breach` speaks beside
//! them. An event that does not say where it stands (no address, no route) is neither, and they speak as ever.
//!
//! Judged in the decide pass, for labels are what `decide` remembers of the inventory, and an exception ends by log time, which no event can
//! move. What is excepted has been said all the same: rules that ask `spoke` hear it.

use crate::decide::Ground;
use crate::event::{Class, Event, Expected, WorkloadProof};
use crate::evidence::IN_SHADOW;
use crate::memory::envelope::Envelope;
use crate::observe::{self, Observation, Spoke};
use crate::policy::Policy;
use crate::profile::{Context, Risk};
use crate::row::{Bound, Row};
use crate::signal::{self, envelope_breach};
use crate::speaker::Speaker;
use crate::subject::{Kind, SubjectRef};
use crate::time::{DAY_MS, Time};
use crate::verdict::Mode;
use std::collections::BTreeSet;

/// The most exceptions of one policy.
pub const EXCEPTIONS_MAX: usize = 100;
/// The last day of an exception is at most so many days after the policy is put in force.
pub const AHEAD_MAX_DAYS: i32 = 90;
/// An end that is no more days ahead is warned of.
pub const WARNED_DAYS: i32 = 7;

/// What a policy says of one exception.
#[derive(Clone, PartialEq, Debug)]
pub struct Exception {
    pub id: String,
    /// Who answers for it, and why it is there.
    pub owner: String,
    pub reason: String,
    /// The first moment of log time at which it holds no more: its last day, in UTC, is over.
    pub ends: Time,
    pub subject: Whom,
    /// Names of signals, rules and families, as they were written.
    pub signals: Vec<String>,
    /// The numbers of the signals and rules that these are.
    pub silences: BTreeSet<u32>,
    pub within: Within,
}

impl Exception {
    /// `2027-01-31`.
    pub fn last_day(&self) -> String {
        self.ends.plus(-DAY_MS).to_string().chars().take(10).collect()
    }

    /// From the day of `at` to the last day; 0 on that day, below 0 after it.
    pub fn days_left(&self, at: Time) -> i32 {
        days_left(self.ends, at)
    }
}

pub(crate) fn days_left(ends: Time, at: Time) -> i32 {
    ends.day() - 1 - at.day()
}

/// Whom an exception is for: every condition that is named must hold.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Whom {
    pub identity: BTreeSet<String>,
    pub class: BTreeSet<Class>,
    pub kind: BTreeSet<Kind>,
    pub list: Option<String>,
    /// Of the inventory.
    pub label: Option<String>,
}

impl Whom {
    fn covers(&self, policy: &Policy, subject: SubjectRef<'_>, class: Class, context: Option<&Context>) -> bool {
        let is_identity = subject.kind == Kind::Identity;
        (self.identity.is_empty() || (is_identity && self.identity.contains(subject.id)))
            && (self.class.is_empty() || (is_identity && self.class.contains(&class)))
            && (self.kind.is_empty() || self.kind.contains(&subject.kind))
            && self.list.as_ref().is_none_or(|l| policy.lists.get(l).is_some_and(|members| members.contains(subject.id)))
            && self.label.as_ref().is_none_or(|l| context.is_some_and(|c| c.labels.contains(l)))
    }
}

/// The envelope of an exception.
#[derive(Clone, PartialEq, Debug)]
pub struct Within {
    /// As it was written. Its routes are patterns: `*` stands for any characters.
    declared: Expected<'static>,
    /// All of it but the routes.
    envelope: Envelope,
    /// Bits of the bounds that are named.
    bounds: u8,
}

impl Within {
    /// `None`: it bounds nothing.
    pub fn new(declared: Expected<'static>) -> Option<Within> {
        let envelope = Envelope::from_inventory(&Expected { routes: Vec::new(), ..declared.clone() }).unwrap_or_default();
        let bounds = envelope.bounds() | if declared.routes.is_empty() { 0 } else { Bound::Route.bit() };
        (bounds != 0).then_some(Within { declared, envelope, bounds })
    }

    pub fn declared(&self) -> &Expected<'static> {
        &self.declared
    }

    fn stands(&self, event: &Event<'_>, row: &Row) -> Stands {
        // The present event counts in its rate, so there is none where nothing was counted.
        let rate = Some(row.events[0]).filter(|n| *n > 0);
        let mut checked = self.envelope.check_anew(event, row.now, rate);
        if let Some(route) = event.request.as_ref().and_then(|r| r.route.as_deref())
            && self.bounds & Bound::Route.bit() != 0
        {
            let is_declared = self.declared.routes.iter().any(|pattern| fits(pattern, route));
            *(if is_declared { &mut checked.kept } else { &mut checked.left }) |= Bound::Route.bit();
        }
        if event.source.as_ref().is_some_and(|s| s.workload_proof == Some(WorkloadProof::None)) {
            // Anybody can claim a name.
            checked.kept &= !Bound::Workload.bit();
        }
        match checked.left {
            0 if checked.kept == self.bounds => Stands::Inside,
            0 => Stands::Unsaid,
            left => Stands::Outside(left),
        }
    }
}

/// Where an event stands to an envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stands {
    /// It keeps every bound.
    Inside,
    /// It leaves these.
    Outside(u8),
    /// It leaves none, and does not say enough to keep all.
    Unsaid,
}

/// Whether a text fits a pattern in which `*` stands for any characters.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Takes what exceptions silence out of what was said of an event, and adds the breach of one that was left.
pub(crate) fn except(ground: &Ground<'_>, subject: SubjectRef<'_>, risk: &Risk, event: &Event<'_>, seen: &mut Observation) {
    let policy = ground.policy;
    let Observation { row, spoke, aside, .. } = seen;
    let holding: Vec<(&Exception, Stands)> = policy
        .exceptions
        .iter()
        .filter(|e| ground.log_time < e.ends && spoke.iter().any(|s| e.silences.contains(&s.evidence.signal)))
        .filter(|e| e.subject.covers(policy, subject, row.class, risk.context.as_deref()))
        .map(|e| (e, e.within.stands(event, row)))
        .collect();
    if holding.is_empty() {
        return;
    }
    let mut left = None;
    for one in std::mem::take(spoke) {
        let number = one.evidence.signal;
        let mut of_signal = holding.iter().filter(|(e, _)| e.silences.contains(&number));
        let inside = of_signal.clone().find(|(_, stands)| *stands == Stands::Inside);
        match (inside, policy.speaker(number)) {
            (Some((exception, _)), Some(speaker)) => aside.push(one.evidence.aside(speaker, &format!("excepted by {}", exception.id))),
            _ => {
                left = left.or_else(|| {
                    of_signal
                        .find_map(|(e, stands)| if let Stands::Outside(bounds) = stands { Some((e.id.clone(), *bounds)) } else { None })
                });
                spoke.push(one);
            }
        }
    }
    // Whoever fails in a name, or acts upon it, has not left anything in that name.
    let is_own_act = subject.kind == Kind::Identity && !row.acted_upon && event.accepted();
    if let Some((id, bounds)) = left.filter(|_| is_own_act && envelope_breach::SIGNAL.when.has(event.kind)) {
        breach(policy, event, seen, &id, bounds);
    }
}

fn breach(policy: &Policy, event: &Event<'_>, seen: &mut Observation, exception: &str, left: u8) {
    let number = envelope_breach::SIGNAL.number;
    let Some(signal) = signal::by_number(number).map(|place| &policy.signals[place]) else { return };
    let settings = &signal.by_class[seen.row.class as usize];
    let said = envelope_breach::said(left, settings, Some(exception));
    let evidence = observe::evidence(u32::from(number), 0, event, &seen.row, settings.weight, said);
    match signal.mode {
        Mode::Enforce => seen.spoke.push(Spoke { evidence, at_least: settings.at_least }),
        Mode::Shadow => seen.aside.push(evidence.aside(Speaker::Signal(&envelope_breach::SIGNAL), IN_SHADOW)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text) in [
            ("/v1/settlements/*", "/v1/settlements/{id}/lines"),
            ("/v1/settlements/*", "/v1/settlements/"),
            ("*/export", "/v1/orders/export"),
            ("/v1/*/lines/*", "/v1/a/lines/lines/b"),
            ("/v1", "/v1"),
            ("*a*a", "aa"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("/v1/settlements/*", "/v1/settlements"),
            ("/v1", "/v1/x"),
            ("/v1", "/v"),
            ("*/export", "/export/x"),
            ("*a*a", "a"),
            ("ab*ba", "aba"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn the_last_day_is_the_last_on_which_it_holds() {
        let day = |text: &str| Time::parse(&format!("{text}T00:00:00Z")).unwrap();
        let ends = day("2027-02-01");
        assert_eq!(days_left(ends, day("2027-01-30").plus(DAY_MS - 1)), 1);
        assert_eq!(days_left(ends, day("2027-01-31").plus(DAY_MS - 1)), 0);
        assert_eq!(days_left(ends, ends), -1);
    }
}
