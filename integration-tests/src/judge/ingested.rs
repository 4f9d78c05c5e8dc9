//! INGEST before the judge: `events` and the dead letters hold exactly the records that the decoders give for the raw topic, each once.
//!
//! What INGEST knew of inventory and reputation when it stamped an event depends on when it read them, and the log is the truth about
//! that. So an event is compared without the stamp, and its identity may be the one in the raw record or the one that the inventory knows
//! it by. Which records of `events` it must have become follows from the event as it stands there.

use super::findings::Findings;
use super::log::{Log, Record};
use portcullis::ingest::{Ingest, Ingested};
use portcullis_connectors::enrich::{Enricher, GeoSettings};
use portcullis_connectors::formats::{Format, Input};
use portcullis_connectors::kafka::partition_of;
use portcullis_core::event::{Event, EventType, Identity, Origin};
use portcullis_core::fanout::subjects;
use portcullis_core::record::{EventRecord, GateRecord};
use portcullis_core::subject::{Kind, SubjectRef};
use portcullis_core::text::Text;
use portcullis_schemas::{decode_event, decode_event_record, decode_gate_record};
use std::collections::BTreeMap;

/// What INGEST read and wrote.
pub struct Hop<'h> {
    pub cluster: &'h str,
    pub input: &'h Input,
    /// The raw topic, and its predecessors of the same name.
    pub raw: &'h [&'h Log],
    pub events: &'h Log,
    pub dead_letters: &'h Log,
    pub inventory: &'h Log,
    pub proposals: &'h Log,
}

/// Partition, offset and index in the raw topic.
type Coordinates = (i32, i64, u32);

/// What was counted.
#[derive(Default, Debug)]
pub struct Tally {
    pub raw: usize,
    pub events: usize,
    pub dead_letters: usize,
}

struct Expected<'e> {
    event: Event<'e>,
    /// Of which of the raw topics.
    life: usize,
    /// Keys of the records that it became.
    found: Vec<&'e [u8]>,
    in_inventory: usize,
    in_proposals: usize,
}

struct Letter<'e> {
    record: &'e Record,
    index: u32,
    path: String,
    what: String,
    found: usize,
}

