//! Guessing: of one password, of one password on many accounts, of many leaked pairs, of names.

use super::scene::{Mark, Scene, Seat};
use super::{ATTACK, Scenario, one, password_only, stays};
use crate::clock::{HOUR, MINUTE, SECOND};
use crate::identity::{Class, Factor, Person};
use crate::world;

pub const GUESSED_PASSWORD: Scenario = Scenario {
    name: "guessed_password",
    doc: "Many wrong passwords from a rented server, then the right one.",
    cast: one(Class::Customer, password_only),
    signals: &["guessed_password", "failed_login_spike", "fruitless_source"],
    play: guessed_password,
    ..ATTACK
};

fn guessed_password(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let spot = scene.lair();
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

pub const SLOW_GUESSING: Scenario = Scenario {
    name: "slow_guessing",
    doc: "A password guessed over a day, a try an hour, too slow for any window.",
    cast: one(Class::Customer, password_only),
    signals: &["guessed_password", "new_place", "new_device"],
    play: slow_guessing,
    ..ATTACK
};

fn slow_guessing(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let spot = scene.lair();
    let mut thief = scene.impostor(&owner, spot, false);
    let (tries, minutes) = scene.by((24, 20), (16, 45), (11, 80));
    let mut at = scene.at;
    for _ in 0..tries {
        scene.fail(at, &thief, Mark::Part);
        at += minutes * MINUTE * scene.random.between(700, 1_300) / 1_000;
    }
    scene.login(at, &mut thief, Factor::Password, Mark::Enough);
    scene.browse(at + 20 * SECOND, &thief, 5, Mark::Part);
}

pub const CREDENTIAL_STUFFING: Scenario = Scenario {
    name: "credential_stuffing",
    doc: "A leaked list of names and passwords, tried once each from one address.",
    cast: one(Class::Customer, stays),
    signals: &["credential_stuffing"],
    play: credential_stuffing,
    ..ATTACK
};

fn credential_stuffing(scene: &mut Scene<'_>) {
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
            let mut seat = Seat { person: victim, ..bot.clone() };
            if n > 20 && n % 24 == 0 && seat.person.factor == Factor::Password {
                scene.login(at, &mut seat, Factor::Password, mark);
            } else {
                scene.fail(at, &seat, mark);
            }
        }
        at += minutes * MINUTE / names * scene.random.between(700, 1_250) / 1_000;
    }
}

pub const STUFFING_HIT: Scenario = Scenario {
    name: "stuffing_hit",
    doc: "An address that has tried a leaked list comes back later with the one pair that fits.",
    cast: one(Class::Customer, password_only),
    signals: &["bad_source", "new_place", "new_device"],
    play: stuffing_hit,
    ..ATTACK
};

fn stuffing_hit(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let spot = scene.lair();
    let scripted = scene.by(true, true, false);
    let bot = scene.impostor(&owner, spot, scripted);
    let (names, later) = scene.by((40, 20 * MINUTE), (30, HOUR), (24, 4 * HOUR));
    let end = try_leaked_list(scene, scene.at, &bot, names, 12 * MINUTE);
    // With a browser, to look around.
    let mut thief = scene.impostor(&owner, spot, false);
    scene.login(end + later, &mut thief, Factor::Password, Mark::Enough);
    scene.browse(end + later + 12 * SECOND, &thief, 5, Mark::Part);
}

/// Tries `names` pairs, half of them of people who are not here; returns when it is over.
fn try_leaked_list(scene: &mut Scene<'_>, from: i64, bot: &Seat, names: i64, within: i64) -> i64 {
    let mut at = from;
    for _ in 0..names {
        try_leaked_pair(scene, at, bot);
        at += within / names * scene.random.between(700, 1_250) / 1_000;
    }
    at
}

fn try_leaked_pair(scene: &mut Scene<'_>, at: i64, bot: &Seat) {
    if scene.random.chance(500) {
        let id = format!("{:06x}@mail.example", scene.token() >> 40);
        scene.fail_unknown(at, bot, &id, Mark::Part);
    } else {
        let person = scene.somebody(Class::Customer);
        scene.fail(at, &Seat { person, ..bot.clone() }, Mark::Part);
    }
}

