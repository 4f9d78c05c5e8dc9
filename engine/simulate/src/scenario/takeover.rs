//! Accounts and sessions in somebody else's hands.

use super::scene::{Mark, Scene};
use super::{ATTACK, FOR_GOOD, Scenario, When, extra, guessable, one, stays};
use crate::clock::{HOUR, MINUTE, SECOND};
use crate::identity::{Class, Factor};
use crate::json::{self, Request, put, success};
use crate::life::person::card;
use crate::world::{self, CITIES};
use std::io::Write;

pub const IMPOSSIBLE_TRAVEL: Scenario = Scenario {
    name: "impossible_travel",
    doc: "A stolen password used far away while its owner is at home.",
    cast: one(Class::Workforce, guessable),
    signals: &["impossible_travel", "new_place", "new_device"],
    play: impossible_travel,
    ..ATTACK
};

fn impossible_travel(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut at_home = scene.at_home(&owner);
    scene.login(scene.at, &mut at_home, owner.factor, Mark::Background);
    let browsed = scene.browse(scene.at + 5 * SECOND, &at_home, 6, Mark::Background);
    let (place, host) = (scene.far_from(owner.city), scene.random.next());
    let spot = scene.by(world::rented(place, host), world::residential_abroad(place, host), world::residential_abroad(place, host));
    let mut thief = scene.impostor(&owner, spot, false);
    let wait = scene.by(25, 45, 100) * MINUTE;
    scene.login(browsed + wait, &mut thief, owner.factor, Mark::Enough);
    scene.browse(browsed + wait + 30 * SECOND, &thief, 10, Mark::Part);
}

pub const SESSION_HIJACK: Scenario = Scenario {
    name: "session_hijack",
    doc: "A stolen cookie used from another network and device while its owner is on line.",
    cast: one(Class::Customer, stays),
    signals: &["session_hijack"],
    play: session_hijack,
    ..ATTACK
};

fn session_hijack(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut at_home = scene.at_home(&owner);
    scene.login(scene.at, &mut at_home, owner.factor, Mark::Background);
    let mut at = scene.browse(scene.at + 5 * SECOND, &at_home, 5, Mark::Background);
    let (place, host) = (scene.far_from(owner.city), scene.random.next());
    let spot = scene.by(world::rented(place, host), world::residential_abroad(place, host), world::guest(owner.city, host));
    let scripted = scene.by(true, false, false);
    let mut thief = scene.impostor(&owner, spot, scripted);
    thief.session = at_home.session.clone();
    for turn in 0..6 {
        at = scene.browse(at, &thief, 2, Mark::Part);
        if turn % 2 == 1 {
            at = scene.browse(at, &at_home, 1, Mark::Background);
        }
    }
    // The first request from elsewhere says it all.
    if let Some(first) = scene.acts.iter_mut().find(|act| act.mark == Mark::Part) {
        first.mark = Mark::Enough;
    }
}

pub const DORMANT_RETURN: Scenario = Scenario {
    name: "dormant_return",
    doc: "An account that nobody has used for months wakes up abroad on a new device, and orders.",
    cast: extra(Class::Customer),
    signals: &["dormant_return", "new_place", "new_device"],
    play: dormant_return,
    ..ATTACK
};

fn dormant_return(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let at_home = scene.at_home(&owner);
    let asleep = scene.by(400, 120, 75);
    scene.history(&at_home, (0..14).map(|n| asleep + 40 - n * 3));
    let mut thief = scene.thief(&owner);
    // In the same city it could be the owner with a new phone, until the expensive order.
    let (login, order) = scene.by((Mark::Enough, Mark::Part), (Mark::Enough, Mark::Part), (Mark::Part, Mark::Enough));
    scene.login(scene.at, &mut thief, Factor::Password, login);
    let at = scene.browse(scene.at + 12 * SECOND, &thief, 4, Mark::Part);
    let amount = 40_000 + scene.random.below(90_000) as i64;
    scene.buy(at + MINUTE, &thief, (card(&owner, 0), CITIES[owner.city].country), amount, None, order);
}

pub const ANONYMOUS_TAKEOVER: Scenario = Scenario {
    name: "anonymous_takeover",
    doc: "A phished password used through Tor, a VPN or a rented server; the mail address and the payee are changed.",
    cast: one(Class::Customer, guessable),
    signals: &["risky_network", "new_place", "new_device"],
    play: anonymous_takeover,
    ..ATTACK
};

