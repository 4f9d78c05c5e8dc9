//! The closed loop on a real identity provider and a real secrets manager: `make test-keycloak`.
//!
//! A person's session is hijacked: it is ended at Keycloak, its refresh token is dead, the fact is published. A workload's client secret is used
//! from elsewhere: its rotation is approved, the responder rotates it at Keycloak and in OpenBao, the old one is refused, the workload reads
//! the new one and goes on. A privileged session is begun without a checkout: it is ended. Each step says what it has seen; a step that
//! fails ends with 101.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_integration_tests::http::Body;
use portcullis_integration_tests::kafka::{create_topic, shared, unique};
use portcullis_integration_tests::keycloak::{Keycloak, REALM};
use portcullis_integration_tests::openbao::OpenBao;
use portcullis_integration_tests::responder::Responder;
use portcullis_integration_tests::service::Service;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(90);
const DAY_MS: i64 = 86_400_000;
const HOME: &str = r#"{"ip":"192.0.2.10","asn":64500,"country":"CH","lat":47.37,"lon":8.54,"radius_km":20,"device_id":"d-home","ja4":"t13d1516h2_8daaf6152771_b0da82dd1658","user_agent":"Mozilla/5.0 (Macintosh) Safari/605.1.15"}"#;
const THIEF: &str = r#"{"ip":"203.0.113.9","asn":64666,"country":"SG","lat":1.35,"lon":103.8,"radius_km":20,"network":"hosting","device_id":"d-evil","ja4":"t12d0000h1_aaaaaaaaaaaa_bbbbbbbbbbbb","user_agent":"python-requests/2.32"}"#;
const CLUSTER: &str = r#"{"ip":"10.20.0.7","workload":"spiffe://corp/etl","workload_proof":"mtls","user_agent":"etl/3.1","ja4":"t13d0000h2_cccccccccccc_dddddddddddd"}"#;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The claims of a token, for a gateway's log.
fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

fn wait<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn main() {
    let (keycloak, bao) = (Keycloak::start(), OpenBao::start());
    println!("Keycloak at {}, OpenBao beside it", keycloak.base);
    let lab = Lab::install(&keycloak);
    lab.person(&keycloak);
    lab.workload(&keycloak, &bao);
    lab.privileged();
    let jwks = lab.service.shown("jwks.json");
    std::fs::write(&jwks, lab.service.cli(&["gate", "jwks", "--key", &lab.service.shown("gate.key")])).unwrap();
    lab.service.settle(&lab.service.names.verdicts, Duration::from_secs(3));
    print!("{}", lab.service.cli(&["audit", "verify", "--config", &lab.config, "--jwks", &jwks]));
    println!("the loop is closed, three times");
}

/// Portcullis beside a Keycloak, with an approver.
struct Lab {
    service: Service,
    config: String,
    /// Native events, of gateways, a PAM and the responder.
    raw: String,
    /// Keycloak's own events.
    keycloak_log: String,
}

impl Lab {
    fn install(keycloak: &Keycloak) -> Lab {
        let settings = shared();
        let mut service = Service::install(&settings, &unique("keycloak"), 2, "format: native, tenant: from_record, trust: control");
        let prefix = service.names.events.trim_end_matches(".events").to_owned();
        let (raw, keycloak_log) = (format!("{prefix}-raw"), format!("{prefix}-keycloak"));
        create_topic(&settings, &keycloak_log, 1);
        let line = service.cli(&["contain", "keygen", "--name", "anna", "--out", &service.shown("anna.key")]);
        let edit = |name: &str, from: &str, to: &str| {
            let text = std::fs::read_to_string(service.path(name)).unwrap();
            assert!(text.contains(from), "{name} has no {from}");
            std::fs::write(service.path(name), text.replacen(from, to, 1)).unwrap();
        };
        edit("policy.yaml", "approvers: []", &format!("approvers:\n  {line}"));
        edit(
            "policy.yaml",
            "shadow: { actions: [disable_account, rotate_secret, revoke_token, offboard] }",
            "shadow: { actions: [disable_account, offboard] }",
        );
        let input = format!("{{ topic: {keycloak_log}, format: keycloak, tenant: acme, provider: {:?} }}, ", keycloak.base);
        edit("portcullis.yaml", "inputs: [ ", &format!("inputs: [ {input}"));
        let config = service.shown("portcullis.yaml");
        service.cli(&["topics", "apply", "--config", &config]);
        service.start();
        Lab { service, config, raw, keycloak_log }
    }

