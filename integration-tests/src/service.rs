//! The service as a process: a configuration in a folder of its own, started, killed and asked what it wrote.

use portcullis_connectors::kafka::topics::Names;
use portcullis_connectors::kafka::{Reader, Settings, Sink, SinkSettings, Start, TopicPartition};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The binary beside the running program, or above it, where a test runs.
///
/// # Panics
/// If it has not been built.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("the program's own path");
    let places: Vec<PathBuf> = own.ancestors().skip(1).take(2).map(|dir| dir.join("portcullis")).collect();
    match places.iter().find(|place| place.is_file()) {
        Some(binary) => binary.clone(),
        None => panic!("no portcullis beside {}: build the whole workspace (`make test` does)", own.display()),
    }
}

/// Of a record: names and values.
pub type Headers<'h> = &'h [(&'h str, &'h [u8])];

/// One installation: a prefix on a broker, a configuration, a state directory.
pub struct Service {
    dir: tempfile::TempDir,
    pub names: Names,
    settings: Settings,
    /// The configuration without `kafka`.
    rest: String,
    process: Option<Child>,
    starts: u32,
}

impl Service {
    /// Writes the configuration, makes the topics and a key. `partitions` of the events topic; the input topic `<prefix>-raw` too.
    ///
    /// # Panics
    /// If the broker or the binary refuses.
    pub fn install(settings: &Settings, prefix: &str, partitions: i32, input: &str) -> Service {
        let service = Self::configure(settings, prefix, partitions, input);
        service.cli(&["topics", "apply", "--config", &service.shown("portcullis.yaml")]);
        service
    }

    /// The same without our topics.
    ///
    /// # Panics
    /// As [`install`](Self::install).
    pub fn configure(settings: &Settings, prefix: &str, partitions: i32, input: &str) -> Service {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let raw = format!("{prefix}-raw");
        super::kafka::create_topic(settings, &raw, partitions);
        let path = |name: &str| dir.path().join(name).display().to_string();
        let rest = format!(
            "topics: {{ prefix: {prefix}, partitions: {partitions}, replication: 1 }}\n\
             ingest: {{ inputs: [ {{ topic: {raw}, {input} }} ] }}\nstate: {{ directory: {:?} }}\n\
             gate: {{ signing_key_file: {:?} }}\npolicy: {{ file: {:?} }}\nhttp: {{ listen: \"127.0.0.1:0\" }}\n",
            path("state"),
            path("gate.key"),
            path("policy.yaml")
        );
        let service = Service { dir, names: Names::new(prefix), settings: settings.clone(), rest, process: None, starts: 0 };
        service.configure_as("portcullis", settings);
        let policy = service.cli(&["policy", "show"]);
        std::fs::write(service.path("policy.yaml"), policy).expect("writing the policy");
        service.cli(&["gate", "keygen", "--out", &service.shown("gate.key")]);
        service
    }

