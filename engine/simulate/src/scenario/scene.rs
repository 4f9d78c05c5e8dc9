//! The words in which scenarios are told: who sits where, what they do, and which of it is the attack.

use super::{Difficulty, Instance};
use crate::census::Census;
use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::{Class, Device, Factor, Frame, Machine, Person, Who};
use crate::json::{self, Gaps, Head, failure, success};
use crate::life::person::{application_route, card};
use crate::random::{Random, mix};
use crate::world::{CITIES, Spot};

/// What an act is to the label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// Belongs to the surroundings: the owner's own doings.
    Background,
    /// Part of what is labelled.
    Part,
    /// Part of it, and after this one a perfect detector could know.
    Enough,
}

/// One event of a scenario, ready but for its id.
#[derive(Clone, Debug)]
pub struct Act {
    pub at: i64,
    pub head: Head,
    pub mark: Mark,
    /// Everything after the outcome.
    pub rest: Vec<u8>,
}

/// Somebody at a device at a place; perhaps not the one whose name is used.
#[derive(Clone, Debug)]
pub struct Seat {
    pub person: Person,
    pub spot: Spot,
    pub device: Device,
    /// Id of the session and when it began.
    pub session: Option<(String, i64)>,
}

/// A program with a key; perhaps not the one that the key was issued to.
#[derive(Clone, Debug)]
pub struct Post {
    pub machine: Machine,
    pub spot: Spot,
    pub user_agent: &'static str,
    /// Names its workload and proves it.
    pub attested: bool,
    pub key: String,
    pub issued_at: i64,
}

/// A scenario being told.
pub struct Scene<'f> {
    pub frame: &'f Frame,
    pub census: &'f Census,
    pub random: Random,
    pub difficulty: Difficulty,
    pub who: Who,
    /// When it begins. Background may come before.
    pub at: i64,
    pub acts: Vec<Act>,
    /// Of the label: the identity unless said otherwise, and its tenant.
    pub subject: (&'static str, String),
    pub tenant: usize,
    /// Everybody who is touched, in the order of first touch.
    pub identities: Vec<String>,
}

/// Labels name at most this many of the identities that a scenario touched.
pub const IDENTITIES_MAX: usize = 500;

