//! Keys and agents that do what they were not made for.

use super::scene::{Mark, Post, Scene};
use crate::clock::{DAY, HOUR, SECOND};
use crate::identity::{AGENTS, Machine, Who};
use crate::json::{self, success};
use crate::world;

/// The machine's key in the hands of somebody with a server of their own.
fn elsewhere(scene: &mut Scene<'_>, machine: &Machine) -> Post {
    let (place, host) = (scene.random.below(34) as usize, scene.random.next());
    // Hard: a server in the same cloud that the company uses, in another region.
    let spot = scene.by(world::rented(place, host), world::rented(place, host), world::cloud(machine.region + 1, host));
    let user_agent = scene.by("curl/8.11.1", "python-requests/2.32.3", crate::life::machine::user_agent(machine));
    Post { spot, user_agent, attested: false, ..scene.on_its_workload(machine) }
}

pub fn service_key_elsewhere(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let thief = elsewhere(scene, &machine);
    let mut at = scene.at;
    for n in 0..scene.by(40, 16, 6) {
        // Looks around first, then takes the export.
        let route = if n == 0 { 1 } else { [0, 4, 1][n % 3] };
        let domain = machine.domain + scene.by(n / 6, n / 8, 0);
        scene.call(at, &thief, domain, route, if n == 0 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(1, 20);
    }
}

pub fn leaked_key_surge(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let mut thief = scene.on_its_workload(&machine);
    thief.spot = thief.spot.neighbour(scene.random.next() as u32);
    let (requests, gap, enough) = scene.by((600, 40, 200), (400, 150, 160), (250, 500, 120));
    let mut at = scene.at;
    for n in 0..requests {
        scene.call(at, &thief, machine.domain, usize::from(n % 5 == 4), if n == enough { Mark::Enough } else { Mark::Part });
        at += gap + scene.random.exponential(gap as u64) as i64;
    }
}

pub fn stale_key_misuse(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let issued_at = scene.frame.start - scene.by(1_400, 700, 400) * DAY;
    let own = Post { issued_at, ..scene.on_its_workload(&machine) };
    // A small job, once a day, for as long as anybody remembers.
    for day in (1..=12).rev() {
        let mut at = (scene.at - day * DAY) / DAY * DAY + 3 * HOUR + scene.seconds(0, 20);
        for _ in 0..3 {
            scene.call(at, &own, machine.domain, 0, Mark::Background);
            at += scene.seconds(1, 4);
        }
    }
    let thief = Post { issued_at, ..elsewhere(scene, &machine) };
    let mut at = scene.at;
    for n in 0..scene.by(30, 14, 6) {
        scene.call(at, &thief, machine.domain, [4, 1, 2][n % 3], if n == 0 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(2, 25);
    }
}

pub fn agent_drift(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let kind = &AGENTS[machine.domain];
    let post = Post { key: String::new(), ..scene.on_its_workload(&machine) };
    let principal: Who = machine.principal(0);
    let task = 900_000 + scene.random.below(90_000);
    let foreign = scene.by(
        [
            ("run_shell", "shell:execute"),
            ("export_customers", "customers:export"),
            ("send_payment", "payments:write"),
            ("read_secret", "secrets:read"),
        ],
        [
            ("export_customers", "customers:export"),
            ("read_account", "accounts:read"),
            ("send_mail", "mail:send"),
            ("export_customers", "customers:export"),
        ],
        [("read_account", "accounts:read"), ("send_mail", "mail:send"), ("read_account", "accounts:read"), ("send_mail", "mail:send")],
    );
    let (calls, every) = scene.by((24, 1), (24, 2), (24, 4));
    let mut at = scene.at;
    let mut drifted = 0;
    for n in 0..calls {
        let drifts = n >= 2 && n % every == 0;
        let (tool, scope) = if drifts { foreign[drifted % foreign.len()] } else { (kind.tools[n % 3], kind.scope) };
        drifted += usize::from(drifts);
        let mark = match (drifts, drifted) {
            (false, _) => Mark::Background,
            (true, 1) => Mark::Enough,
            (true, _) => Mark::Part,
        };
        let object = Some(scene.random.below(9_000));
        scene.run(at, &post, Some(principal), success("api.request"), mark, |out| {
            json::request(
                out,
                &json::Request { method: "POST", route: "/tools/{tool}", status: 200, bytes: 900, object, scope, target: None },
            );
            json::agent(out, tool, &machine, task);
        });
        at += scene.random.between(600, 9_000).min(20 * SECOND);
    }
}
