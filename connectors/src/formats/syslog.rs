//! `syslog`: the shell of RFC 5424 and RFC 3164 around a record of another format, with or without its priority, as relays and rsyslog's
//! files write it.
//!
//! | message | read as |
//! |---|---|
//! | begins with `{`, also behind `@cee:` | whatever JSON it is |
//! | begins with `CEF:` | `cef` |
//! | a line of Keycloak's event listener | `keycloak` |
//! | any other | ignored as `syslog:PROGRAM` |
//!
//! The header is taken off and not believed: time, host and program are whatever the sender wrote, and RFC 3164 knows no year. The record
//! within says all that becomes of it. Structured data of RFC 5424 is skipped. A shell within a shell is not opened.
//!
//! Source: RFC 5424 section 6, RFC 3164 section 4.

use super::{Fault, Format, Input, Item, auto, fields, is_json, kind_of, one};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(line: &'a str, input: &'a Input) -> Result<Item<'a>, Fault> {
    let Some(Message { program, text }) = open(line) else {
        return Err(Fault::new("", "not a syslog message: neither a priority nor a time of RFC 5424 or RFC 3164 stands in front"));
    };
    let text = text.trim().trim_start_matches('\u{feff}').trim_start();
    let text = text.strip_prefix("@cee:").map_or(text, str::trim_start);
    let raw = text.as_bytes();
    Ok(if is_json(raw) {
        auto::within_shell(raw, input)
    } else {
        match auto::recognise_text(raw) {
            Some(format) if format != Format::Syslog => one(format, raw, input),
            _ => Item::ignored(kind_of("syslog", Some(&Text::borrowed(program)))),
        }
    })
}

/// Whether a line begins as syslog does.
pub(super) fn is_line(line: &str) -> bool {
    priority(line).is_some() || bsd_time(line).is_some()
}

struct Message<'l> {
    program: &'l str,
    text: &'l str,
}

fn open(line: &str) -> Option<Message<'_>> {
    let rest = priority(line);
    match rest.and_then(|rest| rest.strip_prefix("1 ")) {
        Some(rest) => rfc5424(rest),
        None => rfc3164(rest.unwrap_or(line)),
    }
}

/// What follows `<34>`.
fn priority(line: &str) -> Option<&str> {
    let (number, rest) = line.strip_prefix('<')?.split_once('>')?;
    (number.len() <= 3 && number.parse::<u8>().is_ok_and(|number| number <= 191)).then_some(rest)
}

/// `TIMESTAMP HOST APP PROCID MSGID STRUCTURED-DATA MSG`
fn rfc5424(rest: &str) -> Option<Message<'_>> {
    let mut words = rest.splitn(6, ' ');
    let program = words.nth(2)?;
    let (_process, _kind, rest) = (words.next()?, words.next()?, words.next()?);
    let text = match rest.strip_prefix('-') {
        Some(text) => text,
        None => &rest[structured_data(rest)?..],
    };
    Some(Message { program, text })
}

/// Length of `[id name="value"]...`, in which a quote or a bracket may be escaped.
fn structured_data(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let (mut at, mut quoted) = (0, false);
    while bytes.get(at) == Some(&b'[') {
        loop {
            at += 1;
            match (*bytes.get(at)?, quoted) {
                (b'\\', true) => at += 1,
                (b'"', _) => quoted = !quoted,
                (b']', false) => break,
                _ => {}
            }
        }
        at += 1;
    }
    (at > 0 && rest.is_char_boundary(at)).then_some(at)
}

/// `Sep 15 16:13:46 host program[1]: text`, also with a time of RFC 3339.
fn rfc3164(rest: &str) -> Option<Message<'_>> {
    let behind_time = bsd_time(rest).or_else(|| {
        let (time, behind) = rest.split_once(' ')?;
        super::json::parse_time(time).map(|_| behind)
    })?;
    let (_host, behind) = behind_time.trim_start().split_once(' ')?;
    // The tag ends with a colon; what has none is all message.
    let (tag, text) = behind.split_once(':').filter(|(tag, _)| tag.len() <= 48 && !tag.contains(['{', ' '])).unwrap_or(("", behind));
    let program = tag.split(['[', ' ']).next().unwrap_or("");
    // `CEF:0|...` without a tag.
    if program == "CEF" || program == "@cee" { Some(Message { program, text: behind }) } else { Some(Message { program, text }) }
}

/// What follows `Sep 15 16:13:46`.
fn bsd_time(rest: &str) -> Option<&str> {
    let (month, behind) = rest.split_at_checked(3)?;
    let (day, behind) = behind.strip_prefix(' ')?.split_at_checked(2)?;
    let (clock, behind) = behind.strip_prefix(' ')?.split_at_checked(8)?;
    let is_day = day.trim_start().parse::<u8>().is_ok_and(|day| (1..=31).contains(&day));
    let is_clock = clock.bytes().enumerate().all(|(i, b)| if i % 3 == 2 { b == b':' } else { b.is_ascii_digit() });
    (fields::MONTHS.contains(&month) && is_day && is_clock).then_some(behind)
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("syslog", None))
    }

    const EVENT: &str = r#"{"id":"e","time":"2026-05-01T10:00:00Z","type":"auth.login","identity":{"id":"u"}}"#;

    #[test]
    fn headers() {
        for head in [
            "<34>1 2026-05-01T10:00:00.003Z host app 17 ID47 - ",
            "<34>1 - - - - - - ",
            r#"<165>1 2026-05-01T10:00:00Z host app - - [ex@1 a="b" c="\"]"][y x="z"] "#,
            "<165>1 2026-05-01T10:00:00Z host app - - - \u{feff}",
            "<13>Sep  5 16:13:46 host app[17]: ",
            "Sep 15 16:13:46 host app: @cee: ",
            "<13>2026-05-01T10:00:00+02:00 host app[1]: ",
        ] {
            assert_eq!(read(&format!("{head}{EVENT}")), read(EVENT), "{head}");
        }
    }

    #[test]
    fn other_messages_are_counted_by_program() {
        assert_eq!(read("Feb 12 14:10:21 sd-126005 sshd[16378]: Invalid user pascal from 35.188.49.176 port 53502"), "syslog:sshd");
        assert_eq!(read("<34>1 2026-05-01T10:00:00Z host su - - - 'su root' failed"), "syslog:su");
        assert!(read("<34>1 2026-05-01T10:00:00Z host app - - - {\"a\":1}").contains("no known format"));
        // Neither is a shell within a shell opened, however deep.
        let deep = "<34>1 - - a - - - ".repeat(50_000);
        assert_eq!(read(&deep), "syslog:a");
        assert!(testing::read(Format::Syslog, "hello", &Input::operator("f")).starts_with("not a syslog message"));
        for broken in ["<34>1 ", "<34>1 a b c d e [", "<34>1 a b c d e [x=\"", "<999>x", "<>", "<34>", "Sep 1é 16:13:46 h a: x"] {
            assert!(!testing::read(Format::Syslog, broken, &Input::operator("f")).is_empty());
        }
    }
}
