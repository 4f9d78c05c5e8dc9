//! The page of a small invented run.

use super::*;
use portcullis_core::event::EventType;
use portcullis_core::verdict::{Actor, Family, IncidentRef, LogRef, PolicyRef, Probability};

fn name(kind: &str, id: &str) -> Name {
    Name { kind: kind.to_owned(), id: id.to_owned() }
}

fn reason(signal: &str, family: Family, db: f64, observed: &str, expected: &str, detail: &str) -> Reason {
    let (attack, nhi) = if db > 0.0 { (vec!["T1110.001".to_owned()], vec!["NHI2".to_owned()]) } else { (Vec::new(), Vec::new()) };
    Reason {
        signal: signal.into(),
        family,
        db,
        observed: observed.into(),
        expected: expected.into(),
        detail: detail.into(),
        attack,
        nhi,
        events: vec!["e-1".into()],
    }
}

fn verdict(at: i64, subject: &Name, score: f64, level: Level, previous_level: Level, reasons: Vec<Reason>) -> Verdict {
    let evidence_db = (score - 50.0) / 2.5;
    Verdict {
        id: format!("v-{at}"),
        time: Time(at),
        appended_at: Time(at),
        valid_until: None,
        tenant: "retail".into(),
        subject: subject.clone(),
        class: Some(Class::Workforce),
        incident: Some(IncidentRef { id: "i-7f3a2c".into(), opened_at: Time(at) }),
        event_id: (level >= previous_level).then(|| "e-0001234".into()),
        event_type: Some(EventType::AuthLogin),
        score,
        evidence_db,
        prior_db: evidence_db - reasons.iter().map(|r| r.db).sum::<f64>(),
        probability: Probability::Uncalibrated,
        level,
        previous_level,
        learning: false,
        actor: Actor::default(),
        reasons,
        floor: (level == Level::Critical).then(|| "push_fatigue_won".into()),
        errors: Vec::new(),
        folded: 1,
        mode: Mode::Shadow,
        policy: PolicyRef::default(),
        log: LogRef::default(),
        engine: "portcullis".into(),
    }
}

fn sample() -> ReportInput {
    const BEGIN: i64 = 1_773_451_351_513;
    let person = name("identity", "aisha.smith");
    let source = name("source", "244.177.207.16");
    let pushes =
        || reason("push_fatigue", Family::Mfa, 12.0, "7 pushes in 6 min", "0 in 10 min", "Seven pushes within six minutes, none approved.");
    let won = || {
        reason(
            "push_fatigue_won",
            Family::Mfa,
            25.0,
            "12 pushes, then approved",
            "approval at the first push",
            "An approval after twelve pushes that were denied or ignored.",
        )
    };
    let device = || {
        reason(
            "new_device",
            Family::Device,
            7.4,
            "d-1f77a0b2c3",
            "d-56e92dce96 or d-9b7b9f5883",
            "A device never seen with this identity, and a browser never seen either.",
        )
    };
    let familiar = || reason("familiar", Family::Protective, -1.5, "network known for 12 days", "", "The network is a familiar one.");
    let decision = |at, action, kind: &str, id: &str, end, why: &str| DecisionLine {
        time: Time(at),
        action,
        target: Target { kind: kind.into(), id: id.into(), ..Target::default() },
        mode: Mode::Shadow,
        end,
        why: why.into(),
    };
    let outcome = |scenario: &str, look_alike, subject: &Name, level, events: Option<u64>, seconds| LabelOutcome {
        scenario: scenario.into(),
        look_alike,
        difficulty: "easy".into(),
        subject: subject.clone(),
        level,
        events,
        seconds,
    };
    ReportInput {
        title: "Portcullis demo".into(),
        generated_from: "100,000 events of 1,055 identities over 28 days, simulated from seed 1 and judged under the built-in shadow policy (version 1).".into(),
        subjects: vec![
            SubjectReport {
                tenant: "retail".into(),
                subject: person.clone(),
                class: Some(Class::Workforce),
                scenario: Some("push_fatigue".into()),
                verdicts: vec![
                    verdict(BEGIN, &person, 28.0, Level::Medium, Level::Low, vec![pushes()]),
                    verdict(BEGIN + 290_000, &person, 41.0, Level::Medium, Level::Medium, vec![pushes(), device(), familiar()]),
                    verdict(BEGIN + 640_000, &person, 88.0, Level::Critical, Level::Medium, vec![won(), device(), pushes(), familiar()]),
                    verdict(BEGIN + 2_400_000, &person, 62.0, Level::High, Level::Critical, vec![won()]),
                    verdict(BEGIN + 3_900_000, &person, 21.0, Level::Low, Level::High, vec![won()]),
                ],
                decisions: vec![
                    decision(BEGIN + 640_000, Action::TerminateSession, "session", "s-1afb8445ede1", DecisionEnd::WouldSend, "A tired approval opened this session from a device nobody knows; end it before it is used further."),
                    decision(BEGIN + 640_000, Action::StepUp, "account", "aisha.smith", DecisionEnd::WouldSend, "Ask again, by anything but a push."),
                    decision(BEGIN + 655_000, Action::DisableAccount, "account", "aisha.smith", DecisionEnd::HeldApproval, "Disabling a colleague's account waits for a person."),
                ],
            },
            SubjectReport {
                tenant: "bank".into(),
                subject: source.clone(),
                class: None,
                scenario: Some("credential_stuffing".into()),
                verdicts: vec![verdict(
                    BEGIN,
                    &source,
                    60.0,
                    Level::High,
                    Level::Low,
                    vec![reason("credential_stuffing", Family::Guessing, 25.0, "15 identities in 58 s, 15 failing", "at most 2 identities", "One address tries a list of names, once each.")],
                )],
                decisions: Vec::new(),
            },
        ],
        outcomes: vec![
            outcome("push_fatigue", false, &person, Level::Critical, Some(0), Some(0.0)),
            outcome("credential_stuffing", false, &source, Level::High, Some(2), Some(8.4)),
            outcome("leaked_key_surge", false, &name("identity", "partner-006"), Level::Medium, None, None),
            outcome("office_nat", true, &name("source", "243.234.0.1"), Level::Low, None, None),
            outcome("vpn_switch", true, &name("identity", "hugo.schmid"), Level::Medium, None, None),
        ],
    }
}

