//! Whoever carries out what is requested: with accounts of its own that may do just that.

use portcullis_integration_tests::http::Body;
use portcullis_integration_tests::keycloak::{Keycloak, REALM, text};
use portcullis_integration_tests::openbao::OpenBao;
use portcullis_integration_tests::responder::Act;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::rc::Rc;

const CLIENT: &str = "responder";
const SECRET: &str = "responder-secret";

pub struct Executor {
    keycloak: Rc<Keycloak>,
    bao: Rc<OpenBao>,
    /// What may write the secret of `etl`.
    bao_token: String,
    /// Privileged sessions that the PAM has open.
    pub pam: BTreeSet<String>,
    /// What it was asked for, and answered.
    pub acted: Vec<(Value, &'static str)>,
}

impl Executor {
    pub fn new(keycloak: &Rc<Keycloak>, bao: &Rc<OpenBao>) -> Executor {
        keycloak.create_machine(CLIENT, SECRET, &["manage-users", "manage-clients"]);
        let bao_token = bao.token("etl", &["create", "update"]);
        Executor { keycloak: keycloak.clone(), bao: bao.clone(), bao_token, pam: BTreeSet::new(), acted: Vec::new() }
    }

    fn keycloak(&self, method: &str, path: &str) -> (u16, Value) {
        let (status, answer) = self.keycloak.client_log_in(CLIENT, SECRET, "127.0.0.1");
        assert_eq!(status, 200, "the responder's own log-in: {answer}");
        self.keycloak.admin(&text(&answer, "access_token"), method, &format!("/{REALM}/{path}"), &Body::None)
    }

    fn end_session(&self, id: &str) -> (&'static str, String) {
        match self.keycloak("DELETE", &format!("sessions/{id}")) {
            (204, _) => ("done", "ended at Keycloak".to_owned()),
            (404, _) => ("not_found", "Keycloak knows no such session".to_owned()),
            (other, answer) => ("failed", format!("Keycloak says {other}: {answer}")),
        }
    }

    /// The target is the client that the secret belongs to. In OpenBao it has the client's name.
    fn rotate(&self, client: &str) -> (&'static str, String) {
        let (_, found) = self.keycloak("GET", &format!("clients?clientId={client}"));
        let Some(id) = found[0]["id"].as_str() else { return ("not_found", format!("Keycloak knows no client {client}")) };
        let (status, answer) = self.keycloak("POST", &format!("clients/{id}/client-secret"));
        let Some(secret) = answer["value"].as_str() else { return ("failed", format!("Keycloak says {status}: {answer}")) };
        match self.bao.put(&self.bao_token, client, &json!({ "client_secret": secret })) {
            200 => ("done", "rotated at Keycloak and in OpenBao".to_owned()),
            other => ("partial", format!("rotated at Keycloak, and OpenBao says {other}")),
        }
    }

    fn end_privileged(&mut self, id: &str) -> (&'static str, String) {
        if self.pam.remove(id) { ("done", "ended in the PAM".to_owned()) } else { ("not_found", format!("no session {id}")) }
    }
}

impl Act for Executor {
    fn act(&mut self, request: &Value) -> (&'static str, String) {
        let [kind, id, provider] = ["kind", "id", "provider"].map(|field| request["target"][field].as_str().unwrap_or_default());
        let action = request["action"].as_str().unwrap_or_default();
        let at_keycloak = provider == format!("keycloak {}", self.keycloak.issuer());
        let (status, detail) = match action {
            "terminate_session" if at_keycloak && kind == "session" => self.end_session(id),
            "rotate_secret" if at_keycloak && kind == "credential" => self.rotate(id),
            "terminate_privileged_session" => self.end_privileged(id),
            "open_case" | "notify_owner" => ("done", "somebody was told".to_owned()),
            _ => ("unsupported", "nobody does that here".to_owned()),
        };
        println!("  {action} of {kind} {id}: {status}, {detail}");
        self.acted.push((request.clone(), status));
        (status, detail)
    }
}
