//! `custom`: any log of JSON objects, by a mapping in YAML that its input names. No code, one field of ours a line:
//!
//! ```yaml
//! time: { at: ts, as: seconds }                      # else RFC 3339; or `milliseconds`
//! type: { at: event.name, when: { login: auth.login, logout: auth.logout }, otherwise: ignore }
//! outcome: { at: result, when: { ok: success, denied: failure } }
//! identity.id: [user.id, user.name]                  # the first that says something
//! identity.class: { is: customer }                   # always
//! source.ip: peer
//! request.route: { at: url.path, as: route }         # `/v1/users/17` becomes `/v1/users/{id}`; or `lower`
//! ```
//!
//! A path is keys with dots between them, a list's element by its number; a key that holds dots itself is found as well. `when` translates
//! values, `otherwise` stands for all others. A `type` that is not translated is ignored and counted as `custom:VALUE`; `otherwise: ignore`
//! says so. Every field of the contract's event can be set but those of an inventory, an outcome or a label, which speak our own format:
//! see [`FIELDS`].
//!
//! The mapping is checked when it is read: fields that there are not, words that a field does not know, each with its line.

use super::fields;
use super::json::Json;
use super::{Fault, Input, Item, kind_of};
use portcullis_core::event::{Event, Stamp};
use portcullis_core::policy::yaml::{At, Document, Fault as MappingFault};
use portcullis_core::text::Text;
use portcullis_core::time::Time;
use serde::Deserialize;
use serde_json::Value;

/// Which field of ours stands where.
#[derive(Clone, PartialEq, Debug)]
pub struct Mapping {
    rules: Vec<(&'static str, Rule)>,
}

#[derive(Clone, PartialEq, Debug, Default)]
struct Rule {
    /// Paths, the first that says something counts.
    at: Vec<String>,
    reading: Reading,
    when: Vec<(String, String)>,
    otherwise: Option<String>,
    is: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Reading {
    #[default]
    AsItIs,
    Seconds,
    Milliseconds,
    Route,
    Lower,
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Text,
    Time,
    Number,
    Address,
    Country,
    Texts,
}

/// The fields that can be set.
#[rustfmt::skip]
const FIELDS: &[(&str, Shape)] = &[
    ("id", Shape::Text), ("time", Shape::Time), ("type", Shape::Text), ("outcome", Shape::Text), ("tenant", Shape::Text),
    ("identity.id", Shape::Text), ("identity.class", Shape::Text), ("identity.issuer", Shape::Text), ("identity.native_id", Shape::Text), ("identity.on_behalf_of", Shape::Text),
    ("provider.product", Shape::Text), ("provider.instance", Shape::Text),
    ("credential.id", Shape::Text), ("credential.kind", Shape::Text), ("credential.issued_at", Shape::Time), ("credential.expires_at", Shape::Time),
    ("credential.client_id", Shape::Text), ("credential.audience", Shape::Text), ("credential.parent", Shape::Text),
    ("session.id", Shape::Text), ("session.parent", Shape::Text),
    ("source.ip", Shape::Address), ("source.asn", Shape::Number), ("source.country", Shape::Country), ("source.lat", Shape::Number), ("source.lon", Shape::Number),
    ("source.radius_km", Shape::Number), ("source.network", Shape::Text), ("source.user_agent", Shape::Text), ("source.device_id", Shape::Text), ("source.ja4", Shape::Text),
    ("source.workload", Shape::Text), ("source.workload_proof", Shape::Text), ("source.posture", Shape::Text),
    ("auth.method", Shape::Text), ("auth.failure", Shape::Text), ("auth.acr", Shape::Text), ("auth.amr", Shape::Texts),
    ("request.method", Shape::Text), ("request.route", Shape::Text), ("request.status", Shape::Number), ("request.bytes", Shape::Number),
    ("request.object", Shape::Text), ("request.scope", Shape::Text), ("request.target", Shape::Text),
    ("checkout.order", Shape::Text), ("checkout.amount", Shape::Number), ("checkout.currency", Shape::Text), ("checkout.card", Shape::Text),
    ("checkout.card_country", Shape::Country), ("checkout.payee", Shape::Text), ("checkout.channel", Shape::Text), ("checkout.merchant", Shape::Text),
    ("checkout.result", Shape::Text), ("checkout.decline", Shape::Text),
    ("change.role", Shape::Text), ("change.scope", Shape::Text), ("change.secret", Shape::Text), ("change.target", Shape::Text), ("change.value", Shape::Text),
    ("agent.tool", Shape::Text), ("agent.model", Shape::Text), ("agent.delegation", Shape::Text), ("agent.task", Shape::Text), ("agent.parent", Shape::Text),
    ("privileged.account", Shape::Text), ("privileged.target", Shape::Text), ("privileged.ticket", Shape::Text), ("privileged.session", Shape::Text),
    ("risk.provider", Shape::Text), ("risk.name", Shape::Text), ("risk.level", Shape::Text),
];

/// The word in `otherwise` of a `type` that stands for "none of ours".
const IGNORE: &str = "ignore";

impl Mapping {
    /// Reads a mapping; `file` is the name that faults carry.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn parse(file: &str, text: &str) -> Result<Mapping, Vec<MappingFault>> {
        Document::parse(file, text).read(|root| {
            let map = root.map()?;
            let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            let mut rules = Vec::new();
            for (key, at) in map.entries() {
                match FIELDS.iter().find(|(name, _)| *name == key) {
                    Some((name, shape)) => rules.extend(rule(&at, name, *shape).map(|rule| (*name, rule))),
                    None => at.unknown_word(key, &names),
                }
            }
            for needed in ["time", "type", "identity.id"] {
                if !map.entries().iter().any(|(key, _)| *key == needed) {
                    root.fault_with(format!("does not say where `{needed}` stands"), "every event needs it");
                }
            }
            Some(Mapping { rules })
        })
    }

