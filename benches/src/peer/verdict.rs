//! Fourteen rules, a score, and the verdict's bytes.

use super::event::Event;

pub const LEVELS: [&str; 4] = ["low", "medium", "high", "critical"];

/// In the order of their bits, with the points that each adds.
const RULES: [(&str, u32); 14] = [
    ("rate_1m", 15),
    ("rate_5m", 10),
    ("fail_10m", 25),
    ("fail_1h", 20),
    ("ips_5", 10),
    ("ips_12", 15),
    ("speed", 35),
    ("new_device", 10),
    ("new_country", 15),
    ("token_12h", 5),
    ("token_7d", 10),
    ("dormant", 5),
    ("fail_then_success", 25),
    ("checkout_new", 20),
];

/// What one event came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judged {
    pub score: u32,
    /// Index into [`LEVELS`], as `previous`.
    pub level: u8,
    pub previous: u8,
    /// A bit for each rule that spoke.
    pub spoke: u16,
}

impl Judged {
    pub fn of(spoke: u16, previous: u8) -> Judged {
        let (mut score, mut left) = (0, spoke);
        while left != 0 {
            score += RULES[left.trailing_zeros() as usize].1;
            left &= left - 1;
        }
        let score = score.min(100);
        let level = match score {
            85.. => 3,
            60.. => 2,
            35.. => 1,
            _ => 0,
        };
        Judged { score, level, previous, spoke }
    }

    /// Whether it is worth a verdict.
    pub fn is_due(&self) -> bool {
        self.level != self.previous || self.level >= 1
    }
}

/// Appends the verdict.
pub fn write(event: &Event<'_>, judged: &Judged, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"identity\":\"");
    escape(&event.identity, out);
    out.extend_from_slice(b"\",\"event\":\"");
    escape(&event.id, out);
    out.extend_from_slice(b"\",\"time\":");
    number(event.time, out);
    out.extend_from_slice(b",\"score\":");
    number(i64::from(judged.score), out);
    out.extend_from_slice(b",\"level\":\"");
    out.extend_from_slice(LEVELS[usize::from(judged.level)].as_bytes());
    out.extend_from_slice(b"\",\"previous\":\"");
    out.extend_from_slice(LEVELS[usize::from(judged.previous)].as_bytes());
    out.extend_from_slice(b"\",\"contributions\":[");
    let mut left = judged.spoke;
    while left != 0 {
        if left != judged.spoke {
            out.push(b',');
        }
        let (name, points) = RULES[left.trailing_zeros() as usize];
        out.extend_from_slice(b"{\"name\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",\"points\":");
        number(i64::from(points), out);
        out.push(b'}');
        left &= left - 1;
    }
    out.extend_from_slice(b"]}");
}

fn number(value: i64, out: &mut Vec<u8>) {
    let (mut digits, mut left, mut at) = ([0u8; 20], value.unsigned_abs(), 20);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    if !text.iter().any(|b| matches!(b, b'"' | b'\\' | ..b' ')) {
        return out.extend_from_slice(text);
    }
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            ..b' ' => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
}
