//! What happens to a finding over time: when it is said, how it fades, what may be asked because of it, and which clock counts.

mod support;

use portcullis_core::containment::Action;
use portcullis_core::policy::{Emit, Policy};
use portcullis_core::signal;
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::time::{DAY_MS, MINUTE_MS, SECOND_MS};
use portcullis_core::verdict::{Centibans, Level};
use support::people::*;
use support::{Log, Run, at, event};

fn policy(emit: Emit) -> Policy {
    Policy { emit, ..Policy::default_policy() }
}

fn changes(log: &Log) -> Run {
    Run::over(&policy(Emit::Changes), log, &[usize::MAX / 2])
}

fn everything(log: &Log) -> Run {
    Run::over(&policy(Emit::All), log, &[usize::MAX / 2])
}

/// Accepted in Lagos half an hour after home: medium, in session `s-2`.
fn travelled(log: &mut Log) {
    at_home(log, "ana", "customer");
    log.json("0", &login("success", &[HOME, BY_PASSWORD]));
    log.json("30:00", &login("success", &[LAGOS, BY_PASSWORD, &session("s-2")]));
}

/// The policy with another weight for one signal, for every class.
fn with_weight(mut policy: Policy, name: &str, db: i32) -> Policy {
    for settings in &mut policy.signals[signal::by_name(name).unwrap()].by_class {
        settings.weight = Centibans::from_db(db);
    }
    policy
}

#[test]
fn a_verdict_is_written_for_changes_rises_and_reminders() {
    let mut log = Log::default();
    travelled(&mut log);
    for when in ["40:00", "50:00", "1:00:00", "1:10:00"] {
        log.json(when, &act("api.request", "success", "ana", "customer", &[LAGOS, &session("s-2")]));
    }
    log.json("1:12:00", &login("success", &[&LAGOS.replace("d-home", "d-evil"), BY_PASSWORD, &session("s-2")]));
    let run = changes(&log);
    assert_eq!(
        run.told(),
        [
            "0:30:00 identity ana low>medium -1.3: impossible_travel +28.0, new_place +5.7",
            "    step_up session s-2 by reauthenticate",
            "1:00:00 identity ana medium>medium -2.0: impossible_travel +27.4, new_place +5.6",
            "1:12:00 identity ana medium>high +8.2: impossible_travel +27.1, new_device +10.6, new_place +5.5",
            "    step_up session s-2 by reauthenticate",
        ]
    );
    assert_eq!(run.verdicts().map(|v| v.folded).collect::<Vec<_>>(), [1, 3, 2], "what is not said is counted");
    let floor = Run::over(&policy(Emit::Floor), &log, &[1]);
    assert_eq!(floor.verdicts().count(), 6, "every event at or above medium");
}

#[test]
fn a_level_ends_by_itself_when_it_was_said_to() {
    let mut log = Log::default();
    travelled(&mut log);
    let valid_until = changes(&log).verdicts().next().unwrap().valid_until.unwrap();
    log.tick(valid_until.plus(-MINUTE_MS));
    assert_eq!(changes(&log).verdicts().count(), 1, "not before");
    log.tick(valid_until.plus(DAY_MS));
    let run = changes(&log);
    let fallen = run.verdicts().nth(1).expect("it falls by a timer");
    assert_eq!(
        (fallen.event_id.as_ref(), fallen.previous_level, fallen.level, fallen.valid_until),
        (None, Level::Medium, Level::Low, None)
    );
    assert_eq!((fallen.time, fallen.appended_at), (valid_until, valid_until), "at its own moment, not when somebody looked");
    assert!(fallen.evidence_db < -10.0 && fallen.evidence_db > -10.4, "{}", fallen.evidence_db);
}

