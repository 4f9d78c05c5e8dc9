//! Evidence: weights that speak against (or for) a subject, decaying, damped within their family, added up.
//!
//! `total = prior + sum over families (strongest + second/2 + third/4 + ...) - protective`, all in centibans, all integers. Protective
//! evidence takes away only from evidence of the same session, device, credential or workload, and never below the prior.

use crate::decay::decayed;
use crate::policy::Policy;
use crate::speaker::Speaker;
use crate::time::Time;
use crate::verdict::{Centibans, Family, Level, Reason};
use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

/// Pieces of evidence held at once; the weakest goes first.
pub const EVIDENCE_MAX: usize = 24;
/// Events named by one reason; the first and the latest ones.
const EVENTS_MAX: usize = 4;
/// Less than half a deciban is forgotten.
const FORGOTTEN_BELOW_CB: i32 = 5;

/// Before the words of a signal or rule that is only shown.
pub(crate) const IN_SHADOW: &str = "in shadow";

/// What evidence is about: hashes, 0 where the event named none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Scope {
    pub session: u64,
    pub device: u64,
    pub credential: u64,
    pub workload: u64,
}

impl Scope {
    /// Alike in all that both name, and in at least one.
    fn shares(&self, other: &Scope) -> bool {
        let pairs = [
            (self.session, other.session),
            (self.device, other.device),
            (self.credential, other.credential),
            (self.workload, other.workload),
        ];
        let mut common = pairs.iter().filter(|(a, b)| *a != 0 && *b != 0).peekable();
        common.peek().is_some() && common.all(|(a, b)| a == b)
    }
}

/// One signal's evidence about one scope.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// `Signal::number` or `Rule::number`.
    pub signal: u32,
    /// Weight when it spoke last.
    pub weight: Centibans,
    /// When that was, by the evidence clock.
    pub at: Time,
    /// When a floor (`at_least`) that it set ends.
    pub floor: Option<(Level, Time)>,
    pub scope: Scope,
    /// Of protective evidence: bits of the families that it takes nothing away from.
    pub spares: u16,
    pub observed: String,
    pub expected: String,
    pub detail: String,
    /// Ids of the events that spoke, oldest first.
    pub events: Vec<String>,
    /// Names for targets: session, credential and their provider, of the latest event that spoke.
    pub session: Option<String>,
    pub credential: Option<String>,
    pub source_ip: Option<String>,
}

impl Evidence {
    fn speaker<'p>(&self, policy: &'p Policy) -> Option<Speaker<'p>> {
        policy.speaker(self.signal)
    }

    /// Of who speaks. `None`: nobody whom this engine or policy knows, and it never weighs anything.
    pub fn family(&self, policy: &Policy) -> Option<Family> {
        self.speaker(policy).map(Speaker::family)
    }

    fn now(&self, policy: &Policy, clock: Time) -> i32 {
        self.family(policy).map_or(0, |family| decayed(self.weight.0, clock.since(self.at), policy.half_life_ms[family as usize]))
    }

    /// As a reason that is shown and adds nothing; `why` stands before its words.
    pub fn aside(self, speaker: Speaker<'_>, why: &str) -> Reason {
        Reason {
            signal: speaker.name().to_owned(),
            family: speaker.family(),
            db: 0.0,
            observed: self.observed,
            expected: self.expected,
            detail: format!("{why}: {}", self.detail),
            attack: speaker.attack(),
            nhi: speaker.nhi(),
            events: self.events,
        }
    }

    fn is_remembered(&self, policy: &Policy, clock: Time) -> bool {
        self.now(policy, clock).abs() >= FORGOTTEN_BELOW_CB || self.floor.is_some_and(|(_, until)| until > clock)
    }
}

/// Drops what has faded. Where nothing speaks against the subject any more, what protects it goes too: it is not kept for later.
pub fn forget(held: &mut Vec<Evidence>, policy: &Policy, clock: Time) {
    held.retain(|e| e.is_remembered(policy, clock));
    if held.iter().all(|e| e.weight <= Centibans::ZERO) {
        held.clear();
    }
}

/// Takes in a piece of evidence: the same signal about the same scope is one piece, as strong as the stronger of old and new.
pub fn add(held: &mut Vec<Evidence>, policy: &Policy, clock: Time, mut new: Evidence) {
    held.retain(|e| e.is_remembered(policy, clock));
    if let Some(old) = held.iter_mut().find(|e| e.signal == new.signal && e.scope == new.scope) {
        let before = old.now(policy, clock);
        let events = std::mem::take(&mut old.events);
        if before.abs() > new.weight.0.abs() {
            // The older finding is still the stronger: it keeps its words and its time.
            old.events = join_events(events, new.events);
            old.floor = later_floor(old.floor, new.floor);
            return;
        }
        new.events = join_events(events, new.events);
        new.floor = later_floor(old.floor, new.floor);
        *old = new;
        return;
    }
    if held.len() >= EVIDENCE_MAX {
        let weakest =
            (0..held.len()).min_by_key(|i| (held[*i].floor.is_some(), held[*i].now(policy, clock).abs(), held[*i].at, held[*i].signal));
        if let Some(weakest) = weakest {
            held.swap_remove(weakest);
        }
    }
    held.push(new);
}

