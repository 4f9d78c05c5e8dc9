//! One raw record that holds several events: a JSON array in any format, `{"Records": [...]}` as CloudTrail delivers it.
//!
//! The elements are cut out as raw slices (iteratively, so that depth costs no stack) and decoded one by one: a bad element costs
//! itself, and a list that breaks off in the middle gives the elements before it and one fault for the rest.

use super::{Fault, Format, Item, syntax_fault};
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess};
use serde_json::value::RawValue;
use std::fmt;

/// Calls `each` with every value in `raw`: `raw` itself unless it is a list.
pub fn each_value<'a>(format: Format, raw: &'a [u8], each: &mut dyn FnMut(Result<&'a [u8], Item<'a>>)) {
    let start = raw.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(raw.len());
    let rest = &raw[start..];
    match rest.first() {
        Some(b'[') => list(format, rest, each),
        Some(b'{') if matches!(format, Format::Auto | Format::CloudTrail) => match records(rest) {
            Some(inner) => list(Format::CloudTrail, inner, each),
            None => each(Ok(raw)),
        },
        _ => each(Ok(raw)),
    }
}

/// What stands behind `{"Records":`, if the record begins so.
fn records(raw: &[u8]) -> Option<&[u8]> {
    let rest = raw.strip_prefix(b"{")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"Records\"")?.trim_ascii_start();
    let rest = rest.strip_prefix(b":")?.trim_ascii_start();
    rest.starts_with(b"[").then_some(rest)
}

fn list<'a>(format: Format, raw: &'a [u8], each: &mut dyn FnMut(Result<&'a [u8], Item<'a>>)) {
    let mut count = 0u32;
    let mut parser = serde_json::Deserializer::from_slice(raw);
    let result = Elements { each: &mut *each, count: &mut count }.deserialize(&mut parser);
    match result {
        Err(error) => {
            let Fault { what, .. } = syntax_fault(raw, &error);
            each(Err(Item::fault(format!("[{count}]"), format!("the list breaks off here: {what}"))));
        }
        Ok(()) if count == 0 => each(Err(Item::ignored(format!("{format}:empty")))),
        Ok(()) => {}
    }
}

struct Elements<'e, 'a> {
    each: &'e mut dyn FnMut(Result<&'a [u8], Item<'a>>),
    count: &'e mut u32,
}

impl<'a> DeserializeSeed<'a> for Elements<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'a> de::Visitor<'a> for Elements<'_, 'a> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<&'a RawValue>()? {
            (self.each)(Ok(value.get().as_bytes()));
            *self.count += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(format: Format, raw: &str) -> Vec<String> {
        let mut out = Vec::new();
        each_value(format, raw.as_bytes(), &mut |value| {
            out.push(match value {
                Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Err(item) => format!("{item:?}"),
            });
        });
        out
    }

    #[test]
    fn lists_are_taken_apart() {
        assert_eq!(values(Format::Native, " [{\"a\":1} , {\"b\":[2]}]"), ["{\"a\":1}", "{\"b\":[2]}"]);
        assert_eq!(values(Format::CloudTrail, "{ \"Records\" : [{},{}]}"), ["{}", "{}"]);
        assert_eq!(values(Format::Native, "{\"Records\":[]}"), ["{\"Records\":[]}"]);
        assert!(values(Format::Auto, "{\"Records\":[]}")[0].contains("cloudtrail:empty"));
    }

    #[test]
    fn a_list_that_breaks_off_gives_what_came_before() {
        let found = values(Format::Native, "[{\"a\":1},{\"b\":");
        assert_eq!(found[0], "{\"a\":1}");
        assert!(found[1].contains("[1]") && found[1].contains("breaks off"), "{found:?}");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(values(Format::Native, &deep).len(), 1);
    }
}
