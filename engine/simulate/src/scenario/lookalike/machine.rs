//! Machines whose day is not like the other days: deployments, month ends, rotations, new tools.

use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::{AGENTS, Class, DOMAINS, Who};
use crate::json::{self, Request, failure, put, success};
use crate::scenario::scene::{Key, Mark, Post, Scene};
use crate::scenario::{FOR_GOOD, LOOK_ALIKE, Scenario, When, anyone, cron, extra, oauth, one, partner_key, static_key, vendor_key};
use crate::world;
use std::io::Write;

pub const CRON_EXPIRED_PASSWORD: Scenario = Scenario {
    name: "cron_expired_password",
    doc: "A job whose secret has expired fails every few minutes all day.",
    cast: one(Class::Service, cron),
    absence: Some((0, 12 * HOUR)),
    signals: &["failed_login_spike", "fruitless_source", "cadence_surge"],
    play: cron_expired_password,
    ..LOOK_ALIKE
};

fn cron_expired_password(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let post = scene.on_its_workload(&machine);
    let mut at = scene.at;
    for _ in 0..scene.random.between(50, 80) {
        scene.run(at, &post, None, failure("auth.token"), Mark::Part, |out| json::auth(out, "client_credentials", "expired", &[]));
        at += 5 * MINUTE + scene.random.between(0, 900);
    }
}

pub const KEY_ROTATION_OVERLAP: Scenario = Scenario {
    name: "key_rotation_overlap",
    doc: "A key is rotated; for two days instances use the old and the new one.",
    cast: one(Class::Service, static_key),
    when: When::WorkHours,
    absence: Some((0, FOR_GOOD)),
    signals: &["token_replay", "revoked_use", "shared_credential"],
    play: key_rotation_overlap,
    ..LOOK_ALIKE
};

fn key_rotation_overlap(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let old = scene.on_its_workload(&machine);
    let old_id = machine.key_id();
    let new = Post { key: Key::Static(format!("{old_id}-b"), scene.at), ..old.clone() };
    scene.run(scene.at, &new, None, success("credential.rotate"), Mark::Part, |out| json::change(out, &[("value", &old_id)]));
    let mut at = scene.at + MINUTE;
    for n in 0..48 {
        // Half of the instances at first, then fewer and fewer, still use the old one.
        let post = if n % 2 == 0 && n < 24 || n % 6 == 0 { &old } else { &new };
        let post = Post { spot: machine.spot(scene.at, n), ..post.clone() };
        scene.call(at, &post, machine.domain, (n % 2) as usize, Mark::Part);
        at += HOUR + scene.seconds(0, 30);
    }
    scene.run(at, &new, None, success("credential.revoke"), Mark::Part, |out| json::change(out, &[("value", &old_id)]));
    // From now on only the new one.
    while at < scene.frame.end - HOUR {
        at += 3 * HOUR + scene.seconds(0, 30);
        scene.call(at, &new, machine.domain, 0, Mark::Background);
    }
}

pub const ROTATED_AFTER_EXPOSURE: Scenario = Scenario {
    name: "rotated_after_exposure",
    doc: "A key is found in a repository, rotated and revoked at once, and never seen again.",
    cast: one(Class::Service, static_key),
    when: When::WorkHours,
    // What runs when it is found has ended: "never seen again" holds.
    absence: Some((HOUR, FOR_GOOD)),
    signals: &["exposed_credential", "revoked_use"],
    play: rotated_after_exposure,
    ..LOOK_ALIKE
};