/// # Errors
/// When the enricher cannot be opened.
pub fn judge(hop: &Hop<'_>, findings: &mut Findings) -> anyhow::Result<Tally> {
    let mut ingest = Ingest::new(Enricher::open(&GeoSettings::default())?);
    let mut expected: BTreeMap<Coordinates, Vec<Expected<'_>>> = BTreeMap::new();
    let mut letters: BTreeMap<(i32, i64), Vec<Letter<'_>>> = BTreeMap::new();
    let mut tally = Tally::default();
    let raw =
        hop.raw.iter().enumerate().flat_map(|(life, log)| by_partition(log).map(move |(partition, record)| (life, partition, record)));
    for (life, partition, record) in raw {
        tally.raw += 1;
        let origin = Origin {
            cluster: Text::borrowed(hop.cluster),
            topic: Text::borrowed(&hop.input.name),
            partition,
            offset: record.offset,
            index: 0,
        };
        ingest.record(Format::Native, record.value(), hop.input, origin, &mut |item| match item {
            Ingested::Event(event) => {
                let index = event.origin.as_ref().map_or(0, |origin| origin.index);
                let expected = expected.entry((partition, record.offset, index)).or_default();
                expected.push(Expected { event, life, found: Vec::new(), in_inventory: 0, in_proposals: 0 });
            }
            Ingested::DeadLetter { index, fault } => {
                let letters = letters.entry((partition, record.offset)).or_default();
                letters.push(Letter { record, index, path: fault.path.clone(), what: fault.what.clone(), found: 0 });
            }
            Ingested::Ignored { .. } => {}
        });
        ingest.inventory = Default::default();
    }
    let canonical = canonical_names(expected.values().flatten().map(|e| &e.event));
    let partitions = hop.events.len() as i32;

    let mut last: BTreeMap<(&[u8], i32), (usize, i64, u32)> = BTreeMap::new();
    for (partition, record) in by_partition(hop.events) {
        let at = || format!("events[{partition}] offset {}", record.offset);
        let event = match decode_event_record(record.value()) {
            Ok(EventRecord::Event(event)) => event,
            Ok(EventRecord::Control(_)) => continue,
            Err(error) => {
                findings.add("events: unreadable", || format!("{}: {error}", at()));
                continue;
            }
        };
        tally.events += 1;
        let Some((from, found)) = find(&mut expected, &event, &canonical) else {
            findings.add("events: of no raw record", || format!("{}: {event:?}", at()));
            continue;
        };
        if partition_of(record.key(), partitions) != partition {
            findings.add("events: in the wrong partition", at);
        }
        found.found.push(record.key());
        let now = (found.life, from.1, from.2);
        let before = last.insert((record.key(), from.0), now);
        if before.is_some_and(|before| before >= now) {
            findings.add("events: out of order", || format!("{}: {from:?} after {before:?}", at()));
        }
        // By what it became, not by what it was: only the log knows which name it got.
        found.event.identity = event.identity.as_ref().map(own);
    }
    for (_, record) in by_partition(hop.inventory) {
        match decode_event(record.value())
            .ok()
            .and_then(|event| find(&mut expected, &event, &canonical).map(|(_, found)| found.in_inventory += 1))
        {
            Some(()) => {}
            None => findings.add("inventory: of no raw record", || format!("offset {}", record.offset)),
        }
    }
    for (_, record) in by_partition(hop.proposals) {
        if let Ok(GateRecord::Event(event)) = decode_gate_record(record.value()) {
            match find(&mut expected, &event, &canonical) {
                Some((_, found)) => found.in_proposals += 1,
                None => findings.add("proposals: an event of no raw record", || format!("offset {}", record.offset)),
            }
        }
    }
    for (from, expected) in expected.iter_mut().flat_map(|(from, list)| list.iter_mut().map(move |e| (from, e))) {
        expected.check(*from, findings);
    }
    for (partition, record) in by_partition(hop.dead_letters) {
        tally.dead_letters += 1;
        if !take_letter(&mut letters, record) {
            findings.add("dead letters: of no faulty record", || format!("dead letters[{partition}] offset {}", record.offset));
        }
    }
    for (from, letter) in letters.iter().flat_map(|(from, list)| list.iter().map(move |letter| (from, letter))) {
        match letter.found {
            0 => findings.add("dead letters: lost", || format!("{from:?} index {}: {}", letter.index, letter.what)),
            1 => {}
            times => findings.add("dead letters: doubled", || format!("{from:?} index {}: {times} times", letter.index)),
        }
    }
    Ok(tally)
}

fn by_partition(log: &Log) -> impl Iterator<Item = (i32, &Record)> {
    log.iter().enumerate().flat_map(|(partition, records)| records.iter().map(move |record| (partition as i32, record)))
}

/// Canonical names by alias, as any inventory record of the raw topic has them.
fn canonical_names<'e>(events: impl Iterator<Item = &'e Event<'e>>) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events {
        if let (EventType::InventoryIdentity, Some(identity), Some(inventory)) = (event.kind, &event.identity, &event.inventory) {
            for alias in &inventory.aliases {
                names.entry(alias.as_str().to_owned()).or_default().push(identity.id.as_str().to_owned());
            }
        }
    }
    names
}

