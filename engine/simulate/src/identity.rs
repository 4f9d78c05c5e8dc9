//! Who there is: people and machines, each derived from the seed, a class and a number whenever it is needed, so that a population costs no memory.

use crate::clock::{DAY, HOUR, WEEK};
use crate::random::{Random, mix};
use crate::world::{self, CITIES, Spot};

/// What kind of actor, as the contract names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    Customer,
    Workforce,
    Admin,
    Support,
    /// Lives in a safe: only scenarios use it.
    BreakGlass,
    Service,
    Agent,
    Partner,
    Test,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = Class::Test as usize + 1;

    pub const fn name(self) -> &'static str {
        ["customer", "workforce", "admin", "support", "break_glass", "service", "agent", "partner", "test"][self as usize]
    }

    pub const fn is_person(self) -> bool {
        (self as u8) < Class::Service as u8
    }
}

/// Which identity: its class and its number within the class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Who {
    pub class: Class,
    pub number: u32,
}

impl Who {
    /// The identity's name in the log.
    pub fn id(self) -> String {
        let n = self.number as usize;
        let person = |extra: &str| {
            let first = FIRST_NAMES[n % FIRST_NAMES.len()];
            let last = LAST_NAMES[(n / FIRST_NAMES.len() + n) % LAST_NAMES.len()];
            let round = n / (FIRST_NAMES.len() * LAST_NAMES.len());
            let again = if round == 0 { String::new() } else { format!(".{}", round + 1) };
            format!("{first}.{last}{again}{extra}")
        };
        match self.class {
            Class::Customer => format!("customer-{:06}", n + 1),
            Class::Workforce => person(""),
            Class::Admin => person("@admin"),
            Class::Support => person("@support"),
            Class::BreakGlass => format!("break-glass-{:03}", n % 1_000),
            Class::Service => format!("svc-{}-{:03}", DOMAINS[n % DOMAINS.len()].name, n / DOMAINS.len() + 1),
            Class::Agent => format!("agent-{}-{:03}", AGENTS[n % AGENTS.len()].name, n / AGENTS.len() + 1),
            Class::Partner => format!("partner-{:03}", n + 1),
            Class::Test => format!("ci-smoke-{:03}", n + 1),
        }
    }
}

const FIRST_NAMES: [&str; 32] = [
    "anna", "ben", "chiara", "david", "elena", "finn", "greta", "hugo", "ines", "jonas", "katja", "liam", "mara", "nils", "olga", "pavel",
    "quentin", "rosa", "samir", "tanja", "uma", "victor", "wanda", "xenia", "yusuf", "zoe", "aisha", "bruno", "clara", "dmitri", "emma",
    "farid",
];
const LAST_NAMES: [&str; 31] = [
    "keller", "meier", "rossi", "smith", "dubois", "garcia", "novak", "silva", "weber", "schmid", "frei", "brown", "taylor", "moreau",
    "conti", "lopez", "kowalski", "costa", "huber", "wagner", "jones", "patel", "khan", "tanaka", "okafor", "nguyen", "larsen", "byrne",
    "vidal", "ricci", "bauer",
];

