//! The quick way through an ordinary event: one pass over its text, strings borrowed, fields written where they belong.
//!
//! It knows what an event has in common use, and gives up on everything else: an escape, a `null`, a field of another name, a rare section, a
//! repeated field, an empty name, a number with an exponent. Then serde reads the record from its beginning, and alone says what is wrong with one
//! that is. So the quick way has no opinion of its own: what it reads, serde reads the same (a property test), only four times slower.

use portcullis_core::event::{
    Agent, Auth, AuthFailure, AuthMethod, Change, Checkout, CheckoutResult, Class, Credential, CredentialKind, Event, EventType, Identity,
    Network, Outcome, Posture, Privileged, Provider, Request, Session, Source, WorkloadProof,
};
use portcullis_core::text::Text;
use portcullis_core::time::Time;

/// Reads an event; `None` where serde has to.
pub(super) fn read(text: &str) -> Option<Event<'_>> {
    let mut cursor = Cursor { text, at: 0 };
    let mut event = Event::new(EventType::ApiRequest, Time(0));
    let (mut id, mut time, mut kind, mut outcome, mut tenant) = (None, None, None, None, None);
    cursor.object(|c, key| match key {
        "id" => once(&mut id, c),
        "time" => once(&mut time, c),
        "type" => once(&mut kind, c),
        "outcome" => once(&mut outcome, c),
        "tenant" => once(&mut tenant, c),
        "identity" => section(&mut event.identity, c),
        "provider" => section(&mut event.provider, c),
        "credential" => section(&mut event.credential, c),
        "session" => section(&mut event.session, c),
        "source" => section(&mut event.source, c),
        "auth" => section(&mut event.auth, c),
        "request" => section(&mut event.request, c),
        "checkout" => boxed(&mut event.checkout, c),
        "change" => boxed(&mut event.change, c),
        "agent" => boxed(&mut event.agent, c),
        "privileged" => boxed(&mut event.privileged, c),
        _ => None,
    })?;
    cursor.skip_space();
    if cursor.at < text.len() || event.identity.as_ref().is_some_and(|identity| identity.id.is_empty()) {
        return None;
    }
    (event.time, event.kind) = (time?, kind?);
    event.id = id.unwrap_or_default();
    event.outcome = outcome.unwrap_or(Outcome::Unknown);
    if let Some(tenant) = tenant {
        event.tenant = tenant;
    }
    Some(event)
}

/// A place in the text. Everything that reads moves it behind what was read, or gives up.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let there = self.peek() == byte;
        self.at += usize::from(there);
        there
    }

    /// `{"key":value,...}`: calls `field` with each key, to read its value.
    #[inline]
    fn object(&mut self, mut field: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        if !self.take(b'{') {
            return None;
        }
        if self.take(b'}') {
            return Some(());
        }
        loop {
            let key = self.string()?;
            if !self.take(b':') {
                return None;
            }
            field(self, key)?;
            if !self.take(b',') {
                return self.take(b'}').then_some(());
            }
        }
    }

    /// A string without escapes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        if !self.take(b'"') {
            return None;
        }
        let end = string_end(self.text.as_bytes(), self.at)?;
        let string = self.text.get(self.at..end)?;
        self.at = end + 1;
        Some(string)
    }

    /// Digits as a number, and how many they are: at most 18, so that nothing can overflow.
    #[inline]
    fn digits(&mut self) -> Option<(u64, usize)> {
        let (mut value, from) = (0, self.at);
        while let digit @ b'0'..=b'9' = self.peek() {
            value = value * 10 + u64::from(digit - b'0');
            self.at += 1;
            if self.at - from > 18 {
                return None;
            }
        }
        (self.at > from).then_some((value, self.at - from))
    }

    /// An integer as JSON writes it: no leading zero.
    #[inline]
    fn integer(&mut self) -> Option<(u64, usize)> {
        self.skip_space();
        let leads_with_zero = self.peek() == b'0';
        let (value, count) = self.digits()?;
        (!leads_with_zero || count == 1).then_some((value, count))
    }
}

/// Where the string that begins at `at` is closed; `None` where an escape or a control character stands before.
#[inline]
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(chunk) = bytes.get(at..)?.first_chunk::<16>() {
        if let Some(end) = special(chunk) {
            at += end;
            return (bytes[at] == b'"').then_some(at);
        }
        at += 16;
    }
    let end = at + bytes[at..].iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20))?;
    (bytes[end] == b'"').then_some(end)
}

/// The first quote, backslash or control character. Written so that the compiler looks at all sixteen bytes at once.
#[inline]
fn special(chunk: &[u8; 16]) -> Option<usize> {
    let mut flags = [0u8; 16];
    for (flag, b) in flags.iter_mut().zip(chunk) {
        *flag = if (*b == b'"') | (*b == b'\\') | (*b < 0x20) { 0xff } else { 0 };
    }
    let found = u128::from_le_bytes(flags);
    (found != 0).then_some(found.trailing_zeros() as usize / 8)
}

