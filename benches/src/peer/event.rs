//! One pass over the bytes of an event: any order of keys, unknown fields skipped, nothing allocated unless a string that is kept has an
//! escape in it.
//!
//! Where the strings end is found first, 64 bytes at a time; a string is then passed over without looking at its bytes.

use super::fnv;
use std::borrow::Cow;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Type {
    Login,
    Api,
    Checkout,
    #[default]
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Outcome {
    Success,
    Failure,
    #[default]
    Unknown,
}

/// What the work reads of an event.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Event<'a> {
    pub id: Cow<'a, [u8]>,
    pub identity: Cow<'a, [u8]>,
    /// Epoch milliseconds, as all times.
    pub time: i64,
    pub kind: Type,
    pub outcome: Outcome,
    pub issued_at: Option<i64>,
    /// IPv4, big endian.
    pub address: Option<u32>,
    /// Two letters.
    pub country: Option<u16>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    /// [`fnv`] of the device's id.
    pub device: Option<u64>,
}

/// The bytes are no JSON that the work understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotJson {
    pub at: usize,
}

impl std::fmt::Display for NotJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not JSON at byte {}", self.at)
    }
}

impl std::error::Error for NotJson {}

/// The objects whose fields are read.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    Root,
    Identity,
    Credential,
    Source,
}

/// Records are hardly ever longer; what is, is scanned as well, on the heap.
const WORDS: usize = 16;

impl<'a> Event<'a> {
    /// # Errors
    /// Where the bytes stop being JSON.
    pub fn parse(bytes: &'a [u8]) -> Result<Event<'a>, NotJson> {
        let (mut inline, mut heap) = ([0u64; WORDS], Vec::new());
        let words = bytes.len().div_ceil(64);
        let quotes = if words <= WORDS {
            &mut inline[..words]
        } else {
            heap.resize(words, 0);
            &mut heap[..]
        };
        let escapes = find_quotes(bytes, quotes);
        let mut event = Event::default();
        let left = quotes.first().copied().unwrap_or(0);
        let mut parser = Parser { bytes, quotes, word: 0, left, escapes, at: 0 };
        parser.blank();
        parser.object(Within::Root, &mut event)?;
        Ok(event)
    }
}

/// A bit for every quotation mark that opens or closes a string. Whether there is an escape anywhere.
fn find_quotes(bytes: &[u8], quotes: &mut [u64]) -> bool {
    let mut escapes = false;
    let mut chunks = bytes.chunks_exact(64);
    for (chunk, word) in (&mut chunks).zip(quotes.iter_mut()) {
        let chunk: &[u8; 64] = chunk.try_into().expect("exactly 64");
        let (marks, slashes) = marks_of(chunk);
        *word = marks;
        escapes |= slashes != 0;
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let mut chunk = [0; 64];
        chunk[..rest.len()].copy_from_slice(rest);
        let (marks, slashes) = marks_of(&chunk);
        quotes[bytes.len() / 64] = marks;
        escapes |= slashes != 0;
    }
    if escapes {
        let mut skip = false;
        for (at, byte) in bytes.iter().enumerate() {
            if skip {
                quotes[at / 64] &= !(1 << (at % 64));
            }
            skip = !skip && *byte == b'\\';
        }
    }
    escapes
}

/// Where in 64 bytes there are quotation marks, and where backslashes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn marks_of(chunk: &[u8; 64]) -> (u64, u64) {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};
    // SAFETY: every x86-64 has SSE2, and the four loads stay within the chunk.
    unsafe {
        let (mark, slash) = (_mm_set1_epi8(b'"' as i8), _mm_set1_epi8(b'\\' as i8));
        let load = |i: usize| _mm_loadu_si128(chunk.as_ptr().add(16 * i).cast());
        let (a, b, c, d) = (load(0), load(1), load(2), load(3));
        let bits = |v| _mm_movemask_epi8(_mm_cmpeq_epi8(v, mark)) as u32 as u64;
        let any = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(a, slash), _mm_cmpeq_epi8(b, slash)),
            _mm_or_si128(_mm_cmpeq_epi8(c, slash), _mm_cmpeq_epi8(d, slash)),
        );
        (bits(a) | bits(b) << 16 | bits(c) << 32 | bits(d) << 48, _mm_movemask_epi8(any) as u32 as u64)
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn marks_of(chunk: &[u8; 64]) -> (u64, u64) {
    let bits = |wanted: u8| chunk.iter().enumerate().fold(0, |bits, (i, byte)| bits | u64::from(*byte == wanted) << i);
    (bits(b'"'), bits(b'\\'))
}

