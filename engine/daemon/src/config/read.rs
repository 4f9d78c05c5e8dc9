//! From the document to the typed configuration.

use super::{
    Checkpoints, Config, FORMATS, Gate, GeoIp, Ingest, Input, InputEncoding, Kafka, MappingFile, PolicyFile, Score, Secret, State, Tenant,
    Topics, Transaction, Trust, http, output, registry, traces,
};
use crate::checkpointer;
use portcullis_connectors::formats::Format;
use portcullis_connectors::formats::custom::Mapping;
use portcullis_connectors::kafka::{KafkaFault, Settings};
use portcullis_core::policy::yaml::{At, Map};
use portcullis_core::time::Span;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) const NAME_BYTES_MAX: usize = 128;
pub(super) const PATH_BYTES_MAX: usize = 4096;
const SERVERS_BYTES_MAX: usize = 4096;
/// Kafka's own bound on the name of a topic.
const TOPIC_BYTES_MAX: usize = 249;
/// A secret in a file of its own.
const SECRET_BYTES_MAX: u64 = 64 << 10;

pub(super) const DEFAULT_PREFIX: &str = "portcullis";
pub(super) const DEFAULT_TENANT: &str = "default";
pub(super) const FROM_RECORD: &str = "from_record";

pub(super) const NEEDS_REGISTRY: &str = "write `schema_registry: { url: ... }`";

/// Properties that exactly-once rests on, or that have a key of their own.
pub(super) const OWN_PROPERTIES: &[&str] = &[
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "session.timeout.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

pub(super) fn config(at: &At<'_>) -> Option<Config> {
    let map = at.map()?;
    let kafka = kafka(&map);
    let topics = topics(&map);
    let state = state(&map);
    let schema_registry = map.get("schema_registry").and_then(|at| registry::read(&at, &state.directory));
    let has_registry = map.get("schema_registry").is_some();
    let ingest = ingest(&map, &topics, has_registry);
    let config = Config {
        score: score(&map, &topics),
        state,
        schema_registry,
        gate: gate(&map),
        output: output::read(&map, has_registry),
        policy: PolicyFile { file: section(&map, "policy").and_then(|m| path(&m, "file")) },
        http: http::read(&map),
        traces: traces::read(&map),
        kafka: kafka?,
        topics,
        ingest: ingest?,
    };
    Some(config)
}

pub(super) fn section<'a>(map: &Map<'a>, key: &'static str) -> Option<Map<'a>> {
    map.get(key).and_then(|at| at.map())
}

pub(super) fn path(map: &Map<'_>, key: &'static str) -> Option<PathBuf> {
    map.get(key).and_then(|at| at.short_text(PATH_BYTES_MAX)).map(PathBuf::from)
}

pub(super) fn address(map: &Map<'_>, default: SocketAddr) -> SocketAddr {
    let wanted = format!("an address such as {default}");
    map.get("listen").and_then(|at| at.parsed(&wanted, |t| t.parse().ok())).unwrap_or(default)
}

/// The digest of a token that somebody comes to us with.
pub(super) fn token_digest(at: &At<'_>) -> Option<blake3::Hash> {
    at.parsed("the digest that `portcullis contain token` or `portcullis set token` prints", |t| blake3::Hash::from_hex(t).ok())
}

fn text(map: &Map<'_>, key: &'static str, default: &str) -> String {
    map.get(key).and_then(|at| at.short_text(NAME_BYTES_MAX)).unwrap_or(default).to_owned()
}

/// The letters that Kafka allows in the name of a topic.
fn topic_name(at: &At<'_>, bytes_max: usize) -> Option<String> {
    let name = at.short_text(bytes_max)?;
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) || name.bytes().all(|b| b == b'.') {
        at.fault(format!("{name:?} cannot be the name of a topic: letters, digits, `.`, `_` and `-` are allowed"));
        return None;
    }
    Some(name.to_owned())
}

