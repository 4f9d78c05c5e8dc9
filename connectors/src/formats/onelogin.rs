//! `onelogin`: events of OneLogin, as its Events API and its event webhooks write them.
//!
//! | event type | type |
//! |---|---|
//! | 5 logged in to OneLogin; 6 failed | `auth.login` |
//! | 7 logged out | `auth.logout` |
//! | 8 logged in to an application; 90 was not allowed to | `auth.token`, `credential.audience` the application |
//! | 3 took another user's place | `auth.token`, `on_behalf_of` the user |
//! | 4 role assigned; 72 privilege granted | `privilege.grant` |
//! | 11 password changed by oneself; by another | `credential.rotate`; `auth.recovery` |
//! | 12 unlocked; 13 created; 14 updated; 15 deactivated; 17 deleted | `account.enable`; `.create`; `.update`; `.disable`; `.delete` |
//! | 19, 531, 553 locked; 551 suspended | `account.disable` |
//! | 24, 172 factor removed | `account.update` of the `factor`, removed |
//! | 240 an application's password was revealed | `secret.read`, `change.secret` the application |
//! | any other | ignored as `onelogin:ID` |
//!
//! | OneLogin | event |
//! |---|---|
//! | `id` | `id` |
//! | `created_at`, of webhooks `event_timestamp` | `time` |
//! | `actor_user_id`, else `user_id`, else the names | `identity.id`; `native_id` is the name |
//! | `user_id` where it is not the actor | `change.target`, `request.target` |
//! | `account_id` | `identity.issuer`, `provider.instance` |
//! | `ipaddr`, `browser_fingerprint` | `source.{ip,device_id}` |
//! | `error_description` | `auth.failure` |
//! | `role_name`, `privilege_name`; `otp_device_name`, `authentication_factor_description` | `change.role`; `change.value` |
//!
//! Not read: `risk_score` (what OneLogin thinks), `notes`, policies.
//!
//! Source: OneLogin Events API (`event` resource, event types); only types whose meaning is published are in the table. Read on public
//! records in `tests/real_data.rs`, which were shortened and lack their time; the examples here are written from the documented fields.

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item};
use portcullis_core::event::{Auth, AuthFailure, AuthMethod, Change, Credential, CredentialKind, EventType, Request, Source};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let Some(number) = json.get("event_type_id").int() else {
        return Err(Fault::new("event_type_id", "missing, or no number: not an event of OneLogin"));
    };
    let (user, user_name) = (json.get("user_id").name(), json.get("user_name").text());
    let (actor, actor_name) = (json.get("actor_user_id").name(), json.get("actor_user_name").text());
    let is_own = actor.is_none() || actor == user;
    let Some(kind) = kind(number, is_own) else { return Ok(Item::ignored(format!("onelogin:{number}"))) };
    let time = fields::time(json, &["created_at", "event_timestamp"], |time| time.time().or_else(|| of_ruby(time.str())))?;
    // Who logs in is the user, whatever stands beside.
    let by_user = matches!(number, 5..=8 | 90) || actor.is_none();
    let (id, name) = if by_user { (user.clone().or(user_name.clone()), user_name) } else { (actor.or(actor_name.clone()), actor_name) };
    let Some(id) = id else { return Ok(Item::ignored(format!("onelogin:{number} of nobody"))) };
    let account = json.get("account_id").name();
    let failed = matches!(number, 6 | 90);
    let mut event = fields::event(kind, time, number.to_string());
    event.id = json.get("id").name().unwrap_or_default();
    event.outcome = fields::outcome(!failed);
    let mut identity = fields::identity(id, name, account.clone());
    event.provider = fields::provider("onelogin", account);
    event.source = Source { ip: fields::ip(json.get("ipaddr")), device_id: json.get("browser_fingerprint").text(), ..Source::default() }
        .unless_empty();
    let application = fields::first(json, &["app_name", "app_id"]);
    let target = user.filter(|user| *user != identity.id);
    let (mut change, mut request) = (Change::default(), Request::default());
    use EventType::*;
    match kind {
        AuthToken => {
            event.credential = Credential { audience: application, ..Credential::default() }.unless_empty();
            if number == 3 {
                identity.on_behalf_of = target;
            }
        }
        AuthRecovery => request.target = target,
        CredentialRotate => event.credential = Some(Credential { kind: Some(CredentialKind::Password), ..Credential::default() }),
        AccountUpdate => {
            if matches!(number, 24 | 172) {
                change.target = Some(Text::borrowed("factor"));
                change.role = Some(Text::borrowed("removed"));
                change.value = fields::first(json, &["otp_device_name", "authentication_factor_description"]);
            }
            request.target = target;
        }
        SecretRead => (change.secret, change.target) = (application, target),
        PrivilegeGrant => {
            change.role = fields::first(json, &["role_name", "privilege_name", "role_id", "privilege_id"]);
            change.target = target;
        }
        AccountCreate | AccountDelete | AccountDisable | AccountEnable => change.target = target,
        _ => {}
    }
    if kind.is_auth() {
        let failure = failed.then(|| match number {
            90 => AuthFailure::Policy,
            _ if json.get("error_description").text().is_some() => fields::failure_said(json.get("error_description").str()),
            _ => AuthFailure::Other,
        });
        let method = if number == 8 || number == 90 { Some(AuthMethod::Saml) } else { None };
        event.auth = Auth { method, failure, ..Auth::default() }.unless_empty();
    }
    event.change = change.boxed_unless_empty();
    event.request = request.unless_empty();
    event.identity = Some(identity);
    Ok(Item::Event(event))
}

