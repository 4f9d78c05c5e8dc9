//! The gate: in which order it checks, what it never does, and that its budgets hold whatever is proposed.

#[path = "support/gate.rs"]
mod gate_log;

use gate_log::{Gate, START, asked, proposal, sample, tick};
use portcullis_core::containment::{Action, ContainmentRequest, DecisionEnd, Proposal, Target};
use portcullis_core::event::Class;
use portcullis_core::gate::GateState;
use portcullis_core::policy::network::Cidr;
use portcullis_core::policy::{Budget, Policy, Protected};
use portcullis_core::record::{Control, GateRecord, IncidentClosed};
use portcullis_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};
use portcullis_core::verdict::{Mode, Name};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn one(policy: &Policy, proposal: Proposal) -> Gate {
    Gate::over(policy, &[asked(proposal)], 1)
}

/// At most `at_most` of the action within ten minutes; no other budget.
fn policy_with(budgets: &[(Action, Option<Class>, u32, Option<u32>)]) -> Policy {
    let mut policy = Policy::default_policy();
    // What is beside the point here has tests of its own.
    (policy.breaker, policy.outcomes.open_case) = (None, false);
    policy.budgets = budgets
        .iter()
        .map(|(action, class, at_most, ppm)| Budget {
            action: *action,
            class: *class,
            per_ms: 10 * MINUTE_MS,
            at_most: *at_most,
            share_of_active_ppm: *ppm,
        })
        .collect();
    policy
}

#[test]
fn the_first_check_that_fails_is_the_one_that_is_named() {
    use DecisionEnd::*;
    // Protected, too old, decided before, over budget, to be approved and in shadow, all at once; then one less each time.
    let mut policy = policy_with(&[(Action::StepUp, None, 0, None)]);
    policy.protected = vec![Protected::Identity("ana".to_owned())];
    let mut worst = proposal(Action::StepUp, "ana", START);
    worst.event_time = START.plus(-HOUR_MS);
    worst.approval_required = true;
    // What decided on it before: a proposal of the same step, held over its budget.
    let before = Proposal {
        id: "p-0".to_owned(),
        subject: Name { kind: "identity".into(), id: "other".into() },
        event_time: START,
        ..worst.clone()
    };
    let mut ends = Vec::new();
    let mut run = |policy: &Policy, with_before: bool, p: &Proposal| {
        let log: Vec<_> = with_before.then(|| asked(before.clone())).into_iter().chain([asked(p.clone())]).collect();
        ends.push(Gate::over(policy, &log, 1).decisions().last().map(|d| d.end).unwrap());
    };
    run(&policy, true, &worst);
    policy.protected.clear();
    run(&policy, true, &worst);
    worst.event_time = START;
    run(&policy, true, &worst);
    run(&policy, false, &worst);
    policy.budgets.clear();
    run(&policy, false, &worst);
    worst.approval_required = false;
    run(&policy, false, &worst);
    worst.mode = Mode::Shadow;
    run(&policy, false, &worst);
    assert_eq!(ends, [RefusedProtected, RefusedTooOld, Duplicate, HeldBudget, HeldApproval, Sent, WouldSend]);
}

#[test]
fn what_is_protected_is_never_touched_and_always_a_case() {
    let mut policy = Policy::default_policy();
    policy.protected = vec![
        Protected::Identity("ana".to_owned()),
        Protected::Class(Class::BreakGlass),
        Protected::Network(Cidr::parse("192.0.2.0/24").unwrap()),
        Protected::Network(Cidr::parse("2001:db8::/32").unwrap()),
    ];
    let source = |action, id: &str| Proposal {
        subject: Name { kind: "source".to_owned(), id: id.to_owned() },
        class: None,
        target: Target { kind: "network".to_owned(), id: id.to_owned(), ..Target::default() },
        ..proposal(action, id, START)
    };
    let of_class = |class| Proposal { class: Some(class), ..proposal(Action::StepUp, "root", START) };
    for (refused, p) in [
        (true, proposal(Action::StepUp, "ana", START)),
        (false, proposal(Action::StepUp, "bob", START)),
        (false, proposal(Action::OpenCase, "ana", START)),
        (true, of_class(Class::BreakGlass)),
        (false, of_class(Class::Admin)),
        (true, source(Action::BlockSource, "192.0.2.77")),
        (true, source(Action::Challenge, "192.0.2.77")),
        (true, source(Action::BlockSource, "2001:db8:1:2::/64")),
        (false, source(Action::BlockSource, "198.51.100.1")),
        (false, source(Action::OpenCase, "192.0.2.77")),
        // An identity whose activity came from there is not protected by it, but the address is never blocked because of it.
        (
            true,
            Proposal {
                target: Target { kind: "network".into(), id: "192.0.2.9".into(), ..Target::default() },
                ..proposal(Action::BlockSource, "bob", START)
            },
        ),
    ] {
        let expected = if refused { DecisionEnd::RefusedProtected } else { DecisionEnd::Sent };
        assert_eq!(one(&policy, p.clone()).ends(), [expected], "{} {:?}", p.action, p.subject);
    }
}

