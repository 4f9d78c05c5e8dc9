//! A seed from beginning to end: install, feed, disturb, heal, settle, stop, judge.

mod checkpoints;
mod damage;

use super::feeder::Feeding;
use super::findings::Findings;
use super::fleet::Fleet;
use super::group;
use super::log::{Log, read};
use super::outputs::Outputs;
use super::schedule::{BrokerFault, Fault, OffsetFault, Schedule};
use super::settle::Watch;
use super::verdict::{Aged, Case, Tally, judge};
use super::workload::pieces;
use super::world::{Disk, Kafka, World};
use crate::kafka::{create_replicated, unique};
use crate::proxy::Weather;
use anyhow::{Context, bail, ensure};
use portcullis_connectors::failpoint::Point;
use portcullis_connectors::formats::Input;
use portcullis_connectors::kafka::Settings;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// After the last fault, until everything is decided.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// A fail point that is not passed within that time is not waited for.
const POINT_MAX: Duration = Duration::from_secs(8);
/// An error is named within that time.
const NAMED_MAX: Duration = Duration::from_secs(40);
/// A pod that has run that long is live.
const GROWN_UP: Duration = Duration::from_secs(4);
const STEP: Duration = Duration::from_millis(50);

/// What became of a seed.
pub struct Report {
    pub seed: u64,
    pub schedule: Schedule,
    pub outcome: anyhow::Result<Tally>,
    /// What happened on the way: faults that could not be, processes that ended, and why.
    pub told: Vec<String>,
    /// Where the logs of a seed that failed are.
    pub kept: Option<PathBuf>,
    /// How long each part took.
    pub phases: Vec<(&'static str, Duration)>,
}

impl Report {
    pub fn passed(&self) -> bool {
        self.outcome.is_ok()
    }
}

impl fmt::Display for Report {
    /// One line, without the findings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed() { "survived" } else { "FAILED" };
        let took: Duration = self.phases.iter().map(|(_, time)| time).sum();
        let phases: Vec<String> = self.phases.iter().map(|(name, time)| format!("{name} {:.1}", time.as_secs_f64())).collect();
        write!(f, "seed {} {verdict} in {:.1} s ({}) | {}", self.seed, took.as_secs_f64(), phases.join(", "), self.schedule)?;
        if let Ok(tally) = &self.outcome {
            write!(f, " | {tally}")?;
        }
        write!(f, " | {}", if self.told.is_empty() { "nothing to tell".to_owned() } else { self.told.join("; ") })
    }
}

/// Runs a seed. A Kafka that it may have left unwell is discarded.
pub fn run_seed(seed: u64, world: &mut World) -> Report {
    let schedule = Schedule::draw(seed);
    let (mut told, mut kept, mut clock) = (Vec::new(), None, Clock { phases: Vec::new(), last: Instant::now() });
    let outcome = match world.kafka(schedule.ground) {
        Ok(kafka) => {
            clock.end("broker");
            run(seed, &schedule, kafka, &mut told, &mut kept, &mut clock)
        }
        Err(error) => Err(anyhow::anyhow!(error)),
    };
    if outcome.is_err() {
        world.discard();
    }
    clock.end("rest");
    Report { seed, schedule, outcome, told, kept, phases: clock.phases }
}

