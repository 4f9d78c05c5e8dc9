//! Waiting until all that was fed has been decided on: every log is committed to its end, and stays so.

use super::group::committed;
use portcullis_connectors::kafka::topics::Names;
use portcullis_connectors::kafka::{Reader, Settings, Start, TopicPartition};
use portcullis_schemas::decode_journal_record;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// So long nothing new must come.
const QUIET: Duration = Duration::from_millis(1_200);
const POLL: Duration = Duration::from_millis(250);

/// The end of a partition: one past its last record, or, of a journal, what that record says is decided.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct End {
    read_to: i64,
    last: i64,
}

/// By topic and partition.
type Ends = BTreeMap<(String, i32), End>;

/// Follows the logs of one prefix.
pub struct Watch<'w> {
    settings: &'w Settings,
    names: Names,
    raw: Option<String>,
    prefix: String,
    reader: Reader,
    ends: Ends,
}

/// What is not decided on yet, told.
type Behind = Vec<String>;

impl<'w> Watch<'w> {
    /// `raw`: the input topic, where INGEST is part of it.
    ///
    /// # Errors
    /// Of the client.
    pub fn new(settings: &'w Settings, prefix: &str, raw: Option<String>) -> anyhow::Result<Watch<'w>> {
        let reader = Reader::open(settings)?;
        Ok(Watch { settings, names: Names::new(prefix), raw, prefix: prefix.to_owned(), reader, ends: BTreeMap::new() })
    }

    /// Waits, calling `tend` all the while.
    ///
    /// # Errors
    /// What is still behind after `patience`; what `tend` says.
    pub fn settle(&mut self, roles: &[&str], patience: Duration, tend: &mut dyn FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut quiet: Option<(Instant, Ends)> = None;
        loop {
            tend()?;
            let behind = match self.look(roles) {
                Ok(behind) if behind.is_empty() => {
                    let since = match quiet.take() {
                        Some((since, ends)) if ends == self.ends => since,
                        _ => Instant::now(),
                    };
                    if since.elapsed() > QUIET {
                        return Ok(());
                    }
                    quiet = Some((since, self.ends.clone()));
                    behind
                }
                Ok(behind) => {
                    quiet = None;
                    behind
                }
                // A broker that is not back yet.
                Err(error) => vec![error.to_string()],
            };
            if began.elapsed() > patience {
                anyhow::bail!("not settled after {patience:?}: {}", behind.join("; "));
            }
            std::thread::sleep(POLL);
        }
    }

    fn look(&mut self, roles: &[&str]) -> anyhow::Result<Behind> {
        let mut behind = Behind::new();
        if let Some(raw) = self.raw.clone() {
            let ends = self.follow(&raw, false)?;
            let committed = committed(self.settings, &format!("{}-ingest", self.prefix), &raw, ends.len())?;
            for (partition, (end, committed)) in ends.iter().zip(committed).enumerate() {
                if *end != committed.unwrap_or(0) {
                    behind.push(format!("{raw}[{partition}] ends at {end}, ingested to {committed:?}"));
                }
            }
        }
        let logs = [
            ("score", self.names.events.clone(), self.names.journal.clone()),
            ("gate", self.names.proposals.clone(), self.names.gate_journal.clone()),
        ];
        for (_, log, journal) in logs.into_iter().filter(|(role, ..)| roles.contains(role)) {
            let (ends, decided) = (self.follow(&log, false)?, self.follow(&journal, true)?);
            for (partition, (end, decided)) in ends.iter().zip(decided).enumerate() {
                if *end != decided {
                    behind.push(format!("{log}[{partition}] ends at {end}, decided to {decided}"));
                }
            }
        }
        Ok(behind)
    }

    /// Reads what has come since the last look. By partition: one past the last record, or what the last journal record decided to.
    fn follow(&mut self, topic: &str, is_journal: bool) -> anyhow::Result<Vec<i64>> {
        (0..self.reader.partitions(topic)?)
            .map(|partition| {
                let mut end = self.ends.get(&(topic.to_owned(), partition)).copied().unwrap_or_default();
                // Retention may have removed what was first.
                let from = if end.read_to == 0 { Start::Beginning } else { Start::At(end.read_to) };
                let range = self.reader.read(&TopicPartition::new(topic, partition), from, None, |record| {
                    end.last = match record.value.map(decode_journal_record) {
                        Some(Ok(journal)) if is_journal => journal.to,
                        _ => record.offset + 1,
                    };
                    ControlFlow::Continue(())
                })?;
                end.read_to = range.to;
                self.ends.insert((topic.to_owned(), partition), end);
                Ok(end.last)
            })
            .collect()
    }
}
