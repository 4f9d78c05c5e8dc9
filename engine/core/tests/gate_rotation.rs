//! A secret that others may depend on is rotated in two steps: the new one first, then, once that is confirmed and the grace is over, the end
//! of the old one; and whatever comes between leaves the old one alone and says so.

#[path = "support/gate.rs"]
mod gate_log;

use gate_log::{Gate, Person, START, asked, event, proposal, reported, tick};
use portcullis_core::containment::{Action, ContainmentRequest, DecisionEnd, Params, Proposal, Target};
use portcullis_core::event::Class;
use portcullis_core::gate::Verb;
use portcullis_core::policy::{Budget, Policy, Protected};
use portcullis_core::record::{Control, GateRecord, IncidentClosed};
use portcullis_core::time::{HOUR_MS, MINUTE_MS, Span, Time};
use portcullis_core::verdict::Mode;

fn at(ms: i64) -> Time {
    START.plus(ms)
}

/// The default policy, in which nothing is in shadow and `machine` asks nobody.
fn policy() -> Policy {
    let mut policy = Policy::default_policy();
    policy.shadow.actions.clear();
    policy.approvers = vec![anna().signatory(), Person::new("ben", 2).signatory()];
    policy
}

fn anna() -> Person {
    Person::new("anna", 1)
}

fn rotation(playbook: &str) -> Proposal {
    Proposal {
        class: Some(Class::Service),
        params: Params { grace: Some(Span(HOUR_MS)), ..Params::default() },
        target: Target { kind: "credential".to_owned(), id: "key-1".to_owned(), ..Target::default() },
        playbook: playbook.to_owned(),
        level: portcullis_core::verdict::Level::Critical,
        ..proposal(Action::RotateSecret, "sync", START)
    }
}

/// A rotation that was asked for and done a minute later.
fn done(policy: &Policy, playbook: &str) -> Gate {
    let mut gate = Gate::over(policy, &[asked(rotation(playbook))], 1);
    let request = gate.requests().next().expect("the rotation").id.clone();
    gate.go_on(policy, &[reported(&request, "done", at(MINUTE_MS))]);
    gate
}

fn revocations(gate: &Gate) -> Vec<&ContainmentRequest> {
    gate.requests().filter(|r| r.action == Action::RevokeToken).collect()
}

fn cases(gate: &Gate) -> Vec<&str> {
    gate.requests().filter(|r| r.action == Action::OpenCase).filter_map(|r| r.params.text.as_deref()).collect()
}

#[test]
fn the_old_secret_is_revoked_once_the_rotation_is_done_and_the_grace_is_over() {
    let policy = policy();
    let mut gate = done(&policy, "machine");
    let until = at(MINUTE_MS + HOUR_MS);
    let held = gate.decisions().last().unwrap();
    assert_eq!((held.end, held.action, held.held_until, held.needs), (DecisionEnd::HeldGrace, Action::RevokeToken, Some(until), 0));
    let waits = held.proposal.clone();

    // Its incident is over long before.
    let closed = IncidentClosed { tenant: "acme".into(), incident: "i-sync".into(), at: at(30 * MINUTE_MS) };
    gate.go_on(&policy, &[(closed.at, GateRecord::Control(Control::IncidentClosed(closed))), tick(until.plus(-1))]);
    assert!(revocations(&gate).is_empty(), "within the grace");
    gate.restart();
    gate.go_on(&policy, &[tick(until), tick(until.plus(HOUR_MS))]);
    let [revoked] = revocations(&gate)[..] else { panic!("{:?}", gate.ends()) };
    let rotated = gate.requests().find(|r| r.action == Action::RotateSecret).unwrap();
    assert_eq!((&revoked.target, &revoked.incident, revoked.depends_on.as_ref()), (&rotated.target, &rotated.incident, Some(&rotated.id)));
    assert_eq!((revoked.time, gate.decisions().filter(|d| d.proposal == waits).count()), (until, 2));
    assert_eq!(gate.waiting().count(), 0);
}

#[test]
fn a_rotation_that_is_not_confirmed_revokes_nothing_and_one_without_a_grace_has_one_step() {
    let policy = policy();
    for status in ["", "accepted", "failed", "partial", "rejected", "not_found", "unsupported"] {
        let mut gate = Gate::over(&policy, &[asked(rotation("machine"))], 1);
        for _ in 0..2 {
            let request = gate.requests().filter(|r| r.action == Action::RotateSecret).last().unwrap().id.clone();
            if !status.is_empty() {
                gate.go_on(&policy, &[reported(&request, status, at(MINUTE_MS))]);
            }
        }
        gate.go_on(&policy, &[tick(at(3 * HOUR_MS))]);
        assert!(revocations(&gate).is_empty() && cases(&gate).len() == 1, "{status}: a person is told, as of any request");
    }
    let mut at_once = rotation("machine");
    at_once.params.grace = None;
    let mut gate = Gate::over(&policy, &[asked(at_once)], 1);
    let request = gate.requests().next().unwrap().id.clone();
    gate.go_on(&policy, &[reported(&request, "done", at(MINUTE_MS)), tick(at(3 * HOUR_MS))]);
    assert_eq!((gate.requests().count(), gate.waiting().count()), (1, 0));
}

#[test]
fn the_second_attempt_at_a_rotation_counts_and_a_report_twice_does_not() {
    let policy = policy();
    let mut gate = Gate::over(&policy, &[asked(rotation("machine"))], 1);
    let first = gate.requests().next().unwrap().id.clone();
    gate.go_on(&policy, &[reported(&first, "failed", at(1))]);
    let second = gate.requests().last().unwrap().id.clone();
    gate.go_on(&policy, &[reported(&second, "done", at(2)), reported(&second, "already_done", at(3)), reported(&first, "done", at(4))]);
    gate.go_on(&policy, &[tick(at(3 * HOUR_MS))]);
    let depends: Vec<_> = revocations(&gate).iter().filter_map(|r| r.depends_on.clone()).collect();
    assert_eq!(depends, [second]);
}

