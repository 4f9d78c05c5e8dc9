//! What is counted, and how the counts of several worlds add up.

use portcullis_core::containment::Action;
use portcullis_core::event::Class;
use portcullis_core::verdict::Level;
use portcullis_model::truth::Kind;
use std::collections::BTreeMap;

/// The levels that are counted.
pub const LEVELS: [Level; 3] = [Level::Medium, Level::High, Level::Critical];
/// The engine and, on the same events, what it is compared with.
pub const DETECTORS: [&str; 4] = ["Portcullis", "fixed thresholds", "new place and device", "silence"];
/// So many of a thousand identities are attacked a day where a base rate is needed, and as many look-alikes take place.
pub const ATTACKED_PER_MILLE: f64 = 1.0;

/// Everything about one detector.
#[derive(Default)]
pub struct Figures {
    pub detector: &'static str,
    pub worlds: u64,
    pub events: u64,
    pub dead_letters: u64,
    /// By kind, scenario and difficulty.
    pub scenarios: BTreeMap<(Kind, String, String), Caught>,
    /// By class, or by kind of subject for those that have none.
    pub classes: BTreeMap<String, Alarms>,
    /// False incidents at high by leading signal and class.
    pub blamed: BTreeMap<(String, String), u64>,
    pub ranked: Vec<Ranked>,
    /// By signal and scenario: instances in which it spoke.
    pub spoke: BTreeMap<(String, String), u64>,
    /// Of those: instances that reached high.
    pub spoke_at_high: BTreeMap<(String, String), u64>,
    /// By signal and scenario: instances that name it as the one to speak or to be tempted.
    pub expected: BTreeMap<(String, String), u64>,
}

/// What became of the instances of one scenario at one difficulty.
#[derive(Clone, Default)]
pub struct Caught {
    pub of: u64,
    /// At medium, high, critical or above.
    pub at: [u64; 3],
    /// At high, with the label's own subject as the one under suspicion.
    pub own_subject: u64,
    /// A disruptive action was sent or would have been.
    pub disruptive: u64,
    /// Of those caught at high: events and seconds from the event that sufficed.
    pub delays: Vec<(u64, f64)>,
}

/// Alarms on a class in which nothing was wrong.
#[derive(Clone, Default)]
pub struct Alarms {
    /// Pairs of an identity and a day on which it was active.
    pub identity_days: u64,
    /// Incidents that reached medium, high, critical.
    pub incidents: [u64; 3],
    /// Of those at high: while the identity was still being learned.
    pub learning: u64,
    /// By action: sent, and only said.
    pub contained: BTreeMap<Action, (u64, u64)>,
}

/// The strongest that was held against an attack, a look-alike, or somebody on a day on which nothing was wrong.
#[derive(Clone, Copy)]
pub struct Ranked {
    pub strength: f64,
    pub what: Option<Kind>,
}

impl Figures {
    pub fn of_all_detectors() -> Vec<Figures> {
        DETECTORS.iter().map(|detector| Figures { detector, ..Figures::default() }).collect()
    }

    pub fn merge(&mut self, other: Figures) {
        self.worlds += other.worlds;
        self.events += other.events;
        self.dead_letters += other.dead_letters;
        for (key, theirs) in other.scenarios {
            let ours = self.scenarios.entry(key).or_default();
            ours.of += theirs.of;
            add(&mut ours.at, theirs.at);
            ours.own_subject += theirs.own_subject;
            ours.disruptive += theirs.disruptive;
            ours.delays.extend(theirs.delays);
        }
        for (key, theirs) in other.classes {
            let ours = self.classes.entry(key).or_default();
            ours.identity_days += theirs.identity_days;
            add(&mut ours.incidents, theirs.incidents);
            ours.learning += theirs.learning;
            for (action, (sent, said)) in theirs.contained {
                let both = ours.contained.entry(action).or_default();
                *both = (both.0 + sent, both.1 + said);
            }
        }
        self.ranked.extend(other.ranked);
        let counts = [
            (&mut self.blamed, other.blamed),
            (&mut self.spoke, other.spoke),
            (&mut self.spoke_at_high, other.spoke_at_high),
            (&mut self.expected, other.expected),
        ];
        for (ours, theirs) in counts {
            for (key, count) in theirs {
                *ours.entry(key).or_default() += count;
            }
        }
    }

    /// All instances of a kind, of one difficulty or of all.
    pub fn caught(&self, kind: Kind, difficulty: Option<&str>) -> Caught {
        let mut sum = Caught::default();
        for ((k, _, d), caught) in &self.scenarios {
            if *k == kind && difficulty.is_none_or(|wanted| wanted == d) {
                sum.of += caught.of;
                add(&mut sum.at, caught.at);
                sum.own_subject += caught.own_subject;
                sum.disruptive += caught.disruptive;
                sum.delays.extend(&caught.delays);
            }
        }
        sum
    }

