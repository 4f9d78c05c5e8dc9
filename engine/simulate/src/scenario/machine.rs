//! Keys that do what they were not made for.

use super::scene::{Key, Mark, Post, Scene};
use super::{ATTACK, Scenario, cron, extra, one, static_key, vendor_key};
use crate::clock::{DAY, HOUR, MINUTE};
use crate::identity::{Class, DOMAINS, Machine, Who};
use crate::json::{self, success};
use crate::world;

pub const SERVICE_KEY_ELSEWHERE: Scenario = Scenario {
    name: "service_key_elsewhere",
    doc: "A service's key used from a rented server, outside its workload.",
    cast: one(Class::Service, static_key),
    signals: &["off_workload", "new_scope"],
    play: service_key_elsewhere,
    ..ATTACK
};

fn service_key_elsewhere(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let thief = scene.elsewhere(&machine);
    let mut at = scene.at;
    for n in 0..scene.by(40, 16, 6) {
        // Looks around first, then takes the export.
        let route = if n == 0 { 1 } else { [0, 4, 1][n % 3] };
        let domain = machine.domain + scene.by(n / 6, n / 8, 0);
        scene.call(at, &thief, domain, route, if n == 0 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(1, 20);
    }
}

pub const LEAKED_KEY_SURGE: Scenario = Scenario {
    name: "leaked_key_surge",
    doc: "A leaked partner key reads as fast as it can, through the partner's own network.",
    cast: one(Class::Partner, static_key),
    signals: &["cadence_surge"],
    play: leaked_key_surge,
    ..ATTACK
};

fn leaked_key_surge(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let mut thief = scene.on_its_workload(&machine);
    thief.spot = thief.spot.neighbour(scene.random.next() as u32);
    let (requests, gap, enough) = scene.by((400, 40, 200), (300, 150, 160), (200, 500, 120));
    let mut at = scene.at;
    for n in 0..requests {
        scene.call(at, &thief, machine.domain, usize::from(n % 5 == 4), if n == enough { Mark::Enough } else { Mark::Part });
        at += gap + scene.random.exponential(gap as u64) as i64;
    }
}

pub const STALE_KEY_MISUSE: Scenario = Scenario {
    name: "stale_key_misuse",
    doc: "A key that should have been rotated years ago, used from somewhere else.",
    cast: extra(Class::Service),
    signals: &["stale_credential", "rotation_overdue", "off_workload", "new_scope"],
    play: stale_key_misuse,
    ..ATTACK
};

fn stale_key_misuse(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let issued_at = scene.frame.start - scene.by(1_400, 700, 400) * DAY;
    let key = Key::Static(machine.key_id(), issued_at);
    let own = Post { key: key.clone(), ..scene.on_its_workload(&machine) };
    // A small job, once a day, for as long as anybody remembers.
    scene.enlist(scene.at - 20 * DAY, r#","max_token_age":"365d","rotate_every":"180d","shared_by":[]"#);
    scene.job(&own, (1..=18).rev(), 3, 3, 0);
    let thief = Post { key, ..scene.elsewhere(&machine) };
    let mut at = scene.at;
    for n in 0..scene.by(30, 14, 6) {
        scene.call(at, &thief, machine.domain, [4, 1, 2][n % 3], if n == 0 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(2, 25);
    }
}

pub const CRON_OFF_SCHEDULE: Scenario = Scenario {
    name: "cron_off_schedule",
    doc: "An implant on a job's own host uses its key by hand, at hours at which the job never runs.",
    cast: one(Class::Service, cron),
    signals: &["rhythm_break", "cadence_surge"],
    play: cron_off_schedule,
    ..ATTACK
};

fn cron_off_schedule(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let implant = scene.on_its_workload(&machine);
    let (calls, low, high, enough) = scene.by((60, 5, 60, 12), (40, 10, 200, 10), (20, 60, 600, 8));
    let mut at = scene.at;
    for n in 0..calls {
        let route = if n % 3 == 2 { 1 } else { 0 };
        scene.call(at, &implant, machine.domain, route, if n == enough { Mark::Enough } else { Mark::Part });
        at += scene.seconds(low, high);
    }
}

pub const CONSOLE_WITH_SERVICE_KEY: Scenario = Scenario {
    name: "console_with_service_key",
    doc: "A person works with a service's key, from a browser or a terminal.",
    cast: one(Class::Service, static_key),
    signals: &["human_use_of_machine", "off_workload"],
    play: console_with_service_key,
    ..ATTACK
};

fn console_with_service_key(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let host = scene.random.next();
    let browser = crate::identity::Device::of(host, false, true).user_agent;
    let spot = scene.by(
        world::residential_abroad(host as usize % 5, host),
        world::home(machine.tenant, host, host),
        world::office(machine.tenant, 0, host),
    );
    let user_agent = scene.by(browser, browser, "curl/8.11.1");
    let person = Post { spot, user_agent, workload: String::new(), ..scene.on_its_workload(&machine) };
    let mut at = scene.at;
    for n in 0..scene.by(20, 14, 8) {
        scene.call(at, &person, machine.domain, [1, 0, 4][n % 3], if n == 0 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(4, 60);
    }
}

pub const JOB_OUTSIDE_ENVELOPE: Scenario = Scenario {
    name: "job_outside_envelope",
    doc: "A job whose hours, routes and rate are declared does something else, from where it always runs.",
    cast: extra(Class::Service),
    signals: &["envelope_breach", "rhythm_break", "off_hours"],
    play: job_outside_envelope,
    ..ATTACK
};

fn job_outside_envelope(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let own = Post { key: scene.static_key(&machine), ..scene.on_its_workload(&machine) };
    let route = DOMAINS[machine.domain].routes[0].1;
    // Half a day away from now, and not over midnight.
    let hour = ((scene.at / HOUR + 12) % 24).min(22);
    let expected = format!(
        r#","owner":"anna.keller","expected":{{"workloads":["{}"],"routes":["{route}"],"hours":"{hour:02}:00-{:02}:59","max_rate_per_minute":40}},"shared_by":[]"#,
        own.workload,
        hour + 1
    );
    scene.enlist(scene.at - 20 * DAY, &expected);
    scene.job(&own, (1..=18).rev(), hour, 6, 0);
    let (calls, gap) = scene.by((120, 400), (40, 4_000), (12, 30_000));
    let mut at = scene.at;
    for n in 0..calls {
        let route = if scene.by(true, true, false) { [4, 2][n % 2] } else { 0 };
        scene.call(at, &own, machine.domain, route, if n == 0 { Mark::Enough } else { Mark::Part });
        at += gap + scene.random.exponential(gap as u64) as i64;
    }
}

pub const ROGUE_SERVICE_ACCOUNT: Scenario = Scenario {
    name: "rogue_service_account",
    doc: "A stolen administrator's account makes a service account, and that one empties the shelves within the hour.",
    cast: extra(Class::Service),
    signals: &["fresh_identity", "new_scope"],
    play: rogue_service_account,
    ..ATTACK
};

fn rogue_service_account(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let admin = scene.somebody(Class::Admin);
    let mut desk = scene.at_home(&admin);
    scene.login(scene.at - 5 * MINUTE, &mut desk, admin.factor, Mark::Part);
    let id = machine.who.id();
    scene.change(scene.at - 3 * MINUTE, &desk, "account.create", &[("target", &id)], Mark::Part);
    scene.change(scene.at - 2 * MINUTE, &desk, "credential.create", &[("target", &id), ("value", &machine.key_id())], Mark::Part);
    scene.change(scene.at - MINUTE, &desk, "privilege.grant", &[("role", "secret-store-reader"), ("target", &id)], Mark::Part);
    let rogue = Post { key: Key::Static(machine.key_id(), scene.at - 2 * MINUTE), ..scene.elsewhere(&machine) };
    // From the company's own cloud it could be a new service, until it has taken what no new service needs.
    let enough = scene.by(0, 2, 9);
    let mut at = scene.at + scene.by(2 * MINUTE, 10 * MINUTE, 30 * MINUTE);
    for n in 0..scene.by(40, 24, 16) {
        let mark = if n == enough { Mark::Enough } else { Mark::Part };
        if n % 2 == 0 {
            let secret = format!("prod/{}/database", DOMAINS[n / 2 % DOMAINS.len()].name);
            scene.run(at, &rogue, None, success("secret.read"), mark, |out| json::change(out, &[("secret", &secret)]));
        } else {
            scene.call(at, &rogue, n, 4, mark);
        }
        at += scene.seconds(2, 20);
    }
}

pub const SECRET_HARVEST: Scenario = Scenario {
    name: "secret_harvest",
    doc: "A build server's key reads every secret that it may.",
    cast: one(Class::Service, static_key),
    signals: &["mass_secret_read"],
    play: secret_harvest,
    ..ATTACK
};

fn secret_harvest(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let own = scene.on_its_workload(&machine);
    let (secrets, low, high) = scene.by((45, 1, 5), (24, 5, 40), (14, 60, 200));
    let mut at = scene.at;
    for n in 0..secrets {
        let secret = format!("prod/{}/password-{n}", DOMAINS[n % DOMAINS.len()].name);
        scene.run(at, &own, None, success("secret.read"), if n == 6 { Mark::Enough } else { Mark::Part }, |out| {
            json::change(out, &[("secret", &secret)]);
        });
        at += scene.seconds(low, high);
    }
}

pub const VENDOR_COMPROMISE: Scenario = Scenario {
    name: "vendor_compromise",
    doc: "An integration is broken into: the keys of many customers that it holds are used from one strange server.",
    cast: one(Class::Partner, vendor_key),
    signals: &["vendor_wave", "off_workload", "new_scope"],
    play: vendor_compromise,
    ..ATTACK
};

fn vendor_compromise(scene: &mut Scene<'_>) {
    let first = scene.machine();
    let mut held = vec![first.clone()];
    // Other customers' keys of the same integration, with a little history each.
    let others = 20_000 + scene.random.below(1 << 20) as u32 * 8;
    for n in 0..scene.by(7, 5, 4) {
        let who = Who { class: Class::Partner, number: others + n };
        held.push(Machine { who, vendor: first.vendor, tenant: first.tenant, ..Machine::derive(scene.frame, who) });
    }
    for machine in &held[1..] {
        let own = scene.on_its_workload(machine);
        scene.job(&own, (1..=8).rev(), 5, 2, 0);
    }
    let spot = scene.lair();
    let mut at = scene.at;
    for n in 0..held.len() * 4 {
        let machine = held[n % held.len()].clone();
        let thief = Post { spot, ..scene.on_its_workload(&machine) };
        // A second key from the same strange place within minutes: it is the vendor, not a customer who moved.
        let mark = if n == held.len() { Mark::Enough } else { Mark::Part };
        scene.call(at, &thief, machine.domain, [1, 4, 0, 4][n / held.len()], mark);
        at += scene.seconds(5, 90);
    }
}
