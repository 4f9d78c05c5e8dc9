//! The words in which scenarios are told: who sits where, what they do, and which of it is the attack.

use super::{Difficulty, Instance};
use crate::census::Census;
use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::{Class, DOMAINS, Device, Factor, Frame, Machine, Person, VENDORS, Who};
use crate::json::{self, Gaps, Head, Request, fact, failure, put, success};
use crate::life::person::{application_route, card};
use crate::random::{Random, mix};
use crate::world::{self, CITIES, FAR_CITIES, Spot};
use std::io::Write;

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
    /// When it reaches the log, where that is later.
    pub shipped: Option<i64>,
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
    /// What device management says of it: nothing, or `risky`, instead of the usual.
    pub posture: Option<&'static str>,
}

/// A program with a key; perhaps not the one that the key was issued to.
#[derive(Clone, Debug)]
pub struct Post {
    pub machine: Machine,
    pub spot: Spot,
    pub user_agent: &'static str,
    /// Names the workload that it proves to be; empty: none.
    pub workload: String,
    pub key: Key,
}

/// What a program presents.
#[derive(Clone, PartialEq, Debug)]
pub enum Key {
    /// A static key and when it was issued.
    Static(String, i64),
    /// An access token of this hour, taken with its own key.
    Fresh,
    /// An access token: id, issued and expiring when.
    Token(String, i64, i64),
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
    /// Who has taken a token in which hour.
    tokens: Vec<(Who, i64)>,
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
            tokens: Vec::new(),
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
        let known = self.others(class, 1, |_| true).pop();
        // In a small world nobody of this tenant: somebody of another, who works for this one, too. Nobody acts across tenants.
        known.unwrap_or_else(|| Person { tenant: self.tenant, ..self.somebody_elsewhere(class) })
    }

    fn somebody_elsewhere(&self, class: Class) -> Person {
        let count = self.census.counts[class as usize].max(1);
        let people = (0..count).map(|number| Person::derive(self.frame, Who { class, number }));
        let mut others = people.filter(|p| p.who != self.who);
        others.find(|p| p.trip.is_none()).unwrap_or_else(|| Person::derive(self.frame, Who { class, number: 0 }))
    }

    /// Others of that class and tenant whom it suits, who stay where they live: each once, as far as they are found, at most `most`.
    pub fn others(&mut self, class: Class, most: usize, suits: impl Fn(&Person) -> bool) -> Vec<Person> {
        let count = u64::from(self.census.counts[class as usize].max(1));
        let mut found: Vec<Person> = Vec::new();
        for _ in 0..most * 40 {
            let other = Person::derive(self.frame, Who { class, number: self.random.below(count) as u32 });
            let stays =
                other.tenant == self.tenant && other.trip.is_none() && other.joins.is_none() && !self.census.away.contains(&other.who);
            if stays && other.who != self.who && suits(&other) && found.iter().all(|p| p.who != other.who) {
                found.push(other);
            }
            if found.len() == most {
                break;
            }
        }
        found
    }

    /// A person on the usual device, wherever that is just now.
    pub fn seat(&self, person: &Person, spot: Spot) -> Seat {
        Seat { spot, device: person.device(0, self.at), person: person.clone(), session: None, posture: None }
    }

    /// The owner at home on the usual device.
    pub fn at_home(&self, person: &Person) -> Seat {
        self.seat(person, person.home(self.at))
    }

    /// The owner at the desk in the office.
    pub fn at_work(&self, person: &Person) -> Seat {
        self.seat(person, world::office(person.tenant, person.office, person.key))
    }

    /// Takes the name of `person` from somewhere else, on another device.
    pub fn impostor(&mut self, person: &Person, spot: Spot, scripted: bool) -> Seat {
        let key = self.random.next();
        let device = if scripted { Device::script(key) } else { Device::of(key, self.random.chance(300), true) };
        Seat { person: person.clone(), spot, device, session: None, posture: None }
    }

    /// An impostor at a rented server far away, on a household's line far away, or, hard to tell, in the same city.
    pub fn thief(&mut self, person: &Person) -> Seat {
        let (place, host) = (self.far_from(person.city), self.random.next());
        let spot = self.by(world::rented(place, host), world::residential_abroad(place, host), world::guest(person.city, host));
        self.impostor(person, spot, false)
    }

    /// An attacker's own machine: rented, or, hard to tell, a household's line that somebody sells.
    pub fn lair(&mut self) -> Spot {
        let (place, host) = (self.random.below(34) as usize, self.random.next());
        self.by(world::rented(place, host), world::rented(place, host), world::residential_abroad(place, host))
    }

    /// A place to rent a server far from that city: the farthest of a few draws.
    pub fn far_from(&mut self, city: usize) -> usize {
        let home = (CITIES[city].lat, CITIES[city].lon);
        let km = |place: usize| {
            let there = CITIES.get(place).unwrap_or_else(|| &FAR_CITIES[(place - CITIES.len()) % FAR_CITIES.len()]);
            world::distance_km(home, (there.lat, there.lon)) as u64
        };
        let draws = [0; 6].map(|_: u8| self.random.below(34) as usize);
        draws.into_iter().max_by_key(|place| km(*place)).unwrap_or(28)
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
        let own = seat.device.id == seat.person.device(0, at).id && seat.person.who.class != Class::Customer;
        let posture = seat.posture.unwrap_or(if own { "compliant" } else { "" });
        json::source(&mut rest, &seat.spot, &seat.device, posture, Gaps::default());
        if let Some((id, began)) = &seat.session {
            let lifetime = if seat.person.who.class == Class::Customer { 31 * DAY } else { 12 * HOUR };
            json::credential(&mut rest, id, "session", *began, Some(began + lifetime), "", "");
            json::session(&mut rest, id);
        }
        body(&mut rest);
        if mark != Mark::Background {
            self.touch(seat.person.who.id());
        }
        self.push(at, head, mark, rest);
    }

    fn push(&mut self, at: i64, head: Head, mark: Mark, rest: Vec<u8>) {
        self.acts.push(Act { at, shipped: None, head, mark, rest });
    }

    /// What somebody who watches says of an identity: an inventory, an EDR, whoever contains.
    pub fn control(&mut self, at: i64, kind: &'static str, who: Who, mark: Mark, body: impl FnOnce(&mut Vec<u8>)) {
        let mut rest = Vec::new();
        json::identity(&mut rest, self.tenant, who, None);
        body(&mut rest);
        if mark != Mark::Background {
            self.touch(who.id());
        }
        self.push(at, fact(kind), mark, rest);
    }

    /// A request by a person; it fails where its status says so.
    pub fn ask(&mut self, at: i64, seat: &Seat, request: &Request<'_>, mark: Mark) {
        self.act(at, seat, outcome_of(request), mark, |out| json::request(out, request));
    }

    /// Changes something: `change` of these fields.
    pub fn change(&mut self, at: i64, seat: &Seat, kind: &'static str, fields: &[(&str, &str)], mark: Mark) {
        self.act(at, seat, success(kind), mark, |out| json::change(out, fields));
    }

    /// Support changes something of somebody else's.
    pub fn assist(&mut self, at: i64, seat: &Seat, kind: &'static str, target: Who, fields: &[(&str, &str)], mark: Mark) {
        self.act(at, seat, success(kind), mark, |out| {
            json::request(out, &Request { target: Some(target), ..Request::new("POST", "/support/customers/{id}", "customers:write") });
            if !fields.is_empty() {
                json::change(out, fields);
            }
        });
    }

    /// Works on a system through the PAM: check-out, start, commands, end. Returns when it is over.
    pub fn privileged(&mut self, at: i64, seat: &Seat, system: &str, ticket: Option<u64>, steps: &[&'static str], mark: Mark) -> i64 {
        let mut at = at;
        let session = format!("x{:010x}", self.random.next() >> 24);
        for kind in steps {
            self.act(at, seat, success(kind), mark, |out| json::privileged(out, system, ticket, &session));
            at += self.seconds(5, 50);
        }
        at
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
        self.push(at, failure("auth.login"), mark, rest);
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
            self.ask(at, seat, &Request { bytes, object, ..Request::new(method, route, scope) }, mark);
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

    /// A machine where it belongs, with its own key or a token taken with it.
    pub fn on_its_workload(&self, machine: &Machine) -> Post {
        let attested = matches!(machine.who.class, Class::Service | Class::Agent);
        Post {
            spot: machine.spot(self.at, 0),
            user_agent: crate::life::machine::user_agent(machine),
            workload: if attested { machine.workload() } else { String::new() },
            key: if machine.oauth { Key::Fresh } else { self.static_key(machine) },
            machine: machine.clone(),
        }
    }

    pub fn static_key(&self, machine: &Machine) -> Key {
        Key::Static(machine.key_id(), self.frame.start - machine.key_age_ms)
    }

    /// A machine's key or token in the hands of somebody with a server of their own; hard to tell: in another region of the same cloud.
    pub fn elsewhere(&mut self, machine: &Machine) -> Post {
        let (place, host) = (self.random.below(34) as usize, self.random.next());
        let spot = self.by(world::rented(place, host), world::rented(place, host), world::cloud(machine.region + 1, host));
        let user_agent = self.by("curl/8.11.1", "python-requests/2.32.3", crate::life::machine::user_agent(machine));
        Post { spot, user_agent, workload: String::new(), ..self.on_its_workload(machine) }
    }

    /// A program's event, after a token for the hour where it works with such.
    pub fn run(&mut self, at: i64, post: &Post, on_behalf_of: Option<Who>, head: Head, mark: Mark, body: impl FnOnce(&mut Vec<u8>)) {
        let hour = (post.machine.who, at / HOUR);
        if post.key == Key::Fresh && head.kind != "auth.token" && !self.tokens.contains(&hour) {
            self.tokens.push(hour);
            // A token is taken for what is done with it.
            let taken = if mark == Mark::Background { mark } else { Mark::Part };
            self.run_once(at - 200, post, on_behalf_of, success("auth.token"), taken, |out| {
                json::auth(out, "client_credentials", "", &[]);
            });
        }
        self.run_once(at, post, on_behalf_of, head, mark, body);
    }

    fn run_once(&mut self, at: i64, post: &Post, on_behalf_of: Option<Who>, head: Head, mark: Mark, body: impl FnOnce(&mut Vec<u8>)) {
        let machine = &post.machine;
        let hour = at / HOUR * HOUR;
        let mut rest = Vec::new();
        json::identity(&mut rest, machine.tenant, machine.who, on_behalf_of);
        json::workload_source(&mut rest, &post.spot, post.user_agent, &post.workload, "mtls");
        let client = machine.vendor.map_or("", |v| VENDORS[v]);
        match &post.key {
            Key::Static(id, issued_at) => json::credential(&mut rest, id, "api_key", *issued_at, None, "", client),
            Key::Fresh => {
                let id = format!("at-{:012x}", mix(machine.key ^ hour as u64) >> 16);
                json::credential(&mut rest, &id, "access_token", hour - MINUTE, Some(hour + 2 * HOUR), &machine.key_id(), client);
            }
            Key::Token(id, issued, expires) => {
                json::credential(&mut rest, id, "access_token", *issued, Some(*expires), &machine.key_id(), client);
            }
        }
        body(&mut rest);
        if mark != Mark::Background {
            self.touch(machine.who.id());
        }
        self.push(at, head, mark, rest);
    }

    /// A program's request; it fails where its status says so.
    pub fn request(&mut self, at: i64, post: &Post, request: &Request<'_>, mark: Mark) {
        self.run(at, post, None, outcome_of(request), mark, |out| json::request(out, request));
    }

    /// An agent uses a tool on behalf of somebody.
    pub fn use_tool(&mut self, at: i64, post: &Post, principal: Who, (tool, scope): (&str, &str), task: u64, mark: Mark) {
        let object = Some(self.random.below(9_000));
        self.run(at, post, Some(principal), success("api.request"), mark, |out| {
            json::request(out, &Request { object, ..Request::new("POST", "/tools/{tool}", scope) });
            json::agent(out, tool, &post.machine, task);
        });
    }

    /// An inventory record of the identity that it is about: class and whatever `body` adds to the section.
    pub fn enlist(&mut self, at: i64, body: &str) {
        let who = self.who;
        self.control(at, "inventory.identity", who, Mark::Background, |out| {
            put!(out, r#","inventory":{{"class":"{}","status":"active"{body}}}"#, who.class.name());
        });
    }

    /// A small job at the same hour (UTC) of each of these days ago: `calls` requests on that route.
    pub fn job(&mut self, post: &Post, days_ago: impl Iterator<Item = i64>, hour: i64, calls: usize, route: usize) {
        for days in days_ago {
            let mut at = (self.at - days * DAY) / DAY * DAY + hour * HOUR + self.seconds(0, 20);
            for _ in 0..calls {
                self.call(at, post, post.machine.domain, route, Mark::Background);
                at += self.seconds(1, 4);
            }
        }
    }

    /// A program's request on one of its domain's routes (the last is the privileged one).
    pub fn call(&mut self, at: i64, post: &Post, domain: usize, route: usize, mark: Mark) {
        let domain = &DOMAINS[domain % DOMAINS.len()];
        let (method, route, scope) = domain.routes[route];
        let object = route.contains("{id}").then(|| self.random.below(5_000));
        let bytes = 200 + self.random.exponential(1_500);
        self.request(at, post, &Request { bytes, object, ..Request::new(method, route, scope) }, mark);
    }

    /// A number that depends on this instance and on nothing else.
    pub fn token(&mut self) -> u64 {
        mix(self.random.next())
    }
}

fn outcome_of(request: &Request<'_>) -> Head {
    if request.status < 400 { success("api.request") } else { failure("api.request") }
}
