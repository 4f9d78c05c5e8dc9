//! What must hold of the gate whatever is proposed, reported and answered, by whomever: over random logs of all of it together, undisturbed
//! and with batches cut at random, aborted, and the process gone between any two of them.

#[path = "support/gate.rs"]
mod gate_log;

use gate_log::{Gate, Person, START, asked, event, proposal, reported, sample, tick};
use portcullis_core::containment::{Action, AnswerEnd, ApprovalState, ContainmentRequest, DecisionEnd, Params, Proposal};
use portcullis_core::event::{Class, OutcomeStatus};
use portcullis_core::gate::Verb;
use portcullis_core::policy::{Breaker, Budget, Policy, Protected};
use portcullis_core::record::{Answer, Control, GateRecord, IncidentClosed};
use portcullis_core::time::{HOUR_MS, MINUTE_MS, Span, Time};
use portcullis_core::verdict::Mode;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const ACTIONS: [Action; 8] = [
    Action::StepUp,
    Action::TerminateSession,
    Action::RevokeToken,
    Action::RotateSecret,
    Action::DisableAccount,
    Action::Throttle,
    Action::HoldOrder,
    Action::OpenCase,
];
const CLASSES: [Option<Class>; 6] =
    [Some(Class::Customer), Some(Class::Service), Some(Class::Admin), Some(Class::Agent), Some(Class::BreakGlass), None];
const BUDGETS: [(Action, Option<Class>, u32); 6] = [
    (Action::StepUp, Some(Class::Customer), 3),
    (Action::StepUp, None, 2),
    (Action::TerminateSession, None, 2),
    (Action::RevokeToken, None, 2),
    (Action::RotateSecret, None, 2),
    (Action::DisableAccount, None, 1),
];
const WINDOW_MS: i64 = 20 * MINUTE_MS;
const PROTECTED: &str = "u-0";

fn people() -> [Person; 2] {
    [Person::new("anna", 1), Person::new("ben", 2)]
}

fn policy() -> Policy {
    let mut policy = Policy::default_policy();
    policy.shadow.actions.clear();
    policy.approvers = people().iter().map(Person::signatory).collect();
    policy.protected = vec![Protected::Identity(PROTECTED.to_owned()), Protected::Class(Class::BreakGlass)];
    policy.budgets = BUDGETS
        .iter()
        .map(|(action, class, at_most)| Budget {
            action: *action,
            class: *class,
            per_ms: WINDOW_MS,
            at_most: *at_most,
            share_of_active_ppm: None,
        })
        .collect();
    policy.breaker = Some(Breaker {
        window_ms: 5 * MINUTE_MS,
        share_of_active_ppm: 0,
        at_least: 6,
        same_leading_signal_ppm: 600_000,
        keep: BTreeSet::from([Action::StepUp]),
        lasts_ms: 30 * MINUTE_MS,
    });
    policy
}

type Purse = (Action, Option<Class>);

/// What comes next, in numbers that are read against what the gate then knows.
type Step = (u8, u8, u8, u8, i64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0u8..24, any::<u8>(), any::<u8>(), any::<u8>(), 0i64..4 * MINUTE_MS), 1..90)
}

/// A log, and which of its answers are worth nothing.
#[derive(Default)]
struct Played {
    log: Vec<(Time, GateRecord<'static>)>,
    /// Places in the log.
    worthless: BTreeSet<usize>,
}

fn played(policy: &Policy, steps: &[Step]) -> Played {
    let (mut played, mut gate, mut now) = (Played::default(), Gate::new(), START);
    let mut answers: Vec<GateRecord<'static>> = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        now = now.plus(step.4);
        let (record, is_worthless) = next(&gate, step, i, now, &mut answers);
        now = now.max(record.0);
        if is_worthless {
            played.worthless.insert(i);
        }
        gate.go_on(policy, std::slice::from_ref(&record));
        played.log.push(record);
    }
    played
}