    fn feed(&self, events: &[Value]) {
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        self.service.feed(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    }

    fn verdict(&self, subject: &str, level: &str) -> Value {
        wait(&format!("a {level} verdict on {subject}"), || {
            let all = self.service.records(&self.service.names.verdicts);
            all.iter()
                .filter(|(kind, _)| kind == "verdict")
                .map(|(_, v)| serde_json::from_slice::<Value>(v).unwrap())
                .find(|v| v["subject"]["id"] == subject && v["level"] == level)
        })
    }

    fn fact(&self, request: &Value) -> Value {
        wait("the fact", || {
            let all = self.service.records(&self.service.names.verdicts);
            let facts = all.iter().filter(|(kind, _)| kind == "security-event").map(|(_, v)| serde_json::from_slice::<Value>(v).unwrap());
            facts.into_iter().find(|f| f["request"] == request["id"])
        })
    }

    fn responder(&self) -> Responder {
        let jwks = self.service.cli(&["gate", "jwks", "--key", &self.service.shown("gate.key")]);
        Responder::new(&shared(), &self.service.names.verdicts, &self.raw, &jwks, "portcullis", "portcullis-executor").unwrap()
    }

    /// Lets the responder work until it has carried out this action for this subject; what is not its business it calls unsupported.
    fn carried_out(
        &self,
        responder: &mut Responder,
        subject: &str,
        action: &str,
        act: &mut dyn FnMut(&Value) -> (&'static str, String),
    ) -> Value {
        wait(&format!("{action} on {subject}"), || {
            let mut done = None;
            responder
                .turn(&mut |request: &Value| {
                    if request["subject"]["id"] != subject || request["action"] != action {
                        return ("unsupported", "not in this lab".to_owned());
                    }
                    done = Some(request.clone());
                    act(request)
                })
                .unwrap();
            done
        })
    }

    /// Two weeks of an identity's usual calls.
    fn history(&self, who: &str, class: &str, credential: &str, source: &str) {
        let begin = now_ms() - 14 * DAY_MS;
        let events: Vec<Value> = (0..120)
            .map(|n| {
                let time = begin + n * DAY_MS / 9;
                json!({
                    "id": format!("{who}-past-{n}"), "time": time, "type": "api.request", "outcome": "success", "tenant": "acme",
                    "identity": { "id": who, "class": class }, "source": parsed(source),
                    "credential": { "id": format!("{credential}-{}", n / 40), "kind": if class == "service" { "client_secret" } else { "access_token" }, "issued_at": time - 60_000 },
                    "request": { "method": "GET", "route": format!("/v1/accounts/{}", n % 5), "status": 200 }
                })
            })
            .collect();
        self.feed(&events);
    }

    /// A session of a person, taken over.
    fn person(&self, keycloak: &Keycloak) {
        let users = format!("/{REALM}/users");
        keycloak.create(&users, &json!({ "username": "alice", "enabled": true, "email": "alice@example.com", "emailVerified": true, "firstName": "Alice", "lastName": "A", "credentials": [{ "type": "password", "value": "correct horse", "temporary": false }] }));
        keycloak
            .create(&format!("/{REALM}/clients"), &json!({ "clientId": "shop", "publicClient": true, "directAccessGrantsEnabled": true }));
        let alice = keycloak.id_of(&format!("{users}?username=alice"));
        self.history(&alice, "customer", "past-token", HOME);
        let tokens = keycloak.log_in("shop", "alice", "correct horse");
        assert_eq!(keycloak.refreshes("shop", &tokens.refresh).0, 200, "the session is alive");
        let tokens = keycloak.log_in("shop", "alice", "correct horse");
        self.feed_keycloak(keycloak);

        // The gateway sees the token at home, and a minute later in Singapore.
        let claims = claims(&tokens.access);
        let call = |n: i64, source: &str, route: &str| {
            json!({
                "id": format!("call-{n}"), "time": now_ms() - 30_000 + n * 1_000, "type": "api.request", "outcome": "success", "tenant": "acme",
                "identity": { "id": alice, "class": "customer", "issuer": keycloak.issuer(), "native_id": alice },
                "provider": { "product": "keycloak", "instance": keycloak.issuer() },
                "credential": { "id": claims["jti"], "kind": "access_token", "issued_at": claims["iat"].as_i64().unwrap() * 1_000 },
                "session": { "id": tokens.session }, "source": parsed(source),
                "request": { "method": "GET", "route": route, "status": 200 }
            })
        };
        self.feed(
            &(0..5).map(|n| call(n, HOME, "/v1/accounts/1")).chain((10..16).map(|n| call(n, THIEF, "/v1/payees"))).collect::<Vec<_>>(),
        );
        let verdict = self.verdict(&alice, "critical");
        println!(
            "alice is critical: {}",
            verdict["reasons"].as_array().unwrap().iter().map(|r| r["signal"].as_str().unwrap()).collect::<Vec<_>>().join(", ")
        );

        let mut responder = self.responder();
        let request = self.carried_out(&mut responder, &alice, "terminate_session", &mut |request| {
            let path = format!("/{REALM}/sessions/{}", request["target"]["id"].as_str().unwrap());
            match keycloak.admin("DELETE", &path, &Body::None).0 {
                204 => ("done", "ended at Keycloak".to_owned()),
                404 => ("not_found", "Keycloak knows no such session".to_owned()),
                other => ("failed", format!("Keycloak says {other}")),
            }
        });
        assert_eq!(request["target"]["id"], tokens.session.as_str(), "the session that was hijacked");
        let (status, answer) = keycloak.refreshes("shop", &tokens.refresh);
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")), "the refresh token is really dead");
        let fact = self.fact(&request);
        assert_eq!(fact["event"], "https://schemas.openid.net/secevent/caep/event-type/session-revoked");
        println!("its session is ended, its refresh token is refused ({}), {} is published", answer["error_description"], fact["event"]);
    }

    /// Keycloak's own events, as its API gives them.
    fn feed_keycloak(&self, keycloak: &Keycloak) {
        use portcullis_connectors::kafka::{Sink, SinkSettings};
        let events = keycloak.events();
        assert!(events.iter().any(|e| e["type"] == "LOGIN"), "{events:?}");
        let mut sink = Sink::open(&shared(), SinkSettings::new(unique("keycloak-log"))).unwrap();
        sink.begin().unwrap();
        for event in &events {
            sink.send(&self.keycloak_log, None, None, Some(event.to_string().as_bytes()), &[], None).unwrap();
        }
        sink.commit_outputs().unwrap();
        let dead = self.service.records(&self.service.names.dead_letter);
        println!("{} events of Keycloak's own log fed, {} dead letters", events.len(), dead.len());
    }

    /// The secret of a workload, used from elsewhere.
    fn workload(&self, keycloak: &Keycloak, bao: &OpenBao) {
        let clients = format!("/{REALM}/clients");
        keycloak.create(
            &clients,
            &json!({ "clientId": "etl", "serviceAccountsEnabled": true, "standardFlowEnabled": false, "secret": "old-secret" }),
        );
        let client = keycloak.id_of(&format!("{clients}?clientId=etl"));
        bao.put("etl", &json!({ "client_secret": "old-secret" }));
        let works = |secret: &str| {
            keycloak.token(&[("grant_type", "client_credentials"), ("client_id", "etl"), ("client_secret", secret)]).0 == 200
        };
        assert!(works("old-secret"));
        self.feed(&[json!({
            "id": "inv-etl", "time": now_ms() - 20 * DAY_MS, "type": "inventory.identity", "tenant": "acme", "identity": { "id": "etl" },
            "inventory": { "class": "service", "owner": "data@example.com", "criticality": 2, "shared_by": ["reports"], "expected": { "workloads": ["spiffe://corp/etl"], "networks": ["10.20.0.0/16"] } }
        })]);
        std::thread::sleep(Duration::from_secs(8)); // INGEST looks at the inventory every five seconds
        self.history("etl", "service", "etl-secret", CLUSTER);
        let call = |n: i64, source: &str, route: &str| {
            json!({
                "id": format!("etl-{n}"), "time": now_ms() - 30_000 + n * 1_000, "type": "api.request", "outcome": "success", "tenant": "acme",
                "identity": { "id": "etl", "class": "service", "issuer": keycloak.issuer(), "native_id": "etl" },
                "provider": { "product": "keycloak", "instance": keycloak.issuer() },
                "credential": { "id": "etl-secret-2", "kind": "client_secret", "client_id": "etl" }, "source": parsed(source),
                "request": { "method": "GET", "route": route, "status": 200 }
            })
        };
        self.feed(
            &(0..5)
                .map(|n| call(n, CLUSTER, "/v1/accounts/1"))
                .chain((10..20).map(|n| call(n, THIEF, &format!("/v1/export/{n}"))))
                .collect::<Vec<_>>(),
        );
        let verdict = self.verdict("etl", "critical");
        println!(
            "etl is critical: {}",
            verdict["reasons"].as_array().unwrap().iter().map(|r| r["signal"].as_str().unwrap()).collect::<Vec<_>>().join(", ")
        );

        // Cutting it off would break `reports`: a person decides.
        let place = ["--config", self.config.as_str()];
        wait("the question", || {
            let list =
                self.service.cli(&[&["contain", "list", "--json", "--action", "rotate_secret", "--subject", "etl"], &place[..]].concat());
            list.lines().next().map(parsed)
        });
        let key = self.service.shown("anna.key");
        let approve =
            ["contain", "approve", "--action", "rotate_secret", "--subject", "etl", "--key", &key, "--reason", "etl's owner knows"];
        let said = self.service.cli(&[&approve[..], &place[..]].concat());
        println!("{}", said.lines().next().unwrap_or_default());
        let mut responder = self.responder();
        let request = self.carried_out(&mut responder, "etl", "rotate_secret", &mut |_| {
            let (status, answer) = keycloak.admin("POST", &format!("{clients}/{client}/client-secret"), &Body::None);
            match answer["value"].as_str() {
                Some(secret) if status == 200 => {
                    bao.put("etl", &json!({ "client_secret": secret }));
                    ("done", "rotated at Keycloak and in OpenBao".to_owned())
                }
                _ => ("failed", format!("Keycloak says {status}")),
            }
        });
        assert_eq!(request["approval"]["by"][0]["by"], "anna");
        assert!(!works("old-secret"), "the old secret is refused");
        let new = bao.get("etl")["client_secret"].as_str().unwrap().to_owned();
        assert!(new != "old-secret" && works(&new), "the workload reads the new one and goes on");
        let fact = self.fact(&request);
        assert_eq!((&fact["change_type"], fact["event"].as_str().unwrap().ends_with("credential-change")), (&json!("update"), true));
        println!(
            "its secret is rotated, the old one is refused, the new one out of OpenBao works, {} ({}) is published",
            fact["event"], fact["change_type"]
        );
    }

    /// A privileged session as a PAM logs it, without a checkout.
    fn privileged(&self) {
        let event = |n: i64, time: i64, kind: &str, session: &str, source: &str| {
            json!({
                "id": format!("pam-{n}-{kind}"), "time": time, "type": kind, "outcome": "success", "tenant": "acme",
                "identity": { "id": "root-ben", "class": "admin" }, "provider": { "product": "pam", "instance": "https://pam.example" },
                "privileged": { "account": "root@db-1", "target": "db-1", "session": session, "ticket": if source == HOME { json!(format!("CHG-{n}")) } else { Value::Null } },
                "source": parsed(source)
            })
        };
        let begin = now_ms() - 40 * DAY_MS;
        let past = (0..36).flat_map(|n| {
            let (time, session) = (begin + n * DAY_MS, format!("ps-{n}"));
            [("privileged.checkout", 0), ("privileged.session_start", 60_000), ("privileged.session_end", 3_600_000)]
                .map(|(kind, after)| event(n, time + after, kind, &session, HOME))
        });
        self.feed(&past.collect::<Vec<_>>());
        let now = now_ms();
        self.feed(&[
            event(99, now - 5_000, "privileged.session_start", "ps-stolen", THIEF),
            event(100, now - 3_000, "privileged.command", "ps-stolen", THIEF),
        ]);
        let mut pam: BTreeSet<&str> = BTreeSet::from(["ps-stolen", "ps-of-another"]);
        let mut responder = self.responder();
        let request = self.carried_out(&mut responder, "root-ben", "terminate_privileged_session", &mut |request| {
            let session = request["target"]["id"].as_str().unwrap();
            if pam.remove(session) { ("done", "ended in the PAM".to_owned()) } else { ("not_found", format!("no session {session}")) }
        });
        assert_eq!(pam, BTreeSet::from(["ps-of-another"]), "that one, and no other");
        let fact = self.fact(&request);
        println!("the privileged session {} is ended, {} is published", request["target"]["id"], fact["event"]);
    }
}
