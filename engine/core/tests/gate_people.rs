//! People at the gate: whose answers count, how many it takes, and what a forged, replayed, altered or late one does (nothing, aloud).

#[path = "support/gate.rs"]
mod gate_log;

use gate_log::{Gate, Person, START, asked, proposal, tick};
use portcullis_core::containment::{Action, AnswerEnd, ApprovalState, DecisionEnd, Proposal};
use portcullis_core::event::Class;
use portcullis_core::gate::{Claims, Verb};
use portcullis_core::policy::{Budget, Policy, Protected};
use portcullis_core::record::{Answer, Control, GateRecord};
use portcullis_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};
use proptest::prelude::*;

fn anna() -> Person {
    Person::new("anna", 1)
}

fn ben() -> Person {
    Person::new("ben", 2)
}

fn policy() -> Policy {
    let mut policy = Policy::default_policy();
    policy.approvers = vec![anna().signatory(), ben().signatory()];
    policy
}

/// A proposal that needs a person's agreement.
fn question(who: &str) -> Proposal {
    Proposal { approval_required: true, ..proposal(Action::TerminateSession, who, START) }
}

fn at(ms: i64) -> Time {
    START.plus(ms)
}

#[test]
fn what_one_person_approves_is_sent_once_and_says_who_and_why() {
    let p = question("ana");
    let log =
        [asked(p.clone()), anna().does(Verb::Approve, &[&p.id], at(MINUTE_MS)), ben().does(Verb::Approve, &[&p.id], at(2 * MINUTE_MS))];
    let gate = Gate::over(&policy(), &log, 1);
    assert_eq!(gate.ends(), [DecisionEnd::HeldApproval, DecisionEnd::Sent]);
    let request = gate.requests().next().unwrap();
    assert_eq!((request.approval.state, request.time, request.not_after), (ApprovalState::Granted, at(MINUTE_MS), at(16 * MINUTE_MS)));
    assert_eq!((request.approval.by[0].by.as_str(), request.approval.by[0].reason.as_str()), ("anna", "looked at it"));
    let answers: Vec<_> = gate.answers().map(|a| (a.end, a.by.as_deref().unwrap_or(""))).collect();
    assert_eq!(answers, [(AnswerEnd::Accepted, "anna"), (AnswerEnd::Refused, "ben")]);
    assert!(gate.answers().nth(1).unwrap().why.contains("does not wait"));
    assert_eq!(gate.waiting().count(), 0);
}

#[test]
fn beyond_the_budget_two_different_people_must_agree() {
    let mut policy = policy();
    policy.budgets = vec![Budget { action: Action::TerminateSession, class: None, per_ms: HOUR_MS, at_most: 0, share_of_active_ppm: None }];
    let p = proposal(Action::TerminateSession, "ana", START);
    let twice =
        [asked(p.clone()), anna().does(Verb::Approve, &[&p.id], at(MINUTE_MS)), anna().does(Verb::Approve, &[&p.id], at(2 * MINUTE_MS))];
    let gate = Gate::over(&policy, &twice, 1);
    assert_eq!((gate.requests().count(), gate.waiting().count()), (0, 1), "one person does not agree twice");
    assert!(gate.answers().nth(1).unwrap().why.contains("another person must"));
    assert_eq!(gate.decisions().map(|d| d.needs).collect::<Vec<_>>(), [2, 1], "how many must agree yet");

    let both = [twice[0].clone(), twice[1].clone(), ben().does(Verb::Approve, &[&p.id], at(3 * MINUTE_MS))];
    let gate = Gate::over(&policy, &both, 1);
    let by: Vec<_> = gate.requests().next().unwrap().approval.by.iter().map(|a| a.by.as_str()).collect();
    assert_eq!(by, ["anna", "ben"]);
    policy.approvals.two_people_above_budget = false;
    assert_eq!(Gate::over(&policy, &both[..2], 1).requests().count(), 1);
}

