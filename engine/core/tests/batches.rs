//! A batch of one equals a batch of N, and any prefix replayed gives the same bytes: over random logs with late and repeated events.

mod support;

use portcullis_core::policy::parse::{DEFAULT_TEXT, parse};
use portcullis_core::policy::{Emit, Policy};
use portcullis_core::profile::Profile;
use proptest::prelude::*;
use std::collections::BTreeSet;
use support::Run;
use support::random::log;

/// Of every kind of subject and bound; two end within the logs, one before them.
const EXCEPTIONS: &str = "exceptions:\n  \
    - { id: place, owner: o, reason: r, expires: 2027-12-31, subject: { label: watched }, signals: [place, device, token], within: { networks: [192.0.2.0/31] } }\n  \
    - { id: hours, owner: o, reason: r, expires: 2026-08-31, subject: { identity: [u-1, u-2] }, signals: [place, device, new_scope], within: { hours: 'Mon-Fri 06:00-20:00 Europe/Zurich', routes: ['/v1/*'] } }\n  \
    - { id: rate, owner: o, reason: r, expires: 2027-12-31, subject: { class: [service, admin] }, signals: [scope, cadence, lifecycle], within: { max_rate_per_minute: 2, workloads: [w-0, w-1], asns: [1, 2, 3] } }\n  \
    - { id: source, owner: o, reason: r, expires: 2026-12-31, subject: { kind: [source, device, card] }, signals: [guessing, checkout, cadence], within: { countries: [CH, US] } }\n  \
    - { id: over, owner: o, reason: r, expires: 2026-03-01, subject: { kind: [identity] }, signals: [place], within: { countries: [CH] } }\n";

/// A policy under which everything speaks early, so that the random logs reach every branch.
fn eager(emit: Emit) -> Policy {
    let mut policy = with(EXCEPTIONS);
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

/// The default policy with these lines.
fn with(lines: &str) -> Policy {
    parse("p.yaml", &format!("{DEFAULT_TEXT}{lines}")).unwrap_or_else(|faults| panic!("{faults:#?}"))
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
    fn an_exception_of_nobody_or_of_the_past_changes_no_byte(log in log()) {
        let never = with("exceptions:\n  \
            - { id: nobody, owner: o, reason: r, expires: 2027-12-31, subject: { identity: nobody }, signals: [place, token], within: { countries: [CH] } }\n  \
            - { id: past, owner: o, reason: r, expires: 2026-03-01, subject: { kind: [identity, source, device, card] }, signals: [place, guessing], within: { countries: [CH] } }\n");
        let none = Policy { exceptions: Vec::new(), ..never.clone() };
        prop_assert!(Run::over(&never, &log, &[9]).bytes() == Run::over(&none, &log, &[9]).bytes());
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
    let (mut excepted, mut breached) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..60 {
        let log = log().new_tree(&mut runner).unwrap().current();
        for reason in Run::over(&eager(Emit::All), &log, &[13]).verdicts().flat_map(|v| &v.reasons) {
            excepted.extend(reason.detail.strip_prefix("excepted by ").and_then(|d| d.split(':').next()).map(str::to_owned));
            breached.extend(reason.detail.split_once(" of the exception ").and_then(|(_, id)| id.split(';').next()).map(str::to_owned));
        }
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
    assert_eq!(excepted.into_iter().collect::<Vec<_>>(), ["hours", "place", "rate", "source"]);
    assert_eq!(breached.into_iter().collect::<Vec<_>>(), ["hours", "place", "rate"]);
}
