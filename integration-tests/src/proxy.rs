//! A TCP proxy between the engine and a broker, with weather: what a network does to connections, at a test's will.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What happens to bytes under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weather {
    Fair,
    /// Connections break, new ones are refused.
    Cut,
    /// Nothing gets through, nobody is told; later all of it arrives.
    Silent,
    /// Those that are open now never carry another byte, and nobody is told; new ones are fine.
    HalfOpen,
    /// Each piece arrives that much later, ms.
    Delay(u64),
    /// As many bytes a second through each connection.
    Slow(u64),
}

/// How often a quiet connection looks at the weather.
const LOOK: Duration = Duration::from_millis(50);
const PIECE: usize = 16 * 1024;

struct Sky {
    weather: Mutex<Weather>,
    /// Connections of an earlier generation are half open.
    generation: AtomicU64,
    closed: AtomicBool,
}

impl Sky {
    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens until it is dropped.
pub struct Proxy {
    port: u16,
    sky: Arc<Sky>,
}

impl Proxy {
    /// Listens on a free port of the loopback, on behalf of what listens on `upstream` there, now or later.
    ///
    /// # Errors
    /// No free port.
    pub fn start(upstream: u16) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let sky = Arc::new(Sky { weather: Mutex::new(Weather::Fair), generation: AtomicU64::new(0), closed: AtomicBool::new(false) });
        let shared = Arc::clone(&sky);
        std::thread::spawn(move || accept(&listener, upstream, &shared));
        Ok(Proxy { port, sky })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on.
    pub fn set(&self, weather: Weather) {
        if weather == Weather::HalfOpen {
            self.sky.generation.fetch_add(1, Ordering::Relaxed);
        }
        *self.sky.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.sky.closed.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn accept(listener: &TcpListener, upstream: u16, sky: &Arc<Sky>) {
    for client in listener.incoming() {
        if sky.closed.load(Ordering::Relaxed) {
            return;
        }
        let Ok(client) = client else { continue };
        if sky.weather() == Weather::Cut {
            continue; // and so it is closed
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)) else { continue };
        let generation = sky.generation.load(Ordering::Relaxed);
        let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { continue };
        for (from, to) in [(from, server), (to, client)] {
            let sky = Arc::clone(sky);
            std::thread::spawn(move || {
                // Broken by whoever is at either end, or by the weather: all the same to the other end.
                let _ = pump(&from, &to, &sky, generation);
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            });
        }
    }
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, sky: &Sky, generation: u64) -> io::Result<()> {
    from.set_read_timeout(Some(LOOK))?;
    from.set_nodelay(true)?;
    let mut piece = vec![0; PIECE];
    loop {
        if sky.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let weather = sky.weather();
        if weather == Weather::Cut {
            return Ok(());
        }
        if weather == Weather::Silent || generation < sky.generation.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
            continue;
        }
        let room =
            if let Weather::Slow(bytes_per_second) = weather { (bytes_per_second / 20).clamp(1, PIECE as u64) as usize } else { PIECE };
        let count = match from.read(&mut piece[..room]) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error),
        };
        match weather {
            Weather::Delay(ms) => std::thread::sleep(Duration::from_millis(ms)),
            Weather::Slow(bytes_per_second) => std::thread::sleep(Duration::from_secs_f64(count as f64 / bytes_per_second.max(1) as f64)),
            _ => {}
        }
        to.write_all(&piece[..count])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo behind a proxy, and a connection to it.
    fn echo() -> (Proxy, impl Fn() -> TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap().port()).unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                std::thread::spawn(move || io::copy(&mut client.try_clone().unwrap(), &mut client));
            }
        });
        let port = proxy.port();
        let connect = move || {
            let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
            stream
        };
        (proxy, connect)
    }

    fn answered(mut stream: &TcpStream) -> bool {
        let mut answer = [0; 2];
        stream.write_all(b"hi").is_ok() && stream.read_exact(&mut answer).is_ok() && answer == *b"hi"
    }

    #[test]
    fn fair_weather_carries_both_ways_and_a_cut_breaks_what_is_open() {
        let (proxy, connect) = echo();
        let stream = connect();
        assert!(answered(&stream));
        proxy.set(Weather::Cut);
        std::thread::sleep(2 * LOOK);
        assert!(!answered(&stream) && !answered(&connect()));
        proxy.set(Weather::Fair);
        assert!(!answered(&stream) && answered(&connect()));
    }

    #[test]
    fn silence_ends_and_all_of_it_arrives_but_half_open_is_for_good() {
        let (proxy, connect) = echo();
        let mut stream = connect();
        assert!(answered(&stream));
        proxy.set(Weather::Silent);
        std::thread::sleep(2 * LOOK);
        assert!(!answered(&stream));
        proxy.set(Weather::Fair);
        let mut late = [0; 2];
        stream.read_exact(&mut late).unwrap();
        proxy.set(Weather::HalfOpen);
        std::thread::sleep(2 * LOOK);
        assert!(!answered(&stream) && answered(&connect()));
    }

    #[test]
    fn a_slow_line_is_slow() {
        let (proxy, connect) = echo();
        proxy.set(Weather::Slow(20));
        let began = std::time::Instant::now();
        assert!(answered(&connect()));
        assert!(began.elapsed() > Duration::from_millis(150), "{:?}", began.elapsed());
    }
}
