//! What a policy says, and what is said of a wrong one.

use super::*;
use crate::containment::Action;
use crate::event::EventType;
use crate::policy::effective::{effective, effective_at};
use crate::policy::network::Cidr;
use crate::policy::{Breaker, Budget, Dependents, Learning, Outcomes, Playbook, Protected, Release};
use crate::signal;
use crate::subject::Kind;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::verdict::{Centibans, Family, Level};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A policy of one version, no playbooks and these lines.
fn policy(lines: &str) -> Policy {
    match parse("p.yaml", &format!("version: t\nplaybooks: none\n{lines}")) {
        Ok(policy) => policy,
        Err(faults) => panic!("{lines}\n{}", told(&faults)),
    }
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(|f| format!("{f}\n")).collect()
}

/// The faults of these lines, without file and place.
fn faults(lines: &str) -> String {
    let playbooks = if lines.contains("playbooks:") { "" } else { "playbooks: none\n" };
    match parse("p.yaml", &format!("version: t\n{playbooks}{lines}")) {
        Ok(_) => String::new(),
        Err(faults) => faults
            .iter()
            .map(|f| format!("{}: {}{}\n", f.path, f.what, f.help.as_ref().map_or(String::new(), |h| format!(", {h}"))))
            .collect(),
    }
}

/// Playbooks for everybody, with these in front.
fn with_playbooks(lines: &str) -> String {
    format!("playbooks:\n{lines}\n  - {{ id: rest, match: any, medium: [open_case] }}\n")
}

#[test]
fn the_default_policy_is_without_fault_and_for_everybody() {
    let policy = parse("default.yaml", DEFAULT_TEXT).unwrap_or_else(|faults| panic!("{}", told(&faults)));
    assert_eq!(policy, Policy::default_policy());
    assert_eq!(policy.digest, blake3::hash(DEFAULT_TEXT.as_bytes()).to_hex().to_string());
    let takes = |p: &Playbook, kind: Kind, class: Option<Class>| {
        let m = &p.matches;
        (m.subject.is_empty() || m.subject.contains(&kind))
            && (m.class.is_empty() || class.is_some_and(|c| m.class.contains(&c)))
            && m.list.is_none()
            && m.dependents.is_empty()
    };
    for class in Class::ALL {
        assert!(policy.playbooks.iter().any(|p| takes(p, Kind::Identity, Some(*class))), "{class}");
    }
    for kind in [Kind::Source, Kind::Device, Kind::Card] {
        assert!(policy.playbooks.iter().any(|p| takes(p, kind, None)), "{}", kind.name());
    }
}

#[test]
fn the_default_policy_breaks_nothing_on_the_first_day() {
    let policy = Policy::default_policy();
    assert_eq!(policy.mode, Mode::Enforce);
    for action in Action::ALL.iter().filter(|a| a.is_disruptive()) {
        assert_eq!(policy.mode_of(*action, Mode::Enforce), Mode::Shadow, "{action}");
    }
    assert_eq!(policy.mode_of(Action::StepUp, Mode::Enforce), Mode::Enforce);
    assert!(policy.protected.contains(&Protected::Class(Class::BreakGlass)));
    let break_glass = policy.playbooks.iter().find(|p| p.id == "break-glass").unwrap();
    assert!(break_glass.critical.iter().all(|s| s.action.is_notice()));
    // What it writes out is what holds anyway: nobody is misled by a number in a file that says something else.
    let built_in = Policy::built_in();
    assert_eq!((&policy.priors, policy.levels, policy.half_life_ms), (&built_in.priors, built_in.levels, built_in.half_life_ms));
    assert_eq!((policy.learning, &policy.signals, policy.release), (built_in.learning, &built_in.signals, built_in.release));
}

#[test]
fn what_is_not_named_is_built_in() {
    let built_in = Policy::built_in();
    let parsed = policy("");
    assert_eq!(parsed.version, "t");
    let shadow =
        Shadow { all: false, actions: [Action::DisableAccount, Action::RotateSecret, Action::RevokeToken, Action::Offboard].into() };
    assert_eq!(parsed, Policy { version: "t".into(), digest: parsed.digest.clone(), shadow, ..built_in });
}

