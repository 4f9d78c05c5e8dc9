//! The configuration as it is written, and what is said of a wrong one.

use super::*;
use serde_json::Value;

const EXAMPLE: &str = include_str!("example.yaml");
const LEAST: &str = "kafka: { bootstrap_servers: 'a:1' }\ningest: { inputs: [ { topic: t } ] }\n";

const REGISTERED: &str = "kafka: { bootstrap_servers: 'a:1' }\ningest: { inputs: [ { topic: t, encoding: avro } ] }\n\
    schema_registry: { url: 'http://r:8081', register: true }\noutput: { encoding: avro, framing: header }\n";

fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn good(text: &str, environment: &[(&str, &str)]) -> Config {
    match parse("c.yaml", text, &variables(environment)) {
        Ok(config) => config,
        Err(faults) => panic!("{text}\n{}", faults.iter().map(|f| format!("{f}\n")).collect::<String>()),
    }
}

fn faults(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    match parse("c.yaml", text, &variables(environment)) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(Fault::to_string).collect(),
    }
}

/// One line added to the least configuration, or put in place of the section that it names.
fn fault_of(line: &str) -> Vec<String> {
    let section = line.split(':').next().unwrap_or_default();
    let rest: String = LEAST.lines().filter(|l| !l.starts_with(section)).map(|l| format!("{l}\n")).collect();
    faults(&format!("{line}\n{rest}"), &[])
}

#[test]
fn only_two_things_have_no_default() {
    let config = good(LEAST, &[]);
    assert_eq!(config.topics, Topics { prefix: "portcullis".into(), partitions: 12, replication: 3 });
    let input = Input {
        topic: "t".into(),
        format: "auto".into(),
        tenant: Tenant::Named("default".into()),
        provider: None,
        trust: Trust::Behaviour,
        encoding: InputEncoding::Plain,
        mapping: None,
    };
    assert_eq!(config.ingest, Ingest { inputs: vec![input], geoip: GeoIp::default() });
    let transaction = Transaction { at_most_ms: 20, records: 50_000 };
    assert_eq!(config.score, Score { group: "portcullis-score".into(), workers: 2, transaction });
    assert_eq!(config.state, State { directory: "./state".into(), cache_bytes: 512 << 20, checkpoints: None });
    assert_eq!(
        config.gate,
        Gate {
            signing_key_file: None,
            also_publish: None,
            issuer: "portcullis".into(),
            audience: "portcullis-executor".into(),
            sign_ends_every_ms: 600_000
        }
    );
    assert_eq!(
        (config.output.encoding, config.policy.file, config.http.listen.to_string().as_str()),
        (Encoding::Json, None, "127.0.0.1:9464")
    );
    assert_eq!(good(&format!("{LEAST}topics: {{ prefix: fraud }}\n"), &[]).score.group, "fraud-score", "deployments do not share a group");
    assert_eq!(faults("", &[]), ["c.yaml:1:1 kafka: is missing, it is required", "c.yaml:1:1 ingest: is missing, it is required"]);
}

#[test]
fn the_example_is_read() {
    let config = good(EXAMPLE, &[]);
    let [auth, okta, inventory] = config.ingest.inputs.as_slice() else { panic!("{:?}", config.ingest) };
    assert_eq!((auth.format.as_str(), &auth.tenant), ("native", &Tenant::Named("retail-ch".into())));
    assert_eq!((okta.format.as_str(), okta.provider.as_deref(), okta.trust), ("okta", Some("https://example.okta.com"), Trust::Behaviour));
    assert_eq!((&inventory.tenant, inventory.trust), (&Tenant::FromRecord, Trust::Control));
    assert_eq!(config.gate.signing_key_file.as_deref(), Some(Path::new("gate.key")));
    let contain = config.http.contain.as_ref().expect("the example has it");
    assert_eq!((contain.listen.to_string().as_str(), contain.answers, contain.people.len()), ("127.0.0.1:9465", false, 1));
    let set = config.output.set.as_ref().expect("the example has it");
    let [idp, iga] = set.receivers.as_slice() else { panic!("{set:?}") };
    assert_eq!((idp.push.as_ref().map(|p| p.url.as_str()), idp.tenants.len()), (Some("https://idp.example/ssf/events"), 1));
    assert!(iga.push.is_none() && iga.token_digest.is_some() && config.output.ocsf && config.output.cloudevents);
}

