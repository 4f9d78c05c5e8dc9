//! How soon after `kill -9` a partition with a million identities is decided on again: on the same host, and on another from a checkpoint.
//!
//! ```text
//! make bench-takeover            # on a machine that does nothing else; a minute or two
//! ```

use portcullis_connectors::kafka::{Reader, TopicPartition};
use portcullis_integration_tests::kafka::{shared, unique};
use portcullis_integration_tests::service::Service;
use std::time::{Duration, Instant};

const IDENTITIES: u64 = 1_000_000;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut service = Service::install(&shared(), &unique("million"), 1, "format: native, tenant: from_record, trust: control");
    let set = |name: &str, value: String| (format!("PORTCULLIS_STATE__CHECKPOINTS__{name}"), value);
    let environment = vec![set("URL", format!("file://{}", folder.path().display())), set("EVERY", "20s".to_owned())];
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis() as u64;
    let line = |n: u64| {
        let (id, time) = (n % IDENTITIES, now_ms - 3_600_000 + n);
        format!(
            r#"{{"id":"e-{n}","time":{time},"type":"api.request","outcome":"success","identity":{{"id":"user-{id}","class":"customer"}},"session":{{"id":"s-{id}"}},"source":{{"ip":"192.0.2.9","country":"CH"}},"request":{{"method":"GET","route":"/v1/things","status":200,"bytes":900}}}}"#
        )
        .into_bytes()
    };
    let feed = |service: &Service, range: std::ops::Range<u64>| {
        for from in range.clone().step_by(100_000) {
            let lines: Vec<Vec<u8>> = (from..range.end.min(from + 100_000)).map(line).collect();
            service.feed(&lines.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    };
    let end_of = |service: &Service, topic: &str| {
        Reader::open(service.settings()).and_then(|r| r.watermarks(&TopicPartition::new(topic, 0))).expect("a leader").1
    };
    let until = |service: &Service, what: &str, is_so: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(300), "waited for {what}; {}", service.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    };
    service.start_with(&[], &environment);
    let began = Instant::now();
    feed(&service, 0..IDENTITIES);
    let has_settled = |service: &Service| {
        let before = end_of(service, &service.names.journal);
        std::thread::sleep(Duration::from_secs(3));
        before > 0 && end_of(service, &service.names.journal) == before
    };
    until(&service, "everything decided", &|| has_settled(&service));
    println!("{IDENTITIES} identities made known in {:?}", began.elapsed());
    until(&service, "a checkpoint of them", &|| {
        let log = service.log();
        let of_score = log.lines().filter(|l| l.contains(" checkpoint of=") && l.contains(".events[0]"));
        let positions = of_score.filter_map(|l| l.split("position=").nth(1)?.split(' ').next()?.parse::<u64>().ok());
        positions.max().is_some_and(|position| position >= IDENTITIES)
    });
    // What a crash makes replay: the traffic since the last flush to disk, 5,000 events a second for 20 s here.
    feed(&service, 0..100_000);
    until(&service, "everything decided", &|| has_settled(&service));

    let (same, other): (&[&str], &[&str]) = (&[], &["--instance", "other"]);
    for (what, args, is_lost) in [("the same host", same, false), ("another host", other, true)] {
        service.kill();
        let killed = Instant::now();
        if is_lost {
            std::fs::remove_dir_all(service.path("state")).expect("another host has none");
        }
        let before = end_of(&service, &service.names.journal);
        service.feed(&[line(7).as_slice()]);
        service.start_with(args, &environment);
        let started = Instant::now();
        until(&service, "a decision", &|| end_of(&service, &service.names.journal) > before);
        println!("{what}: decides again {:?} after its start, {:?} after the kill", started.elapsed(), killed.elapsed());
        let told = |text: &str| service.log().lines().filter(|l| l.contains(text)).map(str::to_owned).collect::<Vec<_>>().join("\n");
        println!("{}\n{}", told("restored from"), told("state replayed"));
        until(&service, "everything decided", &|| has_settled(&service));
    }
    let bytes: u64 = std::fs::read_dir(service.path("state/score-0"))
        .expect("the state")
        .map(|f| f.expect("a file").metadata().expect("one").len())
        .sum();
    println!("{bytes} bytes of state on disk, {} an identity", bytes / IDENTITIES);
}