fn later_floor(a: Option<(Level, Time)>, b: Option<(Level, Time)>) -> Option<(Level, Time)> {
    a.max(b)
}

fn join_events(mut old: Vec<String>, new: Vec<String>) -> Vec<String> {
    for id in new {
        if old.contains(&id) {
            continue;
        }
        if old.len() >= EVENTS_MAX {
            old.remove(1); // the first stays: it says when it began
        }
        old.push(id);
    }
    old
}

/// One entry for a piece of evidence. On the stack: while an incident is open, every event adds up some thirty times.
pub type Pieces<T> = ArrayVec<T, EVIDENCE_MAX>;

/// What protects takes away, strongest first, from what is about the same thing; what it took is added to `applied`.
fn protect<T: Ord>(
    held: &[Evidence],
    policy: &Policy,
    protective: &mut Pieces<(i32, usize)>,
    applied: &mut Pieces<(usize, i32)>,
    tie: impl Fn(usize) -> T,
) {
    let mut left = applied.clone();
    protective.sort_unstable_by_key(|a| (a.0, tie(a.1)));
    for &mut (weight, i) in protective {
        let mut budget = -weight;
        for (j, remaining) in &mut left {
            let spared = held[*j].speaker(policy).is_some_and(|s| held[i].spares & 1 << s.family() as u16 != 0);
            if !spared && held[i].scope.shares(&held[*j].scope) {
                let taken = budget.min(*remaining);
                *remaining -= taken;
                budget -= taken;
            }
        }
        applied.push((i, weight + budget));
    }
}

/// What all evidence adds up to at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Sum {
    pub total: Centibans,
    /// Applied centibans by place in the held list, strongest first; zeros left out.
    pub applied: Pieces<(usize, i32)>,
    /// The highest level that a fact lifts to, and its place in the held list.
    pub floor: Option<(Level, usize)>,
    /// Everything that speaks against the subject could have been caused without a credential.
    pub only_unauthenticated: bool,
}

/// Adds up what is held at `clock`.
pub fn sum(held: &[Evidence], policy: &Policy, prior: Centibans, clock: Time) -> Sum {
    let mut against = Pieces::<(Family, i32, usize)>::new();
    let mut protective = Pieces::<(i32, usize)>::new();
    let mut floor: Option<(Level, usize)> = None;
    let mut only_unauthenticated = true;
    for (i, evidence) in held.iter().enumerate().take(EVIDENCE_MAX) {
        let (Some(speaker), now) = (evidence.speaker(policy), evidence.now(policy, clock)) else { continue };
        if let Some((level, until)) = evidence.floor
            && until > clock
            && floor.is_none_or(|(highest, _)| level > highest)
        {
            floor = Some((level, i));
        }
        if now > 0 {
            against.push((speaker.family(), now, i));
            only_unauthenticated &= speaker.unauthenticated();
        } else if now < 0 {
            protective.push((now, i));
        }
    }
    // Strongest first within each family; ties by number and scope, so that the order in which they came cannot matter.
    let tie = |i: usize| (held[i].signal, held[i].scope.session, held[i].scope.device, held[i].scope.credential, held[i].scope.workload);
    against.sort_unstable_by_key(|a| (a.0, -a.1, tie(a.2)));
    let mut applied = Pieces::<(usize, i32)>::new();
    let (mut family, mut rank) = (None, 0);
    for &(f, now, i) in &against {
        rank = if family == Some(f) { rank + 1 } else { 0 };
        family = Some(f);
        applied.push((i, now >> rank.min(31)));
    }
    if !protective.is_empty() {
        protect(held, policy, &mut protective, &mut applied, tie);
    }
    applied.retain(|piece| piece.1 != 0);
    applied.sort_unstable_by_key(|a| (-a.1, tie(a.0)));
    let total = prior.0 + applied.iter().map(|(_, cb)| cb).sum::<i32>();
    Sum { total: Centibans(total), applied, floor, only_unauthenticated }
}

/// The level of a sum: what the evidence reaches, or what a fact lifts it to.
pub fn level(sum: &Sum, policy: &Policy) -> Level {
    policy.level_of(sum.total).max(sum.floor.map_or(Level::Low, |(level, _)| level))
}

