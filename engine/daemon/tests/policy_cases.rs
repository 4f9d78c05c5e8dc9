//! `policy test`: the cases of the documentation hold under the default policy, and one that does not hold is told.

use std::path::Path;
use std::process::{Command, Output};

fn portcullis(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis")).current_dir(dir).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/cases.json");

#[test]
fn the_cases_of_the_documentation_hold_and_a_wrong_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("policy.yaml"), portcullis(dir, &["policy", "show"]).stdout).unwrap();
    let done = portcullis(dir, &["policy", "test", "policy.yaml", CASES]);
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    assert!(text(&done.stdout).contains("3 cases, 0 failed"), "{}", text(&done.stdout));

    let wrong = std::fs::read_to_string(CASES)
        .unwrap()
        .replace("\"terminate_session\": \"sent\"", "\"terminate_session\": \"would_send\"")
        .replace("\"push_fatigue_won\"", "\"impossible_travel\"");
    std::fs::write(dir.join("wrong.json"), wrong).unwrap();
    let done = portcullis(dir, &["policy", "test", "policy.yaml", "wrong.json"]);
    let said = text(&done.stdout);
    assert_eq!(done.status.code(), Some(65), "{said}");
    for words in ["terminate_session is sent, expected would_send", "impossible_travel did not speak; spoke:", "3 cases, 1 failed"] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    std::fs::write(dir.join("broken.json"), "[{ \"name\": \"x\", \"evnts\": [], \"expect\": [] }]").unwrap();
    let done = portcullis(dir, &["policy", "test", "policy.yaml", "broken.json"]);
    assert!(done.status.code() == Some(78) && text(&done.stderr).contains("unknown field `evnts`"), "{}", text(&done.stderr));
}