#[test]
fn the_environment_is_laid_over_the_file() {
    let config = good(
        LEAST,
        &[
            ("PORTCULLIS_KAFKA__BOOTSTRAP_SERVERS", "b:2, c:3"),
            ("PORTCULLIS_KAFKA__PROPERTIES__SASL_PASSWORD", "x: [#'\" "),
            ("PORTCULLIS_KAFKA__PROPERTIES__SECURITY_PROTOCOL", "SASL_SSL"),
            ("PORTCULLIS_SCORE__TRANSACTION__AT_MOST", "50ms"),
            ("PORTCULLIS_INGEST__INPUTS", "[{ topic: u, trust: control }, { topic: v }]"),
            // Set by Kubernetes beside a Service called `portcullis` or `portcullis-score`.
            ("PORTCULLIS_SERVICE_HOST", "10.0.0.1"),
            ("PORTCULLIS_PORT", "tcp://10.0.0.1:9464"),
            ("PORTCULLIS_PORT_9464_TCP_ADDR", "10.0.0.1"),
            ("PORTCULLIS_SCORE_SERVICE_PORT_HTTP", "9464"),
            ("PATH", "/bin"),
        ],
    );
    assert_eq!(config.kafka.bootstrap_servers, "b:2, c:3");
    assert_eq!(config.kafka.properties["sasl.password"].reveal(), "x: [#'\" ");
    assert_eq!(config.kafka.properties["security.protocol"].reveal(), "SASL_SSL");
    assert_eq!(config.score.transaction.at_most_ms, 50);
    assert_eq!(
        config.ingest.inputs.iter().map(|i| (i.topic.as_str(), i.trust)).collect::<Vec<_>>(),
        [("u", Trust::Control), ("v", Trust::Behaviour)]
    );
    assert_eq!(
        good("", &[("PORTCULLIS_KAFKA__BOOTSTRAP_SERVERS", "a:1"), ("PORTCULLIS_INGEST__INPUTS", "[{ topic: t }]")]),
        good(LEAST, &[]),
        "no file is needed"
    );
}

#[test]
fn a_wrong_variable_is_told_by_its_name() {
    assert_eq!(
        faults(
            LEAST,
            &[
                ("PORTCULLIS_KAFKA__BOOTSTRAP_SERVER", "b:2"),
                ("PORTCULLIS_KAFKA_BOOTSTRAP_SERVERS", "b:2"),
                ("PORTCULLIS_SCORE__WORKERS", "many"),
                ("PORTCULLIS_SCORE__", "1"),
                ("PORTCULLIS_INGEST__INPUTS", "[{ topic: t"),
            ]
        ),
        [
            "PORTCULLIS_INGEST__INPUTS: is not YAML: while parsing a flow mapping, did not find expected ',' or '}'",
            "PORTCULLIS_KAFKA_BOOTSTRAP_SERVERS: names no key of the configuration, write PORTCULLIS_SECTION__KEY, as in \
             PORTCULLIS_KAFKA__BOOTSTRAP_SERVERS, or unset it",
            "PORTCULLIS_SCORE__: names no key of the configuration, write PORTCULLIS_SECTION__KEY, as in PORTCULLIS_KAFKA__BOOTSTRAP_SERVERS, \
             or unset it",
        ]
    );
    let told = faults(LEAST, &[("PORTCULLIS_HTTP_PORT", "9464")]);
    assert!(told[0].starts_with("PORTCULLIS_HTTP_PORT: names no key"), "it looks like a Service's and is not: {told:?}");
    assert_eq!(
        faults(LEAST, &[("PORTCULLIS_KAFKA__BOOTSTRAP_SERVER", "b:2"), ("PORTCULLIS_SCORE__WORKERS", "many")]),
        [
            "PORTCULLIS_KAFKA__BOOTSTRAP_SERVER kafka.bootstrap_server: unknown key, did you mean \"bootstrap_servers\"?",
            "PORTCULLIS_SCORE__WORKERS score.workers: a whole number is wanted here, found \"many\"",
        ]
    );
}

