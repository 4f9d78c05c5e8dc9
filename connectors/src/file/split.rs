//! Cuts a stream of bytes into raw records, without reading them: pure, on whatever part of the stream is in the buffer.
//!
//! What the stream is, its first value tells, and again after each list:
//!
//! | begins with | then |
//! |---|---|
//! | an object that ends on its line | **lines**: a record a line, found by its newline alone |
//! | an object that goes on after its line, or is followed by another on it | **values**: objects one after the other, found by their brackets |
//! | `[`, or `{"Records": [` | **list**: its elements |
//! | anything else | **lines** |
//!
//! A line costs itself alone, whatever is in it. A value is followed by its brackets (strings skipped; depth is a number, not stack).
//! Where that fails (a newline within a string, the end of the stream within a value), the reader goes back to where the value began
//! and takes the next line with the same indentation and a `{` as the next value: what lies between is the broken record. Only
//! broken input is read that way, so that no valid file is ever cut wrongly. A list on one line offers no such place: its rest is one
//! broken record.

use memchr::{memchr, memchr2, memrchr};
use std::ops::Range;

/// What stands next in the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Bytes of one record, and its place within its list.
    Record(Range<usize>, u32),
    /// Bytes that are no record.
    Broken(Range<usize>, u32, &'static str),
    /// Nothing is to be kept, go on.
    Skipped,
    /// Nothing more without more bytes.
    Need,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Start,
    Lines,
    Values,
    List {
        in_object: bool,
    },
    /// Behind the list in `{"Records": [...], ...}`.
    Tail,
}

/// See the module. `next` is called with the same or a longer view of the stream until it needs more or ends.
#[derive(Debug)]
pub struct Splitter {
    mode: Mode,
    index: u32,
    /// Leading whitespace of the line on which the last value began, if it began a line.
    indent: Option<usize>,
    /// Within a record that is too long.
    skip: Option<Skip>,
    at_beginning: bool,
    /// Something other than whitespace was there.
    pub saw_anything: bool,
}

/// Way through a record that is too long to keep.
#[derive(Clone, Copy, Debug)]
struct Skip {
    by_line: bool,
    scan: Scanner,
    /// Whitespace since the newline, while there is nothing else on the line.
    margin: Option<usize>,
    begun: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Splitter { mode: Mode::Start, index: 0, indent: None, skip: None, at_beginning: true, saw_anything: false }
    }
}

const NOT_CLOSED: &str = "brackets are not closed: the record, or the file, is cut";
const BOM: &[u8] = b"\xef\xbb\xbf";

impl Splitter {
    /// The next step from `*at`, which moves behind what was dealt with (and stays where more bytes are needed).
    /// `end`: nothing comes behind `buf`.
    pub fn next(&mut self, buf: &[u8], at: &mut usize, end: bool) -> Step {
        if self.skip.is_some() {
            return self.skip_on(buf, at);
        }
        if self.at_beginning {
            if buf.len() < BOM.len() && !end {
                return Step::Need;
            }
            self.at_beginning = false;
            if buf.starts_with(BOM) {
                *at = BOM.len();
            }
        }
        match self.mode {
            Mode::Lines => self.line(buf, at, end),
            Mode::Tail => self.tail(buf, at, end),
            _ => self.value(buf, at, end),
        }
    }

    /// The record at `*at` is longer than will be kept: it is reported, and skipped from now on.
    pub fn too_long(&mut self, buf: &[u8], at: &mut usize, head_max: usize) -> Step {
        let start = *at + buf[*at..].iter().position(|b| !is_space(*b)).unwrap_or(0);
        let by_line = match self.mode {
            Mode::Lines => true,
            Mode::Start => !matches!(buf.get(start), Some(b'{' | b'[')) || memchr(b'\n', &buf[start..]).is_none(),
            _ => false,
        };
        // Too long only because its end is missing: there is a next value within reach.
        let in_list = matches!(self.mode, Mode::List { .. });
        if !by_line && let Some(stop) = next_like(buf, start, self.indent, in_list) {
            *at = stop;
            return Step::Broken(trimmed(buf, start..stop), self.take_index(), NOT_CLOSED);
        }
        self.skip = Some(Skip { by_line, scan: Scanner::default(), margin: None, begun: false });
        self.saw_anything = true;
        *at = start;
        Step::Broken(start..(start + head_max).min(buf.len()), self.take_index(), "longer than a record may be; skipped to its end")
    }