#[test]
fn every_setting_is_read() {
    let p = policy(
        "mode: enforce\nshadow: { actions: [hold_card] }\nemit: floor\nprobability: calibrated\nact_within: 20m\n\
         networks: { own: [192.0.2.0/24], gateway: ['2001:db8::/32'] }\nlists: { t: [a, 7] }\n\
         prior_db: { test: -50, card: -22.5 }\nlevels_db: { medium: -12, critical: 20 }\nhalf_life: { mfa: 90m }\n\
         learning: { agent: { events: 5 } }\nprotected: [ { identity: x }, { class: admin }, { networks: [own, 10.0.0.0/8] } ]\n\
         budgets: [ { action: hold_card, per: 1h, at_most: 3, share_of_active: 0.002 }, { action: hold_card, class: admin, per: 2h, at_most: 1 } ]\n\
         approvals: { required_for: [offboard], expire_after: 2h, two_people_above_budget: false }\n\
         approvers: [ { name: anna, kid: a1, jwk: { kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo, use: sig } } ]\n\
         responders: [ { name: soar, kid: s1, jwk: { kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo } } ]\n\
         breaker: { window: 1m, share_of_active: 0.5, at_least: 7, same_leading_signal: 0.9, keep: [challenge], for: 1h }\n\
         outcomes: { deadline: 5m, then: nothing }\nrelease: { below_db: -15, after: 1h, renewals: 0 }\n\
         feedback: { false_positive_db: -9, at_most_db: 20, lasts: 30d }\n",
    );
    assert_eq!((p.mode, p.emit, p.act_within_ms), (Mode::Enforce, Emit::Floor, 20 * MINUTE_MS));
    assert_eq!(p.shadow, Shadow { all: false, actions: [Action::HoldCard].into() });
    let cidr = |text| Cidr::parse(text).unwrap();
    assert_eq!(
        (p.networks.own.as_slice(), p.networks.gateway.as_slice()),
        ([cidr("192.0.2.0/24")].as_slice(), [cidr("2001:db8::/32")].as_slice())
    );
    assert_eq!(p.lists["t"], BTreeSet::from(["a".to_owned(), "7".to_owned()]));
    assert_eq!((p.priors.class[Class::Test as usize], p.priors.card), (Centibans(-500), Centibans(-225)));
    assert_eq!((p.levels.medium, p.levels.high, p.levels.critical), (Centibans(-120), Centibans(0), Centibans(200)));
    assert_eq!(p.half_life_ms[Family::Mfa as usize], 90 * MINUTE_MS);
    assert_eq!(p.learning[Class::Agent as usize], Learning { events: 5, days: 3 });
    let networks = ["192.0.2.0/24", "10.0.0.0/8"].map(|n| Protected::Network(cidr(n)));
    assert_eq!(p.protected[..2], [Protected::Identity("x".into()), Protected::Class(Class::Admin)]);
    assert_eq!(p.protected[2..], networks);
    let budget =
        |class, per_ms, at_most, share_of_active_ppm| Budget { action: Action::HoldCard, class, per_ms, at_most, share_of_active_ppm };
    assert_eq!(p.budgets[..2], [budget(Some(Class::Admin), 2 * HOUR_MS, 1, None), budget(None, HOUR_MS, 3, Some(2_000))]);
    assert_eq!(p.budgets.iter().filter(|b| b.action == Action::HoldCard).count(), 2, "its built-in one is replaced");
    assert_eq!(p.budgets.len(), Policy::built_in().budgets.len() + 1);
    assert_eq!((p.approvals.required_for.clone(), p.approvals.expire_after_ms), ([Action::Offboard].into(), 2 * HOUR_MS));
    assert!(!p.approvals.two_people_above_budget);
    assert_eq!((p.approvers[0].name.as_str(), p.approvers[0].kid.as_str(), p.approvers.len()), ("anna", "a1", 1));
    assert_eq!((p.responders[0].name.as_str(), p.responders[0].kid.as_str(), p.responders.len()), ("soar", "s1", 1));
    let breaker = Breaker {
        window_ms: MINUTE_MS,
        share_of_active_ppm: 500_000,
        at_least: 7,
        same_leading_signal_ppm: 900_000,
        keep: [Action::Challenge].into(),
        lasts_ms: HOUR_MS,
    };
    assert_eq!((p.breaker, policy("breaker: none").breaker), (Some(breaker), None));
    assert_eq!(p.outcomes, Outcomes { deadline_ms: 5 * MINUTE_MS, open_case: false });
    assert_eq!(p.release, Release { below: Centibans(-150), after_ms: HOUR_MS, renewals: 0 });
    assert!(p.is_calibrated && !Policy::built_in().is_calibrated);
    let f = p.feedback;
    assert_eq!((f.false_positive, f.true_positive, f.at_most, f.lasts_ms), (Centibans(-90), Centibans(30), Centibans(200), 30 * DAY_MS));
}