/// A value that stands for itself.
trait Value<'a>: Sized {
    fn read(c: &mut Cursor<'a>) -> Option<Self>;
}

impl<'a> Value<'a> for Text<'a> {
    #[inline]
    fn read(c: &mut Cursor<'a>) -> Option<Self> {
        // Whether an empty name was given or none is not told apart here.
        c.string().filter(|text| !text.is_empty()).map(Text::borrowed)
    }
}

impl<'a> Value<'a> for Time {
    fn read(c: &mut Cursor<'a>) -> Option<Self> {
        c.skip_space();
        if c.peek() == b'"' { Time::parse(c.string()?) } else { i64::read(c).map(Time) }
    }
}

impl<'a> Value<'a> for u64 {
    fn read(c: &mut Cursor<'a>) -> Option<Self> {
        Some(c.integer()?.0)
    }
}

macro_rules! integers {
    ($($type:ty),+) => {
        $(impl<'a> Value<'a> for $type {
            fn read(c: &mut Cursor<'a>) -> Option<Self> {
                c.integer()?.0.try_into().ok()
            }
        })+
    };
}

integers!(u16, u32, i64);

impl<'a> Value<'a> for f64 {
    /// At most 15 digits in all: they and the power of ten are exact as `f64`, so one division rounds correctly (Clinger 1990).
    fn read(c: &mut Cursor<'a>) -> Option<Self> {
        const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
        let negative = c.take(b'-');
        if c.peek() == b' ' {
            return None;
        }
        let (mut value, mut count) = c.integer()?;
        let mut places = 0;
        if c.peek() == b'.' {
            c.at += 1;
            let (fraction, length) = c.digits()?;
            (count, places) = (count + length, length);
            if count > 15 {
                return None;
            }
            value = value * 10u64.pow(places as u32) + fraction;
        }
        if count > 15 {
            return None;
        }
        let value = value as f64 / POWERS[places];
        Some(if negative { -value } else { value })
    }
}

macro_rules! names {
    ($($type:ty),+ $(,)?) => {
        $(impl<'a> Value<'a> for $type {
            fn read(c: &mut Cursor<'a>) -> Option<Self> {
                <$type>::from_name(c.string()?)
            }
        })+
    };
}

names!(EventType, Outcome, Class, CredentialKind, Network, WorkloadProof, Posture, AuthMethod, AuthFailure, CheckoutResult);

/// A place for a value, which must still be free: a field that comes twice is serde's to refuse.
trait Place<'a> {
    fn fill(&mut self, c: &mut Cursor<'a>) -> Option<()>;
}

impl<'a, T: Value<'a>> Place<'a> for Option<T> {
    #[inline]
    fn fill(&mut self, c: &mut Cursor<'a>) -> Option<()> {
        if self.is_some() {
            return None;
        }
        *self = Some(T::read(c)?);
        Some(())
    }
}

/// The id that a section cannot do without: free while empty.
impl<'a> Place<'a> for Text<'a> {
    #[inline]
    fn fill(&mut self, c: &mut Cursor<'a>) -> Option<()> {
        if !self.is_empty() {
            return None;
        }
        *self = Text::read(c)?;
        Some(())
    }
}

/// A list, free while empty.
impl<'a> Place<'a> for Vec<Text<'a>> {
    fn fill(&mut self, c: &mut Cursor<'a>) -> Option<()> {
        if !self.is_empty() || !c.take(b'[') {
            return None;
        }
        loop {
            self.push(Text::read(c)?);
            if !c.take(b',') {
                return c.take(b']').then_some(());
            }
        }
    }
}

#[inline]
fn once<'a, T: Value<'a>>(place: &mut Option<T>, c: &mut Cursor<'a>) -> Option<()> {
    place.fill(c)
}

/// A part of the event with fields of its own.
trait Section<'a>: Default {
    fn field(&mut self, key: &str, c: &mut Cursor<'a>) -> Option<()>;
}

fn section<'a, S: Section<'a>>(place: &mut Option<S>, c: &mut Cursor<'a>) -> Option<()> {
    if place.is_some() {
        return None;
    }
    let section = place.insert(S::default());
    c.object(|c, key| section.field(key, c))
}

fn boxed<'a, S: Section<'a>>(place: &mut Option<Box<S>>, c: &mut Cursor<'a>) -> Option<()> {
    if place.is_some() {
        return None;
    }
    let section = place.insert(Box::default());
    c.object(|c, key| section.field(key, c))
}

macro_rules! sections {
    ($($type:ident { $($field:ident),+ })+) => {
        $(impl<'a> Section<'a> for $type<'a> {
            fn field(&mut self, key: &str, c: &mut Cursor<'a>) -> Option<()> {
                $(if key == stringify!($field) {
                    return self.$field.fill(c);
                })+
                None
            }
        })+
    };
}

