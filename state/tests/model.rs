//! The state against a naive model: a map that is copied at every commit.

mod common;

use common::{Note, identity, tiny, tiny_temporary};
use portcullis_state::{Meta, Partition, Shared, Slot, StateFault, Value, destroy};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    /// Reads a key; with `put` writes it, or removes it, or changes it if it is there.
    Touch {
        key: u8,
        put: Put,
    },
    /// Slots of several keys at once, each then written.
    Load {
        keys: Vec<u8>,
    },
    Timer {
        key: u8,
        due_in_ms: Option<i64>,
    },
    /// Log time goes on and what is due fires; every second firing sets another timer.
    Pass {
        ms: i64,
    },
    Commit,
    Abort,
    Flush,
    Persist,
    Reopen,
    Compact,
}

#[derive(Clone, Copy, Debug)]
enum Put {
    Nothing,
    Insert(u8),
    Change(u8),
    Remove,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = prop_oneof![Just(Put::Nothing), any::<u8>().prop_map(Put::Insert), any::<u8>().prop_map(Put::Change), Just(Put::Remove)];
    let step = prop_oneof![
        12 => (0u8..60, put).prop_map(|(key, put)| Step::Touch { key, put }),
        4 => proptest::collection::vec(0u8..60, 0..70).prop_map(|keys| Step::Load { keys }),
        6 => (0u8..60, proptest::option::weighted(0.8, -50i64..900)).prop_map(|(key, due_in_ms)| Step::Timer { key, due_in_ms }),
        3 => (0i64..400).prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Pass { ms: 1_200 }),
        6 => Just(Step::Commit),
        2 => Just(Step::Abort),
        2 => Just(Step::Flush),
        1 => Just(Step::Persist),
        1 => Just(Step::Reopen),
        1 => Just(Step::Compact),
    ];
    proptest::collection::vec(step, 1..120)
}

/// Keys of one kind and tenant, some longer than what the hot table holds within its entries.
fn key(number: u8) -> Vec<u8> {
    let filler = "x".repeat(if number.is_multiple_of(5) { 60 } else { 0 });
    format!("identity\x1fretail-ch\x1f{filler}{number}").into_bytes()
}

/// Key to value and timer, as somebody with unlimited memory and no crashes would keep them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    values: BTreeMap<Vec<u8>, Note>,
    timers: BTreeMap<Vec<u8>, i64>,
    now_ms: i64,
}

impl Model {
    fn value(&self, key: &[u8]) -> Option<&Note> {
        self.values.get(key).filter(|note| note.seen_ms + common::RETENTION_MS >= self.now_ms)
    }

    fn first_due(&self) -> Option<(i64, Vec<u8>)> {
        self.timers.iter().map(|(key, due)| (*due, key.clone())).min().filter(|(due, _)| *due <= self.now_ms)
    }
}

struct Run {
    partition: Partition<Note>,
    working: Model,
    committed: Model,
    position: i64,
    /// Keys that the batch changed.
    changed: BTreeMap<Vec<u8>, ()>,
    fired: u32,
}

impl Run {
    fn slot(&mut self, key: &[u8]) -> Result<Slot, TestCaseError> {
        let slot = self.partition.slot(key, self.working.now_ms)?;
        self.check(slot, key)?;
        Ok(slot)
    }