#[test]
fn an_incident_closes_and_another_opens() {
    let mut log = Log::default();
    travelled(&mut log);
    log.tick(at("100:00:00"));
    log.json("101:00:00", &login("success", &[HOME, BY_PASSWORD]));
    // From where she was accepted before it would be no news.
    log.json("101:30:00", &login("success", &[&LAGOS.replace("64777", "64778"), BY_PASSWORD, &session("s-2")]));
    let run = changes(&log);
    assert_eq!(
        run.told(),
        [
            "0:30:00 identity ana low>medium -1.3: impossible_travel +28.0, new_place +5.7",
            "    step_up session s-2 by reauthenticate",
            "5:45:00 identity ana medium>low by decay -10.2: impossible_travel +20.6, new_place +4.2",
            "15:03:50 incident closed",
            "101:30:00 identity ana low>medium -2.8: impossible_travel +28.0, off_hours +6.0, new_place +2.4, off_hours +1.5, familiar -5.7",
            "    step_up session s-2 by reauthenticate",
        ]
    );
    let incidents: Vec<_> = run.verdicts().filter_map(|v| v.incident.clone()).collect();
    assert_ne!(incidents.first(), incidents.last());
    assert!(run.proposals().all(|p| p.step == 1) && run.proposals().count() == 2);
}

#[test]
fn what_anybody_can_cause_never_contains_the_identity() {
    let mut asked = Vec::new();
    for weight in [26, 36, 46, 60] {
        let mut log = Log::default();
        at_home(&mut log, "ana", "customer");
        for i in 0..25 {
            log.json_at(at("0").plus(i * 20 * SECOND_MS), &login("failure", &[NOWHERE, BAD_PASSWORD, &session("s-1")]));
        }
        let run = Run::over(&with_weight(policy(Emit::Changes), "failed_login_spike", weight), &log, &[1]);
        let of_ana = run.proposals().filter(|p| p.subject.kind == "identity");
        asked.extend(of_ana.map(|p| (weight, p.level, p.action)));
    }
    use {Action::*, Level::*};
    assert_eq!(
        asked,
        [
            (26, Medium, StepUp),
            (36, Medium, StepUp),
            (36, High, StepUp),
            (46, Medium, StepUp),
            (46, High, StepUp),
            (46, Critical, OpenCase),
            (60, Medium, StepUp),
            (60, High, StepUp),
            (60, Critical, OpenCase),
        ]
    );
}

