//! The audit: whether what was published is what was decided, record by record, and nothing is missing, changed, moved or added.
//!
//! Each partition of a journal is a chain: a record names the digest of the one before it, the range of the log that it decided on, and the
//! digest of the outputs that came of it. So a journal is held against itself, and the outputs against the journal. The gate signs the end of
//! its chains now and then, which shows when records were cut off at the end.

pub mod collect;
pub mod ends;
pub mod file;
pub mod head;

use crate::roles::Nth;
use portcullis_core::id::digest;
use portcullis_core::record::{JournalKind, JournalRecord, Output};
use portcullis_schemas::{Encoding, decode_journal_record, encode_output};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whose journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Decider {
    Score,
    Gate,
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decider::Score => "score",
            Decider::Gate => "gate",
        })
    }
}

/// A journal record as it was read.
pub struct Linked {
    pub place: String,
    pub bytes: Vec<u8>,
    /// Read after the outputs, so that what was published meanwhile has its record. Its own outputs may not have been read.
    pub is_late: bool,
}

/// A published output, and where it says that it belongs.
pub struct Published {
    pub place: String,
    /// Unsigned, Avro: what the journal's digest is over.
    pub bytes: Vec<u8>,
}

/// The end of a chain that the gate signed.
pub struct SignedEnd {
    pub place: String,
    pub decider: Decider,
    pub partition: i32,
    pub digest: String,
}

/// Everything that was read, of all partitions.
#[derive(Default)]
pub struct Evidence {
    /// In the order of the journal.
    pub journals: BTreeMap<(Decider, i32), Vec<Linked>>,
    /// Outputs that say which of their batch they are.
    pub placed: BTreeMap<(Decider, i32, i64), BTreeMap<u32, Published>>,
    /// Verdicts by partition and offset of their event, those of one event in the order of the topic.
    pub verdicts: BTreeMap<(i32, i64), Vec<Published>>,
    pub heads: Vec<SignedEnd>,
    /// What could not be read, or is not signed as it should be.
    pub faults: Vec<Fault>,
}

/// Something that is not as it was decided.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fault {
    pub place: String,
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What an audit found.
#[derive(Default, Debug)]
pub struct Findings {
    pub faults: Vec<Fault>,
    /// What the journal itself says could not be verified, and why somebody accepted it.
    pub remarks: Vec<String>,
    pub batches: usize,
    pub outputs: usize,
    pub heads: usize,
}

/// The unsigned bytes of an output, over which the journal's digest is.
pub fn unsigned(mut output: Output) -> Vec<u8> {
    match &mut output {
        Output::Request(request) => request.jws = None,
        Output::Fact(fact) => fact.jws = None,
        _ => {}
    }
    let mut bytes = Vec::new();
    encode_output(&output, Encoding::Avro, &mut bytes);
    bytes
}

/// Holds everything against the journals.
pub fn verify(mut evidence: Evidence) -> Findings {
    let mut findings = Findings { faults: std::mem::take(&mut evidence.faults), ..Findings::default() };
    let journals = std::mem::take(&mut evidence.journals);
    let mut digests: BTreeSet<(Decider, i32, String)> = BTreeSet::new();
    for ((decider, partition), records) in &journals {
        let mut before: Option<(String, JournalRecord, &str)> = None;
        for linked in records {
            let link = digest(&linked.bytes);
            digests.insert((*decider, *partition, link.clone()));
            let record = match decode_journal_record(&linked.bytes) {
                Ok(record) => record,
                Err(error) => {
                    findings.faults.push(Fault { place: linked.place.clone(), what: format!("is no journal record: {error}") });
                    before = None;
                    continue;
                }
            };
            if let Some((digest, last, place)) = &before {
                chained(&mut findings, linked, &record, (digest, last, place));
            }
            hold(&mut findings, &mut evidence, *decider, *partition, linked, &record);
            before = Some((link, record, &linked.place));
        }
    }
    for ((decider, partition, from), outputs) in &evidence.placed {
        for (n, output) in outputs {
            let nth = Nth { partition: *partition, from: *from, n: *n };
            let what = format!(
                "says that it is output {nth} of {decider}, which no journal record knows: it was inserted, or its journal record removed"
            );
            findings.faults.push(Fault { place: output.place.clone(), what });
        }
    }
    for ((_, offset), verdicts) in evidence.verdicts {
        let what = format!("is of offset {offset}, of which no journal record knows: it was inserted, or its journal record removed");
        findings.faults.extend(verdicts.into_iter().map(|verdict| Fault { place: verdict.place, what: what.clone() }));
    }
    for head in evidence.heads {
        findings.heads += 1;
        if !digests.contains(&(head.decider, head.partition, head.digest.clone())) {
            let what = format!(
                "the gate signed that the journal[{}] of {} reached {}, which is not there: records were cut off, changed, or are older than what was read",
                head.partition, head.decider, head.digest
            );
            findings.faults.push(Fault { place: head.place, what });
        }
    }
    findings
}

