//! `windows_security`: the Security log of Windows and Active Directory, as Winlogbeat (or the Elastic agent) and NXLog ship it in JSON.
//!
//! | form | how it is told |
//! |---|---|
//! | Winlogbeat | `winlog.event_id`, fields in `winlog.event_data` |
//! | NXLog | `EventID` and `Channel` or `SourceName`, fields beside them; `EventTime` without a zone means UTC |
//!
//! | event | type | who |
//! |---|---|---|
//! | 4624, 4625 log-on | `auth.login` | `TargetUserName` |
//! | 4634, 4647 log-off | `auth.logout` | `TargetUserName` |
//! | 4648 log-on with somebody's credentials | `auth.token` | `SubjectUserName`; `request.target` `TargetUserName`, `request.object` the server |
//! | 4672 special privileges | `api.request` | `SubjectUserName`; `request.scope` the privileges |
//! | 4720, 4722, 4725, 4726 | `account.create`, `.enable`, `.disable`, `.delete` | `SubjectUserName` on `TargetUserName` |
//! | 4723 own password | `credential.rotate` | `SubjectUserName` |
//! | 4724 somebody's password; 4738 account changed | `auth.recovery`; `account.update` | `SubjectUserName`; `request.target` `TargetUserName` |
//! | 4728, 4732, 4756; 4729, 4733, 4757 group members | `privilege.grant`; `privilege.revoke` | `SubjectUserName`; `change.role` the group, `change.target` the member |
//! | 4740; 4767 lock | `account.disable` of oneself, locked; `account.enable` | `TargetUserName`; `SubjectUserName` on it |
//! | 4768 TGT; 4771 its failure | `auth.login`, kerberos (`mtls` by certificate) | `TargetUserName` |
//! | 4769, 4770 service ticket | `auth.token`; `credential.audience` the service | `TargetUserName` |
//! | 4776 NTLM | `auth.login`, legacy | `TargetUserName` |
//! | any other | ignored as `windows_security:ID` | |
//!
//! | field | event |
//! |---|---|
//! | `winlog.record_id`, `RecordNumber` with the computer | `id` |
//! | `@timestamp`, `EventTime` | `time` |
//! | the user name in small letters, without `@REALM`; `computer\name` of a local account | `identity.id`: the only name that all these events share (4771 and 4776 know no SID, 4768 writes the domain otherwise than 4624) |
//! | SID, domain | `identity.native_id`, `identity.issuer` and `provider.instance` |
//! | names that end in `$` | class `service` |
//! | `Status`, `SubStatus`, `FailureCode`; `event.outcome`, `EventType` | `outcome`, `auth.failure` by [`failure`] |
//! | `AuthenticationPackageName`, `LogonType` | `auth.method` |
//! | `TargetLogonId`, `SubjectLogonId` with the computer | `session.id` |
//! | `IpAddress`, `WorkstationName`, `Workstation`; of 4740 `TargetDomainName` | `source.{ip,device_id}`; loopback is no address |
//!
//! Ignored and counted as well: log-ons of the system itself (`SYSTEM`, `LOCAL SERVICE`, `NETWORK SERVICE`, window and font managers,
//! anonymous).
//!
//! Examples: written from the documented fields (Microsoft "Advanced security auditing", per event; NTSTATUS and Kerberos error codes).

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item};
use portcullis_core::event::{
    Auth, AuthFailure, AuthMethod, Change, Class, Credential, CredentialKind, EventType, Identity, Outcome, Request, Session, Source,
};
use portcullis_core::text::Text;
use std::net::IpAddr;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let winlog = json.get("winlog");
    let beats = winlog.is_object();
    let data = if beats { winlog.get("event_data") } else { json };
    let number = if beats { winlog.get("event_id").int() } else { json.get("EventID").int() };
    let Some(number) = number else { return Err(Fault::new(if beats { "winlog.event_id" } else { "EventID" }, "missing, or no number")) };
    let channel = if beats { winlog.get("channel").str() } else { json.get("Channel").str() };
    if !matches!(channel, "" | "Security") {
        return Ok(Item::ignored(format!("windows_security:{number} of another log")));
    }
    let Some((kind, actor)) = meaning(number) else { return Ok(Item::ignored(format!("windows_security:{number}"))) };
    let places: &[&str] = if beats { &["@timestamp"] } else { &["EventTime", "EventReceivedTime"] };
    let time = fields::time(json, places, Json::time)?;
    let computer = if beats { winlog.get("computer_name").text() } else { fields::first(json, &["Hostname", "Computer"]) };
    let record = Record { data, computer: computer.unwrap_or_default() };
    let Some(mut identity) = record.account(actor) else { return Ok(Item::ignored(format!("windows_security:{number} of the system"))) };
    if identity.id.ends_with('$') {
        identity.class = Some(Class::Service);
    }
    if number == 4740 {
        // The field of the domain holds the computer that locked the account out.
        identity.issuer = None;
    }
    let mut event = fields::event(kind, time, number.to_string());
    let id = if beats { winlog.get("record_id").name() } else { json.get("RecordNumber").name() };
    event.id = id.map(|id| record.here(&id)).unwrap_or_default();
    let failure = failure(number, data);
    let audited_failure = json.at("event.outcome").str() == "failure" || json.get("EventType").str() == "AUDIT_FAILURE";
    event.outcome = if number == 4740 { Outcome::Success } else { fields::outcome(failure.is_none() && !audited_failure) };
    event.provider = fields::provider("windows", identity.issuer.clone());
    let logon = if number == 4625 { None } else { data.get(actor.field("LogonId")).text() };
    event.session = Session { id: logon.filter(|id| id.as_str() != "0x0").map(|id| record.here(&id)), parent: None }.unless_empty();
    event.source = Source { ip: address(data.get("IpAddress")), device_id: record.workstation(number), ..Source::default() }.unless_empty();
    if kind.is_auth() || number == 4740 {
        event.auth = Auth { method: method(number, data), failure, ..Auth::default() }.unless_empty();
    }
    let other = record.account(Role::Target).map(|target| target.id).filter(|target| *target != identity.id);
    let (mut change, mut request) = (Change::default(), Request::default());
    match number {
        4648 => (request.target, request.object) = (other, fields::first(data, &["TargetServerName", "TargetInfo"])),
        4672 => {
            request = Request {
                route: Some(Text::borrowed("SpecialLogon")),
                scope: data.get("PrivilegeList").text().map(one_line),
                ..Request::default()
            };
        }
        4723 => {
            event.credential = Some(Credential { kind: Some(CredentialKind::Password), ..Credential::default() });
            change.target = other;
        }
        4724 | 4738 => request.target = other,
        4728 | 4729 | 4732 | 4733 | 4756 | 4757 => {
            change.role = data.get("TargetUserName").text();
            change.target = record.member();
        }
        4769 | 4770 => event.credential = Credential { audience: data.get("ServiceName").text(), ..Credential::default() }.unless_empty(),
        4720 | 4722 | 4725 | 4726 | 4767 => change.target = other,
        _ => {}
    }
    event.change = change.boxed_unless_empty();
    event.request = request.unless_empty();
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

