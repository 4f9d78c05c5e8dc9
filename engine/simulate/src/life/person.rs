//! People's visits: log-ins with their slips and second factors, sessions that last, reading, buying, administering.

use super::{Curve, Life, Step, origin};
use crate::clock::{DAY, HOUR, MINUTE, SECOND, weekday};
use crate::identity::{Class, DOMAINS, Factor, Frame, Person, Who};
use crate::json::{self, Gaps, failure, success};
use crate::random::{Random, mix};
use crate::world::{self, CITIES, Spot};

static LEISURE: Curve = Curve::new(
    [2, 1, 1, 1, 1, 3, 9, 16, 16, 12, 12, 14, 22, 18, 12, 12, 14, 22, 30, 38, 42, 36, 20, 8],
    [5, 3, 1, 1, 1, 2, 5, 10, 20, 30, 34, 34, 30, 28, 28, 28, 28, 30, 34, 38, 38, 30, 20, 10],
);
static OFFICE: Curve = Curve::new(
    [0, 0, 0, 0, 0, 1, 4, 22, 60, 70, 66, 58, 30, 48, 62, 62, 52, 34, 12, 6, 5, 4, 2, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0],
);

/// On what sort of network a visit is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Where {
    Home,
    Mobile,
    Guest,
    Office,
    CompanyVpn,
    PublicVpn,
    Relay,
}

/// Something that people do now and then, beside what they come for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errand {
    /// `account.update` of this.
    Update(&'static str),
    CancelOrder,
    Consent,
    NewToken,
    ReadSecret,
    Grant,
    Joiner,
    Leaver,
    /// Support: a customer's recovery, or a new second factor.
    ResetPassword,
    ResetFactor,
}

impl Errand {
    fn draw(person: &Person, buys: bool, random: &mut Random) -> Option<Errand> {
        use Errand::*;
        let draw = random.below(1_000);
        match person.who.class {
            Class::Customer if buys && draw < 40 => Some(CancelOrder),
            Class::Customer if draw < 50 && person.tenant == 1 => Some(Update(["payee", "address", "phone"][draw as usize % 3])),
            Class::Customer if draw < 50 => Some(Update(["address", "address", "phone", "email"][draw as usize % 4])),
            Class::Workforce if draw < 8 => Some([Consent, Consent, NewToken, Update("factor")][draw as usize % 4]),
            Class::Admin if draw < 250 => Some([ReadSecret, ReadSecret, ReadSecret, Grant, Grant, Joiner, Leaver][draw as usize % 7]),
            Class::Support if draw < 120 => Some([ResetPassword, ResetPassword, ResetFactor][draw as usize % 3]),
            _ => None,
        }
    }
}

/// What is left of a visit.
#[derive(Clone, Debug)]
pub struct PersonVisit {
    pub at: i64,
    pub random: Random,
    pub device: usize,
    pub place: Where,
    pub city: usize,
    /// When the session began or begins.
    pub session_at: i64,
    pub signup: bool,
    pub failures: u8,
    /// The second factor is refused or ignored once before it is given.
    pub mfa_slip: bool,
    pub recovery: bool,
    pub mfa: bool,
    pub login: bool,
    pub actions: u16,
    pub declined: bool,
    pub purchases: u8,
    pub errand: Option<Errand>,
    /// Steps left of a privileged session (check-out, start, commands, end), and all of them.
    pub privileged: u8,
    privileged_steps: u8,
    pub tokens: u8,
    pub logout: bool,
}

