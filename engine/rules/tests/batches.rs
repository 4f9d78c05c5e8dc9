//! Rules in the core: a batch of one equals a batch of N, errors included; hits are evidence as signals' are.

#[path = "../../core/tests/support/mod.rs"]
mod support;

use portcullis_core::policy::{Emit, Policy};
use portcullis_core::profile::Profile;
use portcullis_core::verdict::{Level, Verdict};
use proptest::prelude::*;
use support::people::*;
use support::random::log;
use support::{Log, Run, verdict_line};

fn policy(rules: &str) -> Policy {
    let playbooks = "playbooks:\n  \
                     - { id: identity, match: { subject: [identity] }, medium: [open_case], high: [step_up, open_case] }\n  \
                     - { id: rest, match: any, medium: [open_case] }\n";
    let text = format!("version: t\nmode: enforce\nlists: {{ watched: [u-1] }}\n{playbooks}rules:\n{rules}");
    portcullis_rules::parse("p.yaml", &text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// Rules that hit and rules that fail, of every kind of subject.
fn eager(emit: Emit) -> Policy {
    let mut policy = policy(
        "  - { id: busy, when: 'events_1h >= 3', weight: 6, family: cadence }\n  \
         - { id: broken, when: '10 / (events_1h - 2) > 3', weight: 8, family: cadence }\n  \
         - { id: after-device, when: \"spoke('new_device', '1h') AND NOT spoke('new_device')\", weight: 12, family: device, at_least: medium }\n  \
         - { id: watched, when: \"in_list('watched', identity_id) AND failed_1h % (events_1h - 1) = 0\", weight: strong, family: token }\n  \
         - { id: shown, mode: shadow, when: \"source_country = 'NG'\", weight: strong, family: place }\n  \
         - { id: crowd, on: source, when: 'distinct_identities_15m > 2', weight: strong, family: guessing }\n  \
         - { id: odd, on: card, when: 'declines_10m > 0 OR 1 / (checkout_amount - 100) > 1', weight: strong, family: checkout }\n  \
         - { id: habit, when: 'hour_of_week_share < 0.5', weight: weak, family: cadence }\n",
    );
    policy.emit = emit;
    for learning in &mut policy.learning {
        (learning.events, learning.days) = (2, 0);
    }
    for prior in &mut policy.priors.class {
        prior.0 += 150;
    }
    policy
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_of_one_equals_a_batch_of_many(log in log(), sizes in prop::collection::vec(1usize..40, 1..6), emit in prop::sample::select(vec![Emit::Changes, Emit::All])) {
        let policy = eager(emit);
        let one = Run::over(&policy, &log, &[1]);
        let some = Run::over(&policy, &log, &sizes);
        prop_assert_eq!(&one.outputs, &some.outputs);
        prop_assert_eq!(&one.counts, &some.counts);
        prop_assert!(one.bytes() == some.bytes());
        prop_assert!(one.bytes() == Run::over(&policy, &log, &[usize::MAX / 2]).bytes());
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
    fn rules_that_never_hit_change_nothing_but_the_digest(log in log()) {
        let never = policy("  - { id: never, when: 'failed_1h < 0', weight: 6, family: cadence }\n");
        let none = Policy { rules: Default::default(), ..never.clone() };
        prop_assert_eq!(Run::over(&never, &log, &[9]).outputs, Run::over(&none, &log, &[9]).outputs);
    }
}

fn last(run: &Run) -> &Verdict {
    run.verdicts().last().expect("a verdict")
}

#[test]
fn the_random_logs_reach_hits_and_errors() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut hit, mut failed, mut heard) = (std::collections::BTreeSet::new(), 0, 0);
    for _ in 0..60 {
        let run = Run::over(&eager(Emit::All), &log().new_tree(&mut runner).unwrap().current(), &[20]);
        hit.extend(run.counts.rules.iter().filter(|(_, c)| c.hits > 0).map(|(id, _)| id.clone()));
        failed += run.counts.rules.values().map(|c| c.errors).sum::<u64>();
        heard += run.shelf.iter().filter(|(_, p)| !p.heard.is_empty()).count();
    }
    assert!(failed > 100 && heard > 10, "{failed} errors, {heard} profiles that remember who spoke");
    let all = ["after-device", "broken", "busy", "crowd", "habit", "odd", "shown", "watched"];
    assert_eq!(hit.into_iter().collect::<Vec<_>>(), all);
}

const SECRETS: &str = "  - { id: night_secrets, when: \"type = 'secret.read' AND distinct_secrets_1h >= 2\", weight: 30, family: privilege, \
                       attack: [T1555.006], detail: 'read {distinct_secrets_1h} secrets' }\n";

fn reads_secrets(log: &mut Log) {
    at_home(log, "ana", "customer");
    for (i, when) in ["0", "1:00", "2:00"].into_iter().enumerate() {
        log.json(when, &act("secret.read", "success", "ana", "customer", &[HOME, &format!("\"change\":{{\"secret\":\"s{i}\"}}")]));
    }
}

#[test]
fn a_hit_is_evidence_with_its_weight_its_words_and_its_half_life() {
    let mut log = Log::default();
    reads_secrets(&mut log);
    let run = Run::over(&policy(SECRETS), &log, &[usize::MAX / 2]);
    let said: Vec<String> = run.verdicts().map(verdict_line).collect();
    assert_eq!(said, ["identity ana low>medium -5.0: night_secrets +30.0"]);
    let reason = &last(&run).reasons[0];
    assert_eq!((reason.attack.clone(), reason.detail.as_str()), (vec!["T1555.006".to_owned()], "read 2 secrets"));
    assert_eq!(reason.observed, "type secret.read, distinct_secrets_1h 2");
    assert_eq!(reason.expected, "anything but type = 'secret.read' AND distinct_secrets_1h >= 2");
    assert_eq!(run.counts.rules["night_secrets"].hits, 2);
    let until = last(&run).valid_until.unwrap();
    // The hit a minute later was not worth a verdict, and holds a minute longer.
    log.tick(until.plus(2 * 60_000));
    let run = Run::over(&policy(SECRETS), &log, &[usize::MAX / 2]);
    let (level, held) = (last(&run).level, last(&run).time.since(until));
    assert_eq!(level, Level::Low);
    assert!((50_000..=70_000).contains(&held), "it fades as its family does: {held} ms");
}

#[test]
fn a_rule_in_shadow_is_shown_and_adds_nothing() {
    let mut log = Log::default();
    reads_secrets(&mut log);
    let mut shadow = policy(&SECRETS.replace("{ id:", "{ mode: shadow, id:"));
    assert_eq!(Run::over(&shadow, &log, &[1]).verdicts().count(), 0);
    shadow.emit = Emit::All;
    let run = Run::over(&shadow, &log, &[1]);
    let reason = &last(&run).reasons[0];
    assert_eq!((reason.signal.as_str(), reason.db, reason.detail.as_str()), ("night_secrets", 0.0, "in shadow: read 3 secrets"));
    assert_eq!((last(&run).level, last(&run).evidence_db), (Level::Low, last(&run).prior_db));
    assert_eq!(run.counts.rules["night_secrets"].hits, 2);
}

#[test]
fn a_broken_rule_is_an_error_of_the_verdict_and_counted_and_stops_no_other() {
    let mut log = Log::default();
    reads_secrets(&mut log);
    let broken = "  - { id: broken, when: '1 / (distinct_secrets_1h - 3) > 5', weight: 30, family: scope }\n";
    let mut policy = policy(&format!("{broken}{SECRETS}"));
    policy.emit = Emit::All;
    let run = Run::over(&policy, &log, &[usize::MAX / 2]);
    let verdict = last(&run);
    assert_eq!(verdict.errors, ["rule broken: Execution error: a division by zero, or a result too large for a number"]);
    assert_eq!(verdict.reasons[0].signal, "night_secrets");
    assert_eq!((run.counts.rules["broken"].errors, run.counts.rules["night_secrets"].hits), (1, 2));
    assert!(run.verdicts().filter(|v| !v.errors.is_empty()).count() == 1);
}

#[test]
fn a_floor_names_its_rule() {
    let mut log = Log::default();
    reads_secrets(&mut log);
    let run = Run::over(&policy(&SECRETS.replace("weight: 30", "weight: 3, at_least: high")), &log, &[usize::MAX / 2]);
    assert_eq!((last(&run).level, last(&run).floor.as_deref()), (Level::High, Some("night_secrets")));
    assert!(run.proposals().any(|p| p.action.name() == "step_up"), "a case and a step-up are asked for");
}

#[test]
fn what_anybody_can_cause_never_contains_the_identity_by_itself() {
    let with = |when: &str| {
        let text = format!(
            "version: t\nmode: enforce\nplaybooks: [{{ id: all, match: {{ subject: identity }}, medium: [terminate_session, step_up] }}, {{ id: rest, match: any, medium: [open_case] }}]\n\
             rules: [{{ id: failing, when: \"{when}\", weight: 30, family: guessing }}]\n"
        );
        portcullis_rules::parse("p.yaml", &text).unwrap_or_else(|faults| panic!("{faults:?}"))
    };
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    for when in ["0", "1:00", "2:00"] {
        log.json(when, &login("failure", &[STRANGER, BAD_PASSWORD, &session("s-1")]));
    }
    let asked = |policy: &Policy| Run::over(policy, &log, &[1]).proposals().map(|p| p.action.name()).collect::<Vec<_>>();
    assert_eq!(asked(&with("failed_1h >= 2")), ["step_up"]);
    let mut careless = with("failed_1h >= 2 AND type = 'secret.read' OR failed_1h >= 2");
    assert_eq!(asked(&careless), ["step_up"], "one side is not enough");
    careless = with("failed_1h >= 2 AND (outcome = 'success' OR TRUE)");
    assert_eq!(asked(&careless), ["step_up"]);
}

/// The rules of an old policy are forgotten: what they said is no reason any more, and nothing else changes its name.
#[test]
fn evidence_of_a_rule_that_is_gone_counts_for_nothing() {
    let mut log = Log::default();
    reads_secrets(&mut log);
    let run = Run::over(&policy(SECRETS), &log, &[1]);
    let (_, profile) = run.shelf.iter().find(|(_, p)| !p.risk.evidence.is_empty()).unwrap();
    let held = &profile.risk.evidence;
    let (mine, other) = (policy(SECRETS), policy(&SECRETS.replace("night_secrets", "day_secrets")));
    let total = |policy: &Policy| {
        let prior = policy.priors.class[0];
        portcullis_core::evidence::sum(held, policy, prior, profile.risk.clock).total.0 - prior.0
    };
    assert_eq!((total(&mine), total(&other)), (300, 0));
}
