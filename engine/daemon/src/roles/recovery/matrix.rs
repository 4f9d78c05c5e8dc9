//! What a partition's start needs, decided from what was found: **state <= journal == committed offset**, or a named fault.
//!
//! A pure function, so that every cell can be looked at. Batches, journal records and offsets are written in one transaction, and the state
//! follows; so whatever else is found is due to an operator, to retention or to a lost disk.
//!
//! | journal ends at | committed | state | then |
//! |---|---|---|---|
//! | nowhere | none | empty | from the beginning |
//! | nowhere | none, or before any record | ahead | [`StartFault::StateAhead`] |
//! | nowhere | N | at N, and the journal has aged out | live |
//! | nowhere | N | else | [`StartFault::JournalGone`] |
//! | N | none | any | [`StartFault::OffsetsMissing`] |
//! | N | not N | any | [`StartFault::OffsetsMoved`] |
//! | N | N | ahead | [`StartFault::StateAhead`] |
//! | N | N | at N | live, replaying nothing |
//! | N | N | behind, log and journal reach back to it | muted, verified replay |
//! | N | N | behind, the log does not | [`StartFault::LogTooShort`] |
//! | N | N | behind, the journal does not | [`StartFault::JournalTooShort`] |
//! | N | N | behind, its last link is not in the chain | [`StartFault::OtherHistory`] |
//! | nowhere, or N | N | behind, in the middle of a gap that was accepted | on with its unverified replay |
//! | N, beyond the log's end | any | any | [`StartFault::LogMadeAnew`] |
//! | N, and the log's record before N is younger than the journal's | any | any | [`StartFault::LogReplaced`] |
//! | N, before the log's begin | N | at N | [`StartFault::UnreadGone`] |
//! | by a newer engine | N | any | [`StartFault::Downgrade`] |
//!
//! [`Accept`] names the override of each fault that has one.

use crate::partition::Unverified;
use portcullis_core::record::JournalKind;
use std::ops::Range;

/// What an operator accepts at this start. Each is said in the journal, where it leaves something unverified.
#[derive(clap::Args, Clone, Copy, Default, Debug)]
pub struct Accept {
    /// Go on where the journal ends, whatever the group's offsets say: they were deleted or moved, or the group was renamed.
    #[arg(long)]
    pub accept_offsets: bool,
    /// Go on although records or journal records are gone that the state needs: what they taught is forgotten.
    #[arg(long)]
    pub accept_gap: bool,
    /// Go on although a replay gives other digests than the journal has, or the journal is of a newer engine.
    #[arg(long)]
    pub accept_divergence: bool,
    /// Throw away a local state that does not fit, and rebuild it from a checkpoint or the log.
    #[arg(long)]
    pub accept_rebuild: bool,
}

/// What was found of a partition.
#[derive(Clone, PartialEq, Debug)]
pub struct Facts {
    /// Next record that the state wants; 0 without a state.
    pub state: i64,
    /// It is on its way through a gap that was accepted: the start that did so was cut short.
    pub is_in_gap: bool,
    /// First offset of the log, and the one after its last.
    pub log: Range<i64>,
    /// The log's record before the journal's end was appended after the journal had decided on it: it is another record.
    pub is_replaced: bool,
    pub journal: Journal,
    pub committed: Option<i64>,
    /// Of this engine.
    pub decision_version: u32,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Journal {
    /// Something was written to it once, and may have aged out since.
    pub was_written: bool,
    /// Where its last record ends; none without one.
    pub end: Option<i64>,
    /// Of its last record.
    pub decision_version: u32,
    /// The record that follows the state.
    pub next: Option<Next>,
}

/// The journal record that follows the state.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Next {
    /// First offset of its batch.
    pub from: i64,
    /// It names the state's own last record as the one before it.
    pub is_chained: bool,
}

/// What is to be done.
#[derive(Clone, PartialEq, Debug)]
pub enum Plan {
    /// Read the log from its first record; nothing was decided yet.
    Beginning,
    /// The state is there: read on.
    Live { at: i64, owed: Option<Unverified> },
    /// Decide on `from..to` again with the outputs muted.
    Replay { from: i64, to: i64, is_verified: bool, owed: Option<Unverified> },
    /// Throw the state away and look again.
    Rebuild,
}