#[test]
fn what_is_wrong_is_said() {
    for (line, expected) in [
        (
            "kafka: { bootstrap_servers: localhost }",
            "c.yaml:1:29 kafka.bootstrap_servers: \"localhost\" is not host:port; several are separated by commas",
        ),
        (
            "kafka: { bootstrap_server: 'a:1', bootstrap_servers: 'a:1' }",
            "c.yaml:1:10 kafka.bootstrap_server: unknown key, did you mean \"bootstrap_servers\"?",
        ),
        (
            "kafka: { bootstrap_servers: 'a:1', properties: { group.id: x } }",
            "c.yaml:1:60 kafka.properties.group.id: is set by the engine itself, take it out",
        ),
        (
            "kafka: { bootstrap_servers: 'a:1', properties: { Sasl: x } }",
            "c.yaml:1:56 kafka.properties.Sasl: is not the name of a librdkafka property, they look like `sasl.password`",
        ),
        (
            "kafka: { bootstrap_servers: 'a:1', properties: { sasl.mechanisms: OAUTHBEARER } }",
            "c.yaml:1:8 kafka: security.protocol: is not SASL_SSL, so no token would be shown to a broker",
        ),
        (
            "kafka: { bootstrap_servers: 'a:1', properties_file: { sasl.password: /nowhere/p } }",
            "c.yaml:1:70 kafka.properties_file.sasl.password: /nowhere/p cannot be read: No such file or directory (os error 2)",
        ),
        ("topics: { partitions: 0 }", "c.yaml:1:23 topics.partitions: 0 is out of bounds: between 1 and 10000"),
        (
            "topics: { prefix: a/b }",
            "c.yaml:1:19 topics.prefix: \"a/b\" cannot be the name of a topic: letters, digits, `.`, `_` and `-` are allowed",
        ),
        ("ingest: { inputs: [] }", "c.yaml:1:19 ingest.inputs: names no input, write `- { topic: auth-log, format: native }`"),
        (
            "ingest: { inputs: [ { topic: a, format: okto } ] }",
            "c.yaml:1:41 ingest.inputs[0].format: unknown value \"okto\", did you mean \"okta\"?",
        ),
        ("ingest: { inputs: [ { topic: a }, { topic: a } ] }", "c.yaml:1:35 ingest.inputs[1]: the topic \"a\" is there twice"),
        (
            "ingest: { inputs: [ { topic: portcullis.events } ] }",
            "c.yaml:1:30 ingest.inputs[0].topic: \"portcullis.events\" is a topic of the engine itself, name the topic that others write to",
        ),
        (
            "ingest: { inputs: [ { topic: a, trust: yes } ] }",
            "c.yaml:1:40 ingest.inputs[0].trust: unknown value \"yes\", known are behaviour, control",
        ),
        (
            "ingest: { inputs: [ { topic: a, format: custom } ] }",
            "c.yaml:1:21 ingest.inputs[0]: the format `custom` needs a mapping, write `mapping: FILE`",
        ),
        (
            "ingest: { inputs: [ { topic: a, mapping: m.yaml } ] }",
            "c.yaml:1:42 ingest.inputs[0].mapping: has no effect for this format, take it out, or write `format: custom`",
        ),
        ("ingest: { inputs: [ { format: okta } ] }", "c.yaml:1:21 ingest.inputs[0].topic: is missing, it is required"),
        ("score: { transaction: { at_most: 2s } }", "c.yaml:1:34 score.transaction.at_most: 2s is out of bounds: between 1ms and 1s"),
        ("state: { cache: 512M }", "c.yaml:1:17 state.cache: a size such as 512MiB, 2GiB or 64KiB is wanted here, found \"512M\""),
        ("state: { checkpoints: { every: 60s } }", "c.yaml:1:23 state.checkpoints.url: is missing, it is required"),
        (
            "state: { checkpoints: { url: ftp://there } }",
            "c.yaml:1:30 state.checkpoints.url: \"ftp://there\": Unable to recognise URL \"ftp://there/\"; write file:///a/folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
        ),
        ("schema_registry: { url: x }", "c.yaml:1:18 schema_registry: \"x\" is no http:// or https:// address"),
        (
            "schema_registry: { url: 'http://me:it@r:8081' }",
            "c.yaml:1:25 schema_registry.url: holds a user or a password, write them as username and password_file",
        ),
        (
            "schema_registry: { url: 'http://r:8081', username: me }",
            "c.yaml:1:52 schema_registry.username: has no password beside it, write `password_file: FILE`",
        ),
        (
            "ingest: { inputs: [ { topic: a, encoding: avro } ] }",
            "c.yaml:1:43 ingest.inputs[0].encoding: needs a schema registry, which says what wrote a record, write `schema_registry: { url: ... }`",
        ),
        (
            "output: { encoding: avro, framing: header }",
            "c.yaml:1:36 output.framing: needs a schema registry, which gives the ids, write `schema_registry: { url: ... }`",
        ),
        ("output: { framing: prefix }", "c.yaml:1:20 output.framing: is of Avro alone, write `encoding: avro`, or take it out"),
        (
            "output: { format: ocsf }",
            "c.yaml:1:19 output.format: the verdicts' own topic is always native: audit, explain and contain read it, write `also: [ocsf, set]` for topics beside it",
        ),
        ("output: { also: [ocsf, syslog] }", "c.yaml:1:24 output.also[1]: unknown value \"syslog\", known are ocsf, set"),
        ("output: { set: {} }", "c.yaml:1:16 output.set: has no effect without SETs, write `also: [set]`, or take it out"),
        (
            "output: { also: [set], set: { receivers: [ { name: idp } ] } }",
            "c.yaml:1:44 output.set.receivers[0]: a receiver is pushed to or polls, give it `push: URL`, or `token_digest` of the token that it polls with (`portcullis set token`)",
        ),
        (
            "output: { also: [set], set: { receivers: [ { name: idp, push: 'http://idp.example/ssf' } ] } }",
            "c.yaml:1:63 output.set.receivers[0].push: \"http://idp.example/ssf\" is neither https nor this host, SETs and their token go over TLS (RFC 8935)",
        ),
        (
            "output: { also: [set], set: { receivers: [ { name: a, push: 'https://a' }, { name: a, push: 'https://b' } ] } }",
            "c.yaml:1:76 output.set.receivers[1]: the receiver \"a\" is there twice",
        ),
        (
            "output: { also: [set], set: { receivers: [ { name: a/b, push: 'https://a' } ] } }",
            "c.yaml:1:52 output.set.receivers[0].name: \"a/b\" cannot be the end of a consumer group's name: letters, digits, `.`, `_` and `-` are allowed",
        ),
        ("output: { format: xml }", "c.yaml:1:19 output.format: unknown value \"xml\", known are native"),
        (
            "http: { contain: { answers: true, people: [] } }",
            "c.yaml:1:43 http.contain.people: nobody has a key_file, so nobody can answer, `portcullis contain token --name NAME --key FILE` prints the line to put here",
        ),
        (
            "http: { contain: { people: [ { name: a, token_digest: ab } ] } }",
            "c.yaml:1:55 http.contain.people[0].token_digest: the digest that `portcullis contain token` or `portcullis set token` prints is wanted here, found \"ab\"",
        ),
        ("http: { listen: 9464 }", "c.yaml:1:17 http.listen: an address such as 127.0.0.1:9464 is wanted here, found the number 9464"),
        (
            "traces: { endpoint: 'grpc://collector:4317' }",
            "c.yaml:1:21 traces.endpoint: \"grpc://collector:4317\" is not http:// or https://, write http://HOST:4318, and what is secret in headers_file",
        ),
        (
            "traces: { endpoint: 'http://c:4318', headers: { 'a b': c } }",
            "c.yaml:1:56 traces.headers.a b: is not a header of HTTP: its name or its value has characters that are not allowed there",
        ),
        ("stat: {}", "c.yaml:1:1 stat: unknown key, did you mean \"state\"?"),
    ] {
        assert_eq!(fault_of(line), [expected], "{line}");
    }
}

