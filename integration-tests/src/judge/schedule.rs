//! What a seed draws: who runs, what is fed, what goes wrong and when.
//!
//! The first seeds draw each fault alone, in the order of [`alone`]; the later ones draw two to four of those that can be mixed.

use super::random::Random;
use super::workload::Plan;
use crate::proxy::Weather;
use portcullis_connectors::failpoint::Point;
use std::fmt;

/// Which Kafka is under it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    One,
    Three,
    /// One whose disk can be filled.
    Small,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BrokerFault {
    Kill,
    Stop,
    Freeze,
}

/// What an operator, or an accident, does to committed offsets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OffsetFault {
    Deleted,
    Back,
    Forward,
}

/// How the newest checkpoint of a partition is found by whoever needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Newest {
    Whole,
    FileMissing,
    FileAltered,
    ManifestAltered,
    ManifestCut,
}

impl Newest {
    const ALL: [Newest; 5] = [Newest::Whole, Newest::FileMissing, Newest::FileAltered, Newest::ManifestAltered, Newest::ManifestCut];

    fn name(self) -> &'static str {
        match self {
            Newest::Whole => "whole",
            Newest::FileMissing => "file-missing",
            Newest::FileAltered => "file-altered",
            Newest::ManifestAltered => "manifest-altered",
            Newest::ManifestCut => "manifest-cut",
        }
    }
}

/// What retention leaves of a journal that has gone on beyond the checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retained {
    Tail,
    Nothing,
}

/// Something that goes wrong.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    Nothing,
    /// `kill -9`, and back after so many ms.
    Kill {
        pod: usize,
        back_ms: u64,
    },
    /// `kill -9`, or SIGSTOP for longer than every time-out, at a place of the commit loop.
    Point {
        pod: usize,
        point: Point,
        passage: u64,
        stop: bool,
    },
    /// SIGSTOP for longer than every time-out.
    Freeze {
        pod: usize,
        ms: u64,
    },
    /// Of a cluster: the leader of something, and the coordinator of something.
    Broker {
        broker: usize,
        fault: BrokerFault,
        ms: u64,
    },
    Weather {
        weather: Weather,
        ms: u64,
    },
    StateFull {
        pod: usize,
    },
    StateDeleted {
        pod: usize,
    },
    StateDamaged {
        pod: usize,
    },
    BrokerFull {
        ms: u64,
    },
    /// From one pod to three, then to two.
    Scale,
    /// Pods come and go, faster than a group can settle.
    Storm {
        rounds: u64,
    },
    /// One pod of several is restarted: nothing moves.
    Restart {
        pod: usize,
    },
    /// A second process with the same identity.
    Twin {
        pod: usize,
    },
    Clock {
        hours: i64,
    },
    Offsets {
        role: &'static str,
        fault: OffsetFault,
    },
    /// The input topic is deleted and made again.
    InputAnew,
    /// First undisturbed, then with a fresh group over the same log, disturbed: the same outputs.
    Twice,
    /// A pod loses its state, and with it the newest checkpoint of each of its partitions may be damaged.
    Checkpoint {
        newest: Newest,
    },
    /// All states are lost, and the checkpoints are older than the journal's retention.
    JournalAged {
        role: &'static str,
        left: Retained,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Nothing => f.write_str("nothing"),
            Fault::Kill { pod, back_ms } => write!(f, "kill(pod {pod}, back after {back_ms} ms)"),
            Fault::Point { pod, point, passage, stop } => {
                write!(f, "{}(pod {pod}, {}:{passage})", if *stop { "stop-at" } else { "kill-at" }, point.name())
            }
            Fault::Freeze { pod, ms } => write!(f, "freeze(pod {pod}, {ms} ms)"),
            Fault::Broker { broker, fault, ms } => write!(f, "broker-{}({broker}, {ms} ms)", format!("{fault:?}").to_lowercase()),
            Fault::Weather { weather, ms } => write!(f, "network({weather:?}, {ms} ms)"),
            Fault::StateFull { pod } => write!(f, "state-disk-full(pod {pod})"),
            Fault::StateDeleted { pod } => write!(f, "state-deleted(pod {pod})"),
            Fault::StateDamaged { pod } => write!(f, "sst-damaged(pod {pod})"),
            Fault::BrokerFull { ms } => write!(f, "broker-disk-full({ms} ms)"),
            Fault::Scale => f.write_str("scale(1, 3, 2)"),
            Fault::Storm { rounds } => write!(f, "rebalance-storm({rounds})"),
            Fault::Restart { pod } => write!(f, "restart(pod {pod})"),
            Fault::Twin { pod } => write!(f, "same-identity(pod {pod})"),
            Fault::Clock { hours } => write!(f, "clock({hours:+} h)"),
            Fault::Offsets { role, fault } => write!(f, "offsets-{}({role})", format!("{fault:?}").to_lowercase()),
            Fault::InputAnew => f.write_str("input-made-anew"),
            Fault::Twice => f.write_str("disturbed-against-undisturbed"),
            Fault::Checkpoint { newest } => write!(f, "checkpoint-{}", newest.name()),
            Fault::JournalAged { role, left: Retained::Tail } => write!(f, "checkpoint-before-journal({role})"),
            Fault::JournalAged { role, left: Retained::Nothing } => write!(f, "checkpoint-without-journal({role})"),
        }
    }
}