    /// Each record is a line.
    pub fn by_line(&self) -> bool {
        self.mode == Mode::Lines && self.skip.is_none()
    }

    fn take_index(&mut self) -> u32 {
        if matches!(self.mode, Mode::List { .. }) {
            self.index = self.index.saturating_add(1);
            self.index - 1
        } else {
            0
        }
    }

    fn line(&mut self, buf: &[u8], at: &mut usize, end: bool) -> Step {
        loop {
            let rest = &buf[*at..];
            let (length, step) = match memchr(b'\n', rest) {
                Some(newline) => (newline, newline + 1),
                None if end => (rest.len(), rest.len()),
                None => return Step::Need,
            };
            let range = trimmed(buf, *at..*at + length);
            if range.is_empty() {
                if step == 0 {
                    return Step::End;
                }
                *at += step;
                continue;
            }
            if range.len() == 1 && buf[range.start] == b'{' {
                // No record ends so, a pretty-printed one begins so.
                self.mode = Mode::Values;
                return self.value(buf, at, end);
            }
            *at += step;
            self.saw_anything = true;
            return Step::Record(range, 0);
        }
    }

    fn value(&mut self, buf: &[u8], at: &mut usize, end: bool) -> Step {
        let in_list = matches!(self.mode, Mode::List { .. });
        let skippable = |b: &u8| is_space(*b) || (in_list && *b == b',');
        let Some(offset) = buf[*at..].iter().position(|b| !skippable(b)) else {
            if !end {
                return Step::Need;
            }
            let here = buf.len();
            *at = here;
            if in_list {
                self.mode = Mode::Values;
                return Step::Broken(here..here, self.index, "the list is not closed: the file is cut here");
            }
            return Step::End;
        };
        let start = *at + offset;
        self.saw_anything = true;
        let margin_from = memrchr(b'\n', &buf[*at..start]).map(|n| *at + n + 1).or((*at == 0).then_some(0));
        let margin =
            margin_from.map(|from| start - from).filter(|_| margin_from.is_some_and(|from| buf[from..start].iter().all(|b| is_space(*b))));
        match (buf[start], self.mode) {
            (b']', Mode::List { in_object }) => {
                *at = start + 1;
                self.mode = if in_object { Mode::Tail } else { Mode::Start };
                self.indent = None;
                Step::Skipped
            }
            (b'[', Mode::Start | Mode::Values) => {
                *at = start + 1;
                self.open_list(false);
                Step::Skipped
            }
            (b'{' | b'[', mode) => {
                match envelope(&buf[start..]) {
                    Envelope::List(inner) if mode == Mode::Start => {
                        *at = start + inner;
                        self.open_list(true);
                        return Step::Skipped;
                    }
                    Envelope::Unsure if mode == Mode::Start && !end => return Step::Need,
                    _ => {}
                }
                if margin.is_some() {
                    self.indent = margin;
                }
                self.braced(buf, at, start, end)
            }
            // A bare word or number, or garbage: in a list up to its end, else its line.
            (_, Mode::List { .. }) => match buf[start..].iter().position(|b| matches!(b, b',' | b']' | b'\n')) {
                Some(length) => {
                    *at = start + length;
                    Step::Record(trimmed(buf, start..start + length), self.take_index())
                }
                None if end => {
                    *at = buf.len();
                    Step::Record(trimmed(buf, start..buf.len()), self.take_index())
                }
                None => Step::Need,
            },
            (_, mode) => {
                if mode == Mode::Start {
                    self.mode = Mode::Lines;
                }
                *at = start;
                self.line(buf, at, end)
            }
        }
    }