fn anonymous_takeover(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let (place, host) = (scene.far_from(owner.city), scene.random.next());
    let spot = scene.by(world::tor(place, host), world::public_vpn(place % CITIES.len(), host), world::rented(owner.city, host));
    let mut thief = scene.impostor(&owner, spot, false);
    let (login, mail, payee) =
        scene.by((Mark::Enough, Mark::Part, Mark::Part), (Mark::Part, Mark::Enough, Mark::Part), (Mark::Part, Mark::Part, Mark::Enough));
    scene.login(scene.at, &mut thief, owner.factor, login);
    let at = scene.browse(scene.at + 9 * SECOND, &thief, 4, Mark::Part);
    scene.change(at, &thief, "account.update", &[("target", "email"), ("value", "mail-stolen")], mail);
    scene.change(at + 40 * SECOND, &thief, "account.update", &[("target", "payee"), ("value", "payee-mule")], payee);
    scene.browse(at + MINUTE, &thief, 3, Mark::Part);
}

pub const INFECTED_ADMIN: Scenario = Scenario {
    name: "infected_admin",
    doc: "Malware on an administrator's own laptop waits for the privileged session.",
    cast: one(Class::Admin, stays),
    when: When::WorkHours,
    signals: &["risky_posture", "external_risk"],
    play: infected_admin,
    ..ATTACK
};

fn infected_admin(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    scene.login(scene.at, &mut desk, owner.factor, Mark::Background);
    let at = scene.browse(scene.at + 5 * SECOND, &desk, 3, Mark::Background);
    let device = format!("d-{:010x}", desk.device.id);
    scene
        .control(at, "device.posture", owner.who, Mark::Part, |out| put!(out, r#","source":{{"device_id":"{device}","posture":"risky"}}"#));
    if scene.by(true, true, false) {
        let level = scene.by("high", "medium", "medium");
        scene.control(at + SECOND, "risk.external", owner.who, Mark::Part, |out| {
            put!(out, r#","source":{{"device_id":"{device}"}},"risk":{{"provider":"edr","name":"credential_stealer","level":"{level}"}}"#);
        });
    }
    desk.posture = Some("risky");
    let at = at + scene.seconds(60, 240);
    let steps = ["privileged.checkout", "privileged.session_start", "privileged.command", "privileged.command", "privileged.command"];
    scene.privileged(at, &desk, "ledger", Some(owner.key % 90_000 + 10_000), &steps, Mark::Part);
    let second = if scene.by(true, true, false) { "privileged.session_start" } else { "privileged.command" };
    if let Some(act) = scene.acts.iter_mut().find(|act| act.head.kind == second) {
        act.mark = Mark::Enough;
    }
}

pub const OFFBOARDED_RETURN: Scenario = Scenario {
    name: "offboarded_return",
    doc: "Somebody who has left still gets in.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    absence: Some((0, FOR_GOOD)),
    signals: &["offboarded_use"],
    play: offboarded_return,
    ..ATTACK
};

fn offboarded_return(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut home = scene.at_home(&owner);
    let admin = scene.somebody(Class::Admin);
    let mut desk = scene.at_work(&admin);
    scene.login(scene.at, &mut desk, admin.factor, Mark::Background);
    scene.change(scene.at + MINUTE, &desk, "account.disable", &[("target", &owner.who.id())], Mark::Background);
    let at = scene.at + scene.by(20 * HOUR, 6 * HOUR, 40 * MINUTE);
    // A session of the morning still works; whoever checks the log-in only sees nothing.
    scene.login(scene.at - 3 * HOUR, &mut home, owner.factor, Mark::Background);
    if scene.by(true, false, false) {
        scene.login(at, &mut home, owner.factor, Mark::Enough);
    } else {
        scene.ask(at, &home, &Request::new("GET", "/crm/accounts/{id}", "crm:read"), Mark::Enough);
    }
    scene.browse(at + 30 * SECOND, &home, 8, Mark::Part);
}

pub const CONTAINMENT_BREACH: Scenario = Scenario {
    name: "containment_breach",
    doc: "A session that was terminated goes on.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["containment_breach"],
    play: containment_breach,
    ..ATTACK
};

fn containment_breach(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut thief = scene.at_home(&owner);
    scene.login(scene.at, &mut thief, owner.factor, Mark::Background);
    let at = scene.browse(scene.at + 5 * SECOND, &thief, 4, Mark::Background);
    let session = thief.session.clone().map_or(String::new(), |(id, _)| id);
    let who = owner.who.id();
    scene.control(at, "containment.outcome", owner.who, Mark::Background, |out| {
        put!(
            out,
            r#","containment":{{"status":"done","by":"soc","action":"terminate_session","subject":{{"kind":"identity","id":"{who}"}},"target":{{"kind":"session","id":"{session}"}}}}"#
        );
    });
    let at = at + scene.by(2 * MINUTE, 20 * MINUTE, 2 * HOUR);
    scene.act(at, &thief, success("auth.token"), Mark::Enough, |out| json::auth(out, "oauth", "", &[]));
    scene.browse(at + SECOND, &thief, 6, Mark::Part);
}
