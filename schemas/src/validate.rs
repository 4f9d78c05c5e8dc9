//! What an event must be before anything is decided on it, whichever format it came in.
//!
//! Two kinds of text are told apart. **Ids** name something that is remembered or acted on: an id that is too long or holds a NUL is a
//! fault, because cutting it would make one subject of two. **Free text** is what a client or a vendor chose to say: it is cut
//! ([`admit`]), because whoever writes the user agent must not be able to keep a log-in from being judged by writing a long one.

use portcullis_core::event::{Event, EventType, Named};
use portcullis_core::subject::SEPARATOR;
use portcullis_core::text::Text;
use portcullis_core::time::{Span, Time};
use std::borrow::Cow;

/// Longest id, bytes.
pub const ID_BYTES_MAX: usize = 512;
/// Longest tenant, bytes: it is part of every key.
pub const TENANT_BYTES_MAX: usize = 128;
/// Longest free text, bytes; longer text is cut at a character.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// Longest signature with what it is of, bytes: more than an outcome of the longest ids and texts needs.
pub const JWS_BYTES_MAX: usize = 16_384;
/// Most items of a list.
pub const LIST_ITEMS_MAX: usize = 1_024;

/// Times that RFC 3339 can write: the years 0000 to 9999.
const WRITABLE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_207_200_000;

/// What is wrong with an event, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}{}{what}", .path, if .path.is_empty() { "" } else { ": " })]
pub struct Fault {
    /// The field, as `source.lat` or `auth.amr[2]`; empty for the record as a whole.
    pub path: String,
    /// What is wrong with it and what would be right.
    pub what: String,
}

impl Fault {
    pub fn new(path: impl Into<String>, what: impl Into<String>) -> Fault {
        Fault { path: path.into(), what: what.into() }
    }
}

#[cold]
fn fault<T>(path: &str, what: String) -> Result<T, Fault> {
    Err(Fault::new(path, what))
}

/// Cuts free text, then validates: what every format's output passes through.
///
/// # Errors
/// As [`validate`].
pub fn admit(event: &mut Event<'_>) -> Result<(), Fault> {
    clip(event);
    validate(event)
}

/// `$visit(path, text)?` for every free text there is; `$as` is `as_ref` or `as_mut`, `$iter` is `iter` or `iter_mut`.
macro_rules! free_texts {
    ($event:ident, $as:ident, $iter:ident, $visit:expr) => {
        free_texts!(@ $event, $as, $visit, source { ip, country, user_agent, ja4 });
        free_texts!(@ $event, $as, $visit, auth { acr });
        free_texts!(@ $event, $as, $visit, credential { audience });
        free_texts!(@ $event, $as, $visit, request { method, route, object, scope });
        free_texts!(@ $event, $as, $visit, checkout { currency, card_country, channel, merchant, decline });
        free_texts!(@ $event, $as, $visit, change { role, scope, secret, value });
        free_texts!(@ $event, $as, $visit, agent { tool, model });
        free_texts!(@ $event, $as, $visit, privileged { ticket });
        free_texts!(@ $event, $as, $visit, risk { provider, name, level });
        free_texts!(@ $event, $as, $visit, containment { by, detail });
        free_texts!(@ $event, $as, $visit, feedback { by });
        if let Some(auth) = $event.auth.$as() {
            for text in auth.amr.$iter() {
                $visit("auth.amr", text)?;
            }
        }
    };
    (@ $event:ident, $as:ident, $visit:expr, $section:ident { $($field:ident),+ }) => {
        if let Some(section) = $event.$section.$as() {
            $(if let Some(text) = section.$field.$as() {
                $visit(concat!(stringify!($section), ".", stringify!($field)), text)?;
            })+
        }
    };
}

/// Cuts free text to [`TEXT_BYTES_MAX`].
fn clip(event: &mut Event<'_>) {
    let mut cut = || -> Result<(), std::convert::Infallible> {
        free_texts!(event, as_mut, iter_mut, |_, text| -> Result<(), std::convert::Infallible> {
            cut_text(text);
            Ok(())
        });
        Ok(())
    };
    let Ok(()) = cut();
}

fn cut_text(text: &mut Text<'_>) {
    if text.len() > TEXT_BYTES_MAX {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        match &mut text.0 {
            Cow::Borrowed(borrowed) => *borrowed = &borrowed[..end],
            Cow::Owned(owned) => owned.truncate(end),
        }
    }
}

