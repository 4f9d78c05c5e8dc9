//! Outcomes that a responder signed, whatever input they came by: what is signed counts once, for what it says; anything else is refused
//! aloud, and moves neither the gate nor a profile.

#[path = "support/gate.rs"]
mod gate_log;

use gate_log::{Gate, Person, START, asked, event, proposal, tick};
use portcullis_core::containment::{Action, AnswerEnd, ContainmentAnswer};
use portcullis_core::event::Event;
use portcullis_core::observe::{Observation, observe};
use portcullis_core::outcome::{FRESH_MS, OUTCOME_TYPE};
use portcullis_core::policy::Policy;
use portcullis_core::profile::Profile;
use portcullis_core::record::{GateRecord, Position};
use portcullis_core::sample::TenantSample;
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};
use serde_json::{Value, json};

fn soar() -> Person {
    Person::new("soar", 5)
}

fn at(ms: i64) -> Time {
    START.plus(ms)
}

fn policy() -> Policy {
    let mut policy = Policy::default_policy();
    policy.budgets.clear();
    policy.responders = vec![soar().signatory()];
    policy
}

/// What `by` signs of what became of a session of ana's, and the event that carries it: the same, until a test changes one of them.
struct Report {
    by: Person,
    claims: Value,
    event: Value,
}

impl Report {
    fn new(request: &str, status: &str, at: Time) -> Report {
        let containment = json!({
            "request_id": request, "status": status, "detail": "as asked", "action": "terminate_session",
            "subject": { "kind": "identity", "id": "ana" }, "target": { "kind": "session", "id": "s-1" },
        });
        let id = format!("outcome-{request}-{status}-{}", at.0);
        Report {
            by: soar(),
            claims: json!({ "jti": id, "iat": at.0 / 1_000, "tenant": "acme", "containment": containment }),
            event: json!({ "id": id, "time": at.0, "type": "containment.outcome", "tenant": "acme", "containment": containment }),
        }
    }

    fn text(&self) -> String {
        let mut event = self.event.clone();
        event["containment"]["jws"] = json!(self.by.signs(OUTCOME_TYPE, &self.claims));
        event.to_string()
    }

    fn record(&self) -> (Time, GateRecord<'static>) {
        event(&self.text())
    }
}

/// The request to end ana's session, and a gate that has sent it.
fn asked_of_ana(policy: &Policy) -> (Gate, String) {
    let gate = Gate::over(policy, &[asked(proposal(Action::TerminateSession, "ana", START))], 1);
    let request = gate.requests().next().expect("it is sent").id.clone();
    (gate, request)
}

fn refused(gate: &Gate) -> Vec<&ContainmentAnswer> {
    assert!(gate.answers().all(|a| a.end == AnswerEnd::Refused && a.verb.as_deref() == Some("outcome")));
    gate.answers().collect()
}

#[test]
fn what_a_responder_of_the_policy_signed_is_believed() {
    let (mut gate, request) = asked_of_ana(&policy());
    gate.go_on(&policy(), &[Report::new(&request, "done", at(SECOND_MS)).record()]);
    assert_eq!((gate.facts().count(), refused(&gate).len()), (1, 0), "the fact is published");
    gate.go_on(&policy(), &[tick(at(HOUR_MS))]);
    assert_eq!(gate.requests().count(), 1, "and nobody is told that no outcome came");
}