/// `2026-05-01 10:00:00 UTC`, as webhooks write it.
fn of_ruby(text: &str) -> Option<portcullis_core::time::Time> {
    super::json::parse_time(text.strip_suffix(" UTC")?)
}

/// The table of event types.
fn kind(number: i64, is_own: bool) -> Option<EventType> {
    use EventType::*;
    Some(match number {
        3 | 8 | 90 => AuthToken,
        4 | 72 => PrivilegeGrant,
        5 | 6 => AuthLogin,
        7 => AuthLogout,
        11 if is_own => CredentialRotate,
        11 => AuthRecovery,
        12 => AccountEnable,
        13 => AccountCreate,
        14 | 24 | 172 => AccountUpdate,
        15 | 19 | 531 | 551 | 553 => AccountDisable,
        17 => AccountDelete,
        240 => SecretRead,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::{AuthFailure, Event, EventType};

    fn record(number: i64, rest: &str) -> String {
        format!(
            r#"{{"id":99,"created_at":"2026-05-01T10:00:00.353Z","account_id":1,"event_type_id":{number},"ipaddr":"192.0.2.7","user_id":8,"user_name":"Bob Cat"{rest}}}"#
        )
    }

    const ADMIN: &str = r#","actor_user_id":7,"actor_user_name":"Mountain Lion""#;

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("onelogin", None))
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::Onelogin, raw, &Input::behaviour("onelogin", None), check);
    }

    #[test]
    fn a_log_in() {
        assert_eq!(
            read(&record(6, r#","error_description":"Invalid password""#)),
            concat!(
                r#"{"id":"99","time":"2026-05-01T10:00:00.353Z","type":"auth.login","outcome":"failure","tenant":"default","#,
                r#""identity":{"id":"8","issuer":"1","native_id":"Bob Cat"},"provider":{"product":"onelogin","instance":"1"},"#,
                r#""source":{"ip":"192.0.2.7"},"auth":{"failure":"bad_password"},"stamp":{"native_type":"6"}}"#
            )
        );
        let webhook =
            record(5, "").replace("\"created_at\":\"2026-05-01T10:00:00.353Z\"", "\"event_timestamp\":\"2026-05-01 10:00:00 UTC\"");
        event(&webhook, |event| assert!(event.succeeded() && event.time.to_string() == "2026-05-01T10:00:00.000Z"));
    }

    #[test]
    fn what_one_does_to_another() {
        for (number, rest, expected) in [
            (3, "", r#""on_behalf_of":"8""#),
            (11, "", r#""type":"auth.recovery""#),
            (15, "", r#""change":{"target":"8"}"#),
            (72, r#","privilege_name":"Super user""#, r#""change":{"role":"Super user","target":"8"}"#),
            (172, r#","authentication_factor_description":"Push""#, r#""change":{"role":"removed","target":"factor","value":"Push"}"#),
            (240, r#","app_name":"payroll""#, r#""change":{"secret":"payroll","target":"8"}"#),
        ] {
            let event = read(&record(number, &format!("{ADMIN}{rest}")));
            assert!(event.contains(expected) && event.contains(r#""identity":{"id":"7""#), "{number}: {event}");
        }
        event(&record(11, ""), |event| assert_eq!(event.kind, EventType::CredentialRotate));
        event(&record(90, r#","app_name":"confluence""#), |event| {
            assert_eq!((event.kind, event.failure()), (EventType::AuthToken, Some(AuthFailure::Policy)))
        });
        assert_eq!(read(&record(211, "")), "onelogin:211");
        assert_eq!(read(r#"{"event_type_id":"5","user_id":8}"#), "created_at: missing");
    }
}