fn id(path: &'static str, text: &str) -> Result<(), Fault> {
    if text.len() > ID_BYTES_MAX {
        return fault(path, format!("has {} bytes, at most {ID_BYTES_MAX} are allowed", text.len()));
    }
    if text.as_bytes().contains(&0) {
        return fault(path, "holds a NUL character, which no id may".to_owned());
    }
    Ok(())
}

fn writable(path: &'static str, time: Time) -> Result<(), Fault> {
    if WRITABLE.contains(&time.0) { Ok(()) } else { fault(path, format!("{} ms is outside the years 0000 to 9999", time.0)) }
}

fn positive(path: &'static str, span: Option<Span>) -> Result<(), Fault> {
    match span {
        Some(span) if span.0 < 0 => fault(path, format!("{} ms is negative", span.0)),
        _ => Ok(()),
    }
}

fn list<T>(path: &'static str, items: &[T]) -> Result<(), Fault> {
    if items.len() > LIST_ITEMS_MAX {
        fault(path, format!("has {} items, at most {LIST_ITEMS_MAX} are allowed", items.len()))
    } else {
        Ok(())
    }
}

fn degrees(path: &'static str, value: Option<f64>, limit: f64) -> Result<(), Fault> {
    match value {
        // Not a number is outside every range.
        Some(value) if !(-limit..=limit).contains(&value) => fault(path, format!("{value} is outside -{limit} to {limit} degrees")),
        _ => Ok(()),
    }
}

macro_rules! ids {
    ($name:literal, $section:expr, $($field:ident),+) => {
        $(if let Some(text) = &$section.$field { id(concat!($name, ".", stringify!($field)), text)?; })+
    };
}

macro_rules! times {
    ($name:literal, $section:expr, $($field:ident),+) => {
        $(if let Some(time) = $section.$field { writable(concat!($name, ".", stringify!($field)), time)?; })+
    };
}

macro_rules! named {
    ($path:literal, $named:expr) => {
        if let Some(Named { kind, id: name }) = &$named {
            id(concat!($path, ".kind"), kind)?;
            id(concat!($path, ".id"), name)?;
            if name.is_empty() {
                return fault(concat!($path, ".id"), "is empty".to_owned());
            }
        }
    };
}

macro_rules! lists {
    ($name:literal, $section:expr, $($field:ident),+) => {
        $(
            list(concat!($name, ".", stringify!($field)), &$section.$field)?;
            for text in &$section.$field { id(concat!($name, ".", stringify!($field)), text)?; }
        )+
    };
}

/// Whether decisions may be built on this event.
///
/// # Errors
/// The first fault: a required field or section that is missing, a time outside [`Time::EARLIEST`]`..`[`Time::LATEST`], an id that is
/// too long or holds a NUL, a number outside its range, a list or a text that is too long.
pub fn validate(event: &Event<'_>) -> Result<(), Fault> {
    if !event.time.is_plausible() {
        return fault("time", implausible(event.time));
    }
    id("id", &event.id)?;
    tenant(&event.tenant)?;
    who(event)?;
    if let Some(identity) = &event.identity {
        id("identity.id", &identity.id)?;
        ids!("identity", identity, issuer, native_id, on_behalf_of);
    }
    if let Some(provider) = &event.provider {
        ids!("provider", provider, product, instance);
    }
    if let Some(credential) = &event.credential {
        ids!("credential", credential, id, client_id, parent);
        times!("credential", credential, issued_at, expires_at);
    }
    if let Some(session) = &event.session {
        ids!("session", session, id, parent);
    }
    if let Some(source) = &event.source {
        ids!("source", source, device_id, workload);
        degrees("source.lat", source.lat, 90.0)?;
        degrees("source.lon", source.lon, 180.0)?;
    }
    if let Some(auth) = &event.auth {
        list("auth.amr", &auth.amr)?;
    }
    if let Some(request) = &event.request {
        ids!("request", request, target);
        if let Some(bytes) = request.bytes.filter(|bytes| i64::try_from(*bytes).is_err()) {
            return fault("request.bytes", format!("{bytes} is above {}", i64::MAX));
        }
    }
    free_texts!(event, as_ref, iter, |path, text: &Text<'_>| -> Result<(), Fault> {
        if text.len() > TEXT_BYTES_MAX {
            return fault(path, format!("has {} bytes, at most {TEXT_BYTES_MAX} are allowed", text.len()));
        }
        Ok(())
    });
    rare(event)
}

fn implausible(time: Time) -> String {
    let hint = match Time(time.0.saturating_mul(1_000)) {
        scaled if scaled.is_plausible() => "; are these seconds? Integers are read as milliseconds",
        _ => "",
    };
    format!("{time} is outside {} to {}{hint}", Time::EARLIEST, Time::LATEST)
}