#[test]
fn what_is_rejected_is_not_sent_and_what_is_extended_waits_longer() {
    let p = question("ana");
    let hour = policy().approvals.expire_after_ms;
    let gate = Gate::over(&policy(), &[asked(p.clone()), anna().does(Verb::Reject, &[&p.id], at(MINUTE_MS))], 1);
    assert_eq!((gate.ends(), gate.waiting().count()), (vec![DecisionEnd::HeldApproval, DecisionEnd::Rejected], 0));
    assert!(gate.decisions().last().unwrap().why.contains("anna: looked at it"));

    let mut more = anna().says(Verb::Extend, &[&p.id], at(MINUTE_MS));
    more.lasts = Some(Span(3 * HOUR_MS));
    let log = [asked(p.clone()), anna().record(&more, at(MINUTE_MS)), tick(at(hour + 1)), tick(at(MINUTE_MS + 3 * HOUR_MS))];
    let longer = Gate::over(&policy(), &log[..3], 1);
    assert_eq!(longer.ends(), [DecisionEnd::HeldApproval, DecisionEnd::HeldApproval], "whoever lists what waits sees until when");
    assert_eq!(longer.decisions().last().unwrap().held_until, Some(at(MINUTE_MS + 3 * HOUR_MS)));
    assert_eq!(Gate::over(&policy(), &log, 1).ends(), [DecisionEnd::HeldApproval, DecisionEnd::HeldApproval, DecisionEnd::Expired]);
}

#[test]
fn an_answer_that_is_not_what_it_says_does_nothing_and_is_recorded() {
    let p = question("ana");
    let stranger = Person::new("eve", 9);
    let good = anna().says(Verb::Approve, &[&p.id], at(MINUTE_MS));
    let raw = |jws: String, tenant: &str| (at(MINUTE_MS), GateRecord::Control(Control::Answer(Answer { tenant: tenant.to_owned(), jws })));
    let altered = anna().jws(&good).replacen("ey", "eX", 2);
    let change = |f: &dyn Fn(&mut Claims)| {
        let mut claims = good.clone();
        f(&mut claims);
        anna().record(&claims, at(MINUTE_MS))
    };
    for (record, why) in [
        (stranger.does(Verb::Approve, &[&p.id], at(MINUTE_MS)), "names no key"),
        (raw(Person::new("anna", 9).jws(&good), "acme"), "not by key"),
        (raw(altered, "acme"), ""),
        (raw(String::new(), "acme"), "not a compact JWS"),
        (change(&|c| c.reason = " ".to_owned()), "a reason"),
        (change(&|c| c.of.clear()), "names nothing"),
        (change(&|c| c.verb = Verb::Pause), "names something"),
        (change(&|c| c.lasts = Some(Span(8 * 24 * HOUR_MS))), "may last"),
        (change(&|c| c.of = vec![String::new(); 1_001]), "1001 things"),
        (change(&|c| c.tenant = "other".to_owned()), "names no approvers"), // where the record leads: nothing of acme's moves
        (change(&|c| c.iat -= 16 * 60), "sign it anew"),
        (change(&|c| c.iat += 6 * 60), "sign it anew"),
    ] {
        let of_other = matches!(&record.1, GateRecord::Control(Control::Answer(a)) if a.tenant == "other");
        let gate = Gate::over(&policy(), &[asked(p.clone()), record], 1);
        assert_eq!((gate.requests().count(), gate.waiting().count()), (0, 1), "{why}");
        let said: Vec<_> = gate.answers().map(|a| (a.end, a.why.clone())).collect();
        assert!(!said.is_empty() && said.iter().all(|(end, _)| *end == AnswerEnd::Refused), "{said:?}");
        assert!(of_other || said[0].1.contains(why), "{said:?}");
    }
    // The same tenant in the record and another in what is signed.
    let mut other = good.clone();
    other.tenant = "other".to_owned();
    let gate = Gate::over(&policy(), &[asked(p), raw(anna().jws(&other), "acme")], 1);
    assert!(gate.answers().next().unwrap().why.contains("another tenant") && gate.requests().count() == 0);
}

