//! When the evidence stops reaching something, if nothing more happens: the end of a level, of a verdict's validity, of an incident.
//!
//! Asked at every event while an incident is open, and the search adds the evidence up some twenty times. But the answer follows from the
//! evidence alone and not from when it is asked, so the last answers are kept beside the incident and hold until the evidence changes.

use crate::evidence::{Evidence, Sum, sum};
use crate::policy::Policy;
use crate::time::{DAY_MS, Time};
use crate::verdict::{Centibans, Level};

/// Answers lie on a grid, so that none depends on where its search began.
const STEP_MS: i64 = 10_000;
/// What holds for longer than this is looked at again then.
const AGAIN_DAYS: i64 = 400;

/// What may be reached: a total, or a fact that lifts to a level whatever the total is.
#[derive(Clone, Copy, Debug)]
pub struct Border {
    total: Centibans,
    fact: Option<Level>,
}

impl Border {
    /// Where `level` begins; `None` for the lowest, which nothing falls below.
    pub fn of_level(policy: &Policy, level: Level) -> Option<Border> {
        policy.border_of(level).map(|total| Border { total, fact: Some(level) })
    }

    /// A total alone.
    pub fn of_total(total: Centibans) -> Border {
        Border { total, fact: None }
    }

    fn is_reached(&self, sum: &Sum) -> bool {
        sum.total >= self.total || self.fact.is_some_and(|fact| sum.floor.is_some_and(|(level, _)| level >= fact))
    }

    /// Names the question: two with the same name have the same answer. `None` where something protects, for then the total can rise
    /// between events and the answer depends on when it was asked.
    fn question(&self, held: &[Evidence], policy: &Policy, prior: Centibans) -> Option<u64> {
        let mix = |name: u64, part: i64| (name ^ part as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        let fact = self.fact.map_or(-1, |level| level as i64);
        let mut name = mix(mix(1, i64::from(self.total.0) - i64::from(prior.0)), fact);
        for piece in held {
            if piece.weight < Centibans::ZERO {
                return None;
            }
            let (level, until) = piece.floor.map_or((-1, 0), |(level, until)| (level as i64, until.0));
            // Of a rule, another policy may give both.
            let (family, half_life_ms) = piece.family(policy).map_or((-1, 0), |f| (f as i64, policy.half_life_ms[f as usize]));
            for part in [i64::from(piece.signal), i64::from(piece.weight.0), piece.at.0, family, half_life_ms, level, until] {
                name = mix(name, part);
            }
        }
        Some(name)
    }
}

/// The last two answers. They say nothing that the evidence does not, so they are neither stored nor compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers([(u64, Time); 2]);

impl PartialEq for Answers {
    fn eq(&self, _: &Answers) -> bool {
        true
    }
}

/// When what is held stops reaching `border`, by the evidence clock; `None` if it does not reach it now. `now` is the sum at `clock`.
///
/// Protective evidence decays too, so the real moment can be later: whoever waits for it looks again then.
pub fn falls_below(
    held: &[Evidence],
    policy: &Policy,
    prior: Centibans,
    (clock, now): (Time, &Sum),
    border: Border,
    answers: &mut Answers,
) -> Option<Time> {
    if !border.is_reached(now) {
        return None;
    }
    let question = border.question(held, policy, prior);
    if let Some((_, at)) = answers.0.iter().find(|(known, _)| Some(*known) == question) {
        return Some(*at);
    }
    match (search(clock, |at| border.is_reached(&sum(held, policy, prior, at))), question) {
        (Found::At(at), Some(question)) => {
            answers.0 = [(question, at), answers.0[0]];
            Some(at)
        }
        (Found::At(at), None) | (Found::NotBefore(at), _) => Some(at),
    }
}

enum Found {
    At(Time),
    /// The search was given up here.
    NotBefore(Time),
}

/// The first point of the grid after `clock` at which `reaches` no longer holds, found by doubling and halving.
fn search(clock: Time, mut reaches: impl FnMut(Time) -> bool) -> Found {
    let base = clock.0.div_euclid(STEP_MS);
    let at = |steps: i64| Time((base + steps) * STEP_MS);
    let (mut holds, mut fails) = (0, 1);
    while reaches(at(fails)) {
        (holds, fails) = (fails, fails * 2);
        if fails > AGAIN_DAYS * DAY_MS / STEP_MS {
            return Found::NotBefore(at(fails));
        }
    }
    while fails - holds > 1 {
        let middle = (holds + fails) / 2;
        if reaches(at(middle)) { holds = middle } else { fails = middle }
    }
    Found::At(at(fails))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::tests::{PRIOR, piece};
    use crate::time::HOUR_MS;
    use proptest::prelude::*;

    fn end(held: &[Evidence], policy: &Policy, clock: Time, answers: &mut Answers) -> Option<Time> {
        let border = Border::of_level(policy, Level::Medium).unwrap();
        falls_below(held, policy, PRIOR, (clock, &sum(held, policy, PRIOR, clock)), border, answers)
    }

    #[test]
    fn it_is_known_when_a_level_ends() {
        let policy = Policy::built_in();
        let held = [piece("impossible_travel", 250, 1, 0)];
        let at = end(&held, &policy, Time(0), &mut Answers::default()).unwrap();
        assert!(sum(&held, &policy, PRIOR, at).total < policy.levels.medium);
        assert!(sum(&held, &policy, PRIOR, at.plus(-STEP_MS)).total >= policy.levels.medium);
        assert_eq!(end(&held, &policy, Time(13 * HOUR_MS), &mut Answers::default()), None);
    }

    proptest! {
        /// Whoever remembers says what whoever searches says, whenever either is asked and whatever came between.
        #[test]
        fn a_remembered_answer_is_the_one_that_a_search_gives(
            steps in prop::collection::vec((0usize..4, -60i32..400, 0i64..3 * HOUR_MS), 1..40)
        ) {
            const NAMES: [&str; 4] = ["impossible_travel", "guessed_password", "new_device", "strong_factor"];
            let policy = Policy::built_in();
            let (mut held, mut answers, mut clock) = (Vec::<Evidence>::new(), Answers::default(), 0);
            for (name, weight, later) in steps {
                clock += later;
                if weight > 0 {
                    let weight = if name == 3 { -weight } else { weight };
                    crate::evidence::add(&mut held, &policy, Time(clock), piece(NAMES[name], weight, 1, clock));
                }
                prop_assert_eq!(
                    end(&held, &policy, Time(clock), &mut answers),
                    end(&held, &policy, Time(clock), &mut Answers::default())
                );
            }
        }
    }
}
