//! How logs arrive: some lines late, some twice, some broken.

use crate::random::Random;
use crate::settings::Settings;
use crate::stream::Shipment;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const LATE_PER_100_000: u64 = 200;
const REPEATED_PER_100_000: u64 = 100;
const MALFORMED_PER_100_000: u64 = 20;
/// Of late events, milliseconds; at most twenty times this.
const MEAN_DELAY_MS: u64 = 90_000;

/// Lines that wait to be shipped.
pub struct Shipping {
    random: Random,
    messy: bool,
    malformed: bool,
    waiting: BinaryHeap<Reverse<Waiting>>,
}

/// Ordered by when it is shipped, then by event.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    shipped_ms: i64,
    id: u64,
    is_malformed: bool,
    at_ms: i64,
    line: Vec<u8>,
}

impl Shipping {
    pub fn new(settings: &Settings) -> Shipping {
        Shipping {
            random: Random::of(&[settings.seed, 0x3e55]),
            messy: settings.messy,
            malformed: settings.malformed,
            waiting: BinaryHeap::new(),
        }
    }

    /// Ships what is due before the next thing happens, or at the end.
    pub fn due(&mut self, now: Option<i64>, out: &mut Vec<u8>) -> Option<Shipment> {
        let Reverse(first) = self.waiting.peek()?;
        if now.is_some_and(|now| first.shipped_ms > now) {
            return None;
        }
        let Reverse(waiting) = self.waiting.pop()?;
        out.extend_from_slice(&waiting.line);
        out.push(b'\n');
        Some(Shipment { at_ms: waiting.at_ms, shipped_ms: waiting.shipped_ms, is_control: false, is_malformed: waiting.is_malformed })
    }

    /// Decides what becomes of an event; true when it is not to be shipped now.
    pub fn withholds(&mut self, at: i64, id: u64, line: &[u8]) -> bool {
        if self.malformed {
            let draw = self.random.below(100_000);
            if draw < MALFORMED_PER_100_000 {
                self.wait(at, at, id, true, broken(line, draw));
            }
        }
        if !self.messy {
            return false;
        }
        let draw = self.random.below(100_000);
        if draw < LATE_PER_100_000 {
            let shipped = at + 2_000 + self.random.exponential(MEAN_DELAY_MS) as i64;
            self.wait(at, shipped, id, false, line.to_vec());
            return true;
        }
        if draw < LATE_PER_100_000 + REPEATED_PER_100_000 {
            let shipped = at + self.random.between(50, 30_000);
            self.wait(at, shipped, id, false, line.to_vec());
        }
        false
    }

    /// Ships an event at a certain time, later than it happened.
    pub fn hold(&mut self, at: i64, shipped: i64, id: u64, line: &[u8]) {
        self.wait(at, shipped, id, false, line.to_vec());
    }

    fn wait(&mut self, at_ms: i64, shipped_ms: i64, id: u64, is_malformed: bool, line: Vec<u8>) {
        self.waiting.push(Reverse(Waiting { shipped_ms, id, is_malformed, at_ms, line }));
    }
}

fn broken(line: &[u8], how: u64) -> Vec<u8> {
    match how % 4 {
        0 => line[..line.len() / 2].to_vec(),
        1 => replaced(line, b"\"time\":\"", b"\"time\":[\"", b"]"),
        2 => replaced(line, b"\"time\":", b"\"when\":", b""),
        _ => {
            let mut bytes = line.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] = 0xff;
            bytes
        }
    }
}

/// Replaces the first `from` by `to`, and puts `after` behind the value that follows (a time of 25 bytes).
fn replaced(line: &[u8], from: &[u8], to: &[u8], after: &[u8]) -> Vec<u8> {
    let at = line.windows(from.len()).position(|w| w == from).unwrap_or(0);
    let value = (at + from.len() + 25).min(line.len());
    [&line[..at], to, &line[at + from.len()..value], after, &line[value..]].concat()
}