#[test]
fn what_is_too_old_is_a_case_and_never_an_act() {
    let policy = Policy::default_policy();
    let aged = |action, ms: i64| Proposal { event_time: START.plus(-ms), ..proposal(action, "ana", START) };
    assert_eq!(one(&policy, aged(Action::StepUp, policy.act_within_ms)).ends(), [DecisionEnd::Sent]);
    assert_eq!(one(&policy, aged(Action::StepUp, policy.act_within_ms + 1)).ends(), [DecisionEnd::RefusedTooOld]);
    assert_eq!(one(&policy, aged(Action::OpenCase, 30 * HOUR_MS)).ends(), [DecisionEnd::Sent]);
}

#[test]
fn a_step_is_decided_once_until_its_incident_has_closed() {
    let policy = Policy::default_policy();
    let again = |n: i64| Proposal { id: format!("p-{n}"), ..proposal(Action::StepUp, "ana", START.plus(n)) };
    let closed =
        GateRecord::Control(Control::IncidentClosed(IncidentClosed { tenant: "acme".into(), incident: "i-ana".into(), at: START }));
    let second_step = Proposal { step: 2, ..again(3) };
    let log = [asked(again(1)), asked(again(2)), asked(second_step), (START.plus(4), closed), asked(again(5))];
    use DecisionEnd::*;
    assert_eq!(Gate::over(&policy, &log, 1).ends(), [Sent, Duplicate, Sent, Sent]);
}

#[test]
fn a_request_says_all_that_an_executor_needs_and_shadow_sends_nothing() {
    let policy = Policy::default_policy();
    let mut p = proposal(Action::StepUp, "ana", START);
    p.revert_after = Some(portcullis_core::time::Span(HOUR_MS));
    let sent = one(&policy, p.clone());
    let request = sent.requests().next().unwrap();
    assert_eq!((request.time, request.not_after, request.revert_after), (START, START.plus(15 * MINUTE_MS), Some(START.plus(HOUR_MS))));
    assert_eq!(sent.decisions().next().unwrap().request.as_deref(), Some(request.id.as_str()));

    p.mode = Mode::Shadow;
    let shadow = one(&policy, p);
    assert_eq!((shadow.ends(), shadow.requests().count()), (vec![DecisionEnd::WouldSend], 0));
    let decision = shadow.decisions().next().unwrap();
    let would = decision.would_send.as_deref().unwrap();
    assert_eq!(decision.request, None);
    assert_eq!(&ContainmentRequest { mode: Mode::Enforce, ..would.clone() }, request, "the whole request, only not sent");
}

#[test]
fn what_nobody_approves_expires_by_a_timer() {
    let policy = Policy::default_policy();
    let p = Proposal { approval_required: true, ..proposal(Action::StepUp, "ana", START) };
    let due = START.plus(policy.approvals.expire_after_ms);
    let log = [asked(p), tick(due.plus(-1)), tick(due.plus(HOUR_MS))];
    use DecisionEnd::*;
    let before = Gate::over(&policy, &log[..2], 1);
    assert_eq!(before.ends(), [HeldApproval]);
    assert_eq!(before.waiting().count(), 1);
    let after = Gate::over(&policy, &log, 1);
    assert_eq!((after.ends(), after.requests().count()), (vec![HeldApproval, Expired], 0));
    assert_eq!(after.decisions().last().unwrap().time, due, "at its own moment, not when the tick came");
    assert_eq!(after.waiting().count(), 0);
}

