//! Fail points: the places of the commit loop where a fault test lets the process die, or freezes it.
//!
//! `PORTCULLIS_FAILPOINT=before-commit:3` ends the process with SIGKILL, so that nothing is tidied up, when it comes to that place for
//! the third time. `before-commit:3:stop` freezes it there with SIGSTOP until somebody continues it: a zombie that wakes up in the
//! middle of a transaction. Without the variable a point costs one relaxed load. Here, and not in the daemon, because half of the
//! places lie within the transaction of [`crate::kafka::Sink`].

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// By which a process is told.
pub const VARIABLE: &str = "PORTCULLIS_FAILPOINT";

macro_rules! points {
    ($($(#[$meta:meta])* $point:ident = $name:literal,)+) => {
        /// Where a process can be told to die, in the order in which a batch comes by.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Point { $($(#[$meta])* $point),+ }

        impl Point {
            pub const ALL: &[Point] = &[$(Point::$point),+];

            pub const fn name(self) -> &'static str {
                match self { $(Point::$point => $name),+ }
            }
        }
    };
}

points! {
    AfterReceive = "after-receive",
    AfterApply = "after-apply",
    AfterBegin = "after-begin",
    /// Half of the outputs are with the producer.
    MidOutputs = "mid-outputs",
    BeforeFlush = "before-flush",
    /// The brokers have every output, and no offset yet.
    AfterFlush = "after-flush",
    AfterOffsets = "after-offsets",
    /// The commit is on its way, and not answered.
    MidCommit = "mid-commit",
    /// Published, and not remembered.
    AfterCommit = "after-commit",
    BeforeStateFlush = "before-state-flush",
    AfterStateFlush = "after-state-flush",
    AfterRemember = "after-remember",
}

/// About how long a commit is on its way.
const MID_COMMIT: Duration = Duration::from_micros(700);

const SIGKILL: i32 = 9;
const SIGSTOP: i32 = 19;

unsafe extern "C" {
    /// ISO C, in every libc.
    fn raise(signal: i32) -> i32;
}

/// What `PORTCULLIS_FAILPOINT` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Order {
    point: Point,
    /// At which passage, from 1.
    passage: u32,
    signal: i32,
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Order, String> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let point = Point::ALL.iter().copied().find(|p| p.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Point::ALL.iter().map(|p| p.name()).collect();
            format!("{VARIABLE}={text}: no such place; known are {}", known.join(", "))
        })?;
        let passage = parts.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
        let passage = passage.ok_or_else(|| format!("{VARIABLE}={text}: write the passage, from 1, as in {name}:1"))?;
        let signal = match (parts.next(), parts.next()) {
            (None | Some("kill"), None) => SIGKILL,
            (Some("stop"), None) => SIGSTOP,
            _ => return Err(format!("{VARIABLE}={text}: write {name}:{passage}, or {name}:{passage}:stop")),
        };
        Ok(Order { point, passage, signal })
    }
}

static OFF: AtomicBool = AtomicBool::new(false);
static PASSAGES: AtomicU32 = AtomicU32::new(0);

/// The process is here.
#[inline]
pub fn pass(point: Point) {
    if !OFF.load(Ordering::Relaxed) {
        look(point);
    }
}

#[cold]
fn look(point: Point) {
    static ORDER: OnceLock<Option<Order>> = OnceLock::new();
    let order = ORDER.get_or_init(|| {
        let text = std::env::var(VARIABLE).ok()?;
        // A test that names a place wrongly must not pass for one that survived it.
        Some(text.parse().unwrap_or_else(|error: String| {
            eprintln!("{error}");
            std::process::abort()
        }))
    });
    match order {
        None => OFF.store(true, Ordering::Relaxed),
        Some(order) if order.point == point && PASSAGES.fetch_add(1, Ordering::Relaxed) + 1 == order.passage => {
            if point == Point::MidCommit {
                let signal = order.signal;
                std::thread::spawn(move || {
                    std::thread::sleep(MID_COMMIT);
                    strike(signal);
                });
            } else {
                strike(order.signal);
            }
        }
        Some(_) => {}
    }
}

fn strike(signal: i32) {
    // SAFETY: raise takes any number and touches no memory of ours.
    unsafe { raise(signal) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_place_passage_and_what_happens() {
        let order = |text: &str| text.parse::<Order>();
        assert_eq!(order("before-flush:3"), Ok(Order { point: Point::BeforeFlush, passage: 3, signal: SIGKILL }));
        assert_eq!(order("mid-outputs:1:stop").unwrap().signal, SIGSTOP);
        assert!(order("nowhere:1").unwrap_err().contains("known are after-receive,"));
        for wrong in ["before-flush", "before-flush:0", "before-flush:x", "before-flush:1:burn", "before-flush:1:stop:2"] {
            assert!(order(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_an_order_nothing_happens() {
        Point::ALL.iter().for_each(|point| pass(*point));
        assert!(OFF.load(Ordering::Relaxed));
    }
}