/// Why a partition does not start, and what to do.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum StartFault {
    #[error(
        "offsets-missing: the group has no committed offset, but the journal ends at {journal}: the group's offsets were deleted, have expired, or the group was renamed. \
         Start once with --accept-offsets to go on at {journal}, or set the offset to {journal} with `kafka-consumer-groups --reset-offsets`"
    )]
    OffsetsMissing { journal: i64 },
    #[error(
        "offsets-moved: the committed offset is {committed}, the journal ends at {journal}: they are written in one transaction, so one of them was moved. \
         Start once with --accept-offsets to go on at {journal}, where nothing is decided twice and nothing left out"
    )]
    OffsetsMoved { committed: i64, journal: i64 },
    #[error(
        "state-ahead: the state stands at {state}, ahead of the committed offset {committed}: it is another group's or another log's, or the offsets and the journal were moved back together. \
         Start once with --accept-rebuild to throw it away and rebuild it from a checkpoint or the log"
    )]
    StateAhead { state: i64, committed: i64 },
    #[error(
        "other-history: the state stands at {state}, and the journal does not go on from it: it is the state of another history of this log. \
         Start once with --accept-rebuild to throw it away and rebuild it from a checkpoint or the log"
    )]
    OtherHistory { state: i64 },
    #[error(
        "journal-gone: the committed offset is {committed}, the state stands at {state}, and the journal is empty: its topic was made anew or its retention is too short. \
         Start once with --accept-gap to go on at {committed} with what the log still has, unverified; the audit chain goes on after the record that the state stands at, and says so"
    )]
    JournalGone { committed: i64, state: i64 },
    #[error(
        "log-too-short: the state, or the newest checkpoint, stands at {state}, the next record wanted is {wanted} and the log begins at {first}: retention removed what is between. \
         Restore a newer checkpoint (`portcullis checkpoint list`), or start once with --accept-gap to go on with what the log still has; the profiles forget the rest. Raise retention.ms or make checkpoints more often"
    )]
    LogTooShort { state: i64, wanted: i64, first: i64 },
    #[error(
        "journal-too-short: the state, or the newest checkpoint, stands at {state}, and the journal begins with a batch at {first}: its retention is shorter than the log's. \
         Restore a newer checkpoint (`portcullis checkpoint list`), or start once with --accept-gap to replay the log unverified. Raise the journal's retention.ms"
    )]
    JournalTooShort { state: i64, first: i64 },
    #[error(
        "log-made-anew: the committed offset is {committed}, and the log ends at {end}: the topic was made anew or lost its tail. \
         What was decided cannot be continued: choose a new topics.prefix, or restore the topic"
    )]
    LogMadeAnew { committed: i64, end: i64 },
    #[error(
        "log-made-anew: the journal ends at {journal}, and the record before that place was appended after the journal's was written: it is another topic under the same name. \
         What was decided cannot be continued: choose a new topics.prefix, or restore the topic"
    )]
    LogReplaced { journal: i64 },
    #[error(
        "unread-gone: the committed offset is {committed}, and the log begins at {first}: records may have been removed before they were read. \
         Start once with --accept-gap to go on at {first}, and raise the log's retention.ms"
    )]
    UnreadGone { committed: i64, first: i64 },
    #[error(
        "downgrade: decision version {theirs} wrote the end of the journal, this engine is version {ours}. \
         Start the newer release again, or start once with --accept-divergence to decide by the older rules from here on"
    )]
    Downgrade { theirs: u32, ours: u32 },
}

/// After the last record of a log stands the marker of its transaction.
const MARKER: i64 = 1;

/// The table of the [module](self).
///
/// # Errors
/// The fault by name.
pub fn decide(facts: &Facts, accept: Accept) -> Result<Plan, StartFault> {
    let accept = Accept { accept_gap: accept.accept_gap || facts.is_in_gap, ..accept };
    let Some(end) = facts.journal.end else { return without_journal(facts, accept) };
    // Before the offsets: they are deleted with their topic, and nothing that an operator could accept about them would be true.
    if end > facts.log.end {
        return Err(StartFault::LogMadeAnew { committed: end, end: facts.log.end });
    }
    if facts.is_replaced {
        return Err(StartFault::LogReplaced { journal: end });
    }
    let owed = match facts.committed {
        Some(committed) if committed == end => None,
        Some(_) | None if accept.accept_offsets => {
            let note = match facts.committed {
                Some(committed) => format!("the committed offset was {committed}; accepted to go on at the journal's end"),
                None => "there was no committed offset; accepted to go on at the journal's end".to_owned(),
            };
            Some(Unverified { kind: JournalKind::AcceptedOffsets, from: facts.committed.unwrap_or(0).min(end), to: end, note })
        }
        Some(committed) => return Err(StartFault::OffsetsMoved { committed, journal: end }),
        None => return Err(StartFault::OffsetsMissing { journal: end }),
    };
    let (theirs, ours) = (facts.journal.decision_version, facts.decision_version);
    if theirs > ours && !accept.accept_divergence {
        return Err(StartFault::Downgrade { theirs, ours });
    }
    match facts.state {
        state if state > end && accept.accept_rebuild => Ok(Plan::Rebuild),
        state if state > end => Err(StartFault::StateAhead { state, committed: end }),
        state if state == end => live(facts, end, owed, accept),
        state => behind(facts, state, end, owed, accept),
    }
}

