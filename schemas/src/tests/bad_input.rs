//! The native format's bad inputs, one fault each: where it is and what it says.

use crate::json::{DEPTH_MAX, decode_event};
use crate::validate::{ID_BYTES_MAX, TEXT_BYTES_MAX};
use crate::{Fault, RECORD_BYTES_MAX};

fn fault(record: impl AsRef<[u8]>) -> Fault {
    decode_event(record.as_ref()).expect_err("a bad record was read")
}

/// A log-in with `extra` at its end.
fn login(extra: &str) -> String {
    format!(r#"{{"time":1795000000000,"type":"auth.login","identity":{{"id":"u-1"}}{extra}}}"#)
}

#[test]
fn each_bad_record_is_explained() {
    let long_id = "u".repeat(ID_BYTES_MAX + 1);
    let cases: &[(String, &str, &str)] = &[
        // Not JSON, or not an event.
        ("".into(), "", "EOF while parsing"),
        ("hello".into(), "", "expected value"),
        ("[]".into(), "", "expected an object"),
        (r#"["e",1795000000000,"auth.login"]"#.into(), "", "expected an object"),
        ("null".into(), "", "invalid type: null"),
        (login("").replace('}', ""), "identity", "EOF while parsing"),
        (login("") + "{}", "", "trailing characters"),
        (login("") + "\0", "", "trailing characters"),
        // Missing.
        (r#"{"type":"auth.login","identity":{"id":"u"}}"#.into(), "time", "is required"),
        (r#"{"time":1795000000000,"identity":{"id":"u"}}"#.into(), "type", "is required"),
        (r#"{"time":1795000000000,"type":"auth.login"}"#.into(), "identity.id", "is required for auth.login"),
        (r#"{"time":1795000000000,"type":"auth.login","identity":{}}"#.into(), "identity.id", "is required"),
        (r#"{"time":1795000000000,"type":"auth.login","identity":{"id":""}}"#.into(), "identity.id", "is required for auth.login"),
        (login("").replace("auth.login", "inventory.identity"), "inventory", "is required for inventory.identity"),
        (r#"{"time":1795000000000,"type":"containment.outcome"}"#.into(), "containment", "is required for containment.outcome"),
        (
            r#"{"time":1795000000000,"type":"containment.outcome","containment":{"status":"done"}}"#.into(),
            "containment.subject",
            "is required",
        ),
        (r#"{"time":1795000000000,"type":"feedback.label"}"#.into(), "feedback", "is required for feedback.label"),
        (
            r#"{"time":1795000000000,"type":"feedback.label","feedback":{"label":"chargeback","verdict_id":"v-1"}}"#.into(),
            "feedback.subject",
            "is required",
        ),
        (login(r#","feedback":{}"#), "feedback.label", "is required"),
        // Wrong types.
        (login("").replace("1795000000000", "\"yesterday\""), "time", "RFC 3339"),
        (login("").replace("1795000000000", "1.5"), "time", "RFC 3339"),
        (login("").replace("1795000000000", "99999999999999999999"), "time", "RFC 3339"),
        (login("").replace("\"u-1\"", "7"), "identity.id", "invalid type: integer"),
        (login(r#","source":"192.0.2.1""#), "source", "invalid type: string"),
        (login(r#","source":["192.0.2.1"]"#), "source", "expected an object"),
        (login(r#","source":{"asn":-1}"#), "source.asn", "expected u32"),
        (login(r#","source":{"lat":"north"}"#), "source.lat", "expected f64"),
        (login(r#","auth":{"amr":["pwd",7]}"#), "auth.amr[1]", "invalid type: integer"),
        (login(r#","inventory":{"expected":[[]]}"#), "inventory.expected", "expected an object"),
        (login(r#","inventory":{"delegated_by":[["u-2"]]}"#), "inventory.delegated_by[0]", "expected an object"),
        (login(r#","tenant":"a","tenant":"b""#), "", "duplicate field `tenant`"),
        // Unknown values.
        (login("").replace("auth.login", "auth.logon"), "type", "did you mean \"auth.login\"?"),
        (login(r#","outcome":"sucess""#), "outcome", "did you mean \"success\"?"),
        (login(r#","credential":{"kind":"retina"}"#), "credential.kind", "known are password"),
        // Out of range.
        (login("").replace("1795000000000", "1795000000"), "time", "are these seconds?"),
        (login("").replace("1795000000000", "\"1970-01-01T00:00:00Z\""), "time", "is outside 2000-01-01"),
        (login("").replace("1795000000000", "\"2200-01-01T00:00:00Z\""), "time", "is outside 2000-01-01"),
        (login("").replace("1795000000000", "9223372036854775807"), "time", "is outside 2000-01-01"),
        (login(r#","source":{"lat":90.5}"#), "source.lat", "outside -90 to 90"),
        (login(r#","source":{"lon":-181}"#), "source.lon", "outside -180 to 180"),
        (login(r#","source":{"lat":1e999}"#), "source.lat", "out of range"),
        (login(r#","request":{"bytes":18446744073709551615}"#), "request.bytes", "is above"),
        (login(r#","credential":{"issued_at":9223372036854775807}"#), "credential.issued_at", "years 0000 to 9999"),
        (login(r#","inventory":{"criticality":4}"#), "inventory.criticality", "outside 0 to 3"),
        // Names that cannot be.
        (login("").replace("u-1", "u\\u0000"), "identity.id", "NUL"),
        (login(r#","source":{"device_id":"\u0000"}"#), "source.device_id", "NUL"),
        (login(r#","session":{"id":"a\u0000b"}"#), "session.id", "NUL"),
        (login("").replace("u-1", &long_id), "identity.id", "has 513 bytes, at most 512"),
        (login(r#","tenant":"""#), "tenant", "is empty"),
        (login(r#","tenant":"a\u001fb""#), "tenant", "U+001F"),
        (login("").replace("u-1", "\\ud800"), "identity.id", "hex escape"),
        (login("").replace("u-1", "u\n"), "identity.id", "control character"),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .map(|(record, path, what)| (record, path, what, fault(record)))
        .filter(|(_, path, what, fault)| fault.path != **path || !fault.what.contains(**what))
        .map(|(record, path, what, fault)| format!("{record}\n  is     {}: {}\n  not    {path}: {what}", fault.path, fault.what))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bytes_that_are_no_text_are_a_fault_wherever_they_are() {
    for place in [r#","id":"!""#, r#","unheard_of":"!""#] {
        let record: Vec<u8> = login(place).bytes().map(|b| if b == b'!' { 0xff } else { b }).collect();
        assert!(fault(record).what.starts_with("invalid UTF-8 at byte "));
    }
}

#[test]
fn nesting_is_limited_also_where_nobody_looks() {
    let nested = |depth: usize| login(&format!(r#","unheard_of":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    assert!(decode_event(nested(DEPTH_MAX - 1).as_bytes()).is_ok());
    for depth in [DEPTH_MAX, 10_000, 400_000] {
        assert_eq!(fault(nested(depth)).what, "objects and arrays are nested more than 100 deep");
    }
    let objects = login(&format!(r#","source":{}{}"#, r#"{"a":"#.repeat(10_000), "}".repeat(10_000)));
    assert_eq!(fault(objects).what, "objects and arrays are nested more than 100 deep");
    // Brackets in text are text.
    assert!(decode_event(login(&format!(r#","unheard_of":"\"{}""#, "[".repeat(1_000))).as_bytes()).is_ok());
}

#[test]
fn a_record_has_a_greatest_length() {
    let padded = |length: usize| {
        let record = login("");
        let padding = length - record.len();
        record + &" ".repeat(padding)
    };
    assert!(decode_event(padded(RECORD_BYTES_MAX).as_bytes()).is_ok());
    assert!(fault(padded(RECORD_BYTES_MAX + 1)).what.contains("at most 1048576 are read"));
}

/// A client must not be able to keep its log-in from being judged by what it calls itself.
#[test]
fn free_text_is_cut_not_refused() {
    let agent = "é".repeat(TEXT_BYTES_MAX);
    let record = login(&format!(r#","source":{{"user_agent":"a{agent}","ja4":"\u0000"}},"auth":{{"amr":["{agent}"]}}"#));
    let event = decode_event(record.as_bytes()).unwrap();
    let kept = event.source.as_ref().unwrap().user_agent.as_ref().unwrap();
    assert_eq!(kept.len(), TEXT_BYTES_MAX - 1);
    assert!(agent.starts_with(&kept[1..]));
    assert_eq!(event.auth.as_ref().unwrap().amr[0].len(), TEXT_BYTES_MAX);
}

#[test]
fn a_message_never_carries_the_whole_record() {
    let fault = fault(login("").replace("auth.login", &"x".repeat(500_000)));
    assert_eq!(fault.path, "type");
    assert!(fault.what.len() < 400);
}

#[test]
fn what_only_ingest_may_say_is_dropped() {
    let record = login(r#","origin":{"cluster":"c","topic":"t","partition":0,"offset":1,"index":0},"stamp":{"inventoried":true}"#);
    let event = decode_event(record.as_bytes()).unwrap();
    assert_eq!((event.origin, event.stamp), (None, None));
}

#[test]
fn control_records_may_name_their_subject_themselves() {
    let outcome =
        r#"{"time":1795000000000,"type":"containment.outcome","containment":{"status":"done","subject":{"kind":"identity","id":"u"}}}"#;
    assert!(decode_event(outcome.as_bytes()).is_ok());
    let label = r#"{"time":1795000000000,"type":"feedback.label","feedback":{"label":"chargeback","subject":{"kind":"card","id":"c"}}}"#;
    assert!(decode_event(label.as_bytes()).is_ok());
    assert_eq!(fault(outcome.replace("\"u\"", "\"\"")).path, "containment.subject.id");
}
