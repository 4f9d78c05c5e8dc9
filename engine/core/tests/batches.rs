//! A batch of one equals a batch of N, and any prefix replayed gives the same bytes: over random logs with late and repeated events.

mod support;

use portcullis_core::policy::{Emit, Policy};
use portcullis_core::profile::Profile;
use proptest::prelude::*;
use support::Run;
use support::random::log;

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
