//! A real S3 API for a test: versitygw where Go is (built once into the user's cache), moto from PyPI elsewhere; on a free loopback port, on a
//! folder of its own, stopped at the end. Both refuse a second put-if-absent, also in a race.

use super::kafka::unique;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const VERSITYGW: &str = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
const MOTO: &str = "moto[s3,server]==5.2.5";
const INSTALL: &str = "install Go, or Python 3 with venv (on Debian `apt-get install python3-venv`)";
const READY_MAX: Duration = Duration::from_secs(60);
const ACCESS_KEY: &str = "AKIDEXAMPLE";
const SECRET_KEY: &str = "an-example-of-a-secret-key";
pub const BUCKET: &str = "checkpoints";

/// A server with one empty bucket.
pub struct S3 {
    folder: PathBuf,
    endpoint: String,
    child: Child,
}

impl S3 {
    /// # Panics
    /// If no server can be had: the message says what to install.
    pub fn start() -> S3 {
        let folder = std::env::temp_dir().join(unique("portcullis-s3"));
        fs::create_dir_all(folder.join(BUCKET)).expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let mut command = match server() {
            Server::Versitygw(binary) => {
                let mut command = Command::new(binary);
                command.env("ROOT_ACCESS_KEY", ACCESS_KEY).env("ROOT_SECRET_KEY", SECRET_KEY);
                command.arg("--port").arg(format!("127.0.0.1:{port}")).arg("posix").arg(&folder);
                command
            }
            Server::Moto(binary) => {
                let mut command = Command::new(binary);
                command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
                command
            }
        };
        let log = File::create(folder.with_extension("log")).expect("the log file");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the server starts");
        let s3 = S3 { folder, endpoint: format!("http://127.0.0.1:{port}"), child };
        s3.make_bucket(port);
        s3
    }

    /// Waits until it answers. To versitygw a folder is a bucket; moto takes an unsigned request.
    fn make_bucket(&self, port: u16) {
        let began = Instant::now();
        loop {
            let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
                write!(stream, "PUT /{BUCKET} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).map(|_| answer)
            });
            if asked.is_ok_and(|answer| answer.starts_with("HTTP/1.1")) {
                return;
            }
            let log = || fs::read_to_string(self.folder.with_extension("log")).unwrap_or_default();
            assert!(began.elapsed() < READY_MAX, "the S3 server does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// Options of `object_store`.
    pub fn options(&self) -> Vec<(String, String)> {
        let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            option("aws_endpoint", &self.endpoint),
            option("aws_allow_http", "true"),
            option("aws_region", "us-east-1"),
            option("aws_access_key_id", ACCESS_KEY),
            option("aws_secret_access_key", SECRET_KEY),
        ]
    }

    /// The same as a process's environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.options().into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(self.folder.with_extension("log"));
    }
}

enum Server {
    Versitygw(PathBuf),
    Moto(PathBuf),
}

/// From the user's cache, fetched the first time.
fn server() -> Server {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let cache = cache.expect("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep an S3 server").join("portcullis/s3");
    fs::create_dir_all(&cache).expect("the cache");
    let lock = File::create(cache.join("lock")).expect("a lock");
    lock.lock().expect("locking the cache");
    let (versitygw, moto) = (cache.join("versitygw"), cache.join("moto/bin/moto_server"));
    if !versitygw.exists() && !moto.exists() {
        if Command::new("go").arg("version").output().is_ok_and(|done| done.status.success()) {
            run(Command::new("go").env("GOBIN", &cache).args(["install", "-ldflags", "-s -w", VERSITYGW]));
        } else {
            run(Command::new("python3").args(["-m", "venv"]).arg(cache.join("moto")));
            run(Command::new(cache.join("moto/bin/pip")).args(["install", "-q", MOTO]));
        }
    }
    if versitygw.exists() { Server::Versitygw(versitygw) } else { Server::Moto(moto) }
}

fn run(command: &mut Command) {
    let done = command.output().unwrap_or_else(|e| panic!("the tests need an S3 API ({command:?}: {e}); {INSTALL}"));
    assert!(done.status.success(), "the tests need an S3 API: {command:?}: {}; {INSTALL}", String::from_utf8_lossy(&done.stderr));
}
