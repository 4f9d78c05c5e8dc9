//! People who look at, count out or carry away what they may touch.

use super::scene::{Mark, Scene};
use super::{ATTACK, Scenario, When, one, stays};
use crate::clock::SECOND;
use crate::identity::{Class, Device, Who};
use crate::json::Request;

pub const SUPPORT_SNOOPING: Scenario = Scenario {
    name: "support_snooping",
    doc: "A support agent opens one customer after the other.",
    cast: one(Class::Support, stays),
    when: When::WorkHours,
    signals: &["support_fanout"],
    play: support_snooping,
    ..ATTACK
};

fn support_snooping(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    scene.login(scene.at, &mut desk, owner.factor, Mark::Background);
    let (customers, low, high, enough) = scene.by((120, 4, 20, 50), (80, 20, 60, 45), (50, 60, 160, 35));
    let mut at = scene.at + 20 * SECOND;
    for n in 0..customers {
        let number = scene.random.below(u64::from(scene.frame.customers.max(1))) as u32;
        let target = Some(Who { class: Class::Customer, number });
        let request =
            Request { target, object: Some(u64::from(number)), ..Request::new("GET", "/support/customers/{id}", "customers:read") };
        scene.ask(at, &desk, &request, if n == enough { Mark::Enough } else { Mark::Part });
        at += scene.seconds(low, high);
    }
}

pub const OBJECT_ENUMERATION: Scenario = Scenario {
    name: "object_enumeration",
    doc: "Somebody counts through other people's orders.",
    cast: one(Class::Customer, stays),
    signals: &["object_enumeration"],
    play: object_enumeration,
    ..ATTACK
};

fn object_enumeration(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    scene.login(scene.at, &mut seat, owner.factor, Mark::Background);
    let (objects, low, high) = scene.by((200, 1, 3), (90, 3, 8), (50, 6, 14));
    let first = scene.random.below(1 << 30);
    let mut at = scene.at + 20 * SECOND;
    for n in 0..objects {
        let status = [403, 404, 403, 200, 404][n % 5];
        let request = Request { status, object: Some(first + n as u64), ..Request::new("GET", "/account/orders/{id}", "profile") };
        scene.ask(at, &seat, &request, if n == 24 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(low, high);
    }
}

pub const SCRAPING: Scenario = Scenario {
    name: "scraping",
    doc: "A program in a customer's name reads the whole catalogue.",
    cast: one(Class::Customer, stays),
    signals: &["scraping", "machine_rhythm", "cadence_surge"],
    play: scraping,
    ..ATTACK
};

fn scraping(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    if scene.by(true, false, false) {
        seat.device = Device { id: seat.device.id, ..Device::script(owner.key) };
    }
    scene.login(scene.at, &mut seat, owner.factor, Mark::Part);
    let (pages, gap) = scene.by((300, 700), (200, 2_000), (150, 5_000));
    let mut at = scene.at + 5 * SECOND;
    for n in 0..pages {
        let request = Request { object: Some(n as u64 * 7), bytes: 30_000, ..Request::new("GET", "/shop/products/{id}", "") };
        scene.ask(at, &seat, &request, if n == 90 { Mark::Enough } else { Mark::Part });
        at += gap + scene.random.between(0, gap / 12);
    }
}

pub const EXFILTRATION: Scenario = Scenario {
    name: "exfiltration",
    doc: "Somebody about to leave downloads what there is.",
    cast: one(Class::Workforce, stays),
    when: When::Night,
    signals: &["egress_surge", "off_hours"],
    play: exfiltration,
    ..ATTACK
};

fn exfiltration(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    scene.login(scene.at, &mut seat, owner.factor, Mark::Background);
    let (files, bytes) = scene.by((40, 80_000_000), (24, 30_000_000), (14, 12_000_000));
    let mut at = scene.at + 30 * SECOND;
    for n in 0..files {
        let object = Some(scene.random.below(60_000));
        let bytes = bytes / 2 + scene.random.below(bytes);
        let request = Request { object, bytes, ..Request::new("GET", "/wiki/pages/{id}", "wiki:read") };
        scene.ask(at, &seat, &request, if n == 5 { Mark::Enough } else { Mark::Part });
        at += scene.seconds(10, 90);
    }
}
