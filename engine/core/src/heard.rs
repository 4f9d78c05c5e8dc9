//! What signals said of a subject lately, kept for rules that ask `spoke('new_device', '1h')` and for nobody else: no such rule, nothing kept.

use crate::time::{DAY_MS, Time};
use serde::{Deserialize, Serialize};

/// Signals that are kept at once; the one that was silent longest goes first.
pub const HEARD_MAX: usize = 16;
/// The longest that rules can ask back.
pub const WINDOW_MAX_MS: i64 = DAY_MS;

/// A signal and when it spoke last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heard {
    /// `Signal::number`.
    pub signal: u16,
    /// Subject time.
    pub at: Time,
}

/// Keeps that signals spoke at `now`, and forgets what no rule can ask for any more.
pub fn hear(heard: &mut Vec<Heard>, spoke: impl Iterator<Item = u16>, now: Time) {
    heard.retain(|h| now.since(h.at) < WINDOW_MAX_MS);
    for signal in spoke {
        heard.retain(|h| h.signal != signal);
        heard.push(Heard { signal, at: now });
    }
    let too_many = heard.len().saturating_sub(HEARD_MAX);
    heard.drain(..too_many);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::HOUR_MS;

    #[test]
    fn each_signal_once_the_latest_last_and_nothing_for_ever() {
        let mut heard = Vec::new();
        hear(&mut heard, [1, 2].into_iter(), Time(0));
        hear(&mut heard, [1].into_iter(), Time(HOUR_MS));
        assert_eq!(heard, [Heard { signal: 2, at: Time(0) }, Heard { signal: 1, at: Time(HOUR_MS) }]);
        hear(&mut heard, std::iter::empty(), Time(24 * HOUR_MS));
        assert_eq!(heard, [Heard { signal: 1, at: Time(HOUR_MS) }]);
        hear(&mut heard, 10..40, Time(24 * HOUR_MS));
        assert_eq!(heard.iter().map(|h| h.signal).collect::<Vec<_>>(), (24..40).collect::<Vec<_>>());
    }
}
