//! The service's own HTTP: probes for Kubernetes, metrics for Prometheus, the gate's public keys. It reads and changes nothing. What people
//! may ask and answer has an address of its own ([`contain`]).
//!
//! | path | 200 when | else |
//! |---|---|---|
//! | `/livez` | every worker's loop has turned lately | 503: a restart helps |
//! | `/readyz` | all that is assigned to this process is live | 503: do not count on it yet |
//! | `/startupz` | every worker's loop has begun | 503: give it time |
//! | `/metrics` | always, in Prometheus' text format | |
//! | `/version` | always, JSON | |
//! | `/jwks.json` | this process signs: the keys to verify requests by (RFC 7517) | 404 |
//!
//! A partition that needs a person makes the process unready and not dead: a restart would not mend it.

mod bounded;
pub mod contain;
pub mod people;
pub mod set;

use crate::status::{Phase, Status};
use crate::telemetry::Metrics;
use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// A loop that has not turned for so long hangs: twice what a transaction may wait for its broker.
const TURN_MAX: Duration = Duration::from_secs(90);

/// What is being answered when the service ends may take so long yet.
const GRACE: Duration = Duration::from_secs(3);
/// Requests of people that are worked on at once; each has a connection to Kafka.
const AT_ONCE: usize = 4;

/// Serves on a thread of its own until dropped.
pub struct Server {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    address: SocketAddr,
}

#[derive(Clone)]
struct Shared {
    status: Status,
    metrics: Metrics,
    jwks: Option<Arc<str>>,
}

impl Server {
    /// Probes, metrics and public keys; without `jwks` this process signs nothing.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn start(listen: SocketAddr, status: Status, metrics: Metrics, jwks: Option<String>) -> anyhow::Result<Server> {
        let shared = Shared { status, metrics, jwks: jwks.map(Arc::from) };
        let server = Server::serve("http.listen", listen, router(shared))?;
        tracing::info!(address = %server.address, "HTTP: /livez /readyz /startupz /metrics /version /jwks.json");
        Ok(server)
    }

    /// What people ask and answer.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn of_people(listen: SocketAddr, office: contain::Office) -> anyhow::Result<Server> {
        let answers = office.answers;
        let server = Server::serve("http.contain.listen", listen, contain::router(Arc::new(office)))?;
        tracing::info!(address = %server.address, answers, "HTTP: /contain");
        if !listen.ip().is_loopback() {
            tracing::warn!(address = %server.address, "http.contain.listen is not this host alone, and tokens come in plain text: let something that speaks TLS stand before it");
        }
        Ok(server)
    }

    /// What receivers of SETs ask for.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn of_receivers(listen: SocketAddr, streams: set::Streams) -> anyhow::Result<Server> {
        let server = Server::serve("output.set.listen", listen, set::router(Arc::new(streams)))?;
        tracing::info!(address = %server.address, "HTTP: /ssf/poll /ssf/verify");
        if !listen.ip().is_loopback() {
            tracing::warn!(address = %server.address, "output.set.listen is not this host alone, and tokens come in plain text: let something that speaks TLS stand before it");
        }
        Ok(server)
    }

    fn serve(key: &str, listen: SocketAddr, router: Router) -> anyhow::Result<Server> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(AT_ONCE)
            .build()
            .context("starting HTTP")?;
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(listen))
            .with_context(|| format!("{key}: {listen} cannot be listened on; choose another address, or stop who has it"))?;
        let address = listener.local_addr().context("asking where it listens")?;
        let (stop, stopped) = watch::channel(false);
        let until = |mut stopped: watch::Receiver<bool>| async move { drop(stopped.wait_for(|stop| *stop).await) };
        let serve = move || {
            let served = axum::serve(bounded::Bounded::new(listener), router).with_graceful_shutdown(until(stopped.clone()));
            let ended = runtime.block_on(async {
                tokio::select! {
                    ended = async { served.await } => ended,
                    () = async { until(stopped).await; tokio::time::sleep(GRACE).await } => Ok(()),
                }
            });
            if let Err(error) = ended {
                tracing::error!("HTTP on {address} has ended: {error}");
            }
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("http".to_owned()).spawn(serve).context("starting HTTP")?;
        Ok(Server { stop, thread: Some(thread), address })
    }

    /// Where it listens, the port chosen if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody listens any more if it has ended already.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // It has ended, however it has.
            let _ = thread.join();
        }
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/livez", get(async |State(s): State<Shared>| verdict(&hanging(&s.status))))
        .route("/readyz", get(async |State(s): State<Shared>| verdict(&not_live(&s.status))))
        .route("/startupz", get(async |State(s): State<Shared>| verdict(&not_begun(&s.status))))
        .route("/metrics", get(async |State(s): State<Shared>| (TEXT, s.metrics.render(&s.status))))
        .route("/version", get(async || ([(header::CONTENT_TYPE, "application/json")], version())))
        .route("/jwks.json", get(async |State(s): State<Shared>| keys(s.jwks.as_deref())))
        .with_state(shared)
}