    pub fn identity_days(&self) -> u64 {
        self.classes.values().map(|a| a.identity_days).sum()
    }

    /// Identity-days and false incidents at high of people, or of machines.
    pub fn false_alarms(&self, machines: bool) -> (u64, u64) {
        let of = self.classes.iter().filter(|(class, _)| Class::from_name(class).is_some_and(|c| c.is_machine() == machines));
        of.fold((0, 0), |(days, incidents), (_, a)| (days + a.identity_days, incidents + a.incidents[1]))
    }

    /// Every false incident at high, those on sources, devices and cards included.
    pub fn all_false(&self) -> u64 {
        self.classes.values().map(|a| a.incidents[1]).sum()
    }

    /// Disruptive actions against identities with whom nothing was wrong.
    pub fn false_disruptions(&self) -> u64 {
        let all = self.classes.values().flat_map(|a| &a.contained);
        all.filter(|(action, _)| action.is_disruptive()).map(|(_, (sent, said))| sent + said).sum()
    }

    /// Weights that give attacks (and look-alikes) their base rate.
    fn base_rates(&self) -> (f64, f64) {
        let wanted = self.identity_days() as f64 * ATTACKED_PER_MILLE / 1_000.0;
        let weight = |kind| wanted / (self.caught(kind, None).of.max(1) as f64);
        (weight(Kind::Attack), weight(Kind::LookAlike))
    }

    /// Precision of incidents at high at the base rate: without look-alikes, and with as many of them as attacks.
    pub fn precision_at_base_rate(&self) -> (f64, f64) {
        let (attack, look_alike) = self.base_rates();
        let right = self.caught(Kind::Attack, None).at[1] as f64 * attack;
        let tempted = self.caught(Kind::LookAlike, None).at[1] as f64 * look_alike;
        let wrong = self.all_false() as f64;
        (share(right, right + wrong), share(right, right + wrong + tempted))
    }

    /// Area under the precision-recall curve at the base rate, as average precision; ties count as one step.
    pub fn average_precision(&self) -> f64 {
        let (attack, look_alike) = self.base_rates();
        let attacks = self.caught(Kind::Attack, None).of as f64 * attack;
        let look_alikes = self.caught(Kind::LookAlike, None).of as f64 * look_alike;
        let quiet = self.identity_days() as f64;
        if attacks == 0.0 {
            return f64::NAN;
        }
        let mut ranked = self.ranked.clone();
        ranked.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        let (mut right, mut wrong, mut area) = (0.0, 0.0, 0.0);
        for step in ranked.chunk_by(|a, b| a.strength == b.strength) {
            let before = right;
            for one in step {
                match one.what {
                    Some(Kind::Attack) => right += attack,
                    Some(Kind::LookAlike) => wrong += look_alike,
                    None => wrong += 1.0,
                }
            }
            area += (right - before) / attacks * share(right, right + wrong);
        }
        // Of whom nothing was said at all: found only by suspecting everybody.
        area + (attacks - right).max(0.0) / attacks * share(attacks, attacks + look_alikes + quiet)
    }
}

fn add(ours: &mut [u64; 3], theirs: [u64; 3]) {
    ours.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
}

/// `part / all`; not a number of nothing.
pub fn share(part: f64, all: f64) -> f64 {
    if all > 0.0 { part / all } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(ranked: &[(f64, Option<Kind>)], attacks: u64) -> Figures {
        let mut figures = Figures::default();
        figures.scenarios.insert((Kind::Attack, "a".into(), "easy".into()), Caught { of: attacks, ..Caught::default() });
        figures.classes.insert("customer".into(), Alarms { identity_days: attacks * 1_000, ..Alarms::default() });
        figures.ranked = ranked.iter().map(|(strength, what)| Ranked { strength: *strength, what: *what }).collect();
        figures
    }

    #[test]
    fn a_perfect_ranking_has_the_whole_area_and_a_silent_one_next_to_none() {
        let perfect = figures(&[(9.0, Some(Kind::Attack)), (8.0, Some(Kind::Attack)), (-5.0, None)], 2);
        assert!((perfect.average_precision() - 1.0).abs() < 1e-9);
        let silent = figures(&[], 2);
        assert!((silent.average_precision() - 2.0 / 2_002.0).abs() < 1e-9);
        // One false one before each right one: 1/2 at the first, 2/4 at the second.
        let mixed = figures(&[(9.0, None), (8.0, Some(Kind::Attack)), (7.0, None), (6.0, Some(Kind::Attack))], 2);
        assert!((mixed.average_precision() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn worlds_add_up() {
        let mut all = figures(&[(1.0, None)], 2);
        all.merge(figures(&[(2.0, None)], 3));
        assert_eq!((all.caught(Kind::Attack, Some("easy")).of, all.identity_days(), all.ranked.len()), (5, 5_000, 2));
        assert_eq!(all.caught(Kind::Attack, Some("hard")).of, 0);
    }
}
