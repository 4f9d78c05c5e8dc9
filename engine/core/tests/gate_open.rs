//! What was sent and is not over: outcomes that come, fail or never come, timed actions that are taken back, and the breaker.

#[path = "support/gate.rs"]
mod gate_log;

use gate_log::{Gate, Person, START, asked, event, proposal, reported, sample, tick};
use portcullis_core::containment::{Action, DecisionEnd, Proposal};
use portcullis_core::event::Class;
use portcullis_core::gate::Verb;
use portcullis_core::policy::{Breaker, Policy};
use portcullis_core::record::{Control, GateRecord, IncidentClosed};
use portcullis_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn at(ms: i64) -> Time {
    START.plus(ms)
}

fn closed(who: &str, ms: i64) -> (Time, GateRecord<'static>) {
    let closed = IncidentClosed { tenant: "acme".into(), incident: format!("i-{who}"), at: at(ms) };
    (at(ms), GateRecord::Control(Control::IncidentClosed(closed)))
}

/// The default policy without budgets, which have tests of their own.
fn calm() -> Policy {
    let mut policy = Policy::default_policy();
    policy.budgets.clear();
    policy
}

/// The first request of a proposal.
fn request(p: &Proposal) -> String {
    Gate::over(&calm(), &[asked(p.clone())], 1).requests().next().unwrap().id.clone()
}

fn cases(gate: &Gate) -> Vec<String> {
    gate.requests().filter(|r| r.action == Action::OpenCase).filter_map(|r| r.params.text.clone()).collect()
}

#[test]
fn an_outcome_that_never_comes_is_a_case_and_who_never_reports_is_told_once() {
    let policy = calm();
    let ask = |who: &str, ms| asked(proposal(Action::TerminateSession, who, at(ms)));
    let late = tick(at(policy.outcomes.deadline_ms + 10));
    let silent = Gate::over(&policy, &[ask("ana", 0), ask("bob", 1), ask("cyn", 2), late.clone()], 1);
    assert_eq!(cases(&silent).len(), 1);
    assert!(cases(&silent)[0].contains("none was ever reported"));

    let first = request(&proposal(Action::TerminateSession, "ana", START));
    let speaking = Gate::over(&policy, &[ask("ana", 0), ask("bob", 1), ask("cyn", 2), reported(&first, "done", at(5)), late], 1);
    assert_eq!(cases(&speaking).len(), 2, "bob's and cyn's");
    assert!(cases(&speaking).iter().all(|text| text.contains("has no outcome after 10m")));

    let mut quiet = policy;
    quiet.outcomes.open_case = false;
    assert!(cases(&Gate::over(&quiet, &[ask("ana", 0), tick(at(HOUR_MS))], 1)).is_empty());
}

#[test]
fn what_was_done_late_is_a_fact_too_and_is_not_waited_for_forever() {
    let policy = calm();
    let p = proposal(Action::TerminateSession, "ana", START);
    let id = request(&p);
    let late = policy.outcomes.deadline_ms + HOUR_MS;
    let mut gate = Gate::over(&policy, &[asked(p.clone()), tick(at(late))], 1);
    assert_eq!((gate.facts().count(), gate.open().count()), (0, 1));
    gate.go_on(&policy, &[reported(&id, "done", at(late + 1)), reported(&id, "done", at(late + 2))]);
    assert_eq!((gate.facts().count(), gate.open().count()), (1, 0), "once");

    let silent = Gate::over(&policy, &[asked(p), tick(at(late)), tick(at(8 * DAY_MS)), reported(&id, "done", at(9 * DAY_MS))], 1);
    assert_eq!((silent.facts().count(), silent.open().count()), (0, 0));
}

