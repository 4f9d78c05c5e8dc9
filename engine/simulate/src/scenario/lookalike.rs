//! What only looks like an attack. None of this should reach `high`.

use super::scene::{Mark, Post, Scene, Seat};
use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::{Class, Factor};
use crate::json::{self, failure, put, success};
use crate::world::{self, CITIES};
use std::io::Write;

pub fn office_nat(scene: &mut Scene<'_>) {
    let first = scene.person();
    let spot = world::office(first.tenant, first.office, 0);
    scene.subject = ("source", spot.ip());
    let mut people = vec![first.clone()];
    for _ in 0..200 {
        let other = scene.somebody(Class::Workforce);
        if other.tenant == first.tenant && other.office == first.office && people.len() < 40 && people.iter().all(|p| p.who != other.who) {
            people.push(other);
        }
    }
    for person in people {
        let mut seat = Seat { spot, device: person.device(0), person: person.clone(), session: None };
        let mut at = scene.at + scene.seconds(0, 2_400);
        for _ in 0..scene.random.weighted(&[30, 45, 25]) {
            scene.fail(at, &seat, Mark::Part);
            at += scene.seconds(8, 30);
        }
        scene.login(at, &mut seat, person.factor, Mark::Part);
        scene.browse(at + 20 * SECOND, &seat, 2, Mark::Part);
    }
}

pub fn vpn_switch(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    scene.login(scene.at, &mut seat, owner.factor, Mark::Background);
    let at = scene.browse(scene.at + 5 * SECOND, &seat, 4, Mark::Background);
    let exit = scene.random.next();
    let city = (owner.city + 1 + scene.random.below(CITIES.len() as u64 - 1) as usize) % CITIES.len();
    let mut tunnelled = Seat { spot: world::public_vpn(city, exit), ..seat.clone() };
    let mut at = scene.browse(at + 40 * SECOND, &tunnelled, 6, Mark::Part);
    // The identity provider asks again now and then, and gets the same factor from the same device.
    scene.login(at, &mut tunnelled, owner.factor, Mark::Part);
    at = scene.browse(at + 10 * SECOND, &tunnelled, 4, Mark::Part);
    scene.browse(at + 2 * MINUTE, &seat, 3, Mark::Part);
}

pub fn real_flight(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    scene.login(scene.at, &mut seat, owner.factor, Mark::Part);
    scene.browse(scene.at + 5 * SECOND, &seat, 4, Mark::Part);
    let home = (CITIES[owner.city].lat, CITIES[owner.city].lon);
    let far: Vec<usize> = (0..CITIES.len()).filter(|c| world::distance_km(home, (CITIES[*c].lat, CITIES[*c].lon)) > 5_000.0).collect();
    let city = *scene.random.pick(&far);
    let km = world::distance_km(home, (CITIES[city].lat, CITIES[city].lon));
    let landed = scene.at + 3 * HOUR + (km / 780.0 * HOUR as f64) as i64;
    let lease = scene.random.next();
    let mut at = landed;
    for day in 0..3 {
        let spot = if day == 0 { world::mobile(city, lease, lease >> 9) } else { world::guest(city, lease) };
        let mut there = Seat { spot, device: owner.device(day % owner.devices), ..seat.clone() };
        scene.login(at, &mut there, owner.factor, Mark::Part);
        scene.browse(at + 8 * SECOND, &there, 5, Mark::Part);
        at += DAY + scene.seconds(0, 7_000);
    }
}

pub fn new_phone(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let key = scene.random.next();
    let mut seat = Seat { device: crate::identity::Device::of(key, true), ..scene.at_home(&owner) };
    if owner.factor != Factor::Passkey && scene.random.chance(500) {
        scene.fail(scene.at - 15 * SECOND, &seat, Mark::Part);
    }
    scene.login(scene.at, &mut seat, owner.factor, Mark::Part);
    let at = scene.browse(scene.at + 20 * SECOND, &seat, 5, Mark::Part);
    scene.buy_as_usual(at, &seat, Mark::Part);
}

