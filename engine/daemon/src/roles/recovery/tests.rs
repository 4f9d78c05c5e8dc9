//! What a replay makes of a journal that does, or does not, say the same.

use super::*;
use portcullis_connectors::kafka::TopicPartition;

/// A partition whose replays give a given journal record.
#[derive(Default)]
struct Fake {
    position: i64,
    reached: i64,
    end: JournalEnd,
    owed: Vec<Unverified>,
    gives: JournalRecord,
    /// Records decided on.
    replayed: usize,
}

impl Replayed for Fake {
    fn position(&self) -> i64 {
        self.position
    }

    fn journal(&self) -> &JournalEnd {
        &self.end
    }

    fn replay(&mut self, records: &[Copied]) -> anyhow::Result<JournalRecord> {
        self.replayed += records.len();
        self.reached = self.gives.to;
        Ok(self.gives.clone())
    }

    fn remember(&mut self, journal: JournalEnd) -> anyhow::Result<()> {
        (self.position, self.end) = (self.reached, journal);
        Ok(())
    }

    fn owe(&mut self, owed: Unverified) {
        self.owed.push(owed);
    }

    fn owed(&self) -> &[Unverified] {
        &self.owed
    }

    fn skip_to(&mut self, position: i64) {
        self.reached = self.reached.max(position);
    }
}

fn batch() -> JournalRecord {
    let (outputs_digest, state_digest) = ("o".to_owned(), "s".to_owned());
    JournalRecord {
        from: 0,
        to: 10,
        decision_version: DECISION_VERSION,
        outputs: 2,
        outputs_digest,
        state_digest,
        ..JournalRecord::default()
    }
}

fn finish(fake: &mut Fake, accept: Accept, record: JournalRecord) -> Result<(), String> {
    let mut checks = Checks { log: TopicPartition::new("log", 0), accept, diverged: false };
    let entry = Entry { offset: 7, record, digest: "d".to_owned() };
    checks.finish(fake, &entry, &mut Vec::new()).map_err(|e| {
        assert!(e.is::<NeedsOperator>(), "{e}");
        e.to_string()
    })
}

#[test]
fn the_same_digests_move_the_state_and_the_chain() {
    let mut fake = Fake { gives: batch(), ..Fake::default() };
    assert_eq!(finish(&mut fake, Accept::default(), batch()), Ok(()));
    assert_eq!((fake.position, fake.owed.len()), (10, 0));
    assert_eq!(fake.end, JournalEnd { digest: "d".to_owned(), at_least: 8 });
}

#[test]
fn any_other_digest_stops_and_says_which_or_is_accepted_and_owed() {
    type Change = fn(&mut JournalRecord);
    let changes: [(&str, Change); 5] = [
        ("3 outputs instead of 2", |j| j.outputs = 3),
        ("other outputs", |j| j.outputs_digest.push('x')),
        ("another change of state", |j| j.state_digest.push('x')),
        ("another policy", |j| j.policy.push('x')),
        ("offsets 0..9 instead of 0..10", |j| j.to = 9),
    ];
    for (what, change) in changes {
        let mut fake = Fake { gives: batch(), ..Fake::default() };
        change(&mut fake.gives);
        let fault = finish(&mut fake, Accept::default(), batch()).expect_err(what);
        assert!(fault.contains("diverged") && fault.contains(what) && fault.contains("--accept-divergence"), "{fault}");
        assert_eq!(fake.position, 0, "nothing is remembered of it");

        let accept = Accept { accept_divergence: true, ..Accept::default() };
        assert_eq!(finish(&mut fake, accept, batch()), Ok(()));
        assert_eq!((fake.position, fake.owed[0].kind, fake.owed[0].to), (10, JournalKind::AcceptedDivergence, 10), "{what}");
    }
}

