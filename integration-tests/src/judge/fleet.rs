//! The engine's processes under a seed: pods with names and state directories of their own, and what a cluster's supervisor does for them.

use super::schedule::Schedule;
use super::store::Store;
use super::world::Kafka;
use crate::kafka::{create_replicated, signal};
use crate::service::binary;
use anyhow::{Context, bail, ensure};
use portcullis_connectors::failpoint;
use portcullis_connectors::kafka::topics::Names;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A supervisor waits that long before it starts a pod again.
const RESTART_AFTER: Duration = Duration::from_millis(500);
/// A clean shutdown takes no longer.
const STOP_MAX: Duration = Duration::from_secs(30);
const INSTALL_MAX: Duration = Duration::from_secs(20);
/// Several of a partition within a seed.
const CHECKPOINTS_EVERY: &str = "2s";

/// One process, and those that take its place.
pub struct Pod {
    pub role: String,
    pub name: String,
    pub state: PathBuf,
    child: Option<Child>,
    /// The supervisor keeps it running.
    pub wanted: bool,
    died: Instant,
    started: Instant,
    starts: u32,
    /// What it ended with by itself, the last lines of its logs.
    pub endings: Vec<String>,
}

pub struct Fleet {
    dir: tempfile::TempDir,
    pub prefix: String,
    pub names: Names,
    pub pods: Vec<Pod>,
    replication: i32,
    clock: Option<WallClock>,
    group: String,
    /// What the operator accepts.
    accepted: &'static [&'static str],
}

/// A wall clock that can be moved, for all pods: a library that is loaded before libc, and the file that it looks into.
struct WallClock {
    library: PathBuf,
    file: PathBuf,
}

impl WallClock {
    fn make(dir: &Path) -> anyhow::Result<WallClock> {
        let clock = WallClock { library: dir.join("clock.so"), file: dir.join("clock") };
        clock.move_to(0)?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clock/clock.c");
        let done =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clock.library).arg(source).output().context("running cc")?;
        ensure!(done.status.success(), "compiling clock.c: {}", String::from_utf8_lossy(&done.stderr));
        Ok(clock)
    }

    fn move_to(&self, seconds: i64) -> anyhow::Result<()> {
        // In place: it is mapped.
        let mut file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.file)?;
        Ok(file.write_all(&seconds.to_ne_bytes())?)
    }
}

impl Fleet {
    /// Writes the configuration, makes the topics, the key and the first policy.
    ///
    /// # Errors
    /// What the engine says.
    pub fn install(kafka: &Kafka, prefix: &str, schedule: &Schedule, movable_clocks: bool) -> anyhow::Result<Fleet> {
        let dir = tempfile::Builder::new().prefix("portcullis-judge-").tempdir()?;
        let clock = if movable_clocks { Some(WallClock::make(dir.path())?) } else { None };
        let mut fleet = Fleet {
            dir,
            prefix: prefix.to_owned(),
            names: Names::new(prefix),
            pods: Vec::new(),
            replication: kafka.replication(),
            clock,
            group: format!("{prefix}-score"),
            accepted: &[],
        };
        create_replicated(&kafka.settings(), &fleet.raw(), schedule.partitions, fleet.replication);
        let checkpoints = if schedule.checkpoints {
            format!(", checkpoints: {{ url: {:?}, every: {CHECKPOINTS_EVERY} }}", fleet.store().url())
        } else {
            String::new()
        };
        let config = |bootstrap: &str| {
            format!(
                "kafka: {{ bootstrap_servers: {bootstrap:?} }}\ntopics: {{ prefix: {prefix}, partitions: {}, replication: {} }}\n\
                 ingest: {{ inputs: [ {{ topic: {}, format: native, tenant: from_record, trust: control }} ] }}\n\
                 score: {{ workers: {}, transaction: {{ at_most: 20ms, records: {} }} }}\nstate: {{ cache: 64MiB{checkpoints} }}\n\
                 gate: {{ signing_key_file: {:?} }}\npolicy: {{ file: {:?} }}\nhttp: {{ listen: \"127.0.0.1:0\" }}\n",
                schedule.partitions,
                fleet.replication,
                fleet.raw(),
                schedule.workers,
                schedule.transaction_records,
                fleet.path("gate.key").display().to_string(),
                fleet.path("policy.yaml").display().to_string(),
            )
        };
        std::fs::write(fleet.path("portcullis.yaml"), config(&kafka.proxied()))?;
        // The operator's commands do not go through the weather.
        std::fs::write(fleet.path("operator.yaml"), config(&kafka.settings().bootstrap_servers))?;
        fleet.cli(&["gate", "keygen", "--out", &fleet.shown("gate.key")])?;
        fleet.make_topics()?;
        patiently(|| fleet.apply_policy(1, schedule.emit[0]))?;
        for (role, number) in &schedule.pods {
            fleet.add(role, *number);
        }
        Ok(fleet)
    }

