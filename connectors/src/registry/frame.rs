//! Confluent's wire format: a magic byte and the id of the writer's schema, before the value or in a header.
//!
//! | where | bytes |
//! |---|---|
//! | before the value | `00`, the id as four bytes, big-endian; the datum |
//! | in the header `__value_schema_id` | `01`, the schema's GUID as sixteen bytes; the value is the datum |
//!
//! Serializers write one or the other (`PrefixSchemaIdSerializer`, `HeaderSchemaIdSerializer`), and deserializers look for the header first
//! (`DualSchemaIdDeserializer`). They read either kind of id in either place, and so do we.

use portcullis_schemas::Fault;
use std::fmt;

/// The header that names the schema of a value.
pub const HEADER: &str = "__value_schema_id";

const MAGIC_ID: u8 = 0;
const MAGIC_GUID: u8 = 1;

/// By what a registry knows a schema.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SchemaId {
    Id(u32),
    Guid([u8; 16]),
}

impl SchemaId {
    /// Of the text form of a GUID.
    pub fn parse_guid(text: &str) -> Option<SchemaId> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32).map(|guid| SchemaId::Guid(guid.to_be_bytes()))
    }

    /// Appends magic byte and id: what stands before a value, or in the header.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            SchemaId::Id(id) => {
                out.push(MAGIC_ID);
                out.extend_from_slice(&id.to_be_bytes());
            }
            SchemaId::Guid(guid) => {
                out.push(MAGIC_GUID);
                out.extend_from_slice(&guid);
            }
        }
    }

    /// The id that bytes begin with, and the rest.
    fn split(bytes: &[u8]) -> Option<(SchemaId, &[u8])> {
        match bytes.split_first()? {
            (&MAGIC_ID, rest) => rest.split_first_chunk().map(|(id, rest)| (SchemaId::Id(u32::from_be_bytes(*id)), rest)),
            (&MAGIC_GUID, rest) => rest.split_first_chunk().map(|(guid, rest)| (SchemaId::Guid(*guid), rest)),
            _ => None,
        }
    }
}

/// `17`, or `89791762-2336-4186-9674-299b90a802e2`.
impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaId::Id(id) => write!(f, "{id}"),
            SchemaId::Guid(guid) => {
                let hex = format!("{:032x}", u128::from_be_bytes(*guid));
                write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
            }
        }
    }
}

/// A value taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Framed<'a> {
    pub schema: SchemaId,
    pub datum: &'a [u8],
}

/// Takes a value apart. `header`: what [`HEADER`] says, where the record has it.
///
/// # Errors
/// When neither says which schema it is.
#[inline]
pub fn split<'a>(value: &'a [u8], header: Option<&[u8]>) -> Result<Framed<'a>, Fault> {
    if let Some(header) = header {
        return match SchemaId::split(header) {
            Some((schema, [])) => Ok(Framed { schema, datum: value }),
            _ => Err(Fault::new("headers", format!("{HEADER} is no id of a schema: {} bytes {}", header.len(), begin(header)))),
        };
    }
    match SchemaId::split(value) {
        Some((schema, datum)) => Ok(Framed { schema, datum }),
        None => Err(not_framed(value)),
    }
}

#[cold]
fn not_framed(value: &[u8]) -> Fault {
    let what = match value {
        [] => "empty record".to_owned(),
        _ => format!(
            "not in the registry's wire format: there is no header {HEADER}, and the value begins with {}, not with 00 and the id of a schema; \
             was it written without a registry? (`encoding: avro` of the input)",
            begin(value)
        ),
    };
    Fault::new("", what)
}

fn begin(bytes: &[u8]) -> String {
    bytes.iter().take(5).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GUID: &str = "89791762-2336-4186-9674-299b90a802e2";

    #[test]
    fn an_id_stands_before_the_value_or_in_the_header() {
        assert_eq!(split(&[0, 0, 0, 1, 4, 7, 8], None), Ok(Framed { schema: SchemaId::Id(260), datum: &[7, 8] }));
        let guid = SchemaId::parse_guid(GUID).unwrap();
        let mut header = Vec::new();
        guid.write(&mut header);
        assert_eq!((header.len(), header[0], header[1]), (17, 1, 0x89));
        assert_eq!(split(&[0, 0, 0, 1, 4], Some(&header)), Ok(Framed { schema: guid, datum: &[0, 0, 0, 1, 4] }));
        assert_eq!(split(&[9], Some(&[0, 0, 0, 0, 3])), Ok(Framed { schema: SchemaId::Id(3), datum: &[9] }));
        header.push(5);
        assert_eq!(split(&header, None), Ok(Framed { schema: guid, datum: &[5] }));
        assert_eq!((guid.to_string(), SchemaId::Id(17).to_string()), (GUID.to_owned(), "17".to_owned()));
        assert_eq!((SchemaId::parse_guid("x"), SchemaId::parse_guid("17")), (None, None));
    }

    #[test]
    fn what_is_not_framed_is_said() {
        let told = |value: &[u8], header| split(value, header).unwrap_err().to_string();
        assert_eq!(told(b"", None), "empty record");
        assert!(told(br#"{"id":1}"#, None).contains("begins with 7b 22 69 64 22"), "{}", told(br#"{"id":1}"#, None));
        assert!(told(&[0, 0, 1], None).contains("00 00 01"));
        assert!(told(&[], Some(&[1, 2])).starts_with("headers: __value_schema_id"));
        assert!(split(&[], Some(&[0, 0, 0, 0, 3, 9])).is_err(), "bytes are left over");
    }

    proptest! {
        #[test]
        fn any_bytes(value in proptest::collection::vec(any::<u8>(), 0..40), header in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20))) {
            if let Ok(framed) = split(&value, header.as_deref()) {
                let mut again = Vec::new();
                framed.schema.write(&mut again);
                match &header {
                    Some(header) => prop_assert_eq!(&again, header),
                    None => {
                        again.extend_from_slice(framed.datum);
                        prop_assert_eq!(&again, &value);
                    }
                }
            }
        }
    }
}
