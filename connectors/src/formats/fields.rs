//! Small conversions that every vendor format needs: addresses, countries, times, outcomes, route templates, sections left out when empty.

use super::json::Json;
use super::{Fault, country};
use portcullis_core::event::{
    Auth, AuthFailure, Change, Checkout, Credential, Event, EventType, Identity, Outcome, Provider, Request, Session, Source, Stamp,
    WorkloadProof,
};
use portcullis_core::text::Text;
use portcullis_core::time::Time;
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// The first of these paths at which something is said; a whole number counts as its digits.
pub fn first<'a>(json: &Json<'a>, paths: &[&str]) -> Option<Text<'a>> {
    paths.iter().find_map(|path| json.at(path).name())
}

/// The time at the first of these paths that is there, as `read` understands it ([`Json::time`], [`Json::seconds`], ...).
pub fn time<'a>(json: &Json<'a>, paths: &[&str], read: impl Fn(&Json<'a>) -> Option<Time>) -> Result<Time, Fault> {
    let there = paths.iter().find(|path| !json.at(path).is_null());
    let path = there.ok_or_else(|| Fault::new(paths.first().copied().unwrap_or_default(), "missing"))?;
    read(json.at(path)).ok_or_else(|| Fault::new(*path, "not a time that this format writes"))
}

/// An event with what every vendor says: when, and what in its own words.
pub fn event<'a>(kind: EventType, time: Time, native_type: impl Into<Text<'a>>) -> Event<'a> {
    let stamp = Stamp { native_type: Some(native_type.into()), ..Stamp::default() };
    Event { stamp: Some(stamp), ..Event::new(kind, time) }
}

/// Who acted: `name` is what people know it by, kept where it is not the id itself.
pub fn identity<'a>(id: Text<'a>, name: Option<Text<'a>>, issuer: Option<Text<'a>>) -> Identity<'a> {
    Identity { native_id: name.filter(|name| *name != id), id, issuer, ..Identity::default() }
}

pub fn provider<'a>(product: &'static str, instance: Option<Text<'a>>) -> Option<Provider<'a>> {
    Some(Provider { product: Some(Text::borrowed(product)), instance })
}

pub fn outcome(success: bool) -> Outcome {
    if success { Outcome::Success } else { Outcome::Failure }
}

/// What an HTTP status says of the request.
pub fn http_outcome(status: Option<u16>) -> Outcome {
    status.map_or(Outcome::Unknown, |status| outcome(status < 400))
}

/// An HTTP status; 0 is what proxies write where there was none.
pub fn status(json: &Json) -> Option<u16> {
    json.int().and_then(|code| u16::try_from(code).ok()).filter(|code| (100..=599).contains(code))
}

pub fn bytes(json: &Json) -> Option<u64> {
    json.int().and_then(|n| u64::try_from(n).ok())
}

/// `text` in small letters; not copied where it is so already.
pub fn lower(text: Text<'_>) -> Text<'_> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) { Text::from(text.to_ascii_lowercase()) } else { text }
}

/// A part of a text, borrowed where the whole is.
pub fn part<'a>(text: &Text<'a>, range: impl std::slice::SliceIndex<str, Output = str>) -> Option<Text<'a>> {
    match &text.0 {
        Cow::Borrowed(whole) => whole.get(range).map(Text::borrowed),
        Cow::Owned(whole) => whole.get(range).map(|part| Text::from(part.to_owned())),
    }
}

/// What follows the last `mark`: `alice` of `users/alice`, `global` of `projects/p/locations/global`; the whole where there is none.
pub fn last_part<'a>(text: &Text<'a>, mark: char) -> Text<'a> {
    text.rfind(mark).and_then(|at| part(text, at + mark.len_utf8()..)).unwrap_or_else(|| text.clone())
}

/// As logs for people to read write them.
pub const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How many names of a list are kept.
const NAMES_JOINED_MAX: usize = 10;