    /// Makes those of our topics that are missing.
    ///
    /// # Errors
    /// What the engine says.
    pub fn make_topics(&self) -> anyhow::Result<()> {
        patiently(|| self.cli(&["topics", "apply", "--config", &self.shown("operator.yaml")]).map(drop))
    }

    /// Puts a policy in force, as an operator does: the file first, then the command.
    ///
    /// # Errors
    /// What the engine says.
    pub fn apply_policy(&self, version: u32, emit: &str) -> anyhow::Result<()> {
        let text = self.cli(&["policy", "show"])?;
        let lines = text.lines().map(|line| match line.split(':').next() {
            Some("version") => format!("version: judge.{version:03}"),
            Some("emit") => format!("emit: {emit}"),
            _ => line.to_owned(),
        });
        std::fs::write(self.path("policy.yaml"), lines.map(|line| line + "\n").collect::<String>())?;
        let (policy, config) = (self.shown("policy.yaml"), self.shown("operator.yaml"));
        self.cli(&["policy", "apply", &policy, "--config", &config, "--author", "judge"]).map(drop)
    }

    /// Adds a pod, not yet running.
    pub fn add(&mut self, role: &str, number: usize) -> usize {
        let name = format!("{role}-{number}");
        self.add_as(role, &name, &name)
    }

    /// Adds a pod with this identity and that state.
    pub fn add_as(&mut self, role: &str, name: &str, state: &str) -> usize {
        self.pods.push(Pod {
            role: role.to_owned(),
            name: name.to_owned(),
            state: self.path(&format!("state-{state}")),
            child: None,
            wanted: false,
            died: Instant::now(),
            started: Instant::now(),
            starts: 0,
            endings: Vec::new(),
        });
        self.pods.len() - 1
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The input topic.
    pub fn raw(&self) -> String {
        format!("{}-raw", self.prefix)
    }

    pub fn group(&self) -> &str {
        &self.group
    }

    /// From the next start on.
    pub fn set_group(&mut self, group: &str) {
        group.clone_into(&mut self.group);
    }

    /// From the next start on.
    pub fn set_accepted(&mut self, flags: &'static [&'static str]) {
        self.accepted = flags;
    }

    /// Where the checkpoints are.
    pub fn store(&self) -> Store {
        Store::new(self.path("checkpoints"))
    }

    /// Keeps the folder, for whoever looks for what went wrong.
    pub fn keep(&mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_owned()
    }

