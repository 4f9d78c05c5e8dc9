//! Days on which the whole house behaves oddly: outages, drills, backfills, waves of calls.

use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::{Class, DOMAINS, Device, Factor, Machine, Who};
use crate::json::{self, Request, failure, put, success};
use crate::scenario::scene::{Mark, Scene, Seat};
use crate::scenario::{LOOK_ALIKE, Scenario, When, extra, one, stays};
use crate::world;
use std::io::Write;

pub const SIEM_BACKFILL: Scenario = Scenario {
    name: "siem_backfill",
    doc: "A collector was down: a day of twelve people's events arrives within a minute in the evening.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["cadence_surge", "failed_login_spike", "impossible_travel", "new_place"],
    play: siem_backfill,
    ..LOOK_ALIKE
};

fn siem_backfill(scene: &mut Scene<'_>) {
    let first = scene.person();
    let mut people = vec![first];
    people.extend(scene.others(Class::Workforce, 11, |_| true));
    for person in people {
        let mut seat = scene.at_work(&person);
        let at = scene.at + scene.seconds(0, 5_000);
        if scene.random.chance(400) {
            scene.fail(at - 15 * SECOND, &seat, Mark::Part);
        }
        scene.login(at, &mut seat, person.factor, Mark::Part);
        let later = scene.browse(at + 10 * SECOND, &seat, 4, Mark::Part);
        scene.browse(later + 3 * HOUR, &seat, 4, Mark::Part);
    }
    scene.acts.sort_by_key(|act| act.at);
    let caught_up = scene.at + 9 * HOUR;
    for (n, act) in scene.acts.iter_mut().enumerate() {
        act.shipped = Some(caught_up + n as i64 * 300);
    }
}

pub const IDP_OUTAGE: Scenario = Scenario {
    name: "idp_outage",
    doc: "The identity provider fails for a quarter of an hour: everybody tries again and again, programs the most.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["failed_login_spike", "password_spray", "credential_stuffing", "cadence_surge"],
    play: idp_outage,
    ..LOOK_ALIKE
};

fn idp_outage(scene: &mut Scene<'_>) {
    let first = scene.person();
    let until = scene.at + 15 * MINUTE;
    let mut people = vec![first];
    people.extend(scene.others(Class::Workforce, 24, |_| true));
    people.extend(scene.others(Class::Customer, 10, |_| true));
    for person in people {
        let staff = person.who.class == Class::Workforce;
        let mut seat = if staff { scene.at_work(&person) } else { scene.at_home(&person) };
        let mut at = scene.at + scene.seconds(0, 500);
        while at < until {
            scene.act(at, &seat, failure("auth.login"), Mark::Part, |out| json::auth(out, "password", "other", &[]));
            at += scene.seconds(40, 300);
        }
        scene.login(at, &mut seat, person.factor, Mark::Part);
        scene.browse(at + 5 * SECOND, &seat, 1, Mark::Part);
    }
    retry_storm(scene, until);
}

/// Services that back off too little.
fn retry_storm(scene: &mut Scene<'_>, until: i64) {
    for _ in 0..4 {
        let number = scene.random.below(u64::from(scene.census.counts[Class::Service as usize].max(1))) as u32;
        let machine = Machine::derive(scene.frame, Who { class: Class::Service, number });
        let post = scene.on_its_workload(&machine);
        let mut at = scene.at + scene.seconds(0, 60);
        while at < until {
            scene.run(at, &post, None, failure("auth.token"), Mark::Part, |out| json::auth(out, "client_credentials", "other", &[]));
            at += scene.seconds(15, 60);
        }
    }
}

pub const ANNOUNCED_DRILL: Scenario = Scenario {
    name: "announced_drill",
    doc: "A drill: the account in the safe is used as announced, in the office, with a ticket.",
    cast: extra(Class::BreakGlass),
    when: When::WorkHours,
    signals: &["break_glass_used", "privileged_without_ticket"],
    play: announced_drill,
    ..LOOK_ALIKE
};