/// The reasons of a sum, strongest first.
pub fn reasons(held: &[Evidence], policy: &Policy, sum: &Sum) -> Vec<Reason> {
    sum.applied
        .iter()
        .filter_map(|(i, cb)| {
            let evidence = &held[*i];
            let speaker = evidence.speaker(policy)?;
            Some(Reason {
                signal: speaker.name().to_owned(),
                family: speaker.family(),
                db: Centibans(*cb).db(),
                observed: evidence.observed.clone(),
                expected: evidence.expected.clone(),
                detail: evidence.detail.clone(),
                attack: speaker.attack(),
                nhi: speaker.nhi(),
                events: evidence.events.clone(),
            })
        })
        .collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::signal::{self, ALL};
    use crate::time::HOUR_MS;
    use proptest::prelude::*;

    pub fn piece(name: &str, cb: i32, scope: u64, at: i64) -> Evidence {
        let signal = &ALL[signal::by_name(name).unwrap()];
        Evidence {
            signal: u32::from(signal.number),
            weight: Centibans(cb),
            at: Time(at),
            floor: None,
            scope: Scope { session: scope, ..Scope::default() },
            spares: 0,
            observed: String::new(),
            expected: String::new(),
            detail: String::new(),
            events: vec![format!("e-{at}")],
            session: None,
            credential: None,
            source_ip: None,
        }
    }

    pub const PRIOR: Centibans = Centibans(-350);

    #[test]
    fn a_family_is_damped_and_families_add() {
        let policy = Policy::built_in();
        let held = [piece("guessed_password", 220, 1, 0), piece("failed_login_spike", 80, 1, 0), piece("new_device", 80, 1, 0)];
        let sum = sum(&held, &policy, PRIOR, Time(0));
        assert_eq!(sum.total, Centibans(-350 + 220 + 40 + 80));
        assert!(!sum.only_unauthenticated);
    }

    #[test]
    fn protective_evidence_speaks_only_for_its_own_session() {
        let policy = Policy::built_in();
        let against = piece("session_hijack", 180, 7, 0);
        let own = [against.clone(), piece("strong_factor", -150, 7, 0)];
        let elsewhere = [against.clone(), piece("strong_factor", -150, 8, 0)];
        assert_eq!(sum(&own, &policy, PRIOR, Time(0)).total, Centibans(-350 + 30));
        assert_eq!(sum(&elsewhere, &policy, PRIOR, Time(0)).total, Centibans(-350 + 180));
        let alone = [piece("strong_factor", -150, 7, 0)];
        assert_eq!(sum(&alone, &policy, PRIOR, Time(0)).total, PRIOR, "never below the prior");
        // A step-up by a method that can be phished says nothing of a stolen token.
        let spares = 1 << Family::Token as u16;
        let phishable = [against.clone(), Evidence { spares, ..piece("strong_factor", -150, 7, 0) }];
        assert_eq!(sum(&phishable, &policy, PRIOR, Time(0)).total, Centibans(-350 + 180));
        // A thief in the same session on another device is not protected by the owner's device.
        let thief = Scope { session: 7, device: 2, ..Scope::default() };
        let owner = Scope { session: 7, device: 1, ..Scope::default() };
        assert!(!thief.shares(&owner) && owner.shares(&owner) && !Scope::default().shares(&Scope::default()));
    }

    proptest! {
        #[test]
        fn the_order_of_evidence_cannot_matter(mut pieces in prop::collection::vec((0usize..ALL.len(), 5i32..250, 0u64..3, 0i64..HOUR_MS), 0..20), seed in any::<u64>()) {
            let policy = Policy::built_in();
            pieces.dedup_by_key(|(s, _, scope, _)| (*s, *scope));
            let mut held: Vec<Evidence> = Vec::new();
            for (s, cb, scope, at) in &pieces {
                if held.iter().all(|e| e.signal != u32::from(ALL[*s].number) || e.scope.session != *scope) {
                    held.push(piece(ALL[*s].name, cb * ALL[*s].weight_db.signum(), *scope, *at));
                }
            }
            let a = sum(&held, &policy, PRIOR, Time(HOUR_MS));
            let reasons_a = reasons(&held, &policy, &a);
            let n = held.len().max(1);
            held.rotate_left((seed as usize) % n);
            let b = sum(&held, &policy, PRIOR, Time(HOUR_MS));
            prop_assert_eq!(a.total, b.total);
            prop_assert_eq!(&reasons_a, &reasons(&held, &policy, &b));
            // Reasons and prior add up, by hand, in decibans.
            let by_hand: f64 = reasons_a.iter().map(|r| (r.db * 10.0).round()).sum();
            prop_assert_eq!(by_hand as i32 + PRIOR.0, a.total.0);
            prop_assert!(a.total >= PRIOR);
        }
    }
}
