//! Who signed a record of the log: a compact JWS (RFC 7515) by an Ed25519 key (RFC 8037) that the policy names.
//!
//! Verification is a pure function of the record and the policy, so a replay believes whom the original believed.

use crate::policy::Policy;
use crate::record::PolicyRecord;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A person or a system whose signature the policy believes.
#[derive(Clone, PartialEq, Debug)]
pub struct Signatory {
    pub name: String,
    /// Names the key in the header of what it signs.
    pub kid: String,
    pub key: VerifyingKey,
}

/// The public key of a JWK's `x`: 32 bytes in base64url. `None` for anything else, and for the points that verify nothing.
pub fn public_key(x: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(x).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak())
}

/// The `x` of a JWK.
pub fn x_of(key: &VerifyingKey) -> String {
    URL_SAFE_NO_PAD.encode(key.as_bytes())
}

/// The type in the header of what an approver signs of a policy.
pub const POLICY_TYPE: &str = "portcullis-policy+jwt";

/// What an approver signs of a policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignedPolicy {
    pub version: String,
    /// BLAKE3 of the text, hex.
    pub digest: String,
}

/// Whether the approvers of the policy in force let this one take its place: two of them, or the only one. Where there are none, anybody may.
///
/// # Errors
/// What is missing, in a sentence.
pub fn may_follow(in_force: &Policy, record: &PolicyRecord) -> Result<(), String> {
    let approvers = &in_force.approvers;
    if approvers.is_empty() {
        return Ok(());
    }
    if record.version <= in_force.version {
        return Err(format!(
            "its version {} is not greater than {}, which is in force: an older policy does not come back",
            record.version, in_force.version
        ));
    }
    let of = SignedPolicy { version: record.version.clone(), digest: record.digest.clone() };
    let (mut agreed, mut refused) = (BTreeSet::new(), Vec::new());
    for jws in &record.signatures {
        match verify(jws, POLICY_TYPE, approvers) {
            Ok((signatory, payload)) if serde_json::from_slice::<SignedPolicy>(&payload).is_ok_and(|signed| signed == of) => {
                agreed.insert(signatory.name.as_str());
            }
            Ok((signatory, _)) => refused.push(format!("{} signed another policy", signatory.name)),
            Err(why) => refused.push(why),
        }
    }
    let people: BTreeSet<&str> = approvers.iter().map(|a| a.name.as_str()).collect();
    let needs = people.len().min(2);
    if agreed.len() >= needs {
        return Ok(());
    }
    let who = agreed.into_iter().collect::<Vec<_>>().join(", ");
    Err(format!(
        "{needs} of the approvers of the policy in force must sign it, {} did: `portcullis policy sign`{}",
        if who.is_empty() { "none" } else { &who },
        if refused.is_empty() { String::new() } else { format!(" ({})", refused.join("; ")) }
    ))
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Who signed a JWS of that type, and what.
///
/// # Errors
/// Why it is not believed, in a sentence.
pub fn verify<'s>(jws: &str, typ: &str, signatories: &'s [Signatory]) -> Result<(&'s Signatory, Vec<u8>), String> {
    let (signed, signature) = jws.rsplit_once('.').ok_or("it is not a compact JWS")?;
    let (header, payload) = signed.split_once('.').ok_or("it is not a compact JWS")?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part of it is not base64url");
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| "its header lacks alg, typ or kid")?;
    // The algorithm is ours to choose, never the signer's.
    if header.alg != "EdDSA" || header.typ != typ {
        return Err(format!("it is signed as {} {}, expected EdDSA {typ}", shown(&header.alg), shown(&header.typ)));
    }
    let signatory = signatories
        .iter()
        .find(|s| s.kid == header.kid)
        .ok_or_else(|| format!("the policy in force names no key {}", shown(&header.kid)))?;
    let signature = Signature::from_slice(&decode(signature)?).map_err(|_| "its signature has another length than Ed25519's")?;
    signatory
        .key
        .verify_strict(signed.as_bytes(), &signature)
        .map_err(|_| format!("its signature is not by key {} of {}, or it was changed", signatory.kid, signatory.name))?;
    Ok((signatory, decode(payload)?))
}