#[test]
fn a_replayed_answer_is_refused_while_it_is_fresh_and_after() {
    let p = question("ana");
    let again = Proposal { id: "p-2".to_owned(), step: 2, ..p.clone() };
    let said = anna().says(Verb::Approve, &[&p.id, "p-2"], at(MINUTE_MS));
    for ms in [2, 10, 17] {
        let late = at(ms * MINUTE_MS);
        let log = [
            asked(p.clone()),
            anna().record(&said, at(MINUTE_MS)),
            asked(Proposal { time: late, event_time: late, ..again.clone() }),
            anna().record(&said, late),
        ];
        let gate = Gate::over(&policy(), &log, 1);
        let sent = gate.requests().filter(|r| !r.action.is_notice()).count();
        assert_eq!((sent, gate.waiting().count()), (1, 1), "after {ms} min");
        let last = gate.answers().last().unwrap();
        assert!(last.end == AnswerEnd::Refused && (last.why.contains("replay") || last.why.contains("anew")), "{}", last.why);
    }
}

#[test]
fn without_approvers_nobody_can_answer_and_a_policy_that_drops_one_ends_their_word() {
    let p = question("ana");
    let log = [asked(p.clone()), anna().does(Verb::Approve, &[&p.id], at(MINUTE_MS))];
    let mut policy = policy();
    policy.approvers.remove(0);
    for policy in [policy, Policy::default_policy()] {
        let gate = Gate::over(&policy, &log, 1);
        assert_eq!((gate.requests().count(), gate.answers().next().unwrap().end), (0, AnswerEnd::Refused));
    }
}

#[test]
fn what_became_protected_while_it_waited_is_not_sent() {
    let p = question("ana");
    let mut policy = policy();
    let mut gate = Gate::over(&policy, &[asked(p.clone())], 1);
    policy.protected.push(Protected::Identity("ana".to_owned()));
    gate.go_on(&policy, &[anna().does(Verb::Approve, &[&p.id], at(MINUTE_MS))]);
    assert_eq!(gate.ends(), [DecisionEnd::HeldApproval, DecisionEnd::RefusedProtected]);
    assert_eq!((gate.requests().count(), gate.waiting().count()), (0, 0));
}

#[test]
fn a_pause_holds_everything_but_cases_until_it_ends_or_somebody_resumes() {
    let mut pause = anna().says(Verb::Pause, &[], START);
    pause.lasts = Some(Span(30 * MINUTE_MS));
    let ask = |action, ms| asked(proposal(action, &format!("u-{ms}"), at(ms)));
    let held = [anna().record(&pause, START), ask(Action::StepUp, 1), ask(Action::OpenCase, 2)];
    let gate = Gate::over(&policy(), &held, 1);
    assert_eq!(gate.ends(), [DecisionEnd::HeldBreaker, DecisionEnd::Sent], "even what the breaker keeps");
    assert!(gate.decisions().next().unwrap().why.contains("anna has paused everything"));

    let mut resumed = held.to_vec();
    resumed.extend([ben().does(Verb::Resume, &[], at(MINUTE_MS)), tick(at(6 * MINUTE_MS))]);
    assert_eq!(Gate::over(&policy(), &resumed, 1).ends().last(), Some(&DecisionEnd::Sent), "judged again, five minutes later at most");
    let mut ended = held.to_vec();
    ended.push(tick(at(31 * MINUTE_MS)));
    let gate = Gate::over(&policy(), &ended, 1);
    assert_eq!(gate.ends().last(), Some(&DecisionEnd::HeldApproval), "too old to be sent by itself, so a person decides");
    let nothing = Gate::over(&policy(), &[ben().does(Verb::Resume, &[], START)], 1);
    assert_eq!(nothing.answers().next().unwrap().end, AnswerEnd::Refused);
}