/// A copy that borrows nothing of the log's record.
fn own(identity: &Identity<'_>) -> Identity<'static> {
    let owned = |text: &Text<'_>| Text::from(text.as_str().to_owned());
    Identity {
        id: owned(&identity.id),
        class: identity.class,
        issuer: identity.issuer.as_ref().map(owned),
        native_id: identity.native_id.as_ref().map(owned),
        on_behalf_of: identity.on_behalf_of.as_ref().map(owned),
    }
}

/// The expectation that an event of the log fulfils, and where it came from.
fn find<'m, 'e>(
    expected: &'m mut BTreeMap<Coordinates, Vec<Expected<'e>>>,
    event: &Event<'_>,
    canonical: &BTreeMap<String, Vec<String>>,
) -> Option<(Coordinates, &'m mut Expected<'e>)> {
    let origin = event.origin.as_ref()?;
    let from = (origin.partition, origin.offset, origin.index);
    let found = expected.get_mut(&from)?.iter_mut().find(|expected| is_same(&expected.event, event, canonical))?;
    Some((from, found))
}

/// Whether `now` is what became of `then`.
fn is_same(then: &Event<'_>, now: &Event<'_>, canonical: &BTreeMap<String, Vec<String>>) -> bool {
    let identity_fits = match (&then.identity, &now.identity) {
        (Some(then), Some(now)) => {
            let is_canonical = canonical.get(then.id.as_str()).is_some_and(|names| names.iter().any(|name| name == now.id.as_str()));
            now.id == then.id || is_canonical && now.native_id.as_ref() == Some(then.native_id.as_ref().unwrap_or(&then.id))
        }
        (None, None) => true,
        _ => false,
    };
    let mut now = without_tables(now);
    now.identity.clone_from(&then.identity);
    let then = without_tables(then);
    identity_fits && then == now
}

/// The event without the marks of what INGEST had read of its tables.
fn without_tables<'e>(event: &Event<'e>) -> Event<'e> {
    let mut event = event.clone();
    if let Some(stamp) = &mut event.stamp {
        (stamp.inventoried, stamp.reputation) = (false, None);
    }
    event.stamp = event.stamp.filter(|stamp| *stamp != Default::default());
    event
}

impl Expected<'_> {
    /// Each of its records once, wherever it was to go.
    fn check(&mut self, from: Coordinates, findings: &mut Findings) {
        let mut wanted = Vec::new();
        subjects(&self.event, &mut |kind, id| wanted.push((kind, SubjectRef { kind, tenant: &self.event.tenant, id }.key())));
        let in_inventory =
            wanted.iter().filter(|(kind, _)| (self.event.kind, *kind) == (EventType::InventoryIdentity, Kind::Identity)).count();
        let in_proposals = usize::from(matches!(self.event.kind, EventType::ContainmentOutcome | EventType::FeedbackLabel));
        let mut wanted: Vec<&[u8]> = wanted.iter().map(|(_, key)| key.as_slice()).collect();
        wanted.sort_unstable();
        self.found.sort_unstable();
        let told = |keys: &[&[u8]]| keys.iter().map(|key| key.escape_ascii().to_string()).collect::<Vec<_>>().join(", ");
        if wanted != self.found {
            let kind = if self.found.len() < wanted.len() { "events: lost" } else { "events: doubled" };
            findings.add(kind, || format!("{from:?} gives [{}], there are [{}]", told(&wanted), told(&self.found)));
        }
        if self.in_inventory != in_inventory || self.in_proposals != in_proposals {
            findings.add("control events: lost or doubled", || {
                format!(
                    "{from:?}: {} of {in_inventory} in the inventory, {} of {in_proposals} in the proposals",
                    self.in_inventory, self.in_proposals
                )
            });
        }
    }
}

fn take_letter(letters: &mut BTreeMap<(i32, i64), Vec<Letter<'_>>>, record: &Record) -> bool {
    let header = |name: &str| record.header(&format!("__portcullis.errors.{name}"));
    let (Ok(partition), Ok(offset)) = (header("partition").parse(), header("offset").parse()) else { return false };
    let found = letters.get_mut(&(partition, offset)).and_then(|list| {
        list.iter_mut().find(|letter| {
            letter.index.to_string() == header("index")
                && letter.path == header("exception")
                && letter.what == header("message")
                && (&letter.record.key, &letter.record.value) == (&record.key, &record.value)
        })
    });
    found.map(|letter| letter.found += 1).is_some()
}