#[test]
fn classes_do_not_spend_each_others_budgets_and_a_named_class_has_its_own() {
    use Class::*;
    let sent = |policy: &Policy, class, n: i64| {
        let log: Vec<_> = (0..n)
            .map(|i| asked(Proposal { class, ..proposal(Action::TerminateSession, &format!("{class:?}-{i}"), START.plus(i)) }))
            .collect();
        Gate::over(policy, &log, 3).requests().count()
    };
    let policy = policy_with(&[(Action::TerminateSession, Some(Customer), 8, None), (Action::TerminateSession, None, 2, None)]);
    assert_eq!((sent(&policy, Some(Customer), 20), sent(&policy, Some(Admin), 20), sent(&policy, None, 20)), (8, 2, 2));
    let mixed: Vec<_> = (0..40)
        .map(|i| {
            let class = [Some(Customer), Some(Admin), Some(Support), None][i as usize % 4];
            asked(Proposal { class, ..proposal(Action::TerminateSession, &format!("u-{i}"), START.plus(i)) })
        })
        .collect();
    let gate = Gate::over(&policy, &mixed, 7);
    let mut by_class = BTreeMap::new();
    gate.requests().for_each(|r| *by_class.entry(r.class).or_insert(0) += 1);
    assert_eq!(by_class, BTreeMap::from([(Some(Customer), 8), (Some(Admin), 2), (Some(Support), 2), (None, 2)]));
}

#[test]
fn a_share_is_of_all_partitions_together_and_never_below_one() {
    let policy = policy_with(&[(Action::StepUp, None, 50, Some(10_000))]); // one in a hundred
    let sent = |samples: &[(i32, u32)]| {
        let mut log: Vec<_> = samples.iter().map(|(partition, active)| sample(*partition, *active, START)).collect();
        log.extend((0..100).map(|i| asked(proposal(Action::StepUp, &format!("u-{i}"), START.plus(i)))));
        Gate::over(&policy, &log, 9).requests().count()
    };
    assert_eq!(sent(&[]), 1);
    assert_eq!(sent(&[(0, 99)]), 1);
    assert_eq!(sent(&[(0, 300), (1, 299)]), 5);
    assert_eq!(sent(&[(0, 300), (0, 900)]), 9, "the latest of a partition");
    assert_eq!(sent(&[(0, 90_000), (1, 90_000)]), 50, "the smaller bound");
}

#[test]
fn a_budget_is_free_again_when_its_window_has_passed() {
    let policy = policy_with(&[(Action::StepUp, None, 1, None)]);
    let at = |ms: i64| asked(proposal(Action::StepUp, &format!("u-{ms}"), START.plus(ms)));
    use DecisionEnd::*;
    assert_eq!(Gate::over(&policy, &[at(0), at(10 * MINUTE_MS - 1), at(10 * MINUTE_MS)], 1).ends(), [Sent, HeldBudget, Sent]);
}

