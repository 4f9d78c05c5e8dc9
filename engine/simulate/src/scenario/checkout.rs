//! Where money moves.

use super::scene::{Mark, Scene, Seat};
use super::{ATTACK, Scenario, extra, one, stays};
use crate::clock::{MINUTE, SECOND};
use crate::identity::{Class, Factor, Person, Who};
use crate::json::{self, DECLINES, put, success};
use crate::life::person::card;
use crate::world::{self, CITIES};
use std::io::Write;

pub const TAKEOVER_CHECKOUT: Scenario = Scenario {
    name: "takeover_checkout",
    doc: "Recovery by a stolen mailbox, a new device in a new place, a new card, an expensive order.",
    cast: one(Class::Customer, stays),
    signals: &["takeover_checkout", "new_device", "new_place"],
    play: takeover_checkout,
    ..ATTACK
};

fn takeover_checkout(scene: &mut Scene<'_>) {
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
        put!(out, r#","change":{{"target":"address","value":"addr-{:08x}"}}"#, host >> 32);
    });
    let card = scene.token();
    for n in 0..scene.by(3, 2, 1) {
        at += scene.seconds(45, 150);
        let amount = owner.usual_amount * scene.random.between(6, 14);
        scene.buy(at, &thief, (card, "US"), amount, None, if n == 0 { Mark::Enough } else { Mark::Part });
    }
}

pub const CARD_TESTING: Scenario = Scenario {
    name: "card_testing",
    doc: "Stolen cards tried with small amounts on one account.",
    cast: one(Class::Customer, stays),
    signals: &["card_testing"],
    play: card_testing,
    ..ATTACK
};

fn card_testing(scene: &mut Scene<'_>) {
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
        let declined = if n % 9 == 8 { None } else { Some(DECLINES[n % 4]) };
        let country = ["US", "GB", "FR", "BR", "MX"][n % 5];
        scene.buy(at, &tester, (card, country), amount, declined, if n == 4 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(low, high);
    }
}

pub const CARDING_RING: Scenario = Scenario {
    name: "carding_ring",
    doc: "Stolen cards tried with small amounts over many accounts, one or two each, from one address.",
    cast: one(Class::Customer, stays),
    signals: &["card_testing"],
    play: carding_ring,
    ..ATTACK
};

fn carding_ring(scene: &mut Scene<'_>) {
    let spot = scene.lair();
    scene.subject = ("source", spot.ip());
    let first = scene.person();
    let bot = scene.impostor(&first, spot, true);
    let (accounts, low, high, enough) = scene.by((20, 5, 20, 8), (14, 10, 30, 7), (9, 20, 45, 6));
    let mut people = vec![first];
    people.extend(scene.others(Class::Customer, accounts - 1, |_| true));
    let mut at = scene.at;
    let mut tried = 0;
    for person in people {
        let mut seat = Seat { person, ..bot.clone() };
        scene.login(at, &mut seat, Factor::Password, Mark::Part);
        for _ in 0..2 {
            at += scene.seconds(low, high);
            tried += 1;
            let (card, amount) = (scene.token(), scene.random.between(80, 300));
            let declined = if tried % 7 == 6 { None } else { Some(DECLINES[tried % 4]) };
            scene.buy(at, &seat, (card, "US"), amount, declined, if tried == enough { Mark::Enough } else { Mark::Part });
        }
        at += scene.seconds(low, high);
    }
}

pub const GIFT_CARD_SPREE: Scenario = Scenario {
    name: "gift_card_spree",
    doc: "A stolen session buys gift cards with the card on file.",
    cast: one(Class::Customer, stays),
    signals: &["checkout_velocity", "amount_outlier"],
    play: gift_card_spree,
    ..ATTACK
};

