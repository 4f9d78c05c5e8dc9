//! What is refused and how it is said; what is understood is evaluated in `tests/rows.rs`.

use super::*;
use portcullis_core::policy::network::Cidr;
use std::collections::BTreeSet;

fn policy() -> Policy {
    let mut policy = Policy::built_in();
    policy.lists.insert("treasury".to_owned(), BTreeSet::from(["svc-fx".to_owned()]));
    policy.lists.insert("empty".to_owned(), BTreeSet::new());
    policy.networks.own = vec![Cidr::parse("192.0.2.0/24").unwrap()];
    policy
}

fn refusal(text: &str) -> String {
    match compile(&policy(), text) {
        Ok(_) => panic!("{text} was understood"),
        Err(wrong) => format!("{}{}, {}", wrong.place(), wrong.what, wrong.help),
    }
}

fn planned(text: &str) -> Predicate {
    compile(&policy(), text).unwrap_or_else(|w| panic!("{text}: {}{}, {}", w.place(), w.what, w.help))
}

#[test]
fn what_depends_on_more_than_the_row_is_refused() {
    for (text, expected) in [
        (
            "now() > 5",
            "character 1: now is volatile: a replay would get another answer, compare columns of the row, such as hour_of_day or since_recovery_s",
        ),
        ("failed_1h > random()", "character 13: random is volatile"),
        ("failed_1h > 1 AND current_date = '2026-01-01'", "character 19: current_date is volatile"),
        ("CURRENT_TIMESTAMP IS NULL", "character 1: current_timestamp is volatile"),
        ("uuid() = identity_id", "character 1: uuid is volatile"),
        (
            "failed_1h > (SELECT 1)",
            "a sub-query looks at other rows, and a rule sees one, use a column that counts over a window, or in_list",
        ),
        ("EXISTS (SELECT 1)", "a sub-query looks at other rows"),
        ("identity_id IN (SELECT id FROM leavers)", "a sub-query looks at other rows"),
        ("failed_1h > ANY (SELECT 1)", "a sub-query looks at other rows"),
        (
            "count(*) > 3",
            "character 1: count is an aggregate, and a rule sees one row, use a column that counts over a window, such as events_1h",
        ),
        ("sum(checkout_amount) > 3", "character 1: sum is an aggregate"),
        ("max(failed_1h) > 3", "character 1: max is an aggregate"),
        (
            "row_number() OVER (ORDER BY failed_1h) > 3",
            "character 1: row_number ... OVER is a window function, and a rule sees one row, what depends on the order",
        ),
        ("sum(failed_1h) OVER () > 3", "character 1: sum ... OVER is a window function"),
        ("lag(failed_1h) > 3", "character 1: lag is a window function"),
        (
            "date_trunc('day', now()) = 5",
            "character 1: date_trunc deals in times, which depend on a time zone, use hour_of_day and day_of_week (UTC)",
        ),
        ("EXTRACT(HOUR FROM tenant) = 5", "times depend on a time zone"),
        ("DATE '2026-01-01' IS NULL", "times depend on a time zone"),
    ] {
        assert!(refusal(text).contains(expected), "{text}\n{}\n{expected}", refusal(text));
    }
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_was_meant() {
    for (text, expected) in [
        ("faild_1h > 3", "character 1: no column \"faild_1h\", did you mean failed_1h?"),
        ("zebra > 3", "character 1: no column \"zebra\", `portcullis policy show --columns` lists them"),
        ("type = \"secret.read\"", "character 8: no column \"secret.read\", write text in single quotes: 'secret.read'"),
        ("source.ip = '1'", "character 1: a column has no dot, write source_ip"),
        ("type = 'secret.raed'", "character 8: type is never \"secret.raed\", did you mean 'secret.read'?"),
        ("outcome IN ('success', 'nothing')", "character 24: outcome is never \"nothing\", known are success, failure, challenge, unknown"),
        ("failed_1h = '3'", "character 13: a whole number is compared with text, take the quotes off, or CAST it"),
        ("identity_id = 3", "character 15: text is compared with a whole number, put it in single quotes, or CAST it"),
        ("failed_1h", "character 1: is a whole number, and neither true nor false, compare it with something"),
        ("failed_1h AND learning", "character 1: AND wants true or false here, found a whole number, compare it with something"),
        ("NOT failed_1h", "character 5: NOT does not apply to a whole number, compare first, or CAST it"),
        ("1 = 1", "character 1: reads no column, so it hits always or never, name a column"),
        ("learning > FALSE", "character 1: true is neither less nor greater than false, use = or <>, or NOT"),
        ("change_target = NULL", "character 17: nothing is equal to NULL, write IS NULL or IS NOT NULL"),
        (
            "failed_1h > 99999999999999999999",
            "character 13: 99999999999999999999 is too large for a whole number, write it with a fraction: 1e20",
        ),
        ("tenant + 1 > 3", "character 1: + wants a number here, found text, CAST it to BIGINT or DOUBLE"),
        ("request_route LIKE tenant", "character 20: a pattern is text in quotes, write it out: LIKE '/v1/export%'"),
        ("failed_1h LIKE '3%'", "character 1: text is wanted here, found a whole number, CAST it to VARCHAR"),
        ("tenant SIMILAR TO 'a'", "character 1: there are no regular expressions here, use LIKE, starts_with, ends_with or contains"),
        ("lower(tenant) = 'a'", "character 1: there is no function lower, there are abs, coalesce, nullif"),
        ("abs(tenant) = 1", "character 5: abs wants a number, found text, CAST it to BIGINT or DOUBLE"),
        ("abs(failed_1h, 2) = 1", "character 1: abs has other arguments, write abs(number)"),
        ("coalesce(failed_1h, 'a') = 1", "character 21: a whole number is compared with text"),
        ("CAST(tenant AS DATE) IS NULL", "there is no type DATE here, cast to BOOLEAN, BIGINT, DOUBLE or VARCHAR"),
        (
            "CAST(learning AS BIGINT) = 1",
            "a truth value is not cast to a whole number, write CASE WHEN ... THEN 1 ELSE 0 END, or a comparison",
        ),
        ("in_list('tresury', identity_id)", "character 9: there is no list \"tresury\", did you mean 'treasury'?"),
        ("in_list('x-files', identity_id)", "character 9: there is no list \"x-files\", add it under `lists`"),
        ("in_network('mars')", "character 12: there is no network \"mars\", known are own, partner, scanner, gateway"),
        ("spoke('new_devise')", "character 7: there is no signal \"new_devise\", did you mean 'new_device'?"),
        ("spoke('familiar')", "character 7: familiar speaks for a subject, and only after the rules"),
        ("spoke('new_device', '90d')", "character 21: a time from 1m to 24h in quotes is wanted here, write spoke('new_device', '1h')"),
        ("failed_1h >", "is no SQL predicate: Expected: an expression, found: EOF, write it as what follows WHERE"),
        ("failed_1h > 3;", "character 14: \";\" does not belong there, one predicate is wanted"),
        ("failed_1h > 3\n AND\n  faild > 3", "line 3, character 3: no column \"faild\""),
        ("tenant || 'a' = 'b'", "|| is not among the operators of a rule"),
        ("[1] = 1", ""),
    ] {
        assert!(refusal(text).contains(expected), "{text}\n{}\n{expected}", refusal(text));
    }
}

#[test]
fn depth_is_bounded_in_a_small_stack() {
    let deep = |n: usize| vec!["failed_1h = 1"; n].join(" OR ");
    let run = move || {
        planned(&deep(60));
        assert!(refusal(&deep(65)).contains("is nested more than 64 deep, use IN, in_list, or several rules"));
        assert!(refusal(&format!("{}failed_1h = 1{}", "(".repeat(300), ")".repeat(300))).contains("is no SQL predicate: "));
        refusal(&format!("{} learning", "NOT ".repeat(1_000)));
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn what_anybody_can_cause_is_told_from_what_needs_a_credential() {
    for text in [
        "type = 'secret.read' AND distinct_secrets_1h > 3",
        "'secret.read' = type",
        "type IN ('secret.read', 'account.update') AND failed_1h > 1",
        "(outcome = 'success') AND type = 'auth.login'",
        "(type = 'secret.read' AND failed_1h > 1) OR (spoke('new_device') AND failed_1h > 1)",
    ] {
        assert!(planned(text).needs_credential, "{text}");
    }
    for text in [
        "failed_1h > 3",
        "type = 'auth.login' AND failed_1h > 3",
        "type = 'secret.read' OR failed_1h > 3",
        "NOT (type = 'secret.read')",
        "type NOT IN ('secret.read')",
        "type IN ('secret.read', 'auth.login')",
        "spoke('failed_login_spike')",
        "spoke('new_device', '1h') AND failed_1h > 3",
        "outcome <> 'success'",
    ] {
        assert!(!planned(text).needs_credential, "{text}");
    }
}