/// Which of the two accounts of a record: `SubjectUserName` or `TargetUserName`.
#[derive(Clone, Copy)]
enum Role {
    Subject,
    Target,
}

impl Role {
    fn field(self, name: &str) -> &'static str {
        match (self, name) {
            (Role::Subject, "UserName") => "SubjectUserName",
            (Role::Subject, "DomainName") => "SubjectDomainName",
            (Role::Subject, "LogonId") => "SubjectLogonId",
            (Role::Subject, _) => "SubjectUserSid",
            (Role::Target, "UserName") => "TargetUserName",
            (Role::Target, "DomainName") => "TargetDomainName",
            (Role::Target, "LogonId") => "TargetLogonId",
            (Role::Target, _) => "TargetUserSid",
        }
    }
}

/// The table of events: our type, and which account acted.
fn meaning(number: i64) -> Option<(EventType, Role)> {
    use EventType::*;
    use Role::*;
    Some(match number {
        4624 | 4625 | 4768 | 4771 | 4776 => (AuthLogin, Target),
        4634 | 4647 => (AuthLogout, Target),
        4648 => (AuthToken, Subject),
        4769 | 4770 => (AuthToken, Target),
        4672 => (ApiRequest, Subject),
        4720 => (AccountCreate, Subject),
        4722 | 4767 => (AccountEnable, Subject),
        4723 => (CredentialRotate, Subject),
        4724 => (AuthRecovery, Subject),
        4725 => (AccountDisable, Subject),
        4726 => (AccountDelete, Subject),
        4738 => (AccountUpdate, Subject),
        4740 => (AccountDisable, Target),
        4728 | 4732 | 4756 => (PrivilegeGrant, Subject),
        4729 | 4733 | 4757 => (PrivilegeRevoke, Subject),
        _ => return None,
    })
}

struct Record<'j, 'a> {
    data: &'j Json<'a>,
    computer: Text<'a>,
}