#[test]
fn signals_are_set_for_all_and_by_class() {
    let p = policy(
        "signals:\n  impossible_travel: { weight: decisive, at_least: medium, by_class: { admin: { weight: 7.5, at_least: none } } }\n  \
         push_fatigue: { mode: shadow }\n  strong_factor: { weight: weak }\n",
    );
    let of = |name| &p.signals[signal::by_name(name).unwrap()];
    let travel = &of("impossible_travel").by_class;
    assert_eq!((travel[Class::Customer as usize].weight, travel[Class::Customer as usize].at_least), (Centibans(250), Some(Level::Medium)));
    assert_eq!((travel[Class::Admin as usize].weight, travel[Class::Admin as usize].at_least), (Centibans(75), None));
    assert_eq!(of("push_fatigue").mode, Mode::Shadow);
    assert_eq!(of("strong_factor").by_class[0].weight, Centibans(-50), "a word weighs for the subject in a protective signal");
}

#[test]
fn every_parameter_of_every_signal_is_read_and_bounded() {
    for (i, signal) in signal::ALL.iter().enumerate() {
        for (slot, param) in signal.params.iter().enumerate() {
            let line = |value: i64| format!("signals: {{ {}: {{ {}: {value} }} }}\n", signal.name, param.name);
            for value in [param.least, param.most] {
                assert!(policy(&line(value)).signals[i].by_class.iter().all(|s| s.params[slot] == value), "{}", line(value));
            }
            for value in [param.least - 1, param.most + 1] {
                assert!(faults(&line(value)).contains("out of bounds"), "{}", line(value));
            }
        }
    }
}

#[test]
fn a_level_without_a_line_takes_the_line_below_it() {
    let text = with_playbooks(
        "  - id: a\n    mode: shadow\n    match: { class: customer, list: l, dependents: [some] }\n    medium: [{ action: step_up, method: mfa }]\n    \
         critical: [{ action: hold_order, when: \"type = 'checkout.attempt' OR type = 'checkout.refund'\", revert_after: 24h }, { action: rotate_secret, approval: required, grace: 1h }]\n  \
         - { id: b, match: { subject: card }, high: [hold_card] }\n  \
         - { id: c, match: { class: [admin], role: ops, label: x, privileged: true, criticality_at_least: 2 }, medium: [step_up], high: [] }\n",
    );
    let p = parse("p.yaml", &format!("version: t\nlists: {{ l: [] }}\n{text}")).unwrap_or_else(|f| panic!("{}", told(&f)));
    let [a, b, c, _] = p.playbooks.as_slice() else { panic!() };
    assert_eq!((a.mode, a.matches.list.as_deref(), a.matches.dependents.clone()), (Mode::Shadow, Some("l"), [Dependents::Some].into()));
    assert_eq!(a.steps(Level::Medium)[0].method.as_deref(), Some("mfa"));
    assert_eq!(a.steps(Level::High), a.steps(Level::Medium));
    let [hold, rotate] = a.steps(Level::Critical) else { panic!() };
    assert_eq!(
        (hold.on_types.clone(), hold.revert_after_ms),
        ([EventType::CheckoutAttempt, EventType::CheckoutRefund].into(), Some(24 * HOUR_MS))
    );
    assert_eq!((rotate.approval_required, rotate.grace_ms), (true, Some(HOUR_MS)));
    assert!(b.steps(Level::Medium).is_empty() && b.steps(Level::Critical) == b.steps(Level::High) && b.high.len() == 1);
    assert!(c.steps(Level::Critical).is_empty(), "an empty line is a line");
    assert_eq!((c.matches.privileged, c.matches.criticality_at_least), (Some(true), Some(2)));
}

