//! What predicates answer: on one row, and on many at once, where every row must answer as it does alone, errors included.

use portcullis_core::event::{Change, Checkout, Class, Event, EventType, Identity, Outcome, Source};
use portcullis_core::policy::Policy;
use portcullis_core::row::{Novelty, Row};
use portcullis_core::rule::{Answer, Asked, Plan};
use portcullis_core::subject::Kind;
use portcullis_core::time::Time;
use proptest::prelude::*;
use std::fmt::Write;
use std::sync::Arc;

/// A policy with a rule `r0`, `r1`, ... for each predicate.
fn policy(predicates: &[&str]) -> Policy {
    let mut text =
        "version: t\nplaybooks: none\nlists: { treasury: [svc-fx, svc-treasury], nobody: [] }\nnetworks: { own: [192.0.2.0/24] }\nrules:\n"
            .to_owned();
    for (i, predicate) in predicates.iter().enumerate() {
        let quoted = serde_json::to_string(predicate).unwrap();
        writeln!(text, "  - {{ id: r{i}, when: {quoted}, weight: moderate, family: privilege }}").unwrap();
    }
    portcullis_rules::parse("p.yaml", &text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn plan(predicates: &[&str]) -> Arc<dyn Plan> {
    Arc::clone(policy(predicates).rules.planned().unwrap())
}

/// Tuesday 2026-03-03, 22:15 UTC.
const EVENING: Time = Time(1_772_576_100_000);

fn event() -> Event<'static> {
    Event {
        outcome: Outcome::Success,
        identity: Some(Identity { id: "svc-fx".into(), ..Identity::default() }),
        source: Some(Source { ip: Some("192.0.2.7".into()), asn: Some(64_500), ..Source::default() }),
        change: Some(Box::new(Change { secret: Some("db_50%/pay".into()), ..Change::default() })),
        checkout: Some(Box::new(Checkout { amount: Some(i64::MAX), order: Some("17".into()), ..Checkout::default() })),
        ..Event::new(EventType::SecretRead, EVENING)
    }
}

fn row() -> Row {
    let mut row = Row::new(Kind::Identity, Class::Service, EVENING);
    row.failed_1h = 3;
    row.events = [1, 2, 12];
    row.strange_hour_cb = 45;
    row.privilege.secrets_1h = 5;
    row.new_country = Some(Novelty { likelihood_cb: 200, share_ppm: 2_500 });
    row
}

fn answer(predicate: &str) -> Result<bool, String> {
    let (event, row) = (event(), row());
    let answers = plan(&[predicate]).answer(&[Asked { event: &event, row: &row, spoke: &[], heard: &[] }]);
    match answers.as_slice() {
        [] => Ok(false),
        [Answer { row: 0, rule: 0, said: Ok(_) }] => Ok(true),
        [Answer { said: Err(why), .. }] => Err(why.clone()),
        more => panic!("{predicate}: {more:?}"),
    }
}

#[test]
fn what_holds() {
    for predicate in [
        "type = 'secret.read' AND outcome = 'success' AND class = 'service'",
        "TYPE = 'secret.read' and \"failed_1h\" = 3",
        "distinct_secrets_1h >= 5 AND distinct_secrets_1h <> 4 AND distinct_secrets_1h < 6",
        "hour_of_day = 22 AND day_of_week = 2",
        "strange_hour_db > 4.4 AND strange_hour_db < 4.6",
        "new_country AND new_country_share < 0.01 AND NOT new_device",
        "new_device_share IS NULL AND new_country_share IS NOT NULL",
        "failed_1h / events_1h = 0.25",
        "-failed_1h = 0 - 3 AND +failed_1h = 3 AND abs(failed_1h - 5) = 2 AND abs(strange_hour_db - 5) = 0.5",
        "failed_1h % 2 = 1 AND failed_1h * 4 = events_1h AND failed_1h + 0.5 = 3.5",
        "source_asn IN (1, 64500) AND failed_1h NOT IN (1, 2) AND failed_1h IN (2.5, 3)",
        "failed_1h BETWEEN 3 AND 4 AND failed_1h NOT BETWEEN 4 AND 5",
        "change_secret LIKE 'db\\_%/pay' AND change_secret ILIKE 'DB%' AND change_secret NOT LIKE 'x%'",
        "starts_with(change_secret, 'db_50%') AND ends_with(change_secret, '%/pay') AND contains(change_secret, '0%/')",
        "NOT starts_with(change_secret, 'db__') AND NOT contains(change_secret, '5_')",
        "in_list('treasury', identity_id) AND NOT in_list('nobody', identity_id)",
        "in_network('own') AND NOT in_network('partner')",
        "NOT spoke('new_device')",
        "coalesce(new_device_share, failed_1h) = 3 AND coalesce(change_role, change_secret, 'x') <> 'x'",
        "nullif(failed_1h, 3) IS NULL AND nullif(failed_1h, 2) = 3 AND nullif(failed_1h, usual_events_1h) = 3",
        "CASE WHEN failed_1h > 5 THEN 'many' WHEN failed_1h > 2 THEN 'some' ELSE 'few' END = 'some'",
        "CASE class WHEN 'service' THEN failed_1h ELSE 0.5 END = 3.0",
        "CASE WHEN failed_1h > 5 THEN 1 END IS NULL",
        "CAST(checkout_order AS BIGINT) = 17 AND CAST(failed_1h AS VARCHAR) = '3' AND checkout_order::DOUBLE = 17.0",
        "TRY_CAST(change_secret AS BIGINT) IS NULL AND CAST(2.9 AS BIGINT) = failed_1h - 1",
        "(new_device IS FALSE) AND (new_country IS TRUE) AND ((new_device_share > 1) IS UNKNOWN) AND ((new_device_share > 1) IS NOT TRUE)",
        "(change_role IS DISTINCT FROM 'admin') AND (change_role IS NOT DISTINCT FROM change_scope)",
        // What the left side decides, the right side cannot spoil.
        "failed_1h = 3 OR 1 / (failed_1h - 3) > 0",
        "NOT (failed_1h = 4 AND checkout_amount + 1 > 0)",
        "coalesce(failed_1h, checkout_amount + 1) = 3",
    ] {
        assert_eq!(answer(predicate), Ok(true), "{predicate}");
    }
}

#[test]
fn null_is_not_true() {
    for predicate in [
        "new_device_share > 0",
        "NOT (new_device_share > 0)",
        "change_role = 'admin'",
        "change_role <> 'admin'",
        "change_role NOT IN ('admin')",
        "change_role LIKE '%'",
        "new_device_share > 0 AND failed_1h = 3",
        "in_list('treasury', change_role)",
        "NOT in_list('treasury', change_role)",
        "NOT in_list('nobody', identity_id) AND usual_events_1h = 1",
        "new_device_share / 0 > 1",
    ] {
        assert_eq!(answer(predicate), Ok(false), "{predicate}");
    }
    assert_eq!(answer("new_device_share > 0 OR failed_1h = 3"), Ok(true), "NULL beside true does not matter");
}

#[test]
fn what_cannot_be_computed_is_an_error_and_no_zero() {
    for (predicate, expected) in [
        ("failed_1h / (failed_1h - 3) > 1", "a division by zero"),
        ("failed_1h % (failed_1h - 3) > 1", "Divide by zero"),
        ("strange_hour_db % 0 > 1", "a division by zero"),
        ("checkout_amount + 1 > 0", "Overflow happened on: 9223372036854775807 + 1"),
        ("checkout_amount * 2 > 0", "Overflow happened"),
        ("(0 - checkout_amount) - 2 < 0", "Overflow happened"),
        ("-((0 - checkout_amount) - 1) < 0", "Overflow happened"),
        ("1e308 * (10 + failed_1h) > 1", "too large for a number"),
        ("CAST(change_secret AS BIGINT) > 1", "Cannot cast string 'db_50%/pay' to value of Int64 type"),
        ("CAST(1e300 + failed_1h AS BIGINT) = 1", "Can't cast value 1e300 to type Int64"),
        ("new_device_share > 0 AND failed_1h / 0 > 1", "a division by zero"),
    ] {
        let error = answer(predicate).expect_err(predicate);
        assert!(error.contains(expected), "{predicate}: {error}");
    }
}

#[test]
fn a_broken_rule_stops_no_other_and_only_the_rows_that_fail_carry_it() {
    let (event, mut rows) = (event(), vec![row(); 300]);
    for (i, row) in rows.iter_mut().enumerate() {
        row.failed_1h = (i % 3) as u32;
    }
    let asked: Vec<Asked<'_>> = rows.iter().map(|row| Asked { event: &event, row, spoke: &[], heard: &[] }).collect();
    let answers = plan(&["failed_1h = 1", "6 / failed_1h > 3", "failed_1h = 2"]).answer(&asked);
    let of = |rule| answers.iter().filter(move |a| a.rule == rule);
    assert_eq!(of(0).count(), 100);
    assert_eq!(of(2).count(), 100);
    assert!(of(1).all(|a| match a.row % 3 {
        0 => a.said.is_err(),
        1 => a.said.is_ok(),
        _ => false,
    }));
    assert_eq!(of(1).count(), 200);
}

#[test]
fn a_hit_says_what_was_read() {
    let text = "version: t\nplaybooks: none\nrules: [{ id: secrets, weight: 7, family: privilege, \
                when: \"type = 'secret.read'\n  AND distinct_secrets_1h >= 3 AND change_role IS NULL AND NOT spoke('new_place')\", \
                detail: 'read {distinct_secrets_1h} secrets as {change_role}' }]";
    let policy = portcullis_rules::parse("p.yaml", text).unwrap();
    let (event, row) = (event(), row());
    let answers = policy.rules.planned().unwrap().answer(&[Asked { event: &event, row: &row, spoke: &[], heard: &[] }]);
    let said = answers[0].said.as_ref().unwrap();
    assert_eq!(said.detail, "read 5 secrets as unknown");
    assert_eq!(said.observed, "type secret.read, distinct_secrets_1h 5, change_role unknown, spoke('new_place') false");
    assert_eq!(
        said.expected,
        "anything but type = 'secret.read' AND distinct_secrets_1h >= 3 AND change_role IS NULL AND NOT spoke('new_place')"
    );
    assert_eq!(said.strength_permille, 1_000);
}

#[test]
fn rules_see_rows_of_their_own_kind() {
    let text = "version: t\nplaybooks: none\nrules:\n  - { id: a, on: source, when: \"failed_1h >= 0\", weight: 5, family: guessing }\n  \
                - { id: b, when: \"failed_1h >= 0\", weight: 5, family: guessing }\n";
    let policy = portcullis_rules::parse("p.yaml", text).unwrap();
    let event = event();
    let rows = [Kind::Identity, Kind::Source, Kind::Card].map(|kind| Row::new(kind, Class::Customer, EVENING));
    let asked: Vec<Asked<'_>> = rows.iter().map(|row| Asked { event: &event, row, spoke: &[], heard: &[] }).collect();
    let answers = policy.rules.planned().unwrap().answer(&asked);
    let mut pairs: Vec<(usize, usize)> = answers.iter().map(|a| (a.row, a.rule)).collect();
    pairs.sort_unstable();
    assert_eq!(pairs, [(0, 1), (1, 0)]);
}

/// Numbers, small enough to meet, great enough to overflow.
fn numeric() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        4 => prop::sample::select(vec!["failed_1h", "events_1h", "checkout_amount", "usual_events_1h", "new_country_share", "strange_hour_db", "source_asn"])
            .prop_map(str::to_owned),
        2 => (-3i64..4).prop_map(|n| format!("({n})")),
        1 => prop::sample::select(vec!["0.5", "1e300", "9223372036854775807", "CAST(checkout_order AS BIGINT)", "TRY_CAST(tenant AS DOUBLE)"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            inner.clone().prop_map(|a| format!("(-{a})")),
            inner.clone().prop_map(|a| format!("abs({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("nullif({a}, {b})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("CASE WHEN {a} > 1 THEN {b} ELSE {c} END")),
        ]
    })
    .boxed()
}

