//! Tokens and keys: copied, kept too long, forged, found in a leak.

use super::scene::{Key, Mark, Post, Scene};
use super::{ATTACK, FOR_GOOD, Scenario, When, oauth, one, partner_key, static_key, stays};
use crate::clock::{DAY, HOUR, MINUTE};
use crate::identity::Class;
use crate::json::{self, put, success};
use crate::random::mix;
use crate::world;
use std::io::Write;

pub const TOKEN_REPLAY: Scenario = Scenario {
    name: "token_replay",
    doc: "An access token copied from a service's memory, used next to its owner.",
    cast: one(Class::Service, oauth),
    signals: &["token_replay", "off_workload"],
    play: token_replay,
    ..ATTACK
};

fn token_replay(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let id = format!("at-{:012x}", mix(scene.token()) >> 16);
    let key = Key::Token(id, scene.at - MINUTE, scene.at + 2 * HOUR);
    let own = Post { key, ..scene.on_its_workload(&machine) };
    let thief = Post { key: own.key.clone(), ..scene.elsewhere(&machine) };
    scene.run(scene.at - MINUTE, &own, None, success("auth.token"), Mark::Background, |out| json::auth(out, "client_credentials", "", &[]));
    let mut at = scene.at;
    for n in 0..scene.by(30, 16, 8) {
        scene.call(at, &own, machine.domain, n % 2, Mark::Background);
        at += scene.seconds(2, 20);
        scene.call(at, &thief, machine.domain, n % 2, if n == 0 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(2, 20);
    }
}

pub const EXPIRED_TOKEN: Scenario = Scenario {
    name: "expired_token",
    doc: "A gateway accepts a token that ran out.",
    cast: one(Class::Service, oauth),
    signals: &["expired_use"],
    play: expired_token,
    ..ATTACK
};

fn expired_token(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let over = scene.by(24 * HOUR, 3 * HOUR, 20 * MINUTE);
    let id = format!("at-{:012x}", mix(scene.token()) >> 16);
    let key = Key::Token(id, scene.at - over - 2 * HOUR, scene.at - over);
    let (stranger, own) = (scene.elsewhere(&machine), scene.on_its_workload(&machine));
    let from = scene.by(stranger.clone(), stranger, own);
    let thief = Post { key, ..from };
    let mut at = scene.at;
    for n in 0..scene.by(20, 12, 6) {
        scene.call(at, &thief, machine.domain, n % 2, if n == 0 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(3, 30);
    }
}

pub const REVOKED_KEY: Scenario = Scenario {
    name: "revoked_key",
    doc: "A key that was rotated away and revoked is accepted all the same.",
    cast: one(Class::Service, static_key),
    when: When::WorkHours,
    absence: Some((0, FOR_GOOD)),
    signals: &["revoked_use", "off_workload"],
    play: revoked_key,
    ..ATTACK
};

fn revoked_key(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let old = scene.on_its_workload(&machine);
    let new = Post { key: Key::Static(format!("{}-b", machine.key_id()), scene.at), ..old.clone() };
    let old_id = machine.key_id();
    scene.run(scene.at, &new, None, success("credential.rotate"), Mark::Background, |out| json::change(out, &[("value", &old_id)]));
    for n in 1..8 {
        scene.call(scene.at + n * 20 * MINUTE, &new, machine.domain, 0, Mark::Background);
    }
    let revoked = scene.at + 3 * HOUR;
    scene.run(revoked, &new, None, success("credential.revoke"), Mark::Background, |out| json::change(out, &[("value", &old_id)]));
    let (stranger, own) = (scene.elsewhere(&machine), scene.on_its_workload(&machine));
    let from = scene.by(stranger.clone(), stranger, own);
    let thief = Post { key: old.key, ..from };
    let mut at = revoked + scene.by(DAY, 5 * HOUR, 30 * MINUTE);
    for n in 0..scene.by(20, 12, 6) {
        scene.call(at, &thief, machine.domain, n % 2, if n == 0 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(3, 30);
    }
}

pub const FORGED_TOKEN: Scenario = Scenario {
    name: "forged_token",
    doc: "A session that nobody logged in for: signed with a stolen key of the identity provider.",
    cast: one(Class::Workforce, stays),
    signals: &["unissued_token", "new_place"],
    play: forged_token,
    ..ATTACK
};

fn forged_token(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let thief = scene.thief(&owner);
    let own = scene.at_work(&owner);
    // Hard to tell: through the office's own network and the owner's device.
    let mut forged = scene.by(thief.clone(), thief, own);
    forged.session = Some((format!("s-{:012x}", scene.token() >> 16), scene.at - HOUR));
    scene.browse(scene.at, &forged, scene.by(16, 12, 8), Mark::Part);
    if let Some(first) = scene.acts.iter_mut().min_by_key(|act| act.at) {
        first.mark = Mark::Enough;
    }
}

pub const EXPOSED_KEY: Scenario = Scenario {
    name: "exposed_key",
    doc: "A key found in a public repository is used by whoever found it, too.",
    cast: one(Class::Service, static_key),
    signals: &["exposed_credential", "off_workload"],
    play: exposed_key,
    ..ATTACK
};

fn exposed_key(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let key = machine.key_id();
    scene.control(scene.at, "credential.exposed", machine.who, Mark::Part, |out| {
        put!(out, r#","credential":{{"id":"{key}","kind":"api_key"}}"#);
    });
    let thief = scene.elsewhere(&machine);
    let mut at = scene.at + scene.by(30 * MINUTE, 2 * HOUR, 6 * HOUR);
    for n in 0..scene.by(25, 14, 6) {
        scene.call(at, &thief, machine.domain, [1, 0, 4][n % 3], if n == 0 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(3, 30);
    }
}

pub const KEY_RESOLD: Scenario = Scenario {
    name: "key_resold",
    doc: "A leaked key sold several times: steady use from several networks at once.",
    cast: one(Class::Partner, partner_key),
    signals: &["shared_credential", "token_replay", "off_workload"],
    play: key_resold,
    ..ATTACK
};

fn key_resold(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let buyers: Vec<Post> = (0..scene.by(5, 4, 3))
        .map(|n| {
            let (place, host) = (scene.random.below(34) as usize, scene.random.next());
            let spot = if n == 0 { world::residential_abroad(place, host) } else { world::rented(place, host) };
            Post { spot, ..scene.on_its_workload(&machine) }
        })
        .collect();
    let mut at = scene.at;
    for n in 0..scene.by(60, 40, 24) {
        // One stranger could be a move; the second says that it is many.
        scene.call(at, &buyers[n % buyers.len()], machine.domain, n % 2, if n == 1 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(60, 8 * 60);
    }
    // They paid for it, so they go on: every three hours two of them within minutes.
    for round in 4..24 {
        let mut at = scene.at + round * 3 * HOUR + scene.seconds(0, 30 * 60);
        for (n, buyer) in buyers.iter().take(2).enumerate() {
            scene.call(at, buyer, machine.domain, n, Mark::Part);
            at += scene.seconds(30, 5 * 60);
        }
    }
}
