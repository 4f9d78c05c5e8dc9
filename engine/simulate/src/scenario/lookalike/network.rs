//! Networks that move people about: shared addresses, exits, flights, wrong databases.

use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::Class;
use crate::json::{self, put, success};
use crate::scenario::scene::{Mark, Scene, Seat};
use crate::scenario::{LOOK_ALIKE, Scenario, When, one, stays, with_phone};
use crate::world::{self, CITIES};
use std::io::Write;

pub const OFFICE_NAT: Scenario = Scenario {
    name: "office_nat",
    doc: "Colleagues (up to forty) behind one address, many mistyping, all getting in.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["password_spray", "credential_stuffing", "fruitless_source"],
    play: office_nat,
    ..LOOK_ALIKE
};

fn office_nat(scene: &mut Scene<'_>) {
    let first = scene.person();
    let spot = world::office(first.tenant, first.office, 0);
    scene.subject = ("source", spot.ip());
    let mut people = vec![first.clone()];
    people.extend(scene.others(Class::Workforce, 39, |p| p.office == first.office));
    for person in people {
        let mut seat = scene.seat(&person, spot);
        let mut at = scene.at + scene.seconds(0, 2_400);
        for _ in 0..scene.random.weighted(&[30, 45, 25]) {
            scene.fail(at, &seat, Mark::Part);
            at += scene.seconds(8, 30);
        }
        scene.login(at, &mut seat, person.factor, Mark::Part);
        scene.browse(at + 20 * SECOND, &seat, 2, Mark::Part);
    }
}

pub const CARRIER_NAT: Scenario = Scenario {
    name: "carrier_nat",
    doc: "Two dozen customers of one carrier behind one address; some mistype, a few give up, most get in.",
    cast: one(Class::Customer, with_phone),
    signals: &["password_spray", "credential_stuffing", "bad_source"],
    play: carrier_nat,
    ..LOOK_ALIKE
};

fn carrier_nat(scene: &mut Scene<'_>) {
    let first = scene.person();
    let spot = world::mobile(first.city, 0, scene.token());
    scene.subject = ("source", spot.ip());
    let mut people = vec![first.clone()];
    people.extend(scene.others(Class::Customer, 25, |p| p.city == first.city));
    for (n, person) in people.into_iter().enumerate() {
        let mut seat = scene.seat(&person, spot);
        let mut at = scene.at + scene.seconds(0, 4 * 3_600);
        for _ in 0..scene.random.weighted(&[60, 30, 10]) {
            scene.fail(at, &seat, Mark::Part);
            at += scene.seconds(8, 40);
        }
        if n % 9 != 8 {
            scene.login(at, &mut seat, person.factor, Mark::Part);
            scene.browse(at + 5 * SECOND, &seat, 2, Mark::Part);
        } else {
            scene.fail(at, &seat, Mark::Part);
        }
    }
}

pub const VPN_SWITCH: Scenario = Scenario {
    name: "vpn_switch",
    doc: "A VPN is switched on: the same device, session and person, another country.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["impossible_travel", "session_hijack", "new_place"],
    play: vpn_switch,
    ..LOOK_ALIKE
};

fn vpn_switch(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    scene.login(scene.at, &mut seat, owner.factor, Mark::Background);
    let at = scene.browse(scene.at + 5 * SECOND, &seat, 4, Mark::Background);
    let exit = scene.random.next();
    let city = (owner.city + 1 + scene.random.below(CITIES.len() as u64 - 1) as usize) % CITIES.len();
    let mut tunnelled = Seat { spot: world::public_vpn(city, exit), ..seat.clone() };
    let mut at = scene.browse(at + 40 * SECOND, &tunnelled, 6, Mark::Part);
    // Another country all at once is worth a question, and the owner can answer it.
    let who = owner.who.id();
    scene.control(at, "containment.outcome", owner.who, Mark::Background, |out| {
        put!(
            out,
            r#","containment":{{"status":"done","by":"idp","action":"step_up","subject":{{"kind":"identity","id":"{who}"}},"target":{{"kind":"account","id":"{who}"}}}}"#
        );
    });
    scene.act(at + 8 * SECOND, &tunnelled, success("auth.mfa"), Mark::Part, |out| json::auth(out, "totp", "", &[]));
    at = scene.browse(at + 15 * SECOND, &tunnelled, 2, Mark::Part);
    // The identity provider asks again now and then, and gets the same factor from the same device.
    scene.login(at, &mut tunnelled, owner.factor, Mark::Part);
    at = scene.browse(at + 10 * SECOND, &tunnelled, 4, Mark::Part);
    scene.browse(at + 2 * MINUTE, &seat, 3, Mark::Part);
}

