//! The cursor over a document: typed getters that note a fault and go on.

use super::fault::{Faults, quoted};
use super::tree::{Entry, Kind, Node, Value};
use crate::named;
use crate::time::Span;
use crate::verdict::Centibans;
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// A value of the document: where it stands, and where to note what is wrong with it.
#[derive(Clone)]
pub struct At<'a> {
    node: &'a Node,
    path: String,
    faults: &'a Faults,
}

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node, faults: &'a Faults) -> At<'a> {
        At { node, path: String::new(), faults }
    }

    /// `playbooks[2].high[0]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Line of the value, from 1; 0 when it came from the environment.
    pub fn line(&self) -> u32 {
        self.node.mark.line
    }

    /// Notes what is wrong with this value.
    pub fn fault(&self, what: impl Into<String>) {
        self.faults.note(self.node.mark, &self.path, what.into(), None);
    }

    /// Notes what is wrong with this value and what to do about it.
    pub fn fault_with(&self, what: impl Into<String>, help: impl Into<String>) {
        self.faults.note(self.node.mark, &self.path, what.into(), Some(help.into()));
    }

    /// Notes what is not wrong and not to be overlooked, and what to do about it.
    pub fn warn_with(&self, what: impl Into<String>, help: impl Into<String>) {
        self.faults.warn(self.node.mark, &self.path, what.into(), Some(help.into()));
    }

    /// Nothing stands there (`key:` and no more, or `~`).
    pub fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    pub fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    pub fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// The value is this very word.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(&self.node.value, Value::Scalar(Kind::Text, text) if text == word)
    }

    pub fn is_number(&self) -> bool {
        matches!(self.node.value, Value::Scalar(Kind::Integer(_) | Kind::Float(_), _))
    }

    /// What stands there, in words.
    fn found(&self) -> String {
        match &self.node.value {
            Value::Null => "nothing".to_owned(),
            Value::Scalar(Kind::Bool(b), _) => b.to_string(),
            Value::Scalar(Kind::Integer(_) | Kind::Float(_), text) => format!("the number {text}"),
            Value::Scalar(Kind::Text, text) => quoted(text),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    fn wanted(&self, wanted: &str) {
        self.fault(format!("{wanted} is wanted here, found {}", self.found()));
    }

    /// Text. A number counts as the text that was written, so that ids of digits need no quotes.
    pub fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar(Kind::Text | Kind::Integer(_) | Kind::Float(_), text) if !text.is_empty() => Some(text),
            Value::Scalar(Kind::Bool(_), _) => {
                self.fault_with(format!("text is wanted here, found {}", self.found()), "put it in quotes if it is meant as text");
                None
            }
            _ => {
                self.wanted("text");
                None
            }
        }
    }

    /// Text of at most so many bytes, without control characters.
    pub fn short_text(&self, bytes_max: usize) -> Option<&'a str> {
        let text = self.text()?;
        if text.len() > bytes_max {
            self.fault(format!("is {} bytes long, at most {bytes_max} are allowed", text.len()));
            return None;
        }
        if text.chars().any(char::is_control) {
            self.fault(format!("holds a control character: {}", quoted(text)));
            return None;
        }
        Some(text)
    }

    /// Any scalar as it was written, `true` and `10` too.
    pub fn scalar(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar(_, text) => Some(text),
            _ => {
                self.wanted("a single value");
                None
            }
        }
    }

    pub fn bool(&self) -> Option<bool> {
        match self.node.value {
            Value::Scalar(Kind::Bool(b), _) => Some(b),
            _ => {
                self.wanted("true or false");
                None
            }
        }
    }

    pub fn integer(&self, allowed: RangeInclusive<i64>) -> Option<i64> {
        match self.node.value {
            Value::Scalar(Kind::Integer(i), _) => self.within(i, allowed),
            _ => {
                self.wanted("a whole number");
                None
            }
        }
    }

    /// A whole number that fits into 32 bits.
    pub fn count(&self, allowed: RangeInclusive<u32>) -> Option<u32> {
        let (least, most) = allowed.into_inner();
        self.integer(i64::from(least)..=i64::from(most)).and_then(|i| u32::try_from(i).ok())
    }

    pub fn number(&self, allowed: RangeInclusive<f64>) -> Option<f64> {
        match self.node.value {
            Value::Scalar(Kind::Integer(i), _) => self.within(i as f64, allowed),
            Value::Scalar(Kind::Float(f), _) if f.is_finite() => self.within(f, allowed),
            _ => {
                self.wanted("a number");
                None
            }
        }
    }

    /// A weight of evidence in decibans, to one decimal.
    pub fn decibans(&self, allowed: RangeInclusive<i32>) -> Option<Centibans> {
        let (least, most) = allowed.into_inner();
        let db = self.number(f64::from(least)..=f64::from(most))?;
        let centibans = (db * 10.0).round();
        if (db * 10.0 - centibans).abs() > 1e-6 {
            self.fault(format!("decibans have one decimal at most, found {}", self.found()));
            return None;
        }
        Some(Centibans(centibans as i32))
    }

    /// A duration.
    pub fn span(&self, allowed: RangeInclusive<Span>) -> Option<Span> {
        let span = match &self.node.value {
            Value::Scalar(Kind::Text | Kind::Integer(_), text) => Span::parse(text),
            _ => None,
        };
        match span {
            Some(span) => self.within(span, allowed),
            None => {
                self.wanted("a duration such as 90d, 12h, 30m, 20s or 250ms");
                None
            }
        }
    }

    /// An amount of bytes: `512MiB`, `64KiB`, `2GiB`, `100MB` or a number of bytes.
    pub fn bytes(&self, allowed: RangeInclusive<u64>) -> Option<u64> {
        let bytes = match &self.node.value {
            Value::Scalar(Kind::Text | Kind::Integer(_), text) => parse_bytes(text),
            _ => None,
        };
        let Some(bytes) = bytes else {
            self.wanted("a size such as 512MiB, 2GiB or 64KiB");
            return None;
        };
        if !allowed.contains(&bytes) {
            let (least, most) = allowed.into_inner();
            self.fault(format!("{} is out of bounds: between {} and {}", self.found(), show_bytes(least), show_bytes(most)));
            return None;
        }
        Some(bytes)
    }

    /// A word out of a list; `value_of` gives what it means.
    pub fn word<T>(&self, known: &[&str], value_of: impl Fn(&str) -> Option<T>) -> Option<T> {
        if let Value::Scalar(Kind::Text, text) = &self.node.value {
            if let Some(value) = value_of(text) {
                return Some(value);
            }
            self.unknown_word(text, known);
        } else {
            self.wanted(&format!("one of {}", known.join(", ")));
        }
        None
    }

    /// Notes that a word in this value means nothing, with the nearest one that does.
    pub fn unknown_word(&self, word: &str, known: &[&str]) {
        self.fault_with(format!("unknown value {}", quoted(word)), suggestion(word, known));
    }

    /// Text that `parse` understands; `wanted` says what that is.
    pub fn parsed<T>(&self, wanted: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = match &self.node.value {
            Value::Scalar(_, text) => parse(text),
            _ => None,
        };
        if value.is_none() {
            self.wanted(wanted);
        }
        value
    }

    /// The items of a list; nothing at all is an empty list.
    pub fn list(&self) -> Option<Vec<At<'a>>> {
        match &self.node.value {
            Value::List(items) => Some(self.items(items)),
            Value::Null => Some(Vec::new()),
            _ => {
                self.wanted("a list");
                None
            }
        }
    }

    /// The items of a list, or the one value that stands there without brackets.
    pub fn list_or_one(&self) -> Vec<At<'a>> {
        match &self.node.value {
            Value::List(items) => self.items(items),
            _ => vec![self.clone()],
        }
    }

    fn items(&self, items: &'a [Node]) -> Vec<At<'a>> {
        items.iter().enumerate().map(|(i, node)| At { node, path: format!("{}[{i}]", self.path), faults: self.faults }).collect()
    }

    /// A map; nothing at all is an empty map.
    pub fn map(&self) -> Option<Map<'a>> {
        let entries: &'a [Entry] = match &self.node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                self.wanted("a map");
                return None;
            }
        };
        Some(Map { at: self.clone(), entries, known: RefCell::default(), any: RefCell::new(false) })
    }

    fn within<T: PartialOrd + Display>(&self, value: T, allowed: RangeInclusive<T>) -> Option<T> {
        if allowed.contains(&value) {
            return Some(value);
        }
        self.fault(format!("{value} is out of bounds: between {} and {}", allowed.start(), allowed.end()));
        None
    }
}

