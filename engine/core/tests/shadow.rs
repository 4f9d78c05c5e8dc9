//! Shadow: what an action, a playbook or a signal in shadow would have done is said, and it does nothing. (Rules: `engine/rules/tests`.)

mod support;

use portcullis_core::containment::Action;
use portcullis_core::policy::{Emit, Policy};
use portcullis_core::signal;
use portcullis_core::verdict::{Level, Mode};
use support::people::*;
use support::{Log, Run};

/// A log-in in Lagos half an hour after one at home.
fn travelled() -> Log {
    let mut log = Log::default();
    at_home(&mut log, "ana", "customer");
    log.json("0", &login("success", &[HOME, BY_PASSWORD]));
    log.json("30:00", &login("success", &[LAGOS, BY_PASSWORD, &session("s-2")]));
    log
}

fn asked(policy: &Policy) -> Vec<(Action, Mode)> {
    Run::over(policy, &travelled(), &[1]).proposals().map(|p| (p.action, p.mode)).collect()
}

#[test]
fn an_action_and_a_playbook_in_shadow_are_proposed_in_shadow() {
    let mut policy = Policy::default_policy();
    assert_eq!(asked(&policy), [(Action::StepUp, Mode::Enforce)]);
    policy.shadow.actions.insert(Action::StepUp);
    assert_eq!(asked(&policy), [(Action::StepUp, Mode::Shadow)]);
    let mut policy = Policy::default_policy();
    policy.playbooks.iter_mut().find(|p| p.id == "customer").unwrap().mode = Mode::Shadow;
    assert_eq!(asked(&policy), [(Action::StepUp, Mode::Shadow)]);
    let policy = Policy { mode: Mode::Shadow, ..Policy::default_policy() };
    assert_eq!(asked(&policy), [(Action::StepUp, Mode::Shadow)]);
}

#[test]
fn a_signal_in_shadow_is_shown_and_adds_nothing() {
    let mut policy = Policy { emit: Emit::All, ..Policy::default_policy() };
    for name in ["impossible_travel", "familiar"] {
        policy.signals[signal::by_name(name).unwrap()].mode = Mode::Shadow;
    }
    let run = Run::over(&policy, &travelled(), &[1]);
    let last = run.verdicts().filter(|v| v.subject.kind == "identity").last().unwrap();
    let shown = last.reasons.iter().find(|r| r.signal == "impossible_travel").expect("a reason");
    assert_eq!(shown.db, 0.0);
    assert!(shown.detail.starts_with("in shadow: "), "{}", shown.detail);
    assert!(last.level == Level::Low && run.proposals().count() == 0);
}
