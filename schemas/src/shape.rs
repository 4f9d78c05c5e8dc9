//! Objects must be objects.
//!
//! serde's derived readers take an array for a struct, its items being the fields in order. For a format whose fields have names that is
//! a wrong type, so records that hold any array at all are looked over once more, by type only.

use crate::validate::Fault;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer};
use std::fmt;
use std::marker::PhantomData;

/// What messages say was expected.
pub(crate) const EXPECTED: &str = "an object";

/// An object, never an array.
struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|_| Object(PhantomData))
            }
        }
        d.deserialize_map(Fields(PhantomData))
    }
}

/// An object with whatever in it.
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Skip;
        impl<'de> Visitor<'de> for Skip {
            type Value = Anything;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Anything, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Anything)
            }
        }
        d.deserialize_map(Skip)
    }
}

macro_rules! shape {
    ($name:ident { $($field:ident : $type:ty),+ $(,)? }) => {
        #[derive(serde::Deserialize)]
        #[serde(default)]
        #[allow(dead_code)]
        struct $name { $($field: $type),+ }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: Default::default()),+ }
            }
        }
    };
}

type Section<T = Anything> = Option<Object<T>>;

shape! { EventShape {
    identity: Section, provider: Section, credential: Section, session: Section, source: Section, auth: Section, request: Section,
    checkout: Section, change: Section, agent: Section, privileged: Section, risk: Section, inventory: Section<InventoryShape>,
    containment: Section<SubjectShape>, feedback: Section<SubjectShape>, origin: Section, stamp: Section,
} }
shape! { InventoryShape { expected: Section, delegated_by: Vec<Object<Anything>> } }
shape! { SubjectShape { subject: Section, target: Section } }

/// Whether every object of a native event that was read is one.
pub(crate) fn check(text: &str) -> Result<(), Fault> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize::<_, Object<EventShape>>(&mut deserializer).map(|_| ()).map_err(|error| locate(&error))
}

/// Longest part of a parser's message that is kept: it may quote the value.
const MESSAGE_BYTES_MAX: usize = 300;

/// The fault that a parser's error stands for.
pub(crate) fn locate(error: &serde_path_to_error::Error<serde_json::Error>) -> Fault {
    // The last segment is unknown where the parser stopped between two fields.
    let path = error.path().to_string();
    let mut path = path.trim_end_matches(['.', '?']).to_owned();
    let mut what = error.inner().to_string();
    // The parser names a missing field in its message and the object in its path.
    if let Some(field) = what.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
        what = "is required".to_owned();
    }
    if what.len() > MESSAGE_BYTES_MAX {
        what.truncate(what.floor_char_boundary(MESSAGE_BYTES_MAX));
        what.push('…');
    }
    Fault { path, what }
}