#[test]
fn a_failure_is_tried_once_more_and_then_a_person_is_told() {
    let policy = calm();
    let p = proposal(Action::TerminateSession, "ana", START);
    let first = request(&p);
    let mut gate = Gate::over(&policy, &[asked(p), reported(&first, "failed", at(SECOND_MS))], 1);
    let second = gate.requests().last().unwrap().clone();
    assert_eq!((second.action, gate.requests().count()), (Action::TerminateSession, 2));
    assert_ne!(second.id, first);
    gate.go_on(&policy, &[reported(&first, "failed", at(2 * SECOND_MS))]);
    assert_eq!(gate.requests().count(), 2, "the same report again does nothing");
    gate.go_on(&policy, &[reported(&second.id, "failed", at(3 * SECOND_MS))]);
    assert_eq!((gate.requests().count(), cases(&gate).len()), (3, 1));
    assert!(cases(&gate)[0].contains("is failed: because"));

    for status in ["rejected", "not_found", "unsupported"] {
        let gate = Gate::over(&policy, &[asked(proposal(Action::TerminateSession, "ana", START)), reported(&first, status, at(1))], 1);
        assert_eq!((gate.requests().count(), cases(&gate).len()), (2, 1), "{status}: trying again cannot help");
    }
}

#[test]
fn a_timed_action_is_renewed_while_its_incident_is_open_and_then_taken_back() {
    let policy = calm();
    let timed = Proposal { class: Some(Class::Agent), revert_after: Some(Span(HOUR_MS)), ..proposal(Action::Throttle, "bot", START) };
    let hours = |n: i64| tick(at(n * HOUR_MS));
    let ended = Gate::over(&policy, &[asked(timed.clone()), closed("bot", MINUTE_MS), hours(1)], 1);
    let release = ended.requests().last().unwrap();
    assert_eq!((release.action, release.releases.as_deref()), (Action::Release, Some(request(&timed).as_str())));
    assert_eq!(release.time, at(HOUR_MS));

    // Its incident never ends: three renewals, then a release and a case.
    let log: Vec<_> = std::iter::once(asked(timed)).chain((1..=8).map(hours)).collect();
    let gate = Gate::over(&policy, &log, 1);
    let actions: Vec<Action> = gate.requests().map(|r| r.action).collect();
    let throttled = actions.iter().filter(|a| **a == Action::Throttle).count();
    assert_eq!((throttled, actions.iter().filter(|a| **a == Action::Release).count()), (4, 1), "{actions:?}");
    assert!(cases(&gate).iter().any(|text| text.contains("ends after 3 renewals")));
    let ids: BTreeSet<&str> = gate.requests().map(|r| r.id.as_str()).collect();
    assert_eq!(ids.len(), gate.requests().count(), "each has an id of its own");
}

#[test]
fn nobody_who_can_undo_much_is_set_free_by_a_clock() {
    let anna = Person::new("anna", 1);
    let mut policy = calm();
    policy.approvers = vec![anna.signatory()];
    let timed =
        Proposal { class: Some(Class::Admin), revert_after: Some(Span(HOUR_MS)), ..proposal(Action::DisableAccount, "root", START) };
    let mut gate = Gate::over(&policy, &[asked(timed), closed("root", MINUTE_MS), tick(at(HOUR_MS))], 1);
    assert!(gate.requests().all(|r| r.action != Action::Release));
    let waits = gate.waiting().next().expect("a question").proposal.id.clone();
    assert_eq!(gate.open().count(), 1, "it stands until somebody agrees");

    // Nobody answers: it is said, and asked again a day later; then somebody agrees.
    gate.go_on(&policy, &[tick(at(2 * HOUR_MS))]);
    assert!(gate.waiting().next().is_none() && cases(&gate).iter().any(|text| text.contains("nobody agreed to its release")));
    gate.go_on(&policy, &[tick(at(2 * HOUR_MS + DAY_MS))]);
    let again = gate.waiting().next().expect("asked again").proposal.id.clone();
    assert_ne!(again, waits);
    gate.go_on(&policy, &[anna.does(Verb::Approve, &[&again], at(2 * HOUR_MS + DAY_MS + MINUTE_MS))]);
    assert_eq!(gate.requests().last().unwrap().action, Action::Release);
    assert!(gate.open().all(|open| open.proposal.action == Action::Release), "what it undid is over");
}