/// A piece of the business, with what its API offers.
pub struct Domain {
    pub name: &'static str,
    /// Method, route template, scope. A service habitually uses the first four; the last is privileged and rare.
    pub routes: [(&'static str, &'static str, &'static str); 5],
}

macro_rules! domain {
    ($name:literal, $path:literal, $scope:literal) => {
        Domain {
            name: $name,
            routes: [
                ("GET", concat!("/v1/", $path, "/{id}"), concat!($scope, ":read")),
                ("GET", concat!("/v1/", $path), concat!($scope, ":read")),
                ("POST", concat!("/v1/", $path), concat!($scope, ":write")),
                ("PATCH", concat!("/v1/", $path, "/{id}"), concat!($scope, ":write")),
                ("GET", concat!("/v1/", $path, "/export"), concat!($scope, ":export")),
            ],
        }
    };
}

pub const DOMAINS: [Domain; 10] = [
    domain!("billing", "invoices", "invoices"),
    domain!("orders", "orders", "orders"),
    domain!("stock", "items", "stock"),
    domain!("ledger", "entries", "ledger"),
    domain!("mailer", "messages", "messages"),
    domain!("pricing", "prices", "prices"),
    domain!("reporting", "reports", "reports"),
    domain!("backup", "snapshots", "snapshots"),
    domain!("search", "documents", "documents"),
    domain!("loyalty", "points", "points"),
];

/// What an AI agent is for, and the tools it was given.
pub struct AgentKind {
    pub name: &'static str,
    pub tools: [&'static str; 4],
    pub scope: &'static str,
}

pub const AGENTS: [AgentKind; 4] = [
    AgentKind { name: "invoice-helper", tools: ["read_invoice", "match_order", "draft_reply", "search_documents"], scope: "invoices:read" },
    AgentKind { name: "ticket-triage", tools: ["read_ticket", "set_priority", "draft_reply", "search_documents"], scope: "tickets:write" },
    AgentKind { name: "code-reviewer", tools: ["read_diff", "run_tests", "comment", "search_code"], scope: "repository:read" },
    AgentKind { name: "sales-research", tools: ["search_web", "read_account", "summarise", "draft_reply"], scope: "accounts:read" },
];

/// Client ids of integrations that many customers have connected.
pub const VENDORS: [&str; 3] = ["int-crm-sync", "int-bookkeeping", "int-analytics"];

/// How somebody proves that it is them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Factor {
    /// A password and nothing else.
    Password,
    Totp,
    Push,
    Passkey,
}

impl Factor {
    /// `auth.method` of the second step, and the `amr` value of RFC 8176.
    pub const fn second(self) -> Option<(&'static str, &'static str)> {
        match self {
            Factor::Password | Factor::Passkey => None,
            Factor::Totp => Some(("totp", "otp")),
            Factor::Push => Some(("push", "swk")),
        }
    }
}

/// A journey: away from home in another city.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Trip {
    pub city: usize,
    /// Leaves home, arrives, leaves there, is back: UTC milliseconds. Nothing happens while in the air.
    pub leaves: i64,
    pub arrives: i64,
    pub returns: i64,
    pub back: i64,
}

/// A person.
#[derive(Clone, Debug)]
pub struct Person {
    pub who: Who,
    /// Differs for every person and seed; everything else of theirs is drawn from it.
    pub key: u64,
    pub tenant: usize,
    pub city: usize,
    /// Works in this office; only for those who work here.
    pub office: usize,
    pub devices: usize,
    pub factor: Factor,
    /// Visits in a week, in hundredths.
    pub weekly_visits: u64,
    /// Days of the week spent in the office, a bit each from Monday.
    pub office_days: u8,
    pub uses_vpn: bool,
    /// How late this person lives, hours after everybody else.
    pub late_hours: i64,
    pub trip: Option<Trip>,
    /// The usual amount of a purchase, minor units.
    pub usual_amount: i64,
    /// Signs up during the simulation, at this time.
    pub joins: Option<i64>,
    /// Buys a new main device at this time.
    pub replaces: Option<i64>,
    /// The browser updates itself at this time.
    pub updates: i64,
    /// Browses through the relay that comes with the phone.
    pub relay: bool,
}

/// What a machine does all day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rhythm {
    /// A batch at fixed times.
    Cron,
    /// The same all day and night.
    Steady,
    /// In bursts, following people's hours.
    Bursty,
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub who: Who,
    pub key: u64,
    pub tenant: usize,
    pub rhythm: Rhythm,
    pub region: usize,
    /// Index into `DOMAINS`, or into `AGENTS` for an agent.
    pub domain: usize,
    /// From the start of one run to that of the next.
    pub period_ms: i64,
    /// Requests in a run.
    pub run_requests: u64,
    /// Between the requests of a run.
    pub gap_ms: u64,
    /// Issues an access token for each run; the others use a static key.
    pub oauth: bool,
    /// Age of the key or client secret when the simulation starts.
    pub key_age_ms: i64,
    pub workloads: u64,
    /// The integration that holds the key, an index into `VENDORS`: it runs at the vendor's, not at ours.
    pub vendor: Option<usize>,
    /// Reads its password from the secret store when it takes a token.
    pub reads_secret: bool,
    /// Number of the workforce member that owns it.
    pub owner: u32,
}

/// What all derivations depend on.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub seed: u64,
    pub start: i64,
    pub end: i64,
    /// About as many events as one identity may make: a small simulation gets calmer identities rather than none.
    pub events_per_identity: u64,
    /// How many there are of those that others refer to: owners, and the customers that support looks up.
    pub workforce: u32,
    pub customers: u32,
}

fn key(frame: &Frame, who: Who) -> (u64, Random) {
    let mut random = Random::of(&[frame.seed, 0x1d, who.class as u64, u64::from(who.number)]);
    (random.next(), random)
}