/// Tells how long the parts of a seed take.
struct Clock {
    phases: Vec<(&'static str, Duration)>,
    last: Instant,
}

impl Clock {
    fn end(&mut self, phase: &'static str) {
        self.phases.push((phase, self.last.elapsed()));
        self.last = Instant::now();
    }
}

fn run(
    seed: u64,
    schedule: &Schedule,
    kafka: &mut Kafka,
    told: &mut Vec<String>,
    kept: &mut Option<PathBuf>,
    clock: &mut Clock,
) -> anyhow::Result<Tally> {
    let movable_clocks = schedule.faults.iter().any(|(_, fault)| matches!(fault, Fault::Clock { .. }));
    let prefix = unique(&format!("judge-{seed}"));
    let fleet = Fleet::install(kafka, &prefix, schedule, movable_clocks)?;
    clock.end("install");
    let settings = kafka.settings();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as i64);
    let pieces = pieces(seed, &schedule.workload, now_ms);
    let gap = Duration::from_millis((schedule.lasts_ms() / pieces.len() as u64).clamp(50, 700));
    let feeding = Feeding::default();
    let mut run = Run {
        seed,
        schedule,
        kafka,
        fleet,
        settings: settings.clone(),
        feeding: &feeding,
        told,
        clock,
        policy: 1,
        buried: Vec::new(),
        aged: Vec::new(),
        damaged: Vec::new(),
        disks: Vec::new(),
    };
    let raw = run.fleet.raw();
    let outcome = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| feeding.run(&settings, &raw, &pieces, gap));
        let disturbed = run.disturb();
        let healed = run.heal();
        run.clock.end("faults");
        if disturbed.is_err() {
            feeding.end();
        }
        feeding.hurry();
        let fed = feeder.join();
        disturbed?;
        healed?;
        fed.map_err(|_| anyhow::anyhow!("the feeder panicked"))?.context("feeding")?;
        run.change_policy()?;
        run.clock.end("feeding");
        run.conclude(&["score", "gate"], true)
    });
    let outcome = match (outcome, schedule.faults.iter().any(|(_, fault)| *fault == Fault::Twice)) {
        (Ok(_), true) => run.twice(),
        (outcome, _) => outcome,
    };
    run.tell_endings();
    match &outcome {
        Ok(_) => run.clean_up(),
        Err(_) => {
            run.fleet.write_stacks();
            *kept = Some(run.fleet.keep());
        }
    }
    outcome
}

struct Run<'r> {
    seed: u64,
    schedule: &'r Schedule,
    kafka: &'r mut Kafka,
    fleet: Fleet,
    settings: Settings,
    feeding: &'r Feeding,
    told: &'r mut Vec<String>,
    clock: &'r mut Clock,
    /// Version in force.
    policy: u32,
    buried: Vec<Log>,
    aged: Vec<Aged>,
    damaged: Vec<damage::Damaged>,
    /// State disks, by pod.
    disks: Vec<(usize, Disk)>,
}

