//! A real Kafka broker for a test: fetched by Maven once, started in a temporary folder on free loopback ports, stopped at the end.
//!
//! - [`shared`]: one broker for all tests of a binary; every test uses names of its own ([`unique`]).
//! - [`Broker::start`]: one that a fault test may kill, stop and restart.
//! - [`Broker::start_cluster`]: several that replicate to each other, each to be killed, stopped and restarted alone.
//!
//! `PORTCULLIS_TEST_KAFKA=host:port` makes [`shared`] an existing broker instead. Without Maven or a JDK a test fails and says what to install.

use crate::proxy::Proxy;
use crate::security::{ADMIN, Proof, Security};
use base64::Engine;
use portcullis_connectors::kafka::topics::{self, Owner, Topic};
use portcullis_connectors::kafka::{Settings, connect_check};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const VERSION: &str = "kafka-4.1.0";
const INSTALL: &str = "install a JDK (17 or newer) and Maven, on Debian `apt-get install openjdk-17-jdk-headless maven`, \
                       or set PORTCULLIS_TEST_KAFKA=host:port to a Kafka that tests may use";
const READY_MAX: Duration = Duration::from_secs(90);
const START_ATTEMPTS: u32 = 3;

/// The broker of this test binary; started by the first test that asks. It ends with the process.
///
/// # Panics
/// If no broker can be had: the message says what to install.
pub fn shared() -> Settings {
    static SHARED: OnceLock<Result<(Settings, Option<Broker>), String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| match std::env::var("PORTCULLIS_TEST_KAFKA") {
        Ok(bootstrap) => Ok((Settings::new(bootstrap), None)),
        Err(_) => Broker::start().map(|broker| (broker.settings(), Some(broker))),
    });
    match shared {
        Ok((settings, _)) => settings.clone(),
        Err(error) => panic!("{error}"),
    }
}

/// A name that no other test, process or run uses.
pub fn unique(name: &str) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos());
    format!("{name}-{}-{:x}-{}", std::process::id(), nanos, COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Creates a plain topic, replication 1.
///
/// # Panics
/// If the broker refuses it.
pub fn create_topic(settings: &Settings, name: &str, partitions: i32) {
    create_replicated(settings, name, partitions, 1);
}

/// Creates a plain topic.
///
/// # Panics
/// If the broker refuses it.
pub fn create_replicated(settings: &Settings, name: &str, partitions: i32, replication: i32) {
    let topic = Topic {
        name: name.to_owned(),
        owner: Owner::Portcullis,
        purpose: "a test",
        partitions,
        replication,
        settings: Vec::new(),
        readers: &[],
        writers: &[],
    };
    let applied = topics::apply(settings, &[topic]).unwrap_or_else(|error| panic!("creating {name}: {error}"));
    assert_eq!(applied.created, [name]);
    // The controller has it; every broker (and the first fetch of a client) must know it, too.
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = connect_check(settings, &[name], Duration::from_secs(5)) {
        assert!(Instant::now() < deadline, "{error}");
    }
}

/// A broker of one's own, to be killed, stopped and restarted.
pub struct Broker {
    directory: PathBuf,
    /// From 1.
    node: usize,
    seats: Vec<Seat>,
    jars: PathBuf,
    options: Options,
    running: Option<Running>,
    proxy: Option<Proxy>,
}

/// Where a broker of a cluster listens; all of them know all.
#[derive(Clone, Copy)]
struct Seat {
    port: u16,
    controller_port: u16,
    /// Advertises the proxy's port to whoever comes that way; of a closed broker, the one for certificates.
    other_port: u16,
}

/// How a broker is started.
#[derive(Clone, Debug)]
pub struct Options {
    pub heap: String,
    /// Added to `server.properties`.
    pub properties: Vec<(String, String)>,
    /// Quick to start and sparing with the CPU, not fast under load.
    pub light: bool,
    /// Also listens behind a proxy, see [`Broker::proxy`].
    pub proxied: bool,
    /// Keeps its data there instead of in a temporary folder.
    pub data: Option<PathBuf>,
    /// Takes nobody without a password or a certificate; not together with `proxied`.
    pub security: Option<Arc<Security>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { heap: "512m".into(), properties: Vec::new(), light: true, proxied: false, data: None, security: None }
    }
}