    /// Runs a command to its end and returns what it printed.
    ///
    /// # Errors
    /// What it said.
    pub fn cli(&self, args: &[&str]) -> anyhow::Result<String> {
        let done = Command::new(binary()).args(args).output().context("running portcullis")?;
        if !done.status.success() {
            bail!("portcullis {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Starts a pod and lets the supervisor keep it running.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(&mut self, pod: usize, failpoint: Option<&str>) -> anyhow::Result<()> {
        let (config, state) = (self.path("portcullis.yaml"), self.pods[pod].state.clone());
        let (name, starts) = (self.pods[pod].name.clone(), self.pods[pod].starts + 1);
        let log = File::create(self.log_path(pod, starts))?;
        let mut command = Command::new(binary());
        command.arg("run").arg("--config").arg(config).args(["--role", &self.pods[pod].role, "--instance", &name]).args(self.accepted);
        command.env("PORTCULLIS_STATE__DIRECTORY", state).env("PORTCULLIS_SCORE__GROUP", &self.group);
        if let Some(failpoint) = failpoint {
            command.env(failpoint::VARIABLE, failpoint);
        }
        if let Some(clock) = &self.clock {
            command.env("LD_PRELOAD", &clock.library).env("JUDGE_CLOCK", &clock.file);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().context("starting portcullis run")?;
        let pod = &mut self.pods[pod];
        (pod.child, pod.starts, pod.wanted, pod.started) = (Some(child), starts, true, Instant::now());
        Ok(())
    }

    fn log_path(&self, pod: usize, start: u32) -> PathBuf {
        // A twin has the name, not the state, of another pod.
        let state = self.pods[pod].state.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.path(&format!("{}-{start}.log", state.trim_start_matches("state-")))
    }

    /// The log of a pod's latest start.
    pub fn log(&self, pod: usize) -> String {
        std::fs::read_to_string(self.log_path(pod, self.pods[pod].starts)).unwrap_or_default()
    }

    /// Whether a pod that is wanted says that all that is assigned to it is live.
    pub fn is_ready(&self, pod: usize) -> bool {
        if !self.pods[pod].wanted {
            return true;
        }
        let log = self.log(pod);
        let Some(address) = log.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()) else { return false };
        let answer = TcpStream::connect(address).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        answer.is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
    }

    /// The partitions of a log that were given to no pod that is wanted.
    pub fn ownerless(&self, log: &str, partitions: i32) -> Vec<String> {
        let owned: BTreeSet<String> = self.all().into_iter().filter(|pod| self.pods[*pod].wanted).flat_map(|pod| self.owned(pod)).collect();
        (0..partitions).map(|number| format!("{log}[{number}]")).filter(|partition| !owned.contains(partition)).collect()
    }

    /// The changes of assignment that a pod has seen since its latest start.
    pub fn rebalances(&self, pod: usize) -> usize {
        self.log(pod).lines().filter(|line| line.contains("partitions assigned") || line.contains("partitions revoked")).count()
    }

    /// The partitions that a pod was given since its latest start and did not give back.
    pub fn owned(&self, pod: usize) -> BTreeSet<String> {
        let mut owned = BTreeSet::new();
        for line in self.log(pod).lines() {
            let Some((_, rest)) = line.split_once("partitions=\"") else { continue };
            let named = rest.split('"').next().unwrap_or_default().split(' ').map(str::to_owned);
            if line.contains("partitions assigned") {
                owned.extend(named);
            } else if line.contains("partitions revoked") {
                named.for_each(|partition| {
                    owned.remove(&partition);
                });
            }
        }
        owned
    }

    /// Whether a line of the log of a pod's latest start says this of a partition; `fields` are among what it names.
    pub fn says(&self, pod: usize, what: &str, fields: &[String]) -> bool {
        self.log(pod).lines().any(|line| line.contains(what) && fields.iter().all(|field| line.split(' ').any(|word| word == field)))
    }

    /// What the supervisor does: notes what has ended, and starts it again after a moment.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn tend(&mut self) -> anyhow::Result<()> {
        for pod in 0..self.pods.len() {
            self.reap(pod)?;
            let p = &self.pods[pod];
            if p.wanted && p.child.is_none() && p.died.elapsed() > RESTART_AFTER {
                self.start(pod, None)?;
            }
        }
        Ok(())
    }

    fn reap(&mut self, pod: usize) -> anyhow::Result<()> {
        let Some(child) = &mut self.pods[pod].child else { return Ok(()) };
        if let Some(status) = child.try_wait()? {
            let ending = self.ending(pod, status);
            let pod = &mut self.pods[pod];
            (pod.child, pod.died) = (None, Instant::now());
            pod.endings.push(ending);
        }
        Ok(())
    }

    fn ending(&self, pod: usize, status: ExitStatus) -> String {
        if let Some(signal) = status.signal() {
            return format!("signal {signal}");
        }
        let log = self.log(pod);
        let last = log.lines().rev().find(|line| line.starts_with("portcullis: ")).or_else(|| log.lines().last()).unwrap_or_default();
        format!("status {}: {last}", status.code().unwrap_or_default())
    }

    /// Notes what has ended; whether the pod runs.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn is_running(&mut self, pod: usize) -> anyhow::Result<bool> {
        self.reap(pod)?;
        Ok(self.pods[pod].child.is_some())
    }

