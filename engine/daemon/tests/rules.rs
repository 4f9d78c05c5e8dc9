//! An analyst's own rules from the policy's text to the verdict, through the program.

use std::path::Path;
use std::process::{Command, Output};

fn portcullis(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis")).current_dir(dir).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The default policy with rules.
fn write_policy(dir: &Path, rules: &str) {
    let default = text(&portcullis(dir, &["policy", "show"]).stdout);
    std::fs::write(dir.join("policy.yaml"), format!("{default}\nrules:\n{rules}")).unwrap();
}

fn write_events(dir: &Path) {
    let read = |minute: u32| {
        format!(
            r#"{{"time":"2026-11-13T03:{minute:02}:00Z","type":"secret.read","outcome":"success","identity":{{"id":"svc-etl","class":"service"}},"change":{{"secret":"db-{minute}"}}}}"#
        )
    };
    std::fs::write(dir.join("events.ndjson"), (0..6).map(read).collect::<Vec<_>>().join("\n")).unwrap();
}

const NIGHT: &str = "  - id: night_secret_read\n    when: \"type = 'secret.read' AND hour_of_day BETWEEN 0 AND 5 AND distinct_secrets_1h >= 3\"\n    \
                     weight: 40\n    family: privilege\n    attack: [T1555.006]\n    detail: \"read {distinct_secrets_1h} secrets at {hour_of_day} o'clock\"\n";

#[test]
fn a_hit_raises_the_level_and_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_events(dir);
    write_policy(dir, "");
    let done = portcullis(dir, &["score", "events.ndjson", "--policy", "policy.yaml", "--emit", "all", "--out", "without"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let before = text(&portcullis(dir, &["explain", "svc-etl", "--in", "without"]).stdout);
    assert!(before.contains("is low since"), "{before}");

    write_policy(dir, NIGHT);
    let checked = portcullis(dir, &["policy", "check", "policy.yaml"]);
    assert!(text(&checked.stdout).contains(", 1 rules, "), "{}{}", text(&checked.stdout), text(&checked.stderr));
    let done = portcullis(dir, &["score", "events.ndjson", "--policy", "policy.yaml", "--out", "with"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let after = text(&portcullis(dir, &["explain", "svc-etl", "--in", "with"]).stdout);
    for words in [
        "is high since",
        "+40.0 dB  night_secret_read (privilege): read 3 secrets at 3 o'clock",
        "observed: type secret.read, hour_of_day 3, distinct_secrets_1h 3",
        "expected: anything but type = 'secret.read' AND hour_of_day BETWEEN 0 AND 5 AND distinct_secrets_1h >= 3",
        "T1555.006",
    ] {
        assert!(after.contains(words), "{words:?} is not in\n{after}");
    }
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("with/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["rule_hits"]["night_secret_read"], 4, "{summary:#}");
    assert_eq!(summary["rule_errors"].as_object().unwrap().len(), 0);
    // The effective policy shows the rule and reads back.
    let effective = portcullis(dir, &["policy", "show", "policy.yaml", "--effective"]).stdout;
    std::fs::write(dir.join("effective.yaml"), &effective).unwrap();
    let again = portcullis(dir, &["policy", "check", "effective.yaml"]);
    assert!(text(&again.stdout).contains(", 1 rules, "), "{}{}", text(&again.stdout), text(&again.stderr));
}

#[test]
fn a_broken_rule_is_told_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_events(dir);
    let broken = "  - { id: broken, when: \"6 / (distinct_secrets_1h - 4) > 2\", weight: strong, family: privilege }\n";
    write_policy(dir, &format!("{broken}{NIGHT}"));
    let done = portcullis(dir, &["score", "events.ndjson", "--policy", "policy.yaml", "--emit", "all", "--out", "out"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("the rule could not be evaluated on these rows"), "{}", text(&done.stderr));
    let verdicts = std::fs::read_to_string(dir.join("out/verdicts.ndjson")).unwrap();
    let with_error: Vec<&str> = verdicts.lines().filter(|l| l.contains("rule broken: ")).collect();
    assert!(
        with_error.len() == 1 && with_error[0].contains("a division by zero") && with_error[0].contains("night_secret_read"),
        "{verdicts}"
    );
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("out/summary.json")).unwrap()).unwrap();
    assert_eq!((&summary["rule_errors"]["broken"], &summary["rule_hits"]["night_secret_read"]), (&1.into(), &4.into()), "{summary:#}");
}

#[test]
fn what_a_rule_must_not_have_fails_the_check_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_policy(dir, "  - { id: clock, when: \"type = 'secret.read' AND now() > 5\", weight: weak, family: privilege }\n");
    let checked = portcullis(dir, &["policy", "check", "policy.yaml"]);
    assert_eq!(checked.status.code(), Some(78));
    let told = text(&checked.stderr);
    assert!(
        told.contains(
            "rules[0].when: rule clock: character 26: now is volatile: a replay would get another answer, compare columns of the row"
        ),
        "{told}"
    );
}

#[test]
fn the_row_is_documented() {
    let dir = tempfile::tempdir().unwrap();
    let page = text(&portcullis(dir.path(), &["policy", "show", "--columns"]).stdout);
    for line in [
        "| `distinct_secrets_1h` | BIGINT |  | different secrets read in 1 h |",
        "| `since_recovery_s` | BIGINT | s | since the account was recovered |",
        "| `outcome` | VARCHAR |  | how it ended: `success`, `failure`, `challenge`, `unknown` |",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
}