impl<'f> Scene<'f> {
    pub fn new(frame: &'f Frame, census: &'f Census, instance: &Instance) -> Scene<'f> {
        let random = Random::of(&[frame.seed, 0x5ce9e, instance.scenario as u64, u64::from(instance.number)]);
        let tenant = if instance.who.class.is_person() {
            Person::derive(frame, instance.who).tenant
        } else {
            Machine::derive(frame, instance.who).tenant
        };
        Scene {
            frame,
            census,
            random,
            difficulty: instance.difficulty,
            who: instance.who,
            at: instance.at,
            acts: Vec::new(),
            subject: ("identity", instance.who.id()),
            tenant,
            identities: Vec::new(),
        }
    }

    /// One of three values, by difficulty.
    pub fn by<T>(&self, easy: T, medium: T, hard: T) -> T {
        match self.difficulty {
            Difficulty::Easy => easy,
            Difficulty::Medium => medium,
            Difficulty::Hard => hard,
        }
    }

    pub fn person(&self) -> Person {
        Person::derive(self.frame, self.who)
    }

    /// Between `low` and `high` seconds, in milliseconds.
    pub fn seconds(&mut self, low: i64, high: i64) -> i64 {
        self.random.between(low * SECOND, high * SECOND)
    }

    /// Somebody else with a life, of that class and tenant if there is one.
    pub fn somebody(&mut self, class: Class) -> Person {
        let count = u64::from(self.census.counts[class as usize].max(1));
        let mut person = None;
        for _ in 0..12 {
            let found = Person::derive(self.frame, Who { class, number: self.random.below(count) as u32 });
            let fits = found.tenant == self.tenant && found.who != self.who && found.trip.is_none();
            person = Some(found);
            if fits {
                break;
            }
        }
        person.unwrap_or_else(|| self.person())
    }

    /// The owner at home on the usual device.
    pub fn at_home(&self, person: &Person) -> Seat {
        Seat { spot: person.home(self.at), device: person.device(0), person: person.clone(), session: None }
    }

    /// Takes the name of `person` from somewhere else, on another device.
    pub fn impostor(&mut self, person: &Person, spot: Spot, scripted: bool) -> Seat {
        let key = self.random.next();
        let device = if scripted { Device::script(key) } else { Device::of(key, self.random.chance(300)) };
        Seat { person: person.clone(), spot, device, session: None }
    }

    fn touch(&mut self, id: String) {
        if self.identities.len() < IDENTITIES_MAX && !self.identities.contains(&id) {
            self.identities.push(id);
        }
    }

    /// Records an act by whoever sits there; `body` writes what is particular to it.
    pub fn act(&mut self, at: i64, seat: &Seat, head: Head, mark: Mark, body: impl FnOnce(&mut Vec<u8>)) {
        let mut rest = Vec::new();
        json::identity(&mut rest, seat.person.tenant, seat.person.who, None);
        let own = seat.device == seat.person.device(0) && seat.person.who.class != Class::Customer;
        json::source(&mut rest, &seat.spot, &seat.device, if own { "compliant" } else { "" }, Gaps::default());
        if let Some((id, began)) = &seat.session {
            let lifetime = if seat.person.who.class == Class::Customer { 31 * DAY } else { 12 * HOUR };
            json::credential(&mut rest, id, "session", *began, Some(began + lifetime), "");
            json::session(&mut rest, id);
        }
        body(&mut rest);
        if mark != Mark::Background {
            self.touch(seat.person.who.id());
        }
        self.acts.push(Act { at, head, mark, rest });
    }

    /// A failed attempt.
    pub fn fail(&mut self, at: i64, seat: &Seat, mark: Mark) {
        self.act(at, seat, failure("auth.login"), mark, |out| json::auth(out, "password", "bad_password", &[]));
    }

    /// A failed attempt on a name that does not exist.
    pub fn fail_unknown(&mut self, at: i64, seat: &Seat, id: &str, mark: Mark) {
        let mut rest = Vec::new();
        json::unknown_identity(&mut rest, self.tenant, id);
        json::source(&mut rest, &seat.spot, &seat.device, "", Gaps::default());
        json::auth(&mut rest, "password", "unknown_identity", &[]);
        self.acts.push(Act { at, head: failure("auth.login"), mark, rest });
    }

    /// A second factor that failed: `mfa_denied` or `mfa_timeout`.
    pub fn refuse(&mut self, at: i64, seat: &Seat, why: &str, mark: Mark) {
        self.act(at, seat, failure("auth.mfa"), mark, |out| json::auth(out, "push", why, &[]));
    }

    /// Logs in as the person would, the second factor half a second earlier. `factor` of `None` is a password alone.
    pub fn login(&mut self, at: i64, seat: &mut Seat, factor: Factor, mark: Mark) {
        // The session is there from the first step on.
        seat.session = Some((format!("s-{:012x}", self.random.next() >> 16), at - 500));
        let method = if factor == Factor::Passkey { "webauthn" } else { "password" };
        match factor.second() {
            Some((second, amr)) => {
                let before = if mark == Mark::Enough { Mark::Part } else { mark };
                self.act(at - 500, seat, success("auth.mfa"), before, |out| json::auth(out, second, "", &[]));
                self.act(at, seat, success("auth.login"), mark, |out| json::auth(out, method, "", &["pwd", amr]));
            }
            None => {
                let amr = if factor == Factor::Passkey { "hwk" } else { "pwd" };
                self.act(at, seat, success("auth.login"), mark, |out| json::auth(out, method, "", &[amr]));
            }
        }
    }

    /// Reads what such a person reads, `times` times from `at` on; returns when it is over.
    pub fn browse(&mut self, at: i64, seat: &Seat, times: u32, mark: Mark) -> i64 {
        let mut at = at;
        for _ in 0..times {
            let (method, route, scope) = application_route(seat.person.who.class, &mut self.random);
            let object = route.contains("{id}").then(|| self.random.below(60_000));
            let bytes = 300 + self.random.exponential(4_000);
            self.act(at, seat, success("api.request"), mark, |out| {
                json::request(out, &json::Request { method, route, status: 200, bytes, object, scope, target: None });
            });
            at += self.seconds(2, 25);
        }
        at
    }

    /// Orders something with a card of a country. `amount` in minor units.
    pub fn buy(&mut self, at: i64, seat: &Seat, (card, card_country): (u64, &str), amount: i64, declined: Option<&str>, mark: Mark) {
        let order = self.random.next();
        let head = if declined.is_some() { failure("checkout.attempt") } else { success("checkout.attempt") };
        self.act(at, seat, head, mark, |out| json::checkout(out, &json::Checkout { order, amount, card, card_country, declined }));
    }

    /// Orders something as usual, with the usual card.
    pub fn buy_as_usual(&mut self, at: i64, seat: &Seat, mark: Mark) {
        let amount = self.random.log_normal(seat.person.usual_amount);
        self.buy(at, seat, (card(&seat.person, 0), CITIES[seat.person.city].country), amount, None, mark);
    }

    /// Visits on many days, so that there is a habit to compare with: `days` ago, counted from the beginning, ascending.
    pub fn history(&mut self, seat: &Seat, days_ago: impl Iterator<Item = i64>) {
        let mut seat = seat.clone();
        for days in days_ago {
            let hour = self.random.between(17, 21);
            let at = crate::clock::monday(self.at) + (self.at - crate::clock::monday(self.at)) / DAY * DAY - days * DAY
                + hour * HOUR
                + self.seconds(0, 3_000);
            let factor = seat.person.factor;
            self.login(at, &mut seat, factor, Mark::Background);
            let end = self.browse(at + 4 * SECOND, &seat, 3, Mark::Background);
            if days % 4 == 0 {
                self.buy_as_usual(end + MINUTE, &seat, Mark::Background);
            }
        }
    }

    pub fn machine(&self) -> Machine {
        Machine::derive(self.frame, self.who)
    }

    /// A machine where it belongs, with its own key.
    pub fn on_its_workload(&self, machine: &Machine) -> Post {
        Post {
            spot: machine.spot(self.at, 0),
            user_agent: crate::life::machine::user_agent(machine),
            attested: matches!(machine.who.class, Class::Service | Class::Agent),
            key: machine.key_id(),
            issued_at: self.frame.start - machine.key_age_ms,
            machine: machine.clone(),
        }
    }

    /// A program's event.
    pub fn run(&mut self, at: i64, post: &Post, on_behalf_of: Option<Who>, head: Head, mark: Mark, body: impl FnOnce(&mut Vec<u8>)) {
        let mut rest = Vec::new();
        json::identity(&mut rest, post.machine.tenant, post.machine.who, on_behalf_of);
        let (workload, proof) = if post.attested { (post.machine.workload(), "mtls") } else { (String::new(), "") };
        json::workload_source(&mut rest, &post.spot, post.user_agent, &workload, proof);
        if !post.key.is_empty() {
            json::credential(&mut rest, &post.key, "api_key", post.issued_at, None, "");
        }
        body(&mut rest);
        if mark != Mark::Background {
            self.touch(post.machine.who.id());
        }
        self.acts.push(Act { at, head, mark, rest });
    }

    /// A program's request on one of its domain's routes (the last is the privileged one).
    pub fn call(&mut self, at: i64, post: &Post, domain: usize, route: usize, mark: Mark) {
        let domain = &crate::identity::DOMAINS[domain % crate::identity::DOMAINS.len()];
        let (method, route, scope) = domain.routes[route];
        let object = route.contains("{id}").then(|| self.random.below(5_000));
        let bytes = 200 + self.random.exponential(1_500);
        self.run(at, post, None, success("api.request"), mark, |out| {
            json::request(out, &json::Request { method, route, status: 200, bytes, object, scope, target: None });
        });
    }

    /// A number that depends on this instance and on nothing else.
    pub fn token(&mut self) -> u64 {
        mix(self.random.next())
    }
}
