//! What is made of a registry's answers, and of none. The server is a few lines here, so that it can answer what a real one rarely does; against
//! a real one: `integration-tests/tests/registry.rs`.

use super::{Answer, Client, Fault, SchemaId, Schemas, Settings, Shelf};
use portcullis_schemas::avro::Record;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const GUID: &str = "89791762-2336-4186-9674-299b90a802e2";

/// What was asked: the first line and the headers, in small letters; the body.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// Answers every request by `answer(the first line)`: status and body.
fn server(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/base", listener.local_addr().unwrap());
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let (status, text) = answer(head.lines().next().unwrap_or_default());
            noted.lock().unwrap().push((head.to_ascii_lowercase(), String::from_utf8(body).unwrap()));
            let reply = format!("HTTP/1.1 {status} So\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
            stream.get_mut().write_all(reply.as_bytes()).unwrap();
        }
    });
    (url, asked)
}

fn client(url: &str) -> Client {
    Client::new(Settings { url: url.to_owned(), basic: Some(("me".to_owned(), "it".to_owned())), authorities: None }).unwrap()
}

fn schemas(url: &str, directory: &std::path::Path) -> Schemas {
    Schemas::start(client(url), Shelf::open(directory, url).unwrap()).unwrap()
}

/// Asks until there is an answer.
fn answered(schemas: &mut Schemas, id: SchemaId) -> Answer {
    let began = Instant::now();
    while !schemas.ask(id) {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", schemas.trouble());
        std::thread::sleep(Duration::from_millis(20));
    }
    schemas.get(id).unwrap().clone()
}

fn event_schema() -> String {
    json!({ "schema": Record::Event.schema() }).to_string()
}

#[test]
fn what_was_learnt_once_is_known_when_nobody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (url, asked) = server(|_| (200, event_schema()));
    let guid = SchemaId::parse_guid(GUID).unwrap();
    for id in [SchemaId::Id(7), guid] {
        assert!(matches!(answered(&mut schemas(&url, folder.path()), id), Answer::Known(writer) if writer.is_ours()));
    }
    let seen = asked.lock().unwrap().clone();
    assert!(seen[0].0.starts_with("get /base/schemas/ids/7 http"), "{seen:?}");
    assert!(seen[1].0.starts_with(&format!("get /base/schemas/guids/{GUID} http")), "{seen:?}");
    assert!(seen[0].0.contains("authorization: basic bwu6axq="), "{seen:?}");
    // Another process, and its registry would now answer something else.
    let mut later = schemas(&url, folder.path());
    assert!(later.ask(SchemaId::Id(7)) && later.ask(guid), "without asking");
    assert_eq!(asked.lock().unwrap().len(), seen.len());
}

#[test]
fn a_registry_that_does_not_answer_decides_nothing() {
    for (status, body) in [(503, String::new()), (401, "{}".to_owned()), (404, "not here".to_owned()), (200, "<html>".to_owned())] {
        let failing = Arc::new(Mutex::new(true));
        let switch = Arc::clone(&failing);
        let (url, _) = server(move |_| if *switch.lock().unwrap() { (status, body.clone()) } else { (200, event_schema()) });
        let folder = tempfile::tempdir().unwrap();
        let mut schemas = schemas(&url, folder.path());
        let began = Instant::now();
        while schemas.trouble().is_none() {
            assert!(!schemas.ask(SchemaId::Id(1)), "{status} is no answer");
            assert!(began.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!schemas.ask(SchemaId::Id(1)) && schemas.get(SchemaId::Id(1)).is_none());
        *failing.lock().unwrap() = false;
        assert!(matches!(answered(&mut schemas, SchemaId::Id(1)), Answer::Known(_)));
        assert_eq!(schemas.trouble(), None);
    }
}

#[test]
fn what_is_not_avro_or_no_schema_is_said() {
    for (body, expected) in [
        (json!({ "schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF" }), "schema 3 is of type PROTOBUF: only AVRO is read"),
        (json!({ "schema": "{}" }), "no Avro schema that can be read"),
    ] {
        let (url, _) = server(move |_| (200, body.to_string()));
        let folder = tempfile::tempdir().unwrap();
        let Answer::Unreadable(why) = answered(&mut schemas(&url, folder.path()), SchemaId::Id(3)) else { panic!("{expected}") };
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn registering_and_asking_for_it() {
    let (url, asked) = server(|line| match line {
        line if line.contains("/versions ") => (409, json!({ "error_code": 409, "message": "not compatible" }).to_string()),
        line if line.contains("/subjects/a%2Fb ") => (200, json!({ "id": 5, "guid": GUID }).to_string()),
        _ => (404, json!({ "error_code": 40403, "message": "Schema not found" }).to_string()),
    });
    let client = client(&url);
    let found = client.find("a/b", "\"string\"").unwrap();
    assert_eq!((found.id, found.guid.map(SchemaId::Guid)), (5, SchemaId::parse_guid(GUID)));
    assert!(matches!(client.find("t-io.portcullis.v1.Verdict", "\"string\""), Err(Fault::Unknown { .. })));
    let refused = client.register("t", "\"string\"").unwrap_err();
    assert!(!refused.passes() && refused.to_string().contains("will not have the subject t: not compatible (409)"), "{refused}");
    assert_eq!(asked.lock().unwrap()[0].1, json!({ "schema": "\"string\"" }).to_string());
}

#[test]
fn an_address_that_is_none_is_refused() {
    for url in ["registry:8081", "ftp://registry", "http://", ""] {
        assert!(Client::new(Settings { url: url.to_owned(), basic: None, authorities: None }).is_err(), "{url:?}");
    }
    let authorities = Some(b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n".to_vec());
    assert!(Client::new(Settings { url: "https://registry".to_owned(), basic: None, authorities }).is_err());
}