impl Person {
    pub fn derive(frame: &Frame, who: Who) -> Person {
        let (key, mut random) = key(frame, who);
        let staff = who.class != Class::Customer;
        let tenant = if staff { random.below(3) as usize } else { usize::from(random.chance(400)) };
        let office = random.below(3) as usize;
        let city = if staff { office } else { world::draw_city(&mut random) };
        let factor = match who.class {
            Class::Customer => [Factor::Password, Factor::Totp, Factor::Push, Factor::Passkey][random.weighted(&[70, 10, 8, 12])],
            Class::Admin => [Factor::Passkey, Factor::Push, Factor::Totp][random.weighted(&[60, 25, 15])],
            _ => [Factor::Push, Factor::Totp, Factor::Passkey][random.weighted(&[50, 25, 25])],
        };
        let weekly_visits = match who.class {
            Class::Customer => random.power_law(25, 2_000),
            Class::Workforce => random.power_law(1_200, 9_000),
            Class::Admin => 1_500 + random.below(1_500),
            _ => 3_000 + random.below(4_000),
        };
        // About nine events a visit.
        let weeks = ((frame.end - frame.start) / WEEK).max(1) as u64;
        let weekly_visits = weekly_visits.min((frame.events_per_identity * 100 / (9 * weeks)).max(100));
        let trip = if random.chance(if staff { 120 } else { 60 }) { trip(frame, &mut random, city) } else { None };
        let office_days = [0b11111, 0b01110, 0b10111, 0b00110][random.below(4) as usize];
        let joins = (who.class == Class::Customer && random.chance(40))
            .then(|| frame.start + random.below((frame.end - frame.start) as u64) as i64);
        let span = (frame.end - frame.start) as u64;
        let replaces = random.chance(if staff { 30 } else { 70 }).then(|| frame.start + random.below(span) as i64);
        let updates = frame.start + random.below(span) as i64;
        Person {
            who,
            key,
            tenant,
            city,
            office,
            devices: 1 + random.weighted(&[40, 45, 15]),
            factor,
            weekly_visits,
            office_days,
            uses_vpn: staff && random.chance(400),
            late_hours: random.between(-2, 3),
            trip,
            usual_amount: random.log_normal(4_500),
            joins,
            replaces,
            updates,
            relay: !staff && random.chance(50),
        }
    }

    /// The city this person is in, or `None` in the air.
    pub fn city_at(&self, at: i64) -> Option<usize> {
        match &self.trip {
            Some(t) if (t.leaves..t.arrives).contains(&at) || (t.returns..t.back).contains(&at) => None,
            Some(t) if (t.arrives..t.returns).contains(&at) => Some(t.city),
            _ => Some(self.city),
        }
    }

    /// The line at home, whose address changes every week or two for half of the people and never for the others.
    pub fn home(&self, at: i64) -> Spot {
        let lease = if self.key & 1 == 0 { (at / DAY + (self.key >> 8 & 7) as i64) / (7 + (self.key >> 11 & 7) as i64) } else { 0 };
        world::home(self.city, self.key >> 16, mix(self.key ^ lease as u64))
    }

    /// One of the person's devices; the first is the main one.
    pub fn device(&self, number: usize, at: i64) -> Device {
        let replaced = number == 0 && self.replaces.is_some_and(|from| at >= from);
        let key = mix(self.key ^ (number as u64 + 1) ^ (u64::from(replaced) << 32));
        Device::of(key, self.is_phone(number), at >= self.updates)
    }

    pub fn is_phone(&self, number: usize) -> bool {
        if self.who.class == Class::Customer { number.is_multiple_of(2) } else { number % 2 == 1 }
    }
}

fn trip(frame: &Frame, random: &mut Random, home: usize) -> Option<Trip> {
    let city = world::draw_city(random);
    let km = world::distance_km((CITIES[home].lat, CITIES[home].lon), (CITIES[city].lat, CITIES[city].lon));
    let days = (frame.end - frame.start) / DAY;
    if city == home || days < 14 {
        return None;
    }
    // Door to door: three hours and a bit, and 700 km/h in between.
    let travel = 3 * HOUR + (km / 700.0 * HOUR as f64) as i64;
    let leaves = frame.start + random.between(4, days - 8) * DAY + random.between(4, 18) * HOUR;
    let arrives = leaves + travel;
    let returns = arrives + random.between(1, 6) * DAY + random.between(0, 10) * HOUR;
    Some(Trip { city, leaves, arrives, returns, back: returns + travel })
}