fn proposals() -> impl Strategy<Value = Vec<(Time, GateRecord<'static>)>> {
    let action =
        prop::sample::select(vec![Action::StepUp, Action::StepUp, Action::DisableAccount, Action::TerminateSession, Action::OpenCase]);
    let class = prop::sample::select(vec![None, Some(Class::Customer), Some(Class::Admin), Some(Class::BreakGlass)]);
    let mode = prop::sample::select(vec![Mode::Enforce, Mode::Enforce, Mode::Shadow]);
    let one = (action, class, mode, 0i64..3 * MINUTE_MS, 0u32..30, 0i64..30 * MINUTE_MS, any::<u8>());
    prop::collection::vec(one, 1..200).prop_map(|list| {
        let mut now = START;
        list.into_iter()
            .enumerate()
            .map(|(i, (action, class, mode, step_ms, who, age_ms, kind))| {
                now = now.plus(if kind % 3 == 0 { step_ms } else { step_ms % (2 * SECOND_MS) });
                match kind {
                    0..10 => tick(now.plus(i64::from(kind) * MINUTE_MS)),
                    10..30 => sample(i32::from(kind % 3), u32::from(kind) * 40, now),
                    30..36 => {
                        let incident = format!("i-u-{who}");
                        (now, GateRecord::Control(Control::IncidentClosed(IncidentClosed { tenant: "acme".into(), incident, at: now })))
                    }
                    _ => asked(Proposal {
                        id: format!("p-{i}"),
                        class,
                        mode,
                        event_time: now.plus(-age_ms * i64::from(kind % 4 == 0)),
                        approval_required: kind % 11 == 0,
                        step: u32::from(kind % 3),
                        ..proposal(action, &format!("u-{who}"), now)
                    }),
                }
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_budget_is_ever_exceeded_in_any_window(log in proposals(), at_most in 0u32..6, of_class in 0u32..6, ppm in prop::option::of(1u32..5_000)) {
        let policy = policy_with(&[
            (Action::StepUp, Some(Class::Customer), of_class, None),
            (Action::StepUp, None, at_most, ppm),
            (Action::DisableAccount, None, at_most, None),
            (Action::TerminateSession, None, at_most, None),
        ]);
        let gate = Gate::over(&policy, &log, 16);
        let mut spent: BTreeMap<_, Vec<Time>> = BTreeMap::new();
        // A renewal goes on with what was spent for.
        let renewed: Vec<&str> = gate.decisions().filter(|d| d.why.contains(", renewal ")).filter_map(|d| d.request.as_deref()).collect();
        let sent = gate.requests().chain(gate.decisions().filter_map(|d| d.would_send.as_deref()));
        for request in sent.filter(|r| !r.action.is_notice() && r.action != Action::Release && !renewed.contains(&r.id.as_str())) {
            spent.entry((request.action, request.class, request.mode)).or_default().push(request.time);
        }
        for ((action, class, _), mut times) in spent {
            times.sort_unstable();
            let most = if (action, class) == (Action::StepUp, Some(Class::Customer)) { of_class } else { at_most } as usize;
            for from in &times {
                let within = times.iter().filter(|t| (0..10 * MINUTE_MS).contains(&t.since(*from))).count();
                prop_assert!(within <= most, "{within} of {action} for {class:?} within a window, the budget is {most}");
            }
        }
    }

    #[test]
    fn every_proposal_ends_in_exactly_one_decision_at_once(log in proposals(), size in 1usize..20) {
        let policy = policy_with(&[(Action::StepUp, None, 3, None), (Action::DisableAccount, None, 2, None)]);
        let gate = Gate::over(&policy, &log, size);
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for decision in gate.decisions() {
            match decision.end {
                DecisionEnd::Expired => prop_assert!(first.contains_key(decision.proposal.as_str()), "expired before it was held"),
                _ => *first.entry(&decision.proposal).or_default() += 1,
            }
        }
        let proposed: BTreeMap<&str, usize> =
            log.iter().filter_map(|(_, r)| if let GateRecord::Proposal(p) = r { Some((p.id.as_str(), 1)) } else { None }).collect();
        prop_assert_eq!(first, proposed);
        let ids: std::collections::BTreeSet<&str> = gate.decisions().map(|d| d.id.as_str()).collect();
        prop_assert_eq!(ids.len(), gate.decisions().count(), "ids of decisions are unique");
        let protected = gate.requests().any(|r| r.class == Some(Class::BreakGlass) && !r.action.is_notice());
        prop_assert!(!protected && gate.requests().all(|r| r.mode == Mode::Enforce));
    }

    #[test]
    fn a_batch_of_one_equals_a_batch_of_many_and_state_survives_the_store(log in proposals(), size in 2usize..50) {
        let policy = policy_with(&[(Action::StepUp, None, 3, Some(500)), (Action::DisableAccount, None, 2, None)]);
        let one = Gate::over(&policy, &log, 1);
        prop_assert!(one.bytes() == Gate::over(&policy, &log, size).bytes());
        for (_, state) in one.shelf.iter() {
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            prop_assert_eq!(&GateState::decode(&bytes).unwrap(), state);
            bytes[0] += 1;
            prop_assert!(GateState::decode(&bytes).unwrap_err().contains("version"));
        }
    }
}