struct Running {
    supervisor: Child,
    orders: ChildStdin,
    pid: u32,
}

impl Broker {
    /// # Errors
    /// What to install, or the tail of the broker's log.
    pub fn start() -> Result<Self, String> {
        Self::start_with(Options::default())
    }

    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(options: Options) -> Result<Self, String> {
        Self::start_cluster(1, options)?.pop().ok_or_else(|| "a cluster of none".into())
    }

    /// Brokers that replicate to each other and are all controllers: the cluster outlives the loss of less than half of them.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_cluster(brokers: usize, options: Options) -> Result<Vec<Self>, String> {
        let jars = jars()?;
        let mut failure = String::new();
        // Between choosing a free port and binding it, somebody else may take it.
        for _ in 0..START_ATTEMPTS {
            match Self::start_once(&jars, brokers, &options) {
                Ok(brokers) => return Ok(brokers),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn start_once(jars: &Path, brokers: usize, options: &Options) -> Result<Vec<Self>, String> {
        let seats = free_seats(brokers)?;
        let cluster = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random_bytes());
        let mut started = Vec::new();
        for node in 1..=brokers {
            let directory = std::env::temp_dir().join(unique("portcullis-kafka"));
            fs::create_dir_all(&directory).map_err(|e| format!("creating {}: {e}", directory.display()))?;
            let proxy =
                if options.proxied { Some(Proxy::start(seats[node - 1].other_port).map_err(|e| format!("a proxy: {e}"))?) } else { None };
            let (seats, jars, options) = (seats.clone(), jars.to_owned(), options.clone());
            let mut broker = Self { directory, node, seats, jars, options, running: None, proxy };
            broker.format(&cluster)?;
            broker.spawn()?;
            started.push(broker);
        }
        started.iter_mut().try_for_each(Self::wait_ready)?;
        Ok(started)
    }

    fn format(&self, cluster: &str) -> Result<(), String> {
        let Seat { port, controller_port, other_port } = self.seats[self.node - 1];
        let voters: Vec<String> =
            self.seats.iter().enumerate().map(|(number, seat)| format!("{}@127.0.0.1:{}", number + 1, seat.controller_port)).collect();
        let at = |name: &str, port: u16| format!("{name}://127.0.0.1:{port}");
        let (listeners, advertised, protocols) = match (&self.options.security, &self.proxy) {
            (Some(security), _) => {
                let listeners = format!("{},{}", at("PASSWORDS", port), at("CERTIFICATES", other_port));
                (listeners.clone(), listeners, security.server_properties())
            }
            (None, proxy) => {
                let by_proxy = |port: Option<u16>| port.map_or(String::new(), |port| format!(",{}", at("PROXIED", port)));
                let protocols = "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT\n";
                let plain = at("PLAINTEXT", port);
                let listeners = format!("{plain}{}", by_proxy(proxy.as_ref().map(|_| other_port)));
                (listeners, format!("{plain}{}", by_proxy(proxy.as_ref().map(Proxy::port))), protocols.to_owned())
            }
        };
        let replicas = self.seats.len().min(3);
        let in_sync = replicas.min(2);
        let mut properties = format!(
            "process.roles=broker,controller\n\
             node.id={}\n\
             controller.quorum.voters={}\n\
             listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}\n\
             advertised.listeners={advertised}\n\
             controller.listener.names=CONTROLLER\n\
             {protocols}\
             log.dirs={}\n\
             offsets.topic.replication.factor={replicas}\n\
             offsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor={replicas}\n\
             transaction.state.log.min.isr={in_sync}\n\
             transaction.state.log.num.partitions=4\n\
             {}\n\
             share.coordinator.state.topic.replication.factor={replicas}\n\
             share.coordinator.state.topic.min.isr={in_sync}\n\
             broker.session.timeout.ms=3000\n\
             broker.heartbeat.interval.ms=500\n\
             group.initial.rebalance.delay.ms=0\n\
             group.min.session.timeout.ms=1000\n\
             auto.create.topics.enable=false\n",
            self.node,
            voters.join(","),
            self.options.data.clone().unwrap_or_else(|| self.directory.clone()).join(format!("log-{}", self.node)).display(),
            topics::BROKER_ADVICE
        );
        for (name, value) in &self.options.properties {
            properties.push_str(&format!("{name}={value}\n"));
        }
        let file = self.properties();
        fs::write(&file, properties).map_err(|e| format!("writing {}: {e}", file.display()))?;
        let mut format = self.java();
        format.arg("kafka.tools.StorageTool").args(["format", "-t", cluster, "-c"]).arg(&file);
        format.args(self.options.security.iter().flat_map(|security| security.scram_arguments()));
        let output = format.output().map_err(|e| format!("no java: {e}; {INSTALL}"))?;
        if !output.status.success() {
            return Err(format!("formatting the broker's storage: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(())
    }

    fn properties(&self) -> PathBuf {
        self.directory.join("server.properties")
    }

    fn java(&self) -> Command {
        let mut java = Command::new(java_binary());
        java.arg(format!("-Xmx{}", self.options.heap)).arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        java.args(self.options.security.iter().flat_map(|security| security.java_arguments()));
        if self.options.light {
            java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
        }
        java.arg("-cp").arg(self.jars.join("*"));
        java
    }

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill), with its data and on its port; waits until it answers.
    ///
    /// # Errors
    /// The tail of the broker's log.
    pub fn restart(&mut self) -> Result<(), String> {
        self.spawn()?;
        self.wait_ready()
    }

    fn spawn(&mut self) -> Result<(), String> {
        assert!(self.running.is_none(), "the broker runs");
        let mut java = self.java();
        java.arg("kafka.Kafka").arg(self.properties());
        let mut supervisor = Command::new("sh")
            // Not by its path: the clone in which this was compiled may be gone.
            .args(["-c", include_str!("../kafka/run-broker.sh"), "run-broker"])
            .arg(&self.directory)
            .arg(java.get_program())
            .args(java.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is for the test; the broker ends when its supervisor's input does.
            .process_group(0)
            .spawn()
            .map_err(|e| format!("no sh: {e}"))?;
        let (Some(orders), Some(output)) = (supervisor.stdin.take(), supervisor.stdout.take()) else {
            return Err("the supervisor has no pipes".into());
        };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).map_err(|e| format!("reading the broker's pid: {e}"))?;
        let pid = line.trim().parse().map_err(|_| format!("the supervisor said {line:?} instead of a pid"))?;
        self.running = Some(Running { supervisor, orders, pid });
        Ok(())
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let Err(error) = connect_check(&self.settings(), &[], Duration::from_secs(2)) else { return Ok(()) };
            if !signal(self.pid(), "0") || began.elapsed() > READY_MAX {
                let log = fs::read_to_string(self.directory.join("server.out")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                return Err(format!("the broker does not answer after {:?}: {error}\n{}", began.elapsed(), tail.join("\n")));
            }
        }
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.seats[self.node - 1].port)
    }

    /// The way through the proxy; who comes by it is sent on by it.
    ///
    /// # Panics
    /// If the broker has none ([`Options::proxied`]).
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("Options::proxied")
    }

    pub fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|running| signal(running.pid, "0"))
    }

    /// Of a closed broker.
    ///
    /// # Panics
    /// If the broker is open to everybody.
    pub fn security(&self) -> &Security {
        self.options.security.as_ref().expect("Options::security")
    }

    /// Of one who may do everything.
    pub fn settings(&self) -> Settings {
        match self.options.security {
            Some(_) => self.settings_of(ADMIN, Proof::Scram),
            None => Settings::new(self.bootstrap()),
        }
    }

    /// Of an account of a closed broker.
    ///
    /// # Panics
    /// If the broker is open to everybody.
    pub fn settings_of(&self, account: &str, proof: Proof) -> Settings {
        let mut settings = match proof {
            Proof::Certificate => Settings::new(format!("127.0.0.1:{}", self.seats[self.node - 1].other_port)),
            Proof::Scram | Proof::Plain | Proof::Token => Settings::new(self.bootstrap()),
        };
        self.security().properties(&mut settings, account, proof);
        settings
    }

    /// Runs lines of `kafka-acls.sh` as the administrator.
    ///
    /// # Panics
    /// If the broker is open to everybody, or one fails.
    pub fn kafka_acls(&self, lines: &[String]) {
        let source = self.directory.join("KafkaAcls.java");
        fs::write(&source, include_str!("../kafka/KafkaAcls.java")).expect("writing a Java source");
        let mut java = self.java();
        java.arg(&source).args(["--command-config", &self.security().shown("admin.properties")]);
        let mut running =
            java.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("no java: {e}"));
        let mut input = running.stdin.take().expect("a pipe");
        lines.iter().for_each(|line| writeln!(input, "{line}").expect("java reads"));
        drop(input);
        let done = running.wait_with_output().expect("java ends");
        let said = [done.stdout, done.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(done.status.success(), "kafka-acls: {said}");
    }

    /// Of the broker's process.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the broker runs").pid
    }

    /// `kill -9`; the data stays.
    pub fn kill(&mut self) {
        self.end("kill\n");
    }

    /// An orderly shutdown; the data stays.
    pub fn stop(&mut self) {
        self.end("term\n");
    }

    fn end(&mut self, order: &str) {
        if let Some(mut running) = self.running.take() {
            // A supervisor that is gone has taken the broker with it.
            let _ = running.orders.write_all(order.as_bytes());
            drop(running.orders);
            let _ = running.supervisor.wait();
        }
    }

    /// SIGSTOP: it is there and does not answer.
    ///
    /// # Panics
    /// If it does not run.
    pub fn freeze(&self) {
        assert!(signal(self.pid(), "STOP"), "the broker runs");
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// If it does not run.
    pub fn thaw(&self) {
        assert!(signal(self.pid(), "CONT"), "the broker runs");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.end("remove\n");
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Sends a signal by name or number; whether the process was there.
pub fn signal(pid: u32, name: &str) -> bool {
    // The shell's own `kill`: a bare system has no other.
    Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn java_binary() -> PathBuf {
    match std::env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin/java"),
        None => PathBuf::from("java"),
    }
}

fn free_seats(count: usize) -> Result<Vec<Seat>, String> {
    let bind = |_| TcpListener::bind("127.0.0.1:0").and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
    // All are held until all are known.
    let held = (0..3 * count).map(bind).collect::<Result<Vec<_>, _>>().map_err(|e| format!("no free port: {e}"))?;
    let ports: Vec<u16> = held.iter().map(|(port, _)| *port).collect();
    Ok(ports.chunks_exact(3).map(|p| Seat { port: p[0], controller_port: p[1], other_port: p[2] }).collect())
}

fn random_bytes() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    let half = || RandomState::new().hash_one(0).to_le_bytes();
    let (mut bytes, low) = ([0; 16], half());
    bytes[..8].copy_from_slice(&low);
    bytes[8..].copy_from_slice(&half());
    // The first bits of a cluster id may not make its text start with a dash.
    bytes[0] &= 0x7f;
    bytes
}

/// The folder of Kafka's jars: in the user's cache, fetched the first time.
fn jars() -> Result<PathBuf, String> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep Kafka's jars")?
        .join("portcullis");
    let jars = cache.join(VERSION);
    if !Command::new(java_binary()).arg("-version").output().is_ok_and(|output| output.status.success()) {
        return Err(format!("the tests need a real Kafka and there is no java; {INSTALL}"));
    }
    fs::create_dir_all(&cache).map_err(|e| format!("creating {}: {e}", cache.display()))?;
    // Several test binaries may come here at the same time.
    let lock_file = cache.join(format!("{VERSION}.lock"));
    let lock = File::create(&lock_file).map_err(|e| format!("creating {}: {e}", lock_file.display()))?;
    lock.lock().map_err(|e| format!("locking {}: {e}", lock_file.display()))?;
    if jars.is_dir() {
        return Ok(jars);
    }
    let partial = cache.join(format!("{VERSION}.partial"));
    let _ = fs::remove_dir_all(&partial);
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/pom.xml"))
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", partial.display()))
        .arg("-DincludeScope=runtime")
        .output()
        .map_err(|e| format!("the tests need a real Kafka and there is no Maven to fetch it ({e}); {INSTALL}"))?;
    if !output.status.success() {
        return Err(format!("Maven could not fetch Kafka's jars; {INSTALL}\n{}", String::from_utf8_lossy(&output.stdout)));
    }
    fs::rename(&partial, &jars).map_err(|e| format!("keeping Kafka's jars in {}: {e}", jars.display()))?;
    Ok(jars)
}
