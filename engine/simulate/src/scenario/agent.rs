//! AI agents: told what to do by what they read, borrowed, run away.

use super::scene::{Mark, Scene};
use super::{ATTACK, Scenario, When, anyone, one};
use crate::clock::SECOND;
use crate::identity::{AGENTS, Class, Who};
use crate::json::{self, Request, failure};

pub const AGENT_DRIFT: Scenario = Scenario {
    name: "agent_drift",
    doc: "An AI agent, told so by what it read, uses tools that it was never given.",
    cast: one(Class::Agent, anyone),
    when: When::WorkHours,
    signals: &["tool_drift", "new_scope"],
    play: agent_drift,
    ..ATTACK
};

fn agent_drift(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let kind = &AGENTS[machine.domain];
    let post = scene.on_its_workload(&machine);
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
        scene.use_tool(at, &post, principal, (tool, scope), task, mark);
        at += scene.random.between(600, 9_000).min(20 * SECOND);
    }
}

pub const AGENT_WRONG_PRINCIPAL: Scenario = Scenario {
    name: "agent_wrong_principal",
    doc: "An agent acts for somebody who never delegated to it, or who is gone.",
    cast: one(Class::Agent, anyone),
    when: When::WorkHours,
    signals: &["delegation_mismatch"],
    play: agent_wrong_principal,
    ..ATTACK
};

fn agent_wrong_principal(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let kind = &AGENTS[machine.domain];
    let post = scene.on_its_workload(&machine);
    let stranger = scene.somebody(scene.by(Class::Admin, Class::Workforce, Class::Workforce)).who;
    // Never its own principals.
    let stranger = if [0, 2].iter().any(|n| machine.principal(*n) == stranger) { Who { class: Class::Admin, number: 0 } } else { stranger };
    let task = 800_000 + scene.random.below(90_000);
    let mut at = scene.at;
    for n in 0..scene.by(20, 12, 6) {
        let mark = if n == 0 { Mark::Enough } else { Mark::Part };
        scene.use_tool(at, &post, stranger, (kind.tools[n % 4], kind.scope), task, mark);
        at += scene.seconds(1, 12);
    }
}

pub const AGENT_RUNAWAY: Scenario = Scenario {
    name: "agent_runaway",
    doc: "An agent repeats the same failing act at the speed of a machine.",
    cast: one(Class::Agent, anyone),
    when: When::WorkHours,
    signals: &["agent_runaway", "cadence_surge"],
    play: agent_runaway,
    ..ATTACK
};

fn agent_runaway(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let kind = &AGENTS[machine.domain];
    let post = scene.on_its_workload(&machine);
    let principal = machine.principal(0);
    let task = 700_000 + scene.random.below(90_000);
    let (calls, gap, enough) = scene.by((240, 250, 30), (120, 800, 30), (70, 2_500, 30));
    let mut at = scene.at;
    for n in 0..calls {
        let status = if n % 11 == 10 { 200 } else { 500 };
        let head = if status == 200 { json::success("api.request") } else { failure("api.request") };
        scene.run(at, &post, Some(principal), head, if n == enough { Mark::Enough } else { Mark::Part }, |out| {
            json::request(out, &Request { status, object: Some(77), ..Request::new("POST", "/tools/{tool}", kind.scope) });
            json::agent(out, kind.tools[0], &machine, task);
        });
        at += gap + scene.random.exponential(gap as u64 / 3) as i64;
    }
}
