//! Who lives, and which scenario happens to whom and when: all that is decided before the first event.

use crate::census::{Census, EXTRAS, life_events};
use crate::clock::{DAY, HOUR, MINUTE, Zone, monday, weekday};
use crate::identity::{Class, Frame, Who};
use crate::inventory;
use crate::life::{Actor, Life};
use crate::random::Random;
use crate::scenario::{Difficulty, Instance, Kind, SCENARIOS, Scenario, When};
use crate::settings::Settings;
use crate::world::CITIES;

/// What was decided.
pub struct Plan {
    pub frame: Frame,
    pub census: Census,
    /// By number.
    pub instances: Vec<Instance>,
}

/// So many of a thousand identities are attacked, and as many only look so.
const INSTANCES_PER_MILLE: u64 = 2;
/// Events kept free for a scenario: what it tells, and the lives of those who join for it.
const ROOM: u64 = 230;
/// See [`past`]: sixteen events on four days, before anything happens to a victim.
const PAST_ENOUGH: u64 = 16;

impl Plan {
    pub fn make(settings: &Settings, chosen: &[usize]) -> Plan {
        // Duplicates come on top of what happens.
        let budget = if settings.messy { settings.events - settings.events / 1_000 } else { settings.events };
        let mut frame = Frame {
            seed: settings.seed,
            start: settings.start_ms,
            end: settings.start_ms + i64::from(settings.weeks) * 7 * DAY,
            events_per_identity: (settings.events / 60).clamp(150, 60_000),
            workforce: 1,
            customers: 1,
        };
        let census = Census::take(&mut frame, budget.saturating_sub(chosen.len() as u64 * ROOM * u64::from(settings.times.unwrap_or(1))));
        let mut plan = Plan { frame, census, instances: Vec::new() };
        let attacks = SCENARIOS.iter().filter(|s| s.kind == Kind::Attack).count() as u64;
        let in_proportion = (plan.census.members.len() as u64 * INSTANCES_PER_MILLE / 1_000 / attacks).max(1);
        let times = settings.times.map_or(in_proportion, u64::from);
        let mut random = Random::of(&[settings.seed, 0x71a9]);
        let mut taken = Vec::new();
        for time in 0..times as usize {
            for scenario in chosen {
                plan.cast(&mut random, &mut taken, *scenario, Difficulty::ALL[time % 3]);
            }
        }
        let mut told = 0;
        for n in 0..plan.instances.len() {
            let scene = plan.instances[n].play(&plan.frame, &plan.census);
            told += scene.acts.len() as u64;
            let begins = scene.acts.first().map_or(plan.instances[n].at, |act| act.at);
            plan.instances[n].begins = begins;
            if let Some(pause) = plan.instances[n].pause() {
                let who = plan.instances[n].who;
                plan.census.events -= life_events(&plan.frame, who, None) - life_events(&plan.frame, who, Some(pause));
            }
        }
        if settings.inventory {
            told += plan.census.members.iter().filter(|who| inventory::is_listed(&plan.frame, **who)).count() as u64;
        }
        plan.census.fill(&plan.frame, budget.saturating_sub(told));
        plan
    }

    fn cast(&mut self, random: &mut Random, taken: &mut Vec<Who>, index: usize, difficulty: Difficulty) {
        let scenario = &SCENARIOS[index];
        let number = self.instances.len() as u32;
        let class = scenario.cast.class;
        let mut found = None;
        if scenario.cast.extra {
            let first = if class == Class::Customer { EXTRAS } else { self.census.counts[class as usize].max(9_000) };
            let who = Who { class, number: first + number };
            found = Some((who, self.moment(random, scenario, who)));
        }
        let count = u64::from(self.census.counts[class as usize]);
        for _ in 0..200 {
            if found.is_some() {
                break;
            }
            let who = Who { class, number: random.below(count) as u32 };
            let at = self.moment(random, scenario, who);
            let actor = Actor::derive(&self.frame, who);
            if !taken.contains(&who) && (scenario.cast.suits)(&actor) && past(&self.frame, who, &actor, at) >= PAST_ENOUGH {
                found = Some((who, at));
            }
        }
        // A small population may have nobody suitable left: somebody suitable joins it.
        let (who, at) = found.unwrap_or_else(|| self.recruit(random, taken, scenario));
        taken.push(who);
        if scenario.absence.is_some() {
            self.census.away.push(who);
        }
        self.instances.push(Instance { scenario: index, difficulty, who, at, number, begins: at });
    }

