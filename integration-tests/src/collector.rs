//! A collector of traces on the loopback: takes OTLP over HTTP, as the OpenTelemetry Collector does, and keeps the spans.
//!
//! It reads Protocol Buffers' wire format by itself, and shares no code with what writes it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A span, ids in hex.
#[derive(Clone, Debug, Default)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: u64,
    pub state: String,
    /// Nanoseconds since 1970.
    pub began: u64,
    pub ended: u64,
    /// Values of lists are separated by commas.
    pub attributes: BTreeMap<String, String>,
    pub status: u64,
    /// Of the process that wrote it.
    pub resource: BTreeMap<String, String>,
}

#[derive(Default)]
struct Taken {
    spans: Vec<Span>,
    /// The heads of the requests.
    heads: Vec<String>,
}

/// Listens until the process ends.
pub struct Collector {
    port: u16,
    taken: Arc<Mutex<Taken>>,
}

impl Collector {
    /// # Panics
    /// Where there is no free port.
    pub fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        let taken = Arc::<Mutex<Taken>>::default();
        let ours = Arc::clone(&taken);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let _whoever_breaks_off = answer(&connection, &ours);
            }
        });
        Collector { port, taken }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn spans(&self) -> Vec<Span> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).spans.clone()
    }

    pub fn heads(&self) -> Vec<String> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).heads.clone()
    }
}

fn answer(mut connection: &TcpStream, taken: &Mutex<Taken>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let length = head.lines().filter_map(|line| line.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    taken.spans.extend(spans_of(&body));
    taken.heads.push(head);
    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

impl<'b> Value<'b> {
    fn bytes(&self) -> &'b [u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            Value::Number(n) => panic!("{n} where bytes are wanted"),
        }
    }

    fn number(&self) -> u64 {
        match self {
            Value::Number(number) => *number,
            Value::Bytes(bytes) => panic!("{bytes:?} where a number is wanted"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("UTF-8")
    }

    fn hex(&self) -> String {
        self.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The fields of a message, in order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)),
            1 => Value::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().expect("eight"))),
            2 => {
                let length = varint(&mut bytes) as usize;
                Value::Bytes(take(&mut bytes, length))
            }
            5 => Value::Number(u64::from(u32::from_le_bytes(take(&mut bytes, 4).try_into().expect("four")))),
            other => panic!("wire type {other}"),
        };
        all.push((tag >> 3, value));
    }
    all
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> &'b [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// `ExportTraceServiceRequest`.
fn spans_of(body: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for (_, resource_spans) in fields(body) {
        let parts = fields(resource_spans.bytes());
        let mut resource = BTreeMap::new();
        for (_, message) in parts.iter().filter(|(number, _)| *number == 1) {
            resource.extend(fields(message.bytes()).iter().map(|(_, pair)| attribute(pair.bytes())));
        }
        for (_, scope_spans) in parts.iter().filter(|(number, _)| *number == 2) {
            let parts = fields(scope_spans.bytes());
            let ours = parts.iter().filter(|(number, _)| *number == 2);
            spans.extend(ours.map(|(_, span)| Span { resource: resource.clone(), ..span_of(span.bytes()) }));
        }
    }
    spans
}

fn span_of(message: &[u8]) -> Span {
    let mut span = Span::default();
    for (number, value) in fields(message) {
        match number {
            1 => span.trace = value.hex(),
            2 => span.id = value.hex(),
            3 => span.state = value.text(),
            4 => span.parent = value.hex(),
            5 => span.name = value.text(),
            6 => span.kind = value.number(),
            7 => span.began = value.number(),
            8 => span.ended = value.number(),
            9 => span.attributes.extend([attribute(value.bytes())]),
            15 => span.status = fields(value.bytes()).iter().find(|(number, _)| *number == 3).map_or(0, |(_, code)| code.number()),
            16 => {}
            other => panic!("a field {other} of a span"),
        }
    }
    span
}

/// `KeyValue`.
fn attribute(message: &[u8]) -> (String, String) {
    let parts = fields(message);
    let part = |wanted| parts.iter().find(|(number, _)| *number == wanted).map(|(_, value)| value).expect("a key and a value");
    (part(1).text(), any_value(part(2).bytes()))
}

fn any_value(message: &[u8]) -> String {
    match fields(message).as_slice() {
        [(1, text)] => text.text(),
        [(3, number)] => number.number().to_string(),
        [(5, list)] => fields(list.bytes()).iter().map(|(_, value)| any_value(value.bytes())).collect::<Vec<_>>().join(","),
        _ => panic!("a value that is no text, number or list"),
    }
}