/// A record follows the one before it.
fn chained(findings: &mut Findings, linked: &Linked, record: &JournalRecord, (digest, last, place): (&str, &JournalRecord, &str)) {
    let mut fault = |what: String| findings.faults.push(Fault { place: linked.place.clone(), what });
    if record.previous != digest {
        fault(format!("does not follow {place}: one of them was changed, or records between them were removed, moved or inserted"));
    } else if record.kind == JournalKind::Batch && last.kind == JournalKind::Batch && record.from < last.to {
        fault(format!("decides on offsets from {} again, {place} had reached {}", record.from, last.to));
    }
}

/// The outputs of a batch are those that were decided.
fn hold(findings: &mut Findings, evidence: &mut Evidence, decider: Decider, partition: i32, linked: &Linked, record: &JournalRecord) {
    let place = &linked.place;
    if record.kind != JournalKind::Batch {
        findings.remarks.push(format!("{place}: {} of {}..{}: {}", record.kind, record.from, record.to, record.note));
        return;
    }
    findings.batches += 1;
    let mut placed = evidence.placed.remove(&(decider, partition, record.from)).unwrap_or_default();
    let range = (partition, record.from)..(partition, record.to.max(record.from));
    let of_batch = if decider == Decider::Score { evidence.verdicts.extract_if(range, |_, _| true).collect() } else { Vec::new() };
    let verdicts: Vec<Published> = of_batch.into_iter().flat_map(|(_, verdicts)| verdicts).collect();
    let (found, wanted) = (placed.len() + verdicts.len(), record.outputs as usize);
    findings.outputs += found;
    let (mut hasher, mut verdicts) = (blake3::Hasher::new(), verdicts.into_iter());
    let mut missing = Vec::new();
    for n in 0..record.outputs {
        // What does not name its place is a verdict; those come in order.
        match placed.remove(&n).or_else(|| verdicts.next()) {
            Some(output) => {
                hasher.update(&(output.bytes.len() as u64).to_le_bytes());
                hasher.update(&output.bytes);
            }
            None => missing.push(n),
        }
    }
    let mut fault = |place: String, what: String| findings.faults.push(Fault { place, what });
    let batch = format!("the batch {}..{} of {decider}[{partition}]", record.from, record.to);
    for (n, output) in placed {
        fault(output.place, format!("says that it is output {n} of {batch}, which had {wanted}: it was inserted"));
    }
    for verdict in verdicts {
        fault(verdict.place, format!("is one too many of {batch}, which had {wanted} outputs: it was inserted"));
    }
    if found < wanted && linked.is_late {
        return;
    }
    if found < wanted {
        fault(
            place.to_owned(),
            format!(
                "{batch} had {wanted} outputs, {found} are there: {} missing, the first that nothing stands for is number {}",
                wanted - found,
                missing[0]
            ),
        );
    } else if found == wanted && hasher.finalize().to_hex().as_str() != record.outputs_digest {
        fault(
            place.to_owned(),
            format!("the {wanted} outputs of {batch} are not those that were decided: one was changed, or two were exchanged"),
        );
    }
}

#[cfg(test)]
mod tests;