struct Parser<'a, 'q> {
    bytes: &'a [u8],
    quotes: &'q [u64],
    /// The word of `quotes` that is being used up, and what is left of it: strings are passed in the order in which they stand.
    word: usize,
    left: u64,
    /// The record has a backslash somewhere.
    escapes: bool,
    at: usize,
}

impl<'a> Parser<'a, '_> {
    fn fail<T>(&self) -> Result<T, NotJson> {
        Err(NotJson { at: self.at })
    }

    /// The byte here; 0 beyond the end, which is part of no token.
    #[inline(always)]
    fn here(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn blank(&mut self) {
        // Nothing that a token begins with is as low as a blank.
        while self.here() <= b' ' && self.at < self.bytes.len() {
            self.at += 1;
        }
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.here() != byte {
            return self.fail();
        }
        self.at += 1;
        Ok(())
    }

    /// The raw bytes of the string that begins here.
    #[inline(always)]
    fn string(&mut self) -> Result<&'a [u8], NotJson> {
        let open = self.next_quote()?;
        if open != self.at {
            return self.fail();
        }
        let close = self.next_quote()?;
        self.at = close + 1;
        Ok(&self.bytes[open + 1..close])
    }

    #[inline(always)]
    fn next_quote(&mut self) -> Result<usize, NotJson> {
        while self.left == 0 {
            self.word += 1;
            match self.quotes.get(self.word) {
                Some(next) => self.left = *next,
                None => return self.fail(),
            }
        }
        let at = self.word * 64 + self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Ok(at)
    }

    fn object(&mut self, within: Within, event: &mut Event<'a>) -> Result<(), NotJson> {
        self.expect(b'{')?;
        self.blank();
        if self.here() == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blank();
            let key = self.string()?;
            self.blank();
            self.expect(b':')?;
            self.blank();
            self.value(within, key, event)?;
            self.blank();
            match self.here() {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fail(),
            }
        }
    }

    #[inline(always)]
    fn value(&mut self, within: Within, key: &[u8], event: &mut Event<'a>) -> Result<(), NotJson> {
        match self.here() {
            b'"' => {
                let raw = self.string()?;
                self.text_field(within, key, raw, event);
                Ok(())
            }
            b'{' => match (within, key) {
                (Within::Root, b"identity") => self.object(Within::Identity, event),
                (Within::Root, b"credential") => self.object(Within::Credential, event),
                (Within::Root, b"source") => self.object(Within::Source, event),
                _ => self.skip_nested(),
            },
            b'[' => self.skip_nested(),
            b'-' | b'0'..=b'9' => match (within, key) {
                (Within::Root, b"time") => {
                    event.time = self.number()?.0;
                    Ok(())
                }
                (Within::Credential, b"issued_at") => {
                    event.issued_at = Some(self.number()?.0);
                    Ok(())
                }
                (Within::Source, b"lat") => {
                    event.latitude = Some(self.number()?.1);
                    Ok(())
                }
                (Within::Source, b"lon") => {
                    event.longitude = Some(self.number()?.1);
                    Ok(())
                }
                _ => self.skip_scalar(),
            },
            _ => self.skip_scalar(),
        }
    }

    #[inline(always)]
    fn text_field(&self, within: Within, key: &[u8], raw: &'a [u8], event: &mut Event<'a>) {
        match (within, key) {
            (Within::Root, b"id") => event.id = self.text(raw),
            (Within::Root, b"type") => {
                event.kind = match &*self.text(raw) {
                    b"api.request" => Type::Api,
                    b"auth.login" => Type::Login,
                    b"checkout.attempt" => Type::Checkout,
                    _ => Type::Other,
                }
            }
            (Within::Root, b"outcome") => {
                event.outcome = match &*self.text(raw) {
                    b"success" => Outcome::Success,
                    b"failure" => Outcome::Failure,
                    _ => Outcome::Unknown,
                }
            }
            (Within::Identity, b"id") => event.identity = self.text(raw),
            (Within::Source, b"ip") => event.address = Some(ipv4(&self.text(raw))),
            (Within::Source, b"country") => {
                if let [a, b] = *self.text(raw) {
                    event.country = Some(u16::from_be_bytes([a, b]));
                }
            }
            (Within::Source, b"device_id") => event.device = Some(fnv(&self.text(raw))),
            _ => {}
        }
    }

    #[inline(always)]
    fn text(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        if self.escapes && raw.contains(&b'\\') { unescape(raw) } else { Cow::Borrowed(raw) }
    }

    fn skip_scalar(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while !matches!(self.here(), b',' | b'}' | b']' | 0..=b' ') {
            self.at += 1;
        }
        if self.at == start { self.fail() } else { Ok(()) }
    }

    fn skip_nested(&mut self) -> Result<(), NotJson> {
        let mut depth = 0u32;
        loop {
            match self.here() {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                0 => return self.fail(),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// As a whole number and as a double. What has an exponent or more than fifteen digits goes through the standard library.
    #[inline(always)]
    fn number(&mut self) -> Result<(i64, f64), NotJson> {
        const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
        let start = self.at;
        let negative = self.here() == b'-';
        self.at += usize::from(negative);
        let (mut value, mut digits, mut decimals) = (0i64, 0, 0);
        while let digit @ b'0'..=b'9' = self.here() {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            (self.at, digits) = (self.at + 1, digits + 1);
        }
        if self.here() == b'.' {
            self.at += 1;
            while let digit @ b'0'..=b'9' = self.here() {
                value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
                (self.at, digits, decimals) = (self.at + 1, digits + 1, decimals + 1);
            }
        }
        if digits > 15 || matches!(self.here(), b'e' | b'E') {
            self.at = start;
            self.skip_scalar()?;
            let text = std::str::from_utf8(&self.bytes[start..self.at]).ok();
            let Some(value) = text.and_then(|t| t.parse::<f64>().ok()) else { return self.fail() };
            return Ok((value as i64, value));
        }
        let value = if negative { -value } else { value };
        Ok((value, if decimals == 0 { value as f64 } else { value as f64 / POWERS[decimals] }))
    }
}

fn ipv4(text: &[u8]) -> u32 {
    let (mut address, mut octet) = (0u32, 0u32);
    for byte in text {
        match byte {
            b'.' => (address, octet) = (address << 8 | octet, 0),
            digit => octet = octet.wrapping_mul(10).wrapping_add(u32::from(digit.wrapping_sub(b'0'))),
        }
    }
    address << 8 | octet
}

/// Through serde_json, which knows surrogate pairs; what it refuses stays as it is.
#[cold]
fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).map_or(Cow::Borrowed(raw), |text| Cow::Owned(text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_blanks_unknown_fields_and_escapes_do_not_matter() {
        let text = r#" { "source" : { "lon":-74.26,"x":[1,{"id":"no \" }"}],"ip":"1.2.3.4","lat":41.065,"country":"US","device_id":"d\u002d1" },
            "more":{"identity":{"id":"no"}}, "outcome":"failure", "n":null, "time":1760000000280, "credential":{"issued_at":1.5e3},
            "type":"auth.login", "identity":{"class":"customer","id":"u\"13"}, "id":"e-1" } "#;
        let event = Event::parse(text.as_bytes()).unwrap();
        assert_eq!((&*event.id, &*event.identity), (&b"e-1"[..], &b"u\"13"[..]));
        assert_eq!((event.time, event.kind, event.outcome), (1_760_000_000_280, Type::Login, Outcome::Failure));
        assert_eq!((event.issued_at, event.address, event.country), (Some(1500), Some(0x0102_0304), Some(0x5553)));
        assert_eq!((event.latitude, event.longitude, event.device), (Some(41.065), Some(-74.26), Some(fnv(b"d-1"))));
    }

    #[test]
    fn what_is_cut_short_is_refused_and_never_panics() {
        let text = br#"{"id":"e-1","time":17,"source":{"lat":-1.5,"list":[{"a":"b"}]},"more":true}"#;
        assert!(Event::parse(text).is_ok());
        for end in 0..text.len() {
            assert!(Event::parse(&text[..end]).is_err(), "{end}");
        }
    }
}