#[test]
fn across_decision_versions_nothing_is_compared_and_the_range_is_owed() {
    let mut fake = Fake { gives: JournalRecord { outputs: 9, ..batch() }, ..Fake::default() };
    let older = JournalRecord { decision_version: DECISION_VERSION + 1, ..batch() };
    assert_eq!(finish(&mut fake, Accept::default(), older), Ok(()));
    let owed = &fake.owed[0];
    assert_eq!((owed.kind, owed.from, owed.to), (JournalKind::VersionBoundary, 0, 10));
    assert!(owed.note.contains("decided by decision version"), "{owed:?}");
}

#[test]
fn a_chain_that_does_not_link_stops_and_one_with_notes_does() {
    let mut fake = Fake { gives: batch(), end: JournalEnd { digest: "before".to_owned(), at_least: 3 }, ..Fake::default() };
    let fault = finish(&mut fake, Accept::default(), batch()).expect_err("another record came before");
    assert!(fault.contains("chain-broken") && fault.contains("offset 7") && fault.contains("--accept-divergence"), "{fault}");
    assert_eq!((fake.position, fake.owed.len()), (0, 0), "nothing is remembered of it");

    let note = JournalRecord { previous: "before".to_owned(), kind: JournalKind::AcceptedGap, to: 25, ..JournalRecord::default() };
    assert_eq!(finish(&mut fake, Accept::default(), note), Ok(()));
    assert_eq!((fake.position, fake.end.digest.as_str()), (25, "d"), "a gap that was accepted before is no batch");
}

#[test]
fn behind_a_broken_chain_that_was_accepted_it_goes_on_and_the_break_is_owed() {
    let mut fake = Fake { gives: batch(), end: JournalEnd { digest: "before".to_owned(), at_least: 3 }, ..Fake::default() };
    let accept = Accept { accept_divergence: true, ..Accept::default() };
    assert_eq!(finish(&mut fake, accept, JournalRecord { outputs: 9, ..batch() }), Ok(()));
    assert_eq!((fake.position, fake.end.digest.as_str()), (10, "d"));
    let [owed] = &fake.owed[..] else { panic!("the break is owed, and what follows it is not compared: {:?}", fake.owed) };
    assert_eq!((owed.kind, owed.from, owed.to), (JournalKind::AcceptedDivergence, 0, 10));
    assert!(owed.note.contains("journal offset 7"), "{owed:?}");
}

#[test]
fn a_gap_is_decided_on_by_whoever_comes_from_before_it() {
    let mut fake = Fake {
        gives: JournalRecord { to: 20, ..batch() },
        end: JournalEnd { digest: "before".to_owned(), at_least: 3 },
        ..Fake::default()
    };
    let gap = JournalRecord { previous: "before".to_owned(), kind: JournalKind::AcceptedGap, from: 10, to: 25, ..JournalRecord::default() };
    let record = |offset| Copied { position: Position { partition: 0, offset, appended_at: Time(0) }, key: Vec::new(), value: Vec::new() };
    let mut checks = Checks { log: TopicPartition::new("log", 0), accept: Accept::default(), diverged: false };
    let mut records = vec![record(10), record(19)];
    checks.finish(&mut fake, &Entry { offset: 7, record: gap, digest: "d".to_owned() }, &mut records).expect("nothing to compare");
    assert_eq!((fake.replayed, records.len()), (2, 0), "the batch that follows has records of its own alone");
    assert_eq!((fake.position, fake.end.digest.as_str()), (25, "d"));
}

#[test]
fn the_chain_goes_on_after_its_last_record_or_after_what_the_state_knew() {
    let fake = Fake { end: JournalEnd { digest: "before".to_owned(), at_least: 3 }, ..Fake::default() };
    let last = Entry { offset: 7, record: batch(), digest: "d".to_owned() };
    assert_eq!(chain_end(&fake, Some(last)), JournalEnd { digest: "d".to_owned(), at_least: 8 });
    // A topic that was made anew counts from the beginning.
    assert_eq!(chain_end(&fake, None), JournalEnd { digest: "before".to_owned(), at_least: 0 });
}
