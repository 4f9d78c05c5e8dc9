//! Connections that are held at once, and for how long: who opens many, or one and says nothing, makes nobody else wait.

use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// Probes, a Prometheus or two, people: each needs one.
const CONNECTIONS_MAX: usize = 64;
/// However much is asked on it: longer than any answer of ours takes, and than one waits for something to come.
const LASTS_MAX: Duration = Duration::from_secs(120);
/// Nothing was said on it.
const QUIET_MAX: Duration = Duration::from_secs(60);
/// Until the system lets us accept again.
const AGAIN: Duration = Duration::from_millis(500);

pub struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    quiet_max: Duration,
}

impl Bounded {
    pub fn new(listener: TcpListener) -> Bounded {
        Bounded { listener, places: Arc::new(Semaphore::new(CONNECTIONS_MAX)), quiet_max: QUIET_MAX }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            // Who comes when all are taken waits in the system's queue for one that ends.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { std::future::pending().await };
            match self.listener.accept().await {
                Ok((stream, address)) => return (Connection::new(stream, place, self.quiet_max), address),
                Err(error) => {
                    tracing::warn!("HTTP: no connection can be accepted: {error}");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends by itself.
pub struct Connection {
    stream: TcpStream,
    ends: Instant,
    quiet_max: Duration,
    quiet: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit, quiet_max: Duration) -> Connection {
        let now = Instant::now();
        Connection { stream, ends: now + LASTS_MAX, quiet_max, quiet: Box::pin(sleep_until(now + quiet_max)), _place: place }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(done) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            let until = self.ends.min(Instant::now() + self.quiet_max);
            self.quiet.as_mut().reset(until);
            return Poll::Ready(done);
        }
        self.quiet.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What a server of these bounds answers after a client has opened so many connections and said nothing on them.
    async fn asked_beside(silent: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bounded = Bounded { quiet_max: Duration::from_millis(200), ..Bounded::new(listener) };
        let server = tokio::spawn(async move { axum::serve(bounded, Router::new().route("/", get(async || "well"))).await });
        let mut held = Vec::new();
        for _ in 0..silent {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        server.abort();
        said
    }

    #[test]
    fn who_says_nothing_is_let_go_and_others_are_answered() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for silent in [0, CONNECTIONS_MAX - 1, CONNECTIONS_MAX, 3 * CONNECTIONS_MAX] {
            let said = runtime.block_on(asked_beside(silent));
            assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("well"), "{silent}: {said}");
        }
    }
}
