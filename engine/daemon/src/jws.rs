//! Signed requests: a compact JWS (RFC 7515) whose payload is the request itself, as a SET (RFC 8417) types it. With Ed25519 (RFC 8037), or
//! RS256 (RFC 7518) where whoever verifies knows nothing else. Both are deterministic: the same request gives the same bytes.

use crate::audit::file::{SEAL_TYPE, Seal};
use crate::audit::head::{HEAD_TYPE, Head};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes, SecretDocument};
use ed25519_dalek::{Signer as _, SigningKey};
use portcullis_connectors::outputs::set::{self, Set};
use portcullis_core::containment::ContainmentRequest;
use portcullis_core::gate;
use portcullis_core::id::digest;
use portcullis_core::named_enum;
use portcullis_core::record::Output;
use portcullis_core::signature::{self, POLICY_TYPE, PublicKey, Signatory, SignedPolicy};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

named_enum! {
    /// What a key signs with.
    pub enum Alg {
        /// Ed25519: short, fast, the choice wherever there is one.
        EdDsa = "EdDSA",
        /// RSA of 3072 bits with SHA-256: some hundred times slower, a millisecond or two a request.
        Rs256 = "RS256",
    }
}

/// Bits of an RSA key that is made here: secure beyond 2030 (NIST SP 800-57).
const RSA_BITS: u32 = 3_072;

/// What is wrong with a signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    #[error("signing key {path}: {source}; make one with `portcullis gate keygen --out {path}`")]
    Read { path: String, source: std::io::Error },
    #[error(
        "signing key {path} is no Ed25519 private key, and no RSA one of 2048 to 4096 bits, in PKCS#8 PEM ({what}); make one with `portcullis gate keygen --out {path}`"
    )]
    Format { path: String, what: String },
    #[error("signing key {path}: {source}")]
    Write { path: String, source: std::io::Error },
    #[error("signing key {path} cannot be made: {what}")]
    Make { path: String, what: String },
}

/// The gate's key, and whom its requests are from and for.
#[derive(Clone)]
pub struct Signer {
    key: Arc<Key>,
    public: PublicKey,
    kid: String,
    issuer: String,
    audience: String,
}

#[allow(clippy::large_enum_variant)] // there is one of it in a process
enum Key {
    Ed25519(SigningKey),
    Rsa(KeyPair),
}

impl Key {
    fn read(pem: &str) -> Result<Key, String> {
        if let Ok(key) = SigningKey::from_pkcs8_pem(pem) {
            return Ok(Key::Ed25519(key));
        }
        let (_, der) = SecretDocument::from_pem(pem).map_err(|e| e.to_string())?;
        KeyPair::from_pkcs8(der.as_bytes()).map(Key::Rsa).map_err(|e| e.to_string())
    }