#[test]
fn what_is_wrong_is_said() {
    let step = |step: &str| with_playbooks(&format!("  - {{ id: a, match: {{ class: customer }}, medium: [{step}] }}"));
    let matched = |m: &str| with_playbooks(&format!("  - {{ id: a, match: {m}, medium: [open_case] }}"));
    for (lines, expected) in [
        (
            "shadow: everything".to_owned(),
            "shadow: is neither `all` nor a map, write `shadow: all` or `shadow: { actions: [disable_account] }`",
        ),
        ("mode: enforced".into(), "mode: unknown value \"enforced\", did you mean \"enforce\"?"),
        ("levels_db: { high: -10 }".into(), "levels_db: levels must rise: medium -10.0, high -10.0, critical +10.0 dB"),
        ("prior_db: { test: -10 }".into(), "prior_db.test: must be below the level medium (-10.0 dB), or every event reaches it"),
        ("release: { below_db: -5 }".into(), "release.below_db: an incident would end at -5.0 dB, above the level medium (-10.0 dB)"),
        ("feedback: { false_positive_db: 6 }".into(), "feedback.false_positive_db: 6 is out of bounds: between -20 and 0"),
        (
            "approvers: [ { name: a, kid: k, jwk: { kty: OKP, crv: Ed25519, x: AAAA } } ]".into(),
            "approvers[0].jwk.x: is no Ed25519 public key (32 bytes in base64url), `portcullis contain keygen` prints the line to put here",
        ),
        ("approvers: [ { name: a, kid: k, jwk: { kty: EC } } ]".into(), "approvers[0].jwk.kty: unknown value \"EC\", known are OKP, RSA"),
        (
            "responders: [ { name: a, kid: k, jwk: { kty: RSA, n: AQAB, e: AQAB } } ]".into(),
            "responders[0].jwk.n: is no RSA public key (n of 2048 to 8192 bits in base64url, e AQAB)",
        ),
        ("breaker: { share_of_active: 2 }".into(), "breaker.share_of_active: 2 is out of bounds: between 0 and 1"),
        ("probability: maybe".into(), "probability: unknown value \"maybe\", known are uncalibrated, calibrated"),
        ("outcomes: { then: panic }".into(), "outcomes.then: unknown value \"panic\", known are nothing, open_case"),
        (
            "approvals: { required_for: [open_case] }".into(),
            "approvals.required_for[0]: open_case only tells a person and needs no approval",
        ),
        ("half_life: { mfa: 5s }".into(), "half_life.mfa: 5s is out of bounds: between 1m and 365d"),
        (
            "networks: { own: [10.0.0.0/8, ten] }".into(),
            "networks.own[1]: a block of addresses such as 192.0.2.0/24 is wanted here, found \"ten\"",
        ),
        ("networks: { own: [0.0.0.0/0] }".into(), "networks.own[0]: 0.0.0.0/0 holds every address, name the blocks that are meant"),
        (
            "protected: [ { identity: a, class: admin } ]".into(),
            "protected[0]: names not exactly one of identity, class and networks, one line for each",
        ),
        (
            "protected: [ { networks: [owm] } ]".into(),
            "protected[0].networks[0]: own, partner, scanner, gateway or a block such as 192.0.2.0/24 is wanted here, found \"owm\"",
        ),
        ("budgets: [ { action: open_case, per: 1h, at_most: 1 } ]".into(), "budgets[0]: open_case has no budget, it is never held back"),
        ("budgets: [ { action: step_up, per: 1h } ]".into(), "budgets[0].at_most: is missing, it is required"),
        (
            "budgets: [ { action: step_up, per: 1h, at_most: 1, share_of_active: 0 } ]".into(),
            "budgets[0].share_of_active: a share is a multiple of 0.000001 above 0",
        ),
        (
            "budgets: [ { action: step_up, class: all, per: 1h, at_most: 1 } ]".into(),
            "budgets[0].class: unknown value \"all\", did you mean \"any\"?",
        ),
        (
            "budgets: [ {action: step_up, per: 1h, at_most: 1}, {action: step_up, class: any, per: 2h, at_most: 1} ]".into(),
            "budgets[1]: a second budget for step_up of any class",
        ),
        ("signals: { impossible_travle: {} }".into(), "signals.impossible_travle: unknown key, did you mean \"impossible_travel\"?"),
        (
            "signals: { impossible_travel: { weight: stong } }".into(),
            "signals.impossible_travel.weight: unknown value \"stong\", did you mean \"strong\"?",
        ),
        (
            "signals: { impossible_travel: { weight: -3 } }".into(),
            "signals.impossible_travel.weight: -3 is out of bounds: between 0 and 60",
        ),
        ("signals: { strong_factor: { weight: 3 } }".into(), "signals.strong_factor.weight: 3 is out of bounds: between -60 and 0"),
        (
            "signals: { strong_factor: { at_least: high } }".into(),
            "signals.strong_factor.at_least: strong_factor speaks for the subject, it cannot raise a level",
        ),
        (
            "signals: { impossible_travel: { at_least: low } }".into(),
            "signals.impossible_travel.at_least: unknown value \"low\", known are none, medium, high, critical",
        ),
        (
            "signals: { impossible_travel: { by_class: { service: { weight: 1 } } } }".into(),
            "signals.impossible_travel.by_class.service: impossible_travel never speaks of service identities",
        ),
        (
            "signals: { password_spray: { by_class: { admin: { weight: 1 } } } }".into(),
            "signals.password_spray.by_class: password_spray does not speak of identities, so classes do not matter to it",
        ),
        (step("hold_card"), "playbooks[0].medium[0]: hold_card makes no sense for the subject identity, it is for card"),
        (step("release"), "playbooks[0].medium[0]: release is not a step, it follows by itself, see `revert_after`"),
        (step("step_up, step_up"), "playbooks[0].medium[1]: step_up is in this line twice"),
        (step("disable_acount"), "playbooks[0].medium[0]: unknown value \"disable_acount\", did you mean \"disable_account\"?"),
        (step("{ action: throttle, method: mfa }"), "playbooks[0].medium[0].method: throttle has no method, step_up has"),
        (step("{ action: offboard, revert_after: 1h }"), "playbooks[0].medium[0].revert_after: offboard cannot be taken back"),
        (step("{ action: step_up, grace: 1h }"), "playbooks[0].medium[0].grace: step_up has no grace, rotate_secret has"),
        (
            step("{ action: open_case, approval: required }"),
            "playbooks[0].medium[0].approval: open_case only tells a person and needs no approval",
        ),
        (step("{ action: step_up, aproval: required }"), "playbooks[0].medium[0].aproval: unknown key, did you mean \"approval\"?"),
        (
            step("{ action: step_up, when: \"amount > 5\" }"),
            "playbooks[0].medium[0].when: this version understands types only here, write `type = 'checkout.attempt'`, `type IN ('a', 'b')` or several joined by OR",
        ),
        (
            step("{ action: step_up, when: \"type = 'checkout.atempt'\" }"),
            "playbooks[0].medium[0].when: unknown value \"checkout.atempt\", did you mean \"checkout.attempt\"?",
        ),
        (step("isolate_workload"), "playbooks[0].medium[0]: isolate_workload makes no sense for the class customer: it is no workload"),
        (
            with_playbooks("  - { id: a, match: { class: agent }, high: [step_up] }"),
            "playbooks[0].high[0]: step_up makes no sense for the class agent: a machine cannot answer it",
        ),
        (
            with_playbooks("  - { id: a, match: { class: agent }, high: }"),
            "playbooks[0].high: is empty, write [] for nothing, or leave the line out to take the one below it",
        ),
        (
            with_playbooks("  - { id: a, match: { class: agent } }"),
            "playbooks[0]: has no line for any level, write `medium: []` if nothing is to be done",
        ),
        (
            with_playbooks("  - { id: a, match: { class: agent }, medium: [], finding: [notify_owner] }"),
            "playbooks[0].finding: is for findings, and the playbook is for verdicts, write `match: { finding: any }` in a playbook of its own",
        ),
        (
            matched("{ finding: any }"),
            "playbooks[0].medium: has a level, and findings have none, write `finding: [notify_owner]`, and levels in a playbook of their own",
        ),
        (
            with_playbooks("  - { id: a, match: { finding: [unusd] }, finding: [notify_owner] }"),
            "playbooks[0].match.finding[0]: unknown value \"unusd\", did you mean \"unused\"?",
        ),
        (
            with_playbooks("  - { id: a, match: { finding: unused }, finding: [rotate_secret] }"),
            "playbooks[0]: rotate_secret follows from no finding: a finding is no risk, they are notify_owner and open_case",
        ),
        (matched("{}"), "playbooks[0].match: names no condition, write `match: any` if everything is meant"),
        (
            matched("{ class: admin, subject: card }"),
            "playbooks[0].match: matches nothing: the other conditions are about identities, take `subject` out",
        ),
        (matched("{ subject: tenant }"), "playbooks[0].match.subject: unknown value \"tenant\", known are identity, source, device, card"),
        (matched("{ list: treasury }"), "playbooks[0].match.list: there is no list \"treasury\", add it under `lists`"),
        (
            "lists: { treasury: [a] }\n".to_owned() + &matched("{ list: tresury }"),
            "playbooks[0].match.list: unknown value \"tresury\", did you mean \"treasury\"?",
        ),
        (matched("any"), "playbooks[1]: playbook \"rest\" is never reached: those before it take all that it matches, move it up"),
    ] {
        assert_eq!(faults(&lines), format!("{expected}\n"), "{lines}");
    }
}

