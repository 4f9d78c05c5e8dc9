//! A policy's or a mapping's text: a policy, or faults with their places. What is in force, written out, is a policy that says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_connectors::formats::custom::Mapping;
use portcullis_core::policy::Policy;
use portcullis_core::policy::effective::effective;
use portcullis_core::policy::parse::parse;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse("fuzz.yaml", text) {
        Err(faults) => assert!(!faults.is_empty()),
        Ok(policy) => {
            let shown = effective(&policy);
            let again = parse("shown.yaml", &shown).unwrap_or_else(|faults| panic!("{faults:?}\n{shown}"));
            // The digest is of the text.
            assert_eq!(Policy { digest: policy.digest.clone(), ..again }, policy);
        }
    }
    let _ = Mapping::parse("fuzz.yaml", text);
});
