//! `cef`: ArcSight's Common Event Format, which many appliances speak, usually within `syslog`.
//!
//! `CEF:0|vendor|product|version|signature|name|severity|key=value ...`
//!
//! | words in the category (`cat`), the name or the signature | type |
//! |---|---|
//! | log-out, log-off; MFA, OTP, second factor; log-in, log-on, sign-in, authentication, SSH, VPN session | `auth.logout`; `auth.mfa`; `auth.login` |
//! | password and reset; and change | `auth.recovery`; `credential.rotate` |
//! | account or user, and created, deleted, disabled or locked, enabled or unlocked, changed | `account.*` |
//! | group, role or privilege, and added, granted or assigned; removed or revoked | `privilege.grant`; `privilege.revoke` |
//! | none of them, but `requestMethod` | `api.request` |
//! | none of them | ignored as `cef:PRODUCT:SIGNATURE` |
//!
//! | CEF | event |
//! |---|---|
//! | `externalId` | `id` |
//! | `rt`, else `end`, `start` (ms, RFC 3339, or `May 01 2026 10:00:00`, UTC) | `time` |
//! | `outcome`, `act` (allowed, blocked, ...), words of failure in the name | `outcome` |
//! | `reason`, `msg`, the name | `auth.failure` |
//! | `duser`, else `duid`, `suser`, `suid` where somebody authenticates; elsewhere `suser` first | `identity.id` |
//! | `duser`, `duid` where `suser` acted | `change.target`, `request.target` |
//! | `src`, `requestClientApplication`, `shost` | `source.{ip,user_agent,device_id}` |
//! | product in small letters, `dvchost`; `sntdom`, `dntdom` | `provider`; `identity.issuer` |
//! | `requestMethod`, `request` as a template, `out`; `fname`, `dproc` are not read | `request` |
//! | `cs1`...`cs6` whose label names a role or group, or a session | `change.role`, `session.id` |
//!
//! CEF gives a name to every vendor's thing, so this table goes by words; where a vendor's own log is at hand, take that.
//!
//! Examples: written from the documented fields ("Implementing ArcSight Common Event Format", version 26).

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item};
use portcullis_core::event::{Auth, Change, EventType, Outcome, Request, Session, Source};
use portcullis_core::text::Text;
use portcullis_core::time::Time;
use std::borrow::Cow;

/// Reads one record.
pub(super) fn decode(line: &str) -> Result<Item<'_>, Fault> {
    let Some(cef) = Cef::parse(line) else {
        return Err(Fault::new("", "not CEF: `CEF:0|vendor|product|version|signature|name|severity|` is missing or cut"));
    };
    let said = format!("{} {} {}", cef.extension.get("cat").str(), cef.name, cef.signature).to_ascii_lowercase();
    let Some(kind) = kind(&said).or_else(|| (!cef.extension.get("requestMethod").is_null()).then_some(EventType::ApiRequest)) else {
        return Ok(Item::ignored(super::kind_of("cef", Some(&Text::from(format!("{}:{}", cef.product, cef.signature))))));
    };
    let json = &cef.extension;
    let time = fields::time(json, &["rt", "end", "start"], time)?;
    let (by, upon) = (fields::first(json, &["suser", "suid"]), fields::first(json, &["duser", "duid"]));
    // In a recovery somebody helps somebody else, as in other changes.
    let authenticates = kind.is_auth() && kind != EventType::AuthRecovery;
    let (who, target) =
        if authenticates { (upon.or(by), None) } else { (by.clone().or_else(|| upon.clone()), upon.filter(|_| by.is_some())) };
    let Some(id) = who else { return Ok(Item::ignored(format!("{} of nobody", super::kind_of("cef", Some(&cef.product))))) };
    let mut event = fields::event(kind, time, cef.signature.clone());
    event.id = fields::first(json, &["externalId"]).unwrap_or_default();
    event.outcome = outcome(json, &said);
    let identity = fields::identity(id, None, fields::first(json, &["dntdom", "sntdom"]));
    event.provider = Some(portcullis_core::event::Provider {
        product: Some(fields::lower(cef.product.clone())),
        instance: fields::first(json, &["dvchost", "deviceExternalId"]),
    });
    event.source = Source {
        ip: fields::ip(json.get("src")),
        user_agent: json.get("requestClientApplication").text(),
        device_id: json.get("shost").text().map(fields::lower),
        ..Source::default()
    }
    .unless_empty();
    event.session = Session { id: labelled(json, &["session"]), parent: None }.unless_empty();
    if kind.is_auth() {
        let failure = (event.outcome == Outcome::Failure)
            .then(|| fields::failure_said(&format!("{} {} {said}", json.get("reason").str(), json.get("msg").str())));
        event.auth = Auth { failure, ..Auth::default() }.unless_empty();
    }
    let target = target.filter(|target| *target != identity.id);
    match kind {
        EventType::ApiRequest => {
            event.request = Some(Request {
                method: json.get("requestMethod").text(),
                route: json.get("request").text().map(|url| Text::from(fields::route_template(path_of(&url)))),
                bytes: fields::bytes(json.get("out")),
                target,
                ..Request::default()
            });
        }
        EventType::AccountUpdate | EventType::AuthRecovery => event.request = Request { target, ..Request::default() }.unless_empty(),
        _ => {
            let role = if matches!(kind, EventType::PrivilegeGrant | EventType::PrivilegeRevoke) {
                labelled(json, &["role", "group", "privilege"])
            } else {
                None
            };
            event.change = Change { target, role, ..Change::default() }.boxed_unless_empty();
        }
    }
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