#[test]
fn what_is_forged_altered_late_or_a_strangers_is_refused_aloud() {
    type Change = (&'static str, fn(&mut Report));
    let changes: [Change; 13] = [
        ("names no key eve-1", |r| r.by = Person::new("eve", 6)),
        ("not by key soar-1", |r| r.by = Person::new("soar", 6)),
        ("something else than", |r| r.event["containment"]["status"] = json!("failed")),
        ("something else than", |r| r.event["containment"]["request_id"] = json!("r-other")),
        ("something else than", |r| r.event["containment"]["subject"]["id"] = json!("ben")),
        ("something else than", |r| r.event["containment"]["target"]["id"] = json!("s-2")),
        ("something else than", |r| r.event["containment"]["detail"] = json!("as nobody asked")),
        ("another id, time or tenant", |r| r.event["id"] = json!("another")),
        ("another id, time or tenant", |r| r.event["time"] = json!(START.0 + 9_000)),
        ("another id, time or tenant", |r| r.claims["tenant"] = json!("other")),
        ("must be signed", |r| {
            for of in [&mut r.event, &mut r.claims] {
                of["containment"].as_object_mut().unwrap().remove("subject");
            }
        }),
        ("cannot be read", |r| r.claims = json!({ "jti": "x" })),
        ("cannot be read", |r| r.claims["containment"]["status"] = json!("splendid")),
    ];
    let policy = policy();
    let (_, request) = asked_of_ana(&policy);
    for (why, change) in changes {
        let mut report = Report::new(&request, "done", at(SECOND_MS));
        change(&mut report);
        let (mut gate, _) = asked_of_ana(&policy);
        gate.go_on(&policy, &[report.record()]);
        let said = refused(&gate);
        assert!(said.len() == 1 && said[0].why.contains(why), "{why}: {said:?}");
        assert!(gate.facts().count() == 0 && gate.open().next().unwrap().deadline.is_some(), "{why}: nothing has moved");
    }

    // Signed for something else; late; by nobody that this policy names.
    let (mut gate, _) = asked_of_ana(&policy);
    let report = Report::new(&request, "done", at(SECOND_MS));
    let mut other = report.event.clone();
    other["containment"]["jws"] = json!(soar().signs("portcullis-answer+jwt", &report.claims));
    gate.go_on(&policy, &[event(&other.to_string())]);
    assert!(refused(&gate)[0].why.contains("expected EdDSA portcullis-outcome+jwt"));
    for (arrives, late) in [(FRESH_MS, false), (FRESH_MS + SECOND_MS, true)] {
        let (mut gate, _) = asked_of_ana(&policy);
        gate.go_on(&policy, &[(at(SECOND_MS).plus(arrives), report.record().1)]);
        assert_eq!(refused(&gate).len(), usize::from(late));
    }
    let (mut gate, _) = asked_of_ana(&policy);
    gate.go_on(&Policy::default_policy(), &[report.record()]);
    assert!(refused(&gate)[0].why.contains("names no responders"));
}

#[test]
fn what_is_not_believed_moves_nothing_of_a_profile() {
    let (policy, mut room, mut sample) = (policy(), Observation::default(), TenantSample::default());
    let ana = SubjectRef { kind: Kind::Identity, tenant: "acme", id: "ana" };
    let mut report = Report::new("r-1", "done", at(SECOND_MS));
    report.by = Person::new("eve", 6);
    let (text, mut profile) = (report.text(), Profile::default());
    let forged: Event<'_> = serde_json::from_str(&text).unwrap();
    let position = Position { partition: 0, offset: 7, appended_at: at(2 * SECOND_MS) };
    observe(&policy, &mut sample, &mut profile, ana, &forged, &position, &mut room);
    assert!(room.repeat, "passed over, so that neither its class nor its time is taken for the subject's");
    assert!(profile == Profile::default());
}

#[test]
fn a_replay_is_refused_and_free_text_may_be_cut() {
    let policy = policy();
    let (mut gate, request) = asked_of_ana(&policy);
    let mut report = Report::new(&request, "accepted", at(SECOND_MS));
    report.event["containment"]["detail"] = json!("as");
    gate.go_on(&policy, &[report.record()]);
    let deadline = gate.open().next().unwrap().deadline;
    for ms in [2 * SECOND_MS, 30 * MINUTE_MS] {
        gate.go_on(&policy, &[(at(ms), report.record().1)]);
    }
    let said = refused(&gate);
    assert!(said.len() == 2 && said.iter().all(|a| a.by.as_deref() == Some("soar") && a.why.contains("replay")), "{said:?}");
    assert!(deadline.is_some() && gate.open().all(|open| open.deadline != deadline), "a replay gives no more time");
}

const ANA: SubjectRef<'static> = SubjectRef { kind: Kind::Identity, tenant: "acme", id: "ana" };

/// What SCORE knows of ana after these events, each read at its own time: whether her session was used after it had ended.
fn is_breached(policy: &Policy, events: &[String]) -> bool {
    let (mut sample, mut profile, mut seen) = (TenantSample::default(), Profile::default(), Observation::default());
    let used = json!({
        "id": "used", "time": at(20 * MINUTE_MS).0, "type": "api.request", "outcome": "success", "tenant": "acme",
        "identity": { "id": "ana" }, "session": { "id": "s-1" },
    });
    for text in events.iter().chain([&used.to_string()]) {
        let event: Event<'_> = serde_json::from_str(text).unwrap();
        let position = Position { partition: 0, offset: 0, appended_at: event.time.max(at(10 * MINUTE_MS)) };
        observe(policy, &mut sample, &mut profile, ANA, &event, &position, &mut seen);
    }
    seen.row.fact.contained.is_some()
}

#[test]
fn a_profile_believes_the_same() {
    let (policy, before) = (policy(), at(MINUTE_MS));
    let done = Report::new("r-1", "done", before).text();
    assert!(is_breached(&policy, std::slice::from_ref(&done)));
    assert!(!is_breached(&Policy::default_policy(), std::slice::from_ref(&done)), "no responder");
    let mut forged = Report::new("r-1", "reverted", at(2 * MINUTE_MS));
    let reverted = forged.text();
    assert!(!is_breached(&policy, &[done.clone(), reverted.clone()]));
    forged.by = Person::new("soar", 6);
    assert!(is_breached(&policy, &[done.clone(), forged.text()]), "nobody else releases");

    // Ended, let go, ended again. What was signed of the release is sent once more by somebody who cannot sign, after events enough for
    // its id to be forgotten.
    let again = Report::new("r-2", "done", at(3 * MINUTE_MS)).text();
    let noise = |i: i64| json!({ "id": format!("n-{i}"), "time": at(4 * MINUTE_MS).0, "type": "auth.logout", "tenant": "acme", "identity": { "id": "ana" } });
    let mut log = vec![done, reverted.clone(), again];
    log.extend((0..10).map(|i| noise(i).to_string()));
    log.push(reverted);
    assert!(is_breached(&policy, &log), "it says nothing of what was done since");
}