    fn open_list(&mut self, in_object: bool) {
        self.mode = Mode::List { in_object };
        self.index = 0;
        self.indent = None;
    }

    /// An object (or a list within a list) that begins at `start`.
    fn braced(&mut self, buf: &[u8], at: &mut usize, start: usize, end: bool) -> Step {
        match Scanner::default().run(&buf[start..]) {
            Scan::Complete(length) => {
                let stop = start + length;
                if self.mode == Mode::Start {
                    match self.tell(buf, start, stop, end) {
                        None => return Step::Need,
                        Some(Mode::Lines) => {
                            // Whatever else is on the line belongs to it, and is for the decoder to complain about.
                            self.mode = Mode::Lines;
                            *at = start;
                            return self.line(buf, at, end);
                        }
                        Some(mode) => self.mode = mode,
                    }
                }
                *at = stop;
                Step::Record(start..stop, self.take_index())
            }
            Scan::Incomplete if !end => Step::Need,
            broken => {
                let what = match broken {
                    Scan::NewlineInString => "a string is not closed on its line",
                    _ => NOT_CLOSED,
                };
                let next = next_like(buf, start, self.indent, matches!(self.mode, Mode::List { .. }));
                let Some(stop) = next.or(end.then_some(buf.len())) else { return Step::Need };
                *at = stop;
                let index = self.take_index();
                if stop == buf.len() {
                    // That the list around it is not closed either goes without saying.
                    self.mode = Mode::Values;
                }
                Step::Broken(trimmed(buf, start..stop), index, what)
            }
        }
    }

    /// Whether a stream whose first object stands at `start..stop` is one of lines or of values.
    fn tell(&self, buf: &[u8], start: usize, stop: usize, end: bool) -> Option<Mode> {
        if memchr(b'\n', &buf[start..stop]).is_some() {
            return Some(Mode::Values);
        }
        match buf[stop..].iter().find(|b| !matches!(b, b' ' | b'\t' | b'\r')) {
            Some(b'{' | b'[') => Some(Mode::Values),
            Some(_) => Some(Mode::Lines),
            None if end => Some(Mode::Lines),
            None => None,
        }
    }

    fn tail(&mut self, buf: &[u8], at: &mut usize, end: bool) -> Step {
        let mut scan = Scanner { depth: 1, ..Scanner::default() };
        match scan.run(&buf[*at..]) {
            Scan::Complete(length) => {
                *at += length;
                self.mode = Mode::Start;
                Step::Skipped
            }
            Scan::Incomplete if !end => Step::Need,
            _ => {
                *at = buf.len();
                self.mode = Mode::Values;
                Step::Broken(*at..*at, self.index, "the object around `Records` is not closed: the file is cut here")
            }
        }
    }

    fn skip_on(&mut self, buf: &[u8], at: &mut usize) -> Step {
        let Some(skip) = &mut self.skip else { return Step::Skipped };
        if skip.by_line {
            match memchr(b'\n', &buf[*at..]) {
                Some(newline) => {
                    *at += newline + 1;
                    self.skip = None;
                }
                None => *at = buf.len(),
            }
            return if self.skip.is_some() { Step::Need } else { Step::Skipped };
        }
        for (i, byte) in buf[*at..].iter().enumerate() {
            if skip.begun && *byte == b'{' && skip.margin.is_some() && skip.margin == self.indent {
                *at += i;
                self.skip = None;
                return Step::Skipped;
            }
            skip.margin = match (*byte, skip.margin) {
                (b'\n', _) => Some(0),
                (b' ' | b'\t', Some(n)) => Some(n + 1),
                _ => None,
            };
            skip.begun = true;
            if skip.scan.step(*byte) == Some(Scan::Complete(0)) {
                *at += i + 1;
                self.skip = None;
                return Step::Skipped;
            }
        }
        *at = buf.len();
        Step::Need
    }
}

