//! The core has no clock, no I/O, no randomness and no hash order, and depends on nobody who does: read from its own sources.

use std::path::{Path, PathBuf};

/// What may not be named anywhere in `src`, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("SystemTime", "a clock"),
    ("Instant", "a clock"),
    ("Timestamp::now", "a clock"),
    ("Zoned::now", "a clock"),
    ("std::fs", "I/O"),
    ("std::io", "I/O"),
    ("std::net::Tcp", "I/O"),
    ("std::net::Udp", "I/O"),
    ("std::env::", "the environment"),
    ("std::process", "the environment"),
    ("std::thread", "threads"),
    ("HashMap", "hash order"),
    ("HashSet", "hash order"),
    ("RandomState", "randomness"),
    ("rand::", "randomness"),
    ("getrandom", "randomness"),
    ("println!", "output"),
    ("tokio", "the async runtime"),
    ("rdkafka", "Kafka"),
    ("rocksdb", "RocksDB"),
    (".sin()", "a platform float: use libm"),
    (".cos()", "a platform float: use libm"),
    (".exp()", "a platform float: use libm"),
    (".ln()", "a platform float: use libm"),
    (".log10()", "a platform float: use libm"),
    (".powf(", "a platform float: use libm"),
    (".powi(", "a platform float: use libm"),
    (".mul_add(", "a platform float: differs with the processor"),
];

/// The only crates the core may depend on.
const ALLOWED: &[&str] = &[
    "arrayvec",
    "base64",
    "blake3",
    "ed25519-dalek",
    "jiff",
    "libm",
    "postcard",
    "ring", // of it, verifying alone
    "saphyr",
    "saphyr-parser",
    "serde",
    "serde_json",
    "siphasher",
    "strsim",
    "thiserror",
    "ciborium",
];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Code without its comments; tests at the end of a file count too, so that nobody has to trust where they begin.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_core_names_nothing_impure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    assert!(files.len() > 30, "the sources were not found");
    let mut found = Vec::new();
    for file in files {
        let code = code(&std::fs::read_to_string(&file).unwrap());
        for (word, why) in FORBIDDEN {
            if code.contains(word) {
                found.push(format!("{}: {word} ({why})", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_core_depends_on_nobody_impure() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names: Vec<&str> = dependencies.lines().filter_map(|l| l.split(['.', ' ', '=']).next()).filter(|n| !n.is_empty()).collect();
    assert!(!names.is_empty());
    for name in names {
        assert!(ALLOWED.contains(&name), "engine/core may not depend on {name} (allowed: {ALLOWED:?})");
    }
}

#[test]
fn the_check_would_find_a_clock() {
    assert!(code("let t = std::time::Instant::now(); // why").contains("Instant"));
    assert!(!code("// an Instant would be a clock").contains("Instant"));
}
