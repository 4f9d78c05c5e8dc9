//! `cloudevents`: the shell of CloudEvents 1.0 in its structured JSON form around a record of another format.
//!
//! | CloudEvents | read as |
//! |---|---|
//! | `data`, a JSON object | whatever format it is, ours included |
//! | `data`, JSON in a text; `data_base64` | the same, but for our own format |
//! | no data | ignored as `cloudevents:TYPE` |
//! | `id` | `id`, where the record has none |
//!
//! `source`, `type`, `subject` and `time` are the shell's and say nothing that the record within does not say better. In Kafka's binary
//! mode the shell is in the headers and the value is the record itself: name its format. A batch is a JSON list of these. A shell within a
//! shell is not opened.
//!
//! Source: CloudEvents 1.0.2, JSON event format and Kafka protocol binding.

use super::json::Json;
use super::{Fault, Input, Item, auto, kind_of, tree};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portcullis_core::text::Text;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The shell, with what is in it untouched.
#[derive(Deserialize)]
struct Shell<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data_base64: Option<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
}

/// Reads one record.
pub(super) fn decode<'a>(raw: &'a [u8], input: &'a Input) -> Result<Item<'a>, Fault> {
    let shell: Shell = serde_json::from_slice(raw).map_err(|error| super::syntax_fault(raw, &error))?;
    let item = match (&shell.data, &shell.data_base64) {
        (Some(data), _) if data.get().starts_with('{') => auto::within_shell(data.get().as_bytes(), input),
        (Some(data), _) if data.get().starts_with('"') => {
            let text: Json = serde_json::from_str(data.get()).map_err(|error| super::syntax_fault(data.get().as_bytes(), &error))?;
            of_bytes(text.str().as_bytes(), input)?
        }
        (_, Some(encoded)) => {
            let bytes =
                BASE64_STANDARD.decode(encoded.as_bytes()).map_err(|error| Fault::new("data_base64", format!("is no base64: {error}")))?;
            of_bytes(&bytes, input)?
        }
        _ => Item::ignored(kind_of("cloudevents", shell.kind.as_ref())),
    };
    Ok(named(item, shell.id))
}

/// A record that does not outlive its bytes.
fn of_bytes<'a>(bytes: &[u8], input: &'a Input) -> Result<Item<'a>, Fault> {
    let json = tree(bytes)?.into_static();
    Ok(auto::of_any(&json, input))
}

fn named<'a>(mut item: Item<'a>, id: Option<Text<'a>>) -> Item<'a> {
    if let (Item::Event(event), Some(id)) = (&mut item, id)
        && event.id.is_empty()
    {
        event.id = id;
    }
    item
}

#[cfg(test)]
mod tests {
    use super::super::{Format, testing};
    use super::*;

    const OURS: &str = r#"{"time":"2026-05-01T10:00:00Z","type":"auth.login","identity":{"id":"u"}}"#;
    const KEYCLOAK: &str = r#"{"time":1777629600353,"type":"LOGIN","realmId":"r","userId":"u-1"}"#;

    fn read(data: &str) -> String {
        let raw = format!(
            r#"{{"specversion":"1.0","id":"ce-1","source":"/idp","type":"com.example.login","time":"2026-05-01T10:00:01Z",{data}}}"#
        );
        testing::read(Format::Auto, &raw, &Input::behaviour("ce", None))
    }

    #[test]
    fn what_is_within_is_read() {
        assert!(read(&format!(r#""data":{OURS}"#)).starts_with(r#"{"id":"ce-1","time":"2026-05-01T10:00:00.000Z","type":"auth.login""#));
        let expected = read(&format!(r#""data":{KEYCLOAK}"#));
        assert!(expected.contains(r#""product":"keycloak""#), "{expected}");
        assert_eq!(read(&format!(r#""data":{}"#, serde_json::Value::from(KEYCLOAK))), expected);
        assert_eq!(read(&format!(r#""data_base64":"{}""#, BASE64_STANDARD.encode(KEYCLOAK))), expected);
    }

    #[test]
    fn what_is_not() {
        assert_eq!(read(r#""subject":"x""#), "cloudevents:com.example.login");
        assert!(read(r#""data":{"a":1}"#).contains("no known format"));
        assert!(read(r#""data_base64":"%""#).starts_with("data_base64: is no base64"));
        assert!(read(r#""data":"hello""#).contains("not JSON"));
        let shell = r#"{"specversion":"1.0","type":"t","data":{}}"#;
        for data in [shell.to_owned(), serde_json::Value::from(shell).to_string()] {
            assert!(read(&format!(r#""data":{data}"#)).contains("a shell within a shell"));
        }
        assert!(read(&format!(r#""data":{}"#, serde_json::Value::from(OURS))).contains("write it there as JSON"));
    }
}