    fn check(&self, slot: Slot, key: &[u8]) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.partition.key(slot), key);
        prop_assert_eq!(self.partition.value(slot), self.working.value(key));
        prop_assert_eq!(self.partition.timer(slot), self.working.timers.get(key).copied());
        Ok(())
    }

    fn note(&self, byte: u8) -> Note {
        Note { seen_ms: self.working.now_ms, text: vec![byte; usize::from(byte) * 3] }
    }

    fn put(&mut self, slot: Slot, key: &[u8], put: Put) {
        let there = self.working.value(key).is_some();
        let note = match put {
            Put::Insert(byte) | Put::Change(byte) => self.note(byte),
            _ => self.note(0),
        };
        match put {
            Put::Nothing => {}
            Put::Insert(_) => {
                if note.text.len().is_multiple_of(2) {
                    self.partition.set(slot, note.clone());
                } else {
                    *self.partition.value_or_insert_with(slot, || note.clone()) = note.clone();
                }
                self.working.values.insert(key.to_vec(), note);
                self.changed.insert(key.to_vec(), ());
            }
            Put::Change(_) => {
                assert_eq!(self.partition.value_mut(slot).map(|value| *value = note.clone()).is_some(), there);
                if there {
                    self.working.values.insert(key.to_vec(), note);
                    self.changed.insert(key.to_vec(), ());
                }
            }
            Put::Remove => {
                self.partition.remove(slot);
                if there {
                    self.working.values.remove(key);
                    self.changed.insert(key.to_vec(), ());
                }
            }
        }
    }

    fn set_timer(&mut self, slot: Slot, key: &[u8], due_ms: Option<i64>) {
        self.partition.set_timer(slot, due_ms);
        let before = match due_ms {
            Some(due_ms) => self.working.timers.insert(key.to_vec(), due_ms),
            None => self.working.timers.remove(key),
        };
        if before != due_ms {
            self.changed.insert(key.to_vec(), ());
        }
    }

    fn fire(&mut self) -> Result<(), TestCaseError> {
        // Bounded: one in two firings sets another timer, always a later one.
        loop {
            let expected = self.working.first_due();
            let fired = self.partition.next_due_timer(self.working.now_ms)?;
            let Some((due_ms, slot)) = fired else {
                prop_assert_eq!(expected, None);
                return Ok(());
            };
            let key = self.partition.key(slot).to_vec();
            prop_assert_eq!(expected, Some((due_ms, key.clone())));
            self.working.timers.remove(&key);
            self.changed.insert(key.clone(), ());
            self.check(slot, &key)?;
            self.fired += 1;
            if self.fired.is_multiple_of(2) {
                self.set_timer(slot, &key, Some(due_ms + 97));
            }
        }
    }

    fn commit(&mut self) -> Result<(), TestCaseError> {
        let changes: Vec<(Vec<u8>, Option<Note>, Option<i64>)> =
            self.partition.changed().map(|change| (change.key.to_vec(), read_note(change.encoded), change.timer_ms)).collect();
        let keys: Vec<_> = changes.iter().map(|(key, ..)| key.clone()).collect();
        prop_assert!(keys.is_sorted(), "changes come in key order");
        prop_assert_eq!(&keys, &self.changed.keys().cloned().collect::<Vec<_>>());
        for (key, value, timer_ms) in changes {
            prop_assert_eq!(timer_ms, self.working.timers.get(&key).copied());
            // A value that expired after it was last asked for still stands; both ways it is absent to whoever asks.
            let value = value.filter(|note| note.seen_ms + common::RETENTION_MS >= self.working.now_ms);
            prop_assert_eq!(value.as_ref(), self.working.value(&key));
        }
        self.position += 1;
        self.partition.commit(Meta {
            position: self.position,
            log_time_ms: self.working.now_ms,
            extra: vec![7; self.position as usize % 50],
        });
        self.committed = self.working.clone();
        self.changed.clear();
        Ok(())
    }

    fn abort(&mut self) {
        self.partition.abort();
        self.working = self.committed.clone();
        self.changed.clear();
    }

    fn check_all(&mut self) -> Result<(), TestCaseError> {
        let mut stored = Vec::new();
        self.partition.for_each(|key, value, timer_ms| stored.push((key.to_vec(), value, timer_ms)))?;
        let mut expected: BTreeMap<Vec<u8>, (Option<Note>, Option<i64>)> = BTreeMap::new();
        for key in self.committed.values.keys() {
            if let Some(note) = self.committed.value(key) {
                expected.entry(key.clone()).or_default().0 = Some(note.clone());
            }
        }
        for (key, due_ms) in &self.committed.timers {
            expected.entry(key.clone()).or_default().1 = Some(*due_ms);
        }
        prop_assert_eq!(stored, expected.into_iter().map(|(key, (value, timer))| (key, value, timer)).collect::<Vec<_>>());
        Ok(())
    }
}