fn kafka(map: &Map<'_>) -> Option<Kafka> {
    let section = map.need("kafka")?;
    let kafka = section.map()?;
    let servers = kafka.need("bootstrap_servers");
    let bootstrap_servers = servers.as_ref().and_then(|at| at.short_text(SERVERS_BYTES_MAX));
    for server in bootstrap_servers.unwrap_or_default().split(',').map(str::trim) {
        let port = server.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
        if let (Some(at), None) = (servers.as_ref().filter(|_| bootstrap_servers.is_some()), port) {
            at.fault(format!("{server:?} is not host:port; several are separated by commas"));
        }
    }
    let mut properties = BTreeMap::new();
    if let Some(at) = kafka.get("properties").and_then(|at| at.map()) {
        for (name, at) in at.entries() {
            if let Some(value) = property(name, &at).and_then(|()| at.scalar()) {
                properties.insert(name.to_owned(), Secret::new(value));
            }
        }
    }
    if let Some(files) = kafka.get("properties_file").and_then(|at| at.map()) {
        for (name, at) in files.entries() {
            let Some(value) = property(name, &at).and_then(|()| at.short_text(PATH_BYTES_MAX)).and_then(|file| secret_file(&at, file))
            else {
                continue;
            };
            if properties.insert(name.to_owned(), value).is_some() {
                at.fault_with("is in kafka.properties too", "remove one of them");
            }
        }
    }
    let kafka = Kafka { bootstrap_servers: bootstrap_servers?.to_owned(), properties };
    if let Err(KafkaFault::Property { property, reason }) = kafka.settings().check() {
        section.fault(format!("{property}: {reason}"));
    }
    Some(kafka)
}

impl Kafka {
    /// For the clients.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new(self.bootstrap_servers.clone());
        settings.properties = self.properties.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
        settings
    }
}

/// `None`, with a fault noted, for a property that is not for configuration.
fn property(name: &str, at: &At<'_>) -> Option<()> {
    if OWN_PROPERTIES.contains(&name) {
        at.fault_with("is set by the engine itself", "take it out");
        return None;
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b)) {
        at.fault_with("is not the name of a librdkafka property", "they look like `sasl.password`");
        return None;
    }
    Some(())
}

/// What a file holds, without the line break at its end.
pub(super) fn secret_file(at: &At<'_>, file: &str) -> Option<Secret> {
    let read = || -> std::io::Result<String> {
        let length = std::fs::metadata(file)?.len();
        if length > SECRET_BYTES_MAX {
            return Err(std::io::Error::other(format!("it has {length} bytes, at most {SECRET_BYTES_MAX} are read")));
        }
        std::fs::read_to_string(file)
    };
    match read() {
        Ok(text) => {
            let value = text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t)).unwrap_or(&text);
            if value.is_empty() {
                at.fault(format!("{file} is empty"));
                return None;
            }
            Some(Secret::new(value))
        }
        Err(error) => {
            at.fault(format!("{file} cannot be read: {error}"));
            None
        }
    }
}

fn topics(map: &Map<'_>) -> Topics {
    let mut topics = Topics { prefix: DEFAULT_PREFIX.to_owned(), partitions: 12, replication: 3 };
    let Some(section) = section(map, "topics") else { return topics };
    // The longest of our endings, `.gate-journal`, must fit behind it.
    if let Some(prefix) = section.get("prefix").and_then(|at| topic_name(&at, TOPIC_BYTES_MAX - 32)) {
        topics.prefix = prefix;
    }
    if let Some(n) = section.get("partitions").and_then(|at| at.count(1..=10_000)) {
        topics.partitions = n;
    }
    if let Some(n) = section.get("replication").and_then(|at| at.count(1..=16)) {
        topics.replication = n;
    }
    topics
}