    /// Reads one record.
    fn decode(&self, json: &Json<'_>) -> Result<Item<'static>, Fault> {
        let (mut event, mut native_type) = (serde_json::Map::new(), None);
        for (name, rule) in &self.rules {
            let said = rule.said(json);
            let word = word_of(said);
            let value = match word.as_deref().and_then(|word| rule.when.iter().find(|(from, _)| from == word)) {
                Some((_, to)) => Some(Value::from(to.as_str())),
                None if *name == "type" && !rule.when.is_empty() && rule.otherwise.as_deref().is_none_or(|to| to == IGNORE) => {
                    return Ok(Item::ignored(kind_of("custom", word.as_ref())));
                }
                None => rule
                    .otherwise
                    .as_deref()
                    .filter(|_| !said.is_null())
                    .map(Value::from)
                    .or_else(|| rule.when.is_empty().then(|| rule.value(said, shape(name))).flatten()),
            };
            if *name == "type" {
                native_type = word.map(Text::into_static);
            }
            if let Some(value) = value.or_else(|| rule.is.as_deref().map(Value::from)) {
                put(&mut event, name, value);
            }
        }
        if !event.contains_key("time") {
            return Err(Fault::new(self.place_of("time"), "no time that the mapping's `as` reads"));
        }
        if event.get("identity").and_then(|identity| identity.get("id")).is_none() {
            return Err(Fault::new(self.place_of("identity.id"), "missing: the record names nobody who acted"));
        }
        let mut event =
            Event::deserialize(Value::Object(event)).map_err(|error| Fault::new("", format!("as the mapping has it: {error}")))?;
        event.stamp = native_type.map(|name| Stamp { native_type: Some(name), ..Stamp::default() });
        Ok(Item::Event(event))
    }

    fn place_of(&self, field: &str) -> String {
        self.rules.iter().find(|(name, _)| *name == field).and_then(|(_, rule)| rule.at.first().cloned()).unwrap_or_default()
    }
}

/// Reads one record, by the mapping of its input.
pub(super) fn decode<'a>(json: &Json<'a>, input: &'a Input) -> Result<Item<'a>, Fault> {
    match &input.mapping {
        Some(mapping) => mapping.decode(json),
        None => Err(Fault::new("", "not_configured: an input of format `custom` needs a mapping (`mapping: FILE`)")),
    }
}

fn shape(name: &str) -> Shape {
    FIELDS.iter().find(|(field, _)| *field == name).map_or(Shape::Text, |(_, shape)| *shape)
}

/// A text, a number or a truth value as a word.
fn word_of<'a>(said: &Json<'a>) -> Option<Text<'a>> {
    said.name().or_else(|| said.bool().map(|truth| Text::from(truth.to_string())))
}

