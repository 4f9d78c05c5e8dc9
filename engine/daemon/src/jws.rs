//! Signed requests: a compact JWS (RFC 7515) with Ed25519 (RFC 8037) whose payload is the request itself, as a SET (RFC 8417) types it.

use crate::audit::file::{SEAL_TYPE, Seal};
use crate::audit::head::{HEAD_TYPE, Head};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use ed25519_dalek::{Signer as _, SigningKey};
use portcullis_core::containment::{ContainmentRequest, SecurityEvent};
use portcullis_core::gate;
use portcullis_core::id::digest;
use portcullis_core::record::Output;
use portcullis_core::signature::{POLICY_TYPE, SignedPolicy};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// What is wrong with a signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    #[error("signing key {path}: {source}; make one with `portcullis gate keygen --out {path}`")]
    Read { path: String, source: std::io::Error },
    #[error("signing key {path} is no Ed25519 private key in PKCS#8 PEM ({what}); make one with `portcullis gate keygen --out {path}`")]
    Format { path: String, what: String },
    #[error("signing key {path}: {source}")]
    Write { path: String, source: std::io::Error },
    #[error("no randomness from the system: {0}")]
    Random(String),
}

/// The gate's key, and whom its requests are from and for.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    kid: String,
    issuer: String,
    audience: String,
}

/// Registered claims beside the request's own fields.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    jti: &'a str,
    /// Log time, seconds.
    iat: i64,
    /// `not_after`, seconds.
    exp: i64,
    #[serde(flatten)]
    request: &'a ContainmentRequest,
}

impl Signer {
    /// Reads the key.
    ///
    /// # Errors
    /// When the file cannot be read or holds no Ed25519 key.
    pub fn open(path: &Path, issuer: &str, audience: &str) -> Result<Signer, KeyFault> {
        let shown = path.display().to_string();
        let pem = std::fs::read_to_string(path).map_err(|source| KeyFault::Read { path: shown.clone(), source })?;
        let key = SigningKey::from_pkcs8_pem(&pem).map_err(|e| KeyFault::Format { path: shown, what: e.to_string() })?;
        Ok(Signer::new(key, issuer, audience))
    }

    fn new(key: SigningKey, issuer: &str, audience: &str) -> Signer {
        let kid = thumbprint(&key);
        Signer { key, kid, issuer: issuer.to_owned(), audience: audience.to_owned() }
    }

    /// Makes a new key and writes it, readable by its owner alone.
    ///
    /// # Errors
    /// When the file is there already or cannot be written.
    pub fn generate(path: &Path) -> Result<Signer, KeyFault> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| KeyFault::Random(e.to_string()))?;
        let key = SigningKey::from_bytes(&seed);
        let shown = path.display().to_string();
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| KeyFault::Format { path: shown.clone(), what: e.to_string() })?;
        write_private(path, pem.as_bytes()).map_err(|source| KeyFault::Write { path: shown, source })?;
        Ok(Signer::new(key, "", ""))
    }

    /// The public key as a JWK set (RFC 7517), for whoever verifies.
    pub fn jwks(&self) -> serde_json::Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes());
        serde_json::json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x}]})
    }

    /// Signs every request and every fact among the outputs.
    pub fn sign_all(&self, outputs: &mut [Output]) {
        for output in outputs {
            match output {
                Output::Request(request) => request.jws = Some(self.sign(request)),
                Output::Fact(fact) => fact.jws = Some(self.sign_set(fact)),
                _ => {}
            }
        }
    }

    /// The compact JWS of a request. Ed25519 is deterministic: the same request gives the same bytes.
    pub fn sign(&self, request: &ContainmentRequest) -> String {
        let unsigned = ContainmentRequest { jws: None, ..request.clone() };
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            jti: &request.id,
            iat: request.time.0.div_euclid(1_000),
            exp: request.not_after.0.div_euclid(1_000),
            request: &unsigned,
        };
        self.compact("secevent+jwt", &claims)
    }

    /// The SET of a fact: RFC 8417, its event as CAEP or RISC has it, its subject as RFC 9493.
    pub fn sign_set(&self, fact: &SecurityEvent) -> String {
        let seconds = fact.time.0.div_euclid(1_000);
        let user: Value = fact
            .target
            .sub_id
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_else(|| json!({"format": "opaque", "id": fact.subject.id}));
        let sub_id = match fact.target.kind.as_str() {
            "session" => json!({"format": "complex", "user": user, "session": {"format": "opaque", "id": fact.target.id}}),
            _ => user,
        };
        let mut event = json!({"event_timestamp": seconds, "initiating_entity": "policy", "reason_admin": {"en": fact.detail}});
        if let Some(change) = &fact.change_type {
            event["change_type"] = json!(change);
            event["credential_type"] = json!(fact.target.kind);
        }
        if let Some(reason) = &fact.reason {
            event["reason"] = json!(reason);
        }
        let claims = json!({
            "iss": self.issuer, "aud": self.audience, "jti": fact.id, "iat": seconds, "txn": fact.incident, "sub_id": sub_id,
            "events": { &fact.event: event },
        });
        self.compact("secevent+jwt", &claims)
    }

    /// The compact JWS of something that a person says.
    pub fn sign_answer(&self, claims: &gate::Claims) -> String {
        self.compact(gate::ANSWER_TYPE, claims)
    }

    /// The compact JWS by which an approver agrees to a policy.
    pub fn sign_policy(&self, policy: &SignedPolicy) -> String {
        self.compact(POLICY_TYPE, policy)
    }

    /// The compact JWS of the end of a journal.
    pub fn sign_head(&self, head: &Head) -> String {
        self.compact(HEAD_TYPE, head)
    }

    /// The compact JWS of the end of an export.
    pub fn sign_seal(&self, seal: &Seal) -> String {
        self.compact(SEAL_TYPE, seal)
    }

    fn compact(&self, typ: &str, payload: &impl Serialize) -> String {
        let header = serde_json::json!({"alg": "EdDSA", "kid": self.kid, "typ": typ}).to_string();
        // Writing nouns with string keys into memory cannot fail.
        let payload = serde_json::to_vec(payload).unwrap_or_default();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// The line of a policy that makes the word of this key's owner count.
    pub fn policy_line(&self, name: &str) -> String {
        let quoted = serde_json::Value::from(name);
        let x = URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes());
        format!("- {{ name: {quoted}, kid: {}, jwk: {{ kty: OKP, crv: Ed25519, x: {x} }} }}", serde_json::Value::from(self.kid.as_str()))
    }
}

/// A name for the key that follows from it.
fn thumbprint(key: &SigningKey) -> String {
    digest(key.verifying_key().as_bytes())[..16].to_owned()
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