#[test]
fn a_false_alarm_releases_what_can_be_and_ends_what_waits() {
    let mut policy = calm();
    let (anna, ben) = (Person::new("anna", 1), Person::new("ben", 2));
    policy.approvers = vec![anna.signatory(), ben.signatory()];
    let label = |who: &str| {
        event(&format!(
            r#"{{"time":{},"type":"feedback.label","tenant":"acme","feedback":{{"subject":{{"kind":"identity","id":"{who}"}},"label":"false_positive","by":"soc"}}}}"#,
            at(MINUTE_MS).0
        ))
    };
    let throttled = Proposal { class: Some(Class::Customer), ..proposal(Action::Throttle, "ana", START) };
    let revoked = Proposal { step: 7, ..proposal(Action::RevokeToken, "ana", START) };
    let question = Proposal { approval_required: true, step: 9, id: "p-q".to_owned(), ..proposal(Action::DisableAccount, "ana", START) };
    let gate = Gate::over(&policy, &[asked(throttled.clone()), asked(revoked), asked(question), label("ana")], 1);
    let released: Vec<_> = gate.requests().filter_map(|r| r.releases.clone()).collect();
    assert_eq!(released, [request(&throttled)]);
    let ended: Vec<_> = gate.decisions().filter(|d| d.proposal == "p-q").map(|d| d.end).collect();
    assert_eq!(ended, [DecisionEnd::HeldApproval, DecisionEnd::Rejected]);
    let other = Gate::over(&policy, &[asked(throttled), label("bob")], 1);
    assert!(other.requests().all(|r| r.releases.is_none()), "of that subject only");

    // Two people for those who can undo much.
    let admin = Proposal { class: Some(Class::Admin), ..proposal(Action::DisableAccount, "root", START) };
    let mut gate = Gate::over(&policy, &[asked(admin), label("root")], 1);
    let waits = gate.waiting().next().expect("a question").clone();
    assert_eq!((waits.needs, waits.proposal.action), (2, Action::Release));
    gate.go_on(&policy, &[anna.does(Verb::Approve, &[&waits.proposal.id], at(2 * MINUTE_MS))]);
    assert!(gate.requests().all(|r| r.action != Action::Release));
    gate.go_on(&policy, &[ben.does(Verb::Approve, &[&waits.proposal.id], at(3 * MINUTE_MS))]);
    assert_eq!(gate.requests().last().unwrap().action, Action::Release);
}

#[test]
fn what_is_done_is_a_fact_once_and_what_is_not_is_none() {
    let policy = calm();
    let ended = proposal(Action::TerminateSession, "ana", START);
    let id = request(&ended);
    let reports = ["accepted", "done", "already_done"].iter().enumerate().map(|(i, status)| reported(&id, status, at(i as i64)));
    let gate = Gate::over(&policy, &std::iter::once(asked(ended.clone())).chain(reports).collect::<Vec<_>>(), 1);
    let facts: Vec<_> = gate.facts().map(|f| (f.event.as_str(), f.request.as_str())).collect();
    assert_eq!(facts, [("https://schemas.openid.net/secevent/caep/event-type/session-revoked", id.as_str())]);
    assert_eq!(Gate::over(&policy, &[asked(ended), reported(&id, "failed", at(1))], 1).facts().count(), 0);

    // Disabled, and enabled again by a release.
    let disabled = Proposal { revert_after: Some(Span(HOUR_MS)), ..proposal(Action::DisableAccount, "ana", START) };
    let mut gate = Gate::over(
        &policy,
        &[asked(disabled.clone()), reported(&request(&disabled), "done", at(1)), closed("ana", 2), tick(at(HOUR_MS))],
        1,
    );
    let release = gate.requests().last().unwrap().id.clone();
    gate.go_on(&policy, &[reported(&release, "done", at(HOUR_MS + 1))]);
    let words: Vec<_> = gate.facts().map(|f| f.event.rsplit('/').next().unwrap()).collect();
    assert_eq!(words, ["account-disabled", "account-enabled"]);
}

