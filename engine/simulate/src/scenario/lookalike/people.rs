//! People who forget, move house, start work, buy a phone, share a desk.

use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::identity::{Class, Device, Factor};
use crate::json::{self, Request, put, success};
use crate::scenario::scene::{Mark, Scene, Seat};
use crate::scenario::{LOOK_ALIKE, Scenario, When, extra, guessable, one, push, second_factor, stays};
use crate::world;
use std::io::Write;

pub const NEW_PHONE: Scenario = Scenario {
    name: "new_phone",
    doc: "A new phone, at home, with the usual second factor.",
    cast: one(Class::Customer, stays),
    signals: &["new_device"],
    play: new_phone,
    ..LOOK_ALIKE
};

fn new_phone(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let key = scene.random.next();
    let mut seat = Seat { device: Device::of(key, true, true), ..scene.at_home(&owner) };
    if owner.factor != Factor::Passkey && scene.random.chance(500) {
        scene.fail(scene.at - 15 * SECOND, &seat, Mark::Part);
    }
    scene.login(scene.at, &mut seat, owner.factor, Mark::Part);
    let at = scene.browse(scene.at + 20 * SECOND, &seat, 5, Mark::Part);
    scene.buy_as_usual(at, &seat, Mark::Part);
}

pub const MONDAY_MORNING: Scenario = Scenario {
    name: "monday_morning",
    doc: "A password forgotten over the weekend: several failures from the usual desk, then recovery.",
    cast: one(Class::Workforce, guessable),
    when: When::MondayMorning,
    signals: &["failed_login_spike", "guessed_password", "assisted_reset"],
    play: monday_morning,
    ..LOOK_ALIKE
};

