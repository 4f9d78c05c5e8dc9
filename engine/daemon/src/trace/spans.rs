//! The spans of a batch: one for each record of a sampled trace, handed over when the transaction has committed. A batch that is done again makes
//! them anew, so that what was done is told once.

use super::context::Context;
use super::exporter::Handle;
use crate::telemetry::Became;
use portcullis_connectors::kafka::{Batch, RecordRef};
use portcullis_core::containment::{Action, DecisionEnd};
use portcullis_core::verdict::Level;
use std::sync::Arc;
use std::time::SystemTime;

/// Of one transaction; of what is beyond it the traces are passed on without a span.
const SPANS_MAX: usize = 4_096;

/// What a span says beside where its record stood: a word of the program. So the type keeps identities, addresses and devices out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// What INGEST made of a raw record.
    Became(Became),
    /// Of the verdict.
    Level(Level),
    /// Proposed, or decided on.
    Action(Action),
    Decision(DecisionEnd),
}

/// A record that a role has dealt with.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    pub trace: [u8; 16],
    pub id: [u8; 8],
    pub parent: [u8; 8],
    pub flags: u8,
    pub state: Option<String>,
    pub role: &'static str,
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    pub began: SystemTime,
    pub ended: SystemTime,
    pub words: Vec<Word>,
}

/// What the outputs of a record carry on, and the span that they are of, if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Carried<'r> {
    pub context: Context<'r>,
    span: Option<usize>,
}

/// The spans of a worker's open batch.
pub struct Spans {
    role: &'static str,
    handle: Handle,
    began: SystemTime,
    open: Vec<Span>,
}

impl Spans {
    pub fn new(role: &'static str, handle: Handle) -> Spans {
        Spans { role, handle, began: SystemTime::now(), open: Vec::new() }
    }

    /// What a record's outputs carry on; `None` for most.
    pub fn take_up<'r>(&mut self, topic: &Arc<str>, record: RecordRef<'r>) -> Option<Carried<'r>> {
        let context = Context::of(record)?;
        if !(self.handle.wants_spans() && context.is_sampled()) || self.open.len() >= SPANS_MAX {
            return Some(Carried { context, span: None });
        }
        let mut id = [0; 8];
        // Without randomness, or with zeros of it, there is no span.
        if getrandom::fill(&mut id).is_err() || id == [0; 8] {
            return Some(Carried { context, span: None });
        }
        if self.open.is_empty() {
            self.began = SystemTime::now();
        }
        self.open.push(Span {
            trace: context.trace,
            id,
            parent: context.span,
            flags: context.flags,
            state: context.state.map(str::to_owned),
            role: self.role,
            topic: Arc::clone(topic),
            partition: record.partition,
            offset: record.offset,
            began: self.began,
            ended: self.began,
            words: Vec::new(),
        });
        Some(Carried { context: context.within(id), span: Some(self.open.len() - 1) })
    }

    /// Adds to the span of a record.
    pub fn say(&mut self, carried: Option<&Carried<'_>>, word: Word) {
        let span = carried.and_then(|c| c.span).and_then(|number| self.open.get_mut(number));
        if let Some(span) = span.filter(|span| !span.words.contains(&word)) {
            span.words.push(word);
        }
    }

    /// The batch is published.
    pub fn commit(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let ended = SystemTime::now();
        for mut span in self.open.drain(..) {
            span.ended = ended;
            self.handle.hand_over(span);
        }
    }

    /// The batch is not published.
    pub fn abort(&mut self) {
        self.open.clear();
    }
}

/// What the records of a batch carry, where they carry anything.
pub struct Trail<'b>(Vec<(i32, i64, Carried<'b>)>);

impl<'b> Trail<'b> {
    /// Of a batch of one topic. `each` sees the records that carry something.
    pub fn of(batch: &'b Batch, spans: &mut Spans, mut each: impl FnMut(RecordRef<'b>, Carried<'b>)) -> Trail<'b> {
        let mut trail = Vec::new();
        for records in batch.partitions() {
            for record in records.records() {
                if let Some(carried) = spans.take_up(&records.at().topic, record) {
                    each(record, carried);
                    trail.push((record.partition, record.offset, carried));
                }
            }
        }
        Trail(trail)
    }

    pub fn at(&self, partition: i32, offset: i64) -> Option<Carried<'b>> {
        let found = self.0.binary_search_by_key(&(partition, offset), |(partition, offset, _)| (*partition, *offset));
        found.ok().map(|number| self.0[number].2)
    }
}
