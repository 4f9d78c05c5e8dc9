//! SCORE and GATE before the judge: the pure core over the log that they really read must give what they published, byte for byte, in
//! order, and what they remember, profile by profile; the journal must say of each batch what the core says, in one unbroken chain.

use super::findings::Findings;
use super::log::{Log, Record};
use anyhow::Context;
use portcullis::partition::{JournalEnd, LogPartition};
use portcullis::roles::{Borrowed, Decides, decide};
use portcullis::worker::Outbox;
use portcullis_connectors::kafka::partition_of;
use portcullis_core::batch::PartitionState;
use portcullis_core::decide::DECISION_VERSION;
use portcullis_core::id::digest;
use portcullis_core::record::{JournalKind, JournalRecord, Output, PolicyRecord};
use portcullis_schemas::decode_journal_record;
use portcullis_state::{Shared, StateOptions, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a role read, what it says of it, and where it remembers it.
pub struct Hop<'h> {
    pub role: &'static str,
    pub topic: &'h str,
    pub log: &'h Log,
    pub journal: &'h Log,
    /// Where an operator accepted that journal records were gone, by partition.
    pub gaps: &'h BTreeMap<i32, Gap>,
    /// The group's committed offsets, by partition.
    pub committed: &'h [Option<i64>],
    /// State directories of all pods.
    pub states: &'h [PathBuf],
    /// Checkpoints that were fetched, as such directories.
    pub checkpoints: &'h [PathBuf],
}

/// Journal records are gone, and an operator accepted that: the log was decided on again without them, from a state that stood here.
#[derive(Clone, Debug)]
pub struct Gap {
    pub from: i64,
    /// The link of the chain that this state knew.
    pub link: String,
}

/// A record as it is to stand in a topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Line {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    /// The header.
    pub kind: String,
}

impl Line {
    pub fn of(record: &Record) -> Line {
        Line { key: record.key().to_vec(), value: record.value.clone(), kind: record.header("type").to_owned() }
    }

    pub fn told(&self) -> String {
        let value = self.value.as_deref().map_or("tombstone".into(), |value| String::from_utf8_lossy(value).into_owned());
        format!("{} {} {value}", self.key.escape_ascii(), self.kind)
    }
}

/// What the core published from each partition of the log, by topic and partition, in order.
pub type Published = Vec<BTreeMap<(String, i32), Vec<Line>>>;

/// What was counted.
#[derive(Default, Debug)]
pub struct Tally {
    pub batches: usize,
    pub values: usize,
    pub states: usize,
    pub checkpoints: usize,
}

/// The stored form of a value, and its timer.
type Kept = (Option<Vec<u8>>, Option<i64>);

/// What a state directory holds.
struct Standing {
    dir: PathBuf,
    position: i64,
    journal: String,
    state: PartitionState,
    policy: Option<PolicyRecord>,
    values: BTreeMap<Vec<u8>, Kept>,
}