/// An exception of this subject, these signals and bounds, after these lines.
fn exception(lines: &str, subject: &str, signals: &str, within: &str) -> String {
    format!(
        "{lines}exceptions:\n  - {{ id: m, owner: o, reason: r, expires: 2027-01-31, subject: {subject}, signals: {signals}, within: {within} }}\n"
    )
}

#[test]
fn exceptions_are_read() {
    let p = policy(
        "lists: { t: [a] }\nexceptions:\n  - id: settlement-migration\n    owner: payments-platform@example.com\n    reason: \"batch job, ticket # PAY-1182\"\n    \
         expires: 2027-01-31\n    subject: { label: eod-batch, list: t, class: service, identity: [a, b] }\n    signals: [cadence_surge, scope]\n    \
         within: { networks: [10.20.0.0/16, corporate], routes: [\"/v1/settlements/*\"], hours: \"Mon-Fri 01:00-04:00 Europe/Zurich\", max_rate_per_minute: 900, countries: [NO], asns: [1], workloads: [w] }\n",
    );
    let [e] = p.exceptions.as_slice() else { panic!() };
    assert_eq!((e.id.as_str(), e.owner.as_str()), ("settlement-migration", "payments-platform@example.com"));
    assert_eq!((e.ends, e.last_day()), (Time::parse("2027-02-01T00:00:00Z").unwrap(), "2027-01-31".to_owned()));
    assert_eq!(e.subject.identity, ["a".to_owned(), "b".to_owned()].into());
    let numbers = |named: &dyn Fn(&signal::Signal) -> bool| signal::ALL.iter().filter(|s| named(s)).map(|s| u32::from(s.number)).collect();
    let expected: BTreeSet<u32> = numbers(&|s| s.name == "cadence_surge" || s.family == Family::Scope);
    assert_eq!(e.silences, expected);
    let shown = effective(&p);
    let again = parse("effective.yaml", &shown).unwrap_or_else(|f| panic!("{shown}\n{}", told(&f)));
    assert_eq!(Policy { digest: p.digest.clone(), ..again }, p, "{shown}");
    let at = |day: &str| effective_at(&p, Time::parse(&format!("{day}T13:00:00Z")).unwrap());
    assert!(at("2027-01-20").contains("\n    expires: 2027-01-31 # 11 days left\n"));
    assert!(at("2027-02-01").contains("\n    expires: 2027-01-31 # expired: it silences nothing\n"));
}