#[test]
fn secrets_are_read_from_files_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter two\n").unwrap();
    let text = format!(
        "{}kafka:\n  bootstrap_servers: 'a:1'\n  properties: {{ security.protocol: SASL_SSL, ssl.key.password: swordfish, sasl.jaas.config: open sesame }}\n  properties_file: {{ sasl.password: {} }}\n",
        LEAST.lines().last().map(|l| format!("{l}\n")).unwrap_or_default(),
        file.display()
    );
    let text = format!(
        "{text}traces: {{ endpoint: 'http://c:4318', headers: {{ x-key: opensesame }}, headers_file: {{ authorization: {} }} }}\n",
        file.display()
    );
    let config = good(&text, &[]);
    assert_eq!(config.kafka.properties["sasl.password"].reveal(), "hunter two");
    assert_eq!(config.traces.as_ref().map(|t| t.headers["authorization"].reveal()), Some("hunter two"));
    for shown in [config.effective(), format!("{config:?}")] {
        for secret in ["hunter", "swordfish", "sesame"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    assert!(config.effective().contains("security.protocol: \"SASL_SSL\""), "{}", config.effective());
    let twice = text.replace("ssl.key.password: swordfish", "sasl.password: swordfish");
    assert!(faults(&twice, &[])[0].ends_with("is in kafka.properties too, remove one of them"), "{:?}", faults(&twice, &[]));
    std::fs::write(&file, "\n").unwrap();
    assert!(faults(&text, &[])[0].ends_with("is empty"));
}

#[test]
fn what_a_registry_brings_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter two\n").unwrap();
    let text = format!(
        "kafka: {{ bootstrap_servers: 'a:1' }}\ningest: {{ inputs: [ {{ topic: t, encoding: avro }} ] }}\nstate: {{ directory: /s }}\n\
         output: {{ encoding: avro }}\nschema_registry: {{ url: 'https://r:8081', username: me, password_file: {:?} }}\n",
        file.display().to_string()
    );
    let config = good(&text, &[]);
    let registry = config.schema_registry.as_ref().expect("it is configured");
    assert_eq!((registry.directory.as_path(), registry.register), (Path::new("/s/schemas"), false));
    assert_eq!(registry.basic.as_ref().map(|(user, password)| (user.as_str(), password.reveal())), Some(("me", "hunter two")));
    assert_eq!((config.output.framing, config.ingest.inputs[0].encoding), (Framing::Prefix, InputEncoding::Avro));
    assert!(!config.effective().contains("hunter"), "{}", config.effective());
    assert_eq!(good(LEAST, &[]).output.framing, Framing::SingleObject);
    let named = good(&text.replace("encoding: avro }\ns", "encoding: avro, framing: single_object }\ns"), &[]);
    assert_eq!(named.output.framing, Framing::SingleObject);
}