fn next(gate: &Gate, step: &Step, i: usize, now: Time, answers: &mut Vec<GateRecord<'static>>) -> ((Time, GateRecord<'static>), bool) {
    let (what, who, pick, more, _) = *step;
    let name = format!("u-{}", who % 9);
    match what {
        0..9 => (asked(any_proposal(&name, who, pick, more, i, now)), false),
        9..14 => {
            let requests: Vec<&ContainmentRequest> = gate.requests().collect();
            let id = requests.get(usize::from(pick) % (requests.len() + 1)).map_or("r-unknown", |r| r.id.as_str());
            // Mostly it is done.
            let status = if more % 2 == 0 { "done" } else { OutcomeStatus::NAMES[usize::from(more) % OutcomeStatus::NAMES.len()] };
            (reported(id, status, now), false)
        }
        14..20 => answer(gate, who, pick, more, i, now, answers),
        20 => (sample(i32::from(pick % 3), u32::from(more), now), false),
        21 => {
            let closed = IncidentClosed { tenant: "acme".into(), incident: format!("i-{name}"), at: now };
            ((now, GateRecord::Control(Control::IncidentClosed(closed))), false)
        }
        22 => {
            let label = format!(
                r#"{{"time":{},"type":"feedback.label","tenant":"acme","feedback":{{"subject":{{"kind":"identity","id":"{name}"}},"label":"false_positive"}}}}"#,
                now.0
            );
            (event(&label), false)
        }
        _ => (tick(now.plus(i64::from(more) * MINUTE_MS)), false),
    }
}

fn any_proposal(name: &str, who: u8, pick: u8, more: u8, i: usize, now: Time) -> Proposal {
    let action = ACTIONS[usize::from(pick) % ACTIONS.len()];
    let one_in = |n: u8| more.is_multiple_of(n);
    let is_timed = matches!(action, Action::DisableAccount | Action::Throttle | Action::HoldOrder) && !one_in(3);
    Proposal {
        id: format!("p-{i}"),
        class: CLASSES[usize::from(who) % CLASSES.len()],
        event_time: now.plus(if one_in(13) { -HOUR_MS } else { 0 }),
        approval_required: one_in(7),
        mode: if one_in(5) { Mode::Shadow } else { Mode::Enforce },
        leading_signal: ["token_replay", "guessed_password"][usize::from(who.is_multiple_of(4))].to_owned(),
        playbook: if one_in(2) { "machine" } else { "shared-machine" }.to_owned(),
        level: portcullis_core::verdict::Level::Critical,
        params: Params { grace: (action == Action::RotateSecret && more % 4 != 1).then_some(Span(30 * MINUTE_MS)), ..Params::default() },
        revert_after: is_timed.then_some(Span(HOUR_MS)),
        // Now and then the same step once more.
        step: if one_in(4) { 1 } else { 1_000 + i as u32 },
        ..proposal(action, name, now)
    }
}