/// How far the brackets of a value go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scan {
    Complete(usize),
    Incomplete,
    NewlineInString,
}

#[derive(Clone, Copy, Default, Debug)]
struct Scanner {
    depth: u64,
    in_string: bool,
    escaped: bool,
}

impl Scanner {
    fn run(&mut self, buf: &[u8]) -> Scan {
        let mut at = 0;
        while at < buf.len() {
            if self.in_string && !self.escaped {
                // Most bytes of a log stand in strings.
                match memchr2(b'"', b'\\', &buf[at..]) {
                    Some(length) => {
                        if memchr(b'\n', &buf[at..at + length]).is_some() {
                            return Scan::NewlineInString;
                        }
                        at += length;
                    }
                    None if memchr(b'\n', &buf[at..]).is_some() => return Scan::NewlineInString,
                    None => return Scan::Incomplete,
                }
            }
            match self.step(buf[at]) {
                Some(Scan::Complete(_)) => return Scan::Complete(at + 1),
                Some(bad) => return bad,
                None => at += 1,
            }
        }
        Scan::Incomplete
    }

    /// Takes one byte; `Complete(0)` when it closes the value.
    fn step(&mut self, byte: u8) -> Option<Scan> {
        if self.in_string {
            match byte {
                b'\n' => return Some(Scan::NewlineInString),
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return None;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return Some(Scan::Complete(0));
                }
            }
            _ => {}
        }
        None
    }
}