pub fn monday_morning(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = Seat { spot: world::office(owner.tenant, owner.office, owner.key), ..scene.at_home(&owner) };
    let mut at = scene.at;
    for _ in 0..scene.random.between(4, 7) {
        scene.fail(at, &seat, Mark::Part);
        at += scene.seconds(6, 25);
    }
    at += scene.seconds(60, 200);
    scene.act(at, &seat, success("auth.recovery"), Mark::Part, |_| {});
    at += scene.seconds(30, 90);
    scene.login(at, &mut seat, owner.factor, Mark::Part);
    scene.browse(at + 5 * SECOND, &seat, 6, Mark::Part);
}

pub fn cron_expired_password(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let post = scene.on_its_workload(&machine);
    let mut at = scene.at;
    for _ in 0..scene.random.between(60, 120) {
        scene.run(at, &post, None, failure("auth.token"), Mark::Part, |out| json::auth(out, "client_credentials", "expired", &[]));
        at += 5 * MINUTE + scene.random.between(0, 900);
    }
}

pub fn flash_sale(scene: &mut Scene<'_>) {
    let keen = scene.person();
    for n in 0..30 {
        let person = if n == 0 { keen.clone() } else { scene.somebody(Class::Customer) };
        let mut seat = scene.at_home(&person);
        let mut at = scene.at + scene.seconds(0, 240);
        scene.login(at, &mut seat, person.factor, Mark::Part);
        at += 2 * SECOND;
        for _ in 0..if n == 0 { 90 } else { scene.random.between(5, 25) } {
            let object = Some(scene.random.below(12));
            scene.act(at, &seat, success("api.request"), Mark::Part, |out| {
                json::request(
                    out,
                    &json::Request {
                        method: "GET",
                        route: "/shop/products/{id}",
                        status: 200,
                        bytes: 5_000,
                        object,
                        scope: "",
                        target: None,
                    },
                );
            });
            at += scene.random.between(900, 4_000);
        }
        for _ in 0..if n == 0 { 5 } else { 1 } {
            at += scene.seconds(15, 50);
            scene.buy_as_usual(at, &seat, Mark::Part);
        }
    }
}

pub fn holiday_return(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    scene.history(&seat, (0..16).map(|n| 42 + 48 - n * 3));
    if owner.factor == Factor::Password {
        scene.fail(scene.at - 12 * SECOND, &seat, Mark::Part);
    }
    scene.login(scene.at, &mut seat, owner.factor, Mark::Part);
    let at = scene.browse(scene.at + 6 * SECOND, &seat, 8, Mark::Part);
    scene.buy_as_usual(at + MINUTE, &seat, Mark::Part);
}

pub fn key_rotation_overlap(scene: &mut Scene<'_>) {
    let machine = scene.machine();
    let old = scene.on_its_workload(&machine);
    let new = Post { key: format!("{}-b", old.key), issued_at: scene.at, ..old.clone() };
    let old_id = old.key.clone();
    scene.run(scene.at, &new, None, success("credential.rotate"), Mark::Part, |out| put!(out, r#","change":{{"value":"{old_id}"}}"#));
    let mut at = scene.at + MINUTE;
    for n in 0..48 {
        // Half of the instances at first, then fewer and fewer, still use the old one.
        let post = if n % 2 == 0 && n < 24 || n % 6 == 0 { &old } else { &new };
        let post = Post { spot: machine.spot(scene.at, n), ..post.clone() };
        scene.call(at, &post, machine.domain, (n % 2) as usize, Mark::Part);
        at += HOUR + scene.seconds(0, 30);
    }
    scene.run(at, &new, None, success("credential.revoke"), Mark::Part, |out| put!(out, r#","change":{{"target":"{old_id}"}}"#));
    // From now on only the new one.
    while at < scene.frame.end - HOUR {
        at += 3 * HOUR + scene.seconds(0, 30);
        scene.call(at, &new, machine.domain, 0, Mark::Background);
    }
}
