//! Small conversions that every vendor format needs: addresses, countries, route templates, sections left out when empty.

use super::country;
use super::json::Json;
use portcullis_core::event::{Auth, Change, Credential, Request, Session, Source, WorkloadProof};
use portcullis_core::text::Text;
use std::net::IpAddr;

/// An address that says where something came from: not `0.0.0.0` or `::`. What only looks like one (`075.050.255.67`) is kept as it stands: it
/// teaches nothing about a source, and is counted.
pub fn ip<'a>(json: &Json<'a>) -> Option<Text<'a>> {
    let text = json.text()?;
    match text.parse::<IpAddr>() {
        Ok(address) => (!address.is_unspecified()).then_some(text),
        Err(_) => looks_like_an_address(&text).then_some(text),
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
}

impl Unless for Source<'_> {}
impl Unless for Session<'_> {}
impl Unless for Credential<'_> {}
impl Unless for Auth<'_> {}
impl Unless for Request<'_> {}
impl Unless for Change<'_> {}

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
    fn ids_leave_the_route() {
        assert_eq!(route_template("/v1/users/17/keys?x=1"), "/v1/users/{id}/keys");
        assert_eq!(route_template("/o/2f1b6c1e-0000-4000-8000-000000000000"), "/o/{id}");
        assert_eq!(route_template("/api/v2/oauth2/token"), "/api/v2/oauth2/token");
        assert_eq!(route_template("/u/00u1abcd2EFGH3ijk4l5"), "/u/{id}");
    }
}
