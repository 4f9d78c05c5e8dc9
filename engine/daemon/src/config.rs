//! The service's configuration: one YAML file, the environment over it, secrets in files of their own.
//!
//! Everything but `kafka.bootstrap_servers` and `ingest.inputs` has a default. Whatever is wrong is told at once. Relative paths are
//! relative to the working directory.

mod environment;
mod http;
mod output;
mod read;
mod registry;
mod schema;
mod secret;
mod show;
mod traces;

pub use environment::{PREFIX, of_process};
pub use http::{Contain, Http, Person};
pub use output::{Encoding, Framing, Output, Push, Receiver, SetOutput};
pub use schema::schema;
pub use secret::Secret;
pub use traces::Traces;

use portcullis_connectors::formats::custom::Mapping;
use portcullis_core::policy::yaml::{Document, Fault};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The input formats of this version, as `ingest.inputs[].format` names them.
pub const FORMATS: &[&str] = portcullis_connectors::formats::Format::NAMES;

#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    pub kafka: Kafka,
    pub topics: Topics,
    pub ingest: Ingest,
    /// None: what is in Avro is in single-object encoding.
    pub schema_registry: Option<SchemaRegistry>,
    pub score: Score,
    pub state: State,
    pub gate: Gate,
    pub output: Output,
    pub policy: PolicyFile,
    pub http: Http,
    /// None: traces are passed on, and no spans are made.
    pub traces: Option<Traces>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Kafka {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// Any librdkafka property, those of `properties_file` already read from their files.
    pub properties: BTreeMap<String, Secret>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Topics {
    pub prefix: String,
    /// Of `events`, `verdicts` and `journal`; fixed for life.
    pub partitions: u32,
    pub replication: u32,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Ingest {
    pub inputs: Vec<Input>,
    pub geoip: GeoIp,
}

/// One topic that events are read from.
#[derive(Clone, PartialEq, Debug)]
pub struct Input {
    pub topic: String,
    /// One of [`FORMATS`].
    pub format: String,
    pub tenant: Tenant,
    /// The instance of the system that wrote the log, where its records do not say: `https://example.okta.com`.
    pub provider: Option<String>,
    pub trust: Trust,
    /// How the bytes of a record are to be unpacked before its format is read.
    pub encoding: InputEncoding,
    /// Of the format `custom`: which field stands where.
    pub mapping: Option<MappingFile>,
}

/// A mapping, and the file that it was read from.
#[derive(Clone, PartialEq, Debug)]
pub struct MappingFile {
    pub file: String,
    pub mapping: Arc<Mapping>,
}

/// Whose events an input carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tenant {
    Named(String),
    /// What each record says is believed.
    FromRecord,
}

/// What an input may carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// What identities did, and nothing that changes what is believed of them.
    Behaviour,
    /// Inventory, outcomes and labels too: a topic with its own access list.
    Control,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputEncoding {
    /// As they are.
    Plain,
    /// Avro, by the schema registry.
    Avro,
}

/// A schema registry with Confluent's API.
#[derive(Clone, PartialEq, Debug)]
pub struct SchemaRegistry {
    pub url: String,
    /// User and password.
    pub basic: Option<(String, Secret)>,
    /// PEM of authorities that are believed beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Where schemas are kept once they are known.
    pub directory: PathBuf,
    /// Whether the service registers the schemas of its outputs itself.
    pub register: bool,
}

/// Databases of places and networks; none: places stay as the events say.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GeoIp {
    pub city: Option<PathBuf>,
    pub asn: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Score {
    /// Consumer group of SCORE.
    pub group: String,
    pub workers: u32,
    pub transaction: Transaction,
}

/// When a transaction closes at the latest.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Transaction {
    pub at_most_ms: i64,
    pub records: u32,
}

#[derive(Clone, PartialEq, Debug)]
pub struct State {
    pub directory: PathBuf,
    /// Block cache and write buffers of all partitions together.
    pub cache_bytes: u64,
    /// None: a lost directory is rebuilt from the log.
    pub checkpoints: Option<Checkpoints>,
}

/// Where checkpoints of the state go.
#[derive(Clone, PartialEq, Debug)]
pub struct Checkpoints {
    /// `file:///a/folder`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.
    pub url: String,
    pub every_ms: i64,
    /// Of each partition, besides those of the last half hour.
    pub keep: u32,
    /// Options of `object_store` for that URL (`aws_endpoint`, ...), those of `options_file` already read from their files.
    pub options: BTreeMap<String, Secret>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Gate {
    /// Ed25519 or RSA private key, PKCS #8 PEM. None: nothing can be signed, so nothing is sent.
    pub signing_key_file: Option<PathBuf>,
    /// A JWK set of further public keys for `/jwks.json`: the next one, or the last one, while the key is changed.
    pub also_publish: Option<PathBuf>,
    /// `iss` of the requests.
    pub issuer: String,
    /// `aud` of the requests.
    pub audience: String,
    /// How often the ends of its journals are signed and published.
    pub sign_ends_every_ms: i64,
}

#[derive(Clone, PartialEq, Debug)]
pub struct PolicyFile {
    /// None: the default policy that is compiled in.
    pub file: Option<PathBuf>,
}

impl Config {
    /// Everything as YAML, defaults included, that reads back the same. Secrets are never shown.
    pub fn effective(&self) -> String {
        show::effective(self)
    }
}

/// Reads the file at `path` with `environment` over it; no variables for `--no-environment`. See [`of_process`].
///
/// # Errors
/// Every fault of the file, of the variables and of the files that they name.
pub fn load(path: &Path, environment: &[(String, String)]) -> Result<Config, Vec<Fault>> {
    let name = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse(&name, &text, environment),
            Err(_) => Err(vec![Fault::of_file(&name, "is not UTF-8 text")]),
        },
        Err(error) => Err(vec![Fault::of_file(&name, format!("cannot be read: {error}"))]),
    }
}

/// Like [`load`], of a text; `name` is the file's name for the faults.
///
/// # Errors
/// Every fault of the text, of the variables and of the files that they name.
pub fn parse(name: &str, text: &str, environment: &[(String, String)]) -> Result<Config, Vec<Fault>> {
    let mut document = Document::parse(name, text);
    environment::lay_over(&mut document, environment);
    document.read(|at| read::config(&at))
}

#[cfg(test)]
mod tests;