/// A temporary state knows no abort and is not opened again: its batches are committed in their place.
fn run(steps: Vec<Step>, shared: &Shared) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("state");
    let mut run = Run {
        partition: Partition::open(&dir, shared, &identity())?,
        working: Model::default(),
        committed: Model::default(),
        position: 0,
        changed: BTreeMap::new(),
        fired: 0,
    };
    for step in steps {
        match step {
            Step::Touch { key: number, put } => {
                let key = key(number);
                let slot = run.slot(&key)?;
                run.put(slot, &key, put);
                run.check(slot, &key)?;
                prop_assert_eq!(run.slot(&key)?, slot, "one key, one slot");
            }
            Step::Load { keys } => {
                let keys: Vec<Vec<u8>> = keys.into_iter().map(key).collect();
                let mut slots = Vec::new();
                run.partition.load(keys.iter().map(Vec::as_slice), &mut slots)?;
                prop_assert_eq!(slots.len(), keys.len());
                for (number, (slot, key)) in slots.into_iter().zip(&keys).enumerate() {
                    run.partition.expire(slot, run.working.now_ms);
                    run.check(slot, key)?;
                    if number % 3 == 0 {
                        run.put(slot, key, Put::Insert(number as u8));
                    }
                }
            }
            Step::Timer { key: number, due_in_ms } => {
                let key = key(number);
                let slot = run.slot(&key)?;
                let due_ms = due_in_ms.map(|ms| run.working.now_ms + ms);
                run.set_timer(slot, &key, due_ms);
                run.check(slot, &key)?;
            }
            Step::Pass { ms } => {
                run.working.now_ms += ms;
                run.fire()?;
            }
            Step::Commit => run.commit()?,
            Step::Abort | Step::Reopen if shared.is_temporary() => run.commit()?,
            Step::Abort => run.abort(),
            Step::Flush => run.partition.flush()?,
            Step::Persist => run.partition.persist()?,
            Step::Reopen => {
                run.abort();
                let before = run.partition.meta().cloned();
                run.partition.close()?;
                run.partition = Partition::open(&dir, shared, &identity())?;
                prop_assert_eq!(run.partition.meta(), before.as_ref());
            }
            Step::Compact => run.partition.compact(),
        }
        // The clock never forgets a timer: what it promises is never later than what is due.
        let next = run.working.timers.values().min().copied();
        prop_assert!(run.partition.next_timer_ms().unwrap_or(i64::MAX) <= next.unwrap_or(i64::MAX));
    }
    if shared.is_temporary() {
        run.commit()?;
    }
    run.abort();
    run.check_all()?;
    run.partition.close()?;
    destroy(&dir)?;
    prop_assert!(!dir.exists());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_naive_model(steps in steps()) {
        run(steps, &tiny())?;
    }

    #[test]
    fn a_temporary_state_agrees_too(steps in steps()) {
        run(steps, &tiny_temporary())?;
    }
}

#[test]
fn a_temporary_state_says_that_it_cannot_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut partition = Partition::<Note>::open(&folder.path().join("state"), &tiny_temporary(), &identity()).unwrap();
    let note = Note { seen_ms: 0, text: vec![1] };
    let slot = partition.slot(b"read", 0).unwrap();
    assert_eq!(partition.value(slot), None);
    partition.abort();
    let slot = partition.slot(b"written", 0).expect("nothing was changed, so nothing is lost");
    partition.set(slot, note);
    partition.abort();
    assert!(matches!(partition.slot(b"written", 0), Err(StateFault::Spoiled { .. })));
    assert!(matches!(partition.load([b"other".as_slice()], &mut Vec::new()), Err(StateFault::Spoiled { .. })));
}

fn read_note(encoded: &[u8]) -> Option<Note> {
    (!encoded.is_empty()).then(|| Note::decode(encoded).expect("a note reads itself back"))
}
