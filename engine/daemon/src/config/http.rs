//! `http`: where probes and metrics are, and, if it is wanted, where people see what waits and answer.

use super::read::{NAME_BYTES_MAX, address, path, section, token_digest};
use portcullis_core::policy::yaml::{At, Map};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

#[derive(Clone, PartialEq, Debug)]
pub struct Http {
    pub listen: SocketAddr,
    /// None: containment is seen and answered by the command line alone.
    pub contain: Option<Contain>,
}

/// Containment over HTTP: an address of its own, for it asks who is there.
#[derive(Clone, PartialEq, Debug)]
pub struct Contain {
    pub listen: SocketAddr,
    /// False: it is seen, and not answered.
    pub answers: bool,
    pub people: Vec<Person>,
}

/// Somebody with a token.
#[derive(Clone, PartialEq, Debug)]
pub struct Person {
    pub name: String,
    /// BLAKE3 of the token.
    pub token_digest: blake3::Hash,
    /// What their answers are signed with; none: they may look.
    pub key_file: Option<PathBuf>,
}

pub(super) const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
pub(super) const CONTAIN_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9465);

pub(super) fn read(map: &Map<'_>) -> Http {
    let mut http = Http { listen: LISTEN, contain: None };
    let Some(section) = section(map, "http") else { return http };
    http.listen = address(&section, LISTEN);
    http.contain = section.get("contain").and_then(|at| contain(&at));
    http
}

fn contain(at: &At<'_>) -> Option<Contain> {
    let map = at.map()?;
    let listen = address(&map, CONTAIN_LISTEN);
    let answers = map.get("answers").and_then(|at| at.bool()).unwrap_or(false);
    let list = map.need("people")?;
    let mut people: Vec<Person> = Vec::new();
    for item in list.list().unwrap_or_default() {
        let Some(person) = person(&item) else { continue };
        if people.iter().any(|p| p.token_digest == person.token_digest) {
            item.fault("has the token of somebody else: each has a token of their own");
        }
        people.push(person);
    }
    if answers && !people.iter().any(|p| p.key_file.is_some()) {
        list.fault_with(
            "nobody has a key_file, so nobody can answer",
            "`portcullis contain token --name NAME --key FILE` prints the line to put here",
        );
    }
    Some(Contain { listen, answers, people })
}

fn person(item: &At<'_>) -> Option<Person> {
    let map = item.map()?;
    let name = map.need("name").and_then(|at| at.short_text(NAME_BYTES_MAX)).map(str::to_owned);
    let digest = map.need("token_digest").and_then(|at| token_digest(&at));
    let key_file = path(&map, "key_file");
    Some(Person { name: name?, token_digest: digest?, key_file })
}