fn gift_card_spree(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut home = scene.at_home(&owner);
    // A customer of long standing: what the owner usually pays is known.
    scene.history(&home, (1..=8).rev().map(|n| n * 4));
    scene.login(scene.at, &mut home, owner.factor, Mark::Background);
    let mut thief = scene.thief(&owner);
    thief.session = home.session.clone();
    let (orders, times) = scene.by((14, 25), (8, 14), (5, 8));
    let usual = (card(&owner, 0), CITIES[owner.city].country);
    let mut at = scene.at + 10 * MINUTE;
    for n in 0..orders {
        let amount = owner.usual_amount * times * scene.random.between(800, 1_200) / 1_000;
        scene.buy(at, &thief, usual, amount, None, if n == 1 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(40, 150);
    }
}

pub const FAKE_ACCOUNTS: Scenario = Scenario {
    name: "fake_accounts",
    doc: "Accounts by the dozen from one device.",
    cast: one(Class::Customer, stays),
    signals: &["signup_burst"],
    play: fake_accounts,
    ..ATTACK
};

fn fake_accounts(scene: &mut Scene<'_>) {
    let spot = scene.lair();
    scene.subject = ("source", spot.ip());
    let first = scene.person();
    let scripted = scene.by(true, false, false);
    let bot = scene.impostor(&first, spot, scripted);
    let (accounts, low, high) = scene.by((24, 5, 30), (14, 60, 140), (8, 200, 400));
    let mut at = scene.at;
    for n in 0..accounts {
        let mut seat = Seat { person: newcomer(scene), ..bot.clone() };
        scene.act(at, &seat, success("account.create"), if n == 4 { Mark::Enough } else { Mark::Part }, |_| {});
        scene.login(at + 3 * SECOND, &mut seat, Factor::Password, Mark::Part);
        at += scene.seconds(low, high);
    }
}

/// Somebody of this tenant whom nobody has seen before.
fn newcomer(scene: &mut Scene<'_>) -> Person {
    let number = crate::census::EXTRAS + 1_000_000 + scene.random.below(4_000_000) as u32;
    Person { tenant: scene.tenant, ..Person::derive(scene.frame, Who { class: Class::Customer, number }) }
}

pub const YOUNG_ACCOUNT_FRAUD: Scenario = Scenario {
    name: "young_account_fraud",
    doc: "An account a few minutes old orders something expensive with a card from elsewhere.",
    cast: extra(Class::Customer),
    signals: &["young_account_checkout", "amount_outlier"],
    play: young_account_fraud,
    ..ATTACK
};

fn young_account_fraud(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut thief = scene.thief(&owner);
    scene.act(scene.at, &thief, success("account.create"), Mark::Part, |_| {});
    scene.login(scene.at + 20 * SECOND, &mut thief, Factor::Password, Mark::Part);
    let mut at = scene.browse(scene.at + MINUTE, &thief, 3, Mark::Part);
    for n in 0..scene.by(3, 2, 2) {
        let stolen = (scene.token(), ["US", "BR", "GB"][n]);
        scene.buy(at, &thief, stolen, 90_000, Some(DECLINES[n % 4]), Mark::Part);
        at += scene.seconds(30, 90);
    }
    let stolen = (scene.token(), "US");
    scene.buy(at, &thief, stolen, 95_000, None, Mark::Enough);
}

pub const SHARED_CARD_RING: Scenario = Scenario {
    name: "shared_card_ring",
    doc: "One stolen card on several accounts within a day.",
    cast: one(Class::Customer, stays),
    signals: &["shared_instrument"],
    play: shared_card_ring,
    ..ATTACK
};

fn shared_card_ring(scene: &mut Scene<'_>) {
    let first = scene.person();
    let stolen = scene.token();
    scene.subject = ("card", format!("card-{:012x}", stolen & 0xffff_ffff_ffff));
    let (accounts, minutes) = scene.by((7, 20), (5, 60), (4, 180));
    let mut people = vec![first];
    people.extend(scene.others(Class::Customer, accounts - 1, |_| true));
    let mut at = scene.at;
    for (n, person) in people.into_iter().enumerate() {
        let mut thief = scene.thief(&person);
        scene.login(at, &mut thief, Factor::Password, Mark::Part);
        let amount = scene.random.between(4_000, 30_000);
        at += MINUTE;
        // Two may be a couple; three are not.
        scene.buy(at, &thief, (stolen, "US"), amount, None, if n == 2 { Mark::Enough } else { Mark::Part });
        at += minutes * MINUTE * scene.random.between(600, 1_400) / 1_000;
    }
}

pub const REFUND_FRAUD: Scenario = Scenario {
    name: "refund_fraud",
    doc: "Refunds without purchases, to a new card.",
    cast: one(Class::Customer, stays),
    signals: &["refund_abuse"],
    play: refund_fraud,
    ..ATTACK
};

fn refund_fraud(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut thief = scene.thief(&owner);
    scene.login(scene.at, &mut thief, Factor::Password, Mark::Part);
    let card = scene.token();
    let mut at = scene.at + MINUTE;
    for n in 0..scene.by(10, 6, 4) {
        let (order, amount) = (scene.random.next(), owner.usual_amount * scene.random.between(1, 5));
        scene.act(at, &thief, success("checkout.refund"), if n == 1 { Mark::Enough } else { Mark::Part }, |out| {
            json::checkout(out, &json::Checkout { order, amount, card, card_country: "US", declined: None });
        });
        at += scene.seconds(40, 400);
    }
}
