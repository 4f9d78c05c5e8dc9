//! `config schema`: the JSON Schema (draft 2020-12) of the configuration file, for editors and for checks of a chart's values.

use super::FORMATS;
use super::http::{CONTAIN_LISTEN, LISTEN};
use super::output::LISTEN as SET_LISTEN;
use super::read::{DEFAULT_PREFIX, DEFAULT_TENANT, FROM_RECORD, OWN_PROPERTIES};
use serde_json::{Map, Value, json};

/// The JSON Schema. What the reader checks beyond it (bounds of durations and sizes, files that exist) is not in it.
pub fn schema() -> Value {
    let mut schema = object(
        "Configuration of the Portcullis service",
        &["kafka", "ingest"],
        [
            ("kafka", kafka()),
            ("topics", topics()),
            ("ingest", ingest()),
            ("schema_registry", schema_registry()),
            ("score", score()),
            ("state", state()),
            ("gate", gate()),
            ("output", output()),
            (
                "policy",
                object(
                    "The policy in force",
                    &[],
                    [("file", text("What `policy apply` writes to the log; without it the default policy"))],
                ),
            ),
            ("http", http()),
            ("traces", traces()),
        ],
    );
    if let Value::Object(map) = &mut schema {
        map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    }
    schema
}

fn object<const N: usize>(description: &str, required: &[&str], properties: [(&str, Value); N]) -> Value {
    let properties: Map<String, Value> = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    json!({ "type": "object", "description": description, "additionalProperties": false, "required": required, "properties": properties })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description })
}

fn count(description: &str, least: u32, most: u32, default: u32) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most, "default": default, "description": description })
}

fn with_default(mut schema: Value, default: impl Into<Value>) -> Value {
    if let Value::Object(map) = &mut schema {
        map.insert("default".to_owned(), default.into());
    }
    schema
}

fn kafka() -> Value {
    let property_names = json!({ "pattern": "^[a-z0-9._-]+$", "not": { "enum": OWN_PROPERTIES } });
    let properties = json!({
        "type": "object", "description": "Any librdkafka property: TLS, SASL", "propertyNames": property_names,
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    });
    let files = json!({
        "type": "object", "description": "Properties whose values stand in files: `sasl.password: /run/secrets/password`",
        "propertyNames": property_names, "additionalProperties": { "type": "string", "minLength": 1 },
    });
    let servers = text("host:port, several separated by commas");
    object("The cluster", &["bootstrap_servers"], [("bootstrap_servers", servers), ("properties", properties), ("properties_file", files)])
}

fn topics() -> Value {
    object(
        "Our topics; fixed for life",
        &[],
        [
            ("prefix", with_default(text("Before the name of each"), DEFAULT_PREFIX)),
            ("partitions", count("Of events, verdicts and journal", 1, 10_000, 12)),
            ("replication", count("Copies of each partition", 1, 16, 3)),
        ],
    )
}

fn ingest() -> Value {
    let tenant = with_default(text(&format!("Whose events it carries; `{FROM_RECORD}` believes each record")), DEFAULT_TENANT);
    let input = object(
        "One topic that events are read from",
        &["topic"],
        [
            ("topic", json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,249}$" })),
            ("format", json!({ "enum": FORMATS, "default": "auto" })),
            ("encoding", json!({ "enum": ["plain", "avro"], "default": "plain", "description": "avro: by the schema registry" })),
            ("tenant", tenant),
            ("provider", text("The instance that wrote the log, where its records do not say")),
            ("mapping", text("YAML file that says which field stands where; for the format custom")),
            (
                "trust",
                json!({ "enum": ["behaviour", "control"], "default": "behaviour", "description": "control: inventory, outcomes and labels too" }),
            ),
        ],
    );
    let geoip = object("Databases of places and networks", &[], [("city", text("MMDB file")), ("asn", text("MMDB file"))]);
    object("What is read", &["inputs"], [("inputs", json!({ "type": "array", "minItems": 1, "items": input })), ("geoip", geoip)])
}

fn schema_registry() -> Value {
    object(
        "A schema registry with Confluent's API",
        &["url"],
        [
            ("url", text("Before /schemas and /subjects: http://localhost:8081, http://apicurio:8080/apis/ccompat/v7")),
            ("username", text("For basic authentication")),
            ("password", text("Its password; rather in a file")),
            ("password_file", text("The file that holds the password")),
            ("ca_file", text("PEM of authorities that are believed beside the system's")),
            ("directory", text("Where schemas are kept once they are known; by default schemas in state.directory")),
            (
                "register",
                json!({ "type": "boolean", "default": false, "description": "Whether the service registers the schemas of its outputs itself" }),
            ),
        ],
    )
}

fn score() -> Value {
    let at_most =
        json!({ "type": ["string", "integer"], "pattern": "^[0-9]+(ms|s)?$", "default": "20ms", "description": "How long it stays open" });
    let transaction =
        object("When a transaction closes", &[], [("at_most", at_most), ("records", count("How many records", 1, 1_000_000, 50_000))]);
    object(
        "The SCORE role",
        &[],
        [
            ("group", text("Consumer group; by default the prefix and `-score`")),
            ("workers", count("Threads", 1, 256, 2)),
            ("transaction", transaction),
        ],
    )
}

