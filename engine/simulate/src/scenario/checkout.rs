//! Where money moves.

use super::scene::{Mark, Scene};
use crate::clock::{MINUTE, SECOND};
use crate::identity::Factor;
use crate::json::{put, success};
use crate::world;
use std::io::Write;

pub fn takeover_checkout(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let (place, host) = (scene.random.below(34) as usize, scene.random.next());
    let spot = scene.by(world::rented(place, host), world::residential_abroad(place, host), world::guest(owner.city, host));
    let mut thief = scene.impostor(&owner, spot, false);
    let recovers = scene.by(true, true, false);
    let mut at = scene.at;
    if recovers {
        scene.act(at, &thief, success("auth.recovery"), Mark::Part, |_| {});
        at += scene.seconds(40, 120);
    }
    scene.login(at, &mut thief, Factor::Password, Mark::Part);
    at = scene.browse(at + 9 * SECOND, &thief, 4, Mark::Part);
    scene.act(at, &thief, success("account.update"), Mark::Part, |out| {
        put!(out, r#","change":{{"target":"delivery_address","value":"addr-{:08x}"}}"#, host >> 32);
    });
    let card = scene.token();
    for n in 0..scene.by(3, 2, 1) {
        at += scene.seconds(45, 150);
        let amount = owner.usual_amount * scene.random.between(6, 14);
        scene.buy(at, &thief, (card, "US"), amount, None, if n == 0 { Mark::Enough } else { Mark::Part });
    }
}

pub fn card_testing(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let (place, host) = (scene.random.below(34) as usize, scene.random.next());
    let spot = scene.by(world::rented(place, host), world::residential_abroad(place, host), world::residential_abroad(place, host));
    let scripted = scene.by(true, true, false);
    let mut tester = scene.impostor(&owner, spot, scripted);
    scene.login(scene.at, &mut tester, Factor::Password, Mark::Part);
    let (cards, low, high) = scene.by((30, 6, 20), (15, 20, 40), (8, 50, 75));
    let mut at = scene.at + MINUTE;
    for n in 0..cards {
        let card = scene.token();
        let amount = scene.random.between(80, 300);
        let declined = if n % 9 == 8 { None } else { Some(["do_not_honor", "invalid_number", "stolen_card", "incorrect_cvc"][n % 4]) };
        let country = ["US", "GB", "FR", "BR", "MX"][n % 5];
        scene.buy(at, &tester, (card, country), amount, declined, if n == 4 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(low, high);
    }
}