impl Rule {
    fn said<'j, 'a>(&self, json: &'j Json<'a>) -> &'j Json<'a> {
        static NOTHING: Json<'static> = Json::Null;
        let found = self
            .at
            .iter()
            .map(|path| json.dotted(path))
            .find(|value| value.name().is_some() || !value.list().is_empty() || value.bool().is_some() || value.float().is_some());
        found.unwrap_or(&NOTHING)
    }

    fn value(&self, said: &Json<'_>, shape: Shape) -> Option<Value> {
        let text = |text: Text<'_>| {
            Value::from(match self.reading {
                Reading::Route => fields::route_template(&text),
                Reading::Lower => text.to_lowercase(),
                _ => text.0.into_owned(),
            })
        };
        match shape {
            Shape::Text => word_of(said).map(text),
            Shape::Time => self.time(said).map(|time| Value::from(time.0)),
            Shape::Number => said.int().map(Value::from).or_else(|| said.float().map(Value::from)),
            Shape::Address => fields::ip(said).map(text),
            Shape::Country => fields::country(said).map(text),
            Shape::Texts => match said.list() {
                [] => said.text().map(|one| Value::from(vec![text(one)])),
                list => Some(Value::from(list.iter().filter_map(Json::text).map(text).collect::<Vec<_>>())),
            },
        }
    }

    fn time(&self, said: &Json<'_>) -> Option<Time> {
        match self.reading {
            Reading::Seconds => said.seconds(),
            Reading::Milliseconds => said.millis(),
            _ => said.time(),
        }
    }
}

/// Sets `identity.id` in an object.
fn put(event: &mut serde_json::Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        Some((section, field)) => {
            let section = event.entry(section).or_insert_with(|| Value::Object(serde_json::Map::new()));
            if let Value::Object(section) = section {
                section.insert(field.to_owned(), value);
            }
        }
        None => _ = event.insert(name.to_owned(), value),
    }
}

/// One rule: a path, several paths, or a map that says more.
fn rule(at: &At<'_>, name: &str, shape: Shape) -> Option<Rule> {
    let paths = |at: &At<'_>| at.list_or_one().iter().filter_map(|path| path.text().map(str::to_owned)).collect::<Vec<_>>();
    if !at.is_map() {
        return Some(Rule { at: paths(at), ..Rule::default() });
    }
    let map = at.map()?;
    let reading = match map.get("as") {
        Some(reading) => {
            let known: &[(&str, Reading)] = match shape {
                Shape::Time => &[("seconds", Reading::Seconds), ("milliseconds", Reading::Milliseconds)],
                Shape::Text => &[("route", Reading::Route), ("lower", Reading::Lower)],
                _ => &[],
            };
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            reading.word(&words, |word| known.iter().find(|(name, _)| *name == word).map(|(_, reading)| *reading))?
        }
        None => Reading::AsItIs,
    };
    let mut when = Vec::new();
    if let Some(values) = map.get("when") {
        for (from, to) in values.map()?.entries() {
            if let Some(word) = to.text() {
                known_word(&to, name, word);
                when.push((from.to_owned(), word.to_owned()));
            }
        }
    }
    let constant = |key| {
        let at = map.get(key)?;
        let word = at.text()?;
        known_word(&at, name, word);
        Some(word.to_owned())
    };
    let rule = Rule {
        at: map.get("at").map(|at| paths(&at)).unwrap_or_default(),
        reading,
        when,
        otherwise: constant("otherwise"),
        is: constant("is"),
    };
    if rule.at.is_empty() && rule.is.is_none() {
        at.fault_with("says neither where it stands nor what it is", "write `at: PATH` or `is: VALUE`");
    }
    Some(rule)
}

