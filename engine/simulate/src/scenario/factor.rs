//! Second factors: pressed for, taken off, talked away.

use super::scene::{Mark, Scene, Seat};
use super::{ATTACK, Scenario, When, one, push, second_factor, stays};
use crate::clock::{HOUR, MINUTE, SECOND};
use crate::identity::{Class, Factor};
use crate::json::{self, Request, success};
use crate::world;

pub const PUSH_FATIGUE: Scenario = Scenario {
    name: "push_fatigue",
    doc: "The password is known; push after push at night until one is approved.",
    cast: one(Class::Workforce, push),
    when: When::Night,
    signals: &["push_fatigue_won", "push_fatigue", "new_device"],
    play: push_fatigue,
    ..ATTACK
};

fn push_fatigue(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let host = scene.random.next();
    let place = scene.random.below(34) as usize;
    let spot = scene.by(world::rented(place, host), world::public_vpn(owner.city, host), world::guest(owner.city, host));
    let mut thief = scene.impostor(&owner, spot, false);
    let pushes = scene.by(12, 8, 5);
    let mut at = scene.at;
    for n in 0..pushes {
        scene.refuse(at, &thief, if n % 3 == 1 { "mfa_denied" } else { "mfa_timeout" }, Mark::Part);
        at += scene.seconds(35, 70);
    }
    scene.login(at, &mut thief, Factor::Push, Mark::Enough);
    scene.browse(at + 15 * SECOND, &thief, 8, Mark::Part);
}

pub const FACTOR_DOWNGRADE: Scenario = Scenario {
    name: "factor_downgrade",
    doc: "With the password and an intercepted text message instead of the usual factor: the owner's factor goes, another comes.",
    cast: one(Class::Workforce, second_factor),
    signals: &["factor_downgrade", "new_device", "new_place"],
    play: factor_downgrade,
    ..ATTACK
};

fn factor_downgrade(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut thief = scene.thief(&owner);
    let usual = owner.factor.second().map_or("totp", |f| f.0);
    scene.act(scene.at - 500, &thief, success("auth.mfa"), Mark::Part, |out| json::auth(out, "sms", "", &[]));
    scene.login(scene.at, &mut thief, Factor::Password, Mark::Part);
    let at = scene.at + scene.seconds(30, 90);
    scene.change(at, &thief, "account.update", &[("target", "factor"), ("role", "removed"), ("value", usual)], Mark::Enough);
    scene.change(at + 20 * SECOND, &thief, "account.update", &[("target", "factor"), ("value", "totp")], Mark::Part);
    scene.browse(at + MINUTE, &thief, 8, Mark::Part);
}

pub const DEVICE_CODE_PHISHING: Scenario = Scenario {
    name: "device_code_phishing",
    doc: "A code read out to a friendly caller signs somebody else's machine in.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["device_code_login", "new_place", "new_device"],
    play: device_code_phishing,
    ..ATTACK
};

fn device_code_phishing(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut thief = scene.thief(&owner);
    thief.session = Some((format!("s-{:012x}", scene.token() >> 16), scene.at));
    // In the same city it could be the owner's new television: only what follows tells.
    let enough = scene.by(0, 0, 6);
    let mark = |n: usize| if n == enough { Mark::Enough } else { Mark::Part };
    scene.act(scene.at, &thief, success("auth.login"), mark(0), |out| json::auth(out, "device_code", "", &[]));
    scene.act(scene.at + 2 * SECOND, &thief, success("auth.token"), Mark::Part, |out| json::auth(out, "oauth", "", &[]));
    let mut at = scene.at + 20 * SECOND;
    for n in 1..20 {
        let object = Some(scene.random.below(60_000));
        let request = Request { object, bytes: 40_000, ..Request::new("GET", "/mail/messages/{id}", "mail:read") };
        scene.ask(at, &thief, &request, mark(n));
        at += scene.seconds(1, 6);
    }
}

pub const HELPDESK_RESET: Scenario = Scenario {
    name: "helpdesk_reset",
    doc: "The help desk is talked into a new password and factor; a stranger uses them.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["assisted_reset", "new_device", "new_place"],
    play: helpdesk_reset,
    ..ATTACK
};

fn helpdesk_reset(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let helper = scene.somebody(Class::Support);
    let mut desk = scene.at_work(&helper);
    scene.login(scene.at - 20 * MINUTE, &mut desk, helper.factor, Mark::Background);
    let usual = owner.factor.second().map_or("webauthn", |f| f.0);
    let removed = [("target", "factor"), ("role", "removed"), ("value", usual)];
    scene.assist(scene.at, &desk, "account.update", owner.who, &removed, Mark::Part);
    scene.assist(scene.at + 30 * SECOND, &desk, "auth.recovery", owner.who, &[], Mark::Part);
    let mut thief = scene.thief(&owner);
    let at = scene.at + scene.by(5 * MINUTE, 20 * MINUTE, 2 * HOUR);
    scene.login(at, &mut thief, Factor::Password, Mark::Enough);
    scene.change(at + 20 * SECOND, &thief, "account.update", &[("target", "factor"), ("value", "totp")], Mark::Part);
    let reads = Seat { ..thief };
    scene.browse(at + MINUTE, &reads, 10, Mark::Part);
}