    /// Writes the configuration of one who comes to Kafka in another way, and returns the name of its file.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn configure_as(&self, name: &str, settings: &Settings) -> String {
        let properties: Vec<String> = settings.properties.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        let kafka =
            format!("kafka: {{ bootstrap_servers: {:?}, properties: {{ {} }} }}\n", settings.bootstrap_servers, properties.join(", "));
        let file = self.shown(&format!("{name}.yaml"));
        std::fs::write(&file, kafka + &self.rest).expect("writing the configuration");
        file
    }

    /// Says more in the configuration, and in those that are written after it.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn configure_more(&mut self, yaml: &str) {
        self.rest.push_str(yaml);
        self.configure_as("portcullis", &self.settings.clone());
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Runs a command to its end and returns what it printed.
    ///
    /// # Panics
    /// If it fails, with what it said.
    pub fn cli(&self, args: &[&str]) -> String {
        self.cli_in(args, &[])
    }

    /// The same with a larger environment.
    ///
    /// # Panics
    /// If it fails, with what it said.
    pub fn cli_in(&self, args: &[&str], environment: &[(String, String)]) -> String {
        let (is_fine, said) = self.try_cli_in(args, environment);
        assert!(is_fine, "portcullis {}: {said}", args.join(" "));
        said
    }

    /// Runs a command to its end: whether it succeeded, and what it printed; what it complained of, too, if it did not.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn try_cli_in(&self, args: &[&str], environment: &[(String, String)]) -> (bool, String) {
        let environment = environment.iter().map(|(name, value)| (name, value));
        let done = Command::new(binary()).args(args).envs(environment).output().expect("running portcullis");
        let mut said = String::from_utf8_lossy(&done.stdout).into_owned();
        if !done.status.success() {
            said.push_str(&String::from_utf8_lossy(&done.stderr));
        }
        (done.status.success(), said)
    }

    /// Starts all three roles.
    ///
    /// # Panics
    /// If the process cannot be started, or one runs already.
    pub fn start(&mut self) {
        self.start_with(&[], &[]);
    }

    /// The same with more arguments and a larger environment.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_with(&mut self, args: &[&str], environment: &[(String, String)]) {
        assert!(self.process.is_none(), "it runs already");
        self.starts += 1;
        let log = File::create(self.path(&format!("run-{}.log", self.starts))).expect("the log file");
        let child = Command::new(binary())
            .args(["run", "--config", &self.shown("portcullis.yaml")])
            .args(if args.contains(&"--instance") { Vec::new() } else { vec!["--instance", "test"] })
            .args(args)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("starting portcullis run");
        self.process = Some(child);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }

    /// An orderly end; the exit status is said to be an interrupt's or success.
    ///
    /// # Panics
    /// If it does not end within half a minute.
    pub fn stop(&mut self) {
        let Some(mut child) = self.process.take() else { return };
        super::kafka::signal(child.id(), "TERM");
        let began = Instant::now();
        while child.try_wait().expect("asking for the process").is_none() {
            assert!(began.elapsed() < Duration::from_secs(30), "portcullis did not end within 30 s of SIGTERM; {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The log of the latest start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path(&format!("run-{}.log", self.starts))).unwrap_or_default()
    }

    /// Puts lines on the input topic, in transactions of some thousand.
    ///
    /// # Panics
    /// If Kafka refuses.
    pub fn feed(&self, lines: &[&[u8]]) {
        self.feed_with_headers(&lines.iter().map(|line| (*line, &[][..])).collect::<Vec<_>>());
    }

    /// The same, with headers.
    ///
    /// # Panics
    /// If Kafka refuses.
    pub fn feed_with_headers(&self, lines: &[(&[u8], Headers<'_>)]) {
        let topic = format!("{}-raw", self.names.events.trim_end_matches(".events"));
        let mut sink = Sink::open(&self.settings, SinkSettings::new(super::kafka::unique("feed"))).expect("a producer");
        for chunk in lines.chunks(5_000) {
            sink.begin().expect("begin");
            for (line, headers) in chunk {
                sink.send(&topic, None, None, Some(line), headers, None).expect("send");
            }
            sink.commit_outputs().expect("commit");
        }
    }

    /// Every committed record of a topic: header `type` and value.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn records(&self, topic: &str) -> Vec<(String, Vec<u8>)> {
        self.records_by(topic, "type")
    }

    /// The same with another header; empty where there is none.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn records_by(&self, topic: &str, header: &str) -> Vec<(String, Vec<u8>)> {
        let mut reader = Reader::open(&self.settings).expect("a reader");
        let mut all = Vec::new();
        for partition in 0..reader.partitions(topic).expect("the topic's partitions") {
            reader
                .read(&TopicPartition::new(topic, partition), Start::Beginning, None, |record| {
                    let kind = record.header(header).map(|v| String::from_utf8_lossy(v).into_owned()).unwrap_or_default();
                    all.push((kind, record.value.unwrap_or_default().to_vec()));
                    ControlFlow::Continue(())
                })
                .expect("reading the topic");
        }
        all
    }

    /// Waits until the number of committed records of a topic is `wanted`.
    ///
    /// # Panics
    /// If that takes longer than `patience`, or more come than are wanted.
    pub fn wait_for(&self, topic: &str, wanted: usize, patience: Duration) {
        let began = Instant::now();
        loop {
            let now = self.records(topic).len();
            assert!(now <= wanted, "{topic} holds {now} records, more than the {wanted} that the input gives");
            if now == wanted {
                return;
            }
            assert!(began.elapsed() < patience, "{topic} holds {now} of {wanted} records after {:?}; {}", began.elapsed(), self.log());
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Waits until a topic stands still: nothing new for as long as `quiet`.
    pub fn settle(&self, topic: &str, quiet: Duration) {
        let (mut count, mut since) = (usize::MAX, Instant::now());
        while since.elapsed() < quiet {
            let now = self.records(topic).len();
            if now != count {
                (count, since) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}