    fn recruit(&mut self, random: &mut Random, taken: &[Who], scenario: &Scenario) -> (Who, i64) {
        let class = scenario.cast.class;
        let first = if class == Class::Customer { EXTRAS + 500_000 } else { self.census.counts[class as usize] };
        let mut best = None;
        for number in first..first + 2_000 {
            let who = Who { class, number };
            let actor = Actor::derive(&self.frame, who);
            if taken.contains(&who) || !(scenario.cast.suits)(&actor) {
                continue;
            }
            let at = self.moment(random, scenario, who);
            let events = past(&self.frame, who, &actor, at);
            if best.is_none_or(|(most, _, _)| events > most) {
                best = Some((events, who, at));
            }
            if events >= PAST_ENOUGH {
                break;
            }
        }
        let (_, who, at) = best.unwrap_or_else(|| {
            let who = Who { class, number: first };
            (0, who, self.moment(random, scenario, who))
        });
        if !self.census.members.contains(&who) {
            self.census.members.push(who);
            self.census.events += life_events(&self.frame, who, None);
        }
        (who, at)
    }

    /// When it begins: after enough days for habits, at the right hour, with room for what follows.
    fn moment(&self, random: &mut Random, scenario: &Scenario, who: Who) -> i64 {
        let days = (self.frame.end - self.frame.start) / DAY;
        let last = (days - Instance::room_days(scenario)).max(1);
        let mut day = random.between((days * 2 / 5).min(last), last);
        let zone = match Actor::derive(&self.frame, who) {
            Actor::Person(person) => CITIES[person.city].zone,
            Actor::Machine(_) => Zone { minutes: 0, saving: crate::clock::Saving::Never },
        };
        let midnight = |day: i64| self.frame.start.div_euclid(DAY) * DAY + day * DAY;
        let hour = match scenario.when {
            When::Any if who.class.is_person() => random.between(7, 21),
            When::Any => random.between(0, 22),
            When::Night => random.between(1, 4),
            When::WorkHours => {
                // Tuesday to Thursday.
                while !(1..=3).contains(&weekday(midnight(day))) {
                    day -= 1;
                }
                random.between(9, 14)
            }
            When::ClocksChange => {
                let europe = Zone { minutes: 60, saving: crate::clock::Saving::Europe };
                let changes = |d: &i64| europe.offset(midnight(*d)) != europe.offset(midnight(*d + 1));
                day = (1..days).find(changes).unwrap_or(day);
                1
            }
            When::MondayMorning => {
                day = (monday(midnight(day)) - midnight(0)) / DAY;
                8
            }
        };
        zone.to_utc(midnight(day) + hour * HOUR + random.between(0, 40) * MINUTE + random.between(0, 59_999))
    }
}

/// How well an identity is known before that time: its events, but no more than four for each day on which it was seen.
fn past(frame: &Frame, who: Who, actor: &Actor, at: i64) -> u64 {
    let mut life = Life::new(frame, who);
    let (mut events, mut days, mut last) = (0, 0, i64::MIN);
    while let Some(visit) = life.next(frame, actor) {
        // The day before does not count: a habit is older than that.
        if visit.at() > at - DAY || events.min(4 * days) >= PAST_ENOUGH {
            break;
        }
        events += visit.len();
        let day = visit.at().div_euclid(DAY);
        days += u64::from(day != last);
        last = day;
    }
    events.min(4 * days)
}
