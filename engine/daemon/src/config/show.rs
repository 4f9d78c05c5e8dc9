//! `config show --effective`: everything that is in force, and no secret.

use super::read::FROM_RECORD;
use super::secret::is_public_property;
use super::{
    Checkpoints, Config, Contain, Encoding, Framing, InputEncoding, Output, SchemaRegistry, Secret, SetOutput, Tenant, Traces, Trust,
};
use portcullis_core::policy::yaml::show_bytes;
use portcullis_core::time::Span;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// What stands for a secret.
pub(super) const REDACTED: &str = "(not shown)";

pub(super) fn effective(config: &Config) -> String {
    let mut out = String::new();
    if let Value::Object(sections) = value(config) {
        for (name, section) in &sections {
            write(&mut out, 0, name, section);
        }
    }
    out
}

/// YAML of what `value` makes: maps by indentation, lists of scalars and short maps in one line. JSON's scalars are YAML's.
fn write(out: &mut String, indent: usize, name: &str, value: &Value) {
    let name =
        if name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) { name.to_owned() } else { json!(name).to_string() };
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Object(map) if !map.is_empty() => {
            let _ = writeln!(out, "{:indent$}{name}:", "");
            map.iter().for_each(|(name, value)| write(out, indent + 2, name, value));
            Ok(())
        }
        Value::Array(items) if !items.is_empty() => {
            let _ = writeln!(out, "{:indent$}{name}:", "");
            items.iter().try_for_each(|item| writeln!(out, "{:indent$}  - {item}", ""))
        }
        value => writeln!(out, "{:indent$}{name}: {value}", ""),
    };
}

/// The configuration as a document, keys as in the file.
pub(super) fn value(config: &Config) -> Value {
    let Config { kafka, topics, ingest, schema_registry, score, state, gate, output, policy, http, traces } = config;
    let properties: Map<String, Value> = kafka
        .properties
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(if is_public_property(name) { value.reveal() } else { REDACTED })))
        .collect();
    let inputs: Vec<Value> = ingest
        .inputs
        .iter()
        .map(|i| {
            let tenant = match &i.tenant {
                Tenant::Named(name) => name,
                Tenant::FromRecord => FROM_RECORD,
            };
            let trust = match i.trust {
                Trust::Behaviour => "behaviour",
                Trust::Control => "control",
            };
            let encoding = match i.encoding {
                InputEncoding::Plain => "plain",
                InputEncoding::Avro => "avro",
            };
            let shown = json!({ "topic": i.topic, "format": i.format, "encoding": encoding, "tenant": tenant, "trust": trust });
            with(with(shown, "provider", i.provider.as_deref()), "mapping", i.mapping.as_ref().map(|m| m.file.as_str()))
        })
        .collect();
    let shown = |path: &std::path::PathBuf| path.display().to_string();
    let geoip = with(with(json!({}), "city", ingest.geoip.city.as_ref().map(shown)), "asn", ingest.geoip.asn.as_ref().map(shown));
    let transaction = json!({ "at_most": Span(score.transaction.at_most_ms).to_string(), "records": score.transaction.records });
    let gate_value =
        json!({ "issuer": gate.issuer, "audience": gate.audience, "sign_ends_every": Span(gate.sign_ends_every_ms).to_string() });
    let document = json!({
        "kafka": { "bootstrap_servers": kafka.bootstrap_servers, "properties": properties },
        "topics": { "prefix": topics.prefix, "partitions": topics.partitions, "replication": topics.replication },
        "ingest": { "inputs": inputs, "geoip": geoip },
        "score": { "group": score.group, "workers": score.workers, "transaction": transaction },
        "state": with(
            json!({ "directory": shown(&state.directory), "cache": show_bytes(state.cache_bytes) }),
            "checkpoints",
            state.checkpoints.as_ref().map(checkpoints),
        ),
        "gate": with(
            with(gate_value, "signing_key_file", gate.signing_key_file.as_ref().map(shown)),
            "also_publish",
            gate.also_publish.as_ref().map(shown),
        ),
        "output": output_value(output),
        "policy": with(json!({}), "file", policy.file.as_ref().map(shown)),
        "http": with(json!({ "listen": http.listen.to_string() }), "contain", http.contain.as_ref().map(contain)),
    });
    let document = with(document, "schema_registry", schema_registry.as_ref().map(registry));
    with(document, "traces", traces.as_ref().map(collector))
}