fn ingest(map: &Map<'_>, topics: &Topics, has_registry: bool) -> Option<Ingest> {
    let section_at = map.need("ingest")?;
    let section = section_at.map()?;
    let geoip = match section.get("geoip").and_then(|at| at.map()) {
        Some(geoip) => GeoIp { city: path(&geoip, "city"), asn: path(&geoip, "asn") },
        None => GeoIp::default(),
    };
    let at = section.need("inputs")?;
    let items = at.list()?;
    if items.is_empty() {
        at.fault_with("names no input", "write `- { topic: auth-log, format: native }`");
    }
    let mut inputs: Vec<Input> = Vec::new();
    for item in items {
        let Some(input) = input(&item, topics, has_registry) else { continue };
        if inputs.iter().any(|i| i.topic == input.topic) {
            item.fault(format!("the topic {:?} is there twice", input.topic));
        }
        inputs.push(input);
    }
    Some(Ingest { inputs, geoip })
}

fn input(item: &At<'_>, topics: &Topics, has_registry: bool) -> Option<Input> {
    let map = item.map()?;
    let topic = map.need("topic").and_then(|at| {
        let name = topic_name(&at, TOPIC_BYTES_MAX)?;
        if name.strip_prefix(&topics.prefix).is_some_and(|rest| rest.starts_with('.')) {
            at.fault_with(format!("{name:?} is a topic of the engine itself"), "name the topic that others write to");
        }
        Some(name)
    });
    let format = match map.get("format") {
        Some(at) => at.word(FORMATS, |word| FORMATS.contains(&word).then(|| word.to_owned())),
        None => Some("auto".to_owned()),
    };
    let tenant = match map.get("tenant") {
        Some(at) if at.is_word(FROM_RECORD) => Some(Tenant::FromRecord),
        Some(at) => at.short_text(NAME_BYTES_MAX).map(|name| Tenant::Named(name.to_owned())),
        None => Some(Tenant::Named(DEFAULT_TENANT.to_owned())),
    };
    let provider = map.get("provider").and_then(|at| at.short_text(PATH_BYTES_MAX)).map(str::to_owned);
    let trust = match map.get("trust") {
        Some(at) => at.word(&["behaviour", "control"], |word| match word {
            "behaviour" => Some(Trust::Behaviour),
            "control" => Some(Trust::Control),
            _ => None,
        }),
        None => Some(Trust::Behaviour),
    };
    let is_custom = format.as_deref() == Some(Format::Custom.name());
    let mapping = match map.get("mapping") {
        Some(at) if is_custom => mapping(&at),
        Some(at) => {
            at.fault_with("has no effect for this format", "take it out, or write `format: custom`");
            None
        }
        None => {
            if is_custom {
                item.fault_with("the format `custom` needs a mapping", "write `mapping: FILE`");
            }
            None
        }
    };
    let encoding = map.get("encoding").and_then(|at| {
        let encoding = at.word(&["plain", "avro"], |word| match word {
            "plain" => Some(InputEncoding::Plain),
            "avro" => Some(InputEncoding::Avro),
            _ => None,
        });
        if encoding == Some(InputEncoding::Avro) && !has_registry {
            at.fault_with("needs a schema registry, which says what wrote a record", NEEDS_REGISTRY);
        }
        encoding
    });
    let encoding = encoding.unwrap_or(InputEncoding::Plain);
    Some(Input { topic: topic?, format: format?, tenant: tenant?, provider, trust: trust?, encoding, mapping })
}

/// The mapping in a file, whose faults are told as faults of the key that names it.
fn mapping(at: &At<'_>) -> Option<MappingFile> {
    let file = at.short_text(PATH_BYTES_MAX)?;
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            at.fault(format!("{file} cannot be read: {error}"));
            return None;
        }
    };
    match Mapping::parse(file, &text) {
        Ok(mapping) => Some(MappingFile { file: file.to_owned(), mapping: Arc::new(mapping) }),
        Err(faults) => {
            faults.iter().for_each(|fault| at.fault(fault.to_string()));
            None
        }
    }
}