fn state() -> Value {
    let cache = json!({
        "type": ["string", "integer"], "pattern": "^[0-9]+ *(B|KB|MB|GB|KiB|MiB|GiB)?$", "default": "512MiB",
        "description": "Memory for the stores of all partitions together",
    });
    let every =
        json!({ "type": ["string", "integer"], "pattern": "^[0-9]+(s|m|h)?$", "default": "60s", "description": "How often, a partition" });
    let options = json!({
        "type": "object", "description": "Options of the store over AWS_... of the environment: `aws_endpoint: http://127.0.0.1:9000`",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    });
    let files = json!({
        "type": "object", "description": "Options whose values stand in files: `aws_secret_access_key: /run/secrets/key`",
        "additionalProperties": { "type": "string", "minLength": 1 },
    });
    let checkpoints = object(
        "For whoever takes a partition over; without it a lost directory is rebuilt from the log",
        &["url"],
        [
            ("url", text("file:///a/folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix")),
            ("every", every),
            ("keep", count("How many of each partition, besides those of the last half hour", 1, 1_000, 3)),
            ("options", options),
            ("options_file", files),
        ],
    );
    object(
        "Where profiles are kept",
        &[],
        [("directory", with_default(text("A local folder"), "./state")), ("cache", cache), ("checkpoints", checkpoints)],
    )
}

fn gate() -> Value {
    object(
        "The GATE role",
        &[],
        [
            ("signing_key_file", text("Ed25519 or RSA private key, PKCS #8 PEM; without it nothing is sent")),
            ("also_publish", text("JWK set of further public keys for /jwks.json, while the key is changed")),
            ("issuer", with_default(text("`iss` of the requests"), "portcullis")),
            ("audience", with_default(text("`aud` of the requests"), "portcullis-executor")),
            ("sign_ends_every", with_default(text("How often the ends of its journals are signed and published, 1s to 24h"), "10m")),
        ],
    )
}

fn output() -> Value {
    object(
        "What is written",
        &[],
        [
            ("format", json!({ "enum": ["native"], "default": "native" })),
            ("encoding", json!({ "enum": ["json", "avro"], "default": "json" })),
            (
                "framing",
                json!({
                    "enum": ["prefix", "header", "single_object"],
                    "description": "Of Avro: the registry's id before the value, its GUID in a header, or Avro's own; prefix where there is a registry",
                }),
            ),
            ("cloudevents", json!({ "type": "boolean", "default": false, "description": "Headers of CloudEvents on what others read" })),
            ("also", json!({ "type": "array", "items": { "enum": ["ocsf", "set"] }, "description": "Topics beside the verdicts" })),
            ("set", set()),
        ],
    )
}

fn set() -> Value {
    let receiver = object(
        "Who hears of SETs without reading Kafka",
        &["name"],
        [
            ("name", json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$" })),
            ("tenants", json!({ "type": "array", "items": text("Of whom it hears"), "description": "Without it, of all" })),
            ("push", text("Where SETs are posted to (RFC 8935); without it, it polls (RFC 8936)")),
            ("token_file", text("Holds the bearer token that we come with")),
            (
                "token_digest",
                json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$", "description": "Of the token that it comes with, as `portcullis set token` prints it" }),
            ),
        ],
    );
    object(
        "How SETs are made, and whom they are handed to",
        &[],
        [
            ("audience", text("`aud`; without it gate.audience")),
            ("subject_issuer", text("`iss` of identities' subject identifiers; without it they are opaque")),
            ("listen", with_default(text("Address and port where receivers poll"), SET_LISTEN.to_string())),
            ("url", text("How that is reached from outside, for /.well-known/ssf-configuration")),
            ("receivers", json!({ "type": "array", "items": receiver })),
        ],
    )
}

fn http() -> Value {
    let person = object(
        "Somebody with a token",
        &["name", "token_digest"],
        [
            ("name", text("Whose it is")),
            ("token_digest", json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$", "description": "As `contain token` prints it" })),
            ("key_file", text("What their answers are signed with; without it they may look")),
        ],
    );
    let contain = object(
        "Containment seen and answered over HTTP; without it, by the command line alone",
        &["people"],
        [
            ("listen", with_default(text("Address and port"), CONTAIN_LISTEN.to_string())),
            ("answers", json!({ "type": "boolean", "default": false, "description": "Whether it is answered, or seen alone" })),
            ("people", json!({ "type": "array", "items": person })),
        ],
    );
    object(
        "The HTTP servers",
        &[],
        [("listen", with_default(text("Address and port of probes and metrics"), LISTEN.to_string())), ("contain", contain)],
    )
}

fn traces() -> Value {
    let headers = json!({
        "type": "object", "description": "Sent with each request; what is secret belongs in headers_file",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    });
    let files = json!({
        "type": "object", "description": "Headers whose values stand in files: `authorization: /run/secrets/token`",
        "additionalProperties": { "type": "string", "minLength": 1 },
    });
    object(
        "Spans to a collector; without it traces are passed on and nothing is added",
        &["endpoint"],
        [("endpoint", text("OTLP over HTTP: http://HOST:4318; `/v1/traces` is added")), ("headers", headers), ("headers_file", files)],
    )
}