const TEXT: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];

fn keys(jwks: Option<&str>) -> impl IntoResponse + use<> {
    const JWKS: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/jwk-set+json")];
    match jwks {
        Some(jwks) => (StatusCode::OK, JWKS, jwks.to_owned()),
        None => (StatusCode::NOT_FOUND, JWKS, "{\"keys\":[]}".to_owned()),
    }
}

/// 200 if nothing is the matter, 503 with what is otherwise.
fn verdict(matters: &str) -> impl IntoResponse + use<> {
    match matters.is_empty() {
        true => (StatusCode::OK, "ok\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, matters.to_owned()),
    }
}

fn hanging(status: &Status) -> String {
    let mut text = String::new();
    for worker in status.workers().iter().filter(|w| w.since_turn() > TURN_MAX) {
        let _infallible = writeln!(text, "{} {}: its loop last turned {} s ago", worker.role, worker.number, worker.since_turn().as_secs());
    }
    text
}

fn not_live(status: &Status) -> String {
    let mut text = String::new();
    for worker in status.workers().iter().filter(|w| !w.is_ready()) {
        let partitions = worker.partitions();
        if partitions.is_empty() {
            let _infallible = writeln!(text, "{} {}: nothing assigned yet", worker.role, worker.number);
        }
        for (name, partition) in partitions {
            let _infallible = match partition.phase {
                Phase::Live => Ok(()),
                Phase::Recovering => {
                    writeln!(text, "{name}: its state is being brought to the committed offset, at {}", partition.position)
                }
                Phase::Stopped(why) => writeln!(text, "{name}: stopped: {why}"),
            };
        }
    }
    match (text.is_empty(), status.is_ready()) {
        (true, false) => "no worker yet\n".to_owned(),
        _ => text,
    }
}

fn not_begun(status: &Status) -> String {
    match status.workers().is_empty() {
        true => "no worker yet\n".to_owned(),
        false => String::new(),
    }
}

fn version() -> String {
    serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "engine": portcullis_core::decide::ENGINE,
        "decision_version": portcullis_core::decide::DECISION_VERSION,
        "state_version": portcullis_core::profile::STATE_VERSION,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Advance;
    use std::io::{Read, Write as _};

    fn ask(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    #[test]
    fn probes_follow_the_workers() {
        let status = Status::default();
        let server = Server::start("127.0.0.1:0".parse().unwrap(), status.clone(), Metrics::detached(), None).unwrap();
        let at = server.address();
        assert_eq!((ask(at, "/startupz").0, ask(at, "/readyz").0, ask(at, "/livez").0), (503, 503, 200));
        let worker = status.worker("score", 0);
        worker.set("events[0]", Phase::Recovering, 7);
        let (code, why) = ask(at, "/readyz");
        assert!(code == 503 && why.contains("events[0]") && why.contains("at 7"), "{code} {why}");
        worker.set("events[1]", Phase::Stopped("offsets-moved: ...".to_owned()), 7);
        worker.set("events[0]", Phase::Live, 9);
        let (code, why) = ask(at, "/readyz");
        assert!(code == 503 && why.contains("events[1]: stopped: offsets-moved") && !why.contains("events[0]"), "{code} {why}");
        worker.remove("events[1]");
        worker.advance("events[0]", Advance { position: 9, end: Some(12), ..Advance::default() });
        assert_eq!((ask(at, "/startupz").0, ask(at, "/readyz").0, ask(at, "/livez").0), (200, 200, 200));
        let (code, metrics) = ask(at, "/metrics");
        assert!(code == 200 && metrics.contains("portcullis_lag_records{role=\"score\"} 3"), "{metrics}");
        assert!(ask(at, "/version").1.contains("decision_version"));
        assert_eq!(ask(at, "/nothing").0, 404);
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let Err(error) = Server::start(address, Status::default(), Metrics::detached(), None) else { panic!("it was taken") };
        assert!(format!("{error:#}").contains(&address.to_string()), "{error:#}");
    }
}