#[test]
fn what_is_in_force_reads_back_the_same() {
    for text in [EXAMPLE, LEAST, REGISTERED] {
        let config = good(text, &[]);
        assert_eq!(good(&config.effective(), &[]), config, "{}", config.effective());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    assert!(load(&file, &[]).unwrap_err()[0].to_string().ends_with("c.yaml: cannot be read: No such file or directory (os error 2)"));
    std::fs::write(&file, b"\xff\xfe").unwrap();
    assert!(load(&file, &[]).unwrap_err()[0].to_string().ends_with("is not UTF-8 text"));
    std::fs::write(&file, LEAST).unwrap();
    assert_eq!(load(&file, &[]), Ok(good(LEAST, &[])));
}

/// Checks the part of JSON Schema that ours uses, `pattern` apart.
fn violations(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let is = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        other => panic!("type {other:?}"),
    };
    match &schema["type"] {
        Value::Null => {}
        Value::Array(names) => wrong.extend((!names.iter().any(is)).then(|| format!("{path}: type"))),
        name => wrong.extend((!is(name)).then(|| format!("{path}: type"))),
    }
    if let Value::Array(values) = &schema["enum"] {
        wrong.extend((!values.contains(value)).then(|| format!("{path}: enum")));
    }
    if let (Some(least), Some(most), Some(n)) = (schema["minimum"].as_i64(), schema["maximum"].as_i64(), value.as_i64()) {
        wrong.extend((!(least..=most).contains(&n)).then(|| format!("{path}: bounds")));
    }
    if let Value::Array(items) = value {
        wrong.extend((items.len() < schema["minItems"].as_u64().unwrap_or(0) as usize).then(|| format!("{path}: minItems")));
        wrong.extend(items.iter().enumerate().flat_map(|(i, item)| violations(&schema["items"], item, &format!("{path}[{i}]"))));
    }
    if let Value::Object(map) = value {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            wrong.extend((!map.contains_key(name)).then(|| format!("{path}.{name}: required")));
        }
        for (name, value) in map {
            let path = format!("{path}.{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Bool(false)) => wrong.push(format!("{path}: additional")),
                (Value::Null, schema) | (schema, _) => wrong.extend(violations(schema, value, &path)),
            }
        }
    }
    wrong
}