impl Life {
    pub(super) fn next_person(&mut self, frame: &Frame, person: &Person) -> Option<PersonVisit> {
        let staff = person.who.class != Class::Customer;
        let curve = if staff { &OFFICE } else { &LEISURE };
        let zone = CITIES[person.city].zone;
        let mean = curve.week() * 100 / person.weekly_visits;
        let random = &mut self.random;
        loop {
            self.position += random.exponential(mean) + 1;
            let local = origin(frame) + curve.local(self.position) + person.late_hours * if staff { HOUR / 3 } else { HOUR };
            let mut at = zone.to_utc(local);
            if at >= frame.end {
                return None;
            }
            if at < frame.start || person.joins.is_some_and(|joins| at < joins) {
                continue;
            }
            // In the air: no visit. Elsewhere: by the clock there, near enough.
            let Some(city) = person.city_at(at) else { continue };
            let away = city != person.city;
            let work_day = staff && weekday(local) < 5;
            // Mostly one's main device; the others for variety.
            let mut device =
                if person.devices == 1 || random.chance(700) { 0 } else { 1 + random.below(person.devices as u64 - 1) as usize };
            let place = if staff {
                let in_office = work_day
                    && !away
                    && person.office_days >> weekday(local) & 1 == 1
                    && local.rem_euclid(DAY) > 7 * HOUR
                    && local.rem_euclid(DAY) < 19 * HOUR;
                if in_office {
                    Where::Office
                } else if person.uses_vpn && random.chance(600) {
                    Where::CompanyVpn
                } else if random.chance(150) {
                    Where::Mobile
                } else if away {
                    Where::Guest
                } else {
                    Where::Home
                }
            } else {
                match random.weighted(&[
                    if away { 0 } else { 62 },
                    30,
                    if away { 60 } else { 5 },
                    if person.key.is_multiple_of(20) { 20 } else { 0 },
                ]) {
                    0 => Where::Home,
                    1 => Where::Mobile,
                    2 => Where::Guest,
                    _ => Where::PublicVpn,
                }
            };
            if place == Where::Mobile && !person.is_phone(device) && person.devices > 1 {
                device = if person.is_phone(0) { 0 } else { 1 };
            }
            let place = match place {
                Where::Home | Where::Mobile if person.relay && person.is_phone(device) => Where::Relay,
                place => place,
            };
            // Milliseconds, so that nobody acts on the whole second only.
            at += random.below(1_000) as i64;
            let lifetime = match person.who.class {
                Class::Admin => 4 * HOUR,
                Class::Customer if person.is_phone(device) => 30 * DAY,
                Class::Customer => DAY,
                _ => 10 * HOUR,
            };
            let signup = person.joins.is_some() && self.sessions == [0; 3];
            let began = self.sessions[device];
            let replaced = device == 0 && person.replaces.is_some_and(|from| (began..at).contains(&from));
            let login = began == 0 || at - began > lifetime || replaced;
            let slips = if login && person.factor != Factor::Passkey && !signup { random.weighted(&[930, 50, 14, 6]) as u8 } else { 0 };
            let logout = random.chance(if staff { 40 } else { 120 });
            let session_at = if login { at } else { self.sessions[device] };
            self.sessions[device] = if logout { 0 } else { session_at };
            let mean_actions = match person.who.class {
                Class::Customer => 5,
                Class::Support => 10,
                _ => 7,
            };
            let buys = person.who.class == Class::Customer && random.chance(140);
            let privileged = if person.who.class == Class::Admin && random.chance(120) { 3 + random.below(4) as u8 } else { 0 };
            return Some(PersonVisit {
                at,
                random: Random::of(&[person.key, at as u64]),
                device,
                place,
                city,
                session_at,
                signup,
                failures: slips,
                recovery: slips >= 3 && random.chance(500),
                mfa_slip: login && person.factor == Factor::Push && random.chance(12),
                mfa: login && person.factor.second().is_some(),
                login,
                actions: 1 + random.exponential(mean_actions) as u16,
                declined: buys && random.chance(35),
                purchases: u8::from(buys),
                errand: Errand::draw(person, buys, random),
                privileged,
                privileged_steps: privileged,
                tokens: if staff && (login || random.chance(100)) { 1 } else { 0 },
                logout,
            });
        }
    }
}

