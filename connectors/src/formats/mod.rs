//! Vendor formats to the canonical event, one file a format: its mapping table in the module doc, its code, its examples.
//!
//! [`decode`] takes the bytes of one raw record and hands over what it holds, in order: events, records that are not about
//! identities (to be counted by type), and faults (to become dead letters). One raw record may hold several events: a JSON array,
//! CloudTrail's `{"Records": [...]}`. Whoever wrote the record, what it may say is checked in one place, [`trust`], after decoding.

mod access;
pub mod auto;
pub mod aws_apigw;
mod azure;
pub mod azure_activity;
pub mod cef;
pub mod cloudevents;
pub mod cloudtrail;
pub mod country;
pub mod custom;
pub mod ecs;
pub mod entra_audit;
pub mod entra_signin;
pub mod envoy_json;
mod fields;
pub mod gcp_audit;
pub mod github_audit;
pub mod google_workspace;
mod json;
pub mod k8s_audit;
pub mod keycloak;
pub mod kong;
pub mod native;
pub mod ocsf;
pub mod okta;
pub mod onelogin;
pub mod set;
mod several;
pub mod stripe;
pub mod syslog;
#[cfg(test)]
mod testing;
pub mod trust;
pub mod vault_audit;
pub mod windows_security;

use portcullis_core::event::Event;
use portcullis_core::named_enum;
use portcullis_core::text::Text;
use portcullis_core::time::Time;
use std::borrow::Cow;
use std::sync::Arc;

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
        /// Keycloak's user and admin events.
        Keycloak = "keycloak",
        /// Microsoft Entra ID, sign-in logs.
        EntraSignin = "entra_signin",
        /// Microsoft Entra ID, audit logs.
        EntraAudit = "entra_audit",
        /// Azure Activity Log and Key Vault's audit log.
        AzureActivity = "azure_activity",
        /// GitHub's audit log.
        GithubAudit = "github_audit",
        /// Google Workspace, Reports API.
        GoogleWorkspace = "google_workspace",
        /// Google Cloud, Cloud Audit Logs.
        GcpAudit = "gcp_audit",
        /// Kubernetes' audit log.
        K8sAudit = "k8s_audit",
        /// HashiCorp Vault's and OpenBao's audit log.
        VaultAudit = "vault_audit",
        /// Security log of Windows and Active Directory.
        WindowsSecurity = "windows_security",
        /// OneLogin's events.
        Onelogin = "onelogin",
        /// Envoy's access log in JSON.
        EnvoyJson = "envoy_json",
        /// Kong's log plugins.
        Kong = "kong",
        /// Amazon API Gateway's access log in JSON.
        AwsApigw = "aws_apigw",
        /// Elastic Common Schema.
        Ecs = "ecs",
        /// Stripe's events.
        Stripe = "stripe",
        /// Security Event Tokens: CAEP and RISC.
        Set = "set",
        /// RFC 5424 and RFC 3164 around another format.
        Syslog = "syslog",
        /// ArcSight's Common Event Format.
        Cef = "cef",
        /// CloudEvents around another format.
        CloudEvents = "cloudevents",
        /// By a mapping that the input names.
        Custom = "custom",
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
    /// Of [`Format::Custom`]: which field stands where.
    pub mapping: Option<Arc<custom::Mapping>>,
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

/// What [`decode`] makes of an event of ours that was read elsewhere.
pub fn of_event<'a>(event: Event<'a>, input: &'a Input) -> Item<'a> {
    let mut item = native::admitted(event);
    trust::admit(&mut item, input);
    item
}

impl<'a> From<Result<Item<'a>, Fault>> for Item<'a> {
    fn from(result: Result<Item<'a>, Fault>) -> Item<'a> {
        result.unwrap_or_else(Item::Fault)
    }
}