#[test]
fn the_old_secret_passes_the_checks_of_any_request() {
    // A playbook that asks a person of the rotation asks one whether the time has come.
    let mut policy = policy();
    let over = [tick(at(MINUTE_MS + HOUR_MS)), tick(at(4 * HOUR_MS))];
    let mut gate = done(&policy, "shared-machine");
    gate.go_on(&policy, &over[..1]);
    assert_eq!((gate.ends().last(), revocations(&gate).len()), (Some(&DecisionEnd::HeldApproval), 0));
    let waits = gate.waiting().next().unwrap().proposal.id.clone();
    let mut agreed = gate.clone();
    agreed.go_on(&policy, &[anna().does(Verb::Approve, &[&waits], at(HOUR_MS + 2 * MINUTE_MS))]);
    assert_eq!(revocations(&agreed)[0].approval.by[0].by, "anna");
    gate.go_on(&policy, &over[1..]);
    assert!(revocations(&gate).is_empty() && cases(&gate)[0].contains("still works: nobody agreed"), "{:?}", cases(&gate));

    // Protected since.
    let mut gate = done(&policy, "machine");
    policy.protected.push(Protected::Identity("sync".to_owned()));
    gate.go_on(&policy, &over);
    assert!(gate.ends().contains(&DecisionEnd::RefusedProtected) && cases(&gate)[0].contains("it is protected"));
    policy.protected.pop();

    // Beyond its budget.
    policy.budgets.insert(0, Budget { action: Action::RevokeToken, class: None, per_ms: HOUR_MS, at_most: 0, share_of_active_ppm: None });
    let mut gate = done(&policy, "machine");
    gate.go_on(&policy, &over[..1]);
    assert_eq!((gate.ends().last(), gate.waiting().next().unwrap().needs), (Some(&DecisionEnd::HeldBudget), 2));
    policy.budgets.remove(0);

    // In shadow nothing is sent, but the rotation was real.
    policy.shadow.actions.insert(Action::RevokeToken);
    let mut gate = done(&policy, "machine");
    assert_eq!(gate.ends().last(), Some(&DecisionEnd::HeldGrace));
    gate.go_on(&policy, &over);
    let would = gate.decisions().find(|d| d.end == DecisionEnd::WouldSend).unwrap();
    assert_eq!((would.would_send.as_ref().unwrap().mode, revocations(&gate).len()), (Mode::Shadow, 0));
    assert!(cases(&gate)[0].contains("still works: revoke_token is in shadow"));
}

#[test]
fn behind_a_pause_it_waits_and_is_sent_though_its_incident_has_ended() {
    let policy = policy();
    let mut gate = done(&policy, "machine");
    let closed = IncidentClosed { tenant: "acme".into(), incident: "i-sync".into(), at: at(30 * MINUTE_MS) };
    let over = at(MINUTE_MS + HOUR_MS);
    gate.go_on(
        &policy,
        &[
            (closed.at, GateRecord::Control(Control::IncidentClosed(closed))),
            anna().does(Verb::Pause, &[], over.plus(-MINUTE_MS)),
            tick(over),
            anna().does(Verb::Resume, &[], over.plus(MINUTE_MS)),
            tick(over.plus(10 * MINUTE_MS)),
        ],
    );
    let ends: Vec<_> = gate.decisions().filter(|d| d.action == Action::RevokeToken).map(|d| d.end).collect();
    assert_eq!(ends, [DecisionEnd::HeldGrace, DecisionEnd::HeldBreaker, DecisionEnd::Sent]);
}

#[test]
fn people_have_it_sent_at_once_put_it_off_or_call_it_off() {
    let policy = policy();
    let gate = done(&policy, "machine");
    let waits = gate.waiting().next().unwrap().proposal.id.clone();
    let after = |records: &[(Time, GateRecord<'static>)]| {
        let mut gate = gate.clone();
        gate.go_on(&policy, records);
        gate
    };
    let soon = at(2 * MINUTE_MS);
    let sent = after(&[anna().does(Verb::Approve, &[&waits], soon), tick(at(4 * HOUR_MS))]);
    assert_eq!(revocations(&sent).iter().map(|r| r.time).collect::<Vec<_>>(), [soon]);
    let off = after(&[anna().does(Verb::Reject, &[&waits], soon), tick(at(4 * HOUR_MS))]);
    assert_eq!((off.ends().last(), revocations(&off).len()), (Some(&DecisionEnd::Rejected), 0));
    let mut longer = anna().says(Verb::Extend, &[&waits], soon);
    longer.lasts = Some(Span(3 * HOUR_MS));
    let later = after(&[anna().record(&longer, soon), tick(at(2 * HOUR_MS)), tick(at(4 * HOUR_MS))]);
    assert_eq!(revocations(&later).iter().map(|r| r.time).collect::<Vec<_>>(), [soon.plus(3 * HOUR_MS)]);
    let label = format!(
        r#"{{"time":{},"type":"feedback.label","tenant":"acme","feedback":{{"subject":{{"kind":"identity","id":"sync"}},"label":"false_positive"}}}}"#,
        soon.0
    );
    let alarm = after(&[event(&label), tick(at(4 * HOUR_MS))]);
    assert!(alarm.ends().contains(&DecisionEnd::Rejected) && revocations(&alarm).is_empty(), "a false alarm leaves the old one");
}
