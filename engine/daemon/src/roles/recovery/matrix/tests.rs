//! Every cell, and that no combination panics, decides twice or leaves out.

use super::*;

fn facts() -> Facts {
    let journal = Journal { was_written: true, end: Some(100), decision_version: 1, next: Some(Next { from: 50, is_chained: true }) };
    Facts { state: 50, is_in_gap: false, log: 0..101, is_replaced: false, journal, committed: Some(100), decision_version: 1 }
}

fn new_log() -> Facts {
    Facts { state: 0, is_in_gap: false, log: 0..10, is_replaced: false, journal: Journal::default(), committed: None, decision_version: 1 }
}

fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = facts();
    change(&mut facts);
    facts
}

const NOTHING: Accept = Accept { accept_offsets: false, accept_gap: false, accept_divergence: false, accept_rebuild: false };
const OFFSETS: Accept = Accept { accept_offsets: true, ..NOTHING };
const GAP: Accept = Accept { accept_gap: true, ..NOTHING };
const DIVERGENCE: Accept = Accept { accept_divergence: true, ..NOTHING };
const REBUILD: Accept = Accept { accept_rebuild: true, ..NOTHING };

fn verified(from: i64) -> Result<Plan, StartFault> {
    Ok(Plan::Replay { from, to: 100, is_verified: true, owed: None })
}

fn unverified(from: i64, owed_from: i64, note: &str) -> Result<Plan, StartFault> {
    let owed = Unverified { kind: JournalKind::AcceptedGap, from: owed_from, to: 100, note: note.to_owned() };
    Ok(Plan::Replay { from, to: 100, is_verified: false, owed: Some(owed) })
}

#[test]
fn a_log_that_nobody_has_decided_on_begins() {
    assert_eq!(decide(&new_log(), NOTHING), Ok(Plan::Beginning));
    assert_eq!(decide(&Facts { committed: Some(0), ..new_log() }, NOTHING), Ok(Plan::Beginning));
    let aged = Facts { log: 5..10, ..new_log() };
    assert_eq!(decide(&aged, NOTHING), Ok(Plan::Beginning), "retention before the first start");
    let of_another_log = Facts { state: 7, ..new_log() };
    assert_eq!(decide(&of_another_log, NOTHING), Err(StartFault::StateAhead { state: 7, committed: 0 }));
    assert_eq!(decide(&of_another_log, REBUILD), Ok(Plan::Rebuild));
}

#[test]
fn a_state_at_the_end_is_live_and_one_behind_is_replayed() {
    assert_eq!(decide(&with(|f| f.state = 100), NOTHING), Ok(Plan::Live { at: 100, owed: None }));
    assert_eq!(decide(&facts(), NOTHING), verified(50));
    assert_eq!(decide(&with(|f| f.state = 0), NOTHING), verified(0), "a lost directory is replayed from the beginning");
}

#[test]
fn offsets_that_are_missing_or_moved_stop_or_are_accepted() {
    let missing = with(|f| f.committed = None);
    assert_eq!(decide(&missing, NOTHING), Err(StartFault::OffsetsMissing { journal: 100 }));
    for committed in [40, 99, 101, 1_000] {
        let moved = with(|f| f.committed = Some(committed));
        assert_eq!(decide(&moved, NOTHING), Err(StartFault::OffsetsMoved { committed, journal: 100 }));
        let Ok(Plan::Replay { from: 50, to: 100, is_verified: true, owed: Some(owed) }) = decide(&moved, OFFSETS) else {
            panic!("the replay is verified all the same")
        };
        assert_eq!((owed.kind, owed.to), (JournalKind::AcceptedOffsets, 100));
    }
    let Ok(Plan::Live { at: 100, owed: Some(_) }) = decide(&with(|f| (f.state, f.committed) = (100, None)), OFFSETS) else {
        panic!("goes on at the journal's end")
    };
}

