//! What SCORE asks for, over random logs: nothing that is under suspicion, nothing disruptive on what anybody can cause, nothing twice.

mod support;

use portcullis_core::containment::Action;
use portcullis_core::decide::allowed_unauthenticated;
use portcullis_core::event::Class;
use portcullis_core::policy::Policy;
use portcullis_core::signal::{self, ALL};
use portcullis_core::subject::Kind;
use portcullis_core::verdict::{Family, Verdict};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use support::{Run, random};

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_asked_fits_what_was_said(log in random::log()) {
        let run = Run::over(&Policy::default_policy(), &log, &[16]);
        let verdicts: BTreeMap<&str, &Verdict> = run.verdicts().map(|v| (v.id.as_str(), v)).collect();
        let (mut ids, mut steps) = (BTreeSet::new(), BTreeSet::new());
        for p in run.proposals().filter(|p| p.playbook != "lifecycle") {
            let verdict = verdicts.get(p.verdict_id.as_str()).expect("the verdict stands before its proposals");
            let against: Vec<_> = verdict.reasons.iter().filter(|r| r.db > 0.0).collect();
            let push_is_suspect = against.iter().any(|r| r.family == Family::Mfa);
            prop_assert!(p.action != Action::StepUp || !push_is_suspect || p.params.not.contains(&"push".to_owned()), "{:?}", p.params);
            prop_assert!(p.params.method.as_ref().is_none_or(|method| !p.params.not.contains(method)), "{:?}", p.params);
            let anybodys = against.iter().all(|r| ALL[signal::by_name(&r.signal).unwrap()].unauthenticated);
            let kind = Kind::from_name(&p.subject.kind).unwrap();
            prop_assert!(!anybodys || allowed_unauthenticated(kind, p.action), "{} of {:?} for {against:?}", p.action, p.subject);

            prop_assert!(ids.insert(&p.id), "{} twice", p.id);
            prop_assert!(steps.insert((&p.subject.kind, &p.subject.id, &p.incident.id, p.action, &p.target, p.step)), "a step twice: {p:?}");
            let mut named = BTreeSet::from([&p.target.id]);
            prop_assert!(p.siblings.iter().all(|s| named.insert(&s.id)) && p.siblings.len() <= 16, "{:?} beside {:?}", p.siblings, p.target);
            let is_machine = p.class.is_some_and(Class::is_machine);
            prop_assert!(is_machine || p.seen_from.is_empty());
            prop_assert!(p.seen_from.iter().all(|s| s.first <= s.last));
            if p.action == Action::RotateSecret && is_machine {
                let none = p.dependents.as_ref().is_some_and(Vec::is_empty);
                prop_assert_eq!(p.params.grace.is_none(), none, "{:?}", p.dependents);
            }
        }
    }
}
