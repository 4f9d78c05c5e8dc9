//! Whom a profile is about: `(kind, tenant, id)`, and the key under which the log and the store know it.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// What kind of thing a subject is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person or a machine that acts: customer, workforce, service account, agent, ...
    Identity,
    /// Where requests come from: an IPv4 /32 or an IPv6 /64.
    Source,
    /// A browser or phone, by the identifier that the application gives it.
    Device,
    /// A payment card, by its fingerprint.
    Card,
    /// A whole tenant: fleet notices and the gate's log.
    Tenant,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Identity, Kind::Source, Kind::Device, Kind::Card, Kind::Tenant];

    /// One word, as it stands in keys and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Identity => "identity",
            Kind::Source => "source",
            Kind::Device => "device",
            Kind::Card => "card",
            Kind::Tenant => "tenant",
        }
    }

    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// Between the parts of a key. A tenant never contains it; an id may.
pub const SEPARATOR: u8 = 0x1f;

/// A subject that owns its names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Subject {
    pub kind: Kind,
    pub tenant: String,
    pub id: String,
}

impl Subject {
    pub fn new(kind: Kind, tenant: &str, id: &str) -> Subject {
        Subject { kind, tenant: tenant.to_owned(), id: id.to_owned() }
    }

    pub fn key(&self) -> Vec<u8> {
        self.as_ref().key()
    }

    pub fn as_ref(&self) -> SubjectRef<'_> {
        SubjectRef { kind: self.kind, tenant: &self.tenant, id: &self.id }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.kind.name(), self.id, self.tenant)
    }
}

/// A subject that borrows its names, for instance from the key of a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubjectRef<'a> {
    pub kind: Kind,
    pub tenant: &'a str,
    pub id: &'a str,
}

impl<'a> SubjectRef<'a> {
    /// `kind 0x1f tenant 0x1f id`, appended to `out`.
    pub fn write_key(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.kind.name().as_bytes());
        out.push(SEPARATOR);
        out.extend_from_slice(self.tenant.as_bytes());
        out.push(SEPARATOR);
        out.extend_from_slice(self.id.as_bytes());
    }

    pub fn key(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(10 + self.tenant.len() + self.id.len());
        self.write_key(&mut out);
        out
    }

    /// Reads a key back. `None` when it is not one of ours.
    pub fn from_key(key: &'a [u8]) -> Option<SubjectRef<'a>> {
        let key = std::str::from_utf8(key).ok()?;
        // Byte by byte: the parts are too short for anything cleverer to pay.
        let cut = |text: &'a str| text.bytes().position(|b| b == SEPARATOR).map(|at| (&text[..at], &text[at + 1..]));
        let (kind, rest) = cut(key)?;
        let (tenant, id) = cut(rest)?;
        Some(SubjectRef { kind: Kind::from_name(kind)?, tenant, id })
    }

    pub fn to_owned(&self) -> Subject {
        Subject::new(self.kind, self.tenant, self.id)
    }
}

/// The id of a source subject: an IPv4 address as it is, an IPv6 address as its /64. `None` for text that is no address.
pub fn source_id(ip: &str) -> Option<Cow<'_, str>> {
    match ip.parse().ok()? {
        // The parser takes the one usual form only, so the text is the id.
        std::net::IpAddr::V4(_) => Some(Cow::Borrowed(ip)),
        std::net::IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => Some(Cow::Owned(v4.to_string())),
            None => {
                let s = v6.segments();
                Some(Cow::Owned(format!("{}/64", std::net::Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back() {
        let subject = Subject::new(Kind::Card, "retail-ch", "c\u{1f}7");
        assert_eq!(subject.key(), b"card\x1fretail-ch\x1fc\x1f7");
        assert_eq!(SubjectRef::from_key(&subject.key()), Some(subject.as_ref()));
        assert_eq!(SubjectRef::from_key(b"nobody\x1fa\x1fb"), None);
        assert_eq!(SubjectRef::from_key(b"card\x1fa"), None);
        assert_eq!(SubjectRef::from_key(b"\xff"), None);
    }

    #[test]
    fn sources_are_addresses_or_slash_64() {
        assert_eq!(source_id("192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(source_id("::ffff:192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(source_id("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1:2::/64"));
        for unusual in ["075.050.255.67", "192.0.2.07", " 192.0.2.7", "192.0.2.7/32", "192.0.2", "0xc0.0.2.7"] {
            assert_eq!(source_id(unusual), None, "{unusual}");
        }
    }
}
