//! What an inventory knows at the start: `inventory.identity` records for most machines and staff.

use crate::clock::{DAY, write_time};
use crate::identity::{AGENTS, Class, DOMAINS, Frame, Machine, Person, Rhythm, Who};
use crate::json::{Head, identity, put};
use crate::life::Actor;
use crate::random::mix;
use crate::world::TENANTS;
use std::io::Write;

pub const HEAD: Head = Head { kind: "inventory.identity", outcome: "" };

/// Whether somebody keeps a record of this identity: all administrators, most machines and staff, no customers.
pub fn is_listed(frame: &Frame, who: Who) -> bool {
    let draw = mix(frame.seed ^ (u64::from(who.number) << 8) ^ who.class as u64) % 100;
    draw < match who.class {
        Class::Customer => 0,
        Class::Admin => 100,
        Class::Workforce | Class::Support => 70,
        _ => 85,
    }
}

/// The record, from the tenant on.
pub fn record(out: &mut Vec<u8>, frame: &Frame, actor: &Actor) {
    match actor {
        Actor::Person(person) => staff(out, frame, person),
        Actor::Machine(machine) => program(out, frame, machine),
    }
}

fn staff(out: &mut Vec<u8>, frame: &Frame, person: &Person) {
    identity(out, person.tenant, person.who, None);
    let class = person.who.class;
    let role = DOMAINS[person.key as usize % DOMAINS.len()].name;
    put!(
        out,
        r#","inventory":{{"class":"{}","criticality":{},"roles":["{role}"],"created_at":"#,
        class.name(),
        if class == Class::Admin { 3 } else { 1 }
    );
    write_time(out, frame.start - (30 + (person.key % 2_000) as i64) * DAY);
    put!(out, r#","status":"active","privileged":{}}}"#, class == Class::Admin);
}

fn program(out: &mut Vec<u8>, frame: &Frame, machine: &Machine) {
    identity(out, machine.tenant, machine.who, None);
    let owner = Who { class: Class::Workforce, number: machine.owner };
    let rhythm = match machine.rhythm {
        Rhythm::Cron => "cron",
        Rhythm::Steady => "steady",
        Rhythm::Bursty => "bursty",
    };
    put!(
        out,
        r#","inventory":{{"class":"{}","owner":"{}","criticality":{},"labels":["{rhythm}"],"created_at":"#,
        machine.who.class.name(),
        owner.id(),
        machine.key % 4
    );
    write_time(out, frame.start - machine.key_age_ms - (machine.key % 900) as i64 * DAY);
    put!(out, r#","status":"active""#);
    if machine.who.class == Class::Service {
        // Half say who depends on them; for the others that is not known.
        match machine.key % 4 {
            0 => put!(out, r#","shared_by":[]"#),
            1 => put!(
                out,
                r#","shared_by":["svc-{}-001","svc-{}-001"]"#,
                DOMAINS[(machine.domain + 1) % 10].name,
                DOMAINS[(machine.domain + 3) % 10].name
            ),
            _ => {}
        }
    }
    if machine.who.class == Class::Agent {
        let scope = AGENTS[machine.domain].scope;
        let (first, second) = (machine.principal(0), machine.principal(2));
        put!(out, r#","delegated_by":[{{"principal":"{}","scopes":["{scope}"]}}"#, first.id());
        if second != first {
            put!(out, r#",{{"principal":"{}","scopes":["{scope}"]}}"#, second.id());
        }
        put!(out, "]");
    }
    if machine.who.class != Class::Test {
        put!(out, r#","expected":{{"asns":[{}]"#, machine.spot(frame.start, 0).asn);
        if machine.who.class != Class::Partner {
            put!(out, r#","workloads":["{}"]"#, machine.workload());
        }
        put!(out, "}}");
    }
    put!(out, r#","max_token_age":"90d","rotate_every":"90d","aliases":["{}/{}"]}}"#, TENANTS[machine.tenant], machine.key_id());
}