pub const PRIVATE_RELAY: Scenario = Scenario {
    name: "private_relay",
    doc: "A phone's relay changes its exit in the middle of a session.",
    cast: one(Class::Customer, with_phone),
    signals: &["session_hijack", "impossible_travel", "new_place", "risky_network"],
    play: private_relay,
    ..LOOK_ALIKE
};

fn private_relay(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = Seat { spot: world::relay(owner.city, scene.token()), ..scene.at_home(&owner) };
    scene.login(scene.at, &mut seat, owner.factor, Mark::Part);
    let mut at = scene.at + 5 * SECOND;
    for _ in 0..5 {
        at = scene.browse(at, &seat, 3, Mark::Part);
        seat.spot = world::relay(owner.city, scene.token());
    }
    scene.buy_as_usual(at, &seat, Mark::Part);
}

pub const GEOIP_GLITCH: Scenario = Scenario {
    name: "geoip_glitch",
    doc: "An update of the place database puts a household's line into another country for an afternoon.",
    cast: one(Class::Customer, stays),
    signals: &["impossible_travel", "new_place", "session_hijack"],
    play: geoip_glitch,
    ..LOOK_ALIKE
};

fn geoip_glitch(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    scene.login(scene.at, &mut seat, owner.factor, Mark::Background);
    let at = scene.browse(scene.at + 5 * SECOND, &seat, 3, Mark::Background);
    // The same address and network, another place.
    let home = (CITIES[owner.city].lat, CITIES[owner.city].lon);
    let far: Vec<usize> = (0..CITIES.len()).filter(|c| world::distance_km(home, (CITIES[*c].lat, CITIES[*c].lon)) > 1_500.0).collect();
    let city = *scene.random.pick(&far);
    let mut moved = Seat { spot: seat.spot.believed_in(city), ..seat };
    let at = scene.browse(at + 20 * MINUTE, &moved, 5, Mark::Part);
    scene.login(at + HOUR, &mut moved, owner.factor, Mark::Part);
    scene.browse(at + HOUR + 10 * SECOND, &moved, 4, Mark::Part);
}

pub const PROXY_EXIT_CHANGE: Scenario = Scenario {
    name: "proxy_exit_change",
    doc: "The company's web proxy moves everybody to an exit in another country.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["impossible_travel", "session_hijack", "new_place", "risky_network"],
    play: proxy_exit_change,
    ..LOOK_ALIKE
};

fn proxy_exit_change(scene: &mut Scene<'_>) {
    let first = scene.person();
    let mut people = vec![first];
    people.extend(scene.others(Class::Workforce, 9, |_| true));
    let moved = scene.at + 40 * MINUTE;
    for person in people {
        let mut seat = scene.seat(&person, world::web_proxy(person.tenant, 0));
        let at = scene.at + scene.seconds(0, 1_200);
        scene.login(at, &mut seat, person.factor, Mark::Part);
        scene.browse(at + 5 * SECOND, &seat, 3, Mark::Part);
        let seat = Seat { spot: world::web_proxy(person.tenant, 1), ..seat };
        let at = moved + scene.seconds(0, 600);
        scene.browse(at, &seat, 3, Mark::Part);
    }
}

pub const WIFI_TO_MOBILE: Scenario = Scenario {
    name: "wifi_to_mobile",
    doc: "Out of the door: a session goes from the line at home to the carrier and back.",
    cast: one(Class::Customer, with_phone),
    signals: &["session_hijack", "new_place"],
    play: wifi_to_mobile,
    ..LOOK_ALIKE
};

fn wifi_to_mobile(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    let home = seat.spot;
    scene.login(scene.at, &mut seat, owner.factor, Mark::Part);
    let mut at = scene.browse(scene.at + 5 * SECOND, &seat, 4, Mark::Part);
    for n in 0..4 {
        let lease = scene.token();
        seat.spot = if n % 2 == 0 { world::mobile(owner.city, owner.key >> 32, lease) } else { home };
        at = scene.browse(at + MINUTE, &seat, 3, Mark::Part);
    }
}

pub const REAL_FLIGHT: Scenario = Scenario {
    name: "real_flight",
    doc: "A flight across an ocean, with the usual devices.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    absence: Some((2 * HOUR, 6 * DAY)),
    signals: &["impossible_travel", "new_place"],
    play: real_flight,
    ..LOOK_ALIKE
};

fn real_flight(scene: &mut Scene<'_>) {
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
        let mut there = Seat { spot, device: owner.device(day % owner.devices, at), ..seat.clone() };
        scene.login(at, &mut there, owner.factor, Mark::Part);
        scene.browse(at + 8 * SECOND, &there, 5, Mark::Part);
        at += DAY + scene.seconds(0, 7_000);
    }
}
