//! A batch of one equals a batch of N, and any prefix replayed gives the same bytes: over random logs with late and repeated events.

mod support;

use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Checkout, CheckoutResult, Class, Credential, CredentialKind, Event, EventType, Feedback, Identity,
    Label, Outcome, Request, Session, Source,
};
use portcullis_core::policy::{Emit, Policy};
use portcullis_core::profile::Profile;
use portcullis_core::time::Time;
use proptest::prelude::*;
use support::{Log, Run};

/// A handful of identities, places, devices and cards, so that everything meets everything.
fn event() -> impl Strategy<Value = (i64, i64, Event<'static>)> {
    let kind = prop::sample::select(vec![
        EventType::AuthLogin,
        EventType::AuthLogin,
        EventType::AuthMfa,
        EventType::ApiRequest,
        EventType::ApiRequest,
        EventType::CheckoutAttempt,
        EventType::AuthRecovery,
        EventType::CredentialCreate,
        EventType::FeedbackLabel,
    ]);
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    let class = prop::sample::select(vec![None, Some(Class::Customer), Some(Class::Service), Some(Class::Admin)]);
    let method = prop::sample::select(vec![AuthMethod::Password, AuthMethod::Push, AuthMethod::Webauthn]);
    let failure =
        prop::sample::select(vec![None, Some(AuthFailure::BadPassword), Some(AuthFailure::MfaDenied), Some(AuthFailure::UnknownIdentity)]);
    let step = prop_oneof![5 => 0i64..90_000, 1 => 0i64..40 * 86_400_000, 1 => Just(0)];
    let late = prop_oneof![8 => Just(0i64), 1 => 0i64..7_200_000];
    (step, late, kind, outcome, class, method, failure, (0u8..5, 0u8..4, 0u8..3, 0u8..40)).prop_map(
        |(step, late, kind, outcome, class, method, failure, (who, place, device, id))| {
            let mut e = Event::new(kind, Time(0));
            e.outcome = outcome;
            e.identity = Some(Identity { id: format!("u-{who}").into(), class, ..Identity::default() });
            e.session = Some(Session { id: Some(format!("s-{who}").into()), parent: None });
            e.credential = Some(Credential {
                id: Some(format!("k-{who}").into()),
                kind: Some(CredentialKind::ApiKey),
                issued_at: Some(Time(1_700_000_000_000)),
                ..Credential::default()
            });
            e.source = Some(Source {
                ip: Some(format!("192.0.2.{place}").into()),
                asn: Some(u32::from(place)),
                country: Some(["CH", "NG", "US", "CH"][place as usize].into()),
                lat: Some([47.0, 9.0, 40.0, 46.0][place as usize]),
                lon: Some([8.0, 7.0, -74.0, 7.0][place as usize]),
                device_id: Some(format!("d-{device}").into()),
                workload: Some(format!("w-{place}").into()),
                ..Source::default()
            });
            e.auth = Some(Auth { method: Some(method), failure, ..Auth::default() });
            e.request = Some(Request { route: Some(format!("/v1/{place}").into()), ..Request::default() });
            if kind == EventType::CheckoutAttempt {
                let result = if outcome == Outcome::Success { CheckoutResult::Approved } else { CheckoutResult::Declined };
                e.checkout = Some(Box::new(Checkout {
                    card: Some(format!("c-{device}").into()),
                    amount: Some(100),
                    result: Some(result),
                    order: Some("o".into()),
                    ..Checkout::default()
                }));
            }
            if kind == EventType::FeedbackLabel {
                let signals = if place == 0 { vec!["new_device".into(), "new_place".into()] } else { Vec::new() };
                let (label, verdict_id) = (Label::ALL[device as usize], (place == 3).then(|| "v-1".into()));
                e.feedback = Some(Box::new(Feedback { subject: None, verdict_id, from: None, to: None, signals, label, by: None }));
            }
            if id == 0 {
                e.id = "the-same".into();
            }
            (step, late, e)
        },
    )
}

fn log() -> impl Strategy<Value = Log> {
    prop::collection::vec(event(), 1..150).prop_map(|events| {
        let (mut log, mut now) = (Log::default(), Time(1_772_409_600_000));
        for (step, late, mut event) in events {
            now = now.plus(step);
            event.time = now.plus(-late);
            log.push(event);
        }
        log
    })
}

