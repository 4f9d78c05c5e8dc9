//! What two runs over one log published, one against the other.
//!
//! The second run may have read more: ticks that the first one, or it itself, put at the end of the log. So the first one's outputs must
//! be the beginning of the second one's.

use super::decided::{Line, same_sequence};
use super::findings::Findings;
use super::log::{Log, read};
use super::verdict::Tally;
use portcullis::audit::head::HEAD_RECORD;
use portcullis_connectors::kafka::topics::Names;
use portcullis_connectors::kafka::{KafkaFault, Settings};
use portcullis_core::record::{Control, GateRecord};
use portcullis_schemas::decode_gate_record;
use std::collections::BTreeMap;

/// Everything that SCORE and GATE write, their journals apart.
pub struct Outputs {
    verdicts: Log,
    risk: Log,
    reputation: Log,
    proposals: Log,
}

impl Outputs {
    /// # Errors
    /// What Kafka says.
    pub fn read(settings: &Settings, names: &Names) -> Result<Outputs, KafkaFault> {
        Ok(Outputs {
            verdicts: read(settings, &names.verdicts)?,
            risk: read(settings, &names.risk)?,
            reputation: read(settings, &names.reputation)?,
            proposals: read(settings, &names.proposals)?,
        })
    }

    /// Requests and decisions: of each subject the same, in order.
    pub fn compare_gate(&self, again: &Outputs, findings: &mut Findings) {
        let of = |outputs: &Outputs| by_key(&outputs.verdicts, |line| line.kind != "verdict" && line.kind != HEAD_RECORD);
        compare("requests and decisions, again", &of(self), &of(again), findings);
    }

    /// Verdicts, levels and reputations, of each subject in order; proposals.
    pub fn compare_score(&self, again: &Outputs, findings: &mut Findings) {
        let of = |outputs: &Outputs| by_key(&outputs.verdicts, |line| line.kind == "verdict");
        compare("verdicts, again", &of(self), &of(again), findings);
        compare("levels, again", &by_key(&self.risk, |_| true), &by_key(&again.risk, |_| true), findings);
        compare("reputation, again", &by_key(&self.reputation, |_| true), &by_key(&again.reputation, |_| true), findings);
        let (first, second) = (proposals(&self.proposals), proposals(&again.proposals));
        for (line, times) in &first {
            if second.get(line).is_none_or(|again| again < times) {
                findings.add("proposals, again", || format!("lost {}", line.told()));
            }
        }
    }

    /// What was compared.
    pub fn tally(&self) -> Tally {
        let count = |kind: &str| self.verdicts.iter().flatten().filter(|record| record.header("type") == kind).count();
        Tally {
            verdicts: count("verdict"),
            requests: count("containment-request"),
            decisions: count("containment-decision"),
            proposals: proposals(&self.proposals).values().sum(),
            ..Tally::default()
        }
    }
}

/// The partition of a topic and the key of a subject.
type Place = (usize, Vec<u8>);

fn by_key(log: &Log, wanted: impl Fn(&Line) -> bool) -> BTreeMap<Place, Vec<Line>> {
    let mut keys: BTreeMap<Place, Vec<Line>> = BTreeMap::new();
    for (partition, record) in log.iter().enumerate().flat_map(|(partition, records)| records.iter().map(move |record| (partition, record)))
    {
        let line = Line::of(record);
        if wanted(&line) {
            keys.entry((partition, line.key.clone())).or_default().push(line);
        }
    }
    keys
}

fn compare(kind: &'static str, first: &BTreeMap<Place, Vec<Line>>, again: &BTreeMap<Place, Vec<Line>>, findings: &mut Findings) {
    for ((partition, key), lines) in first {
        let found = again.get(&(*partition, key.clone())).map_or(&[][..], Vec::as_slice);
        let place = format!("partition {partition}, key {}", key.escape_ascii());
        same_sequence(kind, &place, lines, &found[..lines.len().min(found.len())], findings);
    }
}

/// What SCORE wrote to the gate's log, and how often.
fn proposals(log: &Log) -> BTreeMap<Line, usize> {
    let mut lines = BTreeMap::new();
    for record in log.iter().flatten() {
        if let Ok(GateRecord::Proposal(_) | GateRecord::Control(Control::IncidentClosed(_) | Control::Sample(_))) =
            decode_gate_record(record.value())
        {
            *lines.entry(Line::of(record)).or_default() += 1;
        }
    }
    lines
}
