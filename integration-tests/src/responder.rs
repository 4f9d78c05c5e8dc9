//! A responder, as a SOAR has one: takes verified requests off the output topic, acts on each once, and reports what became of it.
//!
//! It shares no code with the gate that signs: the signature is verified by OpenSSL, and what is acted upon is the verified payload, never the
//! fields beside it. With a key of its own it signs what it reports, and may then report by an input that is trusted with nothing. `docs/soar.md` tells it step by step.

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::{Signer, Verifier};
use portcullis_connectors::kafka::{Reader, Settings, Sink, SinkSettings, Start, TopicPartition};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whoever carries a request out. What became of it, in the words of `containment.outcome`, and a sentence.
pub trait Act {
    fn act(&mut self, request: &Value) -> (&'static str, String);
}

impl<F: FnMut(&Value) -> (&'static str, String)> Act for F {
    fn act(&mut self, request: &Value) -> (&'static str, String) {
        self(request)
    }
}

/// Where it reads, where it reports, and whose signature it believes.
pub struct Responder {
    settings: Settings,
    topic: String,
    /// An input of Portcullis: with `trust: control`, or any where it signs.
    reports: String,
    /// What it signs its outcomes with, and the name that the policy gives to that key.
    key: Option<(PKey<Private>, String)>,
    /// The JWK set of the gate (RFC 7517).
    keys: Value,
    issuer: String,
    audience: String,
    read: BTreeMap<i32, i64>,
    /// Ids of requests that were acted upon. One that restarts keeps them on disk.
    done: BTreeSet<String>,
    /// Requests that were not believed or came too late, and why.
    pub refused: Vec<String>,
}

impl Responder {
    /// # Errors
    /// For text that is no JWK set.
    pub fn new(settings: &Settings, topic: &str, reports: &str, jwks: &str, issuer: &str, audience: &str) -> anyhow::Result<Responder> {
        Ok(Responder {
            settings: settings.clone(),
            topic: topic.to_owned(),
            reports: reports.to_owned(),
            key: None,
            keys: serde_json::from_str(jwks).context("the JWK set of the gate")?,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            read: BTreeMap::new(),
            done: BTreeSet::new(),
            refused: Vec::new(),
        })
    }

    /// The same, signing what it reports with an Ed25519 key (PKCS #8 PEM) that the policy names `kid` under `responders`.
    ///
    /// # Errors
    /// For text that is no key.
    pub fn signing(mut self, pem: &str, kid: &str) -> anyhow::Result<Responder> {
        self.key = Some((PKey::private_key_from_pem(pem.as_bytes())?, kid.to_owned()));
        Ok(self)
    }

    /// Acts on every request that has come since the last time; returns how many that were.
    ///
    /// # Errors
    /// What Kafka says.
    pub fn turn(&mut self, act: &mut dyn Act) -> anyhow::Result<usize> {
        let mut reader = Reader::open(&self.settings)?; // read_committed
        let mut records = Vec::new();
        for partition in 0..reader.partitions(&self.topic)? {
            let from = self.read.get(&partition).map_or(Start::Beginning, |offset| Start::At(*offset));
            let range = reader.read(&TopicPartition::new(self.topic.as_str(), partition), from, None, |record| {
                if record.header("type") == Some(b"containment-request") {
                    records.push(record.value.unwrap_or_default().to_vec());
                }
                ControlFlow::Continue(())
            })?;
            self.read.insert(partition, range.to);
        }
        let mut outcomes = Vec::new();
        for record in &records {
            match self.verified(record) {
                Ok(request) if self.done.insert(request["id"].as_str().unwrap_or_default().to_owned()) => {
                    let (status, detail) = act.act(&request);
                    let mut outcome = outcome(&request, status, &detail);
                    if let Some((key, kid)) = &self.key {
                        sign(&mut outcome, key, kid)?;
                    }
                    outcomes.push(outcome);
                }
                Ok(_) => {} // once more: it was acted upon
                Err(why) => self.refused.push(format!("{why:#}")),
            }
        }
        if !outcomes.is_empty() {
            let mut sink = Sink::open(&self.settings, SinkSettings::new(format!("{}-responder", self.reports)))?;
            sink.begin()?;
            for outcome in &outcomes {
                sink.send(&self.reports, None, None, Some(outcome.to_string().as_bytes()), &[], None)?;
            }
            sink.commit_outputs()?;
        }
        Ok(outcomes.len())
    }

