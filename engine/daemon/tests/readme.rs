//! What the README promises of the command line: its examples are scored, its explanation is the one that is printed, the demo tells its story.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn portcullis(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis")).current_dir(root()).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn every_example_record_is_scored() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    for (file, records) in [("native.ndjson", 49), ("okta.ndjson", 1), ("cloudtrail.json", 1), ("ocsf.ndjson", 1)] {
        stdout(&portcullis(&["score", &format!("docs/examples/{file}"), "--out", out]));
        let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.path().join("summary.json")).unwrap()).unwrap();
        assert_eq!((&summary["read"], &summary["scored"]), (&records.into(), &records.into()), "{file}: {summary:#}");
    }
}

#[test]
fn the_explanation_in_the_readme_is_the_one_that_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    stdout(&portcullis(&["score", "docs/examples/native.ndjson", "--out", out]));
    let explained = stdout(&portcullis(&["explain", "ann", "--in", out]));
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, after) = readme.split_once("and prints\n\n```\n").unwrap();
    let (shown, _) = after.split_once("```").unwrap();
    let shown: Vec<&str> = shown.lines().filter(|line| !line.is_empty()).collect();
    assert!(shown.len() > 8, "{shown:?}");
    for line in shown {
        assert!(explained.lines().any(|l| l == line), "the README shows {line:?}, the command prints\n{explained}");
    }
}

#[test]
fn the_least_configuration_is_valid_and_plans_its_topics() {
    let valid = portcullis(&["validate", "--no-environment", "--config", "docs/examples/portcullis.yaml"]);
    assert!(stdout(&valid).contains("is valid"));
    let plan = portcullis(&["topics", "plan", "--no-environment", "--config", "docs/examples/portcullis.yaml"]);
    assert!(stdout(&plan).contains("portcullis.events"));
}

#[test]
fn the_demo_tells_its_story_and_leaves_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let told = stdout(&portcullis(&["demo", "--events", "20000", "--out", dir.path().to_str().unwrap()]));
    for words in ["in sum, with the", "asked for:", "Against the truth:", "left in peace", "portcullis explain "] {
        assert!(told.contains(words), "{words:?} is not in\n{told}");
    }
    // Only a folder's name may be longer.
    assert!(told.lines().all(|line| line.chars().count() <= 100 || line.contains('/')), "{told}");
    let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("Against the truth") && page.contains("<polyline"), "{} bytes", page.len());
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"), "the page needs something from outside");
}

/// What was scored before is not lost to a mistyped name, nor an input to its own output folder.
#[test]
fn nothing_is_written_over_before_the_inputs_are_known_to_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let (out, events) = (dir.path().join("out"), dir.path().join("events.ndjson"));
    std::fs::write(&events, "{\"time\":1760000000000,\"type\":\"auth.login\",\"identity\":{\"id\":\"u\"}}\n").unwrap();
    let score = |input: &std::path::Path| {
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("score")
            .arg(input)
            .args(["--emit", "all", "--out"])
            .arg(&out)
            .output()
            .unwrap();
        (done.status.code(), std::fs::read_to_string(out.join("verdicts.ndjson")).unwrap_or_default())
    };
    let (code, first) = score(&events);
    assert_eq!((code, first.lines().count()), (Some(0), 1));
    assert_eq!(score(&dir.path().join("nosuch.ndjson")), (Some(1), first.clone()));
    assert_eq!(score(&out.join("verdicts.ndjson")), (Some(64), first));
}

#[test]
fn a_full_standard_output_is_an_error_and_no_panic() {
    for args in [&["policy", "show"][..], &["config", "schema"], &["simulate", "--list"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_portcullis")).args(args).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("writing to standard output: No space left") && !said.contains("panicked"), "{args:?}: {said}");
    }
}

#[test]
fn a_run_that_fails_leaves_no_summary_of_another_and_names_from_a_log_steer_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let (out, events) = (dir.path().join("out"), dir.path().join("events.ndjson"));
    let out_text = out.to_str().unwrap();
    std::fs::write(&events, "{\"time\":1760000000000,\"type\":\"auth.login\",\"identity\":{\"id\":\"a\\u001b[31mRED\\nx\"}}\n").unwrap();
    stdout(&portcullis(&["score", events.to_str().unwrap(), "--emit", "all", "--out", out_text]));
    let explained = stdout(&portcullis(&["explain", "a\u{1b}[31mRED\nx", "--in", out_text]));
    assert!(explained.contains("identity a\u{fffd}[31mRED\u{fffd}x") && !explained.contains('\u{1b}'), "{explained}");

    assert!(out.join("summary.json").exists());
    std::fs::remove_file(out.join("verdicts.ndjson")).unwrap();
    std::os::unix::fs::symlink("/dev/full", out.join("verdicts.ndjson")).unwrap();
    let failed = portcullis(&["score", events.to_str().unwrap(), "--emit", "all", "--out", out_text]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(!out.join("summary.json").exists(), "of the run before");
}