fn tenant(tenant: &Text<'_>) -> Result<(), Fault> {
    if tenant.is_empty() {
        return fault("tenant", "is empty; leave it out for the default tenant".to_owned());
    }
    if tenant.len() > TENANT_BYTES_MAX {
        return fault("tenant", format!("has {} bytes, at most {TENANT_BYTES_MAX} are allowed", tenant.len()));
    }
    if tenant.bytes().any(|b| b == SEPARATOR || b == 0) {
        return fault("tenant", "holds a NUL or the character U+001F, which separates the parts of keys".to_owned());
    }
    Ok(())
}

/// Whom it is about, and the section that its type cannot do without.
fn who(event: &Event<'_>) -> Result<(), Fault> {
    let named = event.identity.as_ref().is_some_and(|i| !i.id.is_empty());
    match event.kind {
        EventType::ContainmentOutcome => match &event.containment {
            None => return fault("containment", "is required for containment.outcome".to_owned()),
            Some(outcome) if !named && outcome.subject.is_none() => {
                return fault("containment.subject", "is required for containment.outcome, or identity.id in its place".to_owned());
            }
            Some(_) => {}
        },
        EventType::FeedbackLabel => match &event.feedback {
            None => return fault("feedback", "is required for feedback.label".to_owned()),
            Some(label) if !named && label.subject.is_none() => {
                let what = "is required for feedback.label, or identity.id in its place: a verdict's id does not say whose profile the label goes to";
                return fault("feedback.subject", what.to_owned());
            }
            Some(_) => {}
        },
        kind if !named => return fault("identity.id", format!("is required for {kind}, and not empty")),
        EventType::InventoryIdentity if event.inventory.is_none() => {
            return fault("inventory", "is required for inventory.identity".to_owned());
        }
        _ => {}
    }
    // An empty name beside a subject that is named elsewhere is still no name.
    match &event.identity {
        Some(identity) if identity.id.is_empty() => fault("identity.id", "is empty; leave identity out where there is none".to_owned()),
        _ => Ok(()),
    }
}

/// Sections that most events lack.
fn rare(event: &Event<'_>) -> Result<(), Fault> {
    if let Some(checkout) = &event.checkout {
        ids!("checkout", checkout, order, card, payee);
    }
    if let Some(change) = &event.change {
        ids!("change", change, target);
    }
    if let Some(agent) = &event.agent {
        ids!("agent", agent, delegation, task, parent);
    }
    if let Some(privileged) = &event.privileged {
        ids!("privileged", privileged, account, target, session);
    }
    if let Some(outcome) = &event.containment {
        ids!("containment", outcome, request_id, action);
        if let Some(jws) = outcome.jws.as_deref().filter(|jws| jws.len() > JWS_BYTES_MAX) {
            return fault("containment.jws", format!("has {} bytes, at most {JWS_BYTES_MAX} are allowed", jws.len()));
        }
        named!("containment.subject", outcome.subject);
        named!("containment.target", outcome.target);
    }
    if let Some(label) = &event.feedback {
        ids!("feedback", label, verdict_id);
        named!("feedback.subject", label.subject);
        times!("feedback", label, from, to);
        lists!("feedback", label, signals);
    }
    if let Some(inventory) = &event.inventory {
        ids!("inventory", inventory, owner);
        lists!("inventory", inventory, labels, roles, aliases);
        times!("inventory", inventory, created_at);
        positive("inventory.max_token_age", inventory.max_token_age)?;
        positive("inventory.rotate_every", inventory.rotate_every)?;
        if let Some(criticality) = inventory.criticality.filter(|c| *c > 3) {
            return fault("inventory.criticality", format!("{criticality} is outside 0 to 3"));
        }
        if let Some(shared_by) = &inventory.shared_by {
            list("inventory.shared_by", shared_by)?;
            for text in shared_by {
                id("inventory.shared_by", text)?;
            }
        }
        list("inventory.delegated_by", &inventory.delegated_by)?;
        for delegation in &inventory.delegated_by {
            id("inventory.delegated_by.principal", &delegation.principal)?;
            lists!("inventory.delegated_by", delegation, scopes);
            times!("inventory.delegated_by", delegation, until);
        }
        if let Some(expected) = &inventory.expected {
            lists!("inventory.expected", expected, networks, countries, workloads, routes);
            list("inventory.expected.asns", &expected.asns)?;
            ids!("inventory.expected", expected, hours);
        }
    }
    Ok(())
}
