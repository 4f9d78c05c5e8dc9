//! A borrowed JSON tree: vendor logs are read through it, because their optional fields change shape from version to version
//! (`"resources": ""` one day, a list the next) and a wrong shape must cost that field alone, never the record.
//!
//! Strings borrow from the record wherever it holds them unescaped. Depth is bounded by serde_json (128 levels).

use portcullis_core::text::Text;
use portcullis_core::time::Time;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};
use std::borrow::Cow;
use std::fmt;

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    /// In the order written. The first of equal keys counts.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

static NULL: Json<'static> = Json::Null;

impl<'a> Json<'a> {
    /// The value of a key, by its exact name or else in any case of ASCII letters (Athena writes `eventname`), or the element of a list by
    /// its number; `Null` where absent.
    pub fn get(&self, key: &str) -> &Json<'a> {
        let fields = match self {
            Json::Object(fields) => fields,
            Json::List(list) => return key.parse().ok().and_then(|index: usize| list.get(index)).unwrap_or(&NULL),
            _ => return &NULL,
        };
        let exact = fields.iter().find(|(k, _)| k == key);
        exact.or_else(|| fields.iter().find(|(k, _)| k.eq_ignore_ascii_case(key))).map_or(&NULL, |(_, v)| v)
    }

    /// `at(path)`, or the value of a key that holds the dots itself: many shippers write either.
    pub fn dotted(&self, path: &str) -> &Json<'a> {
        let flat = self.get(path);
        if flat.is_null() { self.at(path) } else { flat }
    }

    /// `at("actor.user.uid")`: a key a step, `Null` where the way ends.
    pub fn at(&self, path: &str) -> &Json<'a> {
        path.split('.').fold(self, |json, key| json.get(key))
    }

    /// The text, if there is one that says something: vendors write `""`, `"-"`, `"null"` and `"unknown"` for "we do not know".
    pub fn text(&self) -> Option<Text<'a>> {
        match self {
            Json::Text(t) if !matches!(t.trim(), "" | "-" | "null" | "unknown" | "''") => Some(Text(t.clone())),
            _ => None,
        }
    }

    /// The text, or a whole number as text (ids are written as either).
    pub fn name(&self) -> Option<Text<'a>> {
        match self {
            Json::Int(number) => Some(Text::from(number.to_string())),
            _ => self.text(),
        }
    }

    pub fn str(&self) -> &str {
        match self {
            Json::Text(t) => t,
            _ => "",
        }
    }

    /// A whole number, also one that was written as text.
    pub fn int(&self) -> Option<i64> {
        match self {
            Json::Int(n) => Some(*n),
            Json::Float(f) if f.fract() == 0.0 && f.abs() < 9e15 => Some(*f as i64),
            Json::Text(t) => t.trim().parse().ok(),
            _ => None,
        }
    }

    pub fn float(&self) -> Option<f64> {
        match self {
            Json::Int(n) => Some(*n as f64),
            Json::Float(f) => Some(*f),
            Json::Text(t) => t.trim().parse().ok().filter(|f: &f64| f.is_finite()),
            _ => None,
        }
    }

    /// A truth value, also one that was written as text in any case (`"true"`, `"Yes"`).
    pub fn bool(&self) -> Option<bool> {
        match self {
            Json::Bool(b) => Some(*b),
            Json::Text(t) if t.eq_ignore_ascii_case("true") || t.eq_ignore_ascii_case("yes") => Some(true),
            Json::Text(t) if t.eq_ignore_ascii_case("false") || t.eq_ignore_ascii_case("no") => Some(false),
            _ => None,
        }
    }

    /// The elements of a list; nothing for anything else.
    pub fn list(&self) -> &[Json<'a>] {
        match self {
            Json::List(list) => list,
            _ => &[],
        }
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Json::Object(_))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    /// A time: RFC 3339, or date and time without a zone, which is UTC (that is how Athena and Panther write the same log).
    pub fn time(&self) -> Option<Time> {
        match self {
            Json::Text(t) => parse_time(t),
            _ => None,
        }
    }

    /// A time in seconds since 1970, whole or broken.
    pub fn seconds(&self) -> Option<Time> {
        self.float().map(|seconds| Time((seconds * 1_000.0).round() as i64))
    }

    /// A time in milliseconds since 1970.
    pub fn millis(&self) -> Option<Time> {
        self.int().map(Time)
    }

    /// JSON within a string, as OCSF keeps a request's body. `Null` when it is none.
    pub fn nested(&self) -> Json<'static> {
        match self {
            Json::Text(t) => serde_json::from_str::<Json>(t).map_or(Json::Null, Json::into_static),
            _ => Json::Null,
        }
    }

    pub fn into_static(self) -> Json<'static> {
        match self {
            Json::Null => Json::Null,
            Json::Bool(b) => Json::Bool(b),
            Json::Int(n) => Json::Int(n),
            Json::Float(f) => Json::Float(f),
            Json::Text(t) => Json::Text(Cow::Owned(t.into_owned())),
            Json::List(l) => Json::List(l.into_iter().map(Json::into_static).collect()),
            Json::Object(o) => Json::Object(o.into_iter().map(|(k, v)| (Cow::Owned(k.into_owned()), v.into_static())).collect()),
        }
    }
}

/// See [`Json::time`].
pub fn parse_time(text: &str) -> Option<Time> {
    let text = text.trim();
    if let Some(time) = Time::parse(text) {
        return Some(time);
    }
    // `2022-06-22 18:18:29.015`: no zone.
    let is_date_time = text.len() >= 19 && text.len() <= 32 && text.is_ascii() && matches!(text.as_bytes()[10], b' ' | b'T');
    if is_date_time { Time::parse(&format!("{text}Z")) } else { None }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Json<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Json::Int(v))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(v).map_or(Json::Float(v as f64), Json::Int))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Json::Float(v))
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(v)))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(v.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((Text(key), value)) = map.next_entry::<Text<'de>, Json<'de>>()? {
            fields.push((key, value));
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_borrows_and_forgives() {
        let json: Json = serde_json::from_str(r#"{"a":{"B":"x"},"n":"17","s":"uns\u0065t","none":"-","ok":"Yes"}"#).unwrap();
        assert!(matches!(json.at("a.b").text(), Some(Text(Cow::Borrowed("x")))));
        assert_eq!(json.get("n").int(), Some(17));
        assert_eq!(json.get("s").text().as_deref(), Some("unset"));
        assert_eq!(json.get("none").text(), None);
        assert_eq!(json.get("ok").bool(), Some(true));
        assert!(json.at("a.b.c.d").is_null());
        let json: Json = serde_json::from_str(r#"{"a.b":1,"l":[{"x":2}]}"#).unwrap();
        assert_eq!((json.dotted("a.b").int(), json.dotted("l.0.x").int(), json.at("l.1.x").int()), (Some(1), Some(2), None));
    }

    #[test]
    fn times_without_a_zone_are_utc() {
        for text in
            ["2022-06-22T18:18:29.015Z", "2022-06-22 18:18:29.015", "2022-06-22 18:18:29.015000000", "2022-06-22T20:18:29.015+02:00"]
        {
            assert_eq!(parse_time(text).map(|t| t.to_string()).as_deref(), Some("2022-06-22T18:18:29.015Z"), "{text}");
        }
        assert_eq!(parse_time("2022-06-22"), None);
        assert_eq!(parse_time("yesterday afternoon"), None);
    }
}