/// The texts of a list in one field, borrowed where there is only one.
pub fn joined<'a>(list: &Json<'a>) -> Option<Text<'a>> {
    let mut names = list.list().iter().filter_map(Json::text).take(NAMES_JOINED_MAX);
    let first = names.next()?;
    let rest: Vec<Text> = names.collect();
    if rest.is_empty() {
        return Some(first);
    }
    let mut all = first.0.into_owned();
    for name in rest {
        all.push(',');
        all.push_str(&name);
    }
    Some(Text::from(all))
}

/// An address that says where something came from: not `0.0.0.0` or `::`. A port is cut off, an IPv4 address in IPv6 clothing
/// (`::ffff:192.0.2.1`) is the IPv4 address. What only looks like one (`075.050.255.67`) is kept as it stands: it teaches nothing about
/// a source, and is counted.
pub fn ip<'a>(json: &Json<'a>) -> Option<Text<'a>> {
    let text = json.text()?;
    let address = match text.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => match text.parse::<SocketAddr>() {
            Ok(socket) => socket.ip(),
            Err(_) => return looks_like_an_address(&text).then_some(text),
        },
    };
    let address = address.to_canonical();
    match address {
        _ if address.is_unspecified() => None,
        // Written as it is: nothing to copy.
        IpAddr::V4(_) if !text.contains(':') => Some(text),
        IpAddr::V6(_) if !text.starts_with('[') => Some(text),
        _ => Some(Text::from(address.to_string())),
    }
}

fn looks_like_an_address(text: &str) -> bool {
    let separators = text.bytes().filter(|b| matches!(b, b'.' | b':')).count();
    separators >= 2 && text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':'))
}

/// Sets where AWS says a request came from: an address, or the service that made it on somebody's behalf.
pub fn aws_source<'a>(source: &mut Source<'a>, text: &Json<'a>) {
    source.ip = ip(text);
    if source.ip.is_none() && is_aws_service(text.str()) {
        source.workload = text.text();
        // CloudTrail itself says that the service called; no caller can claim it.
        source.workload_proof = Some(WorkloadProof::Cloud);
    }
}

pub fn is_aws_service(text: &str) -> bool {
    text.ends_with(".amazonaws.com") || text == "AWS Internal"
}

pub fn country<'a>(json: &Json<'a>) -> Option<Text<'a>> {
    country::alpha2(json.str()).map(Text::borrowed)
}

pub fn latitude(json: &Json) -> Option<f64> {
    json.float().filter(|v| (-90.0..=90.0).contains(v))
}

pub fn longitude(json: &Json) -> Option<f64> {
    json.float().filter(|v| (-180.0..=180.0).contains(v))
}

pub fn asn(json: &Json) -> Option<u32> {
    json.int().and_then(|n| u32::try_from(n).ok()).filter(|n| *n != 0)
}

/// A section, or nothing when no field of it is set.
pub trait Unless: Default + PartialEq + Sized {
    fn unless_empty(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }

    fn boxed_unless_empty(self) -> Option<Box<Self>> {
        self.unless_empty().map(Box::new)
    }
}

impl Unless for Source<'_> {}
impl Unless for Session<'_> {}
impl Unless for Credential<'_> {}
impl Unless for Auth<'_> {}
impl Unless for Request<'_> {}
impl Unless for Change<'_> {}
impl Unless for Checkout<'_> {}

/// Why an authentication failed, as far as the words of a message or a code tell. Status codes are those of Windows (NTSTATUS).
pub fn failure_said(text: &str) -> AuthFailure {
    // Ends in a space, so that a word can be asked for as a whole.
    let said = format!("{} ", text.to_ascii_lowercase());
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    if has(&["lock"]) {
        AuthFailure::Locked
    } else if has(&["expire"]) {
        AuthFailure::Expired
    } else if has(&["unknown user", "invalid user ", "no such user", "does not exist", "not found", "0xc0000064"]) {
        AuthFailure::UnknownIdentity
    } else if has(&["password", "credential", "0xc000006a", "0xc000006d"]) {
        AuthFailure::BadPassword
    } else if has(&["policy", "restrict", "disabled", "not allowed", "conditional"]) {
        AuthFailure::Policy
    } else if has(&["timeout", "timed out"]) {
        AuthFailure::MfaTimeout
    } else if has(&["denied", "reject"]) {
        AuthFailure::MfaDenied
    } else {
        AuthFailure::Other
    }
}

