//! Money that moves oddly and rightly.

use crate::census::EXTRAS;
use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::{Class, Factor, Person, Who};
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