    pub fn pid(&self, pod: usize) -> Option<u32> {
        self.pods[pod].child.as_ref().map(Child::id)
    }

    /// `kill -9`. The supervisor leaves it dead.
    pub fn kill(&mut self, pod: usize) {
        let pod = &mut self.pods[pod];
        pod.wanted = false;
        if let Some(mut child) = pod.child.take() {
            let _gone = child.kill();
            let _reaped = child.wait();
            pod.died = Instant::now();
        }
    }

    /// SIGSTOP or SIGCONT.
    pub fn signal(&self, pod: usize, name: &str) {
        if let Some(pid) = self.pid(pod) {
            signal(pid, name);
        }
    }

    /// SIGTERM, and how it ended. The supervisor leaves it stopped.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(&mut self, pods: &[usize]) -> anyhow::Result<()> {
        for pod in pods {
            self.pods[*pod].wanted = false;
            self.signal(*pod, "TERM");
        }
        let began = Instant::now();
        for pod in pods {
            while self.is_running(*pod)? {
                if began.elapsed() > STOP_MAX {
                    bail!("{} did not end within {STOP_MAX:?} of SIGTERM", self.pods[*pod].name);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// How long the pod that was started last has been running.
    pub fn youngest(&self) -> Duration {
        self.pods.iter().filter(|pod| pod.wanted).map(|pod| pod.started.elapsed()).min().unwrap_or(Duration::MAX)
    }

    /// Where the threads of the pods that run stand, for whoever looks for a hang; needs gdb, and is nothing without.
    pub fn write_stacks(&self) {
        for (pod, pid) in self.all().into_iter().filter_map(|pod| Some((pod, self.pid(pod)?))) {
            let stacks = Command::new("gdb").args(["-batch", "-ex", "thread apply all bt 25", "-p", &pid.to_string()]).output();
            if let Ok(stacks) = stacks {
                // A file less, where the disk is full.
                let _ = std::fs::write(self.path(&format!("{}.stacks", self.pods[pod].name)), stacks.stdout);
            }
        }
    }

    pub fn all(&self) -> Vec<usize> {
        (0..self.pods.len()).collect()
    }

    /// Moves the clocks of all pods.
    ///
    /// # Errors
    /// They were not started with movable ones.
    pub fn move_clocks(&self, hours: i64) -> anyhow::Result<()> {
        let clock = self.clock.as_ref().context("clocks that cannot be moved")?;
        clock.move_to(hours * 3_600)
    }
}

/// Again for a while: what was made a moment ago, brokers or topics, may not be known everywhere yet.
fn patiently(mut done: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        match done() {
            Err(_) if began.elapsed() < INSTALL_MAX => std::thread::sleep(Duration::from_millis(500)),
            done => return done,
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.all().into_iter().for_each(|pod| self.kill(pod));
    }
}