/// Decides again on what was decided. `partitions_of` says how many partitions a topic has.
///
/// # Errors
/// When there is no room for the core's own state.
pub fn judge<V: Value + Default>(
    hop: &Hop<'_>,
    partitions_of: &dyn Fn(&str) -> i32,
    mut write: impl FnMut(i32, &mut Vec<Output>, &mut Outbox),
    findings: &mut Findings,
) -> anyhow::Result<(Published, Tally)>
where
    LogPartition<V>: Decides,
{
    let shared = Shared::new(StateOptions::with_memory(64 << 20));
    let scratch = tempfile::tempdir().context("a folder for the core's state")?;
    let (mut published, mut tally) = (Published::new(), Tally::default());
    for (number, records) in hop.log.iter().enumerate() {
        let at = format!("{}[{number}]", hop.topic);
        let open = |dir: &Path| LogPartition::<V>::open(dir, &shared, hop.topic, number as i32, hop.log.len() as i32);
        let mut core = open(&scratch.path().join(number.to_string()))?;
        let mut standings = standings(hop.states, hop.role, number, &open, findings);
        let directories = standings.len();
        tally.states += directories;
        standings.extend(self::standings(hop.checkpoints, hop.role, number, &open, findings));
        tally.checkpoints += standings.len() - directories;
        let mut sent: BTreeMap<(String, i32), Vec<Line>> = BTreeMap::new();
        let (mut outbox, mut next) = (Outbox::default(), 0);
        compare(&mut core, &standings, &at, findings)?;
        // Where the chain stood at each position.
        let mut links = BTreeSet::from([(0, String::new())]);
        let mut left = records.as_slice();
        for entry in &hop.journal[number] {
            let place = || format!("{at}, its journal offset {}", entry.offset);
            let written = match decode_journal_record(entry.value()) {
                Ok(written) => written,
                Err(error) => {
                    findings.add("journal: unreadable", || format!("{}: {error}", place()));
                    break;
                }
            };
            if written.kind == JournalKind::AcceptedGap {
                if !hop.gaps.get(&(number as i32)).is_some_and(|gap| gap.is_said(&written, &core, next)) {
                    findings.add("journal: a gap that nobody accepted", || format!("{}: {written:?}", place()));
                }
                // Its note may be said a while after the state was there.
                links.extend(hop.gaps.get(&(number as i32)).map(|gap| (next, gap.link.clone())));
                links.insert((next, digest(entry.value())));
                core.set_journal(JournalEnd { digest: digest(entry.value()), at_least: 0 });
                core.commit(Instant::now())?;
                continue;
            }
            let count = left.partition_point(|record| record.offset < written.to);
            let (batch, rest) = left.split_at(count);
            left = rest;
            if written.from < next || batch.first().is_none_or(|first| first.offset != written.from) || written.to <= written.from {
                findings.add("journal: ranges that do not tile the log", || {
                    format!("{}: {} to {}, the log goes on at {:?}", place(), written.from, written.to, batch.first().map(|r| r.offset))
                });
                break;
            }
            next = written.to;
            let borrowed: Vec<Borrowed<'_>> = batch
                .iter()
                .map(|record| Borrowed { position: record.position(number as i32), key: record.key(), value: record.value() })
                .collect();
            let mut outputs = Vec::new();
            let (_, decided) = decide(&mut core, &borrowed, |output| outputs.push(output))?;
            if decided != written {
                findings.add("journal: not what the core says", || format!("{}: {written:?}, the core: {decided:?}", place()));
            }
            write(number as i32, &mut outputs, &mut outbox);
            for line in outbox.records() {
                let partition = line.partition.unwrap_or_else(|| partition_of(line.key.unwrap_or_default(), partitions_of(line.topic)));
                let kind = line.headers().find(|(name, _)| *name == "type").map(|(_, kind)| String::from_utf8_lossy(kind).into_owned());
                sent.entry((line.topic.to_owned(), partition)).or_default().push(Line {
                    key: line.key.unwrap_or_default().to_vec(),
                    value: line.value.map(<[u8]>::to_vec),
                    kind: kind.unwrap_or_default(),
                });
            }
            outbox = Outbox::default();
            core.set_journal(JournalEnd { digest: digest(entry.value()), at_least: 0 });
            core.commit(Instant::now())?;
            tally.batches += 1;
            links.insert((next, digest(entry.value())));
            compare(&mut core, &standings, &at, findings)?;
        }
        // Its owner may append a tick between the moment when all was decided and its end.
        if let Some(first) = left.iter().find(|record| record.key() != b"tick") {
            findings.add("log: not decided to its end", || format!("{at}: {} records from offset {} on", left.len(), first.offset));
        }
        let committed = hop.committed.get(number).copied().flatten();
        if committed.unwrap_or(0) != next {
            findings.add("committed offset: not the journal's end", || format!("{at}: {committed:?}, the journal ends at {next}"));
        }
        for standing in standings.iter().filter(|standing| !links.contains(&(standing.position, standing.journal.clone()))) {
            findings.add("state: stands at no record of the journal", || {
                format!("{at} at {}, {}: {}", standing.position, standing.dir.display(), standing.journal)
            });
        }
        if next > 0 && !standings[..directories].iter().any(|standing| standing.position == next) {
            let found: Vec<String> = standings.iter().map(|s| format!("{} at {}", s.dir.display(), s.position)).collect();
            findings.add("state: nobody stands at the journal's end", || format!("{at} ends at {next}: {}", found.join(", ")));
        }
        for standing in standings.iter().filter(|standing| standing.position > next) {
            findings
                .add("state: leads the journal", || format!("{at} ends at {next}, {} at {}", standing.dir.display(), standing.position));
        }
        core.for_each(|_, _, _| tally.values += 1)?;
        published.push(sent);
    }
    Ok((published, tally))
}

impl Gap {
    /// Whether a journal record says it of a core that stands at `to`. It goes on from the chain's end or, where nothing was left of the
    /// journal, from what the state knew.
    fn is_said<V: Value + Default>(&self, written: &JournalRecord, core: &LogPartition<V>, to: i64) -> bool {
        let said = JournalRecord {
            partition: written.partition,
            from: self.from,
            to,
            log_time: core.log_time(),
            policy: core.policy().policy().digest.clone(),
            decision_version: DECISION_VERSION,
            previous: written.previous.clone(),
            kind: JournalKind::AcceptedGap,
            note: written.note.clone(),
            ..JournalRecord::default()
        };
        *written == said && [&core.journal().digest, &self.link].contains(&&written.previous) && !written.note.is_empty()
    }
}

/// What the pods' directories hold of a partition.
fn standings<V: Value + Default>(
    states: &[PathBuf],
    role: &str,
    number: usize,
    open: &dyn Fn(&Path) -> Result<LogPartition<V>, portcullis_state::StateFault>,
    findings: &mut Findings,
) -> Vec<Standing> {
    let mut found = Vec::new();
    for state in states {
        let dir = state.join(format!("{role}-{number}"));
        if !dir.is_dir() {
            continue;
        }
        match open(&dir).and_then(|mut partition| Standing::of(dir.clone(), &mut partition)) {
            Ok(standing) => found.push(standing),
            Err(fault) => findings.add("state: cannot be opened", || fault.to_string()),
        }
    }
    found
}

