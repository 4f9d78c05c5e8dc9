//! Before, event, after: for every signal a short log in which it speaks and its look-alike in which it stays silent.

mod support;

use portcullis_core::policy::{Emit, Policy};
use portcullis_core::signal;
use support::{Log, Run, cases, proposal_line, verdict_line};

fn policy(emit: Emit) -> Policy {
    Policy { emit, ..Policy::default_policy() }
}

fn run(emit: Emit, tell: fn(&mut Log)) -> Run {
    let mut log = Log::default();
    tell(&mut log);
    Run::over(&policy(emit), &log, &[usize::MAX / 2])
}

#[test]
fn every_signal_speaks_and_its_look_alike_does_not() {
    let mut wrong = String::new();
    for case in cases::all() {
        let run_speaks = run(Emit::All, case.speaks);
        let says = run_speaks
            .verdicts()
            .filter(|v| v.reasons.iter().any(|r| r.signal == case.signal))
            .last()
            .map_or("nothing".into(), verdict_line);
        let asks: Vec<String> = run(Emit::Changes, case.speaks).proposals().map(proposal_line).collect();
        if says != case.says || asks != case.asks {
            wrong += &format!("{}\n        says: {says:?},\n        asks: &{asks:?},\n", case.signal);
        }
        let silent = run(Emit::All, case.silent);
        if let Some(said) = silent.verdicts().find(|v| v.reasons.iter().any(|r| r.signal == case.signal)) {
            wrong += &format!("{} speaks although {}: {}\n", case.signal, case.but, verdict_line(said));
        }
        assert!(silent.verdicts().count() > 0, "{}: the look-alike reaches nobody", case.signal);
        for said in silent.proposals() {
            wrong += &format!("{}: although {}, {} is asked\n", case.signal, case.but, proposal_line(said));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn no_signal_lacks_its_case() {
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    assert_eq!(sorted(cases::all().map(|c| c.signal).collect()), sorted(signal::ALL.iter().map(|s| s.name).collect()));
}