/// Where a visit comes from.
pub fn spot(person: &Person, place: Where, city: usize, at: i64) -> Spot {
    let hour = (at / HOUR) as u64;
    match place {
        Where::Home => person.home(at),
        // Carriers hand out another address every few hours.
        Where::Mobile => world::mobile(city, person.key >> 32, mix(person.key ^ (hour / 3))),
        Where::Guest => world::guest(city, mix(person.key ^ (hour / 48))),
        Where::Office => world::office(person.tenant, person.office, person.key),
        Where::CompanyVpn => world::company_vpn(person.tenant, hour / 12 + person.key),
        Where::PublicVpn => world::public_vpn(city, mix(person.key ^ (hour / 24))),
        Where::Relay => world::relay(city, mix(person.key ^ (hour / 6))),
    }
}

/// Id of the session of a device that began at that time.
pub fn session_id(person: &Person, device: usize, session_at: i64) -> String {
    format!("s-{:012x}", mix(person.key ^ session_at as u64 ^ ((device as u64) << 60)) >> 16)
}

/// One of the card fingerprints of a person. The first is used nearly always.
pub fn card(person: &Person, number: u64) -> u64 {
    mix(person.key ^ 0xca4d ^ number)
}

/// What people's applications call: method, route, scope.
pub fn application_route(class: Class, random: &mut Random) -> (&'static str, &'static str, &'static str) {
    const SHOP: [(&str, &str, &str); 6] = [
        ("GET", "/shop/products/{id}", ""),
        ("GET", "/shop/search", ""),
        ("GET", "/shop/basket", ""),
        ("POST", "/shop/basket", ""),
        ("GET", "/account/orders", "profile"),
        ("GET", "/account/profile", "profile"),
    ];
    const WORK: [(&str, &str, &str); 6] = [
        ("GET", "/crm/accounts/{id}", "crm:read"),
        ("GET", "/mail/messages/{id}", "mail:read"),
        ("GET", "/wiki/pages/{id}", "wiki:read"),
        ("POST", "/mail/messages", "mail:send"),
        ("PATCH", "/crm/accounts/{id}", "crm:write"),
        ("POST", "/wiki/pages", "wiki:write"),
    ];
    const HELP: [(&str, &str, &str); 3] = [
        ("GET", "/support/customers/{id}", "customers:read"),
        ("GET", "/support/tickets/{id}", "tickets:read"),
        ("PATCH", "/support/tickets/{id}", "tickets:write"),
    ];
    match class {
        Class::Customer => SHOP[random.weighted(&[40, 20, 15, 10, 10, 5])],
        Class::Support => HELP[random.weighted(&[40, 35, 25])],
        _ => WORK[random.weighted(&[30, 30, 18, 12, 6, 4])],
    }
}

/// The parts that stay the same throughout a visit, rendered once: who and where from.
pub fn context(out: &mut Vec<u8>, person: &Person, visit: &PersonVisit, messy: bool) {
    json::identity(out, person.tenant, person.who, None);
    let spot = spot(person, visit.place, visit.city, visit.at);
    let draw = mix(person.key ^ visit.at as u64) % 1_000;
    let gaps = Gaps { place: messy && draw < 8, fingerprint: messy && (8..20).contains(&draw), device: messy && (20..28).contains(&draw) };
    let posture = if person.who.class == Class::Customer { "" } else { "compliant" };
    json::source(out, &spot, &person.device(visit.device, visit.at), posture, gaps);
}

/// Session and cookie, rendered once.
pub fn bearer(out: &mut Vec<u8>, person: &Person, visit: &PersonVisit) {
    let id = session_id(person, visit.device, visit.session_at);
    // A little longer than the session is used for, so that nobody outlives a cookie.
    let lifetime = if person.who.class == Class::Customer { 31 * DAY } else { 12 * HOUR };
    json::credential(out, &id, "session", visit.session_at, Some(visit.session_at + lifetime), "", "");
    json::session(out, &id);
}