fn monday_morning(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_work(&owner);
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

pub const HOLIDAY_RETURN: Scenario = Scenario {
    name: "holiday_return",
    doc: "Six weeks away, then home again on the usual device, buying with the usual card.",
    cast: extra(Class::Customer),
    signals: &["dormant_return", "takeover_checkout"],
    play: holiday_return,
    ..LOOK_ALIKE
};

fn holiday_return(scene: &mut Scene<'_>) {
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

pub const FIRST_DAY_AT_WORK: Scenario = Scenario {
    name: "first_day_at_work",
    doc: "A newcomer's first day: a new account, device, factor and everything for the first time.",
    cast: extra(Class::Workforce),
    when: When::WorkHours,
    signals: &["fresh_identity", "new_device", "new_scope", "new_place"],
    play: first_day_at_work,
    ..LOOK_ALIKE
};

fn first_day_at_work(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let admin = scene.somebody(Class::Admin);
    let mut desk = scene.at_work(&admin);
    scene.login(scene.at - 2 * HOUR, &mut desk, admin.factor, Mark::Background);
    scene.change(scene.at - HOUR, &desk, "account.create", &[("target", &owner.who.id())], Mark::Background);
    let mut seat = scene.at_work(&owner);
    scene.fail(scene.at, &seat, Mark::Part);
    scene.act(scene.at + MINUTE, &seat, success("auth.recovery"), Mark::Part, |_| {});
    scene.login(scene.at + 2 * MINUTE, &mut seat, Factor::Password, Mark::Part);
    let factor = owner.factor.second().map_or("webauthn", |f| f.0);
    scene.change(scene.at + 3 * MINUTE, &seat, "account.update", &[("target", "factor"), ("value", factor)], Mark::Part);
    let at = scene.browse(scene.at + 4 * MINUTE, &seat, 25, Mark::Part);
    // And from the sofa, to show it at home.
    let home = Seat { spot: owner.home(scene.at), ..seat };
    scene.browse(at + 9 * HOUR, &home, 4, Mark::Part);
}

pub const SHARED_KIOSK: Scenario = Scenario {
    name: "shared_kiosk",
    doc: "A dozen colleagues of a shop floor take turns at one terminal.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["shared_instrument", "credential_stuffing", "password_spray", "new_device"],
    play: shared_kiosk,
    ..LOOK_ALIKE
};

fn shared_kiosk(scene: &mut Scene<'_>) {
    let first = scene.person();
    let mut people = vec![first.clone()];
    people.extend(scene.others(Class::Workforce, 11, |p| p.office == first.office));
    let kiosk = Device::of(scene.token(), false, true);
    let spot = world::office(first.tenant, first.office, 1);
    let mut at = scene.at;
    for person in people {
        let mut seat = Seat { device: kiosk.clone(), ..scene.seat(&person, spot) };
        if scene.random.chance(250) {
            scene.fail(at - 10 * SECOND, &seat, Mark::Part);
        }
        scene.login(at, &mut seat, Factor::Password, Mark::Part);
        scene.browse(at + 3 * SECOND, &seat, 3, Mark::Part);
        at += scene.seconds(120, 600);
    }
}

pub const PASSWORD_MANAGER: Scenario = Scenario {
    name: "password_manager",
    doc: "A password manager sends the old password twice for every click, then the new one.",
    cast: one(Class::Customer, guessable),
    signals: &["failed_login_spike", "guessed_password", "fruitless_source"],
    play: password_manager,
    ..LOOK_ALIKE
};

fn password_manager(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    let mut at = scene.at;
    for _ in 0..scene.random.between(3, 5) {
        scene.fail(at, &seat, Mark::Part);
        scene.fail(at + 150, &seat, Mark::Part);
        at += scene.seconds(5, 20);
    }
    scene.login(at, &mut seat, owner.factor, Mark::Part);
    scene.browse(at + 4 * SECOND, &seat, 6, Mark::Part);
}

pub const MISSED_PUSHES: Scenario = Scenario {
    name: "missed_pushes",
    doc: "Three pushes to a phone in the other room, then it is found.",
    cast: one(Class::Workforce, push),
    when: When::WorkHours,
    signals: &["push_fatigue", "push_fatigue_won"],
    play: missed_pushes,
    ..LOOK_ALIKE
};

fn missed_pushes(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut seat = scene.at_home(&owner);
    let mut at = scene.at;
    for _ in 0..3 {
        scene.refuse(at, &seat, "mfa_timeout", Mark::Part);
        at += scene.seconds(62, 90);
    }
    scene.login(at, &mut seat, Factor::Push, Mark::Part);
    scene.browse(at + 5 * SECOND, &seat, 6, Mark::Part);
}

pub const LOST_FACTOR: Scenario = Scenario {
    name: "lost_factor",
    doc: "A lost phone: the help desk takes its factor off, the owner enrols another at the usual desk.",
    cast: one(Class::Workforce, second_factor),
    when: When::WorkHours,
    signals: &["factor_downgrade", "assisted_reset", "new_device"],
    play: lost_factor,
    ..LOOK_ALIKE
};

fn lost_factor(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let helper = scene.somebody(Class::Support);
    let mut desk = scene.at_work(&helper);
    scene.login(scene.at - 30 * MINUTE, &mut desk, helper.factor, Mark::Background);
    let usual = owner.factor.second().map_or("totp", |f| f.0);
    let removed = [("target", "factor"), ("role", "removed"), ("value", usual)];
    scene.assist(scene.at, &desk, "account.update", owner.who, &removed, Mark::Background);
    let mut own = scene.at_work(&owner);
    scene.login(scene.at + 5 * MINUTE, &mut own, Factor::Password, Mark::Part);
    let at = scene.at + 6 * MINUTE;
    scene.change(at, &own, "account.update", &[("target", "factor"), ("value", "totp")], Mark::Part);
    scene.browse(at + MINUTE, &own, 8, Mark::Part);
}

pub const NEW_TOOL_SIGN_IN: Scenario = Scenario {
    name: "new_tool_sign_in",
    doc: "A command-line tool on the own laptop signs in by device code, at the usual desk.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["device_code_login"],
    play: new_tool_sign_in,
    ..LOOK_ALIKE
};

fn new_tool_sign_in(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    scene.login(scene.at - 10 * MINUTE, &mut desk, owner.factor, Mark::Background);
    scene.act(scene.at, &desk, success("auth.login"), Mark::Part, |out| json::auth(out, "device_code", "", &[]));
    scene.act(scene.at + 2 * SECOND, &desk, success("auth.token"), Mark::Part, |out| json::auth(out, "oauth", "", &[]));
    scene.browse(scene.at + 20 * SECOND, &desk, 8, Mark::Part);
}

pub const USEFUL_CONSENT: Scenario = Scenario {
    name: "useful_consent",
    doc: "A person connects a calendar application; its maker reads the calendar from its own servers, and nothing else.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["risky_consent"],
    play: useful_consent,
    ..LOOK_ALIKE
};

fn useful_consent(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    scene.login(scene.at, &mut desk, owner.factor, Mark::Background);
    scene.change(scene.at + MINUTE, &desk, "consent.grant", &[("target", "calendar-sync"), ("scope", "calendar:read")], Mark::Part);
    let device = Device { user_agent: "axios/1.7.9", ..Device::script(7) };
    let reader = Seat { spot: world::rented(10, 4), device, session: None, ..desk };
    let token = format!("at-{:012x}", scene.token() >> 16);
    let mut at = scene.at + 5 * MINUTE;
    for _ in 0..12 {
        let issued = scene.at + 2 * MINUTE;
        scene.act(at, &reader, success("api.request"), Mark::Part, |out| {
            json::credential(out, &token, "access_token", issued, Some(issued + 24 * HOUR), "", "calendar-sync");
            json::request(out, &Request { bytes: 2_000, ..Request::new("GET", "/calendar/events", "calendar:read") });
        });
        at += 30 * MINUTE;
    }
}

pub const DESKTOP_ROBOT: Scenario = Scenario {
    name: "desktop_robot",
    doc: "A desktop robot does a clerk's copying every afternoon, from the clerk's own desk.",
    cast: extra(Class::Workforce),
    when: When::WorkHours,
    signals: &["machine_rhythm", "cadence_surge", "scraping"],
    play: desktop_robot,
    ..LOOK_ALIKE
};

fn desktop_robot(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let start = scene.at;
    for day in (0..12).rev() {
        let mark = if day == 0 { Mark::Part } else { Mark::Background };
        let mut desk = scene.at_work(&owner);
        let mut at = start - day * DAY;
        scene.login(at, &mut desk, owner.factor, mark);
        at = scene.browse(at + 5 * SECOND, &desk, 3, mark) + MINUTE;
        for n in 0..if day == 0 { 60 } else { 14 } {
            let request = Request { object: Some(n), ..Request::new("PATCH", "/crm/accounts/{id}", "crm:write") };
            scene.ask(at, &desk, &request, mark);
            at += 2_500 + scene.random.between(0, 150);
        }
    }
}

pub const REHIRED: Scenario = Scenario {
    name: "rehired",
    doc: "Somebody who left comes back: the account is enabled again, and used.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    absence: Some((7 * DAY, 2 * HOUR)),
    signals: &["offboarded_use", "dormant_return"],
    play: rehired,
    ..LOOK_ALIKE
};

fn rehired(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let admin = scene.somebody(Class::Admin);
    let mut desk = scene.at_work(&admin);
    let id = owner.who.id();
    scene.login(scene.at - 6 * DAY, &mut desk, admin.factor, Mark::Background);
    scene.change(scene.at - 6 * DAY + MINUTE, &desk, "account.disable", &[("target", &id)], Mark::Background);
    scene.login(scene.at, &mut desk, admin.factor, Mark::Background);
    scene.change(scene.at + MINUTE, &desk, "account.enable", &[("target", &id)], Mark::Background);
    let mut own = scene.at_work(&owner);
    scene.login(scene.at + 20 * MINUTE, &mut own, owner.factor, Mark::Part);
    scene.browse(scene.at + 21 * MINUTE, &own, 8, Mark::Part);
}

pub const OUTDATED_LAPTOP: Scenario = Scenario {
    name: "outdated_laptop",
    doc: "A laptop that missed an update counts as risky for a day; an EDR remarks on it at a low level.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    signals: &["risky_posture", "external_risk"],
    play: outdated_laptop,
    ..LOOK_ALIKE
};

fn outdated_laptop(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    let device = format!("d-{:010x}", desk.device.id);
    scene.control(scene.at - MINUTE, "device.posture", owner.who, Mark::Part, |out| {
        put!(out, r#","source":{{"device_id":"{device}","posture":"risky"}}"#);
    });
    scene.control(scene.at - 30 * SECOND, "risk.external", owner.who, Mark::Part, |out| {
        put!(out, r#","source":{{"device_id":"{device}"}},"risk":{{"provider":"edr","name":"outdated_os","level":"low"}}"#);
    });
    desk.posture = Some("risky");
    scene.login(scene.at, &mut desk, owner.factor, Mark::Part);
    scene.browse(scene.at + 5 * SECOND, &desk, 10, Mark::Part);
}

pub const LATE_SHIFT: Scenario = Scenario {
    name: "late_shift",
    doc: "A deadline: work at the usual desk at home until three in the morning, with large files.",
    cast: one(Class::Workforce, stays),
    when: When::Night,
    signals: &["off_hours", "egress_surge"],
    play: late_shift,
    ..LOOK_ALIKE
};

fn late_shift(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut home = scene.at_home(&owner);
    scene.login(scene.at, &mut home, owner.factor, Mark::Part);
    let mut at = scene.browse(scene.at + 5 * SECOND, &home, 12, Mark::Part);
    for n in 0..3 {
        let request = Request { object: Some(n), bytes: 9_000_000, ..Request::new("GET", "/wiki/pages/{id}", "wiki:read") };
        scene.ask(at, &home, &request, Mark::Part);
        at += scene.seconds(60, 400);
    }
}

pub const DEVICE_CODE_HABIT: Scenario = Scenario {
    name: "device_code_habit",
    doc: "A wallboard asks for a device code every morning, and its keeper types it in at the usual desk.",
    cast: extra(Class::Workforce),
    when: When::WorkHours,
    signals: &["device_code_login"],
    play: device_code_habit,
    ..LOOK_ALIKE
};

fn device_code_habit(scene: &mut Scene<'_>) {
    let owner = scene.person();
    for day in (0..26).rev() {
        let mark = if day == 0 { Mark::Part } else { Mark::Background };
        let mut desk = scene.at_work(&owner);
        let at = scene.at - day * DAY;
        scene.login(at - 10 * MINUTE, &mut desk, owner.factor, mark);
        scene.act(at, &desk, success("auth.login"), mark, |out| json::auth(out, "device_code", "", &[]));
        scene.browse(at + 20 * SECOND, &desk, 4, mark);
    }
}

pub const MENDED_LAPTOP: Scenario = Scenario {
    name: "mended_laptop",
    doc: "A laptop counts as risky in the morning, gets its update, and is compliant before anybody logs in.",
    cast: one(Class::Workforce, stays),
    when: When::WorkHours,
    absence: Some((2 * HOUR, HOUR)),
    signals: &["risky_posture"],
    play: mended_laptop,
    ..LOOK_ALIKE
};

fn mended_laptop(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let mut desk = scene.at_work(&owner);
    let device = format!("d-{:010x}", desk.device.id);
    for (before, posture) in [(HOUR, "risky"), (20 * MINUTE, "compliant")] {
        scene.control(scene.at - before, "device.posture", owner.who, Mark::Part, |out| {
            put!(out, r#","source":{{"device_id":"{device}","posture":"{posture}"}}"#);
        });
    }
    scene.login(scene.at, &mut desk, owner.factor, Mark::Part);
    scene.browse(scene.at + 5 * SECOND, &desk, 10, Mark::Part);
}

pub const MONTH_LONG_SESSION: Scenario = Scenario {
    name: "month_long_session",
    doc: "A customer stays logged in for weeks, on a phone and on a tablet, and uses now the one and now the other.",
    cast: extra(Class::Customer),
    signals: &["unissued_token"],
    play: month_long_session,
    ..LOOK_ALIKE
};

fn month_long_session(scene: &mut Scene<'_>) {
    let owner = scene.person();
    let tablet = Device::of(scene.token(), true, true);
    let mut seats = [scene.at_home(&owner), Seat { device: tablet, ..scene.at_home(&owner) }];
    for (n, seat) in seats.iter_mut().enumerate() {
        scene.login(scene.at - 26 * DAY + n as i64 * HOUR, seat, owner.factor, Mark::Background);
    }
    for day in (0..24).rev().step_by(2) {
        let mark = if day < 2 { Mark::Part } else { Mark::Background };
        let at = scene.at - day * DAY + scene.seconds(0, 3_000);
        scene.browse(at, &seats[usize::from(day % 6 == 1)], 5, mark);
    }
}
