//! `output`: how verdicts are written, what is made of them beside, and who hears of SETs without reading Kafka.

use super::Secret;
use super::read::{NAME_BYTES_MAX, NEEDS_REGISTRY, PATH_BYTES_MAX, address, secret_file, section, token_digest};
use portcullis_core::policy::yaml::{At, Map};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use url::{Host, Url};

#[derive(Clone, PartialEq, Debug)]
pub struct Output {
    pub encoding: Encoding,
    /// Of Avro: how a record says what wrote it.
    pub framing: Framing,
    /// Headers of CloudEvents on everything that others read.
    pub cloudevents: bool,
    /// `<prefix>.ocsf` beside the verdicts.
    pub ocsf: bool,
    /// `<prefix>.set` beside the verdicts.
    pub set: Option<SetOutput>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    Json,
    Avro,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// Avro's own: the fingerprint of the schema before the value.
    SingleObject,
    /// The registry's id before the value.
    Prefix,
    /// The registry's GUID, or its id, in a header.
    Header,
}

/// How SETs are made, and whom they are handed to.
#[derive(Clone, PartialEq, Debug)]
pub struct SetOutput {
    /// `aud`. None: that of the gate's requests.
    pub audience: Option<String>,
    /// Who names the identities so. None: their subject identifiers are opaque.
    pub subject_issuer: Option<String>,
    /// Where receivers poll and ask for a verification, if one has a token to come with.
    pub listen: SocketAddr,
    /// How that is reached from outside, for `/.well-known/ssf-configuration`.
    pub url: Option<String>,
    pub receivers: Vec<Receiver>,
}

/// One who hears of SETs.
#[derive(Clone, PartialEq, Debug)]
pub struct Receiver {
    /// Also the name of its stream, and the end of its consumer group's.
    pub name: String,
    /// Of whom it hears; empty: of all.
    pub tenants: Vec<String>,
    /// None: it polls.
    pub push: Option<Push>,
    /// BLAKE3 of the token that it comes to us with.
    pub token_digest: Option<blake3::Hash>,
}

/// Where SETs are posted to.
#[derive(Clone, PartialEq, Debug)]
pub struct Push {
    pub url: Url,
    /// The bearer token that we come with, and its file.
    pub token: Option<(PathBuf, Secret)>,
}

pub(super) const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9466);

pub(super) fn read(map: &Map<'_>, has_registry: bool) -> Output {
    let framing = if has_registry { Framing::Prefix } else { Framing::SingleObject };
    let mut output = Output { encoding: Encoding::Json, framing, cloudevents: false, ocsf: false, set: None };
    let Some(section) = section(map, "output") else { return output };
    if let Some(at) = section.get("format") {
        if at.is_word("ocsf") || at.is_word("set") {
            at.fault_with(
                "the verdicts' own topic is always native: audit, explain and contain read it",
                "write `also: [ocsf, set]` for topics beside it",
            );
        } else {
            at.word(&["native"], |word| (word == "native").then_some(()));
        }
    }
    let encoding = section.get("encoding").and_then(|at| {
        at.word(&["json", "avro"], |word| match word {
            "json" => Some(Encoding::Json),
            "avro" => Some(Encoding::Avro),
            _ => None,
        })
    });
    output.encoding = encoding.unwrap_or(output.encoding);
    if let Some(at) = section.get("framing") {
        let framing = at.word(&["prefix", "header", "single_object"], |word| match word {
            "prefix" => Some(Framing::Prefix),
            "header" => Some(Framing::Header),
            "single_object" => Some(Framing::SingleObject),
            _ => None,
        });
        match framing {
            Some(_) if output.encoding != Encoding::Avro => at.fault_with("is of Avro alone", "write `encoding: avro`, or take it out"),
            Some(Framing::Prefix | Framing::Header) if !has_registry => {
                at.fault_with("needs a schema registry, which gives the ids", NEEDS_REGISTRY);
            }
            Some(framing) => output.framing = framing,
            None => {}
        }
    }
    output.cloudevents = section.get("cloudevents").and_then(|at| at.bool()).unwrap_or(false);
    let mut has_set = false;
    for at in section.get("also").and_then(|at| at.list()).unwrap_or_default() {
        match at.word(&["ocsf", "set"], |word| ["ocsf", "set"].contains(&word).then(|| word.to_owned())).as_deref() {
            Some("ocsf") => output.ocsf = true,
            Some(_) => has_set = true,
            None => {}
        }
    }
    match section.get("set") {
        Some(at) if has_set => output.set = set(&at),
        Some(at) => at.fault_with("has no effect without SETs", "write `also: [set]`, or take it out"),
        None if has_set => {
            output.set = Some(SetOutput { audience: None, subject_issuer: None, listen: LISTEN, url: None, receivers: Vec::new() })
        }
        None => {}
    }
    output
}

