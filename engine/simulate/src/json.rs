//! Events as JSON, written by hand into reused buffers. Everything written here is made here and is plain ASCII without quotes, so nothing needs escaping.

use crate::clock::write_time;
use crate::identity::{Device, Machine, Who};
use crate::world::{Spot, TENANTS};
use std::io::Write;

/// What an acquirer says of stolen and invented cards.
pub const DECLINES: [&str; 4] = ["do_not_honor", "invalid_number", "stolen_card", "incorrect_cvc"];

/// Type and outcome of an event; no outcome where none is logged.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Head {
    pub kind: &'static str,
    pub outcome: &'static str,
}

impl Head {
    /// A record that an engine believes from a trusted input only.
    pub fn is_control(self) -> bool {
        ["inventory.", "containment.", "feedback.", "credential.exposed", "device.posture", "risk."]
            .iter()
            .any(|k| self.kind.starts_with(k))
    }
}

/// What somebody who watches says: nothing that can fail.
pub const fn fact(kind: &'static str) -> Head {
    Head { kind, outcome: "" }
}

pub const fn success(kind: &'static str) -> Head {
    Head { kind, outcome: "success" }
}

pub const fn failure(kind: &'static str) -> Head {
    Head { kind, outcome: "failure" }
}

/// `{"id":"e-0000001","time":"...","type":"...","outcome":"..."` and the rest, which starts with a comma and lacks the closing brace.
pub fn line(out: &mut Vec<u8>, id: u64, at: i64, head: Head, parts: [&[u8]; 3]) {
    out.extend_from_slice(b"{\"id\":\"");
    event_id(out, id);
    out.extend_from_slice(b"\",\"time\":");
    write_time(out, at);
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(head.kind.as_bytes());
    if !head.outcome.is_empty() {
        out.extend_from_slice(b"\",\"outcome\":\"");
        out.extend_from_slice(head.outcome.as_bytes());
    }
    out.push(b'"');
    for part in parts {
        out.extend_from_slice(part);
    }
    out.push(b'}');
}

/// `e-0000001`: numbered in the order in which things happened, whatever the order in which they are shipped.
pub fn event_id(out: &mut Vec<u8>, id: u64) {
    out.extend_from_slice(b"e-");
    let mut digits = [b'0'; 20];
    let (mut rest, mut at) = (id, digits.len());
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits[at.min(digits.len() - 7)..]);
}

/// Formats into a buffer. Writing to a `Vec` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)+) => {{
        let _ = write!($out, $($arg)+);
    }};
}
pub(crate) use put;