/// Somebody answers, or seems to.
fn answer(
    gate: &Gate,
    who: u8,
    pick: u8,
    more: u8,
    i: usize,
    now: Time,
    answers: &mut Vec<GateRecord<'static>>,
) -> ((Time, GateRecord<'static>), bool) {
    let person = &people()[usize::from(who % 2)];
    let verb = Verb::ALL[usize::from(pick) % Verb::ALL.len()];
    let things: Vec<String> = match verb {
        Verb::Release => gate.open().map(|o| o.request.clone()).collect(),
        Verb::Pause | Verb::Resume => Vec::new(),
        _ => gate.waiting().map(|w| w.proposal.id.clone()).collect(),
    };
    let thing = things.get(usize::from(who) % (things.len() + 1)).map_or("p-unknown", String::as_str);
    let of: &[&str] = if matches!(verb, Verb::Pause | Verb::Resume) { &[] } else { &[thing] };
    let mut claims = person.says(verb, of, now);
    claims.jti = format!("j-{i}");
    claims.lasts = matches!(verb, Verb::Pause | Verb::Extend).then_some(Span(20 * MINUTE_MS));
    let of_jws = |jws| (now, GateRecord::Control(Control::Answer(Answer { tenant: "acme".to_owned(), jws })));
    let (record, is_worthless) = match more % 8 {
        // Forged: an unknown person, and a known one's name with another key.
        0 => (of_jws(Person::new("eve", 9).jws(&claims)), true),
        1 => (of_jws(Person::new("anna", 9).jws(&claims)), true),
        // Altered: another's payload under this signature.
        2 => {
            let other = person.says(Verb::Approve, &["p-other"], now);
            let (mine, others) = (person.jws(&claims), person.jws(&other));
            let mut parts: Vec<&str> = mine.split('.').collect();
            parts[1] = others.split('.').nth(1).unwrap();
            (of_jws(parts.join(".")), true)
        }
        // Expired.
        3 => {
            claims.iat -= 16 * 60;
            (of_jws(person.jws(&claims)), true)
        }
        // Replayed.
        4 if !answers.is_empty() => ((now, answers[usize::from(pick) % answers.len()].clone()), true),
        _ => (of_jws(person.jws(&claims)), false),
    };
    if !is_worthless {
        answers.push(record.1.clone());
    }
    (record, is_worthless)
}

/// Time passes until nothing is left to happen but what people are asked about, and they agree.
fn until_the_end(policy: &Policy, gate: &mut Gate, from: Time) {
    for hour in 1..=48 {
        let now = from.plus(hour * HOUR_MS);
        gate.go_on(policy, &[tick(now)]);
        let releases: Vec<String> =
            gate.waiting().filter(|w| w.proposal.action == Action::Release).map(|w| w.proposal.id.clone()).collect();
        for (n, id) in releases.iter().enumerate() {
            for person in people() {
                let mut claims = person.says(Verb::Approve, &[id], now);
                claims.jti = format!("{}-{hour}-{n}", person.name);
                gate.go_on(policy, &[person.record(&claims, now)]);
            }
        }
    }
}

fn is_act(request: &&ContainmentRequest) -> bool {
    !request.action.is_notice()
}

fn budgets_hold(gate: &Gate) -> Result<(), TestCaseError> {
    // A renewal goes on with what was spent for, a release gives back.
    let renewed: BTreeSet<&str> = gate.decisions().filter(|d| d.why.contains(", renewal ")).filter_map(|d| d.request.as_deref()).collect();
    let mut spent: BTreeMap<Purse, Vec<(Time, bool)>> = BTreeMap::new();
    for r in gate.requests().filter(is_act).filter(|r| r.action != Action::Release && !renewed.contains(r.id.as_str())) {
        spent.entry((r.action, r.class)).or_default().push((r.time, r.approval.state == ApprovalState::Automatic));
    }
    for ((action, class), times) in spent {
        let named = |of| BUDGETS.iter().find(|(a, c, _)| (*a, *c) == (action, of));
        let Some((.., at_most)) = class.and_then(|c| named(Some(c))).or_else(|| named(None)) else { continue };
        for (last, _) in times.iter().filter(|(_, automatic)| *automatic) {
            let within = times.iter().filter(|(t, _)| t <= last && last.since(*t) < WINDOW_MS).count();
            prop_assert!(within <= *at_most as usize, "{within} of {action} for {class:?} by {last}, the budget is {at_most}");
        }
    }
    Ok(())
}

fn nothing_is_sent_twice(gate: &Gate, log: &[(Time, GateRecord<'static>)]) -> Result<(), TestCaseError> {
    let mut ids = BTreeSet::new();
    let twice = gate.requests().find(|r| !ids.insert(r.id.as_str()));
    prop_assert!(
        twice.is_none(),
        "a request's id is its own: {} {:?} of {:?} at {}",
        twice.unwrap().action,
        twice.unwrap().params,
        twice.unwrap().target,
        twice.unwrap().time
    );
    let mut sent = BTreeSet::new();
    for decision in gate.decisions().filter(|d| d.end == DecisionEnd::Sent) {
        prop_assert!(sent.insert(decision.proposal.as_str()), "{} is sent twice", decision.proposal);
    }
    // Of the steps of an incident that has not been closed meanwhile.
    let mut steps = BTreeSet::new();
    for (_, record) in log {
        match record {
            GateRecord::Control(Control::IncidentClosed(closed)) => {
                steps.retain(|(incident, ..): &(String, Action, u32)| *incident != closed.incident);
            }
            GateRecord::Proposal(p) if sent.contains(p.id.as_str()) => {
                prop_assert!(steps.insert((p.incident.id.clone(), p.action, p.step)), "{} of {} step {}", p.action, p.incident.id, p.step);
            }
            _ => {}
        }
    }
    Ok(())
}

/// What was reported of a request in time to count.
fn reports<'l>(log: &'l [(Time, GateRecord<'static>)], request: &'l str) -> impl Iterator<Item = (Time, OutcomeStatus)> + 'l {
    log.iter().filter_map(move |(at, record)| match record {
        GateRecord::Event(e) => e.containment.as_deref().filter(|o| o.request_id.as_deref() == Some(request)).map(|o| (*at, o.status)),
        _ => None,
    })
}

fn timed_actions_end(gate: &Gate, log: &[(Time, GateRecord<'static>)]) -> Result<(), TestCaseError> {
    let released: BTreeSet<&str> = gate.requests().filter_map(|r| r.releases.as_deref()).collect();
    let renewed: BTreeSet<(Time, Action, &str)> = gate
        .decisions()
        .filter(|d| d.why.contains(", renewal "))
        .filter_map(|d| Some((d.time, d.action, d.target.as_ref()?.id.as_str())))
        .collect();
    for r in gate.requests().filter(|r| r.revert_after.is_some()) {
        let is_renewed = r.revert_after.is_some_and(|at| renewed.contains(&(at, r.action, r.target.id.as_str())));
        let was_not_done = reports(log, &r.id).any(|(_, status)| {
            use OutcomeStatus::*;
            matches!(status, Reverted | Failed | Rejected | NotFound | Unsupported)
        });
        prop_assert!(released.contains(r.id.as_str()) || is_renewed || was_not_done, "{} {} is never taken back", r.action, r.id);
    }
    Ok(())
}

fn old_secrets_end_after_their_rotation(gate: &Gate, log: &[(Time, GateRecord<'static>)]) -> Result<(), TestCaseError> {
    let mut of = BTreeSet::new();
    for r in gate.requests() {
        let Some(rotation) = r.depends_on.as_deref().filter(|_| r.action == Action::RevokeToken) else { continue };
        prop_assert!(of.insert(rotation), "{rotation} ends its old secret twice");
        let rotated = gate.requests().find(|r| r.id == rotation).unwrap();
        let done = reports(log, rotation).find(|(_, s)| matches!(s, OutcomeStatus::Done | OutcomeStatus::AlreadyDone));
        let (Some((done, _)), Some(grace)) = (done, rotated.params.grace) else {
            return Err(TestCaseError::fail(format!("{rotation} was not confirmed")));
        };
        prop_assert!(r.time >= done.plus(grace.0) || !r.approval.by.is_empty(), "within the grace, and nobody said so");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_must_hold(steps in steps()) {
        let policy = policy();
        let Played { log, worthless } = played(&policy, &steps);
        let mut gate = Gate::new();
        for (i, record) in log.iter().enumerate() {
            let (said, asked) = (gate.answers().count(), gate.requests().count());
            gate.go_on(&policy, std::slice::from_ref(record));
            if worthless.contains(&i) {
                let answers: Vec<_> = gate.answers().skip(said).collect();
                prop_assert!(!answers.is_empty() && answers.iter().all(|a| a.end == AnswerEnd::Refused && !a.why.is_empty()), "{answers:?}");
                // Time passes with any record; nothing else comes of it.
                let by_people = gate.requests().skip(asked).filter(is_act).any(|r| r.approval.by.iter().any(|a| a.at == record.0));
                prop_assert!(!by_people, "a worthless answer was obeyed");
            }
        }
        until_the_end(&policy, &mut gate, log.last().map_or(START, |(at, _)| *at));

        budgets_hold(&gate)?;
        nothing_is_sent_twice(&gate, &log)?;
        timed_actions_end(&gate, &log)?;
        old_secrets_end_after_their_rotation(&gate, &log)?;
        prop_assert_eq!(gate.waiting().map(|w| (w.end, w.proposal.action)).collect::<Vec<_>>(), [], "every held thing ends");
        for r in gate.requests() {
            prop_assert!(r.time <= r.not_after && r.mode == Mode::Enforce, "{} after its time", r.id);
            let is_protected = r.subject.id == PROTECTED || r.class == Some(Class::BreakGlass);
            prop_assert!(!is_protected || r.action.is_notice(), "{} of {:?}", r.action, r.subject);
        }
        let asked_a_person: BTreeSet<&str> =
            gate.decisions().filter(|d| matches!(d.end, DecisionEnd::HeldApproval | DecisionEnd::HeldBudget)).map(|d| d.proposal.as_str()).collect();
        for sent in gate.decisions().filter(|d| d.end == DecisionEnd::Sent && asked_a_person.contains(d.proposal.as_str())) {
            let request = gate.requests().find(|r| Some(&r.id) == sent.request.as_ref()).unwrap();
            prop_assert!(!request.approval.by.is_empty(), "{} was a question, and nobody agreed", request.id);
        }
        // What the log proposes has a decision, at once and in order.
        let proposed = log.iter().filter_map(|(_, r)| if let GateRecord::Proposal(p) = r { Some(p.id.as_str()) } else { None });
        let decided: BTreeSet<&str> = gate.decisions().map(|d| d.proposal.as_str()).collect();
        prop_assert!(proposed.into_iter().all(|p| decided.contains(p)), "a proposal without a decision");
    }

    /// A batch is cut anywhere, aborted and read again, the process is gone between two, and what was published is replayed from an older
    /// state: every byte is as if nothing had happened.
    #[test]
    fn crashes_and_restarts_change_no_byte(steps in steps(), cuts in prop::collection::vec((1usize..12, 0u8..6), 1..40), old in 0usize..20) {
        let policy = policy();
        let Played { mut log, .. } = played(&policy, &steps);
        let last = log.last().map_or(START, |(at, _)| *at);
        log.extend((1..=12).map(|n| tick(last.plus(n * 20 * MINUTE_MS))));
        let undisturbed = Gate::over(&policy, &log, 1);
        let mut gate = Gate::new();
        let (mut from, mut older) = (0, (0, gate.clone()));
        for (n, (size, what)) in cuts.iter().cycle().enumerate() {
            let to = (from + size).min(log.len());
            if what % 3 == 0 {
                // Applied, and never committed.
                gate.clone().go_on(&policy, &log[from..to]);
                gate.restart();
            }
            gate.go_on(&policy, &log[from..to]);
            if what % 2 == 0 {
                gate.restart();
            }
            from = to;
            if n == old {
                older = (from, gate.clone());
            }
            if from == log.len() {
                break;
            }
        }
        prop_assert!(gate.bytes() == undisturbed.bytes());
        let (from, mut replayed) = older;
        replayed.restart();
        replayed.go_on(&policy, &log[from..]);
        prop_assert!(replayed.bytes() == undisturbed.bytes(), "replayed from {from}");
    }
}