impl Standing {
    fn of<V: Value + Default>(dir: PathBuf, partition: &mut LogPartition<V>) -> Result<Standing, portcullis_state::StateFault> {
        let mut values = BTreeMap::new();
        partition.for_each(|key, value, timer| {
            let value = value.map(|value| {
                let mut bytes = Vec::new();
                value.encode(&mut bytes);
                bytes
            });
            values.insert(key.to_vec(), (value, timer));
        })?;
        Ok(Standing {
            dir,
            position: partition.position(),
            journal: partition.journal().digest.clone(),
            state: partition.state().clone(),
            policy: partition.policy().record().cloned(),
            values,
        })
    }
}

/// Compares the core with every directory that stands where it stands, lagging ones too: a state is never torn.
fn compare<V: Value + Default>(
    core: &mut LogPartition<V>,
    standings: &[Standing],
    at: &str,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let position = core.position();
    if !standings.iter().any(|standing| standing.position == position) {
        return Ok(());
    }
    let right = Standing::of(PathBuf::new(), core)?;
    for standing in standings.iter().filter(|standing| standing.position == position) {
        let place = || format!("{at} at {position}, {}", standing.dir.display());
        if (&standing.state, &standing.policy) != (&right.state, &right.policy) {
            findings.add("state: samples, log time or policy differ", || {
                format!("{}: {:?}, the core: {:?}", place(), standing.state, right.state)
            });
        }
        for (key, value) in &right.values {
            if standing.values.get(key) != Some(value) {
                findings.add("state: a profile is lost or differs", || format!("{}: key {}", place(), key.escape_ascii()));
            }
        }
        for key in standing.values.keys().filter(|key| !right.values.contains_key(*key)) {
            findings.add("state: a profile too many", || format!("{}: key {}", place(), key.escape_ascii()));
        }
    }
    Ok(())
}

/// Compares sequences that must be the same, record for record.
pub fn same_sequence(kind: &'static str, place: &str, wanted: &[Line], found: &[Line], findings: &mut Findings) {
    let differ = wanted.iter().zip(found).position(|(wanted, found)| wanted != found).unwrap_or(wanted.len().min(found.len()));
    if differ < wanted.len().max(found.len()) {
        let told = |lines: &[Line]| lines.get(differ).map_or("nothing".to_owned(), Line::told);
        findings.add(kind, || {
            format!(
                "{place}: {} records, the core gives {}; record {differ} is {} instead of {}",
                found.len(),
                wanted.len(),
                told(found),
                told(wanted)
            )
        });
    }
}

/// Compares a topic that several partitions of a log write to: each one's records in order, each once, and no others.
pub fn same_merged(kind: &'static str, place: &str, wanted: &[Vec<Line>], found: &[Line], findings: &mut Findings) {
    let mut places: BTreeMap<&Line, Vec<usize>> = BTreeMap::new();
    for (number, line) in found.iter().enumerate().rev() {
        places.entry(line).or_default().push(number);
    }
    for lines in wanted {
        let mut before = None;
        for line in lines {
            match places.get_mut(line).and_then(Vec::pop) {
                None => findings.add(kind, || format!("{place}: lost {}", line.told())),
                Some(number) if before.is_some_and(|before| number < before) => {
                    findings.add(kind, || format!("{place}: out of order {}", line.told()));
                }
                Some(number) => before = Some(number),
            }
        }
    }
    for (line, places) in places.iter().filter(|(_, places)| !places.is_empty()) {
        findings.add(kind, || format!("{place}: {} too many of {}", places.len(), line.told()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        text.chars().map(|c| Line { key: vec![], value: Some(c.to_string().into_bytes()), kind: String::new() }).collect()
    }

    fn merged(wanted: &[&str], found: &str) -> String {
        let mut findings = Findings::default();
        let wanted: Vec<Vec<Line>> = wanted.iter().map(|text| lines(text)).collect();
        same_merged("x", "t[0]", &wanted, &lines(found), &mut findings);
        findings.to_string()
    }

    #[test]
    fn what_several_wrote_is_each_ones_in_order_and_nothing_else() {
        assert_eq!(merged(&["abc", "123"], "a1b2c3"), "");
        assert!(merged(&["abc", "123"], "a1b23").contains("lost  "));
        assert!(merged(&["abc"], "acb").contains("out of order"));
        assert!(merged(&["abc"], "abcc").contains("1 too many"));
        assert!(merged(&["abc"], "abcd").contains("too many"));
    }

    #[test]
    fn a_sequence_differs_where_it_first_differs() {
        let told = |wanted: &str, found: &str| {
            let mut findings = Findings::default();
            same_sequence("x", "t[0]", &lines(wanted), &lines(found), &mut findings);
            findings.to_string()
        };
        assert_eq!(told("abc", "abc"), "");
        for (wanted, found) in [("abc", "abd"), ("abc", "ab"), ("ab", "abb"), ("", "a")] {
            assert!(told(wanted, found).contains("x: 1"), "{wanted} {found}");
        }
    }
}
