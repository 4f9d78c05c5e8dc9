//! What is fed to the engine: simulated weeks with attacks, and everything that makes a log a real one.

use super::random::Random;
use portcullis_simulate::{DEFAULT_START_MS, Settings, Simulation};
use std::fmt;

/// What a seed draws.
#[derive(Clone, Debug)]
pub struct Plan {
    pub events: u64,
    /// Old events that arrive late and all at once.
    pub backfill: u64,
    pub duplicates: u64,
    pub poison: u64,
    /// Which piece is ten times as large as the others.
    pub burst: usize,
    pub pieces: usize,
}

impl Plan {
    pub fn draw(random: &mut Random) -> Plan {
        let events = if random.once_in(8) { random.within(20_000..30_000) } else { random.within(5_000..12_000) };
        let pieces = random.within(20..40) as usize;
        Plan {
            events,
            backfill: events / random.within(4..10),
            duplicates: random.within(20..200),
            poison: random.within(3..20),
            burst: random.within(2..pieces as u64) as usize,
            pieces,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events, {} of them a backfill, {} repeats, {} poisoned", self.events, self.backfill, self.duplicates, self.poison)
    }
}

/// A raw record; `None` is a tombstone.
pub type Raw = Option<Vec<u8>>;

/// The records in the pieces in which they are fed. `now_ms` dates what the gate must not find too old.
pub fn pieces(seed: u64, plan: &Plan, now_ms: i64) -> Vec<Vec<Raw>> {
    let mut random = Random::new(seed, "workload");
    let mut lines: Vec<Raw> =
        simulated(Settings { seed, events: plan.events - plan.backfill, weeks: 2, malformed: true, ..Settings::default() });
    let earlier = Settings {
        seed: seed.wrapping_add(1),
        events: plan.backfill,
        weeks: 2,
        scenarios: Some(Vec::new()),
        inventory: false,
        start_ms: DEFAULT_START_MS - 7 * 86_400_000,
        ..Settings::default()
    };
    let mut backfill = simulated(earlier);
    backfill.truncate(plan.backfill as usize);
    let at = lines.len() / 2;
    lines.splice(at..at, backfill);
    for number in 0..3 {
        let at = random.within(0..lines.len() as u64) as usize;
        lines.splice(at..at, attack(number, now_ms));
    }
    for _ in 0..plan.duplicates {
        let from = random.within(0..lines.len() as u64) as usize;
        let to = random.within(from as u64..lines.len() as u64) as usize;
        let copy = lines[from].clone();
        lines.insert(to, copy);
    }
    for number in 0..plan.poison {
        let at = random.within(0..lines.len() as u64) as usize;
        lines.insert(at, poison(number, now_ms));
    }
    // The burst counts for ten.
    let share = lines.len().div_ceil(plan.pieces + 9);
    let mut pieces = Vec::new();
    let mut lines = lines.into_iter();
    loop {
        let size = if pieces.len() == plan.burst { 10 * share } else { share };
        let piece: Vec<Raw> = lines.by_ref().take(size).collect();
        if piece.is_empty() {
            return pieces;
        }
        pieces.push(piece);
    }
}

fn simulated(settings: Settings) -> Vec<Raw> {
    // The settings are drawn within what can be simulated.
    Simulation::new(settings).map(|lines| lines.map(Some).collect()).unwrap_or_default()
}

/// Pushes denied until one is approved, now: a critical verdict, proposals, signed requests; then what became of one, and a label.
fn attack(number: u64, now_ms: i64) -> Vec<Raw> {
    let who = format!("tired-{number}");
    let line = |i: i64, rest: &str| {
        let time = now_ms - 60_000 + i * 1_000;
        format!(
            r#"{{"id":"{who}-{i}","time":{time},"type":"auth.mfa",{rest},"identity":{{"id":"{who}","class":"workforce"}},"session":{{"id":"s-{who}"}},"source":{{"ip":"192.0.2.{number}"}}}}"#
        )
    };
    let mut lines: Vec<String> =
        (0..6).map(|i| line(i, r#""outcome":"failure","auth":{"method":"push","failure":"mfa_denied"}"#)).collect();
    lines.push(line(6, r#""outcome":"success","auth":{"method":"push"}"#));
    lines.push(format!(
        r#"{{"id":"{who}-done","time":{now_ms},"type":"containment.outcome","containment":{{"request_id":"r-{who}","status":"done","action":"terminate_session","subject":{{"kind":"identity","id":"{who}"}}}}}}"#
    ));
    lines.push(format!(
        r#"{{"id":"{who}-label","time":{now_ms},"type":"feedback.label","feedback":{{"subject":{{"kind":"identity","id":"{who}"}},"label":"true_positive","by":"judge"}}}}"#
    ));
    lines.into_iter().map(|line| Some(line.into_bytes())).collect()
}

/// Records that want to break something.
fn poison(number: u64, now_ms: i64) -> Raw {
    Some(match number % 9 {
        0 => return None,
        1 => Vec::new(),
        2 => b"\xff\xfe\x00not text".to_vec(),
        3 => br#"{"time":"#.to_vec(),
        4 => vec![b'['; 100_000],
        5 => vec![b'x'; 1_000_000],
        6 => format!(r#"{{"time":{now_ms},"type":"auth.login","identity":{{"id":"{}"}}}}"#, "u".repeat(200_000)).into_bytes(),
        7 => {
            let event = |i: u64| format!(r#"{{"time":{now_ms},"type":"api.request","outcome":"success","identity":{{"id":"many-{i}"}}}}"#);
            format!("[{}]", (0..300).map(event).collect::<Vec<_>>().join(",")).into_bytes()
        }
        // No id: it is named after where it stands.
        _ => format!(r#"{{"time":{now_ms},"type":"auth.login","outcome":"failure","identity":{{"id":"nameless"}}}}"#).into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_records_again() {
        let draw = |seed| {
            let plan = Plan::draw(&mut Random::new(seed, "plan"));
            pieces(seed, &plan, 1_800_000_000_000)
        };
        let (first, again, other) = (draw(3), draw(3), draw(4));
        assert!(first == again && first != other);
        let sizes: Vec<usize> = first.iter().map(Vec::len).collect();
        assert!(sizes.iter().max() >= Some(&(sizes[0] * 9)), "{sizes:?}");
        assert!(first.iter().flatten().any(Option::is_none));
    }
}
