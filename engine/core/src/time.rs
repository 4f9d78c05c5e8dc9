//! Time as data: epoch milliseconds, their text (RFC 3339) and durations. Nothing here reads a clock.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

pub const SECOND_MS: i64 = 1_000;
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A point in time, milliseconds since 1970-01-01T00:00:00Z. In JSON: RFC 3339 when written, RFC 3339 or integer milliseconds when read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

impl Time {
    /// Events outside `EARLIEST..LATEST` are not believed: a clock that was never set, or seconds taken for milliseconds.
    pub const EARLIEST: Time = Time(946_684_800_000); // 2000-01-01
    pub const LATEST: Time = Time(4_102_444_800_000); // 2100-01-01

    pub fn is_plausible(self) -> bool {
        (Self::EARLIEST..Self::LATEST).contains(&self)
    }

    /// Milliseconds from `earlier` to `self`, negative when `self` is before it.
    pub fn since(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    pub fn plus(self, ms: i64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    /// RFC 3339 with an offset, any number of fraction digits (cut to milliseconds).
    pub fn parse(text: &str) -> Option<Time> {
        parse_plain(text.as_bytes()).or_else(|| text.parse::<Timestamp>().ok().map(|t| Time(t.as_millisecond())))
    }

    /// Hour of the week in UTC, 0 = Monday 00:00-01:00, 167 = Sunday 23:00-24:00.
    pub fn hour_of_week(self) -> u8 {
        // 1970-01-01 was a Thursday: 72 hours after Monday 00:00.
        ((self.0.div_euclid(HOUR_MS) + 72).rem_euclid(168)) as u8
    }

    /// Days since 1970-01-01 in UTC.
    pub fn day(self) -> i32 {
        self.0.div_euclid(DAY_MS) as i32
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ`, with or without `.mmm`: what nearly every log writes, read without a calendar library. Every other form is jiff's.
fn parse_plain(text: &[u8]) -> Option<Time> {
    let (whole, ms) = match text {
        [whole @ .., b'.', a, b, c, b'Z'] => (whole, number(&[*a, *b, *c])?),
        [whole @ .., b'Z'] => (whole, 0),
        _ => return None,
    };
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1] = whole.first_chunk::<19>()? else {
        return None;
    };
    let (year, month, day) = (number(&[*y0, *y1, *y2, *y3])?, number(&[*m0, *m1])?, number(&[*d0, *d1])?);
    let (hour, minute, second) = (number(&[*h0, *h1])?, number(&[*i0, *i1])?, number(&[*s0, *s1])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if whole.len() != 19 || !(1..=month_days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970 of the proleptic Gregorian calendar, years beginning in March (Hinnant, chrono-Compatible Low-Level Date Algorithms).
    let (year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * from_march + 2) / 5 + day - 1 - 719_468;
    Some(Time(days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time: RFC 3339 text or integer epoch milliseconds")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Time, E> {
                Ok(Time(v))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Time, E> {
                i64::try_from(v).map(Time).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(v), &self))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Time, E> {
                Time::parse(v).ok_or_else(|| E::invalid_value(de::Unexpected::Str(v), &self))
            }
        }
        if d.is_human_readable() { d.deserialize_any(Visitor) } else { i64::deserialize(d).map(Time) }
    }
}

/// A length of time in milliseconds. In JSON and YAML: `"90d"`, `"12h"`, `"30m"`, `"20s"`, `"20ms"`, or integer seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Span(pub i64);

impl Span {
    pub fn parse(text: &str) -> Option<Span> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = text[..digits].parse().ok()?;
        let unit = match &text[digits..] {
            "ms" => 1,
            "s" | "" => SECOND_MS,
            "m" => MINUTE_MS,
            "h" => HOUR_MS,
            "d" => DAY_MS,
            _ => return None,
        };
        number.checked_mul(unit).map(Span)
    }
}

impl fmt::Display for Span {
    /// The largest unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s")] {
            if self.0 != 0 && self.0 % unit == 0 {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}ms", self.0)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration: \"90d\", \"12h\", \"30m\", \"20s\", \"20ms\" or integer seconds")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Span, E> {
                v.checked_mul(SECOND_MS).map(Span).ok_or_else(|| E::invalid_value(de::Unexpected::Signed(v), &self))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Span, E> {
                i64::try_from(v)
                    .ok()
                    .and_then(|v| v.checked_mul(SECOND_MS))
                    .map(Span)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(v), &self))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Span, E> {
                Span::parse(v).ok_or_else(|| E::invalid_value(de::Unexpected::Str(v), &self))
            }
        }
        if d.is_human_readable() { d.deserialize_any(Visitor) } else { i64::deserialize(d).map(Span) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_milliseconds_are_the_same_time() {
        let t = Time::parse("2026-11-22T10:00:00.250+01:00").unwrap();
        assert_eq!(t.to_string(), "2026-11-22T09:00:00.250Z");
        assert_eq!(serde_json::from_str::<Time>("\"2026-11-22T09:00:00.25Z\"").unwrap(), t);
        assert_eq!(serde_json::from_str::<Time>(&t.0.to_string()).unwrap(), t);
        assert!(serde_json::from_str::<Time>("\"yesterday\"").is_err());
        assert!(serde_json::from_str::<Time>("1.5").is_err());
    }

    #[test]
    fn the_plain_form_is_read_as_the_library_reads_it() {
        let library = |text: &str| text.parse::<Timestamp>().ok().map(|t| Time(t.as_millisecond()));
        for day in (-800_000..2_900_000).step_by(17) {
            let time = Time(day * DAY_MS + day.rem_euclid(DAY_MS));
            let text = time.to_string();
            if text.len() == "2026-11-22T09:00:00.250Z".len() {
                assert_eq!((parse_plain(text.as_bytes()), library(&text)), (Some(time), Some(time)), "{text}");
            }
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "2028-02-29T00:00:00Z",
            "2000-02-29T00:00:00.001Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-04-00T00:00:00Z",
            "2026-04-01T24:00:00Z",
            "2026-04-01T23:60:00Z",
            "2026-04-01T23:59:60Z",
            "2026-04-01T23:59:59,5Z",
            "2026-04-01 23:59:59.123Z",
            "2026-04-01T23:59:59.1234Z",
            "+026-04-01T23:59:59.123Z",
            "2026-04-01T23:59:5\u{663}Z",
        ] {
            assert_eq!(Time::parse(text), library(text), "{text}");
        }
    }

    #[test]
    fn the_week_begins_on_monday() {
        assert_eq!(Time::parse("2026-11-23T00:30:00Z").unwrap().hour_of_week(), 0); // a Monday
        assert_eq!(Time::parse("2026-11-22T23:30:00Z").unwrap().hour_of_week(), 167);
        assert_eq!(Time(-1).hour_of_week(), 71); // Wednesday 23:59:59.999
    }

    #[test]
    fn spans_read_as_written() {
        for text in ["90d", "12h", "30m", "20s", "250ms"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Span::parse("90"), Some(Span(90_000)));
        assert_eq!(Span::parse("9 d"), None);
        assert_eq!(Span::parse(""), None);
        assert_eq!(Span::parse("99999999999999d"), None);
    }
}