impl<'a> Record<'_, 'a> {
    /// Something that this computer numbers, as a name of its own.
    fn here(&self, what: &str) -> Text<'a> {
        Text::from(format!("{}/{what}", self.computer))
    }

    fn account(&self, role: Role) -> Option<Identity<'a>> {
        let written = self.data.get(role.field("UserName")).text()?;
        let name = match written.find('@') {
            Some(at) => fields::part(&written, ..at).filter(|name| !name.is_empty()).unwrap_or(written),
            None => written,
        };
        let sid =
            self.data.get(role.field("Sid")).text().or_else(|| self.data.get("TargetSid").text().filter(|_| matches!(role, Role::Target)));
        let of_the_system = |sid: &str| {
            matches!(sid, "S-1-5-18" | "S-1-5-19" | "S-1-5-20" | "S-1-5-7") || sid.starts_with("S-1-5-90-") || sid.starts_with("S-1-5-96-")
        };
        if sid.as_deref().is_some_and(of_the_system) || matches!(&*name, "SYSTEM" | "ANONYMOUS LOGON" | "LOCAL SERVICE" | "NETWORK SERVICE")
        {
            return None;
        }
        let domain = self.data.get(role.field("DomainName")).text();
        let host = self.computer.split('.').next().unwrap_or("");
        let name = fields::lower(name);
        let is_local =
            !host.is_empty() && !name.ends_with('$') && domain.as_deref().is_some_and(|domain| domain.eq_ignore_ascii_case(host));
        let id = if is_local { Text::from(format!("{}\\{name}", host.to_ascii_lowercase())) } else { name };
        // Of an account that is not known Windows writes "nobody".
        Some(fields::identity(id, sid.filter(|sid| sid.as_str() != "S-1-0-0"), domain))
    }

    /// `CN=Bob,OU=...` or, where the name is missing, the SID of who joined or left a group.
    fn member(&self) -> Option<Text<'a>> {
        let name = self.data.get("MemberName").text().and_then(|name| {
            let start = name.find('=').map_or(0, |at| at + 1);
            let end = name.find(',').unwrap_or(name.len());
            fields::part(&name, start..end.max(start))
        });
        name.filter(|name| !name.is_empty()).map(fields::lower).or_else(|| self.data.get("MemberSid").text())
    }

    /// The machine where it was typed, as far as the log names it.
    fn workstation(&self, number: i64) -> Option<Text<'a>> {
        let named = match number {
            4740 => self.data.get("TargetDomainName").text(),
            _ => fields::first(self.data, &["WorkstationName", "Workstation"]),
        };
        named.map(|name| fields::lower(Text::from(name.trim_start_matches('\\').to_owned())))
    }
}

