//! Checkpoint faults: states are lost, and the checkpoints are not what they should be.

use super::{NAMED_MAX, POINT_MAX, Run};
use crate::judge::decided::Gap;
use crate::judge::group;
use crate::judge::log::read;
use crate::judge::random::Random;
use crate::judge::schedule::{Newest, Retained};
use crate::judge::store::Expected;
use crate::judge::verdict::Aged;
use anyhow::ensure;
use portcullis::partition::identity_of;
use portcullis_core::record::{JournalKind, JournalRecord};
use portcullis_schemas::decode_journal_record;
use rdkafka::Offset;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Of each partition this many checkpoints are compared with the core.
const COMPARED: usize = 4;
/// Some checkpoints of a partition are made within that time.
const MADE_MAX: Duration = Duration::from_secs(90);

impl Run<'_> {
    /// A pod loses its state, and the newest checkpoint of each of its partitions is found like this. Where nothing else goes wrong,
    /// its log must say that it took the newest one that is whole.
    pub(super) fn checkpoint(&mut self, newest: Newest) -> anyhow::Result<()> {
        let is_alone = self.schedule.faults.len() == 1;
        let mut chosen = None;
        self.until(if is_alone { MADE_MAX } else { POINT_MAX }, |run| {
            let wanted = run.fleet.all().into_iter().filter(|pod| run.fleet.pods[*pod].wanted);
            let store = run.fleet.store();
            chosen = wanted.into_iter().find(|pod| run.remembered(*pod).iter().any(|(log, number)| store.count(log, *number) >= 2));
            Ok(chosen.is_some())
        })?;
        ensure!(chosen.is_some() || !is_alone, "nobody made two checkpoints of a partition");
        let Some(pod) = chosen else {
            self.tell("no pod had two checkpoints of a partition");
            return Ok(());
        };
        self.fleet.kill(pod);
        let state = self.fleet.pods[pod].state.clone();
        self.empty(&state)?;
        let (store, random) = (self.fleet.store(), &mut Random::new(self.seed, "harm"));
        let mut expected: BTreeMap<String, Expected> = BTreeMap::new();
        for (log, number) in self.remembered(pod) {
            expected.insert(format!("{log}[{number}]"), store.harm(&log, number, newest, random)?);
        }
        self.fleet.start(pod, None)?;
        if is_alone { self.took(pod, &expected) } else { Ok(()) }
    }

    /// The pod that was started last took of each partition the checkpoint that it should.
    fn took(&mut self, pod: usize, expected: &BTreeMap<String, Expected>) -> anyhow::Result<()> {
        let again =
            |run: &Self| -> Vec<String> { run.remembered(pod).into_iter().map(|(log, number)| format!("{log}[{number}]")).collect() };
        let is_live = |run: &Self, at: &String| run.fleet.says(pod, " live ", &[format!("partition={at}")]);
        let live = self.until(NAMED_MAX, |run| {
            let again = again(run);
            Ok(!again.is_empty() && again.iter().all(|at| is_live(run, at)))
        })?;
        ensure!(live, "{} was not live again after {NAMED_MAX:?}", self.fleet.pods[pod].name);
        let (mut restored, mut passed_over, mut replayed) = (0, 0, 0);
        for (at, expected) in again(self).into_iter().filter_map(|at| Some((at.clone(), *expected.get(&at)?))) {
            let log = format!("log={at}");
            let says = |what: &str, number: u64| self.fleet.says(pod, what, &[log.clone(), format!("sequence={number}")]);
            match expected.taken {
                Some(number) => ensure!(says("restored from a checkpoint", number), "{at}: checkpoint {number} was whole and not taken"),
                None => ensure!(
                    !self.fleet.says(pod, "restored from a checkpoint", std::slice::from_ref(&log)),
                    "{at}: a checkpoint was taken where none was whole"
                ),
            }
            if let Some(number) = expected.passed_over {
                ensure!(says("checkpoint passed over", number), "{at}: checkpoint {number} was damaged, and nobody said so");
                passed_over += 1;
            }
            restored += usize::from(expected.taken.is_some());
            replayed += usize::from(expected.taken.is_none());
        }
        ensure!(restored + passed_over > 0, "no partition that had a checkpoint came back to its pod");
        self.tell(format!("{restored} partitions restored, {passed_over} checkpoints passed over, {replayed} partitions from the log"));
        Ok(())
    }

    /// The partitions with a state that a pod has.
    fn remembered(&self, pod: usize) -> Vec<(String, i32)> {
        let names = &self.fleet.names;
        let owned = self.fleet.owned(pod).into_iter().filter_map(|at| {
            let (log, number) = at.strip_suffix(']')?.split_once('[')?;
            Some((log.to_owned(), number.parse().ok()?))
        });
        owned.filter(|(log, _)| [&names.events, &names.proposals].contains(&log)).collect()
    }

    /// All states are lost, the newest checkpoint of each partition is old, and retention has removed the journal's records that follow it.
    /// The engine says so; whoever accepts that loses nothing, because the log is still there.
    pub(super) fn journal_aged(&mut self, role: &'static str, left: Retained) -> anyhow::Result<()> {
        let names = self.fleet.names.clone();
        let (log, journal) = match role {
            "score" => (names.events, names.journal),
            _ => (names.proposals, names.gate_journal),
        };
        let partitions = self.schedule.partitions_of(role);
        let store = self.fleet.store();
        // With a third one at least two batches follow the first: one to be gone, and one to be left.
        let made = self.until(MADE_MAX, |_| Ok((0..partitions).any(|number| store.count(&log, number) >= 3)))?;
        ensure!(made, "nobody made three checkpoints of a partition");
        let pods = self.fleet.all();
        self.fleet.stop(&pods)?;

        let (mut before, mut gaps) = (Vec::new(), BTreeMap::new());
        let mut records = read(&self.settings, &journal)?;
        for (number, records) in (0..partitions).zip(&mut records) {
            let oldest = store.forget_newer(&log, number)?;
            let stood = oldest.map_or((0, String::new()), |manifest| (manifest.position, manifest.journal.digest.clone()));
            let batches: Vec<JournalRecord> =
                records.iter().map(|record| decode_journal_record(record.value())).collect::<Result<_, _>>()?;
            let after = batches.partition_point(|batch| batch.to <= stood.0);
            let cut = match left {
                Retained::Tail => (after + 1 + batches.len()) / 2,
                Retained::Nothing => batches.len(),
            };
            // Of the record that follows the checkpoint nothing is left, or there is none.
            if cut <= after {
                continue;
            }
            match records.get(cut) {
                Some(record) => before.push((number, Offset::Offset(record.offset))),
                None if left == Retained::Nothing => before.push((number, Offset::End)),
                None => continue,
            }
            records.truncate(cut);
            gaps.insert(number, Gap { from: stood.0, link: stood.1 });
        }
        ensure!(!gaps.is_empty(), "no journal had gone on beyond the checkpoints");
        for (_, still_there) in (0..).zip(&mut records).filter(|(number, _)| !gaps.contains_key(number)) {
            still_there.clear();
        }
        group::delete_records(&self.settings, &journal, &before)?;
        self.tell(format!("journals of {} partitions cut", gaps.len()));
        let wanted: Vec<i32> = gaps.keys().copied().collect();
        self.aged.push(Aged { journal: journal.clone(), records, gaps });
        for pod in &pods {
            let state = self.fleet.pods[*pod].state.clone();
            self.empty(&state)?;
        }
        self.expect_named(match left {
            Retained::Tail => "journal-too-short:",
            Retained::Nothing => "journal-gone:",
        })?;

        // What the message says, once; and the flag taken out again afterwards.
        self.fleet.set_accepted(&["--accept-gap"]);
        pods.iter().try_for_each(|pod| self.fleet.start(*pod, None))?;
        let settings = self.settings.clone();
        let said = self.until(NAMED_MAX * 2, |_| {
            let records = read(&settings, &journal)?;
            let is_gap = |value: &[u8]| decode_journal_record(value).is_ok_and(|record| record.kind == JournalKind::AcceptedGap);
            Ok(wanted.iter().all(|number| records[*number as usize].iter().any(|record| is_gap(record.value()))))
        })?;
        ensure!(said, "the gap was accepted, and the journal does not say so");
        self.fleet.set_accepted(&[]);
        self.fleet.stop(&pods)?;
        if left == Retained::Nothing {
            // The same checkpoints once more: now the journal goes on from them, and nobody is needed.
            for number in 0..partitions {
                store.forget_newer(&log, number)?;
            }
            for pod in &pods {
                let state = self.fleet.pods[*pod].state.clone();
                self.empty(&state)?;
            }
        }
        pods.into_iter().try_for_each(|pod| self.fleet.start(pod, None))
    }

    /// The newest whole checkpoints of all partitions, as state directories.
    pub(super) fn checkpoints(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut fetched = Vec::new();
        if !self.schedule.checkpoints {
            return Ok(fetched);
        }
        let (store, names) = (self.fleet.store(), &self.fleet.names);
        for (role, log) in [("score", &names.events), ("gate", &names.proposals)] {
            let partitions = self.schedule.partitions_of(role);
            for number in 0..partitions {
                let name = format!("{role}-{number}");
                let dir = self.fleet.path(&format!("checkpoints-of-{name}"));
                fetched.extend(store.fetch(&identity_of(log, number, partitions), COMPARED, &dir, &name)?);
            }
        }
        Ok(fetched)
    }
}