#[test]
fn a_person_takes_back_what_can_be_taken_back() {
    let throttle = Proposal { class: Some(Class::Agent), ..proposal(Action::Throttle, "bot", START) };
    let revoke = proposal(Action::RevokeToken, "ana", START);
    let gate = Gate::over(&policy(), &[asked(throttle.clone()), asked(revoke.clone())], 1);
    let ids: Vec<String> = gate.requests().map(|r| r.id.clone()).collect();
    let release = anna().does(Verb::Release, &[&ids[0], &ids[1], "r-none"], at(MINUTE_MS));
    let again = ben().does(Verb::Release, &[&ids[0]], at(2 * MINUTE_MS));
    let gate = Gate::over(&policy(), &[asked(throttle), asked(revoke), release, again], 1);
    let released: Vec<_> = gate.requests().filter_map(|r| r.releases.as_deref()).collect();
    assert_eq!(released, [&ids[0]], "once, and only what can be");
    let why: Vec<&str> = gate.answers().map(|a| a.why.as_str()).collect();
    assert!(why[1].contains("cannot be taken back") && why[2].contains("not open") && why[3].contains("not open"), "{why:?}");
}

/// Questions, and what anna and ben say about them, in any order.
fn dialogues() -> impl Strategy<Value = Vec<(Time, GateRecord<'static>)>> {
    let verb = prop::sample::select(Verb::ALL.to_vec());
    prop::collection::vec((0u8..10, 0u32..12, any::<bool>(), verb, 0i64..4 * MINUTE_MS), 1..120).prop_map(|steps| {
        let mut now = START;
        let mut seen: Vec<(Time, GateRecord<'static>)> = Vec::new();
        for (what, who, first, verb, step_ms) in steps {
            now = now.plus(step_ms);
            let id = format!("p-{who}");
            let person = if first { anna() } else { ben() };
            let record = match what {
                0..4 => {
                    let p = question(&format!("u-{who}"));
                    asked(Proposal {
                        id,
                        time: now,
                        event_time: now,
                        approval_required: what % 2 == 0,
                        revert_after: Some(Span(HOUR_MS)),
                        ..p
                    })
                }
                4 => tick(now.plus(MINUTE_MS)),
                5 if !seen.is_empty() => (now, seen[who as usize % seen.len()].1.clone()), // anything once more: a replay
                _ if matches!(verb, Verb::Pause | Verb::Resume) => person.does(verb, &[], now),
                _ => person.does(verb, &[&id], now),
            };
            now = now.max(record.0);
            seen.push(record);
        }
        seen
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_needs_a_person_goes_without_one_and_everything_that_waits_ends(log in dialogues(), size in 1usize..30) {
        let mut policy = policy();
        policy.budgets = vec![Budget { action: Action::TerminateSession, class: None, per_ms: HOUR_MS, at_most: 2, share_of_active_ppm: None }];
        let mut log = log;
        let last = log.last().map_or(START, |(at, _)| *at);
        let (mut one, many) = (Gate::over(&policy, &log, 1), Gate::over(&policy, &log, size));
        prop_assert!(one.bytes() == many.bytes(), "a batch of one equals a batch of {size}");

        let held_for_budget: Vec<&str> =
            one.decisions().filter(|d| d.end == DecisionEnd::HeldBudget).map(|d| d.proposal.as_str()).collect();
        for request in one.requests().filter(|r| !r.action.is_notice()) {
            let decision = one.decisions().find(|d| d.request.as_deref() == Some(&request.id)).unwrap();
            let was_held = one.decisions().any(|d| d.proposal == decision.proposal && d.end == DecisionEnd::HeldApproval);
            prop_assert!(!was_held || !request.approval.by.is_empty(), "{} was held for a person and sent without one", request.id);
            if held_for_budget.contains(&decision.proposal.as_str()) {
                let by: std::collections::BTreeSet<&str> = request.approval.by.iter().map(|a| a.by.as_str()).collect();
                prop_assert!(by.len() >= 2 || request.approval.by.is_empty(), "beyond the budget {by:?} is not two");
            }
        }
        let mut ids: Vec<&str> = one.requests().map(|r| r.id.as_str()).collect();
        let sent = ids.len();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), sent, "nothing is sent twice");

        log.clear();
        log.extend((1..40).map(|h| tick(last.plus(h * HOUR_MS + SECOND_MS))));
        one.go_on(&policy, &log);
        prop_assert_eq!(one.waiting().count(), 0, "everything that waits ends");
    }
}
