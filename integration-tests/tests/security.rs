//! The service on a broker that is closed to everybody: TLS, passwords, tokens and certificates, and no access but what `topics plan --acls` prints.

use portcullis_connectors::kafka::access::{User, transactional_id};
use portcullis_connectors::kafka::{Settings, Sink, SinkSettings};
use portcullis_integration_tests::attack::push_fatigue;
use portcullis_integration_tests::kafka::{Broker, Options, signal, unique};
use portcullis_integration_tests::proposal::{encoded, proposal};
use portcullis_integration_tests::security::{Proof, Security};
use portcullis_integration_tests::service::{Service, binary};
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const USERS: [&str; 11] =
    ["ingest", "score", "gate", "publish", "all", "topics-apply", "policy-apply", "contain", "dead-letter", "audit", "log-export"];

fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| {
        let security = Some(Arc::new(Security::new(&USERS)));
        Broker::start_with(Options { security, ..Options::default() }).unwrap_or_else(|error| panic!("{error}"))
    })
}

/// An installation in which each role and each command is an account of its own, with the access that is printed for it.
struct House {
    service: Service,
}

impl House {
    fn open(name: &str) -> House {
        let mut service = Service::configure(&broker().settings(), &unique(name), 1, "format: native, tenant: acme");
        let receiver = format!("{{ name: iga, token_digest: {} }}", "ab".repeat(32));
        service
            .configure_more(&format!("output: {{ also: [ocsf, set], set: {{ listen: \"127.0.0.1:0\", receivers: [ {receiver} ] }} }}\n"));
        let plan = service.cli(&["topics", "plan", "--acls", "--config", &service.shown("portcullis.yaml")]);
        let lines: Vec<String> = plan.lines().filter(|line| line.starts_with("kafka-acls.sh")).map(str::to_owned).collect();
        broker().kafka_acls(&lines);
        for (user, proof) in USERS.iter().zip([Proof::Token, Proof::Scram, Proof::Plain, Proof::Certificate].iter().cycle()) {
            service.configure_as(user, &broker().settings_of(user, *proof));
        }
        let house = House { service };
        house.says("topics-apply", &["topics", "apply"]);
        house.says("policy-apply", &["policy", "apply", "--author", "a test", &house.service.shown("policy.yaml")]);
        house
    }

    /// What a command prints that is given as a user.
    fn says(&self, user: &str, args: &[&str]) -> String {
        self.service.cli(&[args, &["--config", &self.service.shown(&format!("{user}.yaml"))]].concat())
    }

    fn start(&self, role: &'static str) -> Running {
        let log = self.service.path(&format!("{role}-{}.log", unique("run")));
        let child = Command::new(binary())
            .args(["run", "--role", role, "--instance", "test", "--config", &self.service.shown(&format!("{role}.yaml"))])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Running { child, log }
    }

    /// Takes access away that was granted.
    fn revoke(&self, user: &str, access: &str) {
        let bootstrap = &self.service.settings().bootstrap_servers;
        let line = format!("kafka-acls.sh --bootstrap-server {bootstrap} --remove --force --allow-principal User:{user} {access}");
        broker().kafka_acls(&[line]);
    }

