//! What everybody does on an ordinary day: one life an identity, made of visits, each visit made of events.
//!
//! A life knows only when its next visit is; a visit is a list of what remains to be done in it. So counting a population's events
//! (to meet the number that was asked for) and generating them are the same code, and memory holds open visits, not events.

pub mod machine;
pub mod person;

pub use machine::MachineVisit;
pub use person::PersonVisit;

use crate::clock::{HOUR, WEEK, monday};
use crate::identity::{Frame, Machine, Person, Who};
use crate::json::Head;
use crate::random::Random;

/// The state of one identity's life: 64 bytes, the only memory that grows with the population.
#[derive(Clone, Debug)]
pub struct Life {
    pub who: Who,
    random: Random,
    /// People: how far through the weeks, in seconds weighted by how busy the hour is. Machines: number of the next run.
    position: u64,
    /// When the session on each device began; 0 = none. Machines: when the access token was issued.
    sessions: [i64; 3],
}

/// One event beside what all events of its visit share.
pub struct Step {
    pub head: Head,
    /// The session and its cookie, or the token, belong to this event.
    pub with_bearer: bool,
    /// Until the next event of the visit, milliseconds.
    pub pause: i64,
}

/// A visit of either kind.
#[derive(Clone, Debug)]
pub enum Visit {
    Person(PersonVisit),
    Machine(MachineVisit),
}

impl Visit {
    pub fn at(&self) -> i64 {
        match self {
            Visit::Person(v) => v.at,
            Visit::Machine(v) => v.at,
        }
    }

    /// Events that remain.
    pub fn len(&self) -> u64 {
        match self {
            Visit::Person(v) => v.len(),
            Visit::Machine(v) => v.len(),
        }
    }
}

/// A person or a machine.
#[derive(Clone, Debug)]
pub enum Actor {
    Person(Person),
    Machine(Machine),
}

impl Visit {
    /// Renders what all its events share: who and where from, and with which session or token.
    pub fn render(&self, frame: &Frame, actor: &Actor, messy: bool, context: &mut Vec<u8>, bearer: &mut Vec<u8>) {
        match (self, actor) {
            (Visit::Person(visit), Actor::Person(person)) => {
                person::context(context, person, visit, messy);
                person::bearer(bearer, person, visit);
            }
            (Visit::Machine(visit), Actor::Machine(machine)) => {
                machine::context(context, machine, visit, messy);
                machine::bearer(bearer, frame, machine, visit);
            }
            _ => {}
        }
    }

    /// Does the next thing, appending what is particular to it to `body`. `None` when nothing remains.
    pub fn step(&mut self, frame: &Frame, actor: &Actor, body: &mut Vec<u8>) -> Option<Step> {
        match (self, actor) {
            (Visit::Person(visit), Actor::Person(person)) => visit.step(frame, person, body),
            (Visit::Machine(visit), Actor::Machine(machine)) => visit.step(machine, body),
            _ => None,
        }
    }
}

impl Actor {
    pub fn derive(frame: &Frame, who: Who) -> Actor {
        if who.class.is_person() { Actor::Person(Person::derive(frame, who)) } else { Actor::Machine(Machine::derive(frame, who)) }
    }
}

impl Life {
    pub fn new(frame: &Frame, who: Who) -> Life {
        let mut random = Random::of(&[frame.seed, 0x11fe, who.class as u64, u64::from(who.number)]);
        // People's weeks begin anywhere within the first hours, machines' runs are placed by their own phase.
        let position = if who.class.is_person() { random.below(3_600) } else { 0 };
        Life { who, random, position, sessions: [0; 3] }
    }

    /// The next visit that begins before the end, or `None`. Visits come in the order of their beginnings.
    pub fn next(&mut self, frame: &Frame, actor: &Actor) -> Option<Visit> {
        match actor {
            Actor::Person(person) => self.next_person(frame, person).map(Visit::Person),
            Actor::Machine(machine) => self.next_machine(frame, machine).map(Visit::Machine),
        }
    }
}

/// How busy each hour of a local week is, relative; and time warped by it, so that a steady process becomes a daily and weekly cycle.
pub struct Curve {
    /// Weighted seconds before each hour of the week, and the week's total at the end.
    before: [u64; 169],
}

impl Curve {
    pub const fn new(weekday: [u32; 24], weekend: [u32; 24]) -> Curve {
        let mut before = [0; 169];
        let mut hour = 0;
        while hour < 168 {
            let weight = if hour < 120 { weekday[hour % 24] } else { weekend[hour % 24] };
            before[hour + 1] = before[hour] + weight as u64 * 3_600;
            hour += 1;
        }
        Curve { before }
    }

    pub fn week(&self) -> u64 {
        self.before[168]
    }

    /// Local milliseconds since the first Monday of this many weighted seconds.
    fn local(&self, position: u64) -> i64 {
        let within = position % self.week();
        let hour = self.before.partition_point(|b| *b <= within) - 1;
        let weight = (self.before[hour + 1] - self.before[hour]) / 3_600;
        (position / self.week()) as i64 * WEEK + hour as i64 * HOUR + ((within - self.before[hour]) * 1_000 / weight.max(1)) as i64
    }
}

/// Local Monday midnight that positions count from.
fn origin(frame: &Frame) -> i64 {
    monday(frame.start)
}
