//! What a writer's schema means to us, for records whose schema is not in the bytes but in a registry.
//!
//! Our own event as it was ever released is read in place; one that goes by our name and is otherwise different (a copy with a field more, or
//! without one) is resolved to ours as Avro says, which is slow; any other record is handed on as JSON.

use super::foreign::Layout;
use super::schema::{HEADER_BYTES, RELEASED, Record, Released};
use super::{decode_body, decode_older, history};
use crate::error::DecodeError;
use crate::validate::Fault;
use apache_avro::Schema;
use portcullis_core::event::Event;
use std::fmt;
use std::sync::LazyLock;

/// Reads what was written with one schema.
pub struct Writer(Means);

enum Means {
    Event(&'static Released),
    Kin(Box<history::Kin>),
    Foreign { name: String, layout: Layout },
}

/// The events' schemas in canonical form, as the library that reads the registry's makes it.
static EVENTS: LazyLock<Vec<(&'static Released, String)>> = LazyLock::new(|| {
    let ours = RELEASED.iter().filter(|released| released.record == Record::Event);
    ours.map(|released| (released, history::parse(released.schema).canonical_form())).collect()
});

impl Writer {
    /// `references`: the texts of the schemas that it names, in an order in which each comes after those that it names itself.
    ///
    /// # Errors
    /// What is wrong with the schema.
    pub fn of(schema: &str, references: &[String]) -> Result<Writer, String> {
        let (parsed, beside) =
            Schema::parse_str_with_list(schema, references).map_err(|e| format!("no Avro schema that can be read: {e}"))?;
        let name = parsed.name().map(|name| name.fullname(None)).unwrap_or_default();
        if name == Record::Event.full_name() && references.is_empty() {
            let canonical = parsed.canonical_form();
            if let Some((released, _)) = EVENTS.iter().find(|(_, ours)| *ours == canonical) {
                return Ok(Writer(Means::Event(released)));
            }
            return Ok(Writer(Means::Kin(Box::new(history::Kin::of(parsed)?))));
        }
        Ok(Writer(Means::Foreign { layout: Layout::of(&parsed, &beside)?, name }))
    }

    /// Whether it writes events of ours, which [`event`](Self::event) reads; what others write, [`json`](Self::json) does.
    pub fn is_ours(&self) -> bool {
        !matches!(self.0, Means::Foreign { .. })
    }

    /// Reads an event of ours. It has still to pass [`crate::admit`].
    ///
    /// # Errors
    /// For anything but one whole event.
    #[inline]
    pub fn event<'a>(&self, datum: &'a [u8]) -> Result<Event<'a>, Fault> {
        match &self.0 {
            Means::Event(released) if released.fingerprint == Record::Event.fingerprint() => decode_body(Record::Event, datum),
            Means::Event(released) => decode_older(released, datum),
            Means::Kin(kin) => kin.resolve(datum).and_then(|body| super::decode_copied_body(Record::Event, &body)),
            Means::Foreign { name, .. } => return Err(Fault::new("", format!("{name} is no event of ours"))),
        }
        .map_err(|error| Fault::new("", of_datum(error).to_string()))
    }

    /// Appends what somebody else wrote as JSON.
    ///
    /// # Errors
    /// For anything but one whole datum.
    pub fn json(&self, datum: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Means::Foreign { name, layout } = &self.0 else { return Err(Fault::new("", "an event of ours is not read as another's")) };
        layout.write(datum, out).map_err(|flaw| Fault::new("", format!("{name} in Avro, byte {}: {}", flaw.at, flaw.flaw)))
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Means::Event(released) => write!(f, "our event, version {}", released.version),
            Means::Kin(_) => f.write_str("our event, changed"),
            Means::Foreign { name, .. } => write!(f, "{name}"),
        }
    }
}

/// A datum has no header.
fn of_datum(error: DecodeError) -> DecodeError {
    match error {
        DecodeError::Malformed { record, at, flaw } => DecodeError::Malformed { record, at: at.saturating_sub(HEADER_BYTES), flaw },
        other => other,
    }
}
