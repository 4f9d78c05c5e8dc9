//! Money that moves oddly and rightly.

use crate::census::EXTRAS;
use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::{Class, Device, Factor, Person, Who};
use crate::json::{self, Request, success};
use crate::life::person::card;
use crate::scenario::scene::{Mark, Scene, Seat};
use crate::scenario::{LOOK_ALIKE, Scenario, When, extra, one, stays};
use crate::world::{self, CITIES};

pub const FLASH_SALE: Scenario = Scenario {
    name: "flash_sale",
    doc: "A sale opens: everybody reloads, and many buy several times within minutes.",
    cast: one(Class::Customer, stays),
    when: When::WorkHours,
    signals: &["cadence_surge", "checkout_velocity"],
    play: flash_sale,
    ..LOOK_ALIKE
};

fn flash_sale(scene: &mut Scene<'_>) {
    let keen = scene.person();
    for n in 0..20 {
        let person = if n == 0 { keen.clone() } else { scene.somebody(Class::Customer) };
        let mut seat = scene.at_home(&person);
        let mut at = scene.at + scene.seconds(0, 240);
        scene.login(at, &mut seat, person.factor, Mark::Part);
        at += 2 * SECOND;
        for _ in 0..if n == 0 { 90 } else { scene.random.between(5, 20) } {
            let object = Some(scene.random.below(12));
            scene.ask(at, &seat, &Request { object, bytes: 5_000, ..Request::new("GET", "/shop/products/{id}", "") }, Mark::Part);
            at += scene.random.between(900, 4_000);
        }
        for _ in 0..if n == 0 { 5 } else { 1 } {
            at += scene.seconds(15, 50);
            scene.buy_as_usual(at, &seat, Mark::Part);
        }
    }
}

pub const FAMILY_CARD: Scenario = Scenario {
    name: "family_card",
    doc: "Parents and a child, each with an account and a phone, pay with one card.",
    cast: one(Class::Customer, stays),
    signals: &["shared_instrument", "card_testing", "takeover_checkout"],
    play: family_card,
    ..LOOK_ALIKE
};

fn family_card(scene: &mut Scene<'_>) {
    let first = scene.person();
    let mut family = vec![first.clone()];
    family.extend(scene.others(Class::Customer, 2, |p| p.city == first.city));
    let shared = (card(&first, 0), CITIES[first.city].country);
    let mut at = scene.at;
    for person in family {
        // Everybody on the own phone, at the same home.
        let mut seat = Seat { spot: first.home(scene.at), ..scene.at_home(&person) };
        scene.login(at, &mut seat, person.factor, Mark::Part);
        at = scene.browse(at + 5 * SECOND, &seat, 4, Mark::Part);
        let amount = scene.random.log_normal(person.usual_amount);
        scene.buy(at, &seat, shared, amount, None, Mark::Part);
        at += HOUR + scene.seconds(0, 3_000);
    }
}

pub const NEW_KITCHEN: Scenario = Scenario {
    name: "new_kitchen",
    doc: "The usual customer, device and home: a mistyped number, then an order fifty times the usual, with a new card.",
    cast: one(Class::Customer, stays),
    signals: &["amount_outlier", "takeover_checkout", "card_testing"],
    play: new_kitchen,
    ..LOOK_ALIKE
};

fn new_kitchen(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    scene.login(scene.at, &mut seat, owner.factor, Mark::Part);
    let at = scene.browse(scene.at + 5 * SECOND, &seat, 15, Mark::Part);
    let new_card = (card(&owner, 2), CITIES[owner.city].country);
    let amount = owner.usual_amount * 50;
    scene.buy(at, &seat, new_card, amount, Some("incorrect_cvc"), Mark::Part);
    scene.buy(at + 40 * SECOND, &seat, new_card, amount, None, Mark::Part);
}

pub const RECALL_REFUNDS: Scenario = Scenario {
    name: "recall_refunds",
    doc: "A product is recalled: whoever bought it gets the money back.",
    cast: one(Class::Customer, stays),
    signals: &["refund_abuse"],
    play: recall_refunds,
    ..LOOK_ALIKE
};

fn recall_refunds(scene: &mut Scene<'_>) {
    let first = scene.person();
    let mut buyers = vec![first];
    buyers.extend(scene.others(Class::Customer, 7, |_| true));
    for person in buyers {
        let mut seat = scene.at_home(&person);
        let bought = scene.at - 3 * DAY + scene.seconds(0, 7_000);
        scene.login(bought, &mut seat, person.factor, Mark::Background);
        let order = scene.random.next();
        let checkout =
            json::Checkout { order, amount: 12_900, card: card(&person, 0), card_country: CITIES[person.city].country, declined: None };
        scene.act(bought + MINUTE, &seat, success("checkout.attempt"), Mark::Background, |out| json::checkout(out, &checkout));
        let at = scene.at + scene.seconds(0, 3_000);
        scene.login(at, &mut seat, person.factor, Mark::Part);
        scene.act(at + MINUTE, &seat, success("checkout.refund"), Mark::Part, |out| json::checkout(out, &checkout));
    }
}

pub const FIRST_ORDER: Scenario = Scenario {
    name: "first_order",
    doc: "A new customer orders a few minutes after signing up, at home, with a card of the own country.",
    cast: extra(Class::Customer),
    signals: &["young_account_checkout", "fresh_identity"],
    play: first_order,
    ..LOOK_ALIKE
};

fn first_order(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    scene.act(scene.at, &seat, success("account.create"), Mark::Part, |_| {});
    scene.login(scene.at + 15 * SECOND, &mut seat, Factor::Password, Mark::Part);
    let at = scene.browse(scene.at + 40 * SECOND, &seat, 8, Mark::Part);
    scene.buy_as_usual(at + MINUTE, &seat, Mark::Part);
}