/// What a seed draws.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub ground: Ground,
    /// Role and number of each pod.
    pub pods: Vec<(&'static str, usize)>,
    pub partitions: i32,
    pub workers: u64,
    /// `score.transaction.records`: small, so that there are many.
    pub transaction_records: u64,
    pub workload: Plan,
    /// How often verdicts are written, before and after the change of policy.
    pub emit: [&'static str; 2],
    /// After how many pieces of the workload the policy changes.
    pub policy_after: usize,
    /// Each with how long it waits.
    pub faults: Vec<(u64, Fault)>,
    /// A store of checkpoints is configured.
    pub checkpoints: bool,
}

/// Longer than the session (10 s) and the transaction (5 s).
const LONGER_THAN_ALL_MS: u64 = 11_500;

/// Faults that a seed has for itself.
fn alone(random: &mut Random) -> Vec<Fault> {
    let mut faults = vec![Fault::Nothing];
    let passage = |random: &mut Random| random.within(1..6);
    faults.extend(Point::ALL.iter().map(|point| Fault::Point { pod: 0, point: *point, passage: passage(random), stop: false }));
    for point in [Point::MidOutputs, Point::AfterFlush, Point::AfterOffsets, Point::MidCommit, Point::AfterCommit] {
        faults.push(Fault::Point { pod: 0, point, passage: passage(random), stop: true });
    }
    faults.extend([
        Fault::Kill { pod: 0, back_ms: 300 },
        Fault::Kill { pod: 0, back_ms: LONGER_THAN_ALL_MS },
        Fault::Freeze { pod: 0, ms: LONGER_THAN_ALL_MS },
        Fault::Broker { broker: 0, fault: BrokerFault::Kill, ms: 1_000 },
        Fault::Broker { broker: 0, fault: BrokerFault::Stop, ms: 500 },
        Fault::Broker { broker: 0, fault: BrokerFault::Freeze, ms: 7_000 },
        Fault::Broker { broker: 0, fault: BrokerFault::Kill, ms: 6_000 },
        Fault::Broker { broker: 1, fault: BrokerFault::Kill, ms: 2_000 },
        Fault::Broker { broker: 2, fault: BrokerFault::Kill, ms: 4_000 },
        Fault::Broker { broker: 1, fault: BrokerFault::Freeze, ms: 7_000 },
        Fault::Weather { weather: Weather::Cut, ms: 3_000 },
        Fault::Weather { weather: Weather::Cut, ms: 12_000 },
        Fault::Weather { weather: Weather::Silent, ms: 4_000 },
        Fault::Weather { weather: Weather::HalfOpen, ms: 1_000 },
        Fault::Weather { weather: Weather::Delay(200), ms: 5_000 },
        Fault::Weather { weather: Weather::Slow(200_000), ms: 5_000 },
        Fault::StateFull { pod: 0 },
        Fault::StateDeleted { pod: 0 },
        Fault::StateDamaged { pod: 0 },
        Fault::BrokerFull { ms: 2_000 },
        Fault::Scale,
        Fault::Restart { pod: 1 },
        Fault::Storm { rounds: 6 },
        Fault::Twin { pod: 0 },
        Fault::Clock { hours: 1 },
        Fault::Clock { hours: -1 },
        Fault::InputAnew,
        Fault::Twice,
    ]);
    faults.push(Fault::Offsets { role: "ingest", fault: OffsetFault::Deleted });
    for role in ["score", "gate"] {
        faults.extend([OffsetFault::Deleted, OffsetFault::Back, OffsetFault::Forward].map(|fault| Fault::Offsets { role, fault }));
    }
    faults.extend(Newest::ALL.map(|newest| Fault::Checkpoint { newest }));
    for (role, left) in [("score", Retained::Tail), ("score", Retained::Nothing), ("gate", Retained::Tail)] {
        faults.push(Fault::JournalAged { role, left });
    }
    faults
}

/// One of those that can happen together with others.
fn mixed(random: &mut Random, pods: u64) -> Fault {
    let pod = random.within(0..pods) as usize;
    match random.within(0..16) {
        0..4 => {
            let (point, passage) = (*random.pick(Point::ALL), random.within(1..8));
            Fault::Point { pod, point, passage, stop: random.once_in(6) }
        }
        4 | 5 => Fault::Kill { pod, back_ms: random.within(0..3_000) },
        6 => Fault::Freeze { pod, ms: LONGER_THAN_ALL_MS },
        7 | 8 => {
            let fault = *random.pick(&[BrokerFault::Kill, BrokerFault::Kill, BrokerFault::Stop, BrokerFault::Freeze]);
            Fault::Broker { broker: random.within(0..3) as usize, fault, ms: random.within(200..6_000) }
        }
        9 | 10 => {
            let weather = *random.pick(&[Weather::Cut, Weather::Silent, Weather::HalfOpen, Weather::Delay(100), Weather::Slow(300_000)]);
            Fault::Weather { weather, ms: random.within(500..5_000) }
        }
        11 if random.once_in(2) => Fault::StateDamaged { pod },
        11 => Fault::StateDeleted { pod },
        12 => Fault::Storm { rounds: random.within(2..5) },
        13 => Fault::Twin { pod },
        14 => Fault::StateFull { pod },
        _ => Fault::Clock { hours: if random.once_in(2) { 1 } else { -1 } },
    }
}

impl Schedule {
    pub fn draw(seed: u64) -> Schedule {
        let random = &mut Random::new(seed, "schedule");
        let alone = alone(random);
        let single = (seed as usize).checked_sub(1).and_then(|place| alone.get(place)).cloned();
        let mut pods = match random.within(0..4) {
            0 | 1 => (0..random.within(1..4) as usize).map(|number| ("all", number)).collect(),
            _ => {
                let mut pods = Vec::new();
                for (role, most) in [("score", 4), ("ingest", 3), ("gate", 3)] {
                    pods.extend((0..random.within(1..most) as usize).map(|number| (role, number)));
                }
                pods
            }
        };
        if matches!(single, Some(Fault::Scale)) {
            pods = vec![("all", 0)];
        }
        if matches!(single, Some(Fault::Restart { .. })) {
            pods = (0..3).map(|number| ("all", number)).collect();
        }
        let count = pods.len() as u64;
        let is_mixed = single.is_none();
        let mut faults = match single {
            Some(fault) => vec![(random.within(1_500..4_000), fault)],
            None => (0..random.within(2..5)).map(|_| (random.within(300..3_500), mixed(random, count))).collect(),
        };
        let is = |wanted: fn(&Fault) -> bool| faults.iter().any(|(_, fault)| wanted(fault));
        let ground = if is(|fault| matches!(fault, Fault::BrokerFull { .. })) {
            Ground::Small
        } else if is(|fault| matches!(fault, Fault::Broker { broker: 1.., .. } | Fault::Broker { ms: 6_000, .. })) {
            Ground::Three
        } else {
            Ground::One
        };
        let workload = Plan::draw(random);
        let (mut partitions, mut workers) = (random.within(1..5) as i32, random.within(1..3));
        if is(|fault| matches!(fault, Fault::Restart { .. })) {
            // Each has one of each log, and so something that could move.
            (partitions, workers) = (3, 1);
        }
        let mut checkpoints = is(|fault| matches!(fault, Fault::Checkpoint { .. } | Fault::JournalAged { .. }));
        let transaction_records = *random.pick(&[50, 200, 1_000, 5_000]);
        let emit = [*random.pick(&["changes", "floor", "all"]), *random.pick(&["changes", "floor", "all"])];
        let policy_after = random.within(1..workload.pieces as u64) as usize;
        // Drawn apart: what a seed draws besides does not depend on it.
        let random = &mut Random::new(seed, "checkpoints");
        if is_mixed && random.once_in(3) {
            checkpoints = true;
            let (place, wait_ms) = (random.within(0..faults.len() as u64 + 1) as usize, random.within(300..3_500));
            faults.insert(place, (wait_ms, Fault::Checkpoint { newest: *random.pick(&Newest::ALL) }));
        }
        Schedule { ground, pods, partitions, workers, transaction_records, workload, emit, policy_after, faults, checkpoints }
    }

    /// Of the log that a role reads.
    pub fn partitions_of(&self, role: &str) -> i32 {
        // The gate's log has no more, whatever the others have.
        if role == "gate" { self.partitions.min(4) } else { self.partitions }
    }

    /// About how long the faults take, ms: so long is fed.
    pub fn lasts_ms(&self) -> u64 {
        let lasts = |fault: &Fault| match fault {
            Fault::Kill { back_ms, .. } => *back_ms,
            Fault::Point { stop: true, .. } => LONGER_THAN_ALL_MS + 1_000,
            Fault::Point { .. } => 1_000,
            Fault::Freeze { ms, .. } | Fault::Broker { ms, .. } | Fault::Weather { ms, .. } | Fault::BrokerFull { ms } => *ms,
            Fault::Scale => 6_000,
            Fault::Storm { rounds } => rounds * 1_000,
            // Several checkpoints are to be made meanwhile.
            Fault::Checkpoint { .. } | Fault::JournalAged { .. } => 8_000,
            _ => 1_000,
        };
        self.faults.iter().map(|(wait, fault)| wait + lasts(fault)).sum::<u64>() + 2_000
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pods: Vec<String> = self.pods.iter().map(|(role, number)| format!("{role}-{number}")).collect();
        let faults: Vec<String> = self.faults.iter().map(|(wait, fault)| format!("{wait} ms {fault}")).collect();
        write!(
            f,
            "{} | {:?} broker(s), {} partitions, {} x {} worker(s), {} records a transaction, emit {}/{}, {}{}",
            faults.join(", "),
            self.ground,
            self.partitions,
            pods.join(" "),
            self.workers,
            self.transaction_records,
            self.emit[0],
            self.emit[1],
            self.workload,
            if self.checkpoints { ", with checkpoints" } else { "" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again() {
        for seed in 1..200 {
            assert_eq!(Schedule::draw(seed).to_string(), Schedule::draw(seed).to_string());
        }
    }

    #[test]
    fn each_fault_comes_alone_first_and_mixed_later() {
        let count = alone(&mut Random::new(0, "")).len() as u64;
        assert!((1..=count).all(|seed| Schedule::draw(seed).faults.len() == 1));
        assert!((count + 1..300).all(|seed| Schedule::draw(seed).faults.len() >= 2));
        let draws = |seed: u64, wanted: &str| Schedule::draw(seed).to_string().contains(wanted);
        for newest in Newest::ALL {
            let name = format!("checkpoint-{}", newest.name());
            assert!((1..=count).any(|seed| draws(seed, &name)) && (count + 1..300).any(|seed| draws(seed, &name)), "{name}");
        }
        for point in Point::ALL {
            let at = |fault: &Fault| matches!(fault, Fault::Point { point: drawn, stop: false, .. } if drawn == point);
            assert!((1..=count).any(|seed| at(&Schedule::draw(seed).faults[0].1)), "{}", point.name());
        }
    }
}
