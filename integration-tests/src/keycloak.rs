//! A real identity provider for a test: Keycloak out of Maven Central, on a free loopback port, with a realm of its own, stopped at the end.

use super::http::{Body, ask};
use serde_json::{Value, json};
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const VERSION: &str = "26.7.3";
/// The first start of a fresh copy compiles for more than a minute.
const READY_MAX: Duration = Duration::from_secs(300);
const ADMIN: &str = "admin";
pub const REALM: &str = "lab";

/// A server with the realm `lab`.
pub struct Keycloak {
    pub base: String,
    child: Child,
    _data: tempfile::TempDir,
}

/// What a log-in gives.
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub session: String,
}

impl Keycloak {
    /// Fetches it, if need be, and starts it.
    ///
    /// # Panics
    /// If it cannot be had or does not start: the message says why.
    pub fn start() -> Keycloak {
        let home = fetched();
        let port = || TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let (http, management) = (port(), port());
        let data = tempfile::tempdir().expect("a folder");
        let log = File::create(data.path().join("keycloak.log")).expect("its log");
        let child = Command::new("bash")
            .arg(home.join("bin/kc.sh"))
            .args(["start-dev", "--http-host=127.0.0.1", &format!("--http-port={http}"), &format!("--http-management-port={management}")])
            .args(["--health-enabled=true", "--db=dev-mem"])
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN)
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN)
            .env("KC_CACHE", "local")
            .env("JAVA_OPTS_KC_HEAP", "-Xms64m -Xmx512m")
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("its log"))
            .stdout(log)
            .process_group(0) // the script starts Java, which is to end, too
            .spawn()
            .expect("starting Keycloak");
        let this = Keycloak { base: format!("http://127.0.0.1:{http}"), child, _data: data };
        let began = Instant::now();
        let ready = || {
            let probe = Command::new("curl").args(["-sf", "--max-time", "5", &format!("{}/realms/master", this.base)]).output();
            probe.is_ok_and(|p| p.status.success())
        };
        while !ready() {
            let said = || std::fs::read_to_string(this._data.path().join("keycloak.log")).unwrap_or_default();
            assert!(began.elapsed() < READY_MAX, "Keycloak did not start: {}", said());
            std::thread::sleep(Duration::from_secs(1));
        }
        this.create(
            "",
            &json!({ "realm": REALM, "enabled": true, "eventsEnabled": true, "adminEventsEnabled": true, "accessTokenLifespan": 300 }),
        );
        this
    }

    /// The realm's name as an issuer.
    pub fn issuer(&self) -> String {
        format!("{}/realms/{REALM}", self.base)
    }

    fn admin_token(&self) -> String {
        let form = [("grant_type", "password"), ("client_id", "admin-cli"), ("username", ADMIN), ("password", ADMIN)];
        let (status, answer) = ask("POST", &format!("{}/realms/master/protocol/openid-connect/token", self.base), &[], &Body::Form(&form));
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// A request to the admin API as the administrator; `path` under `/admin/realms`.
    pub fn admin(&self, method: &str, path: &str, body: &Body<'_>) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.admin_token());
        ask(method, &format!("{}/admin/realms{path}", self.base), &[("Authorization", &bearer)], body)
    }

    /// # Panics
    /// If it is refused.
    pub fn create(&self, path: &str, what: &Value) {
        let (status, answer) = self.admin("POST", path, &Body::Json(what));
        assert_eq!(status, 201, "{path}: {answer}");
    }

    /// The id of the one thing that a search finds.
    ///
    /// # Panics
    /// If there is none.
    pub fn id_of(&self, path: &str) -> String {
        let (status, found) = self.admin("GET", path, &Body::None);
        assert_eq!(status, 200, "{path}: {found}");
        found[0]["id"].as_str().unwrap_or_else(|| panic!("{path}: {found}")).to_owned()
    }

    /// Asks for tokens; the status says whether they are given.
    pub fn token(&self, form: &[(&str, &str)]) -> (u16, Value) {
        ask("POST", &format!("{}/protocol/openid-connect/token", self.issuer()), &[], &Body::Form(form))
    }

    /// # Panics
    /// If the log-in is refused.
    pub fn log_in(&self, client: &str, user: &str, password: &str) -> Tokens {
        let form = [("grant_type", "password"), ("client_id", client), ("username", user), ("password", password), ("scope", "openid")];
        let (status, answer) = self.token(&form);
        assert_eq!(status, 200, "{answer}");
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned();
        Tokens { access: text("access_token"), refresh: text("refresh_token"), session: text("session_state") }
    }

    /// Whether a refresh token still gives tokens.
    pub fn refreshes(&self, client: &str, refresh: &str) -> (u16, Value) {
        self.token(&[("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", refresh)])
    }

    /// The user events of the realm, as Keycloak's own API gives them.
    pub fn events(&self) -> Vec<Value> {
        let (status, events) = self.admin("GET", &format!("/{REALM}/events?max=100"), &Body::None);
        assert_eq!(status, 200, "{events}");
        events.as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Keycloak {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _gone = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _reaped = self.child.wait();
    }
}

/// The unpacked server in the user's cache.
fn fetched() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).expect("HOME");
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from).join("portcullis");
    let unpacked = cache.join(format!("keycloak-{VERSION}"));
    if unpacked.join("bin/kc.sh").is_file() {
        return unpacked;
    }
    std::fs::create_dir_all(&cache).expect("the cache");
    let run = |program: &str, args: &[&str], dir: &Path, install: &str| {
        let status = Command::new(program).args(args).current_dir(dir).status();
        assert!(status.is_ok_and(|s| s.success()), "{program} {}: install {install}", args.join(" "));
    };
    let artifact = format!("org.keycloak:keycloak-quarkus-dist:{VERSION}:zip");
    run(
        "mvn",
        &["-q", "dependency:copy", &format!("-Dartifact={artifact}"), &format!("-DoutputDirectory={}", cache.display())],
        &cache,
        "Maven (on Debian `apt-get install maven`)",
    );
    run(
        "jar",
        &["xf", &format!("keycloak-quarkus-dist-{VERSION}.zip")],
        &cache,
        "a JDK (on Debian `apt-get install default-jdk-headless`)",
    );
    let _removed = std::fs::remove_file(cache.join(format!("keycloak-quarkus-dist-{VERSION}.zip")));
    assert!(unpacked.join("bin/kc.sh").is_file(), "{} is not what the archive holds", unpacked.display());
    unpacked
}