fn announced_drill(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    let hour = scene.at / HOUR % 24;
    let expected = format!(
        r#","criticality":3,"privileged":true,"labels":["drill"],"expected":{{"asns":[{}],"hours":"{hour:02}:00-{:02}:59"}}"#,
        desk.spot.asn,
        (hour + 1).min(23)
    );
    scene.enlist(scene.at - 2 * DAY, &expected);
    scene.login(scene.at, &mut desk, Factor::Password, Mark::Part);
    let steps = ["privileged.checkout", "privileged.session_start", "privileged.command", "privileged.session_end"];
    scene.privileged(scene.at + MINUTE, &desk, "ledger", Some(70_001), &steps, Mark::Part);
}

pub const SUPPORT_SURGE: Scenario = Scenario {
    name: "support_surge",
    doc: "A shop is down and everybody calls: each support agent opens many customers, none unusual among colleagues.",
    cast: one(Class::Support, stays),
    when: When::WorkHours,
    signals: &["support_fanout", "cadence_surge"],
    play: support_surge,
    ..LOOK_ALIKE
};

fn support_surge(scene: &mut Scene<'_>) {
    let first = scene.person();
    let mut team = vec![first];
    team.extend(scene.others(Class::Support, 4, |_| true));
    for person in team {
        let mut desk = scene.at_work(&person);
        let mut at = scene.at + scene.seconds(0, 300);
        scene.login(at, &mut desk, person.factor, Mark::Background);
        for _ in 0..22 {
            at += scene.seconds(60, 200);
            let number = scene.random.below(u64::from(scene.frame.customers.max(1))) as u32;
            let target = Some(Who { class: Class::Customer, number });
            let request =
                Request { target, object: Some(u64::from(number)), ..Request::new("GET", "/support/customers/{id}", "customers:read") };
            scene.ask(at, &desk, &request, Mark::Part);
        }
    }
}

pub const PATCH_DAY: Scenario = Scenario {
    name: "patch_day",
    doc: "Patch day: an administrator opens many systems, one after the other, under one ticket.",
    cast: one(Class::Admin, stays),
    when: When::WorkHours,
    signals: &["privileged_fanout", "privileged_without_ticket", "privileged_bypass"],
    play: patch_day,
    ..LOOK_ALIKE
};

fn patch_day(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    scene.login(scene.at, &mut desk, owner.factor, Mark::Background);
    let steps = ["privileged.checkout", "privileged.session_start", "privileged.command", "privileged.session_end"];
    let mut at = scene.at + MINUTE;
    for system in DOMAINS.iter().take(6) {
        at = scene.privileged(at, &desk, system.name, Some(80_123), &steps, Mark::Part) + scene.seconds(120, 900);
    }
}

pub const PLANNED_GRANTS: Scenario = Scenario {
    name: "planned_grants",
    doc: "A reorganisation: an administrator grants a dozen ordinary roles in an afternoon.",
    cast: one(Class::Admin, stays),
    when: When::WorkHours,
    signals: &["unusual_grant", "privilege_chain"],
    play: planned_grants,
    ..LOOK_ALIKE
};

fn planned_grants(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    scene.login(scene.at, &mut desk, owner.factor, Mark::Background);
    let mut at = scene.at + MINUTE;
    for person in scene.others(Class::Workforce, 12, |_| true) {
        scene.change(at, &desk, "privilege.grant", &[("role", "crm-user"), ("target", &person.who.id())], Mark::Part);
        at += scene.seconds(30, 200);
    }
    scene.change(at, &desk, "secret.read", &[("secret", "prod/crm/password-1")], Mark::Part);
}

