//! Where people sit, for tests of the response: an installation whose policy names two approvers, and what they see and say.

use crate::kafka::{shared, unique};
use crate::service::Service;
use serde_json::Value;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

pub struct Desk {
    pub service: Service,
    pub config: String,
}

impl Desk {
    /// The policy names anna and ben as approvers. `input`: how the input topic is read.
    ///
    /// # Panics
    /// If the broker or the binary refuses; so do all of these.
    pub fn open(name: &str, input: &str) -> Desk {
        let service = Service::install(&shared(), &unique(name), 1, input);
        let people: Vec<String> = ["anna", "ben"]
            .iter()
            .map(|name| service.cli(&["contain", "keygen", "--name", name, "--out", &service.shown(&format!("{name}.key"))]))
            .collect();
        let config = service.shown("portcullis.yaml");
        let desk = Desk { service, config };
        desk.change("policy.yaml", |policy| policy.replace("approvers: []", &format!("approvers:\n  {}  {}", people[0], people[1])));
        desk.change("portcullis.yaml", |config| {
            config.replace("gate: { signing_key_file:", "gate: { sign_ends_every: 1s, signing_key_file:")
        });
        desk
    }

    /// Makes a key `NAME.key` for whoever acts, and names it in the policy. Its `kid`.
    pub fn name_responder(&self, name: &str) -> String {
        let line = self.service.cli(&["contain", "keygen", "--name", name, "--out", &self.service.shown(&format!("{name}.key"))]);
        self.change("policy.yaml", |policy| policy.replace("responders: []", &format!("responders:\n  {line}")));
        line.split("kid: \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    /// Writes a file anew.
    pub fn change(&self, name: &str, change: impl FnOnce(&str) -> String) {
        let path = self.service.path(name);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, change(&text)).unwrap();
    }

    /// Puts lines on the input.
    pub fn feed(&self, lines: &[String]) {
        self.service.feed(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    }

    /// A command of `contain` that needs no person.
    pub fn contain(&self, args: &[&str]) -> String {
        self.service.cli(&[&["contain"], args, &["--config", &self.config]].concat())
    }

    /// What a person says: whether it was accepted, and what was said.
    pub fn says(&self, who: &str, args: &[&str]) -> (bool, String) {
        let key = self.service.shown(&format!("{who}.key"));
        self.service
            .try_cli_in(&[&["contain"], args, &["--config", &self.config, "--key", &key, "--reason", "seen on the phone"]].concat(), &[])
    }

    /// Published records of a type.
    pub fn published(&self, kind: &str) -> Vec<Value> {
        let records = self.service.records(&self.service.names.verdicts);
        records.iter().filter(|(k, _)| k == kind).map(|(_, value)| serde_json::from_slice(value).unwrap()).collect()
    }

    /// Asks until it is there.
    pub fn wait<T>(&self, what: &str, mut found: impl FnMut(&Desk) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{what} did not come; waiting: {}; decisions: {:#?}; {}",
                self.contain(&["list"]),
                self.published("containment-decision"),
                self.service.log()
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// What waits, as `list --json` says it.
    pub fn waiting(&self) -> Vec<Value> {
        self.contain(&["list", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `audit verify` with the keys of the gate: whether it found no fault, and what it said.
    pub fn audit(&self, args: &[&str]) -> (bool, String) {
        let jwks = self.service.shown("jwks.json");
        std::fs::write(&jwks, self.service.cli(&["gate", "jwks", "--key", &self.service.shown("gate.key")])).unwrap();
        self.service.try_cli_in(&[&["audit", "verify", "--jwks", &jwks], args].concat(), &[])
    }
}
