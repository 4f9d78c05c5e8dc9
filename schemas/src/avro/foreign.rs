//! A record of somebody else's schema as JSON, for the format that reads such records.
//!
//! The schema is laid out once as a table of nodes; a datum is then written out in one pass over its bytes, without a value in between. So it
//! costs about as much as copying it, and what untrusted bytes can make it do is in sight: every length is held against what is left, nesting
//! and the length of the JSON have limits.
//!
//! | Avro | JSON |
//! |---|---|
//! | a union | the value, without the name of its branch |
//! | `timestamp-*` | RFC 3339, cut to milliseconds |
//! | `date` | `2026-11-26` |
//! | `decimal` | a number, written in full |
//! | `bytes`, `fixed`, `duration` | base64 |
//! | a symbol of an enum, a uuid | text |
//! | any other logical type | as the type beneath it |
//! | NaN and infinities | `null` |
//!
//! A datum that is nothing but a text or bytes is the record itself: a line of a log that was wrapped into Avro.

use super::input::{Borrowing, Flaw, Input, Malformed, Read};
use crate::RECORD_BYTES_MAX;
use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::time::{DAY_MS, Time};
use std::collections::HashMap;

/// Values within values; what vendors write stays below twenty.
const DEPTH_MAX: u32 = 64;
/// Longest unscaled value of a decimal: 38 digits, as databases have them.
const DECIMAL_BYTES_MAX: usize = 16;
/// A schema of more nodes is none that a log has.
const NODES_MAX: usize = 65_536;

/// A schema that was laid out.
pub(super) struct Layout {
    nodes: Vec<Node>,
    root: usize,
}

/// How a value is read and written. Others are named by their place in the table.
enum Node {
    Null,
    Boolean,
    /// Ints and longs are one on the wire.
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    /// So many of them make a millisecond: 1, 1,000 or 1,000,000.
    Timestamp(i64),
    Date,
    Decimal {
        scale: usize,
        /// `None`: its length stands before it.
        bytes: Option<usize>,
    },
    /// Symbols as JSON.
    Enum(Vec<String>),
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    /// `{"name":`, then `,"name":`.
    Record(Vec<(String, usize)>),
}

impl Layout {
    /// Lays out a schema; `beside`: others that it names.
    pub fn of(schema: &Schema, beside: &[Schema]) -> Result<Layout, String> {
        let mut table = Table::default();
        for other in beside {
            table.add(other)?;
        }
        let root = table.add(schema)?;
        Ok(Layout { nodes: table.nodes, root })
    }

    /// Appends a datum as JSON.
    pub fn write(&self, datum: &[u8], out: &mut Vec<u8>) -> Read<()> {
        let mut input = Borrowing::new(datum);
        match &self.nodes[self.root] {
            Node::Text => out.extend_from_slice(input.text()?.as_bytes()),
            Node::Bytes => out.extend_from_slice(take_counted(&mut input)?),
            _ => self.value(self.root, &mut input, out, 0)?,
        }
        if input.remaining() == 0 { Ok(()) } else { input.fail(Flaw::Trailing) }
    }

    fn value(&self, node: usize, input: &mut Borrowing<'_>, out: &mut Vec<u8>, depth: u32) -> Read<()> {
        match &self.nodes[node] {
            Node::Null => out.extend_from_slice(b"null"),
            Node::Boolean => match input.byte()? {
                0 => out.extend_from_slice(b"false"),
                1 => out.extend_from_slice(b"true"),
                _ => return input.fail(Flaw::Boolean),
            },
            Node::Long => json(&input.long()?, out),
            Node::Float => json(&f32::from_le_bytes(input.chunk4()?), out),
            Node::Double => json(&f64::from_le_bytes(input.chunk8()?), out),
            Node::Bytes => base64(take_counted(input)?, out),
            Node::Text => json(&input.text()?, out),
            Node::Fixed(bytes) => base64(input.take(*bytes)?, out),
            Node::Timestamp(per_ms) => json(&Time(input.long()?.div_euclid(*per_ms)), out),
            Node::Date => {
                let text = Time(input.long()?.saturating_mul(DAY_MS)).to_string();
                json(&text.split('T').next(), out);
            }
            Node::Decimal { scale, bytes } => {
                let unscaled = match bytes {
                    Some(bytes) => input.take(*bytes)?,
                    None => take_counted(input)?,
                };
                match decimal(unscaled, *scale) {
                    Some(text) => out.extend_from_slice(text.as_bytes()),
                    None => return input.fail(Flaw::Range),
                }
            }
            Node::Enum(symbols) => match usize::try_from(input.long()?).ok().and_then(|index| symbols.get(index)) {
                Some(symbol) => out.extend_from_slice(symbol.as_bytes()),
                None => return input.fail(Flaw::Symbol),
            },
            Node::Union(branches) => {
                return match usize::try_from(input.long()?).ok().and_then(|index| branches.get(index)) {
                    Some(branch) => self.value(*branch, input, out, deeper(depth, input)?),
                    None => input.fail(Flaw::Branch),
                };
            }
            Node::Array(items) => {
                self.blocks((b'[', b']'), input, out, |input, out| self.value(*items, input, out, deeper(depth, input)?))?
            }
            Node::Map(values) => self.blocks((b'{', b'}'), input, out, |input, out| {
                json(&input.text()?, out);
                out.push(b':');
                self.value(*values, input, out, deeper(depth, input)?)
            })?,
            Node::Record(fields) => {
                if fields.is_empty() {
                    out.push(b'{');
                }
                for (name, value) in fields {
                    out.extend_from_slice(name.as_bytes());
                    self.value(*value, input, out, deeper(depth, input)?)?;
                }
                out.push(b'}');
            }
        }
        // What takes no bytes can be written any number of times: items of records of nulls.
        if out.len() > RECORD_BYTES_MAX { input.fail(Flaw::TooLong) } else { Ok(()) }
    }