/// A policy under which everything speaks early, so that the random logs reach every branch.
fn eager(emit: Emit) -> Policy {
    let mut policy = Policy::default_policy();
    policy.emit = emit;
    for learning in &mut policy.learning {
        (learning.events, learning.days) = (2, 0);
    }
    for prior in &mut policy.priors.class {
        prior.0 += 150;
    }
    policy.priors.source.0 += 100;
    policy
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_of_one_equals_a_batch_of_many(log in log(), sizes in prop::collection::vec(1usize..40, 1..6), emit in prop::sample::select(vec![Emit::Changes, Emit::Floor, Emit::All])) {
        let policy = eager(emit);
        let one = Run::over(&policy, &log, &[1]);
        prop_assert_eq!(&one.outputs, &Run::over(&policy, &log, &sizes).outputs);
        prop_assert!(one.bytes() == Run::over(&policy, &log, &sizes).bytes());
        prop_assert!(one.bytes() == Run::over(&policy, &log, &[usize::MAX / 2]).bytes());
    }

    #[test]
    fn any_prefix_replayed_gives_the_same_bytes(log in log(), cut in 0.0f64..1.0) {
        let policy = eager(Emit::Changes);
        let mut prefix = log.clone();
        prefix.records.truncate((log.records.len() as f64 * cut) as usize);
        let (whole, part) = (Run::over(&policy, &log, &[7]), Run::over(&policy, &prefix, &[3]));
        prop_assert!(Run::over(&policy, &prefix, &[11]).bytes() == part.bytes());
        prop_assert_eq!(&whole.outputs[..part.outputs.len()], &part.outputs[..]);
    }

    /// Emission is about what is said: what is asked is the same.
    #[test]
    fn what_is_emitted_cannot_change_what_is_asked(log in log()) {
        let asked = |emit| Run::over(&eager(emit), &log, &[17]).proposals().map(|p| (p.id.clone(), p.level, p.verdict_id.clone())).collect::<Vec<_>>();
        let all = asked(Emit::All);
        prop_assert_eq!(&asked(Emit::Changes), &all);
        prop_assert_eq!(&asked(Emit::Floor), &all);
    }

    #[test]
    fn profiles_survive_the_store(log in log()) {
        let run = Run::over(&eager(Emit::Changes), &log, &[5]);
        for (_, profile) in run.shelf.iter() {
            let mut bytes = Vec::new();
            profile.encode(&mut bytes);
            prop_assert_eq!(&Profile::decode(&bytes).unwrap(), profile);
        }
    }

    #[test]
    fn reasons_add_up_and_levels_follow(log in log()) {
        let policy = eager(Emit::All);
        for verdict in Run::over(&policy, &log, &[9]).verdicts() {
            let sum: f64 = verdict.reasons.iter().map(|r| (r.db * 10.0).round()).sum::<f64>() + (verdict.prior_db * 10.0).round();
            prop_assert_eq!(sum, (verdict.evidence_db * 10.0).round());
            prop_assert_eq!(verdict.score, (50.0 + 2.5 * verdict.evidence_db).clamp(0.0, 100.0));
        }
    }
}

#[test]
fn the_random_logs_do_reach_every_kind_of_output() {
    use portcullis_core::record::{Control, Output};
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut verdicts, mut falls, mut proposals, mut closed) = (0, 0, 0, 0);
    for _ in 0..60 {
        let log = log().new_tree(&mut runner).unwrap().current();
        for output in Run::over(&eager(Emit::Changes), &log, &[13]).outputs {
            match output {
                Output::Verdict(v) if v.event_id.is_none() => falls += 1,
                Output::Verdict(_) => verdicts += 1,
                Output::Proposal(_) => proposals += 1,
                Output::ToGate(Control::IncidentClosed(_)) => closed += 1,
                _ => {}
            }
        }
    }
    assert!(
        verdicts > 100 && falls > 50 && proposals > 50 && closed > 20,
        "{verdicts} verdicts, {falls} falls, {proposals} proposals, {closed} closed"
    );
}