/// Text of a stranger, fit for a message.
fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    fn sign(key: &SigningKey, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    const HEADER: &str = r#"{"alg":"EdDSA","typ":"t","kid":"a1"}"#;

    #[test]
    fn what_a_known_key_signed_is_believed_and_nothing_else() {
        let (key, other) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
        let known = [Signatory { name: "anna".to_owned(), kid: "a1".to_owned(), key: key.verifying_key() }];
        let good = sign(&key, HEADER, "{}");
        assert_eq!(verify(&good, "t", &known).unwrap().1, b"{}");
        for (refused, why) in [
            (sign(&other, HEADER, "{}"), "not by key a1"),
            (sign(&key, r#"{"alg":"none","typ":"t","kid":"a1"}"#, "{}"), "expected EdDSA"),
            (sign(&key, r#"{"alg":"EdDSA","typ":"u","kid":"a1"}"#, "{}"), "expected EdDSA t"),
            (sign(&key, r#"{"alg":"EdDSA","typ":"t","kid":"b1"}"#, "{}"), "names no key b1"),
            (sign(&key, r#"{"alg":"EdDSA"}"#, "{}"), "lacks"),
            (good.replacen('.', ".AA", 1), "not by key"),
            ("a.b".to_owned(), "not a compact JWS"),
            (String::new(), "not a compact JWS"),
            (format!("{good}AAAA"), "another length"),
        ] {
            let said = verify(&refused, "t", &known).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn every_changed_byte_is_found() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let known = [Signatory { name: "anna".to_owned(), kid: "a1".to_owned(), key: key.verifying_key() }];
        let good = sign(&key, HEADER, r#"{"do":"approve"}"#);
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(verify(std::str::from_utf8(&bytes).unwrap(), "t", &known).is_err(), "byte {at} changed and nobody saw it");
        }
    }

    #[test]
    fn a_policy_follows_another_only_as_its_approvers_say() {
        let keys = [SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]), SigningKey::from_bytes(&[3; 32])];
        let signatory = |i: usize, name: &str| Signatory { name: name.to_owned(), kid: format!("k{i}"), key: keys[i].verifying_key() };
        let mut in_force = Policy::built_in();
        in_force.version = "2".to_owned();
        let by = |i: usize, version: &str, digest: &str| {
            let header = format!(r#"{{"alg":"EdDSA","typ":"{POLICY_TYPE}","kid":"k{i}"}}"#);
            sign(&keys[i], &header, &format!(r#"{{"version":"{version}","digest":"{digest}"}}"#))
        };
        let record = |version: &str, signatures: Vec<String>| PolicyRecord {
            version: version.to_owned(),
            digest: "ab".to_owned(),
            text: String::new(),
            author: "me".to_owned(),
            applied_at: crate::time::Time(0),
            signatures,
        };
        assert_eq!(may_follow(&in_force, &record("1", vec![])), Ok(()), "nobody to ask");
        in_force.approvers = vec![signatory(0, "anna")];
        assert_eq!(may_follow(&in_force, &record("3", vec![by(0, "3", "ab")])), Ok(()));
        in_force.approvers.push(signatory(1, "ben"));
        for (refused, why) in [
            (record("3", vec![]), "none did"),
            (record("3", vec![by(0, "3", "ab")]), "anna did"),
            (record("3", vec![by(0, "3", "ab"), by(0, "3", "ab")]), "anna did"),
            (record("3", vec![by(0, "3", "ab"), by(1, "3", "cd")]), "ben signed another policy"),
            (record("3", vec![by(0, "3", "ab"), by(2, "3", "ab")]), "names no key k2"),
            (record("2", vec![by(0, "2", "ab"), by(1, "2", "ab")]), "does not come back"),
        ] {
            let said = may_follow(&in_force, &refused).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        assert_eq!(may_follow(&in_force, &record("3", vec![by(1, "3", "ab"), by(0, "3", "ab")])), Ok(()));
    }

    #[test]
    fn a_key_reads_back() {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        assert_eq!(public_key(&x_of(&key)), Some(key));
        assert_eq!(public_key("AAAA"), None);
        assert_eq!(public_key(&URL_SAFE_NO_PAD.encode([0; 32])), None, "a weak point");
    }
}