    /// A new one, and its PEM.
    fn generate(alg: Alg) -> Result<(Key, Vec<u8>), String> {
        match alg {
            Alg::EdDsa => {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed).map_err(|e| format!("no randomness from the system: {e}"))?;
                let key = SigningKey::from_bytes(&seed);
                // Without the public half, which would make it a PKCS #8 of version 2: OpenSSL refuses those (RFC 8410, RFC 5958).
                let pem = KeypairBytes { secret_key: seed, public_key: None }.to_pkcs8_pem(LineEnding::LF).map_err(|e| e.to_string())?;
                Ok((Key::Ed25519(key), pem.as_bytes().to_vec()))
            }
            Alg::Rs256 => {
                let made = openssl::rsa::Rsa::generate(RSA_BITS).and_then(openssl::pkey::PKey::from_rsa);
                let pem = made.and_then(|key| key.private_key_to_pem_pkcs8()).map_err(|e| e.to_string())?;
                Ok((Key::read(&String::from_utf8_lossy(&pem))?, pem))
            }
        }
    }

    fn public(&self) -> Result<PublicKey, String> {
        match self {
            Key::Ed25519(key) => Ok(PublicKey::Ed25519(key.verifying_key())),
            Key::Rsa(key) => {
                let of = PublicKeyComponents::<Vec<u8>>::from(key.public());
                let [n, e] = [&of.n, &of.e].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
                PublicKey::rsa(&n, &e).ok_or_else(|| "its public exponent is not 65537".to_owned())
            }
        }
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Key::Ed25519(key) => key.sign(bytes).to_bytes().to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                // It fails only for a buffer of another length. The randomness blinds the computation, and is not in what comes of it.
                let _infallible = key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature);
                signature
            }
        }
    }
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
    /// When the file cannot be read or holds no such key.
    pub fn open(path: &Path, issuer: &str, audience: &str) -> Result<Signer, KeyFault> {
        let shown = path.display().to_string();
        let pem = std::fs::read_to_string(path).map_err(|source| KeyFault::Read { path: shown.clone(), source })?;
        let signer = Key::read(&pem).and_then(|key| Signer::new(key, issuer, audience));
        signer.map_err(|what| KeyFault::Format { path: shown, what })
    }

    fn new(key: Key, issuer: &str, audience: &str) -> Result<Signer, String> {
        let public = key.public()?;
        let kid = thumbprint(&public);
        Ok(Signer { key: Arc::new(key), public, kid, issuer: issuer.to_owned(), audience: audience.to_owned() })
    }

    /// Makes a new key and writes it, readable by its owner alone.
    ///
    /// # Errors
    /// When the file is there already or cannot be written.
    pub fn generate(path: &Path, alg: Alg) -> Result<Signer, KeyFault> {
        let shown = path.display().to_string();
        let make = || -> Result<(Signer, Vec<u8>), String> {
            let (key, pem) = Key::generate(alg)?;
            Ok((Signer::new(key, "", "")?, pem))
        };
        let (signer, pem) = make().map_err(|what| KeyFault::Make { path: shown.clone(), what })?;
        write_private(path, &pem).map_err(|source| KeyFault::Write { path: shown, source })?;
        Ok(signer)
    }

    /// The public key as a JWK (RFC 7517), for whoever verifies.
    pub fn jwk(&self) -> Value {
        let mut jwk: serde_json::Map<String, Value> =
            self.public.jwk().into_iter().map(|(member, value)| (member.to_owned(), Value::from(value))).collect();
        for (member, value) in [("alg", self.public.alg()), ("use", "sig"), ("kid", &self.kid)] {
            jwk.insert(member.to_owned(), Value::from(value));
        }
        Value::Object(jwk)
    }

    /// The same as a set of one.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk()] })
    }

    /// Signs every request and every fact among the outputs.
    pub fn sign_all(&self, outputs: &mut [Output]) {
        for output in outputs {
            match output {
                Output::Request(request) => request.jws = Some(self.sign(request)),
                Output::Fact(fact) => fact.jws = Some(self.sign_set(&Set::of_fact(fact))),
                _ => {}
            }
        }
    }

    /// The compact JWS of a request.
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
        self.compact(set::TYPE, &claims)
    }

    /// The compact JWS of a SET.
    pub fn sign_set(&self, set: &Set) -> String {
        self.compact(set::TYPE, &set.claims(&self.issuer, &self.audience))
    }

    /// The same key, for others.
    pub fn for_audience(&self, audience: &str) -> Signer {
        Signer { audience: audience.to_owned(), ..self.clone() }
    }

    /// Whether a SET was signed by this very key.
    pub fn has_signed(&self, jws: &str) -> bool {
        let us = [Signatory { name: String::new(), kid: self.kid.clone(), key: self.public.clone() }];
        signature::verify(jws, set::TYPE, &us).is_ok()
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn audience(&self) -> &str {
        &self.audience
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
        let header = json!({"alg": self.public.alg(), "kid": self.kid, "typ": typ}).to_string();
        // Writing nouns with string keys into memory cannot fail.
        let payload = serde_json::to_vec(payload).unwrap_or_default();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The line of a policy that makes the word of this key's owner count.
    pub fn policy_line(&self, name: &str) -> String {
        let jwk: Vec<String> = self.public.jwk().iter().map(|(member, value)| format!("{member}: {value}")).collect();
        format!("- {{ name: {}, kid: {}, jwk: {{ {} }} }}", Value::from(name), Value::from(self.kid.as_str()), jwk.join(", "))
    }
}

/// A name for the key that follows from it.
fn thumbprint(key: &PublicKey) -> String {
    let hash = match key {
        PublicKey::Ed25519(key) => digest(key.as_bytes()),
        PublicKey::Rsa(modulus) => digest(modulus),
    };
    hash[..16].to_owned()
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::signature::verify;

    #[test]
    fn a_key_of_either_sort_is_kept_read_and_verified() {
        let dir = tempfile::tempdir().unwrap();
        for alg in Alg::ALL {
            let path = dir.path().join(alg.name());
            let made = Signer::generate(&path, *alg).unwrap();
            let signer = Signer::open(&path, "", "").unwrap();
            assert_eq!((signer.jwk(), signer.jwk()["alg"].as_str()), (made.jwk(), Some(alg.name())));
            let signed = signer.compact("t", &json!({"a": 1}));
            assert_eq!(signed, signer.compact("t", &json!({"a": 1})), "the same bytes each time");
            let known = [Signatory { name: "gate".to_owned(), kid: signer.kid.clone(), key: signer.public.clone() }];
            assert_eq!(verify(&signed, "t", &known).unwrap().1, br#"{"a":1}"#);
            let (open, signature) = signed.rsplit_once('.').unwrap();
            let changed = format!("{open}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
            assert!(verify(&changed, "t", &known).unwrap_err().contains("not by key"));
            assert!(Signer::generate(&path, *alg).is_err(), "nothing is overwritten");
            // Whoever acts signs with a library of their own.
            openssl::pkey::PKey::private_key_from_pem(&std::fs::read(&path).unwrap()).expect("OpenSSL reads it");
        }
        // The header of the other algorithm helps nobody.
        let [ed, rsa] = ["EdDSA", "RS256"].map(|name| Signer::open(&dir.path().join(name), "", "").unwrap());
        let known = [Signatory { name: "gate".to_owned(), kid: ed.kid.clone(), key: rsa.public.clone() }];
        assert!(verify(&ed.compact("t", &json!({})), "t", &known).unwrap_err().contains("expected RS256"));
    }
}
