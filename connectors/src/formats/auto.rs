//! `auto`: recognises the format record by record, by the names of its top-level fields.
//!
//! | format | has |
//! |---|---|
//! | cloudtrail | `eventSource` and `eventName` (any case: Athena writes `eventsource`), or `Records` |
//! | ocsf | `class_uid` |
//! | okta | `eventType` and one of `published`, `legacyEventType`, `displayMessage`, `actor` |
//! | native | `type`, or Avro single-object encoding |
//!
//! A record that begins with a field of ours is tried as native first, so that our own format costs nothing extra. What is none
//! of these is a fault that names the fields it has: we cannot say that a record which we do not understand is not about identities.

use super::json::Json;
use super::{Fault, Format, Input, Item, one, syntax_fault};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess};
use std::fmt;

/// Reads one record in whatever format it is.
pub fn decode<'a>(raw: &'a [u8], input: &'a Input) -> Item<'a> {
    if begins_like_native(raw)
        && let item @ Item::Event(_) = one(Format::Native, raw, input)
    {
        return item;
    }
    match recognise(raw) {
        Ok(format) => one(format, raw, input),
        Err(fault) => Item::Fault(fault),
    }
}

/// Our own writers begin with `id`, `time` or `type`; vendors hardly ever do.
fn begins_like_native(raw: &[u8]) -> bool {
    let Some(rest) = raw.trim_ascii_start().strip_prefix(b"{") else { return raw.starts_with(&super::native::AVRO) };
    let rest = rest.trim_ascii_start();
    [b"\"id\"".as_slice(), b"\"time\"", b"\"type\"", b"\"tenant\"", b"\"outcome\"", b"\"identity\""].iter().any(|key| rest.starts_with(key))
}

/// The format of a record, or why it is none.
pub fn recognise(raw: &[u8]) -> Result<Format, Fault> {
    let keys = match serde_json::from_slice::<Keys>(raw) {
        Ok(keys) => keys,
        Err(error) if error.is_data() => return Err(Fault::new("", "not a JSON object")),
        Err(error) => return Err(syntax_fault(raw, &error)),
    };
    if keys.class_uid {
        Ok(Format::Ocsf)
    } else if keys.event_name && (keys.event_source || keys.user_identity) {
        Ok(Format::CloudTrail)
    } else if keys.event_type && keys.okta {
        Ok(Format::Okta)
    } else if keys.kind {
        Ok(Format::Native)
    } else {
        Err(unknown(raw))
    }
}

/// Names the first few fields, for somebody to see what it is.
#[cold]
fn unknown(raw: &[u8]) -> Fault {
    let names: Vec<String> = match serde_json::from_slice::<Json>(raw) {
        Ok(Json::Object(fields)) => fields.iter().take(KEYS_NAMED_MAX).map(|(key, _)| key.chars().take(40).collect()).collect(),
        _ => Vec::new(),
    };
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Fault::new("", format!("no known format (native, okta, cloudtrail, ocsf); its fields: {names}"))
}

/// Which of the telling fields stand at the top.
#[derive(Default)]
struct Keys {
    class_uid: bool,
    event_name: bool,
    event_source: bool,
    event_type: bool,
    user_identity: bool,
    okta: bool,
    kind: bool,
}

const KEYS_NAMED_MAX: usize = 8;

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Keys;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Keys::default();
                while let Some(portcullis_core::text::Text(key)) = map.next_key()? {
                    map.next_value::<IgnoredAny>()?;
                    match &*key {
                        "class_uid" => keys.class_uid = true,
                        "type" => keys.kind = true,
                        "published" | "legacyEventType" | "displayMessage" | "actor" => keys.okta = true,
                        k if k.eq_ignore_ascii_case("eventName") => keys.event_name = true,
                        k if k.eq_ignore_ascii_case("eventSource") => keys.event_source = true,
                        k if k.eq_ignore_ascii_case("eventType") => keys.event_type = true,
                        k if k.eq_ignore_ascii_case("userIdentity") => keys.user_identity = true,
                        _ => {}
                    }
                }
                Ok(keys)
            }
        }
        d.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_known_by_its_fields() {
        for (format, raw) in [
            (Format::Native, r#"{"type":"auth.login","time":1}"#),
            (Format::Okta, r#"{"actor":{},"eventType":"user.session.start","outcome":{}}"#),
            (Format::CloudTrail, r#"{"eventVersion":"1.08","eventName":"A","eventSource":"b","eventType":"AwsApiCall"}"#),
            (Format::CloudTrail, r#"{"eventname":"A","eventsource":"b"}"#),
            (Format::Ocsf, r#"{"actor":{},"class_uid":3002,"time":1}"#),
        ] {
            assert_eq!(recognise(raw.as_bytes()), Ok(format), "{raw}");
        }
        let Err(fault) = recognise(br#"{"action":"git.push","actor":"x"}"#) else { panic!("recognised") };
        assert!(fault.what.contains("its fields: action, actor"), "{fault}");
        assert!(recognise(b"17").is_err());
    }
}