#[test]
fn the_schema_accepts_what_the_reader_accepts_and_no_other_key() {
    let schema = schema();
    for text in [EXAMPLE, LEAST, REGISTERED] {
        let value = show::value(&good(text, &[]));
        assert_eq!(violations(&schema, &value, ""), Vec::<String>::new());
    }
    let mut value = show::value(&good(EXAMPLE, &[]));
    value["stat"] = Value::from(1);
    value["score"]["workers"] = Value::from(0);
    value["output"]["format"] = Value::from("ocsf");
    value["kafka"].as_object_mut().unwrap().remove("bootstrap_servers");
    assert_eq!(
        violations(&schema, &value, ""),
        [".kafka.bootstrap_servers: required", ".output.format: enum", ".score.workers: bounds", ".stat: additional"]
    );
}

/// A value of the right type for each part of the schema, so that the reader can be asked about every key.
fn sample(schema: &Value) -> Value {
    if let Some(default) = schema.get("default") {
        return default.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            Value::Object(properties.map(|(name, schema)| (name.clone(), sample(schema))).collect())
        }
        Some("array") => Value::from(vec![sample(&schema["items"])]),
        _ => Value::from("a:1"),
    }
}

#[test]
fn the_reader_knows_every_key_of_the_schema() {
    let mut value = sample(&schema());
    value["ingest"]["inputs"][0]["topic"] = Value::from("t");
    // Of one format only.
    value["ingest"]["inputs"][0].as_object_mut().unwrap().remove("mapping");
    value["state"]["checkpoints"]["url"] = Value::from("file:///a/folder");
    value["http"]["contain"]["people"][0]["token_digest"] = Value::from("ab".repeat(32));
    value["output"]["also"] = Value::from(vec!["set"]);
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "secret").unwrap();
    let receiver = &mut value["output"]["set"]["receivers"][0];
    receiver["name"] = Value::from("idp");
    receiver["push"] = Value::from("https://idp.example");
    receiver["token_file"] = Value::from(token.path().display().to_string());
    receiver["token_digest"] = Value::from("ab".repeat(32));
    let registry = value["schema_registry"].as_object_mut().unwrap();
    registry["url"] = Value::from("http://a:1");
    // Files that would be read, one of them for what is given beside it.
    registry.retain(|name, _| !name.ends_with("_file"));
    // Of Avro only.
    value["output"].as_object_mut().unwrap().remove("framing");
    value["traces"]["endpoint"] = Value::from("http://127.0.0.1:4318");
    // JSON is YAML.
    let config = good(&value.to_string(), &[]);
    assert_eq!(config.topics, good(LEAST, &[]).topics);
    assert_eq!(config.policy.file.as_deref(), Some(Path::new("a:1")));
}
