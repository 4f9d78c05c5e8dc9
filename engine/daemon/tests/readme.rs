//! What the pages promise of the command line: their commands are ones that it knows, those that need no Kafka are run, what they show is
//! what is printed; their links and the tests that they name exist.

use clap::Parser;
use portcullis::cli::Cli;
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

/// A page of the repository, by its name in it.
fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn pages() -> Vec<String> {
    let mut names = vec!["README.md".to_owned(), "helm/portcullis/README.md".to_owned()];
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    names.extend(docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap())).filter(|name| name.ends_with(".md")));
    names.sort();
    names
}

/// What stands between fences; within a list a block is indented.
fn blocks(text: &str) -> Vec<String> {
    let (mut blocks, mut open) = (Vec::new(), None::<(usize, Vec<&str>)>);
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        open = match open.take() {
            None => is_fence.then(|| (line.len() - line.trim_start().len(), Vec::new())),
            Some((_, block)) if is_fence => {
                blocks.push(block.join("\n"));
                None
            }
            Some((indent, mut block)) => {
                block.push(line.get(indent..).unwrap_or_default());
                Some((indent, block))
            }
        };
    }
    blocks
}

/// Runs the blocks of commands between two headings of a page, one after the other in one folder. A block that holds no command is what the
/// commands before it print, shortened: each of its lines must be a line of that.
fn follow(name: &str, from: &str, to: &str) {
    let text = page(name);
    let section =
        text.split_once(from).and_then(|(_, after)| after.split_once(to)).unwrap_or_else(|| panic!("{name}: from {from} to {to}")).0;
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("docs"), dir.path().join("docs")).unwrap();
    let beside = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap().to_str().unwrap();
    let path = format!("{beside}:{}", std::env::var("PATH").unwrap_or_default());
    let (mut printed, mut shown) = (String::new(), 0);
    for block in blocks(section) {
        if block.starts_with("portcullis ") {
            printed = stdout(&Command::new("sh").args(["-euc", &block]).current_dir(dir.path()).env("PATH", &path).output().unwrap());
            continue;
        }
        for line in block.lines().filter(|line| !line.is_empty()) {
            assert!(printed.lines().any(|l| l == line), "{name} shows {line:?}, the commands before it print\n{printed}");
            shown += 1;
        }
    }
    assert!(shown > 8, "{name} shows {shown} lines of output");
}

#[test]
fn what_the_pages_show_is_what_is_printed() {
    follow("README.md", "### Score a log file", "### See what would be done");
    follow("docs/quickstart.md", "## A file", "## Kafka on one machine");
}

/// The words of a command as a shell takes them: up to a comment or whatever comes after it, quotes taken off.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#' | '|' | '>' | '<' | '&' | ';' | ')') if word.is_none() => break,
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn the_command_line_knows_every_command_of_the_pages() {
    let mut known = 0;
    for name in pages() {
        for block in blocks(&page(&name)) {
            for line in block.replace("\\\n", " ").lines() {
                for command in line.split(" && ").map(str::trim_start).filter(|c| c.starts_with("portcullis ")) {
                    // `...` stands for what the reader knows.
                    let words = words(command).into_iter().filter(|word| word != "...");
                    match Cli::try_parse_from(words) {
                        Err(error) if error.use_stderr() => panic!("{name}: {command}\n{error}"),
                        _ => known += 1,
                    }
                }
            }
        }
    }
    assert!(known > 60, "{known} commands");
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    for name in pages() {
        let text = page(&name);
        let folder = root().join(&name).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|after| after.split([')', ' ']).next()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { root().join(&name) } else { folder.join(file) };
            assert!(target.exists(), "{name}: {link} leads nowhere");
            if heading.is_empty() {
                continue;
            }
            let target = std::fs::read_to_string(&target).unwrap();
            let slug = |heading: &str| -> String {
                heading.trim().to_lowercase().replace(' ', "-").chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
            };
            let mut headings = target.lines().filter(|line| line.starts_with('#')).map(|line| slug(line.trim_start_matches('#')));
            assert!(headings.any(|h| h == heading), "{name}: {link}: no such heading");
        }
    }
}

/// `file.rs::name` stands for a test, or another function, that is there.
#[test]
fn the_pages_name_tests_that_exist() {
    let mut named = 0;
    for name in pages() {
        let text = page(&name);
        for quoted in text.split('`').skip(1).step_by(2).filter(|q| !q.contains(char::is_whitespace)) {
            if let Some((file, function)) = quoted.split_once(".rs::") {
                assert!(page(&format!("{file}.rs")).contains(&format!("fn {function}(")), "{name}: {quoted} is not there");
                named += 1;
            }
        }
    }
    assert!(named > 40, "{named} tests are named");
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