#[test]
fn the_exception_in_the_default_policy_works_without_its_signs() {
    let lines = DEFAULT_TEXT.lines().skip_while(|l| *l != "# exceptions:").take_while(|l| !l.is_empty());
    let example: String = lines.map(|l| format!("{}\n", l.trim_start_matches("# ").trim_start_matches('#'))).collect();
    assert_eq!(policy(&example).exceptions.len(), 1, "{example}");
}

#[test]
fn what_is_wrong_with_an_exception_is_said() {
    let subject = |s: &str| exception("", s, "[new_scope]", "{ asns: [1] }");
    let signals = |s: &str| exception("", "{ class: service }", s, "{ asns: [1] }");
    let within = |w: &str| exception("", "{ label: x }", "[new_scope]", w);
    for (lines, expected) in [
        (
            "exceptions: [ { id: m } ]".to_owned(),
            "exceptions[0].owner: is missing, it is required\nexceptions[0].reason: is missing, it is required\n\
             exceptions[0].expires: is missing, it is required\nexceptions[0].subject: is missing, it is required\n\
             exceptions[0].signals: is missing, it is required\nexceptions[0].within: is missing, it is required",
        ),
        (
            subject("{}"),
            "exceptions[0].subject: names nobody, name `identity`, `label`, `list`, `class` or `kind`; all that are named must hold",
        ),
        (
            subject("{ kind: card, label: x }"),
            "exceptions[0].subject: matches nothing: the other conditions are about identities, take `kind` out",
        ),
        (subject("{ kind: tenant }"), "exceptions[0].subject.kind: unknown value \"tenant\", known are identity, source, device, card"),
        (subject("{ list: treasury }"), "exceptions[0].subject.list: there is no list \"treasury\", add it under `lists`"),
        (
            subject("{ lable: x }"),
            "exceptions[0].subject: names nobody, name `identity`, `label`, `list`, `class` or `kind`; all that are named must hold\nexceptions[0].subject.lable: unknown key, did you mean \"label\"?",
        ),
        (subject("{ class: [servce] }"), "exceptions[0].subject.class[0]: unknown value \"servce\", did you mean \"service\"?"),
        (signals("[new_scop]"), "exceptions[0].signals[0]: nothing is called \"new_scop\", did you mean \"new_scope\"?"),
        (
            signals("[something_else_entirely]"),
            "exceptions[0].signals[0]: nothing is called \"something_else_entirely\", name a signal (`portcullis policy signals`), a family of them, or a rule of this policy",
        ),
        (signals("[]"), "exceptions[0].signals: names no signal, name those that are to be silent; an exception from everything is none"),
        (
            signals("[familiar]"),
            "exceptions[0].signals[0]: familiar speaks for the subject, take it out, there is nothing in it to silence",
        ),
        (signals("protective"), "exceptions[0].signals: protective speaks for the subject, take it out, there is nothing in it to silence"),
        (
            signals("[impossible_travel]"),
            "exceptions[0].signals[0]: impossible_travel never speaks of whom this exception is for, take it out",
        ),
        (
            within("{}"),
            "exceptions[0].within: bounds nothing, name networks, asns, countries, workloads, routes, hours or max_rate_per_minute: an exception without bounds is a blindfold",
        ),
        (
            within("{ networks: [0.0.0.0/0, corporat] }"),
            "exceptions[0].within.networks[0]: 0.0.0.0/0 holds every address, name the blocks that are meant\n\
             exceptions[0].within.networks[1]: a block such as 192.0.2.0/24 or a kind of network (residential, mobile, hosting, vpn, proxy, tor, relay, corporate) is wanted here, found \"corporat\"",
        ),
        (
            within("{ routes: ['*'], countries: [ch], workloads: [] }"),
            "exceptions[0].within.routes[0]: fits every route, take it out, or write how they begin: \"/v1/settlements/*\"\n\
             exceptions[0].within.countries[0]: a country such as CH (ISO 3166-1) is wanted here, found \"ch\"\n\
             exceptions[0].within.workloads: is empty, so nothing keeps it, take it out, or name what it allows",
        ),
        (
            within("{ hours: 'Mon 01:00-04:00 Europe/Zuerich', max_rate_per_minute: 0 }"),
            "exceptions[0].within.hours: hours such as \"Mon-Fri 01:00-04:00 Europe/Zurich\" (an IANA zone, UTC if none) or [1, 2, 3] is wanted here, found \"Mon 01:00-04:00 Europe/Zuerich\"\n\
             exceptions[0].within.max_rate_per_minute: 0 is out of bounds: between 1 and 1000000",
        ),
        (
            exception("", "{ kind: card }", "[card_testing]", "{ max_rate_per_minute: 3 }"),
            "exceptions[0].within.max_rate_per_minute: no rate is known of whom this exception is for, take it out; identities and sources have one",
        ),
        (
            within("{ asns: [1] }").replace("2027-01-31", "2027-02-29"),
            "exceptions[0].expires: a day such as 2027-01-31 is wanted here, found \"2027-02-29\"",
        ),
    ] {
        assert_eq!(faults(&lines), format!("{expected}\n"), "{lines}");
    }
    let twice = within("{ asns: [1] }");
    let twice = format!("{twice}{}", twice.trim_start_matches("exceptions:\n"));
    assert_eq!(faults(&twice), "exceptions[1]: a second exception \"m\", the first is on line 4\n");
}

