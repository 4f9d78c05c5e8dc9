//! From counts to weights: log-likelihood ratios, smoothed, monotone, bounded; a proposal beside what is in force, never applied by itself.
//!
//! `10 log10(P(speaks, attack) / P(speaks, day))`, each count with one half added. An ordinary day counts a look-alike in a thousand, for
//! such days are rarer than a simulator makes them and commoner than a few weeks of quiet traffic show. Good 1950; the one half is Jeffreys'.

use crate::count::{Counts, Spoken};
use portcullis_core::policy::Policy;
use portcullis_core::signal::{ALL, Signal};
use portcullis_core::verdict::{Centibans, Family};
use std::fmt::Write;

/// Share of the ordinary days that are a look-alike's.
const LOOK_ALIKE_SHARE: f64 = 0.001;
/// No count of ours says more: a signal that never spoke on so many days may on the next.
const MOST_DB: f64 = 36.0;
/// With fewer occasions than this nothing is proposed of a signal, and with fewer attacks or ordinary days of none.
const OCCASIONS_MIN: u64 = 10;

/// What the counts say of one signal.
#[derive(Clone, PartialEq, Debug)]
pub struct Proposal {
    pub signal: &'static str,
    pub spoken: Spoken,
    /// Of the signal, however strongly it spoke, dB.
    pub ratio_db: f64,
    pub now: Centibans,
    /// Some classes have weights of their own, which are kept.
    pub by_class: bool,
    /// Whole decibans; `None` where the counts do not say enough.
    pub proposed: Option<Centibans>,
    pub why: &'static str,
}

/// Proposes a weight for every signal that speaks against subjects, in the order of the catalogue. None moves by more than `step_db`.
pub fn propose(policy: &Policy, counts: &Counts, step_db: f64) -> Vec<Proposal> {
    let against = ALL.iter().zip(&policy.signals).filter(|(s, _)| s.family != Family::Protective);
    against
        .map(|(signal, settings)| {
            let spoken = counts.signals.get(signal.name).cloned().unwrap_or_default();
            let now = usual_weight(signal, &settings.by_class.map(|s| s.weight));
            let by_class = settings.by_class.iter().any(|s| s.weight != now);
            let (proposed, why) = proposal(counts, &spoken, now.db(), step_db);
            let proposed = proposed.map(|db| Centibans::from_db(db.round() as i32));
            Proposal { signal: signal.name, ratio_db: ratio_of(counts, &spoken, |c| c[0] + c[1]), spoken, now, by_class, proposed, why }
        })
        .collect()
}

/// The weight that most classes have.
fn usual_weight(signal: &Signal, weights: &[Centibans]) -> Centibans {
    let of = |w: &Centibans| (weights.iter().filter(|other| *other == w).count(), *w == Centibans::from_db(signal.weight_db));
    weights.iter().copied().max_by_key(of).unwrap_or_default()
}

fn proposal(counts: &Counts, spoken: &Spoken, now_db: f64, step_db: f64) -> (Option<f64>, &'static str) {
    let all = |c: &[u64; 2]| c[0] + c[1];
    if counts.attacks.min(counts.identity_days) < OCCASIONS_MIN {
        return (None, "too few labels");
    }
    let occasions = all(&spoken.attacks) + all(&spoken.look_alikes) + all(&spoken.days);
    if occasions < OCCASIONS_MIN {
        return (None, "too seldom");
    }
    // The weight is what the signal adds at full strength, so strong findings say what it is, where there are enough of them. A strong finding
    // weighs no less than a weak one: where the counts say otherwise, both are one.
    let (weak, strong) = (ratio_of(counts, spoken, |c| c[0]), ratio_of(counts, spoken, |c| c[1]));
    let strong_occasions = spoken.attacks[1] + spoken.look_alikes[1] + spoken.days[1];
    let (wanted, why) = if strong_occasions < OCCASIONS_MIN || strong_occasions == occasions {
        (ratio_of(counts, spoken, all), "")
    } else if strong < weak {
        (ratio_of(counts, spoken, all), "strong as weak")
    } else {
        (strong, "strong findings")
    };
    let bounded = wanted.clamp(0.0, MOST_DB);
    let stepped = bounded.clamp(now_db - step_db, now_db + step_db).clamp(0.0, MOST_DB.max(now_db));
    let why = match (why, stepped == bounded, bounded == wanted) {
        (_, false, _) => "a step of the way",
        ("", true, false) => "bounded",
        (why, ..) => why,
    };
    (Some(stepped), why)
}

/// The ratio of what `of` picks from each count, dB.
fn ratio_of(counts: &Counts, spoken: &Spoken, of: impl Fn(&[u64; 2]) -> u64) -> f64 {
    let share = |count: u64, all: u64| (count as f64 + 0.5) / (all as f64 + 1.0);
    let attack = share(of(&spoken.attacks), counts.attacks);
    let quiet = share(of(&spoken.days), counts.identity_days);
    let look_alike = share(of(&spoken.look_alikes), counts.look_alikes);
    10.0 * (attack / ((1.0 - LOOK_ALIKE_SHARE) * quiet + LOOK_ALIKE_SHARE * look_alike)).log10()
}

