//! What strangers sign: nothing is believed that was not signed by the key, and nothing breaks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::signature::{PublicKey, Signatory, verify};
use std::sync::LazyLock;

// A public key whose private one nobody has kept.
static KEYS: LazyLock<Vec<Signatory>> = LazyLock::new(|| {
    let key = PublicKey::ed25519("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap_or_else(|| panic!("the key of RFC 8037"));
    vec![Signatory { name: "nobody".to_owned(), kid: "k".to_owned(), key }]
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for typ in ["secevent+jwt", "portcullis-answer+jwt"] {
        if let Ok((who, payload)) = verify(text, typ, &KEYS) {
            panic!("{} is said to have signed {payload:?}", who.name);
        }
    }
    let (n, e) = text.split_once(' ').unwrap_or((text, "AQAB"));
    let _ = (PublicKey::ed25519(text), PublicKey::rsa(n, e));
});