impl Run<'_> {
    fn disturb(&mut self) -> anyhow::Result<()> {
        for (_, fault) in &self.schedule.faults {
            if let Fault::StateFull { pod } = fault {
                self.small_disk(*pod);
            }
        }
        for pod in self.fleet.all() {
            self.fleet.start(pod, None)?;
        }
        for (wait_ms, fault) in &self.schedule.faults {
            self.pass(Duration::from_millis(*wait_ms))?;
            self.strike(fault).with_context(|| fault.to_string())?;
        }
        Ok(())
    }

    fn tell(&mut self, what: impl Into<String>) {
        self.told.push(what.into());
    }

    /// Lets time pass; the supervisor is at work, and the policy changes when it is time.
    fn pass(&mut self, time: Duration) -> anyhow::Result<()> {
        self.until(time, |_| Ok(false)).map(drop)
    }

    /// The same until something is so; whether it came to be.
    fn until(&mut self, most: Duration, mut is_so: impl FnMut(&mut Self) -> anyhow::Result<bool>) -> anyhow::Result<bool> {
        let began = Instant::now();
        while began.elapsed() < most {
            self.fleet.tend()?;
            if self.policy == 1 && self.feeding.fed() >= self.schedule.policy_after {
                // Without a broker it is tried again.
                let _ = self.try_policy();
            }
            if is_so(self)? {
                return Ok(true);
            }
            std::thread::sleep(STEP);
        }
        Ok(false)
    }

    fn try_policy(&mut self) -> anyhow::Result<()> {
        self.fleet.apply_policy(2, self.schedule.emit[1])?;
        self.policy = 2;
        Ok(())
    }

    fn change_policy(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.policy == 1 {
            match self.try_policy() {
                Err(error) if began.elapsed() > SETTLE_MAX => return Err(error),
                _ => self.fleet.tend()?,
            }
        }
        Ok(())
    }

    fn strike(&mut self, fault: &Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Nothing | Fault::Twice => Ok(()),
            Fault::Kill { pod, back_ms } => {
                self.fleet.kill(*pod);
                self.pass(Duration::from_millis(*back_ms))?;
                self.fleet.start(*pod, None)
            }
            Fault::Point { pod, point, passage, stop } => self.fail_point(*pod, &format!("{}:{passage}", point.name()), *stop),
            Fault::Freeze { pod, ms } => {
                self.fleet.signal(*pod, "STOP");
                self.pass(Duration::from_millis(*ms))?;
                self.fleet.signal(*pod, "CONT");
                Ok(())
            }
            Fault::Broker { broker, fault, ms } => self.broker(*broker, *fault, Duration::from_millis(*ms)),
            Fault::Weather { weather, ms } => {
                self.weather(*weather);
                self.pass(Duration::from_millis(*ms))?;
                self.weather(Weather::Fair);
                Ok(())
            }
            Fault::StateFull { pod } => self.state_full(*pod),
            Fault::StateDeleted { pod } => {
                self.fleet.kill(*pod);
                let state = self.fleet.pods[*pod].state.clone();
                self.empty(&state)?;
                self.fleet.start(*pod, None)
            }
            Fault::StateDamaged { pod } => self.state_damaged(*pod),
            Fault::BrokerFull { ms } => self.broker_full(Duration::from_millis(*ms)),
            Fault::Scale => self.scale(),
            Fault::Restart { pod } => self.restart(*pod),
            Fault::Storm { rounds } => self.storm(*rounds),
            Fault::Twin { pod } => self.twin(*pod),
            Fault::Clock { hours } => {
                self.fleet.move_clocks(*hours)?;
                self.pass(Duration::from_secs(2))
            }
            Fault::Offsets { role, fault } => self.offsets(role, *fault),
            Fault::InputAnew => self.input_anew(),
            Fault::Checkpoint { newest } => self.checkpoint(*newest),
            Fault::JournalAged { role, left } => self.journal_aged(role, *left),
        }
    }

    fn fail_point(&mut self, pod: usize, point: &str, stop: bool) -> anyhow::Result<()> {
        self.fleet.kill(pod);
        self.fleet.start(pod, Some(&if stop { format!("{point}:stop") } else { point.to_owned() }))?;
        let before = self.fleet.pods[pod].endings.len();
        let reached = self.until(POINT_MAX, |run| {
            let ended = run.fleet.pods[pod].endings.len() > before;
            Ok(ended || stop && run.fleet.pid(pod).is_some_and(is_stopped))
        })?;
        if !reached {
            self.tell(format!("{point} was not passed"));
            self.fleet.kill(pod);
            return self.fleet.start(pod, None);
        }
        if stop {
            self.pass(Duration::from_millis(11_500))?;
            self.fleet.signal(pod, "CONT");
        }
        Ok(())
    }

    fn broker(&mut self, broker: usize, fault: BrokerFault, time: Duration) -> anyhow::Result<()> {
        let broker = broker % self.kafka.brokers.len();
        match fault {
            BrokerFault::Kill => self.kafka.brokers[broker].kill(),
            BrokerFault::Stop => self.kafka.brokers[broker].stop(),
            BrokerFault::Freeze => self.kafka.brokers[broker].freeze(),
        }
        self.pass(time)?;
        match fault {
            BrokerFault::Freeze => self.kafka.brokers[broker].thaw(),
            BrokerFault::Kill | BrokerFault::Stop => self.kafka.brokers[broker].restart().map_err(anyhow::Error::msg)?,
        }
        Ok(())
    }

    fn weather(&self, weather: Weather) {
        self.kafka.brokers.iter().for_each(|broker| broker.proxy().set(weather));
    }

    /// A disk of its own for a pod's state, before it starts.
    fn small_disk(&mut self, pod: usize) {
        match Disk::mount("64m") {
            Ok(disk) => {
                self.fleet.pods[pod].state = disk.path().join("state");
                self.disks.push((pod, disk));
            }
            Err(error) => self.tell(format!("no disk to fill: {error}")),
        }
    }

    fn state_full(&mut self, pod: usize) -> anyhow::Result<()> {
        let Some((_, disk)) = self.disks.iter().find(|(of, _)| *of == pod) else { return Ok(()) };
        let before = self.fleet.pods[pod].endings.len();
        disk.fill();
        self.pass(Duration::from_secs(2))?;
        // What is in memory is written now, unless it has ended of the full disk already.
        self.fleet.stop(&[pod])?;
        let told = self.fleet.pods[pod].endings[before..].join("; ");
        if let Some((_, disk)) = self.disks.iter().find(|(of, _)| *of == pod) {
            disk.free();
        }
        self.tell(format!("full: {told}"));
        // One that had only just been started may not have listened to the signal yet.
        ensure!(["status 0", "space", "signal 15"].iter().any(|ending| told.contains(ending)), "a full disk was not named: {told}");
        self.fleet.start(pod, None)
    }

    /// Deletes what is in a folder; a disk stays mounted.
    fn empty(&self, dir: &std::path::Path) -> anyhow::Result<()> {
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("deleting the state"),
            _ => Ok(()),
        }
    }

    fn broker_full(&mut self, time: Duration) -> anyhow::Result<()> {
        let Some(disk) = &self.kafka.disk else { bail!("a broker without a disk of its own") };
        disk.fill();
        self.pass(time)?;
        if let Some(disk) = &self.kafka.disk {
            disk.free();
        }
        let gone = !self.kafka.brokers[0].is_running();
        self.tell(if gone { "the broker had ended" } else { "the broker had not ended" });
        // An operator frees space and starts it again; a broker that took its log for lost needs that, too.
        self.kafka.brokers[0].kill();
        self.kafka.brokers[0].restart().map_err(anyhow::Error::msg)
    }

    fn scale(&mut self) -> anyhow::Result<()> {
        for number in 1..3 {
            let pod = self.fleet.add("all", number);
            self.fleet.start(pod, None)?;
        }
        self.pass(Duration::from_secs(5))?;
        self.fleet.stop(&[0])?;
        self.pass(Duration::from_secs(1))
    }

    /// Stopped and started again within its session, a pod finds what it had, and nobody else notices.
    fn restart(&mut self, pod: usize) -> anyhow::Result<()> {
        let rebalances = |run: &Self| -> Vec<usize> { run.fleet.all().into_iter().map(|pod| run.fleet.rebalances(pod)).collect() };
        let mut seen = (rebalances(self), Instant::now());
        let calm = self.until(NAMED_MAX, |run| {
            let now = rebalances(run);
            if now != seen.0 || now.contains(&0) {
                seen = (now, Instant::now());
            }
            Ok(seen.1.elapsed() > Duration::from_secs(3))
        })?;
        ensure!(calm, "the groups never came to rest");
        let (before, owned) = (rebalances(self), self.fleet.owned(pod));
        self.fleet.stop(&[pod])?;
        self.fleet.start(pod, None)?;
        self.until(NAMED_MAX, |run| Ok(run.fleet.owned(pod).len() >= owned.len()))?;
        self.pass(Duration::from_secs(2))?;
        ensure!(self.fleet.owned(pod) == owned, "{pod} had {owned:?} before its restart and {:?} after", self.fleet.owned(pod));
        for other in self.fleet.all().into_iter().filter(|other| *other != pod) {
            ensure!(self.fleet.rebalances(other) == before[other], "the restart of pod {pod} moved partitions of pod {other}");
        }
        self.tell(format!("{} partitions stayed", owned.len()));
        Ok(())
    }

    fn storm(&mut self, rounds: u64) -> anyhow::Result<()> {
        let role = self.fleet.pods[0].role.clone();
        for round in 0..rounds {
            let pod = self.fleet.add(&role, 10 + round as usize);
            self.fleet.start(pod, None)?;
            self.pass(Duration::from_millis(400 + 300 * (round % 3)))?;
            if round % 2 == 0 {
                self.fleet.kill(pod)
            } else {
                self.fleet.stop(&[pod])?
            }
            self.pass(Duration::from_millis(200))?;
        }
        Ok(())
    }

    fn twin(&mut self, pod: usize) -> anyhow::Result<()> {
        let (role, name) = (self.fleet.pods[pod].role.clone(), self.fleet.pods[pod].name.clone());
        let twin = self.fleet.add_as(&role, &name, &format!("{name}-twin"));
        let fenced = |run: &Self| {
            let endings = |of: usize| run.fleet.pods[of].endings.iter().filter(|ending| ending.contains("fenced")).count();
            endings(pod) + endings(twin)
        };
        let before = fenced(self);
        self.fleet.start(twin, None)?;
        // Nobody starts the twin again.
        self.fleet.pods[twin].wanted = false;
        let named = self.until(NAMED_MAX, |run| Ok(fenced(run) > before))?;
        ensure!(named, "two processes with one identity, and none said that it was fenced");
        self.pass(Duration::from_secs(1))?;
        self.fleet.kill(twin);
        Ok(())
    }

    /// The group's offsets are deleted or moved; the engine says so, and what it says is done.
    fn offsets(&mut self, role: &'static str, fault: OffsetFault) -> anyhow::Result<()> {
        let (group, log) = match role {
            "ingest" => (format!("{}-ingest", self.fleet.prefix), self.fleet.raw()),
            "score" => (self.fleet.group().to_owned(), self.fleet.names.events.clone()),
            _ => (format!("{}-gate", self.fleet.prefix), self.fleet.names.proposals.clone()),
        };
        let settings = self.settings.clone();
        let partitions = self.schedule.partitions_of(role) as usize;
        let committed = || -> anyhow::Result<Vec<(i32, i64)>> {
            let offsets = group::committed(&settings, &group, &log, partitions)?;
            Ok(offsets.into_iter().enumerate().filter_map(|(number, offset)| Some((number as i32, offset?))).collect())
        };
        // Something must have been decided on.
        self.until(NAMED_MAX, |_| Ok(committed().is_ok_and(|offsets| offsets.iter().any(|(_, to)| *to > 10))))?;
        let pods = self.fleet.all();
        self.fleet.stop(&pods)?;
        let ends = committed()?;
        match fault {
            OffsetFault::Deleted => group::delete(&settings, &group)?,
            OffsetFault::Back => group::reset(&settings, &group, &log, &ends.iter().map(|(p, to)| (*p, to / 2)).collect::<Vec<_>>())?,
            OffsetFault::Forward => group::reset(&settings, &group, &log, &ends.iter().map(|(p, to)| (*p, to + 7)).collect::<Vec<_>>())?,
        }
        self.expect_named(match fault {
            OffsetFault::Deleted => "offsets-missing:",
            OffsetFault::Back | OffsetFault::Forward => "offsets-moved:",
        })?;
        // What the message says.
        group::reset(&settings, &group, &log, &ends)?;
        pods.into_iter().try_for_each(|pod| self.fleet.start(pod, None))
    }

    /// Starts all pods until one says this, for its last word or while it goes on with other partitions; then kills them.
    fn expect_named(&mut self, wanted: &str) -> anyhow::Result<()> {
        let pods = self.fleet.all();
        let named = |run: &Self| {
            let ended = run.fleet.pods.iter().flat_map(|pod| &pod.endings).any(|ending| ending.contains(wanted));
            ended || run.fleet.all().into_iter().any(|pod| run.fleet.log(pod).contains(wanted))
        };
        for pod in &pods {
            self.fleet.start(*pod, None)?;
        }
        let is_named = self.until(NAMED_MAX, |run| Ok(named(run)))?;
        pods.iter().for_each(|pod| self.fleet.kill(*pod));
        ensure!(is_named, "nobody said {wanted:?}");
        Ok(())
    }

    fn input_anew(&mut self) -> anyhow::Result<()> {
        let (raw, settings, group) = (self.fleet.raw(), self.settings.clone(), format!("{}-ingest", self.fleet.prefix));
        self.until(NAMED_MAX, |run| Ok(run.feeding.fed() > 5))?;
        let feeding = self.feeding;
        let held = feeding.hold();
        let partitions = self.schedule.partitions;
        // All of it is ingested: what nobody has read cannot be found again.
        let roles = ["score", "gate"];
        self.settle(&roles, true)?;
        let pods = self.fleet.all();
        self.fleet.stop(&pods)?;
        self.buried.push(read(&settings, &raw)?);
        group::delete_topics(&settings, &[&raw])?;
        create_replicated(&settings, &raw, partitions, self.kafka.replication());
        // With a topic a broker deletes what was committed of it.
        self.expect_named("offsets-missing:")?;
        group::reset(&settings, &group, &raw, &(0..partitions).map(|partition| (partition, 0)).collect::<Vec<_>>())?;
        drop(held);
        pods.into_iter().try_for_each(|pod| self.fleet.start(pod, None))
    }

    /// Everything is well again.
    fn heal(&mut self) -> anyhow::Result<()> {
        self.weather(Weather::Fair);
        for broker in &mut self.kafka.brokers {
            if !broker.is_running() {
                broker.kill();
                broker.restart().map_err(anyhow::Error::msg)?;
            }
        }
        self.disks.iter().for_each(|(_, disk)| disk.free());
        Ok(())
    }

    fn settle(&mut self, roles: &[&str], ingest: bool) -> anyhow::Result<()> {
        let settings = self.settings.clone();
        let mut watch = Watch::new(&settings, &self.fleet.prefix, ingest.then(|| self.fleet.raw()))?;
        watch.settle(roles, SETTLE_MAX, &mut || self.fleet.tend())
    }

    /// Settles, stops cleanly, judges.
    fn conclude(&mut self, roles: &[&str], ingest: bool) -> anyhow::Result<Tally> {
        // A pod that has only just been started does not listen to SIGTERM yet, and has not caught up.
        let began = Instant::now();
        loop {
            self.settle(roles, ingest)?;
            if let Some(left) = GROWN_UP.checked_sub(self.fleet.youngest()) {
                self.pass(left + STEP)?;
                continue;
            }
            let coming: Vec<usize> = self.fleet.all().into_iter().filter(|pod| !self.fleet.is_ready(*pod)).collect();
            // Nobody owns a partition for a while after a member was lost in the middle of a rebalance; the engine notices, and leaves.
            let (names, partitions) = (&self.fleet.names, self.schedule.partitions);
            let logs = [("score", &names.events), ("gate", &names.proposals)];
            let ownerless: Vec<String> = logs
                .into_iter()
                .filter(|(role, _)| roles.contains(role))
                .flat_map(|(_, log)| self.fleet.ownerless(log, partitions))
                .collect();
            if coming.is_empty() && ownerless.is_empty() {
                break;
            }
            ensure!(
                began.elapsed() < SETTLE_MAX,
                "everything is decided, and after {SETTLE_MAX:?} pods {coming:?} are not ready, and {ownerless:?} belong to nobody"
            );
            self.pass(STEP)?;
        }
        self.clock.end("settling");
        let running: Vec<usize> = self.fleet.all().into_iter().filter(|pod| self.fleet.pods[*pod].wanted).collect();
        let before: Vec<usize> = running.iter().map(|pod| self.fleet.pods[*pod].endings.len()).collect();
        self.fleet.stop(&running)?;
        for (pod, before) in running.iter().zip(before) {
            let endings = self.fleet.pods[*pod].endings[before..].join("; ");
            ensure!(endings.starts_with("status 0"), "{} did not stop cleanly: {endings}", self.fleet.pods[*pod].name);
        }
        self.clock.end("stopping");
        let input = Input { name: self.fleet.raw(), tenant: None, tenant_from_record: true, trust_control: true, ..Input::default() };
        self.throw_away_damaged()?;
        let states: Vec<PathBuf> = self.fleet.pods.iter().map(|pod| pod.state.clone()).collect();
        let key = self.fleet.path("gate.key");
        let case = Case {
            settings: &self.settings,
            prefix: &self.fleet.prefix,
            input: &input,
            buried: &self.buried,
            aged: &self.aged,
            checkpoints: &self.checkpoints()?,
            score_group: self.fleet.group(),
            states: &states,
            signing_key: &key,
            ingest,
        };
        let (tally, findings) = judge(&case)?;
        self.clock.end("judging");
        ensure!(findings.is_empty(), "\n{findings}");
        Ok(tally)
    }

    /// The run so far was undisturbed. Its logs again, with fresh groups, outputs and states, and disturbed: the same outputs.
    fn twice(&mut self) -> anyhow::Result<Tally> {
        let names = self.fleet.names.clone();
        let first = Outputs::read(&self.settings, &names)?;
        group::delete(&self.settings, &format!("{}-gate", self.fleet.prefix))?;
        group::delete_topics(&self.settings, &[&names.verdicts, &names.gate_journal])?;
        self.disturb_again("gate")?;
        let mut findings = Findings::default();
        first.compare_gate(&Outputs::read(&self.settings, &names)?, &mut findings);

        let again = format!("{}-again", self.fleet.group());
        self.fleet.set_group(&again);
        let of_score = [&names.verdicts, &names.risk, &names.reputation, &names.journal, &names.proposals, &names.gate_journal];
        group::delete_topics(&self.settings, &of_score.map(String::as_str))?;
        self.disturb_again("score")?;
        first.compare_score(&Outputs::read(&self.settings, &names)?, &mut findings);
        ensure!(findings.is_empty(), "disturbed against undisturbed:\n{findings}");
        Ok(first.tally())
    }

    /// Two pods of a role with fresh states over the log as it is, killed as long as they have something to do.
    fn disturb_again(&mut self, role: &str) -> anyhow::Result<()> {
        self.fleet.make_topics()?;
        let pods = [0, 1].map(|number| self.fleet.add_as(role, &format!("{role}-{number}"), &format!("{role}-{number}-again")));
        for pod in pods {
            self.fleet.start(pod, None)?;
        }
        for (number, point) in [Point::MidOutputs, Point::AfterOffsets, Point::AfterCommit].into_iter().enumerate() {
            self.fail_point(pods[number % 2], &format!("{}:1", point.name()), false)?;
        }
        self.settle(&[role], false)?;
        self.fleet.stop(&pods)
    }

    fn tell_endings(&mut self) {
        let mut endings: std::collections::BTreeMap<String, usize> = Default::default();
        for pod in &self.fleet.pods {
            for ending in pod.endings.iter().filter(|ending| !ending.starts_with("status 0")) {
                *endings.entry(format!("{}: {}", pod.role, ending.replace(&self.fleet.prefix, "P"))).or_default() += 1;
            }
        }
        for (ending, times) in endings {
            let ending: String = ending.chars().take(220).collect();
            self.tell(if times == 1 { ending } else { format!("{ending} ({times} times)") });
        }
    }

    /// The topics go, so that a broker that is used again does not fill.
    fn clean_up(&mut self) {
        let names = &self.fleet.names;
        let raw = self.fleet.raw();
        let all = [
            &names.events,
            &names.verdicts,
            &names.risk,
            &names.proposals,
            &names.waiting,
            &names.answers,
            &names.reputation,
            &names.inventory,
            &names.journal,
            &names.gate_journal,
            &names.dead_letter,
            &names.retry,
            &raw,
        ];
        let all: Vec<&str> = all.iter().map(|name| name.as_str()).collect();
        if let Err(error) = group::delete_topics(&self.settings, &all) {
            self.tell(format!("topics not deleted: {error}"));
        }
    }
}

/// Whether a process has been stopped by a signal.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}