/// What was counted, what it says, and what is in force, Markdown.
pub fn table(proposals: &[Proposal]) -> String {
    let mut out = String::from(
        "| signal | attacks | look-alikes | ordinary days | ratio, dB | weight, dB | proposed, dB | why |\n|---|---|---|---|---|---|---|---|\n",
    );
    for p in proposals {
        let all = |c: &[u64; 2]| c[0] + c[1];
        let (attacks, look_alikes, days) = (all(&p.spoken.attacks), all(&p.spoken.look_alikes), all(&p.spoken.days));
        let apart = if p.by_class { " *" } else { "" };
        let proposed = p.proposed.map_or("-".to_owned(), |w| format!("{:+}", w.db()));
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            out,
            "| `{}` | {attacks} | {look_alikes} | {days} | {:.0} | {:+}{apart} | {proposed} | {} |",
            p.signal,
            p.ratio_db,
            p.now.db(),
            p.why
        );
    }
    if proposals.iter().any(|p| p.by_class) {
        out.push_str("\n\\* Some classes have a weight of their own, which is kept.\n");
    }
    out
}

/// What would change, as lines of a policy.
pub fn diff(proposals: &[Proposal]) -> String {
    let changed: Vec<(&Proposal, Centibans)> = proposals.iter().filter_map(|p| Some((p, p.proposed.filter(|w| *w != p.now)?))).collect();
    if changed.is_empty() {
        return "# Nothing to change.\n".to_owned();
    }
    let mut out = String::from("signals:\n");
    for (p, weight) in changed {
        let apart = if p.by_class { ", and of no class with a weight of its own" } else { "" };
        let _ = writeln!(out, "  {}: {{ weight: {} }} # was {}{apart}", p.signal, weight.db(), p.now.db());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(signal: &str, spoken: Spoken) -> Counts {
        Counts {
            attacks: 1_908,
            look_alikes: 2_016,
            identity_days: 159_938,
            signals: [(signal.to_owned(), spoken)].into(),
            ..Counts::default()
        }
    }

    fn of(signal: &str, spoken: Spoken, step_db: f64) -> Proposal {
        let policy = Policy::default_policy();
        propose(&policy, &counts(signal, spoken), step_db).into_iter().find(|p| p.signal == signal).unwrap()
    }

    /// By hand: (36.5 / 1909) / (0.999 * 0.5 / 159939 + 0.001 * 15.5 / 2017) = 1770.
    #[test]
    fn a_ratio_is_what_a_person_would_work_out() {
        let p = of("failed_login_spike", Spoken { attacks: [36, 0], look_alikes: [15, 0], days: [0, 0] }, 99.0);
        assert_eq!(format!("{:.1}", p.ratio_db), "32.5");
        assert_eq!(p.proposed, Some(Centibans::from_db(32)));
    }

    #[test]
    fn proposals_are_bounded_and_move_by_steps() {
        let sure = Spoken { attacks: [0, 1_900], ..Spoken::default() };
        assert_eq!(of("off_hours", sure.clone(), 99.0).proposed, Some(Centibans::from_db(36)));
        let now = of("off_hours", sure.clone(), 0.0).now;
        assert_eq!(of("off_hours", sure, 6.0).proposed, Some(Centibans(now.0 + 60)));
        let useless = Spoken { days: [0, 90_000], ..Spoken::default() };
        assert_eq!(of("off_hours", useless, 99.0).proposed, Some(Centibans::ZERO), "never against the evidence's own sign");
        assert_eq!(of("off_hours", Spoken { attacks: [9, 0], ..Spoken::default() }, 99.0).proposed, None);
    }

    #[test]
    fn without_attacks_nothing_is_said() {
        let quiet = Counts { attacks: 0, ..counts("off_hours", Spoken { days: [0, 500], ..Spoken::default() }) };
        assert!(propose(&Policy::default_policy(), &quiet, 6.0).iter().all(|p| p.proposed.is_none()));
    }

    #[test]
    fn a_strong_finding_never_weighs_less_than_a_weak_one() {
        let strong_is_rarer_by_day = Spoken { attacks: [50, 50], look_alikes: [0, 0], days: [5_000, 50] };
        let p = of("new_scope", strong_is_rarer_by_day.clone(), 99.0);
        assert_eq!(p.why, "strong findings");
        assert!(p.proposed.unwrap().db() > p.ratio_db + 3.0, "{p:?}");
        let mixed_up = Spoken { attacks: [50, 50], look_alikes: [0, 0], days: [50, 5_000] };
        let p = of("new_scope", mixed_up, 99.0);
        assert_eq!((p.why, p.proposed.unwrap().db()), ("strong as weak", p.ratio_db.round()));
        // More ordinary days never raise a weight.
        let mut last = f64::MAX;
        for days in (0..10_000).step_by(500) {
            let now = of("new_scope", Spoken { days: [0, days], ..strong_is_rarer_by_day.clone() }, 99.0).proposed.unwrap().db();
            assert!(now <= last, "{days}: {now} after {last}");
            last = now;
        }
    }

    #[test]
    fn the_diff_is_a_policy_again() {
        let sure = Spoken { attacks: [0, 1_900], ..Spoken::default() };
        let policy = Policy::default_policy();
        let lines = diff(&propose(&policy, &counts("off_hours", sure), 6.0));
        assert_eq!(lines, format!("signals:\n  off_hours: {{ weight: {} }} # was {}\n", 12, 6));
        let text = format!("version: t\nplaybooks: none\n{lines}");
        let read = portcullis_core::policy::parse::parse("t", &text).unwrap();
        let place = portcullis_core::signal::by_name("off_hours").unwrap();
        assert_eq!(read.signals[place].by_class[0].weight, Centibans::from_db(12));
    }
}