#[test]
fn a_step_up_is_never_by_a_method_under_suspicion() {
    for (method, not) in [("push", vec!["push".to_owned()]), ("password", vec![])] {
        let mut log = Log::default();
        at_home(&mut log, "ana", "customer");
        for i in 0..6 {
            let auth = format!(r#""auth":{{"method":"{method}","failure":"mfa_denied"}}"#);
            log.json_at(at("0").plus(i * 30 * SECOND_MS), &act("auth.mfa", "failure", "ana", "customer", &[HOME, &auth]));
        }
        log.json("4:00", &login("success", &[HOME, BY_PASSWORD]));
        log.json("34:00", &login("success", &[LAGOS, BY_PASSWORD, &session("s-2")]));
        let run = changes(&log);
        let step_ups: Vec<_> = run.proposals().filter(|p| p.action == Action::StepUp).map(|p| p.params.not.clone()).collect();
        assert!(!step_ups.is_empty() && step_ups.iter().all(|n| *n == not), "{method}: {step_ups:?}");
    }
}

#[test]
fn a_fact_lifts_the_level_alone_and_says_so_until_it_is_stale() {
    let mut log = Log::default();
    for i in 0..6 {
        log.json_at(at("0").plus(i * 30 * SECOND_MS), &act("auth.mfa", "failure", "wim", "workforce", &[PUSH_DENIED]));
    }
    log.json("4:00", &act("auth.mfa", "success", "wim", "workforce", &[BY_PUSH, &session("s-7")]));
    log.tick(at("10:00:00"));
    let weak = with_weight(policy(Emit::Changes), "push_fatigue_won", 5);
    let run = Run::over(&weak, &log, &[1]);
    assert_eq!(
        run.told(),
        [
            "0:04:00 identity wim low>high floor push_fatigue_won -15.5: push_fatigue +15.0, push_fatigue_won +2.5",
            "    terminate_session session s-7",
            "    step_up session s-7 by reauthenticate not push",
            "2:04:00 identity wim high>low by decay -24.3: push_fatigue +7.5, push_fatigue_won +1.2",
            "2:34:00 incident closed",
        ]
    );
    assert_eq!(run.verdicts().next().unwrap().floor.as_deref(), Some("push_fatigue_won"));
}

#[test]
fn what_protects_speaks_for_its_own_session_only() {
    let thief = LAGOS.replace("d-home", "d-evil");
    let after = |factor: &str| {
        let mut log = Log::default();
        at_home(&mut log, "ana", "customer");
        log.json("0", &login("success", &[HOME, BY_PASSWORD]));
        log.json("30:00", &login("success", &[&thief, BY_PASSWORD, &session("s-2")]));
        log.json("31:00", factor);
        everything(&log).verdicts().filter(|v| v.subject.kind == "identity").last().unwrap().evidence_db
    };
    let nothing = after(&act("api.request", "success", "ana", "customer", &[&session("s-1")]));
    // A passkey of a device that is not placed, in another session: it takes nothing from the thief's.
    let other = after(&act("auth.mfa", "success", "ana", "customer", &[r#""source":{"device_id":"d-home"}"#, BY_PASSKEY, &session("s-1")]));
    assert_eq!(other, nothing);
    // On the owner's device in the session under suspicion it does.
    let mut log = Log::default();
    travelled(&mut log);
    log.json("31:00", &act("auth.mfa", "success", "ana", "customer", &[LAGOS, BY_PASSKEY, &session("s-2")]));
    assert_eq!(everything(&log).verdicts().filter(|v| v.subject.kind == "identity").last().unwrap().evidence_db, -16.3);
}

#[test]
fn a_late_event_lands_where_it_belongs_and_is_judged_now() {
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    for second in 0..4 {
        log.json_at(at("0").plus(second * SECOND_MS), &login("failure", &[NOWHERE, BAD_PASSWORD]));
    }
    log.json("20:00", &login("success", &[HOME, BY_PASSWORD]));
    log.json("0:30", &login("failure", &[NOWHERE, BAD_PASSWORD]));
    let run = everything(&log);
    let late = run.verdicts().filter(|v| v.subject.kind == "identity").last().unwrap();
    assert_eq!(late.reasons[0].observed, "0 failures in 10 min, 5 in 1 h");
    assert_eq!(late.reasons[0].db, 5.0, "half strength, not decayed: it is judged at 20:00");
    assert_eq!(late.appended_at, at("20:00"));
}

#[test]
fn a_backfill_within_a_minute_decays_as_it_happened() {
    let live = |stamp: fn(usize, portcullis_core::time::Time) -> portcullis_core::time::Time| {
        let mut plain = Log::default();
        at_home(&mut plain, "ana", "customer");
        for i in 0..8 {
            plain.json_at(at("0").plus(i * MINUTE_MS), &login("failure", &[STRANGER, BAD_PASSWORD]));
        }
        plain.json("9:00", &login("success", &[STRANGER, BY_PASSWORD, &session("s-2")]));
        plain.json("12:00:00", &login("success", &[HOME, BY_PASSWORD]));
        let mut log = Log::default();
        for (i, (key, event, at)) in plain.records.into_iter().enumerate() {
            log.records.push((key, event, stamp(i, at)));
        }
        let run = everything(&log);
        run.verdicts()
            .filter(|v| v.subject.kind == "identity" && v.event_id.is_some())
            .map(|v| (v.time, v.level, v.evidence_db))
            .collect::<Vec<_>>()
    };
    let as_it_happened = live(|_, at| at);
    let in_a_minute = live(|i, _| at("13:00:00").plus(i as i64 * SECOND_MS));
    assert!(as_it_happened.iter().any(|(_, level, _)| *level > Level::Low));
    // Between events the evidence clock runs on with log time, a second a record: that is all the difference.
    assert_eq!(as_it_happened.len(), in_a_minute.len());
    for (a, b) in as_it_happened.iter().zip(&in_a_minute) {
        assert!(a.0 == b.0 && a.1 == b.1 && (a.2 - b.2).abs() <= 0.5, "{a:?} {b:?}");
    }
}

#[test]
fn a_flood_of_devices_does_not_make_a_stranger_of_the_owner() {
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    for i in 0..5_000 {
        let source = format!(r#""source":{{"ip":"203.0.113.9","asn":{},"country":"CH","device_id":"d-{i}"}}"#, 70_000 + i);
        log.json_at(at("0").plus(i * SECOND_MS), &act("api.request", "success", "ana", "customer", &[&source]));
    }
    log.json("33:00:00", &login("success", &[HOME, BY_PASSWORD, &session("s-1")]));
    log.json("33:01:00", &login("success", &[HOME, BY_PASSKEY, &session("s-1")]));
    let run = everything(&log);
    let last = run.verdicts().filter(|v| v.subject.kind == "identity").last().unwrap();
    let of_this_event: Vec<&str> =
        last.reasons.iter().filter(|r| r.events.last() == last.event_id.as_ref()).map(|r| r.signal.as_str()).collect();
    assert_eq!(of_this_event, Vec::<&str>::new(), "neither her device nor her network is new");
}

#[test]
fn the_inventory_says_what_an_identity_is() {
    let inventory =
        r#""type":"inventory.identity","identity":{"id":"root"},"inventory":{"class":"admin","owner":"platform","criticality":3}"#;
    let mut log = Log::default();
    log.json("0", inventory);
    log.json("1:00", &act("api.request", "success", "root", "customer", &[HOME, &session("s-1")]));
    log.json("5:00", &act("api.request", "success", "root", "customer", &[STRANGER, &session("s-1")]));
    let run = Run::over(&with_weight(policy(Emit::Changes), "session_hijack", 30), &log, &[1]);
    assert_eq!(
        run.told(),
        [
            "0:05:00 identity root low>high +0.0: session_hijack +30.0",
            "    terminate_session session s-1",
            "    revoke_token account root",
            "    open_case identity root",
        ]
    );
    let proposal = run.proposals().next().unwrap();
    assert_eq!((proposal.owner.as_deref(), proposal.criticality, proposal.playbook.as_str()), (Some("platform"), Some(3), "admin"));
}

#[test]
fn who_does_not_exist_gets_no_profile() {
    let mut log = Log::default();
    for i in 0..40 {
        let auth = r#""auth":{"method":"password","failure":"unknown_identity"}"#;
        log.json_at(at("0").plus(i * SECOND_MS), &act("auth.login", "failure", &format!("nobody-{i}"), "customer", &[NOWHERE, auth]));
    }
    let run = changes(&log);
    let kinds: Vec<Kind> = run.shelf.iter().filter_map(|(key, _)| SubjectRef::from_key(key).map(|s| s.kind)).collect();
    assert_eq!(kinds, [Kind::Source]);
    assert!(run.verdicts().any(|v| v.level >= Level::Medium), "but the source is noticed");
}

#[test]
fn an_event_among_the_last_eight_is_not_counted_twice() {
    let failures = |ids: &[&str]| {
        let mut log = Log::default();
        at_home(&mut log, "ana", "customer");
        for (i, id) in ids.iter().enumerate() {
            let id = format!(r#""id":"{id}""#);
            log.json_at(at("0").plus(i as i64 * SECOND_MS), &login("failure", &[NOWHERE, BAD_PASSWORD, &id]));
        }
        let run = everything(&log);
        (run.counts.repeats, run.verdicts().filter(|v| v.reasons.iter().any(|r| r.signal == "failed_login_spike")).count())
    };
    assert_eq!(failures(&["a", "b", "c", "d", "e"]), (0, 1), "five failures speak");
    // Each is a record of the identity and one of the source.
    assert_eq!(failures(&["a", "a", "b", "a", "c", "b", "d", "d"]), (8, 0), "four do not, however often they are delivered");
    assert_eq!(failures(&["a", "1", "2", "3", "4", "5", "6", "7", "8", "a"]).0, 0, "the ninth last is forgotten");
}

#[test]
fn a_thief_s_second_session_and_second_order_are_asked_for_too() {
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    for i in 0..8 {
        log.json_at(at("0").plus(i * 20 * SECOND_MS), &login("failure", &[STRANGER, BAD_PASSWORD]));
    }
    log.json("5:00", &login("success", &[STRANGER, BY_PASSWORD, &session("s-2")]));
    log.json("6:00", &login("success", &[STRANGER, BY_PASSWORD, &session("s-3")]));
    for order in ["o-1", "o-2"] {
        let buy = checkout(order, "c-stolen", 90_000, "approved");
        log.json("7:00", &act("checkout.attempt", "success", "ana", "customer", &[STRANGER, &session("s-3"), &buy]));
    }
    assert_eq!(
        changes(&log).told(),
        [
            "0:01:20 source 203.0.113.9 low>medium -9.2: fruitless_source +20.8",
            "    challenge source 203.0.113.9",
            "0:05:00 identity ana low>critical +20.6: guessed_password +36.0, new_device +10.8, new_place +6.0, failed_login_spike +2.8",
            "    terminate_session session s-2",
            "    revoke_token account ana",
            "    open_case identity ana",
            "0:07:00 identity ana critical>critical +30.4: guessed_password +34.4, takeover_checkout +11.5, new_device +10.8, new_place +6.0, failed_login_spike +2.7",
            "    terminate_session session s-3",
            "    hold_order order o-1",
            "0:07:00 identity ana critical>critical +30.4: guessed_password +34.4, takeover_checkout +11.5, new_device +10.8, new_place +6.0, failed_login_spike +2.7",
            "    hold_order order o-2",
        ]
    );
}

#[test]
fn an_event_from_the_future_does_not_move_the_clock() {
    let mut log = Log::default();
    travelled(&mut log);
    let forged = event(at("2400:00:00"), &act("api.request", "success", "ana", "customer", &[&session("s-2")]));
    log.push_stamped(forged, at("31:00"));
    log.tick(at("32:00"));
    let run = changes(&log);
    assert_eq!(run.told().len(), 2, "neither decay nor the end of the incident: {:?}", run.told());
    assert!(run.state.log_time < at("40:00"));
    assert!(run.shelf.iter().all(|(_, p)| p.memory.now().is_none_or(|now| now < at("40:00"))));
}

#[test]
fn a_declared_workload_counts_from_the_first_day() {
    let inventory = r#""type":"inventory.identity","identity":{"id":"sync"},"inventory":{"class":"service","shared_by":[],"expected":{"workloads":["spiffe://corp/ns/shop/sa/sync"]}}"#;
    let asked = |declared: bool, source: &str| {
        let mut log = Log::default();
        if declared {
            log.json("0", inventory);
        }
        log.json("1:00", &call_of("sync", "/v1/orders", IN_CLUSTER, "key-1", 0));
        log.json("20:00", &call_of("sync", "/v1/orders", source, "key-1", 0));
        let run = Run::over(&with_weight(policy(Emit::Changes), "off_workload", 30), &log, &[1]);
        run.proposals().map(support::proposal_line).collect::<Vec<_>>()
    };
    assert_eq!(asked(true, OTHER_CLOUD), ["notify_owner identity sync"]);
    assert_eq!(asked(true, IN_CLUSTER), [""; 0]);
    assert_eq!(asked(false, OTHER_CLOUD), [""; 0], "nothing is known of it, and nothing declared");
}
