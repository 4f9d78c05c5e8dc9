//! Hands spans to a collector, on a thread of its own: OTLP over HTTP. Where it is away the engine goes on as if there were none; what waits is
//! bounded, what does not fit is counted and dropped.

use super::otlp::{self, Resource};
use super::spans::Span;
use crate::config;
use crate::telemetry::{self, SpanEnd};
use anyhow::Context as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use url::Url;

/// Spans that wait.
const QUEUE_MAX: usize = 8_192;
/// Spans of one request.
const REQUEST_MAX: usize = 512;
/// How long a request waits to be filled.
const GATHER: Duration = Duration::from_secs(1);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failure: doubled each time.
const WAIT_LEAST: Duration = Duration::from_secs(1);
const WAIT_MOST: Duration = Duration::from_secs(30);
/// At the end what waits is sent once.
const END_MAX: Duration = Duration::from_secs(3);
/// How often it is said that something is wrong.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Where spans go; by default nowhere.
#[derive(Clone, Default)]
pub struct Handle(Option<mpsc::Sender<Span>>);

impl Handle {
    pub fn wants_spans(&self) -> bool {
        self.0.is_some()
    }

    /// Never waits.
    pub fn hand_over(&self, span: Span) {
        if let Some(queue) = &self.0
            && queue.try_send(span).is_err()
        {
            telemetry::spans(SpanEnd::Dropped, 1);
        }
    }
}

/// One a process; sends what waits, and ends, when dropped.
pub struct Exporter {
    queue: mpsc::Sender<Span>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// `instance` tells the processes of a role apart.
    ///
    /// # Errors
    /// When a client or a thread cannot be made.
    pub fn start(traces: &config::Traces, instance: &str) -> anyhow::Result<Exporter> {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))]);
        for (name, value) in &traces.headers {
            let mut value = HeaderValue::from_str(value.reveal()).with_context(|| format!("traces.headers.{name}"))?;
            value.set_sensitive(true);
            headers.insert(name.parse::<HeaderName>().with_context(|| format!("traces.headers.{name}"))?, value);
        }
        // A collector that is asked again elsewhere would be given the headers.
        let client = Client::builder().default_headers(headers).timeout(REQUEST_TIMEOUT).redirect(Policy::none()).build()?;
        let resource = vec![
            ("service.name", "portcullis".to_owned()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("service.instance.id", instance.to_owned()),
        ];
        let collector = Collector { client, endpoint: traces.endpoint.clone(), resource };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
            runtime.block_on(work(collector, waiting, ended));
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Exporter { queue, end: Some(end), thread: Some(thread) })
    }

    pub fn handle(&self) -> Handle {
        Handle(Some(self.queue.clone()))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// `http://collector:4318` is where OTLP is spoken; spans have a path of their own there, unless it is given.
///
/// # Errors
/// What is wrong with it.
pub fn endpoint_of(text: &str) -> Result<Url, &'static str> {
    let mut url = Url::parse(text).map_err(|_| "is no URL")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("is not http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("has more than a host, a port and a path");
    }
    if !url.path().ends_with("/v1/traces") {
        url.set_path(&format!("{}/v1/traces", url.path().trim_end_matches('/')));
    }
    Ok(url)
}

struct Collector {
    client: Client,
    endpoint: Url,
    resource: Resource,
}

/// What became of a request.
enum Answer {
    Taken,
    /// The same spans would be refused again.
    Refused(String),
    /// Another time may be better.
    NotNow(String),
}

impl Collector {
    async fn send(&self, spans: &[Span]) -> Answer {
        let body = otlp::request(&self.resource, spans);
        match self.client.post(self.endpoint.clone()).body(body).send().await {
            Ok(answer) if answer.status().is_success() => Answer::Taken,
            Ok(answer) => {
                let said = format!("it answers {}", answer.status());
                match answer.status() {
                    // OTLP names these as the ones to try again.
                    StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT => Answer::NotNow(said),
                    _ => Answer::Refused(said),
                }
            }
            // With its causes: that of a client alone says that a request failed.
            Err(error) => Answer::NotNow(format!("{:#}", anyhow::Error::new(error))),
        }
    }
}

/// Until `ended`; then what waits is sent once more.
async fn work(collector: Collector, mut waiting: mpsc::Receiver<Span>, ended: oneshot::Receiver<()>) {
    let mut spans = Vec::new();
    tokio::select! {
        () = deliver(&collector, &mut waiting, &mut spans) => {}
        _ = ended => {}
    }
    while let Ok(span) = waiting.try_recv() {
        spans.push(span);
    }
    let mut left = spans.len();
    let rest = async {
        for some in spans.chunks(REQUEST_MAX) {
            if !matches!(collector.send(some).await, Answer::Taken) {
                return;
            }
            telemetry::spans(SpanEnd::Sent, some.len());
            left -= some.len();
        }
    };
    let _in_time = timeout(END_MAX, rest).await;
    telemetry::spans(SpanEnd::Dropped, left);
}