fn score(map: &Map<'_>, topics: &Topics) -> Score {
    // Two deployments on one cluster differ in their prefix, and must not share a group.
    let mut score =
        Score { group: format!("{}-score", topics.prefix), workers: 2, transaction: Transaction { at_most_ms: 20, records: 50_000 } };
    let Some(section) = section(map, "score") else { return score };
    score.group = text(&section, "group", &score.group);
    if let Some(n) = section.get("workers").and_then(|at| at.count(1..=256)) {
        score.workers = n;
    }
    if let Some(transaction) = section.get("transaction").and_then(|at| at.map()) {
        if let Some(span) = transaction.get("at_most").and_then(|at| at.span(Span(1)..=Span(1_000))) {
            score.transaction.at_most_ms = span.0;
        }
        if let Some(n) = transaction.get("records").and_then(|at| at.count(1..=1_000_000)) {
            score.transaction.records = n;
        }
    }
    score
}

fn state(map: &Map<'_>) -> State {
    let mut state = State { directory: PathBuf::from("./state"), cache_bytes: 512 << 20, checkpoints: None };
    let Some(section) = section(map, "state") else { return state };
    if let Some(directory) = path(&section, "directory") {
        state.directory = directory;
    }
    if let Some(bytes) = section.get("cache").and_then(|at| at.bytes(16 << 20..=1 << 40)) {
        state.cache_bytes = bytes;
    }
    state.checkpoints = section.get("checkpoints").and_then(|at| checkpoints(&at));
    state
}

fn checkpoints(at: &At<'_>) -> Option<Checkpoints> {
    let map = at.map()?;
    let url_at = map.need("url");
    let url = url_at.as_ref().and_then(|at| at.short_text(PATH_BYTES_MAX)).map(str::to_owned);
    let mut options = BTreeMap::new();
    if let Some(given) = map.get("options").and_then(|at| at.map()) {
        for (name, at) in given.entries() {
            if let Some(value) = at.scalar() {
                options.insert(name.to_owned(), Secret::new(value));
            }
        }
    }
    if let Some(files) = map.get("options_file").and_then(|at| at.map()) {
        for (name, at) in files.entries() {
            let Some(value) = at.short_text(PATH_BYTES_MAX).and_then(|file| secret_file(&at, file)) else { continue };
            if options.insert(name.to_owned(), value).is_some() {
                at.fault_with("is in state.checkpoints.options too", "remove one of them");
            }
        }
    }
    let every = map.get("every").and_then(|at| at.span(Span(1_000)..=Span(24 * 60 * 60 * 1_000)));
    let keep = map.get("keep").and_then(|at| at.count(1..=1_000));
    let checkpoints = Checkpoints { url: url?, every_ms: every.map_or(60_000, |span| span.0), keep: keep.unwrap_or(3), options };
    if let (Some(at), Err(fault)) = (url_at, checkpointer::checkpoints_of(&checkpoints)) {
        at.fault(fault.to_string());
        return None;
    }
    Some(checkpoints)
}

fn gate(map: &Map<'_>) -> Gate {
    let (issuer, audience) = ("portcullis", "portcullis-executor");
    const EVERY_MS: i64 = 600_000;
    match section(map, "gate") {
        Some(m) => Gate {
            signing_key_file: path(&m, "signing_key_file"),
            also_publish: path(&m, "also_publish"),
            issuer: text(&m, "issuer", issuer),
            audience: text(&m, "audience", audience),
            sign_ends_every_ms: m
                .get("sign_ends_every")
                .and_then(|at| at.span(Span(1_000)..=Span(24 * 60 * 60 * 1_000)))
                .map_or(EVERY_MS, |span| span.0),
        },
        None => Gate {
            signing_key_file: None,
            also_publish: None,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            sign_ends_every_ms: EVERY_MS,
        },
    }
}