fn registry(registry: &SchemaRegistry) -> Value {
    let shown = json!({ "url": registry.url, "directory": registry.directory.display().to_string(), "register": registry.register });
    let shown = with(shown, "username", registry.basic.as_ref().map(|(user, _)| user.as_str()));
    let shown = with(shown, "password", registry.basic.as_ref().map(|_| REDACTED));
    with(shown, "ca_file", registry.ca_file.as_ref().map(|file| file.display().to_string()))
}

fn checkpoints(checkpoints: &Checkpoints) -> Value {
    let shown = |(name, value): (&String, &Secret)| {
        // A list of what is known, since any other may be a secret.
        let is_public = ["region", "endpoint", "endpoint_url", "allow_http", "bucket"].iter().any(|end| name.ends_with(end));
        (name.clone(), Value::from(if is_public { value.reveal() } else { REDACTED }))
    };
    let options: Map<String, Value> = checkpoints.options.iter().map(shown).collect();
    json!({ "url": checkpoints.url, "every": Span(checkpoints.every_ms).to_string(), "keep": checkpoints.keep, "options": options })
}

fn output_value(output: &Output) -> Value {
    let encoding = match output.encoding {
        Encoding::Json => "json",
        Encoding::Avro => "avro",
    };
    let also: Vec<&str> =
        [("ocsf", output.ocsf), ("set", output.set.is_some())].iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    let framing = match output.framing {
        Framing::SingleObject => "single_object",
        Framing::Prefix => "prefix",
        Framing::Header => "header",
    };
    let shown = json!({ "format": "native", "encoding": encoding, "cloudevents": output.cloudevents, "also": also });
    let shown = with(shown, "framing", (output.encoding == Encoding::Avro).then_some(framing));
    with(shown, "set", output.set.as_ref().map(set))
}

fn set(set: &SetOutput) -> Value {
    let receivers: Vec<Value> = set
        .receivers
        .iter()
        .map(|receiver| {
            let push = receiver.push.as_ref();
            let token = push.and_then(|push| push.token.as_ref()).map(|(file, _)| file.display().to_string());
            let shown = with(json!({ "name": receiver.name, "tenants": receiver.tenants }), "push", push.map(|push| push.url.as_str()));
            with(with(shown, "token_file", token), "token_digest", receiver.token_digest.map(|digest| digest.to_hex().to_string()))
        })
        .collect();
    let shown = json!({ "listen": set.listen.to_string(), "receivers": receivers });
    let shown = with(with(shown, "audience", set.audience.as_deref()), "subject_issuer", set.subject_issuer.as_deref());
    with(shown, "url", set.url.as_deref())
}

fn collector(traces: &Traces) -> Value {
    let headers: Map<String, Value> = traces.headers.keys().map(|name| (name.clone(), Value::from(REDACTED))).collect();
    json!({ "endpoint": traces.endpoint.as_str(), "headers": headers })
}

fn contain(contain: &Contain) -> Value {
    let people: Vec<Value> = contain
        .people
        .iter()
        .map(|p| {
            let shown = json!({ "name": p.name, "token_digest": p.token_digest.to_hex().as_str() });
            with(shown, "key_file", p.key_file.as_ref().map(|file| file.display().to_string()))
        })
        .collect();
    json!({ "listen": contain.listen.to_string(), "answers": contain.answers, "people": people })
}

fn with(mut map: Value, key: &str, value: Option<impl Into<Value>>) -> Value {
    if let (Value::Object(map), Some(value)) = (&mut map, value) {
        map.insert(key.to_owned(), value.into());
    }
    map
}