#[test]
fn a_state_that_is_ahead_or_of_another_history_stops_or_is_rebuilt() {
    let ahead = with(|f| f.state = 101);
    assert_eq!(decide(&ahead, NOTHING), Err(StartFault::StateAhead { state: 101, committed: 100 }));
    assert_eq!(decide(&ahead, REBUILD), Ok(Plan::Rebuild));
    let other = with(|f| f.journal.next = Some(Next { from: 40, is_chained: false }));
    assert_eq!(decide(&other, NOTHING), Err(StartFault::OtherHistory { state: 50 }));
    assert_eq!(decide(&other, REBUILD), Ok(Plan::Rebuild));
    assert_eq!(decide(&other, GAP), Err(StartFault::OtherHistory { state: 50 }), "a gap is not what is wrong");
}

#[test]
fn a_log_or_journal_that_does_not_reach_back_stops_or_is_accepted() {
    let short_log = with(|f| f.log.start = 60);
    assert_eq!(decide(&short_log, NOTHING), Err(StartFault::LogTooShort { state: 50, wanted: 50, first: 60 }));
    assert_eq!(decide(&short_log, GAP), unverified(60, 50, "the log began at 60; accepted"));
    // Only markers of transactions were removed.
    assert_eq!(decide(&with(|f| (f.log.start, f.journal.next) = (60, Some(Next { from: 60, is_chained: true }))), NOTHING), verified(60));

    let short_journal = with(|f| f.journal.next = Some(Next { from: 70, is_chained: false }));
    assert_eq!(decide(&short_journal, NOTHING), Err(StartFault::JournalTooShort { state: 50, first: 70 }));
    assert_eq!(decide(&short_journal, GAP), unverified(50, 50, "the journal began with a batch at 70; accepted"));
    let both = with(|f| (f.log.start, f.journal.next) = (80, Some(Next { from: 70, is_chained: false })));
    assert_eq!(decide(&both, NOTHING), Err(StartFault::LogTooShort { state: 50, wanted: 50, first: 80 }));
    assert_eq!(decide(&both, GAP), unverified(80, 50, "the journal began with a batch at 70; accepted"));
}

#[test]
fn a_journal_that_is_gone_stops_unless_it_aged_out() {
    let gone = |was_written| {
        with(|f| {
            f.journal = Journal { was_written, ..Journal::default() };
            f.state = 100;
        })
    };
    assert_eq!(decide(&gone(true), NOTHING), Ok(Plan::Live { at: 100, owed: None }), "idle for longer than the journal's retention");
    assert_eq!(decide(&gone(false), NOTHING), Err(StartFault::JournalGone { committed: 100, state: 100 }), "its topic was made anew");
    let behind = Facts { state: 50, ..gone(true) };
    assert_eq!(decide(&behind, NOTHING), Err(StartFault::JournalGone { committed: 100, state: 50 }));
    assert_eq!(decide(&behind, GAP), unverified(50, 50, "the journal was empty; accepted"));
}

#[test]
fn a_gap_that_was_accepted_is_gone_through_to_its_end() {
    let between = |change: fn(&mut Facts)| {
        let mut facts = with(|f| (f.state, f.is_in_gap) = (80, true));
        change(&mut facts);
        decide(&facts, NOTHING)
    };
    let note = "the journal goes on at 70; accepted";
    assert_eq!(between(|f| f.journal.next = Some(Next { from: 70, is_chained: false })), unverified(80, 80, note));
    let note = "the journal began with a batch at 90; accepted";
    assert_eq!(between(|f| f.journal.next = Some(Next { from: 90, is_chained: false })), unverified(80, 80, note));
    assert_eq!(
        between(|f| f.journal = Journal { was_written: true, ..Journal::default() }),
        unverified(80, 80, "the journal was empty; accepted")
    );
}

