//! An export: everything that an audit looks at, in a file that can be read by people and held against itself without a broker.
//!
//! One JSON object a line. `chain` closes each: BLAKE3 over the chain of the line before and the line without it. The last line is a seal: how
//! many there are, and the last chain, signed where a key was at hand. So a changed byte breaks the chain where it is, and a missing end lacks
//! the seal.

use super::collect::{Collector, Record};
use super::{Evidence, Fault};
use crate::keyed_log::{event_record_json, gate_record_json};
use crate::line_file::LineFile;
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::signature::{self, Signatory};
use portcullis_core::time::Time;
use portcullis_schemas::{Encoding, decode_event_record, decode_gate_record, decode_journal_record};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::BufRead;
use std::path::Path;

/// The type in the header of the seal's JWS.
pub const SEAL_TYPE: &str = "portcullis-seal+jwt";
/// What stands before the chain of a line, and after it.
const CHAIN: &str = ",\"chain\":\"";
const CHAIN_END: &str = "\"}";
const CHAIN_BYTES: usize = 64;

/// The first line: what the file is of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct About {
    /// The layout of the file.
    pub audit: u32,
    pub prefix: String,
    pub encoding: String,
    pub engine: String,
    pub since: Time,
    pub exported_at: Time,
    /// The public keys that requests are signed with (RFC 7517).
    pub jwks: serde_json::Value,
}

/// The end of the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Seal {
    /// Lines before this one.
    pub lines: u64,
    pub chain: String,
}

#[derive(Serialize, Deserialize)]
struct SealLine {
    seal: Seal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jws: Option<String>,
}

/// A record of a topic. What is JSON there stands as it is under `value`; of what is Avro, `value` is a reading of `avro`.
#[derive(Serialize, Deserialize)]
struct Line {
    topic: String,
    partition: i32,
    offset: i64,
    appended_at: Time,
    key: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avro: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
}

/// Writes an export.
pub struct Export {
    file: LineFile,
    chain: String,
    lines: u64,
}

impl Export {
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, about: &About) -> anyhow::Result<Export> {
        let file = LineFile::create(path).with_context(|| format!("making {}", path.display()))?;
        let mut export = Export { file, chain: String::new(), lines: 0 };
        export.line(&serde_json::to_string(about)?)?;
        Ok(export)
    }

    /// # Errors
    /// When it cannot be written.
    pub fn record(&mut self, record: &Record) -> anyhow::Result<()> {
        let json =
            std::str::from_utf8(&record.value).ok().filter(|text| text.starts_with('{')).map(|text| RawValue::from_string(text.to_owned()));
        let text = std::str::from_utf8(&record.value).ok().filter(|_| json.is_none());
        let line = Line {
            topic: record.topic.clone(),
            partition: record.partition,
            offset: record.offset,
            appended_at: record.appended_at,
            key: String::from_utf8_lossy(&record.key).into_owned(),
            kind: record.kind.clone(),
            at: record.at.clone(),
            avro: (json.is_none() && text.is_none()).then(|| STANDARD.encode(&record.value)),
            text: text.map(str::to_owned),
            value: match json {
                Some(json) => Some(json?),
                None => read(&record.value).map(RawValue::from_string).transpose()?,
            },
        };
        self.line(&serde_json::to_string(&line)?)
    }

    /// # Errors
    /// When it cannot be written.
    pub fn seal(mut self, sign: impl FnOnce(&Seal) -> Option<String>) -> anyhow::Result<u64> {
        let seal = Seal { lines: self.lines, chain: self.chain.clone() };
        let line = serde_json::to_string(&SealLine { jws: sign(&seal), seal })?;
        self.line(&line)?;
        self.file.flush()?;
        Ok(self.lines)
    }

    fn line(&mut self, json: &str) -> anyhow::Result<()> {
        let open = json.strip_suffix('}').unwrap_or(json);
        self.chain = next(&self.chain, json);
        let chain = &self.chain;
        self.file.line(|out| out.extend_from_slice(format!("{open}{CHAIN}{chain}{CHAIN_END}").as_bytes()))?;
        self.lines += 1;
        Ok(())
    }
}

/// What an Avro record says, for people.
fn read(value: &[u8]) -> Option<String> {
    if let Ok(journal) = decode_journal_record(value) {
        return serde_json::to_string(&journal).ok();
    }
    if let Ok(record) = decode_gate_record(value) {
        return gate_record_json(&record).ok();
    }
    event_record_json(&decode_event_record(value).ok()?).ok()
}