impl PersonVisit {
    pub fn len(&self) -> u64 {
        u64::from(self.signup)
            + u64::from(self.failures)
            + u64::from(self.recovery)
            + u64::from(self.mfa_slip)
            + u64::from(self.mfa)
            + u64::from(self.login)
            + u64::from(self.tokens)
            + u64::from(self.actions)
            + u64::from(self.declined)
            + u64::from(self.purchases)
            + u64::from(self.errand.is_some())
            + u64::from(self.privileged)
            + u64::from(self.logout)
    }

    /// Does the next thing, appending what is particular to it to `body`. `None` when the visit is over.
    pub fn step(&mut self, frame: &Frame, person: &Person, body: &mut Vec<u8>) -> Option<Step> {
        let random = &mut self.random;
        let method = if person.factor == Factor::Passkey { "webauthn" } else { "password" };
        let take = |flag: &mut bool| std::mem::replace(flag, false);
        let step = |head, with_bearer, pause| Some(Step { head, with_bearer, pause });
        if take(&mut self.signup) {
            return step(success("account.create"), false, random.between(5, 40) * SECOND);
        }
        if self.failures > 0 {
            self.failures -= 1;
            json::auth(body, "password", "bad_password", &[]);
            return step(failure("auth.login"), false, random.between(3_000, 20_000));
        }
        if take(&mut self.recovery) {
            return step(success("auth.recovery"), false, random.between(20, 120) * SECOND);
        }
        if take(&mut self.mfa_slip) {
            json::auth(body, "push", if random.chance(700) { "mfa_timeout" } else { "mfa_denied" }, &[]);
            return step(failure("auth.mfa"), false, random.between(20, 70) * SECOND);
        }
        if take(&mut self.mfa) {
            json::auth(body, person.factor.second().map_or("totp", |f| f.0), "", &[]);
            return step(success("auth.mfa"), true, random.between(200, 1_500));
        }
        if take(&mut self.login) {
            match person.factor.second() {
                Some((_, amr)) => json::auth(body, method, "", &["pwd", amr]),
                None => json::auth(body, method, "", &[if person.factor == Factor::Passkey { "hwk" } else { "pwd" }]),
            }
            return step(success("auth.login"), true, random.between(800, 9_000));
        }
        if self.tokens > 0 {
            self.tokens -= 1;
            json::auth(body, "oauth", "", &[]);
            return step(success("auth.token"), true, random.between(300, 3_000));
        }
        if self.actions > 0 {
            self.actions -= 1;
            let (verb, route, scope) = application_route(person.who.class, random);
            let target = (person.who.class == Class::Support && route == "/support/customers/{id}")
                .then(|| Who { class: Class::Customer, number: random.below(u64::from(frame.customers.max(1))) as u32 });
            let status = [200, 304, 404, 500][random.weighted(&[960, 30, 8, 2])];
            let object = route.contains("{id}").then(|| random.power_law(1, 60_000) ^ (person.key & 0xff));
            json::request(
                body,
                &json::Request { method: verb, route, status, bytes: 300 + random.exponential(4_000), object, scope, target },
            );
            // Nobody clicks for half an hour on end.
            return step(
                if status == 500 { failure("api.request") } else { success("api.request") },
                true,
                (400 + random.exponential(14_000) as i64).min(3 * MINUTE),
            );
        }
        if take(&mut self.declined) {
            let reason = ["insufficient_funds", "expired_card", "incorrect_cvc"][random.below(3) as usize];
            purchase(body, person, random, Some(reason));
            return step(failure("checkout.attempt"), true, random.between(15, 90) * SECOND);
        }
        if self.purchases > 0 {
            self.purchases -= 1;
            purchase(body, person, random, None);
            return step(success("checkout.attempt"), true, random.between(2, 20) * SECOND);
        }
        if let Some(errand) = self.errand.take() {
            let head = do_errand(body, frame, person, errand, random);
            return step(success(head), true, random.between(5, 40) * SECOND);
        }
        if self.privileged > 0 {
            return Some(self.privileged_step(person, body));
        }
        if take(&mut self.logout) {
            return step(success("auth.logout"), true, 0);
        }
        None
    }

