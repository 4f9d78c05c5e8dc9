//! A real identity provider for a test: Keycloak out of Maven Central, on a free loopback port, with a realm of its own, stopped at the end.
//!
//! It believes that it stands behind a reverse proxy, which says in `X-Forwarded-For` who asks: a test can be in two countries at once.

use super::http::{Body, ask, curl, is_up};
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
/// Where a log-in leads back to; nobody listens there.
pub const BACK: &str = "http://localhost/back";

/// A server with the realm `lab`.
pub struct Keycloak {
    pub base: String,
    child: Child,
    data: tempfile::TempDir,
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
            .args(["--health-enabled=true", "--db=dev-mem", "--proxy-headers=xforwarded"])
            // Its listener logs failures only, unless it is told.
            .args(["--log-console-output=json", "--spi-events-listener--jboss-logging--success-level=info"])
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
        let this = Keycloak { base: format!("http://127.0.0.1:{http}"), child, data };
        let began = Instant::now();
        while !is_up(&format!("{}/realms/master", this.base)) {
            assert!(began.elapsed() < READY_MAX, "Keycloak did not start: {}", this.log());
            std::thread::sleep(Duration::from_secs(1));
        }
        // `sslRequired`: TLS would end at the proxy.
        this.create("", &json!({ "realm": REALM, "enabled": true, "sslRequired": "none" }));
        this
    }

    /// The realm's name as an issuer.
    pub fn issuer(&self) -> String {
        format!("{}/realms/{REALM}", self.base)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("keycloak.log")).unwrap_or_default()
    }

    /// What it has logged of events so far, a line each, as a log shipper finds them.
    pub fn event_lines(&self) -> Vec<String> {
        let is_event = |line: &&str| line.contains(r#""loggerName":"org.keycloak.events""#) && line.ends_with('}');
        self.log().lines().filter(is_event).map(str::to_owned).collect()
    }

    /// A request to the admin API with somebody's token; `path` under `/admin/realms`.
    pub fn admin(&self, token: &str, method: &str, path: &str, body: &Body<'_>) -> (u16, Value) {
        ask(method, &format!("{}/admin/realms{path}", self.base), &[("Authorization", &format!("Bearer {token}"))], body)
    }

    /// The administrator's own token.
    fn root(&self) -> String {
        let form = [("grant_type", "password"), ("client_id", "admin-cli"), ("username", ADMIN), ("password", ADMIN)];
        let (status, answer) = ask("POST", &format!("{}/realms/master/protocol/openid-connect/token", self.base), &[], &Body::Form(&form));
        assert_eq!(status, 200, "{answer}");
        text(&answer, "access_token")
    }

    /// What the administrator reads.
    ///
    /// # Panics
    /// If it is refused.
    pub fn read(&self, path: &str) -> Value {
        let (status, found) = self.admin(&self.root(), "GET", path, &Body::None);
        assert_eq!(status, 200, "{path}: {found}");
        found
    }

    /// # Panics
    /// If it is refused.
    pub fn create(&self, path: &str, what: &Value) {
        let (status, answer) = self.admin(&self.root(), "POST", path, &Body::Json(what));
        assert!(matches!(status, 201 | 204), "{path}: {status} {answer}");
    }

    /// The id of the one thing that a search finds.
    ///
    /// # Panics
    /// If there is none.
    pub fn id_of(&self, path: &str) -> String {
        text(&self.read(path)[0], "id")
    }

    /// Makes a client with an account of its own, which has these roles of `realm-management` and no others. Returns the account's id.
    pub fn create_machine(&self, client: &str, secret: &str, roles: &[&str]) -> String {
        let clients = format!("/{REALM}/clients");
        self.create(
            &clients,
            &json!({ "clientId": client, "secret": secret, "serviceAccountsEnabled": true, "standardFlowEnabled": false }),
        );
        let id = self.id_of(&format!("{clients}?clientId={client}"));
        let account = text(&self.read(&format!("{clients}/{id}/service-account-user")), "id");
        if !roles.is_empty() {
            let management = self.id_of(&format!("{clients}?clientId=realm-management"));
            let roles: Vec<Value> = roles.iter().map(|role| self.read(&format!("{clients}/{management}/roles/{role}"))).collect();
            self.create(&format!("/{REALM}/users/{account}/role-mappings/clients/{management}"), &json!(roles));
        }
        account
    }

    /// Asks for tokens; the status says whether they are given.
    fn token(&self, form: &[(&str, &str)], from: &str) -> (u16, Value) {
        let url = format!("{}/protocol/openid-connect/token", self.issuer());
        ask("POST", &url, &[("X-Forwarded-For", from)], &Body::Form(form))
    }

    /// A person logs in with a browser: the page, its form, and the code that it leads back with.
    ///
    /// # Panics
    /// If the log-in is refused.
    pub fn log_in(&self, client: &str, user: &str, password: &str, from: &str) -> Tokens {
        let jar = self.data.path().join(format!("{user}.cookies")).display().to_string();
        let _another_browser = std::fs::remove_file(&jar);
        let from_here = format!("X-Forwarded-For: {from}");
        let browser = ["-b", &jar, "-c", &jar, "-H", &from_here];
        let url = format!(
            "{}/protocol/openid-connect/auth?client_id={client}&response_type=code&scope=openid&redirect_uri={BACK}",
            self.issuer()
        );
        let page = curl(&[&browser[..], &[&url]].concat());
        let form = page.split('"').find(|quoted| quoted.contains("/login-actions/authenticate"));
        let form = form.unwrap_or_else(|| panic!("no form in {page}")).replace("&amp;", "&");
        let (user, password) = (format!("username={user}"), format!("password={password}"));
        let filled = ["-o", "/dev/null", "-w", "%{redirect_url}", "--data-urlencode", &user, "--data-urlencode", &password, &form];
        let back = curl(&[&browser[..], &filled].concat());
        let code = back.split(['?', '&', '#']).find_map(|part| part.strip_prefix("code="));
        let code = code.unwrap_or_else(|| panic!("the log-in leads to {back:?}: {}", self.log()));
        let form = [("grant_type", "authorization_code"), ("client_id", client), ("code", code), ("redirect_uri", BACK)];
        let (status, answer) = self.token(&form, from);
        assert_eq!(status, 200, "{answer}");
        Tokens { access: text(&answer, "access_token"), refresh: text(&answer, "refresh_token"), session: text(&answer, "session_state") }
    }

    /// Whether a refresh token still gives tokens.
    pub fn refresh(&self, client: &str, refresh: &str, from: &str) -> (u16, Value) {
        self.token(&[("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", refresh)], from)
    }

    /// Whether a client's secret still gives tokens.
    pub fn client_log_in(&self, client: &str, secret: &str, from: &str) -> (u16, Value) {
        self.token(&[("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret)], from)
    }

    /// Whether an access token still tells who somebody is: 200, else 401.
    pub fn user_info(&self, access: &str, from: &str) -> u16 {
        let headers = [("Authorization", &*format!("Bearer {access}")), ("X-Forwarded-For", from)];
        ask("GET", &format!("{}/protocol/openid-connect/userinfo", self.issuer()), &headers, &Body::None).0
    }
}

/// # Panics
/// If the answer lacks the field.
pub fn text(answer: &Value, field: &str) -> String {
    answer[field].as_str().unwrap_or_else(|| panic!("no {field} in {answer}")).to_owned()
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