/// Whether a line begins as CEF does.
pub(super) fn is_line(line: &str) -> bool {
    line.starts_with("CEF:")
}

/// The parts of a record that this format reads.
struct Cef<'a> {
    product: Text<'a>,
    signature: Text<'a>,
    name: Text<'a>,
    extension: Json<'a>,
}

impl<'a> Cef<'a> {
    fn parse(line: &'a str) -> Option<Cef<'a>> {
        let mut rest = line.strip_prefix("CEF:")?;
        let mut header = || {
            let end = unescaped(rest, '|')?;
            let field = Text(resolved(&rest[..end]));
            rest = &rest[end + 1..];
            Some(field)
        };
        let (_version, _vendor, product, _release, signature, name, _severity) =
            (header()?, header()?, header()?, header()?, header()?, header()?, header()?);
        Some(Cef { product, signature, name, extension: Json::Object(extension(rest)) })
    }
}

/// Where `mark` stands without a backslash before it.
fn unescaped(text: &str, mark: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let found = c == mark && !escaped;
        escaped = c == '\\' && !escaped;
        found.then_some(at)
    })
}

/// `\|`, `\=`, `\\` and `\n` as what they stand for.
fn resolved(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let (mut out, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('n' | 'r') => '\n',
                Some(other) => other,
                None => '\\',
            },
            c => c,
        });
    }
    Cow::Owned(out)
}

/// `key=value key=value`: a value goes on to the last space before the next key.
fn extension(text: &str) -> Vec<(Cow<'_, str>, Json<'_>)> {
    let (mut fields, mut rest) = (Vec::new(), text.trim_start());
    while let Some(equals) = unescaped(rest, '=') {
        let (key, behind) = (&rest[..equals], &rest[equals + 1..]);
        let end = match unescaped(behind, '=') {
            Some(next) => behind[..next].rfind(' ').unwrap_or(next),
            None => behind.len(),
        };
        fields.push((Cow::Borrowed(key.trim()), Json::Text(resolved(behind[..end].trim()))));
        rest = behind[end..].trim_start();
        // `a==b`: what follows is no key.
        if end == 0 && rest.starts_with('=') {
            break;
        }
    }
    fields
}

/// The custom string whose label holds one of these words.
fn labelled<'a>(json: &Json<'a>, words: &[&str]) -> Option<Text<'a>> {
    (1..=6).find_map(|n| {
        let label = json.get(&format!("cs{n}Label")).str().to_ascii_lowercase();
        words.iter().any(|word| label.contains(word)).then(|| json.get(&format!("cs{n}")).text())?
    })
}

fn time(json: &Json) -> Option<Time> {
    json.millis().or_else(|| json.time()).or_else(|| {
        // `May 01 2026 10:00:00.123 UTC`
        let mut words = json.str().split_whitespace();
        let (month, day, year, clock) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let month = 1 + fields::MONTHS.iter().position(|name| *name == month)?;
        Time::parse(&format!("{year}-{month:02}-{day:0>2}T{clock}Z"))
    })
}

