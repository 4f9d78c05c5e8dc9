//! What `score` and `explain` say of inputs that are not what they should be.

use std::path::Path;
use std::process::{Command, Output};

fn portcullis(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis")).current_dir(dir).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn summary(dir: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(dir.join("out/summary.json")).unwrap()).unwrap()
}

#[test]
fn nothing_but_dead_letters_is_an_error_of_the_data() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("broken.ndjson"), "{\"time\":}\nno log at all\n").unwrap();
    let done = portcullis(dir.path(), &["score", "broken.ndjson", "--out", "out"]);
    assert_eq!(done.status.code(), Some(65), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("could be used"), "{}", text(&done.stderr));
    let letters = std::fs::read_to_string(dir.path().join("out/dead-letter.ndjson")).unwrap();
    assert!(letters.contains("of the record") && !letters.contains("column"), "{letters}");
}

#[test]
fn an_inventory_holds_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let login = r#"{"time":"2026-11-13T22:03:36Z","type":"auth.login","outcome":"success","identity":{"id":"ann"}}"#;
    let known = r#"{"time":"2026-11-13T22:00:00Z","type":"inventory.identity","identity":{"id":"ann"},"inventory":{"class":"admin"}}"#;
    std::fs::write(dir.path().join("inventory.ndjson"), format!("{known}\n{login}\n")).unwrap();
    std::fs::write(dir.path().join("events.ndjson"), format!("{login}\n")).unwrap();
    let done = portcullis(dir.path(), &["score", "events.ndjson", "--inventory", "inventory.ndjson", "--emit", "all", "--out", "out"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let summary = summary(dir.path());
    assert_eq!((&summary["read"], &summary["scored"], &summary["dead_letters"]), (&3.into(), &2.into(), &1.into()), "{summary:#}");
    let letters = std::fs::read_to_string(dir.path().join("out/dead-letter.ndjson")).unwrap();
    assert!(letters.contains("--inventory holds inventory.identity records, and this is auth.login"), "{letters}");
}

#[test]
fn one_name_of_two_tenants_is_explained_apart() {
    let dir = tempfile::tempdir().unwrap();
    let login = |tenant: &str| {
        format!(
            r#"{{"time":"2026-11-13T22:03:36Z","tenant":"{tenant}","type":"auth.login","outcome":"success","identity":{{"id":"ann"}}}}"#
        )
    };
    std::fs::write(dir.path().join("events.ndjson"), format!("{}\n{}\n", login("bank"), login("shop"))).unwrap();
    let done = portcullis(dir.path(), &["score", "events.ndjson", "--emit", "all", "--out", "out"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let explained = text(&portcullis(dir.path(), &["explain", "ann", "--in", "out"]).stdout);
    for tenant in ["bank", "shop"] {
        assert!(explained.contains(&format!("identity ann (customer) of tenant {tenant} is low")), "{explained}");
    }
    assert!(!explained.contains("verdicts on"), "{explained}");
}

#[test]
fn it_is_said_that_everybody_is_still_being_learned() {
    let dir = tempfile::tempdir().unwrap();
    let login = r#"{"time":"2026-11-13T22:03:36Z","type":"auth.login","outcome":"success","identity":{"id":"ann"}}"#;
    std::fs::write(dir.path().join("events.ndjson"), login).unwrap();
    let done = portcullis(dir.path(), &["score", "events.ndjson", "--out", "out"]);
    assert!(text(&done.stderr).contains("1 of 1 events were of identities that are still being learned"), "{}", text(&done.stderr));
    assert_eq!(summary(dir.path())["learning"], 1);
}

#[test]
fn reputation_flows_back_whatever_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let login = |n: u32, who: &str, outcome: &str| {
        format!(
            r#"{{"id":"e-{n}","time":{},"type":"auth.login","outcome":"{outcome}","identity":{{"id":"{who}","class":"workforce"}},"session":{{"id":"s-{n}"}},"source":{{"ip":"203.0.113.7","network":"tor"}},"auth":{{"method":"password"}}}}"#,
            1_772_409_600_000_i64 + i64::from(n) * 1_000
        )
    };
    let mut lines: Vec<String> = (0..40).map(|n| login(n, &format!("u-{n}"), "failure")).collect();
    lines.push(login(40, "victim", "success"));
    std::fs::write(dir.path().join("events.ndjson"), lines.join("\n")).unwrap();
    let verdicts = |batch: &str| {
        let done = portcullis(dir.path(), &["score", "events.ndjson", "--emit", "all", "--batch", batch, "--out", batch]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        std::fs::read_to_string(dir.path().join(batch).join("verdicts.ndjson")).unwrap()
    };
    let (one, all) = (verdicts("1"), verdicts("4096"));
    assert_eq!(one, all);
    assert!(all.lines().any(|v| v.contains(r#""id":"victim""#) && v.contains(r#""signal":"bad_source""#)), "{all}");
}