impl Machine {
    pub fn derive(frame: &Frame, who: Who) -> Machine {
        let (key, mut random) = key(frame, who);
        let span = (frame.end - frame.start) as u64;
        let rhythm = match who.class {
            Class::Service => [Rhythm::Cron, Rhythm::Steady, Rhythm::Bursty][random.weighted(&[40, 35, 25])],
            Class::Test => Rhythm::Cron,
            _ => Rhythm::Bursty,
        };
        let (period, requests, gap) = match rhythm {
            Rhythm::Cron => (*random.pick(&[HOUR, 6 * HOUR, DAY, DAY]), 2 + random.power_law(2, 30), 400 + random.below(3_000)),
            Rhythm::Steady => {
                let gap = random.power_law(5_000, 300_000);
                (HOUR, HOUR as u64 / gap, gap)
            }
            Rhythm::Bursty => (HOUR / 2 * random.between(1, 8), 4 + random.power_law(3, 60), 700 + random.below(8_000)),
        };
        // A small simulation gets slower machines rather than none.
        let runs = (span / period as u64).max(1);
        let run_requests = requests.min((frame.events_per_identity / runs).max(2));
        let gap_ms = if rhythm == Rhythm::Steady { HOUR as u64 / run_requests } else { gap };
        let period_ms = period * (1 + (runs * (run_requests + 1) / frame.events_per_identity.max(1)) as i64);
        let domain = who.number as usize % if who.class == Class::Agent { AGENTS.len() } else { DOMAINS.len() };
        Machine {
            who,
            key,
            tenant: random.below(3) as usize,
            rhythm,
            region: random.weighted(&[40, 30, 20, 10]),
            domain,
            period_ms,
            run_requests,
            gap_ms,
            oauth: who.class == Class::Agent || (who.class == Class::Service && random.chance(600)),
            key_age_ms: random.between(3, 60) * DAY,
            workloads: 1 + random.below(3),
            vendor: (who.class == Class::Partner && !who.number.is_multiple_of(4)).then(|| who.number as usize % VENDORS.len()),
            reads_secret: who.class == Class::Service && random.chance(350),
            owner: random.below(u64::from(frame.workforce.max(1))) as u32,
        }
    }

    /// The SPIFFE ID of the workload that it runs in.
    pub fn workload(&self) -> String {
        format!("spiffe://{}.example/prod/{}", world::TENANTS[self.tenant], self.who.id())
    }

    /// The address of one of its instances; a deployment moves them about once a week.
    pub fn spot(&self, at: i64, instance: u64) -> Spot {
        let deployment = (at / DAY + (self.key & 7) as i64) / 7;
        match self.who.class {
            Class::Partner => world::partner(self.vendor.map_or(u64::from(self.who.number), |v| 380 + v as u64)),
            _ => world::cloud(self.region, mix(self.key ^ deployment as u64 ^ ((instance % self.workloads) << 32))),
        }
    }

    /// Id of its static key or client secret.
    pub fn key_id(&self) -> String {
        format!("key-{:010x}", self.key >> 24)
    }

    /// The person that an agent works for in this run.
    pub fn principal(&self, run: u64) -> Who {
        Who { class: Class::Workforce, number: if run % 3 == 2 { self.owner / 2 } else { self.owner } }
    }
}

/// A browser or an app on somebody's hardware.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    pub id: u64,
    pub user_agent: &'static str,
    pub ja4: &'static str,
    pub is_phone: bool,
}

/// User agent before and after its update, and JA4, which stays.
type Browser = (&'static str, &'static str, &'static str);

const PHONES: [Browser; 3] = [
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1",
        "t13d2014h2_a09f3c656075_14788d8d241b",
    ),
    (
        "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Mobile Safari/537.36",
        "t13d1516h2_8daaf6152771_d8a2da3f94cd",
    ),
    (
        "Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 16; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Mobile Safari/537.36",
        "t13d1516h2_8daaf6152771_b1ff8ab2d16f",
    ),
];
const COMPUTERS: [Browser; 4] = [
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
        "t13d1516h2_8daaf6152771_02713d6af862",
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15",
        "t13d2613h2_2802a3db6c62_845d286b0d67",
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:136.0) Gecko/20100101 Firefox/136.0",
        "t13d1715h2_5b57614c22b0_5c2c66f702b0",
    ),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
        "t13d1517h2_8daaf6152771_b0da82dd1658",
    ),
];

impl Device {
    pub fn of(key: u64, is_phone: bool, updated: bool) -> Device {
        let kinds: &[Browser] = if is_phone { &PHONES } else { &COMPUTERS };
        let (before, after, ja4) = kinds[(key >> 40) as usize % kinds.len()];
        let user_agent = if updated { after } else { before };
        Device { id: key & 0xff_ffff_ffff, user_agent, ja4, is_phone }
    }

    /// A program that somebody wrote in an hour.
    pub fn script(key: u64) -> Device {
        let (user_agent, ja4) = [
            ("python-requests/2.32.3", "t13d1812h1_85036bcba153_375ca2c5e164"),
            ("Go-http-client/2.0", "t13d190900_9dc949149365_97f8aa674fd9"),
            ("okhttp/4.12.0", "t13d1513h2_8daaf6152771_eca864cca44a"),
        ][key as usize % 3];
        Device { id: key & 0xff_ffff_ffff, user_agent, ja4, is_phone: false }
    }
}