fn small_breaker() -> Policy {
    let mut policy = calm();
    policy.breaker = Some(Breaker {
        window_ms: 5 * MINUTE_MS,
        share_of_active_ppm: 20_000,
        at_least: 10,
        same_leading_signal_ppm: 600_000,
        keep: [Action::StepUp].into(),
        lasts_ms: 30 * MINUTE_MS,
    });
    policy
}

/// So many identities, one a second, by this signal.
fn wave(n: i64, signal: &str, from: i64) -> Vec<(Time, GateRecord<'static>)> {
    let one = |i: i64| Proposal {
        leading_signal: signal.to_owned(),
        ..proposal(Action::TerminateSession, &format!("{signal}-{i}"), at(from + i * SECOND_MS))
    };
    (0..n).map(|i| asked(one(i))).collect()
}

#[test]
fn too_much_of_the_same_is_held_told_once_and_judged_again() {
    let policy = small_breaker();
    let mut log = wave(30, "token_replay", 0);
    log.push(asked(proposal(Action::StepUp, "ana", at(31 * SECOND_MS))));
    let mut gate = Gate::over(&policy, &log, 1);
    let mut ends: BTreeMap<DecisionEnd, usize> = BTreeMap::new();
    gate.decisions().for_each(|d| *ends.entry(d.end).or_default() += 1);
    // Nine went out, the tenth opened it, and what is harmless goes on.
    assert_eq!(ends, BTreeMap::from([(DecisionEnd::Sent, 9 + 1 + 1), (DecisionEnd::HeldBreaker, 21)]));
    let notice = cases(&gate);
    assert!(notice.len() == 1 && notice[0].contains("10 subjects within 5m, 10 of them for token_replay"), "{notice:?}");
    assert_eq!(gate.requests().find(|r| r.action == Action::OpenCase).unwrap().subject.kind, "tenant");

    // Of half of them the incident ends meanwhile; the others are too old to go by themselves when it closes.
    let over: Vec<_> = (10..20).map(|i| closed(&format!("token_replay-{i}"), 10 * MINUTE_MS)).chain([tick(at(40 * MINUTE_MS))]).collect();
    gate.go_on(&policy, &over);
    let mut last: BTreeMap<&str, DecisionEnd> = BTreeMap::new();
    last.extend(gate.decisions().map(|d| (d.proposal.as_str(), d.end)));
    let count = |end| last.values().filter(|e| **e == end).count();
    assert_eq!((count(DecisionEnd::Expired), count(DecisionEnd::HeldApproval)), (10, 11));
    assert_eq!(gate.requests().filter(|r| r.action == Action::TerminateSession).count(), 9, "nothing is flushed");
}