pub const DISTRIBUTED_STUFFING: Scenario = Scenario {
    name: "distributed_stuffing",
    doc: "A leaked list tried from dozens of addresses, two or three names each, by the same program; one pair fits.",
    cast: one(Class::Customer, password_only),
    signals: &["credential_stuffing", "bad_source", "new_place", "new_device"],
    play: distributed_stuffing,
    ..ATTACK
};

fn distributed_stuffing(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let (sources, minutes) = scene.by((30, 15), (20, 25), (12, 40));
    let scripted = scene.by(true, true, false);
    let first = scene.lair();
    let bot = scene.impostor(&owner, first, scripted);
    let mut at = scene.at;
    for n in 0..sources {
        let (place, host) = (scene.random.below(34) as usize, scene.random.next());
        let spot = if n % 3 == 0 { world::rented(place, host) } else { world::residential_abroad(place, host) };
        let bot = Seat { spot, ..bot.clone() };
        let tries = scene.random.between(2, 3);
        at = try_leaked_list(scene, at, &bot, tries, minutes * MINUTE / sources);
        if n == sources * 3 / 4 {
            let mut hit = Seat { person: owner.clone(), ..bot };
            scene.login(at, &mut hit, Factor::Password, Mark::Enough);
            scene.browse(at + 3 * SECOND, &hit, 2, Mark::Part);
        }
    }
}

pub const PASSWORD_SPRAY: Scenario = Scenario {
    name: "password_spray",
    doc: "One common password, tried slowly on many accounts from one address.",
    cast: one(Class::Workforce, stays),
    signals: &["password_spray"],
    play: password_spray,
    ..ATTACK
};

fn password_spray(scene: &mut Scene<'_>) {
    let spot = scene.lair();
    scene.subject = ("source", spot.ip());
    let scripted = scene.by(true, true, false);
    let (accounts, hours) = scene.by((48, 8), (26, 16), (14, 22));
    let first = scene.person();
    let bot = scene.impostor(&first, spot, scripted);
    // Distinct accounts as far as there are any, colleagues and customers; then names of people who are long gone.
    let mut victims = vec![first];
    victims.extend(scene.others(Class::Workforce, accounts as usize / 2, |_| true));
    victims.extend(scene.others(Class::Customer, accounts as usize - victims.len(), |_| true));
    let mut at = scene.at;
    for n in 0..accounts {
        let mark = if n == 9 { Mark::Enough } else { Mark::Part };
        match victims.get(n as usize) {
            Some(victim) => {
                let seat = Seat { person: victim.clone(), ..bot.clone() };
                scene.fail(at, &seat, mark);
            }
            None => scene.fail_unknown(at, &bot, &format!("former.colleague-{n}"), mark),
        }
        at += hours * HOUR / accounts * scene.random.between(600, 1_400) / 1_000;
    }
}

pub const IDENTITY_ENUMERATION: Scenario = Scenario {
    name: "identity_enumeration",
    doc: "A list of names tried for which of them exist.",
    cast: one(Class::Customer, stays),
    signals: &["identity_enumeration"],
    play: identity_enumeration,
    ..ATTACK
};

fn identity_enumeration(scene: &mut Scene<'_>) {
    let spot = scene.lair();
    scene.subject = ("source", spot.ip());
    let first: Person = scene.person();
    let scripted = scene.by(true, true, false);
    let bot = scene.impostor(&first, spot, scripted);
    let (names, minutes) = scene.by((80, 6), (45, 9), (24, 13));
    let (mut at, mut unknown) = (scene.at, 0);
    for _ in 0..names {
        if scene.random.chance(850) {
            unknown += 1;
            let id = format!("{:06x}@mail.example", scene.token() >> 40);
            // The tenth name that nobody has, within a quarter of an hour: nobody mistypes like that.
            scene.fail_unknown(at, &bot, &id, if unknown == 10 { Mark::Enough } else { Mark::Part });
        } else {
            let person = scene.somebody(Class::Customer);
            scene.fail(at, &Seat { person, ..bot.clone() }, Mark::Part);
        }
        at += minutes * MINUTE / names * scene.random.between(700, 1_250) / 1_000;
    }
}
