//! Verdicts in the words of others: valid for those who wrote the words, once each whatever is killed, and delivered.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_connectors::outputs::ocsf;
use portcullis_connectors::outputs::set::Set;
use portcullis_core::lifecycle::{FindingKind, Found};
use portcullis_core::record::Output;
use portcullis_integration_tests::attack::push_fatigue;
use portcullis_integration_tests::desk::Desk;
use portcullis_integration_tests::http::{Body, ask};
use portcullis_integration_tests::kafka::shared;
use portcullis_integration_tests::python::validate;
use portcullis_integration_tests::responder::Responder;
use portcullis_integration_tests::service::binary;
use portcullis_schemas::{Encoding, decode_decision, decode_fact, decode_finding, decode_request, decode_verdict};
use portcullis_simulate::{Settings as Simulate, Simulation};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A record of the verdicts topic, or of a file of `score`.
fn output(kind: &str, value: &[u8]) -> Option<Output> {
    output_in(Encoding::Json, kind, value)
}

fn output_in(encoding: Encoding, kind: &str, value: &[u8]) -> Option<Output> {
    Some(match kind {
        "verdict" => Output::Verdict(Box::new(decode_verdict(value, encoding).unwrap())),
        "lifecycle-finding" => Output::Finding(Box::new(decode_finding(value, encoding).unwrap())),
        "containment-request" => Output::Request(Box::new(decode_request(value, encoding).unwrap())),
        "containment-decision" => Output::Decision(Box::new(decode_decision(value, encoding).unwrap())),
        "security-event" => Output::Fact(Box::new(decode_fact(value, encoding).unwrap())),
        _ => return None,
    })
}