/// The table of words.
fn kind(said: &str) -> Option<EventType> {
    use EventType::*;
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let removes = || has(&["remove", "revoke", "delete"]);
    Some(if has(&["logout", "logoff", "log off", "log out", "logged out", "signout", "sign out"]) {
        AuthLogout
    } else if has(&["mfa", "2fa", "otp", "second factor", "two-factor"]) {
        AuthMfa
    } else if has(&["password"]) && has(&["reset", "recover"]) {
        AuthRecovery
    } else if has(&["password"]) && has(&["change", "update"]) {
        CredentialRotate
    } else if has(&["role", "privilege", "group", "permission"]) && has(&["add", "grant", "assign", "remove", "revoke"]) {
        if removes() { PrivilegeRevoke } else { PrivilegeGrant }
    } else if has(&["login", "logon", "log in", "log on", "logged in", "sign-in", "signin", "sign in", "authenticat", "vpn session"]) {
        AuthLogin
    } else if has(&["account", "user"]) && has(&["unlock", "enabled"]) {
        AccountEnable
    } else if has(&["account", "user"]) && has(&["lock", "disabled", "suspend"]) {
        AccountDisable
    } else if has(&["account", "user"]) && has(&["created", "added"]) {
        AccountCreate
    } else if has(&["account", "user"]) && removes() {
        AccountDelete
    } else if has(&["account", "user"]) && has(&["changed", "modified", "updated"]) {
        AccountUpdate
    } else {
        return None;
    })
}

fn outcome(json: &Json, said: &str) -> Outcome {
    let written = format!("{} {}", json.get("outcome").str(), json.get("act").str()).to_ascii_lowercase();
    let has = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
    const FAILED: &[&str] = &["fail", "den", "block", "reject", "invalid", "unsuccessful"];
    if has(&written, FAILED) {
        Outcome::Failure
    } else if has(&written, &["success", "allow", "accept", "permit"]) {
        Outcome::Success
    } else if has(said, FAILED) {
        Outcome::Failure
    } else if has(said, &["success"]) {
        Outcome::Success
    } else {
        Outcome::Unknown
    }
}

/// `/a/b` of `https://host/a/b`.
fn path_of(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
    if url.len() == behind.len() { url } else { behind.find('/').map_or("/", |at| &behind[at..]) }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("cef", None))
    }

    #[test]
    fn a_log_in_that_failed() {
        let cef = r"CEF:0|Acme|Secure\|Gate|9.1|AUTH-17|VPN login failed|5|rt=1777629600353 externalId=e src=192.0.2.7 duser=alice dvchost=gw1 outcome=failure reason=Bad password\=wrong msg=user alice, try 2 cs1=s-1 cs1Label=Session ID";
        let expected = concat!(
            r#"{"id":"e","time":"2026-05-01T10:00:00.353Z","type":"auth.login","outcome":"failure","tenant":"default","#,
            r#""identity":{"id":"alice"},"provider":{"product":"secure|gate","instance":"gw1"},"session":{"id":"s-1"},"source":{"ip":"192.0.2.7"},"#,
            r#""auth":{"failure":"bad_password"},"stamp":{"native_type":"AUTH-17"}}"#
        );
        assert_eq!(read(cef), expected);
        assert_eq!(read(&format!("<134>1 2026-05-01T10:00:00Z gw1 acme - - - {cef}")), expected);
        assert_eq!(read(&format!("<134>May 01 10:00:00 gw1 {cef}")), expected);
    }

    #[test]
    fn words_tell_the_type() {
        for (name, rest, expected) in [
            ("User logged out", "duser=a", r#""type":"auth.logout""#),
            ("Account locked", "suser=adm duser=a", r#""change":{"target":"a"}"#),
            ("User account created", "suser=adm duser=a", r#""type":"account.create""#),
            ("Member added to group", "suser=adm duser=a cs2=ops cs2Label=Group Name", r#""change":{"role":"ops","target":"a"}"#),
            ("Password reset", "suser=adm duser=a", r#""request":{"target":"a"}"#),
            (
                "HTTP",
                "suser=a requestMethod=GET request=https://h/v1/users/17?x\\=1 out=12",
                r#""request":{"method":"GET","route":"/v1/users/{id}","bytes":12}"#,
            ),
            ("Interface down", "suser=a", "cef:P:S"),
        ] {
            let event = read(&format!("CEF:0|V|P|1|S|{name}|1|rt=May 01 2026 10:00:00 {rest}"));
            assert!(event.contains(expected), "{name}: {event}");
        }
        assert_eq!(read("CEF:0|V|P|1|S|login|1|rt=1777629600353"), "cef:P of nobody");
        assert_eq!(read("CEF:0|V|P|1|S|login|1|duser=a"), "rt: missing");
        assert!(read("CEF:0|V|P").starts_with("not CEF"));
        for broken in
            ["CEF:0|V|P|1|S|login|1|==", "CEF:0|V|P|1|S|login|1|a==b=c", "CEF:0|V|P|1|S|login|1|\\", "CEF:0|V|P|1|S|login|1|rt=\\"]
        {
            assert!(!read(broken).is_empty());
        }
    }
}