#[test]
fn the_page_tells_who_what_and_why() {
    let page = html(&sample());
    for told in [
        "Portcullis demo",
        "2 of 3",
        "2 of 2",
        "aisha.smith",
        "push fatigue won",
        "+25.0",
        "terminate session",
        "held approval",
        "missed",
        "left in peace",
        "lifted by push fatigue won",
        "the evidence has faded",
    ] {
        assert!(page.contains(told), "{told}");
    }
    // The highest verdict is explained, and its numbers add up.
    let v = peak(&sample().subjects[0]).cloned().unwrap();
    assert_eq!(v.level, Level::Critical);
    assert!((v.prior_db + v.reasons.iter().map(|r| r.db).sum::<f64>() - v.evidence_db).abs() < 1e-9);
    if let Ok(path) = std::env::var("PORTCULLIS_REPORT_SAMPLE") {
        std::fs::write(path, &page).unwrap();
    }
}

#[test]
fn names_from_logs_cannot_become_markup() {
    const EVIL: &str = "\"><script>alert(1)</script><img src=x onerror='x'>&\u{202e}\u{0}";
    let mut input = sample();
    (input.title, input.generated_from) = (EVIL.into(), EVIL.into());
    for o in &mut input.outcomes {
        (o.scenario, o.difficulty, o.subject) = (EVIL.into(), EVIL.into(), name(EVIL, EVIL));
    }
    for s in &mut input.subjects {
        (s.tenant, s.subject, s.scenario) = (EVIL.into(), name(EVIL, EVIL), Some(EVIL.into()));
        for v in &mut s.verdicts {
            (v.incident, v.floor, v.errors) =
                (Some(IncidentRef { id: EVIL.into(), opened_at: Time(0) }), Some(EVIL.into()), vec![EVIL.into()]);
            for r in &mut v.reasons {
                (r.signal, r.observed, r.expected, r.detail) = (EVIL.into(), EVIL.into(), EVIL.into(), EVIL.into());
                (r.attack, r.nhi) = (vec![EVIL.into()], vec![EVIL.into()]);
            }
        }
        for d in &mut s.decisions {
            (d.target.kind, d.target.id, d.why) = (EVIL.into(), EVIL.into(), EVIL.into());
        }
    }
    let page = html(&input);
    assert!(page.contains("&lt;script&gt;"));
    for forbidden in ["<script", "<img", "onerror='", "\u{202e}", "\u{0}"] {
        assert!(!page.contains(forbidden), "{forbidden:?}");
    }
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let page = html(&sample());
    for outside in ["http:", "https:", "//", "url(", "@import", "<link", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn nothing_found_and_odd_times_are_pages_too() {
    assert!(html(&ReportInput::default()).contains("Nobody rose above low."));
    let mut input = sample();
    for s in &mut input.subjects {
        for v in &mut s.verdicts {
            v.time = Time(i64::MAX);
        }
    }
    assert!(html(&input).contains("</html>"));
    input.subjects = vec![input.subjects[0].clone(); SUBJECTS_MAX + 5];
    input.subjects[0].verdicts = vec![input.subjects[1].verdicts[0].clone(); 100_000];
    let page = html(&input);
    assert!(page.contains("5 more subjects") && page.len() < 2_000_000, "{}", page.len());
}

#[test]
fn durations_read_as_people_say_them() {
    assert_eq!([0.4, 89.0, 600.0, 7_200.0, 259_200.0, -5.0].map(duration), ["0 s", "89 s", "10 min", "2.0 h", "3.0 d", "5 s earlier"]);
}
