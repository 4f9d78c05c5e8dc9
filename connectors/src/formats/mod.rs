//! Vendor formats to the canonical event, one file a format: its mapping table in the module doc, its code, its examples.
//!
//! [`decode`] takes the bytes of one raw record and hands over what it holds, in order: events, records that are not about
//! identities (to be counted by type), and faults (to become dead letters). One raw record may hold several events: a JSON array,
//! CloudTrail's `{"Records": [...]}`. Whoever wrote the record, what it may say is checked in one place, [`trust`], after decoding.

pub mod auto;
pub mod cloudtrail;
pub mod country;
mod fields;
mod json;
pub mod native;
pub mod ocsf;
pub mod okta;
mod several;
pub mod trust;

use portcullis_core::event::Event;
use portcullis_core::named_enum;
use portcullis_core::text::Text;
use portcullis_core::time::Time;
use std::borrow::Cow;

/// Longest raw record that is read, bytes. Longer ones are faults.
pub use portcullis_schemas::RECORD_BYTES_MAX;

named_enum! {
    /// How the bytes of an input are to be read.
    pub enum Format {
        /// Recognised record by record.
        Auto = "auto",
        /// Our own event, as `docs/contracts.md` says.
        Native = "native",
        /// Okta System Log API v1.
        Okta = "okta",
        /// AWS CloudTrail.
        CloudTrail = "cloudtrail",
        /// Open Cybersecurity Schema Framework 1.0-rc.2 to 1.8.
        Ocsf = "ocsf",
    }
}

/// What the configuration says of an input: how far its records are believed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Input {
    /// The topic, or the file's name as it was given.
    pub name: String,
    /// Whose records these are; `None`: the default tenant.
    pub tenant: Option<String>,
    /// `tenant: from_record`: records say themselves whose they are.
    pub tenant_from_record: bool,
    /// `trust: control`: may also carry inventory, outcomes, labels and what others think.
    pub trust_control: bool,
    /// Name of the system that writes this log, where its records do not say: `keycloak`.
    pub provider_product: Option<String>,
    /// Which one of them: `https://idp.example/realms/lab`.
    pub provider_instance: Option<String>,
}

impl Input {
    /// A file that the operator hands over by name: may carry everything.
    pub fn operator(name: &str) -> Input {
        Input { name: name.to_owned(), tenant_from_record: true, trust_control: true, ..Input::default() }
    }

    /// A topic of one tenant, for behaviour only.
    pub fn behaviour(name: &str, tenant: Option<&str>) -> Input {
        Input { name: name.to_owned(), tenant: tenant.map(str::to_owned), ..Input::default() }
    }
}

/// Why a record, or one of the events in it, cannot be used: where in it and what is wrong.
pub use portcullis_schemas::Fault;

/// What a raw record, or one of several in it, turned out to be.
// An event is moved into the caller's hands once; a box each would cost more than the move.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, PartialEq, Debug)]
pub enum Item<'a> {
    Event(Event<'a>),
    /// Well-formed, but not about what an identity did. The kind is `format:type`, of which each vendor has a bounded list.
    Ignored {
        kind: Cow<'a, str>,
    },
    Fault(Fault),
}

impl<'a> Item<'a> {
    fn ignored(kind: impl Into<Cow<'a, str>>) -> Item<'a> {
        Item::Ignored { kind: kind.into() }
    }

    fn fault(path: impl Into<String>, what: impl Into<String>) -> Item<'a> {
        Item::Fault(Fault::new(path, what))
    }
}

/// Decodes one raw record. `each(index, item)` is called once for every event in it, index 0, 1, 2, ... in the order written,
/// and at least once: an empty list is ignored as `format:empty`.
///
/// Never fails and never panics: what cannot be read is an [`Item::Fault`] in its place. Events leave with the tenant and the
/// provider that the input says, without `origin`, and with a `stamp` of ours alone.
pub fn decode<'a>(format: Format, raw: &'a [u8], input: &'a Input, each: &mut dyn FnMut(u32, Item<'a>)) {
    if raw.len() > RECORD_BYTES_MAX {
        return each(0, Item::fault("", format!("record of {} bytes, longer than {RECORD_BYTES_MAX}: split it at the source", raw.len())));
    }
    let mut index = 0;
    several::each_value(format, raw, &mut |value| {
        let mut item = match value {
            Ok(value) => one(format, value, input),
            Err(item) => item,
        };
        trust::admit(&mut item, input);
        each(index, item);
        index = index.saturating_add(1);
    });
}

/// One record that holds one event.
fn one<'a>(format: Format, raw: &'a [u8], input: &'a Input) -> Item<'a> {
    match format {
        Format::Auto => auto::decode(raw, input),
        Format::Native => native::decode(raw),
        Format::Okta => with_tree(raw, |json| okta::decode(json, input)),
        Format::CloudTrail => with_tree(raw, cloudtrail::decode),
        Format::Ocsf => with_tree(raw, |json| ocsf::decode(json, input)),
    }
}

fn with_tree<'a>(raw: &'a [u8], decode: impl FnOnce(&json::Json<'a>) -> Item<'a>) -> Item<'a> {
    match serde_json::from_slice::<json::Json<'a>>(raw) {
        Ok(json) if json.is_object() => valid(decode(&json)),
        Ok(_) => Item::fault("", "not a JSON object"),
        Err(error) => Item::Fault(syntax_fault(raw, &error)),
    }
}

/// What every event must be, whichever format it came in. (The native codec has checked its own.)
fn valid(item: Item<'_>) -> Item<'_> {
    match item {
        Item::Event(mut event) => match portcullis_schemas::admit(&mut event) {
            Ok(()) => Item::Event(event),
            Err(fault) => Item::Fault(fault),
        },
        other => other,
    }
}

/// Says what is wrong with bytes that are no JSON.
fn syntax_fault(raw: &[u8], error: &serde_json::Error) -> Fault {
    if raw.iter().all(|b| b.is_ascii_whitespace()) {
        return Fault::new("", "empty record");
    }
    if let Err(utf8) = std::str::from_utf8(raw) {
        return Fault::new("", format!("not UTF-8: byte {} is 0x{:02x}", utf8.valid_up_to(), raw[utf8.valid_up_to()]));
    }
    // serde_json says "... at line 1 column 50", and a record is not a line of the file.
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let line = if error.line() > 1 { format!("line {}, ", error.line()) } else { String::new() };
    Fault::new("", format!("not JSON: {what}, at {line}byte {} of the record", error.column()))
}

/// When the (first) event of a raw record happened, for sorting; `None` where it does not say in a way that we can read.
pub fn time_of(format: Format, raw: &[u8]) -> Option<Time> {
    if matches!(format, Format::Native | Format::Auto)
        && let Some(time) = native::time_of(raw)
    {
        return Some(time);
    }
    let input = Input::operator("");
    let mut time = None;
    decode(format, raw, &input, &mut |_, item| {
        if let (None, Item::Event(event)) = (time, item) {
            time = Some(event.time);
        }
    });
    time
}

/// `text` of a record as a kind that can be counted: bounded length, no control characters.
fn kind_of<'a>(format: &str, native_type: Option<&Text<'a>>) -> Cow<'a, str> {
    let name: String = native_type.map_or("unnamed", |t| t.as_str()).chars().filter(|c| !c.is_control()).take(80).collect();
    Cow::Owned(format!("{format}:{name}"))
}