    /// The payload of a request's signature, if it is believed and not too old.
    ///
    /// # Errors
    /// Why not.
    pub fn verified(&self, record: &[u8]) -> anyhow::Result<Value> {
        let record: Value = serde_json::from_slice(record)?;
        let jws = record["jws"].as_str().context("a request without a signature")?;
        let (signed, signature) = jws.rsplit_once('.').context("no compact JWS")?;
        let (header, payload) = signed.split_once('.').context("no compact JWS")?;
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
        let keys = self.keys["keys"].as_array().context("a JWK set")?;
        let key = keys.iter().find(|k| k["kid"] == header["kid"]).context("a key that the gate does not name")?;
        // The algorithm is the key's, never the signer's to choose.
        ensure!(header["alg"] == key["alg"] && header["typ"] == "secevent+jwt", "signed as {header}");
        let bytes = |member: &str| anyhow::Ok(URL_SAFE_NO_PAD.decode(key[member].as_str().context("a member of the key")?)?);
        let signature = URL_SAFE_NO_PAD.decode(signature)?;
        let is_its = match key["alg"].as_str() {
            Some("EdDSA") => {
                let key = PKey::public_key_from_raw_bytes(&bytes("x")?, Id::ED25519)?;
                Verifier::new_without_digest(&key)?.verify_oneshot(&signature, signed.as_bytes())?
            }
            Some("RS256") => {
                let key = Rsa::from_public_components(BigNum::from_slice(&bytes("n")?)?, BigNum::from_slice(&bytes("e")?)?)?;
                let key = PKey::from_rsa(key)?;
                Verifier::new(MessageDigest::sha256(), &key)?.verify_oneshot(&signature, signed.as_bytes())?
            }
            other => anyhow::bail!("a key for {other:?}"),
        };
        ensure!(is_its, "the signature is not by key {}", header["kid"]);
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
        ensure!(claims["iss"] == self.issuer.as_str() && claims["aud"] == self.audience.as_str(), "from or for somebody else");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        // `exp` is `not_after`: later it must not be carried out.
        ensure!(claims["exp"].as_i64().is_some_and(|exp| exp > now), "too late: it was to be carried out by {}", claims["exp"]);
        Ok(claims)
    }
}

/// The event that tells Portcullis what became of a request: its subject, action and target are copied from it.
pub fn outcome(request: &Value, status: &str, detail: &str) -> Value {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    json!({
        "id": format!("outcome-{}-{status}", request["id"].as_str().unwrap_or_default()),
        "time": time,
        "type": "containment.outcome",
        "tenant": request["tenant"],
        "containment": {
            "request_id": request["id"],
            "status": status,
            "by": "responder",
            "detail": detail,
            "subject": request["subject"],
            "action": request["action"],
            "target": { "kind": request["target"]["kind"], "id": request["target"]["id"] },
        },
    })
}

/// Signs an outcome: with it, it is believed whatever input it comes by. What is signed is what stands beside the signature.
///
/// # Errors
/// What OpenSSL says.
pub fn sign(outcome: &mut Value, key: &PKey<Private>, kid: &str) -> anyhow::Result<()> {
    let header = json!({ "alg": "EdDSA", "typ": "portcullis-outcome+jwt", "kid": kid });
    let seconds = outcome["time"].as_u64().context("a time")? / 1_000;
    let claims = json!({ "jti": outcome["id"], "iat": seconds, "tenant": outcome["tenant"], "containment": outcome["containment"] });
    let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = Signer::new_without_digest(key)?.sign_oneshot_to_vec(signed.as_bytes())?;
    outcome["containment"]["jws"] = json!(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
    Ok(())
}