fn next(chain: &str, json: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(chain.as_bytes());
    hasher.update(json.as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// Reads an export back: what an audit looks at, and what is wrong with the file itself. `keys`: what the seal and the requests must be
/// signed with; without any, no signature is looked at.
///
/// # Errors
/// When the file cannot be read, or is no export.
pub fn collect(path: &Path, keys: &[Signatory]) -> anyhow::Result<(About, Evidence)> {
    let file = std::fs::File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let mut lines = std::io::BufReader::new(file).split(b'\n');
    let mut faults = Vec::new();
    let (mut chain, mut number) = (String::new(), 1u64);
    let first = lines.next().transpose()?.context("an empty file is no export")?;
    let mut fault = |number: u64, what: String| faults.push(Fault { place: format!("line {number}"), what });
    let about: About = match unchained(&first, &mut chain) {
        Ok(json) => serde_json::from_str(&json)
            .context("the first line does not say what the file is of: is it an export of `portcullis audit export`?")?,
        Err(what) => {
            fault(1, what);
            serde_json::from_slice(&first).context("the first line cannot be read: is it an export of `portcullis audit export`?")?
        }
    };
    let encoding = if about.encoding == "avro" { Encoding::Avro } else { Encoding::Json };
    let mut collector = Collector::new(&about.prefix, encoding, keys);
    let mut sealed = false;
    for line in lines {
        let line = line?;
        number += 1;
        let before = chain.clone();
        let json = match unchained(&line, &mut chain) {
            Ok(json) => json,
            Err(what) => {
                fault(number, what);
                continue;
            }
        };
        if sealed {
            fault(number, "stands after the seal: it was added".to_owned());
        }
        if let Ok(end) = serde_json::from_str::<SealLine>(&json) {
            sealed = true;
            if end.seal != (Seal { lines: number - 1, chain: before }) {
                fault(number, format!("the seal is of {} lines and not of these: lines were removed or added", end.seal.lines));
            }
            if !keys.is_empty()
                && let Err(what) = check_seal(&end, keys)
            {
                fault(number, what);
            }
            continue;
        }
        match record_of(&json) {
            Ok(record) => collector.take(record),
            Err(what) => fault(number, what),
        }
    }
    if !sealed {
        fault(number, "the file ends without its seal: its end was cut off".to_owned());
    }
    let mut evidence = collector.evidence;
    evidence.faults.splice(0..0, faults);
    Ok((about, evidence))
}

fn check_seal(end: &SealLine, keys: &[Signatory]) -> Result<(), String> {
    let jws = end.jws.as_deref().ok_or("the seal is not signed (`audit export --key`)")?;
    let (_, payload) = signature::verify(jws, SEAL_TYPE, keys).map_err(|why| format!("the seal: {why}"))?;
    let signed: Seal = serde_json::from_slice(&payload).map_err(|e| format!("the seal: {e}"))?;
    if signed == end.seal { Ok(()) } else { Err("the seal is not what was signed".to_owned()) }
}

/// The line without its chain, if that is the next one. The chain goes on from what the line says, so that one fault is one fault.
fn unchained(line: &[u8], chain: &mut String) -> Result<String, String> {
    let torn = "is not a whole line of an export".to_owned();
    let text = std::str::from_utf8(line).map_err(|_| torn.clone())?;
    let closed = text.strip_suffix(CHAIN_END).ok_or_else(|| torn.clone())?;
    let at = closed.len().checked_sub(CHAIN_BYTES).filter(|at| closed.is_char_boundary(*at)).ok_or_else(|| torn.clone())?;
    let (open, said) = closed.split_at(at);
    let json = format!("{}}}", open.strip_suffix(CHAIN).ok_or(torn)?);
    let wanted = next(chain, &json);
    said.clone_into(chain);
    if wanted == *chain {
        Ok(json)
    } else {
        Err("was changed, or does not follow the line before it: lines were removed, moved or inserted here".to_owned())
    }
}

fn record_of(json: &str) -> Result<Record, String> {
    let line: Line = serde_json::from_str(json).map_err(|e| format!("is no record: {e}"))?;
    let value = match (&line.avro, &line.text, &line.value) {
        (Some(avro), None, _) => STANDARD.decode(avro).map_err(|_| "avro is not base64".to_owned())?,
        (None, Some(text), _) => text.clone().into_bytes(),
        (None, None, Some(value)) => value.get().as_bytes().to_vec(),
        _ => return Err("is a record without a value, or with two".to_owned()),
    };
    if line.avro.is_some() && line.value.as_ref().map(|v| v.get().to_owned()) != read(&value) {
        return Err("value is not what avro says".to_owned());
    }
    Ok(Record {
        topic: line.topic,
        partition: line.partition,
        offset: line.offset,
        appended_at: line.appended_at,
        key: line.key.into_bytes(),
        kind: line.kind,
        at: line.at,
        value,
    })
}
