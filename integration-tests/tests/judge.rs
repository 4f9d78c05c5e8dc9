//! The judge over a dozen seeds, one of each family of faults; `make torture` runs many more.

use portcullis_integration_tests::judge::{Schedule, World, run_seed};

/// The first seed that draws such a schedule.
fn seed_of(drawn: &str) -> u64 {
    (1..1_000).find(|seed| Schedule::draw(*seed).to_string().contains(drawn)).unwrap_or_else(|| panic!("no seed draws {drawn}"))
}

/// Every seed is run, whatever became of those before, so that one log tells all.
fn survives(drawn: &[&str]) {
    let (mut world, mut failed) = (World::default(), Vec::new());
    for seed in drawn.iter().map(|drawn| seed_of(drawn)) {
        let report = run_seed(seed, &mut world);
        println!("{report}");
        if let Err(error) = &report.outcome {
            println!("    {error:#}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "`make torture SEED=N SEEDS=1` runs one again: {failed:?}");
}

#[test]
fn killed_or_frozen_in_the_middle_of_a_transaction() {
    survives(&["kill-at(pod 0, mid-outputs", "kill-at(pod 0, mid-commit", "kill-at(pod 0, after-commit", "stop-at(pod 0, after-offsets"]);
}

#[test]
fn without_a_broker_a_network_a_state_or_a_place_in_the_group() {
    survives(&["broker-kill(0, 1000", "network(Cut, 3000", "state-deleted(pod 0)", "offsets-deleted(score)", "same-identity(pod 0)"]);
}

#[test]
fn pods_come_go_and_stay_and_one_log_gives_the_same_twice() {
    survives(&["restart(pod 1)", "scale(1, 3, 2)", "disturbed-against-undisturbed"]);
}

#[test]
fn with_checkpoints_that_are_damaged_or_too_old() {
    survives(&["checkpoint-manifest-cut", "checkpoint-before-journal(gate)"]);
}

#[test]
fn all_at_once() {
    survives(&["rebalance-storm(4)", "state-deleted(pod 1)"]);
}