#[test]
fn a_log_made_anew_and_unread_records_that_are_gone_stop() {
    assert_eq!(decide(&with(|f| f.log = 0..80), NOTHING), Err(StartFault::LogMadeAnew { committed: 100, end: 80 }));
    // The offsets are deleted with their topic: to accept that would leave out what the new one holds before the old one's end.
    let without_offsets = |log| with(|f| (f.log, f.committed, f.is_replaced) = (log, None, true));
    assert_eq!(decide(&without_offsets(0..80), OFFSETS), Err(StartFault::LogMadeAnew { committed: 100, end: 80 }));
    assert_eq!(decide(&without_offsets(0..300), OFFSETS), Err(StartFault::LogReplaced { journal: 100 }));
    let live = |first| with(|f| (f.state, f.log) = (100, first..first + 10));
    assert_eq!(decide(&live(101), NOTHING), Ok(Plan::Live { at: 101, owed: None }), "the last transaction's marker alone is gone");
    assert_eq!(decide(&live(200), NOTHING), Err(StartFault::UnreadGone { committed: 100, first: 200 }));
    let Ok(Plan::Live { at: 200, owed: Some(owed) }) = decide(&live(200), GAP) else { panic!("goes on where the log begins") };
    assert_eq!((owed.from, owed.to), (100, 200));
}

#[test]
fn a_journal_of_a_newer_engine_stops_a_downgrade() {
    let newer = with(|f| f.journal.decision_version = 2);
    assert_eq!(decide(&newer, NOTHING), Err(StartFault::Downgrade { theirs: 2, ours: 1 }));
    assert_eq!(decide(&newer, DIVERGENCE), verified(50));
    assert_eq!(decide(&with(|f| f.decision_version = 2), NOTHING), verified(50), "an upgrade replays; what it finds is told by the replay");
}

/// Whatever is found: nothing is decided twice and nothing left out, unless it is accepted; and a fault says what to do.
#[test]
fn no_combination_decides_twice_or_leaves_out() {
    let ends = [0, 1, 50, 99, 100, 101, 200];
    let optional = || std::iter::once(None).chain(ends.map(Some));
    let mut looked_at = 0;
    for state in ends {
        for committed in optional() {
            for end in optional() {
                for (first, last) in [(0, 100), (0, 300), (60, 300), (101, 101)] {
                    for chained in [None, Some(false), Some(true)] {
                        let next = chained.map(|is_chained| Next { from: state, is_chained });
                        let journal = Journal { was_written: end.is_some(), end, decision_version: 1, next };
                        for bits in 0..64_u8 {
                            let bit = |n: u8| bits & (1 << n) != 0;
                            let (is_in_gap, journal) = (bit(4), journal.clone());
                            let is_replaced = bit(5);
                            let facts = Facts { state, is_in_gap, log: first..last, is_replaced, journal, committed, decision_version: 1 };
                            let accept =
                                Accept { accept_offsets: bit(0), accept_gap: bit(1), accept_divergence: bit(2), accept_rebuild: bit(3) };
                            judge(&facts, accept);
                            looked_at += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(looked_at, 7 * 8 * 8 * 4 * 3 * 64);
}

fn judge(facts: &Facts, accept: Accept) {
    let gap = accept.accept_gap || facts.is_in_gap;
    let authority = facts.journal.end.or(facts.committed).unwrap_or(0);
    assert!(!(facts.is_replaced && facts.journal.end.is_some()) || decide(facts, accept).is_err(), "{facts:?} {accept:?}");
    match decide(facts, accept) {
        Ok(Plan::Beginning) => assert!(facts.state == 0 && facts.journal.end.is_none(), "{facts:?}"),
        Ok(Plan::Live { at, owed }) => {
            assert!(facts.state == authority && at >= authority, "{facts:?} {accept:?}");
            assert!(at <= authority + MARKER || (gap && owed.is_some()), "{facts:?} {accept:?}");
        }
        Ok(Plan::Replay { from, to, is_verified, owed }) => {
            assert!(to == authority && facts.state < to && from <= to, "{facts:?} {accept:?}");
            assert!(is_verified || (gap && owed.is_some()), "{facts:?} {accept:?}");
            assert!(!is_verified || facts.journal.next.is_some_and(|n| n.is_chained), "{facts:?} {accept:?}");
        }
        Ok(Plan::Rebuild) => assert!(accept.accept_rebuild, "{facts:?}"),
        Err(fault) => {
            let text = fault.to_string();
            assert!(text.contains("--accept-") || text.contains("topics.prefix"), "{text}");
        }
    }
}