fn set(at: &At<'_>) -> Option<SetOutput> {
    let map = at.map()?;
    let text = |key| map.get(key).and_then(|at| at.short_text(NAME_BYTES_MAX)).map(str::to_owned);
    let mut receivers: Vec<Receiver> = Vec::new();
    for item in map.get("receivers").and_then(|at| at.list()).unwrap_or_default() {
        let Some(receiver) = receiver(&item) else { continue };
        if receivers.iter().any(|r| r.name == receiver.name) {
            item.fault(format!("the receiver {:?} is there twice", receiver.name));
        }
        if receiver.token_digest.is_some() && receivers.iter().any(|r| r.token_digest == receiver.token_digest) {
            item.fault("has the token of another receiver: each has a token of its own");
        }
        receivers.push(receiver);
    }
    Some(SetOutput {
        audience: text("audience"),
        subject_issuer: text("subject_issuer"),
        listen: address(&map, LISTEN),
        url: text("url"),
        receivers,
    })
}

fn receiver(item: &At<'_>) -> Option<Receiver> {
    let map = item.map()?;
    let name = map.need("name").and_then(|at| {
        let name = at.short_text(NAME_BYTES_MAX)?;
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            at.fault(format!("{name:?} cannot be the end of a consumer group's name: letters, digits, `.`, `_` and `-` are allowed"));
            return None;
        }
        Some(name.to_owned())
    });
    let tenants = map.get("tenants").and_then(|at| at.list()).unwrap_or_default();
    let tenants = tenants.iter().filter_map(|at| at.short_text(NAME_BYTES_MAX)).map(str::to_owned).collect();
    let token = map.get("token_file").and_then(|at| {
        let file = at.short_text(PATH_BYTES_MAX)?;
        Some((PathBuf::from(file), secret_file(&at, file)?))
    });
    let push = map.get("push").map(|at| {
        let url = at.short_text(PATH_BYTES_MAX).and_then(|text| push_url(&at, text))?;
        Some(Push { url, token: token.clone() })
    });
    let token_digest = map.get("token_digest").and_then(|at| token_digest(&at));
    if push.is_none() && token.is_some() {
        item.fault_with("token_file is for pushing, and this receiver polls", "give it `push: URL`, or take token_file out");
    }
    if push.is_none() && map.get("token_digest").is_none() {
        item.fault_with(
            "a receiver is pushed to or polls",
            "give it `push: URL`, or `token_digest` of the token that it polls with (`portcullis set token`)",
        );
    }
    let push = match push {
        Some(push) => Some(push?),
        None => None,
    };
    Some(Receiver { name: name?, tenants, push, token_digest })
}

/// SETs name people, and the token opens the door: nothing but TLS, save to ourselves.
fn push_url(at: &At<'_>, text: &str) -> Option<Url> {
    let Ok(url) = Url::parse(text) else {
        at.fault_with(format!("{text:?} is no URL"), "write `https://idp.example/ssf/events`");
        return None;
    };
    let is_loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && is_loopback) {
        return Some(url);
    }
    at.fault_with(format!("{text:?} is neither https nor this host"), "SETs and their token go over TLS (RFC 8935)");
    None
}