pub const BROKEN_RELEASE: Scenario = Scenario {
    name: "broken_release",
    doc: "A release asks for things that are gone: every open browser gets 404s by the dozen.",
    cast: one(Class::Customer, stays),
    when: When::WorkHours,
    signals: &["object_enumeration", "scraping", "cadence_surge"],
    play: broken_release,
    ..LOOK_ALIKE
};

fn broken_release(scene: &mut Scene<'_>) {
    let first = scene.person();
    let mut people = vec![first];
    people.extend(scene.others(Class::Customer, 9, |_| true));
    for person in people {
        let mut seat = scene.at_home(&person);
        let mut at = scene.at + scene.seconds(0, 900);
        scene.login(at, &mut seat, person.factor, Mark::Part);
        for n in 0..14 {
            at += scene.random.between(100, 2_500);
            let status = if n % 4 == 0 { 200 } else { 404 };
            scene.ask(at, &seat, &Request { status, object: Some(n % 5), ..Request::new("GET", "/shop/products/{id}", "") }, Mark::Part);
        }
    }
}

pub const ACCOUNT_AGGREGATOR: Scenario = Scenario {
    name: "account_aggregator",
    doc: "A household book reads a customer's account every morning from a cloud, as agreed.",
    cast: extra(Class::Customer),
    signals: &["scraping", "machine_rhythm", "risky_network", "risky_consent"],
    play: account_aggregator,
    ..LOOK_ALIKE
};

fn account_aggregator(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let home = scene.at_home(&owner);
    scene.history(&home, (0..10).map(|n| 40 - n * 3));
    let mut agrees = home.clone();
    scene.login(scene.at - 12 * DAY - HOUR, &mut agrees, owner.factor, Mark::Background);
    let consent = [("target", "int-bookkeeping"), ("scope", "accounts:read transactions:read")];
    scene.change(scene.at - 12 * DAY - 50 * MINUTE, &agrees, "consent.grant", &consent, Mark::Background);
    let device = Device { user_agent: "Java-http-client/21.0.6", ..Device::script(3) };
    let reader = Seat { spot: world::rented(9, 12), device, session: None, ..home };
    for day in (0..12).rev() {
        let (mark, calls) = if day == 0 { (Mark::Part, 20) } else { (Mark::Background, 6) };
        let issued = scene.at - day * DAY;
        let token = format!("at-{:012x}", scene.token() >> 16);
        for n in 0..calls {
            scene.act(issued + SECOND + n * 400, &reader, success("api.request"), mark, |out| {
                json::credential(out, &token, "access_token", issued, Some(issued + HOUR), "", "int-bookkeeping");
                let object = Some(n as u64);
                json::request(out, &Request { object, ..Request::new("GET", "/account/transactions/{id}", "transactions:read") });
            });
        }
    }
}

pub const CONTAINMENT_UNDONE: Scenario = Scenario {
    name: "containment_undone",
    doc: "A session is terminated by mistake; the mistake is undone, and work goes on in a new one.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["containment_breach"],
    play: containment_undone,
    ..LOOK_ALIKE
};

fn containment_undone(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    scene.login(scene.at, &mut desk, owner.factor, Mark::Background);
    let at = scene.browse(scene.at + 5 * SECOND, &desk, 4, Mark::Background);
    let session = desk.session.clone().map_or(String::new(), |(id, _)| id);
    let who = owner.who.id();
    for (after, status) in [(0, "done"), (4 * MINUTE, "reverted")] {
        scene.control(at + after, "containment.outcome", owner.who, Mark::Background, |out| {
            put!(
                out,
                r#","containment":{{"status":"{status}","by":"soc","action":"terminate_session","subject":{{"kind":"identity","id":"{who}"}},"target":{{"kind":"session","id":"{session}"}}}}"#
            );
        });
    }
    scene.login(at + 6 * MINUTE, &mut desk, owner.factor, Mark::Part);
    scene.browse(at + 7 * MINUTE, &desk, 8, Mark::Part);
}

