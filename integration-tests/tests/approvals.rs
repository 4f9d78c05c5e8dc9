//! Containment over HTTP on a real Kafka: what waits is seen and answered by people with tokens, as by the command line; the gate signs with
//! RSA; a responder signs what it reports, by an input that is trusted with nothing; one report tells all of it.

use portcullis_integration_tests::attack::push_fatigue;
use portcullis_integration_tests::desk::Desk;
use portcullis_integration_tests::http::curl;
use portcullis_integration_tests::kafka::shared;
use portcullis_integration_tests::python::{RESPONDER, python};
use portcullis_integration_tests::responder::Responder;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Asks a server of this host; its status and what it says as JSON.
fn http(port: u16, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let bearer = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\n{bearer}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let status = said.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap_or(Value::Null))
}

/// What the service's metrics say, where they say it.
fn gauge(port: u16, series: &str) -> Option<f64> {
    let text = curl(&[&format!("http://127.0.0.1:{port}/metrics")]);
    text.lines().find_map(|line| line.strip_prefix(series)).map(|value| value.trim().parse().unwrap())
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A token, and its line for the configuration.
fn token(desk: &Desk, name: &str, key: Option<&str>) -> (String, String) {
    let said = desk.service.cli(&["contain", "token", "--name", name, "--key", key.unwrap_or("none")]);
    let token = said.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
    let line = said.lines().last().unwrap().trim_start_matches("- ").to_owned();
    (token, if key.is_some() { line } else { line.replace(", key_file: \"none\"", "") })
}

#[test]
fn people_answer_over_http_and_a_responder_signs_what_it_reports() {
    let mut desk = Desk::open("approvals", "format: native, tenant: from_record");
    let kid = desk.name_responder("soar");
    // Beyond the budget two people must agree.
    desk.change("policy.yaml", |policy| {
        let budget = "\nbudgets:\n  - { action: terminate_session, class: workforce, per: 1h, at_most: 0 }\n";
        policy.replace("\nbudgets:\n", budget)
    });
    desk.service.cli(&["gate", "keygen", "--alg", "RS256", "--out", &desk.service.shown("rsa.key")]);
    let former = desk.service.cli(&["gate", "jwks", "--key", &desk.service.shown("gate.key")]);
    std::fs::write(desk.service.path("former.json"), former).unwrap();
    let [anna, ben, cyn] = ["anna", "ben", "cyn"].map(|name| {
        let key = desk.service.shown(&format!("{name}.key"));
        token(&desk, name, (name != "cyn").then_some(key.as_str()))
    });
    let (probes, people) = (free_port(), free_port());
    let answers = |desk: &Desk, switched_on: bool| {
        let lines = [&anna.1, &ben.1, &cyn.1].map(String::as_str).join(", ");
        let contain = format!("{{ listen: \"127.0.0.1:{people}\", answers: {switched_on}, people: [{lines}] }}");
        desk.change("portcullis.yaml", |config| {
            let before = config.split("http: {").next().unwrap();
            format!("{before}http: {{ listen: \"127.0.0.1:{probes}\", contain: {contain} }}\n")
        });
    };
    desk.change("portcullis.yaml", |config| {
        let also = format!("gate: {{ also_publish: {:?}, ", desk.service.shown("former.json"));
        config.replace("gate: { ", &also).replace("gate.key", "rsa.key")
    });
    answers(&desk, false);
    desk.service.start();
    desk.feed(&push_fatigue("tired", Some("acme")));
    desk.feed(&push_fatigue("weary", Some("acme")));
    desk.wait("two questions", |desk| (desk.waiting().len() == 2).then_some(()));

    // Nobody without a token, and nothing but looking until it is switched on.
    for token in [None, Some("guess"), Some("")] {
        assert_eq!(http(people, "GET", "/contain", token, &Value::Null).0, 401);
        assert_eq!(http(people, "POST", "/contain/approve", token, &json!({ "filter": { "subject": "tired" }, "reason": "x" })).0, 401);
    }
    let (status, list) = http(people, "GET", "/contain?class=workforce", Some(&cyn.0), &Value::Null);
    assert_eq!((status, &list["count"], &list["agreements_wanted"]), (200, &json!(2), &json!(4)), "{list}");
    let of = |who: &str| {
        let all = list["decisions"].as_array().unwrap();
        all.iter().find(|d| d["subject"]["id"] == who).unwrap()["proposal"].as_str().unwrap().to_owned()
    };
    let (tired, weary) = (of("tired"), of("weary"));
    let (status, groups) = http(people, "GET", "/contain/groups?by=action", Some(&cyn.0), &Value::Null);
    assert_eq!((status, &groups["groups"][0]["count"]), (200, &json!(2)), "{groups}");
    let wanted = json!({ "ids": [tired], "reason": "seen on the phone" });
    let (status, said) = http(people, "POST", "/contain/approve", Some(&anna.0), &wanted);
    assert!(status == 403 && said["error"].as_str().unwrap().contains("http.contain.answers"), "{said}");
    desk.service.kill();
    answers(&desk, true);
    desk.service.start();
    desk.wait("the server", |_| TcpStream::connect(("127.0.0.1", people)).ok());
    // After a restart too, the gauges are of what its state says.
    desk.wait("the gauge", |_| gauge(probes, "portcullis_waiting{end=\"held_budget\"}").filter(|n| *n == 2.0));

    // One person twice is one person; two are two.
    let approve = |who: &(String, String)| http(people, "POST", "/contain/approve", Some(&who.0), &wanted);
    assert_eq!(approve(&cyn).0, 403, "without a key she may look");
    let (status, said) = approve(&anna);
    assert_eq!((status, &said["accepted"]), (200, &json!(1)), "{said}");
    let (status, said) = approve(&anna);
    assert!(status == 409 && said["answers"][0]["why"].as_str().unwrap().contains("another person must"), "{said}");
    let one_more = desk.waiting().into_iter().find(|d| d["proposal"] == tired.as_str()).unwrap();
    assert_eq!(one_more["needs"], 1, "the list says how many must agree yet");
    let (status, said) = approve(&ben);
    assert_eq!((status, &said["accepted"]), (200, &json!(1)), "{said}");
    let request =
        desk.wait("the request", |desk| desk.published("containment-request").into_iter().find(|r| r["action"] == "terminate_session"));
    let by: Vec<&str> = request["approval"]["by"].as_array().unwrap().iter().map(|by| by["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["anna", "ben"]);
    let reject = json!({ "filter": { "subject": "weary" }, "reason": "a drill" });
    assert_eq!(http(people, "POST", "/contain/reject", Some(&ben.0), &reject).0, 200);
    let (status, said) = http(people, "POST", "/contain/approve", Some(&ben.0), &json!({ "ids": [weary], "reason": "late" }));
    assert!(status == 409 && said["error"].as_str().unwrap().contains("does not wait"), "{said}");
    assert_eq!(http(people, "GET", "/contain", Some(&cyn.0), &Value::Null).1["count"], 0);
    desk.wait("the gauge", |_| gauge(probes, "portcullis_waiting{end=\"held_budget\"}").filter(|n| *n == 0.0));
    let spent = gauge(probes, "portcullis_budget_spent_ratio{action=\"terminate_session\"}").unwrap();
    assert!(spent > 0.0 && spent <= 1.0, "{spent}");
    assert_eq!(gauge(probes, "portcullis_held_tenants{by=\"pause\"}"), Some(0.0));
    for (verb, wanted) in [("pause", 1.0), ("resume", 0.0)] {
        let (is_fine, said) = desk.says("anna", &[verb, "--tenant", "acme"]);
        assert!(is_fine, "{said}");
        desk.wait("the gauge", |_| gauge(probes, "portcullis_held_tenants{by=\"pause\"}").filter(|n| *n == wanted));
    }
    for (body, wanted) in [(json!({ "ids": [weary] }), 400), (json!({ "idz": [] }), 400), (json!({ "reason": "x" }), 400)] {
        assert_eq!(http(people, "POST", "/contain/approve", Some(&ben.0), &body).0, wanted, "{body}");
    }
    assert_eq!(http(people, "POST", "/contain/bless", Some(&ben.0), &json!({ "reason": "x" })).0, 404);
    assert_eq!(http(people, "GET", "/contain/p-none", Some(&cyn.0), &Value::Null).0, 404);

    // The keys are served, the former one too; a responder verifies RS256 by OpenSSL, and signs what it reports.
    let (status, keys) = http(probes, "GET", "/jwks.json", None, &Value::Null);
    let algs: Vec<&str> = keys["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert_eq!((status, algs), (200, vec!["RS256", "EdDSA"]));
    let raw = format!("{}-raw", desk.service.names.events.trim_end_matches(".events"));
    let responder = |key: &str| {
        let pem = std::fs::read_to_string(desk.service.path(key)).unwrap();
        let new = Responder::new(&shared(), &desk.service.names.verdicts, &raw, &keys.to_string(), "portcullis", "portcullis-executor");
        new.unwrap().signing(&pem, &kid).unwrap()
    };
    let mut done = |_: &Value| ("done", "it is done".to_owned());
    let mut forger = responder("anna.key");
    assert!(forger.turn(&mut done).unwrap() >= 1 && forger.refused.is_empty(), "{:?}", forger.refused);
    let refused = desk.wait("the refusal of a forged outcome", |desk| {
        desk.published("containment-answer").into_iter().find(|a| a["do"] == "outcome" && a["of"] == request["id"])
    });
    assert!(refused["end"] == "refused" && refused["why"].as_str().unwrap().contains("not by key"), "{refused}");
    assert!(desk.published("security-event").is_empty());
    assert!(responder("soar.key").turn(&mut done).unwrap() >= 1);
    desk.wait("the fact", |desk| desk.published("security-event").into_iter().find(|f| f["request"] == request["id"]));

    // One report: request, verdict with its reasons, events, policy, approvals, outcome.
    let id = request["id"].as_str().unwrap();
    let text = desk.service.cli(&["explain", id, "--config", &desk.config]);
    for part in [
        "terminate_session on session s-tired",
        "approve by anna",
        "approve by ben",
        "outcome",
        "(signed)",
        "push_fatigue_won",
        "session-revoked",
        "\"id\":\"tired-6\"",
        "| approvers:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let by_proposal: Value = serde_json::from_str(&desk.service.cli(&["explain", &tired, "--config", &desk.config, "--json"])).unwrap();
    let (status, over_http) = http(people, "GET", &format!("/contain/{id}"), Some(&cyn.0), &Value::Null);
    assert_eq!(status, 200);
    assert_eq!(by_proposal, over_http, "the same, by either id and either way");
    assert_eq!(by_proposal["outcomes"].as_array().unwrap().len(), 2, "the forged one and the true one");
    assert!(by_proposal["events"].as_array().unwrap().iter().any(|event| event["id"] == "tired-6"), "{by_proposal:#}");
    let jwks = desk.service.shown("jwks.json");
    std::fs::write(&jwks, keys.to_string()).unwrap();
    desk.service.stop();
    let (is_fine, said) = desk.service.try_cli_in(&["audit", "verify", "--jwks", &jwks, "--config", &desk.config], &[]);
    assert!(is_fine && said.contains(": 0 faults"), "{said}");
}

#[test]
fn the_responder_in_python_verifies_acts_and_signs() {
    let python = match python(&RESPONDER) {
        Ok(python) => python,
        Err(why) => return println!("SKIPPED responder.py: {why}"),
    };
    let mut desk = Desk::open("python", "format: native, tenant: from_record");
    let kid = desk.name_responder("soar");
    desk.service.start();
    desk.feed(&push_fatigue("tired", Some("acme")));
    let request =
        desk.wait("the request", |desk| desk.published("containment-request").into_iter().find(|r| r["action"] == "terminate_session"));
    let jwks = desk.service.shown("jwks.json");
    std::fs::write(&jwks, desk.service.cli(&["gate", "jwks", "--key", &desk.service.shown("gate.key")])).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/responder.py");
    let (key, raw) = (desk.service.shown("soar.key"), format!("{}-raw", desk.service.names.events.trim_end_matches(".events")));
    let args = [script, &shared().bootstrap_servers, &desk.service.names.verdicts, &raw, &jwks, "--once", "--key", &key, "--kid", &kid];
    let done = std::process::Command::new(python).args(args).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.contains("terminate_session session s-tired"), "{said} {complained}");
    assert!(!complained.contains("refused"), "{complained}");
    // It only prints, and says so: a person is told.
    let case = desk.wait("the case", |desk| {
        let asked = format!("request {} ", request["id"].as_str().unwrap());
        desk.published("containment-request").into_iter().find(|r| r["params"]["text"].as_str().is_some_and(|text| text.contains(&asked)))
    });
    assert!(case["params"]["text"].as_str().unwrap().contains("is unsupported: this example only prints"), "{case}");
    assert!(desk.published("containment-answer").is_empty(), "nothing was refused");
}