/// An address that tells where somebody was: not the computer itself.
fn address<'a>(json: &Json<'a>) -> Option<Text<'a>> {
    fields::ip(json).filter(|text| !text.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// `PrivilegeList` holds one a line.
fn one_line(text: Text<'_>) -> Text<'_> {
    Text::from(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A status as a number: `0xc000006a`, `0x18`, in decimal, or `%%2305` (none of ours).
fn code(json: &Json) -> Option<i64> {
    let text = json.str().trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => json.int(),
    }
}

/// Why it failed; `None`: it did not.
fn failure(number: i64, data: &Json) -> Option<AuthFailure> {
    match number {
        4625 => {
            let detailed = code(data.get("SubStatus")).filter(|code| *code != 0).or_else(|| code(data.get("Status")));
            Some(detailed.map_or(AuthFailure::Other, of_ntstatus))
        }
        4776 => code(data.get("Status")).or_else(|| code(data.get("ErrorCode"))).filter(|code| *code != 0).map(of_ntstatus),
        4768..=4770 => code(data.get("Status")).or_else(|| code(data.get("FailureCode"))).filter(|code| *code != 0).map(of_kerberos),
        4771 => Some(code(data.get("Status")).or_else(|| code(data.get("FailureCode"))).map_or(AuthFailure::Other, of_kerberos)),
        // The log-ons failed that led to the lock; the lock itself happened.
        4740 => Some(AuthFailure::Locked),
        _ => None,
    }
}

fn of_ntstatus(code: i64) -> AuthFailure {
    match code {
        0xc000_0064 | 0xc000_005e => AuthFailure::UnknownIdentity,
        0xc000_006a | 0xc000_006d => AuthFailure::BadPassword,
        0xc000_0234 => AuthFailure::Locked,
        0xc000_0071 | 0xc000_0193 | 0xc000_0224 => AuthFailure::Expired,
        // Disabled, wrong hours, wrong workstation, restricted, log-on type not granted.
        0xc000_0072 | 0xc000_006f | 0xc000_0070 | 0xc000_006e | 0xc000_015b | 0xc000_0413 => AuthFailure::Policy,
        _ => AuthFailure::Other,
    }
}

fn of_kerberos(code: i64) -> AuthFailure {
    match code {
        0x6 | 0x7 => AuthFailure::UnknownIdentity,
        0x18 => AuthFailure::BadPassword,
        // KDC_ERR_CLIENT_REVOKED: locked, or disabled.
        0x12 => AuthFailure::Locked,
        0x1 | 0x2 | 0x17 | 0x20 => AuthFailure::Expired,
        0xc | 0x9 => AuthFailure::Policy,
        // Clocks apart; pre-authentication is asked for, as the protocol has it.
        0x19 | 0x25 => AuthFailure::Benign,
        _ => AuthFailure::Other,
    }
}

fn method(number: i64, data: &Json) -> Option<AuthMethod> {
    match number {
        4776 => Some(AuthMethod::Legacy),
        // PA-PK-AS-REQ: a smart card.
        4768 | 4771 if matches!(code(data.get("PreAuthType")), Some(15..=17)) => Some(AuthMethod::Mtls),
        4768..=4771 => Some(AuthMethod::Kerberos),
        4624 | 4625 | 4648 => match (data.get("AuthenticationPackageName").str(), data.get("LogonType").int()) {
            ("NTLM" | "NTLM V1" | "NTLM V2" | "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0", _) => Some(AuthMethod::Legacy),
            ("Kerberos", _) => Some(AuthMethod::Kerberos),
            // At the keyboard, unlocking, over the network in clear text, by remote desktop, from the cache.
            (_, Some(2 | 7 | 8 | 10 | 11)) => Some(AuthMethod::Password),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{AuthFailure, AuthMethod, Class, Event, EventType};

    fn beats(number: i64, data: &str) -> String {
        format!(
            r#"{{"@timestamp":"2026-05-01T10:00:00.353Z","event":{{"code":"{number}"}},"winlog":{{"channel":"Security","event_id":"{number}","record_id":17,"computer_name":"dc1.corp.example","event_data":{{{data}}}}}}}"#
        )
    }

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("windows", None))
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::WindowsSecurity, raw, &Input::behaviour("windows", None), check);
    }

    const ALICE: &str = r#""TargetUserName":"Alice","TargetDomainName":"CORP","TargetUserSid":"S-1-5-21-1-2-3-1104""#;
    const ADMIN: &str =
        r#""SubjectUserName":"Admin","SubjectDomainName":"CORP","SubjectUserSid":"S-1-5-21-1-2-3-500","SubjectLogonId":"0x3e9""#;

    #[test]
    fn a_log_on() {
        let data = format!(
            r#"{ALICE},"LogonType":"10","AuthenticationPackageName":"Negotiate","IpAddress":"192.0.2.7","WorkstationName":"WS-7","TargetLogonId":"0x1a2b""#
        );
        assert_eq!(
            read(&beats(4624, &data)),
            concat!(
                r#"{"id":"dc1.corp.example/17","time":"2026-05-01T10:00:00.353Z","type":"auth.login","outcome":"success","tenant":"default","#,
                r#""identity":{"id":"alice","issuer":"CORP","native_id":"S-1-5-21-1-2-3-1104"},"provider":{"product":"windows","instance":"CORP"},"#,
                r#""session":{"id":"dc1.corp.example/0x1a2b"},"source":{"ip":"192.0.2.7","device_id":"ws-7"},"auth":{"method":"password"},"stamp":{"native_type":"4624"}}"#
            )
        );
        let nxlog = format!(
            r#"{{"EventTime":"2026-05-01 10:00:00","Hostname":"dc1","Channel":"Security","EventID":4624,"RecordNumber":17,{data}}}"#
        );
        event(&nxlog, |event| assert_eq!((event.identity_id(), event.id.as_str()), (Some("alice"), "dc1/17")));
        assert!(read(&nxlog).contains(r#""type":"auth.login""#));
    }

    #[test]
    fn failures() {
        for (number, data, failure, method) in [
            (
                4625,
                r#""Status":"0xc000006d","SubStatus":"0xc000006a","AuthenticationPackageName":"NTLM""#,
                AuthFailure::BadPassword,
                Some(AuthMethod::Legacy),
            ),
            (4625, r#""Status":"0xc000006d","SubStatus":"0xc0000064""#, AuthFailure::UnknownIdentity, None),
            (4625, r#""Status":"0xc0000234","SubStatus":"0x0""#, AuthFailure::Locked, None),
            (
                4771,
                r#""Status":"0x18","PreAuthType":"2","IpAddress":"::ffff:192.0.2.7""#,
                AuthFailure::BadPassword,
                Some(AuthMethod::Kerberos),
            ),
            (4768, r#""Status":"0x6""#, AuthFailure::UnknownIdentity, Some(AuthMethod::Kerberos)),
            (4776, r#""Status":"0xc000006a","Workstation":"WS-7""#, AuthFailure::BadPassword, Some(AuthMethod::Legacy)),
        ] {
            event(&beats(number, &format!("{ALICE},{data}")), |event| {
                assert_eq!(
                    (event.kind, event.failed(), event.failure(), event.method()),
                    (EventType::AuthLogin, true, Some(failure), method),
                    "{number} {data}"
                );
            });
        }
        event(&beats(4771, &format!(r#"{ALICE},"Status":"0x18","IpAddress":"::ffff:192.0.2.7""#)), |event| {
            assert_eq!(event.ip(), Some("192.0.2.7"))
        });
        event(
            &beats(
                4740,
                r#""TargetUserName":"alice","TargetDomainName":"WS-7","TargetSid":"S-1-5-21-1-2-3-1104","SubjectUserName":"DC1$""#,
            ),
            |event| {
                assert_eq!(
                    (event.kind, event.identity_id(), event.failure(), event.device_id()),
                    (EventType::AccountDisable, Some("alice"), Some(AuthFailure::Locked), Some("ws-7"))
                );
            },
        );
    }

    #[test]
    fn what_administrators_do() {
        for (number, rest, expected) in [
            (4720, "", r#""change":{"target":"alice"}"#),
            (4726, "", r#""type":"account.delete""#),
            (4724, "", r#""request":{"target":"alice"}"#),
            (4648, r#","TargetServerName":"files.corp.example""#, r#""request":{"object":"files.corp.example","target":"alice"}"#),
        ] {
            let event = read(&beats(number, &format!("{ADMIN},{ALICE}{rest}")));
            assert!(event.contains(expected) && event.contains(r#""identity":{"id":"admin""#), "{number}: {event}");
        }
        let group = r#""TargetUserName":"Domain Admins","TargetDomainName":"CORP","TargetSid":"S-1-5-21-1-2-3-512","MemberName":"CN=Bob,OU=Staff,DC=corp,DC=example","MemberSid":"S-1-5-21-1-2-3-1105""#;
        event(&beats(4728, &format!("{ADMIN},{group}")), |event| {
            let change = event.change.unwrap();
            assert_eq!(
                (event.kind, change.role.as_deref(), change.target.as_deref()),
                (EventType::PrivilegeGrant, Some("Domain Admins"), Some("bob"))
            );
        });
        event(&beats(4672, &format!("{ADMIN},\"PrivilegeList\":\"SeDebugPrivilege\\n\\t\\t\\tSeBackupPrivilege\"")), |event| {
            assert_eq!(event.request.unwrap().scope.as_deref(), Some("SeDebugPrivilege SeBackupPrivilege"));
        });
    }

    #[test]
    fn tickets_machines_local_accounts_and_the_system() {
        event(
            &beats(4769, r#""TargetUserName":"alice@CORP.EXAMPLE","TargetDomainName":"CORP.EXAMPLE","ServiceName":"sql$","Status":"0x0""#),
            |event| {
                assert_eq!((event.kind, event.identity_id()), (EventType::AuthToken, Some("alice")));
                assert_eq!(event.credential.unwrap().audience.as_deref(), Some("sql$"));
            },
        );
        event(&beats(4624, r#""TargetUserName":"WS-7$","TargetDomainName":"CORP","LogonType":"3""#), |event| {
            assert_eq!(event.identity.unwrap().class, Some(Class::Service));
        });
        event(&beats(4625, r#""TargetUserName":"Administrator","TargetDomainName":"DC1","SubStatus":"0xc000006a""#), |event| {
            assert_eq!(event.identity_id(), Some("dc1\\administrator"));
        });
        assert_eq!(read(&beats(4624, r#""TargetUserName":"SYSTEM","TargetUserSid":"S-1-5-18""#)), "windows_security:4624 of the system");
        assert_eq!(read(&beats(5156, "")), "windows_security:5156");
        assert!(testing::read(Format::WindowsSecurity, "{}", &Input::behaviour("w", None)).starts_with("EventID: missing"));
    }
}