pub const LATE_TOKEN_LOG: Scenario = Scenario {
    name: "late_token_log",
    doc: "The identity provider's log lags: requests of a session arrive before its log-in does.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["unissued_token", "session_hijack"],
    play: late_token_log,
    ..LOOK_ALIKE
};

fn late_token_log(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    scene.login(scene.at, &mut desk, owner.factor, Mark::Part);
    for act in &mut scene.acts {
        act.shipped = Some(act.at + 20 * MINUTE);
    }
    scene.browse(scene.at + 5 * SECOND, &desk, 12, Mark::Part);
}

pub const MISROUTED_NAMES: Scenario = Scenario {
    name: "misrouted_names",
    doc: "A form that drops the domain: a branch office tries a dozen names that nobody has, and then its own.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["identity_enumeration", "password_spray", "failed_login_spike"],
    play: misrouted_names,
    ..LOOK_ALIKE
};

fn misrouted_names(scene: &mut Scene<'_>) {
    let first = scene.person();
    let spot = world::office(first.tenant, first.office, 1);
    scene.subject = ("source", spot.ip());
    let mut people = vec![first.clone()];
    people.extend(scene.others(Class::Workforce, 7, |p| p.office == first.office));
    for person in people {
        let mut seat = scene.seat(&person, spot);
        let mut at = scene.at + scene.seconds(0, 1_500);
        for _ in 0..2 {
            let name = format!("{}.old", person.who.id());
            scene.fail_unknown(at, &seat, &name, Mark::Part);
            at += scene.seconds(10, 30);
        }
        scene.login(at, &mut seat, person.factor, Mark::Part);
        scene.browse(at + 5 * SECOND, &seat, 2, Mark::Part);
    }
}

pub const BUSY_SUPPORT_DESK: Scenario = Scenario {
    name: "busy_support_desk",
    doc: "Somebody in support takes more calls an hour from week to week, and today more than ever.",
    cast: extra(Class::Support),
    when: When::WorkHours,
    signals: &["support_fanout"],
    play: busy_support_desk,
    ..LOOK_ALIKE
};

fn busy_support_desk(scene: &mut Scene<'_>) {
    let owner = scene.person();
    for day in (0..20).rev() {
        let mark = if day == 0 { Mark::Part } else { Mark::Background };
        let mut desk = scene.at_work(&owner);
        let mut at = scene.at - day * DAY;
        scene.login(at - MINUTE, &mut desk, owner.factor, mark);
        for _ in 0..46 - 2 * day {
            let number = scene.random.below(u64::from(scene.frame.customers.max(1))) as u32;
            let target = Some(Who { class: Class::Customer, number });
            let request =
                Request { target, object: Some(u64::from(number)), ..Request::new("GET", "/support/customers/{id}", "customers:read") };
            scene.ask(at, &desk, &request, mark);
            at += scene.seconds(40, 75);
        }
    }
}

pub const WEEKLY_PATCHING: Scenario = Scenario {
    name: "weekly_patching",
    doc: "An administrator patches many systems every week, a few more each time, under a ticket.",
    cast: extra(Class::Admin),
    when: When::WorkHours,
    signals: &["privileged_fanout", "privileged_without_ticket"],
    play: weekly_patching,
    ..LOOK_ALIKE
};

fn weekly_patching(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let steps = ["privileged.checkout", "privileged.session_start", "privileged.command", "privileged.session_end"];
    for week in (0..5).rev() {
        let mark = if week == 0 { Mark::Part } else { Mark::Background };
        let mut desk = scene.at_work(&owner);
        let mut at = scene.at - week as i64 * 7 * DAY;
        scene.login(at, &mut desk, owner.factor, mark);
        at += MINUTE;
        for system in DOMAINS.iter().take(9 - week) {
            at = scene.privileged(at, &desk, system.name, Some(81_000 + week as u64), &steps, mark) + scene.seconds(60, 120);
        }
    }
}
