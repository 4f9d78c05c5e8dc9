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
        text.parse::<Timestamp>().ok().map(|t| Time(t.as_millisecond()))
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
