//! The population: as many identities of each class as it takes to make the number of events that was asked for.

use crate::identity::{Class, Frame, Who};
use crate::life::{Actor, Life};

/// Each class's share of the events, per cent, and how many identities of it there are at least.
const SHARES: [(Class, u64, u32); 8] = [
    // The workforce first: machines have owners.
    (Class::Workforce, 22, 8),
    (Class::Admin, 3, 3),
    (Class::Support, 4, 2),
    (Class::Service, 25, 8),
    (Class::Agent, 6, 3),
    (Class::Partner, 5, 2),
    (Class::Test, 2, 1),
    (Class::Customer, 33, 40),
];

/// Numbers from here on belong to identities that only a scenario plays.
pub const EXTRAS: u32 = 8_000_000;

/// Everybody with a life of their own.
#[derive(Clone, Debug, Default)]
pub struct Census {
    pub members: Vec<Who>,
    /// How many of each class, by `Class as usize`; their numbers are `0..counts`.
    pub counts: [u32; Class::COUNT],
    /// Events of all their lives.
    pub events: u64,
    /// Whose ordinary life a scenario suspends: they stand in nobody else's crowd, or somebody who has left would queue at a kiosk.
    pub away: Vec<Who>,
}

/// Events of one life, without those of visits that begin in `pause`.
pub fn life_events(frame: &Frame, who: Who, pause: Option<(i64, i64)>) -> u64 {
    let actor = Actor::derive(frame, who);
    let mut life = Life::new(frame, who);
    let mut sum = 0;
    while let Some(visit) = life.next(frame, &actor) {
        if !pause.is_some_and(|(from, to)| (from..to).contains(&visit.at())) {
            sum += visit.len();
        }
    }
    sum
}

impl Census {
    /// Fills 90 % of the budget, every class its share, and completes `frame`.
    pub fn take(frame: &mut Frame, budget: u64) -> Census {
        let mut census = Census::default();
        for (class, share, least) in SHARES {
            let mut left = (budget * 9 / 10 * share / 100) as i64;
            let mut number = 0;
            while left > 0 || number < least {
                left -= census.add(frame, Who { class, number }) as i64;
                number += 1;
            }
            census.counts[class as usize] = number;
            match class {
                Class::Workforce => frame.workforce = number,
                Class::Customer => frame.customers = number,
                _ => {}
            }
        }
        census
    }

    fn add(&mut self, frame: &Frame, who: Who) -> u64 {
        let events = life_events(frame, who, None);
        self.members.push(who);
        self.events += events;
        events
    }

    /// Adds customers for the rest of the budget, passing over those who would do too much.
    pub fn fill(&mut self, frame: &Frame, budget: u64) {
        let mut number = self.counts[Class::Customer as usize];
        let mut passed_over = 0;
        while self.events < budget && passed_over < 100 {
            let who = Who { class: Class::Customer, number };
            number += 1;
            let events = life_events(frame, who, None);
            if events == 0 || self.events + events > budget {
                passed_over += 1;
                continue;
            }
            passed_over = 0;
            self.members.push(who);
            self.events += events;
        }
    }
}
