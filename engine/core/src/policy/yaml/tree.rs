//! From text to a tree whose nodes know where they stand.
//!
//! Built from the parser's events without recursion, so that nesting, aliases and size are bounded before anything is built, and so that
//! a duplicate key is a fault among others and not the end of the reading.

use super::cursor::At;
use super::fault::{Fault, Faults, quoted};
use super::{ALIASED_BYTES_MAX, DEPTH_MAX, NODE_BYTES, TEXT_MAX};
use saphyr::{Scalar, ScalarStyle};
use saphyr_parser::{Event, Marker, Parser, Tag};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where something stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    /// Place in `Faults::sources`.
    pub(super) source: u16,
    pub(super) line: u32,
    pub(super) column: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    /// What it means by the YAML 1.2 core schema, and the text as written.
    Scalar(Kind, String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) mark: Mark,
    pub(super) node: Node,
}

impl Node {
    const NULL: Node = Node { mark: Mark { source: 0, line: 1, column: 1 }, value: Value::Null };

    /// What a copy of it costs.
    fn bytes(&self) -> usize {
        NODE_BYTES
            + match &self.value {
                Value::Null => 0,
                Value::Scalar(_, text) => text.len(),
                Value::List(items) => items.iter().map(Node::bytes).sum(),
                Value::Map(entries) => entries.iter().map(|e| e.key.len() + e.node.bytes()).sum(),
            }
    }

    /// Levels of lists and maps in it.
    fn depth(&self) -> usize {
        match &self.value {
            Value::Null | Value::Scalar(..) => 0,
            Value::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or(0),
            Value::Map(entries) => 1 + entries.iter().map(|e| e.node.depth()).max().unwrap_or(0),
        }
    }
}

/// A document that was parsed, with what is wrong so far.
#[derive(Debug)]
pub struct Document {
    root: Node,
    faults: Faults,
    /// Not YAML, or beyond the limits: there is no tree to read.
    broken: bool,
}

impl Document {
    /// Parses a text; `file` is the name that faults carry. What is wrong is told by [`Document::read`].
    pub fn parse(file: &str, text: &str) -> Document {
        let faults = Faults::of(file);
        let (root, broken) = match build(text, 0, &faults) {
            Some(root) => (root, false),
            None => (Node::NULL, true),
        };
        Document { root, faults, broken }
    }

    /// Lays a value over the document: `path` names the keys down to it, maps on the way are made where they are missing, and what stood
    /// there is replaced. A value that begins with `[` or `{` is read as YAML, any other is one scalar. Faults name `source` instead of a line.
    pub fn overlay(&mut self, source: &str, path: &[String], text: &str) {
        let Ok(number) = u16::try_from(self.faults.sources.len()) else { return };
        self.faults.sources.push(source.to_owned());
        let mark = Mark { source: number, line: 0, column: 0 };
        let node = if text.trim_start().starts_with(['[', '{']) {
            match build(text, number, &self.faults) {
                Some(node) => node,
                None => {
                    self.broken = true;
                    return;
                }
            }
        } else {
            Node { mark, value: scalar(Cow::Borrowed(text), ScalarStyle::Plain, None).unwrap_or(Value::Null) }
        };
        if path.is_empty() || path.len() > DEPTH_MAX {
            self.faults.note(mark, "", "does not name a key".to_owned(), None);
            return;
        }
        let mut place = &mut self.root;
        for key in path {
            if !matches!(place.value, Value::Map(_)) {
                *place = Node { mark, value: Value::Map(Vec::new()) };
            }
            let Value::Map(entries) = &mut place.value else { return };
            let at = match entries.iter().position(|e| e.key == *key) {
                Some(at) => at,
                None => {
                    entries.push(Entry { key: key.clone(), mark, node: Node { mark, value: Value::Null } });
                    entries.len() - 1
                }
            };
            place = &mut entries[at].node;
        }
        *place = node;
    }

    /// Adds a fault that is not of the text, for instance of a variable that names nothing.
    pub fn note(&mut self, source: &str, what: String, help: Option<String>) {
        if let Ok(number) = u16::try_from(self.faults.sources.len()) {
            self.faults.sources.push(source.to_owned());
            self.faults.note(Mark { source: number, line: 0, column: 0 }, "", what, help);
        }
    }

    /// Reads the document: `Ok` when nothing at all was wrong, else every fault in the order of the text.
    pub fn read<T>(self, read: impl FnOnce(At<'_>) -> Option<T>) -> Result<T, Vec<Fault>> {
        self.read_warned(read).map(|(value, _)| value)
    }

    /// The same, with the warnings beside the value.
    pub fn read_warned<T>(self, read: impl FnOnce(At<'_>) -> Option<T>) -> Result<(T, Vec<Fault>), Vec<Fault>> {
        let value = if self.broken { None } else { read(At::root(&self.root, &self.faults)) };
        match value {
            Some(value) if self.faults.is_empty() => Ok((value, self.faults.into_warnings())),
            _ => {
                if self.faults.is_empty() {
                    self.faults.note(self.root.mark, "", "cannot be read".to_owned(), None);
                }
                Err(self.faults.into_sorted())
            }
        }
    }
}

/// A list or map that is still open.
struct Open {
    mark: Mark,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, lines: BTreeMap<String, u32>, key: Option<(String, Mark)> },
}

struct Builder<'f> {
    faults: &'f Faults,
    source: u16,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    aliased_bytes: usize,
    root: Option<Node>,
}