pub const SCHOOL_SIGN_UPS: Scenario = Scenario {
    name: "school_sign_ups",
    doc: "A class of pupils signs up for a shop from the school's line, each on an own device.",
    cast: one(Class::Customer, stays),
    when: When::WorkHours,
    signals: &["signup_burst"],
    play: school_sign_ups,
    ..LOOK_ALIKE
};

fn school_sign_ups(scene: &mut Scene<'_>) {
    let teacher = scene.person();
    let spot = world::guest(teacher.city, scene.token());
    scene.subject = ("source", spot.ip());
    let first = EXTRAS + 6_000_000 + (scene.random.below(1 << 16) as u32) * 16;
    let mut at = scene.at;
    for n in 0..12 {
        let who = Who { class: Class::Customer, number: first + n };
        let pupil = Person { tenant: scene.tenant, ..Person::derive(scene.frame, who) };
        let mut seat = scene.seat(&pupil, spot);
        scene.act(at, &seat, success("account.create"), Mark::Part, |_| {});
        scene.login(at + 20 * SECOND, &mut seat, Factor::Password, Mark::Part);
        scene.browse(at + 40 * SECOND, &seat, 2, Mark::Part);
        at += scene.seconds(60, 240);
    }
}

pub const CATERER: Scenario = Scenario {
    name: "caterer",
    doc: "A caterer's orders of every morning, one for each event, and more of them from week to week.",
    cast: extra(Class::Customer),
    signals: &["checkout_velocity", "card_testing"],
    play: caterer,
    ..LOOK_ALIKE
};

fn caterer(scene: &mut Scene<'_>) {
    let owner = scene.person();
    for day in (0..14).rev() {
        let mark = if day == 0 { Mark::Part } else { Mark::Background };
        let mut seat = scene.at_home(&owner);
        let mut at = scene.at - day * DAY;
        scene.login(at, &mut seat, owner.factor, mark);
        for _ in 0..(16 - day) / 2 {
            at = scene.browse(at + 10 * SECOND, &seat, 3, mark) + scene.seconds(60, 200);
            scene.buy_as_usual(at, &seat, mark);
        }
    }
}

pub const LARGE_AND_SMALL: Scenario = Scenario {
    name: "large_and_small",
    doc: "A customer who buys screws on one day and machines on the other, and today the largest so far.",
    cast: extra(Class::Customer),
    signals: &["amount_outlier"],
    play: large_and_small,
    ..LOOK_ALIKE
};

fn large_and_small(scene: &mut Scene<'_>) {
    let owner = scene.person();
    // Tenths of what is usual; the last is today's.
    let amounts = [4, 12, 30, 7, 60, 20, 5, 45, 15, 8, 70, 25, 120];
    for (n, tenths) in amounts.into_iter().enumerate() {
        let today = n + 1 == amounts.len();
        let mark = if today { Mark::Part } else { Mark::Background };
        let mut seat = scene.at_home(&owner);
        let at = scene.at - (amounts.len() - 1 - n) as i64 * 2 * DAY;
        scene.login(at, &mut seat, owner.factor, mark);
        let at = scene.browse(at + 5 * SECOND, &seat, 6, mark);
        scene.buy(at + MINUTE, &seat, (card(&owner, 0), CITIES[owner.city].country), owner.usual_amount * tenths / 10, None, mark);
    }
}

pub const NEXT_DAY_ORDER: Scenario = Scenario {
    name: "next_day_order",
    doc: "A new customer signs up, looks around, sleeps on it, and orders the day after.",
    cast: extra(Class::Customer),
    signals: &["young_account_checkout"],
    play: next_day_order,
    ..LOOK_ALIKE
};

fn next_day_order(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    let signed_up = scene.at - 14 * HOUR;
    scene.act(signed_up, &seat, success("account.create"), Mark::Part, |_| {});
    scene.login(signed_up + 15 * SECOND, &mut seat, Factor::Password, Mark::Part);
    scene.browse(signed_up + 40 * SECOND, &seat, 12, Mark::Part);
    let at = scene.browse(scene.at, &seat, 4, Mark::Part);
    scene.buy_as_usual(at + MINUTE, &seat, Mark::Part);
}

pub const SHOP_KIOSK: Scenario = Scenario {
    name: "shop_kiosk",
    doc: "A shop's own terminal signs up customers, more of them from day to day since it was put up.",
    cast: one(Class::Customer, stays),
    when: When::WorkHours,
    signals: &["signup_burst"],
    play: shop_kiosk,
    ..LOOK_ALIKE
};

fn shop_kiosk(scene: &mut Scene<'_>) {
    let neighbour = scene.person();
    let spot = world::guest(neighbour.city, scene.token());
    let kiosk = Device::of(scene.token(), false, true);
    scene.subject = ("device", format!("d-{:010x}", kiosk.id));
    let mut number = EXTRAS + 7_000_000 + (scene.random.below(1 << 14) as u32) * 64;
    for day in (0..8).rev() {
        let mark = if day == 0 { Mark::Part } else { Mark::Background };
        let mut at = scene.at - day * DAY;
        for _ in 0..10 - day {
            let customer = Person { tenant: scene.tenant, ..Person::derive(scene.frame, Who { class: Class::Customer, number }) };
            let mut seat = Seat { device: kiosk.clone(), ..scene.seat(&customer, spot) };
            scene.act(at, &seat, success("account.create"), mark, |_| {});
            scene.login(at + 30 * SECOND, &mut seat, Factor::Password, mark);
            number += 1;
            at += scene.seconds(120, 300);
        }
    }
}