    fn privileged_step(&mut self, person: &Person, body: &mut Vec<u8>) -> Step {
        let random = &mut self.random;
        let ticket = person.key % 90_000 + 10_000 + (self.session_at / HOUR % 1_000) as u64;
        let target = DOMAINS[(person.key >> 9) as usize % DOMAINS.len()].name;
        let kind = match (self.privileged_steps - self.privileged, self.privileged) {
            (0, _) => "privileged.checkout",
            (1, _) => "privileged.session_start",
            (_, 1) => "privileged.session_end",
            _ => "privileged.command",
        };
        self.privileged -= 1;
        json::privileged(body, target, Some(ticket), &session_id(person, self.device, self.session_at));
        Step { head: success(kind), with_bearer: true, pause: random.between(5, 100) * SECOND }
    }
}

fn purchase(body: &mut Vec<u8>, person: &Person, random: &mut Random, declined: Option<&str>) {
    let number = if random.chance(30) { 1 } else { 0 };
    json::checkout(
        body,
        &json::Checkout {
            order: random.next(),
            amount: random.log_normal(person.usual_amount),
            card: card(person, number),
            card_country: CITIES[person.city].country,
            declined,
        },
    );
}

/// Writes what is particular to an errand and says what type of event it is.
fn do_errand(body: &mut Vec<u8>, frame: &Frame, person: &Person, errand: Errand, random: &mut Random) -> &'static str {
    let token = random.next();
    let customer = Who { class: Class::Customer, number: random.below(u64::from(frame.customers.max(1))) as u32 };
    let colleague = Who { class: Class::Workforce, number: random.below(u64::from(frame.workforce.max(1))) as u32 };
    // Nobody with a life: who comes and goes here does nothing else.
    let passing = Who { class: Class::Workforce, number: 7_000_000 + (token >> 44) as u32 };
    match errand {
        Errand::Update("factor") => {
            json::change(body, &[("target", "factor"), ("value", "totp")]);
            "account.update"
        }
        Errand::Update(what) => {
            json::change(body, &[("target", what), ("value", &format!("{what}-{:08x}", token >> 32))]);
            "account.update"
        }
        Errand::CancelOrder => {
            purchase(body, person, random, None);
            "checkout.refund"
        }
        Errand::Consent => {
            let app = ["calendar-sync", "whiteboard", "diagrams", "survey"][random.below(4) as usize];
            json::change(body, &[("target", app), ("scope", "profile calendar:read")]);
            "consent.grant"
        }
        Errand::NewToken => {
            json::change(body, &[("target", &person.who.id()), ("value", &format!("pat-{:08x}", token >> 32))]);
            "credential.create"
        }
        Errand::ReadSecret => {
            let domain = DOMAINS[(person.key >> 9) as usize % DOMAINS.len()].name;
            json::change(body, &[("secret", &format!("prod/{domain}/password-{}", token % 3))]);
            "secret.read"
        }
        Errand::Grant => {
            let role = ["reporting-reader", "wiki-editor", "crm-user"][random.below(3) as usize];
            json::change(body, &[("role", role), ("target", &colleague.id())]);
            "privilege.grant"
        }
        Errand::Joiner => {
            json::change(body, &[("target", &passing.id())]);
            "account.create"
        }
        Errand::Leaver => {
            json::change(body, &[("target", &passing.id())]);
            "account.disable"
        }
        Errand::ResetPassword => {
            json::request(
                body,
                &json::Request { target: Some(customer), ..json::Request::new("POST", "/support/customers/{id}/reset", "") },
            );
            "auth.recovery"
        }
        Errand::ResetFactor => {
            json::request(
                body,
                &json::Request { target: Some(customer), ..json::Request::new("POST", "/support/customers/{id}/factor", "") },
            );
            json::change(body, &[("target", "factor"), ("role", "removed"), ("value", "totp")]);
            "account.update"
        }
    }
}
