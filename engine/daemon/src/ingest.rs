//! INGEST: a raw record becomes events, each stamped with where it came from and what is known about it. Same code for files and Kafka.

use crate::inventory::Inventory;
use crate::reputation::Reputation;
use portcullis_connectors::enrich::Enricher;
use portcullis_connectors::formats::{self, Fault, Format, Input, Item};
use portcullis_core::event::{Event, EventType, Origin};
use portcullis_core::id::id;
use portcullis_core::text::Text;
use std::borrow::Cow;

/// What a raw record, or one of several in it, became.
#[allow(clippy::large_enum_variant)] // moved once into the caller's batch; a box each would cost more
pub enum Ingested<'a> {
    Event(Event<'a>),
    Ignored { kind: Cow<'a, str> },
    DeadLetter { index: u32, fault: Fault },
}

/// The state of one ingesting thread.
pub struct Ingest {
    enricher: Enricher,
    pub inventory: Inventory,
    /// Empty in the embedded mode, which stamps it when an event is judged.
    pub reputation: Reputation,
}

impl Ingest {
    pub fn new(enricher: Enricher) -> Ingest {
        Ingest { enricher, inventory: Inventory::default(), reputation: Reputation::default() }
    }

    /// Decodes a raw record and hands over what it holds, in order.
    pub fn record<'a>(&mut self, format: Format, raw: &'a [u8], input: &'a Input, origin: Origin<'a>, each: &mut dyn FnMut(Ingested<'a>)) {
        formats::decode(format, raw, input, &mut |index, item| each(self.ingested(index, item, &origin)));
    }

    /// Hands over an event of ours that was decoded already, as [`record`](Self::record) would have.
    pub fn event<'a>(&mut self, event: Event<'a>, input: &'a Input, origin: Origin<'a>, each: &mut dyn FnMut(Ingested<'a>)) {
        each(self.ingested(0, formats::of_event(event, input), &origin));
    }

    fn ingested<'a>(&mut self, index: u32, item: Item<'a>, origin: &Origin<'a>) -> Ingested<'a> {
        match item {
            Item::Event(mut event) => {
                self.stamp(&mut event, Origin { index: origin.index.saturating_add(index), ..origin.clone() });
                Ingested::Event(event)
            }
            Item::Ignored { kind } => Ingested::Ignored { kind },
            Item::Fault(fault) => Ingested::DeadLetter { index, fault },
        }
    }

    fn stamp<'a>(&mut self, event: &mut Event<'a>, origin: Origin<'a>) {
        if event.id.is_empty() {
            let place_and_time: [&[u8]; 6] = [
                origin.cluster.as_bytes(),
                origin.topic.as_bytes(),
                &origin.partition.to_le_bytes(),
                &origin.offset.to_le_bytes(),
                &origin.index.to_le_bytes(),
                // A topic that was made anew has other records in the same places.
                &event.time.0.to_le_bytes(),
            ];
            event.id = Text::from(id("e", &place_and_time));
        }
        event.origin = Some(origin);
        self.enricher.enrich(event);
        if event.kind == EventType::InventoryIdentity {
            self.inventory.learn(event);
        }
        if !self.inventory.is_empty() {
            self.inventory.stamp(event);
        }
        if !self.reputation.is_empty() {
            self.reputation.stamp(event);
        }
    }
}
