//! Enumerations whose values have a name on the wire: one list gives the type, its names, JSON and the message for an unknown one.

/// The name in `known` that `word` was most likely meant to be, if any is close.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(word, k), k))
        .filter(|(distance, k)| *distance <= 2.max(k.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// `named_enum! { /// doc  pub enum Outcome { Success = "success", ... } }`
///
/// Gives `ALL` in the order written (which is the order of the Avro symbols), `name()`, `from_name()`, serde and `FromStr` by name.
#[macro_export]
macro_rules! named_enum {
    ($(#[$meta:meta])* pub enum $type:ident { $($(#[$vmeta:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $type { $($(#[$vmeta])* #[doc = concat!("`", $name, "`")] $variant),+ }

        impl $type {
            /// Every value, in the order of the Avro symbols.
            pub const ALL: &[$type] = &[$($type::$variant),+];
            /// Every name, in the same order.
            pub const NAMES: &[&str] = &[$($name),+];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }

            /// The value of that name.
            pub fn from_name(name: &str) -> Option<$type> {
                match name { $($name => Some($type::$variant),)+ _ => None }
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(name: &str) -> Result<$type, String> {
                $type::from_name(name).ok_or_else(|| match $crate::named::nearest(name, $type::NAMES.iter().copied()) {
                    Some(near) => format!("unknown value {name:?}, did you mean {near:?}?"),
                    None => format!("unknown value {name:?}, known are {}", $type::NAMES.join(", ")),
                })
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.serialize_str(self.name()) } else { s.serialize_u8(*self as u8) }
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(f, "one of {}", $type::NAMES.join(", "))
                    }
                    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<$type, E> {
                        v.parse().map_err(E::custom)
                    }
                    // A self-describing format (CBOR) does not say how wide the number was; the narrower ones end here too.
                    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<$type, E> {
                        usize::try_from(v).ok().and_then(|v| $type::ALL.get(v)).copied().ok_or_else(|| E::custom(format_args!("unknown value number {v}")))
                    }
                }
                if d.is_human_readable() { d.deserialize_str(Visitor) } else { d.deserialize_u8(Visitor) }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    crate::named_enum! {
        /// An example.
        pub enum Colour { Red = "red", Green = "green" }
    }

    #[test]
    fn names_read_back_and_unknown_ones_are_explained() {
        for colour in Colour::ALL {
            assert_eq!(Colour::from_name(colour.name()), Some(*colour));
            assert_eq!(serde_json::from_str::<Colour>(&serde_json::to_string(colour).unwrap()).unwrap(), *colour);
            assert_eq!(postcard::from_bytes::<Colour>(&postcard::to_stdvec(colour).unwrap()).unwrap(), *colour);
            let mut cbor = Vec::new();
            ciborium::into_writer(colour, &mut cbor).unwrap();
            assert_eq!(ciborium::from_reader::<Colour, _>(&cbor[..]).unwrap(), *colour);
        }
        let error = serde_json::from_str::<Colour>("\"gren\"").unwrap_err().to_string();
        assert!(error.contains("did you mean \"green\"?"), "{error}");
        let error = serde_json::from_str::<Colour>("\"ultraviolet\"").unwrap_err().to_string();
        assert!(error.contains("known are red, green"), "{error}");
    }
}