sections! {
    Identity { id, class, issuer, native_id, on_behalf_of }
    Provider { product, instance }
    Credential { id, kind, issued_at, expires_at, client_id, audience, parent }
    Session { id, parent }
    Source { ip, asn, country, lat, lon, radius_km, network, user_agent, device_id, ja4, workload, workload_proof, posture }
    Auth { method, failure, acr, amr }
    Request { method, route, status, bytes, object, scope, target }
    Checkout { order, amount, currency, card, card_country, payee, channel, merchant, result, decline }
    Change { role, scope, secret, target, value }
    Agent { tool, model, delegation, task, parent }
    Privileged { account, target, ticket, session }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::events;
    use proptest::prelude::*;

    const LOGIN: &str = r#"{"id":"e-1","time":"2025-01-08T21:15:26.292Z","type":"auth.login","outcome":"success","tenant":"bank","identity":{"id":"c-7","class":"customer"},"source":{"ip":"192.0.2.1","asn":64736,"country":"JP","lat":35.64,"lon":-139.67,"radius_km":15,"network":"residential","user_agent":"Mozilla/5.0 (ü)","device_id":"d-1"},"credential":{"id":"s-1","kind":"session","issued_at":"2025-01-08T21:15:25.792Z","expires_at":1795000000000},"session":{"id":"s-1"},"auth":{"method":"webauthn","amr":["hwk","pin"]},"request":{"method":"GET","status":200,"bytes":7681}}"#;

    /// What the quick way reads, serde reads the same.
    fn agrees(text: &str) -> Result<(), TestCaseError> {
        if let Some(event) = read(text) {
            let serde = serde_json::from_str::<Event<'_>>(text);
            prop_assert!(serde.as_ref().is_ok_and(|serde| *serde == event), "{text}\n{event:?}\n{serde:?}");
        }
        Ok(())
    }

    #[test]
    fn the_common_event_goes_the_quick_way() {
        assert_eq!(read(LOGIN).unwrap(), serde_json::from_str::<Event<'_>>(LOGIN).unwrap());
        let spaced = LOGIN.replace(':', " : ").replace(" : /", ":/").replace(',', " ,\t");
        assert!(read(&format!(" {} ", spaced.replace("21 : 15 : 26", "21:15:26").replace("21 : 15 : 25", "21:15:25"))).is_some());
    }

    #[test]
    fn what_serde_has_to_judge_is_left_to_it() {
        for (from, to) in [
            ("\"e-1\"", "\"e\\u002d1\""),
            ("\"e-1\"", "\"e\u{1}\""),
            ("\"e-1\"", "null"),
            ("\"id\":\"e-1\"", "\"id\":\"e-1\",\"id\":\"e-1\""),
            ("\"id\":\"c-7\",", ""),
            ("\"type\":\"auth.login\",", ""),
            ("\"time\":\"2025-01-08T21:15:26.292Z\",", ""),
            ("2025-01-08T21:15:26.292Z", "yesterday"),
            ("35.64", "35.64e0"),
            ("35.64", "35."),
            ("35.64", ".64"),
            ("35.64", "035.64"),
            ("35.64", "- 35"),
            ("35.64", "35.640000000000000000000001"),
            ("200", "0200"),
            ("200", "70000"),
            ("200", "-1"),
            ("[\"hwk\",\"pin\"]", "[]"),
            ("[\"hwk\",\"pin\"]", "[\"hwk\",]"),
            ("webauthn", "telepathy"),
            ("\"asn\"", "\"unheard_of\""),
            ("7681}}", "7681}"),
            ("7681}}", "7681}}}"),
            ("7681}}", "7681}},"),
            ("7681}}", "7681,}}"),
        ] {
            let changed = LOGIN.replacen(from, to, 1);
            assert!(changed != LOGIN && read(&changed).is_none(), "{from} -> {to}");
        }
    }

    proptest! {
        #[test]
        fn specials_are_found(chunk in any::<[u8; 16]>(), plain in 0usize..16) {
            let mut chunk = chunk;
            chunk[..plain].iter_mut().for_each(|b| *b |= 0x60);
            let first = chunk.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(special(&chunk), first);
        }

        #[test]
        fn any_event(event in events()) {
            agrees(&serde_json::to_string(&event).unwrap())?;
        }

        #[test]
        fn any_damage(at in 0..LOGIN.len(), with in "[ -~ü\\x00-\\x1f]{0,3}", cut in 0usize..4) {
            let end = (at + cut).min(LOGIN.len());
            if let (Some(head), Some(tail)) = (LOGIN.get(..at), LOGIN.get(end..)) {
                agrees(&format!("{head}{with}{tail}"))?;
            }
        }

        #[test]
        fn any_number(lat in -90.0f64..90.0, places in 0usize..18) {
            agrees(&LOGIN.replace("35.64", &format!("{lat:.places$}")))?;
        }
    }
}
