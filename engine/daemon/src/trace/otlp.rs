//! Spans as OTLP has them: `ExportTraceServiceRequest` of opentelemetry-proto 1.x, in Protocol Buffers' wire format.
//!
//! Written by hand: what spans of ours need are four types of fields of seven messages, and whose numbers never change. The crates that are made of
//! the whole of OpenTelemetry bring a code generator's runtime into the binary for it.

use super::spans::{Span, Word};
use crate::telemetry::Became;
use std::time::{SystemTime, UNIX_EPOCH};

const SCOPE: &str = "portcullis";
const SPAN_KIND_CONSUMER: u64 = 5;
const STATUS_ERROR: u64 = 2;
/// Of `Span.flags`: the two bits behind the eight of W3C say that it is known that the parent is of another process.
const PARENT_IS_REMOTE: u32 = 0x300;

/// What writes the spans: `service.name` and its kin.
pub type Resource = Vec<(&'static str, String)>;

/// The body of a `POST` to `/v1/traces`.
pub fn request(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let mut body = Message::default();
    body.message(1, |resource_spans| {
        resource_spans.message(1, |message| resource.iter().for_each(|(key, value)| message.attribute(1, key, |v| v.text(1, value))));
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.text(1, SCOPE);
                scope.text(2, env!("CARGO_PKG_VERSION"));
            });
            spans.iter().for_each(|span| scope_spans.message(2, |message| write(span, message)));
        });
    });
    body.0
}

fn write(span: &Span, out: &mut Message) {
    out.bytes(1, &span.trace);
    out.bytes(2, &span.id);
    if let Some(state) = &span.state {
        out.text(3, state);
    }
    out.bytes(4, &span.parent);
    out.text(5, &format!("portcullis {}", span.role));
    out.number(6, SPAN_KIND_CONSUMER);
    out.fixed64(7, nanos(span.began));
    out.fixed64(8, nanos(span.ended));
    // Semantic conventions for messaging.
    let operation = [("messaging.system", "kafka"), ("messaging.operation.type", "process"), ("messaging.operation.name", span.role)];
    for (key, value) in operation.into_iter().chain([("messaging.destination.name", &*span.topic)]) {
        out.attribute(9, key, |v| v.text(1, value));
    }
    out.attribute(9, "messaging.destination.partition.id", |v| v.text(1, &span.partition.to_string()));
    out.attribute(9, "messaging.kafka.offset", |v| v.number(3, span.offset as u64));
    let (mut actions, mut decisions) = (Vec::new(), Vec::new());
    for word in &span.words {
        match word {
            Word::Became(became) => {
                out.attribute(9, "portcullis.became", |v| v.text(1, became.name()));
                if *became == Became::DeadLetter {
                    out.attribute(9, "error.type", |v| v.text(1, became.name()));
                }
            }
            Word::Level(level) => out.attribute(9, "portcullis.level", |v| v.text(1, level.name())),
            Word::Decision(end) => decisions.push(end.name()),
            Word::Action(action) => actions.push(action.name()),
        }
    }
    for (key, words) in [("portcullis.actions", actions), ("portcullis.decisions", decisions)] {
        if !words.is_empty() {
            out.attribute(9, key, |v| v.message(5, |list| words.iter().for_each(|word| list.message(1, |value| value.text(1, word)))));
        }
    }
    if span.words.contains(&Word::Became(Became::DeadLetter)) {
        out.message(15, |status| status.number(3, STATUS_ERROR));
    }
    out.fixed32(16, u32::from(span.flags) | PARENT_IS_REMOTE);
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// A message of Protocol Buffers: each field its number, its wire type and its value.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    const VARINT: u64 = 0;
    const FIXED64: u64 = 1;
    const DELIMITED: u64 = 2;
    const FIXED32: u64 = 5;

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.tag(field, Self::VARINT);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u64, value: u64) {
        self.tag(field, Self::FIXED64);
        self.0.extend(value.to_le_bytes());
    }

    fn fixed32(&mut self, field: u64, value: u32) {
        self.tag(field, Self::FIXED32);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.tag(field, Self::DELIMITED);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn text(&mut self, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// A `KeyValue`; `write` fills its `AnyValue`.
    fn attribute(&mut self, field: u64, key: &str, write: impl FnOnce(&mut Message)) {
        self.message(field, |pair| {
            pair.text(1, key);
            pair.message(2, write);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::containment::Action;
    use portcullis_core::verdict::Level;
    use std::time::Duration;

    fn span() -> Span {
        let began = UNIX_EPOCH + Duration::from_millis(1_760_000_000_000);
        Span {
            trace: [0x4b; 16],
            id: [0x0a; 8],
            parent: [0x0b; 8],
            flags: 1,
            state: Some("a=b".to_owned()),
            role: "score",
            topic: "portcullis.events".into(),
            partition: 3,
            offset: 300,
            began,
            ended: began + Duration::from_millis(20),
            words: vec![
                Word::Became(Became::DeadLetter),
                Word::Level(Level::High),
                Word::Action(Action::StepUp),
                Word::Action(Action::TerminateSession),
            ],
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_published_messages() {
        let body = request(&vec![("service.name", "portcullis".to_owned())], &[span()]);
        let made = include_bytes!("../../tests/fixtures/otlp.bin");
        assert!(
            body == made,
            "{}\n{}\nof a new version: tests/fixtures/otlp.py {}",
            body.escape_ascii(),
            made.escape_ascii(),
            env!("CARGO_PKG_VERSION")
        );
    }
}
