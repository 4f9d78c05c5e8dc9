//! One raw record that holds several events: a JSON array in any format, and lists in an object around them:
//!
//! | begins with | list |
//! |---|---|
//! | `{"Records":` | CloudTrail's own |
//! | `{"records":` | what Azure's diagnostic settings send to Event Hubs |
//! | `{"kind":"EventList"`, `{"kind":"admin#reports#activities"` | the `items` of Kubernetes' audit webhook and of Google's Reports API |
//!
//! The elements are cut out as raw slices (iteratively, so that depth costs no stack) and decoded one by one: a bad element costs
//! itself, and a list that breaks off in the middle gives the elements before it and one fault for the rest.

use super::{Fault, Format, Item, syntax_fault};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess};
use serde_json::value::RawValue;
use std::fmt;

/// Calls `each` with every value in `raw`: `raw` itself unless it is a list.
pub fn each_value<'a>(format: Format, raw: &'a [u8], each: &mut dyn FnMut(Result<&'a [u8], Item<'a>>)) {
    let start = raw.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(raw.len());
    let rest = &raw[start..];
    match rest.first() {
        Some(b'[') => list(format, rest, each),
        Some(b'{') => match wrapped(format, rest) {
            Some((format, inner)) => list(format, inner, each),
            None => each(Ok(raw)),
        },
        _ => each(Ok(raw)),
    }
}

/// The list in an object that is nothing but its shell, and whose it is.
fn wrapped(format: Format, raw: &[u8]) -> Option<(Format, &[u8])> {
    let may_be = |formats: &[Format]| format == Format::Auto || formats.contains(&format);
    if may_be(&[Format::CloudTrail])
        && let Some(list) = behind_key(raw, b"\"Records\"").filter(|list| list.starts_with(b"["))
    {
        return Some((Format::CloudTrail, list));
    }
    if may_be(&[Format::EntraSignin, Format::EntraAudit, Format::AzureActivity])
        && let Some(list) = behind_key(raw, b"\"records\"").filter(|list| list.starts_with(b"["))
    {
        return Some((format, list));
    }
    let kind = behind_key(raw, b"\"kind\"")?;
    let of = [(Format::K8sAudit, b"\"EventList\"".as_slice()), (Format::GoogleWorkspace, b"\"admin#reports#activities\"")];
    let (format, _) = of.into_iter().find(|(of, name)| may_be(&[*of]) && kind.starts_with(name))?;
    items(raw).map(|list| (format, list))
}

/// What stands behind `{"key":`, if the record begins so.
fn behind_key<'a>(raw: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let rest = raw.strip_prefix(b"{")?.trim_ascii_start();
    let rest = rest.strip_prefix(key)?.trim_ascii_start();
    rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start)
}

fn items(raw: &[u8]) -> Option<&[u8]> {
    #[derive(Deserialize)]
    struct Items<'a> {
        #[serde(borrow)]
        items: &'a RawValue,
    }
    let Items { items } = serde_json::from_slice(raw).ok()?;
    items.get().starts_with('[').then(|| items.get().as_bytes())
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
        assert_eq!(values(Format::EntraAudit, "{\"records\":[{\"a\":1}]}"), ["{\"a\":1}"]);
        assert_eq!(values(Format::Auto, "{\"kind\":\"EventList\",\"items\":[{},{}]}"), ["{}", "{}"]);
        assert_eq!(values(Format::Auto, "{\"kind\":\"EventList\",\"items\":[{},"), ["{\"kind\":\"EventList\",\"items\":[{},"]);
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
