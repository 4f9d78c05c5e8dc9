//! Labels: what people say of verdicts moves what the signals involved weigh for that identity, within bounds and for a time.

mod support;

use portcullis_core::batch::NO_SIGNAL;
use portcullis_core::event::Label;
use portcullis_core::feedback::{JUDGED_MAX, LEARNED_MAX};
use portcullis_core::policy::{Emit, Policy};
use portcullis_core::profile::Profile;
use portcullis_core::signal::ALL;
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use portcullis_core::verdict::{Level, Verdict};
use support::people::*;
use support::{Log, Run, at, start};

/// Guessed, from a machine that is new each time: several signals speak.
fn guessed(log: &mut Log, time: Time, which: u8) {
    let stranger = STRANGER.replace("203.0.113.9", &format!("203.0.113.{which}")).replace("d-evil", &format!("d-{which}"));
    for i in 0..9 {
        log.json_at(time.plus(i * 20_000), &login("failure", &[&stranger, BAD_PASSWORD]));
    }
    log.json_at(time.plus(5 * MINUTE_MS), &login("success", &[&stranger, BY_PASSWORD, &session(&format!("s-{which}"))]));
}

fn label(log: &mut Log, time: Time, label: &str, more: &str) {
    let fields = format!(r#""subject":{{"kind":"identity","id":"ana"}},"label":"{label}"{more}"#);
    log.json_at(time, &format!(r#""type":"feedback.label","feedback":{{{fields}}}"#));
}

fn policy() -> Policy {
    Policy { emit: Emit::All, ..Policy::default_policy() }
}

fn run(log: &Log) -> Run {
    Run::over(&policy(), log, &[16])
}

/// The verdict on ana at the last event.
fn last(run: &Run) -> &Verdict {
    run.verdicts().filter(|v| v.subject.id == "ana").last().unwrap()
}

fn db(verdict: &Verdict, signal: &str) -> f64 {
    verdict.reasons.iter().find(|r| r.signal == signal).map_or(0.0, |r| r.db)
}

/// The same again two days after it was labelled `said`; and the label's own verdict.
fn again(said: &str, more: impl Fn(&Verdict) -> String) -> (Run, f64, f64) {
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    guessed(&mut log, at("0"), 1);
    let before = last(&run(&log)).clone();
    label(&mut log, at("1:00:00"), said, &more(&before));
    guessed(&mut log, at("48:00:00"), 2);
    let after = run(&log);
    let now = db(last(&after), "guessed_password");
    (after, db(&before, "guessed_password"), now)
}

#[test]
fn a_false_alarm_weighs_less_the_next_time_and_says_so() {
    let (run, before, now) = again("false_positive", |v| format!(r#","verdict_id":"{}""#, v.id));
    assert_eq!((before, now), (36.0, 30.0));
    let reason = last(&run).reasons.iter().find(|r| r.signal == "guessed_password").unwrap().clone();
    assert!(reason.detail.ends_with("labels take 6.0 dB off it until 2026-05-31"), "{}", reason.detail);
    assert_eq!(run.counts.labels.get(&("guessed_password", Label::FalsePositive)), Some(&1));
}

#[test]
fn an_alarm_that_was_right_weighs_more_the_next_time() {
    let (run, before, now) = again("true_positive", |_| String::new());
    assert_eq!((before, now), (36.0, 39.0));
    assert!(last(&run).reasons[0].detail.contains("labels add 3.0 dB to it until"), "{:?}", last(&run).reasons[0]);
    let (_, before, now) = again("chargeback", |_| r#","signals":["guessed_password"]"#.to_owned());
    assert_eq!((before, now), (36.0, 39.0));
}

#[test]
fn a_label_acts_at_once_on_what_is_held() {
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    guessed(&mut log, at("0"), 1);
    let before = last(&run(&log)).clone();
    label(&mut log, at("5:30"), "false_positive", &format!(r#","verdict_id":"{}""#, before.id));
    let after = run(&log);
    let verdict = last(&after);
    assert_eq!(verdict.event_type.map(|t| t.name()), Some("feedback.label"));
    assert!(verdict.evidence_db < before.evidence_db - 6.0, "{} {}", before.evidence_db, verdict.evidence_db);
    let by_hand: f64 = verdict.prior_db + verdict.reasons.iter().map(|r| r.db).sum::<f64>();
    assert!((by_hand - verdict.evidence_db).abs() < 1e-9);
}

#[test]
fn a_label_means_its_verdict_or_its_time_and_nobody_else() {
    // A verdict that nobody remembers, and a time at which nothing was held against her.
    for more in [r#","verdict_id":"v-unknown""#.to_owned(), format!(r#","to":{}"#, start().plus(-DAY_MS).0)] {
        let (run, before, now) = again("false_positive", |_| more.clone());
        assert_eq!(before, now, "{more}");
        assert_eq!(run.counts.labels.get(&(NO_SIGNAL, Label::FalsePositive)), Some(&1), "{more}");
    }
    let its_time = format!(r#","verdict_id":"v-unknown","from":{},"to":{}"#, start().0, start().plus(HOUR_MS).0);
    let (_, before, now) = again("false_positive", |_| its_time.clone());
    assert_eq!((before, now), (36.0, 30.0), "the time counts where the verdict is not remembered");
    let mut log = Log::default();
    for who in ["ana", "bob"] {
        at_home(&mut log, who, "customer");
    }
    label(&mut log, at("0"), "false_positive", r#","signals":["new_device","new_place"]"#);
    for who in ["ana", "bob"] {
        log.json("1:00", &act("auth.login", "success", who, "customer", &[STRANGER, BY_PASSWORD]));
    }
    let run = run(&log);
    let of = |who: &str| run.verdicts().filter(|v| v.subject.id == who).last().unwrap().evidence_db;
    assert!(of("ana") < of("bob"), "{} {}", of("ana"), of("bob"));
}

#[test]
fn labels_are_bounded_expire_and_never_silence() {
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    guessed(&mut log, at("0"), 1);
    for i in 0..20 {
        label(
            &mut log,
            at("1:00:00").plus(i * MINUTE_MS),
            "false_positive",
            r#","signals":["guessed_password","new_device","strong_factor","nonsense"]"#,
        );
    }
    guessed(&mut log, at("48:00:00"), 2);
    assert_eq!(db(last(&run(&log)), "guessed_password"), 24.0, "12 dB at most");
    // From 15 dB no more than half goes.
    let labelled = run(&log).verdicts().filter(|v| v.subject.id == "ana").map(|v| db(v, "new_device")).fold(0.0, f64::max);
    assert!(labelled > 0.0);
    guessed(&mut log, start().plus(100 * DAY_MS), 3);
    let verdict = last(&run(&log)).clone();
    assert_eq!(db(&verdict, "guessed_password"), 36.0, "it has expired");
    assert!(verdict.reasons.iter().all(|r| !r.detail.contains("labels")), "{:?}", verdict.reasons);
}

#[test]
fn a_fact_stays_a_fact() {
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    let revoked = r#""credential":{"id":"k-1","kind":"api_key"}"#;
    log.json("0", &act("api.request", "success", "ana", "customer", &[HOME, revoked]));
    log.json("1:00", &act("credential.revoke", "success", "ana", "customer", &[HOME, revoked]));
    for i in 0..10 {
        label(&mut log, at("2:00").plus(i), "false_positive", r#","signals":["revoked_use"]"#);
    }
    log.json("10:00:00", &act("api.request", "success", "ana", "customer", &[HOME, revoked]));
    let run = run(&log);
    assert!(last(&run).level >= Level::High, "{:?}", last(&run));
    assert_eq!(db(last(&run), "revoked_use"), 24.0);
}

#[test]
fn no_flood_of_labels_or_verdicts_grows_a_profile() {
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    for day in 0..40 {
        guessed(&mut log, start().plus(day * DAY_MS), day as u8);
    }
    let bytes = |log: &Log| {
        let run = run(log);
        let key = SubjectRef { kind: Kind::Identity, tenant: "default", id: "ana" }.key();
        let (_, profile) = run.shelf.iter().find(|(k, _)| **k == *key).unwrap();
        let mut bytes = Vec::new();
        profile.encode(&mut bytes);
        assert_eq!(&Profile::decode(&bytes).unwrap(), profile);
        (bytes.len(), profile.risk.feedback.as_ref().map_or(0, |f| f.entries()))
    };
    let before = bytes(&log);
    for (i, signal) in ALL.iter().enumerate() {
        label(&mut log, start().plus(41 * DAY_MS + i as i64), "true_positive", &format!(r#","signals":["{}"]"#, signal.name));
    }
    let after = bytes(&log);
    assert!(after.1 <= JUDGED_MAX + LEARNED_MAX + 24, "{after:?}");
    assert!(after.0 < before.0 + 300, "{before:?} {after:?}");
}

#[test]
fn probability_is_not_given_until_the_policy_says_that_it_may_be() {
    use portcullis_core::verdict::Probability;
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    guessed(&mut log, at("0"), 1);
    assert_eq!(last(&run(&log)).probability, Probability::Uncalibrated);
    let calibrated = Run::over(&Policy { is_calibrated: true, ..policy() }, &log, &[16]);
    let Probability::Calibrated(p) = last(&calibrated).probability else { panic!("no number") };
    assert!((p - 1.0 / (1.0 + f64::powf(10.0, -last(&calibrated).evidence_db / 10.0))).abs() < 1e-9, "{p}");
}