/// A path without its query and with everything that looks like an id replaced: `/v1/users/17/keys?x=1` is `/v1/users/{id}/keys`.
///
/// Ids: digits alone, UUIDs, 12 or more letters and digits mixed. What is left is a template as far as one record can tell.
pub fn route_template(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or("");
    let mut out = String::with_capacity(path.len());
    for (i, segment) in path.split('/').enumerate() {
        if i > 0 {
            out.push('/');
        }
        out.push_str(if looks_like_id(segment) { "{id}" } else { segment });
    }
    out
}

fn looks_like_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let plain = segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    digits > 0 && (digits == segment.len() || (plain && segment.len() >= 12))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn text(t: &str) -> Json<'_> {
        Json::Text(Cow::Borrowed(t))
    }

    #[test]
    fn only_addresses_are_addresses() {
        assert_eq!(ip(&text("205.8.181.128")).as_deref(), Some("205.8.181.128"));
        assert_eq!(ip(&text("2001:db8::1")).as_deref(), Some("2001:db8::1"));
        for none in ["AWS Internal", "ecs.amazonaws.com", "", "0.0.0.0", "::", "unknown", "b.c"] {
            assert_eq!(ip(&text(none)), None, "{none}");
        }
        for (written, kept) in
            [("192.0.2.1:443", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("[2001:db8::1]:443", "2001:db8::1"), ("[2001:db8::1]", "")]
        {
            assert_eq!(ip(&text(written)).as_deref().unwrap_or(""), kept);
        }
        // Kept, so that they are seen and counted.
        for scrambled in ["075.050.255.67", "300.1.1.1"] {
            assert_eq!(ip(&text(scrambled)).as_deref(), Some(scrambled));
        }
    }

    #[test]
    fn a_service_is_a_workload() {
        let mut source = Source::default();
        aws_source(&mut source, &text("ecs.amazonaws.com"));
        assert_eq!(source.workload.as_deref(), Some("ecs.amazonaws.com"));
        assert_eq!(source.workload_proof, Some(WorkloadProof::Cloud));
        let mut scrambled = Source::default();
        aws_source(&mut scrambled, &text("075.050.255.67"));
        assert_eq!((scrambled.ip.as_deref(), scrambled.workload), (Some("075.050.255.67"), None));
    }

    #[test]
    fn parts_are_borrowed() {
        let whole = Text::borrowed("projects/p/users/alice");
        assert!(matches!(last_part(&whole, '/').0, Cow::Borrowed("alice")));
        assert_eq!(last_part(&Text::borrowed("alice"), '/').as_str(), "alice");
        assert_eq!(part(&whole, 100..), None);
    }

    #[test]
    fn a_time_is_looked_for_and_named_where_it_is_missing() {
        let json: Json = serde_json::from_str(r#"{"b":1760000000,"c":"soon"}"#).unwrap();
        assert_eq!(time(&json, &["a", "b"], Json::seconds), Ok(Time(1_760_000_000_000)));
        assert_eq!(time(&json, &["a"], Json::time).unwrap_err().to_string(), "a: missing");
        assert!(time(&json, &["c"], Json::time).unwrap_err().to_string().starts_with("c: not a time"));
    }

    #[test]
    fn ids_leave_the_route() {
        assert_eq!(route_template("/v1/users/17/keys?x=1"), "/v1/users/{id}/keys");
        assert_eq!(route_template("/o/2f1b6c1e-0000-4000-8000-000000000000"), "/o/{id}");
        assert_eq!(route_template("/api/v2/oauth2/token"), "/api/v2/oauth2/token");
        assert_eq!(route_template("/u/00u1abcd2EFGH3ijk4l5"), "/u/{id}");
    }
}