/// Notes a word that the field does not know, by setting it in an event.
fn known_word(at: &At<'_>, name: &str, word: &str) {
    if name == "type" && word == IGNORE {
        return;
    }
    let mut event = serde_json::Map::new();
    for (field, value) in
        [("time", Value::from(1_760_000_000_000_i64)), ("type", Value::from("auth.login")), ("identity.id", Value::from("u"))]
    {
        put(&mut event, field, value);
    }
    put(&mut event, name, Value::from(word));
    if let Err(error) = Event::deserialize(Value::Object(event)) {
        at.fault(error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, testing};
    use super::*;
    use std::sync::Arc;

    const MAPPING: &str = "
time: { at: ts, as: seconds }
type: { at: event.name, when: { login: auth.login, pay: checkout.attempt } }
outcome: { at: result, when: { ok: success }, otherwise: failure }
identity.id: [user.id, user.mail]
identity.class: { is: customer }
source.ip: peer
source.country: geo.0
auth.amr: factors
request.route: { at: url.path, as: route }
request.status: status
checkout.amount: cents
";

    fn read(raw: &str) -> String {
        let mapping =
            Mapping::parse("m.yaml", MAPPING).map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let input = Input { mapping: Some(Arc::new(mapping)), ..Input::behaviour("shop", None) };
        testing::read(Format::Custom, raw, &input)
    }

    #[test]
    fn a_record_by_its_mapping() {
        let raw = r#"{"ts":1777629600.353,"event":{"name":"login"},"result":"nope","user":{"mail":"a@example.com"},"peer":"192.0.2.7:99","geo":["Switzerland"],"factors":["otp","pwd"],
            "url.path":"/v1/users/17","status":"401"}"#;
        assert_eq!(
            read(raw),
            concat!(
                r#"{"id":"","time":"2026-05-01T10:00:00.353Z","type":"auth.login","outcome":"failure","tenant":"default","#,
                r#""identity":{"id":"a@example.com","class":"customer"},"source":{"ip":"192.0.2.7","country":"CH"},"auth":{"amr":["otp","pwd"]},"#,
                r#""request":{"route":"/v1/users/{id}","status":401},"stamp":{"native_type":"login"}}"#
            )
        );
        assert!(
            read(r#"{"ts":1777629600,"event":{"name":"pay"},"result":"ok","user":{"id":7},"cents":1999}"#)
                .contains(r#""identity":{"id":"7","class":"customer"},"checkout":{"amount":1999}"#)
        );
    }

    #[test]
    fn what_is_not_mapped_is_counted_and_what_is_wrong_named() {
        assert_eq!(read(r#"{"ts":1777629600,"event":{"name":"heartbeat"}}"#), "custom:heartbeat");
        assert_eq!(read(r#"{"ts":"soon","event":{"name":"login"},"user":{"id":"u"}}"#), "ts: no time that the mapping's `as` reads");
        assert!(read(r#"{"ts":1777629600,"event":{"name":"login"}}"#).starts_with("user.id: missing"));
        assert!(testing::read(Format::Custom, "{}", &Input::operator("f")).starts_with("not_configured"));
    }

    #[test]
    fn a_wrong_mapping_is_told_with_its_lines() {
        let faults = Mapping::parse(
            "m.yaml",
            "time: ts\ntype: { at: e, when: { in: auth.logon } }\nidentity.id: { at: u, as: seconds }\nsource.adress: x\noutcome: {}\n",
        )
        .unwrap_err();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        for part in ["m.yaml:2:", "did you mean \"auth.login\"?", "m.yaml:3:", "m.yaml:4:", "m.yaml:5:", "neither where it stands"] {
            assert!(told.iter().any(|fault| fault.contains(part)), "{part}: {told:#?}");
        }
        assert!(Mapping::parse("m.yaml", "time: ts").unwrap_err().iter().any(|fault| fault.to_string().contains("`identity.id`")));
    }

    #[test]
    fn every_field_is_one_of_the_event() {
        for (name, shape) in FIELDS {
            let value = match shape {
                Shape::Time => Value::from(1_760_000_000_000_i64),
                Shape::Number => Value::from(1),
                Shape::Texts => Value::from(vec!["a"]),
                _ => Value::from("a"),
            };
            let mut event = serde_json::Map::new();
            put(&mut event, "time", Value::from(1_760_000_000_000_i64));
            put(&mut event, "type", Value::from("auth.login"));
            put(&mut event, "identity.id", Value::from("u"));
            put(&mut event, name, value);
            // Read and written again it is still there; a word that must be one of a list says so.
            match Event::deserialize(Value::Object(event)) {
                Ok(event) => {
                    let again = serde_json::to_value(&event).unwrap();
                    assert!(again.pointer(&format!("/{}", name.replace('.', "/"))).is_some(), "{name}");
                }
                Err(error) => assert!(error.to_string().contains("unknown") || error.to_string().contains("\"a\""), "{name}: {error}"),
            }
        }
    }
}