/// Sends what comes, and the same again where the collector is away. `spans`: what it has not answered for.
async fn deliver(collector: &Collector, waiting: &mut mpsc::Receiver<Span>, spans: &mut Vec<Span>) {
    let (mut said, mut wait) = (None, WAIT_LEAST);
    while waiting.recv_many(spans, REQUEST_MAX).await > 0 {
        let full = async { while spans.len() < REQUEST_MAX && waiting.recv_many(spans, REQUEST_MAX - spans.len()).await > 0 {} };
        let _full_or_late = timeout(GATHER, full).await;
        loop {
            let answer = collector.send(spans).await;
            if let Answer::Refused(why) | Answer::NotNow(why) = &answer
                && said.is_none_or(|when: Instant| when.elapsed() >= SAY_EVERY)
            {
                said = Some(Instant::now());
                tracing::warn!(endpoint = %collector.endpoint, "the collector of traces does not take spans, which nothing else waits for: {why}");
            }
            match answer {
                Answer::Taken => break telemetry::spans(SpanEnd::Sent, spans.len()),
                Answer::Refused(_) => break telemetry::spans(SpanEnd::Refused, spans.len()),
                Answer::NotNow(_) => sleep(wait).await,
            }
            wait = (wait * 2).min(WAIT_MOST);
        }
        wait = WAIT_LEAST;
        spans.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::SystemTime;

    #[test]
    fn spans_have_a_path_of_their_own() {
        for (given, meant) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example/intake/", "https://otel.example/intake/v1/traces"),
            ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
        ] {
            assert_eq!(endpoint_of(given).unwrap().as_str(), meant);
        }
        for wrong in ["", "127.0.0.1:4318", "grpc://collector:4317", "http://user:secret@collector", "http://collector?token=secret"] {
            assert!(endpoint_of(wrong).is_err(), "{wrong}");
        }
    }

    fn exporter(port: u16) -> Exporter {
        let traces = config::Traces { endpoint: endpoint_of(&format!("http://127.0.0.1:{port}")).unwrap(), headers: Default::default() };
        Exporter::start(&traces, "test").unwrap()
    }

    fn span(offset: i64) -> Span {
        let now = SystemTime::now();
        Span {
            trace: [1; 16],
            id: [2; 8],
            parent: [3; 8],
            flags: 1,
            state: None,
            role: "score",
            topic: "t".into(),
            partition: 0,
            offset,
            began: now,
            ended: now,
            words: Vec::new(),
        }
    }

    /// Answers as many requests as there are answers; hands over the bodies.
    fn collector(answers: &'static [&'static str]) -> (u16, Receiver<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (bodies, received) = channel();
        std::thread::spawn(move || {
            for (answer, connection) in answers.iter().zip(listener.incoming()) {
                let mut connection = connection.unwrap();
                let (mut reader, mut head) = (BufReader::new(&connection), String::new());
                while reader.read_line(&mut head).unwrap() > 2 {}
                let length = head.to_lowercase().split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                write!(connection, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
                bodies.send(body).unwrap();
            }
        });
        (port, received)
    }

    #[test]
    fn what_could_not_be_taken_comes_again_and_what_was_refused_does_not() {
        let (port, bodies) = collector(&["503 Later", "200 OK", "400 No", "200 OK"]);
        let exporter = exporter(port);
        let next = || bodies.recv_timeout(Duration::from_secs(20)).unwrap();
        exporter.handle().hand_over(span(1));
        let first = next();
        assert_eq!(next(), first);
        exporter.handle().hand_over(span(2));
        let refused = next();
        exporter.handle().hand_over(span(3));
        let third = next();
        assert!(third != refused && third.len() == refused.len(), "the one span");
    }

    #[test]
    fn what_waits_at_the_end_is_sent() {
        let (port, bodies) = collector(&["200 OK"]);
        let exporter = exporter(port);
        exporter.handle().hand_over(span(1));
        drop(exporter);
        assert!(bodies.recv_timeout(Duration::from_secs(20)).is_ok());
    }

    #[test]
    fn it_ends_though_the_collector_is_away() {
        let exporter = exporter(9); // nobody listens
        exporter.handle().hand_over(span(1));
        let (end, ended) = channel();
        std::thread::spawn(move || {
            drop(exporter);
            end.send(())
        });
        assert!(ended.recv_timeout(Duration::from_secs(60)).is_ok());
    }
}
