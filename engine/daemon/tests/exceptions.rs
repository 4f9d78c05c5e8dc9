//! Exceptions through the program: what `policy check` says of their ends, and what becomes of a job in its envelope and outside it.

use portcullis_core::time::{DAY_MS, Time};
use std::path::Path;
use std::process::{Command, Output};
use std::time::SystemTime;

fn portcullis(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis")).current_dir(dir).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// So many days from today.
fn day(ahead: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64;
    Time(now + ahead * DAY_MS).to_string().chars().take(10).collect()
}

/// The default policy with an exception that ends on this day.
fn write_policy(dir: &Path, expires: &str) {
    let default = text(&portcullis(dir, &["policy", "show"]).stdout);
    let exception = format!(
        "exceptions:\n  - id: migration\n    owner: pay\n    reason: PAY-1182\n    expires: {expires}\n    subject: {{ identity: svc-etl }}\n    \
         signals: [night_read]\n    within: {{ networks: [192.0.2.0/24] }}\n"
    );
    let rule = "rules: [ { id: night_read, when: \"type = 'secret.read'\", weight: 40, family: privilege } ]\n";
    std::fs::write(dir.join("policy.yaml"), format!("{default}\n{rule}{exception}")).unwrap();
}

#[test]
fn check_says_what_ends_too_late_soon_or_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let check = |ahead| {
        write_policy(dir, &day(ahead));
        let done = portcullis(dir, &["policy", "check", "policy.yaml"]);
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (status, out, warned) = check(60);
    assert_eq!((status, warned.as_str()), (Some(0), ""));
    assert!(out.contains(", 1 exceptions, no fault"), "{out}");
    let (status, _, told) = check(95);
    assert_eq!(status, Some(78));
    assert!(told.contains("exceptions[0].expires: is 95 days ahead, at most 90 are allowed, write "), "{told}");
    let (status, _, warned) = check(4);
    assert_eq!(status, Some(0));
    assert!(warned.contains("warning: policy.yaml:") && warned.contains("exceptions[0].expires: expires in 4 days, renew it"), "{warned}");
    let (status, _, warned) = check(-2);
    assert_eq!(status, Some(0));
    assert!(warned.contains("exceptions[0].expires: has expired: it silences nothing"), "{warned}");
    write_policy(dir, &day(60));
    let shown = text(&portcullis(dir, &["policy", "show", "policy.yaml", "--effective"]).stdout);
    assert!(shown.contains(&format!("    expires: {} # 60 days left\n", day(60))), "{shown}");
}

#[test]
fn a_job_is_silent_in_its_envelope_loud_outside_it_and_loud_after_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let read = |day: &str, ip: &str| {
        format!(
            r#"{{"time":"{day}T03:00:00Z","type":"secret.read","outcome":"success","identity":{{"id":"svc-etl","class":"service"}},"source":{{"ip":"{ip}"}},"change":{{"secret":"db"}}}}"#
        )
    };
    // Long past: an old log under an old policy is judged as it was.
    write_policy(dir, "2025-03-10");
    for (file, day, ip) in
        [("inside", "2025-03-10", "192.0.2.7"), ("outside", "2025-03-10", "203.0.113.7"), ("after", "2025-03-11", "192.0.2.7")]
    {
        std::fs::write(dir.join(file), read(day, ip)).unwrap();
        let done = portcullis(
            dir,
            &["score", file, "--format", "native", "--policy", "policy.yaml", "--emit", "all", "--out", &format!("{file}-out")],
        );
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
    let explained = |file: &str| text(&portcullis(dir, &["explain", "svc-etl", "--in", &format!("{file}-out")]).stdout);
    let inside = explained("inside");
    assert!(inside.contains("is low since") && inside.contains("night_read (privilege): excepted by migration: "), "{inside}");
    let outside = explained("outside");
    assert!(
        outside.contains("+40.0 dB  night_read")
            && outside.contains("envelope_breach (integrity): it left the network of the exception migration"),
        "{outside}"
    );
    let after = explained("after");
    assert!(after.contains("+40.0 dB  night_read") && !after.contains("exception"), "{after}");
}