#[test]
fn an_exception_ends_soon_enough_after_it_is_applied_and_no_clock_is_asked_later() {
    let text = format!("version: t\nplaybooks: none\n{}", exception("", "{ label: x }", "[new_scope]", "{ asns: [1] }"));
    let apply = |day: &str| match parse_to_apply("p.yaml", &text, &NoRules, Time::parse(&format!("{day}T23:00:00Z")).unwrap()) {
        Ok((policy, warnings)) => {
            assert_eq!(Ok(policy), parse("p.yaml", &text));
            told(&warnings)
        }
        Err(faults) => format!("fault {}", told(&faults)),
    };
    let renew = "renew it or take it out; a standing job belongs into `expected` in the inventory";
    for (day, expected) in [
        (
            "2026-11-01",
            "fault p.yaml:4:44 exceptions[0].expires: is 91 days ahead, at most 90 are allowed, write 2027-01-30 or sooner; a standing job belongs into `expected` in the inventory\n".to_owned(),
        ),
        ("2026-11-02", String::new()),
        ("2027-01-23", String::new()),
        ("2027-01-24", format!("p.yaml:4:44 exceptions[0].expires: expires in 7 days, {renew}\n")),
        ("2027-01-31", format!("p.yaml:4:44 exceptions[0].expires: expires today, {renew}\n")),
        ("2027-02-01", format!("p.yaml:4:44 exceptions[0].expires: has expired: it silences nothing, {renew}\n")),
    ] {
        assert_eq!(apply(day), expected, "{day}");
    }
    assert!(parse("p.yaml", &text.replace("2027-01-31", "2999-01-31")).is_ok(), "what is in force is read at any time");
}