fn lines_of(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// Everything that the engine found and did in simulated traffic, judged by the schema.
#[test]
fn what_a_run_finds_is_valid_ocsf() {
    let dir = tempfile::tempdir().unwrap();
    let (traffic, out) = (dir.path().join("traffic"), dir.path().join("out"));
    let run = |args: &[&str]| {
        let done = Command::new(binary()).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["simulate", "--seed", "5", "--events", "60000", "--out", traffic.to_str().unwrap()]);
    run(&["score", traffic.join("events.ndjson").to_str().unwrap(), "--out", out.to_str().unwrap()]);
    let mut events = Vec::new();
    for (file, kind) in [
        ("verdicts.ndjson", "verdict"),
        ("findings.ndjson", "lifecycle-finding"),
        ("containment.ndjson", "containment-request"),
        ("decisions.ndjson", "containment-decision"),
    ] {
        for line in lines_of(&out.join(file)) {
            events.extend(ocsf::events(&output(kind, line.as_bytes()).unwrap()));
        }
    }
    // How identities are kept shows over months: each sort of it, of a key and of the identity.
    let fixture = include_bytes!("../../schemas/fixtures/lifecycle_finding-1.json");
    let Some(Output::Finding(mut finding)) = output("lifecycle-finding", fixture) else { panic!("a finding") };
    let key = finding.found.remove(0);
    for kind in FindingKind::ALL {
        for target in [&key.target, &finding.subject] {
            finding.found.push(Found { kind: *kind, target: target.clone(), ..key.clone() });
        }
    }
    events.extend(ocsf::events(&Output::Finding(finding)));
    let uids: BTreeSet<&str> = events.iter().map(|event| event.uid.as_str()).collect();
    assert_eq!(uids.len(), events.len(), "metadata.uid is unique");
    let seen = validate(&["ocsf"], &events.iter().map(|event| event.value.to_string()).collect::<Vec<_>>());
    let seen: Value = serde_json::from_str(&seen).unwrap();
    for of in ["200401", "200402", "200403", "200501", "2008", "700101", "700102", "700104"] {
        let found = seen.as_object().unwrap().keys().any(|name| name.starts_with(of));
        assert!(found, "no {of} among {seen:#}");
    }
}

/// A desk whose configuration says more of its outputs.
fn desk(name: &str, output: &str) -> Desk {
    let desk = Desk::open(name, "format: native, tenant: from_record, trust: control");
    desk.change("portcullis.yaml", |config| format!("{config}output: {output}\n"));
    desk.service.cli(&["topics", "apply", "--config", &desk.config]);
    desk
}

fn text(value: Vec<u8>) -> String {
    String::from_utf8(value).unwrap()
}

/// The claims of SETs, once a library that is not ours has verified them by the public key.
fn verified(desk: &Desk, issuer: &str, audience: &str, sets: &[String]) -> Vec<Value> {
    let jwks = desk.service.shown("set-jwks.json");
    std::fs::write(&jwks, desk.service.cli(&["gate", "jwks", "--key", &desk.service.shown("gate.key")])).unwrap();
    validate(&["set", &jwks, issuer, audience], sets).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn verdicts_are_published_once_whatever_is_killed() {
    let mut desk = desk("outputs", "{ also: [ocsf, set], cloudevents: true, set: { audience: \"https://idp.example\" } }");
    desk.service.start();
    let traffic: Vec<Vec<u8>> = Simulation::new(Simulate { seed: 9, events: 20_000, weeks: 2, ..Simulate::default() }).unwrap().collect();
    for lines in traffic.chunks(5_000) {
        desk.service.feed(&lines.iter().map(Vec::as_slice).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(700));
        desk.service.kill();
        desk.service.start();
    }
    desk.feed(&push_fatigue("tired", Some("acme")));
    desk.wait("the request", |desk| desk.published("containment-request").into_iter().find(|r| r["action"] == "terminate_session"));
    let raw = format!("{}-raw", desk.service.names.events.trim_end_matches(".events"));
    let jwks = desk.service.cli(&["gate", "jwks", "--key", &desk.service.shown("gate.key")]);
    let mut responder = Responder::new(&shared(), &desk.service.names.verdicts, &raw, &jwks, "portcullis", "portcullis-executor").unwrap();
    responder.turn(&mut |_: &Value| ("done", "it is done".to_owned())).unwrap();
    desk.wait("the fact", |desk| desk.published("security-event").into_iter().find(|f| f["target"]["id"] == "s-tired"));
    let names = desk.service.names.clone();
    for topic in [&names.verdicts, &names.ocsf, &names.set] {
        desk.service.settle(topic, Duration::from_secs(3));
    }
    desk.service.kill();

    let outputs: Vec<Output> = desk.service.records(&names.verdicts).iter().filter_map(|(kind, value)| output(kind, value)).collect();
    let mut wanted: Vec<String> = outputs.iter().flat_map(ocsf::events).map(|event| event.value.to_string()).collect();
    let published = desk.service.records(&names.ocsf);
    let mut found: Vec<String> = published.into_iter().map(|(_, value)| text(value)).collect();
    wanted.sort();
    found.sort();
    assert!(wanted.len() > 100 && wanted == found, "{} events for {} that the verdicts give", found.len(), wanted.len());
    validate(&["ocsf"], &found);
    for (id, value) in desk.service.records_by(&names.ocsf, "ce_id") {
        assert_eq!(serde_json::from_slice::<Value>(&value).unwrap()["metadata"]["uid"], id.as_str());
    }
    for (header, of_verdict) in
        [("ce_specversion", "1.0"), ("ce_type", "portcullis.verdict"), ("ce_source", "portcullis"), ("content-type", "application/json")]
    {
        let records = desk.service.records_by(&names.verdicts, header);
        assert!(records.iter().any(|(value, _)| value == of_verdict), "{header}");
    }

    let sets: Vec<String> = desk.service.records(&names.set).into_iter().map(|(_, value)| text(value)).collect();
    let claims = verified(&desk, "portcullis", "https://idp.example", &sets);
    let mut jtis: Vec<String> = claims.iter().map(|claims| claims["jti"].as_str().unwrap().to_owned()).collect();
    let of = |output: &Output| match output {
        Output::Verdict(verdict) => Set::of_verdict(verdict, None),
        Output::Fact(fact) => Some(Set::of_fact(fact)),
        _ => None,
    };
    let mut wanted: Vec<String> = outputs.iter().filter_map(of).map(|set| set.jti).collect();
    jtis.sort();
    wanted.sort();
    assert!(wanted.len() > 20 && jtis == wanted, "{} SETs for {}", jtis.len(), wanted.len());
    let of_session = claims.iter().find(|c| c["sub_id"]["session"]["id"] == "s-tired").expect("the fact is among them");
    assert!(of_session["events"]["https://schemas.openid.net/secevent/caep/event-type/session-revoked"].is_object(), "{of_session}");
    assert!(of_session["txn"].is_string());
}

#[test]
fn verdicts_in_avro_are_published_in_the_same_words() {
    let mut desk = desk("in-avro", "{ encoding: avro, also: [ocsf] }");
    desk.service.start();
    desk.feed(&push_fatigue("tired", Some("acme")));
    let names = desk.service.names.clone();
    desk.wait("containment", |desk| desk.service.records(&names.ocsf).iter().any(|(kind, _)| kind == "remediation-activity").then_some(()));
    for topic in [&names.verdicts, &names.ocsf] {
        desk.service.settle(topic, Duration::from_secs(2));
    }
    let verdicts = desk.service.records(&names.verdicts);
    assert!(verdicts.iter().all(|(_, value)| !value.starts_with(b"{")), "Avro");
    let outputs = verdicts.iter().filter_map(|(kind, value)| output_in(Encoding::Avro, kind, value));
    let mut wanted: Vec<String> = outputs.flat_map(|output| ocsf::events(&output)).map(|event| event.value.to_string()).collect();
    let mut found: Vec<String> = desk.service.records(&names.ocsf).into_iter().map(|(_, value)| text(value)).collect();
    wanted.sort();
    found.sort();
    assert!(!wanted.is_empty() && wanted == found, "{} events for {}", found.len(), wanted.len());
    validate(&["ocsf"], &found);
}

/// What a receiver of pushed SETs answers: the status, and the body of an error.
type Says = dyn Fn(usize, &str) -> (u16, &'static str) + Send + Sync;

/// A receiver of SETs as RFC 8935 has it, on the loopback.
struct Receiver {
    address: String,
    says: Arc<Says>,
    /// `Authorization`, `Content-Type` and body of each request.
    got: Arc<Mutex<Vec<(String, String, String)>>>,
    stop: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Receiver {
    fn new(says: impl Fn(usize, &str) -> (u16, &'static str) + Send + Sync + 'static) -> Receiver {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Receiver { address, says: Arc::new(says), got: Arc::default(), stop: None }
    }

    fn start(&mut self) {
        let listener = TcpListener::bind(&self.address).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (says, got, stopped) = (Arc::clone(&self.says), Arc::clone(&self.got), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Some(request) = request_of(stream.as_ref().unwrap()) else { continue };
                let (status, body) = says(got.lock().unwrap().len(), &request.2);
                got.lock().unwrap().push(request);
                let length = body.len();
                let _whoever_has_gone = write!(
                    stream.unwrap(),
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            }
        });
        self.stop = Some((stop, thread));
    }

    fn stop(&mut self) {
        let Some((stop, thread)) = self.stop.take() else { return };
        stop.store(true, Ordering::Relaxed);
        let _wakes_it = TcpStream::connect(&self.address);
        thread.join().unwrap();
    }

    fn bodies(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(_, _, body)| body.clone()).collect()
    }
}

fn request_of(stream: &TcpStream) -> Option<(String, String, String)> {
    let mut reader = BufReader::new(stream);
    let (mut authorization, mut content_type, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim().split_once(": ") else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = value.to_owned(),
            "content-type" => content_type = value.to_owned(),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((authorization, content_type, text(body)))
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A receiver's token, and its digest.
fn token(desk: &Desk, name: &str) -> (String, String) {
    let said = desk.service.cli(&["set", "token", "--name", name]);
    let of = |after: &str| said.split(after).nth(1).unwrap().split(['\n', '"', ' ']).next().unwrap().to_owned();
    (of("once: "), of("token_digest: \""))
}

/// The claims of a compact JWS, unverified.
fn claims(jws: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jws.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn jti(jws: &str) -> String {
    claims(jws)["jti"].as_str().unwrap().to_owned()
}

const SSF_VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

#[test]
fn sets_are_pushed_until_they_are_taken() {
    let mut desk = desk("push", "{}");
    // The first two find nobody at home; of the sixth it does not want to hear; everything else is taken.
    let mut receiver = Receiver::new(|number, _| match number {
        0 => (503, ""),
        1 => (400, r#"{"err":"authentication_failed","description":"try again"}"#),
        5 => (400, r#"{"err":"invalid_request","description":"no such user"}"#),
        _ => (202, ""),
    });
    let (listen, (token, digest)) = (free_address(), token(&desk, "idp"));
    std::fs::write(desk.service.path("bearer"), "s3cret\n").unwrap();
    let (url, bearer) = (format!("http://{}/events", receiver.address), desk.service.shown("bearer"));
    let output = format!(
        "{{ also: [set], set: {{ listen: {listen:?}, subject_issuer: \"https://idp.example\", receivers: [ {{ name: idp, tenants: [acme], push: {url:?}, token_file: {bearer:?}, token_digest: {digest:?} }} ] }} }}"
    );
    desk.change("portcullis.yaml", |config| config.replace("output: {}", &format!("output: {output}")));
    desk.service.cli(&["topics", "apply", "--config", &desk.config]);
    desk.service.start();
    let names = desk.service.names.clone();
    let people: Vec<String> = (0..8).map(|i| format!("tired-{i}")).collect();
    let (first, rest) = people.split_at(5);
    first.iter().for_each(|who| desk.feed(&push_fatigue(who, Some("acme"))));
    desk.feed(&push_fatigue("stranger", Some("elsewhere")));
    desk.wait("a SET", |desk| (desk.service.records(&names.set).len() > 5).then_some(()));

    // Nobody listens; then somebody does, and says what it says.
    std::thread::sleep(Duration::from_secs(2));
    receiver.start();
    desk.wait("the first ones", |_| (receiver.bodies().len() >= 7).then_some(()));
    receiver.stop();
    desk.service.kill();
    rest.iter().for_each(|who| desk.feed(&push_fatigue(who, Some("acme"))));
    receiver.start();
    desk.service.start();
    let ask = |body: &str| {
        let url = format!("http://{listen}/ssf/verify");
        let authorization = format!("Bearer {token}");
        ask("POST", &url, &[("Authorization", &authorization)], &Body::Json(&serde_json::from_str(body).unwrap()))
    };
    desk.wait("the listener", |_| std::net::TcpStream::connect(&listen).ok().map(|_| ()));
    assert_eq!(ask(r#"{"stream_id":"idp","state":"are you there"}"#).0, 204);
    assert_eq!(ask(r#"{"stream_id":"other"}"#).0, 404);
    let published = |desk: &Desk| -> Vec<String> {
        let sets = desk.service.records(&names.set).into_iter().map(|(_, value)| text(value));
        sets.filter(|jws| claims(jws)["sub_id"]["sub"].as_str().is_some_and(|who| who != "stranger")).collect()
    };
    desk.service.settle(&names.set, Duration::from_secs(3));
    let wanted: BTreeSet<String> = published(&desk).iter().map(|jws| jti(jws)).collect();
    let verification = |receiver: &Receiver| receiver.bodies().into_iter().find(|jws| claims(jws)["events"][SSF_VERIFICATION].is_object());
    desk.wait("all of them", |_| {
        let got: BTreeSet<String> = receiver.bodies().iter().map(|jws| jti(jws)).collect();
        (wanted.is_subset(&got) && verification(&receiver).is_some()).then_some(())
    });

    // In the order of the log, and nothing of another tenant; a repeat is one that was not answered.
    let got = receiver.bodies();
    let mut heard: Vec<String> = Vec::new();
    for jws in &got {
        let jti = jti(jws);
        if !heard.contains(&jti) && wanted.contains(&jti) {
            heard.push(jti);
        }
        assert!(
            claims(jws)["events"][SSF_VERIFICATION].is_object() || claims(jws)["sub_id"]["iss"] == "https://idp.example",
            "{}",
            claims(jws)
        );
    }
    assert_eq!(heard, published(&desk).iter().map(|jws| self::jti(jws)).collect::<Vec<_>>());
    assert!(got.len() <= heard.len() + 6, "{} posts of {} SETs", got.len(), heard.len());
    assert!(receiver.got.lock().unwrap().iter().all(|(who, kind, _)| who == "Bearer s3cret" && kind == "application/secevent+jwt"));
    let said = verified(&desk, "portcullis", "portcullis-executor", &got);
    let asked = said.iter().find(|claims| claims["events"][SSF_VERIFICATION].is_object()).unwrap();
    assert_eq!((&asked["events"][SSF_VERIFICATION]["state"], &asked["sub_id"]["id"]), (&"are you there".into(), &"idp".into()));

    // What it refused is kept, with its reason.
    let refused = desk.service.records_by(&names.set_refused, "description");
    let [(why, value)] = refused.as_slice() else { panic!("{} refused", refused.len()) };
    assert_eq!((why.as_str(), &text(value.clone())), ("no such user", &got[5]));
    receiver.stop();
}

#[test]
fn sets_are_polled_and_acknowledged_across_a_restart() {
    let mut desk = desk("poll", "{}");
    let (listen, (token, digest)) = (free_address(), token(&desk, "iga"));
    let output = format!(
        "{{ also: [set], set: {{ listen: {listen:?}, url: \"https://set.example/\", receivers: [ {{ name: iga, token_digest: {digest:?} }} ] }} }}"
    );
    desk.change("portcullis.yaml", |config| config.replace("output: {}", &format!("output: {output}")));
    desk.service.cli(&["topics", "apply", "--config", &desk.config]);
    desk.service.start();
    let names = desk.service.names.clone();
    let authorization = format!("Bearer {token}");
    let call = |method: &str, path: &str, body: &Value| {
        ask(method, &format!("http://{listen}{path}"), &[("Authorization", &authorization)], &Body::Json(body))
    };
    let poll = |body: Value| {
        let (status, answer) = call("POST", "/ssf/poll", &body);
        assert_eq!(status, 200, "{answer}");
        let sets: Vec<(String, String)> =
            answer["sets"].as_object().unwrap().iter().map(|(jti, jws)| (jti.clone(), jws.as_str().unwrap().to_owned())).collect();
        (sets, answer["moreAvailable"].as_bool().unwrap())
    };
    let ids = |sets: &[(String, String)]| sets.iter().map(|(jti, _)| jti.clone()).collect::<BTreeSet<String>>();
    desk.wait("the listener", |_| TcpStream::connect(&listen).ok());
    assert_eq!(ask("POST", &format!("http://{listen}/ssf/poll"), &[], &Body::Json(&json!({}))).0, 401);
    assert_eq!(poll(json!({ "returnImmediately": true })), (Vec::new(), false));

    // One that waits is answered the moment there is something.
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| poll(json!({})));
        std::thread::sleep(Duration::from_millis(300));
        desk.feed(&push_fatigue("tired", Some("acme")));
        assert!(!waits.join().unwrap().0.is_empty());
    });
    (0..6).for_each(|i| desk.feed(&push_fatigue(&format!("weary-{i}"), Some("acme"))));
    desk.service.settle(&names.set, Duration::from_secs(3));
    let published: Vec<String> = desk.service.records(&names.set).into_iter().map(|(_, value)| jti(&text(value))).collect();
    assert!(published.len() > 6, "{}", published.len());
    let (first, more) = poll(json!({ "maxEvents": 3, "returnImmediately": true }));
    assert!(first.len() == 3 && more);
    assert_eq!(poll(json!({ "maxEvents": 3, "returnImmediately": true })).0, first, "not acknowledged, given again");
    let (acknowledged, refused) = (&first[0].0, &first[1].0);
    let answer = poll(json!({
        "maxEvents": 0, "ack": [acknowledged],
        "setErrs": { refused: { "err": "invalid_request", "description": "no such user" } },
    }));
    assert_eq!(answer.0, Vec::new());
    desk.wait("the record of the refusal", |desk| {
        desk.service.records_by(&names.set_refused, "err").into_iter().find(|(err, _)| err == "invalid_request")
    });
    let (rest, more) = poll(json!({ "returnImmediately": true }));
    let wanted: BTreeSet<String> = published.iter().filter(|jti| *jti != acknowledged && *jti != refused).cloned().collect();
    assert_eq!((ids(&rest), more), (wanted.clone(), false));

    desk.service.kill();
    desk.service.start();
    desk.wait("the listener", |_| TcpStream::connect(&listen).ok());
    let again =
        desk.wait("what was not acknowledged", |_| Some(poll(json!({ "returnImmediately": true })).0).filter(|sets| !sets.is_empty()));
    // What was done out of its turn may come again: the offset goes up to the first that is not done.
    assert!(ids(&again).is_superset(&wanted) && ids(&again).len() <= wanted.len() + 2, "{again:?}");
    assert_eq!(call("POST", "/ssf/verify", &json!({ "stream_id": "iga", "state": "s-1" })).0, 204);
    let (sets, _) = poll(json!({ "ack": ids(&again), "returnImmediately": true }));
    let [(id, jws)] = sets.as_slice() else { panic!("{sets:?}") };
    assert_eq!(claims(jws)["events"][SSF_VERIFICATION]["state"], "s-1");
    verified(
        &desk,
        "portcullis",
        "portcullis-executor",
        &again.iter().map(|(_, jws)| jws.clone()).chain([jws.clone()]).collect::<Vec<_>>(),
    );
    assert_eq!(poll(json!({ "ack": [id], "returnImmediately": true })), (Vec::new(), false));
    std::thread::sleep(Duration::from_secs(1));
    desk.service.kill();
    desk.service.start();
    desk.wait("the listener", |_| TcpStream::connect(&listen).ok());
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(poll(json!({ "returnImmediately": true })), (Vec::new(), false), "everything is acknowledged");
    let (_, ssf) = call("GET", "/.well-known/ssf-configuration", &json!({}));
    assert_eq!((&ssf["jwks_uri"], &ssf["issuer"]), (&json!("https://set.example/jwks.json"), &json!("portcullis")));
}