#[test]
fn neither_a_few_nor_a_large_tenants_share_nor_different_causes_open_it() {
    let policy = small_breaker();
    let held = |log: &[(Time, GateRecord<'static>)]| Gate::over(&policy, log, 7).ends().contains(&DecisionEnd::HeldBreaker);
    assert!(!held(&wave(9, "token_replay", 0)));
    assert!(!held(&[wave(9, "token_replay", 0), wave(9, "token_replay", 10 * MINUTE_MS)].concat()), "not within one window");
    let mixed: Vec<_> = (0..8).flat_map(|i| wave(4, ["a", "b", "c", "d"][i % 4], i as i64 * 20 * SECOND_MS)).collect();
    assert!(!held(&mixed));
    let large: Vec<_> = std::iter::once(sample(0, 10_000, START)).chain(wave(100, "token_replay", 1)).collect();
    assert!(!held(&large), "a hundred of ten thousand");
    let small: Vec<_> = std::iter::once(sample(0, 1_000, START)).chain(wave(100, "token_replay", 1)).collect();
    assert!(held(&small), "a hundred of a thousand");
    let mut off = small_breaker();
    off.breaker = None;
    assert!(!Gate::over(&off, &wave(50, "token_replay", 0), 7).ends().contains(&DecisionEnd::HeldBreaker));
}

/// Proposals of timed actions, what became of them, and time.
fn lives() -> impl Strategy<Value = Vec<(Time, GateRecord<'static>)>> {
    let status = prop::sample::select(vec!["accepted", "done", "already_done", "partial", "failed", "rejected", "not_found", "reverted"]);
    let action = prop::sample::select(vec![Action::Throttle, Action::DisableAccount, Action::TerminateSession, Action::HoldOrder]);
    prop::collection::vec((0u8..10, 0u32..8, status, action, 0i64..20 * MINUTE_MS), 1..100).prop_map(|steps| {
        let (mut now, mut ids) = (START, Vec::new());
        let mut log = Vec::new();
        for (what, who, status, action, step_ms) in steps {
            now = now.plus(step_ms);
            let name = format!("u-{who}");
            log.push(match what {
                0..4 => {
                    let p = Proposal {
                        id: format!("p-{}", ids.len()),
                        class: [Some(Class::Customer), Some(Class::Agent)][who as usize % 2],
                        revert_after: (what < 3).then_some(Span(HOUR_MS)),
                        step: ids.len() as u32,
                        ..proposal(action, &name, now)
                    };
                    ids.push(request(&Proposal { time: START, event_time: START, ..p.clone() }));
                    asked(p)
                }
                4 => tick(now.plus(MINUTE_MS)),
                5 => closed(&name, now.since(START)),
                _ => reported(ids.get(who as usize).map_or("r-unknown", String::as_str), status, now),
            });
            now = log.last().map_or(now, |(at, _)| now.max(*at));
        }
        log
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_timed_action_is_released_nothing_is_sent_twice_and_batches_do_not_matter(log in lives(), size in 2usize..40) {
        let policy = calm();
        let last = log.last().map_or(START, |(at, _)| *at);
        let mut gate = Gate::over(&policy, &log, 1);
        prop_assert!(gate.bytes() == Gate::over(&policy, &log, size).bytes());
        let reverted: BTreeSet<String> = log
            .iter()
            .filter_map(|(_, r)| if let GateRecord::Event(e) = r { e.containment.as_deref() } else { None })
            .filter(|o| matches!(o.status.name(), "reverted" | "failed" | "rejected" | "not_found"))
            .filter_map(|o| o.request_id.as_ref().map(|id| id.as_str().to_owned()))
            .collect();
        let ticks: Vec<_> = (1..200).map(|i| tick(last.plus(i * 10 * MINUTE_MS))).collect();
        gate.go_on(&policy, &ticks);
        let mut seen = BTreeSet::new();
        let twice = gate.requests().find(|r| !seen.insert(r.id.as_str()));
        prop_assert!(twice.is_none(), "sent twice: {twice:#?}");
        let released: BTreeSet<&str> = gate.requests().filter_map(|r| r.releases.as_deref()).collect();
        let timed: Vec<_> = gate.requests().filter(|r| r.revert_after.is_some()).collect();
        for request in &timed {
            // Renewed: then the renewal is released.
            let renewed = timed.iter().any(|r| r.time >= request.revert_after.unwrap() && r.target == request.target && r.action == request.action);
            let over = released.contains(request.id.as_str()) || reverted.contains(&request.id) || renewed;
            prop_assert!(over, "{} of {} is never taken back", request.action, request.id);
        }
        prop_assert!(gate.requests().all(|r| r.time <= r.not_after));
    }
}