fn predicate() -> BoxedStrategy<String> {
    let compared = (numeric(), prop::sample::select(vec!["=", "<>", "<", ">=", "IS DISTINCT FROM"]), numeric())
        .prop_map(|(a, op, b)| format!("{a} {op} {b}"));
    let leaf = prop_oneof![
        6 => compared,
        1 => (numeric(), numeric(), numeric()).prop_map(|(a, b, c)| format!("{a} BETWEEN {b} AND {c}")),
        1 => (numeric(), numeric()).prop_map(|(a, b)| format!("{a} IN ({b}, 1, 3)")),
        1 => numeric().prop_map(|a| format!("{a} IS NULL")),
        3 => prop::sample::select(vec!["new_country", "change_role = 'admin'", "change_secret LIKE '%pay'", "in_network('own')", "in_list('treasury', identity_id)", "type = 'secret.read'"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 10, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.clone().prop_map(|a| format!("(NOT {a})")),
            inner.prop_map(|a| format!("(({a}) IS TRUE)")),
        ]
    })
    .boxed()
}

fn any_row() -> impl Strategy<Value = (Event<'static>, Row)> {
    let facts = (0u32..3, 0u32..4, prop::option::of(0u32..3), prop::option::of(0u32..3));
    let said = (
        prop::option::of(prop::sample::select(vec![i64::MAX, i64::MIN, -1, 0, 1, 1 << 40])),
        prop::option::of(prop::sample::select(vec!["17", "x", "", "9223372036854775808"])),
        prop::option::of(prop::sample::select(vec!["admin", "user"])),
        prop::sample::select(vec![EventType::SecretRead, EventType::AuthLogin, EventType::ApiRequest]),
        prop::option::of(prop::sample::select(vec!["192.0.2.9", "198.51.100.1", "no address"])),
    );
    (facts, said).prop_map(|((failed, events, usual, novelty), (amount, order, role, kind, ip))| {
        let mut row = row();
        (row.failed_1h, row.events[2]) = (failed, events);
        row.usual_events = usual.map(|n| [n; 3]);
        row.new_country = novelty.map(|n| Novelty { likelihood_cb: 1, share_ppm: n * 400_000 });
        let mut event = event();
        event.kind = kind;
        event.source = ip.map(|ip| Source { ip: Some(ip.into()), ..Source::default() });
        event.checkout = Some(Box::new(Checkout { amount, order: order.map(Into::into), ..Checkout::default() }));
        event.change = role.map(|role| Box::new(Change { role: Some(role.into()), secret: Some("pay".into()), ..Change::default() }));
        (event, row)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_row_among_many_answers_as_it_does_alone(
        predicates in prop::collection::vec(predicate(), 1..4),
        rows in prop::collection::vec(any_row(), 1..60),
    ) {
        // A predicate without a column, or one that is nested too deeply, is refused.
        let planned: Vec<&str> = predicates.iter().map(String::as_str).collect();
        let Ok(plan) = std::panic::catch_unwind(|| plan(&planned)) else { return Ok(()) };
        let asked: Vec<Asked<'_>> = rows.iter().map(|(event, row)| Asked { event, row, spoke: &[], heard: &[] }).collect();
        let together = plan.answer(&asked);
        for (i, one) in asked.iter().enumerate() {
            let alone: Vec<Answer> = plan.answer(&[*one]).into_iter().map(|a| Answer { row: i, ..a }).collect();
            let among: Vec<Answer> = together.iter().filter(|a| a.row == i).cloned().collect();
            prop_assert_eq!(among, alone, "row {} of {:?}", i, &predicates);
        }
    }
}