fn without_journal(facts: &Facts, accept: Accept) -> Result<Plan, StartFault> {
    let (state, first) = (facts.state, facts.log.start);
    let committed = facts.committed.unwrap_or(0);
    if committed > facts.log.end {
        return Err(StartFault::LogMadeAnew { committed, end: facts.log.end });
    }
    let began = committed > first || (committed > 0 && facts.journal.was_written);
    match (began, state) {
        (false, 0) => Ok(Plan::Beginning),
        (true, state) if state == committed && facts.journal.was_written => live(facts, committed, None, accept),
        (_, state) if state > committed && accept.accept_rebuild => Ok(Plan::Rebuild),
        (_, state) if state > committed => Err(StartFault::StateAhead { state, committed }),
        (_, state) if accept.accept_gap && state == committed => {
            let (at, note) = (committed.max(first), "the journal was empty; accepted".to_owned());
            Ok(Plan::Live { at, owed: Some(Unverified { kind: JournalKind::AcceptedGap, from: committed, to: at, note }) })
        }
        (_, state) if accept.accept_gap => {
            let note = "the journal was empty; accepted".to_owned();
            Ok(unverified(facts, state, committed, JournalKind::AcceptedGap, note))
        }
        (_, state) => Err(StartFault::JournalGone { committed, state }),
    }
}

fn live(facts: &Facts, at: i64, owed: Option<Unverified>, accept: Accept) -> Result<Plan, StartFault> {
    let first = facts.log.start;
    match first - at {
        ..=0 => Ok(Plan::Live { at, owed }),
        MARKER => Ok(Plan::Live { at: first, owed }),
        _ if accept.accept_gap => {
            let note = format!("the log began at {first}; accepted to go on there");
            Ok(Plan::Live { at: first, owed: Some(Unverified { kind: JournalKind::AcceptedGap, from: at, to: first, note }) })
        }
        _ => Err(StartFault::UnreadGone { committed: at, first }),
    }
}

fn behind(facts: &Facts, state: i64, end: i64, owed: Option<Unverified>, accept: Accept) -> Result<Plan, StartFault> {
    let first = facts.log.start;
    let next = facts.journal.next.unwrap_or(Next { from: end, is_chained: false });
    let gap = |note: String| Ok(unverified(facts, state, end, JournalKind::AcceptedGap, note));
    if next.is_chained {
        return match next.from >= first {
            true => Ok(Plan::Replay { from: state.max(first), to: end, is_verified: true, owed }),
            false if accept.accept_gap => gap(format!("the log began at {first}; accepted")),
            false => Err(StartFault::LogTooShort { state, wanted: next.from.max(state), first }),
        };
    }
    if next.from > state {
        return match accept.accept_gap {
            true => gap(format!("the journal began with a batch at {}; accepted", next.from)),
            false if first > next.from.max(state) => Err(StartFault::LogTooShort { state, wanted: state, first }),
            false => Err(StartFault::JournalTooShort { state, first: next.from }),
        };
    }
    if facts.is_in_gap {
        // Between the link that it began with and the one that it will end with.
        return gap(format!("the journal goes on at {}; accepted", next.from));
    }
    if accept.accept_rebuild { Ok(Plan::Rebuild) } else { Err(StartFault::OtherHistory { state }) }
}

/// Replays what the log still has of `state..to`.
fn unverified(facts: &Facts, state: i64, to: i64, kind: JournalKind, note: String) -> Plan {
    let owed = Some(Unverified { kind, from: state, to, note });
    Plan::Replay { from: state.max(facts.log.start).min(to), to, is_verified: false, owed }
}

#[cfg(test)]
mod tests;
