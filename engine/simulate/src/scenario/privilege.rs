//! Power: taken, lent to an application, used past the house rules.

use super::scene::{Mark, Scene};
use super::{ATTACK, Scenario, When, extra, guessable, one, stays};
use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::{Class, DOMAINS, Factor};
use crate::json::{self, Request, put, success};
use std::io::Write;

pub const ADMIN_TAKEOVER: Scenario = Scenario {
    name: "admin_takeover",
    doc: "An administrator's account from a new place and device grants itself a role and reads secrets.",
    cast: one(Class::Admin, guessable),
    when: When::Night,
    signals: &["new_place", "new_device", "privilege_chain", "mass_secret_read", "unusual_grant", "off_hours"],
    play: admin_takeover,
    ..ATTACK
};

fn admin_takeover(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let (mut thief, host) = (scene.thief(&owner), scene.random.next());
    scene.login(scene.at, &mut thief, owner.factor, Mark::Part);
    let mut at = scene.browse(scene.at + 10 * SECOND, &thief, 3, Mark::Part);
    let (id, grants, secrets) = (owner.who.id(), scene.by(2, 1, 1), scene.by(25, 12, 6));
    for n in 0..grants {
        let role = ["secret-store-admin", "organisation-owner"][n];
        scene.act(at, &thief, success("privilege.grant"), if n == 0 { Mark::Enough } else { Mark::Part }, |out| {
            put!(out, r#","change":{{"role":"{role}","target":"{id}"}}"#);
        });
        at += scene.seconds(20, 60);
    }
    for n in 0..secrets {
        let name = DOMAINS[n % DOMAINS.len()].name;
        scene.act(at, &thief, success("secret.read"), Mark::Part, |out| {
            put!(out, r#","change":{{"secret":"prod/{name}/password-{n}"}}"#);
        });
        at += scene.seconds(3, 30);
    }
    scene.act(at + HOUR / 6, &thief, success("credential.create"), Mark::Part, |out| {
        put!(out, r#","change":{{"target":"svc-backup-001","value":"key-planted-{:06x}"}}"#, host >> 40);
    });
    debug_assert!(at - scene.at < DAY);
}

pub const CONSENT_PHISHING: Scenario = Scenario {
    name: "consent_phishing",
    doc: "A person lets a harmless-looking application read all mail; its owner does, from a rented server.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["risky_consent"],
    play: consent_phishing,
    ..ATTACK
};

fn consent_phishing(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    scene.login(scene.at, &mut desk, owner.factor, Mark::Background);
    let scopes =
        scene.by("mail:read mail:send files:read offline_access", "mail:read files:read offline_access", "mail:read offline_access");
    let app = format!("app-{:06x}", scene.token() >> 40);
    scene.change(scene.at + MINUTE, &desk, "consent.grant", &[("target", &app), ("scope", scopes)], Mark::Part);
    let spot = scene.lair();
    let mut thief = scene.impostor(&owner, spot, true);
    thief.session = None;
    let token = format!("at-{:012x}", scene.token() >> 16);
    let mut at = scene.at + scene.by(5 * MINUTE, 30 * MINUTE, 5 * HOUR);
    for n in 0..scene.by(40, 24, 12) {
        let object = Some(scene.random.below(60_000));
        let issued = scene.at + 2 * MINUTE;
        scene.act(at, &thief, success("api.request"), if n == 0 { Mark::Enough } else { Mark::Part }, |out| {
            json::credential(out, &token, "access_token", issued, Some(issued + 24 * HOUR), "", &app);
            json::request(out, &Request { object, bytes: 40_000, ..Request::new("GET", "/mail/messages/{id}", "mail:read") });
        });
        at += scene.seconds(1, 8);
    }
}

pub const PRIVILEGED_SPRAWL: Scenario = Scenario {
    name: "privileged_sprawl",
    doc: "An administrator's account opens one system after the other, without a ticket.",
    cast: one(Class::Admin, stays),
    when: When::WorkHours,
    signals: &["privileged_fanout", "privileged_without_ticket"],
    play: privileged_sprawl,
    ..ATTACK
};

fn privileged_sprawl(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    scene.login(scene.at, &mut desk, owner.factor, Mark::Background);
    let (systems, wait) = scene.by((10, 1), (8, 4), (5, 9));
    let mut at = scene.at + MINUTE;
    for (n, system) in DOMAINS.iter().take(systems).enumerate() {
        let mark = if n == 2 { Mark::Enough } else { Mark::Part };
        scene.privileged(at, &desk, system.name, None, &["privileged.checkout"], mark);
        let steps = ["privileged.session_start", "privileged.command", "privileged.session_end"];
        let end = scene.privileged(at + 5 * SECOND, &desk, system.name, None, &steps, Mark::Part);
        at = end + wait * MINUTE;
    }
}

pub const PAM_BYPASS: Scenario = Scenario {
    name: "pam_bypass",
    doc: "A privileged account used directly, where every session goes through the PAM.",
    cast: one(Class::Admin, stays),
    signals: &["privileged_bypass"],
    play: pam_bypass,
    ..ATTACK
};

fn pam_bypass(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let thief = scene.thief(&owner);
    let own = scene.at_work(&owner);
    let seat = scene.by(thief.clone(), thief, own);
    let steps = ["privileged.session_start", "privileged.command", "privileged.command", "privileged.command", "privileged.session_end"];
    scene.privileged(scene.at, &seat, "ledger", None, &steps, Mark::Part);
    if let Some(first) = scene.acts.first_mut() {
        first.mark = Mark::Enough;
    }
}

pub const BREAK_GLASS_USE: Scenario = Scenario {
    name: "break_glass_use",
    doc: "The account in the safe is used, and nobody has announced it.",
    cast: extra(Class::BreakGlass),
    when: When::Night,
    signals: &["break_glass_used"],
    play: break_glass_use,
    ..ATTACK
};

fn break_glass_use(scene: &mut Scene<'_>) {
    let owner = scene.person();
    scene.enlist(scene.at - 15 * DAY, r#","criticality":3,"privileged":true"#);
    let (stranger, own) = (scene.thief(&owner), scene.at_work(&owner));
    let mut thief = scene.by(stranger.clone(), stranger, own);
    scene.login(scene.at, &mut thief, Factor::Password, Mark::Enough);
    let id = owner.who.id();
    scene.change(scene.at + MINUTE, &thief, "privilege.grant", &[("role", "organisation-owner"), ("target", &id)], Mark::Part);
    scene.browse(scene.at + 2 * MINUTE, &thief, 5, Mark::Part);
}