/// `None` when there is no tree; what is wrong is in `faults`.
fn build(text: &str, source: u16, faults: &Faults) -> Option<Node> {
    let start = Mark { source, line: u32::from(source == 0), column: u32::from(source == 0) };
    if text.len() > TEXT_MAX {
        let what = format!("is {} bytes long, at most {TEXT_MAX} are read", text.len());
        faults.note(start, "", what, None);
        return None;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { faults, source, open: Vec::new(), anchors: BTreeMap::new(), aliased_bytes: 0, root: None };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                faults.note(builder.mark(error.marker()), "", format!("is not YAML: {}", error.info()), None);
                return None;
            }
        };
        let mark = builder.mark(&span.start);
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents > 1 {
                let help = Some("put it into a file of its own".to_owned());
                faults.note(mark, "", "a second document begins here, one is read".to_owned(), help);
                return None;
            }
        }
        if let Err((what, help)) = builder.take(event, mark) {
            faults.note(mark, "", what, help);
            return None;
        }
    }
    Some(builder.root.unwrap_or(Node { mark: start, value: Value::Null }))
}

type Stop = (String, Option<String>);

impl Builder<'_> {
    fn mark(&self, marker: &Marker) -> Mark {
        match self.source {
            0 => Mark { source: 0, line: marker.line() as u32, column: marker.col() as u32 + 1 },
            source => Mark { source, line: 0, column: 0 },
        }
    }

    fn take(&mut self, event: Event<'_>, mark: Mark) -> Result<(), Stop> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => Ok(()),
            Event::SequenceStart(anchor, tag) => self.begin(Open { mark, anchor, items: Items::List(Vec::new()) }, tag),
            Event::MappingStart(anchor, tag) => {
                let items = Items::Map { entries: Vec::new(), lines: BTreeMap::new(), key: None };
                self.begin(Open { mark, anchor, items }, tag)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.items {
                    Items::List(items) => Value::List(items),
                    Items::Map { entries, .. } => Value::Map(entries),
                };
                self.place(Node { mark: open.mark, value }, open.anchor)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = match scalar(text, style, tag.as_ref()) {
                    Some(value) => value,
                    None => {
                        self.faults.note(mark, "", "this tag does not go with this value".to_owned(), Some("leave the tag out".to_owned()));
                        Value::Null
                    }
                };
                self.place(Node { mark, value }, anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(("an alias stands for itself".to_owned(), Some("write the value out".to_owned())));
                };
                self.aliased_bytes = self.aliased_bytes.saturating_add(node.bytes());
                if self.aliased_bytes > ALIASED_BYTES_MAX || self.open.len() + node.depth() > DEPTH_MAX {
                    return Err(("the aliases repeat too much".to_owned(), Some("write the values out".to_owned())));
                }
                let node = Node { mark, value: node.value.clone() };
                self.place(node, 0)
            }
        }
    }

    fn begin(&mut self, open: Open, tag: Option<Cow<'_, Tag>>) -> Result<(), Stop> {
        if self.open.len() >= DEPTH_MAX {
            return Err((format!("is nested more than {DEPTH_MAX} deep"), None));
        }
        if tag.is_some_and(|t| !t.is_yaml_core_schema()) {
            self.faults.note(open.mark, "", "a tag means nothing here".to_owned(), Some("leave it out".to_owned()));
        }
        if let Some(Open { items: Items::Map { key: None, .. }, .. }) = self.open.last() {
            return Err(("a list or map cannot be a key".to_owned(), Some("write a word before the colon".to_owned())));
        }
        self.open.push(open);
        Ok(())
    }

    /// Puts a finished node where it belongs: a key, a value, an item, or the root.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|o| &mut o.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map { entries, lines, key }) => match key.take() {
                None => match node.value {
                    Value::Scalar(_, text) => *key = Some((text, node.mark)),
                    Value::Null => return Err(("a key is missing before the colon".to_owned(), None)),
                    _ => return Err(("a list or map cannot be a key".to_owned(), Some("write a word before the colon".to_owned()))),
                },
                Some((key, mark)) => match lines.get(&key) {
                    Some(line) => {
                        let first = if *line > 0 { format!(", first on line {line}") } else { String::new() };
                        let what = format!("the key {} is there twice{first}", quoted(&key));
                        self.faults.note(mark, "", what, Some("remove one of them".to_owned()));
                    }
                    None => {
                        lines.insert(key.clone(), mark.line);
                        entries.push(Entry { key, mark, node });
                    }
                },
            },
        }
        Ok(())
    }
}

/// By the YAML 1.2 core schema. `None`: its tag says something else.
fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>) -> Option<Value> {
    if tag.is_some_and(|t| !t.is_yaml_core_schema()) {
        return None;
    }
    let written = text.clone().into_owned();
    Some(match Scalar::parse_from_cow_and_metadata(text, style, tag)? {
        Scalar::Null => Value::Null,
        Scalar::Boolean(b) => Value::Scalar(Kind::Bool(b), written),
        Scalar::Integer(i) => Value::Scalar(Kind::Integer(i), written),
        Scalar::FloatingPoint(f) => Value::Scalar(Kind::Float(*f), written),
        Scalar::String(_) => Value::Scalar(Kind::Text, written),
    })
}
