//! Accounts and sessions in somebody else's hands.

use super::scene::{Mark, Scene};
use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::{DOMAINS, Factor};
use crate::json::{put, success};
use crate::life::person::card;
use crate::world::{self, CITIES, FAR_CITIES};
use std::io::Write;

/// A rented server far from that city: the farthest of a few draws.
fn far_from(scene: &mut Scene<'_>, city: usize) -> usize {
    let home = (CITIES[city].lat, CITIES[city].lon);
    let km = |place: usize| {
        let there = CITIES.get(place).unwrap_or_else(|| &FAR_CITIES[(place - CITIES.len()) % FAR_CITIES.len()]);
        world::distance_km(home, (there.lat, there.lon)) as u64
    };
    let draws = [0; 6].map(|_: u8| scene.random.below(34) as usize);
    draws.into_iter().max_by_key(|place| km(*place)).unwrap_or(28)
}

pub fn impossible_travel(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut at_home = scene.at_home(&owner);
    scene.login(scene.at, &mut at_home, owner.factor, Mark::Background);
    let browsed = scene.browse(scene.at + 5 * SECOND, &at_home, 6, Mark::Background);
    let (place, host) = (far_from(scene, owner.city), scene.random.next());
    let spot = scene.by(world::rented(place, host), world::residential_abroad(place, host), world::residential_abroad(place, host));
    let mut thief = scene.impostor(&owner, spot, false);
    let wait = scene.by(25, 45, 100) * MINUTE;
    scene.login(browsed + wait, &mut thief, owner.factor, Mark::Enough);
    scene.browse(browsed + wait + 30 * SECOND, &thief, 10, Mark::Part);
}

pub fn session_hijack(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut at_home = scene.at_home(&owner);
    scene.login(scene.at, &mut at_home, owner.factor, Mark::Background);
    let mut at = scene.browse(scene.at + 5 * SECOND, &at_home, 5, Mark::Background);
    let (place, host) = (far_from(scene, owner.city), scene.random.next());
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

pub fn dormant_return(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let at_home = scene.at_home(&owner);
    let asleep = scene.by(400, 120, 75);
    scene.history(&at_home, (0..14).map(|n| asleep + 40 - n * 3));
    let (place, host) = (far_from(scene, owner.city), scene.random.next());
    let spot = scene.by(world::rented(place, host), world::residential_abroad(place, host), world::guest(owner.city, host));
    let mut thief = scene.impostor(&owner, spot, false);
    scene.login(scene.at, &mut thief, Factor::Password, Mark::Enough);
    let at = scene.browse(scene.at + 12 * SECOND, &thief, 4, Mark::Part);
    let amount = 40_000 + scene.random.below(90_000) as i64;
    scene.buy(at + MINUTE, &thief, (card(&owner, 0), CITIES[owner.city].country), amount, None, Mark::Part);
}

pub fn admin_takeover(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let (place, host) = (far_from(scene, owner.city), scene.random.next());
    let spot = scene.by(world::rented(place, host), world::residential_abroad(place, host), world::guest(owner.city, host));
    let mut thief = scene.impostor(&owner, spot, false);
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