/// Where behind `start` a line begins with `indent` and `{`: the next value after a broken one.
fn next_like(buf: &[u8], start: usize, indent: Option<usize>, in_list: bool) -> Option<usize> {
    let mut at = start;
    while let Some(newline) = memchr(b'\n', &buf[at..]) {
        let line = at + newline + 1;
        let margin = buf[line..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let fits = match indent {
            Some(indent) => margin == indent,
            None => in_list && buf[start..at + newline].trim_ascii_end().ends_with(b","),
        };
        if buf.get(line + margin) == Some(&b'{') && fits {
            return Some(line);
        }
        at = line;
    }
    None
}

/// Whether an object is `{"Records": [...]}`.
enum Envelope {
    /// ... with so many bytes up to the first element.
    List(usize),
    /// Too short to tell.
    Unsure,
    No,
}

fn envelope(buf: &[u8]) -> Envelope {
    let mut rest = buf;
    for part in [b"{".as_slice(), b"\"Records\"", b":", b"["] {
        rest = rest.trim_ascii_start();
        match rest.strip_prefix(part) {
            Some(behind) => rest = behind,
            None if part.starts_with(rest) => return Envelope::Unsure,
            None => return Envelope::No,
        }
    }
    Envelope::List(buf.len() - rest.len())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trimmed(buf: &[u8], range: Range<usize>) -> Range<usize> {
    let front = buf[range.clone()].iter().take_while(|b| is_space(**b)).count();
    let start = range.start + front;
    let back = buf[start..range.end].iter().rev().take_while(|b| is_space(**b)).count();
    start..range.end - back
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything in `text`; broken ones with a `!`.
    fn split(text: &str) -> Vec<String> {
        let (mut splitter, mut at, mut out) = (Splitter::default(), 0, Vec::new());
        let buf = text.as_bytes();
        loop {
            match splitter.next(buf, &mut at, true) {
                Step::Record(range, _) => out.push(text[range].to_owned()),
                Step::Broken(range, _, _) => out.push(format!("!{}", &text[range])),
                Step::Skipped => {}
                Step::Need => panic!("needs more at the end"),
                Step::End => return out,
            }
        }
    }

    #[test]
    fn lines() {
        assert_eq!(split("{\"a\":1}\n\n{\"b\":2}\r\n{\"c\":3}"), ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
        assert_eq!(split("\u{feff}{\"a\":1}\n"), ["{\"a\":1}"]);
        assert_eq!(split("hello\n{\"a\":1}\n"), ["hello", "{\"a\":1}"]);
        assert_eq!(split(""), Vec::<String>::new());
    }

    #[test]
    fn a_broken_line_costs_itself() {
        assert_eq!(split("{\"a\":1}\n{\"b\":\"x\n{\"c\":3}\n"), ["{\"a\":1}", "{\"b\":\"x", "{\"c\":3}"]);
        // ... also the first, which tells what the stream is.
        assert_eq!(split("{\"b\":\"x\n{\"c\":3}\n{\"d\":4}\n"), ["!{\"b\":\"x", "{\"c\":3}", "{\"d\":4}"]);
        assert_eq!(split("{\"b\":{\"x\":1}\n{\"c\":3}\n{\"d\":4}\n"), ["!{\"b\":{\"x\":1}", "{\"c\":3}", "{\"d\":4}"]);
        assert_eq!(split("{\"a\":1} trailing\n{\"c\":3}\n"), ["{\"a\":1} trailing", "{\"c\":3}"]);
    }

    #[test]
    fn values() {
        assert_eq!(
            split("{\n  \"a\": {\n    \"b\": \"}\\\"\"\n  }\n}\n{\n  \"c\": 3\n}\n"),
            ["{\n  \"a\": {\n    \"b\": \"}\\\"\"\n  }\n}", "{\n  \"c\": 3\n}"]
        );
        assert_eq!(split("{\"a\":1}{\"b\":2} {\"c\":3}"), ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
        assert_eq!(split("{\"a\":1}\n{\n \"b\":2\n}\n{\"c\":3}"), ["{\"a\":1}", "{\n \"b\":2\n}", "{\"c\":3}"]);
    }

    #[test]
    fn a_broken_value_costs_itself() {
        assert_eq!(split("{\n  \"a\": \"x\n}\n{\n  \"c\": 3\n}\n"), ["!{\n  \"a\": \"x\n}", "{\n  \"c\": 3\n}"]);
        assert_eq!(split("{\n  \"a\": {\n}\n{\n  \"c\": 3\n}\n"), ["!{\n  \"a\": {\n}", "{\n  \"c\": 3\n}"]);
        assert_eq!(split("{\n  \"a\": 1,\n  \"b"), ["!{\n  \"a\": 1,\n  \"b"]);
    }

    #[test]
    fn lists() {
        assert_eq!(split("[{\"a\":1},{\"b\":[2]}]"), ["{\"a\":1}", "{\"b\":[2]}"]);
        assert_eq!(split("[\n  {\n    \"a\": 1\n  },\n  {\n    \"b\": 2\n  }\n]\n"), ["{\n    \"a\": 1\n  }", "{\n    \"b\": 2\n  }"]);
        assert_eq!(split("{\"Records\":[{\"a\":1},{\"b\":2}],\"more\":{}}\n"), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(split("[{\"a\":1}]\n[{\"b\":2}]\n"), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(split("[1, \"x\", null]"), ["1", "\"x\"", "null"]);
        assert_eq!(split("[]"), Vec::<String>::new());
    }

    #[test]
    fn a_broken_element_costs_itself_where_lines_tell() {
        assert_eq!(
            split("[\n  {\n    \"a\": {\n  },\n  {\n    \"b\": 2\n  },\n  {\n    \"c\": \"x\n  },\n  {\"d\":4}\n]"),
            ["!{\n    \"a\": {\n  },", "{\n    \"b\": 2\n  }", "!{\n    \"c\": \"x\n  },", "{\"d\":4}"]
        );
        assert_eq!(split("[{\"a\":1},{\"b\":\"x"), ["{\"a\":1}", "!{\"b\":\"x"]);
        assert_eq!(split("[{\"a\":1},"), ["{\"a\":1}", "!"]);
        assert_eq!(split("{\"Records\":[{\"a\":1}]"), ["{\"a\":1}", "!"]);
    }

    #[test]
    fn depth_is_a_number() {
        let deep = format!("{{\"a\":{}{}}}\n{{\"b\":1}}\n", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(split(&deep).len(), 2);
    }
}