/// `,"tenant":...,"identity":{...},"provider":{...}`
pub fn identity(out: &mut Vec<u8>, tenant: usize, who: Who, on_behalf_of: Option<Who>) {
    let name = TENANTS[tenant];
    put!(out, r#","tenant":"{name}","identity":{{"id":"{}","class":"{}""#, who.id(), who.class.name());
    if let Some(principal) = on_behalf_of {
        put!(out, r#","on_behalf_of":"{}""#, principal.id());
    }
    let (product, host) = if who.class.is_person() { ("keycloak", "login") } else { ("gateway", "api") };
    put!(out, r#"}},"provider":{{"product":"{product}","instance":"https://{host}.{name}.example"}}"#);
}

/// `,"tenant":...,"identity":{...}` of a name that nobody has.
pub fn unknown_identity(out: &mut Vec<u8>, tenant: usize, id: &str) {
    let name = TENANTS[tenant];
    put!(
        out,
        r#","tenant":"{name}","identity":{{"id":"{id}"}},"provider":{{"product":"keycloak","instance":"https://login.{name}.example"}}"#
    );
}

/// What of a source the log did not record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gaps {
    pub place: bool,
    pub fingerprint: bool,
    pub device: bool,
}

/// `,"source":{...}` of a device at a place.
pub fn source(out: &mut Vec<u8>, spot: &Spot, device: &Device, posture: &str, gaps: Gaps) {
    place(out, spot, gaps);
    put!(out, r#","user_agent":"{}""#, device.user_agent);
    if !gaps.device {
        put!(out, r#","device_id":"d-{:010x}""#, device.id);
    }
    if !gaps.fingerprint {
        put!(out, r#","ja4":"{}""#, device.ja4);
    }
    if !posture.is_empty() {
        put!(out, r#","posture":"{posture}""#);
    }
    out.push(b'}');
}

/// `,"source":{...}` of a program. An empty `workload` says none.
pub fn workload_source(out: &mut Vec<u8>, spot: &Spot, user_agent: &str, workload: &str, proof: &str) {
    place(out, spot, Gaps::default());
    put!(out, r#","user_agent":"{user_agent}""#);
    if !workload.is_empty() {
        put!(out, r#","workload":"{workload}","workload_proof":"{proof}""#);
    }
    out.push(b'}');
}

fn place(out: &mut Vec<u8>, spot: &Spot, gaps: Gaps) {
    out.extend_from_slice(b",\"source\":{\"ip\":\"");
    spot.write_ip(out);
    put!(out, r#"","asn":{},"country":"{}""#, spot.asn, spot.country);
    if !gaps.place {
        let degrees = |out: &mut Vec<u8>, hundredths: i32| {
            put!(out, "{}{}.{:02}", if hundredths < 0 { "-" } else { "" }, hundredths.abs() / 100, hundredths.abs() % 100);
        };
        out.extend_from_slice(b",\"lat\":");
        degrees(out, spot.lat);
        out.extend_from_slice(b",\"lon\":");
        degrees(out, spot.lon);
        put!(out, r#","radius_km":{}"#, spot.radius_km);
    }
    put!(out, r#","network":"{}""#, spot.kind.name());
}

/// `,"credential":{...}`. `expires_at` of `None` never does; `parent` and `client`, the integration it was issued to, may be empty.
pub fn credential(out: &mut Vec<u8>, id: &str, kind: &str, issued_at: i64, expires_at: Option<i64>, parent: &str, client: &str) {
    put!(out, r#","credential":{{"id":"{id}","kind":"{kind}","issued_at":"#);
    write_time(out, issued_at);
    if let Some(at) = expires_at {
        out.extend_from_slice(b",\"expires_at\":");
        write_time(out, at);
    }
    if !parent.is_empty() {
        put!(out, r#","parent":"{parent}""#);
    }
    if !client.is_empty() {
        put!(out, r#","client_id":"{client}""#);
    }
    out.push(b'}');
}

/// `,"session":{"id":...}`
pub fn session(out: &mut Vec<u8>, id: &str) {
    put!(out, r#","session":{{"id":"{id}"}}"#);
}

/// `,"auth":{...}`; `failure` may be empty, `amr` too.
pub fn auth(out: &mut Vec<u8>, method: &str, failure: &str, amr: &[&str]) {
    put!(out, r#","auth":{{"method":"{method}""#);
    if !failure.is_empty() {
        put!(out, r#","failure":"{failure}""#);
    }
    if !amr.is_empty() {
        put!(out, r#","amr":["{}"]"#, amr.join("\",\""));
    }
    out.push(b'}');
}

/// `,"request":{...}`; `object`, `scope` and `target` may be empty.
pub struct Request<'a> {
    pub method: &'a str,
    pub route: &'a str,
    pub status: u16,
    pub bytes: u64,
    pub object: Option<u64>,
    pub scope: &'a str,
    pub target: Option<Who>,
}

impl<'a> Request<'a> {
    /// One that succeeds and touches nothing in particular.
    pub const fn new(method: &'a str, route: &'a str, scope: &'a str) -> Request<'a> {
        Request { method, route, status: 200, bytes: 900, object: None, scope, target: None }
    }
}

pub fn request(out: &mut Vec<u8>, r: &Request<'_>) {
    put!(out, r#","request":{{"method":"{}","route":"{}","status":{},"bytes":{}"#, r.method, r.route, r.status, r.bytes);
    if let Some(object) = r.object {
        put!(out, r#","object":"o-{object:08x}""#);
    }
    if !r.scope.is_empty() {
        put!(out, r#","scope":"{}""#, r.scope);
    }
    if let Some(target) = r.target {
        put!(out, r#","target":"{}""#, target.id());
    }
    out.push(b'}');
}

/// `,"change":{...}` of these fields.
pub fn change(out: &mut Vec<u8>, fields: &[(&str, &str)]) {
    for (n, (name, value)) in fields.iter().enumerate() {
        put!(out, r#"{}"{name}":"{value}""#, if n == 0 { r#","change":{"# } else { "," });
    }
    out.push(b'}');
}

/// `,"checkout":{...}`
pub struct Checkout<'a> {
    pub order: u64,
    pub amount: i64,
    pub card: u64,
    pub card_country: &'a str,
    pub declined: Option<&'a str>,
}

pub fn checkout(out: &mut Vec<u8>, c: &Checkout<'_>) {
    put!(
        out,
        r#","checkout":{{"order":"ord-{:010x}","amount":{},"currency":"EUR","card":"card-{:012x}","card_country":"{}","channel":"web","result":"{}""#,
        c.order & 0xff_ffff_ffff,
        c.amount,
        c.card & 0xffff_ffff_ffff,
        c.card_country,
        if c.declined.is_some() { "declined" } else { "approved" }
    );
    if let Some(reason) = c.declined {
        put!(out, r#","decline":"{reason}""#);
    }
    out.push(b'}');
}

/// `,"privileged":{...}`: a session on an account of that system; no ticket where there is none.
pub fn privileged(out: &mut Vec<u8>, system: &str, ticket: Option<u64>, session: &str) {
    put!(out, r#","privileged":{{"account":"root@{system}","target":"{system}-db","session":"p{session}""#);
    if let Some(ticket) = ticket {
        put!(out, r#","ticket":"CHG-{ticket}""#);
    }
    out.push(b'}');
}

/// `,"agent":{...}`: a tool used within a task.
pub fn agent(out: &mut Vec<u8>, tool: &str, machine: &Machine, task: u64) {
    put!(
        out,
        r#","agent":{{"tool":"{tool}","model":"model-{}","delegation":"dlg-{:06x}","task":"task-{task}"}}"#,
        machine.key % 3 + 1,
        machine.key >> 40
    );
}