    fn feed(&self, who: &str) {
        let mut lines = push_fatigue(who, None);
        lines.push("no event".to_owned());
        self.service.feed(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    }

    /// Waits for a signed request about somebody.
    fn wait_for_request(&self, who: &str, running: &[&Running]) {
        let began = Instant::now();
        let is_there = |(kind, value): &(String, Vec<u8>)| {
            let text = String::from_utf8_lossy(value);
            kind == "containment-request" && text.contains(&format!("s-{who}")) && text.contains("\"jws\"")
        };
        while !self.service.records(&self.service.names.verdicts).iter().any(is_there) {
            let logs = || running.iter().map(|r| r.log()).collect::<Vec<_>>().join("\n");
            assert!(began.elapsed() < PATIENCE, "no request about {who}: {}", logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A role that runs; killed at the end.
struct Running {
    child: Child,
    log: std::path::PathBuf,
}

impl Running {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has ended by itself: its exit status, and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), self.log());
            }
            assert!(began.elapsed() < PATIENCE, "it goes on: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(mut self) {
        signal(self.child.id(), "TERM");
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn every_role_and_command_lives_on_the_access_that_is_printed_for_it() {
    let house = House::open("closed");
    let names = &house.service.names;
    let (ingest, score, gate) = (house.start("ingest"), house.start("score"), house.start("gate"));
    let publish = house.start("publish");
    house.feed("tired");
    house.wait_for_request("tired", &[&ingest, &score, &gate]);

    // Killed and started again: what a takeover reads it may read, too.
    drop((score, gate));
    let (score, gate) = (house.start("score"), house.start("gate"));
    house.feed("weary");
    house.wait_for_request("weary", &[&ingest, &score, &gate]);
    for topic in [&names.ocsf, &names.set] {
        house.service.settle(topic, Duration::from_secs(2));
        assert!(!house.service.records(topic).is_empty(), "{}", publish.log());
    }
    let denials = [&ingest, &score, &gate, &publish].map(Running::log).concat();
    assert!(!denials.to_lowercase().contains("authoriz") && !denials.contains("denied"), "{denials}");

    let key = house.service.shown("anna.key");
    house.service.cli(&["contain", "keygen", "--name", "anna", "--out", &key]);
    house.says("contain", &["contain", "list"]);
    let contain = house.service.shown("contain.yaml");
    let pause = ["contain", "pause", "--key", &key, "--reason", "a test", "--tenant", "acme", "--config", &contain];
    let (_, said) = house.service.try_cli_in(&pause, &[]);
    assert!(said.contains("names no approvers"), "the gate has read it, and believes no stranger: {said}");
    assert!(house.says("dead-letter", &["dead-letter", "list"]).contains("2 dead letters"));
    assert!(
        house
            .says("dead-letter", &["dead-letter", "replay", "--input", &names.events.replace(".events", "-raw")])
            .contains("2 dead letters")
    );
    house.says("log-export", &["log", "export", "--out", &house.service.shown("log.ndjson")]);
    [ingest, score, gate, publish].into_iter().for_each(Running::stop);
    assert!(house.says("audit", &["audit", "verify"]).contains(": 0 faults"));
    house.says("audit", &["audit", "export", "--out", &house.service.shown("audit.ndjson")]);

    let all = house.start("all");
    house.feed("dozy");
    house.wait_for_request("dozy", &[&all]);
    all.stop();
}

#[test]
fn whoever_answers_can_write_answers_and_nothing_else_that_the_gate_believes() {
    let house = House::open("answering");
    let names = house.service.names.clone();
    let prefix = names.events.trim_end_matches(".events");
    let id = transactional_id(prefix, User::Contain, "forger");
    let mut sink = Sink::open(&broker().settings_of("contain", Proof::Token), SinkSettings::new(id)).unwrap();
    let mut forged = proposal(1);
    forged.approval_required = false;
    let forged = encoded(forged);

    sink.begin().unwrap();
    sink.send(&names.proposals, None, Some(b"k"), Some(&forged), &[], None).unwrap();
    let denied = sink.commit_outputs().unwrap_err().to_string();
    assert!(denied.contains(&format!("Write on topic {} is denied", names.proposals)), "{denied}");
    sink.abort().unwrap();

    sink.begin().unwrap();
    sink.send(&names.answers, None, Some(b"k"), Some(&forged), &[], None).unwrap();
    sink.send(&names.answers, None, Some(b"k"), Some(b"no record"), &[], None).unwrap();
    sink.commit_outputs().unwrap();
    let before = house.service.records(&names.proposals).len();
    // INGEST takes them, too, and GATE may be down.
    let ingest = house.start("ingest");
    let began = Instant::now();
    while !ingest.log().contains("an answer cannot be read and is passed over") {
        assert!(began.elapsed() < PATIENCE, "{}", ingest.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(ingest.log().contains("a record that is no answer is passed over"), "{}", ingest.log());
    house.service.settle(&names.proposals, Duration::from_secs(2));
    let after = house.service.records(&names.proposals);
    assert!(!after.iter().any(|(_, value)| *value == forged), "of {before} records there are {}", after.len());
    ingest.stop();
}

#[test]
fn whoever_lacks_an_access_is_told_which() {
    let house = House::open("lacking");
    let names = house.service.names.clone();
    let prefix = names.events.trim_end_matches(".events");

    // Of topics, all at once and before any work.
    house.revoke("score", &format!("--operation Write --topic {}", names.verdicts));
    house.revoke("score", &format!("--operation Write --operation DescribeConfigs --topic {}", names.risk));
    let (status, said) = house.start("score").end();
    assert_eq!(status, Some(78), "{said}");
    for access in ["Write on topic {}.verdicts", "Write on topic {}.risk", "DescribeConfigs on topic {}.risk"] {
        assert!(said.contains(&format!("{} is denied", access.replace("{}", prefix))), "{access}: {said}");
    }
    assert!(said.contains("topics plan --acls"), "{said}");

    house.revoke("gate", &format!("--operation Read --group {prefix}-gate"));
    let (status, said) = house.start("gate").end();
    assert!(status == Some(1) && said.contains(&format!("Read on group {prefix}-gate is denied")), "{status:?} {said}");

    // While it runs.
    let ingest = house.start("ingest");
    house.feed("first");
    house.service.wait_for(&names.dead_letter, 1, PATIENCE);
    house.revoke("ingest", &format!("--operation Write --topic {}", names.dead_letter));
    house.feed("second");
    let (status, said) = ingest.end();
    assert!(status == Some(1) && said.contains("Write on topic") && said.contains(&names.dead_letter), "{status:?} {said}");

    house.revoke("all", &format!("--operation Write --transactional-id {prefix}-score- --resource-pattern-type prefixed"));
    let (status, said) = house.start("all").end();
    assert!(status == Some(1) && said.contains(&format!("Write on transactional id {prefix}-score-test-")), "{status:?} {said}");
}

#[test]
fn whoever_is_not_let_in_is_told_why() {
    let service = Service::configure(&broker().settings(), &unique("outside"), 1, "format: native");
    let list = |settings: &Settings| {
        let file = service.configure_as("stranger", settings);
        let (is_fine, said) = service.try_cli_in(&["dead-letter", "list", "--config", &file], &[]);
        assert!(!is_fine, "{said}");
        said
    };
    let with = |proof, name: &str, value: &str| {
        let mut settings = broker().settings_of("audit", proof);
        settings.properties.insert(name.to_owned(), value.to_owned());
        settings
    };
    for proof in [Proof::Scram, Proof::Plain] {
        let said = list(&with(proof, "sasl.password", "a guess"));
        assert!(said.contains("uthentication failed") && !said.contains("a guess"), "{said}");
    }
    let said = list(&with(Proof::Token, "sasl.oauthbearer.client.secret", "a guess"));
    assert!(said.contains("status 401: invalid_client not this secret") && !said.contains("a guess"), "{said}");
    // A token of the right issuer that is for somebody else, and one that another key signed: the broker will not have them.
    for scope in ["stranger", "forged"] {
        let said = list(&with(Proof::Token, "sasl.oauthbearer.scope", scope));
        assert!(said.contains("uthentication") && said.contains("invalid_token"), "{scope}: {said}");
    }
    let strange = broker().settings_of("audit", Proof::Scram).properties["ssl.ca.location"].replace("ca.pem", "strange-ca.pem");
    let said = list(&with(Proof::Scram, "ssl.ca.location", &strange));
    assert!(said.contains("certificate verify failed"), "{said}");

    // TLS without a certificate of ours, where one is wanted.
    let mut bare = broker().settings_of("audit", Proof::Certificate);
    bare.properties.retain(|name, _| !name.starts_with("ssl.certificate") && !name.starts_with("ssl.key"));
    let said = list(&bare);
    assert!(said.contains("no Kafka broker") && said.contains("certificate"), "{said}");
}

#[test]
fn tokens_are_renewed_while_it_runs_and_an_issuer_that_is_down_is_outlived() {
    const LIFE: u64 = 30;
    let house = House::open("renewing");
    let issuer = broker().security().issuer();
    let mut settings = broker().settings_of("all", Proof::Token);
    let scope = format!("seconds-{LIFE}");
    settings.properties.insert("sasl.oauthbearer.scope".to_owned(), scope.clone());
    house.service.configure_as("all", &settings);
    let all = house.start("all");
    house.feed("early");
    house.wait_for_request("early", &[&all]);

    // Nothing comes until each client has come in again with a new one, twice.
    let before = issuer.given(&scope);
    std::thread::sleep(Duration::from_secs(LIFE + LIFE / 2));
    assert!(issuer.given(&scope) >= before + 2, "{} tokens, {}", issuer.given(&scope) - before, all.log());
    house.feed("later");
    house.wait_for_request("later", &[&all]);
    let log = all.log();
    assert!(!log.contains("uthentication") && !log.contains("no token"), "{log}");

    // The issuer is down for longer than a token lasts; it is said, and afterwards the work goes on.
    issuer.set_down_for(Some(&scope));
    std::thread::sleep(Duration::from_secs(LIFE + 5));
    issuer.set_down_for(None);
    let said = all.log();
    assert!(said.contains("status 503"), "{said}");
    house.feed("after");
    house.wait_for_request("after", &[&all]);
    all.stop();
}