/// One record that holds one event.
fn one<'a>(format: Format, raw: &'a [u8], input: &'a Input) -> Item<'a> {
    match format {
        Format::Auto => auto::decode(raw, input),
        Format::Native => native::decode(raw),
        Format::CloudEvents => valid(cloudevents::decode(raw, input).into()),
        Format::Syslog => of_text(raw, |line| syslog::decode(line, input).into()),
        Format::Cef => of_text(raw, |line| cef::decode(line).into()),
        Format::Keycloak if !is_json(raw) => of_text(raw, |line| keycloak::decode_line(line, input).into()),
        Format::Set if !is_json(raw) => of_text(raw, |text| set::decode_jws(text, input).into()),
        _ => match tree(raw) {
            Ok(json) => of_tree(format, &json, input),
            Err(fault) => Item::Fault(fault),
        },
    }
}

/// One event in a JSON object.
fn of_tree<'a>(format: Format, json: &json::Json<'a>, input: &'a Input) -> Item<'a> {
    valid(match format {
        Format::Auto => auto::of_any(json, input),
        Format::Native => Item::fault("", "an event of ours within a text is not read: write it there as JSON"),
        Format::Syslog | Format::Cef | Format::CloudEvents => Item::fault("", "a shell within a shell is not opened"),
        Format::Okta => okta::decode(json, input),
        Format::CloudTrail => cloudtrail::decode(json),
        Format::Ocsf => ocsf::decode(json, input),
        Format::Keycloak => keycloak::decode(json, input).into(),
        Format::EntraSignin => entra_signin::decode(json).into(),
        Format::EntraAudit => entra_audit::decode(json).into(),
        Format::AzureActivity => azure_activity::decode(json).into(),
        Format::GithubAudit => github_audit::decode(json).into(),
        Format::GoogleWorkspace => google_workspace::decode(json, input).into(),
        Format::GcpAudit => gcp_audit::decode(json).into(),
        Format::K8sAudit => k8s_audit::decode(json).into(),
        Format::VaultAudit => vault_audit::decode(json).into(),
        Format::WindowsSecurity => windows_security::decode(json).into(),
        Format::Onelogin => onelogin::decode(json).into(),
        Format::EnvoyJson => envoy_json::decode(json).into(),
        Format::Kong => kong::decode(json).into(),
        Format::AwsApigw => aws_apigw::decode(json).into(),
        Format::Ecs => ecs::decode(json).into(),
        Format::Stripe => stripe::decode(json).into(),
        Format::Set => set::decode(json).into(),
        Format::Custom => custom::decode(json, input).into(),
    })
}

fn is_json(raw: &[u8]) -> bool {
    raw.trim_ascii_start().starts_with(b"{")
}

/// The record as a JSON object, or why it is none.
fn tree(raw: &[u8]) -> Result<json::Json<'_>, Fault> {
    match serde_json::from_slice::<json::Json>(raw) {
        Ok(json) if json.is_object() => Ok(json),
        Ok(_) => Err(Fault::new("", "not a JSON object")),
        Err(error) => Err(syntax_fault(raw, &error)),
    }
}

/// A record that is a line of text.
fn of_text<'a>(raw: &'a [u8], decode: impl FnOnce(&'a str) -> Item<'a>) -> Item<'a> {
    match std::str::from_utf8(raw) {
        Ok(text) if text.trim().is_empty() => Item::fault("", "empty record"),
        Ok(text) => valid(decode(text.trim())),
        Err(error) => Item::Fault(utf8_fault(raw, error)),
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
    if let Err(error) = std::str::from_utf8(raw) {
        return utf8_fault(raw, error);
    }
    // serde_json says "... at line 1 column 50", and a record is not a line of the file.
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let line = if error.line() > 1 { format!("line {}, ", error.line()) } else { String::new() };
    Fault::new("", format!("not JSON: {what}, at {line}byte {} of the record", error.column()))
}

fn utf8_fault(raw: &[u8], error: std::str::Utf8Error) -> Fault {
    Fault::new("", format!("not UTF-8: byte {} is 0x{:02x}", error.valid_up_to(), raw[error.valid_up_to()]))
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
fn kind_of(format: &str, native_type: Option<&Text<'_>>) -> Cow<'static, str> {
    let name: String = native_type.map_or("unnamed", |t| t.as_str()).chars().filter(|c| !c.is_control()).take(80).collect();
    Cow::Owned(format!("{format}:{name}"))
}
