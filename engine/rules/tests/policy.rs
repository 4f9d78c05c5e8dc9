//! Policies with rules: what is in force reads back the same, and the example of the documentation works.

use portcullis_core::policy::effective::effective;
use portcullis_core::policy::{Policy, parse};
use portcullis_core::verdict::Mode;

#[test]
fn what_is_in_force_reads_back_the_same() {
    let text = "version: t\nplaybooks: none\nlists: { t: [a] }\nrules:\n  \
                - { id: a.b-c_1, when: \"in_list('t', identity_id) AND outcome = 'success'\", weight: 1.5, family: mfa }\n  \
                - { id: two, mode: shadow, on: source, when: 'learning', weight: decisive, at_least: high, family: place, attack: [T1], nhi: [NHI2:2025], detail: 'a \"b\" {tenant}' }\n";
    let policy = portcullis_rules::parse("p.yaml", text).unwrap();
    let [a, two] = policy.rules.list() else { panic!() };
    assert_eq!((a.weight.0, a.mode, a.unauthenticated, two.mode, two.unauthenticated), (15, Mode::Enforce, false, Mode::Shadow, true));
    let shown = effective(&policy);
    let again = portcullis_rules::parse("effective.yaml", &shown).unwrap_or_else(|f| panic!("{shown}\n{f:?}"));
    assert_eq!(Policy { digest: policy.digest.clone(), ..again }, policy, "{shown}");
    // Without an evaluator a rule is a fault, never in force in silence.
    let faults = parse::parse("p.yaml", text).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "p.yaml:5:26 rules[0].when: rule a.b-c_1: this program evaluates no rules, use a policy without `rules` here"
    );
}

#[test]
fn the_documented_rules_work() {
    let page = include_str!("../../../docs/policy.md");
    let example =
        page.split("```yaml\n").map(|block| block.split("```").next().unwrap()).find(|b| b.starts_with("rules:")).expect("an example");
    let text = format!("version: t\nplaybooks: none\nlists: {{ treasury: [svc-fx] }}\n{example}");
    let policy = portcullis_rules::parse("docs/policy.md", &text).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert!(policy.rules.list().len() >= 2);
}

#[test]
fn the_documented_exception_works_and_may_name_a_rule() {
    let page = include_str!("../../../docs/policy.md");
    let example =
        page.split("```yaml\n").map(|block| block.split("```").next().unwrap()).find(|b| b.starts_with("exceptions:")).expect("an example");
    let rule = "rules: [ { id: night_secret_read, when: \"type = 'secret.read'\", weight: weak, family: privilege } ]\n";
    let text = format!("version: t\nplaybooks: none\n{rule}{}", example.replace("new_scope]", "new_scope, night_secret_read]"));
    let policy = portcullis_rules::parse("docs/policy.md", &text).unwrap_or_else(|faults| panic!("{faults:?}"));
    let [exception] = policy.exceptions.as_slice() else { panic!() };
    assert!(exception.silences.contains(&policy.rules.list()[0].number));
}

#[test]
fn there_is_room_for_so_many_rules() {
    let rules =
        |n: usize| (0..n).map(|i| format!("  - {{ id: r{i}, when: 'failed_1h > {i}', weight: 5, family: mfa }}\n")).collect::<String>();
    let read = |n| portcullis_rules::parse("p.yaml", &format!("version: t\nplaybooks: none\nrules:\n{}", rules(n)));
    assert_eq!(read(200).unwrap().rules.list().len(), 200);
    assert!(read(201).unwrap_err()[0].to_string().ends_with("a policy has 200 rules at most"));
}
