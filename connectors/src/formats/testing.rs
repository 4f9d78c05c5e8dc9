//! What the examples of every format share: a record in, what became of it out.

use super::{Format, Input, Item, decode};
use portcullis_core::event::Event;

/// What a record gives, a line each: the event as JSON, the kind of what is ignored, the fault.
pub fn read(format: Format, raw: &str, input: &Input) -> String {
    let mut lines = Vec::new();
    decode(format, raw.as_bytes(), input, &mut |_, item| {
        lines.push(match item {
            Item::Event(event) => serde_json::to_string(&event).unwrap(),
            Item::Ignored { kind } => kind.into_owned(),
            Item::Fault(fault) => fault.to_string(),
        });
    });
    lines.join("\n")
}

/// Decodes a record that holds one event and hands it to `check`.
pub fn event(format: Format, raw: &str, input: &Input, check: impl FnOnce(Event)) {
    let mut items = Vec::new();
    decode(format, raw.as_bytes(), input, &mut |_, item| items.push(item));
    match (items.pop(), items.is_empty()) {
        (Some(Item::Event(event)), true) => check(event),
        other => panic!("{other:?}"),
    }
}