#[test]
fn somebody_without_a_playbook_is_a_fault() {
    let text = "playbooks:\n  - { id: a, match: { class: [customer, workforce, admin, support, service, partner, test, break_glass] }, medium: [] }\n  \
                - { id: b, match: { class: agent, role: x }, medium: [] }\n  - { id: c, match: { subject: [source, card] }, medium: [] }\n";
    assert_eq!(
        faults(text),
        "playbooks: not every subject has a playbook, missing are agent, device, add playbooks without other conditions for them, or name them in one \
         that is there\n"
    );
    assert_eq!(told(&parse("p.yaml", "version: t\n").unwrap_err()), "p.yaml:1:1 playbooks: is missing, it is required\n");
}

#[test]
fn what_is_in_force_reads_back_the_same() {
    let rich = format!(
        "version: \"a \\\"b\\\"\"\nmode: enforce\nshadow: all\nemit: all\nlists: {{ t: [a, '{{b}}: #c'] }}\nnetworks: {{ own: [192.0.2.0/24, '2001:db8::/32'] }}\n\
         prior_db: {{ test: -44.5 }}\nprotected: [{{ identity: 'x: y' }}, {{ networks: [own] }}]\n\
         budgets: [{{ action: hold_card, class: admin, per: 90s, at_most: 0, share_of_active: 0.000001 }}]\n\
         approvers: [{{ name: 'a: b', kid: k, jwk: {{ kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo }} }}]\n\
         responders: [{{ name: soar, kid: s1, jwk: {{ kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo }} }}]\nbreaker: none\n\
         outcomes: {{ then: nothing }}\napprovals: {{ two_people_above_budget: false }}\nrelease: {{ renewals: 9 }}\n\
         signals:\n  impossible_travel: {{ mode: shadow, weight: 1.5, at_least: high, by_class: {{ customer: {{ weight: 2 }}, admin: {{ weight: weak, at_least: none }} }} }}\n  \
         cadence_surge: {{ by_class: {{ customer: {{ weight: 1 }} }} }}\n{}",
        with_playbooks(
            "  - { id: 'a: b', mode: shadow, match: { list: t, label: '#x', dependents: [none] }, medium: [{ action: step_up, method: mfa, when: \"type IN ('auth.login')\" }], critical: [] }"
        )
    );
    for text in [DEFAULT_TEXT, "version: t\nplaybooks: none\n", &rich] {
        let policy = parse("p.yaml", text).unwrap_or_else(|f| panic!("{}", told(&f)));
        let shown = effective(&policy);
        let again = parse("effective.yaml", &shown).unwrap_or_else(|f| panic!("{shown}\n{}", told(&f)));
        assert_eq!(Policy { digest: policy.digest.clone(), ..again }, policy, "{shown}");
    }
    let shown = effective(&Policy::built_in());
    let again = parse("effective.yaml", &shown).unwrap_or_else(|f| panic!("{shown}\n{}", told(&f)));
    assert_eq!(Policy { digest: String::new(), ..again }, Policy::built_in());
}

/// Cuts, doubles and overwrites pieces of the default policy.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0usize..40, "[-\\[\\]{}:,&*!#|>'\"?\n\t a-z0-9]{0,6}");
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut text = DEFAULT_TEXT.to_owned();
        for (at, length, put) in edits {
            let mut from = at.index(text.len() + 1);
            while !text.is_char_boundary(from) {
                from -= 1;
            }
            let mut to = (from + length).min(text.len());
            while !text.is_char_boundary(to) {
                to += 1;
            }
            text.replace_range(from..to, &put);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_panics_and_what_is_accepted_reads_back(text in mutated()) {
        match parse("p.yaml", &text) {
            Ok(policy) => {
                let again = parse("effective.yaml", &effective(&policy)).map_err(|f| TestCaseError::fail(told(&f)))?;
                prop_assert_eq!(Policy { digest: policy.digest.clone(), ..again }, policy);
            }
            Err(faults) => prop_assert!(!faults.is_empty() && faults.iter().all(|f| !f.what.is_empty())),
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse("p.yaml", &String::from_utf8_lossy(&bytes));
    }
}