fn rotated_after_exposure(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let old = machine.key_id();
    scene.control(scene.at, "credential.exposed", machine.who, Mark::Part, |out| {
        put!(out, r#","credential":{{"id":"{old}","kind":"api_key"}}"#);
    });
    let post = scene.on_its_workload(&machine);
    let new = Post { key: Key::Static(format!("{old}-b"), scene.at + MINUTE), ..post };
    scene.run(scene.at + MINUTE, &new, None, success("credential.rotate"), Mark::Part, |out| json::change(out, &[("value", &old)]));
    scene.run(scene.at + 2 * MINUTE, &new, None, success("credential.revoke"), Mark::Part, |out| json::change(out, &[("value", &old)]));
    let mut at = scene.at + 10 * MINUTE;
    for n in 0..24 {
        scene.call(at, &new, machine.domain, n % 2, Mark::Part);
        at += HOUR + scene.seconds(0, 60);
    }
}

pub const BLUE_GREEN_DEPLOY: Scenario = Scenario {
    name: "blue_green_deploy",
    doc: "A new version starts beside the old one on other hosts, reads its secrets, and takes over.",
    cast: one(Class::Service, anyone),
    when: When::WorkHours,
    signals: &["off_workload", "token_replay", "mass_secret_read", "shared_credential", "rhythm_break"],
    play: blue_green_deploy,
    ..LOOK_ALIKE
};

fn blue_green_deploy(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let blue = scene.on_its_workload(&machine);
    let green = Post { spot: world::cloud(machine.region, scene.token()), workload: format!("{}-green", blue.workload), ..blue.clone() };
    let mut at = scene.at;
    for secret in ["database", "queue", "mail"] {
        let secret = format!("prod/{}/{secret}", machine.who.id());
        scene.run(at, &green, None, success("secret.read"), Mark::Part, |out| json::change(out, &[("secret", &secret)]));
        at += SECOND;
    }
    for n in 0..30 {
        let post = if n % 3 == 2 && n < 20 { &blue } else { &green };
        scene.call(at, post, machine.domain, n % 2, Mark::Part);
        at += scene.seconds(2, 40);
    }
}

pub const MONTHLY_JOB: Scenario = Scenario {
    name: "monthly_job",
    doc: "The first of the month: the invoice run, ten times a normal day.",
    cast: extra(Class::Service),
    signals: &["cadence_surge", "rhythm_break", "new_scope", "dormant_return"],
    play: monthly_job,
    ..LOOK_ALIKE
};

fn monthly_job(scene: &mut Scene<'_>) {
    run_of_the_period(scene, 30, 80, 2);
}

pub const QUARTERLY_JOB: Scenario = Scenario {
    name: "quarterly_job",
    doc: "The quarter's closing: a job that nobody has seen for three months exports everything, as declared.",
    cast: extra(Class::Service),
    signals: &["cadence_surge", "new_scope", "dormant_return", "off_hours"],
    play: quarterly_job,
    ..LOOK_ALIKE
};

fn quarterly_job(scene: &mut Scene<'_>) {
    run_of_the_period(scene, 91, 60, 4);
}

/// A small daily check, and a big run every so many days, of which the last two were before the log begins to be rich.
fn run_of_the_period(scene: &mut Scene<'_>, days: i64, calls: usize, route: usize) {
    let machine = scene.machine();
    let key = Key::Static(machine.key_id(), scene.at - (2 * days + 20) * DAY);
    let own = Post { key, ..scene.on_its_workload(&machine) };
    let routes = &DOMAINS[machine.domain].routes;
    let expected = format!(
        r#","owner":"anna.keller","labels":["period-end"],"expected":{{"workloads":["{}"],"routes":["{}","{}"]}},"shared_by":[]"#,
        own.workload, routes[0].1, routes[route].1
    );
    scene.enlist(scene.at - (2 * days + 1) * DAY, &expected);
    scene.job(&own, [2 * days, days].into_iter(), 2, calls / 4, route);
    scene.job(&own, (1..=14).rev(), 2, 2, 0);
    let mut at = scene.at;
    for _ in 0..calls {
        scene.call(at, &own, machine.domain, route, Mark::Part);
        at += scene.random.between(300, 1_500);
    }
}

pub const QUARTERLY_BACKUP: Scenario = Scenario {
    name: "quarterly_backup",
    doc: "A full backup to another region, announced in the inventory.",
    cast: extra(Class::Service),
    when: When::Night,
    signals: &["egress_surge", "cadence_surge"],
    play: quarterly_backup,
    ..LOOK_ALIKE
};

fn quarterly_backup(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let own = Post { key: scene.static_key(&machine), ..scene.on_its_workload(&machine) };
    let (method, route, scope) = DOMAINS[machine.domain].routes[4];
    let expected = format!(r#","labels":["backup"],"expected":{{"workloads":["{}"],"routes":["{route}"]}},"shared_by":[]"#, own.workload);
    scene.enlist(scene.at - 20 * DAY, &expected);
    scene.job(&own, (1..=18).rev(), 2, 2, 4);
    let mut at = scene.at;
    for n in 0..25 {
        let request = Request { bytes: 40_000_000, object: Some(n), ..Request::new(method, route, scope) };
        scene.request(at, &own, &request, Mark::Part);
        at += scene.seconds(20, 60);
    }
}

pub const PARTNER_FAILOVER: Scenario = Scenario {
    name: "partner_failover",
    doc: "A partner's data centre burns; everything comes from its second one, in another country.",
    cast: one(Class::Partner, partner_key),
    absence: Some((0, 8 * HOUR)),
    signals: &["off_workload", "new_place", "token_replay", "envelope_breach"],
    play: partner_failover,
    ..LOOK_ALIKE
};

fn partner_failover(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let first = scene.on_its_workload(&machine);
    // The same company's network, in another of its places.
    let second = world::partner(u64::from(machine.who.number) + 7).owned_by(first.spot.asn);
    let moved = Post { spot: second, ..first };
    let mut at = scene.at;
    for n in 0..50 {
        scene.call(at, &moved, machine.domain, n % 3, Mark::Part);
        at += scene.seconds(20, 300);
    }
}

pub const PLANNED_VENDOR_MOVE: Scenario = Scenario {
    name: "planned_vendor_move",
    doc: "An integration moves to another cloud, and says so beforehand: its keys come from there.",
    cast: one(Class::Partner, vendor_key),
    when: When::WorkHours,
    signals: &["vendor_wave", "off_workload", "envelope_breach"],
    play: planned_vendor_move,
    ..LOOK_ALIKE
};

fn planned_vendor_move(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let new_home = world::cloud(2, 77);
    scene.enlist(scene.at - DAY, &format!(r#","expected":{{"asns":[{},{}]}}"#, machine.spot(scene.at, 0).asn, new_home.asn));
    let moved = Post { spot: new_home, ..scene.on_its_workload(&machine) };
    let mut at = scene.at;
    for n in 0..30 {
        scene.call(at, &moved, machine.domain, n % 3, Mark::Part);
        at += scene.seconds(20, 300);
    }
}

pub const CLOCKS_CHANGE: Scenario = Scenario {
    name: "clocks_change",
    doc: "A job that follows local time runs an hour earlier by UTC after the Sunday when clocks change.",
    cast: extra(Class::Service),
    when: When::ClocksChange,
    signals: &["rhythm_break", "off_hours", "envelope_breach"],
    play: clocks_change,
    ..LOOK_ALIKE
};

fn clocks_change(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let own = Post { key: scene.static_key(&machine), ..scene.on_its_workload(&machine) };
    scene.enlist(scene.at - 27 * DAY, r#","expected":{"hours":"03:00-03:59 Europe/Zurich"},"shared_by":[]"#);
    scene.job(&own, (1..=26).rev(), 2, 3, 0);
    let mut at = scene.at / DAY * DAY + HOUR + scene.seconds(5, 40);
    for _ in 0..3 {
        scene.call(at, &own, machine.domain, 0, Mark::Part);
        at += scene.seconds(1, 4);
    }
}

pub const LOAD_TEST: Scenario = Scenario {
    name: "load_test",
    doc: "A load test at a hundred times the usual rate, with the identity that is there for it.",
    cast: one(Class::Test, anyone),
    when: When::WorkHours,
    signals: &["cadence_surge", "object_enumeration", "scraping"],
    play: load_test,
    ..LOOK_ALIKE
};

fn load_test(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let own = scene.on_its_workload(&machine);
    let mut at = scene.at;
    for n in 0..250 {
        scene.call(at, &own, machine.domain, n % 4, Mark::Part);
        at += scene.random.between(20, 120);
    }
}

pub const BUSY_AGENT: Scenario = Scenario {
    name: "busy_agent",
    doc: "An agent gets a long task: many calls of its own tools at once, on behalf of its own principal.",
    cast: one(Class::Agent, anyone),
    when: When::WorkHours,
    signals: &["cadence_surge", "agent_runaway", "tool_drift"],
    play: busy_agent,
    ..LOOK_ALIKE
};

fn busy_agent(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let kind = &AGENTS[machine.domain];
    let post = scene.on_its_workload(&machine);
    let task = 600_000 + scene.random.below(90_000);
    let mut at = scene.at;
    for n in 0..90 {
        scene.use_tool(at, &post, machine.principal(0), (kind.tools[n * n % 4], kind.scope), task, Mark::Part);
        at += 150 + scene.random.exponential(900) as i64;
    }
}

pub const NEW_DELEGATION: Scenario = Scenario {
    name: "new_delegation",
    doc: "An agent gets a new principal and a new tool, and the inventory says so first.",
    cast: one(Class::Agent, anyone),
    when: When::WorkHours,
    signals: &["delegation_mismatch", "tool_drift", "new_scope"],
    play: new_delegation,
    ..LOOK_ALIKE
};

fn new_delegation(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let kind = &AGENTS[machine.domain];
    let added: Who = scene.somebody(Class::Workforce).who;
    let delegations: Vec<String> = [machine.principal(0), machine.principal(2), added]
        .iter()
        .map(|p| format!(r#"{{"principal":"{}","scopes":["{}","calendar:read"]}}"#, p.id(), kind.scope))
        .collect();
    scene.enlist(scene.at - 3 * HOUR, &format!(r#","delegated_by":[{}]"#, delegations.join(",")));
    let post = scene.on_its_workload(&machine);
    let task = 500_000 + scene.random.below(90_000);
    let mut at = scene.at;
    for n in 0..16 {
        let tool = if n % 5 == 4 { ("read_calendar", "calendar:read") } else { (kind.tools[n % 4], kind.scope) };
        scene.use_tool(at, &post, added, tool, task, Mark::Part);
        at += scene.seconds(1, 12);
    }
}

pub const NEW_SERVICE: Scenario = Scenario {
    name: "new_service",
    doc: "A team starts a new service: created, listed and used within the hour, from its own workload.",
    cast: extra(Class::Service),
    when: When::WorkHours,
    signals: &["fresh_identity", "new_scope", "unusual_grant"],
    play: new_service,
    ..LOOK_ALIKE
};

fn new_service(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let admin = scene.somebody(Class::Admin);
    let mut desk = scene.at_work(&admin);
    let id = machine.who.id();
    scene.login(scene.at - 40 * MINUTE, &mut desk, admin.factor, Mark::Background);
    scene.change(scene.at - 30 * MINUTE, &desk, "account.create", &[("target", &id)], Mark::Background);
    scene.change(scene.at - 29 * MINUTE, &desk, "credential.create", &[("target", &id), ("value", &machine.key_id())], Mark::Background);
    let own = Post { key: Key::Static(machine.key_id(), scene.at - 29 * MINUTE), ..scene.on_its_workload(&machine) };
    let expected = format!(r#","owner":"anna.keller","expected":{{"workloads":["{}"]}},"shared_by":[]"#, own.workload);
    scene.enlist(scene.at - 20 * MINUTE, &expected);
    let mut at = scene.at;
    for n in 0..30 {
        scene.call(at, &own, machine.domain, n % 3, Mark::Part);
        at += scene.seconds(2, 30);
    }
}

pub const CLOCK_SKEW: Scenario = Scenario {
    name: "clock_skew",
    doc: "A host's clock is slow: its tokens are used up to a minute after they ran out.",
    cast: one(Class::Service, oauth),
    signals: &["expired_use"],
    play: clock_skew,
    ..LOOK_ALIKE
};

fn clock_skew(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let own = scene.on_its_workload(&machine);
    let mut at = scene.at;
    for _ in 0..4 {
        let id = format!("at-{:012x}", scene.token() >> 16);
        let key = Key::Token(id, at, at + HOUR);
        let post = Post { key, ..own.clone() };
        scene.run(at, &post, None, success("auth.token"), Mark::Part, |out| json::auth(out, "client_credentials", "", &[]));
        scene.call(at + MINUTE, &post, machine.domain, 0, Mark::Part);
        let over = scene.seconds(2, 50);
        scene.call(at + HOUR + over, &post, machine.domain, 0, Mark::Part);
        at += HOUR + MINUTE;
    }
}

pub const HEADLESS_BROWSER: Scenario = Scenario {
    name: "headless_browser",
    doc: "A service starts to render pages: its requests now come from a browser without a person, on its own workload.",
    cast: one(Class::Service, static_key),
    when: When::WorkHours,
    signals: &["human_use_of_machine", "new_device"],
    play: headless_browser,
    ..LOOK_ALIKE
};

fn headless_browser(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let user_agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/134.0.0.0 Safari/537.36";
    let own = Post { user_agent, ..scene.on_its_workload(&machine) };
    let mut at = scene.at;
    for n in 0..30 {
        scene.call(at, &own, machine.domain, n % 2, Mark::Part);
        at += scene.seconds(2, 90);
    }
}

pub const OLD_BUT_AGREED_KEY: Scenario = Scenario {
    name: "old_but_agreed_key",
    doc: "A key ten months old whose inventory allows twelve, in its daily job.",
    cast: extra(Class::Service),
    signals: &["stale_credential", "rotation_overdue"],
    play: old_but_agreed_key,
    ..LOOK_ALIKE
};

fn old_but_agreed_key(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let key = Key::Static(machine.key_id(), scene.at - 300 * DAY);
    let own = Post { key, ..scene.on_its_workload(&machine) };
    scene.enlist(scene.at - 20 * DAY, r#","max_token_age":"365d","rotate_every":"365d","shared_by":[]"#);
    scene.job(&own, (1..=18).rev(), 3, 2, 0);
    let mut at = scene.at / DAY * DAY + 3 * HOUR + scene.seconds(0, 20);
    for _ in 0..2 {
        scene.call(at, &own, machine.domain, 0, Mark::Part);
        at += scene.seconds(1, 4);
    }
}

pub const ROBOT_WITH_BROWSER: Scenario = Scenario {
    name: "robot_with_browser",
    doc: "A service account drives a browser on a desktop of the office every night, as it has for weeks.",
    cast: extra(Class::Service),
    signals: &["human_use_of_machine"],
    play: robot_with_browser,
    ..LOOK_ALIKE
};

fn robot_with_browser(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let user_agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36";
    let spot = world::office(machine.tenant, 0, 1);
    let desktop = Post { user_agent, spot, key: scene.static_key(&machine), ..scene.on_its_workload(&machine) };
    scene.job(&desktop, (1..=24).rev(), 22, 8, 0);
    let mut at = scene.at / DAY * DAY + 22 * HOUR;
    for _ in 0..12 {
        scene.call(at, &desktop, machine.domain, 0, Mark::Part);
        at += scene.seconds(1, 4);
    }
}
