//! Guessing: of one password, of one password on many accounts, of many leaked pairs, of a tired person's patience.

use super::scene::{Mark, Scene};
use crate::clock::{HOUR, MINUTE, SECOND};
use crate::identity::{Class, Factor};
use crate::world;

pub fn guessed_password(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let host = scene.random.next();
    let place = scene.random.below(34) as usize;
    let spot = scene.by(world::rented(place, host), world::rented(place, host), world::residential_abroad(place, host));
    let scripted = scene.by(true, true, false);
    let mut thief = scene.impostor(&owner, spot, scripted);
    let (tries, low, high) = scene.by((40, 4, 20), (14, 30, 90), (7, 120, 220));
    let mut at = scene.at;
    for _ in 0..tries {
        scene.fail(at, &thief, Mark::Part);
        at += scene.seconds(low, high);
    }
    scene.login(at, &mut thief, Factor::Password, Mark::Enough);
    scene.browse(at + 20 * SECOND, &thief, 5, Mark::Part);
}

pub fn credential_stuffing(scene: &mut Scene<'_>) {
    let host = scene.random.next();
    let place = scene.random.below(34) as usize;
    let spot = world::rented(place, host);
    scene.subject = ("source", spot.ip());
    let (names, minutes) = scene.by((120, 8), (60, 12), (26, 14));
    let first = scene.person();
    let bot = scene.impostor(&first, spot, true);
    let mut at = scene.at;
    for n in 0..names {
        let mark = if n == 14 { Mark::Enough } else { Mark::Part };
        if scene.random.chance(450) {
            let id = format!("{:06x}@mail.example", scene.token() >> 40);
            scene.fail_unknown(at, &bot, &id, mark);
        } else {
            let victim = scene.somebody(Class::Customer);
            let mut seat = crate::scenario::scene::Seat { person: victim, ..bot.clone() };
            if n > 20 && n % 24 == 0 && seat.person.factor == Factor::Password {
                scene.login(at, &mut seat, Factor::Password, mark);
            } else {
                scene.fail(at, &seat, mark);
            }
        }
        at += minutes * MINUTE / names * scene.random.between(700, 1_250) / 1_000;
    }
}

pub fn password_spray(scene: &mut Scene<'_>) {
    let host = scene.random.next();
    let place = scene.random.below(34) as usize;
    let spot = scene.by(world::rented(place, host), world::rented(place, host), world::residential_abroad(place, host));
    scene.subject = ("source", spot.ip());
    let scripted = scene.by(true, true, false);
    let (accounts, hours) = scene.by((48, 8), (26, 16), (14, 22));
    let first = scene.person();
    let bot = scene.impostor(&first, spot, scripted);
    // Distinct accounts as far as there are any: colleagues first, then customers.
    let mut victims = vec![first];
    for n in 0..accounts * 8 {
        let class = if n % 2 == 0 { Class::Workforce } else { Class::Customer };
        let victim = scene.somebody(class);
        if victims.len() < accounts as usize && victims.iter().all(|v| v.who != victim.who) {
            victims.push(victim);
        }
    }
    let mut at = scene.at;
    for (n, victim) in victims.into_iter().enumerate() {
        let seat = crate::scenario::scene::Seat { person: victim, ..bot.clone() };
        scene.fail(at, &seat, if n == 9 { Mark::Enough } else { Mark::Part });
        at += hours * HOUR / accounts * scene.random.between(600, 1_400) / 1_000;
    }
}

pub fn push_fatigue(scene: &mut Scene<'_>) {
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
