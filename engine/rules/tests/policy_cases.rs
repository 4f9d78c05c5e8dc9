//! Broken policies and the exact words that their editors read: `engine/policy/cases/*.yaml`, each beside its `.faults`.

use portcullis_rules::parse;
use std::path::Path;

#[test]
fn every_broken_policy_is_told_exactly_what_is_wrong() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/cases");
    let mut cases: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    cases.sort();
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    let mut wrong = String::new();
    for case in cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let told: String = match parse(&name, &std::fs::read_to_string(&case).unwrap()) {
            Ok(_) => "none\n".to_owned(),
            Err(faults) => faults.iter().map(|f| format!("{f}\n")).collect(),
        };
        let expected = std::fs::read_to_string(case.with_extension("faults")).unwrap_or_default();
        if told != expected {
            wrong.push_str(&format!("--- {name} is expected to say\n{expected}--- and says\n{told}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
