//! A log shipper that people use: rsyslog reads a log file into Kafka, Portcullis reads the topic, kcat reads the verdict. Configuration and
//! command are those of `docs/shipping.md`.

use portcullis_integration_tests::attack::push_fatigue;
use portcullis_integration_tests::kafka::{shared, signal, unique};
use portcullis_integration_tests::service::Service;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PAGE: &str = include_str!("../../docs/shipping.md");
const PATIENCE: Duration = Duration::from_secs(60);

/// What is missing to run this, with how to get it.
fn missing() -> Option<&'static str> {
    let has_module = std::fs::read_dir("/usr/lib")
        .ok()
        .is_some_and(|architectures| architectures.flatten().any(|architecture| architecture.path().join("rsyslog/omkafka.so").exists()));
    let has_kcat = Command::new("kcat").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let is_there = Path::new("/usr/sbin/rsyslogd").exists() && has_module && has_kcat;
    (!is_there).then_some("rsyslog, its Kafka module or kcat: on Debian `apt-get install rsyslog rsyslog-kafka kcat`")
}

/// The first block of the page in a language.
fn block(language: &str) -> &'static str {
    let (_, after) = PAGE.split_once(&format!("```{language}\n")).expect("the page has such a block");
    after.split_once("```").expect("it ends").0
}

struct Rsyslog(Child);

impl Rsyslog {
    fn start(configuration: &str) -> Rsyslog {
        let mut command = Command::new("/usr/sbin/rsyslogd");
        Rsyslog(command.args(["-n", "-iNONE", "-f", configuration]).stdin(Stdio::null()).spawn().unwrap())
    }

    fn stop(mut self) {
        signal(self.0.id(), "TERM");
        self.0.wait().unwrap();
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn rsyslog_ships_a_log_file_and_kcat_reads_the_verdict() {
    if let Some(what) = missing() {
        eprintln!("skipped, for want of {what}");
        return;
    }
    let mut service = Service::install(&shared(), &unique("shipped"), 1, "format: native, tenant: retail");
    let raw = format!("{}-raw", service.names.events.trim_end_matches(".events"));
    let broker = service.settings().bootstrap_servers.clone();
    let log = service.path("auth.ndjson");
    std::fs::create_dir(service.path("spool")).unwrap();
    let configuration = block("rsyslog")
        .replace("/var/spool/rsyslog", &service.shown("spool"))
        .replace("/var/log/app/auth.ndjson", &service.shown("auth.ndjson"))
        .replace("kafka-1:9092", &broker)
        .replace("\"auth-log\"", &format!("{raw:?}"));
    std::fs::write(service.path("rsyslog.conf"), configuration).unwrap();
    let append = |lines: &[String]| {
        let mut file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        lines.iter().for_each(|line| writeln!(file, "{line}").unwrap());
    };

    service.start();
    let (first, second) = (push_fatigue("tired", None), push_fatigue("weary", None));
    append(&first[..3]);
    let rsyslog = Rsyslog::start(&service.shown("rsyslog.conf"));
    append(&first[3..]);
    let verdict_on = |who: &str| {
        let began = Instant::now();
        loop {
            let command = block("sh").replace("kafka-1:9092", &broker).replace("portcullis.verdicts", &service.names.verdicts);
            let done = Command::new("sh").args(["-c", &command]).output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout).into_owned();
            let is_it = |line: &&str| line.starts_with("type=verdict") && line.contains(&format!("\"id\":\"{who}\""));
            if let Some(line) = said.lines().find(is_it) {
                return line.to_owned();
            }
            let errors = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(began.elapsed() < PATIENCE, "kcat read no verdict on {who}: {said} {errors}; {}", service.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    assert!(verdict_on("tired").contains("push_fatigue"));

    // What was written while it was away is shipped when it is back, and what was shipped is not lost.
    rsyslog.stop();
    append(&second);
    let rsyslog = Rsyslog::start(&service.shown("rsyslog.conf"));
    verdict_on("weary");
    rsyslog.stop();
    let shipped: Vec<String> = service.records(&raw).into_iter().map(|(_, value)| String::from_utf8(value).unwrap()).collect();
    for line in first.iter().chain(&second) {
        assert!(shipped.contains(line), "{line} is not among {shipped:#?}");
    }
    assert!(service.records(&service.names.dead_letter).is_empty(), "a line came changed");
    service.stop();
}