    fn blocks<'a>(
        &self,
        (open, close): (u8, u8),
        input: &mut Borrowing<'a>,
        out: &mut Vec<u8>,
        mut item: impl FnMut(&mut Borrowing<'a>, &mut Vec<u8>) -> Read<()>,
    ) -> Read<()> {
        out.push(open);
        let mut is_first = true;
        loop {
            let count = input.block()?;
            if count == 0 {
                out.push(close);
                return Ok(());
            }
            for _ in 0..count {
                if !std::mem::take(&mut is_first) {
                    out.push(b',');
                }
                item(input, out)?;
            }
        }
    }
}

fn deeper(depth: u32, input: &Borrowing<'_>) -> Read<u32> {
    if depth < DEPTH_MAX { Ok(depth + 1) } else { input.fail(Flaw::Depth) }
}

fn take_counted<'a>(input: &mut Borrowing<'a>) -> Result<&'a [u8], Malformed> {
    let length = input.long()?;
    match usize::try_from(length) {
        Ok(length) => input.take(length),
        Err(_) => input.fail(Flaw::Length),
    }
}

fn json<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) {
    crate::output::write_json(value, out);
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}

/// Two's complement, big-endian, with so many digits behind the point.
fn decimal(unscaled: &[u8], scale: usize) -> Option<String> {
    if unscaled.len() > DECIMAL_BYTES_MAX || scale > 38 {
        return None;
    }
    let sign = if unscaled.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
    let mut bytes = [sign; DECIMAL_BYTES_MAX];
    bytes[DECIMAL_BYTES_MAX - unscaled.len()..].copy_from_slice(unscaled);
    let value = i128::from_be_bytes(bytes);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    Some(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// The table while it is filled.
#[derive(Default)]
struct Table {
    nodes: Vec<Node>,
    names: HashMap<Name, usize>,
}

impl Table {
    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A named type, known by its name from now on.
    fn name(&mut self, name: &Name, node: Node) -> usize {
        let place = self.push(node);
        self.names.insert(name.clone(), place);
        place
    }

    fn add(&mut self, schema: &Schema) -> Result<usize, String> {
        if self.nodes.len() >= NODES_MAX {
            return Err(format!("the schema has more than {NODES_MAX} parts"));
        }
        Ok(match schema {
            Schema::Null => self.push(Node::Null),
            Schema::Boolean => self.push(Node::Boolean),
            Schema::Int
            | Schema::Long
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => self.push(Node::Long),
            Schema::Float => self.push(Node::Float),
            Schema::Double => self.push(Node::Double),
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => self.push(Node::Bytes),
            Schema::String | Schema::Uuid(UuidSchema::String) => self.push(Node::Text),
            Schema::TimestampMillis => self.push(Node::Timestamp(1)),
            Schema::TimestampMicros => self.push(Node::Timestamp(1_000)),
            Schema::TimestampNanos => self.push(Node::Timestamp(1_000_000)),
            Schema::Date => self.push(Node::Date),
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                self.name(&fixed.name, Node::Fixed(fixed.size))
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => self.push(Node::Decimal { scale: decimal.scale, bytes: None }),
                InnerDecimalSchema::Fixed(fixed) => self.name(&fixed.name, Node::Decimal { scale: decimal.scale, bytes: Some(fixed.size) }),
            },
            Schema::Enum(symbols) => {
                let quoted = symbols.symbols.iter().map(|symbol| serde_json::Value::from(symbol.as_str()).to_string());
                self.name(&symbols.name, Node::Enum(quoted.collect()))
            }
            Schema::Array(array) => {
                let items = self.add(&array.items)?;
                self.push(Node::Array(items))
            }
            Schema::Map(map) => {
                let values = self.add(&map.types)?;
                self.push(Node::Map(values))
            }
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.add(branch)).collect::<Result<_, _>>()?;
                self.push(Node::Union(branches))
            }
            Schema::Record(record) => {
                // Before its fields, which may name it.
                let place = self.name(&record.name, Node::Null);
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    let before = if fields.is_empty() { '{' } else { ',' };
                    let name = format!("{before}{}:", serde_json::Value::from(field.name.as_str()));
                    fields.push((name, self.add(&field.schema)?));
                }
                self.nodes[place] = Node::Record(fields);
                place
            }
            Schema::Ref { name } => {
                *self.names.get(name).ok_or_else(|| format!("the schema names {name:?}, which it does not define", name = name.name()))?
            }
        })
    }
}