/// A map that is being read. When it goes out of scope, every key that nobody asked for is a fault.
pub struct Map<'a> {
    at: At<'a>,
    entries: &'a [Entry],
    known: RefCell<Vec<&'static str>>,
    /// Its keys are names that the reader does not know beforehand.
    any: RefCell<bool>,
}

impl<'a> Map<'a> {
    /// The map itself.
    pub fn at(&self) -> &At<'a> {
        &self.at
    }

    /// The value of a key, if it is there.
    pub fn get(&self, key: &'static str) -> Option<At<'a>> {
        self.known.borrow_mut().push(key);
        self.entries.iter().find(|e| e.key == key).map(|e| self.value(e))
    }

    /// The value of a key; a fault if it is not there.
    pub fn need(&self, key: &'static str) -> Option<At<'a>> {
        let value = self.get(key);
        if value.is_none() {
            self.at.faults.note(self.at.node.mark, &join(&self.at.path, key), "is missing".to_owned(), Some("it is required".to_owned()));
        }
        value
    }

    /// A key that is described but not built: it must never look as if it were in force.
    pub fn not_yet(&self, key: &'static str) {
        if let Some(entry) = self.entries.iter().find(|e| e.key == key) {
            let help = Some("take it out, it would have no effect".to_owned());
            self.at.faults.note(entry.mark, &join(&self.at.path, key), "this version does not support it yet".to_owned(), help);
            // Known, or it would be unknown as well; and not among what is suggested for another key.
            self.known.borrow_mut().push(key);
        }
    }

    /// Every entry, for maps whose keys are names.
    pub fn entries(&self) -> Vec<(&'a str, At<'a>)> {
        *self.any.borrow_mut() = true;
        self.entries.iter().map(|e| (e.key.as_str(), self.value(e))).collect()
    }

    fn value(&self, entry: &'a Entry) -> At<'a> {
        let path = join(&self.at.path, &entry.key);
        At { node: &entry.node, path, faults: self.at.faults }
    }
}

impl Drop for Map<'_> {
    fn drop(&mut self) {
        if *self.any.borrow() {
            return;
        }
        let known = self.known.borrow();
        for entry in self.entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
            let help = Some(suggestion(&entry.key, &known));
            self.at.faults.note(entry.mark, &join(&self.at.path, &entry.key), "unknown key".to_owned(), help);
        }
    }
}

fn join(path: &str, key: &str) -> String {
    const KEY_MAX: usize = 64;
    let key: String = if key.chars().any(char::is_control) || key.chars().count() > KEY_MAX { quoted(key) } else { key.to_owned() };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn suggestion(word: &str, known: &[&str]) -> String {
    // The distance is quadratic, and nobody misspells a word into a page.
    const WORD_MAX: usize = 64;
    match if word.len() <= WORD_MAX { named::nearest(word, known.iter().copied()) } else { None } {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known are {}", known.join(", ")),
    }
}

const UNITS: [(&str, u64); 7] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000), ("B", 1)];

fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let bytes = if unit.is_empty() { 1 } else { UNITS.iter().find(|(name, _)| *name == unit)?.1 };
    number.checked_mul(bytes)
}

/// `512MiB`: the largest binary unit that gives a whole number.
pub fn show_bytes(bytes: u64) -> String {
    match UNITS[..3].iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}
