//! Five thousand that wait, on a real Kafka, among many verdicts: the list of them is there at once, can be read, and a group of them is
//! answered with one reason. It prints what it measured.

use portcullis_connectors::kafka::{Sink, SinkSettings};
use portcullis_core::gate::state::tenant_key;
use portcullis_integration_tests::desk::Desk;
use portcullis_integration_tests::kafka::{shared, unique};
use portcullis_integration_tests::proposal::{encoded, proposal};
use std::time::{Duration, Instant};

const WAITING: usize = 5_000;
const VERDICTS: usize = 300_000;
const CAUSES: [&str; 3] = ["credential_stuffing", "session_hijack", "campaign-7"];

/// Proposals as SCORE writes them, and what stands on a busy output topic.
fn fill(desk: &Desk) {
    let mut sink = Sink::open(&shared(), SinkSettings::new(unique("fill"))).unwrap();
    let verdict = vec![b'x'; 1_000];
    for chunk in (0..VERDICTS).collect::<Vec<_>>().chunks(10_000) {
        sink.begin().unwrap();
        for n in chunk {
            let key = format!("u-{n}");
            sink.send(&desk.service.names.verdicts, None, Some(key.as_bytes()), Some(&verdict), &[("type", b"verdict".as_slice())], None)
                .unwrap();
        }
        sink.commit_outputs().unwrap();
    }
    sink.begin().unwrap();
    for n in 0..WAITING {
        let mut proposal = proposal(n);
        // The first has half of them.
        proposal.leading_signal = CAUSES[if n.is_multiple_of(2) { 0 } else { 1 + n / 2 % 2 }].to_owned();
        let value = encoded(proposal);
        sink.send(&desk.service.names.proposals, None, Some(&tenant_key("acme")), Some(&value), &[], None).unwrap();
    }
    sink.commit_outputs().unwrap();
}

/// What a command says, and how long it takes.
fn timed(desk: &Desk, args: &[&str]) -> (String, Duration) {
    let began = Instant::now();
    let said = desk.contain(args);
    (said, began.elapsed())
}

#[test]
fn five_thousand_that_wait_are_listed_grouped_and_answered() {
    let mut desk = Desk::open("waiting", "format: native, tenant: from_record");
    desk.change("policy.yaml", |policy| {
        let policy: Vec<&str> = policy.lines().map(|line| if line.starts_with("breaker:") { "breaker: none" } else { line }).collect();
        policy.join("\n")
    });
    desk.service.start();
    fill(&desk);
    desk.wait("all of them", |desk| desk.contain(&["list", "--group", "tenant"]).contains("5000 in all").then_some(()));

    let (list, of_table) = timed(&desk, &["list"]);
    assert_eq!(list.lines().count(), WAITING + 2);
    let (since, of_all) = timed(&desk, &["list", "--since", "1h", "--group", "cause"]);
    let (groups, of_groups) = timed(&desk, &["list", "--group", "cause"]);
    assert!(since == groups && groups.lines().count() == 5, "{groups}{since}");
    assert!(groups.lines().nth(1).unwrap().contains("2500 credential_stuffing"), "{groups}");
    let (few, of_filter) = timed(&desk, &["list", "--cause", "campaign-7"]);
    assert!(few.contains("1250 in all, 1250 agreements wanted"), "{few}");
    println!(
        "{WAITING} waiting among {VERDICTS} verdicts of 1 kB: list {of_table:.1?}, by cause {of_groups:.1?}, of one cause {of_filter:.1?}; \
         out of all that was published since {of_all:.1?}"
    );
    assert!(of_table < Duration::from_secs(5), "the list takes {of_table:?}");

    let began = Instant::now();
    let (is_fine, said) = desk.says("anna", &["approve", "--cause", "credential_stuffing", "--action", "terminate_session"]);
    assert!(is_fine && said.contains("2500 accepted, 0 refused"), "{}", &said[said.len().saturating_sub(300)..]);
    println!("2500 approved with one reason and heard of: {:.1?}", began.elapsed());
    let left = desk.contain(&["list", "--group", "cause"]);
    assert!(left.contains("2500 in all") && !left.contains("credential_stuffing"), "{left}");
    let sent = desk.published("containment-request").iter().filter(|r| r["approval"]["by"][0]["by"] == "anna").count();
    assert_eq!(sent, 2_500);
}
